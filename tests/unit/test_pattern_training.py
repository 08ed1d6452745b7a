"""Training the pattern classifier: variants keep what an annotator looks at, and obvious patterns are learned."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from darksecrets.corpora.annotated_maps import PATTERNS, AttentionMap
from darksecrets.models import pattern_classifier, pattern_training
from tests.pattern_maps import SEEDS, layouts, obvious_maps, random_map

slowly = settings(deadline=None, max_examples=60)
ONE_SENTENCE, PAIR, ADJACENT = (29, (28,)), (29, (12, 28)), (29, (12, 13, 28))


class TestVaried:
    @slowly
    @given(layouts(60), SEEDS)
    def test_a_variant_is_a_map_with_the_same_special_tokens(self, layout, seed):
        one = random_map(*layout, seed)
        before = one.weights.copy()
        found = pattern_training.varied(one, np.random.default_rng(seed))
        assert found.weights.shape == (found.n_tokens, found.n_tokens)
        assert found.weights.dtype == np.float32
        assert found.weights.sum(-1) == pytest.approx(1, abs=1e-4)
        assert len(found.sep_positions) == len(one.sep_positions)
        assert all(0 < place < found.n_tokens for place in found.sep_positions)
        assert list(found.sep_positions) == sorted(set(found.sep_positions))
        assert (one.weights == before).all()

    @slowly
    @given(layouts(12).filter(lambda layout: layout[0] > 1 + len(layout[1])), SEEDS)
    def test_attention_to_a_special_token_stays_with_it(self, layout, seed):
        for number, place in enumerate([0, *layout[1]]):
            weights = np.zeros((layout[0], layout[0]), dtype=np.float32)
            weights[:, place] = 1
            for each in range(seed, seed + 10):
                found = pattern_training.varied(AttentionMap(weights, layout[1]), np.random.default_rng(each))
                assert found.weights[:, [0, *found.sep_positions][number]] == pytest.approx(1, abs=1e-2)

    @pytest.mark.parametrize("layout", [ONE_SENTENCE, PAIR, ADJACENT])
    def test_a_line_on_the_diagonal_stays_one(self, layout):
        one = AttentionMap(np.eye(layout[0], dtype=np.float32), layout[1])
        lengths = set()
        for seed in range(40):
            found = pattern_training.varied(one, np.random.default_rng(seed))
            places = np.arange(found.n_tokens)
            near = abs(places[:, None] - places) <= 3
            assert (found.weights * near).sum(-1).min() > 0.7
            assert np.abs(found.weights.argmax(-1) - places).max() <= 3
            lengths.add(found.n_tokens)
        assert len(lengths) > 6

    @pytest.mark.parametrize("layout", [ONE_SENTENCE, PAIR])
    def test_stretches_are_left_out_of_each_sentence_up_to_the_limit(self, layout):
        n_tokens, seps = layout
        weights = np.tile(np.arange(1.0, n_tokens + 1, dtype=np.float32), (n_tokens, 1))  # a token's weight is its name
        one = AttentionMap(weights / weights.sum(-1, keepdims=True), seps)
        dropped = []
        for seed in range(40):
            found = pattern_training.varied(one, np.random.default_rng(seed))
            lengths, before = np.diff([0, *found.sep_positions]) - 1, np.diff([0, *seps]) - 1
            assert (lengths >= before * (1 - pattern_training.MOST_DROPPED)).all()
            assert (lengths <= before).all()
            assert (np.diff(found.weights[0]) > 0).all()  # the tokens that are left keep their order
            dropped.append(before - lengths)
        assert (np.ptp(dropped, axis=0) > 2).all()


class TestRecomposed:
    def test_vertical_and_diagonal_without_its_columns_is_diagonal(self):
        one = random_map(*PAIR, seed=3)
        found, pattern = pattern_training.recomposed(one, "Vertical+Diagonal", np.random.default_rng(0))
        marked = np.isin(np.arange(29), [0, *PAIR[1]])
        assert pattern == "Diagonal"
        assert found.sep_positions == one.sep_positions
        assert found.weights.sum(-1) == pytest.approx(1, abs=1e-5)
        shares = [each.weights / each.weights[:, ~marked].sum(-1, keepdims=True) for each in (one, found)]
        assert shares[1][:, ~marked] == pytest.approx(shares[0][:, ~marked], rel=1e-4)
        factors = shares[1][:, marked] / shares[0][:, marked]
        assert factors == pytest.approx(factors[0, 0], rel=1e-3)
        assert 0 < factors[0, 0] < 0.1

    def test_heterogeneous_with_little_attention_between_sentences_is_block(self):
        one = random_map(*PAIR, seed=4)
        found, pattern = pattern_training.recomposed(one, "Heterogeneous", np.random.default_rng(1))
        assert pattern == "Block"
        assert found.sep_positions == one.sep_positions
        assert found.weights.sum(-1) == pytest.approx(1, abs=1e-5)
        second = np.arange(29) > PAIR[1][0]
        across = (second[:, None] != second)[:, 1:]  # [CLS] aside
        ratio = (found.weights / one.weights)[:, 1:]
        within = np.where(across, np.nan, ratio)
        assert np.nanmax(within, axis=1) == pytest.approx(np.nanmin(within, axis=1), rel=1e-3)
        weaker = (np.where(across, ratio, np.nan) / np.nanmean(within, axis=1, keepdims=True))[across]
        assert weaker == pytest.approx(weaker[0], rel=1e-3)
        assert 0.02 <= weaker[0] <= 0.2
        to_cls = (found.weights / one.weights)[:, 0] / np.nanmean(within, axis=1)
        assert to_cls == pytest.approx(to_cls[0], rel=1e-3)  # the same for both sentences
        assert 0.3 <= to_cls[0] <= 1.5

    @pytest.mark.parametrize(
        ("pattern", "layout"),
        [
            *((pattern, PAIR) for pattern in ("Vertical", "Diagonal", "Block")),
            ("Heterogeneous", ONE_SENTENCE),
        ],
    )
    def test_any_other_map_is_returned_as_it_is(self, pattern, layout):
        one = random_map(*layout)
        assert pattern_training.recomposed(one, pattern, np.random.default_rng(0)) == (one, pattern)

    @pytest.mark.parametrize("pattern", ["Vertical+Diagonal", "Heterogeneous"])
    def test_the_original_is_left_alone(self, pattern):
        one = random_map(*PAIR)
        before = one.weights.copy()
        pattern_training.recomposed(one, pattern, np.random.default_rng(0))
        assert (one.weights == before).all()

    def test_only_patterns_that_can_be_recomposed_are(self):
        one = random_map(*PAIR)
        made = {name: pattern_training.recomposed(one, name, np.random.default_rng(0))[1] for name in PATTERNS}
        assert {name for name, pattern in made.items() if name != pattern} == set(pattern_training.COMPOSED)


@pytest.fixture(scope="module")
def trained():
    """A classifier of Vertical and Diagonal maps, trained in a few seconds."""
    return pattern_training.fit(*obvious_maps(30), seed=0, epochs=40)


def right(classifier, maps, patterns):
    return np.array(PATTERNS)[pattern_classifier.probabilities(classifier, maps).argmax(-1)] == np.array(patterns)


def same(one, other):
    values, others = one.state_dict(), other.state_dict()
    return values.keys() == others.keys() and all(torch.equal(values[name], others[name]) for name in values)


class TestFit:
    def test_obvious_patterns_are_learned(self, trained):
        maps, patterns = obvious_maps(60, seed=1)
        assert right(trained, maps, patterns).mean() > 0.9
        assert not trained.training

    def test_the_seed_decides_the_weights_and_nothing_else_does(self):
        maps, patterns = obvious_maps(12)
        torch.manual_seed(5)
        first = pattern_training.fit(maps, patterns, seed=3, epochs=2)
        torch.manual_seed(6)
        assert same(pattern_training.fit(maps, patterns, seed=3, epochs=2), first)
        assert not same(pattern_training.fit(maps, patterns, seed=4, epochs=2), first)

    def test_it_can_be_trained_on_maps_that_were_classified_before(self):
        maps, patterns = obvious_maps(4, seed=9)
        pattern_classifier.resampling.cache_clear()
        pattern_classifier._marks.cache_clear()
        pattern_classifier.probabilities(pattern_classifier.PatternClassifier().eval(), maps)  # caches, while inferring
        pattern_training.fit(maps, patterns, epochs=1)

    def test_a_saved_classifier_is_loaded_as_it_was(self, trained, tmp_path):
        path = tmp_path / "classifier.safetensors"
        pattern_training.save(trained, path)
        found = pattern_classifier.load(path)
        assert same(found, trained)
        maps, _ = obvious_maps(6, seed=2)
        one, other = (pattern_classifier.probabilities(each, maps) for each in (trained, found))
        assert one == pytest.approx(other, abs=1e-6)
        assert path.stat().st_size <= 2_000_000

    def test_weights_of_another_architecture_are_refused(self, tmp_path):
        path = tmp_path / "classifier.safetensors"
        pattern_training.save(pattern_classifier.PatternClassifier(normalized=True), path)
        with pytest.raises(RuntimeError, match="loading state_dict"):
            pattern_classifier.load(path)
