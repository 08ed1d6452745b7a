"""Section 4.3, beside Table 1: what a task's words give away without anything being read, and what a model adds.

A score means little before one knows what it takes to reach it. Three methods do without a model: a constant answer,
and two bags of words. The plain bag of words counts the words of each sentence; the one with overlap is also told which
words a pair shares and how many. The regularization of both is chosen by cross-validation on the training examples.
Explained in the appendix *The pocket corpus*.
"""

from functools import partial

import altair as alt
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, hstack, spmatrix
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from darksecrets.corpora import glue
from darksecrets.corpora.glue import SPLITS, TASKS, Example, Split
from darksecrets.errors import InputError
from darksecrets.estimates import format_estimate
from darksecrets.figures.charts import SCALES, WIDTH, interval_tooltips, wrapped
from darksecrets.models.setup import Setup
from darksecrets.reported import TUNED
from darksecrets.sections import fine_tuning
from darksecrets.sections.fine_tuning import INTERVAL, gained, scored, verdicts_of
from darksecrets.statistics import over_seeds

FINETUNED = "fine-tuned"
JUDGED = "bag of words"  # the baseline that a task must not be solved by
FOLDS = 5  # of the cross-validation
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the regularization that are tried
WORD = r"(?u)\b\w+\b"  # a word of one letter counts too, such as the t of "don't"
VERSION = 2  # part of a table's key: raise it when something else is computed


# Measure


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
        model, strengths = Ridge(), {"alpha": STRENGTHS}
    else:
        model, strengths = LogisticRegression(max_iter=2000), {"C": [1 / strength for strength in STRENGTHS]}
    search = GridSearchCV(model, strengths, cv=FOLDS)
    counter = CountVectorizer(token_pattern=WORD).fit(text for example in train.examples for text in _texts(example))
    with threadpool_limits(1):  # the problems are small: with several threads they take twenty times as long
        search.fit(_features(counter, train, with_overlap), labels)
        return search.predict(_features(counter, dev, with_overlap))


METHODS = {"majority": majority, JUDGED: bag_of_words, "with overlap": partial(bag_of_words, with_overlap=True)}


def predictions(setup: Setup) -> pd.DataFrame:
    """Return one row per task, method and validation example: its `label` and the method's `prediction`.

    The methods are those of `METHODS`, trained on the examples that a model is trained on. Nothing in them is random:
    the only `seed` is 0.
    """
    tables = []
    for task in setup.tasks:
        train, dev = (setup.split(task, name) for name in SPLITS)
        for method in METHODS:
            key = {"version": VERSION, "method": method, "train": train.fingerprint, "dev": dev.fingerprint}
            table = setup.results.table("baselines", key, partial(_predict, method, train, dev))
            tables.append(table.assign(task=task, seed=0, method=method))
    return pd.concat(tables, ignore_index=True)


def finetuned(setup: Setup) -> pd.DataFrame:
    """Return the same table for the pre-trained model, fine-tuned with each seed: what the baselines are held against.

    It is the last setting of `fine_tuning.predictions`, and shares its results through the store.
    """
    table = fine_tuning.predictions(setup, settings=[TUNED])
    return table.drop(columns=["initialization", "finetuned"]).assign(method=FINETUNED)


def _predict(method: str, train: Split, dev: Split) -> pd.DataFrame:
    return fine_tuning.answers(dev, METHODS[method](train, dev))


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


# Summarize


def scores(predicted: pd.DataFrame) -> pd.DataFrame:
    """Score each task, method and seed by the task's headline metric: `mean` as a fraction, with the bootstrap interval
    over examples.
    """
    rows = []
    for (task, method, seed), group in predicted.groupby(["task", "method", "seed"], sort=False):
        metric = TASKS[task].headline
        rows.append((task, metric, method, seed, *scored(metric, group["label"], group["prediction"])))
    return pd.DataFrame(rows, columns=["task", "metric", "method", "seed", *INTERVAL])


def gains(predicted: pd.DataFrame) -> pd.DataFrame:
    """Compute what the fine-tuned model scores above each baseline (`over`) on the same examples, per task and seed.

    `mean` as a fraction, with the paired bootstrap interval over examples.
    """
    rows = []
    for (task, seed), tuned in predicted[predicted["method"] == FINETUNED].groupby(["task", "seed"], sort=False):
        metric = TASKS[task].headline
        for over in METHODS:
            base = predicted[(predicted["task"] == task) & (predicted["method"] == over)]
            both = tuned.merge(base, on="example", suffixes=("", "_base"), validate="one_to_one")
            gain = gained(metric, both["label"], both["prediction"], both["prediction_base"])
            rows.append((task, metric, over, seed, *gain))
    return pd.DataFrame(rows, columns=["task", "metric", "over", "seed", *INTERVAL])


def by_method(scores: pd.DataFrame) -> pd.DataFrame:
    """Average `scores` over seeds: one row per task and method, its interval over seeds where it has several."""
    tables = [over_seeds(group, ["task", "metric", "method"]) for _, group in scores.groupby("method", sort=False)]
    return pd.concat(tables, ignore_index=True)


# Judge


def score_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Format `scores`: a row per task, a column per method, in per cent with intervals."""
    table = by_method(scores)
    return _by_task(table.assign(column=table["method"], cell=table.apply(format_estimate, axis=1)))


def gain_table(gains: pd.DataFrame) -> pd.DataFrame:
    """Format `gains`: points over each baseline with intervals, and whether the model is ahead."""
    table = over_seeds(gains, ["task", "metric", "over"])
    points = table.assign(column="over " + table["over"], cell=table.apply(format_estimate, axis=1))
    ahead = table.assign(column="ahead of " + table["over"] + "?", cell=verdicts_of(table))
    return _by_task(pd.concat([points, ahead]))


def n_ahead(gains: pd.DataFrame) -> int:
    """Count the tasks on which the model is ahead of the bag of words beyond the interval."""
    return fine_tuning.n_holding(gains[gains["over"] == JUDGED])


def finding(gains: pd.DataFrame) -> str:
    """Return the chart's title: on how many tasks fine-tuning beats the bag of words."""
    return f"Fine-tuning beats a {JUDGED} on {n_ahead(gains)} of {gains['task'].nunique()} tasks"


def _by_task(cells: pd.DataFrame) -> pd.DataFrame:
    """Put the `cell` of each `column` side by side, a row for each task."""
    tasks = cells.drop_duplicates("task")[["task", "metric"]]
    return tasks.merge(cells.pivot(index="task", columns="column", values="cell")[cells["column"].unique()], on="task")


# Draw


def method_chart(by_method: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw each task's score by method (`by_method`): a point, and a line for its interval."""
    base = alt.Chart(by_method.round(4), width=WIDTH, height=alt.Step(10), title=wrapped(title))
    base = base.encode(
        y=alt.Y("task:N", title=None, sort=None, scale=alt.Scale(paddingInner=0.4)),
        yOffset=alt.YOffset("method:N", sort=SCALES["method"].domain),
        color=alt.Color("method:N", scale=SCALES["method"], legend=alt.Legend(orient="bottom", title=None)),
        tooltip=["task", "metric", "method", *interval_tooltips("score")],
    )
    intervals = base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q")
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=alt.X("mean:Q", title="score (accuracy; STS-B: Pearson correlation)"),
        shape=alt.Shape("method:N", scale=alt.Scale(domain=SCALES["method"].domain), legend=None),
    )
    return alt.layer(intervals, points)
