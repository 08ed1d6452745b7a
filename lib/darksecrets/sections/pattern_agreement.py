"""Section 4.1: how far two annotators agree on patterns, and how far classifiers agree with what they settled on.

Maps of one head resemble each other, so every interval is a bootstrap over heads: a head is drawn with all its maps,
of whatever task and checkpoint. `labels` is the table of `annotated_maps.load`; `predictions` has one row per method,
repeat and map (`id`) with a probability for each pattern, the largest of which is the predicted one.
Explained in the chapter *What patterns attention shows*.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from darksecrets.corpora.annotated_maps import ANNOTATORS, PATTERNS, check_labels
from darksecrets.statistics import bounds, resampled

ALL = "all patterns"
METHODS = ("network", "baseline")
BETWEEN = "between the annotators"
Statistic = Callable[[np.ndarray], np.ndarray]  # of counts (..., label, other label)


def agreement(labels: pd.DataFrame) -> pd.DataFrame:
    """Measure how far the two annotators agree: pattern, n, kappa, low, high.

    The first row, `ALL`, is Cohen's kappa over the five patterns; each other row tells one pattern from the rest. `n`
    is the number of maps to which either gave the pattern; kappa is NaN where both gave one label to every map.
    """
    tables = head_tables(labels, *(labels[name] for name in ANNOTATORS))
    rows = [(ALL, len(labels), *with_interval(kappa, tables[None]))]
    for place, pattern in enumerate(PATTERNS):
        n = int((labels[list(ANNOTATORS)] == pattern).any(axis=1).sum())
        rows.append((pattern, n, *with_interval(kappa, _one_against_rest(tables, place)[None])))
    return pd.DataFrame(rows, columns=["pattern", "n", "kappa", "low", "high"])


def counts(labels: pd.DataFrame) -> pd.DataFrame:
    """Count maps by pattern: `first` and `second` (each annotator's), `agreed`, of which in the `main` draw and the
    `supplement`; `n_heads` is the number of heads, whatever checkpoint, with an agreed map of the pattern.
    """
    columns = {name: labels[name].value_counts() for name in ANNOTATORS} | {"agreed": labels["pattern"].value_counts()}
    for draw in ("main", "supplement"):
        columns[draw] = labels.loc[labels["draw"] == draw, "pattern"].value_counts()
    heads = labels.drop_duplicates(["pattern", "layer", "head"])
    table = pd.DataFrame(columns | {"n_heads": heads["pattern"].value_counts()})
    return table.reindex(PATTERNS).fillna(0).astype(int).rename_axis("pattern").reset_index()


def scores(predictions: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Score each method, and the annotators against each other: method, metric, mean, low, high, as fractions.

    A method is scored against the agreed labels in every repeat, and the scores are averaged; the row of the annotators
    (`BETWEEN`) scores the second by the first, where F1 is the same either way and its weights are the first's. Macro
    F1 averages over the patterns that have maps, in a resample over those that have maps there.
    """
    tables = {method: prediction_tables(predictions, labels, method) for method in METHODS}
    tables[BETWEEN] = head_tables(labels, *(labels[name] for name in ANNOTATORS))[None]
    rows = [
        (method, metric, *with_interval(statistic, table))
        for method, table in tables.items()
        for metric, statistic in METRICS.items()
    ]
    return pd.DataFrame(rows, columns=["method", "metric", "mean", "low", "high"])


def difference(predictions: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Compare the methods on the same maps and heads: metric, and mean, low, high of network minus baseline."""
    tables = np.stack([prediction_tables(predictions, labels, method) for method in METHODS])

    def gain(statistic: Statistic) -> Statistic:
        return lambda both: statistic(both[..., 0, :, :]) - statistic(both[..., 1, :, :])

    both = np.moveaxis(tables, 0, 2)  # repeat, head, method, agreed, predicted
    rows = [(metric, *with_interval(gain(statistic), both)) for metric, statistic in METRICS.items()]
    return pd.DataFrame(rows, columns=["metric", "mean", "low", "high"])


def per_pattern(predictions: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Score each method by pattern: method, pattern, precision, recall, f1, and n, the maps with that agreed label.

    Scores are averaged over the repeats in which they are defined: precision needs a prediction, recall a map.
    """
    tables = []
    for method in METHODS:
        found = prediction_tables(predictions, labels, method).sum(1)  # repeat, agreed, predicted
        hits, agreed, predicted = np.diagonal(found, axis1=1, axis2=2), found.sum(2), found.sum(1)
        columns = {
            "precision": _ratio(hits, predicted),
            "recall": _ratio(hits, agreed),
            "f1": f1(found),
        }
        table = pd.DataFrame({name: pd.DataFrame(values).mean() for name, values in columns.items()})
        table = table.assign(n=agreed[0].astype(int), method=method, pattern=PATTERNS)
        tables.append(table[["method", "pattern", "precision", "recall", "f1", "n"]])
    return pd.concat(tables, ignore_index=True)


def confusion(predictions: pd.DataFrame, labels: pd.DataFrame, method: str = "network") -> pd.DataFrame:
    """Tabulate agreed labels (rows) against predicted ones (columns): shares of a row, averaged over repeats.

    The row of a pattern without maps is NaN.
    """
    found = prediction_tables(predictions, labels, method).sum(axis=(0, 1))
    shares = _ratio(found, np.broadcast_to(found.sum(1, keepdims=True), found.shape))
    return pd.DataFrame(shares, index=pd.Index(PATTERNS, name="agreed"), columns=pd.Index(PATTERNS, name="predicted"))


def rescaled(predictions: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Say how many maps change class when brought to another length: brought to, n, mean, low, high.

    `predictions` with all its rows, those of rescaled maps too (`rescaled_to` is their number of tokens); each repeat
    counts, and the interval is over heads. The last row compares the two lengths with each other.
    """
    network = predictions[predictions["method"] == "network"]
    names = np.array(PATTERNS)[network[list(PATTERNS)].to_numpy().argmax(1)]
    found = network.assign(found=names).pivot(index=["repeat", "id"], columns="rescaled_to", values="found")
    lengths = sorted(length for length in found.columns if length)
    pairs = [(0, length) for length in lengths] + [(lengths[0], lengths[-1])]
    rows = []
    for one, other in pairs:
        changed = (found[one] != found[other]).groupby("id").mean().rename("changed")
        table = labels.merge(changed, on="id", validate="one_to_one").groupby(["layer", "head"])["changed"]
        counts = table.agg(["sum", "count"]).to_numpy()
        value, low, high = with_interval(lambda total: total[..., 0] / total[..., 1], counts[None])
        name = f"{other} tokens" if not one else f"{other} tokens, from {one}"
        rows.append((name, len(changed), value, low, high))
    return pd.DataFrame(rows, columns=["brought to", "n", "mean", "low", "high"])


def head_tables(labels: pd.DataFrame, rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """Count the maps of each head by two labels, given in the order of the table: (head, row's, column's)."""
    check_labels([*rows, *columns])
    head = labels.groupby(["layer", "head"]).ngroup().to_numpy()
    found = np.zeros((head.max() + 1, len(PATTERNS), len(PATTERNS)))
    places = (pd.Index(PATTERNS).get_indexer(values) for values in (rows, columns))
    np.add.at(found, (head, *places), 1)
    return found


def prediction_tables(predictions: pd.DataFrame, labels: pd.DataFrame, method: str) -> np.ndarray:
    """Count the maps of each head by agreed and predicted label, in every repeat: (repeat, head, agreed, predicted).

    Raises ValueError where a repeat has not exactly one prediction for each labelled map.
    """
    chosen = predictions[predictions["method"] == method]
    if not len(chosen):
        raise ValueError(f"no predictions by {method!r}, only by {sorted(predictions['method'].unique())}")
    tables = []
    for repeat, group in chosen.groupby("repeat"):
        if sorted(group["id"]) != sorted(labels["id"]):
            raise ValueError(f"repeat {repeat} of {method!r} has not one prediction for each of {len(labels)} maps")
        chances = group.set_index("id").loc[labels["id"], list(PATTERNS)].to_numpy()
        tables.append(head_tables(labels, labels["pattern"], np.array(PATTERNS)[chances.argmax(1)]))
    return np.stack(tables)


def with_interval(statistic: Statistic, tables: np.ndarray) -> tuple[float, float, float]:
    """Return a statistic of counts, averaged over repeats, with its bootstrap interval over heads: (value, low, high).

    `tables` is (repeat, head, ...): the counts of a repeat are summed over its heads, each as often as it is drawn.
    """
    repeats, n_heads = tables.shape[:2]
    flat = tables.swapaxes(0, 1).reshape(n_heads, -1)
    drawn = (resampled(n_heads) @ flat).reshape(-1, repeats, *tables.shape[2:])
    low, high = bounds(statistic(drawn).mean(1))
    return float(statistic(tables.sum(1)).mean()), float(low), float(high)


def kappa(counts: np.ndarray) -> np.ndarray:
    """Cohen's kappa of counts (..., one's label, the other's): agreement beyond what their shares give by chance."""
    n = counts.sum((-2, -1))
    agreed = np.trace(counts, axis1=-2, axis2=-1)
    chance = (counts.sum(-1) * counts.sum(-2)).sum(-1)
    return _ratio(n * agreed - chance, n * n - chance)


def f1(counts: np.ndarray) -> np.ndarray:
    """F1 of each label from counts (..., label, other label); NaN where a label occurs on neither side."""
    return _ratio(2 * np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1) + counts.sum(-2))


def _macro(counts: np.ndarray) -> np.ndarray:
    # A draw of heads without a rare pattern cannot show how it is recognized: it counts only where it has maps.
    return _ratio(np.nan_to_num(f1(counts)).sum(-1, where=counts.sum(-1) > 0), (counts.sum(-1) > 0).sum(-1))


def _weighted(counts: np.ndarray) -> np.ndarray:
    return (counts.sum(-1) * np.nan_to_num(f1(counts))).sum(-1) / counts.sum((-2, -1))


def _accuracy(counts: np.ndarray) -> np.ndarray:
    return np.trace(counts, axis1=-2, axis2=-1) / counts.sum((-2, -1))


METRICS: dict[str, Statistic] = {"macro F1": _macro, "weighted F1": _weighted, "accuracy": _accuracy}


def _one_against_rest(tables: np.ndarray, place: int) -> np.ndarray:
    both, first, second = tables[:, place, place], tables[:, place].sum(-1), tables[:, :, place].sum(-1)
    neither = tables.sum((1, 2)) - first - second + both
    return np.stack([both, first - both, second - both, neither], axis=-1).reshape(-1, 2, 2)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    undefined = np.full(np.shape(part), np.nan)
    return np.divide(part, whole, out=undefined, where=whole != 0)
