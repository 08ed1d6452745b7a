"""Attention to features in tables: equal to slow, plain averages over the rows, one head and one feature at a time."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets.corpora.annotation import FEATURES
from darksecrets.models.feature_attention import CLS, FEATURE_COLUMNS, SEP_SUM
from darksecrets.sections import features
from darksecrets.sections.features import HEADS, LAYERS, WORDS, feature_weights
from darksecrets.statistics import holm, interval_of_mean
from tests.feature_tables import AFTER, BEFORE, TASKS, features_of

FEATURE_TABLE = features_of(seeds=(3, 4), gains={("MRPC", "noun"): 0.02})
BLOCKS = feature_weights(FEATURE_TABLE)
SUMMARIES = {
    HEADS: features.means(BLOCKS, features.HEADS),
    LAYERS: features.means(BLOCKS, features.LAYERS),
    (): features.means(BLOCKS, features.OVERALL),
}


def rows_of(**key):
    table = FEATURE_TABLE
    for name, value in key.items():
        table = table[table[name] == value]
    return table


def per_example(feature, **key):
    """An example's mean over heads, one example at a time; examples without the feature are left out."""
    of_example = rows_of(**key).groupby("example", observed=True)[feature]
    return {example: values.astype(float).mean() for example, values in of_example if values.notna().all()}


def numbers(values):
    return [float(number) for number in interval_of_mean(list(values))]


def key_of(row, *names):
    return {name: getattr(row, name) for name in names}


class TestByExample:
    def test_shuffled_rows_and_plain_strings_give_the_same_blocks(self):
        table = FEATURE_TABLE.astype({"example": "str"}).sample(frac=1, random_state=0)
        found = {(one.task, one.checkpoint, one.seed, one.reading, one.measure): one for one in feature_weights(table)}
        assert len(found) == len(BLOCKS) == len(TASKS) * 3 * 4
        for block in BLOCKS:
            same = found[block.task, block.checkpoint, block.seed, block.reading, block.measure]
            assert same.features == block.features == FEATURE_COLUMNS
            assert same.examples.tolist() == block.examples.tolist()
            assert same.sure.tolist() == block.sure.tolist()
            np.testing.assert_array_equal(same.values, block.values)

    def test_every_value_is_where_its_row_says(self):
        block = BLOCKS[5]
        rows = rows_of(**key_of(block, *features.KEY))
        for row in rows.sample(30, random_state=0).to_dict("records"):
            example = block.examples.tolist().index(row["example"])
            found = block.values[example, row["layer"], row["head"]]
            assert found.tolist() == pytest.approx([row[name] for name in FEATURE_COLUMNS], nan_ok=True)
            assert block.sure[example] == row["sure"]

    @pytest.mark.parametrize("change", ["missing", "twice"])
    def test_a_missing_and_a_repeated_row_are_refused(self, change):
        table = FEATURE_TABLE.iloc[1:] if change == "missing" else pd.concat([FEATURE_TABLE, FEATURE_TABLE.iloc[:1]])
        with pytest.raises(ValueError, match="one row for every layer and head"):
            feature_weights(table)

    def test_words_are_the_features_but_punctuation(self):
        assert {*WORDS, "punctuation"} == set(FEATURES)


class TestMeans:
    @pytest.mark.parametrize("by", [HEADS, LAYERS, ()])
    def test_equals_one_mean_at_a_time(self, by):
        table = SUMMARIES[by]
        key = [*features.KEY, *by]
        assert table.columns.tolist() == [*key, "feature", "mean", "low", "high", "n_examples"]
        assert not table.duplicated([*key, "feature"]).any()
        for row in table.sample(25, random_state=0).itertuples():
            expected = per_example(row.feature, **key_of(row, *key))
            assert (row.mean, row.low, row.high) == pytest.approx(numbers(expected.values()), rel=1e-5)
            assert row.n_examples == len(expected)

    def test_every_place_has_a_row(self):
        n_models = len(TASKS) * 3 * 4
        sizes = {by: len(table) / n_models / len(FEATURE_COLUMNS) for by, table in SUMMARIES.items()}
        assert sizes == {HEADS: 12, LAYERS: 3, (): 1}

    def test_a_feature_that_no_example_has_is_left_out(self):
        blocks = feature_weights(features_of(tasks=("RTE",), n_examples=5, present={"negation": 0.0}))
        table = features.means(blocks, features.OVERALL)
        has = table[table["feature"] == "negation"]
        assert has["reading"].tolist() == ["released", "released"]
        assert has["mean"].eq(0).all()

    def test_a_feature_of_one_example_has_no_interval(self):
        table = features.means([one.kept(np.arange(1)) for one in BLOCKS], features.OVERALL)
        assert table["n_examples"].eq(1).all()
        assert table["mean"].notna().all()
        assert table[["low", "high"]].isna().all(axis=None)


class TestChanges:
    @pytest.mark.parametrize("by", [HEADS, LAYERS, ()])
    def test_pairs_examples(self, by):
        table = features.changes(BLOCKS, by)
        key = ["task", "seed", "reading", "measure", *by]
        assert table.columns.tolist() == [
            *[*key, "feature", "before", "after", "mean", "low", "high", "p", "n_examples", "p_corrected"]
        ]
        for row in table.sample(15, random_state=0).itertuples():
            places = key_of(row, "task", "reading", "measure", *by)
            before = per_example(row.feature, **places, checkpoint=BEFORE)
            after = per_example(row.feature, **places, checkpoint=AFTER, seed=row.seed)
            differences = [after[example] - before[example] for example in after]
            assert (row.mean, row.low, row.high) == pytest.approx(numbers(differences), rel=1e-4, abs=1e-9)
            assert row.p == pytest.approx(stats.ttest_rel(list(after.values()), list(before.values())).pvalue, rel=1e-3)
            assert (row.before, row.after) == pytest.approx((np.mean([*before.values()]), np.mean([*after.values()])))
            assert row.n_examples == len(differences)

    @pytest.mark.parametrize(("by", "size"), [(HEADS, 12), (LAYERS, 3), ((), len(TASKS) * len(FEATURE_COLUMNS))])
    def test_corrected_within_its_family(self, by, size):
        table = features.changes(BLOCKS, by)
        family = ["seed", "reading", "measure", *(["task", "feature"] if by else [])]
        for _, group in table.groupby(family):
            assert len(group) == size
            assert group["p_corrected"].to_numpy() == pytest.approx(holm(group["p"]))

    def test_a_planted_increase_and_no_other_is_significant(self):
        table = features.changes(BLOCKS)
        table = table[(table["reading"] == "paper") & (table["measure"] == "weight")]
        found = table[table["p_corrected"] < 0.001]
        assert set(zip(found["task"], found["feature"], strict=True)) == {("MRPC", "noun")}
        assert found["mean"].tolist() == pytest.approx([0.02, 0.02], abs=0.002)

    def test_unpaired_blocks_are_refused(self):
        with pytest.raises(ValueError, match="no weight of paper to compare with"):
            features.changes([one for one in BLOCKS if one.checkpoint == AFTER])
        half = [one.kept(np.arange(9)) if one.checkpoint == AFTER else one for one in BLOCKS]
        with pytest.raises(ValueError, match="has other examples"):
            features.changes(half)

    def test_without_examples_the_change_of_means_is_the_mean_of_changes(self):
        blocks = feature_weights(features_of(seeds=(3, 4), present={}, gains={("MRPC", "noun"): 0.02}))
        plain = features.plain(blocks)
        found = features.change_of_means(features.means(plain, features.HEADS))
        key = ["task", "seed", "layer", "head", "feature"]
        assert found.columns.tolist() == [*key, "mean", "low", "high"]
        assert found[["low", "high"]].isna().all(axis=None)
        paired = features.changes(plain, HEADS).set_index(key)["mean"]
        assert not found.duplicated(key).any()
        assert len(found) == len(paired)
        assert found.set_index(key)["mean"].to_numpy() == pytest.approx(paired[found.set_index(key).index].to_numpy())

    def test_nothing_to_compare_is_said(self):
        with pytest.raises(ValueError, match="no attention to features"):
            features.changes([one for one in BLOCKS if one.checkpoint == BEFORE])


class TestSpecialTokens:
    def test_special_tokens_are_added_up_within_an_example(self):
        table = features.special_shares(BLOCKS)
        assert table.columns.tolist() == [
            *["task", "checkpoint", "seed", "measure", "layer", "mean", "low", "high", "n_examples"]
        ]
        assert set(table["measure"]) == {"weight", "norm"}
        for row in table.sample(10, random_state=0).itertuples():
            places = key_of(row, "task", "checkpoint", "seed", "measure", "layer") | {"reading": "paper"}
            cls, both = (per_example(name, **places) for name in (CLS, SEP_SUM))
            expected = numbers(cls[example] + both[example] for example in cls)
            assert (row.mean, row.low, row.high) == pytest.approx(expected, rel=1e-5)


class TestReadings:
    def test_means_difference_and_correlation(self):
        table = features.readings(BLOCKS)
        assert len(table) == len(TASKS) * 3 * len(FEATURE_COLUMNS)
        heads = SUMMARIES[HEADS]
        for row in table.sample(15, random_state=0).itertuples():
            places = key_of(row, "task", "checkpoint", "seed") | {"measure": "weight"}
            paper, released = (per_example(row.feature, **places, reading=name) for name in ("paper", "released"))
            means = np.mean([*paper.values()]), np.mean([*released.values()])
            assert (row.paper, row.released) == pytest.approx(means)
            assert row.mean == pytest.approx(means[1] - means[0], abs=1e-9)
            assert len(released) == 20
            chosen = heads[(heads["feature"] == row.feature) & (heads["measure"] == "weight")]
            for name, value in key_of(row, "task", "checkpoint", "seed").items():
                chosen = chosen[chosen[name] == value]
            sides = chosen.pivot(index=list(HEADS), columns="reading", values="mean")
            assert row.correlation == pytest.approx(stats.spearmanr(sides["paper"], sides["released"]).statistic)

    def test_the_interval_is_that_of_drawing_examples_again(self):
        table = features_of(tasks=("RTE",), n_examples=400, present={"negation": 0.4})
        blocks = [one for one in feature_weights(table) if one.checkpoint == BEFORE and one.measure == "weight"]
        row = features.readings(blocks).set_index("feature").loc["negation"]
        paper, released = (block.mean("negation") for block in blocks)
        random = np.random.default_rng(0)
        draws = [released[rows].mean() - np.nanmean(paper[rows]) for rows in random.integers(400, size=(2000, 400))]
        assert (row["low"], row["high"]) == pytest.approx(np.quantile(draws, [0.025, 0.975]), rel=0.05)

    def test_each_reading_is_averaged_over_the_inputs_that_it_counts(self):
        table = features_of(tasks=("RTE",), n_examples=400, present={"negation": 0.4})
        is_skipped = (table["reading"] == "released") & (table["example"].astype(int) % 4 > 0)
        table = table.assign(negation=table["negation"].mask(is_skipped))
        blocks = [one for one in feature_weights(table) if one.checkpoint == BEFORE and one.measure == "weight"]
        row = features.readings(blocks).set_index("feature").loc["negation"]
        paper, released = (block.mean("negation") for block in blocks)
        assert (row["paper"], row["released"]) == pytest.approx((np.nanmean(paper), np.nanmean(released)))
        assert (row["n_examples"], row["n_released"]) == ((~np.isnan(paper)).sum(), 100)
        random = np.random.default_rng(0)
        drawn = random.integers(400, size=(2000, 400))
        draws = [np.nanmean(released[rows]) - np.nanmean(paper[rows]) for rows in drawn]
        assert (row["low"], row["high"]) == pytest.approx(np.quantile(draws, [0.025, 0.975]), rel=0.05)

    def test_a_feature_that_a_reading_never_counts_has_no_row(self):
        table = FEATURE_TABLE.assign(negation=FEATURE_TABLE["negation"].where(FEATURE_TABLE["reading"] == "paper"))
        assert set(features.readings(feature_weights(table))["feature"]) == {*FEATURE_COLUMNS} - {"negation"}

    def test_the_same_rows_in_both_readings_agree(self):
        weights = FEATURE_TABLE[(FEATURE_TABLE["reading"] == "paper") & (FEATURE_TABLE["measure"] == "weight")]
        filled = weights.assign(reading="released").fillna(dict.fromkeys(FEATURE_COLUMNS, 0))
        table = features.readings(feature_weights(pd.concat([weights, filled])))
        always = table[table["n_examples"] == 20]
        assert always["mean"].abs().max() < 1e-9
        assert always["correlation"].min() == pytest.approx(1)
        assert table[table["feature"] == "negation"]["mean"].lt(0).all()

    def test_what_the_notebook_never_finds_has_no_correlation(self):
        table = FEATURE_TABLE.assign(negation=FEATURE_TABLE["negation"].where(FEATURE_TABLE["reading"] == "paper", 0))
        found = features.readings(feature_weights(table)).set_index("feature").loc["negation"]
        assert found["released"].eq(0).all()
        assert found["correlation"].isna().all()
        assert found["mean"].to_numpy() == pytest.approx(-found["paper"].to_numpy())
        assert all(math.isnan(number) for number in found["correlation_low"])
