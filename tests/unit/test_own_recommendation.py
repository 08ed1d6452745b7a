"""Which heads a report recommends: those that half of the examples chose, unless the other half denies the choice, or
the model has not learned the task.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darksecrets.apps import own_report
from darksecrets.apps.own_report import FIRST_STEP, HELD_OUT, NOT_LEARNED
from darksecrets.models.disabling import PruningCurve
from darksecrets.statistics import ROUNDING


def removed(order, right, n_disabled=(0, 2, 4)):
    """Answers of which so many of ten are right at each step."""
    answers = np.array([[int(row < n) for n in right] for row in range(10)])
    return PruningCurve("data.csv", 0, order, np.array(n_disabled), np.ones(10, dtype=int), answers, "accuracy")


ORDERS = {"sweep": [(0, 0), (0, 1), (1, 0), (1, 1)], "gradient": [(1, 1), (1, 0), (0, 1), (0, 0)]}


class TestRecommendation:
    @pytest.mark.parametrize(
        ("sweep_right", "gradient_right", "tolerated", "heads"),
        [
            ((8, 8, 5), (8, 7, 5), 0.01, [(0, 0), (0, 1)]),
            ((8, 7, 5), (8, 8, 5), 0.01, [(1, 0), (1, 1)]),
            ((8, 7, 5), (8, 7, 5), 0.01, []),
            ((8, 7, 5), (8, 7, 5), 0.1, [(0, 0), (0, 1)]),
            ((8, 7, 9), (8, 7, 5), 0.01, []),  # behind a step that costs too much nothing is taken
            ((8, 9, 8), (8, 9, 5), 0.0, [(0, 0), (0, 1), (1, 0), (1, 1)]),
        ],
    )
    def test_as_many_go_as_are_tolerated_where_they_are_chosen(self, sweep_right, gradient_right, tolerated, heads):
        choosing = [removed("sweep", sweep_right), removed("gradient", gradient_right), removed("random 1", (8, 9, 9))]
        for right in ((9, 2, 1), (1, 10, 10)):
            held_out = [removed(order, right) for order in ("sweep", "gradient", "random 1")]
            found = own_report.recommend(choosing, held_out, ORDERS, tolerated)
            assert list(found.chosen) == heads
            step = len(heads) // 2
            assert found.cost[0] == pytest.approx((right[step] - right[0]) / 10)
            assert found.score_without[0] == pytest.approx(right[step] / 10)

    @pytest.mark.parametrize(
        ("chosen_right", "held_out_right", "is_learned", "reason"),
        [
            ((8, 8, 5), (9, 9, 1), True, ""),
            ((8, 8, 5), (9, 8, 1), True, ""),  # costs just what is tolerated
            ((8, 8, 5), (9, 7, 9), True, HELD_OUT),
            ((8, 6, 5), (9, 9, 9), True, FIRST_STEP),
            ((8, 8, 8), (9, 9, 9), False, NOT_LEARNED),
            ((8, 6, 5), (9, 7, 9), False, NOT_LEARNED),
        ],
    )
    def test_nothing_is_recommended_where_the_promise_does_not_hold(
        self, chosen_right, held_out_right, is_learned, reason
    ):
        choosing, held_out = (
            [removed("sweep", right), removed("gradient", (9, 1, 1))] for right in (chosen_right, held_out_right)
        )
        found = own_report.recommend(choosing, held_out, ORDERS, 0.1, is_learned)
        assert found.reason == reason
        assert found.heads == (() if reason else found.chosen)
        assert bool(found.chosen) == (reason != FIRST_STEP and chosen_right[1] > 6)

    def test_no_change_on_few_examples_has_an_interval(self):
        same = [removed("sweep", (8, 8, 8)), removed("gradient", (8, 8, 8))]
        low, high = own_report.recommend(same, same, ORDERS, 0.01).cost[1:]
        assert (low, high) == (pytest.approx(-0.3085, abs=1e-4), pytest.approx(0.3085, abs=1e-4))

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_whatever_is_recommended_keeps_its_promise(self, data):
        right = st.tuples(*[st.integers(0, 10)] * 3)
        choosing, held_out = ([removed(order, data.draw(right)) for order in ORDERS] for _ in range(2))
        tolerated, is_learned = data.draw(st.sampled_from([0.0, 0.01, 0.1, 0.3])), data.draw(st.booleans())
        found = own_report.recommend(choosing, held_out, ORDERS, tolerated, is_learned)
        assert found.where_chosen[0] >= -tolerated - ROUNDING
        assert bool(found.reason) != bool(found.heads)
        if found.heads:
            assert is_learned
            assert found.cost[0] >= -tolerated - ROUNDING


class TestBestOrder:
    @pytest.mark.parametrize("order", [(0, 1), (1, 0), (2, 0, 1), (3, 1, 0, 2)])
    def test_a_planted_order_is_found(self, order):
        rng = np.random.default_rng(0)
        answers = rng.integers(len(order), size=200)
        labels = np.where(rng.random(200) < 0.8, np.array(order)[answers], rng.integers(len(order), size=200))
        found, accuracy = own_report.best_order(labels, answers, len(order))
        assert found == order
        assert accuracy == pytest.approx((np.array(order)[answers] == labels).mean())

    @pytest.mark.parametrize(
        ("n_right", "expected"), [(0, ((1, 0), 1.0)), (8, ((1, 0), 0.8)), (16, None), (20, None), (32, ((0, 1), 0.8))]
    )
    def test_an_order_is_named_only_where_it_is_clearly_better_than_a_constant_answer(self, n_right, expected):
        labels = np.arange(40) % 2
        answers = np.where(np.arange(40) < n_right, labels, 1 - labels)
        assert own_report.better_order(labels, answers, 2, 0.5) == expected

    def test_classes_that_never_occur_have_a_place(self):
        found, accuracy = own_report.best_order(np.array([3, 3, 0]), np.array([1, 1, 0]), 5)
        assert (sorted(found), found[1], accuracy) == ([0, 1, 2, 3, 4], 3, 1.0)
