"""What the profile `paper` would take: the tokens that BERT-base would read, times what a token takes.

Tokens are the rows of GLUE's official splits times the mean length of the rows that were found. On a processor, the
time of a token is measured (`make dry-run`); on a graphics card it follows by arithmetic. Explained in the
appendix *The reference run*.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

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


class Work(NamedTuple):
    """A part of the run: `what` is done ("training" or "reading" is its kind), how often each token is read, on which
    split, and of at most how many examples of a task (0 means all).
    """

    what: str
    kind: str
    split: str
    times: int
    at_most: int = 0


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
    for what, kind, split, times, at_most in WORK:
        n_rows = {name: task.train_rows if split == "train" else task.dev_rows for name, task in TASKS.items()}
        n_tokens = times * sum(min(n, at_most or n) * lengths[name, split] for name, n in n_rows.items())
        operations = n_tokens * PARAMETERS * {"training": TRAINING, "reading": READING}[kind]
        seconds = n_tokens * seconds_per_token[kind], operations / (GPU_OPERATIONS * GPU_SHARE)
        rows.append((what, n_tokens, *(time / HOUR for time in seconds)))
    return pd.DataFrame(rows, columns=["what", "tokens", "hours_processor", "hours_gpu"])


def costs_table(table: pd.DataFrame) -> pd.DataFrame:
    """Format the costs with their sum: millions of tokens, days on this processor, hours on a graphics card."""
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
    """Return `costs_table` of what a dry run worked out; one row that says so where there was none."""
    table = _read(directory / COSTS)
    return pd.DataFrame({"what": [NOT_RECORDED]}) if table is None else costs_table(table)


def whole(directory: Path) -> str:
    """Return how long the whole profile would take, on this processor and on a graphics card, in words."""
    if (table := _read(directory / COSTS)) is None:
        return NOT_RECORDED
    processor, card = table[["hours_processor", "hours_gpu"]].sum()
    return f"{processor / 24:.0f} days on this processor, {card:.0f} hours on a card"


def dry_run(directory: Path) -> pd.DataFrame:
    """Return how long the chapters of a dry run took: page, seconds; one row that says so where there was none."""
    if (table := _read(directory / CHAPTERS)) is None:
        return pd.DataFrame({"page": [NOT_RECORDED]})
    total = pd.DataFrame({"page": ["together"], "seconds": [table["seconds"].sum()]})
    both = pd.concat([table, total], ignore_index=True)
    return both.assign(seconds=both["seconds"].map("{:.0f}".format))


def rates(directory: Path) -> str:
    """Return how many tokens a second were trained on and read in the dry run, in words."""
    if (table := _read(directory / COSTS)) is None:
        return NOT_RECORDED
    training, reading = 1 / table.loc[0, ["seconds_training", "seconds_reading"]]
    return f"{training:,.0f} tokens a second in training and {reading:,.0f} in reading"


def _read(path: Path) -> pd.DataFrame | None:
    return pd.read_csv(path) if path.exists() else None
