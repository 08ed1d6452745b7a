"""The splits of the seven tasks, example by example, and the directory in GLUE's layout that holds them."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pocketgrammar import links, opinions, pairs, questions
from pocketgrammar.annotation import Sentence, to_dict
from pocketgrammar.events import IsMine, Writer
from pocketgrammar.lexicon import GrammarError

NOTE = "Texts of the pocket corpus, written by a grammar; scores on them are not scores on GLUE"
SIZES = {"train": 600, "dev": 200}
DEV_SHARE = 0.25  # of all propositions, so that a larger dev split finds enough of them
MOST_TRIES = 2000
MOST = 9_999_999  # examples of a split, and the largest seed that a directory is written with
VERSION = 1  # of the rules: raise it when they write something else
# A grammar that writes what an earlier one wrote goes by that one's fingerprint: what was computed from it stays valid.
SAME_AS = {"759dcb593d9f32ff": "fa5c4f507ff339c901b571850473ffeb8213d19512c8c851cf9db11f187a3519"}


@dataclass(frozen=True)
class Task:
    """A task of GLUE as its directory has it, and how often each label occurs there (train).

    `labels` are spelled as in the files, in the order of their numbers; a score, from 0 to 5, has none, and its shares
    are those of the bands [0, 1), [1, 2) ... [4, 5]. `write` gives the two sentences (of which the second
    may be None) of an example with a label, and its score where it has one; or None where it found none.
    """

    columns: tuple[str, ...]
    label: str
    labels: tuple[str, ...]
    shares: tuple[float, ...]
    write: Callable[[Writer, int], Any]
    dev_file: str = "dev.tsv"


def _sst2(writer: Writer, label: int) -> tuple[Sentence, None]:
    return opinions.opinion(writer.generator, label, writer.is_mine).sentence(), None


_SENTENCES, _BITS = ("sentence1", "sentence2"), ("0", "1")
_TWO, _THREE = ("entailment", "not_entailment"), ("entailment", "neutral", "contradiction")
TASKS = {
    "MRPC": Task(("#1 String", "#2 String"), "Quality", _BITS, (0.326, 0.674), pairs.mrpc),
    "STS-B": Task(_SENTENCES, "score", (), (0.155, 0.153, 0.171, 0.276, 0.245), pairs.stsb),
    "SST-2": Task(("sentence",), "label", _BITS, (0.46, 0.54), _sst2),
    "QQP": Task(("question1", "question2"), "is_duplicate", _BITS, (0.632, 0.368), questions.qqp),
    "RTE": Task(_SENTENCES, "label", _TWO, (0.5, 0.5), pairs.rte),
    "QNLI": Task(("question", "sentence"), "label", _TWO, (0.5, 0.5), questions.qnli),
    "MNLI": Task(_SENTENCES, "gold_label", _THREE, (0.339, 0.329, 0.332), pairs.mnli, "dev_matched.tsv"),
}


@dataclass(frozen=True)
class Item:
    """One labelled example with its annotation: a class, which is an index in `Task.labels`, or a score."""

    first: Sentence
    second: Sentence | None
    label: int | float

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """Its one or two sentences."""
        return (self.first,) if self.second is None else (self.first, self.second)


def sizes(corpus: str) -> dict[str, int]:
    """Read "pocket", "pocket:TRAIN/DEV" or "pocket:TRAIN/DEV/SEED": rows of train and dev, and the grammar's seed."""
    found = re.fullmatch(r"pocket(?::([1-9]\d{0,6})/([1-9]\d{0,6})(?:/(\d{1,9}))?)?", corpus)
    if found is None:
        advice = "write pocket, or its sizes and a seed, as in pocket:600/200 or pocket:600/200/1"
        raise GrammarError(f"corpus {corpus!r}: {advice}")
    train, dev, seed = found.groups()
    return {"train": int(train or SIZES["train"]), "dev": int(dev or SIZES["dev"]), "seed": int(seed or 0)}


def described(corpus: str, task: str, split: str) -> dict[str, Any]:
    """Return what a split of `corpus` is made from: the arguments of `items` and `write`."""
    found = sizes(corpus)
    return {"task": task, "split": split, "n_examples": found[split], "seed": found["seed"]}


@cache
def fingerprint() -> str:
    """Return the SHA-256 of what the sentences come from: the rules, both lexicons, and NumPy, which draws."""
    lexicons = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(Path(__file__).parent.glob("*.yml"))]
    digest = hashlib.sha256(json.dumps([np.__version__, VERSION, lexicons]).encode()).hexdigest()
    return SAME_AS.get(digest[:16], digest)


@cache
def items(task: str, split: str, n_examples: int = 0, seed: int = 0) -> tuple[Item, ...]:
    """Write one split of a task; `n_examples` 0 means `SIZES`. A smaller split is the beginning of a larger one.

    Train and dev share no proposition (who did what to what), whatever their sizes. Raises GrammarError for an unknown
    task or split, and for more examples than the grammar can tell apart.
    """
    if task not in TASKS or split not in SIZES:
        raise GrammarError(f"pocket has no {task} {split}; it has {', '.join(TASKS)}, each with {' and '.join(SIZES)}")
    used: set[str] = set()
    labels = _labels(TASKS[task].shares)
    return tuple(_item(task, split, seed, number, next(labels), used) for number in range(n_examples or SIZES[split]))


def linked(relation: str, distance: int, n_sentences: int = 100, seed: int = 0) -> tuple[Sentence, ...]:
    """Write different sentences in which the words of a link stand `distance` words apart; Section 4.5's confound.

    The relation is "verb-subject" or "pronoun-antecedent", the distance 1 (neighbours) to 8. The propositions are those
    of dev. Raises GrammarError for anything else, and for more sentences than there are.
    """
    if relation not in links.LINKED or distance not in links.DISTANCES:
        raise GrammarError(
            f"pocket has no {relation!r} links at distance {distance}; give one of {', '.join(links.LINKED)} and "
            f"a distance from {links.DISTANCES[0]} to {links.DISTANCES[-1]}"
        )
    if n_sentences < 1:
        raise GrammarError(f"n_sentences is {n_sentences}; it must be at least 1")
    writer = _writer(seed, f"{relation}/{distance}", 0, "dev")
    found: dict[str, Sentence] = {}
    for _ in range(n_sentences * MOST_TRIES):
        if len(found) == n_sentences:
            return tuple(found.values())
        sentence = links.LINKED[relation](writer, distance)
        found.setdefault(sentence.text, sentence)
    raise GrammarError(f"pocket has fewer than {n_sentences:,} such sentences; ask for fewer, or extend lexicon.yml")


def is_mine(split: str) -> IsMine:
    """Return a function that tells whether a proposition belongs to `split`: a checksum decides, everywhere alike."""

    def decide(proposition: str) -> bool:
        in_dev = hashlib.sha256(proposition.encode()).digest()[0] < 256 * DEV_SHARE
        return in_dev == (split == "dev")

    return decide


def export(directory: str | Path, train: int = SIZES["train"], dev: int = SIZES["dev"], seed: int = 0) -> list[Path]:
    """Write all seven tasks into `directory`, which is made, and return the files (see `write`).

    Raises GrammarError for a size or seed that cannot be, and where something stands in the directory already.
    """
    for name, value, least in (("train", train, 1), ("dev", dev, 1), ("seed", seed, 0)):
        if value < least:
            raise GrammarError(f"{name} is {value}; it must be at least {least}")
        if value > MOST:
            raise GrammarError(f"{name} is {value}; it must be at most {MOST:,}")
    root = Path(directory)
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise GrammarError(f"{str(directory)!r} is not an empty directory: name another one, or empty it")
    splits = [(task, split, size) for task in TASKS for split, size in (("train", train), ("dev", dev))]
    for one in splits:
        items(*one, seed)  # what cannot be written leaves no directory behind
    try:
        return [path for one in splits for path in write(root, *one, seed)]
    except OSError as error:
        place = error.filename or str(directory)
        raise GrammarError(f"{place!r} cannot be written ({error.strerror}): name another directory") from error


def write(directory: Path, task: str, split: str, n_examples: int, seed: int) -> list[Path]:
    """Write a split into a directory in GLUE's layout, and return its two files.

    One is GLUE's own, tab-separated with a header. The other, beside it, is SPLIT.annotations.jsonl, which has a line
    of JSON for each row: its index, and its sentences as `annotation.to_dict` gives them. Words are counted from 0; a
    frame's elements end before their second index.
    """
    found, known = items(task, split, n_examples, seed), TASKS[task]
    rows = [("index", *known.columns, known.label)]
    for number, item in enumerate(found):
        label = known.labels[int(item.label)] if known.labels else str(item.label)
        rows.append((str(number), *(one.text for one in item.sentences), label))
    annotations = [
        json.dumps({"index": number, "sentences": [to_dict(one) for one in item.sentences]}, ensure_ascii=False)
        for number, item in enumerate(found)
    ]
    folder = directory / task
    file = known.dev_file if split == "dev" else "train.tsv"
    return [
        _written(folder / file, ["\t".join(row) for row in rows]),
        _written(folder / f"{split}.annotations.jsonl", annotations),
    ]


def _written(path: Path, lines: Sequence[str]) -> Path:
    """Write lines under another name first, so that the file is whole where it has its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.half")
    half.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return half.replace(path)


def _writer(seed: int, name: str, number: int, split: str) -> Writer:
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return Writer(np.random.default_rng([seed, digest, number]), is_mine(split))


def _item(task: str, split: str, seed: int, number: int, label: int, used: set[str]) -> Item:
    writer = _writer(seed, f"{task}/{split}", number, split)
    for _ in range(MOST_TRIES):
        found = TASKS[task].write(writer, label)
        if found is None:
            continue
        item = Item(found[0], found[1], label if TASKS[task].labels else found[2])
        texts = [sentence.text for sentence in item.sentences]
        if used.isdisjoint(texts):
            used.update(texts)
            return item
    raise GrammarError(f"pocket {task} {split}: no new example after {number:,}; ask for fewer, or extend lexicon.yml")


def _labels(shares: Sequence[float]) -> Iterator[int]:
    """Yield labels so that each beginning of the sequence has these shares, as nearly as whole numbers can."""
    wanted, given = np.array(shares), np.zeros(len(shares))
    while True:
        label = int(np.argmax(wanted * (given.sum() + 1) - given))
        given[label] += 1
        yield label
