"""Tables as those of Section 4.1, made up: labels of annotated maps, predictions for them, and classified maps."""

import itertools

import numpy as np
import pandas as pd

from darksecrets.corpora.annotated_maps import PATTERNS

BEFORE, AFTER = "pre-trained", "fine-tuned"


def labels_of(n_layers=4, n_heads=5, per_head=6, slips=0.2, seed=0):
    """Labels of maps whose head has a favourite pattern, by annotators who differ from the agreed one now and then."""
    random = np.random.default_rng(seed)
    keys = itertools.product(range(n_layers), range(n_heads), range(per_head))
    table = pd.DataFrame(keys, columns=["layer", "head", "example"]).assign(task="RTE")
    favourite = random.integers(5, size=(n_layers, n_heads))[table["layer"], table["head"]]
    agreed = np.where(random.random(len(table)) < 0.7, favourite, random.integers(5, size=len(table)))
    given = {"pattern": agreed}
    for annotator in ("first", "second"):
        given[annotator] = np.where(random.random(len(table)) < slips, random.integers(5, size=len(table)), agreed)
    table = table.assign(**{name: np.array(PATTERNS)[codes] for name, codes in given.items()})
    draws = np.where(random.random(len(table)) < 0.8, "main", "supplement")
    checkpoints = np.where(random.random(len(table)) < 0.7, AFTER, BEFORE)
    return table.assign(id=random.permutation(len(table)), draw=draws, checkpoint=checkpoints)


def predictions_of(labels, right, repeats=2, seed=0):
    """Predictions of each method in `right`, which says how often it is right; the others are any pattern's."""
    random = np.random.default_rng(seed)
    agreed = pd.Categorical(labels["pattern"], categories=PATTERNS).codes
    tables = []
    for (method, share), repeat in itertools.product(right.items(), range(repeats)):
        best = np.where(random.random(len(labels)) < share, agreed, random.integers(5, size=len(labels)))
        chances = random.random((len(labels), 5)) / 4
        chances[np.arange(len(labels)), best] += 1
        chances = pd.DataFrame(chances / chances.sum(1, keepdims=True), columns=list(PATTERNS))
        tables.append(chances.assign(method=method, repeat=repeat, id=labels["id"].to_numpy()))
    return pd.concat(tables).sample(frac=1, random_state=seed)


def classified_of(chances, n_examples=20, n_layers=3, n_heads=4, seeds=(0,), seed=0):
    """Classified maps: `chances` gives the patterns' probabilities for each (task, checkpoint)."""
    random = np.random.default_rng(seed)
    tables = []
    for (task, checkpoint), probabilities in chances.items():
        for seed in seeds if checkpoint == AFTER else seeds[:1]:
            keys = itertools.product([f"{row:04}" for row in range(n_examples)], range(n_layers), range(n_heads))
            table = pd.DataFrame(keys, columns=["example", "layer", "head"])
            seen = np.array(PATTERNS)[random.choice(5, len(table), p=probabilities)]
            tables.append(table.assign(task=task, seed=seed, checkpoint=checkpoint, pattern=seen, confidence=0.9))
    return pd.concat(tables, ignore_index=True)
