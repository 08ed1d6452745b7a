"""The browser, and the two books it reads: the toy book, and the real one where it has been built."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.book import toy
from tests.browser.reader import chromium, served
from tests.conftest import ROOT

IN_CI = os.environ.get("CI") == "true"


def _missing(reason: str) -> None:
    """Say loudly that a part is missing: a skip on a desk, a failure in CI."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The machine's chromium."""
    if shutil.which("chromium") is None:
        _missing("chromium is not installed: apt-get install chromium")
    with chromium() as started:
        yield started


@pytest.fixture(scope="session", params=["toy", "real"])
def html(request: pytest.FixtureRequest) -> Path:
    """The built pages of the toy book, then those of DARKSECRETS_HTML or _build/html."""
    if request.param == "toy":
        return toy.built(request.getfixturevalue("tmp_path_factory")) / "_build/html"
    built = Path(os.environ.get("DARKSECRETS_HTML") or ROOT / "_build" / "html")
    if not (built / "index.html").is_file():
        _missing(f"there is no built book in {built}; run `make book`, or set DARKSECRETS_HTML")
    return built


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    """The book's address on 127.0.0.1."""
    with served(html) as where:
        yield where
