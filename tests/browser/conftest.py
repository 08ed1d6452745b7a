"""The browser, and the two books it reads: the toy book, and the real one, built small where it has not been built."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.book import toy
from tests.browser.reader import chromium, served
from tests.conftest import NOT_SOURCE, ROOT

# A corner of the profile `pocket`: every page with everything on it, in less than a minute. The appendix has the sizes
# of the other chapters, and thus finds its models in the store.
SMALL = {
    "tasks": "RTE,STS-B,SST-2",
    "corpus": "pocket:48/30",
    "max_examples": 20,
    "max_released": 3,
    "max_compared": 8,
    "epochs": 1,
    "pocket_train": 48,
    "pocket_dev": 30,
    "pocket_seeds": 0,
    "pocket_epochs": 1,
    "n_parsed": 40,
    "n_linked": 12,
    "frames": "pocket",
}
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
    """The built pages of the toy book, then those of DARKSECRETS_HTML or _build/html, or else a small real book."""
    temporary = request.getfixturevalue("tmp_path_factory")
    if request.param == "toy":
        return toy.built(temporary) / "_build/html"
    built = Path(os.environ.get("DARKSECRETS_HTML") or ROOT / "_build" / "html")
    return built if (built / "index.html").is_file() else _small_book(temporary.mktemp("small"))


def _small_book(root: Path) -> Path:
    """Build the book's own chapters, with MiniLM, on a small pocket corpus."""
    shutil.copytree(ROOT / "notebooks", root / "notebooks", ignore=NOT_SOURCE)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, root)
    command = [sys.executable, "-m", "darksecrets", "book", "--profile", "pocket"]
    command += [f"{name}={value}" for name, value in SMALL.items()]
    subprocess.run(command, cwd=root, check=True)
    return root / "_build" / "html"


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    """The book's address on 127.0.0.1."""
    with served(html) as where:
        yield where
