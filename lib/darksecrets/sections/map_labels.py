"""Section 4.1: the annotated maps, how far two annotators agree on their patterns, and how far classifiers agree with
what they settled on.

Maps of one head resemble each other, so every interval is a bootstrap over heads: a head is drawn with all its maps,
of whatever task and checkpoint. `labels` is the table of `annotated_maps.load`; `predictions` has one row per method,
repeat and map (`id`) with a probability for each pattern, the largest of which is the predicted one.
Explained in the chapter *What patterns attention shows* and in the appendix *How maps were annotated*.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.annotated_maps import ANNOTATORS, PATTERNS, RETEST, AttentionMap, attention_maps, check_labels
from darksecrets.corpora.glue import TASKS
from darksecrets.figures.charts import SCALES, WIDTH, wrapped
from darksecrets.models import pattern_classifier, pattern_training
from darksecrets.statistics import bounds, resampled

N_FOLDS = 6
RESCALED_TO = (24, 48)  # tokens
PUBLISHED = annotated_maps.DIRECTORY / "predictions.parquet"
METHODS = ("network", "baseline")
BETWEEN = "between the annotators"
ALL_PATTERNS, ALL = "all patterns", "all"
INTERVAL = ["mean", "low", "high"]
Statistic = Callable[[np.ndarray], np.ndarray]  # of counts (..., label, other label)


# Measure: classifiers on maps of heads that they never saw


def published() -> pd.DataFrame:
    """Return what `cross_validated` gave when the classifier that comes with the book was trained."""
    return pd.read_parquet(PUBLISHED)


def cross_validated(labels: pd.DataFrame, repeats: int = 3, epochs: int = pattern_training.EPOCHS) -> pd.DataFrame:
    """Predict every annotated map by classifiers that saw neither its head, in whatever checkpoint, nor its input.

    One row per method (`METHODS`), repeat (another division into folds), `rescaled_to` and map: its `id`, and a
    probability for each pattern. `rescaled_to` is 0 for the map as it is, or the number of tokens that it was brought
    to before (the network only). Raises ValueError where two maps share an input: folds by head would not keep those
    apart.
    """
    if labels.duplicated(["task", "example"]).any():
        raise ValueError("some maps share an input: divide them by input too")
    cases = [(repeat, *fold) for repeat in range(repeats) for fold in _folds(labels, repeat)]
    # One thread each: so small a network gains nothing from more, and its weights depend on their number.
    tables = Parallel(n_jobs=-1, verbose=10)(delayed(_predict_fold)(labels, *case, epochs) for case in cases)
    key = ["method", "repeat", "rescaled_to", "id"]
    return pd.concat(tables)[[*key, *PATTERNS]].sort_values(key, ignore_index=True)


def _predict_fold(labels: pd.DataFrame, repeat: int, train: np.ndarray, test: np.ndarray, epochs: int) -> pd.DataFrame:
    """Train on some rows of the table and predict others, by both methods."""
    torch.set_num_threads(1)
    maps, patterns, ids = attention_maps(labels.iloc[train]), labels["pattern"].iloc[train], labels["id"].iloc[test]
    shown = {0: attention_maps(labels.iloc[test])}
    shown |= {n_tokens: [pattern_classifier.rescaled(one, n_tokens) for one in shown[0]] for n_tokens in RESCALED_TO}
    classifier = pattern_training.fit(maps, patterns, repeat, epochs)
    chances = {("network", n): pattern_classifier.probabilities(classifier, these) for n, these in shown.items()}
    chances["baseline", 0] = _baseline(maps, patterns, shown[0])
    parts = []
    for (method, n_tokens), of_maps in chances.items():
        part = pd.DataFrame(of_maps.round(4), columns=list(PATTERNS))
        parts.append(part.assign(id=ids.to_numpy(), method=method, rescaled_to=n_tokens))
    return pd.concat(parts).assign(repeat=repeat)


def _folds(labels: pd.DataFrame, repeat: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    heads = labels["layer"].astype(str) + "." + labels["head"].astype(str)
    splitter = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=repeat)
    return splitter.split(labels, labels["pattern"], groups=heads)


def _baseline(train: Sequence[AttentionMap], patterns: Sequence[str], test: Sequence[AttentionMap]) -> np.ndarray:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000))
    model.fit(interpretable(train), patterns)
    return model.predict_proba(interpretable(test))[:, [list(model.classes_).index(pattern) for pattern in PATTERNS]]


def interpretable(maps: Sequence[AttentionMap]) -> pd.DataFrame:
    """Describe each map by a few numbers with a meaning: shares of its attention, and entropies as shares of log n."""
    return pd.DataFrame([_describe(one) for one in maps])


def _describe(one: AttentionMap) -> dict[str, float]:
    weights, index = one.weights.astype(np.float64), np.arange(one.n_tokens)
    marked = np.isin(index, [0, *one.sep_positions])
    distance = np.abs(index[None, :] - index[:, None])  # (query, key)
    sentence = np.array([sum(token > end for end in one.sep_positions) for token in index])
    same = sentence[:, None] == sentence[None, :]
    rows = weights / weights.sum(-1, keepdims=True)
    ordinary = rows[:, ~marked] / np.maximum(rows[:, ~marked].sum(-1, keepdims=True), 1e-9)
    entropy, of_ordinary = (-(shares * np.log(np.maximum(shares, 1e-12))).sum(-1).mean() for shares in (rows, ordinary))
    return {
        "to [CLS]": rows[:, 0].mean(),
        "to [SEP]": rows[:, list(one.sep_positions)].sum(-1).mean(),
        "rows whose strongest is marked": marked[rows.argmax(-1)].mean(),
        "to the token itself": np.diagonal(rows).mean(),
        "to the token before": np.diagonal(rows, -1).mean(),
        "to the token after": np.diagonal(rows, 1).mean(),
        "up to three tokens away": rows[distance <= 3].sum() / one.n_tokens,
        "inside the sentence": rows[same].sum() / one.n_tokens,
        "inside the sentence, beyond chance": (rows * same).sum() / one.n_tokens - same.mean(),
        "entropy": entropy / np.log(one.n_tokens),
        "entropy over ordinary tokens": of_ordinary / np.log(one.n_tokens),
        "strongest ordinary column": rows[:, ~marked].mean(0).max(),
    }


# Count maps and labels


def sources(labels: pd.DataFrame) -> pd.DataFrame:
    """Count maps by task (the last row: all): a column for each draw and checkpoint, `maps`, and tokens per map."""
    origin = labels["draw"] + ", " + labels["checkpoint"]
    counts = pd.crosstab(labels["task"], origin, margins=True, margins_name=ALL).rename(columns={ALL: "maps"})
    tokens = {task: part["n_tokens"] for task, part in labels.groupby("task")} | {ALL: labels["n_tokens"]}
    for name in ("min", "median", "max"):
        counts[f"tokens, {name}"] = {task: int(getattr(lengths, name)()) for task, lengths in tokens.items()}
    order = [task for task in (*TASKS, ALL) if task in counts.index]
    return counts.loc[order].rename_axis(columns=None).reset_index()


def counts(labels: pd.DataFrame) -> pd.DataFrame:
    """Count maps by pattern: `first` and `second` (each annotator's), `agreed`, of which in the `main` draw and the
    `supplement`; `n_heads` is the number of heads, whatever checkpoint, with an agreed map of the pattern.
    """
    columns = {name: labels[name] for name in ANNOTATORS} | {"agreed": labels["pattern"]}
    columns |= {draw: labels.loc[labels["draw"] == draw, "pattern"] for draw in ("main", "supplement")}
    columns["n_heads"] = labels.drop_duplicates(["pattern", "layer", "head"])["pattern"]
    table = pd.DataFrame({name: patterns.value_counts() for name, patterns in columns.items()})
    return table.reindex(PATTERNS).fillna(0).astype(int).rename_axis("pattern").reset_index()


def cross(labels: pd.DataFrame) -> pd.DataFrame:
    """Count maps by the first annotator's label (rows) and the second's (columns, whose names can be broken)."""
    table = pd.crosstab(labels["first"], labels["second"]).reindex(index=PATTERNS, columns=PATTERNS, fill_value=0)
    table.columns = [pattern.replace("+", " + ") for pattern in PATTERNS]
    return table.rename_axis(index="first").reset_index()


def decisions(labels: pd.DataFrame) -> pd.DataFrame:
    """Count the maps on which the annotators differ by the two labels, whoever gave which; the commonest pair first.

    Columns: `labels` (in the order of `PATTERNS`), maps, and for which of the two it was decided: `former`, `latter`,
    or a `third` pattern.
    """
    differing = labels[labels["first"] != labels["second"]]
    pairs = [sorted(pair, key=PATTERNS.index) for pair in zip(differing["first"], differing["second"], strict=True)]
    former, latter = (differing["pattern"] == pd.Series(of, differing.index) for of in zip(*pairs, strict=True))
    table = pd.DataFrame({"maps": 1, "former": former, "latter": latter, "third": ~(former | latter)}).astype(int)
    table = table.groupby([" or ".join(pair) for pair in pairs]).sum()
    return table.sort_values("maps", ascending=False, kind="stable").rename_axis("labels").reset_index()


def sample_of_differing(labels: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return `n` maps on which the annotators differ (all where there are fewer), evenly spread over the kinds.

    They are sorted by both labels, the commonest pair of labels first, and by number: nobody chose them.
    """
    differing = labels[labels["first"] != labels["second"]]
    common = differing.groupby(list(ANNOTATORS))["id"].transform("size")
    ordered = differing.assign(common=-common).sort_values(["common", *ANNOTATORS, "id"]).drop(columns="common")
    return ordered.iloc[np.linspace(0, len(ordered) - 1, min(n, len(ordered))).round().astype(int)]


# Agreement of the annotators


def agreement(labels: pd.DataFrame) -> pd.DataFrame:
    """Measure how far the two annotators agree: pattern, n, kappa, low, high.

    The first row, `ALL_PATTERNS`, is Cohen's kappa over the five patterns; each other row tells one pattern from the
    rest. `n` is the number of maps to which either gave the pattern; kappa is NaN where both gave one label to every
    map.
    """
    tables = _by_both(labels)
    rows = [(ALL_PATTERNS, len(labels), *with_interval(kappa, tables[None]))]
    for code, pattern in enumerate(PATTERNS):
        n = int((labels[list(ANNOTATORS)] == pattern).any(axis=1).sum())
        rows.append((pattern, n, *with_interval(kappa, _one_against_rest(tables, code)[None])))
    return pd.DataFrame(rows, columns=["pattern", "n", "kappa", "low", "high"])


def sittings(labels: pd.DataFrame) -> pd.DataFrame:
    """Measure agreement in each sitting (the last row: all): maps, `alike` (share with one label), kappa, low, high."""
    rows = []
    for sitting, part in [*labels.groupby("sitting"), (ALL, labels)]:
        alike = float((part["first"] == part["second"]).mean())
        rows.append((str(sitting), len(part), alike, *with_interval(kappa, _by_both(part)[None])))
    return pd.DataFrame(rows, columns=["sitting", "maps", "alike", "kappa", "low", "high"])


def retest(labels: pd.DataFrame) -> dict[str, float]:
    """Measure how far the first annotator agrees with itself on maps that it labelled twice: kappa as `mean`, low,
    high.
    """
    twice = labels.merge(pd.read_csv(RETEST), on="id", validate="one_to_one")
    tables = head_tables(twice, twice["first"], twice["again"])
    return dict(zip(INTERVAL, with_interval(kappa, tables[None]), strict=True))


# Agreement of classifiers with the agreed labels


def scores(predictions: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Score each method, and the annotators against each other: method, metric, mean, low, high, as fractions.

    A method is scored against the agreed labels in every repeat, and the scores are averaged; the row of the annotators
    (`BETWEEN`) scores the second by the first, where F1 is the same either way and its weights are the first's. Macro
    F1 averages over the patterns that have maps, in a resample over those that have maps there.
    """
    tables = {method: prediction_tables(predictions, labels, method) for method in METHODS}
    tables[BETWEEN] = _by_both(labels)[None]
    rows = [
        (method, metric, *with_interval(statistic, table))
        for method, table in tables.items()
        for metric, statistic in METRICS.items()
    ]
    return pd.DataFrame(rows, columns=["method", "metric", *INTERVAL])


def difference(predictions: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Compare the methods on the same maps and heads: metric, and mean, low, high of network minus baseline."""
    tables = [prediction_tables(predictions, labels, method) for method in METHODS]
    both = np.stack(tables, axis=2)  # repeat, head, method, agreed, predicted

    def gain(statistic: Statistic) -> Statistic:
        return lambda both: statistic(both[..., 0, :, :]) - statistic(both[..., 1, :, :])

    rows = [(metric, *with_interval(gain(statistic), both)) for metric, statistic in METRICS.items()]
    return pd.DataFrame(rows, columns=["metric", *INTERVAL])


def per_pattern(predictions: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Score each method by pattern: method, pattern, precision, recall, f1, and n, the maps with that agreed label.

    Scores are averaged over the repeats in which they are defined: precision needs a prediction, recall a map.
    """
    tables = []
    for method in METHODS:
        table = prediction_tables(predictions, labels, method).sum(1)  # repeat, agreed, predicted
        hits, agreed, predicted = np.diagonal(table, axis1=1, axis2=2), table.sum(2), table.sum(1)
        columns = {"precision": _ratio(hits, predicted), "recall": _ratio(hits, agreed), "f1": f1(table)}
        means = {name: pd.DataFrame(values).mean() for name, values in columns.items()}
        tables.append(pd.DataFrame({"method": method, "pattern": PATTERNS, **means, "n": agreed[0].astype(int)}))
    return pd.concat(tables, ignore_index=True)


def confusion(predictions: pd.DataFrame, labels: pd.DataFrame, method: str = "network") -> pd.DataFrame:
    """Tabulate agreed labels (rows) against predicted ones (columns): shares of a row, averaged over repeats.

    The row of a pattern without maps is NaN.
    """
    table = prediction_tables(predictions, labels, method).sum(axis=(0, 1))
    shares = _ratio(table, np.broadcast_to(table.sum(1, keepdims=True), table.shape))
    return pd.DataFrame(shares, index=pd.Index(PATTERNS, name="agreed"), columns=pd.Index(PATTERNS, name="predicted"))


def rescaled(predictions: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Count how many maps change class when brought to another length: brought to, n, mean, low, high.

    `predictions` with all its rows, those of rescaled maps too (`rescaled_to` is their number of tokens); each repeat
    counts, and the interval is over heads. The last row compares the two lengths with each other.
    """
    network = predictions[predictions["method"] == "network"]
    network = network.assign(pattern=_predicted(network))
    patterns = network.pivot(index=["repeat", "id"], columns="rescaled_to", values="pattern")
    lengths = sorted(length for length in patterns.columns if length)
    rows = []
    for one, other in [*((0, length) for length in lengths), (lengths[0], lengths[-1])]:
        changed = (patterns[one] != patterns[other]).groupby("id").mean().rename("changed")
        by_head = labels.merge(changed, on="id", validate="one_to_one").groupby(["layer", "head"])["changed"]
        sums = by_head.agg(["sum", "count"]).to_numpy()
        name = f"{other} tokens" if not one else f"{other} tokens, from {one}"
        rows.append((name, len(changed), *with_interval(lambda sums: sums[..., 0] / sums[..., 1], sums[None])))
    return pd.DataFrame(rows, columns=["brought to", "n", *INTERVAL])


# Counts of heads, and their statistics


def head_tables(labels: pd.DataFrame, rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """Count the maps of each head by two labels, given in the order of the table: (head, row's, column's)."""
    check_labels([*rows, *columns])
    head = labels.groupby(["layer", "head"]).ngroup().to_numpy()
    tables = np.zeros((head.max() + 1, len(PATTERNS), len(PATTERNS)))
    codes = (pd.Index(PATTERNS).get_indexer(values) for values in (rows, columns))
    np.add.at(tables, (head, *codes), 1)
    return tables


def prediction_tables(predictions: pd.DataFrame, labels: pd.DataFrame, method: str) -> np.ndarray:
    """Count the maps of each head by agreed and predicted label, in every repeat: (repeat, head, agreed, predicted).

    Raises ValueError where a repeat has not exactly one prediction for each labelled map.
    """
    chosen = predictions[predictions["method"] == method]
    if not len(chosen):
        raise ValueError(f"no predictions by {method!r}, only by {sorted(predictions['method'].unique())}")
    tables = []
    for repeat, group in chosen.groupby("repeat"):
        if sorted(group["id"]) != sorted(labels["id"]):
            raise ValueError(f"repeat {repeat} of {method!r} has not one prediction for each of {len(labels)} maps")
        predicted = _predicted(group.set_index("id").loc[labels["id"]])
        tables.append(head_tables(labels, labels["pattern"], predicted))
    return np.stack(tables)


def with_interval(statistic: Statistic, tables: np.ndarray) -> tuple[float, float, float]:
    """Return a statistic of counts, averaged over repeats, with its bootstrap interval over heads: (value, low, high).

    `tables` is (repeat, head, ...): the counts of a repeat are summed over its heads, each as often as it is drawn.
    """
    repeats, n_heads = tables.shape[:2]
    flat = tables.swapaxes(0, 1).reshape(n_heads, -1)
    drawn = (resampled(n_heads) @ flat).reshape(-1, repeats, *tables.shape[2:])
    low, high = bounds(statistic(drawn).mean(1))
    return float(statistic(tables.sum(1)).mean()), float(low), float(high)


def kappa(counts: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa of counts (..., one's label, the other's): agreement beyond what their shares give by
    chance.
    """
    n = counts.sum((-2, -1))
    chance = (counts.sum(-1) * counts.sum(-2)).sum(-1)
    return _ratio(n * np.trace(counts, axis1=-2, axis2=-1) - chance, n * n - chance)


def f1(counts: np.ndarray) -> np.ndarray:
    """Return F1 of each label from counts (..., label, other label); NaN where a label occurs on neither side."""
    return _ratio(2 * np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1) + counts.sum(-2))


def _macro(counts: np.ndarray) -> np.ndarray:
    # A draw of heads without a rare pattern cannot show how it is recognized: it counts only where it has maps.
    return _ratio(np.nan_to_num(f1(counts)).sum(-1, where=counts.sum(-1) > 0), (counts.sum(-1) > 0).sum(-1))


METRICS: Mapping[str, Statistic] = {
    "macro F1": _macro,
    "weighted F1": lambda counts: (counts.sum(-1) * np.nan_to_num(f1(counts))).sum(-1) / counts.sum((-2, -1)),
    "accuracy": lambda counts: np.trace(counts, axis1=-2, axis2=-1) / counts.sum((-2, -1)),
}


def _by_both(labels: pd.DataFrame) -> np.ndarray:
    return head_tables(labels, *(labels[name] for name in ANNOTATORS))


def _predicted(predictions: pd.DataFrame) -> np.ndarray:
    return np.array(PATTERNS)[predictions[list(PATTERNS)].to_numpy().argmax(1)]


def _one_against_rest(tables: np.ndarray, code: int) -> np.ndarray:
    both, first, second = tables[:, code, code], tables[:, code].sum(-1), tables[:, :, code].sum(-1)
    neither = tables.sum((1, 2)) - first - second + both
    return np.stack([both, first - both, second - both, neither], axis=-1).reshape(-1, 2, 2)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    undefined = np.full(np.shape(part), np.nan)
    return np.divide(part, whole, out=undefined, where=whole != 0)


# Draw


def confusion_chart(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw a `confusion`: what the classifier says (columns) of maps that annotators gave a pattern (rows), as shares
    of each row.
    """
    cells = table.rename_axis(index="true", columns="predicted").stack().rename("share").round(4).reset_index()
    side = alt.Step(WIDTH / len(PATTERNS))
    base = alt.Chart(cells, width=side, height=side, title=wrapped(title)).encode(
        x=alt.X("predicted:N", title="the classifier says", sort=list(PATTERNS), axis=alt.Axis(labelAngle=-40)),
        y=alt.Y("true:N", title="annotators agreed on", sort=list(PATTERNS)),
        tooltip=["true", "predicted", alt.Tooltip("share:Q", title="share of the row", format=".1%")],
    )
    squares = base.mark_rect(stroke="#d0d0d0").encode(color=alt.Color("share:Q", scale=SCALES["share"], legend=None))
    colour = alt.condition(alt.datum.share > 0.5, alt.value("white"), alt.value("#1a1a1a"))
    numbers = base.mark_text(fontSize=13).encode(text=alt.Text("share:Q", format=".0%"), color=colour)
    return alt.layer(squares, numbers)
