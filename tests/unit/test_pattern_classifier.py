"""The pattern classifier: how a map becomes a picture of a fixed size, and what the network makes of pictures."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.annotated_maps import PATTERNS, AttentionMap
from darksecrets.models import pattern_classifier
from darksecrets.models.pattern_classifier import CHANNELS, SIZE, PatternClassifier, pictures, resampling
from tests.pattern_maps import SEEDS, layouts, normalized_classifier, random_map

LONGEST = 510  # ordinary tokens beside [CLS] and [SEP]
slowly = settings(deadline=None, max_examples=60)


def stretches(n_tokens, sep_positions):
    """Special tokens, and how many ordinary ones follow each."""
    special = [0, *sep_positions]
    return special, [end - begin - 1 for begin, end in itertools.pairwise([*special, n_tokens])]


def slow_averages(n_before, n_after):
    """Cut every token into `n_after` crumbs and give each place the `n_before` next ones of them."""
    crumbs = [token for token in range(n_before) for _ in range(n_after)]
    parts = [crumbs[place * n_before : (place + 1) * n_before] for place in range(n_after)]
    return np.array([[part.count(token) / n_before for token in range(n_before)] for part in parts])


class TestResampling:
    @slowly
    @given(layouts(LONGEST // 2), st.integers(9, 64))
    @example((512, (511,)), SIZE)
    @example((512, (2, 511)), SIZE)
    @example((4, (1, 3)), SIZE)  # an empty first sentence
    def test_every_place_is_an_average_over_tokens(self, layout, size):
        matrix = resampling(*layout, size)
        assert matrix.shape == (size, layout[0])
        assert matrix.min() >= 0
        assert matrix.sum(1).numpy() == pytest.approx(1, abs=1e-5)

    @slowly
    @given(layouts(LONGEST // 2), st.integers(9, 64))
    @example((512, (2, 511)), SIZE)
    @example((9, (3, 4, 8)), SIZE)
    def test_special_tokens_keep_a_place_and_the_rest_is_the_slow_version(self, layout, size):
        n_tokens, _ = layout
        special, n_between = stretches(*layout)
        if not any(n_between):
            return  # see the next test
        matrix = resampling(*layout, size).numpy()
        places = [int(np.flatnonzero(matrix[:, token])[0]) for token in special]
        n_free = size - len(special)
        n_tiny = sum(0 < n * n_free < sum(n_between) for n in n_between)  # they get more than their share
        rebuilt = np.zeros((size, n_tokens))
        for token, place, end, n in zip(special, places, [*places[1:], size], n_between, strict=True):
            n_after = end - place - 1
            assert (n_after > 0) == (n > 0)
            assert abs(n_after - n * n_free / sum(n_between)) < 1 + n_tiny
            rebuilt[place, token] = 1
            if n:
                rebuilt[place + 1 : end, token + 1 : token + 1 + n] = slow_averages(n, n_after)
        assert places[0] == 0
        assert matrix == pytest.approx(rebuilt, abs=1e-5)

    @pytest.mark.parametrize("sep_positions", [(), (1,), (1, 2), (1, 2, 3)])
    def test_an_input_without_ordinary_tokens_is_shared_by_the_special_ones(self, sep_positions):
        n_tokens = 1 + len(sep_positions)
        matrix = resampling(n_tokens, sep_positions, SIZE).numpy()
        assert matrix == pytest.approx(slow_averages(n_tokens, SIZE), abs=1e-6)

    @given(layouts(25))
    def test_nothing_changes_where_the_size_is_right(self, layout):
        assert resampling(*layout, layout[0]).numpy() == pytest.approx(np.eye(layout[0]), abs=1e-6)

    @given(st.integers(1, 40), st.integers(41, 90))
    def test_sentences_of_one_length_get_as_many_places(self, n, size):
        size += size % 2  # with [CLS] and two [SEP], an odd number is left
        matrix = resampling(2 * n + 3, (n + 1, 2 * n + 2), size + 1)
        assert matrix[:, n + 1].argmax() == size // 2
        assert matrix[-1, -1] == 1


class TestPictures:
    def test_channels_of_a_map_that_has_the_size_already(self):
        one = random_map(SIZE, (9, SIZE - 1), seed=1)
        weights, strongest = one.weights, one.weights.max(-1, keepdims=True)
        marked, second = np.isin(np.arange(SIZE), [0, 9, SIZE - 1]), np.arange(SIZE) > 9
        expected = {
            "brightness": np.sqrt(weights / weights.max()),
            "strongest brightness": np.sqrt(weights / weights.max()),
            "share of the row's strongest": weights / strongest,
            "strongest of its row": 1.0 * (weights == strongest),
            "[CLS] or [SEP]": np.tile(1.0 * marked, (SIZE, 1)),
            "same sentence": 1.0 * (second[:, None] == second),
        }
        found = dict(zip(CHANNELS, pattern_classifier.picture(one).numpy(), strict=True))
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert found[name] == pytest.approx(values, abs=1e-3), name

    @slowly
    @given(layouts(60), SEEDS)
    def test_cells_are_means_over_their_area(self, layout, seed):
        one = random_map(*layout, seed)
        resize = resampling(*layout, SIZE).double().numpy()
        of_map = one.weights / one.weights.max()
        of_row = one.weights / one.weights.max(-1, keepdims=True)
        means = {  # of a power, whose root is taken afterwards: high powers are near the largest value
            "brightness": (of_map**0.5, 1),
            "strongest brightness": (of_map**2, 4),
            "share of the row's strongest": (of_row**2, 2),
            "strongest of its row": (of_row == 1, 1),
        }
        found = dict(zip(CHANNELS, pattern_classifier.picture(one).numpy(), strict=True))
        for name, (values, root) in means.items():
            expected = np.maximum(resize @ values @ resize.T, 0) ** (1 / root)
            assert found[name] == pytest.approx(expected, abs=1e-3), name

    @slowly
    @given(layouts(LONGEST // 2), SEEDS)
    @example((512, (511,)), 0)
    @example((2, (1,)), 0)
    @example((1, ()), 0)
    def test_every_channel_is_between_0_and_1_and_uses_the_range(self, layout, seed):
        found = pattern_classifier.picture(random_map(*layout, seed))
        assert found.isfinite().all()
        assert found.min() >= 0
        assert found.max() <= 1 + 1e-5
        assert found[CHANNELS.index("[CLS] or [SEP]"), :, 0].min() == 1  # [CLS] stands in the first column
        assert found[CHANNELS.index("same sentence")].diagonal().min() > 0

    def test_a_column_stays_a_column_at_its_separator(self):
        weights = np.full((60, 60), 1e-3, dtype=np.float32)
        weights[:, 17] = 1
        found = pattern_classifier.picture(AttentionMap(weights, (17, 59)))
        strongest = found[CHANNELS.index("strongest of its row")]
        (column,) = np.flatnonzero(strongest.sum(0))
        assert strongest[:, column].numpy() == pytest.approx(1)
        marked = found[CHANNELS.index("[CLS] or [SEP]"), 0]
        assert np.flatnonzero(marked == 1).tolist() == [0, column, SIZE - 1]

    def test_maps_together_are_as_each_alone(self):
        maps = [random_map(30, (12, 29), seed) for seed in range(3)]
        together = pictures(torch.from_numpy(np.stack([one.weights for one in maps])), (12, 29))
        alone = torch.stack([pattern_classifier.picture(one) for one in maps])
        assert torch.allclose(together, alone, atol=1e-6)


class TestRescaled:
    @slowly
    @given(layouts(60), st.integers(9, 64), SEEDS)
    def test_rows_sum_to_1_and_separators_keep_their_order(self, layout, n_tokens, seed):
        one = random_map(*layout, seed)
        found = pattern_classifier.rescaled(one, n_tokens)
        assert found.weights.shape == (n_tokens, n_tokens)
        assert found.weights.dtype == np.float32
        assert found.weights.sum(-1) == pytest.approx(1, abs=1e-5)
        assert len(found.sep_positions) == len(one.sep_positions)
        assert sorted({0, *found.sep_positions}) == [0, *found.sep_positions]
        special, n_between = stretches(*layout)
        if any(n_between) and special[-1] == layout[0] - 1 and len(special) > 1:
            assert found.sep_positions[-1] == n_tokens - 1

    @slowly
    @given(layouts(30), st.integers(9, 64), st.data())
    def test_a_marked_column_stays_where_the_mark_is(self, layout, n_tokens, data):
        special, n_between = stretches(*layout)
        if not any(n_between):
            return  # special tokens have several places there
        number = data.draw(st.integers(0, len(special) - 1))
        weights = np.zeros((layout[0], layout[0]), dtype=np.float32)
        weights[:, special[number]] = 1
        found = pattern_classifier.rescaled(AttentionMap(weights, layout[1]), n_tokens)
        assert found.weights[:, [0, *found.sep_positions][number]] == pytest.approx(1)

    @given(layouts(25), SEEDS)
    def test_the_same_length_is_the_same_map(self, layout, seed):
        one = random_map(*layout, seed)
        found = pattern_classifier.rescaled(one, one.n_tokens)
        assert found.weights == pytest.approx(one.weights, abs=1e-5)
        assert found.sep_positions == one.sep_positions

    def test_the_original_is_left_alone(self):
        one = random_map(30, (29,))
        before = one.weights.copy()
        pattern_classifier.rescaled(one, 12)
        assert (one.weights == before).all()


class TestNetwork:
    def test_it_is_eight_convolutions_with_relu_as_in_the_paper(self):
        kinds = [type(layer) for layer in PatternClassifier().convolutions]
        assert kinds == [nn.Conv2d, nn.ReLU] * 8

    @pytest.mark.parametrize("seed", range(3))
    def test_the_plain_network_gives_the_scores_of_the_normalized_one(self, seed):
        normalized = normalized_classifier(seed)
        shown = torch.stack([pattern_classifier.picture(random_map(20, (7, 19), n)) for n in range(8)])
        with torch.inference_mode():
            expected = normalized(shown)
            found = normalized.plain()(shown)
        assert expected.std(0).min() > 1e-3  # the scores depend on the map
        assert torch.allclose(found, expected, atol=1e-5)

    def test_probabilities_are_those_of_each_map_alone(self):
        classifier = normalized_classifier().plain()
        maps = [random_map(12 + n, (5, 11 + n), n) for n in range(20)]
        found = pattern_classifier.probabilities(classifier, maps)
        assert found.shape == (20, len(PATTERNS))
        assert found.sum(-1) == pytest.approx(1, abs=1e-5)
        assert found.min() >= 0
        for row, one in zip(found, maps, strict=True):
            with torch.inference_mode():
                scores = classifier(pattern_classifier.picture(one)[None])[0].double().numpy()
            assert row == pytest.approx(np.exp(scores) / np.exp(scores).sum(), abs=1e-5)
        assert len(set(found.argmax(-1))) > 1


class TestShippedWeights:
    def test_they_are_small_and_load(self):
        assert pattern_classifier.WEIGHTS.stat().st_size <= 2_000_000
        classifier = pattern_classifier.load()
        assert not classifier.training
        assert all(values.isfinite().all() for values in classifier.state_dict().values())

    def test_they_know_the_maps_that_they_were_trained_on(self):
        table = annotated_maps.load()
        found = pattern_classifier.probabilities(pattern_classifier.load(), annotated_maps.attention_maps(table))
        right = np.array(PATTERNS)[found.argmax(-1)] == table["pattern"]
        assert right.mean() > 0.8
        assert right.groupby(table["pattern"]).mean().min() > 0.6
