"""Notebooks executed once and read by many tests: a tiny BERT on a small GLUE, and MiniLM on real GLUE."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from darksecrets.book.kernels import ENVIRONMENT
from darksecrets.models import attended
from darksecrets.models.attended import Attended
from darksecrets.models.setup import Setup
from darksecrets.runs import Run
from darksecrets.sections import links
from tests.conftest import LEARNABLE, NOT_SOURCE, ROOT, write_task
from tests.notebooks.executed import Executed, execute

# Of the chapters that share fine-tunings.
ALIKE = {"batch_size": 32, "precision": "float32"}
TINY_SETUP = ALIKE | {"max_train": 0, "max_examples": 50, "epochs": 6, "learning_rate": 3e-3}
REAL_SETUP = ALIKE | {"max_train": 64, "max_examples": 40, "epochs": 1, "learning_rate": 0.0}
TINY = TINY_SETUP | {"max_scored": 60, "max_released": 10}
REAL = REAL_SETUP | {"max_scored": 40, "max_released": 5}
N_LINKED = 12  # pocket sentences for each link and distance
MAX_COMPARED = 12  # examples answered with zero, mean, and many heads disabled
TASKS = {"tiny": ["RTE", "STS-B", "SST-2"], "real": ["RTE", "SST-2"]}
SIZES = {"tiny": (3, 4), "real": (6, 12)}  # layers, heads


@pytest.fixture(scope="module", params=["tiny", pytest.param("real", marks=pytest.mark.glue)])
def size(request: pytest.FixtureRequest) -> str:
    """Both sizes in which a chapter is executed."""
    return request.param


@pytest.fixture(scope="session")
def kernel_environment() -> Iterator[None]:
    """The variables that the book sets for its kernels, DARKSECRETS_HEADLESS among them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
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
    return {"checkpoint": tiny_bert, "corpus": small_glue, "tasks": TASKS["tiny"]}


@pytest.fixture(scope="session")
def tiny_methodology(notebooks: Path, tiny: dict[str, object]) -> Executed:
    """The chapter on Section 3, small, with a recipe of its own."""
    return execute(notebooks, "01-", **tiny, epochs=6, batch_size=8, learning_rate=3e-3)


@pytest.fixture(scope="session")
def tiny_finetuning(notebooks: Path, tiny: dict[str, object]) -> Executed:
    """The chapter on Section 4.3, small, with one fine-tuning per task."""
    return execute(notebooks, "04-", **tiny, **TINY)


@pytest.fixture(scope="session")
def tiny_patterns(notebooks: Path, tiny: dict[str, object]) -> Executed:
    """The chapter on Section 4.1, small, on the models of the chapter on Section 4.3."""
    return execute(notebooks, "02-", **tiny, **TINY_SETUP, run="patterns")


@pytest.fixture(scope="session")
def tiny_relations(notebooks: Path, tiny_bert: str) -> Executed:
    """The chapter on Section 4.2, with a tiny model, on frames of the pocket corpus."""
    return execute(notebooks, "03-", checkpoint=tiny_bert, frames="pocket", run="relations")


@pytest.fixture(scope="session")
def tiny_features(notebooks: Path, tiny: dict[str, object]) -> Executed:
    """The chapter on Section 4.4, small, on the models of the chapter on Section 4.3."""
    return execute(notebooks, "05-", **tiny, **TINY_SETUP, run="features")


@pytest.fixture(scope="session")
def tiny_links(notebooks: Path, tiny: dict[str, object]) -> Executed:
    """The chapter on Section 4.5, small, on the models of the chapter on Section 4.3."""
    return execute(notebooks, "06-", **tiny, **TINY_SETUP, n_linked=N_LINKED, run="links")


@pytest.fixture(scope="session")
def tiny_disabling(notebooks: Path, tiny: dict[str, object]) -> Executed:
    """The chapter on Section 4.6, small, on the models of the chapter on Section 4.3."""
    return execute(notebooks, "07-", **tiny, **TINY_SETUP, max_compared=MAX_COMPARED, run="disabling")


@pytest.fixture(scope="session")
def real(glue: str) -> dict[str, object]:
    """Parameters of the run with real weights on real GLUE."""
    return {"checkpoint": "minilm", "corpus": glue, "tasks": TASKS["real"]}


@pytest.fixture(scope="session")
def real_methodology(notebooks: Path, real: dict[str, object]) -> Executed:
    """The chapter on Section 3 with MiniLM on real GLUE."""
    return execute(notebooks, "01-", **real, batch_size=32, learning_rate=0.0)


@pytest.fixture(scope="session")
def real_finetuning(notebooks: Path, real: dict[str, object]) -> Executed:
    """The chapter on Section 4.3 with MiniLM on a little of real GLUE."""
    return execute(notebooks, "04-", **real, **REAL, run="real")


@pytest.fixture(scope="session")
def real_patterns(notebooks: Path, real: dict[str, object]) -> Executed:
    """The chapter on Section 4.1 with MiniLM on a little of real GLUE, on the models of the chapter on Section 4.3."""
    return execute(notebooks, "02-", **real, **REAL_SETUP, run="real-patterns")


@pytest.fixture(scope="session")
def real_relations(notebooks: Path) -> Executed:
    """The chapter on Section 4.2 with MiniLM, on frames of the pocket corpus."""
    return execute(notebooks, "03-", checkpoint="minilm", frames="pocket", run="real-relations")


@pytest.fixture(scope="session")
def real_features(notebooks: Path, real: dict[str, object]) -> Executed:
    """The chapter on Section 4.4 with MiniLM on a little of real GLUE, on the models of the chapter on Section 4.3."""
    return execute(notebooks, "05-", **real, **REAL_SETUP, run="real-features")


@pytest.fixture(scope="session")
def real_links(notebooks: Path, real: dict[str, object]) -> Executed:
    """The chapter on Section 4.5 with MiniLM on a little of real GLUE, on the models of the chapter on Section 4.3."""
    return execute(notebooks, "06-", **real, **REAL_SETUP, n_linked=N_LINKED, run="real-links")


@pytest.fixture(scope="session")
def real_disabling(notebooks: Path, real: dict[str, object]) -> Executed:
    """The chapter on Section 4.6 with MiniLM on a little of real GLUE, on the models of the chapter on Section 4.3."""
    return execute(notebooks, "07-", **real, **REAL_SETUP, max_compared=MAX_COMPARED, run="real-disabling")


@pytest.fixture(scope="session")
def tiny_discussion(
    notebooks: Path,
    tiny: dict[str, object],
    tiny_patterns: Executed,
    tiny_relations: Executed,
    tiny_finetuning: Executed,
    tiny_features: Executed,
    tiny_links: Executed,
    tiny_disabling: Executed,
) -> Executed:
    """The Discussion, small, on the tables of the other chapters."""
    chapters = (tiny_patterns, tiny_relations, tiny_finetuning, tiny_features, tiny_links, tiny_disabling)
    gathered = Run(notebooks.parent / "_runs/runs/discussion")
    for run in (chapter.run for chapter in chapters):
        for name in run.tables():
            gathered.save(name, run.table(name), **run.made_from(name))
    return execute(notebooks, "08-", **tiny, **TINY_SETUP, run="discussion")


@pytest.fixture(scope="session")
def real_discussion(notebooks: Path, real: dict[str, object], real_disabling: Executed) -> Executed:
    """The Discussion with MiniLM on a little of real GLUE, of a run that has the chapter on disabling alone."""
    shutil.copytree(real_disabling.run.directory, notebooks.parent / "_runs/runs/real-discussion")
    return execute(notebooks, "08-", **real, **REAL_SETUP, run="real-discussion")


@pytest.fixture(scope="module")
def patterns_page(size: str, request: pytest.FixtureRequest) -> Executed:
    """The chapter on Section 4.1 in both sizes."""
    return request.getfixturevalue(f"{size}_patterns")


@pytest.fixture(scope="module")
def relations_page(size: str, request: pytest.FixtureRequest) -> Executed:
    """The chapter on Section 4.2 in both sizes."""
    return request.getfixturevalue(f"{size}_relations")


@pytest.fixture(scope="module")
def features_page(size: str, request: pytest.FixtureRequest) -> Executed:
    """The chapter on Section 4.4 in both sizes."""
    return request.getfixturevalue(f"{size}_features")


@pytest.fixture(scope="module")
def links_page(size: str, request: pytest.FixtureRequest) -> Executed:
    """The chapter on Section 4.5 in both sizes."""
    return request.getfixturevalue(f"{size}_links")


@pytest.fixture(scope="module")
def disabling_page(size: str, request: pytest.FixtureRequest) -> Executed:
    """The chapter on Section 4.6 in both sizes."""
    return request.getfixturevalue(f"{size}_disabling")


@pytest.fixture(scope="module")
def shared_setup(size: str, request: pytest.FixtureRequest, notebooks: Path) -> Setup:
    """The setup of the chapters that share fine-tunings, by the library."""
    chosen = {"tiny": TINY_SETUP, "real": REAL_SETUP}[size]
    return Setup(**request.getfixturevalue(size), **chosen, store=notebooks.parent / "_runs")


@pytest.fixture(scope="module")
def found(features_page: Executed, shared_setup: Setup) -> Attended:
    """What the store holds of the attention to words, once the chapters on Sections 4.4 and 4.5 have measured it."""
    return attended.measured(shared_setup)


@pytest.fixture(scope="module")
def diagonal(found: Attended) -> pd.Series:
    """How diagonal each head is: the larger of its mean attention to the token before and to the one after."""
    sides = found.diagonal.groupby(["task", "checkpoint", "layer", "head"], observed=True)[["previous", "next"]].mean()
    return sides.max(axis=1)


@pytest.fixture(scope="module")
def far_apart(shared_setup: Setup) -> pd.DataFrame:
    """The pre-trained model's attention in pocket sentences, measured as the chapter on Section 4.5 does."""
    return links.measure_pocket(shared_setup, N_LINKED)


NAMES = ("methodology", "patterns", "relations", "finetuning", "features", "links", "disabling", "discussion")
CHAPTERS = tuple(f"{size}_{name}" for size in ("tiny", "real") for name in NAMES)


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.glue] * name.startswith("real")) for name in CHAPTERS])
def chapter(request: pytest.FixtureRequest) -> Executed:
    """Every chapter in both sizes."""
    return request.getfixturevalue(request.param)
