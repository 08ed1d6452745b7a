"""Views of attention maps (Section 3): one head as numbers, as a heat map and in BertViz, and all heads side by side.

Layers and heads are counted from 0 in arguments and from 1 in what a reader sees.
"""

import base64
import json
import os
from collections import Counter
from collections.abc import Sequence
from functools import cache

import altair
import bertviz
import matplotlib
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from numpy.typing import ArrayLike
from PIL import Image

from darksecrets.errors import InputError
from darksecrets.figures import drawing_sizes as sizes
from darksecrets.figures.drawing_sizes import MAX_TOKENS
from darksecrets.figures.offline_bertviz import HEAD_HINT, MODEL_HINT, offline
from darksecrets.figures.publish import LAB_MIME_TYPE, LAB_SCHEMA, png

MAX_DECIMALS = 4  # of a weight in a BertViz page

# Every attention weight in the book has this colour: viridis, even in lightness and safe for the colour-blind. Most
# weights are near 1/L, so colours follow the square root of the weight; on a linear scale they would look alike.
ATTENTION_SCALE = {"scheme": "viridis", "type": "pow", "exponent": 0.5, "domain": [0, 1]}
QUERY, KEY, WEIGHT = "token attending (query)", "token attended to (key)", "attention weight"
_LEGEND = altair.Legend(orient="top", gradientLength=160, values=[0, 0.05, 0.2, 0.5, 1], format=".2~f")


def one_head(maps: ArrayLike, layer: int, head: int) -> np.ndarray:
    """Take the map of one head, both counted from 1 as a reader does, out of `maps` (layer, head, query, key)."""
    weights = checked(maps, MAX_TOKENS)
    for what, place, count in (("layer", layer, weights.shape[0]), ("head", head, weights.shape[1])):
        if not 1 <= place <= count:
            raise InputError(f"{what} is {place}; this model has {what}s 1 to {count}")
    return weights[layer - 1, head - 1]


def share_to(maps: ArrayLike, tokens: Sequence[str], chosen: Sequence[str]) -> float:
    """Share of the attention in `maps` (..., query, key) that goes to the tokens named in `chosen`, from 0 to 1."""
    return float(np.asarray(maps)[..., [token in chosen for token in tokens]].sum(-1).mean())


def strongest_key(attention_map: ArrayLike, tokens: Sequence[str]) -> str:
    """Name the token to which the tokens of one map (query, key) attend most."""
    return tokens[int(np.asarray(attention_map).mean(0).argmax())]


def map_table(attention_map: ArrayLike, tokens: Sequence[str], decimals: int = 2) -> pd.DataFrame:
    """One head as numbers: a row per query, a column per key, the first column naming the query.

    `attention_map` has shape (query, key). A token that occurs more than once is named with its position, from 1.
    """
    weights, labels = _one_head(attention_map, tokens)
    table = pd.DataFrame(weights.round(decimals), columns=labels)
    table.insert(0, QUERY, labels, allow_duplicates=True)
    return table


def map_heatmap(attention_map: ArrayLike, tokens: Sequence[str], title: str) -> altair.Chart:
    """One head as a heat map: a row per query, a column per key; pointing at a cell tells tokens and weight."""
    weights, labels = _one_head(attention_map, tokens)
    queries, keys = np.indices(weights.shape)
    cells = pd.DataFrame(
        {
            "query": [labels[place] for place in queries.flat],
            "key": [labels[place] for place in keys.flat],
            "weight": weights.round(3).flat,
        }
    )
    step = altair.Step(float(np.clip(264 // len(labels), 10, 24)))  # 264 px and the labels fit a phone
    return (
        altair.Chart(cells, title=title, width=step, height=step)
        .mark_rect()
        .encode(
            x=altair.X("key:N", title=KEY, sort=None, axis=altair.Axis(labelAngle=-90, labelOverlap=False)),
            y=altair.Y("query:N", title=QUERY, sort=None, axis=altair.Axis(labelOverlap=False)),
            color=altair.Color("weight:Q", title=WEIGHT, scale=altair.Scale(**ATTENTION_SCALE), legend=_LEGEND),
            tooltip=[
                altair.Tooltip("query:N", title=QUERY),
                altair.Tooltip("key:N", title=KEY),
                altair.Tooltip("weight:Q", title=WEIGHT, format=".3f"),
            ],
        )
    )


def all_heads(maps: ArrayLike, title: str = "", size: int = 44) -> altair.LayerChart:
    """All heads of one input as small multiples: layers down, heads across, each map a picture of `size` pixels.

    `maps` has shape (layer, head, query, key). The maps are PNG pictures in the colours of `map_heatmap`, since one
    mark per weight would be 40,000 marks for 72 heads of 24 tokens.
    """
    weights = checked(maps, MAX_TOKENS)
    n_layers, n_heads = weights.shape[:2]
    layers, heads = np.indices((n_layers, n_heads)).reshape(2, -1)
    strongest = weights.max(axis=(2, 3)).round(3).ravel()
    rows = pd.DataFrame({"layer": layers + 1, "head": heads + 1, "strongest": strongest})
    pictures = json.dumps([_png(weights[place]) for place in zip(layers, heads, strict=True)])
    step = altair.Step(size)
    base = altair.Chart(rows, title=title, width=step, height=step).encode(
        x=altair.X("head:O", title="head", axis=altair.Axis(orient="top", labelAngle=0, domain=False, ticks=False)),
        y=altair.Y("layer:O", title="layer", axis=altair.Axis(domain=False, ticks=False)),
        tooltip=["layer", "head", altair.Tooltip("strongest:Q", title="strongest attention weight", format=".3f")],
    )
    # A rectangle under each picture carries the colour legend, which pictures do not have.
    frames = base.mark_rect(opacity=0).encode(
        color=altair.Color("strongest:Q", title=WEIGHT, scale=altair.Scale(**ATTENTION_SCALE), legend=_LEGEND)
    )
    images = (
        base.transform_calculate(
            picture=f"'data:image/png;base64,' + {pictures}[(datum.layer - 1) * {n_heads} + datum.head - 1]"
        )
        .mark_image(width=size - 4, height=size - 4, aspect=False)
        .encode(url="picture:N")
    )
    return altair.layer(frames, images)


def bertviz_head_view(
    maps: ArrayLike,
    tokens: Sequence[str],
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    sentence_b_start: int | None = None,
    max_tokens: int = MAX_TOKENS,
    decimals: int = 3,
    first_layer: int | None = None,
) -> str:
    """BertViz's head view of one input, as an HTML page that loads nothing: for the `srcdoc` of a frame.

    `maps` has shape (layer, head, query, key); `layers` are offered for choice (default all), `first_layer` is the one
    shown first, and `heads` are switched on at first (default all); `sentence_b_start` is the place of the second
    sentence's first token. The same input gives the same page. Raises InputError for shapes that do not fit and for
    what would make the page too large.
    """
    attention, chosen = _selection(maps, tokens, layers, max_tokens, sentence_b_start, decimals)
    page = bertviz.head_view(
        attention,
        list(tokens),
        sentence_b_start=sentence_b_start,
        heads=None if heads is None else _places("head", heads, attention[0].shape[1]),
        include_layers=chosen,
        layer=first_layer if first_layer in chosen else None,
        html_action="return",
    )
    return offline(page.data, "Attention of each head, drawn by BertViz", HEAD_HINT)


def bertviz_model_view(
    maps: ArrayLike,
    tokens: Sequence[str],
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    sentence_b_start: int | None = None,
    max_tokens: int = MAX_TOKENS,
    decimals: int = 3,
) -> str:
    """BertViz's model view of one input: all chosen layers and heads at a glance; otherwise as `bertviz_head_view`."""
    attention, chosen = _selection(maps, tokens, layers, max_tokens, sentence_b_start, decimals)
    n_heads = attention[0].shape[1]
    page = bertviz.model_view(
        attention,
        list(tokens),
        sentence_b_start=sentence_b_start,
        include_layers=chosen,
        include_heads=_places("head", range(n_heads) if heads is None else heads, n_heads),
        display_mode="light",
        html_action="return",
    )
    return offline(page.data, "Attention of all heads, drawn by BertViz", MODEL_HINT)


def head_view_height(n_tokens: int) -> int:
    """Height in pixels of a frame that shows `bertviz_head_view` whole, on phones too."""
    return int(np.ceil(22.5 * n_tokens)) + 210


def browse_heads(maps: ArrayLike, tokens: Sequence[str]) -> None:
    """Two sliders in JupyterLab that choose a layer and a head and redraw its heat map.

    Sliders need a running kernel, so nothing is shown when the environment says DARKSECRETS_HEADLESS, as the book's
    build does: widget state would load scripts from another host.
    """
    weights = checked(maps, MAX_TOKENS, tokens)
    if os.environ.get("DARKSECRETS_HEADLESS"):
        return
    import ipywidgets

    def draw(layer: int, head: int) -> None:
        chart = map_heatmap(weights[layer - 1, head - 1], tokens, f"Layer {layer}, head {head}")
        display({LAB_MIME_TYPE: chart.to_dict() | {"$schema": LAB_SCHEMA}}, raw=True)

    n_layers, n_heads = weights.shape[:2]
    ipywidgets.interact(draw, layer=ipywidgets.IntSlider(1, 1, n_layers), head=ipywidgets.IntSlider(1, 1, n_heads))


def checked(maps: ArrayLike, max_tokens: int = MAX_TOKENS, tokens: Sequence[str] | None = None) -> np.ndarray:
    """Maps as 64-bit floats (in 32 bits, 0.123 would be written with 17 digits), or InputError."""
    weights = np.asarray(maps, dtype=np.float64)
    if weights.ndim != 4 or weights.shape[2] != weights.shape[3] or not weights.size:
        raise InputError(f"maps of shape {weights.shape}: give one input's maps as (layer, head, query, key)")
    if tokens is not None and len(tokens) != weights.shape[3]:
        raise InputError(f"{len(tokens)} tokens for maps of {weights.shape[3]}: give the tokens these maps belong to")
    if weights.shape[3] > max_tokens:
        raise InputError(
            f"{weights.shape[3]} tokens are too many to draw, at most {max_tokens}: choose a shorter input"
        )
    if not np.isfinite(weights).all():
        raise InputError("maps contain values that are not finite numbers: attention weights lie between 0 and 1")
    return weights


def _one_head(attention_map: ArrayLike, tokens: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The weights of one head, and one label per token: the token, with its position where it occurs more than once."""
    weights = checked(np.asarray(attention_map)[None, None], MAX_TOKENS, tokens)[0, 0]
    counts = Counter(tokens)
    labels = [token if counts[token] == 1 else f"{token} ({place})" for place, token in enumerate(tokens, start=1)]
    return weights, labels


def brightness(weights: ArrayLike) -> np.ndarray:
    """How far along `palette` attention weights are, from 0 to 1."""
    return np.clip(weights, 0, 1) ** ATTENTION_SCALE["exponent"]


@cache
def palette(scheme: str = ATTENTION_SCALE["scheme"]) -> np.ndarray:
    """The 256 colours of a scheme from low to high, as #rrggbb; by default of an attention weight.

    The scheme has the same name in Vega and in matplotlib, where it is one of those that list their colours.
    """
    return np.array([matplotlib.colors.to_hex(colour) for colour in matplotlib.colormaps[scheme].colors])


def colours(weights: ArrayLike) -> np.ndarray:
    """The colour of each attention weight, as #rrggbb."""
    return palette()[np.rint(brightness(weights) * 255).astype(int)]


def _png(weights: np.ndarray, zoom: int = 4) -> str:
    """One map as a PNG in the colours of ATTENTION_SCALE, `zoom` pixels a weight so that browsers do not blur it."""
    shades = brightness(weights) * 255
    image = Image.fromarray(np.kron(shades.round().astype(np.uint8), np.ones((zoom, zoom), np.uint8)))
    image.putpalette(bytes.fromhex("".join(colour[1:] for colour in palette())))
    return base64.b64encode(png(image)).decode()


def _places(what: str, places: Sequence[int], count: int) -> list[int]:
    wrong = [place for place in places if not 0 <= place < count]
    if wrong or not len(places):
        raise InputError(f"{what}s {list(places)}: give at least one, counted from 0 to {count - 1}")
    return [int(place) for place in places]


def _selection(
    maps: ArrayLike,
    tokens: Sequence[str],
    layers: Sequence[int] | None,
    max_tokens: int,
    sentence_b_start: int | None,
    decimals: int,
) -> tuple[list[torch.Tensor], list[int]]:
    """Maps as BertViz wants them, one (1, head, query, key) per layer, rounded; and the chosen layers."""
    weights = checked(maps, max_tokens, tokens)
    chosen = _places("layer", range(len(weights)) if layers is None else layers, len(weights))
    if sentence_b_start is not None and not 0 < sentence_b_start < len(tokens):
        raise InputError(f"sentence_b_start is {sentence_b_start}: give a place from 1 to {len(tokens) - 1}")
    if not 1 <= decimals <= MAX_DECIMALS:
        raise InputError(f"decimals is {decimals}: give a number from 1 to {MAX_DECIMALS}")
    count, most = sizes.copies(sentence_b_start) * len(chosen) * weights[0].size, sizes.MAX_WEIGHTS
    if count > most:
        raise InputError(f"{count:,} weights make too large a page, at most {most:,}: choose fewer layers")
    return [torch.from_numpy(layer)[None] for layer in weights.round(decimals)], chosen
