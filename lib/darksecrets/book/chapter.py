"""What a notebook does first, by whatever it is run: the book, a sweep, papermill by hand, or JupyterLab."""

import ast
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import GenericAlias
from typing import Any

from darksecrets.book import contents, parameters, profiles
from darksecrets.book.parameters import KINDS, Parameter
from darksecrets.errors import InputError

WHERE = "parameters"
INJECTED = "# Parameters\n"  # begins the cell in which papermill assigns what it was given
# Values that name what comes with the book or its libraries, whatever files there are.
NAMES = ("auto", "framenet", "hub", "minilm", "pocket")


def begin(namespace: dict[str, Any]) -> None:
    """Check the parameters of the notebook whose `globals()` are given, and go to the notebooks' folder, where paths
    start.

    A value is converted to the declared type as in a profile and on the command line (`Parameter.converted`). Raises
    `InputError` for a value that cannot be used, and for a name that papermill was given and no chapter declares.
    """
    own = _declared(namespace)
    folder, start = notebooks_folder(), Path.cwd()
    _check_names(_given_to_papermill(namespace.get("In", [])), own, folder)
    values = {name: parameter.converted(namespace[name], WHERE) for name, parameter in own.items()}
    for name in profiles.PLACES:
        _check_place(name, values.get(name, ""), start, folder)
    os.chdir(folder)
    values = {name: profiles.moved(name, value, folder, folder) for name, value in values.items()}
    profiles.check_values(values)
    namespace.update(values)


def notebooks_folder() -> Path:
    """Return the notebooks' folder that is nearest from the current directory upwards, or else the one of the book that
    this library belongs to; `InputError` where there is none.
    """
    for directory in (Path.cwd(), *Path.cwd().parents, *Path(__file__).resolve().parents):
        for folder in (directory, directory / profiles.FOLDER):
            if any(folder.glob("*.ipynb")) and any((folder / profiles.PROFILES.name).glob("*.yml")):
                return folder
    raise InputError(
        f"no book is here or above, and chapters read what stands beside them; start this one in the book's repository "
        f"(papermill: --cwd path/to/{profiles.FOLDER})"
    )


def _declared(namespace: Mapping[str, Any]) -> dict[str, Parameter]:
    """Return the parameters that the notebook's first cell has annotated."""
    kinds = {
        name: str(annotation) if isinstance(annotation, GenericAlias) else getattr(annotation, "__name__", "")
        for name, annotation in namespace.get("__annotations__", {}).items()
    }
    return {
        name: Parameter(name, kind, namespace[name], "", "")
        for name, kind in kinds.items()
        if kind in KINDS and name in namespace
    }


def _given_to_papermill(cells: list[str]) -> list[str]:
    """Return the names that papermill's cell assigns, where one ran after the latest cell that declares parameters."""
    for cell in reversed(cells):
        statements = _statements(cell)
        if cell.startswith(INJECTED):
            return [ast.unparse(node.targets[0]) for node in statements if isinstance(node, ast.Assign)]
        if any(isinstance(node, ast.AnnAssign) for node in statements):
            return []
    return []


def _statements(cell: str) -> list[ast.stmt]:
    try:
        return ast.parse(cell).body
    except SyntaxError:  # a cell that was mended since
        return []


def _check_names(given: Collection[str], own: Collection[str], folder: Path) -> None:
    """Refuse names that no chapter declares; those of other chapters do not matter here, as papermill has warned."""
    others = set(given) - set(own)
    if not others:
        return
    book = folder.parent
    in_book = parameters.declared(contents.notebooks(book)) if (book / contents.CONTENTS).is_file() else {}
    known = {*own, *in_book}
    for name in sorted(others - known):
        raise parameters.unknown(name, known, WHERE)


def _check_place(name: str, value: str, start: Path, folder: Path) -> None:
    """Refuse a path that was meant to start where the notebook was started, and not in the notebooks' folder."""
    here, there = (os.path.exists(place / value) for place in (start, folder))  # noqa: PTH110 (no name is too long)
    if value and value not in NAMES and here and not there:
        raise InputError(
            f"{WHERE}: {name} is {value!r}, but paths start at the notebooks' folder; give "
            f"{os.path.relpath(start / value, folder)!r}, or the whole path"
        )
