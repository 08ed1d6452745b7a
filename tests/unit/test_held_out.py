"""Held-out gains: equal to a slow loop, no gain where there is none, and an interval that covers what it promises."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets.corpora.scores import evaluate
from darksecrets.corpora.tasks import TASKS
from darksecrets.sections.disabling import chosen_heads, same_heads, score_changes, split_halves
from darksecrets.statistics import contributions_to_change, rank_correlation
from tests.disabling_tables import swept

HELPS = (1, 2)


def change(one, rows, head):
    answers = one.heads.reshape(len(one.label), -1)[rows, head]
    metric = TASKS[one.task].headline
    before, after = (evaluate([metric], one.label[rows], given)[metric] for given in (one.baseline[rows], answers))
    return after - before


class TestHalves:
    @pytest.mark.parametrize("n_examples", [2, 10, 11])
    def test_they_share_no_example_and_leave_none_out(self, n_examples):
        halves = split_halves(n_examples, 50)
        assert halves.shape == (100, n_examples)
        assert (halves[:50] + halves[50:] == 1).all()
        assert set(halves[:50].sum(1)) == {n_examples // 2}

    def test_every_example_is_in_a_half_as_often_as_in_the_other(self):
        # 2000 splits: a share of 0.5 has a standard error of 0.011.
        assert split_halves(10, 2000)[:2000].mean(0) == pytest.approx(0.5, abs=0.045)

    def test_one_example_has_none(self):
        with pytest.raises(ValueError, match="1 examples have no halves"):
            split_halves(1, 5)


class TestChosen:
    @pytest.mark.parametrize("task", ["RTE", "STS-B"])
    def test_equals_one_half_at_a_time(self, task):
        one = swept(task, 60, helps={HELPS: 0.05}, noise=0.2)
        row = chosen_heads([one], n_splits=20).iloc[0]
        same, other, counts = [], [], np.zeros(12)
        contributions = contributions_to_change(
            TASKS[task].headline, one.label, one.baseline, one.heads.reshape(60, 12)
        )
        held_out = []  # what an example contributes to the gain of a head chosen without it, with its weight
        for half in split_halves(60, 20).astype(bool):
            gains = np.array([change(one, half, head) for head in range(12)])
            best = np.flatnonzero(gains > gains.max() - 1e-9)
            same.append(gains.max())
            other.append(np.mean([change(one, ~half, head) for head in best]))
            counts[best] += 1 / len(best)
            held_out += [(value, 1 / len(best)) for value in contributions[~half][:, best].ravel()]
        assert (row["same_half"], row["mean"]) == pytest.approx((np.mean(same), np.mean(other)))
        assert row["share"] == pytest.approx(counts.max() / 40)
        assert row["n_splits"] == 20
        values, weights = np.transpose(held_out)
        variance = np.cov(values, aweights=weights, ddof=0)
        width = 2 * stats.t.ppf(0.975, 59) * math.sqrt(variance / 59)
        assert (row["high"] - row["low"], row["high"] + row["low"]) == pytest.approx((width, 2 * row["mean"]))

    def test_the_best_head_is_that_of_the_sweep(self):
        one = swept("STS-B", helps={HELPS: 0.1}, seed=4)
        row = chosen_heads([one]).iloc[0]
        of_head = score_changes([one], "heads").set_index(["layer", "head"]).loc[HELPS]
        assert (row["task"], row["seed"], row["instead"]) == ("STS-B", 4, "uniform")
        assert (row["layer"], row["head"]) == HELPS
        assert (row["best"], row["best_low"], row["best_high"]) == tuple(of_head[["mean", "low", "high"]])

    @pytest.mark.parametrize("task", ["RTE", "STS-B"])
    def test_a_head_that_helps_does_so_on_other_examples(self, task):
        row = chosen_heads([swept(task, helps={HELPS: 0.15})]).iloc[0]
        assert row["low"] > 0
        assert row["mean"] == pytest.approx(0.15, abs=0.06)
        assert row["share"] > 0.9

    def test_its_interval_is_that_of_its_change_where_one_head_is_always_chosen(self):
        one = swept("RTE", helps={HELPS: 0.2})
        row = chosen_heads([one]).iloc[0]
        gained = (one.heads[:, *HELPS] == one.label).astype(float) - (one.baseline == one.label)
        expected = stats.t.interval(0.95, len(gained) - 1, gained.mean(), stats.sem(gained))
        assert row["share"] == 1
        assert (row["low"], row["high"]) == pytest.approx(expected)

    def test_heads_that_gain_the_same_share_the_choice(self):
        one = swept("RTE", 50)
        unchanged = replace(one, heads=np.broadcast_to(one.baseline[:, None, None], one.heads.shape))
        row = chosen_heads([unchanged]).iloc[0]
        assert row["share"] == pytest.approx(1 / 12)
        assert row[["best", "same_half", "mean", "low", "high"]].tolist() == [0] * 5

    @pytest.mark.parametrize("task", ["RTE", "STS-B"])
    def test_chance_gains_on_the_examples_that_chose_it_only(self, task):
        # No head matters. The interval of the gain on other examples is to cover 0 in 95 % of 200 sweeps or more, and
        # to lie above it in 2.5 % or fewer: the bounds are those which a right interval breaks once in 1000 times.
        rows = chosen_heads([swept(task, 100, noise=0.2, seed=seed) for seed in range(200)], n_splits=50)
        error = rows["mean"].std() / math.sqrt(len(rows))
        assert abs(rows["mean"].mean()) < 4 * error
        assert rows["same_half"].mean() > rows["best"].mean() > 10 * error
        assert ((rows["low"] <= 0) & (rows["high"] >= 0)).sum() >= stats.binom.ppf(0.001, 200, 0.95)
        assert (rows["low"] > 0).sum() <= stats.binom.ppf(0.999, 200, 0.025)


class TestSameHeads:
    sweeps = [swept(helps={HELPS: 0.2}, instead=way, seed=seed) for way in ("uniform", "zero") for seed in (5, 6, 8)]
    heads = score_changes(sweeps, "heads")

    def test_every_two_seeds_are_compared(self):
        found = same_heads(self.heads)
        pairs = [(5, 6), (5, 8), (6, 8)]
        assert list(zip(found["seed"], found["other"], strict=True)) == pairs * 2
        assert found["instead"].tolist() == ["uniform"] * 3 + ["zero"] * 3
        assert found["same_best"].all()
        for row in found.itertuples():
            of_way = self.heads[self.heads["instead"] == row.instead]
            one, other = (of_way.loc[of_way["seed"] == seed, "mean"] for seed in (row.seed, row.other))
            assert row.mean == pytest.approx(stats.spearmanr(one, other).statistic)
            assert (row.mean, row.low, row.high) == rank_correlation(one, other)

    def test_best_heads_of_two_seeds_may_differ(self):
        sweeps = [swept(helps={head: 0.2}, seed=seed) for seed, head in enumerate((HELPS, (0, 0)))]
        assert same_heads(score_changes(sweeps, "heads"))["same_best"].tolist() == [False]

    def test_of_heads_that_gain_the_same_one_is_enough(self):
        heads = pd.DataFrame({"head": [0, 1, 2] * 2, "seed": [0] * 3 + [1] * 3, "mean": [1, 1, 0, 0, 1, 0]})
        found = same_heads(heads.assign(task="RTE", instead="zero", layer=0))
        assert found["same_best"].tolist() == [True]

    def test_one_seed_has_none_to_be_compared_with(self):
        found = same_heads(self.heads[self.heads["seed"] == 5])
        full = same_heads(self.heads)
        assert not len(found)
        assert found.dtypes.to_dict() == full.dtypes.to_dict()
