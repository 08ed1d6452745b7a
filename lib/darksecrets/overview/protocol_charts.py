"""Charts of the protocol notes: what reading the protocol as released changes, number by number and task by task."""

import altair as alt
import pandas as pd

from darksecrets.figures.charts import (
    SCALES,
    STEP,
    WIDTH,
    counted_from_one,
    filtered,
    menus_of,
    present,
    wrapped,
)

_TICK = "#6e6e6e"


def by_task(table: pd.DataFrame, title: str, axis: str, number_format: str, neutral: float) -> alt.LayerChart:
    """Show a number per task, a row for each `what`: a dot per task and a tick for their mean; a menu chooses the run.

    `table` has columns run, what, task ("" where the number is of no task, and has a tick only) and mean, perhaps
    with low and high, which are told. `neutral` is the value at which both readings agree: a dashed line.
    """
    table = counted_from_one(table)
    menus, names = menus_of(table, "run"), list(table["what"].unique())
    base = filtered(alt.Chart(table, width=WIDTH, height=alt.Step(STEP), title=wrapped(title)), menus)
    row = alt.Y("what:N", title=None, sort=names, axis=alt.Axis(labelLimit=120))
    told = [alt.Tooltip(f"{name}:Q", format=number_format) for name in present(table, "mean", "low", "high")]
    legend = alt.Legend(orient="bottom", columns=4, values=[task for task in table["task"].unique() if task])
    points = base.transform_filter(alt.datum.task != "").mark_point(filled=True, size=45, opacity=0.9)
    points = points.encode(
        x=alt.X("mean:Q", axis=alt.Axis(title=axis, format=number_format, tickCount=5), scale=alt.Scale(zero=False)),
        y=row,
        color=alt.Color("task:N", scale=SCALES["task"], legend=legend),
        tooltip=["what", "task", *told],
    )
    means = base.mark_tick(color=_TICK, thickness=3, size=14).encode(
        x="average:Q", y=row, tooltip=["what", alt.Tooltip("average:Q", title="mean over tasks", format=number_format)]
    )
    means = means.transform_aggregate(average="mean(mean)", groupby=["what"])
    line = alt.Chart(pd.DataFrame({"neutral": [neutral]})).mark_rule(color="#8c8c8c", strokeDash=[2, 2])
    return alt.layer(line.encode(x="neutral:Q"), means, points).add_params(*menus.values())
