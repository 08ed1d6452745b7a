"""Labels of the pocket corpus are right, as far as a program can tell, and so are the forms of its words.

What a sentence says is taken from the words as they are written, not from the events behind them.
"""

import re
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from darksecrets.corpora import linguistics
from darksecrets.overview import pocket_corpus
from pocketgrammar import pairs
from pocketgrammar.edits import CONTRARY, EDITS, WEAKENING
from pocketgrammar.events import Event, Thing, Writer
from pocketgrammar.lexicon import lexicon, regular_past, third
from tests import pocket


@cache
def items(task, label=None):
    """Both splits of a task in the usual sizes, of one label or of all."""
    found = [item for examples in pocket.corpus([task]).values() for item in examples]
    return [item for item in found if label in (None, item.label)]


@cache
def bases():
    """What each form of a content word, with its part of speech, is a form of; a synonym is a form too."""
    words, found = lexicon(), {}

    def add(pos, base, *forms):
        for form in filter(None, forms):
            found.setdefault((pos, form), {(pos, form)}).add((pos, base))

    for noun in words.nouns.values():
        for name in filter(None, (noun.text, noun.synonym)):
            add("NOUN", noun.text, name, words.plural(name), noun.plural)
    for adjective, entry in words.adjectives.items():
        add("ADJ", adjective, adjective, entry.get("synonym"))
    for action in actions():
        for base, verb in ((action.verb, action.verb), (action.verb, action.synonym), (action.opposite,) * 2):
            if verb:
                add("VERB", base, verb, third(verb), words.past(verb), words.participle(verb))
    return found


def actions():
    return [action for scene in lexicon().scenes.values() for action in scene]


def said(sentence, start=0):
    """What the content words of a sentence, from a place on, may be forms of: a set for each of them."""
    content = [(word.pos, word.text.lower()) for word in sentence.words[start:] if word.pos in pocket_corpus.CONTENT]
    return [bases().get(word, {word}) for word in content]


def kinds(word):
    """The words for the kinds of what a noun may stand for: "vehicle" and "vehicles" for "truck"."""
    words = lexicon()
    found = [words.kinds[words.nouns[text].kind] for pos, text in word if pos == "NOUN" and text in words.nouns]
    return {("NOUN", form) for kind in found for form in (kind.word, kind.plural)}


def new_words(item):
    """What the second sentence says and the first does not: no form, synonym or kind of a word of the first, each of
    which is used up once it is found again.
    """
    left, new = [word | kinds(word) for word in said(item.first)], []
    for word in said(item.second):
        known = next((place for place, other in enumerate(left) if word & other), None)
        if known is None:
            new.append(word)
        else:
            del left[known]
    return new


def n_negations(sentence):
    return len(sentence.places("negation"))


class TestLabels:
    @pytest.mark.parametrize("task", ["RTE", "MNLI"])
    def test_what_is_entailed_says_nothing_new(self, task):
        opposites = {("VERB", verb) for one in actions() if one.opposite for verb in (one.verb, one.opposite)}
        for item in items(task, 0):
            new = new_words(item)
            if n_negations(item.second) == n_negations(item.first):
                assert new == [], (item.first.text, item.second.text)
            else:  # "did not reject it" for "accepted it"
                assert len(new) == 1 and new[0] & opposites, (item.first.text, item.second.text)

    def test_a_contradiction_negates_or_says_something_else(self):
        for item in items("MNLI", 2):
            changed = new_words(item) or n_negations(item.first) != n_negations(item.second)
            assert changed, (item.first.text, item.second.text)

    def test_what_is_left_open_is_not_negated_otherwise(self):
        for item in items("MNLI", 1):
            assert n_negations(item.first) == n_negations(item.second), (item.first.text, item.second.text)
            # What did not happen in the garden may have happened elsewhere: a negation is left open by dropping.
            is_open = new_words(item) or n_negations(item.first)
            assert is_open, (item.first.text, item.second.text)

    def test_paraphrases_without_a_double_negation_have_the_same_content(self):
        for item in items("MRPC", 1):
            if n_negations(item.first) == n_negations(item.second):
                assert new_words(item) == [], (item.first.text, item.second.text)

    def test_scores_are_in_their_range_and_the_full_score_says_the_same(self):
        for item in items("STS-B"):
            assert 0 <= item.label <= 5
            if item.label == 5:
                assert new_words(item) == [], (item.first.text, item.second.text)

    def test_questions_are_questions_and_answers_are_not(self):
        assert all(one.text.endswith("?") for item in items("QQP") for one in item.sentences)
        assert all(item.first.text.endswith("?") and item.second.text.endswith(".") for item in items("QNLI"))

    def test_an_answer_speaks_of_the_same_and_has_what_was_asked_for(self):
        wrong = []
        for item in items("QNLI"):
            asked, about = asked_about(item.first)
            known = set().union(*said(item.second))
            is_answer = all(word & known for word in about) and ANSWERED[asked](item.second)
            if is_answer is not (item.label == 0):
                wrong.append((item.first.text, item.second.text, item.label))
        assert wrong == []


def asked_about(question):
    """What a question asks for, and its content words after that: "in which place" asks where."""
    start = next(place for place, word in enumerate(question.words) if word.pos in ("AUX", "VERB"))
    opening = [word.text.lower() for word in question.words[:start]]
    asked = opening[0] if opening[0] in ANSWERED else "where" if "place" in opening else "when"
    return asked, said(question, start)


def mentions(sentence, phrases):
    """Whether one of the phrases stands in a sentence, and not in what describes one of the parties."""
    covered = {place for span in sentence.frames[0].elements.values() for place in range(*span)}
    rest = " ".join("|" if place in covered else word.text for place, word in enumerate(sentence.words))
    written = (" ".join(token.text for token in lexicon().phrase(phrase).tokens) for phrase in phrases)
    return any(re.search(rf"\b{phrase}\b", rest, re.IGNORECASE) for phrase in written)


def places():
    return {place for action in actions() for place in action.places}


def times():
    return {time for group in lexicon().phrases["times"].values() for time in group}


ANSWERED = {
    "who": lambda sentence: len(sentence.frames[0].elements) == 2,
    "what": lambda sentence: True,
    "where": lambda sentence: mentions(sentence, places()),
    "when": lambda sentence: mentions(sentence, times()),
}


def event(**changes):
    action = next(action for action in actions() if action.opposite and not action.reversible)
    subject, thing = Thing(action.subjects[0], pronoun="she"), Thing(action.objects[0], pronoun="it")
    return Event(action, action.verb, subject, thing).with_(**changes)


def described(part, **changes):
    return {part: replace(getattr(event(), part), **changes)}


class TestWhatFollows:
    FULL = event(
        place="in the garden",
        time="yesterday",
        manner="quickly",
        **described("subject", adjective="young"),
        **described("object", adjective="old"),
    )

    @pytest.mark.parametrize(
        ("second", "expected"),
        [
            (FULL, True),
            (FULL.with_(place=""), True),
            (FULL.with_(time="", manner=""), True),
            (event(), True),
            (FULL.with_(place="at home"), False),
            (FULL.with_(time="last week"), False),
            (FULL.with_(negated=True), False),
            (FULL.with_(verb=FULL.action.opposite), False),
            (FULL.with_(tail="because {she} was/AUX tired/ADJ"), False),
            (FULL.with_(subject=Thing("mayor")), False),
            (FULL.with_(object=replace(FULL.object, article="two", is_plural=True)), False),
            (FULL.with_(subject=FULL.object, object=FULL.subject), False),
        ],
    )
    def test_dropping_follows_and_changing_does_not(self, second, expected):
        assert pairs.follows(self.FULL, second) is expected

    def test_from_a_negation_only_itself_follows(self):
        negated = self.FULL.with_(negated=True)
        assert pairs.follows(negated, negated)
        assert not pairs.follows(negated, negated.with_(place=""))
        assert not pairs.follows(negated, self.FULL)

    def test_what_is_weakened_by_dropping_follows_and_nothing_contrary_does(self):
        writer = Writer(np.random.default_rng(0), lambda proposition: True)
        seen = Counter()
        for _ in range(300):
            first = writer.event(n_details=4)
            for name in (*WEAKENING, *CONTRARY):
                second = EDITS[name].apply(first, writer)
                if second == first:
                    continue
                seen[name] += 1
                dropped = name.endswith("dropped")
                if dropped or name in CONTRARY:
                    assert pairs.follows(first, second) is dropped, (name, first, second)
        assert set(seen) == {*WEAKENING, *CONTRARY}


class TestInflection:
    @pytest.mark.parametrize(
        ("verb", "singular", "past"),
        [
            ("repair", "repairs", "repaired"),
            ("carry", "carries", "carried"),
            ("play", "plays", "played"),
            ("watch", "watches", "watched"),
            ("wash", "washes", "washed"),
            ("pass", "passes", "passed"),
            ("fix", "fixes", "fixed"),
            ("veto", "vetoes", "vetoed"),
            ("move", "moves", "moved"),
        ],
    )
    def test_regular_verbs(self, verb, singular, past):
        assert (third(verb), regular_past(verb)) == (singular, past)

    @pytest.mark.parametrize(("noun", "several"), [("truck", "trucks"), ("box", "boxes"), ("city", "cities")])
    def test_plurals(self, noun, several):
        assert lexicon().plural(noun) == several

    @pytest.mark.parametrize(("verb", "past", "participle"), [("write", "wrote", "written"), ("sell", "sold", "sold")])
    def test_irregular_verbs(self, verb, past, participle):
        assert (lexicon().past(verb), lexicon().participle(verb)) == (past, participle)

    def test_every_form_of_the_lexicon_is_traced_back_by_spacy(self):
        name = next(name for name in linguistics.MODELS if spacy.util.is_package(name))
        nlp = spacy.load(name, exclude=["ner", "parser", "tagger", "senter"])
        lemmatizer = nlp.get_pipe("lemmatizer")

        def lemmas(form, pos, morph):
            return lemmatizer.lemmatize(Doc(nlp.vocab, words=[form], pos=[pos], morphs=[morph])[0])

        words = lexicon()
        verbs = {verb for one in actions() for verb in (one.verb, one.synonym, one.opposite) if verb}
        rules = ((third, "VerbForm=Fin"), (words.past, "VerbForm=Fin"), (words.participle, "VerbForm=Part"))
        wrong = [(verb, rule(verb)) for verb in verbs for rule, morph in rules
                 if verb not in lemmas(rule(verb), "VERB", morph)]  # fmt: skip
        wrong += [(noun.text, noun.plural) for noun in words.nouns.values()
                  if noun.plural and noun.text not in lemmas(noun.plural, "NOUN", "Number=Plur")]  # fmt: skip
        assert len(verbs) > 200
        assert wrong == []
