"""The ledger: every claim has a verdict that follows from the tables, and changes with them."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.overview import claims, discussion
from darksecrets.overview.claims import CLAIMS, QUESTIONS
from darksecrets.overview.discussion import RunTables
from darksecrets.overview.run_findings import SECTIONS
from darksecrets.reported import RANDOM
from darksecrets.runs import Run
from darksecrets.sections import patterns, relations
from darksecrets.verdicts import VERDICTS, every, most
from tests.claims_tables import SPEAKING, repeated_tables, tuning_tables
from tests.conftest import ROOT

HOLDS, FAILS, OPEN = VERDICTS


@pytest.fixture(scope="module")
def published():
    """The reference run, with invented tables where it has none."""
    found = RunTables.find(Run(ROOT / "notebooks" / "reference"))
    return dataclasses.replace(found, tuning=tuning_tables(), repeated=repeated_tables(found.disabling, 0.1))


@pytest.fixture(scope="module")
def of_maps():
    return claims.of_annotated_maps()


OF_MAPS = (patterns.ANNOTATED, patterns.F1["macro F1"])  # the same for every run


def test_every_claim_is_made_to_hold_and_to_fail():
    assert {claim.sentence for claim in CLAIMS} == {*SPEAKING, *OF_MAPS}
    assert len(CLAIMS) >= 25


@pytest.mark.parametrize("claim", SPEAKING)
def test_a_changed_table_changes_the_verdict(claim, published):
    section = next(one.section for one in CLAIMS if one.sentence == claim)
    others = dict.fromkeys({field.name for field in dataclasses.fields(RunTables)} - set(SECTIONS[section]))
    for sign, verdict in ((1, HOLDS), (-1, FAILS)):
        changed = dataclasses.replace(SPEAKING[claim](published, sign), **others)
        judgement = claims.judgements(changed)[claim]
        assert judgement.verdict == verdict
        assert judgement.evidence


def test_claims_on_annotated_maps_follow_their_numbers():
    def judged(value):
        scores = pd.DataFrame(
            [("network", metric, value, value - 0.01, value + 0.01) for metric in ("macro F1", "weighted F1")],
            columns=["method", "metric", "mean", "low", "high"],
        )
        annotated = pd.DataFrame(
            [(AFTER, "Vertical", value - 0.6, value - 0.61, value - 0.59)],
            columns=["checkpoint", "pattern", "mean", "low", "high"],
        )
        return patterns.judged_maps(scores, annotated)

    for value, verdict in ((0.9, HOLDS), (0.7, FAILS)):
        assert [judged(value)[claim].verdict for claim in OF_MAPS] == [verdict, verdict]


def test_each_claim_names_a_section_a_rule_and_a_place_that_some_notebook_has():
    pages = "".join(path.read_text() for path in (ROOT / "notebooks").glob("*.ipynb"))
    for claim in (*CLAIMS, *QUESTIONS):
        assert claim.section in ("4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "5")
        assert claim.rule
        assert re.search(rf'\\"{claim.see}\\"', pages), claim.see
    sections = [claim.section for claim in CLAIMS]
    assert sections == sorted(sections)


def test_a_run_without_a_chapter_has_no_verdict_on_it(published, of_maps):
    part = dataclasses.replace(published, relations=None, repeated=None)
    table = claims.ledger({"reference run": published, "this run": part}, of_maps)
    is_empty = table["this run"].isna()
    expected = {relations.WEIGHTS, relations.STAND_OUT, relations.ANY_HEAD}
    assert set(table.loc[is_empty, "claim"]) == expected | {discussion.FRAME_HEADS, discussion.REPEATS}
    assert part.missing() == ["03-relation-heads", "08-discussion"]
    counts = claims.counts(table).query("run == 'this run'")
    assert counts["n"].sum() == len(CLAIMS)
    assert counts.query("verdict == 'not asked'")["n"].sum() == 5
    nothing = RunTables(*[None] * 7)
    assert (
        claims.ledger({"reference run": nothing, "this run": nothing}, of_maps)[["this run", "reference run"]]
        .isna()
        .all()
        .all()
    )


def test_what_a_run_lacks_for_want_of_a_task_is_not_asked(published, of_maps):
    def without(tables, task):
        frames = {field.name: getattr(tables, field.name) for field in dataclasses.fields(tables)}
        kept = {name: frame[frame["task"] != task] if "task" in frame else frame for name, frame in frames.items()}
        return dataclasses.replace(tables, **kept)

    part = dataclasses.replace(published, disabling=without(published.disabling, "STS-B"))
    table = claims.ledger({"reference run": published, "this run": part}, of_maps).set_index("claim")["this run"]
    assert table[discussion.SAME_HEADS] is None
    assert table[claims.GAINS] is None
    assert table[discussion.FRAME_HEADS] in VERDICTS


def test_the_ledger_is_laid_out_with_verdict_evidence_and_place(published, of_maps):
    table = claims.ledger({"reference run": published, "this run": published}, of_maps)
    shown = claims.ledger_table(table, "4.2")
    assert list(shown.columns) == ["", "claim", "reference run", "this run", "see"]
    assert len(shown) == 3
    assert re.fullmatch(r"(holds|does not hold|cannot tell) \(.+\)", shown["this run"].iloc[0])
    verdicts = table["this run"].dropna()
    words = re.fullmatch(
        r"of (\d+) claims (\d+) hold, (\d+) do not, and on (\d+) one cannot tell", claims.summary(table["this run"])
    )
    assert [int(number) for number in words.groups()] == [
        len(verdicts),
        *((verdicts == name).sum() for name in VERDICTS),
    ]


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
def test_quantifiers_join_verdicts(quantifier, verdicts, expected):
    judgement = quantifier(verdicts)
    assert judgement.verdict == expected
    assert f"holds on {verdicts.count(HOLDS)} of {len(verdicts)} tasks" in judgement.evidence


def test_scores_of_random_weights_are_what_decides_whether_tasks_are_learned(published):
    tuning = published.tuning
    rows = [tuple(row) == RANDOM for row in tuning.scores[["initialization", "finetuned"]].to_numpy()]
    high = tuning.scores.assign(high=tuning.scores["high"].where(~np.array(rows), 0.65))
    found = claims.JUDGES["tuning"](dataclasses.replace(tuning, scores=high))
    assert found[claims.UNLEARNED].verdict == OPEN
