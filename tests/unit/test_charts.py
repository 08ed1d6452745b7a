"""The book's charts: they draw, count from 1, keep their scales, offer only what the run has, and fit a phone."""

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
import vl_convert

from darksecrets.corpora import glue
from darksecrets.figures import charts
from darksecrets.overview import methodology
from darksecrets.saved_tables import side_by_side
from darksecrets.sections import fine_tuning
from tests.notebooks.executed import per_head

PHONE = 400  # pixels
TASKS = ["RTE", "SST-2"]


def similarity_table(by, tasks=TASKS, readings=("paper",), n_layers=6, n_heads=12):
    ranges = {"layer": range(n_layers), "head": range(n_heads)}
    keys = itertools.product(tasks, readings, *(ranges[name] for name in by))
    table = pd.DataFrame(keys, columns=["task", "reading", *by])
    mean = np.random.default_rng(0).uniform(0.4, 0.9, len(table))
    return table.assign(mean=mean, low=mean - 0.05, high=mean + 0.05, n_seeds=1)


def evidence(tasks=TASKS):
    keys = itertools.product(tasks, (2e-5, 5e-5, 1e-4), (0, 1))
    table = pd.DataFrame(keys, columns=["task", "learning_rate", "seed"])
    return table.assign(metric="accuracy", value=np.linspace(0.5, 0.8, len(table)))


def change_by_head(tasks=TASKS, **sizes):
    tables = (similarity_table(by, tasks, **sizes) for by in (["layer", "head"], ["layer"]))
    return fine_tuning.change_by_head(*tables, "A finding")


def readings(tasks=TASKS):
    return fine_tuning.readings(similarity_table(["layer"], tasks, ("paper", "released")), "A finding")


def two_runs(by, tasks=TASKS, readings=("paper",)):
    """The similarities of a run, and others of the reference run, whose model has another size."""
    reference = similarity_table(by, tasks, readings, n_layers=4, n_heads=5)
    return side_by_side(similarity_table(by, tasks, readings), reference.assign(mean=reference["mean"] / 2))


def change_beside(tasks=TASKS):
    return fine_tuning.change_by_head(*(two_runs(by, tasks) for by in (["layer", "head"], ["layer"])), "A finding")


def readings_beside(tasks=TASKS):
    return fine_tuning.readings(two_runs(["layer"], tasks, ("paper", "released")), "A finding")


def search(tasks=TASKS):
    return methodology.learning_rate_chart(evidence(tasks), "A finding")


CHARTS = {
    "change_by_head": change_by_head,
    "change_beside": change_beside,
    "readings": readings,
    "readings_beside": readings_beside,
    "learning_rate_search": search,
}


def svg_of(chart):
    return vl_convert.vegalite_to_svg(chart.to_dict())


def parts(node, key):
    """All values of `key` anywhere in a specification, outside its data."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            if name != "datasets":
                yield from parts(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from parts(value, key)


@pytest.mark.parametrize("make", CHARTS.values(), ids=CHARTS)
class TestEveryChart:
    def test_it_draws_its_title(self, make):
        assert "A finding" in svg_of(make())

    @pytest.mark.parametrize("tasks", [["RTE"], list(glue.TASKS)], ids=["one task", "seven tasks"])
    def test_it_fits_a_phone(self, make, tasks):
        width = float(re.search(r'<svg[^>]* width="([\d.]+)"', svg_of(make(tasks))).group(1))
        assert charts.WIDTH < width <= PHONE

    def test_every_quantity_has_the_books_scale(self, make):
        specification = make().to_dict()
        scales = {
            field: json.loads(json.dumps(scale.to_dict()))
            for field, scale in (
                ("task", charts.SCALES["task"]),
                ("reading", charts.SCALES["reading"]),
                ("mean", charts.SCALES["similarity"]),
            )
        }
        colours = list(parts(specification, "color"))
        colours = [colour for colour in colours if isinstance(colour, dict) and "field" in colour]
        assert colours
        for colour in colours:
            assert colour["scale"] == scales[colour["field"]]


@pytest.mark.parametrize("make", [change_by_head, readings])
def test_the_menu_has_the_runs_tasks_and_no_others(make):
    (menu,) = make(["SST-2", "MRPC"]).to_dict()["params"]
    assert menu["bind"]["options"] == ["SST-2", "MRPC"]
    assert menu["value"] == "SST-2"


@pytest.mark.parametrize("make", [change_beside, readings_beside])
def test_beside_a_reference_run_there_is_a_menu_of_runs_and_this_run_comes_first(make):
    run, task = make().to_dict()["params"]
    assert run["bind"]["options"] == ["this run", "reference run"]
    assert run["value"] == "this run"
    assert task["bind"]["options"] == TASKS


def chosen_run(specification, run):
    """The chart as a reader sees it who has chosen a run."""
    (menu, _) = specification["params"]
    menu["value"] = run
    return vl_convert.vegalite_to_svg(specification)


@pytest.mark.parametrize(("run", "n_cells", "n_points"), [("this run", 6 * 12, 6), ("reference run", 4 * 5, 4)])
def test_the_chosen_run_is_drawn_and_no_other(run, n_cells, n_points):
    drawn = chosen_run(change_beside().to_dict(), run)
    assert drawn.count('aria-roledescription="rect mark"') == n_cells
    assert drawn.count('aria-roledescription="line mark"') == len(TASKS)
    assert drawn.count('aria-roledescription="point"') == len(TASKS) * n_points
    drawn = chosen_run(readings_beside().to_dict(), run)
    assert drawn.count('aria-roledescription="line mark"') == 2
    assert drawn.count('aria-roledescription="point"') == 2 * n_points


@pytest.mark.parametrize("make", [change_by_head, search])
def test_the_legend_has_the_runs_tasks_and_no_others(make):
    legends = [legend for legend in parts(make(["SST-2", "MRPC"]).to_dict(), "legend") if legend]
    assert ["SST-2", "MRPC"] in [legend.get("values") for legend in legends]
    labels = svg_of(make(["SST-2", "MRPC"]))
    assert ">MRPC<" in labels
    assert ">QNLI<" not in labels


@pytest.mark.parametrize("make", [change_by_head, readings])
def test_layers_and_heads_count_from_one(make):
    for rows in make().to_dict()["datasets"].values():
        assert {row["layer"] for row in rows} == set(range(1, 7))
        assert all(row.get("head", list(range(1, 13))) == list(range(1, 13)) for row in rows)


def test_rows_carry_the_tables_numbers_to_four_digits():
    table = similarity_table(["layer", "head"])
    specification = fine_tuning.change_by_head(table, similarity_table(["layer"]), "A finding").to_dict()
    rows = next(rows for rows in specification["datasets"].values() if "head" in rows[0])
    found = {(row.task, row.layer, row.head): [row.mean, row.low, row.high] for row in per_head(rows).itertuples()}
    assert len(found) == len(table)
    for row in table.itertuples():
        expected = pytest.approx([row.mean, row.low, row.high], abs=5.1e-5)
        assert found[row.task, row.layer, row.head] == expected


def test_only_the_chosen_tasks_heads_are_drawn_but_every_tasks_curve():
    drawn = svg_of(change_by_head(n_layers=3, n_heads=4))
    assert drawn.count('aria-roledescription="rect mark"') == 12
    assert drawn.count('aria-roledescription="line mark"') == 2
    assert drawn.count('aria-roledescription="area mark"') == 1


@pytest.mark.parametrize("make", [change_by_head, readings])
def test_every_mark_says_its_value_and_interval(make):
    for tooltip in parts(make().to_dict(), "tooltip"):
        fields = [shown["field"] for shown in tooltip]
        assert fields[-3:] == ["mean", "low", "high"]
        assert {"task", "layer"} <= set(fields)


def test_one_seed_or_example_without_interval_still_draws():
    by_head, by_layer = (similarity_table(by).assign(low=np.nan, high=np.nan) for by in (["layer", "head"], ["layer"]))
    assert svg_of(fine_tuning.change_by_head(by_head, by_layer, "A finding")).count('"rect mark"') == 72


def test_the_search_shows_every_seed_and_the_rates_as_ticks():
    specification = search().to_dict()
    drawn = svg_of(search())
    assert drawn.count('aria-roledescription="point"') == len(evidence())
    assert next(values for values in parts(specification, "values") if 5e-5 in values) == [2e-5, 5e-5, 1e-4]


def test_colours_are_named_for_every_task_and_differ():
    scale = charts.SCALES["task"].to_dict()
    assert scale["domain"] == list(glue.TASKS)
    assert len(set(scale["range"])) == len(glue.TASKS)


TITLES = [
    "The last two layers change more on 7 of 7 tasks",
    "Padding changes the similarity, the more the later the layer",
    "A rate of 0.0001 serves the tasks best on average",
]


@pytest.mark.parametrize("title", TITLES)
def test_titles_of_the_chapters_fit_a_phone(title):
    chart = fine_tuning.readings(similarity_table(["layer"], ["RTE"], ("paper", "released")), title)
    assert float(re.search(r'<svg[^>]* width="([\d.]+)"', svg_of(chart)).group(1)) <= PHONE
