"""The chapter on token-to-token attention executed: what it shows is what stands in its tables."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.corpora.glue import Example
from darksecrets.figures import head_charts
from darksecrets.figures.publish import MISSING
from darksecrets.models import attention, checkpoints
from darksecrets.models.alignment import between_words, word_pieces
from darksecrets.models.feature_attention import FROM_CLS
from darksecrets.models.link_attention import LinkAttention, shapes
from darksecrets.runs import Run
from darksecrets.saved_tables import THIS_RUN, side_by_side
from darksecrets.sections import feature_claims, links
from darksecrets.sections.feature_claims import OF_CLS
from darksecrets.sections.links import LinkTables
from tests.notebooks.conftest import N_LINKED, SIZES, TASKS, TINY_SETUP
from tests.notebooks.executed import check_ran_clean, data_of, execute, results, shown, without
from tests.word_maps import batch_of, random_maps, sentence_of

NUMBERED = [
    *("figure-links", "figure-diagonal", "table-candidates", "table-two-heads", "figure-verdicts"),
    *("figure-by-distance", "table-follows", "table-verdicts", "table-survivors", "table-link-sure", "table-released"),
    *("figure-cls", "table-cls", "table-link-claims", "table-cls-claims"),
]
# Not on the tasks' texts.
ON_POCKET = ("table-two-heads", "figure-verdicts", "figure-by-distance", "table-follows", "table-verdicts")
CASE = ["task", "checkpoint"]
HEAD = ["layer", "head"]


@pytest.fixture(scope="module")
def mine(links_page):
    """The tables that the page saved."""
    return LinkTables.find(links_page.run)


@pytest.fixture(scope="module")
def reference(notebooks):
    """The tables that a reader's copy of the book comes with, if it does."""
    return LinkTables.find(Run(notebooks / "reference"))


def of_this_run(rows):
    """Rows of this run in a chart that may have a menu of runs."""
    table = pd.DataFrame(rows)
    return table[table["run"] == THIS_RUN] if "run" in table else table


def test_the_null_on_the_page_is_that_of_the_library(links_page, tiny_bert):
    link_and_null = links_page.defined("link_and_null")
    sentence, tokenizer = (
        sentence_of("She heard an unquestionably agitated man at home"),
        checkpoints.load(tiny_bert).tokenizer,
    )
    (example,) = attention.encode(tokenizer, [Example("0", sentence.text, None, 0)])
    (words,), batch = word_pieces(example, [sentence]), batch_of(tokenizer, [example])
    maps = random_maps(batch)
    weights = between_words(maps, batch, [words])[0].numpy()
    for verb, subject in ((1, 0), (2, 5), (7, 3)):
        pair = ((verb, subject),)
        reducer = LinkAttention([words], [shapes(0, pair, sentence, words, {pair})])
        reducer(maps, batch)
        table = reducer.against_null()
        link, null = link_and_null(weights, verb, subject)
        assert link.ravel() == pytest.approx(table["to_dependent"].to_numpy(), abs=1e-6)
        assert null.ravel() == pytest.approx(table["to_dependent_null"].to_numpy(), abs=1e-6)
    rows = links_page.rows("table-two-heads")
    assert [row["link"] for row in rows] == ["0.500", "0.500"]
    assert [row["as far apart"] for row in rows] == ["0.500", "0.100"]


class TestShown:
    def test_all_are_there_in_order(self, links_page):
        assert list(links_page.published) == NUMBERED

    def test_figures_are_drawn_from_the_saved_tables_of_both_runs(self, links_page, mine, reference, far_apart):
        heads, scores, candidates, follows = (
            side_by_side(getattr(mine, name), getattr(reference, name, None))
            for name in ("heads", "scores", "candidates", "follows")
        )
        charts = {
            "figure-links": links.draw_heads(heads, scores, "", candidates),
            "figure-diagonal": links.draw_diagonal(heads, scores, ""),
            "figure-verdicts": links.draw_verdicts(follows, ""),
            "figure-by-distance": head_charts.distance_curves(links.curves(far_apart, mine.follows), ""),
        }
        for name, chart in charts.items():
            assert links_page.data(name) == data_of(chart), name

    def test_tables_are_those_of_the_saved_tables(self, links_page, mine, reference, found, far_apart):
        sure = links.summarize(found.links[found.links["sure"]], found.diagonal, far_apart)
        tables = {
            "table-candidates": links.candidates_table(mine),
            "table-follows": links.follows_table(mine.follows),
            "table-verdicts": links.verdict_counts(mine.follows),
            "table-survivors": links.survivors_table(mine.matched),
            "table-released": links.released_table(links_page.run.table("link_released")),
            "table-link-sure": links.sure_table(mine, sure),
            "table-link-claims": links.claims(mine, reference),
        }
        for name, table in tables.items():
            assert links_page.rows(name) == shown(table), name

    def test_unofficial_rows_are_said_where_texts_of_tasks_are_read(self, links_page, size):
        for name in set(NUMBERED) - {"table-link-claims", "table-cls-claims"}:
            text = links_page.published[name]["text/markdown"]
            assert ("rows instead of the official" in text) == (size == "tiny" and name not in ON_POCKET), name


class TestProse:
    def test_heads_that_follow_a_link_are_counted_as_in_the_figure(self, links_page, mine, size):
        heads = mine.follows.groupby(["relation", *HEAD])["specific"].any().groupby("relation").sum()
        found = dict(re.findall(r"([\w-]+): (\d+) of", links_page.glued["finding"]))
        assert {relation: int(count) for relation, count in found.items()} == heads.to_dict()
        assert set(re.findall(r"of (\d+) heads", links_page.glued["finding"])) == {str(np.prod(SIZES[size]))}

    def test_the_agreement_is_a_range_of_correlations(self, links_page):
        low, high = (float(number) for number in re.findall(r"-?\d\.\d\d", links_page.glued["agreement"]))
        assert -1 <= low <= high <= 1


def test_the_notebooks_number_counts_an_example_without_the_link_as_0(links_page, mine, found):
    saved = links_page.run.table("link_released")
    means = found.released_links.groupby([*CASE, "direction"], observed=True)["mean"].mean()
    assert saved.set_index([*CASE, "direction"])["released"].to_dict() == pytest.approx(means.to_dict(), abs=1e-5)
    expected = links.released_against_paper(found.released_links, mine.heads)
    numbers = ["paper", "released", "difference", "mean"]
    assert saved[numbers].to_numpy() == pytest.approx(expected[numbers].to_numpy(), abs=1e-5)


class TestCls:
    """What [CLS] attends to is measured by the chapter on features, too."""

    @pytest.fixture
    def last(self, features_page):
        layers = features_page.run.table("feature_layers")
        chosen = layers[(layers["measure"] == FROM_CLS) & (layers["checkpoint"] == AFTER)]
        return chosen[chosen["layer"] == chosen["layer"].max()].set_index(["task", "feature"])

    def test_the_figure_has_the_last_layer(self, links_page, last):
        (rows,) = links_page.data("figure-cls")
        drawn = of_this_run(rows).set_index(["task", "feature"])["mean"]
        saved = last["mean"].to_dict()
        assert drawn.to_dict() == pytest.approx({key: saved[key] for key in drawn.index}, abs=6.1e-5)
        assert len(drawn) == (last["n_examples"] >= 10).sum()

    def test_the_table_names_what_gets_most(self, links_page, last, size):
        rows = links_page.rows("table-cls")
        assert [row["task"] for row in rows] == TASKS[size]
        for row in rows:
            of_task = last.loc[row["task"]].query("n_examples >= 10")
            itself = 100 * of_task.loc["[CLS]", "mean"]
            assert float(row["[CLS] to itself"].split()[0]) == pytest.approx(itself, abs=0.051)
            others = of_task.drop(["[CLS]", "[SEP] sum"])["mean"].nlargest(2)
            for cell, (feature, mean) in zip((row["this run"], row["runner-up"]), others.items(), strict=True):
                assert cell.startswith(f"{feature} ")
                assert float(cell.removeprefix(feature).split()[0]) == pytest.approx(100 * mean, abs=0.051)

    def test_the_claims_are_those_that_the_other_chapter_leaves_out(self, links_page, features_page, notebooks):
        both = [feature_claims.FeatureTables.find(run) for run in (features_page.run, Run(notebooks / "reference"))]
        expected = feature_claims.claims_table(*both)
        assert links_page.rows("table-cls-claims") == shown(expected[expected["claim"].isin(OF_CLS)])
        assert links_page.rows("table-cls") == shown(feature_claims.target_table(*both))


def test_cases_are_counted_for_every_task_and_link(links_page, mine):
    n_cases = len(mine.coincidence.query("checkpoint == @AFTER"))
    cells = [row["this run"] for row in links_page.rows("table-link-claims") if "(each" in row["claim"]]
    assert [sum(int(count) for count in re.findall(r": (\d+)", cell)) for cell in cells] == [n_cases] * 3


def test_again_nothing_is_computed_and_without_a_reference_its_column_is_empty(notebooks, tiny, tiny_links, tmp_path):
    store = notebooks.parent / "_runs"
    copy = tmp_path / "book" / "notebooks"
    shutil.copytree(notebooks, copy, ignore=shutil.ignore_patterns("*.parquet"))
    before = results(store, "*")
    again = execute(copy, "06-", **tiny, **TINY_SETUP, n_linked=N_LINKED, store=str(store), run="again-links")
    check_ran_clean(again)
    assert results(store, "*") == before
    for name in tiny_links.run.tables():
        pd.testing.assert_frame_equal(again.run.table(name), tiny_links.run.table(name))
    assert again.glued == tiny_links.glued
    for name in ("table-link-claims", "table-cls-claims", "table-cls"):
        rows = again.rows(name)
        assert without(rows) == without(tiny_links.rows(name))
        assert {row["reference run"] for row in rows} == {MISSING}
    for name in ("figure-verdicts", "figure-cls"):
        assert {row["run"] for row in again.data(name)[0]} == {THIS_RUN}
