"""Section 4.3 in tables: every number against a plain computation, every verdict against data made to have it."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from darksecrets.evidence import fine_tuning, reported
from darksecrets.evidence.statistics import interval_of_mean

UNTUNED, RANDOM, TUNED = ("pretrained", False), ("random", True), ("pretrained", True)
SHARE_RIGHT = {UNTUNED: 0.5, RANDOM: 0.6, TUNED: 0.9}


def predictions_of(task, seed=0, n_examples=40, shares=SHARE_RIGHT):
    """Predictions of a task's three settings, right as often as `shares` says."""
    random = np.random.default_rng([seed, len(task)])
    tables = []
    for (initialization, finetuned), share in shares.items():
        if task == "STS-B":
            label = np.linspace(0, 5, n_examples)
            prediction = share * label + (1 - share) * random.normal(0, 5, n_examples)
        else:
            label = np.arange(n_examples) % 2
            prediction = np.where(random.random(n_examples) < share, label, 1 - label)
        table = pd.DataFrame({"example": [f"{row:03}" for row in range(n_examples)], "label": label})
        tables.append(
            table.assign(prediction=prediction, task=task, seed=seed, initialization=initialization, finetuned=finetuned)
        )
    return pd.concat(tables, ignore_index=True)


def all_predictions(tasks=("MRPC", "STS-B", "RTE"), seeds=(0,), **options):
    return pd.concat([predictions_of(task, seed, **options) for task in tasks for seed in seeds], ignore_index=True)


def of_setting(table, setting):
    return table[(table["initialization"] == setting[0]) & (table["finetuned"] == setting[1])]


PLAIN = {
    "accuracy": lambda label, prediction: sum(label == prediction) / len(label),
    "f1": lambda label, prediction: f1_score(label, prediction),
    "pearson": lambda label, prediction: np.corrcoef(label, prediction)[0, 1],
    "spearman": lambda label, prediction: np.corrcoef(label.rank(), prediction.rank())[0, 1],
}


class TestScores:
    def test_every_metric_of_every_setting_is_the_plain_one(self):
        predictions = all_predictions(seeds=(0, 1))
        table = fine_tuning.scores(predictions)
        columns = ["task", "metric", "seed", "initialization", "finetuned", "mean", "low", "high", "n_examples"]
        assert table.columns.tolist() == columns
        metrics = {"MRPC": ["f1", "accuracy"], "STS-B": ["pearson", "spearman"], "RTE": ["accuracy"]}
        assert len(table) == sum(map(len, metrics.values())) * 2 * 3
        for row in table.itertuples():
            rows = of_setting(predictions, (row.initialization, row.finetuned))
            rows = rows[(rows["task"] == row.task) & (rows["seed"] == row.seed)]
            assert row.mean == pytest.approx(PLAIN[row.metric](rows["label"], rows["prediction"]))
            assert row.low < row.mean < row.high
            assert row.n_examples == 40
        assert table.groupby("task", sort=False)["metric"].unique().map(list).to_dict() == metrics

    def test_the_interval_of_an_accuracy_is_the_binomial_one(self):
        row = fine_tuning.scores(predictions_of("RTE", n_examples=400)).iloc[-1]
        half = 1.96 * np.sqrt(row["mean"] * (1 - row["mean"]) / 400)
        assert (row["low"], row["high"]) == pytest.approx((row["mean"] - half, row["mean"] + half), abs=0.006)


class TestGains:
    @pytest.mark.parametrize("over", [RANDOM, UNTUNED])
    def test_difference_of_the_headline_metric(self, over):
        predictions = all_predictions()
        table = fine_tuning.gains(predictions, over).set_index("task")
        assert table["metric"].to_dict() == {"MRPC": "accuracy", "STS-B": "pearson", "RTE": "accuracy"}
        for task, row in table.iterrows():
            rows = predictions[predictions["task"] == task]
            best, base = (
                PLAIN[row["metric"]](side["label"], side["prediction"])
                for side in (of_setting(rows, TUNED), of_setting(rows, over))
            )
            assert row["mean"] == pytest.approx(best - base)
            assert row["low"] < row["mean"] < row["high"]

    def test_examples_are_paired_by_name_not_by_order(self):
        predictions = predictions_of("STS-B")
        backwards = pd.concat([of_setting(predictions, setting)[::-1] for setting in (TUNED, UNTUNED)])
        mixed = pd.concat([backwards, of_setting(predictions, RANDOM)])
        pd.testing.assert_frame_equal(fine_tuning.gains(predictions, RANDOM), fine_tuning.gains(mixed, RANDOM))

    def test_pairing_makes_the_interval_of_equal_models_nothing(self):
        # Drawn apart, two models that are right on the same half of the examples would differ by chance.
        predictions = predictions_of("RTE")
        random = of_setting(predictions, RANDOM)
        copy = of_setting(predictions, TUNED).assign(prediction=random["prediction"].to_numpy())
        row = fine_tuning.gains(pd.concat([random, copy]), RANDOM).iloc[0]
        assert (row["mean"], row["low"], row["high"]) == (0, 0, 0)

    def test_the_interval_is_that_of_the_mean_of_paired_differences(self):
        predictions = predictions_of("RTE", n_examples=300)
        right = {
            s: (rows["label"] == rows["prediction"]).to_numpy(float)
            for s, rows in ((s, of_setting(predictions, s)) for s in (TUNED, RANDOM))
        }
        row = fine_tuning.gains(predictions, RANDOM).iloc[0]
        expected = interval_of_mean(right[TUNED] - right[RANDOM])
        assert (row["mean"], row["low"], row["high"]) == pytest.approx([float(x) for x in expected], abs=0.012)


class TestTable1:
    columns = ("task", "metric", "setting", "paper", "reference run", "this run")

    def test_three_columns_in_the_order_of_the_run(self):
        found = fine_tuning.table_1(fine_tuning.scores(all_predictions()))
        assert found.columns.tolist() == list(self.columns)
        assert found["task"].tolist() == ["MRPC"] * 6 + ["STS-B"] * 6 + ["RTE"] * 3
        assert found[found["task"] == "RTE"]["setting"].tolist() == list(fine_tuning.SETTINGS.values())
        assert all(value is None for value in found["reference run"])

    def test_the_papers_numbers_stand_at_their_settings(self):
        found = fine_tuning.table_1(fine_tuning.scores(all_predictions()))
        shown = found.set_index(["task", "metric", "setting"])["paper"].to_dict()
        for row in reported.table_1().itertuples():
            key = (row.task, row.metric, fine_tuning.SETTINGS[row.initialization, row.finetuned])
            assert shown.pop(key, f"{100 * row.value:.1f}") == f"{100 * row.value:.1f}"
        assert set(shown) == {("STS-B", "spearman", setting) for setting in fine_tuning.SETTINGS.values()}
        assert all(value is None for value in shown.values())

    def test_one_seed_shows_the_interval_over_examples(self):
        table = fine_tuning.scores(predictions_of("RTE"))
        expected = [f"{100 * r.mean:.1f} [{100 * r.low:.1f}, {100 * r.high:.1f}]" for r in table.itertuples()]
        assert fine_tuning.table_1(table)["this run"].tolist() == expected

    def test_several_seeds_show_the_interval_over_seeds(self):
        table = fine_tuning.scores(all_predictions(["RTE"], seeds=(0, 1, 2)))
        values = of_setting(table, TUNED)["mean"].to_numpy()
        half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
        mean = values.mean()
        shown = fine_tuning.table_1(table)["this run"].iloc[-1]
        assert shown == f"{100 * mean:.1f} [{100 * (mean - half):.1f}, {100 * (mean + half):.1f}]"

    def test_the_reference_run_stands_beside_where_it_has_the_task(self):
        reference = fine_tuning.scores(predictions_of("RTE", seed=5))
        found = fine_tuning.table_1(fine_tuning.scores(all_predictions(["MRPC", "RTE"])), reference)
        assert found.columns.tolist() == list(self.columns)
        expected = [fine_tuning.per_cent(row) for _, row in reference.iterrows()]
        assert found["reference run"].tolist() == [None] * 6 + expected
        assert expected != found["this run"].tolist()[6:]

    def test_a_number_without_interval_shows_none(self):
        table = fine_tuning.scores(predictions_of("RTE", n_examples=1))
        assert all("[" not in text for text in fine_tuning.table_1(table)["this run"])


def similarities(by_layer, tasks=("RTE",), seeds=(0,), reading="paper", n_examples=5, n_heads=2, noise=0.01):
    """Similarities whose mean by layer is `by_layer`, with a little noise by seed, example and head."""
    keys = list(itertools.product(tasks, seeds, range(n_examples), range(len(by_layer)), range(n_heads)))
    table = pd.DataFrame(keys, columns=["task", "seed", "example", "layer", "head"])
    random = np.random.default_rng(0).uniform(-noise, noise, len(table))
    return table.assign(similarity=table["layer"].map(lambda layer: by_layer[layer]) + random, reading=reading)


class TestChangeBy:
    def test_heads_are_averaged_within_an_example_before_the_interval(self):
        table = similarities([0.9, 0.7], noise=0.05)
        for row in fine_tuning.change_by(table, ["layer"]).itertuples():
            rows = table[table["layer"] == row.layer]
            means = [rows[rows["example"] == example]["similarity"].mean() for example in range(5)]
            assert (row.mean, row.low, row.high) == pytest.approx([float(x) for x in interval_of_mean(means)])
            assert row.high - row.low != pytest.approx(
                np.diff(interval_of_mean(rows["similarity"])[1:]).item(), rel=0.01
            )

    def test_one_seed_gives_the_interval_over_examples_of_every_head(self):
        table = similarities([0.9, 0.7, 0.5], tasks=("RTE", "MRPC"))
        found = fine_tuning.change_by(table, ["layer", "head"])
        assert found.columns.tolist() == ["task", "reading", "layer", "head", "mean", "low", "high", "n_seeds"]
        assert len(found) == 2 * 3 * 2
        for row in found.itertuples():
            rows = table[(table["task"] == row.task) & (table["layer"] == row.layer) & (table["head"] == row.head)]
            expected = [float(x) for x in interval_of_mean(rows["similarity"])]
            assert (row.mean, row.low, row.high) == pytest.approx(expected)

    def test_several_seeds_give_the_interval_over_seeds(self):
        table = similarities([0.9, 0.7], seeds=(0, 1, 2), noise=0.1)
        for row in fine_tuning.change_by(table, ["layer"]).itertuples():
            rows = table[table["layer"] == row.layer]
            means = [rows[rows["seed"] == seed]["similarity"].mean() for seed in (0, 1, 2)]
            assert (row.mean, row.low, row.high) == pytest.approx([float(x) for x in interval_of_mean(means)])
            assert row.n_seeds == 3

    def test_readings_stay_apart_and_may_have_other_examples(self):
        table = pd.concat([similarities([0.9, 0.7]), similarities([0.8, 0.1], reading="released", n_examples=3)])
        found = fine_tuning.change_by(table, ["layer"]).set_index(["reading", "layer"])["mean"]
        assert found.round(1).tolist() == [0.9, 0.7, 0.8, 0.1]

    @given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
    @settings(max_examples=25, deadline=None)
    def test_the_mean_by_layer_is_the_mean_of_its_heads(self, values):
        table = similarities([0, 0], n_examples=2).assign(similarity=values)
        by_layer = fine_tuning.change_by(table, ["layer"]).set_index("layer")["mean"]
        by_head = fine_tuning.change_by(table, ["layer", "head"]).groupby("layer")["mean"].mean()
        assert by_layer.tolist() == pytest.approx(by_head.tolist())


class TestLastTwo:
    @pytest.mark.parametrize(
        ("by_layer", "difference", "most_changed", "said"),
        [
            ([0.9, 0.9, 0.9, 0.6, 0.5], 0.35, "4 and 5", "holds"),
            ([0.5, 0.9, 0.6, 0.9, 0.9], 2 / 3 - 0.9, "1 and 3", "does not hold"),
            ([0.8, 0.8, 0.8, 0.8, 0.8], 0.0, None, "cannot tell"),
        ],
    )
    def test_sign_and_layers(self, by_layer, difference, most_changed, said):
        table = fine_tuning.last_two_against_rest(similarities(by_layer, n_examples=20, n_heads=4))
        (row,) = table.itertuples()
        assert row.mean == pytest.approx(difference, abs=0.01)
        assert fine_tuning.verdict(row.low, row.high) == said
        assert most_changed is None or row.most_changed == most_changed

    def test_the_interval_is_that_of_the_paired_differences(self):
        table = similarities([0.9, 0.8, 0.7, 0.6], noise=0.1)
        is_last = table["layer"] >= 2
        parts = [table[rows].groupby("example")["similarity"].mean() for rows in (~is_last, is_last)]
        expected = [float(x) for x in interval_of_mean(parts[0] - parts[1])]
        (row,) = fine_tuning.last_two_against_rest(table).itertuples()
        assert (row.mean, row.low, row.high) == pytest.approx(expected)

    def test_several_seeds_give_the_interval_over_seeds(self):
        table = similarities([0.9, 0.8, 0.7, 0.6], seeds=(0, 1, 2), noise=0.1)
        is_last = table["layer"] >= 2
        parts = [table[rows].groupby("seed")["similarity"].mean() for rows in (~is_last, is_last)]
        (row,) = fine_tuning.last_two_against_rest(table).itertuples()
        expected = [float(x) for x in interval_of_mean(parts[0] - parts[1])]
        assert (row.mean, row.low, row.high) == pytest.approx(expected)

    def test_tasks_and_readings_have_their_own_rows(self):
        table = pd.concat(
            [
                similarities([0.9, 0.9, 0.6, 0.5], tasks=("RTE",)),
                similarities([0.5, 0.6, 0.9, 0.9], tasks=("QQP",)),
                similarities([0.9, 0.6, 0.5, 0.9], tasks=("RTE",), reading="released"),
            ]
        )
        found = fine_tuning.last_two_against_rest(table).set_index(["task", "reading"])
        assert found["most_changed"].to_dict() == {
            ("RTE", "paper"): "3 and 4",
            ("QQP", "paper"): "1 and 2",
            ("RTE", "released"): "2 and 3",
        }
        paper = found.reset_index().query("reading == 'paper'")
        assert fine_tuning.finding(paper) == "The last two layers change more on 1 of 2 tasks"
        shown = fine_tuning.last_two_table(paper).set_index("task")
        assert shown["last two change most?"].to_dict() == {"RTE": "holds", "QQP": "does not hold"}
        assert shown.loc["RTE", ["difference", "from", "to"]].tolist() == found.loc[
            ("RTE", "paper"), ["mean", "low", "high"]
        ].tolist()


class TestVerdicts:
    @pytest.mark.parametrize(
        ("low", "high", "said"),
        [
            (0.1, 0.2, "holds"),
            (-0.2, -0.1, "does not hold"),
            (-0.1, 0.1, "cannot tell"),
            (0.0, 0.1, "cannot tell"),
            (-0.1, 0.0, "cannot tell"),
            (float("nan"), float("nan"), "cannot tell"),
        ],
    )
    def test_verdict(self, low, high, said):
        assert fine_tuning.verdict(low, high) == said

    over_random = pd.DataFrame(
        [("RTE", 0, 0.2, 0.1, 0.3), ("QQP", 0, -0.2, -0.3, -0.1), ("MNLI", 0, 0.0, -0.1, 0.1), ("MRPC", 0, 0.4, 0.3, 0.5)],
        columns=["task", "seed", "mean", "low", "high"],
    )

    def test_claims_count_tasks(self):
        last_two = self.over_random.drop(columns="seed").iloc[:3]
        table = fine_tuning.claims(self.over_random, last_two)
        assert table.columns.tolist() == ["paper", "reference run", "this run, tasks on which it"]
        counts = table.iloc[:, 2].tolist()
        assert counts == ["holds: 2, does not hold: 1, cannot tell: 1", "holds: 1, does not hold: 1, cannot tell: 1"]
        assert "Table 1" in table["paper"][0] and "Figure 5" in table["paper"][1]

    def test_n_holding_counts_tasks_over_seeds(self):
        assert fine_tuning.n_holding(self.over_random) == 2
        # Both seeds are beyond 0 by themselves, and too far apart to say what a third one would give.
        seeds = self.over_random.iloc[[0, 0]].assign(seed=[0, 1], mean=[0.9, 0.1])
        assert fine_tuning.n_holding(seeds) == 0
        assert fine_tuning.n_holding(seeds.assign(mean=[0.51, 0.5])) == 1


class TestReading:
    def test_the_gain_tables_paper_column_is_table_1s_difference(self):
        over = fine_tuning.gains(all_predictions(("MRPC", "STS-B", "RTE", "QQP")), RANDOM)
        table = fine_tuning.gain_table(over, RANDOM)
        # Table 1: accuracy 82.3 and 68.3; Pearson 82.7 and 2.9; accuracy 64.6 and 52.7; 78.6 and 63.2.
        assert table["paper"].tolist() == ["14.0", "79.8", "11.9", "15.4"]
        assert table["this run"].tolist() == [fine_tuning.per_cent(row) for _, row in over.iterrows()]
        expected = [fine_tuning.verdict(row.low, row.high) for row in over.itertuples()]
        assert table["a gain?"].tolist() == expected
        untuned = fine_tuning.gain_table(fine_tuning.gains(all_predictions(["RTE"]), UNTUNED), UNTUNED)
        assert untuned["paper"].tolist() == ["11.9"]

    def test_seeds_are_averaged(self):
        over = fine_tuning.gains(all_predictions(["RTE"], seeds=(0, 1, 2)), RANDOM)
        table = fine_tuning.gain_table(over, RANDOM)
        assert len(table) == 1
        assert table["this run"][0].startswith(f"{100 * over['mean'].mean():.1f} [")

    def test_the_largest_difference_is_named_from_one(self):
        paper = similarities([0.9, 0.8, 0.7], tasks=("RTE", "MRPC"), noise=0)
        released = paper.assign(reading="released", similarity=paper["similarity"] - 0.05)
        here = (released["task"] == "MRPC") & (released["layer"] == 1)
        released.loc[here, "similarity"] = 0.95
        by_layer = fine_tuning.change_by(pd.concat([paper, released]), ["layer"])
        expected = "layer 2 on MRPC: 0.800 for the real tokens and 0.950 with padding"
        assert fine_tuning.largest_difference(by_layer) == expected
