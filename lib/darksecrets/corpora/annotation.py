"""What is known of a sentence word by word: the gold annotation of the pocket corpus, or a parser's analysis.

Words follow Universal Dependencies: punctuation marks and "n't" are words of their own, parts of speech are UD's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

# Features that are a matter of a word's part of speech; subject, object and negation are a matter of its role.
POS_FEATURES = {"noun": ("NOUN", "PROPN"), "verb": ("VERB", "AUX"), "pronoun": ("PRON",)}
ROLES = ("subject", "object", "negation")
FEATURES = (*POS_FEATURES, *ROLES)
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
    """Two linked words, as places in `Sentence.words`: the relation's first word (verb, pronoun) and its second."""

    relation: str
    head: int
    dependent: int

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
    """A text with its words, the places of the words that play a role, links and frames."""

    text: str
    words: tuple[Word, ...]
    roles: Mapping[str, tuple[int, ...]]
    links: tuple[Link, ...] = ()
    frames: tuple[Frame, ...] = ()

    def places(self, feature: str) -> tuple[int, ...]:
        """Return the places of the words that carry one of `FEATURES`, in order."""
        if feature in POS_FEATURES:
            return tuple(place for place, word in enumerate(self.words) if word.pos in POS_FEATURES[feature])
        return tuple(self.roles.get(feature, ()))
