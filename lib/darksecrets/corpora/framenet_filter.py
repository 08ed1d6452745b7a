"""Which of FrameNet's examples Section 4.2 uses: short sentences whose target and core elements stand some words apart.

FrameNet 1.7 annotates, in example sentences of each of its 13,572 lexical units, the word that evokes a frame (the
target) and the frame's elements. The paper keeps sentences of at most 12 tokens with elements of at most 3, leaves out
those whose linked words are less than two tokens apart, and has 473. There are two readings:

- *paper*, that text done right. Linked are the target and each element of type Core. A sentence is left out for a
  longer element, core or not, and for a core element next to the target, where places are counted. It has one
  annotated target, of one word. The same annotation of the same text counts once.
- *released*, what the released notebook selects, in its order: these are the 473. Linked are the elements of the
  frame's core *sets*, which most frames do not have. Nearness goes by spelling: a sentence is left out where a token
  of any element, core or not, is spelled like the target or one of the two tokens on either side, around the first
  token that is spelled like the target. So linked words are three or more apart, except where the target's word
  occurs twice. Of several annotations of a sentence the last one counts.

NLTK reads FrameNet, and its word tokenizer finds the tokens.
"""

import io
import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ParseError

from darksecrets.corpora.annotation import Frame, Sentence, Word, to_dict
from darksecrets.errors import InputError

if TYPE_CHECKING:
    from nltk.corpus.reader.framenet import FramenetCorpusReader
    from nltk.tokenize import NLTKWordTokenizer

LONGEST_SENTENCE = 12  # tokens
LONGEST_ELEMENT = 3
LEAST_DISTANCE = 2  # neighbours are 1 apart
WINDOW = 2  # tokens on either side of the target that the released notebook compares
INDEXES = ["luIndex.xml", "frameIndex.xml", "frRelation.xml", "semTypes.xml"]
SENTENCE = re.compile(rb"<sentence .*?<text>(.*?)</text>.*?</sentence>", re.DOTALL)
SECONDS_BETWEEN_LINES = 30.0
VERSION = 1  # part of the examples' key in the store: raise it when something else is selected

Span = tuple[int, int]  # a first character or word, and the one after the last
Named = tuple[str, Span]  # an element


@dataclass(frozen=True)
class Annotation:
    """What one annotation of a sentence marks, in characters: its target, sometimes in several parts, and elements."""

    target: tuple[Span, ...]
    elements: tuple[Named, ...]


@dataclass(frozen=True)
class Example:
    """A sentence of FrameNet with its annotations."""

    id: int
    text: str
    words: tuple[Word, ...]
    annotations: tuple[Annotation, ...]


def select(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Read FrameNet in the directory `root`, and return the examples of each reading.

    Each is a record of FrameNet's ids (`sentence_id`, `lexical_unit_id`), the `lexical_unit` and the `sentence`, as
    `annotation.to_dict` writes it, with a frame that has the linked elements only. Raises InputError where FrameNet
    cannot be read.
    """
    found: dict[str, list[dict[str, Any]]] = {reading: [] for reading in CHOICES}
    for unit, example in _short_examples(root):
        for reading, choose in CHOICES.items():
            if linked := choose(example, unit.frame):
                ids = {"sentence_id": example.id, "lexical_unit_id": unit.ID, "lexical_unit": unit.name}
                found[reading].append({**ids, "sentence": to_dict(_sentence(example, unit.frame.name, linked))})
    return {**found, "paper": _without_repeats(found["paper"])}


def fits(target: int, elements: Iterable[Span], linked: Iterable[Span]) -> bool:
    """Say whether the paper keeps a frame: no element is too long, and no linked one too near to the target's place."""
    is_short = all(after - first <= LONGEST_ELEMENT for first, after in elements)
    return is_short and all(distance(target, span) >= LEAST_DISTANCE for span in linked)


def distance(target: int, span: Span) -> int:
    """Return how many words apart the target and the nearest word of an element are; 0 where it is one of them."""
    first, after = span
    return max(first - target, target - (after - 1), 0)


def words(text: str) -> tuple[Word, ...]:
    """Return NLTK's tokens with their characters in the text; parts of speech are not known."""
    return tuple(Word(text[start:end], start, end, "") for start, end in _tokenizer().span_tokenize(text))


def _paper(example: Example, frame: Any) -> list[Named]:
    """Return the elements that the paper's text links to the target; none where it leaves the sentence out."""
    (annotation, *others) = example.annotations
    if others or len(annotation.target) != 1:
        return []
    target, after_target = _places(example.words, annotation.target[0])
    core = [(name, span) for name, span in annotation.elements if frame.FE[name].coreType == "Core"]
    elements, linked = ([_places(example.words, span) for _, span in some] for some in (annotation.elements, core))
    return core if after_target == target + 1 and fits(target, elements, linked) else []


def _released(example: Example, frame: Any) -> list[Named]:
    """Return the elements that the released notebook links to the target; none where it leaves the sentence out."""
    annotation, text = example.annotations[-1], example.text
    if len(annotation.target) != 1:
        return []
    tokenize = _tokenizer().tokenize
    tokens, ((start, end),) = tokenize(text), annotation.target
    elements = [tokenize(text[first:after]) for _, (first, after) in annotation.elements]
    if text[start:end] not in tokens or any(len(element) > LONGEST_ELEMENT for element in elements):
        return []
    place = tokens.index(text[start:end])
    near = tokens[max(place - WINDOW, 0) : place + WINDOW + 1]
    if any(token in near for element in elements for token in element):
        return []
    core = {element.name for core_set in frame.FEcoreSets for element in core_set}
    return [(name, span) for name, span in annotation.elements if name in core]


CHOICES = {"paper": _paper, "released": _released}


def _sentence(example: Example, frame: str, linked: Sequence[Named]) -> Sentence:
    place, _ = _places(example.words, example.annotations[-1].target[0])
    frames: list[dict[str, Span]] = []
    for name, span in linked:
        home = next((elements for elements in frames if name not in elements), None)
        if home is None:
            frames.append(home := {})
        home[name] = _places(example.words, span)
    return Sentence(example.text, example.words, {}, frames=tuple(Frame(frame, place, elements) for elements in frames))


def _places(found: Sequence[Word], span: Span) -> Span:
    start, end = span
    inside = [place for place, word in enumerate(found) if word.start < end and start < word.end]
    return inside[0], inside[-1] + 1


def _without_repeats(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = {}
    for record in records:
        kept.setdefault(json.dumps(record["sentence"]), record)
    return list(kept.values())


def _short_examples(root: Path) -> Iterator[tuple[Any, Example]]:
    """Yield each short sentence with its lexical unit, by the units' ids, as the released notebook found them.

    NLTK needs minutes to turn all of FrameNet into objects. Most sentences are long, and seeing that takes no parser.
    """
    with _reader(root) as reader:
        units = sorted(reader.lus(), key=lambda unit: unit.ID)
        spoke = time.monotonic()
        for n_read, unit in enumerate(units):
            if time.monotonic() - spoke >= SECONDS_BETWEEN_LINES:
                print(f"FrameNet: read {n_read:,} of {len(units):,} lexical units", file=sys.stderr, flush=True)
                spoke = time.monotonic()
            yield from ((unit, example) for example in _short_examples_of(reader, unit.ID))


def _short_examples_of(reader: "FramenetCorpusReader", unit_id: int) -> Iterator[Example]:
    with reader.abspath(f"lu/lu{unit_id}.xml").open() as stream:
        content = stream.read()
    for found in SENTENCE.finditer(content):
        if len(found[1].split()) <= LONGEST_SENTENCE:  # a token has no space in it
            example = _example(found[0])
            if example.annotations and len(example.words) <= LONGEST_SENTENCE:
                yield example


def _example(xml: bytes) -> Example:
    from nltk import xmlsec

    sentence = xmlsec.parse(io.BytesIO(xml)).getroot()
    text = sentence.findtext("text", "").rstrip()  # some end in a space, so that equal ones differ
    found = tuple(_annotations(sentence))
    return Example(int(sentence.get("ID", 0)), text, words(text), found)


def _annotations(sentence: Element) -> Iterator[Annotation]:
    """Yield the annotations that have a target; elements in the order of the text, the second layers left out."""
    for annotation in sentence.iterfind("annotationSet"):
        layers = {(layer.get("name"), layer.get("rank")): _labels(layer) for layer in annotation.iterfind("layer")}
        if target := layers.get(("Target", "1")):
            elements = sorted(layers.get(("FE", "1"), []), key=lambda label: (label[1], label[0]))
            yield Annotation(tuple(span for _, span in target), tuple(elements))


def _labels(layer: Element) -> list[Named]:
    """Return the labels that stand in the text; an element may also be marked as left unsaid."""
    return [
        (label.get("name", ""), (int(label.get("start", 0)), int(label.get("end", 0)) + 1))
        for label in layer.iterfind("label")
        if label.get("start") is not None
    ]


@contextmanager
def _reader(root: Path) -> Iterator["FramenetCorpusReader"]:
    """Open FrameNet, wherever it is: NLTK reads nothing outside its data path."""
    import nltk
    from nltk.corpus.reader.framenet import FramenetCorpusReader, FramenetError

    nltk.data.path.append(str(root))
    try:
        yield FramenetCorpusReader(str(root), INDEXES)
    except (OSError, ParseError, FramenetError) as error:
        raise InputError(f"FrameNet in {str(root)!r} cannot be read ({error}): fetch it anew") from error
    finally:
        nltk.data.path.remove(str(root))


@cache
def _tokenizer() -> "NLTKWordTokenizer":
    from nltk.tokenize import NLTKWordTokenizer  # slow to import

    return NLTKWordTokenizer()
