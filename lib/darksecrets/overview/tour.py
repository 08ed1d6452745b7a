"""The two-minute tour of the introduction: five findings of a run, each a sentence and the table that its figure draws.

Every sentence is composed from the run's tables and states what they say, whichever way they turn; the verdict beside
it is that of the ledger (`claims`). Numbers of several tasks are shown as their mean, with the lowest and the highest
task: tasks differ more than examples or seeds do. Explained in the *Introduction*.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER, PATTERNS
from darksecrets.errors import InputError
from darksecrets.heads import HEAD
from darksecrets.models.disabling import only_uniform
from darksecrets.overview import claims
from darksecrets.overview.claim_rules import Judgement
from darksecrets.overview.claims import RunTables
from darksecrets.runs import Run
from darksecrets.sections import (
    disabling_claims,
    feature_gaps,
    feature_report,
    fine_tuning,
    fine_tuning_claims,
    pattern_claims,
    relation_heads,
)
from darksecrets.side_by_side import REFERENCE_RUN
from darksecrets.statistics import beyond_chance

EFFECTS = {"helps": "helps", "costs": "costs", "open": "one cannot tell"}  # of disabling a head, as readers call them


class Finding(NamedTuple):
    """What a run found: a sentence, the ledger's verdict on the paper's claim, and the table that the figure draws."""

    headline: str
    verdict: str
    table: pd.DataFrame


class Tour(NamedTuple):
    """The findings by the name of what they are about, and the counts of the whole ledger in words."""

    findings: dict[str, Finding]
    ledger: str


def of(run: Run) -> Tour:
    """Compose the tour of a run; raises InputError where it lacks the tables of a chapter."""
    found = RunTables.find(run)
    if missing := found.missing():
        raise InputError(f"run {run.name!r} has no tables of {', '.join(missing)}; the tour takes all chapters")
    return composed(found)


def composed(run: RunTables) -> Tour:
    """Compose the tour from the tables of all chapters."""
    judged = run.judgements | claims.of_annotated_maps()
    findings = {}
    for name, (claim, compose) in FINDINGS.items():
        headline, table = compose(run)
        findings[name] = Finding(headline, _told(judged[claim]), table)
    verdicts = [judged[claim.sentence].verdict for claim in claims.CLAIMS if claim.sentence in judged]
    return Tour(findings, claims.summary(pd.DataFrame({REFERENCE_RUN: verdicts}), REFERENCE_RUN))


def patterns(run: RunTables) -> tuple[str, pd.DataFrame]:
    """Section 4.1: each pattern's share of the maps after fine-tuning: pattern, mean, lowest, highest."""
    shares, (purity, _) = run.patterns.shares, pattern_claims.purity(run.patterns.heads)
    table = _over_tasks(shares[shares["checkpoint"] == AFTER], ["pattern"])
    table = table.set_index("pattern").reindex(list(PATTERNS)).reset_index()
    most = table.loc[table["mean"].idxmax()]
    kind = f"{100 * most['mean']:.0f} % of all maps are {most['pattern']}"
    return f"The median head shows the same kind of map on {purity} of its inputs; {kind}", table


def special_tokens(run: RunTables) -> tuple[str, pd.DataFrame]:
    """Section 4.4: the share that special tokens get, by layer, plain and weighted by norms: measure, layer, mean,
    lowest, highest.
    """
    special = run.features.special
    table = _over_tasks(special[special["checkpoint"] == AFTER], ["measure", "layer"])
    return feature_report.norm_finding(run.features), table


def relations(run: RunTables) -> tuple[str, pd.DataFrame]:
    """Section 4.2: each head's weight of frame links, by which the paper chooses heads, and by how much it exceeds the
    closer null in its better direction: layer, head, weight, excess, specific, stands_out.
    """
    either = run.relations.heads[run.relations.heads["direction"] == relation_heads.EITHER]
    tests = relation_heads.of_heads(run.relations.specific)[[*HEAD, "excess", "specific"]]
    chosen = relation_heads.heads_standing_out(run.relations.heads)[HEAD].assign(stands_out=True)
    table = either[[*HEAD, "mean"]].rename(columns={"mean": "weight"})
    table = table.merge(tests, on=HEAD, validate="one_to_one").merge(chosen, on=HEAD, how="left")
    table = table.assign(stands_out=table["stands_out"].eq(True), specific=table["specific"].astype(bool))
    outstanding = table[table["stands_out"]]
    headline = (
        f"{table['specific'].sum()} of {len(table)} heads attend to frame links beyond two nulls; of those that stand "
        f"out by weight alone, {outstanding['specific'].sum()} of {len(outstanding)} do"
    )
    return headline, table


def changes(run: RunTables) -> tuple[str, pd.DataFrame]:
    """Section 4.3: the similarity of maps before and after fine-tuning: task, layer, mean, low, high."""
    by_layer = run.tuning.by_layer
    table = by_layer.loc[by_layer["reading"] == fine_tuning.PAPER, ["task", "layer", "mean", "low", "high"]]
    return fine_tuning.finding(run.tuning.last_two), table.reset_index(drop=True)


def disabling(run: RunTables) -> tuple[str, pd.DataFrame]:
    """Section 4.6: on how many heads of each task one can tell that disabling helps, or costs: task, effect, n."""
    uniform = only_uniform(run.disabling.heads)
    heads = beyond_chance(uniform)
    heads = heads.assign(open=~heads["helps"] & ~heads["costs"])
    counts = heads.groupby("task", sort=False)[list(EFFECTS)].sum()
    table = counts.melt(ignore_index=False, var_name="effect", value_name="n").reset_index()
    helps, costs, unclear = counts.sum()
    several = ", with every seed," if uniform["seed"].nunique() > 1 else ""
    headline = (
        f"Of {len(heads)} cases, each a head on a task, disabling helps beyond chance{several} in {helps} and costs in "
        f"{costs}; in {unclear} one cannot tell"
    )
    return headline, table


# What each finding is about: the claim of the paper that the ledger judges, and what composes sentence and table.
FINDINGS: dict[str, tuple[str, Callable[[RunTables], tuple[str, pd.DataFrame]]]] = {
    "patterns": (pattern_claims.LIMITED, patterns),
    "special_tokens": (feature_gaps.STRIPES, special_tokens),
    "relations": (relation_heads.STAND_OUT, relations),
    "changes": (fine_tuning_claims.LAST_TWO, changes),
    "disabling": (disabling_claims.SOME_HEAD, disabling),
}


def _told(judgement: Judgement) -> str:
    """Write a verdict with its evidence, and not twice that a claim holds: `holds on 7 of 7 tasks`."""
    verdict, evidence = judgement
    return evidence if evidence.startswith(f"{verdict} on ") else f"{verdict} ({evidence})"


def _over_tasks(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Average over seeds, then over tasks: columns `by`, mean, and the lowest and highest task."""
    of_task = table.groupby(["task", *by], sort=False)["mean"].mean()
    found = of_task.groupby(list(by), sort=False).agg(["mean", "min", "max"])
    return found.rename(columns={"min": "lowest", "max": "highest"}).reset_index()
