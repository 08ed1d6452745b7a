"""Rows of a JSON file: an object a line, or one document in a shape that data frames and data sets are written in."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from darksecrets.corpora.own.table import Table, present
from darksecrets.errors import InputError

ACCEPTED = "write one object a line, a list of objects, or an object of columns"


def read(name: str, text: str) -> Table:
    """Read objects, a line each, or a document of them: a list, or an object of columns or rows as pandas writes them.

    Raises InputError for what is none of these.
    """
    lines = {number: line for number, line in enumerate(text.split("\n"), start=1) if line.strip()}
    first = next(iter(lines))
    if _is_document(lines[first], len(lines)):
        return _table(name, _records(name, _loaded(name, text, first)), lambda row: f"{name}, row {row + 1}")
    found = [_object(name, number, line) for number, line in lines.items()]
    numbers = list(lines)
    return _table(name, found, lambda row: f"{name}, line {numbers[row]}", len(lines))


def _is_document(line: str, n_lines: int) -> bool:
    """Say by the first line whether a file is one document: it has no object of its own, or one of columns alone."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return (n_lines > 1 and line.strip() in ("{", "[")) or line.lstrip().startswith("[")
    if isinstance(value, list):
        return n_lines == 1 and all(isinstance(one, dict) for one in value)
    return n_lines == 1 and isinstance(value, dict) and _holds_rows(value)


def _holds_rows(value: Mapping[str, Any]) -> bool:
    return any(isinstance(one, dict | list) for one in value.values())


def _records(name: str, value: Any) -> list[dict[str, Any]]:
    """Return the rows of a document."""
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return value
    if isinstance(value, dict) and {"columns", "data"} <= set(value):  # pandas, orient="split"
        return _of_split(name, value["columns"], value["data"])
    if isinstance(value, dict) and value:
        lists = [one for one in value.values() if isinstance(one, list) and one and isinstance(one[0], dict)]
        if len(lists) == 1:  # a list of rows beside what is said of them
            return _records(name, lists[0])
        found = _of_columns(value)
        if found is not None:
            return found
    raise InputError(f"{name} is JSON, but no rows of named columns; {ACCEPTED}")


def _of_split(name: str, columns: Any, rows: Any) -> list[dict[str, Any]]:
    is_table = isinstance(columns, list) and all(isinstance(column, str) for column in columns)
    if not is_table or not isinstance(rows, list) or any(_length(row) != len(columns) for row in rows):
        raise InputError(f"{name}: its columns are not names, or its data not rows of as many values; {ACCEPTED}")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


def _of_columns(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of an object of columns, or of numbered rows; None where its values are not all alike."""
    columns = list(value.values())
    if all(isinstance(column, dict) for column in columns):
        numbered, numbered_within = (all(key.isdecimal() for key in keys) for keys in (value, columns[0]))
        # pandas, orient="index"; where neither keys nor both are numbers, there are more rows than columns.
        if numbered > numbered_within or (numbered == numbered_within and len(value) > len(columns[0])):
            return columns
        return [{name: column.get(key) for name, column in value.items()} for key in columns[0]]
    if all(isinstance(column, list) for column in columns) and len(set(map(len, columns))) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    return None


def _object(name: str, number: int, line: str) -> dict[str, Any]:
    row = _loaded(name, line, number)
    if not isinstance(row, dict):
        raise InputError(f"{name}, line {number}: a {type(row).__name__}; write one object a line")
    return row


def _loaded(name: str, text: str, number: int) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}, line {number}: no JSON ({error}); write one object a line") from None
    return value


def _table(name: str, found: list[dict[str, Any]], place: Callable[[int], str], n_lines: int | None = None) -> Table:
    columns = tuple(dict.fromkeys(key for row in found for key in row))
    rows = [tuple(present(row.get(key)) for key in columns) for row in found]
    return Table(name, columns, rows, place, n_lines=n_lines)
