"""Section 4.6 in tables: how scores change with heads and layers disabled, with intervals, tests and held-out gains.

All are fractions. `mean`, `low` and `high` are the change of a task's score against nothing disabled, positive where
disabling helps. Explained in the chapter *Disabling heads and layers*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from darksecrets.models.disabling import PruningCurve, SweepResult
from darksecrets.saved import SavedTables
from darksecrets.sections.held_out import chosen_heads, same_heads
from darksecrets.statistics import (
    benjamini_hochberg,
    contributions_to_change,
    drawn_scores,
    holm,
    interval_of_mean,
    p_of_change,
    paired_changes,
    score_interval,
)

CHANGE = ["mean", "low", "high"]


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
    def of(cls, swept: Sequence[SweepResult], removed: Sequence[PruningCurve]) -> Self:
        """Compute all tables from what the classifiers answered."""
        heads = by_heads(swept)
        return cls(
            baseline=baselines(swept),
            heads=heads,
            layers=by_layers(swept),
            average=averages(swept),
            chosen=chosen_heads(swept),
            seeds=same_heads(heads),
            curves=curves(removed),
        )


def baselines(swept: Sequence[SweepResult]) -> pd.DataFrame:
    """Score each classifier with nothing disabled, with a bootstrap interval over examples: one row per task and seed.

    `mean`, `low` and `high` are the score itself.
    """
    classifiers = {}
    for one in swept:
        classifiers.setdefault((one.task, one.seed), one)
    rows = [
        (*key, one.metric, len(one.label), *score_interval(one.metric, one.label, one.baseline))
        for key, one in classifiers.items()
    ]
    return pd.DataFrame(rows, columns=["task", "seed", "metric", "n_examples", *CHANGE])


def by_heads(swept: Sequence[SweepResult]) -> pd.DataFrame:
    """Test the change by each head disabled: one row per task, seed, what stands in, layer and head.

    `score`; `mean`, `low`, `high` (paired bootstrap over examples); `p` (exact McNemar for classes, paired permutation
    for correlations), corrected over the heads of one sweep by `holm` and by `benjamini_hochberg`.
    """
    return _tested(swept, "heads", ["layer", "head"])


def by_layers(swept: Sequence[SweepResult]) -> pd.DataFrame:
    """Test the change by each whole layer disabled, as `by_heads` does, corrected over layers."""
    return _tested(swept, "layers", ["layer"])


def averages(swept: Sequence[SweepResult]) -> pd.DataFrame:
    """Average the change over all heads: one row per task, seed and what stands in, with a t-interval over examples."""
    rows = []
    for one in swept:
        contributions = contributions_to_change(one.metric, one.label, one.baseline, _flat(one.heads))
        rows.append((one.task, one.seed, one.instead, *map(float, interval_of_mean(contributions.mean(1)))))
    return pd.DataFrame(rows, columns=["task", "seed", "instead", *CHANGE])


def curves(removed: Sequence[PruningCurve]) -> pd.DataFrame:
    """Score classifiers as more and more heads are disabled: one row per task, seed, order and number of heads.

    `share` is that of all heads; `mean`, `low`, `high` are the change with a t-interval over examples.
    """
    tables = []
    for one in removed:
        metric = one.metric
        mean, low, high = interval_of_mean(contributions_to_change(metric, one.label, one.answers[:, 0], one.answers))
        columns = {"task": one.task, "seed": one.seed, "order": one.order, "n_disabled": one.n_disabled}
        columns |= {"share": one.n_disabled / one.n_disabled[-1], "score": _scores(metric, one.label, one.answers)}
        tables.append(pd.DataFrame(columns | {"mean": mean, "low": low, "high": high}))
    return pd.concat(tables, ignore_index=True)


def _tested(swept: Sequence[SweepResult], part: str, place: list[str]) -> pd.DataFrame:
    tables = []
    for one in swept:
        answers, what = getattr(one, part), (one.metric, one.label)
        mean, low, high = paired_changes(*what, one.baseline, _flat(answers))
        p = p_of_change(*what, one.baseline, _flat(answers))
        columns = {"task": one.task, "seed": one.seed, "instead": one.instead}
        columns |= dict(zip(place, (axis.ravel() for axis in np.indices(answers.shape[1:])), strict=True))
        columns |= {"score": _scores(*what, _flat(answers)), "mean": mean, "low": low, "high": high}
        columns |= {"p": p, "holm": holm(p), "benjamini_hochberg": benjamini_hochberg(p)}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _scores(metric: str, label: np.ndarray, answers: np.ndarray) -> np.ndarray:
    return drawn_scores(metric, label, answers, np.ones((1, len(label))))[0]


def _flat(answers: np.ndarray) -> np.ndarray:
    """Lay the heads of all layers side by side: (example, layer times head)."""
    return answers.reshape(len(answers), -1)
