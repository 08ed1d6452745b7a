"""Corpora that a program writes, such as `pocket`: each split once, into the store, as a directory in GLUE's layout.

The library knows such a program by its name in `GENERATORS` alone. From then on its corpus is a directory like any
other; the gold annotation lies in it, beside the rows. A generator is a package with what `pocketgrammar` lists.
"""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from darksecrets.corpora.annotation import Sentence, from_dict
from darksecrets.errors import InputError, check_directory
from darksecrets.runs import Store

GENERATORS = {"pocket": "pocketgrammar"}  # what a corpus's name begins with, and the package that writes it
KIND = "corpora"


def is_generated(corpus: str) -> bool:
    """Whether a corpus parameter, such as "pocket" or "pocket:600/200", names a corpus that a program writes."""
    return corpus.split(":")[0] in GENERATORS


def check(corpus: str) -> None:
    """Raise InputError unless the sizes in "pocket:..." can be read; nothing is written."""
    with _generator(corpus) as generator:
        generator.sizes(corpus)


def note(corpus: str) -> str:
    """Return a sentence to show beside every score on such a corpus."""
    with _generator(corpus) as generator:
        return generator.NOTE


def fingerprint(corpus: str) -> str:
    """Return the fingerprint of the program that writes a corpus: another one may write other texts."""
    with _generator(corpus) as generator:
        return generator.fingerprint()


def tasks(corpus: str) -> list[str]:
    """Return the names of the tasks that a corpus has."""
    with _generator(corpus) as generator:
        return list(generator.TASKS)


def directory(corpus: str, task: str, split: str, store: Store | None = None) -> Path:
    """Return a directory in GLUE's layout with one split of one task and its annotation, written where it is not there.

    It lies in `store`, or in a temporary directory that goes with the process. Raises InputError for what the
    generator cannot write.
    """
    with _generator(corpus) as generator:
        made_from = generator.described(corpus, task, split)
        ingredients = made_from | {"grammar": generator.fingerprint()}
        return (store or _temporary()).result(KIND, ingredients, lambda folder: generator.write(folder, **made_from))


def linked(relation: str, distance: int, n_sentences: int, seed: int = 0) -> list[Sentence]:
    """Return sentences of the pocket grammar in which the words of a link of `relation` stand `distance` words apart.

    Raises InputError for a relation or distance that it does not have, and for more sentences than there are.
    """
    with _generator("pocket") as generator:
        found = generator.linked(relation, distance, n_sentences, seed)
        return [from_dict(generator.to_dict(sentence)) for sentence in found]


def export(target: str | Path, train: int, dev: int, seed: int) -> list[Path]:
    """Write the pocket corpus, all tasks, into a directory of its own, and return the files; InputError where not."""
    check_directory(target, "output")
    with _generator("pocket") as generator:
        return generator.export(target, train, dev, seed)


@contextmanager
def _generator(corpus: str) -> Iterator[ModuleType]:
    """Give the package that writes a corpus; what it refuses is an InputError."""
    generator = import_module(GENERATORS[corpus.split(":")[0]])
    try:
        yield generator
    except generator.GrammarError as error:
        raise InputError(str(error)) from None


@cache
def _temporary() -> Store:
    folder = tempfile.mkdtemp(prefix="darksecrets-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Store(folder)
