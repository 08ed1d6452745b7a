"""Table 1, gains and verdicts of Section 4.3, against plain computations and data made to have them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from darksecrets import estimates, reported, verdicts
from darksecrets.sections import fine_tuning
from darksecrets.statistics import interval_of_mean

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
            table.assign(
                prediction=prediction, task=task, seed=seed, initialization=initialization, finetuned=finetuned
            )
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

    def test_seeds_without_the_setting_are_left_out(self):
        predictions = all_predictions(["RTE", "MRPC"], seeds=(0, 1, 2))
        fewer = predictions[(predictions["initialization"] != "random") | (predictions["seed"] == 1)]
        found, full = (fine_tuning.gains(table, RANDOM) for table in (fewer, predictions))
        assert found["seed"].tolist() == [1, 1]
        pd.testing.assert_frame_equal(found, full[full["seed"] == 1].reset_index(drop=True))
        assert len(fine_tuning.gains(fewer, UNTUNED)) == 6


class TestTable1:
    columns = ("task", "metric", "setting", "paper", "reference run", "this run")

    def test_three_columns_in_the_order_of_the_run(self):
        found = fine_tuning.table_1(fine_tuning.scores(all_predictions()))
        assert found.columns.tolist() == list(self.columns)
        assert found["task"].tolist() == ["MRPC"] * 6 + ["STS-B"] * 6 + ["RTE"] * 3
        assert found[found["task"] == "RTE"]["setting"].tolist() == list(fine_tuning.SETTING_NAMES.values())
        assert all(value is None for value in found["reference run"])

    def test_the_papers_numbers_stand_at_their_settings(self):
        found = fine_tuning.table_1(fine_tuning.scores(all_predictions()))
        shown = found.set_index(["task", "metric", "setting"])["paper"].to_dict()
        for row in reported.table_1().itertuples():
            key = (row.task, row.metric, fine_tuning.SETTING_NAMES[row.initialization, row.finetuned])
            assert shown.pop(key, f"{100 * row.value:.1f}") == f"{100 * row.value:.1f}"
        assert set(shown) == {("STS-B", "spearman", setting) for setting in fine_tuning.SETTING_NAMES.values()}
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
        expected = [estimates.format_estimate(row) for _, row in reference.iterrows()]
        assert found["reference run"].tolist() == [None] * 6 + expected
        assert expected != found["this run"].tolist()[6:]

    def test_each_setting_is_averaged_over_its_own_seeds(self):
        scores = fine_tuning.scores(all_predictions(["RTE", "MRPC"], seeds=(0, 1, 2)))
        fewer = scores[(scores["initialization"] != "random") | (scores["seed"] == 0)]
        found, full = (fine_tuning.table_1(table) for table in (fewer, scores))
        keys = ["task", "metric", "setting"]
        assert found[keys].to_numpy().tolist() == full[keys].to_numpy().tolist()
        is_random = found["setting"] == fine_tuning.SETTING_NAMES[RANDOM]
        assert found.loc[~is_random, "this run"].tolist() == full.loc[~is_random, "this run"].tolist()
        alone = fine_tuning.table_1(scores[scores["seed"] == 0])
        assert found.loc[is_random, "this run"].tolist() == alone.loc[is_random, "this run"].tolist()
        beside = fine_tuning.table_1(scores[scores["seed"] == 0], fewer)
        assert beside["reference run"].tolist() == found["this run"].tolist()

    def test_the_note_counts_seeds(self):
        one, three = (fine_tuning.scores(all_predictions(["RTE"], seeds=seeds)) for seeds in ((4,), (0, 1, 2)))
        fewer = three[(three["initialization"] != "random") | (three["seed"] == 0)]
        assert fine_tuning.seeds_note(one) == "This run has 1 seed."
        assert fine_tuning.seeds_note(three, one) == "This run has 3 seeds. The reference run has 1 seed."
        said = "This run has 1 seed. The reference run has 3 seeds, 1 of them from random weights too."
        assert fine_tuning.seeds_note(one, fewer) == said

    def test_a_number_without_interval_shows_none(self):
        table = fine_tuning.scores(predictions_of("RTE", n_examples=1))
        assert all("[" not in text for text in fine_tuning.table_1(table)["this run"])


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
        assert verdicts.verdict(low, high) == said

    def test_verdicts_are_counted_in_their_order(self):
        found = (verdict for verdict in ["cannot tell", "holds", "holds"])
        assert verdicts.counted(found) == "holds: 2, does not hold: 0, cannot tell: 1"
        assert verdicts.counted(pd.Series(dtype=str)) == "holds: 0, does not hold: 0, cannot tell: 0"

    over_random = pd.DataFrame(
        [
            ("RTE", 0, 0.2, 0.1, 0.3),
            ("QQP", 0, -0.2, -0.3, -0.1),
            ("MNLI", 0, 0.0, -0.1, 0.1),
            ("MRPC", 0, 0.4, 0.3, 0.5),
        ],
        columns=["task", "seed", "mean", "low", "high"],
    )

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
        assert table["this run"].tolist() == [estimates.format_estimate(row) for _, row in over.iterrows()]
        expected = [verdicts.verdict(row.low, row.high) for row in over.itertuples()]
        assert table["a gain?"].tolist() == expected
        untuned = fine_tuning.gain_table(fine_tuning.gains(all_predictions(["RTE"]), UNTUNED), UNTUNED)
        assert untuned["paper"].tolist() == ["11.9"]

    def test_the_reference_run_stands_beside_where_it_has_the_task(self):
        mine, other = (
            fine_tuning.gains(all_predictions(["RTE", "MRPC"], seeds=seeds), RANDOM) for seeds in ((0,), (1, 2))
        )
        table = fine_tuning.gain_table(mine, RANDOM, other[other["task"] == "MRPC"])
        alone = fine_tuning.gain_table(other, RANDOM).set_index("task")["this run"]
        assert table["reference run"].tolist() == [None, alone["MRPC"]]
        assert table.drop(columns="reference run").equals(
            fine_tuning.gain_table(mine, RANDOM).drop(columns="reference run")
        )
        assert alone["MRPC"] != table["this run"].tolist()[1]

    def test_seeds_are_averaged(self):
        over = fine_tuning.gains(all_predictions(["RTE"], seeds=(0, 1, 2)), RANDOM)
        table = fine_tuning.gain_table(over, RANDOM)
        assert len(table) == 1
        assert table["this run"][0].startswith(f"{100 * over['mean'].mean():.1f} [")
