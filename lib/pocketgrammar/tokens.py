"""Words that know what they are, and drafts: the words of a sentence to come, with the links between them.

Links and frames point at tokens, not at places, so that parts of a sentence can be moved about freely; places and
character spans are found once, when the draft is written out.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pocketgrammar.annotation import ROLES, Frame, Link, Sentence, Word

NO_SPACE_BEFORE = (",", ".", "?", "!", "n't", "'s")
# Words before which the article is "an" although they do not begin with a vowel letter, and the reverse.
SOUNDS = re.compile(r"(?!(?:uni|use|usu|euro|one))(?:[aeiou]|hour|honest)", re.IGNORECASE)


@dataclass(eq=False)
class Token:
    """One word to be written, with its part of speech and its role: one of annotation.ROLES, or none.

    `passive`: whether it is a verb in the passive.
    """

    text: str
    pos: str
    role: str = ""
    passive: bool = False


@dataclass
class Draft:
    """Tokens in order, links (relation, head, dependent), and frames (name, target, elements)."""

    tokens: list[Token] = field(default_factory=list)
    links: list[tuple[str, Token, Token]] = field(default_factory=list)
    frames: list[tuple[str, Token, dict[str, list[Token]]]] = field(default_factory=list)

    def __add__(self, other: "Draft") -> "Draft":
        return Draft(self.tokens + other.tokens, self.links + other.links, self.frames + other.frames)

    def sentence(self, mark: str = ".") -> Sentence:
        """Write the draft out, from a capital letter to `mark`; an empty mark makes it a phrase."""
        tokens = self.tokens + ([Token(mark, "PUNCT")] if mark else [])
        words, end = [], 0
        for place, written in enumerate(_spelled(tokens)):
            start = end if place == 0 or written in NO_SPACE_BEFORE else end + 1
            end = start + len(written)
            words.append(Word(written, start, end, tokens[place].pos))
        text = ""
        for word in words:
            text += " " * (word.start - len(text)) + word.text
        return self._annotated(text, tuple(words), {id(token): place for place, token in enumerate(tokens)})

    def _annotated(self, text: str, words: tuple[Word, ...], places: dict[int, int]) -> Sentence:
        roles = {role: tuple(place for place, token in enumerate(self.tokens) if token.role == role) for role in ROLES}
        links = (
            Link(relation, places[id(head)], places[id(other)], head.passive) for relation, head, other in self.links
        )
        frames = (
            Frame(name, places[id(target)], {key: _range(places, tokens) for key, tokens in elements.items()})
            for name, target, elements in self.frames
        )
        return Sentence(text, words, roles, tuple(sorted(links, key=lambda link: link.head)), tuple(frames))


def joined(drafts: Iterable[Draft]) -> Draft:
    """Put drafts one after the other."""
    return sum(drafts, Draft())


def comma() -> Draft:
    """Return a comma."""
    return Draft([Token(",", "PUNCT")])


def _range(places: dict[int, int], tokens: list[Token]) -> tuple[int, int]:
    found = [places[id(token)] for token in tokens]
    return min(found), max(found) + 1


def _spelled(tokens: list[Token]) -> list[str]:
    """Texts with "a" made "an" where the next word asks for it, and a capital at the beginning."""
    texts = [token.text for token in tokens]
    for place, text in enumerate(texts[:-1]):
        if text == "a" and SOUNDS.match(texts[place + 1]):
            texts[place] = "an"
    return [texts[0][0].upper() + texts[0][1:], *texts[1:]] if texts else texts
