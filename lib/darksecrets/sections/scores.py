"""Section 4.3, Table 1: predictions on the validation examples without fine-tuning, and with it from random and
pre-trained weights.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import pandas as pd

from darksecrets.errors import InputError
from darksecrets.models import finetuning, side_by_side
from darksecrets.models.setup import Setup
from darksecrets.models.side_by_side import Job
from darksecrets.reported import RANDOM, SETTINGS

VERSION = 1  # part of a table's key: raise it when something else is computed
KIND = "predictions"  # in the store


class _Case(NamedTuple):
    """One model that predicts."""

    task: str
    seed: int
    initialization: str
    finetuned: bool


def predictions(
    setup: Setup, max_scored: int = 0, settings: Sequence[tuple[str, bool]] = SETTINGS, n_random: int = 0
) -> pd.DataFrame:
    """Return one row per task, seed, setting and validation example: its `label` and the model's `prediction`.

    `max_scored` limits the validation examples (0 = all of them, as in the paper), `n_random` the seeds that also start
    from random weights, to the first of them (0 = all). Without fine-tuning the task's head is random, so its answers
    are those of chance: the seed decides them. Models that are needed for predictions which the store does not have are
    fine-tuned side by side.
    """
    check_random(n_random, setup.seeds)
    left_out = setup.seeds[n_random:] if n_random else []
    cases = [
        _Case(task, seed, *setting)
        for task in setup.tasks
        for seed in setup.seeds
        for setting in settings
        if setting != RANDOM or seed not in left_out
    ]
    made_from = {case: _ingredients(setup, case, max_scored) for case in cases}
    missing = [case for case in cases if case.finetuned and not setup.results.has(KIND, made_from[case])]
    jobs = [Job(case.initialization, case.task, case.seed) for case in missing]
    side_by_side.finetune(setup, jobs, n_models=sum(case.finetuned for case in cases))
    tables = [
        setup.results.table(KIND, made_from[case], partial(_predict, setup, case, max_scored)).assign(**case._asdict())
        for case in cases
    ]
    return pd.concat(tables, ignore_index=True)


def check_random(n_random: int, seeds: Sequence[int]) -> None:
    """Raise `InputError` for a number of seeds from random weights that there are not."""
    if not 0 <= n_random <= len(seeds):
        raise InputError(f"n_random is {n_random}, but seeds has {len(seeds)}; give 0 for all, or at most {len(seeds)}")


def _ingredients(setup: Setup, case: _Case, max_scored: int) -> dict[str, object]:
    return {
        "version": VERSION,
        "checkpoint": setup.load(case.initialization).fingerprint,
        "initialization": case.initialization,
        "training": [setup.split(case.task, "train").fingerprint, vars(setup.recipe)] if case.finetuned else None,
        "seed": case.seed,
        "dev": setup.split(case.task, "dev", max_scored).fingerprint,
    }


def _predict(setup: Setup, case: _Case, max_scored: int) -> pd.DataFrame:
    checkpoint, dev = setup.load(case.initialization), setup.split(case.task, "dev", max_scored)
    if case.finetuned:
        model = setup.finetuned(case.task, case.seed, case.initialization)
    else:
        model = checkpoint.classifier(dev.task.n_outputs, case.seed)
    predicted = finetuning.predict(model, checkpoint.tokenizer, dev)
    rows = [(example.id, example.label) for example in dev.examples]
    return pd.DataFrame(rows, columns=["example", "label"]).assign(prediction=predicted)
