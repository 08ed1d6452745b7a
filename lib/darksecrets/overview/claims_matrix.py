"""The matrix of claims and runs as HTML: a mark and a word in each cell, never colour alone."""

import pandas as pd

from darksecrets.figures import publish
from darksecrets.figures.charts import SCALES

MARKS = dict(zip(SCALES["judgement"].domain, ("✓", "?", "✗", "·"), strict=True))
INK = dict(zip(SCALES["judgement"].domain, ("#fff", "#000", "#000", "#000"), strict=True))  # on the colours below
_COLOURS = dict(zip(SCALES["judgement"].domain, SCALES["judgement"].range, strict=True))
MEANINGS = {
    "holds": "the rule of the claim is met",
    "cannot tell": "the data fit both",
    "does not hold": "the opposite is clear",
    "not asked": "the run lacks what the claim is about",
}


def style() -> str:
    """Return the style sheet of matrices."""
    words = "\n".join(
        f".{_name(verdict)} {{ background: {colour}; color: {INK[verdict]}; }}" for verdict, colour in _COLOURS.items()
    )
    return (
        f"{words}\n.verdict {{ text-align: center; white-space: nowrap; }}\n"
        ".matrix tbody th { font-weight: 400; min-width: 14rem; text-align: start; white-space: normal; }\n"
        ".legend { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; list-style: none; padding: 0; }\n"
        ".legend .verdict { border-radius: 0.25rem; padding: 0.1rem 0.4rem; }\n"
    )


def legend() -> str:
    """Return the legend: each verdict as the matrix shows it, and what it means."""
    items = "".join(f"<li>{_mark('span', verdict)} {meaning}</li>" for verdict, meaning in MEANINGS.items())
    return f'<ul class="legend">{items}</ul>'


def matrix(table: pd.DataFrame, runs: list[str], caption: str) -> str:
    """Return the matrix of the claims in `table` (`run_findings.compared`), with a column for each of the runs, which
    are called by their numbers, from 1.
    """
    heads = "".join(f'<th scope="col" title="{_escaped(name)}">{n}</th>' for n, name in enumerate(runs, start=1))
    rows = []
    for number, group in table.groupby("number", sort=False):
        verdicts = group.set_index("run")["verdict"]
        cells = "".join(_mark("td", verdicts[name]) for name in runs)
        claim = _escaped(group["claim"].iloc[0])
        rows.append(f'<tr id="claim-{number}"><th scope="row">{number}. {claim}</th>{cells}</tr>')
    label = f'tabindex="0" role="region" aria-label="{_escaped(caption)}"'
    body = "\n".join(rows)
    return (
        f'<div class="table-scroll matrix" {label}><table><caption>{_escaped(caption)}</caption>'
        f'<thead><tr><th scope="col">claim</th>{heads}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
    )


def _mark(element: str, verdict: str) -> str:
    return f'<{element} class="verdict {_name(verdict)}">{MARKS[verdict]} {verdict}</{element}>'


def _name(verdict: str) -> str:
    return f"verdict-{verdict.replace(' ', '-')}"


def _escaped(text: str) -> str:
    return publish.escaped(str(text))
