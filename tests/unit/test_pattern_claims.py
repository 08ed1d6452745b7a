"""The paper's statements on patterns, on data made to have them, to lack them, and to leave them open."""

import numpy as np
import pandas as pd
import pytest

from darksecrets import reported
from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.sections import map_labels, patterns
from darksecrets.sections.patterns import COMMON, COMMON_NAMED, FEWEST, MOST
from tests.pattern_tables import AFTER, BEFORE, classified_of, labels_of, predictions_of

LABELS = labels_of()
RIGHT = {"network": 0.95, "baseline": 0.6}
PREDICTIONS = predictions_of(LABELS, RIGHT)
PERFECT = predictions_of(LABELS, {"network": 1.0})


def with_heterogeneous(share, vertical=0.6):
    """Shares of the five patterns: the rest is Vertical's for the most part."""
    rest = 1 - share
    return [vertical * rest, *[(1 - vertical) * rest / 3] * 3, share]


SHARES = {
    ("QQP", AFTER): with_heterogeneous(0.58),
    ("RTE", AFTER): with_heterogeneous(0.45),
    ("MRPC", AFTER): with_heterogeneous(0.36),
    ("MRPC", BEFORE): with_heterogeneous(0.8),
}
CLASSIFIED = classified_of(SHARES, n_examples=200)


def measured(classified=CLASSIFIED, predictions=PERFECT):
    return patterns.PatternTables.of(classified, predictions, LABELS)


def scores_of(macro, half=0.02):
    rows = [
        ("network", metric, mean, mean - half, mean + half)
        for metric, mean in (("macro F1", macro), ("weighted F1", 0.9))
    ]
    return pd.DataFrame(rows, columns=["method", "metric", "mean", "low", "high"])


def annotated_of(vertical, half=0.02):
    row = (AFTER, "Vertical", 100, vertical, vertical - half, vertical + half)
    return pd.DataFrame([row], columns=["checkpoint", "pattern", "n", "mean", "low", "high"])


class TestGaps:
    def test_gaps_are_to_the_closest_rival(self):
        run = measured()
        table = run.gaps.set_index(["claim", "task"])["mean"]
        tuned = run.shares[run.shares["checkpoint"] == AFTER].pivot(index="task", columns="pattern", values="mean")
        heterogeneous = tuned["Heterogeneous"]
        assert table[FEWEST, "MRPC"] == pytest.approx(heterogeneous["RTE"] - heterogeneous["MRPC"])
        assert table[MOST, "QQP"] == pytest.approx(heterogeneous["QQP"] - heterogeneous["RTE"])
        for task, row in tuned.iterrows():
            assert table[COMMON, task] == pytest.approx(row["Vertical"] - row.drop("Vertical").max())
            named = row.drop(["Vertical", "Heterogeneous"]).max()
            assert table[COMMON_NAMED, task] == pytest.approx(row["Vertical"] - named)

    def test_intervals_hold_the_difference_and_wrong_claims_are_negative(self):
        classified = CLASSIFIED.replace({"task": {"MRPC": "QQP", "QQP": "MRPC"}})
        gaps = measured(classified).gaps
        assert (gaps["low"] <= gaps["mean"]).all() & (gaps["mean"] <= gaps["high"]).all()
        by_claim = gaps.set_index("claim")
        assert by_claim.loc[[FEWEST, MOST], "high"].lt(0).all()

    def test_the_classifiers_error_is_shared_by_tasks(self):
        # An error common to both tasks moves both shares: their difference is surer than two separate shares would be.
        predictions = predictions_of(LABELS, {"network": 0.6})
        classified = classified_of({key: SHARES[key] for key in [("QQP", AFTER), ("MRPC", AFTER)]}, n_examples=2000)
        run = measured(classified, predictions)
        widths = (run.shares["high"] - run.shares["low"])[run.shares["pattern"] == "Heterogeneous"]
        gap = run.gaps.set_index("claim").loc[MOST]
        assert gap["high"] - gap["low"] < np.hypot(*widths)

    @pytest.mark.parametrize("tasks", [["RTE", "QNLI"], ["MRPC"]])
    def test_claims_on_tasks_that_are_not_there_are_left_out(self, tasks):
        run = measured(classified_of({(task, AFTER): with_heterogeneous(0.4) for task in tasks}))
        assert set(run.gaps["claim"]) == {COMMON, COMMON_NAMED}
        table = patterns.claims(run, scores_of(0.9), annotated_of(0.3))
        assert not {FEWEST, MOST} & set(table["paper"])


class TestByTask:
    def test_a_range_holds_fails_or_stays_open(self):
        shares = {"RTE": 0.45, "QNLI": 0.2, "MNLI": 0.75, "SST-2": 0.61}
        run = measured(classified_of({(task, AFTER): with_heterogeneous(share) for task, share in shares.items()}, 300))
        verdicts = patterns.by_task(run).set_index("task")["between"]
        assert verdicts.to_dict() == {
            "RTE": "holds",
            "QNLI": "does not hold",
            "MNLI": "does not hold",
            "SST-2": "cannot tell",
        }

    def test_vertical_first_among_all_or_among_named(self):
        chances = {
            ("RTE", AFTER): with_heterogeneous(0.2, vertical=0.8),
            ("QNLI", AFTER): with_heterogeneous(0.7, vertical=0.8),
            ("MNLI", AFTER): [0.1, 0.1, 0.5, 0.1, 0.2],
        }
        classified = classified_of(chances, 300)
        turned = {"pattern": {"Vertical": "Heterogeneous", "Heterogeneous": "Vertical"}}
        even = classified.query("task == 'RTE' and example < '0150'")
        even = pd.concat([even, even.replace(turned).assign(example="turned " + even["example"])])
        classified = pd.concat([classified, even.assign(task="SST-2")])
        table = patterns.by_task(measured(classified)).set_index("task")
        assert table["common"].to_dict() == {
            "RTE": "holds",
            "QNLI": "does not hold",
            "MNLI": "does not hold",
            "SST-2": "cannot tell",
        }
        assert table["common_named"].tolist() == ["holds", "holds", "does not hold", "holds"]

    @pytest.mark.parametrize(
        ("mains", "purity", "expected"),
        [
            (["Vertical", "Block", "Vertical", "Block"], 0.95, "holds"),
            (["Vertical", "Block", "Vertical", "Block"], 0.6, "does not hold"),  # heads change with their input
            (["Vertical", "Vertical", "Vertical", "Block"], 0.95, "does not hold"),  # Block stays in one layer
            (["Vertical", "Heterogeneous"] * 2, 0.95, "does not hold"),  # Heterogeneous is nothing to repeat
        ],
    )
    def test_a_limited_set_needs_heads_that_keep_to_shared_patterns(self, mains, purity, expected):
        """Two layers of two heads; each head shows its main pattern on `purity` of its inputs, else Diagonal."""
        rows = [
            ("RTE", 0, AFTER, f"{example:03}", place // 2, place % 2, main if example < 100 * purity else "Diagonal")
            for place, main in enumerate(mains)
            for example in range(100)
        ]
        columns = ["task", "seed", "checkpoint", "example", "layer", "head", "pattern"]
        row = patterns.by_task(measured(pd.DataFrame(rows, columns=columns))).iloc[0]
        assert row["limited"] == expected
        assert row["median purity"].startswith(f"{100 * purity:.1f} [")

    def test_several_seeds_take_the_fewest_shared_patterns(self):
        heads = pd.DataFrame(
            [
                ("RTE", seed, checkpoint, layer, main)
                for seed, checkpoint, mains in (
                    (0, AFTER, ["Vertical", "Block"]),
                    (1, AFTER, ["Vertical", "Heterogeneous"]),
                    (0, BEFORE, ["Diagonal", "Diagonal"]),
                )
                for layer in (0, 1)
                for main in mains
            ],
            columns=["task", "seed", "checkpoint", "layer", "main"],
        )
        assert patterns.shared_patterns(heads).to_dict() == {"RTE": 1}


class TestClaims:
    def test_every_statement_once_beside_the_reference_run(self):
        run = measured()
        table = patterns.claims(run, scores_of(0.9), annotated_of(0.3), reference=run)
        assert table.columns.tolist() == ["paper", "reference run", "this run"]
        assert table["paper"].is_unique
        assert len(table) == 9
        assert table["reference run"].tolist() == table["this run"].tolist()
        alone = patterns.claims(run, scores_of(0.9), annotated_of(0.3))
        assert alone["reference run"].isna().all()
        assert alone["this run"].tolist() == table["this run"].tolist()

    def test_cells_count_tasks_or_give_the_number(self):
        run = measured()
        cells = patterns.claims(run, scores_of(0.9), annotated_of(0.3)).set_index("paper")["this run"]
        tasks = patterns.by_task(run)
        n_holding = (tasks["between"] == "holds").sum()
        assert n_holding == 3
        assert cells[patterns.BETWEEN] == "holds: 3, does not hold: 0, cannot tell: 0"
        assert cells[FEWEST].startswith("holds (by ")
        assert cells[MOST].endswith("points)")

    @pytest.mark.parametrize(("macro", "expected"), [(0.9, "holds"), (0.8, "does not hold"), (0.87, "cannot tell")])
    def test_f1_is_judged_by_its_interval(self, macro, expected):
        table = patterns.claims(measured(), scores_of(macro), annotated_of(0.3)).set_index("paper")["this run"]
        text = table["A classifier reaches F1 0.86 on annotated maps (macro F1)"]
        assert text == f"{expected} ({macro:.2f} [{macro - 0.02:.2f}, {macro + 0.02:.2f}])"
        assert table["A classifier reaches F1 0.86 on annotated maps (weighted F1)"].startswith("holds (0.90 ")

    @pytest.mark.parametrize(
        ("vertical", "expected"),
        [(0.31, "holds"), (0.4, "does not hold"), (0.2, "does not hold"), (0.34, "cannot tell")],
    )
    def test_thirty_per_cent_is_within_five_points(self, vertical, expected):
        table = patterns.claims(measured(), scores_of(0.9), annotated_of(vertical)).set_index("paper")
        assert table["this run"][patterns.ANNOTATED].startswith(f"{expected} ({100 * vertical:.1f} [")

    def test_the_real_tables_fit(self):
        scores = map_labels.scores(PREDICTIONS, LABELS)
        table = patterns.claims(measured(predictions=PREDICTIONS), scores, patterns.annotated_shares(LABELS))
        assert table["this run"].str.match("(holds|does not hold|cannot tell)").all()

    def test_sentences_carry_the_papers_numbers(self):
        low, high = sorted(reported.HETEROGENEOUS.values())
        assert f"between {100 * low:.0f} % and {100 * high:.0f} %" in patterns.BETWEEN
        assert f"Vertical is {100 * reported.VERTICAL_SHARE:.0f} %" in patterns.ANNOTATED
        assert list(reported.HETEROGENEOUS) == [patterns.FEWEST.split()[0], patterns.MOST.split()[0]]


class TestFigure2:
    def test_one_row_a_task_and_pattern_with_the_papers_two_numbers(self):
        shares = measured().shares
        table = patterns.figure_2_table(shares, shares)
        assert table.columns.tolist() == ["task", "pattern", "paper", "reference run", "this run"]
        assert table["pattern"].tolist() == list(PATTERNS) * 3
        printed = table.dropna(subset="paper")
        assert printed[["task", "pattern", "paper"]].to_numpy().tolist() == [
            ["QQP", "Heterogeneous", "61"],
            ["MRPC", "Heterogeneous", "32"],
        ]
        tuned = shares[shares["checkpoint"] == AFTER].iloc[0]
        expected = f"{100 * tuned['mean']:.1f} [{100 * tuned['low']:.1f}, {100 * tuned['high']:.1f}]"
        assert table.iloc[0][["reference run", "this run"]].tolist() == [expected, expected]
        assert patterns.figure_2_table(shares)["reference run"].isna().all()

    def test_a_smaller_reference_leaves_gaps(self):
        shares = measured().shares
        table = patterns.figure_2_table(shares, shares[shares["task"] == "RTE"])
        assert table.loc[table["reference run"].notna(), "task"].unique().tolist() == ["RTE"]

    def test_the_title_says_the_range(self):
        shares = measured().shares
        of_task = shares.query("checkpoint == @AFTER and pattern == 'Heterogeneous'").set_index("task")["mean"]
        here = f"{100 * of_task['MRPC']:.0f} % (MRPC) to {100 * of_task['QQP']:.0f} % (QQP)"
        assert patterns.finding(shares) == f"Heterogeneous maps: {here}; the paper has 32 % (MRPC) to 61 % (QQP)"
        one = patterns.finding(shares[shares["task"] == "RTE"])
        assert one.count("RTE") == 1


def test_several_seeds_go_through():
    run = measured(classified_of(SHARES, n_examples=40, seeds=(1, 2, 5)))
    assert len(patterns.by_task(run)) == 3
    assert len(patterns.claims(run, scores_of(0.9), annotated_of(0.3))) == 9
    assert len(patterns.figure_2_table(run.shares)) == 15
