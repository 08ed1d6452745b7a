"""Permutation tests of all heads at once, corrected for their number, and the verdicts that follow from them.

The correction is that of Westfall and Young (1993), max-T: a head's statistic is compared with the largest of all heads
in each permutation. Every permutation treats all heads alike, so heads that do the same cost little.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from darksecrets.evidence.fine_tuning import VERDICTS

SIGNIFICANT = 0.05
NEGLIGIBLE = 0.01  # of attention: a head whose interval stays below it has no effect to speak of
AT_ONCE = 500  # permutations
ROUNDING = 1e-9  # by which statistics that are equal may differ


@dataclass(frozen=True)
class Places:
    """Where links are and could be: `weights` (place, test) of each sentence's places, of which one `is_link`;
    `sentences` are their codes from 0.
    """

    weights: np.ndarray
    sentences: np.ndarray
    is_link: np.ndarray


def moved(*places: Places, n_permutations: int = 10_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Test whether links get more weight than other places: (p, p corrected), each (test,).

    A permutation puts each sentence's link at one of its places, its own included, all equally likely. That is an exact
    test if any of the places could as well have been the link. The statistic is the sum over sentences, less its
    expectation, by its standard deviation over permutations; one-sided. Of several sets of places, which are several
    nulls, the tests follow one another and are corrected together. Each set's permutations are drawn by themselves:
    where heads that beat one null tend to beat another, the correction is a little too strict.
    """
    sets = [_studentized(one) for one in places]

    def drawn(random: np.random.Generator, n_draws: int) -> np.ndarray:
        return np.hstack([_drawn(random, n_draws, *one) for one in sets])

    observed = np.concatenate([weights[starts].sum(0) for weights, starts, _ in sets])
    return _compared(observed, drawn, n_permutations, seed)


def _studentized(places: Places) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights whose sums are the statistics, sentence by sentence; where each begins, with its link; and its
    number of places.
    """
    order = np.lexsort((~places.is_link, places.sentences))
    weights, sizes = places.weights[order], np.bincount(places.sentences)
    starts = np.cumsum(sizes) - sizes
    if not places.is_link[order][starts].all() or places.is_link.sum() != len(sizes):
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


def flipped(parts: np.ndarray, n_permutations: int = 2_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
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


def all_positive(tests: pd.DataFrame) -> str:
    """Say whether every head of `tests` has a positive effect: columns `specific` and `high`, a row per head.

    It does not hold if the interval of one of them stays below `NEGLIGIBLE`.
    """
    return _judged(tests, tests["specific"].all(), (tests["high"] < NEGLIGIBLE).any())


def any_positive(tests: pd.DataFrame) -> str:
    """Say whether some head of `tests` has a positive effect: columns `specific` and `high`, a row per head.

    It does not hold if the intervals of all of them stay below `NEGLIGIBLE`, for which no correction is needed.
    """
    return _judged(tests, tests["specific"].any(), (tests["high"] < NEGLIGIBLE).all())


def _judged(tests: pd.DataFrame, is_there: bool, is_absent: bool) -> str:
    holds, fails, open_ = VERDICTS
    return open_ if not len(tests) else holds if is_there else fails if is_absent else open_


def joined(verdicts: Iterable[str]) -> str:
    """Join verdicts on one statement, as those of several fine-tunings: cannot tell, unless they are all the same."""
    found = set(verdicts)
    return found.pop() if len(found) == 1 else VERDICTS[-1]
