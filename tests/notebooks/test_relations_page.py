"""The chapter on relation-specific heads executed: it shows what its tables hold, and these hold what links get."""

import re
import shutil
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora import framenet
from darksecrets.figures import head_charts
from darksecrets.figures.publish import MISSING
from darksecrets.heads import head_name, standing_out
from darksecrets.models.attended import texts_of
from darksecrets.models.link_attention import LINK
from darksecrets.models.setup import Setup
from darksecrets.runs import Run, Store
from darksecrets.saved_tables import THIS_RUN, side_by_side
from darksecrets.sections import relations
from darksecrets.sections.relations import EITHER, FEWEST, RelationTables
from tests import tiny_framenet
from tests.notebooks.conftest import SIZES
from tests.notebooks.executed import CHART, check_ran_clean, check_shown_and_referred_to, data_of, execute, shown

NUMBERED = [
    *("table-frames", "figure-relations", "table-one-sentence", "figure-null", "table-specific", "figure-frames"),
    *("figure-frame-distances", "figure-example", "table-frame-readings", "table-frame-measures"),
    "table-relation-claims",
]
HEAD = ["layer", "head"]
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
def setup(relations_page, size, request, notebooks):
    checkpoint = request.getfixturevalue("tiny_bert") if size == "tiny" else "minilm"
    return Setup(checkpoint, store=notebooks.parent / "_runs")


@pytest.fixture(scope="module")
def frames(setup):
    """What the page measured, by the library."""
    return relations.measure(setup, framenet.load("pocket", "released", setup.results).sentences)


@pytest.fixture(scope="module")
def mine(relations_page):
    """The tables that the page saved."""
    return RelationTables.find(relations_page.run)


@pytest.fixture(scope="module")
def reference(notebooks):
    """The tables that a reader's copy of the book comes with, if it does."""
    return RelationTables.find(Run(notebooks / "reference"))


def top_heads(mine, n_heads):
    """The heads with the most weight on links, whichever the direction."""
    return mine.heads[mine.heads["direction"] == EITHER].nlargest(n_heads, "mean")


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


def test_the_measure_on_the_page_is_that_of_the_library(relations_page, setup):
    _, maps, _ = relations.example(setup)
    (text,) = texts_of(setup, [relations.EXAMPLE])
    link, others = relations_page.defined("link_and_others")(maps, text.words, target=3, element=0)
    table = relations.measure(setup, [relations.EXAMPLE])
    means = table.groupby(["kind", *HEAD], observed=True)["to_element"].mean()
    assert link.ravel() == pytest.approx(means["link"].to_numpy(), abs=1e-6)
    assert others.ravel() == pytest.approx(means["other head"].to_numpy(), abs=1e-6)
    rows = relations_page.rows("table-one-sentence")
    most = means["link"].nlargest(3)
    assert [(int(row["layer"]) - 1, int(row["head"]) - 1) for row in rows] == list(most.index)
    assert [float(row["from agitated"]) for row in rows] == pytest.approx(most.tolist(), abs=6e-4)


class TestShown:
    def test_all_are_there_in_order(self, relations_page):
        assert list(relations_page.published) == NUMBERED

    def test_figures_are_drawn_from_the_saved_tables_of_both_runs(self, relations_page, mine, reference, frames):
        both = side_by_side(mine.heads, getattr(reference, "heads", None))
        tests = side_by_side(mine.specific, getattr(reference, "specific", None))
        top = relations.example_heads(mine.heads, 3)
        charts = {
            "figure-relations": relations.draw_heads(both, "", standing_out(both, ["run", "direction"])),
            "figure-null": relations.draw_nulls(tests, ""),
            "figure-frames": relations.draw_frames(relations.by_group(frames, top, "frame"), ""),
            "figure-frame-distances": head_charts.distance_curves(relations.by_group(frames, top, "distance"), ""),
        }
        for name, chart in charts.items():
            assert relations_page.data(name) == data_of(chart), name

    def test_tables_are_those_of_the_saved_tables(self, relations_page, mine, reference, notebooks):
        published = Run(notebooks / "reference")
        measures = side_by_side(relations_page.run.table("frame_measures"), published.table("frame_measures"))
        tables = {
            "table-frames": published.table("frame_counts"),  # without FrameNet
            "table-specific": relations.specific_table(mine.specific),
            "table-frame-readings": relations.readings_table({"released": mine}),
            "table-frame-measures": relations.measures_table(measures),
            "table-relation-claims": relations.claims(mine, reference),
        }
        for name, table in tables.items():
            assert relations_page.rows(name) == shown(table), name
        assert measures["n"].unique().tolist() == [framenet.N_PAPER]

    def test_the_title_of_figure_3_names_the_heads_that_stand_out(self, relations_page, mine):
        chart = str(relations_page.published["figure-relations"][CHART])
        (first,) = top_heads(mine, 1).itertuples()
        assert f"{head_name(first.layer, first.head)} ({first.mean:.3f})" in re.sub(r"', '", " ", chart)

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
        figures = ["figure-relations", "figure-null", "figure-frames", "figure-frame-distances", "table-frame-readings"]
        for name in figures:
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
