"""Section 4.6: what is planted is found, what is chance is not, each number equals a plain one and charts draw it."""

import json
import math
import re
import textwrap
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darksecrets import reported
from darksecrets.corpora.scores import evaluate
from darksecrets.corpora.tasks import TASKS
from darksecrets.estimates import format_change, format_estimate, signed
from darksecrets.figures import charts
from darksecrets.figures.head_charts import OUTLINE
from darksecrets.heads import HEAD, head_label
from darksecrets.runs import Run
from darksecrets.saved_tables import side_by_side
from darksecrets.sections import disabling
from darksecrets.sections.disabling import (
    BELOW_CHANCE,
    CHANGE,
    CHEAP_LAYERS,
    HELD_OUT,
    ON_AVERAGE,
    ONE_LAYER,
    SMALLEST_GAIN,
    SOME_HEAD,
    DisablingTables,
    chosen_heads,
    same_heads,
    score_changes,
    split_halves,
)
from darksecrets.statistics import (
    benjamini_hochberg,
    contributions_to_change,
    holm,
    interval_of_mean,
    over_seeds,
    over_tasks,
    rank_correlation,
)
from tests.disabling_tables import INSTEAD, ORDERS, SOME, removed, results, swept, tables
from tests.unit.test_charts import PHONE, parts, svg_of
from tests.unit.test_head_charts import chosen, labels

DIGEST = Path(__file__).parents[2].parent / "shared" / "paper.md"
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "cannot tell"
HELPS, HURTS = (1, 2), (0, 1)  # heads in which an effect is planted
PLANTED = {"helps": {HELPS: 0.15}, "hurts": {HURTS: 0.15}, "gains": 0.05}
RUNS = {
    "planted": lambda: tables(TASKS, **PLANTED),
    "seeds": lambda: tables((*SOME, "SST-2"), seeds=(0, 1, 2), **PLANTED),
    "chance": lambda: tables((*SOME, "SST-2")),
    "one task": lambda: tables(("RTE",)),
    "small": lambda: tables(n_examples=60, n_layers=2, n_heads=3, helps={HELPS: 0.2}, hurts={HURTS: 0.4}),
    "small, seeds": lambda: tables(seeds=(0, 1), n_examples=60, n_layers=2, n_heads=3, hurts={HURTS: 0.4}),
}


@cache
def run_of(name):
    """Made-up tables, as a chapter saves them."""
    return RUNS[name]()


def only(table, **values):
    """The rows that have these values, of attention made uniform unless `instead` says otherwise."""
    if "instead" in table:
        values = {"instead": "uniform"} | values
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def changed(run, name, task, rows=None, instead="uniform", **values):
    """The run with rows of a table changed: those of a task, of what stands in, and of `rows` (columns)."""
    table = getattr(run, name).copy()
    index = only(table, task=task, instead=instead, **(rows or {})).index
    assert len(index)
    for column, value in values.items():
        table.loc[index, column] = value
    return replace(run, **{name: table})


def of_tasks(run, *tasks):
    return replace(run, **{name: table[table["task"].isin(tasks)] for name, table in vars(run).items()})


def score(one, answers, rows=slice(None)):
    metric = TASKS[one.task].headline
    return evaluate([metric], one.label[rows], answers[rows])[metric]


class TestTables:
    tasks, seeds = ("RTE", "STS-B"), (3, 4)
    sweeps, curves = results(tasks, seeds, **PLANTED)
    tables = DisablingTables.of(sweeps, curves)
    key = ("task", "seed", "instead")

    def sweep_of(self, row):
        return next(one for one in self.sweeps if all(getattr(one, name) == getattr(row, name) for name in self.key))

    def test_each_has_a_row_for_everything_and_no_number_is_missing(self):
        n_sweeps = len(self.tasks) * len(self.seeds) * len(INSTEAD)
        sizes = {"baseline": 4, "heads": n_sweeps * 12, "layers": n_sweeps * 3, "average": n_sweeps}
        sizes |= {"chosen": n_sweeps, "seeds": len(self.tasks) * len(INSTEAD), "curves": 4 * len(ORDERS) * 13}
        assert {name: len(table) for name, table in vars(self.tables).items()} == sizes
        assert all(table.notna().all(axis=None) for table in vars(self.tables).values())

    @pytest.mark.parametrize("found", [tables, DisablingTables.of(*results(("STS-B",), (0,)))], ids=["seeds", "one"])
    def test_what_is_saved_is_found(self, found, tmp_path):
        run = Run(tmp_path)
        assert DisablingTables.find(run) is None
        found.save(run, tasks="some")
        for field in fields(found):
            pd.testing.assert_frame_equal(
                getattr(DisablingTables.find(run), field.name), getattr(found, field.name), obj=field.name
            )

    def test_the_baseline_is_that_of_each_classifier(self):
        for row in self.tables.baseline.assign(instead="zero").itertuples():
            one = self.sweep_of(row)
            assert (row.metric, row.n_examples) == (TASKS[row.task].headline, 200)
            assert row.mean == pytest.approx(score(one, one.baseline))
            assert row.low < row.mean < row.high

    @pytest.mark.parametrize(("part", "index"), [("heads", ["layer", "head"]), ("layers", ["layer"])])
    def test_scores_changes_and_corrected_p(self, part, index):
        table = getattr(self.tables, part)
        for row in table.itertuples():
            one = self.sweep_of(row)
            answers = getattr(one, part)[(slice(None), *(getattr(row, name) for name in index))]
            assert row.score == pytest.approx(score(one, answers))
            assert row.mean == pytest.approx(row.score - score(one, one.baseline))
            assert row.low <= row.mean <= row.high
        for _, rows in table.groupby(list(self.key)):
            assert rows["holm"].to_numpy() == pytest.approx(holm(rows["p"]))
            assert rows["benjamini_hochberg"].to_numpy() == pytest.approx(benjamini_hochberg(rows["p"]))

    def test_heads_that_matter_are_found_in_every_sweep(self):
        heads = self.tables.heads.set_index(HEAD)
        for head, sign in ((HELPS, 1), (HURTS, -1)):
            rows = heads.loc[[head]]
            assert (rows["holm"] < 0.05).all()
            assert (sign * rows[["low", "high"]] > 0).all(axis=None)
            assert (sign * rows["mean"]).to_numpy() == pytest.approx(0.15, abs=0.06)
        assert heads.drop([HELPS, HURTS])["mean"].abs().max() < 0.06

    def test_the_average_is_over_heads_and_its_interval_over_examples(self):
        found = self.tables.average.set_index(list(self.key))
        expected = self.tables.heads.groupby(list(self.key))["mean"].mean()
        assert found["mean"].to_dict() == pytest.approx(expected.to_dict(), abs=1e-12)
        row = found.loc[("RTE", 3, "uniform")]
        (one,) = (one for one in self.sweeps if (one.task, one.seed, one.instead) == row.name)
        per_example = (one.heads == one.label[:, None, None]).mean((1, 2)) - (one.baseline == one.label)
        assert row.to_list() == pytest.approx([float(number) for number in interval_of_mean(per_example)])

    def test_each_step_of_a_curve_is_scored(self):
        for one in self.curves:
            rows = only(self.tables.curves, task=one.task, seed=one.seed, order=one.order)
            assert rows["n_disabled"].tolist() == list(range(13))
            assert rows["share"].to_numpy() == pytest.approx(np.arange(13) / 12)
            expected = np.array([score(one, answers) for answers in one.answers.T])
            assert rows["score"].to_numpy() == pytest.approx(expected)
            assert rows["mean"].to_numpy() == pytest.approx(expected - expected[0])
            assert rows[CHANGE].iloc[0].tolist() == [0, 0, 0]
            assert ((rows["low"] < rows["mean"]) & (rows["mean"] < rows["high"]))[1:].all()

    def test_a_planted_curve_is_seen(self):
        found = disabling.curves([removed(order=order, gains=0.1, n_examples=400) for order in ("sweep", "random 1")])
        found = found.set_index(["order", "n_disabled"])
        assert found.loc[("sweep", 6), "low"] > 0 > found.loc[("random 1", 6), "high"]
        assert found.loc[("sweep", 12), "high"] < 0


@pytest.mark.parametrize("task", ["RTE", "STS-B"])
class TestChance:
    @pytest.mark.parametrize("kind", ["shuffled labels", "symmetric noise"])
    def test_heads_that_do_not_matter_are_as_rarely_found_as_promised(self, task, kind):
        # Where no head matters, all that is found is false: a simulation in which any head is found counts as one. Of
        # 200 simulations in which the rate is 5 %, more than `most` happen once in a thousand times: 21.
        most, sweeps = stats.binom.ppf(0.999, 200, 0.05), []
        for seed in range(200):
            if kind == "symmetric noise":
                sweeps.append(swept(task, 250, noise=0.2, seed=seed))
            else:  # even heads that did matter do not
                one = swept(task, 250, noise=0.2, helps={HELPS: 0.15}, hurts={HURTS: 0.3}, seed=seed)
                sweeps.append(replace(one, label=np.random.default_rng(seed).permutation(one.label)))
        heads = score_changes(sweeps, "heads")
        for correction in ("holm", "benjamini_hochberg"):
            is_found = heads[correction] <= 0.05
            assert is_found.groupby(heads["seed"]).any().sum() <= most
            assert is_found.mean() <= 0.05
        # Without correction more than that have something: the simulation could have failed.
        assert (heads["p"] <= 0.05).groupby(heads["seed"]).any().sum() > most

    def test_a_head_that_helps_is_found_as_often_as_it_should(self, task):
        # 25 simulations: expected 98 % and more, by the sizes of effect and sample.
        sweeps = [swept(task, 300, helps={HELPS: 0.1}, seed=seed) for seed in range(25)]
        heads = score_changes(sweeps, "heads").set_index(HEAD)
        for correction in ("holm", "benjamini_hochberg"):
            assert (heads.loc[[HELPS], correction] <= 0.05).sum() >= 22
            assert (heads.drop([HELPS])[correction] <= 0.05).mean() <= 0.05

    def test_chance_gains_on_the_examples_that_chose_it_only(self, task):
        # No head matters. The interval of the gain on other examples is to cover 0 in 95 % of 200 sweeps or more, and
        # to lie above it in 2.5 % or fewer: the bounds are those which a right interval breaks once in 1000 times.
        rows = chosen_heads([swept(task, 100, noise=0.2, seed=seed) for seed in range(200)], n_splits=50)
        error = rows["mean"].std() / math.sqrt(len(rows))
        assert abs(rows["mean"].mean()) < 4 * error
        assert rows["same_half"].mean() > rows["best"].mean() > 10 * error
        assert ((rows["low"] <= 0) & (rows["high"] >= 0)).sum() >= stats.binom.ppf(0.001, 200, 0.95)
        assert (rows["low"] > 0).sum() <= stats.binom.ppf(0.999, 200, 0.025)


class TestHeldOutGains:
    @pytest.mark.parametrize("n_examples", [2, 10, 11])
    def test_halves_share_no_example_and_leave_none_out(self, n_examples):
        halves = split_halves(n_examples, 50)
        assert halves.shape == (100, n_examples)
        assert (halves[:50] + halves[50:] == 1).all()
        assert set(halves[:50].sum(1)) == {n_examples // 2}

    def test_halves_are_even_handed_and_one_example_has_none(self):
        # 2000 splits: a share of 0.5 has a standard error of 0.011.
        assert split_halves(10, 2000)[:2000].mean(0) == pytest.approx(0.5, abs=0.045)
        with pytest.raises(ValueError, match="1 examples have no halves"):
            split_halves(1, 5)

    @pytest.mark.parametrize("task", ["RTE", "STS-B"])
    def test_gains_equal_one_half_at_a_time(self, task):
        one = swept(task, 60, helps={HELPS: 0.05}, noise=0.2)
        answers = one.heads.reshape(60, 12)
        row = chosen_heads([one], n_splits=20).iloc[0]
        contributions = contributions_to_change(TASKS[task].headline, one.label, one.baseline, answers)
        same, other, counts = [], [], np.zeros(12)
        held_out = []  # what an example contributes to the gain of a head chosen without it, with its weight
        for half in split_halves(60, 20).astype(bool):
            here, there = (
                np.array([score(one, column, rows) for column in answers.T]) - score(one, one.baseline, rows)
                for rows in (half, ~half)
            )
            best = np.flatnonzero(here > here.max() - 1e-9)
            same.append(here.max())
            other.append(there[best].mean())
            counts[best] += 1 / len(best)
            held_out += [(value, 1 / len(best)) for value in contributions[~half][:, best].ravel()]
        assert (row["same_half"], row["mean"]) == pytest.approx((np.mean(same), np.mean(other)))
        assert (row["share"], row["n_splits"]) == (pytest.approx(counts.max() / 40), 20)
        values, weights = np.transpose(held_out)
        width = 2 * stats.t.ppf(0.975, 59) * math.sqrt(np.cov(values, aweights=weights, ddof=0) / 59)
        assert (row["high"] - row["low"], row["high"] + row["low"]) == pytest.approx((width, 2 * row["mean"]))

    @pytest.mark.parametrize("task", ["RTE", "STS-B"])
    def test_a_head_that_helps_is_the_best_and_helps_on_other_examples(self, task):
        one = swept(task, helps={HELPS: 0.15}, seed=4)
        row = chosen_heads([one]).iloc[0]
        of_head = score_changes([one], "heads").set_index(HEAD).loc[HELPS]
        assert row[["task", "seed", "instead", *HEAD]].tolist() == [task, 4, "uniform", *HELPS]
        assert row[["best", "best_low", "best_high"]].tolist() == of_head[CHANGE].tolist()
        assert row["low"] > 0
        assert row["mean"] == pytest.approx(0.15, abs=0.06)
        assert row["share"] > 0.9

    def test_its_interval_is_that_of_its_change_where_one_head_is_always_chosen(self):
        one = swept("RTE", helps={HELPS: 0.2})
        row = chosen_heads([one]).iloc[0]
        gained = (one.heads[:, *HELPS] == one.label).astype(float) - (one.baseline == one.label)
        assert row["share"] == 1
        expected = stats.t.interval(0.95, len(gained) - 1, gained.mean(), stats.sem(gained))
        assert (row["low"], row["high"]) == pytest.approx(expected)

    def test_heads_that_gain_the_same_share_the_choice(self):
        one = swept("RTE", 50)
        row = chosen_heads([replace(one, heads=np.tile(one.baseline[:, None, None], (1, 3, 4)))]).iloc[0]
        assert row["share"] == pytest.approx(1 / 12)
        assert row[["best", "same_half", *CHANGE]].tolist() == [0] * 5


class TestSameHeads:
    sweeps = [swept(helps={HELPS: 0.2}, instead=way, seed=seed) for way in ("uniform", "zero") for seed in (5, 6, 8)]
    heads = score_changes(sweeps, "heads")

    def test_every_two_seeds_are_compared(self):
        found = same_heads(self.heads)
        assert list(zip(found["seed"], found["other"], strict=True)) == [(5, 6), (5, 8), (6, 8)] * 2
        assert found["instead"].tolist() == ["uniform"] * 3 + ["zero"] * 3
        assert found["same_best"].all()
        for row in found.itertuples():
            one, other = (only(self.heads, instead=row.instead, seed=seed)["mean"] for seed in (row.seed, row.other))
            assert row.mean == pytest.approx(stats.spearmanr(one, other).statistic)
            assert (row.mean, row.low, row.high) == rank_correlation(one, other)

    @pytest.mark.parametrize(("other", "expected"), [([0, 0, 1], False), ([0, 1, 0], True), ([1, 0, 0], True)])
    def test_one_of_the_best_heads_is_enough(self, other, expected):
        heads = pd.DataFrame({"head": [0, 1, 2] * 2, "seed": [0] * 3 + [1] * 3, "mean": [1, 1, 0, *other]})
        assert same_heads(heads.assign(task="RTE", instead="zero", layer=0))["same_best"].tolist() == [expected]

    def test_one_seed_has_none_to_be_compared_with(self):
        found = same_heads(self.heads[self.heads["seed"] == 5])
        assert not len(found)
        assert found.dtypes.to_dict() == same_heads(self.heads).dtypes.to_dict()


def steps(changes, task="RTE", order="sweep", seed=0):
    count = np.arange(len(changes))
    table = pd.DataFrame({"n_disabled": count, "share": count / count[-1], "mean": np.array(changes, float)})
    return table.assign(low=table["mean"] - 0.02, high=table["mean"] + 0.02, task=task, seed=seed, order=order)


class TestRemovable:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ([0, 0.02, -0.005, -0.03, -0.2], 2),
            ([0, 0.02, -0.03, 0.02, -0.2], 1),  # what costs too much is not made good by more
            ([0, -0.01, 0.29 - 0.3, -0.01, -0.01], 4),  # a point is allowed, and so is its rounding
            ([0, -0.0101, 0.1, 0.1, 0.1], 0),
        ],
    )
    def test_up_to_the_first_step_that_costs_more(self, changes, expected):
        row = disabling.removable(steps(changes).sample(frac=1, random_state=0)).iloc[0]
        assert (row["n_disabled"], row["share"]) == (expected, expected / 4)
        change = changes[expected]
        assert row[CHANGE].tolist() == pytest.approx([change, change - 0.02, change + 0.02])

    def test_each_task_and_order_with_seeds_averaged(self):
        of_seeds = {
            ("RTE", "sweep"): ([0, -0.015, -0.2], [0, -0.001, -0.2]),
            ("RTE", "gradient"): ([0, 0, 0], [0, 0, -0.1]),
            ("MNLI", "sweep"): ([0, 0, 0], [0, 0, 0]),
        }
        curves = [steps(one, *key, seed) for key, seeds in of_seeds.items() for seed, one in enumerate(seeds)]
        found = disabling.removable(pd.concat(curves)).set_index(["task", "order"])["n_disabled"]
        assert found.to_dict() == {("RTE", "sweep"): 1, ("RTE", "gradient"): 1, ("MNLI", "sweep"): 2}

    def test_orders_are_columns_and_random_draws_are_averaged(self):
        draws = {"random 1": [0, 0, -0.1, 0, 0], "random 2": [0, 0, 0, -0.1, 0]}
        curves = [steps([0, 0.001, -0.005, -0.03, -0.2]), *(steps(one, order=order) for order, one in draws.items())]
        run = replace(run_of("one task"), curves=pd.concat(curves))
        row = ["RTE", 4, "2 (50 %): -0.50 [-2.50, +1.50]", None, "1.5 (38 %)"]
        assert disabling.removable_table(run).iloc[0].tolist() == row
        expected = "For at most a point, heads that can go, of 4: 2 by a sweep, 2 at random"
        assert disabling.removal_finding(run) == expected

    def test_where_no_head_can_go_there_is_no_change_to_tell(self):
        run = replace(run_of("one task"), curves=steps([0, -0.05, 0, 0]))
        assert disabling.removable_table(run)["by a sweep"].tolist() == ["0 (0 %)"]

    def test_the_planted_curve(self):
        table = disabling.removable_table(run_of("planted"))
        assert list(table) == ["task", "heads", "by a sweep", "by gradient", "at random"]
        assert table["heads"].eq(12).all()
        found = disabling.removable(run_of("planted").curves)
        means = found.groupby(found["order"].str[:6])["n_disabled"].mean()
        assert means["sweep"] > means["random"] + 2


def verdicts(run, claim):
    table = only(disabling.judged(run), claim=claim)
    return dict(zip(table["task"], table["verdict"], strict=True))


def row_of(run, claim, task):
    return only(disabling.judged(run), claim=claim, task=task).iloc[0]


class TestJudged:
    def test_every_statement_on_every_task_that_it_is_about(self):
        table = disabling.judged(run_of("planted"))
        assert list(table) == ["claim", "task", *CHANGE, "verdict"]
        expected = {claim: [*TASKS] for claim in (SOME_HEAD, HELD_OUT)} | {ON_AVERAGE: ["MRPC", "RTE"]}
        expected |= {ONE_LAYER: ["RTE"], CHEAP_LAYERS: ["QNLI", "MNLI"], BELOW_CHANCE: ["SST-2"]}
        assert table.groupby("claim", sort=False)["task"].apply(list).to_dict() == expected

    def test_a_planted_head_is_named_and_gains_held_out(self):
        for claim in (SOME_HEAD, HELD_OUT):
            assert set(verdicts(run_of("planted"), claim).values()) == {HOLDS}
            assert HOLDS not in verdicts(run_of("chance"), claim).values()

    def test_only_attention_made_uniform_counts(self):
        other = run_of("planted")
        for name in ("heads", "layers", "average", "chosen"):
            for instead in ("zero", "mean"):
                other = changed(other, name, "RTE", instead=instead, mean=-1.0, low=-1.0, high=-1.0)
        pd.testing.assert_frame_equal(disabling.judged(other), disabling.judged(run_of("planted")))

    @pytest.mark.parametrize(
        ("mean", "low", "high", "p", "expected"),
        [
            (0.02, 0.001, 0.04, 0.04, HOLDS),
            (0.02, 0.001, 0.04, 0.06, UNDECIDED),
            (-0.02, -0.04, -0.002, 0.01, UNDECIDED),
        ],
    )
    def test_some_head_is_decided_by_its_corrected_p(self, mean, low, high, p, expected):
        run = changed(run_of("planted"), "heads", "RTE", holm=1.0, high=0.02)
        run = changed(run, "heads", "RTE", {"layer": 0, "head": 0}, mean=mean, low=low, high=high, holm=p)
        assert verdicts(run, SOME_HEAD)["RTE"] == expected
        assert verdicts(run, SOME_HEAD)["MRPC"] == HOLDS

    def test_to_deny_some_head_takes_all_heads(self):
        run = changed(run_of("planted"), "heads", "RTE", mean=-0.01, low=-0.02, high=SMALLEST_GAIN, holm=1.0)
        assert verdicts(run, SOME_HEAD)["RTE"] == FAILS
        run = changed(run, "heads", "RTE", {"layer": 2, "head": 3}, high=2 * SMALLEST_GAIN)
        assert verdicts(run, SOME_HEAD)["RTE"] == UNDECIDED

    @pytest.mark.parametrize(
        ("claim", "name"), [(SOME_HEAD, "heads"), (HELD_OUT, "chosen"), (ON_AVERAGE, "average"), (ONE_LAYER, "layers")]
    )
    def test_that_no_answer_changed_is_no_proof(self, claim, name):
        run = changed(
            run_of("planted"), name, "RTE", mean=0.0, low=0.0, high=0.0, **{"holm": 1.0} if name == "heads" else {}
        )
        assert verdicts(run, claim)["RTE"] == UNDECIDED
        if claim != SOME_HEAD:
            row = row_of(run, claim, "RTE")
            assert (row["low"], row["high"]) == (-row["high"], pytest.approx(1 - 0.025 ** (1 / 200)))
        many = replace(run, baseline=run.baseline.assign(n_examples=10_000))
        assert verdicts(many, claim)["RTE"] == (FAILS if claim in (SOME_HEAD, HELD_OUT) else UNDECIDED)

    def test_its_numbers_are_the_papers_kind_of_gain(self):
        best = only(run_of("planted").chosen, task="RTE").iloc[0]
        row = row_of(run_of("planted"), SOME_HEAD, "RTE")
        assert row[CHANGE].tolist() == best[["best", "best_low", "best_high"]].tolist()

    def test_fine_tunings_must_agree_on_some_head(self):
        run = run_of("seeds")
        for seed in (0, 1, 2):  # another head each time
            run = changed(run, "heads", "RTE", {"seed": seed, "layer": 0, "head": seed}, mean=0.1, holm=0.001)
        assert verdicts(run, SOME_HEAD)["RTE"] == HOLDS
        assert verdicts(changed(run, "heads", "RTE", {"seed": 2}, holm=1.0), SOME_HEAD)["RTE"] == UNDECIDED

    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            *((0.001, 0.02, HOLDS), (0.0001, 0.0005, HOLDS), (-0.001, 0.02, UNDECIDED), (-0.02, 0.0011, UNDECIDED)),
            *((-0.02, 0.001, FAILS), (-0.02, -0.01, FAILS)),  # the paper's smallest gain is 0.1 points
        ],
    )
    def test_the_interval_decides_on_the_held_out_gain(self, low, high, expected):
        run = changed(run_of("planted"), "chosen", "RTE", mean=(low + high) / 2, low=low, high=high)
        assert verdicts(run, HELD_OUT)["RTE"] == expected
        assert verdicts(run, SOME_HEAD) == verdicts(run_of("planted"), SOME_HEAD)
        assert row_of(run, HELD_OUT, "RTE")["high"] == high

    def test_seeds_are_averaged(self):
        gains = only(run_of("seeds").chosen, task="RTE")["mean"]
        row = row_of(run_of("seeds"), HELD_OUT, "RTE")
        half = stats.t.ppf(0.975, 2) * gains.std() / np.sqrt(3)
        assert (row["mean"], row["high"] - row["mean"]) == pytest.approx((gains.mean(), half))

    @pytest.mark.parametrize(
        ("low", "high", "expected"), [(0.001, 0.003, HOLDS), (-0.003, -0.001, FAILS), (-0.001, 0.001, UNDECIDED)]
    )
    def test_the_average_and_the_layer_that_the_paper_names(self, low, high, expected):
        run, numbers = run_of("planted"), {"mean": (low + high) / 2, "low": low, "high": high}
        found = verdicts(changed(run, "average", "MRPC", **numbers), ON_AVERAGE)
        assert found == verdicts(run, ON_AVERAGE) | {"MRPC": expected}
        assert verdicts(changed(run, "layers", "RTE", {"layer": 0}, **numbers), ONE_LAYER) == {"RTE": expected}
        other_layer = changed(run, "layers", "RTE", {"layer": 1}, **numbers)
        assert verdicts(other_layer, ONE_LAYER) == verdicts(run, ONE_LAYER)

    @pytest.mark.parametrize(
        ("mean", "low", "high", "expected"),
        [
            *((0.001, -0.0005, 0.0025, HOLDS), (0.001, -0.01, 0.02, UNDECIDED), (-0.05, -0.06, -0.04, FAILS)),
            (-0.012, -0.0215, -0.0025, UNDECIDED),  # alone, its interval is below 0.2 points
        ],
    )
    def test_layers_are_cheap_if_all_of_them_are(self, mean, low, high, expected):
        run = changed(run_of("planted"), "layers", "QNLI", mean=0.002, low=0.0005, high=0.0035)
        run = changed(run, "layers", "QNLI", {"layer": 2}, mean=mean, low=low, high=high)
        row = row_of(run, CHEAP_LAYERS, "QNLI")
        assert (row["verdict"], row["mean"]) == (expected, mean)
        of_three = stats.norm.isf(0.025 / 3) / stats.norm.isf(0.025)
        assert row["mean"] - row["low"] == pytest.approx(of_three * (mean - low))

    def test_the_correction_of_several_seeds_is_of_t(self):
        run = tables(("QNLI",), seeds=(0, 1, 2))
        losses = only(run.layers).groupby("layer")["mean"].agg(["mean", "std"])
        mean, deviation = losses.loc[losses["mean"].idxmin()]
        half = stats.t.isf(0.025 / 3, 2) * deviation / np.sqrt(3)
        expected = [mean, mean - half, mean + half]
        assert row_of(run, CHEAP_LAYERS, "QNLI")[CHANGE].tolist() == pytest.approx(expected)

    @pytest.mark.parametrize(("lowest", "expected"), [(0.32, HOLDS), (0.46, UNDECIDED), (0.75, FAILS)])
    def test_the_lowest_score_against_chance(self, lowest, expected):
        run = changed(run_of("planted"), "heads", "SST-2", score=0.9)
        run = changed(run, "heads", "SST-2", {"layer": 1, "head": 0}, score=lowest)
        assert verdicts(run, BELOW_CHANCE) == {"SST-2": expected}
        interval = stats.binomtest(round(200 * lowest), 200).proportion_ci(1 - 0.05 / 12)
        assert row_of(run, BELOW_CHANCE, "SST-2")[CHANGE].tolist() == pytest.approx([lowest, *interval])

    def test_seeds_must_agree_on_the_lowest_score(self):
        run = changed(run_of("seeds"), "heads", "SST-2", score=0.2)
        assert verdicts(run, BELOW_CHANCE) == {"SST-2": HOLDS}
        run = changed(run, "heads", "SST-2", {"seed": 0}, score=0.9)
        row = row_of(run, BELOW_CHANCE, "SST-2")
        assert (row["verdict"], row["mean"]) == (UNDECIDED, 0.2)


class TestClaims:
    def test_paper_reference_run_and_this_run(self):
        table = disabling.claims(run_of("planted"), run_of("chance"))
        assert list(table) == ["claim", "paper", "reference run", "this run"]
        cells = table.set_index("claim")
        assert list(cells.index) == [SOME_HEAD, HELD_OUT, ON_AVERAGE, ONE_LAYER, CHEAP_LAYERS, BELOW_CHANCE]
        assert cells.loc[SOME_HEAD, "this run"] == "holds: 7, does not hold: 0, cannot tell: 0"
        assert cells.loc[SOME_HEAD, "reference run"].startswith("holds: 0")
        assert cells["paper"].tolist()[:2] == ["holds, by +0.1 (STS-B) to +1.2 (MRPC)", "not asked"]
        assert cells.loc[ONE_LAYER, "paper"] == "holds, by +3.2"
        assert disabling.claims(run_of("planted"))["reference run"].isna().all()

    def test_a_statement_on_one_task_carries_its_number(self):
        run = changed(run_of("planted"), "layers", "RTE", {"layer": 0}, mean=0.0123, low=-0.001, high=0.0256)
        cells = disabling.claims(changed(run, "heads", "SST-2", score=0.9)).set_index("claim")["this run"]
        assert cells[ONE_LAYER] == "cannot tell (by +1.23 [-0.10, +2.56] points)"
        assert re.fullmatch(r"does not hold \(lowest score 90\.0 \[8\d\.\d, 9\d\.\d\] %\)", cells[BELOW_CHANCE])

    def test_what_a_run_lacks_is_said(self):
        cells = disabling.claims(run_of("chance")).set_index("claim")["this run"]
        assert cells[CHEAP_LAYERS] == "not asked without QNLI, MNLI"
        assert cells[ON_AVERAGE].endswith(" (without MRPC)")
        cells = disabling.claims(of_tasks(run_of("planted"), "MRPC", "QQP")).set_index("claim")["this run"]
        assert cells[ONE_LAYER] == "not asked without RTE"
        assert cells[BELOW_CHANCE] == "not asked without SST-2"
        assert cells[SOME_HEAD].startswith("holds: 2")

    def test_both_gains_and_how_often_they_are_more_than_chance(self):
        run = of_tasks(run_of("planted"), "RTE", "MRPC")
        for task, gain in (("RTE", 0.01), ("MRPC", 0.03)):
            run = changed(run, "chosen", task, best=2 * gain, mean=gain, low=gain - 0.02, high=gain + 0.02)
        half = 100 * np.hypot(0.02, 0.02) / 2
        assert disabling.held_out_summary(changed(run, "heads", "RTE", holm=1.0)) == (
            "On 2 tasks, disabling the best head changes the score by +4.0 points on average on the examples that "
            f"chose it, and by +2.0 [{2 - half:+.1f}, {2 + half:+.1f}] on others. A head that helps beyond chance can "
            "be named on 1 of 2 tasks; a head chosen on other examples helps on 1."
        )

    def test_the_summary_of_one_task(self):
        text = disabling.held_out_summary(of_tasks(run_of("planted"), "RTE"))
        assert text.startswith("On RTE, disabling the best head changes the score by +")
        assert "on average" not in text
        assert "can be named on 1 of 1 task;" in text

    @pytest.mark.skipif(not DIGEST.is_file(), reason="needs the digest ../shared/paper.md beside the repository")
    def test_every_number_of_the_paper_is_the_digests(self):
        text = DIGEST.read_text().replace("\n", " ")
        section = re.search(r"## 4\.6(.*?) ## ", text)[1]
        gains = {task: float(gain) / 100 for gain, task in re.findall(r"\+([\d.]+) \(([A-Z-]+)\)", section)}
        assert pytest.approx(gains) == reported.HEAD_GAINS
        layer, task, gain = re.search(r"Disabling layer (\d+) on ([A-Z]+): \+(\d+\.\d+)", section).groups()
        assert {task: (int(layer) - 1, pytest.approx(float(gain) / 100))} == reported.LAYER_GAINS
        *tasks, loss = re.search(r"On ([A-Z]+) and ([A-Z]+) layer disabling costs up to ([\d.]+)\.", section).groups()
        assert (tuple(tasks), pytest.approx(-float(loss) / 100)) == (reported.CHEAP_LAYERS, reported.LAYER_LOSS)
        task, lowest = re.search(r"Figure 8, ([A-Z]+-\d) \| one head drops the score to about (\.\d+)", text).groups()
        assert {task: float(lowest)} == reported.LOWEST_SCORES
        tasks = re.search(r"for ([A-Z]+) and ([A-Z]+) the average over all heads is an improvement", section).groups()
        assert tasks == reported.HELPS_ON_AVERAGE


IN_COLUMNS, IN_ROWS = ("chosen", "average", "layers"), ("significance", "seeds", "removable", "ways")


def table_of(name, *runs):
    """A table for reading, of this run and perhaps the reference run, by task where it has tasks."""
    return getattr(disabling, f"{name}_table")(*(run_of(run) if isinstance(run, str) else run for run in runs))


class TestTablesForReading:
    @pytest.mark.parametrize("name", IN_COLUMNS)
    def test_the_reference_run_has_columns(self, name):
        alone, both, other = (table_of(name, *runs) for runs in (["planted"], ["planted", "one task"], ["one task"]))
        of_reference = [column for column in alone if column.startswith("reference run")]
        assert of_reference
        assert alone[of_reference].isna().all(axis=None)
        pd.testing.assert_frame_equal(both.drop(columns=of_reference), alone.drop(columns=of_reference))
        both = both.set_index("task")[of_reference]
        assert both.drop(index="RTE").isna().all(axis=None)
        of_itself = [column.replace("reference", "this") for column in of_reference]
        assert both.loc["RTE"].tolist() == other.set_index("task").loc["RTE", of_itself].tolist()

    @pytest.mark.parametrize("name", IN_COLUMNS)
    def test_tasks_of_the_reference_run_alone_are_kept(self, name):
        table = table_of(name, "one task", "planted").set_index("task")
        assert list(table.index) == ["RTE", *(task for task in TASKS if task != "RTE")]
        of_this = [column for column in table if column.startswith("this run")]
        assert table[of_this].isna().any(axis=1).tolist() == [False] + [True] * 6
        assert table["paper"].to_dict() == table_of(name, "planted").set_index("task")["paper"].to_dict()

    @pytest.mark.parametrize("name", IN_ROWS)
    def test_or_rows_below(self, name):
        alone, both, other = (table_of(name, *runs) for runs in (["planted"], ["planted", "one task"], ["one task"]))
        assert "run" not in alone
        assert both["run"].tolist() == ["this run"] * len(alone) + ["reference run"] * len(other)
        below = pd.concat([alone, other], ignore_index=True)
        assert both.drop(columns="run").astype(str).equals(below.astype(str))

    def test_both_gains_the_best_head_and_its_p(self):
        table = table_of("chosen", "planted").set_index("task")
        assert table["paper"].to_dict() == dict.fromkeys(TASKS, "between") | {"MRPC": "+1.2", "STS-B": "+0.1"}
        for _, row in only(run_of("planted").chosen).iterrows():
            best = row[["best", "best_low", "best_high"]].set_axis(CHANGE)
            cells = table.loc[row["task"]]
            assert [cells["this run"], cells["this run, held out"]] == [format_change(best), format_change(row)]
            assert (cells["best head"], cells["any head beyond chance?"]) == ("2-3", "yes")
            p = only(run_of("planted").heads, task=row["task"]).set_index(HEAD)["holm"][HELPS]
            assert float(cells["p corrected"].strip("< ")) == pytest.approx(p, abs=1e-4)
        assert table_of("chosen", "one task")["any head beyond chance?"].tolist() == ["no"]

    def test_seeds_name_all_best_heads_and_the_largest_p(self):
        run = changed(run_of("seeds"), "chosen", "RTE", {"seed": 2}, layer=2, head=3)
        run = changed(run, "heads", "RTE", {"seed": 2, "layer": 2, "head": 3}, holm=0.4321)
        row = table_of("chosen", run).set_index("task").loc["RTE"]
        assert (row["best head"], row["p corrected"]) == ("2-3, 3-4", "0.4321")
        assert row["this run"].split()[0] == signed(only(run.chosen, task="RTE")["best"].mean())

    def test_the_average_over_heads(self):
        table = table_of("average", "planted").set_index("task")
        assert table["paper"].dropna().to_dict() == {"MRPC": "an improvement", "RTE": "an improvement"}
        for _, row in only(run_of("planted").average).iterrows():
            verdict = HOLDS if row["low"] > 0 else FAILS if row["high"] < 0 else UNDECIDED
            assert table.loc[row["task"], ["this run", "an improvement?"]].tolist() == [format_change(row), verdict]

    @pytest.mark.parametrize("run", ["planted", "seeds"])
    def test_the_best_and_the_worst_layer(self, run):
        table, layers = table_of("layers", run).set_index("task"), only(run_of(run).layers)
        paper = {"RTE": "best 1: +3.2", "QNLI": "worst: -0.2", "MNLI": "worst: -0.2"}
        assert table["paper"].dropna().to_dict() == {task: text for task, text in paper.items() if task in table.index}
        for task, group in over_seeds(layers, ["task", "layer"]).groupby("task"):
            for end, row in (("best", group["mean"].idxmax()), ("worst", group["mean"].idxmin())):
                found = group.loc[row]
                assert table.loc[task, f"this run, {end}"] == f"{found['layer'] + 1}: {format_change(found)}"
                p = only(layers, task=task, layer=found["layer"])["holm"].max()
                assert table.loc[task, f"p of {end}"] == ("< 0.0001" if p < 0.00005 else f"{p:.4f}")
        assert table["this run, best"].str[:2].eq("2:").all()  # of the head that helps

    def test_heads_are_counted_before_and_after_correction(self):
        table = table_of("significance", "planted").set_index("task")
        assert (set(table["heads"]), set(table["by chance"])) == ({"12"}, {"0.6"})
        for task, row in table.iterrows():
            heads = only(run_of("planted").heads, task=task)
            for column, name in disabling.TESTS.items():
                clear = heads[heads[column] < 0.05]["mean"]
                assert (row[f"help, {name}"], row[f"cost, {name}"]) == (str((clear > 0).sum()), str((clear < 0).sum()))
        assert table[["help, Holm", "cost, Holm"]].eq("1").all(axis=None)

    def test_counts_of_seeds_are_averaged(self):
        run = replace(run_of("seeds"), heads=run_of("seeds").heads.assign(holm=1.0))
        run = changed(run, "heads", "RTE", {"seed": 1, "layer": HELPS[0], "head": HELPS[1]}, holm=0.01)
        assert table_of("significance", run)["help, Holm"].tolist() == ["0.3", "0", "0"]

    def test_how_well_seeds_agree(self):
        table = table_of("seeds", "planted")
        assert table["rank correlation"].tolist() == ["one fine-tuning: nothing to compare"]
        assert table["pairs of seeds"].tolist() == [0]
        for task, row in table_of("seeds", "seeds").set_index("task").iterrows():
            pairs = only(run_of("seeds").seeds, task=task)
            low, mean, high = pairs["mean"].agg(["min", "mean", "max"])
            expected = [3, f"{mean:.2f} ({low:.2f} to {high:.2f})", f"{pairs['same_best'].sum()} of 3"]
            assert row.tolist() == expected

    def test_one_pair_has_its_interval_and_one_that_is_not_defined_is_left_out(self):
        pair = only(run_of("seeds").seeds, seed=0, other=1)
        table = table_of("seeds", replace(run_of("seeds"), seeds=pair)).set_index("task")
        row = pair[pair["task"] == "RTE"].iloc[0]
        assert table.loc["RTE", "rank correlation"] == format_estimate(row, digits=2, scale=1)
        alike = replace(run_of("seeds"), seeds=pair.assign(**dict.fromkeys(CHANGE, np.nan)))
        assert table_of("seeds", alike)["rank correlation"].isna().all()

    @pytest.mark.parametrize("name", ["planted", "one task"])
    def test_ways_of_disabling_are_compared(self, name):
        run, table = run_of(name), table_of("ways", name).set_index("instead")
        assert list(table.index) == ["uniform", "zero", "mean"]
        for way, row in table.iterrows():
            heads = only(run.heads, instead=way)
            worst = heads.loc[[heads["mean"].idxmin()]]
            assert row["change on average"] == format_change(over_tasks(only(run.average, instead=way)))
            assert row["heads that cost"] == f"{((heads['holm'] < 0.05) & (heads['mean'] < 0)).sum()} of {len(heads)}"
            expected = f"{worst['task'].iloc[0]} {head_label(worst).iloc[0]}: {format_change(worst.iloc[0])}"
            assert row["worst head"] == expected
            pairs = zip(only(run.heads).groupby("task")["mean"], heads.groupby("task")["mean"], strict=True)
            every = [rank_correlation(one, other) for (_, one), (_, other) in pairs]
            means = [mean for mean, _, _ in every]
            several = f"{np.mean(means):.2f} ({min(means):.2f} to {max(means):.2f})"
            expected = several if len(every) > 1 else "{:.2f} [{:.2f}, {:.2f}]".format(*every[0])
            assert row.fillna("")["rank correlation with uniform"] == ("" if way == "uniform" else expected)


class TestTitles:
    @pytest.mark.parametrize("name", ["heads", "layers", "held_out", "removal", "ways"])
    def test_they_fit_four_lines(self, name):
        for run in ("planted", "one task", "seeds"):
            assert len(textwrap.wrap(getattr(disabling, f"{name}_finding")(run_of(run)), 38)) <= 4

    def test_heads_and_layers(self):
        expected = "Disabling some head helps beyond chance on {} of {} tasks and costs on {}"
        assert disabling.heads_finding(run_of("planted")) == expected.format(7, 7, 7)
        assert disabling.heads_finding(run_of("one task")) == expected.format(0, 1, 0)
        layers = only(run_of("planted").layers)
        worst = layers.loc[layers["mean"].idxmin()]
        assert disabling.layers_finding(run_of("planted")) == (
            "Disabling a layer helps beyond chance on 7 of 7 tasks and costs on 7; "
            f"worst is layer 1 on {worst['task']}: {signed(worst['mean'], 1)} points"
        )

    @pytest.mark.parametrize("values", [{}, {"holm": 1.0}, {"mean": -0.1}])
    def test_a_head_must_help_for_every_seed(self, values):
        run = changed(run_of("seeds"), "heads", "RTE", {"seed": 1, "layer": HELPS[0], "head": HELPS[1]}, **values)
        expected = f"{2 if values else 3} of 3 tasks and costs on 3 for all seeds"
        assert disabling.heads_finding(run).endswith(expected)

    def test_gains_and_ways_are_averaged_over_tasks(self):
        run = run_of("planted")
        gains = replace(run, chosen=run.chosen.assign(best=0.013, mean=-0.001, low=-0.01, high=0.01))
        expected = "The best head gains 1.3 points where it was chosen, and -0.1 on other examples"
        assert disabling.held_out_finding(gains) == expected
        means = run.average["instead"].map({"uniform": -0.002, "zero": -0.0304, "mean": 0.001})
        found = disabling.ways_finding(replace(run, average=run.average.assign(mean=means)))
        assert found.endswith("-0.20 (uniform), -3.04 (zero), +0.10 (mean)")


@pytest.mark.parametrize(
    ("change", "expected"), [(0.0123, "+1.23"), (-0.0123, "-1.23"), (0, "0.00"), (-0.00001, "0.00"), (0.00006, "+0.01")]
)
def test_changes_have_a_sign_unless_they_are_none(change, expected):
    assert signed(change) == expected


EFFECTS = pd.DataFrame(
    [(1, 2, "yes", 0.9, 0.4, -0.5), (0, 1, "yes", 0.9, 0.95, 0.05)],
    columns=["layer", "head", "answer", "undisturbed", "disabled", "change"],
)


class TestHeadsOfOneInput:
    @pytest.mark.parametrize("name", ["chance", "seeds"])
    @pytest.mark.parametrize("task", SOME)
    def test_the_score_changes_with_the_same_heads_made_uniform(self, name, task):
        table = disabling.head_effects_table(EFFECTS, task, run_of(name))
        assert table.iloc[:, :4].to_numpy().tolist() == [["2-3", 0.9, 0.4, "-0.500"], ["1-2", 0.9, 0.95, "+0.050"]]
        rows = over_seeds(only(run_of(name).heads, task=task), HEAD).set_index(HEAD)
        assert table["change of the score"].tolist() == [format_change(rows.loc[head]) for head in (HELPS, HURTS)]

    @pytest.mark.parametrize(("run", "task", "layer"), [(None, "RTE", 0), ("chance", "MNLI", 0), ("chance", "RTE", 7)])
    def test_what_a_run_does_not_have_is_empty(self, run, task, layer):
        found = disabling.head_effects_table(EFFECTS.assign(layer=layer, head=9), task, run and run_of(run))
        assert found["change of the score"].isna().all() and len(found) == 2


# Charts

FINDING = "Of what disabling the best head gains, little is left on held-out examples, on 7 of 7 tasks"
FIELDS = {"heads": ("heads", "baseline"), "layers": ("layers", "baseline")}
FIELDS |= {"held_out": ("chosen",), "removal": ("curves",), "ways": ("average",)}
MINE, OTHER = ("QNLI", "RTE"), ("QNLI", "MRPC")  # tasks of two runs
SMALL, SEEDS = "small", "small, seeds"
EXTENTS = ["95 % interval from", "to"]


def fields_of(name, run=SMALL, tasks=None):
    """The tables that a chart is drawn from, with other names for tasks."""
    found = [getattr(run_of(run), field) for field in FIELDS[name]]
    if tasks is None:
        return found
    return [pd.concat([table[table["task"] == "RTE"].assign(task=task) for task in tasks]) for table in found]


def draw(name, drawn_from=None, title="A finding"):
    return getattr(disabling, f"draw_{name}")(*(fields_of(name) if drawn_from is None else drawn_from), title)


def menus_of(chart):
    return {one["name"].removeprefix("chosen_"): one for one in chart.to_dict().get("params", [])}


def numbers(mark, *titles):
    return [float(mark[title].replace("\N{MINUS SIGN}", "-")) for title in titles]


def in_points(row, *columns, digits=0.0051):
    return pytest.approx([100 * row[name] for name in columns], abs=digits)


def data_with(chart, column):
    """The rows of a chart's data that have a column."""
    (rows,) = (rows for rows in chart.to_dict()["datasets"].values() if column in rows[0])
    return pd.DataFrame(rows)


def cells_of(drawn):
    """What the cells of heads tell, by layer and head from 0."""
    marks = [mark for mark in labels(drawn, "rect mark") if disabling.POINTS in mark]
    return {(int(mark["layer"]) - 1, int(mark["head"]) - 1): mark for mark in marks}


def outlined(chart):
    """Heads with an outline, which says nothing to a screen reader: a choice may leave none of them."""
    drawn = re.findall(rf'd="M([\d.]+),([\d.]+)h([\d.]+)v([\d.]+)[^"]*" stroke="{OUTLINE}"', svg_of(chart))
    return {(round(float(y) / float(down)), round(float(x) / float(along))) for x, y, along, down in drawn}


@pytest.mark.parametrize("name", FIELDS)
class TestEveryChart:
    @pytest.mark.parametrize("of", [(SMALL,), (SMALL, ["RTE"]), (SMALL, list(TASKS)), (SEEDS,)], ids=str)
    def test_it_draws_its_title_and_fits_a_phone(self, name, of):
        drawn = svg_of(draw(name, fields_of(name, *of), FINDING))
        assert "Of what disabling the best head" in drawn
        assert charts.WIDTH < float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= PHONE

    def test_a_menu_offers_this_run_first_and_what_is_chosen_is_drawn(self, name):
        pairs = zip(fields_of(name, tasks=MINE), fields_of(name, tasks=OTHER), strict=True)
        chart = draw(name, [side_by_side(*pair) for pair in pairs])
        menus = menus_of(chart)
        assert menus["run"]["value"] == "this run"
        assert menus["run"]["bind"]["options"] == ["this run", "reference run"]
        for run, tasks in (("this run", MINE), ("reference run", OTHER)):
            choices = [{"task": task} for task in tasks] if "task" in menus else [{}]
            drawn = "".join(chosen(chart, run=run, **choice) for choice in choices)
            assert set(re.findall(r"task: ([\w-]+)", drawn)) == set(tasks)
            assert set(re.findall(r"run: (\w+ run)", drawn)) == {run}

    def test_one_run_needs_no_menu_and_the_papers_way_of_disabling_comes_first(self, name):
        menus = menus_of(draw(name, [side_by_side(table.iloc[::-1]) for table in fields_of(name)]))
        assert "run" not in menus
        if name in ("heads", "layers", "held_out"):
            assert menus["instead"]["value"] == "uniform"
            assert set(menus["instead"]["bind"]["options"]) == set(INSTEAD)


@pytest.mark.parametrize(
    ("name", "field", "quantity"),
    [("heads", "mean", "score change"), ("removal", "order", "order"), ("ways", "instead", "instead")],
)
def test_every_quantity_has_the_books_scale(name, field, quantity):
    colours = [colour for colour in parts(draw(name).to_dict(), "color") if isinstance(colour, dict)]
    scales = [colour["scale"] for colour in colours if colour.get("field") == field]
    assert scales
    assert all(scale == charts.SCALES[quantity].to_dict() for scale in scales)


class TestHeadsChart:
    def test_half_a_point_and_thirty_points_have_colours_apart_and_nothing_has_the_middle(self):
        heads, baseline = fields_of("heads")
        drawn = svg_of(draw("heads", [only(heads, task="RTE").iloc[:4].assign(mean=[0, 0.005, 0.3, -0.005]), baseline]))
        fills = re.findall(r'aria-roledescription="rect mark"[^>]* fill="rgb\(([^)]+)\)"', drawn)
        nothing, little, much, less = (np.array(fill.split(","), dtype=int) for fill in fills[:4])
        assert np.ptp(nothing) < 10
        assert min(np.abs(little - nothing).max(), np.abs(less - little).max()) >= 10
        assert np.abs(much - little).max() > 100

    @pytest.mark.parametrize("task", SOME)
    def test_cells_tell_score_change_interval_and_p_of_what_is_chosen_below_the_baseline(self, task):
        drawn = chosen(draw("heads"), task=task, instead="zero")
        cells, rows = cells_of(drawn), only(run_of(SMALL).heads, task=task, instead="zero").set_index(HEAD)
        assert set(cells) == set(rows.index)
        for head, row in rows.iterrows():
            assert numbers(cells[head], disabling.POINTS, *EXTENTS) == in_points(row, *CHANGE)
            assert numbers(cells[head], "score (%)") == in_points(row, "score", digits=0.051)
            told = numbers(cells[head], "p", "p, corrected (Holm)")
            assert told == pytest.approx(row[["p", "holm"]].tolist(), abs=5.1e-5)
        before = only(run_of(SMALL).baseline, task=task).iloc[0]
        metric = {"accuracy": "accuracy", "pearson": "correlation"}[before["metric"]]
        assert re.findall(r">nothing disabled: ([^<]*)<", drawn) == [f"{format_estimate(before)} % {metric}"]

    def test_seeds_are_averaged_and_the_largest_p_is_told(self):
        cells = cells_of(chosen(draw("heads", fields_of("heads", SEEDS)), task="RTE"))
        for head, rows in only(run_of(SEEDS).heads, task="RTE").groupby(HEAD):
            means = rows[["mean", "score"]].mean()
            assert numbers(cells[head], disabling.POINTS) == in_points(means, "mean")
            assert numbers(cells[head], "score (%)") == in_points(means, "score", digits=0.051)
            assert numbers(cells[head], "largest p of the seeds") == pytest.approx([rows["p"].max()], abs=5.1e-5)

    def test_heads_that_differ_after_correction_are_outlined(self):
        rows = only(run_of(SMALL).heads, task="RTE")
        clear = set(rows[rows["holm"] < 0.05][HEAD].itertuples(index=False, name=None))
        assert HURTS in clear
        assert outlined(draw("heads")) == clear

    def test_only_heads_that_all_seeds_agree_on_are_outlined(self):
        heads = only(run_of(SMALL).heads, task="RTE").assign(holm=0.01, mean=0.1)
        other = heads.assign(seed=1, holm=[0.2, 0.01, np.nan, 0.01, 0.01, 0.01])  # unclear, and not tested
        other.iloc[1, other.columns.get_loc("mean")] = -0.1  # clear, but of the opposite direction
        baseline = pd.concat([run_of(SMALL).baseline.assign(seed=seed) for seed in (0, 1)])
        assert outlined(draw("heads", [pd.concat([heads, other]), baseline])) == {(1, 0), (1, 1), (1, 2)}

    def test_seven_tasks_of_two_large_models_keep_a_page_small(self):
        one = only(run_of(SMALL).heads, task="RTE", layer=0, head=0).drop(columns=["task", *HEAD])
        index = pd.MultiIndex.from_product([list(TASKS), range(12), range(12)], names=["task", *HEAD])
        heads, random = one.merge(index.to_frame(index=False), how="cross"), np.random.default_rng(0)
        heads[CHANGE] = random.uniform(-0.3, 0.3, (len(heads), 3))
        heads[["score", "p", "holm"]] = random.random((len(heads), 3))
        baseline = pd.concat([run_of(SMALL).baseline.iloc[:1].assign(task=task) for task in TASKS])
        chart = draw("heads", [side_by_side(table, table) for table in (heads, baseline)])
        assert len(json.dumps(chart.to_dict(), separators=(",", ":"))) < 450_000


class TestLayersChart:
    def test_scores_are_drawn_with_the_changes_interval_around_them(self):
        rows, before = only(run_of(SMALL).layers, task="RTE"), only(run_of(SMALL).baseline, task="RTE")["mean"].item()
        drawn = only(data_with(draw("layers"), "score_low"), task="RTE")
        assert drawn["layer"].tolist() == [1, 2]
        for name, column in {"score": "mean", "score_low": "low", "score_high": "high"}.items():
            assert drawn[name].tolist() == pytest.approx((100 * (before + rows[column])).tolist(), abs=0.0051)

    @pytest.mark.parametrize("task", SOME)
    def test_a_line_is_at_the_score_with_nothing_disabled(self, task):
        marks = labels(chosen(draw("layers"), task=task), "rule mark")
        (line,) = (mark for mark in marks if "layer" not in mark)
        assert line["disabled"] == "nothing disabled"
        before = only(run_of(SMALL).baseline, task=task).iloc[0]
        assert numbers(line, "score (%)") == in_points(before, "mean", digits=0.051)

    def test_what_may_be_chance_is_hollow(self):
        layers, baseline = fields_of("layers")
        layers = layers.assign(holm=layers["layer"].map({0: 0.01, 1: 0.2}))
        drawn = chosen(draw("layers", [layers, baseline]), task="RTE")
        fills = re.findall(r'layer: (\d)[^>]*aria-roledescription="point"[^>]* fill="([^"]+)"', drawn)
        assert dict(fills) == {"1": "#0072b2", "2": "#ffffff"}

    def test_seeds_are_averaged(self):
        marks = labels(chosen(draw("layers", fields_of("layers", SEEDS)), task="RTE"), "point")
        means = only(run_of(SEEDS).layers, task="RTE").groupby("layer")[["score", "mean"]].mean()
        for mark, (_, row) in zip(marks, means.iterrows(), strict=True):
            assert numbers(mark, "score (%)") == in_points(row, "score", digits=0.051)
            assert numbers(mark, disabling.POINTS) == in_points(row, "mean")


class TestHeldOutChart:
    def test_each_task_has_the_papers_kind_of_gain_and_the_held_out_one(self):
        points = labels(chosen(draw("held_out"), instead="mean"), "point")
        rows = only(run_of(SMALL).chosen, instead="mean").set_index("task")
        assert len(points) == 2 * len(rows)
        for point in points:
            row = rows.loc[point["task"]]
            columns = ("best", "best_low", "best_high") if point["judged"] == disabling.WHERE_CHOSEN else CHANGE
            assert numbers(point, "gain of the score (points)", *EXTENTS) == in_points(row, *columns)
            assert point["best head (layer-head)"] == f"{row['layer'] + 1}-{row['head'] + 1}"
            assert point["share of splits with the same best head"] == f"{row['share']:.0%}"

    def test_heads_that_seeds_chose_are_all_named(self):
        table = only(run_of(SMALL).chosen, task="RTE").assign(layer=0, head=0)
        points = labels(svg_of(draw("held_out", [pd.concat([table, table.assign(seed=1, layer=1)])])), "point")
        assert [point["best head (layer-head)"] for point in points] == ["1-1, 2-1"] * 2


class TestRemovalChart:
    @pytest.mark.parametrize("order", ["sweep", "gradient"])
    def test_an_order_has_its_change_and_interval(self, order):
        rows = only(run_of(SMALL).curves, task="RTE", order=order)
        drawn = only(data_with(draw("removal"), "order"), task="RTE", order=disabling.CURVES[order])
        assert drawn[CHANGE].to_numpy() == pytest.approx(100 * rows[CHANGE].to_numpy(), abs=0.0051)
        assert drawn["share"].to_numpy() == pytest.approx(np.arange(7) / 6, abs=5.1e-5)

    @pytest.mark.parametrize("run", [SMALL, SEEDS])
    def test_random_orders_are_one_line_in_the_band_of_their_range(self, run):
        rows = only(run_of(run).curves, task="RTE")
        draws = rows[rows["order"].str.startswith("random")].groupby(["order", "n_disabled"])["mean"].mean().unstack(0)
        assert draws.shape == (7, 3)
        drawn = data_with(draw("removal", fields_of("removal", run)), "order")
        drawn = only(drawn, task="RTE", order=disabling.CURVES["random"])
        expected = draws.agg(["mean", "min", "max"], axis=1)
        assert drawn[CHANGE].to_numpy() == pytest.approx(100 * expected.to_numpy(), abs=0.0051)

    def test_three_lines_with_bands_a_line_at_zero_and_a_full_legend(self):
        drawn = chosen(draw("removal"), task="STS-B")
        marks = {mark: drawn.count(f'aria-roledescription="{mark} mark"') for mark in ("line", "area", "rule")}
        assert marks == {"line": 3, "area": 3, "rule": 1}
        assert len(labels(drawn, "point")) == 3 * 7
        assert all(f">{name}<" in drawn for name in disabling.CURVES.values())


def test_every_task_has_a_mark_for_each_way_that_differs_in_colour_and_shape():
    drawn = svg_of(draw("ways"))
    points = {(point["task"], point["instead"]): point for point in labels(drawn, "point")}
    assert len(points) == len(run_of(SMALL).average) == drawn.count('aria-roledescription="point"')
    for _, row in run_of(SMALL).average.iterrows():
        told = numbers(points[row["task"], row["instead"]], "change of the score, mean over heads (points)", *EXTENTS)
        assert told == in_points(row, *CHANGE)
    marks = re.findall(r'instead: (\w+)[^>]*aria-roledescription="point"[^>]* d="M([^"]+)"[^>]* fill="([^"]+)"', drawn)
    assert [len(set(column)) for column in zip(*marks, strict=True)] == [len(INSTEAD)] * 3
