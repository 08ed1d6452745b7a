"""Section 4.3: what fine-tuning changes. The scores of Table 1, and the similarity of maps of Figure 5.

Two readings of Figure 5: `paper` compares the maps of the real tokens; `released`, as the authors' notebook does,
compares maps padded to 200 tokens, where the rows of padding queries, which hold attention as well, count too.
Explained in the chapter *What fine-tuning changes*.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import altair as alt
import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from darksecrets import reported
from darksecrets.corpora.glue import Split
from darksecrets.corpora.scores import METRICS, evaluate
from darksecrets.corpora.tasks import TASKS
from darksecrets.errors import InputError
from darksecrets.estimates import format_change, format_difference, format_estimate
from darksecrets.figures import charts
from darksecrets.figures.charts import SCALES, interval_tooltips, menu, menus_of, present, wrapped
from darksecrets.figures.head_charts import opened, packed
from darksecrets.heads import HEAD
from darksecrets.models import attention, finetuning, keys, side_by_side
from darksecrets.models.attention import Batch
from darksecrets.models.setup import Setup
from darksecrets.models.side_by_side import Job
from darksecrets.reported import RANDOM, SETTINGS, TUNED, UNTUNED
from darksecrets.saved_tables import REFERENCE_RUN, THIS_RUN, SavedTables
from darksecrets.statistics import bootstrap_interval, interval_of_mean, over_present_seeds, over_seeds, over_tasks
from darksecrets.verdicts import FAILS, HOLDS, OPEN, Judgement, Judgements, claims_table, every, single, verdict

# Parts of the keys of what is kept: raise them when something else is computed.
PREDICTIONS_VERSION, SIMILARITY_VERSION = 1, 1
PREDICTIONS, SIMILARITY = "predictions", "similarity"  # kinds of results in the store

READINGS = {"paper": 0, "released": attention.RELEASED_LENGTH}  # tokens that every map is padded to; 0 = none
PAPER, RELEASED = READINGS
NAMES = ("pre-trained, not fine-tuned", "random weights, fine-tuned", "pre-trained, fine-tuned")
SETTING_NAMES = dict(zip(SETTINGS, NAMES, strict=True))
SETTING = ["initialization", "finetuned"]
SCORED = ["task", "metric", *SETTING]  # what has a number in Table 1
INTERVAL = ["mean", "low", "high"]

EXCEPTED = "QQP"  # the task on which, the paper says, the last two layers do not change most
ADDED = f"{100 * reported.AVERAGE_GAIN:.1f}"
BEATS_RANDOM = "Pre-trained weights beat random ones after fine-tuning (every task)"
AVERAGE_GAIN = f"Fine-tuning adds {ADDED} points on average"
LAST_TWO = f"The last two layers change most (every task but {EXCEPTED})"
UNLEARNED = "From random weights, STS-B, RTE and QNLI are not learned (each of the three)"  # for the ledger only
CHANCE = {"accuracy": 0.6, "pearson": 0.2}  # a score below it is not learned
EXCEPTION = f"On {EXCEPTED} the last two layers do not change most"
# What the paper says of them.
SAID = {BEATS_RANDOM: "holds", AVERAGE_GAIN: f"by {ADDED} points", LAST_TWO: "holds", EXCEPTION: "holds"}
TICKS = [0, 0.5, 0.7, 0.8, 0.9, 1]  # of the legend of similarities


# Measure: predictions


class _Case(NamedTuple):
    """One model that predicts."""

    task: str
    seed: int
    initialization: str
    finetuned: bool


def predictions(
    setup: Setup, max_scored: int = 0, settings: Sequence[tuple[str, bool]] = SETTINGS, n_random: int = 0
) -> pd.DataFrame:
    """Return one row per task, seed, setting and validation example: its `label` and the model's `prediction`.

    `max_scored` limits the validation examples (0 = all of them, as in the paper), `n_random` the seeds that also start
    from random weights, to the first of them (0 = all). Without fine-tuning the task's head is random, so its answers
    are those of chance: the seed decides them. Models that are needed for predictions which the store does not have are
    fine-tuned side by side.
    """
    check_random(n_random, setup.seeds)
    left_out = setup.seeds[n_random:] if n_random else []
    asked = {
        case: _prediction_key(setup, case, max_scored)
        for case in (_Case(task, seed, *how) for task in setup.tasks for seed in setup.seeds for how in settings)
        if (case.initialization, case.finetuned) != RANDOM or case.seed not in left_out
    }
    missing = [case for case, key in asked.items() if case.finetuned and not setup.results.has(PREDICTIONS, key)]
    jobs = [Job(case.initialization, case.task, case.seed) for case in missing]
    side_by_side.finetune(setup, jobs, n_models=sum(case.finetuned for case in asked))
    tables = [
        setup.results.table(PREDICTIONS, key, partial(_predict, setup, case, max_scored)).assign(**case._asdict())
        for case, key in asked.items()
    ]
    return pd.concat(tables, ignore_index=True)


def check_random(n_random: int, seeds: Sequence[int]) -> None:
    """Raise `InputError` for a number of seeds from random weights that there are not."""
    if not 0 <= n_random <= len(seeds):
        raise InputError(f"n_random is {n_random}, but seeds has {len(seeds)}; give 0 for all, or at most {len(seeds)}")


def _prediction_key(setup: Setup, case: _Case, max_scored: int) -> dict[str, object]:
    origin = setup.origin(case.task, case.seed if case.finetuned else None, case.initialization, max_scored)
    return {"version": PREDICTIONS_VERSION, **keys.predicted(origin._replace(seed=case.seed))}


def _predict(setup: Setup, case: _Case, max_scored: int) -> pd.DataFrame:
    checkpoint, dev = setup.load(case.initialization), setup.split(case.task, "dev", max_scored)
    if case.finetuned:
        model = setup.finetuned(case.task, case.seed, case.initialization)
    else:
        model = checkpoint.classifier(dev.task.n_outputs, case.seed)
    return answers(dev, finetuning.predict(model, checkpoint.tokenizer, dev))


def answers(split: Split, predicted: Sequence[float]) -> pd.DataFrame:
    """Return one row per example of a split: its id (`example`), its `label` and the `prediction`."""
    rows = [(example.id, example.label) for example in split.examples]
    return pd.DataFrame(rows, columns=["example", "label"]).assign(prediction=predicted)


# Measure: the similarity of maps


def cosine(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return the cosine of two arrays of maps (..., query, key), each map taken as one long vector.

    The rows of a map sum to 1, so none is all zeros.
    """
    before, after = before.flatten(-2), after.flatten(-2)
    product = torch.einsum("...i,...i->...", before, after)
    return product / (torch.linalg.vector_norm(before, dim=-1) * torch.linalg.vector_norm(after, dim=-1))


class CosineSimilarity:
    """Reducer: per example and head, the cosine similarity between a model's maps and those of the model `before`."""

    def __init__(self, before: PreTrainedModel) -> None:
        self.before = before
        self.rows: list[int] = []
        self.values: list[torch.Tensor] = []

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Compare `maps` (batch, layer, head, query, key) with the maps of `before` on the same batch."""
        self.rows += batch.rows
        self.values.append(cosine(attention.read_maps(self.before, batch), maps).cpu())

    def table(self) -> pd.DataFrame:
        """One row per example, layer and head (both from 0), ordered so: `similarity` between 0 and 1."""
        values = torch.cat(self.values)[np.argsort(self.rows)]  # (example, layer, head)
        index = pd.MultiIndex.from_product([range(size) for size in values.shape], names=["example", *HEAD])
        return pd.DataFrame({"similarity": values.flatten().numpy()}, index=index).reset_index()


def similarities(setup: Setup, reading: str = PAPER, at_most: int = 0) -> pd.DataFrame:
    """Return one row per task, seed, example, layer and head: `similarity` of the maps before and after fine-tuning.

    Over the setup's validation examples (at most 1000 in the paper), or the first choice of `at_most` among them where
    that is less. The `example` is its row in the task's file.
    """
    limit = min((size for size in (setup.max_examples, at_most) if size), default=0)
    tables = [
        _similarities_of(setup, task, seed, reading, limit).assign(task=task, seed=seed, reading=reading)
        for task in setup.tasks
        for seed in setup.seeds
    ]
    return pd.concat(tables, ignore_index=True)


def _similarities_of(setup: Setup, task: str, seed: int, reading: str, limit: int) -> pd.DataFrame:
    checkpoint, dev = setup.load(), setup.split(task, "dev", limit)
    origin = keys.trained(setup.origin(task, seed, initialization=None, max_dev=limit))

    def compute() -> pd.DataFrame:
        reducer = CosineSimilarity(checkpoint.encoder())
        finetuned = setup.finetuned(task, seed)
        encoded = attention.encode(checkpoint.tokenizer, dev.examples)
        title = f"attention of {task}, seed {seed}, reading {reading}"
        attention.attention_pass(finetuned, checkpoint.tokenizer, encoded, [reducer], READINGS[reading], title)
        table = reducer.table()
        return table.assign(example=table["example"].map(lambda row: dev.examples[row].id))

    key = {"version": SIMILARITY_VERSION, "reading": reading, **origin}
    return setup.results.table(SIMILARITY, key, compute)


# Summarize: means with their intervals


@dataclass(frozen=True)
class FineTuningTables(SavedTables):
    """What a run saves: `scores`; `gains` over both other settings, by seed; `change_by` head (reading `paper`) and
    layer (both readings); `last_two_against_rest` (reading `paper`).
    """

    PREFIX = "tuning"

    scores: pd.DataFrame
    over_random: pd.DataFrame
    over_untuned: pd.DataFrame
    by_head: pd.DataFrame
    by_layer: pd.DataFrame
    last_two: pd.DataFrame

    @classmethod
    def of(cls, predicted: pd.DataFrame, changes: pd.DataFrame) -> Self:
        """Compute the tables from `predictions`, and from `similarities` in both readings."""
        real_tokens, small = changes[changes["reading"] == PAPER], dict.fromkeys(INTERVAL, "float32")
        return cls(
            scores=scores(predicted),
            over_random=gains(predicted, RANDOM),
            over_untuned=gains(predicted, UNTUNED),
            by_head=change_by(real_tokens, HEAD).astype(small),
            by_layer=change_by(changes, ["layer"]).astype(small),
            last_two=last_two_against_rest(real_tokens),
        )


def scores(predicted: pd.DataFrame) -> pd.DataFrame:
    """Score predictions per task, metric, setting and seed: `mean`, with the bootstrap interval over examples, as
    fractions (Table 1).
    """
    rows = [
        (task, metric, seed, *setting, *scored(metric, group["label"], group["prediction"]), len(group))
        for (task, seed, *setting), group in predicted.groupby(["task", "seed", *SETTING], sort=False)
        for metric in TASKS[task].metrics
    ]
    return pd.DataFrame(rows, columns=["task", "metric", "seed", *SETTING, *INTERVAL, "n_examples"])


def gains(predicted: pd.DataFrame, over: tuple[str, bool]) -> pd.DataFrame:
    """Compute what pre-trained and fine-tuned weights score above the setting `over`, per task and seed.

    `over` is one of `SETTINGS`; seeds that lack it are left out. One metric a task: accuracy, or the correlation of
    STS-B; the interval is a paired bootstrap over the same examples, in fractions.
    """
    rows = []
    for (task, seed), group in predicted.groupby(["task", "seed"], sort=False):
        metric = TASKS[task].headline
        best, base = (of_setting(group, setting).sort_values("example") for setting in (TUNED, over))
        if len(base):
            rows.append((task, metric, seed, *gained(metric, best["label"], best["prediction"], base["prediction"])))
    return pd.DataFrame(rows, columns=["task", "metric", "seed", *INTERVAL])


def of_setting(table: pd.DataFrame, setting: tuple[str, bool]) -> pd.DataFrame:
    """Return the rows of one of `SETTINGS`."""
    return table[(table["initialization"] == setting[0]) & (table["finetuned"] == setting[1])]


def scored(metric: str, label: pd.Series, prediction: pd.Series) -> tuple[float, float, float]:
    """Return a score with its bootstrap interval over examples, as fractions: (value, low, high)."""
    return evaluate([metric], label, prediction)[metric], *bootstrap_interval(METRICS[metric], label, prediction)


def gained(metric: str, label: pd.Series, one: pd.Series, other: pd.Series) -> tuple[float, float, float]:
    """Return what `one` prediction scores above the `other` on the same examples, with its paired interval."""
    gain = evaluate([metric], label, one)[metric] - evaluate([metric], label, other)[metric]

    def statistic(label: np.ndarray, one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        return METRICS[metric](label, one, axis) - METRICS[metric](label, other, axis)

    return gain, *bootstrap_interval(statistic, label, one, other)


def change_by(changes: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Average `similarities` over examples: one row per task, reading and `by` (layer, or layer and head).

    `mean`, `low`, `high`: over examples with one seed, over seeds with several; heads are averaged within an example
    first, since the heads of one example are not independent.
    """
    key = ["task", "reading", *by]
    per_example = changes.groupby([*key, "seed", "example"], sort=False)["similarity"].mean().reset_index()
    return over_seeds(_means(per_example, [*key, "seed"], "similarity"), key)


def last_two_against_rest(changes: pd.DataFrame) -> pd.DataFrame:
    """Test per task and reading whether the last two layers change most: the closest of the comparisons that decide it.

    The claim is that each of the last two layers is less similar than each layer before them. Of these comparisons the
    one least in its favour is shown: `pair` (layers from 1), and `mean`, `low`, `high` of the difference in similarity,
    paired by example, positive where the later layer changed more. The interval is corrected for the number of
    comparisons (Bonferroni), since the pair is chosen by its mean. `most_changed` names the two least similar layers.
    """
    n_layers = changes["layer"].max() + 1
    if n_layers < 3:
        raise InputError(f"the model has {n_layers} layers; comparing the last two with the others takes three or more")
    level = 1 - 0.05 / (2 * (n_layers - 2))
    tables = [
        _closest_pair(group, n_layers, level).assign(task=task, reading=reading)
        for (task, reading), group in changes.groupby(["task", "reading"], sort=False)
    ]
    return pd.concat(tables, ignore_index=True)


def last_two_by_seed(similarities: pd.DataFrame) -> pd.DataFrame:
    """Repeat `last_two_against_rest` for each fine-tuning by itself: its columns, and seed."""
    by_seed = similarities.groupby("seed", sort=False)
    tables = [last_two_against_rest(rows).assign(seed=seed) for seed, rows in by_seed]
    return pd.concat(tables, ignore_index=True)


def _closest_pair(changes: pd.DataFrame, n_layers: int, level: float) -> pd.DataFrame:
    by_example = changes.groupby(["seed", "example", "layer"], sort=False)["similarity"].mean().unstack("layer")
    means = by_example.groupby("seed").mean().mean()  # layer
    late, early = means[n_layers - 2 :].idxmax(), means[: n_layers - 2].idxmin()
    difference = (by_example[early] - by_example[late]).rename("difference").reset_index()
    table = _means(difference.assign(pair=f"{late + 1} and {early + 1}"), ["pair", "seed"], "difference", level)
    lowest = sorted(means.nsmallest(2).index + 1)
    return over_seeds(table, ["pair"], level=level).assign(most_changed=f"{lowest[0]} and {lowest[1]}")


def _means(table: pd.DataFrame, key: Sequence[str], value: str, level: float = 0.95) -> pd.DataFrame:
    rows = [
        (*group_key, *map(float, interval_of_mean(group[value], level=level)))
        for group_key, group in table.groupby(list(key), sort=False)
    ]
    return pd.DataFrame(rows, columns=[*key, *INTERVAL])


# Judge: tables and sentences beside the paper and the reference run


def table_1(this_run: pd.DataFrame, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Format Table 1: one row per task, metric and setting; paper, reference run, this run, in per cent.

    `this_run` and `reference` come from `scores`. Each setting is averaged over its own seeds, of which there may be
    fewer from random weights.
    """
    paper = (100 * reported.table_1().set_index(SCORED)["value"]).map("{:.1f}".format).to_dict()
    columns = {"paper": paper, REFERENCE_RUN: _cells(reference, SCORED), THIS_RUN: _cells(this_run, SCORED)}
    rows = [
        (task, metric, SETTING_NAMES[*setting], *(cells.get((task, metric, *setting)) for cells in columns.values()))
        for task, metric, *setting in this_run[SCORED].drop_duplicates().itertuples(index=False)
    ]
    return pd.DataFrame(rows, columns=["task", "metric", "setting", *columns], dtype=object)


def gain_table(over_base: pd.DataFrame, over: tuple[str, bool], reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Format `gains`: points per task in the paper, which gives no interval, in the reference run and in this run, and
    whether this run has a gain.
    """
    key, paper = ["task", "metric"], reported.table_1().set_index(SCORED)["value"]
    theirs, mine = _cells(reference, key), _cells(over_base, key)
    rows = [
        (*one, f"{100 * (paper[*one, *TUNED] - paper[*one, *over]):.1f}", theirs.get(one), points, is_gain)
        for (one, points), is_gain in zip(mine.items(), verdicts_of(over_seeds(over_base, key)), strict=True)
    ]
    return pd.DataFrame(rows, columns=[*key, "paper", REFERENCE_RUN, THIS_RUN, "a gain?"], dtype=object)


def last_two_table(last_two: pd.DataFrame, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Format `last_two_against_rest`: task; for the paper, the reference run and this run which layers change most,
    with the verdict for runs; and the closest pair of both runs with its difference.
    """
    theirs, mine = ({} if run is None else {row.task: row for row in run.itertuples()} for run in (reference, last_two))
    rows = []
    for task in mine:
        sides = [run.get(task) for run in (theirs, mine)]
        layers = [row and f"{row.most_changed} ({verdict(row.low, row.high)})" for row in sides]
        pairs = [row and f"{row.pair}: {format_difference(row.mean, row.low, row.high)}" for row in sides]
        rows.append((task, "not the last two" if task == EXCEPTED else "the last two", *layers, *pairs))
    runs = [REFERENCE_RUN, THIS_RUN]
    columns = ["task", "paper", *runs, *(f"{run}, closest pair" for run in runs)]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def seeds_note(this_run: pd.DataFrame, reference: pd.DataFrame | None = None) -> str:
    """Return how many seeds stand behind the `scores` of each run, and how many of them start at random too."""
    sentences = []
    for name, run in (("This run", this_run), ("The reference run", reference)):
        if run is not None:
            n_seeds, n_random = (rows["seed"].nunique() for rows in (run, of_setting(run, RANDOM)))
            fewer = f", {n_random} of them from random weights too" if n_random < n_seeds else ""
            sentences.append(f"{name} has {n_seeds} seed{'s' * (n_seeds > 1)}{fewer}.")
    return " ".join(sentences)


def verdicts_of(table: pd.DataFrame) -> list[str]:
    """Return for each row whether its difference is positive, by its interval."""
    return [verdict(low, high) for low, high in zip(table["low"], table["high"], strict=True)]


def n_holding(differences: pd.DataFrame) -> int:
    """Count the tasks on which a claimed positive difference holds; seeds are averaged."""
    by_task = over_seeds(differences, ["task"]) if "seed" in differences else differences
    return verdicts_of(by_task).count(HOLDS)


def finding(last_two: pd.DataFrame) -> str:
    """Return the title of Figure 5: on how many tasks the last two layers change most."""
    return f"The last two layers change most on {n_holding(last_two)} of {last_two['task'].nunique()} tasks"


def halves(by_layer: pd.DataFrame) -> str:
    """Return how similar maps stay in the first and in the second half of the layers, over all tasks."""
    by_layer = by_layer[by_layer["reading"] == PAPER]
    is_late = by_layer["layer"] >= (by_layer["layer"].max() + 1) / 2
    early, late = (by_layer.loc[rows, "mean"].mean() for rows in (~is_late, is_late))
    return f"{early:.2f} on average in the first half of the layers, and {late:.2f} in the second"


def largest_difference(by_layer: pd.DataFrame) -> str:
    """Return where the readings are furthest apart: layer (from 1), task, and both similarities."""
    sides = by_layer.pivot(index=["task", "layer"], columns="reading", values="mean")
    task, layer = (sides[PAPER] - sides[RELEASED]).abs().idxmax()
    paper, released = sides.loc[(task, layer), [PAPER, RELEASED]]
    return f"layer {layer + 1} on {task}: {paper:.3f} for the real tokens and {released:.3f} with padding"


def padding_finding(by_layer: pd.DataFrame) -> str:
    """Return the title of the readings' chart: on how many tasks padding makes the last layer look more changed."""
    last = by_layer[by_layer["layer"] == by_layer["layer"].max()]
    sides = last.pivot(index="task", columns="reading", values="mean")
    n_lower = int((sides[RELEASED] < sides[PAPER]).sum())
    return f"Padding makes the last layer look more changed on {n_lower} of {len(sides)} tasks"


def _cells(table: pd.DataFrame | None, by: Sequence[str]) -> dict[tuple, str]:
    """Format the mean of each `by`, over the seeds that have it, with its interval."""
    if table is None:
        return {}
    return over_present_seeds(table, by).set_index(list(by)).apply(format_estimate, axis=1).to_dict()


# Judge: the paper's claims


def judge(run: FineTuningTables) -> Judgements:
    """Judge every claim on the tasks that it is about; seeds are averaged.

    The numbers of `BEATS_RANDOM`, `LAST_TWO` and `EXCEPTION` are differences that a claim says are positive, and their
    intervals decide: of scores, or of similarities (`last_two_against_rest`; for `EXCEPTION` with the other sign).
    `AVERAGE_GAIN` is about all tasks together. It holds if the interval of the run's average contains the paper's
    number, does not hold if it does not, and is undecided without an interval or without one of the paper's tasks.
    """
    average, is_excepted = average_gain(run), run.last_two["task"] == EXCEPTED
    lacking = ", ".join(task for task in TASKS if task not in set(run.over_untuned["task"]))
    without = f", without {lacking}" if lacking else ""
    contains = HOLDS if average["low"] <= reported.AVERAGE_GAIN <= average["high"] else FAILS
    scores = of_setting(run.scores, RANDOM)
    scores = scores[scores["task"].isin(reported.UNLEARNED) & scores["metric"].isin(CHANCE)]
    return {
        BEATS_RANDOM: _on_tasks(over_seeds(run.over_random, ["task"]), _points),
        AVERAGE_GAIN: single(
            OPEN if lacking or pd.isna(average["low"]) else contains,
            _points(average),
            f"{format_estimate(average)} points{without}",
        ),
        LAST_TWO: _on_tasks(run.last_two[~is_excepted], _similarity),
        EXCEPTION: _exception(run.last_two[is_excepted]),
        UNLEARNED: _unlearned(scores),
    }


def average_gain(run: FineTuningTables) -> pd.Series:
    """Average over tasks what fine-tuning adds to the model that is not fine-tuned: mean, low, high, as fractions.

    With one seed the interval is over examples; with several, over the averages of seeds.
    """
    rows = [over_tasks(of_seed).rename(seed) for seed, of_seed in run.over_untuned.groupby("seed", sort=False)]
    by_seed = pd.DataFrame(rows).rename_axis("seed").reset_index()
    return over_seeds(by_seed.assign(task=""), ["task"]).iloc[0][INTERVAL]


def claims(this_run: FineTuningTables, reference: FineTuningTables | None = None) -> pd.DataFrame:
    """Format the claims of Section 4.3: claim, paper, reference run, this run.

    A cell counts the tasks on which the claim holds, does not hold, or is undecided (`judge`); where there is but one
    verdict, the cell gives it with what it rests on.
    """
    return claims_table(SAID, judge(this_run), judge(reference) if reference else None)


def answer(run: FineTuningTables) -> str:
    """Return the answer to the chapter's question in a sentence: on how many tasks the last layers change most, and
    what pre-training and fine-tuning are worth.
    """
    n_tasks = run.last_two["task"].nunique()
    return (
        f"the last two layers change most on {n_holding(run.last_two)} of {n_tasks} tasks; pre-trained weights beat "
        f"random ones, after the same fine-tuning, on {n_holding(run.over_random)} of {n_tasks}; and fine-tuning adds "
        f"{format_estimate(average_gain(run))} points on average."
    )


def _on_tasks(table: pd.DataFrame, describe: Callable[[pd.Series], str]) -> Judgement:
    """Judge positive differences, one of each task; the number of a single one is its evidence."""
    judgement = every(verdicts_of(table))
    if len(table) > 1:
        return judgement
    return judgement._replace(evidence=describe(table.iloc[0])) if len(table) else Judgement(None, None, "not asked")


def _unlearned(scores: pd.DataFrame) -> Judgement:
    """Judge whether scores of several tasks are below what counts as learned; seeds are averaged."""
    if scores.empty:
        return Judgement(None, None, "not asked")
    scores = over_seeds(scores, ["task", "metric"])
    limits = scores["metric"].map(CHANCE)
    verdicts = map(verdict, limits - scores["high"], limits - scores["low"])
    told = ", ".join(f"{row.task} {100 * row.mean:.0f}" for row in scores.itertuples())
    return single(every(verdicts).verdict, told)


def _exception(excepted: pd.DataFrame) -> Judgement:
    if excepted.empty:
        return Judgement(None, None, f"not asked without {EXCEPTED}")
    (row,) = excepted.assign(mean=-excepted["mean"], low=-excepted["high"], high=-excepted["low"]).to_dict("records")
    return single(verdict(row["low"], row["high"]), _similarity(row), f"layers {row['most_changed']} change most")


def _points(row: pd.Series) -> str:
    return f"{format_change(row, 1)} points"


def _similarity(row: pd.Series | Mapping) -> str:
    return f"{format_change(row, 3, scale=1)} in similarity"


# Draw: tables count layers and heads from 0, what a reader sees from 1; a column `run` joins two runs


def change_by_head(by_head: pd.DataFrame, by_layer: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Draw Figure 5: cosine similarity before and after fine-tuning, layer x head, and below it by layer for every
    task, of which the chosen one is strong and has its interval. Menus choose run and task.
    """
    key = present(by_head, "run", "task")
    table = packed(by_head[[*key, *HEAD, *INTERVAL]], key)
    menus = menus_of(table, "run") | {"task": menu(table, "task")}
    cells = opened(charts.head_grid(table, title), menus).mark_rect(stroke="white")
    cells = cells.encode(
        color=charts.gradient("mean", "cosine similarity (1 = unchanged)", "similarity", TICKS),
        tooltip=[*(f"{name}:N" for name in (*key, *HEAD)), *interval_tooltips("similarity")],
    )
    colour = alt.Color("task:N", scale=SCALES["task"], legend=charts.task_legend(by_layer))
    is_chosen = alt.datum.task == menus["task"]
    runs = {name: chosen for name, chosen in menus.items() if name != "task"}
    band, line = _over_layers(by_layer, key, colour, runs, height=180, title=wrapped(""))
    line = line.encode(
        opacity=alt.condition(is_chosen, alt.value(1), alt.value(0.35)),
        tooltip=[*key, "layer", *interval_tooltips("mean over heads")],
    )
    both = alt.vconcat(cells, alt.layer(band.transform_filter(is_chosen).mark_area(opacity=0.3), line))
    return both.add_params(*menus.values()).resolve_scale(color="independent")


def readings(by_layer: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw the readings `paper` and `released` of one task by layer; menus choose run and task."""
    key = present(by_layer, "run", "task", "reading")
    menus = menus_of(by_layer, "run") | {"task": menu(by_layer, "task")}
    colour = alt.Color("reading:N", scale=SCALES["reading"], legend=alt.Legend(orient="bottom"))
    band, line = _over_layers(by_layer, key, colour, menus, height=200, title=wrapped(title))
    tooltip = [*key, "layer", *interval_tooltips("similarity")]
    line = line.encode(strokeDash=alt.StrokeDash("reading:N", legend=None), tooltip=tooltip)
    return alt.layer(band, line).add_params(*menus.values())


def _over_layers(
    by_layer: pd.DataFrame, key: Sequence[str], colour: alt.Color, menus: Mapping[str, alt.Parameter], **options: Any
) -> tuple[alt.Chart, alt.Chart]:
    """Draw intervals over layers as bands and means as lines, of what `menus` choose, to be layered."""
    table = charts.counted_from_one(by_layer[[*key, "layer", *INTERVAL]])
    layer = alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0))
    base = charts.filtered(alt.Chart(table, width=charts.WIDTH, **options).encode(x=layer, color=colour), menus)
    title, scale = "cosine similarity", alt.Scale(zero=False)
    low, mean = (alt.Y(f"{name}:Q", title=title, scale=scale) for name in ("low", "mean"))
    return base.mark_area(opacity=0.25).encode(y=low, y2="high:Q"), base.mark_line(point=True).encode(y=mean)
