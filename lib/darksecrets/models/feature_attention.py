"""Section 4.4, Figure 6: the attention that nouns, verbs, ... and special tokens receive, per head.

Reading `paper`: words are found where they stand. The attention a word receives is summed over all query tokens and
over its word pieces, and divided by the number of tokens; where several words have the feature, the largest counts;
an input without the feature is skipped (NaN).

Reading `released`, as the authors' notebook has it: the feature's words are cut into pieces, and every token of the
input that equals one of these pieces counts; an input without the feature counts as 0. Negations are looked for as
substrings of the text, and an input in which none is found is skipped (NaN); one in which "not" is found in "another"
alone counts as 0. Explained in the chapter *What heads attend to: linguistic features*.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.corpora.annotation import FEATURES, Sentence, released_negations
from darksecrets.models.alignment import Pieces, memberships, spelled_like, word_pieces
from darksecrets.models.attention import Batch, Encoded
from darksecrets.models.value_norms import ValueNorms

CLS, SEP, SEP_SUM = "[CLS]", "[SEP]", "[SEP] sum"
FEATURE_COLUMNS = (*FEATURES, CLS, SEP, SEP_SUM)
WEIGHT, NORM, FROM_CLS = "weight", "norm", "from [CLS]"
Marks = list[tuple[str, Pieces]]  # of one example: a feature, and the tokens of one word that has it (none count as 0)
Received = Callable[[torch.Tensor, Batch], torch.Tensor]  # maps to (example, layer, head, key)


@dataclass(frozen=True)
class Measurement:
    """A reading's marks, per example, and the way in which attention to a token is measured."""

    reading: str
    measure: str
    marks: Sequence[Marks]
    received: Received


class FeatureAttention:
    """Reducer: per example and head, the attention to each feature, for any number of measurements."""

    def __init__(self, measurements: Sequence[Measurement]) -> None:
        self.measurements = measurements
        self.rows: list[int] = []
        self.values: list[torch.Tensor] = []  # (example, measurement, layer, head, feature)

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Measure `maps` (batch, layer, head, query, key)."""
        self.rows += batch.rows
        received = {measure: measure(maps, batch) for measure in {one.received for one in self.measurements}}
        values = [largest(received[one.received], [one.marks[row] for row in batch.rows]) for one in self.measurements]
        self.values.append(torch.stack(values, dim=1).cpu())

    def table(self) -> pd.DataFrame:
        """One row per measurement, example, layer and head, ordered so, and a column per feature (float32)."""
        values = torch.cat(self.values)[np.argsort(self.rows)].transpose(0, 1).numpy()
        names = ["measurement", "example", "layer", "head"]
        index = pd.MultiIndex.from_product(map(range, values.shape[:-1]), names=names)
        table = pd.DataFrame(values.reshape(-1, values.shape[-1]), index=index, columns=list(FEATURE_COLUMNS))
        table = table.reset_index()
        measurement = table.pop("measurement").to_numpy()
        for position, name in enumerate(("reading", "measure")):
            codes, categories = pd.factorize(pd.Index([getattr(one, name) for one in self.measurements]))
            table.insert(position, name, pd.Categorical.from_codes(codes[measurement], categories))
        return table


def largest(received: torch.Tensor, marks: Sequence[Marks]) -> torch.Tensor:
    """Return the most that a word of each feature receives: (example, layer, head, feature), NaN where none has it.

    `received` is the attention to each token (example, layer, head, key); `marks` are those of each example.
    """
    member = memberships([[pieces for _, pieces in of_example] for of_example in marks], received.shape[-1])
    if not member.shape[-1]:  # no word at all
        return torch.full((*received.shape[:3], len(FEATURE_COLUMNS)), torch.nan)
    words = torch.einsum("elhk,ekw->elhw", received, member.to(received.device))
    codes = torch.full((len(marks), member.shape[-1]), -1)
    for example, of_example in enumerate(marks):
        codes[example, : len(of_example)] = torch.tensor([FEATURE_COLUMNS.index(feature) for feature, _ in of_example])
    codes = codes.to(received.device)[:, None, None]  # (example, 1, 1, word)
    most = torch.stack([words.where(codes == code, -1.0).amax(-1) for code in range(len(FEATURE_COLUMNS))], dim=-1)
    return most.where(most >= 0, torch.nan)


def from_all(maps: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Average the attention to each token over the query tokens: (example, layer, head, key)."""
    n_tokens = batch.mask.sum(1).to(maps)[:, None, None, None]
    return maps.sum(-2) / n_tokens


def from_first(maps: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return the attention that the first token, [CLS], pays to each: (example, layer, head, key)."""
    return maps[..., 0, :]


def norm_weighted(norms: ValueNorms) -> Received:
    """Average as `from_all` does, each weight first multiplied by the norm of the key's transformed value vector.

    Every query's products are divided by their sum, so that they sum to 1 as weights do (Kobayashi et al., 2020).
    """

    def received(maps: torch.Tensor, batch: Batch) -> torch.Tensor:
        if not norms.are_known:
            return torch.full_like(maps[..., 0, :], -1.0)  # largest() makes NaN of what is below 0
        of_keys = norms.take()[..., None]  # (example, layer, head, key, 1)
        totals = maps @ of_keys  # (example, layer, head, query, 1)
        shares = torch.where(totals > 0, 1 / totals, 0.0)
        n_tokens = batch.mask.sum(1).to(maps)[:, None, None, None]
        return (maps.mT @ shares * of_keys)[..., 0] / n_tokens

    return received


def marks(encoded: Encoded, sentences: Sequence[Sentence], tokenizer: Tokenizer) -> Marks:
    """Find the words of each feature and the special tokens in an input, reading `paper`."""
    words = [
        (feature, pieces[index])
        for sentence, pieces in zip(sentences, word_pieces(encoded, sentences), strict=True)
        for feature in FEATURES
        for index in sentence.places(feature)
        if pieces[index]
    ]
    return words + _special(encoded, tokenizer)


def released_marks(encoded: Encoded, sentences: Sequence[Sentence], tokenizer: Tokenizer) -> Marks:
    """Find the tokens that the released notebook takes for each feature, and the special tokens.

    A mark without tokens stands for the 0 that an input counts as where none is found.
    """
    words: Marks = []
    for feature in FEATURES:
        if feature == "negation":
            texts = {text for sentence in sentences for text in released_negations(sentence.text)}
        else:
            texts = {one.words[index].text for one in sentences for index in one.places(feature, "released")}
        if texts or feature != "negation":
            words.append((feature, ()))
        words += [(feature, (token,)) for token in spelled_like(encoded, texts, tokenizer)]
    return words + _special(encoded, tokenizer)


def _special(encoded: Encoded, tokenizer: Tokenizer) -> Marks:
    separators = encoded.positions(tokenizer.sep_token_id)
    first = [(CLS, (token,)) for token in encoded.positions(tokenizer.cls_token_id)]
    return [*first, *((SEP, (token,)) for token in separators), (SEP_SUM, tuple(separators))]
