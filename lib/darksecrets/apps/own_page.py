"""What a report on one's own classifier shows, with its captions: for the notebook and for the page of the command.

No word that a person typed is in a chart or a caption: the data are "your data" in both.
"""

from typing import Any

import altair as alt
import pandas as pd

from darksecrets.apps import own_reading
from darksecrets.apps.own_report import OwnReport, OwnTables
from darksecrets.figures import head_charts
from darksecrets.figures.charts import (
    FEATURE_COLOURS,
    SCALES,
    STEP,
    WIDTH,
    counted_from_one,
    dots,
    interval_tooltips,
    menus_of,
    wrapped,
)
from darksecrets.figures.views import WEIGHT
from darksecrets.models.feature_attention import CLS
from darksecrets.sections import disabling_charts, pattern_charts

YOURS = "your data"


def shown(report: OwnReport) -> dict[str, dict[str, Any]]:
    """Return every figure (chart, caption, alt) and table (frame, caption) by name, as `publish` takes them."""
    tables = report.tables
    return {
        "overview": {
            "frame": own_reading.overview(report),
            "caption": "What was read: the model, the data, and what was taken for text and label.",
        },
        "patterns": {
            "chart": pattern_charts.figure_2(
                _yours(tables.shares).assign(run="this run"), own_reading.patterns_finding(tables)
            ),
            "caption": "The share of each pattern among the maps of all heads, corrected for the classifier's "
            "mistakes; below, each share with its interval.",
            "alt": "A stacked bar of the shares of five patterns, and below it a point with an interval for each.",
        },
        "pattern-heads": {
            "chart": pattern_charts.by_head(_yours(tables.patterns), "The pattern that most inputs show, head by head"),
            "caption": "The main pattern of each head; the larger the square, the more of the inputs show it.",
            "alt": "A grid of squares by layer and head, coloured by main pattern.",
        },
        "attended": {
            "chart": attended(tables.attended, own_reading.attended_finding(tables)),
            "caption": "The attention that special tokens and words receive, averaged over all heads and over the "
            "inputs that have such a word; of several, the one that receives most.",
            "alt": "A point with an interval for each kind of token: the mean attention that it receives.",
        },
        "attended-heads": {
            "chart": attended_heads(tables.attended_heads, "Which heads attend to what"),
            "caption": "The attention that a kind of token receives from each head; the menu chooses the kind.",
            "alt": "Heat map by layer and head of the attention to the chosen kind of token.",
        },
        "disabled-heads": {
            "chart": disabling_charts.heads(
                _yours(tables.heads), _yours(tables.baseline), own_reading.heads_finding(tables)
            ),
            "caption": "The change of the score when a head is disabled, in points, with an interval when pointed at.",
            "alt": "Heat map by layer and head of the change of the score when the head is disabled.",
        },
        "heads": {
            "frame": own_reading.heads_table(tables),
            "caption": "The heads whose disabling changes the score most, in points, and what they look at.",
        },
        "removal": {
            "chart": disabling_charts.removal(_yours(tables.curves), own_reading.removal_finding(report)),
            "caption": "The change of the score as more and more heads are disabled, on the examples that did not "
            "choose the order.",
            "alt": "Curves: change of the score against the share of heads disabled, for orders by a sweep, by "
            "gradients and at random.",
        },
        "disabled": {
            "frame": own_reading.disabled_table(report),
            "caption": "The heads recommended to be disabled together, counted from 1.",
        },
    }


def attended(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Show the attention that each kind of token receives: a point with its interval, from `own_report.OwnTables`."""
    table = counted_from_one(table[["feature", "mean", "low", "high", "n_examples"]])
    base = alt.Chart(table, width=WIDTH, height=alt.Step(STEP), title=wrapped(title)).encode(
        y=alt.Y("feature:N", title=None, sort=list(FEATURE_COLOURS)),
        color=alt.Color("feature:N", scale=SCALES["feature"], legend=None),
        tooltip=[
            "feature",
            *interval_tooltips(WEIGHT, ".4f"),
            alt.Tooltip("n_examples:Q", title="inputs that have it"),
        ],
    )
    return alt.layer(*dots(base, WEIGHT))


def attended_heads(table: pd.DataFrame, title: str) -> alt.Chart:
    """Colour the heads by the attention that they pay to the kind of token that a menu chooses."""
    packed = head_charts.packed(head_charts.with_margin(table, ["feature", "layer", "head"]), ["feature"])
    menus = menus_of(packed, "feature", first=(CLS,))
    return head_charts.cells(packed, menus, "attention", WEIGHT, title=title).add_params(*menus.values())


def texts(report: OwnReport) -> dict[str, str]:
    """Return the sentences that go with the figures, by name."""
    tables: OwnTables = report.tables
    return {
        "recommendation": own_reading.recommendation(report),
        "best_head": own_reading.best_head(tables),
        "heads_finding": own_reading.heads_finding(tables),
        "attended_finding": own_reading.attended_finding(tables),
        "patterns_finding": own_reading.patterns_finding(tables),
    }


def _yours(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(task=YOURS)
