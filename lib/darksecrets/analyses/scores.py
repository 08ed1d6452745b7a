"""Section 4.3, Table 1: predictions on the validation examples without fine-tuning, and with it from random and
pre-trained weights.
"""

import pandas as pd

from darksecrets.models import finetuning
from darksecrets.models.setup import Setup

SETTINGS = (
    ("pretrained", False),
    ("random", True),
    ("pretrained", True),
)  # (initialization, finetuned), in Table 1's order
VERSION = 1  # part of a table's key: raise it when something else is computed


def predictions(setup: Setup, max_scored: int = 0) -> pd.DataFrame:
    """Return one row per task, seed, setting and validation example: its `label` and the model's `prediction`.

    `max_scored` limits the validation examples (0 = all of them, as in the paper). Without fine-tuning the task's
    head is random, so its answers are those of chance: the seed decides them.
    """
    tables = []
    for task in setup.tasks:
        for seed in setup.seeds:
            for initialization, finetuned in SETTINGS:
                table = _predictions_of(setup, task, seed, initialization, finetuned, max_scored)
                tables.append(table.assign(task=task, seed=seed, initialization=initialization, finetuned=finetuned))
    return pd.concat(tables, ignore_index=True)


def _predictions_of(
    setup: Setup, task: str, seed: int, initialization: str, finetuned: bool, max_scored: int
) -> pd.DataFrame:
    checkpoint, dev = setup.load(initialization), setup.split(task, "dev", max_scored)
    ingredients = {
        "version": VERSION,
        "checkpoint": checkpoint.fingerprint,
        "initialization": initialization,
        "training": [setup.split(task, "train").fingerprint, vars(setup.recipe)] if finetuned else None,
        "seed": seed,
        "dev": dev.fingerprint,
    }

    def compute() -> pd.DataFrame:
        if finetuned:
            model = setup.finetuned(task, seed, initialization)
        else:
            model = checkpoint.classifier(dev.task.n_outputs, seed)
        predicted = finetuning.predict(model, checkpoint.tokenizer, dev)
        rows = [(example.id, example.label) for example in dev.examples]
        return pd.DataFrame(rows, columns=["example", "label"]).assign(prediction=predicted)

    return setup.results.table("predictions", ingredients, compute)
