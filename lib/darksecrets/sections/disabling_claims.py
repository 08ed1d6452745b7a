"""Section 4.6 summed up: which statements on disabled heads and layers hold, and what remains of the gains.

All of it is of attention made uniform, as in the paper. Explained in the chapter *Disabling heads and layers*.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from darksecrets import reported
from darksecrets.corpora.tasks import TASKS
from darksecrets.estimates import format_change, format_estimate, signed
from darksecrets.models.disabling import only_uniform
from darksecrets.sections.disabling import CHANGE, DisablingTables
from darksecrets.side_by_side import claims_table
from darksecrets.statistics import SIGNIFICANT, over_seeds, over_tasks, zero_event_upper_bound
from darksecrets.verdicts import VERDICTS, counted, joined, verdict

SMALLEST_GAIN = min(reported.HEAD_GAINS.values())  # that the paper reports: what is less is no improvement
(_LAYER_TASK, (_LAYER, _LAYER_GAIN)), *_ = reported.LAYER_GAINS.items()
(_LOW_TASK, _LOW_SCORE), *_ = reported.LOWEST_SCORES.items()
BEST = {"best": "mean", "best_low": "low", "best_high": "high"}  # of the head that was chosen on the same examples
LEVEL = 0.95

SOME_HEAD = "Disabling some head improves the score, and one can say which (every task)"
HELD_OUT = "The head that gains most on some examples gains on others (every task)"
ON_AVERAGE = f"Disabling a head improves the score on average over heads ({', '.join(reported.HELPS_ON_AVERAGE)})"
ONE_LAYER = f"Disabling layer {_LAYER + 1} improves {_LAYER_TASK}"
CHEAP_LAYERS = f"No layer costs more than {-100 * reported.LAYER_LOSS:.1f} points ({', '.join(reported.CHEAP_LAYERS)})"
BELOW_CHANCE = f"Disabling one head drops {_LOW_TASK} below chance"

OF_TASKS = {  # statements on some tasks only
    ON_AVERAGE: reported.HELPS_ON_AVERAGE,
    ONE_LAYER: (_LAYER_TASK,),
    CHEAP_LAYERS: reported.CHEAP_LAYERS,
    BELOW_CHANCE: (_LOW_TASK,),
}
PAPER = {
    SOME_HEAD: "holds, by " + " to ".join(f"{100 * gain:+.1f} ({task})" for task, gain in reported.HEAD_GAINS.items()),
    HELD_OUT: "not asked",
    ON_AVERAGE: "holds",
    ONE_LAYER: f"holds, by {100 * _LAYER_GAIN:+.1f}",
    CHEAP_LAYERS: "holds",
    BELOW_CHANCE: f"{100 * _LOW_SCORE:.0f} % in Figure 8",
}


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
    chosen, n_examples = only_uniform(run.chosen), run.baseline.groupby("task")["n_examples"].first()
    best = over_seeds(chosen.drop(columns=CHANGE).rename(columns=BEST), ["task"])
    layers = over_seeds(only_uniform(run.layers), ["task", "layer"])
    tables = {
        SOME_HEAD: best.assign(
            verdict=best["task"].map(_by_seed(_sure(only_uniform(run.heads), n_examples), some_head))
        ),
        HELD_OUT: _verdicts(_sure(over_seeds(chosen, ["task"]), n_examples), improves),
        ON_AVERAGE: _verdicts(_sure(over_seeds(only_uniform(run.average), ["task"]), n_examples), verdict),
        ONE_LAYER: _verdicts(_sure(layers[layers["layer"] == _LAYER], n_examples), verdict),
        CHEAP_LAYERS: _cheapness(_sure(layers, n_examples)),
        BELOW_CHANCE: _lowest_scores(only_uniform(run.heads), n_examples),
    }
    parts = [
        table[table["task"].isin(OF_TASKS.get(claim, table["task"]))].assign(claim=claim)
        for claim, table in tables.items()
    ]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)[["claim", "task", *CHANGE, "verdict"]]


def claims(this_run: DisablingTables, reference: DisablingTables | None = None) -> pd.DataFrame:
    """Sum Section 4.6 up: claim, paper ("not asked" for what it does not ask), reference run, this run.

    A cell counts the tasks on which the claim holds, does not hold, or is undecided (`judged`), and names those that
    the run lacks; for a claim on one task it gives the verdict and the number behind it.
    """
    return claims_table(PAPER, _cells, this_run, reference)


def remains(run: DisablingTables) -> str:
    """Say in two sentences what remains of gains by disabling heads: where the best was chosen, held out, by chance."""
    chosen, held_out = best_heads(run)
    here, there = signed(over_tasks(chosen)["mean"], 1), format_change(over_tasks(held_out), 1)
    n_some, n_choice = (int((rows["verdict"] == VERDICTS[0]).sum()) for rows in (chosen, held_out))
    tasks, n_tasks = chosen["task"], len(chosen)
    where, average = (f"On {n_tasks} tasks", " on average") if n_tasks > 1 else (f"On {tasks.iloc[0]}", "")
    total = f"{n_tasks} task{'s' * (n_tasks > 1)}"
    return (
        f"{where}, disabling the best head changes the score by {here} points{average} on the examples that chose it, "
        f"and by {there} on others. A head that helps beyond chance can be named on {n_some} of {total}; a head "
        f"chosen on other examples helps on {n_choice}."
    )


def best_heads(run: DisablingTables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what `judged` says of the gain of each task's best head: where it was chosen, and held out."""
    table = judged(run)
    chosen, held_out = (table[table["claim"] == claim] for claim in (SOME_HEAD, HELD_OUT))
    return chosen, held_out


def some_head(heads: pd.DataFrame) -> str:
    """Judge whether one of the heads of a single sweep helps when it is disabled: columns mean, high, holm."""
    helps = (heads["mean"] > 0) & (heads["holm"] < SIGNIFICANT)
    holds, fails, undecided = VERDICTS
    return holds if helps.any() else fails if (heads["high"] <= SMALLEST_GAIN).all() else undecided


def improves(low: float, high: float) -> str:
    """Judge a gain by its interval: one that stays at or below the smallest that the paper reports is none."""
    found = verdict(low, high)
    return found if found == VERDICTS[0] or not high <= SMALLEST_GAIN else VERDICTS[1]


def _sure(table: pd.DataFrame, n_examples: pd.Series) -> pd.DataFrame:
    """Give intervals without width one: that no example changed says only that few of all examples do (`unseen`)."""
    reach = pd.Series(zero_event_upper_bound(table["task"].map(n_examples), LEVEL), table.index)
    reach = reach.where(table["low"] == table["high"], 0)
    return table.assign(low=table["low"] - reach, high=table["high"] + reach)


def _by_seed(heads: pd.DataFrame, judge: Callable[..., str]) -> dict[str, str]:
    """Judge each task's fine-tunings by themselves, and join the verdicts."""
    return {
        task: joined([judge(of_seed) for _, of_seed in group.groupby("seed")])
        for task, group in heads.groupby("task", sort=False)
    }


def _verdicts(table: pd.DataFrame, judge: Callable[..., str]) -> pd.DataFrame:
    return table.assign(verdict=[judge(low, high) for low, high in table[["low", "high"]].to_numpy()])


def _cheapness(layers: pd.DataFrame) -> pd.DataFrame:
    """Show each task's worst layer, with its interval corrected for the number of layers, and judge whether all of them
    cost no more than the paper says.
    """
    rows = []
    for task, group in layers.groupby("task", sort=False):
        group = _corrected(group)
        judgement = verdict(*(group[["low", "high"]].min() - reported.LAYER_LOSS))
        rows.append((task, *group.loc[group["mean"].idxmin(), CHANGE], judgement))
    return pd.DataFrame(rows, columns=["task", *CHANGE, "verdict"])


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """Widen intervals by Bonferroni's correction for the number of rows: of t for several seeds, else as of a normal.

    The normal distribution stands in for the bootstrap's, of which a table keeps only the interval.
    """
    n_seeds, tail = table["n_seeds"].iloc[0], (1 - LEVEL) / 2
    alone, among = stats.t.isf([tail, tail / len(table)], n_seeds - 1 if n_seeds > 1 else np.inf)
    ends = {end: table["mean"] + among / alone * (table[end] - table["mean"]) for end in ("low", "high")}
    return table.assign(**ends)


def _lowest_scores(heads: pd.DataFrame, n_examples: pd.Series) -> pd.DataFrame:
    """Show the lowest score by any head, its exact interval corrected for the number of heads, and judge whether it is
    below chance; of several seeds the lowest is shown, and all are judged.
    """
    rows = []
    for task, group in heads[heads["task"].isin(OF_TASKS[BELOW_CHANCE])].groupby("task", sort=False):
        chance, scores = 1 / TASKS[task].n_outputs, group.groupby("seed")["score"].min()
        bounds = [
            _exact_interval(score, n_examples[task], (group["seed"] == seed).sum()) for seed, score in scores.items()
        ]
        verdicts = [verdict(chance - high, chance - low) for low, high in bounds]
        lowest = int(scores.to_numpy().argmin())
        rows.append((task, scores.iloc[lowest], *bounds[lowest], joined(verdicts)))
    return pd.DataFrame(rows, columns=["task", *CHANGE, "verdict"])


def _exact_interval(accuracy: float, n_examples: int, n_tests: int) -> tuple[float, float]:
    """Return Clopper and Pearson's interval of an accuracy, with Bonferroni's correction for the number of tests."""
    level = 1 - (1 - LEVEL) / n_tests
    found = stats.binomtest(round(accuracy * n_examples), int(n_examples)).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def _cells(run: DisablingTables) -> dict[str, str]:
    """Write a cell for each claim; what it cannot say for lack of a task, it says so."""
    table, there = judged(run), set(run.baseline["task"])
    cells = {}
    for claim in PAPER:
        rows = table[table["claim"] == claim]
        lacking = ", ".join(task for task in OF_TASKS.get(claim, ()) if task not in there)
        if not len(rows):
            cells[claim] = f"not asked without {lacking}"
        elif claim == ONE_LAYER:
            cells[claim] = f"{rows['verdict'].iloc[0]} (by {format_change(rows.iloc[0])} points)"
        elif claim == BELOW_CHANCE:
            cells[claim] = f"{rows['verdict'].iloc[0]} (lowest score {format_estimate(rows.iloc[0])} %)"
        else:
            cells[claim] = counted(rows["verdict"]) + (f" (without {lacking})" if lacking else "")
    return cells
