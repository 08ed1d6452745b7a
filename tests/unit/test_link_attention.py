"""Attention between linked words, its null, the diagonal and the released reading, against loops over single maps."""

import math

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from darksecrets.models.alignment import between_words
from darksecrets.models.attended import DESCRIBED, Text
from darksecrets.models.link_attention import (
    DiagonalScore,
    LinkAttention,
    ReleasedLinks,
    describe_links,
    released_pairs,
    shapes,
)
from tests.word_maps import (
    N_HEADS,
    N_LAYERS,
    PAIRS,
    batch_of,
    encoded,
    random_maps,
    sentence_of,
    word_weight,
    words_of,
)


@pytest.fixture(scope="module")
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


@pytest.fixture(scope="module")
def texts(tokenizer):
    return [Text(*pair) for pair in zip(*encoded(tokenizer, PAIRS), strict=True)]


def ridden(tokenizer, texts, reducer):
    """Feed a reducer random maps of all texts in two batches; return the maps by row."""
    maps = {}
    for part in (slice(2, None), slice(0, 2)):
        batch = batch_of(tokenizer, [text.encoded for text in texts[part]])
        of_batch = random_maps(batch, seed=len(batch.examples))
        reducer(of_batch, batch)
        maps |= dict(zip(batch.rows, of_batch, strict=True))
    return maps


def null_pairs(sentence, link):
    """All other words at the same distance and in the same direction: no marks, and no link of the relation."""
    linked = {(one.head, one.dependent) for one in sentence.links if one.relation == link.relation}
    step = link.dependent - link.head
    is_word = words_of(sentence)
    return [
        (place, place + step)
        for place in range(len(sentence.words))
        if place in is_word and place + step in is_word and (place, place + step) not in linked
    ]


def test_links_and_their_null_against_loops(tokenizer, texts):
    shapes_of, described = zip(*(text.links() for text in texts), strict=True)
    reducer = LinkAttention([text.words for text in texts], shapes_of)
    maps = ridden(tokenizer, texts, reducer)
    table = describe_links(reducer.against_null(), described, DESCRIBED).set_index(["example", "link", "layer", "head"])
    n_links = n_null = 0
    for row, text in enumerate(texts):
        number, offset = 0, 0
        for sentence in text.sentences:
            for relation in ("verb-subject", "pronoun-antecedent"):
                for link in (one for one in sentence.links if one.relation == relation):
                    check(table.loc[(row, number)], maps[row], text, sentence, offset, link)
                    n_null += len(null_pairs(sentence, link))
                    number += 1
            offset += len(sentence.words)
        n_links += number
    assert len(table) == n_links * N_LAYERS * N_HEADS
    assert n_links >= 10, "the sentences have links"
    assert n_null >= 20, "and other words at their distance"


def check(found, maps, text, sentence, offset, link):
    others = null_pairs(sentence, link)
    assert (found["relation"] == link.relation).all()
    assert (found["distance"] == link.distance).all()
    pieces = text.words[offset : offset + len(sentence.words)]
    for layer, head in np.ndindex(N_LAYERS, N_HEADS):
        one_map, row = maps[layer, head], found.loc[(layer, head)]
        forward = [word_weight(one_map, pieces[a], pieces[b]) for a, b in [(link.head, link.dependent), *others]]
        back = [word_weight(one_map, pieces[b], pieces[a]) for a, b in [(link.head, link.dependent), *others]]
        for name, (own, *rest) in {"to_dependent": forward, "to_head": back}.items():
            assert row[name] == pytest.approx(own, abs=1e-6)
            assert row[f"{name}_null"] == pytest.approx(np.mean(rest) if rest else math.nan, abs=1e-6, nan_ok=True)
        for name, attended in {"to_dependent": link.dependent, "to_head": link.head}.items():
            asking = [place for place in words_of(sentence) if place not in (link.head, link.dependent)]
            paid = [word_weight(one_map, pieces[place], pieces[attended]) for place in asking]
            expected = np.mean(paid) if paid else math.nan
            assert row[f"{name}_others"] == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_a_link_of_several_words_is_its_largest_pair_and_moves_as_a_whole(tokenizer):
    sentence = sentence_of("The old man from Rome , they say was very sad")
    (example,), _ = encoded(tokenizer, [(sentence.text, None)])
    text = Text(example, (sentence,))
    pairs = ((10, 7), (10, 8))  # sad with "say was"
    found = shapes(0, pairs, sentence, text.words, {pairs})
    # Elsewhere the comma is in the way, or the sentence begins or ends.
    assert [shape.shift for shape in found if shape.kind == "moved"] == [-7, -6, -4, -1]
    others = {place for shape in found if shape.kind == "other head" for place, _ in shape.pairs}
    assert others == {0, 1, 2, 3, 4, 6, 9}
    reducer = LinkAttention([text.words], [found], keep_shapes=True)
    batch = batch_of(tokenizer, [example])
    maps = random_maps(batch)
    reducer(maps, batch)
    table = reducer.table()
    assert set(table["kind"]) == {"link", "moved", "other head", "other dependent"}
    assert len(table) == len(found) * N_LAYERS * N_HEADS
    for row in table[table["kind"].isin(["link", "moved"])].itertuples():
        places = [(head + row.shift, dependent + row.shift) for head, dependent in pairs]
        one_map = maps[0, row.layer, row.head]
        to_dependent = max(word_weight(one_map, text.words[a], text.words[b]) for a, b in places)
        to_head = max(word_weight(one_map, text.words[b], text.words[a]) for a, b in places)
        assert (row.to_dependent, row.to_head) == pytest.approx((to_dependent, to_head), abs=1e-6)


def test_a_link_that_truncation_cuts_is_left_out_and_its_null_stays_within_what_is_left(tokenizer):
    sentence = sentence_of(" ".join(["word"] * 20))
    (example,), _ = encoded(tokenizer, [(sentence.text, None)], 10)
    text = Text(example, (sentence,))
    assert shapes(0, ((0, 15),), sentence, text.words, set()) == []
    kept = shapes(0, ((0, 3),), sentence, text.words, set())
    assert [shape.shift for shape in kept if shape.kind == "moved"] == [1, 2, 3, 4]
    assert max(place for shape in kept for pair in shape.pairs for place in pair) == 7


def test_other_links_of_the_relation_are_no_null():
    sentence = sentence_of("He ran she sang")
    pieces = [(place + 1,) for place in range(4)]
    taken = {((1, 0),), ((3, 2),)}
    for links, shifts in ((taken, [1]), (set(), [1, 2])):
        found = shapes(0, ((1, 0),), sentence, pieces, links)
        assert [shape.shift for shape in found if shape.kind == "moved"] == shifts


def test_no_links_at_all_give_an_empty_table(tokenizer, texts):
    reducer = LinkAttention([text.words for text in texts], [[] for _ in texts])
    ridden(tokenizer, texts, reducer)
    assert reducer.table().empty
    assert reducer.against_null().empty
    assert "to_head_null" in reducer.against_null()


def test_diagonal_score_against_loops(tokenizer, texts):
    reducer = DiagonalScore()
    maps = ridden(tokenizer, texts, reducer)
    for row in reducer.table().itertuples():
        spans, one_map = texts[row.example].encoded.spans, maps[row.example][row.layer, row.head]
        pairs = [place for place in range(1, len(spans)) if spans[place][0] == spans[place - 1][0] >= 0]
        previous = np.mean([float(one_map[place, place - 1]) for place in pairs])
        following = np.mean([float(one_map[place - 1, place]) for place in pairs])
        assert (row.previous, row.next) == pytest.approx((previous, following), abs=1e-6)


def test_diagonal_score_of_a_single_token_is_missing(tokenizer):
    (example,), _ = encoded(tokenizer, [("Yes", None)])
    reducer = DiagonalScore()
    batch = batch_of(tokenizer, [example])
    reducer(random_maps(batch), batch)
    assert reducer.table()[["previous", "next"]].isna().all(axis=None)


def test_released_links_against_loops(tokenizer, texts):
    reducer = ReleasedLinks([released_pairs(text.encoded, text.sentences, tokenizer) for text in texts])
    maps = ridden(tokenizer, texts, reducer)
    table = reducer.table().set_index(["direction", "layer", "head"])["mean"]
    for layer, head in np.ndindex(N_LAYERS, N_HEADS):
        sums = {"to_dependent": 0.0, "to_head": 0.0}
        for row, text in enumerate(texts):
            tokens = tokenizer.convert_ids_to_tokens(text.encoded.input_ids)
            links = [(one, link) for one in text.sentences for link in one.links
                     if link.relation == "verb-subject" and one.words[link.head].pos == "VERB"
                     and not link.passive]  # fmt: skip
            verbs = [piece for one, link in links for piece in tokenizer.tokenize(one.words[link.head].text)]
            subjects = [piece for one, link in links for piece in tokenizer.tokenize(one.words[link.dependent].text)]
            of_verbs = [place for place, token in enumerate(tokens) if token in verbs]
            of_subjects = [place for place, token in enumerate(tokens) if token in subjects]
            one_map = maps[row][layer, head]
            pairs = list(zip(of_verbs, of_subjects, strict=False))
            sums["to_dependent"] += max((float(one_map[verb, subject]) for verb, subject in pairs), default=0)
            sums["to_head"] += max((float(one_map[subject, verb]) for verb, subject in pairs), default=0)
        for direction, total in sums.items():
            assert table[(direction, layer, head)] == pytest.approx(total / len(texts), abs=1e-6)


def test_what_a_word_pays_to_all_words_and_special_tokens_sums_to_one(tokenizer):
    (example,), (sentences,) = encoded(tokenizer, [("He was becoming agitated in Antananarivo.", None)])
    text = Text(example, sentences)
    batch = batch_of(tokenizer, [example])
    special = [(place,) for place, span in enumerate(example.spans) if span[0] < 0]
    weights = between_words(random_maps(batch), batch, [[*text.words, *special]])
    assert any(len(pieces) > 1 for pieces in text.words)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, N_LAYERS, N_HEADS, len(text.words) + 2))
