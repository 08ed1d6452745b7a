"""The API reference: everything public is on its page, with its signature, and chapters are linked."""

import ast
import importlib
import inspect
import re
import shutil

import nbformat
import pytest
from bs4 import BeautifulSoup

from darksecrets.book import build, contents, library
from tests.book import toy
from tests.conftest import ROOT
from tests.unit.test_layering import LIBRARY, MODULES, ORDER

PAGES = [*library.PACKAGES, library.OTHERS]
BUILT = ["models", library.OTHERS]  # here; the others are written by the same lines, and `make book` builds them all


def public(page):
    """Every public function and class of a page's modules, with the module's name."""
    for module in library.modules(page):
        parts = module.relative_to(LIBRARY.parent).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        yield from (f"{name}.{node.name}" for node in library.public(ast.parse(module.read_text()).body))


def test_packages_stand_in_the_order_of_their_imports():
    assert tuple(part for part in ORDER if (LIBRARY / part).is_dir()) == library.PACKAGES
    names = contents.names(ROOT)
    assert names[-len(PAGES) :] == [f"notebooks/api/{name}" for name in PAGES]
    assert names[-len(PAGES) - 1] == "notebooks/api"


def test_every_module_is_on_one_page():
    listed = [path.relative_to(LIBRARY).as_posix() for page in PAGES for path in library.modules(page)]
    assert sorted(listed) == sorted(set(MODULES) - {"__init__.py"})


@pytest.mark.parametrize(
    "name", ["corpora.glue", "models.attention", "book.build", "runs", "errors", "figures.publish"]
)
def test_what_python_says_is_public_is_what_the_source_says(name):
    module = importlib.import_module(f"darksecrets.{name}")
    own = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    }
    text = library.reference(name.split(".")[0] if "." in name else library.OTHERS, {})
    start = text.index(f"{{py:module}} darksecrets.{name}\n")
    section = text[start : text.find("{py:module}", start + 1)]
    assert own <= {line.split("} ")[1] for line in section.splitlines() if line.startswith("::::{py:")}


@pytest.mark.parametrize("page", PAGES)
def test_everything_public_is_written_down(page):
    text = library.reference(page, {})
    written = set(re.findall(r"^::::\{py:\w+\} (\w+)$", text, re.MULTILINE))
    assert written == {name.rsplit(".", 1)[1] for name in public(page)}
    assert text.count("{py:module}") == len(library.modules(page))


def test_titles_in_italics_become_links():
    text = library.reference("models", contents.titles(ROOT))
    assert "{doc}`Methodology </notebooks/01-methodology>`" in text
    assert "{doc}" not in library.reference("models", {})


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """A book of two pages of the reference, built strictly."""
    root = toy.write(tmp_path_factory.mktemp("reference"))
    shutil.copytree(ROOT / "notebooks/api", root / "notebooks/api")
    (root / "_toc.yml").write_text(toy.CONTENTS + "".join(f"  - file: notebooks/api/{name}\n" for name in BUILT))
    nbformat.write(toy.notebook(prose="# The pocket corpus"), root / "notebooks/01-toy.ipynb")
    (root / "notebooks/00-introduction.md").write_text("# A toy book\n")
    notebook = nbformat.read(root / "notebooks/01-toy.ipynb", as_version=4)
    source = build.stage_sources(root, {"notebooks/01-toy": notebook})
    return build.build_pages(source, root / "_build/fresh") / "notebooks/api"


@pytest.mark.parametrize("page", BUILT)
def test_every_public_function_and_class_is_on_the_built_page(html, page):
    path = html / f"{page}.html"
    assert path.stat().st_size < 1_000_000
    tree = BeautifulSoup(path.read_text(), "html.parser")
    found = {item["id"] for item in tree.select("dt.sig[id]")}
    expected = set(public(page))
    assert expected
    assert expected <= found
    assert str(ROOT) not in path.read_text()
