"""Relations in sentences that are no task's: FrameNet frames (Section 4.2), and pocket sentences whose linked words
stand a chosen number of words apart (the question that Section 4.5 leaves open). The pre-trained model reads them.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pandas as pd
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.corpora import framenet, generated
from darksecrets.corpora.annotation import Frame, Sentence, Word
from darksecrets.corpora.glue import Example
from darksecrets.models import attention
from darksecrets.models.attended import RELATIONS, Text, described_links
from darksecrets.models.attention import Reducer
from darksecrets.models.link_attention import LINK, LargestOfPairs, LinkAttention, Pairs, Shape, rows_of_links, shapes
from darksecrets.models.setup import Setup

DISTANCES = range(1, 9)  # in words, that the pocket grammar can write
DIRECTIONS = {"to_element": "to_dependent", "to_target": "to_head"}
TOKEN_PAIRS, RELEASED = "token_pairs", "released"
RELEASED_LENGTH = 19  # tokens that the released notebook reads: it takes 20 less 3 word pieces, and two special tokens
# The sentence of the paper's Figure 4, with its frame.
EXAMPLE = Sentence(
    "He was becoming agitated.",
    (Word("He", 0, 2, ""), Word("was", 3, 6, ""), Word("becoming", 7, 15, ""), Word("agitated", 16, 24, "")),
    {},
    frames=(Frame("Emotion_directed", 3, {"Experiencer": (0, 1)}),),
)


def frames(setup: Setup, sentences: Sequence[Sentence]) -> pd.DataFrame:
    """Measure the attention between a frame's target and each of its core elements (Section 4.2, Figure 3).

    One row per sentence, pair (target and element, numbered within the sentence), kind, shift, layer and head: frame,
    element, distance in words, and float32 columns to_element (the target attends to the element), to_target (the
    element to the target) and either, the larger of the two. `kind` and `shift` are those of `link_attention.Shape`:
    "link" is the link itself; "moved" the same shape of words elsewhere; in "other head", another word stands for the
    target, and to_element is what the element gets from it; in "other dependent", other words stand for the element,
    and to_target is what the target gets from them. Raises ValueError for an element that holds its target.
    """
    texts = _texts(setup, sentences)
    pairs = [[one for frame in sentence.frames for one in _pairs(frame)] for sentence in sentences]
    shapes_of = [_frame_shapes(text, found) for text, found in zip(texts, pairs, strict=True)]
    reducer = LinkAttention([text.words for text in texts], shapes_of, keep_moved=True, keep_others=True)
    names = {"example": "sentence", "link": "pair"} | {old: new for new, old in DIRECTIONS.items()}
    _pass(setup, texts, reducer, "frames")
    table = reducer.table().rename(columns=names)
    found = list(chain.from_iterable(pairs))
    rows = rows_of_links(table["sentence"], table["pair"], [len(of_sentence) for of_sentence in pairs])
    distances = [min(abs(head - dependent) for head, dependent in places) for _, _, places in found]
    return table.assign(
        kind=pd.Categorical(table["kind"]),
        frame=pd.Categorical([name for name, _, _ in found])[rows],
        element=pd.Categorical([element for _, element, _ in found])[rows],
        distance=np.array(distances, dtype=int)[rows],
        either=table[list(DIRECTIONS)].max(axis=1),
    )


def token_measures(setup: Setup, sentences: Sequence[Sentence]) -> pd.DataFrame:
    """Measure each sentence's frames token by token (Section 4.2): by the paper's text, and by the released notebook.

    One row per sentence, layer and head: float32 columns token_pairs, the largest weight between a token of a target
    and a token of one of its elements in either direction, and released, the weight by `released_pairs` in an input of
    `RELEASED_LENGTH` tokens; NaN where truncation cut the link.
    """
    texts, short = _texts(setup, sentences), _texts(setup, sentences, RELEASED_LENGTH)
    by_text = LargestOfPairs([_token_pairs(text) for text in texts])
    by_notebook = LargestOfPairs([released_pairs(text, setup.load().tokenizer) for text in short])
    _pass(setup, texts, by_text, "frames by tokens")
    _pass(setup, short, by_notebook, "frames as released")
    table = by_text.table().rename(columns={"example": "sentence", "weight": TOKEN_PAIRS})
    return table.assign(**{RELEASED: by_notebook.table()["weight"]})


def released_pairs(text: Text, tokenizer: Tokenizer) -> Pairs:
    """Return the pairs of tokens (element, target) that the released notebook compares in a sentence with frames.

    It cuts a target, and all its elements in their order, into word pieces, pairs the first piece of the elements with
    the first of the target, the second with the second, and so on, and looks each up at the first place where it
    stands. No pairs where truncation cut a piece off.
    """
    (sentence,), ids = text.sentences, text.encoded.input_ids
    found: list[tuple[int, int]] = []
    for place in dict.fromkeys(frame.target for frame in sentence.frames):
        spans = [span for frame, _, span in framenet.pairs(sentence) if frame.target == place]
        element = [piece for span in spans for piece in _pieces(sentence, span, tokenizer)]
        target = _pieces(sentence, (place, place + 1), tokenizer)
        if not {*element, *target} <= set(ids):
            return ()
        found += [(ids.index(one), ids.index(other)) for one, other in zip(element, target, strict=False)]
    return tuple(found)


def example(setup: Setup, sentence: Sentence = EXAMPLE) -> tuple[list[str], np.ndarray, set[tuple[int, int]]]:
    """Return a sentence's tokens, the pre-trained model's maps (layer, head, query, key), and the cells (query, key) in
    which the tokens of its frames' targets and elements meet.
    """
    checkpoint = setup.load()
    tokens, maps = attention.maps_of(checkpoint.encoder(), checkpoint.tokenizer, sentence.text)
    (text,) = _texts(setup, [sentence])
    return tokens, maps, set(_token_pairs(text))


def pocket_links(setup: Setup, n_sentences: int = 100, seed: int = 0) -> pd.DataFrame:
    """Measure links whose words stand 1 to 8 words apart, `n_sentences` for each relation and distance.

    One row per example, layer and head: relation, distance, to_dependent and to_head with their nulls, and float32
    columns to_previous and to_next: the attention that the link's head word pays to the words beside it, and
    dependent_to_previous and dependent_to_next, the same of its dependent (NaN where there is no such word).
    """
    sentences, wanted = [], []
    for relation in RELATIONS:
        for distance in DISTANCES:
            for sentence in generated.linked(relation, distance, n_sentences, seed):
                sentences.append(sentence)
                wanted.append(next(link for link in sentence.links if _is(link, relation, distance)))
    texts = _texts(setup, sentences)
    shapes_of = []
    for text, link in zip(texts, wanted, strict=True):
        (sentence,), pieces = text.sentences, text.words
        taken = {((one.head, one.dependent),) for one in sentence.links if one.relation == link.relation}
        of_link = shapes(0, ((link.head, link.dependent),), sentence, pieces, taken)
        shapes_of.append([*of_link, *_neighbours(link.head, link.dependent, len(pieces))])
    reducer = LinkAttention([text.words for text in texts], shapes_of)
    _pass(setup, texts, reducer, "pocket links")
    table = reducer.against_null()
    is_link = table["link"] == 0
    links = described_links(table[is_link], [[(link.relation, link.distance)] for link in wanted])
    key = ["example", "layer", "head"]
    for number, name in enumerate(NEIGHBOURS, start=1):
        beside = table[table["link"] == number].rename(columns={"to_dependent": name})
        links = links.merge(beside[[*key, name]], on=key, how="left", validate="one_to_one")
    return links.drop(columns="link")


NEIGHBOURS = ("to_previous", "to_next", "dependent_to_previous", "dependent_to_next")


def _neighbours(head: int, dependent: int, n_words: int) -> list[Shape]:
    """Return the pairs of a link's words with the words beside them, numbered as in `NEIGHBOURS` from 1."""
    pairs = [(place, place + step) for place in (head, dependent) for step in (-1, 1)]
    return [Shape(number, LINK, (pair,)) for number, pair in enumerate(pairs, start=1) if 0 <= pair[1] < n_words]


def _is(link: object, relation: str, distance: int) -> bool:
    return (link.relation, link.distance) == (relation, distance)


def _pairs(frame: Frame) -> list[tuple[str, str, Pairs]]:
    """Return for each element of a frame: the frame's name, the element's, and the pairs (target, word)."""
    for element, span in frame.elements.items():
        if frame.target in range(*span):
            raise ValueError(f"{frame.name}: the element {element} holds the target itself")
    return [
        (frame.name, element, tuple((frame.target, place) for place in range(*span)))
        for element, span in frame.elements.items()
    ]


def _frame_shapes(text: Text, pairs: Sequence[tuple[str, str, Pairs]]) -> list[Shape]:
    (sentence,), (pieces,) = text.sentences, text.pieces
    taken = {places for _, _, places in pairs}
    return [
        shape
        for number, (_, _, places) in enumerate(pairs)
        for shape in shapes(number, places, sentence, pieces, taken)
    ]


def _token_pairs(text: Text) -> Pairs:
    """Return all pairs of a target's token with a token of one of its elements, both ways round."""
    (sentence,), (pieces,) = text.sentences, text.pieces
    words = [pair for frame in sentence.frames for _, _, places in _pairs(frame) for pair in places]
    forth = [(q, k) for target, place in words for q in pieces[target] for k in pieces[place]]
    return tuple(forth + [(k, q) for q, k in forth])


def _pieces(sentence: Sentence, span: tuple[int, int], tokenizer: Tokenizer) -> list[int]:
    """Cut the words of a span into word pieces, read by themselves."""
    first, after = span
    text = sentence.text[sentence.words[first].start : sentence.words[after - 1].end]
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _texts(setup: Setup, sentences: Sequence[Sentence], max_length: int = attention.MAX_LENGTH) -> list[Text]:
    examples = [Example(str(row), sentence.text, None, 0) for row, sentence in enumerate(sentences)]
    encoded = attention.encode(setup.load().tokenizer, examples, max_length)
    return [Text(one, (sentence,)) for one, sentence in zip(encoded, sentences, strict=True)]


def _pass(setup: Setup, texts: Sequence[Text], reducer: Reducer, what: str) -> None:
    checkpoint = setup.load()
    encoded = [text.encoded for text in texts]
    attention.attention_pass(checkpoint.encoder(), checkpoint.tokenizer, encoded, [reducer], progress=what)
