"""How an event is said: active or passive, plain or as a cleft, with the time in front, with synonyms.

A wording changes how an event reads and not what it says; two wordings of one event are paraphrases.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pocketgrammar.events import Event, Thing, Writer
from pocketgrammar.lexicon import PRONOUNS, lexicon, third
from pocketgrammar.tokens import Draft, Token, comma, joined

SYNONYMS = ("verb", "subject", "object", "adjectives")
Phrase = tuple[Draft, Token]  # a noun phrase and its head


@dataclass(frozen=True)
class Wording:
    """A way to say an event: its form, the parts that are said by a synonym, whether the time stands in front."""

    form: str = "active"
    synonyms: frozenset[str] = frozenset()
    time_first: bool = False
    contracted: bool = False  # "didn't" for "did not"
    manner_last: bool = False
    agentless: bool = False  # the passive without "by the driver"


PLAIN = Wording()
SINGLE = (
    *(Wording(form=form) for form in ("passive", "passive", "subject cleft", "object cleft")),
    *(Wording(synonyms=frozenset([part])) for part in SYNONYMS),
    Wording(time_first=True),
    Wording(contracted=True),
    Wording(manner_last=True),
)


def changes(event: Event) -> list[Wording]:
    """Return the wordings that differ from the plain one in a single respect and can be seen in this event."""
    plain = _words(event, PLAIN)
    return [wording for wording in SINGLE if _words(event, wording) != plain]


def _words(event: Event, wording: Wording) -> list[str]:
    return [token.text for token in write(event, wording).tokens]


def draw(event: Event, writer: Writer, n_changes: int) -> Wording:
    """Draw a wording that differs from the plain one in up to `n_changes` respects."""
    wording = PLAIN
    for change in writer.some(changes(event), n_changes):
        wording = Wording(
            form=wording.form if change.form == PLAIN.form else change.form,
            synonyms=wording.synonyms | change.synonyms,
            time_first=wording.time_first or change.time_first,
            contracted=wording.contracted or change.contracted,
            manner_last=wording.manner_last or change.manner_last,
        )
    return wording


def write(event: Event, wording: Wording = PLAIN) -> Draft:
    """Write an event in a wording, without its closing mark; a form that the event cannot have is written active."""
    form = wording.form if can_be(wording.form, event) else "active"
    if "cleft" in form:
        wording = replace(wording, time_first=False)  # "on Monday, it was Anna who" has two things in front
    subject = noun_phrase(event.subject, "subject", wording)
    parts = CLAUSES[form](event, wording, subject, noun_phrase(event.object, "object", wording))
    if wording.time_first and event.time:
        parts = [lexicon().phrase(event.time), comma(), *parts]
    if event.tail:
        parts.append(_tail(event.tail, event.subject.pronoun, subject[1]))
    return joined(parts)


def can_be(form: str, event: Event) -> bool:
    """Whether an event can be said in a form: a cleft points at something definite in one event that happened."""
    if "cleft" not in form:
        return True
    if event.negated or event.is_habit or event.subject.relative:
        return False
    thing = event.object
    return form == "subject cleft" or (thing.article == "the" and not (thing.general or thing.name))


def noun_phrase(thing: Thing, part: str = "object", wording: Wording = PLAIN) -> Phrase:
    """Write a person or a thing; return the draft and its head, which is the last word of a name."""
    words = lexicon()
    if thing.name:
        tokens = [Token(word, "PROPN") for word in thing.name.split()]
        return Draft(tokens), tokens[-1]
    noun = thing.kind.word if thing.general else thing.noun
    if part in wording.synonyms and not thing.general:
        noun = thing.entry.synonym or noun
    tokens = words.phrase(thing.article).tokens
    if thing.adjective:
        synonym = words.adjectives[thing.adjective].get("synonym") if "adjectives" in wording.synonyms else None
        tokens.append(Token(synonym or thing.adjective, "ADJ"))
    head = Token(words.plural(noun) if thing.is_plural else noun, "NOUN")
    return joined([Draft([*tokens, head]), words.phrase(thing.modifier), words.phrase(thing.relative)]), head


def said_verb(event: Event, wording: Wording) -> str:
    """Return the event's verb or, where the wording asks for it, its synonym."""
    replaced = "verb" in wording.synonyms and event.verb == event.action.verb and event.action.synonym
    return replaced or event.verb


def _verb_group(event: Event, wording: Wording, passive: bool, is_plural: bool, between: Sequence[Token]) -> Draft:
    """Write auxiliaries, negation, what stands between, and the verb, which is the last token."""
    words, verb = lexicon(), said_verb(event, wording)
    if passive:
        auxiliary = ("are" if is_plural else "is") if event.is_habit else ("were" if is_plural else "was")
        form = words.participle(verb)
    elif event.negated:
        auxiliary, form = ("do" if is_plural else "does") if event.is_habit else "did", verb
    else:
        auxiliary, form = "", (verb if is_plural else third(verb)) if event.is_habit else words.past(verb)
    tokens = [Token(auxiliary, "AUX")] if auxiliary else []
    if event.negated:
        tokens.append(Token("n't" if wording.contracted else "not", "PART", "negation"))
    return Draft([*tokens, *between, Token(form, "VERB", passive=passive)])


def _tail(phrase: str, pronoun: str, antecedent: Token) -> Draft:
    """Write a subordinate clause, with its pronouns linked to their antecedent."""
    she, her = (Token(text, "PRON") for text in PRONOUNS[pronoun])
    if pronoun == "they":
        phrase = phrase.replace("was/AUX", "were/AUX")
    draft = lexicon().phrase(phrase, she=she, her=her)
    draft.links += [("pronoun-antecedent", token, antecedent) for token in draft.tokens if token in (she, her)]
    return draft


def _adverbials(event: Event, manner: str, wording: Wording) -> list[Draft]:
    time = "" if wording.time_first else event.time
    return [Draft(_adverb(manner)), lexicon().phrase(event.place), lexicon().phrase(time)]


def _adverb(text: str) -> list[Token]:
    return [Token(text, "ADV")] if text else []


def _active(event: Event, wording: Wording, subject: Phrase, thing: Phrase) -> list[Draft]:
    subject[1].role = "subject"
    return [subject[0], *_predicate(event, wording, subject[1], subject, thing)]


def _predicate(
    event: Event, wording: Wording, grammatical: Token, subject: Phrase, thing: Phrase, object_first: bool = False
) -> list[Draft]:
    """Write verb, object and adverbials; `grammatical` is the verb's subject, the head of `subject` or "who"."""
    before, after = ("", event.manner) if wording.manner_last else (event.manner, "")
    group = _verb_group(event, wording, False, event.subject.is_plural, _adverb(before))
    verb = group.tokens[-1]
    if not object_first:
        thing[1].role = "object"
        group.links.append(("verb-object", verb, thing[1]))
    group.links.append(("verb-subject", verb, grammatical))
    group.frames.append(_frame(event, verb, subject, thing))
    return [group, *([] if object_first else [thing[0]]), *_adverbials(event, after, wording)]


def _passive(event: Event, wording: Wording, subject: Phrase, thing: Phrase) -> list[Draft]:
    thing[1].role = "subject"
    group = _verb_group(event, wording, True, event.object.is_plural, _adverb(event.manner))
    group.links.append(("verb-subject", group.tokens[-1], thing[1]))
    group.frames.append(_frame(event, group.tokens[-1], subject, thing))
    adverbials = _adverbials(event, "", wording)
    if wording.agentless:
        del group.frames[-1][2][event.action.frame[1]]
        return [thing[0], group, *adverbials]
    by = [Draft([Token("by", "ADP")]), subject[0]]
    # A long agent comes last, or its own modifier would swallow the place.
    is_long = bool(event.subject.modifier or event.subject.relative)
    return [thing[0], group, *(adverbials + by if is_long else by + adverbials)]


def _subject_cleft(event: Event, wording: Wording, subject: Phrase, thing: Phrase) -> list[Draft]:
    who = Token("who", "PRON", "subject")
    return [_it_was(event), subject[0], Draft([who]), *_predicate(event, wording, who, subject, thing)]


def _object_cleft(event: Event, wording: Wording, subject: Phrase, thing: Phrase) -> list[Draft]:
    that = Token("that", "PRON", "object")
    subject[1].role = "subject"
    group, *rest = _predicate(event, wording, subject[1], subject, thing, object_first=True)
    group.links.append(("verb-object", group.tokens[-1], that))
    return [_it_was(event), thing[0], Draft([that]), subject[0], group, *rest]


def _it_was(event: Event) -> Draft:
    it, was = Token("it", "PRON", "subject"), Token("is" if event.is_habit else "was", "AUX")
    return Draft([it, was], [("verb-subject", was, it)])


def _frame(event: Event, verb: Token, subject: Phrase, thing: Phrase) -> tuple[str, Token, dict[str, list[Token]]]:
    name, agent, theme = event.action.frame
    return name, verb, {agent: list(subject[0].tokens), theme: list(thing[0].tokens)}


CLAUSES = {"active": _active, "passive": _passive, "subject cleft": _subject_cleft, "object cleft": _object_cleft}
