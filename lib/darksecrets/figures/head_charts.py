"""Charts with a mark for each head that menus change: tables of 10,000 heads, made small for a page."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.figures.charts import (
    COMPARED,
    SCALES,
    WIDTH,
    counted_from_one,
    curves,
    filtered,
    gradient,
    head_grid,
    interval_tooltips,
    menus_of,
    present,
    square_root,
    wrapped,
)
from darksecrets.figures.views import WEIGHT
from darksecrets.heads import head_label

MARGIN = " ±"  # a column's half width of a t-interval has its name with this
TICKS = {"attention": [0, 0.05, 0.2, 0.5, 1], "change": [-0.5, -0.2, -0.05, 0, 0.05, 0.2, 0.5]}  # of legends
OUTLINE = "#d55e00"
TEXT = "#1a1a1a"
COMPARED_SHAPE = alt.Shape(
    "compared:N",
    scale=alt.Scale(domain=list(COMPARED.values()), range=["circle", "square", "diamond", "triangle-up"]),
    legend=None,
)


def with_margin(table: pd.DataFrame, key: Sequence[str], name: str = "mean") -> pd.DataFrame:
    """Reduce a table to `key`, its mean as `name`, and the half width of its interval as `name` with ` ±`."""
    return table[list(key)].assign(**{name: table["mean"], name + MARGIN: (table["high"] - table["low"]) / 2})


def packed(table: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Make a row per `key` and layer of a table of heads, with lists over the layer's heads; all counted from 1.

    A row per head would repeat its task, feature and layer 12 times, and a page may have 3 MB. A list without any
    number is left empty. `opened` undoes it.
    """
    table = counted_from_one(table)
    values = [name for name in table if name not in (*key, "layer")]
    table = table.astype(dict.fromkeys(values, object)).where(table.notna(), None)
    return table.groupby([*key, "layer"], sort=False, observed=True)[values].agg(_known).reset_index()


def opened(chart: alt.Chart, menus: Mapping[str, alt.Parameter]) -> alt.Chart:
    """Let a chart of a `packed` table have a mark for each head that `menus` choose."""
    return filtered(chart, menus).transform_flatten(_lists(chart.data))


def cells(
    table: pd.DataFrame,
    menus: Mapping[str, alt.Parameter],
    quantity: str,
    legend: str,
    column: str = "mean",
    title: str = "",
) -> alt.Chart:
    """Colour the heads of a `packed` table by `column`, which is an "attention" or a "change"; the margin is told.

    `column` may be the name of a menu's parameter that chooses the column, such as `chosen_checkpoint`.
    """
    chosen = column if column.startswith("chosen_") else f"'{column}'"
    margin = f"datum[{chosen} + '{MARGIN}']"
    told = f"format(datum[{chosen}], '.4f') + (isValid({margin}) ? '{MARGIN} ' + format({margin}, '.4f') : '')"
    shown = opened(head_grid(table, title), menus).transform_calculate(shown=f"datum[{chosen}]", told=told)
    keys = [name for name in table if name not in _lists(table)]
    name = "mean ± 95 % interval" if column + MARGIN in table else "mean"
    return shown.mark_rect(stroke="#e8e8e8").encode(
        color=gradient("shown", legend, quantity, TICKS[quantity], format=".2~f"),
        tooltip=[*(f"{name}:N" for name in (*keys, "head")), alt.Tooltip("told:N", title=name)],
    )


def outlines(table: pd.DataFrame, menus: Mapping[str, alt.Parameter], is_told: bool = True) -> alt.Chart:
    """Outline heads: `table` has layer and head, from 0, and those of the columns of `menus` that matter.

    Where a choice may leave none, `is_told` must be False: to a screen reader it would be a picture without a name.
    """
    own = {name: chosen for name, chosen in menus.items() if name in table}
    table = counted_from_one(table[[*own, "layer", "head"]].drop_duplicates())
    return filtered(head_grid(table), own).mark_rect(filled=False, stroke=OUTLINE, strokeWidth=2.5, aria=is_told)


def head_map(
    table: pd.DataFrame, key: Sequence[str], legend: str, title: str, outlined: pd.DataFrame | None = None
) -> tuple[alt.Chart | alt.LayerChart, dict[str, alt.Parameter]]:
    """Colour heads by their mean attention: the chart, and a menu for each `key`, which is to be added to it.

    `table` has a row per `key`, layer and head, with mean, low and high; `outlined` is that of `outlines`.
    """
    heads = packed(with_margin(table, [*key, "layer", "head"]), key)
    menus = menus_of(heads, *key)
    chart = cells(heads, menus, "attention", legend, title=title)
    return (chart if outlined is None else alt.layer(chart, outlines(outlined, menus))), menus


def scatter(
    table: pd.DataFrame,
    key: Sequence[str],
    columns: Mapping[str, str],
    title: str,
    first: Sequence[str] = (AFTER,),
    **encodings: object,
) -> alt.LayerChart:
    """Compare two attention weights of each head: the line where they are equal, points, and the names of those heads
    that have one in the column `label`.

    `table` has a row per `key`, layer and head; menus for each `key` have at first what is in `first`. `columns` are
    the two columns, across and up, and what the axes call them; `encodings` are further ones of the points. Both axes
    have square roots, as colours have, and do not change with the menus.
    """
    table = packed(table, key)
    menus = menus_of(table, *key, first=first)
    across, up = columns
    top = max(value or 0 for name in columns for row in table[name] for value in row)
    x, y = (square_root(alt.X, across, columns[across], top), square_root(alt.Y, up, columns[up], top))
    ends = pd.DataFrame({across: [0, top], up: [0, top]})
    equal = alt.Chart(ends).mark_line(color="#8c8c8c", strokeDash=[4, 3]).encode(x=x, y=y)
    base = opened(alt.Chart(table, width=WIDTH, height=WIDTH, title=wrapped(title)), menus).encode(x=x, y=y)
    points = base.mark_point(filled=True, size=45, opacity=0.85, color=SCALES["beats"].range[0]).encode(**encodings)
    # Heads that are near each other are legible more often if their names stand on different sides.
    names = [
        base.transform_filter(f"isValid(datum.label) && datum.head % 2 == {odd}")
        .mark_text(align=align, dx=dx, dy=-5, color=TEXT)
        .encode(text="label:N")
        for odd, align, dx in ((0, "right", -6), (1, "left", 6))
    ]
    return alt.layer(equal, points, alt.layer(*names)).add_params(*menus.values())


def labelled(
    table: pd.DataFrame, key: Sequence[str], column: str, most: int, rows: pd.Series | None = None
) -> pd.Series:
    """Name the `most` heads of each `key` that have the largest `column`, as "layer-head" from 1, among `rows`."""
    chosen = table if rows is None else table[rows]
    order = chosen.sort_values(column, ascending=False)
    order = (order.groupby(list(key), sort=False, observed=True) if key else order).head(most)
    return head_label(order).reindex(table.index)


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Prepare a table of chosen heads' quantities for a reader: heads as "layer-head", quantities in words."""
    words = {"head": head_label(table), "compared": table["quantity"].map(COMPARED)}
    return counted_from_one(table.drop(columns=["layer", "head", "quantity"])).assign(**words)


def compared_colour(table: pd.DataFrame) -> alt.Color:
    """Colour the quantities that a `compared` table has."""
    there = [name for name in COMPARED.values() if name in set(table["compared"])]
    legend = alt.Legend(orient="bottom", columns=2, title=None, values=there, symbolOpacity=1)
    return alt.Color("compared:N", scale=SCALES["compared"], legend=legend)


def distance_curves(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show a head's attention by distance: to the linked word, to words that far away without a link, from other words
    to the linked word, to the neighbour.

    `table` has one row per layer, head, distance and `quantity` (one of `COMPARED`) and, if there are several, `link`;
    and mean, low, high. Menus choose link and head.
    """
    table = compared(table)
    menus = menus_of(table, "link", "head")
    base = filtered(alt.Chart(table, width=WIDTH, height=240, title=wrapped(title)), menus).encode(
        x=alt.X("distance:O", title="distance in words", axis=alt.Axis(labelAngle=0)),
        color=compared_colour(table),
        tooltip=[
            *(f"{name}:N" for name in present(table, "link", "head", "distance", "compared")),
            *interval_tooltips(WEIGHT),
        ],
    )
    band, line, point = curves(base, WEIGHT)
    return alt.layer(band, line, point.encode(shape=COMPARED_SHAPE)).add_params(*menus.values())


def _known(values: pd.Series) -> list:
    return values.tolist() if values.notna().any() else []


def _lists(table: pd.DataFrame) -> list[str]:
    return [name for name in table if isinstance(table[name].iloc[0], list)]
