"""Cross-validation of the pattern classifier: what is kept apart, what the plain baseline sees, what comes out."""

import numpy as np
import pytest
from hypothesis import given, settings

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.annotated_maps import PATTERNS, AttentionMap
from darksecrets.sections import map_labels
from darksecrets.sections.map_labels import METHODS, N_FOLDS, RESCALED_TO, interpretable
from tests.pattern_maps import SEEDS, layouts, random_map
from tests.pattern_tables import labels_of

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

    def test_probabilities_sum_to_1(self, found):
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
