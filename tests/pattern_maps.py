"""Attention maps, made up: of inputs of any form, at random or of an obvious pattern, and a classifier for them."""

import numpy as np
import torch
from hypothesis import strategies as st

from darksecrets.corpora.annotated_maps import AttentionMap
from darksecrets.models import pattern_classifier
from darksecrets.models.pattern_classifier import PatternClassifier

SEEDS = st.integers(0, 10_000)


@st.composite
def layouts(draw, longest=250):
    """Numbers of tokens and places of [SEP]: one or two sentences of up to `longest` tokens, [SEP] once, twice as
    RoBERTa has it between sentences, or nowhere.
    """
    sentences = draw(st.lists(st.integers(0, longest), min_size=1, max_size=2))
    n_between = draw(st.sampled_from([0, 1, 2]))
    n_tokens, places = 1, []
    for number, n_ordinary in enumerate(sentences):
        n_tokens += n_ordinary
        n_separators = min(n_between, 1) if number == len(sentences) - 1 else n_between
        places += range(n_tokens, n_tokens + n_separators)
        n_tokens += n_separators
    return n_tokens, tuple(places)


def random_map(n_tokens, sep_positions, seed=0):
    """A map whose rows are drawn at random, some of them even and some sharp."""
    random = np.random.default_rng(seed)
    weights = random.random((n_tokens, n_tokens)) ** random.choice([0.5, 2, 20], (n_tokens, 1)) + 1e-6
    return AttentionMap((weights / weights.sum(-1, keepdims=True)).astype(np.float32), sep_positions)


def obvious_map(pattern, n_tokens, sep_positions, seed=0):
    """A Vertical map (most weight on a separator) or a Diagonal one (on the token before, or itself), with noise."""
    random = np.random.default_rng(seed)
    weights = random.random((n_tokens, n_tokens)) / n_tokens
    if pattern == "Vertical":
        weights[:, random.choice(sep_positions)] += 3
    else:
        weights[np.arange(n_tokens), np.maximum(np.arange(n_tokens) - random.integers(2), 0)] += 3
    return AttentionMap((weights / weights.sum(-1, keepdims=True)).astype(np.float32), sep_positions)


def obvious_maps(n_maps, seed=0):
    """Maps of pairs, Vertical and Diagonal in turn, and their patterns."""
    random = np.random.default_rng(seed)
    patterns = [("Vertical", "Diagonal")[number % 2] for number in range(n_maps)]
    maps = []
    for number, pattern in enumerate(patterns):
        first, second = (int(length) for length in random.integers(6, 20, size=2))
        seps = (first + 1, first + second + 2)
        maps.append(obvious_map(pattern, seps[-1] + 1, seps, seed * 1000 + number))
    return maps, patterns


def normalized_classifier(seed=0):
    """An untrained classifier whose normalization has seen some maps, so that it gives different patterns."""
    shown = torch.stack([pattern_classifier.picture(random_map(9 + n, (4, 8 + n), n)) for n in range(24)])
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        classifier = PatternClassifier(normalized=True)
        for layer in classifier.convolutions[1::3]:
            layer.momentum = None  # the average of all that it saw
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.uniform_(-0.5, 0.5)
        for part in shown.split(8):
            classifier(part)
        classifier.eval()
        classifier.output.bias -= classifier(shown).mean(0)  # no pattern is the favourite
    return classifier
