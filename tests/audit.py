"""What a built book must keep: it loads nothing from other hosts, links lead somewhere, figures explain themselves.

`python -m tests.audit [DIRECTORY]` lists what is wrong with the pages in `_build/html`, or in DIRECTORY. Ordinary
hyperlinks to other hosts are fine; they load nothing until a person follows them.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from darksecrets.book import build, contents
from tests.conftest import ROOT

LARGEST = 3_000_000  # bytes of one page
PLACEHOLDER = re.compile(r"\{(?:glue|numref|ref|doc|cite|eq)(?::\w+)?\}`")
FOREIGN = re.compile(r"\s*(?:(?:https?|ftp|wss?):)?//", re.IGNORECASE)
# Elements that load, by the attributes that say what. `link` loads or not according to its `rel`.
LOADING = dict.fromkeys(("script", "iframe", "frame", "embed", "audio", "track", "input"), ("src",))
LOADING |= dict.fromkeys(("img", "source"), ("src", "srcset")) | dict.fromkeys(("image", "use"), ("href", "xlink:href"))
LOADING |= {"video": ("src", "poster"), "object": ("data",), "base": ("href",), "body": ("background",)}
LOADING_LINKS = {"dns-prefetch", "modulepreload", "preconnect", "prefetch", "preload"}
LOADING_LINKS |= {"apple-touch-icon", "icon", "manifest", "mask-icon", "stylesheet"}
SCRIPT_TYPES = ("", "module", "text/javascript", "application/javascript")
STYLE_LOAD = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s;]+)""", re.IGNORECASE)
# In a library's file an address may stand in a comment or a link; these are the forms that fetch.
SCRIPT_LOAD = re.compile(
    r"""(?:\bimport\s*\(?\s*|\bfrom\s*|\bimportScripts\(\s*|\bfetch\(\s*|\.src\s*=\s*)["'`]((?:https?:)?//[^"'`\s]+)""",
    re.IGNORECASE,
)
# In a script of the page itself no address of another host has any business, except the names of XML vocabularies.
ADDRESS = re.compile(r"""["'`]((?:https?:)?//(?!www\.w3\.org/)[\w-]+(?:\.[\w-]+)+[^"'`\s]*)["'`]""", re.IGNORECASE)


class Finding(NamedTuple):
    """One thing that is wrong with one page."""

    page: str
    rule: str
    what: str


class Site:
    """All pages under a directory and the files that they share, each read once; and strings that none may show."""

    def __init__(self, html: Path, hidden: Iterable[str]) -> None:
        self.html, self.hidden = html.resolve(), [text for text in hidden if text.count("/") > 1]
        self.tree, self.anchors, self.fetched = cache(self._tree), cache(self._anchors), cache(self._fetched)

    def _tree(self, path: Path) -> BeautifulSoup:
        return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")

    def _anchors(self, path: Path) -> set[str]:
        """Return what a link to a place in a page can name."""
        return {tag[name] for name in ("id", "name") for tag in self.tree(path).find_all(attrs={name: True})}

    def _fetched(self, path: Path, read: Callable[[str], Iterator[str]]) -> list[str]:
        """Return what a script or a style sheet loads from elsewhere; `read` finds it in a text."""
        return [f"{what} (in {path.relative_to(self.html)})" for what in read(path.read_text(encoding="utf-8"))]


def html_pages(html: Path) -> list[str]:
    """Return the built pages under `html` as relative addresses, without the theme's own and the redirecting index."""
    found = sorted(path.relative_to(html).as_posix() for path in html.rglob("*.html"))
    return [page for page in found if not page.startswith("_static/") and page != "index.html"]


def audit(html: Path, names: Iterable[str] = (), hidden: Iterable[str] = ()) -> list[Finding]:
    """Check every page under `html`; `names` are the pages that must be there, `hidden` strings that no page may show.

    Returns all findings at once, sorted by page; an empty list where there is nothing to say.
    """
    site = Site(html, hidden)
    absent = [f"{name}.html" for name in names if not (html / f"{name}.html").is_file()]
    findings = {Finding(page, "missing page", "listed in the contents") for page in absent}
    for page in html_pages(html):
        findings |= {
            Finding(page, rule, what) for rule, check in RULES.items() for what in check(site, site.html / page)
        }
    return sorted(findings)


def of_book(root: Path, html: Path | None = None) -> list[Finding]:
    """Check the built book of the repository at `root`, or its pages in `html`."""
    return audit(html or root / build.HTML, contents.names(root), hidden=(str(root.resolve()), sys.prefix))


def foreign_loads(site: Site, page: Path) -> Iterator[str]:
    """Yield what a browser fetches from other hosts by opening a page, in the scripts and styles it names as well."""
    yield from loads(site.tree(page))
    for tag in site.tree(page).select("script[src], link[rel~=stylesheet][href]"):
        file = _target(page, tag.get("src") or tag.get("href"))[0]
        if file.is_file():
            yield from site.fetched(file, _of_script if tag.name == "script" else _of_style)


def loads(tree: BeautifulSoup) -> Iterator[str]:
    """Yield what a page itself loads from other hosts, documents inside its frames included."""
    for tag in tree.find_all(True):
        yield from _of_attributes(tag)
        yield from _of_style(str(tag.get("style", "")))
        if tag.name == "style":
            yield from _of_style(tag.get_text())
        elif tag.name == "script" and not tag.has_attr("src"):
            yield from _of_inline_script(tag.get_text(), str(tag.get("type", "")))
        elif tag.name == "iframe" and tag.has_attr("srcdoc"):
            yield from (f"{what} (in a frame)" for what in loads(BeautifulSoup(tag["srcdoc"], "html.parser")))


def _of_attributes(tag: Tag) -> Iterator[str]:
    names = LOADING.get(tag.name, ())
    if tag.name == "link" and LOADING_LINKS & {word.lower() for word in tag.get("rel", [])}:
        names = ("href",)
    for name in names:
        value = str(tag.get(name, ""))
        addresses = value.split(",") if name == "srcset" else [value]
        yield from (f"{tag.name} {address.strip()[:120]}" for address in addresses if FOREIGN.match(address))
    if tag.name == "meta" and str(tag.get("http-equiv", "")).lower() == "refresh" and "//" in tag.get("content", ""):
        yield f"meta refresh {tag['content']}"


def _of_style(text: str) -> Iterator[str]:
    yield from (f"style {address}" for address in STYLE_LOAD.findall(text))


def _of_script(text: str) -> Iterator[str]:
    """Yield what a script file plainly fetches from other hosts; the browser tests watch the rest."""
    yield from (f"script fetches {address}" for address in SCRIPT_LOAD.findall(text))


def _of_inline_script(text: str, kind: str) -> Iterator[str]:
    """Yield the addresses that a script of the page names, or from which a chart would load data or pictures."""
    if "json" not in kind:
        named = ADDRESS.findall(text) if kind in SCRIPT_TYPES else []
        yield from (f"inline script names {address[:120]}" for address in named)
        return
    urls = []
    try:  # the hook sees every object of the chart, however deep
        json.loads(text, object_hook=lambda node: urls.append(node.get("url")))
    except ValueError:
        yield f"JSON that cannot be read: {text[:60]}"
    yield from (f"chart {url[:120]}" for url in urls if isinstance(url, str) and FOREIGN.match(url))


def _size(site: Site, page: Path) -> Iterator[str]:
    size = page.stat().st_size
    if size > LARGEST:
        yield f"{size / 1e6:.1f} MB, at most {LARGEST / 1e6:.0f} MB"


def _links(site: Site, page: Path) -> Iterator[str]:
    for tag in site.tree(page).select("[href], [src]"):
        address = tag.get("href") or tag.get("src") or ""
        if FOREIGN.match(address) or urlsplit(address).scheme or address == "#":
            continue
        file, anchor = _target(page, address)
        if not file.is_file():
            yield f"{address} leads to no file"
        elif anchor and file.suffix == ".html" and anchor not in site.anchors(file):
            yield f"{address} leads to no anchor"


def _target(page: Path, address: str) -> tuple[Path, str]:
    parts = urlsplit(address)
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    return (file / "index.html" if file.is_dir() else file), unquote(parts.fragment)


def _figures(site: Site, page: Path) -> Iterator[str]:
    for figure in site.tree(page).find_all("figure"):
        name = figure.get("id") or "a figure without a name"
        caption = figure.select_one("figcaption .caption-text, figcaption p")
        if caption is None or not caption.get_text(strip=True):
            yield f"{name} has no caption"
        # Where no alt text is given Sphinx repeats the address.
        texts = [((image.get("alt") or "").strip(), image.get("src")) for image in figure.find_all("img")]
        yield from (f"{name} has no alt text" for alt, src in texts if not alt or alt == src or alt.startswith("data:"))
        titles = [frame.get("title") or "" for frame in figure.find_all("iframe")]
        yield from (f"{name} has a frame without a title" for title in titles if not title.strip())


def _unnumbered(site: Site, page: Path) -> Iterator[str]:
    for output in site.tree(page).select(".cell_output .text_html, .cell_output img"):
        if not output.find_parent("figure"):
            words = output.get_text(" ", strip=True) or output.get("alt", "")
            yield f"an output without number and caption, show it with figures.publish: {words[:60]}"


def _placeholders(site: Site, page: Path) -> Iterator[str]:
    tree = site.tree(page)
    left = tree.select(".problematic, .system-message, code.xref.std-numref, code.xref.myst")
    yield from (f"unresolved: {tag.get_text(' ', strip=True)[:80]}" for tag in left)
    for text in tree.find_all(string=PLACEHOLDER):
        if not text.find_parent(["script", "style", "code", "pre", "iframe"]):
            yield f"unresolved: {' '.join(text.split())[:80]}"


def _machine_paths(site: Site, page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    yield from (f"shows {hidden}" for hidden in site.hidden if hidden in text)


RULES: dict[str, Callable[[Site, Path], Iterator[str]]] = {
    "loads from another host": foreign_loads,
    "too large": _size,
    "dead link": _links,
    "figure": _figures,
    "unnumbered": _unnumbered,
    "placeholder": _placeholders,
    "path of this machine": _machine_paths,
}


def main(words: Sequence[str]) -> str | int:
    """Print what is wrong with the book; return the exit code, or the one line that says that there is no book."""
    html = Path(*words[:1]) if words else ROOT / build.HTML
    if not html.is_dir():
        return f"error: there is no book in {html}; build it with `make book`, or name its directory"
    findings = of_book(ROOT, html)
    for finding in findings:
        print(": ".join(finding), file=sys.stderr)
    print(f"{len(html_pages(html))} pages, {f'faults: {len(findings)}' if findings else 'no faults'}")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
