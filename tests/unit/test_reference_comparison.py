"""A published table against the same computed anew: no changed number, row or column goes unnoticed."""

import numpy as np
import pandas as pd
import pytest

from darksecrets.overview import reference_run
from darksecrets.statistics import interval_of_mean
from darksecrets_upkeep import comparison
from darksecrets_upkeep.comparison import FAILED, OK, SKIPPED, Comparison, compared, skipped

KEY = ["task", "layer"]


def table(**changes):
    columns = {"task": ["RTE", "RTE", "MNLI"], "layer": [0, 1, 0], "mean": [0.1, 0.2, 0.3], "n": [10, 10, 20]}
    columns |= {"low": [0.05, np.nan, 0.25], "verdict": ["yes", "no", "yes"], "specific": [True, False, True]}
    return pd.DataFrame({**columns, **changes})


def test_equal_tables_are_equal_to_the_last_digit_whatever_their_order_and_types():
    anew = table().iloc[::-1].astype({"task": "category", "layer": "int16"})
    found = compared("means", table(), anew, KEY, 0.0)
    assert found == Comparison("means", 3, 0.0, 0.0, OK, "equal to the last digit")


def test_a_table_that_is_kept_in_single_precision_is_compared_in_it():
    exact = table(mean=[1 / 3, 2 / 3, 1 / 7])
    kept = exact.astype({"mean": "float32"})
    assert compared("means", kept, exact, KEY, 0.0).largest == 0
    assert compared("means", exact, kept, KEY, 0.0).verdict == FAILED


@pytest.mark.parametrize(("moved", "verdict"), [(0.0009, OK), (0.0011, FAILED), (-0.5, FAILED)])
def test_a_changed_number_is_found_and_named_with_its_place(moved, verdict):
    found = compared("means", table(), table(mean=[0.1, 0.2 + moved, 0.3]), KEY, 0.001)
    assert (found.verdict, found.note) == (verdict, "mean of task RTE, layer 1")
    assert found.largest == pytest.approx(abs(moved))


def test_a_count_must_be_equal():
    anew = table(n=[10, 10, 21])
    assert compared("means", table(), anew, KEY, 0.5).note == "n of task MNLI, layer 0"
    assert compared("means", table(), anew, KEY, 0.5).verdict == FAILED
    assert compared("means", table(), table(n=[10, 10, 20.7]), KEY, 0.5).largest == pytest.approx(0.7)


@pytest.mark.parametrize("low", [[np.nan, np.nan, 0.25], [0.05, 0.1, 0.25]], ids=["lost", "there"])
def test_a_number_that_only_one_table_has_differs_without_limit(low):
    found = compared("means", table(), table(low=low), KEY, 1e9)
    assert (found.verdict, found.largest) == (FAILED, np.inf)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (table(), table().iloc[:2], "1 rows are in one table only: task MNLI, layer 0 is published only"),
        (table().iloc[:2], table(), "task MNLI, layer 0 is only there when computed anew"),
        (table(), table().drop(columns="low"), "computed anew, it has no column low"),
        (table().iloc[:0], table(), "there is no row to compare"),
    ],
    ids=["lost row", "new row", "lost column", "nothing"],
)
def test_rows_and_columns_that_are_missing_are_named(old, new, words):
    found = compared("means", old, new, KEY, 1.0)
    assert found.verdict == FAILED
    assert words in found.note


def test_a_key_with_two_rows_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="one-to-one"):
        compared("means", table(), pd.concat([table(), table()]), KEY, 1.0)


class TestOneSeedAgainstSeveral:
    published = pd.DataFrame({"layer": [0, 1], "mean": [0.5, 0.7], "low": [0.4, 0.6], "high": [0.6, 0.8]})

    @pytest.mark.parametrize(
        ("means", "largest", "verdict"),
        [([0.41, 0.79], 0, OK), ([0.61, 0.7], 0.01, OK), ([0.5, 0.5], 0.1, FAILED), ([0.9, 0.7], 0.3, FAILED)],
    )
    def test_only_what_is_outside_the_interval_counts(self, means, largest, verdict):
        anew = pd.DataFrame({"layer": [0, 1], "mean": means, "low": 0.0, "high": 1.0})
        found = comparison.compared_with_interval("change", self.published, anew, ["layer"], 0.02)
        assert found.verdict == verdict
        assert found.largest == pytest.approx(largest)

    def test_rows_that_are_missing_are_found(self):
        anew = pd.DataFrame({"layer": [0], "mean": [0.5]})
        found = comparison.compared_with_interval("change", self.published, anew, ["layer"], 0.02)
        assert "layer 1 is published only" in found.note

    @pytest.mark.parametrize("seeds", [(0.0, 0.0, 1.0), (0.1, 0.5, 0.9), (0.3, 0.3, 0.31)])
    def test_each_of_three_seeds_is_within_their_interval(self, seeds):
        _, low, high = interval_of_mean(seeds)
        assert all(low <= seed <= high for seed in seeds)


class TestReport:
    found = (
        compared("good", table(), table(), KEY, 0.01),
        compared("bad", table(), table(mean=[0.1, 0.2, 0.4]), KEY, 0.01),
        skipped("away", "no corpus"),
    )

    def test_it_has_a_line_for_each_and_counts_verdicts(self):
        lines = comparison.report(self.found).splitlines()
        assert [line.split()[0] for line in lines[2:5]] == ["good", "bad", "away"]
        assert "0.1" in lines[3]
        assert "mean of task MNLI, layer 0" in lines[3]
        assert "ok: 1, NOT OK: 1, NOT CHECKED: 1" in lines

    def test_what_was_not_checked_is_said_aloud(self):
        text = comparison.report(self.found)
        assert "!! NOT CHECKED, so that what is ok above says nothing of it:" in text
        assert "  away: no corpus" in text
        assert "!!" not in comparison.report(self.found[:2])

    def test_only_what_differs_fails(self):
        assert comparison.failed(self.found)
        assert not comparison.failed([self.found[0], self.found[2]])
        assert self.found[2].verdict == SKIPPED


def test_the_list_for_readers_has_every_check_with_a_tolerance():
    shown = reference_run.checks()
    assert len(shown) == len(reference_run.CHECKS) + len(reference_run.TUNED_CHECKS)
    assert (shown["tolerated difference"] >= 0).all()
    assert (shown["tolerated difference"] < 0.1).all()
