"""Copies of the book to disturb, and how two of them are compared."""

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from darksecrets.runs import file_fingerprint
from tests.conftest import NOT_SOURCE, ROOT

HTML = Path("_build/html")
# What two builds of the same book may differ in: moments, and identifiers that are drawn at random.
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?([+-]\d\d:\d\d|Z)?|Last updated on [^<]*")
IDENTIFIER = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\bid[0-9a-f]{32}\b")


def copy_book(target: Path, source: Path = ROOT) -> Path:
    """Copy what a book is built from, and nothing that was built or computed."""
    shutil.copytree(source / "notebooks", target / "notebooks", ignore=NOT_SOURCE)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(source / name, target)
    return target


def start(root: Path, arguments: Sequence[str], log: Path) -> subprocess.Popen:
    """Start `python -m darksecrets ARGUMENTS` in a session of its own; what it says goes to `log`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "darksecrets", *arguments]
    with log.open("ab") as said:
        return subprocess.Popen(
            command, cwd=root, stdout=said, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )


def runs(root: Path) -> dict[str, Path]:
    """Return the runs of a clone by name."""
    return {path.name: path for path in sorted((root / "_runs" / "runs").glob("*")) if (path / "run.json").is_file()}


def different_tables(one: Path, other: Path) -> list[str]:
    """Compare all tables of all runs of two clones byte for byte; name those that differ or are in one alone."""
    return _different(*({f"{path.parent.name}/{path.stem}": path for path in _tables(root)} for root in (one, other)))


def count_tables(root: Path) -> int:
    """Count the tables of all runs of a clone."""
    return len(_tables(root))


def unlisted_tables(root: Path) -> list[str]:
    """Name the tables that are not what `run.json` says."""
    found = []
    for name, directory in runs(root).items():
        listed = json.loads((directory / "run.json").read_bytes())["tables"]
        found += [f"{name}/{table}" for table, record in listed.items() if _sha(directory, table) != record["sha256"]]
    return found


def different_pages(one: Path, other: Path) -> dict[str, list[str]]:
    """Compare the pages of two built clones, moments and drawn identifiers aside; a page's name and a few lines of the
    difference.
    """
    sides = [{path.relative_to(root / HTML).as_posix(): path for path in pages(root)} for root in (one, other)]
    found = {}
    for name in sorted({*sides[0], *sides[1]}):
        texts = [
            _neutral(side[name], root) if name in side else [] for side, root in zip(sides, (one, other), strict=True)
        ]
        if texts[0] != texts[1]:
            lines = difflib.unified_diff(*texts, lineterm="", n=0)
            found[name] = [_short(line) for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")][:6]
    return found


def different_files(one: Path, other: Path) -> list[str]:
    """Name all other files of two built books that differ: pictures, scripts, the search index."""
    return _different(
        *(
            {
                path.relative_to(root / HTML).as_posix(): path
                for path in (root / HTML).rglob("*")
                if path.is_file() and path.suffix != ".html" and path.name != ".buildinfo"
            }
            for root in (one, other)
        )
    )


def leftovers(root: Path) -> list[str]:
    """Name what nothing should leave behind: half-written files, partial results, sockets, an old book."""
    patterns = ("*.half", "*.partial", "kernel-ipc-*", "html.old", "checkpoint-[0-9]*")
    return sorted(path.relative_to(root).as_posix() for pattern in patterns for path in root.rglob(pattern))


def _tables(root: Path) -> list[Path]:
    return [path for directory in runs(root).values() for path in sorted(directory.glob("*.parquet"))]


def pages(root: Path) -> list[Path]:
    """Return the pages of a built clone."""
    return sorted((root / HTML).rglob("*.html"))


def _sha(directory: Path, table: str) -> str:
    path = directory / f"{table}.parquet"
    return file_fingerprint(path) if path.is_file() else "missing"


def _different(one: dict[str, Path], other: dict[str, Path]) -> list[str]:
    both = {name for name in one.keys() & other.keys() if file_fingerprint(one[name]) == file_fingerprint(other[name])}
    return sorted((one.keys() | other.keys()) - both)


def _neutral(path: Path, root: Path) -> list[str]:
    text = path.read_text(encoding="utf-8").replace(str(root.resolve()), "ROOT")
    return IDENTIFIER.sub("ID", MOMENT.sub("MOMENT", text)).splitlines()


def _short(line: str, length: int = 160) -> str:
    return line if len(line) <= length else f"{line[:length]}..."
