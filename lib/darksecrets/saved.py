"""Tables that belong together: what a chapter measures is saved in a run and found in the reference run as one."""

from dataclasses import fields
from typing import Any, ClassVar, Self

from darksecrets.runs import Run


class SavedTables:
    """A dataclass of tables that is kept in a run, each field under `PREFIX` and its name."""

    PREFIX: ClassVar[str]

    def save(self, run: Run, **made_from: Any) -> None:
        """Save the tables in a run, with what they were made from."""
        for field in fields(self):
            run.save(f"{self.PREFIX}_{field.name}", getattr(self, field.name), **made_from)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names that the tables have in a run."""
        return [f"{cls.PREFIX}_{field.name}" for field in fields(cls)]

    @classmethod
    def find(cls, run: Run) -> Self | None:
        """Read the tables of a run, or give None where it does not have them all."""
        tables = [run.find(name) for name in cls.names()]
        return None if any(table is None for table in tables) else cls(*tables)
