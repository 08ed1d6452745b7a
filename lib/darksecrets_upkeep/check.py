"""The check of the reference run: the files are as published, and what can be computed anew in half an hour is.

Nothing is read from the store in which the run was made.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from darksecrets.book.progress import stage
from darksecrets.corpora import framenet
from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.errors import InputError
from darksecrets.models.setup import Setup
from darksecrets.overview.reference_run import CHECKS, TUNED_CHECKS, Check
from darksecrets.runs import Run
from darksecrets_upkeep import published, recomputed
from darksecrets_upkeep.comparison import FAILED, OK, Comparison, compared, compared_with_interval, skipped
from darksecrets_upkeep.recomputed import Tables

BESIDE = Path("../shared")  # where data is looked for, from the repository, as the tests do
CORPUS, FRAMES = "glue", "framenet/framenet_v17.tar.xz"
TREEBANKS = "ud"
STORE = "_runs/check"
N_LINKED = 100  # the chapter's default, for a run that does not say
PLACES = ("corpus", "frames", "gold", "checkpoint", "store")


@dataclass(frozen=True)
class Reference:
    """A published run, and where the data for a check of it is; a place that is empty is not there."""

    run: Run
    places: Mapping[str, str]

    def setup(self, table: str) -> Setup:
        """Return the setup that a table was made from; `InputError` where the checkpoint is another one."""
        made_from = self.run.made_from(table)
        setup = recomputed.of_run(made_from, {"corpus": "pocket", **_given(self.places)})
        found = setup.load().fingerprint
        if found != made_from["checkpoint_fingerprint"]:
            wanted = made_from["checkpoint_fingerprint"][:12]
            raise InputError(f"checkpoint {setup.checkpoint!r} is {found[:12]}, but the run's is {wanted}")
        return setup

    def table(self, name: str, **chosen: Any) -> pd.DataFrame:
        """Return a published table's rows that have the `chosen` values, of the columns that it has."""
        table = self.run.table(name)
        for column, value in chosen.items():
            if column in table:
                table = table[table[column].isin(value) if isinstance(value, list) else table[column] == value]
        return table


def given_places(words: Sequence[str]) -> dict[str, str]:
    """Read places as typed, `name=place`; `InputError` for another name."""
    places = {}
    for word in words:
        name, equals, place = word.partition("=")
        if not equals or name not in PLACES:
            raise InputError(f"{word!r} is not a place; accepted are {', '.join(f'{one}=...' for one in PLACES)}")
        places[name] = place
    return places


def found_places(root: Path, run: Run, given: Mapping[str, str]) -> dict[str, str]:
    """Return where data is: as `given`, or in `../shared` beside the repository, or an empty name."""
    treebank = run.made_from(published.ALONE[0]).get("treebank", "")
    beside = {"corpus": CORPUS, "frames": FRAMES, "gold": f"{TREEBANKS}/{treebank}" if treebank else ""}
    places = {name: root / BESIDE / place for name, place in beside.items() if place}
    found = {name: str(place) for name, place in places.items() if place.exists()}
    if framenet.available():
        found["frames"] = "framenet"
    return dict.fromkeys(PLACES, "") | {"store": str(root / STORE)} | found | _given(given)


def check(root: Path, given: Mapping[str, str]) -> list[Comparison]:
    """Check the reference run of the repository at `root`; raises `InputError` for places that are not there."""
    run = Run(root / published.DIRECTORY)
    comparisons = [of_files(run.directory)]
    if comparisons[0].verdict == FAILED:
        return comparisons
    reference = Reference(run, found_places(root, run, given))
    for title, part in PARTS.items():
        with stage(title):
            comparisons += part(reference)
    return comparisons


def of_files(directory: Path) -> Comparison:
    """Check the published files: SHA-256, size, no text."""
    wrong, tables = published.faults(directory), list(directory.glob("*.parquet"))
    size = sum(path.stat().st_size for path in tables) / 1e6
    note = wrong[0] + (f" (and {len(wrong) - 1} more)" if wrong[1:] else "") if wrong else f"{size:.1f} MB, no text"
    return Comparison("files: SHA-256, size, names only", len(tables), verdict=FAILED if wrong else OK, note=note)


def of_pocket_links(reference: Reference) -> Iterator[Comparison]:
    """Check what the pre-trained model attends to in pocket sentences: it needs no data."""
    yield from _part(reference, ["link_follows"], lambda: _pocket_links(reference), "")


def of_frames(reference: Reference) -> Iterator[Comparison]:
    """Check the pre-trained model on FrameNet."""
    place = reference.places["frames"]
    lacking = "" if place else f"{framenet.NAME} is not here: {framenet.INSTALL} (frames=...)"
    yield from _part(reference, _of_group("frame"), lambda: _frames(reference, place), lacking)


def of_parser(reference: Reference) -> Iterator[Comparison]:
    """Check how far the parser agrees with a treebank."""
    gold = reference.places["gold"]
    lacking = "" if gold else "the treebank is not here: name its file (gold=...)"
    yield from _part(reference, published.ALONE, lambda: recomputed.of_parser(gold), lacking)


def of_patterns(reference: Reference) -> Iterator[Comparison]:
    """Check the patterns of the pre-trained model's maps."""
    yield from _on_corpus(reference, "pattern", recomputed.of_patterns)


def of_attention(reference: Reference) -> Iterator[Comparison]:
    """Check what the pre-trained model attends to in the tasks' texts."""
    yield from _on_corpus(reference, "feature", recomputed.of_features)
    yield from _on_corpus(reference, "link", recomputed.of_links)


def of_fine_tuning(reference: Reference) -> Iterator[Comparison]:
    """Fine-tune the smallest task with the run's first seed, and check score and change."""
    lacking = _no_corpus(reference)
    names = [name for name in TUNED_CHECKS if name in reference.run.tables()]
    made_from = reference.run.made_from("tuning_scores")
    setup = None
    if not lacking and made_from:
        setup = reference.setup("tuning_scores")
        same = _same_tasks(setup, made_from, ("train", "dev"))
        lacking = "" if same else "the corpus has other training or validation examples than the run"
        if same:
            task = recomputed.smallest(replace(setup, tasks=same))
            setup = replace(setup, tasks=[task], seeds=list(setup.seeds)[:1])
    if lacking or setup is None:
        why = lacking or "the run has no table tuning_scores"
        yield from (skipped(f"fine-tuning: {TUNED_CHECKS[name].what}", why) for name in TUNED_CHECKS)
        return
    chosen = {"task": setup.tasks[0], "seed": setup.seeds[0], "initialization": "pretrained", "finetuned": True}
    tables = recomputed.of_fine_tuning(setup, made_from)
    prefix = f"fine-tuning {setup.tasks[0]}, seed {setup.seeds[0]}"
    for name in names:
        old, new = reference.table(name, checkpoint=AFTER, **chosen), tables[name]
        is_mean = "seed" not in old and len(made_from["seeds"]) > 1
        yield _compared(TUNED_CHECKS[name], old, new, f"{prefix}: ", compared_with_interval if is_mean else compared)


PARTS: dict[str, Callable[[Reference], Iterator[Comparison]]] = {
    "Links in pocket sentences": of_pocket_links,
    "FrameNet": of_frames,
    "The parser": of_parser,
    "Patterns of the pre-trained model": of_patterns,
    "Attention of the pre-trained model": of_attention,
    "Fine-tuning of a small task": of_fine_tuning,
}


def _pocket_links(reference: Reference) -> Tables:
    n_linked = reference.run.provenance.get("parameters", {}).get("n_linked", N_LINKED)
    return recomputed.of_pocket_links(reference.setup("link_follows"), n_linked)


def _frames(reference: Reference, place: str) -> Tables:
    made_from = reference.run.made_from("frame_heads")
    name = reference.places["checkpoint"] or made_from["checkpoint"]
    setup = Setup(checkpoint=name, store=reference.places["store"])
    return recomputed.of_frames(setup, place, made_from["reading"])


def _on_corpus(reference: Reference, group: str, recompute: Callable[[Setup], Tables]) -> Iterator[Comparison]:
    """Check the tables of a group on those tasks whose validation examples are the run's."""
    names = [name for name in _of_group(group) if name != "link_follows"]
    lacking, tasks, setup = _no_corpus(reference), [], None
    first = next((name for name in names if name in reference.run.tables()), None)
    if first and not lacking:
        setup = reference.setup(first)
        tasks = _same_tasks(setup, reference.run.made_from(first), ("dev",))
        other = [task for task in setup.tasks if task not in tasks]
        lacking = "" if tasks else "the corpus has other validation examples than the run"
        if tasks and other:
            yield skipped(f"{group}: {', '.join(other)}", "the corpus has other validation examples than the run")
            depend = [name for name in names if CHECKS[name].of_all_tasks]
            yield from (skipped(CHECKS[name].what, "it depends on the tasks that are left out") for name in depend)
            names = [name for name in names if name not in depend]
    yield from _part(reference, names, lambda: recompute(replace(setup, tasks=tasks)), lacking, task=tasks)


def _part(
    reference: Reference, names: Sequence[str], recompute: Callable[[], Tables], lacking: str, **chosen: Any
) -> Iterator[Comparison]:
    there = [name for name in names if name in reference.run.tables()]
    yield from (skipped(CHECKS[name].what, f"the run has no table {name}") for name in names if name not in there)
    if lacking:
        yield from (skipped(CHECKS[name].what, lacking) for name in there)
    elif there:
        tables = recompute()
        for name in there:
            yield _compared(CHECKS[name], reference.table(name, checkpoint=BEFORE, **chosen), tables[name])


def _compared(
    check: Check,
    old: pd.DataFrame,
    new: pd.DataFrame,
    prefix: str = "",
    how: Callable[..., Comparison] = compared,
) -> Comparison:
    kept = [column for column in old if column not in ("seed", "rank")]  # ranks of heads follow from their scores
    return how(prefix + check.what, old[kept], new, [name for name in check.key if name in old], check.tolerance)


def _of_group(group: str) -> list[str]:
    return [name for name in CHECKS if name.split("_")[0] == group]


def _no_corpus(reference: Reference) -> str:
    return "" if reference.places["corpus"] else "no corpus: give hub or a GLUE directory (corpus=...)"


def _same_tasks(setup: Setup, made_from: Mapping[str, Any], splits: Sequence[str]) -> list[str]:
    """Return the tasks whose examples in the corpus are those that the run had."""
    return [
        task
        for task in setup.tasks
        if all(setup.split(task, name).fingerprint == made_from["corpus"][task][name] for name in splits)
    ]


def _given(places: Mapping[str, str]) -> dict[str, str]:
    return {name: place for name, place in places.items() if place}
