"""The joins of Section 5 against numbers that can be worked out by hand, and how they are laid out."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.overview import discussion
from darksecrets.overview.claims import counts, ledger_chart
from darksecrets.overview.discussion import RunTables
from darksecrets.sections.disabling import DisablingTables
from darksecrets.sections.repeated_words import RepeatedTables
from darksecrets.side_by_side import side_by_side
from darksecrets.verdicts import VERDICTS, by_seed
from tests.unit.test_charts import PHONE, svg_of

HOLDS, FAILS, OPEN = VERDICTS
WIDTH = 2 * stats.norm.ppf(0.975)


def _heads(rows):
    """A table of disabled heads: task, seed, layer, head, change, standard error, p."""
    table = pd.DataFrame(rows, columns=["task", "seed", "layer", "head", "mean", "error", "p"])
    half = table["error"] * WIDTH / 2
    return table.drop(columns="error").assign(instead="uniform", low=table["mean"] - half, high=table["mean"] + half)


def _run(rows, others=()):
    heads = pd.concat([_heads(rows), *(_heads(rows).assign(instead=way, mean=9.0) for way in others)])
    return DisablingTables(*[pd.DataFrame()], heads, *[pd.DataFrame()] * 5)


def test_a_head_matters_where_its_loss_is_significant_after_correction():
    rows = [
        ("RTE", 0, 0, 1, -0.05, 0.005, 0.001),  # a loss
        ("STS-B", 0, 0, 1, -0.05, 0.03, 0.03),  # no longer one, after correction; cannot be excluded
        ("MRPC", 0, 0, 1, 0.0, 0.004, 0.9),  # excludes a loss of a point
        ("QQP", 0, 0, 1, -0.002, 0.0005, 0.0001),  # so does this one, which is certain and small
        ("MRPC", 0, 2, 2, -0.9, 0.001, 0.0),  # another head
    ]
    chosen = pd.DataFrame({"layer": [0], "head": [1]})
    table = discussion.matters(_run(rows, others=("zero",)), chosen).set_index("task")
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
    table = pd.DataFrame(rows, columns=["seed", "matters"])
    assert by_seed(table, discussion.nothing_matters) == expected


def test_costs_are_averaged_over_seeds_and_errors_read_off_intervals():
    run = _run([("RTE", 0, 0, 0, -0.02, 0.01, 1), ("RTE", 1, 0, 0, -0.04, 0.03, 1)])
    row = discussion.costs(run).iloc[0]
    assert row["cost"] == pytest.approx(0.03)
    assert row["error"] == pytest.approx(0.02)


def _two_tasks(order, error=0.001):
    """Heads that cost 1 to 4 points on STS-B, and on RTE in another order."""
    rows = [("STS-B", 0, 0, head, -0.01 * (head + 1), error, 1) for head in range(4)]
    return _run(rows + [("RTE", 0, 0, head, -0.01 * (place + 1), error, 1) for place, head in enumerate(order)])


def test_the_heads_relied_on_are_the_costliest():
    found = discussion.relied_on(_two_tasks([3, 2, 1, 0]))
    assert found[["task", "head"]].to_numpy().tolist() == [["RTE", 0], ["RTE", 1], ["STS-B", 3], ["STS-B", 2]]


def test_how_often_tasks_choose_the_same_heads_depends_on_the_errors():
    assert discussion.share_same(_two_tasks([0, 1, 2, 3])) == 1
    assert discussion.share_same(_two_tasks([0, 1, 3, 2])) == 1  # the same two, the other way round
    assert discussion.share_same(_two_tasks([3, 2, 1, 0])) == 0
    by_chance = discussion.share_same(_two_tasks([0, 1, 2, 3], error=10))
    assert by_chance == pytest.approx(1 / 6, abs=0.03)  # two of four
    assert np.isnan(discussion.share_same(_run([("RTE", 0, 0, 0, 0.0, 0.1, 1)])))


def test_the_ranking_of_all_heads_is_correlated():
    assert discussion.same_ranking(_two_tasks([0, 1, 2, 3]))[0] == pytest.approx(1)
    assert discussion.same_ranking(_two_tasks([3, 2, 1, 0]))[0] == pytest.approx(-1)


def _repeated(values, checkpoint=AFTER, seed=0, task="RTE"):
    rows = [
        (task, checkpoint, seed, 0, head, value, 0.1, value - 0.1, value - 0.2, value, 9)
        for head, value in enumerate(values)
    ]
    columns = ["task", "checkpoint", "seed", "layer", "head", "repeated", "others", "mean", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def test_attention_to_repeats_is_joined_with_costs_after_fine_tuning():
    repeated = RepeatedTables(pd.concat([_repeated([0.9, 0.9, 0.9, 0.9], BEFORE), _repeated([0.2, 0.3, 0.4, 0.5])]))
    table = discussion.to_repeats(_two_tasks([0, 1, 2, 3]), repeated)
    assert table["repeated"].tolist() == pytest.approx([0.2, 0.3, 0.4, 0.5])
    assert table["cost"].tolist() == pytest.approx([0.01, 0.02, 0.03, 0.04])
    correlation = discussion.repeats_and_costs(table)
    assert correlation["task"].tolist() == ["RTE"]
    assert correlation["mean"].iloc[0] == pytest.approx(1)


def _patterns(mains, seed=0, task="RTE"):
    rows = [(task, seed, AFTER, 0, head, main) for head, main in enumerate(mains)]
    return pd.DataFrame(rows, columns=["task", "seed", "checkpoint", "layer", "head", "main"])


def test_costs_by_pattern_and_their_difference_are_those_of_scipy():
    costs = [0.05, 0.07, 0.01, 0.02, 0.03]
    run = _run([("RTE", 0, 0, head, -cost, 0.01, 1) for head, cost in enumerate(costs)])
    patterns = _patterns(["Heterogeneous"] * 2 + ["Vertical"] * 3)
    table = discussion.by_pattern(run, patterns).set_index("pattern")
    assert table["mean"].to_dict() == pytest.approx({"Vertical": 0.02, "Heterogeneous": 0.06})
    assert table["n_heads"].to_dict() == {"Vertical": 3, "Heterogeneous": 2}
    row = discussion.heterogeneous_against_vertical(run, patterns).iloc[0]
    expected = stats.ttest_ind(costs[:2], costs[2:], equal_var=False).confidence_interval()
    assert row["mean"] == pytest.approx(0.04)
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected))


def test_a_task_with_one_head_of_a_kind_is_not_compared():
    run = _run([("RTE", 0, 0, head, 0.0, 0.01, 1) for head in range(3)])
    assert discussion.heterogeneous_against_vertical(run, _patterns(["Heterogeneous", "Vertical", "Vertical"])).empty


def _tables(**given):
    return RunTables(**(dict.fromkeys(["patterns", "relations", "tuning", "features", "links"]) | given))


def test_tables_show_the_runs_that_there_are():
    run = _tables(disabling=_two_tasks([0, 1, 2, 3]), repeated=RepeatedTables(_repeated([0.2, 0.3, 0.4, 0.5])))
    nothing = _tables(disabling=None, repeated=None)
    table = side_by_side(discussion.relied_on_table(run), discussion.relied_on_table(nothing))
    assert table["run"].unique().tolist() == ["this run"]
    costs = table[["task", "head", "cost in points"]].to_numpy().tolist()
    assert costs[:2] == [["RTE", "1-4", "+4.00"], ["RTE", "1-3", "+3.00"]]
    assert table["to the same word"].fillna("").tolist() == ["0.500", "0.400", "", ""]  # measured on RTE alone
    assert side_by_side(discussion.relied_on_table(nothing), discussion.relied_on_table(run))[
        "run"
    ].unique().tolist() == ["reference run"]
    assert side_by_side(discussion.relied_on_table(nothing), discussion.relied_on_table(nothing)).empty
    assert discussion.same_finding(run).startswith("the same two in 100% of draws")
    for finding in (discussion.same_finding, discussion.repeats_finding, discussion.frame_finding):
        assert finding(nothing) == discussion.NO_RUN


def test_charts_draw_what_the_tables_hold():
    ledger = pd.DataFrame(
        {"section": ["4.1", "5"], "reference run": [HOLDS, None], "this run": [FAILS, OPEN]}, dtype=object
    )
    chart = ledger_chart(counts(ledger), "Of 1 claim 1 holds")
    drawn = svg_of(chart)
    for words in ("Of 1 claim", "reference run", "not asked", "cannot tell"):
        assert words in drawn
    costs = pd.DataFrame(
        [
            ("this run", "RTE", seed, pattern, 0.01 * seed, None, None, 3)
            for seed in (1, 2)
            for pattern in ("Vertical", "Block")
        ],
        columns=["run", "task", "seed", "pattern", "mean", "low", "high", "n_heads"],
    )
    chart = discussion.pattern_chart(costs, "Title")
    (data,) = chart.to_dict()["datasets"].values()
    assert {row["pattern"]: row["mean"] for row in data} == {"Vertical": 1.5, "Block": 1.5}
    width = float(svg_of(chart).split('width="')[1].split('"')[0])
    assert width <= PHONE
