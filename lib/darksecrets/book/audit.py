"""What a book must keep: nothing loaded from other hosts, links that lead somewhere, figures that explain themselves.

Ordinary hyperlinks to other hosts are fine; they load nothing until a person follows them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from darksecrets.book import loads
from darksecrets.book.contents import html_pages

LARGEST = 3_000_000  # bytes of one page
PLACEHOLDER = re.compile(r"\{(?:glue|numref|ref|doc|cite|eq)(?::\w+)?\}`")


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong with one page."""

    page: str
    rule: str
    what: str


class Built:
    """A built page with what the rules ask of it; each is read and parsed once."""

    def __init__(self, path: Path, site: "Site") -> None:
        self.path, self.site = path, site

    @cached_property
    def text(self) -> str:
        """The page as written."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> BeautifulSoup:
        """The page as parsed."""
        return BeautifulSoup(self.text, "html.parser")

    @cached_property
    def anchors(self) -> set[str]:
        """What a link to a place in the page can name."""
        return {tag[name] for name in ("id", "name") for tag in self.tree.find_all(attrs={name: True})}


class Site:
    """All pages under a directory, the files that they share, and the strings that none may show."""

    def __init__(self, html: Path, hidden: Sequence[str] = ()) -> None:
        self.html, self.hidden = html.resolve(), hidden
        self.pages = {name: Built(self.html / name, self) for name in html_pages(html)}
        self._by_path = {page.path.resolve(): page for page in self.pages.values()}
        self._foreign: dict[Path, list[str]] = {}

    def anchors(self, path: Path) -> set[str]:
        """Return the anchors of a page."""
        return self._by_path[path].anchors if path in self._by_path else Built(path, self).anchors

    def foreign_loads(self, path: Path, read: Callable[[str], Iterator[str]]) -> list[str]:
        """Return what a script or a style sheet loads from elsewhere; `read` finds it in a text."""
        if path not in self._foreign:
            found = read(path.read_text(encoding="utf-8"))
            self._foreign[path] = [f"{what} (in {path.relative_to(self.html)})" for what in found]
        return self._foreign[path]


def audit(html: Path, names: Iterable[str] = (), hidden: Sequence[str] = ()) -> list[Finding]:
    """Check every page under `html`; `names` are the pages that must be there, `hidden` strings that no page may show.

    Returns all findings at once, sorted by page; an empty list where there is nothing to say.
    """
    findings = [
        Finding(f"{name}.html", "missing page", "listed in the contents")
        for name in names
        if not (html / f"{name}.html").is_file()
    ]
    for name, page in Site(html, [text for text in hidden if text.count("/") > 1]).pages.items():
        findings += [Finding(name, rule, what) for rule, check in RULES.items() for what in check(page)]
    return sorted(set(findings))


def report(findings: Sequence[Finding]) -> str:
    """Write findings for a person, a line each."""
    lines = [f"{finding.page}: {finding.rule}: {finding.what}" for finding in findings]
    return "\n".join([f"The audit found {len(findings)} fault{'s' * (len(findings) != 1)}:", *lines])


def _foreign_loads(page: Built) -> Iterator[str]:
    yield from loads.of_html(page.tree)
    for tag in page.tree.select("script[src], link[rel~=stylesheet][href]"):
        file = _target(page, tag.get("src") or tag.get("href"))[0]
        if file.is_file():
            yield from page.site.foreign_loads(file, loads.of_script if tag.name == "script" else loads.of_style)


def _size(page: Built) -> Iterator[str]:
    size = page.path.stat().st_size
    if size > LARGEST:
        yield f"{size / 1e6:.1f} MB, at most {LARGEST / 1e6:.0f} MB"


def _links(page: Built) -> Iterator[str]:
    for tag in page.tree.find_all(attrs={"href": True}) + page.tree.find_all(attrs={"src": True}):
        address = tag.get("href") or tag.get("src")
        if loads.is_foreign(address) or urlsplit(address).scheme or address == "#":
            continue
        file, anchor = _target(page, address)
        if not file.is_file():
            yield f"{address} leads to no file"
        elif anchor and file.suffix == ".html" and anchor not in page.site.anchors(file):
            yield f"{address} leads to no anchor"


def _target(page: Built, address: str) -> tuple[Path, str]:
    parts = urlsplit(address)
    file = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
    return (file / "index.html" if file.is_dir() else file), unquote(parts.fragment)


def _figures(page: Built) -> Iterator[str]:
    for figure in page.tree.find_all("figure"):
        name = figure.get("id") or "a figure without a name"
        caption = figure.select_one("figcaption .caption-text, figcaption p")
        if caption is None or not caption.get_text(strip=True):
            yield f"{name} has no caption"
        for image in figure.find_all("img"):
            if not _says_something(image):
                yield f"{name} has no alt text"
        for frame in figure.find_all("iframe"):
            if not (frame.get("title") or "").strip():
                yield f"{name} has a frame without a title"


def _says_something(image: Tag) -> bool:
    """Whether an image has alt text of its own: where none is given Sphinx repeats the address."""
    alt = (image.get("alt") or "").strip()
    return bool(alt) and alt != image.get("src") and not alt.startswith("data:")


def _unnumbered(page: Built) -> Iterator[str]:
    for output in page.tree.select(".cell_output .text_html, .cell_output img"):
        if not output.find_parent("figure"):
            words = output.get_text(" ", strip=True) or output.get("alt", "")
            yield f"an output without number and caption, show it with figures.publish: {words[:60]}"


def _placeholders(page: Built) -> Iterator[str]:
    for tag in page.tree.select(".problematic, .system-message, code.xref.std-numref, code.xref.myst"):
        yield f"unresolved: {tag.get_text(' ', strip=True)[:80]}"
    for text in page.tree.find_all(string=PLACEHOLDER):
        if not text.find_parent(["script", "style", "code", "pre", "iframe"]):
            yield f"unresolved: {' '.join(text.split())[:80]}"


def _machine_paths(page: Built) -> Iterator[str]:
    yield from (f"shows {text}" for text in page.site.hidden if text in page.text)


RULES: dict[str, Callable[[Built], Iterator[str]]] = {
    "loads from another host": _foreign_loads,
    "too large": _size,
    "dead link": _links,
    "figure": _figures,
    "unnumbered": _unnumbered,
    "placeholder": _placeholders,
    "path of this machine": _machine_paths,
}
