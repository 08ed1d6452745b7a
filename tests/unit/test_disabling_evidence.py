"""Section 4.6 in tables: what is planted is found, what is chance is not, and every number equals a plain one."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets.corpora.scores import evaluate
from darksecrets.corpora.tasks import TASKS as GLUE
from darksecrets.runs import Run
from darksecrets.sections import disabling
from darksecrets.sections.disabling import DisablingTables
from darksecrets.statistics import benjamini_hochberg, holm, interval_of_mean
from tests.disabling_tables import INSTEAD, ORDERS, removed, results, swept

HELPS, HURTS = (1, 2), (0, 1)
TASKS, SEEDS = ("RTE", "STS-B"), (3, 4)
SWEPT, REMOVED = results(TASKS, SEEDS, helps={HELPS: 0.15}, hurts={HURTS: 0.15}, gains=0.05)
TABLES = DisablingTables.of(SWEPT, REMOVED)
SWEEP = ["task", "seed", "instead"]
SIMULATIONS = 200
# Of 200 simulations in which the rate is 5 %, more than this happen once in a thousand times: 21.
MOST = stats.binom.ppf(0.999, SIMULATIONS, 0.05)


def sweep_of(task, seed, instead):
    return next(one for one in SWEPT if (one.task, one.seed, one.instead) == (task, seed, instead))


def score(task, label, answers):
    return evaluate([GLUE[task].headline], label, answers)[GLUE[task].headline]


class TestTables:
    def test_each_has_a_row_for_everything(self):
        n_sweeps = len(TASKS) * len(SEEDS) * len(INSTEAD)
        sizes = {"baseline": 4, "heads": n_sweeps * 12, "layers": n_sweeps * 3, "average": n_sweeps}
        sizes |= {"chosen": n_sweeps, "seeds": len(TASKS) * len(INSTEAD), "curves": 4 * len(ORDERS) * 13}
        for name, size in sizes.items():
            assert len(getattr(TABLES, name)) == size, name

    def test_no_number_is_missing(self):
        for field in fields(TABLES):
            assert getattr(TABLES, field.name).notna().all(axis=None), field.name

    def test_what_is_saved_is_found(self, tmp_path):
        run = Run(tmp_path)
        assert DisablingTables.find(run) is None
        one_seed = DisablingTables.of(*results(("STS-B",), (0,)))
        for tables in (TABLES, one_seed):
            tables.save(run, tasks="two of them")
            found = DisablingTables.find(run)
            for field in fields(tables):
                pd.testing.assert_frame_equal(getattr(found, field.name), getattr(tables, field.name))

    def test_the_baseline_is_that_of_each_classifier(self):
        for row in TABLES.baseline.itertuples():
            one = sweep_of(row.task, row.seed, "zero")
            assert row.metric == GLUE[row.task].headline
            assert row.n_examples == 200
            assert row.mean == pytest.approx(score(row.task, one.label, one.baseline))
            assert row.low < row.mean < row.high


class TestHeadsAndLayers:
    @pytest.mark.parametrize("part", ["heads", "layers"])
    def test_scores_and_changes(self, part):
        place = ["layer", "head"][: 1 + (part == "heads")]
        for row in getattr(TABLES, part).itertuples():
            one = sweep_of(row.task, row.seed, row.instead)
            answers = getattr(one, part)[(slice(None), *(getattr(row, name) for name in place))]
            assert row.score == pytest.approx(score(row.task, one.label, answers))
            assert row.mean == pytest.approx(row.score - score(row.task, one.label, one.baseline))
            assert row.low <= row.mean <= row.high

    @pytest.mark.parametrize("part", ["heads", "layers"])
    def test_p_is_corrected_within_a_sweep(self, part):
        for _, rows in getattr(TABLES, part).groupby(SWEEP):
            assert rows["holm"].to_numpy() == pytest.approx(holm(rows["p"]))
            assert rows["benjamini_hochberg"].to_numpy() == pytest.approx(benjamini_hochberg(rows["p"]))

    def test_heads_that_matter_are_found_in_every_sweep(self):
        heads = TABLES.heads.set_index(["layer", "head"])
        for place, sign in ((HELPS, 1), (HURTS, -1)):
            found = heads.loc[[place]]
            assert (found["holm"] < 0.05).all()
            assert ((sign * found["low"] > 0) == (sign * found["high"] > 0)).all()
            assert (sign * found["mean"]).to_numpy() == pytest.approx(0.15, abs=0.06)
        rest = heads.drop([HELPS, HURTS])
        assert rest["mean"].abs().max() < 0.06


def no_head_matters(task, kind, seed):
    """A sweep in which each head's changes are as often to the better as to the worse; or in which labels are shuffled,
    so that even heads that did matter do not.
    """
    if kind == "symmetric noise":
        return swept(task, 250, noise=0.2, seed=seed)
    one = swept(task, 250, noise=0.2, helps={HELPS: 0.15}, hurts={HURTS: 0.3}, seed=seed)
    return replace(one, label=np.random.default_rng(seed).permutation(one.label))


class TestChance:
    @pytest.mark.parametrize("kind", ["shuffled labels", "symmetric noise"])
    @pytest.mark.parametrize("task", TASKS)
    def test_heads_that_do_not_matter_are_as_rarely_found_as_promised(self, task, kind):
        # Where no head matters, all that is found is false: a simulation in which any head is found counts as one.
        sweeps = [no_head_matters(task, kind, seed) for seed in range(SIMULATIONS)]
        heads = disabling.score_changes(sweeps, "heads")
        for correction in ("holm", "benjamini_hochberg"):
            is_found = heads[correction] <= 0.05
            assert is_found.groupby(heads["seed"]).any().sum() <= MOST
            assert is_found.mean() <= 0.05
        # Without correction more than that have something: the simulation could have failed.
        assert (heads["p"] <= 0.05).groupby(heads["seed"]).any().sum() > MOST

    @pytest.mark.parametrize("task", TASKS)
    def test_a_head_that_helps_is_found_as_often_as_it_should(self, task):
        # 25 simulations: expected 98 % and more, by the sizes of effect and sample.
        sweeps = [swept(task, 300, helps={HELPS: 0.1}, seed=seed) for seed in range(25)]
        heads = disabling.score_changes(sweeps, "heads").set_index(["layer", "head"])
        for correction in ("holm", "benjamini_hochberg"):
            assert (heads.loc[[HELPS], correction] <= 0.05).sum() >= 22
            assert (heads.drop([HELPS])[correction] <= 0.05).mean() <= 0.05


class TestAverage:
    def test_is_the_mean_over_heads(self):
        expected = TABLES.heads.groupby(SWEEP)["mean"].mean()
        found = TABLES.average.set_index(SWEEP)["mean"]
        assert found.to_dict() == pytest.approx(expected.to_dict(), abs=1e-12)

    def test_its_interval_is_that_of_examples(self):
        one = sweep_of("RTE", 3, "uniform")
        is_right = one.heads == one.label[:, None, None]
        per_example = is_right.mean((1, 2)) - (one.baseline == one.label)
        row = TABLES.average.set_index(SWEEP).loc[("RTE", 3, "uniform")]
        assert row.to_list() == pytest.approx([float(number) for number in interval_of_mean(per_example)])


class TestCurves:
    def test_each_step_is_scored(self):
        for one in REMOVED:
            rows = TABLES.curves.query("task == @one.task and seed == @one.seed and order == @one.order")
            assert rows["n_disabled"].tolist() == list(range(13))
            assert rows["share"].to_numpy() == pytest.approx(np.arange(13) / 12)
            expected = [score(one.task, one.label, answers) for answers in one.answers.T]
            assert rows["score"].to_numpy() == pytest.approx(expected)
            assert rows["mean"].to_numpy() == pytest.approx(np.array(expected) - expected[0])
            assert rows[["mean", "low", "high"]].iloc[0].tolist() == [0, 0, 0]
            assert ((rows["low"] < rows["mean"]) & (rows["mean"] < rows["high"]))[1:].all()

    def test_what_is_planted_is_seen(self):
        ends = disabling.curves([removed(order=order, gains=0.1, n_examples=400) for order in ("sweep", "random 1")])
        sweep, random = (ends[ends["order"] == order].set_index("n_disabled") for order in ("sweep", "random 1"))
        assert sweep.loc[6, "low"] > 0 > random.loc[6, "high"]
        assert sweep.loc[12, "high"] < 0
