"""The chapter on disabled heads executed: what it shows is what stands in its tables."""

import re
import shutil

import pandas as pd
import pytest
from papermill.exceptions import PapermillExecutionError

from darksecrets.corpora.tasks import TASKS as ALL_TASKS
from darksecrets.figures.publish import MISSING
from darksecrets.heads import head_label
from darksecrets.models.ablation import UNIFORM, WAYS
from darksecrets.models.disabling import GRADIENT, RANDOM, SWEEP
from darksecrets.runs import Run
from darksecrets.sections import disabling
from darksecrets.sections.disabling import CHANGE, DisablingTables
from darksecrets.side_by_side import REFERENCE_RUN, THIS_RUN
from darksecrets.statistics import over_seeds
from tests.notebooks.conftest import MAX_COMPARED, SIZES, TASKS, TINY_SETUP
from tests.notebooks.executed import check_ran_clean, execute, per_head, results, shown, without

FIGURE_8, FIGURE_9 = "figure-disabled-heads", "figure-disabled-layers"
NUMBERED = [
    *("table-tried", "table-exact", FIGURE_8, "table-significance", "table-average"),
    *(FIGURE_9, "table-disabled-layers", "figure-held-out", "table-chosen", "table-seeds"),
    *("figure-removal", "table-removable", "figure-ways", "table-ways", "table-disabling-claims"),
]
REPORTED = {
    "table-significance": disabling.significance_table,
    "table-average": disabling.average_table,
    "table-disabled-layers": disabling.layers_table,
    "table-chosen": disabling.chosen_table,
    "table-seeds": disabling.seeds_table,
    "table-removable": disabling.removable_table,
    "table-ways": disabling.ways_table,
    "table-disabling-claims": disabling.claims,
}
UNNOTED = ("table-tried", "table-exact", "table-disabling-claims")  # captions that say nothing of the corpus
KINDS = ("disabled", "removed")  # of results in the store
HEAD = ["layer", "head"]
SWEPT = ["task", "instead"]
SIGNIFICANT = 0.05


@pytest.fixture(scope="module")
def mine(disabling_page):
    """The tables that the page saved."""
    return DisablingTables.find(disabling_page.run)


@pytest.fixture(scope="module")
def reference(notebooks):
    """The tables that a reader's copy of the book comes with, if it does."""
    return DisablingTables.find(Run(notebooks / "reference"))


@pytest.fixture(scope="module")
def sides(mine, reference):
    """The tables of every run that a chart draws."""
    return {THIS_RUN: mine} | ({REFERENCE_RUN: reference} if reference else {})


def drawn(page, name, column):
    """The rows of a chart that have a column, layers and heads counted from 0 again."""
    (rows,) = (rows for rows in page.data(name) if rows and column in rows[0])
    if "head" in rows[0]:
        return per_head(rows)
    table = pd.DataFrame(rows)
    return table.assign(layer=table["layer"] - 1) if "layer" in table else table


def check_drawn(table, saved, key):
    """Fail unless means and intervals are those of the saved tables of every run, in points."""
    assert set(table["run"]) == set(saved)
    for run, rows in saved.items():
        found, expected = (part.set_index(key) for part in (table[table["run"] == run], over_seeds(rows, key)))
        for name in CHANGE:
            assert found[name].to_dict() == pytest.approx((100 * expected[name]).to_dict(), abs=0.0051)


def uniform(table):
    return table[table["instead"] == UNIFORM]


def numbers(text):
    return [float(number) for number in re.findall(r"[-+]?\d+\.\d+", text)]


class TestFigures:
    def test_all_are_there_in_order(self, disabling_page):
        assert list(disabling_page.published) == NUMBERED

    def test_figure_8_has_the_saved_change_of_every_head(self, disabling_page, mine, sides):
        cells = drawn(disabling_page, FIGURE_8, "holm")
        key = [*SWEPT, *HEAD]
        check_drawn(cells, {run: tables.heads for run, tables in sides.items()}, key)
        own, saved = cells[cells["run"] == THIS_RUN].set_index(key), mine.heads.set_index(key)
        assert own["score"].to_dict() == pytest.approx((100 * saved["score"]).to_dict(), abs=0.0051)
        for name in ("p", "holm"):
            assert own[name].to_dict() == pytest.approx(saved[name].to_dict(), abs=5.1e-5)

    def test_heads_are_outlined_where_the_corrected_p_is_small(self, disabling_page, mine):
        rows = [row for rows in disabling_page.data(FIGURE_8) for row in rows if not {"text", "mean"} & set(row)]
        own = [row for row in rows if row.get("run", THIS_RUN) == THIS_RUN]
        outlined = {(row["task"], row["instead"], row["layer"] - 1, row["head"] - 1) for row in own}
        clear = mine.heads[mine.heads["holm"] < SIGNIFICANT]
        assert outlined == set(clear[[*SWEPT, *HEAD]].itertuples(index=False, name=None))

    @pytest.mark.parametrize("name", [FIGURE_8, FIGURE_9])
    def test_the_score_with_nothing_disabled_stands_above(self, disabling_page, mine, name):
        table = drawn(disabling_page, name, "text")
        texts = table[table["run"] == THIS_RUN].set_index("task")["text"]
        assert set(texts.index) == set(mine.baseline["task"])
        for _, row in mine.baseline.iterrows():
            assert texts[row["task"]].startswith("nothing disabled: ")
            assert numbers(texts[row["task"]]) == pytest.approx([100 * row[column] for column in CHANGE], abs=0.051)

    def test_figure_9_has_the_score_without_each_layer_beside_a_line(self, disabling_page, mine, sides):
        points = drawn(disabling_page, FIGURE_9, "score_low")
        key = [*SWEPT, "layer"]
        check_drawn(points, {run: tables.layers for run, tables in sides.items()}, key)
        (lines,) = (pd.DataFrame(rows) for rows in disabling_page.data(FIGURE_9) if "n_seeds" in rows[0])
        assert set(lines["disabled"]) == {disabling.NOTHING}
        check_drawn(lines, {run: tables.baseline for run, tables in sides.items()}, ["task"])
        own, saved = points[points["run"] == THIS_RUN].set_index(key), mine.layers.set_index(key)
        assert own["score"].to_dict() == pytest.approx((100 * saved["score"]).to_dict(), abs=0.0051)
        before = lines[lines["run"] == THIS_RUN].set_index("task")["mean"]
        around = own.reset_index()["task"].map(before).to_numpy()
        for end in ("low", "high"):
            assert own[f"score_{end}"].to_numpy() == pytest.approx(around + own[end].to_numpy(), abs=0.0151)
        clear = saved["holm"] < SIGNIFICANT
        assert (own["disabled"] == disabling.LAYER).to_dict() == clear.to_dict()

    def test_gains_are_shown_where_the_head_was_chosen_and_held_out(self, disabling_page, mine, sides):
        table = drawn(disabling_page, "figure-held-out", "judged")
        best = {"best": "mean", "best_low": "low", "best_high": "high"}
        here = {run: tables.chosen.drop(columns=CHANGE).rename(columns=best) for run, tables in sides.items()}
        there = {run: tables.chosen for run, tables in sides.items()}
        for judged, saved in {disabling.WHERE_CHOSEN: here, disabling.ELSEWHERE: there}.items():
            check_drawn(table[table["judged"] == judged], saved, SWEPT)
        names = mine.chosen.assign(label=head_label(mine.chosen)).set_index(SWEPT)["label"]
        own = table[table["run"] == THIS_RUN]
        assert own["best"].tolist() == names.loc[list(own[SWEPT].itertuples(index=False, name=None))].tolist()

    def test_curves_are_the_saved_ones_and_random_orders_a_band(self, disabling_page, mine):
        table = drawn(disabling_page, "figure-removal", "n_disabled")
        own = table[table["run"] == THIS_RUN].set_index(["order", "task", "n_disabled"])
        for order in (SWEEP, GRADIENT):
            found = own.loc[disabling.CURVES[order]]
            saved = mine.curves[mine.curves["order"] == order].set_index(["task", "n_disabled"])
            for name in CHANGE:
                assert found[name].to_dict() == pytest.approx((100 * saved[name]).to_dict(), abs=0.0051)
        draws = mine.curves[mine.curves["order"].isin(RANDOM)].groupby(["task", "n_disabled"])["mean"]
        found = own.loc[disabling.CURVES["random"]]
        for name, over in zip(CHANGE, (draws.mean(), draws.min(), draws.max()), strict=True):
            assert found[name].to_dict() == pytest.approx((100 * over).to_dict(), abs=0.0051)

    def test_ways_to_disable_are_averaged_over_heads(self, disabling_page, mine, sides):
        table = drawn(disabling_page, "figure-ways", "instead")
        check_drawn(table, {run: tables.average for run, tables in sides.items()}, SWEPT)
        means = mine.heads.groupby(SWEPT)["mean"].mean()
        saved = mine.average.set_index(SWEPT)["mean"]
        assert saved.to_dict() == pytest.approx(means.to_dict(), abs=0.02)  # of a correlation only nearly the same
        is_class = [not ALL_TASKS[task].is_regression for task, _ in saved.index]
        assert saved[is_class].to_dict() == pytest.approx(means[saved.index[is_class]].to_dict(), abs=1e-9)

    def test_unofficial_rows_are_said_in_the_captions_and_official_ones_are_not(self, disabling_page, size):
        for name in NUMBERED:
            text = disabling_page.published[name]["text/markdown"]
            assert ("rows instead of the official" in text) == (size == "tiny" and name not in UNNOTED), name


class TestDisablingWorks:
    def test_the_disabled_head_sees_all_tokens_alike(self, disabling_page):
        low, high = map(float, disabling_page.glued["evenly"].split(" to "))
        assert low == high == pytest.approx(1 / int(disabling_page.glued["n_tokens"]), abs=5.1e-5)

    def test_head_mask_moves_nothing_and_all_else_does(self, disabling_page):
        rows = disabling_page.rows("table-tried")
        assert [row["by"] for row in rows] == ["head_mask", "disabled", "disabled", "disabled"]
        first, *others = (float(row["largest change of an output"]) for row in rows)
        assert first == 0
        assert min(others) > 0

    def test_the_sweep_answers_as_the_plain_way(self, disabling_page, size):
        rows = disabling_page.rows("table-exact")
        assert [row["precision"] for row in rows] == ["float32", "bfloat16"]
        n_layers, n_heads = SIZES[size]
        for row in rows:
            assert row["task"] == TASKS[size][0]
            assert int(row["answers"]) == 8 * (1 + n_layers * n_heads + n_layers)
            assert int(row["differing predictions"]) == 0
            assert float(row["largest difference of an output"]) < 1e-4
            assert 0 < float(row["share computed in float32"]) <= 1
        assert float(rows[0]["share computed in float32"]) == 1


class TestTables:
    @pytest.mark.parametrize("name", REPORTED)
    def test_what_is_shown_is_made_from_what_is_saved(self, disabling_page, mine, reference, name):
        assert disabling_page.rows(name) == shown(REPORTED[name](mine, reference))

    def test_heads_are_counted_before_and_after_correction(self, disabling_page, mine, size):
        rows = [row for row in disabling_page.rows("table-significance") if row.get("run", THIS_RUN) == THIS_RUN]
        assert [row["task"] for row in rows] == TASKS[size]
        for row in rows:
            heads = uniform(mine.heads).query("task == @row['task']")
            assert int(row["heads"]) == len(heads)
            for name, column in {"p < .05": "p", "Holm": "holm"}.items():
                clear = heads[heads[column] < SIGNIFICANT]
                assert int(row[f"help, {name}"]) == (clear["mean"] > 0).sum()
                assert int(row[f"cost, {name}"]) == (clear["mean"] < 0).sum()

    def test_the_verdict_on_the_average_head_follows_from_its_interval(self, disabling_page, mine):
        saved = uniform(mine.average).set_index("task")
        for row in disabling_page.rows("table-average"):
            if row["this run"] == MISSING:  # a task of the reference run alone
                continue
            change = saved.loc[row["task"]]
            assert numbers(row["this run"]) == pytest.approx([100 * change[name] for name in CHANGE], abs=0.0051)
            expected = "holds" if change["low"] > 0 else "does not hold" if change["high"] < 0 else "cannot tell"
            assert row["an improvement?"] == expected

    def test_gains_chosen_and_held_out_are_the_saved_ones(self, disabling_page, mine):
        saved = uniform(mine.chosen).set_index("task")
        rows = {row["task"]: row for row in disabling_page.rows("table-chosen")}
        for task, gain in saved.iterrows():
            assert numbers(rows[task]["this run"])[0] == pytest.approx(100 * gain["best"], abs=0.0051)
            assert numbers(rows[task]["this run, held out"])[0] == pytest.approx(100 * gain["mean"], abs=0.0051)


class TestClaims:
    def test_the_answer_is_that_of_the_saved_tables(self, disabling_page, mine, reference):
        assert disabling_page.glued["remains"] == disabling.held_out_summary(mine)
        of_reference = disabling.held_out_summary(reference) if reference else "There is no reference run."
        assert disabling_page.glued["of_reference"] == of_reference

    def test_tasks_on_which_a_head_helps_are_counted_alike(self, disabling_page, mine, size):
        clear = uniform(mine.heads).query("holm < @SIGNIFICANT and mean > 0")
        n_clear = clear["task"].nunique()
        assert f"can be named on {n_clear} of {len(TASKS[size])} tasks" in disabling_page.glued["remains"]
        rows = {row["claim"]: row["this run"] for row in disabling_page.rows("table-disabling-claims")}
        assert rows[disabling.SOME_HEAD].startswith(f"holds: {n_clear},")


@pytest.fixture(scope="module")
def again(notebooks, tiny, tiny_disabling, tmp_path_factory):
    """The page executed again without a reference run, after two results were lost, as by an interruption: the page,
    when each result was written before and after, and those two.
    """
    copy, store = tmp_path_factory.mktemp("again") / "book" / "notebooks", notebooks.parent / "_runs"
    shutil.copytree(notebooks, copy, ignore=shutil.ignore_patterns("*.parquet"))
    model = tiny_disabling.run.provenance["tables"]["disabling_heads"]["made_from"]["checkpoint_fingerprint"]
    own = [[path for made_from, _, path in results(store, kind) if made_from["checkpoint"] == model] for kind in KINDS]
    assert [len(paths) for paths in own] == [len(WAYS) * len(TASKS["tiny"]), len(TASKS["tiny"])]
    lost = {paths[-1] for paths in own}
    for path in lost:
        shutil.rmtree(path)
    before = written(store)
    chosen = {"max_compared": MAX_COMPARED, "store": str(store), "run": "again-disabling"}
    return execute(copy, "07-", **tiny, **TINY_SETUP, **chosen), before, written(store), lost


def written(store):
    return {path: at for _, at, path in results(store, "*")}


class TestAgain:
    def test_only_what_was_lost_is_computed_and_the_same_is_saved(self, again, tiny_disabling):
        page, before, after, lost = again
        check_ran_clean(page)
        assert {path: at for path, at in after.items() if path not in lost} == before
        assert set(after) == set(before) | lost
        for name in tiny_disabling.run.tables():
            pd.testing.assert_frame_equal(page.run.table(name), tiny_disabling.run.table(name))

    def test_without_a_reference_run_its_column_is_empty(self, again, tiny_disabling):
        page, *_ = again
        for name in ("table-disabling-claims", "table-average"):
            assert without(page.rows(name)) == without(tiny_disabling.rows(name))
            assert {row["reference run"] for row in page.rows(name)} == {MISSING}
        assert page.glued == tiny_disabling.glued | {"of_reference": "There is no reference run."}
        assert set(drawn(page, FIGURE_8, "holm")["run"]) == {THIS_RUN}


def test_a_number_of_examples_that_cannot_be_halved_ends_the_page_in_one_line(notebooks, tiny, tiny_disabling):
    with pytest.raises(PapermillExecutionError) as caught:
        execute(notebooks, "07-", **tiny, **TINY_SETUP, max_compared=1, run="refused-disabling")
    assert caught.value.ename == "InputError"
    assert caught.value.evalue == "max_compared is 1; give 0 for all examples, or at least 2"
    assert not tiny_disabling.run.directory.with_name("refused-disabling").exists()
