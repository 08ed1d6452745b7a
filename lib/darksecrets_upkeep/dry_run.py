"""The profile `paper` proved without its model: the whole book on an untrained BERT-base and a few examples per task.

An untrained model proves the path, and says what it costs; its numbers say nothing about BERT. Written are how long
each chapter took, and what the real thing would take, as measured and by arithmetic. Explained in the appendix *The
reference run*.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from transformers import AutoModel, BertConfig

from darksecrets.book import build, contents, profiles
from darksecrets.book.profiles import Profile
from darksecrets.book.progress import alone
from darksecrets.corpora import glue
from darksecrets.errors import InputError
from darksecrets.models import attention, checkpoints
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.edited_attention import use_attention
from darksecrets.models.quiet import quiet
from darksecrets.models.setup import Setup
from darksecrets.overview import paper_costs
from darksecrets.runs import write_csv
from darksecrets_upkeep import published, reference

PROFILE = "paper"
STORE = "_runs/dry-run"
UNTRAINED = f"{STORE}/untrained"
# So few that every chapter runs to its end: what it shows is that, and nothing else.
FEW = {
    "seeds": "0",
    "max_train": "32",
    "max_examples": "12",  # a mean over fewer than ten examples is not shown
    "max_scored": "24",
    "max_released": "2",
    "max_compared": "4",
    "epochs": "1",
    "batch_size": "8",
    "max_own": "10",
    "reading": "released",  # 473 frames and not 3085
    "n_linked": "2",
    "n_parsed": "20",
    "pocket_train": "16",
    "pocket_dev": "8",
    "pocket_seeds": "0",
    "pocket_epochs": "1",
}
BATCH, LENGTH = 32, 64  # examples of a measured step, and tokens of each: GLUE's pairs are about as long
N_STEPS = 3


def make(root: Path, overrides: Sequence[str] = ()) -> pd.DataFrame:
    """Build the book of the profile with an untrained BERT-base; return the seconds of each chapter: page, seconds.

    `overrides` are `name=value` as for a book, such as the corpus. Results and checkpoint are kept in `STORE`, so that
    an interrupted run continues.
    """
    given = [override for override in overrides if not override.startswith("checkpoint=")]
    profile_of(root, [*given, "checkpoint=minilm"])  # what is wrong with the rest is said before anything is written
    checkpoint = root / UNTRAINED
    with alone(checkpoint.parent):
        if not checkpoint.exists():
            partial = checkpoint.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            write_untrained(partial).rename(checkpoint)
    profile = profile_of(root, overrides)
    build.make(profile)
    pages = [page.name for page in contents.notebooks(root)]
    table = pd.DataFrame(reference.of_chapters(profile.store, profile.run, pages))[["page", "seconds"]]
    write_csv(root / published.DIRECTORY / paper_costs.CHAPTERS, table)
    return table


def costs(root: Path, overrides: Sequence[str] = ()) -> pd.DataFrame:
    """Measure what a token costs an untrained BERT-base here, and work out what the profile would take.

    The mean lengths of inputs are those of the rows that the corpus has. Writes and returns `paper_costs.costs`, with
    the two measured times in columns of their own. After `make`, which writes the checkpoint.
    """
    values = profile_of(root, overrides).from_here()
    setup = Setup(values["checkpoint"], values["corpus"], store=values["store"])
    checkpoint = setup.load()
    rows = []
    for task in setup.tasks:
        for split in glue.SPLITS:
            encoded = attention.encode(checkpoint.tokenizer, setup.split(task, split).examples)
            rows.append((task, split, sum(map(len, encoded)) / len(encoded)))
    seconds = seconds_per_token(checkpoint)
    table = paper_costs.costs(pd.DataFrame(rows, columns=["task", "split", "mean_tokens"]), seconds)
    table = table.assign(**{f"seconds_{kind}": value for kind, value in seconds.items()})
    write_csv(root / published.DIRECTORY / paper_costs.COSTS, table)
    return table


def profile_of(root: Path, overrides: Sequence[str]) -> Profile:
    """Return the profile `paper` with an untrained model and few examples, but for what is given as `name=value`."""
    chosen = {"checkpoint": str(root / UNTRAINED), "store": str(root / STORE), **FEW}
    given = {override.partition("=")[0] for override in overrides}
    kept = [f"{name}={value}" for name, value in chosen.items() if name not in given]
    return profiles.load(root, PROFILE, [*kept, *overrides])


def write_untrained(directory: Path) -> Path:
    """Write config, tokenizer and safetensors of an untrained BERT-base (12 layers of 12 heads) into a new directory.

    The tokenizer is MiniLM's, which is that of bert-base-uncased. Raises InputError where the directory holds anything.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"{str(directory)!r} is there already; name a directory that is empty or does not exist")
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModel.from_config(BertConfig()).save_pretrained(directory)
    checkpoints.load("minilm").tokenizer.save_pretrained(directory)
    return directory


def seconds_per_token(checkpoint: Checkpoint, precision: str = "float32") -> dict[str, float]:
    """Return the seconds that a token takes: "training" (a step of AdamW) in `precision`, and "reading" (a pass).

    The median of a few steps, after one that warms up.
    """
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1000, len(checkpoint.tokenizer), (BATCH, LENGTH), generator=generator)
    inputs, labels = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, ids[:, 0] % 2
    model = checkpoint.classifier(2)
    use_attention(model, "sdpa" if model._supports_sdpa else "eager")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)

    def train() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = model(**inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def read() -> None:
        with torch.inference_mode():
            model(**inputs)

    def timed(step: Callable[[], None]) -> float:
        started = time.perf_counter()
        step()
        return time.perf_counter() - started

    steps = {"training": train, "reading": read}
    spent = {kind: [timed(step) for _ in range(1 + N_STEPS)] for kind, step in steps.items()}
    return {kind: median(seconds[1:]) / (BATCH * LENGTH) for kind, seconds in spent.items()}
