"""Opinions on films with a label, 1 for praise and 0 for blame: SST-2 of the pocket corpus.

Words and phrases are in opinions.yml. A phrase says which of its parts have the label's polarity (+) and which the
opposite one (-), so the construction decides the label: "{thing} is not {-adjective}".
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pocketgrammar.annotation import NEGATIONS
from pocketgrammar.events import IsMine, Writer
from pocketgrammar.lexicon import FUNCTION_WORDS, GrammarError, regular_past, third
from pocketgrammar.tokens import Draft, Token, comma, joined

FILE = Path(__file__).with_name("opinions.yml")
POLARITIES = ("negative", "positive")  # by label
FILM = "film"
PLURAL = {"is": "are", "was": "were", "does": "do"}
LATER = {"genre": FILM, "who": "I"}  # what is said the second time, instead of a word of the list
FILM_SHARE = 0.25  # of the opinions that can be on anything
GENERAL_SHARE = 0.2  # of the adjectives: those that go with everything
ADVERB_SHARE = 0.35
LASTING_SHARE = 0.3
OPENER_SHARE = 0.12
SHORTEST_LONG = 7  # letters of an adjective that is compared with "more"
ANY_ADJECTIVE, MILD = ("adjective", "epithet", "bare"), "mild"  # slots; "long" is that of a comparison with "more"
# Slots that are words of `opinions`: their list, their part of speech, their form.
FORMS: dict[str, tuple[str, str, Callable[[str], str]]] = {
    **{
        f"{name}{ending}": (name, "VERB", regular_past)
        for name, ending in (("move", "d"), ("stir", "red"), ("like", "d"))
    },
    **{name: (name, "VERB", str) for name in ("stir", "like", "work")},
    **{name: (name, "NOUN", str) for name in ("delight", "success", "quality")},
    **{name: (name, "ADJ", str) for name in ("grade", "promise")},
    "works": ("work", "VERB", third),
}


@cache
def vocabulary() -> dict[str, Any]:
    """Read opinions.yml."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@cache
def _known_pos() -> dict[str, str]:
    lists = [*FUNCTION_WORDS.items(), *vocabulary()["words"].items()]
    return {word: pos for pos, words in lists for word in words.split()}


class NoWordLeftError(Exception):
    """All words that would fit were said, or mean what was said: draw another opinion."""


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


@dataclass(frozen=True)
class Part:
    """A part of a phrase. Its head, the last token, may be a subject, an object or a verb; `lemma` finds its frame."""

    tokens: list[Token]
    lemma: str = ""
    is_plural: bool = False
    draft: Draft | None = None  # of a part that is a clause, which has no head

    @property
    def head(self) -> Token | None:
        """The word that plays a role."""
        return self.tokens[-1] if self.tokens else None


def opinion(generator: np.random.Generator, label: int, is_mine: IsMine) -> Draft:
    """Write an opinion, without its closing mark, whose proposition `is_mine` accepts.

    A proposition is the things and the opinion words in alphabetical order, whatever the construction:
    "charming|dull|plot". Raises GrammarError for a label other than 0 and 1.
    """
    if label not in (0, 1):
        raise GrammarError(f"an opinion's label is {label!r}; accepted: 0 (blame) and 1 (praise)")
    while True:
        speaker = Speaker(Writer(generator, is_mine))
        try:
            draft = speaker.opinion(label)
        except NoWordLeftError:
            continue
        if is_mine(speaker.proposition):
            return draft


@dataclass
class Speaker:
    """Says one opinion, and remembers what it was on and in which words, so that it does not repeat itself."""

    writer: Writer
    said: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    is_conceding: bool = False  # what is conceded is said without emphasis

    def __post_init__(self) -> None:
        self.genre = self.writer.choose(vocabulary()["lists"]["genre"])  # one opinion is on one film

    @property
    def proposition(self) -> str:
        """The words that were said, but for those that do not matter."""
        return "|".join(sorted(self.said))

    def opinion(self, label: int, construction: str = "") -> Draft:
        """Say an opinion, in any construction or in this one."""
        constructions = vocabulary()["constructions"]
        if not construction:
            shares = np.array([entry["share"] for entry in constructions.values()], float)
            construction = self.writer.generator.choice(list(constructions), p=shares / shares.sum())
        draft = self._say(constructions[construction], label, _groups("any"))
        if self.writer.chance(OPENER_SHARE):
            draft = Draft(self._listed("opener")) + comma() + draft
        return draft

    def clause(self, label: int, is_conceded: bool) -> Draft:
        """Say a clause on what was not spoken of yet; one that decides ("any") says it plainly."""
        # A film as a whole is no concession: "the film is dull, but the music is lovely" is no praise.
        free = [group for group in _groups("parts" if is_conceded else "any") if group not in self.groups]
        uses = ("any", "conceded") if is_conceded else ("any",)
        clauses = [entry for entry in vocabulary()["constructions"].values() if entry.get("clause") in uses]
        possible = [entry for entry in clauses if set(free) & set(_groups(entry["about"]))]
        self.is_conceding = is_conceded
        draft = self._say(self.writer.choose(possible), label, free)
        self.is_conceding = False
        return draft

    def _say(self, construction: dict[str, Any], label: int, allowed: Sequence[str]) -> Draft:
        thing = self._thing([group for group in _groups(construction["about"]) if group in allowed])
        phrases = construction.get("say", []) + construction.get("praise" if label else "blame", [])
        return self._read(self.writer.choose(phrases), label, thing)

    def _read(self, phrase: str, label: int, thing: Thing) -> Draft:
        """Turn a phrase into tokens, with the links and the frames of its verb."""
        parts, roles, is_plural = [], [], False
        for marked in phrase.split():
            if marked[0] == "{":
                slot, _, role = marked[1:].partition("}")
                part, role = self._slot(slot, label, thing, is_plural), role[1:]
                is_plural = part.is_plural or (is_plural and "thing" not in slot)
            else:
                text, pos, role = (*marked.split("/"), "", "")[:3]
                token = _token(text, pos)
                token.text = PLURAL.get(text, text) if is_plural else text
                part = Part([token])
            parts.append(part)
            roles.append(role)
        return joined([*(part.draft or Draft(part.tokens) for part in parts), _links(parts, roles)])

    def _slot(self, slot: str, label: int, thing: Thing, is_plural: bool) -> Part:
        """Fill a slot such as "+adjective"."""
        name, words = slot.lstrip("+-"), vocabulary()
        label = 1 - label if slot[0] == "-" else label
        if name == "clause":
            return Part([], draft=self.clause(label, is_conceded=slot[0] == "-"))
        if name in words["phrases"]:
            return Part([], draft=self._read(self.writer.choose(words["phrases"][name]), label, thing))
        if name in words["lists"]:
            is_empty = name == "always" and not (thing.entry.get("lasts") and self.writer.chance(LASTING_SHARE))
            return Part([] if is_empty else self._listed(name))
        if name in FORMS:
            return self._opinion_word(name, label, is_plural)
        if name in NOUN_PHRASES:
            return NOUN_PHRASES[name](self, label, thing)
        return self._adjective(name, label, thing)

    def _adjective(self, name: str, label: int, thing: Thing) -> Part:
        """An adjective that goes with the thing; "adjective" may bring an adverb along."""
        polarity, words = POLARITIES[label], vocabulary()
        slot = MILD if self.is_conceding else name
        own, general = (
            [text for text in self._unsaid(options) if _fits(text, slot)]
            for options in (thing.entry[polarity], words["all"][polarity])
        )
        is_specific = bool(self.said & set(words["all"][polarity])) or not self.writer.chance(GENERAL_SHARE)
        text = self._new(own if own and (is_specific or not general) else general)
        tokens = [Token(text, "ADJ")]
        if name in ("adjective", "epithet") and not self.is_conceding and self.writer.chance(ADVERB_SHARE):
            degree = "extreme" if text in words["extreme"] else polarity
            fitting = words["adverbs"][degree]
            fitting = fitting + words["adverbs"][f"{degree} predicate"] if name == "adjective" else fitting
            tokens = _tokens(self.writer.choose(fitting), "ADV") + tokens
        return Part(tokens, text)

    def _opinion_word(self, name: str, label: int, is_plural: bool) -> Part:
        kind, pos, form = FORMS[name]
        words = vocabulary()["opinions"][kind][POLARITIES[label]]
        text = self._new(word for word in words if not self.is_conceding or _fits(word, MILD))
        form = str if is_plural and form is third else form
        return Part([Token(form(text), pos)], text)

    def _whole(self, label: int, thing: Thing) -> Part:
        """The thing, as a noun phrase: "the plot", "its plot", "the plot of this comedy"."""
        is_first = not self.groups
        self._speak_of(thing)
        if thing.group == FILM:
            return Part([_token(self.writer.choose(("the", "this"))), *self._listed("genre")])
        # "its" is the film's as long as nothing else was spoken of.
        framings = ["the {}", "the {}", "its {}" if is_first else "the {}"]
        if "genre" not in self.listed:
            framings += [f"the {{}} {thing.entry['of']} this {self.genre}", f"the {self.genre} 's/PART {{}}"]
        framing = self.writer.choose(framings)
        self.listed |= {"genre"} if self.genre in framing else set()
        before, tokens, after = map(_tokens, framing.replace("{}", f"|{thing.text}|").split("|"))
        # The head is the thing, whatever follows it.
        return Part(tokens, is_plural=thing.is_plural, draft=Draft(before + tokens + after))

    def _another(self, label: int, thing: Thing) -> Part:
        """Another thing of the group, to which the same adjectives apply."""
        other = Thing(thing.group, self._new(thing.entry["words"]))
        return Part([_token("the"), *_tokens(other.text)], is_plural=other.is_plural)

    def _described(self, label: int, thing: Thing) -> Part:
        """A part of the film with an adjective: "its very dull plot"."""
        part = self._thing([group for group in _groups("parts") if group not in self.groups | {"makers"}])
        article = self.writer.choose(("its", "the")) if self.groups <= {FILM} else "the"
        self._speak_of(part)
        return Part([_token(article), *self._adjective("epithet", label, part).tokens, *_tokens(part.text)])

    def _listed(self, name: str) -> list[Token]:
        text = self.genre if name == "genre" else self.writer.choose(vocabulary()["lists"][name])
        text = LATER.get(name, text) if name in self.listed else text
        self.listed.add(name)
        return _tokens(text)

    def _speak_of(self, thing: Thing) -> None:
        self.groups.add(thing.group)
        self.said.add(thing.text)

    def _thing(self, groups: Sequence[str]) -> Thing:
        is_film = FILM in groups and (len(groups) == 1 or self.writer.chance(FILM_SHARE))
        group = FILM if is_film else self.writer.choose([group for group in groups if group != FILM])
        return Thing(group, self.writer.choose(vocabulary()["things"][group]["words"]))

    def _new(self, words: Iterable[str]) -> str:
        """Choose a word that was not said yet, and say it."""
        possible = self._unsaid(words)
        if not possible:
            raise NoWordLeftError
        chosen = self.writer.choose(possible)
        self.said.add(chosen)
        return chosen

    def _unsaid(self, words: Iterable[str]) -> list[str]:
        """Those of the words that neither were said nor mean what was said."""
        same = {word for line in vocabulary()["same"] if not self.said.isdisjoint(line) for word in line}
        return [word for word in words if word not in self.said | same]


NOUN_PHRASES = {"thing": Speaker._whole, "another": Speaker._another, "part": Speaker._described}


def _groups(name: str | Sequence[str]) -> list[str]:
    """Return groups of things by a name that stands for several, or one by one."""
    every = list(vocabulary()["things"])
    named = {"any": every, "parts": [group for group in every if group != FILM], FILM: [FILM]}
    return named[name] if isinstance(name, str) else list(name)


def _tokens(text: str, default: str = "NOUN") -> list[Token]:
    """Read words such as "young/ADJ audiences"."""
    return [_token(*(*marked.split("/"), "")[:2], default) for marked in text.split()]


def _token(text: str, pos: str = "", default: str = "NOUN") -> Token:
    """Make a token: a word that is not marked has the part of speech that it always has, or else the default."""
    return Token(text, pos or _known_pos().get(text, default), "negation" if text in NEGATIONS else "")


def _fits(adjective: str, slot: str) -> bool:
    """Whether an adjective may fill a slot."""
    if slot in ANY_ADJECTIVE:
        return True
    is_mild = adjective not in vocabulary()["extreme"]
    return is_mild and (slot == MILD or (len(adjective) >= SHORTEST_LONG and adjective[-1] != "y"))


def _links(parts: Sequence[Part], roles: Sequence[str]) -> Draft:
    """Give parts their roles; link them to the phrase's verb, which is a copula where there is no other."""
    draft, played = Draft(), {}
    heads = [part.head for part in parts if part.head]
    verbs = [head for head in heads if head.pos == "VERB"] or [head for head in reversed(heads) if head.pos == "AUX"]
    for part, role in zip(parts, roles, strict=True):
        if role in ("subject", "object"):
            part.head.role = role
            played[role] = (part.draft or Draft(part.tokens)).tokens
            draft.links.append((f"verb-{role}", verbs[0], part.head))
    for part, role in zip(parts, roles, strict=True):
        for name, frame in vocabulary()["frames"].items():
            if role == "target" and part.lemma in frame["words"]:
                elements = {frame[role]: tokens for role, tokens in played.items() if role in frame}
                draft.frames.append((name, part.head, elements))
    return draft
