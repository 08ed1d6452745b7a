"""The ledger: every claim has a verdict that follows from the tables, and changes with them."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.corpora.tasks import TASKS
from darksecrets.overview import claims, discussion
from darksecrets.overview.claims import CLAIMS, QUESTIONS
from darksecrets.overview.discussion import RunTables
from darksecrets.overview.run_findings import SECTIONS
from darksecrets.reported import RANDOM, SETTINGS
from darksecrets.runs import Run
from darksecrets.sections import disabling, feature_claims, fine_tuning, links, patterns, relations
from darksecrets.sections.fine_tuning import FineTuningTables
from darksecrets.sections.repeated_words import RepeatedTables
from darksecrets.verdicts import VERDICTS, Judgement, claims_table, every, most, single
from tests.conftest import ROOT
from tests.unit.test_charts import svg_of

HOLDS, FAILS, OPEN = VERDICTS
UNIFORM = {"instead": ["uniform"]}
INTERVAL = ["mean", "low", "high"]


def tuning_tables(gain=0.1, random=0.5, last=0.1, qqp=-0.1, untuned=0.359):
    """Tables of Section 4.3 with the same gain on every task, and given differences of the last two layers."""
    metrics = {task: TASKS[task].headline for task in TASKS}
    scores = [
        (task, metric, 0, *setting, value, value - 0.01, value + 0.01, 100)
        for task, metric in metrics.items()
        for setting, value in zip(SETTINGS, (0.5, random - 0.5 * (metric != "accuracy"), 0.9), strict=True)
    ]
    columns = ["task", "metric", "seed", "initialization", "finetuned", *INTERVAL, "n_examples"]
    over = [
        pd.DataFrame(
            [(task, metric, 0, value, value - 0.02, value + 0.02) for task, metric in metrics.items()],
            columns=["task", "metric", "seed", *INTERVAL],
        )
        for value in (gain, untuned)
    ]
    layers = {task: qqp if task == "QQP" else last for task in TASKS}
    last_two = [(task, "paper", "5 and 4", x, x - 0.01, x + 0.01, "5 and 6") for task, x in layers.items()]
    last_two = pd.DataFrame(last_two, columns=["task", "reading", "pair", *INTERVAL, "most_changed"])
    return FineTuningTables(pd.DataFrame(scores, columns=columns), *over, pd.DataFrame(), pd.DataFrame(), last_two)


def repeated_tables(disabling, difference):
    """Attention to repeated words that exceeds that of others by `difference` in every head."""
    heads = disabling.heads[disabling.heads["instead"] == "uniform"]
    heads = heads.loc[heads["task"].isin(["STS-B", "RTE"]), ["task", "seed", "layer", "head"]]
    ends = {"mean": difference, "low": difference - 0.001, "high": difference + 0.001}
    return RepeatedTables(heads.assign(checkpoint=AFTER, repeated=0.2 + difference, others=0.2, **ends, n=50))


def setting(chapter, table, rows=None, **columns):
    """What sets columns of a run's table: to the first of two values to speak for a claim, to the second against it.

    A value may be a function of the rows and the sign. `rows` has the values of the columns that choose rows.
    """

    def change(run, sign):
        tables = getattr(run, chapter)
        frame = getattr(tables, table).copy()
        chosen = np.all([frame[name].isin(values) for name, values in (rows or {}).items()] or [[True] * len(frame)], 0)
        for name, value in columns.items():
            value = value(frame[chosen], sign) if callable(value) else value[sign < 0]
            changed = frame[name].astype(object)
            changed[chosen] = value
            frame[name] = changed.astype(frame[name].dtype)
        return dataclasses.replace(run, **{chapter: dataclasses.replace(tables, **{table: frame})})

    return change


def interval(one, other, width=0.001):
    return {end: (one + by, other + by) for end, by in zip(INTERVAL, (0, -width, width), strict=True)}


def in_turn(*changes):
    def change(run, sign):
        for one in changes:
            run = one(run, sign)
        return run

    return change


def tuned(**columns):
    """Tables of Section 4.3 with one of two values each."""
    return lambda run, sign: dataclasses.replace(
        run, tuning=tuning_tables(**{name: both[sign < 0] for name, both in columns.items()})
    )


def costly_pairs(rows, sign):
    """Two heads that cost most: the same ones on both tasks, or the last two on one."""
    index = rows["layer"] * 100 + rows["head"]
    order = index.where((rows["task"] == "RTE") & (sign < 0), -index)
    return order.groupby(rows["task"]).rank() * -0.01


def noise(rows, sign=1):
    return 0.001 * np.sin(np.arange(len(rows)))


def weights(rows, sign):
    return (rows["mean"] - rows["mean"].max()) * 0.1 + (0.2 if sign > 0 else 0.8)


def patterns_of_tasks(rows, sign):
    """One pattern for all, or another one for each task."""
    names = dict(zip(TASKS, ["Vertical", "Diagonal", "Block", "Heterogeneous"] * 2, strict=False))
    return rows["task"].map(names) if sign < 0 else "Vertical"


EARLY = {"layer": [0, 1, 2]}
EITHER = {"direction": ["either"]}
TESTS = setting("relations", "specific", specific=(True, False), high=(0.2, -0.1), others_high=(0.2, -0.1))
LAYERS = setting("disabling", "layers", UNIFORM, **interval(0.05, -0.05))
LAST_HEADS = ["STS-B", "SST-2", "QQP", "RTE", "QNLI", "MNLI", "MRPC"]  # from the least to the largest gain
# How tables are made to speak for a claim (1), and against it (-1).
SPEAKING = {
    patterns.LIMITED: setting(
        "patterns", "heads", purity=lambda rows, sign: (0.9 if sign > 0 else 0.3) + 10 * noise(rows)
    ),
    patterns.SAME_MAIN: setting("patterns", "heads", main=patterns_of_tasks),
    patterns.BETWEEN: setting("patterns", "shares", {"pattern": ["Heterogeneous"]}, **interval(0.45, 0.9)),
    relations.WEIGHTS: in_turn(
        setting("relations", "heads", EITHER, low=weights, high=weights),
        setting("relations", "heads", EITHER, mean=weights),
    ),
    relations.STAND_OUT: TESTS,
    relations.ANY_HEAD: TESTS,
    fine_tuning.BEATS_RANDOM: tuned(gain=(0.1, -0.1)),
    fine_tuning.UNLEARNED: tuned(random=(0.5, 0.9)),
    fine_tuning.AVERAGE_GAIN: tuned(untuned=(0.359, 0.2)),
    fine_tuning.LAST_TWO: tuned(last=(0.1, -0.1)),
    fine_tuning.EXCEPTION: tuned(qqp=(-0.1, 0.1)),
    links.COINCIDE: setting("links", "coincidence", **interval(0.5, -0.5)),
    links.AMONG: setting("links", "candidates", top_share=(1.0, 0.0)),
    disabling.SOME_HEAD: setting("disabling", "heads", UNIFORM, holm=(1e-6, 1.0), **interval(0.02, -0.02, 0.0005)),
    disabling.GAINS: setting(
        "disabling",
        "chosen",
        UNIFORM,
        best=lambda rows, sign: rows["task"].map(LAST_HEADS[::sign].index) / 100,
    ),
    disabling.ON_AVERAGE: setting("disabling", "average", UNIFORM, **interval(0.02, -0.02)),
    disabling.ONE_LAYER: LAYERS,
    disabling.CHEAP_LAYERS: LAYERS,
    disabling.BELOW_CHANCE: setting("disabling", "heads", UNIFORM | {"task": ["SST-2"]}, score=(0.2, 0.8)),
    discussion.HALF: setting("disabling", "curves", **interval(0.0, -0.2)),
    discussion.FRAME_HEADS: setting("disabling", "heads", UNIFORM, p=(1e-12, 1e-12), **interval(0.001, -0.1)),
    discussion.SAME_HEADS: in_turn(
        setting("disabling", "heads", UNIFORM, mean=costly_pairs),
        setting("disabling", "heads", UNIFORM, low=lambda rows, _: rows["mean"], high=lambda rows, _: rows["mean"]),
    ),
    discussion.REPEATS: lambda run, sign: dataclasses.replace(run, repeated=repeated_tables(run.disabling, 0.1 * sign)),
    # Heads of the first layers are Heterogeneous and cost more, or less, than the others, which are Vertical.
    discussion.HETEROGENEOUS_MORE: in_turn(
        setting("patterns", "heads", main=("Vertical", "Vertical")),
        setting("patterns", "heads", EARLY, main=("Heterogeneous", "Heterogeneous")),
        setting("disabling", "heads", UNIFORM, mean=noise),
        setting("disabling", "heads", UNIFORM | EARLY, mean=lambda rows, sign: noise(rows) - 0.05 * sign),
    ),
}
for claim in (patterns.COMMON, patterns.FEWEST, patterns.MOST):
    SPEAKING[claim] = setting("patterns", "gaps", {"claim": [claim]}, **interval(0.1, -0.1))
for claim in (
    feature_claims.CLS_EARLY,
    feature_claims.SEP_LATE,
    feature_claims.STRIPES,
    feature_claims.SEP_MOST,
    feature_claims.NEGLIGIBLE,
    feature_claims.CLS_TO,
):
    SPEAKING[claim] = setting("features", "gaps", {"claim": [claim]}, **interval(0.1, -0.1))
for claim, features in {
    feature_claims.MORE_WORDS: ["noun", "object"],
    feature_claims.MORE_NEGATION: ["negation"],
}.items():
    SPEAKING[claim] = setting("features", "changes", {"feature": features}, p=(1e-12, 1e-12), **interval(0.01, -0.01))

OF_MAPS = (patterns.ANNOTATED, patterns.F1["macro F1"])  # the same for every run


@pytest.fixture(scope="module")
def published():
    """The reference run, with invented tables of Section 4.3 and of repeated words."""
    run = RunTables.find(Run(ROOT / "notebooks" / "reference"))
    return dataclasses.replace(run, tuning=tuning_tables(), repeated=repeated_tables(run.disabling, 0.1))


@pytest.fixture(scope="module")
def of_maps():
    return claims.of_annotated_maps()


@pytest.mark.parametrize("claim", [claim.sentence for claim in CLAIMS if claim.sentence not in OF_MAPS])
def test_a_changed_table_changes_the_verdict(claim, published):
    section = next(one.section for one in CLAIMS if one.sentence == claim)
    others = dict.fromkeys(set(vars(published)) - set(SECTIONS[section]))
    for sign, verdict in ((1, HOLDS), (-1, FAILS)):
        judgement = claims.judgements(dataclasses.replace(SPEAKING[claim](published, sign), **others))[claim]
        assert judgement.verdict == verdict
        assert judgement.evidence


@pytest.mark.parametrize(("value", "verdict"), [(0.9, HOLDS), (0.7, FAILS)])
def test_claims_on_annotated_maps_follow_their_numbers(value, verdict):
    ends = (value, value - 0.01, value + 0.01)
    scores = [("network", metric, *ends) for metric in ("macro F1", "weighted F1")]
    scores = pd.DataFrame(scores, columns=["method", "metric", *INTERVAL])
    annotated = pd.DataFrame([(AFTER, "Vertical", *ends)], columns=["checkpoint", "pattern", *INTERVAL])
    annotated[INTERVAL] -= 0.6
    judged = patterns.judged_maps(scores, annotated)
    assert [judged[claim].verdict for claim in OF_MAPS] == [verdict, verdict]


def test_that_the_best_head_gains_least_and_most_takes_both_tasks(published):
    gains = published.disabling.chosen["task"].map({"STS-B": 0.0, "MRPC": 0.01}).fillna(0.02)
    chosen = published.disabling.chosen.assign(best=gains)  # least on STS-B, but not most on MRPC
    judged = disabling.judge(dataclasses.replace(published.disabling, chosen=chosen))
    assert judged[disabling.GAINS].verdict == OPEN


def test_half_of_the_heads_are_judged_at_the_first_step_that_disables_as_many(published):
    steps = [("RTE", 0, "sweep", share, mean, mean, mean) for share, mean in ((0.25, 0.0), (0.5, 0.0), (1.0, -0.3))]
    curves = pd.DataFrame(steps, columns=["task", "seed", "order", "share", *INTERVAL])
    run = dataclasses.replace(published, disabling=dataclasses.replace(published.disabling, curves=curves))
    assert discussion.judge(run)[discussion.HALF].verdict == HOLDS


def test_scores_of_random_weights_decide_whether_tasks_are_learned(published):
    scores = published.tuning.scores.copy()
    is_random = (scores[["initialization", "finetuned"]] == list(RANDOM)).all(axis=1)
    scores.loc[is_random, "high"] = 0.65
    judged = fine_tuning.judge(dataclasses.replace(published.tuning, scores=scores))
    assert judged[fine_tuning.UNLEARNED].verdict == OPEN


def test_each_claim_names_a_section_a_rule_and_a_place_that_some_notebook_has():
    pages = "".join(path.read_text() for path in (ROOT / "notebooks").glob("*.ipynb"))
    for claim in (*CLAIMS, *QUESTIONS):
        assert claim.section in SECTIONS
        assert claim.rule
        assert f'\\"{claim.see}\\"' in pages, claim.see
    assert [claim.section for claim in CLAIMS] == sorted(claim.section for claim in CLAIMS)


def test_what_a_run_lacks_has_no_verdict(published, of_maps):
    part = dataclasses.replace(published, relations=None, repeated=None)
    assert part.missing() == ["03-relation-heads", "08-discussion"]
    nothing = RunTables(*[None] * len(SECTIONS))
    heads, chosen = (table[table["task"] != "STS-B"] for table in (part.disabling.heads, part.disabling.chosen))
    no_task = dataclasses.replace(published, disabling=dataclasses.replace(part.disabling, heads=heads, chosen=chosen))
    ledger = claims.ledger({"this run": part, "reference run": published, "no": nothing, "task": no_task}, of_maps)
    unasked = {run: set(ledger.loc[ledger[run].isna(), "claim"]) for run in ("this run", "reference run", "no", "task")}
    of_relations = {relations.WEIGHTS, relations.STAND_OUT, relations.ANY_HEAD}
    assert unasked["this run"] == of_relations | {discussion.FRAME_HEADS, discussion.REPEATS}
    assert unasked["no"] == {claim.sentence for claim in CLAIMS}
    assert unasked["task"] == {discussion.SAME_HEADS, disabling.GAINS}
    assert unasked["reference run"] == set()
    counts = claims.counts(ledger).query("run == 'this run'")
    assert counts["n"].sum() == len(CLAIMS)
    assert counts.query("verdict == 'not asked'")["n"].sum() == 5
    drawn = svg_of(claims.ledger_chart(claims.counts(ledger), "Of 1 claim 1 holds"))
    for words in ("Of 1 claim", "reference run", "not asked", "cannot tell"):
        assert words in drawn


def test_the_ledger_is_shown_with_verdict_evidence_and_place(published, of_maps):
    table = claims.ledger({"reference run": published, "this run": published}, of_maps)
    shown = claims.ledger_table(table, "4.2")
    assert list(shown.columns) == ["", "claim", "reference run", "this run", "see"]
    assert len(shown) == 3
    assert re.fullmatch(r"(holds|does not hold|cannot tell) \(.+\)", shown["this run"].iloc[0])
    verdicts = table["this run"].dropna().tolist()
    numbers = [len(verdicts), *map(verdicts.count, VERDICTS)]
    assert claims.summary(table["this run"]) == (
        "of {} claims {} hold, {} do not, and on {} one cannot tell".format(*numbers)
    )


@pytest.mark.parametrize(
    ("quantifier", "verdicts", "expected"),
    [
        (every, [HOLDS, HOLDS], HOLDS),
        (every, [HOLDS, OPEN], OPEN),
        (every, [HOLDS, OPEN, FAILS], FAILS),
        (most, [HOLDS, HOLDS, FAILS], HOLDS),
        (most, [HOLDS, HOLDS, FAILS, OPEN], OPEN),
        (most, [HOLDS, FAILS], FAILS),
        (most, [OPEN, OPEN, HOLDS], OPEN),
    ],
)
def test_quantifiers_join_verdicts_in_both_notations(quantifier, verdicts, expected):
    judgement = quantifier(verdicts)
    fails = f", fails on {verdicts.count(FAILS)}" if FAILS in verdicts else ""
    assert judgement.verdict == expected
    assert judgement.evidence == f"holds on {verdicts.count(HOLDS)} of {len(verdicts)} tasks{fails}"
    assert judgement.cell == ", ".join(f"{verdict}: {verdicts.count(verdict)}" for verdict in VERDICTS)


def test_a_chapter_shows_the_claims_that_some_run_asks():
    mine = {"A": single(HOLDS, "+0.1 points", "by +0.12 points"), "B": every([FAILS], without="RTE")}
    table = claims_table({"A": "holds", "B": "by eye", "C": "holds"}, mine, {"B": Judgement(None, None, "not asked")})
    assert table.to_dict("records") == [
        {"claim": "A", "paper": "holds", "reference run": None, "this run": "holds (by +0.12 points)"},
        {
            "claim": "B",
            "paper": "by eye",
            "reference run": "not asked",
            "this run": "holds: 0, does not hold: 1, cannot tell: 0 (without RTE)",
        },
    ]
