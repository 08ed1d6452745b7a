"""A sentence with its annotation: places by feature and reading, and its form as JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darksecrets.corpora.annotation import FEATURES, Frame, Link, Sentence, Word, from_dict, to_dict
from tests import pocket

names = st.text(max_size=5)
places = st.integers(0, 20)
roles = st.dictionaries(st.sampled_from(FEATURES), st.lists(places).map(tuple))
sentences = st.builds(
    Sentence,
    text=st.text(),
    words=st.lists(st.builds(Word, names, places, places, names)).map(tuple),
    roles=roles,
    links=st.lists(st.builds(Link, names, places, places)).map(tuple),
    frames=st.lists(st.builds(Frame, names, places, st.dictionaries(names, st.tuples(places, places)))).map(tuple),
    released=roles,
    sure=st.booleans(),
)


@given(sentences)
def test_a_sentence_comes_back_from_json_as_it_was(sentence):
    assert from_dict(json.loads(json.dumps(to_dict(sentence)))) == sentence


def test_the_pocket_corpus_comes_back_too_and_says_nothing_of_a_parser():
    for sentence in pocket.items("MRPC", "dev", 5)[0].sentences:
        assert set(to_dict(sentence)) == {"text", "words", "roles", "links", "frames"}
        assert from_dict(to_dict(sentence)) == sentence


class TestPlaces:
    words = tuple(Word(text, 0, 1, pos) for text, pos in (("a", "NOUN"), ("b", "PROPN"), ("c", "AUX"), ("d", "PUNCT")))
    sentence = Sentence("", words, {"subject": (1,)}, released={"noun": (0,), "object": ()})

    def test_features_are_parts_of_speech_or_roles(self):
        expected = {"noun": (0, 1), "verb": (2,), "subject": (1,), "punctuation": (3,)}
        assert {feature: self.sentence.places(feature) for feature in FEATURES} == dict.fromkeys(
            FEATURES, ()
        ) | expected

    def test_the_released_reading_is_the_papers_where_it_is_not_defined(self):
        assert self.sentence.places("noun", "released") == (0,)
        assert self.sentence.places("object", "released") == ()
        assert self.sentence.places("subject", "released") == (1,)
        assert self.sentence.places("punctuation", "released") == (3,)

    @pytest.mark.parametrize(("feature", "reading"), [("nouns", "paper"), ("noun", "notebook")])
    def test_a_word_that_means_no_feature_or_reading_is_refused(self, feature, reading):
        with pytest.raises(ValueError, match=f"no feature '{feature}' in reading '{reading}'"):
            self.sentence.places(feature, reading)
