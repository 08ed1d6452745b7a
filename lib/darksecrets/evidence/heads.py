"""Tables with a row per unit (a link, a sentence) and head, as arrays, so that all heads are computed at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, stats

from darksecrets.evidence.pattern_agreement import bounds

HEAD = ["layer", "head"]
STANDS_OUT = 0.99  # the quantile of all heads beyond which one stands out, as in the paper


@dataclass(frozen=True)
class Wide:
    """A table with its heads side by side: `units`, one row each; `heads`, the layer and head of each column; and per
    column of the table an array `values` (unit, head).
    """

    units: pd.DataFrame
    heads: pd.DataFrame
    values: dict[str, np.ndarray]

    def kept(self, rows: pd.Series | np.ndarray) -> "Wide":
        """Return the units for which `rows` is true."""
        rows = np.asarray(rows, dtype=bool)
        units = self.units[rows].reset_index(drop=True)
        return Wide(units, self.heads, {name: values[rows] for name, values in self.values.items()})

    def known(self, *columns: str) -> "Wide":
        """Return the units that lack none of the columns in any head."""
        return self.kept(~np.any([np.isnan(self.values[name]).any(1) for name in columns], axis=0))

    def table(self, **columns: object) -> pd.DataFrame:
        """Return one row per head: layer, head and the columns given, each an array (head,) or one value."""
        return self.heads.assign(**columns)


def wide(table: pd.DataFrame, unit: Sequence[str], columns: Sequence[str]) -> Wide:
    """Lay a table with one row per `unit`, layer and head out as arrays of `columns`.

    Units come in the order of their first rows. Raises ValueError unless each unit has every layer and head once.
    """
    unit = list(unit)
    rows = table.groupby(unit, sort=False, observed=True, dropna=False).ngroup().to_numpy()
    shape = tuple(table[HEAD].max() + 1) if len(table) else (0, 0)
    n_units, n_places = (rows.max() + 1 if len(rows) else 0), shape[0] * shape[1]
    cells = rows * n_places + (table["layer"] * shape[1] + table["head"]).to_numpy()
    if len(cells) != n_units * n_places or (np.bincount(cells, minlength=len(cells)) != 1).any():
        raise ValueError(f"each of {', '.join(unit)} needs one row for every layer and head")
    order = np.argsort(cells)
    values = {name: table[name].to_numpy(float)[order].reshape(n_units, n_places) for name in columns}
    units = table.loc[~pd.Series(rows, table.index).duplicated(), unit].reset_index(drop=True)
    layer, head = np.divmod(np.arange(n_places), max(shape[1], 1))
    return Wide(units, pd.DataFrame({"layer": layer, "head": head}), values)


def each(table: pd.DataFrame, key: Sequence[str], unit: Sequence[str], columns: Sequence[str]) -> Iterator:
    """Yield each value of `key` in a table, as a dictionary, with its rows laid out by `wide`."""
    for values, group in table.groupby(list(key), sort=False, observed=True):
        yield dict(zip(key, values, strict=True)), wide(group, unit, columns)


def averaged(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Average rows (unit, head) that have the same code, 0 to the number of codes less 1: (code, head)."""
    sizes = np.bincount(codes)
    members = sparse.csr_array((1 / sizes[codes], (codes, np.arange(len(codes)))), shape=(len(sizes), len(codes)))
    return members @ values


def contributions(
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

    Units of a cluster may depend on one another. `clusters` and `strata` are those of `contributions`. With no more
    clusters than strata there is no interval: bounds are NaN.
    """
    strata = np.zeros(len(values), dtype=int) if strata is None else np.unique(strata, return_inverse=True)[1]
    mean = contributions(values, clusters, strata).sum(0)
    rest = contributions(values - averaged(values, strata)[strata], clusters, strata)
    n_clusters, n_strata = len(np.unique(clusters)), strata.max() + 1
    if n_clusters <= n_strata:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    freedom = n_clusters - n_strata
    error = np.sqrt(n_clusters / freedom * (rest**2).sum(0))
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    return mean, mean - half, mean + half


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


def standing_out(by_head: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Return the heads whose `mean` is beyond the 99th percentile of all heads, largest first, within each `by`.

    By arithmetic these are two of 144 heads, or one of 72: that some stand out is no finding in itself.
    """
    groups = by_head.groupby(list(by) or np.zeros(len(by_head)), sort=False, observed=True)
    beyond = by_head[by_head["mean"] > groups["mean"].transform("quantile", STANDS_OUT)]
    order = np.lexsort((-beyond["mean"], groups.ngroup()[beyond.index]))
    return beyond.iloc[order].reset_index(drop=True)


def named(layer: int, head: int) -> str:
    """Name a head as a reader does, counting from 1."""
    return f"layer {layer + 1} head {head + 1}"


def head_label(table: pd.DataFrame) -> pd.Series:
    """Name heads as "layer-head" where there is little room, counting from 1."""
    return (table["layer"] + 1).astype(str) + "-" + (table["head"] + 1).astype(str)
