"""The equality harness sees whatever a reader would: a digit of a table, a word of a caption, a glued text."""

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from darksecrets.runs import Run
from tests import equality

FIGURE = "```{figure} data:image/svg+xml,A\n:name: figure-one\n\nA caption.\n```"


def clone(root, run="pocket-12345678", number=0.1, figure=FIGURE, glued="7 of 7", said="a line\n", code="draw()"):
    """A clone whose book has one page, with a figure, a glued text and a printed line, and whose run has one table."""
    Run(root / "_runs" / "runs" / run).save("scores", pd.DataFrame({"task": ["RTE"], "mean": [number]}))
    outputs = [
        new_output("display_data", {"text/markdown": figure, "text/plain": "altair-viz-" + 32 * code[0]}),
        new_output("display_data", {"text/plain": glued}, metadata={"scrapbook": {"name": "finding"}}),
        new_output("stream", name="stdout", text=said),
    ]
    cells = [new_markdown_cell(code), new_code_cell(code, outputs=outputs)]
    (root / equality.PAGES).mkdir(parents=True)
    nbformat.write(new_notebook(cells=cells), root / equality.PAGES / "00-page.ipynb")
    return root


def test_code_prose_and_what_is_drawn_at_random_may_differ(tmp_path):
    sides = clone(tmp_path / "one"), clone(tmp_path / "other", run="pocket-87654321", code="another()")
    assert equality.report(*sides) == (["tables: 1 and 1, different: 0", "things shown: 3 and 3, different: 0"], True)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"number": 0.1 + 2**-55}, "  pocket/scores"),
        ({"figure": FIGURE.replace("caption", "Caption")}, "  00-page: figure-one"),
        ({"figure": FIGURE.replace("svg+xml,A", "svg+xml,B")}, "  00-page: figure-one"),
        ({"figure": FIGURE.replace("figure-one", "figure-two")}, "  00-page: figure-two"),
        ({"glued": "6 of 7"}, "  00-page: glued finding"),
        ({"said": "another line\n"}, "  00-page: output 1"),
    ],
)
def test_a_difference_is_named(tmp_path, changed, name):
    lines, is_equal = equality.report(clone(tmp_path / "one"), clone(tmp_path / "other", **changed))
    assert not is_equal
    assert name in lines


def test_two_clones_without_a_book_are_not_equal(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    assert equality.report(tmp_path / "one", tmp_path / "other")[1] is False
