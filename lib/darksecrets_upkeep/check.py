"""The check of the reference run: the files are as published, and what can be computed anew in half an hour is.

Nothing is read from the store in which the run was made.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

# Where data is looked for, from the repository, as the tests do.
BESIDE = {"corpus": "../shared/glue", "frames": "../shared/framenet/framenet_v17.tar.xz"}
TREEBANKS = "../shared/ud"
STORE = "_runs/check"
N_LINKED = 100  # the chapter's default, for a run that does not say
PLACES = ("corpus", "frames", "gold", "checkpoint", "store")
OTHER_EXAMPLES = "the corpus has other validation examples than the run"


@dataclass(frozen=True)
class Reference:
    """A published run, and where the data for a check of it is; a place that is empty is not there."""

    run: Run
    places: Mapping[str, str]

    def setup(self, table: str) -> Setup:
        """Return the setup that a table was made from; `InputError` where the checkpoint is another one."""
        made_from = self.run.made_from(table)
        setup = Setup(
            checkpoint=self.places["checkpoint"] or made_from["checkpoint"],
            corpus=self.places["corpus"] or "pocket",
            store=self.places["store"],
            **{name: made_from[name] for name in ("tasks", "seeds", "max_train", "max_examples")},
            **{name: made_from["recipe"][name] for name in ("epochs", "batch_size", "learning_rate", "precision")},
        )
        there, wanted = setup.load().fingerprint, made_from["checkpoint_fingerprint"]
        if there != wanted:
            raise InputError(f"checkpoint {setup.checkpoint!r} is {there[:12]}, but the run's is {wanted[:12]}")
        return setup

    def table(self, name: str, **chosen: Any) -> pd.DataFrame:
        """Return a published table's rows that have the `chosen` values, of the columns that it has."""
        table = self.run.table(name)
        for column, value in chosen.items():
            if column in table:
                table = table[table[column].isin(value if isinstance(value, list) else [value])]
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
    beside = BESIDE | ({"gold": f"{TREEBANKS}/{treebank}"} if treebank else {})
    places = dict.fromkeys(PLACES, "") | {"store": str(root / STORE)}
    places |= {name: str(root / place) for name, place in beside.items() if (root / place).exists()}
    if framenet.available():
        places["frames"] = "framenet"
    return places | {name: place for name, place in given.items() if place}


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
    note = f"{sum(path.stat().st_size for path in tables) / 1e6:.1f} MB, no text"
    if wrong:
        note = wrong[0] + (f" (and {len(wrong) - 1} more)" if wrong[1:] else "")
    return Comparison("files: SHA-256, size, names only", len(tables), verdict=FAILED if wrong else OK, note=note)


def of_pocket_links(reference: Reference) -> Iterator[Comparison]:
    """Check what the pre-trained model attends to in pocket sentences: it needs no data."""
    n_linked = reference.run.provenance.get("parameters", {}).get("n_linked", N_LINKED)
    name = "link_follows"
    yield from _part(reference, [name], lambda: recomputed.of_pocket_links(reference.setup(name), n_linked))


def of_frames(reference: Reference) -> Iterator[Comparison]:
    """Check the pre-trained model on FrameNet."""
    places = reference.places

    def anew() -> Tables:
        made_from = reference.run.made_from("frame_heads")
        setup = Setup(checkpoint=places["checkpoint"] or made_from["checkpoint"], store=places["store"])
        return recomputed.of_frames(setup, places["frames"], made_from["reading"])

    lacking = "" if places["frames"] else f"{framenet.NAME} is not here: {framenet.INSTALL} (frames=...)"
    yield from _part(reference, _of_group("frame"), anew, lacking)


def of_parser(reference: Reference) -> Iterator[Comparison]:
    """Check how far the parser agrees with a treebank."""
    gold = reference.places["gold"]
    lacking = "" if gold else "the treebank is not here: name its file (gold=...)"
    yield from _part(reference, published.ALONE, lambda: recomputed.of_parser(gold), lacking)


def of_maps(reference: Reference, group: str, recompute: Callable[[Setup], Tables]) -> Iterator[Comparison]:
    """Check the tables of a group on those tasks whose validation examples are the run's."""
    names = [name for name in _of_group(group) if name != "link_follows"]
    lacking, tasks, setup = _no_corpus(reference), [], None
    first = next((name for name in names if name in reference.run.tables()), None)
    if first and not lacking:
        setup = reference.setup(first)
        tasks = _same_tasks(setup, reference.run.made_from(first), ("dev",))
        other = [task for task in setup.tasks if task not in tasks]
        lacking = "" if tasks else OTHER_EXAMPLES
        if tasks and other:
            yield skipped(f"{group}: {', '.join(other)}", OTHER_EXAMPLES)
            depend = [name for name in names if CHECKS[name].of_all_tasks]
            yield from (skipped(CHECKS[name].what, "it depends on the tasks that are left out") for name in depend)
            names = [name for name in names if name not in depend]
    yield from _part(reference, names, lambda: recompute(replace(setup, tasks=tasks)), lacking, task=tasks)


def of_fine_tuning(reference: Reference) -> Iterator[Comparison]:
    """Fine-tune the smallest task with the run's first seed, and check score and change."""
    made_from, setup, lacking = reference.run.made_from("tuning_scores"), None, _no_corpus(reference)
    if not lacking and made_from:
        setup = reference.setup("tuning_scores")
        same = _same_tasks(setup, made_from, ("train", "dev"))
        lacking = "" if same else "the corpus has other training or validation examples than the run"
    if lacking or setup is None:
        why = lacking or "the run has no table tuning_scores"
        yield from (skipped(f"fine-tuning: {check.what}", why) for check in TUNED_CHECKS.values())
        return
    task = min(same, key=lambda task: len(setup.split(task, "train").examples))
    setup = replace(setup, tasks=[task], seeds=list(setup.seeds)[:1])
    tables = recomputed.of_fine_tuning(setup, made_from)
    chosen = {"task": task, "seed": setup.seeds[0], "initialization": "pretrained", "finetuned": True}
    for name, check in TUNED_CHECKS.items():
        if name in reference.run.tables():
            old = reference.table(name, checkpoint=AFTER, **chosen)
            is_mean = "seed" not in old and len(made_from["seeds"]) > 1
            check = check._replace(what=f"fine-tuning {task}, seed {setup.seeds[0]}: {check.what}")
            yield _compared(check, old, tables[name], compared_with_interval if is_mean else compared)


PARTS: dict[str, Callable[[Reference], Iterable[Comparison]]] = {
    "Links in pocket sentences": of_pocket_links,
    "FrameNet": of_frames,
    "The parser": of_parser,
    "Patterns of the pre-trained model": lambda reference: of_maps(reference, "pattern", recomputed.of_patterns),
    "Attention of the pre-trained model": lambda reference: [
        *of_maps(reference, "feature", recomputed.of_features),
        *of_maps(reference, "link", recomputed.of_links),
    ],
    "Fine-tuning of a small task": of_fine_tuning,
}


def _part(
    reference: Reference, names: Sequence[str], recompute: Callable[[], Tables], lacking: str = "", **chosen: Any
) -> Iterator[Comparison]:
    """Compare tables of the pre-trained model with the same computed anew, of the `chosen` rows; if something is
    `lacking` for that, or a table in the run, say so.
    """
    reasons = {name: lacking if name in reference.run.tables() else f"the run has no table {name}" for name in names}
    yield from (skipped(CHECKS[name].what, reason) for name, reason in reasons.items() if reason)
    there = [name for name, reason in reasons.items() if not reason]
    tables = recompute() if there else {}
    for name in there:
        yield _compared(CHECKS[name], reference.table(name, checkpoint=BEFORE, **chosen), tables[name])


def _compared(
    check: Check, old: pd.DataFrame, new: pd.DataFrame, how: Callable[..., Comparison] = compared
) -> Comparison:
    kept = [column for column in old if column not in ("seed", "rank")]  # ranks of heads follow from their scores
    return how(check.what, old[kept], new, [name for name in check.key if name in old], check.tolerance)


def _of_group(group: str) -> list[str]:
    return [name for name in CHECKS if name.split("_")[0] == group]


def _no_corpus(reference: Reference) -> str:
    return "" if reference.places["corpus"] else "no corpus: give hub or a GLUE directory (corpus=...)"


def _same_tasks(setup: Setup, made_from: Mapping[str, Any], splits: Sequence[str]) -> list[str]:
    """Return the tasks whose examples in the corpus are those that the run had."""
    corpus = made_from["corpus"]
    return [
        task
        for task in setup.tasks
        if all(setup.split(task, split).fingerprint == corpus[task][split] for split in splits)
    ]
