"""What the profile `paper` would take: the tokens that BERT-base would read, times what a token takes.

Tokens are the rows of GLUE's official splits times the mean length of the rows that were found. On a processor, the
time of a token is measured (`models.throughput`); on a graphics card it follows by arithmetic. Explained in the
appendix *The reference run*.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darksecrets.corpora.tasks import TASKS

N_SEEDS, EPOCHS, MAX_EXAMPLES = 3, 3, 1000  # of the profile
PARAMETERS = 85_645_056  # of BERT-base's layers and pooler; embeddings are looked up, not multiplied
TRAINING, READING = 6, 2  # floating-point operations per parameter and token, with and without the way back
GPU_OPERATIONS, GPU_SHARE = 312e12, 0.3  # of an A100 in bfloat16, and how much of it such a training reaches
SWEEP_PASSES = 64  # of a 12 x 12 model over its examples, measured by `make bench`
# Of each fine-tuned model over at most `MAX_EXAMPLES` examples: patterns, similarity (twice, with the model before),
# features and links, repeated words, and the sweep in three ways.
PASSES = 5 + 3 * SWEEP_PASSES
HOUR = 3600
CHAPTERS, COSTS = "dry-run.csv", "paper-costs.csv"  # files beside the reference run's tables
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Work:
    """A part of the run: `what` is done, how often each token is read, on which split."""

    what: str
    kind: str  # "training" or "reading"
    split: str
    times: int
    at_most: int = 0  # examples of a task; 0 means all


WORK = (
    Work("fine-tuning, pre-trained weights", "training", "train", N_SEEDS * EPOCHS),
    Work("fine-tuning, random weights", "training", "train", N_SEEDS * EPOCHS),
    Work("scores of Table 1", "reading", "dev", 3 * N_SEEDS),
    Work("maps of all models, and heads disabled", "reading", "dev", N_SEEDS * PASSES, MAX_EXAMPLES),
)


def costs(mean_lengths: pd.DataFrame, seconds_per_token: Mapping[str, float]) -> pd.DataFrame:
    """Return one row per part of the run: what, tokens, hours on this processor, and hours on one graphics card.

    `mean_lengths` has a row per task and split (task, split, mean_tokens); `seconds_per_token` that of `training` and
    of `reading`.
    """
    lengths = mean_lengths.set_index(["task", "split"])["mean_tokens"]
    rows = []
    for work in WORK:
        tokens = sum(_rows(task, work) * lengths[task, work.split] for task in TASKS) * work.times
        operations = tokens * PARAMETERS * (TRAINING if work.kind == "training" else READING)
        processor = tokens * seconds_per_token[work.kind] / HOUR
        rows.append((work.what, tokens, processor, operations / (GPU_OPERATIONS * GPU_SHARE) / HOUR))
    return pd.DataFrame(rows, columns=["what", "tokens", "hours_processor", "hours_gpu"])


def laid_out(table: pd.DataFrame) -> pd.DataFrame:
    """Lay the costs out for reading, with their sum: millions of tokens, days on this processor, hours on a card."""
    total = pd.DataFrame([{"what": "together", **table.drop(columns="what").sum()}])
    both = pd.concat([table, total], ignore_index=True)
    return pd.DataFrame(
        {
            "what": both["what"],
            "million tokens": (both["tokens"] / 1e6).map("{:,.0f}".format),
            "days on this processor": (both["hours_processor"] / 24).map("{:.1f}".format),
            "hours on one graphics card": both["hours_gpu"].map("{:.1f}".format),
        }
    )


def find(directory: Path) -> pd.DataFrame:
    """Read the costs that a dry run worked out and lay them out; one row that says so where there are none."""
    table = _read(directory / COSTS)
    return pd.DataFrame({"what": [NOT_RECORDED]}) if table is None else laid_out(table)


def whole(directory: Path) -> str:
    """Say how long the whole profile would take, on this processor and on a graphics card."""
    table = _read(directory / COSTS)
    if table is None:
        return NOT_RECORDED
    hours = table[["hours_processor", "hours_gpu"]].sum()
    return f"{hours['hours_processor'] / 24:.0f} days on this processor, {hours['hours_gpu']:.0f} hours on a card"


def dry_run(directory: Path) -> pd.DataFrame:
    """Read how long the chapters of a dry run took: page, seconds; one row that says so where there was none."""
    table = _read(directory / CHAPTERS)
    if table is None:
        return pd.DataFrame({"page": [NOT_RECORDED]})
    total = pd.DataFrame({"page": ["together"], "seconds": [table["seconds"].sum()]})
    return pd.concat([table, total], ignore_index=True).assign(
        seconds=lambda rows: rows["seconds"].map("{:.0f}".format)
    )


def rates(directory: Path) -> str:
    """Say how many tokens a second were trained on and read in the dry run."""
    table = _read(directory / COSTS)
    if table is None:
        return NOT_RECORDED
    first = table.iloc[0]
    training, reading = (1 / first[f"seconds_{kind}"] for kind in ("training", "reading"))
    return f"{training:,.0f} tokens a second in training and {reading:,.0f} in reading"


def _read(path: Path) -> pd.DataFrame | None:
    return pd.read_csv(path) if path.exists() else None


def _rows(task: str, work: Work) -> int:
    rows = TASKS[task].train_rows if work.split == "train" else TASKS[task].dev_rows
    return min(rows, work.at_most) if work.at_most else rows
