"""How long the explorer takes to answer: what a person does in it, in milliseconds, for an input of 32 tokens.

Run by `make bench`. It prints medians, and never fails on time: the book asks for 200 ms after loading. What
the browser takes to draw comes on top.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import cycle

import torch

from darksecrets.apps.exploration import AFTER, BEFORE, Exploration
from darksecrets.apps.explorer import SHOWN, Explorer
from darksecrets.models.setup import Setup

FIRST = "The judge by the door did not believe that the painter had sold the house {}."
SECOND = "A painter, who lives near the river, sold it."
TEXTS = [FIRST.format(word) for word in ("today", "twice", "again", "early", "here", "there", "now", "first")]


class Untrained(Setup):
    """A setup whose classifiers have a new output layer: they take as long as trained ones, and no training."""

    def finetuned(self, task: str, seed: int, initialization: str = "pretrained") -> torch.nn.Module:
        return self.load(initialization).classifier(self.split(task, "train").task.n_outputs, seed)


def actions(panel: Explorer) -> dict[str, Callable[[], None]]:
    """What a person does, each never before seen when it is done: nothing that is kept may help."""
    heads, texts = cycle(panel.heads), cycle(TEXTS)
    checkpoints, layers = cycle((BEFORE, AFTER)), cycle(range(1, panel.layer.max + 1))

    def click() -> None:
        button = panel.heads[next(heads)]
        button.value = not button.value

    def forget() -> None:
        panel.exploration._kept.clear()

    def type_text() -> None:
        forget()
        panel.first.value = next(texts)

    def compare() -> None:
        forget()
        panel.checkpoint.value = next(checkpoints)

    return {
        "type another sentence": type_text,
        "disable a head": click,
        "choose the other checkpoint": compare,
        "choose another map": lambda: setattr(panel.layer, "value", next(layers)),
        "ask which heads matter most (a sweep)": panel.rank,
    }


def milliseconds(action: Callable[[], None]) -> tuple[float, float]:
    """Time that passed, and time that the processor spent on it: on a busy machine the first is longer."""
    begun, spent = time.perf_counter(), time.process_time()
    action()
    return 1000 * (time.perf_counter() - begun), 1000 * (time.process_time() - spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default="minilm")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as store:
        setup = Untrained(arguments.checkpoint, "pocket", ("RTE",), store=store)
        begun = time.perf_counter()
        panel = Explorer(Exploration(setup))
        print(f"loading: {time.perf_counter() - begun:.1f} s")
        panel.look(first=TEXTS[-1], second=SECOND)
        print(f"{len(panel.exploration.tokens)} tokens, {torch.get_num_threads()} threads; medians in ms:")
        print("  passed  processor")
        for place, view in enumerate(SHOWN):
            panel.tabs.selected_index = place
            for name, action in actions(panel).items():
                if "sweep" in name and place:
                    continue  # it draws no view
                action()  # the first one warms up
                passed, spent = zip(*(milliseconds(action) for _ in range(arguments.rounds)), strict=True)
                print(f"  {statistics.median(passed):6.0f}  {statistics.median(spent):9.0f}  {view}: {name}")


if __name__ == "__main__":
    main()
