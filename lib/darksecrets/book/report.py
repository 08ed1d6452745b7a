"""The page of `python -m darksecrets report`: one HTML file that needs nothing else, with its tables and heads.json."""

import inspect
from pathlib import Path

from darksecrets.apps import own_page, own_reading, own_report
from darksecrets.apps.own_report import OwnReport
from darksecrets.errors import InputError, check_directory
from darksecrets.figures import lone_page, publish
from darksecrets.files import write_text
from darksecrets.runs import Run, write_json

PAGE, HEADS, TABLES = "index.html", "heads.json", "tables"
READING = (
    "A change is the score with the head disabled less the score with nothing disabled, in points. A disabled head "
    "attends to all tokens alike. p is that of a paired test (McNemar's exact test of classes, a permutation of "
    "scores), and corrected for the number of heads (Holm)."
)
ATTENTION = (
    "Attention that a head pays is not what the model relies on: a head may look at a word and add nothing. What the "
    "model relies on is shown further down, where heads are disabled."
)
TOGETHER = (
    "Two heads may do the same work, and each can go only while the other stays. So heads were disabled together, more "
    "and more of them. Half of the examples chose the order and the number. The other half, which had no say, was "
    "scored."
)
USE = (
    "The model is the one that this report is on, as transformers loads it. While the block is open its heads are "
    "disabled; afterwards it is as it was. This does not make the model smaller or faster: it shows which heads can go."
)
SCHEMA = (
    "heads.json has the fingerprints of the model and of the examples, the numbers of every head with their intervals, "
    "and under disable the recommended heads, as pairs of layer and head counted from 0. The folder tables has every "
    "table as a Parquet file."
)

KEYS = inspect.cleandoc(own_report.heads_file.__doc__).replace("`", "")


def write(report: OwnReport, directory: str | Path) -> Path:
    """Write the page, `heads.json` and the tables into `directory`, which is made; return the page.

    What an earlier report left there is replaced. Raises InputError where `directory` is a file.
    """
    directory = Path(directory)
    check(directory)
    directory.mkdir(parents=True, exist_ok=True)
    content = own_report.heads_file(report)
    report.tables.save(Run(directory / TABLES), **{name: content[name] for name in ("model", "data")})
    write_json(directory / HEADS, content)
    write_text(directory / PAGE, page(report))
    return directory / PAGE


def check(directory: Path, mark: str = HEADS) -> None:
    """Raise InputError where a report cannot be written: a file, or what holds something without the file `mark`."""
    check_directory(directory, "output")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / mark).is_file():
        raise InputError(f"output {str(directory)!r} is not empty and has no {mark}; name another directory")


def page(report: OwnReport) -> str:
    """Return the page: everything that it needs is in it, and it asks the browser to load nothing."""
    shown, texts = own_page.shown(report), own_page.texts(report)
    title = f"Heads of {own_report.shown_name(report.subject)}"
    parts = [
        f"<h1>{publish.escaped(title)}</h1>",
        f'<p class="first">{publish.escaped(texts["recommendation"])}</p>',
        _careful(own_reading.warnings(report)),
        _section("What was read", [], shown, "overview"),
        _section(
            "Which patterns attention shows", [texts["patterns_finding"] + "."], shown, "patterns", "pattern-heads"
        ),
        _section(
            "What heads attend to", [texts["attended_finding"] + ".", ATTENTION], shown, "attended", "attended-heads"
        ),
        _section(
            "One head at a time",
            [texts["heads_finding"] + ".", texts["best_head"], READING],
            shown,
            *("disabled-heads", "heads"),
        ),
        _section("How many heads can go", [TOGETHER, texts["recommendation"]], shown, "removal", "disabled"),
        "<h2>How to disable them</h2>",
        f'<pre tabindex="0"><code>{publish.escaped(own_reading.APPLY)}</code></pre>',
        *(f"<p>{publish.escaped(text)}</p>" for text in (USE, SCHEMA)),
        f'<details><summary>Every key of heads.json</summary><pre tabindex="0">{publish.escaped(KEYS)}</pre></details>',
    ]
    return lone_page.document(title, parts, has_charts=True)


def _section(title: str, paragraphs: list[str], shown: dict[str, dict], *names: str) -> str:
    lines = [f"<h2>{publish.escaped(title)}</h2>", *(f"<p>{publish.escaped(text)}</p>" for text in paragraphs)]
    for name in names:
        is_chart = "chart" in shown[name]
        kind, write = ("figure", publish.figure_html) if is_chart else ("table", publish.table_html)
        lines.append(write(name=f"{kind}-{name}", **shown[name]))
    return "\n".join(lines)


def _careful(warnings: list[str]) -> str:
    items = "".join(f"<li>{publish.escaped(warning)}</li>" for warning in warnings)
    return f'<div class="careful" role="note"><strong>Be careful</strong><ul>{items}</ul></div>' if warnings else ""
