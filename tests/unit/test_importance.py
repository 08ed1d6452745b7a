"""Gradients at heads' gates against differences of losses, the gates closed a little by hand in a copy of the model."""

import copy

import numpy as np
import pytest
import torch

from darksecrets.models.ablation import disabled
from darksecrets.models.importance import gradient_importance, normalized
from tests.small_classifiers import EDITABLE, PAIRS, alone, classifier, encoded
from tests.small_classifiers import checkpoint as small

LABELS = {1: [0.0, 5.0, 2.6, 1.25, 4.0], 2: [0, 1, 1, 0, 1], 3: [2, 0, 1, 1, 2]}
STEP = 1e-4


def loss_alone(model, batch, label):
    """The loss of one unpadded example, in double precision."""
    with torch.no_grad():
        answer = model(**batch.inputs).logits[0]
    return float((answer[0] - label) ** 2 if len(answer) == 1 else answer.logsumexp(0) - answer[label])


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_gradients_are_differences_of_losses(n_outputs, tmp_path_factory):
    checkpoint = small(tmp_path_factory, "bert")
    model = classifier(checkpoint, n_outputs)
    labels = LABELS[n_outputs]
    found = gradient_importance(model, checkpoint.tokenizer, encoded(checkpoint), labels)
    assert found.shape == (5, 3, 4)
    slow, expected = copy.deepcopy(model).double(), np.empty(found.shape)
    for layer in range(checkpoint.n_layers):
        weight = slow.bert.encoder.layer[layer].attention.output.dense.weight  # takes the heads' outputs side by side
        whole = weight.detach().clone()
        for head in range(checkpoint.n_heads):
            own = slice(head * 8, head * 8 + 8)
            for row, example in enumerate(encoded(checkpoint)):
                losses = []
                for gate in (1 + STEP, 1 - STEP):
                    weight.data[:, own] = whole[:, own] * gate
                    losses.append(loss_alone(slow, alone(checkpoint, example), labels[row]))
                expected[row, layer, head] = abs(losses[0] - losses[1]) / (2 * STEP)
            weight.data[:] = whole
    assert np.median(expected) > 0.01, "gradients this small would hide a mistake"
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("family", EDITABLE)
def test_each_example_has_its_own_whatever_the_batch_and_the_order(family, tmp_path_factory):
    checkpoint = small(tmp_path_factory, family)
    model = classifier(checkpoint, 2)
    examples, labels = encoded(checkpoint, PAIRS * 7), LABELS[2] * 7  # more than one batch
    assert len(examples) > 32
    together = gradient_importance(model, checkpoint.tokenizer, examples, labels)
    assert together.shape == (35, checkpoint.n_layers, checkpoint.n_heads)
    assert (together.max(0) > 1e-6).all(), "a head has no gradient"
    order = [4, 30, 2, 17]
    scale = np.abs(together).max()
    for rows in (order, *([row] for row in order)):
        some = gradient_importance(
            model, checkpoint.tokenizer, [examples[row] for row in rows], [labels[row] for row in rows]
        )
        assert np.abs(some - together[rows]).max() < 1e-4 * scale
    other = gradient_importance(model, checkpoint.tokenizer, examples[:5], [1 - label for label in labels[:5]])
    assert np.abs(other - together[:5]).max() > 1e-3 * scale, "labels do not matter"


def test_the_model_is_left_as_it_was(tmp_path_factory):
    checkpoint = small(tmp_path_factory, "bert")
    model = classifier(checkpoint, 2)
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    gradient_importance(model, checkpoint.tokenizer, encoded(checkpoint), LABELS[2])
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(weights, before[name]) for name, weights in model.state_dict().items())
    assert model.config._attn_implementation == "sdpa"


def test_a_head_that_is_disabled_to_nothing_has_no_importance(tmp_path_factory):
    checkpoint = small(tmp_path_factory, "bert")
    model = classifier(checkpoint, 2)
    with disabled(model, [(1, 2)], "zero"):
        found = gradient_importance(model, checkpoint.tokenizer, encoded(checkpoint), LABELS[2])
    assert found[:, 1, 2].max() == 0
    assert (np.delete(found.reshape(5, 12), 6, axis=1).max(0) > 0).all()


def test_labels_belong_to_examples(tmp_path_factory):
    checkpoint = small(tmp_path_factory, "bert")
    with pytest.raises(ValueError, match="shorter"):
        gradient_importance(classifier(checkpoint, 2), checkpoint.tokenizer, encoded(checkpoint), [0, 1])


def test_normalized_averages_over_examples_and_divides_by_each_layers_norm():
    importance = np.array([[[3.0, 0.0], [0.0, 0.0], [1.0, 1.0]], [[3.0, 8.0], [0.0, 0.0], [1.0, 1.0]]])
    found = normalized(importance)
    assert found == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0], [0.5**0.5, 0.5**0.5]]))
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 0, 1])
