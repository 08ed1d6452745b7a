"""Table 1's predictions, and the metrics that score them."""

import shutil

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from darksecrets.book import profiles
from darksecrets.corpora.scores import evaluate
from darksecrets.errors import InputError
from darksecrets.models import finetuning
from darksecrets.models.setup import Setup
from darksecrets.reported import SETTINGS
from darksecrets.sections import fine_tuning
from tests.conftest import write_task

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


@pytest.fixture(scope="module")
def options(tiny_bert, tmp_path_factory):
    """Parameters of a setup on a small GLUE, with a store that the module's tests share."""
    root = tmp_path_factory.mktemp("scores")
    for task in ("RTE", "STS-B"):
        write_task(root / "glue", task, n_rows=60)
    return {
        "checkpoint": tiny_bert,
        "corpus": str(root / "glue"),
        "tasks": ["STS-B", "RTE"],
        "seeds": [0, 1],
        "max_train": 64,
        "epochs": 1,  # two steps: the warm-up makes the first one idle
        "learning_rate": 3e-3,
        "store": root / "store",
    }


@pytest.fixture(scope="module")
def table(options):
    return fine_tuning.predictions(Setup(**options), max_scored=30)


def test_one_row_per_task_seed_setting_and_example(table):
    assert set(table.columns) == {"example", "label", "prediction", "task", "seed", "initialization", "finetuned"}
    key = ["task", "seed", "initialization", "finetuned"]
    assert (table.groupby(key).size() == 30).all()
    settings = table.drop_duplicates(key)[key].itertuples(index=False, name=None)
    assert list(settings) == [(t, s, *setting) for t in ("STS-B", "RTE") for s in (0, 1) for setting in SETTINGS]


def test_all_settings_and_seeds_answer_the_same_examples(table, options):
    dev = Setup(**options).split("RTE", "dev", 30)
    for _, group in table[table["task"] == "RTE"].groupby(["seed", "initialization", "finetuned"]):
        assert group["example"].tolist() == [example.id for example in dev.examples]
        assert group["label"].tolist() == [example.label for example in dev.examples]


def test_predictions_are_those_of_the_models(table, options):
    setup = Setup(**options)
    dev = setup.split("STS-B", "dev", 30)
    models = {
        ("pretrained", False): setup.load().classifier(1, seed=1),
        ("pretrained", True): setup.finetuned("STS-B", 1),
        ("random", True): setup.finetuned("STS-B", 1, "random"),
    }
    rows = table[(table["task"] == "STS-B") & (table["seed"] == 1)]
    found = []
    for (initialization, finetuned), model in models.items():
        group = rows[(rows["initialization"] == initialization) & (rows["finetuned"] == finetuned)]
        expected = finetuning.predict(model, setup.load().tokenizer, dev)
        assert group["prediction"].to_numpy() == pytest.approx(expected, abs=1e-5)
        found.append(expected.round(3).tolist())
    assert found[0] != found[1] != found[2] != found[0]


def test_the_seed_decides_the_untrained_head(table):
    rows = table[(table["task"] == "STS-B") & ~table["finetuned"]]
    first, second = (rows[rows["seed"] == seed]["prediction"].to_numpy() for seed in (0, 1))
    assert not np.allclose(first, second)


def test_a_second_call_computes_nothing(table, options, monkeypatch):
    def impossible(*_):
        raise AssertionError("the store has it already")

    for name in ("predict", "finetune"):
        monkeypatch.setattr(finetuning, name, impossible)
    pd.testing.assert_frame_equal(fine_tuning.predictions(Setup(**options), 30), table)
    with pytest.raises(AssertionError, match="already"):  # the other examples are not there
        fine_tuning.predictions(Setup(**options), 29)


def test_models_are_not_needed_once_their_predictions_are_there(table, options, tmp_path):
    shutil.copytree(options["store"] / "predictions", tmp_path / "predictions")
    pd.testing.assert_frame_equal(fine_tuning.predictions(Setup(**options | {"store": tmp_path}), 30), table)
    assert not (tmp_path / "finetuned").exists()


def test_only_the_first_seeds_start_from_random_weights_and_nothing_is_computed_anew(table, options, monkeypatch):
    def impossible(*_):
        raise AssertionError("the store has it already")

    monkeypatch.setattr(finetuning, "finetune", impossible)
    found = fine_tuning.predictions(Setup(**options), 30, n_random=1)
    left_out = (table["initialization"] == "random") & (table["seed"] == 1)
    assert left_out.sum() == 2 * 30
    pd.testing.assert_frame_equal(found, table[~left_out].reset_index(drop=True))
    pd.testing.assert_frame_equal(fine_tuning.predictions(Setup(**options), 30, n_random=2), table)


def test_the_first_seeds_are_those_that_come_first(options):
    options = options | {"seeds": [1, 0], "tasks": ["RTE"]}
    found = fine_tuning.predictions(Setup(**options), 30, n_random=1)
    assert set(found.loc[found["initialization"] == "random", "seed"]) == {1}
    assert set(found.loc[found["initialization"] == "pretrained", "seed"]) == {0, 1}


@pytest.mark.parametrize("n_random", [-1, 3])
def test_seeds_that_there_are_not_are_refused(options, n_random):
    with pytest.raises(InputError, match=f"^n_random is {n_random}, but seeds has 2; give 0 for all, or at most 2$"):
        fine_tuning.predictions(Setup(**options), n_random=n_random)


@pytest.mark.parametrize(("n_random", "said"), [(2, "n_random is 2, but seeds has 1"), (-1, "n_random is -1; it must")])
def test_a_profile_refuses_them_before_any_kernel_starts(n_random, said):
    profiles.check_values({"n_random": 1, "seeds": [0]})
    with pytest.raises(InputError, match=f"^{said}"):
        profiles.check_values({"n_random": n_random, "seeds": [0]})


def test_a_negative_limit_is_refused(options):
    with pytest.raises(InputError, match="-1"):
        fine_tuning.predictions(Setup(**options), -1)
