"""The ledger: every claim of the paper, the rule that decides it, and what the runs say.

A verdict is computed from a run's tables; none is written down. Each section judges its own claims, once, for this
ledger and for the table in its chapter. A claim on every task holds if it holds on all of them, and does not hold if it
does not on one. A claim on most tasks holds if it holds on more than half, and does not hold if it does not on half or
more. Otherwise one cannot tell. Explained in the chapter *What remains of the claims*.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import altair as alt
import pandas as pd

from darksecrets.corpora import annotated_maps
from darksecrets.figures.charts import SCALES, WIDTH, wrapped
from darksecrets.overview import discussion
from darksecrets.overview.discussion import RunTables
from darksecrets.saved_tables import REFERENCE_RUN, THIS_RUN
from darksecrets.sections import (
    disabling,
    feature_claims,
    fine_tuning,
    links,
    map_labels,
    patterns,
    relations,
)
from darksecrets.verdicts import VERDICTS, Judgements


class Claim(NamedTuple):
    """A claim of the paper: its section, its sentence (by which it is judged), the rule that decides it, and the figure
    or table that shows the evidence.
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
        patterns.LIMITED,
        "the median head shows its main pattern on at least 80 % of its inputs, and two patterns or more are each the "
        "main one of heads in two layers or more",
        "figure-heads",
    ),
    Claim(
        "4.1",
        patterns.SAME_MAIN,
        "more than half of the heads have one main pattern on all tasks, beyond the interval over heads",
        "figure-heads",
    ),
    Claim("4.1", patterns.COMMON, f"{_GAP}, from the next most common pattern", "figure-shares"),
    Claim("4.1", patterns.BETWEEN, "the interval of the share lies inside this range", "figure-shares"),
    Claim("4.1", patterns.FEWEST, f"{_GAP}, from the next task", "table-figure-2"),
    Claim("4.1", patterns.MOST, f"{_GAP}, from the next task", "table-figure-2"),
    Claim("4.1", patterns.ANNOTATED, "the interval lies inside 25 % to 35 %", "table-direct"),
    Claim(
        "4.1",
        patterns.F1["macro F1"],
        "the interval of F1 on maps of unseen heads is above it",
        "table-scores-patterns",
    ),
    Claim(
        "4.2",
        relations.WEIGHTS,
        "beyond the 99th percentile, every head's interval lies within 0.05 of the paper's two weights",
        "figure-relations",
    ),
    Claim(
        "4.2",
        relations.STAND_OUT,
        "each of them beats both nulls, corrected for all heads; it fails where one stays below 0.01",
        "figure-null",
    ),
    Claim("4.2", relations.ANY_HEAD, "one head or more beats both nulls, corrected for all heads", "table-specific"),
    Claim("4.3", fine_tuning.BEATS_RANDOM, f"{_GAP}, on the same examples", "table-gains"),
    Claim("4.3", fine_tuning.UNLEARNED, "accuracy stays below 60 %, a correlation below 0.2", "table-scores"),
    Claim("4.3", fine_tuning.AVERAGE_GAIN, "the interval of the average over tasks holds it", "table-claims"),
    Claim(
        "4.3",
        fine_tuning.LAST_TWO,
        "each of the last two layers is less similar than every one before, in the closest comparison",
        "table-last-two",
    ),
    Claim("4.3", fine_tuning.EXCEPTION, "on QQP that does not hold", "table-last-two"),
    Claim("4.4", feature_claims.CLS_EARLY, f"{_GAP}, first half of the layers less the second", "figure-stripes"),
    Claim("4.4", feature_claims.SEP_LATE, f"{_GAP}, second half of the layers less the first", "figure-stripes"),
    Claim("4.4", feature_claims.STRIPES, f"{_GAP}, from the kind of word that gets most", "figure-features"),
    Claim("4.4", feature_claims.SEP_MOST, f"{_GAP}, from the task that comes next", "table-features-by-task"),
    Claim(
        "4.4", feature_claims.MORE_WORDS, "each increase is significant, corrected for all of them", "figure-increases"
    ),
    Claim("4.4", feature_claims.MORE_NEGATION, "it is significant, corrected for all changes", "figure-increases"),
    Claim("4.4", feature_claims.NEGLIGIBLE, "the whole interval is below this share", "table-increases"),
    Claim(
        "4.5",
        links.COINCIDE,
        "the rank correlation over heads is above 0, beyond its interval",
        "figure-diagonal",
    ),
    Claim("4.5", links.AMONG, "each candidate is, in 97.5 % of resamples of the examples", "table-candidates"),
    Claim("4.5", feature_claims.CLS_TO, f"{_GAP}, from whatever else gets most", "figure-cls"),
    Claim(
        "4.6",
        disabling.SOME_HEAD,
        "one head or more gains, corrected for all heads; it fails where every interval stays below 0.1 points",
        "figure-disabled-heads",
    ),
    Claim("4.6", disabling.GAINS, "it is so with every seed; it fails where neither is with any", "table-chosen"),
    Claim("4.6", disabling.ON_AVERAGE, "the interval of the change is above 0", "table-average"),
    Claim("4.6", disabling.ONE_LAYER, "the interval of the change is above 0", "figure-disabled-layers"),
    Claim("4.6", disabling.CHEAP_LAYERS, "the interval of the worst layer excludes more", "table-disabled-layers"),
    Claim(
        "4.6",
        disabling.BELOW_CHANCE,
        "the interval of the lowest score is below chance",
        "figure-disabled-heads",
    ),
    Claim(
        "5",
        discussion.HALF,
        "where half of the heads are disabled, those that cost least first, the interval excludes a loss of a point",
        "figure-removal",
    ),
    Claim(
        "5",
        discussion.FRAME_HEADS,
        "every interval excludes a loss of a point; it fails where one does not and the loss is significant, corrected",
        "table-frame-costs",
    ),
    Claim(
        "5",
        discussion.SAME_HEADS,
        "the two heads that cost most are the same in 97.5 % of draws of all costs within their errors",
        "table-relied-on",
    ),
    Claim(
        "5",
        discussion.REPEATS,
        "each gives a word 0.01 more than other words of that sentence give it, or more, with every seed",
        "table-relied-on",
    ),
    Claim(
        "5",
        discussion.HETEROGENEOUS_MORE,
        "their mean cost is higher, beyond the interval over heads, with every seed",
        "figure-costs-by-pattern",
    ),
)
# What the paper does not ask, and a reader of its claims should.
QUESTIONS = (
    Claim("4.4", feature_claims.NO_OP, f"{_GAP}, plain share less the share weighted by norms", "figure-norms"),
    Claim("4.5", links.MATCHED, "each beats both nulls, corrected for all heads", "table-candidates"),
    Claim("4.6", disabling.HELD_OUT, "the interval of the held-out gain is above 0", "figure-held-out"),
)


def of_annotated_maps() -> Judgements:
    """Judge what the paper says of annotated maps, on those that come with the book."""
    labels, predictions = annotated_maps.load(), map_labels.published()
    as_they_are = predictions[predictions["rescaled_to"] == 0]
    return patterns.judged_maps(map_labels.scores(as_they_are, labels), patterns.annotated_shares(labels))


# The tables of a run, by their names in `RunTables`, and what judges them.
JUDGES: dict[str, Callable[..., Judgements]] = {
    "patterns": patterns.judge,
    "relations": relations.judge,
    "tuning": fine_tuning.judge,
    "features": feature_claims.judge,
    "links": links.judge,
    "disabling": disabling.judge,
}


def judgements(run: RunTables) -> Judgements:
    """Judge every claim that the tables of a run allow; those on annotated maps are the same for all runs."""
    judged = discussion.judge(run)
    for name, judge in JUDGES.items():
        if (tables := getattr(run, name)) is not None:
            judged |= judge(tables)
    return {claim: judgement for claim, judgement in judged.items() if judgement.verdict}


def ledger(runs: Mapping[str, RunTables], of_maps: Judgements, claims: tuple[Claim, ...] = CLAIMS) -> pd.DataFrame:
    """Return one row per claim: number, section, claim, rule, see, and for each run its verdict and evidence.

    The columns of verdicts have the runs' names, those of evidence have " evidence" behind. Both are None where a run
    does not have what the claim is about. `of_maps` are judgements that belong to all runs (`of_annotated_maps`).
    """
    judged = {name: judgements(run) for name, run in runs.items()}
    rows = []
    for number, claim in enumerate(claims, start=1):
        row = {
            "number": number,
            "section": claim.section,
            "claim": claim.sentence,
            "rule": claim.rule,
            "see": claim.see,
        }
        for run, of_run in judged.items():
            found = (of_run | of_maps).get(claim.sentence) if of_run else None
            row[run], row[f"{run} evidence"] = found[:2] if found else (None, None)
        rows.append(row)
    return pd.DataFrame(rows).astype(object).where(lambda table: table.notna(), None)


def ledger_table(table: pd.DataFrame, section: str = "") -> pd.DataFrame:
    """Format the ledger of two runs, of one section or all: number, claim, verdicts with their evidence, see."""
    rows = table[table["section"] == section] if section else table
    cells = {
        run: [
            f"{verdict} ({evidence})" if verdict else None
            for verdict, evidence in rows[[run, f"{run} evidence"]].to_numpy()
        ]
        for run in (REFERENCE_RUN, THIS_RUN)
    }
    return pd.DataFrame({"": rows["number"], "claim": rows["claim"], **cells, "see": rows["see"]}).astype(object)


def summary(verdicts: Iterable[str | None]) -> str:
    """Return how many claims hold, do not, and cannot be told, in words: `of 37 claims 14 hold, ...`."""
    given = [verdict for verdict in verdicts if verdict]
    n_holds, n_fails, n_open = map(given.count, VERDICTS)
    return f"of {len(given)} claims {n_holds} hold, {n_fails} do not, and on {n_open} one cannot tell"


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Count the verdicts of the ledger of two runs: run, section, verdict, n; a claim without one is "not asked"."""
    rows = [
        (run, section, verdict, group[run].fillna(NOT_ASKED).tolist().count(verdict))
        for run in (REFERENCE_RUN, THIS_RUN)
        for section, group in table.groupby("section", sort=False)
        for verdict in (*VERDICTS, NOT_ASKED)
    ]
    return pd.DataFrame(rows, columns=["run", "section", "verdict", "n"])


def ledger_chart(counts: pd.DataFrame, title: str) -> alt.Chart:
    """Draw how many claims of each section hold, do not, or cannot be told (`counts`), run by run."""
    order = counts["verdict"].map(SCALES["judgement"].domain.index)
    legend, header = alt.Legend(orient="bottom", title=None, columns=2), alt.Header(orient="top", labelAnchor="start")
    chart = alt.Chart(counts.assign(order=order), width=WIDTH, height=alt.Step(22)).mark_bar(stroke="white")
    return chart.encode(
        x=alt.X("n:Q", title="number of claims", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("section:N", title="section", sort=None),
        color=alt.Color("verdict:N", scale=SCALES["judgement"], legend=legend),
        order=alt.Order("order:Q"),
        row=alt.Row("run:N", title=None, sort=None, spacing=14, header=header),
        tooltip=["run", "section", "verdict", alt.Tooltip("n:Q", title="claims")],
    ).properties(title=wrapped(title))
