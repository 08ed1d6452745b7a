"""The run store: results keyed by what produced them, and runs that gather a book's tables.

A *result* is a directory named by the fingerprint of its ingredients (checkpoint, corpus, parameters, seed). It is
built under a temporary name and renamed when complete, so what has a final name is whole; what exists is not
computed again. A *run* is a directory of tidy Parquet tables with one `run.json` that says what, from what, on which
machine and when.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from darksecrets.errors import InputError

RECORD = "result.json"
PACKAGES = ("torch", "transformers", "tokenizers", "datasets", "numpy", "scipy", "pandas", "darksecrets")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def fingerprint(ingredients: Any) -> str:
    """Return the SHA-256 of `ingredients` written as canonical JSON (keys sorted, no NaN)."""
    text = json.dumps(ingredients, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def machine() -> dict[str, Any]:
    """Describe what computes here: processor, cores, Python, and the packages that decide numbers."""
    return {
        "processor": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` in one step: a reader sees the old file or the new one, never a part."""
    _replace(path, lambda temporary: temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n"))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet in one step (see `write_json`)."""
    _replace(path, lambda temporary: table.to_parquet(temporary, index=False))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV in one step (see `write_json`)."""
    _replace(path, lambda temporary: table.to_csv(temporary, index=False))


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Store:
    """A directory of results and runs, shared by any number of processes on one machine."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if self.root.exists() and not self.root.is_dir():
            raise InputError(f"store {str(root)!r} is a file; give a directory (it is made when missing)")
        self._verified: set[Path] = set()

    def result(self, kind: str, ingredients: Mapping[str, Any], compute: Callable[[Path], Any]) -> Path:
        """Return the directory of the result of `ingredients`, computing it if it is not there yet.

        `compute` receives an empty directory to fill. If it is interrupted it finds its own partial files there the
        next time, and may continue from them. Two processes that ask for the same result compute it once: the second
        waits. A result whose files no longer match their recorded SHA-256 is named on standard error and computed
        again.
        """
        directory = self._place(kind, ingredients)
        if self._is_whole(directory):
            return directory
        directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(directory.with_suffix(".lock")):
            if not self._is_whole(directory):
                self._build(directory, kind, ingredients, compute)
        self._verified.add(directory)
        return directory

    def has(self, kind: str, ingredients: Mapping[str, Any]) -> bool:
        """Say whether the result of `ingredients` is there, whole and unchanged."""
        return self._is_whole(self._place(kind, ingredients))

    def table(self, kind: str, ingredients: Mapping[str, Any], compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Return the table that `compute` makes from `ingredients`, from the store where it is there already."""

        def write(directory: Path) -> None:
            write_table(directory / "table.parquet", compute())

        return pd.read_parquet(self.result(kind, ingredients, write) / "table.parquet")

    def run(self, name: str) -> "Run":
        """Return the run of that name in this store; it need not exist yet."""
        if not NAME.fullmatch(name):
            raise InputError(f"run name {name!r} cannot be used: accepted are letters, digits, '.', '_' and '-'")
        return Run(self.root / "runs" / name)

    def _place(self, kind: str, ingredients: Mapping[str, Any]) -> Path:
        return self.root / kind / fingerprint(dict(ingredients))[:24]

    def _is_whole(self, directory: Path) -> bool:
        if directory not in self._verified and directory.is_dir() and not _damage(directory):
            self._verified.add(directory)
        return directory in self._verified

    def _build(
        self, directory: Path, kind: str, ingredients: Mapping[str, Any], compute: Callable[[Path], Any]
    ) -> None:
        if directory.exists():
            place, damage = f"{directory.parent.name}/{directory.name}", _damage(directory)
            print(f"store: {place} is damaged ({damage}); computing it again", file=sys.stderr)
            shutil.rmtree(directory)
        partial = directory.with_suffix(".partial")
        partial.mkdir(exist_ok=True)
        started = time.perf_counter()
        compute(partial)
        record = {
            "kind": kind,
            "ingredients": dict(ingredients),
            "machine": machine(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - started, 1),
            "files": {
                path.relative_to(partial).as_posix(): file_fingerprint(path)
                for path in sorted(partial.rglob("*"))
                if path.is_file()
            },
        }
        write_json(partial / RECORD, record)
        partial.rename(directory)


def _damage(directory: Path) -> str:
    """Say what is wrong with a result's files; an empty string where nothing is."""
    try:
        files = json.loads((directory / RECORD).read_text())["files"]
    except FileNotFoundError:
        return f"{RECORD} is missing"
    except (ValueError, KeyError, TypeError):
        return f"{RECORD} cannot be read"
    for name, expected in files.items():
        path = directory / name
        if not path.is_file():
            return f"{name} is missing"
        if file_fingerprint(path) != expected:
            return f"{name} has changed"
    return ""


class Run:
    """One run of the book: a directory of tidy tables and their provenance in `run.json`.

    Every table has one row per task, seed, layer, head, ... and its columns are named alike in all of them.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.name = self.directory.name

    @property
    def provenance(self) -> dict[str, Any]:
        """What `run.json` holds; empty before the first table is saved."""
        path = self.directory / "run.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def save(self, name: str, table: pd.DataFrame, **made_from: Any) -> None:
        """Write a table, and note in `run.json` what it was made from."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with FileLock(self.directory / ".lock"):
            path = self.directory / f"{name}.parquet"
            write_table(path, table)
            content = self.provenance or {"run": self.name, "tables": {}}
            content["machine"] = machine()
            content["tables"][name] = {
                "rows": len(table),
                "columns": list(table.columns),
                "sha256": file_fingerprint(path),
                "saved": datetime.now(UTC).isoformat(timespec="seconds"),
                "made_from": made_from,
            }
            write_json(self.directory / "run.json", content)

    def table(self, name: str) -> pd.DataFrame:
        """Read one table of this run; `InputError` names the tables there are."""
        path = self.directory / f"{name}.parquet"
        if not path.exists():
            raise InputError(
                f"run {self.name!r} has no table {name!r}; it has: {', '.join(self.tables()) or 'none yet'}"
            )
        return pd.read_parquet(path)

    def find(self, name: str) -> pd.DataFrame | None:
        """Read one table of this run, or give None where the run does not have it (as the reference run may not)."""
        return self.table(name) if name in self.tables() else None

    def made_from(self, name: str) -> dict[str, Any]:
        """Return what a table was made from, as `save` was told; empty where the run does not have it.

        In a published run, tables that were made from the same share one entry of `setups`.
        """
        provenance = self.provenance
        made_from = provenance.get("tables", {}).get(name, {}).get("made_from", {})
        return provenance["setups"][made_from] if isinstance(made_from, str) else made_from

    def tables(self) -> list[str]:
        """Names of the tables saved so far."""
        return sorted(path.stem for path in self.directory.glob("*.parquet"))
