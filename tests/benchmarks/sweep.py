"""What answering a task with each head disabled in turn costs, in plain float32 forward passes over the same examples:
the sweep, in both precisions, beside the plain ways; how it grows with layers; and how exact it is.

Run by `make bench`. It prints ratios, since seconds differ from machine to machine, and never fails on time.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.corpora import glue
from darksecrets.corpora.glue import Example
from darksecrets.models import attention, checkpoints
from darksecrets.models.ablation import all_heads, disabled
from darksecrets.models.attention import MAX_BATCH, Encoded
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.sweep import Answers, sweep
from tests.benchmarks.attention_pass import sentences
from tests.conftest import FAMILIES

LAYERS = (3, 6, 12)
DISTILBERT = {"dim": 192, "n_layers": 12, "n_heads": 12, "hidden_dim": 384}
OTHERS = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 384}
RANDOM = {"bert": OTHERS, "roberta": OTHERS, "distilbert": DISTILBERT, "electra": OTHERS}


@dataclass(frozen=True)
class Work:
    """A classifier, and what it answers with each of its heads disabled."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    encoded: Sequence[Encoded]

    @property
    def sets(self) -> list[list[tuple[int, int]]]:
        return [[head] for head in all_heads(self.model)]

    def one_pass(self) -> None:
        """The unit: the model as it is, over batches of similar length."""
        with torch.inference_mode():
            for batch in attention.batches(self.encoded, self.tokenizer):
                self.model(**batch.inputs)

    def swept(self, precision: str = "float32", plain: bool = False) -> Answers:
        """The sweep; `plain`: a pass for each head, over the same batches of similar length."""
        return sweep(self.model, self.tokenizer, self.encoded, self.sets, precision=precision, plain=plain)

    def naively(self) -> None:
        """A pass for each head, over batches in the corpus' order."""
        for heads in self.sets:
            with disabled(self.model, heads), torch.inference_mode():
                for start in range(0, len(self.encoded), MAX_BATCH):
                    examples = self.encoded[start : start + MAX_BATCH]
                    self.model(**attention.collate(examples, self.tokenizer, max(map(len, examples))).inputs)


def read(corpus: str, n_examples: int) -> list[Example]:
    """The first development examples of RTE, or made-up pairs."""
    return list(glue.load("RTE", "dev", corpus).examples[:n_examples]) if corpus else sentences(n_examples)


def seconds(way: Callable[[], object]) -> tuple[float, object]:
    begun = time.perf_counter()
    found = way()
    return time.perf_counter() - begun, found


def in_passes(work: Work, way: Callable[[], object], rounds: int) -> tuple[list[float], object]:
    """How many forward passes a way takes, in each round; a pass is measured just before and just after."""
    work.one_pass()  # warms up
    ratios = []
    for _ in range(rounds):
        before, _ = seconds(work.one_pass)
        own, found = seconds(way)
        after, _ = seconds(work.one_pass)
        ratios.append(2 * own / (before + after))
    return ratios, found


def tell(ratios: list[float], what: str) -> None:
    print(f"  {statistics.median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f})  {what}", flush=True)


def costs(work: Work, rounds: int, with_naive: bool) -> tuple[Answers, Answers]:
    """Print what each way costs; return the answers of the float32 sweep and of the plain path."""
    ratios, exact = in_passes(work, work.swept, rounds)
    tell(ratios, "the sweep, float32")
    ratios, mixed = in_passes(work, partial(work.swept, "bfloat16"), rounds)
    n_differing = (mixed.predictions != exact.predictions).sum()
    has_amx = "has" if torch.cpu._is_amx_tile_supported() else "lacks"
    again = f"{mixed.is_exact.mean():.1%} of the answers computed in float32, {n_differing} predictions differ"
    tell(ratios, f"the sweep, bfloat16 (this processor {has_amx} AMX): {again}")
    ratios, plain = in_passes(work, partial(work.swept, plain=True), 1)
    tell(ratios, "a pass for each head, batches of similar length")
    if with_naive:
        ratios, _ = in_passes(work, work.naively, 1)
        tell(ratios, f"a pass for each head, batches of {MAX_BATCH} in the corpus' order")
    return exact, plain


def growth(checkpoint: Checkpoint, encoded: Sequence[Encoded], rounds: int) -> None:
    print(f"the float32 sweep by layers, random BERTs as wide as MiniLM, {len(encoded)} examples, in own passes:")
    for n_layers in LAYERS:
        config = AutoConfig.from_pretrained(checkpoint.directory, num_hidden_layers=n_layers)
        work = Work(AutoModelForSequenceClassification.from_config(config).eval(), checkpoint.tokenizer, encoded)
        ratios, _ = in_passes(work, work.swept, rounds)
        tell(ratios, f"{n_layers} layers, {len(work.sets)} heads")


def random_classifier(family: str) -> PreTrainedModel:
    """12 layers of 12 heads with random weights, wide enough to make maps uneven."""
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(family, **{**FAMILIES[family], **RANDOM[family]})
    )
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.ndim == 2 and "embed" not in name:
                weights.mul_(3)
    return model.eval()


def tell_exactness(name: str, fast: Answers, plain: Answers) -> None:
    n_sets, n_examples, _ = plain.logits.shape
    largest, spread = np.abs(fast.logits - plain.logits).max(), plain.logits.std()
    n_differing = (fast.predictions != plain.predictions).sum()
    print(f"  {name:12} {n_sets:5} {n_examples:9} {largest:12.1e} {spread:8.2f} {n_differing:10}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="", help="a GLUE directory, whose RTE is read; without it, made-up pairs")
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--more-examples", type=int, default=32, help="of them, for growth and random models")
    parser.add_argument("--rounds", type=int, default=3, help="of the sweeps; the slow ways are measured once")
    parser.add_argument("--without-naive", action="store_true", help="leave the slowest way out")
    arguments = parser.parse_args()
    checkpoint = checkpoints.load("minilm")
    encoded = attention.encode(checkpoint.tokenizer, read(arguments.corpus, arguments.examples))
    few = encoded[: arguments.more_examples]
    work = Work(checkpoint.classifier(2), checkpoint.tokenizer, encoded)
    where = "development examples of RTE" if arguments.corpus else "made-up pairs"
    print(f"{len(encoded)} {where}, MiniLM's {len(work.sets)} heads, ratio to a plain float32 forward pass over them:")
    exact, plain = costs(work, arguments.rounds, not arguments.without_naive)
    growth(checkpoint, few, arguments.rounds)
    print("the float32 sweep against a pass for each head:")
    print(f"  {'model':12} {'heads':>5} {'examples':>9} {'logits, max':>12} {'their SD':>8} {'decisions':>10}")
    tell_exactness("MiniLM", exact, plain)
    for family in RANDOM:
        work = Work(random_classifier(family), checkpoint.tokenizer, few)
        tell_exactness(family, work.swept(), work.swept(plain=True))


if __name__ == "__main__":
    main()
