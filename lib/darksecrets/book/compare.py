"""The page of `python -m darksecrets compare`: which findings hold in which run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

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
READING = (
    "A claim is judged by the same rule in every run, from the run's tables; the rules and the numbers are below each "
    "matrix. A verdict is about that run's model, tasks and examples, and no more. Runs on the pocket corpus, whose "
    "sentences a grammar writes, are no evidence for or against the paper. What the paper says of annotated maps is "
    "judged on those that come with the book, which are the same for all runs."
)


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
    parts = [
        f"<h1>{publish.escaped(TITLE)}</h1>",
        f'<p class="first">{publish.escaped(run_findings.agreement(table))}.</p>',
        f"<p>{publish.escaped(READING)}</p>",
        run_findings.legend(),
        "<h2>The runs</h2>",
        publish.table_html(overview, "table-runs", "The runs by number, and how many claims have which verdict."),
    ]
    for section, rows in table.groupby("section", sort=False):
        chapters = ", ".join(CHAPTERS[name] for name in run_findings.SECTIONS[section])
        numbers = rows.assign(run=rows["run"].map({name: n for n, name in enumerate(runs, start=1)}))
        detail = numbers[["number", "run", "verdict", "evidence"]]
        rules = rows[["number", "claim", "rule", "see"]].drop_duplicates()
        identifier = section.replace(".", "-")
        parts += [
            f'<h2 id="section-{identifier}">Section {publish.escaped(section)}: {publish.escaped(chapters)}</h2>',
            run_findings.matrix(rows, runs, f"Claims of Section {section}, and the runs by their numbers."),
            _folded(detail, "The numbers behind it", f"table-numbers-{identifier}"),
            _folded(rules, "The rules", f"table-rules-{identifier}"),
        ]
    return lone_page.document(TITLE, parts, run_findings.style())


def _folded(frame: pd.DataFrame, title: str, name: str) -> str:
    return f"<details><summary>{title}</summary>{publish.table_html(frame, name, f'{title}.')}</details>"


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
