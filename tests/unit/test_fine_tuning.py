"""Section 4.3 against plain computations and made effects: predictions, similarities, tables and claims."""

import itertools
import math
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from darksecrets import reported
from darksecrets.book import profiles
from darksecrets.corpora.glue import Example
from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.estimates import format_estimate
from darksecrets.models import attention, checkpoints, finetuning
from darksecrets.models.setup import Setup
from darksecrets.reported import RANDOM, SETTINGS, TUNED, UNTUNED
from darksecrets.runs import Run
from darksecrets.sections import fine_tuning
from darksecrets.sections.fine_tuning import (
    AVERAGE_GAIN,
    BEATS_RANDOM,
    EXCEPTION,
    INTERVAL,
    LAST_TWO,
    SETTING_NAMES,
    FineTuningTables,
)
from darksecrets.statistics import interval_of_mean
from darksecrets.verdicts import verdict
from tests.conftest import write_task

ALL = tuple(TASKS)
EXAMPLES = [Example(str(n), "word " * (1 + 3 * n), "other " * 4, 0) for n in range(6)]


def impossible(*_, **__):
    raise AssertionError("the store has it already")


def ends(values, **options):
    return pytest.approx([float(number) for number in interval_of_mean(values, **options)])


@pytest.fixture(scope="module")
def options(tiny_bert, tmp_path_factory):
    """Parameters of a setup on a small GLUE, with a store that the tests share."""
    root = tmp_path_factory.mktemp("scores")
    for task in ("RTE", "STS-B"):
        write_task(root / "glue", task, n_rows=60)
    recipe = {"max_train": 64, "epochs": 1, "learning_rate": 3e-3}  # two steps: the warm-up makes the first idle
    of_run = {"checkpoint": tiny_bert, "corpus": str(root / "glue"), "tasks": ["STS-B", "RTE"], "seeds": [0, 1]}
    return of_run | recipe | {"store": root / "store"}


@pytest.fixture(scope="module")
def table(options):
    return fine_tuning.predictions(Setup(**options), max_scored=30)


class TestPredictions:
    def test_all_settings_and_seeds_answer_the_same_examples(self, table, options):
        setup, key = Setup(**options), ["task", "seed", "initialization", "finetuned"]
        assert set(table.columns) == {"example", "label", "prediction", *key}
        groups = table.groupby(key, sort=False)
        assert list(groups.groups) == [
            (task, seed, *setting) for task in ("STS-B", "RTE") for seed in (0, 1) for setting in SETTINGS
        ]
        for (task, *_), group in groups:
            dev = setup.split(task, "dev", 30).examples
            assert group["example"].tolist() == [example.id for example in dev]
            assert group["label"].tolist() == [example.label for example in dev]

    def test_predictions_are_those_of_the_models_and_the_seed_decides_the_untrained_head(self, table, options):
        setup = Setup(**options)
        models = {
            UNTUNED: setup.load().classifier(1, seed=1),
            TUNED: setup.finetuned("STS-B", 1),
            RANDOM: setup.finetuned("STS-B", 1, "random"),
        }
        rows, answers = table[table["task"] == "STS-B"], []
        for setting, model in models.items():
            group = fine_tuning.of_setting(rows[rows["seed"] == 1], setting)
            answers.append(finetuning.predict(model, setup.load().tokenizer, setup.split("STS-B", "dev", 30)))
            assert group["prediction"].to_numpy() == pytest.approx(answers[-1], abs=1e-5)
        answers.append(fine_tuning.of_setting(rows[rows["seed"] == 0], UNTUNED)["prediction"].to_numpy())
        assert not any(np.allclose(*pair, atol=1e-3) for pair in itertools.combinations(answers, 2))

    def test_what_the_store_has_is_not_computed_again(self, table, options, monkeypatch, tmp_path):
        for name in ("predict", "finetune"):
            monkeypatch.setattr(finetuning, name, impossible)
        pd.testing.assert_frame_equal(fine_tuning.predictions(Setup(**options), 30), table)
        with pytest.raises(AssertionError, match="already"):  # the other examples are not there
            fine_tuning.predictions(Setup(**options), 29)
        fewer = fine_tuning.predictions(Setup(**options), 30, n_random=1)
        left_out = (table["initialization"] == "random") & (table["seed"] == 1)
        assert left_out.sum() == 2 * 30
        pd.testing.assert_frame_equal(fewer, table[~left_out].reset_index(drop=True))
        pd.testing.assert_frame_equal(fine_tuning.predictions(Setup(**options), 30, n_random=2), table)
        shutil.copytree(options["store"] / "predictions", tmp_path / "predictions")  # models are not needed any more
        pd.testing.assert_frame_equal(fine_tuning.predictions(Setup(**options | {"store": tmp_path}), 30), table)

    def test_the_first_seeds_are_those_that_come_first(self, table, options):
        first = fine_tuning.predictions(Setup(**options | {"seeds": [1, 0], "tasks": ["RTE"]}), 30, n_random=1)
        assert set(first.loc[first["initialization"] == "random", "seed"]) == {1}
        assert set(first.loc[first["initialization"] == "pretrained", "seed"]) == {0, 1}

    @pytest.mark.parametrize("n_random", [-1, 3])
    def test_seeds_that_there_are_not_are_refused(self, options, n_random):
        said = f"^n_random is {n_random}, but seeds has 2; give 0 for all, or at most 2$"
        with pytest.raises(InputError, match=said):
            fine_tuning.predictions(Setup(**options), n_random=n_random)

    def test_a_profile_refuses_them_before_any_kernel_starts(self):
        profiles.check_values({"n_random": 1, "seeds": [0]})
        for n_random, said in ((2, "n_random is 2, but seeds has 1"), (-1, "n_random is -1; it must")):
            with pytest.raises(InputError, match=f"^{said}"):
                profiles.check_values({"n_random": n_random, "seeds": [0]})

    def test_a_negative_limit_is_refused(self, options):
        with pytest.raises(InputError, match="-1"):
            fine_tuning.predictions(Setup(**options), -1)


def slow_cosine(one, other):
    pairs = [(a, b) for row, other_row in zip(one, other, strict=True) for a, b in zip(row, other_row, strict=True)]
    norm_one, norm_other = (math.sqrt(sum(pair[side] ** 2 for pair in pairs)) for side in (0, 1))
    return sum(a * b for a, b in pairs) / (norm_one * norm_other)


class TestSimilarity:
    def table(self, checkpoint, before, after, reading):
        reducer = fine_tuning.CosineSimilarity(before)
        encoded = attention.encode(checkpoint.tokenizer, EXAMPLES)
        attention.attention_pass(after, checkpoint.tokenizer, encoded, [reducer], fine_tuning.READINGS[reading])
        return reducer.table()

    @settings(deadline=None)
    @given(st.integers(0, 10_000), st.integers(1, 9))
    def test_cosine_equals_the_slow_version(self, seed, length):
        generator = torch.Generator().manual_seed(seed)
        one, other = (torch.randn(2, 3, length, length, generator=generator).softmax(-1) for _ in "ab")
        slow = [[slow_cosine(one[i, j].tolist(), other[i, j].tolist()) for j in range(3)] for i in range(2)]
        assert fine_tuning.cosine(one, other).numpy() == pytest.approx(np.array(slow), abs=1e-6)

    @pytest.mark.parametrize("reading", fine_tuning.READINGS)
    def test_a_model_is_like_itself(self, tiny_bert, reading):
        checkpoint = checkpoints.load(tiny_bert)
        table = self.table(checkpoint, checkpoint.encoder(), checkpoint.encoder(), reading)
        assert len(table) == 6 * 3 * 4
        assert table["similarity"].between(1 - 1e-5, 1 + 1e-5).all()

    def test_padding_does_not_enter_the_paper_reading_but_the_released_one(self, tiny_bert):
        checkpoint = checkpoints.load(tiny_bert)
        before, after = checkpoint.encoder(), checkpoints.load(tiny_bert, "random").encoder(seed=1)
        tables = {reading: self.table(checkpoint, before, after, reading) for reading in fine_tuning.READINGS}
        own = tables["paper"].set_index(["example", "layer", "head"])["similarity"]
        for row, example in enumerate(EXAMPLES):
            inputs = checkpoint.tokenizer(example.first, example.second, return_tensors="pt")
            with torch.inference_mode():
                maps = [torch.cat(model(**inputs, output_attentions=True).attentions) for model in (before, after)]
            for head in ((0, 0), (2, 3)):
                assert own[row, *head] == pytest.approx(slow_cosine(*(of[head].tolist() for of in maps)), abs=1e-5)
        assert (own.to_numpy() - tables["released"]["similarity"]).abs().max() > 0.01


SHARE_RIGHT = {UNTUNED: 0.5, RANDOM: 0.6, TUNED: 0.9}
PLAIN = {
    "accuracy": lambda label, prediction: sum(label == prediction) / len(label),
    "f1": lambda label, prediction: f1_score(label, prediction),
    "pearson": lambda label, prediction: np.corrcoef(label, prediction)[0, 1],
    "spearman": lambda label, prediction: np.corrcoef(label.rank(), prediction.rank())[0, 1],
}


def predictions_of(task, seed=0, n_examples=40):
    """Predictions of a task's three settings, right as often as `SHARE_RIGHT` says."""
    random, tables = np.random.default_rng([seed, len(task)]), []
    for (initialization, finetuned), share in SHARE_RIGHT.items():
        if task == "STS-B":
            label = np.linspace(0, 5, n_examples)
            prediction = share * label + (1 - share) * random.normal(0, 5, n_examples)
        else:
            label = np.arange(n_examples) % 2
            prediction = np.where(random.random(n_examples) < share, label, 1 - label)
        table = pd.DataFrame({"example": [f"{row:03}" for row in range(n_examples)], "label": label})
        made = {"task": task, "seed": seed, "initialization": initialization, "finetuned": finetuned}
        tables.append(table.assign(prediction=prediction, **made))
    return pd.concat(tables, ignore_index=True)


def all_predictions(tasks=("MRPC", "STS-B", "RTE"), seeds=(0,), **options):
    return pd.concat([predictions_of(task, seed, **options) for task in tasks for seed in seeds], ignore_index=True)


def with_random(table, seed):
    """Leave random weights out of all seeds but one."""
    return table[(table["initialization"] != "random") | (table["seed"] == seed)]


class TestScores:
    def test_every_metric_of_every_setting_is_the_plain_one(self):
        predictions = all_predictions(seeds=(0, 1))
        table = fine_tuning.scores(predictions)
        assert table.columns.tolist() == [
            *("task", "metric", "seed", "initialization", "finetuned", "mean", "low", "high", "n_examples")
        ]
        metrics = {"MRPC": ["f1", "accuracy"], "STS-B": ["pearson", "spearman"], "RTE": ["accuracy"]}
        assert table.groupby("task", sort=False)["metric"].unique().map(list).to_dict() == metrics
        assert len(table) == 5 * 2 * 3
        for row in table.itertuples():
            rows = fine_tuning.of_setting(predictions, (row.initialization, row.finetuned))
            rows = rows[(rows["task"] == row.task) & (rows["seed"] == row.seed)]
            assert row.mean == pytest.approx(PLAIN[row.metric](rows["label"], rows["prediction"]))
            assert row.low < row.mean < row.high
            assert row.n_examples == 40

    def test_the_interval_of_an_accuracy_is_the_binomial_one(self):
        row = fine_tuning.scores(predictions_of("RTE", n_examples=400)).iloc[-1]
        half = 1.96 * np.sqrt(row["mean"] * (1 - row["mean"]) / 400)
        assert (row["low"], row["high"]) == pytest.approx((row["mean"] - half, row["mean"] + half), abs=0.006)

    @pytest.mark.parametrize("over", [RANDOM, UNTUNED])
    def test_gains_are_differences_of_the_headline_metric(self, over):
        predictions = all_predictions()
        table = fine_tuning.gains(predictions, over).set_index("task")
        assert table["metric"].to_dict() == {"MRPC": "accuracy", "STS-B": "pearson", "RTE": "accuracy"}
        for task, row in table.iterrows():
            rows = predictions[predictions["task"] == task]
            sides = (fine_tuning.of_setting(rows, setting) for setting in (TUNED, over))
            best, base = (PLAIN[row["metric"]](side["label"], side["prediction"]) for side in sides)
            assert row["mean"] == pytest.approx(best - base)
            assert row["low"] < row["mean"] < row["high"]

    def test_gains_pair_examples_by_name(self):
        # Drawn apart, two models that are right on the same half of the examples would differ by chance.
        predictions = predictions_of("RTE", n_examples=300)
        best, random = (fine_tuning.of_setting(predictions, setting) for setting in (TUNED, RANDOM))
        backwards = fine_tuning.gains(pd.concat([best[::-1], random]), RANDOM)
        pd.testing.assert_frame_equal(backwards, fine_tuning.gains(predictions, RANDOM))
        right = [(side["label"] == side["prediction"]).to_numpy(float) for side in (best, random)]
        expected = [float(number) for number in interval_of_mean(right[0] - right[1])]
        assert backwards.loc[0, INTERVAL].tolist() == pytest.approx(expected, abs=0.012)
        copy = best.assign(prediction=random["prediction"].to_numpy())
        assert fine_tuning.gains(pd.concat([random, copy]), RANDOM).loc[0, INTERVAL].tolist() == [0, 0, 0]

    def test_gains_leave_out_seeds_without_the_setting(self):
        predictions = all_predictions(["RTE", "MRPC"], seeds=(0, 1, 2))
        fewer, full = (fine_tuning.gains(table, RANDOM) for table in (with_random(predictions, 1), predictions))
        pd.testing.assert_frame_equal(fewer, full[full["seed"] == 1].reset_index(drop=True))
        assert len(fewer) == 2
        assert len(fine_tuning.gains(with_random(predictions, 1), UNTUNED)) == 6


class TestTablesOfScores:
    def test_the_papers_numbers_stand_at_their_settings(self):
        table = fine_tuning.table_1(fine_tuning.scores(all_predictions()))
        assert table.columns.tolist() == ["task", "metric", "setting", "paper", "reference run", "this run"]
        assert table["task"].tolist() == ["MRPC"] * 6 + ["STS-B"] * 6 + ["RTE"] * 3
        assert table[table["task"] == "RTE"]["setting"].tolist() == list(SETTING_NAMES.values())
        assert all(value is None for value in table["reference run"])
        shown = table.set_index(["task", "metric", "setting"])["paper"].to_dict()
        for row in reported.table_1().itertuples():
            key = (row.task, row.metric, SETTING_NAMES[row.initialization, row.finetuned])
            assert shown.pop(key, f"{100 * row.value:.1f}") == f"{100 * row.value:.1f}"
        assert set(shown) == {("STS-B", "spearman", setting) for setting in SETTING_NAMES.values()}
        assert all(value is None for value in shown.values())

    def test_one_seed_shows_the_interval_over_examples_and_one_example_none(self):
        table = fine_tuning.scores(predictions_of("RTE"))
        assert fine_tuning.table_1(table)["this run"].tolist() == [format_estimate(row) for _, row in table.iterrows()]
        alone = fine_tuning.scores(predictions_of("RTE", n_examples=1))
        assert all("[" not in text for text in fine_tuning.table_1(alone)["this run"])

    def test_several_seeds_show_the_interval_over_seeds(self):
        table = fine_tuning.scores(all_predictions(["RTE"], seeds=(0, 1, 2)))
        values = fine_tuning.of_setting(table, TUNED)["mean"]
        expected = dict(zip(INTERVAL, interval_of_mean(values), strict=True))
        assert fine_tuning.table_1(table)["this run"].iloc[-1] == format_estimate(expected)

    def test_each_setting_is_averaged_over_its_own_seeds_and_the_reference_run_stands_beside(self):
        scores = fine_tuning.scores(all_predictions(["RTE", "MRPC"], seeds=(0, 1, 2)))
        first = scores[scores["seed"] == 0]
        fewer, full, alone = (fine_tuning.table_1(table) for table in (with_random(scores, 0), scores, first))
        is_random = fewer["setting"] == SETTING_NAMES[RANDOM]
        assert fewer["this run"].tolist() == full["this run"].where(~is_random, alone["this run"]).tolist()
        assert (alone["this run"] != full["this run"]).all()
        beside = fine_tuning.table_1(first, with_random(scores[scores["task"] == "MRPC"], 0))["reference run"]
        assert beside.tolist() == [None] * 3 + fewer["this run"].tolist()[3:]

    def test_the_note_counts_seeds(self):
        one, three = (fine_tuning.scores(all_predictions(["RTE"], seeds=seeds)) for seeds in ((4,), (0, 1, 2)))
        assert fine_tuning.seeds_note(one) == "This run has 1 seed."
        assert fine_tuning.seeds_note(three, one) == "This run has 3 seeds. The reference run has 1 seed."
        said = "This run has 1 seed. The reference run has 3 seeds, 1 of them from random weights too."
        assert fine_tuning.seeds_note(one, with_random(three, 0)) == said

    def test_gains_stand_beside_the_papers_differences_and_the_reference_runs(self):
        mine = fine_tuning.gains(all_predictions(("MRPC", "STS-B", "RTE", "QQP")), RANDOM)
        other = fine_tuning.gains(all_predictions(["RTE", "MRPC"], seeds=(1, 2)), RANDOM)
        table = fine_tuning.gain_table(mine, RANDOM, other[other["task"] == "MRPC"])
        # Table 1: accuracy 82.3 and 68.3; Pearson 82.7 and 2.9; accuracy 64.6 and 52.7; 78.6 and 63.2.
        assert table["paper"].tolist() == ["14.0", "79.8", "11.9", "15.4"]
        assert table["this run"].tolist() == [format_estimate(row) for _, row in mine.iterrows()]
        assert table["a gain?"].tolist() == [verdict(row.low, row.high) for row in mine.itertuples()]
        averaged = fine_tuning.gain_table(other, RANDOM).set_index("task")["this run"]
        assert table["reference run"].tolist() == [averaged["MRPC"], None, None, None]
        assert averaged["MRPC"].startswith(f"{100 * other.loc[other['task'] == 'MRPC', 'mean'].mean():.1f} [")
        untuned = fine_tuning.gain_table(fine_tuning.gains(all_predictions(["RTE"]), UNTUNED), UNTUNED)
        assert untuned["paper"].tolist() == ["11.9"]

    def test_tasks_that_hold_are_counted_over_seeds(self):
        rows = [("RTE", 0, 0.2, 0.1, 0.3), ("QQP", 0, -0.2, -0.3, -0.1), ("MNLI", 0, 0.0, -0.1, 0.1)]
        table = pd.DataFrame(rows, columns=["task", "seed", *INTERVAL])
        assert fine_tuning.n_holding(table) == 1
        # Both seeds are beyond 0 by themselves, and too far apart to say what a third one would give.
        seeds = table.iloc[[0, 0]].assign(seed=[0, 1], mean=[0.9, 0.1])
        assert fine_tuning.n_holding(seeds) == 0
        assert fine_tuning.n_holding(seeds.assign(mean=[0.51, 0.5])) == 1


def similarities(by_layer, tasks=("RTE",), seeds=(0,), reading="paper", n_examples=5, n_heads=2, noise=0.01):
    """Similarities whose mean by layer is `by_layer`, with a little noise by seed, example and head."""
    keys = list(itertools.product(tasks, seeds, range(n_examples), range(len(by_layer)), range(n_heads)))
    table = pd.DataFrame(keys, columns=["task", "seed", "example", "layer", "head"])
    random = np.random.default_rng(0).uniform(-noise, noise, len(table))
    return table.assign(similarity=table["layer"].map(lambda layer: by_layer[layer]) + random, reading=reading)


class TestChanges:
    @pytest.mark.parametrize(("seeds", "unit"), [((0,), "example"), ((0, 1, 2), "seed")])
    @pytest.mark.parametrize("by", [["layer"], ["layer", "head"]])
    def test_the_interval_is_over_examples_or_seeds_of_means_over_heads(self, seeds, unit, by):
        table = similarities([0.9, 0.7, 0.5], tasks=("RTE", "MRPC"), seeds=seeds, noise=0.1)
        means = fine_tuning.change_by(table, by)
        assert means.columns.tolist() == ["task", "reading", *by, "mean", "low", "high", "n_seeds"]
        assert len(means) == 2 * 3 * (2 if "head" in by else 1)
        assert set(means["n_seeds"]) == {len(seeds)}
        for row in means.to_dict("records"):
            rows = table[(table[["task", *by]] == [row[name] for name in ("task", *by)]).all(axis=1)]
            assert [row[name] for name in INTERVAL] == ends(rows.groupby(unit)["similarity"].mean())

    def test_readings_stay_apart_and_may_have_other_examples(self):
        table = pd.concat([similarities([0.9, 0.7]), similarities([0.8, 0.1], reading="released", n_examples=3)])
        means = fine_tuning.change_by(table, ["layer"]).set_index(["reading", "layer"])["mean"]
        assert means.round(1).tolist() == [0.9, 0.7, 0.8, 0.1]

    @given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
    @settings(max_examples=25, deadline=None)
    def test_the_mean_by_layer_is_the_mean_of_its_heads(self, values):
        table = similarities([0, 0], n_examples=2).assign(similarity=values)
        by_layer = fine_tuning.change_by(table, ["layer"]).set_index("layer")["mean"]
        by_head = fine_tuning.change_by(table, ["layer", "head"]).groupby("layer")["mean"].mean()
        assert by_layer.tolist() == pytest.approx(by_head.tolist())

    @pytest.mark.parametrize(
        ("by_layer", "said"),
        [
            ([0.9, 0.8, 0.4, 0.2], "0.85 on average in the first half of the layers, and 0.30 in the second"),
            ([0.9, 0.6, 0.3], "0.75 on average in the first half of the layers, and 0.30 in the second"),
        ],
    )
    def test_halves_are_of_real_tokens(self, by_layer, said):
        table = pd.concat([similarities(by_layer, noise=0), similarities([0.0] * len(by_layer), reading="released")])
        assert fine_tuning.halves(fine_tuning.change_by(table, ["layer"])) == said

    def test_what_padding_does_is_said_with_layers_from_one(self):
        paper = similarities([0.9, 0.8, 0.7], tasks=("RTE", "MRPC"), noise=0)
        released = paper.assign(reading="released", similarity=paper["similarity"] - 0.05)
        released.loc[(released["task"] == "MRPC") & (released["layer"] == 1), "similarity"] = 0.95
        released.loc[(released["task"] == "RTE") & (released["layer"] == 2), "similarity"] = 0.75
        by_layer = fine_tuning.change_by(pd.concat([paper, released]), ["layer"])
        expected = "layer 2 on MRPC: 0.800 for the real tokens and 0.950 with padding"
        assert fine_tuning.largest_difference(by_layer) == expected
        said = "Padding makes the last layer look more changed on 1 of 2 tasks"
        assert fine_tuning.padding_finding(by_layer) == said


class TestLastTwo:
    @pytest.mark.parametrize(
        ("by_layer", "difference", "pair", "most_changed", "said"),
        [
            ([0.9, 0.9, 0.8, 0.6, 0.5], 0.2, "4 and 3", "4 and 5", "holds"),
            ([0.5, 0.9, 0.6, 0.9, 0.8], -0.4, "4 and 1", "1 and 3", "does not hold"),
            ([0.99, 0.96, 0.95, 0.74, 0.83, 0.58], -0.09, "5 and 4", "4 and 6", "does not hold"),
            ([0.8, 0.8, 0.8, 0.8, 0.8], 0.0, None, None, "cannot tell"),
        ],
    )
    def test_the_comparison_least_in_favour_decides(self, by_layer, difference, pair, most_changed, said):
        (row,) = fine_tuning.last_two_against_rest(similarities(by_layer, n_examples=20, n_heads=4)).itertuples()
        assert row.mean == pytest.approx(difference, abs=0.01)
        assert verdict(row.low, row.high) == said
        assert pair is None or (row.pair, row.most_changed) == (pair, most_changed)

    def test_equal_layers_are_rarely_said_to_differ(self):
        said, table = [], similarities([0.8] * 6, n_examples=30)
        for seed in range(100):
            noise = np.random.default_rng(seed).normal(0, 0.05, len(table))
            (row,) = fine_tuning.last_two_against_rest(table.assign(similarity=0.8 + noise)).itertuples()
            said.append(verdict(row.low, row.high))
        assert said.count("cannot tell") >= 90

    @pytest.mark.parametrize(("seeds", "unit"), [((0,), "example"), ((0, 1, 2), "seed")])
    def test_the_interval_is_corrected_and_over_examples_or_seeds(self, seeds, unit):
        table = similarities([0.9, 0.8, 0.7, 0.6], seeds=seeds, noise=0.1)
        late, early = (table[table["layer"] == layer].groupby(unit)["similarity"].mean() for layer in (2, 1))
        (row,) = fine_tuning.last_two_against_rest(table).itertuples()
        assert [row.mean, row.low, row.high] == ends(early - late, level=1 - 0.05 / 4)
        assert row.pair == "3 and 2"

    def test_a_model_with_two_layers_is_refused(self):
        with pytest.raises(InputError, match="2 layers"):
            fine_tuning.last_two_against_rest(similarities([0.9, 0.8]))

    def test_tasks_and_readings_have_their_own_rows(self):
        tables = [similarities(*case) for case in (([0.9, 0.9, 0.6, 0.5],), ([0.5, 0.6, 0.9, 0.9], ("QQP",)))]
        tables.append(similarities([0.9, 0.6, 0.5, 0.9], reading="released"))
        table = fine_tuning.last_two_against_rest(pd.concat(tables))
        most_changed = {("RTE", "paper"): "3 and 4", ("QQP", "paper"): "1 and 2", ("RTE", "released"): "2 and 3"}
        assert table.set_index(["task", "reading"])["most_changed"].to_dict() == most_changed
        finding = fine_tuning.finding(table[table["reading"] == "paper"])
        assert finding == "The last two layers change most on 1 of 2 tasks"

    def test_both_runs_stand_beside_what_the_paper_says(self):
        columns = ["task", "pair", "most_changed", *INTERVAL]
        mine = pd.DataFrame(
            [("QQP", "5 and 3", "1 and 2", -0.2, -0.3, -0.1), ("RTE", "5 and 4", "5 and 6", 0.1234, 0.1, 0.15)],
            columns=columns,
        )
        theirs = pd.DataFrame([("RTE", "6 and 4", "5 and 6", 0.0, -0.1, 0.1)], columns=columns)
        table = fine_tuning.last_two_table(mine, theirs)
        runs = ["reference run", "this run"]
        assert table.columns.tolist() == ["task", "paper", *runs, *(f"{run}, closest pair" for run in runs)]
        qqp = ("1 and 2 (does not hold)", None, "5 and 3: -0.200 [-0.300, -0.100]")
        rte = ("5 and 6 (holds)", "6 and 4: 0.000 [-0.100, +0.100]", "5 and 4: +0.123 [+0.100, +0.150]")
        assert table.to_numpy().tolist() == [
            ["QQP", "not the last two", None, *qqp],
            ["RTE", "the last two", "5 and 6 (cannot tell)", *rte],
        ]
        assert fine_tuning.last_two_table(mine)["reference run"].tolist() == [None, None]


def gains(by_task, seeds=(0,), half=0.02, apart=0.0):
    """Gains by task: the same half width for all, and seeds that lie `apart`."""
    rows = [
        (task, "accuracy", seed, mean + number * apart)
        for task, mean in by_task.items()
        for number, seed in enumerate(seeds)
    ]
    table = pd.DataFrame(rows, columns=["task", "metric", "seed", "mean"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def last_two(by_task, half=0.01):
    """Differences of similarity by task."""
    table = pd.DataFrame({"task": list(by_task), "reading": "paper", "pair": "5 and 4", "mean": list(by_task.values())})
    table = table.assign(low=table["mean"] - half, high=table["mean"] + half, n_seeds=1)
    return table.assign(most_changed=np.where(table["mean"] > 0, "5 and 6", "1 and 2"))


def run_with(**tables):
    """A run with the tables that claims need; unless given, all seven tasks are as in the paper."""
    as_in_the_paper = {
        "over_random": gains(dict.fromkeys(ALL, 0.1)),
        "over_untuned": gains(dict.fromkeys(ALL, 0.359)),
        "last_two": last_two({task: -0.1 if task == "QQP" else 0.1 for task in ALL}),
    }
    as_in_the_paper["scores"] = pd.DataFrame(columns=["task", "metric", "seed", "initialization", "finetuned", "high"])
    return FineTuningTables(**dict.fromkeys(("by_head", "by_layer")), **as_in_the_paper | tables)


def counts(holds, fails, open_):
    return f"holds: {holds}, does not hold: {fails}, cannot tell: {open_}"


class TestClaims:
    def test_a_run_like_the_paper_has_all_claims(self):
        judged = fine_tuning.judge(run_with())
        assert list(judged) == [BEATS_RANDOM, AVERAGE_GAIN, LAST_TWO, EXCEPTION, fine_tuning.UNLEARNED]
        assert judged.pop(fine_tuning.UNLEARNED).verdict is None  # there are no scores of random weights
        assert {judgement.verdict for judgement in judged.values()} == {"holds"}
        assert judged[AVERAGE_GAIN].evidence == "+35.9 [+35.1, +36.7] points"

    def test_pre_training_is_judged_on_each_task_by_its_interval_over_seeds(self):
        judged = fine_tuning.judge(run_with(over_random=gains({"RTE": 0.1, "QQP": -0.1, "MNLI": 0.01})))
        assert judged[BEATS_RANDOM] == ("does not hold", "holds on 1 of 3 tasks, fails on 1", counts(1, 1, 1))
        alone = fine_tuning.judge(run_with(over_random=gains({"QQP": -0.1})))[BEATS_RANDOM]
        assert alone == ("does not hold", "-10.0 [-12.0, -8.0] points", counts(0, 1, 0))
        # Each seed alone is beyond 0; they are too far apart to say what a third one would give.
        seeds = fine_tuning.judge(run_with(over_random=gains({"RTE": 0.05}, seeds=(0, 1), apart=0.5)))
        assert seeds[BEATS_RANDOM].verdict == "cannot tell"

    def test_the_last_two_layers_and_the_exception_turn_each_others_sign(self):
        judged = fine_tuning.judge(run_with(last_two=last_two({"QQP": 0.2, "RTE": -0.2, "MNLI": 0.001})))
        assert judged[LAST_TWO].cell == counts(0, 1, 1)
        evidence = "-0.200 [-0.210, -0.190] in similarity"
        assert judged[EXCEPTION] == ("does not hold", evidence, "does not hold (layers 5 and 6 change most)")
        open_ = fine_tuning.judge(run_with(last_two=last_two({"QQP": 0.001})))
        assert open_[EXCEPTION].verdict == "cannot tell"
        assert open_[LAST_TWO] == (None, None, "not asked")

    @pytest.mark.parametrize(
        ("mean", "half", "tasks", "said"),
        [
            (0.359, 0.02, ALL, "holds"),
            (0.3662, 0.02, ALL, "holds"),  # the half width of the average is 0.02 / sqrt(7) = 0.00756
            (0.3668, 0.02, ALL, "does not hold"),
            (0.3512, 0.02, ALL, "does not hold"),
            (0.3668, np.nan, ALL, "cannot tell"),
            (0.359, 0.02, ALL[:-1], "cannot tell"),
            (0.9, 0.02, ALL[:-1], "cannot tell"),
        ],
    )
    def test_the_average_holds_where_its_interval_over_all_tasks_has_the_papers_number(self, mean, half, tasks, said):
        judged = fine_tuning.judge(run_with(over_untuned=gains(dict.fromkeys(tasks, mean), half=half)))
        assert judged[AVERAGE_GAIN].verdict == said

    def test_the_average_of_one_seed_has_the_interval_over_examples(self):
        table = gains({"RTE": 0.1, "QQP": 0.4}).assign(low=[0.07, 0.36], high=[0.13, 0.44])
        average, half = fine_tuning.average_gain(run_with(over_untuned=table)), np.hypot(0.03, 0.04) / 2
        assert average[INTERVAL].tolist() == pytest.approx([0.25, 0.25 - half, 0.25 + half])

    def test_the_average_of_several_seeds_has_the_interval_over_their_averages(self):
        # The tasks of a seed move against each other, which their average does not see.
        keys = itertools.product((0, 1, 2), ("RTE", "QQP"))
        table = pd.DataFrame(keys, columns=["seed", "task"]).assign(mean=[0.1, 0.5, 0.3, 0.32, 0.5, 0.1])
        average = fine_tuning.average_gain(run_with(over_untuned=table.assign(metric="accuracy", low=-9.0, high=9.0)))
        half = stats.t.ppf(0.975, 2) * np.std([0.3, 0.31, 0.3], ddof=1) / np.sqrt(3)
        assert average[INTERVAL].tolist() == pytest.approx([0.91 / 3, 0.91 / 3 - half, 0.91 / 3 + half])

    def test_both_runs_stand_beside_the_paper(self):
        other = run_with(
            over_random=gains({"RTE": -0.1, "QQP": 0.1}),
            over_untuned=gains({"RTE": 0.2, "QQP": 0.3}),
            last_two=last_two({"RTE": 0.1}),
        )
        table = fine_tuning.claims(run_with(), other)
        assert table["paper"].tolist() == ["holds", "by 35.9 points", "holds", "holds"]
        average, exception = "holds (35.9 [35.1, 36.7] points)", "holds (layers 1 and 2 change most)"
        assert table["this run"].tolist() == [counts(7, 0, 0), average, counts(6, 0, 0), exception]
        average = "cannot tell (25.0 [23.6, 26.4] points, without MRPC, STS-B, SST-2, QNLI, MNLI)"
        expected = [counts(1, 1, 0), average, counts(1, 0, 0), "not asked without QQP"]
        assert table["reference run"].tolist() == expected
        assert fine_tuning.claims(run_with())["reference run"].tolist() == [None] * 4

    def test_the_answer_counts_tasks_and_gives_the_average(self):
        run = run_with(over_random=gains(dict.fromkeys(ALL, 0.1) | {"RTE": -0.1, "QNLI": 0.0}))
        assert fine_tuning.answer(run) == (
            "the last two layers change most on 6 of 7 tasks; pre-trained weights beat random ones, after the same "
            "fine-tuning, on 5 of 7; and fine-tuning adds 35.9 [35.1, 36.7] points on average."
        )


class TestSavedTables:
    def tables(self, tasks=("RTE", "QQP"), by_layer=(0.9, 0.8, 0.7, 0.6), n_heads=2):
        predictions = with_random(all_predictions(tasks, seeds=(0, 1)), 0)
        options = {"tasks": tasks, "seeds": (0, 1), "n_heads": n_heads, "noise": 0.05}
        paper, released = similarities(by_layer, **options), similarities(by_layer, reading="released", **options)
        changes = pd.concat([paper, released])
        return FineTuningTables.of(predictions, changes), predictions, paper, changes

    def test_a_run_keeps_what_is_computed_from_predictions_and_similarities(self, tmp_path):
        tables, predictions, paper, changes = self.tables()
        tables.save(Run(tmp_path / "mine"), n_random=1)
        assert Run(tmp_path / "mine").made_from("tuning_scores") == {"n_random": 1}
        kept = FineTuningTables.find(Run(tmp_path / "mine"))
        expected = {
            "scores": fine_tuning.scores(predictions),
            "over_random": fine_tuning.gains(predictions, RANDOM),
            "over_untuned": fine_tuning.gains(predictions, UNTUNED),
            "by_head": fine_tuning.change_by(paper, ["layer", "head"]),
            "by_layer": fine_tuning.change_by(changes, ["layer"]),
            "last_two": fine_tuning.last_two_against_rest(paper),
        }
        for name, table in expected.items():
            pd.testing.assert_frame_equal(getattr(kept, name), table, check_dtype=False)
        assert kept.over_random["seed"].tolist() == [0, 0]
        assert (len(kept.by_head), len(kept.by_layer)) == (2 * 4 * 2, 2 * 2 * 4)

    def test_seven_tasks_are_small(self, tmp_path):
        tables, *_ = self.tables(ALL, [0.9] * 6, 12)
        tables.save(Run(tmp_path / "mine"))
        assert sum(path.stat().st_size for path in (tmp_path / "mine").glob("*.parquet")) < 70_000
