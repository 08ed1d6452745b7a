"""The chapter on token-to-token attention executed: what it shows is what stands in its tables."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.figures.charts import COMPARED
from darksecrets.figures.publish import MISSING
from darksecrets.heads import head_label
from darksecrets.models.feature_attention import FROM_CLS
from darksecrets.runs import Run
from darksecrets.sections import feature_claims, links
from darksecrets.sections.feature_claims import OF_CLS
from darksecrets.sections.links import FAR, NEAR, LinkTables
from darksecrets.side_by_side import REFERENCE_RUN, THIS_RUN
from tests.notebooks.conftest import N_LINKED, SIZES, TASKS, TINY_SETUP
from tests.notebooks.executed import check_ran_clean, execute, per_head, results, shown, without

NUMBERED = [
    *("figure-links", "figure-diagonal", "table-candidates", "figure-verdicts", "figure-by-distance", "table-follows"),
    *("table-verdicts", "table-survivors", "table-link-sure", "table-released", "figure-cls", "table-cls"),
    *("table-link-claims", "table-cls-claims"),
]
ON_POCKET = ("figure-verdicts", "figure-by-distance", "table-follows", "table-verdicts")  # not on the tasks' texts
CASE = ["task", "checkpoint"]
HEAD = ["layer", "head"]
LINK = ["relation", "direction"]
NAMES = {  # of links, as a reader sees them
    ("verb-subject", "to_dependent"): "verb to subject",
    ("verb-subject", "to_head"): "subject to verb",
    ("pronoun-antecedent", "to_dependent"): "pronoun to antecedent",
    ("pronoun-antecedent", "to_head"): "antecedent to pronoun",
}


@pytest.fixture(scope="module")
def mine(links_page):
    """The tables that the page saved."""
    return LinkTables.find(links_page.run)


@pytest.fixture(scope="module")
def reference(notebooks):
    """The tables that a reader's copy of the book comes with, if it does."""
    return LinkTables.find(Run(notebooks / "reference"))


def named(table):
    """A table whose rows say of which link they are as a reader sees it."""
    return table.assign(link=[NAMES[key] for key in zip(table["relation"], table["direction"], strict=True)])


def counted(names):
    return names.value_counts().to_dict()


def runs_of(reference):
    return {THIS_RUN} | ({REFERENCE_RUN} if reference else set())


def of_this_run(rows):
    """Rows of this run in a chart that may have a menu of runs."""
    table = pd.DataFrame(rows)
    return table[table["run"] == THIS_RUN] if "run" in table else table


class TestFigures:
    def test_all_are_there_in_order(self, links_page):
        assert list(links_page.published) == NUMBERED

    def test_figure_7_has_links_above_diagonals_and_outlines_the_candidates(self, links_page, mine, diagonal):
        parts = links_page.data("figure-links")
        key = [*CASE, "link", *HEAD]
        (links,) = (per_head(rows) for rows in parts if "mean" in rows[0])
        links = of_this_run(links).set_index(key)["mean"]
        assert links.to_dict() == pytest.approx(named(mine.heads).set_index(key)["mean"].to_dict(), abs=6.1e-5)
        (diagonals,) = (per_head(rows) for rows in parts if "diagonal" in rows[0])
        diagonals = of_this_run(diagonals).set_index([*CASE, *HEAD])["diagonal"]
        assert diagonals.to_dict() == pytest.approx(diagonal.to_dict(), abs=6.1e-5)
        (outlined,) = (of_this_run(rows) for rows in parts if not {"mean", "diagonal"} & set(rows[0]))
        outlined = outlined.assign(layer=outlined["layer"] - 1, head=outlined["head"] - 1)
        expected = named(mine.candidates)[key].itertuples(index=False, name=None)
        assert set(outlined[key].itertuples(index=False, name=None)) == set(expected)

    def test_the_scatter_plot_has_both_numbers_of_every_head(self, links_page, mine, size):
        (rows,) = (rows for rows in links_page.data("figure-diagonal") if "link" in rows[0])
        heads = of_this_run(per_head(rows)).set_index([*CASE, "link", *HEAD])
        assert len(heads) == len(mine.heads)
        for row in named(mine.candidates).itertuples():
            place = heads.loc[(row.task, row.checkpoint, row.link, row.layer, row.head)]
            assert place["mean"] == pytest.approx(row.mean, abs=6.1e-5)
            assert place["diagonal"] == pytest.approx(row.diagonal, abs=6.1e-5)

    def test_verdicts_are_the_saved_ones_of_all_runs(self, links_page, mine, reference):
        (rows,) = links_page.data("figure-verdicts")
        table = pd.DataFrame(rows)
        assert set(table["run"]) == runs_of(reference)
        for run, tables in {THIS_RUN: mine, **({REFERENCE_RUN: reference} if reference else {})}.items():
            drawn = table[table["run"] == run]
            drawn = drawn.assign(layer=drawn["layer"] - 1, head=drawn["head"] - 1).set_index(["link", *HEAD])
            saved = named(tables.follows).set_index(["link", *HEAD])
            assert drawn["verdict"].to_dict() == saved["verdict"].to_dict()
            assert drawn["mean"].to_dict() == pytest.approx(saved["mean"].to_dict(), abs=6.1e-5)

    def test_curves_go_over_all_distances_and_links(self, links_page, far_apart):
        (rows,) = links_page.data("figure-by-distance")
        table = pd.DataFrame(rows)
        assert set(table["distance"]) == set(range(1, 9))
        assert set(table["link"]) == set(NAMES.values())
        nulls = [name for name in far_apart if name.endswith("_null")]
        chosen = far_apart[far_apart["relation"] == "verb-subject"].dropna(subset=nulls)
        means = chosen.groupby([*HEAD, "distance"])["to_dependent"].mean()
        drawn = table[(table["link"] == "verb to subject") & (table["compared"] == COMPARED["link"])]
        assert len(drawn) == 8 * drawn["head"].nunique()
        for row in drawn.itertuples():
            layer, head = (int(part) - 1 for part in row.head.split("-"))
            assert row.mean == pytest.approx(means[layer, head, row.distance], abs=6e-5)
            assert row.low <= row.mean <= row.high

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


class TestFollows:
    def test_every_head_has_one_verdict(self, links_page, mine, size):
        rows = {row.pop("link"): row for row in links_page.rows("table-verdicts")}
        assert set(rows) == set(NAMES.values())
        for link, tests in named(mine.follows).groupby("link"):
            counts = {verdict: int(cell) for verdict, cell in rows[link].items()}
            assert {verdict: count for verdict, count in counts.items() if count} == counted(tests["verdict"])
            assert sum(counts.values()) == np.prod(SIZES[size])

    def test_the_heads_shown_are_those_with_the_largest_excess(self, links_page, mine):
        rows = pd.DataFrame(links_page.rows("table-follows"))
        assert set(rows["link"]) == set(NAMES.values())
        for link, tests in named(mine.follows).groupby("link"):
            of_link = rows[rows["link"] == link]
            excess = tests[["difference", "others_difference"]].min(axis=1)
            chosen = tests.loc[excess.nlargest(len(of_link)).index]
            assert of_link["head"].tolist() == head_label(chosen).tolist()
            assert of_link["weight"].astype(float).tolist() == pytest.approx(chosen["mean"].tolist(), abs=6e-4)
            assert of_link["the head"].tolist() == chosen["verdict"].tolist()

    def test_survivors_on_task_texts_are_counted_by_distance(self, links_page, mine):
        tuned = named(mine.matched[mine.matched["checkpoint"] == AFTER])
        counts = tuned.groupby(["task", "link", "span"])["specific"].agg(["sum", "size"])
        cells = {key: f"{row['sum']} of {row['size']}" for key, row in counts.iterrows()}
        rows = links_page.rows("table-survivors")
        assert len(rows) == len(tuned[["task", "link"]].drop_duplicates())
        for row in rows:
            for span in (NEAR, FAR):
                assert row[f"{span} apart"] == cells.get((row["task"], row["link"], span), MISSING)

    def test_candidates_stand_with_their_tests(self, links_page, mine):
        tuned = named(mine.candidates[mine.candidates["checkpoint"] == AFTER])
        rows = links_page.rows("table-candidates")
        key = ["task", "link", "head"]
        expected = tuned.assign(head=head_label(tuned))
        assert [[row[name] for name in key] for row in rows] == expected[key].to_numpy().tolist()
        far = mine.matched[mine.matched["span"] == FAR].set_index([*CASE, *LINK, *HEAD])["specific"]
        for row, saved in zip(rows, tuned.itertuples(), strict=True):
            assert float(row["weight"]) == pytest.approx(saved.mean, abs=6e-4)
            assert float(row["diagonal score"]) == pytest.approx(saved.diagonal, abs=6e-4)
            assert int(row["its rank"]) == saved.rank
            beats = far.get(tuple(getattr(saved, name) for name in (*CASE, *LINK, *HEAD)))
            assert row["beats both?"] == {True: "yes", False: "no", None: MISSING}[beats]


class TestReleased:
    def test_the_notebooks_number_counts_an_example_without_the_link_as_0(self, links_page, mine, found):
        saved = links_page.run.table("link_released")
        means = found.released_links.groupby([*CASE, "direction"], observed=True)["mean"].mean()
        assert saved.set_index([*CASE, "direction"])["released"].to_dict() == pytest.approx(means.to_dict(), abs=1e-5)
        expected = links.released_against_paper(found.released_links, mine.heads)
        numbers = ["paper", "released", "difference", "mean"]
        assert saved[numbers].to_numpy() == pytest.approx(expected[numbers].to_numpy(), abs=1e-5)

    def test_it_is_shown_for_fine_tuned_models(self, links_page):
        saved = links_page.run.table("link_released").query("checkpoint == @AFTER")
        rows = links_page.rows("table-released")
        for column in ("paper", "released"):
            assert [float(row[column]) for row in rows] == pytest.approx(saved[column].tolist(), abs=6e-4)


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


class TestClaims:
    def test_every_claim_stands_beside_its_verdict(self, links_page, mine, reference):
        assert links_page.rows("table-link-claims") == shown(links.claims(mine, reference))

    def test_cases_are_counted_for_every_task_and_link(self, links_page, mine):
        n_cases = len(mine.coincidence.query("checkpoint == @AFTER"))
        cells = [row["this run"] for row in links_page.rows("table-link-claims") if "(each" in row["claim"]]
        assert len(cells) == 3
        for cell in cells:
            assert sum(int(count) for count in re.findall(r": (\d+)", cell)) == n_cases

    def test_sure_sentences_are_compared_with_all(self, links_page, found, far_apart, mine):
        sure = links.summarize(found.links[found.links["sure"]], found.diagonal, far_apart)
        rows = links_page.rows("table-link-sure")
        assert rows == shown(links.sure_table(mine, sure))
        for row in rows:
            assert (row["all sentences"] != row["sure sentences"]) == (row["changed?"] == "yes")


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
