"""Charts of the Discussion (Section 5): how many claims hold, and what heads cost by their main pattern."""

import altair as alt
import pandas as pd

from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.figures.charts import (
    SCALES,
    WIDTH,
    averaged,
    counted_from_one,
    dots,
    filtered,
    interval_tooltips,
    menus_of,
    present,
    wrapped,
)
from darksecrets.statistics import over_present_seeds


def verdicts(counts: pd.DataFrame, title: str) -> alt.Chart:
    """Show how many claims of each section hold, do not, or cannot be told (`evidence.claims.counts`), run by run."""
    names = SCALES["judgement"].domain
    return (
        alt.Chart(counts.assign(order=counts["verdict"].map(names.index)), width=WIDTH, height=alt.Step(22))
        .mark_bar(stroke="white")
        .encode(
            x=alt.X("n:Q", title="number of claims", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("section:N", title="section", sort=None),
            color=alt.Color(
                "verdict:N", scale=SCALES["judgement"], legend=alt.Legend(orient="bottom", title=None, columns=2)
            ),
            order=alt.Order("order:Q"),
            row=alt.Row(
                "run:N", title=None, sort=None, spacing=14, header=alt.Header(orient="top", labelAnchor="start")
            ),
            tooltip=["run", "section", "verdict", alt.Tooltip("n:Q", title="claims")],
        )
        .properties(title=wrapped(title))
    )


def costs_by_pattern(costs: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show what disabling a head costs by its main pattern (`evidence.discussion.by_pattern`, fractions; shown in
    points); menus choose run and task.
    """
    key = present(costs, "run", "task", "pattern")
    n_heads = costs.groupby(key, sort=False, observed=True)["n_heads"].mean().reset_index()
    table = averaged(costs, key, over_present_seeds).merge(n_heads)  # a seed may have no head of a pattern
    table = counted_from_one(table.assign(**{name: 100 * table[name] for name in ("mean", "low", "high")}))
    menus = menus_of(table, "run", "task")
    base = filtered(alt.Chart(table, width=WIDTH, height=alt.Step(26), title=wrapped(title)), menus).encode(
        y=alt.Y("pattern:N", title=None, sort=list(PATTERNS)),
        color=alt.Color("pattern:N", scale=SCALES["pattern"], legend=None),
        tooltip=[
            *(f"{name}:N" for name in key),
            *interval_tooltips("cost in points", ".2f"),
            alt.Tooltip("n_heads:Q", title="heads (mean over seeds)", format=".1f"),
        ],
    )
    return alt.layer(*dots(base, "cost of disabling a head (points)", "~f")).add_params(*menus.values())
