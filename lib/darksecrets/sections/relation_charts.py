"""Charts of relation-specific heads (Section 4.2): linked words by head, against a null, by frame, and an example.

Tables count layers and heads from 0; what a reader sees counts from 1.
"""

from collections.abc import Collection, Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from darksecrets.figures.charts import (
    COMPARED,
    SCALES,
    WIDTH,
    dots,
    filtered,
    interval_tooltips,
    menus_of,
    present,
    wrapped,
)
from darksecrets.figures.head_charts import (
    COMPARED_SHAPE,
    OUTLINE,
    cells,
    compared,
    compared_colour,
    labelled,
    outlines,
    packed,
    scatter,
    with_margin,
)
from darksecrets.figures.views import WEIGHT, map_heatmap

DIRECTIONS = {
    "either": "either direction, the larger",
    "to_element": "target to element",
    "to_target": "element to target",
}
BEATS, DOES_NOT = SCALES["beats"].domain
NAMED = 3  # heads of a scatter plot that have their names beside them
MOST_FRAMES = 25


def by_head(table: pd.DataFrame, title: str, outlined: pd.DataFrame | None = None) -> alt.LayerChart | alt.Chart:
    """Figure 3: the attention between the linked words by head; a menu chooses the direction.

    `table` has one row per direction, layer and head, with mean, low and high. Heads in `outlined` (layer, head and, if
    it matters, direction) are outlined.
    """
    key = present(table, "run", "direction")
    heads = packed(with_margin(_directed(table), [*key, "layer", "head"]), key)
    menus = menus_of(heads, *key)
    chart = cells(heads, menus, "attention", f"{WEIGHT} of the link", title=title)
    if outlined is not None:
        chart = alt.layer(chart, outlines(_directed(outlined), menus))
    return chart.add_params(*menus.values())


def against_null(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Compare each head's weight of the links with the closer of two nulls, the one that has more weight.

    `table` has one row per direction, layer and head, with mean (link), null (words as far apart), others (what the
    attended word gets from others), `low` and `high` (of mean minus null), `others_low` and `others_high`,
    `p_corrected` and `specific`; the heads that beat both nulls are coloured, and those furthest above the closer one
    named. A menu chooses the direction, at first the one in which more heads do.
    """
    key = present(table, "run", "direction")
    specific, nulls = table["specific"].astype(bool), ["null", "others"]
    closer = table[nulls].max(axis=1)
    named = labelled(table.assign(above=table["mean"] - closer), key, "above", NAMED, specific)
    bounds = ["low", "high", "others_low", "others_high"]
    columns = [*key, "layer", "head", "mean", *nulls, *bounds, "p_corrected"]
    heads = table[columns].assign(closer=closer, beats=np.where(specific, BEATS, DOES_NOT), label=named)
    heads = _directed(heads)
    most = heads.loc[heads["beats"] == BEATS, "direction"].mode() if "direction" in key else ()
    heads = packed(heads, key)
    menus = menus_of(heads, *key, first=tuple(most))
    axes = {"closer": "weight of the closer null", "mean": f"{WEIGHT} of the link"}
    equal, points, names = scatter(heads, menus, axes, title)
    legend = alt.Legend(orient="bottom", title=None)
    told = {"mean": axes["mean"]}
    for name, low, high in zip(nulls, bounds[::2], bounds[1::2], strict=True):
        explained = COMPARED[name]
        told |= {name: explained, low: f"link minus {explained}, 95 % interval from", high: f"{explained}, to"}
    told |= {"p_corrected": "p, corrected"}
    points = points.encode(
        color=alt.Color("beats:N", scale=SCALES["beats"], legend=legend),
        shape=alt.Shape(
            "beats:N", scale=alt.Scale(domain=[BEATS, DOES_NOT], range=["diamond", "circle"]), legend=legend
        ),
        tooltip=[
            *(f"{name}:N" for name in (*key, "layer", "head", "beats")),
            *(alt.Tooltip(f"{name}:Q", title=explained, format=".4f") for name, explained in told.items()),
        ],
    )
    return alt.layer(equal, points, names).add_params(*menus.values())


def by_frame(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show a head's weight of the links of each frame beside the nulls', with intervals; a menu chooses the head.

    `table` has one row per layer, head, frame and `quantity` (link, null or others), with direction, mean, low, high
    and n (sentences). Of many frames, those with most sentences are shown.
    """
    largest = table.groupby("frame", sort=False, observed=True)["n"].max().nlargest(MOST_FRAMES).index
    table = table[table["frame"].isin(largest)]
    table = compared(table.assign(direction=table["direction"].map(DIRECTIONS)))
    menus = menus_of(table, "head")
    order = table.sort_values("mean", ascending=False)["frame"].drop_duplicates()
    base = filtered(alt.Chart(table, width=WIDTH - 60, height=alt.Step(8), title=wrapped(title)), menus).encode(
        y=alt.Y("frame:N", title=None, sort=list(order), axis=alt.Axis(labelLimit=150)),
        yOffset=alt.YOffset("compared:N", sort=SCALES["compared"].domain),
        color=compared_colour(table),
        tooltip=["frame:N", "head:N", "direction:N", "compared:N", "n:Q", *interval_tooltips(WEIGHT)],
    )
    intervals, points = dots(base, WEIGHT)
    return alt.layer(intervals, points.encode(shape=COMPARED_SHAPE)).add_params(*menus.values())


def example(
    maps: Sequence[tuple[int, int, ArrayLike]],
    tokens: Sequence[str],
    linked: Collection[tuple[int, int]],
    title: str,
) -> alt.ConcatChart:
    """Figure 4: maps of one sentence, each with its layer and head (from 0), one below the other.

    The cells in `linked`, places of a token attending and a token attended to, are outlined.
    """
    pictures = []
    for layer, head, weights in maps:
        picture = map_heatmap(weights, tokens, "").properties(
            title=alt.Title(f"layer {layer + 1}, head {head + 1}", anchor="start")
        )
        places = [query * len(tokens) + key for query, key in linked]
        marked = alt.Chart(picture.data.iloc[places]).mark_rect(filled=False, stroke=OUTLINE, strokeWidth=2.5)
        pictures.append(alt.layer(picture, marked.encode(x=picture.encoding.x, y=picture.encoding.y)))
    return alt.concat(*pictures, columns=1, title=wrapped(title), spacing=30)


def _directed(table: pd.DataFrame) -> pd.DataFrame:
    """Call directions what a reader understands, the larger of both first."""
    if "direction" not in table:
        return table
    ordered = table.sort_values("direction", key=lambda column: column.map(list(DIRECTIONS).index), kind="stable")
    return ordered.assign(direction=ordered["direction"].map(DIRECTIONS))
