"""The sweep's fast path against the plain one, and that against one example at a time; bfloat16 against float32."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from darksecrets.errors import InputError
from darksecrets.models import ablation
from darksecrets.models import sweep as sweeping
from darksecrets.models.ablation import MEAN, UNIFORM, WAYS, ZERO, all_heads, disabled, mean_outputs
from darksecrets.models.encoder_layers import EncoderLayers
from darksecrets.models.sweep import sweep
from tests.small_classifiers import EDITABLE, PAIRS, TAKEN_APART, TAKEN_WHOLE, TEXTS, alone, classifier, encoded, logits
from tests.small_classifiers import checkpoint as small

AGREE = 1e-5  # largest difference of two logits; they are about 0.5 in size, and 6e-6 was measured
# Each number of outputs, way and kind of texts with each other once, two at a time.
CASES = [
    (n_outputs, WAYS[(place + shift) % 3], list(TEXTS)[(place + 2 * shift) % 3])
    for place, n_outputs in enumerate((1, 2, 3))
    for shift in range(3)
]


def sets_of(model, n_random=6, seed=0):
    """All single heads, all layers, random sets, the empty set, and all heads."""
    heads, random = all_heads(model), np.random.default_rng(seed)
    layers = [ablation.layer(model, number) for number in range(model.config.num_hidden_layers)]
    sizes = random.integers(2, len(heads), n_random)
    chosen = [[heads[place] for place in random.choice(len(heads), size, replace=False)] for size in sizes]
    return [*([head] for head in heads), *layers, *chosen, [], heads]


def plain(*arguments):
    """The sweep with a forward pass of the whole model for each set."""
    return sweep(*arguments, plain=True)


def means_of(model, checkpoint, instead):
    return mean_outputs(model, checkpoint.tokenizer, encoded(checkpoint)) if instead == MEAN else None


def assert_same(found, expected, at=AGREE):
    assert found.logits.dtype == np.float32
    assert np.abs(found.logits - expected.logits).max() <= at
    if found.logits.shape[-1] > 1:
        assert (found.predictions == expected.predictions).all()
    assert found.is_exact.all()
    assert expected.is_exact.all()


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A checkpoint and its classifier of three classes."""
    checkpoint = small(tmp_path_factory, "bert")
    return checkpoint, classifier(checkpoint, 3)


@pytest.mark.parametrize("family", TAKEN_APART)
def test_the_fast_path_equals_the_plain_path(family, tmp_path_factory):
    checkpoint = small(tmp_path_factory, family)
    is_large = family == "bert-12x12"
    for n_outputs, instead, texts in CASES[:: 4 if is_large else 1]:
        model = classifier(checkpoint, n_outputs)
        assert EncoderLayers.are_known(model)
        examples, sets = encoded(checkpoint, TEXTS[texts]), sets_of(model)
        arguments = (model, checkpoint.tokenizer, examples, sets, instead, means_of(model, checkpoint, instead))
        fast, expected = sweep(*arguments), plain(*arguments)
        assert fast.logits.shape == (len(sets), len(examples), n_outputs)
        assert_same(fast, expected)
        moved = np.abs(expected.logits - expected.logits[-2]).max((1, 2))  # the last but one is the empty set
        assert (np.delete(moved, -2) > 10 * AGREE).all(), "sets whose answers hardly move would hide a mistake"
        assert np.median(moved) > 0.01


@pytest.mark.parametrize("instead", WAYS)
@pytest.mark.parametrize("family", EDITABLE)
def test_every_path_equals_one_unpadded_example_at_a_time(family, instead, tmp_path_factory):
    checkpoint = small(tmp_path_factory, family)
    model = classifier(checkpoint, 2)
    assert EncoderLayers.are_known(model) == (family not in TAKEN_WHOLE)
    examples, means = encoded(checkpoint), means_of(model, checkpoint, instead)
    sets = sets_of(model)[-9:]
    found = sweep(model, checkpoint.tokenizer, examples, sets, instead, means)
    for heads, answers in zip(sets, found.logits, strict=True):
        with disabled(model, heads, instead, means):
            single = torch.cat([logits(model, alone(checkpoint, example)) for example in examples])
        assert np.abs(answers - single.numpy()).max() <= 2 * AGREE
    assert found.is_exact.all()


def heads(n_layers=3, n_heads=4):
    return st.frozensets(st.tuples(st.integers(0, n_layers - 1), st.integers(0, n_heads - 1)))


@settings(max_examples=30, deadline=None)
@given(
    sets=st.lists(heads(), min_size=1, max_size=6),
    rows=st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True),
    instead=st.sampled_from(WAYS),
)
def test_any_sets_on_any_examples_in_any_order(sets, rows, instead, bert):
    checkpoint, model = bert
    examples = [encoded(checkpoint)[row] for row in rows]
    arguments = (model, checkpoint.tokenizer, examples, sets, instead, means_of(model, checkpoint, instead))
    fast, expected = sweep(*arguments), plain(*arguments)
    assert np.abs(fast.logits[:, rows] - expected.logits[:, rows]).max() <= AGREE
    assert (fast.predictions[:, rows] == expected.predictions[:, rows]).all()
    for answers in (fast, expected):
        assert answers.logits.shape == (len(sets), max(rows) + 1, 3)
        others = np.setdiff1d(np.arange(max(rows) + 1), rows)
        assert answers.is_exact[:, rows].all()
        assert not answers.is_exact[:, others].any()
        assert np.isnan(answers.logits[:, others]).all(), "rows of no example have answers"


def test_many_variants_of_many_long_examples(bert):
    """More than one batch, and stacks that hold only some of a batch's variants."""
    checkpoint, model = bert
    examples = encoded(checkpoint, [(" ".join(first for first, _ in PAIRS[: 1 + n % 5]), None) for n in range(40)])
    sets = sets_of(model)[::2]
    arguments = (model, checkpoint.tokenizer, examples, sets)
    assert_same(sweep(*arguments), plain(*arguments))


def test_predictions_are_classes_or_scores(bert):
    checkpoint, model = bert
    found = sweep(model, checkpoint.tokenizer, encoded(checkpoint), [[], [(1, 1)]])
    assert found.predictions.shape == (2, 5)
    assert (found.predictions == found.logits.argmax(-1)).all()
    scores = sweep(classifier(checkpoint, 1), checkpoint.tokenizer, encoded(checkpoint), [[]])
    assert (scores.predictions == scores.logits[..., 0]).all()


def test_a_sweep_within_a_block_keeps_the_blocks_heads_disabled(bert):
    checkpoint, model = bert
    examples, outer = encoded(checkpoint), [(0, 2), (1, 0)]
    with disabled(model, outer):
        found = sweep(model, checkpoint.tokenizer, examples, [[], [(1, 1)]])
    expected = sweep(model, checkpoint.tokenizer, examples, [outer, [*outer, (1, 1)]])
    assert_same(found, expected)


MANY = [(f"{first} {second}"[: 20 + 7 * n % 60], None) for n in range(9) for first, second in PAIRS]


@pytest.mark.parametrize("family", ["bert", "distilbert", "electra", "roberta"])
@pytest.mark.parametrize("n_outputs", [2, 3])
def test_bfloat16_decides_as_float32_and_repeats_what_is_not_certain(family, n_outputs, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(sweeping, "COMPARED", 100)  # of 1080 answers
    checkpoint = small(tmp_path_factory, family)
    model = classifier(checkpoint, n_outputs)
    examples, sets = encoded(checkpoint, MANY), sets_of(model)
    exact = sweep(model, checkpoint.tokenizer, examples, sets)
    mixed = sweep(model, checkpoint.tokenizer, examples, sets, precision="bfloat16")
    assert 0 < mixed.is_exact.mean() < 0.9, "all was computed again, or nothing"
    assert (mixed.predictions == exact.predictions).all()
    assert np.unique(exact.predictions).size > 1
    difference = np.abs(mixed.logits - exact.logits).max(-1)
    assert difference[mixed.is_exact].max() <= AGREE
    assert difference[~mixed.is_exact].max() > 10 * AGREE, "what is not exact was computed in float32 all the same"
    margins = np.diff(np.sort(mixed.logits, axis=-1)[..., -2:])[..., 0]
    assert margins[~mixed.is_exact].min() > difference[~mixed.is_exact].max()


def test_where_no_decision_is_certain_all_are_float32s(bert):
    checkpoint, _ = bert
    model = classifier(checkpoint, 2)
    with torch.no_grad():
        model.classifier.weight[1] = model.classifier.weight[0]
        model.classifier.bias.copy_(torch.tensor([0.0, 1e-6]))
    arguments = (model, checkpoint.tokenizer, encoded(checkpoint), sets_of(model))
    mixed = sweep(*arguments, precision="bfloat16")
    assert mixed.is_exact.all()
    assert np.abs(mixed.logits - sweep(*arguments).logits).max() <= AGREE


@pytest.mark.parametrize("instead", [ZERO, MEAN])
def test_bfloat16_with_what_stands_in_for_heads(bert, instead):
    checkpoint, _ = bert
    model = classifier(checkpoint, 2)
    means = means_of(model, checkpoint, instead)
    arguments = (model, checkpoint.tokenizer, encoded(checkpoint, MANY), sets_of(model), instead, means)
    assert (sweep(*arguments, precision="bfloat16").predictions == sweep(*arguments).predictions).all()


def test_bfloat16_of_a_subset_of_rows(bert):
    checkpoint, _ = bert
    model = classifier(checkpoint, 2)
    every = encoded(checkpoint, MANY)
    rows = [40, 3, 17, 11]
    expected = sweep(model, checkpoint.tokenizer, every, sets_of(model))
    found = sweep(model, checkpoint.tokenizer, [every[row] for row in rows], sets_of(model), precision="bfloat16")
    assert (found.predictions[:, rows] == expected.predictions[:, rows]).all()
    assert not found.is_exact[:, np.setdiff1d(np.arange(41), rows)].any()


@pytest.mark.parametrize(("family", "n_outputs"), [("bert", 1), ("albert", 1), ("albert", 2), ("modernbert", 3)])
def test_regression_and_the_plain_path_are_float32_alone(family, n_outputs, tmp_path_factory):
    checkpoint = small(tmp_path_factory, family)
    model = classifier(checkpoint, n_outputs)
    arguments = (model, checkpoint.tokenizer, encoded(checkpoint), sets_of(model)[-6:])
    found = sweep(*arguments, precision="bfloat16")
    assert found.is_exact.all()
    assert np.array_equal(found.logits, sweep(*arguments).logits)


@pytest.mark.parametrize("family", ["bert", "albert"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_progress_is_said_on_standard_error(family, precision, tmp_path_factory, monkeypatch, capsys):
    checkpoint = small(tmp_path_factory, family)
    model, examples = classifier(checkpoint, 2), encoded(checkpoint, MANY)
    seconds = iter(range(0, 10_000, 31))
    monkeypatch.setattr(sweeping.time, "monotonic", lambda: next(seconds))
    sweep(model, checkpoint.tokenizer, examples, [[], [(0, 0)]], precision=precision, progress="RTE, seed 0")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["RTE, seed 0: 32 of 45 examples", "RTE, seed 0: 45 of 45 examples"]
    for line in lines:
        done, of = (int(word) for word in line.split() if word.isdigit() and word != "0")
        assert done <= of <= 45
    sweep(model, checkpoint.tokenizer, examples, [[]], precision=precision)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "float16"}, "precision 'float16' is unknown; accepted are float32 and bfloat16"),
        ({"sets": [[(0, 0)], [(3, 0)]]}, r"there is no head \(3, 0\)"),
        ({"instead": "noise"}, "accepted are uniform, zero, mean"),
        ({"instead": MEAN}, "takes means"),
        ({"instead": UNIFORM, "means": torch.zeros(3, 4, 8)}, "takes means"),
    ],
)
@pytest.mark.parametrize("family", ["bert", "albert"])
def test_what_cannot_be_swept_is_refused_in_one_line(family, options, message, tmp_path_factory):
    checkpoint = small(tmp_path_factory, family)
    with pytest.raises(InputError, match=message) as caught:
        sweep(classifier(checkpoint, 2), checkpoint.tokenizer, encoded(checkpoint), **{"sets": [[]], **options})
    assert "\n" not in str(caught.value)
