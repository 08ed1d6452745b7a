"""Section 5: the attention of a word to the same word in the other sentence, which the paper sees in two heads.

A word may get much attention from everybody. So a head's weight from a word to its repeat is held against what the
repeat gets from the other words of that sentence. Explained in the chapter *What remains of the claims*.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from darksecrets.corpora import linguistics
from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.corpora.annotation import Sentence
from darksecrets.heads import HEAD, iter_groups
from darksecrets.models import attention, per_model
from darksecrets.models.alignment import Pieces, between_words, word_pieces
from darksecrets.models.attention import Batch
from darksecrets.models.per_model import Case
from darksecrets.models.setup import Setup
from darksecrets.runs import write_table
from darksecrets.saved_tables import SavedTables
from darksecrets.statistics import interval_of_mean

COMPARED_TASKS = ("STS-B", "RTE")  # that rely on the same heads, as the paper has it
KIND = "repeated"  # in the store
VERSION = 1  # part of a result's key: raise it when something else is computed
MODEL = ["task", "checkpoint", "seed"]
MEASURES = ["repeated", "others"]


@dataclass(frozen=True)
class RepeatedTables(SavedTables):
    """`heads`: one row per task, checkpoint, seed, layer and head, averaged over examples with a repeated word.

    `repeated` is the weight from a word to the same word in the other sentence, `others` what that word gets from the
    other words there; `mean`, `low`, `high` their difference with its t-interval over the `n` examples.
    """

    PREFIX = "repeated"

    heads: pd.DataFrame


def measure(setup: Setup) -> pd.DataFrame:
    """Measure on those of `COMPARED_TASKS` that the setup has, before and after fine-tuning.

    One row per task, checkpoint, seed, example with a repeated word, layer and head: `repeated`, the mean weight from a
    word to the same word in the other sentence; `others`, what that word gets from the other words of that sentence.
    No rows where the setup has none of the tasks.
    """
    tasks = [task for task in COMPARED_TASKS if task in setup.tasks]
    if not tasks:
        return pd.DataFrame(columns=[*MODEL, "example", *HEAD, *MEASURES])
    setup = replace(setup, tasks=tasks)
    made_from = {"version": VERSION, "annotation": linguistics.described(setup.corpus)}
    results = per_model.results(setup, KIND, made_from, partial(_measure, setup))
    tables = [per_model.labelled(setup, case, pd.read_parquet(path / "table.parquet")) for case, path in results]
    return pd.concat(tables, ignore_index=True)


def _measure(setup: Setup, case: Case, model: PreTrainedModel, directory: Path) -> None:
    checkpoint, dev = setup.load(), setup.split(case.task, "dev", setup.max_examples)
    annotated = linguistics.annotated(dev, setup.corpus, setup.results)
    encoded = attention.encode(checkpoint.tokenizer, dev.examples)
    pieces = [word_pieces(*pair) for pair in zip(encoded, annotated, strict=True)]
    repeats = [repeats_and_null(*pair) for pair in zip(annotated, pieces, strict=True)]
    words = [list(chain(*of_sentences)) for of_sentences in pieces]
    reducer = RepeatedWords(words, repeats)
    title = f"repeated words in {case.task}, {case.checkpoint}"
    attention.attention_pass(model, checkpoint.tokenizer, encoded, [reducer], progress=title)
    table = reducer.table()
    identifiers = [int(dev.examples[row].id) for row in table["example"]]
    write_table(directory / "table.parquet", table.assign(example=identifiers))


def repeats_and_null(sentences: Sequence[Sentence], pieces: Sequence[Sequence[Pieces]]) -> tuple[np.ndarray, ...]:
    """Return two matrices (query word, key word) that average the weights of repeats, and of their null.

    A repeat is a word and the same word, letters' case aside, in the other sentence; both directions count. Its null
    keeps the word that is attended to and lets the other words of the other sentence attend, so that a word that gets
    much from everybody has no advantage. Marks of punctuation are left out, and words that truncation cut off. Both
    matrices are 0 where no word is repeated, or where no other word could attend.
    """
    sides, texts, counted = [], [], []
    for side, (sentence, of_words) in enumerate(zip(sentences, pieces, strict=True)):
        for word, of_word in zip(sentence.words, of_words, strict=True):
            sides.append(side)
            texts.append(word.text.lower())
            counted.append(bool(of_word) and any(map(str.isalnum, word.text)))
    side, text, counted = np.array(sides), np.array(texts, dtype=object), np.array(counted, dtype=bool)
    across = (side[:, None] != side) & counted[:, None] & counted
    same = across & (text[:, None] == text)
    others = across & ~same
    n_others = others.sum(0)
    same &= n_others > 0
    n_repeats = same.sum(0)  # of each key word
    null = others * (n_repeats / np.maximum(n_others, 1))
    scale = max(n_repeats.sum(), 1)
    return same / scale, null / scale


class RepeatedWords:
    """Reducer: per example and head, the weight from words to the same word in the other sentence, beside a null.

    `words` are the pieces of each example's words, and `repeats` its matrices of `repeats_and_null`.
    """

    def __init__(self, words: Sequence[Sequence[Pieces]], repeats: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        self.words, self.repeats = words, repeats
        self.rows: list[int] = []
        self.values: list[np.ndarray] = []  # (measure, layer, head)

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Average `maps` (batch, layer, head, query, key) over repeats and over their null."""
        attended = between_words(maps, batch, [self.words[row] for row in batch.rows])
        for row, weights in zip(batch.rows, attended, strict=True):
            both = torch.from_numpy(np.stack(self.repeats[row])).to(weights)  # (measure, query word, key word)
            if both.any():
                size = both.shape[-1]
                self.rows.append(row)
                self.values.append(torch.einsum("lhqk,mqk->mlh", weights[..., :size, :size], both).cpu().numpy())

    def table(self) -> pd.DataFrame:
        """One row per example that has a repeated word, layer and head: float32 columns repeated and others."""
        shape = self.values[0].shape[1:] if self.values else (0, 0)
        index = pd.MultiIndex.from_product([self.rows, *map(range, shape)], names=["example", *HEAD])
        values = np.array(self.values, dtype=np.float32).reshape(len(self.rows), 2, shape[0] * shape[1])
        columns = {name: values[:, number].ravel() for number, name in enumerate(MEASURES)}
        return pd.DataFrame(columns, index=index).sort_index().reset_index()


def summarize(weights: pd.DataFrame) -> RepeatedTables:
    """Average what `measure` returns over examples."""
    columns = [*MODEL, *HEAD, *MEASURES, "mean", "low", "high", "n"]
    tables = []
    for model, heads in iter_groups(weights, MODEL, ["example"], MEASURES):
        repeated, others = heads.values["repeated"], heads.values["others"]
        mean, low, high = interval_of_mean(repeated - others)
        ends = {"mean": mean, "low": low, "high": high, "n": len(repeated)}
        tables.append(heads.table(repeated=repeated.mean(0), others=others.mean(0), **ends, **model)[columns])
    return RepeatedTables(pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns))


def fine_tuned(repeated: RepeatedTables) -> pd.DataFrame:
    """Return what fine-tuned models give to repeated words, with the tasks as text."""
    return repeated.heads[repeated.heads["checkpoint"] == AFTER].astype({"task": object})
