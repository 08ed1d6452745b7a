"""The training itself, by transformers' Trainer: batches, progress, saves. `finetuning` keeps what comes of it."""

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from darksecrets.corpora.glue import Split, Task
from darksecrets.files import damage, seal, tell
from darksecrets.models import attention, checkpoints
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.quiet import quiet
from darksecrets.models.recipe import Recipe
from darksecrets.models.used_vocabulary import only_used

SECONDS_BETWEEN_SAVES = 60.0  # what an interrupted training loses at most
BATCHES_SORTED = 16  # how many batches' examples are sorted by length together


def train(checkpoint: Checkpoint, split: Split, recipe: Recipe, seed: int, directory: Path) -> None:
    """Fine-tune `checkpoint` on the split `train` and leave the model and its tokenizer in `directory`.

    Where `directory` has the saves of an interrupted training, it goes on from the newest that is whole.
    """
    tokenizer = checkpoint.tokenizer
    encoded = attention.encode(tokenizer, split.examples, recipe.max_length)
    dataset = list(zip(encoded, (example.label for example in split.examples), strict=True))
    model = checkpoint.classifier(split.task.n_outputs, seed).train()
    used = {tokenizer.pad_token_id, *chain.from_iterable(example.input_ids for example in encoded)}
    trainer = _Trainer(
        model=model,
        args=_arguments(recipe, seed, directory),
        train_dataset=dataset,
        data_collator=lambda pairs: _collate(pairs, tokenizer, split.task),
        callbacks=[
            _Progress(f"fine-tuning {checkpoint.initialization} {checkpoint.name} on {split.task.name}, seed {seed}"),
            _Saves(),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    with quiet():
        with only_used(model, used):
            trainer.train(resume_from_checkpoint=_last_saved(directory))
        trainer.save_model(directory)
        tokenizer.save_pretrained(directory)  # with it, the directory is a checkpoint that every chapter can open
    (directory / "training_args.bin").unlink(missing_ok=True)  # a pickle, which nothing here reads
    for saved in directory.glob("checkpoint-*"):
        shutil.rmtree(saved)


class _Sampler(torch.utils.data.Sampler):
    """Batches of similar length, in random order: examples are shuffled, sorted in parts, and the batches shuffled.

    transformers' own sampler leaves the batches sorted, long before short, and the model then learns short inputs last.
    The order depends on seed and epoch alone, so that a continued epoch finds its order again.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = np.array(lengths), batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Be told by the Trainer which epoch begins."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng([self.seed, self.epoch])
        shuffled = generator.permutation(len(self.lengths))
        grouped: list[np.ndarray] = []
        for start in range(0, len(shuffled), BATCHES_SORTED * self.batch_size):
            part = shuffled[start : start + BATCHES_SORTED * self.batch_size]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            grouped += np.split(part, range(self.batch_size, len(part), self.batch_size))
        # The batch that is not full stays last, so that every other one keeps its size.
        order = [*generator.permutation(len(grouped) - 1), len(grouped) - 1]
        return iter(np.concatenate([grouped[place] for place in order]).tolist())


class _Trainer(Trainer):
    def _get_train_sampler(self, train_dataset: Sequence | None = None) -> _Sampler:
        lengths = [len(encoded) for encoded, _ in self.train_dataset]
        return _Sampler(lengths, self.args.train_batch_size, self.args.seed)


class _Progress(TrainerCallback):
    """One line every half minute: where the training is, its loss, and how long it still takes."""

    def __init__(self, title: str) -> None:
        self.title = title

    def on_train_begin(self, args, state, control, **kwargs) -> None:  # noqa: ANN001, ANN003
        self.begun, self.first_step, self.reported = time.monotonic(), state.global_step, time.monotonic()

    def on_step_end(self, args, state, control, **kwargs) -> None:  # noqa: ANN001, ANN003
        now = time.monotonic()
        if now - self.reported < 30:
            return
        self.reported = now
        left = (now - self.begun) / (state.global_step - self.first_step) * (state.max_steps - state.global_step)
        where = f"step {state.global_step} of {state.max_steps}, about {left:.0f} s left"
        print(f"{self.title}: {where}", file=sys.stderr, flush=True)


class _Saves(TrainerCallback):
    """Asks for a save now and then, and seals it: a save takes as long as several steps, and a short training needs
    none.
    """

    def on_train_begin(self, args, state, control, **kwargs) -> None:  # noqa: ANN001, ANN003
        self.saved = time.monotonic()

    def on_step_end(self, args, state, control, **kwargs) -> None:  # noqa: ANN001, ANN003
        if time.monotonic() - self.saved >= SECONDS_BETWEEN_SAVES:
            control.should_save = True

    def on_save(self, args, state, control, **kwargs) -> None:  # noqa: ANN001, ANN003
        seal(Path(args.output_dir, f"checkpoint-{state.global_step}"), {"step": state.global_step})
        self.saved = time.monotonic()


def _arguments(recipe: Recipe, seed: int, directory: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(directory),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=recipe.warmup,
        lr_scheduler_type="linear",
        bf16=recipe.precision == "bfloat16",
        seed=seed,
        data_seed=seed,
        save_strategy="no",  # `_Saves` asks for them
        save_total_limit=2,
        logging_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=checkpoints.DEVICE == "cpu",
    )


def _collate(pairs: list[tuple[attention.Encoded, float]], tokenizer: Tokenizer, task: Task) -> dict[str, torch.Tensor]:
    examples, labels = zip(*pairs, strict=True)
    batch = attention.collate(examples, tokenizer, max(len(example) for example in examples))
    return {**batch.inputs, "labels": torch.tensor(labels, dtype=torch.float if task.is_regression else torch.long)}


def _last_saved(directory: Path) -> str | None:
    """Return the newest save that is whole; remove those that were cut short or have changed, and say so."""
    saves = sorted(directory.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for path in saves:
        fault = damage(path)
        if not fault:
            return str(path)
        tell(f"fine-tuning: the save {directory.name}/{path.name} is left out ({fault})")
        shutil.rmtree(path)
    return None
