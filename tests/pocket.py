"""The pocket corpus as the grammar writes it, with its sentences in the library's form."""

from functools import cache

import pocketgrammar
from darksecrets.corpora.annotation import from_dict
from darksecrets.corpora.glue import SPLITS
from darksecrets.overview.pocket_corpus import Item


@cache
def items(task, split, n_examples=0, seed=0):
    """The examples of a split; 0 means the usual number."""
    found = pocketgrammar.items(task, split, n_examples, seed)
    return tuple(Item(*map(_sentence, (item.first, item.second)), item.label) for item in found)


def corpus(tasks, train=0, dev=0, seed=0):
    """The examples by task and split."""
    sizes = dict(zip(SPLITS, (train, dev), strict=True))
    return {(task, split): items(task, split, size, seed) for task in tasks for split, size in sizes.items()}


def _sentence(sentence):
    return sentence and from_dict(pocketgrammar.to_dict(sentence))
