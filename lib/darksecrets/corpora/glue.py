"""The seven GLUE tasks of the paper (Section 3): one table, three sources, examples of one form from each.

The sources are the Hub (`nyu-mll/glue`, read with `datasets`), a directory in the layout of the GLUE download, and a
corpus that a program writes into such a directory (see `generated`). The first two give the same examples. Every row
found becomes an example: what cannot be read is an error that names its file and line, and nothing is dropped. An
empty sentence is kept, since two rows of the official QQP train split have one. Example ids are row numbers, counted
from 0 without the header.
"""

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from darksecrets.corpora import generated
from darksecrets.corpora.scores import evaluate
from darksecrets.corpora.tasks import TASKS, Task
from darksecrets.errors import InputError, nearest
from darksecrets.runs import Store, fingerprint

HUB_DATASET = "nyu-mll/glue"
SPLITS = ("train", "dev")
# STS-B scores have three decimals; the Hub stores them as 32-bit floats, so both sources are rounded to be equal.
SCORE_DECIMALS = 3
SCORE_RANGE = (0.0, 5.0)
_DIRECTORY = "a directory in the layout of the GLUE download"


@dataclass(frozen=True)
class Example:
    """One labelled row: the label is a class index in the order of `Task.labels`, or a score from 0 to 5."""

    id: str
    first: str
    second: str | None
    label: int | float


@dataclass(frozen=True)
class Split:
    """The examples taken from one split, and how many rows the source had."""

    task: Task
    name: str
    examples: tuple[Example, ...]
    n_available: int
    is_official: bool
    fingerprint: str
    generator_note: str = ""  # of a corpus that a program writes

    @property
    def note(self) -> str:
        """A sentence to show beside every score when the source is not the official split; empty when it is."""
        if self.generator_note:
            return self.generator_note
        if self.is_official:
            return ""
        return (
            f"{self.task.name} {self.name}: {self.n_available:,} rows instead of the official "
            f"{self.task.official_rows(self.name):,}; scores are not comparable with published ones"
        )


def load(
    task: str, split: str, corpus: str = "hub", max_examples: int = 0, seed: int = 0, store: Store | None = None
) -> Split:
    """Read one split of one task, whole or as a seeded choice of at most `max_examples` rows.

    `corpus` is "pocket" (see `generated`), "hub" or a GLUE directory; `max_examples` 0 means all. The choice keeps the
    order of the rows, and with the same seed a smaller one is part of a larger one. What a program writes, which takes
    a while, is kept in `store`. Raises InputError for anything missing, unreadable or unknown.
    """
    check_tasks([task])
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: {_advice(split, SPLITS)}")
    for name, value in (("max_examples", max_examples), ("seed", seed)):
        if value < 0:
            raise InputError(f"{name} is {value}: give 0 or a positive whole number")
    found = TASKS[task]
    directory = directory_of(corpus, task, split, store)
    examples = read_directory(found, split, directory) if directory else read_hub(found, split)
    kept = tuple(examples[row] for row in choice(len(examples), max_examples, seed, f"{task}/{split}"))
    note = generated.note(corpus) if generated.is_generated(corpus) else ""
    is_official = not note and len(examples) == found.official_rows(split)
    content = fingerprint([task, split, [astuple(example) for example in kept]])
    return Split(found, split, kept, len(examples), is_official, content, note)


def directory_of(corpus: str, task: str, split: str, store: Store | None = None) -> Path | None:
    """Return the directory in GLUE's layout that a corpus's split is read from; None for the Hub, which is none."""
    if generated.is_generated(corpus):
        return generated.directory(corpus, task, split, store)
    return None if corpus == "hub" else Path(corpus)


def read_directory(task: Task, split: str, directory: str | Path) -> list[Example]:
    """Read every row of a split from a GLUE directory: tab-separated, columns found by name, quotes kept as text."""
    check_corpus(str(directory), [task.name], [split])
    path = Path(directory) / task.file(split)
    header, *lines = _lines(path)
    names = header.split("\t")
    places = _places(path, names, (*task.file_columns, task.file_label))
    rows = []
    for number, line in enumerate(lines, start=2):
        fields = line.split("\t")
        if len(fields) != len(names):
            counts = f"expected {len(names)} tab-separated fields, found {len(fields)}"
            raise InputError(f"{path}, line {number}: {counts}; mend or remove this line")
        rows.append([fields[place] for place in places])
    return _examples(task, rows, lambda row: f"{path}, line {row + 2}")


def read_hub(task: Task, split: str, path: str = HUB_DATASET, cache_dir: str | None = None) -> list[Example]:
    """Read every row of a split with `datasets`, from the Hub or from a copy of the Hub's repository at `path`."""
    import datasets  # slow to import, and a directory does not need it

    where = f"{path} {task.hub_config}/{task.hub_split(split)}"
    try:
        table = datasets.load_dataset(path, task.hub_config, split=task.hub_split(split), cache_dir=cache_dir)
    except Exception as error:  # the errors of the Hub's client, of HTTP and of the file system have no common parent
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        advice = f"offline, set corpus to 'pocket' or {_DIRECTORY}"
        raise InputError(f"{where}: cannot be loaded ({reason}); {advice}") from error
    names = table.column_names
    places = _places(where, names, (*task.hub_columns, "label"))
    rows = zip(*(table[names[place]] for place in places), strict=True)
    return _examples(task, rows, lambda row: f"{where}, row {row}")


def check_tasks(names: Sequence[str]) -> None:
    """Raise InputError unless `names` holds at least one task, each known and named once."""
    if not names:
        raise InputError(f"no task given: name at least one of {', '.join(TASKS)}")
    for name in names:
        if name not in TASKS:
            raise InputError(f"unknown task {name!r}: {_advice(name, TASKS)}")
        if list(names).count(name) > 1:
            raise InputError(f"task {name} is given more than once: name each task once")


def check_corpus(corpus: str, tasks: Sequence[str], splits: Sequence[str] = SPLITS) -> None:
    """Raise InputError unless the GLUE directory and the files of these tasks exist, or the sizes in "pocket:..." can
    be read; for "hub" nothing is checked.
    """
    check_tasks(tasks)
    if generated.is_generated(corpus):
        generated.check(corpus)
        return
    if corpus == "hub":
        return
    directory = Path(corpus)
    if not os.path.isdir(directory):  # noqa: PTH112 (no name is too long)
        raise InputError(f"corpus {corpus!r} is not a directory: give 'pocket', 'hub' or {_DIRECTORY}")
    for file in (TASKS[task].file(split) for task in tasks for split in splits):
        if not (directory / file).is_file():
            advice = "add it, leave the task out, or give 'pocket' or 'hub'"
            raise InputError(f"corpus {corpus!r} has no file {file}: {advice}")


def score(task: Task, labels: Sequence[float], predictions: Sequence[float]) -> dict[str, float]:
    """Score predictions (classes or scores) by the task's metrics, as fractions; see `scores.evaluate`."""
    return evaluate(task.metrics, labels, predictions)


def constant(task: Task, labels: Sequence[float]) -> np.ndarray:
    """Best constant answer to each example: the most frequent class (the smallest of equals), or the mean score."""
    truth = np.asarray(labels)
    return np.full(truth.shape, truth.mean() if task.is_regression else np.bincount(truth.astype(int)).argmax())


def majority(task: Task, labels: Sequence[float]) -> dict[str, float]:
    """Score of the best constant answer."""
    return score(task, labels, constant(task, labels))


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without BOM; InputError names the line that is not UTF-8, or says that it is blank."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        byte = f"byte 0x{data[error.start]:02x}"
        raise InputError(f"{path}, line {line}: {byte} is not UTF-8; save the file as UTF-8") from error
    if not text.strip():
        raise InputError(f"{path}: the file is empty; it needs a header and at least one row")
    return text


def choice(n_rows: int, max_examples: int, seed: int, name: str) -> list[int]:
    """Row numbers in order: all, or the `max_examples` with the smallest of one random number per row."""
    if not 0 < max_examples < n_rows:
        return list(range(n_rows))
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    ranks = np.random.default_rng([seed, digest]).random(n_rows).argsort(kind="stable")
    return sorted(ranks[:max_examples].tolist())


def _places(where: str | Path, names: list[str], wanted: tuple[str, ...]) -> list[int]:
    for column in wanted:
        if names.count(column) != 1:
            raise InputError(f"{where}: needs exactly one column {column!r}; it has: {', '.join(names)}")
    return [names.index(column) for column in wanted]


def _lines(path: Path) -> list[str]:
    """Lines of a file; only "\\n" ends a line, or "\\r\\n" where that ends the header."""
    lines = read_text(path).removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines] if lines[0].endswith("\r") else lines


def _examples(task: Task, rows: Iterable[Sequence[Any]], where: Callable[[int], str]) -> list[Example]:
    """Check the rows `(sentence, [sentence,] label)`; `where` says in which line of which source a row is."""
    examples = []
    for number, (*texts, label) in enumerate(rows):
        if not all(isinstance(text, str) for text in texts):
            raise InputError(f"{where(number)}: a sentence is missing; every example needs {len(texts)}")
        first, second = texts if task.is_pair else (texts[0], None)
        examples.append(Example(str(number), first, second, _label(task, label, where(number))))
    if not examples:
        raise InputError(f"{where(0)}: there is no row, the split is empty; it needs at least one example")
    return examples


def _label(task: Task, value: Any, where: str) -> int | float:
    """Class index from the Hub's integer or the file's text; score from a number or its text."""
    if task.is_regression:
        low, high = SCORE_RANGE
        try:
            points = float(value)
        except (TypeError, ValueError):
            points = math.nan
        if not low <= points <= high:
            raise InputError(f"{where}: score {value!r} is not a number from {low:g} to {high:g}")
        return round(points, SCORE_DECIMALS)
    accepted = task.file_labels if isinstance(value, str) else tuple(range(task.n_outputs))
    if value not in accepted:
        raise InputError(f"{where}: unknown label {value!r}; {task.name} has {', '.join(map(str, accepted))}")
    return accepted.index(value)


def _advice(name: str, names: Iterable[str]) -> str:
    """Advice on an unknown name: the closest known one, if any, and all of them."""
    near = nearest(name, names)
    return (f"did you mean {near}? " if near else "") + f"accepted: {', '.join(names)}"
