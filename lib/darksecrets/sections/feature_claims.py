"""What is said of Section 4.4, and of Section 4.5 on [CLS]: the claims, the differences on which they rest, their
verdicts, and the tables and titles that report them.

A claim is a difference, paired by example, that is positive where the claim is right: it holds where the interval of
the difference is above 0, does not hold where it is below, and cannot be told otherwise. Where a claim is about the
largest of several features, or of several tasks, the closest rival is shown, and the interval is corrected for the
number of comparisons (Bonferroni), since the rival is chosen by its mean. A feature that fewer than ten examples have
is no rival. Everything but `gaps` is computed from a run's saved tables. Explained in the chapters *What heads attend
to: linguistic features* and *What heads attend to: token to token*.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from scipy import stats

from darksecrets import verdicts
from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.corpora.annotation import FEATURES
from darksecrets.errors import InputError
from darksecrets.estimates import format_change, format_estimate
from darksecrets.models.attended import RELEASED_LENGTH
from darksecrets.models.attention import MAX_LENGTH
from darksecrets.models.feature_attention import CLS, FROM_CLS, NORM, SEP, SEP_SUM, WEIGHT
from darksecrets.saved_tables import SavedTables
from darksecrets.sections import features
from darksecrets.sections.features import HEADS, LAYERS, PAPER, PUNCTUATION, SPECIAL, WORDS, FeatureWeights
from darksecrets.statistics import SIGNIFICANT, holm, interval_of_present, over_seeds, p_of_interval
from darksecrets.verdicts import HOLDS, Judgements, every, single, verdict

BEYOND = "not asked"
CLAIMS = {  # and what the paper says
    (CLS_EARLY := "[CLS] is attended to in the early layers"): HOLDS,
    (SEP_LATE := "[SEP] is attended to in the later layers"): HOLDS,
    (STRIPES := "[CLS] or [SEP] gets more attention than any kind of word"): HOLDS,
    (STRIPES_PUNCTUATION := "[CLS] or [SEP] gets more attention than any kind of word, and than punctuation"): BEYOND,
    (SEP_MOST := "[SEP] gets most attention on SST-2, whose inputs have one of them"): HOLDS,
    (SEP_MOST_SUM := "SST-2 still has most where both separators of a pair are added up"): BEYOND,
    (MORE_WORDS := "Fine-tuning increases the attention to nouns and objects on MRPC, RTE and QQP"): HOLDS,
    (MORE_NEGATION := "Fine-tuning increases the attention to negation on QNLI"): HOLDS,
    (NEGLIGIBLE := "These increases are negligible, below 5 % of what special tokens get"): HOLDS,
    (CLS_TO := "[CLS] in the last layer attends most to [SEP], or to punctuation on STS-B, RTE and QNLI"): HOLDS,
    (CLS_FIRST := "[CLS] in the last layer attends to one feature more than to any other"): BEYOND,
    (NO_OP := "Weighted by the norms of the values, special tokens get a smaller share"): BEYOND,
    (NO_OP_WORDS := "Weighted so, a kind of word gets more than [CLS] and [SEP]"): BEYOND,
    (
        SAME_PICTURE := "The released notebook ranks heads as the text does, with a rank correlation of 0.9 or more"
    ): BEYOND,
    (RARE_LOWER := "Counting inputs without one as 0 lowers the weight of pronouns"): BEYOND,
}
OF_ONE_TASK = (SEP_MOST, SEP_MOST_SUM, MORE_NEGATION)
OF_FEATURES = (MORE_WORDS, MORE_NEGATION, NEGLIGIBLE)  # one verdict for each of several features
OF_CLS = (CLS_TO, CLS_FIRST)  # these are of Section 4.5
OF_SENTENCES = (STRIPES, STRIPES_PUNCTUATION, *OF_FEATURES, CLS_TO, NO_OP_WORDS)  # rest on words that the parser found
ON_TASKS = (CLS_EARLY, SEP_LATE, STRIPES, SEP_MOST, SEP_MOST_SUM, NO_OP, NO_OP_WORDS)  # stand in no other table

INCREASES = {  # that the paper names, by feature and task
    **{(feature, task): MORE_WORDS for feature in ("noun", "object") for task in ("MRPC", "RTE", "QQP")},
    ("negation", "QNLI"): MORE_NEGATION,
}
NEGLIGIBLE_SHARE = 0.05
SINGLE = "SST-2"
TO_PUNCTUATION = ("STS-B", "RTE", "QNLI")
TARGETS = (*WORDS, PUNCTUATION, SEP)  # of [CLS]: its attention to itself is no link to another token
FEWEST_EXAMPLES = 10
LEVEL = 0.95
SAME = 0.9  # rank correlation over heads from which two pictures are alike
RARE = ("pronoun",)  # negations are rarer, but the notebook skips inputs in which it finds none

ALL, SURE = "all", "sure"  # sentences kept: every one, or those of which the parser is sure
COMPARED = ["claim", "task", "first", "second"]
INTERVAL = ["mean", "low", "high"]

Row = tuple[object, ...]  # of `gaps`, without `kept`
Cases = Mapping[tuple[str, str], list[FeatureWeights]]  # (task, checkpoint): the weights of each seed


@dataclass(frozen=True)
class FeatureTables(SavedTables):
    """What one run measured, as it is saved.

    `heads` (`features.means` of plain weights, reading paper), `layers` (of every measure, reading paper), `special`
    (`features.special_shares`), `changes` (`features.changes` of plain weights, with `kept`), `gaps` and `readings`.
    """

    PREFIX = "feature"

    heads: pd.DataFrame
    layers: pd.DataFrame
    special: pd.DataFrame
    changes: pd.DataFrame
    gaps: pd.DataFrame
    readings: pd.DataFrame


def feature_tables(weights: Sequence[FeatureWeights]) -> FeatureTables:
    """Compute the tables that the claims and charts rest on, from `features.feature_weights`."""
    paper, plain = [one for one in weights if one.reading == PAPER], features.plain(weights)
    small = dict.fromkeys(INTERVAL, "float32")
    changes = [features.changes(side).assign(kept=kept) for kept, side in _sides(plain).items()]
    return FeatureTables(
        heads=features.means(plain, HEADS).astype(small).drop(columns=["reading", "measure"]),
        layers=features.means(paper, LAYERS).astype(small).drop(columns="reading"),
        special=features.special_shares(paper),
        changes=pd.concat(changes, ignore_index=True).drop(columns=["reading", "measure"]),
        gaps=gaps(paper),
        readings=features.readings(weights),
    )


def gaps(weights: Sequence[FeatureWeights]) -> pd.DataFrame:
    """Measure every difference that the weights allow, one row per claim, task, checkpoint and seed.

    Columns: claim, task, checkpoint, seed, `first` and `second` (what is compared with what), mean, low, high,
    n_examples, `level` of the interval, `kept` (`ALL` sentences, or only the `SURE` ones).
    Raises InputError for a model of one layer.
    """
    if weights[0].n_layers < 2:
        raise InputError("the model has 1 layer; comparing early with late layers takes two or more")
    columns = ["claim", "task", "checkpoint", "seed", "first", "second", *INTERVAL, "n_examples", "level"]
    tables = []
    for kept, side in _sides([one for one in weights if one.reading == PAPER]).items():
        plain, norms, from_cls = (_cases(side, measure) for measure in (WEIGHT, NORM, FROM_CLS))
        found = (_halves(plain), _stripes(plain), _between_tasks(plain), _increases(plain))
        rows = chain(*found, _targets(from_cls), _no_op(plain, norms))
        tables.append(pd.DataFrame(rows, columns=columns).assign(kept=kept))
    table = pd.concat(tables, ignore_index=True)
    return table[table["n_examples"] > 0].reset_index(drop=True)


def expected_target(task: str) -> str:
    """Return what [CLS] attends to most in the last layer of the paper's fine-tuned model (Section 4.5)."""
    return PUNCTUATION if task in TO_PUNCTUATION else SEP


def _sides(weights: Sequence[FeatureWeights]) -> dict[str, list[FeatureWeights]]:
    return {ALL: list(weights), SURE: [one.kept(one.sure) for one in weights]}


def _cases(weights: Sequence[FeatureWeights], measure: str) -> Cases:
    cases: dict[tuple[str, str], list[FeatureWeights]] = {}
    for one in weights:
        if one.measure == measure:
            cases.setdefault((one.task, one.checkpoint), []).append(one)
    return cases


def _halves(plain: Cases) -> Iterator[Row]:
    """Early layers minus late ones for [CLS], late minus early for [SEP]; the middle of an odd number is in neither."""
    for one in chain(*plain.values()):
        half = one.n_layers // 2
        ends = ((1, half), (one.n_layers - half + 1, one.n_layers))
        early, late = (f"layers {first} to {last}" if first < last else f"layer {first}" for first, last in ends)
        for claim, feature, sign, *names in ((CLS_EARLY, CLS, 1, early, late), (SEP_LATE, SEP, -1, late, early)):
            by_layer = one.mean(feature, LAYERS)
            yield _row(claim, one, *names, sign * (by_layer[:, :half].mean(1) - by_layer[:, -half:].mean(1)))


def _stripes(plain: Cases) -> Iterator[Row]:
    for case in plain.values():
        means = [one.mean() for one in case]
        yield from _closest(STRIPES, case, means, (CLS, SEP), WORDS)
        yield from _closest(STRIPES_PUNCTUATION, case, means, (CLS, SEP), (*WORDS, PUNCTUATION))


def _between_tasks(plain: Cases) -> Iterator[Row]:
    """SST-2 minus the task that comes closest, by Welch's interval: the examples are not the same."""
    large = {key: case for key, case in plain.items() if len(case[0].examples) >= FEWEST_EXAMPLES}
    for (task, checkpoint), case in large.items():
        others = [other for (name, side), other in large.items() if side == checkpoint and name != SINGLE]
        for claim, feature in ((SEP_MOST, SEP), (SEP_MOST_SUM, SEP_SUM)) if task == SINGLE and others else ():
            means = [np.mean([one.mean(feature).mean() for one in other]) for other in others]
            level = _corrected_level(len(others))
            for one, other in zip(case, others[np.argmax(means)], strict=True):
                own, its = one.mean(feature), other.mean(feature)
                low, high = stats.ttest_ind(own, its, equal_var=False).confidence_interval(level)
                numbers = (own.mean() - its.mean(), low, high, len(own), level)
                yield claim, task, checkpoint, one.seed, SINGLE, other.task, *numbers


def _increases(plain: Cases) -> Iterator[Row]:
    """What an increase may be at most and still be negligible, minus the increase."""
    for feature, task in INCREASES:
        for before in plain.get((task, BEFORE), [])[:1]:
            for after in plain.get((task, AFTER), []):
                limit = NEGLIGIBLE_SHARE * after.mean(SPECIAL)
                increase = after.mean(feature) - before.mean(feature)
                yield _row(NEGLIGIBLE, after, feature, "5 % of special tokens", limit - increase)


def _targets(from_cls: Cases) -> Iterator[Row]:
    for (task, _), case in from_cls.items():
        last = [one.mean(by=LAYERS)[:, -1] for one in case]
        yield from _closest(CLS_TO, case, last, (expected_target(task),), TARGETS)
        yield from _closest(CLS_FIRST, case, last, TARGETS, TARGETS)


def _no_op(plain: Cases, norms: Cases) -> Iterator[Row]:
    for key, case in norms.items():
        for one, weighted in zip(plain[key], case, strict=True):
            yield _row(NO_OP, one, WEIGHT, NORM, one.mean(SPECIAL) - weighted.mean(SPECIAL))
        yield from _closest(NO_OP_WORDS, case, [one.mean() for one in case], WORDS, (CLS, SEP))


def _closest(
    claim: str, case: list[FeatureWeights], means: list[np.ndarray], leaders: Sequence[str], rivals: Sequence[str]
) -> Iterator[Row]:
    """Compare the leader of largest mean with the rival that comes closest to it, over examples that have both.

    `means` (example, feature) are those of each seed of `case`; the leader and its rival are the same for all seeds.
    """
    column = {name: index for index, name in enumerate(case[0].features)}
    over_examples = np.array([interval_of_present(one) for one in means])  # (seed, 4, feature)
    mean, n = over_examples[:, 0].mean(0), over_examples[:, 3].mean(0)
    leaders = [name for name in leaders if n[column[name]] >= FEWEST_EXAMPLES]
    if not leaders:
        return
    leader = max(leaders, key=lambda name: mean[column[name]])
    ahead = {
        rival: [one[:, column[leader]] - one[:, column[rival]] for one in means] for rival in rivals if rival != leader
    }
    ahead = {rival: seeds for rival, seeds in ahead.items() if (~np.isnan(seeds[0])).sum() >= FEWEST_EXAMPLES}
    if not ahead:
        return
    closest = min(ahead, key=lambda rival: np.mean([np.nanmean(one) for one in ahead[rival]]))
    level = _corrected_level(len(leaders) * len(ahead))
    for one, values in zip(case, ahead[closest], strict=True):
        yield _row(claim, one, leader, closest, values, level)


def _row(claim: str, one: FeatureWeights, first: str, second: str, values: np.ndarray, level: float = LEVEL) -> Row:
    numbers = (number.item() for number in interval_of_present(values, level=level))
    return claim, one.task, one.checkpoint, one.seed, first, second, *numbers, level


def _corrected_level(n_comparisons: int) -> float:
    return 1 - (1 - LEVEL) / n_comparisons


def averaged_changes(run: FeatureTables, kept: str = ALL) -> pd.DataFrame:
    """Average a run's changes over seeds: task, feature, mean, low, high, n_seeds, p, p_corrected.

    The p of several seeds is of a t-test over them; the correction is Holm's over tasks and features.
    """
    changes = run.changes[run.changes["kept"] == kept]
    table = over_seeds(changes, ["task", "feature"])
    p = changes["p"].to_numpy()
    if len(table) < len(changes):
        p = p_of_interval(table["mean"], table["low"], table["high"], table["n_seeds"])
    return table.assign(p=p, p_corrected=holm(p))


def targets(run: FeatureTables) -> pd.DataFrame:
    """Return the attention of [CLS] in the last layer after fine-tuning: task, feature, mean, low, high, n_seeds.

    Largest first within a task; features that fewer than ten examples have are left out, be it all.
    """
    layers = run.layers[(run.layers["measure"] == FROM_CLS) & (run.layers["checkpoint"] == AFTER)]
    last = layers[(layers["layer"] == layers["layer"].max()) & (layers["n_examples"] >= FEWEST_EXAMPLES)]
    found = over_seeds(last, ["task", "feature"])
    order = found.groupby("task", sort=False, observed=True).ngroup()  # tasks keep their order
    found = found.assign(order=order).sort_values(["order", "mean"], ascending=[True, False], ignore_index=True)
    return found.drop(columns="order")


def judged(run: FeatureTables, checkpoint: str = AFTER, kept: str = ALL) -> pd.DataFrame:
    """Judge every claim on every task: claim, task, first, second (what is compared), mean, low, high, verdict.

    Seeds are averaged. `kept` says whether all sentences count or those of which the parser is sure; claims on
    fine-tuning and on readings are of fine-tuned models whatever the `checkpoint`.
    """
    found = run.gaps[(run.gaps["checkpoint"] == checkpoint) & (run.gaps["kept"] == kept)]
    columns = [*COMPARED, *INTERVAL]
    tables = [over_seeds(group, COMPARED, level=level)[columns] for level, group in found.groupby("level", sort=False)]
    table = pd.concat([*tables, *_compared_readings(run.readings)], ignore_index=True)
    table["verdict"] = [verdict(*bounds) for bounds in zip(table["low"], table["high"], strict=True)]
    increases = pd.DataFrame(_judged_increases(averaged_changes(run, kept)), columns=table.columns)
    table = pd.concat([table, increases], ignore_index=True)
    order = table["claim"].map(list(CLAIMS).index)
    return table.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def _judged_increases(changes: pd.DataFrame) -> Iterator[dict[str, object]]:
    """An increase holds where its corrected p is significant; it does not hold where a decrease's is."""
    changes = changes.set_index(["feature", "task"])
    for (feature, task), claim in INCREASES.items():
        if (feature, task) in changes.index:
            row = changes.loc[feature, task]
            decided = HOLDS if row["mean"] > 0 else "does not hold"
            answer = decided if row["p_corrected"] < SIGNIFICANT else "cannot tell"
            compared = {"claim": claim, "task": task, "first": feature, "second": "before fine-tuning"}
            yield {**compared, **row[INTERVAL], "verdict": answer}


def _compared_readings(readings: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Correlation of heads above `SAME`, for what is found by words; and by how much rare features are lowered."""
    key = ["task", "feature"]
    found = readings[(readings["checkpoint"] == AFTER) & readings["feature"].isin(FEATURES)]
    is_unknown = found["correlation"].isna().groupby([found[name] for name in key]).transform("any")
    sides = zip(INTERVAL, ("correlation", "correlation_low", "correlation_high"), strict=True)
    above = found[~is_unknown].assign(**{side: found[name] - SAME for side, name in sides})
    rare = found[found["feature"].isin(RARE)]
    lower = rare.assign(mean=-rare["mean"], low=-rare["high"], high=-rare["low"])
    for claim, table, second in ((SAME_PICTURE, above, f"correlation {SAME}"), (RARE_LOWER, lower, "released")):
        table = over_seeds(table, key).rename(columns={"feature": "first"})
        yield table.assign(claim=claim, second=second)[[*COMPARED, *INTERVAL]]


def judge(run: FeatureTables) -> Judgements:
    """Judge every claim that the run asks, over tasks (and features, where a claim names several).

    A claim on one task has its difference, in points, for evidence.
    """
    found = {}
    for claim, rows in judged(run).groupby("claim", sort=False):
        found[claim] = every(rows["verdict"], "tasks and kinds of words" if claim in OF_FEATURES else "tasks")
        if claim in OF_ONE_TASK:
            row = rows.iloc[0]
            found[claim] = single(
                row["verdict"], f"{format_change(row, 1)} points", f"by {format_estimate(row)} points"
            )
    return found


def claims_table(this_run: FeatureTables, reference: FeatureTables | None = None) -> pd.DataFrame:
    """Sum the sections up: claim, paper ("not asked" for what it does not say), reference run, this run."""
    return verdicts.claims_table(CLAIMS, judge(this_run), judge(reference) if reference else None)


def by_task(run: FeatureTables, checkpoint: str = AFTER, claims: Sequence[str] = ON_TASKS) -> pd.DataFrame:
    """Format `judged` for some claims: claim, task, compared, difference (per cent of attention), verdict.

    A claim is named in its first row only.
    """
    table = judged(run, checkpoint)
    table = table[table["claim"].isin(claims)].reset_index(drop=True)
    compared, difference = table["first"] + " with " + table["second"], table.apply(format_estimate, axis=1)
    table = table.assign(claim=table["claim"].mask(table["claim"].duplicated(), ""), compared=compared)
    return table.assign(difference=difference)[["claim", "task", "compared", "difference", "verdict"]]


def increase_table(this_run: FeatureTables, reference: FeatureTables | None = None) -> pd.DataFrame:
    """Format the increases that the paper reports: feature, task, paper, reference run, this run (in per cent of
    attention, after minus before fine-tuning), and whether this run has an increase, and a negligible one.
    """
    mine, theirs = (
        averaged_changes(run).set_index(["feature", "task"]).apply(format_change, axis=1) if run else {}
        for run in (this_run, reference)
    )
    answers = judged(this_run).set_index(["claim", "first", "task"])["verdict"]
    rows = [
        (*case, "a small increase", theirs.get(case), mine[case], answers[claim, *case], answers[NEGLIGIBLE, *case])
        for case, claim in INCREASES.items()
        if case in mine
    ]
    columns = ["feature", "task", "paper", "reference run", "this run", "an increase?", "negligible?"]
    return pd.DataFrame(rows, columns=columns).astype(object)


def target_table(this_run: FeatureTables, reference: FeatureTables | None = None) -> pd.DataFrame:
    """Format what [CLS] attends to in the last layer after fine-tuning: task, and for the paper, the reference run and
    this run what gets most of its attention (per cent), then this run's runner-up and the attention to [CLS] itself.
    """
    mine, theirs = targets(this_run), targets(reference) if reference else pd.DataFrame(columns=["task", "feature"])
    rows = []
    for task in mine["task"].unique():
        first, second, *_ = _target_texts(mine, task)
        itself = mine[(mine["task"] == task) & (mine["feature"] == CLS)].iloc[0]
        rows.append(
            (task, expected_target(task), _target_texts(theirs, task)[0], first, second, format_estimate(itself))
        )
    columns = ["task", "paper", "reference run", "this run", "runner-up", "[CLS] to itself"]
    return pd.DataFrame(rows, columns=columns).astype(object)


def _target_texts(table: pd.DataFrame, task: str) -> list[str | None]:
    rows = table[(table["task"] == task) & table["feature"].isin(TARGETS)]
    return [*(f"{row['feature']} {format_estimate(row)}" for _, row in rows.iterrows()), None, None]


def sure_table(run: FeatureTables) -> pd.DataFrame:
    """Compare verdicts on all sentences with those on sentences of which the parser is sure, where these are enough.

    Columns claim, task, feature (where a claim names several), all, sure (the verdicts, each with its difference),
    is_same.
    """
    key, sides = ["claim", "task", "feature"], []
    for kept in (ALL, SURE):
        table = judged(run, kept=kept)
        table = table[table["claim"].isin(OF_SENTENCES)]
        feature = table["first"].where(table["claim"].isin(OF_FEATURES), "")
        text = table["verdict"] + " (" + table.apply(format_estimate, axis=1) + ")"
        sides.append(table.assign(feature=feature, **{kept: text})[[*key, "verdict", kept]])
    table = sides[0].merge(sides[1], on=key)
    return table.assign(is_same=table["verdict_x"] == table["verdict_y"])[[*key, ALL, SURE, "is_same"]]


def sure_summary(run: FeatureTables) -> pd.DataFrame:
    """Format `sure_table`: claim, compared (verdicts), the same, and where it changes, how."""
    rows = []
    for claim, found in sure_table(run).groupby("claim", sort=False):
        changed = [
            f"{row.task} {row.feature}".strip() + f": {row.all}, then {row.sure}"
            for row in found[~found["is_same"]].itertuples()
        ]
        rows.append((claim, len(found), int(found["is_same"].sum()), "; ".join(changed) or None))
    return pd.DataFrame(rows, columns=["claim", "compared", "the same", "changed"]).astype(object)


def lengths_table(lengths: pd.DataFrame) -> pd.DataFrame:
    """Name the columns of `attended.input_lengths` for reading: inputs, and how many are longer than what is read here
    and than what the released notebook reads.
    """
    here, released = (f"longer than {most} tokens" for most in (MAX_LENGTH, RELEASED_LENGTH))
    return lengths.rename(columns={"n_examples": "inputs", "n_longer": here, "n_longer_than_released": released})


# Findings: what charts' titles and the prose say


def layer_finding(run: FeatureTables) -> str:
    """Return in which layers, over all tasks, [CLS] and [SEP] get most after fine-tuning."""
    chosen = run.layers[(run.layers["measure"] == WEIGHT) & (run.layers["checkpoint"] == AFTER)]
    peak = chosen.groupby(["feature", "layer"])["mean"].mean().unstack("layer").idxmax(axis=1) + 1
    return f"[CLS] gets most attention in layer {peak[CLS]}, [SEP] in layer {peak[SEP]}"


def stripe_finding(run: FeatureTables) -> str:
    """Return on how many tasks special tokens get more attention than any kind of word."""
    return f"{STRIPES} on {_held(run, STRIPES)} tasks"


def increase_finding(run: FeatureTables) -> str:
    """Return how many of the weights that the paper names fine-tuning raises in this run."""
    held = _held(run, MORE_WORDS, MORE_NEGATION)
    if held.endswith("of 0"):
        return "On these tasks the paper names no increase by fine-tuning"
    return f"Fine-tuning raises {held} weights that the paper says it raises"


def target_finding(run: FeatureTables) -> str:
    """Return on how many tasks [CLS] attends most to [SEP] in the last layer."""
    found = targets(run)
    first = found[found["feature"].isin(TARGETS)].groupby("task", sort=False)["feature"].first()
    return f"In the last layer [CLS] attends most to [SEP] on {(first == SEP).sum()} of {len(first)} tasks"


def norm_finding(run: FeatureTables) -> str:
    """Return what share special tokens have of plain and of norm-weighted attention, over all tasks."""
    share = 100 * run.special[run.special["checkpoint"] == AFTER].groupby("measure")["mean"].mean()
    norm = f", {share[NORM]:.0f} % weighted by norms" if NORM in share else ""
    return f"Special tokens get {share[WEIGHT]:.0f} % of the attention{norm}"


def reading_finding(run: FeatureTables) -> str:
    """Return which kind of word the released notebook changes most, and by how much, over all tasks."""
    tuned = run.readings[(run.readings["checkpoint"] == AFTER) & run.readings["feature"].isin(WORDS)]
    means = tuned.groupby("feature")[["paper", "released"]].mean()
    change = 100 * (means["released"] / means["paper"] - 1)
    most = change.abs().idxmax()
    direction = "lower" if change[most] < 0 else "higher"
    return f"The released notebook puts the weight of {most} {abs(change[most]):.0f} % {direction}"


def sure_finding(run: FeatureTables) -> str:
    """Return how many verdicts change where only sentences count of which the parser is sure."""
    is_same = sure_table(run)["is_same"]
    return f"{(~is_same).sum()} of {len(is_same)} verdicts change where only sure sentences count"


def _held(run: FeatureTables, *claims: str) -> str:
    table = judged(run)
    answers = table.loc[table["claim"].isin(claims), "verdict"]
    return f"{(answers == HOLDS).sum()} of {len(answers)}"
