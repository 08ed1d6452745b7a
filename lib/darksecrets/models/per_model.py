"""What is measured on the pre-trained model and on every fine-tuned one: over which models, and where it is kept."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from transformers import PreTrainedModel

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.models import keys, side_by_side
from darksecrets.models.keys import Origin
from darksecrets.models.setup import Setup
from darksecrets.models.side_by_side import Job


class Case(NamedTuple):
    """One model on one task; the pre-trained one stands under the first seed."""

    task: str
    checkpoint: str
    seed: int


Measure = Callable[[Case, PreTrainedModel, Path], None]  # writes its tables into a directory


def cases(setup: Setup) -> list[Case]:
    """Return the pre-trained model once per task, then the fine-tuned one for each task and seed."""
    before = [Case(task, BEFORE, setup.seeds[0]) for task in setup.tasks]
    return before + [Case(task, AFTER, seed) for task in setup.tasks for seed in setup.seeds]


def results(
    setup: Setup,
    kind: str,
    ingredients: Mapping[str, object],
    measure: Measure,
    checkpoints: Collection[str] = (BEFORE, AFTER),
) -> Iterator[tuple[Case, Path]]:
    """Yield every case of these `checkpoints` with the directory that `measure` filled for it, from the store where it
    is there already.

    `ingredients` says what the results depend on besides the model and the examples. Models that are needed and that
    the store does not have are fine-tuned side by side first.
    """
    asked = [case for case in cases(setup) if case.checkpoint in checkpoints]
    made_from = {case: {**ingredients, **keys.measured(_origin(setup, case))} for case in asked}
    missing = [case for case in made_from if not setup.results.has(kind, made_from[case])]
    jobs = [Job("pretrained", case.task, case.seed) for case in missing if case.checkpoint == AFTER]
    side_by_side.finetune(setup, jobs, n_models=len(setup.tasks) * len(setup.seeds))
    for case, parts in made_from.items():

        def compute(directory: Path, case: Case = case) -> None:
            measure(case, _model(setup, case), directory)

        yield case, setup.results.result(kind, parts, compute)


def labelled(setup: Setup, case: Case, table: pd.DataFrame) -> pd.DataFrame:
    """Put a case's columns before a table's own: task and checkpoint as categories, and seed."""
    columns = {
        "task": pd.Categorical.from_codes([list(setup.tasks).index(case.task)] * len(table), list(setup.tasks)),
        "checkpoint": pd.Categorical.from_codes([int(case.checkpoint == AFTER)] * len(table), [BEFORE, AFTER]),
        "seed": case.seed,
    }
    return pd.concat([pd.DataFrame(columns, index=table.index), table], axis=1)


def _origin(setup: Setup, case: Case) -> Origin:
    seed = case.seed if case.checkpoint == AFTER else None
    return setup.origin(case.task, seed, max_dev=setup.max_examples)


def _model(setup: Setup, case: Case) -> PreTrainedModel:
    return setup.finetuned(case.task, case.seed) if case.checkpoint == AFTER else setup.load().encoder()
