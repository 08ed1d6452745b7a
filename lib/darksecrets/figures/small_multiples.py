"""Maps as vectors: all heads of one input side by side, one map large, and a number for each head.

Each function returns SVG text, light or dark, that needs nothing else: it goes on a page as it is, into a file, or
through `png` into a picture. Layers and heads are counted from 0 in arguments and from 1 in what a reader sees.
"""

import re
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

import numpy as np
import vl_convert
from numpy.typing import ArrayLike

from darksecrets.errors import InputError
from darksecrets.figures import drawing_sizes, views
from darksecrets.figures.charts import SCALES
from darksecrets.models.ablation import Head


@dataclass(frozen=True)
class Theme:
    """Colours of what is not data: the ground, and text and lines on it; `lift` is how much white marks need."""

    paper: str
    ink: str
    lift: float


THEMES = {"light": Theme("#ffffff", "#1a1a1a", 0.0), "dark": Theme("#121212", "#f0f0f0", 0.45)}
N_SHADES = 32  # of a small map; the eye tells no more apart in cells of two pixels
SIDE, GAP, LEFT = 40, 7, 48  # pixels: of a small map, between two, and for the names of layers
STEP = 18  # pixels of a cell of a large map
FONT, SMALL = 15, 13  # pixels
BOLD = 0.7 * FONT  # pixels of a bold letter, on average and in a wide typeface
TICKS = (0, 0.05, 0.2, 0.5, 1)  # of the legend of weights
PATTERN_COLOURS = dict(zip(SCALES["pattern"].domain, SCALES["pattern"].range, strict=True))
CELL = (36, 26)  # pixels of a cell with a number
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def all_maps(
    maps: ArrayLike,
    title: str = "",
    patterns: ArrayLike | None = None,
    disabled: Collection[Head] = (),
    chosen: Head | None = None,
    theme: str = "light",
) -> str:
    """Draw all heads of one input as small multiples: layers down, heads across, colours as in every map of the book.

    `maps` has shape (layer, head, query, key). `patterns` (layer, head) holds the pattern of each map, shown as a bar
    below it; `disabled` heads are crossed out, the `chosen` one is framed. Raises InputError as `views` does.
    """
    weights = views.checked(maps)
    n_layers, n_heads = weights.shape[:2]
    if weights.size > drawing_sizes.MAX_WEIGHTS:
        most = drawing_sizes.most_tokens(n_layers * n_heads)
        raise InputError(f"{weights.size:,} weights make too large a drawing: give at most {most} tokens of this model")
    page = _Page(LEFT + n_heads * (SIDE + GAP) + GAP, theme, title)
    page.headings(n_heads, SIDE, GAP)
    for layer in range(n_layers):
        page.text(LEFT - 10, SIDE / 2 + 5, str(layer + 1), "end")
        for head in range(n_heads):
            page.add(_small_map(weights[layer, head], _across(head), page.top, f"layer {layer + 1}, head {head + 1}"))
            if patterns is not None:
                page.box(_across(head), SIDE + 1, SIDE, 4, page.lifted(PATTERN_COLOURS[str(patterns[layer][head])]))
            if (layer, head) in disabled:
                page.cross(_across(head), 0, SIDE)
            if (layer, head) == chosen:
                page.frame(_across(head) - 2, -2, SIDE + 4, SIDE + (9 if patterns is not None else 4))
        page.row(SIDE + GAP)
    page.sideways(13, -n_layers * (SIDE + GAP) / 2, "layer")
    _weight_legend(page)
    if patterns is not None:
        _pattern_legend(page, [name for name in PATTERN_COLOURS if name in set(np.ravel(patterns).astype(str))])
    return page.svg()


def one_map(attention_map: ArrayLike, tokens: Sequence[str], title: str = "", theme: str = "light") -> str:
    """Draw one map (query, key) large, with its tokens; pointing at a cell tells its tokens and weight."""
    weights = views.checked(np.asarray(attention_map)[None, None], tokens=tokens)[0, 0]
    longest = max(map(len, tokens))
    room = 12 + 7 * longest  # pixels of a token's name, in letters of 12 pixels
    page = _Page(max(room + STEP * len(tokens) + 28, 340), theme, title)
    page.row(room + 8)
    page.text(room + STEP * len(tokens) / 2, -room - 4, "token attended to (key)", "middle", SMALL)
    for place, token in enumerate(tokens):
        page.sideways(room + STEP * (place + 0.5) + 4, -5, token, "start", 12)
    colours = views.colours(weights)
    for query, (row, shades) in enumerate(zip(weights, colours, strict=True)):
        page.text(room - 5, STEP - 5, tokens[query], "end", 12)
        for key, (weight, colour) in enumerate(zip(row, shades, strict=True)):
            told = f"{tokens[query]} → {tokens[key]}: {weight:.3f}"
            page.box(room + STEP * key, 0, STEP, STEP, colour, told)
        page.row(STEP)
    page.text(room, SMALL + 4, "down: token attending (query)", size=SMALL)
    page.row(SMALL + 8)
    _weight_legend(page, room)
    return page.svg()


def similarities(values: ArrayLike, title: str = "", chosen: Head | None = None, theme: str = "light") -> str:
    """Write each head's similarity, `values` (layer, head) from 0 to 1, on the colour that the book has for it.

    The `chosen` head's is underlined.
    """
    values = np.asarray(values, dtype=np.float64)
    scale = SCALES["similarity"].to_dict()
    colours = views.palette(scale["scheme"])[np.rint(255 * np.clip(values, 0, 1) ** scale["exponent"]).astype(int)]
    wide, high = CELL
    page = _Page(LEFT + values.shape[1] * wide + GAP, theme, title)
    page.headings(values.shape[1], wide)
    for layer, row in enumerate(values):
        page.text(LEFT - 10, high - 8, str(layer + 1), "end")
        for head, value in enumerate(row):
            colour = str(colours[layer, head])
            page.box(LEFT + wide * head, 0, wide, high, colour)
            ink = "#ffffff" if _luminance(colour) < 0.18 else "#000000"
            page.text(LEFT + wide * (head + 0.5), high - 8, f"{value:.2f}", "middle", 12, ink)
            if (layer, head) == chosen:
                page.box(LEFT + wide * head + 4, high - 5, wide - 8, 2.5, ink)
        page.row(high)
    page.sideways(13, -len(values) * high / 2, "layer")
    return page.svg()


def png(svg: str, scale: float = 2) -> bytes:
    """Draw SVG text as the content of a PNG file, `scale` pixels for each of its own."""
    return vl_convert.svg_to_png(svg, scale=scale)


class _Page:
    """An SVG that grows downwards: `top` is where the current row begins, and places are relative to it."""

    def __init__(self, width: float, theme: str, title: str) -> None:
        if theme not in THEMES:
            raise InputError(f"theme {theme!r} is unknown; accepted are {' and '.join(THEMES)}")
        self.theme, self.width, self.title = THEMES[theme], width, title
        self.parts: list[str] = []
        self.top = 8.0
        for line in textwrap.wrap(title, int((width - 16) / BOLD)):
            self.row(FONT + 4)
            self.add(f'<text x="8" y="{self.top:g}" font-weight="bold">{_text(line)}</text>')
        self.row(FONT + 10 if title else FONT)

    def row(self, height: float) -> None:
        self.top += height

    def add(self, part: str) -> None:
        self.parts.append(part)

    def text(self, x: float, y: float, text: str, anchor: str = "start", size: int = FONT, ink: str = "") -> None:
        more = (f' font-size="{size}"' if size != FONT else "") + (f' fill="{ink}"' if ink else "")
        self.add(f'<text x="{x:g}" y="{self.top + y:g}" text-anchor="{anchor}"{more}>{_text(text)}</text>')

    def headings(self, n_heads: int, wide: float, gap: float = 0) -> None:
        """Number the columns of a grid, a head each: `wide` pixels and a gap."""
        self.row(FONT + 8)
        self.text(LEFT + n_heads * (wide + gap) / 2, -10 - FONT, "head", "middle")
        for head in range(n_heads):
            self.text(LEFT + head * (wide + gap) + wide / 2, -8, str(head + 1), "middle")

    def sideways(self, x: float, y: float, text: str, anchor: str = "middle", size: int = FONT) -> None:
        place = f'transform="translate({x:g} {self.top + y:g}) rotate(-90)"'
        self.add(f'<text {place} text-anchor="{anchor}" font-size="{size}">{_text(text)}</text>')

    def box(self, x: float, y: float, width: float, height: float, colour: str, told: str = "") -> None:
        place = f'x="{x:g}" y="{self.top + y:g}" width="{width:g}" height="{height:g}" fill="{colour}"'
        self.add(f"<rect {place}><title>{_text(told)}</title></rect>" if told else f"<rect {place}/>")

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        place = f'x="{x:g}" y="{self.top + y:g}" width="{width:g}" height="{height:g}"'
        self.add(f'<rect {place} fill="none" stroke="{self.theme.ink}" stroke-width="2.5"/>')

    def cross(self, x: float, y: float, side: float) -> None:
        corners = f"M{x:g} {self.top + y:g}l{side:g} {side:g}m0 {-side:g}l{-side:g} {side:g}"
        for colour, width in (("#ffffff", 3), ("#000000", 1.2)):
            smooth = 'shape-rendering="auto"'
            self.add(f'<path d="{corners}" stroke="{colour}" stroke-width="{width}" {smooth}/>')

    def lifted(self, colour: str) -> str:
        """Mix a colour with as much white as it needs to be seen on this paper."""
        mixed = (round(part + (255 - part) * self.theme.lift) for part in _parts(colour))
        return "#" + "".join(f"{part:02x}" for part in mixed)

    def svg(self) -> str:
        height = self.top + 8
        size = f'width="{self.width:g}" height="{height:g}" viewBox="0 0 {self.width:g} {height:g}"'
        look = f'font-family="sans-serif" font-size="{FONT}" fill="{self.theme.ink}" shape-rendering="crispEdges"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {look}><title>{_text(self.title)}</title>'
            f'<rect width="100%" height="100%" fill="{self.theme.paper}"/>\n' + "\n".join(self.parts) + "\n</svg>\n"
        )


def _across(head: int) -> float:
    return LEFT + head * (SIDE + GAP)


def _small_map(weights: np.ndarray, x: float, y: float, told: str) -> str:
    """Draw a map as lines, one for each stretch of a row that has one shade; the commonest shade is the ground."""
    n_tokens = len(weights)
    shades = np.rint(views.brightness(weights) * (N_SHADES - 1)).astype(int)
    begins = np.ones_like(shades, dtype=bool)
    begins[:, 1:] = shades[:, 1:] != shades[:, :-1]
    rows, starts = np.nonzero(begins)
    lengths = np.diff(np.append(rows * n_tokens + starts, n_tokens**2))  # a stretch ends where the next one begins
    of_stretch = shades[rows, starts]
    ground = int(np.bincount(shades.ravel()).argmax())
    lines: dict[int, list[str]] = {}
    for shade, row, start, length in zip(*(part.tolist() for part in (of_stretch, rows, starts, lengths)), strict=True):
        if shade != ground:
            lines.setdefault(shade, []).append(f"M{start} {row}h{length}")
    palette = _shade_colours()
    drawn = "".join(f'<path stroke="{palette[shade]}" d="{"".join(d)}"/>' for shade, d in sorted(lines.items()))
    scale = SIDE / n_tokens
    return (
        f'<g transform="translate({x:g} {y:g}) scale({scale:.5g})" stroke-width="1.04">'
        f'<title>{_text(told)}</title><rect width="{n_tokens}" height="{n_tokens}" fill="{palette[ground]}"/>'
        f'<g transform="translate(0 .5)">{drawn}</g></g>'
    )


@cache
def _shade_colours() -> list[str]:
    return views.palette()[np.rint(np.linspace(0, 255, N_SHADES)).astype(int)].tolist()


def _weight_legend(page: _Page, left: float = LEFT) -> None:
    """A bar of all colours of a weight, with its ticks; as with colours, places follow the square root."""
    length, colours = 220, _shade_colours()
    page.row(6)
    page.text(left, SMALL, "attention weight", size=SMALL)
    for place, colour in enumerate(colours):
        page.box(left + place * length / len(colours), SMALL + 6, length / len(colours) + 0.3, 10, colour)
    for tick in TICKS:
        page.text(left + length * views.brightness(tick), 2 * SMALL + 18, f"{tick:g}", "middle", SMALL)
    page.row(2 * SMALL + 24)


def _pattern_legend(page: _Page, names: Sequence[str]) -> None:
    left = float(LEFT)
    for name in names:
        wide = 28 + 7.5 * len(name)
        if left + wide > page.width:
            left = LEFT
            page.row(SMALL + 8)
        page.box(left, 4, 12, 6, page.lifted(PATTERN_COLOURS[name]))
        page.text(left + 17, SMALL + 1, name, size=SMALL)
        left += wide
    page.row(SMALL + 8)


def _parts(colour: str) -> tuple[int, int, int]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def _luminance(colour: str) -> float:
    """Relative luminance of a colour, from 0 to 1, as WCAG defines it."""
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in _parts(colour)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def _text(text: str) -> str:
    return escape(NOT_XML.sub("\ufffd", text))
