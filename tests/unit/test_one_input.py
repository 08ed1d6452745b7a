"""Heads of one input beside the score of all: the right row of the right task, in points, seeds averaged."""

import pandas as pd
import pytest

from darksecrets.sections import disabling
from tests import disabling_tables

BESIDE = "change of the score"
EFFECTS = pd.DataFrame(
    [(1, 2, "yes", 0.9, 0.4, -0.5), (0, 3, "yes", 0.9, 0.95, 0.05)],
    columns=["layer", "head", "answer", "undisturbed", "disabled", "change"],
)


@pytest.fixture(scope="module", params=[(0,), (0, 1)], ids=["one seed", "two seeds"])
def tables(request):
    return disabling_tables.tables(seeds=request.param, hurts={(1, 2): 0.2})


@pytest.mark.parametrize("task", disabling_tables.SOME)
def test_changes_are_those_of_the_same_heads_with_uniform_attention(tables, task):
    found = disabling.head_effects_table(EFFECTS, task, tables)
    assert found["head"].tolist() == ["2-3", "1-4"]
    assert found[["before", "after"]].to_numpy().tolist() == [[0.9, 0.4], [0.9, 0.95]]
    assert found["change"].tolist() == ["-0.500", "+0.050"]
    heads = tables.heads.query("task == @task and instead == 'uniform'").groupby(["layer", "head"])["mean"].mean()
    for text, head in zip(found[BESIDE], [(1, 2), (0, 3)], strict=True):
        assert float(text.split(" ")[0]) == pytest.approx(100 * heads[head], abs=0.0051)
        assert "[" in text
    assert float(found[BESIDE][0].split(" ")[0]) < -5  # the head that hurts


def test_what_a_run_does_not_have_is_empty(tables):
    for task, kept in (("RTE", None), ("MNLI", tables)):
        found = disabling.head_effects_table(EFFECTS, task, kept)
        assert found[BESIDE].isna().all() and len(found) == 2
    other = EFFECTS.assign(layer=7)  # of another checkpoint
    assert disabling.head_effects_table(other, "RTE", tables)[BESIDE].isna().all()
