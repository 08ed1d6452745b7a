"""The sweep of Section 4.6: a classifier's answers to a task's examples, with one set of heads after another disabled.

Where the encoder's family is known (`encoder_layers.FAMILIES`) sets share all computation before their first head, so
that the 72 heads of MiniLM cost about as much as 27 plain passes over the examples. Other encoders take the plain
path, a pass for each set. Explained in the chapter *Disabling heads and layers*.
"""

import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.models import attention, edited_attention, precisions
from darksecrets.models.ablation import UNIFORM, ZERO, Head, check_way, disabled, grouped
from darksecrets.models.attention import Batch, Encoded
from darksecrets.models.encoder_layers import EncoderLayers, Member

COMPARED = 500  # answers computed in both precisions at first, to learn how far apart they are
SAFETY = 2.0  # a decision is certain if its margin is this many times the largest error seen


@dataclass(frozen=True)
class Answers:
    """A classifier's answers with each of several sets of heads disabled.

    `logits` (set, example, output) are float32's wherever `is_exact` (set, example); elsewhere bfloat16's, of which
    only the decision, the largest, is sure to be float32's. Rows that belong to no example are NaN.
    """

    logits: np.ndarray
    is_exact: np.ndarray

    @property
    def predictions(self) -> np.ndarray:
        """One per set and example: a label's number, or the score where there is one output."""
        return self.logits[..., 0] if self.logits.shape[-1] == 1 else self.logits.argmax(-1)


def sweep(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    encoded: Sequence[Encoded],
    sets: Sequence[Collection[Head]],
    instead: str = UNIFORM,
    means: torch.Tensor | None = None,
    precision: str = "float32",
    progress: str = "",
    plain: bool = False,
) -> Answers:
    """Answer every example with each of `sets` of (layer, head) disabled; an empty set disables nothing.

    `instead` and `means` are those of `ablation.disabled`. With `precision` bfloat16, which pays on processors that
    compute in it, each answer whose margin is within the error is computed again in float32; a regression, which has no
    margin, is computed in float32 alone. `progress` names the work in a line printed every half minute. `plain` takes
    the plain path, which the tests and the book hold the fast one against. Raises `InputError` as `disabled` does, and
    for an unknown precision.
    """
    check_way(instead, means)
    edited_attention.check(model)
    precisions.check(precision)
    by_layer = [grouped(model, heads) for heads in sets]
    rows = [example.row for example in encoded]
    wanted = np.full((len(sets), 1 + max(rows)), False)
    wanted[:, rows] = True
    logits = np.full((*wanted.shape, model.config.num_labels), np.nan, dtype=np.float32)
    report = _Report(progress)
    # What other open blocks change in the model, only the model itself knows.
    if plain or edited_attention.is_edited(model) or not EncoderLayers.are_known(model):
        for batch in attention.batches(encoded, tokenizer):
            for number, heads in enumerate(sets):
                with disabled(model, heads, instead, means):
                    logits[number, batch.rows] = _forward(model, batch).logits.cpu()
            report(len(batch.examples), len(encoded))
        return Answers(logits, wanted)
    work = _Sweep(model, tokenizer, by_layer, EncoderLayers(model, means, zero=instead == ZERO), report)
    if precision == "bfloat16" and model.config.num_labels > 1:
        return work.mixed(logits, encoded, wanted)
    work.fill(logits, work.layers, encoded, wanted)
    return Answers(logits, wanted)


@dataclass
class _Sweep:
    model: PreTrainedModel
    tokenizer: Tokenizer
    sets: list[dict[int, list[int]]]  # heads by layer
    layers: EncoderLayers
    report: "_Report"

    def mixed(self, rough: np.ndarray, encoded: Sequence[Encoded], wanted: np.ndarray) -> Answers:
        """Compute all in bfloat16, and again in float32 until no margin is within the error that was seen."""
        self.fill(rough, self.layers.to(torch.bfloat16), encoded, wanted)
        margins = np.diff(np.sort(rough, axis=-1)[..., -2:])[..., 0]
        logits, is_exact = rough.copy(), np.full(wanted.shape, False)
        chosen = np.random.default_rng(0).random(wanted.shape) < COMPARED / wanted.sum()
        again = wanted & chosen
        while again.any():
            self.fill(logits, self.layers, [e for e in encoded if again[:, e.row].any()], again)
            is_exact |= again
            error = np.ptp(logits - rough, axis=-1)[is_exact].max()  # by which a difference of two outputs was off
            again = wanted & ~is_exact & (margins <= SAFETY * error)
        return Answers(logits, is_exact)

    def fill(self, logits: np.ndarray, layers: EncoderLayers, encoded: Sequence[Encoded], wanted: np.ndarray) -> None:
        """Compute the logits of `wanted` (set, example)."""
        self.report.n_done = 0
        for batch in attention.batches(encoded, self.tokenizer):
            found = _forward(self.model, batch, output_hidden_states=True)
            mask = batch.mask.to(self.model.device)
            rows = np.array(batch.rows)
            for start, members in self._by_start(wanted[:, rows]).items():
                if start is None:
                    answers = torch.cat([found.logits[member.rows] for member in members])
                else:
                    answers = layers.answers(found.hidden_states, mask, members)
                places = [(member.number, row) for member in members for row in rows[member.rows.numpy()]]
                logits[tuple(np.transpose(places))] = answers.cpu()
            self.report(len(batch.examples), len(encoded))

    def _by_start(self, wanted: np.ndarray) -> dict[int | None, list[Member]]:
        """Group what is wanted (set, row) by the first layer with a disabled head; None: no head is disabled."""
        starts: dict[int | None, list[Member]] = {}
        for number, heads in enumerate(self.sets):
            rows = torch.from_numpy(np.flatnonzero(wanted[number]))
            if len(rows):
                starts.setdefault(min(heads, default=None), []).append(Member(number, rows, heads))
        return starts


def _forward(model: PreTrainedModel, batch: Batch, **options: bool) -> object:
    with torch.inference_mode():
        return model(**batch.on(model), **options)


class _Report:
    """Tells on standard error how far a sweep has come, a line every half minute."""

    def __init__(self, progress: str) -> None:
        self.progress, self.n_done, self.spoke = progress, 0, time.monotonic()

    def __call__(self, n_examples: int, n_all: int) -> None:
        """Count examples that are done."""
        self.n_done += n_examples
        if self.progress and time.monotonic() - self.spoke > 30:
            self.spoke = time.monotonic()
            print(f"{self.progress}: {self.n_done} of {n_all} examples", file=sys.stderr, flush=True)
