"""The tables that the chapter on linguistic features saves: averages of what the store holds."""

import json
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.models.feature_attention import CLS, FEATURE_COLUMNS, NORM, SEP, SEP_SUM, WEIGHT
from darksecrets.sections import feature_claims, features
from darksecrets.sections.feature_claims import ALL, FeatureTables
from tests.notebooks.conftest import SIZES, TASKS

SAVED = sorted(["feature_lengths", *(f"feature_{field.name}" for field in fields(FeatureTables))])
CASE = ["task", "checkpoint"]


@pytest.fixture(scope="module")
def weights(found):
    """A row per example, reading, measure, layer and head."""
    return found.features


@pytest.fixture(scope="module")
def mine(features_page):
    """The tables that the page saved."""
    return FeatureTables.find(features_page.run)


def of_measure(table, reading="paper", measure=WEIGHT):
    return table[(table["reading"] == reading) & (table["measure"] == measure)]


class TestTables:
    def test_all_are_saved_with_what_they_were_made_from(self, features_page, shared_setup):
        assert features_page.run.tables() == SAVED == sorted(features_page.run.provenance["tables"])
        for record in features_page.run.provenance["tables"].values():
            assert record["made_from"] == json.loads(json.dumps(shared_setup.described()))

    def test_they_are_those_of_the_library(self, weights, mine):
        expected = feature_claims.feature_tables(features.feature_weights(weights))
        for field in fields(FeatureTables):
            computed = getattr(expected, field.name).reset_index(drop=True)
            pd.testing.assert_frame_equal(getattr(mine, field.name), computed, check_dtype=False)

    def test_heads_have_the_mean_over_the_examples_with_the_feature(self, weights, mine, size):
        key = [*CASE, "layer", "head"]
        means = of_measure(weights).groupby(key, observed=True)[list(FEATURE_COLUMNS)].agg(["mean", "count"])
        means = means.stack(0, future_stack=True)
        means = means[means["count"] > 0]
        found = mine.heads.set_index([*key, "feature"])
        assert found["mean"].to_dict() == pytest.approx(means["mean"].to_dict(), abs=1e-6)
        assert found["n_examples"].to_dict() == means["count"].to_dict()
        n_layers, n_heads = SIZES[size]
        assert found.groupby([*CASE, "feature"]).size().eq(n_layers * n_heads).all()

    def test_changes_are_paired_by_example(self, weights, mine):
        by_example = of_measure(weights).groupby([*CASE, "example"], observed=True)[list(FEATURE_COLUMNS)].mean()
        both = by_example.stack(future_stack=True).unstack("checkpoint")
        differences = (both[AFTER] - both[BEFORE]).rename_axis(["task", "example", "feature"])
        means = differences.groupby(["task", "feature"]).mean().dropna()
        found = mine.changes[mine.changes["kept"] == ALL].set_index(["task", "feature"])["mean"]
        assert found.to_dict() == pytest.approx(means.to_dict(), abs=1e-6)
        assert found.abs().max() > 0, "fine-tuning changed nothing"

    def test_the_share_of_special_tokens_is_that_of_cls_and_all_separators(self, weights, mine):
        paper = weights[weights["reading"] == "paper"]
        paper = paper[paper["measure"].isin([WEIGHT, NORM])]
        share = (paper[CLS] + paper[SEP_SUM]).groupby([paper[name] for name in (*CASE, "measure", "layer")])
        found = mine.special.set_index([*CASE, "measure", "layer"])["mean"]
        assert found.to_dict() == pytest.approx(share.mean().dropna().to_dict(), abs=1e-6)
        assert found.between(0, 1).all()

    def test_an_input_without_the_feature_counts_as_0_in_the_released_reading_unless_it_is_a_negation(
        self, weights, mine
    ):
        found = mine.readings.set_index([*CASE, "feature"])
        others = [name for name in FEATURE_COLUMNS if name != "negation"]
        for reading, skips in (("paper", True), ("released", False)):
            table = of_measure(weights, reading)
            assert table[others].isna().any(axis=None) == skips
            assert table["negation"].isna().any()
            means = table.groupby(CASE, observed=True)[list(FEATURE_COLUMNS)].mean().stack()
            assert found[reading].to_dict() == pytest.approx({key: means[key] for key in found.index}, abs=1e-6)

    def test_attention_is_a_share_and_sst_2_has_one_separator(self, weights, size):
        shares = weights[list(FEATURE_COLUMNS)].to_numpy()
        shares = shares[~np.isnan(shares)]
        assert shares.min() >= 0
        assert shares.max() <= 1 + 1e-5
        for task in TASKS[size]:
            of_task = of_measure(weights[weights["task"] == task])
            assert of_task[SEP].equals(of_task[SEP_SUM]) == (task == "SST-2")
