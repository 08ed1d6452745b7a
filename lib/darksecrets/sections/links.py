"""Token-to-token attention (Section 4.5): who attends to whom, and whether a head follows a link or the neighbour.

From top to bottom: what is measured in sentences, averaged over them and tested, which claims of the paper hold, and
the tables and charts. Links run from a verb to its subject or from a pronoun to its antecedent, and back. As in the
paper, candidates are the heads with most weight on links, and a diagonal score says how much they look at neighbours.
What the paper leaves open is settled by two nulls. `null` are other words of the same sentence, as far apart and in the
same direction: what the distance explains. `others` is what the word that is attended to gets from the other words of
the sentence: what that word explains, as content words get more from anybody. A head follows the link if it beats both,
which is an intersection-union test.

`links` are those of task texts (`attended.Attended`), `pocket_links` those of sentences written so that the linked
words are 1 to 8 words apart. Layers and heads are counted from 0 in tables and from 1 in what a reader sees. Explained
in the chapter *Token-to-token attention*.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd
from scipy import stats

from darksecrets import statistics, verdicts
from darksecrets.corpora import generated
from darksecrets.corpora.annotated_maps import AFTER
from darksecrets.estimates import format_correlation
from darksecrets.figures import charts, head_charts
from darksecrets.figures.charts import COMPARED, SCALES, STEP, averaged, filtered, head_grid, menus_of, present
from darksecrets.figures.views import WEIGHT
from darksecrets.heads import (
    HEAD,
    INTERVAL,
    NULLS,
    HeadMatrix,
    excess,
    format_excesses,
    head_label,
    head_name,
    iter_groups,
    of_closer_null,
    pivot_heads,
    standing_out,
)
from darksecrets.models import link_attention
from darksecrets.models.attended import DESCRIBED, RELATIONS, feed, texts_of
from darksecrets.models.link_attention import DIRECTIONS, LINK, Shape
from darksecrets.models.setup import Setup
from darksecrets.saved_tables import SavedTables
from darksecrets.statistics import SIGNIFICANT, cluster_sums, clustered_interval
from darksecrets.verdicts import Judgements, verdict

DISTANCES = range(1, 9)  # in words, that the pocket grammar can write
MODEL = ["task", "checkpoint", "seed"]
CASE = ["task", "relation", "direction"]
PLACE = ["relation", "direction", *HEAD]
MOST_DIAGONAL = 0.1  # the share of heads that counts as the most diagonal ones
SURE = 0.975  # the share of resamples from which on something is sure
Spans = Mapping[str, tuple[float, float]]  # name: distances in words, from, to
NEAR, FAR = "1", "2 or more"
SPANS = {NEAR: (1, 1), FAR: (2, np.inf)}
POCKET_FAR = (2, 8)
NULLS_OF = {direction: [f"{direction}_{null}" for null in NULLS] for direction in DIRECTIONS}
NULL_WEIGHTS = [name for names in NULLS_OF.values() for name in names]
WEIGHTS = [*DIRECTIONS, *NULL_WEIGHTS]
TEST = ["mean", *(name for null, before in NULLS.items() for name in (null, *(before + end for end in INTERVAL)))]
TEST += ["n", "p_corrected", "specific"]
# The attention that the word which attends pays to the words beside it, by direction of the link and side.
NEIGHBOURS = {
    ("to_dependent", "previous"): "to_previous",
    ("to_dependent", "next"): "to_next",
    ("to_head", "previous"): "dependent_to_previous",
    ("to_head", "next"): "dependent_to_next",
}
NEIGHBOUR = [f"neighbour{name}" for name in ("", "_side", "_difference", "_low", "_high", "_p_corrected")]
NEIGHBOUR_WEIGHT = 0.1  # a head that pays its neighbour less does not follow it
FOLLOWS_LINK, FOLLOWS_NEIGHBOUR, BOTH, NEITHER = SCALES["verdict"].domain
DECIMALS = 5  # of what is kept, which halves its size; a reader sees three
N_NAMED = 3  # heads in a cell, or with their names beside them in a scatter plot
CASES = "each task, relation and direction"
COINCIDE = f"Heads with more attention between linked words are the more diagonal ones ({CASES})"
AMONG = f"The candidate heads are among the most diagonal tenth of heads ({CASES})"
MATCHED = f"The candidate heads follow links of 2 words or more: they beat both nulls ({CASES})"
ANY_HEAD = "Some head follows a {} link of 2 to 8 words: it beats both nulls (pocket, pre-trained)"
BY_EYE, OPEN = "yes, by eye", "left open"
PAPER = {COINCIDE: BY_EYE, AMONG: BY_EYE, MATCHED: OPEN} | {ANY_HEAD.format(relation): OPEN for relation in RELATIONS}
DRAWN = ["run", "task", "link", "checkpoint"]  # what charts tell apart
SHAPES = ["circle", "triangle-right", "square", "M-.5,-.15H.5V.15H-.5Z"]  # of verdicts; the last is a dash


# Measure (task texts: models.attended)


def measure_pocket(setup: Setup, n_sentences: int = 100, seed: int = 0) -> pd.DataFrame:
    """Measure the pre-trained model on links whose words stand 1 to 8 words apart, `n_sentences` for each relation and
    distance.

    One row per example, layer and head: relation, distance, to_dependent and to_head with their nulls, and float32
    columns to_previous and to_next: the attention that the link's head word pays to the words beside it, and
    dependent_to_previous and dependent_to_next, the same of its dependent (NaN where there is no such word).
    """
    kinds = [(relation, distance) for relation in RELATIONS for distance in DISTANCES]
    of_kind = {kind: generated.linked(*kind, n_sentences, seed) for kind in kinds}
    described = [[kind] for kind, sentences in of_kind.items() for _ in sentences]
    texts = texts_of(setup, [sentence for sentences in of_kind.values() for sentence in sentences])
    shapes_of = []
    for text, (kind,) in zip(texts, described, strict=True):
        (sentence,) = text.sentences
        links = [link for link in sentence.links if link.relation == kind[0]]
        pairs = [((link.head, link.dependent),) for link in links]
        wanted = next(pair for pair, link in zip(pairs, links, strict=True) if link.distance == kind[1])
        # Beside the link, number 0, stand the pairs of its words with their neighbours.
        beside = [(word, word + step) for word in wanted[0] for step in (-1, 1)]
        beside = [
            Shape(number, LINK, (pair,))
            for number, pair in enumerate(beside, start=1)
            if 0 <= pair[1] < len(sentence.words)
        ]
        shapes_of.append([*link_attention.shapes(0, wanted, sentence, text.words, set(pairs)), *beside])
    reducer = link_attention.LinkAttention([text.words for text in texts], shapes_of)
    feed(setup, texts, reducer, "pocket links")
    table, key = reducer.against_null(), ["example", *HEAD]
    found = link_attention.describe_links(table[table["link"] == 0], described, DESCRIBED)
    for number, name in enumerate(NEIGHBOURS.values(), start=1):
        neighbour = table[table["link"] == number].rename(columns={"to_dependent": name})
        found = found.merge(neighbour[[*key, name]], on=key, how="left", validate="one_to_one")
    return found.drop(columns="link")


# Summarize: as in the paper


@dataclass(frozen=True)
class LinkTables(SavedTables):
    """What one run measured: `by_head`, `diagonal_scores`, `candidates`, `coincidence`, `matched` and `follows`."""

    PREFIX = "link"

    heads: pd.DataFrame
    scores: pd.DataFrame
    candidates: pd.DataFrame
    coincidence: pd.DataFrame
    matched: pd.DataFrame
    follows: pd.DataFrame


def summarize(links: pd.DataFrame, diagonal: pd.DataFrame, pocket_links: pd.DataFrame) -> LinkTables:
    """Compute the tables that the claims rest on, `compact`: a reference run holds them."""
    heads, scores = by_head(links), diagonal_scores(diagonal)
    tables = [heads, scores, candidates(heads, scores), coincidence(heads, scores)]
    return LinkTables(*(compact(table) for table in (*tables, matched(links), follows(pocket_links))))


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table to five decimals in single precision."""
    kinds = dict.fromkeys(table.select_dtypes("float").columns, "float32")
    return table.round(DECIMALS).astype(kinds | {name: "int16" for name in HEAD if name in table})


def by_head(links: pd.DataFrame) -> pd.DataFrame:
    """Average the weight of links over examples, the links of an example first.

    One row per task, checkpoint, seed, relation, direction, layer and head: mean, low, high (t-interval), n (examples).
    """
    tables = [
        weights.means(direction, "example").assign(**key, relation=relation, direction=direction)
        for key, of_model in iter_groups(links, MODEL, ["example", "link", "relation", "distance"], DIRECTIONS)
        for relation, weights in _by_relation(of_model)
        for direction in DIRECTIONS
    ]
    return pd.concat(tables, ignore_index=True)[[*MODEL, *PLACE, "mean", "low", "high", "n"]]


def diagonal_scores(diagonal: pd.DataFrame) -> pd.DataFrame:
    """Compute how diagonal each head is: per task, checkpoint, seed, layer and head.

    `diagonal` is the larger of the mean attention to the token before and to the token after; `rank` counts from 1, the
    most diagonal; `among_top` says whether the head is among the most diagonal tenth of heads, and `top_share` in which
    share of resamples of the examples it is.
    """
    tables = []
    for key, scores in iter_groups(diagonal, MODEL, ["example"], ("previous", "next")):
        scores = scores.dropna("previous", "next")
        n_examples = len(scores.units)
        draws = np.concatenate([np.ones((1, n_examples)), statistics.resampled(n_examples)]) / n_examples
        drawn = np.maximum(*(draws @ scores.values[side] for side in ("previous", "next")))  # draw, head
        ranks = stats.rankdata(-drawn, method="min", axis=1)
        is_top = np.where(np.isnan(ranks), np.nan, ranks <= np.ceil(MOST_DIAGONAL * ranks.shape[1]))
        columns = {"diagonal": drawn[0], "rank": ranks[0].astype(int), "among_top": is_top[0].astype(bool)}
        tables.append(scores.table(**key, **columns, top_share=is_top[1:].mean(0)))
    return pd.concat(tables, ignore_index=True)[[*MODEL, *HEAD, "diagonal", "rank", "among_top", "top_share"]]


def candidates(heads: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the heads beyond the 99th percentile of link weight, per task, checkpoint, seed, relation and direction.

    The rows of `by_head`, with the columns of `diagonal_scores` for the same head.
    """
    best = standing_out(heads, [*MODEL, "relation", "direction"])
    return best.merge(scores, on=[*MODEL, *HEAD], how="left", validate="many_to_one")


def coincidence(heads: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Correlate link weight with diagonal score over heads: per task, checkpoint, seed, relation and direction.

    `mean` is Spearman's rank correlation, `low` to `high` its bootstrap interval over heads; `n_heads`.
    """
    both = heads.merge(scores, on=[*MODEL, *HEAD], suffixes=("", "_of_diagonal"), validate="many_to_one")
    return _correlate(both, "mean", "diagonal")


def released_against_paper(released: pd.DataFrame, heads: pd.DataFrame) -> pd.DataFrame:
    """Compare the released notebook's weights with those of the text, per task, checkpoint, seed, relation, direction.

    `paper` and `released` are means over heads, `difference` is released less paper; `mean` with `low` and `high` is
    the rank correlation over heads, with `n_heads`: whether both tell the same of heads.
    """
    key = [*MODEL, "relation", "direction"]
    both = released.merge(heads, on=[*key, *HEAD], suffixes=("_released", "_paper"), validate="one_to_one")
    means = both.groupby(key, sort=False, observed=True)[["mean_paper", "mean_released"]].mean().reset_index()
    means = means.rename(columns={"mean_paper": "paper", "mean_released": "released"})
    means = means.assign(difference=means["released"] - means["paper"])
    return means.merge(_correlate(both, "mean_released", "mean_paper"), on=key)


def _correlate(table: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """Correlate two columns over heads within each task, checkpoint, seed, relation and direction (`coincidence`)."""
    key = [*MODEL, "relation", "direction"]
    rows = [
        (*values, *statistics.rank_correlation(group[one], group[other]), len(group))
        for values, group in table.groupby(key, sort=False, observed=True)
    ]
    return pd.DataFrame(rows, columns=[*key, "mean", "low", "high", "n_heads"])


# Summarize: the link or the neighbour


def matched(links: pd.DataFrame, spans: Spans = SPANS) -> pd.DataFrame:
    """Compare links of task texts with both nulls: per task, checkpoint, seed, relation, direction, span, head.

    `span` names distances (`SPANS`). `mean`, the link's weight, `null` and `others` are averages over links that have
    both nulls, `n` of them. `difference` is that from `null`, `low` to `high` its t-interval over examples;
    `others_difference`, `others_low` and `others_high` are those from `others`. `p_corrected` is the larger of the two
    differences' p of `sign_flip_test`, which turns examples around, each corrected over the heads, directions and
    nulls of a relation: that any of its heads is wrongly said to beat both has a chance of .05 at most. `specific`,
    whether it is below .05. A span without links has no rows.
    """
    tables = [
        tests.assign(**key)
        for key, weights in iter_groups(links, MODEL, ["example", "link", "relation", "distance"], WEIGHTS)
        for tests in _test_nulls(weights, spans)
    ]
    return pd.concat(tables, ignore_index=True)[[*MODEL, "relation", "direction", "span", *HEAD, *TEST]]


def follows(pocket_links: pd.DataFrame) -> pd.DataFrame:
    """Judge what each head follows where linked words are 2 to 8 words apart: per relation, direction, layer and head.

    The columns of `matched`, each distance with equal weight; `neighbour`, the attention that the word which attends
    pays to the word beside it (`neighbour_side`: the side that gets more), and `neighbour_difference` from the link,
    with `neighbour_low`, `neighbour_high` and `neighbour_p_corrected` (over heads, directions and sides).
    `verdict`: a head follows the link if it beats both nulls; it follows the neighbour if it pays it at least a tenth
    of its attention and more than the linked word; or both, or neither.
    """
    weights = pivot_heads(pocket_links, ["example", "relation", "distance"], [*WEIGHTS, *NEIGHBOURS.values()])
    weights = weights.select(weights.units["distance"].between(*POCKET_FAR))
    tests = pd.concat(_test_nulls(weights, {FAR: POCKET_FAR}, by_distance=True), ignore_index=True)
    beside = [_test_neighbour(of_relation).assign(relation=relation) for relation, of_relation in _by_relation(weights)]
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
    rows = []
    for (relation, layer, head), links in chosen.groupby(["relation", *HEAD], sort=False, observed=True):
        for direction in DIRECTIONS:
            columns = {"link": direction} | dict(zip(NULLS, NULLS_OF[direction], strict=True))
            sides = [column for (of_direction, _), column in NEIGHBOURS.items() if of_direction == direction]
            columns |= {"neighbour": links[sides].mean().idxmax()}
            for quantity, column in columns.items():
                known = links.dropna(subset=[column] if quantity == "neighbour" else NULLS_OF[direction])
                for distance, group in known.groupby("distance"):
                    clusters, _ = pd.factorize(group["example"])
                    interval = clustered_interval(group[[column]].to_numpy(float), clusters)
                    numbers = (*(float(bound[0]) for bound in interval), len(group))
                    rows.append((relation, direction, layer, head, distance, quantity, *numbers))
    return pd.DataFrame(rows, columns=[*PLACE, "distance", "quantity", "mean", "low", "high", "n"])


def agreement(of_pocket: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """Correlate over heads what `follows` says of pocket sentences with what `matched` says of links 2 or more apart.

    Per task, checkpoint, seed, relation and direction: `mean`, Spearman's correlation of the `excess` of the two, with
    `low` and `high`, its bootstrap interval over heads; `n_heads`.
    """
    far = tests[tests["span"] == FAR].assign(excess=excess)
    pocket_excess = of_pocket.assign(excess_pocket=excess)[[*PLACE, "excess_pocket"]]
    both = far.merge(pocket_excess, on=PLACE, validate="many_to_one")
    return _correlate(both, "excess", "excess_pocket")


def _by_relation(weights: HeadMatrix) -> Iterator[tuple[str, HeadMatrix]]:
    for relation in weights.units["relation"].unique():
        yield relation, weights.select(weights.units["relation"] == relation)


def _test_nulls(weights: HeadMatrix, spans: Spans, by_distance: bool = False) -> Iterator[pd.DataFrame]:
    """Test each relation and span: relation, direction, span, layer, head and the columns `TEST`."""
    for relation, of_relation in _by_relation(weights.dropna(*NULL_WEIGHTS)):
        for span, bounds in spans.items():
            chosen = of_relation.select(of_relation.units["distance"].between(*bounds))
            if len(chosen.units):
                yield _test(chosen, by_distance).assign(relation=relation, span=span)


def _test(weights: HeadMatrix, by_distance: bool) -> pd.DataFrame:
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
    _, p_corrected = statistics.sign_flip_test(np.hstack(parts))
    # A head that beats both nulls beats the one that is harder to beat.
    p_corrected = p_corrected.reshape(len(DIRECTIONS), len(NULLS), -1).max(axis=1).ravel()
    return pd.concat(tables, ignore_index=True).assign(p_corrected=p_corrected, specific=p_corrected < SIGNIFICANT)


def _test_neighbour(weights: HeadMatrix) -> pd.DataFrame:
    """Compare the neighbour with the link, of one relation: direction, layer, head, and the columns `NEIGHBOUR`."""
    clusters, examples = pd.factorize(weights.units["example"])
    distances, tables, parts = weights.units["distance"].to_numpy(), [], []
    for (direction, side), column in NEIGHBOURS.items():
        known = ~np.isnan(weights.values[column]).any(1)  # a word at the sentence's edge has one neighbour
        if not known.any():
            continue
        neighbour = weights.values[column][known]
        differences = neighbour - weights.values[direction][known]
        mean = cluster_sums(neighbour, clusters[known], distances[known]).sum(0)
        columns = (mean, side, *clustered_interval(differences, clusters[known], distances[known]))
        tables.append(weights.table(direction=direction, **dict(zip(NEIGHBOUR[:-1], columns, strict=True))))
        parts.append(cluster_sums(differences, clusters[known], distances[known], len(examples)))
    _, p_corrected = statistics.sign_flip_test(np.hstack(parts))
    table = pd.concat(tables, ignore_index=True).assign(neighbour_p_corrected=p_corrected)
    return table.loc[table.groupby(["direction", *HEAD], sort=False)["neighbour"].idxmax()]


# Judge


def judge(run: LinkTables) -> Judgements:
    """Judge the claims of Section 4.5 on links.

    Those of every case hold where they hold on each case (`by_case`). That some head follows a link holds where one
    beats both nulls (`follows`, corrected for all heads), and does not hold where each head has a null from which the
    interval of its difference stays below 0.01.
    """
    cases = by_case(run)
    columns = {COINCIDE: "coincide", AMONG: "among", MATCHED: "matched"}
    judgements = {claim: verdicts.every(cases[column], "cases") for claim, column in columns.items()}
    for relation, tests in run.follows.groupby("relation", sort=False, observed=True):
        best = tests[tests["specific"]].assign(excess=excess).sort_values("excess", ascending=False)
        best = best.drop_duplicates(HEAD).head(N_NAMED)
        names = ", ".join(head_name(row.layer, row.head) for row in best.itertuples())
        count = _count_heads(tests, tests["specific"])[relation]
        is_so = verdicts.any_positive(tests.assign(high=of_closer_null(tests, "high")))
        judgements[ANY_HEAD.format(relation)] = verdicts.single(
            is_so, count, f"{count}, most of all {names}" if names else count
        )
    return judgements


def claims(this_run: LinkTables, reference: LinkTables | None = None) -> pd.DataFrame:
    """Build the table of claims of Section 4.5 on links (`judge`): claim, paper, reference run, this run."""
    return verdicts.claims_table(PAPER, judge(this_run), judge(reference) if reference else None)


def by_case(run: LinkTables) -> pd.DataFrame:
    """Judge each task, relation and direction after fine-tuning: the verdicts `coincide`, `among` and `matched`.

    `coincide` holds where the rank correlation of link weight and diagonal score over heads is positive (seeds
    averaged, the interval decides). `among` holds where each candidate is among the most diagonal tenth of heads in
    more than 97.5 % of resamples of the examples, and does not hold where one is in less than 2.5 %. `matched` holds
    where each candidate beats both nulls on links of 2 words or more (`matched`, corrected for all heads); it does not
    hold where for one candidate the interval of the difference from one of the nulls stays below 0.01. The latter two
    are undecided where fine-tunings of several seeds differ.
    """

    def among(rows: pd.DataFrame) -> str:
        least = rows["top_share"].min()
        return verdict(least - SURE, least - (1 - SURE))

    correlations = statistics.over_seeds(tuned(run.coincidence), CASE)
    bounds = correlations[["low", "high"]].to_numpy()
    cases = correlations[CASE].assign(coincide=[verdict(*interval) for interval in bounds])
    tests = candidate_tests(run)
    tests = tests.assign(high=of_closer_null(tests, "high"))
    for name, table, rule in (("among", tuned(run.candidates), among), ("matched", tests, verdicts.all_positive)):
        of_case: dict[tuple, list[str]] = {}
        for (*case, _), rows in table.groupby([*CASE, "seed"], sort=False, observed=True):
            of_case.setdefault(tuple(case), []).append(rule(rows))
        cases[name] = [
            verdicts.joined(of_case.get(case, ())) for case in cases[CASE].itertuples(index=False, name=None)
        ]
    return cases


def candidate_tests(run: LinkTables, how: str = "inner") -> pd.DataFrame:
    """Join the candidates after fine-tuning with their tests on links 2 words or more apart: the columns of both, the
    candidates' own ending in `_link` where names are the same.

    With `how` "left", candidates without a test are kept, and `specific` is missing.
    """
    far = run.matched[run.matched["span"] == FAR]
    return tuned(run.candidates).merge(far, on=[*MODEL, *PLACE], how=how, suffixes=("_link", ""), validate="one_to_one")


def tuned(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of fine-tuned models."""
    return table[table["checkpoint"] == AFTER]


def strongest(tests: pd.DataFrame) -> list[tuple[int, int]]:
    """Return for each relation and direction the head (layer, head) that exceeds both nulls most, each head once.

    Heads that follow the link come before heads that do not (`follows`).
    """
    table = tests.assign(is_one=tests["verdict"].isin([FOLLOWS_LINK, BOTH]), excess=excess)
    table = table.sort_values(["is_one", "excess"], ascending=False, kind="stable")
    first = table.drop_duplicates(["relation", "direction"])
    return list(dict.fromkeys(first[HEAD].itertuples(index=False, name=None)))


# Tables and titles


def named_links(table: pd.DataFrame) -> pd.DataFrame:
    """Join relation and direction to one column `link`, such as "verb to subject", if the table has them."""
    if not {"relation", "direction"} <= set(table):
        return table
    ends = table["relation"].astype(str).str.split("-", expand=True)
    forth = table["direction"].astype(str) == "to_dependent"
    link = ends[0].where(forth, ends[1]) + " to " + ends[1].where(forth, ends[0])
    return table.assign(link=link).drop(columns=["relation", "direction"])


def candidates_table(run: LinkTables) -> pd.DataFrame:
    """Build the table of candidates after fine-tuning, how diagonal they are and whether they beat both nulls.

    Columns task, seed (where there are several), link, head, weight, diagonal score, its rank (from 1); and, on links
    of 2 words or more, the weight, by how much it is above each null, with the interval, and beats both?
    """
    tests = named_links(candidate_tests(run, how="left"))
    return pd.DataFrame(
        {
            **tests[_key(tests)],
            "head": head_label(tests),
            "weight": tests["mean_link"],
            "diagonal score": tests["diagonal"],
            "its rank": tests["rank"],
            "2 or more apart": tests["mean"],
            **format_excesses(tests),
            "beats both?": tests["specific"].map({True: "yes", False: "no"}),
        }
    )


def follows_table(tests: pd.DataFrame, n_heads: int = 3) -> pd.DataFrame:
    """Build the table of the heads of `follows` that exceed both nulls most, `n_heads` for each link.

    Columns link, head, weight, by how much it is above each null, with the interval, neighbour (the attention that it
    gets), the head (what it follows).
    """
    groups = named_links(tests.assign(excess=excess)).groupby("link", sort=False)
    best = pd.concat([group.nlargest(n_heads, "excess") for _, group in groups], ignore_index=True)
    return pd.DataFrame(
        {
            "link": best["link"],
            "head": head_label(best),
            "weight": best["mean"],
            **format_excesses(best),
            "neighbour": best["neighbour"],
            "the head": best["verdict"],
        }
    )


def verdict_counts(tests: pd.DataFrame) -> pd.DataFrame:
    """Count the heads of each verdict of `follows`: link, and a column per verdict."""
    counts = named_links(tests).groupby("link", sort=False)["verdict"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=[FOLLOWS_LINK, BOTH, FOLLOWS_NEIGHBOUR, NEITHER], fill_value=0)
    return counts.rename_axis(columns=None).reset_index()


def survivors_table(tests: pd.DataFrame) -> pd.DataFrame:
    """Count the heads of `matched` that beat both nulls after fine-tuning, as in `3 of 72`.

    Columns task, seed (where there are several), link, 1 apart, 2 or more apart.
    """
    tests = named_links(tuned(tests))
    groups = tests.groupby([*_key(tests), "span"], sort=False, observed=True)["specific"]
    cells = groups.agg(lambda specific: f"{specific.sum()} of {len(specific)}")
    table = cells.unstack("span").reindex(columns=[NEAR, FAR])
    table = table.loc[cells.index.droplevel("span").unique()]
    return table.rename(columns=lambda span: f"{span} apart").rename_axis(columns=None).reset_index()


def released_table(released: pd.DataFrame) -> pd.DataFrame:
    """Build the table of `released_against_paper` after fine-tuning, seeds averaged: task, link, paper, released (means
    over heads), rank correlation.
    """
    numbers = ["paper", "released", "mean", "low", "high"]
    means = named_links(tuned(released)).groupby(["task", "link"], sort=False, observed=True)[numbers].mean()
    correlation = [format_correlation(row.mean, row.low, row.high) for row in means.itertuples()]
    return means[["paper", "released"]].assign(**{"rank correlation": correlation}).reset_index()


def sure_table(everything: LinkTables, sure: LinkTables) -> pd.DataFrame:
    """Compare the claims on all sentences with those on sentences of which the parser is sure: claim, all sentences,
    sure sentences, changed?

    Pocket sentences are annotated by their author, so the claims on them are left out.
    """
    both = [judge(run) for run in (everything, sure)]
    cells = [(claim, *(judged[claim].cell for judged in both)) for claim in (COINCIDE, AMONG, MATCHED)]
    rows = [(claim, one, other, "no" if one == other else "yes") for claim, one, other in cells]
    return pd.DataFrame(rows, columns=["claim", "all sentences", "sure sentences", "changed?"])


def curves(pocket_links: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """Return `by_distance` of the `strongest` heads by `follows`, with the names of links, and of each head first the
    link that it is best at.

    The head that exceeds its nulls most comes first.
    """
    heads = strongest(tests)
    rank = pd.DataFrame(heads, columns=HEAD).reset_index(names="rank")
    order = tests.assign(excess=excess).merge(rank, on=HEAD).sort_values(["rank", "excess"], ascending=[True, False])
    return named_links(order[PLACE].merge(by_distance(pocket_links, heads), on=PLACE))


def distance_finding(table: pd.DataFrame) -> str:
    """Return what the first head of `curves` gives the linked word at the largest distance, for a title."""
    first = table.iloc[0]
    same = ["link", *HEAD]
    own = table[(table[same] == first[same]).all(axis=1)]
    last = own[own["distance"] == own["distance"].max()].set_index("quantity")["mean"]
    rest = f"other words as far apart {last['null']:.2f}, others give it {last['others']:.2f}"
    head = f"{first['layer'] + 1}-{first['head'] + 1}"
    return f"At {own['distance'].max()} words, head {head} gives the linked word {last['link']:.2f}; {rest}"


def coincidence_finding(coincidence: pd.DataFrame) -> str:
    """Return in how many cases heads that attend to links are diagonal ones, after fine-tuning, for a title."""
    bounds = statistics.over_seeds(tuned(coincidence), CASE)[["low", "high"]].to_numpy()
    n_holding = sum(verdict(*pair) == verdicts.HOLDS for pair in bounds)
    return f"Heads that attend to links attend to neighbours as well in {n_holding} of {len(bounds)} cases"


def candidates_finding(run: LinkTables) -> str:
    """Return how many of the candidates, after fine-tuning, beat both nulls, for a title."""
    tests = candidate_tests(run)
    return f"{tests['specific'].sum()} of {len(tests)} candidates follow the link where it is 2 words or more"


def follows_finding(tests: pd.DataFrame) -> str:
    """Return how many heads follow each link where the linked words are not neighbours, for a title."""
    counts = _count_heads(tests, tests["specific"])
    return "; ".join(f"{relation}: {count} follow the link" for relation, count in counts.items())


def first_null_counts(tests: pd.DataFrame) -> str:
    """Return how many heads exceed words as far apart in some direction, by the interval alone, for each relation."""
    counts = _count_heads(tests, tests["low"] > 0)
    return " and ".join(f"{count} ({relation})" for relation, count in sorted(counts.items()))


def agreement_range(agreement: pd.DataFrame) -> str:
    """Return from where to where the correlations of `agreement` reach after fine-tuning; seeds averaged."""
    means = tuned(agreement).groupby([*MODEL[:-1], "relation", "direction"], observed=True)["mean"].mean().dropna()
    return f"{means.min():.2f} to {means.max():.2f}" if len(means) else "an amount that cannot be computed here"


def _key(tests: pd.DataFrame) -> list[str]:
    """Return the columns that tell which task and link a row is of; a single fine-tuning needs no seed."""
    return ["task", *(["seed"] if tests["seed"].nunique() > 1 else []), "link"]


def _count_heads(tests: pd.DataFrame, chosen: pd.Series) -> dict[str, str]:
    """Count for each relation the heads of which rows are chosen in at least one direction: `12 of 72 heads`."""
    heads = chosen.groupby([tests[name] for name in ("relation", *HEAD)], sort=False, observed=True).any()
    counts = heads.groupby("relation", sort=False, observed=True).agg(["sum", "size"])
    return {relation: f"{n} of {n_heads} heads" for relation, n, n_heads in counts.itertuples()}


# Draw


def draw_heads(table: pd.DataFrame, scores: pd.DataFrame, title: str, outlined: pd.DataFrame) -> alt.VConcatChart:
    """Draw Figure 7: the attention between linked words by head and, below, how much the same head looks at neighbours.

    `table` and `scores` are those of `by_head` and `diagonal_scores`, of one or both runs; seeds are averaged. Heads in
    `outlined` (layer, head and what of the rest matters) are outlined. Menus choose task, link and checkpoint.
    """
    links, scores = averaged(named_links(table), [*DRAWN, *HEAD]), _average_scores(scores)
    upper, menus = head_charts.head_map(links, present(links, *DRAWN), WEIGHT, title, named_links(outlined))
    diagonals = head_charts.packed(scores, present(scores, *DRAWN))
    shared = {name: chosen for name, chosen in menus.items() if name in diagonals}
    below = alt.Title("The same heads: attention to neighbours", anchor="start", fontSize=11)
    lower = head_charts.cells(diagonals, shared, "attention", WEIGHT, "diagonal").properties(title=below)
    return alt.vconcat(upper, lower).add_params(*menus.values())


def draw_diagonal(table: pd.DataFrame, scores: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw each head's attention between linked words against that to neighbours; tables as in `draw_heads`."""
    links = averaged(named_links(table), [*DRAWN, *HEAD])
    key = present(links, *DRAWN)
    both = links[[*key, *HEAD, "mean"]].merge(_average_scores(scores), validate="many_to_one")
    both = both.assign(label=head_charts.labelled(both, key, "mean", N_NAMED))
    axes = {"diagonal": "attention to neighbours (diagonal score)", "mean": f"{WEIGHT} of the link"}
    return head_charts.scatter(both, key, axes, title, tooltip=charts.tooltips([*key, *HEAD], axes))


def draw_verdicts(table: pd.DataFrame, title: str) -> alt.Chart:
    """Draw for each head whether it follows links, neighbours, both or neither, by colour and by symbol.

    `table` is that of `follows`, of one or both runs. Menus choose run and link.
    """
    weights = {"mean": f"{WEIGHT} of the link"} | {name: COMPARED[name] for name in (*NULLS, "neighbour")}
    columns = present(table, "run", *PLACE, "verdict", *weights)
    table = charts.counted_from_one(named_links(table[columns]))
    menus = menus_of(table, "run", "link")
    legend = alt.Legend(orient="bottom", columns=2, title=None)
    scale = SCALES["verdict"]
    return (
        filtered(head_grid(table, title), menus)
        .mark_point(filled=True, opacity=1, size=(STEP - 9) ** 2)
        .encode(
            color=alt.Color("verdict:N", scale=scale, legend=legend),
            shape=alt.Shape("verdict:N", scale=alt.Scale(domain=scale.domain, range=SHAPES), legend=legend),
            tooltip=charts.tooltips(["link", *HEAD, "verdict"], weights, ".3f"),
        )
        .add_params(*menus.values())
    )


def _average_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Average diagonal scores over seeds."""
    key = [*present(scores, *DRAWN), *HEAD]
    return scores.groupby(key, sort=False, observed=True)["diagonal"].mean().reset_index()
