"""Baselines against obvious computations: a constant, words that give the answer away, and words that do not."""

import re

import numpy as np
import pandas as pd
import pytest
import vl_convert
from scipy import stats

from darksecrets.corpora.glue import TASKS, Example, Split, majority, score
from darksecrets.errors import InputError
from darksecrets.figures import charts
from darksecrets.models.setup import Setup
from darksecrets.sections import baselines
from tests.conftest import write_task

WORDS = ("red", "blue", "green", "old", "new", "long", "short", "warm", "cold", "dark")


def split_of(task, rows, name="train"):
    """A split of rows (first, second, label)."""
    examples = tuple(Example(str(number), *row) for number, row in enumerate(rows))
    return Split(TASKS[task], name, examples, len(examples), False, f"{task}/{name}")


def made(task, label_of, n=120, seed=0):
    """Rows of random words, three in each sentence, labelled by `label_of(first, second)`."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        first, second = (list(generator.choice(WORDS, 3, replace=False)) for _ in range(2))
        pair = TASKS[task].is_pair
        rows.append((" ".join(first), " ".join(second) if pair else None, label_of(first, second)))
    return split_of(task, rows)


def labels_of(split):
    return np.array([example.label for example in split.examples])


METHODS = ("majority", "bag of words", "with overlap", "fine-tuned")
# What a bag of words can see: a word of the sentence, and of the second sentence.
VISIBLE = {
    "a word": ("SST-2", lambda first, second: int("red" in first)),
    "a word of the first sentence": ("RTE", lambda first, second: int("red" in first)),
    "a word of the second sentence": ("RTE", lambda first, second: int("red" in second)),
    "a word of both": ("MNLI", lambda first, second: ("red" in first) + ("red" in second)),
}


def _shares_a_word(first, second):
    return int(bool(set(first) & set(second)))


class TestBagOfWords:
    @pytest.mark.parametrize("name", VISIBLE)
    def test_it_finds_what_words_give_away(self, name):
        task, label_of = VISIBLE[name]
        train, dev = made(task, label_of, seed=1), made(task, label_of, seed=2)
        found = baselines.bag_of_words(train, dev)
        assert found.dtype.kind == "i"
        assert np.mean(found == labels_of(dev)) > 0.95

    def test_only_with_overlap_it_finds_whether_a_word_is_shared(self):
        train, dev = made("QQP", _shares_a_word, seed=1), made("QQP", _shares_a_word, seed=2)
        assert np.mean(baselines.bag_of_words(train, dev) == labels_of(dev)) < 0.85
        assert np.mean(baselines.bag_of_words(train, dev, with_overlap=True) == labels_of(dev)) > 0.95

    def test_with_overlap_it_finds_a_score_that_is_the_share_of_common_words(self):
        def label_of(first, second):
            return 5 * len(set(first) & set(second)) / 3

        train, dev = made("STS-B", label_of, seed=1), made("STS-B", label_of, seed=2)
        found = baselines.bag_of_words(train, dev, with_overlap=True)
        assert stats.pearsonr(found, labels_of(dev)).statistic > 0.99

    def test_it_does_not_see_the_order_of_words(self):
        train = made("SST-2", lambda first, second: int(first[0] < first[1]), n=400, seed=1)
        dev = made("SST-2", lambda first, second: int(first[0] < first[1]), n=400, seed=2)
        assert np.mean(baselines.bag_of_words(train, dev) == labels_of(dev)) < 0.75
        turned = [(" ".join(reversed(example.first.split())), None, example.label) for example in dev.examples]
        assert (
            baselines.bag_of_words(train, split_of("SST-2", turned)).tolist()
            == baselines.bag_of_words(train, dev).tolist()
        )

    def test_the_t_of_a_contraction_counts(self):
        rows = [(("They did go", "They didn't go")[number % 2], None, number % 2) for number in range(40)]
        split = split_of("SST-2", rows)
        assert baselines.bag_of_words(split, split).tolist() == labels_of(split).tolist()

    @pytest.mark.parametrize("task", ["RTE", "STS-B"])
    def test_too_few_training_examples_are_refused_in_one_line(self, task):
        few = split_of(task, [("one", "two", 1)] * 4 + [("three", "four", 0)] * (20 if task == "RTE" else 0))
        with pytest.raises(InputError, match=f"{task}: a bag of words needs 5 training examples") as caught:
            baselines.bag_of_words(few, few)
        assert "\n" not in str(caught.value)


class TestMajority:
    def test_it_scores_what_the_best_constant_scores(self):
        for task in ("RTE", "MNLI", "MRPC", "STS-B"):
            dev = made(task, lambda first, second: len(set(first) & set(second)) % 2, seed=3)
            found = baselines.majority(dev, dev)
            assert len(set(found)) == 1
            assert score(TASKS[task], labels_of(dev), found) == majority(TASKS[task], labels_of(dev))

    def test_it_is_chosen_on_the_examples_that_it_is_scored_on(self):
        train = split_of("SST-2", [("a", None, 0)] * 9)
        dev = split_of("SST-2", [("a", None, 1)] * 5 + [("a", None, 0)] * 4)
        assert baselines.majority(train, dev).tolist() == [1] * 9


@pytest.fixture(scope="module")
def setup(tiny_bert, tmp_path_factory):
    root = tmp_path_factory.mktemp("baselines")
    for task in ("RTE", "STS-B"):
        write_task(root / "glue", task, n_rows=60)
    recipe = {"max_train": 48, "epochs": 1, "learning_rate": 3e-3}
    return Setup(tiny_bert, str(root / "glue"), ["STS-B", "RTE"], [0, 1], **recipe, store=root / "store")


@pytest.fixture(scope="module")
def predictions(setup):
    return pd.concat([baselines.predictions(setup), baselines.finetuned(setup)], ignore_index=True)


class TestPredictions:
    def test_one_row_per_task_method_seed_and_example(self, setup, predictions):
        assert set(predictions.columns) == {"task", "method", "seed", "example", "label", "prediction"}
        sizes = predictions.groupby(["task", "method"], sort=False).size()
        assert sizes.to_dict() == {
            (task, method): 60 * (1 + (method == "fine-tuned")) for task in ("STS-B", "RTE") for method in METHODS
        }
        dev = setup.split("RTE", "dev")
        for _, group in predictions[predictions["task"] == "RTE"].groupby(["method", "seed"]):
            assert group["example"].tolist() == [example.id for example in dev.examples]
            assert group["label"].tolist() == labels_of(dev).tolist()

    def test_the_bag_of_words_sees_the_training_examples_of_the_setup(self, setup, predictions):
        rows = predictions[(predictions["task"] == "RTE") & (predictions["method"] == "bag of words")]
        expected = baselines.bag_of_words(setup.split("RTE", "train"), setup.split("RTE", "dev"))
        assert rows["prediction"].tolist() == expected.tolist()
        assert len(setup.split("RTE", "train").examples) == 48

    def test_a_second_call_computes_nothing(self, setup, predictions, monkeypatch):
        def impossible(*_):
            raise AssertionError("the store has it already")

        for method in baselines.METHODS:
            monkeypatch.setitem(baselines.METHODS, method, impossible)
        again = baselines.predictions(setup)
        expected = predictions[predictions["method"] != "fine-tuned"].reset_index(drop=True)
        pd.testing.assert_frame_equal(again, expected, check_dtype=False)


# Right answers out of ten, by method and seed.
RIGHT = {
    ("majority", 0): 5,
    ("bag of words", 0): 6,
    ("with overlap", 0): 7,
    ("fine-tuned", 0): 8,
    ("fine-tuned", 1): 9,
    ("fine-tuned", 2): 10,
}


def made_predictions(task="RTE", n=100, right=RIGHT):
    label = np.arange(n) % 2
    tables = []
    for (method, seed), tenths in right.items():
        prediction = np.where(np.arange(n) // 2 % 10 < tenths, label, 1 - label)
        table = pd.DataFrame({"example": [f"{row:03}" for row in range(n)], "label": label, "prediction": prediction})
        tables.append(table.assign(task=task, method=method, seed=seed))
    return pd.concat(tables, ignore_index=True)


class TestEvidence:
    def test_scores_are_shares_of_right_answers_with_a_binomial_interval(self):
        table = baselines.scores(made_predictions(n=400))
        assert table["mean"].tolist() == pytest.approx([tenths / 10 for tenths in RIGHT.values()])
        half = 1.96 * np.sqrt(0.6 * 0.4 / 400)
        assert table.loc[1, ["low", "high"]].tolist() == pytest.approx([0.6 - half, 0.6 + half], abs=0.006)

    def test_the_model_has_an_interval_over_seeds_and_the_baselines_one_over_examples(self):
        table = baselines.by_method(baselines.scores(made_predictions())).set_index("method")
        assert table["n_seeds"].to_dict() == dict.fromkeys(METHODS, 1) | {"fine-tuned": 3}
        half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
        assert table.loc["fine-tuned", ["mean", "low", "high"]].tolist() == pytest.approx([0.9, 0.9 - half, 0.9 + half])
        assert 0.49 < table.loc["bag of words", "low"] < 0.6 < table.loc["bag of words", "high"] < 0.71

    def test_gains_are_differences_of_the_headline_metric_on_the_same_examples(self):
        table = baselines.gains(made_predictions(task="MRPC")).set_index(["over", "seed"])
        assert set(table["metric"]) == {"accuracy"}
        expected = {(over, seed): (8 + seed - RIGHT[over, 0]) / 10 for over in baselines.METHODS for seed in range(3)}
        assert table["mean"].to_dict() == pytest.approx(expected)
        # The model is right wherever the bag of words is: of each example the gain is 0 or 1.
        assert table.loc[("bag of words", 0), "low"] > 0.1

    def test_examples_are_matched_by_id(self):
        predictions = made_predictions()
        shuffled = predictions.sample(frac=1, random_state=0)
        key = ["over", "seed"]
        pd.testing.assert_series_equal(
            baselines.gains(shuffled).set_index(key)["mean"].sort_index(),
            baselines.gains(predictions).set_index(key)["mean"].sort_index(),
        )

    def test_tables_for_reading(self):
        predictions = pd.concat([made_predictions("QNLI"), made_predictions("RTE", right=dict.fromkeys(RIGHT, 5))])
        scored, gained = baselines.scores(predictions), baselines.gains(predictions)
        table = baselines.score_table(scored)
        assert table.columns.tolist() == ["task", "metric", *METHODS]
        assert table["task"].tolist() == ["QNLI", "RTE"]
        assert table["fine-tuned"].tolist() == ["90.0 [65.2, 114.8]", "50.0 [50.0, 50.0]"]
        gain_table = baselines.gain_table(gained)
        columns = [title.format(method) for title in ("over {}", "ahead of {}?") for method in METHODS[:-1]]
        assert gain_table.columns.tolist() == ["task", "metric", *columns]
        assert gain_table["over bag of words"].tolist() == ["30.0 [5.2, 54.8]", "0.0 [0.0, 0.0]"]
        assert gain_table["ahead of bag of words?"].tolist() == ["holds", "cannot tell"]
        assert baselines.finding(gained) == "Fine-tuning beats a bag of words on 1 of 2 tasks"

    def test_the_headline_metric_of_a_score_is_pearsons(self, predictions):
        table = baselines.scores(predictions)
        assert table.groupby("task")["metric"].unique().map(list).to_dict() == {
            "RTE": ["accuracy"],
            "STS-B": ["pearson"],
        }
        tuned = predictions[(predictions["task"] == "STS-B") & (predictions["method"] == "fine-tuned")]
        first = tuned[tuned["seed"] == 0]
        expected = np.corrcoef(first["label"], first["prediction"])[0, 1]
        row = table[(table["task"] == "STS-B") & (table["method"] == "fine-tuned") & (table["seed"] == 0)]
        assert row["mean"].item() == pytest.approx(expected)


def test_the_chart_draws_a_point_and_an_interval_for_every_task_and_method():
    tables = [made_predictions(task) for task in ("MRPC", "RTE")]
    chart = baselines.method_chart(baselines.by_method(baselines.scores(pd.concat(tables))), "A finding").to_dict()
    (rows,) = chart["datasets"].values()
    assert len(rows) == 2 * len(METHODS)
    assert {row["method"] for row in rows} == set(charts.SCALES["method"].domain)


def test_the_chart_fits_a_phone_with_all_tasks():
    chart = baselines.method_chart(
        baselines.by_method(baselines.scores(pd.concat([made_predictions(task) for task in TASKS]))),
        "Fine-tuning beats a bag of words on 7 of 7 tasks",
    )
    drawn = vl_convert.vegalite_to_svg(chart.to_dict())
    assert charts.WIDTH < float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= 400
    assert all(f">{task}<" in drawn for task in TASKS)
