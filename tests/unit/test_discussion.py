"""The joins of Section 5 against numbers that can be worked out by hand, and what a reader sees of them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.overview import discussion
from darksecrets.overview.discussion import RunTables
from darksecrets.saved_tables import side_by_side
from darksecrets.sections.disabling import DisablingTables
from darksecrets.sections.repeated_words import RepeatedTables
from darksecrets.verdicts import VERDICTS, by_seed
from tests.unit.test_charts import PHONE, svg_of

HOLDS, FAILS, OPEN = VERDICTS


def disabled(rows, **others):
    """What a run measured of disabled heads, of rows (task, seed, layer, head, change, standard error, p)."""
    table = pd.DataFrame(rows, columns=["task", "seed", "layer", "head", "mean", "error", "p"])
    half = table.pop("error") * stats.norm.ppf(0.975)
    heads = table.assign(instead="uniform", low=table["mean"] - half, high=table["mean"] + half)
    heads = pd.concat([heads, *(heads.assign(instead=way, mean=mean) for way, mean in others.items())])
    return DisablingTables(pd.DataFrame(), heads, *[pd.DataFrame()] * 5)


def two_tasks(order, error=0.001):
    """Heads that cost 1 to 4 points on STS-B, and on RTE in another order."""
    rows = [("STS-B", 0, 0, head, -0.01 * (head + 1), error, 1) for head in range(4)]
    return disabled(rows + [("RTE", 0, 0, head, -0.01 * (rank + 1), error, 1) for rank, head in enumerate(order)])


def repeated(values, checkpoint=AFTER):
    rows = [("RTE", checkpoint, 0, 0, head, x, 0.1, x - 0.1, x - 0.2, x, 9) for head, x in enumerate(values)]
    columns = ["task", "checkpoint", "seed", "layer", "head", "repeated", "others", "mean", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def main_patterns(*mains):
    rows = [("RTE", 0, AFTER, 0, head, main) for head, main in enumerate(mains)]
    return pd.DataFrame(rows, columns=["task", "seed", "checkpoint", "layer", "head", "main"])


def run_of(**tables):
    return RunTables(**(dict.fromkeys(RunTables.__dataclass_fields__) | tables))


def test_a_head_matters_where_its_loss_is_significant_after_correction():
    rows = [
        ("RTE", 0, 0, 1, -0.05, 0.005, 0.001),  # a loss
        ("STS-B", 0, 0, 1, -0.05, 0.03, 0.03),  # no longer one, after correction; cannot be excluded
        ("MRPC", 0, 0, 1, 0.0, 0.004, 0.9),  # excludes a loss of a point
        ("QQP", 0, 0, 1, -0.002, 0.0005, 0.0001),  # so does this one, which is certain and small
        ("MRPC", 0, 2, 2, -0.9, 0.001, 0.0),  # another head
    ]
    table = discussion.matters(disabled(rows, zero=9.0), pd.DataFrame({"layer": [0], "head": [1]})).set_index("task")
    assert table["matters"].to_dict() == {"RTE": HOLDS, "STS-B": OPEN, "MRPC": FAILS, "QQP": FAILS}
    assert table["p_corrected"].to_dict() == pytest.approx({"RTE": 0.003, "STS-B": 0.06, "MRPC": 0.9, "QQP": 0.0004})


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ([[FAILS, FAILS], [FAILS, FAILS]], HOLDS),
        ([[FAILS, HOLDS], [HOLDS, FAILS]], FAILS),
        ([[FAILS, HOLDS], [FAILS, FAILS]], OPEN),
        ([[FAILS, OPEN]], OPEN),
    ],
)
def test_that_nothing_matters_takes_that_nothing_does_with_any_seed(seeds, expected):
    rows = [(seed, verdict) for seed, verdicts in enumerate(seeds) for verdict in verdicts]
    assert by_seed(pd.DataFrame(rows, columns=["seed", "matters"]), discussion.nothing_matters) == expected


def test_costs_are_averaged_over_seeds_and_errors_read_off_intervals():
    (row,) = discussion.costs(
        disabled([("RTE", 0, 0, 0, -0.02, 0.01, 1), ("RTE", 1, 0, 0, -0.04, 0.03, 1)])
    ).itertuples()
    assert (row.cost, row.error) == pytest.approx((0.03, 0.02))


def test_the_heads_relied_on_are_the_costliest():
    table = discussion.relied_on(two_tasks([3, 2, 1, 0]))
    assert table[["task", "head"]].to_numpy().tolist() == [["RTE", 0], ["RTE", 1], ["STS-B", 3], ["STS-B", 2]]


@pytest.mark.parametrize(
    ("order", "error", "share", "rank_correlation"),
    [
        ([0, 1, 2, 3], 0.001, 1, 1),
        ([0, 1, 3, 2], 0.001, 1, 0.8),  # the same two, the other way round
        ([3, 2, 1, 0], 0.001, 0, -1),
        ([0, 1, 2, 3], 10, 1 / 6, 1),  # two of four by chance
    ],
)
def test_tasks_choose_the_same_heads_as_often_as_orders_and_errors_let_them(order, error, share, rank_correlation):
    run = two_tasks(order, error)
    assert discussion.share_same(run) == pytest.approx(share, abs=0.03 if error > 1 else 0)
    assert discussion.same_ranking(run)[0] == pytest.approx(rank_correlation)


def test_a_run_without_one_of_the_tasks_shares_nothing():
    run = disabled([("RTE", 0, 0, 0, 0.0, 0.1, 1)])
    assert np.isnan([discussion.share_same(run), *discussion.same_ranking(run)]).all()


def test_attention_to_repeats_is_joined_with_costs_after_fine_tuning():
    both = RepeatedTables(pd.concat([repeated([0.9, 0.9, 0.9, 0.9], BEFORE), repeated([0.2, 0.3, 0.4, 0.5])]))
    table = discussion.to_repeats(two_tasks([0, 1, 2, 3]), both)
    assert table["repeated"].tolist() == pytest.approx([0.2, 0.3, 0.4, 0.5])
    assert table["cost"].tolist() == pytest.approx([0.01, 0.02, 0.03, 0.04])
    (row,) = discussion.repeats_and_costs(table).itertuples()
    assert (row.task, row.mean) == ("RTE", pytest.approx(1))


def test_costs_by_pattern_and_their_difference_are_those_of_scipy():
    costs = [0.05, 0.07, 0.01, 0.02, 0.03]
    run = disabled([("RTE", 0, 0, head, -cost, 0.01, 1) for head, cost in enumerate(costs)])
    patterns = main_patterns(*["Heterogeneous"] * 2, *["Vertical"] * 3)
    table = discussion.by_pattern(run, patterns).set_index("pattern")
    assert table["mean"].to_dict() == pytest.approx({"Vertical": 0.02, "Heterogeneous": 0.06})
    assert table["n_heads"].to_dict() == {"Vertical": 3, "Heterogeneous": 2}
    (row,) = discussion.heterogeneous_against_vertical(run, patterns).itertuples()
    interval = stats.ttest_ind(costs[:2], costs[2:], equal_var=False).confidence_interval()
    assert (row.mean, row.low, row.high) == pytest.approx((0.04, *interval))
    few = main_patterns("Heterogeneous", *["Vertical"] * 4)  # one head of a kind has no interval
    assert discussion.heterogeneous_against_vertical(run, few).empty


def test_a_reader_sees_what_each_run_has():
    run = run_of(disabling=two_tasks([0, 1, 2, 3]), repeated=RepeatedTables(repeated([0.2, 0.3, 0.4, 0.5])))
    nothing = run_of()
    table = side_by_side(discussion.relied_on_table(run), discussion.relied_on_table(nothing))
    assert table["run"].unique().tolist() == ["this run"]
    costs = table[["task", "head", "cost in points"]].to_numpy().tolist()
    assert costs[:2] == [["RTE", "1-4", "+4.00"], ["RTE", "1-3", "+3.00"]]
    assert table["to the same word"].fillna("").tolist() == ["0.500", "0.400", "", ""]  # measured on RTE alone
    assert table["difference"].tolist()[0] == "+0.400 [+0.300, +0.500]"
    assert (
        discussion.same_finding(run) == "the same two in 100% of draws; rank correlation over heads 1.00 [1.00, 1.00]"
    )
    assert discussion.repeats_finding(run) == "RTE 1.00 [1.00, 1.00]"
    for finding in (discussion.same_finding, discussion.repeats_finding, discussion.frame_finding):
        assert finding(nothing) == discussion.NO_RUN


def test_the_chart_averages_seeds_and_fits_a_phone():
    rows = [("RTE", seed, name, 0.01 * seed, None, None, 3) for seed in (1, 2) for name in ("Vertical", "Block")]
    costs = pd.DataFrame(rows, columns=["task", "seed", "pattern", "mean", "low", "high", "n_heads"])
    chart = discussion.pattern_chart(side_by_side(costs), "Title")
    (data,) = chart.to_dict()["datasets"].values()
    assert {row["pattern"]: row["mean"] for row in data} == {"Vertical": 1.5, "Block": 1.5}
    assert float(svg_of(chart).split('width="')[1].split('"')[0]) <= PHONE
