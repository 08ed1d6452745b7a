"""The tables that a run keeps: which chapter saves which, how they are read back, and how those of two runs are shown.

Names of tables begin with what their section of the paper is about (`SECTIONS`).
"""

from dataclasses import fields
from typing import Any, ClassVar, NamedTuple, Self

import pandas as pd

from darksecrets.runs import Run


class Section(NamedTuple):
    """A section of the paper, what its tables are about, and the chapter that saves them: its page and its title."""

    number: str
    about: str
    page: str
    title: str


SECTIONS = {  # by what the names of their tables begin with
    "pattern": Section("4.1", "patterns", "02-attention-patterns", "What patterns attention shows"),
    "frame": Section("4.2", "FrameNet", "03-relation-heads", "Relation-specific heads"),
    "tuning": Section("4.3", "fine-tuning", "04-fine-tuning", "What fine-tuning changes"),
    "feature": Section("4.4", "features", "05-linguistic-features", "What heads attend to: linguistic features"),
    "link": Section("4.5", "links", "06-token-to-token", "Token-to-token attention"),
    "disabling": Section("4.6", "disabling", "07-disabling-heads", "Disabling heads and layers"),
    "repeated": Section("5", "repeated words", "08-discussion", "What remains of the claims"),
}
PROTOCOL = "protocol"  # tables of the protocol notes, which several chapters save
PARSER = "parser"  # how well the parser does on a treebank, where there was one
GROUPS = {
    **{prefix: f"Section {section.number}, {section.about}" for prefix, section in SECTIONS.items()},
    PARSER: "The parser, beside a treebank",
    PROTOCOL: "Protocol notes",
}
THIS_RUN, REFERENCE_RUN = "this run", "reference run"


def prefix_of(table: str) -> str:
    """Return what the name of a table begins with."""
    return table.partition("_")[0]


class SavedTables:
    """A dataclass of tables that is kept in a run, each field under `PREFIX` and its name."""

    PREFIX: ClassVar[str]

    def save(self, run: Run, **made_from: Any) -> None:
        """Save the tables in a run, with what they were made from."""
        for field, name in zip(fields(self), self.names(), strict=True):
            run.save(name, getattr(self, field.name), **made_from)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names that the tables have in a run."""
        return [f"{cls.PREFIX}_{field.name}" for field in fields(cls)]

    @classmethod
    def find(cls, run: Run) -> Self | None:
        """Return the tables of a run, or None where it does not have them all."""
        tables = [run.find(name) for name in cls.names()]
        return None if any(table is None for table in tables) else cls(*tables)


def side_by_side(this_run: pd.DataFrame | None, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Join a table of this run and the same table of the reference run, one below the other; either may be missing.

    A column `run` ("this run", "reference run") stands before the others; those that only one of them has are left out.
    """
    tables = {run: table for run, table in ((THIS_RUN, this_run), (REFERENCE_RUN, reference)) if table is not None}
    if not tables:
        return pd.DataFrame(columns=["run"])
    first, *others = tables.values()
    shared = [name for name in first if all(name in other for other in others)]
    parts = [table[shared].assign(run=run) for run, table in tables.items()]
    return pd.concat(parts, ignore_index=True)[["run", *shared]]
