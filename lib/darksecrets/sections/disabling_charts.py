"""Charts of disabled heads and layers (Section 4.6): the change by head and layer, held out, and of many heads at once.

Tables are those of `evidence.disabling`: fractions, layers and heads from 0. What a reader sees is in points (per cent
of accuracy, or of a correlation) and counts from 1. Where a table has several seeds, the mean over them is shown.
"""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from darksecrets.estimates import format_estimate
from darksecrets.figures.charts import (
    SCALES,
    WIDTH,
    averaged,
    counted_from_one,
    dots,
    filtered,
    gradient,
    head_grid,
    interval_tooltips,
    menus_of,
    present,
    wrapped,
)
from darksecrets.figures.head_charts import TEXT, opened, outlines, packed
from darksecrets.heads import head_label
from darksecrets.models.ablation import UNIFORM
from darksecrets.statistics import SIGNIFICANT

CASE = ["run", "task", "instead"]  # what a table may tell apart
CHANGE = "change of the score (points)"
TICKS = [-30, -10, -3, -1, 0, 1, 3, 10, 30]
NOTHING, LAYER, UNCLEAR = "nothing disabled", "a layer disabled", "a layer disabled, may be chance (corrected)"
CHOSEN, HELD_OUT = "on the examples that chose it", "on held-out examples"
LEGENDS = {"judged": "gain of the best head", "instead": "in place of a head's attention"}
ORDERS = dict(zip(("sweep", "gradient", "random"), SCALES["order"].domain, strict=True))
METRICS = {"pearson": "correlation"}  # names for a reader, where they are not the metric's own
SHAPES = ["circle", "square", "diamond"]
_BLUE, _ORANGE = "#0072b2", "#d55e00"
_INTERVAL = ["mean", "low", "high"]
_SIGNED = "+.2f"


def heads(heads: pd.DataFrame, baseline: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Figure 8: how the score changes when a head is disabled, layer x head, below the score with nothing disabled.

    Heads whose Holm-corrected p is below .05, for every seed and in one direction, are outlined. Menus choose run, task
    and what stands in for attention.
    """
    table, several = _judged(heads, "layer", "head")
    clear, key = table[table["clear"]], present(table, *CASE)
    table = packed(_points(table.drop(columns="clear")), key)
    menus = menus_of(table, *CASE, first=(UNIFORM,))
    cells = opened(head_grid(table), menus).mark_rect(stroke="#e8e8e8")
    cells = cells.encode(
        color=gradient("mean", CHANGE, "score change", TICKS, format="~f"),
        tooltip=[*(f"{name}:N" for name in (*key, "layer", "head")), *_told(several)],
    )
    note = "outlined: corrected p < .05 (Holm)" + (" for all seeds" if several else "")
    cells = cells.properties(title=alt.Title(note, anchor="start", frame="group", fontSize=11, fontWeight="normal"))
    grid = alt.layer(cells, outlines(clear, menus, is_told=False))
    return alt.vconcat(_above(baseline, menus, title), grid, spacing=2).add_params(*menus.values())


def layers(layers: pd.DataFrame, baseline: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Figure 9: the score when a whole layer is disabled, beside a line at that of nothing disabled; menus as in
    `heads`.

    The interval is that of the paired change, laid around the score: where it crosses the line, there may be no change.
    Hollow: Holm-corrected p not below .05.
    """
    table, several = _judged(layers, "layer")
    lines = averaged(baseline, ["run", "task"]).assign(disabled=NOTHING)
    before = table.merge(lines, "left", present(table, "run", "task"), suffixes=("", "_before"))["mean_before"]
    ends = {f"score_{name}": before + table[name] for name in ("low", "high")}
    table = table.assign(**ends, disabled=table.pop("clear").map({True: LAYER, False: UNCLEAR}))
    table, lines = (counted_from_one(_points(rows)) for rows in (table, lines))
    menus = menus_of(table, *CASE, first=(UNIFORM,))
    names = [NOTHING, LAYER, UNCLEAR]
    legend = alt.Legend(orient="bottom", title=None, columns=1, labelLimit=WIDTH)
    colour, fill, shape = (
        channel("disabled:N", scale=alt.Scale(domain=names, range=values), legend=legend)
        for channel, values in (
            (alt.Color, [_ORANGE, _BLUE, _BLUE]),
            (alt.Fill, [_ORANGE, _BLUE, "#ffffff"]),
            (alt.Shape, ["stroke", "circle", "circle"]),
        )
    )
    base = filtered(alt.Chart(table, width=WIDTH, height=200), menus).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
        tooltip=[*(f"{name}:N" for name in (*present(table, *CASE), "layer")), *_told(several)],
    )
    intervals = base.mark_rule(strokeWidth=2).encode(color=colour, y="score_low:Q", y2="score_high:Q")
    points = base.mark_point(size=55, opacity=1, strokeWidth=2).encode(
        y=alt.Y("score:Q", title="score (%)", scale=alt.Scale(zero=False)), color=colour, fill=fill, shape=shape
    )
    line = filtered(alt.Chart(lines), _shared(menus, lines)).mark_rule(strokeWidth=2)
    told = [*present(lines, "run", "task"), *interval_tooltips("score (%)", ".1f")]
    line = line.encode(color=colour, y="mean:Q", tooltip=told)
    both = alt.layer(line, intervals, points)
    return alt.vconcat(_above(baseline, menus, title), both, spacing=4).add_params(*menus.values())


def held_out(chosen: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show what disabling the best head gains, by task: judged on the examples that chose it, as in the paper, and on
    held-out ones; menus choose run and what stands in for attention.
    """
    key = present(chosen, "run", "task", "instead")
    best = chosen.drop(columns=_INTERVAL).rename(columns={"best": "mean", "best_low": "low", "best_high": "high"})
    parts = {CHOSEN: best, HELD_OUT: chosen}
    table = pd.concat([averaged(part, key).assign(judged=name) for name, part in parts.items()], ignore_index=True)
    heads = chosen.assign(head=head_label(chosen)).groupby(key, sort=False, observed=True)
    heads = heads["head"].agg(lambda labels: ", ".join(labels.unique())).reset_index(name="best")
    shares = chosen.groupby(key, sort=False, observed=True)["share"].mean().reset_index()
    table = table.merge(heads).merge(shares)
    told = [
        alt.Tooltip("best:N", title="best head (layer-head)"),
        alt.Tooltip("share:Q", title="share of splits with the same best head", format=".0%"),
    ]
    scale = alt.Scale(domain=list(parts), range=[_ORANGE, _BLUE])
    return _by_task(table, "judged", scale, "gain of the score (points)", title, told)


def ways(average: pd.DataFrame, title: str) -> alt.LayerChart:
    """Compare what stands in for a head's attention: the change of the score averaged over all heads, by task; a menu
    chooses the run.
    """
    table = averaged(average, ["run", "task", "instead"])
    return _by_task(table, "instead", SCALES["instead"], "change of the score, mean over heads (points)", title)


def removal(curves: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show how the score changes as more heads are disabled together: a line per order of heads; menus choose run and
    task.

    Random orders are one line, their mean, in a band from the lowest to the highest of the draws; the bands of others
    are intervals.
    """
    key = ["run", "task", "order", "n_disabled", "share"]
    table = averaged(curves, key).drop(columns="n_seeds", errors="ignore")
    random = table["order"].str.startswith("random")
    draws = table[random].assign(order="random")
    draws = draws.groupby(present(table, *key), sort=False, observed=True)["mean"].agg(["mean", "min", "max"])
    draws = draws.reset_index().rename(columns={"min": "low", "max": "high"})
    table = pd.concat([table[~random], draws], ignore_index=True)
    table = counted_from_one(_points(table.assign(order=table["order"].map(ORDERS))))
    menus = menus_of(table, "run", "task")
    there = [name for name in ORDERS.values() if name in set(table["order"])]
    legend = alt.Legend(orient="bottom", columns=1, title=None, values=there, symbolOpacity=1, labelLimit=WIDTH)
    told = [
        *(f"{name}:N" for name in present(table, "run", "task", "order")),
        alt.Tooltip("n_disabled:Q", title="heads"),
    ]
    base = filtered(alt.Chart(table, width=WIDTH, height=240, title=wrapped(title)), menus).encode(
        x=alt.X("share:Q", title="share of heads disabled", axis=alt.Axis(format="%", tickCount=5)),
        color=alt.Color("order:N", scale=SCALES["order"], legend=legend),
        tooltip=[*told, *interval_tooltips(CHANGE, _SIGNED)],
    )
    mean, low = (alt.Y(f"{name}:Q", title=CHANGE) for name in ("mean", "low"))
    band = base.mark_area(opacity=0.2).encode(y=low, y2="high:Q")
    points = base.mark_point(filled=True, size=16, opacity=1).encode(
        y=mean, shape=_shape("order", SCALES["order"], legend)
    )
    return alt.layer(_zero(alt.Y), band, base.mark_line().encode(y=mean), points).add_params(*menus.values())


def _judged(table: pd.DataFrame, *place: str) -> tuple[pd.DataFrame, bool]:
    """Average changes over seeds, with the mean score and the largest p and corrected p of the seeds; `clear` says
    whether all seeds differ from 0 in one direction. Whether there are several seeds is the second value.
    """
    key = present(table, *CASE, *place)
    groups = table.fillna({"p": 1, "holm": 1}).groupby(key, sort=False, observed=True)
    told = groups.agg(
        score=("score", "mean"), p=("p", "max"), holm=("holm", "max"), least=("mean", "min"), most=("mean", "max")
    )
    told["clear"] = (told["holm"] < SIGNIFICANT) & ((told.pop("least") > 0) | (told.pop("most") < 0))
    means = averaged(table, key).drop(columns="n_seeds", errors="ignore")
    return means.merge(told.reset_index(), validate="one_to_one"), "seed" in table and table["seed"].nunique() > 1


def _told(several: bool) -> list[alt.Tooltip]:
    """Tell the score, its change and how sure that is."""
    p = "largest p of the seeds" if several else "p"
    return [
        alt.Tooltip("score:Q", title="score (%)", format=".1f"),
        *interval_tooltips(CHANGE, _SIGNED),
        alt.Tooltip("p:Q", title=p, format=".4f"),
        alt.Tooltip("holm:Q", title=f"{p}, corrected (Holm)", format=".4f"),
    ]


def _above(baseline: pd.DataFrame, menus: Mapping[str, alt.Parameter], title: str) -> alt.Chart:
    """Write the score with nothing disabled, as the menus choose, in a line below the title."""
    table = averaged(baseline, ["run", "task", "metric"])
    text = f"{NOTHING}: " + table.apply(format_estimate, axis=1) + " % " + table["metric"].replace(METRICS)
    table = table[present(table, "run", "task")].assign(text=text)
    base = alt.Chart(table, width=WIDTH, height=14, title=wrapped(title), view=alt.ViewBackground(stroke=None))
    line = filtered(base, _shared(menus, table)).mark_text(align="left", baseline="top", color=TEXT)
    return line.encode(x=alt.value(0), y=alt.value(0), text="text:N")


def _by_task(
    table: pd.DataFrame, column: str, scale: alt.Scale, axis: str, title: str, told: Sequence[alt.Tooltip] = ()
) -> alt.LayerChart:
    """Compare what `column` tells apart within each task: points with intervals from left to right, and a line at 0."""
    table = counted_from_one(_points(table))
    menus = menus_of(table, *(name for name in ("run", "instead") if name != column), first=(UNIFORM,))
    legend = alt.Legend(orient="bottom", title=LEGENDS[column], columns=1, labelLimit=WIDTH)
    told = [*(f"{name}:N" for name in present(table, *CASE, "judged")), *interval_tooltips(axis, _SIGNED), *told]
    base = filtered(alt.Chart(table, width=WIDTH, height=alt.Step(11), title=wrapped(title)), menus).encode(
        y=alt.Y("task:N", title=None, sort=None, scale=alt.Scale(paddingInner=0.3)),
        yOffset=alt.YOffset(f"{column}:N", sort=scale.domain),
        color=alt.Color(f"{column}:N", scale=scale, legend=legend),
        tooltip=told,
    )
    intervals, points = dots(base, axis, "~f")
    return alt.layer(_zero(alt.X), intervals, points.encode(shape=_shape(column, scale, legend))).add_params(
        *menus.values()
    )


def _shape(column: str, scale: alt.Scale, legend: alt.Legend) -> alt.Shape:
    """Tell apart by shape what a scale tells apart by colour."""
    return alt.Shape(
        f"{column}:N", scale=alt.Scale(domain=scale.domain, range=SHAPES[: len(scale.domain)]), legend=legend
    )


def _zero(channel: type[alt.X | alt.Y]) -> alt.Chart:
    """Draw the line where nothing changes."""
    line = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="#8c8c8c", strokeDash=[3, 2])
    return line.encode(**{channel.__name__.lower(): channel("zero:Q")})


def _shared(menus: Mapping[str, alt.Parameter], table: pd.DataFrame) -> dict[str, alt.Parameter]:
    """Return the menus that choose among a table's rows."""
    return {name: chosen for name, chosen in menus.items() if name in table}


def _points(table: pd.DataFrame) -> pd.DataFrame:
    """Turn fractions of scores and of their changes into points, to a hundredth."""
    fractions = present(table, "mean", "low", "high", "score", "score_low", "score_high")
    return table.assign(**{name: (100 * table[name]).round(2) for name in fractions})
