"""Frames and pocket links: one pass of the pre-trained model, against looking single maps up pair by pair."""

from collections import Counter

import numpy as np
import pytest

from darksecrets.corpora import generated
from darksecrets.corpora.annotation import Frame
from darksecrets.models import attention
from darksecrets.models.setup import Setup
from darksecrets.sections import frame_attention
from tests import pocket

N = 3  # sentences for each relation and distance


@pytest.fixture(scope="module")
def setup(tiny_bert, tmp_path_factory):
    return Setup(tiny_bert, store=tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def framed():
    items = (item for task in ("RTE", "MRPC") for item in pocket.items(task, "dev", 20))
    return [sentence for item in items for sentence in item.sentences if sentence.frames]


def places(tokens, sentence):
    """Each word's tokens: both are written over the letters of the text, and what meets belongs together."""
    letters = [place for place, letter in enumerate(sentence.text) if letter != " "]
    spans, at = [], 0
    for token in tokens[1:-1]:
        size = len(token.removeprefix("##"))
        spans.append(set(letters[at : at + size]))
        at += size
    assert at == len(letters), "the tokens spell the text"
    own = [set(range(word.start, word.end)) for word in sentence.words]
    return [[place for place, span in enumerate(spans, start=1) if span & word] for word in own]


def weight(one_map, query, key):
    return sum(float(one_map[q, k]) for q in query for k in key) / len(query)


def test_frames_against_single_inputs(setup, framed):
    table = frame_attention.frames(setup, framed).set_index(["sentence", "pair", "kind", "shift", "layer", "head"])
    assert table.index.is_unique
    model, tokenizer = setup.load().encoder(), setup.load().tokenizer
    n_of = Counter()
    for number, sentence in enumerate(framed[:8]):
        tokens, maps = attention.maps_of(model, tokenizer, sentence.text)
        words = places(tokens, sentence)
        elements = [(frame, *element) for frame in sentence.frames for element in frame.elements.items()]
        for pair, (frame, name, span) in enumerate(elements):
            of_pair = table.loc[(number, pair)]
            assert set(of_pair["frame"]) == {frame.name}
            assert set(of_pair["element"]) == {name}
            assert set(of_pair["distance"]) == {min(abs(frame.target - place) for place in range(*span))}
            for (kind, shift, layer, head), row in of_pair.iterrows():
                one_map = maps[layer, head]
                target, element = standing(kind, shift, frame.target, range(*span), sentence)
                to_element = max(weight(one_map, words[target], words[place]) for place in element)
                to_target = max(weight(one_map, words[place], words[target]) for place in element)
                expected = (to_element, to_target, max(to_element, to_target))
                assert tuple(row[["to_element", "to_target", "either"]]) == pytest.approx(expected, abs=1e-6)
                n_of[kind] += 1
            # Each other word may stand for the target, and each run of others for the element.
            n_others = len(words_of(sentence)) - 1 - len(range(*span))
            kinds = of_pair.groupby("kind", observed=True).size() / 12
            assert kinds["other head"] == n_others
            assert kinds.get("other dependent", 0) == max(n_others - len(range(*span)) + 1, 0)
    assert n_of["link"] > 100
    assert min(n_of[kind] for kind in ("moved", "other head", "other dependent")) > 500


def words_of(sentence):
    """Places of the words that are not marks."""
    return [place for place, word in enumerate(sentence.words) if any(letter.isalnum() for letter in word.text)]


def standing(kind, shift, target, element, sentence):
    """The places of the target and of the element's words in a shape."""
    if kind in ("link", "moved"):
        return target + shift, [place + shift for place in element]
    if kind == "other head":
        assert target + shift not in element
        return target + shift, element
    others = [place for place in words_of(sentence) if place != target and place not in element]
    first = others.index(element[0] + shift)
    return target, others[first : first + len(element)]


def test_every_element_of_every_frame_has_its_link(setup, framed):
    table = frame_attention.frames(setup, framed)
    n_pairs = sum(len(frame.elements) for sentence in framed for frame in sentence.frames)
    links = table[table["kind"] == "link"]
    assert len(links) == n_pairs * 12
    assert {"Theme"} < set(links["element"])


def test_a_frame_whose_element_is_its_target_is_refused(setup, framed):
    sentence = framed[0]
    broken = Frame("Odd", 1, {"Theme": (1, 2)})
    with pytest.raises(ValueError, match="Theme"):
        frame_attention.frames(setup, [type(sentence)(sentence.text, sentence.words, {}, (), (broken,))])


def test_pocket_links_against_single_inputs(setup):
    table = frame_attention.pocket_links(setup, N).set_index(["example", "layer", "head"])
    assert table.index.is_unique
    model, tokenizer = setup.load().encoder(), setup.load().tokenizer
    wanted = [(relation, distance, sentence) for relation in frame_attention.RELATIONS for distance in range(1, 9)
              for sentence in generated.linked(relation, distance, N)]  # fmt: skip
    for number in range(0, len(wanted), 5):
        relation, distance, sentence = wanted[number]
        tokens, maps = attention.maps_of(model, tokenizer, sentence.text)
        words = places(tokens, sentence)
        link = next(one for one in sentence.links if (one.relation, one.distance) == (relation, distance))
        for layer, head in np.ndindex(3, 4):
            row, one_map = table.loc[(number, layer, head)], maps[layer, head]
            assert (row["relation"], row["distance"]) == (relation, distance)
            verb, subject = link.head, link.dependent
            assert row["to_dependent"] == pytest.approx(weight(one_map, words[verb], words[subject]), abs=1e-6)
            assert row["to_head"] == pytest.approx(weight(one_map, words[subject], words[verb]), abs=1e-6)
            beside = {"to_previous": (verb, -1), "to_next": (verb, 1),
                      "dependent_to_previous": (subject, -1), "dependent_to_next": (subject, 1)}  # fmt: skip
            for name, (place, step) in beside.items():
                if 0 <= place + step < len(words):
                    expected = weight(one_map, words[place], words[place + step])
                    assert row[name] == pytest.approx(expected, abs=1e-6)
                else:
                    assert np.isnan(row[name])
