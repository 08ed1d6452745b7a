"""A checkpoint's directory before any of it is loaded: settings that can be read, whole safetensors, no code."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from darksecrets.errors import InputError, one_line

ACCEPTED = "accepted are 'minilm' (works offline), a Hub id such as 'google-bert/bert-base-uncased', or a directory"


def check_files(directory: Path, name: str) -> None:
    """Raise `InputError` where the directory of checkpoint `name` has not what is read, or asks to run code."""
    if not (directory / "config.json").is_file():
        raise InputError(f"checkpoint {name!r} has no config.json; {ACCEPTED}")
    for file in ("config.json", "tokenizer_config.json"):
        if _settings(directory / file, name).get("auto_map"):
            raise InputError(
                f"checkpoint {name!r} has code of its own ('auto_map' in {file}), which is never run; {ACCEPTED}"
            )
    paths = weight_files(directory)
    if not paths:
        raise InputError(
            f"checkpoint {name!r} has no *.safetensors (other formats can run code and are not read); "
            "save it with model.save_pretrained(directory)"
        )
    for path in paths:
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"checkpoint {name!r}: {path.name} is truncated or damaged ({error}); copy it again"
            ) from None


def _settings(path: Path, name: str) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        json.dumps(settings, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"checkpoint {name!r}: {path.name} is no JSON ({one_line(error)}); copy it again") from None
    if not isinstance(settings, dict):
        raise InputError(f"checkpoint {name!r}: {path.name} holds no JSON object; copy it again")
    return settings


def weight_files(directory: Path) -> list[Path]:
    """Return the files of weights, in order."""
    return sorted(directory.glob("*.safetensors"))


@contextmanager
def refused(message: str) -> Iterator[None]:
    """Turn whatever transformers stumbles over in a file into an `InputError` that begins with `message`.

    A wrong number or name in a file may raise anything there, from ZeroDivisionError to the library's own.
    """
    try:
        yield
    except Exception as error:
        raise InputError(f"{message}: {one_line(error)[:200]}") from error
