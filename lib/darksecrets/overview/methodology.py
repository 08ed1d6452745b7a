"""Section 3 as tables: the model and the recipe of the paper beside those of the reference run and of this run."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from darksecrets.figures.charts import SCALES, WIDTH, task_legend, wrapped
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.recipe import Recipe
from darksecrets.runs import Run

COLUMNS = ["", "paper", "reference run", "this run"]
TUNED = "tuning_scores"  # the table whose record is asked first
SIZES = ("n_layers", "n_heads", "n_parameters")
PAPERS_MODEL = {
    "checkpoint": "bert-base-uncased",
    "layers": "12",
    "heads per layer": "12",
    "heads in all": "144",
    "parameters": "110 million",
}
PAPERS_RECIPE = {
    "model": "bert-base-uncased",
    "batch size": "32",
    "epochs": "3",
    "learning rate": "from 5e-5, 3e-5, 2e-5",
    "weight decay": "0.01",
    "warm-up": "linear, then linear decay",
    "longest input": "not stated",
    "scored on": "validation sets",
}


def recorded(run: Run) -> dict[str, Any]:
    """Return what a run's fine-tunings were made from (`Setup.described`); empty where it has none."""
    records = (run.made_from(name) for name in (TUNED, *run.tables()))
    return next((record for record in records if "recipe" in record), {})


def models(checkpoint: Checkpoint, reference: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Compare the paper's BERT-base with the model of the reference run (`recorded`) and with `checkpoint`.

    What is not recorded of the reference run stays empty.
    """
    sizes = {name: getattr(checkpoint, name) for name in SIZES}
    mine = {"checkpoint": checkpoint.name, "checkpoint_fingerprint": checkpoint.fingerprint, **sizes}
    return _side_by_side(PAPERS_MODEL, _model(reference or {}), _model(mine))


def recipes(checkpoint: Checkpoint, recipe: Recipe, reference: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Compare the paper's fine-tuning recipe with that of the reference run (`recorded`) and with `recipe`."""
    theirs = _recipe(reference["checkpoint"], Recipe(**reference["recipe"])) if reference else {}
    return _side_by_side(PAPERS_RECIPE, theirs, _recipe(checkpoint.name, recipe))


def _model(record: Mapping[str, Any]) -> dict[str, str]:
    """Write what is known of a model, a cell each."""
    cells = {}
    if "checkpoint" in record:
        cells |= {"checkpoint": record["checkpoint"], "fingerprint": record["checkpoint_fingerprint"][:12]}
    if set(SIZES) <= set(record):
        n_layers, n_heads, n_parameters = (record[name] for name in SIZES)
        cells |= {"layers": str(n_layers), "heads per layer": str(n_heads), "heads in all": str(n_layers * n_heads)}
        cells |= {"parameters": f"{n_parameters / 1e6:.1f} million"}
    return cells


def _recipe(checkpoint: str, recipe: Recipe) -> dict[str, str]:
    return {
        "model": checkpoint,
        "batch size": str(recipe.batch_size),
        "epochs": str(recipe.epochs),
        "learning rate": f"{recipe.learning_rate:g}",
        "weight decay": f"{recipe.weight_decay:g}",
        "warm-up": f"{recipe.warmup:.0%} of the steps, then linear decay",
        "longest input": f"{recipe.max_length} tokens",
        "scored on": "validation sets",
    }


def _side_by_side(paper: Mapping[str, str], reference: Mapping[str, str], mine: Mapping[str, str]) -> pd.DataFrame:
    names = dict.fromkeys([*paper, *mine])
    rows = [(name, *(column.get(name) for column in (paper, reference, mine))) for name in names]
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def learning_rate_chart(evidence: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw the score on held-out training examples against the learning rate: a point per seed, a line through their
    means.
    """
    base = alt.Chart(evidence, width=WIDTH, height=220, title=wrapped(title)).encode(
        x=alt.X(
            "learning_rate:Q",
            title="learning rate (logarithmic)",
            scale=alt.Scale(type="log", nice=False, padding=12),
            axis=alt.Axis(values=sorted(evidence["learning_rate"].unique()), format=".0e", grid=False),
        ),
        color=alt.Color("task:N", scale=SCALES["task"], legend=task_legend(evidence)),
    )
    points = base.mark_point(filled=True, size=50).encode(
        y=alt.Y("value:Q", title="score on held-out training examples", scale=alt.Scale(zero=False)),
        shape=alt.Shape("task:N", legend=None),
        tooltip=[
            "task",
            "metric",
            "seed",
            alt.Tooltip("learning_rate:Q", format=".0e"),
            alt.Tooltip("value:Q", format=".3f"),
        ],
    )
    return alt.layer(base.mark_line(opacity=0.6).encode(y="mean(value):Q"), points)
