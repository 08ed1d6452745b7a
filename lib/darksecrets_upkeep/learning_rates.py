"""The search behind `finetuning.LEARNING_RATES`: each rate is tried on part of *train*, so that no validation example
chooses anything.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pandas as pd

from darksecrets.corpora import glue
from darksecrets.corpora.glue import Split
from darksecrets.errors import InputError, check_once
from darksecrets.models import finetuning, precisions
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.recipe import Recipe
from darksecrets.runs import Store

GRID = (2e-5, 5e-5, 1e-4, 2e-4)  # Devlin et al.'s (2019) range, and beyond it, since a small encoder wants larger steps
HELD_OUT = 400


def search(
    checkpoint: Checkpoint,
    corpus: str,
    tasks: Sequence[str],
    seeds: Sequence[int],
    store: Store,
    rates: Sequence[float] = GRID,
    max_train: int = 2000,
    epochs: int = Recipe.epochs,
    batch_size: int = Recipe.batch_size,
    precision: str = Recipe.precision,
) -> pd.DataFrame:
    """Fine-tune at every rate and score on `HELD_OUT` training examples that were left out.

    Returns one row per task, rate and seed, with the task's first metric as a fraction. Explained in the chapter
    *Methodology*.
    """
    check_once("seeds", seeds)
    check_once("rates", rates)
    if not 0 <= min(seeds) <= max(seeds) < 2**32:
        raise InputError(f"seeds is {', '.join(map(str, seeds))}; give whole numbers from 0 to {2**32 - 1}")
    if max_train < 1:
        raise InputError(f"max_train is {max_train}; it must be at least 1")
    computed_in = precisions.chosen(precision)
    recipes = [Recipe(rate, epochs, batch_size, precision=computed_in) for rate in rates]
    splits = [split_train(glue.load(task, "train", corpus, max_train + HELD_OUT)) for task in tasks]
    rows = []
    for (kept, held_out), recipe, seed in product(splits, recipes, seeds):
        task, metric = kept.task.name, kept.task.metrics[0]
        value = _held_out_score(checkpoint, kept, held_out, recipe, seed, store)
        row = {"checkpoint": checkpoint.name, "task": task, "learning_rate": recipe.learning_rate, "seed": seed}
        row |= {"metric": metric, "value": value, "n_train": len(kept.examples), "n_held_out": len(held_out.examples)}
        rows.append(row | {"epochs": epochs, "batch_size": batch_size, "precision": computed_in})
        print(f"{task} at {recipe.learning_rate:g}, seed {seed}: {metric} {value:.3f}", flush=True)
    return pd.DataFrame(rows)


def split_train(train: Split) -> tuple[Split, Split]:
    """Take `HELD_OUT` examples, evenly spaced, out of a training split; return the rest and what was taken."""
    n_examples = len(train.examples)
    if n_examples < 2:
        raise InputError(f"{train.task.name} has {n_examples} training example; give at least 2, to leave one out")
    taken = set(np.linspace(0, n_examples - 1, min(HELD_OUT, n_examples // 2)).round().astype(int).tolist())

    def part(name: str, chosen: bool) -> Split:
        examples = tuple(example for row, example in enumerate(train.examples) if (row in taken) == chosen)
        return replace(train, examples=examples, fingerprint=f"{train.fingerprint} {name} {HELD_OUT}")

    return part("kept", False), part("held out", True)


def _held_out_score(
    checkpoint: Checkpoint, kept: Split, held_out: Split, recipe: Recipe, seed: int, store: Store
) -> float:
    """Score one setting; the store keeps the score, not the model."""
    ingredients = {
        "version": finetuning.VERSION,
        "checkpoint": checkpoint.fingerprint,
        "train": kept.fingerprint,
        "recipe": asdict(recipe),
        "seed": seed,
    }

    def compute() -> pd.DataFrame:
        model = finetuning.finetune(checkpoint, kept, recipe, seed, store)
        predictions = finetuning.predict(model, checkpoint.tokenizer, held_out)
        labels = [example.label for example in held_out.examples]
        return pd.DataFrame([glue.score(held_out.task, labels, predictions)])

    return float(store.table("held-out", ingredients, compute)[kept.task.metrics[0]].iloc[0])
