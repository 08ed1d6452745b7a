"""The strict build of a small book: numbered, offline, repeatable, and never half replaced."""

import re
import shutil

import pytest

from darksecrets.book import build, execute
from tests import audit
from tests.book import toy


def _pages(root):
    return {path.name: path.read_text() for path in sorted((root / "_build/html/notebooks").glob("*.html"))}


def test_every_page_exists_and_the_audit_is_clean(toy_root):
    assert (toy_root / "_build/html/index.html").is_file()
    assert audit.of_book(toy_root) == []


def test_figures_and_tables_are_numbered_and_found_from_another_page(toy_root):
    pages = _pages(toy_root)
    for name, number in (("fig-heads", "Fig. 1"), ("table-heads", "Table 1")):
        assert re.search(
            rf'href="01-toy.html#{name}"><span class="std std-numref">{number}', pages["00-introduction.html"]
        )
    assert '<span class="caption-number">Fig. 2 </span>' in pages["01-toy.html"]
    assert pages["01-toy.html"].count("<figure") == 2


def test_numbers_in_prose_come_from_the_run(toy_root):
    assert 'is <span class="pasted-text">3.00</span>' in _pages(toy_root)["01-toy.html"]


def test_cells_of_a_table_are_shown_letter_by_letter(toy_root):
    assert "&lt;b&gt;*not* bold|" in _pages(toy_root)["01-toy.html"]


def test_scripts_are_only_on_the_pages_that_need_them(toy_root):
    pages = _pages(toy_root)
    assert "mathjax/tex-svg.js" in pages["00-introduction.html"]
    assert not any("vega.js" in page for page in pages.values()), "Vega is fetched by charts.js, where there is a chart"


def test_the_page_shows_the_values_of_this_run(toy_root):
    page = re.sub("<[^>]+>", "", _pages(toy_root)["01-toy.html"])
    assert "layers = 4" in page
    assert re.search(r"toy-[0-9a-f]{8}: 32 rows", page)


def test_two_builds_are_equal_and_the_second_executes_nothing(toy_root, tmp_path, capsys):
    copy = shutil.copytree(toy_root, tmp_path / "copy", ignore=shutil.ignore_patterns("_build"))
    build.make(toy.load(copy))
    assert "unchanged, not executed again" in capsys.readouterr().out
    assert _pages(copy) == _pages(toy_root)


def test_two_executions_are_byte_identical(tmp_path):
    first, second = (execute.execute(toy.load(toy.write(tmp_path / name))) for name in ("one", "two"))
    assert first == second


def test_mending_a_sentence_executes_nothing(toy_root, tmp_path, capsys):
    copy = shutil.copytree(toy_root, tmp_path / "copy", ignore=shutil.ignore_patterns("_build"))
    toy.write(copy, prose=toy.PROSE + " A new sentence.")
    notebooks = execute.execute(toy.load(copy))
    assert "unchanged" in capsys.readouterr().out
    assert "A new sentence." in notebooks["notebooks/01-toy"].cells[0].source


@pytest.mark.parametrize(
    ("prose", "complaint"),
    [
        ("# Toy page\n\nSee {numref}`fig-nowhere`.", "fig-nowhere"),
        ("# Toy page\n\nIt is {glue:text}`nowhere`.", "nowhere"),
        ("# Toy page\n\nSee [there](nowhere.md).", "nowhere.md"),
    ],
)
def test_a_warning_is_an_error_and_the_old_book_stays(toy_root, tmp_path, prose, complaint):
    copy = shutil.copytree(toy_root, tmp_path / "copy")
    toy.write(copy, prose=prose)
    (copy / "notebooks/00-introduction.md").write_text("# A toy book\n")
    before = _pages(copy)
    with pytest.raises(build.BuildError, match=complaint):
        build.make(toy.load(copy))
    assert _pages(copy) == before


def test_what_is_no_warning_of_the_builder_is_found_by_the_audit(tmp_path):
    toy.write(tmp_path, toy.IMPORTS, toy.FRAME, "frame.head(2)", prose="# Toy page")
    image = '<img src="https://example.org/a.png" alt="A">'
    (tmp_path / "notebooks/00-introduction.md").write_text(f"# A toy book\n\n{image}\n")
    build.make(toy.load(tmp_path))
    first, second = audit.of_book(tmp_path)
    assert (first.rule, first.what) == ("loads from another host", "img https://example.org/a.png")
    assert second.what.startswith("an output without number and caption")
