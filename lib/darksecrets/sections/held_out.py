"""Does a head that was chosen because disabling it helps also help on other examples, and after another fine-tuning?"""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from darksecrets.models.disabling import SweepResult
from darksecrets.statistics import ROUNDING, contributions_to_change, drawn_changes, paired_changes, rank_correlation

N_SPLITS = 200
CHOSEN = ["layer", "head", "best", "best_low", "best_high", "same_half", "mean", "low", "high", "share", "n_splits"]
SEEDS = {"task": str, "instead": str, "seed": int, "other": int}
SEEDS |= {"mean": float, "low": float, "high": float, "same_best": bool}


def chosen_heads(swept: Sequence[SweepResult], n_splits: int = N_SPLITS) -> pd.DataFrame:
    """Choose the best head on a half of the examples and see what it gains on the other: one row per sweep.

    `layer`, `head`: the best head on all examples, and `best`, `best_low`, `best_high` its gain there, as the paper
    reports it. `same_half`: the gain of the head chosen on a half, on that half. `mean`, `low`, `high`: its gain on
    the other half. Both are averages over `n_splits` random splits, of which each half chooses once. `share`: how often
    the head that is chosen most often is chosen.

    The interval is that of a single split, in which every example is held out once: a t-interval over examples. The
    average over splits varies less, by how much depends on how many heads are chosen; so it errs on the safe side.
    """
    rows = [(one.task, one.seed, one.instead, *_chosen(one, n_splits)) for one in swept]
    return pd.DataFrame(rows, columns=["task", "seed", "instead", *CHOSEN])


def _chosen(swept: SweepResult, n_splits: int) -> tuple:
    n_examples, n_heads = len(swept.label), swept.heads.shape[2]
    what = (swept.metric, swept.label, swept.baseline)
    answers = swept.heads.reshape(n_examples, -1)
    gains, low, high = paired_changes(*what, answers)
    best = int(_are_best(gains).argmax())

    halves = split_halves(n_examples, n_splits)
    on_half, on_other = (drawn_changes(*what, answers, weights) for weights in (halves, 1 - halves))
    are_best = _are_best(on_half)
    choice = are_best / are_best.sum(1, keepdims=True)  # of heads that gain the same, each is chosen in part
    same_half, mean = ((choice * gained).sum(1).mean() for gained in (on_half, on_other))

    contributions = contributions_to_change(*what, answers)
    without = (1 - halves).T @ choice / n_splits  # example, head: how often it is chosen without the example
    square, middle = ((without * contributions**power).sum() / n_examples for power in (2, 1))
    error = np.sqrt(max(square - middle**2, 0) / (n_examples - 1))
    half = stats.t.ppf(0.975, n_examples - 1) * error
    found = (best // n_heads, best % n_heads, gains[best], low[best], high[best])
    return *found, same_half, mean, mean - half, mean + half, choice.mean(0).max(), n_splits


def _are_best(gains: np.ndarray) -> np.ndarray:
    """Say which heads (..., head) gain most; several that gain the same all do."""
    return gains >= gains.max(-1, keepdims=True) - ROUNDING


def split_halves(n_examples: int, n_splits: int, seed: int = 0) -> np.ndarray:
    """Split examples in halves at random: (half, example), 1 where the half has the example, else 0.

    The first `n_splits` rows are one half of each split, the others its other half, in the same order. Of an odd number
    of examples one half has one more.
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
        changes = group.pivot(index=["layer", "head"], columns="seed", values="mean")
        are_best = {seed: _are_best(of_seed.to_numpy()) for seed, of_seed in changes.items()}
        for one, other in itertools.combinations(changes, 2):
            correlation = rank_correlation(changes[one], changes[other])
            rows.append((task, instead, one, other, *correlation, (are_best[one] & are_best[other]).any()))
    return pd.DataFrame(rows, columns=list(SEEDS)).astype(SEEDS)
