"""Any number of runs side by side: which claims of the ledger hold in which, and what each run was."""

from collections.abc import Mapping

import pandas as pd

from darksecrets.overview import claims
from darksecrets.overview.claim_rules import Judgements
from darksecrets.overview.claims import CHAPTERS, NOT_ASKED, RunTables
from darksecrets.runs import Run
from darksecrets.verdicts import VERDICTS

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


def compared(runs: Mapping[str, RunTables], of_maps: Judgements) -> pd.DataFrame:
    """Return one row per claim and run: number, section, claim, rule, see, run, verdict, evidence.

    Where a run has no verdict, that is "not asked", and the evidence says what is missing. `of_maps` as in
    `claims.of_runs`.
    """
    ledger = claims.of_runs(runs, of_maps)
    rows = []
    for row in ledger.to_dict("records"):
        known = {name: row[name] for name in ("number", "section", "claim", "rule", "see")}
        for run, tables in runs.items():
            verdict, evidence = row[run], row[f"{run} evidence"]
            reason = "" if verdict else _missing(row["section"], tables)
            rows.append(known | {"run": run, "verdict": verdict or NOT_ASKED, "evidence": evidence or reason})
    return pd.DataFrame(rows)


def agreement(table: pd.DataFrame) -> str:
    """Say on how many claims the runs that ask them agree."""
    asked = table[table["verdict"] != NOT_ASKED].groupby("number")["verdict"]
    several = asked.nunique()[asked.size() > 1]
    if several.empty:
        return "No claim is asked by more than one of the runs"
    n_clear = sum(set(VERDICTS[:2]) <= set(verdicts) for _, verdicts in asked)
    return (
        f"Of {len(several)} claims that more than one run asks, {(several == 1).sum()} get the same verdict in all of "
        f"them, and {n_clear} hold in one run and do not in another"
    )


def overview(runs: Mapping[str, Run], tables: Mapping[str, RunTables], table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run: number, name, model, tasks, seeds, sizes, counts of verdicts, and missing chapters."""
    rows = []
    for number, (name, run) in enumerate(runs.items(), start=1):
        made_from = _made_from(run)
        verdicts = table.loc[table["run"] == name, "verdict"].tolist()
        rows.append(
            {
                "": number,
                "run": name,
                "checkpoint": made_from.get("checkpoint"),
                "layers and heads": _shape(made_from),
                "tasks": _joined(made_from.get("tasks")),
                "seeds": _joined(made_from.get("seeds")),
                "training examples at most": _limit(made_from, "max_train"),
                "inputs at most": _limit(made_from, "max_examples"),
                **{word: verdicts.count(word) for word in (*VERDICTS, NOT_ASKED)},
                "without": ", ".join(tables[name].missing()) or None,
            }
        )
    return pd.DataFrame(rows)


def _missing(section: str, tables: RunTables) -> str:
    chapters = [CHAPTERS[name] for name in SECTIONS[section] if getattr(tables, name) is None]
    return f"the run has no tables of {', '.join(chapters)}" if chapters else OTHER_TASKS


def _made_from(run: Run) -> dict[str, object]:
    """Return what all tables of a run say that they were made from; the fullest of them wins."""
    return {
        key: value
        for made_from in sorted((run.made_from(name) for name in run.tables()), key=len)
        for key, value in made_from.items()
    }


def _shape(made_from: Mapping[str, object]) -> str | None:
    return f"{made_from['n_layers']} x {made_from['n_heads']}" if "n_layers" in made_from else None


def _joined(values: object) -> str | None:
    return ", ".join(map(str, values)) if isinstance(values, list) else None


def _limit(made_from: Mapping[str, object], name: str) -> str | None:
    return str(made_from[name] or "all") if name in made_from else None
