"""Words and their pieces, by characters: against loops over all tokens and words, on text of every awkward kind."""

from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from darksecrets.corpora.annotation import Sentence, Word
from darksecrets.corpora.glue import Example
from darksecrets.models import attention
from darksecrets.models.alignment import between_words, memberships, word_pieces
from tests.word_maps import PAIRS, batch_of, encoded, random_maps

# Words as annotations have them: a contraction is two, a hyphen is one of its own.
CONTRACTIONS = (("do", "n't"), ("ca", "n\N{RIGHT SINGLE QUOTATION MARK}t"), ("she", "'s"))
MARKED = (("well", "-", "known"), ("3.5", "%"), ("“", "so", "”"), ("...",))
ACCENTED = (
    ("café",),
    ("naïve",),
    ("Żaneta",),
    ("e\N{COMBINING ACUTE ACCENT}t",),
    ("Straße",),
    ("\N{LATIN SMALL LIGATURE FI}ne",),
)
OTHERS = (
    ("😀",),
    ("👩\N{ZERO WIDTH JOINER}👧",),
    ("日本",),
    ("antidisestablishmentarianism",),
    ("a",),
    ("U.S.",),
    ("C++",),
)
WORDS = st.sampled_from(CONTRACTIONS + MARKED + ACCENTED + OTHERS)
TEXTS = st.lists(WORDS, min_size=1, max_size=12)


def sentence(groups, gap=" "):
    """Write groups of words, a gap between groups and none within them."""
    words, text = [], ""
    for group in groups:
        text += gap if text else ""
        for word in group:
            words.append(Word(word, len(text), len(text) + len(word), "X"))
            text += word
    return Sentence(text, tuple(words), {})


@pytest.fixture(scope="module")
def wordpiece(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


@pytest.fixture(scope="module")
def bytewise():
    """A byte-level tokenizer like RoBERTa's, with every word in single bytes: an emoji is four pieces."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate(["<s>", "</s>", "<pad>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=False)
    special = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def pieces_of(tokenizer, sentences, max_length=512):
    texts = [one.text for one in sentences]
    (found,) = attention.encode(tokenizer, [Example("0", texts[0], texts[1] if texts[1:] else None, 0)], max_length)
    return found, word_pieces(found, sentences)


def slowly(found, sentences):
    """Compare each token with each word, character by character."""
    return [
        [
            tuple(
                place
                for place, (which, start, end) in enumerate(found.spans)
                if which == number and set(range(start, end)) & set(range(word.start, word.end))
            )
            for word in one.words
        ]
        for number, one in enumerate(sentences)
    ]


@pytest.mark.parametrize("kind", ["wordpiece", "bytewise"])
@given(first=TEXTS, second=TEXTS, gap=st.sampled_from([" ", "  ", "\t", "\N{NO-BREAK SPACE}"]))
def test_pieces_are_those_that_share_a_character(kind, first, second, gap, request):
    tokenizer, sentences = request.getfixturevalue(kind), [sentence(first, gap), sentence(second)]
    found, pieces = pieces_of(tokenizer, sentences)
    assert pieces == slowly(found, sentences)
    for number, (one, of_words) in enumerate(zip(sentences, pieces, strict=True)):
        for word, places in zip(one.words, of_words, strict=True):
            assert places, f"{word.text!r} was lost"
            assert places == tuple(range(places[0], places[-1] + 1)), "a word's pieces stand together"
            assert {found.spans[place][0] for place in places} == {number}
        owned = {place for places in of_words for place in places}
        real = {place for place, span in enumerate(found.spans) if span[0] == number and span[1] < span[2]}
        assert {place for place in real if one.text[slice(*found.spans[place][1:])].strip()} <= owned


def test_a_contraction_shares_the_piece_that_spans_both_of_its_words(wordpiece):
    found, (pieces,) = pieces_of(wordpiece, [sentence([["I"], ["do", "n't"], ["know"]])])
    tokens = wordpiece.convert_ids_to_tokens(found.input_ids)
    texts = [[tokens[place] for place in places] for places in pieces]
    assert texts == [["i"], ["don"], ["don", "'", "t"], ["know"]]


def test_the_same_word_twice_is_found_where_it_stands(wordpiece):
    _, (first, second) = pieces_of(wordpiece, [sentence([["no"], ["no"]]), sentence([["no"]])])
    assert (first, second) == ([(1,), (2,)], [(4,)])


@given(first=TEXTS, second=TEXTS, max_length=st.integers(6, 40))
def test_what_truncation_cuts_off_has_no_pieces(wordpiece, first, second, max_length):
    sentences = [sentence(first), sentence(second)]
    (_, whole), (found, cut) = (pieces_of(wordpiece, sentences, size) for size in (512, max_length))
    assert len(found) <= max_length
    assert cut == slowly(found, sentences)
    for before, after in zip(whole, cut, strict=True):
        n_pieces = [len(places) for places in after]
        assert all(few <= len(many) for few, many in zip(n_pieces, before, strict=True))
        gone = [place for place, n in enumerate(n_pieces) if n == 0]
        assert gone == list(range(len(n_pieces) - len(gone), len(n_pieces))), "truncation cuts at the end"
    if len(found) < max_length:
        assert cut == whole


def test_real_text_keeps_all_its_words(wordpiece):
    examples, sentences = encoded(wordpiece, PAIRS)
    for example, pair in zip(examples, sentences, strict=True):
        pieces = word_pieces(example, pair)
        assert pieces == slowly(example, pair)
        assert all(places for words in pieces for places in words)


def test_attention_between_words_against_loops(wordpiece):
    examples, sentences = encoded(wordpiece, PAIRS)
    batch = batch_of(wordpiece, examples)
    words = [list(chain(*word_pieces(*pair))) for pair in zip(examples, sentences, strict=True)]
    maps = random_maps(batch)
    found = between_words(maps, batch, words)
    for number, of_example in enumerate(words):
        for query, query_pieces in enumerate(of_example):
            for key, key_pieces in enumerate(of_example):
                expected = sum(maps[number, :, :, q, k] for q in query_pieces for k in key_pieces) / len(query_pieces)
                torch.testing.assert_close(found[number, :, :, query, key], expected, atol=1e-6, rtol=0)
        assert found[number, :, :, len(of_example) :].abs().sum() == 0


def test_a_word_without_pieces_and_an_example_without_words_are_zero():
    matrix = memberships([[(1,), ()], []], 4)
    assert matrix.tolist() == [[[0, 0], [1, 0], [0, 0], [0, 0]], [[0, 0]] * 4]
