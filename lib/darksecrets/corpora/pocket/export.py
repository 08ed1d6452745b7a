"""Write the pocket corpus out as a GLUE directory, with its annotation beside it, for other programs to read.

`glue.load` reads the same examples from that directory as from the corpus itself.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darksecrets.corpora.annotation import to_dict
from darksecrets.corpora.pocket import SIZES, WRITERS, Item, items
from darksecrets.corpora.tasks import TASKS, Task
from darksecrets.errors import InputError, check_directory
from darksecrets.files import write_text

MOST = 9_999_999  # examples of a split, as `pocket.sizes` takes them


def export(directory: str | Path, train: int = SIZES["train"], dev: int = SIZES["dev"], seed: int = 0) -> list[Path]:
    """Write all seven tasks into `directory`, which is made, and return the files.

    Each split is two files: GLUE's own, tab-separated with a header, and `annotations_file`. Raises InputError for a
    size or seed that cannot be, and where something stands in the directory already.
    """
    for name, value, least in (("train", train, 1), ("dev", dev, 1), ("seed", seed, 0)):
        if value < least:
            raise InputError(f"{name} is {value}; it must be at least {least}")
        if value > MOST:
            raise InputError(f"{name} is {value}; it must be at most {MOST:,}")
    check_directory(directory, "output")
    root = Path(directory)
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise InputError(f"{str(directory)!r} is not an empty directory: name another one, or empty it")
    sizes = {"train": train, "dev": dev}
    splits = {(task, split): items(task, split, size, seed) for task in WRITERS for split, size in sizes.items()}
    written = []
    for (name, split), found in splits.items():
        task = TASKS[name]
        written += [
            _written(root / task.file(split), _rows(task, found)),
            _written(root / annotations_file(name, split), _annotations(found)),
        ]
    return written


def annotations_file(task: str, split: str) -> str:
    """Return the file of a split's annotation, relative to the directory: JSON, an example a line."""
    return f"{task}/{split}.annotations.jsonl"


def _written(path: Path, lines: Sequence[str]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written ({error.strerror}): name another directory") from error
    return path


def _rows(task: Task, found: Sequence[Item]) -> list[str]:
    rows = [("index", *task.file_columns, task.file_label)]
    for number, item in enumerate(found):
        label = str(item.label) if task.file_labels is None else task.file_labels[int(item.label)]
        rows.append((str(number), *(one.text for one in item.sentences), label))
    return ["\t".join(row) for row in rows]


def _annotations(found: Sequence[Item]) -> list[str]:
    """One object per example: its index and its sentences, as `annotation.to_dict` writes them.

    Places in `roles`, `links` and `frames` count the words from 0; a frame's elements end before their second place.
    """
    objects: list[dict[str, Any]] = [
        {"index": number, "sentences": [to_dict(one) for one in item.sentences]} for number, item in enumerate(found)
    ]
    return [json.dumps(one, ensure_ascii=False) for one in objects]
