"""A report on one's own classifier for reading: tables of words, sentences, and what to be careful about.

Changes are in points (per cent of accuracy, or of a correlation); layers and heads count from 1, as in charts.
"""

import shlex
from collections.abc import Sequence

import pandas as pd

from darksecrets.apps.own_model import Subject
from darksecrets.apps.own_report import FIRST_STEP, HELD_OUT, NOT_LEARNED, NUMBERS, OwnReport, OwnTables, shown_name
from darksecrets.corpora.own_labels import typed
from darksecrets.estimates import format_change, format_estimate, signed
from darksecrets.heads import HEAD, head_label
from darksecrets.models.feature_attention import CLS, SEP, SEP_SUM
from darksecrets.statistics import ROUNDING, beyond_chance

N_SHOWN = 12  # heads in the table
MORE = "More examples, or a larger tolerance, may change that."
MOST_NAMED = 10  # classes whose order is written out
FEW = 100  # held-out examples, below which an interval is wide
METRICS = {"accuracy": "accuracy", "pearson": "correlation (Pearson)"}
ORDERS = {"sweep": "by what each cost alone", "gradient": "by gradients"}
APPLY = """\
from darksecrets.models.ablation import disabled, recommended
with disabled(model, recommended("heads.json")):
    logits = model(**inputs).logits"""


def overview(report: OwnReport) -> pd.DataFrame:
    """Lay out what was read, and how the model scores on it: two columns, what and value."""
    rows = read(report.subject) | {
        METRICS[report.subject.metric]: format_estimate(report.tables.baseline.iloc[0]),
        "best constant answer": f"{100 * report.constant:.1f}",
    }
    return pd.DataFrame({"what": list(rows), "value": list(rows.values())})


def read(subject: Subject) -> dict[str, str]:
    """Say what was read, and how: known before anything is measured."""
    data, split = subject.data, subject.data.split
    checkpoint, config = subject.checkpoint, subject.model.config
    outputs = "a score" if split.task.is_regression else f"{split.task.n_outputs} classes"
    shape = f"{config.model_type}, {checkpoint.n_layers} layers of {checkpoint.n_heads} heads, {outputs}"
    used = f"{len(split.examples):,} of {split.n_available:,} rows"
    of_lines = "" if data.n_lines is None else f", from {data.n_lines:,} lines"
    return {
        "model": f"{shown_name(subject)} ({shape})",
        "data": subject.task + (f", split {data.source_split}" if data.source_split else ""),
        "text": _column(subject, "text"),
        "second text": _column(subject, "second"),
        "label": f"{_column(subject, 'label')}, read as {data.read_as}",
        "examples": used + of_lines + (f"; {data.n_dropped:,} lack a text or a label" if data.n_dropped else ""),
        "read of each input": f"at most {subject.max_length} tokens; {_cut(subject)}",
    }


def warnings(report: OwnReport) -> list[str]:
    """Return what a reader has to know before believing the report, a sentence each; often nothing."""
    subject, data = report.subject, report.subject.data
    n_held_out = report.recommended.n_held_out
    found = [*data.notes, *([report.why_no_words] if report.why_no_words else [])]
    if report.recommended.reason == NOT_LEARNED:
        found.append(
            "What is said of single heads rests on a model that does not answer better than a constant: were the right "
            "columns read, and do the labels mean the same to the model?"
        )
    if subject.n_truncated:
        part = "end" if subject.checkpoint.tokenizer.truncation_side == "left" else "beginning"
        found.append(f"Of {len(subject.labels):,} examples, {_cut(subject)}, and only their {part} was read.")
    if data.n_dropped:
        found.append(f"{data.n_dropped:,} of {data.split.n_available:,} rows lack a text or a label and were left out.")
    if data.n_repeated:
        found.append(
            f"{data.n_repeated:,} of {len(subject.labels):,} examples have the same texts as another one, so that the "
            "half that measures knows something of the half that chooses."
        )
    if n_held_out < FEW:
        found.append(
            f"Costs were measured on {n_held_out} examples: the intervals are wide, and more examples would help."
        )
    return found


def patterns_finding(tables: OwnTables) -> str:
    """Say which pattern most maps show."""
    table = tables.shares.sort_values("mean", ascending=False)
    first, second = (f"{row['pattern']} ({row['mean']:.0%})" for row in table.head(2).to_dict("records"))
    return f"The patterns that most maps show: {first}, then {second}"


def attended_finding(tables: OwnTables) -> str:
    """Say what special tokens receive, and which kind of word receives most, where words were looked for."""
    means = tables.attended.set_index("feature")["mean"]
    found = f"The average head pays {means[CLS] + means[SEP_SUM]:.0%} of its attention to special tokens"
    words = means.drop([CLS, SEP, SEP_SUM], errors="ignore")
    return f"{found}; of words, a {words.idxmax()} receives most" if len(words) else found


def heads_finding(tables: OwnTables) -> str:
    """Count the heads whose disabling costs, and helps, beyond chance."""
    n_helps, n_costs = beyond_chance(tables.heads)[["helps", "costs"]].sum()
    return f"Disabled alone, {n_costs} of {len(tables.heads)} heads cost beyond chance, and {n_helps} help"


def best_head(tables: OwnTables) -> str:
    """Say what the best head gains where it was chosen, and held out."""
    row = tables.chosen.iloc[0]
    label = head_label(tables.chosen).iloc[0]
    return (
        f"The head that gains most when it is disabled is {label} (layer-head): {signed(row['best'])} points on the "
        f"examples that chose it. A head chosen on one half gains {format_change(row)} on the other."
    )


def removal_finding(report: OwnReport) -> str:
    """Say how many heads can go at what cost."""
    found, n_heads = report.recommended, len(report.tables.heads)
    if found.heads:
        return f"{len(found.heads)} of {n_heads} heads can go: {signed(found.cost[0])} points on held-out examples"
    if found.reason == NOT_LEARNED:
        return f"No heads are recommended: {NOT_LEARNED}"
    if found.reason == HELD_OUT:
        return f"No heads are recommended: held out, the choice costs more than {_tolerated(report)}"
    return f"No heads can go for at most {_tolerated(report)}"


def recommendation(report: OwnReport) -> str:
    """Say in full which choice was made, and what it cost where; or why no heads are recommended."""
    found, n_heads = report.recommended, len(report.tables.heads)
    score, without = (format_estimate(_named(numbers)) for numbers in (found.score, found.score_without))
    if found.reason == NOT_LEARNED:
        return (
            f"No heads are recommended, since {NOT_LEARNED}: "
            f"{METRICS[report.subject.metric]} {format_estimate(report.tables.baseline.iloc[0])}, where the best "
            f"constant answer has {100 * report.constant:.1f}.{_reversed(report)}"
        )
    if found.reason == FIRST_STEP:
        return (
            f"On the {found.n_choosing} examples that choose, already the first step costs more than "
            f"{_tolerated(report)}, so no head is recommended. {MORE}"
        )
    if found.reason == HELD_OUT:
        return (
            f"No heads are recommended. Disabling {len(found.chosen)} of {n_heads} costs at most {_tolerated(report)} "
            f"on the {found.n_choosing} examples that chose them, but more on the {found.n_held_out} others: there the "
            f"score changes by {format_change(_named(found.cost))} points, from {score} to {without}. {MORE}"
        )
    return (
        f"{len(found.heads)} of {n_heads} heads, taken {ORDERS[found.order]}, were chosen on {found.n_choosing} "
        f"examples to cost at most {_tolerated(report)} there. On the {found.n_held_out} other examples "
        f"the score changes by {format_change(_named(found.cost))} points: from {score} to {without}."
    )


def _reversed(report: OwnReport) -> str:
    """Say what would explain a model that does worse than a constant answer; an empty text for others."""
    subject = report.subject
    if subject.data.split.task.is_regression and report.tables.baseline["high"].iloc[0] < 0:
        return " The higher a label, the lower the score: do the labels count the other way round?"
    if report.reordered is None:
        return ""
    order, accuracy = report.reordered
    found = f" With the model's classes in another order it would have {100 * accuracy:.1f}"
    if len(order) > MOST_NAMED:
        return f"{found}: say with classes how the data name them."
    return f"{found}: if that is what the labels mean, give --classes {_classes(subject, order)}."


def _classes(subject: Subject, order: Sequence[int]) -> str:
    """Write what the data call the model's classes, in an order, as the command line takes it."""
    return shlex.quote(typed(subject.data.classes[place] for place in order))


def heads_table(tables: OwnTables, n_shown: int = N_SHOWN) -> pd.DataFrame:
    """Lay out the heads that matter most when disabled alone: head, change, p, its pattern, and what it attends to.

    Heads without which the score stays the same are left out, but for one where all are such.
    """
    changes = tables.heads["mean"].abs().sort_values(ascending=False, kind="stable")
    order = changes.index[: min(n_shown, max(1, (changes > ROUNDING).sum()))]
    heads = tables.heads.loc[order]
    patterns = tables.patterns.set_index(HEAD)
    attended = tables.attended_heads[tables.attended_heads["feature"] != SEP_SUM]
    most = attended.loc[attended.groupby(HEAD)["mean"].idxmax()].set_index(HEAD)
    rows = []
    for label, row in zip(head_label(heads), heads.to_dict("records"), strict=True):
        place = (row["layer"], row["head"])
        pattern, target = patterns.loc[place], most.loc[place]
        rows.append(
            {
                "head": label,
                "change": format_change(pd.Series(row)),
                "p": f"{row['p']:.4f}",
                "p corrected": f"{row['holm']:.4f}",
                "main pattern": f"{pattern['main']} ({pattern['purity']:.0%})",
                "attends most to": f"{target['feature']} ({target['mean']:.2f})",
            }
        )
    return pd.DataFrame(rows)


def disabled_table(report: OwnReport) -> pd.DataFrame:
    """Lay out the recommended heads by layer: layer, heads."""
    heads = pd.DataFrame(report.recommended.heads, columns=HEAD) + 1
    rows = [(layer, ", ".join(map(str, sorted(group)))) for layer, group in heads.groupby("layer")["head"]]
    return pd.DataFrame(rows or [("none", "none")], columns=["layer", "heads"])


def _tolerated(report: OwnReport) -> str:
    points_ = f"{100 * report.recommended.tolerated:g}"
    return f"{points_} point{'s' * (points_ != '1')}"


def _column(subject: Subject, what: str) -> str:
    name = getattr(subject.data.columns, what)
    guessed = " (guessed)" if what in subject.data.guessed else ""
    return f"column {name!r}{guessed}" if name else f"none{guessed}"


def _cut(subject: Subject) -> str:
    n_cut, length = subject.n_truncated, subject.max_length
    return f"{n_cut:,} were longer than {length} tokens and cut" if n_cut else "none was longer"


def _named(numbers: tuple[float, float, float]) -> pd.Series:
    return pd.Series(dict(zip(NUMBERS, numbers, strict=True)))
