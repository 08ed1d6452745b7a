"""Intervals for means over examples and over seeds: no mean in the book is shown without one where it can have one."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.multitest import fdrcorrection

MOST_AT_ONCE = 10_000_000  # values that a bootstrap draws at a time


def interval_of_mean(
    values: ArrayLike, axis: int = 0, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over `axis` with its two-sided t-interval: (mean, low, high), each without that axis.

    The values along the axis are independent examples or seeds. A single value has no interval: its bounds are NaN.
    Raises ValueError for an empty axis, for a NaN (a missing value must be dealt with, not averaged away), and for a
    level outside 0 to 1.
    """
    _check_level(level)
    values = np.asarray(values, dtype=float)
    n = values.shape[axis]
    if n == 0:
        raise ValueError("no values: a mean needs at least one")
    if np.isnan(values).any():
        raise ValueError(f"{int(np.isnan(values).sum())} of {values.size} values are NaN")
    mean = values.mean(axis=axis)
    if n == 1:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = stats.t.ppf((1 + level) / 2, n - 1) * values.std(axis=axis, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


def interval_of_present(
    values: ArrayLike, axis: int = 0, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean over `axis` of the values that are not NaN, with its t-interval and their number: (mean, low, high, n).

    For examples of which some lack what is measured. Without any value the mean is NaN too; one has no interval.
    """
    _check_level(level)
    values = np.asarray(values, dtype=float)
    present = ~np.isnan(values)
    n = present.sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(present, values, 0).sum(axis=axis) / n
        deviations = np.where(present, values - np.expand_dims(mean, axis), 0)
        error = np.sqrt((deviations**2).sum(axis=axis) / (n - 1) / n)
        half = stats.t.ppf((1 + level) / 2, n - 1) * error
    return mean, mean - half, mean + half, n


def p_of_interval(mean: ArrayLike, low: ArrayLike, high: ArrayLike, n: ArrayLike, level: float = 0.95) -> np.ndarray:
    """Two-sided p of the t-test of a mean against 0, from the t-interval of its `n` values; NaN where there is none."""
    _check_level(level)
    mean, low, high, n = (np.asarray(values, dtype=float) for values in (mean, low, high, n))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = (high - low) / 2 / stats.t.ppf((1 + level) / 2, n - 1)
        t = np.where(mean == 0, 0 * error, np.abs(mean) / error)
        p = 2 * stats.t.sf(t, n - 1)
    return np.where((mean == 0) & (low == high), 1.0, p)


def holm(p: ArrayLike) -> np.ndarray:
    """Correct p-values for their number (Holm's step-down); NaN stays NaN and does not count as a test.

    Written out, since that of statsmodels collects all garbage each time; the tests hold it against that.
    """
    p = np.asarray(p, dtype=float)
    tests = np.flatnonzero(~np.isnan(p))
    tests = tests[np.argsort(p[tests], kind="stable")]
    corrected = np.full_like(p, np.nan)
    corrected[tests] = np.minimum(np.maximum.accumulate(p[tests] * np.arange(len(tests), 0, -1)), 1)
    return corrected


def benjamini_hochberg(p: ArrayLike) -> np.ndarray:
    """Correct p-values so that of those below a level, that share is false on average (Benjamini and Hochberg 1995).

    For tests that are independent or rise and fall together. NaN stays NaN and does not count as a test.
    """
    p = np.asarray(p, dtype=float)
    corrected, is_test = np.full_like(p, np.nan), ~np.isnan(p)
    corrected[is_test] = fdrcorrection(p[is_test])[1]
    return corrected


def bootstrap_interval(
    statistic: Callable[..., ArrayLike], *arrays: ArrayLike, level: float = 0.95, n_resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of `statistic(*arrays)` over examples: (low, high).

    Place i of every array belongs to example i, so examples are drawn with all their values (paired), as for a score of
    labels and predictions. `statistic` takes `axis`, as NumPy's functions do, and is given many draws at once. The same
    seed gives the same interval. Raises ValueError for empty or unequal arrays.
    """
    _check_level(level)
    columns = [np.asarray(array) for array in arrays]
    lengths = sorted({len(column) for column in columns})
    if len(lengths) != 1 or lengths[0] == 0:
        raise ValueError(f"arrays of lengths {lengths} must be equal and not empty")
    if lengths[0] == 1:
        return float("nan"), float("nan")
    result = stats.bootstrap(
        (np.arange(lengths[0]),),
        lambda rows, axis: statistic(*(column[rows] for column in columns), axis=axis),
        vectorized=True,
        batch=max(1, MOST_AT_ONCE // lengths[0]),
        method="percentile",
        confidence_level=level,
        n_resamples=n_resamples,
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def unseen(n_examples: ArrayLike, level: float = 0.95) -> np.ndarray:
    """Return the share of examples that could change without any of `n_examples` showing it.

    Where none of n changes, a share of 1 - 0.025 ** (1 / n) or more is as unlikely as what an interval leaves out.
    """
    _check_level(level)
    return 1 - ((1 - level) / 2) ** (1 / np.asarray(n_examples, dtype=float))


def over_seeds(table: pd.DataFrame, by: Sequence[str], value: str = "mean", level: float = 0.95) -> pd.DataFrame:
    """One row per `by` from a table with one row per (`by`, `seed`): columns `by`, `value`, low, high, n_seeds.

    `value` is averaged over seeds. With several seeds, low and high are the t-interval over seeds: what another
    fine-tuning would give. With one seed they are the table's own low and high: what other examples would give.
    The order of rows is that of the first appearance. Raises ValueError for two rows of one seed or differing seeds.
    """
    by = list(by)
    repeated = table.duplicated([*by, "seed"])
    if repeated.any():
        raise ValueError(f"{int(repeated.sum())} rows repeat the same {', '.join([*by, 'seed'])}")
    groups = table.groupby(by, sort=False, dropna=False, observed=True)
    sizes = groups.size()
    if sizes.nunique() > 1:
        raise ValueError(f"some rows have {sizes.min()} seeds and others {sizes.max()}: each needs the same number")
    if not len(table) or sizes.iloc[0] == 1:
        return table[[*by, value, "low", "high"]].assign(n_seeds=1).reset_index(drop=True)
    in_groups = np.argsort(groups.ngroup(), kind="stable")  # of one size, in the order of their first appearance
    values = table[value].to_numpy()[in_groups].reshape(len(sizes), -1)
    mean, low, high = interval_of_mean(values, axis=1, level=level)
    keys = table.loc[~table.duplicated(by), by].itertuples(index=False, name=None)
    numbers = {value: mean, "low": low, "high": high, "n_seeds": values.shape[1]}
    return pd.DataFrame(list(keys), columns=by).assign(**numbers)


def over_present_seeds(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Average as `over_seeds` does, each row over the seeds that have it: not all of them need to."""
    n_seeds = table.groupby(list(by), sort=False, dropna=False, observed=True)["seed"].transform("nunique")
    return pd.concat([over_seeds(group, by) for _, group in table.groupby(n_seeds)], ignore_index=True)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: give a fraction between 0 and 1, such as 0.95")
