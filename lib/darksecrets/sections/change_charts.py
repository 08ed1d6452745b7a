"""Charts of what fine-tuning changes (Section 4.3): the similarity of maps by head and by layer, in both readings.

Tables are those of `evidence.fine_tuning.change_by`, with a column `run` where they join two runs: layers and heads
from 0. What a reader sees counts from 1.
"""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from darksecrets.figures.charts import (
    SCALES,
    WIDTH,
    counted_from_one,
    filtered,
    gradient,
    head_grid,
    interval_tooltips,
    menu,
    menus_of,
    present,
    task_legend,
    wrapped,
)
from darksecrets.figures.head_charts import opened, packed

_TICKS = [0, 0.5, 0.7, 0.8, 0.9, 1]
_INTERVAL = ["mean", "low", "high"]


def change_by_head(by_head: pd.DataFrame, by_layer: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Figure 5: cosine similarity before and after fine-tuning, layer x head, and below it by layer for every task.

    Menus choose run and task.
    """
    key = present(by_head, "run", "task")
    table = packed(by_head[[*key, "layer", "head", *_INTERVAL]], key)
    menus = _menus(table)
    cells = (
        opened(head_grid(table, title), menus)
        .mark_rect(stroke="white")
        .encode(
            color=gradient("mean", "cosine similarity (1 = unchanged)", "similarity", _TICKS),
            tooltip=[*(f"{name}:N" for name in (*key, "layer", "head")), *interval_tooltips("similarity")],
        )
    )
    both = alt.vconcat(cells, _curves(by_layer, menus))
    return both.add_params(*menus.values()).resolve_scale(color="independent")


def readings(by_layer: pd.DataFrame, title: str) -> alt.LayerChart:
    """Compare the readings `paper` and `released` of one task by layer; menus choose run and task."""
    table = counted_from_one(by_layer[[*present(by_layer, "run", "task", "reading", "layer"), *_INTERVAL]])
    menus = _menus(table)
    base = _over_layers(table, 200, title).encode(
        color=alt.Color("reading:N", scale=SCALES["reading"], legend=alt.Legend(orient="bottom"))
    )
    base = filtered(base, menus)
    band = base.mark_area(opacity=0.25).encode(y=_similarity_axis("low"), y2="high:Q")
    line = base.mark_line(point=True).encode(
        y=_similarity_axis("mean"),
        strokeDash=alt.StrokeDash("reading:N", legend=None),
        tooltip=[*present(table, "run", "task", "reading", "layer"), *interval_tooltips("similarity")],
    )
    return alt.layer(band, line).add_params(*menus.values())


def _menus(table: pd.DataFrame) -> dict[str, alt.Parameter]:
    """Menus for run, if there are several, and task."""
    return menus_of(table, "run") | {"task": menu(table, "task")}


def _curves(by_layer: pd.DataFrame, menus: Mapping[str, alt.Parameter]) -> alt.LayerChart:
    """One curve per task over layers; the chosen task's is strong and has its interval."""
    is_chosen = alt.datum.task == menus["task"]
    table = counted_from_one(by_layer[[*present(by_layer, "run", "task", "layer"), *_INTERVAL]])
    base = _over_layers(table, 180).encode(color=alt.Color("task:N", scale=SCALES["task"], legend=task_legend(table)))
    base = filtered(base, {name: chosen for name, chosen in menus.items() if name != "task"})
    band = base.transform_filter(is_chosen).mark_area(opacity=0.3).encode(y=_similarity_axis("low"), y2="high:Q")
    lines = base.mark_line(point=True).encode(
        y=_similarity_axis("mean"),
        opacity=alt.condition(is_chosen, alt.value(1), alt.value(0.35)),
        tooltip=[*present(table, "run", "task", "layer"), *interval_tooltips("mean over heads")],
    )
    return alt.layer(band, lines)


def _over_layers(table: pd.DataFrame, height: int, title: str = "") -> alt.Chart:
    layer = alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0))
    return alt.Chart(table, width=WIDTH, height=height, title=wrapped(title)).encode(x=layer)


def _similarity_axis(column: str) -> alt.Y:
    return alt.Y(f"{column}:Q", title="cosine similarity", scale=alt.Scale(zero=False))
