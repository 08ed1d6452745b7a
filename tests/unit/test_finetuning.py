"""Fine-tuning: it learns, repeats itself exactly, and goes on where it was killed."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from darksecrets.corpora import glue
from darksecrets.errors import InputError
from darksecrets.files import seal
from darksecrets.models import checkpoints, finetuning, training
from darksecrets.models.recipe import Recipe
from darksecrets.runs import Store
from darksecrets_upkeep import learning_rates
from tests.conftest import ROOT, wait_for, write_task

RECIPE = Recipe(learning_rate=1e-3, epochs=2)


@pytest.fixture
def corpus(tmp_path):
    write_task(tmp_path / "glue", "STS-B")
    return write_task(tmp_path / "glue", "RTE")


def weights(model):
    return torch.cat([parameter.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize(("task", "precision"), [("RTE", "float32"), ("STS-B", "float32"), ("STS-B", "bfloat16")])
def test_it_learns_what_can_be_learned(task, precision, corpus, tiny_bert, tmp_path):
    train, dev = (glue.load(task, split, corpus) for split in ("train", "dev"))
    checkpoint = checkpoints.load(tiny_bert)
    recipe = Recipe(learning_rate=3e-3, epochs=6, precision=precision)
    model = finetuning.finetune(checkpoint, train, recipe, 0, Store(tmp_path / "store"))
    predicted = finetuning.predict(model, checkpoint.tokenizer, dev)
    scores = glue.score(dev.task, [example.label for example in dev.examples], predicted)
    assert min(scores.values()) > 0.8, scores
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_predictions_are_in_the_order_of_the_examples(corpus, tiny_bert):
    dev = glue.load("STS-B", "dev", corpus)
    checkpoint = checkpoints.load(tiny_bert)
    model = checkpoint.classifier(1)
    predicted = finetuning.predict(model, checkpoint.tokenizer, dev)
    for row in (0, 57, 199):
        example = dev.examples[row]
        inputs = checkpoint.tokenizer(example.first, example.second, return_tensors="pt")
        with torch.inference_mode():
            assert predicted[row] == pytest.approx(model(**inputs).logits.item(), abs=1e-5)


def test_seeds_differ_and_repeat_and_settings_have_their_own_results(corpus, tiny_bert, tmp_path):
    train, checkpoint = glue.load("RTE", "train", corpus, 64), checkpoints.load(tiny_bert)

    def train_again(folder, seed, recipe=RECIPE):
        return weights(finetuning.finetune(checkpoint, train, recipe, seed, Store(tmp_path / folder)))

    first = train_again("one", 0)
    assert torch.equal(first, train_again("two", 0))
    assert not torch.equal(first, train_again("one", 1))
    assert not torch.equal(first, train_again("one", 0, Recipe(learning_rate=2e-3, epochs=2)))
    assert len(list((tmp_path / "one" / "finetuned").glob("*/model.safetensors"))) == 3


KILLED = """
import sys
from darksecrets.corpora import glue
from darksecrets.models import checkpoints, finetuning, training
from darksecrets.runs import Store

training.SECONDS_BETWEEN_SAVES = 0  # after every step
checkpoint = checkpoints.load(sys.argv[1])
train = glue.load("RTE", "train", sys.argv[2])
finetuning.finetune(checkpoint, train, finetuning.Recipe(learning_rate=1e-3, epochs=4), 0, Store(sys.argv[3]))
"""


def test_killed_training_goes_on_and_ends_with_the_same_weights(corpus, tiny_bert, tmp_path):
    command = [sys.executable, "-c", KILLED, tiny_bert, corpus]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    worker = subprocess.Popen(
        [*command, str(tmp_path / "killed")], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    # 200 examples in batches of 32 are 7 steps an epoch: step 12 lies inside the second of four epochs.
    wait_for(lambda: list((tmp_path / "killed").glob("finetuned/*.partial/checkpoint-12/result.json")))
    assert worker.poll() is None
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert not list((tmp_path / "killed").glob("finetuned/*/result.json"))
    subprocess.run([*command, str(tmp_path / "killed")], check=True, capture_output=True)
    ((whole,), (continued,)) = (
        list((tmp_path / name / "finetuned").glob("*/model.safetensors")) for name in ("whole", "killed")
    )
    assert whole.read_bytes() == continued.read_bytes()


@given(st.lists(st.integers(3, 128), min_size=1, max_size=700), st.integers(0, 5))
def test_batches_are_of_similar_length_in_random_order(lengths, seed):
    sampler = training._Sampler(lengths, 32, seed)
    order = list(sampler)
    assert sorted(order) == list(range(len(lengths)))
    assert order == list(training._Sampler(lengths, 32, seed)), "the order depends on seed and epoch alone"
    sampler.set_epoch(1)
    assert len(lengths) < 50 or order != list(sampler)


def test_batches_need_little_padding_and_do_not_run_from_long_to_short():
    lengths = np.random.default_rng(0).integers(5, 100, 2000)
    taken = lengths[list(training._Sampler(list(lengths), 32, 0))]
    batches = [taken[start : start + 32] for start in range(0, 2000, 32)]
    padded = sum(batch.max() * len(batch) for batch in batches)
    assert padded < 1.1 * lengths.sum(), "random batches would be padded to 1.8 times the tokens"
    longest = [batch.max() for batch in batches]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.3
    steps_down = np.mean(np.diff(longest) < 0)
    assert 0.3 < steps_down < 0.7


def test_a_save_that_was_cut_short_or_changed_is_named_and_dropped(tmp_path, capsys):
    for step in (100, 200, 300):
        saved = tmp_path / f"checkpoint-{step}"
        saved.mkdir()
        (saved / "model.safetensors").write_bytes(b"weights")
        (saved / "trainer_state.json").write_text("{}")
        if step < 300:
            seal(saved, {"step": step})
    (tmp_path / "checkpoint-200" / "model.safetensors").write_bytes(b"weight")
    assert training._last_saved(tmp_path) == str(tmp_path / "checkpoint-100")
    said = capsys.readouterr().err
    assert "checkpoint-300 is left out (result.json is missing)" in said
    assert "checkpoint-200 is left out (model.safetensors has changed)" in said
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-100"]


def test_a_result_holds_no_pickle_and_no_leftovers(corpus, tiny_bert, tmp_path):
    train, checkpoint = glue.load("RTE", "train", corpus, 64), checkpoints.load(tiny_bert)
    finetuning.finetune(checkpoint, train, RECIPE, 0, Store(tmp_path))
    names = {path.name for path in tmp_path.glob("finetuned/*/*")}
    assert names == {"config.json", "model.safetensors", "result.json", "tokenizer.json", "tokenizer_config.json"}


def test_a_result_is_a_checkpoint_that_can_be_opened(corpus, tiny_bert, tmp_path):
    train, checkpoint = glue.load("RTE", "train", corpus, 64), checkpoints.load(tiny_bert)
    model = finetuning.finetune(checkpoint, train, RECIPE, 0, Store(tmp_path))
    (config,) = tmp_path.glob("finetuned/*/config.json")
    opened = checkpoints.load(str(config.parent))
    query = "encoder.layer.1.attention.self.query.weight"
    assert torch.equal(opened.encoder().get_parameter(query), model.base_model.get_parameter(query))
    assert opened.fingerprint != checkpoint.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "half"}, "float32 and bfloat16"),
        ({"learning_rate": -1.0}, "positive"),
        ({"epochs": 0}, "positive"),
        ({"batch_size": 0}, "batch size 0"),
    ],
)
def test_recipe_refuses(changes, message):
    with pytest.raises(InputError, match=message):
        Recipe(**{"learning_rate": 1e-4, **changes})


def test_learning_rate_search_uses_train_only_and_finds_the_better_rate(corpus, tiny_bert, tmp_path, monkeypatch):
    monkeypatch.setattr(learning_rates, "HELD_OUT", 60)
    write_task(tmp_path / "glue", "STS-B", n_rows=600)
    kept, held_out = learning_rates.split_train(glue.load("STS-B", "train", corpus))
    assert len(held_out.examples) == 60
    assert not {example.id for example in kept.examples} & {example.id for example in held_out.examples}
    (tmp_path / "glue" / "STS-B" / "dev.tsv").write_text("an empty dev file, which must not be read")
    store = Store(tmp_path / "store")
    table = learning_rates.search(checkpoints.load(tiny_bert), corpus, ["STS-B"], [0], store, rates=(1e-7, 3e-3))
    assert list(table["learning_rate"]) == [1e-7, 3e-3]
    assert set(table[["epochs", "batch_size"]].itertuples(index=False, name=None)) == {(3, 32)}
    assert finetuning.best_learning_rate(table) == 3e-3


def test_the_rates_in_use_are_those_that_the_evidence_chose():
    evidence = pd.read_csv(ROOT / "notebooks" / "reference" / "learning-rates.csv")
    chosen = {name: finetuning.best_learning_rate(rows) for name, rows in evidence.groupby("checkpoint")}
    assert chosen == finetuning.LEARNING_RATES
