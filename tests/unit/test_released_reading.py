"""The reading `released` on MiniLM against the notebook's definitions, written out without the library's own links."""

import math

import numpy as np
import pytest

from darksecrets.corpora import framenet, glue, linguistics
from darksecrets.corpora.annotation import Frame, Sentence
from darksecrets.corpora.glue import Example
from darksecrets.models import attended, attention, checkpoints
from darksecrets.models.attended import Text
from darksecrets.models.setup import Setup
from darksecrets.models.value_norms import ValueNorms
from darksecrets.sections import fine_tuning, relations
from tests import notebook_definitions as notebook

SAME = 1e-5
INPUTS = {
    "passive and active": ("The bill was passed by the Senate, and the president signed it.", "The president left."),
    "passive alone": ("The letters were found.", "The driver was never seen again."),
    "negation in other words": ("Another driver was noticed, but nobody saw him.", "The minor had gone north."),
    "negations": ("She isn't sure whether they were told.", "They didn't know, nor did he."),
    "no words": ("Yes.", "No."),
    "auxiliaries": ("It is clear that there were complaints.", "She has not been there."),
    "one sentence": ("The committee that had been elected elected the chairman whom members had chosen.", ""),
    "several pieces": ("Antananarivo's inhabitants unquestionably mistrusted the antiquarian.", "He antagonized them."),
}
PAIRS = [texts for texts in INPUTS.values() if all(texts)]


@pytest.fixture(scope="module")
def minilm():
    return checkpoints.load("minilm")


@pytest.fixture(scope="module")
def model(minilm):
    return minilm.encoder()


def ours(minilm, model, pairs):
    """The library's tables of features and links over texts, as the chapters have them."""
    tokenizer = minilm.tokenizer
    examples = [Example(str(row), first, second or None, 0) for row, (first, second) in enumerate(pairs)]
    encoded = attention.encode(tokenizer, examples)
    texts = [Text(one, tuple(linguistics.annotate(linguistics.texts_of(example))))
             for one, example in zip(encoded, examples, strict=True)]  # fmt: skip
    with ValueNorms(model) as norms:
        reducers, _ = attended.reducers_of(texts, tokenizer, norms)
        attention.attention_pass(model, tokenizer, encoded, list(reducers.values()))
    features = reducers["features"].table().query("reading == 'released'")
    return features, reducers["released_links"].table().set_index(["layer", "head", "direction"])["mean"]


def check(minilm, model, pairs):
    """Compare every head on each of the inputs; links by their mean over inputs."""
    features, links = ours(minilm, model, pairs)
    tokenizer, sums = minilm.tokenizer, dict.fromkeys(links.index, 0.0)
    for row, texts in enumerate(pairs):
        tokens, maps = notebook.read(model, tokenizer, *texts)
        maps = maps[..., : len(tokens), : len(tokens)]
        found = features[features["example"] == row].set_index(["layer", "head"])
        for layer, head in np.ndindex(maps.shape[:2]):
            for name in notebook.FEATURES:
                expected = notebook.feature(maps[layer, head], tokens, tokenizer, texts, name)
                expected = math.nan if expected is None else expected
                assert found.loc[(layer, head), name] == pytest.approx(expected, abs=SAME, nan_ok=True), (texts, name)
            both = notebook.link(maps[layer, head], tokens, tokenizer, texts)
            for direction, weight in zip(("to_dependent", "to_head"), both, strict=True):
                sums[layer, head, direction] += weight
    assert links.to_dict() == pytest.approx({key: total / len(pairs) for key, total in sums.items()}, abs=SAME)
    return features, links


@pytest.mark.parametrize("name", INPUTS)
def test_features_and_links_of_one_input(minilm, model, name):
    features, links = check(minilm, model, [INPUTS[name]])
    if name in ("passive alone", "no words"):
        assert (links == 0).all(), "nothing but passive subjects counts as no link"
    negations = {"negation in other words": 0.0, "no words": math.nan, "passive and active": math.nan}
    if name in negations:
        assert features["negation"].to_list() == pytest.approx([negations[name]] * len(features), nan_ok=True)


def test_means_over_inputs(minilm, model):
    check(minilm, model, PAIRS)


@pytest.mark.parametrize("task", ["RTE", "MRPC"])
def test_features_and_links_of_real_inputs(minilm, model, glue, task):
    pairs = [(one.first, one.second) for one in load_shortest(task, glue)]
    features, links = check(minilm, model, pairs)
    assert features["negation"].isna().any()
    assert links.max() > 0.1


def load_shortest(task, directory, n_examples=12):
    """The shortest of a hundred examples: their maps are looked up one number at a time."""
    examples = glue.load(task, "dev", directory).examples[:100]
    return sorted(examples, key=lambda one: len(one.first + one.second))[:n_examples]


def framed(text, target, *elements):
    """A sentence with its frame, given by the texts of its words; a target or element that occurs twice is the last."""
    words = framenet.words(text)
    place = {word.start: number for number, word in enumerate(words)}
    spans = {}
    for number, element in enumerate(elements):
        first = place[text.rindex(element)]
        spans[f"Element {number}"] = (first, first + len(framenet.words(element)))
    return Sentence(text, words, {}, frames=(Frame("Odd", place[text.rindex(target)], spans),))


FRAMES = {
    "the paper's": ("He was becoming agitated.", "agitated", "He"),
    "a word before": ("The driver heard that the driver was exhausted.", "exhausted", "the driver"),
    "a target before": ("Cold men said that Ann felt cold.", "cold", "Ann"),
    "pieces of both": ("Antananarivo's antiquarians remained unimpressionable.", "unimpressionable", "Antananarivo's"),
    "two elements": ("Omar, who had been waiting there, was bewildered.", "bewildered", "Omar", "who"),
    "nineteen tokens": ("One " * 14 + "she was tired.", "tired", "she"),
}


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup("minilm", store=tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def table(setup):
    sentences = [framed(*one) for one in FRAMES.values()]
    return relations.measure_tokens(setup, sentences).set_index(["sentence", "layer", "head"])


class TestFrames:
    @pytest.mark.parametrize("name", FRAMES)
    def test_the_notebooks_measure(self, minilm, model, table, name):
        text, target, *elements = FRAMES[name]
        found = table.loc[list(FRAMES).index(name)]
        tokens, maps = notebook.read(model, minilm.tokenizer, text, longest=notebook.LONGEST_FRAME)
        for layer, head in np.ndindex(maps.shape[:2]):
            expected = notebook.frame(maps[layer, head], tokens, minilm.tokenizer, target, elements)
            assert found.loc[(layer, head), "released"] == pytest.approx(expected, abs=SAME)

    @pytest.mark.parametrize("name", FRAMES)
    def test_the_largest_pair_of_tokens(self, minilm, model, table, name):
        sentence = framed(*FRAMES[name])
        found = table.loc[list(FRAMES).index(name)]
        _, maps = notebook.read(model, minilm.tokenizer, sentence.text)
        spans = minilm.tokenizer(sentence.text, return_offsets_mapping=True)["offset_mapping"]
        of_word = [[at for at, (start, end) in enumerate(spans) if word.start <= start < end <= word.end]
                   for word in sentence.words]  # fmt: skip
        (frame,) = sentence.frames
        pairs = [(one, other) for first, after in frame.elements.values() for word in of_word[first:after]
                 for one in word for other in of_word[frame.target]]  # fmt: skip
        for layer, head in np.ndindex(maps.shape[:2]):
            one_map = maps[layer, head]
            expected = max(max(one_map[one, other], one_map[other, one]) for one, other in pairs)
            assert found.loc[(layer, head), "token_pairs"] == pytest.approx(expected, abs=SAME)

    def test_a_link_that_truncation_cuts_has_no_released_weight(self, setup):
        table = relations.measure_tokens(setup, [framed("One " * 16 + "she was tired.", "tired", "she")])
        assert table["released"].isna().all()
        assert table["token_pairs"].notna().all()

    def test_elements_are_taken_in_the_order_of_the_text(self, setup):
        text, target, first, second = FRAMES["two elements"]
        tables = [relations.measure_tokens(setup, [framed(text, target, *elements)])
                  for elements in ((first, second), (second, first))]  # fmt: skip
        np.testing.assert_array_equal(*(table["released"] for table in tables))


def test_the_padded_cosine(minilm, model):
    other = checkpoints.load("minilm", "random").encoder(seed=1)
    reducer = fine_tuning.CosineSimilarity(model)
    examples = [Example(str(row), first, second, 0) for row, (first, second) in enumerate(PAIRS)]
    encoded = attention.encode(minilm.tokenizer, examples)
    attention.attention_pass(other, minilm.tokenizer, encoded, [reducer], fine_tuning.READINGS["released"])
    table = reducer.table().set_index(["example", "layer", "head"])["similarity"]
    for row, texts in enumerate(PAIRS):
        before, after = (notebook.read(one, minilm.tokenizer, *texts)[1] for one in (model, other))
        for layer, head in np.ndindex(before.shape[:2]):
            expected = notebook.cosine(before[layer, head], after[layer, head])
            assert table[row, layer, head] == pytest.approx(expected, abs=5e-5)
