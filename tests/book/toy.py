"""A book of two pages with one of everything: chart, framed view, table, number in prose, formula, citation."""

import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import nbformat
import pytest

from darksecrets.book import build, profiles
from tests.conftest import ROOT

INTRODUCTION = """# A toy book

{numref}`fig-heads` shows heads, {numref}`table-heads` lists them, and [the next page](01-toy.ipynb) explains
{cite:t}`toy2019`.

$$ a^2 + b^2 = c^2 $$

```{bibliography}
```
"""

REFERENCES = "@misc{toy2019, title={A toy}, author={Toy, Tim}, year={2019}}\n"

CONTENTS = "format: jb-book\nroot: notebooks/00-introduction\nchapters:\n  - file: notebooks/01-toy\n"

PARAMETERS = """\
layers: int = 3  # how many layers
labels: list[str] = ["a", "b"]  # what to choose from
shuffle: bool = False  # whether to shuffle
scale: float = 0.5  # of the values
store: str = "../_runs"  # where results are kept
run: str = "mine"  # this run's name"""

IMPORTS = "import altair\nimport numpy\nimport pandas\nfrom darksecrets.figures import publish"

FRAME = """\
index = pandas.MultiIndex.from_product([labels, range(layers), range(4)], names=["label", "layer", "head"])
frame = index.to_frame(index=False)
frame["mean_value"] = scale * (frame["layer"] + frame["head"])
print(f"{run}: {len(frame)} rows")"""

CHART = """\
menu = altair.binding_select(options=labels, name="Label ")
choice = altair.selection_point(fields=["label"], bind=menu, value=labels[0])
value = altair.Color("mean_value:Q", title="mean value")
chart = altair.Chart(frame, title="Later layers are larger", width=520, height=160).mark_rect()
chart = chart.encode(x="head:O", y="layer:O", color=value).add_params(choice).transform_filter(choice)
caption = "The **later** layers are larger ($p < 0.05$)."
publish.figure(chart, "fig-heads", caption, alt="Heat map, darkest at the bottom.")"""

VIEW = """\
view = "<svg width=300 height=80><line x1=0 y1=0 x2=300 y2=80 stroke=black /></svg>"
view += "<script>document.title = 'drawn'</script>"
publish.html_figure(view, "fig-view", "One line connects two words.", alt="A line.", height=110, fallback=chart)"""

TABLE = """\
publish.table(frame.head(3).assign(note="<b>*not* bold|"), "table-heads", "The first heads are listed.")
publish.number("largest", frame["mean_value"].max())"""

PROSE = "# Toy page\n\nThe largest of {numref}`fig-view` is {glue:text}`largest:.2f`."


def notebook(*code: str, prose: str = PROSE, parameters: str = PARAMETERS) -> nbformat.NotebookNode:
    """Make a notebook from prose, a parameters cell and code cells, with fixed cell ids."""
    version = nbformat.v4
    cells = [version.new_markdown_cell(prose), version.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [version.new_code_cell(source) for source in code]
    for position, cell in enumerate(cells):
        cell.id = f"toy-{position}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return version.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def write(
    root: Path, *code: str, prose: str = PROSE, parameters: str = PARAMETERS, profile: str = "layers: 4\n"
) -> Path:
    """Write the toy book's repository to `root`; `code` replaces the notebook's cells."""
    folder = root / "notebooks"
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "_config.yml", root / "_config.yml")
    (root / "_toc.yml").write_text(CONTENTS)
    (folder / "00-introduction.md").write_text(INTRODUCTION)
    (folder / "references.bib").write_text(REFERENCES)
    (folder / "profiles" / "toy.yml").write_text(profile)
    cells = code or (IMPORTS, FRAME, CHART, VIEW, TABLE)
    nbformat.write(notebook(*cells, prose=prose, parameters=parameters), folder / "01-toy.ipynb")
    return root


def write_two(root: Path, first: str, second: str) -> Path:
    """Write the toy book with two notebooks of one code cell each."""
    write(root, second)
    (root / "notebooks" / "01-toy.ipynb").rename(root / "notebooks" / "02-toy.ipynb")
    write(root, first)
    (root / "_toc.yml").write_text(CONTENTS + "  - file: notebooks/02-toy\n")
    return root


def load(root: Path, overrides: Sequence[str] = ()) -> profiles.Profile:
    """Load the toy book's profile."""
    return profiles.load(root, "toy", overrides)


@cache
def _built(root: Path) -> Path:
    build.make(load(write(root)))
    return root


def built(factory: pytest.TempPathFactory) -> Path:
    """Build the toy book once for all tests of a session and return its repository."""
    return _built(factory.getbasetemp() / "toy-book")
