"""What a notebook rests on: it is executed again when something changes that it imports, and for nothing else."""

import json
import shutil

import pytest

from darksecrets.book import dependencies
from darksecrets.book.dependencies import files, library_fingerprint
from tests.conftest import ROOT

MODULES = {
    "__init__.py": "",
    "store.py": "import json\n",
    "models/__init__.py": "",
    "models/words.py": "import torch\nfrom darksecrets import store\n",
    "models/scores.py": "def late():\n    from darksecrets.models.words import anything\n",
    "models/weights.safetensors": "w",
    "sections/__init__.py": "",
    "sections/links.py": "from darksecrets.models import words\n",
    "sections/scores.py": "from darksecrets.models import scores\n",
    "figures/__init__.py": "",
    "figures/charts.py": "",
    "figures/assets/book.css": "c",
    "book/__init__.py": "",
    "book/chapter.py": "from darksecrets.book import profiles\nfrom darksecrets.sections import links\n",
    "book/profiles.py": "",
    "../grammar/__init__.py": "",
    "../grammar/clauses.py": "",
    "../grammar/lexicon.yml": "l",
}
LINKS = ["from darksecrets.sections import links", "from darksecrets.book import chapter"]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library of a few modules, beside which another package lies."""
    root = tmp_path / "lib" / "darksecrets"
    for name, text in MODULES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(dependencies, "LIBRARY", root)
    return root


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("x = 1", ""),
        ("import darksecrets.store as kept", "__init__.py store.py"),
        (
            LINKS[0],
            "__init__.py store.py models/__init__.py models/words.py models/weights.safetensors sections/__init__.py "
            "sections/links.py",
        ),
        (
            "if x:\n    from darksecrets.models.scores import late",
            "__init__.py store.py models/__init__.py models/words.py models/scores.py models/weights.safetensors",
        ),
        (
            "from darksecrets.figures import charts",
            "__init__.py figures/__init__.py figures/charts.py figures/assets/book.css",
        ),
        ("from darksecrets.book import chapter", "__init__.py book/__init__.py"),
        ("from darksecrets.book import profiles", "__init__.py book/__init__.py book/profiles.py"),
        ("from grammar import clauses", "../grammar/__init__.py ../grammar/clauses.py ../grammar/lexicon.yml"),
    ],
)
def test_what_is_imported_counts_wherever_the_import_stands(library, cell, expected):
    assert files([cell, "import pandas"]) == {(library / name).resolve() for name in expected.split()}


@pytest.mark.parametrize(
    ("changed", "is_other"),
    [
        ("sections/links.py", True),
        ("store.py", True),
        ("models/weights.safetensors", True),
        ("models/__init__.py", True),
        ("sections/scores.py", False),
        ("models/scores.py", False),
        ("figures/assets/book.css", False),
        ("book/profiles.py", False),
    ],
)
def test_a_change_matters_to_what_rests_on_it(library, changed, is_other):
    before = library_fingerprint(LINKS)
    path = library / changed
    path.write_text(path.read_text() + "\n# a comma")
    assert (library_fingerprint(LINKS) != before) == is_other


def test_where_a_cell_may_run_anything_the_whole_library_counts(library):
    before = library_fingerprint(["%run my_script.py"])
    assert before == library_fingerprint()
    (library / "sections/scores.py").write_text("")
    assert library_fingerprint(["%run my_script.py"]) != before


def cells(name):
    notebook = json.loads((ROOT / f"notebooks/{name}.ipynb").read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_a_change_in_links_concerns_the_chapter_on_links_and_not_the_one_on_fine_tuning(tmp_path, monkeypatch):
    root = tmp_path / "lib"
    shutil.copytree(dependencies.LIBRARY.parent, root, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(dependencies, "LIBRARY", root / "darksecrets")
    chapters = ("06-token-to-token", "04-fine-tuning")
    before = [library_fingerprint(cells(name)) for name in chapters]
    for path in (root / "darksecrets" / "sections").glob("link*.py"):
        path.write_text(path.read_text() + "\n")
    after = [library_fingerprint(cells(name)) for name in chapters]
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, False]


def test_every_chapter_rests_on_what_it_measures_with_and_few_on_the_machinery():
    found = {path.stem: files(cells(path.stem)) for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))}
    assert all(dependencies.LIBRARY / "figures" / "publish.py" in rest for rest in found.values())
    assert all(dependencies.LIBRARY / "book" / "execute.py" not in rest for rest in found.values())


def test_a_chapter_that_reads_a_corpus_rests_on_the_grammar_which_is_imported_by_its_name():
    lexicon = dependencies.LIBRARY.with_name("pocketgrammar") / "lexicon.yml"
    assert lexicon in files(cells("06-token-to-token"))
    assert lexicon not in files(["from darksecrets.statistics import holm"])
