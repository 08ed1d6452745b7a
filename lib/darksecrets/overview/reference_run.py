"""What the reference run is, in tables for reading: what was run, on what, when, how long, and its Table 1.

Everything comes from the run's tables and its `run.json`. A table that cannot be made from what
the run has holds one row that says so. Explained in the appendix *The reference run*.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from darksecrets import reported
from darksecrets.chapters import GROUPS, prefix_of
from darksecrets.corpora import glue
from darksecrets.estimates import format_estimate
from darksecrets.overview.paper_costs import NOT_RECORDED
from darksecrets.overview.protocol import recorded
from darksecrets.reported import TUNED
from darksecrets.runs import Run
from darksecrets.sections.fine_tuning import SCORED, SETTING_NAMES, headline, of_setting
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
DISABLING = ("disabled", "removed")
SHORTCUTS = "shortcuts.csv"  # beside the run's tables: scores of models trained in another way
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
    """List what was run, with which recipe, when and where: columns "" and "reference run"."""
    described, made_from, machine = run.provenance, recorded(run), run.provenance.get("machine", {})
    parameters, recipe = described.get("parameters", {}), made_from.get("recipe", {})
    rows = {
        "model": made_from.get("checkpoint"),
        "tasks": ", ".join(made_from.get("tasks", [])),
        "seeds": _seeds(made_from),
        "training examples of a task, at most": _limit(made_from.get("max_train")),
        "validation examples whose maps are read, at most": _limit(made_from.get("max_examples")),
        "recipe": _recipe(recipe),
        "frames": run.made_from("frame_heads").get("frames"),
        "begun": _moment(described.get("started")),
        "finished": _moment(described.get("finished")),
        "time in which something was computed": _duration(described.get("busy_seconds")),
        "corpus": parameters.get("corpus"),
        "machine": f"{machine['cores']} cores, {machine['processor']}, {machine['system']}" if machine else None,
        "Python and packages": _packages(machine),
        "library, SHA-256": described.get("library", "")[:12],
    }
    return pd.DataFrame([(name, str(value or NOT_RECORDED)) for name, value in rows.items()], columns=["", "value"])


def counted(run: Run, what: str) -> str:
    """Say how many tasks or seeds the run has, as in "3 seeds"."""
    found = recorded(run).get(what, [])
    return f"{len(found)} {what if len(found) != 1 else what.removesuffix('s')}"


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
    return _or_missing(pd.DataFrame(rows, columns=["of", "tables", "rows", "kB", "tasks", "seeds"], dtype=object))


def lacking(run: Run) -> str:
    """Say in a sentence what of all this the run does not have."""
    there = {prefix_of(name) for name in run.tables()}
    missing = [f"tables of {title}" for prefix, title in GROUPS.items() if prefix not in there]
    missing += [f"{name} in run.json" for name in ("durations", "examples") if not run.provenance.get(name)]
    return f"It lacks {'; '.join(missing)}." if missing else "It holds the tables of every section."


def durations(run: Run) -> pd.DataFrame:
    """Add up how long each kind of work took: pieces, minutes in all, the longest piece, and its part of the whole."""
    pieces = _pieces(run)
    whole = pieces["seconds"].sum()
    rows = []
    for kind in [kind for kind in WORK if (pieces["what"] == kind).any()]:
        seconds = pieces.loc[pieces["what"] == kind, "seconds"]
        cells = _minutes(seconds.sum()), _minutes(seconds.max()), f"{100 * seconds.sum() / whole:.0f} %"
        rows.append((WORK[kind], len(seconds), *cells))
    if rows:
        rows.append(("all", len(pieces), _minutes(whole), _minutes(pieces["seconds"].max()), "100 %"))
    return _or_missing(pd.DataFrame(rows, columns=["work", "pieces", "minutes", "longest piece", "part"]))


def largest_part(run: Run) -> str:
    """Name the kind of work that took most, with its part of the whole."""
    pieces = _pieces(run)
    if not len(pieces):
        return NOT_RECORDED
    by_kind = pieces.groupby("what")["seconds"].sum()
    return f"{WORK[by_kind.idxmax()]}, {100 * by_kind.max() / by_kind.sum():.0f} % of it"


def durations_by_task(run: Run) -> pd.DataFrame:
    """Say what each task took, in minutes: models, fine-tuning one, fine-tuning all, disabling heads, and the rest."""
    pieces = _pieces(run)
    rows = []
    for task in glue.TASKS:
        of_task = pieces[pieces["task"] == task]
        tuning = of_task.loc[of_task["what"] == "fine-tuning", "seconds"]
        disabling = of_task.loc[of_task["what"].isin(DISABLING), "seconds"].sum()
        if len(of_task):
            rest = of_task["seconds"].sum() - tuning.sum() - disabling
            mean = _minutes(tuning.mean()) if len(tuning) else None
            rows.append((task, len(tuning), mean, *map(_minutes, (tuning.sum(), disabling, rest))))
    columns = ["task", "models", "fine-tuning one", "fine-tuning all", "disabling heads", "all else"]
    return _or_missing(pd.DataFrame(rows, columns=columns))


def work_and_time(run: Run) -> str:
    """Say how much work the run was, and in how much time it was done."""
    pieces = _pieces(run)
    if not len(pieces):
        return "a time that run.json does not tell"
    return f"{_duration(pieces['seconds'].sum())} of work in {_duration(run.provenance['busy_seconds'])}"


def examples(run: Run) -> pd.DataFrame:
    """Say on which examples each task was trained and scored, and what that is of the official data."""
    rows = []
    for task, found in run.provenance.get("examples", {}).items():
        known = glue.TASKS[task]
        share = f"{100 * found['train'] / known.train_rows:.0f} %"
        dev = "all official" if found["dev"] == known.dev_rows else f"a substitute; officially {known.dev_rows:,}"
        counts = [f"{number:,}" for number in (found["train"], found["train_available"], known.train_rows)]
        rows.append((task, *counts, share, f"{found['dev']:,}", dev, f"{found['compared']:,}"))
    columns = ["task", "trained on", "of there being", "official", "part of official", "scored on", "these are"]
    return _or_missing(pd.DataFrame(rows, columns=[*columns, "maps of"]))


def table_1(run: Run) -> pd.DataFrame:
    """Lay Table 1 of the run out: task, metric, setting, paper; mean, spread (lowest to highest) and each seed's score,
    all in per cent. A setting with one seed has no spread.
    """
    scores = run.find(SCORES)
    columns = ["task", "metric", "setting", "paper", "mean", "spread over seeds", "seeds", "each seed"]
    if scores is None:
        return _or_missing(pd.DataFrame(columns=columns))
    paper = reported.table_1().set_index(SCORED)["value"].to_dict()
    rows = []
    for of, group in scores.groupby(SCORED, sort=False):
        points = 100 * group.sort_values("seed")["mean"]
        spread = f"{points.min():.1f} to {points.max():.1f}" if len(points) > 1 else None
        printed = f"{100 * paper[of]:.1f}" if of in paper else None
        each = ", ".join(f"{score:.1f}" for score in points)
        rows.append((*of[:2], SETTING_NAMES[of[2:]], printed, f"{points.mean():.1f}", spread, len(points), each))
    return pd.DataFrame(rows, columns=columns, dtype=object)


def widest(run: Run) -> str:
    """Say on which task the fine-tuned pre-trained model's score varies most over seeds, and on which least."""
    scores = run.find(SCORES)
    if scores is None or scores["seed"].nunique() < 2:
        return "the run has one seed, or no scores, so no spread can be told"
    tuned = of_setting(scores, TUNED)
    tuned = tuned[tuned["metric"] == tuned["task"].map(headline)]
    spread = 100 * tuned.groupby("task")["mean"].agg(lambda points: points.max() - points.min())
    least, most = spread.idxmin(), spread.idxmax()
    return f"{spread[least]:.1f} points on {least}, and {spread[most]:.1f} on {most}"


def format_shortcuts(found: pd.DataFrame, scores: pd.DataFrame | None) -> pd.DataFrame:
    """Lay `against` out for reading, in per cent: what was done instead, task, metric, the spread of the run's scores
    over its seeds, the scores in the other way, whether their mean lies within that spread, and the difference.

    `scores` are those of the run (`fine_tuning.scores`).
    """
    alike = [group for _, group in found.groupby("instead", sort=False)]  # each way has seeds of its own
    differences = pd.concat([over_seeds(group, SHORTCUT_KEY) for group in alike]).set_index(SHORTCUT_KEY)
    tuned = None if scores is None else of_setting(scores, TUNED)
    rows = []
    for (instead, task, metric), group in found.groupby(SHORTCUT_KEY, sort=False):
        low, high = _spread(tuned, task, metric)
        within = "cannot tell" if low is None else "yes" if low <= group["other"].mean() <= high else "no"
        spread = None if low is None else f"{100 * low:.1f} to {100 * high:.1f}"
        each = ", ".join(f"{100 * score:.1f}" for score in group["other"])
        difference = format_estimate(differences.loc[(instead, task, metric)])
        rows.append((instead, task, metric, spread, each, within, difference))
    columns = ["instead", "task", "metric", "the run's spread", "scores then", "within the spread?", "difference"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def shortcuts(run: Run) -> pd.DataFrame:
    """Read what was measured for a published run and lay it out; one row that says so where nothing was."""
    path = run.directory / SHORTCUTS
    if not path.exists():
        return pd.DataFrame({"instead": [NOT_RECORDED]})
    return format_shortcuts(pd.read_csv(path), run.find("tuning_scores"))


def within_spread(table: pd.DataFrame) -> str:
    """Say from what `find` laid out how many scores of the other way lie within the run's spread over seeds."""
    if "within the spread?" not in table:
        return NOT_RECORDED
    counts = table["within the spread?"].value_counts()
    return f"{counts.get('yes', 0)} of {len(table)}"


def checks() -> pd.DataFrame:
    """List what `make check-reference` compares, for reading: what, where (checkpoint), row by row, tolerated."""
    rows = [
        (check.what, model, ", ".join(check.key), check.tolerance)
        for model, table in (("pre-trained", CHECKS), ("fine-tuned, the smallest task", TUNED_CHECKS))
        for check in table.values()
    ]
    return pd.DataFrame(rows, columns=["what", "of the model", "row by row", "tolerated difference"])


def _seeds(made_from: dict[str, Any]) -> str:
    seeds = made_from.get("seeds", [])
    n_random = made_from.get("n_random", 0)
    alone = f" ({n_random} of them also from random weights)" if n_random else ""
    return f"{', '.join(map(str, seeds))}{alone}"


def _limit(n_examples: int | None) -> str | None:
    return "all" if n_examples == 0 else None if n_examples is None else f"{n_examples:,}"


def _recipe(recipe: dict[str, Any]) -> str | None:
    if not recipe:
        return None
    numbers = f"{recipe['epochs']} epochs, batches of {recipe['batch_size']}, learning rate {recipe['learning_rate']:g}"
    return f"{numbers}, {recipe['precision']}"


def _packages(machine: dict[str, Any]) -> str | None:
    if not machine:
        return None
    packages = (f"{name} {version}" for name, version in machine["packages"].items())
    return f"Python {machine['python']}; {', '.join(packages)}"


def _pieces(run: Run) -> pd.DataFrame:
    found = pd.DataFrame(run.provenance.get("durations", []))
    return found if len(found) else pd.DataFrame({"what": [], "task": [], "seconds": []})


def _moment(written: str | None) -> str | None:
    return f"{datetime.fromisoformat(written):%d %B %Y, %H:%M} UTC" if written else None


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{seconds / 60:.0f} minutes"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def _or_missing(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table, or one row that says that nothing is recorded: a table without rows is no table for a page."""
    if len(table):
        return table
    blank: Sequence[object] = [NOT_RECORDED, *[None] * (len(table.columns) - 1)]
    return pd.DataFrame([blank], columns=table.columns, dtype=object)


def _spread(tuned: pd.DataFrame | None, task: str, metric: str) -> tuple[float, float] | tuple[None, None]:
    """Return the lowest and highest score over the run's seeds; nothing where there are fewer than two."""
    if tuned is None:
        return None, None
    points = tuned.loc[(tuned["task"] == task) & (tuned["metric"] == metric), "mean"]
    return (points.min(), points.max()) if len(points) > 1 else (None, None)
