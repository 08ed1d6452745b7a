"""What a run says of a claim: that it holds, that it does not, or that one cannot tell; each rule in one place."""

from collections.abc import Iterable

import pandas as pd

VERDICTS = ("holds", "does not hold", "cannot tell")
NEGLIGIBLE = 0.01  # of attention: a head whose interval stays below it has no effect to speak of


def verdict(low: float, high: float) -> str:
    """Say whether a claimed positive difference holds, given its interval."""
    holds, fails, undecided = VERDICTS
    return holds if low > 0 else fails if high < 0 else undecided


def counted(verdicts: Iterable[str]) -> str:
    """Count verdicts: `holds: 5, does not hold: 1, cannot tell: 1`."""
    found = list(verdicts)
    return ", ".join(f"{name}: {found.count(name)}" for name in VERDICTS)


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
