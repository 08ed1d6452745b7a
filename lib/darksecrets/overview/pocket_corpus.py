"""What a corpus with gold annotation is made of, and whether it is what it claims: sizes, balance, overlap, distances.

Explained in the appendix *The pocket corpus*.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from darksecrets.corpora import glue, linguistics
from darksecrets.corpora.annotation import RELATIONS, ROLES, Sentence
from darksecrets.figures.charts import SCALES, WIDTH, wrapped
from darksecrets.models.setup import Setup


class Item(NamedTuple):
    """An example with its annotation; its label is a class, which is an index in `glue.Task.labels`, or a score."""

    first: Sentence
    second: Sentence | None
    label: int | float

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """Its one or two sentences."""
        return (self.first,) if self.second is None else (self.first, self.second)


Corpus = Mapping[tuple[str, str], Sequence[Item]]  # by task and split
CONTENT = ("NOUN", "PROPN", "VERB", "ADJ", "ADV", "NUM")  # parts of speech of content words
BANDS = ("0 to 1", "1 to 2", "2 to 3", "3 to 4", "4 to 5")  # of an STS-B score; an edge belongs to the band above it
# Share of each label in GLUE's official validation split, in the order of `glue.Task.labels`; STS-B's is that of its
# training split, which has four times as many rows and leans to other scores.
GLUE_SHARES = {
    "MRPC": (0.316, 0.684),
    "STS-B": (0.155, 0.153, 0.171, 0.276, 0.245),
    "SST-2": (0.491, 0.509),
    "QQP": (0.632, 0.368),
    "RTE": (0.527, 0.473),
    "QNLI": (0.495, 0.505),
    "MNLI": (0.354, 0.318, 0.327),
}


def read(setup: Setup) -> Corpus:
    """Return every example of the setup's train and dev splits with its annotation."""
    corpus = {}
    for task, name in product(setup.tasks, glue.SPLITS):
        split = setup.split(task, name)
        annotated = linguistics.annotated(split, setup.corpus, setup.results)
        corpus[task, name] = [
            Item(first, second[0] if second else None, example.label)
            for example, (first, *second) in zip(split.examples, annotated, strict=True)
        ]
    return corpus


def sentences(corpus: Corpus) -> list[Sentence]:
    """Return every sentence of the corpus, in order."""
    return [sentence for examples in corpus.values() for item in examples for sentence in item.sentences]


def sample(corpus: Corpus, n: int) -> list[Sentence]:
    """Return `n` sentences, evenly spread over the corpus (all of them where there are not as many)."""
    whole = sentences(corpus)
    return [whole[index] for index in np.linspace(0, len(whole) - 1, min(n, len(whole))).round().astype(int)]


def checks(corpus: Corpus) -> pd.DataFrame:
    """Check each task: its rows, the share of distinct sentences, and what of its dev split is in its train split.

    `repeated`: dev sentences whose text stands in train. `same words`: dev sentences whose set of content words is that
    of a train sentence, and `same words in all`: dev examples whose content words, both sentences taken together, are
    those of a train example. Content words are nouns, verbs, adjectives, adverbs and numbers as written, in small
    letters.
    """
    rows = []
    for task in _tasks(corpus):
        train, dev = (corpus[task, split] for split in glue.SPLITS)
        texts = [sentence.text for item in (*train, *dev) for sentence in item.sentences]
        rows.append(
            {
                "task": task,
                "train": len(train),
                "dev": len(dev),
                "distinct": len(set(texts)) / len(texts),
                "repeated": _n_shared(train, dev, lambda item: [sentence.text for sentence in item.sentences]),
                "same words": _n_shared(train, dev, lambda item: [content_words([one]) for one in item.sentences]),
                "same words in all": _n_shared(train, dev, lambda item: [content_words(item.sentences)]),
                "word types": len(word_types(corpus, task)),
            }
        )
    return pd.DataFrame(rows)


def check_table(table: pd.DataFrame) -> pd.DataFrame:
    """Format `checks` for reading, the share of distinct sentences in per cent."""
    names = {"distinct": "distinct (%)", "repeated": "dev in train", "same words in all": "examples with same words"}
    return table.assign(distinct=(100 * table["distinct"]).map("{:.1f}".format)).rename(columns=names)


def content_words(group: Sequence[Sentence]) -> frozenset[str]:
    """Return the content words of sentences, in small letters."""
    return frozenset(word.text.lower() for one in group for word in one.words if word.pos in CONTENT)


def word_types(corpus: Corpus, task: str | None = None) -> set[str]:
    """Return the different words of a task, or of the whole corpus, in small letters and without punctuation."""
    chosen = {key: examples for key, examples in corpus.items() if task in (None, key[0])}
    return {word.text.lower() for one in sentences(chosen) for word in one.words if word.pos != "PUNCT"}


def balance(corpus: Corpus) -> pd.DataFrame:
    """Compare the share of each label with GLUE's: task, label, glue, train, dev, and `difference`, the larger of the
    two distances from GLUE. All are fractions.
    """
    tables = []
    for task in _tasks(corpus):
        names = label_names(task)
        table = pd.DataFrame({"task": task, "label": names, "glue": GLUE_SHARES[task]})
        for split in glue.SPLITS:
            labels = [label_index(task, item.label) for item in corpus[task, split]]
            table[split] = np.bincount(labels, minlength=len(names)) / len(labels)
        differences = table[list(glue.SPLITS)].sub(table["glue"], axis=0)
        tables.append(table.assign(difference=differences.abs().max(axis=1)))
    return pd.concat(tables, ignore_index=True)


def balance_table(table: pd.DataFrame) -> pd.DataFrame:
    """Format `balance` for reading, in per cent."""
    names = {"glue": "GLUE", "train": "train here", "dev": "dev here", "difference": "largest difference"}
    return table.assign(**{name: (100 * table[name]).map("{:.1f}".format) for name in names}).rename(columns=names)


def label_names(task: str) -> tuple[str, ...]:
    """Return what a task's labels are called; for STS-B the bands of its scores."""
    return glue.TASKS[task].labels or BANDS


def label_index(task: str, label: float) -> int:
    """Return the index of a label in `label_names`."""
    return min(int(label), len(BANDS) - 1) if glue.TASKS[task].is_regression else int(label)


def distances(group: Sequence[Sentence]) -> pd.DataFrame:
    """Count the links of each relation by the distance of their words: relation, distance, n, share of the relation."""
    links = [(link.relation, link.distance) for one in group for link in one.links]
    table = pd.DataFrame(links, columns=["relation", "distance"]).value_counts(sort=False).rename("n").reset_index()
    order = table["relation"].map(RELATIONS.index)
    table = table.assign(order=order).sort_values(["order", "distance"]).drop(columns="order").reset_index(drop=True)
    return table.assign(share=table["n"] / table.groupby("relation")["n"].transform("sum"))


def distance_finding(table: pd.DataFrame) -> str:
    """Return a chart's title: how near the words of the most frequent relation mostly are."""
    relation = table.groupby("relation", sort=False)["n"].sum().idxmax()
    near = table[(table["relation"] == relation) & (table["distance"] <= 2)]["share"].sum()
    return f"{near:.0%} of {relation} links are at most 2 words apart"


def rich_sentence(group: Sequence[Sentence]) -> Sentence:
    """Return the first of the sentences with the most kinds of annotation: roles, relations of links, and frames."""

    def n_kinds(sentence: Sentence) -> int:
        roles = sum(bool(sentence.places(role)) for role in ROLES)
        return roles + len({link.relation for link in sentence.links}) + bool(sentence.frames)

    return max(group, key=n_kinds)


def annotation_table(sentence: Sentence) -> pd.DataFrame:
    """Return a sentence's annotation: a row per word with its characters, part of speech, role, links and frame."""
    rows = []
    for index, word in enumerate(sentence.words):
        links = [
            f"{link.relation}: {sentence.words[link.dependent].text}" for link in sentence.links if link.head == index
        ]
        frames = []
        for frame in sentence.frames:
            frames += [f"target of {frame.name}"] if frame.target == index else []
            frames += [name for name, (first, end) in frame.elements.items() if first <= index < end]
        rows.append(
            {
                "word": word.text,
                "characters": f"{word.start} to {word.end}",
                "part of speech": word.pos,
                "role": ", ".join(role for role in ROLES if index in sentence.places(role)),
                "links": ", ".join(links),
                "frame": ", ".join(frames),
            }
        )
    return pd.DataFrame(rows)


def sample_table(corpus: Corpus, n_each: int = 2) -> pd.DataFrame:
    """Return the first `n_each` training examples of each task and label: task, label, first, second sentence."""
    rows = []
    for task in _tasks(corpus):
        for index, name in enumerate(label_names(task)):
            chosen = [item for item in corpus[task, "train"] if label_index(task, item.label) == index][:n_each]
            for first, second, label in chosen:
                shown = f"{label:.1f}" if isinstance(label, float) else name
                rows.append((task, shown, first.text, second.text if second else None))
    return pd.DataFrame(rows, columns=["task", "label", "first", "second"])


def _tasks(corpus: Corpus) -> list[str]:
    return list(dict.fromkeys(task for task, _ in corpus))


def _n_shared(train: Sequence[Item], dev: Sequence[Item], keys: Callable[[Item], list[Hashable]]) -> int:
    known = {key for item in train for key in keys(item)}
    return sum(key in known for item in dev for key in keys(item))


def distance_chart(distances: pd.DataFrame, title: str) -> alt.Chart:
    """Draw how far apart linked words are: a row of bars per relation (`distances`)."""
    return (
        alt.Chart(distances.round(4), width=WIDTH, height=80, title=wrapped(title))
        .mark_bar(color=SCALES["method"].range[-1])
        .encode(
            x=alt.X("distance:O", title="distance in words", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("share:Q", title="share", axis=alt.Axis(format="%", tickCount=3)),
            row=alt.Row(
                "relation:N",
                title=None,
                sort=list(distances["relation"].unique()),
                header=alt.Header(orient="top", labelAnchor="start"),
            ),
            tooltip=["relation", "distance", "n", alt.Tooltip("share:Q", format=".1%")],
        )
    )
