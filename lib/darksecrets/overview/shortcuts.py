"""What the reference run saved time with, or could have, and what that does to its scores.

A shortcut is a setting that saves time and should not matter: fewer training examples of a large task, and bfloat16. A
saved file has each score beside that of a model trained in the other way: without a shortcut that the run takes, or
with one that it does not take; measured by `book.shortcuts`. Explained in the appendix *The reference run*.
"""

import pandas as pd

from darksecrets.corpora.scores import evaluate
from darksecrets.estimates import format_estimate
from darksecrets.overview.paper_costs import NOT_RECORDED
from darksecrets.reported import TUNED
from darksecrets.runs import Run
from darksecrets.sections.fine_tuning import gained, of_setting
from darksecrets.statistics import over_seeds

FILE = "shortcuts.csv"  # beside the reference run's tables
# What is done instead of what the run does.
ALL_EXAMPLES, FEWER_EXAMPLES, FLOAT32 = "all training examples", "20,000 training examples", "float32"
KEY = ["instead", "task", "metric"]


def against(instead: str, run: pd.DataFrame, other: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Compare predictions of one task in the run with those of models trained in the other way, seed by seed.

    One row per seed that `other` has: instead, task, metric, seed, the scores `run` and `other`, and `mean`, `low`,
    `high` of what the other scores above the run on the same examples (paired bootstrap), all as fractions.
    """
    rows = []
    for (task, seed), group in other.groupby(["task", "seed"], sort=False):
        first, second = (
            table[(table["task"] == task) & (table["seed"] == seed)].sort_values("example") for table in (run, group)
        )
        label, answers = first["label"], (second["prediction"], first["prediction"])
        both = (evaluate([metric], label, answer)[metric] for answer in reversed(answers))
        rows.append((instead, task, metric, seed, *both, *gained(metric, label, *answers)))
    return pd.DataFrame(rows, columns=[*KEY, "seed", "run", "other", "mean", "low", "high"])


def laid_out(found: pd.DataFrame, scores: pd.DataFrame | None) -> pd.DataFrame:
    """Lay `against` out for reading, in per cent: what was done instead, task, metric, the spread of the run's scores
    over its seeds, the scores in the other way, whether their mean lies within that spread, and the difference.

    `scores` are those of the run (`fine_tuning.scores`).
    """
    alike = [group for _, group in found.groupby("instead", sort=False)]  # each way has seeds of its own
    differences = pd.concat([over_seeds(group, KEY) for group in alike]).set_index(KEY)
    tuned = None if scores is None else of_setting(scores, TUNED)
    rows = []
    for (instead, task, metric), group in found.groupby(KEY, sort=False):
        low, high = _spread(tuned, task, metric)
        within = "cannot tell" if low is None else "yes" if low <= group["other"].mean() <= high else "no"
        spread = None if low is None else f"{100 * low:.1f} to {100 * high:.1f}"
        each = ", ".join(f"{100 * score:.1f}" for score in group["other"])
        difference = format_estimate(differences.loc[(instead, task, metric)])
        rows.append((instead, task, metric, spread, each, within, difference))
    columns = ["instead", "task", "metric", "the run's spread", "scores then", "within the spread?", "difference"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def find(run: Run) -> pd.DataFrame:
    """Read what was measured for a published run and lay it out; one row that says so where nothing was."""
    path = run.directory / FILE
    if not path.exists():
        return pd.DataFrame({"instead": [NOT_RECORDED]})
    return laid_out(pd.read_csv(path), run.find("tuning_scores"))


def finding(table: pd.DataFrame) -> str:
    """Say from what `find` laid out how many scores of the other way lie within the run's spread over seeds."""
    if "within the spread?" not in table:
        return NOT_RECORDED
    counts = table["within the spread?"].value_counts()
    return f"{counts.get('yes', 0)} of {len(table)}"


def _spread(tuned: pd.DataFrame | None, task: str, metric: str) -> tuple[float, float] | tuple[None, None]:
    """Return the lowest and highest score over the run's seeds; nothing where there are fewer than two."""
    if tuned is None:
        return None, None
    points = tuned.loc[(tuned["task"] == task) & (tuned["metric"] == metric), "mean"]
    return (points.min(), points.max()) if len(points) > 1 else (None, None)
