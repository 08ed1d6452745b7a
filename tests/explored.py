"""A tiny model fine-tuned on a small corpus, for the tests of the exploration and of its widgets."""

import pytest

from darksecrets.models.setup import Setup
from tests.conftest import LEARNABLE, write_task

TASKS = ("RTE", "STS-B", "SST-2")
FIRST, SECOND = "Nobody saw the old dog by the door.", "The dog was not seen."


@pytest.fixture(scope="session")
def explored_setup(tiny_bert, tmp_path_factory):
    """Three tasks of a small corpus, a tiny BERT, and a store that its classifiers are kept in."""
    folder = tmp_path_factory.mktemp("explored")
    for task in LEARNABLE:
        write_task(folder / "glue", task, 60)
    recipe = {"epochs": 4, "batch_size": 8, "learning_rate": 3e-3}
    return Setup(tiny_bert, str(folder / "glue"), TASKS, (0,), **recipe, store=folder / "_runs")
