"""What may be published: known tables, as run.json has them, with words only where names are expected."""

import json

import pandas as pd
import pytest

from darksecrets.runs import Run
from darksecrets_upkeep import published
from tests.conftest import ROOT

SENTENCE = "A sentence of a corpus, which has no business in a table of numbers."


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "reference")
    run.save("pattern_shares", pd.DataFrame({"task": ["RTE"], "mean": [0.5]}), seeds=[0])
    run.save("frame_heads", pd.DataFrame({"direction": ["either"], "mean": [0.2]}))
    (run.directory / "learning-rates.csv").write_text("rate\n")
    return run


@pytest.mark.parametrize(
    "name", ["pattern_gaps", "tuning_scores", "repeated_heads", "parser_agreement", "link_follows"]
)
def test_tables_of_the_sections_belong(name):
    assert published.belongs(name)


@pytest.mark.parametrize("name", ["scores", "pocket_checks", "similarity_by_head", "parser_other", "patterns"])
def test_others_do_not(name):
    assert not published.belongs(name)


def test_a_run_as_it_was_saved_has_no_fault(run):
    assert published.faults(run.directory) == []


def test_a_changed_table_is_found(run):
    table = run.table("pattern_shares").assign(mean=0.51)
    table.to_parquet(run.directory / "pattern_shares.parquet", index=False)
    assert published.faults(run.directory) == ["pattern_shares has another SHA-256 than run.json says"]


def test_a_lost_table_and_one_that_nobody_listed_are_found(run):
    (run.directory / "frame_heads.parquet").rename(run.directory / "frame_more.parquet")
    assert published.faults(run.directory) == [
        "frame_heads is listed in run.json, but not there",
        "frame_more is not listed in run.json",
    ]


def test_another_file_does_not_belong_and_without_run_json_nothing_is_known(run):
    (run.directory / "notes.txt").write_text(SENTENCE)
    assert published.faults(run.directory) == ["notes.txt does not belong there"]
    (run.directory / "run.json").unlink()
    assert published.faults(run.directory) == ["there is no run.json"]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("text", "short", "pattern_shares: column text holds words, which only"),
        ("claim", "x" * 121, "pattern_shares: a value of claim has 121 characters, at most 120 are a name"),
    ],
)
def test_text_is_found(run, column, value, words):
    run.save("pattern_shares", pd.DataFrame({column: [value, None]}))
    (fault,) = published.faults(run.directory)
    assert fault.startswith(words)


def test_categories_hide_no_text(run):
    table = pd.DataFrame({"sentence": pd.Categorical([SENTENCE])})
    run.save("pattern_shares", table)
    assert len(published.faults(run.directory)) == 1


def test_too_much_is_found(run, monkeypatch):
    monkeypatch.setattr(published, "LARGEST", 1000)
    (fault,) = published.faults(run.directory)
    assert "MB, at most 0.001 MB are published" in fault


def test_only_the_tables_that_are_asked_for_are_looked_at(run):
    run.save("pocket_examples", pd.DataFrame({"sentence": [SENTENCE]}))
    assert published.contents_faults(run.directory, ["pattern_shares"]) == []


def test_what_the_book_publishes_has_no_fault():
    assert published.faults(ROOT / published.DIRECTORY) == []
    listed = json.loads((ROOT / published.DIRECTORY / "run.json").read_text())["tables"]
    assert [name for name in listed if not published.belongs(name)] == []


class TestSharedRecords:
    def test_what_tables_were_made_from_is_found_under_its_name(self, run):
        content = run.provenance
        content["setups"] = {"ab12": {"seeds": [0, 1]}}
        content["tables"]["pattern_shares"]["made_from"] = "ab12"
        (run.directory / "run.json").write_text(json.dumps(content))
        assert run.made_from("pattern_shares") == {"seeds": [0, 1]}
        assert run.made_from("frame_heads") == {}
        assert run.made_from("link_heads") == {}


def test_the_released_reading_of_the_reference_run_is_the_notebooks():
    """On the whole development sets of RTE and MRPC, and on FrameNet's 473 sentences."""
    run = Run(ROOT / published.DIRECTORY)
    links = run.table("link_released").set_index(["task", "direction"])
    change = links["released"] / links["paper"] - 1
    assert change["RTE", "to_dependent"] == pytest.approx(-0.008, abs=5e-4)
    assert change["MRPC", "to_head"] == pytest.approx(0.27, abs=5e-3)
    negation = run.table("feature_readings").query("task == 'MRPC' and feature == 'negation'").iloc[0]
    assert negation["released"] / negation["paper"] - 1 == pytest.approx(-0.25, abs=5e-3)
    measures = run.table("frame_measures").groupby("measure")["mean"]
    expected = {"between words": 0.234, "between tokens": 0.228, "released": 0.157}
    assert measures.max().to_dict() == pytest.approx(expected, abs=5e-4)
    assert measures.mean()["released"] / measures.mean()["between words"] - 1 == pytest.approx(-0.48, abs=5e-3)
    lengths = run.table("feature_lengths").set_index("task").loc["RTE"]
    assert (lengths["n_longer"], lengths["n_examples"]) == (33, 277)
