"""The chapter on relation-specific heads executed: it shows what its tables hold, and these hold what links get."""

import re
import shutil
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora import framenet
from darksecrets.figures.charts import COMPARED
from darksecrets.figures.publish import MISSING
from darksecrets.heads import head_label, head_name
from darksecrets.models.link_attention import LINK
from darksecrets.models.setup import Setup
from darksecrets.runs import Run, Store
from darksecrets.sections import relations
from darksecrets.sections.relations import EITHER, FEWEST, RelationTables
from darksecrets.side_by_side import REFERENCE_RUN, THIS_RUN, side_by_side
from tests import tiny_framenet
from tests.notebooks.conftest import SIZES
from tests.notebooks.executed import CHART, check_ran_clean, check_shown_and_referred_to, execute, per_head, shown

NUMBERED = [
    *("table-frames", "figure-relations", "figure-null", "table-specific", "figure-frames", "figure-frame-distances"),
    *("figure-example", "table-frame-readings", "table-frame-measures", "table-relation-claims"),
]
HEAD = ["layer", "head"]
DIRECTIONS = {shown: name for name, shown in relations.DIRECTIONS.items()}
TOP = 3  # heads of the charts by frame and by distance
# Sentences that both readings keep, with words around the link for a null, and one that only the text's reading keeps.
TELLERS, ADVERBS = ("She", "Ann", "Bo", "He"), ("quite", "even", "ever")
TALES = [
    f"Then [Speaker:{teller}] {words} {adverb} *{verb}* us all ."
    for teller in TELLERS
    for adverb in ADVERBS
    for words, verb in (("did not", "tell"), ("had at last not", "told"))
]
NAPS = ["[Sleeper:He] did not even *nap* ."]


@pytest.fixture(scope="module")
def frames(relations_page, size, request, notebooks):
    """What the page measured, by the library."""
    checkpoint = request.getfixturevalue("tiny_bert") if size == "tiny" else "minilm"
    setup = Setup(checkpoint, store=notebooks.parent / "_runs")
    return relations.measure(setup, framenet.load("pocket", "released", setup.results).sentences)


@pytest.fixture(scope="module")
def mine(relations_page):
    """The tables that the page saved."""
    return RelationTables.find(relations_page.run)


@pytest.fixture(scope="module")
def reference(notebooks):
    """The tables that a reader's copy of the book comes with, if it does."""
    return RelationTables.find(Run(notebooks / "reference"))


def sides(mine, reference):
    """The tables of each run that charts show."""
    return {THIS_RUN: mine} | ({REFERENCE_RUN: reference} if reference else {})


def top_heads(mine, n_heads):
    """The heads with the most weight on links, whichever the direction."""
    return mine.heads[mine.heads["direction"] == EITHER].nlargest(n_heads, "mean")


def rows_of_heads(page, name, column):
    """The rows behind a chart that has a row for each head in lists."""
    (rows,) = (rows for rows in page.data(name) if "direction" in rows[0] and isinstance(rows[0]["head"], list))
    table = per_head(rows)
    return table.assign(direction=table["direction"].map(DIRECTIONS)).set_index(["run", "direction", *HEAD])[column]


class TestTables:
    def test_they_are_saved_with_what_they_were_made_from(self, relations_page):
        tables = relations_page.run.provenance["tables"]
        assert set(tables) >= {f"frame_{field.name}" for field in fields(RelationTables)}
        for field in fields(RelationTables):
            made_from = tables[f"frame_{field.name}"]["made_from"]
            assert made_from["frames"] == framenet.POCKET
            assert len(made_from["checkpoint_fingerprint"]) == 64

    def test_they_are_those_of_the_library(self, mine, frames):
        expected = relations.summarize(frames)
        for field in fields(RelationTables):
            computed = getattr(expected, field.name).reset_index(drop=True)
            pd.testing.assert_frame_equal(getattr(mine, field.name), computed, check_dtype=False, atol=1.1e-5)

    def test_heads_have_the_mean_over_sentences_of_the_mean_over_their_pairs(self, mine, frames, size):
        links = frames[frames["kind"] == LINK]
        of_sentence = links.groupby([*HEAD, "sentence"])[["to_element", "to_target", EITHER]].mean()
        means = of_sentence.groupby(HEAD).mean().rename_axis(columns="direction").stack()
        saved = mine.heads.set_index([*HEAD, "direction"])
        assert saved["mean"].to_dict() == pytest.approx(means.to_dict(), abs=1.1e-5)
        assert set(saved["n"]) == {framenet.N_PAPER}
        assert len(saved) == 3 * np.prod(SIZES[size])

    def test_a_head_is_specific_only_if_it_beats_both_nulls(self, mine, size):
        assert len(mine.specific) == 2 * np.prod(SIZES[size])
        beats = mine.specific[mine.specific["specific"]]
        assert (beats[["difference", "others_difference"]] > 0).all(axis=None)
        assert (beats["p_corrected"] < 0.05).all()
        assert (mine.specific.loc[~mine.specific["specific"], "p_corrected"] >= 0.05).all()
        assert mine.specific["n_tested"].between(FEWEST, framenet.N_PAPER).all()


class TestFigures:
    def test_all_are_there_in_order(self, relations_page):
        assert list(relations_page.published) == NUMBERED

    def test_figure_3_has_every_head_of_both_runs(self, relations_page, mine, reference):
        drawn = rows_of_heads(relations_page, "figure-relations", "mean")
        assert set(drawn.index.get_level_values("run")) == set(sides(mine, reference))
        for run, tables in sides(mine, reference).items():
            saved = tables.heads.set_index(["direction", *HEAD])["mean"]
            assert drawn[run].to_dict() == pytest.approx(saved.to_dict(), abs=6.1e-5)

    def test_heads_beyond_the_99th_percentile_are_outlined(self, relations_page, mine, reference):
        (rows,) = (rows for rows in relations_page.data("figure-relations") if not isinstance(rows[0]["head"], list))
        outlined = {
            (row.get("run", THIS_RUN), DIRECTIONS[row["direction"]], row["layer"] - 1, row["head"] - 1) for row in rows
        }
        expected = set()
        for run, tables in sides(mine, reference).items():
            for direction, heads in tables.heads.groupby("direction"):
                beyond = heads[heads["mean"] > heads["mean"].quantile(0.99)]
                expected |= {(run, direction, row.layer, row.head) for row in beyond.itertuples()}
        assert outlined == expected

    def test_the_title_of_figure_3_names_the_heads_that_stand_out(self, relations_page, mine):
        chart = str(relations_page.published["figure-relations"][CHART])
        (first,) = top_heads(mine, 1).itertuples()
        assert f"{head_name(first.layer, first.head)} ({first.mean:.3f})" in re.sub(r"', '", " ", chart)

    def test_heads_beside_the_closer_null_have_the_saved_weights(self, relations_page, mine, reference):
        for column in ("mean", "closer", "beats"):
            drawn = rows_of_heads(relations_page, "figure-null", column)
            for run, tables in sides(mine, reference).items():
                saved = tables.specific.set_index(["direction", *HEAD])
                if column == "beats":
                    assert (drawn[run] == relations.BEATS).to_dict() == saved["specific"].to_dict()
                else:
                    weights = saved["mean"] if column == "mean" else saved[["null", "others"]].max(axis=1)
                    assert drawn[run].to_dict() == pytest.approx(weights.to_dict(), abs=6.1e-5)

    @pytest.mark.parametrize(("name", "column"), [("figure-frames", "frame"), ("figure-frame-distances", "distance")])
    def test_heads_with_most_weight_are_taken_apart_where_sentences_suffice(
        self, relations_page, mine, frames, name, column
    ):
        (rows,) = relations_page.data(name)
        drawn = pd.DataFrame(rows)
        chosen = top_heads(mine, TOP)
        assert set(drawn["head"]) == set(head_label(chosen))
        quantities = drawn.groupby(["head", column])["compared"].agg(set)
        assert all(found == {COMPARED[key] for key in ("link", "null", "others")} for found in quantities)
        assert drawn["n"].min() >= FEWEST
        places = [(row.layer, row.head) for row in chosen.itertuples()]
        links = frames[frames["kind"] == LINK].set_index(HEAD).sort_index()
        sizes = links.loc[places[0]].groupby(column, observed=True)["sentence"].nunique()
        assert all(drawn["n"] <= drawn[column].map(sizes.to_dict()))

    def test_figure_4_opens_the_two_heads_with_most_weight(self, relations_page, mine):
        parts = relations_page.data("figure-example")
        tokens = ["[CLS]", "he", "was", "becoming", "agitated", ".", "[SEP]"]
        maps = [pd.DataFrame(rows) for rows in parts if len(rows) == len(tokens) ** 2]
        assert len(maps) == 2
        for cells in maps:
            assert sorted(set(cells["query"])) == sorted(tokens)
            assert cells.groupby("query")["weight"].sum().to_numpy() == pytest.approx(1, abs=0.004)
        linked = {(row["query"], row["key"]) for rows in parts if len(rows) == 2 for row in rows}
        assert linked == {("he", "agitated"), ("agitated", "he")}
        chart = str(relations_page.published["figure-example"][CHART])
        opened = [tuple(map(int, found)) for found in re.findall(r"layer (\d+), head (\d+)", chart)]
        assert opened == [(row.layer + 1, row.head + 1) for row in top_heads(mine, 2).itertuples()]

    def test_captions_say_where_the_sentences_come_from(self, relations_page):
        for name in (
            "figure-relations",
            "figure-null",
            "figure-frames",
            "figure-frame-distances",
            "table-frame-readings",
        ):
            assert framenet.POCKET in relations_page.published[name]["text/markdown"]


class TestProse:
    def test_heads_that_beat_both_nulls_are_counted_as_in_the_tables(self, relations_page, mine, size):
        n_specific = mine.specific.groupby(HEAD)["specific"].any().sum()
        found = [int(number) for number in re.findall(r"\d+", relations_page.glued["finding"])]
        assert found[:2] == [n_specific, np.prod(SIZES[size])]
        for row in relations_page.rows("table-frame-readings"):
            assert int(row["heads that beat both nulls"]) == n_specific
        claim = relations_page.rows("table-relation-claims")[1]["this run"]
        assert f"({n_specific} of {np.prod(SIZES[size])} heads;" in claim
        assert claim.startswith("holds") == (n_specific > 0)

    def test_it_says_on_what_it_ran(self, relations_page):
        assert relations_page.glued["source"] == f"on {framenet.N_PAPER} sentences of {framenet.POCKET}"
        assert "grammar" in relations_page.glued["note"]


class TestTablesShown:
    def test_without_framenet_its_examples_are_those_of_the_reference_run(self, relations_page, notebooks):
        counts = Run(notebooks / "reference").table("frame_counts")
        assert relations_page.rows("table-frames") == shown(counts)

    def test_the_most_specific_heads_stand_first(self, relations_page, mine):
        rows = relations_page.rows("table-specific")
        excess = mine.specific[["difference", "others_difference"]].min(axis=1)
        chosen = mine.specific.loc[excess.nlargest(len(rows)).index]
        assert [row["head"] for row in rows] == head_label(chosen).tolist()
        assert [row["direction"].replace(" ", "_") for row in rows] == chosen["direction"].tolist()
        assert [float(row["link"]) for row in rows] == pytest.approx(chosen["mean"].tolist(), abs=6e-4)
        assert [row["beats both?"] == "yes" for row in rows] == chosen["specific"].tolist()

    def test_the_pocket_corpus_has_one_reading(self, relations_page, mine):
        (row,) = relations_page.rows("table-frame-readings")
        assert row["sentences"] == str(framenet.N_PAPER)
        (first,) = top_heads(mine, 1).itertuples()
        assert row["most weight"] == f"{first.mean:.3f} ({head_name(first.layer, first.head)})"

    def test_three_measures_stand_beside_those_of_the_reference_run(self, relations_page, mine, notebooks):
        saved, theirs = (run.table("frame_measures") for run in (relations_page.run, Run(notebooks / "reference")))
        either = mine.heads[mine.heads["direction"] == EITHER]
        of_words = saved[saved["measure"] == "between words"]
        assert of_words["mean"].tolist() == pytest.approx(either["mean"].tolist(), abs=1.1e-5)
        found = relations.measures_table(side_by_side(saved, theirs))
        assert relations_page.rows("table-frame-measures") == shown(found)
        assert found["sentences"].tolist() == [framenet.N_PAPER] * 6

    def test_every_claim_stands_beside_its_verdict(self, relations_page, mine, reference):
        assert relations_page.rows("table-relation-claims") == shown(relations.claims(mine, reference))


class TestFrameNet:
    """On a FrameNet written by us, in the reading of the paper's text, and without a reference run."""

    def test_its_sentences_are_read_and_counted(self, framenet_page, framenet_directory, tmp_path):
        check_ran_clean(framenet_page)
        check_shown_and_referred_to(framenet_page)
        n_sentences = len(TALES) + len(NAPS)
        assert framenet_page.glued["source"] == f"on {n_sentences} sentences of {framenet.NAME}"
        counts = framenet.counts(Store(tmp_path), framenet_directory)
        pd.testing.assert_frame_equal(framenet_page.run.table("frame_counts"), counts)
        assert framenet_page.rows("table-frames") == shown(counts)
        examples = counts.set_index("reading")["examples"].to_dict()
        assert examples == {"paper": n_sentences, "released": len(TALES), "both": len(TALES)}

    def test_heads_are_measured_on_the_reading_that_was_asked_for(self, framenet_page):
        assert set(framenet_page.run.table("frame_heads")["n"]) == {len(TALES) + len(NAPS)}
        made_from = framenet_page.run.provenance["tables"]["frame_heads"]["made_from"]
        assert (made_from["frames"], made_from["reading"]) == (framenet.NAME, "paper")
        sizes = {row["reading"]: int(row["sentences"]) for row in framenet_page.rows("table-frame-readings")}
        assert sizes == {"released": len(TALES), "paper": len(TALES) + len(NAPS)}

    def test_frames_with_few_sentences_are_left_out(self, framenet_page):
        (rows,) = framenet_page.data("figure-frames")
        assert {row["frame"] for row in rows} == {"Telling"}
        (rows,) = framenet_page.data("figure-frame-distances")
        assert {row["distance"] for row in rows} == {4, 6}

    def test_the_column_of_the_reference_run_is_empty(self, framenet_page):
        assert {row["reference run"] for row in framenet_page.rows("table-relation-claims")} == {MISSING}
        parts = framenet_page.data("figure-relations")
        assert {row["run"] for rows in parts for row in rows if "run" in row} == {THIS_RUN}


@pytest.fixture(scope="module")
def framenet_directory(tmp_path_factory):
    corpus = tiny_framenet.corpus(NAPS, TALES)
    return str(tiny_framenet.write(tmp_path_factory.mktemp("framenet") / "framenet_v17", corpus))


@pytest.fixture(scope="module")
def framenet_page(notebooks, tiny_bert, framenet_directory, tmp_path_factory):
    copy = tmp_path_factory.mktemp("framenet") / "book" / "notebooks"
    shutil.copytree(notebooks, copy, ignore=shutil.ignore_patterns("*.parquet"))
    return execute(copy, "03-", checkpoint=tiny_bert, frames=framenet_directory, reading="paper", run="framenet")
