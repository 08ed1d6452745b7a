"""Gold annotation of natural text: a treebank of Universal Dependencies in the form of `annotation`.

It tells how right a parser is (see `linguistics`). Where UD only agrees on something else than spaCy and we do, its
annotation is turned into ours, so that a difference is a mistake and not a convention:

- *copula*: UD makes the predicate the head ("Anna is *happy*"). We link the subject to the verb, as spaCy does: to the
  copula next to it. A predicate without a copula has no verb, and its subject no link.
- *name*: UD takes the first word of a flat name for its head ("*Ann* Lee"), we take the last ("Ann *Lee*"). Each word
  of a name is a proper noun to us, by its Penn tag; UD calls some of them adjectives ("*Supreme* Court").
- *there*: what is said to be there is UD's subject; to us, as to spaCy, it is a predicate ("there were *letters*").
- *subject*: `nsubj` with its subtypes (`:pass`, `:outer`). `expl` is no subject, and a clause (`csubj`) is no word.
- *object*: `obj`; neither `iobj` nor the object of a preposition (`obl`).
- *negation*: a word of our list, or one whose lemma is: "nt" for "n't".

What is left as it is, because no table of labels tells: "I want *him* to leave" has an object in UD, and a subject of
the second verb in spaCy, and the expletive *it* is no subject in UD and one in spaCy. Both count as the parser's
mistakes, so the numbers are lower bounds.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from darksecrets.corpora.annotation import NEGATIONS, POS_FEATURES, Link, Sentence, Word
from darksecrets.errors import InputError

N_COLUMNS = 10
TEXT = "# text ="
TOKEN = re.compile(r"(\d+)-(\d+)")
EMPTY_NODE = re.compile(r"\d+\.\d+")
PROPER_NOUNS = ("NNP", "NNPS")  # tags of the Penn treebank, which UD keeps in its fifth column
PASSIVE_SUBJECT = "nsubj:pass"
SUBJECTS = ("nsubj", PASSIVE_SUBJECT, "nsubj:outer")
OBJECTS = ("obj",)


@dataclass(frozen=True)
class Row:
    """One word of a sentence; its head is a place in the sentence, and -1 for the root."""

    form: str
    lemma: str
    pos: str
    head: int
    relation: str
    is_spaced: bool  # whether a space follows


def read(path: str | Path) -> list[Sentence]:
    """Read the sentences of a CoNLL-U file, with features, roles, and the links verb-subject and verb-object.

    Raises InputError, with the line, for what is no CoNLL-U and for words that do not spell their sentence's text.
    """
    try:
        content = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} cannot be read ({error}): give a treebank in CoNLL-U, in UTF-8") from error
    sentences = [_sentence(lines, f"{path}, line ") for lines in _blocks(content)]
    if not sentences:
        raise InputError(f"{str(path)!r} has no sentence: give a treebank in CoNLL-U")
    return sentences


def _blocks(content: str) -> Iterator[dict[int, str]]:
    """Divide a file at its empty lines, into the sentences' lines by number."""
    block: dict[int, str] = {}
    for number, line in enumerate([*content.split("\n"), ""], start=1):
        if line.strip():
            block[number] = line
        elif block:
            yield block
            block = {}


def _sentence(lines: Mapping[int, str], where: str) -> Sentence:
    beginning = f"{where}{min(lines)}"
    text = next((line.removeprefix(TEXT).strip() for line in lines.values() if line.startswith(TEXT)), None)
    if text is None:
        raise InputError(f"{beginning}: the sentence has no line {TEXT!r}; add it")
    rows = _rows(lines, where)
    words, end = [], 0
    for row in rows:
        words.append(Word(row.form, end, end + len(row.form), row.pos))
        end += len(row.form) + row.is_spaced
    spelled = "".join(row.form + " " * row.is_spaced for row in rows).rstrip()
    if spelled != text:
        raise InputError(f"{beginning}: the words spell {spelled!r} and the text is {text!r}; mend one of them")
    return Sentence(text, tuple(words), _roles(rows), _links(rows))


def _rows(lines: Mapping[int, str], where: str) -> list[Row]:
    """Read the lines of a sentence's words; comments and empty nodes ("8.1") say nothing of words."""
    rows: list[Row] = []
    spaces: dict[int, bool] = {}  # of the words of a token such as "don't" ("1-2"): only the last has its space
    for number, line in lines.items():
        fields = line.split("\t")
        if line.startswith("#") or EMPTY_NODE.fullmatch(fields[0]):
            continue
        if len(fields) != N_COLUMNS:
            raise InputError(f"{where}{number}: expected {N_COLUMNS} fields between tabs, found {len(fields)}; mend it")
        is_spaced = "SpaceAfter=No" not in fields[9].split("|")
        if token := TOKEN.fullmatch(fields[0]):
            first, last = map(int, token.groups())
            spaces |= dict.fromkeys(range(first, last), False) | {last: is_spaced}
            continue
        word = len(rows) + 1
        if fields[0] != str(word) or not fields[6].isdecimal():
            found = f"word {fields[0]!r} with the head {fields[6]!r}"
            raise InputError(f"{where}{number}: {found}; expected word {word} and the number of its head, or 0")
        pos = "PROPN" if fields[4] in PROPER_NOUNS else fields[3]
        rows.append(Row(fields[1], fields[2], pos, int(fields[6]) - 1, fields[7], spaces.get(word, is_spaced)))
    if any(row.head >= len(rows) for row in rows):
        raise InputError(f"{where}{min(lines)}: a word's head is not in the sentence; mend the numbers")
    return rows


def _roles(rows: Sequence[Row]) -> dict[str, tuple[int, ...]]:
    places = range(len(rows))
    return {
        "subject": tuple(sorted(_name_end(rows, place) for place in places if _is_subject(rows, place))),
        "object": tuple(sorted(_name_end(rows, place) for place in places if rows[place].relation in OBJECTS)),
        "negation": tuple(place for place in places if {rows[place].form.lower(), rows[place].lemma} & NEGATIONS),
    }


def _links(rows: Sequence[Row]) -> tuple[Link, ...]:
    links = []
    for place, row in enumerate(rows):
        if _is_subject(rows, place):
            relation, head = "verb-subject", _verb(rows, place)
        elif row.relation in OBJECTS:
            relation, head = "verb-object", row.head
        else:
            continue
        if rows[head].pos in POS_FEATURES["verb"]:
            links.append(Link(relation, head, _name_end(rows, place), row.relation == PASSIVE_SUBJECT))
    return tuple(sorted(links, key=lambda link: link.head))


def _is_subject(rows: Sequence[Row], place: int) -> bool:
    is_there = any(rows[child].form.lower() == "there" for child in _children(rows, rows[place].head, "expl"))
    return rows[place].relation in SUBJECTS and not is_there


def _verb(rows: Sequence[Row], subject: int) -> int:
    """Return the place of a subject's verb: its head, or the nearest copula where the head has one.

    "The problem is that Anna left": the copula belongs to the outer subject, and the inner one has a verb as its head.
    """
    head = rows[subject].head
    copulas = _children(rows, head, "cop")
    has_outer = rows[subject].relation != "nsubj:outer" and _children(rows, head, "nsubj:outer")
    if not copulas or (has_outer and rows[head].pos == "VERB"):
        return head
    return min(copulas, key=lambda place: abs(place - subject))


def _name_end(rows: Sequence[Row], place: int) -> int:
    """Return the place of the last word of a flat name, and of any other word its own."""
    return max([place, *_children(rows, place, "flat")])


def _children(rows: Sequence[Row], head: int, relation: str) -> list[int]:
    return [place for place, row in enumerate(rows) if (row.head, row.relation) == (head, relation)]
