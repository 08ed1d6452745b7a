"""A fine-tuned classifier of one's own reported on: the tables of the chapters for one model, and which of its heads
can go at what cost.

Heads are chosen on one half of the examples and the cost is measured on the other, so that the choice cannot flatter
itself. Where the other half denies what the choice promised, or the model has not learned the task, nothing is
recommended. Layers and heads count from 0 here; changes are fractions, positive where disabling helps.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import confusion_matrix

from darksecrets.apps import own_model
from darksecrets.apps.own_model import Measured, Subject
from darksecrets.corpora import annotated_maps, glue, own_language
from darksecrets.errors import InputError
from darksecrets.heads import HEAD
from darksecrets.models.ablation import SCHEMA, Head
from darksecrets.models.disabling import GRADIENT, SWEEP, PruningCurve
from darksecrets.runs import Store
from darksecrets.saved import SavedTables
from darksecrets.sections import disabling, feature_summaries, pattern_shares, pattern_validation
from darksecrets.statistics import ROUNDING, paired_changes, score_interval, zero_event_upper_bound

CHOOSES = (SWEEP, GRADIENT)  # orders that may be recommended
# Why no heads are recommended.
NOT_LEARNED = "the model is not clearly better than a constant answer"
FIRST_STEP = "already the first heads cost more than is tolerated where they were chosen"
HELD_OUT = "the chosen heads cost more than is tolerated on held-out examples"
NUMBERS = ["mean", "low", "high"]


@dataclass(frozen=True)
class OwnTables(SavedTables):
    """All tables, as those of the chapters have them.

    `shares`, `patterns`: of each pattern among all maps, and by head (`pattern_shares`). `attended`, `attended_heads`:
    attention to words and special tokens, over all heads and by head (`feature_summaries`). `baseline`, `heads`,
    `layers`, `chosen`, `curves`: `evidence.disabling`, the curves on the half that did not choose.
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
class Recommended:
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


@dataclass(frozen=True)
class OwnReport:
    """All that is known of a subject; `constant` is the score of the best constant answer.

    `reordered` is given where the model does clearly worse than that answer, and with its classes in another order
    would do clearly better: the order in which its answers agree best with the labels, and the accuracy in it.
    """

    subject: Subject
    tables: OwnTables
    recommended: Recommended
    constant: float
    why_no_words: str
    reordered: tuple[tuple[int, ...], float] | None = None


def report(
    checkpoint: str,
    data: str,
    store: str | Path = "_runs",
    text: str = "",
    second: str = "",
    label: str = "",
    split: str = "",
    max_examples: int = 500,
    max_length: int = 128,
    tolerated: float = 1.0,
    words: str = own_language.GUESS,
    precision: str = "float32",
    classes: Sequence[str] = (),
    format: str = "",
) -> OwnReport:
    """Report on a fine-tuned classifier (a directory or Hub id) and labelled texts (a file or the name of a data set).

    `text`, `second`, `label`, `split`, `classes` and `format` overrule what is guessed of the data (`own.load`).
    `max_examples` and `max_length` bound what is computed; `tolerated` is how many points of the score the disabled
    heads may cost. What the store has is not computed again. Raises InputError.
    """
    columns = {"text": text, "second": second, "label": label, "split": split, "classes": classes, "format": format}
    sizes = {"max_examples": max_examples, "max_length": max_length}
    subject = own_model.open_subject(checkpoint, data, **columns, **sizes, precision=precision)
    return of_subject(subject, store, tolerated, words)


def of_subject(subject: Subject, store: str | Path, tolerated: float, words: str = own_language.GUESS) -> OwnReport:
    """Measure what was opened, or find it in the store, and report on it; the rest is as in `report`."""
    if not 0 <= tolerated <= 100:
        raise InputError(f"tolerated is {tolerated}; give points of the score, from 0 to 100")
    return of_measured(subject, own_model.measured(subject, Store(store), words), tolerated / 100)


def of_measured(subject: Subject, measured: Measured, tolerated: float) -> OwnReport:
    """Compute the tables, and recommend heads that cost at most `tolerated`, a fraction of the score."""
    maps, labels = annotated_maps.load(), subject.labels
    blocks = feature_summaries.by_example(measured.features)
    tables = OwnTables(
        shares=pattern_shares.shares(measured.patterns, pattern_validation.published().query("rescaled_to == 0"), maps),
        patterns=pattern_shares.by_head(measured.patterns),
        attended=feature_summaries.overall(blocks),
        attended_heads=feature_summaries.by_head(blocks),
        baseline=disabling.baselines([measured.swept]),
        heads=disabling.by_heads([measured.swept]),
        layers=disabling.by_layers([measured.swept]),
        chosen=disabling.chosen_heads([measured.swept]),
        curves=disabling.curves(measured.held_out),
    )
    constant = glue.majority(subject.data.split.task, labels)[subject.metric]
    score = tables.baseline.iloc[0]
    recommended = recommend(
        measured.choosing, measured.held_out, measured.orders, tolerated, is_learned=bool(score["low"] > constant)
    )
    is_worse = not subject.data.split.task.is_regression and score["high"] < constant
    answers, n_classes = measured.swept.baseline, subject.data.split.task.n_outputs
    reordered = better_order(labels, answers, n_classes, constant) if is_worse else None
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

    Place k has the label that the model's class k is to stand for (the assignment problem on the confusion matrix).
    """
    agreeing = confusion_matrix(labels, answers, labels=range(n_classes))  # (label, answer)
    answered, meant = linear_sum_assignment(agreeing.T, maximize=True)
    return tuple(meant.tolist()), float(agreeing[meant, answered].sum() / agreeing.sum())


def recommend(
    choosing: Sequence[PruningCurve],
    held_out: Sequence[PruningCurve],
    orders: dict[str, list[Head]],
    tolerated: float,
    is_learned: bool = True,
) -> Recommended:
    """Take the order of `CHOOSES` in which most heads can go at a cost of at most `tolerated` on the choosing half.

    As many are chosen as come before the first step that costs more. Nothing of the held-out half is looked at before
    the choice stands; it can only deny it. With a model that has not learned the task, nothing is recommended.
    """
    others = {one.order: one for one in held_out}
    candidates = [one for one in choosing if one.order in CHOOSES]
    steps = [_last_within(one, tolerated) for one in candidates]
    best = max(range(len(candidates)), key=lambda place: candidates[place].n_disabled[steps[place]])
    chosen, step = candidates[best], steps[best]
    other = others[chosen.order]
    what, cost = (other.metric, other.label), _change(other, step)
    heads = tuple(sorted(orders[chosen.order][: chosen.n_disabled[step]]))
    reason = _reason(heads, cost[0], tolerated, is_learned)
    return Recommended(
        heads=() if reason else heads,
        chosen=heads,
        reason=reason,
        order=chosen.order,
        tolerated=tolerated,
        n_choosing=len(chosen.label),
        n_held_out=len(other.label),
        where_chosen=_change(chosen, step),
        cost=cost,
        score=score_interval(*what, other.answers[:, 0]),
        score_without=score_interval(*what, other.answers[:, step]),
    )


def _reason(chosen: Sequence[Head], cost: float, tolerated: float, is_learned: bool) -> str:
    if not is_learned:
        return NOT_LEARNED
    if not chosen:
        return FIRST_STEP
    return HELD_OUT if cost < -tolerated - ROUNDING else ""


def _last_within(one: PruningCurve, tolerated: float) -> int:
    """Return the last step before the first that costs more than is tolerated."""
    changes = paired_changes(one.metric, one.label, one.answers[:, 0], one.answers)[0]
    beyond = np.flatnonzero(changes < -tolerated - ROUNDING)
    return int(beyond[0]) - 1 if len(beyond) else len(changes) - 1


def _change(one: PruningCurve, step: int) -> tuple[float, float, float]:
    """Return the change of the score at a step; an interval without width gets that of what no example shows."""
    found = paired_changes(one.metric, one.label, one.answers[:, 0], one.answers[:, [step]])
    mean, low, high = (float(values[0]) for values in found)
    reach = float(zero_event_upper_bound(len(one.label))) if step and low == high else 0.0
    return mean, low - reach, high + reach


def heads_file(found: OwnReport) -> dict[str, Any]:
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
    subject, tables, split = found.subject, found.tables, found.subject.data.split
    columns = asdict(subject.data.columns) | {"guessed": list(subject.data.guessed)}
    recommended = asdict(found.recommended)
    intervals = {name: _interval(recommended.pop(name)) for name in ("where_chosen", "cost", "score", "score_without")}
    heads = {name: [list(head) for head in recommended.pop(name)] for name in ("heads", "chosen")}
    return {
        "schema": SCHEMA,
        "model": {
            "name": shown_name(subject),
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
        "score": _interval(tables.baseline[NUMBERS].iloc[0]),
        "constant_answer": found.constant,
        "heads": _heads(tables),
        "disable": recommended | heads | intervals | {"reason": found.recommended.reason or None},
    }


def shown_name(subject: Subject) -> str:
    """Return the model's name as a reader is shown it: a Hub id, or the last part of a directory's path."""
    path = Path(subject.checkpoint.name)
    return path.resolve().name if path.is_dir() else subject.checkpoint.name


def _heads(tables: OwnTables) -> list[dict[str, Any]]:
    attended = tables.attended_heads.pivot(index=HEAD, columns="feature", values="mean")
    patterns = tables.patterns.set_index(HEAD)
    rows = []
    for row in tables.heads.to_dict("records"):
        place = (row["layer"], row["head"])
        rows.append(
            {
                "layer": int(place[0]),
                "head": int(place[1]),
                "score": row["score"],
                "change": _interval([row[name] for name in NUMBERS]),
                "p": row["p"],
                "holm": row["holm"],
                "pattern": patterns.loc[place, "main"],
                "purity": float(patterns.loc[place, "purity"]),
                "attention": {name: float(value) for name, value in attended.loc[place].dropna().items()},
            }
        )
    return rows


def _interval(numbers: Sequence[float]) -> dict[str, float]:
    return dict(zip(NUMBERS, map(float, numbers), strict=True))
