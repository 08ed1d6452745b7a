"""Statements on links, on data made to have them, to lack them, and to leave them open."""

import pandas as pd
import pytest

from darksecrets.runs import Run
from darksecrets.sections import link_claims
from darksecrets.sections.link_claims import AMONG, ANY_HEAD, COINCIDE, MATCHED, Measured
from tests.link_tables import BOTH_HEAD, LINK_HEAD, NEIGHBOUR_HEAD, WORD_HEAD, diagonal_of, links_of, pocket_links_of

TASKS = ("RTE", "SST-2", "QNLI")
SPECIFIC = {LINK_HEAD: 0.6}  # more than the neighbour head has of neighbours
DIAGONAL, POCKET = diagonal_of(TASKS), pocket_links_of()
LINKS = links_of(TASKS, special=SPECIFIC)
FOLLOWING = link_claims.measured(LINKS, DIAGONAL, POCKET)
# Heads with no other interest than neighbours, all links being neighbours or nearly so.
NEAR = links_of(TASKS, special={BOTH_HEAD: 0.001}, n_examples=60)
DIAGONAL_ONLY = link_claims.measured(NEAR, DIAGONAL, pocket_links_of(special={}))


class TestByCase:
    def test_a_head_that_follows_links_is_no_diagonal_one(self):
        found = link_claims.by_case(FOLLOWING)
        assert found.columns.tolist() == ["task", "relation", "direction", "coincide", "among", "matched"]
        assert len(found) == 3 * 2 * 2
        assert found["among"].eq("does not hold").all()
        assert found["matched"].eq("holds").all()

    def test_a_neighbour_head_is_a_candidate_that_distance_explains(self):
        candidates = DIAGONAL_ONLY.candidates[["layer", "head"]].drop_duplicates().to_numpy().tolist()
        assert candidates == [list(NEIGHBOUR_HEAD)]
        found = link_claims.by_case(DIAGONAL_ONLY)
        assert found["among"].eq("holds").all()
        assert found["matched"].eq("holds").sum() <= 1  # of twelve tests, each wrong once in twenty

    @pytest.mark.parametrize(
        ("low", "high", "expected"), [(0.1, 0.5, "holds"), (-0.5, -0.1, "does not hold"), (-0.1, 0.1, "cannot tell")]
    )
    def test_the_interval_of_the_correlation_decides(self, low, high, expected):
        run = Measured(**vars(FOLLOWING) | {"coincidence": FOLLOWING.coincidence.assign(low=low, high=high)})
        assert link_claims.by_case(run)["coincide"].eq(expected).all()

    def test_seeds_must_agree(self):
        run = link_claims.measured(
            links_of(("RTE",), special=SPECIFIC, seeds=(1, 2)), diagonal_of(("RTE",), seeds=(1, 2)), POCKET
        )
        assert link_claims.by_case(run)["among"].eq("does not hold").all()
        second = run.candidates["seed"] == 2
        split = run.candidates.assign(top_share=run.candidates["top_share"].mask(second, 1.0))
        changed = link_claims.by_case(Measured(**vars(run) | {"candidates": split}))
        assert changed["among"].eq("cannot tell").all()
        assert changed["matched"].eq("holds").all()

    @pytest.mark.parametrize("column", ["high", "others_high"])
    def test_one_null_that_no_link_exceeds_is_enough_to_deny_it(self, column):
        changed = FOLLOWING.matched.assign(specific=False, high=0.5, others_high=0.5)
        run = Measured(**vars(FOLLOWING) | {"matched": changed})
        assert link_claims.by_case(run)["matched"].eq("cannot tell").all()
        run = Measured(**vars(FOLLOWING) | {"matched": changed.assign(**{column: 0.005})})
        assert link_claims.by_case(run)["matched"].eq("does not hold").all()


class TestClaims:
    def test_counts_cases_beside_the_reference_run(self):
        table = link_claims.claims(FOLLOWING, DIAGONAL_ONLY)
        assert table.columns.tolist() == ["claim", "paper", "reference run", "this run"]
        cells = table.set_index("claim")
        assert cells.loc[AMONG, "this run"] == "holds: 0, does not hold: 12, cannot tell: 0"
        assert cells.loc[AMONG, "reference run"] == "holds: 12, does not hold: 0, cannot tell: 0"
        assert cells.loc[MATCHED, "this run"].startswith("holds: 12")
        assert cells["paper"].value_counts().to_dict() == {"left open": 3, "yes, by eye": 2}
        assert cells.loc[COINCIDE, "paper"] == "yes, by eye"

    def test_names_heads_that_follow_a_link(self):
        cells = link_claims.claims(FOLLOWING, DIAGONAL_ONLY).set_index("claim")
        for relation in ("verb-subject", "pronoun-antecedent"):
            text = cells.loc[ANY_HEAD.format(relation), "this run"]
            assert text.startswith("holds (2 of 12 heads, most of all layer ")
            assert {"layer 2 head 3", "layer 3 head 1"} == set(text[:-1].split("most of all ")[1].split(", "))
            assert not cells.loc[ANY_HEAD.format(relation), "reference run"].startswith("holds")

    def test_the_heads_named_first_have_the_largest_excess(self):
        loved = FOLLOWING.follows.assign(specific=True)
        at = loved["layer"].eq(WORD_HEAD[0]) & loved["head"].eq(WORD_HEAD[1])
        loved.loc[at, "difference"] = 0.9
        run = Measured(**vars(FOLLOWING) | {"follows": loved})
        cell = link_claims.claims(run).set_index("claim").loc[ANY_HEAD.format("verb-subject"), "this run"]
        assert set(cell.split("most of all ")[1].split(", ")[:2]) == {"layer 2 head 3", "layer 3 head 1"}

    def test_alone(self):
        assert link_claims.claims(FOLLOWING)["reference run"].isna().all()

    def test_a_run_keeps_what_was_measured(self, tmp_path):
        run = Run(tmp_path)
        assert Measured.find(run) is None
        FOLLOWING.save(run, links="pocket")
        found = Measured.find(run)
        pd.testing.assert_frame_equal(link_claims.claims(found), link_claims.claims(FOLLOWING))
        assert sum(path.stat().st_size for path in tmp_path.glob("*.parquet")) < 200_000


class TestSure:
    def test_verdicts_of_sure_sentences_stand_beside_those_of_all(self):
        sure = link_claims.measured(LINKS[LINKS["sure"]], DIAGONAL, POCKET)
        table = link_claims.sure_table(FOLLOWING, sure)
        assert table["claim"].tolist() == [COINCIDE, AMONG, MATCHED]
        assert table.set_index("claim").loc[AMONG, "changed?"] == "no"
        assert link_claims.sure_changes(FOLLOWING, FOLLOWING) == 0
        expected = link_claims.by_case(FOLLOWING) != link_claims.by_case(sure)
        assert link_claims.sure_changes(FOLLOWING, sure) == expected.to_numpy().sum()

    def test_changed_verdicts_are_counted(self):
        assert link_claims.sure_changes(FOLLOWING, DIAGONAL_ONLY) >= 24
        table = link_claims.sure_table(FOLLOWING, DIAGONAL_ONLY).set_index("claim")
        assert table.loc[AMONG, "changed?"] == "yes"


def test_titles():
    relations = ("verb-subject", "pronoun-antecedent")
    expected = "; ".join(f"{relation}: 2 of 12 heads follow the link" for relation in relations)
    assert link_claims.follows_finding(FOLLOWING.follows) == expected
    assert link_claims.candidates_finding(FOLLOWING).startswith("12 of 12 candidates")
    n_cases = FOLLOWING.coincidence.query("checkpoint == 'fine-tuned'").shape[0]
    assert link_claims.coincidence_finding(FOLLOWING.coincidence).endswith(f"of {n_cases} cases")
