"""Papermill over the book's notebooks: in order, one at a time, nothing twice.

An executed notebook is a result in the run store, keyed by its code, its parameters, the library, the packages and
the notebooks before it. It is there only when it succeeded; what failed is kept under `_build/failed` to look at. The
result also holds copies of the tables that the notebook saved, so that those that a run has lost come back.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

import darksecrets
from darksecrets import runs
from darksecrets.book import contents, executed, kernels, parameters, sources
from darksecrets.book.profiles import PLACES, STORE, Profile
from darksecrets.book.progress import CellProgress
from darksecrets.errors import InputError
from darksecrets.files import tell

BUILD = Path("_build")
FAILED = BUILD / "failed"
DRAWING = ("altair", "vl-convert-python", "bertviz", "myst-nb", "ipykernel", "papermill")
CHECKPOINTS = ("checkpoint", "own_model")  # of the places that may be on the Hub
KIND = "notebook"  # of the store's results
DIED = "Kernel died"  # nbclient's words, for a kernel at work and for one that is being started
TABLES = "tables"  # of an executed notebook's result: copies of the run's tables that it saved
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class ExecutionError(RuntimeError):
    """A notebook did not reach its end; the message is the block to show."""


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
    done, before = {}, None
    with kernels.Kernels() as started:
        for position, page in enumerate(pages, start=1):
            label = f"[{position}/{len(pages)}] {page.source.stem}"
            if not page.is_notebook:
                print(f"{label}: text", flush=True)
                continue
            planned = before = _planned(page, profile, before, shown)
            after = next((other for other in pages[position:] if other.is_notebook), None)
            following = partial(_planned, after, profile, planned, shown) if after else None
            done[page.name] = executed.joined(planned.source, _result(store, planned, following, started, label))
    return done


@dataclass(frozen=True)
class _Planned:
    """A notebook to execute: with which values, and what the result is made from."""

    page: contents.Page
    source: NotebookNode
    values: dict[str, Any]
    made_from: dict[str, Any]
    profile: Profile

    def kernel(self, store: runs.Store) -> kernels.Wanted:
        """Return the kernel that executes it; what it saves is copied into the result that is under way."""
        tables = (store.under_way(KIND, self.made_from) / TABLES).resolve()
        return kernels.Wanted(self.source, self.profile.folder, {runs.COPIES: str(tables)})


def _planned(page: contents.Page, profile: Profile, before: _Planned | None, shown: dict[str, str]) -> _Planned:
    """Plan a notebook as it stands now, after the notebook `before` it."""
    source = sources.read(page.source)
    values = profile.for_notebook([parameter.name for parameter in parameters.of_notebook(page.source)])
    fingerprint = runs.fingerprint(before.made_from) if before else ""
    made_from = ingredients(page.name, source, values, profile.folder, fingerprint) | {"reference": shown}
    return _Planned(page, source, values, made_from, profile)


def _result(
    store: runs.Store,
    planned: _Planned,
    following: Callable[[], _Planned] | None,
    started: kernels.Kernels,
    label: str,
) -> NotebookNode:
    """Return a notebook from the store; where it must be executed, start the kernel of the `following` one too."""
    begun, ran = time.perf_counter(), False

    def compute(directory: Path) -> None:
        nonlocal ran
        ran = True
        print(f"{label} ...", flush=True)
        after = following() if following else None
        is_next = after is not None and not store.has(KIND, after.made_from)
        with started.one(planned.kernel(store), after.kernel(store) if is_next else None) as manager:
            _run(planned, manager, directory)

    directory = store.result(KIND, planned.made_from, compute)
    spent = f"{time.perf_counter() - begun:.0f} s" if ran else "unchanged, not executed again"
    print(f"{label} ... {spent}", flush=True)
    for copies in sorted((directory / TABLES).glob("*")):
        for name in store.run(copies.name).restore(copies):
            by = planned.page.source.stem
            tell(f"run {copies.name!r}: table {name} was missing or damaged; it is back, as {by} saved it")
    return executed.read(directory / "notebook.ipynb")


def _run(planned: _Planned, manager: AsyncKernelManager, directory: Path) -> None:
    """Execute one notebook into `directory`: `notebook.ipynb` is there when, and only when, it reached its end."""
    page, profile, working = planned.page, planned.profile, directory / "executing.ipynb"
    shutil.rmtree(directory / TABLES, ignore_errors=True)
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
    working.unlink()
    nbformat.write(executed.clean(notebook), directory / "notebook.ipynb")


def ingredients(name: str, source: NotebookNode, values: dict[str, Any], folder: Path, before: str) -> dict[str, Any]:
    """Return what an executed notebook is made from, as JSON: a change of any of it makes it run again.

    `before` is the fingerprint of this of the notebook before it, whose results it may read.
    """
    given = [key for key in PLACES if key != STORE and values.get(key)]
    return {
        "page": name,
        "code": [[cell.source, cell.metadata.get("tags", [])] for cell in executed.code_cells(source)],
        "parameters": values,
        "files": {key: _listing(_place(key, values[key], folder)) for key in given},
        "library": library_fingerprint(),
        "packages": {package: metadata.version(package) for package in (*runs.PACKAGES, *DRAWING)},
        "before": before,
    }


def library_fingerprint() -> str:
    """Return the SHA-256 of the library's modules and data that a notebook can use: all but the book's machinery."""
    found = _fingerprints(Path(darksecrets.__file__).parent)
    return runs.fingerprint({name: sha for name, sha in found.items() if not name.startswith(("book/", "__main__.py"))})


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

    def entries() -> Iterator[list[Any]]:
        for path in sorted(place.rglob("*") if place.is_dir() else [place]):
            if path.is_file():
                status = path.stat()
                yield [path.relative_to(place).as_posix(), status.st_size, status.st_mtime_ns]

    return list(entries())


def described(error: PapermillExecutionError | NotebookNode) -> str:
    """Write an exception of a cell, or its output in a notebook, as a traceback without colours."""
    trace = COLOUR.sub("", "\n".join(error.traceback)).strip()
    return f"{trace}\n\n{error.ename}: {error.evalue}"


def _failed(page: contents.Page, position: int, what: str, working: Path, root: Path) -> ExecutionError:
    """Keep the notebook as far as it came, and say what happened in the cell at `position` of it."""
    cells = [
        cell
        for cell in executed.read(working).cells[: position + 1]
        if sources.INJECTED not in cell.metadata.get("tags", [])
    ]
    kept = root / FAILED / f"{page.source.stem}.failed.ipynb"
    kept.parent.mkdir(parents=True, exist_ok=True)
    working.replace(kept)
    return ExecutionError(
        f"notebook {page.source.stem} failed in cell {len(cells)}:\n{indented(what)}\n"
        f"The notebook as far as it came: {kept.relative_to(root)}"
    )


def indented(text: str) -> str:
    """Indent a block of text, to stand out in what is printed."""
    return "\n".join(f"    {line}" for line in text.splitlines())
