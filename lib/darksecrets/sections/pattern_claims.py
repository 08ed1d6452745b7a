"""Section 4.1 summed up: Figure 2 for reading, and which of the paper's statements on patterns hold, with intervals.

Explained in the chapter *What patterns attention shows*.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from darksecrets import reported
from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.estimates import format_estimate
from darksecrets.saved import SavedTables
from darksecrets.sections import pattern_shares
from darksecrets.sections.pattern_shares import AFTER, MEDIAN_PURITY, Estimate, over_fine_tunings
from darksecrets.statistics import over_seeds
from darksecrets.verdicts import counted, verdict

VERTICAL, HETEROGENEOUS = "Vertical", "Heterogeneous"
NAMED = tuple(pattern for pattern in PATTERNS if pattern != HETEROGENEOUS)  # the patterns that could be repeated
FEWEST = "MRPC has the smallest share of Heterogeneous maps"
MOST = "QQP has the largest share of Heterogeneous maps"
COMMON = "Vertical is the most common pattern (every task)"
COMMON_NAMED = "Vertical is more common than Diagonal, Vertical+Diagonal and Block (every task)"
LIMITED = "A limited set of patterns is repeated across heads (every task)"
BETWEEN = "Heterogeneous maps are between 32 % and 61 % (every task)"
ANNOTATED = "Vertical is 30 % of the annotated maps, within five points"
F1 = {
    metric: f"A classifier reaches F1 {reported.CLASSIFIER_F1:.2f} on annotated maps ({metric})"
    for metric in ("macro F1", "weighted F1")
}
# Statements of every task, with the columns of `by_task` that hold verdict and number.
OF_EVERY_TASK = {
    LIMITED: ("limited", "median purity"),
    BETWEEN: ("between", "Heterogeneous"),
    COMMON: ("common", "Vertical ahead"),
    COMMON_NAMED: ("common_named", "Vertical ahead of named"),
}
TYPICAL_PURITY = 0.8  # what a head that keeps to its pattern shows it on, at least
SHARED_LAYERS, SHARED_PATTERNS = 2, 2
SMALLEST = 1e-6  # of widths: less is what the correction leaves of a share that is 0
TOLERANCE = 0.05  # within which a share that the paper gives without interval is the same


@dataclass(frozen=True)
class Measured(SavedTables):
    """What one run measured: `pattern_shares.shares`, `gaps`, and `pattern_shares.by_head`."""

    PREFIX = "pattern"

    shares: pd.DataFrame
    gaps: pd.DataFrame
    heads: pd.DataFrame


def measured(classified: pd.DataFrame, predictions: pd.DataFrame, labels: pd.DataFrame) -> Measured:
    """Compute the tables that the claims rest on, from those described in `pattern_shares`."""
    found = pattern_shares.estimates(classified, predictions, labels)
    return Measured(pattern_shares.share_table(found), gaps(found), pattern_shares.by_head(classified))


def gaps(found: Sequence[Estimate]) -> pd.DataFrame:
    """Measure the differences on which claims of order rest, after fine-tuning: claim, task, seed, mean, low, high.

    Each is the distance of corrected shares to the closest rival, positive where the claim is right: to the next task
    (`FEWEST`, `MOST`; only where the run has the task and another one), or to the next pattern of a task (`COMMON`, and
    `COMMON_NAMED` without Heterogeneous). The closest rival is looked for anew in each resample.
    """
    rows = []
    tuned = [one for one in found if one.checkpoint == AFTER]
    for seed in dict.fromkeys(one.seed for one in tuned):
        of_seed = {one.task: one for one in tuned if one.seed == seed}
        for claim, task, sign in ((FEWEST, "MRPC", -1), (MOST, "QQP", 1)):
            rivals = [one for name, one in of_seed.items() if name != task]
            if task in of_seed and rivals:
                rows.append((claim, task, seed, *_task_gap(of_seed[task], rivals, sign)))
        for task, one in of_seed.items():
            rows += [
                (claim, task, seed, *_pattern_gap(one, rivals))
                for claim, rivals in ((COMMON, PATTERNS), (COMMON_NAMED, NAMED))
            ]
    return pd.DataFrame(rows, columns=["claim", "task", "seed", "mean", "low", "high"])


def _task_gap(one: Estimate, rivals: Iterable[Estimate], sign: int) -> tuple[float, float, float]:
    place = PATTERNS.index(HETEROGENEOUS)
    mean = min(sign * (one.mean - rival.mean)[place] for rival in rivals)
    draws = np.min([sign * (one.draws - rival.draws)[:, place] for rival in rivals], axis=0)
    return _rounded(mean, draws)


def _pattern_gap(one: Estimate, rivals: Sequence[str]) -> tuple[float, float, float]:
    own = PATTERNS.index(VERTICAL)
    others = [PATTERNS.index(rival) for rival in rivals if rival != VERTICAL]
    mean, draws = (shares[..., own] - shares[..., others].max(-1) for shares in (one.mean, one.draws))
    return _rounded(mean, draws)


def _rounded(mean: float, draws: np.ndarray) -> tuple[float, float, float]:
    """A difference with its interval; what the correction leaves of a share that is 0 is rounded away."""
    return tuple(round(float(value), 8) + 0.0 for value in (mean, *pattern_shares.bounds(draws)))


def by_task(run: Measured) -> pd.DataFrame:
    """Judge each task after fine-tuning: one row per task, with the verdicts `limited`, `between`, `common` and
    `common_named`, and the numbers they rest on as text, in per cent or points.

    `limited` holds where heads keep to a pattern and share it: the median head shows its main pattern on at least 80 %
    of its inputs (the interval over heads decides), and at least two of the patterns other than Heterogeneous, which is
    no pattern to repeat, are each the main one of heads in at least two layers. It does not hold where either fails.
    `between` holds where the whole interval of the share of Heterogeneous maps is inside 32 % to 61 %, and does not
    hold where it is outside; `common` and `common_named` compare Vertical with the next pattern.
    """
    purity = pattern_shares.purity_summary(run.heads[run.heads["checkpoint"] == AFTER])
    purity = over_seeds(purity[purity["quantity"] == MEDIAN_PURITY], ["task"]).set_index("task")
    heterogeneous = _tuned_shares(run.shares).set_index(["pattern", "task"]).loc[HETEROGENEOUS]
    ahead = _averaged_gaps(run.gaps).set_index(["claim", "task"])
    shared = shared_patterns(run.heads)
    rows = []
    for task in purity.index:
        keeps = verdict(purity["low"][task] - TYPICAL_PURITY, purity["high"][task] - TYPICAL_PURITY)
        common, common_named = (ahead.loc[(claim, task)] for claim in (COMMON, COMMON_NAMED))
        rows.append(
            {
                "task": task,
                "median purity": format_estimate(purity.loc[task]),
                "shared patterns": shared[task],
                "limited": keeps if shared[task] >= SHARED_PATTERNS else "does not hold",
                "Heterogeneous": format_estimate(heterogeneous.loc[task]),
                "between": inside(heterogeneous.loc[task], *sorted(reported.HETEROGENEOUS.values())),
                "Vertical ahead": format_estimate(common),
                "common": verdict(common["low"], common["high"]),
                "Vertical ahead of named": format_estimate(common_named),
                "common_named": verdict(common_named["low"], common_named["high"]),
            }
        )
    return pd.DataFrame(rows)


def shared_patterns(heads: pd.DataFrame) -> pd.Series:
    """Count per task the patterns, Heterogeneous apart, that are the main one of heads in two layers or more.

    After fine-tuning; with several seeds the fewest of any.
    """
    tuned = heads[heads["checkpoint"] == AFTER]
    layers = tuned.groupby(["task", "seed", "main"], sort=False)["layer"].nunique().unstack("main", fill_value=0)
    layers = layers.reindex(columns=list(NAMED), fill_value=0)
    return (layers >= SHARED_LAYERS).sum(axis=1).groupby("task", sort=False).min()


def judged(run: Measured) -> pd.DataFrame:
    """Judge every statement of `claims` that is of a run: claim, task, verdict, and `evidence`, what it rests on."""
    tasks, ahead = by_task(run), _averaged_gaps(run.gaps).set_index("claim")
    rows = [
        (claim, row["task"], row[column], str(row[number]))
        for claim, (column, number) in OF_EVERY_TASK.items()
        for row in tasks.to_dict("records")
    ]
    for claim in (FEWEST, MOST):
        if claim in ahead.index:
            row = ahead.loc[claim]
            rows.append((claim, row["task"], verdict(row["low"], row["high"]), f"by {format_estimate(row)} points"))
    return pd.DataFrame(rows, columns=["claim", "task", "verdict", "evidence"])


def claims(
    this_run: Measured, scores: pd.DataFrame, annotated: pd.DataFrame, reference: Measured | None = None
) -> pd.DataFrame:
    """Sum Section 4.1 up: paper, reference run, this run.

    On statements of every task a cell counts the tasks on which they hold, do not hold, or are undecided (see
    `by_task`); on others it gives the verdict and the number behind it. `scores` comes from `pattern_agreement.scores`
    and `annotated` from `pattern_shares.annotated_shares`; both describe the annotated maps, which no run changes.
    """
    middle = {} if reference is None else _of_run(reference)
    of_maps = _of_maps(scores, annotated)
    mine = _of_run(this_run)
    rows = [(sentence, middle.get(sentence), mine.get(sentence)) for sentence in dict.fromkeys([*mine, *middle])]
    rows += [(sentence, text if middle else None, text) for sentence, text in of_maps.items()]
    return pd.DataFrame(rows, columns=["paper", "reference run", "this run"]).astype(object)


def _of_run(run: Measured) -> dict[str, str]:
    cells = {}
    for claim, rows in judged(run).groupby("claim", sort=False):
        row = rows.iloc[0]
        cells[claim] = counted(rows["verdict"]) if claim in OF_EVERY_TASK else f"{row['verdict']} ({row['evidence']})"
    return cells


def _of_maps(scores: pd.DataFrame, annotated: pd.DataFrame) -> dict[str, str]:
    rows = judged_maps(scores, annotated).itertuples()
    return {row.claim: f"{row.verdict} ({row.evidence})" for row in rows}


def judged_maps(scores: pd.DataFrame, annotated: pd.DataFrame) -> pd.DataFrame:
    """Judge the statements on the annotated maps, which no run changes (`claims`): claim, verdict, evidence."""
    vertical = annotated.set_index(["checkpoint", "pattern"]).loc[(AFTER, VERTICAL)]
    near = inside(vertical, reported.VERTICAL_SHARE - TOLERANCE, reported.VERTICAL_SHARE + TOLERANCE)
    rows = [(ANNOTATED, near, f"{format_estimate(vertical)} %")]
    of_network = scores.set_index(["method", "metric"]).loc["network"]
    for metric, claim in F1.items():
        row, printed = of_network.loc[metric], reported.CLASSIFIER_F1
        found = format_estimate(row, 2, scale=1)
        rows.append((claim, verdict(row["low"] - printed, row["high"] - printed), found))
    return pd.DataFrame(rows, columns=["claim", "verdict", "evidence"])


def figure_2(this_run: pd.DataFrame, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Lay Figure 2 out for reading: task, pattern, and the corrected share after fine-tuning in per cent.

    Columns paper (which gives two of the shares in its text), reference run, this run; the runs from
    `pattern_shares.shares`.
    """
    key = ["task", "pattern"]
    table = _tuned_shares(this_run).assign(**{"this run": lambda rows: rows.apply(format_estimate, axis=1)})
    printed = [(task, HETEROGENEOUS, f"{100 * share:.0f}") for task, share in reported.HETEROGENEOUS.items()]
    table = table.merge(pd.DataFrame(printed, columns=[*key, "paper"]), on=key, how="left")
    if reference is not None:
        middle = _tuned_shares(reference).assign(**{"reference run": lambda rows: rows.apply(format_estimate, axis=1)})
        table = table.merge(middle[[*key, "reference run"]], on=key, how="left")
    else:
        table["reference run"] = None
    table = table[[*key, "paper", "reference run", "this run"]].astype(object)
    return table.where(table.notna(), None)


def widening(shares: pd.DataFrame) -> float:
    """Say how many times as wide as by sampling examples alone the intervals of all shares are, added up.

    1 where neither has a width.
    """
    sampling = (shares["sampling_high"] - shares["sampling_low"]).sum()
    return float((shares["high"] - shares["low"]).sum() / sampling) if sampling > SMALLEST else 1.0


def purity(heads: pd.DataFrame) -> tuple[str, str]:
    """Return the median purity of heads after fine-tuning, and the share of pure ones, in per cent as text."""
    tuned = heads.loc[heads["checkpoint"] == AFTER, "purity"]
    return f"{100 * tuned.median():.0f} %", f"{100 * (tuned >= pattern_shares.PURE).mean():.0f} %"


def heterogeneous_range(shares: pd.DataFrame, checkpoint: str = AFTER) -> str:
    """Return the lowest and the highest share of Heterogeneous maps over tasks, in one checkpoint, as text."""
    of_task = _shares_of(shares, checkpoint).query("pattern == @HETEROGENEOUS")["mean"]
    ends = dict.fromkeys(f"{100 * share:.0f}" for share in (of_task.min(), of_task.max()))
    return f"{' to '.join(ends)} %"


def layer_finding(layers: pd.DataFrame) -> str:
    """Say in a chart's title in which layer, over all tasks, Heterogeneous maps are most common after fine-tuning."""
    tuned = layers[(layers["checkpoint"] == AFTER) & (layers["pattern"] == HETEROGENEOUS)]
    by_layer = tuned.groupby("layer")["mean"].mean()
    return f"Heterogeneous maps are most common in layer {by_layer.idxmax() + 1}: {100 * by_layer.max():.0f} %"


def finding(shares: pd.DataFrame) -> str:
    """Say in a chart's title where the share of Heterogeneous maps is lowest and highest, beside the paper's range."""
    of_task = _tuned_shares(shares).query("pattern == @HETEROGENEOUS").set_index("task")["mean"]
    ends = [of_task.idxmin(), of_task.idxmax()]
    here = " to ".join(dict.fromkeys(f"{100 * of_task[task]:.0f} % ({task})" for task in ends))
    paper = " to ".join(f"{100 * share:.0f} % ({task})" for task, share in reported.HETEROGENEOUS.items())
    return f"Heterogeneous maps: {here}; the paper has {paper}"


def _tuned_shares(shares: pd.DataFrame) -> pd.DataFrame:
    return _shares_of(shares, AFTER)


def _shares_of(shares: pd.DataFrame, checkpoint: str) -> pd.DataFrame:
    return over_fine_tunings(shares[shares["checkpoint"] == checkpoint], ["task", "pattern"])


def _averaged_gaps(differences: pd.DataFrame) -> pd.DataFrame:
    return over_fine_tunings(differences, ["claim", "task"])


def inside(row: Mapping[str, float], lowest: float, highest: float) -> str:
    """Say whether a number is in a range, given its interval: `low` and `high`."""
    return verdict(min(row["low"] - lowest, highest - row["high"]), min(row["high"] - lowest, highest - row["low"]))
