"""What heads attend to (Sections 4.4 and 4.5): features, links and neighbours, all in one pass per model and task.

Explained in the chapters *What heads attend to: linguistic features* and *Token-to-token attention*.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.corpora import linguistics
from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.corpora.annotation import Sentence
from darksecrets.corpora.glue import Example
from darksecrets.models import attention, feature_attention, link_attention, per_model
from darksecrets.models.alignment import Pieces, word_pieces
from darksecrets.models.attention import MAX_LENGTH, RELEASED_LENGTH, Encoded, Reducer
from darksecrets.models.feature_attention import FROM_CLS, NORM, WEIGHT, FeatureAttention, Measurement
from darksecrets.models.link_attention import DiagonalScore, LinkAttention, ReleasedLinks, Shape
from darksecrets.models.per_model import Case
from darksecrets.models.setup import Setup
from darksecrets.models.value_norms import ValueNorms
from darksecrets.runs import write_table

KIND = "attended"  # in the store
VERSION = 3  # part of a result's key: raise it when something else is computed
RELATIONS = ("verb-subject", "pronoun-antecedent")
DESCRIBED = {"relation": pd.CategoricalDtype(RELATIONS), "distance": int}  # what is known of a link


@dataclass(frozen=True)
class Attended:
    """Tables over all tasks, models and examples; layers and heads from 0, `example` is its row in the task's file.

    `features`: reading, measure, and per feature the attention to it (`FeatureAttention`); `sure`, whether the parser
    can be relied on. `links`: relation, distance in words, and the weights of each link beside its nulls
    (`LinkAttention`). `released_links`: the released notebook's means. `diagonal`: attention to the neighbours.
    """

    features: pd.DataFrame
    links: pd.DataFrame
    released_links: pd.DataFrame
    diagonal: pd.DataFrame


TABLES = tuple(field.name for field in fields(Attended))


@dataclass(frozen=True)
class Text:
    """An input as the model reads it, with what is known of its words."""

    encoded: Encoded
    sentences: tuple[Sentence, ...]

    @cached_property
    def pieces(self) -> list[list[Pieces]]:
        """The pieces of each sentence's words."""
        return word_pieces(self.encoded, self.sentences)

    @property
    def words(self) -> list[Pieces]:
        """The pieces of all words, those of a second sentence after those of the first."""
        return [pieces for words in self.pieces for pieces in words]

    def links(self) -> tuple[list[Shape], list[tuple[str, int]]]:
        """Return the shapes of all links of `RELATIONS`, and for each link its relation and distance.

        Places are those in `words`; links are numbered over both sentences.
        """
        found: list[Shape] = []
        described: list[tuple[str, int]] = []
        offset = 0
        for sentence, pieces in zip(self.sentences, self.pieces, strict=True):
            for relation in RELATIONS:
                links = [link for link in sentence.links if link.relation == relation]
                pairs = [((link.head, link.dependent),) for link in links]
                for link, pair in zip(links, pairs, strict=True):
                    for shape in link_attention.shapes(len(described), pair, sentence, pieces, set(pairs)):
                        moved = tuple((head + offset, dependent + offset) for head, dependent in shape.pairs)
                        found.append(replace(shape, pairs=moved))
                    described.append((relation, link.distance))
            offset += len(pieces)
        return found, described


def texts_of(setup: Setup, sentences: Sequence[Sentence], max_length: int = MAX_LENGTH) -> list[Text]:
    """Return sentences, each an input of its own, as a setup's model reads them."""
    examples = [Example(str(row), sentence.text, None, 0) for row, sentence in enumerate(sentences)]
    encoded = attention.encode(setup.load().tokenizer, examples, max_length)
    return [Text(one, (sentence,)) for one, sentence in zip(encoded, sentences, strict=True)]


def feed(setup: Setup, texts: Sequence[Text], reducer: Reducer, progress: str) -> None:
    """Let the pre-trained model read texts, and feed a reducer with its maps."""
    checkpoint = setup.load()
    encoded = [text.encoded for text in texts]
    attention.attention_pass(checkpoint.encoder(), checkpoint.tokenizer, encoded, [reducer], progress=progress)


def measured(setup: Setup, checkpoints: Collection[str] = (BEFORE, AFTER)) -> Attended:
    """Measure on the setup's validation examples what the pre-trained and every fine-tuned model attends to.

    `checkpoints` may leave one of the two out. Models that the store does not have are fine-tuned first; what it has is
    not computed again.
    """
    made_from = {"version": VERSION, "annotation": linguistics.described(setup.corpus)}
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for case, directory in per_model.results(setup, KIND, made_from, partial(_measure, setup), checkpoints):
        for name, tables in parts.items():
            tables.append(per_model.labelled(setup, case, pd.read_parquet(directory / f"{name}.parquet")))
    return Attended(**{name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()})


def input_lengths(setup: Setup) -> pd.DataFrame:
    """Count the validation examples that are too long: one row per task, with n_examples, n_longer (than the model's
    input here, `MAX_LENGTH` tokens) and n_longer_than_released (than `RELEASED_LENGTH`).
    """
    rows = []
    for task in setup.tasks:
        dev = setup.split(task, "dev", setup.max_examples)
        encoded = attention.encode(setup.load().tokenizer, dev.examples, RELEASED_LENGTH + 1)
        lengths = np.array([len(example) for example in encoded])
        counts = [int((lengths > most).sum()) for most in (MAX_LENGTH, RELEASED_LENGTH)]
        rows.append((task, len(lengths), *counts))
    return pd.DataFrame(rows, columns=["task", "n_examples", "n_longer", "n_longer_than_released"])


def _measure(setup: Setup, case: Case, model: PreTrainedModel, directory: Path) -> None:
    tokenizer, dev = setup.load().tokenizer, setup.split(case.task, "dev", setup.max_examples)
    annotated = linguistics.annotated(dev, setup.corpus, setup.results)
    encoded = attention.encode(tokenizer, dev.examples)
    texts = [Text(*pair) for pair in zip(encoded, annotated, strict=True)]
    with ValueNorms(model) as norms:
        reducers, described = reducers_of(texts, tokenizer, norms)
        attention.attention_pass(
            model, tokenizer, encoded, list(reducers.values()), progress=f"attention in {case.task}, {case.checkpoint}"
        )
    tables = {name: reducer.table() for name, reducer in reducers.items() if name != "links"}
    tables["links"] = link_attention.describe_links(reducers["links"].against_null(), described, DESCRIBED)
    sure = np.array([all(sentence.sure for sentence in text.sentences) for text in texts])
    ids = np.array([int(example.id) for example in dev.examples], dtype=np.int32)
    for name, table in tables.items():
        if "example" in table:
            rows = table["example"].to_numpy()
            known = {} if name == "diagonal" else {"sure": sure[rows]}
            table = table.assign(example=ids[rows], **known)
        write_table(directory / f"{name}.parquet", table)


def reducers_of(
    texts: Sequence[Text], tokenizer: Tokenizer, norms: ValueNorms
) -> tuple[dict[str, Reducer], list[list[tuple[str, int]]]]:
    """Return the reducers of all tables by their names, and each example's links (relation, distance)."""
    shapes_of, described = zip(*(text.links() for text in texts), strict=True)
    return {
        "features": FeatureAttention(measurements_of(texts, tokenizer, norms)),
        "links": LinkAttention([text.words for text in texts], shapes_of),
        "released_links": ReleasedLinks(
            [link_attention.released_pairs(text.encoded, text.sentences, tokenizer) for text in texts]
        ),
        "diagonal": DiagonalScore(),
    }, list(described)


def measurements_of(texts: Sequence[Text], tokenizer: Tokenizer, norms: ValueNorms) -> list[Measurement]:
    """Return the measurements of Section 4.4 and of the last part of 4.5, with the words of every text."""
    marks, released = (
        [mark(text.encoded, text.sentences, tokenizer) for text in texts]
        for mark in (feature_attention.marks, feature_attention.released_marks)
    )
    return [
        Measurement("paper", WEIGHT, marks, feature_attention.from_all),
        Measurement("paper", NORM, marks, feature_attention.norm_weighted(norms)),
        Measurement("paper", FROM_CLS, marks, feature_attention.from_first),
        Measurement("released", WEIGHT, released, feature_attention.from_all),
    ]
