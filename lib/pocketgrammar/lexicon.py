"""The words of the pocket corpus: lexicon.yml, read and checked, and the few rules of inflection that it needs."""

import re
from collections.abc import Mapping
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
    """What people of a scene do to things (or to each other: `objects` are then the scene's people)."""

    scene: str
    verb: str
    synonym: str | None
    opposite: str | None
    frame: tuple[str, str, str]  # name, element of the subject, element of the object
    objects: tuple[str, ...]
    manner: tuple[str, ...]
    reversible: bool
    subjects: tuple[str, ...]  # who does it, where
    places: tuple[str, ...]
    times: tuple[str, ...]  # the groups of times that fit
    is_general: bool  # whether one would ask why people do it


@dataclass(frozen=True)
class Scene:
    """People, what they do, and where."""

    name: str
    people: tuple[str, ...]
    places: tuple[str, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Kind:
    """What nouns have in common: a word for it, its plural, and adjectives that go with all of them."""

    word: str
    plural: str
    adjectives: tuple[str, ...]
    is_said: bool  # whether the word may stand for its nouns


@dataclass(frozen=True)
class Lexicon:
    """Everything in lexicon.yml, by name."""

    kinds: Mapping[str, Kind]
    adjectives: Mapping[str, Mapping[str, str]]
    nouns: Mapping[str, Noun]
    irregular: Mapping[str, tuple[str, str]]
    scenes: Mapping[str, Scene]
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

    def phrase(self, text: str, **slots: Token) -> Draft:
        """Read a phrase such as "because {she} was/AUX tired/ADJ" into tokens; slots are filled with tokens.

        A pronoun in subject form, or "who", is the subject of the phrase's verb; `word/POS/object` is its object.
        """
        tokens = [slots[word[1:-1]] if word[0] == "{" else self._token(word) for word in text.split()]
        verb = next((token for pos in ("VERB", "AUX") for token in tokens if token.pos == pos), None)
        links = []
        for token in tokens:
            if token.text in ("she", "he", "they", "who") and verb is not None:
                token.role = "subject"
            if token.role in ("subject", "object") and verb is not None:
                links.append((f"verb-{token.role}", verb, token))
        return Draft(tokens, links)

    def _token(self, marked: str) -> Token:
        text, pos, role = (*marked.split("/"), "", "")[:3]
        if not pos:
            content = "ADJ" if text in self.adjectives else "PROPN" if text.istitle() else "NOUN"
            pos = _POS.get(text.lower()) or content
        return Token(text, pos, role)


def third(verb: str) -> str:
    """Return the third person singular of a verb."""
    if re.search(r"(s|x|z|ch|sh|o)$", verb):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if re.search(r"[^aeiou]y$", verb) else f"{verb}s"


def regular_plural(noun: str) -> str:
    """Return the regular plural of a noun."""
    return third(noun) if not noun.endswith("o") else f"{noun}s"


@cache
def lexicon() -> Lexicon:
    """Read lexicon.yml; GrammarError for a word that is used and not declared."""
    data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    kinds = {name: _kind(name, **(entry or {})) for name, entry in data.pop("kinds").items()}
    nouns = {name: Noun(name, **_counted(name, entry)) for name, entry in data.pop("nouns").items()}
    scenes = {name: _scene(name, entry, tuple(data["times"])) for name, entry in data.pop("scenes").items()}
    adjectives = {name: entry or {} for name, entry in data.pop("adjectives").items()}
    irregular = {verb: tuple(forms) for verb, forms in data.pop("verbs").items()}
    found = Lexicon(kinds, adjectives, nouns, irregular, scenes, data)
    _check(found)
    return found


def _kind(name: str, adjectives: list[str], word: str = "", plural: str = "", said: bool = True) -> Kind:
    return Kind(word or name, plural or regular_plural(word or name), tuple(adjectives), said)


def _counted(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {"plural": regular_plural(name)} | entry


def _scene(name: str, entry: dict[str, Any], times: tuple[str, ...]) -> Scene:
    people, places = tuple(entry["people"]), tuple(entry["places"])
    actions = []
    for action in entry["actions"]:
        reversible = action["objects"] == "people"
        actions.append(
            Action(
                name,
                action["verb"],
                action.get("synonym"),
                action.get("opposite"),
                tuple(action["frame"]),
                tuple(action.get("subjects", people)) if reversible else tuple(action["objects"]),
                tuple(action["manner"]),
                reversible,
                tuple(action.get("subjects", people)),
                tuple(action.get("places", places)),
                tuple(action.get("times", times)),
                action.get("general", True),
            )
        )
    return Scene(name, people, places, tuple(actions))


def _check(found: Lexicon) -> None:
    used = {noun for scene in found.scenes.values() for noun in scene.people}
    actions = [action for scene in found.scenes.values() for action in scene.actions]
    used |= {noun for action in actions for noun in (*action.subjects, *action.objects)}
    for word, known, section in (
        *((noun, found.nouns, "nouns") for noun in sorted(used)),
        *((noun.kind, found.kinds, "kinds") for noun in found.nouns.values()),
        *((group, found.phrases["times"], "times") for action in actions for group in action.times),
        *(
            (adjective, found.adjectives, "adjectives")
            for kind in found.kinds.values()
            for adjective in kind.adjectives
        ),
    ):
        if word not in known:
            raise GrammarError(f"{FILE.name}: {word!r} is used but not listed under {section}; add a line for it there")


def regular_past(verb: str) -> str:
    """Return the past tense of a regular verb, which is also its participle."""
    if verb.endswith("e"):
        return f"{verb}d"
    return f"{verb[:-1]}ied" if re.search(r"[^aeiou]y$", verb) else f"{verb}ed"
