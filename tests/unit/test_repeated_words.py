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
    ("Nothing here agrees.", "All words differ."),
    ("Yes!", "Yes!"),
)


@pytest.fixture(scope="module")
def minilm():
    return checkpoints.load("minilm")


@pytest.fixture(scope="module")
def measured(minilm):
    """Encoded examples, their sentences, pieces, maps between words, and the reducer after one batch of them."""
    encoded, sentences = word_maps.encoded(minilm.tokenizer, PAIRS)
    pieces = [word_pieces(*pair) for pair in zip(encoded, sentences, strict=True)]
    words = [[one for of_sentence in found for one in of_sentence] for found in pieces]
    repeats = [repeats_and_null(*pair) for pair in zip(sentences, pieces, strict=True)]
    batch = word_maps.batch_of(minilm.tokenizer, encoded)
    maps = word_maps.random_maps(batch)
    reducer = RepeatedWords(words, repeats)
    reducer(maps, batch)
    return sentences, between_words(maps, batch, words).numpy(), reducer


def _slow(sentences, weights):
    """Average over repeats, pair by pair: (repeated, others), each (layer, head); None where nothing is repeated."""
    words = [(side, word.text.lower()) for side, one in enumerate(sentences) for word in one.words]
    counts = [place for place, (_, text) in enumerate(words) if any(map(str.isalnum, text))]
    pairs = []
    for query in counts:
        for key in counts:
            if words[query][1] == words[key][1] and words[query][0] != words[key][0]:
                others = [
                    weights[..., other, key]
                    for other in counts
                    if words[other][0] == words[query][0] and words[other][1] != words[key][1]
                ]
                if others:
                    pairs.append((weights[..., query, key], np.mean(others, axis=0)))
    return np.mean(pairs, axis=0) if pairs else None


def test_repeats_and_their_null_are_those_of_a_slow_count(measured):
    sentences, weights, reducer = measured
    table = reducer.table().set_index("example")
    assert sorted(table.index.unique()) == [0, 1]  # the third repeats no word, in the fourth no other word could attend
    for row in (0, 1):
        slow = _slow(sentences[row], weights[row])
        found = table.loc[row, ["repeated", "others"]].to_numpy().T.reshape(slow.shape)
        np.testing.assert_allclose(found, slow, rtol=1e-5)


def test_case_is_put_aside_and_marks_are_not_words(measured):
    sentences, _, _ = measured
    pieces = [[(place,) for place in range(len(one.words))] for one in sentences[0]]
    same, null = repeats_and_null(sentences[0], pieces)
    assert (same > 0).sum() == 10  # the, bank, said, prices, rose: in both directions
    assert same.sum() == pytest.approx(1)
    assert null.sum() == pytest.approx(1)
    assert not ((same > 0) & (null > 0)).any()


def test_a_word_cut_off_by_truncation_is_no_repeat(measured):
    sentences, _, _ = measured
    pieces = [[(place,) for place in range(len(one.words))] for one in sentences[0]]
    pieces[1] = [() for _ in pieces[1]]
    same, null = repeats_and_null(sentences[0], pieces)
    assert not same.any()
    assert not null.any()


def test_where_no_word_is_repeated_the_table_has_no_rows(minilm):
    encoded, sentences = word_maps.encoded(minilm.tokenizer, PAIRS[2:3])
    pieces = [word_pieces(*pair) for pair in zip(encoded, sentences, strict=True)]
    words = [[one for of_sentence in found for one in of_sentence] for found in pieces]
    batch = word_maps.batch_of(minilm.tokenizer, encoded)
    reducer = RepeatedWords(words, [repeats_and_null(sentences[0], pieces[0])])
    reducer(word_maps.random_maps(batch), batch)
    table = reducer.table()
    assert table.empty
    assert list(table.columns) == ["example", "layer", "head", "repeated", "others"]


def test_an_input_without_words_has_no_repeats():
    same, null = repeats_and_null((), ())
    assert same.shape == null.shape == (0, 0)


def test_a_table_has_the_difference_with_its_interval():
    weights = pd.DataFrame(
        [
            ("RTE", "fine-tuned", 0, example, 0, head, repeated, others)
            for example, (repeated, others) in enumerate([(0.5, 0.1), (0.3, 0.1), (0.4, 0.1)])
            for head in (0, 1)
        ],
        columns=["task", "checkpoint", "seed", "example", "layer", "head", "repeated", "others"],
    )
    heads = repeated_words.summarize(weights).heads
    assert list(heads.columns) == [*weights.columns.drop("example"), "mean", "low", "high", "n"]
    assert len(heads) == 2
    row = heads.iloc[0]
    assert (row["repeated"], row["others"], row["mean"]) == pytest.approx((0.4, 0.1, 0.3))
    assert row["high"] - row["mean"] == pytest.approx(4.3027 * 0.1 / np.sqrt(3), rel=1e-4)
    assert row["n"] == 3
    assert repeated_words.summarize(weights[:0]).heads.empty


def test_other_tasks_have_no_rows(tmp_path):
    found = repeated_words.measure(Setup(tasks=["SST-2"], store=tmp_path))
    assert repeated_words.summarize(found).heads.empty
