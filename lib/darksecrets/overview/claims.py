"""The Discussion as a ledger: every claim of the paper, the rule that decides it, and what the runs say.

A verdict is computed from a run's tables; none is written down. Explained in the chapter *What remains of the claims*.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple, Self

import pandas as pd

from darksecrets.chapters import SECTIONS
from darksecrets.corpora import annotated_maps
from darksecrets.overview import claim_rules
from darksecrets.overview.claim_rules import FAMILIES, Judgements
from darksecrets.runs import Run
from darksecrets.sections import (
    disabling_claims,
    feature_claims,
    feature_gaps,
    fine_tuning_claims,
    link_claims,
    pattern_agreement,
    pattern_claims,
    pattern_shares,
    pattern_validation,
    relation_heads,
)
from darksecrets.sections.disabling import DisablingTables
from darksecrets.sections.fine_tuning_tables import FineTuningTables
from darksecrets.sections.repeated_words import RepeatedTables
from darksecrets.side_by_side import REFERENCE_RUN, THIS_RUN
from darksecrets.verdicts import VERDICTS

KINDS = {  # what the tables of a run are read as
    "patterns": pattern_claims.Measured,
    "relations": relation_heads.Measured,
    "tuning": FineTuningTables,
    "features": feature_claims.Measured,
    "links": link_claims.Measured,
    "disabling": DisablingTables,
    "repeated": RepeatedTables,
}
CHAPTERS = {name: SECTIONS[kind.PREFIX].page for name, kind in KINDS.items()}  # where they come from


@dataclass(frozen=True)
class RunTables:
    """What one run measured, chapter by chapter; None where it lacks a chapter."""

    patterns: pattern_claims.Measured | None
    relations: relation_heads.Measured | None
    tuning: FineTuningTables | None
    features: feature_claims.Measured | None
    links: link_claims.Measured | None
    disabling: DisablingTables | None
    repeated: RepeatedTables | None

    @classmethod
    def find(cls, run: Run) -> Self:
        """Read what a run has."""
        return cls(**{name: kind.find(run) for name, kind in KINDS.items()})

    def missing(self) -> list[str]:
        """Return the chapters whose tables the run lacks."""
        return [CHAPTERS[field.name] for field in fields(self) if getattr(self, field.name) is None]

    @cached_property
    def judgements(self) -> Judgements:
        """Judge whatever the tables allow, by the claims' sentences."""
        found: Judgements = {}
        for names, judge in FAMILIES:
            tables = [getattr(self, name) for name in names]
            if all(table is not None for table in tables):
                found |= judge(*tables)
        return found


class Claim(NamedTuple):
    """A claim of the paper: its section, its sentence (which `claim_rules` knows it by), the rule that decides it, and
    the figure or table that shows the evidence.
    """

    section: str
    sentence: str
    rule: str
    see: str


NOT_ASKED = "not asked"
_GAP = "the interval of the difference is above 0"
CLAIMS = (
    Claim(
        "4.1",
        pattern_claims.LIMITED,
        "the median head shows its main pattern on at least 80 % of its inputs, and two patterns or more are each the "
        "main one of heads in two layers or more",
        "figure-heads",
    ),
    Claim(
        "4.1",
        claim_rules.SAME_MAIN,
        "more than half of the heads have one main pattern on all tasks, beyond the interval over heads",
        "figure-heads",
    ),
    Claim("4.1", pattern_claims.COMMON, f"{_GAP}, from the next most common pattern", "figure-shares"),
    Claim("4.1", pattern_claims.BETWEEN, "the interval of the share lies inside this range", "figure-shares"),
    Claim("4.1", pattern_claims.FEWEST, f"{_GAP}, from the next task", "table-figure-2"),
    Claim("4.1", pattern_claims.MOST, f"{_GAP}, from the next task", "table-figure-2"),
    Claim("4.1", pattern_claims.ANNOTATED, "the interval lies inside 25 % to 35 %", "table-direct"),
    Claim(
        "4.1",
        pattern_claims.F1["macro F1"],
        "the interval of F1 on maps of unseen heads is above it",
        "table-scores-patterns",
    ),
    Claim(
        "4.2",
        claim_rules.WEIGHTS,
        "beyond the 99th percentile, every head's interval lies within 0.05 of the paper's two weights",
        "figure-relations",
    ),
    Claim(
        "4.2",
        relation_heads.STAND_OUT,
        "each of them beats both nulls, corrected for all heads; it fails where one stays below 0.01",
        "figure-null",
    ),
    Claim(
        "4.2", relation_heads.ANY_HEAD, "one head or more beats both nulls, corrected for all heads", "table-specific"
    ),
    Claim("4.3", fine_tuning_claims.BEATS_RANDOM, f"{_GAP}, on the same examples", "table-gains"),
    Claim("4.3", claim_rules.UNLEARNED, "accuracy stays below 60 %, a correlation below 0.2", "table-scores"),
    Claim("4.3", fine_tuning_claims.AVERAGE_GAIN, "the interval of the average over tasks holds it", "table-claims"),
    Claim(
        "4.3",
        fine_tuning_claims.LAST_TWO,
        "each of the last two layers is less similar than every one before, in the closest comparison",
        "table-last-two",
    ),
    Claim("4.3", fine_tuning_claims.EXCEPTION, "on QQP that does not hold", "table-last-two"),
    Claim("4.4", feature_gaps.CLS_EARLY, f"{_GAP}, first half of the layers less the second", "figure-stripes"),
    Claim("4.4", feature_gaps.SEP_LATE, f"{_GAP}, second half of the layers less the first", "figure-stripes"),
    Claim("4.4", feature_gaps.STRIPES, f"{_GAP}, from the kind of word that gets most", "figure-features"),
    Claim("4.4", feature_gaps.SEP_MOST, f"{_GAP}, from the task that comes next", "table-features-by-task"),
    Claim(
        "4.4", feature_claims.MORE_WORDS, "each increase is significant, corrected for all of them", "figure-increases"
    ),
    Claim("4.4", feature_claims.MORE_NEGATION, "it is significant, corrected for all changes", "figure-increases"),
    Claim("4.4", feature_gaps.NEGLIGIBLE, "the whole interval is below this share", "table-increases"),
    Claim(
        "4.5",
        link_claims.COINCIDE,
        "the rank correlation over heads is above 0, beyond its interval",
        "figure-diagonal",
    ),
    Claim("4.5", link_claims.AMONG, "each candidate is, in 97.5 % of resamples of the examples", "table-candidates"),
    Claim("4.5", feature_gaps.CLS_TO, f"{_GAP}, from whatever else gets most", "figure-cls"),
    Claim(
        "4.6",
        disabling_claims.SOME_HEAD,
        "one head or more gains, corrected for all heads; it fails where every interval stays below 0.1 points",
        "figure-disabled-heads",
    ),
    Claim("4.6", claim_rules.GAINS, "it is so with every seed; it fails where neither is with any", "table-chosen"),
    Claim("4.6", disabling_claims.ON_AVERAGE, "the interval of the change is above 0", "table-average"),
    Claim("4.6", disabling_claims.ONE_LAYER, "the interval of the change is above 0", "figure-disabled-layers"),
    Claim(
        "4.6", disabling_claims.CHEAP_LAYERS, "the interval of the worst layer excludes more", "table-disabled-layers"
    ),
    Claim(
        "4.6",
        disabling_claims.BELOW_CHANCE,
        "the interval of the lowest score is below chance",
        "figure-disabled-heads",
    ),
    Claim(
        "5",
        claim_rules.HALF,
        "where half of the heads are disabled, those that cost least first, the interval excludes a loss of a point",
        "figure-removal",
    ),
    Claim(
        "5",
        claim_rules.FRAME_HEADS,
        "every interval excludes a loss of a point; it fails where one does not and the loss is significant, corrected",
        "table-frame-costs",
    ),
    Claim(
        "5",
        claim_rules.SAME_HEADS,
        "the two heads that cost most are the same in 97.5 % of draws of all costs within their errors",
        "table-relied-on",
    ),
    Claim(
        "5",
        claim_rules.REPEATS,
        "each gives a word 0.01 more than other words of that sentence give it, or more, with every seed",
        "table-relied-on",
    ),
    Claim(
        "5",
        claim_rules.HETEROGENEOUS,
        "their mean cost is higher, beyond the interval over heads, with every seed",
        "figure-costs-by-pattern",
    ),
)
# What the paper does not ask, and a reader of its claims should.
QUESTIONS = (
    Claim("4.4", feature_gaps.NO_OP, f"{_GAP}, plain share less the share weighted by norms", "figure-norms"),
    Claim("4.5", link_claims.MATCHED, "each beats both nulls, corrected for all heads", "table-candidates"),
    Claim("4.6", disabling_claims.HELD_OUT, "the interval of the held-out gain is above 0", "figure-held-out"),
)


def of_annotated_maps() -> Judgements:
    """Judge what the paper says of annotated maps, on those that come with the book."""
    labels, predictions = annotated_maps.load(), pattern_validation.published()
    as_they_are = predictions[predictions["rescaled_to"] == 0]
    scores = pattern_agreement.scores(as_they_are, labels)
    return claim_rules.annotated_maps(pattern_claims.judged_maps(scores, pattern_shares.annotated_shares(labels)))


def ledger(
    this_run: RunTables, reference: RunTables, of_maps: Judgements, claims: tuple[Claim, ...] = CLAIMS
) -> pd.DataFrame:
    """Return the ledger (`of_runs`) of two runs, which are called "reference run" and "this run"."""
    return of_runs({REFERENCE_RUN: reference, THIS_RUN: this_run}, of_maps, claims)


def of_runs(runs: Mapping[str, RunTables], of_maps: Judgements, claims: tuple[Claim, ...] = CLAIMS) -> pd.DataFrame:
    """Return one row per claim: number, section, claim, rule, see, and for each run its verdict and evidence.

    The columns of verdicts have the runs' names, those of evidence have " evidence" behind. Both are None where a run
    does not have what the claim is about. `of_maps` are judgements that belong to all runs.
    """
    judged = {name: run.judgements | of_maps if run.judgements else {} for name, run in runs.items()}
    rows = []
    for number, claim in enumerate(claims, start=1):
        row = {
            "number": number,
            "section": claim.section,
            "claim": claim.sentence,
            "rule": claim.rule,
            "see": claim.see,
        }
        for run, found in judged.items():
            row[run], row[f"{run} evidence"] = found.get(claim.sentence) or (None, None)
        rows.append(row)
    return pd.DataFrame(rows).astype(object).where(lambda table: table.notna(), None)


def laid_out(table: pd.DataFrame, section: str = "") -> pd.DataFrame:
    """Lay claims out for reading, of one section or all: number, claim, verdicts with their evidence, see."""
    rows = table[table["section"] == section] if section else table
    cells = {run: _with_evidence(rows, run) for run in (REFERENCE_RUN, THIS_RUN)}
    return pd.DataFrame({"": rows["number"], "claim": rows["claim"], **cells, "see": rows["see"]}).astype(object)


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Count verdicts for the chart: run, section, verdict, n; a claim without a verdict is "not asked"."""
    rows = [
        (run, section, name, int((group[run].fillna(NOT_ASKED) == name).sum()))
        for run in (REFERENCE_RUN, THIS_RUN)
        for section, group in table.groupby("section", sort=False)
        for name in (*VERDICTS, NOT_ASKED)
    ]
    return pd.DataFrame(rows, columns=["run", "section", "verdict", "n"])


def summary(table: pd.DataFrame, run: str) -> str:
    """Say how many claims hold, do not, and cannot be told in a run: `of 37 claims 14 hold, ...`."""
    verdicts = table[run].dropna()
    n_holds, n_fails, n_open = ((verdicts == name).sum() for name in VERDICTS)
    return f"of {len(verdicts)} claims {n_holds} hold, {n_fails} do not, and on {n_open} one cannot tell"


def _with_evidence(rows: pd.DataFrame, run: str) -> list[str | None]:
    pairs = zip(rows[run], rows[f"{run} evidence"], strict=True)
    return [f"{verdict} ({evidence})" if verdict else None for verdict, evidence in pairs]
