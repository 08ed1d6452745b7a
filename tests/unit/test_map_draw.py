"""The draw of the maps that are annotated: its plans, that no input comes twice, and a real draw from tiny models."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.glue import TASKS
from darksecrets.errors import InputError
from darksecrets.models import attention
from darksecrets.models.setup import Setup
from darksecrets_upkeep import map_draw
from tests.conftest import save_encoder

N_LAYERS, N_HEADS = 6, 12  # MiniLM's, whose heads the plans name
N_INPUTS = 200
EVERY_HEAD = sorted(np.ndindex(N_LAYERS, N_HEADS))


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    root = tmp_path_factory.mktemp("draw")
    encoder = save_encoder(root / "checkpoint", "bert-12x12", num_hidden_layers=N_LAYERS)
    return Setup(
        checkpoint=str(encoder),
        corpus=f"pocket:8/{N_INPUTS}",
        epochs=1,
        batch_size=4,
        learning_rate=1e-3,
        store=root / "store",
    )


def planned(setup, plan, number=0):
    """What a sitting takes: task, checkpoint, draw, layer and head of every map."""
    seed = [map_draw.DRAW_SEED, number] if number else map_draw.DRAW_SEED
    return [
        (task, part.checkpoint, part.draw, *head)
        for task, parts in plan(setup, np.random.default_rng(seed)).items()
        for part in parts
        for head in part.heads
    ]


def counts(rows, *columns):
    """How often each combination of the columns 0 (task) to 4 (head) occurs."""
    return Counter(tuple(row[column] for column in columns) for row in rows)


class TestPlans:
    def test_the_first_sitting_has_every_head_of_every_task_and_some_before_fine_tuning(self, setup):
        rows = planned(setup, map_draw._first_sitting)
        after = [row for row in rows if row[1] == "fine-tuned"]
        assert counts(after, 0, 3, 4) == Counter((task, *head) for task in TASKS for head in EVERY_HEAD)
        before = [row for row in rows if row[1] == "pre-trained"]
        assert counts(before, 3, 4) == Counter(EVERY_HEAD * map_draw.PRETRAINED_PER_HEAD)
        sizes = counts(before, 0)
        assert len(sizes) == len(TASKS)
        assert max(sizes.values()) - min(sizes.values()) <= 1
        assert counts(rows, 2) == {("main",): len(rows)}

    def test_the_second_sitting_has_rare_heads_and_others_among_them(self, setup):
        rows = planned(setup, map_draw._second_sitting)
        assert counts(rows, 1, 2) == {("fine-tuned", "supplement"): len(rows)}
        others = counts(rows, 3, 4) - Counter(map_draw.DIAGONAL) - Counter(map_draw.BLOCK)
        assert sum(others.values()) == map_draw.N_OTHERS
        assert set(others) <= set(EVERY_HEAD)

    def test_the_third_sitting_has_more_of_all_heads_and_of_those_with_blocks(self, setup):
        rows = planned(setup, map_draw._third_sitting)
        parts = {name: [row for row in rows if row[2] == name] for name in ("main", "supplement")}
        assert counts(parts["main"], 3, 4) == Counter(EVERY_HEAD * map_draw.MORE_PER_HEAD)
        assert counts(parts["supplement"], 3, 4) == Counter(map_draw.MORE_BLOCK)
        assert all(TASKS[row[0]].is_pair for row in parts["supplement"])
        sizes = counts(parts["main"], 0).values()
        assert max(sizes) - min(sizes) <= 1

    def test_the_third_sitting_goes_through_the_heads_in_random_order(self, setup):
        orders = []
        for seed in range(2):
            plan = map_draw._third_sitting(setup, np.random.default_rng(seed))
            orders.append([head for parts in plan.values() for head in parts[0].heads])
        assert orders[0] != orders[1]
        assert sorted(orders[0]) == sorted(orders[1]) != orders[0]

    def test_the_annotated_maps_are_those_that_were_planned(self, setup):
        table = pd.read_parquet(annotated_maps.MAPS)
        plans = (map_draw._first_sitting, map_draw._second_sitting, map_draw._third_sitting)
        for number, plan in enumerate(plans):
            rows = table[table["sitting"] == number + 1]
            shown = rows[["task", "checkpoint", "draw", "layer", "head"]].itertuples(index=False, name=None)
            assert Counter(shown) == Counter(planned(setup, plan, number))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(sorted(TASKS)), min_size=1, unique=True),
            st.lists(st.tuples(st.integers(0, 5), st.integers(0, 11))),
        )
    )
)
def test_heads_are_dealt_out_in_turn(shares):
    dealt = map_draw._in_turn(*shares)
    assert Counter(head for heads in dealt.values() for head in heads) == Counter(h for _, hs in shares for h in hs)
    for tasks, heads in shares:
        alone = map_draw._in_turn((tasks, heads))
        assert set(alone) <= set(tasks)
        assert [alone[tasks[place % len(tasks)]][place // len(tasks)] for place in range(len(heads))] == heads


@pytest.fixture(scope="module")
def table(setup):
    return map_draw.draw(setup)


class TestDraw:
    def test_it_has_the_columns_and_sizes_of_the_annotated_maps(self, table):
        annotated = pd.read_parquet(annotated_maps.MAPS)
        assert list(table.columns) == [name for name in annotated.columns if name in table.columns]
        assert table["id"].tolist() == list(range(len(annotated)))
        for columns in (["sitting", "draw", "checkpoint"], ["sitting", "task"], ["layer", "head"]):
            assert table.groupby(columns).size().to_dict() == annotated.groupby(columns).size().to_dict()

    def test_no_input_comes_twice(self, table):
        assert not table.duplicated(["task", "example"]).any()
        assert table["example"].between(0, N_INPUTS - 1).all()

    def test_maps_of_a_sitting_are_in_random_order(self, table):
        for _, rows in table.groupby("sitting"):
            changes = (rows["task"] != rows["task"].shift()).sum()
            assert changes > len(rows) / 2

    @pytest.mark.parametrize("name", ["pre-trained", "fine-tuned"])
    def test_a_map_is_the_one_of_its_model_input_and_head(self, setup, table, name):
        rows = table[table["checkpoint"] == name]
        for _, row in rows.groupby("task").head(2).iterrows():
            task = row["task"]
            model = setup.load().encoder() if name == "pre-trained" else setup.finetuned(task, 0)
            example = setup.split(task, "dev").examples[row["example"]]
            tokens, maps = attention.maps_of(model, setup.load().tokenizer, example.first, example.second)
            assert row["n_tokens"] == len(tokens) <= map_draw.MAX_TOKENS
            assert list(row["sep_positions"]) == [place for place, token in enumerate(tokens) if token == "[SEP]"]
            assert row["map"].dtype == np.float16
            expected = maps[row["layer"], row["head"]].ravel()
            assert row["map"] == pytest.approx(expected, abs=1e-3)


class TestInputs:
    def test_the_seed_decides_which_are_chosen(self, setup):
        chosen = [
            {one.row for one in map_draw._short_inputs(setup, "RTE", 20, np.random.default_rng(seed), set())}
            for seed in (1, 1, 2)
        ]
        assert chosen[0] == chosen[1] != chosen[2]

    def test_used_inputs_are_not_taken_again(self, setup):
        used, random = set(range(0, N_INPUTS, 2)), np.random.default_rng(0)
        found = map_draw._short_inputs(setup, "SST-2", 60, random, used)
        assert len({one.row for one in found}) == 60
        assert all(one.row % 2 for one in found)
        assert used == set(range(0, N_INPUTS, 2)) | {one.row for one in found}

    def test_too_few_short_inputs_are_an_error_that_says_how_many_there_are(self, setup):
        used = set(range(N_INPUTS - 5))
        expected = f"RTE has 5 validation inputs of at most {map_draw.MAX_TOKENS} tokens; 6 are needed"
        with pytest.raises(InputError, match=expected):
            map_draw._short_inputs(setup, "RTE", 6, np.random.default_rng(0), used)
        assert len(map_draw._short_inputs(setup, "RTE", 5, np.random.default_rng(0), used)) == 5

    def test_long_inputs_are_left_out(self, setup, monkeypatch):
        encoded = attention.encode(setup.load().tokenizer, setup.split("QNLI", "dev").examples)
        limit = int(np.median([len(one) for one in encoded]))
        short = {one.row for one in encoded if len(one) <= limit}
        assert 0 < len(short) < N_INPUTS
        monkeypatch.setattr(map_draw, "MAX_TOKENS", limit)
        found = map_draw._short_inputs(setup, "QNLI", len(short), np.random.default_rng(0), set())
        assert {one.row for one in found} == short


def test_chosen_maps_are_of_the_chosen_head_without_padding(setup):
    tokenizer = setup.load().tokenizer
    encoded = attention.encode(tokenizer, setup.split("RTE", "dev").examples)[:5]
    batch = attention.collate(encoded[::-1], tokenizer, 60)
    maps = torch.rand(5, N_LAYERS, N_HEADS, 60, 60)
    chosen = {row: (row % N_LAYERS, 2 * row) for row in range(5)}
    reducer = map_draw.ChosenMaps(chosen, tokenizer.sep_token_id)
    reducer(maps, batch)
    table = reducer.table()
    assert table["row"].tolist() == list(range(5))
    for row in table.itertuples():
        assert (row.layer, row.head) == chosen[row.row]
        expected = maps[4 - row.row, row.layer, row.head, : row.n_tokens, : row.n_tokens]
        assert row.map.tolist() == expected.flatten().half().tolist()
