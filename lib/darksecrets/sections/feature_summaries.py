"""Section 4.4 in tables: the attention that words and special tokens receive, by head, by layer and overall, before
and after fine-tuning, plain and weighted by norms, and in both readings; all with intervals over examples.

`by_example` turns the table of `analyses.feature_attention` into one block of numbers per task, checkpoint, seed,
reading and measure; every other function takes these blocks. A mean is over the examples that have the feature, and
what no example has is left out. Explained in the chapter *What heads attend to: linguistic features*.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.corpora.annotation import FEATURES
from darksecrets.models.feature_attention import CLS, FEATURE_COLUMNS, NORM, SEP_SUM, WEIGHT
from darksecrets.statistics import holm, interval_of_mean, interval_of_present, p_of_interval, rank_correlation

PUNCTUATION = "punctuation"
WORDS = tuple(feature for feature in FEATURES if feature != PUNCTUATION)
SPECIAL = "special tokens"  # [CLS] and every [SEP], added up
PAPER, RELEASED = "paper", "released"
KEY = ["task", "checkpoint", "seed", "reading", "measure"]
LAYERS = ("layer",)
HEADS = ("layer", "head")


@dataclass(frozen=True)
class Block:
    """What one model pays attention to on one task: `values` (example, layer, head, feature), NaN where an example
    lacks the feature; `examples` are their sorted ids, and `sure` says of each whether the parser is to be relied on.
    """

    task: str
    checkpoint: str
    seed: int
    reading: str
    measure: str
    features: tuple[str, ...]
    examples: np.ndarray
    sure: np.ndarray
    values: np.ndarray

    @property
    def n_layers(self) -> int:
        """Number of layers of the model."""
        return self.values.shape[1]

    def averaged(self, by: Sequence[str] = ()) -> np.ndarray:
        """Average an example's heads, or a layer's: (example, *by, feature), with `by` of (), LAYERS or HEADS."""
        return self.values.mean(tuple(range(1 + len(by), 3)), dtype=float)

    def of(self, feature: str, by: Sequence[str] = ()) -> np.ndarray:
        """Return one feature of `averaged`, the sum of all special tokens among them: (example, *by)."""
        if feature == SPECIAL:
            return self.of(CLS, by) + self.of(SEP_SUM, by)
        one = self.values[..., self.features.index(feature)]
        return one.mean(tuple(range(1 + len(by), 3)), dtype=float)

    def with_special(self) -> "Block":
        """Return the block with the sum of all special tokens as one more feature."""
        values = np.concatenate([self.values, self.of(SPECIAL, HEADS)[..., None]], axis=-1)
        return replace(self, features=(*self.features, SPECIAL), values=values)

    def kept(self, rows: np.ndarray) -> "Block":
        """Return the block of some of the examples, given as places or as a mask."""
        return replace(self, examples=self.examples[rows], sure=self.sure[rows], values=self.values[rows])


def by_example(features: pd.DataFrame) -> list[Block]:
    """Gather the rows of each task, checkpoint, seed, reading and measure, in the order in which these appear.

    Raises ValueError where an example has no row, or two, for a layer and head.
    """
    columns = tuple(name for name in FEATURE_COLUMNS if name in features)
    table = features.assign(example=features["example"].astype("category"))
    return [_block(key, group, columns) for key, group in table.groupby(KEY, sort=False, observed=True) if len(group)]


def plain(blocks: Iterable[Block]) -> list[Block]:
    """Return the blocks of plain weights in reading `paper`: what Figure 6 shows."""
    return [one for one in blocks if (one.reading, one.measure) == (PAPER, WEIGHT)]


def by_head(blocks: Iterable[Block]) -> pd.DataFrame:
    """Average over examples: task, checkpoint, seed, reading, measure, layer, head, feature, mean, low, high,
    n_examples (those that have the feature).
    """
    return _summaries(blocks, HEADS)


def by_layer(blocks: Iterable[Block]) -> pd.DataFrame:
    """Average as `by_head` does, over a layer's heads within an example first: the same columns without head."""
    return _summaries(blocks, LAYERS)


def overall(blocks: Iterable[Block]) -> pd.DataFrame:
    """Average as `by_head` does, over all heads within an example first: the same columns without layer and head."""
    return _summaries(blocks, ())


def changes(blocks: Sequence[Block], by: Sequence[str] = ()) -> pd.DataFrame:
    """Compare fine-tuned with pre-trained, paired by example: `mean`, `low`, `high` of the difference and `p`.

    One row per task, seed, reading, measure, `by` ((), LAYERS or HEADS) and feature, with `before` and `after` and
    n_examples. `p` is of a paired t-test; `p_corrected` is Holm's, within a seed, reading and measure: over tasks and
    features, or with `by` over a task's and feature's layers or heads. Raises ValueError for unpaired blocks.
    """
    before = {(one.task, one.reading, one.measure): one for one in blocks if one.checkpoint == BEFORE}
    pairs = [(before.get((one.task, one.reading, one.measure)), one) for one in blocks if one.checkpoint == AFTER]
    table = _paired(pairs, by).drop(columns="checkpoint")
    family = ["seed", "reading", "measure", *(["task", "feature"] if by else [])]
    return table.assign(p_corrected=table.groupby(family, sort=False)["p"].transform(lambda p: holm(p.to_numpy())))


def change_of_means(heads: pd.DataFrame) -> pd.DataFrame:
    """Subtract the pre-trained mean from the fine-tuned one, from `by_head`: where the examples are no longer there.

    Columns task, seed, layer, head, feature, mean; low and high are NaN, since means do not say how far the two vary
    together.
    """
    key = ["task", "layer", "head", "feature"]
    before, after = (heads[heads["checkpoint"] == checkpoint] for checkpoint in (BEFORE, AFTER))
    both = after.merge(before[[*key, "mean"]], on=key, suffixes=("", " before"), validate="many_to_one")
    both = both.assign(mean=both["mean"] - both["mean before"], low=np.nan, high=np.nan)
    return both[["task", "seed", *key[1:], "mean", "low", "high"]]


def special_shares(blocks: Iterable[Block], by: Sequence[str] = LAYERS) -> pd.DataFrame:
    """Average the share of attention that special tokens get: task, checkpoint, seed, measure, `by`, mean, low, high,
    n_examples; measures weight and norm.
    """
    chosen = [one.with_special() for one in blocks if one.reading == PAPER and one.measure in (WEIGHT, NORM)]
    table = _summaries(chosen, by)
    return table[table["feature"] == SPECIAL].drop(columns=["reading", "feature"]).reset_index(drop=True)


def readings(blocks: Sequence[Block]) -> pd.DataFrame:
    """Compare what the released notebook computes with what the text says: one row per task, checkpoint, seed, feature.

    `paper` and `released` are averages over all heads and over the examples that the reading counts; `mean`, `low`,
    `high` their difference, released minus paper (t-interval over examples; that both readings leave out others is part
    of it). `correlation`, `correlation_low`, `correlation_high`: Spearman's over heads, 1 where both rank heads alike,
    with its bootstrap interval over heads; NaN where one reading has the same for all heads. `n_examples` and
    `n_released`: how many examples each reading counts; a feature of which one of them counts none has no row.
    """
    released = {(one.task, one.checkpoint, one.seed): one for one in blocks if one.reading == RELEASED}
    rows = []
    for paper in plain(blocks):
        key = (paper.task, paper.checkpoint, paper.seed)
        if key in released:
            other = _aligned(paper, released[key])
            rows += [(*key, feature, *_reading(paper, other, feature)) for feature in paper.features]
    numbers = ["paper", "released", "mean", "low", "high", "correlation", "correlation_low", "correlation_high"]
    counts = ["n_examples", "n_released"]
    table = pd.DataFrame(rows, columns=["task", "checkpoint", "seed", "feature", *numbers, *counts])
    return table[(table[counts] > 0).all(axis=1)].reset_index(drop=True)


def _block(key: tuple, group: pd.DataFrame, columns: tuple[str, ...]) -> Block:
    codes, first, examples = np.unique(group["example"].cat.codes, return_index=True, return_inverse=True)
    layers, heads = group["layer"].to_numpy(), group["head"].to_numpy()
    shape = (len(codes), layers.max() + 1, heads.max() + 1)
    filled = np.zeros(shape, dtype=bool)
    filled[examples, layers, heads] = True
    if not filled.all() or len(group) != filled.size:
        raise ValueError(f"{key}: each example needs one row for every layer and head")
    values = np.empty((*shape, len(columns)), dtype=np.float32)
    values[examples, layers, heads] = group[list(columns)].to_numpy(np.float32)
    ids = group["example"].cat.categories[codes].to_numpy()
    return Block(*key, columns, ids, group["sure"].to_numpy(bool)[first], values)


def _summaries(blocks: Iterable[Block], by: Sequence[str]) -> pd.DataFrame:
    names = ("mean", "low", "high", "n_examples")
    tables = [_table(one, by, dict(zip(names, interval_of_present(one.averaged(by)), strict=True))) for one in blocks]
    return _joined(tables)


def _paired(pairs: Iterable[tuple[Block | None, Block]], by: Sequence[str]) -> pd.DataFrame:
    """Tabulate the second of each pair minus the first, with both means, over examples with both."""
    tables = []
    for one, other in pairs:
        if one is None:
            raise ValueError(f"{other.task}, seed {other.seed}: no {other.measure} of {other.reading} to compare with")
        sides = np.stack([block.averaged(by) for block in (one, _aligned(one, other))])
        mean, low, high, n = interval_of_present(sides[1] - sides[0])
        both = np.where(np.isnan(sides).any(0), np.nan, sides)
        first, second = interval_of_present(both, axis=1)[0]
        numbers = {"before": first, "after": second, "mean": mean, "low": low, "high": high}
        tables.append(_table(other, by, {**numbers, "p": p_of_interval(mean, low, high, n), "n_examples": n}))
    return _joined(tables)


def _aligned(one: Block, other: Block) -> Block:
    if not np.array_equal(one.examples, other.examples):
        raise ValueError(f"{one.task}: {other.checkpoint}, {other.reading}, {other.measure} has other examples")
    return other


def _table(block: Block, by: Sequence[str], numbers: dict[str, np.ndarray]) -> pd.DataFrame:
    """Lay arrays (*by, feature) out as a table with the block's key."""
    sizes = block.values.shape[1 : 1 + len(by)]
    index = pd.MultiIndex.from_product([*map(range, sizes), block.features], names=[*by, "feature"])
    table = pd.DataFrame({name: array.ravel() for name, array in numbers.items()}, index=index).reset_index()
    for place, name in enumerate(KEY):
        table.insert(place, name, getattr(block, name))
    return table


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    if not tables:
        raise ValueError("no attention to features of this kind")
    table = pd.concat(tables, ignore_index=True)
    return table[table["n_examples"] > 0].reset_index(drop=True)


def _reading(paper: Block, released: Block, feature: str) -> tuple[float, ...]:
    sides = [block.of(feature) for block in (paper, released)]  # each (example,)
    counts = [int((~np.isnan(values)).sum()) for values in sides]
    if not all(counts):
        return *[np.nan] * 8, *counts
    difference = _linearized(sides[1]) - _linearized(sides[0])
    by_heads = [block.of(feature, HEADS) for block in (paper, released)]  # example, layer, head
    correlation = rank_correlation(*(interval_of_present(values)[0].ravel() for values in by_heads))
    return *map(np.nanmean, sides), *map(float, interval_of_mean(difference)), *correlation, *counts


def _linearized(values: np.ndarray) -> np.ndarray:
    """Return each example's part in the mean of those that are present, so that the parts have that mean.

    It is a ratio, of a sum over examples and how many are present: its linear part is each example's own.
    """
    mean, present = np.nanmean(values), ~np.isnan(values)
    return mean + np.where(present, values - mean, 0) / present.mean()
