"""Pairs of statements: paraphrase (MRPC), similarity (STS-B) and entailment (RTE, MNLI).

Both sentences say the same event; the second is reworded, and for most labels its event is edited first. Wordings and
harmless edits come with every label, so that the number of words in common gives nothing away.
"""

from collections.abc import Sequence

from pocketgrammar.annotation import Sentence
from pocketgrammar.clauses import draw, write
from pocketgrammar.edits import ADDING, CONTRARY, EDITS, NEGATION, OTHER, applicable, chosen, negation, weakened
from pocketgrammar.events import NEGATED, Event, Writer

Pair = tuple[Sentence, Sentence]
SAME_SCENE = 0.4  # least similarity of two events from one scene
POLARITY = 0.85  # share of contradictions that negate, or take a negation away
DROPPING = ("place dropped", "time dropped")
STRONG = tuple(name for name in (*CONTRARY, *OTHER) if name not in NEGATION)


def mrpc(writer: Writer, label: int) -> Pair | None:
    """Write two statements that say the same (1), or two that differ in one thing that matters (0)."""
    event = _event(writer, n_details=2)
    second: Event | None = event
    if label == 0:
        second = applicable(event, NEGATION if writer.chance(POLARITY) else STRONG, writer)
    if second is None:
        return None
    if writer.chance(0.25):
        second = weakened(second, writer, 1)
    return _worded(writer, event, second)


def stsb(writer: Writer, band: int) -> tuple[Sentence, Sentence, float] | None:
    """Write two statements whose similarity lies in a band: [0, 1), [1, 2) ... [4, 5]."""
    event = writer.event(n_details=2)
    if band == 0 and writer.chance(0.6):
        second, similarity = _unrelated(event, writer)
    else:
        second, similarity = _less_similar(event, writer, n_edits=int(writer.generator.integers(0, 5)))
    pair = _worded(writer, event, second) if min(int(similarity), 4) == band else None
    return (*pair, similarity) if pair else None


def _unrelated(event: Event, writer: Writer) -> tuple[Event, float]:
    second = writer.event(n_details=2)
    if second.action == event.action:
        return event, 5.0
    return second, SAME_SCENE if second.action.scene == event.action.scene else 0.0


def _less_similar(event: Event, writer: Writer, n_edits: int) -> tuple[Event, float]:
    """Apply edits to different parts of an event; return it with its similarity to what it was, from 5 downwards."""
    similarity, parts = 5.0, set[str]()
    for _ in range(n_edits):
        found = chosen(event, [name for name, edit in EDITS.items() if edit.part not in parts], writer)
        if found is not None:
            name, event = found
            parts.add(EDITS[name].part)
            similarity -= EDITS[name].cost
    return event, round(max(SAME_SCENE, similarity), 1)


def rte(writer: Writer, label: int) -> Pair | None:
    """Write a long statement, and a shorter one that follows from it (0) or does not (1)."""
    return _entailment(writer, label, open_edits=(*ADDING, *OTHER), open_share=0.3)


def mnli(writer: Writer, label: int) -> Pair | None:
    """Write a statement, and one that follows from it (0), may be true or not (1), or cannot be true (2)."""
    return _entailment(writer, min(label, 1), open_edits=ADDING, open_share=2.0 - label)


def _entailment(writer: Writer, label: int, open_edits: Sequence[str], open_share: float) -> Pair | None:
    """Write an entailment (0) or not (1); `open_share` of the latter leave the second sentence open."""
    event = _event(writer, n_details=int(writer.generator.integers(1, 4)))
    second = event
    if label:
        edits = open_edits
        if not writer.chance(open_share):
            edits = NEGATION if event.negated or writer.chance(POLARITY) else CONTRARY
        elif event.negated:  # what can be dropped from "bought it" must not be dropped from "did not buy it"
            edits = DROPPING
        second = applicable(event, edits, writer)
        if second is None:
            return None
    # "Did not buy it on Monday" does not rule out "bought it".
    n_edits = 0 if event.negated else int(writer.generator.integers(1, 3))
    shorter = weakened(second, writer, n_edits)
    if label == 0 or not follows(event, shorter):
        second = shorter
    return _worded(writer, event, second)


def follows(event: Event, second: Event) -> bool:
    """Whether the second event says no more than the first does: each of its parts is the first's, or left out."""
    if (second.verb, second.action, second.negated) != (event.verb, event.action, event.negated) or event.negated:
        return second == event
    pairs = [(getattr(second, part), getattr(event, part)) for part in ("place", "time", "manner", "tail")]
    for one, other in ((second.subject, event.subject), (second.object, event.object)):
        if (one.noun, one.name, one.article) != (other.noun, other.name, other.article):
            return False
        pairs += [(getattr(one, part), getattr(other, part)) for part in ("adjective", "modifier", "relative")]
    return all(said in ("", known) for said, known in pairs)


def _event(writer: Writer, n_details: int) -> Event:
    event = writer.event(n_details)
    return (negation(event) if writer.chance(NEGATED) else None) or event


def _worded(writer: Writer, event: Event, second: Event) -> Pair | None:
    """Write both, the second in a wording of its own; None where they read the same."""
    n_changes = 1 + int(writer.chance(0.5))
    first = write(event, draw(event, writer, int(writer.chance(0.5)))).sentence()
    said = write(second, draw(second, writer, n_changes)).sentence()
    return (first, said) if said.text != first.text else None
