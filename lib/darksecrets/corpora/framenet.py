"""FrameNet's examples as Section 4.2 uses them, from the run store once they were read.

`framenet_filter` says which sentences these are, in two readings. FrameNet is not part of this project: `python -m
nltk.downloader framenet_v17` fetches it. Without it, gold frames of the pocket corpus take its place.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from darksecrets.corpora import annotation, framenet_filter, generated
from darksecrets.corpora.annotation import READINGS, Frame, Sentence, from_dict
from darksecrets.corpora.framenet_filter import Span
from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.runs import Store, file_fingerprint

NAME, POCKET = "FrameNet 1.7", "the pocket corpus"
RESOURCE = "corpora/framenet_v17"
INDEX = "luIndex.xml"
INSTALL = "run `python -m nltk.downloader framenet_v17`, or name its directory"
N_PAPER = 473
N_ROWS = 200  # of each task's dev that pocket frames are taken from, or twice as many and so on
LINK = ["text", "frame", "element"]  # what tells a link from others
LINK_COLUMNS = ("frame", "element", "target", "first", "after", "target_text", "element_text", "text")


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
    _check(reading)
    if frames not in ("auto", "framenet", "pocket") and not available(frames):
        raise InputError(f"frames {frames!r}: give auto, framenet, pocket, or a directory with {NAME}'s {INDEX}")


def others(chosen: Frames, reading: str, store: Store) -> dict[str, Frames]:
    """Return what `load` gives in the readings other than `reading`: none for the pocket corpus, which has one."""
    if not chosen.are_framenet:
        return {}
    return {name: load(chosen.directory or "framenet", name, store) for name in READINGS if name != reading}


def examples(reading: str, store: Store, source: str = "") -> list[Sentence]:
    """Return the examples of a reading, each a sentence with its frame, whose elements are the linked ones only.

    An element that stands twice in a sentence, as a noun and its relative pronoun may, makes a second Frame of the same
    name and target.
    `source` is FrameNet's directory, or empty for NLTK's data path. The first time takes half a minute; then they are
    in the store. Raises InputError where FrameNet is not there or cannot be read, and for an unknown reading.
    """
    return [from_dict(record["sentence"]) for record in _records(reading, store, source)]


def available(source: str = "") -> bool:
    """Say whether FrameNet is in the directory `source`, or on NLTK's data path where that is empty."""
    return _find(source) is not None


def links(reading: str, store: Store, source: str = "") -> pd.DataFrame:
    """Return one row per linked element of a reading: the example, FrameNet's ids, and what is linked in which text.

    `target`, `first` and `after` are places of words, counted from 0; `after` follows the last.
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


def pairs(sentence: Sentence) -> Iterator[tuple[Frame, str, Span]]:
    """Yield each element in the order of the text, with its frame, its name, its first word and the one after it."""
    found = [(frame, name, span) for frame in sentence.frames for name, span in frame.elements.items()]
    yield from sorted(found, key=lambda pair: (pair[2], pair[1]))


def _is_kept(sentence: Sentence) -> bool:
    if len(sentence.words) > framenet_filter.LONGEST_SENTENCE or len(sentence.frames) != 1:
        return False
    (frame,) = sentence.frames
    spans = list(frame.elements.values())
    return bool(spans) and framenet_filter.fits(frame.target, spans, spans)


def _check(reading: str) -> None:
    if reading not in READINGS:
        raise InputError(f"reading {reading!r} is unknown; accepted are {', '.join(READINGS)}")


def _records(reading: str, store: Store, source: str) -> list[dict[str, Any]]:
    _check(reading)
    root = _find(source)
    if root is None:
        where = f"{source!r} has no {INDEX}" if source else f"{NAME} is not on NLTK's data path"
        raise InputError(f"{where}: {INSTALL}")
    made_from = {"version": framenet_filter.VERSION, "index": file_fingerprint(root / INDEX)}
    directory = store.result("framenet", made_from, partial(_write, root))
    return [json.loads(line) for line in (directory / f"{reading}.jsonl").read_text(encoding="utf-8").splitlines()]


def _write(root: Path, directory: Path) -> None:
    for reading, records in framenet_filter.select(root).items():
        lines = [json.dumps(record) for record in records]
        (directory / f"{reading}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


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
