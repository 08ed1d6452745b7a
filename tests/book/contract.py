"""What every notebook of the book keeps: `python -m tests.book.contract NOTEBOOK...` lists what one does not.

Pages share a shape, so that a reader finds the same things in the same places; the limits come from tutorials that
people like to read (d2l, Pythia): short cells, and more prose than code.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import nbformat
import papermill
from nbformat import NotebookNode

from darksecrets.book import parameters
from darksecrets.errors import InputError

LONGEST_CELL = 30
MOST_CELLS = 20  # lines, for 90 % of the cells
MEDIAN_CELL = 8
WORDS_PER_LINE = 8
TIME = r"\b(seconds?|minutes?|hours?)\b"
CORES = r"\b(2|two) cores\b"
# What the first cell tells before anything runs, as a pattern and in words.
OPENING = {
    "a title": r"\A# \S",
    "the paper's section": r"\bSections? \d",
    "what you will see": r"you will see",
    "the time it takes on 2 cores": rf"{TIME}.*{CORES}|{CORES}.*{TIME}",
}
# Headings that end a chapter, in this order.
CLOSING = ("Paper, reference run, this run", "What it means", "What to try next")
# These have no table that compares the paper with both runs.
WITHOUT_COMPARISON = (
    *("01-methodology", "10-explorer", "11-your-own-model"),
    *("A1-pocket-corpus", "A2-annotated-maps", "A4-reference-run"),
)
FRONT = "00-introduction"  # the book's front page: no chapter, so it closes as a front page does, with the references
BEGINNING = "chapter.begin(globals())"
PUBLISHERS = {"figure": "figure-", "html_figure": "figure-", "picture": "figure-", "table": "table-"}


def violations(path: Path) -> list[str]:
    """Return what a notebook does not keep of the contract, a line each; an empty list where it keeps all."""
    notebook = nbformat.read(path, as_version=4)
    return [line for rule in RULES for line in rule(notebook, path)]


def prose(notebook: NotebookNode) -> str:
    """Return the text of all Markdown cells."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return all code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _lines(source: str) -> int:
    return sum(1 for line in source.splitlines() if line.strip())


def _opening(notebook: NotebookNode, path: Path) -> Iterator[str]:
    first = notebook.cells[0]
    if first.cell_type != "markdown":
        yield "the first cell is not prose"
        return
    for meaning, pattern in OPENING.items():
        if not re.search(pattern, first.source, re.IGNORECASE | re.DOTALL):
            yield f"the first cell lacks {meaning}"


def _closing(notebook: NotebookNode, path: Path) -> Iterator[str]:
    if path.stem == FRONT:
        return
    headings = re.findall(r"^##+ (.+?)\s*$", prose(notebook), re.MULTILINE)
    wanted = CLOSING[1:] if path.stem in WITHOUT_COMPARISON else CLOSING
    found = [heading for heading in headings if heading in wanted]
    if found != list(wanted) or headings[-1:] != [CLOSING[-1]]:
        yield f"it does not end with the headings {', '.join(wanted)}; it has {', '.join(headings) or 'none'}"


def _parameters(notebook: NotebookNode, path: Path) -> Iterator[str]:
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        yield f"{len(tagged)} cells are tagged `parameters`, not one"
        return
    if code_cells(notebook)[0] is not tagged[0]:
        yield "the parameters cell is not the first code cell"
    try:
        found = parameters.of_notebook(path)
    except InputError as error:
        yield str(error)
    else:
        yield from (f"parameter {parameter.name} has no help" for parameter in found if not parameter.help)
        read = papermill.inspect_notebook(path)
        yield from (f"papermill cannot read parameter {one.name}" for one in found if one.name not in read)


def _imports(notebook: NotebookNode, path: Path) -> Iterator[str]:
    cells = code_cells(notebook)
    importing = [place for place, cell in enumerate(cells) if _imported(cell.source)]
    if importing != [1]:
        yield f"imports stand in code cells {importing or 'none'} (from 0), not only in the one after the parameters"
    elif cells[1].source.splitlines()[-1] != BEGINNING:
        yield f"the cell with the imports does not end with {BEGINNING}, which checks the parameters"


def _imported(source: str) -> bool:
    return any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(ast.parse(source)))


def _lengths(notebook: NotebookNode, path: Path) -> Iterator[str]:
    lengths = sorted(_lines(cell.source) for cell in code_cells(notebook))
    if not lengths:
        yield "there is no code"
        return
    if median(lengths) > MEDIAN_CELL:
        yield f"the median code cell has {median(lengths):g} lines, at most {MEDIAN_CELL}"
    if sum(length > MOST_CELLS for length in lengths) > 0.1 * len(lengths):
        yield f"more than a tenth of the code cells have over {MOST_CELLS} lines"
    if lengths[-1] > LONGEST_CELL:
        yield f"the longest code cell has {lengths[-1]} lines, at most {LONGEST_CELL}"
    words = len(re.findall(r"\w+", re.sub(r"```.*?```", "", prose(notebook), flags=re.DOTALL)))
    if words < WORDS_PER_LINE * sum(lengths):
        yield f"{words / sum(lengths):.1f} words of prose per line of code, at least {WORDS_PER_LINE}"


def _clean(notebook: NotebookNode, path: Path) -> Iterator[str]:
    if "widgets" in notebook.metadata:
        yield "widget state is stored"
    for place, cell in enumerate(code_cells(notebook)):
        if cell.outputs:
            yield f"code cell {place} (from 0) holds outputs; strip them with nbstripout"
        if cell.execution_count is not None:
            yield f"code cell {place} (from 0) holds an execution count; strip it with nbstripout"


def _references(notebook: NotebookNode, path: Path) -> Iterator[str]:
    referred = set(re.findall(r"\{numref\}`(?:[^`<]*<)?([\w-]+)>?`", prose(notebook)))
    for kind, name in published(notebook):
        if name is None:
            yield f"publish.{kind} takes its name from a variable; write it as text, which the prose can refer to"
        elif not name.startswith(PUBLISHERS[kind]):
            yield f"{name} does not begin with {PUBLISHERS[kind]}"
        elif name not in referred:
            yield f"{name} is shown but the text does not refer to it with {{numref}}"


def published(notebook: NotebookNode) -> Iterator[tuple[str, str | None]]:
    """Yield (helper, name) of each call of `publish` that shows a figure, a picture or a table."""
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in PUBLISHERS and getattr(node.func.value, "id", "") == "publish":
                given = [word.value for word in node.keywords if word.arg == "name"] + node.args[1:2]
                yield node.func.attr, given[0].value if given and isinstance(given[0], ast.Constant) else None


RULES = (_opening, _parameters, _imports, _closing, _lengths, _clean, _references)


if __name__ == "__main__":
    broken = [f"{name}: {line}" for name in sys.argv[1:] for line in violations(Path(name))]
    print("\n".join(broken) or "the contract is kept")
    sys.exit(bool(broken))
