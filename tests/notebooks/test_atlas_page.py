"""The atlas executed: its charts carry what the tables say, for whole runs, partial ones, and models of any shape."""

import pytest

from darksecrets.apps import atlas
from darksecrets.apps.atlas import Atlas
from darksecrets.apps.atlas_charts import HEAD, LAYER, RUN
from darksecrets.overview.discussion import CHAPTERS, RunTables
from darksecrets.runs import Run
from tests.notebooks.conftest import SIZES, TASKS, TINY_SETUP
from tests.notebooks.executed import CHART, check_ran_clean, check_shown_and_referred_to, execute, per_head, shown

PANELS = ("", "-patterns", "-features", "-links", "-tasks", "-map", "-distances")


@pytest.fixture(scope="module")
def whole(notebooks, tiny, tiny_discussion):
    """The atlas of a small run that has every chapter."""
    return execute(notebooks, "09-", **tiny, **TINY_SETUP, run=tiny_discussion.run.name)


@pytest.fixture(scope="module")
def partial(notebooks, tiny, tiny_relations):
    """The atlas of a small run that has one chapter."""
    return execute(notebooks, "09-", **tiny, **TINY_SETUP, run=tiny_relations.run.name)


@pytest.fixture(params=["whole", "partial"])
def page(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def runs(page, notebooks):
    tables = {"this run": page.run, "reference run": Run(notebooks / "reference")}
    return {name: Atlas.of(RunTables.find(run)) for name, run in tables.items()}


def parameters(page, name):
    return {one["name"]: one for one in page.published[name][CHART]["params"]}


def test_it_runs_quietly_and_shows_what_it_refers_to(page):
    check_ran_clean(page)
    check_shown_and_referred_to(page)
    assert set(page.published) == {f"figure-atlas{panel}" for panel in PANELS} | {"table-atlas"}


def test_it_says_what_is_missing(whole, partial):
    assert whole.glued["missing"] == "none"
    chapters = [chapter for name, chapter in CHAPTERS.items() if name != "relations"]
    assert partial.glued["missing"] == ", ".join(chapters)


def test_the_head_that_is_open_is_the_most_important_one_of_this_run(page, runs):
    layer, head = atlas.most_important(runs["this run"])
    assert page.glued["opened"] == atlas.sentence(runs["this run"], layer, head)
    for panel in PANELS:
        chosen = parameters(page, f"figure-atlas{panel}")
        assert (chosen[LAYER]["value"], chosen[HEAD]["value"]) == (layer + 1, head + 1)
        assert chosen[RUN]["value"] == "this run"
        assert chosen[HEAD]["bind"]["options"] == list(range(1, 13))  # the reference run has more heads


def test_the_grid_carries_every_head_of_both_runs(page, runs):
    data = page.data("figure-atlas")
    sentences = next(rows for rows in data if "in_words" in rows[0])
    for name, (n_layers, n_heads) in {"this run": SIZES["tiny"], "reference run": SIZES["real"]}.items():
        own = [row for row in sentences if row["run"] == name]
        assert len(own) == n_layers * n_heads
        for row in own[:: n_heads + 1]:
            expected = atlas.sentence(runs[name], row["layer"] - 1, row["head"] - 1)
            assert row["in_words"] == expected


def test_the_grid_carries_the_changes_of_the_scores(whole, runs):
    (rows,) = (rows for rows in whole.data("figure-atlas") if "pattern" in rows[0])
    table = per_head(rows).set_index(["run", "task", "layer", "head"])
    for name, run in runs.items():
        own = run.disabling.set_index(["task", "layer", "head"])
        for place in own.index[::17]:
            assert float(table.loc[(name, *place), "change"]) == pytest.approx(own.loc[place, "mean"], abs=0.00051)
    assert set(table.loc["this run"].index.get_level_values("task")) == set(TASKS["tiny"])


def test_heads_are_counted_as_in_the_tables(page, runs):
    assert page.rows("table-atlas") == shown(atlas.counted(runs))


def test_maps_are_those_of_the_models_that_are_there(whole):
    (rows,) = whole.data("figure-atlas-map")
    assert {row["model"] for row in rows} == {"pre-trained", *TASKS["tiny"]}
    lengths = {len(row["weights"]) for row in rows}
    assert len(lengths) == 1
    n_tokens = (lengths.pop() / SIZES["tiny"][1]) ** 0.5
    assert n_tokens == 14


def test_nothing_is_saved_in_the_run(page):
    assert not any(name.startswith(("atlas", "opened")) for name in page.run.tables())
