"""A fine-tuned classifier of one's own on texts of one's own: its maps, what they attend to, and its answers with heads
disabled.

The analyses are those of the chapters; here they run on one given model instead of those that the book fine-tunes. What
was computed is kept in the store, by the fingerprints of the model and of the texts.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from transformers import PreTrainedModel

from darksecrets.corpora import linguistics, own, own_files, own_language
from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.corpora.annotation import Sentence
from darksecrets.corpora.own import OwnData
from darksecrets.errors import InputError
from darksecrets.models import (
    ablation,
    attention,
    checkpoints,
    disabling,
    edited_attention,
    feature_attention,
    pattern_classifier,
    precisions,
)
from darksecrets.models.ablation import UNIFORM, Head
from darksecrets.models.attention import Encoded
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.disabling import GRADIENT, RANDOM, SHUFFLE_SEED, SWEEP, PruningCurve, SweepResult
from darksecrets.models.feature_attention import WEIGHT, FeatureAttention, Measurement
from darksecrets.models.importance import gradient_importance, normalized
from darksecrets.models.patterns import PatternsOfMaps
from darksecrets.models.quiet import quiet
from darksecrets.models.sweep import sweep
from darksecrets.runs import Store, file_fingerprint, write_table

VERSION = 1  # part of a result's key: raise it when something else is computed
N_STEPS = 18  # how many times more heads are disabled, until none is left
N_RANDOM_STEPS = 3
SEED = 0  # under which the model stands in tables that tell fine-tunings apart


@dataclass(frozen=True)
class Subject:
    """What is reported on: a classifier, labelled texts, and how many tokens of a text it reads."""

    checkpoint: Checkpoint
    model: PreTrainedModel
    data: OwnData
    max_length: int
    precision: str = "float32"

    @property
    def task(self) -> str:
        """The name that stands for the data in all tables."""
        return self.data.split.task.name

    @property
    def metric(self) -> str:
        """The metric that the model is scored by: accuracy, or Pearson's correlation of scores."""
        return self.data.split.task.headline

    @property
    def labels(self) -> np.ndarray:
        """The labels of all examples."""
        return np.array([example.label for example in self.data.split.examples])

    @cached_property
    def encoded(self) -> list[Encoded]:
        """All examples as the model reads them."""
        return attention.encode(self.checkpoint.tokenizer, self.data.split.examples, self.max_length)

    @cached_property
    def n_truncated(self) -> int:
        """How many examples are longer than what the model reads of them."""
        with quiet():  # transformers warns of what is too long
            whole = attention.encode(self.checkpoint.tokenizer, self.data.split.examples, max_length=None)
        return sum(len(one) > self.max_length for one in whole)


@dataclass(frozen=True)
class Measured:
    """Patterns of all maps, attention by example (`FeatureAttention`), and answers with heads disabled.

    `removed` are answers as more and more heads are disabled in an order that one half of the examples chose: for each
    order on the `choosing` half, and on the `held_out` one. `orders` has the heads of each order. `why_no_words` says
    why kinds of words were not looked for, where they were not.
    """

    patterns: pd.DataFrame
    features: pd.DataFrame
    swept: SweepResult
    choosing: list[PruningCurve]
    held_out: list[PruningCurve]
    orders: dict[str, list[Head]]
    why_no_words: str


def open_subject(
    checkpoint: str,
    data: str,
    text: str = "",
    second: str = "",
    label: str = "",
    split: str = "",
    max_examples: int = 0,
    max_length: int = attention.MAX_LENGTH,
    precision: str = "float32",
    classes: Sequence[str] = (),
    format: str = "",
) -> Subject:
    """Open labelled texts, and the fine-tuned classifier that they are for (`own.load`, `checkpoints.load_fine_tuned`).

    Raises InputError for everything that would stop the report later: nothing is measured yet, and what is wrong with
    the texts is said before any weights are read.
    """
    computed_in = precisions.chosen(precision)
    own.check_size(max_examples, "max_examples")
    table = own_files.read(data, split, format)
    labels = checkpoints.class_names(checkpoint)
    found = own.of_table(table, labels, text, second, label, max_examples, classes=classes)
    opened, model = checkpoints.load_fine_tuned(checkpoint)
    tokenizer = opened.tokenizer
    if None in (tokenizer.cls_token_id, tokenizer.sep_token_id):
        raise InputError(f"checkpoint {checkpoint!r}: its tokenizer lacks a first or separating token as BERT has")
    edited_attention.check(model)
    most = attention.longest_input(model)
    if not max_length >= 8:
        raise InputError(f"max_length is {max_length}; give at least 8 tokens, this model reads up to {most}")
    return Subject(opened, model, found, min(max_length, most), computed_in)


def measured(subject: Subject, store: Store, words: str = own_language.GUESS) -> Measured:
    """Measure a subject: three results in the store, of its maps, of single heads and layers, and of many heads.

    `words` says whether kinds of words are looked for (`own_language.CHOICES`). Raises InputError where it is unknown.
    """
    annotated, why_no_words = own_language.annotated(subject.data.split, store, words)
    key = {"checkpoint": subject.checkpoint.fingerprint, "data": subject.data.split.fingerprint}
    key |= {"version": VERSION, "max_length": subject.max_length}
    of_maps = {"classifier": file_fingerprint(pattern_classifier.WEIGHTS)}
    of_maps |= {"annotation": None if why_no_words else linguistics.described("")}
    of_answers = {"precision": subject.precision}
    maps = store.result("own_maps", key | of_maps, lambda place: _maps(subject, annotated, place))
    swept = _read_swept(subject, store.result("own_swept", key | of_answers, lambda place: _sweep(subject, place)))
    steps = {"n_steps": N_STEPS, "n_random_steps": N_RANDOM_STEPS}
    removed = store.result("own_removed", key | of_answers | steps, lambda place: _remove(subject, swept, place))
    choosing, held_out, orders = _read_removed(subject, removed)
    patterns, features = (pd.read_parquet(maps / f"{name}.parquet") for name in ("patterns", "features"))
    return Measured(patterns, features, swept, choosing, held_out, orders, why_no_words)


def halves(n_examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Split examples at random: places of those that choose heads, and of those that score the choice."""
    places = np.random.default_rng(SHUFFLE_SEED).permutation(n_examples)
    return places[::2], places[1::2]


def _maps(subject: Subject, annotated: Sequence[tuple[Sentence, ...]], directory: Path) -> None:
    """Read every map once: its pattern, and what it attends to."""
    tokenizer, key = subject.checkpoint.tokenizer, {"task": subject.task, "checkpoint": AFTER, "seed": SEED}
    pairs = zip(subject.encoded, annotated, strict=True)
    marks = [feature_attention.marks(encoded, sentences, tokenizer) for encoded, sentences in pairs]
    reducers = {
        "patterns": PatternsOfMaps(pattern_classifier.load(), tokenizer.sep_token_id),
        "features": FeatureAttention([Measurement("paper", WEIGHT, marks, feature_attention.from_all)]),
    }
    attention.attention_pass(
        subject.model, tokenizer, subject.encoded, list(reducers.values()), progress="attention maps"
    )
    sure = np.array([all(sentence.sure for sentence in sentences) for sentences in annotated])
    for name, reducer in reducers.items():
        table = reducer.table()
        write_table(directory / f"{name}.parquet", table.assign(**key, sure=sure[table["example"].to_numpy()]))


def _sweep(subject: Subject, directory: Path) -> None:
    answers = _answers(subject, disabling.single(subject.model), "heads, one at a time")
    write_table(directory / "answers.parquet", pd.DataFrame(answers.T, columns=map(str, range(len(answers)))))


def _read_swept(subject: Subject, directory: Path) -> SweepResult:
    answers, n_layers = pd.read_parquet(directory / "answers.parquet").to_numpy(), subject.checkpoint.n_layers
    heads, layers = np.split(answers[:, 1:], [n_layers * subject.checkpoint.n_heads], axis=1)
    heads = heads.reshape(len(heads), n_layers, subject.checkpoint.n_heads)
    return SweepResult(subject.task, SEED, UNIFORM, subject.labels, answers[:, 0], heads, layers, subject.metric)


def _remove(subject: Subject, swept: SweepResult, directory: Path) -> None:
    """Disable more and more heads, in orders that one half of the examples chose, and answer all of them."""
    heads, orders = ablation.all_heads(subject.model), _orders(subject, swept)
    steps = [(order, n) for order in orders for n in _steps(order, len(heads))]
    sets = [frozenset(heads[place] for place in orders[order][:n]) for order, n in steps]
    different = list(dict.fromkeys(sets))  # none and all heads are the same in every order
    answers = _answers(subject, different, "many heads at once")[[different.index(one) for one in sets]]
    names = [f"{order}/{n}" for order, n in steps]
    write_table(directory / "answers.parquet", pd.DataFrame(answers.T, columns=names))
    write_table(directory / "orders.parquet", pd.DataFrame(orders))


def _orders(subject: Subject, swept: SweepResult) -> dict[str, np.ndarray]:
    """Order all heads, the first to go first: by the sweep, by gradients, and at random."""
    choosing, _ = halves(len(swept.label))
    chosen = [subject.encoded[place] for place in choosing]
    of_gates = gradient_importance(subject.model, subject.checkpoint.tokenizer, chosen, swept.label[choosing])
    orders = {SWEEP: disabling.by_sweep(swept, choosing), GRADIENT: normalized(of_gates).ravel().argsort(kind="stable")}
    n_heads = subject.checkpoint.n_layers * subject.checkpoint.n_heads
    return orders | {name: np.random.default_rng(seed).permutation(n_heads) for seed, name in enumerate(RANDOM)}


def _read_removed(
    subject: Subject, directory: Path
) -> tuple[list[PruningCurve], list[PruningCurve], dict[str, list[Head]]]:
    answers, orders = (pd.read_parquet(directory / f"{name}.parquet") for name in ("answers", "orders"))
    heads, labels = ablation.all_heads(subject.model), subject.labels

    def of_half(places: np.ndarray) -> Iterator[PruningCurve]:
        for order in orders:
            steps = _steps(order, len(heads))
            found = answers[[f"{order}/{n}" for n in steps]].to_numpy()[places]
            yield PruningCurve(subject.task, SEED, order, steps, labels[places], found, subject.metric)

    choosing, held_out = (list(of_half(places)) for places in halves(len(labels)))
    return choosing, held_out, {order: [heads[place] for place in orders[order]] for order in orders}


def _steps(order: str, n_heads: int) -> np.ndarray:
    """How many heads are disabled together, from none to all."""
    n_steps = N_RANDOM_STEPS if order in RANDOM else N_STEPS
    return np.unique(np.linspace(0, n_heads, n_steps + 1).round().astype(int))


def _answers(subject: Subject, sets: Sequence[Collection[Head]], what: str) -> np.ndarray:
    """Answer every example with each set of heads disabled: (set, example), in as few bytes as they need."""
    how = {"precision": subject.precision, "progress": what}
    answers = sweep(subject.model, subject.checkpoint.tokenizer, subject.encoded, sets, **how).predictions
    return answers.astype(np.float32 if subject.data.split.task.is_regression else np.int16)
