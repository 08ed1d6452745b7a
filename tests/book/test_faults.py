"""Files that change, disks that fill up, processes that die: a few of the faults of `python -m tests.faults.table`."""

import os
import random

import pytest

from darksecrets.book import build, progress
from darksecrets.errors import InputError
from darksecrets.runs import Run
from tests.faults import cases, clones, kills, small_book


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A small book whose notebook was executed."""
    root = small_book.write(tmp_path_factory.mktemp("faults") / "clone")
    cases.execute_again(root)
    return root


@pytest.mark.parametrize("damage", sorted(cases.DAMAGES))
@pytest.mark.parametrize("pattern", ["runs/*/table_1.parquet", "runs/*/run.json"])
def test_what_a_run_lost_is_named_and_comes_back_without_executing_anything(executed, pattern, damage):
    outcome = cases.garbled_in_book(executed, pattern, cases.DAMAGES[damage])
    assert outcome.is_whole, outcome
    assert (
        "run.json is damaged" if damage != "deleted" and "json" in pattern else "table_1 was missing"
    ) in outcome.said


def test_a_damaged_table_is_named_and_not_read(executed):
    (directory,) = clones.runs(executed).values()
    table = directory / "table_2.parquet"
    whole = table.read_bytes()
    assert len(Run(directory).table("table_2")) == 3
    cases.flip(table)
    with pytest.raises(InputError, match=r"table_2\.parquet has changed since it was saved; build the book again"):
        Run(directory).table("table_2")
    table.write_bytes(whole)
    assert len(Run(directory).table("table_2")) == 3


def test_a_full_disk_is_one_line_and_the_result_comes_once_there_is_room(tmp_path):
    try:
        with cases.small_disk(tmp_path / "disk", "10m") as disk:
            outcome = cases.full_store(disk)
    except OSError as error:
        pytest.skip(f"!! nothing was tried on a full disk: {error}")
    assert outcome.is_whole, outcome


def test_a_book_killed_again_and_again_has_the_tables_of_an_undisturbed_one(executed, tmp_path):
    root, draw = small_book.write(tmp_path / "clone"), random.Random(0)
    lives = kills.disturb(root, ["book"], [draw.uniform(1.5, 4) for _ in range(3)], draw, print)
    assert lives[-1].exit_code == 0, (root / "book.log").read_text()
    assert any(life.victim != "nobody" for life in lives)
    assert clones.different_tables(root, executed) == []
    assert clones.unlisted_tables(root) == []
    assert clones.leftovers(root) == []
    assert (root / clones.HTML / "index.html").is_file()


def test_a_book_that_was_set_aside_when_its_process_died_is_put_back(tmp_path):
    html = tmp_path / "html"
    html.with_name("html.old").mkdir(parents=True)
    build._recover(html)
    assert html.is_dir()
    assert not html.with_name("html.old").exists()


def test_two_builds_take_turns_and_a_dead_one_holds_nobody_up(tmp_path, capsys):
    child = os.fork()
    if child == 0:
        with progress.alone(tmp_path / "_build"):
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    with progress.alone(tmp_path / "_build"):
        pass
    assert capsys.readouterr().out == ""
