"""What finding out what heads attend to costs: all analyses of Sections 4.4 and 4.5 in one pass, beside bare forward
passes, and beside the same analyses one after another with a pass each, as the released notebook runs them.

Run by `make bench`. It prints ratios, since seconds differ from machine to machine, and never fails on time.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from darksecrets.corpora import glue, linguistics
from darksecrets.models import attended, attention, checkpoints
from darksecrets.models.attended import Text
from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.feature_attention import FEATURE_COLUMNS, FeatureAttention, Measurement
from darksecrets.models.value_norms import ValueNorms
from darksecrets.runs import Store

N_MODELS = 2  # one before and one after fine-tuning


def read(checkpoint: Checkpoint, corpus: str, task: str, n_examples: int, store: str) -> list[Text]:
    """The first choice of examples of a task's development split, with their words."""
    split = glue.load(task, "dev", corpus, n_examples)
    annotated = linguistics.annotated(split, corpus, Store(store))
    encoded = attention.encode(checkpoint.tokenizer, split.examples)
    return [Text(*pair) for pair in zip(encoded, annotated, strict=True)]


def bare(checkpoint: Checkpoint, texts: list[Text]) -> None:
    """Run the model and look at nothing."""
    model = checkpoint.encoder()
    model.set_attn_implementation("sdpa")
    with torch.inference_mode():
        for batch in attention.batches([text.encoded for text in texts], checkpoint.tokenizer):
            model(**batch.inputs)


def together(checkpoint: Checkpoint, texts: list[Text]) -> None:
    """All analyses, from the words to the tables, in one pass."""
    model = checkpoint.encoder()
    with ValueNorms(model) as norms:
        reducers, _ = attended.reducers_of(texts, checkpoint.tokenizer, norms)
        passed(checkpoint, model, texts, list(reducers.values()))
    for name, reducer in reducers.items():
        reducer.against_null() if name == "links" else reducer.table()


def one_after_another(checkpoint: Checkpoint, texts: list[Text]) -> None:
    """A pass for each feature and measure, each relation, and the diagonal."""
    model, tokenizer = checkpoint.encoder(), checkpoint.tokenizer
    for feature in FEATURE_COLUMNS:
        with ValueNorms(model) as norms:
            for measurement in attended.measurements_of(texts, tokenizer, norms):
                marks = [[one for one in of_text if one[0] == feature] for of_text in measurement.marks]
                own = Measurement(measurement.reading, measurement.measure, marks, measurement.received)
                passed(checkpoint, model, texts, [FeatureAttention([own])])
    with ValueNorms(model) as norms:
        reducers, _ = attended.reducers_of(texts, tokenizer, norms)
        for name, reducer in reducers.items():
            if name != "features":
                passed(checkpoint, model, texts, [reducer])


def passed(checkpoint: Checkpoint, model: torch.nn.Module, texts: list[Text], reducers: list) -> None:
    attention.attention_pass(model, checkpoint.tokenizer, [text.encoded for text in texts], reducers)


def seconds(way: Callable[[], None]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="pocket:600/1000", help="pocket, hub, or a GLUE directory")
    parser.add_argument("--task", default="MRPC")
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", default="_runs", help="directory that keeps the parser's analyses")
    parser.add_argument("--without-single", action="store_true", help="leave the one-after-another way out: it is slow")
    arguments = parser.parse_args()
    checkpoint = checkpoints.load("minilm")
    texts = read(checkpoint, arguments.corpus, arguments.task, arguments.examples, arguments.store)
    ratios: dict[str, list[float]] = {"all analyses in one pass per model": []}
    for repeat in range(arguments.rounds + 1):
        base = seconds(lambda: [bare(checkpoint, texts) for _ in range(N_MODELS)])
        whole = seconds(lambda: [together(checkpoint, texts) for _ in range(N_MODELS)])
        if repeat:  # the first round warms up
            ratios["all analyses in one pass per model"].append(whole / base)
    if not arguments.without_single:
        single = N_MODELS * seconds(lambda: one_after_another(checkpoint, texts))
        ratios["the same, one after another with a pass each"] = [single / base]
    print(f"{len(texts)} examples of {arguments.task}, ratio to {N_MODELS} bare forward passes over them:")
    for name, values in ratios.items():
        print(f"  {statistics.median(values):6.2f}  ({min(values):.2f} to {max(values):.2f})  {name}")


if __name__ == "__main__":
    main()
