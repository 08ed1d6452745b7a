"""One input looked at: against the model itself run plainly, the sweep, and slow sums."""

import math

import numpy as np
import pytest
import torch

from darksecrets.apps import exploration
from darksecrets.apps.exploration import Exploration
from darksecrets.corpora import linguistics
from darksecrets.corpora.annotated_maps import AFTER, BEFORE, PATTERNS
from darksecrets.corpora.glue import Example
from darksecrets.errors import InputError
from darksecrets.models import attention
from darksecrets.models.ablation import all_heads, disabled
from darksecrets.models.sweep import sweep
from tests.explored import FIRST, SECOND, explored_setup  # noqa: F401 (a fixture)

HEADS = [(0, 2), (1, 1)]


@pytest.fixture
def explored(explored_setup):  # noqa: F811
    found = Exploration(explored_setup)
    found.look(first=FIRST, second=SECOND)
    return found


def plainly(explored, checkpoint, heads=()):
    """The model's own answer and maps, on the text tokenized anew."""
    tokens = explored.setup.load().tokenizer(explored.first, explored.second or None, return_tensors="pt")
    model = explored.setup.finetuned(explored.task, 0) if checkpoint == AFTER else explored.setup.load().encoder()
    model.set_attn_implementation("eager")
    with torch.inference_mode(), disabled(model, heads):
        return model(**tokens, output_attentions=True)


@pytest.mark.parametrize("heads", [(), HEADS], ids=["nothing", "two heads"])
@pytest.mark.parametrize("checkpoint", exploration.CHECKPOINTS)
def test_maps_and_answers_are_the_models(explored, checkpoint, heads):
    explored.look(checkpoint=checkpoint, disabled=heads)
    expected = plainly(explored, checkpoint, heads)
    np.testing.assert_allclose(explored.reading.maps, torch.stack(expected.attentions, 1)[0], atol=1e-6)
    if checkpoint == AFTER:
        np.testing.assert_allclose(explored.reading.outputs, expected.logits[0].softmax(-1), atol=1e-6)
    else:
        assert explored.reading.outputs is None
    for head in heads:
        assert explored.reading.maps[head] == pytest.approx(1 / len(explored.tokens), abs=1e-6)


def test_a_score_is_left_as_it_is(explored):
    explored.look(task="STS-B", disabled=HEADS)
    table = explored.answers()
    assert table["answer"].tolist() == [exploration.SCORE]
    for column, heads in {"undisturbed": (), "disabled": HEADS}.items():
        assert table[column].tolist() == pytest.approx(plainly(explored, AFTER, heads).logits[0].tolist(), abs=1e-5)


def test_answers_name_labels_and_stand_beside_the_undisturbed_ones(explored):
    explored.look(disabled=HEADS)
    table = explored.answers()
    assert table["answer"].tolist() == ["entailment", "not_entailment"]
    for column, heads in {"undisturbed": (), "disabled": HEADS}.items():
        assert table[column].sum() == pytest.approx(1)
        expected = plainly(explored, AFTER, heads).logits[0].softmax(-1).tolist()
        assert table[column].tolist() == pytest.approx(expected, abs=1e-6)
    assert table["undisturbed"].tolist() != table["disabled"].tolist()


@pytest.mark.parametrize("task", ["RTE", "STS-B"])
def test_effects_are_those_of_each_head_alone_the_largest_first(explored, task):
    explored.look(task=task, disabled=HEADS)  # what is disabled now does not matter
    table = explored.effects()
    assert {*table[["layer", "head"]].itertuples(index=False, name=None)} == {*np.ndindex(3, 4)}
    assert table["change"].abs().is_monotonic_decreasing
    plain = explored.read(AFTER).outputs
    place = int(plain.argmax())
    assert table["answer"].unique().tolist() == [exploration.labels(explored.setup.split(task, "dev").task)[place]]
    for row in table.itertuples():
        alone = explored.read(AFTER, [(row.layer, row.head)]).outputs[place]
        assert (row.undisturbed, row.disabled) == pytest.approx((plain[place], alone), abs=1e-5)
        assert row.change == pytest.approx(alone - plain[place], abs=1e-5)
    assert table["change"].abs().max() > 1e-4


def test_an_input_is_read_once_for_each_set_of_heads(explored):
    calls = []
    for checkpoint in exploration.CHECKPOINTS:
        explored.model(checkpoint).register_forward_hook(lambda *_: calls.append(1))
    for heads in ((), HEADS, HEADS[::-1], ()):
        explored.look(disabled=heads)
        explored.answers()
        explored.patterns()
        explored.features(0, 0)
        explored.similarity()
    assert len(calls) == 3  # fine-tuned: nothing, two heads; pre-trained: nothing
    explored.look(first="Another text.")
    explored.answers()
    assert len(calls) == 4


def test_what_is_kept_has_a_bound(explored, monkeypatch):
    size = explored.reading.maps.size
    monkeypatch.setattr(exploration, "KEPT_WEIGHTS", 3 * size)
    for head in np.ndindex(3, 4):
        explored.read(AFTER, [head])
    assert len(explored._kept) == 3
    monkeypatch.setattr(exploration, "KEPT_WEIGHTS", 0)
    assert explored.read(AFTER).maps.size == size  # the last one is always kept
    assert len(explored._kept) == 1


def test_patterns_are_told_of_the_maps_that_are_looked_at(explored):
    table = explored.patterns()
    assert table[["layer", "head"]].to_numpy().tolist() == [list(head) for head in np.ndindex(3, 4)]
    assert table["pattern"].isin(PATTERNS).all() and table["confidence"].between(0.2, 1).all()
    explored.look(checkpoint=BEFORE)
    assert explored.patterns()["confidence"].tolist() != table["confidence"].tolist()


def test_features_get_the_share_of_the_word_that_receives_most(explored):
    table = explored.features(1, 2).set_index("feature")
    sentences = linguistics.annotate([FIRST, SECOND])
    nouns = [sentence.words[place].text for sentence in sentences for place in sentence.places("noun")]
    assert table.loc["noun", "found"] == ", ".join(nouns)
    assert table.loc["[CLS]", "found"] == "[CLS]" and table.loc["[SEP]", "found"] == "[SEP], [SEP]"
    received = explored.reading.maps[1, 2].mean(0)
    places = [place for place, token in enumerate(explored.tokens) if token == "[SEP]"]
    assert table.loc["[SEP]", "attention"] == pytest.approx(max(received[places]), abs=1e-6)
    assert table.loc["[SEP] sum", "attention"] == pytest.approx(sum(received[places]), abs=1e-6)
    of_nouns = [place for place, token in enumerate(explored.tokens) if token in nouns]
    assert table.loc["noun", "attention"] == pytest.approx(max(received[of_nouns]), abs=1e-6)
    explored.look(first="Go!", second="")
    assert not {"noun", "subject", "negation"} & set(explored.features(0, 0)["feature"])


def test_similarity_is_the_cosine_of_undisturbed_maps(explored):
    explored.look(disabled=HEADS)
    found = explored.similarity()
    before, after = (explored.read(checkpoint).maps for checkpoint in exploration.CHECKPOINTS)
    for head in np.ndindex(3, 4):
        one, other = before[head].ravel().tolist(), after[head].ravel().tolist()
        product = sum(a * b for a, b in zip(one, other, strict=True))
        assert found[head] == pytest.approx(product / math.hypot(*one) / math.hypot(*other), abs=1e-5)


def test_the_second_sentence_has_a_place_where_there_is_one(explored):
    assert explored.tokens[explored.second_start - 1] == "[SEP]"
    assert explored.tokens[explored.second_start] == "the"
    explored.look(second="")
    assert explored.second_start is None and explored.tokens.count("[SEP]") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first": " \n "}, "the first sentence is empty"),
        ({"first": "\u200b"}, "finds no word in the first sentence"),
        ({"task": "MNLI"}, "task 'MNLI' is not here; accepted are RTE, STS-B, SST-2"),
        ({"checkpoint": "best"}, "checkpoint 'best' is not here; accepted are pre-trained, fine-tuned"),
        ({"disabled": [(3, 0)]}, r"there is no head \(3, 0\)"),
        ({"disabled": [(0, -1)]}, r"there is no head \(0, -1\)"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line_and_changes_nothing(explored, changes, message):
    explored.look(disabled=HEADS)
    state = ("task", "checkpoint", "first", "second", "disabled", "encoded", "notes")
    before = [getattr(explored, name) for name in state]
    with pytest.raises(InputError, match=message) as caught:
        explored.look(**({"second": "Changed."} | changes))
    assert "\n" not in str(caught.value)
    assert [getattr(explored, name) for name in state] == before


def test_a_text_that_is_too_long_is_cut_and_that_is_said(explored):
    explored.look(first="word " * 600, second="Short.")
    assert len(explored.tokens) == exploration.MOST_TOKENS == explored.reading.maps.shape[-1]
    assert explored.tokens[-4:] == ["[SEP]", "short", ".", "[SEP]"]  # the longer sentence is the one that is cut
    (note,) = explored.notes
    assert "605 tokens" in note and "512" in note
    explored.look(first="Short again.")
    assert explored.notes == ()


def test_the_recorded_example_is_the_one_that_a_head_moves_most(explored_setup):  # noqa: F811
    found = exploration.most_moved(explored_setup, "RTE", n_examples=6, max_tokens=26)
    model, tokenizer = explored_setup.finetuned("RTE", 0), explored_setup.load().tokenizer
    largest, slow = 0, None
    short = [
        example
        for example in explored_setup.split("RTE", "dev").examples
        if len(tokenizer(example.first, example.second)["input_ids"]) <= 26
    ][:6]
    assert len(short) == 6
    for example in short:
        encoded = attention.encode(tokenizer, [Example("0", example.first, example.second, 0)])
        logits = sweep(model, tokenizer, encoded, [[], *([head] for head in all_heads(model))], plain=True).logits[:, 0]
        outputs = torch.from_numpy(logits).softmax(-1).numpy()
        changes = np.abs(outputs[1:, outputs[0].argmax()] - outputs[0].max())
        if changes.max() > largest:
            largest, slow = changes.max(), (example.first, example.second, all_heads(model)[changes.argmax()])
    assert (found.first, found.second, *found.disabled) == slow


def test_the_finding_says_how_far_the_answer_moved(explored):
    explored.look(disabled=HEADS)
    table = explored.answers()
    best = table.loc[table["undisturbed"].idxmax()]
    text = exploration.finding(explored)
    assert f'probability of "{best["answer"]}" from {best["undisturbed"]:.3f} to {best["disabled"]:.3f}' in text
    assert ("turns" in text) == (table["undisturbed"].idxmax() != table["disabled"].idxmax())
    explored.look(task="STS-B", disabled=HEADS[:1])
    assert "disabling one head moves the score from" in exploration.finding(explored)


def test_what_is_looked_at_is_described(explored):
    table = exploration.described(explored).set_index("part")["text"]
    assert table.to_dict() == {
        "first sentence": FIRST,
        "second sentence": SECOND,
        "tokens": " ".join(explored.tokens),
    }
    explored.look(second="")
    assert "second sentence" not in exploration.described(explored)["part"].tolist()
