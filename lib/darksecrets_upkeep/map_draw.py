"""Section 4.1: draw the attention maps that people annotate, one per head, task and input.

Explained in the appendix *How maps were annotated*.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
import torch

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.corpora.glue import TASKS
from darksecrets.errors import InputError
from darksecrets.models import attention
from darksecrets.models.attention import Batch, Encoded
from darksecrets.models.setup import Setup

MAX_TOKENS = 64
DRAW_SEED = 2019
PRETRAINED_PER_HEAD = 2  # maps of each head from the model before fine-tuning
MORE_PER_HEAD = 3  # maps of each head that were added in the last sitting
Head = tuple[int, int]  # layer, head, from 0
# Heads of MiniLM whose maps in the first sitting were labelled Diagonal or Block: few, so later ones have more of them.
DIAGONAL: list[Head] = 8 * [(0, 2)] + 12 * [(0, 3)] + 12 * [(0, 4)]
BLOCK: list[Head] = 3 * [(2, 1), (2, 3), (2, 10), (3, 10), (4, 6), (4, 7)]
MORE_BLOCK: list[Head] = 6 * [(2, 3), (2, 10), (3, 2), (3, 9), (3, 10), (4, 7)]
N_OTHERS = 10  # maps of any heads among them, so that an annotator does not know what to expect


class ChosenMaps:
    """Reducer: keep one map of each example, that of the head chosen for it."""

    def __init__(self, chosen: Mapping[int, Head], sep_id: int) -> None:
        self.chosen, self.sep_id = chosen, sep_id
        self.rows: list[dict[str, object]] = []

    def __call__(self, maps: torch.Tensor, batch: Batch) -> None:
        """Keep of `maps` (batch, layer, head, query, key) the real tokens' weights of one head per example."""
        for place, example in enumerate(batch.examples):
            layer, head = self.chosen[example.row]
            weights = maps[place, layer, head, : len(example), : len(example)]
            row = {"row": example.row, "layer": layer, "head": head, "n_tokens": len(example)}
            row["sep_positions"] = example.positions(self.sep_id)
            self.rows.append(row | {"map": weights.flatten().half().cpu().numpy()})

    def table(self) -> pd.DataFrame:
        """One row per example: `map` is the n_tokens x n_tokens weights in one list, a query after the other."""
        return pd.DataFrame(self.rows).sort_values("row", ignore_index=True)


def draw(setup: Setup, draw_seed: int = DRAW_SEED) -> pd.DataFrame:
    """Draw the maps to annotate, in three sittings, all from different validation inputs of at most 64 tokens, uncut.

    The `main` draw takes all heads alike: one map per task and head from fine-tuned models, two per head from the
    pre-trained one, and in the last sitting three more per head. The `supplement` has more of heads that showed rare
    patterns. Columns: `id` (the order in which maps are shown, random within a sitting), sitting, draw, task,
    checkpoint (`fine-tuned` or `pre-trained`), layer and head (from 0), example (its row in the task's file), n_tokens,
    sep_positions, map (float16). Raises `InputError` where a task has too few inputs that are short enough.
    """
    used: dict[str, set[int]] = {task: set() for task in setup.tasks}
    sittings = []
    for number, plan in enumerate((_first_sitting, _second_sitting, _third_sitting)):
        random = np.random.default_rng([draw_seed, number] if number else draw_seed)
        tables = []
        for task, wanted in plan(setup, random).items():
            chosen = iter(_short_inputs(setup, task, sum(len(part.heads) for part in wanted), random, used[task]))
            tables += [_maps(setup, task, part, list(islice(chosen, len(part.heads)))) for part in wanted if part.heads]
        order = random.permutation(sum(map(len, tables)))
        sittings.append(pd.concat(tables).iloc[order].assign(sitting=number + 1))
    columns = ["id", "sitting", "draw", "task", "checkpoint", "layer", "head", "example", "n_tokens", "sep_positions"]
    table = pd.concat(sittings).rename(columns={"row": "example"})
    return table.assign(id=range(len(table)))[[*columns, "map"]].reset_index(drop=True)


@dataclass
class _Part:
    """Some maps that a sitting takes of one task: of which heads, from which checkpoint, for which draw."""

    heads: list[Head]
    checkpoint: str = AFTER
    draw: str = "main"


Plan = dict[str, list[_Part]]  # by task


def _first_sitting(setup: Setup, random: np.random.Generator) -> Plan:
    heads = _heads(setup)
    before = np.array_split(random.permutation(heads * PRETRAINED_PER_HEAD), len(setup.tasks))
    return {
        task: [_Part(heads), _Part([tuple(map(int, head)) for head in of_task], BEFORE)]
        for task, of_task in zip(setup.tasks, before, strict=True)
    }


def _second_sitting(setup: Setup, random: np.random.Generator) -> Plan:
    heads = _heads(setup)
    others = [heads[at] for at in random.choice(len(heads), N_OTHERS, replace=False)]
    rare = _in_turn((setup.tasks, DIAGONAL), (_pairs(setup), BLOCK), (setup.tasks, others))
    return {task: [_Part(of_task, draw="supplement")] for task, of_task in rare.items()}


def _third_sitting(setup: Setup, random: np.random.Generator) -> Plan:
    heads = [tuple(map(int, head)) for head in random.permutation(_heads(setup) * MORE_PER_HEAD)]
    more, rare = _in_turn((setup.tasks, heads)), _in_turn((_pairs(setup), MORE_BLOCK))
    return {task: [_Part(more[task]), _Part(rare.get(task, []), draw="supplement")] for task in setup.tasks}


def _heads(setup: Setup) -> list[Head]:
    checkpoint = setup.load()
    return [(layer, head) for layer in range(checkpoint.n_layers) for head in range(checkpoint.n_heads)]


def _pairs(setup: Setup) -> list[str]:
    return [task for task in setup.tasks if TASKS[task].is_pair]


def _in_turn(*shares: tuple[Sequence[str], Sequence[Head]]) -> dict[str, list[Head]]:
    """Deal heads out to tasks in turn."""
    dealt: dict[str, list[Head]] = defaultdict(list)
    for tasks, heads in shares:
        for place, head in enumerate(heads):
            dealt[tasks[place % len(tasks)]].append(head)
    return dealt


def _short_inputs(setup: Setup, task: str, n: int, random: np.random.Generator, used: set[int]) -> list[Encoded]:
    """Choose `n` inputs of the task that are short enough and not yet `used`, and note them there."""
    encoded = attention.encode(setup.load().tokenizer, setup.split(task, "dev", 0).examples)
    short = [example for example in encoded if len(example) <= MAX_TOKENS and example.row not in used]
    if len(short) < n:
        raise InputError(f"{task} has {len(short)} validation inputs of at most {MAX_TOKENS} tokens; {n} are needed")
    chosen = [short[at] for at in random.choice(len(short), n, replace=False)]
    used.update(example.row for example in chosen)
    return chosen


def _maps(setup: Setup, task: str, part: _Part, examples: Sequence[Encoded]) -> pd.DataFrame:
    tokenizer = setup.load().tokenizer
    model = setup.load().encoder() if part.checkpoint == BEFORE else setup.finetuned(task, setup.seeds[0])
    reducer = ChosenMaps(
        {example.row: head for example, head in zip(examples, part.heads, strict=True)}, tokenizer.sep_token_id
    )
    attention.attention_pass(model, tokenizer, examples, [reducer])
    return reducer.table().assign(task=task, checkpoint=part.checkpoint, draw=part.draw)
