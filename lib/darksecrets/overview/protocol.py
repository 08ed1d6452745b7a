"""Where paper, figures and released notebook disagree, and what each disagreement changes, from the tables of a run.

`protocol.yml` lists the disagreements. Below come, in this order: the numbers that both readings have, paper beside
released; the effects, which put in words what a disagreement changes; the notes, which join list and effects; a chart.
After fine-tuning, where there is a choice; what a run has of the pre-trained model alone says so in its name. Relative
changes are averaged over tasks, with the t-interval over them: what another task would give. Explained in the appendix
*Protocol notes*.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd
import yaml

from darksecrets import reported
from darksecrets.corpora.annotated_maps import BEFORE
from darksecrets.corpora.tasks import TASKS
from darksecrets.estimates import format_change, format_difference, format_estimate
from darksecrets.figures import charts
from darksecrets.heads import HEAD, head_name
from darksecrets.models.attended import RELEASED_LENGTH
from darksecrets.models.attention import MAX_LENGTH
from darksecrets.models.disabling import only_uniform
from darksecrets.models.feature_attention import CLS
from darksecrets.reported import TUNED
from darksecrets.runs import Run
from darksecrets.saved_tables import REFERENCE_RUN, SECTIONS, THIS_RUN, SavedTables, prefix_of
from darksecrets.sections import disabling, feature_claims, fine_tuning
from darksecrets.sections.disabling import DisablingTables
from darksecrets.sections.features import PAPER, RELEASED, WORDS
from darksecrets.sections.links import named_links, tuned
from darksecrets.sections.relations import BETWEEN_TOKENS, BETWEEN_WORDS
from darksecrets.statistics import interval_of_mean, over_seeds, over_tasks, rank_correlation
from darksecrets.verdicts import counted, verdict

SCORES, BY_LAYER, LAST_TWO, BASELINE = "tuning_scores", "tuning_by_layer", "tuning_last_two", "disabling_baseline"
FEATURES, LINKS, FRAMES, LENGTHS = "feature_readings", "link_released", "frame_measures", "feature_lengths"
LAST_TWO_BY_SEED, FRAME_READINGS = "protocol_last_two", "protocol_frames"  # saved for these notes alone
ONLY_PRE_TRAINED = f" ({BEFORE})"
CASE = ["what", "task"]  # a number of the paper, and the task that it is of: "" for frames
CHANGE, AGREEMENT = [*CASE, "mean"], [*CASE, "mean", "low", "high"]
ALIKE = 0.9  # rank correlation from which on two readings tell the same of heads
NOT_MEASURED = "not measured"

Needed = str | type[SavedTables]  # of a run: a table's name, or the tables of a section


# Paper beside released


def words(readings: pd.DataFrame) -> pd.DataFrame:
    """Return `features.readings` of kinds of words: what, task, seed, paper, released, `share` of the inputs that have
    such a word, and the rank correlation over heads as mean, low, high.

    The share is NaN for negations, without which the released notebook skips an input as the text does.
    """
    table = _of_models(readings[readings["feature"].isin(WORDS)].assign(what=lambda rows: rows["feature"].astype(str)))
    share = (table["n_examples"] / table["n_released"]).where(table["feature"] != "negation")
    sides = {"mean": "correlation", "low": "correlation_low", "high": "correlation_high"}
    return table.assign(share=share, **{side: table[name] for side, name in sides.items()})


def links(released: pd.DataFrame) -> pd.DataFrame:
    """Return `links.released_against_paper` of links: what, task, seed, paper, released, and the rank correlation
    over heads as mean, low, high.
    """
    return _of_models(named_links(released).rename(columns={"link": "what"}))


def changed(sides: pd.DataFrame) -> pd.DataFrame:
    """Return by which share numbers change if they are computed as released: what, task, mean, paper, released, and
    share if `words` gave it; seeds are averaged.
    """
    columns = charts.present(sides, PAPER, RELEASED, "share")
    table = sides.groupby(CASE, sort=False, observed=True)[columns].mean().reset_index()
    return table.assign(mean=table[RELEASED] / table[PAPER] - 1)


def ranked(sides: pd.DataFrame) -> pd.DataFrame:
    """Return the rank correlation over heads of both readings: what, task, mean, low, high; where a fine-tuning has
    none, the case is left out.
    """
    is_unknown = sides["mean"].isna().groupby([sides[name] for name in CASE], observed=True).transform("any")
    by_checkpoint = sides[~is_unknown].groupby("checkpoint", sort=False, observed=True)  # with other numbers of seeds
    tables = [over_seeds(rows, CASE)[AGREEMENT] for _, rows in by_checkpoint]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=AGREEMENT)


def last_layer(by_layer: pd.DataFrame) -> pd.DataFrame:
    """Return by which share padding changes the similarity of the last layer (as `changed` does)."""
    last = by_layer[by_layer["layer"] == by_layer["layer"].max()].rename(columns={"mean": "similarity"})
    paper, released = (last.loc[last["reading"] == name, ["task", "similarity"]] for name in (PAPER, RELEASED))
    sides = paper.merge(released, on="task").set_axis(["task", PAPER, RELEASED], axis=1)
    return sides.assign(what="similarity, last layer", mean=sides[RELEASED] / sides[PAPER] - 1)


def frames(measures: pd.DataFrame, measure: str = RELEASED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return by which share heads' weight of frames changes in another measure, on average (as `changed` does), and its
    rank correlation over heads (as `ranked` does).
    """
    one, other = (_of(measures, "measure", name).sort_values(HEAD)["mean"] for name in (BETWEEN_WORDS, measure))
    case = {"what": ["target and element"], "task": [""]}
    change = pd.DataFrame({**case, PAPER: one.mean(), RELEASED: other.mean()})
    return changed(change), pd.DataFrame([(*change.loc[0, CASE], *rank_correlation(one, other))], columns=AGREEMENT)


def changes(run: Run) -> pd.DataFrame:
    """Gather by which share a number changes when it is computed as released: what, task ("" for frames), mean.

    Whatever tables the run lacks has no rows.
    """
    gather = {
        BY_LAYER: last_layer,
        FEATURES: lambda table: changed(words(table)),
        LINKS: lambda table: changed(links(table)),
        FRAMES: lambda table: frames(table)[0],
    }
    return _gathered(run, CHANGE, gather)


def agreements(run: Run) -> pd.DataFrame:
    """Gather the rank correlation over heads of both readings: what, task ("" for frames), mean, low, high."""
    gather = {
        FEATURES: lambda table: ranked(words(table)),
        LINKS: lambda table: ranked(links(table)),
        FRAMES: lambda table: frames(table)[1],
    }
    return _gathered(run, AGREEMENT, gather)


def only_pre_trained(run: Run) -> str:
    """Return of what a run lacks the released reading of fine-tuned models, in words."""
    tables = [
        sides(table) for name, sides in ((FEATURES, words), (LINKS, links)) if (table := run.find(name)) is not None
    ]
    names = [name for table in tables for name in table["what"].unique() if name.endswith(ONLY_PRE_TRAINED)]
    if not tables:
        return "neither reading is there"
    if not names:
        return "both readings are there of every model"
    names = [name.removesuffix(ONLY_PRE_TRAINED) for name in names]
    return f"the released reading of {', '.join(names)} is not yet recomputed for fine-tuned models"


def _gathered(
    run: Run, columns: list[str], gather: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]]
) -> pd.DataFrame:
    tables = [of_table(table) for name, of_table in gather.items() if (table := run.find(name)) is not None]
    tables = [table[columns].astype({"task": object}) for table in tables if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _of_models(table: pd.DataFrame) -> pd.DataFrame:
    """Keep what is of fine-tuned models; of a `what` that has none of them, what is of the pre-trained one, said so."""
    after = tuned(table)
    before = table[~table["what"].isin(after["what"])]
    return pd.concat([after, before.assign(what=before["what"] + ONLY_PRE_TRAINED)], ignore_index=True)


def _of(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    return table[table[column] == value].reset_index(drop=True)


# Effects: each takes tables of a run and returns a text, or None where these have nothing to say on it, as when a task
# is missing.

EFFECTS: dict[str, tuple[Callable[..., str | None], tuple[Needed, ...]]] = {}  # and the tables that they take


def effect_on(*needs: Needed) -> Callable:
    """Enter a function in `EFFECTS`, with the tables of a run that it takes."""

    def enter(effect: Callable[..., str | None]) -> Callable[..., str | None]:
        EFFECTS[effect.__name__] = (effect, needs)
        return effect

    return enter


@effect_on(SCORES, BASELINE)
def two_scores(scores: pd.DataFrame, baseline: pd.DataFrame) -> str:
    """Compare the scores of Table 1 with those of nothing disabled, which here are the same models'."""
    best = fine_tuning.of_setting(scores, TUNED)
    best = best[best["metric"] == best["task"].map(lambda task: TASKS[task].headline)]
    both = best.merge(baseline, on=["task", "seed"], suffixes=("", "_disabled"))
    half = (both["high_disabled"] - both["low_disabled"]) / 2
    both = both.assign(gap=(both["mean_disabled"] - both["mean"]).abs(), half=half)
    gap, half = (both.groupby("task", observed=True)[name].mean() for name in ("gap", "half"))
    within = both["mean"].between(both["low_disabled"], both["high_disabled"])
    beyond = [paper > half[task] for task, paper in paper_gaps().items() if task in half]
    return (
        f"the two scores are {100 * gap.mean():.1f} points apart on average, at most {100 * gap.max():.1f} "
        f"({gap.idxmax()}); the one is in the other's interval for {within.sum()} of {len(both)} models. The paper's "
        f"gap is wider than half that interval on {sum(beyond)} of {len(beyond)} tasks"
    )


def paper_gaps() -> dict[str, float]:
    """Return by how much the paper's two scores of a task differ, in the metric in which they are closer."""
    printed = fine_tuning.of_setting(reported.table_1(), TUNED).groupby("task")["value"]
    return {task: (printed.get_group(task) - score).abs().min() for task, score in reported.FIGURE_BASELINES.items()}


@effect_on(DisablingTables)
def lowest_score(run: DisablingTables) -> str | None:
    """Return how low one disabled head drops SST-2, and whether that is below chance."""
    found = _of(disabling.judged(run), "claim", disabling.BELOW_CHANCE)
    if found.empty:
        return None
    row = found.iloc[0]
    before = run.baseline.loc[run.baseline["task"] == row["task"], "mean"].mean()
    return (
        f"{row['task']} scores {100 * before:.1f} % with nothing disabled and {format_estimate(row)} % with the worst "
        f"head disabled; a drop below chance: {row['verdict']}"
    )


@effect_on(SCORES)
def correlations(scores: pd.DataFrame) -> str | None:
    """Return the correlations, side by side, that the score of STS-B may be."""
    best = _of(fine_tuning.of_setting(scores, TUNED), "task", "STS-B")
    found = over_seeds(best, ["metric"]).set_index("metric")
    texts = [
        f"{metric.capitalize()}'s {format_estimate(found.loc[metric])}"
        for metric in TASKS["STS-B"].metrics
        if len(found)
    ]
    return f"per cent: {', '.join(texts)}" if texts else None


@effect_on(BY_LAYER, LAST_TWO)
def last_layers(by_layer: pd.DataFrame, last_two: pd.DataFrame) -> str:
    """Compare what the eye sees, the means, with what the interval of the closest pair of layers says."""
    means = _of(by_layer, "reading", PAPER).pivot(index="task", columns="layer", values="mean")
    by_eye = means.iloc[:, -2:].max(axis=1) < means.iloc[:, :-2].min(axis=1)
    n_seeds = by_layer["n_seeds"].max()
    over = f"over {n_seeds} fine-tunings" if n_seeds > 1 else "over examples, of one fine-tuning"
    verdicts = counted(verdict(*bounds) for bounds in _of(last_two, "reading", PAPER)[["low", "high"]].to_numpy())
    return f"by eye it holds on {by_eye.sum()} of {len(means)} tasks; by the interval {over}, {verdicts}"


@effect_on(LAST_TWO_BY_SEED)
def seed_by_seed(last_two: pd.DataFrame) -> str | None:
    """Return on how many tasks the last two layers change most by the interval over examples, by fine-tuning."""
    table = _of(last_two, "reading", PAPER)
    if table["seed"].nunique() == 1:
        return None
    holds = table["low"] > 0
    n_tasks, agree = holds.groupby(table["seed"]).sum(), holds.groupby(table["task"]).nunique() == 1
    return (
        f"by the interval over examples, each fine-tuning alone, it holds on {n_tasks.min()} to {n_tasks.max()} tasks; "
        f"fine-tunings agree on whether it does on {agree.sum()} of {len(agree)}"
    )


@effect_on(BY_LAYER)
def padding(by_layer: pd.DataFrame) -> str | None:
    """Return where padding moves the similarity most, and whether layers keep their order."""
    released, paper = (_of(by_layer, "reading", name) for name in (RELEASED, PAPER))
    both = released.merge(paper, on=["task", "layer"], suffixes=("", "_paper"))
    if both.empty:
        return None
    # Other examples, or some of the same: their errors are taken as independent, which is on the safe side.
    half = np.hypot(*((both[f"high{side}"] - both[f"low{side}"]) / 2 for side in ("", "_paper")))
    difference = both["mean"] - both["mean_paper"]
    most = difference.abs().idxmax()
    largest = format_difference(*(difference[most] + sign * half[most] for sign in (0, -1, 1)))
    tasks = [rows[["mean", "mean_paper"]] for _, rows in both.groupby("task", sort=False, observed=True)]
    n_same = sum((rows["mean"].rank() == rows["mean_paper"].rank()).all() for rows in tasks)
    n_first = sum(rows["mean"].idxmin() == rows["mean_paper"].idxmin() for rows in tasks)
    return (
        f"the similarity moves by up to {largest} (layer {both['layer'][most] + 1} on {both['task'][most]}); all "
        f"layers keep their order on {n_same} of {len(tasks)} tasks, the one that changed most its place on {n_first}"
    )


@effect_on(FEATURES)
def absent_as_zero(readings: pd.DataFrame) -> str:
    """Return by how much inputs without a kind of word that count as 0 lower its weight, all else equal."""
    kinds = changed(words(readings)).dropna(subset="share")
    return f"the weight of {_by_what(kinds.assign(mean=kinds['share'] - 1))}"


@effect_on(FEATURES)
def found_by_spelling(readings: pd.DataFrame) -> str:
    """Return by how much the ways of finding words change the weight, the rule on absent words taken out."""
    sides = words(readings)
    kinds = changed(sides)
    rest = kinds[RELEASED] / (kinds[PAPER] * kinds["share"].fillna(1)) - 1
    return f"the weight of {_by_what(kinds.assign(mean=rest))}. {_lowest(ranked(sides))}"


@effect_on(feature_claims.FeatureTables)
def separators(run: feature_claims.FeatureTables) -> str | None:
    """Return how far SST-2 is ahead in attention to [SEP], by the larger of two separators and by their sum."""
    table = feature_claims.judged(run).set_index("claim")
    ways = {"by the larger": feature_claims.SEP_MOST, "by the sum": feature_claims.SEP_MOST_SUM}
    if not set(ways.values()) <= set(table.index):
        return None
    rows = {way: table.loc[claim] for way, claim in ways.items()}
    return "SST-2 less the closest other task: " + ", ".join(
        f"{way} {format_change(row, 1)} points (most on SST-2: {row['verdict']})" for way, row in rows.items()
    )


@effect_on(LINKS)
def released_links(released: pd.DataFrame) -> str:
    """Return by how much the released notebook's rules change the weight of links, and whether heads rank alike."""
    sides = links(released)
    return f"the weight from {_by_what(changed(sides))}. {_lowest(ranked(sides))}"


@effect_on("frame_counts")
def frame_counts(counts: pd.DataFrame) -> str:
    """Return how many examples both readings select."""
    n = counts.set_index("reading")["examples"]
    return f"{n[PAPER]} examples by the text, {n[RELEASED]} by the notebook, of which {n['both']} are in both"


@effect_on(FRAME_READINGS)
def frame_sentences(readings: pd.DataFrame) -> str | None:
    """Return whether both choices of sentences rank heads alike."""
    if readings.empty:
        return None
    row = readings.iloc[0]
    return (
        f"heads' weights correlate by {format_estimate(row, 2, scale=1)} in rank; of {row['n_heads']} heads "
        f"{row['n_first']} beat both nulls on the sentences of {row['first']}, {row['n_other']} on those of "
        f"{row['other']}"
    )


@effect_on(FRAMES)
def frame_measure(measures: pd.DataFrame, measure: str = RELEASED) -> str:
    """Return what heads' weights become in another measure of frames, by default that of the released notebook."""
    tops = {}
    for name in (BETWEEN_WORDS, measure):
        of_measure = measures[measures["measure"] == name]
        row = of_measure.loc[of_measure["mean"].idxmax()]
        tops[name] = f"{head_name(row['layer'], row['head'])} with {format_estimate(row, 3, scale=1)}"
    change, agreement = frames(measures, measure)
    return (
        f"the average head's weight changes by {_percent(change['mean'].iloc[0])} %; most has {tops[BETWEEN_WORDS]} "
        f"{BETWEEN_WORDS}, {tops[measure]} {'as released' if measure == RELEASED else measure}; rank correlation over "
        f"heads {format_estimate(agreement.iloc[0], 2, scale=1)}"
    )


@effect_on(FRAMES)
def frame_tokens(measures: pd.DataFrame) -> str:
    """Return what heads' weights become between tokens instead of words, beside the paper's two heads."""
    papers = " and ".join(f"{weight:.3f}" for weight in reported.FRAME_WEIGHTS)
    return f"{frame_measure(measures, BETWEEN_TOKENS)}. The paper's two heads have {papers}"


@effect_on(DisablingTables)
def ways_of_disabling(run: DisablingTables) -> str:
    """Return what disabling a head changes on average, for each thing that can stand in for its attention."""
    by_way = run.average.groupby("instead", sort=False)
    ways = [f"{way} {format_change(over_tasks(over_seeds(rows, ['task'])))}" for way, rows in by_way]
    by_layer = 100 * only_uniform(run.layers)["mean"].mean()
    return f"points by the average head: {', '.join(ways)}; by the average layer, uniform, {by_layer:+.1f}"


@effect_on(SCORES, BASELINE)
def drawn_scores(scores: pd.DataFrame, baseline: pd.DataFrame) -> str | None:
    """Return how far a score moves with another draw, on tasks that have more examples than are drawn."""
    return _drawn("a score", scores, baseline, baseline)


@effect_on(SCORES, BASELINE, "feature_heads")
def drawn_attention(scores: pd.DataFrame, baseline: pd.DataFrame, heads: pd.DataFrame) -> str | None:
    """Return how far the attention of one head to [CLS] or a kind of word moves with another draw."""
    heads = tuned(heads)
    heads = heads[heads["feature"].isin([*WORDS, CLS])]
    return _drawn("a head's attention to [CLS] or a kind of word", scores, baseline, heads)


@effect_on(SCORES, BASELINE, "pattern_shares")
def drawn_patterns(scores: pd.DataFrame, baseline: pd.DataFrame, shares: pd.DataFrame) -> str | None:
    """Return how far the share of a pattern moves with another draw."""
    return _drawn("the share of a pattern", scores, baseline, tuned(shares), ("sampling_low", "sampling_high"))


@effect_on(LENGTHS)
def input_lengths(lengths: pd.DataFrame) -> str:
    """Return how many inputs are cut here, and how many the released notebook would cut."""
    longer = lengths[lengths["n_longer"] > 0].sort_values("n_longer", ascending=False)
    if longer.empty:
        return f"no input is longer than {MAX_LENGTH} tokens"
    cut = ", ".join(f"{row.n_longer} of {row.n_examples} inputs of {row.task}" for row in longer.itertuples())
    n_cut = lengths["n_longer_than_released"].sum()
    return f"{cut} are longer than {MAX_LENGTH} tokens, and {n_cut} of all longer than {RELEASED_LENGTH}"


def _drawn(
    what: str,
    scores: pd.DataFrame,
    baseline: pd.DataFrame,
    table: pd.DataFrame,
    ends: Sequence[str] = ("low", "high"),
) -> str | None:
    """Format half of an interval over drawn examples, in points: the median and the largest.

    Narrowed by the share that is not drawn (the finite population correction): of 1500 examples 1000 say more than of
    a million. None where all examples of all tasks are taken.
    """
    n_all, n_drawn = (one.groupby("task", observed=True)["n_examples"].max() for one in (scores, baseline))
    factor = np.sqrt(1 - n_drawn / n_all).astype(float)
    factor = factor[factor > 0]
    table = table[table["task"].isin(factor.index)]
    if table.empty:
        return None
    low, high = ends
    half = 100 * (table[high] - table[low]) / 2 * table["task"].astype(object).map(factor)
    most = f"at most ({table['task'][half.idxmax()]}, of {table['task'].nunique()} tasks)"
    return f"{what} moves by ±{half.median():.1f} points in the median, by ±{half.max():.1f} {most}"


def _by_what(table: pd.DataFrame) -> str:
    """Average the relative changes in `mean` over tasks: `noun -9 % [-12, -6], ...`, the largest change first."""
    rows = []
    for what, group in table.groupby("what", sort=False):
        mean, low, high = interval_of_mean(group["mean"])
        interval = "" if np.isnan(low) else f" [{_percent(low)}, {_percent(high)}]"
        rows.append((-abs(mean), f"{what} {_percent(mean)} %{interval}"))
    return ", ".join(text for _, text in sorted(rows))


def _percent(change: float) -> str:
    return f"{round(100 * float(change)):+d}"  # whole numbers have no -0


def _lowest(agreement: pd.DataFrame) -> str:
    if agreement.empty:
        return "No rank correlation can be computed"
    row = agreement.loc[agreement["mean"].idxmin()]
    return f"Rank correlation over heads at least {format_estimate(row, 2, scale=1)} ({row['what']}, {row['task']})"


# Notes


class Note(NamedTuple):
    """A disagreement: a short name for the prose, where it is, what disagrees, its effects (names in `EFFECTS`), the
    figures and tables that show it, and what we take for the readings `paper` and `released`.
    """

    name: str
    where: str
    what: str
    effects: list[str]
    see: list[str]
    paper: str
    released: str | None = None


def _notes() -> list[Note]:
    gaps = [100 * gap for gap in paper_gaps().values()]
    numbers = {"least_gap": min(gaps), "largest_gap": max(gaps), "lowest": reported.LOWEST_SCORES["SST-2"]}
    numbers |= {"here": MAX_LENGTH, "released": RELEASED_LENGTH}
    notes = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
    filled = [{name: v.format(**numbers) if isinstance(v, str) else v for name, v in note.items()} for note in notes]
    return [Note(**note) for note in filled]


NOTES = _notes()


def effect(note: Note, run: Run) -> str:
    """Return what a disagreement changes in a run; `NOT_MEASURED` where the run lacks the tables, or a task."""
    texts = []
    for describe, needs in map(EFFECTS.get, note.effects):
        tables = [_find(need, run) for need in needs]
        if all(table is not None for table in tables) and (text := describe(*tables)):
            texts.append(text[0].upper() + text[1:] if texts else text)
    return ". ".join(texts) or NOT_MEASURED


def describe(note: Note, this_run: Run, reference: Run) -> str:
    """Return in a sentence what a disagreement changes in the reference run, or else in this one."""
    for name, run in ((f"the {REFERENCE_RUN}", reference), (THIS_RUN, this_run)):
        if (text := effect(note, run)) != NOT_MEASURED:
            return f"In {name}: {text}."
    return "Neither run has measured it yet."


def notes_table() -> pd.DataFrame:
    """Build the table of notes: note (its number), where, what disagrees, as paper, as released."""
    rows = [(number, note.where, note.what, note.paper, note.released) for number, note in enumerate(NOTES, 1)]
    return pd.DataFrame(rows, columns=["note", "where", "what disagrees", "as paper", "as released"])


def effects_table(this_run: Run, reference: Run) -> pd.DataFrame:
    """Build the table of effects: note (its number), where, reference run, this run, see (names for `publish`)."""
    rows = [
        (number, note.where, effect(note, reference), effect(note, this_run), " ".join(note.see))
        for number, note in enumerate(NOTES, 1)
    ]
    return pd.DataFrame(rows, columns=["note", "where", "reference run", "this run", "see"])


def lacking(run: Run) -> str:
    """Return which notes a run has not measured at all, and which chapters it would have to run for them."""
    missing = {number: note for number, note in enumerate(NOTES, 1) if effect(note, run) == NOT_MEASURED}
    if not missing:
        return "all notes are measured"
    needs = {need for note in missing.values() for name in note.effects for need in EFFECTS[name][1]}
    absent = [need for need in needs if _find(need, run) is None]
    prefixes = {prefix_of(need) if isinstance(need, str) else need.PREFIX for need in absent}
    chapters = ", ".join(f"“{section.title}”" for prefix, section in SECTIONS.items() if prefix in prefixes)
    where = f"it takes {chapters}" if chapters else "its tasks have nothing to say on that"
    noun, verb = ("notes", "are") if len(missing) > 1 else ("note", "is")
    return f"{noun} {', '.join(map(str, missing))} {verb} not measured: {where}"


def _find(need: Needed, run: Run) -> Any:
    return run.find(need) if isinstance(need, str) else need.find(run)


def changes_finding(table: pd.DataFrame) -> str:
    """Return which number of `changes` moves most, over tasks."""
    if table.empty:
        return "Nothing is measured yet"
    means = table.groupby("what", sort=False)["mean"].mean()
    most = means.abs().idxmax()
    return f"Read as released, “{most}” changes most: {100 * means[most]:+.0f} % on average"


def agreement_finding(table: pd.DataFrame) -> str:
    """Return in how many cases of `agreements` both readings rank heads alike."""
    n_alike = int((table["mean"] >= ALIKE).sum())
    return f"Both readings rank heads alike, by {ALIKE} or more, in {n_alike} of {len(table)} cases"


def task_chart(table: pd.DataFrame, title: str, axis: str, number_format: str, neutral: float) -> alt.LayerChart:
    """Draw a number per task, a row for each `what`: a dot per task and a tick for their mean; a menu chooses the run.

    `table` is `changes` or `agreements` of runs side by side, with a column run; where the task is "", there is a tick
    only. `neutral` is the value at which both readings agree: a dashed line.
    """
    table = charts.counted_from_one(table)
    menus, names = charts.menus_of(table, "run"), list(table["what"].unique())
    base = alt.Chart(table, width=charts.WIDTH, height=alt.Step(charts.STEP), title=charts.wrapped(title))
    base = charts.filtered(base, menus)
    row = alt.Y("what:N", title=None, sort=names, axis=alt.Axis(labelLimit=120))
    told = [alt.Tooltip(f"{name}:Q", format=number_format) for name in charts.present(table, "mean", "low", "high")]
    legend = alt.Legend(orient="bottom", columns=4, values=[task for task in table["task"].unique() if task])
    points = base.transform_filter(alt.datum.task != "").mark_point(filled=True, size=45, opacity=0.9)
    points = points.encode(
        x=alt.X("mean:Q", axis=alt.Axis(title=axis, format=number_format, tickCount=5), scale=alt.Scale(zero=False)),
        y=row,
        color=alt.Color("task:N", scale=charts.SCALES["task"], legend=legend),
        tooltip=["what", "task", *told],
    )
    told = alt.Tooltip("average:Q", title="mean over tasks", format=number_format)
    means = base.mark_tick(color="#6e6e6e", thickness=3, size=14).encode(x="average:Q", y=row, tooltip=["what", told])
    means = means.transform_aggregate(average="mean(mean)", groupby=["what"])
    line = alt.Chart(pd.DataFrame({"neutral": [neutral]})).mark_rule(color="#8c8c8c", strokeDash=[2, 2])
    return alt.layer(line.encode(x="neutral:Q"), means, points).add_params(*menus.values())
