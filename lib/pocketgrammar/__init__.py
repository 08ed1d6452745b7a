"""The pocket corpus: a grammar that writes seven small tasks in GLUE's shape, with gold annotation of every word.

It ships with the book, needs no network, and is the same for the same seed. It stands in for GLUE where every code path
must run on some text, and it has what no natural corpus has: the annotation is right by construction, and the distance
between linked words is ours to set. It says nothing about natural language. Explained in the appendix *The pocket
corpus*.

It knows nothing of the library `darksecrets`, which reads the directory that `write` and `export` fill as it reads
GLUE, and calls what this module lists (see `darksecrets.corpora.generated`).
"""

from pocketgrammar.annotation import to_dict
from pocketgrammar.corpus import NOTE, SIZES, TASKS, Item, described, export, fingerprint, items, linked, sizes, write
from pocketgrammar.lexicon import GrammarError

__all__ = [
    "NOTE",
    "SIZES",
    "TASKS",
    "GrammarError",
    "Item",
    "described",
    "export",
    "fingerprint",
    "items",
    "linked",
    "sizes",
    "to_dict",
    "write",
]
