"""The units of a sweep: one chapter of one run each, as a command line of papermill and the files that it makes.

`python -m darksecrets sweep` and the Snakefile execute the same command lines. The chapters of a run follow each other,
as in the book: they share fine-tuned models, and the last ones read the tables of those before.
"""

import os
import shlex
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
import yaml

from darksecrets.book import engine, execute, executed, parameters, sources
from darksecrets.book.contents import MEASURING, Page
from darksecrets.book.grids import Grid
from darksecrets.book.profiles import Profile
from darksecrets.runs import Store, fingerprint

ENDING = ".ipynb"


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
    def directory(self) -> Path:
        """The run's directory, which all outputs are in."""
        return Store(self.cell.store).run(self.cell.run).directory

    @property
    def notebook(self) -> Path:
        """Where the executed notebook goes."""
        return self.directory / f"{self.chapter}{ENDING}"

    @property
    def outputs(self) -> list[Path]:
        """The files that are there when the unit is done: the executed notebook, and the tables that claims rest on."""
        return [self.notebook, *(self.directory / f"{name}.parquet" for name in tables(self.chapter))]

    @cached_property
    def values(self) -> dict[str, object]:
        """The values of the chapter's parameters."""
        return self.cell.for_notebook([parameter.name for parameter in parameters.of_notebook(self.page.source)])

    @cached_property
    def fingerprint(self) -> str:
        """What the unit is made from: code, values, files, library and packages, and the chapter before."""
        source = sources.read(self.page.source)
        return fingerprint(execute.ingredients(self.page.name, source, self.values, self.cell.folder, self.before))

    @property
    def command(self) -> str:
        """The command line for a POSIX shell in the book's repository.

        The notebook gets its final name when papermill has ended well: a shell's `$$` is the number of its process.
        """
        there = os.path.relpath(self.notebook, self.cell.root)
        partial = f"{shlex.quote(os.path.relpath(self.directory / f'.{self.chapter}', self.cell.root))}.$$.ipynb"
        source = self.page.source.relative_to(self.cell.root)
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
        """Say whether all outputs are there, made from what they would be made from now."""
        run = Store(self.cell.store).run(self.cell.run)
        try:
            if any(run.find(name) is None for name in tables(self.chapter)):
                return False
            notebook = executed.read(self.notebook)
        except (OSError, ValueError, nbformat.ValidationError):  # missing or damaged: it is made anew
            return False
        return notebook.metadata.get(engine.UNIT) == self.fingerprint


def plan(grid: Grid) -> list[list[Unit]]:
    """Return the units of a grid: a list for each cell, its chapters in their order."""
    return [_of_cell(cell, grid.chapters) for cell in grid.cells]


def tables(chapter: str) -> list[str]:
    """Return the tables of a chapter that the ledger of claims rests on; none for other chapters."""
    if not MEASURING.match(chapter):
        return []
    from darksecrets.overview import discussion  # takes seconds

    names = {stem: name for name, stem in discussion.CHAPTERS.items()}
    return discussion.KINDS[names[chapter]].names() if chapter in names else []


def described(units: list[list[Unit]]) -> list[str]:
    """Say which runs a plan has, and what is done of each already."""
    done = [[unit.is_done() for unit in cell] for cell in units]
    n_units, n_done = (sum(count(cell) for cell in done) for count in (len, sum))
    lines = [f"{len(units)} runs, {n_units} units: {n_done} done, {n_units - n_done} to do"]
    width = max(len(cell[0].cell.run) for cell in units)
    for cell, is_done in zip(units, done, strict=True):
        left = [unit.chapter for unit, ready in zip(cell, is_done, strict=True) if not ready]
        lines.append(f"  {cell[0].cell.run:<{width}}  {'to do: ' + ', '.join(left) if left else 'done'}")
    return lines


def _of_cell(cell: Profile, chapters: list[Page]) -> list[Unit]:
    units: list[Unit] = []
    for page in chapters:
        units.append(Unit(cell, page, units[-1].fingerprint if units else ""))
    return units
