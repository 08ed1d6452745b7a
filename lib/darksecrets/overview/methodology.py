"""Section 3 as tables: the model and the recipe of the paper beside those of the reference run and of this run."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from darksecrets.figures.charts import SCALES, WIDTH, task_legend, wrapped
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.recipe import Recipe
from darksecrets.runs import Run

TUNED = "tuning_scores"  # the table whose record is asked first
SIZES = ("n_layers", "n_heads", "n_parameters")
# Of each row: its name, what the paper has, and how a run's record is written.
MODEL = (
    ("checkpoint", "bert-base-uncased", "{checkpoint}"),
    ("layers", "12", "{n_layers}"),
    ("heads per layer", "12", "{n_heads}"),
    ("heads in all", "144", "{n_all}"),
    ("parameters", "110 million", "{millions:.1f} million"),
    ("fingerprint", None, "{checkpoint_fingerprint:.12}"),
)
RECIPE = (
    ("model", "bert-base-uncased", "{checkpoint}"),
    ("batch size", "32", "{batch_size}"),
    ("epochs", "3", "{epochs}"),
    ("learning rate", "from 5e-5, 3e-5, 2e-5", "{learning_rate:g}"),
    ("weight decay", "0.01", "{weight_decay:g}"),
    ("warm-up", "linear, then linear decay", "{warmup:.0%} of the steps, then linear decay"),
    ("longest input", "not stated", "{max_length} tokens"),
    ("scored on", "validation sets", "validation sets"),
)


def recorded(run: Run) -> dict[str, Any]:
    """Return what a run's fine-tunings were made from (`Setup.described`); empty where it has none."""
    records = (run.made_from(name) for name in (TUNED, *run.tables()))
    return next((record for record in records if "recipe" in record), {})


def models(checkpoint: Checkpoint, reference: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Compare the paper's BERT-base with the model of the reference run (`recorded`) and with `checkpoint`.

    What is not recorded of the reference run stays empty.
    """
    mine = {"checkpoint": checkpoint.name, "checkpoint_fingerprint": checkpoint.fingerprint}
    mine |= {name: getattr(checkpoint, name) for name in SIZES}
    records = [dict(record) for record in (reference or {}, mine)]
    for record in records:
        if set(SIZES) <= set(record):
            record["n_all"] = record["n_layers"] * record["n_heads"]
            record["millions"] = record["n_parameters"] / 1e6
    return _table(MODEL, *records)


def recipes(checkpoint: Checkpoint, recipe: Recipe, reference: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Compare the paper's fine-tuning recipe with that of the reference run (`recorded`) and with `recipe`."""
    theirs = {"checkpoint": reference["checkpoint"], **reference["recipe"]} if reference else {}
    return _table(RECIPE, theirs, {"checkpoint": checkpoint.name, **vars(recipe)})


def _table(rows: Sequence[tuple], reference: Mapping[str, Any], mine: Mapping[str, Any]) -> pd.DataFrame:
    cells = [(name, paper, _cell(text, reference), _cell(text, mine)) for name, paper, text in rows]
    return pd.DataFrame(cells, columns=["", "paper", "reference run", "this run"], dtype=object)


def _cell(text: str, record: Mapping[str, Any]) -> str | None:
    """Fill a text with what is recorded; None where that lacks what the text takes, or is empty."""
    try:
        return text.format(**record) if record else None
    except KeyError:
        return None


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
