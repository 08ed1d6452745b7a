"""A fine-tuned model beside what its task gives away: scores of the baselines and of the model, and the gains.

Explained in the appendix *The pocket corpus*.
"""

import pandas as pd

from darksecrets import estimates
from darksecrets.sections import fine_tuning
from darksecrets.sections.baselines import FINETUNED, METHODS
from darksecrets.statistics import over_seeds
from darksecrets.verdicts import verdict

JUDGED = "bag of words"  # the baseline that a task must not be solved by


def scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Score each task, method and seed by the task's headline metric: `mean` as a fraction, with the bootstrap interval
    over examples.
    """
    rows = []
    for (task, method, seed), group in predictions.groupby(["task", "method", "seed"], sort=False):
        metric = fine_tuning.headline(task)
        rows.append((task, metric, method, seed, *fine_tuning.scored(metric, group["label"], group["prediction"])))
    return pd.DataFrame(rows, columns=["task", "metric", "method", "seed", "mean", "low", "high"])


def gains(predictions: pd.DataFrame) -> pd.DataFrame:
    """Per task, baseline (`over`) and seed, what the fine-tuned model scores above the baseline on the same examples.

    `mean` as a fraction, with the paired bootstrap interval over examples.
    """
    rows = []
    for (task, seed), tuned in predictions[predictions["method"] == FINETUNED].groupby(["task", "seed"], sort=False):
        for over in METHODS:
            base = predictions[(predictions["task"] == task) & (predictions["method"] == over)]
            both = tuned.merge(base, on="example", suffixes=("", "_base"), validate="one_to_one")
            metric = fine_tuning.headline(task)
            gain = fine_tuning.gained(metric, both["label"], both["prediction"], both["prediction_base"])
            rows.append((task, metric, over, seed, *gain))
    return pd.DataFrame(rows, columns=["task", "metric", "over", "seed", "mean", "low", "high"])


def by_method(scored: pd.DataFrame) -> pd.DataFrame:
    """Average `scores` over seeds: one row per task and method, its interval over seeds where it has several."""
    tables = [over_seeds(group, ["task", "metric", "method"]) for _, group in scored.groupby("method", sort=False)]
    return pd.concat(tables, ignore_index=True)


def score_table(scored: pd.DataFrame) -> pd.DataFrame:
    """Lay `scores` out for reading: a row per task, a column per method, in per cent with intervals."""
    table = by_method(scored)
    return _by_task(table.assign(cell=table.apply(estimates.format_estimate, axis=1)), "method")


def gain_table(gained: pd.DataFrame) -> pd.DataFrame:
    """Lay `gains` out for reading: points over each baseline with intervals, and whether the model is ahead."""
    table = over_seeds(gained, ["task", "metric", "over"])
    verdicts = [verdict(row.low, row.high) for row in table.itertuples()]
    points = table.apply(estimates.format_estimate, axis=1)
    sides = [
        _by_task(table.assign(over=table["over"].map(title.format), cell=cells), "over").set_index(["task", "metric"])
        for title, cells in (("over {}", points), ("ahead of {}?", verdicts))
    ]
    return pd.concat(sides, axis=1).reset_index()


def n_ahead(gained: pd.DataFrame) -> int:
    """Count the tasks on which the model is ahead of the bag of words beyond the interval."""
    return fine_tuning.n_holding(gained[gained["over"] == JUDGED])


def finding(gained: pd.DataFrame) -> str:
    """Say in a chart's title on how many tasks fine-tuning beats the bag of words."""
    return f"Fine-tuning beats a {JUDGED} on {n_ahead(gained)} of {gained['task'].nunique()} tasks"


def _by_task(table: pd.DataFrame, column: str) -> pd.DataFrame:
    order = list(dict.fromkeys(table[column]))
    tasks = table.drop_duplicates("task")[["task", "metric"]]
    return tasks.merge(table.pivot(index="task", columns=column, values="cell")[order], on="task")
