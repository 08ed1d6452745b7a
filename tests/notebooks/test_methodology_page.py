"""The chapter on Section 3 executed: what stands in it is what was computed."""

import numpy as np
import pytest
import torch

from darksecrets.models import attention, checkpoints
from darksecrets.overview.methodology import recorded
from darksecrets.runs import Run
from tests.notebooks.conftest import SIZES, TASKS
from tests.notebooks.executed import defined


@pytest.fixture
def methodology(size, request):
    return request.getfixturevalue(f"{size}_methodology")


def test_the_model_is_described(methodology, size):
    rows = {row[""]: row["this run"] for row in methodology.rows("table-model")}
    n_layers, n_heads = SIZES[size]
    assert rows["layers"] == str(n_layers)
    assert rows["heads in all"] == methodology.glued["n_maps"] == str(n_layers * n_heads)


def test_the_recipe_is_that_of_the_run(methodology, size):
    rows = {row[""]: row["this run"] for row in methodology.rows("table-protocol")}
    expected = {"tiny": ("6", "8", "0.003"), "real": ("3", "32", "0.0001")}[size]
    assert (rows["epochs"], rows["batch size"], rows["learning rate"]) == expected
    assert methodology.glued["learning_rate"] == expected[-1]


def test_the_reference_column_is_what_its_run_recorded(methodology, notebooks):
    record = recorded(Run(notebooks / "reference"))
    assert record
    rows = {row[""]: row["reference run"] for row in methodology.rows("table-protocol")}
    assert rows["model"] == record["checkpoint"]
    assert rows["learning rate"] == f"{record['recipe']['learning_rate']:g}"
    rows = {row[""]: row["reference run"] for row in methodology.rows("table-model")}
    assert record["checkpoint_fingerprint"].startswith(rows["fingerprint"])


def test_numbers_in_the_prose_agree_with_the_map(methodology, size):
    tokens = methodology.glued["tokens"].split()
    assert tokens[0] == "[CLS]"
    assert tokens[-1] == "[SEP]"
    assert methodology.glued["n_tokens"] == str(len(tokens))
    assert methodology.glued["shape"] == " x ".join(map(str, (*SIZES[size], len(tokens), len(tokens))))


def test_the_short_code_on_the_page_is_how_the_model_computes_a_map(methodology, tiny_bert):
    checkpoint = checkpoints.load(tiny_bert)
    model, (first, second) = checkpoint.encoder(), ("The report was rejected.", "Nobody read it.")
    _, maps = attention.maps_of(model, checkpoint.tokenizer, first, second)
    inputs = checkpoint.tokenizer(first, second, return_tensors="pt")
    block = model.encoder.layer[0].attention.self
    with torch.inference_mode():
        states = model.embeddings(inputs["input_ids"], inputs["token_type_ids"])[0]
        vectors = [
            part(states).numpy().reshape(len(states), checkpoint.n_heads, -1) for part in (block.query, block.key)
        ]
    attention_weights = defined(methodology, "attention_weights")
    for head in range(checkpoint.n_heads):
        computed = attention_weights(*(part[:, head] for part in vectors))
        assert computed == pytest.approx(maps[0, head], abs=1e-6)


def test_rows_of_the_map_sum_to_one_and_the_heat_map_shows_them(methodology):
    rows = methodology.rows("table-map")
    numbers = np.array([[float(cell) for cell in list(row.values())[1:]] for row in rows])
    assert numbers.shape[0] == numbers.shape[1] == int(methodology.glued["n_tokens"])
    assert numbers.sum(axis=1) == pytest.approx(1, abs=0.005 * numbers.shape[1])
    (cells,) = methodology.data("figure-heatmap")
    assert [cell["weight"] for cell in cells] == pytest.approx(numbers.ravel(), abs=0.006)


def test_all_heads_are_there(methodology, size):
    (heads,) = methodology.data("figure-all-heads")
    n_layers, n_heads = SIZES[size]
    assert [(row["layer"], row["head"]) for row in heads] == [
        (layer, head) for layer in range(1, n_layers + 1) for head in range(1, n_heads + 1)
    ]


def test_tasks_and_examples_are_those_of_the_run(methodology, size):
    for name in ("table-tasks", "table-examples"):
        assert [row["task"] for row in methodology.rows(name)] == TASKS[size]


def test_splits_are_called_official_only_where_they_are(methodology, size):
    found = {row["official"] for row in methodology.rows("table-tasks")}
    assert found == {"yes" if size == "real" else "no"}
