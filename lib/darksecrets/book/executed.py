"""What papermill leaves behind, cleaned so that two runs are byte-identical, and joined with the source's prose."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from darksecrets.book.sources import INJECTED, MARKER

HIDING = ("remove-cell", "remove-input", "hide-cell", "hide-input")  # tags of cells that a page does not show
ENDED = "the notebook ended before {}; did it call sys.exit()?"
KEPT_METADATA = ("tags", "mystnb", "slideshow", "jupyter")


def read(path: Path) -> NotebookNode:
    """Read a notebook in format 4."""
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that run, as the author wrote them: without papermill's own."""
    return [
        cell for cell in notebook.cells if cell.cell_type == "code" and INJECTED not in cell.metadata.get("tags", [])
    ]


def unfinished(notebook: NotebookNode) -> int | None:
    """Return the position of the first code cell that did not run: to papermill `sys.exit()` half-way is success."""
    for position, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            return position
    return None


def failure(notebook: NotebookNode) -> tuple[int, NotebookNode] | None:
    """Return the number of the cell that failed, from 1 and without papermill's own, and its error; None if none."""
    cells = [cell for cell in notebook.cells if not {INJECTED, MARKER} & set(cell.metadata.get("tags", []))]
    for number, cell in enumerate(cells, start=1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                return number, output
    return None


def clean(notebook: NotebookNode) -> NotebookNode:
    """Drop timestamps, durations, paths of this machine, random ids and what was written to standard error.

    Standard error carries progress and warnings for whoever runs the book; its reader has no use for them.
    """
    notebook.metadata = NotebookNode(
        {key: value for key, value in notebook.metadata.items() if key in ("kernelspec", "language_info")}
    )
    for position, cell in enumerate(notebook.cells):
        cell.id = f"cell-{position}"
        cell.metadata = NotebookNode({key: value for key, value in cell.metadata.items() if key in KEPT_METADATA})
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def joined(source: NotebookNode, done: NotebookNode) -> NotebookNode:
    """Return the source with the outputs of its executed copy, and papermill's parameters after the author's, hidden
    where that is.

    Results are kept by code alone, so that mending a sentence executes nothing; the prose is always the source's.
    """
    outputs = iter(code_cells(done))
    injected = [cell for cell in done.cells if INJECTED in cell.metadata.get("tags", [])]
    cells: list[NotebookNode] = []
    for cell in source.cells:
        if cell.cell_type != "code":
            cells.append(cell)
            continue
        ran = next(outputs)
        cells.append(NotebookNode(cell | {"outputs": ran.outputs, "execution_count": ran.execution_count}))
        tags = cell.metadata.get("tags", [])
        if "parameters" in tags:
            hidden = {"tags": [INJECTED, *(tag for tag in tags if tag in HIDING)]}
            cells += [NotebookNode(one | {"metadata": NotebookNode(hidden)}) for one in injected]
    return clean(NotebookNode(source | {"cells": cells}))
