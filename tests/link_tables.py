"""Tables as those of Sections 4.2 and 4.5, made up, with heads of which it is known what they follow."""

import itertools

import numpy as np
import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER, BEFORE

N_LAYERS, N_HEADS = 3, 4
RELATIONS = ("verb-subject", "pronoun-antecedent")
LINK_HEAD, NEIGHBOUR_HEAD, BOTH_HEAD = (1, 2), (0, 3), (2, 0)  # layer, head
WORD_HEAD, DISTANCE_HEAD = (1, 0), (2, 3)  # attend to the linked word whoever asks; to any words that far apart
LINK_WEIGHT, NEIGHBOUR_WEIGHT, NULL_WEIGHT = 0.3, 0.5, 0.1  # that they put on it
NOISE = 0.03  # the mean weight of anything else


def frames_of(n_sentences=60, special=None, n_layers=N_LAYERS, n_heads=N_HEADS, seed=0):
    """Frames of sentences with one or two pairs; `special` maps heads to the weight they add to the link itself.

    The word head and the distance head beat one null each: the one adds its weight to the link and to those in which
    other words attend, the other to the link wherever it is moved. The last sentence's pairs fit nowhere else.
    """
    random = np.random.default_rng(seed)
    special = {LINK_HEAD: LINK_WEIGHT} if special is None else special
    keys = []
    for sentence in range(n_sentences):
        frame = ("Motion", "Giving", "Perception")[sentence % 7 % 3]
        for pair in range(1 + (random.random() < 0.3)):
            lowest, highest = (0, 0) if sentence == n_sentences - 1 else (-random.integers(4), 1 + random.integers(3))
            distance = int(random.integers(2, 5))
            element = ("Agent", "Theme")[pair]
            kinds = [("moved" if shift else "link", shift) for shift in range(lowest, highest + 1)]
            kinds += [(kind, shift) for kind in ("other head", "other dependent") for shift in (-2, -1, 1, 2, 3)]
            keys += [(sentence, pair, *kind, frame, element, distance) for kind in kinds]
    columns = ["sentence", "pair", "kind", "shift", "frame", "element", "distance"]
    table = _with_heads(pd.DataFrame(keys, columns=columns), n_layers, n_heads)
    added = np.where(table["kind"] == "link", _of_heads(table, special), 0)
    added += np.where(table["kind"] == "moved", 0, _of_heads(table, {WORD_HEAD: NULL_WEIGHT}))
    added += np.where(table["kind"].isin(["link", "moved"]), _of_heads(table, {DISTANCE_HEAD: NULL_WEIGHT}), 0)
    weights = {name: _noise(random, table) + added for name in ("to_element", "to_target")}
    table = table.assign(**weights, either=np.maximum(*weights.values()))
    return table.astype(dict.fromkeys(("kind", "frame", "element"), "category"))


def tokens_of(frames, cut=()):
    """Frames by tokens, from a table of `frames_of`: a little and much less than between words; `cut` sentences have no
    released weight.
    """
    links = frames[frames["kind"] == "link"]
    weights = links.groupby(["sentence", "layer", "head"])["either"].mean().rename("either").reset_index()
    released = (weights["either"] / 2).where(~weights["sentence"].isin(cut))
    return weights.assign(token_pairs=0.9 * weights["either"], released=released).drop(columns="either")


def links_of(
    tasks=("RTE", "SST-2"),
    n_examples=30,
    special=None,
    seeds=(0,),
    n_layers=N_LAYERS,
    n_heads=N_HEADS,
    seed=0,
    without_null=0.1,
):
    """Links of task texts; `special` maps heads to the weight they add to a link, whatever the distance.

    The neighbour head adds its own to all words that are neighbours, linked or not. The word head and the distance head
    beat one null each. A share of links `without_null` fits nowhere else.
    """
    random = np.random.default_rng(seed)
    special = {LINK_HEAD: LINK_WEIGHT} if special is None else special
    tables = []
    for task, checkpoint, fine_tuning in _runs(tasks, seeds):
        keys = [
            (task, checkpoint, fine_tuning, f"{row:04}", link, RELATIONS[link % 2], distance, row % 3 > 0)
            for row in range(n_examples)
            for link, distance in enumerate(random.choice([1, 1, 1, 2, 3, 4, 6, 9], size=random.integers(1, 4)))
        ]
        columns = ["task", "checkpoint", "seed", "example", "link", "relation", "distance", "sure"]
        tables.append(_weighted(random, pd.DataFrame(keys, columns=columns), special, n_layers, n_heads, without_null))
    table = pd.concat(tables, ignore_index=True)
    return table.astype(dict.fromkeys(("task", "checkpoint", "example", "relation"), "category"))


def diagonal_of(tasks=("RTE", "SST-2"), n_examples=30, seeds=(0,), n_layers=N_LAYERS, n_heads=N_HEADS, seed=0):
    """Diagonal scores, in which the neighbour head and the one that follows both are the most diagonal ones."""
    random = np.random.default_rng(seed)
    keys = [(*run, f"{row:04}") for run in _runs(tasks, seeds) for row in range(n_examples)]
    table = _with_heads(pd.DataFrame(keys, columns=["task", "checkpoint", "seed", "example"]), n_layers, n_heads)
    added = _of_heads(table, {NEIGHBOUR_HEAD: NEIGHBOUR_WEIGHT, BOTH_HEAD: NEIGHBOUR_WEIGHT - 0.1})
    return table.assign(previous=_noise(random, table) + added, next=_noise(random, table))


def pocket_links_of(n_each=12, special=None, n_layers=N_LAYERS, n_heads=N_HEADS, seed=0, dependents=True):
    """Pocket links 1 to 8 words apart; heads as in `links_of`, and one that follows both the link and the neighbour.

    The neighbour is the word before the one that attends. Without `dependents`, that is known of the links' first words
    only.
    """
    random = np.random.default_rng(seed)
    special = {LINK_HEAD: LINK_WEIGHT, BOTH_HEAD: LINK_WEIGHT} if special is None else special
    keys = itertools.product(RELATIONS, range(1, 9), range(n_each))
    rows = [(f"{relation} {distance} {row}", relation, distance, True, BEFORE) for relation, distance, row in keys]
    keys = pd.DataFrame(rows, columns=["example", "relation", "distance", "sure", "checkpoint"])
    table = _weighted(random, keys, special, n_layers, n_heads, without_null=0)
    beside = _of_heads(table, {NEIGHBOUR_HEAD: NEIGHBOUR_WEIGHT, BOTH_HEAD: 2 * LINK_WEIGHT})
    table["to_previous"], table["to_next"] = _noise(random, table) + beside, _noise(random, table)
    at_edge = table["example"].str.endswith(" 0")
    table.loc[at_edge, "to_next"] = np.nan
    if dependents:
        table["dependent_to_previous"], table["dependent_to_next"] = _noise(random, table) + beside, np.nan
    return table


def released_of(by_head, seed=0):
    """The released notebook's weights: a third of those of `links_by_head`, which a constant and some noise joins."""
    random = np.random.default_rng(seed)
    keys = by_head[["task", "checkpoint", "seed", "relation", "direction", "layer", "head"]]
    return keys.assign(mean=by_head["mean"] / 3 + 0.001 * random.random(len(by_head)))


def _runs(tasks, seeds):
    return [
        (task, checkpoint, seed)
        for task in tasks
        for checkpoint, of_checkpoint in ((BEFORE, seeds[:1]), (AFTER, seeds))
        for seed in of_checkpoint
    ]


def _weighted(random, keys, special, n_layers, n_heads, without_null):
    """Give links their weights and both nulls, per head and in both directions."""
    lacks_null = np.repeat(random.random(len(keys)) < without_null, n_layers * n_heads)
    table = _with_heads(keys, n_layers, n_heads)
    beside = np.where(table["distance"] == 1, _of_heads(table, {NEIGHBOUR_HEAD: NEIGHBOUR_WEIGHT}), 0)
    apart = beside + _of_heads(table, {DISTANCE_HEAD: NULL_WEIGHT})
    wanted = _of_heads(table, {WORD_HEAD: NULL_WEIGHT})
    for direction in ("to_dependent", "to_head"):
        table[direction] = _noise(random, table) + apart + wanted + _of_heads(table, special)
        table[f"{direction}_null"] = np.where(lacks_null, np.nan, _noise(random, table) + apart).astype(np.float32)
        table[f"{direction}_others"] = _noise(random, table) + wanted
    return table


def _with_heads(keys, n_layers, n_heads):
    """Repeat each row for every layer and head."""
    heads = pd.DataFrame(itertools.product(range(n_layers), range(n_heads)), columns=["layer", "head"])
    return keys.merge(heads, how="cross")


def _of_heads(table, weights):
    """What `weights` gives the head of each row, 0 for others."""
    heads = pd.MultiIndex.from_frame(table[["layer", "head"]])
    return pd.Series(weights, dtype=float).reindex(heads, fill_value=0).to_numpy()


def _noise(random, table):
    return random.exponential(NOISE, len(table)).astype(np.float32)
