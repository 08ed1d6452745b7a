"""Agreement and scores on annotated maps, against scikit-learn and a bootstrap that copies the maps of drawn heads."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.errors import InputError
from darksecrets.sections import map_labels
from darksecrets.sections.map_labels import ALL_PATTERNS, BETWEEN
from darksecrets.statistics import resampled
from tests.pattern_tables import labels_of, predictions_of

LABELS = labels_of()
RIGHT = {"network": 0.85, "baseline": 0.6}
PREDICTIONS = predictions_of(LABELS, RIGHT)
PLAIN = {
    "macro F1": lambda true, predicted: f1_score(true, predicted, average="macro", labels=np.unique(true)),
    "weighted F1": lambda true, predicted: f1_score(true, predicted, average="weighted"),
    "accuracy": accuracy_score,
}


def predicted(method, repeat, labels=LABELS):
    """Predicted patterns in the order of the labels."""
    chosen = PREDICTIONS[(PREDICTIONS["method"] == method) & (PREDICTIONS["repeat"] == repeat)]
    return labels["id"].map(chosen.set_index("id")[list(PATTERNS)].idxmax(axis=1)).to_numpy()


def slow_interval(statistic, labels, n_resamples=60):
    """Percentiles of a statistic of row numbers, of the first draws that the library makes, head by head."""
    rows_of = [
        rows.to_numpy() for rows in labels.reset_index().groupby(["layer", "head"])["index"].unique().map(pd.Series)
    ]
    values = []
    for weights in resampled(len(rows_of), n_resamples=n_resamples):
        rows = [row for rows, times in zip(rows_of, weights, strict=True) for _ in range(int(times)) for row in rows]
        values.append(statistic(rows))
    return np.nanquantile(values, [0.025, 0.975])


@pytest.fixture
def few_resamples(monkeypatch):
    """Sixty resamples, so that a slow version can make the same."""
    monkeypatch.setattr(map_labels, "resampled", lambda n: resampled(n, n_resamples=60))


class TestAgreement:
    @pytest.mark.parametrize("pattern", [ALL_PATTERNS, *PATTERNS])
    def test_kappa_is_that_of_scikit_learn(self, pattern, few_resamples):
        table = map_labels.agreement(LABELS).set_index("pattern")
        sides = [LABELS[name].to_numpy() for name in ("first", "second")]
        if pattern != ALL_PATTERNS:
            sides = [side == pattern for side in sides]
            assert table["n"][pattern] == np.logical_or(*sides).sum()
        assert table["kappa"][pattern] == pytest.approx(cohen_kappa_score(*sides))
        expected = slow_interval(lambda rows: cohen_kappa_score(*(side[rows] for side in sides)), LABELS)
        assert tuple(table.loc[pattern, ["low", "high"]]) == pytest.approx(tuple(expected))

    def test_one_row_a_pattern_below_the_whole(self):
        table = map_labels.agreement(LABELS)
        assert table.columns.tolist() == ["pattern", "n", "kappa", "low", "high"]
        assert table["pattern"].tolist() == [ALL_PATTERNS, *PATTERNS]
        assert table["n"][0] == len(LABELS)
        assert table["kappa"].between(table["low"], table["high"]).all()

    def test_equal_annotators_agree_fully_and_independent_ones_by_chance(self):
        same = map_labels.agreement(LABELS.assign(second=LABELS["first"]))
        assert same["kappa"].tolist() == [1.0] * 6
        alone = labels_of(per_head=60, slips=1.0)
        assert map_labels.agreement(alone)["kappa"].abs().max() < 0.1

    def test_an_unused_pattern_has_no_kappa(self):
        table = map_labels.agreement(LABELS.replace({"Block": "Vertical"})).set_index("pattern")
        assert table["n"]["Block"] == 0
        assert table.loc["Block", ["kappa", "low", "high"]].isna().all()
        assert table.drop("Block").notna().all(axis=None)

    def test_maps_of_a_head_count_as_one_draw(self):
        # Nine copies of each map say nothing new: with heads drawn whole, the interval stays as it is.
        once = map_labels.agreement(LABELS)
        copies = map_labels.agreement(pd.concat([LABELS] * 9))
        pd.testing.assert_frame_equal(copies.drop(columns="n"), once.drop(columns="n"))

    def test_one_head_has_no_interval(self):
        table = map_labels.agreement(labels_of(1, 1, per_head=80))
        assert table["kappa"].notna().all()
        assert table[["low", "high"]].isna().all(axis=None)

    def test_an_unknown_label_is_refused(self):
        with pytest.raises(InputError, match="'Blok' is unknown"):
            map_labels.agreement(LABELS.replace({"second": {"Block": "Blok"}}))


def test_counts_are_those_of_a_loop():
    table = map_labels.counts(LABELS).set_index("pattern")
    assert table.index.tolist() == list(PATTERNS)
    for pattern, row in table.iterrows():
        rows = [one for one in LABELS.itertuples() if one.pattern == pattern]
        assert row["first"] == sum(one.first == pattern for one in LABELS.itertuples())
        assert row["second"] == sum(one.second == pattern for one in LABELS.itertuples())
        assert row["agreed"] == len(rows)
        assert [row["main"], row["supplement"]] == [
            sum(one.draw == draw for one in rows) for draw in ("main", "supplement")
        ]
        assert row["n_heads"] == len({(one.layer, one.head) for one in rows})
    unused = map_labels.counts(LABELS.replace({"Block": "Vertical"})).set_index("pattern")
    assert unused.loc["Block"].eq(0).all()


class TestScores:
    @pytest.mark.parametrize("metric", PLAIN)
    def test_scores_are_those_of_scikit_learn(self, metric, few_resamples):
        table = map_labels.scores(PREDICTIONS, LABELS).set_index(["metric", "method"]).loc[metric]
        agreed, first, second = (LABELS[name].to_numpy() for name in ("pattern", "first", "second"))
        pairs = {method: [(agreed, predicted(method, repeat)) for repeat in range(2)] for method in RIGHT}
        pairs[BETWEEN] = [(first, second)]
        assert sorted(table.index) == sorted(pairs)
        for method, sides in pairs.items():

            def averaged(rows, sides=sides):
                return np.mean([PLAIN[metric](true[rows], other[rows]) for true, other in sides])

            expected = [averaged(np.arange(len(LABELS))), *slow_interval(averaged, LABELS)]
            assert table.loc[method, ["mean", "low", "high"]].tolist() == pytest.approx(expected)

    def test_columns_and_rows(self):
        table = map_labels.scores(PREDICTIONS, LABELS)
        assert table.columns.tolist() == ["method", "metric", "mean", "low", "high"]
        assert table["method"].unique().tolist() == ["network", "baseline", BETWEEN]
        assert table["metric"].unique().tolist() == list(PLAIN)

    def test_agreement_in_f1_is_the_same_either_way(self):
        turned = LABELS.rename(columns={"first": "second", "second": "first"})
        both = [map_labels.scores(PREDICTIONS, labels).set_index(["method", "metric"]) for labels in (LABELS, turned)]
        rows = [table.loc[[(BETWEEN, "macro F1"), (BETWEEN, "accuracy")]] for table in both]
        pd.testing.assert_series_equal(*(table["mean"] for table in rows))

    @pytest.mark.parametrize("metric", PLAIN)
    def test_the_difference_is_paired(self, metric, few_resamples):
        table = map_labels.difference(PREDICTIONS, LABELS).set_index("metric")
        agreed = LABELS["pattern"].to_numpy()
        sides = {method: [predicted(method, repeat) for repeat in range(2)] for method in RIGHT}

        def gain(rows):
            found = [np.mean([PLAIN[metric](agreed[rows], side[rows]) for side in sides[method]]) for method in RIGHT]
            return found[0] - found[1]

        expected = [gain(np.arange(len(LABELS))), *slow_interval(gain, LABELS)]
        assert table.loc[metric].tolist() == pytest.approx(expected)

    def test_equal_methods_do_not_differ(self):
        network = PREDICTIONS[PREDICTIONS["method"] == "network"]
        table = map_labels.difference(pd.concat([network, network.assign(method="baseline")]), LABELS)
        assert table[["mean", "low", "high"]].eq(0).all(axis=None)

    def test_patterns_are_scored_one_by_one(self):
        table = map_labels.per_pattern(PREDICTIONS, LABELS).set_index(["method", "pattern"])
        for method in RIGHT:
            found = [
                precision_recall_fscore_support(LABELS["pattern"], predicted(method, repeat), labels=PATTERNS)
                for repeat in range(2)
            ]
            for place, name in enumerate(("precision", "recall", "f1")):
                expected = np.mean([one[place] for one in found], axis=0)
                assert table.loc[method, name].tolist() == pytest.approx(expected.tolist())
            assert table.loc[method, "n"].tolist() == found[0][3].tolist()

    def test_a_pattern_never_predicted_has_no_precision(self):
        never = PREDICTIONS.assign(Block=-1.0)
        row = map_labels.per_pattern(never, LABELS).set_index(["method", "pattern"]).loc[("network", "Block")]
        assert math.isnan(row["precision"])
        assert row["recall"] == row["f1"] == 0

    @pytest.mark.parametrize("method", RIGHT)
    def test_confusion_is_that_of_scikit_learn(self, method):
        table = map_labels.confusion(PREDICTIONS, LABELS, method)
        expected = np.mean(
            [
                confusion_matrix(LABELS["pattern"], predicted(method, repeat), labels=PATTERNS, normalize="true")
                for repeat in range(2)
            ],
            axis=0,
        )
        np.testing.assert_allclose(table, expected)
        assert (table.index.name, table.columns.name) == ("agreed", "predicted")
        assert table.index.tolist() == table.columns.tolist() == list(PATTERNS)

    def test_missing_doubled_and_foreign_predictions_are_refused(self):
        for wrong in (
            PREDICTIONS.iloc[1:],
            pd.concat([PREDICTIONS, PREDICTIONS.head(1)]),
            PREDICTIONS.assign(id=PREDICTIONS["id"] + 1),
        ):
            with pytest.raises(ValueError, match="has not one prediction for each of 120 maps"):
                map_labels.scores(wrong, LABELS)
        with pytest.raises(ValueError, match="no predictions by 'forest'"):
            map_labels.confusion(PREDICTIONS, LABELS, "forest")


def test_a_resample_without_a_pattern_does_not_count_it_as_missed():
    # One head has all Block maps, all recognized, and another one a map mistaken for Block.
    patterns = [*["Vertical"] * 50, *["Block"] * 10]
    labels = pd.DataFrame({"layer": 0, "head": np.repeat(range(6), 10), "pattern": patterns})
    found = [*["Block"], *patterns[1:]]
    tables = map_labels.head_tables(labels, labels["pattern"], found)[None]
    value, low, _ = map_labels.with_interval(map_labels.METRICS["macro F1"], tables)
    assert value == pytest.approx(f1_score(patterns, found, average="macro"))
    assert low > 0.8


def test_intervals_cover_the_truth_as_often_as_promised():
    # Heads differ in how often they are agreed on: drawing maps alone would cover far less.
    truth, covered = 0.5 + 0.5 / 2, 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        sure = np.repeat(random.random(40) < 0.5, 10)  # half of the heads are always agreed on, half every other time
        same = sure | (random.random(400) < 0.5)
        first = random.choice(PATTERNS, 400)
        second = np.where(same, first, np.roll(PATTERNS, 1)[[PATTERNS.index(one) for one in first]])
        labels = pd.DataFrame({"layer": np.repeat(np.arange(40), 10), "head": 0})
        tables = map_labels.head_tables(labels, first, second)[None]
        _, low, high = map_labels.with_interval(map_labels.METRICS["accuracy"], tables)
        covered += low <= truth <= high
    assert 0.88 < covered / 200 < 0.99
