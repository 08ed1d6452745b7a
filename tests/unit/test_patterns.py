"""Patterns of all maps while a model runs: the reducer against classifying map by map, the table, typical maps."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from darksecrets.corpora.annotated_maps import PATTERNS, AttentionMap
from darksecrets.corpora.glue import Example
from darksecrets.models import attention, checkpoints, finetuning, pattern_classifier
from darksecrets.models.setup import Setup
from darksecrets.sections import patterns
from darksecrets.sections.patterns import PatternsOfMaps
from tests.conftest import write_task
from tests.pattern_maps import normalized_classifier

EXAMPLES = [Example(str(n), "word " * (1 + 5 * n % 17), "other " * (4 + n % 3), 0) for n in range(20)]
N_LAYERS, N_HEADS = 3, 4  # the tiny encoder's
TABLE = ["task", "checkpoint", "seed", "example", "layer", "head"]


@pytest.fixture(scope="module")
def checkpoint(tiny_bert):
    return checkpoints.load(tiny_bert)


@pytest.fixture(scope="module")
def classifier():
    return normalized_classifier().plain()


def passed(checkpoint, classifier, pad_to=0, examples=EXAMPLES):
    """What the reducer finds in an attention pass."""
    tokenizer = checkpoint.tokenizer
    reducer = PatternsOfMaps(classifier, tokenizer.sep_token_id)
    encoded = attention.encode(tokenizer, examples)
    attention.attention_pass(checkpoint.encoder(), tokenizer, encoded, [reducer], pad_to)
    return reducer.table()


def one_by_one(checkpoint, classifier, examples):
    """The same, map by map: no batch, no padding."""
    rows, model = [], checkpoint.encoder()
    for example in examples:
        tokens, maps = attention.maps_of(model, checkpoint.tokenizer, example.first, example.second)
        seps = tuple(place for place, token in enumerate(tokens) if token == "[SEP]")
        for layer, head in np.ndindex(N_LAYERS, N_HEADS):
            (chances,) = pattern_classifier.probabilities(classifier, [AttentionMap(maps[layer, head], seps)])
            rows.append((PATTERNS[chances.argmax()], chances.max()))
    return pd.DataFrame(rows, columns=["pattern", "confidence"])


class TestReducer:
    def test_one_row_per_example_layer_and_head_in_order(self, checkpoint, classifier):
        table = passed(checkpoint, classifier)
        expected = list(np.ndindex(len(EXAMPLES), N_LAYERS, N_HEADS))
        assert list(table[["example", "layer", "head"]].itertuples(index=False, name=None)) == expected
        assert table["confidence"].between(1 / len(PATTERNS), 1).all()
        assert list(table["pattern"].cat.categories) == list(PATTERNS)
        assert table["pattern"].nunique() >= 3

    @pytest.mark.parametrize("at_once", [1, 100, 10_000])
    def test_it_finds_what_map_by_map_is_found(self, checkpoint, classifier, monkeypatch, at_once):
        monkeypatch.setattr(patterns, "MAPS_AT_ONCE", at_once)
        table = passed(checkpoint, classifier)
        expected = one_by_one(checkpoint, classifier, EXAMPLES)
        assert table["pattern"].tolist() == expected["pattern"].tolist()
        assert table["confidence"].to_numpy() == pytest.approx(expected["confidence"].to_numpy(), abs=1e-4)

    @pytest.mark.parametrize("pad_to", [40, 128])
    def test_the_pattern_is_the_same_with_padding(self, checkpoint, classifier, pad_to):
        bare, padded = (passed(checkpoint, classifier, width) for width in (0, pad_to))
        assert bare["pattern"].tolist() == padded["pattern"].tolist()
        assert bare["confidence"].to_numpy() == pytest.approx(padded["confidence"].to_numpy(), abs=1e-4)

    def test_what_stands_in_the_padding_changes_nothing_at_all(self, checkpoint, classifier):
        tokenizer = checkpoint.tokenizer
        encoded = attention.encode(tokenizer, EXAMPLES[:6])
        narrow = attention.collate(encoded, tokenizer, max(map(len, encoded)))
        wide = attention.collate(encoded, tokenizer, 60)
        maps = attention.read_maps(checkpoint.encoder(), narrow)
        length = maps.shape[-1]
        tables = []
        for batch, filled in ((narrow, maps), (wide, torch.rand(*maps.shape[:3], 60, 60))):
            if batch is wide:
                for place, example in enumerate(encoded):
                    n = len(example)
                    filled[place, :, :, :n, :n] = maps[place, :, :, :n, :n]
            reducer = PatternsOfMaps(classifier, tokenizer.sep_token_id)
            reducer(filled, batch)
            tables.append(reducer.table())
        assert length < 60
        pd.testing.assert_frame_equal(*tables, check_exact=True)

    def test_it_keeps_no_maps(self, checkpoint, classifier):
        tokenizer = checkpoint.tokenizer
        reducer = PatternsOfMaps(classifier, tokenizer.sep_token_id)
        n_rounds, n_examples, length = 8, 16, 120
        texts = [Example(str(n), "word " * (length - 2), None, 0) for n in range(n_examples)]
        batch = attention.collate(attention.encode(tokenizer, texts), tokenizer, length)
        for _ in range(n_rounds):
            maps = torch.rand(n_examples, N_LAYERS, N_HEADS, length, length).softmax(-1)
            memory = StorageWeakRef(maps.untyped_storage())
            reducer(maps, batch)
            del maps
            assert memory.expired()
            assert sum(map(len, reducer.waiting)) < patterns.MAPS_AT_ONCE
        n_maps = n_rounds * n_examples * N_LAYERS * N_HEADS
        assert sum(map(len, [*reducer.answers, *reducer.waiting])) == n_maps > patterns.MAPS_AT_ONCE

    def test_empty_sentences_and_separators_in_a_text_are_classified(self, checkpoint, classifier):
        texts = [("one [SEP] two", "three"), ("", ""), ("[SEP]", "x"), ("", "words alone")]
        examples = [Example(str(n), *pair, 0) for n, pair in enumerate(texts)]
        table = passed(checkpoint, classifier, examples=examples)
        assert len(table) == len(examples) * N_LAYERS * N_HEADS
        assert table["confidence"].notna().all()


@pytest.fixture(scope="module")
def options(tiny_bert, tmp_path_factory):
    """Parameters of a setup on a small GLUE, with a store that the module's tests share."""
    root = tmp_path_factory.mktemp("patterns")
    for task in ("RTE", "SST-2"):
        write_task(root / "glue", task, n_rows=60)
    return {
        "checkpoint": tiny_bert,
        "corpus": str(root / "glue"),
        "tasks": ["SST-2", "RTE"],
        "seeds": [1, 2],
        "max_train": 64,
        "max_examples": 25,
        "epochs": 1,
        "learning_rate": 3e-3,
        "store": root / "store",
    }


@pytest.fixture(scope="module")
def setup(options):
    return Setup(**options)


@pytest.fixture(scope="module")
def table(setup):
    return patterns.classified(setup)


class TestClassified:
    def test_one_row_per_map_before_fine_tuning_once_and_after_it_for_every_seed(self, setup, table):
        assert set(table.columns) == {*TABLE, "pattern", "confidence"}
        assert not table.duplicated(TABLE).any()
        sizes = table.groupby(["task", "checkpoint", "seed"], observed=True).size()
        cases = {(task, "pre-trained", 1) for task in setup.tasks}
        cases |= {(task, "fine-tuned", seed) for task in setup.tasks for seed in (1, 2)}
        assert set(sizes.index) == cases
        assert set(sizes) == {25 * N_LAYERS * N_HEADS}
        assert list(table["pattern"].cat.categories) == list(PATTERNS)

    def test_examples_are_the_setups_by_their_id(self, setup, table):
        for task, rows in table.groupby("task", observed=True):
            chosen = [one.id for one in setup.split(task, "dev", 25).examples]
            assert chosen != [str(row) for row in range(25)]
            assert rows["example"].drop_duplicates().tolist() == chosen

    @pytest.mark.parametrize(("name", "seed"), [("pre-trained", 1), ("fine-tuned", 2)])
    def test_patterns_are_those_of_the_models_maps(self, setup, table, name, seed):
        model = setup.load().encoder() if name == "pre-trained" else setup.finetuned("RTE", seed)
        rows = table[(table["task"] == "RTE") & (table["checkpoint"] == name) & (table["seed"] == seed)]
        example = setup.split("RTE", "dev", 25).examples[7]
        tokens, maps = attention.maps_of(model, setup.load().tokenizer, example.first, example.second)
        seps = tuple(place for place, token in enumerate(tokens) if token == "[SEP]")
        each = [AttentionMap(one, seps) for one in maps.reshape(-1, len(tokens), len(tokens))]
        chances = pattern_classifier.probabilities(pattern_classifier.load(), each)
        found = rows[rows["example"] == example.id]
        assert found["pattern"].tolist() == [PATTERNS[code] for code in chances.argmax(-1)]
        assert found["confidence"].to_numpy() == pytest.approx(chances.max(-1), abs=1e-4)

    def test_fine_tuning_and_seeds_make_a_difference(self, table):
        rte = table[table["task"] == "RTE"].groupby(["checkpoint", "seed"], observed=True)["confidence"]
        (before, after, other) = (values.round(4).tolist() for _, values in sorted(rte))
        assert before != after != other != before

    def test_a_second_call_computes_nothing(self, options, table, monkeypatch):
        def impossible(*_, **__):
            raise AssertionError("the store has it already")

        monkeypatch.setattr(attention, "attention_pass", impossible)
        monkeypatch.setattr(finetuning, "finetune", impossible)
        pd.testing.assert_frame_equal(patterns.classified(Setup(**options)), table)
        one_seed = patterns.classified(Setup(**options | {"seeds": [1]}))
        assert len(one_seed) == 4 * 25 * N_LAYERS * N_HEADS
        with pytest.raises(AssertionError, match="already"):  # other examples are not there
            patterns.classified(Setup(**options | {"max_examples": 24}))


def labelled_at_random(setup, table):
    """The table with other patterns and confidences, so that all five occur and the surest is no accident."""
    random = np.random.default_rng(0)
    codes = random.integers(len(PATTERNS), size=len(table))
    return table.assign(pattern=pd.Categorical.from_codes(codes, PATTERNS), confidence=random.random(len(table)))


class TestTypical:
    MAX_TOKENS = 20

    def lengths(self, setup):
        tokenizer = setup.load().tokenizer
        return {
            (task, one.id): len(tokenizer(one.first, one.second)["input_ids"])
            for task in setup.tasks
            for one in setup.split(task, "dev", 25).examples
        }

    def test_for_each_pattern_the_surest_map_of_a_short_input_after_fine_tuning(self, setup, table):
        table, lengths = labelled_at_random(setup, table), self.lengths(setup)
        short = [lengths[key] <= self.MAX_TOKENS for key in zip(table["task"], table["example"], strict=True)]
        assert 0 < sum(short) < len(table)
        found = patterns.typical(setup, table, self.MAX_TOKENS)
        assert sorted(one.pattern for one in found) == sorted(PATTERNS)
        for one in found:
            rows = table[np.array(short) & (table["checkpoint"] == "fine-tuned") & (table["pattern"] == one.pattern)]
            best = rows.loc[rows["confidence"].idxmax()]
            assert one.origin == f"{best['task']}, layer {best['layer'] + 1}, head {best['head'] + 1}"
            assert 3 <= len(one.tokens) <= self.MAX_TOKENS
            assert one.weights.shape == (len(one.tokens),) * 2
            assert one.weights.sum(-1) == pytest.approx(1, abs=1e-5)

    def test_the_map_is_the_one_that_was_classified(self, setup, table):
        surest = table[table["checkpoint"] == "fine-tuned"].groupby("pattern", observed=True)["confidence"].max()
        for one in patterns.typical(setup, table):  # all inputs are short enough
            seps = tuple(place for place, token in enumerate(one.tokens) if token == "[SEP]")
            shown = AttentionMap(one.weights, seps)
            (chances,) = pattern_classifier.probabilities(pattern_classifier.load(), [shown])
            assert PATTERNS[chances.argmax()] == one.pattern
            assert chances.max() == pytest.approx(surest[one.pattern], abs=1e-4)

    def test_only_patterns_that_occur_are_there(self, setup, table):
        table = labelled_at_random(setup, table)
        for kept in (["Block", "Vertical"], ["Diagonal"], []):
            some = table[table["pattern"].isin(kept)]
            assert sorted(one.pattern for one in patterns.typical(setup, some, self.MAX_TOKENS)) == sorted(kept)

    def test_without_a_short_input_there_is_none(self, setup, table):
        assert patterns.typical(setup, table, max_tokens=3) == []
