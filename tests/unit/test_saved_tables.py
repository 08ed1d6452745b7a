"""Tables of two runs one below the other, and the chapters that a run's tables come from."""

import nbformat
import pandas as pd
import pytest

from darksecrets.overview import discussion
from darksecrets.runs import Run
from darksecrets.saved_tables import GROUPS, SECTIONS, prefix_of, side_by_side
from tests.conftest import ROOT

MINE = pd.DataFrame({"task": ["RTE", "QQP"], "layer": [0, 1], "mean": [0.1, 0.2], "mine": ["a", "b"]}, index=[5, 9])
THEIRS = pd.DataFrame({"mean": [0.3], "theirs": [True], "task": ["MNLI"], "layer": [7]})


@pytest.mark.parametrize("kind", ["object", "category"])
def test_this_run_comes_first_with_the_columns_that_both_have(kind):
    table = side_by_side(MINE.astype({"task": kind}), THEIRS.astype({"task": kind}))
    rows = [["this run", "RTE", 0, 0.1], ["this run", "QQP", 1, 0.2], ["reference run", "MNLI", 7, 0.3]]
    pd.testing.assert_frame_equal(
        table.astype({"task": object}), pd.DataFrame(rows, columns=table.columns), check_dtype=False
    )
    assert table.columns.tolist() == ["run", "task", "layer", "mean"]
    assert "run" not in MINE


def test_one_run_alone_keeps_all_its_columns():
    for table, run in ((side_by_side(MINE), "this run"), (side_by_side(None, MINE), "reference run")):
        assert table["run"].tolist() == [run] * 2
        pd.testing.assert_frame_equal(table.drop(columns="run"), MINE.reset_index(drop=True))
    assert side_by_side(None, None).columns.tolist() == ["run"]


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_a_page_has_its_title(section):
    cells = nbformat.read(ROOT / "notebooks" / f"{section.page}.ipynb", as_version=4).cells
    assert cells[0].source.splitlines()[0] == f"# {section.title}"


def test_every_published_table_belongs_to_a_section_and_is_read_by_it():
    assert {prefix_of(table) for table in Run(ROOT / "notebooks" / "reference").tables()} == set(GROUPS)
    assert {kind.PREFIX for kind in discussion.KINDS.values()} == set(SECTIONS)
