"""Report on a fine-tuned classifier of one's own, on texts of one's own: what its heads do, and which can go.

The measures are those of the chapters; here they run on one given model instead of those that the book fine-tunes. What
was computed is kept in the store, by the fingerprints of the model and of the texts. Heads are chosen on one half of
the examples and the cost is measured on the other, so that the choice cannot flatter itself. Where the other half
denies what the choice promised, or the model has not learned the task, nothing is recommended.

Layers and heads count from 0 in tables and from 1 in words and charts; changes are fractions in tables and points in
words, positive where disabling helps. No word that a person typed is in a chart or a caption: the data are "your data".
"""

import inspect
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import numpy as np
import pandas as pd
import torch
from markupsafe import Markup
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import confusion_matrix
from transformers import PreTrainedModel

from darksecrets.corpora import annotated_maps, glue, linguistics
from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.corpora.annotation import Sentence
from darksecrets.corpora.own import examples, files, language
from darksecrets.corpora.own.examples import OwnData
from darksecrets.corpora.own.labels import typed
from darksecrets.errors import InputError
from darksecrets.estimates import format_change, format_estimate, signed
from darksecrets.figures import head_charts, lone_page, publish
from darksecrets.figures.charts import (
    FEATURE_COLOURS,
    SCALES,
    STEP,
    WIDTH,
    counted_from_one,
    dots,
    interval_tooltips,
    menus_of,
    wrapped,
)
from darksecrets.figures.lone_page import check_output
from darksecrets.figures.views import WEIGHT as WEIGHT_TITLE
from darksecrets.files import write_text
from darksecrets.heads import HEAD, head_label
from darksecrets.models import (
    ablation,
    attention,
    checkpoints,
    edited_attention,
    feature_attention,
    pattern_classifier,
    precisions,
)
from darksecrets.models import disabling as disabling_models
from darksecrets.models.ablation import SCHEMA, UNIFORM, Head
from darksecrets.models.attention import Encoded
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.disabling import GRADIENT, RANDOM, SHUFFLE_SEED, SWEEP, PruningCurve, SweepResult
from darksecrets.models.feature_attention import CLS, SEP, SEP_SUM, WEIGHT, FeatureAttention, Measurement
from darksecrets.models.importance import gradient_importance, normalized
from darksecrets.models.quiet import quiet
from darksecrets.models.setup import Setup
from darksecrets.models.sweep import sweep
from darksecrets.runs import Run, Store, file_fingerprint, write_csv, write_json, write_table
from darksecrets.saved_tables import THIS_RUN, SavedTables
from darksecrets.sections import (
    disabling,
    features,
    map_labels,
)
from darksecrets.sections import patterns as pattern_section
from darksecrets.sections.patterns import PatternsOfMaps
from darksecrets.statistics import ROUNDING, beyond_chance, paired_changes, score_interval, zero_event_upper_bound

VERSION = 1  # part of a result's key: raise it when something else is computed
N_STEPS = 18  # how many times more heads are disabled, until none is left
N_RANDOM_STEPS = 3
SEED = 0  # under which the model stands in tables that tell fine-tunings apart
CHOOSES = (SWEEP, GRADIENT)  # orders that may be recommended
# Why no heads are recommended.
NOT_LEARNED = "the model is not clearly better than a constant answer"
FIRST_STEP = "already the first heads cost more than is tolerated where they were chosen"
HELD_OUT = "the chosen heads cost more than is tolerated on held-out examples"
NUMBERS = ["mean", "low", "high"]
N_SHOWN = 12  # heads in the table
MORE = "More examples, or a larger tolerance, may change that."
MOST_NAMED = 10  # classes whose order is written out
FEW = 100  # held-out examples, below which an interval is wide
METRICS = {"accuracy": "accuracy", "pearson": "correlation (Pearson)"}
ORDERS = {SWEEP: "by what each cost alone", GRADIENT: "by gradients"}
PAGE, HEADS, TABLES = "index.html", "heads.json", "tables"
APPLY = """\
from darksecrets.models.ablation import disabled, recommended
with disabled(model, recommended("heads.json")):
    logits = model(**inputs).logits"""
SHORTEST = "SST-2"  # the task with the shortest texts


# Open a model and texts.


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
    def name(self) -> str:
        """The model's name as a reader is shown it: a Hub id, or the last part of a directory's path."""
        path = Path(self.checkpoint.name)
        return path.resolve().name if path.is_dir() else self.checkpoint.name

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


def open_subject(
    checkpoint: str,
    data: str,
    text: str = "",
    second: str = "",
    label: str = "",
    split: str = "",
    max_examples: int = 500,
    max_length: int = attention.MAX_LENGTH,
    precision: str = "float32",
    classes: Sequence[str] = (),
    format: str = "",
) -> Subject:
    """Open labelled texts (a file or a data set's name), and a fine-tuned classifier (a directory or Hub id) of them.

    `text`, `second`, `label`, `split`, `classes` and `format` overrule what is guessed of the data. `max_examples` and
    `max_length` bound what is computed. Raises InputError for everything that would stop the report later: nothing is
    measured yet, and what is wrong with the texts is said before any weights are read.
    """
    computed_in = precisions.chosen(precision)
    examples.check_size(max_examples, "max_examples")
    table = files.read(data, split, format)
    labels = checkpoints.class_names(checkpoint)
    found = examples.of_table(table, labels, text, second, label, max_examples, classes=classes)
    opened, model = checkpoints.load_fine_tuned(checkpoint)
    if None in (opened.tokenizer.cls_token_id, opened.tokenizer.sep_token_id):
        raise InputError(f"checkpoint {checkpoint!r}: its tokenizer lacks a first or separating token as BERT has")
    edited_attention.check(model)
    most = attention.longest_input(model)
    if not max_length >= 8:
        raise InputError(f"max_length is {max_length}; give at least 8 tokens, this model reads up to {most}")
    return Subject(opened, model, found, min(max_length, most), computed_in)


# Measure: three results in the store, of its maps, of single heads and layers, and of many heads.


@dataclass(frozen=True)
class Measurements:
    """Patterns of all maps, attention by example (`FeatureAttention`), and answers with heads disabled.

    `choosing` and `held_out` are answers as more and more heads are disabled, on the half of the examples that chose
    the order and on the other. `orders` has the heads of each order. `why_no_words` says why kinds of words were not
    looked for, where they were not.
    """

    patterns: pd.DataFrame
    features: pd.DataFrame
    swept: SweepResult
    choosing: list[PruningCurve]
    held_out: list[PruningCurve]
    orders: dict[str, list[Head]]
    why_no_words: str


def measure(subject: Subject, store: Store, words: str = language.GUESS) -> Measurements:
    """Measure a subject, or read from the store what it has.

    `words` says whether kinds of words are looked for (`language.CHOICES`). Raises InputError where it is unknown.
    """
    annotated, why_no_words = language.annotated(subject.data.split, store, words)
    key = {"checkpoint": subject.checkpoint.fingerprint, "data": subject.data.split.fingerprint}
    key |= {"version": VERSION, "max_length": subject.max_length}
    of_maps = {"classifier": file_fingerprint(pattern_classifier.WEIGHTS)}
    of_maps |= {"annotation": None if why_no_words else linguistics.described("")}
    of_answers = {"precision": subject.precision}
    maps = store.result("own_maps", key | of_maps, lambda place: _maps(subject, annotated, place))
    swept = _read_swept(subject, store.result("own_swept", key | of_answers, lambda place: _sweep(subject, place)))
    steps = {"n_steps": N_STEPS, "n_random_steps": N_RANDOM_STEPS}
    curves = store.result("own_removed", key | of_answers | steps, lambda place: _prune(subject, swept, place))
    patterns, features = (pd.read_parquet(maps / f"{name}.parquet") for name in ("patterns", "features"))
    return Measurements(patterns, features, swept, *_read_curves(subject, curves), why_no_words)


def halves(n_examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Split examples at random: indices of those that choose heads, and of those that score the choice."""
    drawn = np.random.default_rng(SHUFFLE_SEED).permutation(n_examples)
    return drawn[::2], drawn[1::2]


def _maps(subject: Subject, annotated: Sequence[tuple[Sentence, ...]], directory: Path) -> None:
    """Read every map once: its pattern, and what it attends to."""
    tokenizer, key = subject.checkpoint.tokenizer, {"task": subject.task, "checkpoint": AFTER, "seed": SEED}
    pairs = zip(subject.encoded, annotated, strict=True)
    marks = [feature_attention.marks(encoded, sentences, tokenizer) for encoded, sentences in pairs]
    reducers = {
        "patterns": PatternsOfMaps(pattern_classifier.load(), tokenizer.sep_token_id),
        "features": FeatureAttention([Measurement("paper", WEIGHT, marks, feature_attention.from_all)]),
    }
    reading = list(reducers.values())
    attention.attention_pass(subject.model, tokenizer, subject.encoded, reading, progress="attention maps")
    sure = np.array([all(sentence.sure for sentence in sentences) for sentences in annotated])
    for name, reducer in reducers.items():
        table = reducer.table()
        write_table(directory / f"{name}.parquet", table.assign(**key, sure=sure[table["example"].to_numpy()]))


def _sweep(subject: Subject, directory: Path) -> None:
    answers = _answers(subject, disabling_models.single(subject.model), "heads, one at a time")
    write_table(directory / "answers.parquet", pd.DataFrame(answers.T, columns=map(str, range(len(answers)))))


def _read_swept(subject: Subject, directory: Path) -> SweepResult:
    answers, shape = pd.read_parquet(directory / "answers.parquet").to_numpy(), subject.checkpoint
    heads, layers = np.split(answers[:, 1:], [shape.n_layers * shape.n_heads], axis=1)
    heads = heads.reshape(len(heads), shape.n_layers, shape.n_heads)
    return SweepResult(subject.task, SEED, UNIFORM, subject.labels, answers[:, 0], heads, layers, subject.metric)


def _prune(subject: Subject, swept: SweepResult, directory: Path) -> None:
    """Disable more and more heads, in orders that one half of the examples chose, and answer all of them."""
    heads, orders = ablation.all_heads(subject.model), _orders(subject, swept)
    steps = [(order, n) for order in orders for n in _steps(order, len(heads))]
    sets = [frozenset(heads[index] for index in orders[order][:n]) for order, n in steps]
    different = list(dict.fromkeys(sets))  # none and all heads are the same in every order
    answers = _answers(subject, different, "many heads at once")[[different.index(one) for one in sets]]
    names = [f"{order}/{n}" for order, n in steps]
    write_table(directory / "answers.parquet", pd.DataFrame(answers.T, columns=names))
    write_table(directory / "orders.parquet", pd.DataFrame(orders))


def _orders(subject: Subject, swept: SweepResult) -> dict[str, np.ndarray]:
    """Order all heads, the first to go first: by the sweep, by gradients, and at random."""
    choosing, _ = halves(len(swept.label))
    chosen = [subject.encoded[index] for index in choosing]
    gates = gradient_importance(subject.model, subject.checkpoint.tokenizer, chosen, swept.label[choosing])
    by_gradient = normalized(gates).ravel().argsort(kind="stable")
    orders = {SWEEP: disabling_models.by_sweep(swept, choosing), GRADIENT: by_gradient}
    n_heads = len(by_gradient)
    return orders | {name: np.random.default_rng(seed).permutation(n_heads) for seed, name in enumerate(RANDOM)}


def _read_curves(
    subject: Subject, directory: Path
) -> tuple[list[PruningCurve], list[PruningCurve], dict[str, list[Head]]]:
    answers, orders = (pd.read_parquet(directory / f"{name}.parquet") for name in ("answers", "orders"))
    heads, labels = ablation.all_heads(subject.model), subject.labels

    def of_half(rows: np.ndarray) -> Iterator[PruningCurve]:
        for order in orders:
            steps = _steps(order, len(heads))
            answered = answers[[f"{order}/{n}" for n in steps]].to_numpy()[rows]
            yield PruningCurve(subject.task, SEED, order, steps, labels[rows], answered, subject.metric)

    choosing, held_out = (list(of_half(rows)) for rows in halves(len(labels)))
    return choosing, held_out, {order: [heads[index] for index in orders[order]] for order in orders}


def _steps(order: str, n_heads: int) -> np.ndarray:
    """Return how many heads are disabled together, from none to all."""
    n_steps = N_RANDOM_STEPS if order in RANDOM else N_STEPS
    return np.unique(np.linspace(0, n_heads, n_steps + 1).round().astype(int))


def _answers(subject: Subject, sets: Sequence[Collection[Head]], what: str) -> np.ndarray:
    """Answer every example with each set of heads disabled: (set, example), in as few bytes as they need."""
    how = {"precision": subject.precision, "progress": what}
    answers = sweep(subject.model, subject.checkpoint.tokenizer, subject.encoded, sets, **how).predictions
    return answers.astype(np.float32 if subject.data.split.task.is_regression else np.int16)


# Summarize: the chapters' tables for one model.


@dataclass(frozen=True)
class OwnTables(SavedTables):
    """All tables, as those of the chapters have them.

    `shares`, `patterns`: of each pattern among all maps, and by head (Section 4.1). `attended`, `attended_heads`:
    attention to words and special tokens, over all heads and by head (Section 4.4). `baseline`, `heads`, `layers`,
    `chosen`, `curves`: of disabled heads (Section 4.6), the curves on the half that did not choose.
    """

    PREFIX: ClassVar[str] = "own"

    shares: pd.DataFrame
    patterns: pd.DataFrame
    attended: pd.DataFrame
    attended_heads: pd.DataFrame
    baseline: pd.DataFrame
    heads: pd.DataFrame
    layers: pd.DataFrame
    chosen: pd.DataFrame
    curves: pd.DataFrame


@dataclass(frozen=True)
class OwnReport:
    """All that is known of a subject; `constant` is the score of the best constant answer.

    `reordered` is given where the model does clearly worse than that answer, and with its classes in another order
    would do clearly better: the order in which its answers agree best with the labels, and the accuracy in it.
    """

    subject: Subject
    tables: OwnTables
    recommended: "Recommendation"
    constant: float
    why_no_words: str
    reordered: tuple[tuple[int, ...], float] | None = None


def report(
    subject: Subject, store: str | Path = "_runs", tolerated: float = 1.0, words: str = language.GUESS
) -> OwnReport:
    """Measure what was opened, or find it in the store, and report on it.

    `tolerated` is how many points of the score the disabled heads may cost; `words` as in `measure`. Raises InputError.
    """
    if not 0 <= tolerated <= 100:
        raise InputError(f"tolerated is {tolerated}; give points of the score, from 0 to 100")
    return summarize(subject, measure(subject, Store(store), words), tolerated / 100)


def summarize(subject: Subject, measured: Measurements, tolerated: float) -> OwnReport:
    """Compute the tables, and recommend heads that cost at most `tolerated`, a fraction of the score."""
    task, answers = subject.data.split.task, measured.swept.baseline
    weights = features.feature_weights(measured.features)
    tables = OwnTables(
        shares=pattern_section.shares(
            pattern_section.estimates(
                measured.patterns, map_labels.published().query("rescaled_to == 0"), annotated_maps.load()
            )
        ),
        patterns=pattern_section.by_head(measured.patterns),
        attended=features.means(weights, features.OVERALL),
        attended_heads=features.means(weights, features.HEADS),
        baseline=disabling.baselines([measured.swept]),
        heads=disabling.score_changes([measured.swept], "heads"),
        layers=disabling.score_changes([measured.swept], "layers"),
        chosen=disabling.chosen_heads([measured.swept]),
        curves=disabling.curves(measured.held_out),
    )
    constant, score = glue.majority(task, subject.labels)[subject.metric], tables.baseline.iloc[0]
    recommended = recommend(
        measured.choosing, measured.held_out, measured.orders, tolerated, is_learned=bool(score["low"] > constant)
    )
    is_worse = not task.is_regression and score["high"] < constant
    reordered = better_order(subject.labels, answers, task.n_outputs, constant) if is_worse else None
    return OwnReport(subject, tables, recommended, constant, measured.why_no_words, reordered)


def better_order(
    labels: np.ndarray, answers: np.ndarray, n_classes: int, constant: float
) -> tuple[tuple[int, ...], float] | None:
    """Return the `best_order` where answers in it are clearly better than a constant one, whose score is `constant`."""
    order, accuracy = best_order(labels, answers, n_classes)
    _, low, _ = score_interval("accuracy", labels, np.array(order)[answers])
    return (order, accuracy) if low > constant else None


def best_order(labels: np.ndarray, answers: np.ndarray, n_classes: int) -> tuple[tuple[int, ...], float]:
    """Return the order of the classes in which answers agree with labels most often, and the accuracy in that order.

    Entry k is the label that the model's class k is to stand for (the assignment problem on the confusion matrix).
    """
    agreeing = confusion_matrix(labels, answers, labels=range(n_classes))  # (label, answer)
    answered, meant = linear_sum_assignment(agreeing.T, maximize=True)
    return tuple(meant.tolist()), float(agreeing[meant, answered].sum() / agreeing.sum())


# Judge: which heads can go.


@dataclass(frozen=True)
class Recommendation:
    """Heads that can go together, or the reason why none are recommended.

    `chosen` are as many as cost at most `tolerated` where they were chosen; `heads` are the same, or none where
    `reason` is not empty. `where_chosen` and `cost` are the change of the score with the chosen heads disabled, (mean,
    low, high), on `n_choosing` and on the `n_held_out` other examples; `score` is that of the latter with nothing
    disabled, and `score_without` with the chosen heads disabled.
    """

    heads: tuple[Head, ...]
    chosen: tuple[Head, ...]
    reason: str
    order: str
    tolerated: float
    n_choosing: int
    n_held_out: int
    where_chosen: tuple[float, float, float]
    cost: tuple[float, float, float]
    score: tuple[float, float, float]
    score_without: tuple[float, float, float]


def recommend(
    choosing: Sequence[PruningCurve],
    held_out: Sequence[PruningCurve],
    orders: dict[str, list[Head]],
    tolerated: float,
    is_learned: bool = True,
) -> Recommendation:
    """Take the order of `CHOOSES` in which most heads can go at a cost of at most `tolerated` on the choosing half.

    As many are chosen as come before the first step that costs more. Nothing of the held-out half is looked at before
    the choice stands; it can only deny it. With a model that has not learned the task, nothing is recommended.
    """
    candidates = [(one, _last_within(one, tolerated)) for one in choosing if one.order in CHOOSES]
    chosen, step = max(candidates, key=lambda candidate: candidate[0].n_disabled[candidate[1]])
    other = next(one for one in held_out if one.order == chosen.order)
    heads = tuple(sorted(orders[chosen.order][: chosen.n_disabled[step]]))
    cost = _change(other, step)
    score, score_without = (score_interval(other.metric, other.label, other.answers[:, n]) for n in (0, step))
    reasons = {
        NOT_LEARNED: not is_learned,
        FIRST_STEP: not heads,
        HELD_OUT: cost[0] < -tolerated - ROUNDING,
    }
    return Recommendation(
        heads=() if any(reasons.values()) else heads,
        chosen=heads,
        reason=next((reason for reason, applies in reasons.items() if applies), ""),
        order=chosen.order,
        tolerated=tolerated,
        n_choosing=len(chosen.label),
        n_held_out=len(other.label),
        where_chosen=_change(chosen, step),
        cost=cost,
        score=score,
        score_without=score_without,
    )


def _last_within(one: PruningCurve, tolerated: float) -> int:
    """Return the last step before the first that costs more than is tolerated."""
    changes = paired_changes(one.metric, one.label, one.answers[:, 0], one.answers)[0]
    beyond = np.flatnonzero(changes < -tolerated - ROUNDING)
    return int(beyond[0]) - 1 if len(beyond) else len(changes) - 1


def _change(one: PruningCurve, step: int) -> tuple[float, float, float]:
    """Return the change of the score at a step; an interval without width gets that of what no example shows."""
    mean, low, high = (
        float(values[0]) for values in paired_changes(one.metric, one.label, one.answers[:, 0], one.answers[:, [step]])
    )
    reach = float(zero_event_upper_bound(len(one.label))) if step and low == high else 0.0
    return mean, low - reach, high + reach


# Say it in words.


def facts(subject: Subject) -> dict[str, str]:
    """Return what was read, and how, by what it is called: known before anything is measured."""
    data, split, checkpoint = subject.data, subject.data.split, subject.checkpoint
    outputs = "a score" if split.task.is_regression else f"{split.task.n_outputs} classes"
    family = subject.model.config.model_type
    shape = f"{family}, {checkpoint.n_layers} layers of {checkpoint.n_heads} heads, {outputs}"
    used = f"{len(split.examples):,} of {split.n_available:,} rows"
    of_lines = "" if data.n_lines is None else f", from {data.n_lines:,} lines"
    return {
        "model": f"{subject.name} ({shape})",
        "data": subject.task + (f", split {data.source_split}" if data.source_split else ""),
        "text": _column(subject, "text"),
        "second text": _column(subject, "second"),
        "label": f"{_column(subject, 'label')}, read as {data.read_as}",
        "examples": used + of_lines + (f"; {data.n_dropped:,} lack a text or a label" if data.n_dropped else ""),
        "read of each input": f"at most {subject.max_length} tokens; {_cut(subject)}",
    }


def overview(report: OwnReport) -> pd.DataFrame:
    """Return what was read, and how the model scores on it: columns what and value."""
    rows = facts(report.subject) | {
        METRICS[report.subject.metric]: format_estimate(report.tables.baseline.iloc[0]),
        "best constant answer": f"{100 * report.constant:.1f}",
    }
    return pd.DataFrame({"what": list(rows), "value": list(rows.values())})


def warnings(report: OwnReport) -> list[str]:
    """Return what a reader has to know before believing the report, a sentence each; often nothing."""
    subject, data, n_examples = report.subject, report.subject.data, len(report.subject.labels)
    n_held_out = report.recommended.n_held_out
    part = "end" if subject.checkpoint.tokenizer.truncation_side == "left" else "beginning"
    sentences = {
        "What is said of single heads rests on a model that does not answer better than a constant: were the right "
        "columns read, and do the labels mean the same to the model?": report.recommended.reason == NOT_LEARNED,
        f"Of {n_examples:,} examples, {_cut(subject)}, and only their {part} was read.": subject.n_truncated,
        f"{data.n_dropped:,} of {data.split.n_available:,} rows lack a text or a label and were left out.": (
            data.n_dropped
        ),
        f"{data.n_repeated:,} of {n_examples:,} examples have the same texts as another one, so that the half that "
        "measures knows something of the half that chooses.": data.n_repeated,
        f"Costs were measured on {n_held_out} examples: the intervals are wide, and more examples would help.": (
            n_held_out < FEW
        ),
    }
    of_words = [report.why_no_words] if report.why_no_words else []
    return [*data.notes, *of_words, *(sentence for sentence, applies in sentences.items() if applies)]


def patterns_finding(tables: OwnTables) -> str:
    """Return which patterns most maps show, as a sentence without its full stop."""
    most = tables.shares.sort_values("mean", ascending=False).head(2).to_dict("records")
    first, second = (f"{row['pattern']} ({row['mean']:.0%})" for row in most)
    return f"The patterns that most maps show: {first}, then {second}"


def attended_finding(tables: OwnTables) -> str:
    """Return what special tokens receive, and which kind of word receives most, where words were looked for."""
    means = tables.attended.set_index("feature")["mean"]
    special = f"The average head pays {means[CLS] + means[SEP_SUM]:.0%} of its attention to special tokens"
    words = means.drop([CLS, SEP, SEP_SUM], errors="ignore")
    return f"{special}; of words, a {words.idxmax()} receives most" if len(words) else special


def heads_finding(tables: OwnTables) -> str:
    """Return how many heads cost, and how many help, beyond chance when they are disabled."""
    n_helps, n_costs = beyond_chance(tables.heads)[["helps", "costs"]].sum()
    return f"Disabled alone, {n_costs} of {len(tables.heads)} heads cost beyond chance, and {n_helps} help"


def best_head(tables: OwnTables) -> str:
    """Return what the best head gains where it was chosen, and what one chosen so gains held out."""
    row, label = tables.chosen.iloc[0], head_label(tables.chosen).iloc[0]
    return (
        f"The head that gains most when it is disabled is {label} (layer-head): {signed(row['best'])} points on the "
        f"examples that chose it. A head chosen on one half gains {format_change(row)} on the other."
    )


def pruning_finding(report: OwnReport) -> str:
    """Return how many heads can go at what cost, in short."""
    recommended, n_heads = report.recommended, len(report.tables.heads)
    n, cost = len(recommended.heads), signed(recommended.cost[0])
    return {
        "": f"{n} of {n_heads} heads can go: {cost} points on held-out examples",
        NOT_LEARNED: f"No heads are recommended: {NOT_LEARNED}",
        HELD_OUT: f"No heads are recommended: held out, the choice costs more than {_tolerated(report)}",
        FIRST_STEP: f"No heads can go for at most {_tolerated(report)}",
    }[recommended.reason]


def recommendation(report: OwnReport) -> str:
    """Return in full which choice was made, and what it cost where; or why no heads are recommended."""
    made, n_heads, tolerated = report.recommended, len(report.tables.heads), _tolerated(report)
    score, without = (format_estimate(_row(numbers)) for numbers in (made.score, made.score_without))
    cost = format_change(_row(made.cost))
    metric, baseline = METRICS[report.subject.metric], format_estimate(report.tables.baseline.iloc[0])
    return {
        "": f"{len(made.heads)} of {n_heads} heads, taken {ORDERS[made.order]}, were chosen on {made.n_choosing} "
        f"examples to cost at most {tolerated} there. On the {made.n_held_out} other examples the score changes by "
        f"{cost} points: from {score} to {without}.",
        NOT_LEARNED: f"No heads are recommended, since {NOT_LEARNED}: {metric} {baseline}, where the best constant "
        f"answer has {100 * report.constant:.1f}.{_reversed(report)}",
        FIRST_STEP: f"On the {made.n_choosing} examples that choose, already the first step costs more than "
        f"{tolerated}, so no head is recommended. {MORE}",
        HELD_OUT: f"No heads are recommended. Disabling {len(made.chosen)} of {n_heads} costs at most {tolerated} on "
        f"the {made.n_choosing} examples that chose them, but more on the {made.n_held_out} others: there the score "
        f"changes by {cost} points, from {score} to {without}. {MORE}",
    }[made.reason]


def heads_table(tables: OwnTables, n_shown: int = N_SHOWN) -> pd.DataFrame:
    """Return the heads that matter most when disabled alone: head, change, p, its pattern, and what it attends to.

    Heads without which the score stays the same are left out, but for one where all are such.
    """
    changes = tables.heads["mean"].abs().sort_values(ascending=False, kind="stable")
    heads = tables.heads.loc[changes.index[: min(n_shown, max(1, (changes > ROUNDING).sum()))]]
    attended = tables.attended_heads[tables.attended_heads["feature"] != SEP_SUM]
    most = attended.loc[attended.groupby(HEAD)["mean"].idxmax()]
    rows = heads.merge(tables.patterns[[*HEAD, "main", "purity"]], on=HEAD)
    rows = rows.merge(most[[*HEAD, "feature", "mean"]], on=HEAD, suffixes=("", "_attended"))
    return pd.DataFrame(
        {
            "head": head_label(rows),
            "change": rows.apply(format_change, axis=1),
            "p": rows["p"].map("{:.4f}".format),
            "p corrected": rows["holm"].map("{:.4f}".format),
            "main pattern": rows["main"] + rows["purity"].map(" ({:.0%})".format),
            "attends most to": rows["feature"] + rows["mean_attended"].map(" ({:.2f})".format),
        }
    )


def disabled_table(report: OwnReport) -> pd.DataFrame:
    """Return the recommended heads by layer, counted from 1: columns layer and heads."""
    heads = pd.DataFrame(report.recommended.heads, columns=HEAD) + 1
    rows = [(layer, ", ".join(map(str, sorted(group)))) for layer, group in heads.groupby("layer")["head"]]
    return pd.DataFrame(rows or [("none", "none")], columns=["layer", "heads"])


def _reversed(report: OwnReport) -> str:
    """Return what would explain a model that does worse than a constant answer; an empty text for others."""
    data = report.subject.data
    if data.split.task.is_regression and report.tables.baseline["high"].iloc[0] < 0:
        return " The higher a label, the lower the score: do the labels count the other way round?"
    if report.reordered is None:
        return ""
    order, accuracy = report.reordered
    better = f" With the model's classes in another order it would have {100 * accuracy:.1f}"
    if len(order) > MOST_NAMED:
        return f"{better}: say with classes how the data name them."
    # What the data call the model's classes in that order, as the command line takes it.
    classes = shlex.quote(typed(data.classes[index] for index in order))
    return f"{better}: if that is what the labels mean, give --classes {classes}."


def _tolerated(report: OwnReport) -> str:
    points = f"{100 * report.recommended.tolerated:g}"
    return f"{points} point{'s' * (points != '1')}"


def _column(subject: Subject, what: str) -> str:
    name = getattr(subject.data.columns, what)
    guessed = " (guessed)" if what in subject.data.guessed else ""
    return f"column {name!r}{guessed}" if name else f"none{guessed}"


def _cut(subject: Subject) -> str:
    n_cut, length = subject.n_truncated, subject.max_length
    return f"{n_cut:,} were longer than {length} tokens and cut" if n_cut else "none was longer"


def _row(numbers: Sequence[float]) -> dict[str, float]:
    return dict(zip(NUMBERS, map(float, numbers), strict=True))


# Draw: every figure and table, for the chapter and for the page of the command.


def shown(report: OwnReport) -> dict[str, dict[str, Any]]:
    """Return every figure (chart, caption, alt) and table (frame, caption) by name, as `publish` takes them."""
    tables = report.tables
    of_task = {"task": "your data"}
    shares, patterns, heads, baseline, curves = (
        table.assign(**of_task)
        for table in (tables.shares, tables.patterns, tables.heads, tables.baseline, tables.curves)
    )
    return {
        "overview": {
            "frame": overview(report),
            "caption": "What was read: the model, the data, and what was taken for text and label.",
        },
        "patterns": {
            "chart": pattern_section.figure_2(shares.assign(run=THIS_RUN), patterns_finding(tables)),
            "caption": "The share of each pattern among the maps of all heads, corrected for the classifier's "
            "mistakes; below, each share with its interval.",
            "alt": "A stacked bar of the shares of five patterns, and below it a point with an interval for each.",
        },
        "pattern-heads": {
            "chart": pattern_section.heads_chart(patterns, "The pattern that most inputs show, head by head"),
            "caption": "The main pattern of each head; the larger the square, the more of the inputs show it.",
            "alt": "A grid of squares by layer and head, coloured by main pattern.",
        },
        "attended": {
            "chart": attended(tables.attended, attended_finding(tables)),
            "caption": "The attention that special tokens and words receive, averaged over all heads and over the "
            "inputs that have such a word; of several, the one that receives most.",
            "alt": "A point with an interval for each kind of token: the mean attention that it receives.",
        },
        "attended-heads": {
            "chart": attended_heads(tables.attended_heads, "Which heads attend to what"),
            "caption": "The attention that a kind of token receives from each head; the menu chooses the kind.",
            "alt": "Heat map by layer and head of the attention to the chosen kind of token.",
        },
        "disabled-heads": {
            "chart": disabling.draw_heads(heads, baseline, heads_finding(tables)),
            "caption": "The change of the score when a head is disabled, in points, with an interval when pointed at.",
            "alt": "Heat map by layer and head of the change of the score when the head is disabled.",
        },
        "heads": {
            "frame": heads_table(tables),
            "caption": "The heads whose disabling changes the score most, in points, and what they look at.",
        },
        "removal": {
            "chart": disabling.draw_removal(curves, pruning_finding(report)),
            "caption": "The change of the score as more and more heads are disabled, on the examples that did not "
            "choose the order.",
            "alt": "Curves: change of the score against the share of heads disabled, for orders by a sweep, by "
            "gradients and at random.",
        },
        "disabled": {
            "frame": disabled_table(report),
            "caption": "The heads recommended to be disabled together, counted from 1.",
        },
    }


def attended(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw the attention that each kind of token receives: a point with its interval, from `OwnTables.attended`."""
    table = counted_from_one(table[["feature", "mean", "low", "high", "n_examples"]])
    n_examples = alt.Tooltip("n_examples:Q", title="inputs that have it")
    base = alt.Chart(table, width=WIDTH, height=alt.Step(STEP), title=wrapped(title)).encode(
        y=alt.Y("feature:N", title=None, sort=list(FEATURE_COLOURS)),
        color=alt.Color("feature:N", scale=SCALES["feature"], legend=None),
        tooltip=["feature", *interval_tooltips(WEIGHT_TITLE, ".4f"), n_examples],
    )
    return alt.layer(*dots(base, WEIGHT_TITLE))


def attended_heads(table: pd.DataFrame, title: str) -> alt.Chart:
    """Colour the heads by the attention that they pay to the kind of token that a menu chooses."""
    packed = head_charts.packed(head_charts.with_margin(table, ["feature", *HEAD]), ["feature"])
    menus = menus_of(packed, "feature", first=(CLS,))
    return head_charts.cells(packed, menus, "attention", WEIGHT_TITLE, title=title).add_params(*menus.values())


# Write: a page that needs nothing else, heads.json for programs, and the tables.


def write(report: OwnReport, directory: str | Path) -> Path:
    """Write the page, `heads.json` and the tables into `directory`, which is made; return the page.

    What an earlier report left there is replaced. Raises InputError where `directory` is a file, or holds something
    else than a report.
    """
    directory = Path(directory)
    check_output(directory, HEADS)
    directory.mkdir(parents=True, exist_ok=True)
    content = heads_file(report)
    report.tables.save(Run(directory / TABLES), **{name: content[name] for name in ("model", "data")})
    write_json(directory / HEADS, content)
    write_text(directory / PAGE, page(report))
    return directory / PAGE


def page(report: OwnReport) -> str:
    """Return the page: everything that it needs is in it, and it asks the browser to load nothing."""
    parts = shown(report)

    def part(name: str) -> Markup:
        kind, html = ("figure", publish.figure_html) if "chart" in parts[name] else ("table", publish.table_html)
        return Markup(html(name=f"{kind}-{name}", **parts[name]))

    title = f"Heads of {report.subject.name}"
    findings = (patterns_finding, attended_finding, heads_finding, best_head)
    sentences = {finding.__name__: finding(report.tables) for finding in findings}
    keys = inspect.cleandoc(heads_file.__doc__).replace("`", "")
    body = lone_page.template("darksecrets.apps", "own_report.html").render(
        title=title,
        part=part,
        recommendation=recommendation(report),
        warnings=warnings(report),
        apply=APPLY,
        keys=keys,
        **sentences,
    )
    return lone_page.document(title, [body], has_charts=True)


def heads_file(report: OwnReport) -> dict[str, Any]:
    """Return what `heads.json` holds. Layers and heads count from 0; `mean`, `low`, `high` are a 95 % interval.

    - `schema`: what this is, and its version.
    - `model`: `name`, `family`, `fingerprint` (of configuration, tokenizer and weights), `n_layers`, `n_heads`, and
      `labels`, null for a score.
    - `data`: `name`, `split`, `fingerprint` (of examples and labels), `columns` (`text`, `second`, `label`, and which
      of these were `guessed`), and how many rows there were (`n_available`), were used (`n_examples`), lacked something
      (`n_dropped`), and were cut (`n_truncated`) at `max_length` tokens.
    - `metric`, `score`: accuracy or pearson, and the model's; `constant_answer`: that of the best constant answer.
    - `heads`, of each `layer` and `head`: the `score` with it alone disabled, the `change` that is, `p`, and `holm`,
      which is p corrected for their number; its main `pattern`, and `purity`, the share of inputs that show it; the
      mean `attention` that it pays to special tokens and kinds of words.
    - `disable`: the `heads` recommended, as [layer, head]: those that were `chosen`, or none where there is a `reason`
      against them (else null). The `order` that they were taken in (sweep or gradient); how many points, as a fraction,
      were `tolerated` on the `n_choosing` examples that chose them; with the chosen heads disabled, the change
      `where_chosen`, and the `cost`, the change on the `n_held_out` others, with `score` and `score_without` there.
    """
    subject, tables, split = report.subject, report.tables, report.subject.data.split
    columns = asdict(subject.data.columns) | {"guessed": list(subject.data.guessed)}
    made = asdict(report.recommended)
    intervals = {name: _row(made.pop(name)) for name in ("where_chosen", "cost", "score", "score_without")}
    heads = {name: [list(head) for head in made.pop(name)] for name in ("heads", "chosen")}
    return {
        "schema": SCHEMA,
        "model": {
            "name": subject.name,
            "family": subject.model.config.model_type,
            "fingerprint": subject.checkpoint.fingerprint,
            "n_layers": subject.checkpoint.n_layers,
            "n_heads": subject.checkpoint.n_heads,
            "labels": None if split.task.labels is None else list(split.task.labels),
        },
        "data": {
            "name": subject.task,
            "split": subject.data.source_split or None,
            "fingerprint": split.fingerprint,
            "columns": columns,
            "n_available": split.n_available,
            "n_examples": len(split.examples),
            "n_dropped": subject.data.n_dropped,
            "n_truncated": subject.n_truncated,
            "max_length": subject.max_length,
        },
        "metric": subject.metric,
        "score": _row(tables.baseline[NUMBERS].iloc[0]),
        "constant_answer": report.constant,
        "heads": _heads(tables),
        "disable": made | heads | intervals | {"reason": report.recommended.reason or None},
    }


def _heads(tables: OwnTables) -> list[dict[str, Any]]:
    attended = tables.attended_heads.pivot(index=HEAD, columns="feature", values="mean")
    patterns = tables.patterns.set_index(HEAD)
    return [
        {
            **{name: int(row[name]) for name in HEAD},
            "score": row["score"],
            "change": _row([row[name] for name in NUMBERS]),
            "p": row["p"],
            "holm": row["holm"],
            "pattern": patterns.loc[head, "main"],
            "purity": float(patterns.loc[head, "purity"]),
            "attention": {name: float(value) for name, value in attended.loc[head].dropna().items()},
        }
        for row in tables.heads.to_dict("records")
        for head in [(row["layer"], row["head"])]
    ]


# The example of the chapter: a model that the book fine-tunes anyway, and a file of text.


def chosen(setup: Setup, model: str, data: str) -> tuple[str, str]:
    """Return the model and the data that a reader gave, or for two empty texts those of a task of the setup: of
    `SHORTEST` if it is there, else of the first.

    The task's validation examples are written as a CSV file into the store. Raises InputError where one is given
    without the other.
    """
    check_given(model, data)
    if model:
        return model, data
    task = SHORTEST if SHORTEST in setup.tasks else setup.tasks[0]
    return setup.finetuned(task, setup.seeds[0]).name_or_path, str(write_examples(setup, task))


def check_given(model: str, data: str) -> None:
    """Raise InputError where one of model and data is given without the other."""
    if bool(model) != bool(data):
        missing, given = ("own_data", "own_model") if model else ("own_model", "own_data")
        raise InputError(f"{given} is given and {missing} is not; give both, or neither for the book's example")


def write_examples(setup: Setup, task: str) -> Path:
    """Write all validation examples of a task into the store, in columns idx, one or two of text, and label."""
    split = setup.split(task, "dev")
    path = setup.results.root / "own" / f"{task}-{split.fingerprint[:12]}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["sentence1", "sentence2"] if split.task.is_pair else ["sentence"]
    rows = [[one.id, *[one.first, one.second][: len(names)], one.label] for one in split.examples]
    write_csv(path, pd.DataFrame(rows, columns=["idx", *names, "label"]))
    return path


def first_inputs(subject: Subject) -> dict[str, torch.Tensor]:
    """Return the first example as the model takes it."""
    first = subject.encoded[0]
    return attention.collate([first], subject.checkpoint.tokenizer, len(first)).on(subject.model)
