"""Charts of relation heads: weights, outlines, the null, frames, and the example's linked cells."""

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest

from darksecrets import heads
from darksecrets.figures import charts
from darksecrets.sections import relation_charts as relations
from darksecrets.sections import relation_heads
from tests.link_tables import LINK_HEAD, frames_of
from tests.unit.test_charts import PHONE, parts, svg_of
from tests.unit.test_head_charts import TOLD, chosen, labels

TOKENS = ["[CLS]", "he", "was", "becoming", "agitated", ".", "[SEP]"]
LINKED = [(4, 1), (1, 4)]
MOST = [LINK_HEAD, (0, 0)]


@cache
def frames():
    return frames_of()


@cache
def weights():
    return relation_heads.by_head(frames())


@cache
def against():
    return relation_heads.specific(frames(), n_permutations=500)


def outlined():
    return heads.standing_out(weights(), ["direction"])


def maps():
    random = np.random.default_rng(0)
    return [(layer, head, random.dirichlet(np.ones(7), 7)) for layer, head in MOST]


CHARTS = {
    "by_head": lambda title: relations.by_head(weights(), title, outlined()),
    "against_null": lambda title: relations.against_null(against(), title),
    "by_frame": lambda title: relations.by_frame(relation_heads.by_frame(frames(), MOST), title),
    "example": lambda title: relations.example(maps(), TOKENS, LINKED, title),
}


@pytest.mark.parametrize("make", CHARTS.values(), ids=CHARTS)
def test_every_chart_draws_its_title_and_fits_a_phone(make):
    drawn = svg_of(make("Beyond the 99th percentile: layer 2 head 3 (0.331); the paper has two heads"))
    assert "Beyond the 99th percentile" in drawn
    assert charts.WIDTH - 20 < float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= PHONE


class TestByHead:
    @pytest.mark.parametrize("direction", relations.DIRECTIONS)
    def test_a_direction_has_its_weights_and_its_outlines(self, direction):
        drawn = chosen(CHARTS["by_head"]("A finding"), direction=relations.DIRECTIONS[direction])
        marks = labels(drawn, "rect mark")
        told = {(int(m["layer"]) - 1, int(m["head"]) - 1): float(m[TOLD].split(" ")[0]) for m in marks if TOLD in m}
        table = weights()[weights()["direction"] == direction]
        assert told == {(row.layer, row.head): pytest.approx(row.mean, abs=1.1e-4) for row in table.itertuples()}
        (outline,) = (mark for mark in marks if TOLD not in mark)
        assert (int(outline["layer"]) - 1, int(outline["head"]) - 1) == LINK_HEAD

    def test_the_larger_of_both_directions_comes_first_as_in_the_paper(self):
        (menu,) = CHARTS["by_head"]("A finding").to_dict()["params"]
        assert menu["value"] == relations.DIRECTIONS["either"]

    def test_nothing_needs_to_be_outlined(self):
        assert svg_of(relations.by_head(weights(), "A finding")).count('aria-roledescription="rect mark"') == 12

    def test_weights_have_the_colours_of_attention(self):
        (colour,) = (one for one in parts(CHARTS["by_head"]("A finding").to_dict(), "color") if "field" in one)
        assert colour["scale"] == charts.SCALES["attention"].to_dict()


class TestAgainstNull:
    def test_each_head_stands_where_its_weights_put_it(self):
        for direction in ("to_element", "to_target"):
            drawn = chosen(CHARTS["against_null"]("A finding"), direction=relations.DIRECTIONS[direction])
            points = labels(drawn, "point")
            table = against()[against()["direction"] == direction].set_index(["layer", "head"])
            assert len(points) == len(table)
            for point in points:
                row = table.loc[int(point["layer"]) - 1, int(point["head"]) - 1]
                assert float(point["attention weight of the link"]) == pytest.approx(row["mean"], abs=6e-3)
                for name in ("null", "others"):
                    assert float(point[charts.COMPARED[name]]) == pytest.approx(row[name], abs=6e-3)
                assert point["beats"] == (relations.BEATS if row["specific"] else relations.DOES_NOT)

    @pytest.mark.parametrize("direction", ["to_element", "to_target"])
    def test_the_direction_in_which_more_heads_beat_both_comes_first(self, direction):
        table = against().assign(specific=against()["specific"] & (against()["direction"] == direction))
        (menu,) = relations.against_null(table, "A finding").to_dict()["params"]
        assert menu["value"] == relations.DIRECTIONS[direction]

    def test_across_is_the_null_that_has_more_weight(self):
        specification = CHARTS["against_null"]("A finding").to_dict()
        assert {axis["field"] for axis in parts(specification, "x")} == {"closer"}
        rows = [row for rows in specification["datasets"].values() for row in rows if "layer" in row]
        assert len(rows) == 6
        for row in rows:
            assert row["closer"] == [max(pair) for pair in zip(row["null"], row["others"], strict=True)]

    def test_only_heads_that_beat_both_nulls_are_named(self):
        drawn = svg_of(CHARTS["against_null"]("A finding"))
        assert re.findall(r">(\d+-\d+)<", drawn) == [f"{LINK_HEAD[0] + 1}-{LINK_HEAD[1] + 1}"]
        assert against()["beats_null"].sum() > against()["specific"].sum()
        named = against().assign(specific=False)
        assert not re.search(r">\d+-\d+<", svg_of(relations.against_null(named, "A finding")))


class TestByFrame:
    def test_links_and_nulls_of_the_chosen_head(self):
        table = relation_heads.by_frame(frames(), MOST)
        chart = relations.by_frame(table, "A finding")
        for layer, head in MOST:
            points = labels(chosen(chart, head=f"{layer + 1}-{head + 1}"), "point")
            rows = table[(table["layer"] == layer) & (table["head"] == head)]
            assert {point["direction"] for point in points} == {relations.DIRECTIONS[rows["direction"].iloc[0]]}
            found = {(point["frame"], point["compared"]): float(point["attention weight"]) for point in points}
            assert found == {
                (row.frame, charts.COMPARED[row.quantity]): pytest.approx(row.mean, abs=1.1e-3)
                for row in rows.itertuples()
            }

    def test_of_many_frames_the_most_frequent_are_shown(self):
        table = relation_heads.by_frame(frames(), MOST[:1])
        many = [table.assign(frame=table["frame"].astype(str) + str(n), n=table["n"] + n) for n in range(12)]
        (rows,) = relations.by_frame(pd.concat(many), "A finding").to_dict()["datasets"].values()
        shown = {row["frame"] for row in rows}
        assert len(shown) == relations.MOST_FRAMES
        assert {"Motion11", "Giving11", "Perception11"} <= shown
        assert "Perception0" not in shown


class TestExample:
    def test_each_head_has_its_name_and_its_linked_cells_outlined(self):
        drawn = svg_of(CHARTS["example"]("A finding"))
        for layer, head in MOST:
            assert f">layer {layer + 1}, head {head + 1}<" in drawn
        assert drawn.count('aria-roledescription="rect mark"') == len(MOST) * (len(TOKENS) ** 2 + len(LINKED))

    def test_the_outlined_cells_are_those_of_the_linked_tokens(self):
        specification = CHARTS["example"]("A finding").to_dict()
        for part in specification["concat"]:
            (_, outline) = part["layer"]
            rows = specification["datasets"][outline["data"]["name"]]
            assert [(row["query"], row["key"]) for row in rows] == [("agitated", "he"), ("he", "agitated")]
