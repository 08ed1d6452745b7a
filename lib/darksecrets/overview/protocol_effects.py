"""What each difference between paper, figures and released notebook changes, in words, from the tables of a run.

Functions take tables as they are saved and return a text, or None where the tables have nothing to say on it, as when
a task is missing. Relative changes are averaged over tasks, with the t-interval over them: what another task would
give. Explained in the appendix *Protocol notes*.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from darksecrets import reported
from darksecrets.corpora.tasks import TASKS
from darksecrets.estimates import format_change, format_difference, format_estimate
from darksecrets.heads import head_name
from darksecrets.models.attended import RELEASED_LENGTH
from darksecrets.models.attention import MAX_LENGTH
from darksecrets.models.disabling import only_uniform
from darksecrets.models.feature_attention import CLS
from darksecrets.overview import protocol_tables as tables
from darksecrets.reported import TUNED
from darksecrets.sections import disabling, feature_claims
from darksecrets.sections.disabling import DisablingTables
from darksecrets.sections.features import PAPER, RELEASED, WORDS
from darksecrets.sections.fine_tuning import of_setting
from darksecrets.sections.links import tuned
from darksecrets.sections.relations import BETWEEN_TOKENS, BETWEEN_WORDS
from darksecrets.statistics import interval_of_mean, over_seeds, over_tasks
from darksecrets.verdicts import counted, verdict

INTERVAL, SAMPLING = ("low", "high"), ("sampling_low", "sampling_high")


def two_scores(scores: pd.DataFrame, baseline: pd.DataFrame) -> str:
    """Compare the scores of Table 1 with those of nothing disabled, which here are the same models'."""
    best = of_setting(scores, TUNED)
    best = best[best["metric"] == best["task"].map(lambda task: TASKS[task].headline)]
    both = best.merge(baseline, on=["task", "seed"], suffixes=("", "_disabled"))
    gap = (both["mean_disabled"] - both["mean"]).abs().groupby(both["task"], observed=True).mean()
    within = both["mean"].between(both["low_disabled"], both["high_disabled"])
    half = ((both["high_disabled"] - both["low_disabled"]) / 2).groupby(both["task"], observed=True).mean()
    beyond = [paper > half[task] for task, paper in paper_gaps().items() if task in half]
    return (
        f"the two scores are {100 * gap.mean():.1f} points apart on average, at most {100 * gap.max():.1f} "
        f"({gap.idxmax()}); the one is in the other's interval for {within.sum()} of {len(both)} models. The paper's "
        f"gap is wider than half that interval on {sum(beyond)} of {len(beyond)} tasks"
    )


def paper_gaps() -> dict[str, float]:
    """Return by how much the paper's two scores of a task differ, in the metric in which they are closer."""
    printed = of_setting(reported.table_1(), TUNED).groupby("task")["value"].apply(list)
    return {task: min(abs(score - one) for one in printed[task]) for task, score in reported.FIGURE_BASELINES.items()}


def lowest_score(run: DisablingTables) -> str | None:
    """Say how low one disabled head drops SST-2, and whether that is below chance."""
    found = disabling.judged(run)
    found = found[found["claim"] == disabling.BELOW_CHANCE]
    if found.empty:
        return None
    row = found.iloc[0]
    before = run.baseline.loc[run.baseline["task"] == row["task"], "mean"].mean()
    return (
        f"{row['task']} scores {100 * before:.1f} % with nothing disabled and {format_estimate(row)} % with the worst "
        f"head disabled; a drop below chance: {row['verdict']}"
    )


def last_layers(by_layer: pd.DataFrame, last_two: pd.DataFrame) -> str:
    """Compare what the eye sees, the means, with what the interval of the closest pair of layers says."""
    means = _of(by_layer, PAPER).pivot(index="task", columns="layer", values="mean")
    by_eye = means.iloc[:, -2:].max(axis=1) < means.iloc[:, :-2].min(axis=1)
    n_seeds = by_layer["n_seeds"].max()
    over = f"over {n_seeds} fine-tunings" if n_seeds > 1 else "over examples, of one fine-tuning"
    verdicts = counted(verdict(*bounds) for bounds in _of(last_two, PAPER)[list(INTERVAL)].to_numpy())
    return f"by eye it holds on {by_eye.sum()} of {len(means)} tasks; by the interval {over}, {verdicts}"


def seed_by_seed(last_two: pd.DataFrame) -> str | None:
    """Say on how many tasks the last two layers change most by the interval over examples, each fine-tuning alone."""
    table = _of(last_two, PAPER)
    if table["seed"].nunique() == 1:
        return None
    holds = table["low"] > 0
    n_tasks, agree = holds.groupby(table["seed"]).sum(), holds.groupby(table["task"]).nunique() == 1
    return (
        f"by the interval over examples, each fine-tuning alone, it holds on {n_tasks.min()} to {n_tasks.max()} tasks; "
        f"fine-tunings agree on whether it does on {agree.sum()} of {len(agree)}"
    )


def padding(by_layer: pd.DataFrame) -> str | None:
    """Say where padding moves the similarity most, and whether layers keep their order."""
    both = _of(by_layer, RELEASED).merge(_of(by_layer, PAPER), on=["task", "layer"], suffixes=("", "_paper"))
    if both.empty:
        return None
    # Other examples, or some of the same: their errors are taken as independent, which is on the safe side.
    half = np.hypot(*((both[f"high{side}"] - both[f"low{side}"]) / 2 for side in ("", "_paper")))
    difference = both["mean"] - both["mean_paper"]
    most = difference.abs().idxmax()
    orders = [group for _, group in both.groupby("task", sort=False, observed=True)[["mean", "mean_paper"]]]
    same = sum((group["mean"].rank() == group["mean_paper"].rank()).all() for group in orders)
    first = sum(group["mean"].idxmin() == group["mean_paper"].idxmin() for group in orders)
    place = f"layer {both['layer'][most] + 1} on {both['task'][most]}"
    largest = format_difference(difference[most], difference[most] - half[most], difference[most] + half[most])
    return (
        f"the similarity moves by up to {largest} ({place}); all layers keep their order "
        f"on {same} of {len(orders)} tasks, the one that changed most its place on {first}"
    )


def absent_as_zero(readings: pd.DataFrame) -> str:
    """Say by how much inputs without a kind of word that count as 0 lower its weight, all else equal."""
    kinds = tables.by_kind(readings).dropna(subset="share")
    return f"the weight of {_by_what(kinds.assign(mean=kinds['share'] - 1))}"


def found_by_spelling(readings: pd.DataFrame) -> str:
    """Say by how much the ways of finding words change the weight, the rule on absent words taken out."""
    kinds = tables.by_kind(readings)
    expected = kinds["paper"] * kinds["share"].fillna(1)
    rest = _by_what(kinds.assign(mean=kinds["released"] / expected - 1))
    return f"the weight of {rest}. {_lowest(tables.words_ranked(readings))}"


def separators(run: feature_claims.FeatureTables) -> str | None:
    """Say how far SST-2 is ahead in attention to [SEP], by the larger of two separators and by their sum."""
    table = feature_claims.judged(run).set_index("claim")
    ways = {"by the larger": feature_claims.SEP_MOST, "by the sum": feature_claims.SEP_MOST_SUM}
    if not set(ways.values()) <= set(table.index):
        return None
    rows = {way: table.loc[claim] for way, claim in ways.items()}
    return "SST-2 less the closest other task: " + ", ".join(
        f"{way} {format_change(row, 1)} points (most on SST-2: {row['verdict']})" for way, row in rows.items()
    )


def links(released: pd.DataFrame) -> str:
    """Say by how much the released notebook's rules change the weight of links, and whether they rank heads alike."""
    return f"the weight from {_by_what(tables.of_links(released))}. {_lowest(tables.links_ranked(released))}"


def frame_counts(counts: pd.DataFrame) -> str:
    """Say how many examples both readings select."""
    n = counts.set_index("reading")["examples"]
    return f"{n[PAPER]} examples by the text, {n[RELEASED]} by the notebook, of which {n['both']} are in both"


def frame_sentences(readings: pd.DataFrame) -> str | None:
    """Say whether both choices of sentences rank heads alike."""
    if readings.empty:
        return None
    row = readings.iloc[0]
    correlation = format_estimate(row, 2, scale=1)
    return (
        f"heads' weights correlate by {correlation} in rank; of {row['n_heads']} heads {row['n_first']} beat both "
        f"nulls on the sentences of {row['first']}, {row['n_other']} on those of {row['other']}"
    )


def frame_measure(measures: pd.DataFrame) -> str:
    """Say what heads' weights become in the released notebook's measure of frames."""
    return _beside_words(measures, RELEASED)


def frame_tokens(measures: pd.DataFrame) -> str:
    """Say what heads' weights become between tokens instead of words, beside the paper's two heads."""
    papers = " and ".join(f"{weight:.3f}" for weight in reported.FRAME_WEIGHTS)
    return f"{_beside_words(measures, BETWEEN_TOKENS)}. The paper's two heads have {papers}"


def input_lengths(lengths: pd.DataFrame) -> str:
    """Say how many inputs are cut here, and how many the released notebook would cut."""
    longer = [
        f"{row.n_longer} of {row.n_examples} inputs of {row.task}"
        for row in lengths.sort_values("n_longer", ascending=False).itertuples()
        if row.n_longer
    ]
    if not longer:
        return f"no input is longer than {MAX_LENGTH} tokens"
    n_cut = lengths["n_longer_than_released"].sum()
    return f"{', '.join(longer)} are longer than {MAX_LENGTH} tokens, and {n_cut} of all longer than {RELEASED_LENGTH}"


def ways_of_disabling(run: DisablingTables) -> str:
    """Say what disabling a head changes on average, for each thing that can stand in for its attention."""
    average = run.average.groupby("instead", sort=False)
    ways = [f"{way} {format_change(over_tasks(over_seeds(rows, ['task'])))}" for way, rows in average]
    layers = 100 * only_uniform(run.layers)["mean"].mean()
    return f"points by the average head: {', '.join(ways)}; by the average layer, uniform, {layers:+.1f}"


def drawn_scores(scores: pd.DataFrame, baseline: pd.DataFrame) -> str | None:
    """Say how far a score moves with another draw, on tasks that have more examples than are drawn."""
    return _moves("a score", scores, baseline, baseline, INTERVAL)


def drawn_attention(scores: pd.DataFrame, baseline: pd.DataFrame, heads: pd.DataFrame) -> str | None:
    """Say how far the attention of one head to [CLS] or a kind of word moves with another draw."""
    found = tuned(heads)
    found = found[found["feature"].isin([*WORDS, CLS])]
    return _moves("a head's attention to [CLS] or a kind of word", scores, baseline, found, INTERVAL)


def drawn_patterns(scores: pd.DataFrame, baseline: pd.DataFrame, shares: pd.DataFrame) -> str | None:
    """Say how far the share of a pattern moves with another draw."""
    return _moves("the share of a pattern", scores, baseline, tuned(shares), SAMPLING)


def correlations(scores: pd.DataFrame) -> str | None:
    """Put the correlations side by side that the score of STS-B may be."""
    metrics = TASKS["STS-B"].metrics
    best = of_setting(scores, TUNED)
    found = over_seeds(best[best["task"] == "STS-B"], ["metric"]).set_index("metric")
    if found.empty:
        return None
    return "per cent: " + ", ".join(
        f"{metric.capitalize()}'s {format_estimate(found.loc[metric])}" for metric in metrics
    )


def _moves(
    what: str, scores: pd.DataFrame, baseline: pd.DataFrame, table: pd.DataFrame, ends: Sequence[str]
) -> str | None:
    """Write half of an interval over drawn examples, in points: the median and the largest.

    Narrowed by the share that is not drawn (the finite population correction): of 1500 examples 1000 say more than of
    a million. None where all examples of all tasks are taken.
    """
    n_all, n_drawn = (one.groupby("task", observed=True)["n_examples"].max() for one in (scores, baseline))
    factor = np.sqrt(1 - n_drawn / n_all).astype(float)
    factor = factor[factor > 0]
    found = table[table["task"].isin(factor.index)]
    if found.empty:
        return None
    low, high = ends
    half = 100 * (found[high] - found[low]) / 2 * found["task"].astype(object).map(factor)
    most = f"at most ({found['task'][half.idxmax()]}, of {found['task'].nunique()} tasks)"
    return f"{what} moves by ±{half.median():.1f} points in the median, by ±{half.max():.1f} {most}"


def _beside_words(measures: pd.DataFrame, measure: str) -> str:
    tops = {}
    for name in (BETWEEN_WORDS, measure):
        of_measure = measures[measures["measure"] == name]
        row = of_measure.loc[of_measure["mean"].idxmax()]
        tops[name] = f"{head_name(row['layer'], row['head'])} with {format_estimate(row, 3, scale=1)}"
    change, ranked = tables.of_frames(measures, measure)["mean"].iloc[0], tables.frames_ranked(measures, measure)
    return (
        f"the average head's weight changes by {_share(change)}; most has {tops[BETWEEN_WORDS]} {BETWEEN_WORDS}, "
        f"{tops[measure]} {'as released' if measure == RELEASED else measure}; rank correlation over heads "
        f"{format_estimate(ranked.iloc[0], 2, scale=1)}"
    )


def _by_what(table: pd.DataFrame) -> str:
    """Average the relative changes in `mean` over tasks: `noun -9 % [-12, -6], ...`, the largest change first."""
    rows = []
    for what, group in table.groupby("what", sort=False):
        mean, low, high = (float(number) for number in interval_of_mean(group["mean"]))
        interval = "" if np.isnan(low) else f" [{_rounded(low)}, {_rounded(high)}]"
        rows.append((-abs(mean), f"{what} {_share(mean)}{interval}"))
    return ", ".join(text for _, text in sorted(rows))


def _lowest(ranked: pd.DataFrame) -> str:
    if ranked.empty:
        return "No rank correlation can be computed"
    row = ranked.loc[ranked["mean"].idxmin()]
    return f"Rank correlation over heads at least {format_estimate(row, 2, scale=1)} ({row['what']}, {row['task']})"


def _of(table: pd.DataFrame, reading: str) -> pd.DataFrame:
    return table[table["reading"] == reading].reset_index(drop=True)


def _share(change: float) -> str:
    return f"{_rounded(change)} %"


def _rounded(change: float) -> str:
    return f"{round(100 * change):+d}"  # whole numbers have no -0
