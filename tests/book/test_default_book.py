"""What the book that `make book` builds says of the pocket corpus: its tasks can be learned, and not by counting words.

Read from the run store of a built book; without one, `make book` has to come first.
"""

import os

import pandas as pd
import pytest

from darksecrets.book import profiles
from darksecrets.corpora import glue
from darksecrets.runs import Run
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def run() -> Run:
    """The run of the default profile."""
    profile = profiles.load(ROOT, "pocket")
    found = Run(profile.store / "runs" / profile.run)
    if found.find("pocket_scores") is None:
        reason = f"run {profile.run} is not in the store: build the book first (make book)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def scores(run: Run) -> pd.DataFrame:
    """Mean over seeds: a row per task, a column per method."""
    return run.table("pocket_scores").pivot_table(index="task", columns="method", values="mean")


def test_every_task_is_there_with_three_seeds(run: Run):
    tuned = run.table("pocket_scores").query("method == 'fine-tuned'")
    assert tuned.groupby("task")["seed"].nunique().to_dict() == dict.fromkeys(glue.TASKS, 3)


@pytest.mark.parametrize("task", glue.TASKS)
def test_a_fine_tuned_model_learns_the_task(scores: pd.DataFrame, task: str):
    tuned, majority = scores.loc[task, ["fine-tuned", "majority"]]
    assert tuned >= (0.6 if glue.TASKS[task].is_regression else majority + 0.15)


@pytest.mark.parametrize("task", [name for name, task in glue.TASKS.items() if task.is_pair])
def test_counting_words_does_not_solve_a_pair_task(scores: pd.DataFrame, task: str):
    assert scores.loc[task, "fine-tuned"] >= scores.loc[task, "bag of words"] + 0.1


@pytest.mark.parametrize("task", glue.TASKS)
def test_not_everything_is_at_the_ceiling(scores: pd.DataFrame, task: str):
    assert scores.loc[task].min() < 0.9
    assert scores.loc[task, "with overlap"] < 0.95


def test_the_corpus_is_what_it_claims(run: Run):
    checks = run.table("pocket_checks").set_index("task")
    assert (checks["distinct"] >= 0.99).all()
    assert (checks["repeated"] == 0).all()


def test_a_parser_takes_the_sentences_for_english(run: Run):
    agreement = run.table("pocket_agreement").set_index("feature")["mean"]
    assert (agreement > 0.9).all()


@pytest.mark.parametrize("tables", ["this run", "reference run"])
def test_patterns_are_counted_for_every_task_before_and_after_fine_tuning(run: Run, tables: str):
    counted = run if tables == "this run" else Run(ROOT / "notebooks" / "reference")
    shares = counted.table("pattern_shares")
    assert shares.groupby("task")["checkpoint"].nunique().to_dict() == dict.fromkeys(glue.TASKS, 2)
    sums = shares.groupby(["task", "checkpoint", "seed"])["mean"].sum()
    assert sums.to_numpy() == pytest.approx(1)
    assert (shares["low"] <= shares["mean"] + 1e-9).all()
    assert (shares["mean"] <= shares["high"] + 1e-9).all()


def test_the_reference_run_is_real_glue():
    made_from = Run(ROOT / "notebooks" / "reference").provenance["tables"]["pattern_shares"]["made_from"]
    assert made_from["checkpoint"] == "minilm"
    assert set(made_from["tasks"]) == set(glue.TASKS)
    assert made_from["max_examples"] == 1000
