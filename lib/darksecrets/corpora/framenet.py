"""FrameNet's examples as Section 4.2 uses them: short sentences whose target and core elements stand some words apart.

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

NLTK reads FrameNet, and its word tokenizer finds the tokens; what was read stays in the run store. FrameNet is not part
of this project: `python -m nltk.downloader framenet_v17` fetches it. Without it, gold frames of the pocket corpus take
its place.
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

import pandas as pd

from darksecrets.corpora import annotation, generated
from darksecrets.corpora.annotation import READINGS, Frame, Sentence, Word, from_dict, to_dict
from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.runs import Store, file_fingerprint

if TYPE_CHECKING:
    from nltk.corpus.reader.framenet import FramenetCorpusReader
    from nltk.tokenize import NLTKWordTokenizer

NAME, POCKET = "FrameNet 1.7", "the pocket corpus"
RESOURCE = "corpora/framenet_v17"
INDEX = "luIndex.xml"
INDEXES = [INDEX, "frameIndex.xml", "frRelation.xml", "semTypes.xml"]
INSTALL = "run `python -m nltk.downloader framenet_v17`, or name its directory"
LONGEST_SENTENCE = 12  # tokens
LONGEST_ELEMENT = 3
LEAST_DISTANCE = 2  # neighbours are 1 apart
WINDOW = 2  # tokens on either side of the target that the released notebook compares
N_PAPER = 473
N_ROWS = 200  # of each task's dev that pocket frames are taken from, or twice as many and so on
SENTENCE = re.compile(rb"<sentence .*?<text>(.*?)</text>.*?</sentence>", re.DOTALL)
SECONDS_BETWEEN_LINES = 30.0
VERSION = 1  # part of the examples' key in the store: raise it when something else is selected
LINK = ["text", "frame", "element"]  # what tells a link from others
LINK_COLUMNS = ("frame", "element", "target", "first", "after", "target_text", "element_text", "text")

Span = tuple[int, int]  # a first character or word, and the one after the last
Named = tuple[str, Span]  # an element


@dataclass(frozen=True)
class Frames:
    """Sentences with a frame each, where they come from, and what there is to say about that.

    `directory` is FrameNet's, or empty for NLTK's data path.
    """

    source: str
    sentences: tuple[Sentence, ...]
    note: str
    directory: str = ""

    @property
    def are_framenet(self) -> bool:
        """Whether these are FrameNet's sentences."""
        return self.source == NAME


def load(frames: str, reading: str, store: Store) -> Frames:
    """Return the sentences that a chapter's parameter `frames` asks for.

    It is "auto" (FrameNet where it is installed, else pocket), "framenet", "pocket", or FrameNet's directory. The
    pocket corpus has one reading, the paper's. Raises InputError as `examples` does.
    """
    check(frames, reading)
    if frames == "pocket" or (frames == "auto" and not available()):
        reason = "" if frames == "pocket" else f"{NAME} is not here ({INSTALL}). "
        note = f"{reason}These are gold frames of the pocket corpus, in sentences that a grammar wrote."
        return Frames(POCKET, tuple(pocket_examples(store)), note)
    source = "" if frames in ("auto", "framenet") else frames
    return Frames(NAME, tuple(examples(reading, store, source)), f"This run has {NAME}.", source)


def check(frames: str, reading: str) -> None:
    """Raise InputError where `frames` or `reading` is nothing that `load` knows; reads no examples."""
    if reading not in READINGS:
        raise InputError(f"reading {reading!r} is unknown; accepted are {', '.join(READINGS)}")
    if frames not in ("auto", "framenet", "pocket") and not available(frames):
        raise InputError(f"frames {frames!r}: give auto, framenet, pocket, or a directory with {NAME}'s {INDEX}")


def others(chosen: Frames, reading: str, store: Store) -> dict[str, Frames]:
    """Return what `load` gives in the readings other than `reading`: none for the pocket corpus, which has one."""
    if not chosen.are_framenet:
        return {}
    return {name: load(chosen.directory or "framenet", name, store) for name in READINGS if name != reading}


def available(source: str = "") -> bool:
    """Whether FrameNet is in the directory `source`, or on NLTK's data path where that is empty."""
    return _find(source) is not None


def examples(reading: str, store: Store, source: str = "") -> list[Sentence]:
    """Return the examples of a reading, each a sentence with its frame, whose elements are the linked ones only.

    An element that stands twice in a sentence, as a noun and its relative pronoun may, makes a second Frame of the same
    name and target.
    `source` is FrameNet's directory, or empty for NLTK's data path. The first time takes half a minute; then they are
    in the store. Raises InputError where FrameNet is not there or cannot be read, and for an unknown reading.
    """
    return [from_dict(record["sentence"]) for record in _records(reading, store, source)]


def links(reading: str, store: Store, source: str = "") -> pd.DataFrame:
    """Return one row per linked element of a reading: the example, FrameNet's ids, and what is linked in which text.

    `target`, `first` and `after` are indices of words, counted from 0; `after` follows the last.
    """
    rows = []
    for number, record in enumerate(_records(reading, store, source)):
        sentence = from_dict(record.pop("sentence"))
        for frame, element, (first, after) in pairs(sentence):
            target = sentence.words[frame.target].text
            spelled = sentence.text[sentence.words[first].start : sentence.words[after - 1].end]
            linked = (frame.name, element, frame.target, first, after, target, spelled, sentence.text)
            rows.append({"example": number, **record, **dict(zip(LINK_COLUMNS, linked, strict=True))})
    return pd.DataFrame(rows, columns=["example", "sentence_id", "lexical_unit_id", "lexical_unit", *LINK_COLUMNS])


def counts(store: Store, source: str = "") -> pd.DataFrame:
    """Return a row per reading, and one for what is in "both": examples, different sentences, different links.

    A link is a sentence's text, a frame and an element. A released example is in both where one of its links is.
    """
    tables = {reading: links(reading, store, source) for reading in READINGS}
    texts = {reading: set(table["text"]) for reading, table in tables.items()}
    tables["both"] = tables["released"].merge(tables["paper"][LINK].drop_duplicates(), on=LINK)
    texts["both"] = set.intersection(*texts.values())
    return pd.DataFrame(
        {
            "reading": reading,
            "examples": table["example"].nunique(),
            "sentences": len(texts[reading]),
            "links": len(table[LINK].drop_duplicates()),
        }
        for reading, table in tables.items()
    )


def pairs(sentence: Sentence) -> Iterator[tuple[Frame, str, Span]]:
    """Yield each element in the order of the text, with its frame, its name, its first word and the one after it."""
    found = [(frame, name, span) for frame in sentence.frames for name, span in frame.elements.items()]
    yield from sorted(found, key=lambda pair: (pair[2], pair[1]))


def pocket_examples(store: Store, n: int = N_PAPER, seed: int = 0) -> list[Sentence]:
    """Return `n` different sentences of the pocket corpus that the paper's filter keeps, with their gold frames.

    They are taken from the seven tasks' dev in turn. Raises InputError for an `n` below 1 and for more than there are.
    """
    if n < 1:
        raise InputError(f"n is {n}; it must be at least 1")
    found: dict[str, Sentence] = {}
    n_rows = N_ROWS
    while len(found) < n:
        corpus = f"pocket:1/{n_rows}/{seed}"
        splits = [
            annotation.read(generated.directory(corpus, task, "dev", store) / TASKS[task].annotation_file("dev"))
            for task in generated.tasks(corpus)
        ]
        written = (sentence for row in zip(*splits, strict=True) for sentences in row for sentence in sentences)
        found = {sentence.text: sentence for sentence in written if _is_kept(sentence)}
        n_rows *= 2
    return list(found.values())[:n]


def _is_kept(sentence: Sentence) -> bool:
    if len(sentence.words) > LONGEST_SENTENCE or len(sentence.frames) != 1:
        return False
    (frame,) = sentence.frames
    spans = list(frame.elements.values())
    return bool(spans) and fits(frame.target, spans, spans)


def _records(reading: str, store: Store, source: str) -> list[dict[str, Any]]:
    check("auto", reading)
    root = _find(source)
    if root is None:
        where = f"{source!r} has no {INDEX}" if source else f"{NAME} is not on NLTK's data path"
        raise InputError(f"{where}: {INSTALL}")

    def write(directory: Path) -> None:
        for name, records in select(root).items():
            lines = [f"{json.dumps(record)}\n" for record in records]
            (directory / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")

    made_from = {"version": VERSION, "index": file_fingerprint(root / INDEX)}
    file = store.result("framenet", made_from, write) / f"{reading}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _find(source: str) -> Path | None:
    import nltk  # slow to import

    if source:
        return Path(source).resolve() if (Path(source) / INDEX).is_file() else None
    try:
        index = nltk.data.find(f"{RESOURCE}/{INDEX}")
    except LookupError:
        return None
    # The downloader leaves the archive beside what it unpacks; the archive alone is not enough.
    return Path(index).parent if isinstance(index, nltk.data.FileSystemPathPointer) else None


# Which examples are used.


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
    once: dict[str, dict[str, Any]] = {}
    for record in found["paper"]:
        once.setdefault(json.dumps(record["sentence"]), record)
    return {**found, "paper": list(once.values())}


def fits(target: int, elements: Iterable[Span], linked: Iterable[Span]) -> bool:
    """Whether the paper keeps a frame: no element is too long, and no linked one too near to the target's word."""
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
    for marked in sentence.iterfind("annotationSet"):
        layers = {(layer.get("name"), layer.get("rank")): _labels(layer) for layer in marked.iterfind("layer")}
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
