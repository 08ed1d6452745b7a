"""The table of the seven tasks: where the columns of each are, what its labels mean, how it is scored."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One GLUE task: where its columns are in each source, what its labels mean, and how Table 1 scores it."""

    name: str
    hub_config: str
    file_columns: tuple[str, ...]
    hub_columns: tuple[str, ...]
    file_label: str
    labels: tuple[str, ...] | None  # names in the Hub's integer order; None for a score
    file_labels: tuple[str, ...] | None  # the same labels as the files write them
    metrics: tuple[str, ...]
    train_rows: int  # official number of rows
    dev_rows: int
    dev_file: str = "dev.tsv"
    hub_dev: str = "validation"

    @property
    def is_pair(self) -> bool:
        """Whether an example has two sentences."""
        return len(self.file_columns) == 2

    @property
    def is_regression(self) -> bool:
        """Whether the label is a score (STS-B) rather than a class."""
        return self.labels is None

    @property
    def n_outputs(self) -> int:
        """Number of outputs of a model for this task: one per class, or one for a score."""
        return 1 if self.labels is None else len(self.labels)

    @property
    def headline(self) -> str:
        """The metric that averages over tasks use: accuracy where there is one, else the first (Pearson)."""
        return "accuracy" if "accuracy" in self.metrics else self.metrics[0]

    def file(self, split: str) -> str:
        """File of a split, relative to the GLUE directory."""
        return f"{self.name}/{self.dev_file if split == 'dev' else 'train.tsv'}"

    def annotation_file(self, split: str) -> str:
        """File of a split's gold annotation, relative to the GLUE directory; most directories have none."""
        return f"{self.name}/{split}.annotations.jsonl"

    def hub_split(self, split: str) -> str:
        """Name of a split on the Hub."""
        return self.hub_dev if split == "dev" else "train"

    def official_rows(self, split: str) -> int:
        """Number of rows of the official split."""
        return self.dev_rows if split == "dev" else self.train_rows


_SENTENCES = ("sentence1", "sentence2")
_QUESTIONS = ("question1", "question2")
_QUESTION = ("question", "sentence")
_PREMISE = ("premise", "hypothesis")
_TWO = ("entailment", "not_entailment")
_THREE = ("entailment", "neutral", "contradiction")
_F1 = ("f1", "accuracy")
_ACCURACY = ("accuracy",)
_CORRELATION = ("pearson", "spearman")
_BITS = ("0", "1")

# fmt: off
_TABLE = (
    # name, Hub config, file columns, Hub columns, label column, labels, the same in files, metrics, official train, dev
    ("MRPC", "mrpc", ("#1 String", "#2 String"), _SENTENCES, "Quality", ("not_equivalent", "equivalent"), _BITS, _F1,
     3_668, 408),
    ("STS-B", "stsb", _SENTENCES, _SENTENCES, "score", None, None, _CORRELATION, 5_749, 1_500),
    ("SST-2", "sst2", ("sentence",), ("sentence",), "label", ("negative", "positive"), _BITS, _ACCURACY, 67_349, 872),
    ("QQP", "qqp", _QUESTIONS, _QUESTIONS, "is_duplicate", ("not_duplicate", "duplicate"), _BITS, _F1, 363_846, 40_430),
    ("RTE", "rte", _SENTENCES, _SENTENCES, "label", _TWO, _TWO, _ACCURACY, 2_490, 277),
    ("QNLI", "qnli", _QUESTION, _QUESTION, "label", _TWO, _TWO, _ACCURACY, 104_743, 5_463),
    ("MNLI", "mnli", _SENTENCES, _PREMISE, "gold_label", _THREE, _THREE, _ACCURACY, 392_702, 9_815,
     "dev_matched.tsv", "validation_matched"),
)
# fmt: on
TASKS: dict[str, Task] = {row[0]: Task(*row) for row in _TABLE}
