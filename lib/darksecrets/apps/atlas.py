"""Everything that a run measured of each head, gathered from the tables of all chapters, and said in a sentence.

Means are over seeds. Tables count layers and heads from 0, sentences from 1. Explained in the chapter *An atlas of
heads*.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from darksecrets.corpora.annotated_maps import AFTER, BEFORE, PATTERNS
from darksecrets.corpora.glue import Example
from darksecrets.corpora.tasks import TASKS
from darksecrets.heads import HEAD, NULLS, excess
from darksecrets.models import attention, per_model
from darksecrets.models.attention import Batch
from darksecrets.models.disabling import only_uniform
from darksecrets.models.feature_attention import FEATURE_COLUMNS, SEP_SUM
from darksecrets.models.per_model import Case
from darksecrets.models.setup import Setup
from darksecrets.overview.discussion import RunTables
from darksecrets.runs import Run, write_table
from darksecrets.saved_tables import REFERENCE_RUN, THIS_RUN
from darksecrets.sections.disabling import CHANGE
from darksecrets.sections.links import named_links
from darksecrets.sections.repeated_words import fine_tuned
from darksecrets.statistics import SIGNIFICANT, beyond_chance, holm, interval_of_present, over_seeds, p_of_interval

# One head at work: its map of one short input, and the attention it pays by distance, before and after tuning.

# One input with a noun, verb, pronoun, subject, object, negation, and words that both sentences have.
EXAMPLE = ("The nurse did not call him.", "The nurse left.")
FARTHEST = 6  # tokens to either side
DISTANCES = tuple(range(-FARTHEST, FARTHEST + 1))
MOST_EXAMPLES = 50  # of a task: a head's profile is steady by then
KIND = "opened"  # in the store
VERSION = 1  # part of a result's key: raise it when something else is computed


class ByDistance:
    """Reducer: per example and head, the mean attention to the token a distance away, from -6 (before) to 6 (after).

    All tokens count, special ones too; a token without another one that far away does not.
    """

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.values: list[np.ndarray] = []  # (batch, layer, head, distance)

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Average the diagonals of `maps` (batch, layer, head, query, key) over the tokens that have them."""
        n_tokens = batch.mask.sum(1).to(maps.device)
        means = torch.full((*maps.shape[:3], len(DISTANCES)), torch.nan)
        for place, distance in enumerate(DISTANCES):
            n_pairs = (n_tokens - abs(distance)).clamp(min=0)
            # Maps are 0 wherever a token is padding, so that the sum is one of real tokens.
            if abs(distance) < maps.shape[-1]:
                means[..., place] = (maps.diagonal(distance, -2, -1).sum(-1) / n_pairs[:, None, None]).cpu()
        self.rows += batch.rows
        self.values.append(means.numpy())

    def table(self) -> pd.DataFrame:
        """One row per example, layer and head; float32 columns "-6" to "6", NaN where no token is that far away."""
        values = np.concatenate(self.values)
        index = pd.MultiIndex.from_product([self.rows, *map(range, values.shape[1:3])])
        table = pd.DataFrame(values.reshape(-1, len(DISTANCES)), index, list(map(str, DISTANCES)))
        return table.rename_axis(["example", "layer", "head"]).sort_index().reset_index()


@dataclass(frozen=True)
class Opened:
    """What was seen of a checkpoint: the `tokens` of `EXAMPLE`; its `maps` (layer, head, query, key) by model, which is
    "pre-trained" or a task; `distances`, with task, checkpoint and seed before the columns of `ByDistance`.
    """

    fingerprint: str
    tokens: tuple[str, ...]
    maps: dict[str, np.ndarray] = field(repr=False)
    distances: pd.DataFrame = field(repr=False)


def opened(setup: Setup) -> Opened:
    """Look at the pre-trained model, and at those fine-tuned with the first seed that the store has; trains none."""
    n_examples = min(MOST_EXAMPLES, setup.max_examples or MOST_EXAMPLES)
    setup = replace(setup, seeds=setup.seeds[:1], max_examples=n_examples)
    maps, tables = {}, []
    for case, directory in _results(setup):
        maps[BEFORE if case.checkpoint == BEFORE else case.task] = np.load(directory / "maps.npy")
        tables.append(per_model.labelled(setup, case, pd.read_parquet(directory / "distances.parquet")))
    checkpoint = setup.load()
    (encoded,) = attention.encode(checkpoint.tokenizer, [Example("0", *EXAMPLE, 0)])
    tokens = checkpoint.tokenizer.convert_ids_to_tokens(encoded.input_ids)
    return Opened(checkpoint.fingerprint, tuple(tokens), maps, pd.concat(tables, ignore_index=True))


def _results(setup: Setup) -> Iterator[tuple[Case, Path]]:
    """Yield the cases that need no training, with what is kept of them."""
    tuned = [task for task in setup.tasks if setup.is_finetuned(task, setup.seeds[0])]
    made_from = {"version": VERSION, "example": EXAMPLE, "distances": DISTANCES}
    parts = [(setup, BEFORE), *([(replace(setup, tasks=tuned), AFTER)] if tuned else [])]
    return chain.from_iterable(
        per_model.results(part, KIND, made_from, partial(_measure, part), (checkpoint,)) for part, checkpoint in parts
    )


def _measure(setup: Setup, case: Case, model: PreTrainedModel, directory: Path) -> None:
    tokenizer, reducer = setup.load().tokenizer, ByDistance()
    encoded = attention.encode(tokenizer, setup.split(case.task, "dev", setup.max_examples).examples)
    attention.attention_pass(model, tokenizer, encoded, [reducer])
    write_table(directory / "distances.parquet", reducer.table())
    np.save(directory / "maps.npy", attention.maps_of(model, tokenizer, *EXAMPLE)[1].astype("float16"))


# What the chapters' tables say of each head.

FRAME_LINKS = {"to_element": "frame target to element", "to_target": "frame element to target"}
SAME_WORD = "same word in {}"  # in the other sentence of a pair
TASK_OF_KIND = {SAME_WORD.format(task): task for task in TASKS}
LINK = ["link", "null", "others"]
POINTS = 100  # of a score
PAPER = {  # what is counted, and what the paper says of it
    "in the model": "12 layers of 12",
    "with one main pattern on every task": None,
    "that beat both nulls on frame links": "2 stand out; no null",
    "that beat both nulls on some link": "some, by eye; no null",
    "without which some task is clearly worse": "not tested",
    "without which some task is clearly better": "some on every task; not tested",
}
COLUMNS = {
    "shares": ["task", "checkpoint", *HEAD, *PATTERNS],
    "features": ["task", "checkpoint", "feature", *HEAD, *CHANGE],
    "links": ["kind", *HEAD, *LINK, "excess", "low", "high", "beats"],
    "similarity": ["task", *HEAD, *CHANGE],
    "disabling": ["task", *HEAD, *CHANGE, "clear"],
}


@dataclass(frozen=True)
class Atlas:
    """The tables of one run; one that the run lacks is empty.

    `shares`: of each head's maps, by pattern. `features`: the attention that it pays to kinds of tokens. `links`: its
    weight on linked words beside both nulls, by how much it beats the closer one (`excess`, `low` to `high`), and
    whether it `beats` them, corrected for all heads; before fine-tuning, but to the same word after it. `similarity` of
    maps before and after. `disabling`: the change of the score without the head, in points, and whether it is `clear`:
    up or down with every seed, significant when corrected for all heads (Holm).
    """

    shares: pd.DataFrame
    features: pd.DataFrame
    links: pd.DataFrame
    similarity: pd.DataFrame
    disabling: pd.DataFrame

    @classmethod
    def of(cls, run: RunTables) -> Self:
        """Gather whatever a run has."""
        found = {
            "shares": None if run.patterns is None else _shares(run.patterns.heads),
            "features": None if run.features is None else _features(run.features.heads),
            "links": _links(run),
            "similarity": None if run.tuning is None else run.tuning.by_head,
            "disabling": None if run.disabling is None else _disabling(run.disabling.heads),
        }
        return cls(**{name: _plain(table, COLUMNS[name]) for name, table in found.items()})

    @property
    def shape(self) -> tuple[int, int]:
        """Number of layers, and of heads in a layer; (0, 0) where nothing was measured."""
        tables = [getattr(self, field.name)[HEAD] for field in fields(self)]
        highest = pd.concat(tables).max()
        return (0, 0) if highest.isna().any() else (int(highest["layer"]) + 1, int(highest["head"]) + 1)

    @property
    def tasks(self) -> list[str]:
        """The tasks that anything was measured on, in the paper's order."""
        tables = [getattr(self, name) for name, columns in COLUMNS.items() if "task" in columns]
        there = set().union(*(table["task"] for table in tables))
        return [task for task in TASKS if task in there]

    def heads(self) -> pd.DataFrame:
        """Return a row for each layer and head."""
        return pd.MultiIndex.from_product(map(range, self.shape), names=HEAD).to_frame(index=False).astype(int)


def by_task(atlas: Atlas) -> pd.DataFrame:
    """Lay out what a grid of heads can show: a row per task, layer and head, a column per quantity, None if unknown.

    `pattern` is the main one after fine-tuning; `similarity`, before and after; `to_...`, the attention after
    fine-tuning to a feature, and to the same word beyond what others give it; `frame`, `verb_subject` and
    `pronoun_antecedent`, by how much the head beats the closer of two nulls on such links, in its better direction;
    `change` of the score without the head, in points.
    """
    table = pd.DataFrame({"task": pd.Series(atlas.tasks, dtype=object)}).merge(atlas.heads(), how="cross")
    features = atlas.features[atlas.features["checkpoint"] == AFTER]
    means = {"similarity": atlas.similarity}
    means |= {quantity: features[features["feature"] == name] for name, quantity in FEATURE_QUANTITIES.items()}
    means |= {"change": atlas.disabling}
    table = table.merge(_main_patterns(atlas), how="left", validate="one_to_one")
    for quantity, rows in means.items():
        column = rows[["task", *HEAD, "mean"]].rename(columns={"mean": quantity})
        table = table.merge(column, how="left", validate="one_to_one")
    for quantity, kinds in LINK_QUANTITIES.items():
        best = atlas.links[atlas.links["kind"].isin(kinds)].groupby(HEAD)["excess"].max().rename(quantity)
        table = table.merge(best.reset_index(), on=HEAD, how="left", validate="many_to_one")
    same = atlas.links.assign(task=atlas.links["kind"].map(TASK_OF_KIND).astype(object))
    same = same[same["task"].notna()].rename(columns={"excess": "to_same_word"})
    return table.merge(same[["task", *HEAD, "to_same_word"]], how="left", validate="one_to_one")


FEATURE_QUANTITIES = {name: f"to_{name.strip('[]').replace('] ', '_')}" for name in FEATURE_COLUMNS}
LINK_QUANTITIES = {
    "frame": list(FRAME_LINKS.values()),
    "verb_subject": ["verb to subject", "subject to verb"],
    "pronoun_antecedent": ["pronoun to antecedent", "antecedent to pronoun"],
}


def most_important(atlas: Atlas) -> tuple[int, int]:
    """Return the head (layer, head) worth opening first.

    It is the one whose loss is largest, clear losses first; in a run without disabling, the one that beats both nulls
    of a link by most; else the first.
    """
    if len(atlas.disabling):
        first = atlas.disabling.sort_values("mean", kind="stable").sort_values("clear", ascending=False, kind="stable")
    else:
        first = atlas.links.sort_values("excess", ascending=False, kind="stable")
    return (int(first["layer"].iloc[0]), int(first["head"].iloc[0])) if len(first) else (0, 0)


def rows_of(table: pd.DataFrame, layer: int, head: int) -> pd.DataFrame:
    """Return the rows of one head (from 0), counted from 1 as a reader does."""
    return from_one(table[(table["layer"] == layer) & (table["head"] == head)])


def from_one(table: pd.DataFrame) -> pd.DataFrame:
    """Count layers and heads as a reader does."""
    return table.assign(layer=table["layer"] + 1, head=table["head"] + 1)


def joined(runs: Mapping[str, "Atlas"], table: Callable[["Atlas"], pd.DataFrame]) -> pd.DataFrame:
    """Stack a table of several runs, with a column `run` before the others; a run that lacks it has no rows."""
    tables = {name: table(run) for name, run in runs.items()}
    kept = [found.assign(run=name)[["run", *found]] for name, found in tables.items() if len(found)]
    return pd.concat(kept, ignore_index=True) if kept else next(iter(tables.values())).assign(run="")


def counted(runs: Mapping[str, "Atlas"]) -> pd.DataFrame:
    """Count heads of each run, beside what the paper says of its own: heads, paper, and a column per run.

    A cell is empty where the run did not measure it.
    """
    cells = {name: _counts(run) for name, run in runs.items()}
    rows = [(what, said, *(found.get(what) for found in cells.values())) for what, said in PAPER.items()]
    return pd.DataFrame(rows, columns=["heads", "paper", *runs]).astype(object)


def models_of(opened: Opened, reference: Run) -> dict[str, list[str]]:
    """Say which of the opened models are those of which run: the reference run keeps no models but may share the
    checkpoint.
    """
    setups = (reference.made_from(name) for name in reference.tables())
    is_same = any(setup.get("checkpoint_fingerprint") == opened.fingerprint for setup in setups)
    return {THIS_RUN: list(opened.maps), REFERENCE_RUN: [BEFORE] if is_same else []}


def distances(opened: Opened) -> pd.DataFrame:
    """Average the attention by distance over examples: task, checkpoint, layer, head, distance, mean, low, high."""
    tables = []
    for key, group in opened.distances.groupby(["task", "checkpoint", *HEAD], sort=False, observed=True):
        mean, low, high, _ = interval_of_present(group[list(map(str, DISTANCES))].to_numpy())
        columns = {"distance": DISTANCES, "mean": mean, "low": low, "high": high}
        tables.append(pd.DataFrame(dict(zip(["task", "checkpoint", *HEAD], key, strict=True)) | columns))
    return pd.concat(tables, ignore_index=True)


def _counts(atlas: Atlas) -> dict[str, str]:
    n_layers, n_heads = atlas.shape
    if not n_layers:
        return {}
    every, same_main, frames, links, needed, better = PAPER
    counts = {every: f"{n_layers} layers of {n_heads}"}
    if len(atlas.shares):
        counts[same_main] = _share(_main_patterns(atlas).groupby(HEAD)["pattern"].nunique() == 1)
    for what, tested in (
        (frames, atlas.links["kind"].isin(FRAME_LINKS.values())),
        (links, atlas.links["null"].notna()),
    ):
        if tested.any():
            counts[what] = _share(atlas.links[tested].groupby(HEAD)["beats"].any())
    if len(atlas.disabling):
        for what, sign in ((needed, -1), (better, 1)):
            is_clear = atlas.disabling["clear"] & (sign * atlas.disabling["mean"] > 0)
            counts[what] = _share(is_clear.groupby([atlas.disabling[name] for name in HEAD]).any())
    return counts


def _main_patterns(atlas: Atlas) -> pd.DataFrame:
    """Return each head's main pattern after fine-tuning: task, layer, head, pattern."""
    after = atlas.shares[atlas.shares["checkpoint"] == AFTER].reset_index(drop=True)
    return after[["task", *HEAD]].assign(pattern=np.array(PATTERNS)[after[list(PATTERNS)].to_numpy().argmax(1)])


def _share(heads: pd.Series) -> str:
    return f"{int(heads.sum())} of {len(heads)}"


def _plain(table: pd.DataFrame | None, columns: Sequence[str]) -> pd.DataFrame:
    """Return these columns, without categories; an empty table for None."""
    if table is None:
        return pd.DataFrame({name: pd.Series(dtype=_kind(name)) for name in columns})
    categories = table.select_dtypes("category").columns
    return table.astype(dict.fromkeys(categories, object))[list(columns)].reset_index(drop=True)


def _kind(column: str) -> type:
    kinds: Mapping[str, type] = {"layer": int, "head": int, "clear": bool, "beats": bool}
    words = ("task", "checkpoint", "feature", "kind")
    return object if column in words else kinds.get(column, float)


def _shares(heads: pd.DataFrame) -> pd.DataFrame:
    key = ["task", "checkpoint", *HEAD]
    return heads.groupby(key, sort=False, observed=True)[list(PATTERNS)].mean().reset_index()


def _features(heads: pd.DataFrame) -> pd.DataFrame:
    key = ["task", "checkpoint", "feature", *HEAD]
    # The pre-trained model has one seed, others may have several.
    parts = [over_seeds(part, key) for _, part in heads.groupby("checkpoint", sort=False, observed=True)]
    return pd.concat(parts, ignore_index=True)


def _disabling(heads: pd.DataFrame) -> pd.DataFrame:
    key, heads = ["task", *HEAD], only_uniform(heads)
    tested = beyond_chance(heads)
    clear = tested[key].assign(clear=tested["helps"] | tested["costs"])
    means = over_seeds(heads, key).merge(clear, on=key, validate="one_to_one")
    return means.assign(**{name: means[name] * POINTS for name in CHANGE})


def _links(run: RunTables) -> pd.DataFrame | None:
    tables = []
    if run.relations is not None:
        frames = run.relations.specific
        tables.append(_tested(frames.assign(kind=frames["direction"].map(FRAME_LINKS))))
    if run.links is not None:
        follows = named_links(run.links.follows)
        tables.append(_tested(follows.assign(kind=follows["link"])))
    if run.repeated is not None and len(run.repeated.heads):
        tables.append(_repeated(fine_tuned(run.repeated)))
    return pd.concat(tables, ignore_index=True) if tables else None


def _tested(tests: pd.DataFrame) -> pd.DataFrame:
    """Name the columns of tests against both nulls; the interval is that of the difference from the closer null."""
    closer = tests[[f"{before}difference" for before in NULLS.values()]].to_numpy().argmin(1)
    ends = {
        end: np.where(closer == 0, *(tests[f"{before}{end}"] for before in NULLS.values())) for end in ("low", "high")
    }
    named = tests.drop(columns=["link", "low", "high"], errors="ignore")
    named = named.rename(columns={"mean": "link", "specific": "beats"})
    return named.assign(excess=excess(tests), **ends)[COLUMNS["links"]]


def _repeated(heads: pd.DataFrame) -> pd.DataFrame:
    key = ["task", *HEAD]
    p = pd.Series(p_of_interval(*heads[[*CHANGE, "n"]].to_numpy().T), heads.index)
    p = p.groupby([heads["task"], heads["seed"]]).transform(lambda of_heads: holm(of_heads.to_numpy()))
    heads = heads.assign(beats=(p < SIGNIFICANT) & (heads["mean"] > 0))
    weights = {"link": ("repeated", "mean"), "others": ("others", "mean"), "beats": ("beats", "all")}
    weights = heads.groupby(key, sort=False).agg(**weights).reset_index()
    table = weights.merge(over_seeds(heads, key), on=key, validate="one_to_one").rename(columns={"mean": "excess"})
    return table.assign(kind=table["task"].map(SAME_WORD.format), null=np.nan)[COLUMNS["links"]]


# In words.

UNCOUNTABLE = ("negation", "punctuation")
UNCHANGED = 0.99  # similarity of maps from which on nobody sees a difference
SEEN = 0.05  # share of a head's maps from which on a second pattern is worth naming


def described(atlas: Atlas) -> pd.DataFrame:
    """Describe every head in a sentence: layer, head, in_words."""
    return atlas.heads().assign(in_words=[sentence(atlas, *head) for head in atlas.heads().to_numpy()])


def sentence(atlas: Atlas, layer: int, head: int) -> str:
    """Say in one sentence what the tables say of a head (from 0); what a run lacks is left out."""
    own = {
        field.name: table[(table["layer"] == layer) & (table["head"] == head)]
        for field in fields(atlas)
        for table in [getattr(atlas, field.name)]
    }
    clauses = [write(own[name]) for name, write in CLAUSES.items() if len(own[name])]
    clauses = [clause for clause in clauses if clause]
    name = f"Layer {layer + 1} head {head + 1}"
    return f"{name}: {'; '.join(clauses)}." if clauses else f"{name}: this run measured nothing of it."


def _of_shares(shares: pd.DataFrame) -> str:
    after = shares[shares["checkpoint"] == AFTER] if AFTER in set(shares["checkpoint"]) else shares
    means = after[list(PATTERNS)].mean()
    first, second = means.nlargest(2).index
    said = f"{means[first] * 100:.0f} % of its maps are {first}"
    return f"{said}, {means[second] * 100:.0f} % {second}" if means[second] >= SEEN else said


def _of_features(features: pd.DataFrame) -> str:
    after = features[features["checkpoint"] == AFTER] if AFTER in set(features["checkpoint"]) else features
    means = after[after["feature"] != SEP_SUM].groupby("feature", sort=False, observed=True)["mean"].mean()
    words = means[[name for name in means.index if not name.startswith("[")]]
    special = means.drop(words.index)
    most = [(group.idxmax(), group.max()) for group in (special, words) if len(group)]
    return "of its attention, " + " and ".join(f"{_with_article(name)} gets {weight:.2f}" for name, weight in most)


def _of_similarity(similarity: pd.DataFrame) -> str:
    most = similarity.loc[similarity["mean"].idxmin()]
    if most["mean"] >= UNCHANGED:
        return f"fine-tuning hardly changes it (similarity {UNCHANGED} or more)"
    return f"fine-tuning changes it most on {most['task']} (similarity {most['mean']:.2f})"


def _of_links(links: pd.DataFrame) -> str:
    beaten = links[links["beats"]].sort_values("excess", ascending=False)
    if not len(beaten):
        return "it follows none of the links tested"
    return f"it follows links beyond their nulls ({', '.join(beaten['kind'])})"


def _of_disabling(disabling: pd.DataFrame) -> str:
    clear = disabling[disabling["clear"]]
    if not len(clear):
        return f"without it no score changes clearly ({_count(len(disabling), 'task')})"
    most = clear.loc[clear["mean"].abs().idxmax()]
    verb = "loses" if most["mean"] < 0 else "gains"
    low, high = sorted(np.sign(most["mean"]) * most[["low", "high"]].astype(float))
    said = f"without it {most['task']} {verb} {abs(most['mean']):.1f} points [{low:.1f}, {high:.1f}]"
    others = len(clear) - 1
    return f"{said}, and {_count(others, 'other task')} change{'s' * (others == 1)} clearly" if others else said


CLAUSES = {
    "shares": _of_shares,
    "features": _of_features,
    "similarity": _of_similarity,
    "links": _of_links,
    "disabling": _of_disabling,
}


def _with_article(feature: str) -> str:
    if feature.startswith("[") or feature in UNCOUNTABLE:
        return feature
    return f"{'an' if feature[0] in 'aeiou' else 'a'} {feature}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
