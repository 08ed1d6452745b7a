"""Train the pattern classifier on annotated maps, in the open: `make patterns` repeats it."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from darksecrets.corpora.annotated_maps import PATTERNS, AttentionMap
from darksecrets.files import replace
from darksecrets.models import pattern_classifier
from darksecrets.models.pattern_classifier import PatternClassifier

EPOCHS = 40
BATCH_SIZE = 32
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 0.3
LABEL_SMOOTHING = 0.1
RARITY_POWER = 0.2  # a pattern weighs by its rarity to this power
MOST_DROPPED = 0.4  # of a sentence's tokens, in one variant of a map
LENGTHS = (20, 64)  # tokens that each variant is also brought to, at least and at most
CONSISTENCY = 6.0  # weight of the difference between a variant's probabilities and those of the rescaled one
SMALLEST = 1e-7  # added to weights: float16 turns smaller ones into 0
COMPOSED = {"Vertical+Diagonal": 0.06, "Heterogeneous": 0.2}  # share of the variants that become another pattern


def fit(
    maps: Sequence[AttentionMap], patterns: Sequence[str], seed: int = 0, epochs: int = EPOCHS
) -> PatternClassifier:
    """Return a classifier trained on `maps` and their `patterns`.

    Every epoch shows each map in another variant (`varied`), some of them recomposed into a rare pattern
    (`recomposed`). The same maps and seed give the same classifier on the same machine.
    """
    random, patterns = np.random.default_rng(seed), list(patterns)
    rarity = [len(patterns) / max(1, patterns.count(pattern)) for pattern in PATTERNS]
    loss = nn.CrossEntropyLoss(torch.tensor(rarity) ** RARITY_POWER, label_smoothing=LABEL_SMOOTHING)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        classifier = PatternClassifier(normalized=True)
    optimizer = torch.optim.AdamW(classifier.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    n_batches = -(-len(maps) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * n_batches)
    for _ in range(epochs):
        for rows in np.array_split(random.permutation(len(maps)), n_batches):
            shown, wanted = _batch([maps[row] for row in rows], [patterns[row] for row in rows], random)
            scores = classifier(shown.flatten(0, 1)).unflatten(0, (2, -1))  # (own length or another, map, pattern)
            one, other = scores.softmax(-1)
            inconsistency = (one - other).square().sum(1).mean()
            optimizer.zero_grad()
            (loss(scores[0], wanted) + loss(scores[1], wanted) + CONSISTENCY * inconsistency).backward()
            optimizer.step()
            schedule.step()
    return classifier.plain()


def save(classifier: PatternClassifier, path: Path = pattern_classifier.WEIGHTS) -> None:
    """Write a classifier's weights as safetensors; they load into the architecture of this version only."""
    weights = {name: values.contiguous() for name, values in classifier.state_dict().items()}
    replace(path, lambda half: save_file(weights, half))
    path.chmod(0o644)  # others may read it too


def varied(attention_map: AttentionMap, random: np.random.Generator) -> AttentionMap:
    """Return a variant of a map that an annotator would give the same label.

    A stretch of tokens is left out of each sentence, with its rows and columns, and differences between weights are
    made a little stronger or weaker.
    """
    special = {0, *attention_map.sep_positions}
    kept = np.ones(attention_map.n_tokens, dtype=bool)
    for begin, end in itertools.pairwise(sorted({*special, attention_map.n_tokens})):
        n_dropped = int(random.uniform(0, MOST_DROPPED) * (end - begin - 1))
        first = begin + 1 + random.integers(0, end - begin - n_dropped)
        kept[first : first + n_dropped] = False
    weights = (attention_map.weights[np.ix_(kept, kept)] + SMALLEST) ** random.uniform(0.8, 1.25)
    positions = tuple(int(kept[:place].sum()) for place in attention_map.sep_positions)
    return AttentionMap(_normalized(weights), positions)


def recomposed(attention_map: AttentionMap, pattern: str, random: np.random.Generator) -> tuple[AttentionMap, str]:
    """Turn a map into one of a rare pattern as the guideline defines it; return it with its pattern.

    Vertical+Diagonal without its marked columns is Diagonal. A Heterogeneous map of a pair whose attention hardly
    leaves a sentence is Block. Any other map is returned as it is.
    """
    weights, positions = attention_map.weights.copy(), attention_map.sep_positions
    if pattern == "Vertical+Diagonal":
        weights[:, [0, *positions]] *= random.uniform(0, 0.1)
        return AttentionMap(_normalized(weights), positions), "Diagonal"
    if pattern == "Heterogeneous" and len(positions) == 2:
        second = positions[0] + 1  # where the second sentence begins
        to_cls, between = weights[:, 0] * random.uniform(0.3, 1.5), random.uniform(0.02, 0.2)
        weights[:second, second:] *= between
        weights[second:, :second] *= between
        weights[:, 0] = to_cls
        return AttentionMap(_normalized(weights), positions), "Block"
    return attention_map, pattern


def _batch(
    maps: Sequence[AttentionMap], patterns: Sequence[str], random: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (2, map, channel, SIZE, SIZE) of a variant of each map, as it is and brought to another length, half of
    them in reverse order; and their classes (map).
    """
    shown, wanted = [], []
    for attention_map, pattern in zip(maps, patterns, strict=True):
        variant = varied(attention_map, random)
        if random.random() < COMPOSED.get(pattern, 0):
            variant, pattern = recomposed(variant, pattern, random)
        other = pattern_classifier.rescaled(variant, int(random.integers(*LENGTHS, endpoint=True)))
        shown.append(torch.stack([pattern_classifier.picture(variant), pattern_classifier.picture(other)]))
        wanted.append(PATTERNS.index(pattern))
    stacked, turned = torch.stack(shown, dim=1), torch.from_numpy(random.random(len(shown)) < 0.5)
    stacked[:, turned] = stacked[:, turned].flip(-1, -2)
    return stacked, torch.tensor(wanted)


def _normalized(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum(-1, keepdims=True)
