"""Annotated maps: counts against loops, agreement and scores against scikit-learn, the cross-validated classifier."""

import itertools
import math
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.annotated_maps import PATTERNS, AttentionMap
from darksecrets.errors import InputError
from darksecrets.figures import charts
from darksecrets.sections import map_labels
from darksecrets.sections.map_labels import ALL_PATTERNS, BETWEEN, METHODS, N_FOLDS, RESCALED_TO, interpretable
from darksecrets.statistics import resampled
from tests.pattern_maps import SEEDS, layouts, random_map
from tests.pattern_tables import labels_of, predictions_of
from tests.unit.test_charts import PHONE, svg_of

LABELS = labels_of().assign(
    sitting=lambda table: table["id"] % 3 + 1,
    task=lambda table: [("RTE", "MRPC", "MNLI")[number % 3] for number in table["example"]],
    n_tokens=lambda table: 10 + table["id"] % 50,
)
ROWS = list(LABELS.itertuples())


def test_sources_count_draws_checkpoints_and_tokens_in_the_papers_order():
    table = map_labels.sources(LABELS).set_index("task")
    assert table.index.tolist() == ["MRPC", "RTE", "MNLI", "all"]
    for task in table.index:
        of_task = [row for row in ROWS if task in (row.task, "all")]
        expected = Counter(f"{row.draw}, {row.checkpoint}" for row in of_task)
        assert table.loc[task, list(expected)].to_dict() == expected
        assert table.loc[task, "maps"] == len(of_task)
        lengths = sorted(row.n_tokens for row in of_task)
        assert (table.loc[task, "tokens, min"], table.loc[task, "tokens, max"]) == (lengths[0], lengths[-1])
        assert table.loc[task, "tokens, median"] == pytest.approx(lengths[len(lengths) // 2], abs=1)


def test_each_sitting_has_its_own_agreement_and_the_last_row_that_of_all():
    table = map_labels.sittings(LABELS)
    assert table["sitting"].tolist() == ["1", "2", "3", "all"]
    for row in table.itertuples():
        part = LABELS[[row.sitting in (str(number), "all") for number in LABELS["sitting"]]]
        assert row.maps == len(part)
        assert row.alike == pytest.approx((part["first"] == part["second"]).mean())
        assert row.kappa == pytest.approx(cohen_kappa_score(part["first"], part["second"]))
        assert row.low < row.kappa < row.high


def test_the_cross_table_has_every_pair_of_labels_and_patterns_that_nobody_gave():
    expected = Counter((row.first, row.second) for row in ROWS)
    table = map_labels.cross(LABELS)
    assert table.columns.tolist() == ["first", *(pattern.replace("+", " + ") for pattern in PATTERNS)]
    table = table.set_index("first").set_axis(PATTERNS, axis="columns")
    assert table.stack().to_dict() == {pair: expected[pair] for pair in itertools.product(PATTERNS, PATTERNS)}
    alike = map_labels.cross(LABELS[(LABELS[["first", "second"]] == "Vertical").all(axis=1)])
    assert alike["first"].tolist() == list(PATTERNS)
    assert alike["Vertical"].tolist()[1:] == [0] * 4


def test_decisions_say_for_whom_it_was_decided_whoever_gave_which():
    table = map_labels.decisions(LABELS)
    assert table["maps"].is_monotonic_decreasing
    for row in table.itertuples():
        former, latter = row.labels.split(" or ")
        assert PATTERNS.index(former) < PATTERNS.index(latter)
        agreed = Counter(one.pattern for one in ROWS if {one.first, one.second} == {former, latter})
        third = agreed.total() - agreed[former] - agreed[latter]
        assert (row.maps, row.former, row.latter, row.third) == (agreed.total(), agreed[former], agreed[latter], third)
    assert table["maps"].sum() == sum(row.first != row.second for row in ROWS)
    assert table["third"].sum() > 0


def test_the_sample_spreads_over_the_kinds_of_difference():
    n = 12
    kinds = Counter((row.first, row.second) for row in ROWS if row.first != row.second)
    sample = map_labels.sample_of_differing(LABELS, n)
    found = Counter(zip(sample["first"], sample["second"], strict=True))
    assert len(sample) == sample["id"].nunique() == n
    assert found.keys() <= kinds.keys()
    for kind, count in found.items():
        assert abs(count - n * kinds[kind] / kinds.total()) < 2
    order = [kinds[kind] for kind in zip(sample["first"], sample["second"], strict=True)]
    assert order == sorted(order, reverse=True)
    every = map_labels.sample_of_differing(LABELS, len(LABELS))
    pd.testing.assert_frame_equal(every.sort_index(), LABELS[LABELS["first"] != LABELS["second"]])


def test_counts_are_those_of_a_loop():
    table = map_labels.counts(LABELS).set_index("pattern")
    assert table.index.tolist() == list(PATTERNS)
    for pattern, row in table.iterrows():
        rows = [one for one in LABELS.itertuples() if one.pattern == pattern]
        assert row["first"] == sum(one.first == pattern for one in LABELS.itertuples())
        assert row["second"] == sum(one.second == pattern for one in LABELS.itertuples())
        assert row["agreed"] == len(rows)
        assert [row["main"], row["supplement"]] == [
            sum(one.draw == draw for one in rows) for draw in ("main", "supplement")
        ]
        assert row["n_heads"] == len({(one.layer, one.head) for one in rows})
    unused = map_labels.counts(LABELS.replace({"Block": "Vertical"})).set_index("pattern")
    assert unused.loc["Block"].eq(0).all()


RIGHT = {"network": 0.85, "baseline": 0.6}
PREDICTIONS = predictions_of(LABELS, RIGHT)
PLAIN = {
    "macro F1": lambda true, predicted: f1_score(true, predicted, average="macro", labels=np.unique(true)),
    "weighted F1": lambda true, predicted: f1_score(true, predicted, average="weighted"),
    "accuracy": accuracy_score,
}


def predicted(method, repeat, labels=LABELS):
    """Predicted patterns in the order of the labels."""
    chosen = PREDICTIONS[(PREDICTIONS["method"] == method) & (PREDICTIONS["repeat"] == repeat)]
    return labels["id"].map(chosen.set_index("id")[list(PATTERNS)].idxmax(axis=1)).to_numpy()


def slow_interval(statistic, labels, n_resamples=60):
    """Percentiles of a statistic of row numbers, of the first draws that the library makes, head by head."""
    rows_of = [
        rows.to_numpy() for rows in labels.reset_index().groupby(["layer", "head"])["index"].unique().map(pd.Series)
    ]
    values = []
    for weights in resampled(len(rows_of), n_resamples=n_resamples):
        rows = [row for rows, times in zip(rows_of, weights, strict=True) for _ in range(int(times)) for row in rows]
        values.append(statistic(rows))
    return np.nanquantile(values, [0.025, 0.975])


@pytest.fixture
def few_resamples(monkeypatch):
    """Sixty resamples, so that a slow version can make the same."""
    monkeypatch.setattr(map_labels, "resampled", lambda n: resampled(n, n_resamples=60))


class TestAgreement:
    @pytest.mark.parametrize("pattern", [ALL_PATTERNS, *PATTERNS])
    def test_kappa_is_that_of_scikit_learn(self, pattern, few_resamples):
        table = map_labels.agreement(LABELS).set_index("pattern")
        sides = [LABELS[name].to_numpy() for name in ("first", "second")]
        if pattern != ALL_PATTERNS:
            sides = [side == pattern for side in sides]
            assert table["n"][pattern] == np.logical_or(*sides).sum()
        assert table["kappa"][pattern] == pytest.approx(cohen_kappa_score(*sides))
        expected = slow_interval(lambda rows: cohen_kappa_score(*(side[rows] for side in sides)), LABELS)
        assert tuple(table.loc[pattern, ["low", "high"]]) == pytest.approx(tuple(expected))
        assert table.index.tolist() == [ALL_PATTERNS, *PATTERNS]
        assert table["n"].iloc[0] == len(LABELS)

    def test_equal_annotators_agree_fully_and_independent_ones_by_chance(self):
        same = map_labels.agreement(LABELS.assign(second=LABELS["first"]))
        assert same["kappa"].tolist() == [1.0] * 6
        alone = labels_of(per_head=60, slips=1.0)
        assert map_labels.agreement(alone)["kappa"].abs().max() < 0.1

    def test_an_unused_pattern_has_no_kappa(self):
        table = map_labels.agreement(LABELS.replace({"Block": "Vertical"})).set_index("pattern")
        assert table["n"]["Block"] == 0
        assert table.loc["Block", ["kappa", "low", "high"]].isna().all()
        assert table.drop("Block").notna().all(axis=None)

    def test_maps_of_a_head_count_as_one_draw(self):
        # Nine copies of each map say nothing new: with heads drawn whole, the interval stays as it is.
        once = map_labels.agreement(LABELS)
        copies = map_labels.agreement(pd.concat([LABELS] * 9))
        pd.testing.assert_frame_equal(copies.drop(columns="n"), once.drop(columns="n"))

    def test_one_head_has_no_interval(self):
        table = map_labels.agreement(labels_of(1, 1, per_head=80))
        assert table["kappa"].notna().all()
        assert table[["low", "high"]].isna().all(axis=None)

    def test_an_unknown_label_is_refused(self):
        with pytest.raises(InputError, match="'Blok' is unknown"):
            map_labels.agreement(LABELS.replace({"second": {"Block": "Blok"}}))


class TestScores:
    @pytest.mark.parametrize("metric", PLAIN)
    def test_scores_are_those_of_scikit_learn(self, metric, few_resamples):
        table = map_labels.scores(PREDICTIONS, LABELS).set_index(["metric", "method"]).loc[metric]
        agreed, first, second = (LABELS[name].to_numpy() for name in ("pattern", "first", "second"))
        pairs = {method: [(agreed, predicted(method, repeat)) for repeat in range(2)] for method in RIGHT}
        pairs[BETWEEN] = [(first, second)]
        assert sorted(table.index) == sorted(pairs)
        for method, sides in pairs.items():

            def averaged(rows, sides=sides):
                return np.mean([PLAIN[metric](true[rows], other[rows]) for true, other in sides])

            expected = [averaged(np.arange(len(LABELS))), *slow_interval(averaged, LABELS)]
            assert table.loc[method, ["mean", "low", "high"]].tolist() == pytest.approx(expected)

    @pytest.mark.parametrize("metric", PLAIN)
    def test_the_difference_is_paired(self, metric, few_resamples):
        table = map_labels.difference(PREDICTIONS, LABELS).set_index("metric")
        agreed = LABELS["pattern"].to_numpy()
        sides = {method: [predicted(method, repeat) for repeat in range(2)] for method in RIGHT}

        def gain(rows):
            found = [np.mean([PLAIN[metric](agreed[rows], side[rows]) for side in sides[method]]) for method in RIGHT]
            return found[0] - found[1]

        expected = [gain(np.arange(len(LABELS))), *slow_interval(gain, LABELS)]
        assert table.loc[metric].tolist() == pytest.approx(expected)

    def test_patterns_are_scored_one_by_one(self):
        table = map_labels.per_pattern(PREDICTIONS, LABELS).set_index(["method", "pattern"])
        for method in RIGHT:
            found = [
                precision_recall_fscore_support(LABELS["pattern"], predicted(method, repeat), labels=PATTERNS)
                for repeat in range(2)
            ]
            for place, name in enumerate(("precision", "recall", "f1")):
                expected = np.mean([one[place] for one in found], axis=0)
                assert table.loc[method, name].tolist() == pytest.approx(expected.tolist())
            assert table.loc[method, "n"].tolist() == found[0][3].tolist()

    def test_a_pattern_never_predicted_has_no_precision(self):
        never = PREDICTIONS.assign(Block=-1.0)
        row = map_labels.per_pattern(never, LABELS).set_index(["method", "pattern"]).loc[("network", "Block")]
        assert math.isnan(row["precision"])
        assert row["recall"] == row["f1"] == 0

    @pytest.mark.parametrize("method", RIGHT)
    def test_confusion_is_that_of_scikit_learn(self, method):
        table = map_labels.confusion(PREDICTIONS, LABELS, method)
        expected = np.mean(
            [
                confusion_matrix(LABELS["pattern"], predicted(method, repeat), labels=PATTERNS, normalize="true")
                for repeat in range(2)
            ],
            axis=0,
        )
        np.testing.assert_allclose(table, expected)
        assert (table.index.name, table.columns.name) == ("agreed", "predicted")
        assert table.index.tolist() == table.columns.tolist() == list(PATTERNS)

    def test_missing_doubled_and_foreign_predictions_are_refused(self):
        for wrong in (
            PREDICTIONS.iloc[1:],
            pd.concat([PREDICTIONS, PREDICTIONS.head(1)]),
            PREDICTIONS.assign(id=PREDICTIONS["id"] + 1),
        ):
            with pytest.raises(ValueError, match="has not one prediction for each of 120 maps"):
                map_labels.scores(wrong, LABELS)
        with pytest.raises(ValueError, match="no predictions by 'forest'"):
            map_labels.confusion(PREDICTIONS, LABELS, "forest")

    def test_rescaled_maps_that_change_class_are_counted_by_length(self):
        network = predictions_of(LABELS, {"network": 1.0}).assign(rescaled_to=0)
        changed = set(LABELS["id"][:12])
        shorter, longer = network.assign(rescaled_to=24), network.assign(rescaled_to=48)
        columns = list(PATTERNS)
        rows = shorter["id"].isin(changed)
        shorter.loc[rows, columns] = np.roll(shorter.loc[rows, columns].to_numpy(), 1, axis=1)
        baseline = network.assign(method="baseline")
        table = map_labels.rescaled(pd.concat([network, shorter, longer, baseline]), LABELS).set_index("brought to")
        share = 12 / len(LABELS)
        expected = {"24 tokens": share, "48 tokens": 0, "48 tokens, from 24": share}
        assert table["mean"].to_dict() == pytest.approx(expected)
        assert table.loc["24 tokens", "low"] <= share <= table.loc["24 tokens", "high"]

    def test_the_annotator_who_labelled_twice_is_compared_with_itself(self):
        labels = annotated_maps.load()
        value, low, high = map_labels.retest(labels).values()
        twice = labels.merge(pd.read_csv(annotated_maps.RETEST), on="id")
        assert set(twice["id"]) == set(labels.loc[labels["sitting"] == 3, "id"])
        assert value == pytest.approx(cohen_kappa_score(twice["first"], twice["again"]))
        assert low < value < high

    def test_the_published_classifier_keeps_its_mind_when_maps_are_rescaled(self):
        table = map_labels.rescaled(map_labels.published(), annotated_maps.load()).set_index("brought to")
        assert (table.loc[["24 tokens", "48 tokens"], "mean"] < 0.05).all()


def test_a_resample_without_a_pattern_does_not_count_it_as_missed():
    # One head has all Block maps, all recognized, and another one a map mistaken for Block.
    patterns = [*["Vertical"] * 50, *["Block"] * 10]
    labels = pd.DataFrame({"layer": 0, "head": np.repeat(range(6), 10), "pattern": patterns})
    found = [*["Block"], *patterns[1:]]
    tables = map_labels.head_tables(labels, labels["pattern"], found)[None]
    value, low, _ = map_labels.with_interval(map_labels.METRICS["macro F1"], tables)
    assert value == pytest.approx(f1_score(patterns, found, average="macro"))
    assert low > 0.8


def test_intervals_cover_the_truth_as_often_as_promised():
    # Heads differ in how often they are agreed on: drawing maps alone would cover far less.
    truth, covered = 0.5 + 0.5 / 2, 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        sure = np.repeat(random.random(40) < 0.5, 10)  # half of the heads are always agreed on, half every other time
        same = sure | (random.random(400) < 0.5)
        first = random.choice(PATTERNS, 400)
        second = np.where(same, first, np.roll(PATTERNS, 1)[[PATTERNS.index(one) for one in first]])
        labels = pd.DataFrame({"layer": np.repeat(np.arange(40), 10), "head": 0})
        tables = map_labels.head_tables(labels, first, second)[None]
        _, low, high = map_labels.with_interval(map_labels.METRICS["accuracy"], tables)
        covered += low <= truth <= high
    assert 0.88 < covered / 200 < 0.99


KEY = ["method", "repeat", "rescaled_to", "id"]
SHOWN_TO = {("baseline", 0), *(("network", n_tokens) for n_tokens in (0, *RESCALED_TO))}


def a_few_of_each_pattern(n=12):
    table = annotated_maps.load()
    return table.groupby("pattern").sample(n, random_state=0).sample(frac=1, random_state=0)


class TestFolds:
    @pytest.mark.parametrize("table", [labels_of(), annotated_maps.load()], ids=["made up", "annotated"])
    @pytest.mark.parametrize("repeat", [0, 1])
    def test_they_share_no_head_and_every_map_is_tested_once(self, table, repeat):
        heads = (table["layer"] * 100 + table["head"]).to_numpy()
        tested = []
        for train, test in map_labels._folds(table, repeat):
            assert not set(heads[train]) & set(heads[test])
            assert sorted([*train, *test]) == list(range(len(table)))
            tested.append(test)
        assert len(tested) == N_FOLDS
        assert sorted(np.concatenate(tested)) == list(range(len(table)))

    def test_every_pattern_can_be_learned_in_every_fold(self):
        table = annotated_maps.load()
        for repeat in range(3):
            for train, _ in map_labels._folds(table, repeat):
                assert table["pattern"].iloc[train].value_counts().reindex(PATTERNS).min() >= 5

    def test_each_repeat_divides_anew(self):
        first, again, other = (
            [test.tolist() for _, test in map_labels._folds(labels_of(), repeat)] for repeat in (0, 0, 1)
        )
        assert first == again
        assert {*map(tuple, first)} != {*map(tuple, other)}

    def test_maps_of_one_input_are_refused(self):
        table = a_few_of_each_pattern()
        shared = table.assign(example=[table["example"].iloc[1], *table["example"].iloc[1:]], task="RTE")
        with pytest.raises(ValueError, match="share an input"):
            map_labels.cross_validated(shared)


def description(weights, sep_positions):
    table = interpretable([AttentionMap(np.asarray(weights, dtype=np.float32), sep_positions)])
    return table.iloc[0].to_dict()


class TestBaseline:
    def test_an_even_map(self):
        found = description(np.full((10, 10), 0.1), (4, 9))
        assert found == pytest.approx(
            {
                "to [CLS]": 0.1,
                "to [SEP]": 0.2,
                "rows whose strongest is marked": 1.0,  # of equals the first, which is [CLS]
                "to the token itself": 0.1,
                "to the token before": 0.1,
                "to the token after": 0.1,
                "up to three tokens away": (10 + 2 * (9 + 8 + 7)) / 100,
                "inside the sentence": 0.5,
                "inside the sentence, beyond chance": 0.0,
                "entropy": 1.0,
                "entropy over ordinary tokens": np.log(7) / np.log(10),
                "strongest ordinary column": 0.1,
            },
            abs=1e-5,
        )

    def test_a_line_on_the_diagonal(self):
        found = description(np.eye(10), (9,))
        assert found["to the token itself"] == found["up to three tokens away"] == pytest.approx(1)
        assert found["rows whose strongest is marked"] == pytest.approx(0.2)
        assert found["entropy"] == pytest.approx(0, abs=1e-6)
        assert found["strongest ordinary column"] == pytest.approx(0.1)

    @pytest.mark.parametrize(("shift", "name"), [(-1, "to the token before"), (1, "to the token after")])
    def test_lines_beside_the_diagonal(self, shift, name):
        weights = np.roll(np.eye(10), shift, axis=1)
        found = {name: description(weights, (9,))[name] for name in ("to the token before", "to the token after")}
        assert found.pop(name) == pytest.approx(1)  # of the tokens that have one
        assert list(found.values()) == [0]

    def test_columns_of_special_tokens(self):
        weights = np.zeros((10, 10))
        weights[:, [0, 4, 9]] = [0.5, 0.2, 0.3]
        found = description(weights, (4, 9))
        assert found["to [CLS]"] == pytest.approx(0.5)
        assert found["to [SEP]"] == pytest.approx(0.5)
        assert found["rows whose strongest is marked"] == 1
        assert found["strongest ordinary column"] == found["entropy over ordinary tokens"] == 0

    def test_blocks(self):
        second = np.arange(10) > 4  # the separator at 4 belongs to the first sentence
        weights = np.where(second[:, None] == second, 0.2, 0)
        found = description(weights, (4, 9))
        assert found["inside the sentence"] == pytest.approx(1)
        assert found["inside the sentence, beyond chance"] == pytest.approx(0.5)
        assert found["entropy"] == pytest.approx(np.log(5) / np.log(10))

    @settings(deadline=None, max_examples=40)
    @given(layouts(30).filter(lambda layout: layout[0] > 1 + len(layout[1])), SEEDS)
    def test_numbers_are_shares_of_any_map(self, layout, seed):
        found = interpretable([random_map(*layout, seed)])
        beyond = found.pop("inside the sentence, beyond chance")
        assert beyond.between(-1, 1).all()
        assert found.ge(0).all(axis=None)
        assert found.le(1 + 1e-6).all(axis=None)


@pytest.fixture(scope="module")
def few():
    return a_few_of_each_pattern()


@pytest.fixture(scope="module")
def found(few):
    return map_labels.cross_validated(few, repeats=1, epochs=1)


class TestCrossValidation:
    def test_every_map_is_predicted_once_by_each_way(self, few, found):
        assert list(found.columns) == [*KEY, *PATTERNS]
        assert not found.duplicated(KEY).any()
        assert set(found[["method", "rescaled_to"]].itertuples(index=False, name=None)) == SHOWN_TO
        for _, group in found.groupby(["method", "rescaled_to"]):
            assert group["id"].tolist() == sorted(few["id"])
        assert found[list(PATTERNS)].sum(axis=1).to_numpy() == pytest.approx(1, abs=5e-4)
        assert found[list(PATTERNS)].ge(0).all(axis=None)

    def test_the_baseline_tells_patterns_of_unseen_heads_better_than_chance(self, few, found):
        rows = found[found["method"] == "baseline"].set_index("id")[list(PATTERNS)]
        right = rows.idxmax(axis=1) == few.set_index("id")["pattern"].reindex(rows.index)
        assert right.mean() > 0.5  # chance: 0.2

    def test_another_number_of_tokens_is_another_picture(self, found):
        ways = [found[(found["method"] == "network") & (found["rescaled_to"] == n)] for n in (0, *RESCALED_TO)]
        values = [way[list(PATTERNS)].to_numpy() for way in ways]
        assert not np.allclose(values[0], values[1])
        assert not np.allclose(values[1], values[2])


class TestPublished:
    def test_it_has_every_annotated_map_in_every_repeat(self):
        table, ids = map_labels.published(), annotated_maps.load()["id"]
        assert list(table.columns) == [*KEY, *PATTERNS]
        assert set(table["method"]) == set(METHODS)
        assert not table.duplicated(KEY).any()
        groups = table.groupby(["method", "rescaled_to", "repeat"])["id"].agg(sorted)
        assert (groups.map(tuple) == tuple(ids)).all()
        assert len(groups) == len(SHOWN_TO) * table["repeat"].nunique()

    def test_it_belongs_to_the_labels(self):
        table = map_labels.published().query("rescaled_to == 0")
        agreed = table["id"].map(annotated_maps.load().set_index("id")["pattern"])
        right = (table[list(PATTERNS)].idxmax(axis=1) == agreed).groupby(table["method"]).mean()
        assert right.min() > 0.6
        assert right["network"] > right["baseline"]


def confusions():
    rows = np.eye(5) * 0.8 + np.random.default_rng(0).dirichlet(np.ones(5), 5) * 0.2
    return pd.DataFrame(rows, index=pd.Index(PATTERNS, name="agreed"), columns=pd.Index(PATTERNS, name="predicted"))


def test_the_confusion_matrix_prints_each_share_in_its_cell_and_fits_a_phone():
    chart = map_labels.confusion_chart(confusions(), "A finding")
    drawn, (rows,) = svg_of(chart), chart.to_dict()["datasets"].values()
    assert charts.WIDTH < float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= PHONE
    shares = {pair: confusions().loc[pair] for pair in itertools.product(PATTERNS, PATTERNS)}
    assert {(row["true"], row["predicted"]): row["share"] for row in rows} == pytest.approx(shares, abs=5.1e-5)
    label = r'aria-label="the classifier says: ([^;]+); annotators agreed on: ([^;]+); [^"]*"'
    texts = re.findall(label + r' role="graphics-symbol" aria-roledescription="text mark"[^>]*>(\d+)%<', drawn)
    cells = {(true, predicted): int(text) / 100 for predicted, true, text in texts}
    assert cells == pytest.approx(shares, abs=0.0051)
