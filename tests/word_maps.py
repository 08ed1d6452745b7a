"""Real sentences with their words, and random maps over their tokens, for tests of what heads attend to."""

import numpy as np
import torch

from darksecrets.corpora.annotation import Sentence, Word
from darksecrets.corpora.glue import Example
from darksecrets.corpora.linguistics import annotate
from darksecrets.models import attention

PAIRS = (
    ("The doctors, who weren't told, didn't see Anna's well-known paintings.", "She never showed them to anyone."),
    ("He was becoming agitated.", "Nobody can't say nothing about it, isn't that so?"),
    ("Prices rose 3.5 % in the second quarter, the bank said on Monday.", "The bank says prices didn't fall."),
    ("Yes.", "No."),
    ("My café-owning neighbours re-elected themselves 😀 and another mayor.", "They were naïve; he was not."),
    ("Unquestionably antidisestablishmentarianism was what Żaneta's uncle preached.", "His niece disliked it."),
)
SINGLES = tuple((first, None) for first, _ in PAIRS)
N_LAYERS, N_HEADS = 3, 4


def annotated(pairs):
    """Examples of (first, second), and the parser's sentences for each."""
    examples = [Example(str(row), *pair, 0) for row, pair in enumerate(pairs)]
    return examples, [tuple(annotate([text for text in pair if text])) for pair in pairs]


def encoded(tokenizer, pairs, max_length=attention.MAX_LENGTH):
    """The examples as a model reads them, with their sentences."""
    examples, sentences = annotated(pairs)
    return attention.encode(tokenizer, examples, max_length), sentences


def random_maps(batch, n_layers=N_LAYERS, n_heads=N_HEADS, seed=0):
    """Random attention over the real tokens of a batch, zero where query or key is padding."""
    random = np.random.default_rng(seed)
    size = batch.mask.shape[1]
    scores = torch.tensor(random.normal(0, 2, (len(batch.examples), n_layers, n_heads, size, size)))
    mask = batch.mask
    scores = scores.masked_fill(~mask[:, None, None, None, :], float("-inf"))
    return (scores.softmax(-1) * mask[:, None, None, :, None]).float()


def batch_of(tokenizer, examples):
    """All examples in one batch, padded three tokens beyond the longest."""
    return attention.collate(examples, tokenizer, max(map(len, examples)) + 3)


def places_of(tokens, sentence):
    """Each word's tokens: both are written over the letters of the text, and what meets belongs together."""
    letters = [place for place, letter in enumerate(sentence.text) if letter != " "]
    spans, at = [], 0
    for token in tokens[1:-1]:
        size = len(token.removeprefix("##"))
        spans.append(set(letters[at : at + size]))
        at += size
    assert at == len(letters), "the tokens spell the text"
    own = [set(range(word.start, word.end)) for word in sentence.words]
    return [[place for place, span in enumerate(spans, start=1) if span & word] for word in own]


def sentence_of(text):
    """A sentence of words with a space between them."""
    ends = [len(" ".join(text.split()[: n + 1])) for n in range(len(text.split()))]
    words = tuple(Word(word, end - len(word), end, "X") for word, end in zip(text.split(), ends, strict=True))
    return Sentence(text, words, {})


def words_of(sentence):
    """Places of the words that are not marks."""
    return [place for place, word in enumerate(sentence.words) if any(letter.isalnum() for letter in word.text)]


def word_weight(one_map, query_pieces, key_pieces):
    """A weight between words: summed over the key word's pieces, averaged over the query word's."""
    return sum(float(one_map[q, k]) for q in query_pieces for k in key_pieces) / len(query_pieces)
