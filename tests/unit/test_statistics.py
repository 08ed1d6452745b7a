"""Intervals: equal to slow, plain versions, and covering the truth as often as they promise."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from darksecrets import statistics
from darksecrets.statistics import (
    benjamini_hochberg,
    bootstrap_interval,
    holm,
    interval_of_mean,
    interval_of_present,
    over_present_seeds,
    over_seeds,
    p_of_interval,
)


class TestIntervalOfMean:
    def test_textbook_example(self):
        # Five values, mean 3, variance 2.5; the 97.5 % point of t with four degrees of freedom is 2.776.
        mean, low, high = interval_of_mean([1, 2, 3, 4, 5])
        assert (mean, low, high) == pytest.approx((3, 3 - 2.776445 * math.sqrt(0.5), 3 + 2.776445 * math.sqrt(0.5)))

    @pytest.mark.parametrize("axis", [0, 1, 2, -1])
    def test_equals_one_mean_at_a_time(self, axis):
        values = np.random.default_rng(0).random((4, 5, 6))
        mean, low, high = interval_of_mean(values, axis=axis, level=0.9)
        lines = np.moveaxis(values, axis, -1)
        assert mean.shape == lines.shape[:-1]
        for place in itertools.product(*map(range, mean.shape)):
            line = lines[place]
            expected = stats.t.interval(0.9, len(line) - 1, sum(line) / len(line), stats.sem(line))
            assert (low[place], high[place]) == pytest.approx(expected)

    def test_one_value_has_no_interval(self):
        mean, low, high = interval_of_mean([[1.0, 2.0]])
        assert mean.tolist() == [1.0, 2.0]
        assert np.isnan(low).all()
        assert np.isnan(high).all()

    @pytest.mark.parametrize(("values", "message"), [([], "no values"), ([1.0, math.nan], "1 of 2 values are NaN")])
    def test_nothing_and_nan_are_refused(self, values, message):
        with pytest.raises(ValueError, match=message):
            interval_of_mean(values)

    @pytest.mark.parametrize("level", [0, 1, 95])
    def test_a_level_in_per_cent_is_refused(self, level):
        with pytest.raises(ValueError, match="between 0 and 1"):
            interval_of_mean([1.0, 2.0], level=level)

    @pytest.mark.parametrize("level", [0.5, 0.95])
    def test_covers_the_true_mean_as_often_as_promised(self, level):
        # 4000 samples of five: the observed share has a standard error of at most 0.008.
        samples = np.random.default_rng(1).normal(7.0, 2.0, (5, 4000))
        _, low, high = interval_of_mean(samples, level=level)
        assert np.mean((low <= 7.0) & (high >= 7.0)) == pytest.approx(level, abs=0.02)


class TestIntervalOfPresent:
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_equals_one_mean_at_a_time_over_what_is_there(self, axis):
        random = np.random.default_rng(0)
        values = np.where(random.random((6, 5, 4)) < 0.3, math.nan, random.random((6, 5, 4)))
        found = interval_of_present(values, axis=axis, level=0.9)
        lines = np.moveaxis(values, axis, -1)
        for place in itertools.product(*map(range, found[0].shape)):
            line = [value for value in lines[place] if not math.isnan(value)]
            numbers = [part[place] for part in found]
            assert numbers[3] == len(line)
            if len(line) > 1:
                assert numbers[:3] == pytest.approx([float(part) for part in interval_of_mean(line, level=0.9)])

    def test_one_value_has_no_interval_and_none_has_no_mean(self):
        mean, low, high, n = interval_of_present([[3.0, math.nan], [math.nan, math.nan]])
        assert n.tolist() == [1, 0]
        assert mean[0] == 3.0
        assert np.isnan([mean[1], *low, *high]).all()
        assert math.isnan(interval_of_present([])[0])


class TestPOfInterval:
    def test_equals_the_t_test(self):
        random = np.random.default_rng(0)
        for n in (2, 5, 100):
            values = random.normal(0.2, 1, n)
            mean, low, high = interval_of_mean(values, level=0.8)
            expected = stats.ttest_1samp(values, 0).pvalue
            assert p_of_interval(mean, low, high, n, level=0.8) == pytest.approx(expected)

    def test_differences_that_do_not_vary(self):
        assert p_of_interval(0.0, 0.0, 0.0, 5) == 1
        assert p_of_interval(0.1, 0.1, 0.1, 5) == 0
        assert math.isnan(p_of_interval(0.1, math.nan, math.nan, 1))


class TestHolm:
    def test_textbook_example(self):
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_nan_is_no_test_and_one_is_the_most(self):
        assert holm([0.01, math.nan, 0.7, 0.6]) == pytest.approx([0.03, math.nan, 1, 1], nan_ok=True)
        assert holm([]).tolist() == []

    def test_rejects_as_the_step_down_does(self):
        random = np.random.default_rng(0)
        for _ in range(200):
            p = random.random(6) ** 4
            rejected, order = set(), np.argsort(p)
            for step, place in enumerate(order):
                if p[place] * (6 - step) >= 0.05:
                    break
                rejected.add(place)
            assert set(np.flatnonzero(holm(p) < 0.05)) == rejected


class TestBenjaminiHochberg:
    def test_textbook_example(self):
        # The third smallest of four, 0.03, is multiplied by 4 / 3; the largest stays.
        assert benjamini_hochberg([0.01, 0.2, 0.03, 0.005]) == pytest.approx([0.02, 0.2, 0.04, 0.02])

    def test_nan_is_no_test(self):
        assert benjamini_hochberg([0.01, math.nan, 0.04]) == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)
        assert benjamini_hochberg([]).tolist() == []
        assert math.isnan(benjamini_hochberg([math.nan])[0])

    def test_false_discoveries_are_as_rare_as_promised(self):
        # A quarter of 40 tests have an effect; of those found, at most 5 % are false (here 3.75 %), over 1000 draws.
        random = np.random.default_rng(0)
        effects = np.where(np.arange(40) < 10, 3.0, 0.0)
        shares = []
        for _ in range(1000):
            found = benjamini_hochberg(2 * stats.norm.sf(np.abs(random.normal(effects)))) < 0.05
            shares.append(found[10:].sum() / max(found.sum(), 1))
        assert np.mean(shares) == pytest.approx(0.05 * 30 / 40, abs=4 * np.std(shares) / math.sqrt(1000))


@pytest.mark.parametrize(("correct", "name"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_corrections_equal_those_of_statsmodels(correct, name):
    random = np.random.default_rng(0)
    for n_tests in (1, 2, 72):
        p = random.random(n_tests).round(2) ** 3
        assert correct(p) == pytest.approx(multipletests(p, method=name)[1])


def accuracy(labels, predictions, axis=None):
    return np.mean(labels == predictions, axis=axis)


def by_draw(statistic):
    """Return a statistic of one draw as one of many, the slow way."""
    return lambda *draws, axis: np.array([statistic(*one) for one in zip(*draws, strict=True)])


class TestBootstrap:
    def test_equals_a_slow_bootstrap(self):
        random = np.random.default_rng(0)
        labels, predictions = random.integers(0, 2, (2, 200))
        draws = []
        for _ in range(4000):
            rows = [random.integers(200) for _ in range(200)]
            draws.append(sum(labels[row] == predictions[row] for row in rows) / 200)
        expected = np.quantile(draws, [0.025, 0.975])
        assert bootstrap_interval(accuracy, labels, predictions, n_resamples=4000) == pytest.approx(expected, abs=0.012)

    def test_examples_stay_whole(self):
        # Drawn apart, x and y would not be correlated.
        x = np.random.default_rng(0).random(50)
        correlation = by_draw(lambda a, b: np.corrcoef(a, b)[0, 1])
        low, high = bootstrap_interval(correlation, x, 2 * x + 1, n_resamples=50)
        assert low == pytest.approx(1.0)
        assert high == pytest.approx(1.0)

    @pytest.mark.parametrize("n_at_once", [1, 90, 10**7])
    def test_many_draws_at_once_are_those_of_one_after_the_other(self, n_at_once, monkeypatch):
        monkeypatch.setattr(statistics, "MOST_AT_ONCE", n_at_once)
        x = np.random.default_rng(0).normal(size=30)
        expected = stats.bootstrap((x,), np.median, vectorized=False, n_resamples=1000, method="percentile", rng=0)
        assert bootstrap_interval(np.median, x) == tuple(expected.confidence_interval)

    def test_the_seed_decides(self):
        x = np.random.default_rng(0).random(30)
        mean = bootstrap_interval(np.mean, x, seed=3)
        assert mean == bootstrap_interval(np.mean, x, seed=3)
        assert mean != bootstrap_interval(np.mean, x, seed=4)

    def test_covers_the_true_mean_as_often_as_promised(self):
        random = np.random.default_rng(2)
        bounds = [bootstrap_interval(np.mean, random.normal(3, 1, 60), n_resamples=200, seed=i) for i in range(300)]
        covered = np.mean([low <= 3 <= high for low, high in bounds])
        assert 0.89 < covered < 0.985

    def test_one_example_has_no_interval(self):
        assert all(math.isnan(bound) for bound in bootstrap_interval(np.mean, [1.0]))

    @pytest.mark.parametrize("arrays", [([1, 2], [1]), ([], [])])
    def test_unequal_and_empty_arrays_are_refused(self, arrays):
        with pytest.raises(ValueError, match="equal and not empty"):
            bootstrap_interval(accuracy, *arrays)


def similarity_table(seeds, heads=3):
    random = np.random.default_rng(0)
    keys = itertools.product(("RTE", "MRPC"), range(2), range(heads), seeds)
    table = pd.DataFrame(keys, columns=["task", "layer", "head", "seed"])
    mean = random.random(len(table))
    return table.assign(mean=mean, low=mean - 0.1, high=mean + 0.1)


class TestOverSeeds:
    by = ("task", "layer", "head")

    def test_one_seed_keeps_the_interval_over_examples(self):
        table = similarity_table([7])
        found = over_seeds(table, self.by)
        assert found["n_seeds"].eq(1).all()
        pd.testing.assert_frame_equal(found.drop(columns="n_seeds"), table.drop(columns="seed"))

    def test_several_seeds_give_the_interval_over_seeds(self):
        table = similarity_table([0, 1, 2])
        found = over_seeds(table, self.by)
        assert list(found.columns) == ["task", "layer", "head", "mean", "low", "high", "n_seeds"]
        assert found["task"].unique().tolist() == ["RTE", "MRPC"]
        for row in found.itertuples():
            same = (table["task"] == row.task) & (table["layer"] == row.layer) & (table["head"] == row.head)
            mean, low, high = interval_of_mean(table[same]["mean"].to_numpy())
            assert (row.mean, row.low, row.high, row.n_seeds) == pytest.approx((mean, low, high, 3))

    def test_one_key_column_and_another_value(self):
        table = pd.DataFrame({"task": ["RTE", "RTE"], "seed": [0, 1], "value": [0.5, 0.7]})
        found = over_seeds(table, ["task"], "value").iloc[0]
        assert found["task"] == "RTE"
        assert found["value"] == pytest.approx(0.6)

    def test_repeated_and_missing_seeds_are_refused(self):
        table = similarity_table([0, 1])
        with pytest.raises(ValueError, match="1 rows repeat"):
            over_seeds(pd.concat([table, table.head(1)]), self.by)
        with pytest.raises(ValueError, match="some rows have 1 seeds and others 2"):
            over_seeds(table.iloc[1:], self.by)


def test_rows_that_some_seeds_lack_are_averaged_over_those_that_have_them():
    columns = ["task", "pattern", "seed", "mean", "low", "high"]
    rows = [
        ("RTE", "Vertical", 0, 1.0, 0.5, 1.5),
        ("RTE", "Block", 0, 2.0, 1.0, 3.0),
        ("RTE", "Block", 1, 4.0, 2.0, 5.0),
    ]
    table = pd.DataFrame(rows, columns=columns)
    with pytest.raises(ValueError, match="1 seeds and others 2"):
        over_seeds(table, ["task", "pattern"])
    found = over_present_seeds(table, ["task", "pattern"]).set_index("pattern")
    assert found.loc["Vertical", ["mean", "low", "high", "n_seeds"]].tolist() == [1.0, 0.5, 1.5, 1]
    several = over_seeds(table[table["pattern"] == "Block"], ["task", "pattern"]).set_index("pattern")
    pd.testing.assert_series_equal(found.loc["Block"], several.loc["Block"])
