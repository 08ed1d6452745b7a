"""The chapter on disabled heads executed: what it shows is what stands in its tables."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from papermill.exceptions import PapermillExecutionError

from darksecrets.figures import charts
from darksecrets.figures.publish import MISSING
from darksecrets.models.ablation import WAYS
from darksecrets.runs import Run
from darksecrets.saved_tables import THIS_RUN, side_by_side
from darksecrets.sections import disabling
from darksecrets.sections.disabling import DisablingTables, chosen_heads, split_halves
from tests.disabling_tables import swept
from tests.notebooks.conftest import MAX_COMPARED, SIZES, TASKS, TINY_SETUP
from tests.notebooks.executed import CHART, check_ran_clean, execute, results, shown, without

FIGURES = {  # what draws each, and from which tables
    "figure-disabled-heads": ("heads", ("heads", "baseline")),
    "figure-disabled-layers": ("layers", ("layers", "baseline")),
    "figure-held-out": ("held_out", ("chosen",)),
    "figure-removal": ("removal", ("curves",)),
    "figure-ways": ("ways", ("average",)),
}
REPORTED = {
    "table-significance": disabling.significance_table,
    "table-average": disabling.average_table,
    "table-disabled-layers": disabling.layers_table,
    "table-chosen": disabling.chosen_table,
    "table-seeds": disabling.seeds_table,
    "table-removable": disabling.removable_table,
    "table-ways": disabling.ways_table,
    "table-disabling-claims": disabling.claims,
}
UNNOTED = ("table-tried", "table-exact", "table-disabling-claims")  # captions that say nothing of the corpus
KINDS = ("disabled", "removed")  # of results in the store


@pytest.fixture(scope="module")
def mine(disabling_page):
    """The tables that the page saved."""
    return DisablingTables.find(disabling_page.run)


@pytest.fixture(scope="module")
def reference(notebooks):
    """The tables that a reader's copy of the book comes with, if it does."""
    return DisablingTables.find(Run(notebooks / "reference"))


class TestShown:
    def test_all_is_there_in_order(self, disabling_page):
        assert list(disabling_page.published) == [
            *("table-tried", "table-exact", "figure-disabled-heads", "table-significance", "table-average"),
            *("figure-disabled-layers", "table-disabled-layers", "figure-held-out", "table-chosen", "table-seeds"),
            *("figure-removal", "table-removable", "figure-ways", "table-ways", "table-disabling-claims"),
        ]

    @pytest.mark.parametrize("name", FIGURES)
    def test_a_figure_is_drawn_from_what_is_saved(self, disabling_page, mine, reference, name):
        kind, fields = FIGURES[name]
        tables = [side_by_side(getattr(mine, field), getattr(reference, field, None)) for field in fields]
        finding = getattr(disabling, f"{kind}_finding")(mine)
        expected = getattr(disabling, f"draw_{kind}")(*tables, finding).to_dict()["datasets"]
        found = disabling_page.published[name][CHART]
        assert found["datasets"] == json.loads(json.dumps(expected))
        assert json.dumps(charts.wrapped(finding).to_dict()["text"]) in json.dumps(found)

    @pytest.mark.parametrize("name", REPORTED)
    def test_a_table_is_made_from_what_is_saved(self, disabling_page, mine, reference, name):
        assert disabling_page.rows(name) == shown(REPORTED[name](mine, reference))

    def test_the_answer_is_that_of_the_saved_tables(self, disabling_page, mine, reference):
        assert disabling_page.glued["remains"] == disabling.held_out_summary(mine)
        of_reference = disabling.held_out_summary(reference) if reference else "There is no reference run."
        assert disabling_page.glued["of_reference"] == of_reference

    def test_unofficial_rows_are_said_in_the_captions_and_official_ones_are_not(self, disabling_page, size):
        for name, bundle in disabling_page.published.items():
            is_said = "rows instead of the official" in bundle["text/markdown"]
            assert is_said == (size == "tiny" and name not in UNNOTED), name


def test_the_short_code_on_the_page_is_what_the_library_computes(disabling_page):
    (source,) = (cell.source for cell in disabling_page.notebook.cells if "def gains_of_the_best(" in cell.source)
    names = {"np": np}
    exec(source, names)
    one = swept("RTE", 61, helps={(1, 2): 0.05}, noise=0.2)
    right, right_without = one.baseline == one.label, (one.heads == one.label[:, None, None]).reshape(61, 12)
    halves = split_halves(61, 1).astype(bool)
    found = [names["gains_of_the_best"](right, right_without, half) for half in halves]
    row = chosen_heads([one], n_splits=1).iloc[0]
    assert np.mean(found, axis=0) == pytest.approx([row["same_half"], row["mean"]])
    assert float(disabling_page.glued["best_here"]) > 3 > 1 > abs(float(disabling_page.glued["best_there"]))


class TestDisablingWorks:
    def test_the_disabled_head_sees_all_tokens_alike(self, disabling_page):
        low, high = map(float, disabling_page.glued["evenly"].split(" to "))
        assert low == high == pytest.approx(1 / int(disabling_page.glued["n_tokens"]), abs=5.1e-5)

    def test_head_mask_moves_nothing_and_all_else_does(self, disabling_page):
        rows = disabling_page.rows("table-tried")
        assert [row["by"] for row in rows] == ["head_mask", "disabled", "disabled", "disabled"]
        first, *others = (float(row["largest change of an output"]) for row in rows)
        assert first == 0
        assert min(others) > 0

    def test_the_sweep_answers_as_the_plain_way(self, disabling_page, size):
        rows = disabling_page.rows("table-exact")
        assert [row["precision"] for row in rows] == ["float32", "bfloat16"]
        n_layers, n_heads = SIZES[size]
        for row in rows:
            assert row["task"] == TASKS[size][0]
            assert int(row["answers"]) == 8 * (1 + n_layers * n_heads + n_layers)
            assert int(row["differing predictions"]) == 0
            assert float(row["largest difference of an output"]) < 1e-4
            assert 0 < float(row["share computed in float32"]) <= 1
        assert float(rows[0]["share computed in float32"]) == 1


@pytest.fixture(scope="module")
def again(notebooks, tiny, tiny_disabling, tmp_path_factory):
    """The page executed again without a reference run, after two results were lost, as by an interruption: the page,
    when each result was written before and after, and those two.
    """
    copy, store = tmp_path_factory.mktemp("again") / "book" / "notebooks", notebooks.parent / "_runs"
    shutil.copytree(notebooks, copy, ignore=shutil.ignore_patterns("*.parquet"))
    model = tiny_disabling.run.provenance["tables"]["disabling_heads"]["made_from"]["checkpoint_fingerprint"]
    own = [[path for made_from, _, path in results(store, kind) if made_from["checkpoint"] == model] for kind in KINDS]
    assert [len(paths) for paths in own] == [len(WAYS) * len(TASKS["tiny"]), len(TASKS["tiny"])]
    lost = {paths[-1] for paths in own}
    for path in lost:
        shutil.rmtree(path)
    before = written(store)
    chosen = {"max_compared": MAX_COMPARED, "store": str(store), "run": "again-disabling"}
    return execute(copy, "07-", **tiny, **TINY_SETUP, **chosen), before, written(store), lost


def written(store):
    return {path: at for _, at, path in results(store, "*")}


class TestAgain:
    def test_only_what_was_lost_is_computed_and_the_same_is_saved(self, again, tiny_disabling):
        page, before, after, lost = again
        check_ran_clean(page)
        assert {path: at for path, at in after.items() if path not in lost} == before
        assert set(after) == set(before) | lost
        for name in tiny_disabling.run.tables():
            pd.testing.assert_frame_equal(page.run.table(name), tiny_disabling.run.table(name))

    def test_without_a_reference_run_its_column_is_empty(self, again, tiny_disabling):
        page, *_ = again
        for name in ("table-disabling-claims", "table-average"):
            assert without(page.rows(name)) == without(tiny_disabling.rows(name))
            assert {row["reference run"] for row in page.rows(name)} == {MISSING}
        assert page.glued == tiny_disabling.glued | {"of_reference": "There is no reference run."}
        runs = {row["run"] for rows in page.data("figure-disabled-heads") for row in rows if "run" in row}
        assert runs == {THIS_RUN}


def test_a_number_of_examples_that_cannot_be_halved_ends_the_page_in_one_line(notebooks, tiny, tiny_disabling):
    with pytest.raises(PapermillExecutionError) as caught:
        execute(notebooks, "07-", **tiny, **TINY_SETUP, max_compared=1, run="refused-disabling")
    assert caught.value.ename == "InputError"
    assert caught.value.evalue == "max_compared is 1; give 0 for all examples, or at least 2"
    assert not tiny_disabling.run.directory.with_name("refused-disabling").exists()
