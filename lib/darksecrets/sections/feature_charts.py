"""Charts of attention to linguistic features (Sections 4.4 and 4.5): heads, layers, changes, and what [CLS] looks at.

Tables count layers and heads from 0; what a reader sees counts from 1. Where a table has several seeds, the mean over
them is shown.
"""

import altair as alt
import numpy as np
import pandas as pd

from darksecrets.figures import head_charts
from darksecrets.figures.charts import (
    FEATURE_COLOURS,
    SCALES,
    STEP,
    WIDTH,
    averaged,
    counted_from_one,
    curves,
    dots,
    filtered,
    interval_tooltips,
    menus_of,
    present,
    square_root,
    wrapped,
)
from darksecrets.figures.views import WEIGHT
from darksecrets.models.feature_attention import CLS, NORM, SEP, SEP_SUM
from darksecrets.models.feature_attention import WEIGHT as PLAIN
from darksecrets.statistics import SIGNIFICANT

SPECIAL = (CLS, SEP, SEP_SUM)
MEASURES = dict(zip((PLAIN, NORM), SCALES["measure"].domain, strict=True))
CLEAR, UNCLEAR = "differs from 0 (corrected)", "may be 0"
_DIGITS = ".4f"
_STROKES = alt.Legend(orient="top", title=None, symbolType="stroke", symbolStrokeWidth=2, symbolSize=300)


def by_head(table: pd.DataFrame, changes: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Figure 6: the attention that a feature receives from each head and, below, what fine-tuning changed of it.

    `table` has one row per task, checkpoint, seed, feature, layer and head, `changes` (fine-tuned minus pre-trained,
    paired) the same without checkpoint; both have mean, low and high of a t-interval, and that of the change is told.
    Menus choose run, task, feature and checkpoint.
    """
    key = present(table, "run", "task", "feature")
    heads = [*key, "layer", "head"]
    both = averaged(table, [*heads, "checkpoint"])
    means = both.pivot(index=heads, columns="checkpoint", values="mean").astype(float)
    change = head_charts.with_margin(averaged(changes, heads), heads, "change").set_index(heads)
    joined = change.join(means).reset_index()
    packed = head_charts.packed(joined, key)
    chosen = menus_of(packed, *key, first=(CLS,))
    checkpoint = menus_of(both, "checkpoint")
    weights = head_charts.cells(packed, chosen, "attention", WEIGHT, "chosen_checkpoint", title)
    change = head_charts.cells(packed, chosen, "change", "change of the weight by fine-tuning", "change")
    chart = alt.vconcat(weights, change).resolve_scale(color="independent")
    return chart.add_params(*chosen.values(), *checkpoint.values())


def stripes(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show the attention that features receive by layer: strong curves with intervals for [CLS] and [SEP], thin ones
    for words; fine-tuned solid, pre-trained dashed; a menu chooses the task.

    `table` has one row per task, checkpoint, seed, feature and layer, with mean, low and high.
    """
    layers = counted_from_one(averaged(table, ["run", "task", "checkpoint", "feature", "layer"]))
    menus = menus_of(layers, "run", "task")
    base = _over_layers(layers, menus, title, 280).encode(
        color=alt.Color("feature:N", scale=SCALES["feature"], legend=_legend(layers)),
        tooltip=["task", "checkpoint", "feature", "layer", *interval_tooltips(WEIGHT, _DIGITS)],
    )
    special = alt.FieldOneOfPredicate("feature", list(SPECIAL))
    band, line, point = curves(base.encode(detail="checkpoint:N"), WEIGHT)
    dashed = line.encode(strokeDash=_dashes())
    return alt.layer(
        band.transform_filter(special),
        dashed.transform_filter({"not": special}).mark_line(strokeWidth=1),
        dashed.transform_filter(special).mark_line(strokeWidth=3),
        point,
    ).add_params(*menus.values())


def increases(changes: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Show what fine-tuning changes of the attention that each feature receives: words above, special tokens below.

    `changes` (`evidence.feature_claims.averaged_changes`) has one row per task and feature, with mean, low, high and
    `p_corrected`. The two parts have their own axes, since special tokens change much more.
    """
    clear = np.where(changes["p_corrected"] < SIGNIFICANT, CLEAR, UNCLEAR)
    columns = present(changes, "run", "task", "feature", "mean", "low", "high")
    table = counted_from_one(changes[columns].assign(clear=clear))
    menus = menus_of(table, "run")
    special = table["feature"].isin(SPECIAL)
    words = _changes(table[~special], menus, "change, words (hollow: may be 0)").properties(title=wrapped(title))
    tokens = _changes(table[special], menus, "change, special tokens (an axis of its own)")
    return alt.vconcat(words, tokens).add_params(*menus.values())


def special_shares(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show which share of attention goes to special tokens by layer, of plain weights and of weights times the norms of
    the transformed values (Kobayashi et al. 2020); fine-tuned solid, pre-trained dashed; a menu chooses the task.

    `table` has one row per task, checkpoint, seed, measure ("weight", "norm") and layer, with mean, low and high.
    """
    layers = counted_from_one(averaged(table, ["run", "task", "checkpoint", "measure", "layer"]))
    layers = layers.assign(measure=layers["measure"].map(MEASURES))
    menus = menus_of(layers, "run", "task")
    base = _over_layers(layers, menus, title, 220).encode(
        color=alt.Color(
            "measure:N",
            scale=SCALES["measure"],
            legend=alt.Legend(orient="bottom", title=None, labelLimit=WIDTH, columns=1, symbolOpacity=1),
        ),
        tooltip=["task", "checkpoint", "measure", "layer", *interval_tooltips("share of special tokens")],
    )
    band, line, point = curves(base.encode(detail="checkpoint:N"), "share that [CLS] and [SEP] receive")
    return alt.layer(band, line.encode(strokeDash=_dashes()), point).add_params(*menus.values())


def from_cls(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show what [CLS] attends to in the last layer: for every task, the weight that each feature receives from it.

    `table` (`evidence.feature_report.targets`) has one row per task and feature, with mean, low and high.
    """
    table = counted_from_one(table[present(table, "run", "task", "feature", "mean", "low", "high")])
    menus = menus_of(table, "run")
    base = filtered(alt.Chart(table, width=WIDTH, height=alt.Step(7), title=wrapped(title)), menus).encode(
        y=alt.Y("task:N", title=None, sort=None, scale=alt.Scale(paddingInner=0.15)),
        yOffset=alt.YOffset("feature:N", sort=list(FEATURE_COLOURS)),
        color=alt.Color("feature:N", scale=SCALES["feature"], legend=_legend(table)),
        tooltip=["task", "feature", *interval_tooltips(WEIGHT, _DIGITS)],
    )
    return alt.layer(*dots(base, f"{WEIGHT} from [CLS]")).add_params(*menus.values())


def readings(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Compare the weights that the readings `paper` and `released` give each feature; menus choose task and checkpoint.

    `table` has one row per task, checkpoint, seed and feature, with `paper` and `released`.
    """
    key, both = present(table, "run", "task", "checkpoint", "feature"), list(SCALES["reading"].domain)
    table = counted_from_one(table.groupby(key, sort=False, observed=True)[both].mean().reset_index())
    menus = menus_of(table, "run", "task", "checkpoint")
    base = filtered(alt.Chart(table, width=WIDTH, height=alt.Step(STEP), title=wrapped(title)), menus)
    base = base.encode(y=alt.Y("feature:N", title=None, sort=list(FEATURE_COLOURS)))
    legend = alt.Legend(orient="bottom", title="reading")
    between = base.mark_rule(color="#8c8c8c").encode(x=f"{both[0]}:Q", x2=f"{both[1]}:Q")
    points = base.transform_fold(both, as_=["reading", "weight"]).mark_point(filled=True, size=60, opacity=1)
    points = points.encode(
        x=square_root(alt.X, "weight", f"{WEIGHT} (square-root axis)", table[both].max().max()),
        color=alt.Color("reading:N", scale=SCALES["reading"], legend=legend),
        shape=alt.Shape("reading:N", scale=alt.Scale(domain=both), legend=legend),
        tooltip=[*key, *(alt.Tooltip(f"{name}:Q", format=_DIGITS) for name in both)],
    )
    return alt.layer(between, points).add_params(*menus.values())


def _changes(table: pd.DataFrame, menus: dict[str, alt.Parameter], axis: str) -> alt.LayerChart:
    """Dot plot of changes: a row per feature and, in it, per task; hollow where the change may be 0."""
    colour = {
        "scale": SCALES["task"],
        "legend": alt.Legend(orient="bottom", columns=4, values=list(table["task"].unique())),
    }
    base = filtered(alt.Chart(table, width=WIDTH, height=alt.Step(7)), menus).encode(
        y=alt.Y("feature:N", title=None, sort=list(FEATURE_COLOURS), scale=alt.Scale(paddingInner=0.2)),
        yOffset=alt.YOffset("task:N", sort=SCALES["task"].domain),
        color=alt.Color("task:N", **colour),
        tooltip=["task", "feature", alt.Tooltip("clear:N", title="the change"), *interval_tooltips("change", _DIGITS)],
    )
    intervals, points = dots(base, axis, ".4~f")
    filled = alt.condition(alt.datum.clear == CLEAR, alt.Fill("task:N", scale=SCALES["task"]), alt.value("white"))
    points = points.mark_point(filled=False, size=40, opacity=1).encode(fill=filled)
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="#8c8c8c", strokeDash=[2, 2]).encode(x="zero:Q")
    return alt.layer(zero, intervals, points)


def _over_layers(table: pd.DataFrame, menus: dict[str, alt.Parameter], title: str, height: int) -> alt.Chart:
    """Begin a chart over layers."""
    chart = filtered(alt.Chart(table, width=WIDTH, height=height, title=wrapped(title)), menus)
    return chart.encode(x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)))


def _dashes() -> alt.StrokeDash:
    return alt.StrokeDash("checkpoint:N", scale=SCALES["checkpoint"], legend=_STROKES)


def _legend(table: pd.DataFrame) -> alt.Legend:
    """Name the features that the table has, in the book's order."""
    there = set(table["feature"])
    values = [feature for feature in FEATURE_COLOURS if feature in there]
    return alt.Legend(orient="bottom", columns=3, title=None, values=values, symbolOpacity=1)
