"""Section 4.5 as in the paper: the weight heads put on links, the candidates, and the diagonal score of the same heads.

`links` has one row per task, checkpoint, seed, example, link, layer and head; `diagonal` one per task, checkpoint,
seed, example, layer and head. Whether a candidate follows the link or the neighbour is a matter of `link_distance`.
Explained in the chapter *Token-to-token attention*.
"""

import numpy as np
import pandas as pd
from scipy import stats

from darksecrets.heads import HEAD, iter_groups, standing_out
from darksecrets.models.link_attention import DIRECTIONS
from darksecrets.statistics import averaged, interval_of_mean, rank_correlation, resampled

RUN = ["task", "checkpoint", "seed"]
CASE = [*RUN, "relation", "direction"]
LINK = ["example", "link", "relation", "distance"]
MOST_DIAGONAL = 0.1  # the share of heads that counts as the most diagonal ones
SURE = 0.975  # the share of resamples from which on something is sure


def links_by_head(links: pd.DataFrame) -> pd.DataFrame:
    """Average the weight of links over examples, the links of an example first.

    One row per task, checkpoint, seed, relation, direction, layer and head: mean, low, high (t-interval), n (examples).
    """
    tables = []
    for key, weights in iter_groups(links, RUN, LINK, DIRECTIONS):
        for relation in weights.units["relation"].unique():
            chosen = weights.select(weights.units["relation"] == relation)
            codes, examples = pd.factorize(chosen.units["example"])
            for direction in DIRECTIONS:
                mean, low, high = interval_of_mean(averaged(chosen.values[direction], codes))
                columns = {"mean": mean, "low": low, "high": high, "n": len(examples)}
                tables.append(chosen.table(**key, relation=relation, direction=direction, **columns))
    return pd.concat(tables, ignore_index=True)[[*CASE, *HEAD, "mean", "low", "high", "n"]]


def diagonal_scores(diagonal: pd.DataFrame) -> pd.DataFrame:
    """Return how diagonal each head is: per task, checkpoint, seed, layer and head.

    `diagonal` is the larger of the mean attention to the token before and to the token after; `rank` counts from 1, the
    most diagonal; `among_top` says whether the head is among the most diagonal tenth of heads, and `top_share` in which
    share of resamples of the examples it is.
    """
    tables = []
    for key, scores in iter_groups(diagonal, RUN, ["example"], ("previous", "next")):
        scores = scores.dropna("previous", "next")
        n_examples = len(scores.units)
        draws = np.concatenate([np.ones((1, n_examples)), resampled(n_examples)]) / n_examples
        drawn = np.maximum(*(draws @ scores.values[side] for side in ("previous", "next")))  # draw, head
        ranks = stats.rankdata(-drawn, method="min", axis=1)
        is_top = np.where(np.isnan(ranks), np.nan, ranks <= np.ceil(MOST_DIAGONAL * ranks.shape[1]))
        columns = {"diagonal": drawn[0], "rank": ranks[0].astype(int), "among_top": is_top[0].astype(bool)}
        columns |= {"top_share": is_top[1:].mean(0)}
        tables.append(scores.table(**key, **columns))
    return pd.concat(tables, ignore_index=True)[[*RUN, *HEAD, "diagonal", "rank", "among_top", "top_share"]]


def candidates(by_head: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the heads beyond the 99th percentile of link weight, per task, checkpoint, seed, relation and direction.

    The rows of `links_by_head`, with the columns of `diagonal_scores` for the same head.
    """
    return standing_out(by_head, CASE).merge(scores, on=[*RUN, *HEAD], how="left", validate="many_to_one")


def coincidence(by_head: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Correlate link weight with diagonal score over heads: per task, checkpoint, seed, relation and direction.

    `mean` is Spearman's rank correlation, `low` to `high` its bootstrap interval over heads; `n_heads`.
    """
    both = by_head.merge(scores, on=[*RUN, *HEAD], suffixes=("", "_of_diagonal"), validate="many_to_one")
    return correlated(both, "mean", "diagonal")


def released_against_paper(released: pd.DataFrame, by_head: pd.DataFrame) -> pd.DataFrame:
    """Compare the released notebook's weights with those of the text, per task, checkpoint, seed, relation, direction.

    `paper` and `released` are means over heads, `difference` is released less paper; `mean` with `low` and `high` is
    the rank correlation over heads, with `n_heads`: whether both tell the same of heads.
    """
    both = released.merge(by_head, on=[*CASE, *HEAD], suffixes=("_released", "_paper"), validate="one_to_one")
    means = both.groupby(CASE, sort=False, observed=True)[["mean_paper", "mean_released"]].mean().reset_index()
    means = means.rename(columns={"mean_paper": "paper", "mean_released": "released"})
    means = means.assign(difference=means["released"] - means["paper"])
    return means.merge(correlated(both, "mean_released", "mean_paper"), on=CASE)


def correlated(table: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """Correlate two columns over heads within each task, checkpoint, seed, relation and direction (`coincidence`)."""
    rows = [
        (*key, *rank_correlation(group[one], group[other]), len(group))
        for key, group in table.groupby(CASE, sort=False, observed=True)
    ]
    return pd.DataFrame(rows, columns=[*CASE, "mean", "low", "high", "n_heads"])
