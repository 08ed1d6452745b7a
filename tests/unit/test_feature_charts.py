"""Charts of attention to features: what the tables say is drawn, in the book's colours, at a phone's width."""

import json
import re
from functools import cache

import pandas as pd
import pytest

from darksecrets.corpora import glue
from darksecrets.figures import charts
from darksecrets.models.feature_attention import CLS, FEATURE_COLUMNS, SEP, WEIGHT
from darksecrets.sections import feature_claims, features
from darksecrets.side_by_side import side_by_side
from tests.feature_tables import TASKS, features_of
from tests.unit.test_charts import PHONE, parts, svg_of
from tests.unit.test_head_charts import TOLD, chosen, labels

CHANGE = "change of the weight by fine-tuning"
FINDING = "[CLS] early, [SEP] late: holds on 7 of 7 tasks, in this run and in the reference run"


@cache
def blocks(tasks=TASKS, seeds=(0,)):
    return features.feature_weights(features_of(tasks, n_examples=12, seeds=seeds))


@cache
def measured(tasks=TASKS, seeds=(0,)):
    return feature_claims.feature_tables(blocks(tasks, seeds))


@cache
def head_changes(tasks=TASKS, seeds=(0,)):
    plain = [one for one in blocks(tasks, seeds) if (one.reading, one.measure) == ("paper", WEIGHT)]
    return features.changes(plain, features.HEADS)


def plain_layers(run):
    return run.layers[run.layers["measure"] == WEIGHT]


def overall_changes(run):
    return feature_claims.averaged_changes(run)


TABLES = {
    "head_chart": lambda *of: (measured(*of).heads, head_changes(*of)),
    "layer_chart": lambda *of: (plain_layers(measured(*of)),),
    "increase_chart": lambda *of: (overall_changes(measured(*of)),),
    "share_chart": lambda *of: (measured(*of).special,),
    "cls_chart": lambda *of: (feature_claims.targets(measured(*of)),),
    "reading_chart": lambda *of: (measured(*of).readings,),
}


def chart_of(name, tables, title="A finding"):
    return getattr(features, name)(*tables, title)


CHARTS = {name: lambda title, *of, name=name: chart_of(name, TABLES[name](*of), title) for name in TABLES}


@pytest.mark.parametrize("make", CHARTS.values(), ids=CHARTS)
@pytest.mark.parametrize("of", [[("QNLI",)], [tuple(glue.TASKS)], [("QNLI",), (0, 1)]], ids=["one", "seven", "seeds"])
def test_every_chart_draws_its_title_and_fits_a_phone(make, of):
    drawn = svg_of(make(FINDING, *of))
    assert "[CLS] early, [SEP] late" in drawn
    assert charts.WIDTH < float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= PHONE


@pytest.mark.parametrize("make", CHARTS.values(), ids=CHARTS)
def test_every_quantity_has_the_books_scale(make):
    quantities = {"feature": "feature", "task": "task", "reading": "reading", "measure": "measure"}
    for channel in parts(make("A finding").to_dict(), "color"):
        if isinstance(channel, dict) and channel.get("field") in quantities:
            assert channel["scale"] == charts.SCALES[quantities[channel["field"]]].to_dict()


def test_every_feature_has_a_colour_that_stands_out_from_a_light_card():
    scale = charts.SCALES["feature"].to_dict()
    assert scale["domain"] == list(FEATURE_COLUMNS)
    assert len(set(scale["range"])) == len(FEATURE_COLUMNS)
    for colour in scale["range"]:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
        luminance = sum(part * share for part, share in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
        assert 1.05 / (luminance + 0.05) > 3


@pytest.mark.parametrize("name", TABLES)
class TestRuns:
    mine, other = ("QNLI", "RTE"), ("QNLI", "MRPC")  # tasks

    def both(self, name):
        tables = zip(TABLES[name](self.mine), TABLES[name](self.other), strict=True)
        return chart_of(name, [side_by_side(*pair) for pair in tables])

    def test_a_menu_offers_this_run_first(self, name):
        menus = {one["name"]: one for one in self.both(name).to_dict()["params"]}
        assert menus["chosen_run"]["value"] == "this run"
        assert menus["chosen_run"]["bind"]["options"] == ["this run", "reference run"]
        assert menus["chosen_run"]["bind"]["name"] == "Run "

    def test_one_run_needs_no_menu(self, name):
        tables = [side_by_side(table) for table in TABLES[name](self.mine)]
        assert "chosen_run" not in {one["name"] for one in chart_of(name, tables).to_dict().get("params", [])}

    def test_the_chosen_run_is_drawn_and_no_other(self, name):
        chart = self.both(name)
        has_tasks = "chosen_task" in {one["name"] for one in chart.to_dict()["params"]}
        for run, tasks in (("this run", self.mine), ("reference run", self.other)):
            of_task = [{"task": task} for task in tasks] if has_tasks else [{}]
            drawn = [chosen(chart, run=run, **values) for values in of_task]
            assert {task for svg in drawn for task in re.findall(r"task: ([\w-]+)", svg)} == set(tasks)

    def test_a_task_that_the_chosen_run_lacks_leaves_an_empty_chart(self, name):
        chart = self.both(name)
        if "chosen_task" in {one["name"] for one in chart.to_dict()["params"]}:
            drawn = chosen(chart, run="this run", task="MRPC")
            assert "A finding" in drawn
            assert "task: " not in drawn


class TestByHead:
    def test_it_has_the_weights_of_both_checkpoints_and_the_change(self):
        run, chart = measured(), features.head_chart(measured().heads, head_changes(), "A finding")
        for checkpoint, feature in (("pre-trained", "noun"), ("fine-tuned", SEP)):
            drawn = chosen(chart, task="QNLI", feature=feature, checkpoint=checkpoint)
            case = {"task": "QNLI", "feature": feature}
            weights = _of(run.heads, **case, checkpoint=checkpoint)
            _agree(labels(drawn, "rect mark"), "attention weight", weights, "mean")
            _agree(labels(drawn, "rect mark"), CHANGE, _of(head_changes(), **case))

    def test_it_begins_with_the_first_token_of_the_fine_tuned_model(self):
        parameters = features.head_chart(measured().heads, head_changes(), "A finding").to_dict()["params"]
        values = {one["name"]: one["value"] for one in parameters}
        assert values == {"chosen_task": TASKS[0], "chosen_feature": CLS, "chosen_checkpoint": "fine-tuned"}

    def test_seeds_are_averaged(self):
        run = measured(("QNLI",), (0, 1))
        chart = features.head_chart(run.heads, head_changes(("QNLI",), (0, 1)), "A finding")
        weights = _of(run.heads, feature="noun", checkpoint="fine-tuned")
        means = weights.groupby(["layer", "head"])["mean"].mean().reset_index()
        assert len(weights) == 2 * len(means)
        _agree(labels(chosen(chart, feature="noun"), "rect mark"), "attention weight", means, "mean")

    def test_a_reference_run_without_examples_has_changes_without_intervals(self):
        heads, theirs = measured().heads, features.change_of_means(measured().heads)
        chart = features.head_chart(side_by_side(heads, heads), side_by_side(head_changes(), theirs), "A finding")
        case = {"task": "QNLI", "feature": "noun"}
        for run, table in (("this run", head_changes()), ("reference run", theirs)):
            marks = labels(chosen(chart, run=run, **case), "rect mark")
            _agree(marks, CHANGE, _of(table, **case))
            assert {"±" in mark[TOLD] for mark in marks if CHANGE in mark} == {run == "this run"}

    def test_seven_tasks_of_a_small_model_keep_a_page_small(self):
        six_by_twelve = features.feature_weights(features_of(TASKS[:1], n_examples=3, n_layers=6, n_heads=12))
        plain = [one for one in six_by_twelve if (one.reading, one.measure) == ("paper", WEIGHT)]
        tables = (features.means(plain, features.HEADS), features.changes(plain, features.HEADS))
        tables = (pd.concat([table.assign(task=task) for task in glue.TASKS]) for table in tables)
        both = (side_by_side(table, table) for table in tables)
        assert len(json.dumps(features.head_chart(*both, "A finding").to_dict(), separators=(",", ":"))) < 450_000


class TestStripes:
    def test_special_tokens_have_bands_and_every_curve_both_checkpoints(self):
        drawn = svg_of(features.layer_chart(plain_layers(measured(("QNLI",))), "A finding"))
        assert drawn.count('aria-roledescription="area mark"') == 3 * 2
        assert drawn.count('aria-roledescription="line mark"') == len(FEATURE_COLUMNS) * 2
        assert drawn.count('aria-roledescription="point"') == len(FEATURE_COLUMNS) * 2 * 3

    def test_a_menu_does_not_change_the_axis(self):
        chart = features.layer_chart(plain_layers(measured()), "A finding")
        highest = plain_layers(measured())["high"].max()
        ((bottom, top),) = {tuple(one["scale"]["domain"]) for one in parts(chart.to_dict(), "y")}
        assert bottom == 0
        assert 0 <= top - highest < 0.1


class TestIncreases:
    def test_what_may_be_nothing_is_hollow(self):
        table = overall_changes(measured()).assign(p_corrected=0.2)
        table.loc[table["feature"] == "noun", "p_corrected"] = 0.01
        drawn = svg_of(features.increase_chart(table, "A finding"))
        points = labels(drawn, "point")
        assert len(points) == len(table)
        hollow = re.findall(r'aria-label="([^"]*)"[^>]*aria-roledescription="point"[^>]*fill="white"', drawn)
        assert len(hollow) == len(table) - len(TASKS)
        assert not any("feature: noun" in label for label in hollow)

    def test_words_and_special_tokens_have_axes_of_their_own(self):
        specification = features.increase_chart(overall_changes(measured()), "A finding").to_dict()
        shown = [
            {row["feature"] for row in specification["datasets"][layer["data"]["name"]]}
            for part in specification["vconcat"]
            for layer in part["layer"]
            if layer["mark"]["type"] == "point"
        ]
        assert shown == [set(FEATURE_COLUMNS) - set(features.SPECIAL_TOKENS), set(features.SPECIAL_TOKENS)]


def test_both_measures_and_checkpoints_are_curves():
    drawn = svg_of(features.share_chart(measured(("QNLI",)).special, "A finding"))
    assert drawn.count('aria-roledescription="line mark"') == 4
    assert drawn.count('aria-roledescription="area mark"') == 4
    for name in charts.SCALES["measure"].domain:
        assert f">{name}<" in drawn


def test_what_cls_attends_to_is_drawn_with_intervals():
    table = feature_claims.targets(measured())
    points = labels(svg_of(features.cls_chart(table, "A finding")), "point")
    found = {(point["task"], point["feature"]): float(point["attention weight"]) for point in points}
    assert found == {(row.task, row.feature): pytest.approx(row.mean, abs=1.1e-4) for row in table.itertuples()}


def test_both_readings_of_a_task_are_drawn():
    run = measured()
    drawn = chosen(features.reading_chart(run.readings, "A finding"), task="QNLI", checkpoint="pre-trained")
    points, table = labels(drawn, "point"), _of(run.readings, task="QNLI", checkpoint="pre-trained")
    assert len(points) == 2 * len(table)
    assert drawn.count(">released<") == 1  # one legend for colour and shape
    for row in table.itertuples():
        of_feature = [point for point in points if point["feature"] == row.feature]
        for reading in ("paper", "released"):
            told = [float(point[reading]) for point in of_feature]
            assert told == pytest.approx([getattr(row, reading)] * 2, abs=1.1e-4)


def _of(table, **values):
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def _agree(marks, legend, table, column=TOLD):
    """Marks coloured by what a legend calls `legend` tell each head's mean under the name `column`."""
    told = {(int(mark["layer"]), int(mark["head"])): mark[column] for mark in marks if legend in mark}
    found = {place: float(text.split(" ")[0].replace("\u2212", "-")) for place, text in told.items()}
    assert found == {(row.layer + 1, row.head + 1): pytest.approx(row.mean, abs=1.1e-4) for row in table.itertuples()}
