"""Charts of attention patterns (Section 4.1): typical maps, shares per task, layer and head, and confusion.

Tables count layers and heads from 0; what a reader sees counts from 1. Where there are several seeds, the mean over
them is shown.
"""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER, PATTERNS
from darksecrets.errors import InputError
from darksecrets.figures.charts import (
    SCALES,
    STEP,
    WIDTH,
    averaged,
    counted_from_one,
    filtered,
    head_grid,
    interval_tooltips,
    menus_of,
    wrapped,
)
from darksecrets.figures.views import map_heatmap
from darksecrets.sections.pattern_shares import over_fine_tunings

MOST_TOKENS = 24  # of a typical map: more, and their names could not be read on a phone
ALL_TASKS = "all tasks"
BIN = 0.05  # width of a bar of purities
_PER_CENT = ".1%"
_LEGEND = alt.Legend(orient="bottom", columns=2, title=None, symbolOpacity=1)
_COLOUR = alt.Color("pattern:N", scale=SCALES["pattern"], legend=_LEGEND)


def typical_maps(cases: Sequence[tuple[str, str, np.ndarray, Sequence[str]]], title: str) -> alt.ConcatChart:
    """Figure 1: a heat map per case with its tokens, one below the other.

    A case is a pattern, a line that says where the map is from, its weights (query, key) and its tokens, at most
    `MOST_TOKENS` of them (else `InputError`).
    """
    for pattern, _, _, tokens in cases:
        if len(tokens) > MOST_TOKENS:
            raise InputError(
                f"the map shown for {pattern} has {len(tokens)} tokens; at most {MOST_TOKENS} can be read: "
                "choose a shorter input"
            )
    if not cases:
        nothing = pd.DataFrame({"text": [f"no input has at most {MOST_TOKENS} tokens"]})
        return alt.concat(alt.Chart(nothing, width=WIDTH).mark_text().encode(text="text:N"), title=wrapped(title))
    charts = [
        map_heatmap(weights, tokens, "").properties(title=alt.Title(pattern, subtitle=line, anchor="start"))
        for pattern, line, weights, tokens in cases
    ]
    return alt.concat(*charts, columns=1, title=wrapped(title), spacing=30)


def figure_2(shares: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Figure 2: the patterns' shares of each task's maps, stacked, and below it each share with its interval.

    `shares` (`evidence.pattern_shares.shares`, with a column `run`) has one row per run, task, seed, checkpoint and
    pattern: `mean`, low and high are corrected for the classifier's confusion; `observed`, as counted, is a thin tick.
    """
    key = ["run", "task", "checkpoint", "pattern"]
    counted = shares.groupby(key, sort=False)["observed"].mean().reset_index()
    shares = averaged(shares, key, over_fine_tunings).merge(counted, on=key, validate="one_to_one").round(4)
    shares = shares.assign(place=shares["pattern"].map(PATTERNS.index))
    menus = menus_of(shares, "run", "checkpoint")
    columns = ["task", "pattern", *interval_tooltips("share", _PER_CENT)]
    base = filtered(alt.Chart(shares, width=WIDTH), menus).encode(
        y=alt.Y("task:N", title=None, sort=None, scale=alt.Scale(paddingInner=0.25)),
        color=_COLOUR,
        tooltip=[*columns, alt.Tooltip("observed:Q", title="as counted", format=_PER_CENT)],
    )
    bars = (
        base.properties(height=alt.Step(STEP), title=wrapped(title))
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(x=_share_axis(alt.X, "mean", stack="zero"), order=alt.Order("place:Q", title="order"))
    )
    dodged = base.properties(height=alt.Step(8)).encode(yOffset=alt.YOffset("pattern:N", sort=list(PATTERNS)))
    explained = "share, 95 % interval (tick: as counted)"
    intervals = dodged.mark_rule(strokeWidth=2).encode(x=_share_axis(alt.X, "low", explained), x2="high:Q")
    points = dodged.mark_point(filled=True, size=35, opacity=1).encode(x=_share_axis(alt.X, "mean", explained))
    ticks = dodged.mark_tick(thickness=1, size=8).encode(
        x=_share_axis(alt.X, "observed", explained), color=alt.value("#1a1a1a")
    )
    return alt.vconcat(bars, alt.layer(ticks, intervals, points)).add_params(*menus.values())


def by_head(table: pd.DataFrame, title: str) -> alt.Chart:
    """Show each head's main pattern by colour, and by the size of its square how pure the head is.

    `table` (`evidence.pattern_shares.by_head`) has one row per task, seed, checkpoint, layer and head, with the
    share of the head's inputs that shows each pattern; purity is the share of its main pattern.
    """
    heads = counted_from_one(_heads(table))
    menus = menus_of(heads, "task", "checkpoint")
    purity = alt.Scale(domain=[0, 1], range=[0, (STEP - 1) ** 2])
    return (
        filtered(head_grid(heads, title), menus)
        .mark_square(opacity=1)
        .encode(
            color=alt.Color(
                "main:N",
                scale=SCALES["pattern"],
                legend=alt.Legend(orient="bottom", columns=2, title="main pattern", symbolType="square"),
            ),
            size=alt.Size(
                "purity:Q",
                scale=purity,
                legend=alt.Legend(
                    orient="top",
                    title="area: share of the head's inputs in it",
                    titleLimit=WIDTH,
                    values=[0.25, 0.5, 0.75, 1],
                    format="%",
                    symbolType="square",
                    symbolFillColor="transparent",
                    symbolStrokeColor="#1a1a1a",
                ),
            ),
            tooltip=[
                "task",
                "checkpoint",
                "layer",
                "head",
                alt.Tooltip("main:N", title="main pattern"),
                *(alt.Tooltip(f"{name}:Q", title=name, format=_PER_CENT) for name in ("purity", *PATTERNS)),
            ],
        )
        .add_params(*menus.values())
    )


def by_layer(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show each pattern's share over layers (`evidence.pattern_shares.by_layer`): fine-tuned as a line with its
    interval, pre-trained dashed; a menu chooses the task.
    """
    layers = counted_from_one(averaged(table, ["task", "checkpoint", "layer", "pattern"], over_fine_tunings))
    menus, top = menus_of(layers, "task"), float(np.ceil(10 * layers[["mean", "high"]].max().max()) / 10)
    share = "share of maps, as counted"
    base = filtered(alt.Chart(layers, width=WIDTH, height=260, title=wrapped(title)), menus).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)), color=_COLOUR
    )
    band = (
        base.transform_filter(alt.datum.checkpoint == AFTER)
        .mark_area(opacity=0.2)
        .encode(y=_share_axis(alt.Y, "low", share, top), y2="high:Q")
    )
    legend = alt.Legend(orient="top", title=None, symbolType="stroke", symbolStrokeWidth=2, symbolSize=300)
    means = base.encode(y=_share_axis(alt.Y, "mean", share, top))
    lines = means.mark_line().encode(
        strokeDash=alt.StrokeDash("checkpoint:N", scale=SCALES["checkpoint"], legend=legend)
    )
    points = means.mark_point(filled=True, size=25, opacity=1).encode(
        tooltip=["task", "checkpoint", "pattern", "layer", *interval_tooltips("share", _PER_CENT)]
    )
    return alt.layer(band, lines, points).add_params(*menus.values())


def confusion(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show what the classifier says (columns) of maps that annotators gave a pattern (rows), as shares of each row."""
    cells = table.rename_axis(index="true", columns="predicted").stack().rename("share").round(4).reset_index()
    side = WIDTH / len(PATTERNS)
    base = alt.Chart(cells, width=alt.Step(side), height=alt.Step(side), title=wrapped(title)).encode(
        x=alt.X("predicted:N", title="the classifier says", sort=list(PATTERNS), axis=alt.Axis(labelAngle=-40)),
        y=alt.Y("true:N", title="annotators agreed on", sort=list(PATTERNS)),
        tooltip=["true", "predicted", alt.Tooltip("share:Q", title="share of the row", format=_PER_CENT)],
    )
    fields = base.mark_rect(stroke="#d0d0d0").encode(color=alt.Color("share:Q", scale=SCALES["share"], legend=None))
    numbers = base.mark_text(fontSize=13).encode(
        text=alt.Text("share:Q", format=".0%"),
        color=alt.condition(alt.datum.share > 0.5, alt.value("white"), alt.value("#1a1a1a")),
    )
    return alt.layer(fields, numbers)


def purity(table: pd.DataFrame, title: str) -> alt.Chart:
    """Show how many heads have which purity, a row of bars per main pattern; `table` is that of `by_head`."""
    heads = _heads(table)
    if heads["task"].nunique() > 1:
        heads = pd.concat([heads.assign(task=ALL_TASKS), heads])
    bins = (heads["purity"] / BIN - 1e-9).astype(int)  # 100 % belongs to the last bin
    key = ["task", "checkpoint", "main"]
    counts = heads.assign(low=bins * BIN, high=(bins + 1) * BIN).groupby([*key, "low", "high"], sort=False)
    counts = counts.size().rename("heads").reset_index().round(4)
    menus = menus_of(counts, "task", "checkpoint")
    bars = (
        alt.Chart(counts)
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(
            x=_share_axis(alt.X, "low", "share of the head's inputs in its main pattern", bin="binned"),
            x2="high:Q",
            y=alt.Y("heads:Q", title="heads", axis=alt.Axis(tickCount=2, tickMinStep=1)),
            color=alt.Color("main:N", scale=SCALES["pattern"], legend=None),
            tooltip=[
                "task",
                "checkpoint",
                alt.Tooltip("main:N", title="main pattern"),
                alt.Tooltip("low:Q", title="share from", format="%"),
                alt.Tooltip("high:Q", title="to", format="%"),
                alt.Tooltip("heads:Q", title="heads"),
            ],
        )
    )
    rows = alt.Row(
        "main:N",
        title=None,
        sort=[pattern for pattern in PATTERNS if pattern in set(counts["main"])],
        header=alt.Header(orient="top", labelAnchor="start"),
        spacing=8,
    )
    chart = filtered(bars, menus).properties(width=WIDTH, height=60, title=wrapped(title)).encode(row=rows)
    return chart.add_params(*menus.values())


def _heads(table: pd.DataFrame) -> pd.DataFrame:
    """Average the shares of each head over seeds, and name its main pattern and purity anew."""
    key, patterns = ["task", "checkpoint", "layer", "head"], list(PATTERNS)
    heads = table.groupby(key, sort=False)[patterns].mean().reset_index()
    return heads.assign(main=heads[patterns].idxmax(axis=1), purity=heads[patterns].max(axis=1))


def _share_axis(
    channel: type[alt.X | alt.Y], column: str, title: str = "share of maps", top: float = 1, **options: str
) -> alt.X | alt.Y:
    """An axis that a menu does not change, so that what it chooses can be compared.

    The title is the axis's, not the column's, which has its own in tooltips and in the figure's table.
    """
    scale, axis = alt.Scale(domain=[0, top]), alt.Axis(title=title, format="%", tickCount=5)
    return channel(f"{column}:Q", scale=scale, axis=axis, **options)
