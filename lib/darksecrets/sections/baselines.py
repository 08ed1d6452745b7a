"""What a task's words give away without anything being read: a constant answer, and two bags of words.

A score means little before one knows what it takes to reach it. The plain bag of words counts the words of each
sentence; the one with overlap is also told which words a pair shares and how many. The regularization of both is chosen
by cross-validation on the training examples.
"""

from functools import partial

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, hstack, spmatrix
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from darksecrets.corpora import glue
from darksecrets.corpora.glue import SPLITS, Example, Split
from darksecrets.errors import InputError
from darksecrets.models.setup import Setup
from darksecrets.sections import scores

FINETUNED = "fine-tuned"
FOLDS = 5  # of the cross-validation
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the regularization that are tried
WORD = r"(?u)\b\w+\b"  # a word of one letter counts too, such as the t of "don't"
VERSION = 2  # part of a table's key: raise it when something else is computed


def predictions(setup: Setup) -> pd.DataFrame:
    """Return one row per task, method and validation example: its `label` and the method's `prediction`.

    The methods are those of `METHODS`, trained on the examples that a model is trained on. Nothing in them is random:
    the only `seed` is 0.
    """
    tables = [
        _predictions_of(setup, task, method).assign(task=task, seed=0, method=method)
        for task in setup.tasks
        for method in METHODS
    ]
    return pd.concat(tables, ignore_index=True)


def finetuned(setup: Setup) -> pd.DataFrame:
    """Return the same table for the pre-trained model, fine-tuned with each seed: what the baselines are held against.

    It is the last setting of `analyses.scores`, and shares its results through the store.
    """
    table = scores.predictions(setup, settings=[("pretrained", True)])
    return table.drop(columns=["initialization", "finetuned"]).assign(method=FINETUNED)


def majority(train: Split, dev: Split) -> np.ndarray:
    """Answer every validation example alike, as `glue.constant` does.

    It is chosen on the validation labels, so that no other constant scores higher.
    """
    return glue.constant(dev.task, [example.label for example in dev.examples])


def bag_of_words(train: Split, dev: Split, with_overlap: bool = False) -> np.ndarray:
    """Predict with a logistic regression over words, or a ridge regression where the label is a score.

    `with_overlap` adds what a pair has in common to the counts of each sentence.
    Raises InputError where the training examples are too few for `FOLDS`-fold cross-validation.
    """
    labels = np.array([example.label for example in train.examples])
    smallest = len(labels) if train.task.is_regression else np.bincount(labels, minlength=train.task.n_outputs).min()
    if smallest < FOLDS:
        needed = "examples" if train.task.is_regression else "examples of each label"
        raise InputError(f"{train.task.name}: a bag of words needs {FOLDS} training {needed}; take more of them")
    if train.task.is_regression:
        search = GridSearchCV(Ridge(), {"alpha": STRENGTHS}, cv=FOLDS)
    else:
        search = GridSearchCV(
            LogisticRegression(max_iter=2000), {"C": [1 / strength for strength in STRENGTHS]}, cv=FOLDS
        )
    counter = CountVectorizer(token_pattern=WORD).fit(text for example in train.examples for text in _texts(example))
    with threadpool_limits(1):  # the problems are small: with several threads they take twenty times as long
        search.fit(_features(counter, train, with_overlap), labels)
        return search.predict(_features(counter, dev, with_overlap))


METHODS = {
    "majority": majority,
    "bag of words": bag_of_words,
    "with overlap": partial(bag_of_words, with_overlap=True),
}


def _predictions_of(setup: Setup, task: str, method: str) -> pd.DataFrame:
    train, dev = (setup.split(task, name) for name in SPLITS)
    ingredients = {"version": VERSION, "method": method, "train": train.fingerprint, "dev": dev.fingerprint}

    def compute() -> pd.DataFrame:
        rows = [(example.id, example.label) for example in dev.examples]
        return pd.DataFrame(rows, columns=["example", "label"]).assign(prediction=METHODS[method](train, dev))

    return setup.results.table("baselines", ingredients, compute)


def _features(counter: CountVectorizer, split: Split, with_overlap: bool) -> spmatrix:
    """Count words in the first sentence and in the second; one row per example.

    With overlap, also in both, and which share of the words the two share: of all, of the first's, of the second's.
    """
    texts = zip(*(_texts(example) for example in split.examples), strict=True)
    counts = [counter.transform(column) for column in texts]
    if len(counts) == 1 or not with_overlap:
        return hstack(counts, format="csr")
    first, second = counts
    both = first.minimum(second)
    n_first, n_second, n_both = (np.asarray(block.sum(axis=1)).ravel() for block in (first, second, both))
    totals = (n_first + n_second - n_both, n_first, n_second)
    shares = [n_both / np.maximum(total, 1) for total in totals]
    return hstack([first, second, both, csr_matrix(np.column_stack(shares))], format="csr")


def _texts(example: Example) -> list[str]:
    return [example.first] if example.second is None else [example.first, example.second]
