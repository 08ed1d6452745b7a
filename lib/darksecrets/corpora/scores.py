"""The metrics of Table 1, by name: accuracy, F1, and the two correlations of STS-B."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats
from sklearn import metrics

from darksecrets.errors import InputError


def _correlation(measure: Callable) -> Callable[[np.ndarray, np.ndarray], float]:
    def correlate(truth: np.ndarray, given: np.ndarray) -> float:
        return 0.0 if np.ptp(truth) == 0 or np.ptp(given) == 0 else measure(truth, given).statistic

    return correlate


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": metrics.accuracy_score,
    "f1": lambda truth, given: metrics.f1_score(truth, given, pos_label=1, zero_division=0.0),
    "pearson": _correlation(stats.pearsonr),
    "spearman": _correlation(stats.spearmanr),
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
