"""The charts of the atlas: what is drawn is what the tables say of the chosen head, whatever a run has."""

import json
import re
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
import vl_convert

from darksecrets.apps import atlas, atlas_charts
from darksecrets.apps.atlas import Atlas
from darksecrets.apps.atlas_charts import HEAD, LAYER, NOTHING, RUN, TASK, Choices
from darksecrets.corpora.annotated_maps import AFTER, BEFORE, PATTERNS
from darksecrets.figures import publish
from darksecrets.overview.discussion import RunTables
from darksecrets.runs import Run
from tests.conftest import ROOT
from tests.unit.test_charts import PHONE

THIS, REFERENCE = "this run", "reference run"
TOKENS = ("[CLS]", "a", "b", "a", "[SEP]")
EMPTY = Atlas.of(RunTables(*[None] * len(fields(RunTables))))


@pytest.fixture(scope="module")
def reference():
    return Atlas.of(RunTables.find(Run(ROOT / "notebooks" / "reference")))


def maps_of(models=(BEFORE, "RTE"), n_layers=6, n_heads=12, seed=0):
    weights = np.random.default_rng(seed).random((len(models), n_layers, n_heads, len(TOKENS), len(TOKENS))) ** 4
    return dict(zip(models, weights / weights.sum(-1, keepdims=True), strict=True))


def distances_of(tasks=("RTE",), n_layers=6, n_heads=12):
    keys = [tasks, (BEFORE, AFTER), range(n_layers), range(n_heads), atlas_charts.DISTANCES]
    names = ["task", "checkpoint", "layer", "head", "distance"]
    table = pd.MultiIndex.from_product(keys, names=names).to_frame(index=False)
    mean = np.random.default_rng(1).random(len(table)) / 3
    return table.assign(mean=mean, low=mean - 0.01, high=mean + 0.01)


def charts_of(runs, head=(1, 1), maps=None, distances=None):
    """Every chart of the page, by name."""
    choices = Choices(runs, head)
    models = {THIS: [BEFORE, "RTE"], REFERENCE: [BEFORE]}
    maps, distances = maps or maps_of(), distances_of() if distances is None else distances
    tables = {
        field.name: atlas.joined(runs, lambda one, name=field.name: getattr(one, name)) for field in fields(Atlas)
    }
    described = atlas.joined(runs, atlas.described)
    return {
        "grid": atlas_charts.grid(atlas.joined(runs, atlas.by_task), described, choices),
        "shares": atlas_charts.shares(tables["shares"], choices),
        "attention": atlas_charts.attention(tables["features"], choices),
        "links": atlas_charts.links(tables["links"], choices),
        "tasks": atlas_charts.tasks(tables["disabling"], tables["similarity"], choices),
        "example": atlas_charts.example(maps, TOKENS, models, choices),
        "distances": atlas_charts.by_distance(distances, models, choices),
    }


def svg_of(chart, **values):
    """The picture with some parameters set to other values, as a reader's choice sets them, and every mark told."""
    specification = json.loads(json.dumps(chart.to_dict()).replace('"aria": false', '"aria": true'))
    for parameter in specification["params"]:
        parameter["value"] = values.pop(parameter["name"], parameter["value"])
    assert not values, "the chart lacks these parameters"
    return vl_convert.vegalite_to_svg(specification)


def told(svg):
    """What each mark tells, as dictionaries."""
    labels = [label.replace("\u2212", "-") for label in re.findall(r'aria-label="([^"]*)"', svg)]
    return [dict(part.split(": ", 1) for part in label.split("; ")) for label in labels if re.match(r"[^']*: ", label)]


@pytest.fixture(scope="module")
def charts(reference):
    """Of a reference run, and of a run that has measured half as much of each kind on one task."""
    part = Atlas(
        **{
            field.name: table[table["task"] == "RTE"] if "task" in table else table.iloc[:0]
            for field in fields(Atlas)
            for table in [getattr(reference, field.name)]
        }
    )
    return charts_of({THIS: part, REFERENCE: reference})


def test_the_grid_can_show_whatever_is_laid_out(reference):
    assert set(atlas_charts.QUANTITIES) == set(atlas.by_task(reference)) - {"task", "layer", "head"}
    assert {scale for _, scale in atlas_charts.QUANTITIES.values()} == set(atlas_charts.SWATCHES)


@pytest.mark.parametrize("quantity", ["pattern", "change", "similarity", "to_CLS", "to_noun", "frame", "to_same_word"])
def test_cells_tell_the_table_in_any_quantity(charts, reference, quantity):
    svg = svg_of(charts["grid"], **{RUN: REFERENCE, TASK: "RTE", "chosen_quantity": quantity})
    cells = [mark for mark in told(svg) if "value" in mark]
    expected = atlas.by_task(reference).query("task == 'RTE'").set_index(["layer", "head"])[quantity]
    found = {(int(cell["layer"]) - 1, int(cell["head"]) - 1): cell["value"] for cell in cells}
    assert set(found) == set(expected.index)
    for place, value in expected.items():
        assert found[place] == (value if isinstance(value, str) else f"{round(value, 3) + 0:.3f}"), place
    assert atlas_charts.QUANTITIES[quantity][0] in svg


@pytest.mark.parametrize("values", [{"chosen_quantity": "frame"}, {TASK: "MNLI"}])
def test_cells_of_what_a_run_lacks_are_grey(charts, values):
    assert sum("value" in mark for mark in told(svg_of(charts["grid"]))) == 72
    svg = svg_of(charts["grid"], **values)
    assert sum("value" in mark for mark in told(svg)) == 0
    assert svg.count('fill="#eeeeee"') == 72


@pytest.mark.parametrize("head", [(0, 2), (3, 7)])
def test_panels_tell_the_tables_of_the_chosen_head(charts, reference, head):
    chosen = {RUN: REFERENCE, LAYER: head[0] + 1, HEAD: head[1] + 1}
    tables = {field.name: getattr(reference, field.name) for field in fields(Atlas)}
    own = {name: table[(table["layer"] == head[0]) & (table["head"] == head[1])] for name, table in tables.items()}
    tasks = told(svg_of(charts["tasks"], **chosen))
    for mark in (mark for mark in tasks if "change in points" in mark):
        row = own["disabling"].query("task == @mark['task']").iloc[0]
        assert float(mark["change in points"]) == pytest.approx(row["mean"], abs=0.0051)
        assert float(mark["95 % interval from"]) == pytest.approx(row["low"], abs=0.0051)
    assert sum("similarity" in mark for mark in tasks) == sum("change in points" in mark for mark in tasks) == 14
    attention = [mark for mark in told(svg_of(charts["attention"], **chosen, **{TASK: "QNLI"})) if "feature" in mark]
    assert len(attention) == 2 * 2 * 10
    for mark in attention:
        row = (
            own["features"]
            .query("task == 'QNLI' and feature == @mark['feature'] and checkpoint == @mark['checkpoint']")
            .iloc[0]
        )
        assert float(mark["attention weight"]) == pytest.approx(row["mean"], abs=0.0006)
        assert float(mark["to"]) == pytest.approx(row["high"], abs=0.0012)
    shares = [mark for mark in told(svg_of(charts["shares"], **chosen)) if "pattern" in mark]
    assert len(shares) == 2 * 7 * len(PATTERNS)
    links = [mark for mark in told(svg_of(charts["links"], **chosen)) if "compared" in mark]
    for mark in (mark for mark in links if mark["compared"] == "link"):
        row = own["links"].query("kind == @mark['kind']").iloc[0]
        assert float(mark["attention weight"]) == pytest.approx(row["link"], abs=0.00051)


def test_the_map_is_that_of_the_chosen_model_and_head(charts):
    maps = maps_of()
    for model, checkpoint in ((BEFORE, BEFORE), ("RTE", AFTER)):
        values = {LAYER: 3, HEAD: 7, TASK: "RTE", "chosen_checkpoint": checkpoint}
        marks = [mark for mark in told(svg_of(charts["example"], **values)) if "attention weight" in mark]
        weights = np.array([float(mark["attention weight"]) for mark in marks]).reshape(len(TOKENS), len(TOKENS))
        np.testing.assert_allclose(weights, maps[model][2, 6], atol=1 / 61 + 0.005)
        assert [mark["token attending (query)"] for mark in marks[:: len(TOKENS)]] == [
            "[CLS]",
            "a (2)",
            "b",
            "a (4)",
            "[SEP]",
        ]


def test_the_reference_run_has_the_pretrained_map_only(charts):
    for name in ("example", "distances"):
        values = {RUN: REFERENCE, TASK: "RTE"}
        assert NOTHING in svg_of(charts[name], chosen_checkpoint=AFTER, **values)
        assert NOTHING not in svg_of(charts[name], chosen_checkpoint=BEFORE, **values)
    assert NOTHING in svg_of(charts["example"], chosen_checkpoint=AFTER, **{TASK: "MNLI"})


def test_distances_are_those_of_the_table(charts):
    marks = told(svg_of(charts["distances"], **{LAYER: 2, HEAD: 5, TASK: "RTE"}))
    expected = distances_of().query("layer == 1 and head == 4 and checkpoint == @AFTER").set_index("distance")["mean"]
    found = {int(mark["distance"]): float(mark["attention weight"]) for mark in marks if "attention weight" in mark}
    assert found == pytest.approx(expected.to_dict(), abs=0.00051)


@pytest.mark.parametrize("name", ["shares", "attention", "links", "tasks"])
def test_a_panel_says_what_was_not_measured(charts, name):
    task = {TASK: "MNLI"} if name == "attention" else {}
    assert (NOTHING in svg_of(charts[name], **task)) == (name in ("attention", "links"))
    empty = charts_of({THIS: EMPTY, REFERENCE: EMPTY}, (0, 0))[name]
    assert svg_of(empty).count(NOTHING) == (2 if name in ("shares", "tasks") else 1)


def test_a_head_that_the_other_run_lacks_is_no_error(reference):
    small = Atlas(
        **{
            field.name: table[(table["layer"] < 3) & (table["head"] < 4)]
            for field in fields(Atlas)
            for table in [getattr(reference, field.name)]
        }
    )
    charts = charts_of({THIS: small, REFERENCE: reference}, maps=maps_of(n_layers=3, n_heads=4))
    for name, chart in charts.items():
        svg = svg_of(chart, **{LAYER: 6, HEAD: 12})
        assert name == "grid" or NOTHING in svg, name
    cells = [mark for mark in told(svg_of(charts["grid"])) if "value" in mark]
    assert {(int(cell["layer"]), int(cell["head"])) for cell in cells} == {
        (i, j) for i in (1, 2, 3) for j in (1, 2, 3, 4)
    }


def test_pictures_fit_a_phone_and_open_the_first_head(charts):
    for name, chart in charts.items():
        svg = svg_of(chart)
        assert float(re.search(r'width="(\d+)', svg).group(1)) <= PHONE - 40, name
        assert "Layer 2 head 2" in svg


def test_a_page_of_two_runs_of_144_heads_stays_below_3_mb(reference):
    large = Atlas(**{field.name: _doubled(getattr(reference, field.name)) for field in fields(Atlas)})
    tasks, models = reference.tasks, (BEFORE, *reference.tasks)
    runs, distances = {THIS: large, REFERENCE: large}, distances_of(tasks, n_layers=12)
    charts = charts_of(runs, maps=maps_of(models, n_layers=12), distances=distances)
    sizes = {
        name: len(json.dumps(publish._specification(chart, "x"), separators=(",", ":")))
        for name, chart in charts.items()
    }
    # The map of 14 tokens has 196 weights a head, of these 25.
    sizes["example"] += len(models) * 144 * (14**2 - len(TOKENS) ** 2)
    assert sum(sizes.values()) < 2_000_000, sizes


def _doubled(table):
    return pd.concat([table, table.assign(layer=table["layer"] + 6)], ignore_index=True)
