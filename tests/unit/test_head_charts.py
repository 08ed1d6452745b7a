"""Charts with a mark per head: tables made small lose nothing, and menus choose what is shown."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
import vl_convert

from darksecrets.figures import charts, head_charts
from tests.unit.test_charts import svg_of

TASKS = ["RTE", "SST-2"]
TOLD = "mean ± 95 % interval"


def heads_of(tasks=TASKS, n_layers=3, n_heads=4):
    """Means that name their place: task, layer, head."""
    table = pd.DataFrame(itertools.product(tasks, range(n_layers), range(n_heads)), columns=["task", "layer", "head"])
    mean = (0.5 * table["task"].map(list(tasks).index) + 0.1 * table["layer"] + 0.01 * table["head"]).astype("float32")
    return table.assign(mean=mean, low=mean - 0.02, high=mean + 0.02)


def chosen(chart, **values):
    """The chart as it is drawn once menus are set to `values`, as SVG."""
    specification = chart.to_dict()
    for parameter in specification["params"]:
        parameter["value"] = values.pop(parameter["name"].removeprefix("chosen_"), parameter.get("value"))
    assert not values, "a menu is missing"
    return vl_convert.vegalite_to_svg(specification)


def labels(drawn, mark):
    """What each mark of a kind is called in the drawing, as a dictionary."""
    found = re.findall(rf'aria-label="([^"]*)"[^>]*aria-roledescription="{mark}"', drawn)
    return [dict(part.split(": ", 1) for part in label.split("; ")) for label in found]


def cell_chart(table=None, title="A finding"):
    table = heads_of() if table is None else table
    packed = head_charts.packed(head_charts.with_margin(table, ["task", "layer", "head"]), ["task"])
    menus = charts.menus_of(packed, "task")
    return head_charts.cells(packed, menus, "attention", "attention weight", title=title).add_params(*menus.values())


class TestPacked:
    def test_unpacking_gives_every_number_back_counted_from_one(self):
        table = heads_of()
        packed = head_charts.packed(head_charts.with_margin(table, ["task", "layer", "head"]), ["task"])
        assert len(packed) == 6  # a row per task and layer
        rows = packed.explode(["head", "mean", "mean ±"])
        assert rows["head"].tolist() == [1, 2, 3, 4] * 6
        assert rows["mean"].tolist() == pytest.approx(table["mean"].tolist(), abs=5.1e-5)
        assert rows["mean ±"].tolist() == pytest.approx([0.02] * 24, abs=5.1e-5)
        assert set(packed["layer"]) == {1, 2, 3}

    def test_numbers_are_short_and_missing_ones_are_none(self):
        table = heads_of().assign(mean=np.float32(1 / 3))
        table.loc[0, "mean"] = np.nan
        packed = head_charts.packed(table[["task", "layer", "head", "mean"]], ["task"])
        assert packed.loc[0, "mean"] == [None, 0.3333, 0.3333, 0.3333]

    def test_categories_without_rows_make_no_rows(self):
        table = heads_of().astype({"task": pd.CategoricalDtype(["QQP", *TASKS])})
        assert list(head_charts.packed(table, ["task"])["task"].unique()) == TASKS


class TestCells:
    def test_one_tasks_heads_are_drawn_with_their_numbers(self):
        for place, task in enumerate(TASKS):
            marks = labels(chosen(cell_chart(), task=task), "rect mark")
            assert len(marks) == 12
            for mark in marks:
                mean = 0.5 * place + 0.1 * (int(mark["layer"]) - 1) + 0.01 * (int(mark["head"]) - 1)
                assert mark[TOLD].split(" ")[0] == f"{mean:.4f}"
                assert mark[TOLD].endswith("± 0.0200")
                assert mark["task"] == task

    def test_a_mean_without_interval_claims_none(self):
        marks = labels(svg_of(cell_chart(heads_of().assign(low=np.nan, high=np.nan))), "rect mark")
        assert marks[0][TOLD] == "0.0000"

    def test_a_menus_parameter_may_choose_the_column(self):
        table = heads_of(["RTE"]).assign(**{"pre-trained": 0.1, "fine-tuned": 0.7})
        packed = head_charts.packed(table[["task", "layer", "head", "pre-trained", "fine-tuned"]], ["task"])
        menu = charts.menus_of(pd.DataFrame({"checkpoint": ["pre-trained", "fine-tuned"]}), "checkpoint")
        chart = head_charts.cells(packed, {}, "attention", "weight", "chosen_checkpoint").add_params(*menu.values())
        assert labels(svg_of(chart), "rect mark")[0]["mean"] == "0.7000"
        assert labels(chosen(chart, checkpoint="pre-trained"), "rect mark")[0]["mean"] == "0.1000"

    def test_one_task_needs_no_menu(self):
        chart = cell_chart(heads_of(["RTE"]))
        assert "params" not in chart.to_dict()
        assert len(labels(svg_of(chart), "rect mark")) == 12


def test_outlines_are_of_the_chosen_task_and_carry_nothing_else():
    outlined = heads_of().iloc[[3, 17]]
    menus = charts.menus_of(heads_of(), "task")
    chart = head_charts.outlines(outlined, menus).add_params(*menus.values())
    (rows,) = chart.to_dict()["datasets"].values()
    assert rows == [{"task": "RTE", "layer": 1, "head": 4}, {"task": "SST-2", "layer": 2, "head": 2}]
    assert chosen(chart, task="SST-2").count('aria-roledescription="rect mark"') == 1


class TestLabelled:
    def test_the_largest_of_each_group_are_named_from_one(self):
        table = heads_of()
        names = head_charts.labelled(table, ["task"], "mean", 2)
        assert names.dropna().tolist() == ["3-3", "3-4"] * 2
        assert names.index.equals(table.index)

    def test_only_heads_that_qualify_are_named(self):
        table = heads_of()
        names = head_charts.labelled(table, ["task"], "mean", 2, table["head"] == 0)
        assert names.dropna().tolist() == ["2-1", "3-1"] * 2


def test_quantities_are_called_what_the_colour_scale_calls_them():
    table = pd.DataFrame({"layer": [0], "head": [10], "quantity": ["null"], "mean": [1 / 3]})
    (row,) = head_charts.compared(table).to_dict("records")
    assert row == {"head": "1-11", "compared": charts.COMPARED["null"], "mean": 0.3333}
    assert list(charts.COMPARED.values()) == charts.SCALES["compared"].domain
