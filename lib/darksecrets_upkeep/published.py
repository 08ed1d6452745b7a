"""What may be published as the reference run: which tables, how large, and no text of a corpus."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from darksecrets.runs import Run, file_fingerprint
from darksecrets.saved_tables import PROTOCOL, SECTIONS, prefix_of

DIRECTORY = Path("notebooks/reference")
LARGEST = 6_000_000  # bytes, all tables together
ALONE = ("parser_agreement",)  # published where there was a treebank; no other analysis depends on it
OTHER_FILES = ("run.json", "learning-rates.csv", "dry-run.csv", "paper-costs.csv", "shortcuts.csv")
LONGEST_VALUE = 120  # characters
# The columns that hold words: names of tasks, models, features and claims. A corpus has no others to hide in.
# fmt: off
WORDS = (
    "checkpoint", "claim", "direction", "feature", "first", "initialization", "instead", "kept", "main", "measure",
    "metric", "most_changed", "neighbour_side", "order", "other", "pair", "pattern", "reading", "relation", "second",
    "span", "task", "verdict",
)
# fmt: on


def belongs(table: str) -> bool:
    """Return whether a run's table of that name is part of what is published."""
    return table in ALONE or prefix_of(table) in {*SECTIONS, PROTOCOL}


def faults(directory: Path) -> list[str]:
    """Return what is wrong with a published run: tables that are not as `run.json` has them, too many bytes, text."""
    if not (directory / "run.json").is_file():
        return ["there is no run.json"]
    return [*_changed(Run(directory)), *contents_faults(directory)]


def contents_faults(directory: Path, names: list[str] | None = None) -> list[str]:
    """Return which tables of a run (all, or these) hold what may not be published, or more of it than may."""
    paths = sorted(directory.glob("*.parquet") if names is None else (directory / f"{name}.parquet" for name in names))
    found = [fault for path in paths for fault in _text(path.stem, pd.read_parquet(path))]
    size = sum(path.stat().st_size for path in paths)
    if size > LARGEST:
        found.append(f"the tables have {size / 1e6:.1f} MB, at most {LARGEST / 1e6:g} MB are published")
    return found


def _changed(run: Run) -> Iterator[str]:
    listed = run.provenance["tables"]
    yield from (f"{name} is listed in run.json, but not there" for name in sorted({*listed} - {*run.tables()}))
    for path in sorted(run.directory.iterdir()):
        if path.suffix == ".parquet":
            record = listed.get(path.stem)
            if record is None:
                yield f"{path.stem} is not listed in run.json"
            elif file_fingerprint(path) != record["sha256"]:
                yield f"{path.stem} has another SHA-256 than run.json says"
        elif path.name not in OTHER_FILES and not path.name.startswith("."):
            yield f"{path.name} does not belong there"


def _text(name: str, table: pd.DataFrame) -> Iterator[str]:
    for column in table.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]]:
        if column not in WORDS:
            yield f"{name}: column {column} holds words, which only {', '.join(WORDS)} may"
        longest = max(map(len, table[column].dropna().astype(str)), default=0)
        if longest > LONGEST_VALUE:
            yield f"{name}: a value of {column} has {longest} characters, at most {LONGEST_VALUE} are a name"
