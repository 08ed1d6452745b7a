"""Section 5: what the experiments say together. Heads that one of them points at are looked up in the others.

A head matters for a task if disabling it lowers the score. All changes are of attention made uniform, as in the paper,
and fractions; `cost` is the loss, positive where the head matters. In tables for reading, layers and heads count from
1. Explained in the chapter *What remains of the claims*.
"""

from dataclasses import dataclass, fields
from typing import Self

import altair as alt
import numpy as np
import pandas as pd
from scipy import stats

from darksecrets.corpora.annotated_maps import AFTER, PATTERNS
from darksecrets.estimates import format_change, format_correlation, format_difference, signed
from darksecrets.figures.charts import (
    SCALES,
    WIDTH,
    averaged,
    counted_from_one,
    dots,
    filtered,
    interval_tooltips,
    menus_of,
    present,
    wrapped,
)
from darksecrets.heads import HEAD, head_label
from darksecrets.models.disabling import only_uniform
from darksecrets.runs import Run
from darksecrets.saved_tables import SECTIONS
from darksecrets.sections import feature_claims, links, relations
from darksecrets.sections.disabling import ALLOWED_LOSS, CHANGE, DisablingTables
from darksecrets.sections.fine_tuning import FineTuningTables
from darksecrets.sections.patterns import HETEROGENEOUS, VERTICAL, PatternTables
from darksecrets.sections.repeated_words import COMPARED_TASKS, RepeatedTables, fine_tuned
from darksecrets.statistics import SIGNIFICANT, holm, interval_of_mean, over_present_seeds, over_seeds, rank_correlation
from darksecrets.verdicts import (
    FAILS,
    HOLDS,
    NEGLIGIBLE,
    OPEN,
    SURE,
    Judgements,
    all_positive,
    by_seed,
    every,
    joined,
    most,
    single,
    verdict,
)

FRAME_HEADS = "The heads that stand out for frames matter for no task"
SAME_HEADS = "STS-B and RTE rely on the same two heads"
REPEATS = "The heads that they rely on attend to words of both sentences (both tasks)"
HALF = "Half of the heads can go together for at most a point (most tasks)"
HETEROGENEOUS_MORE = "Heterogeneous heads matter more than Vertical ones (most tasks)"
N_RELIED_ON = 2  # heads that the paper names for both tasks
N_DRAWS = 4000
HALF_OF_HEADS = 0.5
NO_RUN = "there is no such run"
MATTERS = {HOLDS: "yes", FAILS: "no", OPEN: "cannot tell"}
OF_HEAD = ["task", *HEAD]
KINDS = {  # what the tables of a run are read as
    "patterns": PatternTables,
    "relations": relations.RelationTables,
    "tuning": FineTuningTables,
    "features": feature_claims.FeatureTables,
    "links": links.LinkTables,
    "disabling": DisablingTables,
    "repeated": RepeatedTables,
}
CHAPTERS = {name: SECTIONS[kind.PREFIX].page for name, kind in KINDS.items()}  # where they come from


@dataclass(frozen=True)
class RunTables:
    """What one run measured, chapter by chapter; None where it lacks a chapter."""

    patterns: PatternTables | None
    relations: relations.RelationTables | None
    tuning: FineTuningTables | None
    features: feature_claims.FeatureTables | None
    links: links.LinkTables | None
    disabling: DisablingTables | None
    repeated: RepeatedTables | None

    @classmethod
    def find(cls, run: Run) -> Self:
        """Read what a run has."""
        return cls(**{name: kind.find(run) for name, kind in KINDS.items()})

    def missing(self) -> list[str]:
        """Return the chapters whose tables the run lacks."""
        return [CHAPTERS[field.name] for field in fields(self) if getattr(self, field.name) is None]


def matters(run: DisablingTables, heads: pd.DataFrame) -> pd.DataFrame:
    """Look chosen heads (layer, head) up in the sweep: one row per task, seed and head: mean, low, high, p_corrected.

    The verdict `matters` is "does not hold" where the interval excludes a loss of more than a point, however certain a
    smaller one is; else "holds" where a loss is significant, its p corrected over the chosen heads and the tasks of a
    seed (Holm).
    """
    table = only_uniform(run.heads).merge(heads[HEAD].drop_duplicates(), on=HEAD, validate="many_to_one")
    table = table[["task", "seed", *HEAD, *CHANGE, "p"]].reset_index(drop=True)
    table["p_corrected"] = table.groupby("seed")["p"].transform(holm)
    loses = (table["mean"] < 0) & (table["p_corrected"] < SIGNIFICANT)
    return table.assign(matters=np.select([table["low"] >= -ALLOWED_LOSS, loses], [FAILS, HOLDS], OPEN))


def costs(run: DisablingTables) -> pd.DataFrame:
    """Average what each head costs over seeds: task, layer, head, cost, and `error`, the standard error on examples.

    The error of a seed is read off its interval, as of a normal distribution; seeds share the examples, so errors are
    averaged, which is on the safe side.
    """
    heads = only_uniform(run.heads)
    error = (heads["high"] - heads["low"]) / 2 / stats.norm.ppf(0.975)
    return (
        heads.assign(cost=-heads["mean"], error=error)
        .groupby(OF_HEAD, sort=False)[["cost", "error"]]
        .mean()
        .reset_index()
    )


def relied_on(run: DisablingTables, tasks: tuple[str, ...] = COMPARED_TASKS) -> pd.DataFrame:
    """Return the two heads that each task relies on most: task, layer, head, cost, from the costliest on."""
    table = costs(run)
    table = table[table["task"].isin(tasks)].sort_values("cost", ascending=False, kind="stable")
    return table.groupby("task", sort=False).head(N_RELIED_ON).sort_values("task", kind="stable", ignore_index=True)


def share_same(run: DisablingTables, tasks: tuple[str, ...] = COMPARED_TASKS, seed: int = 0) -> float:
    """Return how often two tasks rely on the same two heads, if each head's cost is drawn anew within its error.

    NaN where the run lacks one of the tasks.
    """
    random, table, chosen = np.random.default_rng(seed), costs(run), []
    for task in tasks:
        cost, error = table[table["task"] == task].sort_values(HEAD)[["cost", "error"]].to_numpy().T
        if not len(cost):
            return float("nan")
        drawn = cost + random.normal(size=(N_DRAWS, len(cost))) * error
        chosen.append(np.sort(np.argsort(-drawn, axis=1)[:, :N_RELIED_ON], axis=1))
    return float((chosen[0] == chosen[1]).all(1).mean())


def same_ranking(run: DisablingTables, tasks: tuple[str, ...] = COMPARED_TASKS) -> tuple[float, float, float]:
    """Correlate the costs of all heads between two tasks: Spearman's (mean, low, high), by bootstrap over heads."""
    table = costs(run).pivot(index=HEAD, columns="task", values="cost")
    if not set(tasks) <= set(table):
        return (float("nan"),) * 3
    return rank_correlation(*(table[task].to_numpy() for task in tasks))


def to_repeats(run: DisablingTables, repeated: RepeatedTables) -> pd.DataFrame:
    """Join what heads cost with their attention to repeated words: one row per task and head, after fine-tuning.

    `cost`; `repeated`, `others`, and `mean`, `low`, `high` of their difference, averaged over seeds.
    """
    after = fine_tuned(repeated)
    weights = after.groupby(OF_HEAD, sort=False)[["repeated", "others"]].mean().reset_index()
    weights = weights.merge(over_seeds(after, OF_HEAD).drop(columns="n_seeds"), on=OF_HEAD, validate="one_to_one")
    return costs(run).merge(weights, on=OF_HEAD, validate="one_to_one")


def repeats_and_costs(heads: pd.DataFrame) -> pd.DataFrame:
    """Correlate attention to repeats beyond others with the cost, over heads (`to_repeats`): task, mean, low, high."""
    by_task = heads.groupby("task", sort=False)
    rows = [(task, *rank_correlation(group["mean"], group["cost"])) for task, group in by_task]
    return pd.DataFrame(rows, columns=["task", *CHANGE])


def by_pattern(run: DisablingTables, patterns: pd.DataFrame) -> pd.DataFrame:
    """Average what heads cost by their main pattern (`patterns.by_head`), after fine-tuning.

    One row per task, seed and pattern: mean, low, high (of the cost; t-interval over heads), n_heads.
    """
    groups = _with_patterns(run, patterns).groupby(["task", "seed", "main"], sort=False, observed=True)
    rows = [(*key, *map(float, interval_of_mean(group["cost"])), len(group)) for key, group in groups]
    table = pd.DataFrame(rows, columns=["task", "seed", "pattern", *CHANGE, "n_heads"])
    return table.sort_values("pattern", key=lambda names: names.map(PATTERNS.index), kind="stable", ignore_index=True)


def heterogeneous_against_vertical(run: DisablingTables, patterns: pd.DataFrame) -> pd.DataFrame:
    """Compare what Heterogeneous heads cost with what Vertical ones do: task, seed, mean, low, high (Welch's interval).

    Tasks and seeds with fewer than two heads of one of the kinds are left out.
    """
    rows = []
    for key, group in _with_patterns(run, patterns).groupby(["task", "seed"], sort=False):
        one, other = (group.loc[group["main"] == pattern, "cost"] for pattern in (HETEROGENEOUS, VERTICAL))
        if min(len(one), len(other)) > 1:
            test = stats.ttest_ind(one, other, equal_var=False)
            low, high = test.confidence_interval() if one.var() + other.var() > 0 else (0.0, 0.0)
            rows.append((*key, one.mean() - other.mean(), float(low), float(high)))
    return pd.DataFrame(rows, columns=["task", "seed", *CHANGE])


def _with_patterns(run: DisablingTables, patterns: pd.DataFrame) -> pd.DataFrame:
    key = ["task", "seed", *HEAD]
    main = patterns.loc[patterns["checkpoint"] == AFTER, [*key, "main"]].astype({"task": object, "main": object})
    heads = only_uniform(run.heads)[[*key, "mean"]].astype({"task": object})
    return heads.merge(main, on=key, validate="one_to_one").assign(cost=lambda table: -table["mean"])


def judge(run: RunTables) -> Judgements:
    """Judge the claims of Section 5 that the run has tables for."""
    judged: Judgements = {}
    if (disabled := run.disabling) is None:
        return judged
    judged[HALF] = most(_half_can_go(disabled.curves))
    if not pd.isna(share := share_same(disabled)):
        by_task = relied_on(disabled).groupby("task", sort=False)
        names = "; ".join(f"{task}: {', '.join(head_label(heads))}" for task, heads in by_task)
        judged[SAME_HEADS] = single(verdict(share - SURE, share - (1 - SURE)), names)
    if run.relations is not None:
        table = matters(disabled, relations.outstanding(run.relations.heads))
        worst = table.loc[table["mean"].idxmin()]
        loss = f"the largest loss is {signed(worst['mean'], 1)} points, {worst['task']}"
        judged[FRAME_HEADS] = single(by_seed(table, nothing_matters), loss)
    if run.patterns is not None and (verdicts := _heterogeneous_cost_more(disabled, run.patterns)):
        judged[HETEROGENEOUS_MORE] = most(verdicts)
    if run.repeated is not None:
        tests = relied_on(disabled).drop(columns="cost").merge(fine_tuned(run.repeated), on=OF_HEAD)
        tests["specific"] = tests["low"] > NEGLIGIBLE
        if len(tests):
            attend = tests.groupby(OF_HEAD)["specific"].all()
            verdicts = [by_seed(of_task, all_positive) for _, of_task in tests.groupby("task")]
            judged[REPEATS] = single(every(verdicts).verdict, f"{attend.sum()} of {len(attend)} heads")
    return judged


def nothing_matters(table: pd.DataFrame) -> str:
    """Judge whether none of the heads of a table `matters`: it is so if none does, and not so if one does."""
    verdicts = set(table["matters"])
    return FAILS if HOLDS in verdicts else HOLDS if verdicts == {FAILS} else OPEN


def _heterogeneous_cost_more(disabled: DisablingTables, patterns: PatternTables) -> list[str]:
    """Judge for each task, with every seed, whether Heterogeneous heads cost more than Vertical ones."""
    by_task = heterogeneous_against_vertical(disabled, patterns.heads).groupby("task")
    return [joined(map(verdict, rows["low"], rows["high"])) for _, rows in by_task]


def _half_can_go(curves: pd.DataFrame) -> list[str]:
    """Judge each task at the first step of the sweep's order at which at least half of the heads are disabled."""
    steps = curves[(curves["order"] == "sweep") & (curves["share"] >= HALF_OF_HEADS)]
    steps = steps[steps["share"] == steps.groupby("task")["share"].transform("min")]
    changes = over_seeds(steps, ["task"])
    return list(map(verdict, changes["low"] + ALLOWED_LOSS, changes["high"] + ALLOWED_LOSS))


def frame_costs(run: RunTables) -> pd.DataFrame | None:
    """Return what tasks lose without the heads that stand out for frames: task, head, change of the score, matters?"""
    if run.relations is None or run.disabling is None:
        return None
    table = matters(run.disabling, relations.outstanding(run.relations.heads))
    verdicts = table.groupby(OF_HEAD, sort=False)["matters"].agg(joined).map(MATTERS).reset_index()
    table = over_seeds(table, OF_HEAD).merge(verdicts, on=OF_HEAD, validate="one_to_one")
    change = table.apply(format_change, axis=1)
    columns = {"head": head_label(table), "change of the score": change, "matters?": table["matters"]}
    return table[["task"]].assign(**columns)


def frame_finding(run: RunTables) -> str:
    """Return how many of the heads that beat both nulls on frames matter for some task, in words."""
    if run.relations is None or run.disabling is None:
        return NO_RUN
    heads = relations.better_direction(run.relations.specific)
    table = matters(run.disabling, heads[heads["specific"]])
    if table.empty:
        return "no head beats both nulls"
    of_seeds = table.groupby(OF_HEAD)["matters"].agg(joined)
    costly = of_seeds[of_seeds == HOLDS].reset_index()
    n_heads, n_costly = (len(rows[HEAD].drop_duplicates()) for rows in (table, costly))
    return f"{n_costly} of the {n_heads} heads that beat both nulls matter for some task"


def relied_on_table(run: RunTables) -> pd.DataFrame | None:
    """Return the two heads that STS-B and RTE rely on: task, head, cost, attention to repeats, to others, difference.

    Attention is None where it was not measured.
    """
    if run.disabling is None or run.repeated is None:
        return None
    weights = to_repeats(run.disabling, run.repeated).drop(columns="cost")
    table = relied_on(run.disabling).merge(weights, on=OF_HEAD, how="left", validate="one_to_one")
    columns = {"head": head_label(table), "cost in points": table["cost"].map(signed)}
    for title, name in {"to the same word": "repeated", "from other words": "others"}.items():
        columns[title] = [None if pd.isna(weight) else f"{weight:.3f}" for weight in table[name]]
    columns["difference"] = [format_difference(*ends) for ends in table[CHANGE].to_numpy()]
    return table[["task"]].assign(**columns)


def same_finding(run: RunTables) -> str:
    """Return how often the same two heads cost both tasks most, and the correlation over all heads, in words."""
    if run.disabling is None:
        return NO_RUN
    share = share_same(run.disabling)
    if pd.isna(share):
        return "the run lacks one of the two tasks"
    correlation = format_correlation(*same_ranking(run.disabling))
    return f"the same two in {share:.0%} of draws; rank correlation over heads {correlation}"


def repeats_finding(run: RunTables) -> str:
    """Return how attention to repeated words and cost go together over all heads, task by task, in words."""
    if run.disabling is None or run.repeated is None:
        return NO_RUN
    table = repeats_and_costs(to_repeats(run.disabling, run.repeated))
    return "; ".join(f"{row.task} {format_correlation(row.mean, row.low, row.high)}" for row in table.itertuples())


def pattern_costs(run: RunTables) -> pd.DataFrame | None:
    """Return what heads cost by their main pattern (`by_pattern`)."""
    has_both = run.patterns is not None and run.disabling is not None
    return by_pattern(run.disabling, run.patterns.heads) if has_both else None


def pattern_finding(this_run: RunTables, reference: RunTables) -> str:
    """Return the title of the chart: on how many tasks Heterogeneous heads cost more than Vertical ones, for every
    seed, in this run, or where it lacks a chapter, in the reference run.
    """
    run = reference if None in (this_run.patterns, this_run.disabling) else this_run
    verdicts = _heterogeneous_cost_more(run.disabling, run.patterns)
    more = f"cost more than Vertical ones on {verdicts.count(HOLDS)} of {len(verdicts)} tasks"
    return f"Heterogeneous heads {more}, and less on {verdicts.count(FAILS)}"


def pattern_chart(costs: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw what disabling a head costs by its main pattern (`pattern_costs` of one run or more, fractions; shown in
    points); menus choose run and task.
    """
    key = present(costs, "run", "task", "pattern")
    n_heads = costs.groupby(key, sort=False, observed=True)["n_heads"].mean().reset_index()
    table = averaged(costs, key, over_present_seeds).merge(n_heads)  # a seed may have no head of a pattern
    table = counted_from_one(table.assign(**{name: 100 * table[name] for name in CHANGE}))
    menus = menus_of(table, "run", "task")
    base = filtered(alt.Chart(table, width=WIDTH, height=alt.Step(26), title=wrapped(title)), menus).encode(
        y=alt.Y("pattern:N", title=None, sort=list(PATTERNS)),
        color=alt.Color("pattern:N", scale=SCALES["pattern"], legend=None),
        tooltip=[
            *(f"{name}:N" for name in key),
            *interval_tooltips("cost in points", ".2f"),
            alt.Tooltip("n_heads:Q", title="heads (mean over seeds)", format=".1f"),
        ],
    )
    return alt.layer(*dots(base, "cost of disabling a head (points)", "~f")).add_params(*menus.values())
