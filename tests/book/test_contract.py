"""Every notebook keeps the contract, and the contract finds what breaks it."""

import nbformat
import pytest

from tests.book import by_hand, contract, toy
from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

GOOD = {
    "opening": "# A chapter\n\nThis recomputes Section 4.3. You will see one figure. It takes 2 minutes on 2 cores.",
    "parameters": "layers: int = 3  # how many layers",
    "imports": f"from darksecrets.figures import publish\n{by_hand.BEGIN}",
    "prose": "{numref}`figure-a` shows " + "many words " * 20,
    "code": 'chart = layers\npublish.figure(chart, "figure-a", "One.", alt="One.")',
    "closing": "## Paper, reference run, this run\n\nA.\n\n## What it means\n\nB.\n\n## What to try next\n\nC.",
}


def _write(path, parts, **changes):
    version = nbformat.v4
    cells = []
    for name, source in parts.items():
        new = version.new_code_cell if name in ("parameters", "imports", "code") else version.new_markdown_cell
        cells.append(new(source, metadata={"tags": ["parameters"]} if name == "parameters" else {}))
    for name, value in changes.items():
        cells[4][name] = value
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(version.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


@pytest.mark.skipif(not NOTEBOOKS, reason="there are no notebooks yet")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_of_the_book_keeps_the_contract(path):
    assert contract.violations(path) == []


def test_every_figure_and_table_of_the_book_has_a_name_of_its_own():
    names = [name for path in NOTEBOOKS for _, name in contract.published(nbformat.read(path, as_version=4))]
    assert {name for name in names if names.count(name) > 1} == set()


def test_a_good_notebook_has_no_violations(tmp_path):
    assert contract.violations(_write(tmp_path / "good.ipynb", GOOD)) == []


@pytest.mark.parametrize(
    ("part", "source", "complaint"),
    [
        ("opening", "A chapter without a title", "lacks a title"),
        ("opening", GOOD["opening"].replace("Section 4.3", "it"), "lacks the paper's section"),
        ("opening", GOOD["opening"].replace("You will see", "Here is"), "lacks what you will see"),
        ("opening", GOOD["opening"].replace("2 minutes", "long"), "lacks the time"),
        ("closing", GOOD["closing"].replace("## What it means", "## So"), "does not end with the headings"),
        ("closing", GOOD["closing"].replace("## Paper, reference run, this run", "## Results"), "does not end with"),
        ("parameters", "layers: int = 3", "layers has no help"),
        ("parameters", "layers: int = 3  # 0 = all", "papermill cannot read parameter layers"),
        ("imports", "from darksecrets.figures import publish", "does not end with chapter.begin(globals())"),
        ("code", 'import os\npublish.figure(1, "figure-a", "One.", alt="One.")', "imports stand in code cells [1, 2]"),
        ("code", "\n".join(["layers"] * 31), "longest code cell has 31 lines"),
        ("code", "\n".join(["layers"] * 12), "words of prose per line of code"),
        ("code", 'publish.table(1, "figure-a", "One.")', "does not begin with table-"),
        ("code", 'publish.picture(1, "table-a", "One.", alt="One.")', "does not begin with figure-"),
        ("code", 'publish.figure(1, "figure-b", "One.", alt="One.")', "figure-b is shown but the text does not refer"),
        ("code", 'publish.figure(1, f"figure-{layers}", "One.", alt="One.")', "takes its name from a variable"),
    ],
)
def test_what_breaks_the_contract_is_found(tmp_path, part, source, complaint):
    found = contract.violations(_write(tmp_path / "bad.ipynb", GOOD | {part: source}))
    assert any(complaint in line for line in found), found


def test_the_front_page_alone_may_close_in_its_own_way(tmp_path):
    parts = GOOD | {"closing": "## References"}
    assert contract.violations(_write(tmp_path / "00-introduction.ipynb", parts)) == []
    assert contract.violations(_write(tmp_path / "01-methodology.ipynb", parts))


def test_outputs_and_execution_counts_are_found(tmp_path):
    output = nbformat.v4.new_output("stream", text="1")
    found = contract.violations(_write(tmp_path / "bad.ipynb", GOOD, outputs=[output], execution_count=3))
    assert [line.split(" (from 0) ")[1] for line in found] == [
        "holds outputs; strip them with nbstripout",
        "holds an execution count; strip it with nbstripout",
    ]


def test_the_toy_book_is_no_chapter(tmp_path):
    root = toy.write(tmp_path)
    assert contract.violations(root / "notebooks/01-toy.ipynb")
