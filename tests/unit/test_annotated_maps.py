"""The annotated maps as they are shipped: whole, small, without text, documented, and drawn as planned."""

import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.annotated_maps import ANNOTATORS, PATTERNS
from darksecrets.corpora.glue import TASKS
from darksecrets.errors import InputError
from darksecrets.models import attention, checkpoints
from darksecrets.models.setup import Setup

N_LAYERS, N_HEADS = 6, 12  # MiniLM's
WHERE_FROM = ["task", "checkpoint", "layer", "head", "example", "n_tokens", "sep_positions", "map"]
SHOWN = [104]  # drawn, but without labels: the guideline shows it
README = (annotated_maps.DIRECTORY / "README.md").read_text()


@pytest.fixture(scope="module")
def table():
    return annotated_maps.load()


@pytest.fixture(scope="module")
def both(table):
    """The annotated maps and the guideline's in one table."""
    return pd.concat([table, annotated_maps.examples()], keys=["annotated", "guideline"])


@pytest.fixture(scope="module")
def drawn():
    """All maps of the draw, those without labels too."""
    return pd.read_parquet(annotated_maps.MAPS)


def test_every_map_has_a_number_and_an_input_of_its_own(drawn, table):
    assert drawn["id"].tolist() == list(range(len(drawn)))
    assert not drawn.duplicated(["task", "example"]).any()
    assert len(table) >= 500
    assert table["id"].tolist() == sorted(set(drawn["id"]) - set(SHOWN))
    assert pd.read_csv(annotated_maps.LABELS)["id"].tolist() == table["id"].tolist()


def test_no_map_of_the_guideline_was_annotated(table):
    shown = annotated_maps.examples()
    assert shown["id"].is_unique
    key = ["task", "example", "layer", "head", "checkpoint"]
    assert shown.merge(table, on=key).empty
    assert set(shown["pattern"]) == set(PATTERNS)
    assert set(shown["case"]) == {"clear", "borderline"}
    assert shown["reason"].str.len().gt(10).all()


def test_rows_of_every_map_sum_to_1(both):
    for row, found in zip(both.itertuples(), annotated_maps.attention_maps(both), strict=True):
        assert row.map.dtype == np.float16
        assert found.weights.shape == (row.n_tokens, row.n_tokens)
        assert found.n_tokens == row.n_tokens <= 64
        assert found.weights.min() >= 0
        assert found.weights.sum(-1) == pytest.approx(1, abs=1e-2)


def test_arrays_hold_a_query_after_the_other(table):
    found = annotated_maps.attention_maps(table.iloc[[5, 2]])
    for one, (_, row) in zip(found, table.iloc[[5, 2]].iterrows(), strict=True):
        third = row["map"][2 * row["n_tokens"] : 3 * row["n_tokens"]]
        assert one.weights[2].tolist() == third.astype(np.float32).tolist()
        assert one.sep_positions == tuple(row["sep_positions"])


def test_separators_end_the_input_and_its_first_sentence(both):
    for row in both.itertuples():
        places = list(row.sep_positions)
        assert len(places) == (2 if TASKS[row.task].is_pair else 1)
        assert places[-1] == row.n_tokens - 1
        assert places == sorted(places)
        assert places[0] >= 1


def test_the_first_sitting_has_every_head_of_every_task_once(drawn):
    first = drawn[(drawn["sitting"] == 1) & (drawn["checkpoint"] == "fine-tuned")]
    everything = {(task, layer, head) for task in TASKS for layer in range(N_LAYERS) for head in range(N_HEADS)}
    assert Counter(first[["task", "layer", "head"]].itertuples(index=False, name=None)) == Counter(everything)
    before = drawn[drawn["checkpoint"] == "pre-trained"].groupby(["layer", "head"]).size()
    assert (len(before), set(before)) == (N_LAYERS * N_HEADS, {2})


def test_the_main_draw_takes_all_heads_alike(drawn):
    main = drawn[drawn["draw"] == "main"].groupby(["layer", "head"]).size()
    assert len(main) == N_LAYERS * N_HEADS
    assert main.nunique() == 1


def test_labels_are_patterns_and_the_agreed_one_is_the_common_one(table):
    for column in (*ANNOTATORS, "pattern"):
        annotated_maps.check_labels(table[column])
    same = table["first"] == table["second"]
    assert (table["pattern"] == table["first"])[same].all()
    assert table["pattern"].value_counts().reindex(PATTERNS).ge(20).all()


def test_an_unknown_label_is_refused_and_named():
    annotated_maps.check_labels(PATTERNS)
    with pytest.raises(InputError, match=r"'vertical' is unknown; accepted are Vertical, Diagonal, "):
        annotated_maps.check_labels(["Block", "vertical"])


def test_files_are_small():
    paths = (annotated_maps.MAPS, annotated_maps.EXAMPLES, annotated_maps.LABELS, annotated_maps.DECISIONS)
    assert sum(path.stat().st_size for path in paths) <= 3_000_000


def test_maps_hold_numbers_and_names_but_no_text():
    annotated, guideline = pd.read_parquet(annotated_maps.MAPS), pd.read_parquet(annotated_maps.EXAMPLES)
    assert list(annotated.columns) == ["id", "sitting", "draw", *WHERE_FROM]
    assert list(guideline.columns) == ["id", *WHERE_FROM]
    assert list(pd.read_csv(annotated_maps.LABELS).columns) == ["id", *ANNOTATORS, "pattern"]
    names = {*TASKS, "fine-tuned", "pre-trained", "main", "supplement"}
    for table in (annotated, guideline):
        for column in set(table.columns) - {"map", "sep_positions"}:
            values = table[column]
            assert pd.api.types.is_integer_dtype(values) or set(values) <= names, column
        for column in ("map", "sep_positions"):
            assert {values.dtype.kind for values in table[column]} <= {"f", "i"}, column


@pytest.mark.parametrize("path", sorted(annotated_maps.DIRECTORY.glob("*.[cp][sa][vr]*")), ids=lambda path: path.name)
def test_the_data_card_names_every_file_and_column(path):
    table = (pd.read_csv if path.suffix == ".csv" else pd.read_parquet)(path)
    named = set(re.findall(r"`([^`\n]+)`", README))
    assert path.name in named
    assert set(table.columns) - set(PATTERNS) <= named


def test_the_lines_of_the_data_card_load_the_maps(table, monkeypatch):
    lines = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert len(list(filter(None, lines.splitlines()))) == 3
    monkeypatch.chdir(annotated_maps.DIRECTORY)
    found = {}
    exec(lines, found)
    assert len(found["maps"]) == len(table)
    assert found["first"].tolist() == annotated_maps.attention_maps(table)[0].weights.tolist()


@pytest.mark.glue
def test_maps_have_the_tokens_of_their_inputs(both, glue):
    tokenizer = checkpoints.load("minilm").tokenizer
    for task, rows in both.groupby("task"):
        examples = Setup(corpus=glue, tasks=[task]).split(task, "dev").examples
        encoded = attention.encode(tokenizer, [examples[row] for row in rows["example"]])
        for row, one in zip(rows.itertuples(), encoded, strict=True):
            assert row.n_tokens == len(one)
            places = [place for place, token in enumerate(one.input_ids) if token == tokenizer.sep_token_id]
            assert list(row.sep_positions) == places
