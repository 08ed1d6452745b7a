"""Pieces of a run are found in a store that also holds those of others."""

import json

import pytest

from darksecrets_upkeep import reference
from darksecrets_upkeep.reference import Known, when

RECIPE = {"learning_rate": 1e-4, "epochs": 3}
KNOWN = Known(
    checkpoints={"pretrained": "p", "random": "r"},
    trains={"train-rte": "RTE"},
    devs={"dev-rte": "RTE", "dev-rte-100": "RTE"},
    recipe=RECIPE,
    seeds={"pretrained": (0, 1, 2), "random": (0,)},
)
TUNED = {"checkpoint": "p", "train": "train-rte", "recipe": RECIPE, "seed": 1}
MEASURED = {"checkpoint": "p", "training": ["train-rte", RECIPE, 2], "dev": "dev-rte"}
PREDICTED = {"checkpoint": "p", "initialization": "pretrained", "training": ["train-rte", RECIPE], "seed": 0}


@pytest.fixture
def store(tmp_path):
    def put(kind, ingredients, seconds=60.0, finished="2026-01-01T12:00:00+00:00"):
        directory = tmp_path / kind / str(len(list(tmp_path.rglob("result.json"))))
        directory.mkdir(parents=True)
        record = {"ingredients": ingredients, "seconds": seconds, "finished": finished, "files": {}}
        (directory / "result.json").write_text(json.dumps(record))
        return tmp_path

    return put


@pytest.mark.parametrize(
    ("kind", "made_from", "expected"),
    [
        (
            "finetuned",
            TUNED | {"initialization": "pretrained", "task": "RTE"},
            {"what": "fine-tuning", "task": "RTE", "seed": 1, "initialization": "pretrained"},
        ),
        (
            "finetuned",
            TUNED | {"checkpoint": "r", "initialization": "random", "seed": 0},
            {"what": "fine-tuning", "task": "RTE", "seed": 0, "initialization": "random"},
        ),
        (
            "predictions",
            PREDICTED | {"dev": "dev-rte"},
            {
                "what": "predictions",
                "task": "RTE",
                "seed": 0,
                "initialization": "pretrained",
                "checkpoint": "fine-tuned",
            },
        ),
        (
            "predictions",
            PREDICTED | {"dev": "dev-rte", "training": None},
            {
                "what": "predictions",
                "task": "RTE",
                "seed": 0,
                "initialization": "pretrained",
                "checkpoint": "pre-trained",
            },
        ),
        (
            "similarity",
            TUNED | {"dev": "dev-rte-100", "reading": "released"},
            {"what": "similarity", "task": "RTE", "seed": 1, "checkpoint": "fine-tuned", "detail": "released"},
        ),
        (
            "disabled",
            MEASURED | {"instead": "zero"},
            {"what": "disabled", "task": "RTE", "seed": 2, "checkpoint": "fine-tuned", "detail": "zero"},
        ),
        (
            "patterns",
            MEASURED | {"training": None},
            {"what": "patterns", "task": "RTE", "checkpoint": "pre-trained"},
        ),
        ("framenet", {"index": "i"}, {"what": "frames"}),
    ],
)
def test_each_kind_of_result_says_what_it_is(store, kind, made_from, expected):
    (piece,) = reference.of_results(store(kind, made_from), KNOWN)
    assert piece == expected | {"seconds": 60.0, "finished": "2026-01-01T12:00:00+00:00"}


@pytest.mark.parametrize(
    ("kind", "made_from"),
    [
        ("finetuned", TUNED | {"seed": 3}),
        ("finetuned", TUNED | {"train": "another"}),
        ("finetuned", TUNED | {"recipe": RECIPE | {"epochs": 1}}),
        ("finetuned", TUNED | {"checkpoint": "another"}),
        ("finetuned", TUNED | {"checkpoint": "r", "initialization": "random"}),  # the second seed, of one at random
        ("patterns", MEASURED | {"dev": "another"}),
        ("patterns", MEASURED | {"training": ["train-rte", RECIPE, 7]}),
        ("learning", TUNED),
    ],
)
def test_what_another_run_left_is_not_taken(store, kind, made_from):
    assert reference.of_results(store(kind, made_from), KNOWN) == []


def test_of_two_versions_of_a_result_the_last_counts(store):
    store("attended", MEASURED | {"version": 1}, 10.0, "2026-01-01T10:00:00+00:00")
    root = store("attended", MEASURED | {"version": 2}, 20.0, "2026-01-01T11:00:00+00:00")
    (piece,) = reference.of_results(root, KNOWN)
    assert piece["seconds"] == 20.0


def test_chapters_of_a_run_are_listed_once(store):
    for page, run, seconds in (("02", "mine", 1.0), ("02", "other", 2.0), ("A1", "mine", 3.0), ("02", "mine", 4.0)):
        finished = f"2026-01-01T10:00:0{seconds:.0f}+00:00"
        root = store("notebook", {"page": page, "parameters": {"run": run}}, seconds, finished)
    (chapter,) = reference.of_chapters(root, "mine", ["02", "03"])
    assert (chapter["page"], chapter["seconds"]) == ("02", 4.0)


def test_time_counts_once_where_pieces_ran_side_by_side_and_not_where_nothing_ran():
    at = "2026-01-01T{}:00+00:00"
    pieces = [
        {"seconds": 600, "finished": at.format("10:10")},
        {"seconds": 300, "finished": at.format("10:12")},
        {"seconds": 60, "finished": at.format("10:05")},
        {"seconds": 60, "finished": at.format("15:00")},
    ]
    told = when(pieces)
    assert told["busy_seconds"] == (12 + 1) * 60
    assert (told["started"], told["finished"]) == (at.format("10:00"), at.format("15:00"))
    assert when([]) == {}
