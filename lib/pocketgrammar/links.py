"""Sentences whose linked words stand a chosen number of words apart, from neighbours to eight words.

In natural English a verb mostly follows its subject at once, so a head that attends to the previous word looks like one
that attends to the subject (the confound that Section 4.5 leaves open). Here the distance is set, and the link stays.
"""

from collections import defaultdict
from dataclasses import replace
from functools import cache
from itertools import product

from pocketgrammar.annotation import Sentence
from pocketgrammar.clauses import CLAUSES, Wording, noun_phrase, write
from pocketgrammar.events import Event, Thing, Writer
from pocketgrammar.lexicon import PRONOUNS, lexicon
from pocketgrammar.tokens import Draft, Token, joined

DISTANCES = tuple(range(1, 9))
REFLEXIVES = {"she": "herself", "he": "himself", "they": "themselves"}


def verb_subject(writer: Writer, distance: int) -> Sentence:
    """Write "The driver from Oslo quickly repaired the truck": what stands between subject and verb is counted."""
    event = _event(writer)
    modifier, relative, adverb = writer.choose(_fillings()[distance - 1])
    subject = replace(event.subject, modifier=writer.filled(modifier), relative=relative)
    return write(event.with_(subject=subject, manner=writer.choose(event.action.manner) if adverb else "")).sentence()


def pronoun_antecedent(writer: Writer, distance: int) -> Sentence:
    """Write "The driver from Oslo said that she repaired the truck", or "The driver herself ..." for neighbours."""
    event = _event(writer)
    if distance == 1:
        return _emphatic(event)
    with_that = distance > 2 and writer.chance(0.7)
    modifier, relative, adverb = writer.choose(_fillings()[distance - 2 - with_that])
    speaker = replace(event.subject, modifier=writer.filled(modifier), relative=relative)
    return _reported(event, speaker, writer.choose(lexicon().phrases["asides"]) if adverb else "", writer, with_that)


LINKED = {"verb-subject": verb_subject, "pronoun-antecedent": pronoun_antecedent}


def _event(writer: Writer) -> Event:
    """Draw an event that happened once, to one thing, by one person who has no name and thus can be described."""
    while True:
        event = writer.event(n_details=0, reversible=False)
        if not (event.subject.name or event.subject.is_plural or event.is_habit):
            return event


@cache
def _fillings() -> dict[int, list[tuple[str, str, bool]]]:
    """What can stand after a person, by its number of words: (modifier, relative clause, whether an adverb)."""
    phrases, found = lexicon().phrases, defaultdict(list)
    for modifier, relative, adverb in product(("", *phrases["modifiers"]), ("", *phrases["relatives"]), (False, True)):
        n_words = len(modifier.split()) + len(relative.split()) + adverb
        if n_words in range(DISTANCES[-1]) and not (relative and adverb):  # "who lived alone quickly" reads badly
            found[n_words].append((modifier, relative, adverb))
    return dict(found)


def _emphatic(event: Event) -> Sentence:
    """Write "The driver herself repaired the truck"."""
    subject, head = noun_phrase(event.subject, "subject")
    reflexive = Token(REFLEXIVES[event.subject.pronoun], "PRON")
    subject += Draft([reflexive], [("pronoun-antecedent", reflexive, head)])
    return _clause(event, subject, head).sentence()


def _reported(event: Event, speaker: Thing, aside: str, writer: Writer, with_that: bool) -> Sentence:
    """Write "The driver soon said that she repaired the truck"."""
    subject, head = noun_phrase(speaker, "subject")
    head.role = "subject"
    said = Token(writer.choose(lexicon().phrases["sayings"]), "VERB")
    between = [Token(aside, "ADV")] if aside else []
    opening = subject + Draft([*between, said], [("verb-subject", said, head)])
    opening += Draft([Token("that", "SCONJ")] if with_that else [])
    she = Token(PRONOUNS[speaker.pronoun][0], "PRON")
    she_did = _clause(event, Draft([she], [("pronoun-antecedent", she, head)]), she)
    return (opening + she_did).sentence()


def _clause(event: Event, subject: Draft, head: Token) -> Draft:
    return joined(CLAUSES["active"](event, Wording(), (subject, head), noun_phrase(event.object)))
