"""The annotated maps: attention maps of Section 4.1 with the pattern that two annotators saw in each.

`README.md` beside this file is their data card; the appendix *How maps were annotated* explains them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from darksecrets.errors import InputError

PATTERNS = ("Vertical", "Diagonal", "Vertical+Diagonal", "Block", "Heterogeneous")  # in the paper's order
BEFORE, AFTER = "pre-trained", "fine-tuned"  # the two kinds of checkpoint that maps come from
ANNOTATORS = ("first", "second")
DIRECTORY = Path(__file__).parent
MAPS, EXAMPLES = DIRECTORY / "maps.parquet", DIRECTORY / "examples.parquet"
LABELS, DECISIONS = DIRECTORY / "labels.csv", DIRECTORY / "decisions.csv"
RETEST = DIRECTORY / "retest.csv"  # labels that the first annotator, started anew, gave some maps a second time


@dataclass(frozen=True)
class AttentionMap:
    """One map: `weights` (query, key) of an input's real tokens, and where its separators stand."""

    weights: np.ndarray
    sep_positions: tuple[int, ...]

    @property
    def n_tokens(self) -> int:
        """Number of tokens of the input, [CLS] and [SEP] included."""
        return len(self.weights)


def load() -> pd.DataFrame:
    """Return one row per annotated map: where it is from, its weights, and its labels.

    Columns: `id`, task, checkpoint (`fine-tuned` or `pre-trained`), layer and head (from 0), example (its row in the
    task's validation file), n_tokens, sep_positions, map (float16, n_tokens x n_tokens in one list), and the labels
    `first`, `second` (the two annotators', given independently) and `pattern` (the one agreed on), each of `PATTERNS`.
    A map without labels, since the guideline shows it, is left out.
    """
    return pd.read_parquet(MAPS).merge(pd.read_csv(LABELS), on="id", validate="one_to_one")


def examples() -> pd.DataFrame:
    """Return the maps that the guideline shows, none of them annotated: as `load`, with the `pattern` decided on, the
    `case` (clear or borderline) and the `reason`.
    """
    return pd.read_parquet(EXAMPLES).merge(pd.read_csv(DECISIONS), on="id", validate="one_to_one")


def attention_maps(table: pd.DataFrame) -> list[AttentionMap]:
    """Return each row's map as an array, in the table's order."""
    columns = (table[name] for name in ("map", "n_tokens", "sep_positions"))
    return [
        AttentionMap(np.asarray(weights, dtype=np.float32).reshape(n, n), tuple(int(at) for at in positions))
        for weights, n, positions in zip(*columns, strict=True)
    ]


def check_labels(labels: Sequence[str]) -> None:
    """Raise `InputError` where a label is not one of the five patterns."""
    wrong = [label for label in labels if label not in PATTERNS]
    if wrong:
        raise InputError(f"label {wrong[0]!r} is unknown; accepted are {', '.join(PATTERNS)}")
