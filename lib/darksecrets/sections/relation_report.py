"""Section 4.2 for reading: tables, which heads to show, and what charts' titles say.

In tables a head is "layer-head", counting from 1, as in charts. Explained in the chapter *Relation-specific heads*.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from darksecrets import reported
from darksecrets.estimates import format_correlation, format_difference
from darksecrets.heads import HEAD, head_label, head_name
from darksecrets.models.link_attention import LINK
from darksecrets.sections.link_distance import INTERVAL, NULLS, excess
from darksecrets.sections.relation_heads import EITHER, Measured, heads_standing_out, of_heads
from darksecrets.statistics import rank_correlation


def readings_table(runs: Mapping[str, Measured]) -> pd.DataFrame:
    """Compare the same model on several choices of sentences, the first of which is what others are correlated with.

    Columns: reading, sentences, heads that beat both nulls, the most that a head gives the links (direction "either"),
    and the rank correlation of that weight over heads with its bootstrap interval.
    """
    rows, first = [], None
    for reading, run in runs.items():
        heads = run.heads[run.heads["direction"] == EITHER].sort_values(HEAD)
        first = heads if first is None else first
        correlation = format_correlation(*rank_correlation(first["mean"], heads["mean"]))
        n_specific = int(of_heads(run.specific)["specific"].sum())
        rows.append((reading, int(heads["n"].iloc[0]), n_specific, _most(heads), correlation))
    columns = ["reading", "sentences", "heads that beat both nulls", "most weight", "rank correlation"]
    return pd.DataFrame(rows, columns=columns)


def measures_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Compare `relation_heads.by_measure` of one or both runs (`side_by_side`), each with its first measure.

    Columns: run, measure, sentences, the average weight over heads, the most that a head gives the links, and the rank
    correlation with the run's first measure over heads, with its bootstrap interval.
    """
    rows = []
    for run, of_run in measures.groupby("run", sort=False):
        first = of_run[of_run["measure"] == of_run["measure"].iloc[0]].sort_values(HEAD)
        for measure, group in of_run.groupby("measure", sort=False):
            heads = group.sort_values(HEAD)
            correlation = format_correlation(*rank_correlation(first["mean"], heads["mean"]))
            average = f"{heads['mean'].mean():.3f}"
            rows.append((run, measure, int(heads["n"].iloc[0]), average, _most(heads), correlation))
    columns = ["run", "measure", "sentences", "average head", "most weight", "rank correlation"]
    return pd.DataFrame(rows, columns=columns)


def specific_table(tests: pd.DataFrame, n_heads: int = 10) -> pd.DataFrame:
    """Lay `specific` out for reading: heads and directions that exceed both nulls most, counted from 1.

    Columns direction, head ("layer-head"), link, by how much it is above each null, p corrected, beats both?
    """
    shown = tests.assign(excess=excess).nlargest(n_heads, "excess").reset_index(drop=True)
    return pd.DataFrame(
        {
            "direction": shown["direction"].str.replace("_", " "),
            "head": head_label(shown),
            "link": shown["mean"],
            "above words as far apart": _intervals(shown, NULLS["null"]),
            "above others": _intervals(shown, NULLS["others"]),
            "p corrected": shown["p_corrected"].map("{:.4f}".format),
            "beats both?": np.where(shown["specific"], "yes", "no"),
        }
    )


def finding(tests: pd.DataFrame) -> str:
    """Say in a chart's title how many heads beat both nulls in one direction, and how many others the first alone."""
    heads = of_heads(tests)
    n_first = int((heads["beats_null"] & ~heads["specific"]).sum())
    found = f"{heads['specific'].sum()} of {len(heads)} heads beat both nulls in some direction"
    return f"{found}, {n_first} the first alone"


def standing_out_finding(heads: pd.DataFrame) -> str:
    """Say in a chart's title which heads stand out, and how far, beside the paper's."""
    found = heads_standing_out(heads)
    here = ", ".join(f"{head_name(row.layer, row.head)} ({row.mean:.3f})" for row in found.itertuples())
    return f"Beyond the 99th percentile: {here or 'no head'}; the paper has two heads, {_and(reported.FRAME_WEIGHTS)}"


def places_finding(table: pd.DataFrame, column: str, plural: str) -> str:
    """Say in a chart's title in how many frames or distances the first head of a table exceeds both nulls.

    `table` is that of `by_frame` or `by_distance`, `column` what it tells apart.
    """
    if not len(table):
        return f"There are too few sentences of any {column}"
    layer, head = table[HEAD].iloc[0]
    own = table[(table["layer"] == layer) & (table["head"] == head)]
    means = own.pivot(index=column, columns="quantity", values="mean").dropna()
    exceeds = means[LINK] > means.drop(columns=LINK).max(axis=1)
    return f"Head {layer + 1}-{head + 1} gives links more than both nulls in {exceeds.sum()} of {len(means)} {plural}"


def example_finding(
    layer: int, head: int, weights: np.ndarray, tokens: Sequence[str], linked: Collection[tuple[int, int]]
) -> str:
    """Say in a chart's title what a head (from 0) gives a link in one sentence, beside what other tokens give its word.

    `weights` is the map (query, key); of the `linked` cells the largest counts. Special tokens at both ends are left
    out.
    """
    query, key = max(linked, key=lambda cell: weights[cell])
    others = [weights[place, key] for place in range(1, len(tokens) - 1) if place not in (query, key)]
    gives = f"Head {layer + 1}-{head + 1}: “{tokens[query]}” gives “{tokens[key]}” {weights[query, key]:.2f}"
    return f"{gives}, other tokens {np.mean(others):.2f}" if others else gives


def example_heads(heads: pd.DataFrame, n_heads: int = 2) -> list[tuple[int, int]]:
    """Return the heads (layer, head) with the most weight on links, for the paper's Figure 4; direction "either"."""
    either = heads[heads["direction"] == EITHER].nlargest(n_heads, "mean")
    return [(int(row.layer), int(row.head)) for row in either.itertuples()]


def _most(heads: pd.DataFrame) -> str:
    top = heads.loc[heads["mean"].idxmax()]
    return f"{top['mean']:.3f} ({head_name(int(top['layer']), int(top['head']))})"


def _intervals(tests: pd.DataFrame, before: str) -> list[str]:
    rows = tests[[before + end for end in INTERVAL]].to_numpy()
    return [format_difference(*bounds) for bounds in rows]


def _and(weights: Sequence[float]) -> str:
    return " and ".join(f"{weight:.3f}" for weight in weights)
