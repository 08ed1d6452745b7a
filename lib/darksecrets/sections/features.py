"""Section 4.4, Figure 6: the attention that words and special tokens receive, summarized and drawn.

`models.feature_attention` measures it, for every example and head. `feature_weights` makes arrays of its table, and
what follows averages them by head, by layer and overall, before and after fine-tuning, plain and weighted by norms, in
both readings, with intervals over examples. A mean is over the examples that have the feature, and what no example has
is left out. What the paper says of these numbers is judged in `feature_claims`. Explained in the chapter *What heads
attend to: linguistic features*.

Tables count layers and heads from 0, charts from 1. Where a table has several seeds, charts show the mean over them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import altair as alt
import numpy as np
import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.corpora.annotation import FEATURES
from darksecrets.figures import charts, head_charts
from darksecrets.figures.charts import FEATURE_COLOURS, SCALES, WIDTH, counted_from_one, menus_of, present, wrapped
from darksecrets.figures.views import WEIGHT as WEIGHT_TITLE
from darksecrets.models.feature_attention import CLS, FEATURE_COLUMNS, NORM, SEP, SEP_SUM, WEIGHT
from darksecrets.statistics import (
    SIGNIFICANT,
    holm,
    interval_of_mean,
    interval_of_present,
    p_of_interval,
    rank_correlation,
)

PUNCTUATION = "punctuation"
WORDS = tuple(feature for feature in FEATURES if feature != PUNCTUATION)
SPECIAL = "special tokens"  # [CLS] and every [SEP], added up
PAPER, RELEASED = "paper", "released"
KEY = ["task", "checkpoint", "seed", "reading", "measure"]
OVERALL, LAYERS, HEADS = (), ("layer",), ("layer", "head")  # what a mean is by
# Of the charts:
SPECIAL_TOKENS = (CLS, SEP, SEP_SUM)
MEASURES = dict(zip((WEIGHT, NORM), SCALES["measure"].domain, strict=True))
CLEAR, UNCLEAR = "differs from 0 (corrected)", "may be 0"
GREY = "#8c8c8c"
DIGITS = ".4f"


@dataclass(frozen=True)
class FeatureWeights:
    """The attention that one model pays on one task: `values` (example, layer, head, feature), NaN where an example
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

    def mean(self, feature: str | None = None, by: Sequence[str] = OVERALL) -> np.ndarray:
        """Average an example's heads, or a layer's: of one feature (example, *by), of all (example, *by, feature).

        The feature may be `SPECIAL`.
        """
        if feature == SPECIAL:
            return self.mean(CLS, by) + self.mean(SEP_SUM, by)
        values = self.values if feature is None else self.values[..., self.features.index(feature)]
        return values.mean(tuple(range(1 + len(by), 3)), dtype=float)

    def kept(self, rows: np.ndarray) -> "FeatureWeights":
        """Return the weights of some of the examples, given by their positions or as a mask."""
        return replace(self, examples=self.examples[rows], sure=self.sure[rows], values=self.values[rows])


def feature_weights(table: pd.DataFrame) -> list[FeatureWeights]:
    """Gather the rows of each task, checkpoint, seed, reading and measure, in the order in which these appear.

    `table` is that of `FeatureAttention`, with these columns and `sure`. Raises ValueError where an example has no
    row, or two, for a layer and head.
    """
    columns = tuple(name for name in FEATURE_COLUMNS if name in table)
    place = ["example", "layer", "head"]
    gathered = []
    for key, group in table.groupby(KEY, sort=False, observed=True):
        group = group.sort_values(place)
        shape = (group["example"].nunique(), group["layer"].max() + 1, group["head"].max() + 1)
        if len(group) != np.prod(shape) or group.duplicated(place).any():
            raise ValueError(f"{key}: each example needs one row for every layer and head")
        values = np.ascontiguousarray(group[list(columns)], dtype=np.float32).reshape(*shape, -1)
        examples = group.iloc[:: shape[1] * shape[2]]
        ids, sure = examples["example"].to_numpy(), examples["sure"].to_numpy(bool)
        gathered.append(FeatureWeights(*key, columns, ids, sure, values))
    return gathered


def plain(weights: Iterable[FeatureWeights]) -> list[FeatureWeights]:
    """Return the plain weights in reading `paper`: what Figure 6 shows."""
    return [one for one in weights if (one.reading, one.measure) == (PAPER, WEIGHT)]


def means(weights: Iterable[FeatureWeights], by: Sequence[str] = HEADS) -> pd.DataFrame:
    """Average over examples: task, checkpoint, seed, reading, measure, `by`, feature, mean, low, high, n_examples.

    `by` is HEADS, LAYERS or OVERALL: a layer's heads, or all, are averaged within an example first. `n_examples` are
    those that have the feature.
    """
    names = ("mean", "low", "high", "n_examples")
    return _joined(
        _table(one, by, dict(zip(names, interval_of_present(one.mean(by=by)), strict=True))) for one in weights
    )


def changes(weights: Sequence[FeatureWeights], by: Sequence[str] = OVERALL) -> pd.DataFrame:
    """Compare fine-tuned with pre-trained, paired by example: `mean`, `low`, `high` of the difference and `p`.

    One row per task, seed, reading, measure, `by` (as in `means`) and feature, with `before` and `after` and
    n_examples. `p` is of a paired t-test; `p_corrected` is Holm's, within a seed, reading and measure: over tasks and
    features, or with `by` over a task's and feature's layers or heads. Raises ValueError for unpaired weights.
    """
    pre_trained = {(one.task, one.reading, one.measure): one for one in weights if one.checkpoint == BEFORE}
    tables = []
    for tuned in weights:
        if tuned.checkpoint != AFTER:
            continue
        if (before := pre_trained.get((tuned.task, tuned.reading, tuned.measure))) is None:
            raise ValueError(f"{tuned.task}, seed {tuned.seed}: no {tuned.measure} of {tuned.reading} to compare with")
        _check_same_examples(before, tuned)
        sides = np.stack([one.mean(by=by) for one in (before, tuned)])
        mean, low, high, n = interval_of_present(sides[1] - sides[0])
        in_both = np.where(np.isnan(sides).any(0), np.nan, sides)
        first, second = interval_of_present(in_both, axis=1)[0]
        numbers = {"before": first, "after": second, "mean": mean, "low": low, "high": high}
        tables.append(_table(tuned, by, {**numbers, "p": p_of_interval(mean, low, high, n), "n_examples": n}))
    table = _joined(tables).drop(columns="checkpoint")
    family = ["seed", "reading", "measure", *(["task", "feature"] if by else [])]
    return table.assign(p_corrected=table.groupby(family, sort=False)["p"].transform(lambda p: holm(p.to_numpy())))


def change_of_means(heads: pd.DataFrame) -> pd.DataFrame:
    """Subtract the pre-trained mean from the fine-tuned one, from `means`: where the examples are no longer there.

    Columns task, seed, layer, head, feature, mean; low and high are NaN, since means do not say how far the two vary
    together.
    """
    key = ["task", "layer", "head", "feature"]
    before, after = (heads[heads["checkpoint"] == checkpoint] for checkpoint in (BEFORE, AFTER))
    both = after.merge(before[[*key, "mean"]], on=key, suffixes=("", " before"), validate="many_to_one")
    both = both.assign(mean=both["mean"] - both["mean before"], low=np.nan, high=np.nan)
    return both[["task", "seed", *key[1:], "mean", "low", "high"]]


def special_shares(weights: Iterable[FeatureWeights], by: Sequence[str] = LAYERS) -> pd.DataFrame:
    """Average the share of attention that special tokens get: task, checkpoint, seed, measure, `by`, mean, low, high,
    n_examples; measures weight and norm.
    """
    chosen = []
    for one in weights:
        if one.reading == PAPER and one.measure in MEASURES:
            values = np.concatenate([one.values, one.mean(SPECIAL, HEADS)[..., None]], axis=-1)
            chosen.append(replace(one, features=(*one.features, SPECIAL), values=values))
    table = means(chosen, by)
    return table[table["feature"] == SPECIAL].drop(columns=["reading", "feature"]).reset_index(drop=True)


def readings(weights: Sequence[FeatureWeights]) -> pd.DataFrame:
    """Compare what the released notebook computes with what the text says: one row per task, checkpoint, seed, feature.

    `paper` and `released` are averages over all heads and over the examples that the reading counts; `mean`, `low`,
    `high` their difference, released minus paper (t-interval over examples; that both readings leave out others is part
    of it). `correlation`, `correlation_low`, `correlation_high`: Spearman's over heads, 1 where both rank heads alike,
    with its bootstrap interval over heads; NaN where one reading has the same for all heads. `n_examples` and
    `n_released`: how many examples each reading counts; a feature of which one of them counts none has no row.
    """
    released = {(one.task, one.checkpoint, one.seed): one for one in weights if one.reading == RELEASED}
    rows = []
    for paper in plain(weights):
        key = (paper.task, paper.checkpoint, paper.seed)
        if key in released:
            _check_same_examples(paper, released[key])
            rows += [(*key, feature, *_compared(paper, released[key], feature)) for feature in paper.features]
    numbers = ["paper", "released", "mean", "low", "high", "correlation", "correlation_low", "correlation_high"]
    table = pd.DataFrame(rows, columns=[*KEY[:3], "feature", *numbers, "n_examples", "n_released"])
    return table[table["n_examples"] > 0].reset_index(drop=True)


def _compared(paper: FeatureWeights, released: FeatureWeights, feature: str) -> tuple[float, ...]:
    """Return what `readings` has of a feature, from its first number on; NaN where a reading counts no example."""
    means, parts, by_head, counts = [], [], [], []
    for one in (paper, released):
        values = one.mean(feature)  # (example,)
        is_present = ~np.isnan(values)
        counts.append(int(is_present.sum()))
        if not counts[-1]:
            return (np.nan,) * 8 + (0, 0)
        means.append(np.nanmean(values))
        # The mean of those present is a ratio, of a sum and their number: its linear part is each example's own.
        parts.append(means[-1] + np.where(is_present, values - means[-1], 0) / is_present.mean())
        by_head.append(interval_of_present(one.mean(feature, HEADS))[0].ravel())
    return *means, *map(float, interval_of_mean(parts[1] - parts[0])), *rank_correlation(*by_head), *counts


def _check_same_examples(one: FeatureWeights, other: FeatureWeights) -> None:
    if not np.array_equal(one.examples, other.examples):
        raise ValueError(f"{one.task}: {other.checkpoint}, {other.reading}, {other.measure} has other examples")


def _table(weights: FeatureWeights, by: Sequence[str], numbers: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Make a table of arrays (*by, feature), with the task, checkpoint, ... of the weights."""
    sizes = weights.values.shape[1 : 1 + len(by)]
    index = pd.MultiIndex.from_product([*map(range, sizes), weights.features], names=[*by, "feature"])
    table = pd.DataFrame({name: array.ravel() for name, array in numbers.items()}, index=index).reset_index()
    return table.assign(**{name: getattr(weights, name) for name in KEY})[[*KEY, *table]]


def _joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    if not (tables := list(tables)):
        raise ValueError("no attention to features of this kind")
    table = pd.concat(tables, ignore_index=True)
    return table[table["n_examples"] > 0].reset_index(drop=True)


def head_chart(table: pd.DataFrame, changed: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Draw Figure 6: the attention that a feature receives from each head and, below, what fine-tuning changed of it.

    `table` has one row per task, checkpoint, seed, feature, layer and head, `changed` (fine-tuned minus pre-trained,
    paired) the same without checkpoint; both have mean, low and high of a t-interval, and tooltips give that of the
    change. Menus choose run, task, feature and checkpoint.
    """
    key = present(table, "run", "task", "feature")
    heads = [*key, "layer", "head"]
    both = charts.averaged(table, [*heads, "checkpoint"])
    by_checkpoint = both.pivot(index=heads, columns="checkpoint", values="mean").astype(float)
    change = head_charts.with_margin(charts.averaged(changed, heads), heads, "change").set_index(heads)
    packed = head_charts.packed(change.join(by_checkpoint).reset_index(), key)
    chosen, checkpoint = menus_of(packed, *key, first=(CLS,)), menus_of(both, "checkpoint")
    weights = head_charts.cells(packed, chosen, "attention", WEIGHT_TITLE, "chosen_checkpoint", title)
    below = head_charts.cells(packed, chosen, "change", "change of the weight by fine-tuning", "change")
    chart = alt.vconcat(weights, below).resolve_scale(color="independent")
    return chart.add_params(*chosen.values(), *checkpoint.values())


def layer_chart(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw the attention that features receive by layer: strong curves with intervals for [CLS] and [SEP], thin ones
    for words; fine-tuned solid, pre-trained dashed; a menu chooses the task.

    `table` has one row per task, checkpoint, seed, feature and layer, with mean, low and high.
    """
    layers = counted_from_one(charts.averaged(table, ["run", "task", "checkpoint", "feature", "layer"]))
    color = alt.Color("feature:N", scale=SCALES["feature"], legend=_legend(layers))
    (band, line, point), menus = _over_layers(layers, "feature", color, WEIGHT_TITLE, WEIGHT_TITLE, title, 280, DIGITS)
    special = alt.FieldOneOfPredicate("feature", list(SPECIAL_TOKENS))
    return alt.layer(
        band.transform_filter(special),
        line.transform_filter({"not": special}).mark_line(strokeWidth=1),
        line.transform_filter(special).mark_line(strokeWidth=3),
        point,
    ).add_params(*menus.values())


def share_chart(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw which share of attention goes to special tokens by layer, of plain weights and of weights times the norms of
    the transformed values (Kobayashi et al. 2020); fine-tuned solid, pre-trained dashed; a menu chooses the task.

    `table` is that of `special_shares`.
    """
    layers = counted_from_one(charts.averaged(table, ["run", "task", "checkpoint", "measure", "layer"]))
    layers = layers.assign(measure=layers["measure"].map(MEASURES))
    legend = alt.Legend(orient="bottom", title=None, labelLimit=WIDTH, columns=1, symbolOpacity=1)
    color = alt.Color("measure:N", scale=SCALES["measure"], legend=legend)
    axis, told = "share that [CLS] and [SEP] receive", "share of special tokens"
    marks, menus = _over_layers(layers, "measure", color, axis, told, title, 220)
    return alt.layer(*marks).add_params(*menus.values())


def increase_chart(changed: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Draw what fine-tuning changes of the attention that each feature receives: words above, special tokens below.

    `changed` (`feature_claims.averaged_changes`) has one row per task and feature, with mean, low, high and
    `p_corrected`. The two parts have their own axes, since special tokens change much more.
    """
    clear = np.where(changed["p_corrected"] < SIGNIFICANT, CLEAR, UNCLEAR)
    columns = present(changed, "run", "task", "feature", "mean", "low", "high")
    table = counted_from_one(changed[columns].assign(clear=clear))
    menus = menus_of(table, "run")
    is_special = table["feature"].isin(SPECIAL_TOKENS)
    words = _change_dots(table[~is_special], menus, "change, words (hollow: may be 0)")
    tokens = _change_dots(table[is_special], menus, "change, special tokens (an axis of its own)")
    return alt.vconcat(words.properties(title=wrapped(title)), tokens).add_params(*menus.values())


def cls_chart(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw what [CLS] attends to in the last layer: for every task, the weight that each feature receives from it.

    `table` (`feature_claims.targets`) has one row per task and feature, with mean, low and high.
    """
    table = counted_from_one(table[present(table, "run", "task", "feature", "mean", "low", "high")])
    menus = menus_of(table, "run")
    base = charts.filtered(alt.Chart(table, width=WIDTH, height=alt.Step(7), title=wrapped(title)), menus).encode(
        y=alt.Y("task:N", title=None, sort=None, scale=alt.Scale(paddingInner=0.15)),
        yOffset=alt.YOffset("feature:N", sort=list(FEATURE_COLOURS)),
        color=alt.Color("feature:N", scale=SCALES["feature"], legend=_legend(table)),
        tooltip=["task", "feature", *charts.interval_tooltips(WEIGHT_TITLE, DIGITS)],
    )
    return alt.layer(*charts.dots(base, f"{WEIGHT_TITLE} from [CLS]")).add_params(*menus.values())


def reading_chart(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Compare the weights that the readings `paper` and `released` give each feature; menus choose task and checkpoint.

    `table` is that of `readings`.
    """
    key, both = present(table, "run", "task", "checkpoint", "feature"), list(SCALES["reading"].domain)
    table = counted_from_one(table.groupby(key, sort=False, observed=True)[both].mean().reset_index())
    menus = menus_of(table, "run", "task", "checkpoint")
    base = charts.filtered(alt.Chart(table, width=WIDTH, height=alt.Step(charts.STEP), title=wrapped(title)), menus)
    base = base.encode(y=alt.Y("feature:N", title=None, sort=list(FEATURE_COLOURS)))
    legend = alt.Legend(orient="bottom", title="reading")
    between = base.mark_rule(color=GREY).encode(x=f"{both[0]}:Q", x2=f"{both[1]}:Q")
    points = base.transform_fold(both, as_=["reading", "weight"]).mark_point(filled=True, size=60, opacity=1)
    points = points.encode(
        x=charts.square_root(alt.X, "weight", f"{WEIGHT_TITLE} (square-root axis)", table[both].max().max()),
        color=alt.Color("reading:N", scale=SCALES["reading"], legend=legend),
        shape=alt.Shape("reading:N", scale=alt.Scale(domain=both), legend=legend),
        tooltip=[*key, *(alt.Tooltip(f"{name}:Q", format=DIGITS) for name in both)],
    )
    return alt.layer(between, points).add_params(*menus.values())


def _over_layers(
    table: pd.DataFrame, what: str, color: alt.Color, axis: str, told: str, title: str, height: int, digits: str = ".3f"
) -> tuple[list[alt.Chart], dict[str, alt.Parameter]]:
    """Draw curves over layers for each `what`: bands, lines (dashed before fine-tuning) and points; and their menus."""
    menus = menus_of(table, "run", "task")
    base = charts.filtered(alt.Chart(table, width=WIDTH, height=height, title=wrapped(title)), menus).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
        color=color,
        tooltip=["task", "checkpoint", what, "layer", *charts.interval_tooltips(told, digits)],
    )
    band, line, point = charts.curves(base.encode(detail="checkpoint:N"), axis)
    legend = alt.Legend(orient="top", title=None, symbolType="stroke", symbolStrokeWidth=2, symbolSize=300)
    dashes = alt.StrokeDash("checkpoint:N", scale=SCALES["checkpoint"], legend=legend)
    return [band, line.encode(strokeDash=dashes), point], menus


def _change_dots(table: pd.DataFrame, menus: dict[str, alt.Parameter], axis: str) -> alt.LayerChart:
    """Draw a row per feature and, in it, a dot per task; hollow where the change may be 0."""
    legend = alt.Legend(orient="bottom", columns=4, values=list(table["task"].unique()))
    base = charts.filtered(alt.Chart(table, width=WIDTH, height=alt.Step(7)), menus).encode(
        y=alt.Y("feature:N", title=None, sort=list(FEATURE_COLOURS), scale=alt.Scale(paddingInner=0.2)),
        yOffset=alt.YOffset("task:N", sort=SCALES["task"].domain),
        color=alt.Color("task:N", scale=SCALES["task"], legend=legend),
        tooltip=[
            "task",
            "feature",
            alt.Tooltip("clear:N", title="the change"),
            *charts.interval_tooltips("change", DIGITS),
        ],
    )
    intervals, points = charts.dots(base, axis, ".4~f")
    fill = alt.condition(alt.datum.clear == CLEAR, alt.Fill("task:N", scale=SCALES["task"]), alt.value("white"))
    points = points.mark_point(filled=False, size=40, opacity=1).encode(fill=fill)
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=GREY, strokeDash=[2, 2]).encode(x="zero:Q")
    return alt.layer(zero, intervals, points)


def _legend(table: pd.DataFrame) -> alt.Legend:
    """Name the features that the table has, in the book's order."""
    there = set(table["feature"])
    values = [feature for feature in FEATURE_COLOURS if feature in there]
    return alt.Legend(orient="bottom", columns=3, title=None, values=values, symbolOpacity=1)
