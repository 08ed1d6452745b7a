"""Words and the tokens that a model reads: which word pieces belong to which word, by their characters.

A piece belongs to every word with which it shares a character. Nothing is looked up by its text, except in the reading
`released`: a word that occurs twice, or whose pieces occur in another word, is found where it stands.
"""

from collections.abc import Collection, Sequence
from itertools import chain

import torch
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.corpora.annotation import Sentence
from darksecrets.models.attention import Batch, Encoded

Pieces = tuple[int, ...]  # a word's tokens, as places in the input


def word_pieces(encoded: Encoded, sentences: Sequence[Sentence]) -> list[list[Pieces]]:
    """Return the pieces of every word of an example's one or two sentences: per sentence and word, in their order.

    A word has no pieces where truncation cut it off, and only its first ones where truncation cut through it. "don't",
    of which an annotation makes the words "do" and "n't" and a tokenizer the pieces "don", "'" and "t", shares "don"
    between the two.
    """
    owners = [_owners(sentence) for sentence in sentences]
    found: list[list[list[int]]] = [[[] for _ in sentence.words] for sentence in sentences]
    for position, (sentence, start, end) in enumerate(encoded.spans):
        if sentence < 0:
            continue
        for word in dict.fromkeys(owners[sentence][start:end]):
            if word is not None:
                found[sentence][word].append(position)
    return [[tuple(pieces) for pieces in words] for words in found]


def _owners(sentence: Sentence) -> list[int | None]:
    """Return for each character the word that it belongs to."""
    owners: list[int | None] = [None] * len(sentence.text)
    for place, word in enumerate(sentence.words):
        owners[word.start : word.end] = [place] * (word.end - word.start)
    return owners


def spelled_like(encoded: Encoded, texts: Collection[str], tokenizer: Tokenizer) -> list[int]:
    """Return the places of all tokens that equal a piece of one of the texts, wherever they stand.

    This is how the released notebook finds words; `word_pieces` is how to.
    """
    if not texts:
        return []
    pieces = set(chain.from_iterable(tokenizer(list(texts), add_special_tokens=False)["input_ids"]))
    return [place for place, token in enumerate(encoded.input_ids) if token in pieces]


def memberships(words: Sequence[Sequence[Pieces]], n_tokens: int) -> torch.Tensor:
    """Write the pieces of each example's words as a matrix: (example, token, word), 1 where a token is a word's."""
    most = max((len(of_example) for of_example in words), default=0)
    cells = [
        (example, token, word)
        for example, of_example in enumerate(words)
        for word, pieces in enumerate(of_example)
        for token in pieces
    ]
    matrix = torch.zeros(len(words), n_tokens, most)
    if cells:
        matrix[tuple(torch.tensor(cells).T)] = 1
    return matrix


def between_words(maps: torch.Tensor, batch: Batch, words: Sequence[Sequence[Pieces]]) -> torch.Tensor:
    """Turn maps between tokens into maps between words: (example, layer, head, query word, key word).

    `words` are the pieces of each example's words. The attention between two words is summed over the key word's
    pieces, and averaged over the query word's, as in Clark et al. (2019); what a word pays to all words and special
    tokens still sums to 1. A word without pieces, and the padding up to the longest list of words, are 0.
    """
    member = memberships(words, maps.shape[-1]).to(maps.device)  # (example, token, word)
    averaged = member / member.sum(1, keepdim=True).clamp(min=1)
    summed = maps @ member[:, None, None]  # (example, layer, head, query token, key word)
    return averaged.mT[:, None, None] @ summed
