"""Tables of Section 4.5 for reading: short names, few columns, and the same numbers as in the tables behind them."""

import pandas as pd
import pytest

from darksecrets.heads import head_label
from darksecrets.sections import link_claims, link_distance, link_heads, link_report
from tests.link_tables import BOTH_HEAD, LINK_HEAD, WORD_HEAD, diagonal_of, links_of, pocket_links_of, released_of

TASKS = ("RTE", "SST-2")
NAMES = ["verb to subject", "subject to verb", "pronoun to antecedent", "antecedent to pronoun"]
NULLS = {
    "above words as far apart": ("difference", "low", "high"),
    "above others": ("others_difference", "others_low", "others_high"),
}
DIAGONAL, POCKET = diagonal_of(TASKS), pocket_links_of()
LINKS = links_of(TASKS, special={LINK_HEAD: 0.6})
RUN = link_claims.measured(LINKS, DIAGONAL, POCKET)
SEEDS = (1, 2)
TWICE = link_claims.measured(
    links_of(TASKS, special={LINK_HEAD: 0.6}, seeds=SEEDS), diagonal_of(TASKS, seeds=SEEDS), POCKET
)


def name_of(place):
    return f"{place[0] + 1}-{place[1] + 1}"


def intervals(tests, columns):
    return [f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]" for mean, low, high in tests[list(columns)].to_numpy()]


class TestNames:
    def test_a_link_is_named_by_who_attends_to_whom(self):
        pairs = [
            (relation, way) for relation in ("verb-subject", "pronoun-antecedent") for way in link_heads.DIRECTIONS
        ]
        table = pd.DataFrame(pairs, columns=["relation", "direction"]).astype("category")
        named = link_report.named_links(table)
        assert named["link"].tolist() == NAMES
        assert list(named) == ["link"]
        assert link_report.named_links(named) is named

    def test_heads_count_from_one(self):
        assert head_label(pd.DataFrame({"layer": [0, 11], "head": [10, 0]})).tolist() == ["1-11", "12-1"]


class TestCandidates:
    def test_they_carry_their_tests(self):
        table = link_report.candidates_table(RUN)
        assert table.columns.tolist() == [
            *("task", "link", "head", "weight", "diagonal score", "its rank", "2 or more apart"),
            *(*NULLS, "beats both?"),
        ]
        assert table[["task", "link"]].to_numpy().tolist() == [[task, link] for task in TASKS for link in NAMES]
        assert table["head"].eq(name_of(LINK_HEAD)).all()
        assert table["beats both?"].eq("yes").all()
        tests = link_claims.candidate_tests(RUN)
        pairs = {"weight": "mean_link", "diagonal score": "diagonal", "its rank": "rank", "2 or more apart": "mean"}
        for shown, behind in pairs.items():
            assert table[shown].tolist() == tests[behind].tolist()
        for shown, columns in NULLS.items():
            assert table[shown].tolist() == intervals(tests, columns)

    def test_several_seeds_are_told_apart(self):
        table = link_report.candidates_table(TWICE)
        assert table.columns.tolist()[:3] == ["task", "seed", "link"]
        assert table.groupby(["task", "link"])["seed"].unique().map(list).tolist() == [[1, 2]] * 8

    def test_without_distant_links_there_is_no_test(self):
        close = LINKS[(LINKS["task"] != "RTE") | (LINKS["distance"] == 1)]
        run = link_claims.measured(close, DIAGONAL, POCKET)
        table = link_report.candidates_table(run).set_index("task")
        assert len(table) == 8
        assert table.loc["RTE", ["2 or more apart", *NULLS, "beats both?"]].isna().all(axis=None)
        assert table.loc["SST-2"].notna().all(axis=None)
        assert link_claims.by_case(run).set_index("task").loc["RTE", "matched"].eq("cannot tell").all()
        survivors = link_report.survivors_table(run.matched).set_index("task")
        assert survivors.loc["RTE", "2 or more apart"].isna().all()
        assert survivors.loc["SST-2", "2 or more apart"].str.endswith(" of 12").all()


class TestFollows:
    @pytest.mark.parametrize("n_heads", [1, 3])
    def test_the_heads_with_the_largest_excess_of_each_link(self, n_heads):
        table = link_report.follows_table(RUN.follows, n_heads)
        assert table.columns.tolist() == ["link", "head", "weight", *NULLS, "neighbour", "the head"]
        assert table["link"].tolist() == [name for name in NAMES for _ in range(n_heads)]
        tests = link_report.named_links(RUN.follows.assign(excess=link_distance.excess, head_name=head_label))
        for link, shown in table.groupby("link"):
            best = tests[tests["link"] == link].nlargest(n_heads, "excess")
            assert shown["head"].tolist() == best["head_name"].tolist()
            assert shown["weight"].tolist() == best["mean"].tolist()
            assert shown["neighbour"].tolist() == pytest.approx(best["neighbour"].tolist(), nan_ok=True)
            assert shown["the head"].tolist() == best["verdict"].tolist()
            for column, columns in NULLS.items():
                assert shown[column].tolist() == intervals(best, columns)

    def test_three_heads_unless_told_otherwise(self):
        assert link_report.follows_table(RUN.follows).groupby("link").size().eq(3).all()

    def test_one_null_that_is_beaten_is_not_enough(self):
        loved = RUN.follows.copy()
        loved.loc[head_label(loved) == name_of(WORD_HEAD), "difference"] = 0.9
        table = link_report.follows_table(loved, 2)
        assert set(table["head"]) == {name_of(LINK_HEAD), name_of(BOTH_HEAD)}
        assert set(table["the head"]) == {link_distance.FOLLOWS_LINK, link_distance.BOTH}

    def test_each_verdict_is_counted(self):
        counts = link_report.verdict_counts(RUN.follows)
        verdicts = ["follows the link", "both", "follows the neighbour", "neither"]
        assert counts.columns.tolist() == ["link", *verdicts]
        assert counts["link"].tolist() == NAMES
        assert counts[verdicts].to_numpy().tolist() == [[1, 1, 1, 9]] * 4

    def test_a_verdict_that_no_head_has_is_none(self):
        counts = link_report.verdict_counts(RUN.follows.assign(verdict=link_distance.NEITHER))
        assert counts.drop(columns="link").to_numpy().tolist() == [[0, 0, 0, 12]] * 4

    def test_the_strongest_head_of_each_link_once(self):
        found = link_report.strongest(RUN.follows)
        assert set(found) <= {LINK_HEAD, BOTH_HEAD}
        assert len(found) == len(set(found))
        loved = RUN.follows.copy()  # a head that does not follow the link comes after those that do
        loved.loc[head_label(loved) == name_of(WORD_HEAD), ["difference", "others_difference"]] = 0.9
        assert link_report.strongest(loved) == found
        alone = link_report.strongest(loved.assign(verdict=link_distance.NEITHER))
        assert alone == [WORD_HEAD]


class TestSurvivors:
    def test_counts_by_distance(self):
        table = link_report.survivors_table(RUN.matched)
        assert table.columns.tolist() == ["task", "link", "1 apart", "2 or more apart"]
        assert table[["task", "link"]].to_numpy().tolist() == [[task, link] for task in TASKS for link in NAMES]
        tuned = RUN.matched[(RUN.matched["checkpoint"] == "fine-tuned") & (RUN.matched["span"] == "2 or more")]
        n_specific = tuned.groupby(["task", "relation", "direction"], sort=False, observed=True)["specific"].sum()
        assert table["2 or more apart"].tolist() == [f"{n} of 12" for n in n_specific]

    def test_several_seeds_are_told_apart(self):
        table = link_report.survivors_table(TWICE.matched)
        assert table.columns.tolist() == ["task", "seed", "link", "1 apart", "2 or more apart"]
        assert len(table) == 2 * 2 * 4
        assert not table.duplicated(["task", "seed", "link"]).any()


class TestReleased:
    @pytest.mark.parametrize("run", [RUN, TWICE], ids=["one seed", "two seeds"])
    def test_both_readings_after_fine_tuning(self, run):
        both = link_heads.released_against_paper(released_of(run.heads), run.heads)
        table = link_report.released_table(both)
        assert table.columns.tolist() == ["task", "link", "paper", "released", "rank correlation"]
        assert table[["task", "link"]].to_numpy().tolist() == [[task, link] for task in TASKS for link in NAMES]
        tuned = both[both["checkpoint"] == "fine-tuned"]
        means = tuned.groupby(["task", "relation", "direction"], sort=False, observed=True)
        for reading in ("paper", "released"):
            assert table[reading].tolist() == pytest.approx(means[reading].mean().tolist())
        expected = means[["mean", "low", "high"]].mean()
        assert table["rank correlation"].tolist() == [
            f"{mean:.2f} [{low:.2f}, {high:.2f}]" for mean, low, high in expected.to_numpy()
        ]


class TestAgreementRange:
    @pytest.mark.parametrize("run", [RUN, TWICE], ids=["one seed", "two seeds"])
    def test_lowest_and_highest_of_fine_tuned_models(self, run):
        agreement = link_distance.agreement(run.follows, run.matched)
        tuned = agreement[agreement["checkpoint"] == "fine-tuned"]
        means = tuned.groupby(["task", "relation", "direction"], observed=True)["mean"].mean()
        expected = f"{means.min():.2f} to {means.max():.2f}"
        assert link_report.agreement_range(agreement) == expected
        before = agreement["checkpoint"] == "pre-trained"
        assert link_report.agreement_range(agreement.assign(mean=agreement["mean"].mask(before, -1.0))) == expected

    def test_what_cannot_be_computed_is_said(self):
        agreement = link_distance.agreement(RUN.follows, RUN.matched).assign(mean=float("nan"))
        assert link_report.agreement_range(agreement) == "an amount that cannot be computed here"


def test_heads_that_exceed_words_as_far_apart_are_counted_once():
    found = link_report.first_null_counts(RUN.follows)
    above = RUN.follows[RUN.follows["low"] > 0]
    for relation, of_relation in above.groupby("relation", observed=True):
        n_heads = len(of_relation.drop_duplicates(["layer", "head"]))
        assert f"{n_heads} of 12 heads ({relation})" in found


class TestCurves:
    CURVES = link_report.curves(POCKET, RUN.follows)

    def test_the_strongest_heads_are_drawn_the_first_with_its_best_link_first(self):
        assert self.CURVES.groupby(["layer", "head"]).ngroups == len(link_report.strongest(RUN.follows))
        first = self.CURVES.iloc[0]
        best = RUN.follows.loc[link_distance.excess(RUN.follows).idxmax()]
        same = ["relation", "direction", "layer", "head"]
        assert first[same].astype(str).tolist() == best[same].astype(str).tolist()
        plain = link_distance.by_distance(POCKET, link_report.strongest(RUN.follows))
        assert len(plain) == len(self.CURVES)

    def test_the_title_has_the_numbers_at_the_largest_distance(self):
        first = self.CURVES.iloc[0]
        same = ["relation", "direction", "layer", "head"]
        own = self.CURVES[(self.CURVES[same] == first[same]).all(axis=1)]
        last = own[own["distance"] == 8].set_index("quantity")["mean"]
        found = link_report.distance_finding(self.CURVES)
        assert found.startswith(f"At 8 words, head {name_of(first[['layer', 'head']].tolist())} gives")
        for quantity in ("link", "null", "others"):
            assert f"{last[quantity]:.2f}" in found
