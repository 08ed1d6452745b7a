"""Which statements of Section 4.3 hold, on tables made to have them; and the tables that the chapter saves."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets.corpora.tasks import TASKS
from darksecrets.estimates import format_estimate
from darksecrets.runs import Run
from darksecrets.sections import fine_tuning
from darksecrets.sections.fine_tuning import AVERAGE_GAIN, BEATS_RANDOM, EXCEPTION, LAST_TWO, FineTuningTables

UNTUNED, RANDOM, TUNED = ("pretrained", False), ("random", True), ("pretrained", True)
ALL = tuple(TASKS)


def gains(by_task, seeds=(0,), half=0.02, apart=0.0):
    """Gains by task: the same half width for all, and seeds that lie `apart`."""
    keys = itertools.product(by_task, enumerate(seeds))
    rows = [(task, "accuracy", seed, by_task[task] + place * apart) for task, (place, seed) in keys]
    table = pd.DataFrame(rows, columns=["task", "metric", "seed", "mean"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def last_two(by_task, half=0.01):
    """Differences of similarity by task."""
    table = pd.DataFrame({"task": list(by_task), "reading": "paper", "pair": "5 and 4", "mean": list(by_task.values())})
    table = table.assign(low=table["mean"] - half, high=table["mean"] + half, n_seeds=1)
    return table.assign(most_changed=np.where(table["mean"] > 0, "5 and 6", "1 and 2"))


def run(over_random=None, over_untuned=None, changed=None):
    """A run of which claims need no more than these tables; at first, all seven tasks are as in the paper."""
    return FineTuningTables(
        scores=None,
        over_random=gains(dict.fromkeys(ALL, 0.1)) if over_random is None else over_random,
        over_untuned=gains(dict.fromkeys(ALL, 0.359)) if over_untuned is None else over_untuned,
        by_head=None,
        by_layer=None,
        last_two=last_two({task: -0.1 if task == "QQP" else 0.1 for task in ALL}) if changed is None else changed,
    )


def counts(holds, fails, open_):
    return f"holds: {holds}, does not hold: {fails}, cannot tell: {open_}"


class TestJudged:
    def test_a_run_like_the_paper_has_all_claims(self):
        found = fine_tuning.judged(run())
        assert list(found) == [BEATS_RANDOM, AVERAGE_GAIN, LAST_TWO, EXCEPTION]
        assert {judgement.verdict for judgement in found.values()} == {"holds"}
        assert found[BEATS_RANDOM].cell == counts(7, 0, 0)
        assert found[LAST_TWO].cell == counts(6, 0, 0)
        assert found[AVERAGE_GAIN].evidence == "+35.9 [+35.1, +36.7] points"

    def test_pre_training_is_judged_on_each_task_by_its_interval(self):
        found = fine_tuning.judged(run(gains({"RTE": 0.1, "QQP": -0.1, "MNLI": 0.01})))
        assert found[BEATS_RANDOM] == ("does not hold", "holds on 1 of 3 tasks, fails on 1", counts(1, 1, 1))
        alone = fine_tuning.judged(run(gains({"QQP": -0.1})))[BEATS_RANDOM]
        assert alone == ("does not hold", "-10.0 [-12.0, -8.0] points", counts(0, 1, 0))

    def test_seeds_are_averaged_and_decide(self):
        # Each seed alone is beyond 0; they are too far apart to say what a third one would give.
        found = fine_tuning.judged(run(gains({"RTE": 0.05}, seeds=(0, 1), apart=0.5)))
        assert found[BEATS_RANDOM].verdict == "cannot tell"

    def test_the_last_two_layers_and_the_exception_turn_each_others_sign(self):
        found = fine_tuning.judged(run(changed=last_two({"QQP": 0.2, "RTE": -0.2, "MNLI": 0.001})))
        assert found[LAST_TWO].cell == counts(0, 1, 1)
        evidence = "-0.200 [-0.210, -0.190] in similarity"
        assert found[EXCEPTION] == ("does not hold", evidence, "does not hold (layers 5 and 6 change most)")
        open_ = fine_tuning.judged(run(changed=last_two({"QQP": 0.001})))
        assert open_[EXCEPTION].verdict == "cannot tell"
        assert open_[LAST_TWO] == (None, None, "not asked")

    @pytest.mark.parametrize(
        ("mean", "half", "said"),
        [
            (0.359, 0.02, "holds"),
            (0.3662, 0.02, "holds"),  # the half width of the average is 0.02 / sqrt(7) = 0.00756
            (0.3668, 0.02, "does not hold"),
            (0.3512, 0.02, "does not hold"),
            (0.3668, np.nan, "cannot tell"),
        ],
    )
    def test_the_average_holds_where_its_interval_has_the_papers_number(self, mean, half, said):
        found = fine_tuning.judged(run(over_untuned=gains(dict.fromkeys(ALL, mean), half=half)))
        assert found[AVERAGE_GAIN].verdict == said

    @pytest.mark.parametrize("mean", [0.359, 0.9])
    def test_the_average_is_not_judged_without_all_tasks(self, mean):
        few = gains(dict.fromkeys(ALL[:-1], mean))
        assert fine_tuning.judged(run(over_untuned=few))[AVERAGE_GAIN].verdict == "cannot tell"


class TestAverageGain:
    def test_one_seed_has_the_interval_over_examples(self):
        table = gains({"RTE": 0.1, "QQP": 0.4}).assign(low=[0.07, 0.36], high=[0.13, 0.44])
        found = fine_tuning.average_gain(run(over_untuned=table))
        half = np.hypot(0.03, 0.04) / 2
        assert found[["mean", "low", "high"]].tolist() == pytest.approx([0.25, 0.25 - half, 0.25 + half])
        assert format_estimate(found) == "25.0 [22.5, 27.5]"

    def test_several_seeds_have_the_interval_over_their_averages(self):
        # The tasks of a seed move against each other, which their average does not see.
        keys = itertools.product((0, 1, 2), ("RTE", "QQP"))
        table = pd.DataFrame(keys, columns=["seed", "task"]).assign(mean=[0.1, 0.5, 0.3, 0.32, 0.5, 0.1])
        table = table.assign(metric="accuracy", low=-9.0, high=9.0)
        found = fine_tuning.average_gain(run(over_untuned=table))
        half = stats.t.ppf(0.975, 2) * np.std([0.3, 0.31, 0.3], ddof=1) / np.sqrt(3)
        assert found["mean"] == pytest.approx(0.91 / 3)
        assert (found["high"] - found["low"]) / 2 == pytest.approx(half)


class TestClaims:
    def test_both_runs_stand_beside_the_paper(self):
        other = run(gains({"RTE": -0.1, "QQP": 0.1}), gains({"RTE": 0.2, "QQP": 0.3}), last_two({"RTE": 0.1}))
        table = fine_tuning.claims(run(), other).set_index("claim")
        assert table.columns.tolist() == ["paper", "reference run", "this run"]
        assert table["paper"].tolist() == ["holds", "by 35.9 points", "holds", "holds"]
        assert table["this run"].tolist() == [
            "holds: 7, does not hold: 0, cannot tell: 0",
            "holds (35.9 [35.1, 36.7] points)",
            "holds: 6, does not hold: 0, cannot tell: 0",
            "holds (layers 1 and 2 change most)",
        ]
        assert table["reference run"].tolist() == [
            "holds: 1, does not hold: 1, cannot tell: 0",
            "cannot tell (25.0 [23.6, 26.4] points, without MRPC, STS-B, SST-2, QNLI, MNLI)",
            "holds: 1, does not hold: 0, cannot tell: 0",
            "not asked without QQP",
        ]

    def test_without_a_reference_run_its_column_is_empty(self):
        assert fine_tuning.claims(run())["reference run"].tolist() == [None] * 4

    def test_of_qqp_alone_the_last_layers_are_not_asked(self):
        table = fine_tuning.claims(run(changed=last_two({"QQP": 0.1}))).set_index("claim")["this run"]
        assert table[LAST_TWO] == "not asked"
        assert table[EXCEPTION] == "does not hold (layers 5 and 6 change most)"

    def test_the_answer_counts_tasks_and_gives_the_average(self):
        found = fine_tuning.answer(run(gains(dict.fromkeys(ALL, 0.1) | {"RTE": -0.1, "QNLI": 0.0})))
        assert found == (
            "the last two layers change most on 6 of 7 tasks; pre-trained weights beat random ones, after the same "
            "fine-tuning, on 5 of 7; and fine-tuning adds 35.9 [35.1, 36.7] points on average."
        )


def predictions(tasks=("RTE", "QQP"), seeds=(0, 1), n_random=1, n_examples=30):
    """Answers of the three settings, of which random weights have fewer seeds."""
    random = np.random.default_rng(0)
    tables = []
    for task, (place, seed), (setting, share) in itertools.product(
        tasks, enumerate(seeds), {UNTUNED: 0.5, RANDOM: 0.6, TUNED: 0.9}.items()
    ):
        if setting != RANDOM or place < n_random:
            label = np.arange(n_examples) % 2
            given = np.where(random.random(n_examples) < share, label, 1 - label)
            table = pd.DataFrame({"example": range(n_examples), "label": label, "prediction": given})
            tables.append(table.assign(task=task, seed=seed, initialization=setting[0], finetuned=setting[1]))
    return pd.concat(tables, ignore_index=True)


def changes(tasks=("RTE", "QQP"), seeds=(0, 1), n_layers=4, n_heads=2):
    """Similarities in both readings; padded, there are fewer examples."""
    random, parts = np.random.default_rng(1), []
    for reading, n_examples in (("paper", 5), ("released", 3)):
        keys = itertools.product(tasks, seeds, range(n_examples), range(n_layers), range(n_heads))
        table = pd.DataFrame(keys, columns=["task", "seed", "example", "layer", "head"])
        noise = random.uniform(-0.05, 0.05, len(table))
        parts.append(table.assign(similarity=0.9 - 0.1 * table["layer"] + noise, reading=reading))
    return pd.concat(parts, ignore_index=True)


class TestTables:
    def test_they_are_those_of_the_evidence(self):
        found, both = FineTuningTables.of(predictions(), changes()), changes()
        paper = both[both["reading"] == "paper"]
        pd.testing.assert_frame_equal(found.scores, fine_tuning.scores(predictions()))
        pd.testing.assert_frame_equal(found.over_random, fine_tuning.gains(predictions(), RANDOM))
        pd.testing.assert_frame_equal(found.over_untuned, fine_tuning.gains(predictions(), UNTUNED))
        assert found.over_random["seed"].tolist() == [0, 0]
        assert found.over_untuned["seed"].tolist() == [0, 1, 0, 1]
        pd.testing.assert_frame_equal(found.last_two, fine_tuning.last_two_against_rest(paper))
        by_head = fine_tuning.change_by(paper, ["layer", "head"])
        by_layer = fine_tuning.change_by(both, ["layer"])
        assert len(by_head) == 2 * 4 * 2
        assert len(by_layer) == 2 * 2 * 4
        pd.testing.assert_frame_equal(found.by_head, by_head, check_dtype=False)
        pd.testing.assert_frame_equal(found.by_layer, by_layer, check_dtype=False)

    def test_a_run_keeps_them(self, tmp_path):
        found, run = FineTuningTables.of(predictions(), changes()), Run(tmp_path / "mine")
        found.save(run, n_random=1)
        names = ["by_head", "by_layer", "last_two", "over_random", "over_untuned", "scores"]
        assert run.tables() == [f"tuning_{name}" for name in names]
        assert run.made_from("tuning_scores") == {"n_random": 1}
        again = FineTuningTables.find(run)
        for name in names:
            pd.testing.assert_frame_equal(getattr(again, name), getattr(found, name))
        pd.testing.assert_frame_equal(fine_tuning.claims(again, again), fine_tuning.claims(found, found))

    def test_seven_tasks_are_small(self, tmp_path):
        run = Run(tmp_path / "mine")
        FineTuningTables.of(predictions(ALL[2:]), changes(ALL[2:], n_layers=6, n_heads=12)).save(run)
        assert sum(path.stat().st_size for path in run.directory.glob("*.parquet")) < 60_000
