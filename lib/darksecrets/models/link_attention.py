"""Sections 4.2 and 4.5: the attention between linked words, and between other words at the same distance.

A link may be several pairs of words (a FrameNet element has up to three); its weight is the largest of them. It is
held against two nulls. One is the same shape of places, moved within the sentence to wherever it fits: other words at
the same distance and in the same direction. The other keeps the words that are attended to and takes other words of
the sentence for those that attend: what these words get from anybody. It takes as many as attend in the link, as the
largest of three weights is larger than one. Marks of punctuation are never part of a link, so they stand in no null.
Explained in the chapters *Relation-specific heads* and *Token-to-token attention*.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.corpora.annotation import Sentence
from darksecrets.models.alignment import Pieces, between_words, spelled_like
from darksecrets.models.attention import Batch, Encoded

Pairs = tuple[tuple[int, int], ...]  # (head word, dependent word), as places among an example's words
TO_DEPENDENT, TO_HEAD = "to_dependent", "to_head"
DIRECTIONS = (TO_DEPENDENT, TO_HEAD)
KINDS = LINK, MOVED, OTHER_HEAD, OTHER_DEPENDENT = "link", "moved", "other head", "other dependent"


@dataclass(frozen=True)
class Shape:
    """Pairs of words that belong to a link (by its number in the example): the link itself, or one of its nulls.

    `shift` is how many words further on the shape stands: a `MOVED` one as a whole, another that attends by its first
    word.
    """

    link: int
    kind: str
    pairs: Pairs
    shift: int = 0


def shapes(link: int, pairs: Pairs, sentence: Sentence, pieces: Sequence[Pieces], taken: set[Pairs]) -> list[Shape]:
    """Return a link and all shapes of its nulls; nothing where truncation cut the link.

    `pairs` are places in `sentence.words`, `pieces` those words' tokens, `taken` the pairs of all links of the same
    relation, which are no null for one another.
    """
    places = {place for pair in pairs for place in pair}
    if not all(pieces[place] for place in places):
        return []
    fits = {place for place, word in enumerate(sentence.words) if pieces[place] and any(map(str.isalnum, word.text))}
    found = [Shape(link, LINK, pairs)]
    for shift in range(-min(places), len(pieces) - max(places)):
        moved = tuple((head + shift, dependent + shift) for head, dependent in pairs)
        if shift and moved not in taken and all(place + shift in fits for place in places):
            found.append(Shape(link, MOVED, moved, shift))
    for end, kind in enumerate((OTHER_HEAD, OTHER_DEPENDENT)):
        found += _with_others(link, kind, pairs, end, sorted(fits - places))
    return found


def _with_others(link: int, kind: str, pairs: Pairs, end: int, others: Sequence[int]) -> Iterator[Shape]:
    """Yield shapes in which others, as many and each after the last, stand for the words at one end (0 or 1)."""
    own = sorted({pair[end] for pair in pairs})
    for start in range(len(others) - len(own) + 1):
        instead = dict(zip(own, others[start : start + len(own)], strict=True))
        replaced = tuple((*pair[:end], instead[pair[end]], *pair[end + 1 :]) for pair in pairs)
        yield Shape(link, kind, replaced, instead[own[0]] - own[0])


class LinkAttention:
    """Reducer: the weight of links and of their nulls, per head, in both directions.

    `words` are the pieces of each example's words, `shapes_of` its shapes, both by the example's row. For each link,
    the shapes of a kind are averaged; with `keep_shapes`, each stands by itself.
    """

    def __init__(
        self, words: Sequence[Sequence[Pieces]], shapes_of: Sequence[Sequence[Shape]], keep_shapes: bool = False
    ) -> None:
        self.words, self.shapes_of, self.keep_shapes = words, shapes_of, keep_shapes
        self.keys: list[tuple[int, int, str, int]] = []  # example, link, kind, shift
        self.values: list[np.ndarray] = []  # (key, direction, layer, head)

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Look `maps` (batch, layer, head, query, key) up at the shapes' pairs."""
        cells: list[tuple[int, int, int]] = []
        starts: list[int] = []
        groups: dict[tuple[int, int, str, int], list[int]] = {}
        for number, row in enumerate(batch.rows):
            for shape in self.shapes_of[row]:
                key = (row, shape.link, shape.kind, shape.shift if self.keep_shapes else 0)
                groups.setdefault(key, []).append(len(starts))
                starts.append(len(cells))
                cells += [(number, head, dependent) for head, dependent in shape.pairs]
        if not cells:
            return
        attention = between_words(maps, batch, [self.words[row] for row in batch.rows])
        attention = attention.permute(0, 3, 4, 1, 2)  # example, query word, key word, layer, head
        example, head, dependent = torch.tensor(cells).T
        both = torch.stack([attention[example, head, dependent], attention[example, dependent, head]], dim=1)
        largest = np.maximum.reduceat(both.cpu().numpy(), starts)  # (shape, direction, layer, head)
        order = [shape for members in groups.values() for shape in members]
        sizes = np.array([len(members) for members in groups.values()])
        sums = np.add.reduceat(largest[order], np.cumsum(sizes) - sizes)
        self.keys += groups
        self.values.append(sums / sizes[:, None, None, None].astype(np.float32))

    def table(self) -> pd.DataFrame:
        """One row per example, link, kind, shift, layer and head: float32 columns to_dependent and to_head."""
        keys, values = self._collected()
        return _with_heads(keys, {name: values[:, place] for place, name in enumerate(DIRECTIONS)})

    def against_null(self) -> pd.DataFrame:
        """One row per example, link, layer and head: a link's weights beside its nulls.

        Float32 columns to_dependent and to_head; with `_null` behind the name, the mean of the same shape elsewhere
        (NaN where it fits nowhere else); with `_others`, the mean weight that the attended word gets from other words
        of the sentence (NaN where there are none).
        """
        keys, values = self._collected()
        values = np.concatenate([values, np.full((1, *values.shape[1:]), np.nan, np.float32)])  # -1: no such shape
        rows = keys.reset_index().pivot(index=["example", "link"], columns="kind", values="index")
        rows = rows.reindex(columns=list(KINDS)).fillna(-1).astype(int)
        columns = {
            name + suffix: values[rows[kind], place]
            for suffix, kinds in (("", (LINK, LINK)), ("_null", (MOVED, MOVED)), ("_others", KINDS[2:]))
            for place, (name, kind) in enumerate(zip(DIRECTIONS, kinds, strict=True))
        }
        return _with_heads(rows.index.to_frame(index=False), columns)

    def _collected(self) -> tuple[pd.DataFrame, np.ndarray]:
        """Return the keys, sorted by example, link, kind and shift, and their weights."""
        keys = pd.DataFrame(self.keys, columns=["example", "link", "kind", "shift"])
        keys = keys.astype({"example": int, "link": int, "shift": int})
        if not self.values:
            return keys, np.zeros((0, len(DIRECTIONS), 0, 0), np.float32)
        keys = keys.sort_values(["example", "link", "kind", "shift"], kind="stable")
        return keys.reset_index(drop=True), np.concatenate(self.values)[keys.index]


def describe_links(
    table: pd.DataFrame, described: Sequence[Sequence[tuple]], columns: Mapping[str, object]
) -> pd.DataFrame:
    """Add to a table of `LinkAttention` what is known of its links: of each example and link, values of `columns`.

    `columns` says of which type each is; `example` and `link` in the table are places in `described`.
    """
    links = pd.DataFrame(chain.from_iterable(described), columns=list(columns)).astype(dict(columns))
    starts = np.cumsum([0, *map(len, described)])
    rows = starts[table["example"]] + table["link"].to_numpy()
    return table.assign(**{name: links[name].array[rows] for name in columns})


def _with_heads(keys: pd.DataFrame, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """Repeat each key for every layer and head; `columns` are (key, layer, head)."""
    _, n_layers, n_heads = next(iter(columns.values())).shape
    table = keys.loc[keys.index.repeat(n_layers * n_heads)].reset_index(drop=True)
    layer, head = np.divmod(np.tile(np.arange(n_layers * n_heads), len(keys)), max(n_heads, 1))
    return table.assign(layer=layer, head=head, **{name: values.ravel() for name, values in columns.items()})


class DiagonalScore:
    """Reducer: per example and head, the mean attention that a token pays to the one before it and the one after it.

    Special tokens count neither as the one that attends nor as a neighbour; an input without two tokens side by side
    gives NaN.
    """

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.values: list[torch.Tensor] = []  # (example, neighbour, layer, head)

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Average the two diagonals beside the main one of `maps` (batch, layer, head, query, key)."""
        self.rows += batch.rows
        sentence = torch.full(batch.mask.shape, -1)
        for number, example in enumerate(batch.examples):
            sentence[number, : len(example)] = torch.tensor([span[0] for span in example.spans])
        beside = ((sentence[:, 1:] == sentence[:, :-1]) & (sentence[:, 1:] >= 0)).to(maps)[:, None, None]
        means = [(torch.diagonal(maps, offset, -2, -1) * beside).sum(-1) / beside.sum(-1) for offset in (-1, 1)]
        self.values.append(torch.stack(means, dim=1).cpu())

    def table(self) -> pd.DataFrame:
        """One row per example, layer and head: float32 columns previous and next."""
        values = torch.cat(self.values)[np.argsort(self.rows)].numpy()
        keys = pd.DataFrame({"example": np.arange(len(values))})
        return _with_heads(keys, {"previous": values[:, 0], "next": values[:, 1]})


class ReleasedLinks:
    """Reducer: the released notebook's weight of verb-subject links, averaged over all examples.

    It cuts all verbs that have a subject, and all subjects, of both sentences into word pieces, collects the positions
    of every token equal to one of a verb's pieces and of every token equal to one of a subject's, pairs the first of
    the one list with the first of the other, the second with the second, and so on, and takes the largest weight of
    these pairs, 0 where there are none. Verbs are words whose part of speech is VERB; passive ones are left out.
    """

    def __init__(self, pairs_of: Sequence[Pairs]) -> None:
        self.pairs_of = pairs_of
        self.total: np.ndarray | float = 0.0  # (direction, layer, head)

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Look `maps` (batch, layer, head, query, key) up at the pairs."""
        for of_example, row in zip(maps, batch.rows, strict=True):
            pairs = self.pairs_of[row]
            backward = [(subject, verb) for verb, subject in pairs]
            self.total = self.total + np.stack([largest_weight(of_example, some) for some in (pairs, backward)])

    def table(self) -> pd.DataFrame:
        """One row per direction, layer and head: relation and mean."""
        keys = pd.DataFrame({"relation": "verb-subject", "direction": list(DIRECTIONS)})
        return _with_heads(keys, {"mean": self.total / len(self.pairs_of)})


def largest_weight(maps: torch.Tensor, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the largest weight of pairs (query token, key token) in one input's maps (layer, head, query, key), 0
    where there are no pairs: (layer, head).
    """
    if not pairs:
        return np.zeros(maps.shape[:2], np.float32)
    query, key = torch.tensor(pairs).T
    return maps[..., query, key].amax(-1).cpu().numpy()


class LargestOfPairs:
    """Reducer: per example and head, the largest weight of chosen pairs of tokens (query, key), NaN without a pair."""

    def __init__(self, pairs_of: Sequence[Pairs]) -> None:
        self.pairs_of = pairs_of
        self.values: dict[int, np.ndarray] = {}  # by the example's row: (layer, head)

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Look `maps` (batch, layer, head, query, key) up at the pairs."""
        for of_example, row in zip(maps, batch.rows, strict=True):
            weight = largest_weight(of_example, self.pairs_of[row])
            self.values[row] = weight if self.pairs_of[row] else np.full_like(weight, np.nan)

    def table(self) -> pd.DataFrame:
        """One row per example, layer and head: float32 column weight."""
        keys = pd.DataFrame({"example": sorted(self.values)})
        return _with_heads(keys, {"weight": np.stack([self.values[row] for row in keys["example"]])})


def released_pairs(encoded: Encoded, sentences: Sequence[Sentence], tokenizer: Tokenizer) -> Pairs:
    """Return the pairs of tokens (verb, subject) that the released notebook compares; see `ReleasedLinks`."""
    links = [
        (sentence.words[link.head], sentence.words[link.dependent])
        for sentence in sentences
        for link in sentence.links
        if link.relation == "verb-subject" and not link.passive and sentence.words[link.head].pos == "VERB"
    ]
    ends = ({verb.text for verb, _ in links}, {subject.text for _, subject in links})
    return tuple(zip(*(spelled_like(encoded, texts, tokenizer) for texts in ends), strict=False))
