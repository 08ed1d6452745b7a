"""The chapters executed: what stands in them is what was computed, and computed only once."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from papermill.exceptions import PapermillExecutionError

from darksecrets import reported
from darksecrets.corpora import glue as tasks_of_glue
from darksecrets.figures.publish import MISSING
from darksecrets.reported import RANDOM
from darksecrets.runs import Run
from darksecrets.saved_tables import REFERENCE_RUN, THIS_RUN
from darksecrets.sections import fine_tuning
from darksecrets.sections.fine_tuning import FineTuningTables
from tests.conftest import NOT_SOURCE
from tests.notebooks.conftest import REAL, SIZES, TASKS, TINY
from tests.notebooks.executed import CHART, WIDGET, check_shown_and_referred_to, defined, execute, per_head, shown


@pytest.fixture
def finetuning(size, request):
    return request.getfixturevalue(f"{size}_finetuning")


@pytest.fixture
def mine(finetuning):
    """The tables that the chapter on Section 4.3 saved."""
    return FineTuningTables.find(finetuning.run)


@pytest.fixture
def reference(notebooks):
    """The reference run's tables on Section 4.3, if it has them."""
    return FineTuningTables.find(Run(notebooks / "reference"))


def theirs(reference, name):
    """Return a table of the reference run, if there is one."""
    return getattr(reference, name, None)


class TestEveryChapter:
    def test_every_cell_ran_and_none_failed(self, chapter):
        code = [cell for cell in chapter.notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code)
        assert not [output for output in chapter.outputs if output.output_type == "error"]

    def test_nothing_but_progress_is_written_to_standard_error(self, chapter):
        assert chapter.warnings == []

    def test_what_is_displayed_is_numbered_or_a_cores_result_and_the_prose_refers_to_it(self, chapter):
        check_shown_and_referred_to(chapter)

    def test_no_widget_is_kept(self, chapter):
        assert "widgets" not in chapter.notebook.metadata
        assert not [output for output in chapter.outputs if WIDGET in output.get("data", {})]

    def test_figures_have_a_chart_a_picture_and_words(self, chapter):
        figures = {name: data for name, data in chapter.published.items() if name.startswith("figure-")}
        assert figures
        for data in figures.values():
            markdown = data["text/markdown"]
            kind = "png" if "image/png" in data else "svg+xml"
            assert markdown.startswith(f"````{{figure}} data:image/{kind};base64,")
            assert re.search(r'^:alt: ".{20,}"$', markdown, re.MULTILINE)
            if CHART in data:
                assert data[CHART]["$schema"].endswith("/v5.json")
                assert 'class="vega-spec"' in markdown
            else:
                assert "image/png" in data or "<iframe" in data["text/html"]
        assert any(CHART in data for data in figures.values())


class TestTables:
    def test_scores_have_a_row_per_task_metric_and_setting(self, mine, size):
        table = mine.scores
        metrics = [len(tasks_of_glue.TASKS[task].metrics) for task in TASKS[size]]
        assert len(table) == 3 * sum(metrics)
        assert table["task"].unique().tolist() == TASKS[size]
        assert set(table["n_examples"]) == {(TINY if size == "tiny" else REAL)["max_scored"]}
        is_correlation = table["metric"].isin(["pearson", "spearman"])
        assert table["mean"].between(-1, 1).all()
        assert table.loc[~is_correlation, "mean"].between(0, 1).all()
        assert (table["low"] <= table["mean"]).all()
        assert (table["mean"] <= table["high"]).all()

    def test_similarities_have_a_row_per_layer_and_head(self, mine, size):
        n_layers, n_heads = SIZES[size]
        by_head, by_layer = mine.by_head, mine.by_layer
        assert by_head.columns.tolist() == ["task", "reading", "layer", "head", "mean", "low", "high", "n_seeds"]
        assert by_layer.columns.tolist() == ["task", "reading", "layer", "mean", "low", "high", "n_seeds"]
        assert len(by_head) == n_layers * n_heads * len(TASKS[size])
        assert len(by_layer) == n_layers * len(TASKS[size]) * 2
        assert set(by_head["reading"]) == set(mine.last_two["reading"]) == {"paper"}
        for table in (by_head, by_layer):
            assert table["layer"].min() == 0
            assert table["mean"].between(0, 1).all()
            assert (table["low"] <= table["mean"]).all()
            assert (table["mean"] <= table["high"]).all()
        assert by_head["mean"].min() < 0.9999, "fine-tuning changed no map"

    def test_layers_are_the_means_of_their_heads(self, mine):
        paper = mine.by_layer[mine.by_layer["reading"] == "paper"].set_index(["task", "layer"])["mean"]
        means = mine.by_head.groupby(["task", "layer"])["mean"].mean()
        assert means.to_dict() == pytest.approx(paper.to_dict(), abs=1e-6)

    def test_the_run_says_what_it_was_made_from(self, finetuning, size):
        provenance = finetuning.run.provenance
        assert sorted(provenance["tables"]) == finetuning.run.tables()
        for record in provenance["tables"].values():
            assert record["made_from"]["tasks"] == TASKS[size]
            assert record["made_from"]["recipe"]["batch_size"] == 32
            assert (record["made_from"]["n_layers"], record["made_from"]["n_heads"]) == SIZES[size]
            assert record["made_from"]["n_random"] == 0


class TestFineTuning:
    def test_the_cosine_on_the_page_is_the_librarys(self, finetuning):
        before, after = np.random.default_rng(0).dirichlet(np.ones(7), (2, 7))
        expected = fine_tuning.cosine(torch.from_numpy(before), torch.from_numpy(after)).item()
        assert defined(finetuning, "cosine")(before, after) == pytest.approx(expected)

    def test_table_1_shows_the_papers_numbers_and_this_runs(self, finetuning, mine):
        found = {(row["task"], row["metric"], row["setting"]): row for row in finetuning.rows("table-scores")}
        assert len(found) == len(mine.scores)
        paper = reported.table_1().set_index(["task", "metric", "initialization", "finetuned"])["value"]
        for row in mine.scores.itertuples():
            cells = found[row.task, row.metric, fine_tuning.SETTING_NAMES[row.initialization, row.finetuned]]
            key = (row.task, row.metric, row.initialization, row.finetuned)
            assert cells["paper"] == (f"{100 * paper[key]:.1f}" if key in paper else MISSING)
            numbers = [float(number) / 100 for number in re.findall(r"-?[\d.]+", cells["this run"])]
            assert numbers == pytest.approx([row.mean, row.low, row.high], abs=5.1e-4)

    def test_what_is_shown_is_made_from_what_is_saved(self, finetuning, mine, reference):
        tables = {
            "table-scores": fine_tuning.table_1(mine.scores, theirs(reference, "scores")),
            "table-gains": fine_tuning.gain_table(mine.over_random, RANDOM, theirs(reference, "over_random")),
            "table-last-two": fine_tuning.last_two_table(mine.last_two, theirs(reference, "last_two")),
            "table-claims": fine_tuning.claims(mine, reference),
        }
        for name, table in tables.items():
            assert finetuning.rows(name) == shown(table)
            assert fine_tuning.seeds_note(mine.scores, theirs(reference, "scores")) in "".join(
                finetuning.published[title]["text/markdown"] for title in ("table-scores", "table-claims")
            )
        assert finetuning.glued["answer"] == fine_tuning.answer(mine)

    def test_gains_are_differences_of_table_1(self, finetuning, mine, size):
        table = mine.scores.set_index(["task", "metric", "initialization", "finetuned"])["mean"]
        best, untuned = [], []
        for row in mine.over_random.itertuples():
            assert row.mean == pytest.approx(
                table[row.task, row.metric, "pretrained", True] - table[row.task, row.metric, "random", True]
            )
            best.append(table[row.task, row.metric, "pretrained", True])
            untuned.append(table[row.task, row.metric, "pretrained", False])
        assert len(best) == len(TASKS[size])
        average = float(finetuning.glued["average_gain"].split(" [")[0])
        assert average == pytest.approx(100 * np.subtract(best, untuned).mean(), abs=0.051)

    def test_counts_in_the_prose_are_those_of_the_tables(self, finetuning, mine, size):
        glued, gains = finetuning.glued, mine.over_random
        assert glued["n_tasks"] == str(len(TASKS[size]))
        assert glued["n_gain_hold"] == str(int((gains["low"] > 0).sum()))
        assert [row["a gain?"] == "holds" for row in finetuning.rows("table-gains")] == (gains["low"] > 0).tolist()
        last_two = finetuning.rows("table-last-two")
        assert [row["task"] for row in last_two] == TASKS[size]
        verdicts = [re.search(r"\((.+)\)", row["this run"])[1] for row in last_two]
        assert glued["n_last_hold"] == str(verdicts.count("holds"))
        for (low, high), verdict in zip(mine.last_two[["low", "high"]].to_numpy(), verdicts, strict=True):
            assert {"holds": low > 0, "does not hold": high < 0, "cannot tell": low <= 0 <= high}[verdict]

    def test_figure_5_carries_the_saved_tables_counted_from_one(self, finetuning, mine):
        rows = next(rows for rows in finetuning.data("figure-change") if "head" in rows[0])
        table = per_head(rows)
        table = table[table["run"] == THIS_RUN]
        found = {(row.task, row.layer, row.head): row.mean for row in table.itertuples()}
        expected = {(row.task, row.layer, row.head): row.mean for row in mine.by_head.itertuples()}
        assert found == pytest.approx(expected, abs=5.1e-5)

    def test_a_tiny_model_learns_what_one_word_says(self, tiny_finetuning):
        table = tiny_finetuning.run.table("tuning_scores").set_index(["task", "metric", "initialization", "finetuned"])[
            "mean"
        ]
        for task in ("RTE", "SST-2"):
            assert table[task, "accuracy", "pretrained", True] > table[task, "accuracy", "pretrained", False] + 0.1

    def test_unofficial_rows_are_said_in_the_captions_and_official_ones_are_not(self, finetuning, size):
        for name in ("table-scores", "figure-change"):
            text = finetuning.published[name]["text/markdown"]
            assert ("rows instead of the official" in text) == (size == "tiny")


def results_of(store):
    """Every result in a store, and when it was written."""
    return {path: path.stat().st_mtime_ns for path in store.glob("*/*/*") if path.parts[-3] != "runs"}


def test_a_second_execution_computes_nothing_and_saves_the_same(notebooks, tiny, tiny_finetuning):
    store = notebooks.parent / "_runs"
    before = results_of(store)
    assert {path.parts[-3] for path in before} >= {"finetuned", "predictions", "similarity"}
    again = execute(notebooks, "04-", **tiny, **TINY, run="again")
    assert results_of(store) == before
    assert again.run.tables() == tiny_finetuning.run.tables()
    for name in again.run.tables():
        pd.testing.assert_frame_equal(again.run.table(name), tiny_finetuning.run.table(name))
    assert again.published == tiny_finetuning.published


@pytest.fixture(scope="module")
def beside(notebooks, tiny, tiny_finetuning, tmp_path_factory):
    """The chapter with two seeds, of which one starts from random weights too, beside a reference run: the first."""
    folder = shutil.copytree(notebooks, tmp_path_factory.mktemp("beside") / "notebooks", ignore=NOT_SOURCE)
    shutil.rmtree(folder / "reference")
    (folder / "reference").mkdir()
    shutil.copy(notebooks / "reference" / "learning-rates.csv", folder / "reference")
    made_from = tiny_finetuning.run.made_from("tuning_scores")
    FineTuningTables.find(tiny_finetuning.run).save(Run(folder / "reference"), **made_from)
    chosen = TINY | {"seeds": [0, 1], "n_random": 1, "store": str(notebooks.parent / "_runs"), "run": "beside"}
    return folder, execute(folder, "04-", **tiny, **chosen)


def test_the_reference_run_stands_beside_in_every_table_and_figure(beside, tiny_finetuning):
    _, page = beside
    first = {name: tiny_finetuning.rows(name) for name in ("table-scores", "table-gains", "table-claims")}
    for name, rows in first.items():
        assert [row["reference run"] for row in page.rows(name)] == [row["this run"] for row in rows]
        assert MISSING not in {row["reference run"] for row in page.rows(name)}
    rows, before = page.rows("table-last-two"), tiny_finetuning.rows("table-last-two")
    for suffix in ("", ", closest pair"):
        assert [row[f"reference run{suffix}"] for row in rows] == [row[f"this run{suffix}"] for row in before]
    for name in ("figure-change", "figure-readings"):
        menus = {menu["name"]: menu["bind"]["options"] for menu in page.published[name][CHART]["params"]}
        assert menus["chosen_run"] == [THIS_RUN, REFERENCE_RUN]
    assert page.glued["answer_of_reference"] == f"In the reference run, {tiny_finetuning.glued['answer']}"
    assert page.warnings == []


def test_settings_have_the_seeds_that_were_asked_for(beside):
    _, page = beside
    mine = FineTuningTables.find(page.run)
    seeds = mine.scores.groupby(["initialization", "finetuned"])["seed"].unique().map(list).to_dict()
    assert seeds == {("pretrained", False): [0, 1], ("pretrained", True): [0, 1], ("random", True): [0]}
    assert set(mine.over_random["seed"]) == {0}
    assert set(mine.over_untuned["seed"]) == {0, 1}
    note = "This run has 2 seeds, 1 of them from random weights too. The reference run has 1 seed."
    assert note in page.published["table-scores"]["text/markdown"]


def test_the_model_of_the_reference_run_is_told(beside, tiny):
    folder, _ = beside
    page = execute(folder, "01-", **tiny)
    for name in ("table-model", "table-protocol"):
        rows = page.rows(name)
        assert MISSING not in {row["reference run"] for row in rows}
    _, *sizes = page.rows("table-model")
    assert all(row["reference run"] == row["this run"] for row in sizes)
    rows = {row[""]: row["reference run"] for row in page.rows("table-protocol")}
    assert (rows["epochs"], rows["learning rate"]) == ("6", "0.003")


def test_more_seeds_from_random_weights_than_seeds_end_in_one_line(notebooks, tiny):
    with pytest.raises(PapermillExecutionError) as caught:
        execute(notebooks, "04-", **tiny, n_random=2, run="refused-random")
    assert caught.value.evalue == "n_random is 2, but seeds has 1; give 0 for all, or at most 1"


def test_a_wrong_task_ends_in_one_line(notebooks, tiny):
    with pytest.raises(PapermillExecutionError) as caught:
        execute(notebooks, "04-", **(tiny | {"tasks": ["RTE", "STSB"]}), store="../_refused")
    assert caught.value.ename == "InputError"
    assert caught.value.evalue.startswith("unknown task 'STSB': did you mean STS-B?")
    assert "\n" not in caught.value.evalue
    assert not (notebooks.parent / "_refused").exists()
