"""The appendix on the protocol executed on a run that has some chapters, and on one that does not exist yet."""

import re

import pytest

from darksecrets.overview import protocol
from darksecrets.runs import Run, Store
from darksecrets.sections import feature_claims
from darksecrets.sections.features import feature_weights
from tests.feature_tables import features_of
from tests.notebooks.executed import Executed, check_ran_clean, check_shown_and_referred_to, execute, shown

STORE = "../_protocol"


@pytest.fixture(scope="module", params=["mine", "nothing"])
def page(request, notebooks) -> Executed:
    """The page of a run that has the chapter on features only, and of one that has none."""
    run = Store(notebooks / STORE).run("mine")
    feature_claims.feature_tables(feature_weights(features_of())).save(run)
    return execute(notebooks, "A3-", store=STORE, run=request.param)


def test_every_cell_ran_without_a_warning_and_the_prose_refers_to_what_is_shown(page):
    check_ran_clean(page)
    check_shown_and_referred_to(page)


def test_effects_are_those_of_the_tables(page, notebooks):
    reference = Run(notebooks / "reference")
    expected = protocol.effects_table(page.run, reference).drop(columns="see")
    found = [{name: cell for name, cell in row.items() if name != "see"} for row in page.rows("table-protocol-effects")]
    assert found == shown(expected)
    for note in protocol.NOTES:
        assert page.glued[note.name] == protocol.describe(note, page.run, reference)
    assert page.glued["lacking"] == protocol.lacking(page.run)


def test_notes_link_to_where_they_are_shown(page):
    text = page.published["table-protocol-effects"]["text/markdown"]
    links = re.findall(r"\{numref\}`([\w-]+)`", text)
    assert links == [name for note in protocol.NOTES for name in note.see]


def test_charts_hold_both_runs_or_the_reference_alone(page, notebooks):
    (changes,) = [rows for rows in page.data("figure-protocol-changes") if "what" in rows[0]]
    runs = {row["run"] for row in changes}
    assert runs == ({"this run", "reference run"} if page.run.tables() else {"reference run"})
    assert page.glued["answer"].startswith("in this run" if page.run.tables() else "in the reference run")
