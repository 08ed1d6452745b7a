"""What the tables of a run say of a head, in one sentence; layers and heads are counted from 1 in it.

Explained in the chapter *An atlas of heads*.
"""

from dataclasses import fields

import numpy as np
import pandas as pd

from darksecrets.apps.atlas import Atlas
from darksecrets.corpora.annotated_maps import AFTER, PATTERNS
from darksecrets.models.feature_attention import SEP_SUM

UNCOUNTABLE = ("negation", "punctuation")
UNCHANGED = 0.99  # similarity of maps from which on nobody sees a difference
SEEN = 0.05  # share of a head's maps from which on a second pattern is worth naming


def described(atlas: Atlas) -> pd.DataFrame:
    """Describe every head in a sentence: layer, head, in_words."""
    return atlas.heads().assign(in_words=[sentence(atlas, *head) for head in atlas.heads().to_numpy()])


def sentence(atlas: Atlas, layer: int, head: int) -> str:
    """Say in one sentence what the tables say of a head (from 0); what a run lacks is left out."""
    own = {
        field.name: table[(table["layer"] == layer) & (table["head"] == head)]
        for field in fields(atlas)
        for table in [getattr(atlas, field.name)]
    }
    clauses = [write(own[name]) for name, write in CLAUSES.items() if len(own[name])]
    clauses = [clause for clause in clauses if clause]
    name = f"Layer {layer + 1} head {head + 1}"
    return f"{name}: {'; '.join(clauses)}." if clauses else f"{name}: this run measured nothing of it."


def _of_shares(shares: pd.DataFrame) -> str:
    after = shares[shares["checkpoint"] == AFTER] if AFTER in set(shares["checkpoint"]) else shares
    means = after[list(PATTERNS)].mean()
    first, second = means.nlargest(2).index
    said = f"{means[first] * 100:.0f} % of its maps are {first}"
    return f"{said}, {means[second] * 100:.0f} % {second}" if means[second] >= SEEN else said


def _of_features(features: pd.DataFrame) -> str:
    after = features[features["checkpoint"] == AFTER] if AFTER in set(features["checkpoint"]) else features
    means = after[after["feature"] != SEP_SUM].groupby("feature", sort=False, observed=True)["mean"].mean()
    words = means[[name for name in means.index if not name.startswith("[")]]
    special = means.drop(words.index)
    most = [(group.idxmax(), group.max()) for group in (special, words) if len(group)]
    return "of its attention, " + " and ".join(f"{_with_article(name)} gets {weight:.2f}" for name, weight in most)


def _of_similarity(similarity: pd.DataFrame) -> str:
    most = similarity.loc[similarity["mean"].idxmin()]
    if most["mean"] >= UNCHANGED:
        return f"fine-tuning hardly changes it (similarity {UNCHANGED} or more)"
    return f"fine-tuning changes it most on {most['task']} (similarity {most['mean']:.2f})"


def _of_links(links: pd.DataFrame) -> str:
    beaten = links[links["beats"]].sort_values("excess", ascending=False)
    if not len(beaten):
        return "it follows none of the links tested"
    return f"it follows links beyond their nulls ({', '.join(beaten['kind'])})"


def _of_disabling(disabling: pd.DataFrame) -> str:
    clear = disabling[disabling["clear"]]
    if not len(clear):
        return f"without it no score changes clearly ({_count(len(disabling), 'task')})"
    most = clear.loc[clear["mean"].abs().idxmax()]
    verb = "loses" if most["mean"] < 0 else "gains"
    low, high = sorted(np.sign(most["mean"]) * most[["low", "high"]].astype(float))
    said = f"without it {most['task']} {verb} {abs(most['mean']):.1f} points [{low:.1f}, {high:.1f}]"
    others = len(clear) - 1
    return f"{said}, and {_count(others, 'other task')} change{'s' * (others == 1)} clearly" if others else said


CLAUSES = {
    "shares": _of_shares,
    "features": _of_features,
    "similarity": _of_similarity,
    "links": _of_links,
    "disabling": _of_disabling,
}


def _with_article(feature: str) -> str:
    if feature.startswith("[") or feature in UNCOUNTABLE:
        return feature
    return f"{'an' if feature[0] in 'aeiou' else 'a'} {feature}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
