"""The protocol notes: what they measure against numbers computed by hand, and what they say of what is not measured."""

import itertools
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets import reported
from darksecrets.overview import protocol
from darksecrets.runs import Run
from darksecrets.saved_tables import side_by_side
from darksecrets.sections import feature_claims, fine_tuning, relations
from darksecrets.sections.features import feature_weights
from darksecrets.sections.fine_tuning import last_two_against_rest
from darksecrets.sections.relations import summarize
from tests.book.contract import published
from tests.conftest import ROOT
from tests.disabling_tables import tables as disabling_tables
from tests.feature_tables import AFTER, BEFORE, features_of
from tests.link_tables import LINK_HEAD, frames_of
from tests.protocol_tables import DISABLING, FEATURES, FRAMES, MEASURES, RELEASED

DIGEST = ROOT.parent / "shared" / "paper.md"
INTERVAL = {"low": -0.02, "high": 0.02}


def scores_of(*rows, initialization="pretrained"):
    """Scores with intervals of 2 points to each side: task, metric, seed, mean, n_examples."""
    table = pd.DataFrame(rows, columns=["task", "metric", "seed", "mean", "n_examples"])
    ends = {name: table["mean"] + half for name, half in INTERVAL.items()}
    return table.assign(initialization=initialization, finetuned=True, **ends)


def layers_of(reading, n_seeds=1, **means):
    """Similarities by layer of each task, with intervals of 0.03 to each side."""
    rows = [
        (task, reading, layer, mean, mean - 0.03, mean + 0.03, n_seeds)
        for task, of_layers in means.items()
        for layer, mean in enumerate(of_layers)
    ]
    return pd.DataFrame(rows, columns=["task", "reading", "layer", "mean", "low", "high", "n_seeds"])


SCORES = scores_of(
    ("RTE", "accuracy", 0, 0.70, 277), ("QNLI", "accuracy", 0, 0.80, 2000), ("QNLI", "accuracy", 1, 0.84, 2000)
)
BASELINE = scores_of(
    ("RTE", "accuracy", 0, 0.70, 277), ("QNLI", "accuracy", 0, 0.83, 1000), ("QNLI", "accuracy", 1, 0.83, 1000)
)


class TestScores:
    def test_two_scores_of_one_model(self):
        others = scores_of(("RTE", "accuracy", 0, 0.5, 277), initialization="random")
        text = protocol.two_scores(pd.concat([SCORES, others]), BASELINE)
        assert text.startswith("the two scores are 1.0 points apart on average, at most 2.0 (QNLI);")  # 0; (3 + 1) / 2
        assert "for 2 of 3 models" in text  # 0.80 is outside 0.81 to 0.85
        assert text.endswith("wider than half that interval on 1 of 1 tasks")  # RTE: 6.6 points against 2

    def test_the_papers_own_gap_is_taken_where_it_is_smaller(self):
        expected = {"MRPC": 0.027, "STS-B": 0.053, "QQP": 0.094, "RTE": 0.066, "MNLI": 0.044}
        assert protocol.paper_gaps() == pytest.approx(expected)

    @pytest.mark.skipif(not DIGEST.is_file(), reason="needs the digest ../shared/paper.md beside the repository")
    def test_the_baselines_of_figures_are_the_digests(self):
        (row,) = [line for line in DIGEST.read_text().splitlines() if line.startswith("| Table 1 vs Figures")]
        found = {task: float(score) for task, score in re.findall(r"([A-Z]+(?:-B)?) (\.\d+)", row)}
        assert found == reported.FIGURE_BASELINES

    def test_another_draw_counts_only_where_not_all_examples_are_taken(self):
        text = protocol.drawn_scores(SCORES, BASELINE)
        assert "by ±1.4 points in the median, by ±1.4 at most (QNLI, of 1 tasks)" in text  # 2 * sqrt(1 - 1000 / 2000)
        assert protocol.drawn_scores(SCORES[SCORES["task"] == "RTE"], BASELINE) is None
        rows = [("QNLI", "noun", -0.01, 0.01), ("QNLI", "verb", -0.03, 0.03), ("QNLI", "[SEP]", -9, 9)]
        heads = pd.DataFrame(rows, columns=["task", "feature", "low", "high"]).assign(checkpoint=AFTER)
        text = protocol.drawn_attention(SCORES, BASELINE, heads)
        assert "±1.4 points in the median, by ±2.1 at most" in text  # 1 and 3 points, times 0.707
        shares = pd.DataFrame({"task": ["QNLI"], "sampling_low": [0.2], "sampling_high": [0.3], "checkpoint": AFTER})
        assert "±3.5 points" in protocol.drawn_patterns(SCORES, BASELINE, shares)

    def test_correlations_of_stsb(self):
        table = scores_of(("STS-B", "pearson", 0, 0.82, 1500), ("STS-B", "spearman", 0, 0.81, 1500))
        expected = "per cent: Pearson's 82.0 [80.0, 84.0], Spearman's 81.0 [79.0, 83.0]"
        assert protocol.correlations(table) == expected
        assert protocol.correlations(SCORES) is None

    def test_disabled_heads(self):
        text = protocol.lowest_score(DISABLING)
        lowest = DISABLING.heads.query("task == 'SST-2' and instead == 'uniform'")["score"].min()
        assert f"and {100 * lowest:.1f} [" in text
        assert text.endswith("a drop below chance: does not hold")
        assert protocol.lowest_score(disabling_tables(("RTE",))) is None
        text = protocol.ways_of_disabling(DISABLING)
        for way, rows in DISABLING.average.groupby("instead"):
            assert f"{way} {100 * rows['mean'].mean():+.2f} [" in text


class TestLayers:
    EYE = layers_of("paper", RTE=(0.9, 0.8, 0.6, 0.5), QQP=(0.9, 0.5, 0.7, 0.6))

    def test_the_eye_and_the_interval(self):
        last_two = pd.DataFrame({"task": ["RTE", "QQP"], "reading": "paper", "low": [-0.1, -0.2], "high": [0.2, -0.1]})
        text = protocol.last_layers(self.EYE, last_two)
        assert text.startswith("by eye it holds on 1 of 2 tasks; by the interval over examples, of one fine-tuning,")
        assert text.endswith("holds: 0, does not hold: 1, cannot tell: 1")
        assert "over 3 fine-tunings," in protocol.last_layers(self.EYE.assign(n_seeds=3), last_two)

    def test_seed_by_seed(self):
        keys = itertools.product(["RTE", "QQP"], [0, 1], range(20), range(4))
        table = pd.DataFrame(keys, columns=["task", "seed", "example", "layer"]).assign(head=0, reading="paper")
        is_changed = (table["layer"] > 1) & ~((table["task"] == "QQP") & (table["seed"] == 1))
        table["similarity"] = 0.9 - 0.3 * is_changed + np.random.default_rng(0).normal(0, 0.01, len(table))
        by_seed = fine_tuning.last_two_by_seed(table)
        alone = last_two_against_rest(table[table["seed"] == 1]).reset_index(drop=True)
        again = by_seed[by_seed["seed"] == 1].drop(columns="seed").reset_index(drop=True)
        pd.testing.assert_frame_equal(again, alone)
        text = protocol.seed_by_seed(by_seed)
        assert "it holds on 1 to 2 tasks" in text
        assert text.endswith("on 1 of 2")  # QQP holds with one seed only
        assert protocol.seed_by_seed(by_seed[by_seed["seed"] == 1]) is None

    def test_padding(self):
        padded = layers_of("released", RTE=(0.9, 0.8, 0.6, 0.1), QQP=(0.8, 0.7, 0.5, 0.6))
        table = pd.concat([self.EYE, padded], ignore_index=True)
        text = protocol.padding(table)
        # 0.1 - 0.5, with an error of 0.03 times the square root of 2
        assert "by up to -0.400 [-0.442, -0.358] (layer 4 on RTE)" in text
        assert text.endswith("all layers keep their order on 1 of 2 tasks, the one that changed most its place on 1")
        assert protocol.padding(self.EYE) is None
        change = protocol.last_layer(table).set_index("task")["mean"]
        assert change.to_dict() == pytest.approx({"RTE": 0.1 / 0.5 - 1, "QQP": 0})


class TestWords:
    ROWS = [
        ("RTE", "noun", 0.10, 0.09, 100),
        ("RTE", "pronoun", 0.05, 0.008, 20),
        ("RTE", "negation", 0.05, 0.04, 10),
        ("QQP", "noun", 0.10, 0.11, 100),
        ("QQP", "pronoun", 0.05, 0.012, 40),
        ("QQP", "negation", 0.05, 0.03, 10),
    ]
    READINGS = pd.DataFrame(ROWS, columns=["task", "feature", "paper", "released", "n_examples"]).assign(
        n_released=100, checkpoint=AFTER, seed=0, correlation=0.9, correlation_low=0.8, correlation_high=0.95
    )

    def test_absent_words_lower_the_weight_by_the_share_of_inputs_that_lack_them(self):
        low, high = stats.t.interval(0.95, 1, -0.7, stats.sem([-0.8, -0.6]))
        pronoun = f"pronoun -70 % [{100 * low:+.0f}, {100 * high:+.0f}]"
        # Negations are skipped where there are none.
        assert protocol.absent_as_zero(self.READINGS) == f"the weight of {pronoun}, noun +0 % [+0, +0]"
        of_one_task = protocol.absent_as_zero(self.READINGS[self.READINGS["task"] == "RTE"])
        assert of_one_task == "the weight of pronoun -80 %, noun +0 %"

    def test_the_rest_is_spelling(self):
        text = protocol.found_by_spelling(self.READINGS)
        assert "pronoun -30 % [" in text  # .008 / (.05 * .2) - 1 = -.2, and .012 / (.05 * .4) - 1 = -.4
        assert "negation -30 % [" in text  # .04 / .05 - 1 = -.2, and .03 / .05 - 1 = -.4
        assert "noun +0 % [" in text  # -.1 and +.1
        assert text.endswith("Rank correlation over heads at least 0.90 [0.80, 0.95] (noun, RTE)")
        unknown = self.READINGS.assign(correlation=np.nan)
        assert protocol.ranked(protocol.words(unknown)).empty
        assert protocol.found_by_spelling(unknown).endswith("No rank correlation can be computed")

    def test_what_is_known_of_the_pre_trained_model_alone_says_so(self):
        before = self.READINGS.assign(checkpoint=BEFORE, released=0.001)
        known = self.READINGS[self.READINGS["feature"] != "negation"]
        table = pd.concat([before, known, known.assign(seed=1)], ignore_index=True)
        found = protocol.changed(protocol.words(table)).set_index("what")["mean"]
        assert set(found.index) == {"noun", "pronoun", "negation (pre-trained)"}
        assert found["negation (pre-trained)"].tolist() == pytest.approx([0.001 / 0.05 - 1] * 2)
        assert found["noun"].tolist() == pytest.approx([-0.1, 0.1])
        assert "negation (pre-trained) -98 %" in protocol.found_by_spelling(table)
        n_ranked = protocol.ranked(protocol.words(table)).groupby("what").size()
        assert n_ranked.to_dict() == dict.fromkeys(found.index.unique(), 2)

    def test_separators(self):
        text = protocol.separators(FEATURES)
        assert "(most on SST-2: holds)" in text.split(", by the sum")[0]
        assert text.endswith("(most on SST-2: does not hold)")
        assert protocol.separators(feature_claims.feature_tables(feature_weights(features_of(("RTE",))))) is None


class TestLinksAndFrames:
    def test_links(self):
        found = protocol.changed(protocol.links(RELEASED)).set_index(["what", "task"])["mean"]
        table = RELEASED[RELEASED["checkpoint"] == AFTER]
        row = table.query("task == 'RTE' and relation == 'verb-subject' and direction == 'to_dependent'").iloc[0]
        assert found["verb to subject", "RTE"] == pytest.approx(row["released"] / row["paper"] - 1)
        text = protocol.released_links(RELEASED)
        assert f"verb to subject {100 * found['verb to subject'].mean():+.0f} % [" in text
        assert f"at least {table['mean'].min():.2f} [" in text

    def test_sentences_of_frames(self):
        counts = pd.DataFrame({"reading": ["paper", "released", "both"], "examples": [30, 20, 10]})
        text = protocol.frame_counts(counts)
        assert text == "30 examples by the text, 20 by the notebook, of which 10 are in both"
        other = summarize(frames_of(special={}, seed=3))
        table = relations.frame_readings({"released": FRAMES, "paper": other})
        (row,) = table.to_dict("records")
        sides = [run.heads[run.heads["direction"] == "either"]["mean"] for run in (FRAMES, other)]
        assert row["mean"] == pytest.approx(stats.spearmanr(*sides).statistic)
        assert (row["first"], row["other"], row["n_first"], row["n_other"]) == ("released", "paper", 1, 0)
        expected = "of 12 heads 1 beat both nulls on the sentences of released, 0 on those of paper"
        assert expected in protocol.frame_sentences(table)
        assert protocol.frame_sentences(relations.frame_readings({"pocket": FRAMES})) is None

    @pytest.mark.parametrize(
        ("measure", "effect", "share"),
        [("released", protocol.frame_measure, -50), ("between tokens", protocol.frame_tokens, -10)],
    )
    def test_measures_of_frames(self, measure, effect, share):
        words, other = (MEASURES[MEASURES["measure"] == name]["mean"].to_numpy() for name in ("between words", measure))
        change, agreement = protocol.frames(MEASURES, measure)
        assert change["mean"].item() == pytest.approx(other.mean() / words.mean() - 1)
        assert agreement["mean"].item() == pytest.approx(stats.spearmanr(words, other).statistic)
        text, head = effect(MEASURES), f"layer {LINK_HEAD[0] + 1} head {LINK_HEAD[1] + 1}"
        assert text.startswith(f"the average head's weight changes by {share} %; most has {head} with ")
        assert all(f"{head} with {weights.max():.3f} [" in text for weights in (words, other))
        assert ("The paper's two heads have 0.201 and 0.209" in text) == (measure == "between tokens")

    def test_inputs_that_are_too_long(self):
        columns = ["task", "n_examples", "n_longer", "n_longer_than_released"]
        table = pd.DataFrame([("MRPC", 408, 0, 0), ("QNLI", 1000, 6, 1), ("RTE", 277, 33, 2)], columns=columns)
        assert protocol.input_lengths(table) == (
            "33 of 277 inputs of RTE, 6 of 1000 inputs of QNLI are longer than 128 tokens, and 3 of all longer than 200"
        )
        assert protocol.input_lengths(table.head(1)) == "no input is longer than 128 tokens"


@pytest.fixture
def run(tmp_path):
    """A run with some of the chapters."""
    run = Run(tmp_path / "mine")
    for tables in (FEATURES, FRAMES, DISABLING):
        tables.save(run)
    run.save("link_released", RELEASED)
    run.save("frame_measures", MEASURES)
    return run


@pytest.fixture
def empty(tmp_path):
    return Run(tmp_path / "nothing")


NOTES = {note.name: note for note in protocol.NOTES}


class TestNotes:
    def test_every_note_has_its_place_and_its_effects_and_links_to_the_book(self):
        assert 11 <= len(NOTES) == len(protocol.NOTES)
        where = " ".join(note.where for note in protocol.NOTES)
        assert all(f"Figure {number}" in where or f"Figures {number}" in where for number in (3, 5, 6, 7, 8))
        pages = [nbformat.read(path, as_version=4) for path in (ROOT / "notebooks").glob("[0-9A]*.ipynb")]
        there = {name for page in pages for _, name in published(page)}
        named = [name for note in protocol.NOTES for name in note.effects]
        assert sorted(named) == sorted(protocol.EFFECTS), "each effect belongs to one note"
        for note in protocol.NOTES:
            assert set(note.see) <= there, note.name
            assert not re.search(r"[{}]", f"{note.what}{note.paper}{note.released}"), "a number was not filled in"
        assert "2.7 to 9.4 points apart" in NOTES["baselines"].what

    def test_what_is_measured_and_what_is_not(self, run, empty):
        table = protocol.effects_table(run, empty).set_index("note")
        assert (table["reference run"] == "not measured").all()
        texts = dict(zip(NOTES, table["this run"], strict=True))
        assert {name for name, text in texts.items() if text != "not measured"} == {
            *("below_chance", "absent_words", "spelling", "separators"),
            *("links", "frame_measure", "frame_tokens", "disabling"),
        }
        assert texts["links"] == protocol.released_links(RELEASED)
        assert protocol.lacking(run) == (
            "notes 1, 3, 4, 5, 10, 14, 15 are not measured: it takes “What patterns attention shows”, "
            "“Relation-specific heads”, “What fine-tuning changes”, “What heads attend to: linguistic features”"
        )
        assert protocol.lacking(empty).count("“") == 6

    def test_the_reference_run_is_described_before_this_run(self, run, empty):
        note, text = NOTES["links"], protocol.released_links(RELEASED)
        assert protocol.describe(note, empty, run) == f"In the reference run: {text}."
        assert protocol.describe(note, run, empty) == f"In this run: {text}."
        assert protocol.describe(note, empty, empty) == "Neither run has measured it yet."
        run.save("link_released", RELEASED.assign(released=RELEASED["paper"]))
        assert "verb to subject +0 % [+0, +0]" in protocol.effect(note, run)

    def test_effects_of_a_note_are_joined(self, run):
        run.save("frame_counts", pd.DataFrame({"reading": ["paper", "released", "both"], "examples": [30, 20, 10]}))
        run.save("protocol_frames", relations.frame_readings({"released": FRAMES, "paper": FRAMES}))
        assert ". Heads' weights correlate by 1.00 " in protocol.effect(NOTES["frame_sentences"], run)

    def test_a_run_says_what_it_has_of_the_pre_trained_model_alone(self, run, empty):
        assert protocol.only_pre_trained(empty) == "neither reading is there"
        assert protocol.only_pre_trained(run) == "both readings are there of every model"
        run.save("link_released", RELEASED[RELEASED["checkpoint"] == BEFORE])
        readings = FEATURES.readings
        run.save("feature_readings", readings[(readings["feature"] != "negation") | (readings["checkpoint"] == BEFORE)])
        links = "verb to subject, subject to verb, pronoun to antecedent, antecedent to pronoun"
        expected = f"the released reading of negation, {links} is not yet recomputed for fine-tuned models"
        assert protocol.only_pre_trained(run) == expected
        named = set(protocol.changes(run)["what"])
        assert {"negation (pre-trained)", "verb to subject (pre-trained)", "noun"} < named


class TestChart:
    @pytest.mark.parametrize(
        ("gather", "finding"),
        [(protocol.changes, protocol.changes_finding), (protocol.agreements, protocol.agreement_finding)],
    )
    def test_changes_and_agreements(self, run, empty, gather, finding):
        table, nothing = gather(run), gather(empty)
        assert len(table) == 3 * 6 + 2 * 4 + 1  # kinds of words, links, frames
        assert nothing.empty
        assert finding(nothing)
        for sides in ((table, nothing), (nothing, table), (table, table)):
            shown = protocol.task_chart(side_by_side(*sides), finding(table), "share", "+.0%", neutral=0)
            rows = max(shown.to_dict()["datasets"].values(), key=len)
            assert len(rows) == sum(map(len, sides))
            assert {row["task"] for row in rows} == {"", "SST-2", "QNLI", "MRPC", "RTE"}

    def test_the_title_names_the_largest_change_over_tasks(self):
        rows = [("noun", "RTE", 0.9), ("noun", "QQP", -0.8), ("verb", "RTE", -0.3), ("verb", "QQP", -0.5)]
        table = pd.DataFrame(rows, columns=protocol.CHANGE)
        assert protocol.changes_finding(table) == "Read as released, “verb” changes most: -40 % on average"
        assert protocol.agreement_finding(table).endswith("by 0.9 or more, in 1 of 4 cases")
