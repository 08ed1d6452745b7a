"""Tables laid out by head, and means, intervals and correlations over them, against one head at a time."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from darksecrets import heads, statistics
from darksecrets.statistics import interval_of_mean


def long_table(n_units=4, n_layers=2, n_heads=3, seed=0):
    keys = itertools.product([f"unit {number}" for number in range(n_units)], range(n_layers), range(n_heads))
    table = pd.DataFrame(keys, columns=["unit", "layer", "head"])
    return table.assign(weight=np.random.default_rng(seed).random(len(table)))


class TestHeadMatrix:
    @pytest.mark.parametrize("kind", [object, "category"])
    def test_every_weight_has_its_place_in_any_order(self, kind):
        table = long_table().sample(frac=1, random_state=0).astype({"unit": kind})
        found = heads.pivot_heads(table, ["unit"], ["weight"])
        assert found.units["unit"].tolist() == list(dict.fromkeys(table["unit"]))
        assert found.heads.to_numpy().tolist() == [[layer, head] for layer in range(2) for head in range(3)]
        for row in table.itertuples():
            place = found.units["unit"].tolist().index(row.unit)
            assert found.values["weight"][place, 3 * row.layer + row.head] == row.weight

    def test_units_are_kept_with_their_weights(self):
        found = heads.pivot_heads(long_table(), ["unit"], ["weight"])
        found.values["weight"][1, 2] = np.nan
        kept = found.dropna("weight")
        assert kept.units["unit"].tolist() == ["unit 0", "unit 2", "unit 3"]
        assert kept.values["weight"].tolist() == found.values["weight"][[0, 2, 3]].tolist()

    @pytest.mark.parametrize("rows", [slice(1, None), [0, *range(24)], [0, 0, *range(2, 24)]])
    def test_missing_and_repeated_heads_are_refused(self, rows):
        with pytest.raises(ValueError, match="one row for every layer and head"):
            heads.pivot_heads(long_table().iloc[rows], ["unit"], ["weight"])

    def test_an_empty_table_has_no_units(self):
        assert heads.pivot_heads(long_table().iloc[:0], ["unit"], ["weight"]).values["weight"].shape == (0, 0)


class TestClusteredInterval:
    def test_units_on_their_own_give_the_plain_interval(self):
        values = np.random.default_rng(0).random((9, 4))
        found = statistics.clustered_interval(values, np.arange(9))
        assert np.array(found) == pytest.approx(np.array(interval_of_mean(values)))

    def test_strata_have_equal_weight(self):
        values, strata = np.random.default_rng(1).random((10, 3)), np.array([2] * 7 + [5] * 3)
        mean, low, high = statistics.clustered_interval(values, np.arange(10), strata)
        assert mean == pytest.approx((values[:7].mean(0) + values[7:].mean(0)) / 2)
        variances = values[:7].var(0) * 7 / 49 + values[7:].var(0) * 3 / 9
        half = stats.t.ppf(0.975, 8) * np.sqrt(10 / 8 * variances / 4)
        assert high - mean == pytest.approx(half)
        assert mean - low == pytest.approx(half)

    def test_repeating_a_cluster_s_units_narrows_nothing(self):
        values = np.random.default_rng(2).random((6, 2))
        one = statistics.clustered_interval(values, np.arange(6))
        thrice = statistics.clustered_interval(np.repeat(values, 3, axis=0), np.repeat(np.arange(6), 3))
        assert np.array(thrice) == pytest.approx(np.array(one))

    def test_covers_the_true_mean_as_often_as_promised(self):
        # 1000 tests of 20 clusters with 1 to 4 units that share most of their noise, in two strata.
        random = np.random.default_rng(3)
        clusters = np.repeat(np.arange(20), np.arange(20) % 4 + 1)
        values = random.normal(0, 1, (20, 1000))[clusters] + random.normal(0, 0.3, (len(clusters), 1000))
        _, low, high = statistics.clustered_interval(values, clusters, clusters % 2)
        assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.95, abs=0.04)

    def test_one_cluster_has_no_interval(self):
        mean, low, high = statistics.clustered_interval(np.array([[1.0], [2.0]]), np.array([0, 0]))
        assert mean.tolist() == [1.5]
        assert np.isnan([low, high]).all()

    @given(st.lists(st.integers(0, 4), min_size=1, max_size=20))
    @settings(max_examples=30, deadline=None)
    def test_contributions_sum_to_the_mean(self, clusters):
        clusters = np.array(clusters)
        values = np.random.default_rng(len(clusters)).random((len(clusters), 2))
        parts = statistics.cluster_sums(values, clusters, n_clusters=6)
        assert parts.shape == (6, 2)
        assert parts.sum(0) == pytest.approx(values.mean(0))
        assert (parts[np.setdiff1d(np.arange(6), clusters)] == 0).all()


class TestRankCorrelation:
    def test_is_spearman_s_and_its_interval_holds_it(self):
        random = np.random.default_rng(0)
        one = random.random(72).round(1)  # with ties
        other = one + random.random(72)
        mean, low, high = statistics.rank_correlation(one, other)
        assert mean == pytest.approx(stats.spearmanr(one, other).statistic)
        assert low < mean < high
        assert 0.05 < high - low < 0.5

    def test_constant_values_have_none(self):
        assert np.isnan(statistics.rank_correlation(np.ones(10), np.arange(10))).all()


class TestStandingOut:
    @pytest.mark.parametrize(("n_heads", "n_beyond"), [(144, 2), (72, 1), (12, 1)])
    def test_arithmetic_says_how_many(self, n_heads, n_beyond):
        table = pd.DataFrame({"head": range(n_heads), "mean": np.random.default_rng(0).random(n_heads)})
        found = heads.standing_out(table)
        assert found["mean"].tolist() == sorted(table["mean"], reverse=True)[:n_beyond]

    def test_each_group_has_its_own(self):
        table = pd.DataFrame({"task": ["SST-2", "RTE"] * 72, "mean": np.random.default_rng(1).random(144)})
        found = heads.standing_out(table, ["task"])
        assert found["task"].tolist() == ["SST-2", "RTE"]
        assert found["mean"].tolist() == [table.loc[table["task"] == task, "mean"].max() for task in ("SST-2", "RTE")]
