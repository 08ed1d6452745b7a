"""Notebooks executed once and read by many tests: a tiny BERT on a small GLUE, and MiniLM on real GLUE."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from darksecrets.book.execute import KERNEL_ENVIRONMENT
from tests.conftest import LEARNABLE, NOT_SOURCE, ROOT, write_task
from tests.notebooks.executed import Executed, execute

TINY = {"max_scored": 60, "max_examples": 50, "max_released": 10, "epochs": 6, "learning_rate": 3e-3}
REAL = {"max_train": 64, "max_scored": 40, "max_examples": 40, "max_released": 5, "epochs": 1}


@pytest.fixture(scope="session")
def kernel_environment() -> Iterator[None]:
    """The variables that the book sets for its kernels, DARKSECRETS_HEADLESS among them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KERNEL_ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory, kernel_environment: None) -> Path:
    """A copy of notebooks/, in which kernels run."""
    folder = tmp_path_factory.mktemp("book") / "notebooks"
    return shutil.copytree(ROOT / "notebooks", folder, ignore=NOT_SOURCE)


@pytest.fixture(scope="session")
def small_glue(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A GLUE directory with three tasks that a tiny model can learn."""
    root = tmp_path_factory.mktemp("corpus") / "glue"
    for task in LEARNABLE:
        write_task(root, task)
    return str(root)


@pytest.fixture(scope="session")
def tiny(tiny_bert: str, small_glue: str) -> dict[str, object]:
    """Parameters of the small run."""
    return {"checkpoint": tiny_bert, "corpus": small_glue, "tasks": list(LEARNABLE)}


@pytest.fixture(scope="session")
def tiny_methodology(notebooks: Path, tiny: dict[str, object]) -> Executed:
    """The chapter on Section 3, small, with a recipe of its own."""
    return execute(notebooks, "01-", **tiny, epochs=6, batch_size=8, learning_rate=3e-3)


@pytest.fixture(scope="session")
def tiny_finetuning(notebooks: Path, tiny: dict[str, object]) -> Executed:
    """The chapter on Section 4.3, small, with one fine-tuning per task."""
    return execute(notebooks, "04-", **tiny, **TINY)


@pytest.fixture(scope="session")
def real(glue: str) -> dict[str, object]:
    """Parameters of the run with real weights on real GLUE."""
    return {"checkpoint": "minilm", "corpus": glue, "tasks": ["RTE", "SST-2"]}


@pytest.fixture(scope="session")
def real_methodology(notebooks: Path, real: dict[str, object]) -> Executed:
    """The chapter on Section 3 with MiniLM on real GLUE."""
    return execute(notebooks, "01-", **real)


@pytest.fixture(scope="session")
def real_finetuning(notebooks: Path, real: dict[str, object]) -> Executed:
    """The chapter on Section 4.3 with MiniLM on a little of real GLUE."""
    return execute(notebooks, "04-", **real, **REAL, run="real")


CHAPTERS = ("tiny_methodology", "tiny_finetuning", "real_methodology", "real_finetuning")


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.glue] * name.startswith("real")) for name in CHAPTERS])
def chapter(request: pytest.FixtureRequest) -> Executed:
    """Every chapter in both sizes."""
    return request.getfixturevalue(request.param)
