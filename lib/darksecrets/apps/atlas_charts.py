"""The charts of the atlas: a grid of all heads, panels that show what was measured of one, and that head at work.

Every chart has the parameters `chosen_run`, `chosen_layer`, `chosen_head` and what else it needs, each with a menu, so
that it works alone; in the book, `assets/atlas.js` keeps the parameters of all charts of a page equal. Tables count
layers and heads from 0; what a reader sees counts from 1.
"""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from darksecrets.apps.atlas import DISTANCES, FEATURE_QUANTITIES, Atlas
from darksecrets.corpora.annotated_maps import AFTER, BEFORE, PATTERNS
from darksecrets.corpora.tasks import TASKS
from darksecrets.figures.charts import (
    COMPARED,
    FEATURE_COLOURS,
    SCALES,
    WIDTH,
    dots,
    gradient,
    head_grid,
    interval_tooltips,
    menu,
    present,
    square_root,
)
from darksecrets.figures.head_charts import COMPARED_SHAPE, TEXT, TICKS, packed
from darksecrets.figures.views import KEY, QUERY, WEIGHT, map_table
from darksecrets.models.feature_attention import SEP_SUM

# What the charts share: their menus, one head's rows of a table, and what is said where it has none.

RUN, TASK, LAYER, HEAD, CHECKPOINT = "chosen_run", "chosen_task", "chosen_layer", "chosen_head", "chosen_checkpoint"
HERE = f"'Layer ' + {LAYER} + ' head ' + {HEAD} + ', ' + {RUN}"  # what a panel's title begins with
NOTHING = "not measured in this run"


class Choices:
    """What the menus of a page offer: `runs` are the runs by name, `first` is the head (layer, head) open at first.

    The first run that has measured anything is chosen at first.
    """

    def __init__(self, runs: Mapping[str, Atlas], first: tuple[int, int]) -> None:
        n_layers, n_heads = np.array([run.shape for run in runs.values()]).max(0).tolist()
        tasks = [task for task in TASKS if any(task in run.tasks for run in runs.values())]
        self.offered = {
            RUN: list(runs),
            TASK: tasks or list(TASKS),
            LAYER: list(range(1, max(n_layers, 1) + 1)),
            HEAD: list(range(1, max(n_heads, 1) + 1)),
            CHECKPOINT: [AFTER, BEFORE],
        }
        run = next((name for name, one in runs.items() if one.shape[0]), next(iter(runs)))
        task = next(iter([*runs[run].tasks, *self.offered[TASK]]))
        self.first = {RUN: run, TASK: task, LAYER: first[0] + 1, HEAD: first[1] + 1}

    def menus(self, *names: str) -> list[alt.Parameter]:
        """Make the parameters of these names, each with a menu."""
        return [self._menu(name) for name in names]

    def _menu(self, name: str) -> alt.Parameter:
        column = name.removeprefix("chosen_")
        return menu(pd.DataFrame({column: pd.Series(self.offered[name], dtype=object)}), column, self.first.get(name))


def linked(chart: alt.TopLevelMixin, menus: Sequence[alt.Parameter], is_grid: bool = False) -> alt.TopLevelMixin:
    """Add the menus, and tell `atlas.js` which parameters the page's charts share, and where heads are chosen."""
    told = {"linked": [one.name for one in menus], "grid": is_grid}
    return chart.add_params(*menus).properties(usermeta=told)


def of_head(table: pd.DataFrame, key: Sequence[str]) -> alt.Chart:
    """Begin a panel: the rows of the chosen head, and of the chosen run where `key` has `run`.

    `table` has a row per `key`, layer and head, its other columns become lists over heads (`head_charts.packed`).
    """
    lists = [name for name in table if name not in (*key, "layer")]
    chart = alt.Chart(packed(table, key)) if len(table) else alt.Chart(alt.Data(values=[]))
    where = f"datum.layer == {LAYER}" + (f" && datum.run == {RUN}" if "run" in key else "")
    return chart.transform_filter(where).transform_flatten(lists).transform_filter(f"datum.head == {HEAD}")


def is_there(table: pd.DataFrame, *choices: str) -> str:
    """Say, as an expression, that a table has rows of what these parameters choose, and of the chosen head.

    `table` has a column for each of `choices`, `run` for `chosen_run`, and layer and head from 0.
    """
    columns = [name.removeprefix("chosen_") for name in choices]
    sizes = (table.groupby(columns, observed=True)[["layer", "head"]].max() + 1) if len(table) else pd.DataFrame()
    join = " + '|' + "
    keys = ["|".join(key if isinstance(key, tuple) else (key,)) for key in sizes.index]
    size = f"({dict(zip(keys, sizes.to_numpy().tolist(), strict=True))})[{join.join(choices)}]"
    return f"{size} && {LAYER} <= {size}[0] && {HEAD} <= {size}[1]"


def side_by_side(table: pd.DataFrame, key: Sequence[str], column: str) -> pd.DataFrame:
    """Lay means out as columns, one for each value of `column`, and the half widths of their intervals as "±" columns.

    A third as long as rows; numbers are in thousandths. `key` and `column` name a row of `table` (mean, low, high).
    """
    wide = table.assign(mean=1000 * table["mean"], margin=500 * (table["high"] - table["low"]))
    wide = wide.pivot(index=list(key), columns=column, values=["mean", "margin"])
    wide.columns = [f"{'±' if kind == 'margin' else ''}{name}" for kind, name in wide.columns]
    return wide.astype(float).round().astype("Int64").reset_index()


def in_rows(chart: alt.Chart, columns: Sequence[str]) -> alt.Chart:
    """Undo `side_by_side` in the browser: `column`, and weight, low and high, between 0 and 1."""
    folded = chart.transform_fold(list(columns), as_=["column", "thousandths"])
    margin = "(datum['±' + datum.column] || 0)"
    return folded.transform_filter("isValid(datum.thousandths)").transform_calculate(
        weight="datum.thousandths / 1000",
        low=f"max(0, datum.thousandths - {margin}) / 1000",
        high=f"min(1000, datum.thousandths + {margin}) / 1000",
    )


def or_nothing(*layers: alt.Chart, where: str, title: str, width: object = WIDTH, **size: object) -> alt.LayerChart:
    """Layer a panel's marks under a title; unless `where`, say that there is nothing. Both are expressions."""
    said = alt.Chart(alt.Data(values=[{"place": 0}])).transform_filter(f"!({where})")
    said = said.mark_text(align="left", fontSize=12, color="#595959", x=4, y=12, text=NOTHING)
    return alt.layer(*layers, said, title=alt.Title(alt.ExprRef(title), anchor="start"), width=width, **size)


# All heads, and what was measured of one.

QUANTITY = "chosen_quantity"
# What the grid can show: its name in the menu, and the scale that colours it.
QUANTITIES = {
    "pattern": ("main pattern of its maps", "pattern"),
    "change": ("change of the score without it, in points", "score change"),
    "similarity": ("similarity of maps before and after tuning", "similarity"),
    **{
        quantity: (f"attention to {'every [SEP]' if name == SEP_SUM else name}", "attention")
        for name, quantity in FEATURE_QUANTITIES.items()
    },
    "frame": ("frame links: weight beyond both nulls", "change"),
    "verb_subject": ("verb and subject: weight beyond both nulls", "change"),
    "pronoun_antecedent": ("pronoun and antecedent: beyond both nulls", "change"),
    "to_same_word": ("same word: beyond what others give it", "change"),
}
SWATCHES = {
    "attention": [0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1],
    "change": [-0.5, -0.2, -0.05, -0.01, 0, 0.01, 0.05, 0.2, 0.5],
    "score change": [-30, -10, -3, -1, 0, 1, 3, 10, 30],
    "similarity": [0, 0.5, 0.7, 0.8, 0.9, 0.95, 1],
    "pattern": list(PATTERNS),
}
SHORT = dict(zip(PATTERNS, ("Vert.", "Diag.", "V + D", "Block", "Heter."), strict=True))
ROW = 15  # pixels of a task


def grid(table: pd.DataFrame, described: pd.DataFrame, choices: Choices) -> alt.VConcatChart:
    """Show all heads in the colours of a quantity, the chosen one outlined, over a strip that explains the colours.

    `table` has a row per run, task, layer and head, and the columns of `atlas.by_task`; `described` a row per
    run, layer and head with `in_words`.
    """
    rows = packed(table.round(3), ["run", "task"])
    lists = [name for name in rows if name not in ("run", "task", "layer")]
    cells = head_grid(rows).transform_filter(f"datum.run == {RUN} && datum.task == {TASK}").transform_flatten(lists)
    cells = cells.transform_calculate(shown=f"datum[{QUANTITY}]").transform_filter("isValid(datum.shown)")
    cells = cells.transform_calculate(told="isString(datum.shown) ? datum.shown : format(datum.shown, '.3f')")
    # Most layers are empty: to a screen reader, pictures without a name. The sentence is read instead.
    known = cells.mark_rect(stroke="#e8e8e8", cursor="pointer", aria=False)
    known = known.encode(tooltip=["layer:N", "head:N", alt.Tooltip("told:N", title="value")])
    words = described.assign(layer=described["layer"] + 1, head=described["head"] + 1)
    heads = head_grid(words).transform_filter(f"datum.run == {RUN}").transform_calculate(told=f"'{NOTHING}'")
    unknown = heads.mark_rect(color="#eeeeee", stroke="#ffffff", cursor="pointer", aria=False).encode(tooltip="told:N")
    chosen = heads.transform_filter(f"datum.layer == {LAYER} && datum.head == {HEAD}")
    # Black on white is seen on every colour.
    outlines = [
        chosen.mark_rect(filled=False, stroke=colour, strokeWidth=width, aria=False)
        for colour, width in (("white", 6), ("black", 3))
    ]
    title = alt.Title(alt.ExprRef(f"{HERE} + ', ' + {TASK}"), anchor="start")
    picture = (
        alt.layer(unknown, *_families(known), *outlines).resolve_scale(color="independent").properties(title=title)
    )
    colours = alt.binding_select(
        options=list(QUANTITIES), labels=[label for label, _ in QUANTITIES.values()], name="Colour "
    )
    quantity = alt.param(name=QUANTITY, value=next(iter(QUANTITIES)), bind=colours)
    menus = [quantity, *choices.menus(RUN, TASK, LAYER, HEAD)]
    return linked(alt.vconcat(picture, _strip(), spacing=12), menus, is_grid=True)


def shares(table: pd.DataFrame, choices: Choices) -> alt.VConcatChart:
    """Show which patterns the head's maps have, task by task, before fine-tuning and after.

    `table` has a row per run, task, checkpoint, layer and head, and a column for each pattern.
    """
    base = of_head(table.round(2), ["run", "task", "checkpoint"])
    base = base.transform_fold(list(PATTERNS), as_=["pattern", "share"])
    base = base.transform_calculate(place=f"indexof({list(PATTERNS)}, datum.pattern)")
    bars = base.mark_bar(height=11).encode(
        y=_tasks(choices),
        x=alt.X(
            "share:Q",
            stack="normalize",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(title="share of its maps", format="%"),
        ),
        order="place:Q",
        color=alt.Color(
            "pattern:N", scale=SCALES["pattern"], legend=alt.Legend(orient="bottom", columns=3, title=None)
        ),
        tooltip=["task:N", "pattern:N", alt.Tooltip("share:Q", format=".0%")],
    )
    panels = [
        or_nothing(
            bars.transform_filter(alt.datum.checkpoint == name),
            where=is_there(table[table["checkpoint"] == name], RUN),
            title=f"{HERE} + ', {name}'",
            height=alt.Step(ROW),
        )
        for name in (BEFORE, AFTER)
    ]
    return linked(alt.vconcat(*panels), choices.menus(RUN, LAYER, HEAD))


def attention(table: pd.DataFrame, choices: Choices) -> alt.LayerChart:
    """Show the attention that the head pays to each kind of token on a task, before fine-tuning (hollow) and after.

    `table` has a row per run, task, checkpoint, feature, layer and head, with mean, low and high.
    """
    names = dict(zip(FEATURE_QUANTITIES.values(), FEATURE_QUANTITIES, strict=True))
    base = of_head(_packed(table), ["run", "task", "checkpoint"]).transform_filter(f"datum.task == {TASK}")
    base = in_rows(base, list(names)).transform_calculate(feature=f"({names})[datum.column]")
    colour = {"scale": SCALES["feature"], "legend": None}
    base = base.encode(
        y=alt.Y("feature:N", title=None, scale=alt.Scale(domain=list(FEATURE_COLOURS))),
        yOffset=alt.YOffset("checkpoint:N", scale=alt.Scale(domain=[BEFORE, AFTER])),
        color=alt.Color("feature:N", **colour),
        tooltip=["feature:N", "checkpoint:N", *interval_tooltips(WEIGHT, column="weight")],
    )
    filled = alt.condition(alt.datum.checkpoint == AFTER, alt.Fill("feature:N", **colour), alt.value("white"))
    place, low = (square_root(alt.X, name, f"{WEIGHT} (square-root axis)", 1) for name in ("weight", "low"))
    rules = base.mark_rule(strokeWidth=2, aria=False).encode(x=low, x2="high:Q")
    points = base.mark_point(size=45, opacity=1, strokeWidth=2).encode(x=place, fill=filled)
    panel = or_nothing(
        rules, points, where=is_there(table, RUN, TASK), title=f"{HERE} + ', ' + {TASK}", height=alt.Step(11)
    )
    return linked(panel, choices.menus(RUN, TASK, LAYER, HEAD))


def links(table: pd.DataFrame, choices: Choices) -> alt.LayerChart:
    """Show the weight that the head puts on linked words beside its nulls; filled where it beats them.

    `table` has a row per run, kind of link, layer and head: link, null, others, excess, low, high, beats. The line is
    the interval of the difference from the closer null, drawn from that null on.
    """
    names = {name: COMPARED[name] for name in ("link", "null", "others")}
    top = float(np.nanmax([0.1, *table[list(names)].max()]))
    kinds, axis = list(table["kind"].unique()), f"{WEIGHT} (square-root axis)"
    base = of_head(table.round(3), ["run", "kind"])
    base = base.encode(y=alt.Y("kind:N", title=None, scale=alt.Scale(domain=kinds), axis=alt.Axis(labelLimit=150)))
    ends = {end: f"max(0, datum.link - datum.excess + datum.{end})" for end in ("low", "high")}
    rules = base.transform_calculate(**ends).mark_rule(strokeWidth=2, color=TEXT, clip=True, aria=False)
    rules = rules.encode(x=square_root(alt.X, "low", axis, top), x2="high:Q")
    weights = base.transform_fold(list(names), as_=["quantity", "weight"]).transform_filter("isValid(datum.weight)")
    weights = weights.transform_calculate(
        compared=f"({names})[datum.quantity]", hollow="datum.quantity == 'link' && !datum.beats"
    )
    fill = alt.Fill("compared:N", scale=SCALES["compared"], legend=None)
    legend = alt.Legend(orient="bottom", columns=1, title=None, values=list(names.values()))
    points = weights.mark_point(size=50, opacity=1, strokeWidth=2).encode(
        x=square_root(alt.X, "weight", axis, top),
        shape=COMPARED_SHAPE,
        color=alt.Color("compared:N", scale=SCALES["compared"], legend=legend),
        fill=alt.condition("datum.hollow", alt.value("white"), fill),
        tooltip=["kind:N", "compared:N", alt.Tooltip("weight:Q", title=WEIGHT, format=".3f")],
    )
    panel = or_nothing(rules, points, where=is_there(table, RUN), title=HERE, height=alt.Step(22), width=WIDTH - 80)
    return linked(panel, choices.menus(RUN, LAYER, HEAD))


def tasks(disabling: pd.DataFrame, similarity: pd.DataFrame, choices: Choices) -> alt.VConcatChart:
    """Show for every task how its score changes without the head and, below, how similar its maps are after tuning.

    Both tables have a row per run, task, layer and head, with mean, low and high; `disabling`, in points, also whether
    a change is `clear` (filled).
    """
    y, colour = _tasks(choices), {"scale": SCALES["task"], "legend": None}
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="#8c8c8c", strokeDash=[2, 2]).encode(x="zero:Q")
    changed = of_head(disabling.round(2), ["run", "task"]).encode(
        y=y, color=alt.Color("task:N", **colour), tooltip=["task:N", *interval_tooltips("change in points", ".2f")]
    )
    rules, means = dots(changed, "change of the score without it, in points", "~f")
    filled = alt.condition(alt.datum.clear, alt.Fill("task:N", **colour), alt.value("white"))
    means = means.mark_point(size=45, opacity=1, strokeWidth=2).encode(fill=filled)
    alike = of_head(similarity.round(3), ["run", "task"]).encode(
        y=y, color=alt.Color("task:N", **colour), tooltip=["task:N", *interval_tooltips("similarity")]
    )
    lower = [part.encode(x=part.encoding.x.scale(domain=[0, 1])) for part in dots(alike, "similarity before and after")]
    upper = {"where": is_there(disabling, RUN), "title": f"{HERE} + ', disabled'", "height": alt.Step(ROW)}
    below = {"where": is_there(similarity, RUN), "title": f"{HERE} + ', tuned'", "height": alt.Step(ROW)}
    panels = [or_nothing(zero, rules, means, **upper), or_nothing(*lower, **below)]
    return linked(alt.vconcat(*panels), choices.menus(RUN, LAYER, HEAD))


def _families(cells: alt.Chart) -> list[alt.Chart]:
    """Colour cells that have `shown`, each kind of quantity on its own scale and in a layer of its own."""
    layers = []
    for family in SWATCHES:
        keys = [key for key, (_, scale) in QUANTITIES.items() if scale == family]
        kind = "N" if family == "pattern" else "Q"
        colour = alt.Color(f"shown:{kind}", scale=SCALES[family], legend=None)
        layers.append(cells.transform_filter(f"indexof({keys}, {QUANTITY}) >= 0").encode(color=colour))
    return layers


def _strip() -> alt.LayerChart:
    """Explain the colours: a row of swatches with their values under the name of the quantity."""
    rows = [
        {"place": place, "swatch": value, "label": SHORT.get(value, str(value)), "scale": scale}
        for scale, values in SWATCHES.items()
        for place, value in enumerate(values)
    ]
    scales = {key: scale for key, (_, scale) in QUANTITIES.items()}
    names = {key: label for key, (label, _) in QUANTITIES.items()}
    base = alt.Chart(alt.Data(values=rows), width=WIDTH, height=14).encode(x=alt.X("place:O", axis=None))
    base = base.transform_filter(f"datum.scale == ({scales})[{QUANTITY}]").transform_calculate(shown="datum.swatch")
    labels = base.mark_text(dy=16, fontSize=10, color=TEXT).encode(text="label:N")
    title = alt.Title(alt.ExprRef(f"({names})[{QUANTITY}]"), anchor="start", fontSize=11, fontWeight="normal")
    return alt.layer(*_families(base.mark_rect(aria=False)), labels, title=title).resolve_scale(color="independent")


def _packed(features: pd.DataFrame) -> pd.DataFrame:
    """Lay features out side by side, in the order of the panel."""
    key = ["run", "task", "checkpoint", "layer", "head"]
    wide = side_by_side(features.assign(column=features["feature"].map(FEATURE_QUANTITIES)), key, "column")
    every = [*FEATURE_QUANTITIES.values(), *(f"±{name}" for name in FEATURE_QUANTITIES.values())]
    return wide[[*key, *present(wide, *every)]]


def _tasks(choices: Choices) -> alt.Y:
    return alt.Y("task:N", title=None, scale=alt.Scale(domain=choices.offered[TASK]))


# A head at work. Both charts have a menu of the pre-trained model and of the one that was tuned on the chosen task.

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
