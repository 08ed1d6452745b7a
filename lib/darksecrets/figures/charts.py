"""The book's charts: tidy tables in, Altair charts out. Layers and heads are counted from 1 here, as in the paper."""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER, BEFORE, PATTERNS
from darksecrets.figures.views import ATTENTION_SCALE
from darksecrets.statistics import over_seeds

# The features of Section 4.4, each with its colour: words in cool or dull colours, special tokens in strong ones.
FEATURE_COLOURS = {
    "noun": "#117733",
    "verb": "#2f9e8f",
    "pronoun": "#aa4499",
    "subject": "#332288",
    "object": "#8f8f20",
    "negation": "#882255",
    "punctuation": "#6e6e6e",
    "[CLS]": "#0072b2",
    "[SEP]": "#d55e00",
    "[SEP] sum": "#8c3b00",
}

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
    "feature": alt.Scale(domain=list(FEATURE_COLOURS), range=list(FEATURE_COLOURS.values())),
    "attention": alt.Scale(**ATTENTION_SCALE),
    # A difference of two attention weights: as with these, colours follow the square root.
    "change": alt.Scale(scheme="blueorange", type="pow", exponent=0.5, domain=[-0.5, 0.5], domainMid=0, clamp=True),
    # Points (per cent) of a score; by the square root, half a point is seen beside 30.
    "score change": alt.Scale(
        scheme="purplegreen", type="pow", exponent=0.5, domain=[-30, 30], domainMid=0, clamp=True
    ),
    "order": alt.Scale(
        domain=["least harmful first (sweep)", "least important first (gradient)", "random (band: range of draws)"],
        range=["#0072b2", "#d55e00", "#6e6e6e"],
    ),
    "instead": alt.Scale(domain=["uniform", "zero", "mean"], range=["#0072b2", "#d55e00", "#117733"]),
    "measure": alt.Scale(domain=["attention weight", "weight times norm of the value"], range=["#0072b2", "#d55e00"]),
    "compared": alt.Scale(
        domain=["link", "same distance, no link", "attended word, from others", "neighbour"],
        range=["#0072b2", "#6e6e6e", "#117733", "#d55e00"],
    ),
    "beats": alt.Scale(domain=["beats both nulls", "does not"], range=["#0072b2", "#7a7a7a"]),
    "verdict": alt.Scale(
        domain=["follows the link", "follows the neighbour", "both", "neither"],
        range=["#0072b2", "#d55e00", "#117733", "#8c8c8c"],
    ),
    "judgement": alt.Scale(
        domain=["holds", "cannot tell", "does not hold", "not asked"],
        range=["#0072b2", "#b0b0b0", "#d55e00", "#e8e8e8"],
    ),
    "checkpoint": alt.Scale(domain=[AFTER, BEFORE], range=[[1, 0], [4, 3]]),  # dashes of a line
}
# What a head's weight of linked words is compared with, as tables and as readers call it.
COMPARED = dict(zip(("link", "null", "others", "neighbour"), SCALES["compared"].domain, strict=True))
STEP = 21  # pixels of a cell
WIDTH = 12 * STEP  # of a plot: with its axes it fits a phone


def head_grid(table: pd.DataFrame, title: str = "") -> alt.Chart:
    """Begin a chart with a cell for each layer (down) and head (across)."""
    return alt.Chart(table, width=WIDTH, height=alt.Step(STEP), title=wrapped(title)).encode(
        x=alt.X("head:O", title="head", axis=alt.Axis(labelAngle=0)), y=alt.Y("layer:O", title="layer")
    )


def gradient(column: str, title: str, quantity: str, values: Sequence[float], **options: str) -> alt.Color:
    """Colour cells by a column on the scale of one of `SCALES`, with a legend that has ticks at `values`."""
    size = {"gradientLength": WIDTH, "titleLimit": WIDTH}
    legend = alt.Legend(orient="bottom", values=list(values), **size, **options)
    return alt.Color(f"{column}:Q", title=title, scale=SCALES[quantity], legend=legend)


def dots(base: alt.Chart, axis: str, number_format: str = ".2~f") -> tuple[alt.Chart, alt.Chart]:
    """Draw the intervals and the means of rows from left to right, to be layered; `axis` names the axis."""
    explained = alt.X("mean:Q", axis=alt.Axis(title=axis, tickCount=5, format=number_format))
    means = base.mark_point(filled=True, size=45, opacity=1).encode(x=explained)
    return base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q"), means


def curves(base: alt.Chart, axis: str) -> tuple[alt.Chart, alt.Chart, alt.Chart]:
    """Draw intervals as bands, means as lines and points that tell them when pointed at, to be layered.

    The axis, which `axis` names, has room for all of the table: a menu does not change it.
    """
    numbers = base.data[["mean", "low", "high"]]
    ends = [min(0, float(np.floor(10 * numbers.min().min()) / 10)), float(np.ceil(10 * numbers.max().max()) / 10)]
    mean, low = (
        alt.Y(f"{name}:Q", axis=alt.Axis(title=axis, tickCount=5), scale=alt.Scale(domain=ends))
        for name in ("mean", "low")
    )
    band = base.mark_area(opacity=0.2).encode(y=low, y2="high:Q")
    return band, base.mark_line().encode(y=mean), base.mark_point(filled=True, size=25, opacity=1).encode(y=mean)


def square_root(channel: type[alt.X | alt.Y], column: str, title: str, highest: float) -> alt.X | alt.Y:
    """Place weights up to `highest` by their square root, as colours are chosen, on an axis with few ticks."""
    top = float(np.ceil(10 * highest) / 10)
    ticks = [tick for tick in (0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1) if tick <= top]
    scale = alt.Scale(type="sqrt", domain=[0, top], nice=False)
    return channel(f"{column}:Q", scale=scale, axis=alt.Axis(title=title, values=ticks, format=".2~f"))


def wrapped(text: str) -> alt.Title:
    """Break a title into lines that are no wider than a plot."""
    return alt.Title(textwrap.wrap(text, 38), anchor="start")


def menu(table: pd.DataFrame, column: str, first: str | None = None) -> alt.Parameter:
    """Offer what a column holds; `first` (by default the first that it holds) is chosen until a reader chooses."""
    offered = list(table[column].unique())
    chosen = first if first in offered else offered[0]
    choice = alt.binding_select(options=offered, name=f"{column.capitalize()} ")
    return alt.param(name=f"chosen_{column}", value=chosen, bind=choice)


def menus_of(table: pd.DataFrame, *columns: str, first: Sequence[str] = (AFTER,)) -> dict[str, alt.Parameter]:
    """A menu for each column that offers a choice; at first, what is in `first` (fine-tuned) is chosen."""
    return {
        name: menu(table, name, next((value for value in first if value in set(table[name])), None))
        for name in columns
        if name in table and table[name].nunique() > 1
    }


def present(table: pd.DataFrame, *columns: str) -> list[str]:
    """Return those of `columns` that the table has: `run`, for instance, where it joins several runs."""
    return [name for name in columns if name in table]


def filtered(chart: alt.Chart, menus: dict[str, alt.Parameter]) -> alt.Chart:
    """Keep what the menus choose."""
    for column, chosen in menus.items():
        chart = chart.transform_filter(alt.datum[column] == chosen)
    return chart


def averaged(
    table: pd.DataFrame, key: Sequence[str], average: Callable[..., pd.DataFrame] = over_seeds
) -> pd.DataFrame:
    """Average over seeds, each checkpoint of a run by itself: the pre-trained one has a single seed.

    Columns of `key` that the table lacks are left out, and a table without seeds is averaged already.
    """
    key = present(table, *key)
    if "seed" not in table:
        return table[[*key, "mean", "low", "high"]]
    apart = [name for name in ("run", "checkpoint") if name in key]
    groups = [group for _, group in table.groupby(apart, sort=False, observed=True)] if apart else [table]
    return pd.concat([average(group, key) for group in groups], ignore_index=True)


def interval_tooltips(title: str, number_format: str = ".3f", column: str = "mean") -> list[alt.Tooltip]:
    """Tell a mean (called `title`, in `column`) and its interval when a mark is pointed at."""
    columns = {column: title, "low": "95 % interval from", "high": "to"}
    return [alt.Tooltip(f"{name}:Q", title=called, format=number_format) for name, called in columns.items()]


def tooltips(names: Iterable[str], numbers: Mapping[str, str], number_format: str = ".4f") -> list[str | alt.Tooltip]:
    """Tell what is in the columns `names`, and `numbers`, columns with their titles, when a mark is pointed at."""
    told = [alt.Tooltip(f"{column}:Q", title=title, format=number_format) for column, title in numbers.items()]
    return [*(f"{name}:N" for name in names), *told]


def counted_from_one(table: pd.DataFrame) -> pd.DataFrame:
    """Prepare a table for a reader: layers and heads from 1, numbers to four digits."""
    # In 32 bits, 0.123 would be written with 17 digits.
    table = table.astype(dict.fromkeys(table.select_dtypes("float32"), float))
    return table.assign(**{column: table[column] + 1 for column in ("layer", "head") if column in table}).round(4)


def task_legend(table: pd.DataFrame) -> alt.Legend:
    """Name the tasks that the table has."""
    return alt.Legend(orient="bottom", columns=4, values=list(table["task"].unique()))
