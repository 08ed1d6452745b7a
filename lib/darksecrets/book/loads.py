"""What a browser fetches from other hosts by opening a page: found in HTML, scripts, styles and charts."""

import json
import re
from collections.abc import Iterator
from typing import Any

from bs4 import BeautifulSoup, Tag

FOREIGN = re.compile(r"\s*(?:(?:https?|ftp|wss?):)?//", re.IGNORECASE)
# Elements that load, by the attribute that says what. `link` loads or not according to its `rel`.
LOADING = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "frame": ("src",),
    "embed": ("src",),
    "source": ("src", "srcset"),
    "audio": ("src",),
    "video": ("src", "poster"),
    "track": ("src",),
    "object": ("data",),
    "input": ("src",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
    "base": ("href",),
    "body": ("background",),
}
LOADING_LINKS = {
    "apple-touch-icon",
    "dns-prefetch",
    "icon",
    "manifest",
    "mask-icon",
    "modulepreload",
    "preconnect",
    "prefetch",
    "preload",
    "stylesheet",
}
SCRIPT_TYPES = ("", "module", "text/javascript", "application/javascript")
STYLE_LOAD = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s;]+)""", re.IGNORECASE)
# In a library's file an address may stand in a comment or a link; these are the forms that fetch.
SCRIPT_LOAD = re.compile(
    r"""(?:\bimport\s*\(?\s*|\bfrom\s*|\bimportScripts\(\s*|\bfetch\(\s*|\.src\s*=\s*)["'`]((?:https?:)?//[^"'`\s]+)""",
    re.IGNORECASE,
)
# In a script of the page itself no address of another host has any business, except the names of XML vocabularies.
ADDRESS = re.compile(r"""["'`]((?:https?:)?//(?!www\.w3\.org/)[\w-]+(?:\.[\w-]+)+[^"'`\s]*)["'`]""", re.IGNORECASE)


def is_foreign(address: str) -> bool:
    """Whether an address names a host."""
    return bool(FOREIGN.match(address))


def of_html(tree: BeautifulSoup) -> Iterator[str]:
    """Yield what a page loads from other hosts, documents inside its frames included."""
    for tag in tree.find_all(True):
        yield from _of_attributes(tag)
        if tag.has_attr("style"):
            yield from of_style(tag["style"])
        if tag.name == "style":
            yield from of_style(tag.get_text())
        elif tag.name == "script" and not tag.has_attr("src"):
            yield from _of_inline_script(tag)
        elif tag.name == "iframe" and tag.has_attr("srcdoc"):
            yield from (f"{what} (in a frame)" for what in of_html(BeautifulSoup(tag["srcdoc"], "html.parser")))


def of_style(text: str) -> Iterator[str]:
    """Yield what a style sheet loads from other hosts."""
    yield from (f"style {address}" for address in STYLE_LOAD.findall(text))


def of_script(text: str) -> Iterator[str]:
    """Yield what a script file plainly fetches from other hosts; the browser tests watch the rest."""
    yield from (f"script fetches {address}" for address in SCRIPT_LOAD.findall(text))


def _of_attributes(tag: Tag) -> Iterator[str]:
    names = LOADING.get(tag.name, ())
    if tag.name == "link" and LOADING_LINKS & {word.lower() for word in tag.get("rel", [])}:
        names = ("href",)
    for name in names:
        for address in str(tag.get(name, "")).split(",") if name == "srcset" else [str(tag.get(name, ""))]:
            if is_foreign(address):
                yield f"{tag.name} {address.strip()[:120]}"
    if (
        tag.name == "meta"
        and str(tag.get("http-equiv", "")).lower() == "refresh"
        and "//" in str(tag.get("content", ""))
    ):
        yield f"meta refresh {tag['content']}"


def _of_inline_script(tag: Tag) -> Iterator[str]:
    text = tag.get_text()
    if "json" in str(tag.get("type", "")):
        yield from _of_specification(text)
    elif str(tag.get("type", "")) in SCRIPT_TYPES:
        yield from (f"inline script names {address[:120]}" for address in ADDRESS.findall(text))


def _of_specification(text: str) -> Iterator[str]:
    """Yield the addresses from which a chart would load data or pictures."""
    try:
        open_nodes: list[Any] = [json.loads(text)]
    except ValueError:
        yield f"JSON that cannot be read: {text[:60]}"
        return
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, dict):
            open_nodes += node.values()
            if isinstance(node.get("url"), str) and is_foreign(node["url"]):
                yield f"chart {node['url'][:120]}"
        elif isinstance(node, list):
            open_nodes += node
