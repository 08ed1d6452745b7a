"""Any number of runs side by side: which claims of the ledger hold in which, and what each run was.

The matrix of claims and runs is HTML, with a mark and a word in each cell, never colour alone.
"""

from collections.abc import Mapping

import pandas as pd

from darksecrets.figures.charts import SCALES
from darksecrets.figures.publish import escaped
from darksecrets.overview import claims
from darksecrets.overview.claims import NOT_ASKED
from darksecrets.overview.discussion import CHAPTERS, RunTables
from darksecrets.runs import Run
from darksecrets.verdicts import FAILS, HOLDS, OPEN, VERDICTS, Judgements

# The tables of a run that the claims of a section rest on, by their names in `RunTables`.
SECTIONS = {
    "4.1": ("patterns",),
    "4.2": ("relations",),
    "4.3": ("tuning",),
    "4.4": ("features",),
    "4.5": ("links", "features"),
    "4.6": ("disabling",),
    "5": ("patterns", "relations", "disabling", "repeated"),
}
OTHER_TASKS = "none of the run's tasks is one that the claim is about, or too few are"
# Mark, ink on the verdict's colour, and meaning.
MARKS = {
    HOLDS: ("✓", "#fff", "the rule of the claim is met"),
    OPEN: ("?", "#000", "the data fit both"),
    FAILS: ("✗", "#000", "the opposite is clear"),
    NOT_ASKED: ("·", "#000", "the run lacks what the claim is about"),
}


def compared(runs: Mapping[str, RunTables], of_maps: Judgements) -> pd.DataFrame:
    """Return one row per claim and run: number, section, claim, rule, see, run, verdict, evidence.

    Where a run has no verdict, that is "not asked", and the evidence says what is missing. `of_maps` as in
    `claims.ledger`.
    """
    rows = []
    for row in claims.ledger(runs, of_maps).to_dict("records"):
        known = {name: row[name] for name in ("number", "section", "claim", "rule", "see")}
        for run, tables in runs.items():
            verdict, evidence = row[run] or NOT_ASKED, row[f"{run} evidence"]
            if verdict == NOT_ASKED:
                chapters = [CHAPTERS[name] for name in SECTIONS[row["section"]] if getattr(tables, name) is None]
                evidence = f"the run has no tables of {', '.join(chapters)}" if chapters else OTHER_TASKS
            rows.append(known | {"run": run, "verdict": verdict, "evidence": evidence})
    return pd.DataFrame(rows)


def agreement(table: pd.DataFrame) -> str:
    """Return on how many claims the runs that ask them agree, in words."""
    asked = table[table["verdict"] != NOT_ASKED].groupby("number")["verdict"]
    several = asked.nunique()[asked.size() > 1]
    if several.empty:
        return "No claim is asked by more than one of the runs"
    n_clear = sum({HOLDS, FAILS} <= set(verdicts) for _, verdicts in asked)
    return (
        f"Of {len(several)} claims that more than one run asks, {(several == 1).sum()} get the same verdict in all of "
        f"them, and {n_clear} hold in one run and do not in another"
    )


def overview(runs: Mapping[str, Run], tables: Mapping[str, RunTables], table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run: number, name, model, tasks, seeds, sizes, counts of verdicts, and missing chapters."""
    rows = []
    for number, (name, run) in enumerate(runs.items(), start=1):
        # What all tables of a run say that they were made from; the fullest of them wins.
        made_from: dict[str, object] = {}
        for one in sorted((run.made_from(name) for name in run.tables()), key=len):
            made_from |= one
        has_shape = "n_layers" in made_from
        row = {"": number, "run": name, "checkpoint": made_from.get("checkpoint")}
        row["layers and heads"] = f"{made_from['n_layers']} x {made_from['n_heads']}" if has_shape else None
        for key in ("tasks", "seeds"):
            values = made_from.get(key)
            row[key] = ", ".join(map(str, values)) if isinstance(values, list) else None
        for key, title in {"max_train": "training examples at most", "max_examples": "inputs at most"}.items():
            row[title] = str(made_from[key] or "all") if key in made_from else None
        verdicts = table.loc[table["run"] == name, "verdict"].tolist()
        row |= {verdict: verdicts.count(verdict) for verdict in (*VERDICTS, NOT_ASKED)}
        rows.append(row | {"without": ", ".join(tables[name].missing()) or None})
    return pd.DataFrame(rows)


def style() -> str:
    """Return the style sheet of matrices."""
    colours = zip(SCALES["judgement"].domain, SCALES["judgement"].range, strict=True)
    words = [
        f".{_name(verdict)} {{ background: {colour}; color: {MARKS[verdict][1]}; }}" for verdict, colour in colours
    ]
    return "\n".join(
        [
            *words,
            ".verdict { text-align: center; white-space: nowrap; }",
            ".matrix tbody th { font-weight: 400; min-width: 14rem; text-align: start; white-space: normal; }",
            ".legend { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; list-style: none; padding: 0; }",
            ".legend .verdict { border-radius: 0.25rem; padding: 0.1rem 0.4rem; }\n",
        ]
    )


def legend() -> str:
    """Return the legend: each verdict as the matrix shows it, and what it means."""
    items = "".join(f"<li>{_mark('span', verdict)} {meaning}</li>" for verdict, (_, _, meaning) in MARKS.items())
    return f'<ul class="legend">{items}</ul>'


def matrix(table: pd.DataFrame, runs: list[str], caption: str) -> str:
    """Return the matrix of the claims in `table` (`compared`) as HTML, with a column for each of the runs, which are
    called by their numbers, from 1.
    """
    heads = "".join(f'<th scope="col" title="{escaped(name)}">{n}</th>' for n, name in enumerate(runs, start=1))
    rows = []
    for number, group in table.groupby("number", sort=False):
        cells = "".join(_mark("td", verdict) for verdict in group.set_index("run").loc[runs, "verdict"])
        claim = f"{number}. {escaped(group['claim'].iloc[0])}"
        rows.append(f'<tr id="claim-{number}"><th scope="row">{claim}</th>{cells}</tr>')
    body, caption = "\n".join(rows), escaped(caption)
    return (
        f'<div class="table-scroll matrix" tabindex="0" role="region" aria-label="{caption}"><table>'
        f'<caption>{caption}</caption><thead><tr><th scope="col">claim</th>{heads}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _mark(element: str, verdict: str) -> str:
    return f'<{element} class="verdict {_name(verdict)}">{MARKS[verdict][0]} {verdict}</{element}>'


def _name(verdict: str) -> str:
    return f"verdict-{verdict.replace(' ', '-')}"
