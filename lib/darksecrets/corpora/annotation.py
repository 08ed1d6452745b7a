"""What is known of a sentence word by word: the gold annotation of a corpus that has one, or a parser's analysis.

Words follow Universal Dependencies: punctuation marks and "n't" are words of their own, parts of speech are UD's.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from darksecrets.errors import InputError

# Features that are a matter of a word's part of speech; subject, object and negation are a matter of its role.
POS_FEATURES = {"noun": ("NOUN", "PROPN"), "verb": ("VERB", "AUX"), "pronoun": ("PRON",), "punctuation": ("PUNCT",)}
ROLES = ("subject", "object", "negation")
FEATURES = ("noun", "verb", "pronoun", *ROLES, "punctuation")
READINGS = ("paper", "released")
NEGATIVE_WORDS = ("neither", "nor", "not", "never", "none", "nothing", "nowhere")
CONTRACTIONS = ("don't", "won't", "didn't", "hadn't", "haven't", "can't", "isn't", "wasn't", "shouldn't", "couldn't")
# The paper lists these. A contraction is two words, of which the second carries the negation, whatever the first.
NEGATIONS = frozenset({*NEGATIVE_WORDS, "n't", "n\N{RIGHT SINGLE QUOTATION MARK}t"})
RELATIONS = ("verb-subject", "verb-object", "pronoun-antecedent")


@dataclass(frozen=True)
class Word:
    """One word: its text is `sentence.text[start:end]`."""

    text: str
    start: int
    end: int
    pos: str


@dataclass(frozen=True)
class Link:
    """Two linked words, as places in `Sentence.words`: the relation's first word (verb, pronoun) and its second.

    `passive`: whether they are a passive verb and its subject.
    """

    relation: str
    head: int
    dependent: int
    passive: bool = False

    @property
    def distance(self) -> int:
        """How many words apart the two are; neighbours are 1 apart."""
        return abs(self.head - self.dependent)


@dataclass(frozen=True)
class Frame:
    """A FrameNet frame: its target word, and its core elements as (first word, word after the last)."""

    name: str
    target: int
    elements: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Sentence:
    """A text with its words, the places of the words that play a role, links and frames.

    `released`: the places by the definitions of the released notebook, for the features that it defines otherwise.
    `sure`: whether the annotation is gold, or the parser can be relied on here (see `linguistics`).
    """

    text: str
    words: tuple[Word, ...]
    roles: Mapping[str, tuple[int, ...]]
    links: tuple[Link, ...] = ()
    frames: tuple[Frame, ...] = ()

    released: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    sure: bool = True

    def places(self, feature: str, reading: str = "paper") -> tuple[int, ...]:
        """Return the places of the words that carry one of `FEATURES`, in order.

        Reading "released" gives the paper's places where the sentence has no others. Raises ValueError for a feature or
        reading that there is not.
        """
        if feature not in FEATURES or reading not in READINGS:
            raise ValueError(f"no feature {feature!r} in reading {reading!r}")
        if reading == "released" and feature in self.released:
            return self.released[feature]
        if feature in POS_FEATURES:
            return tuple(place for place, word in enumerate(self.words) if word.pos in POS_FEATURES[feature])
        return self.roles.get(feature, ())


def released_negations(text: str) -> list[str]:
    """Return the negations of the paper's list that the released notebook finds in a text: those that occur anywhere in
    it as strings, "not" in "another" included, in small letters and with a straight apostrophe only.
    """
    return [word for word in NEGATIVE_WORDS + CONTRACTIONS if word in text]


def to_dict(sentence: Sentence) -> dict[str, Any]:
    """Return a sentence as JSON can hold it; `released` and `sure` are left out where they say nothing."""
    found = asdict(sentence)
    unsaid = {"released": {}, "sure": True}
    return {name: value for name, value in found.items() if name not in unsaid or value != unsaid[name]}


def from_dict(found: Mapping[str, Any]) -> Sentence:
    """Return the sentence that `to_dict` wrote, also after JSON has turned its tuples into lists."""
    return Sentence(
        found["text"],
        tuple(Word(**word) for word in found["words"]),
        _tuples(found["roles"]),
        tuple(Link(**link) for link in found["links"]),
        tuple(Frame(one["name"], one["target"], _tuples(one["elements"])) for one in found["frames"]),
        _tuples(found.get("released", {})),
        found.get("sure", True),
    )


def read(path: Path) -> list[tuple[Sentence, ...]]:
    """Read a file of gold annotation, such as RTE/dev.annotations.jsonl: the one or two sentences of each row.

    Each line is a JSON object whose `sentences` are as `to_dict` writes them. Raises InputError with the line that is
    none.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(tuple(map(from_dict, json.loads(line)["sentences"])))
        except (ValueError, KeyError, TypeError) as error:
            wanted = "a JSON object with `sentences`, as `python -m darksecrets pocket --help` describes them"
            raise InputError(f"{path}, line {number}: no annotation ({error!r}); expected {wanted}") from None
    return found


def _tuples(places: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(values) for name, values in places.items()}
