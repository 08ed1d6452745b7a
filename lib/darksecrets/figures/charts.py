"""The book's charts: tidy tables in, Altair charts out. Layers and heads are counted from 1 here, as in the paper."""

import textwrap

import altair as alt
import pandas as pd

from darksecrets.corpora.annotated_maps import PATTERNS

# One colour scale per quantity, the same on every page; all are readable for the colour-blind.
SCALES = {
    # Most similarities lie near 1: the third power spreads them over the colours.
    "similarity": alt.Scale(scheme="cividis", type="pow", exponent=3, domain=[0, 1], clamp=True),
    "task": alt.Scale(
        domain=["MRPC", "STS-B", "SST-2", "QQP", "RTE", "QNLI", "MNLI"],
        range=["#0072b2", "#d55e00", "#117733", "#882255", "#000000", "#56b4e9", "#b8860b"],
    ),
    "reading": alt.Scale(domain=["paper", "released"], range=["#0072b2", "#d55e00"]),
    "method": alt.Scale(
        domain=["majority", "bag of words", "with overlap", "fine-tuned"],
        range=["#6e6e6e", "#d55e00", "#b8860b", "#0072b2"],
    ),
    "pattern": alt.Scale(domain=list(PATTERNS), range=["#0072b2", "#d55e00", "#882255", "#117733", "#8c8c8c"]),
    "share": alt.Scale(domain=[0, 1], range=["#ffffff", "#08519c"], interpolate="rgb"),
}
STEP = 21  # pixels of a cell
WIDTH = 12 * STEP  # of a plot: with its axes it fits a phone


def change_by_head(by_head: pd.DataFrame, by_layer: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Figure 5: cosine similarity before and after fine-tuning, layer x head, and below it by layer for every task.

    Both tables come from `evidence.fine_tuning.change_by`; a menu chooses the task.
    """
    by_head, by_layer = (counted_from_one(table) for table in (by_head, by_layer))
    chosen = menu(by_head, "task")
    heads = (
        alt.Chart(by_head, width=WIDTH, height=alt.Step(STEP), title=wrapped(title))
        .transform_filter(alt.datum.task == chosen)
        .mark_rect(stroke="white")
        .encode(
            x=alt.X("head:O", title="head", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("layer:O", title="layer"),
            color=alt.Color(
                "mean:Q",
                title="cosine similarity (1 = unchanged)",
                scale=SCALES["similarity"],
                legend=alt.Legend(
                    orient="bottom", gradientLength=WIDTH, titleLimit=WIDTH, values=[0, 0.5, 0.7, 0.8, 0.9, 1]
                ),
            ),
            tooltip=["task", "layer", "head", *interval_tooltips("similarity")],
        )
    )
    return alt.vconcat(heads, _curves(by_layer, chosen)).add_params(chosen).resolve_scale(color="independent")


def readings(by_layer: pd.DataFrame, title: str) -> alt.LayerChart:
    """Compare the readings `paper` and `released` of one task by layer; a menu chooses the task."""
    by_layer = counted_from_one(by_layer)
    chosen = menu(by_layer, "task")
    base = alt.Chart(by_layer, width=WIDTH, height=200, title=wrapped(title))
    base = base.transform_filter(alt.datum.task == chosen).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
        color=alt.Color("reading:N", scale=SCALES["reading"], legend=alt.Legend(orient="bottom")),
    )
    band = base.mark_area(opacity=0.25).encode(y=_similarity_axis("low"), y2="high:Q")
    line = base.mark_line(point=True).encode(
        y=_similarity_axis("mean"),
        strokeDash=alt.StrokeDash("reading:N", legend=None),
        tooltip=["task", "reading", "layer", *interval_tooltips("similarity")],
    )
    return alt.layer(band, line).add_params(chosen)


def learning_rate_search(evidence: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show the score on held-out training examples against the learning rate: a point per seed, a line through their
    means.
    """
    base = alt.Chart(evidence, width=WIDTH, height=220, title=wrapped(title)).encode(
        x=alt.X(
            "learning_rate:Q",
            title="learning rate (logarithmic)",
            scale=alt.Scale(type="log", nice=False, padding=12),
            axis=alt.Axis(values=sorted(evidence["learning_rate"].unique()), format=".0e", grid=False),
        ),
        color=alt.Color("task:N", scale=SCALES["task"], legend=_task_legend(evidence)),
    )
    points = base.mark_point(filled=True, size=50).encode(
        y=alt.Y("value:Q", title="score on held-out training examples", scale=alt.Scale(zero=False)),
        shape=alt.Shape("task:N", legend=None),
        tooltip=[
            "task",
            "metric",
            "seed",
            alt.Tooltip("learning_rate:Q", format=".0e"),
            alt.Tooltip("value:Q", format=".3f"),
        ],
    )
    return alt.layer(base.mark_line(opacity=0.6).encode(y="mean(value):Q"), points)


def baselines(by_method: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show each task's score by method (`evidence.baseline_scores.by_method`): a point, and a line for its interval."""
    base = alt.Chart(by_method.round(4), width=WIDTH, height=alt.Step(10), title=wrapped(title))
    base = base.encode(
        y=alt.Y("task:N", title=None, sort=None, scale=alt.Scale(paddingInner=0.4)),
        yOffset=alt.YOffset("method:N", sort=SCALES["method"].domain),
        color=alt.Color("method:N", scale=SCALES["method"], legend=alt.Legend(orient="bottom", title=None)),
        tooltip=["task", "metric", "method", *interval_tooltips("score")],
    )
    intervals = base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q")
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=alt.X("mean:Q", title="score (accuracy; STS-B: Pearson correlation)"),
        shape=alt.Shape("method:N", scale=alt.Scale(domain=SCALES["method"].domain), legend=None),
    )
    return alt.layer(intervals, points)


def link_distances(distances: pd.DataFrame, title: str) -> alt.Chart:
    """Show how far apart linked words are: a row of bars per relation (`evidence.pocket_corpus.distances`)."""
    return (
        alt.Chart(distances.round(4), width=WIDTH, height=80, title=wrapped(title))
        .mark_bar(color=SCALES["method"].range[-1])
        .encode(
            x=alt.X("distance:O", title="distance in words", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("share:Q", title="share", axis=alt.Axis(format="%", tickCount=3)),
            row=alt.Row(
                "relation:N",
                title=None,
                sort=list(distances["relation"].unique()),
                header=alt.Header(orient="top", labelAnchor="start"),
            ),
            tooltip=["relation", "distance", "n", alt.Tooltip("share:Q", format=".1%")],
        )
    )


def wrapped(text: str) -> alt.Title:
    """Break a title into lines that are no wider than a plot."""
    return alt.Title(textwrap.wrap(text, 38), anchor="start")


def menu(table: pd.DataFrame, column: str, first: str | None = None) -> alt.Parameter:
    """Offer what a column holds; `first` (by default the first that it holds) is chosen until a reader chooses."""
    offered = list(table[column].unique())
    chosen = first if first in offered else offered[0]
    choice = alt.binding_select(options=offered, name=f"{column.capitalize()} ")
    return alt.param(name=f"chosen_{column}", value=chosen, bind=choice)


def interval_tooltips(title: str, number_format: str = ".3f") -> list[alt.Tooltip]:
    """Tell a mean (called `title`) and its interval when a mark is pointed at."""
    columns = {"mean": title, "low": "95 % interval from", "high": "to"}
    return [alt.Tooltip(f"{column}:Q", title=name, format=number_format) for column, name in columns.items()]


def counted_from_one(table: pd.DataFrame) -> pd.DataFrame:
    """Prepare a table for a reader: layers and heads from 1, numbers to four digits."""
    return table.assign(**{column: table[column] + 1 for column in ("layer", "head") if column in table}).round(4)


def _curves(by_layer: pd.DataFrame, chosen: alt.Parameter) -> alt.LayerChart:
    """One curve per task over layers; the chosen task's is strong and has its interval."""
    base = alt.Chart(by_layer, width=WIDTH, height=180).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
        color=alt.Color("task:N", scale=SCALES["task"], legend=_task_legend(by_layer)),
    )
    band = (
        base.transform_filter(alt.datum.task == chosen)
        .mark_area(opacity=0.3)
        .encode(y=_similarity_axis("low"), y2="high:Q")
    )
    lines = base.mark_line(point=True).encode(
        y=_similarity_axis("mean"),
        opacity=alt.condition(alt.datum.task == chosen, alt.value(1), alt.value(0.35)),
        tooltip=["task", "layer", *interval_tooltips("mean over heads")],
    )
    return alt.layer(band, lines)


def _task_legend(table: pd.DataFrame) -> alt.Legend:
    return alt.Legend(orient="bottom", columns=4, values=list(table["task"].unique()))


def _similarity_axis(column: str) -> alt.Y:
    return alt.Y(f"{column}:Q", title="cosine similarity", scale=alt.Scale(zero=False))
