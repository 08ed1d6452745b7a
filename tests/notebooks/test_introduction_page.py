"""The introduction executed: a tour of the reference run that fits its tables, with no model and no code shown."""

import re
import shutil

import nbformat
import pytest

from darksecrets.book import executed as books
from darksecrets.book.contents import names
from darksecrets.overview import claims, tour
from darksecrets.overview.discussion import RunTables
from darksecrets.runs import Run
from tests.conftest import NOT_SOURCE, ROOT
from tests.notebooks.executed import CHART, Executed, check_ran_clean, execute

SOURCE = ROOT / "notebooks" / "00-introduction.ipynb"
FIGURES = {name: f"figure-tour-{name.replace('_', '-')}" for name in tour.FINDINGS}
ENTRANCES = {
    "What did the paper get right?": "08-discussion",
    "What does one head do?": "09-head-atlas",
    "Which heads of my own model can I drop?": "11-your-own-model",
}


@pytest.fixture(scope="module")
def page(notebooks) -> Executed:
    return execute(notebooks, "00-", run="introduction")


@pytest.fixture(scope="module")
def text() -> str:
    cells = nbformat.read(SOURCE, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.fixture(scope="module")
def published(notebooks) -> tour.Tour:
    return tour.of(Run(notebooks / "reference"))


def test_it_runs_clean_and_computes_and_stores_nothing(page, notebooks):
    check_ran_clean(page)
    assert not page.run.directory.exists()
    source = "\n".join(cell.source for cell in page.notebook.cells if cell.cell_type == "code")
    assert "models" not in source
    assert source.count("Run(") == 1
    assert 'Run("reference")' in source


def test_sentences_and_verdicts_are_those_of_the_tables(page, published, text):
    expected = {"ledger": published.ledger}
    for name, finding in published.findings.items():
        expected |= {name: finding.headline, f"{name}_verdict": finding.verdict}
    assert page.glued == expected
    assert set(re.findall(r"\{glue:text\}`([^`]+)`", text)) == set(expected)


def test_no_number_of_a_finding_is_typed(text):
    tour_part = text[text.index("## The tour") : text.index("## What the paper asked")]
    prose = re.sub(r"\{\w+(:\w+)?\}`[^`]*`|Sections? \d(\.\d)?|^### \d\.", "", tour_part, flags=re.MULTILINE)
    assert re.findall(r"\d+", prose) == []


def test_each_finding_has_its_figure_and_leads_to_that_of_its_chapter(page, published, text):
    assert set(page.published) == set(FIGURES.values())
    referred = set(re.findall(r"\{numref\}`([^`]+)`", text))
    assert set(FIGURES.values()) < referred
    chapters = {path.stem: path.read_text() for path in SOURCE.parent.glob("0[2-7]-*.ipynb")}
    for name in referred - set(FIGURES.values()):
        assert [stem for stem, source in chapters.items() if f'\\"{name}\\"' in source], name
    assert len(referred) == 2 * len(FIGURES)
    for name, figure in FIGURES.items():
        bundle = page.published[figure]
        assert CHART in bundle
        alt = re.search(r'^:alt: "(.+)"$', bundle["text/markdown"], re.MULTILINE).group(1)
        assert alt.endswith(f"{published.findings[name].headline}.")


def test_three_questions_stand_first_and_are_one_click_from_their_answers(text):
    top = text[: text.index("## The tour")]
    for question, answer in ENTRANCES.items():
        (line,) = (line for line in top.splitlines() if question in line)
        assert re.search(rf"\{{doc\}}`[^`<]*<?{answer}>?`", line), question


def test_the_table_of_chapters_has_every_page_and_no_other(text):
    listed = re.findall(r"^\| \{doc\}`([\w-]+)` \|", text, re.MULTILINE)
    pages = [name for name in names(ROOT)[1:] if not name.startswith("notebooks/api/")]  # to which `api` leads
    assert [f"notebooks/{name}" for name in listed] == pages


def test_a_reader_of_the_pages_sees_figures_and_prose_only(page):
    source = nbformat.read(SOURCE, as_version=4)
    assert all(
        {"remove-cell", "remove-input"} & set(cell.metadata.get("tags", []))
        for cell in books.joined(source, page.notebook).cells
        if cell.cell_type == "code"
    )


def test_a_shown_parameters_cell_leaves_those_of_papermill_shown(page):
    source = nbformat.read(SOURCE, as_version=4)
    cell = next(cell for cell in source.cells if "parameters" in cell.metadata.get("tags", []))
    cell.metadata["tags"] = ["parameters"]
    tags = [cell.metadata.get("tags") for cell in books.joined(source, page.notebook).cells]
    assert [books.INJECTED] in tags


def test_another_reference_run_is_told_as_it_is(tmp_path, notebooks, kernel_environment):
    folder = shutil.copytree(notebooks, tmp_path / "notebooks", ignore=NOT_SOURCE)
    run = Run(folder / "reference")
    table = run.table("tuning_last_two").assign(mean=0.2, low=0.1, high=0.3)
    run.save("tuning_last_two", table)
    page = execute(folder, "00-", run="introduction")
    assert page.glued["changes"] == "The last two layers change most on 7 of 7 tasks"
    assert page.glued["changes_verdict"] == "holds on 6 of 6 tasks"
    before = claims.judgements(RunTables.find(Run(notebooks / "reference")))
    assert page.glued["relations_verdict"].startswith(before[tour.FINDINGS["relations"][0]].verdict)
