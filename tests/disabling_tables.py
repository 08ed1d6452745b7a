"""What classifiers answer with heads disabled, made up, with heads of which it is known that they help or hurt."""

import itertools
import zlib

import numpy as np

from darksecrets.corpora.tasks import TASKS
from darksecrets.models.disabling import PruningCurve, SweepResult
from darksecrets.sections.disabling import DisablingTables

SOME = ("RTE", "STS-B")
SCORE = 0.75  # of the classifier with nothing disabled, near enough
NOISE = 0.05  # share of answers that disabling any head changes, half of them to the better
INSTEAD = ("uniform", "zero", "mean")
ORDERS = ("sweep", "gradient", "random 1", "random 2", "random 3")


def swept(
    task="RTE", n_examples=200, n_layers=3, n_heads=4, helps=None, hurts=None, instead="uniform", noise=NOISE, seed=0
):
    """Answers with each head, and each layer, disabled.

    `helps` and `hurts` map heads, (layer, head) from 0, to how much the score gains or loses by disabling them, near
    enough; every other head changes as many answers to the better as to the worse. A layer does what its heads do. The
    examples are those of the task; their answers with nothing disabled depend on the seed, not on `instead`.
    """
    effects = np.zeros((n_layers, n_heads))
    for sign, heads in ((1, helps), (-1, hurts)):
        for head, effect in (heads or {}).items():
            effects[head] = sign * effect
    label, error = _examples(task, n_examples)
    baseline, middle = _baseline(task, label, error, noise, seed)
    random = np.random.default_rng([seed, zlib.crc32(task.encode()), INSTEAD.index(instead), 1])
    heads, layers = (
        np.stack([_answers(random, task, label, middle, effect, noise) for effect in some.ravel()], -1)
        for some in (effects, effects.sum(1))
    )
    return SweepResult(task, seed, instead, label, baseline, heads.reshape(n_examples, n_layers, n_heads), layers)


def removed(task="RTE", n_examples=200, n_total=12, order="sweep", gains=0.0, loses=0.25, noise=NOISE, seed=0):
    """Answers as more and more heads are disabled: the score rises by `gains` until a half of them are gone, then
    falls to `loses` below that with nothing disabled.

    A random order gains nothing and loses from the first head on.
    """
    label, error = _examples(task, n_examples)
    baseline, middle = _baseline(task, label, error, noise, seed)
    random = np.random.default_rng([seed, zlib.crc32(task.encode()), ORDERS.index(order), 2])
    n_disabled = np.arange(n_total + 1)
    points = [(0, 0), (n_total, -loses)]
    if not order.startswith("random"):
        points.insert(1, (n_total / 2, gains))
    effects = np.interp(n_disabled, *zip(*points, strict=True))
    answers = [_answers(random, task, label, middle, effect, noise) for effect in effects[1:]]
    return PruningCurve(task, seed, order, n_disabled, label, np.stack([baseline, *answers], -1))


def results(tasks=SOME, seeds=(0,), n_examples=200, n_layers=3, n_heads=4, helps=None, hurts=None, gains=0.0):
    """Everything that the analysis returns: a list of `SweepResult` and one of `PruningCurve`."""
    size = {"n_examples": n_examples, "n_layers": n_layers, "n_heads": n_heads}
    sweeps = [
        swept(task, **size, helps=helps, hurts=hurts, instead=instead, seed=seed)
        for task, seed, instead in itertools.product(tasks, seeds, INSTEAD)
    ]
    curves = [
        removed(task, n_examples, n_layers * n_heads, order, gains, seed=seed)
        for task, seed, order in itertools.product(tasks, seeds, ORDERS)
    ]
    return sweeps, curves


def tables(tasks=SOME, seeds=(0,), **sizes_and_effects):
    """Return the finished tables of `results`."""
    return DisablingTables.of(*results(tasks, seeds, **sizes_and_effects))


def _examples(task, n_examples):
    """Labels, and what makes an example hard: its noise for a score, a number from 0 to 1 for a class."""
    random = np.random.default_rng([zlib.crc32(task.encode()), 3])
    if TASKS[task].is_regression:
        return random.uniform(0, 5, n_examples), random.normal(0, 1, n_examples)
    label = random.permutation(np.arange(n_examples) % TASKS[task].n_outputs)
    return label, random.random(n_examples)


def _baseline(task, label, error, noise, seed):
    """Answers with nothing disabled, and what the answers with a head disabled are made from."""
    random = np.random.default_rng([seed, zlib.crc32(task.encode()), 4])
    if TASKS[task].is_regression:
        middle = error + random.normal(0, 0.2, len(label))
        return label + _deviation(label, SCORE) * middle + random.normal(0, noise, len(label)), middle
    hardest = (error + random.normal(0, 0.1, len(label))).argsort().argsort() >= round(SCORE * len(label))
    middle = np.where(hardest, _other(random, task, label), label)
    return middle, middle


def _answers(random, task, label, middle, effect, noise):
    if TASKS[task].is_regression:
        deviation = _deviation(label, np.clip(SCORE + effect, 0.01, 0.99))
        return label + deviation * middle + random.normal(0, noise, len(label))
    # Each wrong answer becomes right, and each right one wrong, by itself: what disabling does to some examples says
    # nothing of others.
    is_right = middle == label
    rates = [(noise / 2 + max(effect, 0)) / (1 - SCORE), (noise / 2 + max(-effect, 0)) / SCORE]
    is_changed = random.random(len(label)) < np.where(is_right, rates[1], rates[0])
    changed = np.where(is_right, _other(random, task, label), label)
    return np.where(is_changed, changed, middle)


def _deviation(label, score):
    """Standard deviation of the noise that makes the correlation with the label `score`."""
    return label.std() * np.sqrt(1 / score**2 - 1)


def _other(random, task, label):
    """A class that is not the label."""
    n_classes = TASKS[task].n_outputs
    return (label + random.integers(1, n_classes, len(label))) % n_classes
