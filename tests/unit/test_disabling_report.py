"""Tables and titles of Section 4.6 for reading: they fit a page, and carry the numbers of the tables behind them."""

import textwrap
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora.tasks import TASKS
from darksecrets.estimates import format_change, signed
from darksecrets.heads import head_label
from darksecrets.sections import disabling
from darksecrets.statistics import over_seeds, over_tasks, rank_correlation
from tests.disabling_tables import SOME, tables

HELPS, HURTS = (1, 2), (0, 1)
RUN = tables(TASKS, helps={HELPS: 0.15}, hurts={HURTS: 0.15}, gains=0.05)
OTHER = tables(("RTE",))
SEEDS = tables(SOME, seeds=(0, 1, 2), helps={HELPS: 0.15}, hurts={HURTS: 0.15})
TITLES = ("heads_finding", "layers_finding", "held_out_finding", "removal_finding", "ways_finding")
TABLES = ("chosen", "average", "layers", "significance", "seeds", "removable", "ways")


def table_of(name, *runs):
    return getattr(disabling, f"{name}_table")(*runs)


def uniform(table, task=None):
    kept = table[table["instead"] == "uniform"]
    return kept if task is None else kept[kept["task"] == task]


def number_of(cell):
    return float(cell.split(":")[-1].split()[0])


class TestBothRuns:
    @pytest.mark.parametrize("name", TABLES[:3])
    def test_the_reference_run_has_columns(self, name):
        alone, both, other = (table_of(name, *runs) for runs in ((RUN,), (RUN, OTHER), (OTHER,)))
        of_reference = [column for column in alone if column.startswith("reference run")]
        assert of_reference
        assert alone[of_reference].isna().all(axis=None)
        pd.testing.assert_frame_equal(both.drop(columns=of_reference), alone.drop(columns=of_reference))
        both = both.set_index("task")[of_reference]
        assert both.drop(index="RTE").isna().all(axis=None)
        of_itself = [column.replace("reference", "this") for column in of_reference]
        assert both.loc["RTE"].tolist() == other.set_index("task").loc["RTE", of_itself].tolist()

    @pytest.mark.parametrize("name", TABLES[:3])
    def test_tasks_of_the_reference_run_alone_are_kept(self, name):
        table = table_of(name, OTHER, RUN).set_index("task")
        assert list(table.index) == ["RTE", *(task for task in TASKS if task != "RTE")]
        of_this = [column for column in table if column.startswith("this run")]
        assert table[of_this].isna().any(axis=1).tolist() == [False] + [True] * 6
        assert table["paper"].to_dict() == table_of(name, RUN).set_index("task")["paper"].to_dict()

    @pytest.mark.parametrize("name", TABLES[3:])
    def test_or_rows_below(self, name):
        alone, both, other = (table_of(name, *runs) for runs in ((RUN,), (RUN, OTHER), (OTHER,)))
        assert "run" not in alone
        assert both["run"].tolist() == ["this run"] * len(alone) + ["reference run"] * len(other)
        assert both.drop(columns="run")[: len(alone)].astype(str).equals(alone.astype(str))
        assert both.drop(columns="run")[len(alone) :].reset_index(drop=True).astype(str).equals(other.astype(str))


class TestChosen:
    def test_both_gains_the_head_and_its_p(self):
        table = table_of("chosen", RUN).set_index("task")
        assert list(table.index) == list(TASKS)
        assert table["paper"].to_dict() == dict.fromkeys(TASKS, "between") | {"MRPC": "+1.2", "STS-B": "+0.1"}
        for row in uniform(RUN.chosen).itertuples():
            best = pd.Series({"mean": row.best, "low": row.best_low, "high": row.best_high})
            found = table.loc[row.task]
            assert found["this run"] == format_change(best)
            assert found["this run, held out"] == format_change(pd.Series(row._asdict()))
            assert found["best head"] == "2-3"
            heads = uniform(RUN.heads, row.task).set_index(["layer", "head"])
            assert float(found["p corrected"].strip("< ")) == pytest.approx(heads["holm"][HELPS], abs=1e-4)

    def test_chance_is_told_from_a_head_that_helps(self):
        assert set(table_of("chosen", RUN)["any head beyond chance?"]) == {"yes"}
        assert table_of("chosen", OTHER)["any head beyond chance?"].tolist() == ["no"]

    def test_seeds_name_all_heads_and_the_largest_p(self):
        chosen, heads = (table.copy() for table in (SEEDS.chosen, SEEDS.heads))
        last = (chosen["task"] == "RTE") & (chosen["seed"] == 2)
        chosen.loc[last, ["layer", "head"]] = [2, 3]
        heads.loc[(heads["seed"] == 2) & (heads["layer"] == 2) & (heads["head"] == 3), "holm"] = 0.4321
        row = table_of("chosen", replace(SEEDS, chosen=chosen, heads=heads)).set_index("task").loc["RTE"]
        assert row["best head"] == "2-3, 3-4"
        assert row["p corrected"] == "0.4321"
        assert number_of(row["this run"]) == pytest.approx(100 * uniform(chosen, "RTE")["best"].mean(), abs=0.005)


def test_the_average_over_heads():
    table = table_of("average", RUN).set_index("task")
    assert table["paper"].dropna().to_dict() == {"MRPC": "an improvement", "RTE": "an improvement"}
    for row in uniform(RUN.average).itertuples():
        assert table.loc[row.task, "this run"] == format_change(pd.Series(row._asdict()))
        verdict = "holds" if row.low > 0 else "does not hold" if row.high < 0 else "cannot tell"
        assert table.loc[row.task, "an improvement?"] == verdict


@pytest.mark.parametrize("run", [RUN, SEEDS])
def test_the_best_and_the_worst_layer(run):
    table = table_of("layers", run).set_index("task")
    assert table.loc["RTE", "paper"] == "best 1: +3.2"
    if "QNLI" in table.index:
        assert table["paper"].dropna().drop("RTE").to_dict() == dict.fromkeys(("QNLI", "MNLI"), "worst: -0.2")
    layers = over_seeds(uniform(run.layers), ["task", "layer"])
    for task, group in layers.groupby("task"):
        for end, place in (("best", group["mean"].idxmax()), ("worst", group["mean"].idxmin())):
            found = group.loc[place]
            assert table.loc[task, f"this run, {end}"] == f"{found['layer'] + 1}: {format_change(found)}"
            p = uniform(run.layers, task).query("layer == @found.layer")["holm"].max()
            assert table.loc[task, f"p of {end}"] == ("< 0.0001" if p < 0.00005 else f"{p:.4f}")
    assert table["this run, best"].str[:2].eq("2:").all()  # of the head that helps


class TestSignificance:
    def test_counts_before_and_after_correction(self):
        table = table_of("significance", RUN).set_index("task")
        assert set(table["heads"]) == {"12"}
        assert set(table["by chance"]) == {"0.6"}
        for task in TASKS:
            heads = uniform(RUN.heads, task)
            for column, name in disabling.TESTS.items():
                found = heads[heads[column] < 0.05]["mean"]
                assert table.loc[task, f"help, {name}"] == str((found > 0).sum())
                assert table.loc[task, f"cost, {name}"] == str((found < 0).sum())
        assert table["help, Holm"].eq("1").all()
        assert table["cost, Holm"].eq("1").all()

    def test_seeds_are_averaged(self):
        heads = SEEDS.heads.assign(holm=1.0)
        chosen = (heads["seed"] == 1) & (heads["layer"] == HELPS[0]) & (heads["head"] == HELPS[1])
        table = table_of("significance", replace(SEEDS, heads=heads.assign(holm=heads["holm"].mask(chosen, 0.01))))
        assert table["help, Holm"].tolist() == ["0.3", "0.3"]


class TestSeeds:
    def test_one_seed_has_nothing_to_compare(self):
        table = table_of("seeds", RUN)
        assert table["rank correlation"].tolist() == ["one fine-tuning: nothing to compare"]
        assert table["pairs of seeds"].tolist() == [0]

    def test_several_pairs(self):
        table = table_of("seeds", SEEDS).set_index("task")
        assert table["pairs of seeds"].tolist() == [3, 3]
        for task in SOME:
            pairs = uniform(SEEDS.seeds, task)
            means = pairs["mean"]
            expected = f"{means.mean():.2f} ({means.min():.2f} to {means.max():.2f})"
            assert table.loc[task, "rank correlation"] == expected
            assert table.loc[task, "same best head"] == f"{pairs['same_best'].sum()} of 3"

    def test_one_pair_has_its_interval_and_one_that_is_not_defined_is_left_out(self):
        pair = SEEDS.seeds.query("seed == 0 and other == 1")
        table = table_of("seeds", replace(SEEDS, seeds=pair)).set_index("task")
        row = uniform(pair, "RTE").iloc[0]
        assert table.loc["RTE", "rank correlation"] == f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        alike = pair.assign(**dict.fromkeys(("mean", "low", "high"), np.nan))
        assert table_of("seeds", replace(SEEDS, seeds=alike))["rank correlation"].isna().all()


def steps(changes, task="RTE", order="sweep", seed=0):
    count = np.arange(len(changes))
    numbers = {"n_disabled": count, "share": count / count[-1], "mean": np.array(changes, float)}
    table = pd.DataFrame(numbers | {"low": numbers["mean"] - 0.02, "high": numbers["mean"] + 0.02, "score": 0.5})
    return table.assign(task=task, seed=seed, order=order)


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
        shuffled = steps(changes).sample(frac=1, random_state=0)
        row = disabling.removable(shuffled).iloc[0]
        assert row["n_disabled"] == expected
        assert row["share"] == expected / 4
        assert row[["mean", "low", "high"]].tolist() == pytest.approx(
            [changes[expected], changes[expected] - 0.02, changes[expected] + 0.02]
        )

    def test_each_task_and_order_with_seeds_averaged(self):
        curves = pd.concat(
            [
                steps([0, -0.015, -0.2], seed=0),
                steps([0, -0.001, -0.2], seed=1),
                steps([0, 0, 0], order="gradient", seed=0),
                steps([0, 0, -0.1], order="gradient", seed=1),
                steps([0, 0, 0], task="MNLI", seed=0),
                steps([0, 0, 0], task="MNLI", seed=1),
            ]
        )
        found = disabling.removable(curves).set_index(["task", "order"])["n_disabled"]
        assert found.to_dict() == {("RTE", "sweep"): 1, ("RTE", "gradient"): 1, ("MNLI", "sweep"): 2}

    def test_orders_are_columns_and_random_draws_are_averaged(self):
        curves = pd.concat(
            [
                steps([0, 0.001, -0.005, -0.03, -0.2]),
                steps([0, 0, -0.1, 0, 0], order="random 1"),
                steps([0, 0, 0, -0.1, 0], order="random 2"),
            ]
        )
        run = replace(RUN, curves=curves)
        assert table_of("removable", run).iloc[0].tolist() == [
            *("RTE", 4, "2 (50 %): -0.50 [-2.50, +1.50]", None, "1.5 (38 %)")
        ]
        expected = "For at most a point, heads that can go, of 4: 2 by a sweep, 2 at random"
        assert disabling.removal_finding(run) == expected

    def test_where_no_head_can_go_there_is_no_change_to_tell(self):
        run = replace(RUN, curves=steps([0, -0.05, 0, 0]))
        assert table_of("removable", run)["by a sweep"].tolist() == ["0 (0 %)"]

    def test_the_planted_curve(self):
        table = table_of("removable", RUN)
        assert list(table) == ["task", "heads", "by a sweep", "by gradient", "at random"]
        assert table["heads"].eq(12).all()
        found = disabling.removable(RUN.curves)
        means = found.groupby(found["order"].str[:6])["n_disabled"].mean()
        assert means["sweep"] > means["random"] + 2


class TestWays:
    def test_change_losses_and_the_worst_head(self):
        table = table_of("ways", RUN).set_index("instead")
        assert list(table.index) == ["uniform", "zero", "mean"]
        for way, row in table.iterrows():
            heads = RUN.heads[RUN.heads["instead"] == way]
            assert row["change on average"] == format_change(over_tasks(RUN.average[RUN.average["instead"] == way]))
            assert row["heads that cost"] == f"{((heads['holm'] < 0.05) & (heads['mean'] < 0)).sum()} of 84"
            worst = heads.loc[[heads["mean"].idxmin()]]
            expected = f"{worst['task'].iloc[0]} {head_label(worst).iloc[0]}: {format_change(worst.iloc[0])}"
            assert row["worst head"] == expected

    def test_ways_are_correlated_over_heads(self):
        column = table_of("ways", OTHER).set_index("instead")["rank correlation with uniform"]
        one, other = (OTHER.heads[OTHER.heads["instead"] == way]["mean"] for way in ("uniform", "zero"))
        assert column["zero"] == "{:.2f} [{:.2f}, {:.2f}]".format(*rank_correlation(one, other))
        assert pd.isna(column["uniform"])
        column = table_of("ways", RUN).set_index("instead")["rank correlation with uniform"]
        every = []
        for _, heads in RUN.heads.groupby("task"):
            sides = (heads.loc[heads["instead"] == way, "mean"] for way in ("uniform", "mean"))
            every.append(rank_correlation(*sides)[0])
        assert column["mean"] == f"{np.mean(every):.2f} ({min(every):.2f} to {max(every):.2f})"


class TestTitles:
    @pytest.mark.parametrize("name", TITLES)
    @pytest.mark.parametrize("run", [RUN, OTHER, SEEDS])
    def test_they_fit_four_lines(self, name, run):
        assert len(textwrap.wrap(getattr(disabling, name)(run), 38)) <= 4

    def test_heads_and_layers(self):
        expected = "Disabling some head helps beyond chance on 7 of 7 tasks and costs on 7"
        assert disabling.heads_finding(RUN) == expected
        expected = "Disabling some head helps beyond chance on 0 of 1 tasks and costs on 0"
        assert disabling.heads_finding(OTHER) == expected
        layers = over_seeds(uniform(RUN.layers), ["task", "layer"])
        worst = layers.loc[layers["mean"].idxmin()]
        expected = f"worst is layer 1 on {worst['task']}: {signed(worst['mean'], 1)} points"
        assert disabling.layers_finding(RUN).endswith(expected)
        assert "helps beyond chance on 7 of 7 tasks and costs on 7;" in disabling.layers_finding(RUN)

    def test_a_head_must_help_for_every_seed(self):
        assert disabling.heads_finding(SEEDS).endswith("2 of 2 tasks and costs on 2 for all seeds")
        for changed in ({"holm": 1.0}, {"mean": -0.1}):
            heads = SEEDS.heads.copy()
            rows = (heads["task"] == "RTE") & (heads["seed"] == 1) & (heads["layer"] == HELPS[0])
            heads.loc[rows & (heads["head"] == HELPS[1]), list(changed)] = list(changed.values())
            found = disabling.heads_finding(replace(SEEDS, heads=heads))
            assert found.endswith("1 of 2 tasks and costs on 2 for all seeds")

    def test_gains_are_averaged_over_tasks(self):
        chosen = RUN.chosen.assign(best=0.013, mean=-0.001, low=-0.01, high=0.01)
        expected = "The best head gains 1.3 points where it was chosen, and -0.1 on other examples"
        assert disabling.held_out_finding(replace(RUN, chosen=chosen)) == expected

    def test_ways(self):
        average = RUN.average.assign(
            mean=RUN.average["instead"].map({"uniform": -0.002, "zero": -0.0304, "mean": 0.001})
        )
        expected = "-0.20 (uniform), -3.04 (zero), +0.10 (mean)"
        assert disabling.ways_finding(replace(RUN, average=average)).endswith(expected)
