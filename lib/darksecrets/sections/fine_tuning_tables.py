"""What *What fine-tuning changes* saves of a run: the scores of Table 1, and the similarities of Figure 5."""

from dataclasses import dataclass
from typing import Self

import pandas as pd

from darksecrets.heads import HEAD
from darksecrets.reported import RANDOM, UNTUNED
from darksecrets.saved import SavedTables
from darksecrets.sections import fine_tuning
from darksecrets.sections.fine_tuning import PAPER


@dataclass(frozen=True)
class FineTuningTables(SavedTables):
    """`fine_tuning.scores`; `gains` over both other settings, by seed; `change_by` head (reading `paper`) and layer
    (both readings); `last_two_against_rest` (reading `paper`).
    """

    PREFIX = "tuning"

    scores: pd.DataFrame
    over_random: pd.DataFrame
    over_untuned: pd.DataFrame
    by_head: pd.DataFrame
    by_layer: pd.DataFrame
    last_two: pd.DataFrame

    @classmethod
    def of(cls, predictions: pd.DataFrame, changes: pd.DataFrame) -> Self:
        """Compute the tables from `analyses.scores.predictions` and `analyses.similarity.changes` in both readings."""
        real_tokens = changes[changes["reading"] == PAPER]
        return cls(
            scores=fine_tuning.scores(predictions),
            over_random=fine_tuning.gains(predictions, RANDOM),
            over_untuned=fine_tuning.gains(predictions, UNTUNED),
            by_head=_small(fine_tuning.change_by(real_tokens, HEAD)),
            by_layer=_small(fine_tuning.change_by(changes, ["layer"])),
            last_two=fine_tuning.last_two_against_rest(real_tokens),
        )


def _small(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(dict.fromkeys(("mean", "low", "high"), "float32"))
