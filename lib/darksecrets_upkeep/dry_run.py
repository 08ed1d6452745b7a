"""The profile `paper` proved without its model: the whole book on an untrained BERT-base and a few examples per task.

Writes how long each chapter took, and what the real thing would take, as measured and by arithmetic.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.book import build, contents, profiles
from darksecrets.book.profiles import Profile
from darksecrets.book.progress import alone
from darksecrets.corpora import glue
from darksecrets.models import attention
from darksecrets.models.setup import Setup
from darksecrets.overview import paper_costs
from darksecrets.runs import write_csv
from darksecrets_upkeep import durations, published, throughput, untrained

PROFILE = "paper"
STORE = "_runs/dry-run"
# So few that every chapter runs to its end: what it shows is that, and nothing else.
FEW = (
    "seeds=0",
    "max_train=32",
    "max_examples=12",  # a mean over fewer than ten examples is not shown
    "max_scored=24",
    "max_released=2",
    "max_compared=4",
    "epochs=1",
    "batch_size=8",
    "max_own=10",
    "reading=released",  # 473 frames and not 3085
    "n_linked=2",
    "n_parsed=20",
    "pocket_train=16",
    "pocket_dev=8",
    "pocket_seeds=0",
    "pocket_epochs=1",
)


def make(root: Path, overrides: Sequence[str] = ()) -> pd.DataFrame:
    """Build the book of the profile with an untrained BERT-base; return the seconds of each chapter: page, seconds.

    `overrides` are `name=value` as for a book, such as the corpus. Results and checkpoint are kept in `STORE`, so that
    an interrupted run continues.
    """
    given = [override for override in overrides if not override.startswith("checkpoint=")]
    _profile(root, [*given, "checkpoint=minilm"])  # what is wrong with the rest is said before anything is written
    checkpoint = root / STORE / "untrained"
    with alone(checkpoint.parent):
        if not checkpoint.exists():
            partial = checkpoint.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            untrained.write(partial).rename(checkpoint)
    profile = _profile(root, overrides)
    build.make(profile)
    pages = [page.name for page in contents.notebooks(root)]
    table = pd.DataFrame(durations.of_chapters(profile.store, profile.run, pages))[["page", "seconds"]]
    write_csv(root / published.DIRECTORY / paper_costs.CHAPTERS, table)
    return table


def costs(root: Path, overrides: Sequence[str] = ()) -> pd.DataFrame:
    """Measure what a token costs an untrained BERT-base here, and work out what the profile would take.

    The mean lengths of inputs are those of the rows that the corpus has. Writes and returns `paper_costs.costs`, with
    the two measured times in columns of their own. After `make`, which writes the checkpoint.
    """
    values = _profile(root, overrides).from_here()
    setup = Setup(values["checkpoint"], values["corpus"], store=values["store"])
    checkpoint = setup.load()
    lengths = [
        (task, split, _mean_length(setup, task, split, checkpoint.tokenizer))
        for task in setup.tasks
        for split in glue.SPLITS
    ]
    seconds = throughput.measure(checkpoint)
    table = paper_costs.costs(pd.DataFrame(lengths, columns=["task", "split", "mean_tokens"]), seconds)
    table = table.assign(**{f"seconds_{kind}": value for kind, value in seconds.items()})
    write_csv(root / published.DIRECTORY / paper_costs.COSTS, table)
    return table


def _profile(root: Path, overrides: Sequence[str]) -> Profile:
    store = root / STORE
    chosen = [f"checkpoint={store / 'untrained'}", f"store={store}", *FEW]
    given = {override.partition("=")[0] for override in overrides}
    kept = [override for override in chosen if override.partition("=")[0] not in given]
    return profiles.load(root, PROFILE, [*kept, *overrides])


def _mean_length(setup: Setup, task: str, split: str, tokenizer: Tokenizer) -> float:
    encoded = attention.encode(tokenizer, setup.split(task, split).examples)
    return sum(map(len, encoded)) / len(encoded)
