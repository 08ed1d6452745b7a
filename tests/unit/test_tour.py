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


def drawn(chart, column):
    """The data set of a chart that has a column, as a table."""
    sets = [pd.DataFrame(rows) for rows in chart.to_dict()["datasets"].values()]
    return next(frame for frame in sets if column in frame)


def test_each_finding_has_the_verdict_of_the_ledger(composed, published):
    ledger = claims.ledger({"run": published}, claims.of_annotated_maps()).set_index("claim")
    for name, (claim, *_) in FINDINGS.items():
        verdict, evidence = ledger.loc[claim, ["run", "run evidence"]]
        told = evidence if evidence.startswith("holds on") and verdict == "holds" else f"{verdict} ({evidence})"
        assert composed.findings[name].verdict == told
    assert composed.ledger == claims.summary(ledger["run"])
    assert f"of {len(claims.CLAIMS)} claims" in composed.ledger
    assert composed.findings["relations"].verdict.startswith("does not hold")
    flipped = tour.composed(changed(published, "relations", "specific", specific=True))
    assert flipped.findings["relations"].verdict == "holds (1 of 1 heads)"
    assert flipped.ledger != composed.ledger


def test_a_run_that_lacks_a_chapter_is_refused_with_its_name(tmp_path):
    with pytest.raises(InputError, match=r"run 'empty' has no tables of 02-attention-patterns, .*all chapters"):
        tour.of(Run(tmp_path / "empty"))


@pytest.mark.parametrize("name", FINDINGS)
def test_a_sentence_can_stand_in_a_page_and_a_chart_fits_a_phone(composed, name):
    finding = composed.findings[name]
    assert finding.headline[0].isupper() or finding.headline[0].isdigit()
    assert finding.headline[-1] not in ".;"
    assert not set("*_`{}[]<>") & set(finding.headline.replace("[CLS]", "").replace("[SEP]", ""))
    assert 200 < float(re.search(r'<svg[^>]* width="([\d.]+)"', svg_of(finding.chart)).group(1)) <= min(PHONE, 320)


@pytest.mark.parametrize(
    ("chapter", "source", "compose", "key"),
    [
        ("patterns", "shares", tour.patterns, ["pattern"]),
        ("features", "special", tour.special_tokens, ["measure", "layer"]),
    ],
)
def test_a_table_is_the_mean_over_tasks_of_the_mean_over_seeds(published, chapter, source, compose, key):
    tables = getattr(published, chapter)
    frame = getattr(tables, source)
    several = pd.concat([frame.assign(seed=seed, mean=frame["mean"] + shift) for seed, shift in enumerate((0, 0.02))])
    run = dataclasses.replace(published, **{chapter: dataclasses.replace(tables, **{source: several})})
    _, table = compose(run)
    tuned = several[several["checkpoint"] == AFTER]
    assert len(table) == len(tuned[key].drop_duplicates())
    for row in table.to_dict("records"):
        chosen = tuned[(tuned[key] == [row[name] for name in key]).all(axis=1)]
        means = [chosen.loc[chosen["task"] == task, "mean"].mean() for task in chosen["task"].unique()]
        slow = (sum(means) / len(means), min(means), max(means))
        assert (row["mean"], row["lowest"], row["highest"]) == pytest.approx(slow)


def test_patterns(published, composed):
    shares = published.patterns.shares
    run = changed(published, "patterns", "shares", mean=shares["mean"].where(shares["pattern"] != "Block", 0.93))
    headline, _ = tour.patterns(changed(run, "patterns", "heads", purity=0.52))
    assert headline == "The median head shows the same kind of map on 52 % of its inputs; 93 % of all maps are Block"
    finding = composed.findings["patterns"]
    bars = drawn(finding.chart, "pattern")
    assert list(bars["pattern"]) == list(finding.table["pattern"]) == list(PATTERNS)
    for column in ("mean", "lowest", "highest"):
        assert bars[column].to_numpy() == pytest.approx(finding.table[column].to_numpy(), abs=5e-5)


def test_special_tokens(published, composed):
    headline, _, table, chart = composed.findings["special_tokens"]
    shares = table.groupby("measure")["mean"].mean()
    weight, norm = (f"{100 * shares[measure]:.0f} %" for measure in (WEIGHT, NORM))
    assert headline == f"Special tokens get {weight} of the attention, {norm} weighted by norms"
    special = published.features.special
    run = changed(published, "features", "special", mean=special["mean"].where(special["measure"] == WEIGHT, 0.7))
    assert tour.special_tokens(run)[0].endswith(" % of the attention, 70 % weighted by norms")
    points = drawn(chart, "measure")
    assert set(points["measure"]) == {"attention weight", "weight times norm of the value"}
    assert list(points["layer"]) == list(table["layer"] + 1)
    assert points["mean"].to_numpy() == pytest.approx(table["mean"].to_numpy(), abs=5e-5)


def test_relations(published, composed):
    _, _, table, chart = composed.findings["relations"]
    heads, tests = published.relations.heads, published.relations.specific
    assert len(table) == len(tests) / 2
    for row in table.itertuples():
        own = heads[(heads["layer"] == row.layer) & (heads["head"] == row.head)].set_index("direction")["mean"]
        both = tests[(tests["layer"] == row.layer) & (tests["head"] == row.head)]
        above = max(min(one.difference, one.others_difference) for one in both.itertuples())
        assert (row.weight, row.excess) == pytest.approx((own["either"], above))
        assert row.specific == both["specific"].any()
    assert list(table["stands_out"]) == list(table["weight"] > table["weight"].quantile(0.99))
    for specific, told in ((True, "72 of 72 heads"), (False, "0 of 72 heads")):
        headline, _ = tour.relations(changed(published, "relations", "specific", specific=specific))
        assert headline.startswith(f"{told} attend to frame links beyond two nulls")
        assert headline.endswith(f"{int(specific)} of 1 do")
    points = drawn(chart, "label")
    assert points["weight"].to_numpy() == pytest.approx(table["weight"].to_numpy(), abs=5e-5)
    assert (points["beats"] == "beats both nulls").tolist() == table["specific"].tolist()
    (row,) = table[table["stands_out"]].itertuples()
    assert points.loc[points["stands_out"], "label"].tolist() == [f"{row.layer + 1}-{row.head + 1}"]


def test_changes(published, composed):
    for low, told in ((0.01, "7 of 7 tasks"), (-0.01, "0 of 7 tasks")):
        headline, _ = tour.changes(changed(published, "tuning", "last_two", low=low, high=0.02, mean=0.0))
        assert headline == f"The last two layers change most on {told}"
    chart, by_layer = composed.findings["changes"].chart, published.tuning.by_layer
    of_paper = by_layer[by_layer["reading"] == "paper"]
    assert drawn(chart, "task")["mean"].to_numpy() == pytest.approx(of_paper["mean"].to_numpy(), abs=5e-5)
    assert drawn(chart, "end")["layer"].item() == of_paper["layer"].max() + 1 - 1.5  # from which on it is shaded


def test_disabling_counts_heads_that_do_the_same_with_every_seed(published, composed):
    heads = (  # for each of two seeds the change and the corrected p
        ((0.01, 0.01), (0.02, 0.001)),  # helps
        ((0.01, 0.01), (0.02, 0.2)),  # helps with one seed only
        ((-0.1, 0.001), (-0.1, 0.001)),  # costs
        ((-0.1, 0.001), (0.1, 0.001)),  # costs with one seed and helps with the other
        ((0.0, 1.0), (0.0, 1.0)),
    )
    rows = [
        (task, seed, "uniform", 0, head, *numbers)
        for task, of_task in (("RTE", heads), ("QQP", heads[2:]))
        for head, seeds in enumerate(of_task)
        for seed, numbers in enumerate(seeds)
    ]
    table = pd.DataFrame(rows, columns=["task", "seed", "instead", "layer", "head", "mean", "holm"])
    table = pd.concat([table, table.assign(instead="zero", mean=1.0, holm=0.0)])
    run = dataclasses.replace(published, disabling=dataclasses.replace(published.disabling, heads=table))
    headline, counts = tour.disabling(run)
    assert counts.pivot(index="task", columns="effect", values="n").to_dict("index") == {
        "RTE": {"helps": 1, "costs": 1, "open": 3},
        "QQP": {"helps": 0, "costs": 1, "open": 2},
    }
    assert headline == (
        "Of 8 cases, each a head on a task, disabling helps beyond chance, with every seed, in 1 and costs in 2; "
        "in 5 one cannot tell"
    )
    _, _, table, chart = composed.findings["disabling"]
    bars = drawn(chart, "effect")
    assert set(bars.groupby("task")["n"].sum()) == {72}
    assert bars["effect"].tolist() == table["effect"].map(EFFECTS).tolist()
    assert bars["n"].tolist() == table["n"].tolist()
