"""Section 4.6 for reading: tables of heads and layers disabled, in this run and the reference run, and charts' titles.

All of it is of attention made uniform, as in the paper, but where ways to disable are compared. Changes are in points;
a head is "layer-head", counting from 1, as in charts. Explained in the chapter *Disabling heads and layers*.
"""

from collections.abc import Callable

import pandas as pd

from darksecrets import reported
from darksecrets.estimates import format_change, format_correlation, signed
from darksecrets.heads import HEAD, head_label
from darksecrets.models.ablation import UNIFORM
from darksecrets.models.disabling import only_uniform
from darksecrets.sections.disabling import CHANGE, DisablingTables
from darksecrets.sections.disabling_claims import best_heads
from darksecrets.side_by_side import side_by_side
from darksecrets.statistics import ROUNDING, SIGNIFICANT, beyond_chance, over_seeds, over_tasks, rank_correlation
from darksecrets.verdicts import VERDICTS, verdict

ALLOWED_LOSS = 0.01  # of the score: up to it, heads count as removable
ORDERS = {"sweep": "by a sweep", "gradient": "by gradient", "random": "at random"}
TESTS = {"p": "p < .05", "benjamini_hochberg": "Benjamini-Hochberg", "holm": "Holm"}
ONE_SEED = "one fine-tuning: nothing to compare"


def chosen_table(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
    """Lay the gain of each task's best head out, where it was chosen and held out, beside the paper's.

    Columns task, paper (a gain where it was chosen), reference run and this run, each also held out; then of this run
    best head, p corrected (Holm, of that head; the largest of several seeds), any head beyond chance? (whether one can
    be named that helps, as `disabling_claims.judged` has it).
    """
    mine, middle = _aligned(_gains, this_run, reference)
    known = {task: signed(gain, 1) for task, gain in reported.HEAD_GAINS.items()}
    columns = {"paper": [known.get(task, "between") for task in mine.index]}
    for name, table in {"reference run": middle, "this run": mine}.items():
        columns |= {name: table["gain"], f"{name}, held out": table["held out"]}
    columns |= {name: mine[name] for name in ("best head", "p corrected", "any head beyond chance?")}
    return pd.DataFrame(columns, mine.index, dtype=object).reset_index()


def average_table(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
    """Lay the change averaged over all heads out: task, paper, reference run, this run, an improvement?"""
    mine, middle = _aligned(_averages, this_run, reference)
    paper = ["an improvement" if task in reported.HELPS_ON_AVERAGE else None for task in mine.index]
    columns = {"paper": paper, "reference run": middle["change"], "this run": mine["change"]}
    columns |= {"an improvement?": mine["verdict"]}
    return pd.DataFrame(columns, mine.index, dtype=object).reset_index()


def layers_table(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
    """Lay the best and the worst layer of each task out, as in `3: +0.40 [-0.10, +0.90]`.

    Columns task, paper; then best and worst of the reference run and of this run; and this run's p corrected (Holm; the
    largest of several seeds) of both.
    """
    mine, middle = _aligned(_layers, this_run, reference)
    paper = {task: f"best {layer + 1}: {signed(gain, 1)}" for task, (layer, gain) in reported.LAYER_GAINS.items()}
    paper |= dict.fromkeys(reported.CHEAP_LAYERS, f"worst: {signed(reported.LAYER_LOSS, 1)}")
    columns = {"paper": [paper.get(task) for task in mine.index]}
    for name, table in {"reference run": middle, "this run": mine}.items():
        columns |= {f"{name}, {end}": table[end] for end in ("best", "worst")}
    columns |= {f"p of {end}": mine[f"p of {end}"] for end in ("best", "worst")}
    return pd.DataFrame(columns, mine.index, dtype=object).reset_index()


def significance_table(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
    """Count the heads of each task whose disabling helps, and those where it costs, before and after correction.

    Columns run (with a reference run), task, heads, by chance (how many have p < .05, to either side, if no head
    matters), then for each correction help and cost. Several seeds are averaged.
    """
    return _stacked(_significant, this_run, reference)


def seeds_table(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
    """Say how well fine-tunings agree on heads: run (with a reference run), task, pairs of seeds, rank correlation over
    heads, same best head.

    With one seed there is one row that says so.
    """
    return _stacked(_agreement, this_run, reference)


def removable_table(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
    """Lay `removable` out, a column per order of heads: number, share, and change there; of random orders the mean.

    Columns run (with a reference run), task, heads, by a sweep, by gradient, at random.
    """
    return _stacked(_removable, this_run, reference)


def ways_table(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
    """Compare what stands in for a head's attention, over tasks.

    Columns run (with a reference run), instead, change on average (over heads and tasks), heads that cost (Holm, of
    those of all tasks and seeds), worst head, rank correlation with uniform (over heads; the mean over tasks and from
    where to where they reach, or with one task its interval).
    """
    return _stacked(_ways, this_run, reference)


def removable(curves: pd.DataFrame) -> pd.DataFrame:
    """Find how many heads can go for at most a point: of each task and order the step before the first that costs more.

    Columns task, order, n_disabled, share, mean, low, high, n_seeds. The mean decides, averaged over seeds; that it is
    within a point does not make the interval so.
    """
    steps = over_seeds(curves, ["task", "order", "n_disabled", "share"]).sort_values("n_disabled", kind="stable")
    steps["within"] = steps["mean"] >= -ALLOWED_LOSS - ROUNDING
    key = ["task", "order"]
    steps["within"] = steps.groupby(key, sort=False)["within"].cummin()
    found = steps[steps.pop("within")].groupby(key, sort=False).tail(1)
    order = curves[key].drop_duplicates()
    return order.merge(found, on=key, validate="one_to_one")


def heads_finding(run: DisablingTables) -> str:
    """Say in a chart's title on how many tasks some head helps when it is disabled, and costs, for every seed."""
    return f"Disabling some head helps beyond chance on {_clear(only_uniform(run.heads), HEAD)}"


def layers_finding(run: DisablingTables) -> str:
    """Say in a chart's title on how many tasks some layer helps when it is disabled, and costs, for every seed."""
    layers = over_seeds(only_uniform(run.layers), ["task", "layer"])
    worst = layers.loc[layers["mean"].idxmin()]
    found = f"Disabling a layer helps beyond chance on {_clear(only_uniform(run.layers), ['layer'])}"
    return f"{found}; worst is layer {worst['layer'] + 1} on {worst['task']}: {signed(worst['mean'], 1)} points"


def held_out_finding(run: DisablingTables) -> str:
    """Say in a chart's title what the best head gains where it was chosen, and held out, on average over tasks."""
    chosen, held_out = (signed(over_tasks(table)["mean"], 1).lstrip("+") for table in best_heads(run))
    return f"The best head gains {chosen} points where it was chosen, and {held_out} on other examples"


def removal_finding(run: DisablingTables) -> str:
    """Say in a chart's title how many heads can go for at most a point, on average over tasks."""
    found = removable(run.curves).assign(order=_kind_of_order)
    n_heads, means = run.curves["n_disabled"].max(), found.groupby("order")["n_disabled"].mean()
    each = ", ".join(f"{means[order]:.0f} {name}" for order, name in ORDERS.items() if order in means)
    return f"For at most a point, heads that can go, of {n_heads}: {each}"


def ways_finding(run: DisablingTables) -> str:
    """Say in a chart's title what disabling a head changes on average, by what stands in for its attention."""
    means = {way: signed(_on_average(table)["mean"]) for way, table in _by_way(run.average).items()}
    changes = ", ".join(f"{mean} ({way})" for way, mean in means.items())
    return f"On average, disabling a head changes the score by these points: {changes}"


def _gains(run: DisablingTables) -> pd.DataFrame:
    chosen, heads = only_uniform(run.chosen), only_uniform(run.heads)
    best = chosen[["task", "seed", *HEAD]].merge(heads, on=["task", "seed", *HEAD], validate="one_to_one")
    best = best.assign(label=head_label(best)).groupby("task", sort=False)
    where_chosen, held_out = (table.set_index("task") for table in best_heads(run))
    can_be_named = where_chosen["verdict"] == VERDICTS[0]
    return pd.DataFrame(
        {
            "gain": where_chosen.apply(format_change, axis=1),
            "held out": held_out.apply(format_change, axis=1),
            "best head": best["label"].agg(lambda labels: ", ".join(labels.unique())),
            "p corrected": best["holm"].max().map(_p),
            "any head beyond chance?": can_be_named.map({True: "yes", False: "no"}),
        }
    )


def _averages(run: DisablingTables) -> pd.DataFrame:
    table = over_seeds(only_uniform(run.average), ["task"]).set_index("task")
    verdicts = [verdict(*bounds) for bounds in table[["low", "high"]].to_numpy()]
    return pd.DataFrame({"change": table.apply(format_change, axis=1), "verdict": verdicts}, index=table.index)


def _layers(run: DisablingTables) -> pd.DataFrame:
    layers = only_uniform(run.layers)
    table = over_seeds(layers, ["task", "layer"]).merge(layers.groupby(["task", "layer"])["holm"].max().reset_index())
    means, rows = table.groupby("task", sort=False)["mean"], {}
    for end, places in {"best": means.idxmax(), "worst": means.idxmin()}.items():
        found = table.loc[places].set_index("task")
        rows[end] = (found["layer"] + 1).astype(str) + ": " + found.apply(format_change, axis=1)
        rows[f"p of {end}"] = found["holm"].map(_p)
    return pd.DataFrame(rows)


def _significant(run: DisablingTables) -> pd.DataFrame:
    heads = only_uniform(run.heads)
    counts = {"heads": 1, "by chance": SIGNIFICANT}
    sides = {"help": heads["mean"] > 0, "cost": heads["mean"] < 0}
    for column, name in TESTS.items():
        counts |= {f"{side}, {name}": (heads[column] < SIGNIFICANT) & there for side, there in sides.items()}
    key = ["task", "seed"]
    sums = heads[key].assign(**counts).groupby(key, sort=False).sum()
    return sums.groupby("task", sort=False).mean().map(lambda count: f"{round(count, 1):g}").reset_index()


def _agreement(run: DisablingTables) -> pd.DataFrame:
    pairs = only_uniform(run.seeds)
    rows = [
        (task, len(group), _correlation(group), f"{group['same_best'].sum()} of {len(group)}")
        for task, group in pairs.groupby("task", sort=False)
    ] or [("every task", 0, ONE_SEED, None)]
    return pd.DataFrame(rows, columns=["task", "pairs of seeds", "rank correlation", "same best head"])


def _removable(run: DisablingTables) -> pd.DataFrame:
    found = removable(run.curves).assign(order=_kind_of_order)
    rows = []
    for task, group in found.groupby("task", sort=False):
        cells = {}
        for order, same in group.groupby("order", sort=False):
            count = f"{round(same['n_disabled'].mean(), 1):g} ({100 * same['share'].mean():.0f} %)"
            is_single = len(same) == 1 and same["n_disabled"].all()  # else there is no change, or no one change
            cells[ORDERS[order]] = f"{count}: {format_change(same.iloc[0])}" if is_single else count
        n_heads = run.curves.loc[run.curves["task"] == task, "n_disabled"].max()
        rows.append({"task": task, "heads": n_heads} | {name: cells.get(name) for name in ORDERS.values()})
    return pd.DataFrame(rows)


def _ways(run: DisablingTables) -> pd.DataFrame:
    averages, rows = _by_way(run.average), []
    for way, heads in _by_way(run.heads).items():
        costs = (heads["holm"] < SIGNIFICANT) & (heads["mean"] < 0)
        means = over_seeds(heads, ["task", *HEAD])
        worst = means.loc[[means["mean"].idxmin()]]
        worst = f"{worst['task'].iloc[0]} {head_label(worst).iloc[0]}: {format_change(worst.iloc[0])}"
        change, alike = (
            format_change(_on_average(averages[way])),
            _like_uniform(only_uniform(run.heads), heads),
        )
        rows.append((way, change, f"{costs.sum()} of {len(heads)}", worst, alike if way != UNIFORM else None))
    columns = ["instead", "change on average", "heads that cost", "worst head", "rank correlation with uniform"]
    return pd.DataFrame(rows, columns=columns).astype(object)


def _like_uniform(uniform: pd.DataFrame, other: pd.DataFrame) -> str | None:
    """Correlate the changes that heads make, averaged over seeds, with those of attention made uniform."""
    sides = [over_seeds(table, ["task", *HEAD]).set_index(["task", *HEAD])["mean"] for table in (uniform, other)]
    both = pd.concat(sides, axis=1, keys=["uniform", "other"]).groupby("task", sort=False)
    rows = [rank_correlation(group["uniform"], group["other"]) for _, group in both]
    return _correlation(pd.DataFrame(rows, columns=CHANGE))


def _correlation(rows: pd.DataFrame) -> str | None:
    """Write one correlation with its interval, and several as their mean with the lowest and the highest."""
    rows = rows.dropna(subset="mean")
    if len(rows) == 1:
        return format_correlation(*rows[CHANGE].iloc[0])
    means = rows["mean"]
    return f"{means.mean():.2f} ({means.min():.2f} to {means.max():.2f})" if len(rows) else None


def _clear(table: pd.DataFrame, place: list[str]) -> str:
    """Count tasks with a place whose corrected p is below .05 in one direction for every seed: `1 of 7 tasks, ...`."""
    tasks = beyond_chance(table, place).groupby("task")[["helps", "costs"]].any()
    several = " for all seeds" if table["seed"].nunique() > 1 else ""
    return f"{tasks['helps'].sum()} of {len(tasks)} tasks and costs on {tasks['costs'].sum()}{several}"


def _by_way(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return dict(list(table.groupby("instead", sort=False)))


def _on_average(average: pd.DataFrame) -> pd.Series:
    return over_tasks(over_seeds(average, ["task"]))


def _kind_of_order(table: pd.DataFrame) -> pd.Series:
    """Name random orders alike, whichever draw they are."""
    return table["order"].str.split().str[0]


def _p(p: float) -> str:
    return f"{p:.4f}" if round(p, 4) else "< 0.0001"


def _aligned(
    table_of: Callable[[DisablingTables], pd.DataFrame], this_run: DisablingTables, reference: DisablingTables | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table by task of both runs, each with the tasks of either; what a run lacks is None."""
    mine = table_of(this_run)
    middle = mine.iloc[:0] if reference is None else table_of(reference)
    tasks = pd.Index(dict.fromkeys([*mine.index, *middle.index]), name="task")
    mine, middle = (table.reindex(tasks).astype(object) for table in (mine, middle))
    return mine.where(mine.notna(), None), middle.where(middle.notna(), None)


def _stacked(
    table_of: Callable[[DisablingTables], pd.DataFrame], this_run: DisablingTables, reference: DisablingTables | None
) -> pd.DataFrame:
    """Return a table of this run, above that of the reference run if there is one."""
    mine = table_of(this_run)
    return mine if reference is None else side_by_side(mine, table_of(reference))
