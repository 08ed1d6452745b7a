"""The chapter on patterns executed: what it shows is what stands in its tables."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from papermill.exceptions import PapermillExecutionError
from sklearn.metrics import cohen_kappa_score, f1_score

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.estimates import format_estimate
from darksecrets.figures.publish import MISSING
from darksecrets.runs import Run
from darksecrets.sections import map_labels, patterns
from darksecrets.sections.patterns import AFTER, BEFORE, PatternTables
from tests.notebooks.conftest import SIZES, TASKS, TINY_SETUP
from tests.notebooks.executed import CHART, classified_maps, defined, execute, shown, without

NUMBERED = [
    *("table-annotated", "table-kappa", "table-scores-patterns", "figure-confusion", "table-per-pattern"),
    *("table-rescaled", "figure-typical", "figure-shares", "table-figure-2", "table-direct", "figure-heads"),
    *("figure-layers", "figure-purity", "table-moves", "table-changed", "table-claims-patterns", "table-by-task"),
]


@pytest.fixture(scope="module")
def labels():
    return annotated_maps.load()


@pytest.fixture(scope="module")
def predictions():
    return map_labels.published().query("rescaled_to == 0")


@pytest.fixture
def sentences(patterns_page, labels, predictions):
    """What the library says of the claims, given the tables that the page saved and those of a reference run."""
    maps = map_labels.scores(predictions, labels), patterns.annotated_shares(labels)

    def of(reference):
        return shown(patterns.claims(PatternTables.find(patterns_page.run), *maps, reference))

    return of


def shares_drawn(page):
    """The rows behind Figure 2."""
    (rows,) = page.data("figure-shares")
    return rows


class TestNumbers:
    def test_those_of_the_annotated_maps_are_scikit_learns(self, patterns_page, labels, predictions):
        assert patterns_page.glued["n_maps"] == str(len(labels))
        value, low, high = (float(number) for number in re.findall(r"[\d.]+", patterns_page.glued["kappa"]))
        assert value == pytest.approx(cohen_kappa_score(labels["first"], labels["second"]), abs=0.0051)
        assert low < value < high
        scores = {}
        for method, average in (("network", "macro"), ("network", "weighted"), ("baseline", "macro")):
            of_repeat = []
            for _, group in predictions[predictions["method"] == method].groupby("repeat"):
                guessed = group.set_index("id").loc[labels["id"], list(PATTERNS)].idxmax(axis=1)
                of_repeat.append(f1_score(labels["pattern"], guessed, average=average))
            scores[method, average] = np.mean(of_repeat)
        assert float(patterns_page.glued["macro_f1"]) == pytest.approx(scores["network", "macro"], abs=0.0051)
        assert float(patterns_page.glued["weighted_f1"]) == pytest.approx(scores["network", "weighted"], abs=0.0051)
        ahead = 100 * (scores["network", "macro"] - scores["baseline", "macro"])
        assert float(patterns_page.glued["ahead"].split()[0]) == pytest.approx(ahead, abs=0.51)

    def test_the_correction_on_the_page_is_the_librarys(self, patterns_page):
        observed, confusion = np.array([0.5, 0.3, 0.2]), np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.0, 0.9]])
        shares = defined(patterns_page, "corrected")(observed, confusion)
        assert shares == pytest.approx(patterns.corrected(observed, confusion), abs=1e-6)
        assert shares @ confusion == pytest.approx(observed, abs=1e-6)

    def test_those_of_the_run_are_those_of_its_tables(self, patterns_page):
        glued = patterns_page.glued
        tuned = patterns_page.run.table("pattern_heads").query("checkpoint == @AFTER")["purity"]
        assert glued["median_purity"] == f"{100 * np.median(tuned):.0f} %"
        assert glued["share_pure"] == f"{100 * np.mean(tuned >= 0.9):.0f} %"
        shares = patterns_page.run.table("pattern_shares")
        of_task = shares.query("checkpoint == @AFTER and pattern == 'Heterogeneous'")["mean"]
        ends = list(dict.fromkeys([f"{100 * of_task.min():.0f}", f"{100 * of_task.max():.0f}"]))
        assert glued["heterogeneous_range"] == f"{' to '.join(ends)} %"
        assert glued["wider"] == f"{patterns.widening(shares):.1f}"


class TestFiguresAndTables:
    def test_all_are_there_in_order(self, patterns_page):
        assert list(patterns_page.published) == NUMBERED

    def test_figure_2_carries_the_corrected_and_the_counted_shares(self, patterns_page):
        key = ["task", "checkpoint", "pattern"]
        table = patterns_page.run.table("pattern_shares").set_index(key)
        rows = pd.DataFrame(shares_drawn(patterns_page))
        mine = rows[rows["run"] == "this run"].set_index(key)
        assert len(mine) == len(table)
        for column in ("mean", "low", "high", "observed"):
            assert mine[column].to_dict() == pytest.approx(table[column].to_dict(), abs=5.1e-5)

    def test_heads_and_layers_are_counted_from_one(self, patterns_page):
        (heads,) = patterns_page.data("figure-heads")
        expected = patterns_page.run.table("pattern_heads")
        found = {(row["task"], row["checkpoint"], row["layer"] - 1, row["head"] - 1): row["main"] for row in heads}
        assert found == expected.set_index(["task", "checkpoint", "layer", "head"])["main"].to_dict()
        (layers,) = patterns_page.data("figure-layers")
        expected = patterns_page.run.table("pattern_layers").set_index(["task", "checkpoint", "layer", "pattern"])[
            "mean"
        ]
        found = {(row["task"], row["checkpoint"], row["layer"] - 1, row["pattern"]): row["mean"] for row in layers}
        assert found == pytest.approx(expected.to_dict(), abs=5.1e-5)

    def test_every_head_is_in_one_bar_of_purities(self, patterns_page, size):
        (bars,) = patterns_page.data("figure-purity")
        counted = pd.DataFrame(bars).groupby(["task", "checkpoint"])["heads"].sum().to_dict()
        n_heads = int(np.prod(SIZES[size]))
        expected = {(task, checkpoint): n_heads for task in TASKS[size] for checkpoint in (BEFORE, AFTER)}
        everything = {(patterns.ALL_TASKS, checkpoint): n_heads * len(TASKS[size]) for checkpoint in (BEFORE, AFTER)}
        assert counted == expected | everything

    def test_rows_of_the_confusion_sum_to_one(self, patterns_page):
        (cells,) = patterns_page.data("figure-confusion")
        sums = pd.DataFrame(cells).groupby("true")["share"].sum()
        assert set(sums.index) == set(PATTERNS)
        assert sums.to_numpy() == pytest.approx(1, abs=3e-4)

    def test_typical_maps_are_of_heads_that_show_the_pattern(self, patterns_page, shared_setup):
        found = patterns.classified(shared_setup)
        found = found[found["checkpoint"] == AFTER].set_index(["task", "layer", "head"]).sort_index()
        charts = patterns_page.published["figure-typical"][CHART]["concat"]
        named = [chart["title"]["text"] for chart in charts]
        assert named
        assert named == [pattern for pattern in PATTERNS if pattern in named]
        for chart, cells in zip(charts, patterns_page.data("figure-typical"), strict=True):
            task, layer, head = re.fullmatch(r"(.+), layer (\d+), head (\d+)", chart["title"]["subtitle"]).groups()
            assert chart["title"]["text"] in set(found.loc[(task, int(layer) - 1, int(head) - 1), "pattern"])
            sums = pd.DataFrame(cells).groupby("query")["weight"].sum()
            assert len(sums) <= patterns.MOST_TOKENS
            assert sums.to_numpy() == pytest.approx(1, abs=0.0005 * len(sums))

    def test_moves_count_the_heads_that_the_next_table_says_changed(self, patterns_page, size):
        rows = patterns_page.rows("table-moves")
        counts = np.array([[int(row[pattern]) for pattern in PATTERNS] for row in rows])
        assert [row["before"] for row in rows] == list(PATTERNS)
        n_heads = int(np.prod(SIZES[size]))
        assert counts.sum() == n_heads * len(TASKS[size])
        changed = [row for row in patterns_page.rows("table-changed") if row["quantity"] == patterns.CHANGED]
        assert [row["task"] for row in changed] == TASKS[size]
        assert counts.sum() - np.trace(counts) == round(sum(float(row["mean"]) * n_heads for row in changed))

    def test_direct_shares_are_those_of_the_main_draw(self, patterns_page, labels):
        main = labels[labels["draw"] == "main"].groupby("checkpoint")["pattern"].value_counts()
        for row in patterns_page.rows("table-direct"):
            of_checkpoint = main[row["checkpoint"]]
            assert int(row["n"]) == of_checkpoint.get(row["pattern"], 0)
            assert float(row["mean"]) == pytest.approx(int(row["n"]) / of_checkpoint.sum(), abs=5.1e-4)

    def test_unofficial_rows_are_said_in_the_captions_and_official_ones_are_not(self, patterns_page, size):
        for name in ("figure-typical", "figure-shares", "table-figure-2", "figure-heads", "table-by-task"):
            text = patterns_page.published[name]["text/markdown"]
            assert ("rows instead of the official" in text) == (size == "tiny")


class TestClaims:
    def test_every_sentence_stands_beside_its_verdict(self, patterns_page, sentences, size):
        rows = patterns_page.rows("table-claims-patterns")
        assert without(rows) == without(sentences(None))
        said = [row["paper"] for row in rows]
        of_tasks = [patterns.LIMITED, patterns.BETWEEN, patterns.COMMON, patterns.COMMON_NAMED]
        first_or_last = [sentence for sentence in said if sentence in (patterns.FEWEST, patterns.MOST)]
        rest = [sentence for sentence in said if sentence not in first_or_last]
        assert rest[:5] == [*of_tasks, patterns.ANNOTATED]
        assert len(rest) == 7
        assert all(row["this run"] == MISSING for row in rows if row["paper"] in first_or_last), "no MRPC, no QQP"
        by_task = patterns_page.rows("table-by-task")
        assert [row["task"] for row in by_task] == TASKS[size]
        for row, column in zip(rows, ("limited", "between", "common", "common_named"), strict=False):
            verdicts = [of_task[column] for of_task in by_task]
            counted = [f"{name}: {verdicts.count(name)}" for name in ("holds", "does not hold", "cannot tell")]
            assert row["this run"] == ", ".join(counted)

    def test_figure_2_in_numbers_has_the_shares_and_the_papers_two(self, patterns_page, size):
        shares = patterns_page.run.table("pattern_shares").query("checkpoint == @AFTER")
        rows = patterns_page.rows("table-figure-2")
        assert [(row["task"], row["pattern"]) for row in rows] == list(
            zip(shares["task"], shares["pattern"], strict=True)
        )
        assert [row["this run"] for row in rows] == shares.apply(format_estimate, axis=1).tolist()
        assert {row["paper"] for row in rows} == {MISSING}, "its two are of MRPC and QQP"

    def test_the_reference_column_is_what_the_book_has(self, patterns_page, sentences, notebooks):
        reference = PatternTables.find(Run(notebooks / "reference"))
        assert patterns_page.rows("table-claims-patterns") == sentences(reference)
        assert [row["reference run"] for row in patterns_page.rows("table-figure-2")] == reference_cells(
            patterns_page, reference
        )
        runs = {row["run"] for row in shares_drawn(patterns_page)}
        assert runs == {"this run"} | ({"reference run"} if reference else set())


def reference_cells(page, reference):
    """The reference run's corrected shares for the tasks and patterns of a page."""
    rows = page.rows("table-figure-2")
    if reference is None:
        return [MISSING] * len(rows)
    found = patterns.over_fine_tunings(reference.shares.query("checkpoint == @AFTER"), ["task", "pattern"])
    cells = found.set_index(["task", "pattern"]).apply(format_estimate, axis=1)
    return [cells.get((row["task"], row["pattern"]), MISSING) for row in rows]


def test_again_nothing_is_computed_and_without_a_reference_its_column_is_empty(
    notebooks, tiny, tiny_patterns, tmp_path
):
    store = notebooks.parent / "_runs"
    copy = tmp_path / "book" / "notebooks"
    shutil.copytree(notebooks, copy, ignore=shutil.ignore_patterns("pattern_*"))
    assert PatternTables.find(Run(copy / "reference")) is None
    before = [at for _, at, _ in classified_maps(store)]
    again = execute(copy, "02-", **tiny, **TINY_SETUP, store=str(store), run="again-patterns")
    assert [at for _, at, _ in classified_maps(store)] == before
    assert again.run.tables() == tiny_patterns.run.tables()
    for name in again.run.tables():
        pd.testing.assert_frame_equal(again.run.table(name), tiny_patterns.run.table(name))
    assert again.glued == tiny_patterns.glued
    for name in ("table-claims-patterns", "table-figure-2"):
        rows = again.rows(name)
        assert without(rows) == without(tiny_patterns.rows(name))
        assert {row["reference run"] for row in rows} == {MISSING}
    assert {row["run"] for row in shares_drawn(again)} == {"this run"}


def test_a_wrong_number_ends_in_one_line(notebooks, tiny):
    with pytest.raises(PapermillExecutionError) as caught:
        execute(notebooks, "02-", **tiny, max_examples=-1, store="../_refused-patterns")
    assert caught.value.ename == "InputError"
    assert caught.value.evalue == "max_examples is -1; it must be at least 0"
    assert not (notebooks.parent / "_refused-patterns").exists()
