"""Scores of a task by its own metrics, against numbers computed by hand."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from darksecrets.corpora import glue
from darksecrets.corpora.scores import METRICS, evaluate
from darksecrets.errors import InputError

SCORES = {
    # task, labels, predictions, expected: by hand
    "F1 and accuracy": ("MRPC", [1, 1, 0, 0], [1, 0, 1, 0], {"f1": 0.5, "accuracy": 0.5}),
    "never the positive class": ("QQP", [1, 0, 0], [0, 0, 0], {"f1": 0.0, "accuracy": 2 / 3}),
    "three classes": ("MNLI", [0, 1, 2, 2], [0, 1, 2, 0], {"accuracy": 0.75}),
    "straight line": ("STS-B", [1.0, 2.0, 3.0], [10.0, 20.0, 30.0], {"pearson": 1.0, "spearman": 1.0}),
    "curve": ("STS-B", [0.0, 1.0, 2.0], [0.0, 1.0, 4.0], {"pearson": 4 / (2 * 26 / 3) ** 0.5, "spearman": 1.0}),
    "constant": ("STS-B", [1.0, 2.0, 3.0], [2.0, 2.0, 2.0], {"pearson": 0.0, "spearman": 0.0}),
}


@pytest.mark.parametrize(("task", "labels", "predictions", "expected"), SCORES.values(), ids=SCORES)
def test_scores_are_fractions_by_the_tasks_metrics(task, labels, predictions, expected):
    found = glue.score(glue.TASKS[task], labels, predictions)
    assert found == pytest.approx(expected)
    assert tuple(found) == glue.TASKS[task].metrics


def test_a_diverged_model_and_unequal_lists_are_refused():
    with pytest.raises(InputError, match="smaller learning rate"):
        glue.score(glue.TASKS["STS-B"], [1.0, 2.0], [1.0, float("nan")])
    for labels, predictions in (([1], [1, 0]), ([], [])):
        with pytest.raises(ValueError, match="two equal, non-empty"):
            glue.score(glue.TASKS["RTE"], labels, predictions)


def test_majority_is_the_most_frequent_class():
    assert glue.majority(glue.TASKS["MNLI"], [2, 2, 1, 0]) == {"accuracy": 0.5}
    assert glue.majority(glue.TASKS["STS-B"], [1.0, 2.0]) == {"pearson": 0.0, "spearman": 0.0}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("axis", [0, -1])
def test_many_draws_at_once_score_as_each_alone(metric, axis):
    random = np.random.default_rng(0)
    truth, given = random.integers(0, 3, (2, 40, 9)).astype(float)  # few values: ties, and constants below
    given[0], truth[1], truth[2], given[2] = 1, 0, 0, 0
    expected = [evaluate([metric], *one)[metric] for one in zip(truth, given, strict=True)]
    if axis == 0:
        truth, given = truth.T, given.T
    np.testing.assert_allclose(METRICS[metric](truth, given, axis), expected, atol=1e-12)


PAIRS = st.integers(1, 40).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 2), min_size=n, max_size=n)] * 2))


class TestMetrics:
    @given(PAIRS)
    def test_accuracy_and_f1_are_scikit_learns(self, pair):
        truth, given = pair
        assert evaluate(["accuracy"], truth, given)["accuracy"] == sklearn.metrics.accuracy_score(truth, given)
        truth, given = (np.minimum(values, 1) for values in pair)
        expected = sklearn.metrics.f1_score(truth, given, zero_division=0.0)
        assert evaluate(["f1"], truth, given)["f1"] == pytest.approx(expected)

    @given(PAIRS)
    def test_correlations_are_scipys_and_0_for_a_constant(self, pair):
        found = evaluate(["pearson", "spearman"], *pair)
        if min(len(set(values)) for values in pair) == 1:
            assert found == {"pearson": 0.0, "spearman": 0.0}
        else:
            assert found["pearson"] == pytest.approx(stats.pearsonr(*pair).statistic, abs=1e-9)
            assert found["spearman"] == pytest.approx(stats.spearmanr(*pair).statistic, abs=1e-9)
