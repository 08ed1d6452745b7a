"""The reference run: the chapters that measure are executed, and their tables published in notebooks/reference.

What is published is tidy tables and `run.json`, which says what was run, on what, when, and how long each piece took.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from darksecrets.book import contents, parameters
from darksecrets.book.execute import BUILD, execute, library_fingerprint
from darksecrets.book.profiles import PLACES, RUN, STORE, Profile
from darksecrets.book.progress import alone, stage
from darksecrets.corpora import framenet, generated
from darksecrets.errors import InputError
from darksecrets.files import replace
from darksecrets.models.setup import Setup
from darksecrets.runs import Run, Store, fingerprint, write_json
from darksecrets_upkeep import durations, published
from darksecrets_upkeep.durations import Known, Piece

PROFILE = "reference"


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
    run = Store(profile.store).run(profile.run)
    names = [name for name in run.tables() if published.belongs(name)]
    if not names:
        raise InputError(f"run {run.name!r} has no tables to publish; `make reference` makes them")
    if faults := published.contents_faults(run.directory, names):
        raise InputError(f"the reference run cannot be published: {faults[0]}")
    target.mkdir(parents=True, exist_ok=True)
    before = Run(target)
    sources = [(run, name) for name in names]
    sources += [(before, name) for name in published.ALONE if name not in names and name in before.tables()]
    records = {name: _record(source, name) for source, name in sources}
    for name in names:
        replace(target / f"{name}.parquet", partial(shutil.copyfile, run.directory / f"{name}.parquet"))
    for path in target.glob("*.parquet"):
        if path.stem not in records:
            path.unlink()
    content = {"run": PROFILE, **_described(profile), "machine": run.provenance["machine"], **_shared(records)}
    write_json(target / "run.json", content)
    print(f"{len(records)} tables, {sum(path.stat().st_size for path in target.iterdir()) / 1e6:.1f} MB")
    return target


def _record(run: Run, name: str) -> dict[str, Any]:
    return run.provenance["tables"][name] | {"made_from": run.made_from(name)}


def _shared(records: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Keep what tables were made from once, under a name that the tables refer to (`Run.made_from`)."""
    keys = {name: fingerprint(record["made_from"])[:8] for name, record in records.items()}
    setups = {keys[name]: record["made_from"] for name, record in records.items()}
    return {"setups": setups, "tables": {name: record | {"made_from": keys[name]} for name, record in records.items()}}


def _described(profile: Profile) -> dict[str, Any]:
    """Say what was run: parameters, numbers of examples, code, and how long it all took."""
    values, run = profile.from_here(), setup(profile)
    known = Known.of(run, [values["max_scored"], values["max_released"]], values["n_random"])
    pieces = durations.of_results(profile.store, known)
    of_chapters = durations.of_chapters(profile.store, profile.run, contents.measuring(profile.root))
    return {
        "parameters": _parameters(profile),
        "examples": {task: _examples(run, task) for task in run.tasks},
        "library": library_fingerprint(),
        **_when([*pieces, *of_chapters]),
        "chapters": of_chapters,
        "durations": pieces,
    }


def _parameters(profile: Profile) -> dict[str, Any]:
    """Return the values that the chapters were given, without places: of a file or directory, its name."""
    measuring = contents.measuring(profile.root)
    pages = [page for page in contents.notebooks(profile.root) if page.name in measuring]
    declared = {parameter.name for page in pages for parameter in parameters.of_notebook(page.source)}
    kept = {name: value for name, value in profile.values.items() if name in declared - {RUN, STORE}}
    return kept | {name: Path(kept[name]).name for name in PLACES if kept.get(name)}


def _examples(setup: Setup, task: str) -> dict[str, int]:
    """Count the examples of a task: used in training of those there are, scored, and those whose maps are read."""
    train, dev = (setup.split(task, name) for name in ("train", "dev"))
    return {
        "train": len(train.examples),
        "train_available": train.n_available,
        "dev": dev.n_available,
        "compared": len(setup.split(task, "dev", setup.max_examples).examples),
    }


def _when(pieces: Sequence[Piece]) -> dict[str, Any]:
    """Return when the first piece began, when the last ended, and the seconds in which something was computed."""
    spans = sorted(_spans(pieces))
    if not spans:
        return {}
    busy, reached = timedelta(), spans[0][0]
    for start, end in spans:
        busy += max(end - max(start, reached), timedelta())
        reached = max(reached, end)
    begun = spans[0][0].isoformat(timespec="seconds")
    return {"started": begun, "finished": reached.isoformat(timespec="seconds"), "busy_seconds": busy.total_seconds()}


def _spans(pieces: Sequence[Piece]) -> Iterator[tuple[datetime, datetime]]:
    for piece in pieces:
        end = datetime.fromisoformat(piece["finished"])
        yield end - timedelta(seconds=piece["seconds"]), end
