"""Imports of the library go one way."""

import ast
import graphlib
from pathlib import Path

import pytest

from tests.conftest import ROOT

LIBRARY = ROOT / "lib" / "darksecrets"
GRAMMAR = ROOT / "lib" / "pocketgrammar"
# Who may import whom: each part may import those before it; a package is one part, and so is a module beside them.
BELOW = ("errors", "files", "runs", "corpora", "models", "statistics", "estimates", "verdicts", "heads", "reported")
ORDER = (*BELOW, "saved_tables", "figures", "sections", "overview", "apps", "book")
# A section imports no other; these stand beside the section that they are about.
PARTS_OF_SECTIONS = {"baselines": {"fine_tuning"}, "feature_claims": {"features"}, "patterns": {"map_labels"}}
UPKEEP = "darksecrets_upkeep"  # made what is published; it imports the library
COMMANDS = ("__main__.py",)  # they may import everything, and nothing imports them
MODULES = sorted(path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.py"))


def imported_names(source):
    """What a file imports, wherever in it the import stands: modules, and names in them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the library's imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_packages(source):
    """Packages that a file imports from."""
    return {name.split(".")[0] for name in imported_names(source)}


def imported_parts(source):
    """Packages and modules of the library that a file imports; None for all of it."""
    names = [name.split(".") for name in imported_names(source)]
    return {name[1] if len(name) > 1 else None for name in names if name[0] == "darksecrets"}


def allowed_parts(module):
    """What a module may import, by its place in the order; a package may import itself."""
    here = module.split("/")[0].removesuffix(".py")
    if here not in ORDER:
        return set()
    return set(ORDER[: ORDER.index(here) + ("/" in module)])


def test_imports_are_found_wherever_they_stand():
    source = """
import darksecrets
import os.path
from darksecrets import runs
def f():
    import darksecrets.book.build
if f():
    from darksecrets.corpora.glue import load
    from pandas import runs
"""
    assert imported_parts(source) == {None, "runs", "book", "corpora"}
    assert imported_packages(source) == {"darksecrets", "os", "pandas"}


@pytest.mark.parametrize("module", [name for name in MODULES if name not in COMMANDS])
def test_imports_go_one_way(module):
    # The whole library, whose place on disk is part of an executed notebook's key, is known to its last package only.
    whole = {None} if module.startswith("book/") else set()
    assert imported_parts((LIBRARY / module).read_text()) <= allowed_parts(module) | whole


def test_the_grammar_and_the_library_know_nothing_of_each_other():
    of_grammar, of_library = (
        set().union(*(imported_packages(path.read_text()) for path in folder.rglob("*.py")))
        for folder in (GRAMMAR, LIBRARY)
    )
    assert {"numpy", "pocketgrammar"} <= of_grammar
    assert "darksecrets" not in of_grammar
    assert "pocketgrammar" not in of_library


def test_every_part_has_its_place():
    parts = {Path(name).parts[0].removesuffix(".py") for name in MODULES if name not in COMMANDS}
    assert parts - {"__init__"} == set(ORDER)


def imported_modules(path):
    """Modules of the library that a file imports, wherever in it the import stands."""
    names = {_name(LIBRARY / module) for module in MODULES}
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & names


def test_a_section_imports_no_other():
    for path in sorted((LIBRARY / "sections").glob("[!_]*.py")):
        others = {name.split(".")[2] for name in imported_modules(path) if name.startswith("darksecrets.sections.")}
        assert others == PARTS_OF_SECTIONS.get(path.stem, set()), path.stem


def _name(path):
    return ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(".__init__")


def test_no_module_imports_itself_by_way_of_others():
    packages = {_name(LIBRARY / module) for module in MODULES if module.endswith("__init__.py")}
    graph = {_name(LIBRARY / module): imported_modules(LIBRARY / module) - packages for module in MODULES}
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_the_library_and_the_grammar_know_nothing_of_the_upkeep():
    others = [path for path in LIBRARY.parent.rglob("*.py") if path.relative_to(LIBRARY.parent).parts[0] != UPKEEP]
    assert (LIBRARY.parent / UPKEEP).is_dir()
    assert [path.name for path in others if UPKEEP in imported_packages(path.read_text())] == []
