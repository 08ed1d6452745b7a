"""Hold two built clones against each other: `python -m tests.equality ONE OTHER`, after `make book` in each.

Everything that a reader is told must be equal: every saved table, every numbered figure and table with its caption, its
data and its picture, every glued text, and whatever else a cell shows. Code, prose, API pages and the search index may
differ. What differs is listed, and the exit code is then 1.
"""

import difflib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import nbformat
import pandas as pd
from nbformat import NotebookNode

from tests.faults.clones import IDENTIFIER, MOMENT, runs

PAGES = Path("_build/source/notebooks")  # executed notebooks, as the builder reads them
NAMED = re.compile(r"^:name: (\S+)$", re.MULTILINE)
DRAWN = re.compile(r"altair-viz-[0-9a-f]{32}|data-[0-9a-f]{32}")  # names that are drawn at random
MOST_LINES = 6  # of a difference


@click.command()
@click.argument("one", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("other", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(one: Path, other: Path) -> None:
    """Compare two clones with a built book each."""
    lines, is_equal = report(one, other)
    click.echo("\n".join(lines))
    sys.exit(not is_equal)


def report(one: Path, other: Path) -> tuple[list[str], bool]:
    """Return the lines of the comparison, and whether all is equal; two clones without a book are not."""
    lines, is_equal = [], True
    for what, read in {"tables": tables, "things shown": shown}.items():
        sides = read(one), read(other)
        found = different(*sides)
        lines.append(f"{what}: {len(sides[0])} and {len(sides[1])}, different: {len(found)}")
        for name, difference in found.items():
            lines += [f"  {name}", *(f"    {line}" for line in difference)]
        is_equal &= bool(sides[0]) and not found
    return lines, is_equal


def tables(root: Path) -> dict[str, str]:
    """Return every table of every run, as text with all digits, by run and name.

    A run is named without the fingerprint of its parameters, so that a new parameter does not hide an equal table.
    """
    return {
        f"{run.rpartition('-')[0]}/{path.stem}": _written(pd.read_parquet(path))
        for run, directory in runs(root).items()
        for path in sorted(directory.glob("*.parquet"))
    }


def shown(root: Path) -> dict[str, str]:
    """Return everything that cells show, by page and name; what has no name, by its place among such on the page."""
    return {
        f"{path.stem}: {name}": content
        for path in sorted((root / PAGES).glob("*.ipynb"))
        for name, content in _outputs(nbformat.read(path, as_version=4), str(root.resolve()))
    }


def different(one: dict[str, str], other: dict[str, str]) -> dict[str, list[str]]:
    """Return what differs or is on one side alone, by name, with the first lines of the difference."""
    found = {}
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            sides = [side.get(name, "(missing)").splitlines() for side in (one, other)]
            changed = (line for line in difflib.unified_diff(*sides, lineterm="", n=0) if line[:2] not in ("@@", "--"))
            kept = [line[:200] for line in changed if not line.startswith("+++")]
            found[name] = kept[:MOST_LINES]
    return found


def _outputs(notebook: NotebookNode, root: str) -> Iterator[tuple[str, str]]:
    unnamed = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            name = _name(output)
            if not name:
                unnamed += 1
                name = f"output {unnamed}"
            text = json.dumps(_content(output), indent=1, sort_keys=True, ensure_ascii=False).replace(root, "ROOT")
            yield name, DRAWN.sub("DRAWN", IDENTIFIER.sub("ID", MOMENT.sub("MOMENT", text)))


def _name(output: NotebookNode) -> str:
    """Return the name of what is glued or numbered; an empty text for anything else."""
    glued = output.get("metadata", {}).get("scrapbook", {}).get("name", "")
    numbered = NAMED.search(output.get("data", {}).get("text/markdown", ""))
    return f"glued {glued}" if glued else numbered.group(1) if numbered else ""


def _content(output: NotebookNode) -> Any:
    return output.get("data") or output.get("text") or output


def _written(table: pd.DataFrame) -> str:
    kinds = ", ".join(f"{name}: {kind}" for name, kind in table.dtypes.items())
    return f"{kinds}\n{table.to_csv(index=False)}"


if __name__ == "__main__":
    main(prog_name="python -m tests.equality")
