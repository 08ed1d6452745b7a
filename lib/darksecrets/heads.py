"""Tables with a row per unit (a link, a sentence) and head, as arrays, so that all heads are computed at once; heads by
name, those that stand out, and by how much a head beats its two nulls.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from darksecrets.estimates import format_difference
from darksecrets.statistics import averaged, interval_of_mean

HEAD = ["layer", "head"]
STANDS_OUT = 0.99  # the quantile of all heads beyond which one stands out, as in the paper
# A head's weight on links is held against two nulls (Sections 4.2 and 4.5): `null`, other words as far apart, and
# `others`, what the attended word gets from other words. For each a table of tests has the columns of `INTERVAL`, the
# difference between link and null with its interval, after what stands here.
NULLS = {"null": "", "others": "others_"}
INTERVAL = ("difference", "low", "high")


@dataclass(frozen=True)
class HeadMatrix:
    """A table with its heads side by side: `units`, one row each; `heads`, the layer and head of each column; and per
    column of the table an array `values` (unit, head).
    """

    units: pd.DataFrame
    heads: pd.DataFrame
    values: dict[str, np.ndarray]

    def select(self, rows: pd.Series | np.ndarray) -> "HeadMatrix":
        """Return the units for which `rows` is true."""
        rows = np.asarray(rows, dtype=bool)
        units = self.units[rows].reset_index(drop=True)
        return HeadMatrix(units, self.heads, {name: values[rows] for name, values in self.values.items()})

    def dropna(self, *columns: str) -> "HeadMatrix":
        """Return the units that lack none of the columns in any head."""
        return self.select(~np.any([np.isnan(self.values[name]).any(1) for name in columns], axis=0))

    def table(self, **columns: object) -> pd.DataFrame:
        """Return one row per head: layer, head and the columns given, each an array (head,) or one value."""
        return self.heads.assign(**columns)

    def means(self, column: str, by: str) -> pd.DataFrame:
        """Return the mean of a column per head with its t-interval over what `by` names, whose units are averaged
        first: layer, head, mean, low, high, n.
        """
        codes, independent = pd.factorize(self.units[by])
        mean, low, high = interval_of_mean(averaged(self.values[column], codes))
        return self.table(mean=mean, low=low, high=high, n=len(independent))


def pivot_heads(table: pd.DataFrame, unit: Sequence[str], columns: Sequence[str]) -> HeadMatrix:
    """Return a table with one row per `unit`, layer and head as a `HeadMatrix` of its `columns`.

    Units come in the order of their first rows. Raises ValueError unless each unit has every layer and head once.
    """
    unit = list(unit)
    rows = table.groupby(unit, sort=False, observed=True, dropna=False).ngroup().to_numpy()
    shape = tuple(table[HEAD].max() + 1) if len(table) else (0, 0)
    n_units, n_heads = (rows.max() + 1 if len(rows) else 0), shape[0] * shape[1]
    cells = rows * n_heads + (table["layer"] * shape[1] + table["head"]).to_numpy()
    if len(cells) != n_units * n_heads or (np.bincount(cells, minlength=len(cells)) != 1).any():
        raise ValueError(f"each of {', '.join(unit)} needs one row for every layer and head")
    order = np.argsort(cells)
    values = {name: table[name].to_numpy(float)[order].reshape(n_units, n_heads) for name in columns}
    units = table.loc[~pd.Series(rows, table.index).duplicated(), unit].reset_index(drop=True)
    layer, head = np.divmod(np.arange(n_heads), max(shape[1], 1))
    return HeadMatrix(units, pd.DataFrame({"layer": layer, "head": head}), values)


def iter_groups(table: pd.DataFrame, key: Sequence[str], unit: Sequence[str], columns: Sequence[str]) -> Iterator:
    """Yield each value of `key` in a table, as a dictionary, with the `HeadMatrix` of its rows."""
    for values, group in table.groupby(list(key), sort=False, observed=True):
        yield dict(zip(key, values, strict=True)), pivot_heads(group, unit, columns)


def standing_out(by_head: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Return the heads whose `mean` is beyond the 99th percentile of all heads, largest first, within each `by`.

    By arithmetic these are two of 144 heads, or one of 72: that some stand out is no finding in itself.
    """
    groups = by_head.groupby(list(by) or np.zeros(len(by_head)), sort=False, observed=True)
    beyond = by_head[by_head["mean"] > groups["mean"].transform("quantile", STANDS_OUT)]
    order = np.lexsort((-beyond["mean"], groups.ngroup()[beyond.index]))
    return beyond.iloc[order].reset_index(drop=True)


def head_name(layer: int, head: int) -> str:
    """Return a head's name as readers have it: `layer 2 head 3`, counting from 1."""
    return f"layer {layer + 1} head {head + 1}"


def head_label(table: pd.DataFrame) -> pd.Series:
    """Return the short names of the heads of a table: `2-3`, layer and head counting from 1."""
    return (table["layer"] + 1).astype(str) + "-" + (table["head"] + 1).astype(str)


def of_closer_null(tests: pd.DataFrame, column: str) -> pd.Series:
    """Return the smaller of a column, one of `INTERVAL`, over the two nulls."""
    return tests[[before + column for before in NULLS.values()]].min(axis=1)


def excess(tests: pd.DataFrame) -> pd.Series:
    """Return by how much a head's weight on links exceeds the null that comes closer to it."""
    return of_closer_null(tests, "difference")


def format_excesses(tests: pd.DataFrame) -> dict[str, list[str | None]]:
    """Format by how much links exceed each null, as columns of a table for readers; None where there is no test."""
    columns = {"above words as far apart": NULLS["null"], "above others": NULLS["others"]}
    return {
        name: [format_difference(*bounds) for bounds in tests[[before + end for end in INTERVAL]].to_numpy()]
        for name, before in columns.items()
    }
