"""The chapters executed: what stands in them is what was computed, and computed only once."""

import re

import numpy as np
import pandas as pd
import pytest
from papermill.exceptions import PapermillExecutionError

from darksecrets.corpora import glue as tasks_of_glue
from darksecrets.evidence import fine_tuning, reported
from tests.notebooks.conftest import REAL, SIZES, TASKS, TINY
from tests.notebooks.executed import CHART, WIDGET, execute


@pytest.fixture
def methodology(size, request):
    return request.getfixturevalue(f"{size}_methodology")


@pytest.fixture
def finetuning(size, request):
    return request.getfixturevalue(f"{size}_finetuning")


class TestEveryChapter:
    def test_every_cell_ran_and_none_failed(self, chapter):
        code = [cell for cell in chapter.notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code)
        assert not [output for output in chapter.outputs if output.output_type == "error"]

    def test_nothing_but_progress_is_written_to_standard_error(self, chapter):
        assert chapter.warnings == []

    def test_only_what_is_numbered_is_displayed(self, chapter):
        assert [output.data for output in chapter.outputs if output.output_type == "execute_result"] == []
        shown = [output for output in chapter.outputs if output.output_type == "display_data"]
        assert len(shown) == len(chapter.published) + len(chapter.glued)

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

    def test_the_prose_finds_its_numbers_and_figures(self, chapter):
        text = "\n".join(cell.source for cell in chapter.notebook.cells if cell.cell_type == "markdown")
        assert set(re.findall(r"\{glue:text\}`([^`]+)`", text)) == set(chapter.glued)
        assert set(re.findall(r"\{numref\}`([^`]+)`", text)) == set(chapter.published)


class TestMethodology:
    def test_the_model_is_described(self, methodology, size):
        rows = {row[""]: row["this run"] for row in methodology.rows("table-model")}
        n_layers, n_heads = SIZES[size]
        assert rows["layers"] == str(n_layers)
        assert rows["heads in all"] == methodology.glued["n_maps"] == str(n_layers * n_heads)

    def test_the_recipe_is_that_of_the_run(self, methodology, size):
        rows = {row[""]: row["this run"] for row in methodology.rows("table-protocol")}
        expected = {"tiny": ("6", "8", "0.003"), "real": ("3", "32", "0.0001")}[size]
        assert (rows["epochs"], rows["batch size"], rows["learning rate"]) == expected
        assert methodology.glued["learning_rate"] == expected[-1]

    def test_numbers_in_the_prose_agree_with_the_map(self, methodology, size):
        tokens = methodology.glued["tokens"].split()
        assert tokens[0] == "[CLS]"
        assert tokens[-1] == "[SEP]"
        assert methodology.glued["n_tokens"] == str(len(tokens))
        assert methodology.glued["shape"] == " x ".join(map(str, (*SIZES[size], len(tokens), len(tokens))))

    def test_rows_of_the_map_sum_to_one_and_the_heat_map_shows_them(self, methodology):
        rows = methodology.rows("table-map")
        numbers = np.array([[float(cell) for cell in list(row.values())[1:]] for row in rows])
        assert numbers.shape[0] == numbers.shape[1] == int(methodology.glued["n_tokens"])
        assert numbers.sum(axis=1) == pytest.approx(1, abs=0.005 * numbers.shape[1])
        (cells,) = methodology.data("figure-heatmap")
        assert [cell["weight"] for cell in cells] == pytest.approx(numbers.ravel(), abs=0.006)

    def test_all_heads_are_there(self, methodology, size):
        (heads,) = methodology.data("figure-all-heads")
        n_layers, n_heads = SIZES[size]
        assert [(row["layer"], row["head"]) for row in heads] == [
            (layer, head) for layer in range(1, n_layers + 1) for head in range(1, n_heads + 1)
        ]

    def test_tasks_and_examples_are_those_of_the_run(self, methodology, size):
        for name in ("table-tasks", "table-examples"):
            assert [row["task"] for row in methodology.rows(name)] == TASKS[size]

    def test_splits_are_called_official_only_where_they_are(self, methodology, size):
        found = {row["official"] for row in methodology.rows("table-tasks")}
        assert found == {"yes" if size == "real" else "no"}


class TestTables:
    def test_scores_have_a_row_per_task_metric_and_setting(self, finetuning, size):
        table = finetuning.run.table("scores")
        metrics = [len(tasks_of_glue.TASKS[task].metrics) for task in TASKS[size]]
        assert len(table) == 3 * sum(metrics)
        assert table["task"].unique().tolist() == TASKS[size]
        assert set(table["n_examples"]) == {(TINY if size == "tiny" else REAL)["max_scored"]}
        is_correlation = table["metric"].isin(["pearson", "spearman"])
        assert table["mean"].between(-1, 1).all()
        assert table.loc[~is_correlation, "mean"].between(0, 1).all()
        assert (table["low"] <= table["mean"]).all()
        assert (table["mean"] <= table["high"]).all()

    def test_similarities_have_a_row_per_layer_and_head(self, finetuning, size):
        n_layers, n_heads = SIZES[size]
        by_head, by_layer = (finetuning.run.table(f"similarity_by_{name}") for name in ("head", "layer"))
        assert by_head.columns.tolist() == ["task", "reading", "layer", "head", "mean", "low", "high", "n_seeds"]
        assert by_layer.columns.tolist() == ["task", "reading", "layer", "mean", "low", "high", "n_seeds"]
        assert len(by_head) == n_layers * n_heads * len(TASKS[size])
        assert len(by_layer) == n_layers * len(TASKS[size]) * 2
        for table in (by_head, by_layer):
            assert table["layer"].min() == 0
            assert table["mean"].between(0, 1).all()
            assert (table["low"] <= table["mean"]).all()
            assert (table["mean"] <= table["high"]).all()
        assert by_head["mean"].min() < 0.9999, "fine-tuning changed no map"

    def test_layers_are_the_means_of_their_heads(self, finetuning):
        by_head, by_layer = (finetuning.run.table(f"similarity_by_{name}") for name in ("head", "layer"))
        paper = by_layer[by_layer["reading"] == "paper"].set_index(["task", "layer"])["mean"]
        means = by_head.groupby(["task", "layer"])["mean"].mean()
        assert means.to_dict() == pytest.approx(paper.to_dict())

    def test_the_run_says_what_it_was_made_from(self, finetuning, size):
        provenance = finetuning.run.provenance
        assert sorted(provenance["tables"]) == finetuning.run.tables()
        for record in provenance["tables"].values():
            assert record["made_from"]["tasks"] == TASKS[size]
            assert record["made_from"]["recipe"]["batch_size"] == 32


class TestFineTuning:
    def test_table_1_shows_the_papers_numbers_and_this_runs(self, finetuning):
        shown = {(row["task"], row["metric"], row["setting"]): row for row in finetuning.rows("table-scores")}
        computed = finetuning.run.table("scores")
        assert len(shown) == len(computed)
        paper = reported.table_1().set_index(["task", "metric", "initialization", "finetuned"])["value"]
        for row in computed.itertuples():
            cells = shown[row.task, row.metric, fine_tuning.SETTING_NAMES[row.initialization, row.finetuned]]
            key = (row.task, row.metric, row.initialization, row.finetuned)
            assert cells["paper"] == (f"{100 * paper[key]:.1f}" if key in paper else "–")  # noqa: RUF001
            numbers = [float(number) / 100 for number in re.findall(r"-?[\d.]+", cells["this run"])]
            assert numbers == pytest.approx([row.mean, row.low, row.high], abs=5.1e-4)
            assert cells["reference run"] == "–"  # noqa: RUF001

    def test_gains_are_differences_of_table_1(self, finetuning, size):
        table = finetuning.run.table("scores").set_index(["task", "metric", "initialization", "finetuned"])["mean"]
        best, untuned = [], []
        for row in finetuning.run.table("gains").itertuples():
            assert row.mean == pytest.approx(
                table[row.task, row.metric, "pretrained", True] - table[row.task, row.metric, "random", True]
            )
            best.append(table[row.task, row.metric, "pretrained", True])
            untuned.append(table[row.task, row.metric, "pretrained", False])
        assert len(best) == len(TASKS[size])
        assert float(finetuning.glued["average_gain"]) == pytest.approx(
            100 * np.subtract(best, untuned).mean(), abs=0.051
        )

    def test_counts_in_the_prose_are_those_of_the_tables(self, finetuning, size):
        glued = finetuning.glued
        assert glued["n_tasks"] == str(len(TASKS[size]))
        gains = finetuning.run.table("gains")
        assert glued["n_gain_hold"] == str(int((gains["low"] > 0).sum()))
        assert [row["a gain?"] == "holds" for row in finetuning.rows("table-gains")] == (gains["low"] > 0).tolist()
        last_two = finetuning.rows("table-last-two")
        assert [row["task"] for row in last_two] == TASKS[size]
        verdicts = [row["last two change most?"] for row in last_two]
        assert glued["n_last_hold"] == str(verdicts.count("holds"))
        for row, verdict in zip(last_two, verdicts, strict=True):
            low, high = float(row["from"]), float(row["to"])  # rounded: a bound just above 0 is shown as 0
            assert {"holds": low >= 0, "does not hold": high <= 0, "cannot tell": low <= 0 <= high}[verdict]
        claims = [list(row.values())[-1] for row in finetuning.rows("table-claims")]
        assert [claim.split(",")[0] for claim in claims] == [
            f"holds: {glued['n_gain_hold']}",
            f"holds: {glued['n_last_hold']}",
        ]

    def test_figure_5_carries_the_saved_tables_counted_from_one(self, finetuning):
        by_head = finetuning.run.table("similarity_by_head")
        rows = next(rows for rows in finetuning.data("figure-change") if "head" in rows[0])
        found = {(row["task"], row["layer"], row["head"]): row["mean"] for row in rows}
        expected = {(row.task, row.layer + 1, row.head + 1): row.mean for row in by_head.itertuples()}
        assert found == pytest.approx(expected, abs=5.1e-5)

    def test_a_tiny_model_learns_what_one_word_says(self, tiny_finetuning):
        table = tiny_finetuning.run.table("scores").set_index(["task", "metric", "initialization", "finetuned"])["mean"]
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


def test_a_wrong_task_ends_in_one_line(notebooks, tiny):
    with pytest.raises(PapermillExecutionError) as caught:
        execute(notebooks, "04-", **(tiny | {"tasks": ["RTE", "STSB"]}), store="../_refused")
    assert caught.value.ename == "InputError"
    assert caught.value.evalue.startswith("unknown task 'STSB': did you mean STS-B?")
    assert "\n" not in caught.value.evalue
    assert not (notebooks.parent / "_refused").exists()
