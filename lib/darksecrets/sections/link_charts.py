"""Charts of token-to-token attention (Section 4.5): linked words by head, beside the diagonal and by distance.

Tables count layers and heads from 0; what a reader sees counts from 1. Where a table has several seeds, the mean over
them is shown.
"""

import altair as alt
import pandas as pd

from darksecrets.figures.charts import (
    COMPARED,
    SCALES,
    STEP,
    WIDTH,
    averaged,
    counted_from_one,
    curves,
    filtered,
    head_grid,
    interval_tooltips,
    menus_of,
    present,
    wrapped,
)
from darksecrets.figures.head_charts import (
    COMPARED_SHAPE,
    cells,
    compared,
    compared_colour,
    labelled,
    outlines,
    packed,
    scatter,
    with_margin,
)
from darksecrets.figures.views import WEIGHT
from darksecrets.sections.link_report import named_links

HEAD = ["layer", "head"]
CASE = ["run", "task", "link", "checkpoint"]  # what a table may tell apart
NAMED = 3  # heads of a scatter plot that have their names beside them
DIAGONAL = "attention to neighbours (diagonal score)"
SHAPES = ["circle", "triangle-right", "square", "M-.5,-.15H.5V.15H-.5Z"]  # of verdicts; the last is a dash


def by_head(
    table: pd.DataFrame, scores: pd.DataFrame, title: str, outlined: pd.DataFrame | None = None
) -> alt.VConcatChart:
    """Figure 7: the attention between linked words by head and, below, how much the same head looks at neighbours.

    `table` has one row per task, checkpoint, seed, relation, direction, layer and head, with mean, low and high;
    `scores` one per task, checkpoint, seed, layer and head, with `diagonal`. Heads in `outlined` (layer, head and what
    of the rest matters) are outlined. Menus choose task, link and checkpoint.
    """
    links = averaged(named_links(table), [*CASE, *HEAD])
    key, scores = present(links, *CASE), _scores(scores)
    links, diagonals = packed(with_margin(links, [*key, *HEAD]), key), packed(scores, present(scores, *CASE))
    menus = menus_of(links, *key)
    upper = cells(links, menus, "attention", WEIGHT, title=title)
    if outlined is not None:
        upper = alt.layer(upper, outlines(named_links(outlined), menus))
    below = alt.Title("The same heads: attention to neighbours", anchor="start", fontSize=11)
    shared = {name: chosen for name, chosen in menus.items() if name in diagonals}
    lower = cells(diagonals, shared, "attention", WEIGHT, "diagonal").properties(title=below)
    return alt.vconcat(upper, lower).add_params(*menus.values())


def against_diagonal(table: pd.DataFrame, scores: pd.DataFrame, title: str) -> alt.LayerChart:
    """Compare each head's attention between linked words with its attention to neighbours; tables as in `by_head`."""
    links = averaged(named_links(table), [*CASE, *HEAD]).drop(columns=["low", "high"])
    links = links.drop(columns="n_seeds", errors="ignore")
    key = present(links, *CASE)
    both = links.merge(_scores(scores), validate="many_to_one")
    heads = packed(both.assign(label=labelled(both, key, "mean", NAMED)), key)
    menus = menus_of(heads, *key)
    axes = {"diagonal": DIAGONAL, "mean": f"{WEIGHT} of the link"}
    equal, points, names = scatter(heads, menus, axes, title)
    told = [alt.Tooltip(f"{name}:Q", title=explained, format=".4f") for name, explained in axes.items()]
    points = points.encode(tooltip=[*(f"{name}:N" for name in (*key, *HEAD)), *told])
    return alt.layer(equal, points, names).add_params(*menus.values())


def by_distance(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show a head's attention by distance: to the linked word, to words that far away without a link, from other words
    to the linked word, to the neighbour.

    `table` has one row per layer, head, distance and `quantity` (one of `COMPARED`) and, if there are several, relation
    and direction; and mean, low, high. Menus choose link and head.
    """
    table = compared(named_links(table))
    menus = menus_of(table, "link", "head")
    keys = [name for name in ("link", "head", "distance", "compared") if name in table]
    base = filtered(alt.Chart(table, width=WIDTH, height=240, title=wrapped(title)), menus).encode(
        x=alt.X("distance:O", title="distance in words", axis=alt.Axis(labelAngle=0)),
        color=compared_colour(table),
        tooltip=[*(f"{name}:N" for name in keys), *interval_tooltips(WEIGHT)],
    )
    band, line, point = curves(base, WEIGHT)
    return alt.layer(band, line, point.encode(shape=COMPARED_SHAPE)).add_params(*menus.values())


def verdicts(table: pd.DataFrame, title: str) -> alt.Chart:
    """Show for each head whether it follows links, neighbours, both or neither, by colour and by symbol.

    `table` has one row per relation, direction, layer and head, with `verdict` (as in `SCALES`) and the weights it
    rests on: mean (of the link), null, others, neighbour. A menu chooses the link.
    """
    weights = {"mean": f"{WEIGHT} of the link"} | {name: COMPARED[name] for name in ("null", "others", "neighbour")}
    columns = present(table, "run", "relation", "direction", *HEAD, "verdict", *weights)
    table = counted_from_one(named_links(table[columns]))
    menus = menus_of(table, "run", "link")
    legend = alt.Legend(orient="bottom", columns=2, title=None)
    told = [alt.Tooltip(f"{name}:Q", title=explained, format=".3f") for name, explained in weights.items()]
    return (
        filtered(head_grid(table, title), menus)
        .mark_point(filled=True, opacity=1, size=(STEP - 9) ** 2)
        .encode(
            color=alt.Color("verdict:N", scale=SCALES["verdict"], legend=legend),
            shape=alt.Shape("verdict:N", scale=alt.Scale(domain=SCALES["verdict"].domain, range=SHAPES), legend=legend),
            tooltip=[*(f"{name}:N" for name in ("link", *HEAD, "verdict")), *told],
        )
        .add_params(*menus.values())
    )


def _scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Average diagonal scores over seeds."""
    key = [*present(scores, *CASE), *HEAD]
    return scores.groupby(key, sort=False, observed=True)["diagonal"].mean().reset_index()
