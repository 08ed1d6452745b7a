"""What may be published: known tables, as run.json has them, with words only where names are expected; and how long its
pieces took, found in a store that also holds those of others.
"""

import json

import pandas as pd
import pytest

from darksecrets.runs import Run
from darksecrets_upkeep import published, reference
from darksecrets_upkeep.reference import Known, when
from tests.conftest import ROOT

SENTENCE = "A sentence of a corpus, which has no business in a table of numbers."


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "reference")
    run.save("pattern_shares", pd.DataFrame({"task": ["RTE"], "mean": [0.5]}), seeds=[0])
    run.save("frame_heads", pd.DataFrame({"direction": ["either"], "mean": [0.2]}))
    (run.directory / "learning-rates.csv").write_text("rate\n")
    return run


def test_tables_of_the_sections_belong_and_others_do_not():
    ours = ["pattern_gaps", "tuning_scores", "repeated_heads", "parser_agreement", "link_follows"]
    others = ["scores", "pocket_checks", "similarity_by_head", "parser_other", "patterns"]
    assert [name for name in ours + others if published.belongs(name)] == ours


def test_a_changed_lost_or_unlisted_file_is_found(run):
    assert published.faults(run.directory) == []
    table = run.table("pattern_shares").assign(mean=0.51)
    table.to_parquet(run.directory / "pattern_shares.parquet", index=False)
    (run.directory / "frame_heads.parquet").rename(run.directory / "frame_more.parquet")
    (run.directory / "notes.txt").write_text(SENTENCE)
    assert sorted(published.faults(run.directory)) == [
        "frame_heads is listed in run.json, but not there",
        "frame_more is not listed in run.json",
        "notes.txt does not belong there",
        "pattern_shares has another SHA-256 than run.json says",
    ]
    (run.directory / "run.json").unlink()
    assert published.faults(run.directory) == ["there is no run.json"]


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("text", ["short", None], "pattern_shares: column text holds words, which only"),
        ("claim", ["x" * 121], "pattern_shares: a value of claim has 121 characters, at most 120 are a name"),
        ("sentence", pd.Categorical([SENTENCE]), "pattern_shares: column sentence holds words"),
    ],
)
def test_text_is_found(run, column, values, words):
    run.save("pattern_shares", pd.DataFrame({column: values}))
    (fault,) = published.faults(run.directory)
    assert fault.startswith(words)
    assert published.contents_faults(run.directory, ["frame_heads"]) == []


def test_too_much_is_found(run, monkeypatch):
    monkeypatch.setattr(published, "LARGEST", 1000)
    (fault,) = published.faults(run.directory)
    assert "MB, at most 0.001 MB are published" in fault


def test_what_the_book_publishes_has_no_fault():
    run = Run(ROOT / published.DIRECTORY)
    assert published.faults(run.directory) == []
    assert [name for name in run.provenance["tables"] if not published.belongs(name)] == []


def test_what_tables_were_made_from_is_found_under_its_name(run):
    content = run.provenance | {"setups": {"ab12": {"seeds": [0, 1]}}}
    content["tables"]["pattern_shares"]["made_from"] = "ab12"
    (run.directory / "run.json").write_text(json.dumps(content))
    assert run.made_from("pattern_shares") == {"seeds": [0, 1]}
    assert run.made_from("frame_heads") == run.made_from("link_heads") == {}


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


RECIPE = {"learning_rate": 1e-4, "epochs": 3}
KNOWN = Known(
    checkpoints={"pretrained": "p", "random": "r"},
    trains={"train-rte": "RTE"},
    devs={"dev-rte": "RTE", "dev-rte-100": "RTE"},
    recipe=RECIPE,
    seeds={"pretrained": (0, 1, 2), "random": (0,)},
)
TUNED = {"checkpoint": "p", "train": "train-rte", "recipe": RECIPE, "seed": 1}
RANDOM = TUNED | {"checkpoint": "r", "initialization": "random"}
MEASURED = {"checkpoint": "p", "training": ["train-rte", RECIPE, 2], "dev": "dev-rte"}
PREDICTED = {"checkpoint": "p", "initialization": "pretrained", "training": ["train-rte", RECIPE], "seed": 0}
PREDICTED |= {"dev": "dev-rte"}


@pytest.fixture
def store(tmp_path):
    def put(kind, ingredients, seconds=60.0, finished="2026-01-01T12:00:00+00:00"):
        directory = tmp_path / kind / str(len(list(tmp_path.rglob("result.json"))))
        directory.mkdir(parents=True)
        record = {"ingredients": ingredients, "seconds": seconds, "finished": finished, "files": {}}
        (directory / "result.json").write_text(json.dumps(record))
        return tmp_path

    return put


@pytest.mark.parametrize(
    ("kind", "made_from", "told"),
    [  # told: what, task, seed, initialization, checkpoint, detail
        ("finetuned", TUNED, ("fine-tuning", "RTE", 1, None, None, None)),
        ("finetuned", RANDOM | {"seed": 0}, ("fine-tuning", "RTE", 0, "random", None, None)),
        ("predictions", PREDICTED, ("predictions", "RTE", 0, "pretrained", "fine-tuned", None)),
        ("predictions", PREDICTED | {"training": None}, ("predictions", "RTE", 0, "pretrained", "pre-trained", None)),
        (
            "similarity",
            TUNED | {"dev": "dev-rte-100", "reading": "released"},
            ("similarity", "RTE", 1, None, "fine-tuned", "released"),
        ),
        ("disabled", MEASURED | {"instead": "zero"}, ("disabled", "RTE", 2, None, "fine-tuned", "zero")),
        ("patterns", MEASURED | {"training": None}, ("patterns", "RTE", None, None, "pre-trained", None)),
        ("framenet", {"index": "i"}, ("frames", None, None, None, None, None)),
    ],
)
def test_each_kind_of_result_says_what_it_is(store, kind, made_from, told):
    (piece,) = reference.of_results(store(kind, made_from), KNOWN)
    names = ("what", "task", "seed", "initialization", "checkpoint", "detail")
    expected = {name: value for name, value in zip(names, told, strict=True) if value is not None}
    assert piece == expected | {"seconds": 60.0, "finished": "2026-01-01T12:00:00+00:00"}


@pytest.mark.parametrize(
    ("kind", "made_from"),
    [
        ("finetuned", TUNED | {"seed": 3}),
        ("finetuned", TUNED | {"train": "another"}),
        ("finetuned", TUNED | {"recipe": RECIPE | {"epochs": 1}}),
        ("finetuned", TUNED | {"checkpoint": "another"}),
        ("finetuned", RANDOM),  # the second seed, of one at random
        ("patterns", MEASURED | {"dev": "another"}),
        ("patterns", MEASURED | {"training": ["train-rte", RECIPE, 7]}),
        ("learning", TUNED),
    ],
)
def test_what_another_run_left_is_not_taken(store, kind, made_from):
    assert reference.of_results(store(kind, made_from), KNOWN) == []


def test_of_two_versions_of_a_result_the_last_counts(store):
    store("attended", MEASURED | {"version": 1}, 10.0, "2026-01-01T10:00:00+00:00")
    root = store("attended", MEASURED | {"version": 2}, 20.0, "2026-01-01T11:00:00+00:00")
    (piece,) = reference.of_results(root, KNOWN)
    assert piece["seconds"] == 20.0


def test_chapters_of_a_run_are_listed_once(store):
    for page, run, seconds in (("02", "mine", 1.0), ("02", "other", 2.0), ("A1", "mine", 3.0), ("02", "mine", 4.0)):
        finished = f"2026-01-01T10:00:0{seconds:.0f}+00:00"
        root = store("notebook", {"page": page, "parameters": {"run": run}}, seconds, finished)
    (chapter,) = reference.of_chapters(root, "mine", ["02", "03"])
    assert (chapter["page"], chapter["seconds"]) == ("02", 4.0)


def test_time_counts_once_where_pieces_ran_side_by_side_and_not_where_nothing_ran():
    at = "2026-01-01T{}:00+00:00"
    ends = {"10:10": 600, "10:12": 300, "10:05": 60, "15:00": 60}
    told = when([{"seconds": seconds, "finished": at.format(end)} for end, seconds in ends.items()])
    assert told["busy_seconds"] == (12 + 1) * 60
    assert (told["started"], told["finished"]) == (at.format("10:00"), at.format("15:00"))
    assert when([]) == {}
