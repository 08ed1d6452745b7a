"""Opinions on films with a label, 1 for praise and 0 for blame: SST-2 of the pocket corpus.

Words and phrases are in opinions.yml. A phrase says which of its parts have the label's polarity (+) and which the
opposite one (-), so the construction decides the label: "{thing} is not {-adjective}".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pocketgrammar.events import IsMine, Writer
from pocketgrammar.lexicon import GrammarError
from pocketgrammar.opinion_words import (
    ADJECTIVES,
    FILM,
    INFLECTIONS,
    Thing,
    groups,
    token_of,
    tokens_of,
    vocabulary,
)
from pocketgrammar.tokens import Draft, Token, comma, joined

POLARITIES = ("negative", "positive")  # by label
PLURAL = {"is": "are", "was": "were", "does": "do"}
LATER = {"genre": FILM, "who": "I"}  # what is said the second time, instead of a word of the list
FILM_SHARE = 0.25  # of the opinions that can be on anything
GENERAL_SHARE = 0.2  # of the adjectives: those that go with everything
ADVERB_SHARE = 0.35
LASTING_SHARE = 0.3
OPENER_SHARE = 0.12


class NoWordLeftError(Exception):
    """All words that would fit were said, or mean what was said: draw another opinion."""


@dataclass(frozen=True)
class Part:
    """A part of a phrase. Its head is the word that is a subject, an object or a verb; `lemma` finds a head's frame."""

    draft: Draft
    head: Token | None = None
    lemma: str = ""
    is_plural: bool = False


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
        draft = self._say(constructions[construction], label, groups("any"))
        if self.writer.chance(OPENER_SHARE):
            draft = Draft(self._listed("opener")) + comma() + draft
        return draft

    def clause(self, label: int, is_conceded: bool) -> Draft:
        """Say a clause on what was not spoken of yet; one that decides ("any") says it plainly."""
        # A film as a whole is no concession: "the film is dull, but the music is lovely" is no praise.
        free = [group for group in groups("parts" if is_conceded else "any") if group not in self.groups]
        uses = ("any", "conceded") if is_conceded else ("any",)
        clauses = [entry for entry in vocabulary()["constructions"].values() if entry.get("clause") in uses]
        possible = [entry for entry in clauses if set(free) & set(groups(entry["about"]))]
        self.is_conceding = is_conceded
        draft = self._say(self.writer.choose(possible), label, free)
        self.is_conceding = False
        return draft

    def _say(self, construction: dict[str, Any], label: int, allowed: Sequence[str]) -> Draft:
        thing = self._thing([group for group in groups(construction["about"]) if group in allowed])
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
                token = token_of(text, pos)
                token.text = PLURAL.get(text, text) if is_plural else text
                part = Part(Draft([token]), token)
            parts.append(part)
            roles.append(role)
        return joined([*(part.draft for part in parts), _links(parts, roles)])

    def _slot(self, slot: str, label: int, thing: Thing, is_plural: bool) -> Part:
        """Fill a slot such as "+adjective"."""
        name = slot.lstrip("+-")
        label = 1 - label if slot[0] == "-" else label
        if name == "clause":
            return Part(self.clause(label, is_conceded=slot[0] == "-"))
        if name in vocabulary()["phrases"]:
            return Part(self._read(self.writer.choose(vocabulary()["phrases"][name]), label, thing))
        if name in vocabulary()["lists"]:
            is_empty = name == "always" and not (thing.entry.get("lasts") and self.writer.chance(LASTING_SHARE))
            tokens = [] if is_empty else self._listed(name)
            return Part(Draft(tokens), tokens[-1] if tokens else None)
        if name in ADJECTIVES:
            return self._adjective(name, label, thing)
        if name in FORMS:
            return self._opinion_word(name, label, is_plural)
        return NOUN_PHRASES[name](self, label, thing)

    def _adjective(self, name: str, label: int, thing: Thing) -> Part:
        """An adjective that goes with the thing; "adjective" may bring an adverb along."""
        polarity = POLARITIES[label]
        fits = ADJECTIVES["mild" if self.is_conceding else name]
        own, general = (
            [text for text in self._unsaid(words) if fits(text)]
            for words in (thing.entry[polarity], vocabulary()["all"][polarity])
        )
        is_specific = bool(self.said & set(vocabulary()["all"][polarity])) or not self.writer.chance(GENERAL_SHARE)
        text = self._new(own if own and (is_specific or not general) else general)
        tokens = [Token(text, "ADJ")]
        if name in ("adjective", "epithet") and not self.is_conceding and self.writer.chance(ADVERB_SHARE):
            adverbs, degree = vocabulary()["adverbs"], "extreme" if text in vocabulary()["extreme"] else polarity
            fitting = adverbs[degree] + (adverbs[f"{degree} predicate"] if name == "adjective" else [])
            tokens = tokens_of(self.writer.choose(fitting), "ADV") + tokens
        return Part(Draft(tokens), tokens[-1], text)

    def _opinion_word(self, name: str, label: int, is_plural: bool) -> Part:
        kind, pos, form = FORMS[name]
        words = vocabulary()["opinions"][kind][POLARITIES[label]]
        text = self._new(word for word in words if not (self.is_conceding and word in vocabulary()["extreme"]))
        head = Token(INFLECTIONS[form](text, is_plural), pos)
        return Part(Draft([head]), head, text)

    def _whole(self, label: int, thing: Thing) -> Part:
        """The thing, as a noun phrase: "the plot", "its plot", "the plot of this comedy"."""
        is_first = not self.groups
        self._speak_of(thing)
        if thing.group == FILM:
            tokens = [token_of(self.writer.choose(("the", "this"))), *self._listed("genre")]
            return Part(Draft(tokens), tokens[-1])
        # "its" is the film's as long as nothing else was spoken of.
        framings = ["the {}", "the {}", "its {}" if is_first else "the {}"]
        if "genre" not in self.listed:
            framings += [f"the {{}} {thing.entry['of']} this {self.genre}", f"the {self.genre} 's/PART {{}}"]
        framing = self.writer.choose(framings)
        self.listed |= {"genre"} if self.genre in framing else set()
        before, tokens, after = map(tokens_of, framing.replace("{}", f"|{thing.text}|").split("|"))
        return Part(Draft(before + tokens + after), tokens[-1], is_plural=thing.is_plural)

    def _another(self, label: int, thing: Thing) -> Part:
        """Another thing of the group, to which the same adjectives apply."""
        other = Thing(thing.group, self._new(thing.entry["words"]))
        tokens = [token_of("the"), *tokens_of(other.text)]
        return Part(Draft(tokens), tokens[-1], is_plural=other.is_plural)

    def _described(self, label: int, thing: Thing) -> Part:
        """A part of the film with an adjective: "its very dull plot"."""
        part = self._thing([group for group in groups("parts") if group not in self.groups | {"makers"}])
        article = self.writer.choose(("its", "the")) if self.groups <= {FILM} else "the"
        self._speak_of(part)
        tokens = [*self._adjective("epithet", label, part).draft.tokens, *tokens_of(part.text)]
        return Part(Draft([token_of(article), *tokens]), tokens[-1])

    def _listed(self, name: str) -> list[Token]:
        text = self.genre if name == "genre" else self.writer.choose(vocabulary()["lists"][name])
        text = LATER.get(name, text) if name in self.listed else text
        self.listed.add(name)
        return tokens_of(text)

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


def _links(parts: Sequence[Part], roles: Sequence[str]) -> Draft:
    """Give parts their roles; link them to the phrase's verb, which is a copula where there is no other."""
    draft, played = Draft(), {}
    heads = [part.head for part in parts if part.head]
    verbs = [head for head in heads if head.pos == "VERB"] or [head for head in reversed(heads) if head.pos == "AUX"]
    for part, role in zip(parts, roles, strict=True):
        if role in ("subject", "object"):
            part.head.role = role
            played[role] = part.draft.tokens
            draft.links.append((f"verb-{role}", verbs[0], part.head))
    for part, role in zip(parts, roles, strict=True):
        for name, frame in vocabulary()["frames"].items():
            if role == "target" and part.lemma in frame["words"]:
                elements = {frame[role]: tokens for role, tokens in played.items() if role in frame}
                draft.frames.append((name, part.head, elements))
    return draft


# Slots that are words of `opinions`: their list, their part of speech, their form.
FORMS = {
    **{f"{name}{ending}": (name, "VERB", "past") for name, ending in (("move", "d"), ("stir", "red"), ("like", "d"))},
    **{name: (name, "VERB", "plain") for name in ("stir", "like", "work")},
    **{name: (name, "NOUN", "plain") for name in ("delight", "success", "quality")},
    **{name: (name, "ADJ", "plain") for name in ("grade", "promise")},
    "works": ("work", "VERB", "present"),
}
NOUN_PHRASES = {"thing": Speaker._whole, "another": Speaker._another, "part": Speaker._described}
