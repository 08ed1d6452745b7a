"""Tiny encoders of every family whose heads can be disabled, classifiers on them, and texts for them to read."""

import torch
from torch import nn

from darksecrets.corpora.glue import Example
from darksecrets.models import attention, checkpoints
from tests.conftest import FAMILIES, SMALL, save_encoder

TAKEN_APART = ("bert", "bert-12x12", "distilbert", "electra", "roberta")  # those that the sweep's fast path knows
TAKEN_WHOLE = ("albert", "modernbert")
EDITABLE = (*TAKEN_APART, *TAKEN_WHOLE)
OWN_WAY = ("mpnet", "deberta-v2")  # compute attention in their own way
MORE_FAMILIES = {"albert": {**SMALL, "embedding_size": 16}, "deberta-v2": SMALL}
assert {*FAMILIES, *MORE_FAMILIES} == {*EDITABLE, *OWN_WAY}

PAIRS = (
    ("A cat sat.", "The cat was sitting on the old mat by the door."),
    ("Nobody knows why it rained so much that long and dreary autumn in the hills.", "It rained."),
    ("Yes.", "No."),
    ("A dog, which had not slept, barked at the postman.", "The postman was barked at."),
    ("Prices fell.", "Prices rose by 3.5 % in the second quarter of the year."),
)
SINGLES = tuple((first, None) for first, _ in PAIRS)
EQUAL = (("The cat sat.", "A dog ran."), ("No bird sang.", "We all slept."), ("Prices fell again.", "It rained."))
TEXTS = {"pairs": PAIRS, "singles": SINGLES, "pairs of one length": EQUAL}


_made = {}


def checkpoint(tmp_path_factory, family):
    """A checkpoint with random weights, made once in a session."""
    if family not in _made:
        directory = save_encoder(tmp_path_factory.mktemp(family) / "it", family, **MORE_FAMILIES.get(family, {}))
        _made[family] = checkpoints.load(str(directory))
    return _made[family]


def classifier(checkpoint, n_outputs, texts=PAIRS):
    """A classifier whose answers differ from text to text about as those of a trained one."""
    model = checkpoint.classifier(n_outputs)
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    answers = logits(model, batch_of(checkpoint, encoded(checkpoint, texts)))
    with torch.no_grad():
        last.weight.div_(2 * answers.std(0)[:, None])  # to mean 0 and standard deviation 1/2
        last.bias.copy_(-answers.mean(0) / (2 * answers.std(0)))
    return model


def encoded(checkpoint, texts=PAIRS):
    """The texts as the model reads them."""
    return attention.encode(checkpoint.tokenizer, [Example(str(row), *text, 0) for row, text in enumerate(texts)])


def batch_of(checkpoint, examples):
    """All examples in one batch, padded three tokens beyond the longest."""
    return attention.collate(examples, checkpoint.tokenizer, max(map(len, examples)) + 3)


def alone(checkpoint, example):
    """One example as a batch, without padding."""
    return attention.collate([example], checkpoint.tokenizer, len(example))


def hidden(model, batch):
    """An encoder's last hidden states (example, position, hidden)."""
    with torch.inference_mode():
        return model(**batch.inputs).last_hidden_state


def logits(model, batch):
    """A classifier's answers (example, output)."""
    with torch.inference_mode():
        return model(**batch.inputs).logits
