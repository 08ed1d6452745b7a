"""The chapters that tables of a run come from are those of the book."""

import nbformat
import pytest

from darksecrets.chapters import GROUPS, SECTIONS, prefix_of
from darksecrets.overview import discussion
from darksecrets.runs import Run
from tests.conftest import ROOT


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_a_page_has_its_title(section):
    cells = nbformat.read(ROOT / "notebooks" / f"{section.page}.ipynb", as_version=4).cells
    assert cells[0].source.splitlines()[0] == f"# {section.title}"


def test_every_published_table_belongs_to_one():
    assert {prefix_of(table) for table in Run(ROOT / "notebooks" / "reference").tables()} == set(GROUPS)


def test_a_run_is_read_by_the_same_sections():
    assert {kind.PREFIX for kind in discussion.KINDS.values()} == set(SECTIONS)
