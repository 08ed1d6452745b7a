"""Edits of an event's meaning: what each does to the truth of a sentence, and how far it moves the meaning.

`effect` is what the first event says of the second: it entails it (weaker), rules it out (contrary), or leaves it open
(open). `cost` is what the edit takes off the similarity score of STS-B, out of 5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pocketgrammar.events import COUNTS, Event, Thing, Writer
from pocketgrammar.lexicon import Action, lexicon

EditFunction = Callable[[Event, Writer], Event]


@dataclass(frozen=True)
class Edit:
    """One way to change an event; `apply` returns the event itself where there is nothing to change."""

    name: str
    part: str  # what it is about, so that nothing is edited twice
    effect: str  # weaker, contrary, open
    cost: float
    apply: EditFunction


def _without(field: str) -> EditFunction:
    return lambda event, writer: event if event.is_habit and field == "time" else event.with_(**{field: ""})


def _plainer(part: str, field: str) -> EditFunction:
    return lambda event, writer: event.with_party(part, **{field: ""})


def _more_general(event: Event, writer: Writer) -> Event:
    thing = event.object
    can_be = thing.kind.word != thing.noun and thing.kind.is_said and thing.entry.plural
    return event.with_party("object", general=True) if can_be and not (thing.name or event.action.reversible) else event


def _negated(event: Event, writer: Writer) -> Event:
    return event.with_(negated=False) if event.negated else negation(event) or event


def negation(event: Event) -> Event | None:
    """Negate an event; None where that would read badly or be true in two ways ("did not buy three cars")."""
    if event.tail or event.is_habit or event.object.article in COUNTS:
        return None
    # "Did not quickly buy" would be read as buying slowly, and "did not buy a car" as buying none at all; what did not
    # happen did not happen at noon.
    thing = event.object if event.object.article != "a" else replace(event.object, article="the")
    time = "" if any(event.time in lexicon().phrases["times"][group] for group in ("parts", "hours")) else event.time
    return event.with_(negated=True, manner="", time=time, object=thing)


def _opposite_verb(event: Event, writer: Writer) -> Event:
    if not event.action.opposite or event.negated:
        return event
    return event.with_(verb=event.action.opposite if event.verb == event.action.verb else event.action.verb)


def _negated_opposite(event: Event, writer: Writer) -> Event:
    changed = _opposite_verb(event, writer)
    return event if changed == event else negation(changed) or event


def _opposite_adjective(event: Event, writer: Writer) -> Event:
    opposite = lexicon().adjectives.get(event.object.adjective, {}).get("opposite")
    return event.with_party("object", adjective=opposite) if opposite else event


def _other_count(event: Event, writer: Writer) -> Event:
    count = event.object.article
    return event.with_party("object", article=_another(count, COUNTS, writer)) if count in COUNTS else event


def _other_time(event: Event, writer: Writer) -> Event:
    for group in lexicon().phrases["times"].values():
        if event.time in group:
            return event.with_(time=_another(event.time, group, writer))
    return event


def _other_place(event: Event, writer: Writer) -> Event:
    places = event.action.places
    return event.with_(place=_another(event.place, places, writer)) if event.place and len(places) > 1 else event


def _other_object(event: Event, writer: Writer) -> Event:
    noun = _other_noun(event, event.object, [one for one in event.action.objects if _fits(one, event.object)], writer)
    if not noun:
        return event
    if event.object.name:
        return event.with_(object=_renamed(event.object, noun, writer))
    is_plural = event.object.is_plural if event.object.article else lexicon().nouns[noun].plural is not None
    return event.with_party("object", noun=noun, is_plural=is_plural, adjective=_kept_adjective(event.object, noun))


def _other_subject(event: Event, writer: Writer) -> Event:
    subject = event.subject
    noun = _other_noun(event, subject, event.action.subjects, writer)
    if not noun:
        return event
    if subject.name:
        return event.with_(subject=_renamed(subject, noun, writer))
    pronoun = "they" if subject.is_plural else lexicon().nouns[noun].pronoun or subject.pronoun
    return event.with_party("subject", noun=noun, adjective=_kept_adjective(subject, noun), pronoun=pronoun)


def _other_noun(event: Event, thing: Thing, nouns: Sequence[str], writer: Writer) -> str:
    """Choose a noun that is neither party and means something else than `thing`; an empty one where there is none."""
    taken = (event.subject.noun, event.object.noun)
    options = [noun for noun in nouns if noun not in taken and not _alike(noun, thing.noun)]
    return writer.choose(options) if options else ""


def _swapped(event: Event, writer: Writer) -> Event:
    if not event.action.reversible or event.subject.modifier or event.subject.relative or event.tail:
        return event
    return event.with_(subject=event.object, object=event.subject)


def _other_verb(event: Event, writer: Writer) -> Event:
    taken = (event.action.verb, event.action.synonym, event.action.opposite)
    options = [
        action
        for action in lexicon().scenes[event.action.scene]
        if action.verb not in taken and action.synonym not in taken and _can_be_of(event, action)
    ]
    if not options:
        return event
    action = writer.choose(options)
    return event.with_(action=action, verb=action.verb, manner=writer.choose(action.manner) if event.manner else "")


def _can_be_of(event: Event, action: Action) -> bool:
    """Whether an event's parts fit another action too."""
    times = [time for group in action.times for time in lexicon().phrases["times"][group]]
    return (
        event.object.noun in action.objects
        and event.subject.noun in action.subjects
        and event.place in ("", *action.places)
        and event.time in ("", *times)
    )


def _added(detail: str) -> EditFunction:
    return lambda event, writer: writer.add(event, detail)


# fmt: off
_TABLE = (
    Edit("place dropped", "place", "weaker", 0.6, _without("place")),
    Edit("time dropped", "time", "weaker", 0.6, _without("time")),
    Edit("manner dropped", "manner", "weaker", 0.4, _without("manner")),
    Edit("clause dropped", "tail", "weaker", 0.8, _without("tail")),
    Edit("object's adjective dropped", "object adjective", "weaker", 0.4, _plainer("object", "adjective")),
    Edit("subject's adjective dropped", "subject adjective", "weaker", 0.4, _plainer("subject", "adjective")),
    Edit("subject's modifier dropped", "subject modifier", "weaker", 0.5, _plainer("subject", "modifier")),
    Edit("subject's clause dropped", "subject modifier", "weaker", 0.6, _plainer("subject", "relative")),
    Edit("kind for thing", "object", "weaker", 0.8, _more_general),
    Edit("opposite verb negated", "verb", "weaker", 1.4, _negated_opposite),
    Edit("negated", "verb", "contrary", 2.4, _negated),
    Edit("opposite verb", "verb", "contrary", 2.2, _opposite_verb),
    Edit("opposite adjective", "object adjective", "contrary", 1.4, _opposite_adjective),
    Edit("other count", "object", "contrary", 1.2, _other_count),
    Edit("other time", "time", "contrary", 1.2, _other_time),
    Edit("other place", "place", "open", 1.2, _other_place),
    Edit("other object", "object", "open", 2.0, _other_object),
    Edit("other subject", "subject", "open", 1.8, _other_subject),
    Edit("parties swapped", "subject", "open", 1.6, _swapped),
    Edit("other verb", "verb", "open", 2.4, _other_verb),
    Edit("place added", "place", "open", 0.6, _added("place")),
    Edit("time added", "time", "open", 0.6, _added("time")),
    Edit("manner added", "manner", "open", 0.4, _added("manner")),
    Edit("adjective added", "object adjective", "open", 0.4, _added("object adjective")),
    Edit("clause added", "tail", "open", 0.8, _added("tail")),
)
# fmt: on
EDITS = {edit.name: edit for edit in _TABLE}
WEAKENING = tuple(name for name, edit in EDITS.items() if edit.effect == "weaker" and name != "opposite verb negated")
CONTRARY = tuple(name for name, edit in EDITS.items() if edit.effect == "contrary")
OTHER = ("other place", "other object", "other subject", "other verb", "parties swapped")
NEGATION = ("negated",)
ADDING = tuple(name for name in EDITS if name.endswith("added"))


def chosen(event: Event, names: Sequence[str], writer: Writer) -> tuple[str, Event] | None:
    """Apply one of the edits, chosen among those that change the event and keep it in its split; None without any."""
    for name in writer.some(names, len(names)):
        changed = EDITS[name].apply(event, writer)
        if changed != event and writer.is_mine(changed.proposition):
            return name, changed
    return None


def applicable(event: Event, names: Sequence[str], writer: Writer) -> Event | None:
    """Return the event that `chosen` gives, without the edit's name."""
    found = chosen(event, names, writer)
    return found[1] if found else None


def weakened(event: Event, writer: Writer, n_edits: int) -> Event:
    """Apply up to `n_edits` different weakening edits; a negated event stays, since dropping would make it stronger."""
    for _ in range(n_edits):
        if event.negated:
            break
        event = applicable(event, WEAKENING, writer) or event
    return event


def _another(value: str, options: Sequence[str], writer: Writer) -> str:
    return writer.choose([option for option in options if option != value])


def _alike(noun: str, other: str) -> bool:
    """Whether one may stand for the other: synonyms, or one is the word for the other's kind."""
    names = {name: {name, lexicon().nouns[name].synonym, lexicon().kind_of(name).word} for name in (noun, other)}
    return noun in names[other] or other in names[noun]


def _fits(noun: str, thing: Thing) -> bool:
    """Whether a noun can take the place of another in the same number."""
    return lexicon().nouns[noun].plural is not None or (thing.article in ("the", "") and not thing.is_plural)


def _kept_adjective(thing: Thing, noun: str) -> str:
    """Return the adjective if it goes with the new noun too."""
    return thing.adjective if thing.adjective in lexicon().kind_of(noun).adjectives else ""


def _renamed(thing: Thing, noun: str, writer: Writer) -> Thing:
    names = lexicon().phrases["names"]
    first = _another(thing.name.split()[0], names["women" if thing.pronoun == "she" else "men"], writer)
    return replace(thing, noun=noun, name=" ".join([first, *thing.name.split()[1:]]))
