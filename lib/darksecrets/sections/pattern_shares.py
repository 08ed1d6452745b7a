"""Section 4.1, Figure 2: the share of each pattern per task, corrected for the classifier's confusion, and how pure,
how layered and how changed by fine-tuning the patterns of heads are.

`classified` has one row per task, seed, checkpoint, example, layer and head, with the `pattern` the classifier saw;
`labels` and `predictions` are those of `pattern_agreement`. Explained in the chapter *What patterns attention shows*.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER, BEFORE, PATTERNS
from darksecrets.sections.pattern_agreement import head_tables, prediction_tables
from darksecrets.statistics import N_RESAMPLES, bootstrap_interval, bounds, interval_of_mean, over_seeds, resampled

KEY = ["task", "seed", "checkpoint"]
PURE = 0.9  # share of its inputs in one pattern from which a head counts as pure
MEDIAN_PURITY, SHARE_PURE = "median purity", f"share of heads with a purity of {PURE} or more"
CHANGED, DISTANCE = "share of heads with another main pattern", "mean distance of pattern shares"
HEADS, EXAMPLES = 1, 2  # streams of random numbers
ADDED_MAPS = 5  # to each pattern of a resampled confusion matrix


@dataclass(frozen=True)
class Estimate:
    """Shares of the patterns in one group of maps, each array with the patterns last: as observed, corrected, and
    corrected in every resample (resample, pattern), of everything and of the examples alone.
    """

    task: str
    seed: int
    checkpoint: str
    observed: np.ndarray
    mean: np.ndarray
    draws: np.ndarray
    sampling: np.ndarray


def corrected(
    observed: np.ndarray, confusion: np.ndarray, tolerance: float = 1e-9, most_steps: int = 10_000
) -> np.ndarray:
    """Return the true shares under which the observed ones are most likely: (..., pattern).

    `observed` (..., predicted) are shares of predictions, `confusion` (..., true, predicted) the share of each
    prediction among maps of a true pattern; leading axes are broadcast. Found by expectation-maximization, which stays
    among shares that are positive and sum to one, where inverting the matrix would not. Raises ValueError where a
    pattern is observed that no true pattern is ever taken for.
    """
    if ((observed > 0) & (confusion.sum(-2) <= 0)).any():
        raise ValueError("a pattern is observed that the confusion matrix never predicts")
    shape = np.broadcast_shapes(observed.shape[:-1], confusion.shape[:-2])
    n = observed.shape[-1]
    shares = np.broadcast_to(observed, (*shape, n)).reshape(-1, n)
    taken_for = np.broadcast_to(confusion, (*shape, n, n)).reshape(-1, n, n)
    found = np.full_like(shares, 1 / n, dtype=float)
    moving = np.arange(len(found))
    for _ in range(most_steps):
        now, matrix = found[moving], taken_for[moving]
        expected = np.einsum("bt,btp->bp", now, matrix)
        surprise = np.divide(shares[moving], expected, out=np.zeros_like(expected), where=expected > 0)
        better = now * np.einsum("bp,btp->bt", surprise, matrix)
        better /= better.sum(-1, keepdims=True)
        found[moving] = better
        moving = moving[np.abs(better - now).max(-1) > tolerance]
        if not len(moving):
            break
    return found.reshape(*shape, n)


def shares(classified: pd.DataFrame, predictions: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Estimate the share of each pattern: one row per task, seed, checkpoint and pattern.

    `observed` is the share among predictions and `mean` the corrected one (see `corrected`), with the 95 % interval
    `low` to `high` of a bootstrap that draws the task's examples, the annotated heads behind the confusion matrix, and
    one of the network's trainings; `sampling_low` to `sampling_high` draws examples alone. The correction takes it that
    maps of a pattern are mistaken as often in a task as among the annotated maps.
    """
    return share_table(estimates(classified, predictions, labels))


def share_table(found: Sequence[Estimate]) -> pd.DataFrame:
    """Lay estimates out as the table that `shares` describes."""
    tables = []
    for one in found:
        low, high = bounds(one.draws)
        sampling_low, sampling_high = bounds(one.sampling)
        columns = {"observed": one.observed, "mean": one.mean, "low": low, "high": high}
        columns |= {"sampling_low": sampling_low, "sampling_high": sampling_high}
        key = {name: getattr(one, name) for name in KEY}
        tables.append(pd.DataFrame({**key, "pattern": PATTERNS, **columns}))
    return pd.concat(tables, ignore_index=True)


def estimates(classified: pd.DataFrame, predictions: pd.DataFrame, labels: pd.DataFrame) -> list[Estimate]:
    """Estimate the shares of every task, seed and checkpoint, with the resamples behind their intervals.

    Resample i has the same confusion matrix everywhere and, within a task, the same examples, so differences between
    estimates can be taken resample by resample.
    """
    confusion, drawn_confusions = confusions(predictions, labels)
    tasks = list(classified["task"].unique())
    found = []
    for key, seen in _groups(classified):
        per_example = seen.mean((1, 2))
        weights = resampled(len(seen), (EXAMPLES, tasks.index(key[0])))
        drawn = weights @ per_example / len(seen)
        observed = per_example.mean(0)
        estimated = (corrected(*pair) for pair in ((observed, confusion), (drawn, drawn_confusions)))
        found.append(Estimate(*key, observed, *estimated, corrected(drawn, confusion)))
    return found


def confusions(predictions: pd.DataFrame, labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the network's confusion matrix (true, predicted), and resamples of it, each of one repeat's predictions.

    To a resample are added `ADDED_MAPS` of each pattern, mistaken as often as among all. Without them, a resample that
    has only the odd one of a rare pattern's few heads would turn one pattern's share into another's. A pattern that no
    annotated map has is taken as always recognized.
    """
    tables = prediction_tables(predictions, labels, "network")  # repeat, head, true, predicted
    whole = tables.sum((0, 1))
    whole = np.where(whole.sum(1, keepdims=True) > 0, whole, np.eye(len(PATTERNS)))
    whole /= whole.sum(1, keepdims=True)
    repeats, n_heads = tables.shape[:2]
    repeat = np.random.default_rng((HEADS, repeats)).integers(repeats, size=N_RESAMPLES)
    drawn = np.einsum("dh,dhtp->dtp", resampled(n_heads, (HEADS, 0)), tables[repeat]) + ADDED_MAPS * whole
    return whole, drawn / drawn.sum(-1, keepdims=True)


def by_layer(classified: pd.DataFrame) -> pd.DataFrame:
    """Average observed shares over the heads of a layer: task, seed, checkpoint, layer, pattern, mean, low, high.

    The interval is a t-interval over examples; the classifier's confusion is not corrected for here.
    """
    tables = []
    for key, seen in _groups(classified):
        mean, low, high = interval_of_mean(seen.mean(2))  # layer, pattern
        index = pd.MultiIndex.from_product([range(len(mean)), PATTERNS], names=["layer", "pattern"])
        table = pd.DataFrame({"mean": mean.ravel(), "low": low.ravel(), "high": high.ravel()}, index=index)
        tables.append(table.reset_index().assign(**dict(zip(KEY, key, strict=True))))
    return pd.concat(tables, ignore_index=True)[[*KEY, "layer", "pattern", "mean", "low", "high"]]


def by_head(classified: pd.DataFrame) -> pd.DataFrame:
    """Describe each head of each task, seed and checkpoint: its `main` pattern, the one most of its inputs show;
    its `purity`, the share of inputs that do; and a column with the observed share of each pattern.
    """
    tables = []
    for key, seen in _groups(classified):
        of_head = seen.mean(0)  # layer, head, pattern
        index = pd.MultiIndex.from_product(map(range, of_head.shape[:2]), names=["layer", "head"])
        table = pd.DataFrame(of_head.reshape(-1, len(PATTERNS)), index=index, columns=list(PATTERNS)).reset_index()
        main = np.array(PATTERNS)[of_head.argmax(-1).ravel()]
        tables.append(table.assign(**dict(zip(KEY, key, strict=True)), main=main, purity=of_head.max(-1).ravel()))
    return pd.concat(tables, ignore_index=True)[[*KEY, "layer", "head", "main", "purity", *PATTERNS]]


def purity_summary(heads: pd.DataFrame) -> pd.DataFrame:
    """Sum up how pure heads are, from `by_head`: task, seed, checkpoint, quantity (`MEDIAN_PURITY`, `SHARE_PURE`), and
    its value as `mean` with the bootstrap interval over heads.
    """
    statistics = {MEDIAN_PURITY: np.median, SHARE_PURE: lambda purity, axis=None: np.mean(purity >= PURE, axis=axis)}
    rows = [
        (*key, quantity, float(statistic(group["purity"])), *bootstrap_interval(statistic, group["purity"]))
        for key, group in heads.groupby(KEY, sort=False)
        for quantity, statistic in statistics.items()
    ]
    return pd.DataFrame(rows, columns=[*KEY, "quantity", "mean", "low", "high"])


def changed(heads: pd.DataFrame) -> pd.DataFrame:
    """Compare heads before and after fine-tuning, from `by_head`: task, seed, quantity, mean, low, high.

    `CHANGED` is the share of heads whose main pattern is another one, `DISTANCE` the mean over heads of the distance
    between their pattern shares (half the sum of absolute differences, 0 to 1); intervals are bootstraps over heads.
    """
    rows = []
    for key, group in _before_and_after(heads).groupby(["task", "seed"], sort=False):
        sides = (group[[f"{pattern} {side}" for pattern in PATTERNS]].to_numpy() for side in (BEFORE, AFTER))
        differs = group[f"main {BEFORE}"].to_numpy() != group[f"main {AFTER}"].to_numpy()
        quantities = {CHANGED: differs.astype(float), DISTANCE: np.abs(np.subtract(*sides)).sum(1) / 2}
        rows += [
            (*key, name, float(values.mean()), *bootstrap_interval(np.mean, values))
            for name, values in quantities.items()
        ]
    return pd.DataFrame(rows, columns=["task", "seed", "quantity", "mean", "low", "high"])


def moves(heads: pd.DataFrame) -> pd.DataFrame:
    """Count heads by main pattern before (rows) and after (columns) fine-tuning, over all tasks and seeds."""
    pairs = _before_and_after(heads)
    table = pd.crosstab(pairs[f"main {BEFORE}"], pairs[f"main {AFTER}"])
    table = table.reindex(index=PATTERNS, columns=PATTERNS, fill_value=0)
    return table.rename_axis(index="before", columns="after")


def annotated_shares(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the share of each agreed label by checkpoint: checkpoint, pattern, n (its maps), mean, low, high.

    Only the main draw counts, a sample of all heads and tasks: it checks corrected shares without a classifier. The
    interval is a bootstrap over heads.
    """
    tables = []
    for checkpoint, group in labels[labels["draw"] == "main"].groupby("checkpoint", sort=False):
        of_head = head_tables(group, group["pattern"], group["pattern"]).sum(2)  # head, pattern
        drawn = resampled(len(of_head), HEADS) @ of_head
        low, high = bounds(drawn / drawn.sum(1, keepdims=True))
        columns = {"n": of_head.sum(0).astype(int), "mean": of_head.sum(0) / of_head.sum(), "low": low, "high": high}
        tables.append(pd.DataFrame({"checkpoint": checkpoint, "pattern": PATTERNS, **columns}))
    return pd.concat(tables, ignore_index=True)


def over_fine_tunings(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Average over seeds as `over_seeds` does, for intervals that more seeds would not narrow.

    The seeds share their examples and the classifier, whose error is the same in each. With several seeds the interval
    joins (as the root of the sum of squares) that over seeds with the mean of the seeds' own.
    """
    averaged = over_seeds(table, by)
    if not len(averaged) or averaged["n_seeds"].iloc[0] == 1:
        return averaged
    own = table.groupby(list(by), sort=False)[["mean", "low", "high"]].mean().reset_index()
    below, above = (np.hypot(averaged[side] - averaged["mean"], own[side] - own["mean"]) for side in ("low", "high"))
    return averaged.assign(low=averaged["mean"] - below, high=averaged["mean"] + above)


def _groups(classified: pd.DataFrame) -> Iterator[tuple[tuple[Hashable, ...], np.ndarray]]:
    """Yield each task, seed and checkpoint with what was seen: 1 for the pattern of (example, layer, head, pattern)."""
    for key, group in classified.groupby(KEY, sort=False):
        codes, examples = pd.factorize(group["example"], sort=True)
        shape = (len(examples), group["layer"].max() + 1, group["head"].max() + 1, len(PATTERNS))
        patterns = pd.Index(PATTERNS).get_indexer(group["pattern"])
        seen = np.zeros(shape, dtype=bool)
        seen[codes, group["layer"].to_numpy(), group["head"].to_numpy(), patterns] = True
        if (patterns < 0).any() or len(group) != seen[..., 0].size or not seen.any(-1).all():
            raise ValueError(f"{key}: each example needs one of the five patterns for every layer and head")
        yield key, seen


def _before_and_after(heads: pd.DataFrame) -> pd.DataFrame:
    before, after = (heads[heads["checkpoint"] == checkpoint] for checkpoint in (BEFORE, AFTER))
    key, suffixes = ["task", "layer", "head"], (f" {AFTER}", f" {BEFORE}")
    pairs = after.merge(before.drop(columns="seed"), on=key, how="left", suffixes=suffixes, validate="many_to_one")
    if pairs[f"main {BEFORE}"].isna().any():
        raise ValueError("some fine-tuned heads have no patterns from before fine-tuning")
    return pairs
