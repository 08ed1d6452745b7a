"""The page on the reference run: its tables say what the run has, and where it has nothing."""

import json

import numpy as np
import pandas as pd
import pytest

from darksecrets.overview import reference_run
from darksecrets.overview.reference_run import NOT_RECORDED
from darksecrets.runs import Run
from darksecrets_upkeep import shortcuts
from darksecrets_upkeep.reference import KINDS

RECIPE = {"epochs": 3, "batch_size": 32, "learning_rate": 1e-4, "precision": "bfloat16"}
SETUP = {"checkpoint": "minilm", "tasks": ["RTE", "QQP"], "seeds": [0, 1], "n_random": 1, "recipe": RECIPE}
SETUP |= {"max_train": 20000, "max_examples": 1000}
TUNED, RANDOM = ("pretrained", True), ("random", True)
SCORES = [  # task, metric, seed, initialization, finetuned, mean
    ("RTE", "accuracy", 1, *TUNED, 0.62),
    ("RTE", "accuracy", 0, *TUNED, 0.65),
    ("RTE", "accuracy", 0, *RANDOM, 0.53),
    ("QQP", "f1", 0, *TUNED, 0.7),
    ("QQP", "f1", 1, *TUNED, 0.9),
    ("QQP", "accuracy", 0, *TUNED, 0.781),
    ("QQP", "accuracy", 1, *TUNED, 0.776),
]
PIECES = [  # what, task, seconds
    ("fine-tuning", "RTE", 300),
    ("fine-tuning", "RTE", 420),
    ("fine-tuning", "QQP", 480),
    ("disabled", "RTE", 60),
    ("removed", "RTE", 30),
    ("patterns", "RTE", 90),
    ("frames", None, 20),
]
EXAMPLES = {
    "RTE": {"train": 2490, "train_available": 2490, "dev": 277, "compared": 277},
    "QQP": {"train": 10000, "train_available": 10309, "dev": 7616, "compared": 1000},
}


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "reference")
    columns = ["task", "metric", "seed", "initialization", "finetuned", "mean"]
    run.save("tuning_scores", pd.DataFrame(SCORES, columns=columns), **SETUP)
    run.save("frame_heads", pd.DataFrame({"mean": [0.1]}), frames="FrameNet 1.7")
    return run


@pytest.fixture
def described(run):
    pieces = [{"what": what, "task": task, "seconds": seconds} for what, task, seconds in PIECES]
    more = {"durations": pieces, "examples": EXAMPLES, "busy_seconds": 900.0, "library": "ab" * 32}
    more |= {"started": "2026-11-22T16:00:00+00:00", "finished": "2026-11-22T16:20:00+00:00"}
    (run.directory / "run.json").write_text(json.dumps(run.provenance | more | {"parameters": {"corpus": "glue"}}))
    return run


def test_the_overview_names_model_recipe_and_time(described):
    shown = reference_run.overview(described).set_index("")["value"]
    assert shown[["model", "corpus", "frames"]].tolist() == ["minilm", "glue", "FrameNet 1.7"]
    assert shown["seeds"] == "0, 1 (1 of them also from random weights)"
    assert shown["recipe"] == "3 epochs, batches of 32, learning rate 0.0001, bfloat16"
    assert shown["begun"] == "22 November 2026, 16:00 UTC"
    assert shown["time in which something was computed"] == "15 minutes"
    assert shown["Python and packages"].startswith("Python 3.")
    assert shown["library, SHA-256"] == "abababababab"
    assert shown[[name for name in shown.index if name.endswith("at most")]].tolist() == ["20,000", "1,000"]
    described.save("tuning_scores", pd.DataFrame({"mean": [0.5]}), **SETUP | {"max_train": 0})
    shown = reference_run.overview(described).set_index("")["value"]
    assert shown["training examples of a task, at most"] == "all"


def test_what_is_there_is_counted_by_section_and_what_is_lacking_is_said(described):
    shown = reference_run.contents(described).set_index("of")
    assert list(shown.index) == ["Section 4.2, FrameNet", "Section 4.3, fine-tuning"]
    assert shown["rows"].tolist() == [1, len(SCORES)]
    assert shown["tasks"].tolist() == [None, "2"]
    assert "tables of Section 4.1, patterns" in reference_run.lacking(described)
    assert "run.json" not in reference_run.lacking(described)
    assert [reference_run.counted(described, what) for what in ("seeds", "tasks")] == ["2 seeds", "2 tasks"]


def test_work_is_added_up_by_kind_and_by_task(described):
    shown = reference_run.durations(described).set_index("work")
    assert shown.loc["fine-tuning"].tolist() == [3, "20.0", "8.0", "86 %"]
    assert shown.index[-1] == "all"
    assert shown.loc["all"].tolist() == [7, "23.3", "8.0", "100 %"]
    assert reference_run.largest_part(described) == "fine-tuning, 86 % of it"
    assert reference_run.work_and_time(described) == "23 minutes of work in 15 minutes"
    assert sorted(reference_run.WORK) == sorted(KINDS.values()), "every kind of work has a name"
    shown = reference_run.durations_by_task(described).set_index("task")
    assert shown.loc["RTE"].tolist() == [2, "6.0", "12.0", "1.5", "1.5"]
    assert shown.loc["QQP"].tolist() == [1, "8.0", "8.0", "0.0", "0.0"]


def test_examples_stand_beside_the_official_ones(described):
    shown = reference_run.examples(described).set_index("task")
    assert shown.loc["RTE"].tolist() == ["2,490", "2,490", "2,490", "100 %", "277", "all official", "277"]
    assert shown.loc["QQP", ["part of official", "these are"]].tolist() == ["3 %", "a substitute; officially 40,430"]


def test_table_1_has_every_seed_in_order_beside_the_paper(run):
    shown = reference_run.table_1(run).set_index(["task", "metric", "setting"])
    assert len(shown) == 4
    tuned = shown.loc[("RTE", "accuracy", "pre-trained, fine-tuned")]
    assert tuned.tolist() == ["64.6", "63.5", "62.0 to 65.0", 2, "65.0, 62.0"]
    one = shown.loc[("RTE", "accuracy", "random weights, fine-tuned")]
    assert one.tolist() == ["52.7", "53.0", None, 1, "53.0"]
    assert reference_run.widest(run) == "0.5 points on QQP, and 3.0 on RTE", "of the headline metric"


def test_a_run_that_has_nothing_says_so(tmp_path):
    nothing = Run(tmp_path / "nothing")
    for table in ("contents", "durations", "durations_by_task", "examples", "table_1", "shortcuts"):
        shown = getattr(reference_run, table)(nothing)
        assert (shown.iloc[0, 0], len(shown)) == (NOT_RECORDED, 1), table
    assert set(reference_run.overview(nothing)["value"]) == {NOT_RECORDED}
    assert reference_run.largest_part(nothing) == NOT_RECORDED
    assert reference_run.within_spread(reference_run.shortcuts(nothing)) == NOT_RECORDED
    assert "durations in run.json; examples in run.json" in reference_run.lacking(nothing)
    assert "no spread can be told" in reference_run.widest(nothing)
    assert reference_run.work_and_time(nothing) == "a time that run.json does not tell"


def test_every_check_is_listed_with_a_tolerance():
    tolerated = reference_run.checks()["tolerated difference"]
    assert len(tolerated) == len(reference_run.CHECKS) + len(reference_run.TUNED_CHECKS)
    assert tolerated.between(0, 0.1, inclusive="left").all()


def predictions(task, seed, n_right):
    label = np.arange(40) % 2
    answers = np.where(np.arange(40) < n_right, label, 1 - label)
    return pd.DataFrame({"example": range(40), "label": label, "prediction": answers, "task": task, "seed": seed})


def test_scores_without_a_shortcut_are_compared_seed_by_seed_on_the_same_examples():
    run = pd.concat([predictions("RTE", 0, 20), predictions("RTE", 1, 24)])
    other = pd.concat([predictions("RTE", 0, 30), predictions("RTE", 1, 20)]).sample(frac=1, random_state=0)
    table = shortcuts.against("float32", run, other, "accuracy").set_index("seed").sort_index()
    assert table["run"].tolist() == [0.5, 0.6]
    assert table["other"].tolist() == [0.75, 0.5]
    assert table["mean"].tolist() == pytest.approx([0.25, -0.1])
    assert ((table["low"] < table["mean"]) & (table["mean"] < table["high"])).all()


def test_they_are_held_against_the_spread_over_seeds_and_each_way_has_seeds_of_its_own():
    run = pd.concat([predictions(task, seed, 20 + seed) for task in ("RTE", "SST-2") for seed in (0, 1)])
    both = pd.concat([predictions("SST-2", seed, 22 + 14 * seed) for seed in (0, 1)])
    other = pd.concat(
        [
            shortcuts.against("float32", run, predictions("RTE", 0, 22), "accuracy"),
            shortcuts.against("20,000 training examples", run, both, "accuracy"),
        ]
    )
    rows = [(task, "accuracy", seed, *TUNED, 0.5 + seed / 10) for task in ("RTE", "SST-2") for seed in (0, 1)]
    scores = pd.DataFrame(rows, columns=["task", "metric", "seed", "initialization", "finetuned", "mean"])
    table = reference_run.format_shortcuts(other, scores)
    assert table["scores then"].tolist() == ["55.0", "55.0, 90.0"]
    assert table["within the spread?"].tolist() == ["yes", "no"]
    assert table["the run's spread"].tolist() == ["50.0 to 60.0"] * 2
    assert table["difference"].iloc[0].startswith("5.0 [")
    assert reference_run.within_spread(table) == "1 of 2"
    one_seed = reference_run.format_shortcuts(other, scores[scores["seed"] == 0])
    assert one_seed["within the spread?"].tolist() == ["cannot tell"] * 2
