"""The commands that a reader is told to type: `python -m tests.book.documented` lists them with their pages."""

import re
from pathlib import Path

import nbformat

from tests.conftest import ROOT

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:make|(?:\.venv/bin/)?python -m) [^`]+)`")


def pages(root: Path) -> dict[str, str]:
    """Return the text of README, CONTRIBUTING and every page, by name."""
    files = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "notebooks").rglob("*.md"))]
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in files}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        texts[path.name] = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return texts


def blocks(text: str) -> list[str]:
    """Return the lines of a text's shell blocks, without comments."""
    lines = [line.split(" #")[0].strip() for block in BLOCK.findall(text) for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def commands(root: Path) -> list[tuple[str, str]]:
    """Return (page, command) for every command in a shell block or in the middle of a sentence, each once a page."""
    return [
        (page, command)
        for page, text in pages(root).items()
        for command in dict.fromkeys([*blocks(text), *(" ".join(found.split()) for found in INLINE.findall(text))])
    ]


if __name__ == "__main__":
    for page, command in commands(ROOT):
        print(f"{page}\t{command}")
