"""Section 4.6: disabling heads. A disabled head goes on computing, and what it computes is the same for every input.

Explained in the chapter *Disabling heads and layers*.
"""

import json
import operator
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.errors import InputError
from darksecrets.models import attention
from darksecrets.models.attention import Encoded
from darksecrets.models.edited_attention import Attended, edited

Head = tuple[int, int]  # layer and head, from 0
UNIFORM, ZERO, MEAN = "uniform", "zero", "mean"
WAYS = (UNIFORM, ZERO, MEAN)
SCHEMA = "darksecrets heads 1"  # of the file that `recommended` reads


@contextmanager
def disabled(
    model: PreTrainedModel, heads: Collection[Head], instead: str = UNIFORM, means: torch.Tensor | None = None
) -> Iterator[PreTrainedModel]:
    """While open, `model` runs with `heads`, pairs of (layer, head) from 0, disabled; in this thread only.

    `instead` says what takes a head's place. `uniform` (the paper's): it attends to all tokens alike, 1/L each, where
    L counts the tokens that it may attend to, padding not among them. `zero`: its output is 0 (Michel et al., 2019).
    `mean`: its output is `means` (layer, head, d), as from `mean_outputs`. A disabled head's map is what it attends
    with: 1/L, or 0. Blocks may be nested; a head that two of them disable obeys the inner one.

    Raises `InputError` for heads that the model does not have, an unknown `instead`, and encoders that cannot be
    edited.
    """
    by_layer = grouped(model, heads)
    check_way(instead, means)

    def edit(found: Attended) -> None:
        chosen = by_layer.get(found.layer)
        if chosen:
            found.maps, found.context = found.maps.clone(), found.context.clone()
            found.maps[:, chosen] = uniform(found)[:, None] if instead == UNIFORM else 0
            found.context[:, :, chosen] = _outputs(found, chosen, instead, means)

    with edited(model, edit):
        yield model


def recommended(path: str | Path) -> list[Head]:
    """Read from a `heads.json`, as `python -m darksecrets report` writes it, which heads it recommends to disable.

    Raises `InputError` for another file.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        known = found["schema"] == SCHEMA
        heads = [_pair(head) for head in found["disable"]["heads"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            f"{str(path)!r} is no heads.json of a report ({reason}); give the one that a report wrote"
        ) from None
    if None in heads:
        odd = list(found["disable"]["heads"])[heads.index(None)]
        raise InputError(f"{str(path)!r} recommends {odd!r}, which is no pair of layer and head; report again")
    if not known:
        raise InputError(
            f"{str(path)!r} has the schema {found['schema']!r}; this version reads {SCHEMA!r}: report again"
        )
    return heads


def layer(model: PreTrainedModel, number: int) -> frozenset[Head]:
    """Return all heads of a layer, counted from 0."""
    return frozenset((number, head) for head in range(model.config.num_attention_heads))


def all_heads(model: PreTrainedModel) -> list[Head]:
    """Return all heads of a model, layer by layer."""
    return [head for number in range(model.config.num_hidden_layers) for head in sorted(layer(model, number))]


def grouped(model: PreTrainedModel, heads: Iterable[Head]) -> dict[int, list[int]]:
    """Group heads by layer; `InputError` names one that the model does not have.

    A head is a pair of whole numbers: a tuple, a list as JSON gives it, or a row of an array.
    """
    try:
        given = None if isinstance(heads, str) else list(heads)
    except TypeError:  # not only of what is no iterable: an array of no dimension says that it is one
        given = None
    if given is None:
        raise InputError(f"heads is {heads!r}; give pairs of layer and head, such as [(0, 1)]")
    there, found = set(all_heads(model)), set()
    for head in given:
        pair = _pair(head)
        if pair not in there:
            n_layers, n_heads = model.config.num_hidden_layers, model.config.num_attention_heads
            raise InputError(
                f"there is no head {head!r}: accepted are pairs of a layer from 0 to {n_layers - 1} and a head from 0 "
                f"to {n_heads - 1}"
            )
        found.add(pair)
    return {number: sorted(head for at, head in found if at == number) for number in sorted({at for at, _ in found})}


def _pair(head: object) -> Head | None:
    """Return a head as a pair of integers, whichever sequence of whole numbers it is; None where it is none."""
    if not isinstance(head, (Sequence, np.ndarray, torch.Tensor)):
        return None
    try:
        layer, number = head
        is_pair = not isinstance(layer, bool) and not isinstance(number, bool)
        return (operator.index(layer), operator.index(number)) if is_pair else None
    except (TypeError, ValueError):
        return None


def check_way(instead: str, means: torch.Tensor | None) -> None:
    """Raise `InputError` for an unknown way of disabling, or one that lacks what it needs."""
    if instead not in WAYS:
        raise InputError(f"instead is {instead!r}; accepted are {', '.join(WAYS)}")
    if (instead == MEAN) != (means is not None):
        raise InputError(f"instead is {instead!r}; {MEAN!r} takes means, as from mean_outputs, and the others do not")


def uniform(found: Attended) -> torch.Tensor:
    """Return the map that spreads attention evenly over all tokens that a query may attend to: (batch, query, key)."""
    if found.allowed is None:
        return torch.full_like(found.maps[:, 0], 1 / found.maps.shape[-1])
    allowed = found.allowed[:, 0].to(found.maps.dtype)
    n_allowed = allowed.sum(-1, keepdim=True).clamp(min=1)  # none for padding beyond the reach of local attention
    return (allowed / n_allowed).expand(found.maps[:, 0].shape)


def mean_outputs(model: PreTrainedModel, tokenizer: Tokenizer, encoded: Sequence[Encoded]) -> torch.Tensor:
    """Average each head's output, before the output projection, over all tokens of a corpus: (layer, head, d)."""
    sums: dict[int, torch.Tensor] = {}
    is_real = torch.empty(0)

    def add(found: Attended) -> None:
        own = torch.einsum("bq,bqhd->hd", is_real, found.context)
        sums[found.layer] = sums.get(found.layer, 0) + own.double()

    with edited(model, add), torch.inference_mode():
        for batch in attention.batches(encoded, tokenizer):
            is_real = batch.mask.to(model.device, torch.float)
            model.base_model(**batch.on(model))
    n_tokens = sum(map(len, encoded))
    return torch.stack([sums[number] for number in sorted(sums)]).div(n_tokens).float()


def _outputs(found: Attended, heads: list[int], instead: str, means: torch.Tensor | None) -> torch.Tensor:
    """Return what disabled heads put out: (batch, query, head, d), or what broadcasts to it."""
    if instead == MEAN:
        return means[found.layer, heads].to(found.context)
    if instead == ZERO:
        return torch.zeros_like(found.context[:, :1, heads])
    return (uniform(found)[:, None] @ found.values[:, heads]).transpose(1, 2)
