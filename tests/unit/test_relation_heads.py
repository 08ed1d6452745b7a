"""Section 4.2 against loops over the definition, and heads of which it is known what they attend to."""

import time

import numpy as np
import pandas as pd
import pytest

from darksecrets.errors import InputError
from darksecrets.runs import Run
from darksecrets.sections import relation_heads, relation_report
from darksecrets.sections.relation_heads import ANY_HEAD, DIRECTIONS, STAND_OUT, Measured
from darksecrets.side_by_side import side_by_side
from darksecrets.statistics import interval_of_mean
from tests.link_tables import DISTANCE_HEAD, LINK_HEAD, LINK_WEIGHT, NULL_WEIGHT, WORD_HEAD, frames_of, tokens_of

FRAMES = frames_of()
NOTHING = frames_of(special={})
RUN = relation_heads.measured(FRAMES)


def plain(values):
    return [float(number) for number in interval_of_mean(values)]


TESTED = {"to_element": "other head", "to_target": "other dependent"}  # the kind of its second null


def slow_places(frames, column, kind, layer, head):
    """Per sentence, the weight of its links together at each place of a kind that all can take, 0 for their own."""
    rows = frames[(frames["layer"] == layer) & (frames["head"] == head) & frames["kind"].isin(["link", kind])]
    found = []
    for _, sentence in rows.groupby("sentence"):
        pairs = [pair.set_index("shift")[column].to_dict() for _, pair in sentence.groupby("pair")]
        shared = set.intersection(*(set(pair) for pair in pairs))
        found.append({shift: sum(pair[shift] for pair in pairs) / len(pairs) for shift in shared})
    return found


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_by_head_equals_loops(direction):
    found = RUN.heads[RUN.heads["direction"] == direction]
    assert len(found) == 12
    for row in found.itertuples():
        means = [places[0] for places in slow_places(FRAMES, direction, "moved", row.layer, row.head)]
        assert [row.mean, row.low, row.high] == pytest.approx(plain(means), abs=1e-6)
        assert row.n == 60


def test_measures_are_averaged_over_the_sentences_that_are_not_cut():
    tokens = tokens_of(FRAMES, cut=(3, 4))
    found = relation_heads.by_measure(RUN.heads, tokens).set_index(["measure", "layer", "head"])
    counts = found.groupby("measure")["n"].first()
    assert counts.to_dict() == {"between words": 60, "between tokens": 60, "released": 58}
    either = RUN.heads[RUN.heads["direction"] == "either"].set_index(["layer", "head"])
    pd.testing.assert_frame_equal(found.loc["between words"], either[["mean", "low", "high", "n"]])
    for (layer, head), of_head in tokens.groupby(["layer", "head"]):
        for measure, column in (("between tokens", "token_pairs"), ("released", "released")):
            numbers = found.loc[(measure, layer, head), ["mean", "low", "high"]]
            assert numbers.tolist() == pytest.approx(plain(of_head[column].dropna()), abs=1e-6)


@pytest.mark.parametrize("direction", TESTED)
def test_the_nulls_equal_loops(direction):
    found = RUN.specific[RUN.specific["direction"] == direction]
    assert len(found) == 12
    for row in found.itertuples():
        kinds = ["moved", *TESTED.values()]
        places = {kind: slow_places(FRAMES, direction, kind, row.layer, row.head) for kind in kinds}
        tested = [n for n in range(60) if all(len(places[kind][n]) > 1 for kind in kinds)]
        assert row.n_tested == len(tested) < 60
        for null, before, kind in (("null", "", "moved"), ("others", "others_", TESTED[direction])):
            links = [places[kind][n][0] for n in tested]
            nulls = [np.mean([weight for shift, weight in places[kind][n].items() if shift]) for n in tested]
            expected = plain(np.subtract(links, nulls))
            assert [row.mean, getattr(row, null)] == pytest.approx([np.mean(links), np.mean(nulls)], abs=1e-6)
            interval = [getattr(row, before + end) for end in ("difference", "low", "high")]
            assert interval == pytest.approx(expected, abs=1e-6)


def test_rows_may_come_in_any_order():
    shuffled = relation_heads.specific(FRAMES.sample(frac=1, random_state=0), 500)
    kept = [name for name in shuffled if name != "p_corrected"]
    pd.testing.assert_frame_equal(shuffled[kept], RUN.specific[kept])


class TestSpecific:
    def test_finds_the_head_that_follows_links_and_only_it(self):
        for direction in TESTED:
            found = RUN.specific[(RUN.specific["direction"] == direction) & RUN.specific["specific"]]
            assert found[["layer", "head"]].to_numpy().tolist() == [list(LINK_HEAD)]
            for name in ("difference", "others_difference"):
                assert found[name].iloc[0] == pytest.approx(LINK_WEIGHT, abs=0.03)

    @pytest.mark.parametrize(("head", "beats", "ties"), [(WORD_HEAD, "", "others_"), (DISTANCE_HEAD, "others_", "")])
    def test_a_head_that_beats_one_null_is_not_specific(self, head, beats, ties):
        found = RUN.specific.set_index(["layer", "head"]).loc[[head]]
        assert (found[f"{beats}low"] > NULL_WEIGHT / 2).all()
        assert (found[f"{ties}low"] < 0).all()
        assert (found["beats_null"] == (head == WORD_HEAD)).all()
        assert not found["specific"].any()

    def test_one_direction_is_enough(self):
        one_way = FRAMES.assign(to_target=NOTHING["to_target"])
        run = relation_heads.measured(one_way)
        found = run.specific[run.specific["specific"]]
        assert found["direction"].tolist() == ["to_element"]
        assert relation_report.finding(run.specific).startswith("1 of 12 heads")
        assert relation_heads.claims(run)["this run"].str.startswith("holds").all()

    def test_finds_nothing_where_nothing_is_there(self):
        found = relation_heads.specific(NOTHING, 1000)
        assert not found["specific"].any()
        assert (found["specific"] <= found["beats_null"]).all()

    def test_links_of_a_sentence_move_together(self):
        # A head likes one word of each sentence, the target of two links: that is one sentence's luck, not two links'.
        one_pair = frames_of(special={}, n_sentences=40)
        one_pair = one_pair[one_pair["pair"] == 0]
        doubled = pd.concat([one_pair, one_pair.assign(pair=1)])
        expected, found = (relation_heads.specific(table, 2000) for table in (one_pair, doubled))
        pd.testing.assert_frame_equal(found, expected)

    @pytest.mark.parametrize("kind", ["moved", "other head", "other dependent"])
    def test_a_sentence_whose_links_share_no_place_of_a_null_is_not_tested(self, kind):
        first = FRAMES[FRAMES["pair"] == 0]
        second = first[(first["sentence"] < 20) & (first["kind"] != kind)].assign(pair=1)
        assert relation_heads.specific(pd.concat([first, second]), 10)["n_tested"].unique().tolist() == [59 - 20]

    def test_the_papers_size_takes_seconds(self):
        frames = frames_of(n_sentences=500, n_layers=12, n_heads=12)
        started = time.process_time()
        found = relation_heads.specific(frames)
        assert time.process_time() - started < 10
        assert found.loc[found["specific"], ["layer", "head"]].drop_duplicates().to_numpy().tolist() == [[1, 2]]


class TestCurves:
    def test_by_frame_equals_loops(self):
        found = relation_heads.by_frame(FRAMES, [LINK_HEAD], "to_target")
        assert found["n"].tolist() == sorted(found["n"], reverse=True)
        table = FRAMES[(FRAMES["layer"] == LINK_HEAD[0]) & (FRAMES["head"] == LINK_HEAD[1])]
        kinds = {"link": "link", "null": "moved", "others": "other dependent"}
        assert set(found["quantity"]) == set(kinds)
        for row in found.itertuples():
            means = []
            for _, sentence in table[table["frame"] == row.frame].groupby("sentence"):
                pairs = [pair for _, pair in sentence.groupby("pair") if set(kinds.values()) <= set(pair["kind"])]
                kept = [pair[pair["kind"] == kinds[row.quantity]]["to_target"].mean() for pair in pairs]
                means += [np.mean(kept)] if kept else []
            assert [row.mean, row.low, row.high] == pytest.approx(plain(means), abs=1e-6)
            assert row.n == len(means)

    def test_rare_frames_are_left_out(self):
        rare = FRAMES.assign(frame=np.where(FRAMES["sentence"] < 4, "Rare", "Common"))
        assert set(relation_heads.by_frame(rare, [LINK_HEAD])["frame"]) == {"Common"}

    def test_by_distance_keeps_link_and_nulls_apart(self):
        found = relation_heads.by_distance(FRAMES, [LINK_HEAD, (0, 0), WORD_HEAD, DISTANCE_HEAD])
        assert found["distance"].is_monotonic_increasing
        assert found.groupby(["layer", "head", "distance"])["n"].nunique().eq(1).all()
        means = found.pivot(index=["layer", "head", "distance"], columns="quantity", values="mean")
        expected = {LINK_HEAD: (LINK_WEIGHT, LINK_WEIGHT), (0, 0): (0, 0)}
        expected |= {WORD_HEAD: (NULL_WEIGHT, 0), DISTANCE_HEAD: (0, NULL_WEIGHT)}
        for head, gaps in expected.items():
            of_head = means.loc[head].mean()
            assert list(of_head["link"] - of_head[["null", "others"]]) == pytest.approx(gaps, abs=0.03)

    def test_a_head_is_shown_in_the_direction_in_which_it_has_more_weight_on_links(self):
        links = (FRAMES["kind"] == "link") & (FRAMES["layer"] == 0)
        table = FRAMES.assign(to_target=FRAMES["to_target"] + 0.2 * links)
        found = relation_heads.by_distance(table, [LINK_HEAD, (0, 0)])
        stronger = table[table["kind"] == "link"].groupby(["layer", "head"])[["to_element", "to_target"]].mean()
        for (layer, head), rows in found.groupby(["layer", "head"]):
            assert set(rows["direction"]) == {stronger.loc[(layer, head)].idxmax()}
        assert set(found.loc[found["layer"] == 0, "direction"]) == {"to_target"}


class TestClaims:
    def test_holds_beside_the_reference_run(self):
        other = relation_heads.measured(NOTHING)
        table = relation_heads.claims(RUN, other).set_index("claim")
        assert table.loc[STAND_OUT, "this run"].startswith("holds (1 of 1 heads; layer 2 head 3: 0.3")
        assert table.loc[ANY_HEAD, "this run"] == "holds (1 of 12 heads; 59 sentences tested)"
        assert not table["reference run"].str.startswith("holds").any()
        assert "0.201 and 0.209" in table.loc[STAND_OUT, "paper"]
        assert relation_heads.claims(RUN)["reference run"].isna().all()

    def test_an_effect_that_is_surely_small_does_not_hold(self):
        small = NOTHING.assign(**{name: NOTHING[name] / 100 for name in DIRECTIONS})
        table = relation_heads.claims(relation_heads.measured(small))
        assert table["this run"].str.startswith("does not hold").all()

    def test_tables_and_titles(self):
        table = relation_report.specific_table(RUN.specific, 3)
        assert table["head"].tolist()[:2] == ["2-3", "2-3"]
        assert set(table["direction"][:2]) == {"to element", "to target"}
        assert table["beats both?"].tolist() == ["yes", "yes", "no"]
        row = RUN.specific.set_index(["direction", "layer", "head"]).loc[("to_element", *LINK_HEAD)]
        cells = table[:2].set_index("direction").loc["to element"]
        assert cells["above words as far apart"] == f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
        assert cells["above others"] == f"{row.others_difference:+.3f} [{row.others_low:+.3f}, {row.others_high:+.3f}]"
        found = relation_report.finding(RUN.specific)
        assert found == "1 of 12 heads beat both nulls in some direction, 1 the first alone"
        assert "layer 2 head 3 (0.3" in relation_report.standing_out_finding(RUN.heads)
        assert relation_report.example_heads(RUN.heads)[0] == LINK_HEAD

    def test_readings_are_compared_with_the_first(self):
        runs = {"one": RUN, "other": relation_heads.measured(NOTHING)}
        table = relation_report.readings_table(runs).set_index("reading")
        assert table["heads that beat both nulls"].tolist() == [1, 0]
        assert table.loc["one", "rank correlation"].startswith("1.00")
        assert table["sentences"].tolist() == [60, 60]

    def test_measures_are_compared_with_the_first_of_their_run(self):
        measures = relation_heads.by_measure(RUN.heads, tokens_of(FRAMES))
        doubled = measures.assign(mean=2 * measures["mean"])
        table = relation_report.measures_table(side_by_side(measures, doubled))
        assert table["run"].tolist() == ["this run"] * 3 + ["reference run"] * 3
        assert table["measure"].tolist() == ["between words", "between tokens", "released"] * 2
        head = f"(layer {LINK_HEAD[0] + 1} head {LINK_HEAD[1] + 1})"
        assert table["most weight"].str.endswith(head).all()
        assert table.loc[[0, 3], "rank correlation"].str.startswith("1.00 ").all()
        assert float(table["average head"][3]) == pytest.approx(2 * float(table["average head"][0]), abs=0.0011)

    def test_a_run_keeps_what_was_measured(self, tmp_path):
        run = Run(tmp_path)
        assert Measured.find(run) is None
        RUN.save(run, frames="FrameNet 1.7")
        found = Measured.find(run)
        pd.testing.assert_frame_equal(relation_heads.claims(found), relation_heads.claims(RUN))
        assert run.provenance["tables"]["frame_specific"]["made_from"] == {"frames": "FrameNet 1.7"}


def test_sentences_that_cannot_be_tested_are_refused_in_a_line():
    alone = NOTHING[NOTHING["kind"] == "link"]
    with pytest.raises(InputError, match="in none of the sentences could other words stand"):
        relation_heads.specific(alone)


class TestFindings:
    def table(self, layer, head, means):
        rows = [
            (layer, head, frame, quantity, mean) for frame, of_frame in means.items() for quantity, mean in of_frame
        ]
        return pd.DataFrame(rows, columns=["layer", "head", "frame", "quantity", "mean"])

    def test_places_are_counted_where_the_first_head_exceeds_both_nulls(self):
        both, one = [("link", 0.3), ("null", 0.2), ("others", 0.1)], [("link", 0.3), ("null", 0.2), ("others", 0.4)]
        table = pd.concat([self.table(2, 4, {"A": both, "B": one, "C": both}), self.table(0, 0, {"A": one})])
        found = relation_report.places_finding(table, "frame", "frames")
        assert found == "Head 3-5 gives links more than both nulls in 2 of 3 frames"
        assert "too few" in relation_report.places_finding(table[:0], "frame", "frames")

    def test_the_example_tells_the_link_beside_what_other_words_give(self):
        weights = np.zeros((5, 5))
        weights[1, 3], weights[3, 1], weights[2, 3], weights[0, 3] = 0.4, 0.1, 0.7, 1
        tokens = ["[CLS]", "he", "was", "sad", "[SEP]"]
        found = relation_report.example_finding(1, 2, weights, tokens, {(1, 3), (3, 1)})
        assert found == "Head 2-3: “he” gives “sad” 0.40, other tokens 0.70"
