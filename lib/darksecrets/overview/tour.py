"""The two-minute tour of the introduction: five findings of a run, each a sentence and a small figure.

Every sentence is composed from the run's tables and states what they say, whichever way they turn; the verdict beside
it is that of the ledger (`claims`). Numbers of several tasks are shown as their mean, with the lowest and the highest
task: tasks differ more than examples or seeds do. Figures have no title, as the sentence stands above them, and fit a
phone. Explained in the *Introduction*.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import altair as alt
import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER, PATTERNS
from darksecrets.errors import InputError
from darksecrets.figures.charts import SCALES, counted_from_one, interval_tooltips, task_legend
from darksecrets.figures.head_charts import OUTLINE, TEXT
from darksecrets.heads import HEAD, head_label
from darksecrets.models.disabling import only_uniform
from darksecrets.overview import claims
from darksecrets.overview.discussion import RunTables
from darksecrets.runs import Run
from darksecrets.sections import (
    feature_claims,
    fine_tuning,
)
from darksecrets.sections import patterns as pattern_section
from darksecrets.sections import (
    relations as frame_relations,
)
from darksecrets.sections.disabling import SOME_HEAD
from darksecrets.sections.features import MEASURES
from darksecrets.statistics import beyond_chance

EFFECTS = {"helps": "helps", "costs": "costs", "open": "one cannot tell"}  # of disabling a head, as readers call them
WIDTH, NARROW, HEIGHT = 230, 170, 150  # pixels of a plot; one with long names before it is narrow
# The ends of the scale that scores change on elsewhere: purple costs, green helps.
EFFECT_SCALE = alt.Scale(domain=list(EFFECTS.values()), range=["#1b7837", "#762a83", "#c8c8c8"])
_LEGEND = {"orient": "bottom", "title": None, "symbolOpacity": 1, "labelLimit": 260}
_OVER_TASKS = [
    alt.Tooltip("mean:Q", title="mean over tasks", format=".1%"),
    alt.Tooltip("lowest:Q", title="lowest task", format=".1%"),
    alt.Tooltip("highest:Q", format=".1%"),
]


class Finding(NamedTuple):
    """What a run found: a sentence, the ledger's verdict on the paper's claim, and the figure with its table."""

    headline: str
    verdict: str
    table: pd.DataFrame
    chart: alt.Chart | alt.LayerChart


class Tour(NamedTuple):
    """The findings by the name of what they are about, and the counts of the whole ledger in words."""

    findings: dict[str, Finding]
    ledger: str


def of(run: Run) -> Tour:
    """Compose the tour of a run; raises InputError where it lacks the tables of a chapter."""
    tables = RunTables.find(run)
    if missing := tables.missing():
        raise InputError(f"run {run.name!r} has no tables of {', '.join(missing)}; the tour takes all chapters")
    return composed(tables)


def composed(run: RunTables) -> Tour:
    """Compose the tour from the tables of all chapters."""
    judged = claims.judgements(run) | claims.of_annotated_maps()
    findings = {}
    for name, (claim, compose, draw) in FINDINGS.items():
        headline, table = compose(run)
        verdict, evidence, _ = judged[claim]
        # Not twice that a claim holds: `holds on 7 of 7 tasks`.
        told = evidence if evidence.startswith(f"{verdict} on ") else f"{verdict} ({evidence})"
        findings[name] = Finding(headline, told, table, draw(table))
    verdicts = [judged[claim.sentence].verdict for claim in claims.CLAIMS if claim.sentence in judged]
    return Tour(findings, claims.summary(verdicts))


def patterns(run: RunTables) -> tuple[str, pd.DataFrame]:
    """Return the finding of Section 4.1, and each pattern's share after fine-tuning: pattern, mean, lowest, highest."""
    shares, (purity, _) = run.patterns.shares, pattern_section.purity(run.patterns.heads)
    table = _over_tasks(shares[shares["checkpoint"] == AFTER], ["pattern"])
    table = table.set_index("pattern").reindex(list(PATTERNS)).reset_index()
    most = table.loc[table["mean"].idxmax()]
    kind = f"{100 * most['mean']:.0f} % of all maps are {most['pattern']}"
    return f"The median head shows the same kind of map on {purity} of its inputs; {kind}", table


def patterns_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Draw each pattern's share of the maps, with a line from the lowest to the highest task."""
    base = alt.Chart(counted_from_one(table), width=NARROW, height=alt.Step(24)).encode(
        y=alt.Y("pattern:N", title=None, sort=list(PATTERNS)),
        tooltip=["pattern", *_OVER_TASKS],
    )
    axis = alt.Axis(title="share of maps", format="%", tickCount=4)
    bars = base.mark_bar().encode(
        x=alt.X("mean:Q", axis=axis), color=alt.Color("pattern:N", scale=SCALES["pattern"], legend=None)
    )
    ranges = base.mark_rule(color=TEXT, strokeWidth=1.5).encode(x=alt.X("lowest:Q", axis=axis), x2="highest:Q")
    return alt.layer(bars, ranges)


def special_tokens(run: RunTables) -> tuple[str, pd.DataFrame]:
    """Return the finding of Section 4.4, and the share that special tokens get by layer, plain and weighted by norms:
    measure, layer, mean, lowest, highest.
    """
    special = run.features.special
    table = _over_tasks(special[special["checkpoint"] == AFTER], ["measure", "layer"])
    return feature_claims.norm_finding(run.features), table


def special_tokens_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Draw the share of attention that special tokens get by layer, plain and weighted by norms."""
    table = counted_from_one(table).assign(measure=lambda rows: rows["measure"].map(MEASURES))
    base = alt.Chart(table, width=WIDTH, height=HEIGHT).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
        color=alt.Color("measure:N", scale=SCALES["measure"], legend=alt.Legend(**_LEGEND, columns=1)),
        tooltip=["measure", "layer", *_OVER_TASKS],
    )
    axis = alt.Axis(title="share of attention", format="%", tickCount=5)
    share, low = (alt.Y(f"{end}:Q", axis=axis, scale=alt.Scale(domain=[0, 1])) for end in ("mean", "lowest"))
    band = base.mark_area(opacity=0.2).encode(y=low, y2="highest:Q")
    return alt.layer(band, base.mark_line(point=True).encode(y=share))


def relations(run: RunTables) -> tuple[str, pd.DataFrame]:
    """Return the finding of Section 4.2, and each head's weight of frame links, by which the paper chooses heads, and
    by how much it exceeds the closer null in its better direction: layer, head, weight, excess, specific, stands_out.
    """
    either = run.relations.heads[run.relations.heads["direction"] == frame_relations.EITHER]
    tests = frame_relations.better_direction(run.relations.specific)[[*HEAD, "excess", "specific"]]
    chosen = pd.MultiIndex.from_frame(frame_relations.outstanding(run.relations.heads)[HEAD])
    table = either[[*HEAD, "mean"]].rename(columns={"mean": "weight"}).merge(tests, on=HEAD, validate="one_to_one")
    stands_out = pd.MultiIndex.from_frame(table[HEAD]).isin(chosen)
    table = table.assign(specific=table["specific"].astype(bool), stands_out=stands_out)
    outstanding = table[stands_out]
    headline = (
        f"{table['specific'].sum()} of {len(table)} heads attend to frame links beyond two nulls; of those that stand "
        f"out by weight alone, {outstanding['specific'].sum()} of {len(outstanding)} do"
    )
    return headline, table


def relations_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Draw each head's weight of frame links, and by how much it exceeds the closer null; those that stand out by
    weight have a ring.
    """
    beats, does_not = SCALES["beats"].domain
    heads = counted_from_one(table.assign(label=head_label(table)))
    heads["beats"] = heads.pop("specific").map({True: beats, False: does_not})
    legend, shapes = alt.Legend(**_LEGEND), alt.Scale(domain=[beats, does_not], range=["diamond", "circle"])
    base = alt.Chart(heads, width=WIDTH, height=HEIGHT + 20).encode(
        x=alt.X("weight:Q", title="attention weight of the link", axis=alt.Axis(tickCount=5)),
        y=alt.Y("excess:Q", title="above the closer null", axis=alt.Axis(tickCount=5)),
    )
    zero = alt.Chart(pd.DataFrame({"excess": [0]})).mark_rule(color="#8c8c8c", strokeDash=[4, 3]).encode(y="excess:Q")
    points = base.mark_point(filled=True, size=40, opacity=0.9).encode(
        color=alt.Color("beats:N", scale=SCALES["beats"], legend=legend),
        shape=alt.Shape("beats:N", scale=shapes, legend=legend),
        tooltip=[
            alt.Tooltip("label:N", title="layer-head"),
            alt.Tooltip("weight:Q", title="weight of the link", format=".3f"),
            alt.Tooltip("excess:Q", title="above the closer null", format="+.3f"),
            alt.Tooltip("beats:N", title="nulls"),
        ],
    )
    chosen = base.transform_filter("datum.stands_out")
    rings = chosen.mark_point(size=150, stroke=OUTLINE, strokeWidth=2, aria=False)
    names = chosen.mark_text(align="right", dx=-11, color=TEXT).encode(text="label:N")
    return alt.layer(zero, points, rings, names)


def changes(run: RunTables) -> tuple[str, pd.DataFrame]:
    """Return the finding of Section 4.3, and the similarity of maps before and after fine-tuning: task, layer, mean,
    low, high.
    """
    by_layer = run.tuning.by_layer
    table = by_layer.loc[by_layer["reading"] == fine_tuning.PAPER, ["task", "layer", "mean", "low", "high"]]
    return fine_tuning.finding(run.tuning.last_two), table.reset_index(drop=True)


def changes_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Draw how similar maps stay when a model is fine-tuned, a line for each task; the last two layers are shaded."""
    layers = counted_from_one(table)
    last = int(layers["layer"].max())
    ends = [0.8, last + 0.2]
    x = alt.X(
        "layer:Q",
        scale=alt.Scale(domain=ends, nice=False),
        axis=alt.Axis(title="layer", values=sorted(layers["layer"].unique()), format="d", grid=False),
    )
    last_two = alt.Chart(pd.DataFrame({"layer": [last - 1.5], "end": [ends[1]]}), width=WIDTH, height=HEIGHT + 20)
    shade = last_two.mark_rect(color="#ececec", aria=False).encode(x=x, x2="end:Q")
    lines = alt.Chart(layers).mark_line(point=True)
    lines = lines.encode(
        x=x,
        y=alt.Y("mean:Q", title="similarity (1 = unchanged)", scale=alt.Scale(zero=False)),
        color=alt.Color("task:N", scale=SCALES["task"], legend=task_legend(layers)),
        tooltip=["task", "layer", *interval_tooltips("similarity")],
    )
    return alt.layer(shade, lines)


def disabling(run: RunTables) -> tuple[str, pd.DataFrame]:
    """Return the finding of Section 4.6, and on how many heads of a task one can tell that disabling helps, or costs:
    task, effect, n.
    """
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


def disabling_chart(table: pd.DataFrame) -> alt.Chart:
    """Draw for each task on how many heads disabling helps, costs, or one cannot tell."""
    places = list(EFFECTS)
    shown = table.assign(place=table["effect"].map(places.index), effect=table["effect"].map(EFFECTS))
    bars = alt.Chart(shown, width=WIDTH, height=alt.Step(20)).mark_bar(stroke="white", strokeWidth=0.5)
    return bars.encode(
        x=alt.X("n:Q", title="heads", axis=alt.Axis(tickCount=5, tickMinStep=1), scale=alt.Scale(nice=False)),
        y=alt.Y("task:N", title=None, sort=None),
        color=alt.Color("effect:N", scale=EFFECT_SCALE, legend=alt.Legend(**_LEGEND, columns=3)),
        order=alt.Order("place:Q"),
        tooltip=["task", alt.Tooltip("effect:N", title="disabling"), alt.Tooltip("n:Q", title="heads")],
    )


def _over_tasks(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Average over seeds, then over tasks: columns `by`, mean, and the lowest and highest task."""
    of_task = table.groupby(["task", *by], sort=False)["mean"].mean()
    found = of_task.groupby(list(by), sort=False).agg(["mean", "min", "max"])
    return found.rename(columns={"min": "lowest", "max": "highest"}).reset_index()


# What each finding is about: the claim of the paper that the ledger judges, and what composes sentence, table, figure.
FINDINGS: dict[str, tuple[str, Callable[[RunTables], tuple[str, pd.DataFrame]], Callable]] = {
    "patterns": (pattern_section.LIMITED, patterns, patterns_chart),
    "special_tokens": (feature_claims.STRIPES, special_tokens, special_tokens_chart),
    "relations": (frame_relations.STAND_OUT, relations, relations_chart),
    "changes": (fine_tuning.LAST_TWO, changes, changes_chart),
    "disabling": (SOME_HEAD, disabling, disabling_chart),
}
