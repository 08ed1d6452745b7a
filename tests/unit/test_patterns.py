"""Section 4.1: patterns map by map, shares against truths they were made from, heads against loops, claims, charts."""

import itertools
import re
import time

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import optimize
from torch.multiprocessing.reductions import StorageWeakRef

from darksecrets import reported
from darksecrets.corpora import glue
from darksecrets.corpora.annotated_maps import PATTERNS, AttentionMap
from darksecrets.corpora.glue import Example
from darksecrets.errors import InputError
from darksecrets.estimates import format_estimate
from darksecrets.figures import charts
from darksecrets.models import attention, checkpoints, finetuning, pattern_classifier
from darksecrets.models.setup import Setup
from darksecrets.runs import Run
from darksecrets.sections import map_labels, patterns
from darksecrets.sections.patterns import (
    BETWEEN,
    COMMON,
    COMMON_NAMED,
    FEWEST,
    INTERVAL,
    KEY,
    MOST,
    PatternsOfMaps,
    PatternTables,
    corrected,
)
from darksecrets.statistics import interval_of_mean, over_seeds
from tests.conftest import write_task
from tests.pattern_maps import normalized_classifier
from tests.pattern_tables import AFTER, BEFORE, classified_of, labels_of, predictions_of
from tests.unit.test_charts import PHONE, parts, svg_of

EXAMPLES = [Example(str(n), "word " * (1 + 5 * n % 17), "other " * (4 + n % 3), 0) for n in range(20)]
N_LAYERS, N_HEADS = 3, 4  # the tiny encoder's
EVEN = [0.2] * 5


def rows_of(table, **values):
    for name, value in values.items():
        table = table[table[name] == value]
    return table


@pytest.fixture(scope="module")
def checkpoint(tiny_bert):
    return checkpoints.load(tiny_bert)


@pytest.fixture(scope="module")
def classifier():
    return normalized_classifier().plain()


class TestReducer:
    def passed(self, checkpoint, classifier, pad_to=0, examples=EXAMPLES):
        """What the reducer gives in an attention pass."""
        reducer = PatternsOfMaps(classifier, checkpoint.tokenizer.sep_token_id)
        encoded = attention.encode(checkpoint.tokenizer, examples)
        attention.attention_pass(checkpoint.encoder(), checkpoint.tokenizer, encoded, [reducer], pad_to)
        return reducer.table()

    @pytest.mark.parametrize(("at_once", "pad_to"), [(1, 0), (100, 0), (10_000, 0), (100, 40), (100, 128)])
    def test_it_sees_what_is_seen_map_by_map_whatever_the_padding(
        self, checkpoint, classifier, monkeypatch, at_once, pad_to
    ):
        monkeypatch.setattr(patterns, "MAPS_AT_ONCE", at_once)
        table, model, expected = self.passed(checkpoint, classifier, pad_to), checkpoint.encoder(), []
        for example in EXAMPLES:
            tokens, maps = attention.maps_of(model, checkpoint.tokenizer, example.first, example.second)
            seps = tuple(index for index, token in enumerate(tokens) if token == "[SEP]")
            each = [AttentionMap(one, seps) for one in maps.reshape(-1, len(tokens), len(tokens))]
            expected.append(pattern_classifier.probabilities(classifier, each))
        expected = np.concatenate(expected)
        keys = list(np.ndindex(len(EXAMPLES), N_LAYERS, N_HEADS))
        assert list(table[["example", "layer", "head"]].itertuples(index=False, name=None)) == keys
        assert table["pattern"].cat.codes.tolist() == expected.argmax(1).tolist()
        assert list(table["pattern"].cat.categories) == list(PATTERNS)
        assert table["pattern"].nunique() >= 3
        assert table["confidence"].to_numpy() == pytest.approx(expected.max(1), abs=1e-4)

    def test_what_stands_in_the_padding_changes_nothing_at_all(self, checkpoint, classifier):
        tokenizer, tables = checkpoint.tokenizer, []
        encoded = attention.encode(tokenizer, EXAMPLES[:6])
        narrow, wide = (attention.collate(encoded, tokenizer, width) for width in (max(map(len, encoded)), 60))
        maps = attention.read_maps(checkpoint.encoder(), narrow)
        filled = torch.rand(*maps.shape[:3], 60, 60)
        for row, example in enumerate(encoded):
            n = len(example)
            filled[row, :, :, :n, :n] = maps[row, :, :, :n, :n]
        for batch, these in ((narrow, maps), (wide, filled)):
            reducer = PatternsOfMaps(classifier, tokenizer.sep_token_id)
            reducer(these, batch)
            tables.append(reducer.table())
        pd.testing.assert_frame_equal(*tables, check_exact=True)

    def test_it_keeps_no_maps(self, checkpoint, classifier):
        tokenizer, n_rounds, n_examples, length = checkpoint.tokenizer, 8, 16, 120
        reducer = PatternsOfMaps(classifier, tokenizer.sep_token_id)
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
        table = self.passed(checkpoint, classifier, examples=examples)
        assert len(table) == len(examples) * N_LAYERS * N_HEADS
        assert table["confidence"].notna().all()


@pytest.fixture(scope="module")
def options(tiny_bert, tmp_path_factory):
    """Parameters of a setup on a small GLUE, with a store that the tests share."""
    root = tmp_path_factory.mktemp("patterns")
    for task in ("RTE", "SST-2"):
        write_task(root / "glue", task, n_rows=60)
    of_run = {"checkpoint": tiny_bert, "corpus": str(root / "glue"), "tasks": ["SST-2", "RTE"], "seeds": [1, 2]}
    sizes = {"max_train": 64, "max_examples": 25, "epochs": 1, "learning_rate": 3e-3}
    return of_run | sizes | {"store": root / "store"}


@pytest.fixture(scope="module")
def setup(options):
    return Setup(**options)


@pytest.fixture(scope="module")
def of_models(setup):
    return patterns.classified(setup)


class TestClassified:
    MAX_TOKENS = 20

    @pytest.fixture
    def at_random(self, of_models):
        """The table with other patterns and confidences, so that all five occur and the surest is no accident."""
        random = np.random.default_rng(0)
        codes = random.integers(len(PATTERNS), size=len(of_models))
        return of_models.assign(
            pattern=pd.Categorical.from_codes(codes, PATTERNS), confidence=random.random(len(of_models))
        )

    def test_one_row_per_map_before_fine_tuning_once_and_after_it_for_every_seed(self, setup, of_models):
        key = ["task", "checkpoint", "seed", "example", "layer", "head"]
        assert set(of_models.columns) == {*key, "pattern", "confidence"}
        assert not of_models.duplicated(key).any()
        sizes = of_models.groupby(key[:3], observed=True).size()
        cases = [(BEFORE, 1), (AFTER, 1), (AFTER, 2)]
        assert set(sizes.index) == {(task, *case) for task in setup.tasks for case in cases}
        assert set(sizes) == {25 * N_LAYERS * N_HEADS}
        for task, rows in of_models.groupby("task", observed=True):
            chosen = [one.id for one in setup.split(task, "dev", 25).examples]
            assert chosen != [str(row) for row in range(25)]
            assert rows["example"].drop_duplicates().tolist() == chosen

    @pytest.mark.parametrize(("name", "seed"), [(BEFORE, 1), (AFTER, 1), (AFTER, 2)])
    def test_patterns_are_those_of_the_models_maps(self, setup, of_models, name, seed):
        model = setup.load().encoder() if name == BEFORE else setup.finetuned("RTE", seed)
        example = setup.split("RTE", "dev", 25).examples[7]
        tokens, maps = attention.maps_of(model, setup.load().tokenizer, example.first, example.second)
        seps = tuple(index for index, token in enumerate(tokens) if token == "[SEP]")
        each = [AttentionMap(one, seps) for one in maps.reshape(-1, len(tokens), len(tokens))]
        chances = pattern_classifier.probabilities(pattern_classifier.load(), each)
        rows = rows_of(of_models, task="RTE", checkpoint=name, seed=seed, example=example.id)
        assert rows["pattern"].tolist() == [PATTERNS[code] for code in chances.argmax(-1)]
        assert rows["confidence"].to_numpy() == pytest.approx(chances.max(-1), abs=1e-4)

    def test_a_second_call_computes_nothing(self, options, of_models, monkeypatch):
        def impossible(*_, **__):
            raise AssertionError("the store has it already")

        monkeypatch.setattr(attention, "attention_pass", impossible)
        monkeypatch.setattr(finetuning, "finetune", impossible)
        pd.testing.assert_frame_equal(patterns.classified(Setup(**options)), of_models)
        assert len(patterns.classified(Setup(**options | {"seeds": [1]}))) == 4 * 25 * N_LAYERS * N_HEADS
        with pytest.raises(AssertionError, match="already"):  # other examples are not there
            patterns.classified(Setup(**options | {"max_examples": 24}))

    def test_typical_is_the_surest_map_of_a_short_input_after_fine_tuning(self, setup, at_random):
        lengths = {
            (task, one.id): len(setup.load().tokenizer(one.first, one.second)["input_ids"])
            for task in setup.tasks
            for one in setup.split(task, "dev", 25).examples
        }
        keys = zip(at_random["task"], at_random["example"], strict=True)
        short = np.array([lengths[key] <= self.MAX_TOKENS for key in keys])
        assert 0 < short.sum() < len(short)
        typical = patterns.typical(setup, at_random, self.MAX_TOKENS)
        assert sorted(one.pattern for one in typical) == sorted(PATTERNS)
        for one in typical:
            rows = rows_of(at_random[short], checkpoint=AFTER, pattern=one.pattern)
            best = rows.loc[rows["confidence"].idxmax()]
            assert one.origin == f"{best['task']}, layer {best['layer'] + 1}, head {best['head'] + 1}"
            assert 3 <= len(one.tokens) <= self.MAX_TOKENS
            assert one.weights.shape == (len(one.tokens),) * 2
            assert one.weights.sum(-1) == pytest.approx(1, abs=1e-5)

    def test_typical_maps_are_those_that_were_classified(self, setup, of_models):
        surest = of_models[of_models["checkpoint"] == AFTER].groupby("pattern", observed=True)["confidence"].max()
        for one in patterns.typical(setup, of_models):  # all inputs are short enough
            seps = tuple(index for index, token in enumerate(one.tokens) if token == "[SEP]")
            maps = [AttentionMap(one.weights, seps)]
            (chances,) = pattern_classifier.probabilities(pattern_classifier.load(), maps)
            assert PATTERNS[chances.argmax()] == one.pattern
            assert chances.max() == pytest.approx(surest[one.pattern], abs=1e-4)

    def test_only_patterns_of_short_inputs_that_occur_are_typical(self, setup, at_random):
        for kept in (["Block", "Vertical"], []):
            some = at_random[at_random["pattern"].isin(kept)]
            assert sorted(one.pattern for one in patterns.typical(setup, some, self.MAX_TOKENS)) == sorted(kept)
        assert patterns.typical(setup, at_random, max_tokens=3) == []


def simplex(*shape):
    """Strategy for arrays of shares: positive, with the last axis summing to one."""
    numbers = arrays.arrays(float, (*shape, 5), elements=st.floats(0.01, 1))
    return numbers.map(lambda array: array / array.sum(-1, keepdims=True))


class TestCorrected:
    @settings(deadline=None)
    @given(simplex(3), simplex(5))
    def test_the_truth_is_recovered(self, truth, mistakes):
        matrix = 0.6 * np.eye(5) + 0.4 * mistakes
        np.testing.assert_allclose(corrected(truth @ matrix, matrix), truth, atol=1e-5)
        np.testing.assert_allclose(corrected(truth, np.eye(5)), truth, atol=1e-9)

    @settings(max_examples=30, deadline=None)
    @given(simplex(), simplex(5))
    def test_nothing_is_likelier(self, observed, mistakes):
        # Observed shares need not be reachable from any truth: the likeliest one then lies on the simplex's edge.
        matrix = 0.6 * np.eye(5) + 0.4 * mistakes
        estimate = corrected(observed, matrix)
        assert (estimate >= 0).all()
        assert estimate.sum() == pytest.approx(1)

        def surprise(shares):
            return -(observed * np.log(np.maximum(shares @ matrix, 1e-12))).sum()

        to_one = {"type": "eq", "fun": lambda shares: shares.sum() - 1}
        options = {"bounds": [(0, 1)] * 5, "constraints": to_one, "method": "SLSQP", "options": {"ftol": 1e-12}}
        assert surprise(estimate) <= optimize.minimize(surprise, EVEN, **options).fun + 1e-7

    @settings(deadline=None)
    @given(simplex(2, 3), simplex(3, 5))
    def test_leading_axes_are_independent_problems(self, observed, mistakes):
        matrices = 0.6 * np.eye(5) + 0.4 * mistakes
        estimate = corrected(observed, matrices)
        assert estimate.shape == observed.shape
        for one in np.ndindex(2, 3):
            np.testing.assert_allclose(estimate[one], corrected(observed[one], matrices[one[1]]), atol=1e-7)

    def test_two_patterns_by_hand(self):
        # 80 % of 0.3 and 10 % of 0.7 are taken for the first: 0.31.
        assert corrected(np.array([0.31, 0.69]), np.array([[0.8, 0.2], [0.1, 0.9]])) == pytest.approx([0.3, 0.7])

    def test_an_impossible_observation_is_refused(self):
        matrix = np.eye(5)
        matrix[0] = matrix[1]
        with pytest.raises(ValueError, match="never predicts"):
            corrected(np.array(EVEN), matrix)
        assert corrected(np.array([0, 0.4, 0.2, 0.2, 0.2]), matrix).sum() == pytest.approx(1)


LABELS = labels_of()
RIGHT = {"network": 0.8, "baseline": 0.6}
PREDICTIONS = predictions_of(LABELS, RIGHT)
PERFECT = predictions_of(LABELS, {"network": 1.0})
CLASSIFIED = classified_of(
    {
        ("RTE", BEFORE): [0.5, 0.1, 0.1, 0.1, 0.2],
        ("RTE", AFTER): [0.2, 0.1, 0.1, 0.1, 0.5],
        ("MRPC", BEFORE): EVEN,
        ("MRPC", AFTER): EVEN,
    },
    seeds=(3, 4),
)


def shares_of(classified, predictions=PREDICTIONS, labels=LABELS):
    return patterns.shares(patterns.estimates(classified, predictions, labels))


@pytest.fixture(scope="module")
def table():
    return shares_of(CLASSIFIED)


class TestShares:
    def test_observed_and_corrected_are_the_plain_ones(self, table):
        assert table.columns.tolist() == [*KEY, "pattern", "observed", *INTERVAL, "sampling_low", "sampling_high"]
        assert table["pattern"].tolist() == list(PATTERNS) * 6
        assert table["task"].unique().tolist() == ["RTE", "MRPC"]
        matrix = map_labels.confusion(PREDICTIONS, LABELS).to_numpy()
        for key, group in table.groupby(KEY, sort=False):
            seen = rows_of(CLASSIFIED, **dict(zip(KEY, key, strict=True)))["pattern"]
            observed = [np.mean(seen == pattern) for pattern in PATTERNS]
            assert group["observed"].tolist() == pytest.approx(observed)
            assert group["mean"].tolist() == pytest.approx(corrected(np.array(observed), matrix).tolist())

    def test_confusion_widens_the_interval(self, table):
        assert (table["low"] <= table["mean"]).all() & (table["mean"] <= table["high"]).all()
        whole, sampling = table["high"] - table["low"], table["sampling_high"] - table["sampling_low"]
        assert (whole > sampling).mean() > 0.9
        assert whole.mean() > 1.3 * sampling.mean()
        assert patterns.widening(table) == pytest.approx(whole.sum() / sampling.sum())
        assert patterns.widening(table.assign(low=0, high=1e-9, sampling_low=0, sampling_high=1e-11)) == 1
        pd.testing.assert_frame_equal(table, shares_of(CLASSIFIED))

    def test_a_perfect_classifier_leaves_sampling_alone(self):
        table = shares_of(CLASSIFIED, PERFECT)
        np.testing.assert_allclose(table["mean"], table["observed"], atol=1e-7)
        np.testing.assert_allclose(table[["low", "high"]], table[["sampling_low", "sampling_high"]], atol=1e-7)
        # Drawing examples is what a t-interval over examples does too, of the mean over a head's maps.
        rte = rows_of(CLASSIFIED, task="RTE", checkpoint=BEFORE)
        per_example = (rte["pattern"] == "Vertical").groupby(rte["example"]).mean()
        row = rows_of(table, task="RTE", checkpoint=BEFORE, pattern="Vertical").iloc[0]
        assert row[INTERVAL].tolist() == pytest.approx(list(map(float, interval_of_mean(per_example))), abs=0.02)

    def test_covers_true_shares_as_often_as_promised(self):
        # True patterns, mistaken as the annotated maps are: what is observed alone is far from them.
        truth, n_runs, covered, naive = np.array([0.5, 0.05, 0.25, 0.05, 0.15]), 30, 0, 0
        for seed in range(n_runs):
            labels = labels_of(n_layers=6, n_heads=6, per_head=10, seed=seed)
            predictions = predictions_of(labels, {"network": 0.75}, repeats=1, seed=seed)
            observed = {("RTE", AFTER): truth @ (0.75 * np.eye(5) + 0.05)}
            table = shares_of(classified_of(observed, n_examples=60, seed=seed), predictions, labels)
            covered += ((table["low"] <= truth) & (truth <= table["high"])).sum()
            naive += ((table["sampling_low"] <= truth) & (truth <= table["sampling_high"])).sum()
        assert 0.9 < covered / (5 * n_runs) <= 1
        assert naive / (5 * n_runs) < 0.85

    def test_resamples_of_confusion_come_from_drawn_heads(self):
        whole, drawn = patterns.confusions(PREDICTIONS, LABELS)
        np.testing.assert_allclose(whole, map_labels.confusion(PREDICTIONS, LABELS))
        assert drawn.shape == (1000, 5, 5)
        np.testing.assert_allclose(drawn.sum(-1), 1)
        np.testing.assert_allclose(drawn.mean(0), whole, atol=0.01)
        assert (drawn.std(0) > 0).any(-1).all()

    def test_a_pattern_missing_in_a_resample_or_altogether_is_no_gap(self):
        elsewhere = (LABELS["pattern"] == "Block") & ((LABELS["layer"] > 0) | (LABELS["head"] > 0))
        for rows in (elsewhere, LABELS["pattern"] == "Block"):
            labels = LABELS.assign(pattern=LABELS["pattern"].where(~rows, "Vertical"))
            for matrix in patterns.confusions(predictions_of(labels, RIGHT), labels):
                np.testing.assert_allclose(matrix.sum(-1), 1)

    def test_seeds_of_a_task_share_their_resamples(self):
        copies = pd.concat([CLASSIFIED, CLASSIFIED.query("seed == 4").assign(seed=5)])
        draws = {(one.task, one.seed): one.draws for one in patterns.estimates(copies, PREDICTIONS, LABELS)}
        np.testing.assert_array_equal(draws["RTE", 4], draws["RTE", 5])
        assert (draws["RTE", 4] != draws["MRPC", 4]).any()

    def test_one_example_has_no_interval(self):
        table = shares_of(classified_of({("RTE", AFTER): EVEN}, n_examples=1))
        assert table[["low", "high", "sampling_low", "sampling_high"]].isna().all(axis=None)
        assert table["mean"].notna().all()

    def test_a_million_maps_take_seconds(self):
        part = classified_of({("RTE", AFTER): EVEN}, n_examples=1000, n_layers=6, n_heads=12)
        whole = pd.concat([part.assign(task=str(task)) for task in range(14)], ignore_index=True)
        assert len(whole) > 1_000_000
        start = time.process_time()
        shares_of(whole)
        assert time.process_time() - start < 10

    def test_annotated_shares_are_of_the_main_draw(self):
        table = patterns.annotated_shares(LABELS)
        assert table.columns.tolist() == ["checkpoint", "pattern", "n", *INTERVAL]
        assert len(table) == 10
        for row in table.itertuples():
            group = rows_of(LABELS, draw="main", checkpoint=row.checkpoint)
            assert row.n == (group["pattern"] == row.pattern).sum()
            assert row.mean == pytest.approx(row.n / len(group))
            assert row.low <= row.mean <= row.high
        changed = LABELS.assign(pattern=LABELS["pattern"].where(LABELS["draw"] == "main", "Block"))
        pd.testing.assert_frame_equal(patterns.annotated_shares(changed), table)

    def test_one_fine_tuning_keeps_its_interval_and_several_never_hide_the_classifiers_error(self):
        by, one = ["task", "pattern"], shares_of(CLASSIFIED.query("seed == 3 and checkpoint == @AFTER"))
        pd.testing.assert_frame_equal(patterns.over_fine_tunings(one, by), over_seeds(one, by))
        table = pd.DataFrame({"task": "RTE", "pattern": "Block", "seed": [0, 1, 2], "mean": [0.2, 0.3, 0.4]})
        table = table.assign(low=table["mean"] - 0.05, high=table["mean"] + 0.1)
        row = patterns.over_fine_tunings(table, by).iloc[0]
        _, low, high = interval_of_mean([0.2, 0.3, 0.4])
        expected = [0.3, 0.3 - np.hypot(0.3 - low, 0.05), 0.3 + np.hypot(high - 0.3, 0.1)]
        assert row[INTERVAL].tolist() == pytest.approx(expected)
        assert row["n_seeds"] == 3


class TestHeadsAndLayers:
    def test_heads_are_those_of_a_loop(self):
        table = patterns.by_head(CLASSIFIED.sample(frac=1, random_state=0))
        key = [*KEY, "layer", "head"]
        assert table.columns.tolist() == [*key, "main", "purity", *PATTERNS]
        assert len(table) == 6 * 3 * 4
        for row in table.to_dict("records"):
            seen = rows_of(CLASSIFIED, **{name: row[name] for name in key})["pattern"]
            often = [(seen == pattern).sum() / 20 for pattern in PATTERNS]
            assert [row[pattern] for pattern in PATTERNS] == pytest.approx(often)
            assert row["main"] == PATTERNS[often.index(max(often))]
            assert row["purity"] == pytest.approx(max(often))

    def test_layers_are_those_of_a_loop(self):
        table = patterns.by_layer(CLASSIFIED.sample(frac=1, random_state=0))
        assert table.columns.tolist() == [*KEY, "layer", "pattern", *INTERVAL]
        assert len(table) == 6 * 3 * 5
        for row in table.to_dict("records"):
            seen = rows_of(CLASSIFIED, **{name: row[name] for name in (*KEY, "layer")})
            per_example = (seen["pattern"] == row["pattern"]).groupby(seen["example"]).mean()
            assert [row[name] for name in INTERVAL] == pytest.approx(list(map(float, interval_of_mean(per_example))))

    @pytest.mark.parametrize("spoil", ["missing", "doubled", "unknown"])
    def test_incomplete_and_unknown_maps_are_refused(self, spoil):
        wrong = {
            "missing": CLASSIFIED.iloc[1:],
            "doubled": pd.concat([CLASSIFIED, CLASSIFIED.head(1)]),
            "unknown": CLASSIFIED.assign(pattern=CLASSIFIED["pattern"].where(CLASSIFIED.index > 0, "Blok")),
        }
        with pytest.raises(ValueError, match="each example needs one of the five patterns"):
            patterns.by_head(wrong[spoil])

    def test_purity_of_heads_with_one_pattern_and_with_all(self):
        heads = patterns.by_head(classified_of({("RTE", AFTER): [0, 0, 1, 0, 0], ("QQP", AFTER): EVEN}))
        table = patterns.median_purity(heads).set_index("task")[INTERVAL]
        assert table.loc["RTE"].tolist() == [1, 1, 1]
        mean, low, high = table.loc["QQP"]
        assert mean == rows_of(heads, task="QQP")["purity"].median()
        assert low <= mean <= high < 0.9

    def test_changes_and_moves_are_those_of_a_loop(self):
        heads = patterns.by_head(CLASSIFIED)
        moved, key = pd.DataFrame(0, PATTERNS, PATTERNS), ["task", "layer", "head"]
        for (task, seed), group in patterns.changed(heads).groupby(["task", "seed"]):
            differs, distances = [], []
            for after in rows_of(heads, task=task, seed=seed, checkpoint=AFTER).to_dict("records"):
                before = rows_of(heads, checkpoint=BEFORE, **{name: after[name] for name in key}).iloc[0]
                differs.append(before["main"] != after["main"])
                distances.append(sum(abs(before[pattern] - after[pattern]) for pattern in PATTERNS) / 2)
                moved.loc[before["main"], after["main"]] += 1
            means = group.set_index("quantity")["mean"].to_dict()
            expected = {patterns.CHANGED: np.mean(differs), patterns.DISTANCE: np.mean(distances)}
            assert means == pytest.approx(expected)
            assert group["mean"].between(group["low"], group["high"]).all()
        table = patterns.moves(heads)
        assert (table.index.name, table.columns.name) == ("before", "after")
        np.testing.assert_array_equal(table, moved)
        with pytest.raises(ValueError, match="no patterns from before"):
            patterns.changed(heads.query("task != 'RTE' or checkpoint == @AFTER"))

    def test_several_seeds_take_the_fewest_shared_patterns(self):
        mains = {
            (0, AFTER): ["Vertical", "Block"],
            (1, AFTER): ["Vertical", "Heterogeneous"],
            (0, BEFORE): ["Diagonal"] * 2,
        }
        rows = [("RTE", *key, layer, main) for key, both in mains.items() for layer in (0, 1) for main in both]
        heads = pd.DataFrame(rows, columns=[*KEY, "layer", "main"])
        assert patterns.shared_patterns(heads).to_dict() == {"RTE": 1}

    def test_in_words_purity_and_layers_are_of_fine_tuned_models(self):
        heads = pd.DataFrame({"checkpoint": [AFTER] * 4 + [BEFORE], "purity": [0.5, 0.8, 0.9, 1.0, 0.1]})
        assert patterns.purity(heads) == ("85 %", "50 %")
        layers = patterns.by_layer(CLASSIFIED)
        chosen = (layers["layer"] == 1) & (layers["pattern"] == "Heterogeneous")
        layers.loc[chosen, "mean"] = np.where(layers.loc[chosen, "checkpoint"] == AFTER, 0.91, 0.0)
        assert patterns.layer_finding(layers) == "Heterogeneous maps are most common in layer 2: 91 %"


def with_heterogeneous(share, vertical=0.6):
    """Shares of the five patterns: the rest is Vertical's for the most part."""
    rest = 1 - share
    return [vertical * rest, *[(1 - vertical) * rest / 3] * 3, share]


SHARES = {
    ("QQP", AFTER): with_heterogeneous(0.58),
    ("RTE", AFTER): with_heterogeneous(0.45),
    ("MRPC", AFTER): with_heterogeneous(0.36),
    ("MRPC", BEFORE): with_heterogeneous(0.8),
}


def tables_of(shares=SHARES, n_examples=200, predictions=PERFECT, **options):
    return PatternTables.of(classified_of(shares, n_examples, **options), predictions, LABELS)


def scores_of(macro, half=0.02):
    rows = [("network", metric, mean) for metric, mean in (("macro F1", macro), ("weighted F1", 0.9))]
    table = pd.DataFrame(rows, columns=["method", "metric", "mean"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def annotated_of(vertical, half=0.02):
    row = (AFTER, "Vertical", 100, vertical, vertical - half, vertical + half)
    return pd.DataFrame([row], columns=["checkpoint", "pattern", "n", *INTERVAL])


@pytest.fixture(scope="module")
def run():
    return tables_of()


class TestClaims:
    def claims(self, run, macro=0.9, vertical=0.3, reference=None):
        return patterns.claims(run, scores_of(macro), annotated_of(vertical), reference)

    def test_gaps_are_to_the_closest_rival(self, run):
        table = run.gaps.set_index(["claim", "task"])["mean"]
        tuned = rows_of(run.shares, checkpoint=AFTER).pivot(index="task", columns="pattern", values="mean")
        heterogeneous = tuned["Heterogeneous"]
        assert table[FEWEST, "MRPC"] == pytest.approx(heterogeneous["RTE"] - heterogeneous["MRPC"])
        assert table[MOST, "QQP"] == pytest.approx(heterogeneous["QQP"] - heterogeneous["RTE"])
        for task, row in tuned.iterrows():
            assert table[COMMON, task] == pytest.approx(row["Vertical"] - row.drop("Vertical").max())
            named = row.drop(["Vertical", "Heterogeneous"]).max()
            assert table[COMMON_NAMED, task] == pytest.approx(row["Vertical"] - named)

    def test_intervals_hold_the_difference_and_wrong_claims_are_negative(self):
        other = {"MRPC": "QQP", "QQP": "MRPC", "RTE": "RTE"}
        gaps = tables_of({(other[task], checkpoint): of for (task, checkpoint), of in SHARES.items()}).gaps
        assert (gaps["low"] <= gaps["mean"]).all() & (gaps["mean"] <= gaps["high"]).all()
        assert gaps.set_index("claim").loc[[FEWEST, MOST], "high"].lt(0).all()

    def test_the_classifiers_error_is_shared_by_tasks(self):
        # An error common to both tasks moves both shares: their difference is surer than two separate shares would be.
        two = {key: SHARES[key] for key in [("QQP", AFTER), ("MRPC", AFTER)]}
        run = tables_of(two, 2000, predictions_of(LABELS, {"network": 0.6}))
        widths = (run.shares["high"] - run.shares["low"])[run.shares["pattern"] == "Heterogeneous"]
        gap = run.gaps.set_index("claim").loc[MOST]
        assert gap["high"] - gap["low"] < np.hypot(*widths)

    @pytest.mark.parametrize("tasks", [["RTE", "QNLI"], ["MRPC"]])
    def test_claims_on_tasks_that_are_not_there_are_left_out(self, tasks):
        run = tables_of({(task, AFTER): with_heterogeneous(0.4) for task in tasks})
        assert set(run.gaps["claim"]) == {COMMON, COMMON_NAMED}
        assert not {FEWEST, MOST} & set(self.claims(run)["paper"])

    def test_a_range_holds_fails_or_stays_open(self):
        shares = {"RTE": 0.45, "QNLI": 0.2, "MNLI": 0.75, "SST-2": 0.61}
        run = tables_of({(task, AFTER): with_heterogeneous(share) for task, share in shares.items()}, 300)
        verdicts = patterns.by_task(run).set_index("task")["between"].to_dict()
        expected = ["holds", "does not hold", "does not hold", "cannot tell"]
        assert verdicts == dict(zip(shares, expected, strict=True))

    def test_vertical_first_among_all_or_among_named(self):
        chances = {
            ("RTE", AFTER): with_heterogeneous(0.2, vertical=0.8),
            ("QNLI", AFTER): with_heterogeneous(0.7, vertical=0.8),
            ("MNLI", AFTER): [0.1, 0.1, 0.5, 0.1, 0.2],
            ("WNLI", AFTER): [0, 0, 0, 0, 1],
        }
        classified = classified_of(chances, 300)
        turned = {"pattern": {"Vertical": "Heterogeneous", "Heterogeneous": "Vertical"}}
        even = classified.query("task == 'RTE' and example < '0150'")
        even = pd.concat([even, even.replace(turned).assign(example="turned " + even["example"])])
        classified = pd.concat([classified, even.assign(task="SST-2")])
        table = patterns.by_task(PatternTables.of(classified, PERFECT, LABELS)).set_index("task")
        assert table["common"].to_dict() == {
            "RTE": "holds",
            **dict.fromkeys(["QNLI", "MNLI", "WNLI"], "does not hold"),
            "SST-2": "cannot tell",
        }
        assert table["common_named"].tolist() == ["holds", "holds", "does not hold", "cannot tell", "holds"]

    @pytest.mark.parametrize(
        ("mains", "purity", "expected"),
        [
            (["Vertical", "Block", "Vertical", "Block"], 0.95, "holds"),
            (["Vertical", "Block", "Vertical", "Block"], 0.6, "does not hold"),  # heads change with their input
            (["Vertical", "Vertical", "Vertical", "Block"], 0.95, "does not hold"),  # Block stays in one layer
            (["Vertical", "Heterogeneous"] * 2, 0.95, "does not hold"),  # Heterogeneous is nothing to repeat
        ],
    )
    def test_a_limited_set_needs_heads_that_keep_to_shared_patterns(self, mains, purity, expected):
        """Two layers of two heads; each head shows its main pattern on `purity` of its inputs, else Diagonal."""
        rows = [
            ("RTE", 0, AFTER, f"{example:03}", *divmod(head, 2), main if example < 100 * purity else "Diagonal")
            for head, main in enumerate(mains)
            for example in range(100)
        ]
        classified = pd.DataFrame(rows, columns=[*KEY, "example", "layer", "head", "pattern"])
        row = patterns.by_task(PatternTables.of(classified, PERFECT, LABELS)).iloc[0]
        assert row["limited"] == expected
        assert row["median purity"].startswith(f"{100 * purity:.1f} [")

    def test_every_claim_once_beside_the_reference_run(self, run):
        table, alone = self.claims(run, reference=run), self.claims(run)
        assert table.columns.tolist() == ["paper", "reference run", "this run"]
        assert table["paper"].is_unique
        assert len(table) == 9
        assert table["reference run"].tolist() == table["this run"].tolist() == alone["this run"].tolist()
        assert alone["reference run"].isna().all()
        cells = table.set_index("paper")["this run"]
        assert cells[BETWEEN] == "holds: 3, does not hold: 0, cannot tell: 0"
        assert cells[FEWEST].startswith("holds (by ")
        assert cells[MOST].endswith("points)")
        ledger = patterns.judge(run)
        assert ledger[BETWEEN].evidence == "holds on 3 of 3 tasks"
        assert f"{ledger[MOST].verdict} ({ledger[MOST].evidence})" == cells[MOST]

    @pytest.mark.parametrize(("macro", "expected"), [(0.9, "holds"), (0.8, "does not hold"), (0.87, "cannot tell")])
    def test_f1_is_judged_by_its_interval(self, run, macro, expected):
        cells = self.claims(run, macro).set_index("paper")["this run"]
        text = cells["A classifier reaches F1 0.86 on annotated maps (macro F1)"]
        assert text == f"{expected} ({macro:.2f} [{macro - 0.02:.2f}, {macro + 0.02:.2f}])"
        assert cells["A classifier reaches F1 0.86 on annotated maps (weighted F1)"].startswith("holds (0.90 ")

    @pytest.mark.parametrize(
        ("vertical", "expected"),
        [(0.31, "holds"), (0.4, "does not hold"), (0.2, "does not hold"), (0.34, "cannot tell")],
    )
    def test_thirty_per_cent_is_within_five_points(self, run, vertical, expected):
        cells = self.claims(run, vertical=vertical).set_index("paper")["this run"]
        assert cells[patterns.ANNOTATED].startswith(f"{expected} ({100 * vertical:.1f} [")

    def test_several_seeds_and_the_real_tables_go_through(self):
        run = tables_of(n_examples=40, predictions=PREDICTIONS, seeds=(1, 2, 5))
        scores = map_labels.scores(PREDICTIONS, LABELS)
        table = patterns.claims(run, scores, patterns.annotated_shares(LABELS))
        assert len(table) == 9
        assert table["this run"].str.match("(holds|does not hold|cannot tell)").all()
        assert len(patterns.by_task(run)) == 3
        assert len(patterns.figure_2_table(run.shares)) == 15

    def test_sentences_carry_the_papers_numbers(self):
        low, high = sorted(reported.HETEROGENEOUS.values())
        assert f"between {100 * low:.0f} % and {100 * high:.0f} %" in BETWEEN
        assert f"Vertical is {100 * reported.VERTICAL_SHARE:.0f} %" in patterns.ANNOTATED
        assert list(reported.HETEROGENEOUS) == [FEWEST.split()[0], MOST.split()[0]]

    def test_a_run_keeps_its_tables(self, run, tmp_path):
        kept = Run(tmp_path)
        assert PatternTables.find(kept) is None
        run.save(kept, corpus="made up")
        for name, table in vars(PatternTables.find(kept)).items():
            pd.testing.assert_frame_equal(table, getattr(run, name))
        assert kept.made_from("pattern_shares") == {"corpus": "made up"}
        (tmp_path / "pattern_gaps.parquet").unlink()
        assert PatternTables.find(kept) is None


class TestFigure2Table:
    def test_one_row_a_task_and_pattern_with_the_papers_two_numbers(self, run):
        table = patterns.figure_2_table(run.shares, rows_of(run.shares, task="RTE"))
        assert table.columns.tolist() == ["task", "pattern", "paper", "reference run", "this run"]
        assert table["pattern"].tolist() == list(PATTERNS) * 3
        printed = table.dropna(subset="paper")[["task", "pattern", "paper"]].to_numpy().tolist()
        assert printed == [["QQP", "Heterogeneous", "61"], ["MRPC", "Heterogeneous", "32"]]
        tuned = rows_of(run.shares, checkpoint=AFTER)
        assert table["this run"].tolist() == [format_estimate(row) for _, row in tuned.iterrows()]
        beside = table["this run"].where(table["task"] == "RTE", None)
        assert table["reference run"].tolist() == beside.tolist()
        assert patterns.figure_2_table(run.shares)["reference run"].isna().all()

    def test_titles_and_prose_say_the_range_over_tasks(self, run):
        of_task = rows_of(run.shares, checkpoint=AFTER, pattern="Heterogeneous").set_index("task")["mean"]
        low, high = (f"{100 * of_task[task]:.0f}" for task in ("MRPC", "QQP"))
        said = f"Heterogeneous maps: {low} % (MRPC) to {high} % (QQP); the paper has 32 % (MRPC) to 61 % (QQP)"
        assert patterns.finding(run.shares) == said
        assert patterns.finding(rows_of(run.shares, task="RTE")).count("RTE") == 1
        assert patterns.heterogeneous_range(run.shares) == f"{low} to {high} %"
        before = rows_of(run.shares, checkpoint=BEFORE, pattern="Heterogeneous")["mean"].item()
        assert patterns.heterogeneous_range(run.shares, BEFORE) == f"{100 * before:.0f} %"


TASKS = ["RTE", "SST-2"]
FINDING = "Heterogeneous maps: 32 % (SST-2) to 61 % (RTE); the paper has 32 % (SST-2) to 61 % (RTE)"


def _table(key, tasks, seeds, runs=("this run",)):
    """One row per run, task, checkpoint, seed and `key`, with random shares that sum to one."""
    models = [(BEFORE, 0), *((AFTER, seed) for seed in seeds)]
    rows = itertools.product(runs, tasks, models, *key.values())
    table = pd.DataFrame([(run, task, *of, *rest) for run, task, of, *rest in rows])
    table.columns = ["run", "task", "checkpoint", "seed", *key]
    shares = np.random.default_rng(0).dirichlet([4, 1, 3, 1, 3], len(table))
    return table.join(pd.DataFrame(shares, columns=list(PATTERNS)))


def _long(*key):
    table = _table(*key)
    table = table.melt(list(table.columns.drop(list(PATTERNS))), var_name="pattern", value_name="mean")
    return table.assign(low=table["mean"] * 0.9, high=table["mean"] * 1.05)


def shares(tasks=TASKS, seeds=(0,), runs=("this run", "reference run")):
    table = _long({}, tasks, seeds, runs)
    return table.assign(observed=table["mean"] / 2 + 0.1)


def layers(tasks=TASKS, seeds=(0,)):
    return _long({"layer": range(6)}, tasks, seeds).drop(columns="run")


def heads(tasks=TASKS, seeds=(0,), n_layers=6, n_heads=12):
    table = _table({"layer": range(n_layers), "head": range(n_heads)}, tasks, seeds).drop(columns="run")
    return table.assign(main=table[list(PATTERNS)].idxmax(axis=1), purity=table[list(PATTERNS)].max(axis=1))


def cases(n_tokens=24):
    random = np.random.default_rng(0)
    tokens = ["[CLS]", *(f"something{number}" for number in range(n_tokens - 2)), "[SEP]"]
    return [
        patterns.TypicalMap(name, "MRPC, layer 4", random.dirichlet(np.ones(n_tokens), n_tokens), tokens)
        for name in PATTERNS
    ]


CHARTS = {
    "figure_2": lambda title, tasks: patterns.figure_2(shares(tasks), title),
    "heads": lambda title, tasks: patterns.heads_chart(heads(tasks), title),
    "layers": lambda title, tasks: patterns.layers_chart(layers(tasks), title),
    "purity": lambda title, tasks: patterns.purity_chart(heads(tasks), title),
    "figure_1": lambda title, tasks: patterns.figure_1(cases(), title),
}


def data_of(chart):
    (rows,) = chart.to_dict()["datasets"].values()
    return pd.DataFrame(rows)


def menus(chart):
    return {one["name"]: one["bind"]["options"] for one in chart.to_dict().get("params", []) if "bind" in one}


class TestCharts:
    @pytest.mark.parametrize("name", CHARTS)
    @pytest.mark.parametrize("tasks", [["RTE"], list(glue.TASKS)], ids=["one task", "seven tasks"])
    def test_every_chart_draws_its_title_in_the_books_colours_and_fits_a_phone(self, name, tasks):
        chart = CHARTS[name](FINDING, tasks)
        drawn, colours = svg_of(chart), [one for one in parts(chart.to_dict(), "color") if isinstance(one, dict)]
        assert "Heterogeneous maps: 32 % (SST-2)" in drawn
        assert charts.WIDTH < float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= PHONE
        of_patterns = [colour for colour in colours if colour.get("field") in ("pattern", "main")]
        assert all(colour["scale"] == charts.SCALES["pattern"].to_dict() for colour in of_patterns)
        assert bool(of_patterns) == (name != "figure_1")

    def test_every_pattern_has_a_colour_that_stands_out_from_a_light_card(self):
        scale = charts.SCALES["pattern"].to_dict()
        assert scale["domain"] == list(PATTERNS)
        assert len(set(scale["range"])) == len(PATTERNS)
        for colour in scale["range"]:
            channels = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
            linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
            assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) > 3

    def test_figure_2_carries_the_tables_numbers_and_its_menus_choose_run_and_checkpoint(self):
        table, chart = shares(), patterns.figure_2(shares(), "A finding")
        key = ["run", "task", "checkpoint", "pattern"]
        both = table.merge(data_of(chart), on=key, validate="one_to_one")
        assert len(both) == len(table) == len(data_of(chart))
        for name in (*INTERVAL, "observed"):
            assert both[f"{name}_x"].tolist() == pytest.approx(both[f"{name}_y"].tolist(), abs=5.1e-5)
        offered = {"chosen_run": ["this run", "reference run"], "chosen_checkpoint": [BEFORE, AFTER]}
        assert menus(chart) == offered
        values = {one["name"]: one["value"] for one in chart.to_dict()["params"]}
        assert values == {"chosen_run": "this run", "chosen_checkpoint": AFTER}
        for one in (chart, patterns.figure_2(table.assign(low=np.nan, high=np.nan), "A finding")):
            drawn = svg_of(one)
            assert drawn.count('aria-roledescription="bar"') == len(TASKS) * len(PATTERNS)
            assert drawn.count('aria-roledescription="point"') == len(TASKS) * len(PATTERNS)
        alone = rows_of(table, run="this run", checkpoint=AFTER)
        assert menus(patterns.figure_2(alone, "A finding")) == {}

    def test_figure_2s_bars_stand_in_the_papers_order(self):
        drawn = svg_of(patterns.figure_2(shares(["RTE"], runs=["this run"]).iloc[::-1], "A finding"))
        bars = re.findall(r'aria-label="([^"]*)"[^>]*aria-roledescription="bar" d="M([\d.]+),', drawn)
        named = {float(left): re.search(r"pattern: ([^;]+)", label).group(1) for label, left in bars}
        assert [named[left] for left in sorted(named)] == list(PATTERNS)

    def test_figure_2_averages_seeds_which_widens_the_interval(self):
        table = shares(["RTE"], seeds=(0, 1, 2), runs=["this run"])
        drawn = data_of(patterns.figure_2(table, "A finding")).set_index(["checkpoint", "pattern"])
        own = table.groupby(["checkpoint", "pattern"], sort=False)[[*INTERVAL, "observed"]].mean()
        for name in ("mean", "observed"):
            assert drawn[name].to_dict() == pytest.approx(own[name].to_dict(), abs=1e-4)
        widths = [(of["high"] - of["low"]).loc[AFTER] for of in (drawn, own)]
        assert (widths[0] > widths[1]).all()

    def test_heads_count_from_one_and_pointing_tells_all_five_shares(self):
        table, chart = heads(n_layers=3, n_heads=4), patterns.heads_chart(heads(n_layers=3, n_heads=4), "A finding")
        key = ["task", "checkpoint", "layer", "head"]
        both = table.assign(layer=table["layer"] + 1, head=table["head"] + 1).merge(data_of(chart), on=key)
        assert len(both) == len(table)
        assert both["main_x"].tolist() == both["main_y"].tolist()
        for name in ("purity", *PATTERNS):
            assert both[f"{name}_x"].tolist() == pytest.approx(both[f"{name}_y"].tolist(), abs=5.1e-5)
        assert menus(chart) == {"chosen_task": TASKS, "chosen_checkpoint": [BEFORE, AFTER]}
        drawn = svg_of(chart)
        assert drawn.count('aria-roledescription="square"') == 12
        (label, *_) = re.findall(r'aria-label="([^"]*main pattern: [^"]*)"', drawn)
        told = [float(re.search(rf"{re.escape(name)}: ([\d.]+)%", label).group(1)) for name in PATTERNS]
        assert sum(told) == pytest.approx(100, abs=0.3)
        (size,) = filter(None, parts(chart.to_dict(), "size"))  # a pure head fills its cell
        assert size["scale"] == {"domain": [0, 1], "range": [0, (charts.STEP - 1) ** 2]}

    def test_a_heads_main_pattern_is_that_of_its_mean_over_seeds(self):
        table = heads(["RTE"], seeds=(0, 1), n_layers=1, n_heads=1).query("checkpoint == @AFTER")
        table = table.assign(**dict.fromkeys(PATTERNS, 0.0))
        table[["Vertical", "Block"]] = [[0.6, 0.4], [0.1, 0.9]]
        row = data_of(patterns.heads_chart(table, "A finding")).loc[0]
        assert (row["main"], row["purity"]) == ("Block", 0.65)

    def test_layers_have_a_band_after_fine_tuning_and_dashes_before_it_on_an_axis_that_stays(self):
        chart = patterns.layers_chart(layers(), "A finding")
        drawn = svg_of(chart)
        assert drawn.count('aria-roledescription="area mark"') == len(PATTERNS)
        assert drawn.count('role="graphics-symbol" aria-roledescription="line mark"') == 2 * len(PATTERNS)
        assert drawn.count('stroke-dasharray="4,3"') == len(PATTERNS) + 1  # the lines and the legend
        assert drawn.count('aria-roledescription="point"') == 2 * len(PATTERNS) * 6
        ((bottom, top),) = {tuple(one["scale"]["domain"]) for one in parts(chart.to_dict(), "y")}
        assert bottom == 0
        assert 0 <= top - layers()["high"].max() < 0.1
        assert menus(chart) == {"chosen_task": TASKS}
        assert len(data_of(patterns.layers_chart(layers(seeds=(0, 1)), "A finding"))) == len(layers())

    def test_purities_count_every_head_once_for_its_task_and_once_for_all(self):
        chart = patterns.purity_chart(heads(), "A finding")
        sums = data_of(chart).groupby(["task", "checkpoint"])["heads"].sum().to_dict()
        sizes = {patterns.ALL_TASKS: 144} | dict.fromkeys(TASKS, 72)
        assert sums == {(task, name): size for task, size in sizes.items() for name in (AFTER, BEFORE)}
        headers = re.findall(r">(" + "|".join(map(re.escape, PATTERNS)) + r")</text>", svg_of(chart))
        assert headers == list(PATTERNS)

    @pytest.mark.parametrize("purity", [0.2, 0.65, 0.651, 0.999, 1.0])
    def test_a_purity_is_inside_its_bar(self, purity):
        table = heads(["RTE"], n_layers=1, n_heads=1).query("checkpoint == @AFTER")
        table = table.assign(**dict.fromkeys(PATTERNS, 0.0) | {"Block": purity})
        row = data_of(patterns.purity_chart(table, "A finding")).loc[0]
        assert row["low"] < purity <= row["high"] <= 1
        assert row["high"] - row["low"] == pytest.approx(patterns.BIN)

    def test_typical_maps_have_their_pattern_source_and_tokens_and_one_legend(self):
        chart = patterns.figure_1(cases(8), "A finding")
        drawn = svg_of(chart)
        assert all(f">{name}<" in drawn for name in PATTERNS)
        assert drawn.count(">MRPC, layer 4<") == len(PATTERNS)
        assert drawn.count(">something3<") == 2 * len(PATTERNS)
        assert drawn.count('aria-roledescription="rect mark"') == 64 * len(PATTERNS)
        schemes = [colour["scale"]["scheme"] for colour in parts(chart.to_dict(), "color")]
        assert schemes == ["viridis"] * len(PATTERNS)
        assert drawn.count(">attention weight<") == 1
        with pytest.raises(InputError, match="the map shown for Vertical has 25 tokens; at most 24"):
            patterns.figure_1(cases(25), "A finding")
