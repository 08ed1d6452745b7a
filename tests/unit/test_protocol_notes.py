"""The protocol notes: each has its place in the book, and says what was measured and what was not."""

from pathlib import Path

import nbformat
import pandas as pd
import pytest

from darksecrets.corpora.annotated_maps import BEFORE
from darksecrets.overview import protocol_charts, protocol_effects, protocol_notes, protocol_tables
from darksecrets.runs import Run
from darksecrets.side_by_side import side_by_side
from tests.book.contract import published
from tests.protocol_tables import DISABLING, FEATURES, FRAMES, MEASURES, RELEASED

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path):
    """A run with some of the chapters."""
    run = Run(tmp_path / "mine")
    FEATURES.save(run)
    FRAMES.save(run)
    DISABLING.save(run)
    run.save("link_released", RELEASED)
    run.save("frame_measures", MEASURES)
    return run


class TestNotes:
    def test_every_row_of_the_digest_has_a_note(self):
        notes = protocol_notes.NOTES
        assert len(notes) >= 11
        assert len({note.name for note in notes}) == len(notes)
        where = " ".join(note.where for note in notes)
        assert all(f"Figure {number}" in where or f"Figures {number}" in where for number in (3, 5, 6, 7, 8))

    def test_notes_link_to_figures_and_tables_of_the_book(self):
        pages = [nbformat.read(path, as_version=4) for path in (ROOT / "notebooks").glob("[0-9A]*.ipynb")]
        there = {name for page in pages for _, name in published(page)}
        for note in protocol_notes.NOTES:
            assert set(note.see.split()) <= there, note.name

    def test_what_is_measured_and_what_is_not(self, run, tmp_path):
        empty = Run(tmp_path / "nothing")
        table = protocol_notes.effects_table(run, empty).set_index("note")
        assert (table["reference run"] == protocol_notes.NOT_MEASURED).all()
        names = [note.name for note in protocol_notes.NOTES]
        found = {name for name, text in zip(names, table["this run"], strict=True) if text != "not measured"}
        assert found == {
            *("below_chance", "absent_words", "spelling", "separators"),
            *("links", "frame_measure", "frame_tokens", "disabling"),
        }
        assert table["this run"][names.index("links") + 1] == protocol_effects.links(RELEASED)

    def test_the_reference_run_is_told_before_this_run(self, run, tmp_path):
        empty, note = Run(tmp_path / "nothing"), next(one for one in protocol_notes.NOTES if one.name == "links")
        assert protocol_notes.told(note, empty, run) == f"In the reference run: {protocol_effects.links(RELEASED)}."
        assert protocol_notes.told(note, run, empty).startswith("In this run: the weight from ")
        assert protocol_notes.told(note, empty, empty) == "Neither run has measured it yet."

    def test_what_it_takes_to_measure_the_rest(self, run, tmp_path):
        assert protocol_notes.lacking(run) == (
            "notes 1, 3, 4, 5, 10, 14, 15 are not measured: it takes “What patterns attention shows”, "
            "“Relation-specific heads”, “What fine-tuning changes”, “What heads attend to: linguistic features”"
        )
        assert protocol_notes.lacking(Run(tmp_path / "nothing")).count("“") == 6

    def test_a_changed_table_changes_the_text(self, run):
        note = next(one for one in protocol_notes.NOTES if one.name == "links")
        before = protocol_notes.effect(note, run)
        run.save("link_released", RELEASED.assign(released=RELEASED["paper"]))
        assert protocol_notes.effect(note, run) != before
        assert "verb to subject +0 % [+0, +0]" in protocol_notes.effect(note, run)

    def test_a_run_says_what_it_has_of_the_pre_trained_model_alone(self, run, tmp_path):
        assert protocol_tables.told_only_pre_trained(Run(tmp_path / "nothing")) == "neither reading is there"
        assert protocol_tables.told_only_pre_trained(run) == "both readings are there of every model"
        run.save("link_released", RELEASED[RELEASED["checkpoint"] == BEFORE])
        readings = FEATURES.readings
        run.save("feature_readings", readings[(readings["feature"] != "negation") | (readings["checkpoint"] == BEFORE)])
        links = ["verb to subject", "subject to verb", "pronoun to antecedent", "antecedent to pronoun"]
        assert protocol_tables.only_pre_trained(run) == ["negation", *links]
        found = protocol_tables.changes(run)
        assert {"negation (pre-trained)", "verb to subject (pre-trained)", "noun"} < set(found["what"])
        assert protocol_tables.told_only_pre_trained(run) == (
            f"the released reading of negation, {', '.join(links)} is not yet recomputed for fine-tuned models"
        )

    def test_effects_of_a_note_are_joined(self, run):
        run.save("frame_counts", pd.DataFrame({"reading": ["paper", "released", "both"], "examples": [30, 20, 10]}))
        run.save("protocol_frames", protocol_tables.frame_readings({"released": FRAMES, "paper": FRAMES}))
        note = next(one for one in protocol_notes.NOTES if one.name == "frame_sentences")
        assert ". Heads' weights correlate by 1.00 " in protocol_notes.effect(note, run)


class TestCharts:
    def test_changes_and_agreements(self, run, tmp_path):
        empty = Run(tmp_path / "nothing")
        for gather, finding in (
            (protocol_tables.changes, protocol_tables.changes_finding),
            (protocol_tables.agreements, protocol_tables.agreement_finding),
        ):
            table = gather(run)
            assert len(table) == 3 * 6 + 2 * 4 + 1  # kinds of words, links, frames
            assert gather(empty).empty
            assert finding(gather(empty))
            for sides in ((table, gather(empty)), (gather(empty), table), (table, table)):
                shown = protocol_charts.by_task(side_by_side(*sides), finding(table), "share", "+.0%", neutral=0)
                rows = max(shown.to_dict()["datasets"].values(), key=len)
                assert len(rows) == sum(map(len, sides))
                assert {row["task"] for row in rows} == {"", "SST-2", "QNLI", "MRPC", "RTE"}

    def test_the_title_names_the_largest_change_over_tasks(self):
        rows = [("noun", "RTE", 0.9), ("noun", "QQP", -0.8), ("verb", "RTE", -0.3), ("verb", "QQP", -0.5)]
        table = pd.DataFrame(rows, columns=protocol_tables.CHANGE)
        expected = "Read as released, “verb” changes most: -40 % on average"
        assert protocol_tables.changes_finding(table) == expected
        assert protocol_tables.agreement_finding(table).endswith("by 0.9 or more, in 1 of 4 cases")
