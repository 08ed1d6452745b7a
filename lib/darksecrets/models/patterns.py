"""Section 4.1, Figures 1 and 2: the pattern of every map, told by the pattern classifier while the model runs.

Explained in the chapter *What patterns attention shows*.
"""

from collections.abc import Collection
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from darksecrets.corpora.annotated_maps import AFTER, BEFORE, PATTERNS
from darksecrets.models import attention, pattern_classifier, per_model
from darksecrets.models.attention import Batch
from darksecrets.models.pattern_classifier import PatternClassifier
from darksecrets.models.per_model import Case
from darksecrets.models.setup import Setup
from darksecrets.runs import file_fingerprint, write_table

MAPS_AT_ONCE = 1152  # pictures that are classified together
VERSION = 1  # part of a table's key: raise it when something else is computed
KIND, TABLE = "patterns", "table.parquet"  # in the store


class PatternsOfMaps:
    """Reducer: per example and head, the pattern that the classifier sees in the map, and how sure it is."""

    def __init__(self, classifier: PatternClassifier, sep_id: int) -> None:
        self.classifier, self.sep_id = classifier, sep_id
        self.rows: list[int] = []
        self.found: list[torch.Tensor] = []  # (map, 2): confidence and pattern
        self.waiting: list[torch.Tensor] = []
        self.shape: tuple[int, int] = (0, 0)  # layers, heads

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Classify `maps` (batch, layer, head, query, key), each without its padding."""
        self.shape = tuple(maps.shape[1:3])
        for of_example, example in zip(maps.cpu(), batch.examples, strict=True):
            real = of_example[..., : len(example), : len(example)].flatten(0, 1)
            self.waiting.append(pattern_classifier.pictures(real, example.positions(self.sep_id)))
            self.rows.append(example.row)
            if sum(map(len, self.waiting)) >= MAPS_AT_ONCE:
                self._classify()

    def table(self) -> pd.DataFrame:
        """One row per example, layer and head (both from 0), ordered so: `pattern` and `confidence` (0 to 1)."""
        self._classify()
        order = np.argsort(self.rows)
        found = torch.cat(self.found).unflatten(0, (len(order), -1))[order].flatten(0, 1).numpy()
        sizes = (len(order), *self.shape)
        index = pd.MultiIndex.from_product([range(size) for size in sizes], names=["example", "layer", "head"])
        patterns = pd.Categorical.from_codes(found[:, 1].astype(int), PATTERNS)
        return pd.DataFrame({"pattern": patterns, "confidence": found[:, 0]}, index=index).reset_index()

    def _classify(self) -> None:
        if self.waiting:
            with torch.inference_mode():
                confidence, pattern = self.classifier(torch.cat(self.waiting)).softmax(-1).max(-1)
            self.found.append(torch.stack([confidence, pattern.float()], dim=1))
            self.waiting = []


def classified(setup: Setup, checkpoints: Collection[str] = (BEFORE, AFTER)) -> pd.DataFrame:
    """Return one row per task, checkpoint, seed, example, layer and head: the `pattern` of the map and `confidence`.

    Over the setup's validation examples (at most 1000 in the paper). `checkpoint` is `pre-trained` (once per task,
    under the first seed) or `fine-tuned` (once per seed); `checkpoints` may leave one of them out. Models that the
    store does not have are fine-tuned side by side.
    """
    made_from = {"version": VERSION, "classifier": file_fingerprint(pattern_classifier.WEIGHTS)}
    found = per_model.results(setup, KIND, made_from, partial(_classify, setup), checkpoints)
    tables = [per_model.labelled(setup, case, pd.read_parquet(directory / TABLE)) for case, directory in found]
    return pd.concat(tables, ignore_index=True)


def _classify(setup: Setup, case: Case, model: PreTrainedModel, directory: Path) -> None:
    tokenizer, dev = setup.load().tokenizer, setup.split(case.task, "dev", setup.max_examples)
    reducer = PatternsOfMaps(pattern_classifier.load(), tokenizer.sep_token_id)
    encoded = attention.encode(tokenizer, dev.examples)
    progress = f"patterns of {case.task}, {case.checkpoint}"
    attention.attention_pass(model, tokenizer, encoded, [reducer], progress=progress)
    table = reducer.table()
    write_table(directory / TABLE, table.assign(example=table["example"].map(lambda row: dev.examples[row].id)))


def typical(setup: Setup, found: pd.DataFrame, max_tokens: int = 24) -> list[dict[str, object]]:
    """Return, for each pattern that occurs, the map of which the classifier is most sure among short inputs.

    Each is a dictionary: task, layer, head (from 0), pattern, confidence, place (in words, counted from 1), tokens, map
    (query, key). `found` comes from `classified`; only fine-tuned models and inputs of at most `max_tokens` tokens are
    looked at.
    """
    short = pd.concat([_short(setup, task, max_tokens) for task in setup.tasks])
    found = found[found["checkpoint"] == AFTER].merge(short, on=["task", "example"])
    best = found.loc[found.groupby("pattern", observed=True)["confidence"].idxmax()]
    return [_case(setup, row) for row in best.to_dict("records")]


def _short(setup: Setup, task: str, max_tokens: int) -> pd.DataFrame:
    dev = setup.split(task, "dev", setup.max_examples)
    encoded = attention.encode(setup.load().tokenizer, dev.examples)
    kept = [dev.examples[one.row].id for one in encoded if len(one) <= max_tokens]
    return pd.DataFrame({"task": task, "example": kept})


def _case(setup: Setup, row: dict[str, object]) -> dict[str, object]:
    dev = setup.split(row["task"], "dev", setup.max_examples)
    example = next(one for one in dev.examples if one.id == row["example"])
    tokenizer, model = setup.load().tokenizer, setup.finetuned(row["task"], row["seed"])
    encoded = attention.encode(tokenizer, [example])
    maps = attention.read_maps(model, attention.collate(encoded, tokenizer, len(encoded[0])))[0].cpu().numpy()
    tokens = tokenizer.convert_ids_to_tokens(encoded[0].input_ids)
    kept = ("task", "layer", "head", "pattern", "confidence")
    place = f"{row['task']}, layer {row['layer'] + 1}, head {row['head'] + 1}"
    found = {"place": place, "tokens": tokens, "map": maps[row["layer"], row["head"]]}
    return {name: row[name] for name in kept} | found
