"""Section 5: what the experiments say together. Heads that one of them points at are looked up in the others.

A head matters for a task if disabling it lowers the score. All changes are of attention made uniform, as in the paper,
and fractions; `cost` is the loss, positive where the head matters. Explained in the chapter *What remains of the
claims*.
"""

import numpy as np
import pandas as pd
from scipy import stats

from darksecrets.corpora.annotated_maps import AFTER, PATTERNS
from darksecrets.heads import HEAD
from darksecrets.models.disabling import only_uniform
from darksecrets.sections.disabling import CHANGE, DisablingTables
from darksecrets.sections.disabling_report import ALLOWED_LOSS
from darksecrets.sections.pattern_claims import HETEROGENEOUS, VERTICAL
from darksecrets.sections.repeated_words import COMPARED_TASKS, RepeatedTables
from darksecrets.statistics import SIGNIFICANT, holm, interval_of_mean, over_seeds, rank_correlation
from darksecrets.verdicts import VERDICTS, joined, verdict

N_RELIED_ON = 2  # heads that the paper names for both tasks
N_DRAWS = 4000
COST = ["cost", "low", "high"]


def matters(run: DisablingTables, heads: pd.DataFrame) -> pd.DataFrame:
    """Look chosen heads (layer, head) up in the sweep: one row per task, seed and head: mean, low, high, p_corrected.

    The verdict `matters` is "does not hold" where the interval excludes a loss of more than a point, however certain a
    smaller one is; else "holds" where a loss is significant, its p corrected over the chosen heads and the tasks of a
    seed (Holm).
    """
    table = only_uniform(run.heads).merge(heads[HEAD].drop_duplicates(), on=HEAD, validate="many_to_one")
    table = table[["task", "seed", *HEAD, *CHANGE, "p"]].reset_index(drop=True)
    table["p_corrected"] = table.groupby("seed")["p"].transform(holm)
    loses = (table["mean"] < 0) & (table["p_corrected"] < SIGNIFICANT)
    safe = table["low"] >= -ALLOWED_LOSS
    holds, fails, undecided = VERDICTS
    return table.assign(matters=np.select([safe, loses], [fails, holds], undecided))


def costs(run: DisablingTables) -> pd.DataFrame:
    """Average what each head costs over seeds: task, layer, head, cost, and `error`, the standard error on examples.

    The error of a seed is read off its interval, as of a normal distribution; seeds share the examples, so errors are
    averaged, which is on the safe side.
    """
    heads = only_uniform(run.heads)
    error = (heads["high"] - heads["low"]) / 2 / stats.norm.ppf(0.975)
    heads = heads.assign(cost=-heads["mean"], error=error)
    return heads.groupby(["task", *HEAD], sort=False)[["cost", "error"]].mean().reset_index()


def relied_on(run: DisablingTables, tasks: tuple[str, ...] = COMPARED_TASKS) -> pd.DataFrame:
    """Return the two heads that each task relies on most: task, layer, head, cost, from the costliest on."""
    table = costs(run)
    table = table[table["task"].isin(tasks)].sort_values("cost", ascending=False, kind="stable")
    return table.groupby("task", sort=False).head(N_RELIED_ON).sort_values("task", kind="stable", ignore_index=True)


def share_same(run: DisablingTables, tasks: tuple[str, ...] = COMPARED_TASKS, seed: int = 0) -> float:
    """Return how often two tasks rely on the same two heads, if each head's cost is drawn anew within its error.

    NaN where the run lacks one of the tasks.
    """
    random, table, chosen = np.random.default_rng(seed), costs(run), []
    for task in tasks:
        of_task = table[table["task"] == task].sort_values(HEAD)
        if of_task.empty:
            return float("nan")
        drawn = of_task["cost"].to_numpy() + random.normal(size=(N_DRAWS, len(of_task))) * of_task["error"].to_numpy()
        chosen.append(np.sort(np.argsort(-drawn, axis=1)[:, :N_RELIED_ON], axis=1))
    return float((chosen[0] == chosen[1]).all(1).mean())


def same_ranking(run: DisablingTables, tasks: tuple[str, ...] = COMPARED_TASKS) -> tuple[float, float, float]:
    """Correlate the costs of all heads between two tasks: Spearman's (mean, low, high), by bootstrap over heads."""
    table = costs(run).pivot(index=HEAD, columns="task", values="cost")
    if not set(tasks) <= set(table):
        return (float("nan"),) * 3
    return rank_correlation(*(table[task].to_numpy() for task in tasks))


def to_repeats(run: DisablingTables, repeated: RepeatedTables) -> pd.DataFrame:
    """Join what heads cost with their attention to repeated words: one row per task and head, after fine-tuning.

    `cost`; `repeated`, `others`, and `mean`, `low`, `high` of their difference, averaged over seeds.
    """
    after, key = tuned(repeated), ["task", *HEAD]
    weights = after.groupby(key, sort=False)[["repeated", "others"]].mean().reset_index()
    weights = weights.merge(over_seeds(after, key).drop(columns="n_seeds"), on=key, validate="one_to_one")
    return costs(run).merge(weights, on=key, validate="one_to_one")


def tuned(repeated: RepeatedTables) -> pd.DataFrame:
    """Return what fine-tuned models give to repeated words, with the tasks as text."""
    return repeated.heads[repeated.heads["checkpoint"] == AFTER].astype({"task": object})


def repeats_and_costs(joined_heads: pd.DataFrame) -> pd.DataFrame:
    """Correlate attention to repeats beyond others with the cost, over heads (`to_repeats`): task, mean, low, high."""
    rows = [
        (task, *rank_correlation(group["mean"], group["cost"]))
        for task, group in joined_heads.groupby("task", sort=False)
    ]
    return pd.DataFrame(rows, columns=["task", *CHANGE])


def by_pattern(run: DisablingTables, patterns: pd.DataFrame) -> pd.DataFrame:
    """Average what heads cost by their main pattern (`pattern_shares.by_head`), after fine-tuning.

    One row per task, seed and pattern: cost, low, high (t-interval over heads), n_heads.
    """
    rows = []
    for key, group in _with_patterns(run, patterns).groupby(["task", "seed", "main"], sort=False, observed=True):
        rows.append((*key, *map(float, interval_of_mean(group["cost"])), len(group)))
    table = pd.DataFrame(rows, columns=["task", "seed", "pattern", *COST, "n_heads"])
    return table.sort_values("pattern", key=lambda names: names.map(PATTERNS.index), kind="stable", ignore_index=True)


def heterogeneous_against_vertical(run: DisablingTables, patterns: pd.DataFrame) -> pd.DataFrame:
    """Compare what Heterogeneous heads cost with what Vertical ones do: task, seed, mean, low, high (Welch's interval).

    Tasks and seeds with fewer than two heads of one of the kinds are left out.
    """
    rows = []
    for key, group in _with_patterns(run, patterns).groupby(["task", "seed"], sort=False):
        one, other = (group.loc[group["main"] == pattern, "cost"] for pattern in (HETEROGENEOUS, VERTICAL))
        if min(len(one), len(other)) > 1:
            found = stats.ttest_ind(one, other, equal_var=False)
            low, high = found.confidence_interval() if one.var() + other.var() > 0 else (0.0, 0.0)
            rows.append((*key, one.mean() - other.mean(), float(low), float(high)))
    return pd.DataFrame(rows, columns=["task", "seed", *CHANGE])


def verdicts_by_task(differences: pd.DataFrame) -> list[str]:
    """Judge a claimed positive difference on each task, with every seed by itself, and join the seeds."""
    return [
        joined([verdict(row.low, row.high) for row in rows.itertuples()]) for _, rows in differences.groupby("task")
    ]


def judged_by_seed(table: pd.DataFrame, column: str) -> str:
    """Judge whether none of the rows of a seed has the property that `column` judges, and join seeds.

    Holds if all are "does not hold", does not hold if one is "holds".
    """
    holds, fails, undecided = VERDICTS
    found = []
    for _, group in table.groupby("seed"):
        of_seed = set(group[column])
        found.append(fails if holds in of_seed else holds if of_seed == {fails} else undecided)
    return joined(found)


def _with_patterns(run: DisablingTables, patterns: pd.DataFrame) -> pd.DataFrame:
    heads, after = only_uniform(run.heads), patterns[patterns["checkpoint"] == AFTER]
    key = ["task", "seed", *HEAD]
    main = after[[*key, "main"]].astype({"task": object, "main": object})
    table = heads[[*key, "mean"]].astype({"task": object}).merge(main, on=key, validate="one_to_one")
    return table.assign(cost=-table["mean"])
