"""Tables of annotated maps: each count is one that a loop over the rows gives."""

from collections import Counter

import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.sections import map_labels
from tests.pattern_tables import labels_of

LABELS = labels_of().assign(
    sitting=lambda table: table["id"] % 3 + 1,
    task=lambda table: [("RTE", "MRPC", "MNLI")[number % 3] for number in table["example"]],
    n_tokens=lambda table: 10 + table["id"] % 50,
)
ROWS = list(LABELS.itertuples())


def test_sources_count_draws_checkpoints_and_tokens_in_the_papers_order():
    table = map_labels.sources(LABELS).set_index("task")
    assert table.index.tolist() == ["MRPC", "RTE", "MNLI", "all"]
    for task in table.index:
        of_task = [row for row in ROWS if task in (row.task, "all")]
        expected = Counter(f"{row.draw}, {row.checkpoint}" for row in of_task)
        assert table.loc[task, list(expected)].to_dict() == expected
        assert table.loc[task, "maps"] == len(of_task)
        lengths = sorted(row.n_tokens for row in of_task)
        assert (table.loc[task, "tokens, min"], table.loc[task, "tokens, max"]) == (lengths[0], lengths[-1])
        assert table.loc[task, "tokens, median"] == pytest.approx(lengths[len(lengths) // 2], abs=1)


def test_each_sitting_has_its_own_agreement_and_the_last_row_that_of_all():
    table = map_labels.sittings(LABELS)
    assert table["sitting"].tolist() == ["1", "2", "3", "all"]
    for row in table.itertuples():
        part = LABELS[[row.sitting in (str(number), "all") for number in LABELS["sitting"]]]
        assert row.maps == len(part)
        assert row.alike == pytest.approx((part["first"] == part["second"]).mean())
        assert row.kappa == pytest.approx(cohen_kappa_score(part["first"], part["second"]))
        assert row.low < row.kappa < row.high


def test_the_cross_table_has_every_pair_of_labels():
    table = map_labels.cross(LABELS).set_index("first").set_axis(PATTERNS, axis="columns")
    expected = Counter((row.first, row.second) for row in ROWS)
    assert {(one, other): table.loc[one, other] for one in PATTERNS for other in PATTERNS} == {
        (one, other): expected[one, other] for one in PATTERNS for other in PATTERNS
    }


def test_the_cross_table_keeps_patterns_that_nobody_gave():
    table = map_labels.cross(LABELS[(LABELS[["first", "second"]] == "Vertical").all(axis=1)])
    assert table.columns.tolist() == ["first", "Vertical", "Diagonal", "Vertical + Diagonal", "Block", "Heterogeneous"]
    assert table["first"].tolist() == list(PATTERNS)
    assert table["Vertical"].tolist()[1:] == [0] * 4


def test_decisions_say_for_whom_it_was_decided_whoever_gave_which():
    table = map_labels.decisions(LABELS)
    assert table["maps"].is_monotonic_decreasing
    for row in table.itertuples():
        former, latter = row.labels.split(" or ")
        assert PATTERNS.index(former) < PATTERNS.index(latter)
        agreed = Counter(one.pattern for one in ROWS if {one.first, one.second} == {former, latter})
        third = agreed.total() - agreed[former] - agreed[latter]
        assert (row.maps, row.former, row.latter, row.third) == (agreed.total(), agreed[former], agreed[latter], third)
    assert table["maps"].sum() == sum(row.first != row.second for row in ROWS)
    assert table["third"].sum() > 0


def test_the_sample_spreads_over_the_kinds_of_difference():
    n = 12
    kinds = Counter((row.first, row.second) for row in ROWS if row.first != row.second)
    sample = map_labels.sample_of_differing(LABELS, n)
    found = Counter(zip(sample["first"], sample["second"], strict=True))
    assert len(sample) == sample["id"].nunique() == n
    assert found.keys() <= kinds.keys()
    for kind, count in found.items():
        assert abs(count - n * kinds[kind] / kinds.total()) < 2
    order = [kinds[kind] for kind in zip(sample["first"], sample["second"], strict=True)]
    assert order == sorted(order, reverse=True)


def test_a_sample_of_more_than_there_are_is_all_of_them():
    sample = map_labels.sample_of_differing(LABELS, len(LABELS))
    pd.testing.assert_frame_equal(sample.sort_index(), LABELS[LABELS["first"] != LABELS["second"]])
