"""Section 4.3 summed up: which statements on scores and on changed layers hold, with the numbers that decide it.

Explained in the chapter *What fine-tuning changes*.
"""

import pandas as pd

from darksecrets import reported
from darksecrets.corpora.tasks import TASKS
from darksecrets.estimates import format_estimate
from darksecrets.sections.fine_tuning import EXCEPTED, n_holding
from darksecrets.sections.fine_tuning_tables import FineTuningTables
from darksecrets.statistics import over_seeds, over_tasks
from darksecrets.verdicts import VERDICTS, counted, verdict

ADDED = f"{100 * reported.AVERAGE_GAIN:.1f}"
BEATS_RANDOM = "Pre-trained weights beat random ones after fine-tuning (every task)"
AVERAGE_GAIN = f"Fine-tuning adds {ADDED} points on average"
LAST_TWO = f"The last two layers change most (every task but {EXCEPTED})"
EXCEPTION = f"On {EXCEPTED} the last two layers do not change most"
PAPER = {BEATS_RANDOM: "holds", AVERAGE_GAIN: f"by {ADDED} points", LAST_TWO: "holds", EXCEPTION: "holds"}
_INTERVAL = ["mean", "low", "high"]


def judged(run: FineTuningTables) -> pd.DataFrame:
    """Judge every statement on every task that it is about: claim, task, mean, low, high, verdict; seeds are averaged.

    The numbers of `BEATS_RANDOM`, `LAST_TWO` and `EXCEPTION` are differences that a statement says are positive, and
    their intervals decide: of scores, or of similarities (`fine_tuning.last_two_against_rest`; for `EXCEPTION` with the
    other sign). `AVERAGE_GAIN` has no task (""). It holds if the interval of the run's average contains the paper's
    number, does not hold if it does not, and is undecided without an interval or without one of the paper's tasks.
    """
    is_excepted = run.last_two["task"] == EXCEPTED
    excepted = run.last_two[is_excepted]
    tables = {
        BEATS_RANDOM: over_seeds(run.over_random, ["task"]),
        AVERAGE_GAIN: average_gain(run),
        LAST_TWO: run.last_two[~is_excepted],
        EXCEPTION: excepted.assign(mean=-excepted["mean"], low=-excepted["high"], high=-excepted["low"]),
    }
    parts = []
    for claim, table in tables.items():
        bounds = zip(table["low"], table["high"], strict=True)
        verdicts = [_contains(run, *pair) if claim == AVERAGE_GAIN else verdict(*pair) for pair in bounds]
        parts.append(table[["task", *_INTERVAL]].assign(claim=claim, verdict=verdicts))
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True)[["claim", "task", *_INTERVAL, "verdict"]]


def average_gain(run: FineTuningTables) -> pd.DataFrame:
    """Average over tasks what fine-tuning adds to the model that is not fine-tuned: one row, whose task is "".

    With one seed the interval is over examples; with several, over the averages of seeds.
    """
    rows = [over_tasks(of_seed).rename(seed) for seed, of_seed in run.over_untuned.groupby("seed", sort=False)]
    by_seed = pd.DataFrame(rows).rename_axis("seed").reset_index()
    return over_seeds(by_seed.assign(task=""), ["task"])


def average_points(run: FineTuningTables) -> str:
    """Write `average_gain` in points, with its interval."""
    return format_estimate(average_gain(run).iloc[0])


def claims(this_run: FineTuningTables, reference: FineTuningTables | None = None) -> pd.DataFrame:
    """Sum Section 4.3 up: claim, paper, reference run, this run.

    A cell counts the tasks on which the claim holds, does not hold, or is undecided (`judged`); where there is but one
    verdict, the cell gives it with what it rests on.
    """
    mine, middle = (_cells(run) if run else {} for run in (this_run, reference))
    rows = [(claim, paper, middle.get(claim), mine[claim]) for claim, paper in PAPER.items()]
    return pd.DataFrame(rows, columns=["claim", "paper", "reference run", "this run"], dtype=object)


def answer(run: FineTuningTables) -> str:
    """Answer the chapter's question in a sentence: on how many tasks the last layers change most, and what
    pre-training and fine-tuning are worth.
    """
    n_tasks = run.last_two["task"].nunique()
    return (
        f"the last two layers change most on {n_holding(run.last_two)} of {n_tasks} tasks; pre-trained weights beat "
        f"random ones, after the same fine-tuning, on {n_holding(run.over_random)} of {n_tasks}; and fine-tuning adds "
        f"{average_points(run)} points on average."
    )


def _contains(run: FineTuningTables, low: float, high: float) -> str:
    """Judge whether an average over tasks may be the paper's."""
    holds, fails, undecided = VERDICTS
    if _lacking(run) or pd.isna(low):
        return undecided
    return holds if low <= reported.AVERAGE_GAIN <= high else fails


def _cells(run: FineTuningTables) -> dict[str, str]:
    table, lacking = judged(run), ", ".join(_lacking(run))
    found = {claim: table.loc[table["claim"] == claim, "verdict"].tolist() for claim in PAPER}
    cells = {claim: counted(verdicts) if verdicts else "not asked" for claim, verdicts in found.items()}
    without = f", without {lacking}" if lacking else ""
    cells[AVERAGE_GAIN] = f"{found[AVERAGE_GAIN][0]} ({average_points(run)} points{without})"
    if found[EXCEPTION]:
        layers = run.last_two.set_index("task")["most_changed"][EXCEPTED]
        cells[EXCEPTION] = f"{found[EXCEPTION][0]} (layers {layers} change most)"
    else:
        cells[EXCEPTION] = f"not asked without {EXCEPTED}"
    return cells


def _lacking(run: FineTuningTables) -> list[str]:
    there = set(run.over_untuned["task"])
    return [task for task in TASKS if task not in there]
