"""The draw of the maps that are annotated: its plans, that no input comes twice, and a real draw from tiny models."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.glue import TASKS
from darksecrets.errors import InputError
from darksecrets.models import attention
from darksecrets.models.setup import Setup
from darksecrets_upkeep import map_draw
from tests.conftest import save_encoder

N_LAYERS, N_HEADS = 6, 12  # MiniLM's, whose heads the plans name
N_INPUTS = 200
EVERY_HEAD = Counter(np.ndindex(N_LAYERS, N_HEADS))
PLANS = (map_draw._first_sitting, map_draw._second_sitting, map_draw._third_sitting)
COLUMNS = ["task", "checkpoint", "draw", "layer", "head"]


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    root = tmp_path_factory.mktemp("draw")
    encoder = str(save_encoder(root / "checkpoint", "bert-12x12", num_hidden_layers=N_LAYERS))
    recipe = {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3}
    return Setup(checkpoint=encoder, corpus=f"pocket:8/{N_INPUTS}", **recipe, store=root / "store")


@pytest.fixture(scope="module")
def planned(setup):
    """What each sitting takes: a row a map."""
    tables = []
    for number, plan in enumerate(PLANS):
        random = np.random.default_rng([map_draw.DRAW_SEED, number] if number else map_draw.DRAW_SEED)
        parts = [(task, part) for task, parts in plan(setup, random).items() for part in parts]
        rows = [(task, part.checkpoint, part.draw, *head) for task, part in parts for head in part.heads]
        tables.append(pd.DataFrame(rows, columns=COLUMNS))
    return tables


def heads(table):
    return Counter(zip(table["layer"], table["head"], strict=True))


def test_the_first_sitting_has_every_head_of_every_task_and_some_before_fine_tuning(planned):
    after = planned[0].query("checkpoint == 'fine-tuned'")
    assert {task: heads(rows) for task, rows in after.groupby("task")} == dict.fromkeys(TASKS, EVERY_HEAD)
    before = planned[0].query("checkpoint == 'pre-trained'")
    assert heads(before) == Counter(dict.fromkeys(EVERY_HEAD, map_draw.PRETRAINED_PER_HEAD))
    sizes = before.groupby("task").size()
    assert len(sizes) == len(TASKS)
    assert sizes.max() - sizes.min() <= 1
    assert set(planned[0]["draw"]) == {"main"}


def test_the_second_sitting_has_rare_heads_and_others_among_them(planned):
    assert planned[1][["checkpoint", "draw"]].drop_duplicates().to_numpy().tolist() == [["fine-tuned", "supplement"]]
    others = heads(planned[1]) - Counter(map_draw.DIAGONAL) - Counter(map_draw.BLOCK)
    assert others.total() == map_draw.N_OTHERS
    assert set(others) <= set(EVERY_HEAD)


def test_the_third_sitting_has_more_of_all_heads_in_random_order_and_of_those_with_blocks(planned, setup):
    main, supplement = (planned[2].query(f"draw == '{draw}'") for draw in ("main", "supplement"))
    assert heads(main) == Counter(dict.fromkeys(EVERY_HEAD, map_draw.MORE_PER_HEAD))
    assert heads(supplement) == Counter(map_draw.MORE_BLOCK)
    assert all(TASKS[task].is_pair for task in supplement["task"])
    sizes = main.groupby("task").size()
    assert sizes.max() - sizes.min() <= 1
    plans = [map_draw._third_sitting(setup, np.random.default_rng(seed)) for seed in range(2)]
    orders = [[head for parts in plan.values() for head in parts[0].heads] for plan in plans]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) != orders[0]


def test_the_annotated_maps_are_those_that_were_planned(planned):
    table = pd.read_parquet(annotated_maps.MAPS)
    for number, plan in enumerate(planned):
        shown = table.loc[table["sitting"] == number + 1, COLUMNS]
        assert Counter(shown.itertuples(index=False, name=None)) == Counter(plan.itertuples(index=False, name=None))


def test_heads_are_dealt_out_in_turn():
    a, b, c = (0, 1), (0, 2), (3, 4)
    assert map_draw._in_turn((["RTE", "QQP"], [a, b, c]), (["QQP"], [c])) == {"RTE": [a, c], "QQP": [b, c]}


@pytest.fixture(scope="module")
def table(setup):
    return map_draw.draw(setup)


def test_a_draw_is_like_the_annotated_maps_in_random_order_and_no_input_comes_twice(table):
    annotated = pd.read_parquet(annotated_maps.MAPS)
    assert list(table.columns) == [name for name in annotated.columns if name in table.columns]
    assert table["id"].tolist() == list(range(len(annotated)))
    for columns in (["sitting", "draw", "checkpoint"], ["sitting", "task"], ["layer", "head"]):
        assert table.groupby(columns).size().to_dict() == annotated.groupby(columns).size().to_dict()
    assert not table.duplicated(["task", "example"]).any()
    assert table["example"].between(0, N_INPUTS - 1).all()
    for _, rows in table.groupby("sitting"):
        assert (rows["task"] != rows["task"].shift()).sum() > len(rows) / 2


@pytest.mark.parametrize("name", ["pre-trained", "fine-tuned"])
def test_a_map_is_the_one_of_its_model_input_and_head(setup, table, name):
    for _, row in table[table["checkpoint"] == name].groupby("task").head(2).iterrows():
        task = row["task"]
        model = setup.load().encoder() if name == "pre-trained" else setup.finetuned(task, 0)
        example = setup.split(task, "dev").examples[row["example"]]
        tokens, maps = attention.maps_of(model, setup.load().tokenizer, example.first, example.second)
        assert row["n_tokens"] == len(tokens) <= map_draw.MAX_TOKENS
        assert list(row["sep_positions"]) == [position for position, token in enumerate(tokens) if token == "[SEP]"]
        assert row["map"].dtype == np.float16
        assert row["map"] == pytest.approx(maps[row["layer"], row["head"]].ravel(), abs=1e-3)


def short(setup, task, n, seed=0, used=()):
    """Rows of the inputs that are chosen, and all that are used then."""
    taken = set(used)
    chosen = map_draw._short_inputs(setup, task, n, np.random.default_rng(seed), taken)
    return {one.row for one in chosen}, taken


def test_inputs_are_chosen_by_the_seed_and_used_ones_not_again(setup):
    first, again, other = (short(setup, "RTE", 20, seed)[0] for seed in (1, 1, 2))
    assert first == again != other
    even = set(range(0, N_INPUTS, 2))
    rows, taken = short(setup, "SST-2", 60, used=even)
    assert len(rows) == 60
    assert not rows & even
    assert taken == rows | even


def test_long_inputs_are_left_out_and_too_few_short_ones_an_error_that_says_how_many(setup, monkeypatch):
    used = range(N_INPUTS - 5)
    with pytest.raises(InputError, match=f"RTE has 5 validation inputs of at most {map_draw.MAX_TOKENS} tokens; 6 are"):
        short(setup, "RTE", 6, used=used)
    assert len(short(setup, "RTE", 5, used=used)[0]) == 5
    encoded = attention.encode(setup.load().tokenizer, setup.split("QNLI", "dev").examples)
    limit = int(np.median([len(one) for one in encoded]))
    expected = {one.row for one in encoded if len(one) <= limit}
    assert 0 < len(expected) < N_INPUTS
    monkeypatch.setattr(map_draw, "MAX_TOKENS", limit)
    assert short(setup, "QNLI", len(expected))[0] == expected


def test_chosen_maps_are_of_the_chosen_head_without_padding(setup):
    tokenizer = setup.load().tokenizer
    encoded = attention.encode(tokenizer, setup.split("RTE", "dev").examples)[:5]
    maps = torch.rand(5, N_LAYERS, N_HEADS, 60, 60)
    chosen = {row: (row % N_LAYERS, 2 * row) for row in range(5)}
    reducer = map_draw.ChosenMaps(chosen, tokenizer.sep_token_id)
    reducer(maps, attention.collate(encoded[::-1], tokenizer, 60))
    table = reducer.table()
    assert table["row"].tolist() == list(range(5))
    for row in table.itertuples():
        assert (row.layer, row.head) == chosen[row.row]
        expected = maps[4 - row.row, row.layer, row.head, : row.n_tokens, : row.n_tokens]
        assert row.map.tolist() == expected.flatten().half().tolist()
