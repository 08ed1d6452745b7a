"""Attention by distance against slow loops over real tokens, and the models that are opened: those that are there."""

import numpy as np
import pandas as pd
import pytest
import torch

from darksecrets.apps.atlas import DISTANCES, EXAMPLE, ByDistance, opened
from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.models import attention
from darksecrets.models.attention import Batch, Encoded
from darksecrets.models.setup import Setup
from tests.conftest import write_task

LENGTHS = (9, 4, 1)
SHAPE = (2, 3)  # layers, heads


def padded_maps(lengths, seed=0):
    """Maps whose real queries give all to real keys, 0 elsewhere, and the batch they belong to."""
    random, size = np.random.default_rng(seed), max(lengths)
    maps = np.zeros((len(lengths), *SHAPE, size, size), dtype="float32")
    for row, n in enumerate(lengths):
        weights = random.random((*SHAPE, n, n))
        maps[row, :, :, :n, :n] = weights / weights.sum(-1, keepdims=True)
    mask = torch.tensor([[1] * n + [0] * (size - n) for n in lengths])
    examples = tuple(Encoded(10 + row, (0,) * n, (0,) * n) for row, n in enumerate(lengths))
    return torch.from_numpy(maps), Batch(examples, {"attention_mask": mask})


def test_each_distance_is_the_mean_over_the_tokens_that_have_one_so_far_away():
    maps, batch = padded_maps(LENGTHS)
    reducer = ByDistance()
    reducer(maps, batch)
    table = reducer.table().set_index(["example", "layer", "head"])
    assert len(table) == len(LENGTHS) * SHAPE[0] * SHAPE[1]
    for row, n in enumerate(LENGTHS):
        for layer, head in np.ndindex(SHAPE):
            for distance in DISTANCES:
                weights = [
                    maps[row, layer, head, query, query + distance].item()
                    for query in range(n)
                    if 0 <= query + distance < n
                ]
                expected = np.mean(weights) if weights else np.nan
                assert table.loc[(10 + row, layer, head), str(distance)] == pytest.approx(expected, nan_ok=True)


def test_only_models_that_are_there_are_opened_and_none_is_trained(tiny_bert, tmp_path):
    for task in ("RTE", "SST-2"):
        write_task(tmp_path / "glue", task)
    sizes = {"max_train": 32, "max_examples": 5, "batch_size": 8, "learning_rate": 3e-3}
    setup = Setup(tiny_bert, str(tmp_path / "glue"), ["RTE", "SST-2"], **sizes, store=tmp_path / "store")
    before = opened(setup)
    assert list(before.maps) == [BEFORE]
    assert not setup.is_finetuned("RTE", 0)
    model = setup.finetuned("RTE", 0)
    after = opened(setup)
    assert list(after.maps) == [BEFORE, "RTE"]
    assert after.fingerprint == setup.load().fingerprint
    tokens, maps = attention.maps_of(model, setup.load().tokenizer, *EXAMPLE)
    assert after.tokens == tuple(tokens)
    np.testing.assert_allclose(after.maps["RTE"], maps, atol=1e-3)
    assert abs(after.maps["RTE"] - after.maps[BEFORE]).max() > 0.01
    seen = after.distances.groupby(["task", "checkpoint"], observed=True)["example"].nunique()
    assert seen.to_dict() == {("RTE", BEFORE): 5, ("SST-2", BEFORE): 5, ("RTE", AFTER): 5}
    assert isinstance(after.distances, pd.DataFrame)
