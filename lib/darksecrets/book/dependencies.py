"""Which files of the library a piece of code rests on: what it imports, and what that imports, wherever the import
stands.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import darksecrets
from darksecrets import runs
from darksecrets.corpora import generated

LIBRARY = Path(darksecrets.__file__).parent  # packages that lie beside it belong to it
CHECKS = "darksecrets.book.chapter"  # checks parameters and computes nothing: what it rests on is left out


def library_fingerprint(cells: Iterable[str] | None = None) -> str:
    """Return the SHA-256 of the library's files that the code of these cells rests on.

    All but the book's machinery is meant where no cells are given, or where one is no plain Python.
    """
    try:
        found = None if cells is None else files(cells)
    except SyntaxError:  # a magic, which may run anything, or a mistake
        found = None
    if found is None:
        found = {path for path in _all_files() if not path.is_relative_to(LIBRARY / "book")} - {LIBRARY / "__main__.py"}
    root = LIBRARY.parent
    return runs.fingerprint({path.relative_to(root).as_posix(): runs.file_fingerprint(path) for path in found})


def files(cells: Iterable[str]) -> set[Path]:
    """Return the modules that the code of these cells imports, directly or by way of others, with the packages that
    they are in and the data in those. Raises `SyntaxError` for a cell that is no plain Python.
    """
    found, tops = dict[str, Path](), {top.name for top in _tops()}
    left = {name for cell in cells for name in imported(cell)}
    while left:
        name = left.pop()
        path = None if name in found or name == CHECKS else _source(name, tops)
        if path is not None:
            found[name] = path
            left |= imported(path.read_text(encoding="utf-8")) | {name.rpartition(".")[0]}
            left |= set(generated.GENERATORS.values()) if name == generated.__name__ else set()  # imported by name
    packages = {path.parent for path in found.values() if path.name == "__init__.py"}
    return {*found.values(), *(path for package in packages for path in _data(package))}


@lru_cache(maxsize=1000)
def imported(code: str) -> frozenset[str]:
    """Return the names that code imports: of modules, and of what is taken from them, which may be modules as well."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def _source(name: str, tops: set[str]) -> Path | None:
    """Return the file of one of the library's modules; None for what is none."""
    parts = name.split(".")
    if parts[0] not in tops:
        return None
    place = LIBRARY.parent.joinpath(*parts)
    return next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)


def _tops() -> list[Path]:
    """Return the library's directories: it alone where it was installed among packages of others."""
    beside = LIBRARY.parent.iterdir() if LIBRARY.parent.name == "lib" else ()
    return [LIBRARY, *(path for path in beside if (path / "__init__.py").is_file())]


def _data(folder: Path) -> Iterator[Path]:
    """Yield the files of a package that are no modules; its subpackages have their own."""
    for path in folder.iterdir():
        if path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").is_file():
            yield from _data(path)
        elif path.is_file() and path.suffix != ".py":
            yield path


def _all_files() -> Iterator[Path]:
    for top in _tops():
        yield from (path for path in top.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
