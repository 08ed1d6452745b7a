"""The dry run of profile `paper`: what it asks for, and the costs that it works out."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.models import attention, checkpoints
from darksecrets.overview import paper_costs
from darksecrets_upkeep import dry_run, published
from tests.conftest import ROOT


def test_it_is_the_papers_profile_with_few_examples_and_what_is_asked_for(tiny_bert, tmp_path):
    profile = dry_run.profile_of(ROOT, [f"checkpoint={tiny_bert}", "corpus=pocket", f"store={tmp_path}", "seeds=1"])
    values = profile.values
    assert profile.name == "paper"
    assert values["tasks"] == list(TASKS)
    assert (values["seeds"], values["max_train"], values["epochs"]) == ([1], 32, 1)
    assert Path(profile.from_here()["checkpoint"]).resolve() == Path(tiny_bert).resolve()


def test_costs_rest_on_the_lengths_of_inputs_and_on_measured_times(tiny_bert, tmp_path):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    given = [f"checkpoint={tiny_bert}", "corpus=pocket:4/2", f"store={tmp_path / 'runs'}"]
    table = dry_run.costs(tmp_path, given)
    written = pd.read_csv(tmp_path / published.DIRECTORY / paper_costs.COSTS)
    pd.testing.assert_frame_equal(table, written)
    assert (table["tokens"] > 0).all()
    first = table.iloc[0]
    assert first["hours_processor"] == pytest.approx(first["tokens"] * first["seconds_training"] / 3600)
    assert first["seconds_training"] > first["seconds_reading"] > 0


def test_an_untrained_model_has_the_shape_of_the_papers_and_can_be_read(tmp_path):
    opened = checkpoints.load(str(dry_run.write_untrained(tmp_path / "bert")))
    assert (opened.n_layers, opened.n_heads) == (12, 12)
    assert 109e6 < opened.n_parameters < 110e6
    tokens, maps = attention.maps_of(opened.encoder(), opened.tokenizer, "He was becoming agitated.")
    assert tokens == ["[CLS]", "he", "was", "becoming", "agitated", ".", "[SEP]"]
    assert maps.shape == (12, 12, 7, 7)
    weights = torch.cat([weight.flatten() for weight in opened.encoder().encoder.parameters() if weight.dim() == 2])
    assert weights.std().item() == pytest.approx(checkpoints.BERT_STANDARD_DEVIATION, rel=0.01)
    with pytest.raises(InputError, match="is there already"):
        dry_run.write_untrained(tmp_path / "bert")


def test_a_training_token_takes_longer_than_one_that_is_read():
    seconds = dry_run.seconds_per_token(checkpoints.load("minilm"))
    assert seconds["training"] > seconds["reading"] > 0
