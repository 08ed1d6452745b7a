"""Section 4.1: the patterns of attention maps. Figure 1, a typical map of each; Figure 2, their shares by task; and how
pure, how layered and how changed by fine-tuning the patterns of heads are.

`classified` has one row per task, seed, checkpoint, example, layer and head, with the `pattern` that the classifier
saw; `labels` and `predictions` are those of `map_labels`. Explained in the chapter *What patterns attention shows*.
"""

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import altair as alt
import numpy as np
import pandas as pd
import torch
from statsmodels.stats.proportion import proportion_confint
from transformers import PreTrainedModel

from darksecrets import reported
from darksecrets.corpora.annotated_maps import AFTER, BEFORE, PATTERNS
from darksecrets.errors import InputError
from darksecrets.estimates import format_estimate
from darksecrets.figures import charts
from darksecrets.figures.charts import SCALES, STEP, WIDTH, filtered, interval_tooltips, menus_of, wrapped
from darksecrets.figures.views import map_heatmap
from darksecrets.heads import HEAD
from darksecrets.models import attention, pattern_classifier, per_model
from darksecrets.models.attention import Batch
from darksecrets.models.pattern_classifier import PatternClassifier
from darksecrets.models.per_model import Case
from darksecrets.models.setup import Setup
from darksecrets.runs import file_fingerprint, write_table
from darksecrets.saved_tables import REFERENCE_RUN, THIS_RUN, SavedTables
from darksecrets.sections.map_labels import head_tables, prediction_tables
from darksecrets.statistics import N_RESAMPLES, bootstrap_interval, bounds, interval_of_mean, over_seeds, resampled
from darksecrets.verdicts import FAILS, Judgements, by_seed, claims_table, every, inside, single, verdict

VERSION = 1  # part of a table's key: raise it when something else is computed
KIND, TABLE = "patterns", "table.parquet"  # in the store
MAPS_AT_ONCE = 1152  # pictures that are classified together
MOST_TOKENS = 24  # of a typical map: more, and their names could not be read on a phone

KEY, INTERVAL = ["task", "seed", "checkpoint"], ["mean", "low", "high"]
VERTICAL, HETEROGENEOUS = "Vertical", "Heterogeneous"
NAMED = tuple(pattern for pattern in PATTERNS if pattern != HETEROGENEOUS)  # the patterns that could be repeated
CHANGED, DISTANCE = "share of heads with another main pattern", "mean distance of pattern shares"
HEADS, EXAMPLES = 1, 2  # streams of random numbers
ADDED_MAPS = 5  # to each pattern of a resampled confusion matrix
SMALLEST = 1e-6  # of widths: less is what the correction leaves of a share that is 0
PURE = 0.9  # share of its inputs in one pattern from which a head counts as pure

FEWEST = "MRPC has the smallest share of Heterogeneous maps"
MOST = "QQP has the largest share of Heterogeneous maps"
COMMON = "Vertical is the most common pattern (every task)"
COMMON_NAMED = "Vertical is more common than Diagonal, Vertical+Diagonal and Block (every task)"
LIMITED = "A limited set of patterns is repeated across heads (every task)"
BETWEEN = "Heterogeneous maps are between 32 % and 61 % (every task)"
SAME_MAIN = "Heads keep their main pattern over tasks (most heads)"  # for the ledger only
ANNOTATED = "Vertical is 30 % of the annotated maps, within five points"
F1 = {
    metric: f"A classifier reaches F1 {reported.CLASSIFIER_F1:.2f} on annotated maps ({metric})"
    for metric in ("macro F1", "weighted F1")
}
OF_EVERY_TASK = {LIMITED: "limited", BETWEEN: "between", COMMON: "common", COMMON_NAMED: "common_named"}  # in `by_task`
TYPICAL_PURITY = 0.8  # what a head that keeps to its pattern shows it on, at least
SHARED_LAYERS, SHARED_PATTERNS = 2, 2
MOST_HEADS = 0.5
TOLERANCE = 0.05  # within which a share that the paper gives without interval is the same

ALL_TASKS = "all tasks"
BIN = 0.05  # width of a bar of purities
PER_CENT = ".1%"
COLOUR = alt.Color(
    "pattern:N",
    scale=SCALES["pattern"],
    legend=alt.Legend(orient="bottom", columns=2, title=None, symbolOpacity=1),
)


# Measure


class PatternsOfMaps:
    """Reducer: per example and head, the pattern that the classifier sees in the map, and how sure it is."""

    def __init__(self, classifier: PatternClassifier, sep_id: int) -> None:
        self.classifier, self.sep_id = classifier, sep_id
        self.rows: list[int] = []
        self.answers: list[torch.Tensor] = []  # (map, 2): confidence and pattern
        self.waiting: list[torch.Tensor] = []
        self.shape: tuple[int, int] = (0, 0)  # layers, heads

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Classify `maps` (batch, layer, head, query, key), each without its padding."""
        self.shape = tuple(maps.shape[1:3])
        for of_example, example in zip(maps.cpu(), batch.examples, strict=True):
            real = of_example[..., : len(example), : len(example)].flatten(0, 1)
            self.waiting.append(pattern_classifier.pictures(real, example.positions(self.sep_id)))
            self.rows.append(example.row)
            if sum(map(len, self.waiting)) >= MAPS_AT_ONCE:
                self._classify()

    def table(self) -> pd.DataFrame:
        """One row per example, layer and head (both from 0), ordered so: `pattern` and `confidence` (0 to 1)."""
        self._classify()
        order = np.argsort(self.rows)
        answers = torch.cat(self.answers).unflatten(0, (len(order), -1))[order].flatten(0, 1).numpy()
        index = pd.MultiIndex.from_product(map(range, (len(order), *self.shape)), names=["example", *HEAD])
        patterns = pd.Categorical.from_codes(answers[:, 1].astype(int), PATTERNS)
        return pd.DataFrame({"pattern": patterns, "confidence": answers[:, 0]}, index=index).reset_index()

    def _classify(self) -> None:
        if self.waiting:
            with torch.inference_mode():
                confidence, pattern = self.classifier(torch.cat(self.waiting)).softmax(-1).max(-1)
            self.answers.append(torch.stack([confidence, pattern.float()], dim=1))
            self.waiting = []


def classified(setup: Setup, checkpoints: Collection[str] = (BEFORE, AFTER)) -> pd.DataFrame:
    """Return one row per task, checkpoint, seed, example, layer and head: the `pattern` of the map and `confidence`.

    Over the setup's validation examples (at most 1000 in the paper). `checkpoint` is `pre-trained` (once per task,
    under the first seed) or `fine-tuned` (once per seed); `checkpoints` may leave one of them out. Models that the
    store does not have are fine-tuned side by side.
    """
    made_from = {"version": VERSION, "classifier": file_fingerprint(pattern_classifier.WEIGHTS)}
    results = per_model.results(setup, KIND, made_from, partial(_classify, setup), checkpoints)
    tables = [per_model.labelled(setup, case, pd.read_parquet(directory / TABLE)) for case, directory in results]
    return pd.concat(tables, ignore_index=True)


def _classify(setup: Setup, case: Case, model: PreTrainedModel, directory: Path) -> None:
    tokenizer, dev = setup.load().tokenizer, setup.split(case.task, "dev", setup.max_examples)
    reducer = PatternsOfMaps(pattern_classifier.load(), tokenizer.sep_token_id)
    encoded = attention.encode(tokenizer, dev.examples)
    progress = f"patterns of {case.task}, {case.checkpoint}"
    attention.attention_pass(model, tokenizer, encoded, [reducer], progress=progress)
    table = reducer.table()
    write_table(directory / TABLE, table.assign(example=table["example"].map(lambda row: dev.examples[row].id)))


class TypicalMap(NamedTuple):
    """A map with its pattern: where it is from, in words; its weights (query, key); and its tokens."""

    pattern: str
    origin: str
    weights: np.ndarray
    tokens: Sequence[str]


def typical(setup: Setup, classified: pd.DataFrame, max_tokens: int = MOST_TOKENS) -> list[TypicalMap]:
    """Return, for each pattern that occurs, the map of which the classifier is most sure among short inputs.

    Only fine-tuned models and inputs of at most `max_tokens` tokens are looked at (Figure 1).
    """
    tokenizer = setup.load().tokenizer
    inputs = {}
    for task in setup.tasks:
        examples = setup.split(task, "dev", setup.max_examples).examples
        inputs |= {(task, examples[one.row].id): one for one in attention.encode(tokenizer, examples)}
    short = pd.DataFrame([key for key, one in inputs.items() if len(one) <= max_tokens], columns=["task", "example"])
    tuned = classified[classified["checkpoint"] == AFTER].merge(short, on=["task", "example"])
    maps = []
    for row in tuned.loc[tuned.groupby("pattern", observed=True)["confidence"].idxmax()].itertuples():
        one, model = inputs[row.task, row.example], setup.finetuned(row.task, row.seed)
        weights = attention.read_maps(model, attention.collate([one], tokenizer, len(one)))[0, row.layer, row.head]
        origin = f"{row.task}, layer {row.layer + 1}, head {row.head + 1}"
        tokens = tokenizer.convert_ids_to_tokens(one.input_ids)
        maps.append(TypicalMap(row.pattern, origin, weights.cpu().numpy(), tokens))
    return maps


# Summarize: shares of the patterns, corrected for the classifier's confusion


@dataclass(frozen=True)
class PatternTables(SavedTables):
    """What a run saves: `shares`, `gaps`, and the patterns `by_head`."""

    PREFIX = "pattern"

    shares: pd.DataFrame
    gaps: pd.DataFrame
    heads: pd.DataFrame

    @classmethod
    def of(cls, classified: pd.DataFrame, predictions: pd.DataFrame, labels: pd.DataFrame) -> Self:
        """Compute the tables that the claims rest on."""
        estimated = estimates(classified, predictions, labels)
        return cls(shares(estimated), gaps(estimated), by_head(classified))


class Estimate(NamedTuple):
    """Shares of the patterns in one group of maps, the patterns last: as observed; and corrected (1 + resample,
    pattern), first as estimated and then in every resample, of everything and of the examples alone.
    """

    task: str
    seed: int
    checkpoint: str
    observed: np.ndarray
    draws: np.ndarray
    sampling: np.ndarray


def estimates(classified: pd.DataFrame, predictions: pd.DataFrame, labels: pd.DataFrame) -> list[Estimate]:
    """Estimate the shares of every task, seed and checkpoint, with the resamples behind their intervals.

    Resample i has the same confusion matrix everywhere and, within a task, the same examples, so differences between
    estimates can be taken resample by resample.
    """
    confusion, drawn_confusions = confusions(predictions, labels)
    tasks = list(classified["task"].unique())
    estimated = []
    for key, seen in _groups(classified):
        per_example = seen.mean((1, 2))
        observed = per_example.mean(0)
        drawn = resampled(len(seen), (EXAMPLES, tasks.index(key[0]))) @ per_example / len(seen)
        mean = corrected(observed, confusion)
        everything, sampling = (np.vstack([mean, corrected(drawn, matrix)]) for matrix in (drawn_confusions, confusion))
        estimated.append(Estimate(*key, observed, everything, sampling))
    return estimated


def confusions(predictions: pd.DataFrame, labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the network's confusion matrix (true, predicted), and resamples of it, each of one repeat's predictions.

    To a resample are added `ADDED_MAPS` of each pattern, mistaken as often as among all. Without them, a resample that
    has only the odd one of a rare pattern's few heads would turn one pattern's share into another's. A pattern that no
    annotated map has is taken as always recognized.
    """
    tables = prediction_tables(predictions, labels, "network")  # repeat, head, true, predicted
    whole = tables.sum((0, 1))
    whole = np.where(whole.sum(1, keepdims=True) > 0, whole, np.eye(len(PATTERNS)))
    whole /= whole.sum(1, keepdims=True)
    repeats, n_heads = tables.shape[:2]
    repeat = np.random.default_rng((HEADS, repeats)).integers(repeats, size=N_RESAMPLES)
    drawn = np.einsum("dh,dhtp->dtp", resampled(n_heads, (HEADS, 0)), tables[repeat]) + ADDED_MAPS * whole
    return whole, drawn / drawn.sum(-1, keepdims=True)


def corrected(
    observed: np.ndarray, confusion: np.ndarray, tolerance: float = 1e-9, most_steps: int = 10_000
) -> np.ndarray:
    """Return the true shares under which the observed ones are most likely: (..., pattern).

    `observed` (..., predicted) are shares of predictions, `confusion` (..., true, predicted) the share of each
    prediction among maps of a true pattern; leading axes are broadcast. Found by expectation-maximization, which stays
    among shares that are positive and sum to one, where inverting the matrix would not. Raises ValueError where a
    pattern is observed that no true pattern is ever taken for.
    """
    if ((observed > 0) & (confusion.sum(-2) <= 0)).any():
        raise ValueError("a pattern is observed that the confusion matrix never predicts")
    shape = np.broadcast_shapes(observed.shape[:-1], confusion.shape[:-2])
    n = observed.shape[-1]
    observed = np.broadcast_to(observed, (*shape, n)).reshape(-1, n)
    taken_for = np.broadcast_to(confusion, (*shape, n, n)).reshape(-1, n, n)
    estimate = np.full_like(observed, 1 / n, dtype=float)
    moving = np.arange(len(estimate))
    for _ in range(most_steps):
        now, matrix = estimate[moving], taken_for[moving]
        expected = np.einsum("bt,btp->bp", now, matrix)
        surprise = np.divide(observed[moving], expected, out=np.zeros_like(expected), where=expected > 0)
        better = now * np.einsum("bp,btp->bt", surprise, matrix)
        better /= better.sum(-1, keepdims=True)
        estimate[moving] = better
        moving = moving[np.abs(better - now).max(-1) > tolerance]
        if not len(moving):
            break
    return estimate.reshape(*shape, n)


def shares(estimated: Sequence[Estimate]) -> pd.DataFrame:
    """Return the share of each pattern: one row per task, seed, checkpoint and pattern (Figure 2).

    `observed` is the share among predictions and `mean` the corrected one (see `corrected`), with the 95 % interval
    `low` to `high` of a bootstrap that draws the task's examples, the annotated heads behind the confusion matrix, and
    one of the network's trainings; `sampling_low` to `sampling_high` draws examples alone. The correction takes it that
    maps of a pattern are mistaken as often in a task as among the annotated maps.
    """
    rows = [
        (one.task, one.seed, one.checkpoint, *numbers)
        for one in estimated
        for numbers in zip(
            PATTERNS, one.observed, one.draws[0], *bounds(one.draws[1:]), *bounds(one.sampling[1:]), strict=True
        )
    ]
    return pd.DataFrame(rows, columns=[*KEY, "pattern", "observed", *INTERVAL, "sampling_low", "sampling_high"])


def gaps(estimated: Sequence[Estimate]) -> pd.DataFrame:
    """Return the differences on which claims of order rest, after fine-tuning: claim, task, seed, mean, low, high.

    Each is the distance of corrected shares to the closest rival, positive where the claim is right: to the next task
    (`FEWEST`, `MOST`; only where the run has the task and another one), or to the next pattern of a task (`COMMON`, and
    `COMMON_NAMED` without Heterogeneous). The closest rival is looked for anew in each resample.
    """
    tuned, rows = [one for one in estimated if one.checkpoint == AFTER], []
    vertical, heterogeneous = PATTERNS.index(VERTICAL), PATTERNS.index(HETEROGENEOUS)
    for seed in dict.fromkeys(one.seed for one in tuned):
        draws = {one.task: one.draws for one in tuned if one.seed == seed}
        for claim, task, sign in ((FEWEST, "MRPC", -1), (MOST, "QQP", 1)):
            rivals = [sign * rival[:, heterogeneous] for name, rival in draws.items() if name != task]
            if task in draws and rivals:
                rows.append((claim, task, seed, sign * draws[task][:, heterogeneous] - np.max(rivals, axis=0)))
        for task, of_task in draws.items():
            for claim, patterns in ((COMMON, PATTERNS), (COMMON_NAMED, NAMED)):
                rivals = [PATTERNS.index(pattern) for pattern in patterns if pattern != VERTICAL]
                rows.append((claim, task, seed, of_task[:, vertical] - of_task[:, rivals].max(1)))
    # What the correction leaves of a share that is 0 is rounded away.
    rows = [(*key, *(round(float(end), 8) + 0.0 for end in (gap[0], *bounds(gap[1:])))) for *key, gap in rows]
    return pd.DataFrame(rows, columns=["claim", "task", "seed", *INTERVAL])


def annotated_shares(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the share of each agreed label by checkpoint: checkpoint, pattern, n (its maps), mean, low, high.

    Only the main draw counts, a sample of all heads and tasks: it checks corrected shares without a classifier. The
    interval is a bootstrap over heads.
    """
    tables = []
    for checkpoint, group in labels[labels["draw"] == "main"].groupby("checkpoint", sort=False):
        of_head = head_tables(group, group["pattern"], group["pattern"]).sum(2)  # head, pattern
        drawn = resampled(len(of_head), HEADS) @ of_head
        low, high = bounds(drawn / drawn.sum(1, keepdims=True))
        columns = {"n": of_head.sum(0).astype(int), "mean": of_head.sum(0) / of_head.sum(), "low": low, "high": high}
        tables.append(pd.DataFrame({"checkpoint": checkpoint, "pattern": PATTERNS, **columns}))
    return pd.concat(tables, ignore_index=True)


# Summarize: layers and heads


def by_layer(classified: pd.DataFrame) -> pd.DataFrame:
    """Average observed shares over the heads of a layer: task, seed, checkpoint, layer, pattern, mean, low, high.

    The interval is a t-interval over examples; the classifier's confusion is not corrected for here.
    """
    tables = []
    for key, seen in _groups(classified):
        numbers = dict(zip(INTERVAL, map(np.ravel, interval_of_mean(seen.mean(2))), strict=True))
        index = pd.MultiIndex.from_product([range(seen.shape[1]), PATTERNS], names=["layer", "pattern"])
        tables.append(pd.DataFrame(numbers, index=index).reset_index().assign(**dict(zip(KEY, key, strict=True))))
    return pd.concat(tables, ignore_index=True)[[*KEY, "layer", "pattern", *INTERVAL]]


def by_head(classified: pd.DataFrame) -> pd.DataFrame:
    """Describe each head of each task, seed and checkpoint: its `main` pattern, the one most of its inputs show;
    its `purity`, the share of inputs that do; and a column with the observed share of each pattern.
    """
    tables = []
    for key, seen in _groups(classified):
        of_head = seen.mean(0)  # layer, head, pattern
        index = pd.MultiIndex.from_product(map(range, of_head.shape[:2]), names=HEAD)
        table = pd.DataFrame(of_head.reshape(-1, len(PATTERNS)), index=index, columns=list(PATTERNS)).reset_index()
        tables.append(table.assign(**dict(zip(KEY, key, strict=True))))
    return _with_main(pd.concat(tables, ignore_index=True))[[*KEY, *HEAD, "main", "purity", *PATTERNS]]


def median_purity(heads: pd.DataFrame) -> pd.DataFrame:
    """Return the median purity of heads, from `by_head`: task, seed, checkpoint, and mean (the median), low, high of
    the bootstrap over heads.
    """
    rows = [
        (*key, float(np.median(group["purity"])), *bootstrap_interval(np.median, group["purity"]))
        for key, group in heads.groupby(KEY, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*KEY, *INTERVAL])


def shared_patterns(heads: pd.DataFrame) -> pd.Series:
    """Count per task the patterns, Heterogeneous apart, that are the main one of heads in two layers or more.

    After fine-tuning; with several seeds the fewest of any.
    """
    tuned = heads[heads["checkpoint"] == AFTER]
    layers = tuned.groupby(["task", "seed", "main"], sort=False)["layer"].nunique().unstack("main", fill_value=0)
    layers = layers.reindex(columns=list(NAMED), fill_value=0)
    return (layers >= SHARED_LAYERS).sum(axis=1).groupby("task", sort=False).min()


def changed(heads: pd.DataFrame) -> pd.DataFrame:
    """Compare heads before and after fine-tuning, from `by_head`: task, seed, quantity, mean, low, high.

    `CHANGED` is the share of heads whose main pattern is another one, `DISTANCE` the mean over heads of the distance
    between their pattern shares (half the sum of absolute differences, 0 to 1); intervals are bootstraps over heads.
    """
    rows = []
    for key, group in _before_and_after(heads).groupby(["task", "seed"], sort=False):
        before, after = (group[[f"{name} {side}" for name in PATTERNS]].to_numpy() for side in (BEFORE, AFTER))
        differs = (group[f"main {BEFORE}"] != group[f"main {AFTER}"]).to_numpy(float)
        for quantity, values in {CHANGED: differs, DISTANCE: np.abs(before - after).sum(1) / 2}.items():
            rows.append((*key, quantity, float(values.mean()), *bootstrap_interval(np.mean, values)))
    return pd.DataFrame(rows, columns=["task", "seed", "quantity", *INTERVAL])


def moves(heads: pd.DataFrame) -> pd.DataFrame:
    """Count heads by main pattern before (rows) and after (columns) fine-tuning, over all tasks and seeds."""
    pairs = _before_and_after(heads)
    table = pd.crosstab(pairs[f"main {BEFORE}"], pairs[f"main {AFTER}"])
    table = table.reindex(index=PATTERNS, columns=PATTERNS, fill_value=0)
    return table.rename_axis(index="before", columns="after")


def over_fine_tunings(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Average over seeds as `over_seeds` does, for intervals that more seeds would not narrow.

    The seeds share their examples and the classifier, whose error is the same in each. With several seeds the interval
    joins (as the root of the sum of squares) that over seeds with the mean of the seeds' own.
    """
    averaged = over_seeds(table, by)
    if not len(averaged) or averaged["n_seeds"].iloc[0] == 1:
        return averaged
    own = table.groupby(list(by), sort=False)[INTERVAL].mean().reset_index()
    below, above = (np.hypot(averaged[side] - averaged["mean"], own[side] - own["mean"]) for side in ("low", "high"))
    return averaged.assign(low=averaged["mean"] - below, high=averaged["mean"] + above)


def _groups(classified: pd.DataFrame) -> Iterator[tuple[tuple[Hashable, ...], np.ndarray]]:
    """Yield each task, seed and checkpoint with what was seen: 1 for the pattern of (example, layer, head, pattern)."""
    for key, group in classified.groupby(KEY, sort=False):
        codes, examples = pd.factorize(group["example"], sort=True)
        shape = (len(examples), group["layer"].max() + 1, group["head"].max() + 1, len(PATTERNS))
        patterns = pd.Index(PATTERNS).get_indexer(group["pattern"])
        seen = np.zeros(shape, dtype=bool)
        seen[codes, group["layer"].to_numpy(), group["head"].to_numpy(), patterns] = True
        if (patterns < 0).any() or len(group) != seen[..., 0].size or not seen.any(-1).all():
            raise ValueError(f"{key}: each example needs one of the five patterns for every layer and head")
        yield key, seen


def _before_and_after(heads: pd.DataFrame) -> pd.DataFrame:
    before, after = (heads[heads["checkpoint"] == checkpoint] for checkpoint in (BEFORE, AFTER))
    key, suffixes = ["task", *HEAD], (f" {AFTER}", f" {BEFORE}")
    pairs = after.merge(before.drop(columns="seed"), on=key, how="left", suffixes=suffixes, validate="many_to_one")
    if pairs[f"main {BEFORE}"].isna().any():
        raise ValueError("some fine-tuned heads have no patterns from before fine-tuning")
    return pairs


def _with_main(heads: pd.DataFrame) -> pd.DataFrame:
    """Name each head's main pattern, and its share, which is the head's purity."""
    of_patterns = heads[list(PATTERNS)]
    return heads.assign(main=of_patterns.idxmax(axis=1), purity=of_patterns.max(axis=1))


# Judge: tables and sentences beside the paper and the reference run


def figure_2_table(this_run: pd.DataFrame, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """Format Figure 2: task, pattern, and the corrected share after fine-tuning in per cent.

    Columns paper (which gives two of the shares in its text), reference run, this run; the runs from `shares`.
    """
    runs = {"paper": {(task, HETEROGENEOUS): f"{100 * share:.0f}" for task, share in reported.HETEROGENEOUS.items()}}
    for name, run in {REFERENCE_RUN: reference, THIS_RUN: this_run}.items():
        table = None if run is None else _shares_of(run).set_index(["task", "pattern"])
        runs[name] = {} if table is None else table.apply(format_estimate, axis=1).to_dict()
    rows = [(*key, *(cells.get(key) for cells in runs.values())) for key in runs[THIS_RUN]]
    return pd.DataFrame(rows, columns=["task", "pattern", *runs], dtype=object)


def finding(shares: pd.DataFrame) -> str:
    """Return the title of Figure 2: where the share of Heterogeneous maps is lowest and highest, beside the paper's."""
    of_task = _heterogeneous(shares)
    lowest_and_highest = {task: of_task[task] for task in (of_task.idxmin(), of_task.idxmax())}
    here, paper = (
        " to ".join(f"{100 * share:.0f} % ({task})" for task, share in ends.items())
        for ends in (lowest_and_highest, reported.HETEROGENEOUS)
    )
    return f"Heterogeneous maps: {here}; the paper has {paper}"


def heterogeneous_range(shares: pd.DataFrame, checkpoint: str = AFTER) -> str:
    """Return the lowest and the highest share of Heterogeneous maps over tasks, in one checkpoint, as text."""
    of_task = _heterogeneous(shares, checkpoint)
    return " to ".join(dict.fromkeys(f"{100 * share:.0f}" for share in (of_task.min(), of_task.max()))) + " %"


def layer_finding(layers: pd.DataFrame) -> str:
    """Return in which layer, over all tasks, Heterogeneous maps are most common after fine-tuning, as a title."""
    tuned = layers[(layers["checkpoint"] == AFTER) & (layers["pattern"] == HETEROGENEOUS)]
    by_layer = tuned.groupby("layer")["mean"].mean()
    return f"Heterogeneous maps are most common in layer {by_layer.idxmax() + 1}: {100 * by_layer.max():.0f} %"


def widening(shares: pd.DataFrame) -> float:
    """Return how many times as wide as by sampling examples alone the intervals of all shares are, added up.

    1 where neither has a width.
    """
    sampling = (shares["sampling_high"] - shares["sampling_low"]).sum()
    return float((shares["high"] - shares["low"]).sum() / sampling) if sampling > SMALLEST else 1.0


def purity(heads: pd.DataFrame) -> tuple[str, str]:
    """Return the median purity of heads after fine-tuning, and the share of pure ones, in per cent as text."""
    tuned = heads.loc[heads["checkpoint"] == AFTER, "purity"]
    return f"{100 * tuned.median():.0f} %", f"{100 * (tuned >= PURE).mean():.0f} %"


def _shares_of(shares: pd.DataFrame, checkpoint: str = AFTER) -> pd.DataFrame:
    return over_fine_tunings(shares[shares["checkpoint"] == checkpoint], ["task", "pattern"])


def _heterogeneous(shares: pd.DataFrame, checkpoint: str = AFTER) -> pd.Series:
    return _shares_of(shares, checkpoint).query("pattern == @HETEROGENEOUS").set_index("task")["mean"]


# Judge: the paper's claims


def by_task(run: PatternTables) -> pd.DataFrame:
    """Judge each task after fine-tuning: one row per task, with the verdicts `limited`, `between`, `common` and
    `common_named`, and the numbers they rest on as text, in per cent or points.

    `limited` holds where heads keep to a pattern and share it: the median head shows its main pattern on at least 80 %
    of its inputs (the interval over heads decides), and at least two of the patterns other than Heterogeneous, which is
    no pattern to repeat, are each the main one of heads in at least two layers. It does not hold where either fails.
    `between` holds where the whole interval of the share of Heterogeneous maps is inside 32 % to 61 %, and does not
    hold where it is outside; `common` and `common_named` compare Vertical with the next pattern.
    """
    purities = over_seeds(median_purity(run.heads[run.heads["checkpoint"] == AFTER]), ["task"]).set_index("task")
    heterogeneous = _shares_of(run.shares).set_index(["pattern", "task"]).loc[HETEROGENEOUS]
    ahead = over_fine_tunings(run.gaps, ["claim", "task"]).set_index(["claim", "task"])
    shared, rows = shared_patterns(run.heads), []
    for task, pure in purities.iterrows():
        keeps = verdict(pure["low"] - TYPICAL_PURITY, pure["high"] - TYPICAL_PURITY)
        common, common_named = (ahead.loc[(claim, task)] for claim in (COMMON, COMMON_NAMED))
        rows.append(
            {
                "task": task,
                "median purity": format_estimate(pure),
                "shared patterns": shared[task],
                "limited": keeps if shared[task] >= SHARED_PATTERNS else FAILS,
                "Heterogeneous": format_estimate(heterogeneous.loc[task]),
                "between": inside(heterogeneous.loc[task], *sorted(reported.HETEROGENEOUS.values())),
                "Vertical ahead": format_estimate(common),
                "common": verdict(common["low"], common["high"]),
                "Vertical ahead of named": format_estimate(common_named),
                "common_named": verdict(common_named["low"], common_named["high"]),
            }
        )
    return pd.DataFrame(rows)


def judge(run: PatternTables) -> Judgements:
    """Judge every claim on a run: on every task (`by_task`), and which tasks have fewest and most Heterogeneous maps,
    where the run has these tasks; and whether heads keep their main pattern over tasks, where it has several.
    """
    tasks, ahead = by_task(run), over_fine_tunings(run.gaps, ["claim", "task"]).set_index("claim")
    judgements = {claim: every(tasks[column]) for claim, column in OF_EVERY_TASK.items()}
    for claim in (FEWEST, MOST):
        if claim in ahead.index:
            row = ahead.loc[claim]
            judgements[claim] = single(verdict(row["low"], row["high"]), f"by {format_estimate(row)} points")
    if run.heads["task"].nunique() > 1:
        same = run.heads[run.heads["checkpoint"] == AFTER].groupby(["seed", *HEAD])["main"].nunique().eq(1)
        judgements[SAME_MAIN] = single(by_seed(same, _most_heads), f"{100 * same.mean():.0f} % of heads")
    return judgements


def _most_heads(is_so: pd.Series) -> str:
    """Judge whether more than half of the heads have a property, by Wilson's interval over heads."""
    low, high = proportion_confint(is_so.sum(), len(is_so), method="wilson")
    return verdict(low - MOST_HEADS, high - MOST_HEADS)


def judged_maps(scores: pd.DataFrame, annotated: pd.DataFrame) -> Judgements:
    """Judge the claims on the annotated maps, which no run changes: `map_labels.scores` and `annotated_shares`."""
    vertical = annotated.set_index(["checkpoint", "pattern"]).loc[(AFTER, VERTICAL)]
    near = inside(vertical, reported.VERTICAL_SHARE - TOLERANCE, reported.VERTICAL_SHARE + TOLERANCE)
    judgements = {ANNOTATED: single(near, f"{format_estimate(vertical)} %")}
    of_network, printed = scores.set_index(["method", "metric"]).loc["network"], reported.CLASSIFIER_F1
    for metric, claim in F1.items():
        row = of_network.loc[metric]
        is_reached = verdict(row["low"] - printed, row["high"] - printed)
        judgements[claim] = single(is_reached, format_estimate(row, 2, scale=1))
    return judgements


def claims(
    this_run: PatternTables, scores: pd.DataFrame, annotated: pd.DataFrame, reference: PatternTables | None = None
) -> pd.DataFrame:
    """Format the claims of Section 4.1: paper, reference run, this run.

    On claims of every task a cell counts the tasks on which they hold, do not hold, or are undecided (see `by_task`);
    on others it gives the verdict and the number behind it. `scores` and `annotated` are those of `judged_maps`.
    """
    of_maps, mine, theirs = judged_maps(scores, annotated), judge(this_run), judge(reference) if reference else {}
    sentences = {claim: "" for claim in (*mine, *theirs, *of_maps) if claim != SAME_MAIN}
    table = claims_table(sentences, mine | of_maps, theirs | of_maps if reference else None)
    return table.drop(columns="paper").rename(columns={"claim": "paper"})


# Draw: tables count layers and heads from 0, what a reader sees from 1; of several seeds the mean is shown


def figure_1(cases: Sequence[TypicalMap], title: str) -> alt.ConcatChart:
    """Draw Figure 1: a heat map per case with its tokens, at most `MOST_TOKENS` of them (else `InputError`), one below
    the other.
    """
    for case in cases:
        if len(case.tokens) > MOST_TOKENS:
            raise InputError(
                f"the map shown for {case.pattern} has {len(case.tokens)} tokens; at most {MOST_TOKENS} can be read: "
                "choose a shorter input"
            )
    if not cases:
        nothing = pd.DataFrame({"text": [f"no input has at most {MOST_TOKENS} tokens"]})
        return alt.concat(alt.Chart(nothing, width=WIDTH).mark_text().encode(text="text:N"), title=wrapped(title))
    maps = [
        map_heatmap(case.weights, case.tokens, "").properties(
            title=alt.Title(case.pattern, subtitle=case.origin, anchor="start")
        )
        for case in cases
    ]
    return alt.concat(*maps, columns=1, title=wrapped(title), spacing=30)


def figure_2(shares: pd.DataFrame, title: str) -> alt.VConcatChart:
    """Draw Figure 2: the patterns' shares of each task's maps, stacked, and below it each share with its interval.

    `shares` have a column `run`; `mean`, low and high are corrected for the classifier's confusion; `observed`, as
    counted, is a thin tick.
    """
    key = ["run", "task", "checkpoint", "pattern"]
    counted = shares.groupby(key, sort=False)["observed"].mean().reset_index()
    shares = charts.averaged(shares, key, over_fine_tunings).merge(counted, on=key, validate="one_to_one").round(4)
    shares = shares.assign(place=shares["pattern"].map(PATTERNS.index))
    menus = menus_of(shares, "run", "checkpoint")
    as_counted = alt.Tooltip("observed:Q", title="as counted", format=PER_CENT)
    base = filtered(alt.Chart(shares, width=WIDTH), menus).encode(
        y=alt.Y("task:N", title=None, sort=None, scale=alt.Scale(paddingInner=0.25)),
        color=COLOUR,
        tooltip=["task", "pattern", *interval_tooltips("share", PER_CENT), as_counted],
    )
    bars = base.properties(height=alt.Step(STEP), title=wrapped(title)).mark_bar(stroke="white", strokeWidth=0.5)
    bars = bars.encode(x=_share_axis(alt.X, "mean", stack="zero"), order=alt.Order("place:Q", title="order"))
    dodged = base.properties(height=alt.Step(8)).encode(yOffset=alt.YOffset("pattern:N", sort=list(PATTERNS)))
    low, mean, observed = (
        _share_axis(alt.X, column, "share, 95 % interval (tick: as counted)") for column in ("low", "mean", "observed")
    )
    intervals = dodged.mark_rule(strokeWidth=2).encode(x=low, x2="high:Q")
    points = dodged.mark_point(filled=True, size=35, opacity=1).encode(x=mean)
    ticks = dodged.mark_tick(thickness=1, size=8).encode(x=observed, color=alt.value("#1a1a1a"))
    return alt.vconcat(bars, alt.layer(ticks, intervals, points)).add_params(*menus.values())


def heads_chart(table: pd.DataFrame, title: str) -> alt.Chart:
    """Draw each head's main pattern by colour, and by the size of its square how pure the head is (`by_head`)."""
    heads = charts.counted_from_one(_over_seeds(table))
    menus = menus_of(heads, "task", "checkpoint")
    main = alt.Legend(orient="bottom", columns=2, title="main pattern", symbolType="square")
    area = alt.Legend(
        orient="top",
        title="area: share of the head's inputs in it",
        titleLimit=WIDTH,
        values=[0.25, 0.5, 0.75, 1],
        format="%",
        symbolType="square",
        symbolFillColor="transparent",
        symbolStrokeColor="#1a1a1a",
    )
    sizes = alt.Scale(domain=[0, 1], range=[0, (STEP - 1) ** 2])
    shares = [alt.Tooltip(f"{name}:Q", title=name, format=PER_CENT) for name in ("purity", *PATTERNS)]
    squares = (
        filtered(charts.head_grid(heads, title), menus)
        .mark_square(opacity=1)
        .encode(
            color=alt.Color("main:N", scale=SCALES["pattern"], legend=main),
            size=alt.Size("purity:Q", scale=sizes, legend=area),
            tooltip=["task", "checkpoint", *HEAD, alt.Tooltip("main:N", title="main pattern"), *shares],
        )
    )
    return squares.add_params(*menus.values())


def layers_chart(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw each pattern's share over layers (`by_layer`): fine-tuned as a line with its interval, pre-trained dashed; a
    menu chooses the task.
    """
    layers = charts.averaged(table, ["task", "checkpoint", "layer", "pattern"], over_fine_tunings)
    layers = charts.counted_from_one(layers)
    menus, top = menus_of(layers, "task"), float(np.ceil(10 * layers[["mean", "high"]].max().max()) / 10)
    low, mean = (_share_axis(alt.Y, column, "share of maps, as counted", top) for column in ("low", "mean"))
    base = filtered(alt.Chart(layers, width=WIDTH, height=260, title=wrapped(title)), menus)
    base = base.encode(x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)), color=COLOUR)
    band = base.transform_filter(alt.datum.checkpoint == AFTER).mark_area(opacity=0.2).encode(y=low, y2="high:Q")
    legend = alt.Legend(orient="top", title=None, symbolType="stroke", symbolStrokeWidth=2, symbolSize=300)
    dashes = alt.StrokeDash("checkpoint:N", scale=SCALES["checkpoint"], legend=legend)
    lines = base.encode(y=mean).mark_line().encode(strokeDash=dashes)
    tooltip = ["task", "checkpoint", "pattern", "layer", *interval_tooltips("share", PER_CENT)]
    points = base.encode(y=mean).mark_point(filled=True, size=25, opacity=1).encode(tooltip=tooltip)
    return alt.layer(band, lines, points).add_params(*menus.values())


def purity_chart(table: pd.DataFrame, title: str) -> alt.Chart:
    """Draw how many heads have which purity (`by_head`), a row of bars per main pattern."""
    heads = _over_seeds(table)
    if heads["task"].nunique() > 1:
        heads = pd.concat([heads.assign(task=ALL_TASKS), heads])
    bins = (heads["purity"] / BIN - 1e-9).astype(int)  # 100 % belongs to the last bin
    key = ["task", "checkpoint", "main", "low", "high"]
    counts = heads.assign(low=bins * BIN, high=(bins + 1) * BIN).groupby(key, sort=False)
    counts = counts.size().rename("heads").reset_index().round(4)
    menus, present = menus_of(counts, "task", "checkpoint"), set(counts["main"])
    bars = filtered(alt.Chart(counts).mark_bar(stroke="white", strokeWidth=0.5), menus).encode(
        x=_share_axis(alt.X, "low", "share of the head's inputs in its main pattern", bin="binned"),
        x2="high:Q",
        y=alt.Y("heads:Q", title="heads", axis=alt.Axis(tickCount=2, tickMinStep=1)),
        color=alt.Color("main:N", scale=SCALES["pattern"], legend=None),
        tooltip=[
            "task",
            "checkpoint",
            alt.Tooltip("main:N", title="main pattern"),
            alt.Tooltip("low:Q", title="share from", format="%"),
            alt.Tooltip("high:Q", title="to", format="%"),
            alt.Tooltip("heads:Q", title="heads"),
        ],
        row=alt.Row(
            "main:N",
            title=None,
            sort=[pattern for pattern in PATTERNS if pattern in present],
            header=alt.Header(orient="top", labelAnchor="start"),
            spacing=8,
        ),
    )
    return bars.properties(width=WIDTH, height=60, title=wrapped(title)).add_params(*menus.values())


def _over_seeds(heads: pd.DataFrame) -> pd.DataFrame:
    """Average the shares of each head over seeds, and name its main pattern and purity anew."""
    return _with_main(heads.groupby(["task", "checkpoint", *HEAD], sort=False)[list(PATTERNS)].mean().reset_index())


def _share_axis(
    channel: type[alt.X | alt.Y], column: str, title: str = "share of maps", top: float = 1, **options: str
) -> alt.X | alt.Y:
    """Return an axis that a menu does not change, so that what it chooses can be compared.

    The title is the axis's, not the column's, which has its own in tooltips and in the figure's table.
    """
    scale, axis = alt.Scale(domain=[0, top]), alt.Axis(title=title, format="%", tickCount=5)
    return channel(f"{column}:Q", scale=scale, axis=axis, **options)
