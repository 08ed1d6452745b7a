"""Which columns of a table of one's own hold text and label: as a person says, or guessed by their names and values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from darksecrets.corpora.own.labels import BY_NAME, Reading, listed, readings, whole, written
from darksecrets.corpora.own.table import Table
from darksecrets.errors import InputError, nearest

# Names that such columns commonly have, in letters of lower case, the likeliest first.
LABELS = (
    *("label_text", "label_name", "label", "labels", "gold_label", "class", "class_name", "category", "target", "y"),
    *("intent", "sentiment", "emotion", "rating", "stars", "score", "quality"),
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
NUMBERS = (  # of columns that number the rows
    *("id", "idx", "index", "guid", "uid", "row", "number", "unnamed: 0", "__index_level_0__", ""),
)
KNOWN = frozenset((*LABELS, *TEXTS, *NUMBERS, *(name for pair in PAIRS for name in pair))) - {""}

NONE = "none"  # written for the second text where there is to be none


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
class Wanted:
    """What labels are for: the names of the model's classes, None for a score, and what the data calls each class."""

    labels: Sequence[str] | None
    classes: Sequence[str] = ()

    def readings(self, table: Table, column: str, rows: Sequence[int] | None = None) -> list[Reading]:
        """Return all readings of a column that fit and differ (`labels.readings`), or of some of its rows."""
        values = table.values(column)
        values = values if rows is None else [values[row] for row in rows]
        return readings(values, table.classes.get(column, ()), self.labels, self.classes)


def choose(
    table: Table, wanted: Wanted, text: str = "", second: str = "", label: str = ""
) -> tuple[Columns, tuple[str, ...], tuple[str, ...]]:
    """Return the columns to read, which of text, second and label were guessed, and sentences on the choice.

    Raises InputError where a column that is named is not there, and where none can be guessed.
    """
    given = {"text": text, "second": "" if second == NONE else second, "label": label}
    for what, name in given.items():
        if name and name not in table.columns:
            near = nearest(name, table.columns)
            advice = f"did you mean {near!r}? " if near else ""
            raise InputError(f"{what} is {name!r}, but {table.name} has no such column; {advice}{has(table)}")
    named = [name for name in given.values() if name]
    if len(set(named)) < len(named):
        raise InputError(f"text, second and label are {', '.join(map(repr, named))}; each must be another column")
    label, notes = (label, ()) if label else _label(table, wanted, named)
    free = [name for name in _free(table, [*named, label]) if _is_text(name, table.values(name))]
    text, guess = (text, "") if text else _texts(table, free)
    if not second and guess in free:
        second = guess
    elif not second and given["text"]:
        second = _partner(text, free)
    found = {"text": text, "second": second, "label": label}
    guessed = tuple(what for what, name in found.items() if not given[what] and name != NONE)
    columns = Columns(text, "" if second == NONE else second, label)
    repeated = next((name for name in (*columns.texts, label) if table.columns.count(name) > 1), None)
    if repeated is not None:
        raise InputError(f"{table.name} has the column {repeated!r} more than once; name each column once")
    return columns, guessed, notes


def has(table: Table) -> str:
    """Return a list of a table's columns, as the end of a message."""
    return f"it has: {', '.join(repr(name) for name in table.columns if name)}"


def _free(table: Table, taken: Sequence[str]) -> list[str]:
    """Return the columns that can be guessed: with a name, and not taken."""
    return [name for name in dict.fromkeys(table.columns) if name and name not in taken]


def _label(table: Table, wanted: Wanted, taken: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Guess the column of labels: by its name, or else as the only one whose values the model knows.

    Of several, one that has the model's names is surer than one that has numbers; a sentence says so.
    """
    free = _free(table, taken)
    by_name = {name.casefold(): name for name in reversed(free)}
    named = [by_name[name] for name in LABELS if name in by_name]
    read_ = {name: found for name in free if (found := wanted.readings(table, name))}
    sure = [name for name in named if name in read_ and [one.how for one in read_[name]] == [BY_NAME]]
    fitting = [name for name in named if name in read_]
    if sure:
        others = [name for name in fitting if name not in sure][:1]
        note = "Labels were read from column {!r}, which has the model's names, and not from {!r}."
        return sure[0], tuple(note.format(sure[0], other) for other in others)
    if fitting or named:
        return (fitting or named)[0], ()
    free = [name for name in read_ if name.casefold() not in NUMBERS and not _numbers_rows(table.values(name))]
    if len(free) == 1:
        return free[0], ()
    kind = "a score" if wanted.labels is None else f"one of {listed(wanted.labels)}"
    which = f"several could be ({', '.join(free)})" if free else "none is"
    advice = "name it, or set classes to what it calls these" if wanted.labels and not free else "name it"
    raise InputError(f"{table.name} has no column that is clearly the label, {kind}: {which}; {advice}; {has(table)}")


def _texts(table: Table, free: Sequence[str]) -> tuple[str, str]:
    """Guess one or two columns of text: by their names, or else all that there are, of more than two the longest.

    Single words, such as identifiers, are no text where another column has several.
    """
    by_name = {name.casefold(): name for name in reversed(free)}
    for first, second in PAIRS:
        if first in by_name and second in by_name:
            return by_name[first], by_name[second]
    for name in TEXTS:
        if name in by_name:
            return by_name[name], ""
    if not free:
        raise InputError(f"{table.name} has no column of text besides the label; {has(table)}")
    texts = {name: [value for value in table.values(name) if value is not None] for name in free}
    several = [name for name, of in texts.items() if sum(" " in value.strip() for value in of) > len(of) / 2]
    free = several or free
    if len(free) == 2:
        return free[0], free[1]
    return max(free, key=lambda name: sum(map(len, texts[name]))), ""


def _partner(text: str, free: Sequence[str]) -> str:
    """Return the column whose name belongs with that of a given one; an empty name where none does."""
    by_name = {name.casefold(): name for name in free}
    return next((by_name[second] for first, second in PAIRS if first == text.casefold() and second in by_name), "")


def _is_text(name: str, values: Sequence[Any]) -> bool:
    """Whether a column is of words: text, most of it more letters than digits, as numbers and dates are not."""
    known = [value for value in values if value is not None]
    if not known or name.casefold() in NUMBERS or not all(isinstance(value, str) for value in known):
        return False
    worded = [sum(map(str.isalpha, value)) >= sum(map(str.isdigit, value)) for value in known]
    return sum(worded) > len(known) / 2


def _numbers_rows(values: Sequence[Any]) -> bool:
    """Whether a column has whole numbers that never come again."""
    known = [whole(written(value)) for value in values if value is not None]
    return None not in known and len(set(known)) == len(known)
