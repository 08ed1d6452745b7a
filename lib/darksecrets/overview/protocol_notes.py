"""Where paper, figures and released notebook disagree: a list of notes, each with its measured effect.

A note says where the disagreement is, what we take for the reading `paper` and what for `released`, which effects are
measured on which tables of a run, and which figures and tables of the book show it. Explained in the appendix
*Protocol notes*.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from darksecrets import reported
from darksecrets.chapters import SECTIONS, prefix_of
from darksecrets.models.attended import RELEASED_LENGTH
from darksecrets.models.attention import MAX_LENGTH
from darksecrets.overview import protocol_effects
from darksecrets.overview.protocol_tables import BY_LAYER, FEATURES, FRAMES, LINKS
from darksecrets.runs import Run
from darksecrets.saved import SavedTables
from darksecrets.sections import feature_claims
from darksecrets.sections.disabling import DisablingTables
from darksecrets.side_by_side import REFERENCE_RUN, THIS_RUN

NOT_MEASURED = "not measured"
SCORES, LAST_TWO, BASELINE = "tuning_scores", "tuning_last_two", "disabling_baseline"
LENGTHS = "feature_lengths"
SEED_BY_SEED, FRAME_READINGS = "protocol_last_two", "protocol_frames"  # saved for these notes alone

Needed = str | type[SavedTables]


class Effect(NamedTuple):
    """A function that puts an effect in words, or gives None, and the tables of a run that it takes."""

    measure: Callable[..., str | None]
    needs: tuple[Needed, ...]


class Note(NamedTuple):
    """A disagreement: a short name for the prose, where it is, what disagrees, what we take for the readings `paper`
    and `released`, its effects, and the names of figures and tables that show it (with spaces between them).
    """

    name: str
    where: str
    what: str
    paper: str
    released: str | None
    effects: tuple[Effect, ...]
    see: str


_GAPS = protocol_effects.paper_gaps()
_LOWEST = reported.LOWEST_SCORES["SST-2"]

NOTES = (
    Note(
        "baselines",
        "Table 1; Figures 8 and 9",
        f"the scores with nothing disabled are not those of the table: {100 * min(_GAPS.values()):.1f} to "
        f"{100 * max(_GAPS.values()):.1f} points apart, in the metric in which they are closer",
        "one fine-tuned model for both",
        None,
        (Effect(protocol_effects.two_scores, (SCORES, BASELINE)),),
        "table-scores figure-disabled-layers",
    ),
    Note(
        "below_chance",
        "Figure 8",
        f"one head drops SST-2 to about {_LOWEST:.2f}, which with two classes is below chance",
        "one head disabled, everything else as it was",
        None,
        (Effect(protocol_effects.lowest_score, (DisablingTables,)),),
        "figure-disabled-heads table-disabling-claims",
    ),
    Note(
        "correlation",
        "Table 1",
        "the score of STS-B is printed as an accuracy, though the task has no classes",
        "Pearson's correlation",
        None,
        (Effect(protocol_effects.correlations, (SCORES,)),),
        "table-scores",
    ),
    Note(
        "last_layers",
        "Section 4.3, Figure 5",
        "that the last two layers change most is read by eye, from one fine-tuning",
        "each of the last two layers against each before them, with an interval",
        None,
        (
            Effect(protocol_effects.last_layers, (BY_LAYER, LAST_TWO)),
            Effect(protocol_effects.seed_by_seed, (SEED_BY_SEED,)),
        ),
        "figure-change table-last-two",
    ),
    Note(
        "padding",
        "Figure 5; notebook",
        "maps are compared at 200 x 200, and the rows of the padding are counted",
        "the maps of the real tokens",
        "the padded maps",
        (Effect(protocol_effects.padding, (BY_LAYER,)),),
        "figure-readings",
    ),
    Note(
        "absent_words",
        "Section 4.4, Figure 6; notebook",
        "an example without a kind of word is skipped in the text, and counts as 0 in the notebook; only without a "
        "negation is it skipped in both",
        "it is skipped",
        "it counts as 0; without a negation it is skipped",
        (Effect(protocol_effects.absent_as_zero, (FEATURES,)),),
        "figure-feature-readings",
    ),
    Note(
        "spelling",
        "Section 4.4, Figure 6; notebook",
        "words are found by the spelling of their pieces, and negations as substrings, so that an example with “not” "
        "in “another” alone counts as 0",
        "a word is where it stands, and receives what its pieces receive together",
        "every token spelled like a piece of such a word counts, each by itself",
        (Effect(protocol_effects.found_by_spelling, (FEATURES,)),),
        "figure-feature-readings table-feature-claims",
    ),
    Note(
        "separators",
        "Section 4.4; notebook",
        "the larger of two separators is taken, and SST-2 is explained by having only one, which is about shares",
        "the larger of the two, and their sum beside it",
        "the larger of the two",
        (Effect(protocol_effects.separators, (feature_claims.FeatureTables,)),),
        "table-features-by-task table-feature-claims",
    ),
    Note(
        "links",
        "Section 4.5, Figure 7; notebook",
        "the words of a link are paired in the order of two lists, at all places where a piece occurs; passive "
        "subjects are left out; without a link an example counts as 0, and one condition is always true",
        "every link between its own words, passive ones too; examples without one are skipped",
        "the first of one list with the first of the other, and so on; 0 where there is none; no passive ones",
        (Effect(protocol_effects.links, (LINKS,)),),
        "table-released",
    ),
    Note(
        "frame_sentences",
        "Section 4.2; notebook",
        "core elements are those of FrameNet's core sets, and words are compared by spelling to be neighbours",
        "elements of type Core, places counted in words",
        "elements of core sets, in NLTK's tokens",
        (
            Effect(protocol_effects.frame_counts, ("frame_counts",)),
            Effect(protocol_effects.frame_sentences, (FRAME_READINGS,)),
        ),
        "table-frames table-frame-readings",
    ),
    Note(
        "frame_measure",
        "Section 4.2, Figure 3; notebook",
        "the text speaks of the link; the notebook looks from the element to the target only, and pairs the pieces of "
        "both in their order, each at the first place where it occurs",
        "the larger of both directions, between words",
        "the first piece of the elements with the first of the target, and so on; element to target",
        (Effect(protocol_effects.frame_measure, (FRAMES,)),),
        "table-frame-measures",
    ),
    Note(
        "frame_tokens",
        "Section 4.2, Figure 3",
        "the text takes the largest weight over pairs of tokens; this book measures between words, whose pieces are "
        "taken together, and averages over the elements of a sentence",
        "between words, as the nulls need it; between tokens beside it",
        None,
        (Effect(protocol_effects.frame_tokens, (FRAMES,)),),
        "table-frame-measures",
    ),
    Note(
        "disabling",
        "Section 4.6, Figures 8 and 9; notebook",
        "there is no code for it but a branch that is commented out, and a switch for whole layers",
        "each token attends to all real tokens alike, in one head at a time or in a layer",
        "the same in the branch, which nothing runs; heads that are set to zero or to their mean stand beside it",
        (Effect(protocol_effects.ways_of_disabling, (DisablingTables,)),),
        "figure-ways table-ways",
    ),
    Note(
        "sampling",
        "all figures; notebook",
        "the 1000 examples of a task are drawn without a seed",
        "a draw that everyone can repeat",
        "any draw",
        (
            Effect(protocol_effects.drawn_scores, (SCORES, BASELINE)),
            Effect(protocol_effects.drawn_attention, (SCORES, BASELINE, "feature_heads")),
            Effect(protocol_effects.drawn_patterns, (SCORES, BASELINE, "pattern_shares")),
        ),
        "table-scores figure-shares",
    ),
    Note(
        "length",
        "Sections 4.3 to 4.5; notebook",
        f"the text names no longest input, the notebook reads {RELEASED_LENGTH} tokens and this book {MAX_LENGTH}, in "
        "both readings",
        f"{MAX_LENGTH} tokens, as in BERT's recipe for GLUE",
        f"{RELEASED_LENGTH} tokens, which this book does not follow",
        (Effect(protocol_effects.input_lengths, (LENGTHS,)),),
        "table-lengths",
    ),
)


def effect(note: Note, run: Run) -> str:
    """Say what a disagreement changes in a run; `NOT_MEASURED` where the run lacks the tables, or a task."""
    first, *others = [text for one in note.effects if (text := _measured(one, run))] or [NOT_MEASURED]
    return ". ".join([first, *(text[0].upper() + text[1:] for text in others)])


def told(note: Note, this_run: Run, reference: Run) -> str:
    """Say in a sentence what a disagreement changes in the reference run, or else in this one."""
    for name, run in ((REFERENCE_RUN, reference), (THIS_RUN, this_run)):
        if (text := effect(note, run)) != NOT_MEASURED:
            return f"In {name.replace('reference', 'the reference')}: {text}."
    return "Neither run has measured it yet."


def notes_table() -> pd.DataFrame:
    """Lay the notes out: note (its number), where, what disagrees, as paper, as released."""
    rows = [(place, note.where, note.what, note.paper, note.released) for place, note in enumerate(NOTES, 1)]
    return pd.DataFrame(rows, columns=["note", "where", "what disagrees", "as paper", "as released"])


def effects_table(this_run: Run, reference: Run) -> pd.DataFrame:
    """Lay the measured effects out: note (its number), where, reference run, this run, see (names for `publish`)."""
    rows = [
        (place, note.where, effect(note, reference), effect(note, this_run), note.see)
        for place, note in enumerate(NOTES, 1)
    ]
    return pd.DataFrame(rows, columns=["note", "where", "reference run", "this run", "see"])


def lacking(run: Run) -> str:
    """Say which notes a run has not measured at all, and which chapters it would have to run for them."""
    missing = {place: note for place, note in enumerate(NOTES, 1) if effect(note, run) == NOT_MEASURED}
    needed = {
        prefix_of(need) if isinstance(need, str) else need.PREFIX
        for note in missing.values()
        for one in note.effects
        for need in one.needs
        if _found(need, run) is None
    }
    chapters = ", ".join(f"“{section.title}”" for prefix, section in SECTIONS.items() if prefix in needed)
    if not missing:
        return "all notes are measured"
    where = f"it takes {chapters}" if chapters else "its tasks have nothing to say on that"
    plural = "s" * (len(missing) > 1)
    return f"note{plural} {', '.join(map(str, missing))} {'are' if plural else 'is'} not measured: {where}"


def _measured(one: Effect, run: Run) -> str | None:
    found = [_found(need, run) for need in one.needs]
    return None if any(table is None for table in found) else one.measure(*found)


def _found(need: Needed, run: Run) -> Any:
    return run.find(need) if isinstance(need, str) else need.find(run)
