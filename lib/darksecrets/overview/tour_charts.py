"""The five small charts of the introduction's tour, over the tables of `evidence.tour`.

They have no title: the finding stands above each of them, as a sentence that is computed. All fit a phone.
"""

import altair as alt
import pandas as pd

from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.figures.charts import SCALES, counted_from_one, interval_tooltips, task_legend
from darksecrets.figures.head_charts import OUTLINE, TEXT
from darksecrets.heads import head_label
from darksecrets.overview.tour import EFFECTS
from darksecrets.sections.feature_charts import MEASURES
from darksecrets.sections.relation_charts import BEATS, DOES_NOT

WIDTH, NARROW, HEIGHT = 230, 170, 150  # pixels of a plot; one with long names before it is narrow
# The ends of the scale that scores change on elsewhere: purple costs, green helps.
EFFECT_SCALE = alt.Scale(domain=list(EFFECTS.values()), range=["#1b7837", "#762a83", "#c8c8c8"])
_LEGEND = {"orient": "bottom", "title": None, "symbolOpacity": 1, "labelLimit": 260}
_RANGE = [alt.Tooltip("lowest:Q", title="lowest task", format=".1%"), alt.Tooltip("highest:Q", format=".1%")]
_MEAN = alt.Tooltip("mean:Q", title="mean over tasks", format=".1%")


def patterns(table: pd.DataFrame) -> alt.LayerChart:
    """Show each pattern's share of the maps, with a line from the lowest to the highest task."""
    base = alt.Chart(counted_from_one(table), width=NARROW, height=alt.Step(24)).encode(
        y=alt.Y("pattern:N", title=None, sort=list(PATTERNS)),
        tooltip=["pattern", _MEAN, *_RANGE],
    )
    axis = alt.Axis(title="share of maps", format="%", tickCount=4)
    bars = base.mark_bar().encode(
        x=alt.X("mean:Q", axis=axis), color=alt.Color("pattern:N", scale=SCALES["pattern"], legend=None)
    )
    ranges = base.mark_rule(color=TEXT, strokeWidth=1.5).encode(x=alt.X("lowest:Q", axis=axis), x2="highest:Q")
    return alt.layer(bars, ranges)


def special_tokens(table: pd.DataFrame) -> alt.LayerChart:
    """Show the share of attention that special tokens get by layer, plain and weighted by norms."""
    table = counted_from_one(table).assign(measure=lambda rows: rows["measure"].map(MEASURES))
    base = alt.Chart(table, width=WIDTH, height=HEIGHT).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
        color=alt.Color("measure:N", scale=SCALES["measure"], legend=alt.Legend(**_LEGEND, columns=1)),
        tooltip=["measure", "layer", _MEAN, *_RANGE],
    )
    share, low = (
        alt.Y(f"{end}:Q", axis=alt.Axis(title="share of attention", format="%", tickCount=5), scale=_unit())
        for end in ("mean", "lowest")
    )
    band = base.mark_area(opacity=0.2).encode(y=low, y2="highest:Q")
    return alt.layer(band, base.mark_line(point=True).encode(y=share))


def relations(table: pd.DataFrame) -> alt.LayerChart:
    """Show each head's weight of frame links, and by how much it exceeds the closer null; those that stand out by
    weight have a ring.
    """
    heads = counted_from_one(table.assign(label=head_label(table)))
    heads["beats"] = heads.pop("specific").map({True: BEATS, False: DOES_NOT})
    legend = alt.Legend(**_LEGEND)
    base = alt.Chart(heads, width=WIDTH, height=HEIGHT + 20).encode(
        x=alt.X("weight:Q", title="attention weight of the link", axis=alt.Axis(tickCount=5)),
        y=alt.Y("excess:Q", title="above the closer null", axis=alt.Axis(tickCount=5)),
    )
    zero = alt.Chart(pd.DataFrame({"excess": [0]})).mark_rule(color="#8c8c8c", strokeDash=[4, 3]).encode(y="excess:Q")
    points = base.mark_point(filled=True, size=40, opacity=0.9).encode(
        color=alt.Color("beats:N", scale=SCALES["beats"], legend=legend),
        shape=alt.Shape(
            "beats:N", scale=alt.Scale(domain=[BEATS, DOES_NOT], range=["diamond", "circle"]), legend=legend
        ),
        tooltip=[
            alt.Tooltip("label:N", title="layer-head"),
            alt.Tooltip("weight:Q", title="weight of the link", format=".3f"),
            alt.Tooltip("excess:Q", title="above the closer null", format="+.3f"),
            alt.Tooltip("beats:N", title="nulls"),
        ],
    )
    chosen = base.transform_filter("datum.stands_out")
    rings = chosen.mark_point(size=150, stroke=OUTLINE, strokeWidth=2, aria=False)
    names = chosen.mark_text(align="right", dx=-11, color=TEXT).encode(text="label:N")
    return alt.layer(zero, points, rings, names)


def changes(table: pd.DataFrame) -> alt.LayerChart:
    """Show how similar maps stay when a model is fine-tuned, a line for each task; the last two layers are shaded."""
    layers = counted_from_one(table)
    last = int(layers["layer"].max())
    ends = [0.8, last + 0.2]
    x = alt.X(
        "layer:Q",
        scale=alt.Scale(domain=ends, nice=False),
        axis=alt.Axis(title="layer", values=sorted(layers["layer"].unique()), format="d", grid=False),
    )
    shade = pd.DataFrame({"layer": [last - 1.5], "end": [ends[1]]})
    shade = alt.Chart(shade, width=WIDTH, height=HEIGHT + 20).mark_rect(color="#ececec", aria=False)
    lines = (
        alt.Chart(layers)
        .mark_line(point=True)
        .encode(
            x=x,
            y=alt.Y("mean:Q", title="similarity (1 = unchanged)", scale=alt.Scale(zero=False)),
            color=alt.Color("task:N", scale=SCALES["task"], legend=task_legend(layers)),
            tooltip=["task", "layer", *interval_tooltips("similarity")],
        )
    )
    return alt.layer(shade.encode(x=x, x2="end:Q"), lines)


def disabling(table: pd.DataFrame) -> alt.Chart:
    """Show for each task on how many heads disabling helps, costs, or one cannot tell."""
    places = list(EFFECTS)
    shown = table.assign(place=table["effect"].map(places.index), effect=table["effect"].map(EFFECTS))
    return (
        alt.Chart(shown, width=WIDTH, height=alt.Step(20))
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("n:Q", title="heads", axis=alt.Axis(tickCount=5, tickMinStep=1), scale=alt.Scale(nice=False)),
            y=alt.Y("task:N", title=None, sort=None),
            color=alt.Color("effect:N", scale=EFFECT_SCALE, legend=alt.Legend(**_LEGEND, columns=3)),
            order=alt.Order("place:Q"),
            tooltip=["task", alt.Tooltip("effect:N", title="disabling"), alt.Tooltip("n:Q", title="heads")],
        )
    )


def _unit() -> alt.Scale:
    return alt.Scale(domain=[0, 1])
