"""What the reference run saved time with: scores with and without it, on the same examples."""

import json

import numpy as np
import pandas as pd
import pytest

from darksecrets.models.setup import Setup
from darksecrets.overview import reference_run
from darksecrets.overview.paper_costs import NOT_RECORDED
from darksecrets.runs import Run
from darksecrets_upkeep import shortcuts

N = 40


def predictions(task: str, seed: int, n_right: int) -> pd.DataFrame:
    label = np.arange(N) % 2
    answers = np.where(np.arange(N) < n_right, label, 1 - label)
    return pd.DataFrame({"example": np.arange(N), "label": label, "prediction": answers, "task": task, "seed": seed})


def of_run(**scores_by_seed: list[float]) -> pd.DataFrame:
    rows = [
        (task, "accuracy", seed, "pretrained", True, score, score - 0.1, score + 0.1, N)
        for task, scores in scores_by_seed.items()
        for seed, score in enumerate(scores)
    ]
    columns = ["task", "metric", "seed", "initialization", "finetuned", "mean", "low", "high", "n_examples"]
    return pd.DataFrame(rows, columns=columns)


def test_scores_are_compared_seed_by_seed_on_the_same_examples():
    run = pd.concat([predictions("RTE", 0, 20), predictions("RTE", 1, 24)])
    other = pd.concat([predictions("RTE", 0, 30), predictions("RTE", 1, 20)]).sample(frac=1, random_state=0)
    table = shortcuts.against("float32", run, other, "accuracy").set_index("seed").sort_index()
    assert table["run"].tolist() == [0.5, 0.6]
    assert table["other"].tolist() == [0.75, 0.5]
    assert table["mean"].tolist() == pytest.approx([0.25, -0.1])
    assert ((table["low"] < table["mean"]) & (table["mean"] < table["high"])).all()


def test_a_score_without_a_shortcut_is_held_against_the_spread_over_seeds():
    run = pd.concat([predictions(task, 0, 20) for task in ("RTE", "SST-2")])
    other = [shortcuts.against("float32", run, predictions("RTE", 0, 22), "accuracy")]
    other += [shortcuts.against("all training examples", run, predictions("SST-2", 0, 36), "accuracy")]
    table = reference_run.format_shortcuts(pd.concat(other), of_run(RTE=[0.5, 0.6], **{"SST-2": [0.5, 0.6]}))
    assert table["within the spread?"].tolist() == ["yes", "no"]
    assert table["the run's spread"].tolist() == ["50.0 to 60.0"] * 2
    assert table["difference"].iloc[0].startswith("5.0 [")
    assert reference_run.within_spread(table) == "1 of 2"
    one_seed = reference_run.format_shortcuts(pd.concat(other), of_run(RTE=[0.5], **{"SST-2": [0.5]}))
    assert one_seed["within the spread?"].tolist() == ["cannot tell"] * 2


def test_each_way_has_seeds_of_its_own():
    run = pd.concat([predictions(task, seed, 20 + seed) for task in ("RTE", "SST-2") for seed in (0, 1)])
    other = [shortcuts.against("float32", run, predictions("RTE", 0, 22), "accuracy")]
    both = pd.concat([predictions("SST-2", seed, 22) for seed in (0, 1)])
    other += [shortcuts.against("20,000 training examples", run, both, "accuracy")]
    table = reference_run.format_shortcuts(pd.concat(other), of_run(RTE=[0.5, 0.6], **{"SST-2": [0.5, 0.6]}))
    assert table["scores then"].tolist() == ["55.0", "55.0, 55.0"]


def test_a_run_without_the_file_says_so(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"tables": {}}))
    table = reference_run.shortcuts(Run(tmp_path))
    assert table.iloc[0, 0] == reference_run.within_spread(table) == NOT_RECORDED


def test_a_cut_task_is_trained_on_all_examples_and_a_small_one_in_float32(tiny_bert, tmp_path):
    setup = Setup(tiny_bert, "pocket:12/6", ["RTE"], [0], 8, epochs=1, learning_rate=1e-3, store=tmp_path)
    bfloat16 = Setup(
        tiny_bert, "pocket:12/6", ["RTE"], [0], 8, epochs=1, learning_rate=1e-3, precision="bfloat16", store=tmp_path
    )
    assert [table["instead"].tolist() for table in shortcuts.compared(setup)] == [[shortcuts.ALL_EXAMPLES]]
    found = pd.concat(shortcuts.compared(bfloat16))
    assert found["instead"].tolist() == [shortcuts.ALL_EXAMPLES, shortcuts.FLOAT32]
    assert found[["run", "other"]].apply(lambda scores: scores.between(0, 1).all()).all()
    float32 = Setup(tiny_bert, "pocket:12/6", ["RTE"], [0], 8, epochs=1, learning_rate=1e-3, store=tmp_path)
    assert float32.is_finetuned("RTE", 0, "pretrained")


def test_a_large_task_of_a_run_that_cuts_none_is_trained_on_fewer_examples_with_every_seed(
    tiny_bert, tmp_path, monkeypatch
):
    monkeypatch.setattr(shortcuts, "FEWER", 8)
    setup = Setup(tiny_bert, "pocket:12/6", ["RTE"], [0, 1], 0, epochs=1, learning_rate=1e-3, store=tmp_path)
    found = pd.concat(shortcuts.compared(setup))
    assert list(zip(found["instead"], found["seed"], strict=True)) == [
        (shortcuts.FEWER_EXAMPLES, 0),
        (shortcuts.FEWER_EXAMPLES, 1),
    ]
    cut = Setup(tiny_bert, "pocket:12/6", ["RTE"], [0, 1], 8, epochs=1, learning_rate=1e-3, store=tmp_path)
    assert cut.is_finetuned("RTE", 1, "pretrained")
    monkeypatch.setattr(shortcuts, "FEWER", 12)
    assert list(shortcuts.compared(setup)) == []
