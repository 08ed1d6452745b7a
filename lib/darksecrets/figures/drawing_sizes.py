"""How much of one input a drawing of attention maps holds: in JupyterLab, and on a page of the book.

Such a page says so by DARKSECRETS_HEADLESS in its environment. It has several drawings of an input, and at most 3 MB.
"""

import math
import os

MAX_TOKENS = 64
MAX_WEIGHTS = 300_000  # weights of one drawing or BertViz page: about 2 MB as text
SHARE_OF_MAPS, SHARE_OF_LAYERS = 1 / 4, 1 / 3  # of that, on a page of the book: all maps drawn, and BertViz's layers


def most_tokens(n_maps: int) -> int:
    """Return the most tokens with which `n_maps` maps of one input can be drawn side by side."""
    return min(MAX_TOKENS, math.isqrt(_most_weights(SHARE_OF_MAPS) // n_maps))


def layers_that_fit(
    n_layers: int, n_heads: int, n_tokens: int, around: int = 0, sentence_b_start: int | None = None
) -> list[int]:
    """Return as many neighbouring layers as one BertViz page may hold, the layer `around` among them; all from 0."""
    of_layer = copies(sentence_b_start) * n_heads * n_tokens**2
    n_fitting = min(n_layers, max(1, _most_weights(SHARE_OF_LAYERS) // of_layer))
    first = min(max(around - n_fitting // 2, 0), n_layers - n_fitting)
    return list(range(first, first + n_fitting))


def copies(sentence_b_start: int | None) -> int:
    """How often BertViz writes each weight: those between and within two sentences once more."""
    return 1 if sentence_b_start is None else 2


def _most_weights(share: float) -> int:
    return int(MAX_WEIGHTS * (share if os.environ.get("DARKSECRETS_HEADLESS") else 1))
