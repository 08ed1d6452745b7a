"""Sentences to look at: an event in all its wordings, its edits, links at every distance.

Shown in the appendix *The pocket corpus*.
"""

import numpy as np
import pandas as pd

from pocketgrammar import corpus
from pocketgrammar.annotation import Link, Sentence
from pocketgrammar.clauses import PLAIN, Wording, changes, write
from pocketgrammar.edits import EDITS
from pocketgrammar.events import Event, Writer
from pocketgrammar.links import DISTANCES

EFFECTS = {"weaker": "follows", "contrary": "cannot be true", "open": "may be true or not"}


def event(seed: int = 0) -> Event:
    """Draw an event that has what most wordings and edits work on: a place, a time, an adjective, a synonym."""
    writer = Writer(np.random.default_rng(seed), corpus.is_mine("train"))
    while True:
        drawn = writer.event(n_details=3)
        action = drawn.action
        needed = (drawn.place, drawn.time, drawn.object.adjective, action.synonym, action.opposite)
        if all(needed) and not drawn.is_habit:
            return drawn


def wording_table(shown: Event) -> pd.DataFrame:
    """Return one event in each wording that differs from the plain one in a single respect; all mean the same."""
    ways = dict.fromkeys([PLAIN, *changes(shown)])
    rows = [(_described(wording), write(shown, wording).sentence().text) for wording in ways]
    return pd.DataFrame(rows, columns=["wording", "sentence"])


def edit_table(shown: Event, seed: int = 0) -> pd.DataFrame:
    """Return one event changed by each edit that applies to it: the edit, whether the new sentence follows from the
    plain one, and the new sentence.
    """
    writer = Writer(np.random.default_rng(seed), lambda proposition: True)
    changed = [(edit, edit.apply(shown, writer)) for edit in EDITS.values()]
    rows = [(edit.name, EFFECTS[edit.effect], write(new).sentence().text) for edit, new in changed if new != shown]
    return pd.DataFrame(rows, columns=["edit", "the sentence then", "sentence"])


def distance_table(relation: str, seed: int = 0) -> pd.DataFrame:
    """Return a sentence for each distance that a relation can be set to; the two linked words stand in brackets."""
    rows = []
    for distance in DISTANCES:
        (sentence,) = corpus.linked(relation, distance, 1, seed)
        link = next(link for link in sentence.links if (link.relation, link.distance) == (relation, distance))
        rows.append((distance, bracketed(sentence, link)))
    return pd.DataFrame(rows, columns=["distance", "sentence"])


def bracketed(sentence: Sentence, link: Link) -> str:
    """Return a sentence's text with the two linked words in square brackets."""
    text = sentence.text
    for index in sorted((link.head, link.dependent), reverse=True):
        word = sentence.words[index]
        text = f"{text[: word.start]}[{word.text}]{text[word.end :]}"
    return text


def _described(wording: Wording) -> str:
    """Return in words how a wording differs from the plain one."""
    respects = [wording.form] if wording.form != PLAIN.form else []
    respects += [
        name.replace("_", " ") for name in ("time_first", "contracted", "manner_last") if getattr(wording, name)
    ]
    respects += [f"synonym for the {part}" for part in sorted(wording.synonyms)]
    return ", ".join(respects) or "plain"
