"""What the chapter says of a run beside its tables: saved and found again, side by side, and put into words."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from darksecrets.corpora import annotated_maps
from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.runs import Run
from darksecrets.sections import map_labels, patterns
from darksecrets.sections.patterns import PatternTables
from darksecrets.side_by_side import side_by_side
from tests.pattern_tables import AFTER, BEFORE, classified_of, labels_of, predictions_of

LABELS = labels_of()
PREDICTIONS = predictions_of(LABELS, {"network": 0.9, "baseline": 0.5})
CHANCES = {
    ("MRPC", AFTER): [0.5, 0.1, 0.1, 0.1, 0.2],
    ("QQP", AFTER): [0.2, 0.1, 0.1, 0.1, 0.5],
    ("QQP", BEFORE): [0.7, 0.1, 0.1, 0.1, 0],
}
CLASSIFIED = classified_of(CHANCES, n_examples=60)
MEASURED = PatternTables.of(CLASSIFIED, PREDICTIONS, LABELS)


def test_what_was_measured_is_saved_and_found_again(tmp_path):
    run = Run(tmp_path)
    assert PatternTables.find(run) is None
    MEASURED.save(run, corpus="made up")
    found = PatternTables.find(run)
    for name in ("shares", "gaps", "heads"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(MEASURED, name))
    assert run.provenance["tables"]["pattern_shares"]["made_from"] == {"corpus": "made up"}
    (tmp_path / "pattern_gaps.parquet").unlink()
    assert PatternTables.find(run) is None


def test_runs_stand_side_by_side_and_a_missing_reference_is_left_out():
    alone = side_by_side(MEASURED.shares)
    assert set(alone["run"]) == {"this run"}
    both = side_by_side(MEASURED.shares, MEASURED.shares)
    assert both["run"].value_counts().to_dict() == {"this run": len(alone), "reference run": len(alone)}


def test_widening_compares_the_widths_of_all_intervals():
    rows = list(MEASURED.shares.itertuples())
    whole, sampling = sum(row.high - row.low for row in rows), sum(row.sampling_high - row.sampling_low for row in rows)
    assert patterns.widening(MEASURED.shares) == pytest.approx(whole / sampling)
    assert whole > sampling
    without_width = MEASURED.shares.assign(low=0, high=1e-9, sampling_low=0, sampling_high=1e-11)
    assert patterns.widening(without_width) == 1


def test_no_pattern_is_ahead_where_all_maps_are_heterogeneous():
    classified = classified_of({("RTE", AFTER): [0, 0, 0, 0, 1]})
    run = PatternTables.of(classified, PREDICTIONS, LABELS)
    assert patterns.by_task(run)["common_named"].tolist() == ["cannot tell"]


def test_purity_in_words_counts_heads_after_fine_tuning_only():
    heads = pd.DataFrame({"checkpoint": [AFTER] * 4 + [BEFORE], "purity": [0.5, 0.8, 0.9, 1.0, 0.1]})
    assert patterns.purity(heads) == ("85 %", "50 %")


def test_the_range_of_heterogeneous_maps_is_over_tasks_after_fine_tuning():
    low, high = patterns.heterogeneous_range(MEASURED.shares).removesuffix(" %").split(" to ")
    tuned = MEASURED.shares.query("checkpoint == 'fine-tuned' and pattern == 'Heterogeneous'")["mean"]
    assert (float(low), float(high)) == pytest.approx((100 * tuned.min(), 100 * tuned.max()), abs=0.5)
    assert float(low) < 35 < float(high)
    before = MEASURED.shares.query("checkpoint == 'pre-trained' and pattern == 'Heterogeneous'")["mean"]
    assert patterns.heterogeneous_range(MEASURED.shares, BEFORE) == f"{100 * before.item():.0f} %"


def test_the_layer_with_most_heterogeneous_maps_is_counted_from_one():
    layers = patterns.by_layer(CLASSIFIED)
    chosen = (layers["layer"] == 1) & (layers["pattern"] == "Heterogeneous")
    layers.loc[chosen, "mean"] = np.where(layers.loc[chosen, "checkpoint"] == AFTER, 0.91, 0.0)
    assert patterns.layer_finding(layers) == "Heterogeneous maps are most common in layer 2: 91 %"


def test_rescaled_maps_that_change_class_are_counted_by_length():
    network = predictions_of(LABELS, {"network": 1.0}).assign(rescaled_to=0)
    changed = set(LABELS["id"][:12])
    shorter, longer = network.assign(rescaled_to=24), network.assign(rescaled_to=48)
    columns = list(PATTERNS)
    rows = shorter["id"].isin(changed)
    shorter.loc[rows, columns] = np.roll(shorter.loc[rows, columns].to_numpy(), 1, axis=1)
    baseline = network.assign(method="baseline")
    table = map_labels.rescaled(pd.concat([network, shorter, longer, baseline]), LABELS).set_index("brought to")
    share = 12 / len(LABELS)
    assert table["mean"].to_dict() == pytest.approx({"24 tokens": share, "48 tokens": 0, "48 tokens, from 24": share})
    assert table.loc["24 tokens", "low"] <= share <= table.loc["24 tokens", "high"]


def test_the_annotator_who_labelled_twice_is_compared_with_itself():
    labels = annotated_maps.load()
    value, low, high = map_labels.retest(labels).values()
    twice = labels.merge(pd.read_csv(annotated_maps.RETEST), on="id")
    assert set(twice["id"]) == set(labels.loc[labels["sitting"] == 3, "id"])
    assert value == pytest.approx(cohen_kappa_score(twice["first"], twice["again"]))
    assert low < value < high


def test_the_published_classifier_keeps_its_mind_when_maps_are_rescaled():
    table = map_labels.rescaled(map_labels.published(), annotated_maps.load()).set_index("brought to")
    assert (table.loc[["24 tokens", "48 tokens"], "mean"] < 0.05).all()
