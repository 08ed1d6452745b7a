"""Fine-tuning as in the paper, and the scores of Table 1.

The recipe is Devlin et al.'s (2019), which the paper follows: batches of 32, 3 epochs, AdamW with weight decay 0.01,
a learning rate that rises over the first tenth of the steps and then falls linearly to 0. Explained in the chapter
*Methodology*. A training repeats itself byte for byte with the same number of threads; with another, sums are added up
in another order, and the last bits may differ.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.corpora.glue import Split
from darksecrets.models import attention, checkpoints, keys
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.edited_attention import use_attention
from darksecrets.models.keys import Origin
from darksecrets.models.recipe import Recipe
from darksecrets.runs import Store

# Chosen on held-out training examples; the evidence is notebooks/reference/learning-rates.csv.
LEARNING_RATES = {"minilm": 1e-4}
DEFAULT_LEARNING_RATE = 2e-5  # within Devlin et al.'s grid, for checkpoints that we have not searched
VERSION = 1  # part of a fine-tuned model's key: raise it when training computes something else


def learning_rate(checkpoint_name: str, asked: float = 0.0) -> float:
    """Return the learning rate that was asked for, or else (0) the one chosen for this checkpoint."""
    return asked or LEARNING_RATES.get(checkpoint_name, DEFAULT_LEARNING_RATE)


def best_learning_rate(evidence: pd.DataFrame) -> float:
    """Return the rate with the highest mean over tasks of the mean over seeds."""
    by_task = evidence.groupby(["task", "learning_rate"])["value"].mean()
    return float(by_task.groupby("learning_rate").mean().idxmax())


def is_finetuned(checkpoint: Checkpoint, train: Split, recipe: Recipe, seed: int, store: Store) -> bool:
    """Return whether the store has what `finetune` would compute."""
    return store.has("finetuned", _ingredients(checkpoint, train, recipe, seed))


def finetune(checkpoint: Checkpoint, train: Split, recipe: Recipe, seed: int, store: Store) -> PreTrainedModel:
    """Fine-tune `checkpoint` on `train`, or load what the store has; return the classifier in evaluation mode.

    An interrupted training continues from its last saved step and ends with the same weights as one that was not
    interrupted.
    """

    def compute(work: Path) -> None:
        # The Trainer takes most of a second to import, and a page that finds its models in the store has no use for it.
        from darksecrets.models import training

        training.train(checkpoint, train, recipe, seed, work)

    directory = store.result("finetuned", _ingredients(checkpoint, train, recipe, seed), compute)
    return checkpoints.load_classifier(directory)


def predict(
    model: PreTrainedModel, tokenizer: Tokenizer, split: Split, max_length: int = attention.MAX_LENGTH
) -> np.ndarray:
    """Return one prediction per example, in the split's order: a label's number, or the score where the task asks for
    one.
    """
    encoded = attention.encode(tokenizer, split.examples, max_length)
    predictions = np.empty(len(encoded))
    use_attention(model, "sdpa" if model._supports_sdpa else "eager")
    with torch.inference_mode():
        for batch in attention.batches(encoded, tokenizer):
            logits = model(**batch.on(model)).logits.cpu()
            predictions[batch.rows] = (logits[:, 0] if split.task.is_regression else logits.argmax(-1)).numpy()
    return predictions if split.task.is_regression else predictions.astype(int)


def _ingredients(checkpoint: Checkpoint, train: Split, recipe: Recipe, seed: int) -> dict[str, object]:
    return {
        "version": VERSION,
        "task": train.task.name,
        **keys.trained(
            Origin(checkpoint.fingerprint, checkpoint.initialization, train.fingerprint, asdict(recipe), seed)
        ),
    }
