"""Charts of attention patterns: right numbers and orders, the book's colours, menus of what there is, phone width."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora import glue
from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.errors import InputError
from darksecrets.figures import charts
from darksecrets.sections import map_labels, patterns
from tests.unit.test_charts import PHONE, parts, svg_of

TASKS = ["RTE", "SST-2"]
FINDING = "Heterogeneous maps: 32 % (SST-2) to 61 % (RTE); the paper has 32 % (SST-2) to 61 % (RTE)"


def _table(key, columns, tasks, seeds, runs=("this run",)):
    """One row per run, task, seed, checkpoint and `key`, with random shares that sum to one."""
    checkpoints = [("pre-trained", 0), *(("fine-tuned", seed) for seed in seeds)]
    rows = itertools.product(runs, tasks, checkpoints, *key.values())
    table = pd.DataFrame([(run, task, *of, *rest) for run, task, of, *rest in rows])
    table.columns = ["run", "task", "checkpoint", "seed", *key]
    shares = np.random.default_rng(0).dirichlet([4, 1, 3, 1, 3], len(table))
    return table.join(pd.DataFrame(shares, columns=columns))


def _long(key, tasks, seeds, runs=("this run",)):
    table = _table(key, list(PATTERNS), tasks, seeds, runs)
    table = table.melt(list(table.columns.drop(list(PATTERNS))), var_name="pattern", value_name="mean")
    return table.assign(low=table["mean"] * 0.9, high=table["mean"] * 1.05)


def shares(tasks=TASKS, seeds=(0,), runs=("this run", "reference run")):
    table = _long({}, tasks, seeds, runs)
    return table.assign(observed=table["mean"] / 2 + 0.1)


def layers(tasks=TASKS, seeds=(0,)):
    return _long({"layer": range(6)}, tasks, seeds).drop(columns="run")


def heads(tasks=TASKS, seeds=(0,), n_layers=6, n_heads=12):
    key = {"layer": range(n_layers), "head": range(n_heads)}
    table = _table(key, list(PATTERNS), tasks, seeds).drop(columns="run")
    return table.assign(main=table[list(PATTERNS)].idxmax(axis=1), purity=table[list(PATTERNS)].max(axis=1))


def confusions():
    rows = np.eye(5) * 0.8 + np.random.default_rng(0).dirichlet(np.ones(5), 5) * 0.2
    return pd.DataFrame(rows, index=pd.Index(PATTERNS, name="agreed"), columns=pd.Index(PATTERNS, name="predicted"))


def cases(n_tokens=24):
    random = np.random.default_rng(0)
    tokens = ["[CLS]", *(f"something{place}" for place in range(n_tokens - 2)), "[SEP]"]
    return [
        patterns.TypicalMap(name, "MRPC, layer 4", random.dirichlet(np.ones(n_tokens), n_tokens), tokens)
        for name in PATTERNS
    ]


CHARTS = {
    "figure_2": lambda title, tasks: patterns.figure_2(shares(tasks), title),
    "by_head": lambda title, tasks: patterns.heads_chart(heads(tasks), title),
    "by_layer": lambda title, tasks: patterns.layers_chart(layers(tasks), title),
    "purity": lambda title, tasks: patterns.purity_chart(heads(tasks), title),
    "confusion": lambda title, tasks: map_labels.confusion_chart(confusions(), title),
    "typical_maps": lambda title, tasks: patterns.figure_1(cases(), title),
}


def rows_of(chart):
    (rows,) = chart.to_dict()["datasets"].values()
    return pd.DataFrame(rows)


def menus(chart):
    return {one["name"]: one["bind"]["options"] for one in chart.to_dict().get("params", []) if "bind" in one}


@pytest.mark.parametrize("make", CHARTS.values(), ids=CHARTS)
@pytest.mark.parametrize("tasks", [["RTE"], list(glue.TASKS)], ids=["one task", "seven tasks"])
def test_every_chart_draws_its_title_and_fits_a_phone(make, tasks):
    drawn = svg_of(make(FINDING, tasks))
    assert "Heterogeneous maps: 32 % (SST-2)" in drawn
    assert charts.WIDTH < float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= PHONE


@pytest.mark.parametrize("name", ["figure_2", "by_head", "by_layer", "purity"])
def test_patterns_have_the_books_colours(name):
    colours = [
        colour
        for colour in parts(CHARTS[name]("A finding", TASKS).to_dict(), "color")
        if isinstance(colour, dict) and colour.get("field") in ("pattern", "main")
    ]
    assert colours
    assert all(colour["scale"] == charts.SCALES["pattern"].to_dict() for colour in colours)


def test_every_pattern_has_a_colour_that_stands_out_from_a_light_card():
    scale = charts.SCALES["pattern"].to_dict()
    assert scale["domain"] == list(PATTERNS)
    assert len(set(scale["range"])) == len(PATTERNS)
    for colour in scale["range"]:
        channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) > 3


class TestFigure2:
    def test_bars_and_points_carry_the_tables_numbers(self):
        table, found = shares(), rows_of(patterns.figure_2(shares(), "A finding"))
        key = ["run", "task", "checkpoint", "pattern"]
        both = table.merge(found, on=key, validate="one_to_one")
        assert len(both) == len(table) == len(found)
        for name in ("mean", "low", "high", "observed"):
            assert both[f"{name}_x"].tolist() == pytest.approx(both[f"{name}_y"].tolist(), abs=5.1e-5)
        assert found.groupby(key[:3])["mean"].sum().tolist() == pytest.approx([1] * 8, abs=3e-4)

    def test_bars_stand_in_the_papers_order(self):
        drawn = svg_of(patterns.figure_2(shares(["RTE"], runs=["this run"]).iloc[::-1], "A finding"))
        bars = re.findall(r'aria-label="([^"]*)"[^>]*aria-roledescription="bar" d="M([\d.]+),', drawn)
        named = {float(place): re.search(r"pattern: ([^;]+)", label).group(1) for label, place in bars}
        assert [named[place] for place in sorted(named)] == list(PATTERNS)

    def test_the_menus_choose_run_and_checkpoint(self):
        chart = patterns.figure_2(shares(), "A finding")
        assert menus(chart) == {
            "chosen_run": ["this run", "reference run"],
            "chosen_checkpoint": ["pre-trained", "fine-tuned"],
        }
        values = {one["name"]: one["value"] for one in chart.to_dict()["params"]}
        assert values == {"chosen_run": "this run", "chosen_checkpoint": "fine-tuned"}
        drawn = svg_of(chart)
        assert drawn.count('aria-roledescription="bar"') == len(TASKS) * len(PATTERNS)
        assert drawn.count('aria-roledescription="point"') == len(TASKS) * len(PATTERNS)

    def test_there_is_no_menu_without_a_choice(self):
        table = shares(runs=["this run"]).query("checkpoint == 'fine-tuned'")
        assert menus(patterns.figure_2(table, "A finding")) == {}

    def test_seeds_are_averaged_and_widen_the_interval(self):
        table = shares(["RTE"], seeds=(0, 1, 2), runs=["this run"])
        found = rows_of(patterns.figure_2(table, "A finding")).set_index(["checkpoint", "pattern"])
        own = table.groupby(["checkpoint", "pattern"], sort=False)[["mean", "low", "high", "observed"]].mean()
        for name in ("mean", "observed"):
            assert found[name].to_dict() == pytest.approx(own[name].to_dict(), abs=1e-4)
        tuned = found.loc["fine-tuned"]
        assert ((tuned["high"] - tuned["low"]) > (own["high"] - own["low"]).loc["fine-tuned"]).all()

    def test_shares_without_interval_still_draw(self):
        drawn = svg_of(patterns.figure_2(shares().assign(low=np.nan, high=np.nan), "A finding"))
        assert drawn.count('aria-roledescription="point"') == len(TASKS) * len(PATTERNS)


class TestByHead:
    def test_heads_count_from_one_and_keep_their_shares(self):
        table, found = heads(), rows_of(patterns.heads_chart(heads(), "A finding"))
        assert set(found["layer"]) == set(range(1, 7))
        assert set(found["head"]) == set(range(1, 13))
        key = ["task", "checkpoint", "layer", "head"]
        both = found.merge(table.assign(layer=table["layer"] + 1, head=table["head"] + 1), on=key)
        assert len(both) == len(table)
        assert both["main_x"].tolist() == both["main_y"].tolist()
        for name in ("purity", *PATTERNS):
            assert both[f"{name}_x"].tolist() == pytest.approx(both[f"{name}_y"].tolist(), abs=5.1e-5)

    def test_one_tasks_heads_are_drawn_and_pointing_tells_all_five_shares(self):
        chart = patterns.heads_chart(heads(n_layers=3, n_heads=4), "A finding")
        assert menus(chart) == {"chosen_task": TASKS, "chosen_checkpoint": ["pre-trained", "fine-tuned"]}
        drawn = svg_of(chart)
        assert drawn.count('aria-roledescription="square"') == 12
        (label, *_) = re.findall(r'aria-label="([^"]*main pattern: [^"]*)"', drawn)
        told = {name: float(re.search(rf"{re.escape(name)}: ([\d.]+)%", label).group(1)) for name in PATTERNS}
        assert sum(told.values()) == pytest.approx(100, abs=0.3)

    def test_a_pure_head_fills_its_cell_and_a_mixed_one_does_not(self):
        (size,) = (found for found in parts(patterns.heads_chart(heads(), "A finding").to_dict(), "size") if found)
        assert size["scale"] == {"domain": [0, 1], "range": [0, (charts.STEP - 1) ** 2]}

    def test_a_heads_main_pattern_is_that_of_its_mean_over_seeds(self):
        table = heads(["RTE"], seeds=(0, 1), n_layers=1, n_heads=1).query("checkpoint == 'fine-tuned'")
        table = table.assign(**dict.fromkeys(PATTERNS, 0.0))
        table[["Vertical", "Block"]] = [[0.6, 0.4], [0.1, 0.9]]
        row = rows_of(patterns.heads_chart(table, "A finding")).loc[0]
        assert (row["main"], row["purity"]) == ("Block", 0.65)


class TestByLayer:
    def test_fine_tuned_has_a_band_and_pre_trained_is_dashed(self):
        drawn = svg_of(patterns.layers_chart(layers(), "A finding"))
        assert drawn.count('aria-roledescription="area mark"') == len(PATTERNS)
        lines = re.findall(r'<path aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="line mark"', drawn)
        assert len(lines) == 2 * len(PATTERNS)
        assert drawn.count('stroke-dasharray="4,3"') == len(PATTERNS) + 1  # the lines and the legend
        assert drawn.count('aria-roledescription="point"') == 2 * len(PATTERNS) * 6

    def test_the_axis_stays_when_the_menu_changes(self):
        chart = patterns.layers_chart(layers(), "A finding")
        domains = {tuple(one["scale"]["domain"]) for one in parts(chart.to_dict(), "y")}
        ((bottom, top),) = domains
        assert bottom == 0
        assert 0 <= top - layers()["high"].max() < 0.1
        assert menus(chart) == {"chosen_task": TASKS}

    def test_several_seeds_of_the_fine_tuned_checkpoint_are_averaged(self):
        found = rows_of(patterns.layers_chart(layers(seeds=(0, 1)), "A finding"))
        assert len(found) == len(layers())


def test_the_confusion_matrix_prints_each_share_in_its_cell():
    drawn = svg_of(map_labels.confusion_chart(confusions(), "A finding"))
    found = rows_of(map_labels.confusion_chart(confusions(), "A finding"))
    assert {(row.true, row.predicted): row.share for row in found.itertuples()} == {
        pair: pytest.approx(confusions().loc[pair], abs=5.1e-5) for pair in itertools.product(PATTERNS, PATTERNS)
    }
    cells = {
        (true, predicted): shown
        for predicted, true, shown in re.findall(
            r'aria-label="the classifier says: ([^;]+); annotators agreed on: ([^;]+); [^"]*"'
            r' role="graphics-symbol" aria-roledescription="text mark"[^>]*>(\d+)%<',
            drawn,
        )
    }
    assert len(cells) == 25
    for pair, shown in cells.items():
        assert int(shown) == pytest.approx(100 * confusions().loc[pair], abs=0.51)


class TestPurity:
    def test_bars_count_every_head_once_for_its_task_and_once_for_all(self):
        counts = rows_of(patterns.purity_chart(heads(), "A finding"))
        assert counts.groupby(["task", "checkpoint"])["heads"].sum().to_dict() == {
            (task, checkpoint): 144 if task == patterns.ALL_TASKS else 72
            for task, checkpoint in itertools.product([*TASKS, patterns.ALL_TASKS], ["fine-tuned", "pre-trained"])
        }

    def test_a_purity_is_inside_its_bar(self):
        for purity in (0.2, 0.65, 0.651, 0.999, 1.0):
            table = heads(["RTE"], n_layers=1, n_heads=1).query("checkpoint == 'fine-tuned'")
            table = table.assign(**dict.fromkeys(PATTERNS, 0.0) | {"Block": purity})
            row = rows_of(patterns.purity_chart(table, "A finding")).loc[0]
            assert row["low"] < purity <= row["high"] <= 1
            assert row["high"] - row["low"] == pytest.approx(patterns.BIN)

    def test_rows_stand_in_the_papers_order(self):
        drawn = svg_of(patterns.purity_chart(heads(), "A finding"))
        headers = re.findall(r">(" + "|".join(map(re.escape, PATTERNS)) + r")</text>", drawn)
        assert headers == list(PATTERNS)


class TestTypicalMaps:
    def test_every_case_has_its_pattern_its_source_and_its_tokens(self):
        drawn = svg_of(patterns.figure_1(cases(8), "A finding"))
        for name in PATTERNS:
            assert f">{name}<" in drawn
        assert drawn.count(">MRPC, layer 4<") == len(PATTERNS)
        assert drawn.count(">something3<") == 2 * len(PATTERNS)
        assert drawn.count('aria-roledescription="rect mark"') == 64 * len(PATTERNS)

    def test_weights_have_the_books_colours_and_one_legend(self):
        specification = patterns.figure_1(cases(8), "A finding").to_dict()
        scales = [colour["scale"] for colour in parts(specification, "color")]
        assert [scale["scheme"] for scale in scales] == ["viridis"] * len(PATTERNS)
        assert svg_of(patterns.figure_1(cases(8), "A finding")).count(">attention weight<") == 1

    def test_a_map_too_long_to_read_is_refused(self):
        with pytest.raises(InputError, match="the map shown for Vertical has 25 tokens; at most 24"):
            patterns.figure_1(cases(25), "A finding")
