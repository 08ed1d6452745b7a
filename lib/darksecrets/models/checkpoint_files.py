"""A checkpoint's directory before any of it is loaded: settings that can be read, whole safetensors, no code.

What is no checkpoint, but often taken for one, is named with what to do: an adapter, a Trainer's output, pointers in
place of files, weights in another format, pruned or quantized.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from darksecrets.errors import InputError, one_line
from darksecrets.files import LFS_POINTER

ACCEPTED = "accepted are 'minilm' (works offline), a Hub id such as 'google-bert/bert-base-uncased', or a directory"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"  # names the files of weights that are divided
ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
ADAPTER_KEYS = re.compile(r"^base_model\.model\.|\.lora_|\.adapters\.")
MERGE = (
    "load it with peft, and write model.merge_and_unload().save_pretrained(directory) and "
    "tokenizer.save_pretrained(directory) into a new directory"
)
FOREIGN = ("*.gguf", "*.onnx", "onnx/*.onnx", "*.h5", "*.msgpack", "*.tflite", "*.mlmodel")  # no weights of PyTorch's
UNREAD = (*FOREIGN, "*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt")
ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar")
SAVED = re.compile(r"checkpoint-(\d+)")  # directories that transformers' Trainer leaves, by the number of steps


def refuse_file(path: Path, name: str) -> None:
    """Raise `InputError` for a file in place of a checkpoint's directory."""
    if path.suffix.lower() in ARCHIVES:
        raise InputError(f"checkpoint {name!r} is an archive; unpack it, and give the directory")
    if (path.parent / CONFIG).is_file():
        raise InputError(f"checkpoint {name!r} is a file; give its directory, {str(path.parent)!r}")
    raise InputError(f"checkpoint {name!r} is a file; {ACCEPTED}")


def check_files(directory: Path, name: str) -> None:
    """Raise `InputError` where the directory of checkpoint `name` has not what is read, or asks to run code."""
    _check_pointers(name, [path for kind in ("*.json", "*.txt", "*.model") for path in directory.glob(kind)])
    _check_adapter(directory, name)
    if not (directory / CONFIG).is_file():
        instead = _elsewhere(directory) or f"{_found(directory, FOREIGN)}; {ACCEPTED}"
        raise InputError(f"checkpoint {name!r} has no {CONFIG}{instead}")
    for file in (CONFIG, "tokenizer_config.json"):
        if _settings(directory / file, name).get("auto_map"):
            raise InputError(
                f"checkpoint {name!r} has code of its own ('auto_map' in {file}), which is never run; {ACCEPTED}"
            )
    _check_settings(_settings(directory / CONFIG, name), name)
    paths = weight_files(directory, name)
    _check_pointers(name, paths)
    for path in paths:
        try:
            with safe_open(path, framework="pt") as file:
                inserted = [key for key in file.keys() if ADAPTER_KEYS.search(key)]  # noqa: SIM118 (no mapping)
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"checkpoint {name!r}: {path.name} is truncated or damaged ({error}); copy it again"
            ) from None
        if inserted:
            raise InputError(f"checkpoint {name!r} has an adapter that is not merged ({min(inserted)!r}); {MERGE}")


def weight_files(directory: Path, name: str) -> list[Path]:
    """Return the files that transformers reads a checkpoint's weights from, in order.

    Others that lie beside them, such as an optimizer's or a variant's, are not among them. Raises `InputError` where
    there are none, or one of several is missing.
    """
    named = _settings(directory / CONFIG, name).get("transformers_weights")
    first = directory / str(named or (WEIGHTS if (directory / WEIGHTS).is_file() else INDEX))
    if not _is_file(first):
        raise InputError(f"checkpoint {name!r} has no {_what_is_missing(directory, named)}")
    if not first.name.endswith(".index.json"):
        return [first]
    places = _settings(first, name).get("weight_map")
    if not (isinstance(places, dict) and places and all(isinstance(file, str) for file in places.values())):
        raise InputError(f"checkpoint {name!r}: {first.name} names no files of weights; copy it again")
    paths = [directory / file for file in sorted(set(places.values()))]
    missing = [one_line(path.name) for path in paths if not _is_file(path)]
    if missing:
        raise InputError(
            f"checkpoint {name!r} lacks {missing[0]}, one of {len(paths)} files that {first.name} names; copy it again"
        )
    return paths


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 (no name that a file gives is too long)


def _check_pointers(name: str, paths: list[Path]) -> None:
    for path in sorted(filter(Path.is_file, paths)):
        try:
            with path.open("rb") as file:
                is_pointer = file.read(len(LFS_POINTER)) == LFS_POINTER
        except OSError as error:
            raise InputError(f"checkpoint {name!r}: {path.name} cannot be read ({error.strerror})") from None
        if is_pointer:
            raise InputError(
                f"checkpoint {name!r}: {path.name} is a git-LFS pointer and not the file itself; "
                "run `git lfs pull` in its directory, or download it"
            )


def _check_adapter(directory: Path, name: str) -> None:
    found = next((file for file in ADAPTER if (directory / file).exists()), None)
    if found is None:
        return
    base = _settings(directory / ADAPTER[0], name).get("base_model_name_or_path")
    of_base = f" of {one_line(base)!r}" if base else ""
    if any((directory / file).is_file() for file in (WEIGHTS, INDEX, "pytorch_model.bin")):
        raise InputError(
            f"checkpoint {name!r} has an adapter{of_base} beside its model ({found}), which would be left out; "
            f"{MERGE}, or give a directory without it"
        )
    raise InputError(f"checkpoint {name!r} is an adapter{of_base} ({found}) and no whole model; {MERGE}")


def _check_settings(config: Mapping[str, Any], name: str) -> None:
    """Raise `InputError` where a configuration says that weights were left out or packed, or names no classes."""
    quantization = config.get("quantization_config")
    if quantization:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        raise InputError(
            f"checkpoint {name!r} is quantized{f' by {one_line(method)}' if method else ''}, and its weights cannot be "
            "read; give the model as it was before, in float32, float16 or bfloat16"
        )
    if config.get("pruned_heads"):
        raise InputError(
            f"checkpoint {name!r} has pruned heads ('pruned_heads' in {CONFIG}), and every layer needs all of its own; "
            "give the model as it was before, and disable heads instead"
        )
    names = config.get("id2label")
    if names is not None and not (isinstance(names, dict) and all(key.isdecimal() for key in names)):
        raise InputError(
            f"checkpoint {name!r}: id2label in {CONFIG} does not give each number of a class its name; "
            'write it as {"0": "first class", "1": "second class"}, in the order of the outputs'
        )


def _what_is_missing(directory: Path, named: object) -> str:
    """Say which weights a directory lacks, and what is there in their place."""
    if list(directory.glob("*.safetensors")):
        missing = one_line(named) if named else f"{WEIGHTS}, nor {INDEX}"
        return f"{missing}{_found(directory, ('*.safetensors',))}; save it with model.save_pretrained(directory)"
    return (
        f"*.safetensors (other formats can run code and are not read){_found(directory, UNREAD)}"
        f"{_elsewhere(directory) or '; save it with model.save_pretrained(directory)'}"
    )


def _found(directory: Path, kinds: Sequence[str]) -> str:
    found = sorted({path.name for kind in kinds for path in directory.glob(kind)})
    return f", but {one_line(', '.join(found[:3]))}" if found else ""


def _elsewhere(directory: Path) -> str:
    """Say which directory within this one is to be given in its place; empty where none is."""
    saved = [path.parent for path in directory.glob(f"checkpoint-*/{CONFIG}")]
    steps = {path: found for path in saved if (found := SAVED.fullmatch(path.name))}
    if steps:
        newest = max(steps, key=lambda path: int(steps[path][1]))
        return f": it is what a Trainer left while training; give one of its checkpoints, the newest is {str(newest)!r}"
    inside = sorted([*directory.glob(f"*/{CONFIG}"), *directory.glob(f"snapshots/*/{CONFIG}")])
    return f", but {str(inside[0].parent)!r} in it has: give that" if inside else ""


def _settings(path: Path, name: str) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        json.dumps(settings, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"checkpoint {name!r}: {path.name} is no JSON ({one_line(error)}); copy it again") from None
    if not isinstance(settings, dict):
        raise InputError(f"checkpoint {name!r}: {path.name} holds no JSON object; copy it again")
    return settings


@contextmanager
def refused(message: str) -> Iterator[None]:
    """Turn whatever transformers stumbles over in a file into an `InputError` that begins with `message`.

    A wrong number or name in a file may raise anything there, from ZeroDivisionError to the library's own.
    """
    try:
        yield
    except Exception as error:
        raise InputError(f"{message}: {one_line(error)[:200]}") from error
