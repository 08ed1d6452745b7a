"""Paraphrase: choosing among the wordings of one event."""

from dataclasses import replace

from pocketgrammar.clauses import SYNONYMS, Wording, write
from pocketgrammar.events import Event, Thing, Writer
from pocketgrammar.lexicon import lexicon

PLAIN = Wording()


def changes(event: Event) -> list[Wording]:
    """Return the wordings that differ from the plain one in a single respect and can be seen in this event."""
    single = [
        *(Wording(form=form) for form in ("passive", "passive", "subject cleft", "object cleft")),
        *(Wording(synonyms=frozenset([part])) for part in SYNONYMS),
        Wording(time_first=True),
        Wording(contracted=True),
        Wording(manner_last=True),
    ]
    plain = _words(event, PLAIN)
    return [wording for wording in single if _words(event, wording) != plain]


def _words(event: Event, wording: Wording) -> list[str]:
    return [token.text for token in write(event, wording).tokens]


def draw(event: Event, writer: Writer, n_changes: int) -> Wording:
    """Draw a wording that differs from the plain one in up to `n_changes` respects."""
    wording = PLAIN
    for change in writer.some(changes(event), n_changes):
        wording = Wording(
            form=wording.form if change.form == PLAIN.form else change.form,
            synonyms=wording.synonyms | change.synonyms,
            time_first=wording.time_first or change.time_first,
            contracted=wording.contracted or change.contracted,
            manner_last=wording.manner_last or change.manner_last,
        )
    return wording


def short(thing: Thing) -> Thing:
    """Return a thing without what describes it, and known, as a question mentions it."""
    article = "the" if thing.article == "a" else thing.article
    return replace(thing, article=article, adjective="", modifier="", relative="")


def many(noun: str, adjective: str = "") -> Thing:
    """Return things in general: a bare plural, or a bare noun where it is not counted."""
    is_counted = lexicon().nouns[noun].plural is not None
    return Thing(noun, article="", is_plural=is_counted, adjective=adjective, pronoun="they")
