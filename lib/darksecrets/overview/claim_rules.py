"""How the paper's claims are judged: for each family of claims a function from a run's tables to judgements.

A claim on every task holds if it holds on all of them, and does not hold if it does not on one. A claim on most tasks
holds if it holds on more than half, and does not hold if it does not on half or more. Otherwise one cannot tell.
Explained in the chapter *What remains of the claims*.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from darksecrets import reported
from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.estimates import format_change, format_estimate, signed
from darksecrets.heads import HEAD, head_label
from darksecrets.models.disabling import only_uniform
from darksecrets.overview import discussion
from darksecrets.reported import RANDOM
from darksecrets.sections import (
    disabling_claims,
    feature_claims,
    fine_tuning_claims,
    link_claims,
    pattern_claims,
    relation_heads,
)
from darksecrets.sections.disabling import DisablingTables
from darksecrets.sections.disabling_report import ALLOWED_LOSS
from darksecrets.sections.fine_tuning_tables import FineTuningTables
from darksecrets.sections.link_heads import SURE
from darksecrets.sections.repeated_words import RepeatedTables
from darksecrets.statistics import over_seeds
from darksecrets.verdicts import NEGLIGIBLE, VERDICTS, all_positive, joined, verdict

HOLDS, FAILS, OPEN = VERDICTS
SAME_MAIN = "Heads keep their main pattern over tasks (most heads)"
WEIGHTS = "The heads that stand out have a weight of about 0.2 on the link"
UNLEARNED = "From random weights, STS-B, RTE and QNLI are not learned (each of the three)"
GAINS = "The best head gains least on STS-B and most on MRPC"
FRAME_HEADS = "The heads that stand out for frames matter for no task"
SAME_HEADS = "STS-B and RTE rely on the same two heads"
REPEATS = "The heads that they rely on attend to words of both sentences (both tasks)"
HALF = "Half of the heads can go together for at most a point (most tasks)"
HETEROGENEOUS = "Heterogeneous heads matter more than Vertical ones (most tasks)"
NEAR_WEIGHT = 0.05  # how far from the paper's weights is still "about"
CHANCE = {"accuracy": 0.6, "pearson": 0.2}  # a score below it is not learned
MOST_HEADS = 0.5


class Judgement(NamedTuple):
    """A verdict, and in a few words what it rests on."""

    verdict: str
    evidence: str


Judgements = dict[str, Judgement]


def every(verdicts: Iterable[str], unit: str = "tasks") -> Judgement:
    """Judge a claim on every task (or whatever else the verdicts are of)."""
    found = list(verdicts)
    return Judgement(FAILS if FAILS in found else HOLDS if set(found) == {HOLDS} else OPEN, _counted(found, unit))


def most(verdicts: Iterable[str], unit: str = "tasks") -> Judgement:
    """Judge a claim on most tasks."""
    found = list(verdicts)
    half = len(found) / 2
    is_so = HOLDS if found.count(HOLDS) > half else FAILS if found.count(FAILS) >= half else OPEN
    return Judgement(is_so, _counted(found, unit))


def patterns(run: pattern_claims.Measured) -> Judgements:
    """Judge Section 4.1: what each task shows, and whether heads keep their pattern over tasks."""
    found = {}
    for claim, rows in pattern_claims.judged(run).groupby("claim", sort=False):
        alone = Judgement(rows["verdict"].iloc[0], rows["evidence"].iloc[0])
        found[claim] = every(rows["verdict"]) if claim in pattern_claims.OF_EVERY_TASK else alone
    if run.heads["task"].nunique() > 1:
        found[SAME_MAIN] = _same_main(run.heads)
    return found


def annotated_maps(maps: pd.DataFrame) -> Judgements:
    """Judge what Section 4.1 says of annotated maps (`pattern_claims.judged_maps`), which is the same for all runs."""
    return {row.claim: Judgement(row.verdict, row.evidence) for row in maps.itertuples()}


def relations(run: relation_heads.Measured) -> Judgements:
    """Judge Section 4.2: the weight of the heads that stand out, and whether they beat the nulls."""
    chosen = relation_heads.heads_standing_out(run.heads)
    low, high = min(reported.FRAME_WEIGHTS) - NEAR_WEIGHT, max(reported.FRAME_WEIGHTS) + NEAR_WEIGHT
    verdicts = [pattern_claims.inside(row, low, high) for row in chosen.to_dict("records")]
    weights = ", ".join(
        f"{label}: {row.mean:.3f}" for label, row in zip(head_label(chosen), chosen.itertuples(), strict=True)
    )
    found = {WEIGHTS: Judgement(every(verdicts).verdict, weights)}
    # The first words tell how many heads; which ones stands on the chapter's page.
    judged = relation_heads.judged(run).items()
    return found | {claim: Judgement(is_so, evidence.split(";")[0]) for claim, (is_so, evidence) in judged}


def fine_tuning(run: FineTuningTables) -> Judgements:
    """Judge Section 4.3: what pre-training is worth, and where maps change."""
    table = fine_tuning_claims.judged(run)
    is_of_maps = (fine_tuning_claims.LAST_TWO, fine_tuning_claims.EXCEPTION)
    found = {
        claim: _of_rows(rows, _similarity if claim in is_of_maps else _points)
        for claim, rows in table.groupby("claim", sort=False)
    }
    scores = run.scores.set_index(["initialization", "finetuned"]).loc[[RANDOM]]
    scores = scores[scores["task"].isin(reported.UNLEARNED) & scores["metric"].isin(CHANCE)]
    if len(scores):
        scores = over_seeds(scores, ["task", "metric"])
        limits = scores["metric"].map(CHANCE)
        verdicts = [
            verdict(limit - high, limit - low)
            for limit, low, high in zip(limits, scores["low"], scores["high"], strict=True)
        ]
        told = ", ".join(f"{row.task} {100 * row.mean:.0f}" for row in scores.itertuples())
        found[UNLEARNED] = Judgement(every(verdicts).verdict, told)
    return found


def features(run: feature_claims.Measured) -> Judgements:
    """Judge Section 4.4, and Section 4.5 on [CLS]."""
    table = feature_claims.judged(run)
    found = {}
    for claim, rows in table.groupby("claim", sort=False):
        unit = "tasks and kinds of words" if claim in feature_claims.OF_FEATURES else "tasks"
        alone = claim in feature_claims.OF_ONE_TASK
        found[claim] = _of_rows(rows, _points) if alone else every(rows["verdict"], unit)
    return found


def links(run: link_claims.Measured) -> Judgements:
    """Judge Section 4.5 on links."""
    cases = link_claims.by_case(run)
    columns = {link_claims.COINCIDE: "coincide", link_claims.AMONG: "among", link_claims.MATCHED: "matched"}
    return {claim: every(cases[column], "cases") for claim, column in columns.items()}


def disabling(run: DisablingTables) -> Judgements:
    """Judge Section 4.6, and of Section 5 how many heads can go together."""
    table = disabling_claims.judged(run)
    found = {}
    for claim, rows in table.groupby("claim", sort=False):
        told = ALONE.get(claim)
        found[claim] = _of_rows(rows, told) if told else every(rows["verdict"])
    best = only_uniform(run.chosen).pivot(index="seed", columns="task", values="best")
    least, largest = reported.HEAD_GAINS
    if {least, largest} <= set(best) and best.shape[1] > 2:
        right = (best.idxmin(axis=1) == least) & (best.idxmax(axis=1) == largest)
        wrong = (best.idxmin(axis=1) != least) & (best.idxmax(axis=1) != largest)
        means = best.mean()
        told = f"least {means.idxmin()} {signed(means.min(), 1)}, most {means.idxmax()} {signed(means.max(), 1)}"
        found[GAINS] = Judgement(HOLDS if right.all() else FAILS if wrong.all() else OPEN, told)
    return found | {HALF: most(_half_can_go(run.curves))}


def frames_and_disabling(relation: relation_heads.Measured, run: DisablingTables) -> Judgements:
    """Judge whether the heads of Section 4.2 matter in Section 4.6."""
    table = discussion.matters(run, relation_heads.heads_standing_out(relation.heads))
    worst = table.loc[table["mean"].idxmin()]
    told = f"the largest loss is {signed(worst['mean'], 1)} points, {worst['task']}"
    return {FRAME_HEADS: Judgement(discussion.judged_by_seed(table, "matters"), told)}


def patterns_and_disabling(run: pattern_claims.Measured, disabled: DisablingTables) -> Judgements:
    """Judge whether the main pattern of a head (Section 4.1) says how much it matters (4.6)."""
    verdicts = discussion.verdicts_by_task(discussion.heterogeneous_against_vertical(disabled, run.heads))
    return {HETEROGENEOUS: most(verdicts)} if verdicts else {}


def same_heads(run: DisablingTables) -> Judgements:
    """Judge whether STS-B and RTE rely on the same heads, where a run has both."""
    share, heads = discussion.share_same(run), discussion.relied_on(run)
    if pd.isna(share):
        return {}
    told = "; ".join(f"{task}: {', '.join(head_label(rows))}" for task, rows in heads.groupby("task", sort=False))
    return {SAME_HEADS: Judgement(verdict(share - SURE, share - (1 - SURE)), told)}


def repeats_and_disabling(repeated: RepeatedTables, run: DisablingTables) -> Judgements:
    """Judge whether the heads that STS-B and RTE rely on attend to repeated words, each with every seed."""
    tests = discussion.relied_on(run).drop(columns="cost").merge(discussion.tuned(repeated), on=["task", *HEAD])
    if tests.empty:
        return {}
    tests = tests.assign(specific=tests["low"] > NEGLIGIBLE)
    of_seeds = [[all_positive(seed) for _, seed in rows.groupby("seed")] for _, rows in tests.groupby("task")]
    n_specific = tests.groupby(["task", *HEAD])["specific"].all()
    told = f"{n_specific.sum()} of {len(n_specific)} heads"
    return {REPEATS: Judgement(every(joined(one) for one in of_seeds).verdict, told)}


def _points(row: pd.Series) -> str:
    return f"{format_change(row, 1)} points"


def _similarity(row: pd.Series) -> str:
    return f"{format_change(row, 3, scale=1)} in similarity"


# Claims of Section 4.6 on one task, and how their number is told.
ALONE = {disabling_claims.ONE_LAYER: _points, disabling_claims.BELOW_CHANCE: lambda row: f"{format_estimate(row)} %"}
# The tables that each family takes, by their names in `claims.RunTables`.
FAMILIES: tuple[tuple[tuple[str, ...], Callable[..., Judgements]], ...] = (
    (("patterns",), patterns),
    (("relations",), relations),
    (("tuning",), fine_tuning),
    (("features",), features),
    (("links",), links),
    (("disabling",), disabling),
    (("disabling",), same_heads),
    (("relations", "disabling"), frames_and_disabling),
    (("patterns", "disabling"), patterns_and_disabling),
    (("repeated", "disabling"), repeats_and_disabling),
)


def _counted(found: list[str], unit: str) -> str:
    fails = f", fails on {found.count(FAILS)}" if FAILS in found else ""
    return f"holds on {found.count(HOLDS)} of {len(found)} {unit}{fails}"


def _of_rows(rows: pd.DataFrame, told: Callable[[pd.Series], str]) -> Judgement:
    """Judge a claim with a row for each task, or with a single one, whose number is then told."""
    return Judgement(rows["verdict"].iloc[0], told(rows.iloc[0])) if len(rows) == 1 else every(rows["verdict"])


def _same_main(heads: pd.DataFrame) -> Judgement:
    """Judge the share of heads with one main pattern on all tasks, with Wilson's interval over heads, by seed."""
    after = heads[heads["checkpoint"] == AFTER]
    same = after.groupby(["seed", *HEAD])["main"].nunique().eq(1)
    verdicts = []
    for _, of_seed in same.groupby("seed"):
        low, high = proportion_confint(of_seed.sum(), len(of_seed), method="wilson")
        verdicts.append(verdict(low - MOST_HEADS, high - MOST_HEADS))
    return Judgement(joined(verdicts), f"{100 * same.mean():.0f} % of heads")


def _half_can_go(curves: pd.DataFrame) -> list[str]:
    """Judge each task at the first step of the sweep's order at which at least half of the heads are disabled."""
    steps = curves[(curves["order"] == "sweep") & (curves["share"] >= MOST_HEADS)]
    steps = steps[steps["share"] == steps.groupby("task")["share"].transform("min")]
    changes = over_seeds(steps, ["task"])
    return [verdict(row.low + ALLOWED_LOSS, row.high + ALLOWED_LOSS) for row in changes.itertuples()]
