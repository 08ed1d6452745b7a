"""The experimental setup: parameters checked once, examples chosen alike for every seed, provenance without places."""

import json
from pathlib import Path

import pytest
import torch

from darksecrets.errors import InputError
from darksecrets.models.setup import Setup
from tests.conftest import LEARNABLE, write_task


@pytest.fixture
def corpus(tmp_path):
    for task in LEARNABLE:
        write_task(tmp_path / "glue", task, n_rows=40)
    return str(tmp_path / "glue")


@pytest.fixture
def options(corpus, tiny_bert, tmp_path):
    return {
        "checkpoint": tiny_bert,
        "corpus": corpus,
        "tasks": ["RTE", "SST-2"],
        "max_train": 32,
        "epochs": 1,
        "learning_rate": 1e-3,
        "store": tmp_path / "store",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": []}, "no task given"),
        ({"tasks": ["RTE", "CoLA"]}, "unknown task 'CoLA'"),
        ({"tasks": ["RTE", "RTE"]}, "more than once"),
        ({"tasks": ["QQP"]}, "has no file QQP/train.tsv"),
        ({"corpus": "nowhere"}, "'nowhere' is not a directory"),
        ({"seeds": []}, "at least one"),
        ({"seeds": [1, 1]}, "each once"),
        ({"seeds": [-1]}, "each once, from 0"),
        ({"max_train": -1}, "max_train is -1"),
        ({"max_examples": -5}, "max_examples is -5"),
        ({"epochs": 0}, "epochs 0"),
        ({"batch_size": 0}, "batch size 0"),
        ({"learning_rate": -1e-4}, "-0.0001"),
        ({"precision": "half"}, "float32, bfloat16 and auto"),
        ({"store": __file__}, "is a file"),
    ],
)
def test_what_cannot_be_used_is_one_line_before_anything_is_loaded(options, changes, message):
    with pytest.raises(InputError) as caught:
        Setup(**(options | {"checkpoint": "not looked at"} | changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_initialization_is_refused(options):
    with pytest.raises(InputError, match="pretrained and random"):
        Setup(**options).load("fine-tuned")


def test_the_learning_rate_is_the_one_asked_for_or_the_checkpoints_own(options):
    assert Setup(**options).recipe.learning_rate == 1e-3
    assert Setup(**options | {"learning_rate": 0.0}).recipe.learning_rate == 2e-5
    assert Setup(**options | {"checkpoint": "minilm", "learning_rate": 0.0}).recipe.learning_rate == 1e-4


def test_the_recipe_has_the_values_that_were_asked_for(options):
    recipe = Setup(**options | {"epochs": 2, "batch_size": 8, "precision": "bfloat16"}).recipe
    assert (recipe.learning_rate, recipe.epochs, recipe.batch_size, recipe.precision) == (1e-3, 2, 8, "bfloat16")
    assert Setup(**options).recipe.batch_size == 32


def test_a_checkpoint_is_opened_once_for_each_initialization(options):
    setup = Setup(**options)
    assert setup.load() is setup.load("pretrained")
    assert setup.load("random") is setup.load("random")
    assert setup.load("random").initialization == "random"
    assert setup.load("random").fingerprint != setup.load().fingerprint


class TestSplit:
    def test_train_is_limited_by_max_train_and_dev_by_what_is_asked(self, options):
        setup = Setup(**options, max_examples=10)
        sizes = [len(setup.split("RTE", *asked).examples) for asked in [("train",), ("dev",), ("dev", 10), ("dev", 0)]]
        assert sizes == [32, 40, 10, 40]

    def test_examples_do_not_depend_on_the_training_seeds(self, options):
        splits = [Setup(**options, seeds=seeds).split("RTE", "train") for seeds in ([0], [1, 2])]
        assert splits[0].examples == splits[1].examples

    def test_fewer_examples_are_among_more(self, options):
        setup = Setup(**options)
        few, many = (setup.split("RTE", "dev", size).examples for size in (5, 15))
        assert set(few) < set(many)


def test_notes_name_every_task_that_is_not_official(options):
    notes = Setup(**options).notes()
    assert [note.split(" dev:")[0] for note in notes] == ["RTE", "SST-2"]
    assert all("40 rows instead of the official" in note for note in notes)
    assert "277" in notes[0] and "872" in notes[1]


@pytest.mark.glue
def test_official_splits_need_no_note(glue, options):
    notes = Setup(**options | {"corpus": glue, "tasks": ["RTE", "QQP"]}).notes()
    assert len(notes) == 1
    assert notes[0].startswith("QQP dev: 7,616 rows instead of the official 40,430")


class TestDescribed:
    def test_it_names_contents_and_no_place(self, options, corpus, tmp_path):
        described = Setup(**options).described()
        text = json.dumps(described)
        assert str(tmp_path) not in text
        assert str(Path(options["checkpoint"]).parent) not in text
        assert described["checkpoint"] == "checkpoint"
        assert described["tasks"] == ["RTE", "SST-2"]
        assert described["recipe"]["learning_rate"] == 1e-3
        fingerprints = [described["corpus"][task][name] for task in ("RTE", "SST-2") for name in ("train", "dev")]
        assert len(set(fingerprints)) == 4

    def test_equal_contents_elsewhere_are_described_alike(self, options, tmp_path):
        for task in LEARNABLE:
            write_task(tmp_path / "elsewhere", task, n_rows=40)
        moved = options | {"corpus": str(tmp_path / "elsewhere"), "store": tmp_path / "other"}
        assert Setup(**moved).described() == Setup(**options).described()

    @pytest.mark.parametrize(
        "changes", [{"seeds": [1]}, {"max_train": 8}, {"epochs": 2}, {"batch_size": 8}, {"tasks": ["RTE"]}]
    )
    def test_other_parameters_are_described_otherwise(self, options, changes):
        assert Setup(**options | changes).described() != Setup(**options).described()

    def test_a_hub_id_keeps_its_owner(self, options):
        setup = Setup(**options)
        object.__setattr__(setup, "checkpoint", "google-bert/bert-base-uncased")
        setup._checkpoints["pretrained"] = Setup(**options).load()
        assert setup.described()["checkpoint"] == "google-bert/bert-base-uncased"


def test_a_model_is_fine_tuned_once_and_seeds_differ(options):
    setup = Setup(**options)
    state = setup.finetuned("RTE", 0).state_dict()
    again = Setup(**options).finetuned("RTE", 0).state_dict()
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert [setup.is_finetuned("RTE", seed) for seed in (0, 1)] == [True, False]
    assert not setup.is_finetuned("RTE", 0, "random")
    finished = list(Path(options["store"]).glob("finetuned/*/result.json"))
    assert len(finished) == 1
    other = setup.finetuned("RTE", 1).state_dict()
    assert any(not torch.equal(state[name], other[name]) for name in state)
    assert len(list(Path(options["store"]).glob("finetuned/*/result.json"))) == 2
