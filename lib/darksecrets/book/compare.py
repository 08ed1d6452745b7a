"""The page of `python -m darksecrets compare`: which findings hold in which run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from darksecrets.book import contents
from darksecrets.book.profiles import FOLDER
from darksecrets.errors import InputError, nearest
from darksecrets.figures import lone_page, publish
from darksecrets.files import saying_full, write_csv, write_table, write_text
from darksecrets.overview import claims, run_findings
from darksecrets.overview.discussion import CHAPTERS, RunTables
from darksecrets.runs import Run, Store

REFERENCE = "reference"
PAGE, TABLE = "index.html", "comparison"
TITLE = "Which findings of the paper hold in which run"


def find(names: Sequence[str], store: str = "") -> dict[str, Run]:
    """Return runs by what they are called on the page: names in the store, directories, or `reference`.

    Raises `InputError` for one that is not there, has no tables, or is given twice.
    """
    found: dict[str, Run] = {}
    for name in names:
        run = _run(name, store)
        if any(run.directory.resolve() == other.directory.resolve() for other in found.values()):
            raise InputError(f"run {name!r} is given more than once; give each once")
        if not run.tables():
            raise InputError(f"run {name!r} has no tables yet; `python -m darksecrets sweep` or `book` makes them")
        label = "reference run" if name == REFERENCE else run.name
        found[name if label in found else label] = run
    return found


def write(runs: Mapping[str, Run], directory: str | Path) -> Path:
    """Write the page and its table into `directory`, which is made; return the page. What was there is replaced.

    Raises `InputError` where `directory` is a file, or a table is damaged.
    """
    directory = Path(directory)
    lone_page.check_output(directory, f"{TABLE}.csv")
    tables = {name: RunTables.find(run) for name, run in runs.items()}
    table = run_findings.compared(tables, claims.of_annotated_maps())
    content = page(table, run_findings.overview(runs, tables, table))
    directory.mkdir(parents=True, exist_ok=True)
    with saying_full("comparison", directory):
        write_csv(directory / f"{TABLE}.csv", table)
        write_table(directory / f"{TABLE}.parquet", table)
        write_text(directory / PAGE, content)
    return directory / PAGE


def page(table: pd.DataFrame, overview: pd.DataFrame) -> str:
    """Return the page of a comparison (`run_findings.compared` and `run_findings.overview`)."""
    runs = overview["run"].tolist()
    numbers = {name: number for number, name in enumerate(runs, start=1)}
    sections = [
        {
            "name": section,
            "id": section.replace(".", "-"),
            "chapters": ", ".join(CHAPTERS[name] for name in run_findings.SECTIONS[section]),
            "matrix": Markup(
                run_findings.matrix(rows, runs, f"Claims of Section {section}, and the runs by their numbers.")
            ),
            "numbers": rows.assign(run=rows["run"].map(numbers))[["number", "run", "verdict", "evidence"]],
            "rules": rows[["number", "claim", "rule", "see"]].drop_duplicates(),
        }
        for section, rows in table.groupby("section", sort=False)
    ]
    body = lone_page.template("darksecrets.book", "compare.html").render(
        title=TITLE,
        agreement=run_findings.agreement(table),
        legend=Markup(run_findings.legend()),
        overview=overview,
        sections=sections,
        table=lambda *told: Markup(publish.table_html(*told)),
    )
    return lone_page.document(TITLE, [body], run_findings.style())


def _run(name: str, store: str) -> Run:
    if name == REFERENCE:
        return Run(contents.book_root() / FOLDER / REFERENCE)
    if os.path.isdir(name):  # noqa: PTH112 (no name is too long)
        return Run(Path(name).resolve())
    place = Store(store or contents.book_root() / "_runs")
    run = place.run(name) if Path(name).name == name else None
    if run is None or not run.directory.is_dir():
        known = sorted(path.name for path in (place.root / "runs").glob("*") if path.is_dir())
        near = nearest(name, known)
        guess = f"did you mean {near!r}? " if near else ""
        raise InputError(
            f"run {name!r}: {guess}accepted are reference, a directory, and {', '.join(known) or 'no more'}"
        )
    return run
