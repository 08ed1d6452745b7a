"""The differences behind the claims of Section 4.4: equal to slow ones, and with the closest rival."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets.errors import InputError
from darksecrets.models.feature_attention import CLS, SEP, SEP_SUM
from darksecrets.sections import feature_claims
from darksecrets.sections.feature_claims import (
    ALL,
    CLS_EARLY,
    CLS_FIRST,
    CLS_TO,
    INCREASES,
    NEGLIGIBLE,
    NO_OP,
    NO_OP_WORDS,
    SEP_LATE,
    SEP_MOST,
    SEP_MOST_SUM,
    STRIPES,
    STRIPES_PUNCTUATION,
    SURE,
)
from darksecrets.sections.features import WORDS, feature_weights
from darksecrets.statistics import interval_of_mean
from tests.feature_tables import AFTER, BEFORE, NORM_FACTORS, TASKS, WORD_WEIGHTS, features_of

FEATURE_TABLE = features_of(n_examples=30, n_layers=5)
GAPS = feature_claims.gaps(feature_weights(FEATURE_TABLE))


def rows_of(table=FEATURE_TABLE, measure="weight", reading="paper", **key):
    for name, value in {**key, "measure": measure, "reading": reading}.items():
        table = table[table[name] == value]
    return table


def per_example(feature, **key):
    """An example's mean over heads and layers, as a series by example, NaN without the feature."""
    return rows_of(**key).groupby("example", observed=True)[feature].apply(lambda values: values.astype(float).mean())


def gap_of(claim, task="QNLI", checkpoint=AFTER, kept=ALL, table=GAPS):
    found = table[(table["claim"] == claim) & (table["task"] == task)]
    found = found[(found["checkpoint"] == checkpoint) & (found["kept"] == kept)]
    assert len(found) == 1
    return found.iloc[0]


def assert_interval(gap, differences):
    differences = pd.Series(differences).dropna()
    expected = [float(number) for number in interval_of_mean(differences, level=gap["level"])]
    assert gap[["mean", "low", "high"]].tolist() == pytest.approx(expected, rel=1e-4)
    assert gap["n_examples"] == len(differences)


class TestDefinitions:
    @pytest.mark.parametrize(("claim", "feature", "sign"), [(CLS_EARLY, CLS, 1), (SEP_LATE, SEP, -1)])
    def test_halves_leave_the_middle_layer_out(self, claim, feature, sign):
        early, late = (
            pd.concat([per_example(feature, task="QNLI", checkpoint=AFTER, layer=layer) for layer in layers], axis=1)
            for layers in ((0, 1), (3, 4))
        )
        gap = gap_of(claim)
        assert_interval(gap, sign * (early.mean(axis=1) - late.mean(axis=1)))
        assert {gap["first"], gap["second"]} == {"layers 1 to 2", "layers 4 to 5"}
        assert gap["first"] == ("layers 1 to 2" if sign > 0 else "layers 4 to 5")

    @pytest.mark.parametrize(("claim", "rivals"), [(STRIPES, WORDS), (STRIPES_PUNCTUATION, (*WORDS, "punctuation"))])
    def test_stripes_take_the_closest_kind_of_word(self, claim, rivals):
        key = {"task": "MRPC", "checkpoint": BEFORE}
        leader = max((CLS, SEP), key=lambda name: per_example(name, **key).mean())
        ahead = {rival: per_example(leader, **key) - per_example(rival, **key) for rival in rivals}
        closest = min(ahead, key=lambda rival: ahead[rival].mean())
        gap = gap_of(claim, **key)
        assert (gap["first"], gap["second"]) == (leader, closest)
        assert gap["level"] == pytest.approx(1 - 0.05 / (2 * len(rivals)))
        assert_interval(gap, ahead[closest])

    def test_separators_are_compared_between_tasks(self):
        own, *others = (per_example(SEP, task=task, checkpoint=AFTER).to_numpy() for task in TASKS)
        gap = gap_of(SEP_MOST, "SST-2")
        rival = others[["QNLI", "MRPC"].index(gap["second"])]
        assert rival.mean() == max(other.mean() for other in others)
        assert gap["level"] == 0.975
        expected = stats.ttest_ind(own, rival, equal_var=False).confidence_interval(0.975)
        assert (gap["low"], gap["high"]) == pytest.approx((expected.low, expected.high), rel=1e-4)
        assert gap["mean"] == pytest.approx(own.mean() - rival.mean(), rel=1e-4)
        assert set(GAPS.loc[GAPS["claim"].isin([SEP_MOST, SEP_MOST_SUM]), "task"]) == {"SST-2"}

    def test_negligible_is_five_per_cent_of_an_examples_special_tokens(self):
        for feature, task in (("noun", "MRPC"), ("negation", "QNLI")):
            before, after = (per_example(feature, task=task, checkpoint=side) for side in (BEFORE, AFTER))
            special = sum(per_example(name, task=task, checkpoint=AFTER) for name in (CLS, SEP_SUM))
            found = GAPS[(GAPS["claim"] == NEGLIGIBLE) & (GAPS["first"] == feature) & (GAPS["kept"] == ALL)]
            assert found["task"].tolist() == [task]
            assert_interval(found.iloc[0], 0.05 * special - (after - before))

    def test_cls_is_compared_in_its_last_layer(self):
        key = {"task": "MRPC", "checkpoint": AFTER, "measure": "from [CLS]", "layer": 4}
        gap = gap_of(CLS_TO, "MRPC")
        assert (gap["first"], gap["second"]) == (SEP, "punctuation")
        assert_interval(gap, per_example(SEP, **key) - per_example("punctuation", **key))
        other = gap_of(CLS_TO, "QNLI")  # where the paper has punctuation first, and the table has [SEP]
        assert (other["first"], other["second"]) == ("punctuation", SEP)
        assert other["high"] < 0
        first = gap_of(CLS_FIRST, "QNLI")
        assert (first["first"], first["second"]) == (SEP, "punctuation")
        assert first["mean"] == pytest.approx(-other["mean"])

    def test_norms_are_compared_with_plain_weights(self):
        key = {"task": "MRPC", "checkpoint": AFTER}
        plain, norm = (
            sum(per_example(name, **key, measure=measure) for name in (CLS, SEP_SUM)) for measure in ("weight", "norm")
        )
        assert_interval(gap_of(NO_OP, "MRPC"), plain - norm)
        words = gap_of(NO_OP_WORDS, "MRPC")
        assert words["first"] == "noun"
        assert words["second"] in (CLS, SEP)
        sides = (per_example(words[side], **key, measure="norm") for side in ("first", "second"))
        assert_interval(words, np.subtract(*sides))


class TestKept:
    def test_sure_rows_are_those_of_the_sure_examples_alone(self):
        alone = feature_claims.gaps(feature_weights(FEATURE_TABLE[FEATURE_TABLE["sure"]]))
        sides = [
            table[table["kept"] == kept].drop(columns="kept").reset_index(drop=True)
            for table, kept in ((GAPS, SURE), (alone, ALL))
        ]
        pd.testing.assert_frame_equal(*sides)

    def test_no_sure_example_leaves_no_sure_row(self):
        found = feature_claims.gaps(feature_weights(FEATURE_TABLE.assign(sure=False)))
        assert set(found["kept"]) == {ALL}
        pd.testing.assert_frame_equal(found, GAPS[GAPS["kept"] == ALL].reset_index(drop=True))


class TestRivals:
    def test_a_feature_of_few_examples_is_no_rival(self):
        words = WORD_WEIGHTS | {"negation": 0.2}
        for share, expected in ((0.1, "noun"), (0.9, "negation")):
            table = features_of(tasks=("RTE",), n_examples=30, words=words, present={"negation": share})
            assert gap_of(STRIPES, "RTE", table=feature_claims.gaps(feature_weights(table)))["second"] == expected

    def test_too_few_examples_leave_claims_of_order_out(self):
        found = feature_claims.gaps(feature_weights(features_of(n_examples=6)))
        assert set(found["claim"]) == {CLS_EARLY, SEP_LATE, NEGLIGIBLE, NO_OP}

    def test_seeds_share_a_rival_though_each_has_another_closest(self):
        table = features_of(tasks=("RTE",), seeds=(0, 1), n_examples=30, words=dict.fromkeys(WORD_WEIGHTS, 0.05))
        tuned = table["checkpoint"] == AFTER
        for seed, feature, step in ((0, "noun", 0.04), (1, "verb", 0.06)):
            table.loc[tuned & (table["seed"] == seed), feature] += np.float32(step)
        found = feature_claims.gaps(feature_weights(table))
        found = found[(found["claim"] == STRIPES) & (found["checkpoint"] == AFTER) & (found["kept"] == ALL)]
        assert found["second"].tolist() == ["verb", "verb"]
        assert found["seed"].tolist() == [0, 1]


class TestWhatIsMissing:
    def test_a_run_without_the_tasks_of_a_claim(self):
        found = feature_claims.gaps(feature_weights(features_of(tasks=("RTE", "STS-B"))))
        assert not {SEP_MOST, SEP_MOST_SUM} & set(found["claim"])
        assert set(found.loc[found["claim"] == NEGLIGIBLE, "task"]) == {"RTE"}
        alone = feature_claims.gaps(feature_weights(features_of(tasks=("SST-2",))))
        assert not {SEP_MOST, NEGLIGIBLE} & set(alone["claim"])

    def test_unknown_norms_leave_their_claims_out(self):
        features = [*WORD_WEIGHTS, CLS, SEP, SEP_SUM]
        unknown = FEATURE_TABLE.copy()
        unknown.loc[unknown["measure"] == "norm", features] = np.nan
        expected = set(GAPS["claim"]) - {NO_OP, NO_OP_WORDS}
        for table in (unknown, FEATURE_TABLE[FEATURE_TABLE["measure"] != "norm"]):
            assert set(feature_claims.gaps(feature_weights(table))["claim"]) == expected

    def test_one_layer_cannot_be_early_or_late(self):
        with pytest.raises(InputError, match="has 1 layer"):
            feature_claims.gaps(feature_weights(features_of(tasks=("RTE",), n_layers=1)))


def test_the_papers_exceptions():
    assert [
        feature_claims.expected_target(task) for task in ("STS-B", "RTE", "QNLI", "MRPC", "SST-2", "QQP", "MNLI")
    ] == [
        *["punctuation"] * 3,
        *[SEP] * 4,
    ]
    words = {(feature, task) for feature in ("noun", "object") for task in ("MRPC", "RTE", "QQP")}
    assert set(INCREASES) == words | {("negation", "QNLI")}
    assert set(NORM_FACTORS) == {CLS, SEP}
