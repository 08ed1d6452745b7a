"""What is known of each word of a sentence: gold annotation, since the grammar knows what it writes.

Words follow Universal Dependencies: punctuation marks and "n't" are words of their own, parts of speech are UD's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ("subject", "object", "negation")
NEGATIONS = ("neither", "nor", "not", "never", "none", "nothing", "nowhere", "n't")


@dataclass(frozen=True)
class Word:
    """One word: its text is `sentence.text[start:end]`."""

    text: str
    start: int
    end: int
    pos: str


@dataclass(frozen=True)
class Link:
    """Two linked words, as indices in `Sentence.words`: the relation's first word (verb, pronoun) and its second.

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
    """A text with its words, the indices of the words that play each of `ROLES`, links and frames."""

    text: str
    words: tuple[Word, ...]
    roles: Mapping[str, tuple[int, ...]]
    links: tuple[Link, ...] = ()
    frames: tuple[Frame, ...] = ()


def to_dict(sentence: Sentence) -> dict[str, Any]:
    """Return a sentence as JSON can hold it: each dataclass as an object with its fields."""
    lists = {name: [vars(one) for one in getattr(sentence, name)] for name in ("words", "links", "frames")}
    return {"text": sentence.text, "words": lists["words"], "roles": dict(sentence.roles), **lists}
