"""The confound that Section 4.5 leaves open: does a head follow a link, or the neighbour that linked words often are?

A link is held against two nulls. `null` are other words of the same sentence, as far apart and in the same direction:
what the distance explains. `others` is what the word that is attended to gets from the other words of the sentence:
what that word explains, as content words get more from anybody. A head follows the link if it beats both, which is an
intersection-union test. `links` are those of task texts; `pocket_links` those of sentences written so that the linked
words are 1 to 8 words apart. Explained in the chapter *Token-to-token attention*.
"""

from collections.abc import Container, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from darksecrets.heads import HEAD, HeadMatrix, iter_groups, pivot_heads
from darksecrets.models.link_attention import DIRECTIONS
from darksecrets.sections.link_heads import CASE, LINK, RUN, correlated
from darksecrets.statistics import SIGNIFICANT, cluster_sums, clustered_interval, sign_flip_test

Spans = Mapping[str, tuple[float, float]]  # name: distances from, to
NEAR, FAR = "1", "2 or more"
SPANS = {NEAR: (1, 1), FAR: (2, np.inf)}
CLASSES = {"1": (1, 1), "2": (2, 2), "3-4": (3, 4), "5-8": (5, 8), "9 or more": (9, np.inf)}
POCKET_FAR = (2, 8)
POCKET_LINK = ["example", "relation", "distance"]
NULLS = {"null": "", "others": "others_"}  # what stands before the names of the columns that compare a link with it
NULLS_OF = {direction: [f"{direction}_{null}" for null in NULLS] for direction in DIRECTIONS}
WEIGHTS = [*DIRECTIONS, *NULLS_OF["to_dependent"], *NULLS_OF["to_head"]]
# The attention that the word which attends pays to the words beside it, by direction of the link.
NEIGHBOURS = {
    "to_dependent": {"previous": "to_previous", "next": "to_next"},
    "to_head": {"previous": "dependent_to_previous", "next": "dependent_to_next"},
}
NEIGHBOUR_WEIGHT = 0.1  # a head that pays its neighbour less does not follow it
FOLLOWS_LINK, FOLLOWS_NEIGHBOUR, BOTH, NEITHER = "follows the link", "follows the neighbour", "both", "neither"
PLACE = ["relation", "direction", *HEAD]
INTERVAL = ["difference", "low", "high"]
TEST = ["mean", *(name for null, before in NULLS.items() for name in (null, *(before + end for end in INTERVAL)))]
TEST += ["n", "p_corrected", "specific"]
NEIGHBOUR = [f"neighbour{name}" for name in ("", "_side", "_difference", "_low", "_high", "_p_corrected")]


def matched(links: pd.DataFrame, spans: Spans = SPANS) -> pd.DataFrame:
    """Compare links of task texts with both nulls: per task, checkpoint, seed, relation, direction, span, head.

    `span` names distances (`SPANS`, `CLASSES`). `mean`, the link's weight, `null` and `others` are averages over links
    that have both nulls, `n` of them. `difference` is that from `null`, `low` to `high` its t-interval over examples;
    `others_difference`, `others_low` and `others_high` are those from `others`. `p_corrected` is the larger of the two
    differences' p of `sign_flip_test`, which turns examples around, each corrected over the heads, directions and
    nulls of a relation: that any of its heads is wrongly said to beat both has a chance of .05 at most. `specific`,
    whether it is below .05. A span without links has no rows.
    """
    tables = [
        found.assign(**key)
        for key, weights in iter_groups(links, RUN, LINK, WEIGHTS)
        for found in _against_nulls(weights, spans)
    ]
    return pd.concat(tables, ignore_index=True)[[*CASE, "span", *HEAD, *TEST]]


def neighbours(pocket_links: pd.DataFrame) -> pd.DataFrame:
    """Compare links of pocket words that are neighbours with other neighbours: the columns of `matched` from relation
    on.
    """
    weights = pivot_heads(pocket_links, POCKET_LINK, WEIGHTS)
    return pd.concat(_against_nulls(weights, {NEAR: SPANS[NEAR]}), ignore_index=True)[[*PLACE, "span", *TEST]]


def follows(pocket_links: pd.DataFrame) -> pd.DataFrame:
    """Judge what each head follows where linked words are 2 to 8 words apart: per relation, direction, layer and head.

    The columns of `matched`, each distance with equal weight; `neighbour`, the attention that the word which attends
    pays to the word beside it (`neighbour_side`: the side that gets more), and `neighbour_difference` from the link,
    with `neighbour_low`, `neighbour_high` and `neighbour_p_corrected` (over heads, directions and sides).
    `verdict`: a head follows the link if it beats both nulls; it follows the neighbour if it pays it at least a tenth
    of its attention and more than the linked word; or both, or neither. In a direction for which the table has no
    columns of the neighbour (`NEIGHBOURS`) those here are NaN, and no head follows it.
    """
    columns = [name for sides in NEIGHBOURS.values() for name in sides.values() if name in pocket_links]
    weights = pivot_heads(pocket_links, POCKET_LINK, [*WEIGHTS, *columns])
    weights = weights.select(weights.units["distance"].between(*POCKET_FAR))
    tests = pd.concat(_against_nulls(weights, {FAR: POCKET_FAR}, by_distance=True), ignore_index=True)
    beside = [_against_neighbour(of_relation) for of_relation in _relations(weights)]
    table = tests.merge(pd.concat(beside, ignore_index=True), on=PLACE, how="left", validate="one_to_one")
    is_beside = (table["neighbour"] >= NEIGHBOUR_WEIGHT) & (table["neighbour_p_corrected"] < SIGNIFICANT)
    conditions = [table["specific"] & is_beside, table["specific"], is_beside]
    table["verdict"] = np.select(conditions, [BOTH, FOLLOWS_LINK, FOLLOWS_NEIGHBOUR], NEITHER)
    return table[[*PLACE, *TEST, *NEIGHBOUR, "verdict"]]


def by_distance(pocket_links: pd.DataFrame, heads: Sequence[tuple[int, int]]) -> pd.DataFrame:
    """Average chosen heads (layer, head) by distance: relation, direction, layer, head, distance, quantity, mean, low,
    high, n (links).

    `quantity` is "link", "null" (other words as far apart) or "others" (the attended word, from other words), all three
    of the links that have both nulls, or "neighbour" (the word beside the one that attends, on the side that gets more
    over all distances). The t-intervals are over sentences.
    """
    chosen = pocket_links[pd.MultiIndex.from_frame(pocket_links[HEAD]).isin(list(heads))]
    rows = [
        (relation, direction, layer, head, distance, quantity, *averages)
        for (relation, layer, head), group in chosen.groupby(["relation", *HEAD], sort=False, observed=True)
        for direction in DIRECTIONS
        for quantity, column in _quantities(group, direction).items()
        for distance, averages in _averages(group, column, column if quantity == "neighbour" else NULLS_OF[direction])
    ]
    return pd.DataFrame(rows, columns=[*PLACE, "distance", "quantity", "mean", "low", "high", "n"])


def survivors(tests: pd.DataFrame) -> pd.DataFrame:
    """Count the heads that beat both nulls, from `matched`: task, checkpoint, seed, relation, direction, span,
    specific, n_heads, n (links).
    """
    groups = tests.groupby([*CASE, "span"], sort=False, observed=True)
    return groups.agg(specific=("specific", "sum"), n_heads=("specific", "size"), n=("n", "max")).reset_index()


def agreement(of_pocket: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """Correlate over heads what `follows` says of pocket sentences with what `matched` says of links 2 or more apart.

    Per task, checkpoint, seed, relation and direction: `mean`, Spearman's correlation of the `excess` of the two, with
    `low` and `high`, its bootstrap interval over heads; `n_heads`.
    """
    far = tests[tests["span"] == FAR].assign(excess=excess)
    pocket = of_pocket.assign(excess=excess)[[*PLACE, "excess"]]
    both = far.merge(pocket, on=PLACE, suffixes=("", "_pocket"), validate="many_to_one")
    return correlated(both, "excess", "excess_pocket")


def excess(tests: pd.DataFrame) -> pd.Series:
    """Return by how much a link beats the null that comes closer to it: the smaller of the two differences."""
    return smaller(tests, "difference")


def smaller(tests: pd.DataFrame, column: str) -> pd.Series:
    """Return the smaller of a column, one of `INTERVAL`, over the two nulls."""
    return tests[[before + column for before in NULLS.values()]].min(axis=1)


def _relations(weights: HeadMatrix) -> Iterator[HeadMatrix]:
    for relation in weights.units["relation"].unique():
        yield weights.select(weights.units["relation"] == relation)


def _against_nulls(weights: HeadMatrix, spans: Spans, by_distance: bool = False) -> Iterator[pd.DataFrame]:
    """Test each relation and span: relation, direction, span, layer, head and the columns `TEST`."""
    weights = weights.dropna(*(name for names in NULLS_OF.values() for name in names))
    for of_relation in _relations(weights):
        for span, bounds in spans.items():
            chosen = of_relation.select(of_relation.units["distance"].between(*bounds))
            if len(chosen.units):
                yield _tested(chosen, by_distance).assign(relation=chosen.units["relation"].iloc[0], span=span)


def _tested(weights: HeadMatrix, by_distance: bool) -> pd.DataFrame:
    clusters, _ = pd.factorize(weights.units["example"])
    strata = weights.units["distance"].to_numpy() if by_distance else None
    tables, parts = [], []
    for direction in DIRECTIONS:
        link = weights.values[direction]
        columns = {"mean": cluster_sums(link, clusters, strata).sum(0)}
        for null, before in NULLS.items():
            other = weights.values[f"{direction}_{null}"]
            columns[null] = cluster_sums(other, clusters, strata).sum(0)
            interval = clustered_interval(link - other, clusters, strata)
            columns |= {before + end: bound for end, bound in zip(INTERVAL, interval, strict=True)}
            parts.append(cluster_sums(link - other, clusters, strata))
        tables.append(weights.table(direction=direction, **columns, n=len(weights.units)))
    _, p_corrected = sign_flip_test(np.hstack(parts))
    # A head that beats both nulls beats the one that is harder to beat.
    p_corrected = p_corrected.reshape(len(DIRECTIONS), len(NULLS), -1).max(axis=1).ravel()
    return pd.concat(tables, ignore_index=True).assign(p_corrected=p_corrected, specific=p_corrected < SIGNIFICANT)


def _against_neighbour(weights: HeadMatrix) -> pd.DataFrame:
    """Compare the neighbour with the link, of one relation: relation, direction, layer, head, and `NEIGHBOUR`."""
    clusters, examples = pd.factorize(weights.units["example"])
    distances, tables, parts = weights.units["distance"].to_numpy(), [], []
    for direction, side, column in _sides(weights.values):
        known = ~np.isnan(weights.values[column]).any(1)  # a word at the sentence's edge has one neighbour
        if not known.any():
            continue
        given = (clusters[known], distances[known], len(examples))
        neighbour = weights.values[column][known]
        differences = neighbour - weights.values[direction][known]
        interval = clustered_interval(differences, *given[:2])
        columns = (cluster_sums(neighbour, *given).sum(0), side, *interval)
        tables.append(weights.table(direction=direction, **dict(zip(NEIGHBOUR[:-1], columns, strict=True))))
        parts.append(cluster_sums(differences, *given))
    if not tables:
        return pd.DataFrame(columns=[*PLACE, *NEIGHBOUR])
    _, p_corrected = sign_flip_test(np.hstack(parts))
    table = pd.concat(tables, ignore_index=True).assign(neighbour_p_corrected=p_corrected)
    table = table.loc[table.groupby(["direction", *HEAD], sort=False)["neighbour"].idxmax()]
    return table.assign(relation=weights.units["relation"].iloc[0])


def _sides(columns: Container[str]) -> list[tuple[str, str, str]]:
    """List the columns of neighbours that there are: (direction, side, column)."""
    sides = [(direction, *item) for direction, columns_of in NEIGHBOURS.items() for item in columns_of.items()]
    return [side for side in sides if side[-1] in columns]


def _quantities(table: pd.DataFrame, direction: str) -> dict[str, str]:
    """Name the columns of what is drawn against the distance."""
    sides = [column for name, _, column in _sides(table) if name == direction]
    neighbour = {"neighbour": table[sides].mean().idxmax()} if sides else {}
    return {"link": direction} | dict(zip(NULLS, NULLS_OF[direction], strict=True)) | neighbour


def _averages(table: pd.DataFrame, column: str, needed: str | list[str]) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Average a column at each distance over the rows that have what is `needed`: (distance, (mean, low, high, n))."""
    for distance, group in table.dropna(subset=needed).groupby("distance"):
        clusters, _ = pd.factorize(group["example"])
        interval = clustered_interval(group[[column]].to_numpy(float), clusters)
        yield distance, (*(float(bound[0]) for bound in interval), len(group))
