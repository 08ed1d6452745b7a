"""What one head looks like: its map of one short input, and the attention it pays by distance, before and after tuning.

Explained in the chapter *An atlas of heads*.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.corpora.glue import Example
from darksecrets.models import attention, per_model
from darksecrets.models.attention import Batch
from darksecrets.models.per_model import Case
from darksecrets.models.setup import Setup
from darksecrets.runs import write_table

# One input with a noun, verb, pronoun, subject, object, negation, and words that both sentences have.
EXAMPLE = ("The nurse did not call him.", "The nurse left.")
FARTHEST = 6  # tokens to either side
DISTANCES = tuple(range(-FARTHEST, FARTHEST + 1))
MOST_EXAMPLES = 50  # of a task: a head's profile is steady by then
KIND = "opened"  # in the store
VERSION = 1  # part of a result's key: raise it when something else is computed


class ByDistance:
    """Reducer: per example and head, the mean attention to the token a distance away, from -6 (before) to 6 (after).

    All tokens count, special ones too; a token without another one that far away does not.
    """

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.values: list[np.ndarray] = []  # (batch, layer, head, distance)

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Average the diagonals of `maps` (batch, layer, head, query, key) over the tokens that have them."""
        n_tokens = batch.mask.sum(1).to(maps.device)
        means = torch.full((*maps.shape[:3], len(DISTANCES)), torch.nan)
        for place, distance in enumerate(DISTANCES):
            n_pairs = (n_tokens - abs(distance)).clamp(min=0)
            # Maps are 0 wherever a token is padding, so that the sum is one of real tokens.
            if abs(distance) < maps.shape[-1]:
                means[..., place] = (maps.diagonal(distance, -2, -1).sum(-1) / n_pairs[:, None, None]).cpu()
        self.rows += batch.rows
        self.values.append(means.numpy())

    def table(self) -> pd.DataFrame:
        """One row per example, layer and head; float32 columns "-6" to "6", NaN where no token is that far away."""
        values = np.concatenate(self.values)
        index = pd.MultiIndex.from_product([self.rows, *map(range, values.shape[1:3])])
        table = pd.DataFrame(values.reshape(-1, len(DISTANCES)), index, list(map(str, DISTANCES)))
        return table.rename_axis(["example", "layer", "head"]).sort_index().reset_index()


@dataclass(frozen=True)
class Opened:
    """What was seen of a checkpoint: the `tokens` of `EXAMPLE`; its `maps` (layer, head, query, key) by model, which is
    "pre-trained" or a task; `distances`, with task, checkpoint and seed before the columns of `ByDistance`.
    """

    fingerprint: str
    tokens: tuple[str, ...]
    maps: dict[str, np.ndarray] = field(repr=False)
    distances: pd.DataFrame = field(repr=False)


def opened(setup: Setup) -> Opened:
    """Look at the pre-trained model, and at those fine-tuned with the first seed that the store has; trains none."""
    n_examples = min(MOST_EXAMPLES, setup.max_examples or MOST_EXAMPLES)
    setup = replace(setup, seeds=setup.seeds[:1], max_examples=n_examples)
    maps, tables = {}, []
    for case, directory in _results(setup):
        maps[BEFORE if case.checkpoint == BEFORE else case.task] = np.load(directory / "maps.npy")
        tables.append(per_model.labelled(setup, case, pd.read_parquet(directory / "distances.parquet")))
    checkpoint = setup.load()
    (encoded,) = attention.encode(checkpoint.tokenizer, [Example("0", *EXAMPLE, 0)])
    tokens = checkpoint.tokenizer.convert_ids_to_tokens(encoded.input_ids)
    return Opened(checkpoint.fingerprint, tuple(tokens), maps, pd.concat(tables, ignore_index=True))


def _results(setup: Setup) -> Iterator[tuple[Case, Path]]:
    """Yield the cases that need no training, with what is kept of them."""
    tuned = [task for task in setup.tasks if setup.is_finetuned(task, setup.seeds[0])]
    made_from = {"version": VERSION, "example": EXAMPLE, "distances": DISTANCES}
    parts = [(setup, BEFORE), *([(replace(setup, tasks=tuned), AFTER)] if tuned else [])]
    return chain.from_iterable(
        per_model.results(part, KIND, made_from, partial(_measure, part), (checkpoint,)) for part, checkpoint in parts
    )


def _measure(setup: Setup, case: Case, model: PreTrainedModel, directory: Path) -> None:
    tokenizer, reducer = setup.load().tokenizer, ByDistance()
    encoded = attention.encode(tokenizer, setup.split(case.task, "dev", setup.max_examples).examples)
    attention.attention_pass(model, tokenizer, encoded, [reducer])
    write_table(directory / "distances.parquet", reducer.table())
    np.save(directory / "maps.npy", attention.maps_of(model, tokenizer, *EXAMPLE)[1].astype("float16"))
