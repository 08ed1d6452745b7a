"""Relation-specific heads (Section 4.2): the attention between the words of a FrameNet frame, Figures 3 and 4.

From top to bottom: what is measured in sentences, averaged over them and tested, which claims of the paper hold, and
the tables and charts. A link runs from a frame's target to one of its elements, or back. It is held against two nulls.
`null` is the same shape of words elsewhere in the sentence: what distance explains. `others` is what the word that is
attended to gets when other words attend: what that word explains, as targets and elements are content words, which get
more from anybody. A head is relation-specific if it beats both in one direction; which of the two is not known
beforehand, and the correction counts both. The larger of both directions, `EITHER`, is the paper's number: it has no
single word that is attended to, so it is averaged but not tested. Layers and heads are counted from 0 in tables and
from 1 in what a reader sees. Explained in the chapter *Relation-specific heads*.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets import reported
from darksecrets.corpora import framenet
from darksecrets.corpora.annotation import Frame, Sentence, Word
from darksecrets.errors import InputError
from darksecrets.estimates import format_correlation
from darksecrets.figures import charts, head_charts
from darksecrets.figures.charts import COMPARED, SCALES, WIDTH, filtered, menus_of, present, wrapped
from darksecrets.figures.views import WEIGHT, map_heatmap
from darksecrets.heads import (
    HEAD,
    INTERVAL,
    NULLS,
    HeadMatrix,
    excess,
    format_excesses,
    head_label,
    head_name,
    of_closer_null,
    pivot_heads,
    standing_out,
)
from darksecrets.models import attention
from darksecrets.models.attended import Text, feed, texts_of
from darksecrets.models.link_attention import (
    LINK,
    MOVED,
    OTHER_DEPENDENT,
    OTHER_HEAD,
    LargestOfPairs,
    LinkAttention,
    Pairs,
    describe_links,
    shapes,
)
from darksecrets.models.setup import Setup
from darksecrets.saved_tables import SavedTables
from darksecrets.statistics import (
    SIGNIFICANT,
    NullPositions,
    averaged,
    interval_of_mean,
    permutation_test,
    rank_correlation,
)
from darksecrets.verdicts import Judgements, all_positive, any_positive, claims_table, every, inside, single

Cell = tuple[int, int]  # of a map: query, key
HeadMap = tuple[int, int, ArrayLike]  # layer, head, map
EITHER = "either"
TESTED = TO_ELEMENT, TO_TARGET = "to_element", "to_target"
DIRECTIONS = {EITHER: "either direction, the larger", TO_ELEMENT: "target to element", TO_TARGET: "element to target"}
# Which null a kind of shape is, and in which directions.
NULL_OF = {MOVED: ("null", TESTED), OTHER_HEAD: ("others", (TO_ELEMENT,)), OTHER_DEPENDENT: ("others", (TO_TARGET,))}
BETWEEN_WORDS, BETWEEN_TOKENS = "between words", "between tokens"
TOKEN_PAIRS, RELEASED = "token_pairs", "released"
RELEASED_LENGTH = 19  # tokens that the released notebook reads: it takes 20 less 3 word pieces, and two special tokens
FEWEST = 5  # sentences from which on a frame or a distance is shown
MOST_FRAMES = 25  # in a chart
N_NAMED = 3  # heads of a scatter plot that have their names beside them
BEATS, DOES_NOT = SCALES["beats"].domain
WEIGHTS = "The heads that stand out have a weight of about 0.2 on the link"
NEAR_WEIGHT = 0.05  # how far from the paper's weights is still "about"
STAND_OUT = "The heads that stand out attend to the link: they beat both nulls"
ANY_HEAD = "Some head attends to frame relations: it beats both nulls"
PAPER = {STAND_OUT: "two heads stand out, {} and {}; no null".format(*reported.FRAME_WEIGHTS), ANY_HEAD: "yes; no null"}
# The sentence of the paper's Figure 4, with its frame.
EXAMPLE = Sentence(
    "He was becoming agitated.",
    (Word("He", 0, 2, ""), Word("was", 3, 6, ""), Word("becoming", 7, 15, ""), Word("agitated", 16, 24, "")),
    {},
    frames=(Frame("Emotion_directed", 3, {"Experiencer": (0, 1)}),),
)


# Measure


def measure(setup: Setup, sentences: Sequence[Sentence]) -> pd.DataFrame:
    """Measure the pre-trained model's attention between a frame's target and each of its core elements (Figure 3).

    One row per sentence, pair (target and element, numbered within the sentence), kind, shift, layer and head: frame,
    element, distance in words, and float32 columns to_element (the target attends to the element), to_target (the
    element to the target) and either, the larger of the two. `kind` and `shift` are those of `link_attention.Shape`:
    "link" is the link itself; "moved" the same shape of words elsewhere; in "other head", another word stands for the
    target, and to_element is what the element gets from it; in "other dependent", other words stand for the element,
    and to_target is what the target gets from them. Raises ValueError for an element that holds its target.
    """
    texts, links = texts_of(setup, sentences), [_links(sentence) for sentence in sentences]
    shapes_of = []
    for text, of_text in zip(texts, links, strict=True):
        taken = {pairs for _, pairs in of_text}
        found = (shapes(link, pairs, text.sentences[0], text.words, taken) for link, (_, pairs) in enumerate(of_text))
        shapes_of.append(list(chain.from_iterable(found)))
    reducer = LinkAttention([text.words for text in texts], shapes_of, keep_shapes=True)
    feed(setup, texts, reducer, "frames")
    described = [[description for description, _ in of_text] for of_text in links]
    kinds = {"frame": "category", "element": "category", "distance": int}
    table = describe_links(reducer.table(), described, kinds).astype({"kind": "category"})
    table = table.rename(
        columns={"example": "sentence", "link": "pair", "to_dependent": TO_ELEMENT, "to_head": TO_TARGET}
    )
    return table.assign(either=table[list(TESTED)].max(axis=1))


def measure_tokens(setup: Setup, sentences: Sequence[Sentence]) -> pd.DataFrame:
    """Measure each sentence's frames token by token: by the paper's text, and by the released notebook.

    One row per sentence, layer and head: float32 columns token_pairs, the largest weight between a token of a target
    and a token of one of its elements in either direction, and released, the weight by `released_pairs` in an input of
    `RELEASED_LENGTH` tokens; NaN where truncation cut the link.
    """
    texts, short = texts_of(setup, sentences), texts_of(setup, sentences, RELEASED_LENGTH)
    by_text = LargestOfPairs([_token_pairs(text) for text in texts])
    by_notebook = LargestOfPairs([released_pairs(text, setup.load().tokenizer) for text in short])
    feed(setup, texts, by_text, "frames by tokens")
    feed(setup, short, by_notebook, "frames as released")
    table = by_text.table().rename(columns={"example": "sentence", "weight": TOKEN_PAIRS})
    return table.assign(**{RELEASED: by_notebook.table()["weight"]})


def released_pairs(text: Text, tokenizer: Tokenizer) -> Pairs:
    """Return the pairs of tokens (element, target) that the released notebook compares in a sentence with frames.

    It cuts a target, and all its elements in their order, into word pieces, pairs the first piece of the elements with
    the first of the target, the second with the second, and so on, and looks each up at the first place where it
    stands. No pairs where truncation cut a piece off.
    """
    (sentence,), ids = text.sentences, text.encoded.input_ids

    def pieces(first: int, after: int) -> list[int]:
        words = sentence.text[sentence.words[first].start : sentence.words[after - 1].end]
        return tokenizer(words, add_special_tokens=False)["input_ids"]

    found: list[tuple[int, int]] = []
    for place in dict.fromkeys(frame.target for frame in sentence.frames):
        spans = [span for frame, _, span in framenet.pairs(sentence) if frame.target == place]
        elements, target = [piece for span in spans for piece in pieces(*span)], pieces(place, place + 1)
        if not {*elements, *target} <= set(ids):
            return ()
        found += [(ids.index(one), ids.index(other)) for one, other in zip(elements, target, strict=False)]
    return tuple(found)


def example(setup: Setup, sentence: Sentence = EXAMPLE) -> tuple[list[str], np.ndarray, set[Cell]]:
    """Return a sentence's tokens, the pre-trained model's maps (layer, head, query, key), and the cells (query, key) in
    which the tokens of its frames' targets and elements meet.
    """
    checkpoint = setup.load()
    tokens, maps = attention.maps_of(checkpoint.encoder(), checkpoint.tokenizer, sentence.text)
    return tokens, maps, set(_token_pairs(*texts_of(setup, [sentence])))


def _links(sentence: Sentence) -> list[tuple[tuple[str, str, int], Pairs]]:
    """Return of each element its frame's name, its own, and its distance; and the pairs (target, word)."""
    links = []
    for frame in sentence.frames:
        for element, span in frame.elements.items():
            distances = [abs(frame.target - word) for word in range(*span)]
            if 0 in distances:
                raise ValueError(f"{frame.name}: the element {element} holds the target itself")
            pairs = tuple((frame.target, word) for word in range(*span))
            links.append(((frame.name, element, min(distances)), pairs))
    return links


def _token_pairs(text: Text) -> Pairs:
    """Return all pairs of a target's token with a token of one of its elements, both ways round."""
    words = [pair for _, pairs in _links(text.sentences[0]) for pair in pairs]
    forth = [(query, key) for target, word in words for query in text.words[target] for key in text.words[word]]
    return tuple(forth + [(key, query) for query, key in forth])


# Summarize


@dataclass(frozen=True)
class RelationTables(SavedTables):
    """What one run measured: `by_head` and `against_nulls`."""

    PREFIX = "frame"

    heads: pd.DataFrame
    specific: pd.DataFrame


def summarize(frames: pd.DataFrame) -> RelationTables:
    """Compute the tables that the claims rest on from that of `measure`."""
    return RelationTables(by_head(frames), against_nulls(frames))


def by_head(frames: pd.DataFrame) -> pd.DataFrame:
    """Average the links' weights over sentences: direction, layer, head, mean, low, high, n (sentences).

    The pairs of a sentence are averaged first; the interval is a t-interval over sentences.
    """
    directions = (*TESTED, EITHER)
    links = pivot_heads(frames[frames["kind"] == LINK], ["sentence", "pair"], directions)
    tables = [links.means(direction, "sentence").assign(direction=direction) for direction in directions]
    return pd.concat(tables, ignore_index=True)[["direction", *HEAD, "mean", "low", "high", "n"]]


def by_measure(heads: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """Put three measures of the same links beside each other: measure, layer, head, mean, low, high, n (sentences).

    "between words" is the larger of both directions by `by_head`. The others are those of `tokens`, one row per
    sentence, layer and head (`measure_tokens`): "between tokens", the text of Section 4.2 to the letter, and
    "released". Sentences whose link truncation cut are left out; the interval is a t-interval over sentences.
    """
    tables = {BETWEEN_WORDS: heads[heads["direction"] == EITHER]}
    for measure, column in {BETWEEN_TOKENS: TOKEN_PAIRS, RELEASED: RELEASED}.items():
        tables[measure] = pivot_heads(tokens, ["sentence"], [column]).dropna(column).means(column, "sentence")
    table = pd.concat([found.assign(measure=measure) for measure, found in tables.items()], ignore_index=True)
    return table[["measure", *HEAD, "mean", "low", "high", "n"]]


def against_nulls(frames: pd.DataFrame, n_permutations: int = 10_000, seed: int = 0) -> pd.DataFrame:
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
    shapes_of = pivot_heads(frames, ["sentence", "pair", "kind", "shift"], TESTED)
    positions = {kind: _shared_positions(shapes_of, kind) for kind in NULL_OF}
    tested = set.intersection(*(set(found.units["sentence"]) for found in positions.values()))
    if not tested:
        raise InputError(
            "in none of the sentences could other words stand for the linked ones; give more, or longer ones"
        )
    sets, columns = [], {direction: {} for direction in TESTED}
    for kind, (null, directions) in NULL_OF.items():
        found = positions[kind].select(positions[kind].units["sentence"].isin(tested))
        codes, _ = pd.factorize(found.units["sentence"])
        is_link = (found.units["kind"] == LINK).to_numpy()
        for direction in directions:
            weights = found.values[direction]
            link, other = (averaged(weights[rows], codes[rows]) for rows in (is_link, ~is_link))
            interval = dict(zip(INTERVAL, interval_of_mean(link - other), strict=True))
            columns[direction] |= {"mean": link.mean(0), null: other.mean(0)}
            columns[direction] |= {NULLS[null] + end: bound for end, bound in interval.items()}
        weights = np.hstack([found.values[direction] for direction in directions])
        sets.append(NullPositions(weights, codes, is_link))
    _, p_corrected = permutation_test(*sets, n_permutations=n_permutations, seed=seed)
    p_null, p_others = p_corrected.reshape(len(NULLS), -1)
    # A head that beats both nulls beats the one that is harder to beat.
    p_both = np.maximum(p_null, p_others)
    tests = [shapes_of.table(direction=direction, **compared) for direction, compared in columns.items()]
    tests = pd.concat(tests, ignore_index=True).assign(p_corrected=p_both, beats_null=p_null < SIGNIFICANT)
    tests = tests.assign(specific=p_both < SIGNIFICANT, n_tested=len(tested))
    return tests[["direction", *tests.columns.drop("direction")]]


def _shared_positions(shapes_of: HeadMatrix, kind: str) -> HeadMatrix:
    """Return the positions that all links of a sentence can take together, their weights averaged, a row per position:
    the links' own and those of one `kind`. Sentences with a single one are left out.
    """
    shapes_of = shapes_of.select(shapes_of.units["kind"].isin([LINK, kind]))
    units, key = shapes_of.units, ["sentence", "kind", "shift"]
    n_links = units.groupby("sentence")["pair"].transform("nunique")
    together = units.groupby(key, observed=True)["pair"].transform("size") == n_links
    n_positions = together.groupby([units["sentence"], units["pair"]]).transform("sum")
    shapes_of = shapes_of.select(together & (n_positions > 1))
    codes = shapes_of.units.groupby(key, sort=False, observed=True).ngroup().to_numpy()
    values = {name: averaged(values, codes) for name, values in shapes_of.values.items()}
    return HeadMatrix(shapes_of.units[key].drop_duplicates().reset_index(drop=True), shapes_of.heads, values)


def by_group(
    frames: pd.DataFrame, heads: Sequence[tuple[int, int]], column: str, direction: str | None = None
) -> pd.DataFrame:
    """Average chosen heads (layer, head) over the links of each frame or each distance, which `column` names.

    Columns layer, head, direction, `column`, quantity ("link", or one of `NULLS`), mean, low, high, n (sentences);
    frames with the most frequent first, distances with the smallest. All three quantities are of the links that have
    both nulls; what has fewer than five such sentences is left out. `direction` is to_element or to_target; by default,
    for each head the one in which it has more weight on links.
    """
    rows = []
    for layer, head in heads:
        of_head = frames[(frames["layer"] == layer) & (frames["head"] == head)]
        toward = direction or of_head.loc[of_head["kind"] == LINK, list(TESTED)].mean().idxmax()
        quantities = {LINK: LINK} | {kind: null for kind, (null, tested) in NULL_OF.items() if toward in tested}
        weights = of_head.assign(quantity=of_head["kind"].map(quantities)).dropna(subset="quantity")
        of_link = weights.groupby(["sentence", "pair", column, "quantity"], observed=True)[toward].mean().unstack()
        of_sentence = of_link.dropna().groupby(["sentence", column], observed=True).mean().stack()
        for key, values in of_sentence.groupby([column, "quantity"]):
            if len(values) >= FEWEST:
                rows.append((layer, head, toward, *key, *map(float, interval_of_mean(values)), len(values)))
    table = pd.DataFrame(rows, columns=[*HEAD, "direction", column, "quantity", "mean", "low", "high", "n"])
    order, ascending = ("n", False) if column == "frame" else (column, True)
    return table.sort_values(order, ascending=ascending, kind="stable").reset_index(drop=True)


# Judge


def judge(run: RelationTables) -> Judgements:
    """Judge the claims of Section 4.2.

    A head attends to the link if it beats both nulls in one direction (`specific`, corrected for all heads); it does
    not if in both directions there is a null from which the interval of the difference stays below 0.01. Heads stand
    out by the paper's number, the larger of both directions; whether that is about the paper's is for the ledger only.
    """
    heads, chosen = better_direction(run.specific), outstanding(run.heads)
    ends = min(reported.FRAME_WEIGHTS) - NEAR_WEIGHT, max(reported.FRAME_WEIGHTS) + NEAR_WEIGHT
    near = every(inside(row, *ends) for row in chosen.to_dict("records"))
    means = ", ".join(f"{label}: {mean:.3f}" for label, mean in zip(head_label(chosen), chosen["mean"], strict=True))
    chosen = chosen.merge(heads, on=HEAD, suffixes=("_either", ""))
    weights = ", ".join(
        f"{head_name(row['layer'], row['head'])}: {row['mean_either']:.3f}, {row['excess']:+.3f} beside the closer null"
        for row in chosen.to_dict("records")
    )
    n_chosen = f"{chosen['specific'].sum()} of {len(chosen)} heads"
    n_heads = f"{heads['specific'].sum()} of {len(heads)} heads"
    return {
        WEIGHTS: single(near.verdict, means),
        STAND_OUT: single(all_positive(chosen), n_chosen, f"{n_chosen}; {weights}"),
        ANY_HEAD: single(any_positive(heads), n_heads, f"{n_heads}; {heads['n_tested'].iloc[0]} sentences tested"),
    }


def claims(this_run: RelationTables, reference: RelationTables | None = None) -> pd.DataFrame:
    """Build the table of claims of Section 4.2 (`judge`): claim, paper, reference run, this run."""
    return claims_table(PAPER, judge(this_run), judge(reference) if reference else None)


def outstanding(heads: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `by_head` beyond the 99th percentile, direction "either", as the paper selects its heads."""
    return standing_out(heads[heads["direction"] == EITHER])


def better_direction(tests: pd.DataFrame) -> pd.DataFrame:
    """Join both directions: layer, head, `specific` and `beats_null` (in one of them), `high`.

    `high` is the smaller upper bound of the two differences, in the direction in which that is larger. The other
    columns are those of the direction in which the head exceeds both nulls most, and by how much: `excess`.
    """
    best = tests.assign(high=of_closer_null(tests, "high"), excess=excess).sort_values("excess", ascending=False)
    any_of = best.groupby(HEAD)[["specific", "beats_null", "high"]].max()
    rest = best.drop_duplicates(HEAD).drop(columns=any_of.columns)
    return rest.merge(any_of.reset_index(), on=HEAD, validate="one_to_one").sort_values(HEAD, ignore_index=True)


def frame_readings(runs: Mapping[str, RelationTables]) -> pd.DataFrame:
    """Compare choices of sentences with the first of them: one row for each of the others.

    Columns first, other (their names), `mean`, `low`, `high` (Spearman's correlation of heads' weights, with its
    bootstrap interval over heads), n_first, n_other (heads that beat both nulls), n_heads.
    """
    weights, n_specific = {}, {}
    for name, run in runs.items():
        heads = run.heads[run.heads["direction"] == EITHER]
        weights[name] = heads.sort_values(HEAD)["mean"].to_numpy()
        n_specific[name] = int(better_direction(run.specific)["specific"].sum())
    rows, (first, *others) = [], runs
    for other in others:
        correlation = rank_correlation(weights[first], weights[other])
        rows.append((first, other, *correlation, n_specific[first], n_specific[other], len(weights[first])))
    return pd.DataFrame(rows, columns=["first", "other", "mean", "low", "high", "n_first", "n_other", "n_heads"])


def example_heads(heads: pd.DataFrame, n_heads: int = 2) -> list[tuple[int, int]]:
    """Return the heads (layer, head) with the most weight on links, for the paper's Figure 4; direction "either"."""
    most = heads[heads["direction"] == EITHER].nlargest(n_heads, "mean")
    return list(most[HEAD].itertuples(index=False, name=None))


# Tables and titles


def specific_table(tests: pd.DataFrame, n_heads: int = 10) -> pd.DataFrame:
    """Build the table of the heads and directions that exceed both nulls most, from that of `against_nulls`.

    Columns direction, head ("layer-head"), link, by how much it is above each null, p corrected, beats both?
    """
    shown = tests.assign(excess=excess).nlargest(n_heads, "excess").reset_index(drop=True)
    return pd.DataFrame(
        {
            "direction": shown["direction"].str.replace("_", " "),
            "head": head_label(shown),
            "link": shown["mean"],
            **format_excesses(shown),
            "p corrected": shown["p_corrected"].map("{:.4f}".format),
            "beats both?": np.where(shown["specific"], "yes", "no"),
        }
    )


def readings_table(runs: Mapping[str, RelationTables]) -> pd.DataFrame:
    """Compare the same model on several choices of sentences, the first of which is what others are correlated with.

    Columns: reading, sentences, heads that beat both nulls, the most that a head gives the links (direction "either"),
    and the rank correlation of that weight over heads with its bootstrap interval.
    """
    heads = [run.heads[run.heads["direction"] == EITHER] for run in runs.values()]
    table = pd.DataFrame([_compared(of_run, heads[0]) for of_run in heads]).assign(reading=list(runs))
    n_specific = [int(better_direction(run.specific)["specific"].sum()) for run in runs.values()]
    table["heads that beat both nulls"] = n_specific
    return table[["reading", "sentences", "heads that beat both nulls", "most weight", "rank correlation"]]


def measures_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Compare `by_measure` of one or both runs (`side_by_side`), each with its first measure.

    Columns: run, measure, sentences, the average weight over heads, the most that a head gives the links, and the rank
    correlation with the run's first measure over heads, with its bootstrap interval.
    """
    groups = dict(list(measures.groupby(["run", "measure"], sort=False)))
    first = {run: group for (run, _), group in reversed(groups.items())}
    table = pd.DataFrame([_compared(group, first[run]) for (run, _), group in groups.items()])
    table[["run", "measure"]] = list(groups)
    return table[["run", "measure", "sentences", "average head", "most weight", "rank correlation"]]


def _compared(heads: pd.DataFrame, first: pd.DataFrame) -> dict[str, object]:
    """Compare a mean per head with the `first` one of the same heads."""
    heads, first = heads.sort_values(HEAD), first.sort_values(HEAD)
    top = heads.loc[heads["mean"].idxmax()]
    return {
        "sentences": int(heads["n"].iloc[0]),
        "average head": f"{heads['mean'].mean():.3f}",
        "most weight": f"{top['mean']:.3f} ({head_name(top['layer'], top['head'])})",
        "rank correlation": format_correlation(*rank_correlation(first["mean"], heads["mean"])),
    }


def finding(tests: pd.DataFrame) -> str:
    """Return how many heads beat both nulls in one direction, and how many others the first alone, for a title."""
    heads = better_direction(tests)
    n_first = int((heads["beats_null"] & ~heads["specific"]).sum())
    both = f"{heads['specific'].sum()} of {len(heads)} heads beat both nulls in some direction"
    return f"{both}, {n_first} the first alone"


def outstanding_finding(heads: pd.DataFrame) -> str:
    """Return which heads stand out, and how far, beside the paper's, for a title."""
    here = ", ".join(f"{head_name(row.layer, row.head)} ({row.mean:.3f})" for row in outstanding(heads).itertuples())
    paper = " and ".join(f"{weight:.3f}" for weight in reported.FRAME_WEIGHTS)
    return f"Beyond the 99th percentile: {here or 'no head'}; the paper has two heads, {paper}"


def group_finding(table: pd.DataFrame, column: str, plural: str) -> str:
    """Return in how many frames or distances the first head of a table of `by_group` exceeds both nulls, for a title.

    `column` is what the table tells apart.
    """
    if not len(table):
        return f"There are too few sentences of any {column}"
    layer, head = table[HEAD].iloc[0]
    own = table[(table["layer"] == layer) & (table["head"] == head)]
    means = own.pivot(index=column, columns="quantity", values="mean").dropna()
    exceeds = means[LINK] > means.drop(columns=LINK).max(axis=1)
    return f"Head {layer + 1}-{head + 1} gives links more than both nulls in {exceeds.sum()} of {len(means)} {plural}"


def example_finding(layer: int, head: int, weights: np.ndarray, tokens: Sequence[str], linked: Collection[Cell]) -> str:
    """Return what a head (from 0) gives a link in one sentence, beside what other tokens give its word, for a title.

    `weights` is the map (query, key); of the `linked` cells the largest counts. Special tokens at both ends are left
    out.
    """
    query, key = max(linked, key=lambda cell: weights[cell])
    others = [weights[token, key] for token in range(1, len(tokens) - 1) if token not in (query, key)]
    gives = f"Head {layer + 1}-{head + 1}: “{tokens[query]}” gives “{tokens[key]}” {weights[query, key]:.2f}"
    return f"{gives}, other tokens {np.mean(others):.2f}" if others else gives


# Draw


def draw_heads(table: pd.DataFrame, title: str, outlined: pd.DataFrame) -> alt.LayerChart:
    """Draw Figure 3: the attention between the linked words by head; a menu chooses the direction.

    `table` is that of `by_head`, of one or both runs. Heads in `outlined` (layer, head and, if it matters, direction)
    are outlined.
    """
    key = present(table, "run", "direction")
    table, outlined = _name_directions(table), _name_directions(outlined)
    chart, menus = head_charts.head_map(table, key, f"{WEIGHT} of the link", title, outlined)
    return chart.add_params(*menus.values())


def draw_nulls(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw each head's weight of the links against the closer of two nulls, the one that has more weight.

    `table` is that of `against_nulls`, of one or both runs. The heads that beat both nulls are coloured, and those
    furthest above the closer one named. A menu chooses the direction, at first the one in which more heads do.
    """
    key = present(table, "run", "direction")
    specific, closer = table["specific"].astype(bool), table[list(NULLS)].max(axis=1)
    label = head_charts.labelled(table.assign(above=table["mean"] - closer), key, "above", N_NAMED, specific)
    axes = {"closer": "weight of the closer null", "mean": f"{WEIGHT} of the link"}
    told = {"mean": axes["mean"]}
    for null, before in NULLS.items():
        low, high = f"link minus {COMPARED[null]}, 95 % interval from", f"{COMPARED[null]}, to"
        told |= {null: COMPARED[null], f"{before}low": low, f"{before}high": high}
    told |= {"p_corrected": "p, corrected"}
    columns = [*key, *HEAD, "mean", *NULLS, *(name for name in told if name.endswith(("low", "high"))), "p_corrected"]
    heads = table[columns].assign(closer=closer, beats=np.where(specific, BEATS, DOES_NOT), label=label)
    heads = _name_directions(heads)
    legend = alt.Legend(orient="bottom", title=None)
    symbols = alt.Scale(domain=[BEATS, DOES_NOT], range=["diamond", "circle"])
    return head_charts.scatter(
        heads,
        key,
        axes,
        title,
        first=tuple(heads.loc[heads["beats"] == BEATS, "direction"].mode()),
        color=alt.Color("beats:N", scale=SCALES["beats"], legend=legend),
        shape=alt.Shape("beats:N", scale=symbols, legend=legend),
        tooltip=charts.tooltips([*key, *HEAD, "beats"], told),
    )


def draw_frames(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw a head's weight of the links of each frame beside the nulls', with intervals; a menu chooses the head.

    `table` is that of `by_group`, by frame. Of many frames, those with most sentences are shown.
    """
    largest = table.groupby("frame", sort=False, observed=True)["n"].max().nlargest(MOST_FRAMES).index
    table = table[table["frame"].isin(largest)]
    table = head_charts.compared(table.assign(direction=table["direction"].map(DIRECTIONS)))
    menus = menus_of(table, "head")
    order = table.sort_values("mean", ascending=False)["frame"].drop_duplicates()
    base = filtered(alt.Chart(table, width=WIDTH - 60, height=alt.Step(8), title=wrapped(title)), menus).encode(
        y=alt.Y("frame:N", title=None, sort=list(order), axis=alt.Axis(labelLimit=150)),
        yOffset=alt.YOffset("compared:N", sort=SCALES["compared"].domain),
        color=head_charts.compared_colour(table),
        tooltip=["frame:N", "head:N", "direction:N", "compared:N", "n:Q", *charts.interval_tooltips(WEIGHT)],
    )
    intervals, points = charts.dots(base, WEIGHT)
    return alt.layer(intervals, points.encode(shape=head_charts.COMPARED_SHAPE)).add_params(*menus.values())


def draw_example(
    maps: Sequence[HeadMap], tokens: Sequence[str], linked: Collection[Cell], title: str
) -> alt.ConcatChart:
    """Draw Figure 4: maps of one sentence, each with its layer and head (from 0), one below the other.

    The cells in `linked`, places of a token attending and a token attended to, are outlined.
    """
    cells = [query * len(tokens) + key for query, key in linked]
    pictures = []
    for layer, head, weights in maps:
        name = alt.Title(f"layer {layer + 1}, head {head + 1}", anchor="start")
        picture = map_heatmap(weights, tokens, "").properties(title=name)
        outlines = alt.Chart(picture.data.iloc[cells]).encode(x=picture.encoding.x, y=picture.encoding.y)
        outlines = outlines.mark_rect(filled=False, stroke=head_charts.OUTLINE, strokeWidth=2.5)
        pictures.append(alt.layer(picture, outlines))
    return alt.concat(*pictures, columns=1, title=wrapped(title), spacing=30)


def _name_directions(table: pd.DataFrame) -> pd.DataFrame:
    """Name directions as a reader understands them, the larger of both first."""
    ordered = table.sort_values("direction", key=lambda column: column.map(list(DIRECTIONS).index), kind="stable")
    return ordered.assign(direction=ordered["direction"].map(DIRECTIONS))
