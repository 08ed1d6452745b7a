"""Section 4.4, and Section 4.5 on [CLS], summed up: which statements hold, in the reference run and in this one.

Every verdict is computed from a run's tables: a claim holds where the interval of its difference (`feature_gaps`) is
above 0, does not hold where it is below, and cannot be told otherwise. Explained in the chapters *What heads attend to:
linguistic features* and *What heads attend to: token to token*.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.corpora.annotation import FEATURES
from darksecrets.estimates import format_estimate
from darksecrets.saved import SavedTables
from darksecrets.sections import feature_gaps, feature_summaries
from darksecrets.sections.feature_gaps import ALL, INCREASES, SURE
from darksecrets.sections.feature_summaries import PAPER, Block
from darksecrets.statistics import SIGNIFICANT, holm, over_seeds, p_of_interval
from darksecrets.verdicts import counted, verdict

MORE_WORDS = "Fine-tuning increases the attention to nouns and objects on MRPC, RTE and QQP"
MORE_NEGATION = "Fine-tuning increases the attention to negation on QNLI"
SAME_PICTURE = "The released notebook ranks heads as the text does, with a rank correlation of 0.9 or more"
RARE_LOWER = "Counting inputs without one as 0 lowers the weight of pronouns"
SAME = 0.9  # rank correlation over heads from which two pictures are alike
RARE = ("pronoun",)  # negations are rarer, but the notebook skips inputs in which it finds none

HOLDS, BEYOND = "holds", "not asked"  # what the paper says
CLAIMS = {
    feature_gaps.CLS_EARLY: HOLDS,
    feature_gaps.SEP_LATE: HOLDS,
    feature_gaps.STRIPES: HOLDS,
    feature_gaps.STRIPES_PUNCTUATION: BEYOND,
    feature_gaps.SEP_MOST: HOLDS,
    feature_gaps.SEP_MOST_SUM: BEYOND,
    MORE_WORDS: HOLDS,
    MORE_NEGATION: HOLDS,
    feature_gaps.NEGLIGIBLE: HOLDS,
    feature_gaps.CLS_TO: HOLDS,
    feature_gaps.CLS_FIRST: BEYOND,
    feature_gaps.NO_OP: BEYOND,
    feature_gaps.NO_OP_WORDS: BEYOND,
    SAME_PICTURE: BEYOND,
    RARE_LOWER: BEYOND,
}
OF_ONE_TASK = (feature_gaps.SEP_MOST, feature_gaps.SEP_MOST_SUM, MORE_NEGATION)
OF_FEATURES = (MORE_WORDS, MORE_NEGATION, feature_gaps.NEGLIGIBLE)  # one verdict for each of several features
OF_CLS = (feature_gaps.CLS_TO, feature_gaps.CLS_FIRST)  # these are of Section 4.5
OF_SENTENCES = (  # what depends on the words that the parser found
    feature_gaps.STRIPES,
    feature_gaps.STRIPES_PUNCTUATION,
    *OF_FEATURES,
    feature_gaps.CLS_TO,
    feature_gaps.NO_OP_WORDS,
)
JUDGED = ["claim", "task", "first", "second", "mean", "low", "high"]


@dataclass(frozen=True)
class Measured(SavedTables):
    """What one run measured, in tables of `feature_summaries` and `feature_gaps`.

    `heads` (plain weights, reading paper), `layers` (every measure, reading paper), `special` (the share that special
    tokens get, by layer), `changes` (plain weights overall, with `kept`), `gaps` and `readings`.
    """

    PREFIX = "feature"

    heads: pd.DataFrame
    layers: pd.DataFrame
    special: pd.DataFrame
    changes: pd.DataFrame
    gaps: pd.DataFrame
    readings: pd.DataFrame


def measured(blocks: Sequence[Block]) -> Measured:
    """Compute the tables that the claims and charts rest on, from `feature_summaries.by_example`."""
    paper = [one for one in blocks if one.reading == PAPER]
    plain = feature_summaries.plain(blocks)
    sides = {ALL: plain, SURE: [one.kept(one.sure) for one in plain]}
    changes = [feature_summaries.changes(side).assign(kept=kept) for kept, side in sides.items()]
    return Measured(
        heads=_small(feature_summaries.by_head(plain)).drop(columns=["reading", "measure"]),
        layers=_small(feature_summaries.by_layer(paper)).drop(columns="reading"),
        special=feature_summaries.special_shares(paper),
        changes=pd.concat(changes, ignore_index=True).drop(columns=["reading", "measure"]),
        gaps=feature_gaps.gaps(paper),
        readings=feature_summaries.readings(blocks),
    )


def judged(run: Measured, checkpoint: str = AFTER, kept: str = ALL) -> pd.DataFrame:
    """Judge every claim on every task: claim, task, first, second (what is compared), mean, low, high, verdict.

    Seeds are averaged. `kept` says whether all sentences count or those of which the parser is sure; claims on
    fine-tuning and on readings are of fine-tuned models whatever the `checkpoint`.
    """
    found = run.gaps[(run.gaps["checkpoint"] == checkpoint) & (run.gaps["kept"] == kept)]
    tables = [over_seeds(group, JUDGED[:4], level=level)[JUDGED] for level, group in found.groupby("level", sort=False)]
    table = pd.concat([*tables, _of_readings(run.readings)], ignore_index=True)
    table["verdict"] = [verdict(*bounds) for bounds in zip(table["low"], table["high"], strict=True)]
    table = pd.concat([table, _of_changes(run.changes[run.changes["kept"] == kept])], ignore_index=True)
    order = table["claim"].map(list(CLAIMS).index)
    return table.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def averaged_changes(changes: pd.DataFrame) -> pd.DataFrame:
    """Average `changes` of one kind over seeds: task, feature, mean, low, high, n_seeds, p, p_corrected.

    The p of several seeds is of a t-test over them; the correction is Holm's over tasks and features.
    """
    table = over_seeds(changes, ["task", "feature"])
    p = changes["p"].to_numpy()
    if len(table) < len(changes):
        p = p_of_interval(table["mean"], table["low"], table["high"], table["n_seeds"])
    return table.assign(p=p, p_corrected=holm(p))


def all_changes(run: Measured) -> pd.DataFrame:
    """Return `averaged_changes` of a run, over all sentences."""
    return averaged_changes(run.changes[run.changes["kept"] == ALL])


def claims_table(this_run: Measured, reference: Measured | None = None) -> pd.DataFrame:
    """Sum the sections up: claim, paper ("not asked" for what it does not say), reference run, this run.

    A cell counts the tasks (and features, where a claim names several) on which the claim holds, does not hold, or is
    undecided; for a claim on one task it gives the verdict and the difference in points.
    """
    mine, middle = (_cells(run) if run else {} for run in (this_run, reference))
    rows = [
        (claim, paper, middle.get(claim), mine.get(claim))
        for claim, paper in CLAIMS.items()
        if claim in mine or claim in middle
    ]
    return pd.DataFrame(rows, columns=["claim", "paper", "reference run", "this run"]).astype(object)


def sure_table(run: Measured) -> pd.DataFrame:
    """Compare verdicts on all sentences with those on sentences of which the parser is sure.

    Columns claim, task, feature (where a claim names several), all sentences, sure sentences, same: "yes", "no", or
    None where too few sentences are sure.
    """
    key = ["claim", "task", "feature"]
    every, sure = (_of_sentences(run, kept) for kept in (ALL, SURE))
    table = every.merge(sure, on=key, how="left", suffixes=(" all", " sure"))
    same = (table["verdict all"] == table["verdict sure"]).map({True: "yes", False: "no"})
    table = table.assign(same=same.where(table["verdict sure"].notna(), None))
    table = table.rename(columns={"text all": "all sentences", "text sure": "sure sentences"})
    table = table[[*key, "all sentences", "sure sentences", "same"]].astype(object)
    return table.where(table.notna(), None)


def _of_changes(changes: pd.DataFrame) -> pd.DataFrame:
    """An increase holds where its corrected p is significant; it does not hold where a decrease's is."""
    found = averaged_changes(changes).set_index(["task", "feature"])
    rows = []
    for feature, tasks in INCREASES.items():
        for task in tasks:
            if (task, feature) in found.index:
                row = found.loc[(task, feature)]
                decided = HOLDS if row["mean"] > 0 else "does not hold"
                judgement = decided if row["p_corrected"] < SIGNIFICANT else "cannot tell"
                claim = MORE_NEGATION if feature == "negation" else MORE_WORDS
                numbers = row[["mean", "low", "high"]]
                rows.append((claim, task, feature, "before fine-tuning", *numbers, judgement))
    return pd.DataFrame(rows, columns=[*JUDGED, "verdict"])


def _of_readings(readings: pd.DataFrame) -> pd.DataFrame:
    """Correlation of heads above `SAME`, for what is found by words; and by how much rare features are lowered."""
    found = readings[(readings["checkpoint"] == AFTER) & readings["feature"].isin(FEATURES)]
    rare = found[found["feature"].isin(RARE)]
    lower = over_seeds(rare.assign(mean=-rare["mean"], low=-rare["high"], high=-rare["low"]), ["task", "feature"])
    known = found[~found["correlation"].isna().groupby([found["task"], found["feature"]]).transform("any")]
    sides = {"mean": "correlation", "low": "correlation_low", "high": "correlation_high"}
    above = known.assign(**{side: known[name] - SAME for side, name in sides.items()})
    above = over_seeds(above, ["task", "feature"])
    tables = [
        table.assign(claim=claim, first=table["feature"], second=second)[JUDGED]
        for claim, table, second in ((SAME_PICTURE, above, f"correlation {SAME}"), (RARE_LOWER, lower, "released"))
    ]
    return pd.concat(tables, ignore_index=True)


def _of_sentences(run: Measured, kept: str) -> pd.DataFrame:
    table = judged(run, kept=kept)
    table = table[table["claim"].isin(OF_SENTENCES)]
    feature = table["first"].where(table["claim"].isin(OF_FEATURES), "")
    text = table["verdict"] + " (" + table.apply(format_estimate, axis=1) + ")"
    return table.assign(feature=feature, text=text)[["claim", "task", "feature", "verdict", "text"]]


def _cells(run: Measured) -> dict[str, str]:
    cells = {}
    for claim, rows in judged(run).groupby("claim", sort=False):
        row = rows.iloc[0]
        alone = f"{row['verdict']} (by {format_estimate(row)} points)"
        cells[claim] = alone if claim in OF_ONE_TASK else counted(rows["verdict"])
    return cells


def _small(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(dict.fromkeys(("mean", "low", "high"), "float32"))
