"""Section 4.1: what the annotated maps are, and on which of them the two annotators differ.

`labels` is the table of `annotated_maps.load`. Explained in the appendix *How maps were annotated*.
"""

import numpy as np
import pandas as pd

from darksecrets.corpora.annotated_maps import ANNOTATORS, PATTERNS, RETEST
from darksecrets.corpora.glue import TASKS
from darksecrets.sections.pattern_agreement import head_tables, kappa, with_interval

ALL = "all"


def sources(labels: pd.DataFrame) -> pd.DataFrame:
    """Count maps by task (the last row: all): a column for each draw and checkpoint, `maps`, and tokens per map."""
    origin = labels["draw"] + ", " + labels["checkpoint"]
    counts = pd.crosstab(labels["task"], origin, margins=True, margins_name=ALL).rename(columns={ALL: "maps"})
    tokens = {task: part["n_tokens"] for task, part in labels.groupby("task")} | {ALL: labels["n_tokens"]}
    for name in ("min", "median", "max"):
        counts[f"tokens, {name}"] = {task: int(getattr(lengths, name)()) for task, lengths in tokens.items()}
    order = [task for task in (*TASKS, ALL) if task in counts.index]
    return counts.loc[order].rename_axis(columns=None).reset_index()


def sittings(labels: pd.DataFrame) -> pd.DataFrame:
    """Measure agreement in each sitting (the last row: all): maps, `alike` (share with one label), kappa, low, high."""
    rows = []
    for sitting, part in [*labels.groupby("sitting"), (ALL, labels)]:
        tables = head_tables(part, *(part[name] for name in ANNOTATORS))
        rows.append((str(sitting), len(part), float((~differ(part)).mean()), *with_interval(kappa, tables[None])))
    return pd.DataFrame(rows, columns=["sitting", "maps", "alike", "kappa", "low", "high"])


def retest(labels: pd.DataFrame) -> tuple[float, float, float]:
    """Measure how far the first annotator agrees with itself: kappa, low, high, on maps that it labelled twice."""
    twice = labels.merge(pd.read_csv(RETEST), on="id", validate="one_to_one")
    return with_interval(kappa, head_tables(twice, twice["first"], twice["again"])[None])


def cross(labels: pd.DataFrame) -> pd.DataFrame:
    """Count maps by the first annotator's label (rows) and the second's (columns, whose names can be broken)."""
    counts = pd.crosstab(labels["first"], labels["second"]).reindex(index=PATTERNS, columns=PATTERNS, fill_value=0)
    counts.columns = [pattern.replace("+", " + ") for pattern in PATTERNS]
    return counts.rename_axis(index="first").reset_index()


def differ(labels: pd.DataFrame) -> pd.Series:
    """Say of each map whether the annotators gave it different labels."""
    return labels["first"] != labels["second"]


def decisions(labels: pd.DataFrame) -> pd.DataFrame:
    """Count the maps on which the annotators differ by the two labels, whoever gave which; the commonest pair first.

    Columns: `labels` (in the order of `PATTERNS`), maps, and for which of the two it was decided: `former`, `latter`,
    or a `third` pattern.
    """
    differing = labels[differ(labels)]
    pairs = [sorted(pair, key=PATTERNS.index) for pair in zip(differing["first"], differing["second"], strict=True)]
    former, latter = (differing["pattern"] == pd.Series(of, differing.index) for of in zip(*pairs, strict=True))
    table = pd.DataFrame({"maps": 1, "former": former, "latter": latter, "third": ~(former | latter)}).astype(int)
    counts = table.groupby([" or ".join(pair) for pair in pairs]).sum()
    counts = counts.sort_values("maps", ascending=False, kind="stable")
    return counts.rename_axis("labels").reset_index()


def sample_of_differing(labels: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return `n` maps on which the annotators differ (all where there are fewer), evenly spread over the kinds.

    They are sorted by both labels, the commonest pair of labels first, and by number: nobody chose them.
    """
    differing = labels[differ(labels)]
    common = differing.groupby(list(ANNOTATORS))["id"].transform("size")
    ordered = differing.assign(common=-common).sort_values(["common", *ANNOTATORS, "id"]).drop(columns="common")
    return ordered.iloc[np.linspace(0, len(ordered) - 1, min(n, len(ordered))).round().astype(int)]
