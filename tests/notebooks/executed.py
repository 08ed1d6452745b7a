"""Papermill runs a notebook of the book with small parameters; what it left behind is read back from the file."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import papermill
from myst_nb.core.variables import format_plain_text

from darksecrets.book.kernels import transport
from darksecrets.figures.publish import MISSING
from darksecrets.runs import Run

CHART = "application/vnd.vegalite.v5+json"
PROGRESS = re.compile(
    r"fine-tuned \d+ of \d+: |fine-tuning .*, about \d+ s left$|(many )?heads of .*: \d+ of \d+ examples$"
)
WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Executed:
    """An executed notebook, and the run that it saved."""

    notebook: nbformat.NotebookNode
    run: Run

    @property
    def outputs(self) -> list[Any]:
        """All outputs, in the order of the cells."""
        return [output for cell in self.notebook.cells if cell.cell_type == "code" for output in cell.outputs]

    @property
    def warnings(self) -> list[str]:
        """Lines on standard error that are no progress."""
        lines = "".join(output.text for output in self.outputs if output.get("name") == "stderr").splitlines()
        return [line for line in lines if not PROGRESS.match(line)]

    def defined(self, name: str) -> Any:
        """The function of that name that a cell defines, as it stands on the page."""
        (source,) = (cell.source for cell in self.notebook.cells if cell.source.startswith(f"def {name}("))
        namespace: dict[str, Any] = {"np": np, "pd": pd}
        exec(source, namespace)
        return namespace[name]

    @property
    def glued(self) -> dict[str, str]:
        """What the prose can refer to: name and text."""
        kept = [output for output in self.outputs if "scrapbook" in output.get("metadata", {})]
        texts = {output.metadata.scrapbook.name: _plain(output.data) for output in kept}
        assert len(texts) == len(kept), "a name is glued twice"
        return texts

    @property
    def published(self) -> dict[str, Any]:
        """Numbered figures and tables: name and MIME bundle."""
        bundles = [output.data for output in self.outputs if output.get("data", {}).get("text/markdown")]
        return {re.search(r"^:name: (\S+)$", data["text/markdown"], re.MULTILINE).group(1): data for data in bundles}

    def rows(self, name: str) -> list[dict[str, str]]:
        """Rows of a published table as a reader sees them."""
        lines = [line for line in self.published[name]["text/markdown"].splitlines() if line.startswith("| ")]
        cells = [[_shown(cell) for cell in line[2:-2].split(" | ")] for line in lines]
        return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]

    def data(self, name: str) -> list[list[dict[str, Any]]]:
        """Data sets that a chart carries."""
        return list(self.published[name][CHART]["datasets"].values())


def execute(folder: Path, name: str, **parameters: Any) -> Executed:
    """Run `folder`/`name`.ipynb where it lies, as the book does, and read it back."""
    (source,) = folder.glob(f"{name}*.ipynb")
    target = folder.parent / f"{source.stem}.executed.ipynb"
    with transport() as config:
        papermill.execute_notebook(source, target, parameters, cwd=folder, progress_bar=False, config=config)
    store = folder / parameters.get("store", "../_runs")
    return Executed(nbformat.read(target, as_version=4), Run(store / "runs" / parameters.get("run", "mine")))


def results(store: Path, kind: str) -> list[tuple[dict[str, Any], int, Path]]:
    """Every result of a kind that a store holds: what it was made from, when it was written, and its directory."""
    found = []
    for path in sorted(store.glob(f"{kind}/*/result.json")):
        found.append((json.loads(path.read_text())["ingredients"], path.stat().st_mtime_ns, path.parent))
    return found


def classified_maps(store: Path) -> list[tuple[dict[str, Any], int, pd.DataFrame]]:
    """Every table of patterns that a store holds: what it was made from, when it was written, and itself."""
    return [
        (made_from, at, pd.read_parquet(directory / "table.parquet"))
        for made_from, at, directory in results(store, "patterns")
    ]


def per_head(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Open the rows of a chart that holds the heads of a layer in lists: a row per head, counted from 0 again.

    An empty list stands for heads of which nothing is known.
    """
    filled = [{name: cell if cell != [] else [None] * len(row["head"]) for name, cell in row.items()} for row in rows]
    table = pd.DataFrame(filled)
    lists = [name for name in table if isinstance(table[name].iloc[0], list)]
    table = table.explode(lists, ignore_index=True)
    return table.assign(layer=table["layer"] - 1, head=table["head"].astype(int) - 1)


def shown(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as a page shows them."""
    cells = table.astype(object).where(table.notna(), MISSING)
    return cells.map(lambda cell: f"{cell:.3f}" if isinstance(cell, float) else str(cell)).to_dict("records")


def data_of(chart: Any) -> list[list[dict[str, Any]]]:
    """Return the data sets of a chart as a page carries them (`Executed.data`)."""
    return list(json.loads(chart.to_json())["datasets"].values())


def without(rows: list[dict[str, str]], column: str = "reference run") -> list[dict[str, str]]:
    """Return rows without a column, and without those that only the other run can fill."""
    kept = [{name: cell for name, cell in row.items() if name != column} for row in rows]
    return [row for row in kept if row.get("this run") != MISSING]


def check_ran_clean(page: Executed) -> None:
    """Fail unless every cell ran, and none warned."""
    assert all(cell.execution_count for cell in page.notebook.cells if cell.cell_type == "code")
    assert page.warnings == []


def check_shown_and_referred_to(page: Executed) -> None:
    """Fail unless only what is numbered is displayed, and the prose refers to all of it.

    A cell that defines the core of a measure may also show what it gives, one result.
    """
    kinds = [output.output_type for output in page.outputs]
    assert kinds.count("display_data") == len(page.published) + len(page.glued)
    cores = [cell for cell in page.notebook.cells if cell.cell_type == "code" and cell.source.startswith("def ")]
    results = [[output.output_type for output in cell.outputs].count("execute_result") for cell in cores]
    assert sum(results) == kinds.count("execute_result")
    assert all(n_results <= 1 for n_results in results)
    text = "\n".join(cell.source for cell in page.notebook.cells if cell.cell_type == "markdown")
    assert set(re.findall(r"\{glue:text\}`([^`]+)`", text)) == set(page.glued)
    assert set(re.findall(r"\{numref\}`([^`]+)`", text)) == set(page.published)


def defined(page: Executed, name: str) -> Any:
    """Return the function that a cell of the page defines; of all that the page imports it has NumPy."""
    (cell,) = (cell for cell in page.notebook.cells if cell.cell_type == "code" and f"def {name}(" in cell.source)
    names: dict[str, Any] = {"np": np}
    exec(cell.source[: cell.source.rindex("\n\n\n")], names)  # without the lines that run it on an example
    return names[name]


def _plain(data: dict[str, str]) -> str:
    (text,) = (text for kind, text in data.items() if kind.endswith("text/plain"))
    return format_plain_text(text, "s")  # as the page will show it


def _shown(cell: str) -> str:
    return re.sub(r"\\(.)", r"\1", cell)
