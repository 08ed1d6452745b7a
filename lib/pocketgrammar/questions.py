"""Questions: pairs of them (QQP), and a question with a statement that answers it or not (QNLI)."""

from dataclasses import replace

from pocketgrammar.annotation import Sentence
from pocketgrammar.clauses import PLAIN, SYNONYMS, Wording, noun_phrase, said_verb, write
from pocketgrammar.edits import NEGATION, applicable
from pocketgrammar.events import NEGATED, Event, Thing, Writer
from pocketgrammar.lexicon import lexicon
from pocketgrammar.tokens import Draft, Token, joined

# Ways to ask the same: (opening, what follows). "do": do they do it; "are": are things done; "clause": they do it;
# "passive clause": things are done.
INTENTS = {
    "why": (("why", "do"), ("why", "are"), ("what is/AUX the reason/NOUN/subject why", "clause")),
    "if": (
        ("what/PRON/subject happens/VERB if/SCONJ", "clause"),
        ("what/PRON/subject happens/VERB if/SCONJ", "passive clause"),
        ("what are/AUX the consequences/NOUN/subject if/SCONJ", "clause"),
    ),
    "true": (
        ("is/AUX it/PRON/subject true/ADJ that/SCONJ", "clause"),
        ("is/AUX it/PRON/subject true/ADJ that/SCONJ", "passive clause"),
        ("is/AUX it/PRON/subject really/ADV true/ADJ that/SCONJ", "clause"),
        ("is/AUX it/PRON/subject the case/NOUN that/SCONJ", "clause"),
    ),
    "where": (("where", "do"), ("where", "are"), ("where exactly/ADV", "do")),
    "when": (("when", "do"), ("when", "are"), ("at what time/NOUN", "do")),
}
NEGATABLE = ("why", "if", "true")  # "where do they not sell horses" is hardly asked
# What tells two questions apart, as often as it stands here.
DIFFERENCES = ("negation", "negation", "negation", "intent", "intent", "event")
EDITED = ("other object", "other subject", "other verb", "opposite verb", "opposite adjective", "parties swapped")
ANSWERS = {"where": "place", "when": "time"}  # the part of an event that answers
# Closer questions, by the group of the event's time in lexicon.yml; asked as often as the bare word.
WHEN = {
    "days": "on which day/NOUN",
    "months": "in which month/NOUN",
    "seasons": "in which season/NOUN",
    "hours": "at what time/NOUN",
    "parts": "at what time/NOUN of day/NOUN",
}
WITHOUT_ANSWER = 0.9  # share of the near misses that tell of the same event without what is asked for
ASKED = ("who", "what", "where", "where", "where", "when", "when", "when")


def qqp(writer: Writer, label: int) -> tuple[Sentence, Sentence] | None:
    """Write two questions about people in general that ask the same (1) or not (0)."""
    difference = writer.choose(DIFFERENCES)
    can_negate = (label == 0 and difference == "negation") or writer.chance(0.8)
    intent = other = writer.choose(NEGATABLE if can_negate else list(INTENTS))
    event = _general(writer, is_negated=can_negate and writer.chance(NEGATED))
    second: Event | None = event
    if label == 0:
        if difference == "intent":
            other = writer.choose([name for name in (NEGATABLE if can_negate else INTENTS) if name != intent])
        else:
            second = applicable(event, NEGATION if difference == "negation" else EDITED, writer)
    if second is None:
        return None
    n_synonyms = int(writer.generator.integers(0, 2)) + label
    synonyms = frozenset(writer.some(SYNONYMS, n_synonyms))
    first_form = writer.choose(INTENTS[intent])
    second_form = writer.choose([form for form in INTENTS[other] if form != first_form])
    return _asked(event, *first_form, PLAIN), _asked(second, *second_form, Wording(synonyms=synonyms))


def qnli(writer: Writer, label: int) -> tuple[Sentence, Sentence] | None:
    """Write a question, and a statement that answers it (0) or only comes near (1)."""
    asked = writer.choose(ASKED)
    event = _complete(writer, asked)
    if asked in ANSWERS and not getattr(event, ANSWERS[asked]):
        return None  # some actions have no place or time to ask for
    wording = Wording(form=writer.choose(("active", "active", "passive")))
    is_passive, agentless = writer.chance(0.2), asked in ANSWERS and writer.chance(0.15)
    statement: Event | None = event
    if label == 1 and asked != "what" and writer.chance(WITHOUT_ANSWER):
        agentless = agentless or asked == "who"
        statement = _without_answer(event, asked, writer)
    elif label == 1:
        parties = [] if asked == "what" else ["other object"]
        parties += [] if asked == "who" or agentless else ["other subject"]  # an agent that is not named cannot differ
        statement = applicable(event, ("other verb", "opposite verb", *parties), writer)
    if statement is None or not (statement.place or statement.time or asked not in ANSWERS):
        return None
    if agentless:
        wording, is_passive = Wording(form="passive", agentless=True), True
    synonyms = frozenset(writer.some(("verb", "subject", "object"), int(writer.generator.integers(0, 2))))
    opening = _closer(event, asked) if writer.chance(0.5) else asked
    if asked == "what" and event.action.reversible:
        opening = "who"
    question = _question(event, asked, opening, Wording(synonyms=synonyms, agentless=agentless), is_passive)
    said = write(statement, replace(wording, time_first=writer.chance(0.3))).sentence()
    # What names one party only could be said of another proposition in the same words.
    named = ([question.text] if asked not in ANSWERS or agentless else []) + ([said.text] if agentless else [])
    return (question, said) if all(writer.is_mine(text) for text in named) else None


def _general(writer: Writer, is_negated: bool) -> Event:
    """Draw an event and speak of its parties in general: "farmers sell old horses"."""
    while True:
        event = writer.event(n_details=0)
        adjective = writer.choose(event.object.kind.adjectives) if writer.chance(0.1) else ""
        subject, thing = _many(event.subject.noun), _many(event.object.noun, adjective)
        event = Event(event.action, event.verb, subject, thing, negated=is_negated)
        if event.action.general and writer.is_mine(event.proposition):
            return event


def _short(thing: Thing) -> Thing:
    """Return a thing without what describes it, and known, as a question mentions it."""
    article = "the" if thing.article == "a" else thing.article
    return replace(thing, article=article, adjective="", modifier="", relative="")


def _many(noun: str, adjective: str = "") -> Thing:
    """Return things in general: a bare plural, or a bare noun where it is not counted."""
    is_counted = lexicon().nouns[noun].plural is not None
    return Thing(noun, article="", is_plural=is_counted, adjective=adjective, pronoun="they")


def _asked(event: Event, opening: str, form: str, wording: Wording) -> Sentence:
    subject, agent = noun_phrase(event.subject, "subject", wording)
    thing, theme = noun_phrase(event.object, "object", wording)
    verb = Token(said_verb(event, wording), "VERB")
    name, *elements = event.action.frame
    core = Draft([verb], frames=[(name, verb, dict(zip(elements, (subject.tokens, thing.tokens), strict=True)))])
    opened = lexicon().phrase(opening)
    negation = Draft([Token("not", "PART", "negation")] if event.negated else [])
    if form in ("are", "passive clause"):
        verb.text, verb.passive, theme.role = lexicon().participle(verb.text), True, "subject"
        core.links.append(("verb-subject", verb, theme))
        are = Draft([Token("are" if event.object.is_plural else "is", "AUX")])
        asked = [are, thing] if form == "are" else [thing, are]
        return joined([opened, *asked, negation, core, lexicon().phrase("by"), subject]).sentence("?")
    agent.role, theme.role = "subject", "object"
    core.links += [("verb-subject", verb, agent), ("verb-object", verb, theme)]
    do = Draft([Token("do", "AUX")] if form == "do" or event.negated else [])
    asked = [do, subject] if form == "do" else [subject, do]
    return joined([opened, *asked, negation, core, thing]).sentence("?")


def _complete(writer: Writer, asked: str) -> Event:
    """Draw an event that has what is asked for, and at times a little more."""
    event = writer.event(n_details=int(writer.generator.integers(0, 2)))
    event = event.with_(tail="", is_habit=False, time="", place="")
    for detail in ("place", "time"):
        if ANSWERS.get(asked) == detail or writer.chance(0.1 if asked in ANSWERS else 0.5):
            event = writer.add(event, detail)
    return event


def _without_answer(event: Event, asked: str, writer: Writer) -> Event:
    """Tell where instead of when, when instead of where, or either of them instead of who."""
    if asked == "who":
        return event if event.place or event.time else writer.add(writer.add(event, "time"), "place")
    missing, other = ("place", "time") if asked == "where" else ("time", "place")
    return writer.add(event, other).with_(**{missing: ""})


def _closer(event: Event, asked: str) -> str:
    """Ask "on which day" instead of "when", where the event's time is a day."""
    if asked == "where":
        return "where exactly/ADV"
    times = lexicon().phrases["times"]
    return next((WHEN[group] for group in WHEN if asked == "when" and event.time in times[group]), asked)


def _question(event: Event, asked: str, opening: str, wording: Wording, is_passive: bool) -> Sentence:
    subject, agent = noun_phrase(_short(event.subject), "subject", wording)
    thing, theme = noun_phrase(_short(event.object), "object", wording)
    said = said_verb(event, wording)
    asking = lexicon().phrase(opening)
    verb, word = Token(said, "VERB"), asking.tokens[0]
    word.pos = "ADV" if opening in ANSWERS else word.pos
    core, did = Draft([verb]), Draft([Token("did", "AUX")])
    if asked == "who":
        verb.text, agent, subject = lexicon().past(said), word, asking
        parts = [subject, core, thing]
    elif asked == "what":
        theme, thing = word, asking
        parts = [thing, did, subject, core]
    elif is_passive:
        was = Draft([Token("were" if event.object.is_plural else "was", "AUX")])
        verb.text, verb.passive = lexicon().participle(said), True
        by = [] if wording.agentless else [lexicon().phrase("by"), subject]
        parts = [asking, was, thing, core, *by]
    else:
        parts = [asking, did, subject, core, thing]
    if asked in ANSWERS and is_passive:
        theme.role = "subject"
        core.links = [("verb-subject", verb, theme)]
    else:
        agent.role, theme.role = "subject", "object"
        core.links = [("verb-subject", verb, agent), ("verb-object", verb, theme)]
    name, *elements = event.action.frame
    filled = {element: part.tokens for element, part in zip(elements, (subject, thing), strict=True) if part in parts}
    core.frames = [(name, verb, filled)]
    return joined(parts).sentence("?")
