"""The chapter on linguistic features executed: what it shows is what stands in its tables."""

import itertools
import re
import shutil

import pandas as pd
import pytest
import torch
from scipy import stats

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.estimates import format_estimate
from darksecrets.figures.publish import MISSING
from darksecrets.models.attention import Batch
from darksecrets.models.feature_attention import FEATURE_COLUMNS, NORM, WEIGHT, from_all, largest
from darksecrets.overview import parsing
from darksecrets.runs import Run
from darksecrets.saved_tables import REFERENCE_RUN, THIS_RUN
from darksecrets.sections import feature_claims, features
from darksecrets.sections.feature_claims import ALL, OF_CLS, FeatureTables
from tests.notebooks.conftest import TASKS, TINY_SETUP
from tests.notebooks.executed import check_ran_clean, defined, execute, per_head, results, shown, without

NUMBERED = [
    *("figure-features", "figure-stripes", "table-features-by-task", "figure-increases", "table-increases"),
    *("figure-norms", "figure-feature-readings", "table-lengths", "table-parser", "table-feature-sure"),
    "table-feature-claims",
]
CASE = ["task", "checkpoint"]
# The verb "left" is called a noun, to be counted as a mistake.
GOLD = """# text = She fed the dogs.
1	She	she	PRON	PRP	_	2	nsubj	_	_
2	fed	feed	VERB	VBD	_	0	root	_	_
3	the	the	DET	DT	_	4	det	_	_
4	dogs	dog	NOUN	NNS	_	2	obj	_	SpaceAfter=No
5	.	.	PUNCT	.	_	2	punct	_	_

# text = They never left.
1	They	they	PRON	PRP	_	3	nsubj	_	_
2	never	never	ADV	RB	_	3	advmod	_	_
3	left	left	NOUN	NN	_	0	root	_	SpaceAfter=No
4	.	.	PUNCT	.	_	3	punct	_	_

"""


@pytest.fixture(scope="module")
def mine(features_page):
    """The tables that the page saved."""
    return FeatureTables.find(features_page.run)


@pytest.fixture(scope="module")
def reference(notebooks):
    """The tables that a reader's copy of the book comes with, if it does."""
    return FeatureTables.find(Run(notebooks / "reference"))


def claims_of(mine, reference):
    """What the library says of the claims that are of this chapter."""
    table = feature_claims.claims_table(mine, reference)
    return shown(table[~table["claim"].isin(OF_CLS)])


def drawn(page, name, *columns):
    """The row of this run behind a figure, and which runs there are."""
    rows = pd.DataFrame(max(page.data(name), key=len))
    own = rows[rows["run"] == THIS_RUN]
    assert not own.duplicated(list(columns)).any()
    return own.set_index(list(columns)).sort_index(), set(rows["run"])


def test_the_short_code_on_the_page_is_what_the_library_computes(features_page):
    received = defined(features_page, "received")
    maps = torch.rand(1, 3, 4, 6, 6, generator=torch.manual_seed(0))
    batch = Batch((), {"attention_mask": torch.ones(1, 6, dtype=torch.long)})
    nouns = ((1, 2), (4,))  # the tokens of each
    library = largest(from_all(maps, batch), [[("noun", pieces) for pieces in nouns]])
    for layer, head in itertools.product(range(3), range(4)):
        weights = maps[0, layer, head].numpy()
        expected = max(received(weights, list(pieces)) for pieces in nouns)
        assert library[0, layer, head, FEATURE_COLUMNS.index("noun")].item() == pytest.approx(expected)
    (cell,) = (cell for cell in features_page.notebook.cells if "def received(" in cell.source)
    shown = cell.outputs[0].data["text/plain"]
    shares = re.findall(r" (\d\.\d+)", shown)
    assert shown.startswith("'[CLS] 0.")
    assert sum(map(float, shares)) == pytest.approx(1, abs=0.001 * len(shares))


class TestFigures:
    def test_all_are_there_in_order(self, features_page):
        assert list(features_page.published) == NUMBERED

    def test_figure_6_has_the_saved_means_of_every_head_and_their_change(self, features_page, mine, reference):
        (rows,) = features_page.data("figure-features")
        heads = per_head(rows)
        assert set(heads["run"]) == {THIS_RUN} | ({REFERENCE_RUN} if reference else set())
        sides = {THIS_RUN: mine} | ({REFERENCE_RUN: reference} if reference else {})
        for run, tables in sides.items():
            key = ["task", "feature", "layer", "head"]
            found = heads[heads["run"] == run].set_index(key)
            means = tables.heads.groupby([*key, "checkpoint"], sort=False, observed=True)["mean"].mean()  # over seeds
            saved = means.unstack("checkpoint")
            for checkpoint in (BEFORE, AFTER):
                assert found[checkpoint].to_dict() == pytest.approx(saved[checkpoint].to_dict(), abs=5.1e-5)
            change = (saved[AFTER] - saved[BEFORE]).to_dict()
            assert found["change"].to_dict() == pytest.approx(change, abs=5.2e-5)

    @pytest.mark.parametrize(
        ("name", "table", "column"), [("figure-stripes", "layers", "feature"), ("figure-norms", "special", "measure")]
    )
    def test_curves_are_the_saved_layers_counted_from_one(self, features_page, mine, reference, name, table, column):
        found, runs = drawn(features_page, name, *CASE, column, "layer")
        saved = getattr(mine, table)
        if column == "feature":
            saved = saved[saved["measure"] == WEIGHT]
        else:
            saved = saved.assign(measure=saved["measure"].map(features.MEASURES))
        saved = saved.assign(layer=saved["layer"] + 1).set_index([*CASE, column, "layer"])
        for side in ("mean", "low", "high"):
            assert found[side].to_dict() == pytest.approx(saved[side].to_dict(), abs=5.1e-5)
        assert runs == {THIS_RUN} | ({REFERENCE_RUN} if reference else set())

    def test_increases_are_hollow_where_the_corrected_p_is_large(self, features_page, mine):
        parts = [pd.DataFrame(rows) for rows in features_page.data("figure-increases") if "feature" in rows[0]]
        found = pd.concat(parts).query("run == @THIS_RUN") if "run" in parts[0] else pd.concat(parts)
        found = found.set_index(["task", "feature"])
        saved = mine.changes[mine.changes["kept"] == ALL].set_index(["task", "feature"])
        assert found["mean"].to_dict() == pytest.approx(saved["mean"].to_dict(), abs=5.1e-5)
        clear = saved["p_corrected"] < features.SIGNIFICANT
        assert (found["clear"] == features.CLEAR).to_dict() == clear.to_dict()

    def test_readings_are_the_saved_ones(self, features_page, mine):
        found, _ = drawn(features_page, "figure-feature-readings", *CASE, "feature")
        saved = mine.readings.set_index([*CASE, "feature"])
        for reading in ("paper", "released"):
            assert found[reading].to_dict() == pytest.approx(saved[reading].to_dict(), abs=5.1e-5)

    def test_unofficial_rows_are_said_in_the_captions_and_official_ones_are_not(self, features_page, size):
        for name in set(NUMBERED) - {"table-parser", "table-feature-claims"}:
            text = features_page.published[name]["text/markdown"]
            assert ("rows instead of the official" in text) == (size == "tiny"), name


class TestProse:
    def test_the_stripe_is_counted_as_in_the_tables(self, features_page, size):
        held, n_tasks = re.search(r"(\d+) of (\d+) tasks", features_page.glued["stripes"]).groups()
        assert int(n_tasks) == len(TASKS[size])
        by_claim = {row["claim"]: row for row in features_page.rows("table-feature-claims")}
        assert by_claim[feature_claims.STRIPES]["this run"].startswith(f"holds: {held},")
        verdicts = [row["verdict"] for row in rows_of_claim(features_page, feature_claims.STRIPES)]
        assert verdicts.count("holds") == int(held)

    def test_the_share_by_norms_is_that_of_the_table(self, features_page, mine):
        shares = [float(number) for number in re.findall(r"(\d+) %", features_page.glued["norms_lower"])]
        means = mine.special[mine.special["checkpoint"] == AFTER].groupby("measure")["mean"].mean()
        assert shares == pytest.approx([100 * means[WEIGHT], 100 * means[NORM]], abs=0.501)

    def test_changed_verdicts_are_those_of_the_table_of_sure_sentences(self, features_page):
        rows = features_page.rows("table-feature-sure")
        n_same, n_compared = (sum(int(row[name]) for row in rows) for name in ("the same", "compared"))
        changed, compared = re.search(r"(\d+) of (\d+)", features_page.glued["sure_changes"]).groups()
        assert (int(changed), int(compared)) == (n_compared - n_same, n_compared)
        assert all((row["changed"] == MISSING) == (row["the same"] == row["compared"]) for row in rows)


def rows_of_claim(page, claim):
    """The rows of a claim, which only the first of them names."""
    rows = page.rows("table-features-by-task")
    start = [row["claim"] for row in rows].index(claim)
    end = next((place for place in range(start + 1, len(rows)) if rows[place]["claim"]), len(rows))
    return rows[start:end]


class TestClaims:
    def test_the_verdict_on_each_task_follows_from_its_interval(self, features_page, mine, size):
        gaps = mine.gaps[(mine.gaps["checkpoint"] == AFTER) & (mine.gaps["kept"] == ALL)]
        for claim in (feature_claims.CLS_EARLY, feature_claims.SEP_LATE, feature_claims.STRIPES, feature_claims.NO_OP):
            saved = gaps[gaps["claim"] == claim]
            rows = rows_of_claim(features_page, claim)
            assert [row["task"] for row in rows] == saved["task"].tolist() == TASKS[size]
            assert [row["difference"] for row in rows] == saved.apply(format_estimate, axis=1).tolist()
            for row, gap in zip(rows, saved.itertuples(), strict=True):
                expected = "holds" if gap.low > 0 else "does not hold" if gap.high < 0 else "cannot tell"
                assert row["verdict"] == expected

    def test_increases_are_the_saved_changes_of_the_papers_features(self, features_page, mine, reference, size):
        rows = features_page.rows("table-increases")
        named = [(feature, task) for feature, task in feature_claims.INCREASES if task in TASKS[size]]
        saved = mine.changes[mine.changes["kept"] == ALL].set_index(["feature", "task"])
        assert [(row["feature"], row["task"]) for row in rows] == [key for key in named if key in saved.index]
        for row in rows:
            key = (row["feature"], row["task"])
            assert numbers(row["this run"]) == pytest.approx(100 * saved.loc[key, ["mean", "low", "high"]], abs=0.0051)
            if reference is not None:
                theirs = reference.changes[reference.changes["kept"] == ALL].set_index(["feature", "task"])
                of_seeds = 100 * theirs.loc[[key], "mean"]
                reach = stats.t.ppf(0.975, len(of_seeds) - 1) * of_seeds.sem()
                expected = [of_seeds.mean(), of_seeds.mean() - reach, of_seeds.mean() + reach]
                assert numbers(row["reference run"]) == pytest.approx(expected, abs=0.0051)
            else:
                assert row["reference run"] == MISSING

    def test_every_claim_of_the_section_stands_beside_its_verdict(self, features_page, mine, reference):
        rows = features_page.rows("table-feature-claims")
        assert rows == claims_of(mine, reference)
        assert feature_claims.STRIPES in [row["claim"] for row in rows]
        assert not {row["claim"] for row in rows} & set(OF_CLS)

    def test_inputs_that_are_too_long_are_counted(self, features_page):
        saved = features_page.run.table("feature_lengths")
        rows = [row for row in features_page.rows("table-lengths") if row["run"] == THIS_RUN]
        assert [row["longer than 128 tokens"] for row in rows] == saved["n_longer"].astype(str).tolist()
        assert [row["task"] for row in rows] == saved["task"].tolist()

    def test_without_gold_the_parser_is_that_of_the_reference_run(self, features_page, notebooks):
        expected = parsing.ud_table(Run(notebooks / "reference").table("parser_agreement"))
        assert features_page.rows("table-parser") == shown(expected)


def numbers(text):
    return [float(number) for number in re.findall(r"[-+]?\d+\.\d+", text)]


@pytest.fixture(scope="module")
def again(notebooks, tiny, tiny_features, tmp_path_factory):
    """The page executed a second time, with gold annotation and without a reference run; and what the store held before
    and after.
    """
    folder = tmp_path_factory.mktemp("again")
    copy = folder / "book" / "notebooks"
    shutil.copytree(notebooks, copy, ignore=shutil.ignore_patterns("*.parquet"))
    (folder / "gold.conllu").write_text(GOLD, encoding="utf-8")
    store = notebooks.parent / "_runs"
    before = results(store, "*")
    chosen = {"gold": str(folder / "gold.conllu"), "store": str(store), "run": "again-features"}
    page = execute(copy, "05-", **tiny, **TINY_SETUP, **chosen)
    return page, before, results(store, "*")


class TestAgain:
    def test_nothing_is_computed_and_the_same_is_saved(self, again, tiny_features):
        page, before, after = again
        check_ran_clean(page)
        assert after == before
        for name in tiny_features.run.tables():
            pd.testing.assert_frame_equal(page.run.table(name), tiny_features.run.table(name))
        without_reference = {"reference_increases": "there is none", "only_pre_trained": "neither reading is there"}
        assert page.glued == tiny_features.glued | without_reference

    def test_the_column_of_the_reference_run_is_empty(self, again, tiny_features):
        page, _, _ = again
        for name in ("table-feature-claims", "table-increases"):
            assert without(page.rows(name)) == without(tiny_features.rows(name))
            assert {row["reference run"] for row in page.rows(name)} == {MISSING}
        assert {row["run"] for row in page.data("figure-features")[0]} == {THIS_RUN}

    def test_the_parser_is_compared_with_the_gold_file(self, again, tiny_features):
        page, _, _ = again
        assert page.run.tables() == sorted([*tiny_features.run.tables(), "parser_agreement"])
        found = page.run.table("parser_agreement")
        every = found[found["kept"] == "all"].set_index("feature")
        assert set(every["compared"]) == {2}
        counted = {"noun": (2, 1), "verb": (1, 2), "pronoun": (2, 2), "object": (1, 1), "negation": (1, 1)}
        assert {name: tuple(every.loc[name, ["gold", "found"]]) for name in counted} == counted
        assert every.loc["noun", ["precision", "recall"]].tolist() == [1, 0.5]
        assert every.loc["verb", ["precision", "recall"]].tolist() == [0.5, 1]
        rows = {row["feature"]: row for row in page.rows("table-parser")}
        assert (rows["noun"]["in gold"], rows["noun"]["precision"], rows["noun"]["recall"]) == ("2", "100.0", "50.0")
