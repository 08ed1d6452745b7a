"""Section 4.6: what fine-tuned classifiers answer with heads disabled, one at a time, a layer at a time, or more and
more of them; kept per example, so that every statistic is computed afterwards without a model.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.corpora import glue
from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.corpora.scores import evaluate
from darksecrets.errors import InputError
from darksecrets.models import ablation, attention, per_model
from darksecrets.models.ablation import MEAN, UNIFORM, WAYS, Head
from darksecrets.models.attention import Encoded
from darksecrets.models.importance import gradient_importance, normalized
from darksecrets.models.per_model import Case
from darksecrets.models.precisions import PRECISIONS
from darksecrets.models.setup import Setup
from darksecrets.models.sweep import sweep
from darksecrets.runs import write_table

VERSION = 1  # part of a result's key: raise it when something else is computed
SWEEP, GRADIENT = "sweep", "gradient"
RANDOM = ("random 1", "random 2", "random 3")
ORDERS = (SWEEP, GRADIENT, *RANDOM)
N_STEPS = 12  # how many times more heads are disabled, until none is left
SHUFFLE_SEED = 0  # of the examples, which decides their halves and which of them are compared


@dataclass(frozen=True)
class SweepResult:
    """What one fine-tuned classifier answers with each head, and each layer, disabled.

    A prediction is a label's number, or a score where the task asks for one. `instead` says what stands in for a
    disabled head's attention (`models.ablation.WAYS`).
    """

    task: str
    seed: int
    instead: str
    label: np.ndarray  # (example,)
    baseline: np.ndarray  # (example,), nothing disabled
    heads: np.ndarray  # (example, layer, head)
    layers: np.ndarray  # (example, layer), all heads of a layer disabled
    scored_by: str = ""  # "accuracy" or "pearson"; empty: the headline metric of the GLUE task

    @property
    def metric(self) -> str:
        """The metric that the task is scored by."""
        return self.scored_by or glue.TASKS[self.task].headline


@dataclass(frozen=True)
class PruningCurve:
    """What one classifier answers as more and more of its heads are disabled together.

    The heads' `order` was chosen on that half of the examples that does not hold the example.
    """

    task: str
    seed: int
    order: str
    n_disabled: np.ndarray  # (step,), from 0 to all heads
    label: np.ndarray  # (example,)
    answers: np.ndarray  # (example, step)
    scored_by: str = ""  # as in `SweepResult`
    metric = SweepResult.metric


def measured(setup: Setup, max_compared: int = 0) -> tuple[list[SweepResult], list[PruningCurve]]:
    """Answer the setup's validation examples with heads of every fine-tuned classifier disabled.

    Single heads and layers attend uniformly on all examples; on `max_compared` of them (0 = all) they are also replaced
    by zero and by their mean, and more and more heads are disabled together. What the store has is not computed again.
    Raises `InputError` where an encoder's heads cannot be disabled.
    """
    check_compared(max_compared)
    swept = [one for way in WAYS for one in _swept(setup, way, 0 if way == UNIFORM else max_compared)]
    uniform = {(one.task, one.seed): one for one in swept if one.instead == UNIFORM}
    return swept, list(_removed(setup, uniform, max_compared))


def check_compared(max_compared: int) -> None:
    """Raise `InputError` for a number of examples that cannot be halved."""
    if max_compared < 0 or max_compared == 1:
        raise InputError(f"max_compared is {max_compared}; give 0 for all examples, or at least 2")


def sanity_check(setup: Setup, n_examples: int = 8) -> pd.DataFrame:
    """Disable heads of the first task's classifier in several ways and see whether that moves its outputs.

    Columns: disabled, by, largest change of an output. transformers' own argument, `head_mask`, is among them.
    """
    model, tokenizer, encoded, _ = _first_task(setup, n_examples)
    batch = attention.collate(encoded, tokenizer, max(map(len, encoded)))
    inputs = batch.on(model)

    def outputs(**options: object) -> torch.Tensor:
        with torch.inference_mode():
            return model(**inputs, **options).logits

    before, heads = outputs(), ablation.all_heads(model)
    closed = torch.zeros(model.config.num_hidden_layers, model.config.num_attention_heads)
    rows = [("all heads", "head_mask", (outputs(head_mask=closed) - before).abs().max().item())]
    for name, chosen in {"one head": heads[:1], "layer 1": ablation.layer(model, 0), "all heads": heads}.items():
        with ablation.disabled(model, chosen):
            rows.append((name, "disabled", (outputs() - before).abs().max().item()))
    return pd.DataFrame(rows, columns=["disabled", "by", "largest change of an output"])


def exactness(setup: Setup, n_examples: int = 8) -> pd.DataFrame:
    """Hold the sweep of the first task's classifier against the plain path, a forward pass for each head and layer.

    One row per precision, for a reader: the largest difference of any output that is computed in float32, the number
    of predictions that differ, and the share of answers that are computed in float32.
    """
    model, tokenizer, encoded, task = _first_task(setup, n_examples)
    sets = single(model)
    plain = sweep(model, tokenizer, encoded, sets, plain=True)
    rows = []
    for precision in PRECISIONS:
        fast = sweep(model, tokenizer, encoded, sets, precision=precision)
        difference = np.abs(fast.logits - plain.logits)[fast.is_exact].max()
        n_differing = int((fast.predictions != plain.predictions).sum()) if fast.logits.shape[-1] > 1 else 0
        rows.append((task, precision, plain.is_exact.sum(), f"{difference:.0e}", n_differing, fast.is_exact.mean()))
    names = ["largest difference of an output", "differing predictions", "share computed in float32"]
    return pd.DataFrame(rows, columns=["task", "precision", "answers", *names])


def single(model: PreTrainedModel) -> list[Collection[Head]]:
    """Return the sets of a sweep: none, each head, each layer."""
    layers = [ablation.layer(model, number) for number in range(model.config.num_hidden_layers)]
    return [[], *([head] for head in ablation.all_heads(model)), *layers]


def only_uniform(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in which uniform attention stands in for a disabled head's, as in the paper."""
    return table[table["instead"] == UNIFORM]


def by_sweep(swept: SweepResult, places: np.ndarray) -> np.ndarray:
    """Order heads by the score without them on some examples, best first; ties at random."""
    answers = swept.heads.reshape(len(swept.label), -1)[places]
    scores = [evaluate([swept.metric], swept.label[places], column)[swept.metric] for column in answers.T]
    return np.lexsort((np.random.default_rng(SHUFFLE_SEED).random(len(scores)), -np.array(scores)))


def _first_task(setup: Setup, n_examples: int) -> tuple[PreTrainedModel, Tokenizer, list[Encoded], str]:
    task = setup.tasks[0]
    tokenizer, examples = setup.load().tokenizer, setup.split(task, "dev", n_examples).examples
    return setup.finetuned(task, setup.seeds[0]), tokenizer, attention.encode(tokenizer, examples), task


def _swept(setup: Setup, instead: str, max_examples: int) -> Iterator[SweepResult]:
    """Sweep every fine-tuned classifier with one way of disabling."""

    def measure(case: Case, model: PreTrainedModel, directory: Path) -> None:
        tokenizer, encoded, labels = _examples(setup, case, max_examples)
        means = ablation.mean_outputs(model, tokenizer, encoded) if instead == MEAN else None
        how = {"precision": setup.recipe.precision, "progress": f"heads of {case.task}, seed {case.seed}: {instead}"}
        answers = sweep(model, tokenizer, encoded, single(model), instead, means, **how).predictions
        answers = answers[:, [example.row for example in encoded]]
        write_table(directory / "answers.parquet", _columns(answers.T, case).assign(label=labels))

    made_from = {"version": VERSION, "instead": instead, "max_examples": max_examples}
    for case, directory in per_model.results(setup, "disabled", made_from, measure, checkpoints=(AFTER,)):
        table = pd.read_parquet(directory / "answers.parquet")
        label, answers = table.pop("label").to_numpy(), table.to_numpy()
        checkpoint = setup.load()
        alone, layer = np.split(answers[:, 1:], [checkpoint.n_layers * checkpoint.n_heads], axis=1)
        heads = alone.reshape(len(label), checkpoint.n_layers, checkpoint.n_heads)
        yield SweepResult(case.task, case.seed, instead, label, answers[:, 0], heads, layer)


def _removed(setup: Setup, uniform: dict[tuple[str, int], SweepResult], max_examples: int) -> Iterator[PruningCurve]:
    """Disable more and more heads of every fine-tuned classifier, in orders that the other half chose."""

    def measure(case: Case, model: PreTrainedModel, directory: Path) -> None:
        tables = _removals(setup, case, model, uniform[case.task, case.seed], max_examples)
        write_table(directory / "answers.parquet", pd.concat(tables, ignore_index=True))

    made_from = {"version": VERSION, "max_examples": max_examples, "orders": ORDERS, "n_steps": N_STEPS}
    for case, directory in per_model.results(setup, "removed", made_from, measure, checkpoints=(AFTER,)):
        table = pd.read_parquet(directory / "answers.parquet")
        n_disabled = np.array([int(name) for name in table.columns.drop(["order", "label"])])
        for order, group in table.groupby("order", sort=False):
            answers = group[list(map(str, n_disabled))].to_numpy()
            yield PruningCurve(case.task, case.seed, order, n_disabled, group["label"].to_numpy(), answers)


def _removals(
    setup: Setup, case: Case, model: PreTrainedModel, swept: SweepResult, max_examples: int
) -> Iterator[pd.DataFrame]:
    """Yield a table of answers per half and order, an example a row, a column for each number of heads disabled."""
    tokenizer, encoded, labels = _examples(setup, case, 0)
    places = np.random.default_rng(SHUFFLE_SEED).permutation(len(encoded))
    halves = places[::2], places[1::2]
    heads = ablation.all_heads(model)
    steps = np.unique(np.linspace(0, len(heads), N_STEPS + 1).round().astype(int))
    for choosing, scored in (halves, halves[::-1]):
        scored = scored[: -(-max_examples // 2) or None]
        chosen = [encoded[place] for place in choosing]
        importance = normalized(gradient_importance(model, tokenizer, chosen, labels[choosing]))
        orders = {SWEEP: by_sweep(swept, choosing), GRADIENT: importance.ravel().argsort(kind="stable")}
        orders |= {name: np.random.default_rng(number).permutation(len(heads)) for number, name in enumerate(RANDOM)}
        sets = [frozenset(heads[place] for place in order[:n]) for order in orders.values() for n in steps]
        different = list(dict.fromkeys(sets))  # none and all heads are the same in every order
        what = [encoded[place] for place in scored]
        how = {"precision": setup.recipe.precision, "progress": f"many heads of {case.task}, seed {case.seed}"}
        answers = sweep(model, tokenizer, what, different, **how).predictions[:, scored]
        answers = answers[[different.index(one) for one in sets]]
        for order, part in zip(orders, np.split(answers, len(orders)), strict=True):
            yield _columns(part.T, case, map(str, steps)).assign(label=labels[scored], order=order)


def _examples(setup: Setup, case: Case, max_examples: int) -> tuple[Tokenizer, list[Encoded], np.ndarray]:
    """Return the tokenizer, and at most `max_examples` (0 = all) of the setup's examples with their labels."""
    tokenizer, dev = setup.load().tokenizer, setup.split(case.task, "dev", setup.max_examples)
    encoded = attention.encode(tokenizer, dev.examples)
    places = np.random.default_rng(SHUFFLE_SEED).permutation(len(encoded))[: max_examples or None]
    if not max_examples:
        places = np.sort(places)
    return tokenizer, [encoded[place] for place in places], np.array([dev.examples[place].label for place in places])


def _columns(answers: np.ndarray, case: Case, names: Iterator[str] | None = None) -> pd.DataFrame:
    """Make a table of answers (example, set), a column each, in as few bytes as they need."""
    kind = np.float32 if glue.TASKS[case.task].is_regression else np.int8
    names = names or (str(number) for number in range(answers.shape[1]))
    return pd.DataFrame(answers.astype(kind), columns=list(names))
