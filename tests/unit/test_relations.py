"""Section 4.2 from the measure to the drawing: against single maps and loops, and heads whose interests are known."""

import re
import time
from collections import Counter
from functools import cache

import numpy as np
import pandas as pd
import pytest

from darksecrets import heads
from darksecrets.corpora.annotation import Frame
from darksecrets.errors import InputError
from darksecrets.figures import charts
from darksecrets.models import attention
from darksecrets.models.setup import Setup
from darksecrets.runs import Run
from darksecrets.saved_tables import side_by_side
from darksecrets.sections import relations
from darksecrets.sections.relations import ANY_HEAD, DIRECTIONS, STAND_OUT, RelationTables
from darksecrets.statistics import interval_of_mean
from tests import pocket
from tests.link_tables import DISTANCE_HEAD, LINK_HEAD, LINK_WEIGHT, NULL_WEIGHT, WORD_HEAD, frames_of, tokens_of
from tests.unit.test_charts import PHONE, parts, svg_of
from tests.unit.test_head_charts import TOLD, chosen, labels
from tests.word_maps import places_of, word_weight, words_of

FRAMES, NOTHING = frames_of(), frames_of(special={})
RUN, NO_RUN = relations.summarize(FRAMES), relations.summarize(NOTHING)
TESTED = {"to_element": "other head", "to_target": "other dependent"}  # the kind of its second null
TOKENS, LINKED = ["[CLS]", "he", "was", "becoming", "agitated", ".", "[SEP]"], [(4, 1), (1, 4)]
MOST = [LINK_HEAD, (0, 0)]


def plain(values):
    return [float(number) for number in interval_of_mean(values)]


def of_head(table, layer, head):
    return table[(table["layer"] == layer) & (table["head"] == head)]


@pytest.fixture(scope="module")
def setup(tiny_bert, tmp_path_factory):
    return Setup(tiny_bert, store=tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def framed():
    items = (item for task in ("RTE", "MRPC") for item in pocket.items(task, "dev", 20))
    return [sentence for item in items for sentence in item.sentences if sentence.frames]


class TestMeasure:
    def test_frames_against_single_inputs(self, setup, framed):
        table = relations.measure(setup, framed).set_index(["sentence", "pair", "kind", "shift", "layer", "head"])
        assert table.index.is_unique
        n_elements = sum(len(frame.elements) for sentence in framed for frame in sentence.frames)
        assert len(table.xs("link", level="kind")) == 12 * n_elements
        n_of = Counter()
        for number, sentence in enumerate(framed[:8]):
            tokens, maps = attention.maps_of(setup.load().encoder(), setup.load().tokenizer, sentence.text)
            words = places_of(tokens, sentence)
            elements = [(frame, *element) for frame in sentence.frames for element in frame.elements.items()]
            for pair, (frame, name, span) in enumerate(elements):
                of_pair = table.loc[(number, pair)]
                distance = min(abs(frame.target - word) for word in range(*span))
                described = of_pair[["frame", "element", "distance"]].drop_duplicates().to_numpy().tolist()
                assert described == [[frame.name, name, distance]]
                for (kind, shift, layer, head), row in of_pair.iterrows():
                    one_map, (target, element) = maps[layer, head], standing(kind, shift, frame.target, span, sentence)
                    to_element = max(word_weight(one_map, words[target], words[word]) for word in element)
                    to_target = max(word_weight(one_map, words[word], words[target]) for word in element)
                    expected = (to_element, to_target, max(to_element, to_target))
                    assert tuple(row[["to_element", "to_target", "either"]]) == pytest.approx(expected, abs=1e-6)
                    n_of[kind] += 1
                # Each other word may stand for the target, and each run of others for the element.
                n_others, size = len(words_of(sentence)) - 1 - len(range(*span)), len(range(*span))
                kinds = of_pair.groupby("kind", observed=True).size() / 12
                assert kinds["other head"] == n_others
                assert kinds.get("other dependent", 0) == max(n_others - size + 1, 0)
        assert n_of["link"] > 100
        assert min(n_of[kind] for kind in ("moved", "other head", "other dependent")) > 500

    def test_a_frame_whose_element_is_its_target_is_refused(self, setup, framed):
        broken = Frame("Odd", 1, {"Theme": (1, 2)})
        with pytest.raises(ValueError, match="Theme"):
            relations.measure(setup, [type(framed[0])(framed[0].text, framed[0].words, {}, (), (broken,))])


def standing(kind, shift, target, span, sentence):
    """The places of the target and of the element's words in a shape."""
    element = list(range(*span))
    if kind in ("link", "moved"):
        return target + shift, [word + shift for word in element]
    if kind == "other head":
        assert target + shift not in element
        return target + shift, element
    others = [word for word in words_of(sentence) if word != target and word not in element]
    first = others.index(element[0] + shift)
    return target, others[first : first + len(element)]


def slow_places(frames, column, kind, layer, head):
    """Per sentence, the weight of its links together at each place of a kind that all can take, 0 for their own."""
    rows = of_head(frames, layer, head)
    found = []
    for _, sentence in rows[rows["kind"].isin(["link", kind])].groupby("sentence"):
        pairs = [pair.set_index("shift")[column].to_dict() for _, pair in sentence.groupby("pair")]
        shared = set.intersection(*(set(pair) for pair in pairs))
        found.append({shift: sum(pair[shift] for pair in pairs) / len(pairs) for shift in shared})
    return found


class TestSummaries:
    def test_by_head_equals_loops(self):
        assert len(RUN.heads) == 3 * 12
        for row in RUN.heads.itertuples():
            means = [places[0] for places in slow_places(FRAMES, row.direction, "moved", row.layer, row.head)]
            assert [row.mean, row.low, row.high] == pytest.approx(plain(means), abs=1e-6)
            assert row.n == 60

    def test_measures_are_averaged_over_the_sentences_that_are_not_cut(self):
        tokens = tokens_of(FRAMES, cut=(3, 4))
        measures = relations.by_measure(RUN.heads, tokens).set_index(["measure", "layer", "head"])
        counts = measures.groupby("measure")["n"].first()
        assert counts.to_dict() == {"between words": 60, "between tokens": 60, "released": 58}
        either = RUN.heads[RUN.heads["direction"] == "either"].set_index(["layer", "head"])
        pd.testing.assert_frame_equal(measures.loc["between words"], either[["mean", "low", "high", "n"]])
        for place, rows in tokens.groupby(["layer", "head"]):
            for measure, column in (("between tokens", "token_pairs"), ("released", "released")):
                numbers = measures.loc[(measure, *place), ["mean", "low", "high"]]
                assert numbers.tolist() == pytest.approx(plain(rows[column].dropna()), abs=1e-6)

    def test_by_frame_equals_loops(self):
        found = relations.by_group(FRAMES, [LINK_HEAD], "frame", "to_target")
        assert found["n"].tolist() == sorted(found["n"], reverse=True)
        table, kinds = of_head(FRAMES, *LINK_HEAD), {"link": "link", "null": "moved", "others": "other dependent"}
        assert set(found["quantity"]) == set(kinds)
        for row in found.itertuples():
            means = []
            for _, sentence in table[table["frame"] == row.frame].groupby("sentence"):
                pairs = [pair for _, pair in sentence.groupby("pair") if set(kinds.values()) <= set(pair["kind"])]
                kept = [pair[pair["kind"] == kinds[row.quantity]]["to_target"].mean() for pair in pairs]
                means += [np.mean(kept)] if kept else []
            assert [row.mean, row.low, row.high] == pytest.approx(plain(means), abs=1e-6)
            assert row.n == len(means)
        rare = FRAMES.assign(frame=np.where(FRAMES["sentence"] < 4, "Rare", "Common"))
        assert set(relations.by_group(rare, [LINK_HEAD], "frame")["frame"]) == {"Common"}

    def test_by_distance_keeps_link_and_nulls_apart(self):
        found = relations.by_group(FRAMES, [LINK_HEAD, (0, 0), WORD_HEAD, DISTANCE_HEAD], "distance")
        assert found["distance"].is_monotonic_increasing
        assert found.groupby(["layer", "head", "distance"])["n"].nunique().eq(1).all()
        means = found.pivot(index=["layer", "head", "distance"], columns="quantity", values="mean")
        expected = {LINK_HEAD: (LINK_WEIGHT, LINK_WEIGHT), (0, 0): (0, 0)}
        expected |= {WORD_HEAD: (NULL_WEIGHT, 0), DISTANCE_HEAD: (0, NULL_WEIGHT)}
        for place, gaps in expected.items():
            mean = means.loc[place].mean()
            assert list(mean["link"] - mean[["null", "others"]]) == pytest.approx(gaps, abs=0.03)

    def test_a_head_is_shown_in_the_direction_in_which_it_has_more_weight_on_links(self):
        links = (FRAMES["kind"] == "link") & (FRAMES["layer"] == 0)
        table = FRAMES.assign(to_target=FRAMES["to_target"] + 0.2 * links)
        stronger = table[table["kind"] == "link"].groupby(["layer", "head"])[["to_element", "to_target"]].mean()
        for place, rows in relations.by_group(table, MOST, "distance").groupby(["layer", "head"]):
            assert set(rows["direction"]) == {stronger.loc[place].idxmax()}
            assert place != (0, 0) or set(rows["direction"]) == {"to_target"}


class TestNulls:
    @pytest.mark.parametrize("direction", TESTED)
    def test_they_equal_loops(self, direction):
        tests = RUN.specific[RUN.specific["direction"] == direction]
        assert len(tests) == 12
        for row in tests.itertuples():
            kinds = ["moved", *TESTED.values()]
            places = {kind: slow_places(FRAMES, direction, kind, row.layer, row.head) for kind in kinds}
            tested = [n for n in range(60) if all(len(places[kind][n]) > 1 for kind in kinds)]
            assert row.n_tested == len(tested) < 60
            for null, before, kind in (("null", "", "moved"), ("others", "others_", TESTED[direction])):
                links = [places[kind][n][0] for n in tested]
                nulls = [np.mean([weight for shift, weight in places[kind][n].items() if shift]) for n in tested]
                assert [row.mean, getattr(row, null)] == pytest.approx([np.mean(links), np.mean(nulls)], abs=1e-6)
                interval = [getattr(row, before + end) for end in ("difference", "low", "high")]
                assert interval == pytest.approx(plain(np.subtract(links, nulls)), abs=1e-6)

    def test_rows_may_come_in_any_order(self):
        shuffled = relations.against_nulls(FRAMES.sample(frac=1, random_state=0), 500)
        pd.testing.assert_frame_equal(*(table.drop(columns="p_corrected") for table in (shuffled, RUN.specific)))

    def test_they_find_the_head_that_follows_links_and_only_it(self):
        specific = RUN.specific[RUN.specific["specific"]]
        assert specific[["direction", "layer", "head"]].to_numpy().tolist() == [[name, *LINK_HEAD] for name in TESTED]
        assert specific[["difference", "others_difference"]].to_numpy() == pytest.approx(LINK_WEIGHT, abs=0.03)

    @pytest.mark.parametrize(("place", "beats", "ties"), [(WORD_HEAD, "", "others_"), (DISTANCE_HEAD, "others_", "")])
    def test_a_head_that_beats_one_null_is_not_specific(self, place, beats, ties):
        tests = of_head(RUN.specific, *place)
        assert (tests[f"{beats}low"] > NULL_WEIGHT / 2).all()
        assert (tests[f"{ties}low"] < 0).all()
        assert (tests["beats_null"] == (place == WORD_HEAD)).all()
        assert not tests["specific"].any()

    def test_they_find_nothing_where_nothing_is_there(self):
        assert not NO_RUN.specific["specific"].any()

    def test_links_of_a_sentence_move_together(self):
        # A head likes one word of each sentence, the target of two links: that is one sentence's luck, not two links'.
        one_pair = frames_of(special={}, n_sentences=40)
        one_pair = one_pair[one_pair["pair"] == 0]
        doubled = pd.concat([one_pair, one_pair.assign(pair=1)])
        pd.testing.assert_frame_equal(*(relations.against_nulls(table, 500) for table in (doubled, one_pair)))

    @pytest.mark.parametrize("kind", ["moved", "other head", "other dependent"])
    def test_a_sentence_whose_links_share_no_place_of_a_null_is_not_tested(self, kind):
        first = FRAMES[FRAMES["pair"] == 0]
        second = first[(first["sentence"] < 20) & (first["kind"] != kind)].assign(pair=1)
        assert relations.against_nulls(pd.concat([first, second]), 10)["n_tested"].unique().tolist() == [59 - 20]

    def test_sentences_that_cannot_be_tested_are_refused_in_a_line(self):
        with pytest.raises(InputError, match="in none of the sentences could other words stand"):
            relations.against_nulls(NOTHING[NOTHING["kind"] == "link"])

    def test_the_papers_size_takes_seconds(self):
        frames = frames_of(n_sentences=500, n_layers=12, n_heads=12)
        started = time.process_time()
        tests = relations.against_nulls(frames)
        assert time.process_time() - started < 10
        assert tests.loc[tests["specific"], ["layer", "head"]].drop_duplicates().to_numpy().tolist() == [[*LINK_HEAD]]


class TestClaims:
    def test_they_hold_beside_the_reference_run(self):
        table = relations.claims(RUN, NO_RUN).set_index("claim")
        assert table.index.tolist() == [STAND_OUT, ANY_HEAD]
        assert table.loc[STAND_OUT, "this run"].startswith("holds (1 of 1 heads; layer 2 head 3: 0.3")
        assert table.loc[ANY_HEAD, "this run"] == "holds (1 of 12 heads; 59 sentences tested)"
        assert not table["reference run"].str.startswith("holds").any()
        assert "0.201 and 0.209" in table.loc[STAND_OUT, "paper"]
        assert relations.claims(RUN)["reference run"].isna().all()

    def test_one_direction_is_enough(self):
        run = relations.summarize(FRAMES.assign(to_target=NOTHING["to_target"]))
        assert run.specific.loc[run.specific["specific"], "direction"].tolist() == ["to_element"]
        assert relations.finding(run.specific).startswith("1 of 12 heads")
        assert relations.claims(run)["this run"].str.startswith("holds").all()

    def test_an_effect_that_is_surely_small_does_not_hold(self):
        run = relations.summarize(NOTHING.assign(**{name: NOTHING[name] / 100 for name in DIRECTIONS}))
        assert relations.claims(run)["this run"].str.startswith("does not hold").all()

    @pytest.mark.parametrize(("mean", "verdict"), [(0.2, "holds"), (0.3, "does not hold")])
    def test_the_ledger_holds_weights_against_the_papers(self, mean, verdict):
        near = RUN.heads.assign(mean=RUN.heads["mean"].rank() * 1e-3 + mean, low=mean, high=mean + 0.01)
        judged = relations.judge(RelationTables(near, RUN.specific))
        assert judged[relations.WEIGHTS].verdict == verdict
        assert judged[STAND_OUT].evidence == "1 of 1 heads"

    def test_a_run_keeps_what_was_measured(self, tmp_path):
        run = Run(tmp_path)
        assert RelationTables.find(run) is None
        RUN.save(run, frames="FrameNet 1.7")
        pd.testing.assert_frame_equal(relations.claims(RelationTables.find(run)), relations.claims(RUN))
        assert run.provenance["tables"]["frame_specific"]["made_from"] == {"frames": "FrameNet 1.7"}


class TestTables:
    def test_the_heads_that_exceed_both_nulls_most(self):
        table = relations.specific_table(RUN.specific, 3)
        assert table["head"].tolist()[:2] == ["2-3", "2-3"]
        assert set(table["direction"][:2]) == {"to element", "to target"}
        assert table["beats both?"].tolist() == ["yes", "yes", "no"]
        row = RUN.specific.set_index(["direction", "layer", "head"]).loc[("to_element", *LINK_HEAD)]
        cells = table[:2].set_index("direction").loc["to element"]
        assert cells["above words as far apart"] == f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
        assert cells["above others"] == f"{row.others_difference:+.3f} [{row.others_low:+.3f}, {row.others_high:+.3f}]"

    def test_readings_are_compared_with_the_first(self):
        table = relations.readings_table({"one": RUN, "other": NO_RUN}).set_index("reading")
        assert table["heads that beat both nulls"].tolist() == [1, 0]
        assert table.loc["one", "rank correlation"].startswith("1.00")
        assert table["sentences"].tolist() == [60, 60]

    def test_measures_are_compared_with_the_first_of_their_run(self):
        measures = relations.by_measure(RUN.heads, tokens_of(FRAMES))
        table = relations.measures_table(side_by_side(measures, measures.assign(mean=2 * measures["mean"])))
        assert table["run"].tolist() == ["this run"] * 3 + ["reference run"] * 3
        assert table["measure"].tolist() == ["between words", "between tokens", "released"] * 2
        assert table["most weight"].str.endswith("(layer 2 head 3)").all()
        assert table.loc[[0, 3], "rank correlation"].str.startswith("1.00 ").all()
        assert float(table["average head"][3]) == pytest.approx(2 * float(table["average head"][0]), abs=0.0011)

    def test_titles_of_heads(self):
        assert relations.finding(RUN.specific) == "1 of 12 heads beat both nulls in some direction, 1 the first alone"
        assert "layer 2 head 3 (0.3" in relations.outstanding_finding(RUN.heads)
        assert relations.example_heads(RUN.heads)[0] == LINK_HEAD

    def test_groups_are_counted_where_the_first_head_exceeds_both_nulls(self):
        both, one = (0.3, 0.2, 0.1), (0.3, 0.2, 0.4)
        means = [(2, 4, "A", both), (2, 4, "B", one), (2, 4, "C", both), (0, 0, "A", one)]
        names = ("link", "null", "others")
        rows = [(*key, name, mean) for *key, found in means for name, mean in zip(names, found, strict=True)]
        table = pd.DataFrame(rows, columns=["layer", "head", "frame", "quantity", "mean"])
        found = relations.group_finding(table, "frame", "frames")
        assert found == "Head 3-5 gives links more than both nulls in 2 of 3 frames"
        assert "too few" in relations.group_finding(table[:0], "frame", "frames")

    def test_the_example_tells_the_link_beside_what_other_words_give(self):
        weights = np.zeros((5, 5))
        weights[1, 3], weights[3, 1], weights[2, 3], weights[0, 3] = 0.4, 0.1, 0.7, 1
        found = relations.example_finding(1, 2, weights, ["[CLS]", "he", "was", "sad", "[SEP]"], {(1, 3), (3, 1)})
        assert found == "Head 2-3: “he” gives “sad” 0.40, other tokens 0.70"


@cache
def drawn(name):
    """Each chart once, with a title that needs several lines."""
    random = np.random.default_rng(0)
    maps = [(layer, head, random.dirichlet(np.ones(7), 7)) for layer, head in MOST]
    title = "Beyond the 99th percentile: layer 2 head 3 (0.331); the paper has two heads"
    return {
        "heads": lambda: relations.draw_heads(RUN.heads, title, heads.standing_out(RUN.heads, ["direction"])),
        "nulls": lambda: relations.draw_nulls(RUN.specific, title),
        "frames": lambda: relations.draw_frames(relations.by_group(FRAMES, MOST, "frame"), title),
        "example": lambda: relations.draw_example(maps, TOKENS, LINKED, title),
    }[name]()


class TestCharts:
    @pytest.mark.parametrize("name", ["heads", "nulls", "frames", "example"])
    def test_every_chart_draws_its_title_and_fits_a_phone(self, name):
        svg = svg_of(drawn(name))
        assert "Beyond the 99th percentile" in svg
        assert charts.WIDTH - 20 < float(re.search(r'<svg[^>]* width="([\d.]+)"', svg).group(1)) <= PHONE

    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_a_direction_has_its_weights_and_its_outlines(self, direction):
        marks = labels(chosen(drawn("heads"), direction=DIRECTIONS[direction]), "rect mark")
        told = {(int(m["layer"]) - 1, int(m["head"]) - 1): float(m[TOLD].split(" ")[0]) for m in marks if TOLD in m}
        table = RUN.heads[RUN.heads["direction"] == direction]
        assert told == {(row.layer, row.head): pytest.approx(row.mean, abs=1.1e-4) for row in table.itertuples()}
        (outline,) = (mark for mark in marks if TOLD not in mark)
        assert (int(outline["layer"]) - 1, int(outline["head"]) - 1) == LINK_HEAD
        (menu,) = drawn("heads").to_dict()["params"]
        assert menu["value"] == DIRECTIONS["either"]  # as in the paper
        (colour,) = (one for one in parts(drawn("heads").to_dict(), "color") if "field" in one)
        assert colour["scale"] == charts.SCALES["attention"].to_dict()

    @pytest.mark.parametrize("direction", TESTED)
    def test_against_nulls_each_head_stands_where_its_weights_put_it(self, direction):
        points = labels(chosen(drawn("nulls"), direction=DIRECTIONS[direction]), "point")
        table = RUN.specific[RUN.specific["direction"] == direction].set_index(["layer", "head"])
        assert len(points) == len(table)
        for point in points:
            row = table.loc[int(point["layer"]) - 1, int(point["head"]) - 1]
            assert float(point["attention weight of the link"]) == pytest.approx(row["mean"], abs=6e-3)
            for name in ("null", "others"):
                assert float(point[charts.COMPARED[name]]) == pytest.approx(row[name], abs=6e-3)
            assert point["beats"] == (relations.BEATS if row["specific"] else relations.DOES_NOT)
        # The direction in which more heads beat both comes first.
        table = RUN.specific.assign(specific=RUN.specific["specific"] & (RUN.specific["direction"] == direction))
        (menu,) = relations.draw_nulls(table, "A finding").to_dict()["params"]
        assert menu["value"] == DIRECTIONS[direction]

    def test_across_is_the_null_that_has_more_weight(self):
        specification = drawn("nulls").to_dict()
        assert {axis["field"] for axis in parts(specification, "x")} == {"closer"}
        rows = [row for rows in specification["datasets"].values() for row in rows if "layer" in row]
        assert len(rows) == 6
        for row in rows:
            assert row["closer"] == [max(pair) for pair in zip(row["null"], row["others"], strict=True)]

    def test_only_heads_that_beat_both_nulls_are_named(self):
        assert re.findall(r">(\d+-\d+)<", svg_of(drawn("nulls"))) == ["2-3"]
        assert RUN.specific["beats_null"].sum() > RUN.specific["specific"].sum()
        none = relations.draw_nulls(RUN.specific.assign(specific=False), "A finding")
        assert not re.search(r">\d+-\d+<", svg_of(none))

    def test_frames_have_links_and_nulls_of_the_chosen_head(self):
        table = relations.by_group(FRAMES, MOST, "frame")
        for layer, head in MOST:
            points = labels(chosen(drawn("frames"), head=f"{layer + 1}-{head + 1}"), "point")
            rows = of_head(table, layer, head)
            assert {point["direction"] for point in points} == {DIRECTIONS[rows["direction"].iloc[0]]}
            told = {(point["frame"], point["compared"]): float(point["attention weight"]) for point in points}
            assert told == {
                (row.frame, charts.COMPARED[row.quantity]): pytest.approx(row.mean, abs=1.1e-3)
                for row in rows.itertuples()
            }

    def test_of_many_frames_the_most_frequent_are_shown(self):
        table = relations.by_group(FRAMES, MOST[:1], "frame")
        many = [table.assign(frame=table["frame"].astype(str) + str(n), n=table["n"] + n) for n in range(12)]
        (rows,) = relations.draw_frames(pd.concat(many), "A finding").to_dict()["datasets"].values()
        shown = {row["frame"] for row in rows}
        assert len(shown) == relations.MOST_FRAMES
        assert {"Motion11", "Giving11", "Perception11"} <= shown
        assert "Perception0" not in shown

    def test_the_example_outlines_the_cells_of_the_linked_tokens(self):
        specification = drawn("example").to_dict()
        assert [part["layer"][0]["title"]["text"] for part in specification["concat"]] == [
            "layer 2, head 3",
            "layer 1, head 1",
        ]
        for part in specification["concat"]:
            rows = specification["datasets"][part["layer"][1]["data"]["name"]]
            assert [(row["query"], row["key"]) for row in rows] == [("agitated", "he"), ("he", "agitated")]
