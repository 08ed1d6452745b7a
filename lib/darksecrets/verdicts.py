"""What a run says of a claim: that it holds, that it does not, or that one cannot tell; each rule in one place.

A claim is judged once. Its `Judgement` tells what the verdict rests on in two notations: that of the ledger of all
claims (the chapter *What remains of the claims*), and that of the table in its own chapter (`claims_table`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import pandas as pd

HOLDS, FAILS, OPEN = VERDICTS = ("holds", "does not hold", "cannot tell")
NEGLIGIBLE = 0.01  # of attention: a head whose interval stays below it has no effect to speak of
SURE = 0.975  # the share of draws from which on a choice is sure


class Judgement(NamedTuple):
    """What a run says of a claim: the verdict, the few words behind it in the ledger, the cell of the chapter's table.

    Where a run lacks what the claim is about, verdict and evidence are None, and the cell says what is missing.
    """

    verdict: str | None
    evidence: str | None
    cell: str


Judgements = dict[str, Judgement]  # by the claims' sentences


def single(verdict: str, evidence: str, told: str | None = None) -> Judgement:
    """Return the judgement of a claim with one verdict; `told` is the evidence in the chapter, where it differs."""
    return Judgement(verdict, evidence, f"{verdict} ({evidence if told is None else told})")


def every(verdicts: Iterable[str], unit: str = "tasks", without: str = "") -> Judgement:
    """Judge a claim on every task (or whatever else the verdicts are of).

    It holds if it holds on all of them, and does not hold if it does not on one. `without` are the tasks that the claim
    is about and the run lacks.
    """
    verdicts = list(verdicts)
    together = FAILS if FAILS in verdicts else HOLDS if set(verdicts) == {HOLDS} else OPEN
    return _counted(together, verdicts, unit, without)


def most(verdicts: Iterable[str], unit: str = "tasks") -> Judgement:
    """Judge a claim on most tasks: it holds if it does on more than half, and does not if it does not on half of them
    or more.
    """
    verdicts = list(verdicts)
    half = len(verdicts) / 2
    together = HOLDS if verdicts.count(HOLDS) > half else FAILS if verdicts.count(FAILS) >= half else OPEN
    return _counted(together, verdicts, unit)


def claims_table(paper: Mapping[str, str], this_run: Judgements, reference: Judgements | None = None) -> pd.DataFrame:
    """Build a chapter's table of claims: claim, paper (what it says of it), reference run, this run (`cell`).

    `paper` has the claims in their order; those that neither run asks are left out.
    """
    runs = {"reference run": reference or {}, "this run": this_run}
    rows = [
        {"claim": claim, "paper": says}
        | {name: judged[claim].cell if claim in judged else None for name, judged in runs.items()}
        for claim, says in paper.items()
        if any(claim in judged for judged in runs.values())
    ]
    return pd.DataFrame(rows, columns=["claim", "paper", *runs], dtype=object)


def verdict(low: float, high: float) -> str:
    """Judge a claimed positive difference by its interval."""
    return HOLDS if low > 0 else FAILS if high < 0 else OPEN


def inside(row: Mapping[str, float], lowest: float, highest: float) -> str:
    """Judge whether a number is in a range, by its interval: `low` and `high` of `row`."""
    return verdict(min(row["low"] - lowest, highest - row["high"]), min(row["high"] - lowest, highest - row["low"]))


def counted(verdicts: Iterable[str]) -> str:
    """Count verdicts: `holds: 5, does not hold: 1, cannot tell: 1`."""
    verdicts = list(verdicts)
    return ", ".join(f"{name}: {verdicts.count(name)}" for name in VERDICTS)


def all_positive(tests: pd.DataFrame) -> str:
    """Judge whether every head of `tests` has a positive effect: columns `specific` and `high`, a row per head.

    It does not hold if the interval of one of them stays below `NEGLIGIBLE`.
    """
    return _of_heads(tests, tests["specific"].all(), (tests["high"] < NEGLIGIBLE).any())


def any_positive(tests: pd.DataFrame) -> str:
    """Judge whether some head of `tests` has a positive effect: columns `specific` and `high`, a row per head.

    It does not hold if the intervals of all of them stay below `NEGLIGIBLE`, for which no correction is needed.
    """
    return _of_heads(tests, tests["specific"].any(), (tests["high"] < NEGLIGIBLE).all())


def joined(verdicts: Iterable[str]) -> str:
    """Join verdicts on one statement, as those of several fine-tunings: cannot tell, unless they are all the same."""
    different = set(verdicts)
    return different.pop() if len(different) == 1 else OPEN


def by_seed(table: pd.DataFrame, judge: Callable[[pd.DataFrame], str]) -> str:
    """Judge the rows of each seed by themselves, and join the verdicts."""
    return joined(judge(of_seed) for _, of_seed in table.groupby("seed"))


def _of_heads(tests: pd.DataFrame, is_there: bool, is_absent: bool) -> str:
    return OPEN if not len(tests) else HOLDS if is_there else FAILS if is_absent else OPEN


def _counted(together: str, verdicts: list[str], unit: str, without: str = "") -> Judgement:
    fails = f", fails on {verdicts.count(FAILS)}" if FAILS in verdicts else ""
    evidence = f"holds on {verdicts.count(HOLDS)} of {len(verdicts)} {unit}{fails}"
    return Judgement(together, evidence, counted(verdicts) + (f" (without {without})" if without else ""))
