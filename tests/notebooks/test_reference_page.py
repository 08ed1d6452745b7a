"""The page on the reference run shows the published run, whatever that has, and nothing else."""

import json
import shutil

import pandas as pd
import pytest

from darksecrets import reported
from darksecrets.corpora.tasks import TASKS
from darksecrets.figures.publish import MISSING
from darksecrets.overview import reference_run
from darksecrets.reported import SETTINGS
from darksecrets.runs import Run, write_json
from tests.conftest import NOT_SOURCE, ROOT
from tests.notebooks.executed import Executed, execute

SEEDS = (0, 1, 2)
TABLES = ("overview", "tables", "scores", "examples", "checks")
PUBLISHED = {f"table-reference-{name}" for name in TABLES} | {
    *("table-durations", "table-durations-tasks"),
    *("table-shortcuts", "table-dry-run", "table-paper-costs"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, kernel_environment):
    """The notebooks, with a reference run of made-up scores, durations and examples in place of the published one."""
    folder = tmp_path_factory.mktemp("book") / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder, ignore=NOT_SOURCE)
    run = Run(folder / "reference")
    made_from = run.made_from("pattern_shares") | {"seeds": list(SEEDS), "n_random": 1}
    key = ["task", "metric", "initialization", "finetuned"]
    paper = reported.table_1().set_index(key)["value"].items()
    rows = [(*of, seed, value - 0.02 * seed) for of, value in paper for seed in SEEDS if of[2] != "random" or not seed]
    run.save("tuning_scores", pd.DataFrame(rows, columns=[*key, "seed", "mean"]), **made_from)
    counts = {"train": 2000, "train_available": 2400, "compared": 100}
    sizes = {task: counts | {"dev": TASKS[task].dev_rows} for task in TASKS}
    work = [(what, task, seed) for what in ("fine-tuning", "disabled") for task in TASKS for seed in SEEDS]
    pieces = [{"what": what, "task": task, "seed": seed, "seconds": 60.0 * (1 + seed)} for what, task, seed in work]
    more = {"durations": pieces, "busy_seconds": 7200.0, "examples": sizes}
    write_json(run.directory / "run.json", run.provenance | more)
    return folder


@pytest.fixture(scope="module")
def made_up(folder) -> Executed:
    return execute(folder, "A4-", run="reference-page")


@pytest.fixture(scope="module")
def as_published(notebooks) -> Executed:
    return execute(notebooks, "A4-", run="reference-page")


@pytest.fixture(scope="module", params=["made_up", "as_published"])
def page(request) -> Executed:
    return request.getfixturevalue(request.param)


def test_every_table_is_shown_and_nobody_warns(page):
    assert set(page.published) == PUBLISHED
    assert page.warnings == []
    assert all(page.rows(name) for name in PUBLISHED)


def test_nothing_is_saved(page):
    assert page.run.tables() == []


def test_table_1_has_every_number_of_the_paper_and_every_seed(made_up):
    rows = made_up.rows("table-reference-scores")
    assert len(rows) == len(reported.table_1())
    tuned = next(row for row in rows if row["task"] == "RTE" and row["setting"] == "pre-trained, fine-tuned")
    assert (tuned["paper"], tuned["mean"], tuned["spread over seeds"]) == ("64.6", "62.6", "60.6 to 64.6")
    assert tuned["each seed"] == "64.6, 62.6, 60.6"
    alone = next(row for row in rows if row["task"] == "RTE" and row["setting"] == "random weights, fine-tuned")
    assert (alone["spread over seeds"], alone["each seed"]) == (MISSING, "52.7")
    assert len({row["setting"] for row in rows}) == len(SETTINGS)


def test_work_is_added_up(made_up):
    by_kind = {row["work"]: row for row in made_up.rows("table-durations")}
    assert by_kind["fine-tuning"]["pieces"] == str(len(TASKS) * len(SEEDS))
    assert by_kind["all"]["minutes"] == f"{2 * len(TASKS) * 6:.1f}"
    assert [row["task"] for row in made_up.rows("table-durations-tasks")] == list(TASKS)
    assert made_up.glued["work_and_time"] == "84 minutes of work in 2.0 hours"


def test_examples_say_what_part_of_the_official_data_they_are(made_up):
    rows = {row["task"]: row for row in made_up.rows("table-reference-examples")}
    assert rows["MRPC"]["part of official"] == f"{100 * 2000 / TASKS['MRPC'].train_rows:.0f} %"
    assert {row["these are"] for row in rows.values()} == {"all official"}


def test_every_check_is_listed_with_its_tolerance(page):
    assert len(page.rows("table-reference-checks")) == len(reference_run.CHECKS) + len(reference_run.TUNED_CHECKS)


def test_what_the_published_run_lacks_is_said(as_published):
    run = Run(ROOT / "notebooks" / "reference")
    assert as_published.glued["lacking"] == reference_run.lacking(run)
    recorded = json.loads((run.directory / "run.json").read_text())
    for table, name in (("table-durations", "durations"), ("table-reference-examples", "examples")):
        first = next(iter(as_published.rows(table)[0].values()))
        assert (first == reference_run.NOT_RECORDED) == (name not in recorded)
