"""Which heads a report recommends: those that half of the examples chose, whatever the other half says."""

import numpy as np
import pytest

from darksecrets.analyses.disabling import Removed
from darksecrets.evidence import own_report


def removed(order, right, n_disabled=(0, 2, 4)):
    """Answers of which so many of ten are right at each step."""
    answers = np.array([[int(row < n) for n in right] for row in range(10)])
    return Removed("data.csv", 0, order, np.array(n_disabled), np.ones(10, dtype=int), answers, "accuracy")


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
            assert list(found.heads) == heads
            step = len(heads) // 2
            assert found.cost[0] == pytest.approx((right[step] - right[0]) / 10)
            assert found.score_without[0] == pytest.approx(right[step] / 10)

    def test_no_change_on_few_examples_has_an_interval(self):
        same = [removed("sweep", (8, 8, 8)), removed("gradient", (8, 8, 8))]
        low, high = own_report.recommend(same, same, ORDERS, 0.01).cost[1:]
        assert (low, high) == (pytest.approx(-0.3085, abs=1e-4), pytest.approx(0.3085, abs=1e-4))
