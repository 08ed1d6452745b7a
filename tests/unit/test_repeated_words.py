"""Attention to words that occur in both sentences: matrices against a slow count, and the tables."""

import numpy as np
import pandas as pd
import pytest

from darksecrets.models import checkpoints
from darksecrets.models.alignment import between_words, word_pieces
from darksecrets.models.setup import Setup
from darksecrets.sections import repeated_words
from darksecrets.sections.repeated_words import RepeatedWords, repeats_and_null
from tests import word_maps

PAIRS = (
    ("The bank said prices rose.", "Prices rose, said the central bank."),
    ("The The dogs barked at the cat.", "Cats and dogs!"),
    ("Nothing here agrees.", "All words differ."),  # repeats no word
    ("Yes!", "Yes!"),  # no other word could attend
)


@pytest.fixture(scope="module")
def measured():
    """The sentences of encoded examples, maps between their words, and the reducer after one batch of them."""
    tokenizer = checkpoints.load("minilm").tokenizer
    encoded, sentences = word_maps.encoded(tokenizer, PAIRS)
    pieces = [word_pieces(*pair) for pair in zip(encoded, sentences, strict=True)]
    words = [[one for of_sentence in found for one in of_sentence] for found in pieces]
    batch = word_maps.batch_of(tokenizer, encoded)
    maps = word_maps.random_maps(batch)
    reducer = RepeatedWords(words, [repeats_and_null(*pair) for pair in zip(sentences, pieces, strict=True)])
    reducer(maps, batch)
    return sentences, between_words(maps, batch, words).numpy(), reducer


def slow_count(sentences, weights):
    """Average over repeats, pair by pair: (repeated, others), each (layer, head)."""
    words = [(side, word.text.lower()) for side, one in enumerate(sentences) for word in one.words]
    words = {index: word for index, word in enumerate(words) if any(map(str.isalnum, word[1]))}
    pairs = []
    for query, (side, text) in words.items():
        for key, (other_side, other_text) in words.items():
            if text == other_text and side != other_side:
                others = [index for index, (at, said) in words.items() if at == side and said != text]
                if others:
                    pairs.append((weights[..., query, key], np.mean([weights[..., o, key] for o in others], axis=0)))
    return np.mean(pairs, axis=0)


def test_repeats_and_their_null_are_those_of_a_slow_count(measured):
    sentences, weights, reducer = measured
    table = reducer.table().set_index("example")
    assert sorted(table.index.unique()) == [0, 1]
    for row in (0, 1):
        slow = slow_count(sentences[row], weights[row])
        fast = table.loc[row, ["repeated", "others"]].to_numpy().T.reshape(slow.shape)
        np.testing.assert_allclose(fast, slow, rtol=1e-5)


def test_words_count_that_both_sentences_have_and_no_truncation_cut(measured):
    (sentences, *_), _, _ = measured
    first, second = ([(index,) for index in range(len(one.words))] for one in sentences)
    same, null = repeats_and_null(sentences, [first, second])
    assert (same > 0).sum() == 10  # the, bank, said, prices, rose, without case and marks: in both directions
    assert (same.sum(), null.sum()) == pytest.approx((1, 1))
    assert not ((same > 0) & (null > 0)).any()
    assert not np.any(repeats_and_null(sentences, [first, [()] * len(second)]))
    assert [matrix.shape for matrix in repeats_and_null((), ())] == [(0, 0)] * 2


def test_where_no_word_is_repeated_the_table_has_no_rows():
    table = RepeatedWords([], []).table()
    assert table.empty
    assert list(table.columns) == ["example", "layer", "head", "repeated", "others"]


def test_a_table_has_the_difference_with_its_interval():
    weights = [
        ("RTE", "fine-tuned", 0, example, 0, head, repeated, 0.1)
        for example, repeated in enumerate((0.5, 0.3, 0.4))
        for head in (0, 1)
    ]
    columns = ["task", "checkpoint", "seed", "example", "layer", "head", "repeated", "others"]
    heads = repeated_words.summarize(pd.DataFrame(weights, columns=columns)).heads
    assert list(heads.columns) == [*columns[:3], *columns[4:], "mean", "low", "high", "n"]
    first, _ = heads.itertuples()
    assert (first.repeated, first.others, first.mean, first.n) == pytest.approx((0.4, 0.1, 0.3, 3))
    assert first.high - first.mean == pytest.approx(4.3027 * 0.1 / np.sqrt(3), rel=1e-4)


def test_other_tasks_have_no_rows(tmp_path):
    weights = repeated_words.measure(Setup(tasks=["SST-2"], store=tmp_path))
    assert repeated_words.summarize(weights).heads.empty
