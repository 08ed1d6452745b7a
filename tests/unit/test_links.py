"""Section 4.5 from the measure to the drawing: against single maps and loops, and heads whose interests are known."""

import json
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets.corpora import generated
from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.corpora.tasks import TASKS
from darksecrets.figures import charts, head_charts
from darksecrets.heads import excess, head_label
from darksecrets.models import attention
from darksecrets.models.setup import Setup
from darksecrets.runs import Run
from darksecrets.saved_tables import side_by_side
from darksecrets.sections import links
from darksecrets.sections.links import (
    AMONG,
    ANY_HEAD,
    BOTH,
    COINCIDE,
    FOLLOWS_LINK,
    FOLLOWS_NEIGHBOUR,
    MATCHED,
    NEITHER,
    LinkTables,
)
from darksecrets.statistics import interval_of_mean, sign_flip_test
from tests.link_tables import (
    BOTH_HEAD,
    DISTANCE_HEAD,
    LINK_HEAD,
    LINK_WEIGHT,
    NEIGHBOUR_HEAD,
    NULL_WEIGHT,
    RELATIONS,
    WORD_HEAD,
    diagonal_of,
    links_of,
    pocket_links_of,
    released_of,
)
from tests.unit.test_charts import PHONE, svg_of
from tests.unit.test_head_charts import TOLD, chosen, labels
from tests.word_maps import places_of, word_weight

NAMES = ["verb to subject", "subject to verb", "pronoun to antecedent", "antecedent to pronoun"]
KEY = ["task", "checkpoint", "relation", "direction"]
NULLS = {
    "above words as far apart": ("difference", "low", "high"),
    "above others": ("others_difference", "others_low", "others_high"),
}
DIAGONAL, POCKET = diagonal_of(), pocket_links_of()
PLAIN = links_of(n_examples=50)
LINKS = links_of(special={LINK_HEAD: 0.6})  # more than the neighbour head has of neighbours
RUN = links.summarize(LINKS, DIAGONAL, POCKET)
SEEDS = (1, 2)
TWICE = links.summarize(links_of(special={LINK_HEAD: 0.6}, seeds=SEEDS), diagonal_of(seeds=SEEDS), POCKET)
# Heads with no other interest than neighbours, all links being neighbours or nearly so.
NEAR = links.summarize(links_of(special={BOTH_HEAD: 0.001}, n_examples=60), DIAGONAL, pocket_links_of(special={}))
RUNS = pytest.mark.parametrize("run", [RUN, TWICE], ids=["one seed", "two seeds"])


def only(table, **values):
    for name, value in values.items():
        table = table[table[name] == value]
    return table


def at(table, place):
    return only(table, layer=place[0], head=place[1])


def name_of(place):
    return f"{place[0] + 1}-{place[1] + 1}"


def tuned(table):
    return only(table, checkpoint=AFTER)


def changed(run, **tables):
    return LinkTables(**vars(run) | tables)


def intervals(tests, columns):
    """As tables write a difference with its interval."""
    rows = tests[list(columns)].to_numpy()
    return [f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]" for mean, low, high in rows]


def test_pocket_links_against_single_inputs(tiny_bert, tmp_path):
    setup, n = Setup(tiny_bert, store=tmp_path), 3
    table = links.measure_pocket(setup, n).set_index(["example", "layer", "head"])
    assert table.index.is_unique
    model, tokenizer = setup.load().encoder(), setup.load().tokenizer
    kinds = [(relation, distance) for relation in RELATIONS for distance in range(1, 9)]
    wanted = [(*kind, sentence) for kind in kinds for sentence in generated.linked(*kind, n)]
    for number in range(0, len(wanted), 5):
        relation, distance, sentence = wanted[number]
        tokens, maps = attention.maps_of(model, tokenizer, sentence.text)
        words = places_of(tokens, sentence)
        link = next(one for one in sentence.links if (one.relation, one.distance) == (relation, distance))
        verb, subject = link.head, link.dependent
        pairs = {"to_dependent": (verb, subject), "to_head": (subject, verb)}
        for before, word in (("to", verb), ("dependent_to", subject)):
            pairs |= {f"{before}_previous": (word, word - 1), f"{before}_next": (word, word + 1)}
        for layer, head in np.ndindex(3, 4):
            row = table.loc[(number, layer, head)]
            assert (row["relation"], row["distance"]) == (relation, distance)
            for name, (query, key) in pairs.items():
                exists = 0 <= key < len(words)
                expected = word_weight(maps[layer, head], words[query], words[key]) if exists else np.nan
                assert row[name] == pytest.approx(expected, abs=1e-6, nan_ok=True)


class TestByHead:
    HEADS, SCORES = links.by_head(PLAIN), links.diagonal_scores(DIAGONAL)

    def test_links_of_an_example_are_averaged_first(self):
        assert len(self.HEADS) == 2 * 2 * 2 * 2 * 12
        for row in self.HEADS.sample(60, random_state=0).itertuples():
            rows = at(
                only(PLAIN, task=row.task, checkpoint=row.checkpoint, relation=row.relation), (row.layer, row.head)
            )
            means = [of_example[row.direction].mean() for _, of_example in rows.groupby("example", observed=True)]
            expected = [float(number) for number in interval_of_mean(means)]
            assert [row.mean, row.low, row.high] == pytest.approx(expected, abs=1e-6)
            assert row.n == len(means)

    def test_the_diagonal_score_is_the_larger_of_the_two_means(self):
        for row in self.SCORES.itertuples():
            rows = at(only(DIAGONAL, task=row.task, checkpoint=row.checkpoint), (row.layer, row.head))
            assert row.diagonal == pytest.approx(max(rows["previous"].mean(), rows["next"].mean()), abs=1e-6)
        of_one = only(self.SCORES, task="RTE", checkpoint=AFTER)
        assert sorted(of_one["rank"]) == list(range(1, 13))
        assert of_one.sort_values("rank")["diagonal"].is_monotonic_decreasing

    def test_the_most_diagonal_tenth_of_twelve_heads_are_two(self):
        top = self.SCORES[self.SCORES["among_top"]]
        assert set(zip(top["layer"], top["head"], strict=True)) == {NEIGHBOUR_HEAD, BOTH_HEAD}
        assert top["top_share"].eq(1).all()
        assert self.SCORES.loc[~self.SCORES["among_top"], "top_share"].eq(0).all()

    def test_examples_decide_how_sure_a_rank_is(self):
        close = DIAGONAL.assign(previous=DIAGONAL["next"])  # no head is more diagonal than others
        assert links.diagonal_scores(close)["top_share"].between(0.1, 0.9).any()
        assert links.diagonal_scores(only(DIAGONAL, example="0000"))["top_share"].isna().all()

    def test_inputs_without_neighbours_are_left_out(self):
        known = DIAGONAL["example"] != "0003"
        gaps = DIAGONAL.assign(**{side: DIAGONAL[side].where(known) for side in ("previous", "next")})
        pd.testing.assert_frame_equal(links.diagonal_scores(gaps), links.diagonal_scores(DIAGONAL[known]))

    def test_candidates_bring_their_diagonal_score(self):
        candidates = links.candidates(self.HEADS, self.SCORES)
        assert len(candidates) == 2 * 2 * 2 * 2  # one of twelve heads in each case
        for row in candidates.to_dict("records"):
            assert row["mean"] == only(self.HEADS, **{name: row[name] for name in KEY})["mean"].max()
            score = only(self.SCORES, **{name: row[name] for name in ("task", "checkpoint", "layer", "head")}).iloc[0]
            assert [row["diagonal"], row["rank"]] == [score["diagonal"], score["rank"]]

    def test_correlations_over_heads(self):
        found = links.coincidence(self.HEADS, self.SCORES)
        released = links.released_against_paper(released_of(self.HEADS), self.HEADS)
        for row, other in zip(found.to_dict("records"), released.to_dict("records"), strict=True):
            heads = only(self.HEADS, **{name: row[name] for name in KEY}).sort_values(["layer", "head"])
            scores = only(self.SCORES, task=row["task"], checkpoint=row["checkpoint"]).sort_values(["layer", "head"])
            assert row["mean"] == pytest.approx(stats.spearmanr(heads["mean"], scores["diagonal"]).statistic)
            assert row["low"] <= row["mean"] <= row["high"]
            assert other["mean"] > 0.9
            assert other["paper"] == pytest.approx(heads["mean"].mean())
            assert other["difference"] == pytest.approx(other["released"] - other["paper"])
            assert other["released"] == pytest.approx(other["paper"] / 3, abs=0.001)


def with_nulls(table, row, distances):
    """The links behind a row of `matched` or `follows`: those with both nulls, at its distances."""
    rows = at(only(table, relation=row.relation), (row.layer, row.head))
    rows = rows[rows["distance"].between(*distances)]
    return rows.dropna(subset=[f"{row.direction}_null", f"{row.direction}_others"])


def columns_of(direction):
    return [direction, f"{direction}_null", f"{direction}_others"]


class TestMatched:
    TESTS = links.matched(PLAIN)

    def test_means_equal_loops(self):
        assert not self.TESTS.duplicated([*KEY, "span", "layer", "head"]).any()
        assert len(self.TESTS) == 2 * 2 * 2 * 2 * 2 * 12
        for row in self.TESTS.sample(60, random_state=0).itertuples():
            rows = with_nulls(only(PLAIN, task=row.task, checkpoint=row.checkpoint), row, links.SPANS[row.span])
            link, null, others = rows[columns_of(row.direction)].mean()
            assert [row.mean, row.null, row.others, row.n] == pytest.approx([link, null, others, len(rows)], abs=1e-6)
            assert [row.difference, row.others_difference] == pytest.approx([link - null, link - others], abs=1e-6)
            assert row.low < row.difference < row.high
            assert row.others_low < row.others_difference < row.others_high

    def test_one_link_an_example_gives_the_plain_interval(self):
        table, span = only(PLAIN, link=0), (1, np.inf)
        for row in links.matched(table, {"all": span}).sample(20, random_state=1).itertuples():
            rows = with_nulls(only(table, task=row.task, checkpoint=row.checkpoint), row, span)
            for null, before in (("null", ""), ("others", "others_")):
                expected = interval_of_mean(rows[row.direction] - rows[f"{row.direction}_{null}"])
                interval = [getattr(row, before + name) for name in ("difference", "low", "high")]
                assert interval == pytest.approx([float(bound) for bound in expected], abs=1e-6)

    def test_distance_cannot_make_a_head_look_specific(self):
        heads = self.TESTS.groupby(["layer", "head"])
        assert heads["specific"].all()[LINK_HEAD]
        assert heads["mean"].mean()[NEIGHBOUR_HEAD] > 0.2
        assert heads["specific"].mean().drop(LINK_HEAD).max() < 0.1

    @pytest.mark.parametrize(
        ("place", "beaten", "not_beaten", "null"),
        [(WORD_HEAD, "", "others_", "others"), (DISTANCE_HEAD, "others_", "", "null")],
    )
    def test_one_null_is_not_enough(self, place, beaten, not_beaten, null):
        rows = at(self.TESTS, place)
        assert rows[f"{beaten}difference"].mean() == pytest.approx(NULL_WEIGHT, abs=0.02)
        assert rows[f"{not_beaten}difference"].mean() == pytest.approx(0, abs=0.02)
        assert rows["specific"].mean() < 0.1
        without = PLAIN.assign(**{f"{side}_{null}": 0 * PLAIN[f"{side}_null"] for side in ("to_dependent", "to_head")})
        assert at(links.matched(without), place)["specific"].mean() > 0.9

    def test_the_correction_is_for_heads_directions_and_nulls_together(self):
        table = only(PLAIN, link=0, task="RTE", checkpoint=AFTER).dropna()
        tests = links.matched(table, {"all": (1, np.inf)})
        sides = [(one, one + null) for one in ("to_dependent", "to_head") for null in ("_null", "_others")]
        parts = np.hstack([(table[one] - table[null]).to_numpy(float).reshape(-1, 12) for one, null in sides])
        p = sign_flip_test(parts)[1].reshape(2, 2, 12)  # direction, null, head
        assert tests["p_corrected"].to_numpy() == pytest.approx(p.max(axis=1).ravel())
        assert tests["specific"].equals(tests["p_corrected"] < 0.05)

    @pytest.mark.parametrize("name", ["to_head_null", "to_head_others"])
    def test_links_that_lack_one_null_are_left_out(self, name):
        known = PLAIN["example"] != "0003"
        lacking, expected = links.matched(PLAIN.assign(**{name: PLAIN[name].where(known)})), links.matched(PLAIN[known])
        for column in ("mean", "null", "others", "n"):
            assert lacking[column].to_numpy() == pytest.approx(expected[column].to_numpy())

    def test_a_span_without_links_has_no_rows(self):
        assert set(links.matched(only(PLAIN, distance=1))["span"]) == {"1"}

    def test_seeds_stay_apart(self):
        assert TWICE.matched.groupby(["task", "checkpoint", "seed"], observed=True).ngroups == 2 * 3
        assert tuned(TWICE.matched)["seed"].unique().tolist() == list(SEEDS)


class TestFollows:
    TESTS = links.follows(POCKET)

    def test_verdicts(self):
        verdicts = self.TESTS.set_index(["layer", "head"])["verdict"]
        expected = {LINK_HEAD: FOLLOWS_LINK, NEIGHBOUR_HEAD: FOLLOWS_NEIGHBOUR, BOTH_HEAD: BOTH}
        expected |= {WORD_HEAD: NEITHER, DISTANCE_HEAD: NEITHER}
        for place, verdict in expected.items():
            assert verdicts[place].unique().tolist() == [verdict]
        assert (verdicts.drop(list(expected)) == NEITHER).mean() > 0.9

    def test_each_distance_has_equal_weight_whatever_its_sentences(self):
        fewer = POCKET[~(POCKET["distance"].eq(2) & POCKET["example"].str[-1].isin(list("2345678")))]
        for row in links.follows(fewer).sample(20, random_state=0).itertuples():
            rows = with_nulls(fewer, row, links.POCKET_FAR)
            means = rows.groupby("distance")[columns_of(row.direction)].mean().mean()
            assert [row.mean, row.null, row.others] == pytest.approx(means.tolist(), abs=1e-6)
            assert row.difference == pytest.approx(row.mean - row.null)
            assert row.others_difference == pytest.approx(row.mean - row.others)

    def test_the_neighbour_is_the_side_that_gets_more(self):
        for place in (NEIGHBOUR_HEAD, BOTH_HEAD):
            assert at(self.TESTS, place)["neighbour_side"].unique().tolist() == ["previous"]
        for row in only(self.TESTS, direction="to_dependent").sample(10, random_state=0).itertuples():
            rows = with_nulls(POCKET, row, links.POCKET_FAR)
            sides = {side: rows.groupby("distance")[f"to_{side}"].mean().mean() for side in ("previous", "next")}
            assert row.neighbour == pytest.approx(max(sides.values()), abs=1e-6)
            assert row.neighbour_side == max(sides, key=sides.get)

    def test_curves_by_distance_equal_loops(self):
        curves = links.by_distance(POCKET, [LINK_HEAD, NEIGHBOUR_HEAD])
        assert len(curves) == 2 * 2 * 2 * 8 * 4
        columns = dict(zip(("link", "null", "others"), columns_of("to_dependent"), strict=True))
        columns |= {"neighbour": "to_previous"}
        for row in at(only(curves, direction="to_dependent"), NEIGHBOUR_HEAD).itertuples():
            rows = with_nulls(POCKET, row, (row.distance, row.distance))
            expected = [float(number) for number in interval_of_mean(rows[columns[row.quantity]])]
            assert [row.mean, row.low, row.high] == pytest.approx(expected, abs=1e-6)
            assert row.n == 12

    def test_links_that_fit_nowhere_else_are_in_no_curve(self):
        lacking = POCKET.assign(to_head_null=POCKET["to_head_null"].where(POCKET["example"].str[-1] != "1"))
        curves = only(links.by_distance(lacking, [LINK_HEAD]), direction="to_head").set_index("quantity")
        for null in ("null", "others"):
            assert curves.loc["link", "n"].eq(curves.loc[null, "n"].to_numpy()).all()
        assert curves.loc["link", "n"].max() < 12

    def test_pocket_and_task_texts_agree_on_heads(self):
        special = {(layer, head): 0.02 * (4 * layer + head) for layer in range(3) for head in range(4)}
        tests = links.follows(pocket_links_of(special=special))
        agreement = links.agreement(tests, links.matched(links_of(special=special)))
        assert len(agreement) == 2 * 2 * 2 * 2
        assert agreement["n_heads"].eq(12).all()
        assert agreement["mean"].gt(0.9).all()
        reverse = {head: LINK_WEIGHT - weight for head, weight in special.items()}
        assert links.agreement(tests, links.matched(links_of(special=reverse)))["mean"].lt(-0.9).all()


class TestByCase:
    def test_a_head_that_follows_links_is_no_diagonal_one(self):
        cases = links.by_case(RUN)
        assert cases.columns.tolist() == ["task", "relation", "direction", "coincide", "among", "matched"]
        assert len(cases) == 2 * 2 * 2
        assert cases["among"].eq("does not hold").all()
        assert cases["matched"].eq("holds").all()

    def test_a_neighbour_head_is_a_candidate_that_distance_explains(self):
        assert NEAR.candidates[["layer", "head"]].drop_duplicates().to_numpy().tolist() == [list(NEIGHBOUR_HEAD)]
        assert links.by_case(NEAR)["among"].eq("holds").all()
        assert links.by_case(NEAR)["matched"].eq("holds").sum() <= 1  # of eight tests, each wrong once in twenty

    @pytest.mark.parametrize(
        ("low", "high", "expected"), [(0.1, 0.5, "holds"), (-0.5, -0.1, "does not hold"), (-0.1, 0.1, "cannot tell")]
    )
    def test_the_interval_of_the_correlation_decides(self, low, high, expected):
        run = changed(RUN, coincidence=RUN.coincidence.assign(low=low, high=high))
        assert links.by_case(run)["coincide"].eq(expected).all()

    def test_seeds_must_agree(self):
        assert links.by_case(TWICE)["among"].eq("does not hold").all()
        shares = TWICE.candidates["top_share"].mask(TWICE.candidates["seed"] == SEEDS[1], 1.0)
        cases = links.by_case(changed(TWICE, candidates=TWICE.candidates.assign(top_share=shares)))
        assert cases["among"].eq("cannot tell").all()
        assert cases["matched"].eq("holds").all()

    @pytest.mark.parametrize("column", ["high", "others_high"])
    def test_one_null_that_no_link_exceeds_is_enough_to_deny_it(self, column):
        tests = RUN.matched.assign(specific=False, high=0.5, others_high=0.5)
        assert links.by_case(changed(RUN, matched=tests))["matched"].eq("cannot tell").all()
        run = changed(RUN, matched=tests.assign(**{column: 0.005}))
        assert links.by_case(run)["matched"].eq("does not hold").all()


class TestClaims:
    def test_cases_are_counted_beside_the_reference_run(self):
        cells = links.claims(RUN, NEAR).set_index("claim")
        assert cells.loc[AMONG, "this run"] == "holds: 0, does not hold: 8, cannot tell: 0"
        assert cells.loc[AMONG, "reference run"] == "holds: 8, does not hold: 0, cannot tell: 0"
        assert cells.loc[MATCHED, "this run"].startswith("holds: 8")
        assert cells["paper"].value_counts().to_dict() == {"left open": 3, "yes, by eye": 2}
        assert cells.loc[COINCIDE, "paper"] == "yes, by eye"
        assert links.claims(RUN)["reference run"].isna().all()

    def test_heads_that_follow_a_link_are_named_the_largest_excess_first(self):
        loved = RUN.follows.assign(specific=True)
        loved.loc[head_label(loved) == name_of(WORD_HEAD), "difference"] = 0.9
        cells = links.claims(RUN, changed(RUN, follows=loved)).set_index("claim")
        for relation in RELATIONS:
            text, more = cells.loc[ANY_HEAD.format(relation), ["this run", "reference run"]]
            assert text.startswith("holds (2 of 12 heads, most of all layer ")
            assert {"layer 2 head 3", "layer 3 head 1"} == set(text[:-1].split("most of all ")[1].split(", "))
            assert {"layer 2 head 3", "layer 3 head 1"} == set(more.split("most of all ")[1].split(", ")[:2])
        assert not links.claims(NEAR)["this run"].iloc[3:].str.startswith("holds").any()

    def test_a_run_keeps_what_was_measured(self, tmp_path):
        run = Run(tmp_path)
        assert LinkTables.find(run) is None
        RUN.save(run, links="pocket")
        pd.testing.assert_frame_equal(links.claims(LinkTables.find(run)), links.claims(RUN))
        assert sum(path.stat().st_size for path in tmp_path.glob("*.parquet")) < 200_000

    def test_verdicts_of_sure_sentences_stand_beside_those_of_all(self):
        sure = links.sure_table(RUN, links.summarize(LINKS[LINKS["sure"]], DIAGONAL, POCKET)).set_index("claim")
        assert sure.index.tolist() == [COINCIDE, AMONG, MATCHED]
        assert sure.loc[AMONG, "changed?"] == "no"
        assert links.sure_table(RUN, NEAR).set_index("claim").loc[AMONG, "changed?"] == "yes"


class TestTables:
    @RUNS
    def test_candidates_with_their_tests(self, run):
        table, seed = links.candidates_table(run), ["seed"] if run is TWICE else []
        columns = ["head", "weight", "diagonal score", "its rank", "2 or more apart", *NULLS, "beats both?"]
        assert table.columns.tolist() == ["task", *seed, "link", *columns]
        assert len(table) == len(tuned(run.candidates))
        assert table["head"].eq(name_of(LINK_HEAD)).all()
        assert table["beats both?"].eq("yes").all()
        tests = only(tuned(run.matched), span="2 or more", layer=LINK_HEAD[0], head=LINK_HEAD[1])
        for column, names in NULLS.items():
            assert sorted(table[column]) == sorted(intervals(tests, names))

    def test_a_candidate_without_a_test_is_kept(self):
        table = links.candidates_table(changed(RUN, matched=only(RUN.matched, span="1")))
        assert len(table) == len(tuned(RUN.candidates))
        assert table[[*NULLS, "beats both?"]].isna().all(axis=None)

    @pytest.mark.parametrize("n_heads", [1, 3])
    def test_the_heads_that_exceed_both_nulls_most(self, n_heads):
        table = links.follows_table(RUN.follows, n_heads)
        assert table.columns.tolist() == ["link", "head", "weight", *NULLS, "neighbour", "the head"]
        assert table["link"].tolist() == [name for name in NAMES for _ in range(n_heads)]
        for link, tests in links.named_links(RUN.follows.assign(excess=excess)).groupby("link"):
            shown, best = only(table, link=link), tests.nlargest(n_heads, "excess")
            assert shown["head"].tolist() == head_label(best).tolist()
            expected = best[["mean", "neighbour", "verdict"]].to_numpy().tolist()
            assert shown[["weight", "neighbour", "the head"]].to_numpy().tolist() == expected
            for column, names in NULLS.items():
                assert shown[column].tolist() == intervals(best, names)

    def test_one_null_that_is_beaten_is_not_enough(self):
        loved = RUN.follows.copy()
        loved.loc[head_label(loved) == name_of(WORD_HEAD), "difference"] = 0.9
        assert set(links.follows_table(loved, 2)["head"]) == {name_of(LINK_HEAD), name_of(BOTH_HEAD)}

    def test_each_verdict_is_counted(self):
        counts = links.verdict_counts(RUN.follows).set_index("link")
        assert counts.columns.tolist() == [FOLLOWS_LINK, BOTH, FOLLOWS_NEIGHBOUR, NEITHER]
        assert counts.index.tolist() == NAMES
        assert counts.to_numpy().tolist() == [[1, 1, 1, 9]] * 4
        none = links.verdict_counts(RUN.follows.assign(verdict=NEITHER)).drop(columns="link")
        assert none.to_numpy().tolist() == [[0, 0, 0, 12]] * 4

    @RUNS
    def test_survivors_are_counted_by_distance(self, run):
        table, seed = links.survivors_table(run.matched), ["seed"] if run is TWICE else []
        spans = ["1 apart", "2 or more apart"]
        assert table.columns.tolist() == ["task", *seed, "link", *spans]
        assert len(table) == 2 * (2 if seed else 1) * 4
        for row in table.to_dict("records"):
            tests = only(links.named_links(tuned(run.matched)), **{name: row[name] for name in ("task", *seed, "link")})
            for span in spans:
                n = only(tests, span=span.removesuffix(" apart"))["specific"].sum()
                assert row[span] == f"{n} of 12"

    @RUNS
    def test_both_readings_after_fine_tuning(self, run):
        both = links.released_against_paper(released_of(run.heads), run.heads)
        table = links.released_table(both)
        assert table[["task", "link"]].to_numpy().tolist() == [
            [task, link] for task in ("RTE", "SST-2") for link in NAMES
        ]
        means = tuned(both).groupby(["task", "relation", "direction"], sort=False, observed=True)
        for reading in ("paper", "released"):
            assert table[reading].tolist() == pytest.approx(means[reading].mean().tolist())
        expected = means[["mean", "low", "high"]].mean().to_numpy()
        assert table["rank correlation"].tolist() == [f"{m:.2f} [{low:.2f}, {high:.2f}]" for m, low, high in expected]


class TestTitles:
    def test_of_heads_and_cases(self):
        expected = "; ".join(f"{relation}: 2 of 12 heads follow the link" for relation in RELATIONS)
        assert links.follows_finding(RUN.follows) == expected
        assert links.candidates_finding(RUN) == "8 of 8 candidates follow the link where it is 2 words or more"
        sure = RUN.coincidence.assign(low=0.1, high=0.2)
        assert links.coincidence_finding(sure).endswith("in 8 of 8 cases")
        assert links.coincidence_finding(sure.assign(low=-0.1)).endswith("in 0 of 8 cases")

    def test_heads_that_exceed_words_as_far_apart_are_counted_once(self):
        above = RUN.follows[RUN.follows["low"] > 0].drop_duplicates(["relation", "layer", "head"])
        counts = above.groupby("relation", observed=True).size()
        expected = " and ".join(f"{counts[relation]} of 12 heads ({relation})" for relation in sorted(RELATIONS))
        assert links.first_null_counts(RUN.follows) == expected

    @RUNS
    def test_agreement_reaches_from_the_lowest_to_the_highest_of_fine_tuned_models(self, run):
        agreement = links.agreement(run.follows, run.matched)
        means = tuned(agreement).groupby(["task", "relation", "direction"], observed=True)["mean"].mean()
        before = agreement["checkpoint"] != AFTER
        for table in (agreement, agreement.assign(mean=agreement["mean"].mask(before, -1.0))):
            assert links.agreement_range(table) == f"{means.min():.2f} to {means.max():.2f}"
        nothing = links.agreement_range(agreement.assign(mean=float("nan")))
        assert nothing == "an amount that cannot be computed here"

    def test_the_strongest_head_of_each_link_is_drawn_once_the_best_first(self):
        strongest = links.strongest(RUN.follows)
        assert set(strongest) <= {LINK_HEAD, BOTH_HEAD}
        assert len(strongest) == len(set(strongest))
        loved = RUN.follows.copy()  # a head that does not follow the link comes after those that do
        loved.loc[head_label(loved) == name_of(WORD_HEAD), ["difference", "others_difference"]] = 0.9
        assert links.strongest(loved) == strongest
        assert links.strongest(loved.assign(verdict=NEITHER)) == [WORD_HEAD]
        curves = links.curves(POCKET, RUN.follows)
        assert len(curves) == len(links.by_distance(POCKET, strongest))
        best = links.named_links(RUN.follows).loc[excess(RUN.follows).idxmax()]
        own = curves[(curves[["link", "layer", "head"]] == best[["link", "layer", "head"]]).all(axis=1)]
        assert own.index[0] == 0
        last = only(own, distance=8).set_index("quantity")["mean"]
        numbers = [f"{last[quantity]:.2f}" for quantity in ("link", "null", "others")]
        found = links.distance_finding(curves)
        assert found.startswith(f"At 8 words, head {name_of((best['layer'], best['head']))} gives the linked word")
        assert re.findall(r"\d\.\d\d", found) == numbers


@cache
def drawn(name):
    """Each chart once, with a title that needs several lines."""
    title = "Heads with much weight on links look at neighbours, too, on 5 of 7 tasks"
    return {
        "heads": lambda: links.draw_heads(RUN.heads, RUN.scores, title, RUN.candidates),
        "diagonal": lambda: links.draw_diagonal(RUN.heads, RUN.scores, title),
        "distances": lambda: head_charts.distance_curves(links.curves(POCKET, RUN.follows), title),
        "verdicts": lambda: links.draw_verdicts(RUN.follows, title),
    }[name]()


def place_of(mark):
    return int(mark["layer"]) - 1, int(mark["head"]) - 1


def told(marks, column):
    """The number that marks tell under a name: those of links with their intervals, those of the diagonal without."""
    return {place_of(mark): float(mark[column].split(" ")[0]) for mark in marks if column in mark}


def means_of(table, column, within=1.1e-4):
    return {(row["layer"], row["head"]): pytest.approx(row[column], abs=within) for _, row in table.iterrows()}


class TestCharts:
    case = {"task": "SST-2", "link": "subject to verb", "checkpoint": "pre-trained"}
    rows = {"task": "SST-2", "relation": "verb-subject", "direction": "to_head", "checkpoint": "pre-trained"}

    @pytest.mark.parametrize("name", ["heads", "diagonal", "distances", "verdicts"])
    def test_every_chart_draws_its_title_and_fits_a_phone(self, name):
        svg = svg_of(drawn(name))
        assert "Heads with much weight on links" in svg
        assert charts.WIDTH < float(re.search(r'<svg[^>]* width="([\d.]+)"', svg).group(1)) <= PHONE

    def test_the_chosen_link_stands_above_the_diagonal_of_the_same_checkpoint(self):
        marks = labels(chosen(drawn("heads"), **self.case), "rect mark")
        assert told(marks, TOLD) == means_of(only(RUN.heads, **self.rows), "mean")
        assert told(marks, "mean") == means_of(only(RUN.scores, task="SST-2", checkpoint="pre-trained"), "diagonal")
        outlined = [place_of(mark) for mark in marks if "attention weight" not in mark]
        assert outlined == list(only(RUN.candidates, **self.rows)[["layer", "head"]].itertuples(index=False, name=None))
        assert outlined
        first = {one["name"]: one["value"] for one in drawn("heads").to_dict()["params"]}
        assert first["chosen_checkpoint"] == "fine-tuned"

    def test_seeds_are_averaged(self):
        chart = links.draw_heads(TWICE.heads, TWICE.scores, "A finding", TWICE.candidates)
        marks = labels(chosen(chart, link="verb to subject"), "rect mark")
        rows = only(tuned(TWICE.heads), task="RTE", relation="verb-subject", direction="to_dependent")
        means = rows.groupby(["layer", "head"])["mean"].mean().reset_index()
        assert len(rows) == 2 * len(means)
        assert told(marks, TOLD) == means_of(means, "mean")

    def test_seven_tasks_of_a_small_model_keep_a_page_small(self):
        size = {"n_layers": 6, "n_heads": 12}
        heads = links.by_head(links_of(["RTE"], 10, **size))
        scores = links.diagonal_scores(diagonal_of(["RTE"], 10, **size))
        candidates = links.candidates(heads, scores)
        tables = [pd.concat([one.assign(task=task) for task in TASKS]) for one in (heads, scores, candidates)]
        chart = links.draw_heads(*tables[:2], "A finding", tables[2])
        assert len(json.dumps(chart.to_dict(), separators=(",", ":"))) < 200_000

    def test_against_the_diagonal_each_head_stands_where_its_weights_put_it(self):
        drawing = chosen(drawn("diagonal"), task="RTE", link="verb to subject")
        rows = only(tuned(RUN.heads), task="RTE", relation="verb-subject", direction="to_dependent")
        assert told(labels(drawing, "point"), "attention weight of the link") == means_of(rows, "mean", 6e-3)
        assert f">{name_of(LINK_HEAD)}<" in drawing
        assert len(re.findall(r">\d+-\d+</text>", drawing)) == links.N_NAMED

    def test_four_curves_with_bands_of_the_chosen_head(self):
        drawing = chosen(drawn("distances"), link="verb to subject", head=name_of(LINK_HEAD))
        for mark in ("line mark", "area mark"):
            assert drawing.count(f'aria-roledescription="{mark}"') == 4
        rows = at(only(links.curves(POCKET, RUN.follows), link="verb to subject"), LINK_HEAD)
        points = {(int(p["distance"]), p["compared"]): float(p["attention weight"]) for p in labels(drawing, "point")}
        assert points == {
            (row.distance, charts.COMPARED[row.quantity]): pytest.approx(row.mean, abs=1.1e-3)
            for row in rows.itertuples()
        }
        without = head_charts.distance_curves(rows[rows["quantity"] != "neighbour"].drop(columns="link"), "A finding")
        assert "params" not in without.to_dict(), "one head and no links leave nothing to choose"
        assert ">neighbour<" not in svg_of(without)
        assert ">link<" in svg_of(without)

    def test_every_head_has_its_verdict_as_colour_and_as_symbol(self):
        points = labels(chosen(drawn("verdicts"), link="verb to subject"), "point")
        rows = only(RUN.follows, relation="verb-subject", direction="to_dependent")
        expected = {(row.layer, row.head): row.verdict for row in rows.itertuples()}
        assert {place_of(point): point["verdict"] for point in points} == expected
        encoding = drawn("verdicts").to_dict()["encoding"]
        assert encoding["color"]["scale"] == charts.SCALES["verdict"].to_dict()
        assert encoding["shape"]["scale"]["domain"] == charts.SCALES["verdict"].domain

    @pytest.mark.parametrize("name", ["heads", "diagonal", "verdicts"])
    def test_a_menu_chooses_the_run_this_run_first(self, name):
        verdicts = {FOLLOWS_LINK: NEITHER, NEITHER: FOLLOWS_LINK}
        other = changed(RUN, follows=RUN.follows.assign(verdict=RUN.follows["verdict"].replace(verdicts)))
        for table in ("heads", "scores", "candidates"):
            tasks = getattr(RUN, table)["task"].replace({"SST-2": "MRPC"})
            other = changed(other, **{table: getattr(RUN, table).assign(task=tasks)})

        def make(*runs):
            heads, scores, best, follows = (
                side_by_side(*(getattr(run, table) for run in runs))
                for table in ("heads", "scores", "candidates", "follows")
            )
            return {
                "heads": lambda: links.draw_heads(heads, scores, "A finding", best),
                "diagonal": lambda: links.draw_diagonal(heads, scores, "A finding"),
                "verdicts": lambda: links.draw_verdicts(follows, "A finding"),
            }[name]()

        assert "chosen_run" not in {one["name"] for one in make(RUN).to_dict()["params"]}
        chart = make(RUN, other)
        menus = {one["name"]: one for one in chart.to_dict()["params"]}
        assert menus["chosen_run"]["value"] == "this run"
        assert menus["chosen_run"]["bind"]["options"] == ["this run", "reference run"]
        for run, tables in {"this run": RUN, "reference run": other}.items():
            if name == "verdicts":
                points = labels(chosen(chart, run=run, link="verb to subject"), "point")
                rows = only(tables.follows, relation="verb-subject", direction="to_dependent")
                assert [point["verdict"] for point in points] == rows["verdict"].tolist()
            else:
                for task in ("SST-2", "MRPC"):
                    tasks = set(re.findall(r"task: ([\w-]+)", chosen(chart, run=run, task=task)))
                    assert tasks == ({task} & set(tables.heads["task"]))
