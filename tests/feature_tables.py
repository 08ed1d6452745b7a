"""A table of attention to features as the analysis returns it, made up, with effects planted where tests want them."""

import itertools

import numpy as np
import pandas as pd

from darksecrets.models.feature_attention import CLS, FEATURE_COLUMNS, FROM_CLS, NORM, SEP, SEP_SUM, WEIGHT

BEFORE, AFTER = "pre-trained", "fine-tuned"
TASKS = ("SST-2", "QNLI", "MRPC")
WORD_WEIGHTS = {
    "noun": 0.06,
    "verb": 0.05,
    "pronoun": 0.03,
    "subject": 0.055,
    "object": 0.045,
    "negation": 0.02,
    "punctuation": 0.08,
}
PRESENT = {"pronoun": 0.8, "object": 0.9, "negation": 0.6}  # share of examples that have the feature; others: all
MEASURES = (("paper", WEIGHT), ("paper", NORM), ("paper", FROM_CLS), ("released", WEIGHT))
NORM_FACTORS = {CLS: 0.2, SEP: 0.2}


def features_of(
    tasks=TASKS,
    n_examples=20,
    n_layers=3,
    n_heads=4,
    seeds=(0,),
    words=WORD_WEIGHTS,
    cls=(0.4, 0.1),
    sep=(0.1, 0.4),
    gains=None,
    sep_of_tasks=None,
    from_cls=None,
    norm_factors=NORM_FACTORS,
    present=PRESENT,
    sure=0.7,
    noise=0.005,
    seed=0,
):
    """Weights that run from the first of `cls` and `sep` in layer 0 to the second in the last layer.

    `gains` is what fine-tuning adds, by (task, feature); `sep_of_tasks` adds to [SEP] by task; `from_cls` replaces
    weights of what [CLS] attends to, by (task, feature); `norm_factors` multiply weights in the measure by norms. The
    second separator of a pair gets half of the first one's weight.
    """
    random = np.random.default_rng(seed)
    shape = (n_examples, n_layers, n_heads)
    tables = []
    for task in tasks:
        has = {name: random.random(n_examples) < present.get(name, 1.0) for name in FEATURE_COLUMNS}
        certain = random.random(n_examples) < sure
        cases = [(BEFORE, seeds[0])] + [(AFTER, one) for one in seeds]
        for (checkpoint, one), (reading, measure) in itertools.product(cases, MEASURES):
            mean = {name: np.full(n_layers, weight) for name, weight in words.items()}
            mean |= {CLS: np.linspace(*cls, n_layers), SEP: np.linspace(*sep, n_layers)}
            mean[SEP] = mean[SEP] + (sep_of_tasks or {}).get(task, 0)
            if measure == FROM_CLS:
                mean |= {
                    name: np.full(n_layers, weight) for (of, name), weight in (from_cls or {}).items() if of == task
                }
            values = {}
            for name, weight in mean.items():
                weight = weight + (gains or {}).get((task, name), 0) * (checkpoint == AFTER)
                weight = weight * (norm_factors.get(name, 1) if measure == NORM else 1)
                values[name] = (weight[:, None] + random.normal(0, noise, shape)).clip(0)
            values[SEP_SUM] = values[SEP] * (1 if task == "SST-2" else 1.5)
            missing = 0 if reading == "released" else np.nan
            columns = {
                name: np.where(has[name][:, None, None], values[name], missing).astype("float32").ravel()
                for name in FEATURE_COLUMNS
            }
            keys = itertools.product((f"{row:03}" for row in range(n_examples)), range(n_layers), range(n_heads))
            table = pd.DataFrame(keys, columns=["example", "layer", "head"])
            table.insert(1, "sure", np.repeat(certain, n_layers * n_heads))
            key = {"task": task, "checkpoint": checkpoint, "seed": one, "reading": reading, "measure": measure}
            tables.append(pd.concat([pd.DataFrame(key, index=table.index), table, pd.DataFrame(columns)], axis=1))
    table = pd.concat(tables, ignore_index=True)
    return table.astype(dict.fromkeys(("task", "checkpoint", "reading", "measure", "example"), "category"))
