"""Tables of two runs, one below the other."""

import pandas as pd

from darksecrets.side_by_side import REFERENCE_RUN, THIS_RUN, side_by_side

MINE = pd.DataFrame({"task": ["RTE", "QQP"], "layer": [0, 1], "mean": [0.1, 0.2], "mine": ["a", "b"]}, index=[5, 9])
THEIRS = pd.DataFrame({"mean": [0.3], "theirs": [True], "task": ["MNLI"], "layer": [7]})


def test_this_run_comes_first_with_the_columns_that_both_have():
    table = side_by_side(MINE, THEIRS)
    assert table.columns.tolist() == ["run", "task", "layer", "mean"]
    assert table.to_numpy().tolist() == [
        ["this run", "RTE", 0, 0.1],
        ["this run", "QQP", 1, 0.2],
        ["reference run", "MNLI", 7, 0.3],
    ]
    assert (THIS_RUN, REFERENCE_RUN) == ("this run", "reference run")
    assert table.index.tolist() == [0, 1, 2]


def test_without_a_reference_run_this_run_keeps_all_its_columns():
    table = side_by_side(MINE)
    assert table["run"].tolist() == [THIS_RUN] * 2
    pd.testing.assert_frame_equal(table.drop(columns="run"), MINE.reset_index(drop=True))


def test_the_tables_themselves_stay_as_they_are():
    before = MINE.copy(), THEIRS.copy()
    side_by_side(MINE, THEIRS)
    pd.testing.assert_frame_equal(MINE, before[0])
    pd.testing.assert_frame_equal(THEIRS, before[1])


def test_categories_of_either_run_are_kept():
    mine, theirs = (table.astype({"task": "category"}) for table in (MINE, THEIRS))
    assert side_by_side(mine, theirs)["task"].tolist() == ["RTE", "QQP", "MNLI"]
