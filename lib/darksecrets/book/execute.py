"""Papermill over the book's notebooks: in order, one at a time, nothing twice.

An executed notebook is a result in the run store, keyed by its code, its parameters, what of the library it imports,
the packages, and the tables that the notebooks before it saved. It is there only when it succeeded; what failed is kept
under `_build/failed` to look at. The result also holds copies of the tables that the notebook saved, so that those that
a run has lost come back.
"""

import os
import re
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from darksecrets import runs
from darksecrets.book import contents, executed, kernels, parameters, sources
from darksecrets.book.dependencies import library_fingerprint
from darksecrets.book.kernels import KernelSpec
from darksecrets.book.profiles import PLACES, STORE, Profile
from darksecrets.book.progress import CellProgress
from darksecrets.errors import FailedError, InputError
from darksecrets.files import tell

BUILD = Path("_build")
FAILED = BUILD / "failed"
DRAWING = ("altair", "vl-convert-python", "bertviz", "myst-nb", "ipykernel", "papermill")
CHECKPOINTS = ("checkpoint", "own_model")  # of the places that may be on the Hub
KIND = "notebook"  # of the store's results
DIED = "Kernel died"  # nbclient's words, for a kernel at work and for one that is being started
NOTEBOOK, TABLES = "notebook.ipynb", "tables"  # of a result: the notebook, and copies of the tables that it saved
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class ExecutionError(FailedError):
    """A notebook did not reach its end; the message says which, in which cell, and why."""


def execute(profile: Profile, only: Collection[str] | None = None) -> dict[str, NotebookNode]:
    """Execute the book's notebooks with a profile's values; return them, with outputs, by page name.

    With `only`, these pages are executed for the tables that they save; another reference run to show beside them, such
    as the one that is published from these tables, is then no reason to execute them again.

    Raises `ExecutionError` with notebook, cell and exception, or the `InputError` that a notebook raised.
    """
    os.environ.update(kernels.ENVIRONMENT)
    shutil.rmtree(profile.root / FAILED, ignore_errors=True)
    store = runs.Store(profile.store)
    pages = [page for page in contents.pages(profile.root) if only is None or page.name in only]
    shown = _fingerprints(profile.folder / "reference") if only is None else {}
    done: dict[str, NotebookNode] = {}
    saved: dict[str, str] = {}  # the tables that the notebooks so far left in the run
    with kernels.Kernels() as started:
        for position, page in enumerate(pages, start=1):
            label = f"[{position}/{len(pages)}] {page.source.stem}"
            if not page.is_notebook:
                print(f"{label}: text", flush=True)
                continue
            planned = _planned(page, profile, saved, shown)
            after = next((other for other in pages[position:] if other.is_notebook), None)
            directory = _result(store, planned, after, started, label)
            saved |= _tables(store, planned, directory / TABLES)
            done[page.name] = executed.joined(planned.source, executed.read(directory / NOTEBOOK))
    return done


@dataclass(frozen=True)
class _Planned:
    """A notebook to execute: with which values, and what the result is made from."""

    page: contents.Page
    source: NotebookNode
    values: dict[str, Any]
    made_from: dict[str, Any]
    profile: Profile


def _planned(page: contents.Page, profile: Profile, saved: dict[str, str], shown: dict[str, str]) -> _Planned:
    source = sources.read(page.source)
    values = profile.for_notebook([parameter.name for parameter in parameters.of_notebook(page.source)])
    made_from = ingredients(page.name, source, values, profile.folder, saved) | {"reference": shown}
    return _Planned(page, source, values, made_from, profile)


def _result(
    store: runs.Store, planned: _Planned, after: contents.Page | None, started: kernels.Kernels, label: str
) -> Path:
    """Return the directory of an executed notebook; while it is being executed, start the kernel of the page `after`
    it, which knows only then whether it has to be executed as well.
    """
    begun, ran = time.perf_counter(), False

    def compute(directory: Path) -> None:
        nonlocal ran
        ran = True
        print(f"{label} ...", flush=True)
        read = [planned.source, *([sources.read(after.source)] if after else [])]
        with started.acquire(*(KernelSpec(source, planned.profile.folder) for source in read)) as manager:
            _run(planned, store, manager, directory)

    directory = store.result(KIND, planned.made_from, compute)
    spent = f"{time.perf_counter() - begun:.0f} s" if ran else "unchanged, not executed again"
    print(f"{label} ... {spent}", flush=True)
    return directory


def _tables(store: runs.Store, planned: _Planned, kept: Path) -> dict[str, str]:
    """Put the tables back that a notebook saved and its run has lost; return the fingerprint of each that it saved."""
    run = store.run(planned.profile.run)
    for name in run.restore(kept):
        by = planned.page.source.stem
        tell(f"run {run.name!r}: table {name} was missing or damaged; it is back, as {by} saved it")
    records = runs.kept_tables(kept)
    return {name: runs.fingerprint([record["sha256"], record["made_from"]]) for name, record in records.items()}


def _run(planned: _Planned, store: runs.Store, manager: AsyncKernelManager, directory: Path) -> None:
    """Execute one notebook into `directory`, and keep the tables that it saved; `NOTEBOOK` is there when, and only
    when, it reached its end.
    """
    page, profile, working = planned.page, planned.profile, directory / "executing.ipynb"
    shutil.rmtree(directory / TABLES, ignore_errors=True)
    run = store.run(profile.run)
    before = run.written()
    nbformat.write(planned.source, working)
    with CellProgress(len(planned.source.cells) + 1) as progress:  # and the cell that papermill adds
        try:
            papermill.execute_notebook(
                working.resolve(),
                working.resolve(),
                parameters=planned.values,
                cwd=profile.folder,
                progress_bar=False,
                stdout_file=progress,
                stderr_file=progress,
                on_cell_start=progress.cell_started,
                km=manager,
            )
        except PapermillExecutionError as error:
            if error.ename == "InputError":
                raise InputError(f"{page.source.stem}: {error.evalue}") from None
            raise _failed(page, error.cell_index, described(error), working, profile.root) from None
        except RuntimeError as error:
            if DIED not in str(error):
                raise
            reason = "the kernel died; was there enough memory?"
            raise _failed(page, max(progress.position - 1, 0), reason, working, profile.root) from None
    notebook = executed.read(working)
    position = executed.unfinished(notebook)
    if position is not None:
        raise _failed(page, position, executed.ENDED.format("this cell"), working, profile.root)
    run.keep(before, directory / TABLES)
    working.unlink()
    nbformat.write(executed.clean(notebook), directory / NOTEBOOK)


def ingredients(
    name: str, source: NotebookNode, values: dict[str, Any], folder: Path, before: object
) -> dict[str, Any]:
    """Return what an executed notebook is made from, as JSON: a change of any of it makes it run again.

    `before` stands for what it may read of the notebooks before it: fingerprints of their tables, or of all that they
    are made from.
    """
    given = [key for key in PLACES if key != STORE and values.get(key)]
    cells = executed.code_cells(source)
    return {
        "page": name,
        "code": [[cell.source, cell.metadata.get("tags", [])] for cell in cells],
        "parameters": values,
        "files": {key: _listing(_place(key, values[key], folder)) for key in given},
        "library": library_fingerprint(cell.source for cell in cells),
        "packages": {package: metadata.version(package) for package in (*runs.PACKAGES, *DRAWING)},
        "before": before,
    }


def _fingerprints(folder: Path) -> dict[str, str]:
    """Map the files below a folder to their SHA-256; Python's compiled modules are left out."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "__pycache__"]
    return {path.relative_to(folder).as_posix(): runs.file_fingerprint(path) for path in files}


def _place(key: str, value: str, folder: Path) -> Path:
    """Return where a value's files are; those of a checkpoint on the Hub are where they were fetched to."""
    place = folder / value
    if key not in CHECKPOINTS or os.path.exists(place):  # noqa: PTH110 (no name is too long)
        return place
    from darksecrets.models import checkpoints  # takes seconds

    return place if value == checkpoints.MINILM else checkpoints.hub_directory(value)


def _listing(place: Path) -> list[list[Any]]:
    """List the files of a corpus or checkpoint with size and time: a file that changed makes the notebook run again."""
    paths = [path for path in sorted(place.rglob("*") if place.is_dir() else [place]) if path.is_file()]
    found = [(path.relative_to(place).as_posix(), path.stat()) for path in paths]
    return [[name, status.st_size, status.st_mtime_ns] for name, status in found]


def described(error: PapermillExecutionError | NotebookNode) -> str:
    """Return the traceback of an exception of a cell, or of its output in a notebook, without colours."""
    trace = COLOUR.sub("", "\n".join(error.traceback)).strip()
    return f"{trace}\n\n{error.ename}: {error.evalue}"


def _failed(page: contents.Page, position: int, what: str, working: Path, root: Path) -> ExecutionError:
    """Keep the notebook as far as it came, and return what happened in the cell at `position` of it."""
    cells = executed.read(working).cells[: position + 1]
    number = sum(sources.INJECTED not in cell.metadata.get("tags", []) for cell in cells)
    kept = FAILED / f"{page.source.stem}.failed.ipynb"
    return ExecutionError(failure_block(f"notebook {page.source.stem}", number, what, working, root, kept))


def failure_block(name: str, number: int, what: str, notebook: Path, root: Path, kept: Path) -> str:
    """Move a notebook that failed to `kept` below `root`, and return the block that says in which cell and why."""
    (root / kept).parent.mkdir(parents=True, exist_ok=True)
    notebook.replace(root / kept)
    return f"{name} failed in cell {number}:\n{indented(what)}\nThe notebook as far as it came: {kept}"


def indented(text: str) -> str:
    """Indent a block of text, to stand out in what is printed."""
    return "\n".join(f"    {line}" for line in text.splitlines())
