"""How far a parser agrees with gold annotation: per feature of Section 4.4, and per link.

A word of the one agrees with a word of the other if both have the same characters of the text. Agreement is the F1 of
the two sets: what both mark, over the mean of what each marks. The gold annotation is that of the pocket corpus, in the
appendix *The pocket corpus*, or a treebank's, in the chapter on linguistic features.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from darksecrets import estimates
from darksecrets.corpora import conllu, linguistics
from darksecrets.corpora.annotation import FEATURES, RELATIONS, Sentence
from darksecrets.statistics import bootstrap_interval

WORDS = "words"
Marks = set[tuple[int, ...]]  # what is marked in a sentence, by characters


def agreement(gold: Sequence[Sentence], found: Sequence[Sentence]) -> pd.DataFrame:
    """Compare annotations of the same texts: one row per feature of `FEATURES`, per link, and for the division into
    words; a link from pronouns has one only where gold has such links, as a treebank of syntax does not.

    Columns: feature; gold, found (how many); precision, recall; mean (their F1) with low and high, a bootstrap interval
    over sentences; sentences, the share of sentences without any difference. Shares are fractions; all of them are NaN
    for a feature that occurs in neither. Raises ValueError where the texts differ.
    """
    if [one.text for one in gold] != [other.text for other in found]:
        raise ValueError("gold and found must annotate the same texts, in the same order")
    rows = [_row(name, _counts(marks, gold, found)) for name, marks in MARKS.items()]
    return pd.DataFrame([row for row in rows if row["gold"] or row["feature"] != LINK["pronoun-antecedent"]])


def agreement_by_certainty(gold: Sequence[Sentence], found: Sequence[Sentence]) -> pd.DataFrame:
    """Compare as `agreement` does, in all sentences and in those of which the parser was sure (`Sentence.sure`).

    Columns before those of `agreement`: kept ("all" or "sure"), compared (how many sentences).
    """
    pairs = list(zip(gold, found, strict=True))
    tables = []
    for kept, chosen in (("all", pairs), ("sure", [pair for pair in pairs if pair[1].sure])):
        table = agreement([one for one, _ in chosen], [other for _, other in chosen])
        tables.append(table.assign(kept=kept, compared=len(chosen))[["kept", "compared", *table]])
    return pd.concat(tables, ignore_index=True)


def against_file(path: str | Path) -> pd.DataFrame:
    """Parse the sentences of a CoNLL-U file and compare with its annotation: the table of `agreement_by_certainty`.

    Raises InputError where the file cannot be read (see `conllu.read`).
    """
    gold = conllu.read(path)
    return agreement_by_certainty(gold, linguistics.annotate([sentence.text for sentence in gold]))


def disagreements(gold: Sequence[Sentence], found: Sequence[Sentence], n_each: int = 2) -> pd.DataFrame:
    """Return the first `n_each` words per feature on which the two differ: feature, word, which of them marks it, and
    the sentence.
    """
    rows = []
    for feature in FEATURES:
        differing = [
            (feature, one.text[start:end], "gold" if (start, end) in MARKS[feature](one) else "parser", one.text)
            for one, other in zip(gold, found, strict=True)
            for start, end in sorted(MARKS[feature](one) ^ MARKS[feature](other))
        ]
        rows += differing[:n_each]
    return pd.DataFrame(rows, columns=["feature", "word", "marked by", "sentence"])


def least(table: pd.DataFrame) -> pd.Series:
    """Return the row of `agreement` of the feature on which parser and gold annotation agree least."""
    features = table[table["feature"].isin(FEATURES)]
    return features.loc[features["mean"].idxmin()]


def agreement_table(table: pd.DataFrame) -> pd.DataFrame:
    """Format `agreement`, in per cent; an interval stands behind the F1."""
    columns = {"in gold": table["gold"], "by parser": table["found"]}
    shares = {"precision": "precision", "recall": "recall", "sentences": "sentences alike"}
    columns |= {title: (100 * table[name]).map("{:.1f}".format) for name, title in shares.items()}
    columns["agreement (F1)"] = table.apply(estimates.format_estimate, axis=1)
    shown = pd.DataFrame(columns).astype(object).where(table["mean"].notna(), other=None)
    return pd.concat([table["feature"], shown], axis=1)


def ud_table(table: pd.DataFrame) -> pd.DataFrame:
    """Format `agreement_by_certainty`, in per cent: a row per feature, all sentences beside sure ones."""
    columns = {"precision": "precision", "recall": "recall", "agreement (F1)": "F1"}
    every, sure = (
        agreement_table(table[table["kept"] == kept]).set_index("feature").rename(columns=columns)
        for kept in ("all", "sure")
    )
    sure = sure[list(columns.values())].add_suffix(", sure")
    return every[["in gold", *columns.values()]].join(sure).reset_index()


def _features(feature: str) -> Callable[[Sentence], Marks]:
    return lambda sentence: {_span(sentence, place) for place in sentence.places(feature)}


def _links(relation: str) -> Callable[[Sentence], Marks]:
    return lambda sentence: {
        _span(sentence, link.head) + _span(sentence, link.dependent)
        for link in sentence.links
        if link.relation == relation
    }


def _words(sentence: Sentence) -> Marks:
    return {(word.start, word.end) for word in sentence.words}


LINK = {relation: f"{relation} link" for relation in RELATIONS}
MARKS: dict[str, Callable[[Sentence], Marks]] = {
    **{feature: _features(feature) for feature in FEATURES},
    **{name: _links(relation) for relation, name in LINK.items()},
    WORDS: _words,
}


def _span(sentence: Sentence, place: int) -> tuple[int, int]:
    return sentence.words[place].start, sentence.words[place].end


def _counts(marks: Callable[[Sentence], Marks], gold: Sequence[Sentence], found: Sequence[Sentence]) -> np.ndarray:
    """Count per sentence: (sentence, 3) with the marks of both, of gold, and of the parser."""
    pairs = [(marks(one), marks(other)) for one, other in zip(gold, found, strict=True)]
    return np.array([(len(one & other), len(one), len(other)) for one, other in pairs], dtype=int).reshape(-1, 3)


def _row(feature: str, counts: np.ndarray) -> dict[str, object]:
    n_both, n_gold, n_found = counts.sum(axis=0)
    row = {"feature": feature, "gold": n_gold, "found": n_found}
    if not n_gold + n_found:
        return row | dict.fromkeys(("precision", "recall", "mean", "low", "high", "sentences"), np.nan)
    low, high = bootstrap_interval(_f1, *counts.T)
    return row | {
        "precision": n_both / n_found if n_found else np.nan,
        "recall": n_both / n_gold if n_gold else np.nan,
        "mean": float(_f1(*counts.T)),
        "low": low,
        "high": high,
        "sentences": (counts == counts[:, :1]).all(axis=1).mean(),
    }


def _f1(n_both: np.ndarray, n_gold: np.ndarray, n_found: np.ndarray, axis: int = -1) -> np.ndarray:
    n_marked = n_gold.sum(axis) + n_found.sum(axis)
    return np.where(n_marked == 0, 1.0, 2 * n_both.sum(axis) / np.maximum(n_marked, 1))
