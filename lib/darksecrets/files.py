"""Files that survive what happens to processes and disks: written in one step, sealed with their SHA-256, and a full
disk said in one line.

A *sealed* directory holds a record, `result.json`, with the SHA-256 of every file in it and of the record itself. What
was cut short or changed after it was sealed is found by reading it, so nothing depends on what a disk did in a crash.
"""

import errno
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from darksecrets.errors import DiskFullError

if TYPE_CHECKING:  # the command line reads this module before it knows whether it will compute anything
    import pandas as pd

RECORD = "result.json"
HALF = ".half"  # ends the name of a file that is being written
FORGOTTEN = 3600.0  # seconds after which a half-written file is taken for that of a dead process
ABANDONED = 14 * 24 * 3600.0  # seconds after which what an interrupted computation left is given up
FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_TEXTS = ("the disk is full", "no space left on device", "disk quota exceeded", f"os error {errno.ENOSPC}")
LFS_POINTER = b"version https://git-lfs"  # begins a file that git-LFS has left in another's place
ALMOST_NOTHING = 2**20  # bytes left on a disk on which a write failed without saying why


def fingerprint(ingredients: Any) -> str:
    """Return the SHA-256 of `ingredients` written as canonical JSON (keys sorted, no NaN)."""
    text = json.dumps(ingredients, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file, and give it its name in one step: a reader sees the old file or the new one.

    What a process that was killed left half-written for the same name is removed.
    """
    remove_halves(path.parent, path.name, FORGOTTEN)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{HALF}")
    try:
        write(temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8 in one step (see `replace`)."""
    replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON in one step (see `replace`)."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as Parquet in one step (see `replace`)."""
    replace(path, lambda temporary: table.to_parquet(temporary, index=False))


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV in one step (see `replace`)."""
    replace(path, lambda temporary: table.to_csv(temporary, index=False))


def remove_halves(directory: Path, name: str = "*", age: float = 0.0) -> None:
    """Remove half-written files of `directory` that are older than `age` seconds; without one, nobody may be writing
    there.
    """
    for path in directory.glob(f".{name}.*{HALF}"):
        try:
            if time.time() - path.stat().st_mtime >= age:
                path.unlink()
        except FileNotFoundError:  # its writer was alive, and has finished
            continue


def seal(directory: Path, about: Mapping[str, Any]) -> None:
    """Write the record of a directory's files, with what it is `about`."""
    (directory / RECORD).unlink(missing_ok=True)
    paths = [path for path in sorted(directory.rglob("*")) if path.is_file() and path.suffix != HALF]
    files = {path.relative_to(directory).as_posix(): file_fingerprint(path) for path in paths}
    content = json.loads(json.dumps({**about, "files": files}))
    write_json(directory / RECORD, content | {"sha256": fingerprint(content)})


def read_record(directory: Path) -> dict[str, Any]:
    """Read the record of a sealed directory; `ValueError` says what is wrong with it."""
    try:
        content = json.loads((directory / RECORD).read_bytes())
        expected = content.pop("sha256", None)  # older records have none
        is_whole = isinstance(content["files"], dict) and expected in (None, fingerprint(content))
    except FileNotFoundError:
        raise ValueError(f"{RECORD} is missing") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{RECORD} cannot be read") from None
    if not is_whole:
        raise ValueError(f"{RECORD} has changed")
    return content


def damage(directory: Path) -> str:
    """Return what is wrong with a sealed directory; an empty string where nothing is."""
    try:
        files = read_record(directory)["files"]
    except ValueError as error:
        return str(error)
    for name, expected in files.items():
        path = directory / name
        if not path.is_file():
            return f"{name} is missing"
        if file_fingerprint(path) != expected:
            return f"{name} has changed"
    return ""


def remove_stale(folder: Path) -> None:
    """Remove what interrupted computations left long ago: their code has changed since, or nobody wants them."""
    for work in folder.glob("*.partial"):
        lock = FileLock(work.with_suffix(".lock"))
        if time.time() - _last_change(work) < ABANDONED:
            continue
        with suppress(Timeout), lock.acquire(timeout=0):
            shutil.rmtree(work, ignore_errors=True)


def _last_change(folder: Path) -> float:
    paths = [folder, *folder.rglob("*")]
    return max((path.stat().st_mtime for path in paths if path.exists()), default=time.time())


def nearest_directory(place: Path) -> Path:
    """Return the nearest directory upwards that exists."""
    return next(one for one in (place, *place.absolute().parents) if one.is_dir())


def says_full(text: str) -> bool:
    """Return whether an error's text means that a disk is full."""
    return any(one in text.lower() for one in FULL_TEXTS)


def _is_full(error: BaseException, place: Path) -> bool:
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    if says_full(str(error)):
        return True
    # torch's writer only says that a file has another length than it wrote.
    return isinstance(error, OSError | RuntimeError) and shutil.disk_usage(place).free < ALMOST_NOTHING


@contextmanager
def saying_full(what: str, place: Path) -> Iterator[None]:
    """Turn a write that failed for want of space into `DiskFullError`: what was written, where, and how much is left.

    `place` is a directory on that disk, which exists.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        if not _is_full(error, place):
            raise
        raise full(what, place) from error


def full(what: str, place: Path) -> DiskFullError:
    """Return the error that describes a full disk in one line."""
    usage = shutil.disk_usage(place)
    return DiskFullError(
        f"the disk is full: {what} could not be written below {_shown(place)}, where {usage.free / 1e6:.1f} of "
        f"{usage.total / 1e6:.0f} MB are left; make room, and run the same command again: it continues"
    )


def _shown(place: Path) -> str:
    """Return a path as a person would write it from here."""
    shown = os.path.relpath(place)
    return str(place) if shown.startswith("../..") else shown


def tell(message: str) -> None:
    """Print on standard error what was found and what is done about it."""
    print(message, file=sys.stderr, flush=True)
