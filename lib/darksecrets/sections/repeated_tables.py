"""Attention to repeated words in tables: which heads give a word more than it gets from others, when it is the same.

Explained in the chapter *What remains of the claims*.
"""

from dataclasses import dataclass
from typing import Self

import pandas as pd

from darksecrets.heads import HEAD, pivot_heads
from darksecrets.saved import SavedTables
from darksecrets.statistics import interval_of_mean

CASE = ["task", "checkpoint", "seed"]
COLUMNS = [*CASE, *HEAD, "repeated", "others", "mean", "low", "high", "n"]


@dataclass(frozen=True)
class RepeatedTables(SavedTables):
    """`heads`: one row per task, checkpoint, seed, layer and head, averaged over examples with a repeated word.

    `repeated` is the weight from a word to the same word in the other sentence, `others` what that word gets from the
    other words there; `mean`, `low`, `high` their difference with its t-interval over the `n` examples.
    """

    PREFIX = "repeated"

    heads: pd.DataFrame

    @classmethod
    def of(cls, weights: pd.DataFrame) -> Self:
        """Compute the tables from `analyses.repeated_words.measured`."""
        tables = []
        for case, group in weights.groupby(CASE, sort=False, observed=True):
            heads = pivot_heads(group, ["example"], ["repeated", "others"])
            repeated, others = heads.values["repeated"], heads.values["others"]
            mean, low, high = interval_of_mean(repeated - others)
            columns = {"repeated": repeated.mean(0), "others": others.mean(0), "mean": mean, "low": low, "high": high}
            case_columns = dict(zip(CASE, case, strict=True))
            tables.append(heads.table(**columns, n=len(repeated)).assign(**case_columns))
        return cls(pd.concat(tables, ignore_index=True)[COLUMNS] if tables else pd.DataFrame(columns=COLUMNS))
