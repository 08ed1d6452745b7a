"""Links against words as far apart: equal to loops, and right about heads of which it is known what they follow."""

import numpy as np
import pytest

from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.sections import link_distance
from darksecrets.sections.link_distance import BOTH, FOLLOWS_LINK, FOLLOWS_NEIGHBOUR, NEITHER
from darksecrets.statistics import interval_of_mean, sign_flip_test
from tests.link_tables import (
    BOTH_HEAD,
    DISTANCE_HEAD,
    LINK_HEAD,
    LINK_WEIGHT,
    NEIGHBOUR_HEAD,
    NULL_WEIGHT,
    WORD_HEAD,
    links_of,
    pocket_links_of,
)

LINKS = links_of(n_examples=50)
POCKET = pocket_links_of()
MATCHED = link_distance.matched(LINKS)
FOLLOWS = link_distance.follows(POCKET)


def rows_of(table, row, distances):
    """The links behind a row of `matched`: those with both nulls, at its distances."""
    chosen = table[(table["task"] == row.task) & (table["checkpoint"] == row.checkpoint) & (table["seed"] == row.seed)]
    chosen = chosen[(chosen["relation"] == row.relation) & chosen["distance"].between(*distances)]
    chosen = chosen[(chosen["layer"] == row.layer) & (chosen["head"] == row.head)]
    return chosen.dropna(subset=[f"{row.direction}_null", f"{row.direction}_others"])


class TestMatched:
    def test_every_case_span_and_head_has_a_row(self):
        assert not MATCHED.duplicated(["task", "checkpoint", "relation", "direction", "span", "layer", "head"]).any()
        assert len(MATCHED) == 2 * 2 * 2 * 2 * 2 * 12

    def test_means_equal_loops(self):
        for row in MATCHED.sample(60, random_state=0).itertuples():
            chosen = rows_of(LINKS, row, link_distance.SPANS[row.span])
            columns = [row.direction, f"{row.direction}_null", f"{row.direction}_others"]
            link, null, others = chosen[columns].mean()
            assert [row.mean, row.null, row.others, row.n] == pytest.approx([link, null, others, len(chosen)], abs=1e-6)
            assert [row.difference, row.others_difference] == pytest.approx([link - null, link - others], abs=1e-6)
            assert row.low < row.difference < row.high
            assert row.others_low < row.others_difference < row.others_high

    def test_one_link_an_example_gives_the_plain_interval(self):
        links = LINKS[LINKS["link"] == 0]
        for row in link_distance.matched(links, {"all": (1, np.inf)}).sample(20, random_state=1).itertuples():
            chosen = rows_of(links, row, (1, np.inf))
            for null, before in (("null", ""), ("others", "others_")):
                expected = interval_of_mean(chosen[row.direction] - chosen[f"{row.direction}_{null}"])
                found = [getattr(row, before + name) for name in ("difference", "low", "high")]
                assert found == pytest.approx([float(x) for x in expected], abs=1e-6)

    def test_distance_cannot_make_a_head_look_specific(self):
        heads = MATCHED.groupby(["layer", "head"])
        assert heads["specific"].all()[LINK_HEAD]
        assert heads["mean"].mean()[NEIGHBOUR_HEAD] > 0.2
        assert heads["specific"].mean().drop(LINK_HEAD).max() < 0.1

    @pytest.mark.parametrize(
        ("head", "beaten", "not_beaten"), [(WORD_HEAD, "", "others_"), (DISTANCE_HEAD, "others_", "")]
    )
    def test_one_null_is_not_enough(self, head, beaten, not_beaten):
        rows = MATCHED[(MATCHED["layer"] == head[0]) & (MATCHED["head"] == head[1])]
        assert rows[f"{beaten}difference"].mean() == pytest.approx(NULL_WEIGHT, abs=0.02)
        assert rows[f"{not_beaten}difference"].mean() == pytest.approx(0, abs=0.02)
        assert rows["specific"].mean() < 0.1
        null = {"": "null", "others_": "others"}[not_beaten]
        without = LINKS.assign(**{f"{side}_{null}": 0 * LINKS[f"{side}_null"] for side in ("to_dependent", "to_head")})
        found = link_distance.matched(without).groupby(["layer", "head"])["specific"].mean()
        assert found[head] > 0.9

    def test_the_correction_is_for_heads_directions_and_nulls_together(self):
        links = LINKS[(LINKS["link"] == 0) & (LINKS["task"] == "RTE") & (LINKS["checkpoint"] == AFTER)].dropna()
        found = link_distance.matched(links, {"all": (1, np.inf)})
        parts = [
            links[side] - links[f"{side}_{null}"] for side in ("to_dependent", "to_head") for null in ("null", "others")
        ]
        parts = np.hstack([part.to_numpy(float).reshape(-1, 12) for part in parts])
        forth_null, forth_others, back_null, back_others = np.split(sign_flip_test(parts)[1], 4)
        expected = np.concatenate([np.maximum(forth_null, forth_others), np.maximum(back_null, back_others)])
        assert found["p_corrected"].to_numpy() == pytest.approx(expected)
        assert found["specific"].equals(found["p_corrected"] < 0.05)

    @pytest.mark.parametrize("null", ["null", "others"])
    def test_links_that_lack_one_null_are_left_out(self, null):
        name = f"to_head_{null}"
        lacking = LINKS.assign(**{name: LINKS[name].where(LINKS["example"] != "0003")})
        expected = link_distance.matched(LINKS[LINKS["example"] != "0003"])
        for column in ("mean", "null", "others", "n"):
            assert link_distance.matched(lacking)[column].to_numpy() == pytest.approx(expected[column].to_numpy())

    def test_classes_of_distance(self):
        found = link_distance.matched(LINKS, link_distance.CLASSES)
        assert set(found["span"]) == set(link_distance.CLASSES)
        sizes = found.groupby(["task", "checkpoint", "relation", "direction", "layer", "head"])["n"].sum()
        whole = link_distance.matched(LINKS, {"all": (1, np.inf)}).set_index(sizes.index.names)["n"]
        assert sizes.equals(whole.reindex(sizes.index))

    def test_a_span_without_links_has_no_rows(self):
        near = link_distance.matched(LINKS[LINKS["distance"] == 1])
        assert set(near["span"]) == {"1"}

    def test_survivors_are_counted(self):
        counts = link_distance.survivors(MATCHED)
        assert len(counts) == len(MATCHED) / 12
        assert counts["n_heads"].eq(12).all()
        assert counts["specific"].sum() == MATCHED["specific"].sum()
        assert counts["specific"].ge(1).all()

    def test_seeds_stay_apart(self):
        found = link_distance.matched(links_of(("RTE",), seeds=(3, 4), n_examples=10))
        assert found.groupby(["checkpoint", "seed"]).ngroups == 3
        assert found[found["checkpoint"] == AFTER]["seed"].unique().tolist() == [3, 4]


class TestFollows:
    def test_verdicts(self):
        verdicts = FOLLOWS.set_index(["layer", "head"])["verdict"]
        assert verdicts[LINK_HEAD].unique().tolist() == [FOLLOWS_LINK]
        assert verdicts[NEIGHBOUR_HEAD].unique().tolist() == [FOLLOWS_NEIGHBOUR]
        assert verdicts[BOTH_HEAD].unique().tolist() == [BOTH]
        others = verdicts.drop([LINK_HEAD, NEIGHBOUR_HEAD, BOTH_HEAD])
        assert (others == NEITHER).mean() > 0.9
        assert set(verdicts[WORD_HEAD]) == set(verdicts[DISTANCE_HEAD]) == {NEITHER}

    def test_each_distance_has_equal_weight_whatever_its_sentences(self):
        fewer = POCKET[~(POCKET["distance"].eq(2) & POCKET["example"].str[-1].isin(list("2345678")))]
        for row in link_distance.follows(fewer).sample(20, random_state=0).itertuples():
            chosen = fewer[(fewer["layer"] == row.layer) & (fewer["head"] == row.head)]
            chosen = chosen[(chosen["relation"] == row.relation) & (chosen["distance"] >= 2)]
            columns = [row.direction, f"{row.direction}_null", f"{row.direction}_others"]
            means = chosen.groupby("distance")[columns].mean().mean()
            assert [row.mean, row.null, row.others] == pytest.approx(means.tolist(), abs=1e-6)
            assert row.difference == pytest.approx(row.mean - row.null)
            assert row.others_difference == pytest.approx(row.mean - row.others)

    def test_the_neighbour_is_the_side_that_gets_more(self):
        strong = FOLLOWS.set_index(["layer", "head"]).loc[[NEIGHBOUR_HEAD, BOTH_HEAD]]
        assert strong["neighbour_side"].unique().tolist() == ["previous"]
        for row in FOLLOWS.query("direction == 'to_dependent'").sample(10, random_state=0).itertuples():
            chosen = POCKET[(POCKET["layer"] == row.layer) & (POCKET["head"] == row.head)]
            chosen = chosen[(chosen["relation"] == row.relation) & (chosen["distance"] >= 2)]
            sides = {side: chosen.groupby("distance")[f"to_{side}"].mean().mean() for side in ("previous", "next")}
            assert row.neighbour == pytest.approx(max(sides.values()), abs=1e-6)
            assert row.neighbour_side == max(sides, key=sides.get)

    def test_without_neighbours_a_head_can_still_follow_the_link(self):
        found = link_distance.follows(pocket_links_of(dependents=False)).set_index("direction")
        assert found.loc["to_head", "neighbour"].isna().all()
        assert set(found.loc["to_head", "verdict"]) <= {FOLLOWS_LINK, NEITHER}
        assert BOTH in set(found.loc["to_dependent", "verdict"])

    def test_neighbours_say_nothing_of_what_is_further_away(self):
        near = link_distance.neighbours(POCKET)
        assert near["span"].unique().tolist() == ["1"]
        assert near["n"].unique().tolist() == [12]
        pure = POCKET[POCKET["distance"] == 1]
        expected = (pure["to_head"] - pure["to_head_null"]).groupby([pure["relation"], pure["layer"], pure["head"]])
        found = near[near["direction"] == "to_head"].set_index(["relation", "layer", "head"])["difference"]
        assert found.to_numpy() == pytest.approx(expected.mean().reindex(found.index).to_numpy(), abs=1e-6)


class TestByDistance:
    def test_equals_loops(self):
        found = link_distance.by_distance(POCKET, [LINK_HEAD, NEIGHBOUR_HEAD])
        assert len(found) == 2 * 2 * 2 * 8 * 4
        columns = {"link": "to_dependent", "null": "to_dependent_null", "others": "to_dependent_others"}
        columns |= {"neighbour": "to_previous"}
        strong = found.query("direction == 'to_dependent' and layer == @NEIGHBOUR_HEAD[0]")
        for row in strong.itertuples():
            chosen = POCKET[(POCKET["layer"] == row.layer) & (POCKET["head"] == row.head)]
            chosen = chosen[(chosen["relation"] == row.relation) & (chosen["distance"] == row.distance)]
            expected = [float(number) for number in interval_of_mean(chosen[columns[row.quantity]])]
            assert [row.mean, row.low, row.high] == pytest.approx(expected, abs=1e-6)
            assert row.n == 12

    def test_links_that_fit_nowhere_else_are_in_neither_curve(self):
        lacking = POCKET.assign(
            to_head_null=POCKET["to_head_null"].where(POCKET["example"].str[-1] != "1"),
        )
        found = link_distance.by_distance(lacking, [LINK_HEAD]).query("direction == 'to_head'").set_index("quantity")
        for null in ("null", "others"):
            assert found.loc["link", "n"].eq(found.loc[null, "n"].to_numpy()).all()
        assert found.loc["link", "n"].max() < 12


def test_pocket_and_task_texts_agree_on_heads():
    special = {(layer, head): 0.02 * (4 * layer + head) for layer in range(3) for head in range(4)}
    one = link_distance.follows(pocket_links_of(special=special))
    other = link_distance.matched(links_of(special=special))
    found = link_distance.agreement(one, other)
    assert len(found) == 2 * 2 * 2 * 2
    assert found["n_heads"].eq(12).all()
    assert found["mean"].gt(0.9).all()
    reverse = {head: LINK_WEIGHT - weight for head, weight in special.items()}
    assert link_distance.agreement(one, link_distance.matched(links_of(special=reverse)))["mean"].lt(-0.9).all()
