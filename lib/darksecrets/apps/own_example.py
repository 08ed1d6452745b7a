"""The example of the chapter *Your own model and data*: a model that the book fine-tunes anyway, and a file of text."""

from pathlib import Path

import pandas as pd
import torch

from darksecrets.apps.own_model import Subject
from darksecrets.errors import InputError
from darksecrets.models import attention
from darksecrets.models.setup import Setup
from darksecrets.runs import write_csv

SHORTEST = "SST-2"  # the task with the shortest texts


def chosen(setup: Setup, model: str, data: str) -> tuple[str, str]:
    """Return the model and the data that a reader gave, or for two empty texts those of a task of the setup: of
    `SHORTEST` if it is there, else of the first.

    The task's validation examples are written as a CSV file into the store. Raises InputError where one is given
    without the other.
    """
    check(model, data)
    if model:
        return model, data
    task = SHORTEST if SHORTEST in setup.tasks else setup.tasks[0]
    return setup.finetuned(task, setup.seeds[0]).name_or_path, str(write_examples(setup, task))


def check(model: str, data: str) -> None:
    """Raise InputError where one of model and data is given without the other."""
    if bool(model) != bool(data):
        missing, given = ("own_data", "own_model") if model else ("own_model", "own_data")
        raise InputError(f"{given} is given and {missing} is not; give both, or neither for the book's example")


def write_examples(setup: Setup, task: str) -> Path:
    """Write all validation examples of a task into the store, in columns idx, one or two of text, and label."""
    split = setup.split(task, "dev")
    path = setup.results.root / "own" / f"{task}-{split.fingerprint[:12]}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["sentence1", "sentence2"] if split.task.is_pair else ["sentence"]
    rows = [[one.id, *[one.first, one.second][: len(names)], one.label] for one in split.examples]
    write_csv(path, pd.DataFrame(rows, columns=["idx", *names, "label"]))
    return path


def first_inputs(subject: Subject) -> dict[str, torch.Tensor]:
    """Return the first example as the model takes it."""
    first = subject.encoded[0]
    return attention.collate([first], subject.checkpoint.tokenizer, len(first)).on(subject.model)
