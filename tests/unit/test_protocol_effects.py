"""Measured effects of the protocol notes, against numbers computed by hand."""

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets import reported
from darksecrets.overview import protocol_effects, protocol_tables
from darksecrets.sections import feature_claims
from darksecrets.sections.features import feature_weights
from darksecrets.sections.fine_tuning import last_two_against_rest
from darksecrets.sections.relations import summarize
from tests.disabling_tables import tables as disabling_tables
from tests.feature_tables import AFTER, BEFORE, features_of
from tests.link_tables import LINK_HEAD, frames_of
from tests.protocol_tables import DISABLING, FEATURES, FRAMES, MEASURES, RELEASED

ROOT = Path(__file__).parents[2]
DIGEST = ROOT.parent / "shared" / "paper.md"


def scores_of(rows, initialization="pretrained", finetuned=True):
    """Scores with intervals of 2 points to each side: task, metric, seed, mean, n_examples."""
    table = pd.DataFrame(rows, columns=["task", "metric", "seed", "mean", "n_examples"])
    bounds = {"low": table["mean"] - 0.02, "high": table["mean"] + 0.02}
    return table.assign(initialization=initialization, finetuned=finetuned, **bounds)


def layers_of(*cases, n_seeds=1):
    """Similarities by layer of (task, reading, one mean for each layer), with intervals of 0.03 to each side."""
    rows = [
        (task, reading, layer, mean, mean - 0.03, mean + 0.03, n_seeds)
        for task, reading, means in cases
        for layer, mean in enumerate(means)
    ]
    return pd.DataFrame(rows, columns=["task", "reading", "layer", "mean", "low", "high", "n_seeds"])


def readings_of(rows):
    """Readings of features: task, feature, paper, released, n_examples, of 100 inputs."""
    table = pd.DataFrame(rows, columns=["task", "feature", "paper", "released", "n_examples"])
    correlation = {"correlation": 0.9, "correlation_low": 0.8, "correlation_high": 0.95}
    bounds = {"mean": table["released"] - table["paper"], "low": 0.0, "high": 0.0}
    return table.assign(n_released=100, checkpoint=AFTER, seed=0, **bounds, **correlation)


class TestScores:
    SCORES = scores_of(
        [("RTE", "accuracy", 0, 0.70, 277), ("QNLI", "accuracy", 0, 0.80, 2000), ("QNLI", "accuracy", 1, 0.84, 2000)]
    )
    BASELINE = scores_of(
        [("RTE", "accuracy", 0, 0.70, 277), ("QNLI", "accuracy", 0, 0.83, 1000), ("QNLI", "accuracy", 1, 0.83, 1000)]
    )

    def test_two_scores_of_one_model(self):
        others = scores_of([("RTE", "accuracy", 0, 0.5, 277)], "random")
        text = protocol_effects.two_scores(pd.concat([self.SCORES, others]), self.BASELINE)
        assert text.startswith("the two scores are 1.0 points apart on average, at most 2.0 (QNLI);")  # 0; (3 + 1) / 2
        assert "for 2 of 3 models" in text  # 0.80 is outside 0.81 to 0.85
        assert text.endswith("wider than half that interval on 1 of 1 tasks")  # RTE: 6.6 points against 2

    def test_the_papers_own_gap_is_taken_where_it_is_smaller(self):
        gaps = protocol_effects.paper_gaps()
        assert gaps == pytest.approx({"MRPC": 0.027, "STS-B": 0.053, "QQP": 0.094, "RTE": 0.066, "MNLI": 0.044})

    @pytest.mark.skipif(not DIGEST.is_file(), reason="needs the digest ../shared/paper.md beside the repository")
    def test_the_baselines_of_figures_are_the_digests(self):
        (row,) = [line for line in DIGEST.read_text().splitlines() if line.startswith("| Table 1 vs Figures")]
        found = {task: float(score) for task, score in re.findall(r"([A-Z]+(?:-B)?) (\.\d+)", row)}
        assert found == reported.FIGURE_BASELINES

    def test_another_draw_counts_only_where_not_all_examples_are_taken(self):
        text = protocol_effects.drawn_scores(self.SCORES, self.BASELINE)
        assert "by ±1.4 points in the median, by ±1.4 at most (QNLI, of 1 tasks)" in text  # 2 * sqrt(1 - 1000 / 2000)
        of_rte = self.SCORES[self.SCORES["task"] == "RTE"]
        assert protocol_effects.drawn_scores(of_rte, self.BASELINE) is None

    def test_another_draw_of_attention_and_of_patterns(self):
        rows = [("QNLI", "noun", -0.01, 0.01), ("QNLI", "verb", -0.03, 0.03), ("QNLI", "[SEP]", -9, 9)]
        heads = pd.DataFrame(rows, columns=["task", "feature", "low", "high"]).assign(checkpoint=AFTER)
        text = protocol_effects.drawn_attention(self.SCORES, self.BASELINE, heads)
        assert "±1.4 points in the median, by ±2.1 at most" in text  # 1 and 3 points, times 0.707
        shares = pd.DataFrame({"task": ["QNLI"], "sampling_low": [0.2], "sampling_high": [0.3], "checkpoint": AFTER})
        assert "±3.5 points" in protocol_effects.drawn_patterns(self.SCORES, self.BASELINE, shares)

    def test_correlations_of_stsb(self):
        table = scores_of([("STS-B", "pearson", 0, 0.82, 1500), ("STS-B", "spearman", 0, 0.81, 1500)])
        found = protocol_effects.correlations(table)
        assert found == "per cent: Pearson's 82.0 [80.0, 84.0], Spearman's 81.0 [79.0, 83.0]"
        assert protocol_effects.correlations(self.SCORES) is None

    def test_the_lowest_score_is_of_the_worst_head(self):
        text = protocol_effects.lowest_score(DISABLING)
        lowest = DISABLING.heads.query("task == 'SST-2' and instead == 'uniform'")["score"].min()
        assert f"and {100 * lowest:.1f} [" in text
        assert text.endswith("a drop below chance: does not hold")
        assert protocol_effects.lowest_score(disabling_tables(("RTE",))) is None

    def test_ways_of_disabling(self):
        text = protocol_effects.ways_of_disabling(DISABLING)
        for way, rows in DISABLING.average.groupby("instead"):
            assert f"{way} {100 * rows['mean'].mean():+.2f} [" in text


class TestLayers:
    EYE = layers_of(("RTE", "paper", (0.9, 0.8, 0.6, 0.5)), ("QQP", "paper", (0.9, 0.5, 0.7, 0.6)))
    LAST_TWO = pd.DataFrame({"task": ["RTE", "QQP"], "reading": "paper", "low": [-0.1, -0.2], "high": [0.2, -0.1]})

    def test_the_eye_and_the_interval(self):
        text = protocol_effects.last_layers(self.EYE, self.LAST_TWO)
        assert text.startswith("by eye it holds on 1 of 2 tasks; by the interval over examples, of one fine-tuning,")
        assert text.endswith("holds: 0, does not hold: 1, cannot tell: 1")
        assert "over 3 fine-tunings," in protocol_effects.last_layers(self.EYE.assign(n_seeds=3), self.LAST_TWO)

    def test_seed_by_seed(self):
        random = np.random.default_rng(0)
        keys = itertools.product(["RTE", "QQP"], [0, 1], range(20), range(4))
        table = pd.DataFrame(keys, columns=["task", "seed", "example", "layer"]).assign(head=0, reading="paper")
        changed = (table["layer"] > 1) & ~((table["task"] == "QQP") & (table["seed"] == 1))
        table["similarity"] = 0.9 - 0.3 * changed + random.normal(0, 0.01, len(table))
        by_seed = protocol_tables.last_two_by_seed(table)
        alone = last_two_against_rest(table[table["seed"] == 1]).set_index("task")
        again = by_seed[by_seed["seed"] == 1].set_index("task")
        pd.testing.assert_frame_equal(again.drop(columns="seed"), alone)
        text = protocol_effects.seed_by_seed(by_seed)
        assert "it holds on 1 to 2 tasks" in text
        assert text.endswith("on 1 of 2")  # QQP holds with one seed only
        assert protocol_effects.seed_by_seed(by_seed[by_seed["seed"] == 1]) is None

    def test_padding(self):
        padded = layers_of(("RTE", "released", (0.9, 0.8, 0.6, 0.1)), ("QQP", "released", (0.8, 0.7, 0.5, 0.6)))
        text = protocol_effects.padding(pd.concat([self.EYE, padded], ignore_index=True))
        # 0.1 - 0.5, with an error of 0.03 times the square root of 2
        assert "by up to -0.400 [-0.442, -0.358] (layer 4 on RTE)" in text
        assert text.endswith("all layers keep their order on 1 of 2 tasks, the one that changed most its place on 1")
        assert protocol_effects.padding(self.EYE) is None

    def test_the_last_layer_by_task(self):
        table = pd.concat([self.EYE, layers_of(("RTE", "released", (0.9, 0.8, 0.6, 0.1)))], ignore_index=True)
        found = protocol_tables.padded(table)
        assert found["task"].tolist() == ["RTE"]
        assert found["mean"].tolist() == pytest.approx([0.1 / 0.5 - 1])


class TestWords:
    READINGS = readings_of(
        [
            ("RTE", "noun", 0.10, 0.09, 100),
            ("RTE", "pronoun", 0.05, 0.008, 20),
            ("RTE", "negation", 0.05, 0.04, 10),
            ("QQP", "noun", 0.10, 0.11, 100),
            ("QQP", "pronoun", 0.05, 0.012, 40),
            ("QQP", "negation", 0.05, 0.03, 10),
        ]
    )

    def test_absent_words_lower_the_weight_by_the_share_of_inputs_that_lack_them(self):
        text = protocol_effects.absent_as_zero(self.READINGS)
        low, high = stats.t.interval(0.95, 1, -0.7, stats.sem([-0.8, -0.6]))
        pronoun = f"pronoun -70 % [{100 * low:+.0f}, {100 * high:+.0f}]"
        assert text == f"the weight of {pronoun}, noun +0 % [+0, +0]", "negations are skipped where there are none"

    def test_the_rest_is_spelling(self):
        text = protocol_effects.found_by_spelling(self.READINGS)
        assert "pronoun -30 % [" in text  # .008 / (.05 * .2) - 1 = -.2, and .012 / (.05 * .4) - 1 = -.4
        assert "negation -30 % [" in text  # .04 / .05 - 1 = -.2, and .03 / .05 - 1 = -.4
        assert "noun +0 % [" in text  # -.1 and +.1
        assert text.endswith("Rank correlation over heads at least 0.90 [0.80, 0.95] (noun, RTE)")

    def test_both_parts_make_the_whole(self):
        kinds = protocol_tables.by_kind(FEATURES.readings)
        share = kinds["share"].fillna(1)
        parts = share * kinds["released"] / (kinds["paper"] * share) - 1
        assert parts.tolist() == pytest.approx(protocol_tables.of_words(FEATURES.readings)["mean"].tolist())
        assert set(kinds["task"]) == {"SST-2", "QNLI", "MRPC"}

    def test_one_task_has_no_interval(self):
        text = protocol_effects.absent_as_zero(self.READINGS[self.READINGS["task"] == "RTE"])
        assert text == "the weight of pronoun -80 %, noun +0 %"

    def test_what_is_known_of_the_pre_trained_model_alone_says_so(self):
        before = self.READINGS.assign(checkpoint=BEFORE, released=0.001)
        known = self.READINGS[self.READINGS["feature"] != "negation"]
        table = pd.concat([before, known, known.assign(seed=1)], ignore_index=True)
        found = protocol_tables.of_words(table).set_index("what")["mean"]
        assert set(found.index) == {"noun", "pronoun", "negation (pre-trained)"}
        assert found["negation (pre-trained)"].tolist() == pytest.approx([0.001 / 0.05 - 1] * 2)
        assert found["noun"].tolist() == pytest.approx([-0.1, 0.1])
        assert "negation (pre-trained) -98 %" in protocol_effects.found_by_spelling(table)
        ranked = protocol_tables.words_ranked(table)
        assert ranked.groupby("what").size().to_dict() == dict.fromkeys(found.index.unique(), 2)

    def test_correlations_that_cannot_be_computed_are_left_out(self):
        unknown = self.READINGS.assign(correlation=np.nan)
        assert protocol_tables.words_ranked(unknown).empty
        assert protocol_effects.found_by_spelling(unknown).endswith("No rank correlation can be computed")

    def test_separators(self):
        text = protocol_effects.separators(FEATURES)
        assert "(most on SST-2: holds)" in text.split(", by the sum")[0]
        assert text.endswith("(most on SST-2: does not hold)")
        alone = feature_claims.feature_tables(feature_weights(features_of(tasks=("RTE",))))
        assert protocol_effects.separators(alone) is None


class TestLinksAndFrames:
    def test_links(self):
        table = RELEASED[RELEASED["checkpoint"] == AFTER]
        found = protocol_tables.of_links(RELEASED).set_index(["what", "task"])["mean"]
        row = table.query("task == 'RTE' and relation == 'verb-subject' and direction == 'to_dependent'").iloc[0]
        assert found["verb to subject", "RTE"] == pytest.approx(row["released"] / row["paper"] - 1)
        text = protocol_effects.links(RELEASED)
        assert f"verb to subject {100 * found['verb to subject'].mean():+.0f} % [" in text
        assert f"at least {table['mean'].min():.2f} [" in text

    def test_counts(self):
        counts = pd.DataFrame({"reading": ["paper", "released", "both"], "examples": [30, 20, 10]})
        text = protocol_effects.frame_counts(counts)
        assert text == "30 examples by the text, 20 by the notebook, of which 10 are in both"

    @pytest.mark.parametrize(
        ("measure", "effect", "share"),
        [("released", protocol_effects.frame_measure, -50), ("between tokens", protocol_effects.frame_tokens, -10)],
    )
    def test_measures_of_frames(self, measure, effect, share):
        words, other = (MEASURES[MEASURES["measure"] == name]["mean"].to_numpy() for name in ("between words", measure))
        (change,) = protocol_tables.of_frames(MEASURES, measure)["mean"]
        assert change == pytest.approx(other.mean() / words.mean() - 1)
        (correlation,) = protocol_tables.frames_ranked(MEASURES, measure)["mean"]
        assert correlation == pytest.approx(stats.spearmanr(words, other).statistic)
        text, head = effect(MEASURES), f"layer {LINK_HEAD[0] + 1} head {LINK_HEAD[1] + 1}"
        assert text.startswith(f"the average head's weight changes by {share} %; most has {head} with ")
        assert all(f"{head} with {weights.max():.3f} [" in text for weights in (words, other))
        assert ("The paper's two heads have 0.201 and 0.209" in text) == (measure == "between tokens")

    def test_inputs_that_are_too_long(self):
        columns = ["task", "n_examples", "n_longer", "n_longer_than_released"]
        table = pd.DataFrame([("MRPC", 408, 0, 0), ("QNLI", 1000, 6, 1), ("RTE", 277, 33, 2)], columns=columns)
        assert protocol_effects.input_lengths(table) == (
            "33 of 277 inputs of RTE, 6 of 1000 inputs of QNLI are longer than 128 tokens, and 3 of all longer than 200"
        )
        assert protocol_effects.input_lengths(table.head(1)) == "no input is longer than 128 tokens"

    def test_readings(self):
        other = summarize(frames_of(special={}, seed=3))
        table = protocol_tables.frame_readings({"released": FRAMES, "paper": other})
        (row,) = table.to_dict("records")
        sides = [run.heads[run.heads["direction"] == "either"]["mean"] for run in (FRAMES, other)]
        assert row["mean"] == pytest.approx(stats.spearmanr(*sides).statistic)
        assert (row["first"], row["other"], row["n_first"], row["n_other"]) == ("released", "paper", 1, 0)
        assert "of 12 heads 1 beat both nulls on the sentences of released, 0 on those of paper" in (
            protocol_effects.frame_sentences(table)
        )
        assert protocol_effects.frame_sentences(protocol_tables.frame_readings({"pocket": FRAMES})) is None
