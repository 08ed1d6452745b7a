"""Which noun a pronoun stands for: the rule's cases one by one, and against the pocket corpus's gold links."""

import pytest

from darksecrets.corpora import generated, linguistics

# text: its links as "pronoun: antecedent", by the rule
RULED = {
    "The company said that it would pay its debts.": "it: company, its: company",
    "The drivers said that they sold the truck.": "they: drivers",
    "Anna and Tom said that they were late.": "they: Anna",
    "The driver saw her.": "",
    "The driver sold her truck.": "her: driver",
    "The woman sold his truck.": "",
    "The man hurt himself.": "himself: man",
    "The teacher herself opened the door.": "herself: teacher",
    "The teacher opened the door before she left.": "she: teacher",
    "The door was painted, and then it fell.": "it: door",
    "It was the driver who left before she called.": "she: driver",
    "It is clear that the truck is old.": "",
    "The truck came. It\N{RIGHT SINGLE QUOTATION MARK}s clear that the driver is tired.": "",
    "The truck came. It seems that the driver is tired.": "",
    "The truck is old. It was said that the driver left.": "",
    "The truck is old, and it is red.": "it: truck",
    "The guests left. Then they came back.": "they: guests",
    "John Miller left early because he was tired.": "he: Miller",
    "Sweden won because he was tired.": "",
    "He left.": "",
}


@pytest.mark.parametrize("text", RULED)
def test_a_case_of_the_rule(text):
    (found,) = linguistics.annotate([text])
    words = [word.text for word in found.words]
    links = [link for link in found.links if link.relation == "pronoun-antecedent"]
    assert ", ".join(f"{words[link.head]}: {words[link.dependent]}" for link in links) == RULED[text]


def linked_words(sentence):
    return {
        tuple((sentence.words[place].start, sentence.words[place].end) for place in (link.head, link.dependent))
        for link in sentence.links
        if link.relation == "pronoun-antecedent"
    }


@pytest.mark.parametrize("distance", [1, 4, 8])
def test_on_the_pocket_corpus_it_is_nearly_always_right_and_finds_most(distance):
    gold = generated.linked("pronoun-antecedent", distance, 40)
    found = linguistics.annotate([sentence.text for sentence in gold])
    pairs = [(linked_words(one), linked_words(other)) for one, other in zip(gold, found, strict=True)]
    n_right = sum(len(one & other) for one, other in pairs)
    assert n_right / sum(len(other) for _, other in pairs) > 0.95
    assert n_right / sum(len(one) for one, _ in pairs) > 0.7
