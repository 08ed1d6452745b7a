"""The appendix on the pocket corpus executed small: a tiny BERT, few rows, one seed."""

import pytest

from darksecrets.corpora import glue
from darksecrets.corpora.annotation import FEATURES
from tests.notebooks.executed import CHART, Executed, check_ran_clean, check_shown_and_referred_to, execute

TASKS = ["SST-2", "STS-B", "RTE"]
SMALL = {
    "tasks": TASKS,
    "pocket_train": 40,
    "pocket_dev": 20,
    "pocket_epochs": 1,
    "pocket_rate": 3e-3,
    "precision": "float32",
    "n_parsed": 30,
}
STORE = "../_pocket"  # its own, so that what other chapters keep can be counted


@pytest.fixture(scope="module")
def page(notebooks, tiny_bert) -> Executed:
    """The page with one fine-tuning per task."""
    return execute(notebooks, "A1-", checkpoint=tiny_bert, pocket_seeds=[0], store=STORE, **SMALL)


def test_every_cell_ran_without_a_warning(page):
    check_ran_clean(page)


def test_only_what_is_numbered_is_displayed_and_the_prose_refers_to_all_of_it(page):
    check_shown_and_referred_to(page)


def test_sizes_are_those_that_were_asked_for(page):
    rows = page.rows("table-checks")
    assert [(row["task"], row["train"], row["dev"]) for row in rows] == [(task, "40", "20") for task in TASKS]
    n_sentences = sum(60 * (1 + glue.TASKS[task].is_pair) for task in TASKS)
    assert page.glued["n_sentences"] == str(n_sentences)
    assert page.glued["n_parsed"] == "30"


def test_counts_in_the_prose_are_those_of_the_tables(page):
    checks = page.run.table("pocket_checks")
    assert page.glued["n_repeated"] == str(checks["repeated"].sum())
    assert page.glued["n_alike"] == str(checks["same words in all"].sum())
    verdicts = [row["ahead of bag of words?"] for row in page.rows("table-advantage")]
    assert page.glued["n_ahead"] == str(verdicts.count("holds"))
    assert page.glued["n_tasks"] == str(len(verdicts)) == "3"
    agreement = page.run.table("pocket_agreement").set_index("feature")["mean"]
    features = agreement[agreement.index.isin(FEATURES)]
    assert page.glued["least_feature"] == features.idxmin()
    assert page.glued["least_agreement"] == f"{100 * features.min():.1f} %"


def test_the_chart_shows_the_scores_of_the_table(page):
    (rows,) = page.data("figure-baselines")
    shown = {(row["task"], row["method"]): row["mean"] for row in rows}
    for row in page.rows("table-baselines"):
        for method in ("majority", "bag of words", "with overlap", "fine-tuned"):
            assert float(row[method].split()[0]) == pytest.approx(100 * shown[row["task"], method], abs=0.06)
    scores = page.run.table("pocket_scores").set_index(["task", "method"])["mean"]
    assert shown == pytest.approx(scores.to_dict(), abs=5.1e-5)


def test_gains_are_differences_of_scores(page):
    scores = page.run.table("pocket_scores").set_index(["task", "method"])["mean"]
    gains = page.run.table("pocket_gains")
    assert len(gains) == 9
    for row in gains.itertuples():
        assert row.mean == pytest.approx(scores[row.task, "fine-tuned"] - scores[row.task, row.over])


def test_distances_are_drawn_and_set(page):
    (rows,) = page.data("figure-distances")
    assert {row["relation"] for row in rows} >= {"verb-subject", "verb-object"}
    assert CHART in page.published["figure-distances"]
    assert [row["distance"] for row in page.rows("table-distances")] == [str(distance) for distance in range(1, 9)]


def test_several_seeds_give_an_interval_over_seeds_and_reuse_what_is_there(notebooks, tiny_bert, page):
    trained = notebooks.parent / "_pocket" / "finetuned"
    before = {path.name: path.stat().st_mtime_ns for path in trained.iterdir() if path.is_dir()}
    parameters = SMALL | {"tasks": ["SST-2"], "pocket_seeds": [0, 1], "run": "two"}
    again = execute(notebooks, "A1-", checkpoint=tiny_bert, store=STORE, **parameters)
    after = {path.name: path.stat().st_mtime_ns for path in trained.iterdir() if path.is_dir()}
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()
    assert again.run.table("pocket_scores").groupby("method").size().to_dict() == {
        "majority": 1,
        "bag of words": 1,
        "with overlap": 1,
        "fine-tuned": 2,
    }
