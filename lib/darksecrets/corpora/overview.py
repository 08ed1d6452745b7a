"""The tasks at a glance (Section 3): what each asks, how large it is here, and one example."""

from collections.abc import Sequence

import pandas as pd

from darksecrets.corpora import glue
from darksecrets.runs import Store

QUESTIONS = {
    "MRPC": "Do two sentences say the same?",
    "STS-B": "How similar in meaning are two sentences, from 0 to 5?",
    "SST-2": "Is an opinion on a film positive?",
    "QQP": "Do two questions ask the same?",
    "RTE": "Does the first sentence entail the second?",
    "QNLI": "Does the sentence answer the question?",
    "MNLI": "Does the first sentence entail the second, contradict it, or neither?",
}
LONGEST_EXAMPLE = 150  # characters


def tasks(names: Sequence[str], corpus: str, store: Store | None = None) -> pd.DataFrame:
    """Return one row per task: question, metrics, rows of train and dev found in `corpus`, and whether they are the
    official ones.
    """
    rows = []
    for name in names:
        train, dev = (glue.load(name, split, corpus, store=store) for split in glue.SPLITS)
        rows.append(
            {
                "task": name,
                "question": QUESTIONS[name],
                "scored by": ", ".join(dev.task.metrics),
                "train rows": train.n_available,
                "dev rows": dev.n_available,
                "official": _official(train, dev),
            }
        )
    return pd.DataFrame(rows)


def examples(names: Sequence[str], corpus: str, store: Store | None = None) -> pd.DataFrame:
    """Return one short validation example per task, with its label as the task names it."""
    rows = []
    for name in names:
        split = glue.load(name, "dev", corpus, store=store)
        shown = next((example for example in split.examples if _length(example) <= LONGEST_EXAMPLE), split.examples[0])
        label = shown.label if split.task.labels is None else split.task.labels[shown.label]
        rows.append({"task": name, "first": shown.first, "second": shown.second or "", "label": str(label)})
    return pd.DataFrame(rows)


def _official(train: glue.Split, dev: glue.Split) -> str:
    if dev.generator_note:
        return "no, written by a grammar"
    if not dev.is_official:
        return "no"
    return "yes" if train.is_official else "in part"


def _length(example: glue.Example) -> int:
    return len(example.first) + len(example.second or "")
