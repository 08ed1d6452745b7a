"""Keys of results: what is in somebody's store is found again by the library of tomorrow."""

from dataclasses import replace

import pytest

from darksecrets.files import fingerprint
from darksecrets.models import keys, per_model
from darksecrets.models.keys import Origin
from darksecrets.models.setup import Setup

RECIPE = {
    "learning_rate": 1e-4,
    "epochs": 3,
    "batch_size": 32,
    "weight_decay": 0.01,
    "warmup": 0.1,
    "max_length": 128,
    "precision": "float32",
}
TUNED = Origin("c", None, "t", RECIPE, 3, "d")
# What was made from what, and the directory that it has in every store since the first reference run.
KEPT = {
    "finetuned": (
        {"version": 1, "task": "RTE", **keys.trained(TUNED._replace(initialization="random", dev=None))},
        "733a97af990816734118fdfc",
    ),
    "similarity": ({"version": 2, "reading": "released", **keys.trained(TUNED)}, "fbef46055d9446cf270ad556"),
    "patterns": ({"version": 1, "classifier": "f", **keys.measured(TUNED)}, "349e55f8ae9622a8339c9d60"),
    "patterns, untrained": (
        {"version": 1, "classifier": "f", **keys.measured(Origin("c", dev="d"))},
        "5147fe920070dba87fac3875",
    ),
    "predictions": (
        {"version": 1, **keys.predicted(TUNED._replace(initialization="pretrained"))},
        "874b5d89fa0fd1059e9450e8",
    ),
    "predictions, untrained": (
        {"version": 1, **keys.predicted(Origin("c", "pretrained", seed=3, dev="d"))},
        "5742edc34dc159569e13fd0d",
    ),
}


@pytest.mark.parametrize(("made_from", "directory"), KEPT.values(), ids=KEPT)
def test_a_key_is_what_it_always_was(made_from, directory):
    assert fingerprint(made_from)[:24] == directory


@pytest.mark.parametrize(
    ("form", "origin"),
    [
        (keys.trained, TUNED),
        (keys.measured, TUNED),
        (keys.measured, Origin("c", dev="d")),
        (keys.predicted, TUNED._replace(initialization="random")),
        (keys.predicted, Origin("c", "random", seed=3, dev="d")),
    ],
)
def test_what_was_written_is_read_whatever_its_form(form, origin):
    assert keys.read({"version": 1, **form(origin)}) == origin


def test_a_setup_has_one_store_and_says_what_its_results_are_made_from(tiny_bert, tmp_path):
    setup = Setup(tiny_bert, "pocket:40/20", ["RTE"], seeds=[5], max_examples=10, store=tmp_path)
    assert setup.results is replace(setup, seeds=[6]).results
    before, after = (per_model._origin(setup, case) for case in per_model.cases(setup))
    dev = setup.split("RTE", "dev", 10).fingerprint
    assert before == Origin(setup.load().fingerprint, "pretrained", dev=dev)
    assert after == before._replace(train=setup.split("RTE", "train").fingerprint, recipe=vars(setup.recipe), seed=5)
