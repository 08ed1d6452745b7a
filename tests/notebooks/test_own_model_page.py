"""The chapter on one's own model executed, on the book's example and on a model and a file that a reader gives."""

import json
import shutil

import pandas as pd
import pytest
from papermill.exceptions import PapermillExecutionError

from darksecrets.apps.own_report import OwnTables
from darksecrets.models.ablation import SCHEMA
from darksecrets.runs import Run
from tests import own_models
from tests.notebooks.conftest import TINY_SETUP
from tests.notebooks.executed import check_ran_clean, check_shown_and_referred_to, execute

NUMBERED = [
    *("table-own-overview", "figure-own-patterns", "figure-own-pattern-heads", "figure-own-attended"),
    *("figure-own-attended-heads", "figure-own-disabled-heads", "table-own-heads", "figure-own-removal"),
    "table-own-disabled",
]
TRAINING = {name: value for name, value in TINY_SETUP.items() if name != "max_examples"}


@pytest.fixture(scope="module")
def example(notebooks, tiny, tiny_disabling):
    """The page as the book has it: the model is one of the chapter on disabled heads."""
    return execute(notebooks, "11-", **tiny, **TRAINING, max_own=30, run="own-example")


@pytest.fixture(scope="module")
def own(notebooks, tiny, tmp_path_factory):
    """The page with a reader's RoBERTa of five classes and TSV file."""
    model, data = own_models.roberta_with_tsv(tmp_path_factory.mktemp("own"))
    return execute(notebooks, "11-", **tiny, **TRAINING, own_model=model, own_data=data, words="no", run="own-roberta")


@pytest.fixture(params=["example", "own"])
def executed(request):
    return request.getfixturevalue(request.param)


def files(page):
    return page.run.directory.parents[1] / "reports" / page.run.name


def test_every_cell_ran_and_all_that_is_shown_is_numbered(executed):
    check_ran_clean(executed)
    check_shown_and_referred_to(executed)
    assert sorted(executed.published) == sorted(NUMBERED)


def test_the_page_is_written_with_its_heads_and_tables(executed):
    place = files(executed)
    assert "<h1>Heads of " in (place / "index.html").read_text()
    content = json.loads((place / "heads.json").read_text())
    assert content["schema"] == SCHEMA
    tables = OwnTables.find(Run(place / "tables"))
    disabled = {(layer - 1, int(head) - 1) for layer, head in _listed(executed.rows("table-own-disabled"))}
    assert disabled == set(map(tuple, content["disable"]["heads"]))
    row = executed.rows("table-own-heads")[0]
    strongest = tables.heads.loc[tables.heads["mean"].abs().idxmax()]
    assert float(row["change"].split(" [")[0]) == pytest.approx(100 * strongest["mean"], abs=0.0051)


def _listed(rows):
    return [(int(row["layer"]), head) for row in rows if row["layer"] != "none" for head in row["heads"].split(", ")]


def test_applying_the_file_moves_the_output(executed):
    place = files(executed)
    heads = json.loads((place / "heads.json").read_text())["disable"]["heads"]
    assert (float(executed.glued["own_moved"]) > 0) == bool(heads)


def test_the_example_is_a_file_of_three_columns(example, notebooks):
    rows = {row["what"]: row["value"] for row in example.rows("table-own-overview")}
    (path,) = (notebooks.parent / "_runs" / "own").glob("SST-2-*.csv")
    assert list(pd.read_csv(path)) == ["idx", "sentence", "label"]
    assert rows["data"] == path.name
    assert rows["text"] == "column 'sentence' (guessed)"
    assert rows["examples"] == "30 of 200 rows, from 200 lines"
    assert example.glued["own_source"] == "the book's own example"


def test_a_reader_s_model_and_data_take_its_place(own):
    rows = {row["what"]: row["value"] for row in own.rows("table-own-overview")}
    assert "(roberta, 3 layers of 4 heads, 5 classes)" in rows["model"]
    assert rows["data"] == "reviews.tsv"
    assert rows["label"] == "column 'rating' (guessed), read as the model's names"
    assert "Kinds of words were not looked for: so it was asked." in own.glued["own_careful"]
    assert own.glued["own_source"] == "your own"


def test_the_example_s_model_is_not_fine_tuned_again(example, notebooks, tiny, tiny_disabling, tmp_path):
    before = sorted((notebooks.parent / "_runs" / "finetuned").glob("*/result.json"))
    copy = shutil.copytree(notebooks, tmp_path / "book" / "notebooks")
    store = str(notebooks.parent / "_runs")
    again = execute(copy, "11-", **tiny, **TRAINING, max_own=30, store=store, run="own-again")
    assert sorted((notebooks.parent / "_runs" / "finetuned").glob("*/result.json")) == before
    assert again.glued == example.glued


def test_a_wrong_file_ends_the_page_in_one_line(notebooks, tiny, tmp_path):
    model, _ = own_models.bert_with_csv(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    given = {"own_model": model, "own_data": str(tmp_path / "empty.csv")}
    with pytest.raises(PapermillExecutionError) as caught:
        execute(notebooks, "11-", **tiny, **TRAINING, **given, run="own-refused")
    assert caught.value.ename == "InputError"
    assert caught.value.evalue.endswith("is empty; it needs a header and labelled rows")
