"""The toy book, built once."""

from pathlib import Path

import pytest

from tests.book import toy


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of the built toy book; tests read it and leave it as it is."""
    return toy.built(tmp_path_factory)
