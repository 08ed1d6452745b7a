"""What a sentence says, apart from how it says it: who did what to what, where, when, how.

An event is drawn from one scene of the lexicon, so that its parts go together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pocketgrammar.lexicon import Action, Kind, Noun, lexicon

COUNTS = ("two", "three", "four", "five", "six")
NEGATED = 0.4  # share of negated events in pairs, so that a negation in one sentence alone tells nothing
HABITS = ("every day", "every week", "every month", "every morning", "every evening", "every year")
HABITUAL = 0.15  # share of what people do to each other; other deeds are rarely done every day
DETAILS = ("place", "time", "manner", "object adjective", "subject adjective", "count", "modifier", "relative", "tail")
IsMine = Callable[[str], bool]


@dataclass(frozen=True)
class Thing:
    """A person or a thing as an event speaks of it."""

    noun: str
    name: str = ""  # a proper name, which is then written instead of the noun
    article: str = "the"  # or "a", a number, or nothing for things in general
    is_plural: bool = False
    adjective: str = ""
    modifier: str = ""  # a phrase after the noun
    relative: str = ""  # a relative clause
    pronoun: str = ""
    general: bool = False  # written as the word for its kind: "vehicle" for "truck"

    @property
    def entry(self) -> Noun:
        """The noun in the lexicon."""
        return lexicon().nouns[self.noun]

    @property
    def kind(self) -> Kind:
        """The kind of its noun."""
        return lexicon().kinds[self.entry.kind]

    @property
    def label(self) -> str:
        """The word that it is known by."""
        return self.name or (self.kind.word if self.general else self.noun)


@dataclass(frozen=True)
class Event:
    """Somebody did something to something; all else may be left out."""

    action: Action
    verb: str  # the action's verb, or its opposite
    subject: Thing
    object: Thing
    place: str = ""
    time: str = ""
    manner: str = ""
    tail: str = ""
    negated: bool = False
    is_habit: bool = False  # present tense

    @property
    def proposition(self) -> str:
        """What decides to which split the event belongs: its action and its two parties, in whichever roles."""
        return "|".join((self.action.verb, *sorted((self.subject.label, self.object.label))))

    def with_(self, **changes: Any) -> "Event":
        """Return a copy with changes."""
        return replace(self, **changes)

    def with_party(self, part: str, **changes: Any) -> "Event":
        """Return a copy with changes of its subject or object."""
        return replace(self, **{part: replace(getattr(self, part), **changes)})


@dataclass(frozen=True)
class Writer:
    """Where chance comes from, and which propositions may be used: those of one split."""

    generator: np.random.Generator
    is_mine: IsMine

    def choose(self, options: Sequence[Any]) -> Any:
        """Choose one."""
        return options[int(self.generator.integers(len(options)))]

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return bool(self.generator.random() < probability)

    def some(self, options: Sequence[Any], n: int) -> list[Any]:
        """Choose `n` different ones."""
        return [options[index] for index in self.generator.permutation(len(options))[:n]]

    def event(self, n_details: int = 2, reversible: bool | None = None) -> Event:
        """Draw an event with about this many details; `reversible` asks for two people, or for none as object."""
        event = None
        while event is None or not self.is_mine(event.proposition):
            event = self._bare(reversible)
        if self.chance(HABITUAL) and event.action.reversible:
            event = event.with_(is_habit=True, time=self.choose(HABITS))
        for detail in self.some(DETAILS, len(DETAILS))[: 2 * n_details]:
            if n_details == 0:
                break
            changed = self.add(event, detail)
            n_details -= changed != event
            event = changed
        return event

    def add(self, event: Event, detail: str) -> Event:
        """Add a detail of `DETAILS`, or return the event as it is where it cannot have that one."""
        subject, thing, phrases, action = event.subject, event.object, lexicon().phrases, event.action
        if detail == "place" and not event.place and action.places:
            return event.with_(place=self.choose(action.places))
        if detail == "time" and not event.time and action.times:
            return event.with_(time=self.choose(phrases["times"][self.choose(action.times)]))
        if detail == "manner" and not event.manner and action.manner and not event.negated:
            return event.with_(manner=self.choose(action.manner))
        if detail.endswith(" adjective"):
            part = detail.removesuffix(" adjective")
            party = getattr(event, part)
            if not party.adjective and not party.name:
                return event.with_party(part, adjective=self.choose(party.kind.adjectives))
        is_plain = not (action.reversible or event.negated)
        can_count = thing.entry.plural and thing.article == "the" and is_plain and action.times
        if detail == "count" and can_count and not event.is_habit:
            return event.with_party("object", article=self.choose(COUNTS), is_plural=True)
        if subject.name or subject.modifier or subject.relative or event.is_habit:
            return event
        if detail == "modifier" and not subject.is_plural:
            return event.with_party("subject", modifier=self.filled(self.choose(phrases["modifiers"])))
        if detail == "relative":
            return event.with_party("subject", relative=self.choose(phrases["relatives"]))
        if detail == "tail" and "days" in action.times and is_plain and not event.tail:
            return event.with_(tail=self.choose(phrases["tails"]))
        return event

    def filled(self, modifier: str) -> str:
        """Put a city into a phrase such as "from {city}"."""
        return modifier.replace("{city}", self.choose(lexicon().phrases["names"]["cities"]))

    def person(self, noun: str) -> Thing:
        """Draw a person, sometimes by name, sometimes several."""
        entry, names = lexicon().nouns[noun], lexicon().phrases["names"]
        pronoun = entry.pronoun or self.choose(("she", "he"))
        if self.chance(0.25):
            name = self.choose(names["women" if pronoun == "she" else "men"])
            surname = f" {self.choose(names['surnames'])}" if self.chance(0.4) else ""
            return Thing(noun, name=name + surname, pronoun=pronoun)
        if self.chance(0.12) and not entry.pronoun:
            return Thing(noun, is_plural=True, pronoun="they")
        return Thing(noun, pronoun=pronoun)

    def _bare(self, reversible: bool | None) -> Event:
        """Draw an event without details, whose parties differ."""
        while True:
            scene = self.choose(list(lexicon().scenes.values()))
            actions = [action for action in scene if reversible in (None, action.reversible)]
            if not actions:
                continue
            action = self.choose(actions)
            subject, noun = self.choose(action.subjects), self.choose(action.objects)
            if noun == subject:
                continue
            actor = self.person(subject)
            if action.reversible:
                thing = self.person(noun)
                if thing.name and thing.name.split()[0] == actor.name.split(" ")[0]:
                    continue
            else:
                is_counted = lexicon().nouns[noun].plural is not None
                thing = Thing(noun, pronoun="it", article="a" if is_counted and self.chance(0.25) else "the")
            return Event(action, action.verb, actor, thing)
