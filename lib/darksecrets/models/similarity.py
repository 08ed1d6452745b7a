"""Section 4.3, Figure 5: how much fine-tuning changes each head, as the cosine similarity of its maps before and after.

Two readings: `paper` compares the maps of the real tokens; `released`, as the authors' notebook does, compares maps
padded to 200 tokens, where the rows of padding queries, which hold attention as well, count too. Explained in the
chapter *What fine-tuning changes*.
"""

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from darksecrets.models import attention
from darksecrets.models.attention import Batch
from darksecrets.models.setup import Setup

READINGS = {"paper": 0, "released": 200}  # tokens that every map is padded to; 0 = none
VERSION = 1  # part of a table's key: raise it when something else is computed


class CosineSimilarity:
    """Reducer: per example and head, the cosine similarity between a model's maps and those of the model `before`."""

    def __init__(self, before: PreTrainedModel) -> None:
        self.before = before
        self.rows: list[int] = []
        self.values: list[torch.Tensor] = []

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Compare `maps` (batch, layer, head, query, key) with the maps of `before` on the same batch."""
        self.rows += batch.rows
        self.values.append(cosine(attention.read_maps(self.before, batch), maps).cpu())

    def table(self) -> pd.DataFrame:
        """One row per example, layer and head (both from 0), ordered so: `similarity` between 0 and 1."""
        values = torch.cat(self.values)[np.argsort(self.rows)]  # (example, layer, head)
        index = pd.MultiIndex.from_product([range(size) for size in values.shape], names=["example", "layer", "head"])
        return pd.DataFrame({"similarity": values.flatten().numpy()}, index=index).reset_index()


def cosine(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Cosine of two arrays of maps (..., query, key), each map flattened; rows sum to 1, so no map is all zeros."""
    before, after = before.flatten(-2), after.flatten(-2)
    product = torch.einsum("...i,...i->...", before, after)
    return product / (torch.linalg.vector_norm(before, dim=-1) * torch.linalg.vector_norm(after, dim=-1))


def changes(setup: Setup, reading: str = "paper", at_most: int = 0) -> pd.DataFrame:
    """Return one row per task, seed, example, layer and head: `similarity` of the maps before and after fine-tuning.

    Over the setup's validation examples (at most 1000 in the paper), or the first choice of `at_most` among them where
    that is less. The `example` is its row in the task's file.
    """
    limit = min((size for size in (setup.max_examples, at_most) if size), default=0)
    tables = []
    for task in setup.tasks:
        for seed in setup.seeds:
            table = _changes_of(setup, task, seed, reading, limit)
            tables.append(table.assign(task=task, seed=seed, reading=reading))
    return pd.concat(tables, ignore_index=True)


def _changes_of(setup: Setup, task: str, seed: int, reading: str, limit: int) -> pd.DataFrame:
    checkpoint, dev, train = setup.load(), setup.split(task, "dev", limit), setup.split(task, "train")
    ingredients = {
        "version": VERSION,
        "checkpoint": checkpoint.fingerprint,
        "train": train.fingerprint,
        "recipe": vars(setup.recipe),
        "seed": seed,
        "dev": dev.fingerprint,
        "reading": reading,
    }

    def compute() -> pd.DataFrame:
        reducer = CosineSimilarity(checkpoint.encoder())
        finetuned = setup.finetuned(task, seed)
        encoded = attention.encode(checkpoint.tokenizer, dev.examples)
        title = f"attention of {task}, seed {seed}, reading {reading}"
        attention.attention_pass(finetuned, checkpoint.tokenizer, encoded, [reducer], READINGS[reading], title)
        table = reducer.table()
        return table.assign(example=table["example"].map(lambda row: dev.examples[row].id))

    return setup.results.table("similarity", ingredients, compute)
