"""The joins of Section 5 laid out for reading: tables and titles. Layers and heads are counted from 1, as in the paper.

A table shows the reference run, where there is one, below this run. Explained in the chapter *What remains of the
claims*.
"""

from collections.abc import Callable

import pandas as pd

from darksecrets.estimates import format_change, format_correlation, format_difference, signed
from darksecrets.heads import HEAD, head_label
from darksecrets.overview import discussion
from darksecrets.overview.claims import RunTables
from darksecrets.sections import relation_heads
from darksecrets.sections.disabling import CHANGE
from darksecrets.side_by_side import REFERENCE_RUN, THIS_RUN
from darksecrets.statistics import over_seeds
from darksecrets.verdicts import VERDICTS, joined

NO_RUN = "there is no such run"
MATTERS = dict(zip(VERDICTS, ("yes", "no", "cannot tell"), strict=True))


def frame_costs(this_run: RunTables, reference: RunTables) -> pd.DataFrame:
    """Show what each task loses without the heads that stand out for frames: run, task, head, change, matters?"""
    return _stacked(_frame_costs, this_run, reference)


def frame_finding(run: RunTables) -> str:
    """Say how many of the heads that beat both nulls on frames matter for some task."""
    if run.relations is None or run.disabling is None:
        return NO_RUN
    heads = relation_heads.of_heads(run.relations.specific)
    table = discussion.matters(run.disabling, heads[heads["specific"]])
    if table.empty:
        return "no head beats both nulls"
    of_seeds = table.groupby(["task", *HEAD])["matters"].agg(joined)
    costly = of_seeds[of_seeds == VERDICTS[0]].reset_index()
    n_heads, n_costly = (len(rows[HEAD].drop_duplicates()) for rows in (table, costly))
    return f"{n_costly} of the {n_heads} heads that beat both nulls matter for some task"


def relied_on(this_run: RunTables, reference: RunTables) -> pd.DataFrame:
    """Show the two heads that STS-B and RTE rely on: run, task, head, cost, attention to repeats, and to others."""
    return _stacked(_relied_on, this_run, reference)


def same_finding(run: RunTables) -> str:
    """Say how alike the two tasks' heads are: how often the same two cost most, and the correlation over all heads."""
    if run.disabling is None:
        return NO_RUN
    share, correlation = discussion.share_same(run.disabling), discussion.same_ranking(run.disabling)
    if pd.isna(share):
        return "the run lacks one of the two tasks"
    return f"the same two in {share:.0%} of draws; rank correlation over heads {format_correlation(*correlation)}"


def repeats_finding(run: RunTables) -> str:
    """Say how attention to repeated words and cost go together over all heads, task by task."""
    if run.disabling is None or run.repeated is None:
        return NO_RUN
    table = discussion.repeats_and_costs(discussion.to_repeats(run.disabling, run.repeated))
    return "; ".join(f"{row.task} {format_correlation(row.mean, row.low, row.high)}" for row in table.itertuples())


def pattern_costs(this_run: RunTables, reference: RunTables) -> pd.DataFrame:
    """Return what heads cost by main pattern, for the chart: run, task, seed, pattern, mean, low, high, n_heads."""
    return _stacked(_pattern_costs, this_run, reference)


def pattern_finding(this_run: RunTables, reference: RunTables) -> str:
    """Say in a chart's title on how many tasks Heterogeneous heads cost more than Vertical ones, for every seed.

    Of this run, or where it lacks a chapter, of the reference run.
    """
    run = reference if None in (this_run.patterns, this_run.disabling) else this_run
    gaps = discussion.heterogeneous_against_vertical(run.disabling, run.patterns.heads)
    verdicts = discussion.verdicts_by_task(gaps)
    n_more, n_less = (verdicts.count(name) for name in VERDICTS[:2])
    return (
        f"Heterogeneous heads cost more than Vertical ones on {n_more} of {len(verdicts)} tasks, and less on {n_less}"
    )


def _pattern_costs(run: RunTables) -> pd.DataFrame | None:
    if run.patterns is None or run.disabling is None:
        return None
    return discussion.by_pattern(run.disabling, run.patterns.heads).rename(columns={"cost": "mean"})


def _frame_costs(run: RunTables) -> pd.DataFrame | None:
    if run.relations is None or run.disabling is None:
        return None
    table = discussion.matters(run.disabling, relation_heads.heads_standing_out(run.relations.heads))
    key = ["task", *HEAD]
    verdicts = table.groupby(key, sort=False)["matters"].agg(joined).map(MATTERS)
    means = over_seeds(table, key).merge(verdicts.reset_index(), on=key, validate="one_to_one")
    return pd.DataFrame(
        {
            "task": means["task"],
            "head": head_label(means),
            "change of the score": means.apply(format_change, axis=1),
            "matters?": means["matters"],
        }
    )


def _relied_on(run: RunTables) -> pd.DataFrame | None:
    if run.disabling is None or run.repeated is None:
        return None
    key = ["task", *HEAD]
    heads = discussion.relied_on(run.disabling)
    joined_heads = discussion.to_repeats(run.disabling, run.repeated).drop(columns="cost")
    table = heads.merge(joined_heads, on=key, how="left", validate="one_to_one")
    return pd.DataFrame(
        {
            "task": table["task"],
            "head": head_label(table),
            "cost in points": table["cost"].map(signed),
            "to the same word": table["repeated"].map(_weight),
            "from other words": table["others"].map(_weight),
            "difference": [format_difference(*bounds) for bounds in table[CHANGE].to_numpy()],
        }
    )


def _weight(value: float) -> str | None:
    return None if pd.isna(value) else f"{value:.3f}"


def _stacked(
    table_of: Callable[[RunTables], pd.DataFrame | None], this_run: RunTables, reference: RunTables
) -> pd.DataFrame:
    tables = {THIS_RUN: table_of(this_run), REFERENCE_RUN: table_of(reference)}
    parts = [table.assign(run=run)[["run", *table]] for run, table in tables.items() if table is not None]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["run"])
