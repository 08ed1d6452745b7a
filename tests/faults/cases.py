"""Faults one at a time: what is broken, what is said, and what is computed again."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darksecrets.book import execute, profiles
from darksecrets.runs import Store
from tests.conftest import ROOT, write_task
from tests.faults import clones, small_book

TABLE = pd.DataFrame({"layer": [0, 1], "mean_value": [0.25, 0.5]})


@dataclass
class Outcome:
    """What came of a fault: what was said, what was computed again, and whether all is as it was before."""

    said: str
    again: str
    is_whole: bool


def truncate(path: Path) -> None:
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    """Leave a file of no bytes."""
    path.write_bytes(b"")


DAMAGES = {"truncated": truncate, "one bit flipped": flip, "empty": empty, "deleted": Path.unlink}


def book(root: Path, *arguments: str) -> tuple[int, str]:
    """Run `python -m darksecrets book` in a clone; return its exit code and what it said."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib")}
    command = [sys.executable, "-m", "darksecrets", "book", *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def state(root: Path) -> dict[str, bytes]:
    """Return the tables of a clone's runs, by name."""
    return {path.name: path.read_bytes() for path in sorted((root / "_runs" / "runs").glob("*/*.parquet"))}


def garbled_in_book(root: Path, pattern: str, damage: Callable[[Path], None]) -> Outcome:
    """Damage a file of an executed book's store, and execute again; a result is read once more by its notebook."""
    before = state(root)
    damage(next(iter(sorted((root / "_runs").glob(pattern)))))
    if pattern.startswith("piece"):
        shutil.rmtree(root / "_runs" / "notebook")
    said = execute_again(root)
    lines = [line.strip() for line in said.splitlines() if line.strip().startswith(("store: ", "run '"))]
    again = {"piece": "the result", "notebook": "the notebook", "runs": "nothing"}[pattern.split("/")[0]]
    is_right = ("unchanged" in said) == (again == "nothing")
    return Outcome("; ".join(lines), again, bool(lines) and is_right and state(root) == before and not _wrong(root))


def execute_again(root: Path) -> str:
    """Execute a clone's notebooks; return what was said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        execute.execute(profiles.load(root, "pocket"))
    return said.getvalue()


def garbled_model(work: Path, damage: Callable[[Path], None]) -> Outcome:
    """Damage a fine-tuned model, and ask for it again."""
    code, said = finished(start_finetuning(work, work / "store"))
    (weights,) = (work / "store").glob("finetuned/*/model.safetensors")
    before = weights.read_bytes()
    damage(weights)
    code, said = finished(start_finetuning(work, work / "store"))
    is_named = "model.safetensors" in said and "computing it again" in said
    return Outcome(_last(said), "the model", code == 0 and is_named and weights.read_bytes() == before)


FINETUNE = """
import sys
from darksecrets import __main__
from darksecrets.corpora import glue
from darksecrets.models import checkpoints, finetuning, training
from darksecrets.book import execute, profiles
from darksecrets.runs import Store
import click

@__main__.main.command("one")
def one():
    checkpoint, train = checkpoints.load(sys.argv[2]), glue.load("RTE", "train", sys.argv[3])
    training.SECONDS_BETWEEN_SAVES = float(sys.argv[5])
    finetuning.finetune(checkpoint, train, finetuning.Recipe(1e-3, epochs=2), 0, Store(sys.argv[4]))

__main__.main(["one"])
"""


def start_finetuning(work: Path, store: Path, between_saves: float = 60.0) -> subprocess.Popen:
    """Start a process that fine-tunes the tiny BERT of `work` on a small task, as a command of ours would."""
    corpus = work / "glue"
    if not corpus.exists():
        write_task(corpus, "RTE")
    command = [sys.executable, "-c", FINETUNE, "one", str(work / "tiny"), str(corpus), str(store), str(between_saves)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(process: subprocess.Popen) -> tuple[int, str]:
    """Wait for a process; return its exit code and what it said."""
    said = process.communicate()[0]
    return process.returncode, said


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """Mount a disk of that size at `place`; `OSError` where mounting is not allowed."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        raise OSError(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Write a file that leaves that many bytes of a disk."""
    status = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(status.f_bavail * status.f_frsize - left, 0)))
    return ballast


def full_store(disk: Path) -> Outcome:
    """Let a result find no room, make room, and ask again."""
    ballast, store = fill(disk, 100_000), Store(disk / "store")

    def compute() -> pd.DataFrame:
        return pd.DataFrame({"value": range(200_000)}).sample(frac=1, random_state=0)

    said = ""
    try:
        store.table("piece", {}, compute)
    except OSError as error:
        said = f"{type(error).__name__}: {error}"
    is_clean = not [path for path in disk.glob("store/piece/*") if not path.suffix]
    ballast.unlink()
    return Outcome(
        said, "the result", "the disk is full" in said and is_clean and len(store.table("piece", {}, compute)) > 0
    )


def full_finetuning(work: Path, disk: Path) -> Outcome:
    """Let a fine-tuning find no room for its saves, make room, and go on."""
    ballast = fill(disk, 5_000_000)
    code, said = finished(start_finetuning(work, disk / "store", between_saves=0))
    is_clean = not list((disk / "store").glob("finetuned/*/result.json")) or not _named(disk / "store" / "finetuned")
    ballast.unlink()
    again, _ = finished(start_finetuning(work, disk / "store"))
    said_well = code == 1 and "the disk is full" in said and "Traceback" not in said
    return Outcome(_last(said), "what was not saved", said_well and is_clean and again == 0)


def full_book(disk: Path, left: int) -> Outcome:
    """Let a whole book find no room, make room, and build it."""
    root = small_book.write(disk / "clone")
    ballast = fill(disk, left)
    code, said = book(root)
    is_clean = not (root / clones.HTML).exists()
    ballast.unlink()
    again, _ = book(root)
    said_well = code == 1 and "the disk is full" in said and "Traceback" not in said
    return Outcome(_last(said), "what was unfinished", said_well and is_clean and again == 0 and not _wrong(root))


def two_books(root: Path) -> Outcome:
    """Build a book twice at once in one clone, where nothing is executed yet."""
    shutil.rmtree(root / "_runs", ignore_errors=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib")}
    command = [sys.executable, "-m", "darksecrets", "book"]
    pair = [
        subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    said = [finished(process) for process in pair]
    waited = [text for _, text in said if "Another build is running" in text]
    executed = sum("unchanged" not in text for _, text in said)
    said_line = next((line for text in waited for line in text.splitlines() if "Another" in line), "")
    codes = [code for code, _ in said]
    return Outcome(
        said_line,
        "nothing" if executed == 1 else "twice",
        codes == [0, 0] and bool(waited) and executed == 1 and not _wrong(root),
    )


def two_finetunings(work: Path) -> Outcome:
    """Fine-tune one model in two processes at once."""
    store, started = work / "shared", time.monotonic()
    pair = [start_finetuning(work, store) for _ in range(2)]
    codes = [finished(process)[0] for process in pair]
    models = _named(store / "finetuned")
    said = f"nothing ({time.monotonic() - started:.0f} s)"
    return Outcome(said, "nothing", codes == [0, 0] and len(models) == 1)


def dead_between_renames(root: Path) -> Outcome:
    """Leave a built book as a process does that dies between the two renames of an exchange; build again."""
    html = root / clones.HTML
    if not html.exists():
        book(root)
    html.rename(html.with_name("html.old"))
    notebook = root / "notebooks" / "01-toy.ipynb"
    mended = notebook.read_text()
    notebook.write_text(mended.replace("import time", "1 / 0"))
    failed, _ = book(root)
    is_back = failed == 1 and (html / "index.html").is_file()
    notebook.write_text(mended)
    code, _ = book(root)
    return Outcome("nothing", "the pages", is_back and code == 0 and not clones.unlisted_tables(root))


def _named(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if not path.suffix]


def _wrong(root: Path) -> list[str]:
    return [*clones.leftovers(root), *clones.unlisted_tables(root)]


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""
