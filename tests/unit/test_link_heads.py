"""Section 4.5's link weights, candidates and diagonal scores, against loops and data made to have an answer."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets.sections import link_heads
from darksecrets.statistics import interval_of_mean
from tests.link_tables import BOTH_HEAD, LINK_HEAD, NEIGHBOUR_HEAD, diagonal_of, links_of, released_of

LINKS, DIAGONAL = links_of(), diagonal_of()
HEADS, SCORES = link_heads.links_by_head(LINKS), link_heads.diagonal_scores(DIAGONAL)


def only(table, **values):
    for name, value in values.items():
        table = table[table[name] == value]
    return table


def test_links_of_an_example_are_averaged_first():
    assert len(HEADS) == 2 * 2 * 2 * 2 * 12
    for row in HEADS.sample(60, random_state=0).itertuples():
        key = {name: getattr(row, name) for name in ("task", "checkpoint", "relation", "layer", "head")}
        chosen = only(LINKS, **key)
        means = [links[row.direction].mean() for _, links in chosen.groupby("example", observed=True)]
        expected = [float(number) for number in interval_of_mean(means)]
        assert [row.mean, row.low, row.high] == pytest.approx(expected, abs=1e-6)
        assert row.n == len(means)


class TestDiagonalScores:
    def test_is_the_larger_of_the_two_means(self):
        for row in SCORES.itertuples():
            chosen = only(DIAGONAL, task=row.task, checkpoint=row.checkpoint, layer=row.layer, head=row.head)
            assert row.diagonal == pytest.approx(max(chosen["previous"].mean(), chosen["next"].mean()), abs=1e-6)
        of_one = only(SCORES, task="RTE", checkpoint="fine-tuned")
        assert sorted(of_one["rank"]) == list(range(1, 13))
        assert of_one.sort_values("rank")["diagonal"].is_monotonic_decreasing

    def test_the_most_diagonal_tenth_of_twelve_heads_are_two(self):
        top = SCORES[SCORES["among_top"]]
        assert set(zip(top["layer"], top["head"], strict=True)) == {NEIGHBOUR_HEAD, BOTH_HEAD}
        assert top["top_share"].eq(1).all()
        assert SCORES.loc[~SCORES["among_top"], "top_share"].eq(0).all()

    def test_examples_decide_how_sure_a_rank_is(self):
        close = DIAGONAL.assign(previous=DIAGONAL["next"])  # no head is more diagonal than others
        shares = link_heads.diagonal_scores(close)["top_share"]
        assert ((shares > 0.1) & (shares < 0.9)).any()

    def test_inputs_without_neighbours_are_left_out(self):
        gaps = DIAGONAL.assign(
            **{side: DIAGONAL[side].where(DIAGONAL["example"] != "0003") for side in ("previous", "next")}
        )
        expected = link_heads.diagonal_scores(DIAGONAL[DIAGONAL["example"] != "0003"])
        pd.testing.assert_frame_equal(link_heads.diagonal_scores(gaps), expected)

    def test_a_single_example_leaves_it_open(self):
        assert link_heads.diagonal_scores(DIAGONAL[DIAGONAL["example"] == "0000"])["top_share"].isna().all()


def test_candidates_bring_their_diagonal_score():
    found = link_heads.candidates(HEADS, SCORES)
    assert len(found) == 2 * 2 * 2 * 2  # one of twelve heads in each case
    for row in found.itertuples():
        key = {name: getattr(row, name) for name in ("task", "checkpoint")}
        rivals = only(HEADS, **key, relation=row.relation, direction=row.direction)
        assert row.mean == rivals["mean"].max()
        score = only(SCORES, **key, layer=row.layer, head=row.head).iloc[0]
        assert (row.diagonal, row.rank) == (score["diagonal"], score["rank"])
    assert set(zip(found["layer"], found["head"], strict=True)) <= {LINK_HEAD, NEIGHBOUR_HEAD}


def test_coincidence_is_the_rank_correlation_over_heads():
    found = link_heads.coincidence(HEADS, SCORES)
    for row in found.itertuples():
        key = {"task": row.task, "checkpoint": row.checkpoint}
        weights = only(HEADS, **key, relation=row.relation, direction=row.direction).set_index(["layer", "head"])
        scores = only(SCORES, **key).set_index(["layer", "head"])["diagonal"]
        expected = stats.spearmanr(weights["mean"], scores.reindex(weights.index)).statistic
        assert row.mean == pytest.approx(expected)
        assert row.low <= row.mean <= row.high
        assert row.n_heads == 12


def test_released_weights_are_compared_case_by_case():
    released = released_of(HEADS).query("relation == 'verb-subject'")
    found = link_heads.released_against_paper(released, HEADS)
    assert found["relation"].unique().tolist() == ["verb-subject"]
    assert len(found) == 2 * 2 * 2
    assert (found["released"] - found["paper"]).to_numpy() == pytest.approx(found["difference"].to_numpy())
    assert found["released"].to_numpy() == pytest.approx(found["paper"].to_numpy() / 3, abs=0.001)
    assert found["mean"].gt(0.9).all()
    assert np.all(found["low"] <= found["mean"])
