"""Charts of links: the weights beside the diagonal, by distance, and what heads follow."""

import json
import re
from functools import cache

import pandas as pd
import pytest

from darksecrets.corpora import glue
from darksecrets.figures import charts
from darksecrets.sections import link_charts as links
from darksecrets.sections import link_distance, link_heads
from darksecrets.side_by_side import side_by_side
from tests.link_tables import BOTH_HEAD, LINK_HEAD, NEIGHBOUR_HEAD, diagonal_of, links_of, pocket_links_of
from tests.unit.test_charts import PHONE, svg_of
from tests.unit.test_head_charts import TOLD, chosen, labels

HEADS = [LINK_HEAD, NEIGHBOUR_HEAD]
BOTH_SEEDS = (0, 1)


@cache
def weights(seeds=(0,)):
    return link_heads.links_by_head(links_of(seeds=seeds))


@cache
def scores(seeds=(0,)):
    return link_heads.diagonal_scores(diagonal_of(seeds=seeds))


@cache
def follows():
    return link_distance.follows(pocket_links_of())


@cache
def distances():
    return link_distance.by_distance(pocket_links_of(), HEADS)


def swapped():
    """Other verdicts, as of another run."""
    others = {"follows the link": "neither", "neither": "follows the link"}
    return follows().assign(verdict=follows()["verdict"].replace(others))


def candidates():
    return link_heads.candidates(weights(), scores())


CHARTS = {
    "by_head": lambda title: links.by_head(weights(), scores(), title, candidates()),
    "against_diagonal": lambda title: links.against_diagonal(weights(), scores(), title),
    "by_distance": lambda title: links.by_distance(distances(), title),
    "verdicts": lambda title: links.verdicts(follows(), title),
}


@pytest.mark.parametrize("make", CHARTS.values(), ids=CHARTS)
def test_every_chart_draws_its_title_and_fits_a_phone(make):
    drawn = svg_of(make("Heads with much weight on links look at neighbours, too, on 5 of 7 tasks"))
    assert "Heads with much weight on links" in drawn
    assert charts.WIDTH < float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= PHONE


def of_run(tasks):
    table, diagonal = (
        link_heads.links_by_head(links_of(tasks, 10)),
        link_heads.diagonal_scores(diagonal_of(tasks, 10)),
    )
    return table, diagonal, link_heads.candidates(table, diagonal)


RUNS = {
    "by_head": lambda tables: links.by_head(*tables[:2], "A finding", tables[2]),
    "against_diagonal": lambda tables: links.against_diagonal(*tables[:2], "A finding"),
    "verdicts": lambda tables: links.verdicts(tables[3], "A finding"),
}


@pytest.mark.parametrize("make", RUNS.values(), ids=RUNS)
class TestRuns:
    mine, other = ("QNLI", "RTE"), ("QNLI", "MRPC")  # tasks

    def both(self, make):
        runs = [(*of_run(tasks), table) for tasks, table in ((self.mine, follows()), (self.other, swapped()))]
        return make([side_by_side(*pair) for pair in zip(*runs, strict=True)])

    def test_a_menu_offers_this_run_first(self, make):
        menus = {one["name"]: one for one in self.both(make).to_dict()["params"]}
        assert menus["chosen_run"]["value"] == "this run"
        assert menus["chosen_run"]["bind"]["options"] == ["this run", "reference run"]

    def test_one_run_needs_no_menu(self, make):
        chart = make([side_by_side(table) for table in (*of_run(self.mine), follows())])
        assert "chosen_run" not in {one["name"] for one in chart.to_dict()["params"]}

    def test_the_chosen_run_is_drawn_and_no_other(self, make):
        chart = self.both(make)
        if "chosen_task" not in {one["name"] for one in chart.to_dict()["params"]}:
            for run, table in (("this run", follows()), ("reference run", swapped())):
                points = labels(chosen(chart, run=run, link="verb to subject"), "point")
                rows = _of(table, relation="verb-subject", direction="to_dependent")
                assert [point["verdict"] for point in points] == rows["verdict"].tolist()
            return
        for run, tasks in (("this run", self.mine), ("reference run", self.other)):
            for task in {*self.mine, *self.other}:
                drawn = chosen(chart, run=run, task=task)
                assert "A finding" in drawn
                assert set(re.findall(r"task: ([\w-]+)", drawn)) == ({task} & set(tasks))


class TestByHead:
    case = {"task": "SST-2", "link": "subject to verb", "checkpoint": "pre-trained"}

    def test_the_chosen_links_weights_and_the_diagonal_of_the_same_checkpoint(self):
        marks = labels(chosen(CHARTS["by_head"]("A finding"), **self.case), "rect mark")
        told = {column: _told(marks, column) for column in (TOLD, "mean")}
        of_links = _of(weights(), task="SST-2", checkpoint="pre-trained", relation="verb-subject", direction="to_head")
        of_scores = _of(scores(), task="SST-2", checkpoint="pre-trained")
        assert told[TOLD] == _by_place(of_links, "mean")
        assert told["mean"] == _by_place(of_scores, "diagonal")

    def test_candidates_of_the_chosen_case_are_outlined(self):
        marks = labels(chosen(CHARTS["by_head"]("A finding"), **self.case), "rect mark")
        outlined = [_place(mark) for mark in marks if "attention weight" not in mark]
        expected = _of(
            candidates(), task="SST-2", checkpoint="pre-trained", relation="verb-subject", direction="to_head"
        )
        assert outlined == list(zip(expected["layer"], expected["head"], strict=True))
        assert outlined

    def test_it_begins_with_the_fine_tuned_model(self):
        values = {one["name"]: one["value"] for one in CHARTS["by_head"]("A finding").to_dict()["params"]}
        assert values == {"chosen_task": "RTE", "chosen_link": values["chosen_link"], "chosen_checkpoint": "fine-tuned"}

    def test_seeds_are_averaged(self):
        chart = links.by_head(weights(BOTH_SEEDS), scores(BOTH_SEEDS), "A finding")
        marks = labels(chosen(chart, link="verb to subject"), "rect mark")
        rows = _of(weights(BOTH_SEEDS), task="RTE", checkpoint="fine-tuned", relation="verb-subject")
        rows = _of(rows, direction="to_dependent")
        means = rows.groupby(["layer", "head"])["mean"].mean().reset_index()
        assert len(rows) == 2 * len(means)
        assert _told(marks, TOLD) == _by_place(means, "mean")

    def test_seven_tasks_of_a_small_model_keep_a_page_small(self):
        size = {"n_layers": 6, "n_heads": 12}
        one = link_heads.links_by_head(links_of(["RTE"], 10, **size))
        diagonal = link_heads.diagonal_scores(diagonal_of(["RTE"], 10, **size))
        tables = (pd.concat([table.assign(task=task) for task in glue.TASKS]) for table in (one, diagonal))
        assert len(json.dumps(links.by_head(*tables, "A finding").to_dict(), separators=(",", ":"))) < 200_000


class TestAgainstDiagonal:
    def test_each_head_stands_where_its_weights_put_it(self):
        drawn = chosen(CHARTS["against_diagonal"]("A finding"), task="RTE", link="verb to subject")
        points = labels(drawn, "point")
        of_links = _of(
            weights(), task="RTE", checkpoint="fine-tuned", relation="verb-subject", direction="to_dependent"
        )
        found = {_place(point): float(point["attention weight of the link"]) for point in points}
        assert found == {
            place: pytest.approx(mean.expected, abs=6e-3) for place, mean in _by_place(of_links, "mean").items()
        }

    def test_the_heads_with_most_weight_on_links_are_named(self):
        drawn = chosen(CHARTS["against_diagonal"]("A finding"), task="RTE", link="verb to subject")
        assert f">{LINK_HEAD[0] + 1}-{LINK_HEAD[1] + 1}<" in drawn
        assert len(re.findall(r">\d+-\d+</text>", drawn)) == links.NAMED


class TestByDistance:
    def test_four_curves_with_bands_of_the_chosen_head(self):
        drawn = chosen(CHARTS["by_distance"]("A finding"), link="verb to subject", head="2-3")
        for mark in ("line mark", "area mark"):
            assert drawn.count(f'aria-roledescription="{mark}"') == 4
        points = labels(drawn, "point")
        rows = _of(distances(), relation="verb-subject", direction="to_dependent", layer=1, head=2)
        assert {(int(point["distance"]), point["compared"]): float(point["attention weight"]) for point in points} == {
            (row.distance, charts.COMPARED[row.quantity]): pytest.approx(row.mean, abs=1.1e-3)
            for row in rows.itertuples()
        }

    def test_the_legend_names_what_there_is(self):
        drawn = svg_of(links.by_distance(distances()[distances()["quantity"] != "neighbour"], "A finding"))
        assert ">neighbour<" not in drawn
        assert ">link<" in drawn

    def test_a_table_without_relations_needs_no_menu_of_links(self):
        table = _of(distances(), relation="verb-subject", direction="to_head").drop(columns=["relation", "direction"])
        (menu,) = links.by_distance(table, "A finding").to_dict()["params"]
        assert set(menu["bind"]["options"]) == {"2-3", "1-4"}


class TestVerdicts:
    def test_every_head_has_its_verdict_as_colour_and_as_symbol(self):
        drawn = chosen(CHARTS["verdicts"]("A finding"), link="verb to subject")
        points = {_place(point): point["verdict"] for point in labels(drawn, "point")}
        rows = _of(follows(), relation="verb-subject", direction="to_dependent")
        assert points == dict(zip(zip(rows["layer"], rows["head"], strict=True), rows["verdict"], strict=True))
        assert (points[LINK_HEAD], points[BOTH_HEAD]) == ("follows the link", "both")
        encoding = CHARTS["verdicts"]("A finding").to_dict()["encoding"]
        assert encoding["color"]["scale"] == charts.SCALES["verdict"].to_dict()
        assert encoding["shape"]["scale"]["domain"] == charts.SCALES["verdict"].domain

    def test_the_scale_has_the_verdicts_that_are_given(self):
        given = [
            link_distance.FOLLOWS_LINK,
            link_distance.FOLLOWS_NEIGHBOUR,
            link_distance.BOTH,
            link_distance.NEITHER,
        ]
        assert charts.SCALES["verdict"].domain == given


def _of(table, **values):
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def _place(mark):
    return int(mark["layer"]) - 1, int(mark["head"]) - 1


def _told(marks, column):
    """The number that cells tell under a name: those of links with their intervals, those of the diagonal without."""
    return {_place(mark): float(mark[column].split(" ")[0]) for mark in marks if column in mark}


def _by_place(table, column):
    return {(row["layer"], row["head"]): pytest.approx(row[column], abs=1.1e-4) for _, row in table.iterrows()}
