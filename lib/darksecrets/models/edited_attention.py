"""A model's attention, edited while it computes: the one place where the book reaches into transformers.

transformers once had `head_mask`; since version 5 a model accepts the argument and ignores it. What is left is better:
an attention function of one's own can be registered by name, and any encoder that takes its attention from there uses
it unchanged. Ours computes what the model's own function computes and hands the result to *edits*, which may change it.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

from darksecrets.errors import InputError
from darksecrets.models.quiet import quiet

NAME = "darksecrets_edited"


@dataclass
class Attended:
    """What a layer's attention has computed: an edit may put other tensors in, and must not write into these."""

    layer: int
    context: torch.Tensor  # (batch, query, head, d): each head's output, before the output projection
    maps: torch.Tensor  # (batch, head, query, key)
    values: torch.Tensor  # (batch, head, key, d)
    allowed: torch.Tensor | None  # True where a query may attend to a key, (batch, 1, query, key); None: everywhere


Edit = Callable[[Attended], None]


@dataclass(eq=False)
class _Editing:
    """An open block: what it edits, and how many layers the model's current forward pass has seen."""

    modules: frozenset[int]  # ids of all of the model's modules; none once the block is closed
    edit: Edit
    n_seen: int = 0


@dataclass
class _Switched:
    """A model whose attention function is switched to ours, by how many `edited` blocks, and what it had before."""

    before: str
    n_blocks: int = 0


@dataclass
class _Models:
    """The models that are being edited, in any thread."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    switched: "WeakKeyDictionary[PreTrainedModel, _Switched]" = field(default_factory=WeakKeyDictionary)
    accepted: "WeakKeyDictionary[PreTrainedModel, bool]" = field(default_factory=WeakKeyDictionary)


_models = _Models()
# This thread's blocks, the outermost first; a thread begins with none.
_editings: ContextVar[tuple[_Editing, ...]] = ContextVar("editings", default=())


@contextmanager
def edited(model: PreTrainedModel, edit: Edit) -> Iterator[None]:
    """While open, hand what each layer of `model` attends to `edit`, in this thread only.

    Blocks may be nested: edits are made in the order in which they were opened. At the end, by an exception too, the
    model is as it was; with several threads in such blocks, once the last of them has left. Raises `InputError` for an
    encoder that computes its attention in its own way, since there an edit would silently do nothing.
    """
    check(model)
    with _opened(model, edit):
        yield


def is_edited(model: PreTrainedModel) -> bool:
    """Say whether a block of `edited` is open for `model`; whoever sets another attention function would close it."""
    return model.base_model in _models.switched


def use_attention(model: PreTrainedModel, name: str) -> None:
    """Let `model` compute attention by the function `name`, unless it is being edited, which gives maps as well."""
    with _models.lock:
        if not is_edited(model):
            model.set_attn_implementation(name)


def check(model: PreTrainedModel) -> None:
    """Raise `InputError` where edits would not reach all of a model's heads; tries it once, on two tokens."""
    encoder = model.base_model
    if encoder not in _models.accepted:
        shapes: list[tuple[int, int]] = []
        reason = ""
        tokens = torch.tensor([[1, 2]], device=model.device)
        try:
            note = _opened(model, lambda found: shapes.append((found.layer, found.context.shape[2])))
            with quiet(), note, torch.inference_mode():
                encoder(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        except Exception as error:  # an encoder that we do not know may raise anything on two tokens
            reason = f" ({' '.join(str(error).split())[:120]})"
        n_layers, n_heads = model.config.num_hidden_layers, model.config.num_attention_heads
        if shapes != [(layer, n_heads) for layer in range(n_layers)]:
            raise InputError(
                f"{type(model).__name__} takes no attention function from outside, so none of its heads can be "
                f"disabled{reason}; BERT, RoBERTa, DistilBERT, ELECTRA, ALBERT and ModernBERT do"
            )
        _models.accepted[encoder] = True


@contextmanager
def _opened(model: PreTrainedModel, edit: Edit) -> Iterator[None]:
    encoder = model.base_model
    own = _Editing(frozenset(map(id, encoder.modules())), edit)
    # The layers of a pass are counted from its start: encoders whose layers share one module cannot tell them apart.
    counting = encoder.register_forward_pre_hook(lambda *_: _begin_pass(own))
    _editings.set((*_editings.get(), own))
    try:
        _switch(model)
        try:
            yield
        finally:
            _switch_back(model)
    finally:
        # Not reset to what it was: blocks in generators may close in any order, and in another thread.
        own.modules = frozenset()
        _editings.set(tuple(editing for editing in _editings.get() if editing is not own))
        counting.remove()


def _begin_pass(editing: _Editing) -> None:
    if editing in _editings.get():
        editing.n_seen = 0


def _switch(model: PreTrainedModel) -> None:
    with _models.lock:
        encoder = model.base_model
        if encoder not in _models.switched:
            before = encoder.config._attn_implementation
            model.set_attn_implementation(NAME)
            _models.switched[encoder] = _Switched(before)
        _models.switched[encoder].n_blocks += 1


def _switch_back(model: PreTrainedModel) -> None:
    with _models.lock:
        switched = _models.switched[model.base_model]
        switched.n_blocks -= 1
        if not switched.n_blocks:
            del _models.switched[model.base_model]
            model.set_attn_implementation(switched.before)


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: object,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute a layer's attention as the model's own family does, then edit it."""
    own = sys.modules[type(module).__module__].eager_attention_forward
    if attention_mask is not None and attention_mask.dtype == torch.bool:
        # Another thread's block was opened in the midst of this pass, whose mask is for the function it began with.
        attention_mask = torch.zeros_like(attention_mask, dtype=query.dtype).masked_fill(
            ~attention_mask, torch.finfo(query.dtype).min
        )
    context, maps = own(module, query, key, value, attention_mask, **options)
    editings = [editing for editing in _editings.get() if id(module) in editing.modules]
    if not editings:
        return context, maps
    allowed = None if attention_mask is None else attention_mask == 0
    found = Attended(editings[0].n_seen, context, maps, value, allowed)
    for editing in editings:
        editing.n_seen += 1
        editing.edit(found)
    return found.context, found.maps


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, eager_mask)  # without it the function would get no mask, and padding attention
