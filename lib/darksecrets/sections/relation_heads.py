"""Section 4.2 in tables: the weight that heads put on FrameNet links, and whether relations are what explains it.

`frames` has one row per sentence, pair, kind, shift, layer and head. A link is held against two nulls, as in Section
4.5 (`link_distance`). `null` is the same shape of words elsewhere in the sentence: what distance explains. `others` is
what the word that is attended to gets when other words attend: what that word explains, as targets and elements are
content words, which get more from anybody. A head is relation-specific if it beats both in one direction, from target
to element or from element to target; which of the two is not known beforehand, and the correction counts both. The
larger of both directions, `EITHER`, is the paper's number: it has no single word that is attended to, so it is
averaged but not tested. Explained in the chapter *Relation-specific heads*.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from darksecrets import reported
from darksecrets.errors import InputError
from darksecrets.heads import HEAD, HeadMatrix, head_name, pivot_heads, standing_out
from darksecrets.models.link_attention import LINK, MOVED, OTHER_DEPENDENT, OTHER_HEAD
from darksecrets.saved import SavedTables
from darksecrets.sections.frame_attention import RELEASED, TOKEN_PAIRS
from darksecrets.sections.link_distance import INTERVAL, NULLS, excess, smaller
from darksecrets.statistics import SIGNIFICANT, NullPositions, averaged, interval_of_mean, permutation_test
from darksecrets.verdicts import all_positive, any_positive

EITHER = "either"
BETWEEN_WORDS, BETWEEN_TOKENS = "between words", "between tokens"
TO_ELEMENT, TO_TARGET = "to_element", "to_target"
TESTED = (TO_ELEMENT, TO_TARGET)
DIRECTIONS = (*TESTED, EITHER)
# Which null a kind of shape is, and in which directions.
NULL_OF = {MOVED: ("null", TESTED), OTHER_HEAD: ("others", (TO_ELEMENT,)), OTHER_DEPENDENT: ("others", (TO_TARGET,))}
FEWEST = 5  # sentences from which on a frame or a distance is shown
STAND_OUT = "The heads that stand out attend to the link: they beat both nulls"
ANY_HEAD = "Some head attends to frame relations: it beats both nulls"
PAPER = {STAND_OUT: "two heads stand out, {} and {}; no null".format(*reported.FRAME_WEIGHTS), ANY_HEAD: "yes; no null"}


@dataclass(frozen=True)
class Measured(SavedTables):
    """What one run measured: `by_head` and `specific`."""

    PREFIX = "frame"

    heads: pd.DataFrame
    specific: pd.DataFrame


def measured(frames: pd.DataFrame) -> Measured:
    """Compute the tables that the claims rest on."""
    return Measured(by_head(frames), specific(frames))


def by_head(frames: pd.DataFrame) -> pd.DataFrame:
    """Average the links' weights over sentences: direction, layer, head, mean, low, high, n (sentences).

    The pairs of a sentence are averaged first; the interval is a t-interval over sentences.
    """
    links = pivot_heads(frames[frames["kind"] == LINK], ["sentence", "pair"], DIRECTIONS)
    return pd.concat([_averages(links, name).assign(direction=name) for name in DIRECTIONS], ignore_index=True)[
        ["direction", *HEAD, "mean", "low", "high", "n"]
    ]


def by_measure(heads: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """Put three measures of the same links beside each other: measure, layer, head, mean, low, high, n (sentences).

    "between words" is the larger of both directions by `by_head`. The others are those of `tokens`, one row per
    sentence, layer and head (`frame_attention.token_measures`): "between tokens", the text of Section 4.2 to the
    letter, and "released". Sentences whose link truncation cut are left out; the interval is a t-interval over
    sentences.
    """
    tables = [heads[heads["direction"] == EITHER].assign(measure=BETWEEN_WORDS)]
    for measure, column in ((BETWEEN_TOKENS, TOKEN_PAIRS), (RELEASED, RELEASED)):
        tables.append(
            _averages(pivot_heads(tokens, ["sentence"], [column]).dropna(column), column).assign(measure=measure)
        )
    return pd.concat(tables, ignore_index=True)[["measure", *HEAD, "mean", "low", "high", "n"]]


def specific(frames: pd.DataFrame, n_permutations: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Test whether a head attends to links more than both nulls: the comparison the paper lacks.

    One row per direction (to_element, to_target), layer and head: `mean`, the links' weight; `null`, that of the same
    shape at other places; `others`, what the attended word gets when other words attend; `difference` from `null` with
    `low` and `high`, its t-interval over sentences, and `others_difference`, `others_low`, `others_high` from `others`.
    `p_corrected` is the larger of the two nulls' p of `permutation_test`, each corrected over heads, directions and
    nulls: that any head is wrongly said to beat both has a chance of .05 at most. `specific`, whether it is below .05;
    `beats_null`, whether that of `null` alone is; `n_tested`. The links of a sentence move together, so its places are
    those that all of them can take. Only sentences that have such a place for every null are tested; raises InputError
    where none has.
    """
    shapes = pivot_heads(frames, ["sentence", "pair", "kind", "shift"], TESTED)
    places = {kind: _places(shapes, kind) for kind in NULL_OF}
    tested = set.intersection(*(set(found.units["sentence"]) for found in places.values()))
    if not tested:
        raise InputError(
            "in none of the sentences could other words stand for the linked ones; give more, or longer ones"
        )
    sets, columns = [], {direction: {} for direction in TESTED}
    for kind, (null, directions) in NULL_OF.items():
        found = places[kind].select(places[kind].units["sentence"].isin(tested))
        codes, _ = pd.factorize(found.units["sentence"])
        is_link = (found.units["kind"] == LINK).to_numpy()
        for direction in directions:
            columns[direction] |= _compared(found.values[direction], codes, is_link, null)
        sets.append(NullPositions(np.hstack([found.values[direction] for direction in directions]), codes, is_link))
    _, p_corrected = permutation_test(*sets, n_permutations=n_permutations, seed=seed)
    p_null, p_others = p_corrected.reshape(len(NULLS), -1)
    # A head that beats both nulls beats the one that is harder to beat.
    p_both = np.maximum(p_null, p_others)
    tests = [shapes.table(direction=direction, **compared) for direction, compared in columns.items()]
    tests = pd.concat(tests, ignore_index=True).assign(p_corrected=p_both, beats_null=p_null < SIGNIFICANT)
    tests = tests.assign(specific=p_both < SIGNIFICANT, n_tested=len(tested))
    return tests[["direction", *tests.columns.drop("direction")]]


def by_frame(frames: pd.DataFrame, heads: Sequence[tuple[int, int]], direction: str | None = None) -> pd.DataFrame:
    """Average chosen heads (layer, head) over the links of each frame, the most frequent first.

    Columns layer, head, direction, frame, quantity ("link", or one of `NULLS`), mean, low, high, n (sentences). All
    three quantities are of the links that have both nulls; frames with fewer than five such sentences are left out.
    `direction` is to_element or to_target; by default, for each head the one in which it has more weight on links.
    """
    table = _by(frames, heads, direction, "frame")
    return table.sort_values("n", ascending=False, kind="stable").reset_index(drop=True)


def by_distance(frames: pd.DataFrame, heads: Sequence[tuple[int, int]], direction: str | None = None) -> pd.DataFrame:
    """Average chosen heads over the links of each distance in words; columns as in `by_frame`, with distance."""
    return _by(frames, heads, direction, "distance").sort_values("distance", kind="stable").reset_index(drop=True)


def claims(this_run: Measured, reference: Measured | None = None) -> pd.DataFrame:
    """Sum Section 4.2 up: claim, paper, reference run, this run.

    A head attends to the link if it beats both nulls in one direction (`specific`, corrected for all heads); it does
    not if in both directions there is a null from which the interval of the difference stays below 0.01. Heads stand
    out by the paper's number, the larger of both directions.
    """
    cells = [{} if run is None else _of_run(run) for run in (reference, this_run)]
    rows = [(claim, PAPER[claim], *(of_run.get(claim) for of_run in cells)) for claim in PAPER]
    return pd.DataFrame(rows, columns=["claim", "paper", "reference run", "this run"]).astype(object)


def heads_standing_out(heads: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `by_head` beyond the 99th percentile, direction "either", as the paper selects its heads."""
    return standing_out(heads[heads["direction"] == EITHER])


def of_heads(tests: pd.DataFrame) -> pd.DataFrame:
    """Join both directions: layer, head, `specific` and `beats_null` (in one of them), `high`.

    `high` is the smaller upper bound of the two differences, in the direction in which that is larger. The other
    columns are those of the direction in which the head exceeds both nulls most, and by how much: `excess`.
    """
    best = tests.assign(high=smaller(tests, "high"), excess=excess).sort_values("excess", ascending=False)
    any_of = best.groupby(HEAD)[["specific", "beats_null", "high"]].max()
    rest = best.drop_duplicates(HEAD).drop(columns=any_of.columns)
    return rest.merge(any_of.reset_index(), on=HEAD, validate="one_to_one").sort_values(HEAD, ignore_index=True)


def judged(run: Measured) -> dict[str, tuple[str, str]]:
    """Judge the statements of Section 4.2 (see `claims`): for each its verdict, and what it rests on in words."""
    heads = of_heads(run.specific)
    chosen = heads_standing_out(run.heads).merge(heads, on=HEAD, suffixes=("_either", ""))
    weights = ", ".join(
        f"{head_name(row['layer'], row['head'])}: {row['mean_either']:.3f}, {row['excess']:+.3f} beside the closer null"
        for row in chosen.to_dict("records")
    )
    n_specific, n_tested = int(heads["specific"].sum()), int(heads["n_tested"].iloc[0])
    return {
        STAND_OUT: (all_positive(chosen), f"{int(chosen['specific'].sum())} of {len(chosen)} heads; {weights}"),
        ANY_HEAD: (any_positive(heads), f"{n_specific} of {len(heads)} heads; {n_tested} sentences tested"),
    }


def _of_run(run: Measured) -> dict[str, str]:
    return {claim: f"{judgement} ({evidence})" for claim, (judgement, evidence) in judged(run).items()}


def _places(shapes: HeadMatrix, kind: str) -> HeadMatrix:
    """Return the places that all links of a sentence can take together, their weights averaged, a row per place.

    NullPositions are the link's own and those of one `kind`. Sentences with a single place are left out.
    """
    shapes = shapes.select(shapes.units["kind"].isin([LINK, kind]))
    place = ["sentence", "kind", "shift"]
    n_links = shapes.units.groupby("sentence")["pair"].transform("nunique")
    together = shapes.units.groupby(place, observed=True)["pair"].transform("size") == n_links
    n_places = together.groupby([shapes.units["sentence"], shapes.units["pair"]]).transform("sum")
    shapes = shapes.select(together & (n_places > 1))
    codes = shapes.units.groupby(place, sort=False, observed=True).ngroup().to_numpy()
    values = {name: averaged(values, codes) for name, values in shapes.values.items()}
    return HeadMatrix(shapes.units[place].drop_duplicates().reset_index(drop=True), shapes.heads, values)


def _compared(weights: np.ndarray, codes: np.ndarray, is_link: np.ndarray, null: str) -> dict[str, np.ndarray]:
    """Compare the links among places with the others, sentence by sentence: the columns of a null, each (head,)."""
    link, other = (averaged(weights[rows], codes[rows]) for rows in (is_link, ~is_link))
    interval = zip(INTERVAL, interval_of_mean(link - other), strict=True)
    return {"mean": link.mean(0), null: other.mean(0)} | {NULLS[null] + end: bound for end, bound in interval}


def _by(frames: pd.DataFrame, heads: Sequence[tuple[int, int]], direction: str | None, column: str) -> pd.DataFrame:
    rows = []
    for layer, head in heads:
        group = frames[(frames["layer"] == layer) & (frames["head"] == head)]
        links = group[group["kind"] == LINK]
        toward = direction or links[list(TESTED)].mean().idxmax()
        weights = group.assign(quantity=group["kind"].map(_quantities(toward))).dropna(subset="quantity")
        of_link = weights.groupby(["sentence", "pair", column, "quantity"], observed=True)[toward].mean().unstack()
        of_sentence = of_link.dropna().groupby(["sentence", column], observed=True).mean().stack()
        for key, values in of_sentence.groupby([column, "quantity"]):
            if len(values) >= FEWEST:
                rows.append((layer, head, toward, *key, *map(float, interval_of_mean(values)), len(values)))
    return pd.DataFrame(rows, columns=[*HEAD, "direction", column, "quantity", "mean", "low", "high", "n"])


def _quantities(direction: str) -> dict[str, str]:
    """Name what the kinds of shapes measure in a direction."""
    return {LINK: "link"} | {kind: null for kind, (null, directions) in NULL_OF.items() if direction in directions}


def _averages(links: HeadMatrix, column: str) -> pd.DataFrame:
    codes, sentences = pd.factorize(links.units["sentence"])
    mean, low, high = interval_of_mean(averaged(links.values[column], codes))
    return links.table(mean=mean, low=low, high=high, n=len(sentences))
