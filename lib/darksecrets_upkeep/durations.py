"""How long the pieces of a run took, from the records that the store keeps with its results."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.models.setup import Setup
from darksecrets.runs import Store

# Kinds of results in the store, and what `run.json` calls them. Parsing is part of "attended", which asks for it.
KINDS = {
    "finetuned": "fine-tuning",
    "predictions": "predictions",
    "similarity": "similarity",
    "patterns": "patterns",
    "attended": "attended",
    "disabled": "disabled",
    "removed": "removed",
    "repeated": "repeated",
    "framenet": "frames",
}
NOTEBOOK = "notebook"
RANDOM = "random"
Piece = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What a result that belongs to a run was made from: models, splits by their fingerprints, recipe, seeds."""

    checkpoints: Mapping[str, str]  # of an initialization: its fingerprint
    trains: Mapping[str, str]  # of a split's fingerprint: its task
    devs: Mapping[str, str]
    recipe: Mapping[str, Any]
    seeds: Sequence[int]
    n_random: int

    @classmethod
    def of(cls, setup: Setup, dev_sizes: Sequence[int], n_random: int = 0) -> Self:
        """Describe a setup; validation examples are taken in these sizes (0 = all), besides the setup's own.

        `n_random` is how many of the seeds also start from random weights, 0 all of them.
        """
        sizes = {0, setup.max_examples, *dev_sizes}
        return cls(
            {name: setup.load(name).fingerprint for name in ("pretrained", RANDOM)},
            {setup.split(task, "train").fingerprint: task for task in setup.tasks},
            {setup.split(task, "dev", size).fingerprint: task for task in setup.tasks for size in sizes},
            asdict(setup.recipe),
            setup.seeds,
            n_random or len(setup.seeds),
        )

    def piece(self, kind: str, made_from: Mapping[str, Any]) -> Piece | None:
        """Return what a result is, task, seed and so on; None where it is no part of the run."""
        training = made_from.get("training") or [made_from.get("train"), made_from.get("recipe"), made_from.get("seed")]
        train, recipe, seed = training[0], training[1], (*training, made_from.get("seed"))[2]
        dev, initialization = made_from.get("dev"), made_from.get("initialization")
        fits = (
            made_from.get("checkpoint") in (None, self.checkpoints[initialization or "pretrained"])
            and (train is None or (train in self.trains and recipe == self.recipe))
            and (dev is None or dev in self.devs)
            and (seed is None or seed in (self.seeds[: self.n_random] if initialization == RANDOM else self.seeds))
        )
        if not fits:
            return None
        reads_model = "dev" in made_from
        found = {
            "what": KINDS[kind],
            "task": self.trains.get(train) or self.devs.get(dev),
            "seed": seed,
            "initialization": initialization,
            "checkpoint": (AFTER if train else BEFORE) if reads_model else None,
            "detail": made_from.get("reading", made_from.get("instead")),
        }
        return {name: value for name, value in found.items() if value is not None}


def of_results(store: Path, known: Known) -> list[Piece]:
    """List the results of a run: what, task, seed, initialization, checkpoint and detail (a reading, or a way to
    disable) where they apply; seconds; finished. Of equal ones, as older versions of an analysis leave, the last.
    """
    found = []
    for kind in KINDS:
        for record in Store(store).records(kind):
            piece = known.piece(kind, record["ingredients"])
            if piece is not None:
                found.append(piece | {"seconds": record["seconds"], "finished": record["finished"]})
    return _latest(found)


def of_chapters(store: Path, run: str, pages: Sequence[str]) -> list[Piece]:
    """List the chapters that were executed for a run, with all that was computed in them: page, seconds, finished."""
    found = [
        {"page": page, "seconds": record["seconds"], "finished": record["finished"]}
        for record in Store(store).records(NOTEBOOK)
        if (page := record["ingredients"]["page"]) in pages and record["ingredients"]["parameters"].get("run") == run
    ]
    return _latest(found)


def _latest(pieces: list[Piece]) -> list[Piece]:
    ordered = sorted(pieces, key=lambda piece: piece["finished"])
    measured = ("seconds", "finished")
    last = {tuple((name, value) for name, value in piece.items() if name not in measured): piece for piece in ordered}
    return list(last.values())
