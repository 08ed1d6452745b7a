"""`python -m darksecrets compare`: what it says of whole and partial runs, and that its page needs nothing else."""

import shutil

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from click.testing import CliRunner

from darksecrets.__main__ import main
from darksecrets.overview import claims
from darksecrets.overview.claims import CLAIMS, NOT_ASKED
from darksecrets.overview.discussion import RunTables
from darksecrets.runs import Run
from tests import audit
from tests.conftest import ROOT

REFERENCE = ROOT / "notebooks/reference"
NASTY = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def partial(tmp_path_factory):
    """A run that has Section 4.3 alone, under a name that is markup."""
    directory = tmp_path_factory.mktemp("runs") / NASTY.replace("/", "")
    directory.mkdir()
    shutil.copy(REFERENCE / "run.json", directory)
    for path in REFERENCE.glob("tuning_*.parquet"):
        shutil.copy(path, directory)
    return directory


@pytest.fixture
def type_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, ["compare", *words], catch_exceptions=False)


def test_a_claim_has_its_verdict_or_says_what_is_missing(type_in, partial, tmp_path):
    result = type_in(str(REFERENCE), str(partial))
    assert result.exit_code == 0
    assert result.stdout == "The comparison is in comparison/index.html\n"
    table = pd.read_parquet(tmp_path / "comparison/comparison.parquet")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "comparison/comparison.csv", dtype={"section": str}), table)
    assert len(table) == 2 * len(CLAIMS)
    whole, part = (rows.set_index("number") for _, rows in table.groupby("run", sort=False))
    tuning = whole["section"] == "4.3"
    assert (whole.loc[tuning, ["verdict", "evidence"]] == part.loc[tuning, ["verdict", "evidence"]]).all(axis=None)
    known = claims.judgements(RunTables.find(Run(REFERENCE)))
    for row in whole[whole["claim"].isin(known)].itertuples():
        assert (row.verdict, row.evidence) == known[row.claim][:2]
    missing = part[part["section"] == "4.6"]
    assert set(missing["verdict"]) == {NOT_ASKED}
    assert set(missing["evidence"]) == {"the run has no tables of 07-disabling-heads"}
    both = part[part["section"] == "4.5"]["evidence"]
    assert set(both) == {"the run has no tables of 06-token-to-token, 05-linguistic-features"}


def test_the_page_has_every_claim_and_escapes_what_people_named(type_in, partial, tmp_path):
    type_in(str(REFERENCE), str(partial))
    text = (tmp_path / "comparison/index.html").read_text()
    tree = BeautifulSoup(text, "html.parser")
    assert not tree.find_all("script")
    assert "<script>alert(1)<script>" in tree.find(id="table-runs").get_text()
    assert "script-src" not in tree.find("meta", {"http-equiv": True})["content"]
    assert list(audit.loads(tree)) == []
    rows = tree.select(".matrix tbody tr")
    assert len(rows) == len(CLAIMS)
    for row, claim in zip(rows, CLAIMS, strict=True):
        assert row.th.get_text().partition(". ")[2] == claim.sentence
        assert all(cell.get_text()[2:] in ("holds", "does not hold", "cannot tell", NOT_ASKED) for cell in row("td"))
        assert len(row("td")) == 2


WRONG = {
    "twice": ((str(REFERENCE), str(REFERENCE)), f"run '{REFERENCE}' is given more than once; give each once"),
    "garbled": (("garbled",), "run 'garbled': pattern_"),
    "output": ((str(REFERENCE), "--output", "file"), "output 'file' is a file; give a directory"),
}


@pytest.mark.parametrize(("words", "line"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_line_and_exit_code_2(type_in, tmp_path, words, line):
    (tmp_path / "file").touch()
    (tmp_path / "garbled").mkdir()
    shutil.copy(REFERENCE / "run.json", tmp_path / "garbled")
    (tmp_path / "garbled" / "pattern_shares.parquet").write_text("no table")
    result = type_in("--store", "_runs", *words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {line}".rstrip("; "))
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "comparison").exists()
