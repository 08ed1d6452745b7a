"""The sections of the paper that a run has tables for, and the chapters that save them: one table for all who ask."""

from typing import NamedTuple


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


def prefix_of(table: str) -> str:
    """Return what the name of a table begins with."""
    return table.partition("_")[0]
