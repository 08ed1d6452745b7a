"""Section 4.4, and Section 4.5 on [CLS], for reading: tables of the three runs, and what charts' titles say.

Everything is computed from `feature_claims.Measured`; layers are counted from 1 here, as in figures.
"""

from collections.abc import Sequence

import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.estimates import format_change, format_estimate
from darksecrets.models.attended import RELEASED_LENGTH
from darksecrets.models.attention import MAX_LENGTH
from darksecrets.models.feature_attention import CLS, FROM_CLS, NORM, SEP, WEIGHT
from darksecrets.sections import feature_claims, feature_gaps
from darksecrets.sections.feature_claims import MORE_NEGATION, MORE_WORDS, Measured, all_changes, judged
from darksecrets.sections.feature_gaps import FEWEST_EXAMPLES, INCREASES, TARGETS, expected_target
from darksecrets.sections.feature_summaries import WORDS
from darksecrets.statistics import over_seeds

# Claims whose numbers stand in no other table.
ON_TASKS = (
    feature_gaps.CLS_EARLY,
    feature_gaps.SEP_LATE,
    feature_gaps.STRIPES,
    feature_gaps.SEP_MOST,
    feature_gaps.SEP_MOST_SUM,
    feature_gaps.NO_OP,
    feature_gaps.NO_OP_WORDS,
)


def by_task(run: Measured, checkpoint: str = AFTER, claims: Sequence[str] = ON_TASKS) -> pd.DataFrame:
    """Lay `feature_claims.judged` out for some claims: claim, task, compared, difference (per cent of attention),
    verdict. A claim is named in its first row only.
    """
    table = judged(run, checkpoint)
    table = table[table["claim"].isin(claims)]
    return pd.DataFrame(
        {
            "claim": table["claim"].where(~table["claim"].duplicated(), ""),
            "task": table["task"],
            "compared": table["first"] + " with " + table["second"],
            "difference": table.apply(format_estimate, axis=1),
            "verdict": table["verdict"],
        }
    ).reset_index(drop=True)


def increase_table(this_run: Measured, reference: Measured | None = None) -> pd.DataFrame:
    """Lay the increases out that the paper reports: feature, task, paper, reference run, this run (in per cent of
    attention, after minus before fine-tuning), and whether this run has an increase, and a negligible one.
    """
    mine, middle = (_increases(run) if run else {} for run in (this_run, reference))
    verdicts = judged(this_run).set_index(["claim", "first", "task"])["verdict"]
    rows = []
    for feature, tasks in INCREASES.items():
        for task in tasks:
            key = (feature, task)
            if key in mine:
                increased = verdicts[MORE_NEGATION if feature == "negation" else MORE_WORDS, *key]
                negligible = verdicts[feature_gaps.NEGLIGIBLE, *key]
                rows.append((*key, "a small increase", middle.get(key), mine[key], increased, negligible))
    columns = ["feature", "task", "paper", "reference run", "this run", "an increase?", "negligible?"]
    return pd.DataFrame(rows, columns=columns).astype(object)


def target_table(this_run: Measured, reference: Measured | None = None) -> pd.DataFrame:
    """Lay out what [CLS] attends to in the last layer after fine-tuning: task, and for the paper, the reference run and
    this run what gets most of its attention (per cent), then this run's runner-up and the attention to [CLS] itself.
    """
    mine, middle = (targets(run) if run else None for run in (this_run, reference))
    rows = []
    for task, found in mine.groupby("task", sort=False):
        others = found[found["feature"].isin(TARGETS)]
        texts = [_target(others.iloc[place]) if place < len(others) else None for place in (0, 1)]
        itself = found[found["feature"] == CLS].apply(format_estimate, axis=1).iloc[0]
        theirs = middle[(middle["task"] == task) & middle["feature"].isin(TARGETS)] if middle is not None else []
        rows.append((task, expected_target(task), _target(theirs.iloc[0]) if len(theirs) else None, *texts, itself))
    columns = ["task", "paper", "reference run", "this run", "runner-up", "[CLS] to itself"]
    return pd.DataFrame(rows, columns=columns).astype(object)


def targets(run: Measured) -> pd.DataFrame:
    """Return the attention of [CLS] in the last layer after fine-tuning: task, feature, mean, low, high, n_seeds.

    Largest first within a task; features that fewer than ten examples have are left out, be it all.
    """
    layers = run.layers[(run.layers["measure"] == FROM_CLS) & (run.layers["checkpoint"] == AFTER)]
    last = layers[(layers["layer"] == layers["layer"].max()) & (layers["n_examples"] >= FEWEST_EXAMPLES)]
    found = over_seeds(last, ["task", "feature"])
    places = found.groupby("task", sort=False, observed=True).ngroup()  # tasks keep their order
    sorted_ = found.assign(place=places).sort_values(["place", "mean"], ascending=[True, False], ignore_index=True)
    return sorted_.drop(columns="place")


def readings_table(this_run: Measured, checkpoint: str = AFTER) -> pd.DataFrame:
    """Lay the two readings out: task, feature, paper, released and released minus paper (per cent of attention), and
    the rank correlation over heads; seeds are averaged.
    """
    found = this_run.readings[this_run.readings["checkpoint"] == checkpoint]
    key = ["task", "feature"]
    means = found.groupby(key, sort=False)[["paper", "released", "correlation"]].mean().reset_index()
    table = means.merge(over_seeds(found, key), on=key)
    return pd.DataFrame(
        {
            **{name: table[name] for name in key},
            **{name: (100 * table[name]).map("{:.1f}".format) for name in ("paper", "released")},
            "difference": table.apply(format_estimate, axis=1),
            "rank correlation": table["correlation"].map("{:.2f}".format, na_action="ignore"),
        }
    )


def lengths_table(lengths: pd.DataFrame) -> pd.DataFrame:
    """Lay `attended.input_lengths` of one or both runs (`side_by_side`) out: run, task, inputs, and how many are longer
    than what is read here and than what the released notebook reads.
    """
    here, released = (f"longer than {most} tokens" for most in (MAX_LENGTH, RELEASED_LENGTH))
    return lengths.rename(columns={"n_examples": "inputs", "n_longer": here, "n_longer_than_released": released})


def layer_finding(run: Measured) -> str:
    """Say in a chart's title in which layers, over all tasks, [CLS] and [SEP] get most after fine-tuning."""
    chosen = run.layers[(run.layers["measure"] == WEIGHT) & (run.layers["checkpoint"] == AFTER)]
    peak = chosen.groupby(["feature", "layer"])["mean"].mean().unstack("layer").idxmax(axis=1) + 1
    return f"[CLS] gets most attention in layer {peak[CLS]}, [SEP] in layer {peak[SEP]}"


def stripe_finding(run: Measured) -> str:
    """Say in a chart's title on how many tasks special tokens get more attention than any kind of word."""
    return f"{feature_gaps.STRIPES} on {_held(run, feature_gaps.STRIPES)} tasks"


def increase_finding(run: Measured) -> str:
    """Say in a chart's title how many of the weights that the paper names fine-tuning raises in this run."""
    held = _held(run, MORE_WORDS, MORE_NEGATION)
    if held.endswith("of 0"):
        return "On these tasks the paper names no increase by fine-tuning"
    return f"Fine-tuning raises {held} weights that the paper says it raises"


def target_finding(run: Measured) -> str:
    """Say in a chart's title on how many tasks [CLS] attends most to [SEP] in the last layer."""
    found = targets(run)
    first = found[found["feature"].isin(TARGETS)].groupby("task", sort=False)["feature"].first()
    return f"In the last layer [CLS] attends most to [SEP] on {(first == SEP).sum()} of {len(first)} tasks"


def norm_finding(run: Measured) -> str:
    """Say in a chart's title what share special tokens have of plain and of norm-weighted attention, over all tasks."""
    tuned = run.special[run.special["checkpoint"] == AFTER]
    share = tuned.groupby("measure")["mean"].mean()
    norm = f", {100 * share[NORM]:.0f} % weighted by norms" if NORM in share else ""
    return f"Special tokens get {100 * share[WEIGHT]:.0f} % of the attention{norm}"


def reading_finding(run: Measured) -> str:
    """Say in a chart's title which kind of word the released notebook changes most, and by how much, over all tasks."""
    tuned = run.readings[(run.readings["checkpoint"] == AFTER) & run.readings["feature"].isin(WORDS)]
    means = tuned.groupby("feature")[["paper", "released"]].mean()
    change = means["released"] / means["paper"] - 1
    most = change.abs().idxmax()
    return f"The released notebook puts the weight of {most} {100 * abs(change[most]):.0f} % {_direction(change[most])}"


def sure_finding(run: Measured) -> str:
    """Say how many verdicts change where only sentences count of which the parser is sure."""
    same = feature_claims.sure_table(run)["same"].dropna()
    return f"{(same == 'no').sum()} of {len(same)} verdicts change where only sure sentences count"


def sure_summary(run: Measured) -> pd.DataFrame:
    """Lay `feature_claims.sure_table` out: claim, compared (verdicts), the same, and where it changes, how.

    Verdicts that too few sure sentences leave out are not compared.
    """
    table = feature_claims.sure_table(run).dropna(subset="same")
    rows = []
    for claim, found in table.groupby("claim", sort=False):
        changed = [
            f"{' '.join(filter(None, (task, feature)))}: {every}, then {sure}"
            for _, task, feature, every, sure, same in found.itertuples(index=False, name=None)
            if same == "no"
        ]
        rows.append((claim, len(found), int((found["same"] == "yes").sum()), "; ".join(changed) or None))
    return pd.DataFrame(rows, columns=["claim", "compared", "the same", "changed"]).astype(object)


def _increases(run: Measured) -> dict[tuple[str, str], str]:
    found = all_changes(run)
    return {(row["feature"], row["task"]): format_change(row) for _, row in found.iterrows()}


def _target(row: pd.Series) -> str:
    return f"{row['feature']} {format_estimate(row)}"


def _held(run: Measured, *claims: str) -> str:
    table = judged(run)
    verdicts = table.loc[table["claim"].isin(claims), "verdict"]
    return f"{(verdicts == 'holds').sum()} of {len(verdicts)}"


def _direction(change: float) -> str:
    return "lower" if change < 0 else "higher"
