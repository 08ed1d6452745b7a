"""Corrected shares against an optimizer and against truths they were made from; heads and layers against loops."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import optimize

from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.sections import patterns
from darksecrets.sections.map_labels import confusion
from darksecrets.sections.patterns import corrected
from darksecrets.statistics import interval_of_mean, over_seeds
from tests.pattern_tables import AFTER, BEFORE, classified_of, labels_of, predictions_of

EVEN = [0.2] * 5
LABELS = labels_of()
RIGHT = {"network": 0.8, "baseline": 0.6}
PREDICTIONS = predictions_of(LABELS, RIGHT)
PERFECT = predictions_of(LABELS, {"network": 1.0})
CLASSIFIED = classified_of(
    {
        ("RTE", BEFORE): [0.5, 0.1, 0.1, 0.1, 0.2],
        ("RTE", AFTER): [0.2, 0.1, 0.1, 0.1, 0.5],
        ("MRPC", BEFORE): EVEN,
        ("MRPC", AFTER): EVEN,
    },
    seeds=(3, 4),
)


def shares_of(classified, predictions, labels):
    return patterns.shares(patterns.estimates(classified, predictions, labels))


def simplex(*shape):
    """Strategy for arrays of shares: positive, with the last axis summing to one."""
    numbers = arrays.arrays(float, (*shape, 5), elements=st.floats(0.01, 1))
    return numbers.map(lambda array: array / array.sum(-1, keepdims=True))


class TestCorrected:
    @settings(deadline=None)
    @given(simplex(3))
    def test_without_confusion_nothing_is_corrected(self, observed):
        np.testing.assert_allclose(corrected(observed, np.eye(5)), observed, atol=1e-9)

    @settings(deadline=None)
    @given(simplex(3), simplex(5))
    def test_the_truth_is_recovered(self, truth, mistakes):
        matrix = 0.6 * np.eye(5) + 0.4 * mistakes
        np.testing.assert_allclose(corrected(truth @ matrix, matrix), truth, atol=1e-5)

    @settings(max_examples=30, deadline=None)
    @given(simplex(), simplex(5))
    def test_nothing_is_likelier(self, observed, mistakes):
        # Observed shares need not be reachable from any truth: the likeliest one then lies on the simplex's edge.
        matrix = 0.6 * np.eye(5) + 0.4 * mistakes
        found = corrected(observed, matrix)
        assert (found >= 0).all()
        assert found.sum() == pytest.approx(1)

        def surprise(shares):
            return -(observed * np.log(np.maximum(shares @ matrix, 1e-12))).sum()

        best = optimize.minimize(
            surprise,
            EVEN,
            bounds=[(0, 1)] * 5,
            constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1},
            method="SLSQP",
            options={"ftol": 1e-12},
        )
        assert surprise(found) <= best.fun + 1e-7

    @settings(deadline=None)
    @given(simplex(2, 3), simplex(3, 5))
    def test_leading_axes_are_independent_problems(self, observed, mistakes):
        matrices = 0.6 * np.eye(5) + 0.4 * mistakes
        found = corrected(observed, matrices)
        assert found.shape == observed.shape
        for place in np.ndindex(2, 3):
            np.testing.assert_allclose(found[place], corrected(observed[place], matrices[place[1]]), atol=1e-7)

    def test_two_patterns_by_hand(self):
        # 80 % of 0.3 and 10 % of 0.7 are taken for the first: 0.31.
        assert corrected(np.array([0.31, 0.69]), np.array([[0.8, 0.2], [0.1, 0.9]])) == pytest.approx([0.3, 0.7])

    def test_an_impossible_observation_is_refused(self):
        matrix = np.eye(5)
        matrix[0] = matrix[1]
        with pytest.raises(ValueError, match="never predicts"):
            corrected(np.array(EVEN), matrix)
        assert corrected(np.array([0, 0.4, 0.2, 0.2, 0.2]), matrix).sum() == pytest.approx(1)


def rows_of(table, **values):
    for name, value in values.items():
        table = table[table[name] == value]
    return table


class TestShares:
    def test_columns_and_order(self):
        table = shares_of(CLASSIFIED, PREDICTIONS, LABELS)
        columns = ["task", "seed", "checkpoint", "pattern", "observed", "mean", "low", "high"]
        assert table.columns.tolist() == [*columns, "sampling_low", "sampling_high"]
        assert table["pattern"].tolist() == list(PATTERNS) * 6
        assert table["task"].unique().tolist() == ["RTE", "MRPC"]
        assert table.groupby(["task", "seed", "checkpoint"])[["observed", "mean"]].sum().to_numpy() == pytest.approx(1)
        pd.testing.assert_frame_equal(table, shares_of(CLASSIFIED, PREDICTIONS, LABELS))

    def test_observed_and_corrected_are_the_plain_ones(self):
        table = shares_of(CLASSIFIED, PREDICTIONS, LABELS)
        matrix = confusion(PREDICTIONS, LABELS).to_numpy()
        for key, group in table.groupby(["task", "seed", "checkpoint"], sort=False):
            seen = rows_of(CLASSIFIED, **dict(zip(("task", "seed", "checkpoint"), key, strict=True)))["pattern"]
            observed = [np.mean(seen == pattern) for pattern in PATTERNS]
            assert group["observed"].tolist() == pytest.approx(observed)
            assert group["mean"].tolist() == pytest.approx(corrected(np.array(observed), matrix).tolist())

    def test_confusion_widens_the_interval(self):
        table = shares_of(CLASSIFIED, PREDICTIONS, LABELS)
        assert (table["low"] <= table["mean"]).all() & (table["mean"] <= table["high"]).all()
        whole, sampling = table["high"] - table["low"], table["sampling_high"] - table["sampling_low"]
        assert (whole > sampling).mean() > 0.9
        assert whole.mean() > 1.3 * sampling.mean()

    def test_a_perfect_classifier_leaves_sampling_alone(self):
        table = shares_of(CLASSIFIED, PERFECT, LABELS)
        np.testing.assert_allclose(table["mean"], table["observed"], atol=1e-7)
        np.testing.assert_allclose(table[["low", "high"]], table[["sampling_low", "sampling_high"]], atol=1e-7)
        # Drawing examples is what a t-interval over examples does too, of the mean over a head's maps.
        rte = rows_of(CLASSIFIED, task="RTE", checkpoint=BEFORE)
        per_example = (rte["pattern"] == "Vertical").groupby(rte["example"]).mean()
        expected = [float(number) for number in interval_of_mean(per_example)]
        row = rows_of(table, task="RTE", checkpoint=BEFORE, pattern="Vertical").iloc[0]
        assert row[["mean", "low", "high"]].tolist() == pytest.approx(expected, abs=0.02)

    def test_covers_true_shares_as_often_as_promised(self):
        # True patterns, mistaken as the annotated maps are: what is observed alone is far from them.
        truth, n_runs = np.array([0.5, 0.05, 0.25, 0.05, 0.15]), 30
        mistakes = 0.75 * np.eye(5) + 0.05
        covered = naive = 0
        for seed in range(n_runs):
            labels = labels_of(n_layers=6, n_heads=6, per_head=10, seed=seed)
            predictions = predictions_of(labels, {"network": 0.75}, repeats=1, seed=seed)
            classified = classified_of({("RTE", AFTER): truth @ mistakes}, n_examples=60, seed=seed)
            table = shares_of(classified, predictions, labels)
            covered += ((table["low"] <= truth) & (truth <= table["high"])).sum()
            naive += ((table["sampling_low"] <= truth) & (truth <= table["sampling_high"])).sum()
        assert 0.9 < covered / (5 * n_runs) <= 1
        assert naive / (5 * n_runs) < 0.85

    def test_resamples_of_confusion_come_from_drawn_heads(self):
        whole, drawn = patterns.confusions(PREDICTIONS, LABELS)
        np.testing.assert_allclose(whole, confusion(PREDICTIONS, LABELS))
        assert drawn.shape == (1000, 5, 5)
        np.testing.assert_allclose(drawn.sum(-1), 1)
        np.testing.assert_allclose(drawn.mean(0), whole, atol=0.01)
        assert (drawn.std(0) > 0).any(-1).all()

    def test_a_pattern_missing_in_a_resample_or_altogether_is_no_gap(self):
        one_head = LABELS["pattern"].where(
            (LABELS["pattern"] != "Block") | ((LABELS["layer"] == 0) & (LABELS["head"] == 0)), "Vertical"
        )
        for annotated in (one_head, LABELS["pattern"].replace("Block", "Vertical")):
            labels = LABELS.assign(pattern=annotated)
            whole, drawn = patterns.confusions(predictions_of(labels, RIGHT), labels)
            np.testing.assert_allclose(whole.sum(-1), 1)
            np.testing.assert_allclose(drawn.sum(-1), 1)

    def test_seeds_of_a_task_share_their_resamples(self):
        copies = pd.concat([CLASSIFIED, CLASSIFIED.query("seed == 4").assign(seed=5)])
        found = {(one.task, one.seed): one for one in patterns.estimates(copies, PREDICTIONS, LABELS)}
        np.testing.assert_array_equal(found["RTE", 4].draws, found["RTE", 5].draws)
        assert (found["RTE", 4].draws != found["MRPC", 4].draws).any()

    def test_one_example_has_no_interval(self):
        table = shares_of(classified_of({("RTE", AFTER): EVEN}, n_examples=1), PREDICTIONS, LABELS)
        assert table[["low", "high", "sampling_low", "sampling_high"]].isna().all(axis=None)
        assert table["mean"].notna().all()

    def test_a_million_maps_take_seconds(self):
        part = classified_of({("RTE", AFTER): EVEN}, n_examples=1000, n_layers=6, n_heads=12)
        whole = pd.concat([part.assign(task=str(task)) for task in range(14)], ignore_index=True)
        assert len(whole) > 1_000_000
        start = time.process_time()
        shares_of(whole, PREDICTIONS, LABELS)
        assert time.process_time() - start < 10

    @pytest.mark.parametrize("spoil", ["missing", "doubled", "unknown"])
    def test_incomplete_and_unknown_maps_are_refused(self, spoil):
        wrong = {
            "missing": CLASSIFIED.iloc[1:],
            "doubled": pd.concat([CLASSIFIED, CLASSIFIED.head(1)]),
            "unknown": CLASSIFIED.assign(pattern=CLASSIFIED["pattern"].where(CLASSIFIED.index > 0, "Blok")),
        }
        with pytest.raises(ValueError, match="each example needs one of the five patterns"):
            patterns.by_head(wrong[spoil])


class TestHeadsAndLayers:
    def test_heads_are_those_of_a_loop(self):
        table = patterns.by_head(CLASSIFIED.sample(frac=1, random_state=0))
        columns = ["task", "seed", "checkpoint", "layer", "head", "main", "purity", *PATTERNS]
        assert table.columns.tolist() == columns
        assert len(table) == 6 * 3 * 4
        for row in table.to_dict("records"):
            seen = rows_of(CLASSIFIED, **{name: row[name] for name in columns[:5]})["pattern"]
            often = [(seen == pattern).sum() / 20 for pattern in PATTERNS]
            assert [row[pattern] for pattern in PATTERNS] == pytest.approx(often)
            assert row["main"] == PATTERNS[often.index(max(often))]
            assert row["purity"] == pytest.approx(max(often))

    def test_layers_are_those_of_a_loop(self):
        table = patterns.by_layer(CLASSIFIED.sample(frac=1, random_state=0))
        assert table.columns.tolist() == ["task", "seed", "checkpoint", "layer", "pattern", "mean", "low", "high"]
        assert len(table) == 6 * 3 * 5
        for row in table.to_dict("records"):
            seen = rows_of(CLASSIFIED, **{name: row[name] for name in ("task", "seed", "checkpoint", "layer")})
            per_example = (seen["pattern"] == row["pattern"]).groupby(seen["example"]).mean()
            expected = [float(number) for number in interval_of_mean(per_example)]
            assert [row["mean"], row["low"], row["high"]] == pytest.approx(expected)

    def test_purity_of_heads_with_one_pattern_and_with_all(self):
        heads = patterns.by_head(classified_of({("RTE", AFTER): [0, 0, 1, 0, 0], ("QQP", AFTER): EVEN}))
        table = patterns.median_purity(heads).set_index("task")
        assert table.loc["RTE", ["mean", "low", "high"]].eq(1).all()
        mean, low, high = table.loc["QQP", ["mean", "low", "high"]]
        assert mean == heads.query("task == 'QQP'")["purity"].median()
        assert low <= mean <= high < 0.9

    def test_changes_are_those_of_a_loop(self):
        heads = patterns.by_head(CLASSIFIED)
        table = patterns.changed(heads)
        assert table.columns.tolist() == ["task", "seed", "quantity", "mean", "low", "high"]
        moved = pd.DataFrame(0, index=PATTERNS, columns=PATTERNS)
        for (task, seed), group in table.groupby(["task", "seed"]):
            differs, distances = [], []
            for after in rows_of(heads, task=task, seed=seed, checkpoint=AFTER).to_dict("records"):
                (before,) = rows_of(
                    heads, task=task, checkpoint=BEFORE, layer=after["layer"], head=after["head"]
                ).to_dict("records")
                differs.append(before["main"] != after["main"])
                distances.append(sum(abs(before[pattern] - after[pattern]) for pattern in PATTERNS) / 2)
                moved.loc[before["main"], after["main"]] += 1
            by_quantity = group.set_index("quantity")
            assert by_quantity["mean"][patterns.CHANGED] == pytest.approx(np.mean(differs))
            assert by_quantity["mean"][patterns.DISTANCE] == pytest.approx(np.mean(distances))
            assert group["mean"].between(group["low"], group["high"]).all()
        found = patterns.moves(heads)
        assert (found.index.name, found.columns.name) == ("before", "after")
        np.testing.assert_array_equal(found, moved)

    def test_heads_without_a_before_are_refused(self):
        with pytest.raises(ValueError, match="no patterns from before"):
            patterns.changed(patterns.by_head(CLASSIFIED.query("task != 'RTE' or checkpoint == @AFTER")))


def test_annotated_shares_are_of_the_main_draw():
    table = patterns.annotated_shares(LABELS)
    assert table.columns.tolist() == ["checkpoint", "pattern", "n", "mean", "low", "high"]
    assert len(table) == 10
    for row in table.itertuples():
        group = rows_of(LABELS, draw="main", checkpoint=row.checkpoint)
        assert row.n == (group["pattern"] == row.pattern).sum()
        assert row.mean == pytest.approx(row.n / len(group))
        assert row.low <= row.mean <= row.high
    changed = LABELS.assign(pattern=LABELS["pattern"].where(LABELS["draw"] == "main", "Block"))
    pd.testing.assert_frame_equal(patterns.annotated_shares(changed), table)


class TestOverFineTunings:
    by = ("task", "pattern")

    def test_one_seed_keeps_its_interval(self):
        table = shares_of(CLASSIFIED.query("seed == 3 and checkpoint == @AFTER"), PREDICTIONS, LABELS)
        pd.testing.assert_frame_equal(patterns.over_fine_tunings(table, self.by), over_seeds(table, self.by))

    def test_several_seeds_never_hide_the_classifiers_error(self):
        table = pd.DataFrame({"task": "RTE", "pattern": "Block", "seed": [0, 1, 2], "mean": [0.2, 0.3, 0.4]})
        table = table.assign(low=table["mean"] - 0.05, high=table["mean"] + 0.1)
        row = patterns.over_fine_tunings(table, self.by).iloc[0]
        _, low, high = interval_of_mean([0.2, 0.3, 0.4])
        assert row["mean"] == pytest.approx(0.3)
        assert row["low"] == pytest.approx(0.3 - np.sqrt((0.3 - low) ** 2 + 0.05**2))
        assert row["high"] == pytest.approx(0.3 + np.sqrt((high - 0.3) ** 2 + 0.1**2))
        assert row["n_seeds"] == 3
