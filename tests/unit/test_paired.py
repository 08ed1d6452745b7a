"""Changes of scores on the same examples, computed all at once: equal to slow, plain versions, one at a time."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from darksecrets import statistics
from darksecrets.corpora.scores import evaluate
from darksecrets.statistics import bootstrap_interval, interval_of_mean
from tests.unit.test_statistics import by_draw

METRICS = ("accuracy", "pearson")


def made_up(metric, n_examples=120, n_tests=5, seed=0):
    """Label, baseline and changed predictions; the more a test changes the later it stands, the first nothing."""
    random = np.random.default_rng(seed)
    share = np.linspace(0, 0.5, n_tests)
    if metric == "accuracy":
        label = random.integers(0, 3, n_examples)
        baseline = np.where(random.random(n_examples) < 0.7, label, random.integers(0, 3, n_examples))
        other = random.integers(0, 3, (n_examples, n_tests))
        return label, baseline, np.where(random.random(other.shape) < share, other, baseline[:, None])
    label = random.uniform(0, 5, n_examples)
    baseline = label + random.normal(0, 1, n_examples)
    return label, baseline, baseline[:, None] + random.normal(0, 1, (n_examples, n_tests)) * share


# Of the second of three tests. It answers a quarter at random, by which 0.8 are right with nothing changed; or it adds
# a noise of 0.25 to one of 1, of labels with a variance of 25 / 12.
TRUE_CHANGE = {
    "accuracy": 0.25 * (1 / 3 - 0.8),
    "pearson": (1 + 12 / 25 * (1 + 0.25**2)) ** -0.5 - (1 + 12 / 25) ** -0.5,
}


def score(metric, label, prediction):
    return evaluate([metric], label, prediction)[metric]


def change(metric, label, before, after):
    return score(metric, label, after) - score(metric, label, before)


@pytest.mark.parametrize("metric", METRICS)
class TestDraws:
    def test_scores_equal_those_of_the_examples_drawn(self, metric):
        label, baseline, changed = made_up(metric)
        weights = np.random.default_rng(1).integers(0, 3, (20, len(label)))
        scores = statistics.drawn_scores(metric, label, changed, weights)
        changes = statistics.drawn_changes(metric, label, baseline, changed, weights)
        for draw, test in np.ndindex(scores.shape):
            rows = np.repeat(np.arange(len(label)), weights[draw])
            expected = score(metric, label[rows], changed[rows, test])
            assert scores[draw, test] == pytest.approx(expected)
            assert changes[draw, test] == pytest.approx(expected - score(metric, label[rows], baseline[rows]))

    def test_what_changes_nothing_changes_by_exactly_nothing(self, metric):
        label, baseline, changed = made_up(metric)
        mean, low, high = statistics.paired_changes(metric, label, baseline, changed)
        assert (mean[0], low[0], high[0]) == (0, 0, 0)
        assert not statistics.contributions_to_change(metric, label, baseline, changed)[:, 0].any()
        assert statistics.p_of_change(metric, label, baseline, changed)[0] == 1

    def test_intervals_equal_a_slow_paired_bootstrap(self, metric):
        label, baseline, changed = made_up(metric)
        mean, low, high = statistics.paired_changes(metric, label, baseline, changed)
        for test in range(1, 5):

            def statistic(label, before, after):
                return change(metric, label, before, after)

            columns = (label, baseline, changed[:, test])
            expected = bootstrap_interval(by_draw(statistic), *columns, n_resamples=2000)
            width = expected[1] - expected[0]
            assert mean[test] == pytest.approx(statistic(*columns))
            # The quantiles of 1000 and of 2000 draws differ by a few hundredths of the interval, or one wrong answer.
            step = 1.01 / len(label) if metric == "accuracy" else 0
            assert (low[test], high[test]) == pytest.approx(expected, abs=max(0.08 * width, step))

    def test_a_score_has_the_interval_of_the_plain_bootstrap(self, metric):
        label, baseline, _ = made_up(metric)
        found = statistics.score_interval(metric, label, baseline)
        expected = bootstrap_interval(by_draw(partial(score, metric)), label, baseline, n_resamples=2000)
        assert found[0] == pytest.approx(score(metric, label, baseline))
        assert found[1:] == pytest.approx(expected, abs=0.08 * (expected[1] - expected[0]))

    def test_one_example_has_no_interval(self, metric):
        _, low, high = statistics.paired_changes(metric, [1], [1], [[0, 1]])
        assert np.isnan([low, high]).all()

    def test_numbers_that_are_none_and_other_examples_are_refused(self, metric):
        with pytest.raises(ValueError, match="not a finite number"):
            statistics.paired_changes(metric, [1.0, 2.0], [1.0, 2.0], [[1.0], [math.nan]])
        with pytest.raises(ValueError, match="of the same examples"):
            statistics.drawn_scores(metric, [1, 2], [[1], [2], [3]], np.ones((1, 2)))
        with pytest.raises(ValueError, match="of the same examples"):
            statistics.drawn_scores(metric, [], np.ones((0, 1)), np.ones((1, 0)))


class TestConstants:
    label = np.arange(6.0)

    def test_the_correlation_of_a_constant_is_none(self):
        changed = np.column_stack([np.full(6, 0.1), self.label])
        mean, low, high = statistics.paired_changes("pearson", self.label, np.full(6, 0.3), changed)
        assert mean.tolist() == [0, pytest.approx(1)]
        assert (low[0], high[0]) == (0, 0)
        assert statistics.contributions_to_change("pearson", self.label, self.label, changed).mean(0) == pytest.approx(
            [-1, 0]
        )
        assert np.isfinite(statistics.paired_permutation(self.label, np.full(6, 0.3), changed, 100)).all()

    def test_nor_is_it_in_a_draw_in_which_all_are_the_same(self):
        prediction = np.array([0.1, 0.1, 0.1, 3, 4, 5])[:, None]
        weights = [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]
        found = statistics.drawn_scores("pearson", self.label, prediction, weights)
        assert found.ravel() == pytest.approx([0, 1])


@pytest.mark.parametrize("metric", METRICS)
class TestContributions:
    def test_their_mean_is_the_change(self, metric):
        label, baseline, changed = made_up(metric)
        contributions = statistics.contributions_to_change(metric, label, baseline, changed)
        expected = [change(metric, label, baseline, after) for after in changed.T]
        assert contributions.mean(0) == pytest.approx(expected)

    def test_t_intervals_of_their_means_cover_the_true_change_as_often_as_promised(self, metric):
        # 400 samples: the share covered has a standard error of 0.011.
        n_covered = 0
        for seed in range(400):
            label, baseline, changed = made_up(metric, n_examples=200, n_tests=3, seed=seed)
            contributions = statistics.contributions_to_change(metric, label, baseline, changed)[:, 1]
            _, low, high = interval_of_mean(contributions)
            n_covered += bool(low <= TRUE_CHANGE[metric] <= high)
        assert n_covered / 400 == pytest.approx(0.95, abs=0.035)


class TestExactMcNemar:
    def test_equals_that_of_statsmodels(self):
        label, baseline, changed = made_up("accuracy", n_tests=8)
        found = statistics.exact_mcnemar(label, baseline, changed)
        for test, after in enumerate(changed.T):
            table = np.zeros((2, 2))
            np.add.at(table, ((baseline == label).astype(int), (after == label).astype(int)), 1)
            assert found[test] == pytest.approx(mcnemar(table, exact=True).pvalue)

    def test_textbook_example(self):
        # One answer to the better, seven to the worse: 2 * (1 + 8) / 2 ** 8.
        changed = np.array([[1], *[[0]] * 7, [1]])
        assert statistics.exact_mcnemar(np.ones(9), np.array([0, *[1] * 8]), changed) == pytest.approx([18 / 256])

    def test_as_many_to_the_better_as_to_the_worse(self):
        assert statistics.exact_mcnemar([1, 1], [0, 1], [[1], [0]]).tolist() == [1]


class TestPairedPermutation:
    def test_equals_all_permutations_one_at_a_time(self):
        label, baseline, changed = made_up("pearson", n_examples=9, n_tests=4)
        found = statistics.paired_permutation(label, baseline, changed, n_permutations=20_000)
        before = stats.zscore(baseline)
        for test in range(1, 4):
            after = stats.zscore(changed[:, test])
            differences = []
            for swaps in itertools.product([False, True], repeat=9):
                one, other = np.where(swaps, after, before), np.where(swaps, before, after)
                differences.append(abs(change("pearson", label, one, other)))
            expected = np.mean(np.array(differences) >= differences[0] - 1e-9)
            assert found[test] == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 20_000) + 1e-4)

    def test_moving_and_stretching_change_nothing(self):
        label, baseline, changed = made_up("pearson")
        expected = statistics.paired_permutation(label, baseline, changed, 500)
        assert statistics.paired_permutation(label, baseline, 100 + 3 * changed, 500) == pytest.approx(expected)
        assert statistics.paired_permutation(label, baseline, 100 + 3 * baseline[:, None], 500) == pytest.approx([1])

    def test_what_was_observed_is_one_of_the_permutations(self):
        label = np.arange(50.0)
        unrelated = np.random.default_rng(0).random(50)
        assert statistics.paired_permutation(label, unrelated, label[:, None], 999) == pytest.approx([1 / 1000])

    def test_the_seed_decides(self):
        label, baseline, changed = made_up("pearson")
        one, same, other = (statistics.paired_permutation(label, baseline, changed, 200, seed) for seed in (1, 1, 2))
        assert one.tolist() == same.tolist()
        assert one.tolist() != other.tolist()

    def test_is_right_as_often_as_promised_with_more_noise_but_no_worse_correlation(self):
        # Both correlate with the label alike, one by larger errors of a larger scale, so that they cannot be swapped as
        # they are. 400 samples; 5 % are rejected, with a standard error of 0.011.
        random = np.random.default_rng(0)
        n_rejected = 0
        for _ in range(400):
            label = random.normal(size=100)
            baseline = label + random.normal(size=100)
            changed = 5 * (label + random.laplace(0, math.sqrt(0.5), 100))
            n_rejected += statistics.paired_permutation(label, baseline, changed[:, None], 300)[0] <= 0.05
        assert n_rejected / 400 == pytest.approx(0.05, abs=0.035)
