"""The run store: results keyed by what produced them, and runs that gather a book's tables.

A *result* is a directory named by the fingerprint of its ingredients (checkpoint, corpus, parameters, seed). It is
built under a temporary name and renamed when complete, so what has a final name is whole; what exists is not
computed again. A *run* is a directory of tidy Parquet tables with one `run.json` that says what, from what, on which
machine and when.
"""

import json
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from darksecrets.errors import InputError, check_directory
from darksecrets.files import (
    RECORD,
    damage,
    file_fingerprint,
    fingerprint,
    nearest_directory,
    read_record,
    remove_halves,
    remove_stale,
    replace,
    saying_full,
    seal,
    tell,
    write_csv,
    write_json,
    write_table,
)

__all__ = ["RECORD", "Run", "Store", "file_fingerprint", "fingerprint", "write_csv", "write_json", "write_table"]
PACKAGES = ("torch", "transformers", "tokenizers", "datasets", "numpy", "scipy", "pandas", "darksecrets")
REBUILD_HINT = "build the book again, which puts back what its notebooks saved"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
KEPT = "tables.json"  # beside kept copies of a run's tables: their records
_checked: dict[Path, tuple[int, int, str]] = {}  # tables that this process found unchanged: size, time, SHA-256


def machine() -> dict[str, Any]:
    """Return what computes here: processor, cores, Python, and the packages that decide numbers."""
    return {
        "processor": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


class Store:
    """A directory of results and runs, shared by any number of processes on one machine."""

    def __init__(self, root: str | Path) -> None:
        check_directory(root, "store")
        self.root = Path(root)
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
        with saying_full(f"{kind} result", nearest_directory(self.root)):
            directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(directory.with_suffix(".lock")):
            if not self._is_whole(directory):
                self._build(directory, kind, ingredients, compute)
        self._verified.add(directory)
        return directory

    def has(self, kind: str, ingredients: Mapping[str, Any]) -> bool:
        """Return whether the result of `ingredients` is there, whole and unchanged."""
        return self._is_whole(self._place(kind, ingredients))

    def table(self, kind: str, ingredients: Mapping[str, Any], compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Return the table that `compute` makes from `ingredients`, from the store where it is there already."""

        def write(directory: Path) -> None:
            write_table(directory / "table.parquet", compute())

        return pd.read_parquet(self.result(kind, ingredients, write) / "table.parquet")

    def records(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the records of all results of a kind; one that is damaged is named on standard error and left out."""
        for path in sorted((self.root / kind).glob(f"*/{RECORD}")):
            if path.parent.suffix:  # a computation's own, under way
                continue
            try:
                yield read_record(path.parent)
            except ValueError as error:
                tell(f"store: {kind}/{path.parent.name} is left out ({error})")

    def run(self, name: str) -> "Run":
        """Return the run of that name in this store; it need not exist yet."""
        _check_name("run", name)
        return Run(self.root / "runs" / name)

    def _place(self, kind: str, ingredients: Mapping[str, Any]) -> Path:
        return self.root / kind / fingerprint(dict(ingredients))[:24]

    def _is_whole(self, directory: Path) -> bool:
        if directory not in self._verified and not damage(directory):
            self._verified.add(directory)
        return directory in self._verified and directory.is_dir()

    def _build(
        self, directory: Path, kind: str, ingredients: Mapping[str, Any], compute: Callable[[Path], Any]
    ) -> None:
        place = f"{kind}/{directory.name}"
        if directory.exists():
            tell(f"store: {place} is damaged ({damage(directory)}); computing it again")
            shutil.rmtree(directory)
        remove_stale(directory.parent)
        work = directory.with_suffix(".partial")
        if damage(work):  # it lacks the name alone where a process died just before it gave it
            with saying_full(f"{kind} result", self.root):
                _compute(work, kind, ingredients, compute)
        work.rename(directory)


def kept_tables(folder: Path) -> dict[str, Any]:
    """Return the records of the tables that `Run.keep` copied into a folder, by name."""
    return json.loads((folder / KEPT).read_bytes())


def _check_name(what: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise InputError(f"{what} name {name!r} cannot be used: accepted are letters, digits, '.', '_' and '-'")


def _compute(work: Path, kind: str, ingredients: Mapping[str, Any], compute: Callable[[Path], Any]) -> None:
    """Fill a partial directory, or what is left of it, and seal it."""
    work.mkdir(exist_ok=True)
    work.touch()  # when this attempt began, where an earlier one left something
    for folder in (work, *(path for path in work.rglob("*") if path.is_dir())):
        remove_halves(folder)
    (work / RECORD).unlink(missing_ok=True)
    started = time.perf_counter()
    compute(work)
    about = {
        "kind": kind,
        "ingredients": dict(ingredients),
        "machine": machine(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - started, 1),
    }
    seal(work, about)


class Run:
    """One run of the book: a directory of tidy tables and their provenance in `run.json`.

    Every table has one row per task, seed, layer, head, ... and its columns are named alike in all of them. A table is
    there when `run.json` lists it, and read only while it has the SHA-256 that stands there.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.name = self.directory.name

    @property
    def provenance(self) -> dict[str, Any]:
        """What `run.json` holds; empty before the first table is saved. Raises `InputError` where it is damaged."""
        path = self.directory / "run.json"
        try:
            content = json.loads(path.read_bytes()) if path.exists() else {}
            expected = content.pop("sha256", None)  # a published run has none
            if content and (not isinstance(content["tables"], dict) or expected not in (None, fingerprint(content))):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"run {self.name!r}: run.json is damaged; {REBUILD_HINT}") from None
        return content

    def save(self, name: str, table: pd.DataFrame, **made_from: Any) -> None:
        """Write a table, and note in `run.json` what it was made from."""
        _check_name("table", name)
        path = self.directory / f"{name}.parquet"
        with self._changing() as content:
            write_table(path, table)
            content["machine"] = machine()
            content["tables"][name] = {
                "rows": len(table),
                "columns": list(table.columns),
                "sha256": file_fingerprint(path),
                "saved": datetime.now(UTC).isoformat(timespec="seconds"),
                "made_from": made_from,
            }

    def written(self) -> dict[str, int]:
        """Return when each table's file was written, in nanoseconds: what `keep` tells from what is saved later."""
        return {path.stem: path.stat().st_mtime_ns for path in sorted(self.directory.glob("*.parquet"))}

    def keep(self, before: Mapping[str, int], folder: Path) -> dict[str, Any]:
        """Copy the tables that were saved since `written` returned `before` into a folder, with their records, which
        are returned; `restore` puts back from there what is lost.
        """
        listed = self.provenance.get("tables", {})
        names = [name for name, moment in self.written().items() if name in listed and before.get(name) != moment]
        records = {name: listed[name] for name in names}
        folder.mkdir(parents=True)
        for name in records:
            shutil.copyfile(self.directory / f"{name}.parquet", folder / f"{name}.parquet")
        write_json(folder / KEPT, records)
        return records

    def restore(self, folder: Path) -> list[str]:
        """Put tables back that are missing, or are not what they were when `keep` copied them; return their names."""
        saved = kept_tables(folder)
        try:
            listed = self._listed()
        except InputError:  # begun anew below
            listed = {}
        lost = [
            name
            for name, record in saved.items()
            if listed.get(name) != record["sha256"] or self._has_changed(name, record["sha256"])
        ]
        if lost:
            with self._changing() as content:
                content.setdefault("machine", machine())
                for name in lost:
                    source = folder / f"{name}.parquet"
                    replace(self.directory / source.name, partial(shutil.copyfile, source))
                    content["tables"][name] = saved[name]
        return lost

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """Give the content of `run.json` to one process at a time, and write it when that has changed it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with saying_full(f"run {self.name!r}", self.directory), FileLock(self.directory / ".lock"):
            remove_halves(self.directory)
            try:
                content = self.provenance
            except InputError:
                tell(f"run {self.name!r}: run.json is damaged; it is begun anew, and notebooks bring their tables back")
                content = {}
            content = content or {"run": self.name, "tables": {}}
            yield content
            content = json.loads(json.dumps(content))
            write_json(self.directory / "run.json", content | {"sha256": fingerprint(content)})

    def table(self, name: str) -> pd.DataFrame:
        """Read one table of this run; `InputError` names the tables there are, or the one that is damaged."""
        listed = self._listed()
        if name not in listed:
            raise InputError(f"run {self.name!r} has no table {name!r}; it has: {', '.join(listed) or 'none yet'}")
        return self._read(name, listed[name])

    def _read(self, name: str, sha256: str | None) -> pd.DataFrame:
        if self._has_changed(name, sha256):
            raise InputError(f"run {self.name!r}: {name}.parquet has changed since it was saved; {REBUILD_HINT}")
        return pd.read_parquet(self.directory / f"{name}.parquet")

    def _listed(self) -> dict[str, str | None]:
        """Return the tables that are there, by name, each with the SHA-256 in `run.json`."""
        listed = self.provenance.get("tables", {})
        names = sorted(path.stem for path in self.directory.glob("*.parquet"))
        return {name: listed[name].get("sha256") for name in names if name in listed}

    def _has_changed(self, name: str, sha256: str | None) -> bool:
        """Return whether a table is not what it was when it was saved; its file is read once per process."""
        path = self.directory / f"{name}.parquet"
        status = path.stat()
        seen = (status.st_size, status.st_mtime_ns, sha256)
        if _checked.get(path.absolute()) != seen:
            if file_fingerprint(path) != sha256:
                return True
            _checked[path.absolute()] = seen
        return False

    def find(self, name: str) -> pd.DataFrame | None:
        """Read one table of this run, or give None where the run does not have it (as the reference run may not)."""
        listed = self._listed()
        return self._read(name, listed[name]) if name in listed else None

    def made_from(self, name: str) -> dict[str, Any]:
        """Return what a table was made from, as `save` was told; empty where the run does not have it.

        In a published run, tables that were made from the same share one entry of `setups`.
        """
        provenance = self.provenance
        made_from = provenance.get("tables", {}).get(name, {}).get("made_from", {})
        return provenance["setups"][made_from] if isinstance(made_from, str) else made_from

    def tables(self) -> list[str]:
        """Names of the tables saved so far."""
        return list(self._listed())
