"""What the attention pass costs beside a bare forward pass over the same examples, and its peak memory by their number.

Run by `make bench`. It prints ratios, since seconds differ from machine to machine, and never fails on time.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd
import torch

from darksecrets.corpora.glue import Example
from darksecrets.models import attention, checkpoints, pattern_classifier
from darksecrets.models.attention import Batch
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.sections.fine_tuning import CosineSimilarity
from darksecrets.sections.patterns import PatternsOfMaps

SIZES = (200, 2000)
CLASSIFIED_ROUNDS = 3  # a round of 1000 examples takes most of a minute on two cores
Reducers = Callable[[], list[attention.Reducer]]  # makes those of one pass
WORDS = ["the", "committee", "did", "not", "accept", "a", "long", "report", "on", "prices", "that", "fell", "again"]


class AttentionToFirst:
    """A small reducer: mean attention to the first token per head, which keeps sums only."""

    def __init__(self) -> None:
        self.total: torch.Tensor | float = 0.0
        self.n_queries = 0

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        self.total = self.total + maps[..., 0].sum((0, -1))
        self.n_queries += int(batch.mask.sum())

    def table(self) -> pd.DataFrame:
        return pd.DataFrame((self.total / self.n_queries).numpy())


def sentences(n_examples: int) -> list[Example]:
    """Pairs whose lengths spread like MRPC's, about 20 to 100 tokens."""
    lengths = [10 + row * 7 % 40 for row in range(n_examples)]
    texts = [" ".join(WORDS[(row + word) % len(WORDS)] for word in range(n)) for row, n in enumerate(lengths)]
    return [Example(str(row), text, text, 0) for row, text in enumerate(texts)]


def analyses(checkpoint: Checkpoint) -> dict[str, Reducers]:
    before = checkpoint.encoder()
    return {
        "attention pass, nothing analysed": list,
        "attention pass, attention to [CLS]": lambda: [AttentionToFirst()],
        "attention pass, similarity (two models run)": lambda: [CosineSimilarity(before)],
    }


def compare(checkpoint: Checkpoint, n_examples: int, repeats: int, passes: Mapping[str, Reducers]) -> list[float]:
    """Print how long each pass takes beside a bare one; return the seconds of the last pass, a number per round."""
    model = checkpoint.encoder()
    encoded = attention.encode(checkpoint.tokenizer, sentences(n_examples))

    def bare() -> None:
        model.set_attn_implementation("sdpa")
        with torch.inference_mode():
            for batch in attention.batches(encoded, checkpoint.tokenizer):
                model(**batch.inputs)

    def ride(make: Reducers) -> None:
        reducers = make()
        attention.attention_pass(model, checkpoint.tokenizer, encoded, reducers)
        for reducer in reducers:
            reducer.table()

    ways = {"bare forward pass": bare} | {name: partial(ride, make) for name, make in passes.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            if repeat:  # the first round warms up
                seconds[name].append(time.perf_counter() - begun)
    base = statistics.median(seconds["bare forward pass"])
    print(f"{n_examples} examples, median of {repeats} rounds, ratio to a bare forward pass:")
    for name, values in seconds.items():
        ratios = [value / base for value in values]
        print(f"  {statistics.median(ratios):5.2f}  ({min(ratios):.2f} to {max(ratios):.2f})  {name}")
    return values


def classify(checkpoint: Checkpoint, n_examples: int, repeats: int) -> None:
    """Compare a pass in which the pattern of every map is told, and print how many maps that is in a second."""
    classifier = pattern_classifier.load()
    passes = {
        "attention pass, patterns of all maps": lambda: [PatternsOfMaps(classifier, checkpoint.tokenizer.sep_token_id)]
    }
    seconds = compare(checkpoint, n_examples, repeats, passes)
    n_maps = n_examples * checkpoint.n_layers * checkpoint.n_heads
    print(f"  {n_maps / statistics.median(seconds):,.0f} maps classified per second of that pass (median)")


def memory(n_examples: int) -> None:
    """Print this process's peak memory in MB after one pass."""
    checkpoint = checkpoints.load("minilm")
    encoded = attention.encode(checkpoint.tokenizer, sentences(n_examples))
    attention.attention_pass(checkpoint.encoder(), checkpoint.tokenizer, encoded, [AttentionToFirst()])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--classified-examples", type=int, default=1000, help="examples whose maps are classified")
    parser.add_argument("--memory-of", type=int, help="print the peak memory of one pass over so many examples")
    arguments = parser.parse_args()
    if arguments.memory_of:
        memory(arguments.memory_of)
        return
    checkpoint = checkpoints.load("minilm")
    compare(checkpoint, arguments.examples, arguments.rounds, analyses(checkpoint))
    classify(checkpoint, arguments.classified_examples, CLASSIFIED_ROUNDS)
    peaks = {}
    for n_examples in SIZES:
        command = [sys.executable, "-m", "tests.benchmarks.attention_pass", "--memory-of", str(n_examples)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))
        peaks[n_examples] = float(done.stdout)
        print(f"peak memory of a process with one pass over {n_examples} examples: {peaks[n_examples]:.0f} MB")
    print(f"  {peaks[SIZES[1]] / peaks[SIZES[0]]:5.2f}  ratio of {SIZES[1]} to {SIZES[0]} examples")


if __name__ == "__main__":
    main()
