"""Attention to features against the definitions of Section 4.4, written out in loops: one map, one word at a time."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from darksecrets.corpora.annotation import FEATURES
from darksecrets.corpora.glue import Example
from darksecrets.models import attention, checkpoints, feature_attention
from darksecrets.models.feature_attention import (
    CLS,
    FEATURE_COLUMNS,
    FROM_CLS,
    NORM,
    SEP,
    SEP_SUM,
    WEIGHT,
    FeatureAttention,
    Measurement,
)
from darksecrets.models.value_norms import ValueNorms
from tests.word_maps import PAIRS, SINGLES, batch_of, encoded, random_maps

AUXILIARIES = ("do", "wo", "did", "had", "have", "ca", "is", "was", "should", "could")
NEGATIONS = ("neither", "nor", "not", "never", "none", "nothing", "nowhere", *(f"{word}n't" for word in AUXILIARIES))


@pytest.fixture(scope="module")
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


def passed(tokenizer, pairs, kind, received):
    """What the reducer gives for random maps over all pairs, in two batches."""
    examples, sentences = encoded(tokenizer, pairs)
    find = {"paper": feature_attention.marks, "released": feature_attention.released_marks}[kind]
    marks = [find(*pair, tokenizer) for pair in zip(examples, sentences, strict=True)]
    reducer = FeatureAttention([Measurement(kind, WEIGHT, marks, received)])
    maps = {}
    for part in (slice(3, None), slice(0, 3)):
        batch = batch_of(tokenizer, examples[part])
        of_batch = random_maps(batch, seed=len(batch.examples))
        reducer(of_batch, batch)
        maps |= dict(zip(batch.rows, of_batch, strict=True))
    return reducer.table(), examples, sentences, maps


def characters_of(span):
    return {(span[0], place) for place in range(span[1], span[2])}


def words_in_place(example, sentences, feature):
    """The tokens of each word of a feature, by the characters that they share; a special token by its name."""
    for number, sentence in enumerate(sentences):
        for place in sentence.places(feature):
            word = sentence.words[place]
            own = {(number, at) for at in range(word.start, word.end)}
            yield [at for at, span in enumerate(example.spans) if characters_of(span) & own]


def slowly(example, sentences, tokenizer, one_map, feature, queries=None):
    """Section 4.4 for one map: the largest, over the feature's words, of what the word receives."""
    tokens = tokenizer.convert_ids_to_tokens(example.input_ids)
    if feature in (CLS, SEP):
        words = [[place] for place, token in enumerate(tokens) if token == feature]
    elif feature == SEP_SUM:
        words = [[place for place, token in enumerate(tokens) if token == SEP]]
    else:
        words = list(words_in_place(example, sentences, feature))
    values = []
    for places in words:
        total = 0.0
        for query in range(queries or len(tokens)):
            for key in places:
                total += float(one_map[query, key])
        values.append(total / (queries or len(tokens)))
    return max(values) if values else math.nan


def released_slowly(example, sentences, tokenizer, one_map, feature):
    """The released notebook for one map: words cut into pieces, and every token that equals a piece."""
    tokens = tokenizer.convert_ids_to_tokens(example.input_ids)
    if feature in (CLS, SEP):
        found = {feature}
    elif feature == "negation":
        found = {word for one in sentences for word in NEGATIONS if word in one.text}
    else:
        found = {one.words[place].text for one in sentences for place in one.places(feature, "released")}
    pieces = [piece for word in found for piece in tokenizer.tokenize(word)]
    received = [float(sum(one_map[query, key] for query in range(len(tokens)))) / len(tokens)
                for key, token in enumerate(tokens) if token in pieces]  # fmt: skip
    return max(received, default=math.nan if feature == "negation" and not found else 0.0)


@pytest.mark.parametrize("pairs", [PAIRS, SINGLES], ids=["pairs", "singles"])
@pytest.mark.parametrize(
    ("kind", "received", "slow"),
    [
        ("paper", feature_attention.from_all, slowly),
        ("paper", feature_attention.from_first, partial(slowly, queries=1)),
        ("released", feature_attention.from_all, released_slowly),
    ],
    ids=[WEIGHT, FROM_CLS, "released"],
)
def test_both_readings_against_loops(tokenizer, pairs, kind, received, slow):
    table, examples, sentences, maps = passed(tokenizer, pairs, kind, received)
    assert len(table) == len(pairs) * 12
    for row in table.itertuples(index=False):
        one_map = maps[row.example][row.layer, row.head]
        for feature, value in zip(FEATURE_COLUMNS, row[-len(FEATURE_COLUMNS) :], strict=True):
            if kind == "paper" or feature not in ("punctuation", SEP_SUM):  # which the notebook does not have
                expected = slow(examples[row.example], sentences[row.example], tokenizer, one_map, feature)
                assert value == pytest.approx(expected, abs=1e-6, nan_ok=True), (row.example, feature)
    assert table["negation"].isna().any(), "an input without a negation is skipped"
    absent = table["pronoun"].isna() if kind == "paper" else table["pronoun"] == 0
    assert absent.any(), "one without another feature is skipped, or counts as 0"
    assert table[list(FEATURES)].notna().any().all(), "every feature occurs"


def test_readings_differ_where_a_word_hides_in_another(tokenizer):
    (example,), (sentences,) = encoded(tokenizer, [("My café-owning neighbours found another mayor.", None)])
    paper = dict(feature_attention.marks(example, sentences, tokenizer))
    released = feature_attention.released_marks(example, sentences, tokenizer)
    assert "negation" not in paper
    assert "not" in sentences[0].text
    found = [places for feature, places in released if feature == "negation"]
    assert found == [()], "'not' is no token of this input, which counts as 0"


def test_examples_without_any_words_have_nothing():
    found = feature_attention.largest(torch.rand(2, 3, 4, 5), [[], []])
    assert found.shape == (2, 3, 4, len(FEATURE_COLUMNS))
    assert found.isnan().all()


def weighted_maps(checkpoint, examples):
    """Maps of each example by Kobayashi et al.'s formula, from hidden states and weight matrices."""
    model = checkpoint.encoder()
    model.set_attn_implementation("eager")
    for example in examples:
        batch = attention.collate([example], checkpoint.tokenizer, len(example))
        with torch.inference_mode():
            out = model(**batch.inputs, output_attentions=True, output_hidden_states=True)
        found = np.zeros((checkpoint.n_layers, checkpoint.n_heads, len(example), len(example)))
        for layer, head in np.ndindex(found.shape[:2]):
            value, output = projections(model, layer)
            width = value.weight.shape[0] // checkpoint.n_heads
            own = slice(head * width, (head + 1) * width)
            states = out.hidden_states[layer][0]
            with torch.inference_mode():
                vectors = (states @ value.weight[own].T + value.bias[own]) @ output.weight[:, own].T
            lengths = [float(vector.norm()) for vector in vectors]
            for query in range(len(example)):
                row = [float(out.attentions[layer][0, head, query, key]) * lengths[key] for key in range(len(example))]
                found[layer, head, query] = np.array(row) / sum(row)
        yield found


def projections(model, layer):
    kind = model.config.model_type
    if kind == "distilbert":
        block = model.transformer.layer[layer].attention
        return block.v_lin, block.out_lin
    block = model.encoder.layer[layer].attention
    return (block.attn.v, block.attn.o) if kind == "mpnet" else (block.self.value, block.output.dense)


def test_norm_weighted_attention_against_the_formula(family_directory):
    checkpoint = checkpoints.load(str(family_directory))
    tokenizer, model = checkpoint.tokenizer, checkpoint.encoder()
    examples, sentences = encoded(tokenizer, PAIRS[:4])
    marks = [feature_attention.marks(*pair, tokenizer) for pair in zip(examples, sentences, strict=True)]
    with ValueNorms(model) as norms:
        reducer = FeatureAttention([Measurement("paper", NORM, marks, feature_attention.norm_weighted(norms))])
        attention.attention_pass(model, tokenizer, examples, [reducer])
    table = reducer.table()
    if model.config.model_type == "modernbert":  # queries, keys and values are one projection
        assert not norms.are_known
        assert table[list(FEATURE_COLUMNS)].isna().all(axis=None)
        return
    assert norms.are_known
    expected = list(weighted_maps(checkpoint, examples))
    for row in table.itertuples(index=False):
        one_map = expected[row.example][row.layer, row.head]
        for feature, value in zip(FEATURE_COLUMNS, row[-len(FEATURE_COLUMNS) :], strict=True):
            texts = sentences[row.example]
            slow = slowly(examples[row.example], texts, tokenizer, one_map, feature)
            assert value == pytest.approx(slow, abs=1e-6, nan_ok=True)


def test_norms_are_no_longer_collected_when_closed(tiny_bert):
    checkpoint = checkpoints.load(tiny_bert)
    model = checkpoint.encoder()
    batch = attention.collate(attention.encode(checkpoint.tokenizer, [Example("0", "A cat.", None, 0)]),
                              checkpoint.tokenizer, 5)  # fmt: skip
    with ValueNorms(model) as norms:
        attention.read_maps(model, batch)
        assert norms.take().shape == (1, 3, 4, 5)
    attention.read_maps(model, batch)
    assert not norms._norms
