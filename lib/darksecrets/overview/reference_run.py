"""What the reference run is, in tables for reading: what was run, on what, when, how long, and its Table 1; what it
saved time with, and what a check of it compares.

Everything comes from the run's tables and its `run.json`. A table that cannot be made from what the run has holds one
row that says so. Explained in the appendix *The reference run*.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from darksecrets import reported
from darksecrets.corpora import glue
from darksecrets.estimates import format_estimate
from darksecrets.overview.methodology import recorded
from darksecrets.overview.paper_costs import NOT_RECORDED
from darksecrets.reported import TUNED
from darksecrets.runs import Run
from darksecrets.saved_tables import GROUPS, prefix_of
from darksecrets.sections.fine_tuning import SCORED, SETTING_NAMES, of_setting
from darksecrets.statistics import over_seeds

SCORES = "tuning_scores"
# What pieces of work are called in run.json, in words, in the order of the chapters.
WORK = {
    "fine-tuning": "fine-tuning",
    "patterns": "patterns of maps",
    "frames": "reading FrameNet",
    "predictions": "answers for Table 1",
    "similarity": "maps before and after fine-tuning",
    "attended": "attention to words and links, with parsing",
    "disabled": "heads and layers disabled one by one",
    "removed": "more and more heads disabled",
    "repeated": "attention to repeated words",
}
SHORTCUTS = "shortcuts.csv"  # beside the run's tables: its scores, and those of models trained in another way
SHORTCUT_KEY = ["instead", "task", "metric"]


class Check(NamedTuple):
    """How a table is compared: what it is, its key among rows of one model, the difference that is tolerated, and
    whether its rows depend on which other tasks there are.
    """

    what: str
    key: tuple[str, ...]
    tolerance: float
    of_all_tasks: bool = False


# Attention is a sum of products, whose last digits another processor may give otherwise: weights agree to three
# decimals. A map at the border of two patterns may then change sides, and a test's p with the order of equal draws.
WEIGHT, SHARE, COUNT = 0.001, 0.01, 0.0
LINK = ("task", "relation", "direction")
FRAME = ("direction", "layer", "head")
CHECKS = {
    "pattern_shares": Check("shares of patterns, by task", ("task", "pattern"), SHARE, of_all_tasks=True),
    "pattern_layers": Check("shares of patterns, by layer", ("task", "layer", "pattern"), SHARE),
    "pattern_heads": Check("patterns of heads", ("task", "layer", "head"), 2 * SHARE),
    "feature_heads": Check("attention to features, by head", ("task", "layer", "head", "feature"), WEIGHT),
    "feature_layers": Check("attention to features, by layer", ("task", "measure", "layer", "feature"), WEIGHT),
    "feature_special": Check("attention to special tokens", ("task", "measure", "layer"), WEIGHT),
    "feature_gaps": Check(
        "differences behind the claims on features", ("claim", "task", "kept", "first", "second"), WEIGHT, True
    ),
    "feature_readings": Check("features in both readings", ("task", "feature"), SHARE),
    "feature_lengths": Check("inputs that are too long", ("task",), COUNT),
    "link_heads": Check("attention on links, by head", (*LINK, "layer", "head"), WEIGHT),
    "link_scores": Check("diagonal scores of heads", ("task", "layer", "head"), SHARE),
    "link_coincidence": Check("link weight against diagonal score", LINK, SHARE),
    "link_matched": Check("links against both nulls", (*LINK, "span", "layer", "head"), SHARE),
    "link_released": Check("links in both readings", LINK, SHARE),
    "link_follows": Check("links in pocket sentences", ("relation", *FRAME), SHARE),
    "frame_heads": Check("attention on FrameNet's links", FRAME, WEIGHT),
    "frame_measures": Check("FrameNet's links in three measures", ("measure", "layer", "head"), WEIGHT),
    "frame_specific": Check("FrameNet's links against both nulls", FRAME, SHARE),
    "frame_counts": Check("FrameNet's examples by reading", ("reading",), COUNT),
    "parser_agreement": Check("the parser against a treebank", ("kept", "feature"), 0.005),
}
# Another processor's rounding grows in training: two such trainings differ as two seeds do, by some points.
TUNED_CHECKS = {
    "tuning_scores": Check("the score", ("task", "metric"), 0.03),
    "tuning_by_layer": Check("change by layer, beyond the interval over seeds", ("task", "reading", "layer"), 0.02),
    "feature_layers": Check("attention to features, by layer", ("task", "measure", "layer", "feature"), 0.05),
}


def overview(run: Run) -> pd.DataFrame:
    """List what was run, with which recipe, when and where: columns "" and "value"."""
    told, made_from = run.provenance, recorded(run)
    machine, recipe = told.get("machine"), made_from.get("recipe")
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items()) if machine else ""
    numbers = "{epochs} epochs, batches of {batch_size}, learning rate {learning_rate:g}, {precision}"
    rows = {
        "model": made_from.get("checkpoint"),
        "tasks": ", ".join(made_from.get("tasks", [])),
        "seeds": _seeds(made_from),
        "training examples of a task, at most": _limit(made_from.get("max_train")),
        "validation examples whose maps are read, at most": _limit(made_from.get("max_examples")),
        "recipe": recipe and numbers.format(**recipe),
        "frames": run.made_from("frame_heads").get("frames"),
        "begun": _moment(told.get("started")),
        "finished": _moment(told.get("finished")),
        "time in which something was computed": _duration(told.get("busy_seconds")),
        "corpus": told.get("parameters", {}).get("corpus"),
        "machine": machine and "{cores} cores, {processor}, {system}".format(**machine),
        "Python and packages": machine and f"Python {machine['python']}; {packages}",
        "library, SHA-256": told.get("library", "")[:12],
    }
    return pd.DataFrame([(name, str(value or NOT_RECORDED)) for name, value in rows.items()], columns=["", "value"])


def counted(run: Run, what: str) -> str:
    """Return how many `tasks` or `seeds` the run has, as in "3 seeds"."""
    n = len(recorded(run).get(what, []))
    return f"{n} {what if n != 1 else what.removesuffix('s')}"


def contents(run: Run) -> pd.DataFrame:
    """Count what is published, by section: tables, rows, kilobytes, tasks, and the seeds of fine-tunings."""
    rows = []
    for prefix, title in GROUPS.items():
        names = [name for name in run.tables() if prefix_of(name) == prefix]
        if names:
            made_from = run.made_from(names[0])
            size = sum((run.directory / f"{name}.parquet").stat().st_size for name in names)
            numbers = (len(names), sum(len(run.table(name)) for name in names), round(size / 1e3))
            tasks = str(len(made_from["tasks"])) if "tasks" in made_from else None
            rows.append((title, *numbers, tasks, _seeds(made_from) or None))
    return _table(rows, ["of", "tables", "rows", "kB", "tasks", "seeds"], dtype=object)


def lacking(run: Run) -> str:
    """Return in a sentence what of all this the run does not have."""
    there = {prefix_of(name) for name in run.tables()}
    missing = [f"tables of {title}" for prefix, title in GROUPS.items() if prefix not in there]
    missing += [f"{name} in run.json" for name in ("durations", "examples") if not run.provenance.get(name)]
    return f"It lacks {'; '.join(missing)}." if missing else "It holds the tables of every section."


def durations(run: Run) -> pd.DataFrame:
    """Add up how long each kind of work took: pieces, minutes in all, the longest piece, and its part of the whole."""
    pieces = _pieces(run)
    seconds, whole = pieces["seconds"], pieces["seconds"].sum()
    kinds = [(title, seconds[pieces["what"] == kind]) for kind, title in WORK.items()]
    rows = [
        (work, len(spent), _minutes(spent.sum()), _minutes(spent.max()), f"{100 * spent.sum() / whole:.0f} %")
        for work, spent in [*kinds, ("all", seconds)]
        if len(spent)
    ]
    return _table(rows, ["work", "pieces", "minutes", "longest piece", "part"])


def durations_by_task(run: Run) -> pd.DataFrame:
    """Return what each task took, in minutes: models, fine-tuning one and all, disabling heads, and the rest."""
    pieces = _pieces(run)
    rows = []
    for task in [task for task in glue.TASKS if (pieces["task"] == task).any()]:
        spent = pieces[pieces["task"] == task].set_index("what")["seconds"]
        tuning = spent[spent.index == "fine-tuning"]
        disabling = spent[spent.index.isin(["disabled", "removed"])].sum()
        rest = spent.sum() - tuning.sum() - disabling
        one = _minutes(tuning.mean()) if len(tuning) else None
        rows.append((task, len(tuning), one, *map(_minutes, (tuning.sum(), disabling, rest))))
    columns = ["task", "models", "fine-tuning one", "fine-tuning all", "disabling heads", "all else"]
    return _table(rows, columns)


def largest_part(run: Run) -> str:
    """Return the kind of work that took most, with its part of the whole."""
    seconds = _pieces(run).groupby("what")["seconds"].sum()
    if not len(seconds):
        return NOT_RECORDED
    return f"{WORK[seconds.idxmax()]}, {100 * seconds.max() / seconds.sum():.0f} % of it"


def work_and_time(run: Run) -> str:
    """Return how much work the run was, and in how much time it was done."""
    pieces = _pieces(run)
    if not len(pieces):
        return "a time that run.json does not tell"
    return f"{_duration(pieces['seconds'].sum())} of work in {_duration(run.provenance['busy_seconds'])}"


def examples(run: Run) -> pd.DataFrame:
    """Return on which examples each task was trained and scored, and what that is of the official data."""
    rows = []
    for task, counts in run.provenance.get("examples", {}).items():
        official = glue.TASKS[task]
        trained = [f"{number:,}" for number in (counts["train"], counts["train_available"], official.train_rows)]
        share = f"{100 * counts['train'] / official.train_rows:.0f} %"
        is_official = counts["dev"] == official.dev_rows
        dev = "all official" if is_official else f"a substitute; officially {official.dev_rows:,}"
        rows.append((task, *trained, share, f"{counts['dev']:,}", dev, f"{counts['compared']:,}"))
    columns = ["task", "trained on", "of there being", "official", "part of official", "scored on", "these are"]
    return _table(rows, [*columns, "maps of"])


def table_1(run: Run) -> pd.DataFrame:
    """Return Table 1 of the run: task, metric, setting, paper; mean, spread (lowest to highest) and each seed's score,
    all in per cent. A setting with one seed has no spread.
    """
    scores = run.find(SCORES)
    paper = reported.table_1().set_index(SCORED)["value"].to_dict()
    rows = []
    for of, group in () if scores is None else scores.groupby(SCORED, sort=False):
        points = 100 * group.sort_values("seed")["mean"]
        printed = f"{100 * paper[of]:.1f}" if of in paper else None
        spread = f"{points.min():.1f} to {points.max():.1f}" if len(points) > 1 else None
        mean, each = f"{points.mean():.1f}", ", ".join(f"{score:.1f}" for score in points)
        rows.append((*of[:2], SETTING_NAMES[of[2:]], printed, mean, spread, len(points), each))
    columns = ["task", "metric", "setting", "paper", "mean", "spread over seeds", "seeds", "each seed"]
    return _table(rows, columns, dtype=object)


def widest(run: Run) -> str:
    """Return on which task the fine-tuned pre-trained model's score varies most over seeds, and on which least."""
    scores = run.find(SCORES)
    if scores is None or scores["seed"].nunique() < 2:
        return "the run has one seed, or no scores, so no spread can be told"
    tuned = of_setting(scores, TUNED)
    headline = tuned["task"].map(lambda task: glue.TASKS[task].headline)
    by_task = tuned[tuned["metric"] == headline].groupby("task")["mean"]
    spread = 100 * (by_task.max() - by_task.min())
    least, most = spread.idxmin(), spread.idxmax()
    return f"{spread[least]:.1f} points on {least}, and {spread[most]:.1f} on {most}"


def shortcuts(run: Run) -> pd.DataFrame:
    """Return what was measured of shortcuts (`format_shortcuts`); one row that says so where nothing was.

    A shortcut is a setting that saves time and should not matter: fewer training examples of a large task, or bfloat16.
    """
    path = run.directory / SHORTCUTS
    if not path.exists():
        return _table([], ["instead"])
    return format_shortcuts(pd.read_csv(path), run.find(SCORES))


def format_shortcuts(compared: pd.DataFrame, scores: pd.DataFrame | None) -> pd.DataFrame:
    """Format scores of models trained in another way than the run, in per cent, beside the run's.

    `compared` has a row per instead, task, metric and seed: the score `other`, and `mean`, `low`, `high` of what it is
    above the run's. Returns a row per instead, task and metric: the spread of the run's `scores` over its seeds, the
    scores in the other way, whether their mean lies within that spread, and the difference.
    """
    alike = [group for _, group in compared.groupby("instead", sort=False)]  # each way has seeds of its own
    differences = pd.concat([over_seeds(group, SHORTCUT_KEY) for group in alike]).set_index(SHORTCUT_KEY)
    tuned = {} if scores is None else dict(list(of_setting(scores, TUNED).groupby(["task", "metric"])["mean"]))
    rows = []
    for key, group in compared.groupby(SHORTCUT_KEY, sort=False):
        points, spread, within = tuned.get(key[1:], []), None, "cannot tell"
        if len(points) > 1:
            low, high = min(points), max(points)
            spread = f"{100 * low:.1f} to {100 * high:.1f}"
            within = "yes" if low <= group["other"].mean() <= high else "no"
        each = ", ".join(f"{100 * score:.1f}" for score in group["other"])
        rows.append((*key, spread, each, within, format_estimate(differences.loc[key])))
    columns = [*SHORTCUT_KEY, "the run's spread", "scores then", "within the spread?", "difference"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def within_spread(table: pd.DataFrame) -> str:
    """Return how many scores of the other way (`shortcuts`) lie within the run's spread over seeds."""
    if "within the spread?" not in table:
        return NOT_RECORDED
    return f"{(table['within the spread?'] == 'yes').sum()} of {len(table)}"


def checks() -> pd.DataFrame:
    """List what `make check-reference` compares, for reading: what, where (checkpoint), row by row, tolerated."""
    rows = [
        (check.what, model, ", ".join(check.key), check.tolerance)
        for model, table in (("pre-trained", CHECKS), ("fine-tuned, the smallest task", TUNED_CHECKS))
        for check in table.values()
    ]
    return pd.DataFrame(rows, columns=["what", "of the model", "row by row", "tolerated difference"])


def _seeds(made_from: dict[str, Any]) -> str:
    n_random = made_from.get("n_random", 0)
    alone = f" ({n_random} of them also from random weights)" if n_random else ""
    return ", ".join(map(str, made_from.get("seeds", []))) + alone


def _limit(n_examples: int | None) -> str | None:
    return "all" if n_examples == 0 else None if n_examples is None else f"{n_examples:,}"


def _moment(written: str | None) -> str | None:
    return f"{datetime.fromisoformat(written):%d %B %Y, %H:%M} UTC" if written else None


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{seconds / 60:.0f} minutes"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def _pieces(run: Run) -> pd.DataFrame:
    """Return the pieces of work in `run.json`: what, task, seconds, and more; no row where none are recorded."""
    return pd.DataFrame(run.provenance.get("durations") or {"what": [], "task": [], "seconds": []})


def _table(rows: Sequence[tuple], columns: Sequence[str], dtype: type | None = None) -> pd.DataFrame:
    """Return rows as a table; where there are none, one that says so: a table without rows is no table for a page."""
    if not rows:
        rows, dtype = [(NOT_RECORDED, *[None] * (len(columns) - 1))], object
    return pd.DataFrame(rows, columns=columns, dtype=dtype)
