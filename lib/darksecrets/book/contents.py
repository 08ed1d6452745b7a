"""Which pages the book has, in which order: `_toc.yml` read once for everyone."""

import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

from darksecrets.book import sources
from darksecrets.errors import InputError

CONTENTS = "_toc.yml"
ENDINGS = (".ipynb", ".md")
MEASURING = re.compile(r"0[2-8]-")  # the chapters on Sections 4.1 to 5


@dataclass(frozen=True)
class Page:
    """A page of the book: its name in `_toc.yml` (a path without ending) and its source."""

    name: str
    source: Path

    @property
    def is_notebook(self) -> bool:
        """Whether the page is executed (a notebook) or copied (text)."""
        return self.source.suffix == ".ipynb"


def book_root(start: Path | None = None) -> Path:
    """Return the nearest directory from `start` (or here) upwards that holds a book, or raise `InputError`."""
    start = (start or Path.cwd()).resolve()
    for directory in (start, *start.parents):
        if (directory / CONTENTS).is_file():
            return directory
    raise InputError(f"no {CONTENTS} here or above; run this inside the book's repository")


def pages(root: Path) -> list[Page]:
    """Return the pages in reading order; `InputError` where `_toc.yml` is broken or names a file that is not there."""
    return [Page(name, _source(root, name)) for name in names(root)]


def notebooks(root: Path) -> list[Page]:
    """Return the pages that are executed, in reading order."""
    return [page for page in pages(root) if page.is_notebook]


def measuring(root: Path) -> list[str]:
    """Return the names of the chapters that measure, whose tables a reference run publishes."""
    return [page.name for page in notebooks(root) if MEASURING.match(page.source.stem)]


def names(root: Path) -> list[str]:
    """Return the pages' names as `_toc.yml` lists them."""
    try:
        site = parse_toc_yaml(root / CONTENTS)
    except (MalformedError, OSError, ValueError) as error:
        raise InputError(f"{CONTENTS} cannot be read: {' '.join(str(error).split())}") from None
    ordered = [site.root.docname]
    ordered += [name for name in site if name != site.root.docname]
    for name in ordered:
        if PureWindowsPath(name).anchor or ".." in PureWindowsPath(name).parts:
            raise InputError(
                f"{CONTENTS} lists {name!r}, which may lie outside of the book; name a page below {CONTENTS}"
            )
    return [name.removesuffix(Path(name).suffix) if Path(name).suffix in ENDINGS else name for name in ordered]


def titles(root: Path) -> dict[str, str]:
    """Map the title of each page, and what stands before a colon in it, to the page's name."""
    found = {}
    for page in pages(root):
        if page.is_notebook:
            text = next((cell.source for cell in sources.read(page.source).cells), "")
        else:
            text = page.source.read_text(encoding="utf-8")
        title = re.search(r"^# +(.+?) *$", text, re.MULTILINE)
        if title:
            found |= {title[1]: page.name, title[1].split(":")[0]: page.name}
    return found


def _source(root: Path, name: str) -> Path:
    for ending in ENDINGS:
        if (root / f"{name}{ending}").is_file():
            return root / f"{name}{ending}"
    raise InputError(f"{CONTENTS} lists {name!r}, but there is no {name}{' or '.join(ENDINGS)}")
