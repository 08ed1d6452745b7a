"""What the upkeep trains and measures: models without the run's shortcuts, and the dry run of profile `paper`."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.models import attention, checkpoints
from darksecrets.models.setup import Setup
from darksecrets.overview import paper_costs
from darksecrets_upkeep import dry_run, published, shortcuts
from tests.conftest import ROOT


@pytest.fixture
def setup(tiny_bert, tmp_path):
    """Of one small task, all of it and with one seed."""
    return Setup(tiny_bert, "pocket:12/6", ["RTE"], [0], 0, epochs=1, learning_rate=1e-3, store=tmp_path)


def test_a_cut_task_is_trained_on_all_examples_and_a_small_one_in_float32(setup):
    cut = replace(setup, max_train=8)
    assert [table["instead"].tolist() for table in shortcuts.compared(cut)] == [[shortcuts.ALL_EXAMPLES]]
    assert setup.is_finetuned("RTE", 0, "pretrained")
    table = pd.concat(shortcuts.compared(replace(cut, precision="bfloat16")))
    assert table["instead"].tolist() == [shortcuts.ALL_EXAMPLES, shortcuts.FLOAT32]
    assert table[["run", "other"]].apply(lambda scores: scores.between(0, 1).all()).all()


def test_a_large_task_of_a_run_that_cuts_none_is_trained_on_fewer_examples_with_every_seed(setup, monkeypatch):
    monkeypatch.setattr(shortcuts, "FEWER", 8)
    both = replace(setup, seeds=[0, 1])
    table = pd.concat(shortcuts.compared(both))
    assert table[["instead", "seed"]].to_numpy().tolist() == [[shortcuts.FEWER_EXAMPLES, seed] for seed in (0, 1)]
    assert replace(both, max_train=8).is_finetuned("RTE", 1, "pretrained")
    monkeypatch.setattr(shortcuts, "FEWER", 12)
    assert list(shortcuts.compared(both)) == []


def test_the_dry_run_is_the_papers_profile_with_few_examples_and_what_is_asked_for(tiny_bert, tmp_path):
    given = [f"checkpoint={tiny_bert}", "corpus=pocket", f"store={tmp_path}", "seeds=1"]
    profile = dry_run.profile_of(ROOT, given)
    assert (profile.name, profile.values["tasks"]) == ("paper", list(TASKS))
    assert [profile.values[name] for name in ("seeds", "max_train", "epochs")] == [[1], 32, 1]
    assert Path(profile.from_here()["checkpoint"]).resolve() == Path(tiny_bert).resolve()


def test_costs_rest_on_the_lengths_of_inputs_and_on_measured_times(tiny_bert, tmp_path):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    table = dry_run.costs(tmp_path, [f"checkpoint={tiny_bert}", "corpus=pocket:4/2", f"store={tmp_path / 'runs'}"])
    pd.testing.assert_frame_equal(table, pd.read_csv(tmp_path / published.DIRECTORY / paper_costs.COSTS))
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
