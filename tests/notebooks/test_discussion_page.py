"""The Discussion executed: its ledger is that of the tables, and each verdict leads to its evidence."""

import re

import numpy as np
import pytest

from darksecrets import verdicts
from darksecrets.figures.publish import MISSING
from darksecrets.overview import claims, discussion
from darksecrets.overview.claims import CLAIMS
from darksecrets.overview.discussion import RunTables
from darksecrets.runs import Run
from darksecrets.saved_tables import side_by_side
from darksecrets.sections import repeated_words
from darksecrets.verdicts import VERDICTS
from tests import word_maps
from tests.notebooks.executed import defined, shown

SECTIONS = {
    "4.1": "patterns",
    "4.2": "relations",
    "4.3": "fine-tuning",
    "4.4": "features",
    "4.5": "links",
    "4.6": "disabling",
    "5": "discussion",
}


@pytest.fixture(scope="module")
def both(tiny_discussion, notebooks):
    """The tables of the small run, and of the reference run."""
    return RunTables.find(tiny_discussion.run), RunTables.find(Run(notebooks / "reference"))


@pytest.fixture(scope="module")
def ledger(both):
    return claims.ledger({"reference run": both[1], "this run": both[0]}, claims.of_annotated_maps())


def test_the_ledger_shows_every_claim_with_the_verdict_of_the_tables(tiny_discussion, ledger):
    rows = [row for name in SECTIONS.values() for row in tiny_discussion.rows(f"table-ledger-{name}")]
    assert [row["claim"] for row in rows] == [claim.sentence for claim in CLAIMS]
    for row, expected in zip(rows, ledger.to_dict("records"), strict=True):
        for run in ("reference run", "this run"):
            verdict = expected[run]
            assert row[run] == (f"{verdict} ({expected[f'{run} evidence']})" if verdict else MISSING)
        assert row["see"] == f"{{numref}}`{expected['see']}`"


def test_a_small_run_of_all_chapters_judges_most_claims(tiny_discussion, ledger, both):
    assert both[0].missing() == []
    assert tiny_discussion.glued["missing"] == "none"
    judged = ledger["this run"].dropna()
    assert len(judged) >= 25
    assert set(judged) <= set(VERDICTS)
    # What needs MRPC, QQP or QNLI cannot be judged on RTE, STS-B and SST-2.
    assert ledger["this run"].isna().any()


def test_the_chart_counts_the_verdicts_of_the_ledger(tiny_discussion, ledger):
    rows = next(rows for rows in tiny_discussion.data("figure-ledger") if "verdict" in rows[0])
    for run in ("reference run", "this run"):
        for verdict in VERDICTS:
            found = sum(row["n"] for row in rows if row["run"] == run and row["verdict"] == verdict)
            assert found == (ledger[run] == verdict).sum()
    numbers = [int(number) for number in re.findall(r"\d+", tiny_discussion.glued["summary"])]
    assert numbers == [ledger["this run"].notna().sum(), *((ledger["this run"] == name).sum() for name in VERDICTS)]


def test_the_joins_are_those_of_the_tables(tiny_discussion, both):
    frames, relied = (
        side_by_side(*map(table_of, both)) for table_of in (discussion.frame_costs, discussion.relied_on_table)
    )
    assert tiny_discussion.rows("table-frame-costs") == shown(frames)
    assert tiny_discussion.rows("table-relied-on") == shown(relied)
    mine = relied[relied["run"] == "this run"]
    assert {"STS-B", "RTE"} == set(mine["task"])
    assert mine["to the same word"].isna().all()  # the small corpus repeats no word
    assert tiny_discussion.glued["same"] == discussion.same_finding(both[0])
    rows = next(rows for rows in tiny_discussion.data("figure-costs-by-pattern") if "pattern" in rows[0])
    assert {row["run"] for row in rows} >= {"this run"}


def test_a_run_of_one_chapter_says_what_it_lacks(real_discussion):
    lacking = [discussion.CHAPTERS[name] for name in ("patterns", "relations", "tuning", "features", "links")]
    assert real_discussion.glued["missing"] == ", ".join(lacking)
    assert all(row["this run"] == MISSING for row in real_discussion.rows("table-ledger-links"))
    assert any(row["this run"] != MISSING for row in real_discussion.rows("table-ledger-disabling"))


def test_attention_to_repeated_words_is_measured_where_words_are_repeated(real_discussion):
    mine = RunTables.find(real_discussion.run)
    rows = [row for row in real_discussion.rows("table-relied-on") if row["run"] == "this run"]
    assert [row["task"] for row in rows] == ["RTE", "RTE"]
    heads = mine.repeated.heads.query("checkpoint == 'fine-tuned'").set_index(["layer", "head"])
    for row in rows:
        layer, head = (int(number) - 1 for number in row["head"].split("-"))
        assert row["to the same word"] == f"{heads.loc[(layer, head), 'repeated']:.3f}"


def test_the_short_code_on_the_page_is_what_the_library_computes(tiny_discussion):
    verdict, attention_to_repeats = (defined(tiny_discussion, name) for name in ("verdict", "attention_to_repeats"))
    ends = (-0.1, -0.0, 0.0, 0.2)
    assert all(verdict(low, high) == verdicts.verdict(low, high) for low in ends for high in ends if low <= high)
    texts = ("The bank said prices rose.", "Prices rose, said the central bank.")
    _, ((first, second),) = word_maps.annotated([texts])
    matrices = repeated_words.repeats_and_null((first, second), [[(0,)] * len(one.words) for one in (first, second)])
    words = [(number, word.text.lower()) for number, one in enumerate((first, second)) for word in one.words]
    is_word = np.array([any(map(str.isalnum, text)) for _, text in words])
    sentence, text = (np.array(column)[is_word] for column in zip(*words, strict=True))
    weights = np.random.default_rng(0).random((len(words), len(words)))
    shown = attention_to_repeats(weights[is_word][:, is_word], text, sentence)
    assert shown == pytest.approx([(matrix * weights).sum() for matrix in matrices])


def test_the_rules_are_those_of_the_claims(tiny_discussion):
    rows = tiny_discussion.rows("table-rules")
    assert [row["holds if"] for row in rows] == [claim.rule for claim in CLAIMS]
