"""How scores change from one prediction to many others on the same examples: changes, intervals and tests, all at once.

`baseline` (example,) is the prediction that the others, `changed` (example, test), are held against. The metric is
"accuracy", of classes, or "pearson", of scores. Both follow from means of products, so every resample, half or
permutation of the examples is a row of a matrix of weights, and no loop runs over heads or resamples.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from darksecrets.evidence.pattern_agreement import bounds, resampled
from darksecrets.evidence.permutation import AT_ONCE, ROUNDING

NO_VARIANCE = 1e-12  # a variance of z-values that is rounding


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


_SCORES: dict[str, Callable] = {"accuracy": _accuracies, "pearson": _correlations}
_CONTRIBUTIONS: dict[str, Callable] = {
    "accuracy": lambda label, predictions: (predictions == label).astype(float),
    "pearson": _influences,
}
_TESTS: dict[str, Callable] = {"accuracy": exact_mcnemar, "pearson": paired_permutation}
