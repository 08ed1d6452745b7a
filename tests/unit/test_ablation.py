"""Disabled heads against slow, obvious versions: by hand, by single unpadded inputs, by the maps that come out."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from darksecrets.errors import InputError
from darksecrets.models import ablation
from darksecrets.models.ablation import MEAN, UNIFORM, WAYS, ZERO, all_heads, disabled, mean_outputs
from darksecrets.models.edited_attention import edited
from tests.small_classifiers import EDITABLE, OWN_WAY, alone, batch_of, encoded, hidden
from tests.small_classifiers import checkpoint as small

LAST_SET = [(0, 1), (0, 3), (2, 0)]
# Where a layer's heads go: their outputs side by side are the input of this module.
OUTPUT_PROJECTIONS = {
    "albert": "attention.dense",
    "distilbert": "attention.out_lin",
    "modernbert": "attn.Wo",
    **dict.fromkeys(("bert", "bert-12x12", "electra", "roberta"), "attention.output.dense"),
}


@pytest.fixture(scope="module", params=EDITABLE)
def family(request, tmp_path_factory):
    """The family's name, a checkpoint, its encoder, and all texts in one padded batch."""
    checkpoint = small(tmp_path_factory, request.param)
    return request.param, checkpoint, checkpoint.encoder(), batch_of(checkpoint, encoded(checkpoint))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    checkpoint = small(tmp_path_factory, "bert")
    return checkpoint, checkpoint.encoder()


def options(model, checkpoint, instead):
    """What `disabled` needs for a way: means only for `mean`."""
    return (instead, mean_outputs(model, checkpoint.tokenizer, encoded(checkpoint)) if instead == MEAN else None)


def outputs_alone(name, model, checkpoint):
    """Each head's output for each example alone, from what output projections receive: (layer, token, head, d)."""
    seen = []
    projections = [module for path, module in model.named_modules() if path.endswith(OUTPUT_PROJECTIONS[name])]
    hooks = [module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0])) for module in projections]
    for example in encoded(checkpoint):
        hidden(model, alone(checkpoint, example))
    for hook in hooks:
        hook.remove()
    layers = [torch.cat(seen[layer :: checkpoint.n_layers]) for layer in range(checkpoint.n_layers)]
    return torch.stack(layers).unflatten(-1, (checkpoint.n_heads, -1))


@pytest.mark.parametrize("instead", WAYS)
def test_disabling_any_head_moves_the_output(family, instead):
    _, checkpoint, model, batch = family
    way = options(model, checkpoint, instead)
    with disabled(model, [], *way):
        plain = hidden(model, batch)[batch.mask]
        torch.testing.assert_close(hidden(model, batch)[batch.mask], plain, atol=0, rtol=0)
    assert len(all_heads(model)) == checkpoint.n_layers * checkpoint.n_heads
    for head in all_heads(model):
        with disabled(model, [head], *way):
            assert (hidden(model, batch)[batch.mask] - plain).abs().max() > 1e-4, head


@pytest.mark.parametrize("name", [*EDITABLE, *OWN_WAY])
@pytest.mark.parametrize("n_outputs", [0, 2], ids=["encoder", "classifier"])
def test_head_mask_moves_nothing_which_is_why_this_module_exists(name, n_outputs, tmp_path_factory):
    checkpoint = small(tmp_path_factory, name)
    model = checkpoint.classifier(n_outputs) if n_outputs else checkpoint.encoder()
    batch = batch_of(checkpoint, encoded(checkpoint))
    no_heads = torch.zeros(checkpoint.n_layers, checkpoint.n_heads)
    with torch.inference_mode():
        plain, masked = (model(**batch.inputs, **more)[0] for more in ({}, {"head_mask": no_heads}))
    assert float((plain - masked).abs().max()) == 0.0


def test_a_disabled_heads_map_is_even_over_what_it_may_attend_to(family):
    name, checkpoint, model, batch = family
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        plain = torch.stack(model(**batch.inputs, output_attentions=True).attentions, 1)
        found = {}
        for instead in WAYS:
            with disabled(model, LAST_SET, *options(model, checkpoint, instead)):
                found[instead] = torch.stack(model(**batch.inputs, output_attentions=True).attentions, 1)
    model.set_attn_implementation("sdpa")
    for row, example in enumerate(encoded(checkpoint)):
        length = len(example)
        for layer, head in LAST_SET:
            own = found[UNIFORM][row, layer, head, :length]
            assert own[:, length:].abs().max() == 0, "padding is attended to"
            reach = plain[row, layer, head, :length] > 0
            torch.testing.assert_close(own, reach / reach.sum(-1, keepdim=True), atol=1e-6, rtol=0)
            if name != "modernbert":  # whose odd layers attend to neighbours alone
                assert (own[:, :length] - 1 / length).abs().max() < 1e-6
        assert all(found[way][row, layer, head].abs().max() == 0 for way in (ZERO, MEAN) for layer, head in LAST_SET)
    others = [head for head in range(checkpoint.n_heads) if (0, head) not in LAST_SET]
    assert torch.equal(found[UNIFORM][:, 0, others], plain[:, 0, others]), (
        "other heads of the first layer are as before"
    )
    assert not torch.allclose(found[UNIFORM][:, 1, others], plain[:, 1, others]), "the next layer does not see it"


@pytest.mark.parametrize("instead", WAYS)
def test_a_disabled_heads_output_is_what_stands_in_for_it(family, instead):
    _, checkpoint, model, batch = family
    way = options(model, checkpoint, instead)
    layers = []
    with disabled(model, LAST_SET, *way), edited(model, layers.append):
        hidden(model, batch)
    for layer, head in LAST_SET:
        found = layers[layer]
        expected = {
            UNIFORM: found.maps[:, head] @ found.values[:, head],
            ZERO: torch.zeros_like(found.context[:, :, head]),
            MEAN: way[1][layer, head].expand_as(found.context[:, :, head]) if instead == MEAN else None,
        }[instead]
        torch.testing.assert_close(found.context[:, :, head], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("instead", WAYS)
def test_padding_does_not_matter(family, instead):
    """Far beyond the batch as well: there, local attention reaches no real token."""
    _, checkpoint, model, batch = family
    examples = encoded(checkpoint)
    way, heads = options(model, checkpoint, instead), [*LAST_SET, (1, 2)]
    with disabled(model, heads, *way):
        together = hidden(model, batch)
        assert together.isfinite().all()
        for row, example in enumerate(examples):
            own = hidden(model, alone(checkpoint, example))[0]
            torch.testing.assert_close(together[row, : len(example)], own, atol=5e-5, rtol=0)


def test_means_are_those_over_all_tokens_of_single_unpadded_inputs(family):
    name, checkpoint, model, _ = family
    contexts = outputs_alone(name, model, checkpoint)
    assert contexts.shape[1] == sum(map(len, encoded(checkpoint)))
    means = mean_outputs(model, checkpoint.tokenizer, encoded(checkpoint)[::-1])
    assert means.dtype == torch.float32
    assert not means.requires_grad
    assert contexts.std() > 0.01, "outputs this flat would hide a mistake"
    torch.testing.assert_close(means, contexts.mean(1), atol=1e-5, rtol=0)


def by_hand(model, states, layer, heads, instead, means):
    """A layer of BERT, one unpadded input (position, hidden), one head after another."""
    parts = model.encoder.layer[layer]
    attends = parts.attention.self
    d = attends.query.out_features // model.config.num_attention_heads
    outputs = []
    for head in range(model.config.num_attention_heads):
        own = slice(head * d, (head + 1) * d)
        query, key, value = (
            states @ part.weight[own].T + part.bias[own] for part in (attends.query, attends.key, attends.value)
        )
        output = torch.softmax(query @ key.T / d**0.5, -1) @ value
        if (layer, head) in heads:
            instead_of_it = {UNIFORM: value.mean(0), ZERO: torch.zeros(d), MEAN: means[layer, head]}[instead]
            output = instead_of_it.expand(len(states), d)
        outputs.append(output)
    after = parts.attention.output.LayerNorm(parts.attention.output.dense(torch.cat(outputs, -1)) + states)
    inner = functional.gelu(parts.intermediate.dense(after))
    return parts.output.LayerNorm(parts.output.dense(inner) + after)


@pytest.mark.parametrize("instead", WAYS)
@pytest.mark.parametrize("heads", [[], [(0, 0)], LAST_SET, [(1, head) for head in range(4)]], ids=len)
def test_bert_by_hand(bert, heads, instead):
    checkpoint, model = bert
    way = options(model, checkpoint, instead)
    means = mean_outputs(model, checkpoint.tokenizer, encoded(checkpoint))
    for example in encoded(checkpoint):
        inputs = alone(checkpoint, example).inputs
        with disabled(model, heads, *way), torch.inference_mode():
            found = model(**inputs, output_hidden_states=True).hidden_states
            states = found[0][0]
            for layer in range(checkpoint.n_layers):
                states = by_hand(model, states, layer, heads, instead, means)
                torch.testing.assert_close(found[layer + 1][0], states, atol=2e-5, rtol=0)


def test_a_whole_layer_and_the_empty_set(family):
    _, checkpoint, model, batch = family
    assert ablation.layer(model, 1) == {(1, head) for head in range(checkpoint.n_heads)}
    plain = hidden(model, batch)[batch.mask]
    with disabled(model, []):
        torch.testing.assert_close(hidden(model, batch)[batch.mask], plain, atol=2e-5, rtol=0)
    with disabled(model, ablation.layer(model, 1)):
        one_by_one = hidden(model, batch)
    with disabled(model, (head for head in sorted(ablation.layer(model, 1), reverse=True))):
        assert torch.equal(hidden(model, batch), one_by_one), "heads may come in any order, and from a generator"
    assert (one_by_one[batch.mask] - plain).abs().max() > 1e-3


HEADS = [(0, 1), (2, 0), (2, 3)]


@pytest.mark.parametrize(
    "heads",
    [
        json.loads(json.dumps(HEADS)),
        np.array(HEADS),
        list(np.array(HEADS)),
        [(np.int64(layer), np.int32(head)) for layer, head in HEADS],
        torch.tensor(HEADS),
        iter(HEADS + HEADS),
    ],
    ids=["JSON", "array", "rows", "numbers of numpy", "tensor", "repeated"],
)
def test_heads_may_come_as_other_libraries_give_them(bert, heads):
    assert ablation.grouped(bert[1], heads) == {0: [1], 2: [0, 3]}


NO_HEADS = [(3, 0), (0, 4), (-1, 0), (0, -1), (0,), (0, 1, 2), "1-2", "12", 5, [0, 1.0], (True, 0), (0, None), {0, 1}]


@pytest.mark.parametrize("head", NO_HEADS, ids=str)
def test_heads_that_are_not_there_are_refused(bert, head):
    _, model = bert
    with pytest.raises(InputError) as caught, disabled(model, [(0, 0), head]):
        pass
    expected = f"there is no head {head!r}: accepted are pairs of a layer from 0 to 2 and a head from 0 to 3"
    assert str(caught.value) == expected
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("heads", ["heads.json", None, 3, np.array(3), torch.tensor(3)], ids=str)
def test_what_holds_no_heads_is_refused(bert, heads):
    with pytest.raises(InputError, match=r"^heads is .*; give pairs of layer and head, such as \[\(0, 1\)\]$"):
        ablation.grouped(bert[1], heads)


def test_a_bare_pair_is_no_collection_of_pairs(bert):
    with pytest.raises(InputError, match=r"^there is no head 0: accepted are pairs"):
        ablation.grouped(bert[1], (0, 1))


def test_ways_that_are_unknown_or_lack_means_are_refused(bert):
    checkpoint, model = bert
    means = options(model, checkpoint, MEAN)[1]
    with pytest.raises(InputError, match="instead is 'nothing'; accepted are uniform, zero, mean"):
        disabled(model, [(0, 0)], "nothing").__enter__()
    for way in ((MEAN, None), (UNIFORM, means), (ZERO, means)):
        with pytest.raises(InputError, match="'mean' takes means, as from mean_outputs, and the others do not"):
            disabled(model, [(0, 0)], *way).__enter__()
