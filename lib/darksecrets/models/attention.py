"""The attention pass: a model runs once over a corpus, and every analysis rides on it.

Maps are never collected. Each batch's maps are handed to the reducers and forgotten, so memory does not grow with
the number of examples.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.corpora.glue import Example
from darksecrets.errors import InputError
from darksecrets.models.edited_attention import use_attention

MAX_LENGTH = 128  # tokens, as in BERT's GLUE experiments
RELEASED_LENGTH = 200  # tokens to which the authors' released notebook pads every input
MAX_BATCH = 32
MAX_CELLS = 2**24  # numbers in one batch's maps: 64 MB in float32, whatever the lengths


@dataclass(frozen=True)
class Encoded:
    """One example as the model reads it, without padding: `row` is its place in the corpus.

    `spans` says where each token comes from: (sentence, first character, character after the last), with sentence 0 or
    1, and -1 for a special token.
    """

    row: int
    input_ids: tuple[int, ...]
    token_type_ids: tuple[int, ...]
    spans: tuple[tuple[int, int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.input_ids)

    def positions(self, token_id: int) -> list[int]:
        """Return the places at which a token stands, counted from 0."""
        return [place for place, token in enumerate(self.input_ids) if token == token_id]


@dataclass(frozen=True)
class Batch:
    """A few examples of similar length, padded to the longest of them (or to `pad_to`)."""

    examples: tuple[Encoded, ...]
    inputs: dict[str, torch.Tensor]  # each (batch, position)
    keeps_padding: bool = False  # whether maps keep the rows of padding queries

    @property
    def rows(self) -> list[int]:
        """The examples' places in the corpus."""
        return [example.row for example in self.examples]

    def on(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        """Return the inputs on the device that a model is on."""
        return {name: values.to(model.device) for name, values in self.inputs.items()}

    @property
    def mask(self) -> torch.Tensor:
        """True at real tokens, False at padding: (batch, position)."""
        return self.inputs["attention_mask"].bool()


class Reducer(Protocol):
    """What an analysis has to be: fed with maps batch by batch, it gives one tidy table at the end."""

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Take `maps` (batch, layer, head, query, key), zero wherever query or key is padding; keep no reference to
        them.
        """

    def table(self) -> pd.DataFrame:
        """Return the result over all batches."""


def encode(tokenizer: Tokenizer, examples: Sequence[Example], max_length: int | None = MAX_LENGTH) -> list[Encoded]:
    """Turn examples into token ids, the longer sentence of a pair cut first where both exceed `max_length` (None: no
    limit).
    """
    firsts = [example.first for example in examples]
    seconds = [example.second for example in examples] if examples and examples[0].second is not None else None
    asked = {"return_token_type_ids": True, "return_offsets_mapping": True}
    tokens = tokenizer(firsts, seconds, truncation=max_length is not None, max_length=max_length, **asked)
    columns = zip(tokens["input_ids"], tokens["token_type_ids"], tokens["offset_mapping"], strict=True)
    return [
        Encoded(row, tuple(ids), tuple(types), _spans(tokens.sequence_ids(row), offsets))
        for row, (ids, types, offsets) in enumerate(columns)
    ]


def longest_input(model: PreTrainedModel) -> int:
    """Return how many tokens a model can read: one for each place that it knows, and `MAX_LENGTH` if it counts none."""
    most = getattr(model.config, "max_position_embeddings", None) or MAX_LENGTH
    places = next((part for name, part in model.named_modules() if name.endswith("position_embeddings")), None)
    if isinstance(getattr(places, "weight", None), torch.Tensor):
        padding = getattr(places, "padding_idx", None)
        unused = 0 if padding is None else padding + 1  # RoBERTa counts from behind its padding
        most = min(most, len(places.weight) - unused)
    return most if most > 0 else MAX_LENGTH


def _spans(sentences: list[int | None], offsets: list[tuple[int, int]]) -> tuple[tuple[int, int, int], ...]:
    return tuple(
        (-1, 0, 0) if sentence is None else (sentence, *span) for sentence, span in zip(sentences, offsets, strict=True)
    )


def batches(
    encoded: Sequence[Encoded], tokenizer: Tokenizer, maps_per_example: int = 0, pad_to: int = 0
) -> Iterator[Batch]:
    """Yield batches of similar length, longest first, padded no further than the batch needs (or to `pad_to` tokens).

    With `maps_per_example` (layers times heads) the batch is kept small enough for its maps to hold at most
    `MAX_CELLS` numbers.
    """
    longest_first = sorted(encoded, key=len, reverse=True)
    if pad_to and len(longest_first[0]) > pad_to:
        raise InputError(f"an example has {len(longest_first[0])} tokens, more than pad_to={pad_to}")
    start = 0
    while start < len(longest_first):
        length = pad_to or len(longest_first[start])
        size = max(1, min(MAX_BATCH, MAX_CELLS // (maps_per_example * length**2))) if maps_per_example else MAX_BATCH
        batch = collate(longest_first[start : start + size], tokenizer, length)
        yield replace(batch, keeps_padding=bool(pad_to))
        start += size


def collate(examples: Sequence[Encoded], tokenizer: Tokenizer, length: int) -> Batch:
    """Pad `examples` to `length` tokens; token types only where the model knows them, as the tokenizer's inputs say."""
    columns = {
        "input_ids": ([e.input_ids for e in examples], tokenizer.pad_token_id),
        "token_type_ids": ([e.token_type_ids for e in examples], 0),
        "attention_mask": ([(1,) * len(e) for e in examples], 0),
    }
    inputs = {
        name: torch.tensor([[*row, *[fill] * (length - len(row))] for row in rows])
        for name, (rows, fill) in columns.items()
        if name in ("input_ids", "attention_mask") or name in tokenizer.model_input_names
    }
    return Batch(tuple(examples), inputs)


def read_maps(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Run `model` on a batch and return its maps (batch, layer, head, query, key) in float32.

    Padding keys get no attention. Rows of padding queries are set to 0, unless the batch keeps them as the model
    computed them.
    """
    use_attention(model, "eager")  # the default implementation computes no maps
    with torch.inference_mode():
        maps = torch.stack(model.base_model(**batch.on(model), output_attentions=True).attentions, dim=1)
        if not (batch.keeps_padding or bool(batch.mask.all())):
            maps *= batch.mask.to(maps.device)[:, None, None, :, None]
    return maps


def maps_of(model: PreTrainedModel, tokenizer: Tokenizer, first: str, second: str = "") -> tuple[list[str], np.ndarray]:
    """Return one input's tokens and its maps (layer, head, query, key); an empty `second` means a single sentence."""
    encoded = encode(tokenizer, [Example("0", first, second or None, 0)])
    maps = read_maps(model, collate(encoded, tokenizer, len(encoded[0])))
    return tokenizer.convert_ids_to_tokens(encoded[0].input_ids), maps[0].cpu().numpy()


def attention_pass(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    encoded: Sequence[Encoded],
    reducers: Sequence[Reducer],
    pad_to: int = 0,
    progress: str = "",
) -> None:
    """Run `model` once over `encoded` and hand every batch's maps to every reducer.

    With `pad_to` each example is padded to that many tokens and the padding's rows are left in the maps, which is
    what the released notebook analyses. `progress` names the work in a line printed every half minute.
    """
    n_maps = model.config.num_hidden_layers * model.config.num_attention_heads
    done, reported = 0, time.monotonic()
    for batch in batches(encoded, tokenizer, n_maps, pad_to):
        maps = read_maps(model, batch)
        for reducer in reducers:
            reducer(maps, batch)
        done += len(batch.examples)
        if progress and time.monotonic() - reported > 30:
            reported = time.monotonic()
            print(f"{progress}: {done} of {len(encoded)} examples", file=sys.stderr, flush=True)
