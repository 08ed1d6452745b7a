"""Encoders taken apart: the layers of BERT, RoBERTa, ELECTRA and DistilBERT, run on variants of one input.

A *variant* is a set of heads that are disabled together. Variants of a batch that differ from the model in the same
layer at first share all that comes before it; from there they are one large batch, their *stack*. In the last layer
only [CLS] is computed, from which these families' classifiers read their answer.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import NamedTuple, Self

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

AT_ONCE = 2048  # tokens of a stack: what it needs at once stays within a processor's cache

Outputs = torch.Tensor | None  # what stands in for disabled heads, (head, d); None: the mean of the values (uniform)


@dataclass(frozen=True)
class Parts:
    """A layer's parts; in `FAMILIES`, where they are."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear
    norm: nn.LayerNorm
    inner: nn.Linear
    activation: Callable[[torch.Tensor], torch.Tensor]
    outer: nn.Linear
    last_norm: nn.LayerNorm


_BERT = (
    "encoder.layer",
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "intermediate.intermediate_act_fn",
    "output.dense",
    "output.LayerNorm",
)
_DISTILBERT = (
    "transformer.layer",
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.activation",
    "ffn.lin2",
    "output_layer_norm",
)
# A model's type: where its layers and their parts are, and how its classifier answers from [CLS] (batch, hidden).
FAMILIES: dict[str, tuple[tuple[str, ...], Callable[[PreTrainedModel, torch.Tensor], torch.Tensor]]] = {
    "bert": (_BERT, lambda model, cls: model.classifier(model.bert.pooler(cls[:, None]))),
    "roberta": (_BERT, lambda model, cls: model.classifier(cls[:, None])),
    "electra": (_BERT, lambda model, cls: model.classifier(cls[:, None])),
    "distilbert": (_DISTILBERT, lambda model, cls: model.classifier(functional.relu(model.pre_classifier(cls)))),
}


class Member(NamedTuple):
    """A variant in a stack: its number, the rows of the batch that it has, and its disabled heads by layer."""

    number: int
    rows: torch.Tensor
    heads: dict[int, list[int]]


class EncoderLayers:
    """The layers and the classifier of a model, as functions of hidden states, in the model's precision or another."""

    def __init__(self, model: PreTrainedModel, means: Outputs = None, zero: bool = False) -> None:
        names, answer = FAMILIES[model.config.model_type]
        self.layers = [
            Parts(*(attrgetter(name)(layer) for name in names[1:])) for layer in attrgetter(names[0])(model.base_model)
        ]
        self.n_heads = model.config.num_attention_heads
        self.answer = lambda cls: answer(model, cls.float())
        self.joined = [_joined(parts) for parts in self.layers]
        d = self.layers[0].query.out_features // self.n_heads
        self.instead = torch.zeros(len(self.layers), self.n_heads, d, device=model.device) if zero else means

    @staticmethod
    def are_known(model: PreTrainedModel) -> bool:
        """Whether this model is one of those that can be taken apart."""
        is_classifier = type(model).__name__.endswith("ForSequenceClassification")
        return model.config.model_type in FAMILIES and is_classifier and not getattr(model.config, "is_decoder", False)

    def to(self, dtype: torch.dtype) -> Self:
        """Return the same layers with weights of another precision; the classifier keeps its own."""
        other = copy.copy(self)
        other.layers = [
            Parts(*(_cast(getattr(parts, field.name), dtype) for field in fields(Parts))) for parts in self.layers
        ]
        other.joined = [_joined(parts) for parts in other.layers]
        other.instead = None if self.instead is None else self.instead.to(dtype)
        return other

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the weights."""
        return self.layers[0].query.weight.dtype

    @torch.inference_mode()
    def answers(self, hidden: Sequence[torch.Tensor], mask: torch.Tensor, members: Sequence[Member]) -> torch.Tensor:
        """Return the logits of variants, one row for each row of each member in turn: (rows, outputs).

        `hidden` are the undisturbed model's hidden states (batch, position, hidden) before each layer; `mask` (batch,
        position) is True at real tokens. The members' first disabled head has to be in the same layer.
        """
        start = min(members[0].heads)
        hidden, mask = hidden[start].to(self.dtype), None if bool(mask.all()) else mask
        if start == len(self.layers) - 1:
            own, evenly = self._cls_contexts(hidden, mask)
            rows = torch.cat([member.rows for member in members])
            return self._last(hidden[rows, 0], own[rows], evenly[rows], members)
        parts = self.layers[start]
        contexts, values = self._contexts(start, hidden, mask)
        undisturbed = parts.output(contexts.flatten(2)) + hidden
        stacks = []
        for stack in _stacks(members, hidden.shape[1]):
            changed = [self._changed(undisturbed, contexts, values, mask, start, member) for member in stack]
            states = _feed_forward(parts, functional.layer_norm(torch.cat(changed), *_norm(parts.norm)))
            stacks.append(self._rest(start + 1, states, mask, stack))
        return torch.cat(stacks)

    def _changed(
        self,
        undisturbed: torch.Tensor,
        contexts: torch.Tensor,
        values: torch.Tensor,
        mask: torch.Tensor | None,
        layer: int,
        member: Member,
    ) -> torch.Tensor:
        """Return what goes into the norm after attention, with a variant's heads disabled: (rows, position, hidden).

        It is linear in the heads' outputs, so the change is a product with these heads' slice of the output matrix.
        """
        heads, rows = member.heads[layer], member.rows
        slices = self.layers[layer].output.weight.unflatten(1, (self.n_heads, -1))[:, heads].flatten(1)
        instead = self._instead(layer, heads, values, mask, rows)
        change = (instead - contexts[rows][:, :, heads]).flatten(2)  # (rows, position, heads * d)
        return undisturbed[rows] + change @ slices.T

    def _rest(
        self, start: int, states: torch.Tensor, mask: torch.Tensor | None, members: Sequence[Member]
    ) -> torch.Tensor:
        """Run the layers from `start` on a stack."""
        if mask is not None:
            mask = mask[torch.cat([member.rows for member in members])]
        for layer in range(start, len(self.layers) - 1):
            parts = self.layers[layer]
            contexts, values = self._contexts(layer, states, mask)
            for heads, rows in _disabled(members, layer):
                contexts[rows, :, heads] = self._instead(layer, heads, values, mask, rows)
            states = functional.layer_norm(parts.output(contexts.flatten(2)).add_(states), *_norm(parts.norm))
            states = _feed_forward(parts, states)
        return self._last(states[:, 0], *self._cls_contexts(states, mask), members)

    def _contexts(
        self, layer: int, states: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what heads put out, and their values, each (batch, position, head, d)."""
        joined = functional.linear(states, *self.joined[layer]).unflatten(-1, (3, self.n_heads, -1))
        query, key, value = joined.permute(2, 0, 3, 1, 4)  # each (batch, head, position, d)
        allowed = None if mask is None else mask[:, None, None]
        contexts = functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        return contexts.transpose(1, 2), value.transpose(1, 2)

    def _cls_contexts(self, states: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the last layer's heads put out for [CLS], attending as they do, and evenly: (batch, head, d).

        A score is a product of query and key, q'Wx: with q'W computed first, no key is needed. Likewise a mean of
        values is the value of a mean.
        """
        parts = self.layers[-1]
        query = parts.query(states[:, 0]).unflatten(-1, (self.n_heads, -1))  # (batch, head, d)
        keys, values = (part.weight.unflatten(0, (self.n_heads, -1)) for part in (parts.key, parts.value))
        asked = torch.einsum("bhd,hdx->bhx", query, keys)
        scores = (asked @ states.transpose(1, 2)) * query.shape[-1] ** -0.5  # a key's bias adds the same to all scores
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], -torch.inf)
        attended = functional.softmax(scores, -1) @ states  # (batch, head, hidden)
        bias = parts.value.bias.unflatten(0, (self.n_heads, -1))
        own = torch.einsum("bhx,hdx->bhd", attended, values) + bias
        return own, parts.value(_mean(states, mask)).unflatten(-1, (self.n_heads, -1))

    def _last(
        self, cls: torch.Tensor, contexts: torch.Tensor, evenly: torch.Tensor, members: Sequence[Member]
    ) -> torch.Tensor:
        """Finish the last layer for [CLS], and answer."""
        layer, parts = len(self.layers) - 1, self.layers[-1]
        for heads, rows in _disabled(members, layer):
            contexts[rows, heads] = evenly[rows, heads] if self.instead is None else self.instead[layer, heads]
        states = functional.layer_norm(parts.output(contexts.flatten(1)) + cls, *_norm(parts.norm))
        return self.answer(_feed_forward(parts, states))

    def _instead(
        self, layer: int, heads: list[int], values: torch.Tensor, mask: torch.Tensor | None, rows: torch.Tensor | slice
    ) -> torch.Tensor:
        """Return what disabled heads put out, the same for all queries: (rows, 1, heads, d), or (heads, d)."""
        if self.instead is not None:
            return self.instead[layer, heads]
        return _mean(values[rows][:, :, heads], None if mask is None else mask[rows])[:, None]


def _cast(part: object, dtype: torch.dtype) -> object:
    return copy.deepcopy(part).to(dtype) if isinstance(part, nn.Module) else part


def _joined(parts: Parts) -> tuple[torch.Tensor, torch.Tensor]:
    """Join the projections to queries, keys and values: one product in place of three."""
    three = (parts.query, parts.key, parts.value)
    return torch.cat([part.weight for part in three]), torch.cat([part.bias for part in three])


def _norm(norm: nn.LayerNorm) -> tuple[tuple[int, ...], torch.Tensor, torch.Tensor, float]:
    return norm.normalized_shape, norm.weight, norm.bias, norm.eps


def _feed_forward(parts: Parts, states: torch.Tensor) -> torch.Tensor:
    inner = parts.activation(parts.inner(states))
    return functional.layer_norm(parts.outer(inner).add_(states), *_norm(parts.last_norm))


def _mean(states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Average over real positions, the second dimension."""
    if mask is None:
        return states.mean(1)
    weights = (mask / mask.sum(1, keepdim=True)).to(states.dtype)  # (batch, position)
    return torch.einsum("bp,bp...->b...", weights, states)


def _disabled(members: Sequence[Member], layer: int) -> list[tuple[list[int], slice]]:
    """Return the heads that variants disable in a layer, and the variants' places in their stack."""
    found, place = [], 0
    for member in members:
        rows = slice(place, place + len(member.rows))
        if layer in member.heads:
            found.append((member.heads[layer], rows))
        place = rows.stop
    return found


def _stacks(members: Sequence[Member], length: int) -> list[list[Member]]:
    """Divide variants into stacks of about `AT_ONCE` tokens, at least one variant each."""
    stacks: list[list[Member]] = [[]]
    n_tokens = 0
    for member in members:
        if stacks[-1] and n_tokens + len(member.rows) * length > AT_ONCE:
            stacks.append([])
            n_tokens = 0
        stacks[-1].append(member)
        n_tokens += len(member.rows) * length
    return stacks
