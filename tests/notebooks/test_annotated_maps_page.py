"""The appendix on the annotated maps executed as it is: it trains nothing, and what it says is read from the set."""

import base64
import io
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from papermill.exceptions import PapermillExecutionError
from PIL import Image
from sklearn.metrics import cohen_kappa_score

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.figures import map_pictures
from darksecrets.figures.publish import MISSING
from darksecrets.sections import map_labels
from tests.notebooks.executed import WIDGET, Executed, check_ran_clean, check_shown_and_referred_to, defined, execute

STORE = "../_annotated"
FIGURES = ("figure-clear", "figure-borderline-columns", "figure-borderline-lines", "figure-differences")


@pytest.fixture(scope="module")
def page(notebooks) -> Executed:
    """The page of a reader who has labelled nothing yet."""
    return execute(notebooks, "A2-", store=STORE)


@pytest.fixture(scope="module")
def labels() -> pd.DataFrame:
    """The set, by the library."""
    return annotated_maps.load()


def test_every_cell_ran_without_a_warning(page):
    check_ran_clean(page)


def test_only_what_is_numbered_is_displayed_and_the_prose_refers_to_all_of_it(page):
    check_shown_and_referred_to(page)


def test_the_annotator_leaves_no_widget_and_no_file(page, notebooks):
    assert "widgets" not in page.notebook.metadata
    assert not [output for output in page.outputs if WIDGET in output.get("data", {})]
    assert not (notebooks / STORE / "my-labels.csv").exists()
    assert page.rows("table-own") == [{"file": "my-labels.csv", "kappa": MISSING}]


def test_three_lines_without_the_library_load_what_the_library_loads(page, labels, tmp_path):
    (source,) = [cell.source for cell in page.notebook.cells if cell.source.startswith("folder = ")]
    shutil.copytree(annotated_maps.DIRECTORY, tmp_path / "copy")
    lines = source.splitlines()
    found = {"pd": pd, "np": np, "folder": tmp_path / "copy"}
    exec("\n".join(lines[1:]), found)  # the page's own lines, on a copy of the folder
    pd.testing.assert_frame_equal(found["maps"], labels)
    np.testing.assert_allclose(found["first_map"], annotated_maps.attention_maps(labels)[0].weights)
    assert len(lines) == 3
    assert page.glued["shape"] == " x ".join(map(str, found["first_map"].shape))


def test_the_kappa_on_the_page_is_the_librarys(page, labels):
    kappa = defined(page, "kappa")(labels["first"], labels["second"])
    assert kappa == pytest.approx(map_labels.agreement(labels)["kappa"][0])


def test_counts_sum_to_the_number_of_maps(page, labels):
    n_maps = int(page.glued["n_maps"])
    assert n_maps == len(labels) >= 500
    given = page.rows("table-given")
    assert [row["pattern"] for row in given] == list(PATTERNS)
    for column in ("first", "second", "agreed"):
        assert sum(int(row[column]) for row in given) == n_maps
    for row in given:
        assert int(row["main"]) + int(row["supplement"]) == int(row["agreed"]) >= 20
        assert int(row["agreed"]) == (labels["pattern"] == row["pattern"]).sum()


def test_sources_sum_to_their_last_row(page, labels):
    *tasks, everything = page.rows("table-sources")
    assert [row["task"] for row in tasks] == ["MRPC", "STS-B", "SST-2", "QQP", "RTE", "QNLI", "MNLI"]
    counted = [column for column in everything if "tokens" not in column and column != "task"]
    for column in counted:
        assert int(everything[column]) == sum(int(row[column]) for row in tasks)
    assert everything["maps"] == str(len(labels))
    for row in (*tasks, everything):
        assert int(row["maps"]) == sum(int(row[column]) for column in counted if column != "maps")
    assert page.glued["longest"] == everything["tokens, max"]


def test_kappa_is_the_librarys_and_scikit_learns(page, labels):
    library = map_labels.agreement(labels)
    pd.testing.assert_frame_equal(page.run.table("annotation_agreement"), library)
    value, low, high = (float(number) for number in re.findall(r"[\d.]+", page.glued["kappa"]))
    assert value == pytest.approx(cohen_kappa_score(labels["first"], labels["second"]), abs=0.0051)
    assert [value, low, high] == pytest.approx(library.loc[0, ["kappa", "low", "high"]].tolist(), abs=0.0051)
    shown = [float(row["kappa"]) for row in page.rows("table-kappa-annotators")]
    assert shown == pytest.approx(library["kappa"].tolist(), abs=5.1e-4)
    assert float(page.rows("table-sittings")[-1]["kappa"]) == shown[0]


def test_sittings_have_the_kappa_of_their_maps(page, labels):
    *sittings, _ = page.rows("table-sittings")
    assert sum(int(row["maps"]) for row in sittings) == len(labels)
    for row in sittings:
        part = labels[labels["sitting"] == int(row["sitting"])]
        assert float(row["kappa"]) == pytest.approx(cohen_kappa_score(part["first"], part["second"]), abs=5.1e-4)
        assert float(row["alike"]) == pytest.approx((part["first"] == part["second"]).mean(), abs=5.1e-4)


def test_what_is_off_the_diagonal_was_decided(page, labels):
    cross = [[int(cell) for cell in list(row.values())[1:]] for row in page.rows("table-cross")]
    decided = page.rows("table-decisions")
    n_differ = np.sum(cross) - np.trace(cross)
    assert np.sum(cross) == len(labels)
    assert n_differ == int(page.glued["n_differ"]) == sum(int(row["maps"]) for row in decided)
    assert all(int(row["maps"]) == sum(int(row[to]) for to in ("former", "latter", "third")) for row in decided)
    assert page.glued["commonest"] == decided[0]["labels"]
    assert int(page.glued["n_commonest"]) == max(int(row["maps"]) for row in decided)
    assert int(page.glued["n_third"]) == sum(int(row["third"]) for row in decided)
    assert float(page.glued["share_differ"].removesuffix(" %")) == pytest.approx(
        100 * n_differ / len(labels), abs=0.051
    )


@pytest.mark.parametrize("name", FIGURES)
def test_pictures_are_there_and_in_words(page, name):
    data = page.published[name]
    markdown = data["text/markdown"]
    assert markdown.startswith(f"````{{figure}} data:image/png;base64,{data['image/png']}\n")
    assert re.search(r'^:alt: ".{60,}"$', markdown, re.MULTILINE)
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.width > 3 * map_pictures.SMALL_SIDE
    assert len(image.convert("RGB").getcolors(1_000_000)) > 100, "the picture shows no maps"


def test_every_example_of_the_guideline_is_shown_once_with_its_reason(page):
    examples = annotated_maps.examples()
    rows = [*page.rows("table-clear"), *page.rows("table-borderline")]
    found = {int(row["number"]): (row["label"], row["reason"]) for row in rows}
    assert len(rows) == len(examples)
    assert found == {row.id: (row.pattern, row.reason) for row in examples.itertuples()}
    words = "; ".join(alt_of(page, name) for name in FIGURES[:3])
    for number, (label, _) in found.items():
        assert len(re.findall(rf"\b{number} {re.escape(label)}(?![+\w])", words)) == 1


def test_the_last_clear_map_has_its_bright_column_beside_a_separator():
    examples = annotated_maps.examples()
    (last,) = annotated_maps.attention_maps(examples[examples["case"] == "clear"].tail(1))
    brightest = int(last.weights.mean(axis=0).argmax())
    assert brightest not in (0, *last.sep_positions)
    assert min(abs(brightest - position) for position in last.sep_positions) == 1


def test_maps_shown_as_differing_do_differ(page, labels):
    shown = re.findall(r"(\d+) first: (\S+), second: (\S+), agreed: ([\w+]+)", alt_of(page, "figure-differences"))
    assert 9 <= len(shown) <= 12
    by_number = labels.set_index("id")
    for number, *given in shown:
        assert given == by_number.loc[int(number), ["first", "second", "pattern"]].tolist()
        assert given[0] != given[1]


def test_a_readers_labels_are_compared_with_the_agreed_ones(notebooks, labels, tmp_path):
    path = tmp_path / "mine.csv"
    some = labels[["id", "second"]].head(80).rename(columns={"second": "label"})
    some.to_csv(path, index=False)
    page = execute(notebooks, "A2-", store=STORE, own_labels=str(path), annotator="a reader", run="own")
    expected = cohen_kappa_score(some["label"], labels["pattern"].head(80))
    (row,) = page.rows("table-own")
    assert row["file"] == "mine.csv"
    assert float(row["kappa"]) == pytest.approx(expected, abs=0.0051)
    assert len(pd.read_csv(path)) == 80


def test_labels_that_cannot_be_read_end_in_one_line(notebooks, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("id,label\n0,Vertcal\n")
    with pytest.raises(PapermillExecutionError) as caught:
        execute(notebooks, "A2-", store=STORE, own_labels=str(path), run="wrong")
    assert caught.value.ename == "InputError"
    assert "label 'Vertcal' is unknown" in caught.value.evalue
    assert "\n" not in caught.value.evalue


def alt_of(page, name):
    """The words that stand for a picture."""
    return re.search(r'^:alt: "(.*)"$', page.published[name]["text/markdown"], re.MULTILINE).group(1)
