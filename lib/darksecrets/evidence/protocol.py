"""Section 3 as tables: the model and the recipe of the paper beside those of a run."""

import pandas as pd

from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.finetuning import Recipe

COLUMNS = ["", "paper", "reference run", "this run"]


def models(checkpoint: Checkpoint) -> pd.DataFrame:
    """Compare the paper's BERT-base with `checkpoint`; the reference run's column is empty until there is one."""
    rows = [
        ("checkpoint", "bert-base-uncased", checkpoint.name),
        ("layers", "12", str(checkpoint.n_layers)),
        ("heads per layer", "12", str(checkpoint.n_heads)),
        ("heads in all", "144", str(checkpoint.n_layers * checkpoint.n_heads)),
        ("parameters", "110 million", f"{checkpoint.n_parameters / 1e6:.1f} million"),
        ("fingerprint", None, checkpoint.fingerprint[:12]),
    ]
    return _side_by_side(rows)


def recipes(checkpoint: Checkpoint, recipe: Recipe) -> pd.DataFrame:
    """Compare the paper's fine-tuning recipe with `recipe`; the reference run's column is empty until there is one."""
    rows = [
        ("model", "bert-base-uncased", checkpoint.name),
        ("batch size", "32", str(recipe.batch_size)),
        ("epochs", "3", str(recipe.epochs)),
        ("learning rate", "from 5e-5, 3e-5, 2e-5", f"{recipe.learning_rate:g}"),
        ("weight decay", "0.01", f"{recipe.weight_decay:g}"),
        ("warm-up", "linear, then linear decay", f"{recipe.warmup:.0%} of the steps, then linear decay"),
        ("longest input", "not stated", f"{recipe.max_length} tokens"),
        ("scored on", "validation sets", "validation sets"),
    ]
    return _side_by_side(rows)


def _side_by_side(rows: list[tuple[str, str | None, str]]) -> pd.DataFrame:
    return pd.DataFrame([(name, paper, None, mine) for name, paper, mine in rows], columns=COLUMNS)
