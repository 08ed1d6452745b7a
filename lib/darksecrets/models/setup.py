"""The experimental setup of Section 3 in one object: what a chapter's parameters say, checked once and shared by every
analysis.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from transformers import PreTrainedModel

from darksecrets.corpora import glue
from darksecrets.corpora.glue import Split
from darksecrets.errors import InputError
from darksecrets.models import checkpoints, finetuning, precisions
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.keys import Origin
from darksecrets.models.recipe import Recipe
from darksecrets.runs import Store

CHOICE_SEED = 0  # which examples are taken is the same for every training seed, so that seeds differ in training alone


@dataclass(frozen=True)
class Setup:
    """A checkpoint, a corpus, tasks and seeds; sizes of 0 mean all rows, a learning rate of 0 the one chosen for the
    checkpoint.
    """

    checkpoint: str = "minilm"
    corpus: str = "pocket"
    tasks: Sequence[str] = tuple(glue.TASKS)
    seeds: Sequence[int] = (0,)
    max_train: int = 0
    max_examples: int = 1000
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 0.0
    precision: str = precisions.FLOAT32
    store: str | Path = "../_runs"
    _checkpoints: dict[str, Checkpoint] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        glue.check_tasks(list(self.tasks))
        glue.check_corpus(self.corpus, list(self.tasks))
        is_each_once = 0 < len(self.seeds) == len(set(self.seeds))
        if not is_each_once or not 0 <= min(self.seeds) <= max(self.seeds) < 2**32:
            raise InputError(f"seeds is {list(self.seeds)}; give at least one, each once, from 0 to {2**32 - 1}")
        for name in ("max_train", "max_examples"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}; give 0 for all, or a positive whole number")
        self.recipe  # noqa: B018  checks the numbers
        self.results  # noqa: B018  checks the directory

    @property
    def recipe(self) -> Recipe:
        """The fine-tuning recipe that these parameters ask for."""
        rate = finetuning.learning_rate(self.checkpoint, self.learning_rate)
        return Recipe(rate, self.epochs, self.batch_size, precision=precisions.chosen(self.precision))

    @property
    def results(self) -> Store:
        """The store that results go to: one for all setups on it, so that each result is read once to see that it is
        whole.
        """
        return _store(str(self.store), Path.cwd())

    def load(self, initialization: str = "pretrained") -> Checkpoint:
        """Open the checkpoint with pre-trained or random weights; opened once."""
        if initialization not in self._checkpoints:
            self._checkpoints[initialization] = checkpoints.load(self.checkpoint, initialization)
        return self._checkpoints[initialization]

    def split(self, task: str, name: str, max_examples: int | None = None) -> Split:
        """Read a task's `train` (at most `max_train` rows) or `dev` (all rows, or at most `max_examples`)."""
        limit = max_examples if max_examples is not None else (self.max_train if name == "train" else 0)
        return _split(task, name, self.corpus, limit, self.results)

    def notes(self) -> list[str]:
        """Return the sentences to stand beside scores on validation splits that are not the official ones."""
        notes = (self.split(task, "dev").note for task in self.tasks)
        return [note for note in dict.fromkeys(notes) if note]

    def described(self) -> dict[str, object]:
        """Return what a run's provenance records of this setup; files by their content, not by their place."""
        directory, loaded = Path(self.checkpoint), self.load()
        return {
            "checkpoint": directory.resolve().name if directory.is_dir() else self.checkpoint,
            "checkpoint_fingerprint": loaded.fingerprint,
            "n_layers": loaded.n_layers,
            "n_heads": loaded.n_heads,
            "n_parameters": loaded.n_parameters,
            "tasks": list(self.tasks),
            "seeds": list(self.seeds),
            "corpus": {task: {name: self.split(task, name).fingerprint for name in glue.SPLITS} for task in self.tasks},
            "max_train": self.max_train,
            "max_examples": self.max_examples,
            "recipe": asdict(self.recipe),
        }

    def finetuned(self, task: str, seed: int, initialization: str = "pretrained") -> PreTrainedModel:
        """Return the classifier fine-tuned on a task, from the store where it is there already."""
        return finetuning.finetune(*self._training(task, seed, initialization))

    def is_finetuned(self, task: str, seed: int, initialization: str = "pretrained") -> bool:
        """Return whether the store has that classifier already."""
        return finetuning.is_finetuned(*self._training(task, seed, initialization))

    def origin(
        self,
        task: str,
        seed: int | None = None,
        initialization: str | None = "pretrained",
        max_dev: int | None = None,
    ) -> Origin:
        """Return what a result about a task is made from (see `keys`): the model fine-tuned with `seed`, or without one
        the checkpoint as it is; with `max_dev` also the validation examples (at most so many, 0 = all).
        """
        dev = None if max_dev is None else self.split(task, "dev", max_dev).fingerprint
        made = Origin(self.load(initialization or "pretrained").fingerprint, initialization, dev=dev)
        if seed is None:
            return made
        return made._replace(train=self.split(task, "train").fingerprint, recipe=asdict(self.recipe), seed=seed)

    def _training(self, task: str, seed: int, initialization: str) -> tuple[Checkpoint, Split, Recipe, int, Store]:
        return self.load(initialization), self.split(task, "train"), self.recipe, seed, self.results


@cache
def _store(root: str, start: Path) -> Store:
    """Return the store of a path that starts at `start`."""
    return Store(root)


@cache
def _split(task: str, name: str, corpus: str, limit: int, store: Store) -> Split:
    return glue.load(task, name, corpus, limit, CHOICE_SEED, store)
