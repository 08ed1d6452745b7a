"""The statistics of the book: intervals, tests and their corrections, each in one place.

Tables have a row per example, fine-tuning or head; here are arrays, so that all heads are computed at once. Every mean
that can have an interval has one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse, stats
from statsmodels.stats.multitest import fdrcorrection

SIGNIFICANT = 0.05
ROUNDING = 1e-9  # by which statistics that are equal may differ
NO_VARIANCE = 1e-12  # a variance of z-values that is rounding
N_RESAMPLES = 1000  # of a bootstrap
AT_ONCE = 500  # permutations
MOST_AT_ONCE = 10_000_000  # values that a bootstrap draws at a time


# Means


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


def zero_event_upper_bound(n_examples: ArrayLike, level: float = 0.95) -> np.ndarray:
    """Return the share of examples that could change without any of `n_examples` showing it.

    Where none of n changes, a share of 1 - 0.025 ** (1 / n) or more is as unlikely as what an interval leaves out.
    """
    _check_level(level)
    return 1 - ((1 - level) / 2) ** (1 / np.asarray(n_examples, dtype=float))


# Over fine-tunings


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


def over_tasks(table: pd.DataFrame) -> pd.Series:
    """Average tasks (mean, low, high, a row each) with the interval of their mean.

    It is of these tasks on other examples, or other seeds: the errors of tasks do not depend on one another. Where
    intervals come from few seeds it is a little too wide.
    """
    mean, half = table["mean"].mean(), np.sqrt((((table["high"] - table["low"]) / 2) ** 2).sum(skipna=False))
    return pd.Series({"mean": mean, "low": mean - half / len(table), "high": mean + half / len(table)})


# Over clusters


def averaged(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Average rows (unit, head) that have the same code, 0 to the number of codes less 1: (code, head)."""
    sizes = np.bincount(codes)
    members = sparse.csr_array((1 / sizes[codes], (codes, np.arange(len(codes)))), shape=(len(sizes), len(codes)))
    return members @ values


def cluster_sums(
    values: np.ndarray, clusters: np.ndarray, strata: np.ndarray | None = None, n_clusters: int | None = None
) -> np.ndarray:
    """Return what each cluster adds to the mean of `values` (unit, head): (cluster, head), whose sum is the mean.

    `clusters` are codes from 0 to `n_clusters` less 1 (by default the highest that occurs). With `strata`, whole
    numbers, the mean is that of the strata's own means, each with equal weight.
    """
    strata = np.zeros(len(values), dtype=int) if strata is None else strata
    n_clusters = clusters.max() + 1 if n_clusters is None else n_clusters
    sizes = np.bincount(strata)
    weights = 1 / (np.count_nonzero(sizes) * sizes[strata])
    places = (clusters, np.arange(len(values)))
    return sparse.csr_array((weights, places), shape=(n_clusters, len(values))) @ values


def clustered_interval(
    values: np.ndarray, clusters: np.ndarray, strata: np.ndarray | None = None, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of `values` (unit, head) over units with its t-interval over clusters: (mean, low, high), each (head,).

    Units of a cluster may depend on one another. `clusters` and `strata` are those of `cluster_sums`. With no more
    clusters than strata there is no interval: bounds are NaN.
    """
    strata = np.zeros(len(values), dtype=int) if strata is None else np.unique(strata, return_inverse=True)[1]
    mean = cluster_sums(values, clusters, strata).sum(0)
    rest = cluster_sums(values - averaged(values, strata)[strata], clusters, strata)
    n_clusters, n_strata = len(np.unique(clusters)), strata.max() + 1
    if n_clusters <= n_strata:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    freedom = n_clusters - n_strata
    error = np.sqrt(n_clusters / freedom * (rest**2).sum(0))
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    return mean, mean - half, mean + half


# Bootstraps


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


def resampled(n: int, seed: int | Sequence[int] = 0, n_resamples: int = N_RESAMPLES) -> np.ndarray:
    """Draw n units with replacement, many times: how often each was drawn, (resample, unit).

    A single unit says nothing of others: its draws are NaN, and so is the interval of whatever is computed from them.
    """
    if n == 1:
        return np.full((n_resamples, 1), np.nan)
    chosen = np.random.default_rng(seed).integers(n, size=(n_resamples, n))
    places = chosen + n * np.arange(n_resamples)[:, None]
    return np.bincount(places.ravel(), minlength=n * n_resamples).reshape(n_resamples, n).astype(float)


def bounds(draws: np.ndarray, level: float = 0.95) -> np.ndarray:
    """Return the percentile interval of draws along the first axis, (low and high, ...); undefined draws are left out.

    Undefined is a statistic of a draw without what it is about, as of a pattern that none of its heads has.
    """
    columns = pd.DataFrame(draws.reshape(len(draws), -1))
    return columns.quantile([(1 - level) / 2, (1 + level) / 2]).to_numpy().reshape(2, *draws.shape[1:])


def rank_correlation(
    one: np.ndarray, other: np.ndarray, n_resamples: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """Spearman's rank correlation of two values per head, with its bootstrap interval over heads: (mean, low, high).

    All three are NaN where one of the two is the same for all heads.
    """
    one, other = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    chosen = np.random.default_rng(seed).integers(len(one), size=(n_resamples, len(one)))
    low, high = bounds(_correlated(one[chosen], other[chosen]))
    return float(_correlated(one[None], other[None])[0]), float(low), float(high)


def _correlated(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    ranks = [stats.rankdata(values, axis=1) for values in (one, other)]
    one, other = (rank - rank.mean(1, keepdims=True) for rank in ranks)
    scale = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    return np.divide((one * other).sum(1), scale, out=np.full(len(one), np.nan), where=scale > 0)


# Tests and their corrections


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


def beyond_chance(table: pd.DataFrame, index: Sequence[str] = ("layer", "head")) -> pd.DataFrame:
    """Return where disabling helps and where it costs with a Holm-corrected p below .05 for every seed.

    Columns task, those of `index`, helps, costs; `table` has `mean` and `holm` of heads, or of layers, with one thing
    standing in.
    """
    sides = {"helps": table["mean"] > 0, "costs": table["mean"] < 0}
    sides = {name: side & (table["holm"] < SIGNIFICANT) for name, side in sides.items()}
    groups = table[["task", *index]].assign(**sides).groupby(["task", *index], sort=False)
    return groups[list(sides)].all().reset_index()


@dataclass(frozen=True)
class NullPositions:
    """Where links are and could be: `weights` (place, test) of each sentence's places, of which one `is_link`;
    `sentences` are their codes from 0.
    """

    weights: np.ndarray
    sentences: np.ndarray
    is_link: np.ndarray


def permutation_test(
    *positions: NullPositions, n_permutations: int = 10_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Test whether links get more weight than other places: (p, p corrected), each (test,).

    A permutation puts each sentence's link at one of its places, its own included, all equally likely. That is an exact
    test if any of the places could as well have been the link. The statistic is the sum over sentences, less its
    expectation, by its standard deviation over permutations; one-sided. Of several sets of places, which are several
    nulls, the tests follow one another and are corrected together. Each set's permutations are drawn by themselves:
    where heads that beat one null tend to beat another, the correction is a little too strict.
    """
    sets = [_studentized(one) for one in positions]

    def drawn(random: np.random.Generator, n_draws: int) -> np.ndarray:
        return np.hstack([_drawn(random, n_draws, *one) for one in sets])

    observed = np.concatenate([weights[starts].sum(0) for weights, starts, _ in sets])
    return _compared(observed, drawn, n_permutations, seed)


def _studentized(positions: NullPositions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights whose sums are the statistics, sentence by sentence; where each begins, with its link; and its
    number of positions.
    """
    order = np.lexsort((~positions.is_link, positions.sentences))
    weights, sizes = positions.weights[order], np.bincount(positions.sentences)
    starts = np.cumsum(sizes) - sizes
    if not positions.is_link[order][starts].all() or positions.is_link.sum() != len(sizes):
        raise ValueError("each sentence needs one place that is its link")
    weights = weights - np.repeat(np.add.reduceat(weights, starts) / sizes[:, None], sizes, axis=0)
    variance = (np.add.reduceat(weights**2, starts) / sizes[:, None]).sum(0)
    return _scaled(weights, variance), starts, sizes


def _drawn(
    random: np.random.Generator, n_draws: int, weights: np.ndarray, starts: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    chosen = starts + random.integers(sizes, size=(n_draws, len(sizes)))
    ends = np.arange(n_draws + 1) * len(sizes)
    return sparse.csr_array((np.ones(chosen.size), chosen.ravel(), ends), (n_draws, len(weights))) @ weights


def sign_flip_test(parts: np.ndarray, n_permutations: int = 2_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Test whether differences are positive on average: (p, p corrected), each (test,).

    `parts` (cluster, test) are what independent clusters add to the mean difference. A permutation turns the signs of
    some clusters around, which takes it that without an effect a difference is as likely as its negative. The statistic
    is the sum by its standard deviation over permutations; one-sided. Differences from a mean of other places are
    skewed to the right, for which the test is a little too strict.
    """
    scaled = _scaled(parts, (parts**2).sum(0))

    def drawn(random: np.random.Generator, n_draws: int) -> np.ndarray:
        return (2.0 * random.integers(2, size=(n_draws, len(scaled))) - 1) @ scaled

    return _compared(scaled.sum(0), drawn, n_permutations, seed)


def _scaled(values: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Divide by the standard deviation; what never varies becomes 0, which is no evidence."""
    return np.divide(values, np.sqrt(variance), out=np.zeros_like(values), where=variance > ROUNDING**2)


def _compared(
    observed: np.ndarray, drawn: Callable[[np.random.Generator, int], np.ndarray], n_permutations: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count permutations that reach what was observed, which is itself one of them."""
    random = np.random.default_rng(seed)
    alone, largest = np.ones(len(observed)), np.ones(len(observed))
    for start in range(0, n_permutations, AT_ONCE):
        statistics = drawn(random, min(AT_ONCE, n_permutations - start))
        alone += (statistics >= observed - ROUNDING).sum(0)
        largest += (statistics.max(1, keepdims=True) >= observed - ROUNDING).sum(0)
    return alone / (n_permutations + 1), largest / (n_permutations + 1)


# Scores of several predictions on the same examples
#
# `baseline` (example,) is the prediction that the others, `changed` (example, test), are held against. The metric is
# "accuracy", of classes, or "pearson", of scores. Both follow from means of products, so every resample, half or
# permutation of the examples is a row of a matrix of weights, and no loop runs over heads or resamples.


def drawn_scores(metric: str, label: ArrayLike, predictions: ArrayLike, weights: ArrayLike) -> np.ndarray:
    """Score every draw of the examples: (draw, test), as fractions.

    `predictions` are (example, test) and `weights` (draw, example) say how often each draw has an example. As in
    `corpora.scores`, the correlation of a constant is 0. Raises ValueError for another metric, no examples, or a
    number that is not finite.
    """
    label, predictions = _checked(label, predictions)
    weights = np.asarray(weights, dtype=float)
    return _SCORES[metric](label, predictions, weights / weights.sum(1, keepdims=True))


def drawn_changes(
    metric: str, label: ArrayLike, baseline: ArrayLike, changed: ArrayLike, weights: ArrayLike
) -> np.ndarray:
    """Return by how much the score changes in every draw of the examples: (draw, test); see `drawn_scores`.

    What changes by less than rounding does not change.
    """
    scores = drawn_scores(metric, label, np.column_stack([baseline, changed]), weights)
    changes = scores[:, 1:] - scores[:, :1]
    return np.where(np.abs(changes) < ROUNDING, 0, changes)


def score_interval(metric: str, label: ArrayLike, prediction: ArrayLike) -> tuple[float, float, float]:
    """Score one prediction (example,), with its percentile bootstrap interval over examples: (score, low, high)."""
    draws = drawn_scores(metric, label, np.asarray(prediction)[:, None], _draws(label))[:, 0]
    return float(draws[0]), *map(float, bounds(draws[1:]))


def paired_changes(
    metric: str, label: ArrayLike, baseline: ArrayLike, changed: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return by how much the score changes, with its percentile bootstrap interval: (mean, low, high), each (test,).

    Examples are drawn with all their predictions. A single example has no interval: its bounds are NaN.
    """
    draws = drawn_changes(metric, label, baseline, changed, _draws(label))
    return draws[0], *bounds(draws[1:])


def contributions_to_change(metric: str, label: ArrayLike, baseline: ArrayLike, changed: ArrayLike) -> np.ndarray:
    """Return what each example contributes to the change: (example, test), whose mean is the change of the score.

    For accuracy it is the difference in correctness. For a correlation it is the change plus the difference of the
    influence functions, so that t-intervals of means of contributions are those of the delta method.
    """
    contributions = _CONTRIBUTIONS[metric](*_checked(label, np.column_stack([baseline, changed])))
    return contributions[:, 1:] - contributions[:, :1]


def p_of_change(metric: str, label: ArrayLike, baseline: ArrayLike, changed: ArrayLike) -> np.ndarray:
    """Return the two-sided p of each change (test,): exact McNemar for accuracy, a paired permutation for Pearson."""
    return _TESTS[metric](label, baseline, changed)


def exact_mcnemar(label: ArrayLike, baseline: ArrayLike, changed: ArrayLike) -> np.ndarray:
    """Return McNemar's exact two-sided p of each test (test,): are as many answers right only before as only after?

    Without any such answer it is 1.
    """
    label, baseline, changed = _columns(label, baseline, changed)
    was_right, is_right = baseline == label, changed == label
    n_worse, n_better = (was_right & ~is_right).sum(0), (~was_right & is_right).sum(0)
    return np.minimum(2 * stats.binom.cdf(np.minimum(n_worse, n_better), n_worse + n_better, 0.5), 1)


def paired_permutation(
    label: ArrayLike, baseline: ArrayLike, changed: ArrayLike, n_permutations: int = 10_000, seed: int = 0
) -> np.ndarray:
    """Return the two-sided p of each change of Pearson's correlation with `label`: (test,).

    A permutation swaps both predictions of some of the examples, each with probability 1/2. Predictions are
    standardized first, so that one that is moved or stretched, which changes no correlation, can stand in for the
    other. What was observed counts as one of the permutations; the smallest p is 1 / (n_permutations + 1).
    """
    label, baseline, changed = _columns(label, baseline, changed)
    label, before, after = _standardized(label)[:, 0], _standardized(baseline), _standardized(changed)
    n_examples, n_tests = after.shape
    # What a swap adds to the sums of z, z squared and z times label of the baseline, and takes from those of the other.
    moves = np.hstack([after - before, after**2 - before**2, label[:, None] * (after - before)])
    sums = [np.stack([z.sum(0), (z**2).sum(0), label @ z])[:, None] for z in (before + 0 * after, after)]
    observed = np.abs(_difference(*sums, n_examples))[0]
    reached, random = np.ones(n_tests), np.random.default_rng(seed)
    for start in range(0, n_permutations, AT_ONCE):
        is_swapped = random.random((min(AT_ONCE, n_permutations - start), n_examples), dtype=np.float32) < 0.5
        moved = np.stack(np.split(is_swapped.astype(float) @ moves, 3, axis=1))  # sum, permutation, test
        reached += (np.abs(_difference(sums[0] + moved, sums[1] - moved, n_examples)) >= observed - ROUNDING).sum(0)
    return reached / (n_permutations + 1)


def _difference(before: np.ndarray, after: np.ndarray, n_examples: int) -> np.ndarray:
    """Return how much larger the correlation `after` is; both are sums of z, z squared and z times the label."""
    one, other = (
        _ratio(of_products / n_examples, of_squares / n_examples - (of_z / n_examples) ** 2, np.ones_like(of_squares))
        for of_z, of_squares, of_products in (before, after)
    )
    return other - one


def _accuracies(label: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ (predictions == label)


def _correlations(label: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    label, predictions = _standardized(label), _standardized(predictions)
    squares = [weights @ z**2 for z in (label, predictions)]
    means = [weights @ z for z in (label, predictions)]
    variances = [square - mean**2 for square, mean in zip(squares, means, strict=True)]
    return _ratio(weights @ (label * predictions) - means[0] * means[1], variances[1], variances[0])


def _ratio(covariance: np.ndarray, variance: np.ndarray, of_label: np.ndarray) -> np.ndarray:
    """Return the correlation, 0 where one of the variances, of z-values, is none."""
    is_none = (variance <= NO_VARIANCE) | (of_label <= NO_VARIANCE)
    return np.where(is_none, 0, covariance) / np.sqrt(np.where(is_none, 1, variance * of_label))


def _influences(label: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return the correlation plus its influence function: (example, test)."""
    label, predictions = _standardized(label), _standardized(predictions)
    products = label * predictions
    correlation = products.mean(0)
    return correlation + products - correlation / 2 * (label**2 + predictions**2)


def _standardized(values: np.ndarray) -> np.ndarray:
    """Return z-values of each column, all 0 where it is constant."""
    deviations = np.where(np.ptp(values, axis=0) == 0, 0, values - values.mean(0))
    scale = deviations.std(0)
    return np.divide(deviations, scale, out=np.zeros_like(deviations), where=scale > 0)


def _draws(label: ArrayLike) -> np.ndarray:
    """All examples once, then the bootstrap's draws of them: (draw, example)."""
    n_examples = len(np.asarray(label))
    return np.concatenate([np.ones((1, n_examples)), resampled(n_examples)])


def _columns(label: ArrayLike, baseline: ArrayLike, changed: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the label and the baseline as columns beside the tests: (example, 1), (example, 1), (example, test)."""
    label, changed = _checked(label, changed)
    return label, _checked(label, np.asarray(baseline)[:, None])[1], changed


def _checked(label: ArrayLike, predictions: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    label, predictions = np.asarray(label), np.asarray(predictions)
    if label.ndim > 2 or predictions.ndim != 2 or label.size != len(predictions) or not label.size:
        raise ValueError(f"labels {label.shape} and predictions {predictions.shape} must be of the same examples")
    if not (np.isfinite(label).all() and np.isfinite(predictions).all()):
        raise ValueError("a label or prediction is not a finite number")
    return label.reshape(-1, 1), predictions


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: give a fraction between 0 and 1, such as 0.95")


_SCORES: dict[str, Callable] = {"accuracy": _accuracies, "pearson": _correlations}
_CONTRIBUTIONS: dict[str, Callable] = {
    "accuracy": lambda label, predictions: (predictions == label).astype(float),
    "pearson": _influences,
}
_TESTS: dict[str, Callable] = {"accuracy": exact_mcnemar, "pearson": paired_permutation}
