"""Permutation tests against all permutations of small data, and no more often wrong than they promise."""

import itertools

import numpy as np
import pandas as pd
import pytest

from darksecrets import verdicts
from darksecrets.statistics import NullPositions, permutation_test, sign_flip_test

SENTENCES = np.repeat([0, 1, 2, 3], [3, 4, 2, 3])
IS_LINK = np.isin(np.arange(len(SENTENCES)), [1, 3, 8, 11])


def p_of_all(statistics, observed):
    """Share of permutations that reach what was observed, per test; alone, and by the largest of all tests."""
    alone = (statistics >= observed - 1e-9).mean(0)
    largest = (statistics.max(1, keepdims=True) >= observed - 1e-9).mean(0)
    return alone, largest


def all_moves(weights):
    """Statistics of every way to put the links: (permutation, test); and of what was observed."""
    places = [np.flatnonzero(sentence == SENTENCES) for sentence in range(4)]
    sums = np.array([weights[list(choice)].sum(0) for choice in itertools.product(*places)])
    return (sums - sums.mean(0)) / sums.std(0), (weights[IS_LINK].sum(0) - sums.mean(0)) / sums.std(0)


def all_flips(parts):
    signs = np.array(list(itertools.product([-1, 1], repeat=len(parts))))
    sums = signs @ parts
    return sums / sums.std(0), parts.sum(0) / sums.std(0)


class TestMoved:
    def test_equals_all_permutations(self):
        weights = np.random.default_rng(0).random((len(SENTENCES), 5)) + 0.5 * IS_LINK[:, None] * [0, 0, 0, 1, 1]
        expected = p_of_all(*all_moves(weights))
        found = permutation_test(NullPositions(weights, SENTENCES, IS_LINK), n_permutations=20_000)
        assert np.array(found) == pytest.approx(np.array(expected), abs=0.015)

    def test_rows_may_come_in_any_order(self):
        weights = np.random.default_rng(1).random((len(SENTENCES), 3))
        order = np.random.default_rng(2).permutation(len(SENTENCES))
        shuffled = permutation_test(NullPositions(weights[order], SENTENCES[order], IS_LINK[order]))
        expected = permutation_test(NullPositions(weights, SENTENCES, IS_LINK))
        assert np.array(shuffled) == pytest.approx(np.array(expected), abs=0.03)

    def test_finds_a_small_effect_and_only_it(self):
        random = np.random.default_rng(3)
        sentences = np.repeat(np.arange(200), 5)
        is_link = np.arange(1000) % 5 == 2
        weights = random.exponential(0.05, (1000, 40))
        weights[is_link, 7] += 0.02
        _, corrected = permutation_test(NullPositions(weights, sentences, is_link), n_permutations=2000)
        assert corrected[7] < 0.01
        assert (np.delete(corrected, 7) > 0.05).all()

    def test_one_family_in_twenty_is_wrong_where_nothing_is_there(self):
        # 300 families of 15 heads, of which five do the same: a standard error of 0.013.
        random = np.random.default_rng(4)
        sentences, is_link = np.repeat(np.arange(25), 4), np.arange(100) % 4 == 0
        wrong, smallest = 0, []
        for seed in range(300):
            weights = random.exponential(1, (100, 15))
            weights[:, 10:] = weights[:, :5] * 3
            p, corrected = permutation_test(NullPositions(weights, sentences, is_link), n_permutations=300, seed=seed)
            wrong += corrected.min() < 0.05
            smallest.append(p[0])
        assert wrong / 300 == pytest.approx(0.05, abs=0.04)
        assert np.mean(smallest) == pytest.approx(0.5, abs=0.05)

    def test_heads_that_do_the_same_cost_nothing(self):
        weights = np.random.default_rng(5).random((len(SENTENCES), 1))
        _, alone = permutation_test(NullPositions(weights, SENTENCES, IS_LINK), n_permutations=500)
        _, corrected = permutation_test(
            NullPositions(np.hstack([weights] * 10), SENTENCES, IS_LINK), n_permutations=500
        )
        assert corrected == pytest.approx(np.repeat(alone, 10))

    def test_what_never_varies_is_no_evidence(self):
        found = permutation_test(NullPositions(np.ones((len(SENTENCES), 2)), SENTENCES, IS_LINK), n_permutations=100)
        assert np.array(found).tolist() == [[1, 1], [1, 1]]

    @pytest.mark.parametrize("links", [[1, 3, 4, 8, 11], [1, 3, 8]])
    def test_a_sentence_with_no_link_or_two_is_refused(self, links):
        with pytest.raises(ValueError, match="one place that is its link"):
            permutation_test(
                NullPositions(np.ones((len(SENTENCES), 1)), SENTENCES, np.isin(np.arange(len(SENTENCES)), links))
            )

    def test_several_nulls_are_tested_side_by_side_and_corrected_together(self):
        weights = np.random.default_rng(6).random((len(SENTENCES), 5)) + 0.4 * IS_LINK[:, None]
        fewer = SENTENCES < 2
        sets = (
            NullPositions(weights[:, :3], SENTENCES, IS_LINK),
            NullPositions(weights[fewer, 3:], SENTENCES[fewer], IS_LINK[fewer]),
        )
        p, corrected = permutation_test(*sets, n_permutations=20_000)
        statistics, observed = all_moves(weights[:, :3])
        first, second = np.flatnonzero(SENTENCES == 0), np.flatnonzero(SENTENCES == 1)
        sums = np.array([weights[[a, b], 3:].sum(0) for a in first for b in second])
        own = (weights[fewer & IS_LINK, 3:].sum(0) - sums.mean(0)) / sums.std(0)
        others = (sums - sums.mean(0)) / sums.std(0)
        every = np.hstack([np.repeat(statistics, len(others), 0), np.tile(others, (len(statistics), 1))])
        expected = p_of_all(every, np.concatenate([observed, own]))
        assert np.array([p, corrected]) == pytest.approx(np.array(expected), abs=0.015)

    def test_a_head_that_beats_one_of_two_nulls_is_rarely_said_to_beat_both(self):
        # Half of the heads beat only the one, half only the other: 300 families, a standard error of 0.013.
        random, wrong = np.random.default_rng(7), 0
        sentences, is_link = np.repeat(np.arange(25), 4), np.arange(100) % 4 == 0
        for seed in range(300):
            sets = []
            for beats in ([3] * 6 + [0] * 6, [0] * 6 + [3] * 6):
                weights = random.exponential(1, (100, 12)) + is_link[:, None] * beats
                sets.append(NullPositions(weights, sentences, is_link))
            _, corrected = permutation_test(*sets, n_permutations=300, seed=seed)
            wrong += (corrected.reshape(2, -1).max(0) < 0.05).any()
        assert wrong / 300 <= 0.05 + 0.03


class TestFlipped:
    def test_equals_all_permutations(self):
        parts = np.random.default_rng(0).normal([0, 0, 0.3, 0.8], 1, (9, 4))
        assert np.array(sign_flip_test(parts, 20_000)) == pytest.approx(
            np.array(p_of_all(*all_flips(parts))), abs=0.015
        )

    def test_one_family_in_twenty_is_wrong_where_nothing_is_there(self):
        random = np.random.default_rng(1)
        wrong = sum(sign_flip_test(random.laplace(0, 1, (40, 12)), 300, seed)[1].min() < 0.05 for seed in range(300))
        assert wrong / 300 == pytest.approx(0.05, abs=0.04)

    def test_skewed_differences_are_rarely_taken_for_an_effect(self):
        random = np.random.default_rng(2)
        wrong = sum(
            sign_flip_test(random.exponential(1, (40, 12)) - 1, 300, seed)[1].min() < 0.05 for seed in range(300)
        )
        assert wrong / 300 < 0.08

    def test_one_sided(self):
        parts = np.random.default_rng(3).normal([1, -1], 0.5, (50, 2))
        p, corrected = sign_flip_test(parts)
        assert p[0] < 0.01 < 0.99 < p[1]
        assert (corrected >= p).all()


def judged_heads(specific, high):
    return pd.DataFrame({"specific": specific, "high": high})


class TestVerdicts:
    @pytest.mark.parametrize(
        ("specific", "high", "every", "some"),
        [
            ([True, True], [0.3, 0.2], "holds", "holds"),
            ([True, False], [0.3, 0.2], "cannot tell", "holds"),
            ([True, False], [0.3, 0.001], "does not hold", "holds"),
            ([False, False], [0.3, 0.001], "does not hold", "cannot tell"),
            ([False, False], [0.005, 0.001], "does not hold", "does not hold"),
            ([], [], "cannot tell", "cannot tell"),
        ],
    )
    def test_a_missing_effect_is_not_an_absent_one(self, specific, high, every, some):
        tests = judged_heads(np.array(specific, dtype=bool), np.array(high, dtype=float))
        assert verdicts.all_positive(tests) == every
        assert verdicts.any_positive(tests) == some

    def test_seeds_that_differ_leave_it_open(self):
        assert verdicts.joined(["holds", "holds"]) == "holds"
        assert verdicts.joined(["holds", "does not hold"]) == "cannot tell"
