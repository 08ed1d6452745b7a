"""The explorer's panels of text, as HTML: answers, tokens, features, and the heads that matter."""

from collections.abc import Mapping, Sequence

import pandas as pd

from darksecrets.figures import publish
from darksecrets.heads import head_name

UNDISTURBED, DISABLED = "#0072b2", "#d55e00"  # bars of an answer without and with heads disabled
BAR = 160  # pixels of a probability of 1
TOKEN = "border: 1px solid #8c8c8c; border-radius: 3px; padding: 0 4px; margin: 2px; display: inline-block"


def answers(table: pd.DataFrame, n_disabled: int, highest: float = 1) -> str:
    """Show a classifier's answer beside the one with heads disabled; the largest of each is what it predicts.

    `table` is that of `Exploration.answers`; `highest` is what the longest bar stands for.
    """
    names = {"undisturbed": ("nothing disabled", UNDISTURBED)}
    if n_disabled:
        names["disabled"] = (f"{n_disabled} head{'s' * (n_disabled > 1)} disabled", DISABLED)
    best = {column: table[column].idxmax() for column in names} if len(table) > 1 else {}
    rows = []
    for place, row in enumerate(table.to_dict("records")):
        cells = [
            _bar(row[column], highest, colour) + _strong(f"{row[column]:.4f}", place == best.get(column))
            for column, (_, colour) in names.items()
        ]
        change = [f"{row['disabled'] - row['undisturbed']:+.4f}"] if n_disabled else []
        rows.append([publish.escaped(row["answer"]), *cells, *change])
    heads = ["answer", *(name for name, _ in names.values()), *(["change"] if n_disabled else [])]
    return _table(heads, rows)


def tokens(found: Sequence[str], second_start: int | None) -> str:
    """Show the tokens of an input, the second sentence on a line of its own."""
    spans = [f"<span style='{TOKEN}'>{publish.escaped(token)}</span>" for token in found]
    if second_start is not None:
        spans.insert(second_start, "<br>")
    return f"<div style='line-height: 1.9'>{''.join(spans)}</div>"


def features(table: pd.DataFrame, layer: int, head: int) -> str:
    """Show the features found in an input, with the share of a head's attention that each gets."""
    rows = [
        [
            publish.escaped(row["feature"]),
            publish.escaped(row["found"]),
            f"{_bar(row['attention'], 1, UNDISTURBED)}{row['attention']:.1%}",
        ]
        for row in table.to_dict("records")
    ]
    return _table(["feature", "found", f"attention of {head_name(layer, head)}"], rows)


def effects(table: pd.DataFrame) -> str:
    """Show heads with how far each, disabled alone, moves the answer (rows of `Exploration.effects`)."""
    rows = [
        [
            head_name(row["layer"], row["head"]),
            *(f"{row[name]:.4f}" for name in ("undisturbed", "disabled")),
            f"{row['change']:+.4f}",
        ]
        for row in table.to_dict("records")
    ]
    answer = publish.escaped(str(table["answer"].iloc[0]))
    return _table(["head disabled alone", f"{answer}: before", "after", "change"], rows)


def message(kind: str, sentences: Sequence[str]) -> str:
    """Show what there is to say, as a `note` or an `error`; an empty text where there is nothing."""
    words: Mapping[str, str] = {"note": "Note: ", "error": "This cannot be done: "}
    text = publish.escaped(" ".join(sentences))
    return f"<div role='status'><strong>{words[kind]}</strong>{text}</div>" if text else ""


def _bar(value: float, highest: float, colour: str) -> str:
    width = BAR * min(max(value / highest, 0), 1)
    style = f"display: inline-block; height: 10px; width: {width:.1f}px; background: {colour}; margin-right: 6px"
    return f"<span style='{style}'></span>"


def _strong(text: str, is_strong: bool) -> str:
    return f"<strong>{text} &#9664;</strong>" if is_strong else text


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table whose cells are HTML; the first of each row names it."""
    style = "style='text-align: start; padding: 1px 12px 1px 0'"
    lines = ["".join(f"<th scope='col' {style}>{publish.escaped(head)}</th>" for head in heads)]
    for first, *others in rows:
        cells = "".join(f"<td {style}>{cell}</td>" for cell in others)
        lines.append(f"<th scope='row' {style}>{first}</th>{cells}")
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
