"""The pocket corpus keeps what it promises: spans, links, balance, splits apart, the same text everywhere.

Labels are tested in test_pocket_labels.py, opinions (SST-2) in test_opinions.py, and what the book itself checks of the
corpus in test_pocket_evidence.py.
"""

import hashlib
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

import pocketgrammar
from darksecrets.corpora import linguistics
from darksecrets.corpora.annotation import RELATIONS, ROLES
from darksecrets.overview import pocket_corpus
from pocketgrammar import GrammarError
from pocketgrammar import corpus as grammar
from pocketgrammar.lexicon import lexicon
from tests import pocket

TASKS = tuple(pocketgrammar.TASKS)
SIZES = {0: pocketgrammar.SIZES, 1: {"train": 150, "dev": 60}, 2: {"train": 150, "dev": 60}}  # by seed
SEEDS = tuple(SIZES)
UD = {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "VERB"}
CHECKSUM = """
import hashlib, json
from dataclasses import asdict
import pocketgrammar as pocket
def checksum():
    items = [asdict(item) for task in pocket.TASKS for item in pocket.items(task, "train", 40, 5)]
    items += [asdict(item) for relation in ("verb-subject", "pronoun-antecedent")
              for item in pocket.linked(relation, 4, 20, 5)]
    return hashlib.sha256(json.dumps(items).encode()).hexdigest()
"""


@cache
def corpus(seed=0):
    return {(task, split): pocket.items(task, split, n, seed) for task in TASKS for split, n in SIZES[seed].items()}


@cache
def sentences(seed=0):
    return pocket_corpus.sentences(corpus(seed))


def words_of(sentence, places):
    return [sentence.words[place].text for place in places]


def test_there_are_ten_thousand_sentences_to_look_at():
    assert len(sentences(0)) > 10_000


class TestAnnotation:
    pytestmark = pytest.mark.parametrize("seed", SEEDS)

    def test_every_span_lies_on_its_word_and_nothing_is_left_out(self, seed):
        for sentence in sentences(seed):
            text, words = sentence.text, sentence.words
            assert [text[word.start : word.end] for word in words] == [word.text for word in words]
            assert all(one.end <= other.start for one, other in pairwise(words)), text
            assert "".join(word.text for word in words) == text.replace(" ", "")
            assert " ".join(text.split()) == text

    def test_sentences_begin_with_a_capital_and_end_with_one_mark(self, seed):
        for (task, _), items in corpus(seed).items():
            for sentence in (sentence for item in items for sentence in item.sentences):
                assert sentence.text[0] == sentence.text[0].upper()
                marks = [word.text for word in sentence.words if word.text in ".?!"]
                assert marks == [sentence.words[-1].text] or task == "SST-2"

    def test_parts_of_speech_and_roles_are_known_and_fit(self, seed):
        for sentence in sentences(seed):
            assert {word.pos for word in sentence.words} <= UD
            assert set(sentence.roles) <= set(ROLES)
            nominal = {sentence.words[place].pos for role in ("subject", "object") for place in sentence.places(role)}
            assert nominal <= {"NOUN", "PROPN", "PRON"}, sentence.text
            negations = {
                place for place, word in enumerate(sentence.words) if word.text.lower() in linguistics.NEGATIONS
            }
            assert negations == set(sentence.places("negation")), sentence.text

    def test_links_are_known_and_say_the_same_as_the_roles(self, seed):
        for sentence in sentences(seed):
            assert len(set(sentence.links)) == len(sentence.links)
            linked = {relation: set() for relation in RELATIONS}
            for link in sentence.links:
                linked[link.relation].add(link.dependent)
                assert link.head != link.dependent
                head = sentence.words[link.head].pos
                assert head in ("PRON",) if link.relation == "pronoun-antecedent" else head in ("VERB", "AUX")
            assert linked["verb-subject"] == set(sentence.places("subject")), sentence.text
            assert linked["verb-object"] == set(sentence.places("object")), sentence.text

    @pytest.mark.parametrize("task", ["MRPC", "RTE", "QQP", "QNLI"])
    def test_of_the_verbs_of_events_just_the_passive_ones_lack_an_object(self, seed, task):
        found = {True: 0, False: 0}
        for sentence in pocket_corpus.sentences({(task, "dev"): corpus(seed)[task, "dev"]}):
            events = {frame.target for frame in sentence.frames}
            with_object = {link.head for link in sentence.links if link.relation == "verb-object"}
            for link in sentence.links:
                if link.relation == "verb-subject" and link.head in events:
                    assert link.passive == (link.head not in with_object), sentence.text
                    found[link.passive] += 1
                else:
                    assert not link.passive
        assert min(found.values()) > 5

    def test_frames_stand_around_their_target(self, seed):
        n_frames = 0
        for sentence in sentences(seed):
            for frame in sentence.frames:
                n_frames += 1
                assert sentence.words[frame.target].pos in ("VERB", "AUX", "ADJ"), sentence.text
                assert 1 <= len(frame.elements) <= 2, sentence.text
                covered = [place for span in frame.elements.values() for place in range(*span)]
                assert len(covered) == len(set(covered)), sentence.text
                assert set(covered) <= set(range(len(sentence.words))) - {frame.target}, sentence.text
                for span in frame.elements.values():
                    # What fills an element is a noun phrase: it has a head that can be a subject or an object.
                    assert {"NOUN", "PROPN", "PRON"} & {word.pos for word in sentence.words[slice(*span)]}
        assert n_frames > len(sentences(seed)) / 2

    def test_subject_and_object_of_a_framed_verb_lie_in_its_elements(self, seed):
        for sentence in sentences(seed):
            for frame in sentence.frames:
                covered = {place for span in frame.elements.values() for place in range(*span)}
                parties = {link.dependent for link in sentence.links if link.head == frame.target}
                relative = {place for place in parties if sentence.words[place].text in ("who", "that")}
                assert parties - covered <= relative, sentence.text


class TestSizesAndBalance:
    def test_sentences_are_distinct(self):
        texts = [sentence.text for sentence in sentences()]
        assert len(set(texts)) >= 0.99 * len(texts)

    def test_the_vocabulary_is_not_small(self):
        assert len(pocket_corpus.word_types(corpus())) >= 600

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("task", TASKS)
    def test_labels_have_the_shares_that_were_asked_for_in_every_beginning(self, task, seed):
        for (name, _), items in corpus(seed).items():
            if name == task:
                places = [pocket_corpus.label_index(task, item.label) for item in items]
                for end in (len(places) // 2, len(places)):
                    shares = np.bincount(places[:end], minlength=len(pocketgrammar.TASKS[task].shares)) / end
                    assert shares == pytest.approx(pocketgrammar.TASKS[task].shares, abs=max(0.01, 1.5 / end))

    def test_labels_have_glues_shares_within_five_points(self):
        table = pocket_corpus.balance(corpus())
        assert set(table["task"]) == set(TASKS)
        assert table["difference"].max() <= 0.05


class TestSplits:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_no_text_stands_in_both_splits_of_any_tasks(self, seed):
        texts = {
            split: {
                sentence.text
                for (_, name), items in corpus(seed).items()
                for item in items
                for sentence in item.sentences
                if name == split
            }
            for split in pocketgrammar.SIZES
        }
        assert all(texts.values())
        assert not texts["train"] & texts["dev"]

    @pytest.mark.parametrize("task", [task for task in TASKS if task != "SST-2"])
    def test_no_event_stands_in_both_splits(self, task):
        """Read verb and parties back from the frames, as they are written, and compare."""
        found = {
            split: {key for seed in SEEDS for key in events(corpus(seed)[task, split])} for split in pocketgrammar.SIZES
        }
        assert all(len(keys) > 100 for keys in found.values())
        assert not found["train"] & found["dev"]

    def test_a_checksum_decides_once_and_for_all(self):
        train, dev = (grammar.is_mine(split) for split in ("train", "dev"))
        names = [f"verb|{number}" for number in range(2000)]
        assert all(train(name) != dev(name) for name in names)
        assert sum(map(dev, names)) / len(names) == pytest.approx(grammar.DEV_SHARE, abs=0.03)
        assert hashlib.sha256(b"verb|0").digest()[0] == 54  # of 256, less than a quarter of them
        assert dev("verb|0")


def events(items):
    """Yield the target and the two heads of every frame with two elements; kinds ("vehicle") stand for many nouns."""
    kinds = {form for kind in lexicon().kinds.values() for form in (kind.word, kind.plural)}
    for sentence in (sentence for item in items for sentence in item.sentences):
        for frame in sentence.frames:
            heads = frozenset(head(sentence.words[slice(*span)]) for span in frame.elements.values())
            if len(frame.elements) == 2 and not heads & {"", *kinds}:
                yield sentence.words[frame.target].text, heads


def head(words):
    """The first name or noun of a noun phrase, which is its head in this grammar."""
    places = [place for place, word in enumerate(words) if word.pos in ("NOUN", "PROPN")]
    first = [place for count, place in enumerate(places) if place == places[0] + count]
    return " ".join(words[place].text for place in first)


class TestDeterminism:
    def test_another_process_with_another_hash_seed_writes_the_same(self):
        here = {}
        exec(CHECKSUM, here)
        there = subprocess.run(
            [sys.executable, "-c", f"{CHECKSUM}\nprint(checksum())"],
            env={**os.environ, "PYTHONHASHSEED": "12345"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here["checksum"]()

    @pytest.mark.parametrize("task", TASKS)
    def test_a_smaller_split_is_the_beginning_of_a_larger_one(self, task):
        for split in pocketgrammar.SIZES:
            assert pocket.items(task, split, 30) == corpus()[task, split][:30]

    def test_no_size_means_the_usual_one(self):
        assert len(pocket.items("QQP", "dev")) == pocketgrammar.SIZES["dev"]

    def test_seeds_and_splits_differ(self):
        texts = [
            pocket.items("RTE", split, 20, seed)[0].first.text for split in pocketgrammar.SIZES for seed in (0, 1, 2, 3)
        ]
        assert len(set(texts)) == len(texts)

    @pytest.mark.parametrize(("task", "split"), [("WNLI", "train"), ("RTE", "test")])
    def test_what_there_is_not_is_refused(self, task, split):
        with pytest.raises(GrammarError, match=f"pocket has no {task} {split}; it has MRPC"):
            pocket.items(task, split)


class TestLinkedAtADistance:
    @pytest.mark.parametrize("distance", range(1, 9))
    @pytest.mark.parametrize("relation", ["verb-subject", "pronoun-antecedent"])
    def test_the_link_has_exactly_this_distance(self, relation, distance):
        for seed in range(5):
            found = pocketgrammar.linked(relation, distance, 20, seed)
            assert len({sentence.text for sentence in found}) == 20
            for sentence in found:
                distances = [link.distance for link in sentence.links if link.relation == relation]
                assert distance in distances, sentence.text
                if relation == "pronoun-antecedent":
                    assert len(distances) == 1, sentence.text
                assert [sentence.text[word.start : word.end] for word in sentence.words] == [
                    word.text for word in sentence.words
                ]

    @pytest.mark.parametrize(
        ("relation", "distance"), [("verb-object", 1), ("verb-subject", 0), ("verb-subject", 9), ("nsubj", 2)]
    )
    def test_other_links_are_refused_in_one_line(self, relation, distance):
        with pytest.raises(GrammarError, match="give one of verb-subject, pronoun-antecedent and a distance") as caught:
            pocketgrammar.linked(relation, distance)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("n_sentences", [0, -1])
    def test_fewer_than_one_is_refused(self, n_sentences):
        with pytest.raises(GrammarError, match=f"n_sentences is {n_sentences}; it must be at least 1"):
            pocketgrammar.linked("verb-subject", 1, n_sentences)

    def test_more_than_there_are_is_refused(self, monkeypatch):
        monkeypatch.setattr(grammar, "MOST_TRIES", 0)
        with pytest.raises(GrammarError, match="fewer than 3 such sentences"):
            pocketgrammar.linked("verb-subject", 1, 3)
