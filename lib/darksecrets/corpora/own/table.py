"""A table of one's own: rows under named columns, whatever kind of file they come from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows under named columns: `name` is what a reader is shown, `place` says in which line or row a row was.

    `classes` has the names of the numbers in a column of labels, where the source gives names. `n_lines` counts the
    lines below the header that are not blank; None where a source is not made of lines. `notes` are sentences on what
    was guessed. A missing value is None.
    """

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    place: Callable[[int], str]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: str = ""
    n_lines: int | None = None
    notes: tuple[str, ...] = ()

    def values(self, column: str) -> list[Any]:
        """Return all values of a column, the first of that name."""
        place = self.columns.index(column)
        return [row[place] for row in self.rows]


def present(value: Any) -> Any:
    """Return None for what is missing: nothing, a number that is none, and text without a character."""
    is_missing = value != value or (isinstance(value, str) and not value.strip())
    return None if is_missing else value
