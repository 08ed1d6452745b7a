"""Cosine similarity of maps against a slow and obvious version."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from darksecrets.corpora.glue import Example
from darksecrets.models import attention, checkpoints
from darksecrets.sections import fine_tuning

EXAMPLES = [Example(str(n), "word " * (1 + 3 * n), "other " * 4, 0) for n in range(6)]


def slow_cosine(one, other):
    pairs = [(a, b) for row, other_row in zip(one, other, strict=True) for a, b in zip(row, other_row, strict=True)]
    norm_one, norm_other = (math.sqrt(sum(pair[side] ** 2 for pair in pairs)) for side in (0, 1))
    return sum(a * b for a, b in pairs) / (norm_one * norm_other)


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_cosine_equals_the_slow_version(seed, length):
    generator = torch.Generator().manual_seed(seed)
    one, other = (torch.randn(2, 3, length, length, generator=generator).softmax(-1) for _ in "ab")
    values = fine_tuning.cosine(one, other)
    for layer in range(2):
        for head in range(3):
            slow = slow_cosine(one[layer, head].tolist(), other[layer, head].tolist())
            assert values[layer, head].item() == pytest.approx(slow, abs=1e-6)


def passes(checkpoint, before, after, reading):
    reducer = fine_tuning.CosineSimilarity(before)
    encoded = attention.encode(checkpoint.tokenizer, EXAMPLES)
    attention.attention_pass(after, checkpoint.tokenizer, encoded, [reducer], fine_tuning.READINGS[reading])
    return reducer.table()


@pytest.mark.parametrize("reading", fine_tuning.READINGS)
def test_a_model_is_like_itself(tiny_bert, reading):
    checkpoint = checkpoints.load(tiny_bert)
    table = passes(checkpoint, checkpoint.encoder(), checkpoint.encoder(), reading)
    assert len(table) == 6 * 3 * 4
    assert table["similarity"].between(1 - 1e-5, 1 + 1e-5).all()


def test_padding_does_not_enter_the_paper_reading_but_the_released_one(tiny_bert):
    checkpoint, other = checkpoints.load(tiny_bert), checkpoints.load(tiny_bert, "random")
    before, after = checkpoint.encoder(), other.encoder(seed=1)
    tables = {reading: passes(checkpoint, before, after, reading) for reading in fine_tuning.READINGS}
    for row, example in enumerate(EXAMPLES):
        own_rows = tables["paper"][tables["paper"]["example"] == row]
        inputs = checkpoint.tokenizer(example.first, example.second, return_tensors="pt")
        with torch.inference_mode():
            maps = [torch.cat(model(**inputs, output_attentions=True).attentions) for model in (before, after)]
        for layer, head in ((0, 0), (2, 3)):
            slow = slow_cosine(maps[0][layer, head].tolist(), maps[1][layer, head].tolist())
            own = own_rows.query("layer == @layer and head == @head")
            assert own["similarity"].item() == pytest.approx(slow, abs=1e-5)
    difference = (tables["paper"]["similarity"] - tables["released"]["similarity"]).abs()
    assert difference.max() > 0.01
