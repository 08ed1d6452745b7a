"""What the paper reports, as tidy tables, to stand beside what we measure."""

import pandas as pd

UNTUNED, RANDOM, TUNED = ("pretrained", False), ("random", True), ("pretrained", True)  # (initialization, finetuned)
SETTINGS = (UNTUNED, RANDOM, TUNED)  # in Table 1's order

SOURCE = "Kovaleva et al. (2019), Table 1"
SOURCE_PATTERNS = "Kovaleva et al. (2019), Section 4.1"
CORRELATION_NOTE = "the paper prints 'Acc'; STS-B is scored by correlation"

# task, metric, per cent in each of `SETTINGS`, in the paper's order.
_TABLE_1 = (
    ("MRPC", "f1", (0.0, 81.2, 87.9)),
    ("MRPC", "accuracy", (31.6, 68.3, 82.3)),
    ("STS-B", "pearson", (33.1, 2.9, 82.7)),
    ("SST-2", "accuracy", (49.1, 80.5, 92.0)),
    ("QQP", "f1", (0.0, 0.0, 65.2)),
    ("QQP", "accuracy", (60.9, 63.2, 78.6)),
    ("RTE", "accuracy", (52.7, 52.7, 64.6)),
    ("QNLI", "accuracy", (52.8, 49.5, 84.4)),
    ("MNLI", "accuracy", (31.7, 61.0, 78.6)),
)
AVERAGE_GAIN = 0.359  # Section 4.3: of fine-tuning over the pre-trained model, on average over the tasks
# What Section 4.1 says of patterns; shares and F1 are fractions.
N_ANNOTATED = 400
VERTICAL_SHARE = 0.30
CLASSIFIER_F1 = 0.86
FRAME_WEIGHTS = (0.201, 0.209)  # Section 4.2: of the two heads of 144 that stand out
UNLEARNED = ("STS-B", "RTE", "QNLI")  # Table 1: from random weights no better than chance, or than no correlation
HETEROGENEOUS = {"MRPC": 0.32, "QQP": 0.61}  # the task with the smallest share, and that with the largest
# What Section 4.6 says of disabled heads and layers; changes of the score are fractions, layers count from 0.
HEAD_GAINS = {"STS-B": 0.001, "MRPC": 0.012}  # of the best head: the task that gains least, and that which gains most
HELPS_ON_AVERAGE = ("MRPC", "RTE")  # over all heads
LAYER_GAINS = {"RTE": (0, 0.032)}
LAYER_LOSS = -0.002  # the most that a layer costs on `CHEAP_LAYERS`
CHEAP_LAYERS = ("QNLI", "MNLI")
LOWEST_SCORES = {"SST-2": 0.32}  # of one head, read from Figure 8; with two classes, chance is 0.5
# Scores with nothing disabled, read from Figures 8 and 9, about; they are not those of Table 1.
FIGURE_BASELINES = {"MRPC": 0.85, "STS-B": 0.88, "QQP": 0.88, "RTE": 0.58, "MNLI": 0.83}


def patterns() -> pd.DataFrame:
    """Return the numbers of Section 4.1: quantity, task ("" where it is of no one task), value, note, source."""
    rows = [
        ("annotated maps", "", N_ANNOTATED, "about this many; the maps were not released"),
        ("share of Vertical among annotated maps", "", VERTICAL_SHARE, ""),
        ("F1 of the classifier", "", CLASSIFIER_F1, "how it averages over patterns is not said"),
    ]
    rows += [("share of Heterogeneous maps", task, share, "") for task, share in HETEROGENEOUS.items()]
    return pd.DataFrame(rows, columns=["quantity", "task", "value", "note"]).assign(source=SOURCE_PATTERNS)


def table_1() -> pd.DataFrame:
    """Return the scores of the paper's Table 1: columns task, metric, initialization, finetuned, value, note, source.

    `value` is a fraction from 0 to 1; `initialization` is "pretrained" or "random"; one row per number printed, in the
    paper's order of tasks and columns. The paper gives one fine-tuning run, so there is no interval.
    """
    rows = [
        (task, metric, initialization, finetuned, round(value / 100, 3))
        for task, metric, values in _TABLE_1
        for (initialization, finetuned), value in zip(SETTINGS, values, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["task", "metric", "initialization", "finetuned", "value"])
    note = table["metric"].map({"pearson": CORRELATION_NOTE}).fillna("")
    return table.assign(note=note, source=SOURCE)
