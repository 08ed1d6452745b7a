"""The words of opinions.yml: the things that opinions are on, and how its phrases are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pocketgrammar.annotation import NEGATIONS
from pocketgrammar.lexicon import FUNCTION_WORDS, regular_past, third
from pocketgrammar.tokens import Token

FILE = Path(__file__).with_name("opinions.yml")
FILM = "film"
SHORTEST_LONG = 7  # letters of an adjective that is compared with "more"


@dataclass(frozen=True)
class Thing:
    """What an opinion is on: a word of a group of `things`, which has adjectives that go with it."""

    group: str
    text: str

    @property
    def entry(self) -> dict[str, Any]:
        """Its group in the file."""
        return vocabulary()["things"][self.group]

    @property
    def is_plural(self) -> bool:
        """Whether it takes "are"."""
        return self.text in self.entry.get("plural", ())


@cache
def vocabulary() -> dict[str, Any]:
    """Read opinions.yml."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def groups(name: str | Sequence[str]) -> list[str]:
    """Groups of things by a name that stands for several, or one by one."""
    every = list(vocabulary()["things"])
    named = {"any": every, "parts": [group for group in every if group != FILM], FILM: [FILM]}
    return named[name] if isinstance(name, str) else list(name)


def tokens_of(text: str, default: str = "NOUN") -> list[Token]:
    """Read words such as "young/ADJ audiences"."""
    return [token_of(*(*marked.split("/"), "")[:2], default) for marked in text.split()]


def token_of(text: str, pos: str = "", default: str = "NOUN") -> Token:
    """Make a token: a word that is not marked has the part of speech that it always has, or else the default."""
    return Token(text, pos or _known().get(text, default), "negation" if text in NEGATIONS else "")


@cache
def _known() -> dict[str, str]:
    lists = [*FUNCTION_WORDS.items(), *vocabulary()["words"].items()]
    return {word: pos for pos, words in lists for word in words.split()}


# Forms of a word, given whether its subject is plural.
INFLECTIONS: dict[str, Callable[[str, bool], str]] = {
    "plain": lambda word, is_plural: word,
    "present": lambda verb, is_plural: verb if is_plural else third(verb),
    "past": lambda verb, is_plural: regular_past(verb),
}
# Slots that are adjectives, and which adjectives may fill them.
ADJECTIVES: dict[str, Callable[[str], bool]] = {
    **dict.fromkeys(("adjective", "epithet", "bare"), lambda text: True),
    "mild": lambda text: text not in vocabulary()["extreme"],
    "long": lambda text: len(text) >= SHORTEST_LONG and text[-1] != "y" and text not in vocabulary()["extreme"],
}
