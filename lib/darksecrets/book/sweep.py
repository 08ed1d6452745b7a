"""A sweep: every combination of the values in a grid, a YAML file of lists, is a run of its own, a *cell*, and each
chapter of each run is a *unit*, a command line of papermill and the files that it makes.

As with a profile, everything that can be known to be wrong with a grid is said before any kernel starts: each cell is a
checked profile. The chapters of a run follow each other, as in the book: they share fine-tuned models, and the last
ones read the tables of those before. There is no scheduler here: for many machines, the Snakefile hands the same units
to Snakemake.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import nbformat
import yaml

from darksecrets.book import contents, engine, execute, executed, parameters, plain_yaml, profiles, sources
from darksecrets.book.contents import MEASURING, Page
from darksecrets.book.parameters import unknown
from darksecrets.book.profiles import PLACES, STORE, Profile
from darksecrets.errors import InputError, check_once
from darksecrets.models.cores import available_cores
from darksecrets.runs import Run, Store, fingerprint

AXES = {"checkpoints": "checkpoint", "corpora": "corpus", "tasks": "tasks", "seeds": "seeds"}  # and their parameters
PARAMETERS, CHAPTERS, PROFILE = "parameters", "chapters", "profile"
KEYS = (*AXES, PARAMETERS, CHAPTERS, PROFILE)
BASE = "pocket"  # the profile that the cells start from where the grid names none
LONGEST = 90  # characters of a cell's name, for the sake of file names; what is cut is in the run's fingerprint
MOST_CELLS = 10_000
LAST_LINES = 12  # of what papermill said, where no cell failed


@dataclass(frozen=True)
class Unit:
    """One chapter of one run; `before` is the fingerprint of the chapter before it, empty for the first."""

    cell: Profile
    page: Page
    before: str

    @property
    def chapter(self) -> str:
        """The chapter's name, such as 04-fine-tuning."""
        return self.page.source.stem

    @property
    def name(self) -> str:
        """What messages call the unit."""
        return f"{self.cell.run} {self.chapter}"

    @property
    def run(self) -> Run:
        """The run, whose directory all outputs are in."""
        return Store(self.cell.store).run(self.cell.run)

    @property
    def notebook(self) -> Path:
        """Where the executed notebook goes."""
        return self.run.directory / f"{self.chapter}.ipynb"

    @property
    def outputs(self) -> list[Path]:
        """The files that are there when the unit is done: the executed notebook, and the tables that claims rest on."""
        return [self.notebook, *(self.run.directory / f"{name}.parquet" for name in tables(self.chapter))]

    @cached_property
    def values(self) -> dict[str, object]:
        """The values of the chapter's parameters."""
        return self.cell.for_notebook([parameter.name for parameter in parameters.of_notebook(self.page.source)])

    @cached_property
    def fingerprint(self) -> str:
        """What the unit is made from: code, values, files, library and packages, and the chapter before."""
        source = sources.read(self.page.source)
        return fingerprint(execute.ingredients(self.page.name, source, self.values, self.cell.folder, self.before))

    def partial(self, process: str | int) -> Path:
        """Return the name that the notebook has until papermill has ended well, in a shell of that number."""
        return self.notebook.with_name(f".{self.chapter}.{process}.ipynb")

    @property
    def command(self) -> str:
        """The command line for a POSIX shell in the book's repository."""
        root = self.cell.root
        there, directory = (os.path.relpath(path, root) for path in (self.notebook, self.run.directory))
        partial = f"{shlex.quote(f'{directory}/.{self.chapter}')}.$$.ipynb"  # a shell's `$$` is its process's number
        source = self.page.source.relative_to(root)
        # In YAML's own form: JSON's 1e-05 would be read as text.
        values = yaml.safe_dump(self.values, default_flow_style=True, width=float("inf"), allow_unicode=True).strip()
        words = [sys.executable, "-m", "papermill", str(source)]
        kernel = ["--engine", "darksecrets", "--kernel", sources.KERNEL, "--language", sources.LANGUAGE]
        options = [*kernel, "--cwd", str(source.parent), "--no-progress-bar", "-y", values]
        return (
            f"{engine.UNIT}={self.fingerprint} {shlex.join(words)} {partial} {shlex.join(options)} "
            f"&& mv {partial} {shlex.quote(there)}"
        )

    def is_done(self) -> bool:
        """Return whether all outputs are there, made from what they would be made from now."""
        run = self.run
        try:
            if any(run.find(name) is None for name in tables(self.chapter)):
                return False
            notebook = executed.read(self.notebook)
        except (OSError, ValueError, nbformat.ValidationError):  # missing or damaged: it is made anew
            return False
        return notebook.metadata.get(engine.UNIT) == self.fingerprint


def plan(root: Path, path: str | Path) -> list[list[Unit]]:
    """Return the units that a grid asks for in the book under `root`: a list for each cell, its chapters in their
    order. Paths in the grid start at the notebooks' folder.

    Raises `InputError`, with the cell where one cannot be run.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"grid {path}: there is no such file; give a YAML file such as notebooks/grids/pocket.yml")
    where, content = path.name, plain_yaml.read(path)
    for key in content:
        if key not in KEYS:
            raise unknown(str(key), KEYS, where)
    name = content.get(PROFILE, BASE)
    if not isinstance(name, str):
        raise InputError(f"{where}: profile is {name!r}; give the name of a profile, or a YAML file")
    base = profiles.load(root, name)
    axes = _axes(content, base, where)
    if (n_cells := prod(map(len, axes.values()))) > MOST_CELLS:
        raise InputError(f"{where} has {n_cells:,} cells, at most {MOST_CELLS:,} are run; make it several grids")
    cells: dict[str, Profile] = {}
    for values in product(*axes.values()):
        cell = _cell(base, axes, dict(zip(axes, values, strict=True)), path)
        if (other := cells.setdefault(cell.run, cell)) is not cell:
            raise InputError(f"{where}: cells {other.name!r} and {cell.name!r} are the same run; leave one out")
    chapters = _chapters(root, content.get(CHAPTERS), where)
    return [_units(cell, chapters) for cell in cells.values()]


def _axes(content: dict[str, Any], base: Profile, where: str) -> dict[str, list[Any]]:
    """Return the values that a grid gives to each of its parameters."""
    given = content.get(PARAMETERS, {})
    if not isinstance(given, dict):
        raise InputError(f"{where}: parameters is {given!r}; write a list of values for each, as in epochs: [1, 3]")
    accepted = set(base.parameters) - {profiles.RUN, STORE, *AXES.values()}
    for name in given:
        if name not in accepted:
            raise unknown(str(name), accepted, f"{where}: parameters")
    varied = [(key, name, content[key]) for key, name in AXES.items() if key in content]
    axes = {}
    for key, name, values in [*varied, *((name, name, values) for name, values in given.items())]:
        if name not in base.parameters:
            raise InputError(f"{where}: {key} is given, but no notebook has a parameter {name}")
        if not isinstance(values, list) or not values:
            raise InputError(f"{where}: {key} is {values!r}; write a list with at least one value, as in {key}: [...]")
        axes[name] = [base.parameters[name].converted(value, where) for value in values]
        check_once(f"{where}: {key}", axes[name])
    if not axes:
        raise InputError(f"{where} names no values; give at least one of {', '.join((*AXES, PARAMETERS))}")
    return axes


def _cell(base: Profile, axes: dict[str, list[Any]], values: dict[str, Any], grid: Path) -> Profile:
    """Return the profile of a cell, whose name has the values that distinguish it, and those of a grid's axes."""
    named = [name for name in axes if name in AXES.values() or len(axes[name]) > 1]
    name = " ".join(_label(name, values[name]) for name in named)[:LONGEST] or grid.stem
    try:
        return profiles.changed(base, name, values)
    except InputError as error:
        raise InputError(f"{grid.name}, cell {name!r}: {error}") from None


def _label(name: str, value: Any) -> str:
    items = value if isinstance(value, list) else [value]
    is_path = name in PLACES and str(items[0]).startswith((".", "/", "~"))
    words = "+".join(Path(item).name if is_path else str(item) for item in items)
    return words if name in (*PLACES, "tasks") else f"{'seed' if name == 'seeds' else name} {words}"


def _chapters(root: Path, given: Any, where: str) -> list[Page]:
    """Return the chapters that are named, in the book's order, or those whose tables a reference run publishes."""
    notebooks = {page.source.stem: page for page in contents.notebooks(root)}
    if given is None:
        given = [Path(name).name for name in contents.measuring(root)]
    if not isinstance(given, list) or not given:
        raise InputError(f"{where}: chapters is {given!r}; write a list such as [04-fine-tuning, 07-disabling-heads]")
    for name in given:
        if name not in notebooks:
            raise unknown(str(name), notebooks, f"{where}: chapters")
    check_once(f"{where}: chapters", given)
    return [page for stem, page in notebooks.items() if stem in given]


def _units(cell: Profile, chapters: list[Page]) -> list[Unit]:
    units: list[Unit] = []
    for page in chapters:
        units.append(Unit(cell, page, units[-1].fingerprint if units else ""))
    return units


def tables(chapter: str) -> list[str]:
    """Return the tables of a chapter that the ledger of claims rests on; none for other chapters."""
    if not MEASURING.match(chapter):
        return []
    from darksecrets.overview import discussion  # takes seconds

    names = {stem: name for name, stem in discussion.CHAPTERS.items()}
    return discussion.KINDS[names[chapter]].names() if chapter in names else []


def summary(units: list[list[Unit]]) -> list[str]:
    """Return a line on the whole plan, and one on each run: what is done of it already."""
    left = [[unit.chapter for unit in cell if not unit.is_done()] for cell in units]
    n_units, n_left = (sum(map(len, lists)) for lists in (units, left))
    width = max(len(cell[0].cell.run) for cell in units)
    return [
        f"{len(units)} runs, {n_units} units: {n_units - n_left} done, {n_left} to do",
        *(
            f"  {cell[0].cell.run:<{width}}  {'to do: ' + ', '.join(chapters) if chapters else 'done'}"
            for cell, chapters in zip(units, left, strict=True)
        ),
    ]


class Sweep:
    """Executes the units of a plan on this machine, in processes side by side, each unit once."""

    def __init__(self, plan: list[list[Unit]], jobs: int) -> None:
        if jobs < 1:
            raise InputError(f"jobs is {jobs}; it must be at least 1")
        self.plan, self.jobs = plan, jobs
        self.n_units, self.n_ended = sum(map(len, plan)), 0
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen] = set()
        self._is_stopped = False

    def run(self) -> None:
        """Do what is not done yet, as many runs at once as there are jobs.

        Raises `ExecutionError` at the end with a block for each run that failed.
        """
        with ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(self._cell, cell) for cell in self.plan]
            try:
                for future in futures:
                    future.result()
            except BaseException:  # Ctrl-C, for one: no unit may go on by itself
                self._stop()
                pool.shutdown(cancel_futures=True)
                raise
        if self.failures:
            n_failed = f"{len(self.failures)} of {len(self.plan)} runs failed"
            raise execute.ExecutionError("\n" + "\n\n".join([*self.failures, n_failed]))

    def _cell(self, units: list[Unit]) -> None:
        """Execute the units of a run, up to one that fails."""
        for position, unit in enumerate(units):
            if unit.is_done():
                self._ended(unit, "done before")
                continue
            started, failure = time.perf_counter(), self._unit(unit)
            if self._is_stopped:
                return
            if failure:
                left = [other.chapter for other in units[position + 1 :]]
                after = f"\nNot executed after it: {', '.join(left)}" if left else ""
                with self._lock:
                    self.failures.append(f"{failure}{after}")
                self._ended(unit, "failed", 1 + len(left))
                return
            self._ended(unit, f"{time.perf_counter() - started:.0f} s")

    def _unit(self, unit: Unit) -> str:
        """Execute a unit, unless the sweep is stopped; return what went wrong, an empty string if nothing did."""
        unit.run.directory.mkdir(parents=True, exist_ok=True)
        threads = str(max(1, available_cores() // self.jobs))
        # A file, not a pipe: a unit outlives a killed sweep, and must not need a reader for what it says.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            with self._lock:
                if self._is_stopped:
                    return ""
                process = subprocess.Popen(
                    unit.command,
                    shell=True,
                    cwd=unit.cell.root,
                    env=os.environ | {engine.THREADS: threads},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches this process alone, which then ends its units
                )
                self._running.add(process)
            process.wait()
            output.seek(0)
            said = output.read()
        with self._lock:
            self._running.discard(process)
        if self._is_stopped:
            unit.partial(process.pid).unlink(missing_ok=True)
        return _failure(unit, process, said) if process.returncode and not self._is_stopped else ""

    def _ended(self, unit: Unit, how: str, n_units: int = 1) -> None:
        with self._lock:
            self.n_ended += n_units
            print(f"[{self.n_ended}/{self.n_units}] {unit.name} ... {how}", flush=True)

    def _stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            for process in self._running:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)


def _failure(unit: Unit, process: subprocess.Popen, said: str) -> str:
    """Return which cell of the notebook failed and how, and keep the notebook as far as it came."""
    partial = unit.partial(process.pid)
    found = executed.failure(executed.read(partial)) if partial.is_file() else None
    if found is None:
        what = "\n".join(said.strip().splitlines()[-LAST_LINES:])
        partial.unlink(missing_ok=True)
        return f"{unit.name} failed (exit code {process.returncode}):\n{execute.indented(what)}"
    number, error = found
    kept = execute.FAILED / f"{unit.cell.run}-{unit.chapter}.failed.ipynb"
    what = error.evalue if error.ename == InputError.__name__ else execute.described(error)
    return execute.failure_block(unit.name, number, what, partial, unit.cell.root, kept)
