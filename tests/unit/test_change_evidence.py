"""Figure 5 in tables: means and intervals by layer and head, and the last two layers against the rest."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darksecrets import verdicts
from darksecrets.errors import InputError
from darksecrets.sections import fine_tuning
from darksecrets.statistics import interval_of_mean


def similarities(by_layer, tasks=("RTE",), seeds=(0,), reading="paper", n_examples=5, n_heads=2, noise=0.01):
    """Similarities whose mean by layer is `by_layer`, with a little noise by seed, example and head."""
    keys = list(itertools.product(tasks, seeds, range(n_examples), range(len(by_layer)), range(n_heads)))
    table = pd.DataFrame(keys, columns=["task", "seed", "example", "layer", "head"])
    random = np.random.default_rng(0).uniform(-noise, noise, len(table))
    return table.assign(similarity=table["layer"].map(lambda layer: by_layer[layer]) + random, reading=reading)


class TestChangeBy:
    def test_heads_are_averaged_within_an_example_before_the_interval(self):
        table = similarities([0.9, 0.7], noise=0.05)
        for row in fine_tuning.change_by(table, ["layer"]).itertuples():
            rows = table[table["layer"] == row.layer]
            means = [rows[rows["example"] == example]["similarity"].mean() for example in range(5)]
            assert (row.mean, row.low, row.high) == pytest.approx([float(x) for x in interval_of_mean(means)])
            assert row.high - row.low != pytest.approx(
                np.diff(interval_of_mean(rows["similarity"])[1:]).item(), rel=0.01
            )

    def test_one_seed_gives_the_interval_over_examples_of_every_head(self):
        table = similarities([0.9, 0.7, 0.5], tasks=("RTE", "MRPC"))
        found = fine_tuning.change_by(table, ["layer", "head"])
        assert found.columns.tolist() == ["task", "reading", "layer", "head", "mean", "low", "high", "n_seeds"]
        assert len(found) == 2 * 3 * 2
        for row in found.itertuples():
            rows = table[(table["task"] == row.task) & (table["layer"] == row.layer) & (table["head"] == row.head)]
            expected = [float(x) for x in interval_of_mean(rows["similarity"])]
            assert (row.mean, row.low, row.high) == pytest.approx(expected)

    def test_several_seeds_give_the_interval_over_seeds(self):
        table = similarities([0.9, 0.7], seeds=(0, 1, 2), noise=0.1)
        for row in fine_tuning.change_by(table, ["layer"]).itertuples():
            rows = table[table["layer"] == row.layer]
            means = [rows[rows["seed"] == seed]["similarity"].mean() for seed in (0, 1, 2)]
            assert (row.mean, row.low, row.high) == pytest.approx([float(x) for x in interval_of_mean(means)])
            assert row.n_seeds == 3

    def test_readings_stay_apart_and_may_have_other_examples(self):
        table = pd.concat([similarities([0.9, 0.7]), similarities([0.8, 0.1], reading="released", n_examples=3)])
        found = fine_tuning.change_by(table, ["layer"]).set_index(["reading", "layer"])["mean"]
        assert found.round(1).tolist() == [0.9, 0.7, 0.8, 0.1]

    @given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
    @settings(max_examples=25, deadline=None)
    def test_the_mean_by_layer_is_the_mean_of_its_heads(self, values):
        table = similarities([0, 0], n_examples=2).assign(similarity=values)
        by_layer = fine_tuning.change_by(table, ["layer"]).set_index("layer")["mean"]
        by_head = fine_tuning.change_by(table, ["layer", "head"]).groupby("layer")["mean"].mean()
        assert by_layer.tolist() == pytest.approx(by_head.tolist())


class TestLastTwo:
    @pytest.mark.parametrize(
        ("by_layer", "difference", "pair", "most_changed", "said"),
        [
            ([0.9, 0.9, 0.8, 0.6, 0.5], 0.2, "4 and 3", "4 and 5", "holds"),
            ([0.5, 0.9, 0.6, 0.9, 0.8], -0.4, "4 and 1", "1 and 3", "does not hold"),
            ([0.99, 0.96, 0.95, 0.74, 0.83, 0.58], -0.09, "5 and 4", "4 and 6", "does not hold"),
            ([0.8, 0.8, 0.8, 0.8, 0.8], 0.0, None, None, "cannot tell"),
        ],
    )
    def test_the_comparison_least_in_favour_decides(self, by_layer, difference, pair, most_changed, said):
        table = fine_tuning.last_two_against_rest(similarities(by_layer, n_examples=20, n_heads=4))
        (row,) = table.itertuples()
        assert row.mean == pytest.approx(difference, abs=0.01)
        assert verdicts.verdict(row.low, row.high) == said
        assert pair is None or (row.pair, row.most_changed) == (pair, most_changed)

    def test_equal_layers_are_rarely_said_to_differ(self):
        said = []
        for seed in range(100):
            table = similarities([0.8] * 6, n_examples=30)
            noise = np.random.default_rng(seed).normal(0, 0.05, len(table))
            (row,) = fine_tuning.last_two_against_rest(table.assign(similarity=0.8 + noise)).itertuples()
            said.append(verdicts.verdict(row.low, row.high))
        assert said.count("cannot tell") >= 90

    @pytest.mark.parametrize(("seeds", "unit"), [((0,), "example"), ((0, 1, 2), "seed")])
    def test_the_interval_is_corrected_and_over_examples_or_seeds(self, seeds, unit):
        table = similarities([0.9, 0.8, 0.7, 0.6], seeds=seeds, noise=0.1)
        late, early = (table[table["layer"] == layer].groupby(unit)["similarity"].mean() for layer in (2, 1))
        expected = [float(x) for x in interval_of_mean(early - late, level=1 - 0.05 / 4)]
        (row,) = fine_tuning.last_two_against_rest(table).itertuples()
        assert (row.mean, row.low, row.high) == pytest.approx(expected)
        assert row.pair == "3 and 2"

    def test_a_model_with_two_layers_is_refused(self):
        with pytest.raises(InputError, match="2 layers"):
            fine_tuning.last_two_against_rest(similarities([0.9, 0.8]))

    def test_tasks_and_readings_have_their_own_rows(self):
        table = pd.concat(
            [
                similarities([0.9, 0.9, 0.6, 0.5], tasks=("RTE",)),
                similarities([0.5, 0.6, 0.9, 0.9], tasks=("QQP",)),
                similarities([0.9, 0.6, 0.5, 0.9], tasks=("RTE",), reading="released"),
            ]
        )
        found = fine_tuning.last_two_against_rest(table).set_index(["task", "reading"])
        assert found["most_changed"].to_dict() == {
            ("RTE", "paper"): "3 and 4",
            ("QQP", "paper"): "1 and 2",
            ("RTE", "released"): "2 and 3",
        }
        paper = found.reset_index().query("reading == 'paper'")
        assert fine_tuning.finding(paper) == "The last two layers change most on 1 of 2 tasks"


class TestLastTwoTable:
    columns = ("task", "paper", "reference run", "this run", "reference run, closest pair", "this run, closest pair")
    mine = pd.DataFrame(
        [("QQP", "5 and 3", "1 and 2", -0.2, -0.3, -0.1), ("RTE", "5 and 4", "5 and 6", 0.1234, 0.1, 0.15)],
        columns=["task", "pair", "most_changed", "mean", "low", "high"],
    )

    def test_both_runs_stand_beside_what_the_paper_says(self):
        reference = self.mine.assign(mean=[0.5, 0.0], low=[0.4, -0.1], high=[0.6, 0.1], pair="6 and 4").iloc[::-1]
        table = fine_tuning.last_two_table(self.mine, reference)
        assert table.columns.tolist() == list(self.columns)
        assert table.to_numpy().tolist() == [
            [
                "QQP",
                "not the last two",
                "1 and 2 (holds)",
                "1 and 2 (does not hold)",
                "6 and 4: +0.500 [+0.400, +0.600]",
                "5 and 3: -0.200 [-0.300, -0.100]",
            ],
            [
                "RTE",
                "the last two",
                "5 and 6 (cannot tell)",
                "5 and 6 (holds)",
                "6 and 4: 0.000 [-0.100, +0.100]",
                "5 and 4: +0.123 [+0.100, +0.150]",
            ],
        ]

    def test_a_task_or_run_that_is_not_there_stays_empty(self):
        half = fine_tuning.last_two_table(self.mine, self.mine.iloc[1:])
        assert half["reference run"].tolist() == [None, "5 and 6 (holds)"]
        alone = fine_tuning.last_two_table(self.mine)
        assert alone.columns.tolist() == list(self.columns)
        assert alone["reference run"].tolist() == alone["reference run, closest pair"].tolist() == [None, None]
        assert alone["this run"].tolist() == half["this run"].tolist()


@pytest.mark.parametrize(
    ("by_layer", "said"),
    [
        ([0.9, 0.8, 0.4, 0.2], "0.85 on average in the first half of the layers, and 0.30 in the second"),
        ([0.9, 0.6, 0.3], "0.75 on average in the first half of the layers, and 0.30 in the second"),
    ],
)
def test_halves_are_of_real_tokens(by_layer, said):
    table = pd.concat([similarities(by_layer, noise=0), similarities([0.0] * len(by_layer), reading="released")])
    assert fine_tuning.halves(fine_tuning.change_by(table, ["layer"])) == said


def test_the_largest_difference_is_named_from_one():
    paper = similarities([0.9, 0.8, 0.7], tasks=("RTE", "MRPC"), noise=0)
    released = paper.assign(reading="released", similarity=paper["similarity"] - 0.05)
    here = (released["task"] == "MRPC") & (released["layer"] == 1)
    released.loc[here, "similarity"] = 0.95
    by_layer = fine_tuning.change_by(pd.concat([paper, released]), ["layer"])
    expected = "layer 2 on MRPC: 0.800 for the real tokens and 0.950 with padding"
    assert fine_tuning.largest_difference(by_layer) == expected
