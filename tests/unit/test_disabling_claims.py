"""Statements on disabled heads and layers: which hold on data made to have or lack them, and what changes a verdict."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets import estimates, reported
from darksecrets.corpora.tasks import TASKS
from darksecrets.sections import disabling
from darksecrets.sections.disabling import (
    BELOW_CHANCE,
    CHEAP_LAYERS,
    HELD_OUT,
    ON_AVERAGE,
    ONE_LAYER,
    SMALLEST_GAIN,
    SOME_HEAD,
)
from tests.disabling_tables import tables

PAPER = Path(__file__).parents[2].parent / "shared" / "paper.md"
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "cannot tell"
HELPS = (1, 2)
RUN = tables(TASKS, helps={HELPS: 0.15})
CHANCE = tables(("RTE", "STS-B", "SST-2"))
SEEDS = tables(("RTE", "SST-2"), seeds=(0, 1, 2), helps={HELPS: 0.15})


def changed(run, name, task, instead="uniform", rows=None, **values):
    """The run with some rows of a table changed: those of a task, of what stands in, and of `rows` (columns)."""
    table = getattr(run, name).copy()
    chosen = (table["task"] == task) & (table["instead"] == instead)
    for column, value in (rows or {}).items():
        chosen &= table[column] == value
    assert chosen.any()
    for column, value in values.items():
        table.loc[chosen, column] = value
    return replace(run, **{name: table})


def without(run, *tasks):
    kept = {name: table[~table["task"].isin(tasks)] for name, table in vars(run).items()}
    return replace(run, **kept)


def verdicts(run, claim):
    table = disabling.judged(run)
    table = table[table["claim"] == claim]
    return dict(zip(table["task"], table["verdict"], strict=True))


def row_of(run, claim, task):
    table = disabling.judged(run).set_index(["claim", "task"])
    return table.loc[(claim, task)]


class TestJudged:
    def test_every_statement_on_every_task_that_it_is_about(self):
        table = disabling.judged(RUN)
        assert list(table) == ["claim", "task", "mean", "low", "high", "verdict"]
        found = table.groupby("claim", sort=False)["task"].apply(list).to_dict()
        expected = {claim: [*TASKS] for claim in (SOME_HEAD, HELD_OUT)} | {
            ON_AVERAGE: ["MRPC", "RTE"],
            ONE_LAYER: ["RTE"],
            CHEAP_LAYERS: ["QNLI", "MNLI"],
            BELOW_CHANCE: ["SST-2"],
        }
        assert found == expected

    def test_a_planted_head_is_named_and_gains_held_out(self):
        for claim in (SOME_HEAD, HELD_OUT):
            assert set(verdicts(RUN, claim).values()) == {HOLDS}
        assert HOLDS not in verdicts(CHANCE, SOME_HEAD).values()
        assert HOLDS not in verdicts(CHANCE, HELD_OUT).values()

    def test_only_attention_made_uniform_counts(self):
        found = disabling.judged(RUN)
        for name in ("heads", "layers", "average", "chosen"):
            other = RUN
            for instead in ("zero", "mean"):
                numbers = {"mean": -1.0, "low": -1.0, "high": -1.0}
                other = changed(other, name, "RTE", instead, **numbers)
            pd.testing.assert_frame_equal(disabling.judged(other), found)


class TestSomeHead:
    @pytest.mark.parametrize(
        ("numbers", "expected"),
        [
            ({"mean": 0.02, "low": 0.001, "high": 0.04, "holm": 0.04}, HOLDS),
            ({"mean": 0.02, "low": 0.001, "high": 0.04, "holm": 0.06}, UNDECIDED),
            ({"mean": -0.02, "low": -0.04, "high": -0.002, "holm": 0.01}, UNDECIDED),  # it costs
        ],
    )
    def test_one_head_decides_by_its_corrected_p(self, numbers, expected):
        none = changed(RUN, "heads", "RTE", holm=1.0, high=0.02)
        run = changed(none, "heads", "RTE", rows={"layer": 0, "head": 0}, **numbers)
        assert verdicts(run, SOME_HEAD)["RTE"] == expected
        assert verdicts(run, SOME_HEAD)["MRPC"] == HOLDS

    def test_to_deny_it_takes_all_heads(self):
        none = changed(RUN, "heads", "RTE", mean=-0.01, low=-0.02, high=SMALLEST_GAIN, holm=1.0)
        assert verdicts(none, SOME_HEAD)["RTE"] == FAILS
        one = changed(none, "heads", "RTE", rows={"layer": 2, "head": 3}, high=2 * SMALLEST_GAIN)
        assert verdicts(one, SOME_HEAD)["RTE"] == UNDECIDED

    def test_that_no_answer_changed_is_no_proof(self):
        same = changed(RUN, "heads", "RTE", mean=0.0, low=0.0, high=0.0, holm=1.0)
        assert verdicts(same, SOME_HEAD)["RTE"] == UNDECIDED
        many = replace(same, baseline=same.baseline.assign(n_examples=10_000))
        assert verdicts(many, SOME_HEAD)["RTE"] == FAILS

    def test_its_numbers_are_the_papers_kind_of_gain(self):
        chosen = RUN.chosen.query("task == 'RTE' and instead == 'uniform'").iloc[0]
        row = row_of(RUN, SOME_HEAD, "RTE")
        assert row[["mean", "low", "high"]].tolist() == chosen[["best", "best_low", "best_high"]].tolist()

    def test_fine_tunings_must_agree(self):
        named = SEEDS
        for seed in (0, 1, 2):
            rows = {"seed": seed, "layer": 0, "head": seed}  # another head each time
            named = changed(named, "heads", "RTE", rows=rows, mean=0.1, holm=0.001)
        assert verdicts(named, SOME_HEAD)["RTE"] == HOLDS
        split = changed(named, "heads", "RTE", rows={"seed": 2}, holm=1.0)
        assert verdicts(split, SOME_HEAD)["RTE"] == UNDECIDED


class TestHeldOut:
    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (0.001, 0.02, HOLDS),
            (0.0001, 0.0005, HOLDS),
            (-0.001, 0.02, UNDECIDED),
            (-0.02, 0.0011, UNDECIDED),
            (-0.02, 0.001, FAILS),  # the paper's smallest gain is 0.1 points
            (-0.02, -0.01, FAILS),
        ],
    )
    def test_its_interval_decides(self, low, high, expected):
        run = changed(RUN, "chosen", "RTE", mean=(low + high) / 2, low=low, high=high)
        assert verdicts(run, HELD_OUT)["RTE"] == expected
        assert verdicts(run, SOME_HEAD) == verdicts(RUN, SOME_HEAD)
        assert row_of(run, HELD_OUT, "RTE")["high"] == high

    def test_seeds_are_averaged(self):
        gains = SEEDS.chosen.query("task == 'RTE' and instead == 'uniform'")["mean"]
        row = row_of(SEEDS, HELD_OUT, "RTE")
        assert row["mean"] == pytest.approx(gains.mean())
        half = stats.t.ppf(0.975, 2) * gains.std() / np.sqrt(3)
        assert row["high"] - row["mean"] == pytest.approx(half)


class TestOthers:
    @pytest.mark.parametrize(
        ("low", "high", "expected"), [(0.001, 0.003, HOLDS), (-0.003, -0.001, FAILS), (-0.001, 0.001, UNDECIDED)]
    )
    def test_the_average_and_the_layer_that_the_paper_names(self, low, high, expected):
        numbers = {"mean": (low + high) / 2, "low": low, "high": high}
        run = changed(RUN, "average", "MRPC", **numbers)
        assert verdicts(run, ON_AVERAGE)["MRPC"] == expected
        assert verdicts(run, ON_AVERAGE)["RTE"] == verdicts(RUN, ON_AVERAGE)["RTE"]
        run = changed(RUN, "layers", "RTE", rows={"layer": 0}, **numbers)
        assert verdicts(run, ONE_LAYER) == {"RTE": expected}
        run = changed(RUN, "layers", "RTE", rows={"layer": 1}, **numbers)
        assert verdicts(run, ONE_LAYER) == verdicts(RUN, ONE_LAYER)

    def test_layers_are_cheap_if_all_of_them_are(self):
        cheap = changed(RUN, "layers", "QNLI", mean=0.001, low=-0.0005, high=0.0025)
        assert verdicts(cheap, CHEAP_LAYERS)["QNLI"] == HOLDS
        wide = changed(cheap, "layers", "QNLI", rows={"layer": 2}, mean=0.001, low=-0.01, high=0.02)
        assert verdicts(wide, CHEAP_LAYERS)["QNLI"] == UNDECIDED
        dear = changed(cheap, "layers", "QNLI", rows={"layer": 2}, mean=-0.05, low=-0.06, high=-0.04)
        assert verdicts(dear, CHEAP_LAYERS)["QNLI"] == FAILS
        assert row_of(dear, CHEAP_LAYERS, "QNLI")["mean"] == -0.05

    def test_the_worst_layer_is_corrected_for(self):
        cheap = changed(RUN, "layers", "QNLI", mean=0.001, low=-0.0005, high=0.0025)
        dear = changed(cheap, "layers", "QNLI", rows={"layer": 2}, mean=-0.012, low=-0.0215, high=-0.0025)
        assert verdicts(dear, CHEAP_LAYERS)["QNLI"] == UNDECIDED  # alone, its interval is below 0.2 points
        row = row_of(dear, CHEAP_LAYERS, "QNLI")
        normal = stats.norm.isf(0.025 / 3) / stats.norm.isf(0.025)
        assert row["mean"] - row["low"] == pytest.approx(normal * 0.0095)

    def test_the_correction_of_several_seeds_is_of_t(self):
        run = tables(("QNLI",), seeds=(0, 1, 2))
        losses = run.layers.query("instead == 'uniform'").groupby("layer")["mean"].agg(["mean", "std"])
        worst = losses.loc[losses["mean"].idxmin()]
        row = row_of(run, CHEAP_LAYERS, "QNLI")
        half = stats.t.isf(0.025 / 3, 2) * worst["std"] / np.sqrt(3)
        assert row[["mean", "low", "high"]].tolist() == pytest.approx(
            [worst["mean"], worst["mean"] - half, worst["mean"] + half]
        )

    @pytest.mark.parametrize(("score", "expected"), [(0.32, HOLDS), (0.46, UNDECIDED), (0.75, FAILS)])
    def test_the_lowest_score_against_chance(self, score, expected):
        run = changed(RUN, "heads", "SST-2", score=0.9)
        run = changed(run, "heads", "SST-2", rows={"layer": 1, "head": 0}, score=score)
        assert verdicts(run, BELOW_CHANCE) == {"SST-2": expected}
        row = row_of(run, BELOW_CHANCE, "SST-2")
        interval = stats.binomtest(round(200 * score), 200).proportion_ci(1 - 0.05 / 12)
        assert row[["mean", "low", "high"]].tolist() == pytest.approx([score, *interval])

    def test_seeds_must_agree_on_the_lowest_score(self):
        run = changed(SEEDS, "heads", "SST-2", score=0.2)
        assert verdicts(run, BELOW_CHANCE) == {"SST-2": HOLDS}
        run = changed(run, "heads", "SST-2", rows={"seed": 0}, score=0.9)
        assert verdicts(run, BELOW_CHANCE) == {"SST-2": UNDECIDED}
        assert row_of(run, BELOW_CHANCE, "SST-2")["mean"] == 0.2


class TestClaims:
    def test_paper_reference_run_and_this_run(self):
        table = disabling.claims(RUN, CHANCE)
        assert list(table) == ["claim", "paper", "reference run", "this run"]
        cells = table.set_index("claim")
        assert list(cells.index) == [SOME_HEAD, HELD_OUT, ON_AVERAGE, ONE_LAYER, CHEAP_LAYERS, BELOW_CHANCE]
        assert cells.loc[SOME_HEAD, "this run"] == "holds: 7, does not hold: 0, cannot tell: 0"
        assert cells.loc[SOME_HEAD, "reference run"].startswith("holds: 0")
        assert cells.loc[SOME_HEAD, "paper"] == "holds, by +0.1 (STS-B) to +1.2 (MRPC)"
        assert cells.loc[HELD_OUT, "paper"] == "not asked"
        assert cells.loc[ONE_LAYER, "paper"] == "holds, by +3.2"

    def test_a_statement_on_one_task_carries_its_number(self):
        run = changed(RUN, "layers", "RTE", rows={"layer": 0}, mean=0.0123, low=-0.001, high=0.0256)
        run = changed(run, "heads", "SST-2", score=0.9)
        cells = disabling.claims(run).set_index("claim")["this run"]
        assert cells[ONE_LAYER] == "cannot tell (by +1.23 [-0.10, +2.56] points)"
        assert re.fullmatch(r"does not hold \(lowest score 90\.0 \[8\d\.\d, 9\d\.\d\] %\)", cells[BELOW_CHANCE])

    def test_what_a_run_lacks_is_said(self):
        cells = disabling.claims(CHANCE).set_index("claim")["this run"]
        assert cells[CHEAP_LAYERS] == "not asked without QNLI, MNLI"
        assert cells[ON_AVERAGE].endswith(" (without MRPC)")
        cells = disabling.claims(without(RUN, "RTE", "SST-2")).set_index("claim")["this run"]
        assert cells[ONE_LAYER] == "not asked without RTE"
        assert cells[BELOW_CHANCE] == "not asked without SST-2"
        assert cells[SOME_HEAD].startswith("holds: 5")

    def test_alone(self):
        assert disabling.claims(RUN)["reference run"].isna().all()


class TestRemains:
    def test_both_gains_and_how_often_they_are_more_than_chance(self):
        run = without(RUN, *(set(TASKS) - {"RTE", "MRPC"}))
        for task, gain in (("RTE", 0.01), ("MRPC", 0.03)):
            numbers = {"best": 2 * gain, "mean": gain, "low": gain - 0.02, "high": gain + 0.02}
            run = changed(run, "chosen", task, **numbers)
        run = changed(run, "heads", "RTE", holm=1.0)
        half = 100 * np.hypot(0.02, 0.02) / 2
        assert disabling.held_out_summary(run) == (
            "On 2 tasks, disabling the best head changes the score by +4.0 points on average on the examples that "
            f"chose it, and by +2.0 [{2 - half:+.1f}, {2 + half:+.1f}] on others. A head that helps beyond chance can "
            "be named on 1 of 2 tasks; a head chosen on other examples helps on 1."
        )

    def test_one_task(self):
        text = disabling.held_out_summary(without(RUN, *(set(TASKS) - {"RTE"})))
        assert text.startswith("On RTE, disabling the best head changes the score by +")
        assert "on average" not in text
        assert "can be named on 1 of 1 task;" in text


@pytest.mark.parametrize(
    ("change", "expected"), [(0.0123, "+1.23"), (-0.0123, "-1.23"), (0, "0.00"), (-0.00001, "0.00"), (0.00006, "+0.01")]
)
def test_changes_have_a_sign_unless_they_are_none(change, expected):
    assert estimates.signed(change) == expected


@pytest.mark.skipif(not PAPER.is_file(), reason="needs the digest ../shared/paper.md beside the repository")
def test_every_number_on_disabling_is_the_digests():
    text = PAPER.read_text().replace("\n", " ")
    section = re.search(r"## 4\.6(.*?) ## ", text)[1]
    gains = {task: float(gain) / 100 for gain, task in re.findall(r"\+([\d.]+) \(([A-Z-]+)\)", section)}
    assert pytest.approx(gains) == reported.HEAD_GAINS
    layer, task, gain = re.search(r"Disabling layer (\d+) on ([A-Z]+): \+(\d+\.\d+)", section).groups()
    assert {task: (int(layer) - 1, pytest.approx(float(gain) / 100))} == reported.LAYER_GAINS
    *tasks, loss = re.search(r"On ([A-Z]+) and ([A-Z]+) layer disabling costs up to ([\d.]+)\.", section).groups()
    assert (tuple(tasks), pytest.approx(-float(loss) / 100)) == (reported.CHEAP_LAYERS, reported.LAYER_LOSS)
    task, score = re.search(r"Figure 8, ([A-Z]+-\d) \| one head drops the score to about (\.\d+)", text).groups()
    assert {task: float(score)} == reported.LOWEST_SCORES
    tasks = re.search(r"for ([A-Z]+) and ([A-Z]+) the average over all heads is an improvement", section).groups()
    assert tasks == reported.HELPS_ON_AVERAGE
