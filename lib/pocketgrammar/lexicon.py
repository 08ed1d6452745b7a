"""The words of the pocket corpus: lexicon.yml, read and checked, and the few rules of inflection that it needs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pocketgrammar.tokens import Draft, Token

FILE = Path(__file__).with_name("lexicon.yml")
# Words that have one part of speech wherever the lexicon's phrases use them.
FUNCTION_WORDS = {
    "DET": "the a which every some many no this that each another all",
    "ADP": "in at on behind near with from of by before after for without beside under above to into about outside "
    "inside along around across through during next between against until over since",
    "SCONJ": "because although while when since if where how why",
    "CCONJ": "and but or",
    "PRON": "she he they it her his their him them who what i you one someone herself himself themselves",
    "PART": "not n't",
    "NUM": "two three four five six seven eight nine ten twelve twenty",
    "PUNCT": ", . ?",
}
_POS = {word: pos for pos, words in FUNCTION_WORDS.items() for word in words.split()}
PRONOUNS = {"she": ("she", "her"), "he": ("he", "his"), "they": ("they", "their")}


class GrammarError(ValueError):
    """The grammar cannot write what it was asked for; the message is one line that says what it can."""


@dataclass(frozen=True)
class Noun:
    """A noun: its kind, a synonym where it has one, its plural (None for what is not counted), its pronoun or any."""

    text: str
    kind: str
    synonym: str | None = None
    plural: str | None = None
    pronoun: str | None = None


@dataclass(frozen=True)
class Action:
    """What people of a scene do to things, or to each other if it is `reversible`: `objects` are then its subjects."""

    scene: str
    verb: str
    frame: Sequence[str]  # name, element of the subject, element of the object
    objects: Sequence[str]
    reversible: bool
    subjects: Sequence[str]  # who does it, where
    places: Sequence[str]
    times: Sequence[str]  # the groups of times that fit
    manner: Sequence[str]
    synonym: str | None = None
    opposite: str | None = None
    general: bool = True  # whether one would ask why people do it


@dataclass(frozen=True)
class Kind:
    """What nouns have in common: a word for it, its plural, and adjectives that go with all of them."""

    word: str
    plural: str
    adjectives: Sequence[str]
    is_said: bool  # whether the word may stand for its nouns


@dataclass(frozen=True)
class Lexicon:
    """Everything in lexicon.yml, by name."""

    kinds: Mapping[str, Kind]
    adjectives: Mapping[str, Mapping[str, str]]
    nouns: Mapping[str, Noun]
    irregular: Mapping[str, Sequence[str]]  # past tense and participle
    scenes: Mapping[str, Sequence[Action]]
    phrases: Mapping[str, Any]  # the other sections as they stand

    def past(self, verb: str) -> str:
        """Past tense of a verb."""
        return self.irregular[verb][0] if verb in self.irregular else regular_past(verb)

    def participle(self, verb: str) -> str:
        """Past participle of a verb."""
        return self.irregular[verb][1] if verb in self.irregular else regular_past(verb)

    def plural(self, noun: str) -> str:
        """Plural of a noun, or of a noun's synonym or of the word for its kind."""
        known = self.nouns.get(noun)
        return (known.plural if known else None) or regular_plural(noun)

    def kind_of(self, noun: str) -> Kind:
        """The kind of a noun."""
        return self.kinds[self.nouns[noun].kind]

    def phrase(self, text: str, **slots: Token) -> Draft:
        """Read a phrase such as "because {she} was/AUX tired/ADJ" into tokens; slots are filled with tokens.

        A pronoun in subject form, or "who", is the subject of the phrase's verb; `word/POS/object` is its object.
        """
        tokens = [slots[word[1:-1]] if word[0] == "{" else self._token(word) for word in text.split()]
        verb = next((token for pos in ("VERB", "AUX") for token in tokens if token.pos == pos), None)
        links = []
        for token in tokens if verb else ():
            if token.text in ("she", "he", "they", "who"):
                token.role = "subject"
            if token.role in ("subject", "object"):
                links.append((f"verb-{token.role}", verb, token))
        return Draft(tokens, links)

    def _token(self, marked: str) -> Token:
        text, pos, role = (*marked.split("/"), "", "")[:3]
        content = "ADJ" if text in self.adjectives else "PROPN" if text.istitle() else "NOUN"
        return Token(text, pos or _POS.get(text.lower(), content), role)


def third(verb: str) -> str:
    """Return the third person singular of a verb."""
    if re.search(r"(s|x|z|ch|sh|o)$", verb):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if re.search(r"[^aeiou]y$", verb) else f"{verb}s"


def regular_past(verb: str) -> str:
    """Return the past tense of a regular verb, which is also its participle."""
    if verb.endswith("e"):
        return f"{verb}d"
    return f"{verb[:-1]}ied" if re.search(r"[^aeiou]y$", verb) else f"{verb}ed"


def regular_plural(noun: str) -> str:
    """Return the regular plural of a noun."""
    return f"{noun}s" if noun.endswith("o") else third(noun)


@cache
def lexicon() -> Lexicon:
    """Read lexicon.yml; GrammarError for a word that is used and not declared."""
    data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    _check(data)
    return Lexicon(
        kinds={name: _kind(name, **entry) for name, entry in data.pop("kinds").items()},
        adjectives={name: entry or {} for name, entry in data.pop("adjectives").items()},
        nouns={
            name: Noun(name, **{"plural": regular_plural(name)} | entry) for name, entry in data.pop("nouns").items()
        },
        irregular=data.pop("verbs"),
        scenes={name: [*_actions(name, entry, list(data["times"]))] for name, entry in data.pop("scenes").items()},
        phrases=data,
    )


def _kind(name: str, adjectives: list[str], word: str = "", plural: str = "", said: bool = True) -> Kind:
    return Kind(word or name, plural or regular_plural(word or name), adjectives, said)


def _actions(scene: str, entry: dict[str, Any], times: list[str]) -> Iterator[Action]:
    for given in entry["actions"]:
        action = {"subjects": entry["people"], "places": entry["places"], "times": times} | given
        reversible = action["objects"] == "people"
        yield Action(scene, reversible=reversible, **action | ({"objects": action["subjects"]} if reversible else {}))


def _check(data: Mapping[str, Any]) -> None:
    scenes = data["scenes"].values()
    actions = [action for scene in scenes for action in scene["actions"]]
    people = [noun for part in (*scenes, *actions) for noun in part.get("people", part.get("subjects", ()))]
    things = [noun for action in actions if action["objects"] != "people" for noun in action["objects"]]
    used = {
        "nouns": [*people, *things],
        "kinds": [noun["kind"] for noun in data["nouns"].values()],
        "times": [group for action in actions for group in action.get("times", ())],
        "adjectives": [adjective for kind in data["kinds"].values() for adjective in kind["adjectives"]],
    }
    for section, words in used.items():
        for word in words:
            if word not in data[section]:
                raise GrammarError(
                    f"{FILE.name}: {word!r} is used but not listed under {section}; add a line for it there"
                )
