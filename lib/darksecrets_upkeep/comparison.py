"""A published table held against the same table computed anew: how far apart the two are, and whether that is allowed.

Explained in the appendix *The reference run*.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

OK, FAILED, SKIPPED = "ok", "NOT OK", "NOT CHECKED"


@dataclass(frozen=True)
class Comparison:
    """One thing that was checked, or not: how many rows were compared, the largest difference, what is tolerated, the
    verdict, and a note that says where the largest difference is, what is wrong, or why nothing was checked.
    """

    what: str
    rows: int = 0
    largest: float | None = None
    tolerance: float | None = None
    verdict: str = OK
    note: str = ""


def compared(
    what: str, published: pd.DataFrame, recomputed: pd.DataFrame, key: Sequence[str], tolerance: float
) -> Comparison:
    """Compare two tables row by row, each row of the one with that of the same `key` in the other.

    All columns of numbers that the published table has are compared; those of words and of yes or no follow from them.
    A number that is missing from one table alone differs without limit, and so does a row. Raises ValueError where a
    key has several rows.
    """
    key = list(key)
    values = [
        name
        for name, kind in published.dtypes.items()
        if name not in key and pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
    ]
    lacking = [name for name in (*key, *values) if name not in recomputed]
    if lacking or not len(published):
        reason = f"computed anew, it has no column {lacking[0]}" if lacking else "there is no row to compare"
        return Comparison(what, 0, None, tolerance, FAILED, reason)
    # A table may be kept in single precision: what is computed anew is then rounded alike.
    kinds = dict.fromkeys(key, object)
    kinds |= {name: kind for name, kind in published.dtypes.items() if name in values and kind.kind == "f"}
    sides = [table[key + values].astype(kinds) for table in (published, recomputed)]
    both = sides[0].merge(sides[1], on=key, how="outer", suffixes=("", " anew"), indicator=True, validate="one_to_one")
    alone = both[both["_merge"] != "both"]
    if len(alone):
        side = "is published only" if alone["_merge"].iloc[0] == "left_only" else "is only there when computed anew"
        reason = f"{len(alone)} rows are in one table only: {_named(alone.iloc[0], key)} {side}"
        return Comparison(what, len(both), np.inf, tolerance, FAILED, reason)
    old, new = (both[[f"{name}{end}" for name in values]].to_numpy(float) for end in ("", " anew"))
    apart = np.where(np.isnan(old) & np.isnan(new), 0.0, np.abs(old - new))
    apart = np.where(np.isnan(apart), np.inf, apart)
    row, column = np.unravel_index(apart.argmax(), apart.shape)
    largest = float(apart[row, column])
    note = f"{values[column]} of {_named(both.iloc[row], key)}" if largest else "equal to the last digit"
    return Comparison(what, len(both), largest, tolerance, OK if largest <= tolerance else FAILED, note)


def compared_with_interval(
    what: str, published: pd.DataFrame, recomputed: pd.DataFrame, key: Sequence[str], tolerance: float
) -> Comparison:
    """Compare as `compared` does, by how far `mean` is outside the published interval from `low` to `high`.

    For one seed against an interval over several, which holds every one of three seeds by arithmetic: none is further
    from their mean than 1.2 standard deviations, and the interval reaches 2.5.
    """
    key = list(key)
    anew = recomputed[[*key, "mean"]]
    sides = published.drop(columns="mean").merge(anew, on=key, how="left")
    nearest = sides[key].assign(mean=sides["mean"].clip(sides["low"], sides["high"]))
    return compared(what, nearest, anew, key, tolerance)


def skipped(what: str, why: str) -> Comparison:
    """Return that something was not checked, and why."""
    return Comparison(what, verdict=SKIPPED, note=why)


def failed(comparisons: Iterable[Comparison]) -> bool:
    """Return whether anything that was checked is not as published."""
    return any(one.verdict == FAILED for one in comparisons)


def report(comparisons: Sequence[Comparison]) -> str:
    """Format comparisons as a table of plain text, and below it what was not checked."""
    rows = [("what", "rows", "largest difference", "tolerated", "", "")]
    for one in comparisons:
        numbers = ("" if number is None else f"{number:.2g}" for number in (one.largest, one.tolerance))
        rows.append((one.what, f"{one.rows or ''}", *numbers, one.verdict, one.note))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    verdicts = [one.verdict for one in comparisons]
    lines += ["", ", ".join(f"{name}: {verdicts.count(name)}" for name in (OK, FAILED, SKIPPED))]
    if SKIPPED in verdicts:
        unchecked = [f"  {one.what}: {one.note}" for one in comparisons if one.verdict == SKIPPED]
        lines += ["", f"!! {SKIPPED}, so that what is ok above says nothing of it:", *unchecked]
    return "\n".join(lines)


def _named(row: pd.Series, key: Sequence[str]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in key)
