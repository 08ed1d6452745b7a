"""The reference run: the chapters that measure are executed, and their tables published in notebooks/reference.

What is published is tidy tables and `run.json`, which says what was run, on what, when, and how long each piece took:
the store keeps with every result when it was finished, and in how many seconds.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

from darksecrets.book import contents, parameters
from darksecrets.book.dependencies import library_fingerprint
from darksecrets.book.execute import BUILD, KIND, execute
from darksecrets.book.profiles import PLACES, RUN, STORE, Profile
from darksecrets.book.progress import alone, stage
from darksecrets.corpora import framenet, generated
from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.errors import InputError
from darksecrets.files import replace
from darksecrets.models import keys
from darksecrets.models.setup import Setup
from darksecrets.runs import Run, Store, fingerprint, write_json
from darksecrets_upkeep import published

PROFILE = "reference"
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
Piece = dict[str, Any]


def make(profile: Profile) -> Path:
    """Execute the chapters that measure, and publish their tables; return the directory.

    What the store has is not computed again, so an interrupted run continues. Raises `ExecutionError`, or `InputError`
    for values that no reference run can have.
    """
    check(profile)
    print(f"Reference run {profile.run}")
    with alone(profile.root / BUILD):
        with stage("Execute the chapters that measure"):
            execute(profile, only=contents.measuring(profile.root))
        with stage("Publish the tables"):
            return publish(profile, profile.root / published.DIRECTORY)


def setup(profile: Profile) -> Setup:
    """Return the setup that the chapters of a profile run with."""
    values = profile.from_here()
    return Setup(**{field.name: values[field.name] for field in fields(Setup) if field.name in values})


def check(profile: Profile) -> None:
    """Raise `InputError` for a corpus or frames that are written by the pocket grammar: they are no reference."""
    values = profile.from_here()
    if generated.is_generated(values["corpus"]):
        raise InputError("corpus is pocket, but the reference run is of GLUE: give hub, or corpus=path/to/glue")
    frames = values["frames"]
    if frames == "pocket" or not framenet.available("" if frames in ("auto", "framenet") else frames):
        raise InputError(f"frames is {frames!r}, but the reference run takes {framenet.NAME}: {framenet.INSTALL}")


def publish(profile: Profile, target: Path) -> Path:
    """Copy a run's tables into `target`, in place of those there, and write what they were made from.

    The agreement of the parser with a treebank, which rests on no model, stays where the run has none of its own.
    Raises `InputError` where the run has no tables, too large ones, or words that are no names.
    """
    run, before = Store(profile.store).run(profile.run), Run(target)
    names = [name for name in run.tables() if published.belongs(name)]
    if not names:
        raise InputError(f"run {run.name!r} has no tables to publish; `make reference` makes them")
    if faults := published.contents_faults(run.directory, names):
        raise InputError(f"the reference run cannot be published: {faults[0]}")
    target.mkdir(parents=True, exist_ok=True)
    kept = [name for name in published.ALONE if name not in names and name in before.tables()]
    sources = dict.fromkeys(names, run) | dict.fromkeys(kept, before)
    # What tables were made from is kept once, under a name that the tables refer to (`Run.made_from`).
    records = {name: dict(source.provenance["tables"][name]) for name, source in sources.items()}
    setups = {}
    for name, source in sources.items():
        made_from = source.made_from(name)
        records[name]["made_from"] = key = fingerprint(made_from)[:8]
        setups[key] = made_from
    for name in names:
        replace(target / f"{name}.parquet", partial(shutil.copyfile, run.directory / f"{name}.parquet"))
    for path in target.glob("*.parquet"):
        if path.stem not in records:
            path.unlink()
    content = {"run": PROFILE, **_described(profile), "machine": run.provenance["machine"]}
    write_json(target / "run.json", content | {"setups": setups, "tables": records})
    print(f"{len(records)} tables, {sum(path.stat().st_size for path in target.iterdir()) / 1e6:.1f} MB")
    return target


def _described(profile: Profile) -> dict[str, Any]:
    """Return what was run: parameters, without places; numbers of examples, code, and how long it all took."""
    values, run, measuring = profile.from_here(), setup(profile), contents.measuring(profile.root)
    pages = [page for page in contents.notebooks(profile.root) if page.name in measuring]
    declared = {parameter.name for page in pages for parameter in parameters.of_notebook(page.source)}
    given = {name: value for name, value in profile.values.items() if name in declared - {RUN, STORE}}
    given |= {name: Path(given[name]).name for name in PLACES if given.get(name)}  # of a file or directory, its name
    known = Known.of(run, [values["max_scored"], values["max_released"]], values["n_random"])
    pieces, chapters = of_results(profile.store, known), of_chapters(profile.store, profile.run, measuring)
    return {
        "parameters": given,
        "examples": {task: _examples(run, task) for task in run.tasks},
        "library": library_fingerprint(),
        **when([*pieces, *chapters]),
        "chapters": chapters,
        "durations": pieces,
    }


def _examples(setup: Setup, task: str) -> dict[str, int]:
    """Count the examples of a task: used in training of those there are, scored, and those whose maps are read."""
    train, dev = (setup.split(task, name) for name in ("train", "dev"))
    compared = setup.split(task, "dev", setup.max_examples)
    counts = {"train": len(train.examples), "train_available": train.n_available, "dev": dev.n_available}
    return counts | {"compared": len(compared.examples)}


@dataclass(frozen=True)
class Known:
    """What a result that belongs to a run was made from: models, splits by their fingerprints, recipe, seeds."""

    checkpoints: Mapping[str, str]  # of an initialization: its fingerprint
    trains: Mapping[str, str]  # of a split's fingerprint: its task
    devs: Mapping[str, str]
    recipe: Mapping[str, Any]
    seeds: Mapping[str, Sequence[int]]  # of an initialization

    @classmethod
    def of(cls, setup: Setup, dev_sizes: Sequence[int], n_random: int = 0) -> Self:
        """Describe a setup; validation examples are taken in these sizes (0 = all), besides the setup's own.

        `n_random` is how many of the seeds also start from random weights, 0 all of them.
        """
        sizes = {0, setup.max_examples, *dev_sizes}
        return cls(
            {name: setup.load(name).fingerprint for name in ("pretrained", "random")},
            {setup.split(task, "train").fingerprint: task for task in setup.tasks},
            {setup.split(task, "dev", size).fingerprint: task for task in setup.tasks for size in sizes},
            asdict(setup.recipe),
            {"pretrained": setup.seeds, "random": setup.seeds[: n_random or None]},
        )

    def piece(self, kind: str, made_from: Mapping[str, Any]) -> Piece | None:
        """Return what a result is, task, seed and so on; None where it is no part of the run."""
        origin = keys.read(made_from)
        start = origin.initialization or "pretrained"
        is_part = (
            origin.checkpoint in (None, self.checkpoints[start])
            and (origin.train is None or (origin.train in self.trains and origin.recipe == self.recipe))
            and (origin.dev is None or origin.dev in self.devs)
            and (origin.seed is None or origin.seed in self.seeds[start])
        )
        if not is_part:
            return None
        told = {
            "what": KINDS[kind],
            "task": self.trains.get(origin.train) or self.devs.get(origin.dev),
            "seed": origin.seed,
            "initialization": origin.initialization,
            "checkpoint": (AFTER if origin.train else BEFORE) if origin.dev else None,
            "detail": made_from.get("reading", made_from.get("instead")),
        }
        return {name: value for name, value in told.items() if value is not None}


def of_results(store: Path, known: Known) -> list[Piece]:
    """List the results of a run: what, task, seed, initialization, checkpoint and detail (a reading, or a way to
    disable) where they apply; seconds; finished.
    """
    records = [(kind, record) for kind in KINDS for record in Store(store).records(kind)]
    return _latest([(known.piece(kind, record["ingredients"]), record) for kind, record in records])


def of_chapters(store: Path, run: str, pages: Sequence[str]) -> list[Piece]:
    """List the chapters that were executed for a run, with all that was computed in them: page, seconds, finished."""
    found = []
    for record in Store(store).records(KIND):
        page, values = (record["ingredients"][name] for name in ("page", "parameters"))
        found.append(({"page": page} if page in pages and values.get("run") == run else None, record))
    return _latest(found)


def _latest(found: Sequence[tuple[Piece | None, Mapping[str, Any]]]) -> list[Piece]:
    """Give pieces of the run their times; of equal ones, as older versions of an analysis leave, the last is kept."""
    ordered = sorted((one for one in found if one[0]), key=lambda one: one[1]["finished"])
    last = {tuple(piece.items()): (piece, record) for piece, record in ordered}
    return [piece | {name: record[name] for name in ("seconds", "finished")} for piece, record in last.values()]


def when(pieces: Sequence[Piece]) -> dict[str, Any]:
    """Return when the first piece began, when the last ended, and the seconds in which something was computed."""
    ends = [datetime.fromisoformat(piece["finished"]) for piece in pieces]
    spans = sorted((end - timedelta(seconds=piece["seconds"]), end) for piece, end in zip(pieces, ends, strict=True))
    if not spans:
        return {}
    busy, reached = timedelta(), spans[0][0]
    for start, end in spans:
        busy += max(end - max(start, reached), timedelta())
        reached = max(reached, end)
    begun = spans[0][0].isoformat(timespec="seconds")
    return {"started": begun, "finished": reached.isoformat(timespec="seconds"), "busy_seconds": busy.total_seconds()}
