"""A training on the used part of a vocabulary ends with the weights of a training on all of it."""

from contextlib import nullcontext

import torch

from darksecrets.corpora import glue
from darksecrets.models import checkpoints, finetuning, training
from darksecrets.models.recipe import Recipe
from darksecrets.models.used_vocabulary import UsedEmbedding, only_used
from darksecrets.runs import Store
from tests.conftest import write_task

RECIPE = Recipe(learning_rate=1e-3, epochs=2, batch_size=16, weight_decay=8.0)  # so that unused rows shrink visibly


def test_the_weights_are_those_of_a_training_with_all_embeddings(family_directory, tmp_path, monkeypatch):
    checkpoint = checkpoints.load(str(family_directory))
    train = glue.load("RTE", "train", write_task(tmp_path / "glue", "RTE", n_rows=48))
    part = finetuning.finetune(checkpoint, train, RECIPE, 0, Store(tmp_path / "part"))
    monkeypatch.setattr(training, "only_used", lambda model, ids: nullcontext())
    whole = finetuning.finetune(checkpoint, train, RECIPE, 0, Store(tmp_path / "whole"))
    assert part.state_dict().keys() == whole.state_dict().keys()

    first = checkpoint.classifier(2).get_input_embeddings().weight
    rows, expected = (model.get_input_embeddings().weight for model in (part, whole))
    torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-6)
    assert 0.95 < (rows[-1].norm() / first[-1].norm()) < 0.99, "weight decay, to which the last piece is unused"
    inputs = checkpoint.tokenizer(["A sentence.", "Another one, with more words."], padding=True, return_tensors="pt")
    torch.testing.assert_close(part(**inputs).logits, whole(**inputs).logits, rtol=1e-3, atol=1e-4)


def test_only_used_rows_are_trained_under_their_own_ids(tiny_bert):
    model = checkpoints.load(tiny_bert).classifier(2)
    whole = model.get_input_embeddings()
    before = whole.weight.detach().clone()
    ids = torch.tensor([[101, 2023, 102]])
    with only_used(model, ids[0].tolist()):
        part = model.get_input_embeddings()
        assert isinstance(part, UsedEmbedding)
        assert len(part.weight) == 5, "three ids, padding, and one that stands for all others"
        assert torch.equal(part(ids), before[ids])
        with torch.no_grad():
            part.weight[0] += 1
    assert model.get_input_embeddings() is whole
    changed = (whole.weight != before).any(1).nonzero()[:, 0]
    assert len(changed) == 1 and changed.item() in (0, 101), "the first of the rows"


def test_a_vocabulary_that_is_used_as_a_whole_is_left_as_it_is(tiny_bert):
    model = checkpoints.load(tiny_bert).classifier(2)
    whole = model.get_input_embeddings()
    with only_used(model, range(whole.num_embeddings)):
        assert model.get_input_embeddings() is whole
    assert model.get_input_embeddings() is whole


def test_an_embedding_of_another_kind_is_left_as_it_is(tiny_bert):
    class Own(torch.nn.Embedding):
        pass

    model = checkpoints.load(tiny_bert).classifier(2)
    model.set_input_embeddings(Own(30522, 32))
    with only_used(model, [1, 2, 3]):
        assert isinstance(model.get_input_embeddings(), Own)
