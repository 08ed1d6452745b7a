"""A grid is one YAML file of lists: every combination of their values is a run of its own, a *cell*.

As with a profile, everything that can be known to be wrong is said before any kernel starts: each cell is a checked
profile.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from darksecrets.book import contents, plain_yaml, profiles
from darksecrets.book.contents import Page
from darksecrets.book.parameters import Parameter, unknown
from darksecrets.book.profiles import PLACES, STORE, Profile
from darksecrets.errors import InputError, check_once

AXES = {"checkpoints": "checkpoint", "corpora": "corpus", "tasks": "tasks", "seeds": "seeds"}  # and their parameters
PARAMETERS, CHAPTERS, PROFILE = "parameters", "chapters", "profile"
KEYS = (*AXES, PARAMETERS, CHAPTERS, PROFILE)
BASE = "pocket"  # the profile that the cells start from where the grid names none
LONGEST = 90  # characters of a cell's name, for the sake of file names; what is cut is in the run's fingerprint
MOST_CELLS = 10_000


@dataclass(frozen=True)
class Grid:
    """The runs that a grid asks for, and the chapters that each of them executes, in the book's order."""

    name: str
    cells: list[Profile]
    chapters: list[Page]


@dataclass(frozen=True)
class _Axis:
    """The values of one parameter, and what is said of them in the names of cells."""

    parameter: Parameter
    values: list[Any]
    is_named: bool

    def label(self, value: Any) -> str:
        items = value if isinstance(value, list) else [value]
        name = self.parameter.name
        is_path = name in PLACES and str(items[0]).startswith((".", "/", "~"))
        words = "+".join(Path(item).name if is_path else str(item) for item in items)
        return words if name in (*PLACES, "tasks") else f"{name.removesuffix('s') if name == 'seeds' else name} {words}"


def read(root: Path, path: str | Path) -> Grid:
    """Read a grid for the book under `root` and check all its cells; paths in it start at the notebooks' folder.

    Raises `InputError`, with the cell where one cannot be run.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"grid {path}: there is no such file; give a YAML file such as notebooks/grids/pocket.yml")
    where, content = path.name, plain_yaml.read(path)
    for key in content:
        if key not in KEYS:
            raise unknown(str(key), KEYS, where)
    base = profiles.load(root, _text(content.get(PROFILE, BASE), where))
    axes = list(_axes(content, base, where))
    if not axes:
        raise InputError(f"{where} names no values; give at least one of {', '.join((*AXES, PARAMETERS))}")
    n_cells = prod(len(axis.values) for axis in axes)
    if n_cells > MOST_CELLS:
        raise InputError(f"{where} has {n_cells:,} cells, at most {MOST_CELLS:,} are run; make it several grids")
    cells = [_cell(base, axes, values, path.stem, where) for values in product(*(axis.values for axis in axes))]
    _refuse_repeated(cells, where)
    return Grid(path.stem, cells, _chapters(root, content.get(CHAPTERS), where))


def _axes(content: dict[str, Any], base: Profile, where: str) -> Iterator[_Axis]:
    for key, name in AXES.items():
        if key in content:
            if name not in base.parameters:
                raise InputError(f"{where}: {key} is given, but no notebook has a parameter {name}")
            yield _Axis(base.parameters[name], _values(content[key], base.parameters[name], key, where), True)
    given = content.get(PARAMETERS, {})
    if not isinstance(given, dict):
        raise InputError(f"{where}: parameters is {given!r}; write a list of values for each, as in epochs: [1, 3]")
    accepted = set(base.parameters) - {profiles.RUN, STORE, *AXES.values()}
    for name, values in given.items():
        if name not in accepted:
            raise unknown(str(name), accepted, f"{where}: parameters")
        found = _values(values, base.parameters[name], name, where)
        yield _Axis(base.parameters[name], found, len(found) > 1)


def _values(given: Any, parameter: Parameter, key: str, where: str) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise InputError(f"{where}: {key} is {given!r}; write a list with at least one value, as in {key}: [...]")
    values = [parameter.converted(item, where) for item in given]
    check_once(f"{where}: {key}", values)
    return values


def _cell(base: Profile, axes: list[_Axis], values: tuple[Any, ...], stem: str, where: str) -> Profile:
    labels = [axis.label(value) for axis, value in zip(axes, values, strict=True) if axis.is_named]
    name = " ".join(labels)[:LONGEST] or stem
    chosen = {axis.parameter.name: value for axis, value in zip(axes, values, strict=True)}
    try:
        return profiles.changed(base, name, chosen)
    except InputError as error:
        raise InputError(f"{where}, cell {name!r}: {error}") from None


def _refuse_repeated(cells: list[Profile], where: str) -> None:
    seen: dict[str, Profile] = {}
    for cell in cells:
        if cell.run in seen:
            raise InputError(
                f"{where}: cells {seen[cell.run].name!r} and {cell.name!r} are the same run; leave one out"
            )
        seen[cell.run] = cell


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


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where}: profile is {value!r}; give the name of a profile, or a YAML file")
    return value
