"""The metrics of Table 1, by name: accuracy, F1, and the two correlations of STS-B.

Written out, since a bootstrap computes each of them a thousand times: scikit-learn's spend a hundred times longer on
checking their arguments. The tests hold them against scikit-learn's and SciPy's.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from darksecrets.errors import InputError


def _accuracy(truth: np.ndarray, given: np.ndarray, axis: int = -1) -> np.ndarray:
    return (truth == given).mean(axis)


def _f1(truth: np.ndarray, given: np.ndarray, axis: int = -1) -> np.ndarray:
    n_positive = (truth == 1).sum(axis) + (given == 1).sum(axis)
    return 2 * ((truth == 1) & (given == 1)).sum(axis) / np.maximum(n_positive, 1)


def _pearson(truth: np.ndarray, given: np.ndarray, axis: int = -1) -> np.ndarray:
    is_constant = (np.ptp(truth, axis) == 0) | (np.ptp(given, axis) == 0)
    truth, given = (values - values.mean(axis, keepdims=True) for values in (truth, given))
    size = np.sqrt((truth**2).sum(axis) * (given**2).sum(axis))
    return np.where(is_constant, 0.0, (truth * given).sum(axis) / np.where(is_constant, 1.0, size)).clip(-1, 1)


def _spearman(truth: np.ndarray, given: np.ndarray, axis: int = -1) -> np.ndarray:
    return _pearson(stats.rankdata(truth, axis=axis), stats.rankdata(given, axis=axis), axis)


# Each of many examples, or of many draws of them at once: over the last axis, or another.
METRICS: dict[str, Callable[..., np.ndarray]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "pearson": _pearson,
    "spearman": _spearman,
}


def evaluate(names: Sequence[str], labels: Sequence[float], predictions: Sequence[float]) -> dict[str, float]:
    """Compute the named metrics as fractions, not per cent; F1 is that of class 1.

    The correlation of a constant with anything is undefined and counts as 0.0. Raises InputError when a prediction is
    not finite, and ValueError for lists of different or zero length.
    """
    truth, given = np.asarray(labels), np.asarray(predictions)
    if truth.shape != given.shape or truth.ndim != 1 or not truth.size:
        raise ValueError(f"labels {truth.shape} and predictions {given.shape} must be two equal, non-empty lists")
    if not np.isfinite(given).all():
        raise InputError("a prediction is not a finite number, training diverged: choose a smaller learning rate")
    return {name: float(METRICS[name](truth, given)) for name in names}
