"""Labelled text of one's own: which columns are text and label is guessed, labels become those of a model, and the rows
become a `Split` like those of GLUE, so that every analysis of the book runs on it.

A guess can be overruled, and what was guessed is in `OwnData`, to be shown. Rows without a text or a label are left
out and counted. What cannot be used is an InputError of one line, before any model runs.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from darksecrets.corpora import own_files
from darksecrets.corpora.glue import Example, Split, choice
from darksecrets.corpora.own_files import Table
from darksecrets.corpora.own_labels import is_number, read_as
from darksecrets.corpora.tasks import Task
from darksecrets.errors import InputError, nearest
from darksecrets.runs import fingerprint

CHOICE = "own"  # names the random numbers that choose examples, whatever the file is called
NONE = "none"  # written for the second text where there is to be none
LEAST = 10  # examples: fewer have no halves to speak of
HALVES = "half of them to choose heads and half to score them"
LABELS = (
    *("label", "labels", "gold_label", "class", "category", "target", "y", "intent", "sentiment", "emotion"),
    *("rating", "stars", "score", "quality"),
)
TEXTS = (
    *("text", "sentence", "review", "content", "body", "comment", "utterance", "tweet", "document", "message"),
    *("question", "query", "title"),
)
PAIRS = (
    *(("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("question", "sentence")),
    *(("question", "passage"), ("question", "context"), ("query", "passage"), ("text1", "text2"), ("text_a", "text_b")),
    *(("text", "text_pair"), ("text", "second"), ("first", "second"), ("#1 string", "#2 string")),
)
NUMBERS = ("id", "idx", "index", "guid", "uid", "row", "number", "")  # names of columns that number the rows


@dataclass(frozen=True)
class Columns:
    """Which columns are read; `second` is empty for single texts."""

    text: str
    second: str
    label: str

    @property
    def texts(self) -> list[str]:
        """The one or two columns of text."""
        return [name for name in (self.text, self.second) if name]


@dataclass(frozen=True)
class OwnData:
    """Examples as a `Split`, and what a reader has to know of how they came to be.

    `guessed` names those of text, second and label that nobody gave; `read_as` says what the labels were taken for.
    """

    split: Split
    columns: Columns
    guessed: tuple[str, ...]
    read_as: str
    source_split: str
    n_without_text: int
    n_without_label: int

    @property
    def n_repeated(self) -> int:
        """How many examples have the texts of an earlier one."""
        examples = self.split.examples
        return len(examples) - len({(example.first, example.second) for example in examples})

    @property
    def n_dropped(self) -> int:
        """How many rows were left out for what they lack."""
        return self.n_without_text + self.n_without_label


def check_size(n_examples: int, name: str = "max_own") -> None:
    """Raise `InputError` where so few examples are asked for that neither half of them says much."""
    if n_examples < 0 or 0 < n_examples < LEAST:
        raise InputError(f"{name} is {n_examples}; give 0 for all, or at least {LEAST}, {HALVES}")


def load(
    source: str,
    labels: Sequence[str] | None,
    text: str = "",
    second: str = "",
    label: str = "",
    split: str = "",
    max_examples: int = 0,
    seed: int = 0,
) -> OwnData:
    """Read labelled texts for a model whose classes are `labels`, or that gives a score (None).

    `source` and `split` are those of `own_files.read`; `text`, `second` and `label` name columns, where they are not to
    be guessed, and `second="none"` says that there is one text. `max_examples` (0: all) takes a seeded choice. Raises
    InputError.
    """
    check_size(max_examples, "max_examples")
    table = own_files.read(source, split)
    columns, guessed = _columns(table, labels, text, second, label)
    complete, n_without_text, n_without_label = _complete(table, columns)
    classes, read_as = _classes(table, columns.label, labels, [row for row, *_ in complete])
    examples = [
        Example(str(row), first, other[0] if other else None, number)
        for (row, first, *other), number in zip(complete, classes, strict=True)
    ]
    kept = tuple(examples[place] for place in choice(len(examples), max_examples, seed, CHOICE))
    _check_examples(kept, table, columns, labels)
    task = _task(table.name, columns, labels)
    made_from = fingerprint([None if labels is None else list(labels), [astuple(example) for example in kept]])
    # There is no official split to fall short of.
    own = Split(task, table.split or "all", kept, len(table.rows), True, made_from)
    return OwnData(own, columns, guessed, read_as, table.split, n_without_text, n_without_label)


def _task(name: str, columns: Columns, labels: Sequence[str] | None) -> Task:
    names = None if labels is None else tuple(labels)
    texts, metrics = tuple(columns.texts), ("pearson",) if labels is None else ("accuracy",)
    return Task(name, "", texts, texts, columns.label, names, names, metrics, 0, 0)


def _columns(
    table: Table, labels: Sequence[str] | None, text: str, second: str, label: str
) -> tuple[Columns, tuple[str, ...]]:
    given = {"text": text, "second": "" if second == NONE else second, "label": label}
    for what, name in given.items():
        if name and name not in table.columns:
            near = nearest(name, table.columns)
            advice = f"did you mean {near!r}? " if near else ""
            raise InputError(f"{what} is {name!r}, but {table.name} has no such column; {advice}{_has(table)}")
    named = [name for name in given.values() if name]
    if len(set(named)) < len(named):
        raise InputError(f"text, second and label are {', '.join(map(repr, named))}; each must be another column")
    label = label or _label(table, labels, named)
    free = [name for name in table.columns if name not in (*named, label) and _is_text(table.values(name))]
    text, guess = (text, "") if text else _texts(table, free)
    if not second and guess in free:
        second = guess
    elif not second and given["text"]:
        second = _partner(text, free)
    guessed = tuple(
        what
        for what, name in {"text": text, "second": second, "label": label}.items()
        if not given[what] and name != NONE
    )
    return Columns(text, "" if second == NONE else second, label), guessed


def _label(table: Table, labels: Sequence[str] | None, taken: Sequence[str]) -> str:
    """Guess the column of labels: by its name, or else as the only one whose values the model knows."""
    free = [name for name in table.columns if name not in taken]
    by_name = {name.casefold(): name for name in reversed(free)}
    named = [by_name[name] for name in LABELS if name in by_name]
    fitting = [name for name in free if _fits(table, name, labels)]
    found = [name for name in named if name in fitting] or named
    if found:
        return found[0]
    fitting = [name for name in fitting if name.casefold() not in NUMBERS]
    if len(fitting) == 1:
        return fitting[0]
    kind = "a score" if labels is None else f"one of {_listed(labels)}"
    which = f"several could be ({', '.join(fitting)})" if fitting else "none is"
    raise InputError(f"{table.name} has no column that is clearly the label, {kind}: {which}; name it; {_has(table)}")


def _fits(table: Table, column: str, labels: Sequence[str] | None) -> bool:
    values = [value for value in table.values(column) if value is not None]
    return bool(values) and read_as(values, table.classes.get(column, ()), labels)[0] is not None


def _texts(table: Table, free: Sequence[str]) -> tuple[str, str]:
    """Guess one or two columns of text: by their names, or else all that there are, of more than two the longest."""
    by_name = {name.casefold(): name for name in reversed(free)}
    for first, second in PAIRS:
        if first in by_name and second in by_name:
            return by_name[first], by_name[second]
    for name in TEXTS:
        if name in by_name:
            return by_name[name], ""
    if not free:
        raise InputError(f"{table.name} has no column of text besides the label; {_has(table)}")
    if len(free) == 2:
        return free[0], free[1]
    return max(free, key=lambda name: sum(len(value or "") for value in table.values(name))), ""


def _partner(text: str, free: Sequence[str]) -> str:
    """Return the column whose name belongs with that of a given one; an empty name where none does."""
    by_name = {name.casefold(): name for name in free}
    return next((by_name[second] for first, second in PAIRS if first == text.casefold() and second in by_name), "")


def _is_text(values: Sequence[Any]) -> bool:
    """Say whether a column is of words: text, and most of it no number."""
    known = [value for value in values if value is not None]
    return (
        bool(known) and all(isinstance(value, str) for value in known) and sum(map(is_number, known)) < len(known) / 2
    )


def _complete(table: Table, columns: Columns) -> tuple[list[tuple[Any, ...]], int, int]:
    """Return (row, text, [second text]) of the rows that lack nothing, and how many lack a text, and only a label."""
    texts = [table.values(name) for name in columns.texts]
    for name, values in zip(columns.texts, texts, strict=True):
        odd = next((row for row, value in enumerate(values) if not isinstance(value, str | None)), None)
        if odd is not None:
            kind = type(values[odd]).__name__
            raise InputError(f"{table.place(odd)}: column {name!r} has {kind} and not text; name a column of text")
    rows = [(row, *found) for row, found in enumerate(zip(*texts, strict=True))]
    with_text = [row for row in rows if None not in row]
    labels = table.values(columns.label)
    labelled = [row for row in with_text if labels[row[0]] is not None]
    return labelled, len(rows) - len(with_text), len(with_text) - len(labelled)


def _classes(table: Table, column: str, labels: Sequence[str] | None, rows: Sequence[int]) -> tuple[list[Any], str]:
    values = table.values(column)
    names = table.classes.get(column, ())
    found, how = read_as([values[row] for row in rows], names, labels)
    if found is not None:
        return found, how
    alone = {row: read_as([values[row]], names, labels)[1] for row in rows}
    odd = next((row for row in rows if not alone[row]), None)
    if odd is None:
        odd = next(row for row in rows if alone[row] != alone[rows[0]])
        label = f"label {_short(values[odd])} of column {column!r}"
        raise InputError(
            f"{table.place(odd)}: {label} is of {alone[odd]}, others are of {alone[rows[0]]}; write all alike"
        )
    if labels is None:
        raise InputError(
            f"{table.place(odd)}: label {_short(values[odd])} is no number, and this model gives a score; "
            "name another column as label"
        )
    accepted = f"{_listed(labels)}, or their numbers from 0 to {len(labels) - 1}"
    raise InputError(
        f"{table.place(odd)}: label {_short(values[odd])} of column {column!r} is none of the model's {len(labels)} "
        f"classes; accepted are {accepted}; write the labels so, or name another column"
    )


def _check_examples(examples: Sequence[Example], table: Table, columns: Columns, labels: Sequence[str] | None) -> None:
    if len(examples) < LEAST:
        raise InputError(
            f"{table.name} has {len(examples)} examples with {' and '.join([*columns.texts, columns.label])}; at least "
            f"{LEAST} are needed, {HALVES}"
        )
    counts = Counter(example.label for example in examples)
    if len(counts) == 1:
        (only,) = counts
        name = repr(labels[only]) if labels else f"{only:g}"
        raise InputError(
            f"all {len(examples)} examples have the label {name}, so that nothing can be scored; give examples of at "
            "least two labels"
        )


def _has(table: Table) -> str:
    return f"it has: {', '.join(map(repr, table.columns))}"


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
