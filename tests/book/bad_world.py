"""A directory full of what a careless or malicious person might hand over: checkpoints, corpora, data, profiles."""

import json
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoTokenizer

from tests import own_models
from tests.book import toy
from tests.conftest import ROOT, save_encoder, write_task

PLANTED = "open('ran.txt', 'w').write('code of a checkpoint was run')\n"
ROWS = "".join(f"some words {row},{row % 2}\n" for row in range(12))
HUGE = "x" * 200_000
WHOLE_CORPUS = ("RTE", "STS-B", "SST-2")


def make(root: Path) -> Path:
    """Fill `root`, a toy book whose notebook declares all parameters of the real one, and return it."""
    toy.write(root, "layers", parameters=_all_parameters(), profile="")
    _profiles(root)
    _grids(root)
    _checkpoints(root)
    _corpora(root)
    _data(root)
    for name in ("full", "empty"):
        (root / name).mkdir()
    (root / "full/notes.txt").write_text("kept")
    (root / "file").write_text("no directory")
    (root / "loop").symlink_to("loop")
    return root


def _all_parameters() -> str:
    """The parameters cells of the real notebooks, a line for each name."""
    lines = dict.fromkeys(
        line
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        for cell in nbformat.read(path, as_version=4).cells
        if "parameters" in cell.metadata.get("tags", [])
        for line in cell.source.splitlines()
    )
    names = {line.split(":")[0]: line for line in lines if line.strip()}
    return "\n".join([toy.PARAMETERS, *(line for name, line in names.items() if f"{name}:" not in toy.PARAMETERS)])


GRIDS = {
    "empty": "",
    "unknown": "checkpoint: [minilm]",
    "word": "tasks: RTE",
    "none": "tasks: []",
    "twice": "tasks: [RTE, RTE]",
    "task": "tasks: [RTX]",
    "seed": "seeds: [-1]",
    "seed-type": "seeds: [x]",
    "checkpoint": "checkpoints: [../models/decoder]",
    "corpus": "corpora: [nowhere]",
    "chapter": "seeds: [1]\nchapters: [../x]",
    "parameter": "parameters: {layerz: [1]}",
    "type": "parameters: {layers: [x]}",
    "list": "parameters: [1]",
    "store": "parameters: {store: [file]}",
    "huge": f"parameters: {{max_train: {list(range(1, 200))}, epochs: {list(range(1, 200))}}}",
    "no-yaml": "a: [",
    "number-twice": "parameters: {layers: [1, 2, 1]}",
    "not-list": "parameters: {layers: 3}",
    "no-chapters": "chapters: []\nparameters: {layers: [1]}",
    "chapter-twice": "chapters: [01-toy, 01-toy]\nparameters: {layers: [1]}",
    "empty-value": "parameters: {labels: [[]]}",
    "good": "seeds: [0, 1]\nchapters: [01-toy]",
}
PROFILES = {
    "bomb": "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b, *b]\n",
    "object": "checkpoint: !!python/object/apply:os.system ['touch ran.txt']\n",
    "list-key": "[1, 2]: 3\n",
    "map-key": "{a: 1}: 3\n",
    "two": "layers: 1\n---\nlayers: 2\n",
    "deep": "labels: " + "[" * 2000 + "]" * 2000 + "\n",
    "merge": "<<: 5\n",
    "date": "checkpoint: 2020-01-01\n",
    "bad-date": "checkpoint: 2020-99-99\n",
    "loop": "labels: &a [*a]\n",
    "control": "checkpoint: \x07\n",
    "number-key": "5: 3\n",
    "surrogate": 'checkpoint: "\\ud800"\n',
    "zero": 'checkpoint: "a\\0b"\n',
    "newline": 'checkpoint: "a\\nb"\n',
    "huge": f"checkpoint: {HUGE}\n",
    "digits": f"layers: {'9' * 5000}\n",
    "base": "layers: 1:99999999999\n",
    "binary": "checkpoint: !!binary '***'\n",
    "set": "checkpoint: !!set {a, b}\n",
    "timestamp": "tolerated: !!timestamp soon\n",
    "null": "~: 3\n",
    "int": "layers: !!int many\n",
    "float": "scale: !!float many\n",
    "bool": "shuffle: !!bool maybe\n",
}


def _profiles(root: Path) -> None:
    folder = root / "bad"
    folder.mkdir()
    for name, text in PROFILES.items():
        (folder / f"{name}.yml").write_text(text)
    (folder / "latin.yml").write_bytes("checkpoint: é\n".encode("latin-1"))
    (folder / "directory.yml").mkdir()
    (folder / "utf16.yml").write_bytes("layers: 1\n".encode("utf-16"))


def _grids(root: Path) -> None:
    folder = root / "grids"
    folder.mkdir()
    for name, text in GRIDS.items():
        (folder / f"{name}.yml").write_text(f"profile: toy\n{text}\n")
    (folder / "profile.yml").write_text("profile: ../toy\n")
    (folder / "profiles.yml").write_text("profile: [toy]\n")


def _checkpoints(root: Path) -> None:
    folder = root / "models"
    good, data = own_models.bert_with_csv(folder)
    shutil.move(data, root / "pairs.csv")
    assert Path(good) == folder / "bert"

    def variant(name: str, of: str = "bert") -> Path:
        return Path(shutil.copytree(folder / of, folder / name))

    def configured(name: str, of: str = "bert", **changes: object) -> Path:
        path = variant(name, of) / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        return path.parent

    (folder / "nothing").mkdir()
    (variant("no-config") / "config.json").unlink()
    (variant("garbled-config") / "config.json").write_text('{"model_type": "bert", ')
    (variant("list-config") / "config.json").write_text("[1, 2]")
    (variant("latin-config") / "config.json").write_bytes(b'{"model_type": "bert", "name": "\xe9"}')
    configured("unknown-type", model_type="gpt-9000")
    configured("number-type", model_type=7)
    configured("word-layers", num_hidden_layers="many")
    configured("no-layers", "encoder", num_hidden_layers=0)
    configured("no-heads", "encoder", num_attention_heads=0)
    configured("odd-heads", "encoder", num_attention_heads=5)
    configured("more-layers", "encoder", num_hidden_layers=5)
    configured("other-size", "encoder", hidden_size=64)
    configured("negative-size", "encoder", hidden_size=-4)
    configured("several-labels", problem_type="multi_label_classification")
    configured("few-names", id2label={"0": "a"}, num_labels=2)
    weights = variant("truncated") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    (variant("empty-weights") / "model.safetensors").write_bytes(b"")
    weights = variant("not-finite") / "model.safetensors"
    tensors = load_file(weights)
    save_file({name: torch.full_like(one, float("nan")) for name, one in tensors.items()}, weights, {"format": "pt"})
    pickled = variant("pickle-only")
    (pickled / "model.safetensors").unlink()
    torch.save(tensors, pickled / "pytorch_model.bin")
    (variant("no-tokenizer") / "tokenizer.json").unlink()
    (variant("garbled-tokenizer") / "tokenizer.json").write_text("{")
    small = configured("small-vocabulary", "encoder", vocab_size=1000)
    tensors = load_file(small / "model.safetensors")
    embeddings = "embeddings.word_embeddings.weight"
    save_file(tensors | {embeddings: tensors[embeddings][:1000].clone()}, small / "model.safetensors", {"format": "pt"})
    for name, changes in CUSTOM_CODE.items():
        planted = configured(name, **changes)
        for module in ("planted.py", "configuration_planted.py"):
            (planted / module).write_text(PLANTED)
    planted = variant("tokenizer-code")
    path = planted / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": {"AutoTokenizer": [None, "planted.Tok"]}}))
    (planted / "planted.py").write_text(PLANTED)
    _decoder(folder / "decoder")
    save_encoder(
        folder / "deberta",
        "deberta-v2",
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
    )


MAP = {"AutoConfig": "planted.Config", "AutoModel": "planted.Model"}
MAP |= {"AutoModelForSequenceClassification": "planted.Model"}
CUSTOM_CODE = {
    "custom-code": {"auto_map": MAP, "model_type": "planted"},
    "known-type-with-code": {"auto_map": MAP},
}


def _decoder(directory: Path) -> None:
    sizes = {"vocab_size": 30522, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
    AutoModel.from_config(AutoConfig.for_model("gpt2", **sizes)).save_pretrained(directory)
    AutoTokenizer.from_pretrained(directory.parent / "encoder").save_pretrained(directory)


RTE = "index\tsentence1\tsentence2\tlabel\n"
CORPORA = {
    "header-only": RTE.encode(),
    "blank": b"\n\n",
    "empty": b"",
    "columns": b"a\tb\n1\t2\n",
    "labels": f"{RTE}0\ta\tb\tperhaps\n".encode(),
    "fields": f"{RTE}0\ta\tb\n".encode(),
    "latin": f"{RTE}0\t\xe9\tb\tentailment\n".encode("latin-1"),
    "binary": bytes(range(256)),
    "utf16": f"{RTE}0\ta\tb\tentailment\n".encode("utf-16"),
    "one": f"{RTE}0\ta\tb\tentailment\n".encode(),
}


def _corpora(root: Path) -> None:
    good = root / "corpora/good"
    for task in WHOLE_CORPUS:
        write_task(good, task, 20)
    for name, content in CORPORA.items():
        shutil.copytree(good, root / "corpora" / name)
        (root / "corpora" / name / "RTE/train.tsv").write_bytes(content)
    for name, score in {"nan": "nan", "high": "7", "word": "much"}.items():
        path = Path(shutil.copytree(good, root / "corpora" / f"score-{name}")) / "STS-B/train.tsv"
        path.write_text(path.read_text().replace("\t5.0\n", f"\t{score}\n", 1))
    missing = Path(shutil.copytree(good, root / "corpora/missing"))
    (missing / "RTE/dev.tsv").unlink()
    directory = Path(shutil.copytree(good, root / "corpora/directory")) / "RTE/train.tsv"
    directory.unlink()
    directory.mkdir()


DATA = {
    "mixed.csv": f"text,label\n{ROWS}".replace("some", "sôme").encode() + b"caf\xe9,1\n",
    "utf16-without-mark.csv": f"text,label\n{ROWS}".encode("utf-16-le"),
    "workbook.csv": b"PK\x03\x04",
    "page.csv": b"<!DOCTYPE html>\n<html>\n",
    "packed.csv.gz": b"\x1f\x8b123",
    "columns.json": b"[[1, 2],\n[3, 4]]\n",
    "few.csv": b"text,label\na,0\nb,1\n",
    "twice.csv": f"text,text,label\n{ROWS}".replace(",0", ",a,0").replace(",1", ",a,1").encode(),
    "ragged.csv": f"text,label\n{ROWS}a,b,c\n".encode(),
    "blank.csv": b"\n\n\n",
    "header.csv": b"text,label\n",
    "huge-label.csv": f"text,label\n{ROWS}words,{HUGE}\n".encode(),
    "infinite.csv": f"text,label\n{ROWS}words,inf\n".encode(),
    "withheld.csv": ("text,label\n" + "some words,-1\n" * 12).encode(),
    "from-one.csv": f"text,label\n{ROWS}".replace(",1", ",2").replace(",0", ",1").encode(),
    "half.csv": f"text,label\n{ROWS}words,0.5\n".encode(),
    "digits.csv": f"text,label\n{ROWS}words,{'9' * 5000}\n".encode(),
    "data.xlsx": b"PK\x03\x04",
    "data.pkl": b"\x80\x04N.",
    "pickle.parquet": b"\x80\x04N.",
    "truncated.parquet": b"PAR1" + b"\0" * 20,
    "list.jsonl": b"[1, 2]\n",
    "garbled.jsonl": b'{"text": "a", "label": 0}\n{"text": \n',
    "deep.jsonl": b'{"text": ' + b"[" * 100_000 + b"\n",
    "digits.jsonl": b'{"text": "a", "label": ' + b"9" * 5000 + b"}\n",
    "surrogate.jsonl": b"".join(b'{"text": "a\\ud800", "label": %d}\n' % (row % 2) for row in range(12)),
    "key-surrogate.jsonl": b"".join(b'{"te\\ud800xt": "a", "label": %d}\n' % (row % 2) for row in range(12)),
    "nested.jsonl": b"".join(b'{"text": {"a": [1]}, "label": %d}\n' % (row % 2) for row in range(12)),
    "nul.csv": f"text,label\n{ROWS}a\0b,1\n".encode(),
}


def _data(root: Path) -> None:
    (root / "data").mkdir()
    for name, content in DATA.items():
        (root / "data" / name).write_bytes(content)
    (root / "pointers").mkdir()
    (root / "pointers/rows.csv").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 1\n")
    (root / "data/directory.csv").mkdir()
    (root / "data/gone.csv").symlink_to("nowhere.csv")
    pd.DataFrame({"text": [b"a", b"b"] * 6, "label": [0, 1] * 6}).to_parquet(root / "data/bytes.parquet")
    script = root / "data/script"
    script.mkdir()
    (script / "script.py").write_text(PLANTED)
