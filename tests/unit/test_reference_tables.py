"""The page on the reference run: its tables say what the run has, and where it has nothing."""

import json

import pandas as pd
import pytest

from darksecrets.overview import reference_run
from darksecrets.overview.reference_run import NOT_RECORDED
from darksecrets.runs import Run

SETUP = {
    "checkpoint": "minilm",
    "tasks": ["RTE", "QQP"],
    "seeds": [0, 1],
    "n_random": 1,
    "max_train": 20000,
    "max_examples": 1000,
    "recipe": {"epochs": 3, "batch_size": 32, "learning_rate": 1e-4, "precision": "bfloat16"},
}
SCORES = [  # task, metric, seed, initialization, finetuned, mean
    ("RTE", "accuracy", 1, "pretrained", True, 0.62),
    ("RTE", "accuracy", 0, "pretrained", True, 0.65),
    ("RTE", "accuracy", 0, "random", True, 0.53),
    ("QQP", "f1", 0, "pretrained", True, 0.7),
    ("QQP", "f1", 1, "pretrained", True, 0.9),
    ("QQP", "accuracy", 0, "pretrained", True, 0.781),
    ("QQP", "accuracy", 1, "pretrained", True, 0.776),
]
PIECES = [
    {"what": "fine-tuning", "task": "RTE", "seed": 0, "seconds": 300},
    {"what": "fine-tuning", "task": "RTE", "seed": 1, "seconds": 420},
    {"what": "fine-tuning", "task": "QQP", "seed": 0, "seconds": 480},
    {"what": "disabled", "task": "RTE", "seed": 0, "seconds": 60},
    {"what": "removed", "task": "RTE", "seed": 0, "seconds": 30},
    {"what": "patterns", "task": "RTE", "seconds": 90},
    {"what": "frames", "seconds": 20},
]


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "reference")
    columns = ["task", "metric", "seed", "initialization", "finetuned", "mean"]
    run.save("tuning_scores", pd.DataFrame(SCORES, columns=columns), **SETUP)
    run.save("frame_heads", pd.DataFrame({"mean": [0.1]}), frames="FrameNet 1.7")
    return run


@pytest.fixture
def described(run):
    examples = {
        "RTE": {"train": 2490, "train_available": 2490, "dev": 277, "compared": 277},
        "QQP": {"train": 10000, "train_available": 10309, "dev": 7616, "compared": 1000},
    }
    more = {"durations": PIECES, "examples": examples, "busy_seconds": 900.0, "library": "ab" * 32}
    more |= {"started": "2026-11-22T16:00:00+00:00", "finished": "2026-11-22T16:20:00+00:00"}
    more |= {"parameters": {"corpus": "glue"}}
    (run.directory / "run.json").write_text(json.dumps(run.provenance | more))
    return run


def test_the_overview_names_model_recipe_and_time(described):
    shown = reference_run.overview(described).set_index("")["value"]
    assert shown["model"] == "minilm"
    assert shown["seeds"] == "0, 1 (1 of them also from random weights)"
    assert shown["recipe"] == "3 epochs, batches of 32, learning rate 0.0001, bfloat16"
    assert shown["frames"] == "FrameNet 1.7"
    assert shown["begun"] == "22 November 2026, 16:00 UTC"
    assert shown["time in which something was computed"] == "15 minutes"
    assert shown["Python and packages"].startswith("Python 3.")
    assert shown["library, SHA-256"] == "abababababab"
    limits = shown[[name for name in shown.index if name.endswith("at most")]]
    assert limits.tolist() == ["20,000", "1,000"]


def test_a_limit_of_none_is_said(tmp_path):
    run = Run(tmp_path / "reference")
    run.save("tuning_scores", pd.DataFrame({"mean": [0.5]}), **SETUP | {"max_train": 0})
    shown = reference_run.overview(run).set_index("")["value"]
    assert shown["training examples of a task, at most"] == "all"


def test_contents_count_tables_by_section(run):
    shown = reference_run.contents(run).set_index("of")
    assert list(shown.index) == ["Section 4.2, FrameNet", "Section 4.3, fine-tuning"]
    assert shown["rows"].tolist() == [1, len(SCORES)]
    assert shown["tasks"].tolist() == [None, "2"]


def test_what_is_lacking_is_said(run, described, tmp_path):
    assert "tables of Section 4.1, patterns" in reference_run.lacking(described)
    assert "run.json" not in reference_run.lacking(described)
    empty = reference_run.lacking(Run(tmp_path / "nothing"))
    assert "durations in run.json; examples in run.json" in empty
    assert reference_run.counted(described, "seeds") == "2 seeds"


def test_work_is_added_up_by_kind(described):
    shown = reference_run.durations(described).set_index("work")
    assert shown.loc["fine-tuning"].tolist() == [3, "20.0", "8.0", "86 %"]
    assert shown.loc["all"].tolist() == [7, "23.3", "8.0", "100 %"]
    assert shown.index[-1] == "all"
    assert reference_run.largest_part(described) == "fine-tuning, 86 % of it"
    assert reference_run.work_and_time(described) == "23 minutes of work in 15 minutes"


def test_every_kind_of_work_has_a_name():
    from darksecrets_upkeep.reference import KINDS

    assert sorted(reference_run.WORK) == sorted(KINDS.values())


def test_work_is_added_up_by_task(described):
    shown = reference_run.durations_by_task(described).set_index("task")
    assert shown.loc["RTE"].tolist() == [2, "6.0", "12.0", "1.5", "1.5"]
    assert shown.loc["QQP"].tolist() == [1, "8.0", "8.0", "0.0", "0.0"]


def test_examples_stand_beside_the_official_ones(described):
    shown = reference_run.examples(described).set_index("task")
    assert shown.loc["RTE"].tolist() == ["2,490", "2,490", "2,490", "100 %", "277", "all official", "277"]
    assert shown.loc["QQP", "these are"] == "a substitute; officially 40,430"
    assert shown.loc["QQP", "part of official"] == "3 %"


def test_table_1_has_every_seed_in_order_beside_the_paper(run):
    shown = reference_run.table_1(run).set_index(["task", "metric", "setting"])
    tuned = shown.loc[("RTE", "accuracy", "pre-trained, fine-tuned")]
    assert tuned.tolist() == ["64.6", "63.5", "62.0 to 65.0", 2, "65.0, 62.0"]
    one = shown.loc[("RTE", "accuracy", "random weights, fine-tuned")]
    assert one.tolist() == ["52.7", "53.0", None, 1, "53.0"]
    assert len(shown) == 4


def test_the_widest_spread_is_of_the_headline_metric(run):
    assert reference_run.widest(run) == "0.5 points on QQP, and 3.0 on RTE"


def test_a_changed_score_changes_the_table(run):
    scores = run.table("tuning_scores")
    scores.loc[0, "mean"] = 0.5
    run.save("tuning_scores", scores, **SETUP)
    assert reference_run.table_1(run)["each seed"][0] == "65.0, 50.0"
    assert reference_run.widest(run) == "0.5 points on QQP, and 15.0 on RTE"


@pytest.mark.parametrize("table", ["contents", "durations", "durations_by_task", "examples", "table_1"])
def test_a_run_that_has_nothing_says_so_in_one_row(table, tmp_path):
    shown = getattr(reference_run, table)(Run(tmp_path / "nothing"))
    assert shown.iloc[0, 0] == NOT_RECORDED
    assert len(shown) == 1


def test_without_scores_or_durations_the_sentences_say_so(tmp_path):
    nothing = Run(tmp_path / "nothing")
    assert "no spread can be told" in reference_run.widest(nothing)
    assert reference_run.work_and_time(nothing) == "a time that run.json does not tell"
    assert set(reference_run.overview(nothing)["value"]) == {NOT_RECORDED}
