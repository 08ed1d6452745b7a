"""For each claim of the ledger, a change of the published tables that makes it hold, and one that makes it fail."""

import dataclasses

import numpy as np
import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.corpora.tasks import TASKS
from darksecrets.overview import claims, discussion
from darksecrets.reported import SETTINGS
from darksecrets.sections import (
    disabling,
    feature_claims,
    fine_tuning,
    links,
    patterns,
    relations,
)
from darksecrets.sections.fine_tuning import FineTuningTables
from darksecrets.sections.repeated_words import RepeatedTables
from darksecrets.verdicts import VERDICTS

HOLDS, FAILS, OPEN = VERDICTS
TUNED = ["task", "seed", "mean", "low", "high"]


def tuning_tables(gain=0.1, random=0.5, last=0.1, qqp=-0.1, untuned=0.359):
    """Tables of Section 4.3 with the same gain on every task, and given differences of the last two layers."""
    headline = {task: TASKS[task].headline for task in TASKS}
    scores = pd.DataFrame(
        [
            (task, metric, 0, *setting, value, value - 0.01, value + 0.01, 100)
            for task, metric in headline.items()
            for setting, value in zip(
                SETTINGS, (0.5, random if metric == "accuracy" else random - 0.5, 0.9), strict=True
            )
        ],
        columns=["task", "metric", "seed", "initialization", "finetuned", "mean", "low", "high", "n_examples"],
    )

    def gains(value):
        rows = [(task, metric, 0, value, value - 0.02, value + 0.02) for task, metric in headline.items()]
        return pd.DataFrame(rows, columns=["task", "metric", *TUNED[1:]])

    layers = [(task, qqp if task == "QQP" else last) for task in TASKS]
    last_two = pd.DataFrame(
        [(task, "paper", "5 and 4", value, value - 0.01, value + 0.01, "5 and 6") for task, value in layers],
        columns=["task", "reading", "pair", *TUNED[2:], "most_changed"],
    )
    return FineTuningTables(scores, gains(gain), gains(untuned), pd.DataFrame(), pd.DataFrame(), last_two)


def repeated_tables(weights, difference):
    """Attention to repeated words that exceeds that of others by `difference` in every head."""
    heads = weights.heads[weights.heads["instead"] == "uniform"]
    heads = heads[heads["task"].isin(["STS-B", "RTE"])][["task", "seed", "layer", "head"]]
    ends = {"mean": difference, "low": difference - 0.001, "high": difference + 0.001}
    return RepeatedTables(heads.assign(checkpoint=AFTER, repeated=0.2 + difference, others=0.2, **ends, n=50))


def _changed(run, field, table, rows=None, **columns):
    """The run with columns of one of its tables set to other values, in all rows or those that `rows` chooses."""
    tables = getattr(run, field)
    frame = getattr(tables, table).copy()
    chosen = pd.Series(True, frame.index) if rows is None else rows(frame)
    for name, value in columns.items():
        kind = frame[name].dtype
        frame[name] = frame[name].astype(object)
        frame.loc[chosen, name] = value(frame[chosen]) if callable(value) else value
        frame[name] = frame[name].astype(kind)
    return dataclasses.replace(run, **{field: dataclasses.replace(tables, **{table: frame})})


def _set(value, width=0.001):
    return {"mean": value, "low": value - width, "high": value + width}


def _rows_of(claim):
    return lambda frame: frame["claim"] == claim


def _uniform_tasks(*tasks):
    return lambda frame: (frame["instead"] == "uniform") & frame["task"].isin(tasks)


def _uniform(frame):
    return frame["instead"] == "uniform"


def _pattern_gap(claim):
    return lambda run, sign: _changed(run, "patterns", "gaps", _rows_of(claim), **_set(0.1 * sign))


def _feature_gap(claim):
    return lambda run, sign: _changed(run, "features", "gaps", _rows_of(claim), **_set(0.1 * sign))


def _feature_change(features):
    def change(run, sign):
        rows = lambda frame: frame["feature"].isin(features)  # noqa: E731
        return _changed(run, "features", "changes", rows, p=1e-12, **_set(0.01 * sign))

    return change


def _purity(run, sign):
    value = 0.9 if sign > 0 else 0.3
    return _changed(run, "patterns", "heads", purity=lambda rows: value + 0.01 * np.sin(np.arange(len(rows))))


def _main_patterns(run, sign):
    """One pattern for all, or another one for each task."""
    names = dict(zip(TASKS, ["Vertical", "Diagonal", "Block", "Heterogeneous"] * 2, strict=False))
    return _changed(run, "patterns", "heads", main=lambda rows: rows["task"].map(names) if sign < 0 else "Vertical")


def _heterogeneous(run, sign):
    rows = lambda frame: frame["pattern"] == "Heterogeneous"  # noqa: E731
    return _changed(run, "patterns", "shares", rows, **_set(0.45 if sign > 0 else 0.9))


def _frame_weights(run, sign):
    rows = lambda frame: frame["direction"] == "either"  # noqa: E731
    moved = 0.2 if sign > 0 else 0.8
    weights = lambda rows: (rows["mean"] - rows["mean"].max()) * 0.1 + moved  # noqa: E731
    both = _changed(run, "relations", "heads", rows, low=weights, high=weights)
    return _changed(both, "relations", "heads", rows, mean=weights)


def _frame_tests(run, sign):
    ends = dict.fromkeys(("high", "others_high"), 0.2 if sign > 0 else -0.1)
    return _changed(run, "relations", "specific", specific=sign > 0, **ends)


def _coincidence(run, sign):
    return _changed(run, "links", "coincidence", **_set(0.5 * sign))


def _among(run, sign):
    return _changed(run, "links", "candidates", top_share=1.0 if sign > 0 else 0.0)


def _some_head(run, sign):
    return _changed(run, "disabling", "heads", _uniform, holm=1e-6 if sign > 0 else 1.0, **_set(0.02 * sign, 0.0005))


def _gains(run, sign):
    order = ["STS-B", "SST-2", "QQP", "RTE", "QNLI", "MNLI", "MRPC"][::sign]
    return _changed(run, "disabling", "chosen", _uniform, best=lambda rows: rows["task"].map(order.index) / 100)


def _on_average(run, sign):
    return _changed(run, "disabling", "average", _uniform, **_set(0.02 * sign))


def _layers(run, sign):
    return _changed(run, "disabling", "layers", _uniform, **_set(0.05 * sign))


def _lowest(run, sign):
    return _changed(run, "disabling", "heads", _uniform_tasks("SST-2"), score=0.2 if sign > 0 else 0.8)


def _half(run, sign):
    return _changed(run, "disabling", "curves", **_set(0.0 if sign > 0 else -0.2))


def _frame_heads(run, sign):
    return _changed(run, "disabling", "heads", _uniform, p=1e-12, **_set(0.001 * sign if sign > 0 else -0.1))


def _same_heads(run, sign):
    """Two heads that cost most: the same ones on both tasks, or the last two on one."""

    def changes(rows):
        place = rows["layer"] * 100 + rows["head"]
        order = place.where((rows["task"] == "RTE") & (sign < 0), -place)
        return order.groupby(rows["task"]).rank() * -0.01

    changed = _changed(run, "disabling", "heads", _uniform, mean=changes)
    for end in ("low", "high"):
        changed = _changed(changed, "disabling", "heads", _uniform, **{end: lambda rows: rows["mean"]})
    return changed


def _repeats(run, sign):
    return dataclasses.replace(run, repeated=repeated_tables(run.disabling, 0.1 * sign))


def _by_pattern(run, sign):
    """Heads of the first layers are Heterogeneous and cost more, or less, than the others, which are Vertical."""
    early = lambda rows: rows["layer"] < 3  # noqa: E731
    changed = _changed(run, "patterns", "heads", main="Vertical")
    changed = _changed(changed, "patterns", "heads", early, main="Heterogeneous")
    noise = lambda rows: 0.001 * np.sin(np.arange(len(rows)))  # noqa: E731
    changed = _changed(changed, "disabling", "heads", _uniform, mean=noise)
    both = lambda rows: _uniform(rows) & early(rows)  # noqa: E731
    return _changed(changed, "disabling", "heads", both, mean=lambda rows: noise(rows) - 0.05 * sign)


def _fine_tuned(**changes):
    return lambda run, sign: dataclasses.replace(
        run, tuning=tuning_tables(**{name: both[sign < 0] for name, both in changes.items()})
    )


# How tables are made to speak for a claim (1), and against it (-1).
SPEAKING = {
    patterns.LIMITED: _purity,
    claims.SAME_MAIN: _main_patterns,
    patterns.COMMON: _pattern_gap(patterns.COMMON),
    patterns.BETWEEN: _heterogeneous,
    patterns.FEWEST: _pattern_gap(patterns.FEWEST),
    patterns.MOST: _pattern_gap(patterns.MOST),
    relations.WEIGHTS: _frame_weights,
    relations.STAND_OUT: _frame_tests,
    relations.ANY_HEAD: _frame_tests,
    fine_tuning.BEATS_RANDOM: _fine_tuned(gain=(0.1, -0.1)),
    claims.UNLEARNED: _fine_tuned(random=(0.5, 0.9)),
    fine_tuning.AVERAGE_GAIN: _fine_tuned(untuned=(0.359, 0.2)),
    fine_tuning.LAST_TWO: _fine_tuned(last=(0.1, -0.1)),
    fine_tuning.EXCEPTION: _fine_tuned(qqp=(-0.1, 0.1)),
    feature_claims.CLS_EARLY: _feature_gap(feature_claims.CLS_EARLY),
    feature_claims.SEP_LATE: _feature_gap(feature_claims.SEP_LATE),
    feature_claims.STRIPES: _feature_gap(feature_claims.STRIPES),
    feature_claims.SEP_MOST: _feature_gap(feature_claims.SEP_MOST),
    feature_claims.MORE_WORDS: _feature_change(["noun", "object"]),
    feature_claims.MORE_NEGATION: _feature_change(["negation"]),
    feature_claims.NEGLIGIBLE: _feature_gap(feature_claims.NEGLIGIBLE),
    links.COINCIDE: _coincidence,
    links.AMONG: _among,
    feature_claims.CLS_TO: _feature_gap(feature_claims.CLS_TO),
    disabling.SOME_HEAD: _some_head,
    claims.GAINS: _gains,
    disabling.ON_AVERAGE: _on_average,
    disabling.ONE_LAYER: _layers,
    disabling.CHEAP_LAYERS: _layers,
    disabling.BELOW_CHANCE: _lowest,
    discussion.HALF: _half,
    discussion.FRAME_HEADS: _frame_heads,
    discussion.SAME_HEADS: _same_heads,
    discussion.REPEATS: _repeats,
    discussion.HETEROGENEOUS_MORE: _by_pattern,
}
