"""Notebooks as their author wrote them, whichever editor saved them: what runs here does not depend on that.

Editors leave the name of a kernel that only they have, outputs, counters, cell ids or none, and formats before 4.5.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from darksecrets.errors import InputError, one_line

if TYPE_CHECKING:
    from nbformat import NotebookNode

KERNEL = "python3"  # Jupyter's name for the interpreter that it runs on itself
LANGUAGE = "python"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": LANGUAGE, "name": KERNEL},
    "language_info": {"name": LANGUAGE},
}
INJECTED = "injected-parameters"  # papermill's tag for the cell that it adds
MARKER = "papermill-error-cell-tag"  # and for those that it puts where a cell failed


def read(path: Path) -> "NotebookNode":
    """Read a notebook's source, to be run by this environment's own kernel; without outputs, counters, and cells that
    papermill added.

    Raises `InputError` where it cannot be read, or is written in another language.
    """
    import nbformat  # takes a second, and a notebook that checks its parameters reads none

    try:
        with warnings.catch_warnings():  # of cell ids, which are given anew below
            warnings.simplefilter("ignore")
            notebook = nbformat.v4.upgrade(nbformat.read(path, as_version=4))
    except (OSError, ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError) as error:
        raise InputError(f"{path.name} is not a notebook that can be read: {one_line(error)[:200]}") from None
    _check_language(notebook, path)
    cells = [cell for cell in notebook.cells if not {INJECTED, MARKER} & set(cell.metadata.get("tags", []))]
    for position, cell in enumerate(cells):
        cell.id = f"cell-{position}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    metadata = nbformat.from_dict({**notebook.metadata, **METADATA})
    return nbformat.NotebookNode(notebook | {"cells": cells, "metadata": metadata})


def _check_language(notebook: "NotebookNode", path: Path) -> None:
    for entry, key in (("kernelspec", "language"), ("language_info", "name")):
        described = notebook.metadata.get(entry)
        name = described.get(key) if isinstance(described, dict) else None
        if name and LANGUAGE not in str(name).lower():
            raise InputError(
                f"{path.name} is written in {name}, accepted is Python; save it with a Python kernel, or take it out "
                "of _toc.yml"
            )
