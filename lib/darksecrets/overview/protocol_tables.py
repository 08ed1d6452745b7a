"""Paper beside released, in tables: by which share each reported number changes, and whether heads are ranked alike.

All are computed from tables that a run has saved; `last_two_by_seed` and `frame_readings` are tables that chapters save
for this alone. After fine-tuning, where there is a choice; what a run has of the pre-trained model alone says so in its
name. Explained in the appendix *Protocol notes*.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from darksecrets.corpora.annotated_maps import BEFORE
from darksecrets.heads import HEAD
from darksecrets.runs import Run
from darksecrets.sections import fine_tuning
from darksecrets.sections.features import PAPER, RELEASED, WORDS
from darksecrets.sections.links import named_links, tuned
from darksecrets.sections.relations import BETWEEN_WORDS, EITHER, RelationTables, better_direction
from darksecrets.statistics import over_seeds, rank_correlation

BY_LAYER, FEATURES, LINKS, FRAMES = "tuning_by_layer", "feature_readings", "link_released", "frame_measures"
COSINE, RELATION = "similarity, last layer", "target and element"
NO_TASK = ""
CHANGE = ["what", "task", "mean"]
AGREEMENT = [*CHANGE, "low", "high"]
NEGATION = "negation"
ONLY_PRE_TRAINED = f" ({BEFORE})"
ALIKE = 0.9  # rank correlation from which on two readings tell the same of heads


def last_two_by_seed(similarities: pd.DataFrame) -> pd.DataFrame:
    """Repeat `fine_tuning.last_two_against_rest` for each fine-tuning by itself: its columns, and seed."""
    tables = [
        fine_tuning.last_two_against_rest(of_seed).assign(seed=seed)
        for seed, of_seed in similarities.groupby("seed", sort=False)
    ]
    return pd.concat(tables, ignore_index=True)


def frame_readings(runs: Mapping[str, RelationTables]) -> pd.DataFrame:
    """Compare choices of sentences with the first of them: one row for each of the others.

    Columns first, other (their names), `mean`, `low`, `high` (Spearman's correlation of heads' weights, with its
    bootstrap interval over heads), n_first, n_other (heads that beat both nulls), n_heads.
    """
    rows, (first, *others) = [], runs
    heads = _toward(runs[first].heads, EITHER)
    for other in others:
        correlation = rank_correlation(heads["mean"], _toward(runs[other].heads, EITHER)["mean"])
        n_specific = (int(better_direction(runs[name].specific)["specific"].sum()) for name in (first, other))
        rows.append((first, other, *correlation, *n_specific, len(heads)))
    return pd.DataFrame(rows, columns=["first", "other", "mean", "low", "high", "n_first", "n_other", "n_heads"])


def changes(run: Run) -> pd.DataFrame:
    """Gather by which share a number changes when it is computed as released: what, task ("" for frames), mean.

    Whatever tables the run lacks has no rows.
    """
    return _gathered(run, CHANGE, {BY_LAYER: padded, FEATURES: of_words, LINKS: of_links, FRAMES: of_frames})


def agreements(run: Run) -> pd.DataFrame:
    """Gather the rank correlation over heads of both readings: what, task ("" for frames), mean, low, high."""
    return _gathered(run, AGREEMENT, {FEATURES: words_ranked, LINKS: links_ranked, FRAMES: frames_ranked})


def only_pre_trained(run: Run) -> list[str]:
    """Name what a run has in both readings of the pre-trained model alone."""
    names = [
        name
        for table, named in ((FEATURES, _named_words), (LINKS, _named_links))
        if (found := run.find(table)) is not None
        for name in _of_models(named(found))["what"].unique()
    ]
    return [name.removesuffix(ONLY_PRE_TRAINED) for name in names if name.endswith(ONLY_PRE_TRAINED)]


def told_only_pre_trained(run: Run) -> str:
    """Say of what a run lacks the released reading of fine-tuned models."""
    if not {FEATURES, LINKS} & set(run.tables()):
        return "neither reading is there"
    names = only_pre_trained(run)
    if not names:
        return "both readings are there of every model"
    return f"the released reading of {', '.join(names)} is not yet recomputed for fine-tuned models"


def padded(by_layer: pd.DataFrame) -> pd.DataFrame:
    """Return by which share padding changes the similarity of the last layer (see `changes`)."""
    last = by_layer[by_layer["layer"] == by_layer["layer"].max()].rename(columns={"mean": "similarity"})
    paper, released = (last.loc[last["reading"] == name, ["task", "similarity"]] for name in (PAPER, RELEASED))
    sides = paper.merge(released, on="task").set_axis(["task", PAPER, RELEASED], axis=1)
    return _change(sides.assign(what=COSINE))


def of_words(readings: pd.DataFrame) -> pd.DataFrame:
    """Return by which share the weight of each kind of word changes (see `changes`)."""
    return _change(by_kind(readings))


def of_links(released: pd.DataFrame) -> pd.DataFrame:
    """Return by which share the weight of links changes, averaged over heads (see `changes`)."""
    return _change(_averaged(_of_models(_named_links(released)), [PAPER, RELEASED]))


def of_frames(measures: pd.DataFrame, measure: str = RELEASED) -> pd.DataFrame:
    """Return by which share heads' weight of frames changes in another measure, on average (see `changes`)."""
    sides = (_measured(measures, name)["mean"].mean() for name in (BETWEEN_WORDS, measure))
    return _change(pd.DataFrame([(RELATION, NO_TASK, *sides)], columns=["what", "task", PAPER, RELEASED]))


def by_kind(readings: pd.DataFrame) -> pd.DataFrame:
    """Average the readings of each kind of word over seeds: what, task, paper, released, and share of the inputs that
    have such a word; NaN for negations, without which the released notebook skips an input as the text does.
    """
    table = _of_models(_named_words(readings))
    share = (table["n_examples"] / table["n_released"]).where(table["feature"] != NEGATION)
    return _averaged(table.assign(share=share), [PAPER, RELEASED, "share"])


def words_ranked(readings: pd.DataFrame) -> pd.DataFrame:
    """Return the rank correlation over heads for each kind of word (see `agreements`)."""
    table = _of_models(_named_words(readings))
    sides = {"correlation": "mean", "correlation_low": "low", "correlation_high": "high"}
    table = table.drop(columns=list(sides.values())).rename(columns=sides)
    unknown = table["mean"].isna().groupby([table["what"], table["task"]], observed=True).transform("any")
    return _ranked(table[~unknown])


def links_ranked(released: pd.DataFrame) -> pd.DataFrame:
    """Return the rank correlation over heads for each link (see `agreements`)."""
    return _ranked(_of_models(_named_links(released)))


def frames_ranked(measures: pd.DataFrame, measure: str = RELEASED) -> pd.DataFrame:
    """Return the rank correlation over heads between the weight of frames and another measure (see `agreements`)."""
    sides = (_measured(measures, name)["mean"] for name in (BETWEEN_WORDS, measure))
    return pd.DataFrame([(RELATION, NO_TASK, *rank_correlation(*sides))], columns=AGREEMENT)


def changes_finding(table: pd.DataFrame) -> str:
    """Say in a chart's title which number of `changes` moves most, over tasks."""
    if table.empty:
        return "Nothing is measured yet"
    means = table.groupby("what", sort=False)["mean"].mean()
    most = means.abs().idxmax()
    return f"Read as released, “{most}” changes most: {100 * means[most]:+.0f} % on average"


def agreement_finding(table: pd.DataFrame) -> str:
    """Say in a chart's title in how many cases of `agreements` both readings rank heads alike."""
    n_alike = int((table["mean"] >= ALIKE).sum())
    return f"Both readings rank heads alike, by {ALIKE} or more, in {n_alike} of {len(table)} cases"


def _gathered(
    run: Run, columns: list[str], parts: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]]
) -> pd.DataFrame:
    found = [gather(table) for name, gather in parts.items() if (table := run.find(name)) is not None]
    tables = [table[columns].astype({"task": object}) for table in found if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _named_words(readings: pd.DataFrame) -> pd.DataFrame:
    return readings[readings["feature"].isin(WORDS)].assign(what=lambda table: table["feature"].astype(str))


def _named_links(released: pd.DataFrame) -> pd.DataFrame:
    return named_links(released).rename(columns={"link": "what"})


def _of_models(table: pd.DataFrame) -> pd.DataFrame:
    """Keep what is of fine-tuned models; of a `what` that has none of them, what is of the pre-trained one, said so."""
    after = tuned(table)
    before = table[~table["what"].isin(after["what"])]
    return pd.concat([after, before.assign(what=before["what"] + ONLY_PRE_TRAINED)], ignore_index=True)


def _change(sides: pd.DataFrame) -> pd.DataFrame:
    return sides.assign(mean=sides[RELEASED] / sides[PAPER] - 1)


def _averaged(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return table.groupby(["what", "task"], sort=False, observed=True)[columns].mean().reset_index()


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    of_models = table.groupby("checkpoint", sort=False, observed=True)  # which differ in their number of seeds
    tables = [over_seeds(rows, ["what", "task"])[AGREEMENT] for _, rows in of_models]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=AGREEMENT)


def _measured(measures: pd.DataFrame, measure: str) -> pd.DataFrame:
    return measures[measures["measure"] == measure].sort_values(HEAD, ignore_index=True)


def _toward(heads: pd.DataFrame, direction: str) -> pd.DataFrame:
    return heads[heads["direction"] == direction].sort_values(HEAD, ignore_index=True)
