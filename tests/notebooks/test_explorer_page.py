"""The explorer's page executed: it shows a recorded state, computed as the library computes it, and no widget."""

import base64
import re
from xml.etree import ElementTree

import pytest

from darksecrets.apps import exploration
from darksecrets.figures.publish import MISSING
from darksecrets.heads import head_name
from darksecrets.models.setup import Setup
from darksecrets.sections import disabling
from darksecrets.sections.disabling import DisablingTables
from tests.notebooks.conftest import TASKS, TINY_SETUP
from tests.notebooks.executed import CHART, WIDGET, check_ran_clean, check_shown_and_referred_to, execute

BESIDE = "change of the score"
PUBLISHED = [
    *("table-explorer-input", "figure-explorer-maps", "figure-explorer-map", "table-explorer-features"),
    *("table-explorer-answers", "table-explorer-effects", "figure-explorer-similarity"),
    *("figure-explorer-lines", "figure-explorer-model"),
]


@pytest.fixture(scope="module")
def page(notebooks, tiny, tiny_disabling):
    """The page on the models and tables of the chapter on Section 4.6, small."""
    return execute(notebooks, "10-", **tiny, **TINY_SETUP, run="disabling")


@pytest.fixture(scope="module")
def without_tables(notebooks, tiny, tiny_disabling):
    """The page of a run that has no table of disabled heads, and another task first."""
    return execute(notebooks, "10-", **{**tiny, "tasks": ["STS-B", "RTE"]}, **TINY_SETUP, run="no-tables")


@pytest.fixture(scope="module")
def recorded(notebooks, tiny, page):
    """The state that the page recorded, by the library."""
    setup = Setup(**tiny, **TINY_SETUP, store=notebooks.parent / "_runs")
    return exploration.most_moved(setup, TASKS["tiny"][0])


def svg(page, name):
    """The drawing that a figure holds."""
    source = page.published[name]["text/markdown"].splitlines()[0].split("base64,")[1]
    return ElementTree.fromstring(base64.b64decode(source))


def test_all_is_shown_in_order_and_nobody_warns(page):
    check_ran_clean(page)
    check_shown_and_referred_to(page)
    assert list(page.published) == PUBLISHED


def test_no_widget_is_stored(page):
    assert "widgets" not in page.notebook.metadata
    assert not any(WIDGET in output.get("data", {}) for output in page.outputs)


def test_the_page_stays_small(page):
    assert sum(len(bundle["text/markdown"]) for bundle in page.published.values()) < 3e6


def test_the_input_and_the_answer_are_those_of_the_recorded_state(page, recorded):
    assert [row["text"] for row in page.rows("table-explorer-input")] == [
        *(recorded.first, recorded.second, " ".join(recorded.tokens))
    ]
    assert page.glued["chosen"] == head_name(*next(iter(recorded.disabled)))
    assert page.glued["explorer_finding"] == exploration.finding(recorded)
    answers = recorded.answers()
    for row, expected in zip(page.rows("table-explorer-answers"), answers.itertuples(), strict=True):
        assert row["answer"] == expected.answer
        for column in ("undisturbed", "disabled"):
            assert float(row[column]) == pytest.approx(getattr(expected, column), abs=1e-4)


def test_effects_stand_beside_the_score_of_the_run(page, recorded):
    effects = recorded.effects().head(5)
    tables = DisablingTables.find(page.run)
    rows = page.rows("table-explorer-effects")
    expected = disabling.head_effects_table(effects, recorded.task, tables)
    assert [row["head"] for row in rows] == expected["head"].tolist()
    assert [row[BESIDE] for row in rows] == expected[BESIDE].tolist()
    heads = tables.heads.query("task == @recorded.task and instead == 'uniform'").set_index(["layer", "head"])
    for row in rows:
        layer, head = (int(number) - 1 for number in row["head"].split("-"))
        change = float(row[BESIDE].split(" ")[0])
        assert change == pytest.approx(100 * heads.loc[(layer, head), "mean"], abs=0.0051)
        assert float(row["after"]) - float(row["before"]) == pytest.approx(float(row["change"]), abs=2e-3)


def test_a_run_without_tables_is_told_by_dashes(without_tables):
    check_ran_clean(without_tables)
    assert {row[BESIDE] for row in without_tables.rows("table-explorer-effects")} == {MISSING}
    assert "moves the score from" in without_tables.glued["explorer_finding"]
    assert len(without_tables.rows("table-explorer-answers")) == 1


def test_drawings_have_all_heads_and_the_disabled_one_is_crossed_out(page):
    maps = svg(page, "figure-explorer-maps")
    titles = [title.text for title in maps.iter("{http://www.w3.org/2000/svg}title")]
    assert len([title for title in titles if re.fullmatch(r"layer \d, head \d", title or "")]) == 12
    crosses = [path for path in maps.iter("{http://www.w3.org/2000/svg}path") if path.get("stroke") == "#000000"]
    assert len(crosses) == 1
    numbers = [text.text for text in svg(page, "figure-explorer-similarity").iter("{http://www.w3.org/2000/svg}text")]
    assert sum(bool(re.fullmatch(r"\d\.\d\d", number)) for number in numbers) == 12


def test_the_map_that_is_drawn_large_is_the_undisturbed_one(page, recorded):
    (head,) = recorded.disabled
    weights = recorded.read(exploration.AFTER).maps[head]
    (rows,) = page.published["figure-explorer-map"][CHART]["datasets"].values()
    assert [row["weight"] for row in rows] == pytest.approx(weights.ravel().tolist(), abs=6e-4)


def test_bertviz_loads_nothing(page):
    for name in ("figure-explorer-lines", "figure-explorer-model"):
        assert not re.search(r"\b(?:src|href)\s*=\s*(?:&quot;|&#x27;)?https?:", page.published[name]["text/markdown"])
