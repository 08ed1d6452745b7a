"""A chapter as papermill prepares it for a person, its cells run one after the other by IPython in this process."""

from pathlib import Path
from typing import Any

import nbformat
from click.testing import CliRunner
from IPython.core.interactiveshell import InteractiveShell
from papermill.cli import papermill
from traitlets.config import Config

from tests.book import toy

BEGIN = "from darksecrets.book import chapter\n\nchapter.begin(globals())"
PARAMETERS = """\
tasks: list[str] = ["RTE"]  # tasks
seeds: list[int] = [0]  # seeds
max_examples: int = 64  # examples
learning_rate: float = 0.0001  # rate
shuffle: bool = True  # whether to shuffle
first: str = "A sentence."  # text
store: str = "../_runs"  # where results are kept
run: str = "mine"  # this run's name"""


def book(root: Path) -> Path:
    """Write a toy book whose chapter has a parameter of every kind; return the chapter."""
    return toy.write(root, BEGIN, parameters=PARAMETERS, profile="") / "notebooks/01-toy.ipynb"


def prepared(source: Path, *words: str) -> list[str]:
    """Return the code cells that papermill would run for a command line with these words."""
    target = source.parents[1] / "prepared.ipynb"
    said = CliRunner().invoke(papermill, [str(source), str(target), "--prepare-only", *words], catch_exceptions=False)
    assert said.exit_code == 0, said.output
    return [cell.source for cell in nbformat.read(target, as_version=4).cells if cell.cell_type == "code"]


def shell() -> InteractiveShell:
    """Return a new IPython without a history on disk."""
    return InteractiveShell(config=Config({"HistoryManager": {"hist_file": ":memory:"}}))


def run(*cells: str) -> dict[str, Any]:
    """Return the names that cells leave behind; raise what one of them raises."""
    new = shell()
    for cell in cells:
        new.run_cell(cell, store_history=True).raise_error()
    return new.user_ns
