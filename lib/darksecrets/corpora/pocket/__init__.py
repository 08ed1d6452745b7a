"""The pocket corpus: a grammar that writes seven small tasks in GLUE's shape, with gold annotation of every word.

It ships with the book, needs no network, and is the same for the same seed. It stands in for GLUE where every code path
must run on some text, and it has what no natural corpus has: the annotation is right by construction, and the distance
between linked words is ours to set. It says nothing about natural language. Explained in the appendix *The pocket
corpus*.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from darksecrets.corpora.annotation import Sentence
from darksecrets.corpora.pocket import links, opinions, pairs, questions
from darksecrets.corpora.pocket.events import IsMine, Writer
from darksecrets.errors import InputError
from darksecrets.files import file_fingerprint
from darksecrets.files import fingerprint as fingerprint_of

SIZES = {"train": 600, "dev": 200}
DEV_SHARE = 0.25  # of all propositions, so that a larger dev split finds enough of them
MOST_TRIES = 2000


@dataclass(frozen=True)
class Item:
    """One labelled example with its annotation: a class index in the order of `glue.Task.labels`, or a score."""

    first: Sentence
    second: Sentence | None
    label: int | float

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """Its one or two sentences."""
        return (self.first,) if self.second is None else (self.first, self.second)


# How often each label occurs, as in GLUE (train); for STS-B the bands [0, 1), [1, 2) ... [4, 5] of the score.
SHARES = {
    "MRPC": (0.326, 0.674),
    "STS-B": (0.155, 0.153, 0.171, 0.276, 0.245),
    "SST-2": (0.46, 0.54),
    "QQP": (0.632, 0.368),
    "RTE": (0.5, 0.5),
    "QNLI": (0.5, 0.5),
    "MNLI": (0.339, 0.329, 0.332),
}


def is_pocket(corpus: str) -> bool:
    """Whether a corpus parameter means the pocket corpus."""
    return corpus.split(":")[0] == "pocket"


def sizes(corpus: str) -> dict[str, int]:
    """Read "pocket", "pocket:TRAIN/DEV" or "pocket:TRAIN/DEV/SEED": rows of train and dev, and the grammar's seed."""
    found = re.fullmatch(r"pocket(?::([1-9]\d{0,6})/([1-9]\d{0,6})(?:/(\d{1,9}))?)?", corpus)
    if found is None:
        advice = "write pocket, or its sizes and a seed, as in pocket:600/200 or pocket:600/200/1"
        raise InputError(f"corpus {corpus!r}: {advice}")
    train, dev, seed = found.groups()
    return {"train": int(train or SIZES["train"]), "dev": int(dev or SIZES["dev"]), "seed": int(seed or 0)}


@cache
def items(task: str, split: str, n_examples: int = 0, seed: int = 0) -> tuple[Item, ...]:
    """Write one split of a task; `n_examples` 0 means `SIZES`. A smaller split is the beginning of a larger one.

    Train and dev share no proposition (who did what to what), whatever their sizes. Raises InputError for an unknown
    task or split, and for more examples than the grammar can tell apart.
    """
    if task not in WRITERS or split not in SIZES:
        raise InputError(f"pocket has no {task} {split}; it has {', '.join(WRITERS)}, each with {' and '.join(SIZES)}")
    used: set[str] = set()
    labels = _labels(task)
    return tuple(_item(task, split, seed, number, next(labels), used) for number in range(n_examples or SIZES[split]))


@cache
def fingerprint() -> str:
    """Return the SHA-256 of what the sentences come from: the grammar, its lexicon, and NumPy, which draws."""
    files = sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in (".py", ".yml"))
    return fingerprint_of([np.__version__, [file_fingerprint(path) for path in files]])


def linked(relation: str, distance: int, n_sentences: int = 100, seed: int = 0) -> tuple[Sentence, ...]:
    """Write different sentences in which the words of a link stand `distance` words apart; Section 4.5's confound.

    The relation is "verb-subject" or "pronoun-antecedent", the distance 1 (neighbours) to 8. The propositions are those
    of dev. Raises InputError for anything else, and for more sentences than there are.
    """
    if relation not in links.LINKED or distance not in links.DISTANCES:
        raise InputError(
            f"pocket has no {relation!r} links at distance {distance}; give one of {', '.join(links.LINKED)} and "
            f"a distance from {links.DISTANCES[0]} to {links.DISTANCES[-1]}"
        )
    if n_sentences < 1:
        raise InputError(f"n_sentences is {n_sentences}; it must be at least 1")
    writer = _writer(seed, f"{relation}/{distance}", 0, "dev")
    found: dict[str, Sentence] = {}
    for _ in range(n_sentences * MOST_TRIES):
        if len(found) == n_sentences:
            break
        sentence = links.LINKED[relation](writer, distance)
        found.setdefault(sentence.text, sentence)
    else:
        raise InputError(f"pocket has fewer than {n_sentences:,} such sentences; ask for fewer, or extend lexicon.yml")
    return tuple(found.values())


def _writer(seed: int, name: str, number: int, split: str) -> Writer:
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return Writer(np.random.default_rng([seed, digest, number]), is_mine(split))


def _item(task: str, split: str, seed: int, number: int, label: int, used: set[str]) -> Item:
    writer = _writer(seed, f"{task}/{split}", number, split)
    for _ in range(MOST_TRIES):
        found = WRITERS[task](writer, label)
        if found is None:
            continue
        item = Item(*found, *([] if len(found) == 3 else [label]))
        texts = [sentence.text for sentence in item.sentences]
        if used.isdisjoint(texts):
            used.update(texts)
            return item
    raise InputError(f"pocket {task} {split}: no new example after {number:,}; ask for fewer, or extend lexicon.yml")


def is_mine(split: str) -> IsMine:
    """Return a function that tells whether a proposition belongs to `split`: a checksum decides, everywhere alike."""

    def decide(proposition: str) -> bool:
        in_dev = hashlib.sha256(proposition.encode()).digest()[0] < 256 * DEV_SHARE
        return in_dev == (split == "dev")

    return decide


def _labels(task: str) -> Iterator[int]:
    """Yield labels so that each beginning of the sequence has the task's shares, as nearly as whole numbers can."""
    shares, given = np.array(SHARES[task]), np.zeros(len(SHARES[task]))
    while True:
        label = int(np.argmax(shares * (given.sum() + 1) - given))
        given[label] += 1
        yield label


def _sst2(writer: Writer, label: int) -> tuple[Sentence, None] | None:
    return opinions.opinion(writer.generator, label, writer.is_mine).sentence(), None


WRITERS: dict[str, Callable[[Writer, int], Any]] = {
    "MRPC": pairs.mrpc,
    "STS-B": pairs.stsb,
    "SST-2": _sst2,
    "QQP": questions.qqp,
    "RTE": pairs.rte,
    "QNLI": questions.qnli,
    "MNLI": pairs.mnli,
}
