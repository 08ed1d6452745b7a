"""Two charts of the atlas that show a head at work: its map of one input, and its attention by distance.

Both have a menu of the pre-trained model and of the one that was fine-tuned on the chosen task.
"""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from darksecrets.apps.atlas_panels import (
    CHECKPOINT,
    HEAD,
    LAYER,
    RUN,
    TASK,
    Choices,
    in_rows,
    is_there,
    linked,
    of_head,
    or_nothing,
    side_by_side,
)
from darksecrets.apps.opened_heads import DISTANCES
from darksecrets.corpora.annotated_maps import BEFORE
from darksecrets.figures.charts import SCALES, gradient, interval_tooltips, square_root
from darksecrets.figures.head_charts import TICKS
from darksecrets.figures.views import KEY, QUERY, WEIGHT, map_table

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # of a weight's square root, from 0 to 1
MODEL = f"({CHECKPOINT} == '{BEFORE}' ? '{BEFORE}' : {TASK})"
SIDE = 252  # pixels of a map
Runs = Mapping[str, Sequence[str]]  # the models ("pre-trained" or a task) that are those of a run, by its name


def example(maps: Mapping[str, np.ndarray], tokens: Sequence[str], runs: Runs, choices: Choices) -> alt.LayerChart:
    """Show the head's map of one input; `maps` (layer, head, query, key) are by model, "pre-trained" or a task."""
    labels = list(map_table(next(iter(maps.values()))[0, 0], tokens).columns[1:])
    n = len(labels)
    base = alt.Chart(_encoded(maps)).transform_filter(f"datum.model == {MODEL} && {_there(runs)}")
    base = base.transform_filter(f"datum.layer == {LAYER}").transform_calculate(
        digit=f"split(substring(datum.weights, ({HEAD} - 1) * {n * n}, {HEAD} * {n * n}), '')"
    )
    base = base.transform_flatten(["digit"]).transform_filter("isValid(datum.digit) && datum.digit != ''")
    base = base.transform_window(cell="row_number()").transform_calculate(
        query=f"{labels}[floor((datum.cell - 1) / {n})]",
        key=f"{labels}[(datum.cell - 1) % {n}]",
        weight=f"pow(indexof('{DIGITS}', datum.digit) / {len(DIGITS) - 1}, 2)",
    )
    x, y = (
        channel(f"{name}:N", scale=alt.Scale(domain=labels), axis=alt.Axis(title=title, labelOverlap=False, **more))
        for channel, name, title, more in ((alt.X, "key", KEY, {"labelAngle": -90}), (alt.Y, "query", QUERY, {}))
    )
    named = {"query": QUERY, "key": KEY}
    cells = base.mark_rect().encode(
        x=x,
        y=y,
        color=gradient("weight", WEIGHT, "attention", TICKS["attention"], format=".2~f"),
        tooltip=[
            *(alt.Tooltip(f"{name}:N", title=title) for name, title in named.items()),
            alt.Tooltip("weight:Q", title=WEIGHT, format=".2f"),
        ],
    )
    step = alt.Step(float(np.clip(SIDE // n, 9, 21)))
    n_layers, n_heads = next(iter(maps.values())).shape[:2]
    where = f"{_there(runs)} && {LAYER} <= {n_layers} && {HEAD} <= {n_heads}"
    panel = or_nothing(cells, where=where, title=_title(), width=step, height=step)
    return linked(panel, choices.menus(CHECKPOINT, RUN, TASK, LAYER, HEAD))


def by_distance(table: pd.DataFrame, runs: Runs, choices: Choices) -> alt.LayerChart:
    """Show the head's mean attention to the tokens before and after, on the inputs of the chosen task.

    `table` has a row per task, checkpoint, layer, head and distance, with mean, low and high.
    """
    wide = side_by_side(table, ["task", "checkpoint", "layer", "head"], "distance")
    base = of_head(wide, ["task", "checkpoint"])
    base = base.transform_filter(f"datum.task == {TASK} && datum.checkpoint == {CHECKPOINT} && {_there(runs)}")
    base = in_rows(base, list(map(str, DISTANCES))).transform_calculate(distance="toNumber(datum.column)")
    ticks = alt.Axis(labelAngle=0, title="tokens before (negative) and after")
    base = base.encode(x=alt.X("distance:O", scale=alt.Scale(domain=list(DISTANCES)), axis=ticks))
    weight, low = (square_root(alt.Y, name, f"{WEIGHT} (square root)", 1) for name in ("weight", "low"))
    rules = base.mark_rule(strokeWidth=2, color="#1a1a1a", aria=False).encode(y=low, y2="high:Q")
    bars = base.mark_bar(color=SCALES["reading"].range[0], opacity=0.75)
    bars = bars.encode(y=weight, tooltip=["distance:O", *interval_tooltips(WEIGHT, column="weight")])
    where = f"{_there(runs)} && {is_there(table, TASK, CHECKPOINT)}"
    panel = or_nothing(rules, bars, where=where, title=_title(), height=150)
    return linked(panel, choices.menus(CHECKPOINT, RUN, TASK, LAYER, HEAD))


def numbers(
    maps: Mapping[str, np.ndarray], tokens: Sequence[str], choices: Choices, head: tuple[int, int]
) -> pd.DataFrame:
    """Return the map that `example` shows at first, of a head (layer, head) from 0, as numbers."""
    task = choices.first[TASK]
    of_model = maps[task if task in maps else BEFORE]
    layer, place = np.minimum(head, np.array(of_model.shape[:2]) - 1)
    return map_table(of_model[layer, place], tokens)


def _encoded(maps: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Write the maps of a model's layer as text, a digit per weight: model, layer (from 1), weights."""
    rows = []
    for model, of_model in maps.items():
        places = np.rint(np.sqrt(np.clip(of_model, 0, 1).astype(float)) * (len(DIGITS) - 1)).astype(int)
        digits = np.array(list(DIGITS))[places].reshape(len(places), -1)
        rows += [(model, layer, "".join(of_layer)) for layer, of_layer in enumerate(digits, start=1)]
    return pd.DataFrame(rows, columns=["model", "layer", "weights"])


def _there(runs: Runs) -> str:
    """Say, as an expression, that the chosen model is one of the chosen run."""
    return f"indexof(({ {run: list(models) for run, models in runs.items()} })[{RUN}], {MODEL}) >= 0"


def _title() -> str:
    where = f"{CHECKPOINT} + ({CHECKPOINT} == '{BEFORE}' ? '' : ' on ' + {TASK})"
    return f"['Layer ' + {LAYER} + ' head ' + {HEAD} + ', ' + {where}, {RUN}]"
