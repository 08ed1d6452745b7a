"""Section 4.6: what happens to scores without a head, without a layer, and without more and more heads.

From top to bottom: tables of what classifiers answered, claims of the paper with their verdicts, tables and sentences
for reading, charts. In tables all is a fraction, layers and heads count from 0, and `mean`, `low` and `high` are the
change of a task's score against nothing disabled, positive where disabling helps. What is said is of attention made
uniform, as in the paper, but where ways of disabling are compared. A reader gets points, and heads as "layer-head" from
1. Explained in the chapter *Disabling heads and layers*.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import altair as alt
import numpy as np
import pandas as pd
from scipy import stats

from darksecrets import reported
from darksecrets.corpora.tasks import TASKS
from darksecrets.estimates import format_change, format_correlation, format_estimate, signed
from darksecrets.figures import charts
from darksecrets.figures.charts import WIDTH, averaged, present
from darksecrets.figures.head_charts import TEXT, opened, outlines, packed
from darksecrets.heads import HEAD, head_label
from darksecrets.models.ablation import UNIFORM
from darksecrets.models.disabling import PruningCurve, SweepResult, only_uniform
from darksecrets.saved_tables import REFERENCE_RUN, THIS_RUN, SavedTables, side_by_side
from darksecrets.statistics import (
    ROUNDING,
    SIGNIFICANT,
    benjamini_hochberg,
    beyond_chance,
    contributions_to_change,
    drawn_changes,
    drawn_scores,
    holm,
    interval_of_mean,
    over_seeds,
    over_tasks,
    p_of_change,
    paired_changes,
    rank_correlation,
    score_interval,
    zero_event_upper_bound,
)
from darksecrets.verdicts import FAILS, HOLDS, OPEN, Judgement, Judgements, claims_table, every, joined, single, verdict

CHANGE = ["mean", "low", "high"]
BEST = {"best": "mean", "best_low": "low", "best_high": "high"}  # of the head that was chosen on the same examples
N_SPLITS = 200  # of the examples, in halves
LEVEL = 0.95
ALLOWED_LOSS = 0.01  # of the score: up to it, heads count as removable

# Claims
SMALLEST_GAIN = min(reported.HEAD_GAINS.values())  # that the paper reports: what is less is no improvement
(_LAYER_TASK, (_LAYER, _LAYER_GAIN)), *_ = reported.LAYER_GAINS.items()
(_LOW_TASK, _LOW_SCORE), *_ = reported.LOWEST_SCORES.items()
SOME_HEAD = "Disabling some head improves the score, and one can say which (every task)"
HELD_OUT = "The head that gains most on some examples gains on others (every task)"
ON_AVERAGE = f"Disabling a head improves the score on average over heads ({', '.join(reported.HELPS_ON_AVERAGE)})"
ONE_LAYER = f"Disabling layer {_LAYER + 1} improves {_LAYER_TASK}"
CHEAP_LAYERS = f"No layer costs more than {-100 * reported.LAYER_LOSS:.1f} points ({', '.join(reported.CHEAP_LAYERS)})"
BELOW_CHANCE = f"Disabling one head drops {_LOW_TASK} below chance"
GAINS = "The best head gains least on STS-B and most on MRPC"  # for the ledger only
_GAINS = " to ".join(f"{100 * gain:+.1f} ({task})" for task, gain in reported.HEAD_GAINS.items())
PAPER = {
    SOME_HEAD: f"holds, by {_GAINS}",
    HELD_OUT: "not asked",
    ON_AVERAGE: "holds",
    ONE_LAYER: f"holds, by {100 * _LAYER_GAIN:+.1f}",
    CHEAP_LAYERS: "holds",
    BELOW_CHANCE: f"{100 * _LOW_SCORE:.0f} % in Figure 8",
}
OF_TASKS = {ON_AVERAGE: reported.HELPS_ON_AVERAGE, ONE_LAYER: (_LAYER_TASK,)}  # the others are of every task
OF_TASKS |= {CHEAP_LAYERS: reported.CHEAP_LAYERS, BELOW_CHANCE: (_LOW_TASK,)}

# What a reader sees
TESTS = {"p": "p < .05", "benjamini_hochberg": "Benjamini-Hochberg", "holm": "Holm"}
ORDERS = {"sweep": "by a sweep", "gradient": "by gradient", "random": "at random"}
CURVES = dict(zip(ORDERS, charts.SCALES["order"].domain, strict=True))
CASE = ["run", "task", "instead"]  # what a chart's table may tell apart
POINTS, SIGNED = "change of the score (points)", "+.2f"
WHERE_CHOSEN, ELSEWHERE = "on the examples that chose it", "on held-out examples"
NOTHING, LAYER, UNCLEAR = "nothing disabled", "a layer disabled", "a layer disabled, may be chance (corrected)"
BLUE, ORANGE = "#0072b2", "#d55e00"


@dataclass(frozen=True)
class DisablingTables(SavedTables):
    """The tables of the chapter, in fractions; layers and heads from 0.

    `baseline`: the score with nothing disabled. `heads`, `layers`: the change by each head and layer disabled, tested.
    `average`: over all heads. `chosen`: the best head, on the examples that chose it and on others. `seeds`: whether
    two fine-tunings agree on heads. `curves`: the change as more and more heads are disabled together.
    """

    PREFIX: ClassVar[str] = "disabling"

    baseline: pd.DataFrame
    heads: pd.DataFrame
    layers: pd.DataFrame
    average: pd.DataFrame
    chosen: pd.DataFrame
    seeds: pd.DataFrame
    curves: pd.DataFrame

    @classmethod
    def of(cls, swept: Sequence[SweepResult], pruned: Sequence[PruningCurve]) -> Self:
        """Compute all tables from what the classifiers answered."""
        heads, layers = (score_changes(swept, part) for part in ("heads", "layers"))
        seeds = same_heads(heads)
        return cls(baselines(swept), heads, layers, averages(swept), chosen_heads(swept), seeds, curves(pruned))


# Summarize


def baselines(swept: Sequence[SweepResult]) -> pd.DataFrame:
    """Score each classifier with nothing disabled, with a bootstrap interval over examples: one row per task and seed.

    `mean`, `low` and `high` are the score itself.
    """
    classifiers: dict[tuple[str, int], SweepResult] = {}
    for one in swept:
        classifiers.setdefault((one.task, one.seed), one)
    rows = [
        (*key, one.metric, len(one.label), *score_interval(one.metric, one.label, one.baseline))
        for key, one in classifiers.items()
    ]
    return pd.DataFrame(rows, columns=["task", "seed", "metric", "n_examples", *CHANGE])


def score_changes(swept: Sequence[SweepResult], part: str) -> pd.DataFrame:
    """Test the change by each of the "heads", or "layers", disabled: one row per task, seed, instead, layer (and head).

    `score`; `mean`, `low`, `high` (paired bootstrap over examples); `p` (exact McNemar for classes, paired permutation
    for correlations), corrected over the heads, or layers, of one sweep by `holm` and by `benjamini_hochberg`.
    """
    tables = []
    for one in swept:
        answers = getattr(one, part)
        paired = (one.metric, one.label, one.baseline, _flat(answers))
        p = p_of_change(*paired)
        columns = {"task": one.task, "seed": one.seed, "instead": one.instead}
        columns |= dict(zip(HEAD, map(np.ravel, np.indices(answers.shape[1:])), strict=False))  # of a layer, no head
        columns |= {"score": _scores(one, _flat(answers))} | dict(zip(CHANGE, paired_changes(*paired), strict=True))
        columns |= {"p": p, "holm": holm(p), "benjamini_hochberg": benjamini_hochberg(p)}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def averages(swept: Sequence[SweepResult]) -> pd.DataFrame:
    """Average the change over all heads: one row per task, seed and what stands in, with a t-interval over examples."""
    rows = []
    for one in swept:
        contributions = contributions_to_change(one.metric, one.label, one.baseline, _flat(one.heads))
        rows.append((one.task, one.seed, one.instead, *map(float, interval_of_mean(contributions.mean(1)))))
    return pd.DataFrame(rows, columns=["task", "seed", "instead", *CHANGE])


def curves(pruned: Sequence[PruningCurve]) -> pd.DataFrame:
    """Score classifiers as more and more heads are disabled: one row per task, seed, order and number of heads.

    `share` is that of all heads; `mean`, `low`, `high` are the change with a t-interval over examples.
    """
    tables = []
    for one in pruned:
        changes = interval_of_mean(contributions_to_change(one.metric, one.label, one.answers[:, 0], one.answers))
        columns = {"task": one.task, "seed": one.seed, "order": one.order, "n_disabled": one.n_disabled}
        columns |= {"share": one.n_disabled / one.n_disabled[-1], "score": _scores(one, one.answers)}
        tables.append(pd.DataFrame(columns | dict(zip(CHANGE, changes, strict=True))))
    return pd.concat(tables, ignore_index=True)


def chosen_heads(swept: Sequence[SweepResult], n_splits: int = N_SPLITS) -> pd.DataFrame:
    """Choose the best head on a half of the examples and see what it gains on the other: one row per sweep.

    `layer`, `head`: the best head on all examples, and `best`, `best_low`, `best_high` its gain there, as the paper
    reports it. `same_half`: the gain of the head chosen on a half, on that half. `mean`, `low`, `high`: its gain on
    the other half. Both are averages over `n_splits` random splits, of which each half chooses once. `share`: how often
    the head that is chosen most often is chosen.

    The interval is that of a single split, in which every example is held out once: a t-interval over examples. The
    average over splits varies less, by how much depends on how many heads are chosen; so it errs on the safe side.
    """
    return pd.DataFrame([_chosen_head(one, n_splits) for one in swept])


def _chosen_head(one: SweepResult, n_splits: int) -> dict[str, object]:
    n_examples = len(one.label)
    paired = (one.metric, one.label, one.baseline, _flat(one.heads))
    gains = np.array(paired_changes(*paired))  # mean, low and high of every head
    best = int(_are_best(gains[0]).argmax())

    halves = split_halves(n_examples, n_splits)
    on_half, on_other = (drawn_changes(*paired, weights) for weights in (halves, 1 - halves))
    are_best = _are_best(on_half)
    choice = are_best / are_best.sum(1, keepdims=True)  # of heads that gain the same, each is chosen in part
    same_half, mean = ((choice * gained).sum(1).mean() for gained in (on_half, on_other))

    contributions = contributions_to_change(*paired)
    without = (1 - halves).T @ choice / n_splits  # example, head: how often it is chosen without the example
    square, middle = ((without * contributions**power).sum() / n_examples for power in (2, 1))
    error = np.sqrt(max(square - middle**2, 0) / (n_examples - 1))
    half = stats.t.ppf((1 + LEVEL) / 2, n_examples - 1) * error
    row = {"task": one.task, "seed": one.seed, "instead": one.instead}
    row |= dict(zip(HEAD, divmod(best, one.heads.shape[2]), strict=True)) | dict(zip(BEST, gains[:, best], strict=True))
    row |= {"same_half": same_half, "mean": mean, "low": mean - half, "high": mean + half}
    return row | {"share": choice.mean(0).max(), "n_splits": n_splits}


def split_halves(n_examples: int, n_splits: int, seed: int = 0) -> np.ndarray:
    """Split examples in halves at random: (half, example), 1 where the half has the example, else 0.

    The first `n_splits` rows are one half of each split, the others its other half, in the same order. Of an odd number
    of examples one half has one more. Raises ValueError for fewer than two examples.
    """
    if n_examples < 2:
        raise ValueError(f"{n_examples} examples have no halves")
    ranks = np.random.default_rng(seed).random((n_splits, n_examples)).argsort(1).argsort(1)
    half = (ranks < n_examples // 2).astype(float)
    return np.concatenate([half, 1 - half])


def same_heads(heads: pd.DataFrame) -> pd.DataFrame:
    """Compare fine-tuning seeds by the changes of all heads: one row per task, what stands in, and two seeds.

    `mean`, `low`, `high`: Spearman's rank correlation over heads, with its bootstrap interval; NaN where all heads
    change the score alike. `same_best`: whether some head gains most with both.
    """
    rows = []
    for (task, instead), group in heads.groupby(["task", "instead"], sort=False):
        changes = group.pivot(index=HEAD, columns="seed", values="mean")
        for one, other in itertools.combinations(changes, 2):
            is_same_best = (_are_best(changes[one].to_numpy()) & _are_best(changes[other].to_numpy())).any()
            rows.append((task, instead, one, other, *rank_correlation(changes[one], changes[other]), is_same_best))
    types = {"task": str, "instead": str, "seed": int, "other": int, **dict.fromkeys(CHANGE, float), "same_best": bool}
    return pd.DataFrame(rows, columns=list(types)).astype(types)  # one seed alone has no rows, and the same columns


def removable(curves: pd.DataFrame) -> pd.DataFrame:
    """Return how many heads can go for at most a point: of each task and order the step before the first that costs
    more.

    Columns task, order, n_disabled, share, mean, low, high, n_seeds. The mean decides, averaged over seeds; that it is
    within a point does not make the interval so.
    """
    key = ["task", "order"]
    steps = over_seeds(curves, [*key, "n_disabled", "share"]).sort_values("n_disabled", kind="stable")
    is_within = (steps["mean"] >= -ALLOWED_LOSS - ROUNDING).groupby([steps[name] for name in key], sort=False).cummin()
    last = steps[is_within].groupby(key, sort=False).tail(1)
    return curves[key].drop_duplicates().merge(last, on=key, validate="one_to_one")


def _are_best(gains: np.ndarray) -> np.ndarray:
    """Tell which heads (..., head) gain most; several that gain the same all do."""
    return gains >= gains.max(-1, keepdims=True) - ROUNDING


def _scores(one: SweepResult | PruningCurve, answers: np.ndarray) -> np.ndarray:
    return drawn_scores(one.metric, one.label, answers, np.ones((1, len(one.label))))[0]


def _flat(answers: np.ndarray) -> np.ndarray:
    """Return answers with the heads of all layers side by side: (example, layer times head)."""
    return answers.reshape(len(answers), -1)


# Judge


def judged(run: DisablingTables) -> pd.DataFrame:
    """Judge every statement on every task that it is about: claim, task, mean, low, high, verdict; seeds are averaged.

    `SOME_HEAD` holds if one can name a head that gains, with a Holm-corrected p below .05: the correction makes it safe
    to look at all heads of a task. To deny it takes that the intervals of all of them stay at or below 0.1 points, the
    smallest gain in the paper. It is undecided where fine-tunings of several seeds differ. Its numbers are the gain of
    the best head where it was chosen, as in the paper; they are too large by the choice, and decide nothing.

    `HELD_OUT` is about choosing, and its numbers are held out: it holds if their interval is above 0, and does not hold
    if it stays at or below 0.1 points. It is a statement of its own, since a choice can fail where a good head exists,
    hidden by noise, which is why it cannot deny `SOME_HEAD`; and it can gain where one cannot say which head does.

    `ON_AVERAGE` and `ONE_LAYER` are decided by their intervals; the paper names the layer, so it was not chosen here.
    For `CHEAP_LAYERS` and `BELOW_CHANCE` the worst layer and head are chosen, so their intervals are corrected for the
    number of layers and heads (Bonferroni).
    """
    heads, layers, average, chosen = map(only_uniform, (run.heads, run.layers, run.average, run.chosen))
    n_examples = run.baseline.groupby("task")["n_examples"].first()
    by_seed = _widen_degenerate(heads, n_examples).groupby(["task", "seed"])[["mean", "high", "holm"]]
    helps = by_seed.apply(any_head_helps).groupby("task").agg(joined)
    best = over_seeds(chosen.drop(columns=CHANGE).rename(columns=BEST), ["task"])
    layers = _widen_degenerate(over_seeds(layers, ["task", "layer"]), n_examples)
    chosen, average = (_widen_degenerate(over_seeds(table, ["task"]), n_examples) for table in (chosen, average))
    tables = {
        SOME_HEAD: best.assign(verdict=best["task"].map(helps)),
        HELD_OUT: _with_verdicts(chosen, improves),
        ON_AVERAGE: _with_verdicts(average, verdict),
        ONE_LAYER: _with_verdicts(layers[layers["layer"] == _LAYER], verdict),
        CHEAP_LAYERS: _worst_layers(layers),
        BELOW_CHANCE: _lowest_score(heads, n_examples),
    }
    parts = [
        table[table["task"].isin(OF_TASKS.get(claim, table["task"]))].assign(claim=claim)
        for claim, table in tables.items()
    ]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)[["claim", "task", *CHANGE, "verdict"]]


def any_head_helps(heads: pd.DataFrame) -> str:
    """Judge whether one of the heads of a single sweep helps when it is disabled: columns mean, high, holm."""
    helps = (heads["mean"] > 0) & (heads["holm"] < SIGNIFICANT)
    return HOLDS if helps.any() else FAILS if (heads["high"] <= SMALLEST_GAIN).all() else OPEN


def improves(low: float, high: float) -> str:
    """Judge a gain by its interval: one that stays at or below the smallest that the paper reports is none."""
    return HOLDS if low > 0 else FAILS if high <= SMALLEST_GAIN else OPEN


def _with_verdicts(table: pd.DataFrame, judge: Callable[[float, float], str]) -> pd.DataFrame:
    return table.assign(verdict=[judge(low, high) for low, high in table[["low", "high"]].to_numpy()])


def _widen_degenerate(table: pd.DataFrame, n_examples: pd.Series) -> pd.DataFrame:
    """Give intervals without width one: that no example changed tells only that few of all examples do."""
    reach = pd.Series(zero_event_upper_bound(table["task"].map(n_examples), LEVEL), table.index)
    reach = reach.where(table["low"] == table["high"], 0)
    return table.assign(low=table["low"] - reach, high=table["high"] + reach)


def _worst_layers(layers: pd.DataFrame) -> pd.DataFrame:
    """Return each task's worst layer, and whether all of them cost no more than the paper says.

    Intervals are corrected for the number of layers (Bonferroni): by t over several seeds, else by the normal
    distribution, which stands in for the bootstrap's, of which a table keeps only the interval.
    """
    rows, tail = [], (1 - LEVEL) / 2
    for task, group in layers.groupby("task", sort=False):
        n_seeds = group["n_seeds"].iloc[0]
        alone, among = stats.t.isf([tail, tail / len(group)], n_seeds - 1 if n_seeds > 1 else np.inf)
        ends = {end: group["mean"] + among / alone * (group[end] - group["mean"]) for end in ("low", "high")}
        group = group.assign(**ends)
        within = verdict(*(group[["low", "high"]].min() - reported.LAYER_LOSS))
        rows.append((task, *group.loc[group["mean"].idxmin(), CHANGE], within))
    return pd.DataFrame(rows, columns=["task", *CHANGE, "verdict"])


def _lowest_score(heads: pd.DataFrame, n_examples: pd.Series) -> pd.DataFrame:
    """Return the lowest score by any head, with Clopper and Pearson's interval corrected for the number of heads
    (Bonferroni), and whether it is below chance; of several seeds the lowest is shown, and all are judged.
    """
    rows, chance = [], 1 / TASKS[_LOW_TASK].n_outputs
    for _, of_seed in heads[heads["task"] == _LOW_TASK].groupby("seed"):
        lowest, n = of_seed["score"].min(), int(n_examples[_LOW_TASK])
        exact = stats.binomtest(round(lowest * n), n)
        low, high = exact.proportion_ci(1 - (1 - LEVEL) / len(of_seed), method="exact")
        rows.append((_LOW_TASK, lowest, low, high, verdict(chance - high, chance - low)))
    table = pd.DataFrame(rows, columns=["task", *CHANGE, "verdict"])
    return table.sort_values("mean", kind="stable").head(1).assign(verdict=joined(table["verdict"]))


def judge(run: DisablingTables) -> Judgements:
    """Judge every claim of Section 4.6 (`judged`, over tasks), and whether the best head gains least and most where it
    does in the paper, with every seed.
    """
    table, tasks, judgements = judged(run), set(run.baseline["task"]), {}
    for claim in PAPER:
        rows = table[table["claim"] == claim]
        lacking = ", ".join(task for task in OF_TASKS.get(claim, ()) if task not in tasks)
        judgements[claim] = every(rows["verdict"], without=lacking)
        if rows.empty:
            judgements[claim] = Judgement(None, None, f"not asked without {lacking}")
        elif claim == ONE_LAYER:
            (row,) = rows.to_dict("records")
            by = f"by {format_change(row)} points"
            judgements[claim] = single(row["verdict"], f"{format_change(row, 1)} points", by)
        elif claim == BELOW_CHANCE:
            (row,) = rows.to_dict("records")
            lowest = f"{format_estimate(row)} %"
            judgements[claim] = single(row["verdict"], lowest, f"lowest score {lowest}")
    best = only_uniform(run.chosen).pivot(index="seed", columns="task", values="best")
    least, most = reported.HEAD_GAINS
    if {least, most} <= set(best) and best.shape[1] > 2:
        is_least, is_most, means = best.idxmin(axis=1) == least, best.idxmax(axis=1) == most, best.mean()
        together = HOLDS if (is_least & is_most).all() else OPEN if (is_least | is_most).any() else FAILS
        ends = f"least {means.idxmin()} {signed(means.min(), 1)}, most {means.idxmax()} {signed(means.max(), 1)}"
        judgements[GAINS] = single(together, ends)
    return judgements


def claims(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
    """Return the claims of Section 4.6: claim, paper ("not asked" for what it does not ask), reference run, this run.

    A cell counts the tasks on which the claim holds, does not hold, or is undecided (`judge`), and names those that
    the run lacks; for a claim on one task it gives the verdict and the number behind it.
    """
    return claims_table(PAPER, judge(this_run), judge(reference) if reference else None)


def best_heads(run: DisablingTables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what `judged` has on the gain of each task's best head: where it was chosen, and held out."""
    table = judged(run)
    return table[table["claim"] == SOME_HEAD], table[table["claim"] == HELD_OUT]


def held_out_summary(run: DisablingTables) -> str:
    """Return in two sentences what remains of gains by disabling heads: where the best was chosen, held out, by
    chance.
    """
    chosen, held_out = best_heads(run)
    here, there = signed(over_tasks(chosen)["mean"], 1), format_change(over_tasks(held_out), 1)
    n_some, n_choice = ((rows["verdict"] == HOLDS).sum() for rows in (chosen, held_out))
    n_tasks = len(chosen)
    several = n_tasks > 1
    where, average = (f"On {n_tasks} tasks", " on average") if several else (f"On {chosen['task'].iloc[0]}", "")
    return (
        f"{where}, disabling the best head changes the score by {here} points{average} on the examples that chose it, "
        f"and by {there} on others. A head that helps beyond chance can be named on {n_some} of {n_tasks} "
        f"task{'s' * several}; a head chosen on other examples helps on {n_choice}."
    )


# Tables and titles for reading

Tables = Callable[[DisablingTables], pd.DataFrame]


def _in_rows(of_run: Tables) -> Callable[..., pd.DataFrame]:
    """Make of a table of one run a table of this run and the reference run, if given: a column `run`, and its rows
    below.
    """

    def table(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
        mine = of_run(this_run)
        return mine if reference is None else side_by_side(mine, of_run(reference))

    table.__name__, table.__doc__ = of_run.__name__, of_run.__doc__
    return table


def _in_columns(
    paper: Mapping[str, str], default: str | None = None
) -> Callable[[Tables], Callable[..., pd.DataFrame]]:
    """Make of a table by task of one run one with the paper's words beside this run and the reference run, if given.

    Columns that begin with "run" become "reference run..." and "this run..."; the others are of this run alone. Tasks
    of either run have a row, and what a run lacks is None.
    """

    def decorate(of_run: Tables) -> Callable[..., pd.DataFrame]:
        def table(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
            mine = of_run(this_run)
            middle = mine.iloc[:0] if reference is None else of_run(reference)
            tasks = pd.Index(dict.fromkeys([*mine.index, *middle.index]), name="task")
            runs = {REFERENCE_RUN: middle.reindex(tasks), THIS_RUN: mine.reindex(tasks)}
            of_both = [column for column in mine if column.startswith("run")]
            columns = {"paper": [paper.get(task, default) for task in tasks]}
            columns |= {name + column[3:]: rows[column] for name, rows in runs.items() for column in of_both}
            columns |= dict(runs[THIS_RUN].drop(columns=of_both))
            found = pd.DataFrame(columns, tasks, dtype=object)
            return found.where(found.notna(), None).reset_index()

        table.__name__, table.__doc__ = of_run.__name__, of_run.__doc__
        return table

    return decorate


@_in_columns({task: signed(gain, 1) for task, gain in reported.HEAD_GAINS.items()}, "between")
def chosen_table(run: DisablingTables) -> pd.DataFrame:
    """Format the gain of each task's best head, where it was chosen and held out, beside the paper's.

    Columns task, paper (a gain where it was chosen), reference run and this run, each also held out; then of this run
    best head, p corrected (Holm, of that head; the largest of several seeds), any head beyond chance? (whether one can
    be named that helps, as `judged` has it).
    """
    key = ["task", "seed", *HEAD]
    best = only_uniform(run.chosen)[key].merge(only_uniform(run.heads), on=key, validate="one_to_one")
    best = best.assign(label=head_label(best)).groupby("task", sort=False)
    where_chosen, held_out = (table.set_index("task") for table in best_heads(run))
    columns = {
        "run": where_chosen.apply(format_change, axis=1),
        "run, held out": held_out.apply(format_change, axis=1),
        "best head": best["label"].agg(lambda labels: ", ".join(labels.unique())),
        "p corrected": best["holm"].max().map(_format_p),
        "any head beyond chance?": (where_chosen["verdict"] == HOLDS).map({True: "yes", False: "no"}),
    }
    return pd.DataFrame(columns)


@_in_columns(dict.fromkeys(reported.HELPS_ON_AVERAGE, "an improvement"))
def average_table(run: DisablingTables) -> pd.DataFrame:
    """Format the change averaged over all heads: task, paper, reference run, this run, an improvement?"""
    table = _with_verdicts(over_seeds(only_uniform(run.average), ["task"]).set_index("task"), verdict)
    return pd.DataFrame({"run": table.apply(format_change, axis=1), "an improvement?": table["verdict"]})


@_in_columns(
    {task: f"best {layer + 1}: {signed(gain, 1)}" for task, (layer, gain) in reported.LAYER_GAINS.items()}
    | dict.fromkeys(reported.CHEAP_LAYERS, f"worst: {signed(reported.LAYER_LOSS, 1)}")
)
def layers_table(run: DisablingTables) -> pd.DataFrame:
    """Format the best and the worst layer of each task, as in `3: +0.40 [-0.10, +0.90]`.

    Columns task, paper; then best and worst of the reference run and of this run; and this run's p corrected (Holm; the
    largest of several seeds) of both.
    """
    layers, key = only_uniform(run.layers), ["task", "layer"]
    table = over_seeds(layers, key).merge(layers.groupby(key)["holm"].max().reset_index())
    means, columns = table.groupby("task", sort=False)["mean"], {}
    for end, rows in {"best": means.idxmax(), "worst": means.idxmin()}.items():
        row = table.loc[rows].set_index("task")
        columns[f"run, {end}"] = (row["layer"] + 1).astype(str) + ": " + row.apply(format_change, axis=1)
        columns[f"p of {end}"] = row["holm"].map(_format_p)
    return pd.DataFrame(columns)


@_in_rows
def significance_table(run: DisablingTables) -> pd.DataFrame:
    """Count the heads of each task whose disabling helps, and those where it costs, before and after correction.

    Columns run (with a reference run), task, heads, by chance (how many have p < .05, to either side, if no head
    matters), then for each correction help and cost. Several seeds are averaged.
    """
    heads, key = only_uniform(run.heads), ["task", "seed"]
    counts = heads[key].assign(**{"heads": 1, "by chance": SIGNIFICANT})
    for column, name in TESTS.items():
        for side, is_there in (("help", heads["mean"] > 0), ("cost", heads["mean"] < 0)):
            counts[f"{side}, {name}"] = (heads[column] < SIGNIFICANT) & is_there
    means = counts.groupby(key, sort=False).sum().groupby("task", sort=False).mean()
    return means.map(lambda count: f"{round(count, 1):g}").reset_index()


@_in_rows
def seeds_table(run: DisablingTables) -> pd.DataFrame:
    """Format how well fine-tunings agree on heads: run (with a reference run), task, pairs of seeds, rank correlation
    over heads, same best head.

    With one seed there is one row that says so.
    """
    rows = [
        (task, len(group), _format_correlations(group), f"{group['same_best'].sum()} of {len(group)}")
        for task, group in only_uniform(run.seeds).groupby("task", sort=False)
    ] or [("every task", 0, "one fine-tuning: nothing to compare", None)]
    return pd.DataFrame(rows, columns=["task", "pairs of seeds", "rank correlation", "same best head"])


@_in_rows
def removable_table(run: DisablingTables) -> pd.DataFrame:
    """Format `removable`, a column per order of heads: number, share, and change there; of random orders the mean.

    Columns run (with a reference run), task, heads, by a sweep, by gradient, at random.
    """
    rows = []
    for task, group in _removable_by_kind(run).groupby("task", sort=False):
        n_heads = run.curves.loc[run.curves["task"] == task, "n_disabled"].max()
        row = {"task": task, "heads": n_heads} | dict.fromkeys(ORDERS.values())
        for order, steps in group.groupby("order", sort=False):
            count = f"{round(steps['n_disabled'].mean(), 1):g} ({100 * steps['share'].mean():.0f} %)"
            has_one_change = len(steps) == 1 and steps["n_disabled"].all()
            row[ORDERS[order]] = f"{count}: {format_change(steps.iloc[0])}" if has_one_change else count
        rows.append(row)
    return pd.DataFrame(rows)


@_in_rows
def ways_table(run: DisablingTables) -> pd.DataFrame:
    """Compare what stands in for a head's attention, over tasks.

    Columns run (with a reference run), instead, change on average (over heads and tasks), heads that cost (Holm, of
    those of all tasks and seeds), worst head, rank correlation with uniform (over heads; the mean over tasks and from
    where to where they reach, or with one task its interval).
    """
    key, rows = ["task", *HEAD], []
    uniform, averages = over_seeds(only_uniform(run.heads), key), _average_by_way(run)
    for way, heads in run.heads.groupby("instead", sort=False):
        costs, means = (heads["holm"] < SIGNIFICANT) & (heads["mean"] < 0), over_seeds(heads, key)
        worst = means.assign(label=head_label(means)).loc[means["mean"].idxmin()]
        both = uniform.merge(means, on=key, suffixes=("", "_other")).groupby("task", sort=False)
        correlations = [rank_correlation(group["mean"], group["mean_other"]) for _, group in both]
        row = {"instead": way, "change on average": format_change(averages.loc[way])}
        row |= {"heads that cost": f"{costs.sum()} of {len(heads)}"}
        row |= {"worst head": f"{worst['task']} {worst['label']}: {format_change(worst)}"}
        alike = _format_correlations(pd.DataFrame(correlations, columns=CHANGE)) if way != UNIFORM else None
        rows.append(row | {"rank correlation with uniform": alike})
    return pd.DataFrame(rows).astype(object)


def head_effects_table(effects: pd.DataFrame, task: str, tables: DisablingTables | None) -> pd.DataFrame:
    """Format heads' effects on one input (rows of `Exploration.effects`) beside the change of the task's score.

    Columns head ("layer-head", from 1), before, after, change, and the change of a run's score, in points with its
    interval; empty where the run has no tables of disabled heads, or none of this task. Explained in the chapter *The
    explorer*.
    """
    rows = {} if tables is None else only_uniform(tables.heads).query("task == @task")
    by_head = over_seeds(rows, HEAD).set_index(HEAD).apply(format_change, axis=1).to_dict() if len(rows) else {}
    columns = {"head": head_label(effects), "before": effects["undisturbed"], "after": effects["disabled"]}
    columns |= {"change": effects["change"].map("{:+.3f}".format)}
    columns["change of the score"] = [by_head.get(head) for head in effects[HEAD].itertuples(index=False, name=None)]
    return pd.DataFrame(columns)


def heads_finding(run: DisablingTables) -> str:
    """Return a chart's title: on how many tasks some head helps when it is disabled, and costs, for every seed."""
    return f"Disabling some head helps beyond chance on {_count_clear(only_uniform(run.heads), HEAD)}"


def layers_finding(run: DisablingTables) -> str:
    """Return a chart's title: on how many tasks some layer helps when it is disabled, and costs, for every seed."""
    layers = only_uniform(run.layers)
    means = over_seeds(layers, ["task", "layer"])
    worst = means.loc[means["mean"].idxmin()]
    return (
        f"Disabling a layer helps beyond chance on {_count_clear(layers, ['layer'])}; "
        f"worst is layer {worst['layer'] + 1} on {worst['task']}: {signed(worst['mean'], 1)} points"
    )


def held_out_finding(run: DisablingTables) -> str:
    """Return a chart's title: what the best head gains where it was chosen, and held out, on average over tasks."""
    chosen, held_out = (signed(over_tasks(table)["mean"], 1).lstrip("+") for table in best_heads(run))
    return f"The best head gains {chosen} points where it was chosen, and {held_out} on other examples"


def removal_finding(run: DisablingTables) -> str:
    """Return a chart's title: how many heads can go for at most a point, on average over tasks."""
    means = _removable_by_kind(run).groupby("order")["n_disabled"].mean()
    counts = ", ".join(f"{means[order]:.0f} {name}" for order, name in ORDERS.items() if order in means)
    return f"For at most a point, heads that can go, of {run.curves['n_disabled'].max()}: {counts}"


def ways_finding(run: DisablingTables) -> str:
    """Return a chart's title: what disabling a head changes on average, by what stands in for its attention."""
    changes = ", ".join(f"{signed(mean)} ({way})" for way, mean in _average_by_way(run)["mean"].items())
    return f"On average, disabling a head changes the score by these points: {changes}"


def _average_by_way(run: DisablingTables) -> pd.DataFrame:
    """Average over heads and tasks: `mean`, `low`, `high` by what stands in, in the order of the table."""
    ways = run.average.groupby("instead", sort=False)
    return pd.DataFrame({way: over_tasks(over_seeds(rows, ["task"])) for way, rows in ways}).T


def _removable_by_kind(run: DisablingTables) -> pd.DataFrame:
    """Return `removable` with random orders named alike, whichever draw they are."""
    return removable(run.curves).assign(order=lambda table: table["order"].str.split().str[0])


def _count_clear(table: pd.DataFrame, index: list[str]) -> str:
    """Count tasks where something is beyond chance in one direction for every seed: `1 of 7 tasks and costs on 2`."""
    tasks = beyond_chance(table, index).groupby("task")[["helps", "costs"]].any()
    several = " for all seeds" if table["seed"].nunique() > 1 else ""
    return f"{tasks['helps'].sum()} of {len(tasks)} tasks and costs on {tasks['costs'].sum()}{several}"


def _format_correlations(rows: pd.DataFrame) -> str | None:
    """Format one correlation with its interval, and several as their mean with the lowest and the highest."""
    rows = rows.dropna(subset="mean")
    if len(rows) == 1:
        return format_correlation(*rows[CHANGE].iloc[0])
    means = rows["mean"]
    return f"{means.mean():.2f} ({means.min():.2f} to {means.max():.2f})" if len(rows) else None


def _format_p(p: float) -> str:
    return f"{p:.4f}" if round(p, 4) else "< 0.0001"


# Draw: tables may have a column `run`, and where they have several seeds, the mean over them is shown


def draw_heads(heads: pd.DataFrame, baseline: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Draw Figure 8: how the score changes when a head is disabled, layer x head, below that with nothing disabled.

    The interval that a cell tells is a paired bootstrap over examples (`statistics.paired_changes`), and with several
    seeds one over their means (`statistics.over_seeds`). It does not decide what is outlined: these are the heads whose
    Holm-corrected p is below .05, for every seed and in one direction. Menus choose run, task and what stands in for
    attention.
    """
    table, tooltips, several = _over_seeds_tested(heads, HEAD)
    cases = packed(_in_points(table.drop(columns="clear")), present(table, *CASE))
    menus = charts.menus_of(cases, *CASE, first=(UNIFORM,))
    note = "outlined: corrected p < .05 (Holm)" + (" for all seeds" if several else "")
    color = charts.gradient("mean", POINTS, "score change", [-30, -10, -3, -1, 0, 1, 3, 10, 30], format="~f")
    cells = opened(charts.head_grid(cases), menus).mark_rect(stroke="#e8e8e8").encode(color=color, tooltip=tooltips)
    cells = cells.properties(title=alt.Title(note, anchor="start", frame="group", fontSize=11, fontWeight="normal"))
    grid = alt.layer(cells, outlines(table[table["clear"]], menus, is_told=False))
    return alt.vconcat(_nothing_disabled(baseline, menus, title), grid, spacing=2).add_params(*menus.values())


def draw_layers(layers: pd.DataFrame, baseline: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Draw Figure 9: the score when a whole layer is disabled, beside a line at that of nothing disabled; menus as in
    `draw_heads`.

    The interval is that of the paired change, laid around the score: where it crosses the line, there may be no change.
    Hollow: Holm-corrected p not below .05.
    """
    table, tooltips, _ = _over_seeds_tested(layers, ["layer"])
    lines = averaged(baseline, ["run", "task"]).assign(disabled=NOTHING)
    before = table.merge(lines, "left", present(table, "run", "task"), suffixes=("", "_before"))["mean_before"]
    ends = {f"score_{name}": before + table[name] for name in ("low", "high")}
    table = table.assign(**ends, disabled=table.pop("clear").map({True: LAYER, False: UNCLEAR}))
    table, lines = (charts.counted_from_one(_in_points(rows)) for rows in (table, lines))
    menus = charts.menus_of(table, *CASE, first=(UNIFORM,))
    legend = alt.Legend(orient="bottom", title=None, columns=1, labelLimit=WIDTH)
    looks = {alt.Color: [ORANGE, BLUE, BLUE], alt.Fill: [ORANGE, BLUE, "#ffffff"]}
    looks |= {alt.Shape: ["stroke", "circle", "circle"]}
    colour, fill, shape = (
        channel("disabled:N", scale=alt.Scale(domain=[NOTHING, LAYER, UNCLEAR], range=values), legend=legend)
        for channel, values in looks.items()
    )
    base = charts.filtered(alt.Chart(table, width=WIDTH, height=200), menus)
    base = base.encode(x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)), tooltip=tooltips)
    intervals = base.mark_rule(strokeWidth=2).encode(color=colour, y="score_low:Q", y2="score_high:Q")
    score = alt.Y("score:Q", title="score (%)", scale=alt.Scale(zero=False))
    points = base.mark_point(size=55, opacity=1, strokeWidth=2).encode(y=score, color=colour, fill=fill, shape=shape)
    tooltips = [*present(lines, "run", "task"), *charts.interval_tooltips("score (%)", ".1f")]
    line = _filtered_by_own(alt.Chart(lines), menus).mark_rule(strokeWidth=2)
    both = alt.layer(line.encode(color=colour, y="mean:Q", tooltip=tooltips), intervals, points)
    return alt.vconcat(_nothing_disabled(baseline, menus, title), both, spacing=4).add_params(*menus.values())


def draw_held_out(chosen: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw what disabling the best head gains, by task: judged on the examples that chose it, as in the paper, and on
    held-out ones; menus choose run and what stands in for attention.
    """
    key = present(chosen, *CASE)
    sides = {WHERE_CHOSEN: chosen.drop(columns=CHANGE).rename(columns=BEST), ELSEWHERE: chosen}
    table = pd.concat([averaged(rows, key).assign(judged=name) for name, rows in sides.items()], ignore_index=True)
    sweeps = chosen.assign(best=head_label(chosen)).groupby(key, sort=False, observed=True)
    of_choice = sweeps.agg(best=("best", lambda labels: ", ".join(labels.unique())), share=("share", "mean"))
    tooltips = [
        alt.Tooltip("best:N", title="best head (layer-head)"),
        alt.Tooltip("share:Q", title="share of splits with the same best head", format=".0%"),
    ]
    scale = alt.Scale(domain=list(sides), range=[ORANGE, BLUE])
    color = alt.Color("judged:N", scale=scale, legend=_legend("gain of the best head"))
    return _draw_by_task(table.merge(of_choice.reset_index()), color, "gain of the score (points)", title, tooltips)


def draw_ways(average: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw the change of the score averaged over all heads, by task and what stands in for a head's attention; a menu
    chooses the run.
    """
    color = alt.Color("instead:N", scale=charts.SCALES["instead"], legend=_legend("in place of a head's attention"))
    return _draw_by_task(averaged(average, CASE), color, "change of the score, mean over heads (points)", title)


def draw_removal(curves: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw how the score changes as more heads are disabled together: a line per order of heads; menus choose run and
    task.

    Random orders are one line, their mean, in a band from the lowest to the highest of the draws; the bands of others
    are intervals.
    """
    key = ["run", "task", "order", "n_disabled", "share"]
    table = averaged(curves, key).drop(columns="n_seeds", errors="ignore")
    is_random = table["order"].str.startswith("random")
    draws = table[is_random].assign(order="random").groupby(present(table, *key), sort=False, observed=True)
    draws = draws["mean"].agg(mean="mean", low="min", high="max").reset_index()
    table = pd.concat([table[~is_random], draws], ignore_index=True)
    table = charts.counted_from_one(_in_points(table.assign(order=table["order"].map(CURVES))))
    menus = charts.menus_of(table, "run", "task")
    there = [name for name in CURVES.values() if name in set(table["order"])]
    legend = alt.Legend(orient="bottom", columns=1, title=None, values=there, symbolOpacity=1, labelLimit=WIDTH)
    color = alt.Color("order:N", scale=charts.SCALES["order"], legend=legend)
    tooltips = [*_named(table, "run", "task", "order"), alt.Tooltip("n_disabled:Q", title="heads")]
    base = charts.filtered(alt.Chart(table, width=WIDTH, height=240, title=charts.wrapped(title)), menus).encode(
        x=alt.X("share:Q", title="share of heads disabled", axis=alt.Axis(format="%", tickCount=5)),
        color=color,
        tooltip=[*tooltips, *charts.interval_tooltips(POINTS, SIGNED)],
    )
    mean, low = (alt.Y(f"{name}:Q", title=POINTS) for name in ("mean", "low"))
    band = base.mark_area(opacity=0.2).encode(y=low, y2="high:Q")
    points = base.mark_point(filled=True, size=16, opacity=1).encode(y=mean, shape=_shape_like(color))
    return alt.layer(_zero_line("y"), band, base.mark_line().encode(y=mean), points).add_params(*menus.values())


def _over_seeds_tested(table: pd.DataFrame, index: list[str]) -> tuple[pd.DataFrame, list, bool]:
    """Average changes over seeds, with the mean score and the largest p and corrected p of the seeds; `clear` tells
    whether all seeds differ from 0 in one direction. Return also what a mark tells, and whether there are several
    seeds.
    """
    key = present(table, *CASE, *index)
    seeds = table.fillna({"p": 1, "holm": 1}).groupby(key, sort=False, observed=True)
    tests = seeds.agg({"score": "mean", "p": "max", "holm": "max"})
    is_one_way = (seeds["mean"].min() > 0) | (seeds["mean"].max() < 0)
    tests["clear"] = (tests["holm"] < SIGNIFICANT) & is_one_way
    means = averaged(table, key).drop(columns="n_seeds", errors="ignore")
    several = "seed" in table and table["seed"].nunique() > 1
    p = "largest p of the seeds" if several else "p"
    score = alt.Tooltip("score:Q", title="score (%)", format=".1f")
    tooltips = [*_named(table, *key), score, *charts.interval_tooltips(POINTS, SIGNED)]
    texts = {"p": p, "holm": f"{p}, corrected (Holm)"}
    tooltips += [alt.Tooltip(f"{name}:Q", title=text, format=".4f") for name, text in texts.items()]
    return means.merge(tests.reset_index(), validate="one_to_one"), tooltips, several


def _nothing_disabled(baseline: pd.DataFrame, menus: Mapping[str, alt.Parameter], title: str) -> alt.Chart:
    """Draw the title and a line of text with the score with nothing disabled, as the menus choose."""
    table = averaged(baseline, ["run", "task", "metric"])
    metric = table["metric"].replace({"pearson": "correlation"})
    text = f"{NOTHING}: " + table.apply(format_estimate, axis=1) + " % " + metric
    table = table[present(table, "run", "task")].assign(text=text)
    base = alt.Chart(table, width=WIDTH, height=14, title=charts.wrapped(title), view=alt.ViewBackground(stroke=None))
    line = _filtered_by_own(base, menus).mark_text(align="left", baseline="top", color=TEXT)
    return line.encode(x=alt.value(0), y=alt.value(0), text="text:N")


def _draw_by_task(
    table: pd.DataFrame, color: alt.Color, axis: str, title: str, tooltips: Sequence[alt.Tooltip] = ()
) -> alt.LayerChart:
    """Draw what `color` tells apart within each task: points with intervals from left to right, and a line at 0."""
    column = color["shorthand"].split(":")[0]
    table = charts.counted_from_one(_in_points(table))
    menus = charts.menus_of(table, *(name for name in ("run", "instead") if name != column), first=(UNIFORM,))
    base = alt.Chart(table, width=WIDTH, height=alt.Step(11), title=charts.wrapped(title))
    base = charts.filtered(base, menus).encode(
        y=alt.Y("task:N", title=None, sort=None, scale=alt.Scale(paddingInner=0.3)),
        yOffset=alt.YOffset(f"{column}:N", sort=color["scale"].domain),
        color=color,
        tooltip=[*_named(table, *CASE, "judged"), *charts.interval_tooltips(axis, SIGNED), *tooltips],
    )
    intervals, points = charts.dots(base, axis, "~f")
    points = points.encode(shape=_shape_like(color))
    return alt.layer(_zero_line("x"), intervals, points).add_params(*menus.values())


def _shape_like(color: alt.Color) -> alt.Shape:
    """Tell apart by shape what a colour tells apart."""
    domain = color["scale"].domain
    shapes = alt.Scale(domain=domain, range=["circle", "square", "diamond"][: len(domain)])
    return alt.Shape(color["shorthand"], scale=shapes, legend=color["legend"])


def _legend(title: str) -> alt.Legend:
    return alt.Legend(orient="bottom", title=title, columns=1, labelLimit=WIDTH)


def _zero_line(axis: str) -> alt.Chart:
    """Draw the line where nothing changes, across the axis "x" or "y"."""
    line = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="#8c8c8c", strokeDash=[3, 2])
    return line.encode(**{axis: "zero:Q"})


def _filtered_by_own(chart: alt.Chart, menus: Mapping[str, alt.Parameter]) -> alt.Chart:
    """Keep what those menus choose that are about columns of the chart's table."""
    return charts.filtered(chart, {name: menu for name, menu in menus.items() if name in chart.data})


def _named(table: pd.DataFrame, *columns: str) -> list[str]:
    """Return tooltips of names, of those columns that the table has."""
    return [f"{name}:N" for name in present(table, *columns)]


def _in_points(table: pd.DataFrame) -> pd.DataFrame:
    """Turn fractions of scores and of their changes into points, to a hundredth."""
    fractions = present(table, "mean", "low", "high", "score", "score_low", "score_high")
    return table.assign(**{name: (100 * table[name]).round(2) for name in fractions})
