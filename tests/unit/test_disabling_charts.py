"""Charts of disabled heads and layers: what they draw is in the tables, and menus choose it."""

import json
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora import glue
from darksecrets.figures import charts
from darksecrets.figures.head_charts import OUTLINE
from darksecrets.sections import disabling
from darksecrets.side_by_side import side_by_side
from tests.disabling_tables import INSTEAD, ORDERS, SOME, tables
from tests.unit.test_charts import PHONE, parts, svg_of
from tests.unit.test_head_charts import chosen, labels

HELPS, HURTS = (1, 2), (0, 1)  # heads
N_HEADS = 2 * 3
FINDING = "Of what disabling the best head gains, little is left on held-out examples, on 7 of 7 tasks"
COLOURS = [("heads", "mean", "score change"), ("removal", "order", "order"), ("ways", "instead", "instead")]
SIZES = ["two tasks", "one task", "seven tasks", "two seeds"]
FIELDS = {"heads": ("heads", "baseline"), "layers": ("layers", "baseline")}
FIELDS |= {"held_out": ("chosen",), "removal": ("curves",), "ways": ("average",)}


@cache
def measured(seeds=(0,)):
    effects = {"helps": {HELPS: 0.2}, "hurts": {HURTS: 0.4}}
    return tables(seeds=seeds, n_examples=60, n_layers=2, n_heads=3, **effects)


def fields_of(name, tasks=None, seeds=(0,)):
    """The tables of a chart, with other names for tasks."""
    found = [getattr(measured(seeds), field) for field in FIELDS[name]]
    if tasks is None:
        return found
    return [pd.concat([_of(table, task="RTE").assign(task=task) for task in tasks]) for table in found]


def chart_of(name, found=None, title="A finding"):
    return getattr(disabling, f"draw_{name}")(*(fields_of(name) if found is None else found), title)


def parameters(chart):
    return {one["name"]: one for one in chart.to_dict().get("params", [])}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("of", [(None,), (["RTE"],), (list(glue.TASKS),), (None, (0, 1))], ids=SIZES)
def test_every_chart_draws_its_title_and_fits_a_phone(name, of):
    drawn = svg_of(chart_of(name, fields_of(name, *of), FINDING))
    assert "Of what disabling the best head" in drawn
    assert charts.WIDTH < float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= PHONE


@pytest.mark.parametrize(("name", "field", "quantity"), COLOURS)
def test_every_quantity_has_the_books_scale(name, field, quantity):
    colours = [colour for colour in parts(chart_of(name).to_dict(), "color") if isinstance(colour, dict)]
    colours = [colour for colour in colours if colour.get("field") == field]
    assert colours
    assert all(colour["scale"] == charts.SCALES[quantity].to_dict() for colour in colours)


def test_half_a_point_and_thirty_points_have_colours_apart_and_nothing_has_the_middle():
    table = _of(measured().heads, task="RTE", instead="uniform").iloc[:4].assign(mean=[0, 0.005, 0.3, -0.005])
    drawn = svg_of(disabling.draw_heads(table, measured().baseline, "A finding"))
    fills = re.findall(r'aria-roledescription="rect mark"[^>]* fill="rgb\(([^)]+)\)"', drawn)
    nothing, little, much, less = (np.array(fill.split(","), dtype=int) for fill in fills[:4])
    assert np.ptp(nothing) < 10
    assert min(np.abs(little - nothing).max(), np.abs(less - little).max()) >= 10
    assert np.abs(much - little).max() > 100


@pytest.mark.parametrize("name", FIELDS)
class TestRuns:
    mine, other = ("QNLI", "RTE"), ("QNLI", "MRPC")  # tasks

    def both(self, name):
        pairs = zip(fields_of(name, self.mine), fields_of(name, self.other), strict=True)
        return chart_of(name, [side_by_side(*pair) for pair in pairs])

    def test_a_menu_offers_this_run_first(self, name):
        menu = parameters(self.both(name))["chosen_run"]
        assert menu["value"] == "this run"
        assert menu["bind"]["options"] == ["this run", "reference run"]

    def test_one_run_needs_no_menu(self, name):
        found = [side_by_side(table) for table in fields_of(name, self.mine)]
        assert "chosen_run" not in parameters(chart_of(name, found))

    def test_the_chosen_run_is_drawn_and_no_other(self, name):
        chart = self.both(name)
        for run, tasks in (("this run", self.mine), ("reference run", self.other)):
            choices = [{"task": task} for task in tasks] if "chosen_task" in parameters(chart) else [{}]
            drawn = "".join(chosen(chart, run=run, **choice) for choice in choices)
            assert set(re.findall(r"task: ([\w-]+)", drawn)) == set(tasks)
            assert set(re.findall(r"run: (\w+ run)", drawn)) == {run}


@pytest.mark.parametrize("name", ["heads", "layers", "held_out"])
def test_the_papers_way_of_disabling_comes_first(name):
    found = [table.iloc[::-1] for table in fields_of(name)]
    menu = parameters(chart_of(name, found))["chosen_instead"]
    assert menu["value"] == "uniform"
    assert set(menu["bind"]["options"]) == set(INSTEAD)


class TestHeads:
    @pytest.mark.parametrize("task", SOME)
    def test_cells_tell_score_change_interval_and_p_of_what_is_chosen(self, task):
        marks = _cells(chosen(chart_of("heads"), task=task, instead="zero"))
        rows = _of(measured().heads, task=task, instead="zero").set_index(["layer", "head"])
        assert set(marks) == set(rows.index)
        for place, row in rows.iterrows():
            mark = marks[place]
            assert _interval(mark, disabling.POINTS) == _points(row, "mean", "low", "high")
            assert _number(mark["score (%)"]) == pytest.approx(100 * row["score"], abs=0.051)
            assert _number(mark["p"]) == pytest.approx(row["p"], abs=5.1e-5)
            assert _number(mark["p, corrected (Holm)"]) == pytest.approx(row["holm"], abs=5.1e-5)

    def test_the_score_with_nothing_disabled_stands_above(self):
        for row in measured().baseline.itertuples():
            name = {"accuracy": "accuracy", "pearson": "correlation"}[row.metric]
            numbers = f"{100 * row.mean:.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]"
            texts = re.findall(r">nothing disabled: ([^<]*)<", chosen(chart_of("heads"), task=row.task))
            assert texts == [f"{numbers} % {name}"]

    def test_heads_that_differ_after_correction_are_outlined(self):
        rows = _of(measured().heads, task="RTE", instead="uniform")
        clear = rows[rows["holm"] < 0.05]
        assert HURTS in set(zip(clear["layer"], clear["head"], strict=True))
        assert _outlined(chart_of("heads")) == set(zip(clear["layer"], clear["head"], strict=True))

    def test_seeds_are_averaged_and_the_largest_p_is_told(self):
        heads = measured((0, 1)).heads
        marks = _cells(chosen(chart_of("heads", fields_of("heads", None, (0, 1))), task="RTE"))
        groups = _of(heads, task="RTE", instead="uniform").groupby(["layer", "head"])
        for place, rows in groups:
            assert len(rows) == 2
            assert _number(marks[place][disabling.POINTS]) == pytest.approx(100 * rows["mean"].mean(), abs=0.0051)
            assert _number(marks[place]["score (%)"]) == pytest.approx(100 * rows["score"].mean(), abs=0.051)
            assert _number(marks[place]["largest p of the seeds"]) == pytest.approx(rows["p"].max(), abs=5.1e-5)

    def test_only_heads_that_all_seeds_agree_on_are_outlined(self):
        heads = _of(measured().heads, task="RTE", instead="uniform").assign(holm=0.01, mean=0.1)
        other = heads.assign(seed=1)
        other.iloc[0, other.columns.get_loc("holm")] = 0.2  # not clear
        other.iloc[1, other.columns.get_loc("mean")] = -0.1  # clear, but of the opposite direction
        other.iloc[2, other.columns.get_loc("holm")] = np.nan  # not tested
        baseline = pd.concat([measured().baseline, measured().baseline.assign(seed=1)])
        outlined = _outlined(disabling.draw_heads(pd.concat([heads, other]), baseline, "A finding"))
        assert outlined == {(1, 0), (1, 1), (1, 2)}

    def test_seven_tasks_of_two_large_models_keep_a_page_small(self):
        one = _of(measured().heads, task="RTE", layer=0, head=0).drop(columns=["task", "layer", "head"])
        places = pd.MultiIndex.from_product([list(glue.TASKS), range(12), range(12)], names=["task", "layer", "head"])
        heads = one.merge(places.to_frame(index=False), how="cross")
        random = np.random.default_rng(0)
        heads[["mean", "low", "high"]] = random.uniform(-0.3, 0.3, (len(heads), 3))
        heads[["score", "p", "holm"]] = random.random((len(heads), 3))
        baseline = pd.concat([measured().baseline.iloc[:1].assign(task=task) for task in glue.TASKS])
        chart = disabling.draw_heads(side_by_side(heads, heads), side_by_side(baseline, baseline), "A finding")
        assert len(json.dumps(chart.to_dict(), separators=(",", ":"))) < 450_000


class TestLayers:
    def test_scores_are_drawn_with_the_changes_interval_around_them(self):
        chart = chart_of("layers")
        rows = _of(measured().layers, task="RTE", instead="uniform")
        before = _of(measured().baseline, task="RTE")["mean"].item()
        (drawn,) = [rows for rows in chart.to_dict()["datasets"].values() if "score_low" in rows[0]]
        drawn = _of(pd.DataFrame(drawn), task="RTE", instead="uniform")
        assert drawn["layer"].tolist() == [1, 2]
        assert drawn["score"].to_numpy() == pytest.approx(100 * (before + rows["mean"].to_numpy()), abs=0.0051)
        for end in ("low", "high"):
            expected = pytest.approx(100 * (before + rows[end].to_numpy()), abs=0.0051)
            assert drawn[f"score_{end}"].to_numpy() == expected

    def test_a_line_is_at_the_score_with_nothing_disabled(self):
        for task in SOME:
            marks = labels(chosen(chart_of("layers"), task=task), "rule mark")
            (line,) = [mark for mark in marks if "layer" not in mark]
            assert line["disabled"] == "nothing disabled"
            before = 100 * _of(measured().baseline, task=task)["mean"].item()
            assert _number(line["score (%)"]) == pytest.approx(before, abs=0.051)

    def test_what_may_be_chance_is_hollow(self):
        layers = measured().layers.assign(holm=measured().layers["layer"].map({0: 0.01, 1: 0.2}))
        drawn = chosen(chart_of("layers", [layers, measured().baseline]), task="RTE")
        fills = re.findall(r'layer: (\d)[^>]*aria-roledescription="point"[^>]* fill="([^"]+)"', drawn)
        assert dict(fills) == {"1": "#0072b2", "2": "#ffffff"}

    def test_seeds_are_averaged(self):
        marks = labels(chosen(chart_of("layers", fields_of("layers", None, (0, 1))), task="RTE"), "point")
        rows = _of(measured((0, 1)).layers, task="RTE", instead="uniform").groupby("layer")
        for mark, score, change in zip(marks, rows["score"].mean(), rows["mean"].mean(), strict=True):
            assert _number(mark["score (%)"]) == pytest.approx(100 * score, abs=0.051)
            assert _number(mark[disabling.POINTS]) == pytest.approx(100 * change, abs=0.0051)


class TestHeldOut:
    def test_each_task_has_the_papers_kind_of_gain_and_the_held_out_one(self):
        points = labels(chosen(chart_of("held_out"), instead="mean"), "point")
        rows = _of(measured().chosen, instead="mean").set_index("task")
        assert len(points) == 2 * len(rows)
        for point in points:
            row = rows.loc[point["task"]]
            chose = point["judged"] == disabling.WHERE_CHOSEN
            columns = ("best", "best_low", "best_high") if chose else ("mean", "low", "high")
            assert _interval(point, "gain of the score (points)") == _points(row, *columns)
            assert point["best head (layer-head)"] == f"{row['layer'] + 1}-{row['head'] + 1}"

    def test_heads_that_seeds_chose_are_all_named(self):
        table = _of(measured().chosen, task="RTE", instead="uniform").assign(layer=0, head=0)
        both = pd.concat([table, table.assign(seed=1, layer=1)])
        (point, _) = labels(svg_of(disabling.draw_held_out(both, "A finding")), "point")
        assert point["best head (layer-head)"] == "1-1, 2-1"


class TestRemoval:
    def drawn(self, task="RTE", seeds=(0,)):
        chart = chart_of("removal", fields_of("removal", None, seeds))
        (rows,) = [rows for rows in chart.to_dict()["datasets"].values() if "order" in rows[0]]
        return _of(pd.DataFrame(rows), task=task)

    @pytest.mark.parametrize("order", ["sweep", "gradient"])
    def test_an_order_has_its_change_and_interval(self, order):
        rows = _of(measured().curves, task="RTE", order=order)
        drawn = _of(self.drawn(), order=disabling.CURVES[order])
        for name in ("mean", "low", "high"):
            assert drawn[name].to_numpy() == pytest.approx(100 * rows[name].to_numpy(), abs=0.0051)
        assert drawn["share"].to_numpy() == pytest.approx(np.arange(N_HEADS + 1) / N_HEADS, abs=5.1e-5)

    @pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["one", "seeds"])
    def test_random_orders_are_one_line_in_the_band_of_their_range(self, seeds):
        rows = _of(measured(seeds).curves, task="RTE")
        rows = rows[rows["order"].str.startswith("random")]
        draws = rows.groupby(["order", "n_disabled"])["mean"].mean().unstack(0)
        assert draws.shape == (N_HEADS + 1, 3)
        drawn = _of(self.drawn(seeds=seeds), order=disabling.CURVES["random"])
        for name, expected in (("mean", draws.mean(axis=1)), ("low", draws.min(axis=1)), ("high", draws.max(axis=1))):
            assert drawn[name].to_numpy() == pytest.approx(100 * expected.to_numpy(), abs=0.0051)

    def test_three_lines_with_bands_a_line_at_zero_and_a_full_legend(self):
        drawn = chosen(chart_of("removal"), task="STS-B")
        for mark in ("line mark", "area mark"):
            assert drawn.count(f'aria-roledescription="{mark}"') == 3
        assert drawn.count('aria-roledescription="rule mark"') == 1
        assert len(labels(drawn, "point")) == 3 * (N_HEADS + 1)
        assert all(f">{disabling.CURVES[order.split(' ')[0]]}<" in drawn for order in ORDERS)


class TestWays:
    def test_every_task_has_a_mark_for_each_way(self):
        points = labels(svg_of(chart_of("ways")), "point")
        found = {(point["task"], point["instead"]): point for point in points}
        assert len(found) == len(points) == len(measured().average)
        for _, row in measured().average.iterrows():
            told = _interval(found[row["task"], row["instead"]], "change of the score, mean over heads (points)")
            assert told == _points(row, "mean", "low", "high")

    def test_ways_differ_in_colour_and_in_shape(self):
        drawn = svg_of(chart_of("ways"))
        marks = re.findall(
            r'instead: (\w+)[^>]*aria-roledescription="point"[^>]* d="M([^"]+)"[^>]* fill="([^"]+)"', drawn
        )
        assert {way for way, _, _ in marks} == set(INSTEAD)
        assert len({shape for _, shape, _ in marks}) == len({fill for _, _, fill in marks}) == len(INSTEAD)


def _of(table, **values):
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def _number(told):
    return float(told.replace("\N{MINUS SIGN}", "-"))


def _interval(mark, title):
    """The mean, called `title`, and the interval that a mark tells."""
    return [_number(mark[name]) for name in (title, "95 % interval from", "to")]


def _points(row, *columns):
    return pytest.approx([100 * row[name] for name in columns], abs=0.0051)


def _cells(drawn):
    """What the cells of heads tell, by their place from 0."""
    marks = [mark for mark in labels(drawn, "rect mark") if disabling.POINTS in mark]
    return {(int(mark["layer"]) - 1, int(mark["head"]) - 1): mark for mark in marks}


def _outlined(chart):
    """Places of the outlines, which say nothing to a screen reader: a choice may leave none of them."""
    drawn = re.findall(rf'd="M([\d.]+),([\d.]+)h([\d.]+)v([\d.]+)[^"]*" stroke="{OUTLINE}"', svg_of(chart))
    return {(round(float(y) / float(down)), round(float(x) / float(along))) for x, y, along, down in drawn}
