"""The reference run held against what saves time, or would: fewer training examples of a large task, and bfloat16."""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from darksecrets.book.profiles import Profile
from darksecrets.book.progress import stage
from darksecrets.corpora.scores import evaluate
from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.models import side_by_side
from darksecrets.models.setup import Setup
from darksecrets.models.side_by_side import Job
from darksecrets.overview.reference_run import SHORTCUT_KEY, SHORTCUTS
from darksecrets.reported import TUNED
from darksecrets.runs import write_csv
from darksecrets.sections import fine_tuning
from darksecrets.sections.fine_tuning import gained
from darksecrets_upkeep import published, reference

SMALL = 5000  # training examples, at most, of a task that is also trained in float32
# What is done instead of what the run does.
ALL_EXAMPLES, FEWER_EXAMPLES, FLOAT32 = "all training examples", "20,000 training examples", "float32"
FEWER = 20_000  # training examples that a large task is also trained on, where the run cuts none


def measure(profile: Profile) -> pd.DataFrame:
    """Compare the run's scores with those of models trained in the other way; write the table beside the run's.

    What the store has is not computed again. Raises `InputError` for a run that leaves nothing to compare, and for what
    is no reference run.
    """
    reference.check(profile)
    tables = list(compared(reference.setup(profile)))
    if not tables:
        raise InputError("nothing to compare: the run computes in float32, and has no task with many training examples")
    table = pd.concat(tables, ignore_index=True)
    write_csv(profile.root / published.DIRECTORY / SHORTCUTS, table)
    return table


def compared(setup: Setup) -> Iterator[pd.DataFrame]:
    """Fine-tune in the way that a run's setup does not, and give the comparisons (`against`).

    Tasks that `max_train` cuts are trained on all their examples, with the first seed. Where none is cut, large ones
    are trained on `FEWER`, with every seed. Small tasks are trained in float32, with the first seed.
    """
    trained = {task: setup.split(task, "train") for task in setup.tasks}
    cut = [task for task, train in trained.items() if len(train.examples) < train.n_available]
    small = [task for task, train in trained.items() if len(train.examples) <= SMALL]
    large = [task for task, train in trained.items() if len(train.examples) > FEWER]
    seeds = list(setup.seeds)[:1]
    if cut:
        yield from _against(ALL_EXAMPLES, setup, replace(setup, tasks=cut, seeds=seeds, max_train=0))
    elif large:
        yield from _against(FEWER_EXAMPLES, setup, replace(setup, tasks=large, max_train=FEWER))
    if small and setup.recipe.precision != FLOAT32:
        yield from _against(FLOAT32, setup, replace(setup, tasks=small, seeds=seeds, precision=FLOAT32))


def against(instead: str, run: pd.DataFrame, other: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Compare predictions of one task in the run with those of models trained in the other way, seed by seed.

    One row per seed that `other` has: instead, task, metric, seed, the scores `run` and `other`, and `mean`, `low`,
    `high` of what the other scores above the run on the same examples (paired bootstrap), all as fractions.
    """
    rows = []
    for (task, seed), group in other.groupby(["task", "seed"], sort=False):
        first = run[(run["task"] == task) & (run["seed"] == seed)].sort_values("example")
        label, answers = first["label"], [side["prediction"] for side in (first, group.sort_values("example"))]
        both = (evaluate([metric], label, answer)[metric] for answer in answers)
        rows.append((instead, task, metric, seed, *both, *gained(metric, label, answers[1], answers[0])))
    return pd.DataFrame(rows, columns=[*SHORTCUT_KEY, "seed", "run", "other", "mean", "low", "high"])


def _against(instead: str, setup: Setup, other: Setup) -> Iterator[pd.DataFrame]:
    jobs = [Job("pretrained", task, seed) for task in other.tasks for seed in other.seeds]
    n_models = len(setup.tasks) * len(setup.seeds)  # as many threads for each as in the run
    with stage(f"Fine-tune with {instead}: {', '.join(other.tasks)}"):
        side_by_side.finetune(other, jobs, n_models)
        same = [replace(one, tasks=other.tasks, seeds=other.seeds) for one in (setup, other)]
        run, without = (fine_tuning.predictions(one, settings=[TUNED]) for one in same)
    for task in other.tasks:
        yield against(instead, run, without[without["task"] == task], TASKS[task].headline)
