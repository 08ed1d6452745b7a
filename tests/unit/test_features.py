"""Section 4.4: means against slow ones over rows, planted effects and their verdicts, and what charts draw of them."""

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets.corpora import glue
from darksecrets.errors import InputError
from darksecrets.figures import charts
from darksecrets.models.feature_attention import CLS, FEATURE_COLUMNS, SEP, SEP_SUM, WEIGHT
from darksecrets.runs import Store
from darksecrets.saved_tables import side_by_side
from darksecrets.sections import feature_claims as claims
from darksecrets.sections import features
from darksecrets.sections.feature_claims import ALL, SURE
from darksecrets.sections.features import HEADS, KEY, LAYERS, OVERALL, WORDS, feature_weights
from darksecrets.statistics import holm, interval_of_mean
from tests.feature_tables import AFTER, BEFORE, TASKS, WORD_WEIGHTS, features_of
from tests.unit.test_charts import PHONE, parts, svg_of
from tests.unit.test_head_charts import TOLD, chosen, labels

TABLE = features_of(n_examples=30, n_layers=5, seeds=(3, 4), gains={("MRPC", "noun"): 0.01})
ONE_SEED = TABLE[TABLE["seed"] == 3]
MODELS = feature_weights(TABLE)  # a pre-trained and two fine-tuned ones for each task, in four readings and measures
MEANS = {by: features.means(MODELS, by) for by in (HEADS, LAYERS, OVERALL)}
GAPS = claims.gaps(feature_weights(ONE_SEED))


def measured(tasks=TASKS, **options):
    return claims.feature_tables(feature_weights(features_of(tasks, **options)))


GAINS = {("MRPC", "noun"): 0.01, ("MRPC", "object"): -0.01, ("QNLI", "negation"): 0.03}
RUN = measured(gains=GAINS, sep_of_tasks={"SST-2": 0.05}, from_cls={("QNLI", "punctuation"): 0.5})
SEEDS = measured(gains=GAINS, seeds=(0, 1, 2), n_examples=12)


def rows_of(table=TABLE, **key):
    for name, value in key.items():
        table = table[table[name] == value]
    return table


def per_example(feature, measure="weight", reading="paper", **key):
    """An example's mean over heads (of a layer, where `key` has one), example by example; NaN without the feature."""
    groups = rows_of(measure=measure, reading=reading, **key).groupby("example", observed=True)[feature]
    return groups.apply(lambda values: values.astype(float).mean())


def numbers(values, level=0.95):
    return [float(number) for number in interval_of_mean(pd.Series(values).dropna(), level=level)]


def key_of(row, *names):
    return {name: getattr(row, name) for name in names}


class TestWeights:
    def test_shuffled_rows_and_plain_strings_give_the_same(self):
        shuffled = feature_weights(TABLE.astype({"example": "str"}).sample(frac=1, random_state=0))
        again = {tuple(key_of(one, *KEY).values()): one for one in shuffled}
        assert len(again) == len(MODELS) == len(TASKS) * 3 * 4
        for one in MODELS:
            same = again[tuple(key_of(one, *KEY).values())]
            assert same.features == one.features == FEATURE_COLUMNS
            for name in ("examples", "sure", "values"):
                np.testing.assert_array_equal(getattr(same, name), getattr(one, name))

    def test_every_value_is_where_its_row_says(self):
        one = MODELS[5]
        for row in rows_of(**key_of(one, *KEY)).sample(30, random_state=0).to_dict("records"):
            example = one.examples.tolist().index(row["example"])
            expected = [row[name] for name in FEATURE_COLUMNS]
            assert one.values[example, row["layer"], row["head"]].tolist() == pytest.approx(expected, nan_ok=True)
            assert one.sure[example] == row["sure"]

    @pytest.mark.parametrize("table", [TABLE.iloc[1:], pd.concat([TABLE, TABLE.iloc[:1]])], ids=["missing", "twice"])
    def test_a_missing_and_a_repeated_row_are_refused(self, table):
        with pytest.raises(ValueError, match="one row for every layer and head"):
            feature_weights(table)


class TestMeans:
    @pytest.mark.parametrize(("by", "n_rows"), [(HEADS, 20), (LAYERS, 5), (OVERALL, 1)])
    def test_equals_one_mean_at_a_time(self, by, n_rows):
        table = MEANS[by]
        assert table.columns.tolist() == [*KEY, *by, "feature", "mean", "low", "high", "n_examples"]
        assert not table.duplicated([*KEY, *by, "feature"]).any()
        assert len(table) == n_rows * len(MODELS) * len(FEATURE_COLUMNS)
        for row in table.sample(15, random_state=0).itertuples():
            expected = per_example(row.feature, **key_of(row, *KEY, *by))
            assert (row.mean, row.low, row.high) == pytest.approx(numbers(expected), rel=1e-5)
            assert row.n_examples == expected.notna().sum()

    def test_a_feature_that_no_example_has_is_left_out(self):
        table = features.means(feature_weights(features_of(("RTE",), n_examples=5, present={"negation": 0.0})), OVERALL)
        negations = table[table["feature"] == "negation"]
        assert negations["reading"].tolist() == ["released", "released"]
        assert negations["mean"].eq(0).all()

    def test_a_feature_of_one_example_has_no_interval(self):
        table = features.means([one.kept(np.arange(1)) for one in MODELS], OVERALL)
        assert table["n_examples"].eq(1).all()
        assert table["mean"].notna().all()
        assert table[["low", "high"]].isna().all(axis=None)

    def test_special_tokens_are_added_up_within_an_example(self):
        table = features.special_shares(MODELS)
        key = ["task", "checkpoint", "seed", "measure", "layer"]
        assert table.columns.tolist() == [*key, "mean", "low", "high", "n_examples"]
        assert set(table["measure"]) == {"weight", "norm"}
        for row in table.sample(10, random_state=0).itertuples():
            expected = numbers(per_example(CLS, **key_of(row, *key)) + per_example(SEP_SUM, **key_of(row, *key)))
            assert (row.mean, row.low, row.high) == pytest.approx(expected, rel=1e-5)


class TestChanges:
    @pytest.mark.parametrize(
        ("by", "n_tests"), [(HEADS, 20), (LAYERS, 5), (OVERALL, len(TASKS) * len(FEATURE_COLUMNS))]
    )
    def test_pairs_examples_and_corrects_within_its_family(self, by, n_tests):
        table = features.changes(MODELS, by)
        key = ["task", "seed", "reading", "measure", *by]
        assert table.columns.tolist() == [
            *[*key, "feature", "before", "after", "mean", "low", "high", "p", "n_examples", "p_corrected"]
        ]
        for row in table.sample(10, random_state=0).itertuples():
            places = key_of(row, "task", "reading", "measure", *by)
            before = per_example(row.feature, **places, checkpoint=BEFORE).dropna()
            after = per_example(row.feature, **places, checkpoint=AFTER, seed=row.seed).dropna()
            assert (row.mean, row.low, row.high) == pytest.approx(numbers(after - before), rel=1e-4, abs=1e-9)
            assert row.p == pytest.approx(stats.ttest_rel(after, before).pvalue, rel=1e-3)
            assert (row.before, row.after, row.n_examples) == pytest.approx((before.mean(), after.mean(), len(after)))
        for _, group in table.groupby(["seed", "reading", "measure", *(["task", "feature"] if by else [])]):
            assert len(group) == n_tests
            assert group["p_corrected"].to_numpy() == pytest.approx(holm(group["p"]))

    def test_a_planted_increase_and_no_other_is_significant(self):
        found = features.changes(features.plain(MODELS)).query("p_corrected < 0.001")
        assert set(zip(found["task"], found["feature"], strict=True)) == {("MRPC", "noun")}
        assert found["mean"].tolist() == pytest.approx([0.01, 0.01], abs=0.002)

    def test_what_cannot_be_paired_is_refused(self):
        after = [one for one in MODELS if one.checkpoint == AFTER]
        with pytest.raises(ValueError, match="no weight of paper to compare with"):
            features.changes(after)
        before = [one for one in MODELS if one.checkpoint == BEFORE]
        with pytest.raises(ValueError, match="has other examples"):
            features.changes([*before, *(one.kept(np.arange(9)) for one in after)])
        with pytest.raises(ValueError, match="no attention to features"):
            features.changes(before)

    def test_without_examples_the_change_of_means_is_the_mean_of_changes(self):
        plain = features.plain(feature_weights(features_of(seeds=(3, 4), present={})))
        key = ["task", "seed", "layer", "head", "feature"]
        found = features.change_of_means(features.means(plain))
        assert found.columns.tolist() == [*key, "mean", "low", "high"]
        assert found[["low", "high"]].isna().all(axis=None)
        paired = features.changes(plain, HEADS).set_index(key)["mean"]
        assert len(found) == len(paired)
        found = found.set_index(key)["mean"]
        assert found.to_numpy() == pytest.approx(paired[found.index].to_numpy())


class TestReadings:
    def test_means_difference_and_correlation(self):
        table = features.readings(MODELS)
        assert len(table) == len(TASKS) * 3 * len(FEATURE_COLUMNS)
        for row in table.sample(10, random_state=0).itertuples():
            places = key_of(row, "task", "checkpoint", "seed")
            paper, released = (per_example(row.feature, **places, reading=name) for name in ("paper", "released"))
            assert (row.paper, row.released, row.mean) == pytest.approx(
                (paper.mean(), released.mean(), released.mean() - paper.mean()), abs=1e-9
            )
            heads = rows_of(MEANS[HEADS], **places, feature=row.feature, measure="weight")
            sides = heads.pivot(index=list(HEADS), columns="reading", values="mean")
            assert row.correlation == pytest.approx(stats.spearmanr(sides["paper"], sides["released"]).statistic)

    @pytest.mark.parametrize("n_skipped", [0, 300])  # of 400 inputs in which the notebook finds nothing
    def test_the_interval_is_that_of_drawing_examples_again(self, n_skipped):
        table = features_of(("RTE",), n_examples=400, present={"negation": 0.4})
        is_skipped = (table["reading"] == "released") & (table["example"].astype(int) < n_skipped)
        table = table.assign(negation=table["negation"].mask(is_skipped))
        models = [one for one in feature_weights(table) if one.checkpoint == BEFORE and one.measure == "weight"]
        row = features.readings(models).set_index("feature").loc["negation"]
        paper, released = (one.mean("negation") for one in models)
        assert (row["paper"], row["released"]) == pytest.approx((np.nanmean(paper), np.nanmean(released)))
        assert (row["n_examples"], row["n_released"]) == ((~np.isnan(paper)).sum(), 400 - n_skipped)
        drawn = np.random.default_rng(0).integers(400, size=(2000, 400))
        draws = [np.nanmean(released[rows]) - np.nanmean(paper[rows]) for rows in drawn]
        assert (row["low"], row["high"]) == pytest.approx(np.quantile(draws, [0.025, 0.975]), rel=0.06)

    def test_a_feature_that_a_reading_never_counts_has_no_row(self):
        table = TABLE.assign(negation=TABLE["negation"].where(TABLE["reading"] == "paper"))
        assert set(features.readings(feature_weights(table))["feature"]) == {*FEATURE_COLUMNS} - {"negation"}

    def test_the_same_rows_in_both_readings_agree(self):
        same = rows_of(reading="paper", measure="weight")
        filled = same.assign(reading="released").fillna(dict.fromkeys(FEATURE_COLUMNS, 0))
        table = features.readings(feature_weights(pd.concat([same, filled])))
        always = table[table["n_examples"] == 30]
        assert always["mean"].abs().max() < 1e-9
        assert always["correlation"].min() == pytest.approx(1)
        assert table[table["feature"] == "negation"]["mean"].lt(0).all()

    def test_what_the_notebook_never_finds_has_no_correlation(self):
        table = TABLE.assign(negation=TABLE["negation"].where(TABLE["reading"] == "paper", 0))
        found = features.readings(feature_weights(table)).set_index("feature").loc["negation"]
        assert found["released"].eq(0).all()
        assert found[["correlation", "correlation_low", "correlation_high"]].isna().all(axis=None)
        assert found["mean"].to_numpy() == pytest.approx(-found["paper"].to_numpy())


def gap_of(claim, task="QNLI", checkpoint=AFTER, kept=ALL, table=GAPS):
    (row,) = rows_of(table, claim=claim, task=task, checkpoint=checkpoint, kept=kept).to_dict("records")
    return row


def assert_gap(gap, compared, differences):
    assert (gap["first"], gap["second"]) == compared
    assert [gap["mean"], gap["low"], gap["high"]] == pytest.approx(numbers(differences, gap["level"]), rel=1e-4)
    assert gap["n_examples"] == pd.Series(differences).notna().sum()


class TestGaps:
    @pytest.mark.parametrize(("claim", "feature", "sign"), [(claims.CLS_EARLY, CLS, 1), (claims.SEP_LATE, SEP, -1)])
    def test_halves_leave_the_middle_layer_out(self, claim, feature, sign):
        key = {"task": "QNLI", "checkpoint": AFTER, "seed": 3}
        early, late = (sum(per_example(feature, **key, layer=n) / 2 for n in half) for half in ((0, 1), (3, 4)))
        assert_gap(gap_of(claim), ("layers 1 to 2", "layers 4 to 5")[::sign], sign * (early - late))

    @pytest.mark.parametrize(
        ("claim", "rivals"), [(claims.STRIPES, WORDS), (claims.STRIPES_PUNCTUATION, (*WORDS, "punctuation"))]
    )
    def test_stripes_take_the_closest_kind_of_word(self, claim, rivals):
        key = {"task": "MRPC", "checkpoint": BEFORE}
        leader = max((CLS, SEP), key=lambda name: per_example(name, **key).mean())
        ahead = {rival: per_example(leader, **key) - per_example(rival, **key) for rival in rivals}
        closest = min(ahead, key=lambda rival: ahead[rival].mean())
        gap = gap_of(claim, **key)
        assert gap["level"] == pytest.approx(1 - 0.05 / (2 * len(rivals)))
        assert_gap(gap, (leader, closest), ahead[closest])

    def test_separators_are_compared_between_tasks(self):
        means = {task: per_example(SEP, task=task, checkpoint=AFTER, seed=3) for task in TASKS}
        own = means.pop("SST-2")
        gap = gap_of(claims.SEP_MOST, "SST-2")
        assert gap["second"] == max(means, key=lambda task: means[task].mean())
        expected = stats.ttest_ind(own, means[gap["second"]], equal_var=False).confidence_interval(0.975)
        assert (gap["low"], gap["high"], gap["level"]) == pytest.approx((*expected, 0.975), rel=1e-4)
        assert gap["mean"] == pytest.approx(own.mean() - means[gap["second"]].mean(), rel=1e-4)
        assert set(GAPS.loc[GAPS["claim"].isin([claims.SEP_MOST, claims.SEP_MOST_SUM]), "task"]) == {"SST-2"}

    def test_negligible_is_five_per_cent_of_an_examples_special_tokens(self):
        for feature, task in (("noun", "MRPC"), ("negation", "QNLI")):
            after = {"task": task, "checkpoint": AFTER, "seed": 3}
            increase = per_example(feature, **after) - per_example(feature, task=task, checkpoint=BEFORE)
            special = per_example(CLS, **after) + per_example(SEP_SUM, **after)
            (gap,) = rows_of(GAPS, claim=claims.NEGLIGIBLE, first=feature, kept=ALL).to_dict("records")
            assert gap["task"] == task
            assert_gap(gap, (feature, "5 % of special tokens"), 0.05 * special - increase)

    def test_cls_is_compared_in_its_last_layer(self):
        def ahead(task):
            key = {"task": task, "checkpoint": AFTER, "seed": 3, "measure": "from [CLS]", "layer": 4}
            return per_example(SEP, **key) - per_example("punctuation", **key)

        assert_gap(gap_of(claims.CLS_TO, "MRPC"), (SEP, "punctuation"), ahead("MRPC"))
        # Where the paper has punctuation first, and the table has [SEP]
        assert_gap(gap_of(claims.CLS_TO, "QNLI"), ("punctuation", SEP), -ahead("QNLI"))
        assert gap_of(claims.CLS_TO, "QNLI")["high"] < 0
        assert_gap(gap_of(claims.CLS_FIRST, "QNLI"), (SEP, "punctuation"), ahead("QNLI"))

    def test_norms_are_compared_with_plain_weights(self):
        key = {"task": "MRPC", "checkpoint": AFTER, "seed": 3}
        plain, norm = (
            per_example(CLS, **key, measure=measure) + per_example(SEP_SUM, **key, measure=measure)
            for measure in ("weight", "norm")
        )
        assert_gap(gap_of(claims.NO_OP, "MRPC"), ("weight", "norm"), plain - norm)
        gap = gap_of(claims.NO_OP_WORDS, "MRPC")
        assert gap["first"] == "noun"
        assert gap["second"] in (CLS, SEP)
        sides = (per_example(gap[side], **key, measure="norm") for side in ("first", "second"))
        assert_gap(gap, (gap["first"], gap["second"]), np.subtract(*sides))

    def test_sure_rows_are_those_of_the_sure_examples_alone(self):
        alone = claims.gaps(feature_weights(ONE_SEED[ONE_SEED["sure"]]))
        sides = (rows_of(GAPS, kept=SURE), rows_of(alone, kept=ALL))
        pd.testing.assert_frame_equal(*(side.drop(columns="kept").reset_index(drop=True) for side in sides))
        assert set(claims.gaps(feature_weights(ONE_SEED.assign(sure=False)))["kept"]) == {ALL}

    def test_a_feature_of_few_examples_is_no_rival(self):
        words = WORD_WEIGHTS | {"negation": 0.2}
        for share, expected in ((0.1, "noun"), (0.9, "negation")):
            table = features_of(("RTE",), n_examples=30, words=words, present={"negation": share})
            assert gap_of(claims.STRIPES, "RTE", table=claims.gaps(feature_weights(table)))["second"] == expected
        few = claims.gaps(feature_weights(features_of(n_examples=6)))
        assert set(few["claim"]) == {claims.CLS_EARLY, claims.SEP_LATE, claims.NEGLIGIBLE, claims.NO_OP}

    def test_seeds_share_a_rival_though_each_has_another_closest(self):
        table = features_of(("RTE",), seeds=(0, 1), n_examples=30, words=dict.fromkeys(WORD_WEIGHTS, 0.05))
        for seed, feature, step in ((0, "noun", 0.04), (1, "verb", 0.06)):
            table.loc[(table["checkpoint"] == AFTER) & (table["seed"] == seed), feature] += np.float32(step)
        found = rows_of(claims.gaps(feature_weights(table)), claim=claims.STRIPES, checkpoint=AFTER, kept=ALL)
        assert found[["seed", "second"]].to_numpy().tolist() == [[0, "verb"], [1, "verb"]]

    def test_claims_on_tasks_and_norms_that_are_not_there_are_left_out(self):
        of_one = {claims.SEP_MOST, claims.SEP_MOST_SUM}
        pairs, alone = (
            set(claims.gaps(feature_weights(features_of(tasks)))["claim"]) for tasks in (("RTE", "STS-B"), ("SST-2",))
        )
        assert claims.NEGLIGIBLE in pairs
        assert not of_one & pairs
        assert not {claims.NEGLIGIBLE, *of_one} & alone
        unknown = ONE_SEED.copy()
        unknown.loc[unknown["measure"] == "norm", list(FEATURE_COLUMNS)] = np.nan
        for table in (unknown, ONE_SEED[ONE_SEED["measure"] != "norm"]):
            expected = set(GAPS["claim"]) - {claims.NO_OP, claims.NO_OP_WORDS}
            assert set(claims.gaps(feature_weights(table))["claim"]) == expected

    def test_one_layer_cannot_be_early_or_late(self):
        with pytest.raises(InputError, match="has 1 layer"):
            claims.gaps(feature_weights(features_of(("RTE",), n_layers=1)))


def verdicts(run, claim, **options):
    table = rows_of(claims.judged(run, **options), claim=claim)
    return dict(zip(table["task"], table["verdict"], strict=True))


class TestVerdicts:
    @pytest.mark.parametrize(
        ("claim", "options", "expected"),
        [
            (claims.CLS_EARLY, {}, "holds"),
            (claims.CLS_EARLY, {"cls": (0.1, 0.4)}, "does not hold"),
            (claims.CLS_EARLY, {"cls": (0.2, 0.2), "seed": 1}, "cannot tell"),
            (claims.SEP_LATE, {"sep": (0.4, 0.1)}, "does not hold"),
            (claims.SEP_LATE, {"sep": (0.2, 0.2), "seed": 1}, "cannot tell"),
            (claims.STRIPES, {}, "holds"),
            (claims.STRIPES, {"cls": (0.03, 0.02), "sep": (0.02, 0.03)}, "does not hold"),
            (claims.STRIPES, {"cls": (0.06, 0.06), "sep": (0.02, 0.03)}, "cannot tell"),
            (claims.STRIPES_PUNCTUATION, {}, "holds"),
            (claims.STRIPES_PUNCTUATION, {"cls": (0.07, 0.07), "sep": (0.02, 0.03)}, "does not hold"),
            (claims.NO_OP, {}, "holds"),
            (claims.NO_OP, {"norm_factors": {CLS: 1.5, SEP: 1.5}}, "does not hold"),
            (claims.NO_OP_WORDS, {}, "holds"),
            (claims.NO_OP_WORDS, {"norm_factors": {}}, "does not hold"),
        ],
    )
    def test_planted_effects(self, claim, options, expected):
        assert verdicts(measured(("RTE",), **options), claim) == {"RTE": expected}

    def test_separators_of_sst2(self):
        for extra, summed in ((0.3, "holds"), (0.05, "does not hold")):
            run = measured(sep_of_tasks={"SST-2": extra})
            assert verdicts(run, claims.SEP_MOST) == {"SST-2": "holds"}
            assert verdicts(run, claims.SEP_MOST_SUM) == {"SST-2": summed}

    def test_increases_are_judged_by_corrected_p(self):
        table = claims.judged(RUN).set_index(["claim", "task", "first"])["verdict"]
        assert table[claims.MORE_WORDS, "MRPC", "noun"] == "holds"
        assert table[claims.MORE_WORDS, "MRPC", "object"] == "does not hold"
        assert table[claims.MORE_NEGATION, "QNLI", "negation"] == "holds"
        unclear = replace(RUN, changes=RUN.changes.assign(p=0.02))  # significant alone, not among thirty
        for claim in (claims.MORE_WORDS, claims.MORE_NEGATION):
            assert set(verdicts(unclear, claim).values()) == {"cannot tell"}

    def test_an_increase_above_five_per_cent_is_not_negligible(self):
        # Special tokens get 0.625 of the attention here, five per cent of which are 0.031.
        for gain, expected in ((0.01, "holds"), (0.06, "does not hold"), (0.03125, "cannot tell")):
            run = measured(("QNLI",), gains={("QNLI", "negation"): gain})
            assert verdicts(run, claims.NEGLIGIBLE) == {"QNLI": expected}

    def test_what_cls_attends_to(self):
        assert verdicts(RUN, claims.CLS_TO) == {"SST-2": "holds", "QNLI": "holds", "MRPC": "holds"}
        run = measured(from_cls={("MRPC", "punctuation"): 0.5})
        assert verdicts(run, claims.CLS_TO) == {"SST-2": "holds", "QNLI": "does not hold", "MRPC": "does not hold"}

    def test_readings(self):
        table = claims.judged(measured(n_examples=60))
        lower, picture = (rows_of(table, claim=claim) for claim in (claims.RARE_LOWER, claims.SAME_PICTURE))
        assert set(lower["first"]) == {"pronoun"}
        assert lower["verdict"].eq("holds").all()
        assert len(picture) == 3 * 7  # special tokens are found alike, so they are no evidence
        assert "holds" not in set(picture["verdict"])  # the made-up heads differ by noise alone
        table = rows_of(features_of(("RTE",), n_heads=12, n_layers=6), reading="paper")
        same = rows_of(table, measure="weight").assign(reading="released")
        same = same.fillna(dict.fromkeys(("pronoun", "object", "negation"), 0))
        run = claims.feature_tables(feature_weights(pd.concat([table, same])))
        assert set(verdicts(run, claims.SAME_PICTURE).values()) == {"holds"}

    def test_before_fine_tuning(self):
        run = measured(("RTE",), gains={("RTE", "noun"): 0.5})
        assert verdicts(run, claims.STRIPES) == {"RTE": "does not hold"}
        assert verdicts(run, claims.STRIPES, checkpoint=BEFORE) == {"RTE": "holds"}

    def test_several_seeds_are_averaged(self):
        table = claims.judged(SEEDS)
        assert not table.duplicated(["claim", "task", "first"]).any()
        assert set(table["claim"]) == set(claims.CLAIMS)
        own = rows_of(SEEDS.gaps, claim=claims.CLS_EARLY, kept=ALL, checkpoint=AFTER).groupby("task")["mean"].mean()
        found = rows_of(table, claim=claims.CLS_EARLY).set_index("task")["mean"]
        assert found.to_dict() == pytest.approx(own.to_dict())

    def test_changes_over_seeds_are_corrected_together(self):
        table, of_seeds = claims.averaged_changes(SEEDS), rows_of(SEEDS.changes, kept=ALL)
        assert len(table) == len(of_seeds) / 3
        assert table["p_corrected"].to_numpy() == pytest.approx(holm(table["p"]))
        one = rows_of(of_seeds, seed=1)
        alone = claims.averaged_changes(replace(SEEDS, changes=one))
        assert alone["p_corrected"].to_numpy() == pytest.approx(one["p_corrected"].to_numpy())


class TestTables:
    def test_claims_of_two_runs(self, tmp_path):
        table = claims.claims_table(RUN, SEEDS)
        assert table.columns.tolist() == ["claim", "paper", "reference run", "this run"]
        assert table["claim"].tolist() == list(claims.CLAIMS)
        cells = table.set_index("claim")["this run"]
        assert cells[claims.STRIPES] == "holds: 3, does not hold: 0, cannot tell: 0"
        assert cells[claims.MORE_WORDS] == "holds: 1, does not hold: 1, cannot tell: 0"
        assert cells[claims.MORE_NEGATION].startswith("holds (by 3.")
        assert cells[claims.SEP_MOST_SUM].startswith("does not hold (by -")
        assert claims.claims_table(SEEDS, RUN)["this run"].tolist() == table["reference run"].tolist()
        alone = claims.claims_table(RUN)
        assert alone["reference run"].isna().all()
        run = Store(tmp_path).run("reference")
        RUN.save(run, task="three of them")
        pd.testing.assert_frame_equal(claims.claims_table(claims.FeatureTables.find(run)), alone)

    def test_claims_that_a_run_cannot_ask_are_left_out(self):
        small = measured(("STS-B",))
        absent = {*claims.OF_ONE_TASK, claims.MORE_WORDS, claims.NEGLIGIBLE}
        assert set(claims.claims_table(small)["claim"]) == set(claims.CLAIMS) - absent
        table = claims.claims_table(small, RUN).set_index("claim")
        assert table.loc[list(absent), "this run"].isna().all()
        assert table["reference run"].notna().all()
        tiny = set(claims.claims_table(measured(n_examples=3, seeds=(0, 1)))["claim"])
        assert claims.CLS_EARLY in tiny
        assert claims.STRIPES not in tiny

    def test_a_verdict_that_rests_on_unsure_sentences_changes(self):
        table = features_of(("RTE",), n_examples=60, sure=0.5)
        table.loc[~table["sure"] & (table["checkpoint"] == AFTER), "noun"] += np.float32(0.02)
        run = claims.feature_tables(feature_weights(table))
        found = claims.sure_table(run).set_index(["claim", "feature"])
        assert set(found.index.get_level_values("claim")) == set(claims.OF_SENTENCES) - {claims.MORE_NEGATION}
        row = found.loc[(claims.MORE_WORDS, "noun")]
        assert row["all"].startswith("holds (")
        assert row["sure"].startswith("cannot tell (")
        n_changed = (~found["is_same"]).sum()
        assert claims.sure_finding(run).startswith(f"{n_changed} of {len(found)} verdicts change")
        summary = claims.sure_summary(run).set_index("claim")
        assert (summary["compared"].sum(), summary["the same"].sum()) == (len(found), len(found) - n_changed)
        assert summary.loc[claims.MORE_WORDS, "changed"].startswith(f"RTE noun: {row['all']}, then {row['sure']}")
        words = found[["all", "sure"]].map(lambda text: text.split(" (")[0])
        assert (words["all"].eq(words["sure"]) == found["is_same"]).all()

    def test_without_sure_sentences_there_is_nothing_to_compare(self):
        run = measured(("RTE",), sure=0.0)
        assert claims.sure_finding(run) == "0 of 0 verdicts change where only sure sentences count"
        assert claims.sure_summary(run).empty

    def test_claims_by_task(self):
        table = claims.by_task(RUN)
        assert table.columns.tolist() == ["claim", "task", "compared", "difference", "verdict"]
        assert table.loc[table["claim"] != "", "claim"].tolist() == [
            claim for claim in claims.CLAIMS if claim in claims.ON_TASKS
        ]
        (row,) = rows_of(
            table.assign(claim=table["claim"].replace("", None).ffill()), claim=claims.CLS_EARLY, task="QNLI"
        )[["compared", "difference", "verdict"]].to_numpy()
        assert (row[0], row[2]) == ("layer 1 with layer 3", "holds")
        assert row[1].startswith(("29.", "30."))
        asked = [claims.MORE_WORDS, claims.SAME_PICTURE]
        judged = claims.judged(RUN, BEFORE)
        chosen_claims = claims.by_task(RUN, BEFORE, asked)
        assert chosen_claims["verdict"].tolist() == judged.loc[judged["claim"].isin(asked), "verdict"].tolist()

    def test_increases_with_their_verdicts(self):
        table = claims.increase_table(RUN, RUN).set_index(["feature", "task"])
        assert table.index.tolist() == [("noun", "MRPC"), ("object", "MRPC"), ("negation", "QNLI")]
        assert table["reference run"].tolist() == table["this run"].tolist()
        assert table.loc[("noun", "MRPC"), "this run"].startswith(("+1.", "+0.9"))
        assert table["an increase?"].tolist() == ["holds", "does not hold", "holds"]
        assert claims.increase_table(RUN)["reference run"].isna().all()
        assert claims.increase_table(measured(("STS-B",))).empty

    def test_targets_of_cls(self):
        table = claims.target_table(RUN, SEEDS).set_index("task")
        assert table["paper"].to_dict() == {"SST-2": SEP, "QNLI": "punctuation", "MRPC": SEP}
        row = table.loc["QNLI"]
        assert row["this run"].startswith("punctuation 5")
        assert row["runner-up"].startswith("[SEP] 4")
        assert row["reference run"].startswith("[SEP] 4")
        assert table["[CLS] to itself"]["MRPC"].startswith(("9.", "10."))
        assert claims.target_table(RUN)["reference run"].isna().all()
        few = replace(RUN, layers=RUN.layers.assign(n_examples=9))
        assert claims.targets(few).empty
        assert claims.target_table(few, RUN).empty
        assert claims.target_finding(few).endswith("on 0 of 0 tasks")

    def test_lengths_name_the_limits(self):
        lengths = pd.DataFrame({"task": ["RTE"], "n_examples": [277], "n_longer": [33], "n_longer_than_released": [2]})
        assert claims.lengths_table(lengths).iloc[0].to_dict() == {
            "task": "RTE",
            "inputs": 277,
            "longer than 128 tokens": 33,
            "longer than 200 tokens": 2,
        }

    def test_titles_say_what_was_found(self):
        assert claims.layer_finding(RUN) == "[CLS] gets most attention in layer 1, [SEP] in layer 3"
        assert claims.stripe_finding(RUN).endswith("any kind of word on 3 of 3 tasks")
        assert claims.increase_finding(RUN).startswith("Fine-tuning raises 2 of 3 weights")
        assert claims.target_finding(RUN) == "In the last layer [CLS] attends most to [SEP] on 2 of 3 tasks"
        reading = claims.reading_finding(RUN)
        assert re.fullmatch(r"The released notebook puts the weight of negation \d+ % lower", reading)
        special = 100 * rows_of(RUN.special, checkpoint=AFTER).groupby("measure")["mean"].mean()
        assert claims.norm_finding(RUN) == (
            f"Special tokens get {special['weight']:.0f} % of the attention, {special['norm']:.0f} % weighted by norms"
        )
        table = features_of(("STS-B",))
        run = claims.feature_tables(feature_weights(table[table["measure"] != "norm"]))
        assert "norms" not in claims.norm_finding(run)
        assert claims.increase_finding(run) == "On these tasks the paper names no increase by fine-tuning"


@cache
def drawn_run(tasks=TASKS, seeds=(0,)):
    return measured(tasks, n_examples=12, seeds=seeds)


@cache
def head_changes(tasks=TASKS, seeds=(0,)):
    return features.changes(features.plain(feature_weights(features_of(tasks, n_examples=12, seeds=seeds))), HEADS)


def plain_layers(run):
    return run.layers[run.layers["measure"] == WEIGHT]


CHARTS = {  # and the tables that they draw
    "head_chart": lambda *of: (drawn_run(*of).heads, head_changes(*of)),
    "layer_chart": lambda *of: (plain_layers(drawn_run(*of)),),
    "increase_chart": lambda *of: (claims.averaged_changes(drawn_run(*of)),),
    "share_chart": lambda *of: (drawn_run(*of).special,),
    "cls_chart": lambda *of: (claims.targets(drawn_run(*of)),),
    "reading_chart": lambda *of: (drawn_run(*of).readings,),
}


def draw(name, tables, title="A finding"):
    return getattr(features, name)(*tables, title)


def offered(chart):
    return {one["name"]: one for one in chart.to_dict().get("params", [])}


@pytest.mark.parametrize("name", CHARTS)
class TestEveryChart:
    mine, other = ("QNLI", "RTE"), ("QNLI", "MRPC")  # tasks

    @pytest.mark.parametrize("of", [(("QNLI",),), (tuple(glue.TASKS),), (("QNLI",), (0, 1))], ids=["one", "7", "seeds"])
    def test_it_draws_its_title_and_fits_a_phone(self, name, of):
        title = "[CLS] early, [SEP] late: holds on 7 of 7 tasks, in this run and in the reference run"
        drawn = svg_of(draw(name, CHARTS[name](*of), title))
        assert "[CLS] early, [SEP] late" in drawn
        assert charts.WIDTH < float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= PHONE

    def test_every_quantity_has_the_books_scale(self, name):
        for channel in parts(draw(name, CHARTS[name]()).to_dict(), "color"):
            if isinstance(channel, dict) and channel.get("field") in ("feature", "task", "reading", "measure"):
                assert channel["scale"] == charts.SCALES[channel["field"]].to_dict()

    def test_a_menu_chooses_between_two_runs(self, name):
        tables = zip(CHARTS[name](self.mine), CHARTS[name](self.other), strict=True)
        chart = draw(name, [side_by_side(*pair) for pair in tables])
        menu = offered(chart)["chosen_run"]
        assert (menu["value"], menu["bind"]["options"]) == ("this run", ["this run", "reference run"])
        assert menu["bind"]["name"] == "Run "
        has_tasks = "chosen_task" in offered(chart)
        for run, tasks in (("this run", self.mine), ("reference run", self.other)):
            svgs = [chosen(chart, run=run, **({"task": task} if has_tasks else {})) for task in tasks]
            assert {task for svg in svgs for task in re.findall(r"task: ([\w-]+)", svg)} == set(tasks)
        if has_tasks:  # a task that the chosen run lacks leaves an empty chart
            drawn = chosen(chart, run="this run", task="MRPC")
            assert "A finding" in drawn
            assert "task: " not in drawn

    def test_one_run_needs_no_menu(self, name):
        assert "chosen_run" not in offered(draw(name, [side_by_side(table) for table in CHARTS[name](self.mine)]))


def assert_told(marks, legend, table, column=TOLD):
    """Marks coloured by what a legend calls `legend` tell each head's mean under the name `column`."""
    told = {(int(mark["layer"]), int(mark["head"])): mark[column] for mark in marks if legend in mark}
    found = {place: float(text.split(" ")[0].replace("\u2212", "-")) for place, text in told.items()}
    assert found == {(row.layer + 1, row.head + 1): pytest.approx(row.mean, abs=1.1e-4) for row in table.itertuples()}


class TestHeadChart:
    CHANGE = "change of the weight by fine-tuning"

    def test_it_has_the_weights_of_both_checkpoints_and_the_change(self):
        chart = draw("head_chart", CHARTS["head_chart"]())
        values = {name: one["value"] for name, one in offered(chart).items()}
        assert values == {"chosen_task": TASKS[0], "chosen_feature": CLS, "chosen_checkpoint": "fine-tuned"}
        for checkpoint, feature in (("pre-trained", "noun"), ("fine-tuned", SEP)):
            case = {"task": "QNLI", "feature": feature}
            marks = labels(chosen(chart, **case, checkpoint=checkpoint), "rect mark")
            assert_told(marks, "attention weight", rows_of(drawn_run().heads, **case, checkpoint=checkpoint), "mean")
            assert_told(marks, self.CHANGE, rows_of(head_changes(), **case))

    def test_seeds_are_averaged(self):
        of = (("QNLI",), (0, 1))
        heads = rows_of(drawn_run(*of).heads, feature="noun", checkpoint="fine-tuned")
        means = heads.groupby(["layer", "head"])["mean"].mean().reset_index()
        assert len(heads) == 2 * len(means)
        marks = labels(chosen(draw("head_chart", CHARTS["head_chart"](*of)), feature="noun"), "rect mark")
        assert_told(marks, "attention weight", means, "mean")

    def test_a_reference_run_without_examples_has_changes_without_intervals(self):
        heads, theirs = drawn_run().heads, features.change_of_means(drawn_run().heads)
        chart = draw("head_chart", (side_by_side(heads, heads), side_by_side(head_changes(), theirs)))
        case = {"task": "QNLI", "feature": "noun"}
        for run, table in (("this run", head_changes()), ("reference run", theirs)):
            marks = labels(chosen(chart, run=run, **case), "rect mark")
            assert_told(marks, self.CHANGE, rows_of(table, **case))
            assert {"±" in mark[TOLD] for mark in marks if self.CHANGE in mark} == {run == "this run"}

    def test_seven_tasks_of_a_small_model_keep_a_page_small(self):
        plain = features.plain(feature_weights(features_of(TASKS[:1], n_examples=3, n_layers=6, n_heads=12)))
        tables = (features.means(plain, HEADS), features.changes(plain, HEADS))
        tables = (pd.concat([table.assign(task=task) for task in glue.TASKS]) for table in tables)
        chart = draw("head_chart", [side_by_side(table, table) for table in tables])
        assert len(json.dumps(chart.to_dict(), separators=(",", ":"))) < 450_000


class TestOtherCharts:
    def test_special_tokens_have_bands_and_every_curve_both_checkpoints(self):
        table = plain_layers(drawn_run(("QNLI",)))
        chart = draw("layer_chart", [table])
        drawn = svg_of(chart)
        assert drawn.count('aria-roledescription="area mark"') == 3 * 2
        assert drawn.count('aria-roledescription="line mark"') == len(FEATURE_COLUMNS) * 2
        assert drawn.count('aria-roledescription="point"') == len(FEATURE_COLUMNS) * 2 * 3
        ((bottom, top),) = {tuple(one["scale"]["domain"]) for one in parts(chart.to_dict(), "y")}  # whatever is chosen
        assert bottom == 0
        assert 0 <= top - table["high"].max() < 0.1

    def test_both_measures_and_checkpoints_are_curves(self):
        drawn = svg_of(draw("share_chart", CHARTS["share_chart"](("QNLI",))))
        assert drawn.count('aria-roledescription="line mark"') == drawn.count('aria-roledescription="area mark"') == 4
        assert all(f">{name}<" in drawn for name in charts.SCALES["measure"].domain)

    def test_changes_that_may_be_nothing_are_hollow_and_special_tokens_have_their_own_axis(self):
        table = claims.averaged_changes(drawn_run()).assign(p_corrected=0.2)
        table.loc[table["feature"] == "noun", "p_corrected"] = 0.01
        chart = draw("increase_chart", [table])
        drawn = svg_of(chart)
        assert len(labels(drawn, "point")) == len(table)
        hollow = re.findall(r'aria-label="([^"]*)"[^>]*aria-roledescription="point"[^>]*fill="white"', drawn)
        assert len(hollow) == len(table) - len(TASKS)
        assert not any("feature: noun" in label for label in hollow)
        specification = chart.to_dict()
        shown = [
            {row["feature"] for row in specification["datasets"][layer["data"]["name"]]}
            for part in specification["vconcat"]
            for layer in part["layer"]
            if layer["mark"]["type"] == "point"
        ]
        assert shown == [set(FEATURE_COLUMNS) - set(features.SPECIAL_TOKENS), set(features.SPECIAL_TOKENS)]

    def test_what_cls_attends_to_is_drawn_with_intervals(self):
        (table,) = CHARTS["cls_chart"]()
        points = labels(svg_of(draw("cls_chart", [table])), "point")
        found = {(point["task"], point["feature"]): float(point["attention weight"]) for point in points}
        assert found == {(row.task, row.feature): pytest.approx(row.mean, abs=1.1e-4) for row in table.itertuples()}

    def test_both_readings_of_a_task_are_drawn(self):
        case = {"task": "QNLI", "checkpoint": "pre-trained"}
        drawn = chosen(draw("reading_chart", CHARTS["reading_chart"]()), **case)
        assert drawn.count(">released<") == 1  # one legend for colour and shape
        points, table = labels(drawn, "point"), rows_of(drawn_run().readings, **case).set_index("feature")
        assert len(points) == 2 * len(table)
        for point in points:
            told = [float(point[reading]) for reading in ("paper", "released")]
            assert told == pytest.approx(table.loc[point["feature"], ["paper", "released"]].tolist(), abs=1.1e-4)

    def test_every_feature_has_a_colour_that_stands_out_from_a_light_card(self):
        scale = charts.SCALES["feature"].to_dict()
        assert scale["domain"] == list(FEATURE_COLUMNS)
        assert len(set(scale["range"])) == len(FEATURE_COLUMNS)
        for colour in scale["range"]:
            channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
            linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
            luminance = sum(part * share for part, share in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
            assert 1.05 / (luminance + 0.05) > 3
