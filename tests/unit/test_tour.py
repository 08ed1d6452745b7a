"""The tour of the introduction: sentences that change with the tables, and charts that hold the tables' numbers."""

import dataclasses
import re

import pandas as pd
import pytest

from darksecrets.corpora.annotated_maps import AFTER, PATTERNS
from darksecrets.errors import InputError
from darksecrets.models.feature_attention import NORM, WEIGHT
from darksecrets.overview import claims, tour
from darksecrets.overview.discussion import RunTables
from darksecrets.overview.tour import EFFECTS, FINDINGS
from darksecrets.runs import Run
from darksecrets.sections import feature_report
from darksecrets.sections.feature_charts import MEASURES
from tests.conftest import ROOT
from tests.unit.test_charts import PHONE, svg_of


@pytest.fixture(scope="module")
def published():
    return RunTables.find(Run(ROOT / "notebooks" / "reference"))


@pytest.fixture(scope="module")
def composed(published):
    return tour.composed(published)


def changed(run, chapter, table, **columns):
    """The run with columns of one table set to values, or to what a function makes of the table."""
    tables = getattr(run, chapter)
    frame = getattr(tables, table).assign(**columns)
    return dataclasses.replace(run, **{chapter: dataclasses.replace(tables, **{table: frame})})


def with_seeds(run, chapter, table, shifts):
    """The run with the fine-tuned rows of one table repeated for several seeds, their means shifted."""
    tables = getattr(run, chapter)
    frame = getattr(tables, table)
    parts = [frame.assign(seed=seed, mean=frame["mean"] + shift) for seed, shift in enumerate(shifts)]
    several = dataclasses.replace(tables, **{table: pd.concat(parts, ignore_index=True)})
    return dataclasses.replace(run, **{chapter: several})


def over_tasks(frame, tasks):
    """Mean over seeds of each task, the slow way; then the mean, the lowest and the highest of the tasks."""
    means = [frame.loc[frame["task"] == task, "mean"].sum() / (frame["task"] == task).sum() for task in tasks]
    return sum(means) / len(means), min(means), max(means)


def values_of(chart):
    """All data sets of a chart, as tables."""
    return [pd.DataFrame(rows) for rows in chart.to_dict()["datasets"].values()]


class TestTheTour:
    def test_each_finding_has_the_verdict_of_the_ledger(self, composed, published):
        ledger = claims.ledger({"reference run": published}, claims.of_annotated_maps()).set_index("claim")
        for name, (claim, *_) in FINDINGS.items():
            row = ledger.loc[claim]
            verdict, evidence = row["reference run"], row["reference run evidence"]
            told = evidence if evidence.startswith("holds on") and verdict == "holds" else f"{verdict} ({evidence})"
            assert composed.findings[name].verdict == told
        assert composed.ledger == claims.summary(ledger["reference run"])
        assert f"of {len(claims.CLAIMS)} claims" in composed.ledger

    def test_a_verdict_that_flips_is_told(self, composed, published):
        assert composed.findings["relations"].verdict.startswith("does not hold")
        flipped = tour.composed(changed(published, "relations", "specific", specific=True))
        assert flipped.findings["relations"].verdict == "holds (1 of 1 heads)"
        assert flipped.ledger != composed.ledger

    def test_a_run_that_lacks_a_chapter_is_refused_with_its_name(self, tmp_path):
        with pytest.raises(InputError, match=r"run 'empty' has no tables of 02-attention-patterns, .*all chapters"):
            tour.of(Run(tmp_path / "empty"))

    def test_sentences_stand_in_the_page_as_they_are(self, composed):
        for finding in composed.findings.values():
            assert finding.headline[0].isupper() or finding.headline[0].isdigit()
            assert finding.headline[-1] not in ".;"
            assert not set("*_`{}[]<>") & set(finding.headline.replace("[CLS]", "").replace("[SEP]", ""))


class TestPatterns:
    def test_the_table_is_the_mean_over_tasks_of_the_mean_over_seeds(self, published):
        run = with_seeds(published, "patterns", "shares", (0, 0.03, -0.06))
        _, table = tour.patterns(run)
        shares = run.patterns.shares
        assert list(table["pattern"]) == list(PATTERNS)
        for row in table.itertuples():
            chosen = shares[(shares["checkpoint"] == AFTER) & (shares["pattern"] == row.pattern)]
            assert (row.mean, row.lowest, row.highest) == pytest.approx(over_tasks(chosen, shares["task"].unique()))

    def test_the_sentence_names_the_largest_share(self, published):
        shares = published.patterns.shares
        large = changed(published, "patterns", "shares", mean=shares["mean"].where(shares["pattern"] != "Block", 0.93))
        large = changed(large, "patterns", "heads", purity=0.52)
        headline, _ = tour.patterns(large)
        assert (
            headline == "The median head shows the same kind of map on 52 % of its inputs; 93 % of all maps are Block"
        )

    def test_the_chart_has_a_bar_and_a_line_for_each_pattern(self, published):
        _, table = tour.patterns(published)
        (drawn,) = values_of(tour.patterns_chart(table))
        assert list(drawn["pattern"]) == list(PATTERNS)
        for column in ("mean", "lowest", "highest"):
            assert drawn[column].to_numpy() == pytest.approx(table[column].to_numpy(), abs=5e-5)


class TestSpecialTokens:
    def test_the_table_and_the_sentence_agree(self, published):
        headline, table = tour.special_tokens(published)
        of_measure = table.groupby("measure")["mean"].mean()
        assert headline == (
            f"Special tokens get {100 * of_measure[WEIGHT]:.0f} % of the attention, "
            f"{100 * of_measure[NORM]:.0f} % weighted by norms"
        )
        assert headline == feature_report.norm_finding(published.features)

    def test_the_table_by_hand(self, published):
        run = with_seeds(published, "features", "special", (0, 0.02))
        _, table = tour.special_tokens(run)
        special = run.features.special[run.features.special["checkpoint"] == AFTER]
        assert len(table) == 2 * special["layer"].nunique()
        for row in table.itertuples():
            chosen = special[(special["measure"] == row.measure) & (special["layer"] == row.layer)]
            assert (row.mean, row.lowest, row.highest) == pytest.approx(over_tasks(chosen, special["task"].unique()))

    def test_a_changed_table_changes_the_sentence(self, published):
        special = published.features.special
        more = changed(published, "features", "special", mean=special["mean"].where(special["measure"] == WEIGHT, 0.7))
        assert tour.special_tokens(more)[0].endswith(" % of the attention, 70 % weighted by norms")

    def test_the_chart_counts_layers_from_one_and_names_measures(self, published):
        _, table = tour.special_tokens(published)
        (drawn,) = values_of(tour.special_tokens_chart(table))
        assert set(drawn["measure"]) == set(MEASURES.values())
        assert list(drawn["layer"]) == list(table["layer"] + 1)
        assert drawn["mean"].to_numpy() == pytest.approx(table["mean"].to_numpy(), abs=5e-5)


class TestRelations:
    def test_each_head_once_with_the_papers_weight_and_the_better_direction(self, published):
        _, table = tour.relations(published)
        heads, tests = published.relations.heads, published.relations.specific
        assert len(table) == len(tests) / 2
        for row in table.itertuples():
            own = heads[(heads["layer"] == row.layer) & (heads["head"] == row.head)].set_index("direction")["mean"]
            both = tests[(tests["layer"] == row.layer) & (tests["head"] == row.head)]
            above = max(min(one.difference, one.others_difference) for one in both.itertuples())
            assert (row.weight, row.excess) == pytest.approx((own["either"], above))
            assert row.specific == both["specific"].any()
        assert list(table["stands_out"]) == list(table["weight"] > table["weight"].quantile(0.99))

    @pytest.mark.parametrize(("specific", "told"), [(True, "72 of 72 heads"), (False, "0 of 72 heads")])
    def test_the_sentence_counts(self, published, specific, told):
        headline, _ = tour.relations(changed(published, "relations", "specific", specific=specific))
        assert headline.startswith(f"{told} attend to frame links beyond two nulls")
        assert headline.endswith(f"{int(specific)} of 1 do")

    def test_the_chart_has_a_point_for_each_head_and_the_name_of_those_that_stand_out(self, published):
        _, table = tour.relations(published)
        drawn = next(frame for frame in values_of(tour.relations_chart(table)) if "label" in frame)
        assert drawn["weight"].to_numpy() == pytest.approx(table["weight"].to_numpy(), abs=5e-5)
        assert (drawn["beats"] == "beats both nulls").tolist() == table["specific"].tolist()
        (row,) = table[table["stands_out"]].itertuples()
        assert drawn.loc[drawn["stands_out"], "label"].tolist() == [f"{row.layer + 1}-{row.head + 1}"]


class TestChanges:
    @pytest.mark.parametrize(("low", "told"), [(0.01, "7 of 7 tasks"), (-0.01, "0 of 7 tasks")])
    def test_the_sentence_counts_tasks(self, published, low, told):
        headline, _ = tour.changes(changed(published, "tuning", "last_two", low=low, high=0.02, mean=0.0))
        assert headline == f"The last two layers change most on {told}"

    def test_the_chart_has_the_similarities_of_real_tokens(self, published):
        _, table = tour.changes(published)
        by_layer = published.tuning.by_layer
        paper = by_layer[by_layer["reading"] == "paper"]
        assert len(table) == len(paper) == by_layer["task"].nunique() * by_layer["layer"].nunique()
        drawn = next(frame for frame in values_of(tour.changes_chart(table)) if "task" in frame)
        assert drawn["mean"].to_numpy() == pytest.approx(paper["mean"].to_numpy(), abs=5e-5)

    def test_the_last_two_layers_are_shaded(self, published):
        _, table = tour.changes(published)
        (shade,) = [frame for frame in values_of(tour.changes_chart(table)) if "end" in frame]
        assert shade["layer"].item() == table["layer"].max() + 1 - 1.5


class TestDisabling:
    ROWS = (  # head, and for each of two seeds the change and the corrected p
        ((0.01, 0.01), (0.02, 0.001)),  # helps
        ((0.01, 0.01), (0.02, 0.2)),  # helps with one seed only
        ((-0.1, 0.001), (-0.1, 0.001)),  # costs
        ((-0.1, 0.001), (0.1, 0.001)),  # costs with one seed and helps with the other
        ((0.0, 1.0), (0.0, 1.0)),
    )

    @pytest.fixture
    def run(self, published):
        rows = [
            (task, seed, "uniform", 0, head, *numbers)
            for task, heads in (("RTE", self.ROWS), ("QQP", self.ROWS[2:]))
            for head, seeds in enumerate(heads)
            for seed, numbers in enumerate(seeds)
        ]
        heads = pd.DataFrame(rows, columns=["task", "seed", "instead", "layer", "head", "mean", "holm"])
        others = heads.assign(instead="zero", mean=1.0, holm=0.0)
        both = dataclasses.replace(published.disabling, heads=pd.concat([heads, others]))
        return dataclasses.replace(published, disabling=both)

    def test_heads_count_that_do_the_same_with_every_seed(self, run):
        headline, table = tour.disabling(run)
        counts = table.set_index(["task", "effect"])["n"].to_dict()
        assert counts == {
            ("RTE", "helps"): 1,
            ("RTE", "costs"): 1,
            ("RTE", "open"): 3,
            ("QQP", "helps"): 0,
            ("QQP", "costs"): 1,
            ("QQP", "open"): 2,
        }
        assert headline == (
            "Of 8 cases, each a head on a task, disabling helps beyond chance, with every seed, in 1 and costs in 2; "
            "in 5 one cannot tell"
        )

    def test_the_chart_has_every_head_of_every_task(self, published):
        _, table = tour.disabling(published)
        (drawn,) = values_of(tour.disabling_chart(table))
        assert drawn.groupby("task")["n"].sum().to_dict() == dict.fromkeys(table["task"].unique(), 72)
        for effect, name in EFFECTS.items():
            assert (
                drawn.loc[drawn["effect"] == name, "n"].tolist() == table.loc[table["effect"] == effect, "n"].tolist()
            )


@pytest.mark.parametrize("name", FINDINGS)
def test_a_chart_fits_a_phone(composed, name):
    chart = composed.findings[name].chart
    width = float(re.search(r'<svg[^>]* width="([\d.]+)"', svg_of(chart)).group(1))
    assert 200 < width <= min(PHONE, 320)
