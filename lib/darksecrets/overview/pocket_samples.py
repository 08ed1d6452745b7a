"""The pocket corpus to look at: an event in all its wordings, its annotation word by word, examples of each task.

Explained in the appendix *The pocket corpus*.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from darksecrets.corpora import pocket
from darksecrets.corpora.annotation import ROLES, Link, Sentence
from darksecrets.corpora.pocket import wordings
from darksecrets.corpora.pocket.clauses import Wording, write
from darksecrets.corpora.pocket.edits import EDITS
from darksecrets.corpora.pocket.events import Event, Writer
from darksecrets.corpora.pocket.links import DISTANCES
from darksecrets.overview.pocket_corpus import Corpus, label_names, label_place

EFFECTS = {"weaker": "follows", "contrary": "cannot be true", "open": "may be true or not"}


def event(seed: int = 0) -> Event:
    """Draw an event that has what most wordings and edits work on: a place, a time, an adjective, a synonym."""
    writer = Writer(np.random.default_rng(seed), pocket.is_mine("train"))
    while True:
        drawn = writer.event(n_details=3)
        action, thing = drawn.action, drawn.object
        if drawn.place and drawn.time and thing.adjective and action.synonym and action.opposite and not drawn.is_habit:
            return drawn


def wording_table(shown: Event) -> pd.DataFrame:
    """Say one event in each way that differs from the plain one in a single respect; all of them mean the same."""
    ways = dict.fromkeys([wordings.PLAIN, *wordings.changes(shown)])
    rows = [(_described(wording), write(shown, wording).sentence().text) for wording in ways]
    return pd.DataFrame(rows, columns=["wording", "sentence"])


def edit_table(shown: Event, seed: int = 0) -> pd.DataFrame:
    """Change one event's meaning by each edit that applies to it: the edit, whether the new sentence follows from the
    plain one, and the new sentence.
    """
    writer = Writer(np.random.default_rng(seed), lambda proposition: True)
    changed = [(edit, edit.apply(shown, writer)) for edit in EDITS.values()]
    rows = [(edit.name, EFFECTS[edit.effect], write(new).sentence().text) for edit, new in changed if new != shown]
    return pd.DataFrame(rows, columns=["edit", "the sentence then", "sentence"])


def rich_sentence(sentences: Sequence[Sentence]) -> Sentence:
    """Return the first of the sentences with the most kinds of annotation: roles, relations of links, and frames."""

    def n_kinds(sentence: Sentence) -> int:
        roles = sum(bool(sentence.places(role)) for role in ROLES)
        return roles + len({link.relation for link in sentence.links}) + bool(sentence.frames)

    return max(sentences, key=n_kinds)


def annotation_table(sentence: Sentence) -> pd.DataFrame:
    """Show a sentence's annotation: a row per word with its characters, part of speech, role, links and frame."""
    rows = [
        {
            "word": word.text,
            "characters": f"{word.start} to {word.end}",
            "part of speech": word.pos,
            "role": ", ".join(role for role in ROLES if place in sentence.places(role)),
            "links": ", ".join(_links(sentence, place)),
            "frame": ", ".join(_frames(sentence, place)),
        }
        for place, word in enumerate(sentence.words)
    ]
    return pd.DataFrame(rows)


def sample_table(corpus: Corpus, n_each: int = 2) -> pd.DataFrame:
    """Show the first `n_each` training examples of each task and label: task, label, first, second sentence."""
    rows = []
    for task, examples in ((task, examples) for (task, split), examples in corpus.items() if split == "train"):
        for place, name in enumerate(label_names(task)):
            chosen = [item for item in examples if label_place(task, item.label) == place][:n_each]
            rows += [(task, _label(name, item.label), *_texts(item)) for item in chosen]
    return pd.DataFrame(rows, columns=["task", "label", "first", "second"])


def distance_table(relation: str, seed: int = 0) -> pd.DataFrame:
    """Write a sentence for each distance that a relation can be set to; the two linked words stand in brackets."""
    rows = []
    for distance in DISTANCES:
        (sentence,) = pocket.linked(relation, distance, 1, seed)
        link = next(link for link in sentence.links if (link.relation, link.distance) == (relation, distance))
        rows.append((distance, bracketed(sentence, link)))
    return pd.DataFrame(rows, columns=["distance", "sentence"])


def bracketed(sentence: Sentence, link: Link) -> str:
    """Return a sentence's text with the two linked words in square brackets."""
    text = sentence.text
    for word in sorted((sentence.words[place] for place in (link.head, link.dependent)), key=lambda word: -word.start):
        text = f"{text[: word.start]}[{word.text}]{text[word.end :]}"
    return text


def _described(wording: Wording) -> str:
    """Say in words how a wording differs from the plain one."""
    respects = {
        wording.form: wording.form != wordings.PLAIN.form,
        "time first": wording.time_first,
        "contracted": wording.contracted,
        "manner last": wording.manner_last,
    }
    respects |= {f"synonym for the {part}": True for part in sorted(wording.synonyms)}
    return ", ".join(name for name, holds in respects.items() if holds) or "plain"


def _label(name: str, label: int | float) -> str:
    return f"{label:.1f}" if isinstance(label, float) else name


def _texts(item: pocket.Item) -> tuple[str, str | None]:
    return item.first.text, item.second.text if item.second else None


def _links(sentence: Sentence, place: int) -> Iterator[str]:
    for link in sentence.links:
        if link.head == place:
            yield f"{link.relation}: {sentence.words[link.dependent].text}"


def _frames(sentence: Sentence, place: int) -> Iterator[str]:
    for frame in sentence.frames:
        if frame.target == place:
            yield f"target of {frame.name}"
        yield from (name for name, (first, end) in frame.elements.items() if first <= place < end)
