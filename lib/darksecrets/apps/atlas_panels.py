"""What the charts of the atlas share: their parameters, one head's rows of a table, and what is said where it has none.

Every chart has the parameters `chosen_run`, `chosen_layer`, `chosen_head` and what else it needs, each with a menu, so
that it works alone; in the book, `assets/atlas.js` keeps the parameters of all charts of a page equal.
"""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from darksecrets.apps.atlas import Atlas
from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.corpora.tasks import TASKS
from darksecrets.figures.charts import WIDTH, menu
from darksecrets.figures.head_charts import packed

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
