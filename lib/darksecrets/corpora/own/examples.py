"""Labelled text of one's own: which columns are text and label is guessed, labels become those of a model, and the rows
become a `Split` like those of GLUE, so that every analysis of the book runs on it.

A guess can be overruled, and what was guessed is in `OwnData`, to be shown. Rows without a text or a label are left
out and counted. What cannot be used is an InputError of one line, before any model runs.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from darksecrets.corpora.glue import Example, Split, choice
from darksecrets.corpora.own.columns import Columns, Wanted, choose
from darksecrets.corpora.own.labels import MISSING, Reading, check_classes, listed, typed, whole, written
from darksecrets.corpora.own.table import Table
from darksecrets.corpora.tasks import Task
from darksecrets.errors import InputError
from darksecrets.runs import fingerprint

CHOICE = "own"  # names the random numbers that choose examples, whatever the file is called
LEAST = 10  # examples: fewer have no halves to speak of
HALVES = "half of them to choose heads and half to score them"


@dataclass(frozen=True)
class OwnData:
    """Examples as a `Split`, and what a reader has to know of how they came to be.

    `guessed` names those of text, second and label that nobody gave; `read_as` says what the labels were taken for, and
    `classes` what the data calls each of the model's classes, empty for scores.
    `n_lines` counts the lines of a file below its header, None where it is not made of lines; the rows that became of
    them are the split's `n_available`. `notes` are sentences on everything that was guessed besides.
    """

    split: Split
    columns: Columns
    guessed: tuple[str, ...]
    read_as: str
    source_split: str
    n_without_text: int
    n_without_label: int
    classes: tuple[str, ...] = ()
    n_lines: int | None = None
    notes: tuple[str, ...] = ()

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


def of_table(
    table: Table,
    labels: Sequence[str] | None,
    text: str = "",
    second: str = "",
    label: str = "",
    max_examples: int = 0,
    seed: int = 0,
    classes: Sequence[str] = (),
) -> OwnData:
    """Make examples of a table's rows for a model whose classes are `labels`, or that gives a score (None).

    `text`, `second` and `label` name columns, where they are not to be guessed, and `second="none"` says that there is
    one text. `classes` says what the labels of each class are called, in the order of the model's classes.
    `max_examples` (0: all) takes a seeded choice. Raises InputError.
    """
    check_size(max_examples, "max_examples")
    check_classes(classes, labels)
    wanted = Wanted(labels, classes)
    columns, guessed, column_notes = choose(table, wanted, text, second, label)
    with_text = _with_text(table, columns)
    reading, found = _read_labels(table, columns.label, wanted, [row for row, *_ in with_text])
    examples = [
        Example(str(row), first, other[0] if other else None, number)
        for (row, first, *other), number in zip(with_text, found, strict=True)
        if number is not None
    ]
    kept = tuple(examples[place] for place in choice(len(examples), max_examples, seed, CHOICE))
    _check_examples(kept, table, columns, labels)
    task = _task(table.name, columns, labels)
    made_from = fingerprint([None if labels is None else list(labels), [astuple(example) for example in kept]])
    # There is no official split to fall short of.
    own = Split(task, table.split or "all", kept, len(table.rows), True, made_from)
    return OwnData(
        own,
        columns,
        guessed,
        reading.how,
        table.split,
        n_without_text=len(table.rows) - len(with_text),
        n_without_label=len(with_text) - len(examples),
        classes=() if labels is None else reading.called(labels),
        n_lines=table.n_lines,
        notes=(*table.notes, *column_notes, *reading.notes, *_missing_notes(reading, found)),
    )


def _task(name: str, columns: Columns, labels: Sequence[str] | None) -> Task:
    names = None if labels is None else tuple(labels)
    texts, metrics = tuple(columns.texts), ("pearson",) if labels is None else ("accuracy",)
    return Task(name, "", texts, texts, columns.label, names, names, metrics, 0, 0)


def _with_text(table: Table, columns: Columns) -> list[tuple[Any, ...]]:
    """Return (row, text, [second text]) of the rows that lack no text."""
    texts = [table.values(name) for name in columns.texts]
    for name, values in zip(columns.texts, texts, strict=True):
        odd = next((row for row, value in enumerate(values) if not isinstance(value, str | None)), None)
        if odd is not None:
            kind = type(values[odd]).__name__
            raise InputError(f"{table.place(odd)}: column {name!r} has {kind} and not text; name a column of text")
    rows = [(row, *found) for row, found in enumerate(zip(*texts, strict=True)) if None not in found]
    if not rows:
        raise InputError(
            f"{table.name} has no text in column {' and '.join(map(repr, columns.texts))}; name a column of text"
        )
    return rows


def _read_labels(
    table: Table, column: str, wanted: Wanted, rows: Sequence[int]
) -> tuple[Reading, list[int | float | None]]:
    """Return the one reading of the labels, and the class or score of each of some rows, None where it is missing.

    Raises InputError where there is none, or where there are several.
    """
    values = table.values(column)
    labelled = [row for row in rows if values[row] is not None]
    found = wanted.readings(table, column, labelled)
    if len(found) == 1:
        return found[0], found[0].of([values[row] for row in rows])
    if found:
        raise InputError(_which(table, column, found, wanted.labels))
    known = [row for row in labelled if not _stands_for_none(values[row])]
    if not known:
        raise InputError(
            f"{table.name} has no label in column {column!r} of its {len(rows):,} rows with text, as the test part of "
            "a data set; name another column, file or split"
        )
    raise InputError(_misfit(table, column, wanted, known))


def _stands_for_none(value: Any) -> bool:
    return written(value) in MISSING or whole(written(value)) == -1


def _which(table: Table, column: str, found: Sequence[Reading], labels: Sequence[str]) -> str:
    """Return a message that shows what labels could mean, and what to say to choose."""
    first, second = found[:2]
    label = next(one for one, number in first.meaning.items() if second.meaning[one] != number)
    one, other = (_meant(reading.meaning[label], labels) for reading in (first, second))
    return (
        f"{table.name}: label {_short(label)} of column {column!r} can mean {one}, by {first.how}, or {other}, by "
        f"{second.how}; set classes to {typed(first.classes)} for the first, or to {typed(second.classes)} for the "
        "second"
    )


def _meant(number: int | None, labels: Sequence[str]) -> str:
    return "no label" if number is None else f"class {number} ({labels[number]})"


def _misfit(table: Table, column: str, wanted: Wanted, rows: Sequence[int]) -> str:
    """Return a message on the first row whose label has no reading, or another than those before it."""
    values, labels = table.values(column), wanted.labels
    shared: dict[str, None] = {}
    for row in rows:
        hows = {one.how.partition(" (")[0]: None for one in wanted.readings(table, column, [row])}
        label = f"{table.place(row)}: label {_short(values[row])}"
        if not hows:
            return f"{label} {_unknown(column, wanted, [written(values[row]) for row in rows])}"
        common = {how: None for how in (shared or hows) if how in hows}
        if not common:
            of = f"of column {column!r} is of {next(iter(hows))}, others are of {next(iter(shared))}"
            return f"{label} {of}; write all alike"
        shared = common
    seen = listed(sorted({written(values[row]) for row in rows}))
    return f"{table.name}: labels {seen} of column {column!r} do not fit the model's {len(labels)} classes together"


def _unknown(column: str, wanted: Wanted, found: Sequence[str]) -> str:
    labels = wanted.labels
    if labels is None:
        return "is no number such as 2.5, and this model gives a score; write it so, or name another column as label"
    if wanted.classes:
        return f"of column {column!r} is not among classes ({listed(wanted.classes)}); give all, or mend the label"
    accepted = f"{listed(labels)}, or their numbers from 0 to {len(labels) - 1}"
    if len(set(labels)) < len(labels):
        accepted = f"numbers from 0 to {len(labels) - 1}, as some of the classes are called alike ({listed(labels)})"
    from_one = list(map(str, range(1, len(labels) + 1)))
    numbers = {str(whole(label)) for label in found}
    advice = "write the labels so, name another column, or set classes to your names of these, in this order"
    if numbers <= set(from_one):
        advice = f"if the labels count from 1, set classes to {','.join(from_one)}"
    return f"of column {column!r} is none of the model's {len(labels)} classes; accepted are {accepted}; {advice}"


def _missing_notes(reading: Reading, found: Sequence[Any]) -> tuple[str, ...]:
    if not reading.missing:
        return ()
    n_missing = sum(number is None for number in found)
    return (f"{listed(map(repr, reading.missing))} stands for no label; {n_missing:,} rows have none.",)


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


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
