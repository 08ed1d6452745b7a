"""A small convolutional network that tells the pattern of an attention map (Section 4.1).

Eight convolutional layers with ReLU, as in the paper, over maps brought to a fixed size. It sees what an annotator
sees: the weights, and where [CLS] and [SEP] stand. Explained in the chapter *What patterns attention shows*.
"""

import itertools
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from darksecrets.corpora.annotated_maps import PATTERNS, AttentionMap

SIZE = 24  # a map is brought to SIZE x SIZE
CHANNELS = (
    "brightness",
    "strongest brightness",
    "share of the row's strongest",
    "strongest of its row",
    "[CLS] or [SEP]",
    "same sentence",
)
LAYERS = ((16, 2), (16, 1), (32, 1), (32, 2), (48, 1), (48, 2), (64, 1), (64, 1))  # (output channels, stride) of each
KEPT_LAYOUTS = 1024  # lengths and places of separators whose matrices are kept, so that memory has a bound
WEIGHTS = Path(__file__).parent / "pattern_classifier.safetensors"


class PatternClassifier(nn.Module):
    """Eight 3 x 3 convolutions with ReLU, an average over the places that are left, and one linear layer.

    While it is trained, each convolution is `normalized` over the batch; `plain` folds that into its weights.
    """

    def __init__(self, normalized: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_inputs = len(CHANNELS)
        with torch.random.fork_rng():  # loading a classifier leaves the caller's random numbers as they were
            for n_outputs, stride in LAYERS:
                layers.append(nn.Conv2d(n_inputs, n_outputs, 3, stride, padding=1))
                layers += [nn.BatchNorm2d(n_outputs), nn.ReLU()] if normalized else [nn.ReLU()]
                n_inputs = n_outputs
            self.output = nn.Linear(n_inputs, len(PATTERNS))
        self.convolutions = nn.Sequential(*layers).to(memory_format=torch.channels_last)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return scores (map, pattern), before softmax, of `pictures` (map, channel, SIZE, SIZE)."""
        features = self.convolutions(pictures.contiguous(memory_format=torch.channels_last))
        return self.output(features.mean((2, 3)))

    def plain(self) -> "PatternClassifier":
        """Return this normalized classifier as convolutions and ReLU only; it gives the same scores."""
        layers = list(self.eval().convolutions)
        folded = PatternClassifier()
        for place, (convolution, norm) in enumerate(zip(layers[::3], layers[1::3], strict=True)):
            folded.convolutions[2 * place] = fuse_conv_bn_eval(convolution, norm)
        folded.output = self.output
        return folded.eval()


def load(path: Path = WEIGHTS) -> PatternClassifier:
    """Load a trained classifier; by default the one that comes with the book."""
    classifier = PatternClassifier()
    classifier.load_state_dict(load_file(path))
    return classifier.eval()


def pictures(maps: torch.Tensor, sep_positions: Sequence[int]) -> torch.Tensor:
    """Bring several maps of one input to the fixed size: (map, query, key) -> (map, channel, SIZE, SIZE).

    `maps` must be without padding, which therefore cannot matter. A cell of the picture stands for an area of the map.
    Its channels hold: the average brightness there, which is the square root of a weight's share of the map's largest;
    the brightness that the strongest weights there decide; how close the weights come to their row's largest, and how
    many are it; and, the same for all maps of the input, whether a special token is there and which tokens share a
    sentence. High powers before averaging keep thin lines visible in long maps.
    """
    resize = resampling(maps.shape[-1], tuple(sep_positions), SIZE)
    strongest = maps.amax(-1, keepdim=True)  # (map, query, 1)
    of_map, of_row = maps / strongest.amax(-2, keepdim=True), maps / strongest
    values = torch.stack([of_map.sqrt(), of_map.square(), of_row.square(), (maps == strongest).float()], dim=1)
    values = resize @ values @ resize.T
    values[:, 1] = values[:, 1].clamp(min=0) ** 0.25
    values[:, 2] = values[:, 2].clamp(min=0).sqrt()
    marks = _marks(maps.shape[-1], tuple(sep_positions)).expand(len(maps), -1, -1, -1)
    return torch.cat([values, marks], dim=1)


def picture(attention_map: AttentionMap) -> torch.Tensor:
    """Bring one map to the fixed size: (channel, SIZE, SIZE)."""
    return pictures(torch.from_numpy(attention_map.weights)[None], attention_map.sep_positions)[0]


def probabilities(classifier: PatternClassifier, maps: Sequence[AttentionMap]) -> np.ndarray:
    """Return each map's probabilities (map, pattern), patterns in the order of `PATTERNS`."""
    with torch.inference_mode():
        return classifier(torch.stack([picture(one) for one in maps])).softmax(-1).numpy()


def rescaled(attention_map: AttentionMap, n_tokens: int) -> AttentionMap:
    """Stretch or shrink a map to another number of tokens by averaging over areas; its rows still sum to 1."""
    resize = resampling(attention_map.n_tokens, attention_map.sep_positions, n_tokens).numpy()
    weights = resize @ attention_map.weights @ resize.T
    places = [int(resize[:, position].argmax()) for position in attention_map.sep_positions]
    return AttentionMap(weights / weights.sum(-1, keepdims=True), tuple(places))


@lru_cache(maxsize=KEPT_LAYOUTS)
def resampling(n_tokens: int, sep_positions: tuple[int, ...], size: int) -> torch.Tensor:
    """Matrix (size, n_tokens) that brings a map's side to `size` places.

    [CLS] and every [SEP] keep a place of their own; the tokens between two of them share the rest in proportion to
    their number, and each of those places averages over the area it covers.
    """
    special = [0, *sep_positions]
    n_between = [end - begin - 1 for begin, end in itertools.pairwise([*special, n_tokens])]  # ordinary tokens
    if not any(n_between) or len(special) > size // 2:  # an empty text, or one full of separators
        return _averages(n_tokens, size)
    n_places = _shared_out(size - len(special), n_between)
    parts = []
    for at, n_before, n_after in zip(special, n_between, n_places, strict=True):
        part = torch.zeros(1 + n_after, n_tokens)
        part[0, at] = 1
        part[1:, at + 1 : at + 1 + n_before] = _averages(n_before, n_after)
        parts.append(part)
    return torch.cat(parts)


def _shared_out(n_places: int, n_tokens: Sequence[int]) -> list[int]:
    """Share places out among stretches of tokens in proportion to their number, at least one to each that has any."""
    ends = np.round(np.cumsum([0, *n_tokens]) / sum(n_tokens) * n_places).astype(int)
    places = np.diff(ends)
    for stretch in np.flatnonzero((places == 0) & (np.array(n_tokens) > 0)):
        places[places.argmax()] -= 1
        places[stretch] = 1
    return places.tolist()


def _averages(n_before: int, n_after: int) -> torch.Tensor:
    """Matrix (n_after, n_before) whose row i averages over the i-th of `n_after` equal parts of `n_before` tokens."""
    after = torch.arange(n_after, dtype=torch.float64)[:, None] / max(n_after, 1)  # where each part begins
    before = torch.arange(n_before, dtype=torch.float64) / max(n_before, 1)
    ends = torch.minimum(after + 1 / max(n_after, 1), before + 1 / max(n_before, 1))
    return ((ends - torch.maximum(after, before)).clamp(min=0) * n_after).float()


@lru_cache(maxsize=KEPT_LAYOUTS)
def _marks(n_tokens: int, sep_positions: tuple[int, ...]) -> torch.Tensor:
    """The channels that depend on the input alone: (channel, SIZE, SIZE)."""
    resize = resampling(n_tokens, sep_positions, SIZE)
    special = torch.zeros(n_tokens)
    special[[0, *sep_positions]] = 1
    sentence = torch.tensor([sum(place > end for end in sep_positions) for place in range(n_tokens)])
    together = resize @ (sentence[:, None] == sentence).float() @ resize.T
    return torch.stack([(resize @ special).expand(SIZE, SIZE), together])
