"""Section 4.3 in tables: the scores of Table 1, and how much each layer and head changes, all with intervals.

Explained in the chapter *What fine-tuning changes*.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from darksecrets import reported
from darksecrets.corpora import glue
from darksecrets.corpora.scores import METRICS, evaluate
from darksecrets.errors import InputError
from darksecrets.estimates import format_difference, format_estimate
from darksecrets.models.similarity import READINGS
from darksecrets.reported import RANDOM, SETTINGS, TUNED
from darksecrets.statistics import bootstrap_interval, interval_of_mean, over_seeds
from darksecrets.verdicts import verdict

PAPER, RELEASED = READINGS
NAMES = ("pre-trained, not fine-tuned", "random weights, fine-tuned", "pre-trained, fine-tuned")
SETTING_NAMES = dict(zip(SETTINGS, NAMES, strict=True))
SETTING = ["initialization", "finetuned"]
SCORED = ["task", "metric", *SETTING]  # what has a number in Table 1
EXCEPTED = "QQP"  # the task on which, the paper says, the last two layers do not change most


def scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Score predictions per task, metric, setting and seed: `mean`, with the bootstrap interval over examples, as
    fractions.
    """
    rows = []
    for (task, seed, initialization, finetuned), group in predictions.groupby(["task", "seed", *SETTING], sort=False):
        for metric in glue.TASKS[task].metrics:
            value, low, high = scored(metric, group["label"], group["prediction"])
            rows.append((task, metric, seed, initialization, finetuned, value, low, high, len(group)))
    columns = ["task", "metric", "seed", *SETTING, "mean", "low", "high", "n_examples"]
    return pd.DataFrame(rows, columns=columns)


def gains(predictions: pd.DataFrame, over: tuple[str, bool]) -> pd.DataFrame:
    """Per task and seed, what pre-trained and fine-tuned weights score above the setting `over`, on the same examples.

    `over` is one of `SETTINGS`; seeds that lack it are left out. One metric a task: accuracy, or the correlation of
    STS-B; the interval is a paired bootstrap over examples, in fractions.
    """
    rows = []
    for (task, seed), group in predictions.groupby(["task", "seed"], sort=False):
        metric = headline(task)
        best, base = (of_setting(group, setting).sort_values("example") for setting in (TUNED, over))
        if len(base):
            rows.append((task, metric, seed, *gained(metric, best["label"], best["prediction"], base["prediction"])))
    return pd.DataFrame(rows, columns=["task", "metric", "seed", "mean", "low", "high"])


def of_setting(table: pd.DataFrame, setting: tuple[str, bool]) -> pd.DataFrame:
    """Keep the rows of one of `SETTINGS`."""
    return table[(table["initialization"] == setting[0]) & (table["finetuned"] == setting[1])]


def scored(metric: str, label: pd.Series, prediction: pd.Series) -> tuple[float, float, float]:
    """Return a score with its bootstrap interval over examples, as fractions: (value, low, high)."""
    return evaluate([metric], label, prediction)[metric], *bootstrap_interval(METRICS[metric], label, prediction)


def gained(metric: str, label: pd.Series, one: pd.Series, other: pd.Series) -> tuple[float, float, float]:
    """Return what `one` prediction scores above the `other` on the same examples, with its paired interval."""
    gain = evaluate([metric], label, one)[metric] - evaluate([metric], label, other)[metric]

    def statistic(label: np.ndarray, one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        return METRICS[metric](label, one, axis) - METRICS[metric](label, other, axis)

    return gain, *bootstrap_interval(statistic, label, one, other)


def headline(task: str) -> str:
    """Return the metric that averages over tasks use: accuracy where there is one, else the first (Pearson)."""
    return glue.TASKS[task].headline


def table_1(this_run: pd.DataFrame, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Lay Table 1 out for reading: one row per task, metric and setting; paper, reference run, this run, in per cent.

    `this_run` and `reference` come from `scores`. Each setting is averaged over its own seeds, of which there may be
    fewer from random weights.
    """
    printed = reported.table_1().assign(paper=lambda rows: (100 * rows["value"]).map("{:.1f}".format))
    table = this_run[SCORED].drop_duplicates().merge(printed[[*SCORED, "paper"]], on=SCORED, how="left")
    for name, run in {"reference run": reference, "this run": this_run}.items():
        cells = this_run.iloc[:0].assign(**{name: None}) if run is None else _by_setting(run, name)
        table = table.merge(cells[[*SCORED, name]], on=SCORED, how="left")
    settings = zip(table["initialization"], table["finetuned"], strict=True)
    table["setting"] = [SETTING_NAMES[setting] for setting in settings]
    table = table[["task", "metric", "setting", "paper", "reference run", "this run"]].astype(object)
    return table.where(table.notna(), None)


def seeds_note(this_run: pd.DataFrame, reference: pd.DataFrame | None = None) -> str:
    """Say from `scores` how many seeds stand behind each run's numbers, and how many of them start at random too."""
    runs = {"This run": this_run} | ({} if reference is None else {"The reference run": reference})
    return " ".join(f"{name} has {_seeds(scores)}." for name, scores in runs.items())


def change_by(similarities: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Average cosine similarity over examples: one row per task, reading and `by` (layer, or layer and head).

    `mean`, `low`, `high`: over examples with one seed, over seeds with several; heads are averaged within an example
    first, since the heads of one example are not independent.
    """
    key = ["task", "reading", *by]
    per_example = similarities.groupby([*key, "seed", "example"], sort=False)["similarity"].mean().reset_index()
    return over_seeds(_means(per_example, [*key, "seed"], "similarity"), key)


def last_two_against_rest(similarities: pd.DataFrame) -> pd.DataFrame:
    """Test per task and reading whether the last two layers change most: the closest of the comparisons that decide it.

    The claim is that each of the last two layers is less similar than each layer before them. Of these comparisons the
    one least in its favour is shown: `pair` (layers from 1), and `mean`, `low`, `high` of the difference in similarity,
    paired by example, positive where the later layer changed more. The interval is corrected for the number of
    comparisons (Bonferroni), since the pair is chosen by its mean. `most_changed` names the two least similar layers.
    """
    n_layers = similarities["layer"].max() + 1
    if n_layers < 3:
        raise InputError(f"the model has {n_layers} layers; comparing the last two with the others takes three or more")
    level = 1 - 0.05 / (2 * (n_layers - 2))
    tables = [
        _closest_pair(group, n_layers, level).assign(task=task, reading=reading)
        for (task, reading), group in similarities.groupby(["task", "reading"], sort=False)
    ]
    return pd.concat(tables, ignore_index=True)


def _closest_pair(similarities: pd.DataFrame, n_layers: int, level: float) -> pd.DataFrame:
    by_example = similarities.groupby(["seed", "example", "layer"], sort=False)["similarity"].mean().unstack("layer")
    means = by_example.groupby("seed").mean().mean()  # layer
    late, early = means[n_layers - 2 :].idxmax(), means[: n_layers - 2].idxmin()
    difference = (by_example[early] - by_example[late]).rename("difference").reset_index()
    table = _means(difference.assign(pair=f"{late + 1} and {early + 1}"), ["pair", "seed"], "difference", level)
    lowest = sorted(means.nsmallest(2).index + 1)
    return over_seeds(table, ["pair"], level=level).assign(most_changed=f"{lowest[0]} and {lowest[1]}")


def n_holding(differences: pd.DataFrame) -> int:
    """Count the tasks on which a claimed positive difference holds; seeds are averaged."""
    return sum(verdict(low, high) == "holds" for low, high in _bounds(differences))


def gain_table(over_base: pd.DataFrame, over: tuple[str, bool], reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Lay `gains` out for reading: points per task in the paper, which gives no interval, in the reference run and in
    this run, and whether this run has a gain.
    """
    this_run = over_seeds(over_base, ["task", "metric"])
    middle = {} if reference is None else _cells(over_seeds(reference, ["task"]))
    paper = reported.table_1().set_index(SCORED)["value"]
    rows = []
    for (_, row), points in zip(this_run.iterrows(), _cells(this_run).values(), strict=True):
        task, metric = row["task"], row["metric"]
        difference = f"{100 * (paper[task, metric, *TUNED] - paper[task, metric, *over]):.1f}"
        rows.append((task, metric, difference, middle.get(task), points, verdict(row["low"], row["high"])))
    columns = ["task", "metric", "paper", "reference run", "this run", "a gain?"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def last_two_table(last_two: pd.DataFrame, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Lay `last_two_against_rest` out for reading: task; for the paper, the reference run and this run which layers
    change most, with the verdict for runs; and the closest pair of both runs with its difference.
    """
    mine, middle = ({} if table is None else _last_two(table) for table in (last_two, reference))
    tasks, nothing = list(last_two["task"]), (None, None)
    columns = {"task": tasks, "paper": ["not the last two" if task == EXCEPTED else "the last two" for task in tasks]}
    sides = {"reference run": middle, "this run": mine}
    for place, suffix in enumerate(("", ", closest pair")):
        columns |= {name + suffix: [side.get(task, nothing)[place] for task in tasks] for name, side in sides.items()}
    return pd.DataFrame(columns, dtype=object)


def finding(last_two: pd.DataFrame) -> str:
    """Say in a chart's title on how many tasks the last two layers change most."""
    return f"The last two layers change most on {n_holding(last_two)} of {last_two['task'].nunique()} tasks"


def largest_difference(by_layer: pd.DataFrame) -> str:
    """Say where the readings are furthest apart: layer (from 1), task, and both similarities."""
    sides = by_layer.pivot(index=["task", "layer"], columns="reading", values="mean")
    task, layer = (sides[PAPER] - sides[RELEASED]).abs().idxmax()
    paper, released = sides.loc[(task, layer), [PAPER, RELEASED]]
    return f"layer {layer + 1} on {task}: {paper:.3f} for the real tokens and {released:.3f} with padding"


def padding_finding(by_layer: pd.DataFrame) -> str:
    """Say in a chart's title on how many tasks padding makes the last layer look more changed."""
    last = by_layer[by_layer["layer"] == by_layer["layer"].max()]
    sides = last.pivot(index="task", columns="reading", values="mean")
    n_lower = int((sides[RELEASED] < sides[PAPER]).sum())
    return f"Padding makes the last layer look more changed on {n_lower} of {len(sides)} tasks"


def halves(by_layer: pd.DataFrame) -> str:
    """Say how similar maps stay in the first and in the second half of the layers, over all tasks."""
    by_layer = by_layer[by_layer["reading"] == PAPER]
    is_late = by_layer["layer"] >= (by_layer["layer"].max() + 1) / 2
    early, late = (by_layer.loc[rows, "mean"].mean() for rows in (~is_late, is_late))
    return f"{early:.2f} on average in the first half of the layers, and {late:.2f} in the second"


def _by_setting(scores: pd.DataFrame, name: str) -> pd.DataFrame:
    """Average each setting over its own seeds, and write the cells in a column of that name."""
    parts = [over_seeds(group, SCORED) for _, group in scores.groupby(SETTING, sort=False)]
    return pd.concat(parts, ignore_index=True).assign(**{name: lambda rows: rows.apply(format_estimate, axis=1)})


def _seeds(scores: pd.DataFrame) -> str:
    n_seeds, n_random = scores["seed"].nunique(), of_setting(scores, RANDOM)["seed"].nunique()
    fewer = f", {n_random} of them from random weights too" if n_random < n_seeds else ""
    return f"{n_seeds} seed{'s' * (n_seeds > 1)}{fewer}"


def _cells(by_task: pd.DataFrame) -> dict[str, str]:
    return dict(zip(by_task["task"], by_task.apply(format_estimate, axis=1), strict=True))


def _last_two(last_two: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Write for each task which layers change most, with the verdict, and the closest pair with its difference."""
    return {
        row.task: (
            f"{row.most_changed} ({verdict(row.low, row.high)})",
            f"{row.pair}: {format_difference(row.mean, row.low, row.high)}",
        )
        for row in last_two.itertuples()
    }


def _bounds(differences: pd.DataFrame) -> list[tuple[float, float]]:
    by_task = over_seeds(differences, ["task"]) if "seed" in differences else differences
    return list(zip(by_task["low"], by_task["high"], strict=True))


def _means(table: pd.DataFrame, key: Sequence[str], value: str, level: float = 0.95) -> pd.DataFrame:
    rows = [
        (*group_key, *(float(number) for number in interval_of_mean(group[value], level=level)))
        for group_key, group in table.groupby(list(key), sort=False)
    ]
    return pd.DataFrame(rows, columns=[*key, "mean", "low", "high"])
