"""Opinions of the pocket corpus: the construction decides the label, and the annotation is right by hand."""

import re
from collections import defaultdict
from functools import cache

import numpy as np
import pytest

from darksecrets.corpora.linguistics import NEGATIONS
from pocketgrammar.events import Writer
from pocketgrammar.lexicon import GrammarError, regular_past, third
from pocketgrammar.opinions import POLARITIES, Speaker, Thing, opinion, vocabulary

LABELS = (0, 1)
UD = {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "NUM", "PART", "PRON", "PUNCT", "SCONJ", "VERB"}
# Constructions that say what they mean, with words of the label's polarity only, and those that deny the opposite.
DIRECT = ("plain", "exclamation", "attributive", "effect", "liking", "working", "nominal")
DENYING = ("negation", "negated verb", "negated work", "negated pair")


def everything(key):
    return True


def sentences(label, n=300, seed=0, is_mine=everything):
    generator = np.random.default_rng(seed)
    return [opinion(generator, label, is_mine).sentence() for _ in range(n)]


def said(construction, label, seed):
    return Speaker(Writer(np.random.default_rng(seed), everything)).opinion(label, construction)


def read(phrase, label=1, group="story", text="plot", seed=0):
    return Speaker(Writer(np.random.default_rng(seed), everything))._read(phrase, label, Thing(group, text)).sentence()


@cache
def polarities():
    """Return the polarities of every opinion word, in the forms that are written."""
    words = defaultdict(set)
    entries = [*vocabulary()["things"].values(), vocabulary()["all"], *vocabulary()["opinions"].values()]
    for entry in entries:
        for polarity in POLARITIES:
            for word in entry[polarity]:
                words[word].add(polarity)
    for verb in [
        verb for name in ("move", "like", "work") for verbs in vocabulary()["opinions"][name].values() for verb in verbs
    ]:
        for form in (third(verb), regular_past(verb)):
            words[form] |= words[verb]
    return words


def found(draft):
    known = polarities()
    return {
        next(iter(known[token.text]))
        for token in draft.tokens
        if token.text in known and token.pos in ("ADJ", "NOUN", "VERB")
    }


def test_no_word_is_praise_and_blame():
    assert all(len(found) == 1 for found in polarities().values())


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("construction", [*DIRECT, *DENYING])
def test_the_construction_decides_the_label(construction, label):
    expected = POLARITIES[1 - label if construction in DENYING else label]
    for seed in range(60):
        draft = said(construction, label, seed)
        if "less" not in [token.text for token in draft.tokens]:  # "a much less dull comedy"
            assert found(draft) == {expected}, draft.sentence().text


@pytest.mark.parametrize("label", LABELS)
def test_denying_constructions_carry_a_negation(label):
    for construction in DENYING:
        for seed in range(30):
            assert said(construction, label, seed).sentence().roles["negation"]


def judged(clause):
    """Judge a clause as a reader with a word list would: the polarity of its words, turned by a negation."""
    words = re.findall(r"n't|\w+?(?=n't)|\w+", clause.lower())
    known = polarities()
    (polarity,) = {polarity for word in words for polarity in known.get(word, ())}
    return POLARITIES.index(polarity) ^ bool(NEGATIONS & set(words))


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("construction", ["but", "despite"])
def test_a_concession_is_decided_by_its_main_clause(construction, label):
    for seed in range(200):
        text = said(construction, label, seed).sentence("").text
        text = re.sub(r"^(Frankly|Honestly|Overall|In short), ", "", text)
        first, second = text.split(", ")
        is_second_main = re.match("but|yet", second) or re.match("although|even though|despite|in spite", first.lower())
        main, side = (second, first) if is_second_main else (first, second)
        assert (judged(main), judged(side)) == (label, 1 - label), text


def test_a_film_as_a_whole_is_not_conceded():
    for seed in range(200):
        speaker = Speaker(Writer(np.random.default_rng(seed), everything))
        speaker._slot("-clause", 1, Thing("story", "plot"), is_plural=False)
        assert speaker.groups and "film" not in speaker.groups


def test_annotation_by_hand():
    sentence = read("{thing}/subject is n't {-bare}/target", seed=3)
    words = [word.text for word in sentence.words]
    copula = words.index("is")
    assert words[copula + 1] == "n't"
    assert sentence.roles["negation"] == (copula + 1,)
    assert [words[place] for place in sentence.roles["subject"]] == ["plot"]
    assert [(link.relation, words[link.head], words[link.dependent]) for link in sentence.links] == [
        ("verb-subject", "is", "plot")
    ]
    assert sentence.words[copula].pos == "AUX"


def test_verb_and_its_object_by_hand():
    sentence = read("I/PRON/subject did n't {-like}/target {thing}/object", group="film", text="film", seed=1)
    words = [word.text for word in sentence.words]
    links = {link.relation: (words[link.head], words[link.dependent]) for link in sentence.links}
    verb = words[3]
    assert words[:3] == ["I", "did", "n't"]
    assert links == {"verb-subject": (verb, "I"), "verb-object": (verb, words[-2])}
    (frame,) = sentence.frames
    assert (frame.name, words[frame.target], dict(frame.elements)) == (
        "Experiencer_focus",
        verb,
        {"Experiencer": (0, 1), "Content": (4, len(words) - 1)},
    )


PLURALS = ("{thing}/subject is {+bare}", "{thing}/subject does n't {-stir} us", "{thing}/subject {+works}")


@pytest.mark.parametrize("phrase", PLURALS)
def test_plural_things_take_plural_verbs(phrase):
    for seed in range(20):
        text = read(phrase, group="humor", text="jokes", seed=seed).text
        assert re.search(r"jokes( \w+ this [\w ]+)? (are|don't|work|succeed|shine|deliver|sparkle)\b", text), text


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("label", LABELS)
def test_spans_lie_on_words(label, seed):
    for sentence in sentences(label, seed=seed):
        assert "".join(word.text for word in sentence.words) == sentence.text.replace(" ", "")
        assert all(sentence.text[word.start : word.end] == word.text for word in sentence.words)
        assert {word.pos for word in sentence.words} <= UD
        assert {word.text.lower() for word in sentence.words} & NEGATIONS == {
            sentence.words[place].text.lower() for place in sentence.roles["negation"]
        }
        assert all(sentence.words[place].pos in ("NOUN", "PRON") for place in sentence.roles["subject"])
        assert all(sentence.words[link.head].pos in ("VERB", "AUX") for link in sentence.links)
        for frame in sentence.frames:
            assert all(0 <= start < end <= len(sentence.words) for start, end in frame.elements.values())


def test_every_phrase_of_the_file_can_be_read_for_its_labels():
    for name, entry in vocabulary()["constructions"].items():
        for phrase, labels in [(phrase, LABELS) for phrase in entry.get("say", [])] + [
            (phrase, [label]) for label, key in enumerate(("blame", "praise")) for phrase in entry.get(key, [])
        ]:
            for label in labels:
                assert "{" not in read(phrase, label, "film" if entry["about"] == "film" else "story", "film").text, (
                    name
                )


@pytest.mark.parametrize("label", LABELS)
def test_opinions_are_distinct(label):
    texts = [sentence.text for sentence in sentences(label, n=3000)]
    assert len(set(texts)) >= 0.98 * len(texts)


def test_the_seed_decides():
    assert sentences(1, 50, seed=4) == sentences(1, 50, seed=4)
    assert sentences(1, 50, seed=4) != sentences(1, 50, seed=5)


def test_every_opinion_word_occurs_with_both_labels():
    words = {
        label: {word.text.lower() for sentence in sentences(label, n=6000) for word in sentence.words}
        for label in LABELS
    }
    adjectives = {word for entry in [*vocabulary()["things"].values(), vocabulary()["all"]] for polarity in POLARITIES
                  for word in entry[polarity]}  # fmt: skip
    nouns_and_verbs = {word for entry in vocabulary()["opinions"].values() for polarity in POLARITIES
                       for word in entry[polarity]}  # fmt: skip
    assert adjectives <= words[0] & words[1]
    stems = {label: " ".join(sorted(found)) for label, found in words.items()}
    assert all(re.search(rf"\b{word}", stems[label]) for word in nouns_and_verbs for label in LABELS)


def test_splits_share_no_proposition():
    keys = defaultdict(set)
    for split in ("train", "dev"):

        def is_mine(key, split=split):
            mine = (len(key) % 4 == 0) == (split == "dev")
            if mine:
                keys[split].add(key)
            return mine

        sentences(0, 200, is_mine=is_mine)
    assert keys["dev"] and keys["train"]
    assert not keys["dev"] & keys["train"]


def test_the_word_lists_are_large_enough():
    entries = [*vocabulary()["things"].values(), vocabulary()["all"]]
    for polarity in POLARITIES:
        assert len({word for entry in entries for word in entry[polarity]}) >= 45
        assert len(vocabulary()["opinions"]["move"][polarity]) >= 12
        assert len(vocabulary()["opinions"]["delight"][polarity]) >= 10
    assert sum(len(entry["words"]) for entry in vocabulary()["things"].values()) >= 25


def test_a_wrong_label_is_refused():
    with pytest.raises(GrammarError, match="accepted: 0"):
        opinion(np.random.default_rng(0), 2, everything)


@pytest.mark.parametrize("label", LABELS)
def test_no_sentence_has_two_words_that_say_the_same_or_the_contrary(label):
    for sentence in sentences(label, n=1000):
        said_words = {word.text.lower() for word in sentence.words if word.pos in ("ADJ", "NOUN")}
        assert all(len(said_words & set(line)) < 2 for line in vocabulary()["same"]), sentence.text


@pytest.mark.parametrize("label", LABELS)
def test_what_decides_beside_a_concession_is_said_plainly(label):
    for seed in range(200):
        speaker = Speaker(Writer(np.random.default_rng(seed), everything))
        clause = speaker._slot("+clause", label, Thing("story", "plot"), is_plural=False).draft.sentence()
        conceded = speaker._slot("-clause", label, Thing("story", "plot"), is_plural=False).draft.sentence()
        assert not clause.roles["negation"], clause.text
        words = {word.text for word in conceded.words}
        assert "really" not in words and words.isdisjoint(vocabulary()["extreme"]), conceded.text


def test_a_negated_verb_is_praise_only_where_its_denial_is_one():
    for seed in range(100):
        words = {word.text for word in said("negated verb", 1, seed).sentence().words}
        assert words & {"bore", "bored", "disappoint", "disappointed"}
