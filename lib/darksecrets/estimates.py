"""How an estimate is formatted: its mean, with its interval where it has one, by one function for the whole book."""

from collections.abc import Mapping

import pandas as pd


def format_estimate(
    row: pd.Series | Mapping[str, float], digits: int = 1, scale: float = 100, sign: bool = False
) -> str:
    """Format a row's `mean`, `low` and `high`, in per cent unless `scale` says otherwise: `84.1 [82.0, 86.3]`.

    With `sign`, as changes are written: `+0.4 [-0.1, +0.9]`. Without an interval (NaN), the mean alone.
    """
    mean, low, high = (row[name] for name in ("mean", "low", "high"))
    write = signed if sign else _plain
    interval = "" if pd.isna(low) else f" [{write(low, digits, scale)}, {write(high, digits, scale)}]"
    return write(mean, digits, scale) + interval


def format_change(row: pd.Series | Mapping[str, float], digits: int = 2, scale: float = 100) -> str:
    """Format a change, in points unless `scale` says otherwise: `+0.40 [-0.10, +0.90]` (`format_estimate`)."""
    return format_estimate(row, digits, scale, sign=True)


def format_difference(mean: float, low: float, high: float) -> str | None:
    """Format a difference of weights or similarities: `+0.057 [+0.049, +0.065]`; None where there is none (NaN)."""
    return None if pd.isna(mean) else format_change({"mean": mean, "low": low, "high": high}, 3, scale=1)


def format_correlation(mean: float, low: float, high: float) -> str:
    """Format a correlation with its interval: `0.87 [0.80, 0.92]` (`format_estimate`)."""
    return format_estimate({"mean": mean, "low": low, "high": high}, digits=2, scale=1)


def signed(change: float, digits: int = 2, scale: float = 100) -> str:
    """Format a change, in points unless `scale` says otherwise, with its sign unless it is rounded to 0."""
    rounded = round(scale * change, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def _plain(number: float, digits: int, scale: float) -> str:
    return f"{scale * number:.{digits}f}"
