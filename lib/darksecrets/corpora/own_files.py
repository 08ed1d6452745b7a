"""A file of one's own, or a data set of the `datasets` library, as a table of columns; what cannot be read is refused.

Values are text as they stand in CSV and TSV, and what JSON, Parquet or `datasets` make of them elsewhere. A missing
value is None; in CSV and TSV, which cannot tell, an empty field. Only data is read: no pickle, no code of a data set.
"""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darksecrets.corpora.glue import read_text
from darksecrets.errors import InputError

DELIMITERS = (",", ";", "\t")
SPLITS = ("validation", "dev", "validation_matched", "test", "train")  # which is taken of several, in this order
ACCEPTED = "accepted are files that end in .csv, .tsv, .jsonl or .parquet, and the name of a data set on the Hub"


@dataclass(frozen=True)
class Table:
    """Rows under named columns: `name` is what a reader is shown, `place` says in which line or row a row was.

    `classes` has the names of the numbers in a column of labels, where the source gives names.
    """

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    place: Callable[[int], str]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: str = ""

    def values(self, column: str) -> list[Any]:
        """Return all values of a column."""
        place = self.columns.index(column)
        return [row[place] for row in self.rows]


def read(source: str, split: str = "") -> Table:
    """Read a file by its ending, or a data set by its name (`NAME` or `NAME:CONFIGURATION`) or directory.

    `split` chooses one split of a data set; a file has none. Raises InputError.
    """
    path = Path(os.path.expanduser(source))  # noqa: PTH111 (whoever is named)
    ending = path.suffix.lower()
    if os.path.isfile(path):  # noqa: PTH113 (no name is too long)
        if ending not in READERS:
            raise InputError(f"data {source!r}: the ending {ending or 'none'!r} is unknown; {ACCEPTED}")
        if split:
            raise InputError(f"split is {split!r}, but {path.name!r} is a file and has no splits; leave split out")
        if not path.stat().st_size:
            raise InputError(f"data {source!r} is empty; it needs a header and labelled rows")
        table = READERS[ending](path)
    elif ending in READERS and not os.path.isdir(path):  # noqa: PTH112
        raise InputError(f"data {source!r}: there is no such file; {ACCEPTED}")
    else:
        table = _data_set(source, split)
    repeated = sorted({column for column in table.columns if table.columns.count(column) > 1})
    if repeated:
        raise InputError(f"data {source!r} has the column {repeated[0]!r} more than once; name each column once")
    if not table.rows:
        raise InputError(f"data {source!r} has no rows; it needs labelled examples")
    return table


def _csv(path: Path) -> Table:
    text = _text(path)
    header = text.split("\n", 1)[0]
    return _separated(path, text, max(DELIMITERS, key=header.count))


def _tsv(path: Path) -> Table:
    text = _text(path)
    try:
        return _separated(path, text, "\t")
    except InputError:  # in files like GLUE's a quotation mark is a character as any other
        return _separated(path, text, "\t", csv.QUOTE_NONE)


def _separated(path: Path, text: str, delimiter: str, quoting: int = csv.QUOTE_MINIMAL) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    rows, lines = [], []
    try:
        for fields in _with_line_ends(reader):
            if fields:
                rows.append(tuple(value if value.strip() else None for value in fields))
                lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{path.name}, line {reader.line_num}: {error}; mend this line") from None
    names = tuple(name or "" for name in rows[0])
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            counts = f"expected {len(names)} fields as in the header, found {len(row)}"
            raise InputError(f"{path.name}, line {line}: {counts}; mend or remove this line, or quote its text")
    return Table(path.name, names, rows[1:], lambda row: f"{path.name}, line {lines[row + 1]}")


def _with_line_ends(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Read with no limit on a field's length: the library's own, 131,072 characters, is a setting of all readers."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        yield from reader
    finally:
        csv.field_size_limit(limit)


def _json_lines(path: Path) -> Table:
    found, lines = [], []
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            found.append(_object(path, number, line))
            lines.append(number)
    columns = tuple(dict.fromkeys(name for row in found for name in row))
    rows = [tuple(_present(row.get(name)) for name in columns) for row in found]
    return Table(path.name, columns, rows, lambda row: f"{path.name}, line {lines[row]}")


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name}, line {number}: no JSON ({error}); write one object a line") from None
    if not isinstance(row, dict):
        raise InputError(f"{path.name}, line {number}: a {type(row).__name__}; write one object a line")
    return row


def _parquet(path: Path) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{path.name} is no Parquet file that can be read ({_one_line(error)}); write it again"
        ) from None
    return _of_columns(path.name, table.column_names, [column.to_pylist() for column in table.columns])


def _data_set(source: str, split: str) -> Table:
    """Read a split of a data set with `datasets`, from the Hub or from a directory of data files."""
    import datasets  # slow to import, and a file does not need it

    name, _, configuration = source.partition(":")
    place = os.path.expanduser(name)  # noqa: PTH111
    name = place if os.path.isdir(place) else name  # noqa: PTH112
    try:
        found = datasets.load_dataset(name, configuration or None)
    except Exception as error:  # the errors of the Hub's client, of HTTP and of the file system have no common parent
        raise InputError(
            f"data {source!r} is no file, and no data set that can be loaded ({_one_line(error)}); {ACCEPTED}"
        ) from None
    chosen = split or next((known for known in SPLITS if known in found), next(iter(found)))
    if chosen not in found:
        raise InputError(f"data {source!r} has no split {split!r}; it has: {', '.join(found)}")
    table = found[chosen]
    classes = {
        name: tuple(kind.names) for name, kind in table.features.items() if isinstance(kind, datasets.ClassLabel)
    }
    shown = Path(name).name if name == place else source
    read_ = _of_columns(shown, table.column_names, [table[name][:] for name in table.column_names])
    return Table(shown, read_.columns, read_.rows, read_.place, classes, chosen)


def _of_columns(name: str, columns: list[str], values: list[list[Any]]) -> Table:
    rows = [tuple(map(_present, row)) for row in zip(*values, strict=True)]
    return Table(name, tuple(columns), rows, lambda row: f"{name}, row {row + 1}")


def _present(value: Any) -> Any:
    """Return None for what is missing: nothing, a number that is none, and text without a character."""
    is_missing = value != value or (isinstance(value, str) and not value.strip())
    return None if is_missing else value


def _text(path: Path) -> str:
    if b"\0" in path.read_bytes():
        raise InputError(f"{path.name} is binary, or text that is not UTF-8, and not what its ending says; {ACCEPTED}")
    return read_text(path)


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:160]


READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
