"""Section 4.1: how well patterns are told from maps, by the network and by a plain baseline, on maps of unseen heads.

Explained in the chapter *What patterns attention shows*.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.annotated_maps import PATTERNS, AttentionMap, attention_maps
from darksecrets.models import pattern_classifier, pattern_training
from darksecrets.models.pattern_classifier import rescaled

N_FOLDS = 6
METHODS = ("baseline", "network")
RESCALED_TO = (24, 48)  # tokens
PUBLISHED = annotated_maps.DIRECTORY / "predictions.parquet"


def published() -> pd.DataFrame:
    """Return what `cross_validated` gave when the classifier that comes with the book was trained."""
    return pd.read_parquet(PUBLISHED)


def cross_validated(table: pd.DataFrame, repeats: int = 3, epochs: int = pattern_training.EPOCHS) -> pd.DataFrame:
    """Predict every annotated map by classifiers that saw neither its head, in whatever checkpoint, nor its input.

    One row per method (`METHODS`), repeat (another division into folds), `rescaled_to` and map: its `id`, and a
    probability for each pattern. `rescaled_to` is 0 for the map as it is, or the number of tokens that it was brought
    to before (the network only). Raises ValueError where two maps share an input: folds by head would not keep those
    apart.
    """
    if table.duplicated(["task", "example"]).any():
        raise ValueError("some maps share an input: divide them by input too")
    cases = [(repeat, *fold) for repeat in range(repeats) for fold in _folds(table, repeat)]
    fold = delayed(_predict_fold)
    # One thread each: so small a network gains nothing from more, and its weights depend on their number.
    tables = Parallel(n_jobs=-1, verbose=10)(fold(table, *case, epochs) for case in cases)
    key = ["method", "repeat", "rescaled_to", "id"]
    return pd.concat(tables)[[*key, *PATTERNS]].sort_values(key, ignore_index=True)


def _predict_fold(table: pd.DataFrame, repeat: int, train: np.ndarray, test: np.ndarray, epochs: int) -> pd.DataFrame:
    """Train on some rows of the table and predict others, by both methods."""
    torch.set_num_threads(1)
    learned, asked = table.iloc[train], table.iloc[test]
    maps, patterns = attention_maps(learned), learned["pattern"]
    shown = {0: attention_maps(asked)}
    shown |= {n_tokens: [rescaled(one, n_tokens) for one in shown[0]] for n_tokens in RESCALED_TO}
    classifier = pattern_training.fit(maps, patterns, repeat, epochs)
    found = {("network", n): pattern_classifier.probabilities(classifier, these) for n, these in shown.items()}
    found[("baseline", 0)] = _baseline(maps, patterns, shown[0])
    parts = [
        pd.DataFrame(chances.round(4), columns=list(PATTERNS)).assign(
            id=asked["id"].to_numpy(), method=method, rescaled_to=n_tokens
        )
        for (method, n_tokens), chances in found.items()
    ]
    return pd.concat(parts).assign(repeat=repeat)


def _folds(table: pd.DataFrame, repeat: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    heads = table["layer"].astype(str) + "." + table["head"].astype(str)
    splitter = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=repeat)
    return splitter.split(table, table["pattern"], groups=heads)


def _baseline(train: Sequence[AttentionMap], patterns: Sequence[str], test: Sequence[AttentionMap]) -> np.ndarray:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000))
    model.fit(interpretable(train), patterns)
    found = model.predict_proba(interpretable(test))
    return np.stack([found[:, list(model.classes_).index(pattern)] for pattern in PATTERNS], axis=1)


def interpretable(maps: Sequence[AttentionMap]) -> pd.DataFrame:
    """Describe each map by a few numbers with a meaning: shares of its attention, and entropies as shares of log n."""
    return pd.DataFrame([_describe(one) for one in maps])


def _describe(one: AttentionMap) -> dict[str, float]:
    weights, n_tokens = one.weights.astype(np.float64), one.n_tokens
    marked = np.isin(np.arange(n_tokens), [0, *one.sep_positions])
    places = np.arange(n_tokens)
    offset = places[None, :] - places[:, None]  # (query, key): how far the key is to the right
    sentence = np.array([sum(place > end for end in one.sep_positions) for place in places])
    same = sentence[:, None] == sentence[None, :]
    rows = weights / weights.sum(-1, keepdims=True)
    ordinary = rows[:, ~marked] / np.maximum(rows[:, ~marked].sum(-1, keepdims=True), 1e-9)
    return {
        "to [CLS]": rows[:, 0].mean(),
        "to [SEP]": rows[:, list(one.sep_positions)].sum(-1).mean(),
        "rows whose strongest is marked": marked[rows.argmax(-1)].mean(),
        "to the token itself": np.diagonal(rows).mean(),
        "to the token before": np.diagonal(rows, -1).mean(),
        "to the token after": np.diagonal(rows, 1).mean(),
        "up to three tokens away": rows[abs(offset) <= 3].sum() / n_tokens,
        "inside the sentence": rows[same].sum() / n_tokens,
        "inside the sentence, beyond chance": (rows * same).sum() / n_tokens - same.mean(),
        "entropy": -(rows * np.log(np.maximum(rows, 1e-12))).sum(-1).mean() / np.log(n_tokens),
        "entropy over ordinary tokens": -(ordinary * np.log(np.maximum(ordinary, 1e-12))).sum(-1).mean()
        / np.log(n_tokens),
        "strongest ordinary column": rows[:, ~marked].mean(0).max(),
    }
