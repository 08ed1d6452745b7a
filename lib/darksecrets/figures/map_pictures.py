"""Pictures of attention maps as an annotator sees them: the weights, and where [CLS] and [SEP] stand; nothing else.

Explained in the appendix *How maps were annotated*.
"""

import re
from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from darksecrets.corpora.annotated_maps import attention_maps
from darksecrets.figures.views import ATTENTION_SCALE

SIDE = 250  # pixels of a map
SMALL_SIDE = 192  # three pixels for each of 64 tokens
MARGIN = 16  # pixels beside a map, for its marks
CLS_COLOUR, SEP_COLOUR = "#0072b2", "#d55e00"
BACKGROUND, TEXT = "#ffffff", "#1a1a1a"


def picture(attention_map: ArrayLike, sep_positions: Sequence[int], side: int = SIDE) -> Image.Image:
    """Draw one map (query down, key across) with a mark above and beside it at [CLS] (blue) and each [SEP] (orange).

    Colours follow the square root of a weight, as everywhere in the book, from 0 to the map's largest weight: a long
    map has small weights, and would be dark on a scale that goes to 1.
    """
    weights = np.asarray(attention_map, dtype=np.float64)
    shades = (weights / weights.max()) ** ATTENTION_SCALE["exponent"]
    pixels = (matplotlib.colormaps[ATTENTION_SCALE["scheme"]](shades)[..., :3] * 255).round().astype(np.uint8)
    image = Image.new("RGB", (side + MARGIN, side + MARGIN), BACKGROUND)
    image.paste(Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST), (MARGIN, MARGIN))
    marks, step = ImageDraw.Draw(image), side / len(weights)
    for position, colour in [(0, CLS_COLOUR), *((position, SEP_COLOUR) for position in sep_positions)]:
        low, high = MARGIN + position * step, MARGIN + max((position + 1) * step - 1, position * step + 2)
        marks.rectangle((low, MARGIN // 2, high, MARGIN - 3), fill=colour)
        marks.rectangle((MARGIN // 2, low, MARGIN - 3, high), fill=colour)
    return image


def contact_sheet(
    maps: Sequence[ArrayLike],
    sep_positions: Sequence[Sequence[int]],
    names: Sequence[str],
    n_columns: int = 4,
    side: int = SIDE,
    font_size: int = 18,
) -> Image.Image:
    """Draw maps side by side, each under its name, a row after the other; a long name is broken into lines."""
    gap, line_height, font = 14, font_size + 6, ImageFont.load_default(font_size)
    broken = [_broken(name, font, side) for name in names]
    caption = max((len(lines) for lines in broken), default=1) * line_height
    wide, high = side + MARGIN + gap, gap + caption + MARGIN + side
    sheet = Image.new("RGB", (n_columns * wide + gap, -(-len(maps) // n_columns) * high + gap), BACKGROUND)
    write = ImageDraw.Draw(sheet)
    for place, (weights, positions, lines) in enumerate(zip(maps, sep_positions, broken, strict=True)):
        left, top = gap + place % n_columns * wide, gap + place // n_columns * high + caption
        for row, line in enumerate(lines, start=-len(lines)):  # the last line stands on the map
            write.text((left + MARGIN, top + row * line_height), line, fill=TEXT, font=font)
        sheet.paste(picture(weights, positions, side), (left, top))
    return sheet


def sheet(table: pd.DataFrame, names: Sequence[str], columns: int = 3) -> Image.Image:
    """Draw the maps of `table` (rows of `annotated_maps.load` or `examples`) under their names, for a page of the book.

    A picture of three columns fits a column of text, and its names can be read on a phone, where it is half as wide.
    """
    maps = attention_maps(table)
    weights, positions = [one.weights for one in maps], [one.sep_positions for one in maps]
    return contact_sheet(weights, positions, names, columns, side=SMALL_SIDE, font_size=20)


def _broken(name: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break a name at its spaces, and after a plus, into lines no wider than `width` pixels."""
    lines = [""]
    for word in re.findall(r"[^\s+]+\+?\s*|\+\s*", name):
        if lines[-1] and font.getlength((lines[-1] + word).rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]
