"""The tables that the chapter on patterns saves: consistent with each other, and counted from what the store holds."""

import json

import pytest

from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.sections import patterns
from darksecrets.sections.patterns import AFTER, BEFORE
from tests.notebooks.conftest import SIZES, TASKS
from tests.notebooks.executed import classified_maps

SAVED = ["pattern_gaps", "pattern_heads", "pattern_layers", "pattern_shares"]
KEY = ["task", "seed", "checkpoint"]


class TestTables:
    def test_four_are_saved_with_what_they_were_made_from(self, patterns_page, shared_setup):
        assert patterns_page.run.tables() == SAVED == sorted(patterns_page.run.provenance["tables"])
        for record in patterns_page.run.provenance["tables"].values():
            assert record["made_from"] == json.loads(json.dumps(shared_setup.described()))

    def test_shares_sum_to_one_in_every_group(self, patterns_page, size):
        n_layers, n_heads = SIZES[size]
        shares, heads, layers = (patterns_page.run.table(f"pattern_{name}") for name in ("shares", "heads", "layers"))
        groups = [(task, 0, checkpoint) for checkpoint in (BEFORE, AFTER) for task in TASKS[size]]
        assert set(shares.groupby(KEY).groups) == set(groups)
        assert len(shares) == len(groups) * len(PATTERNS)
        assert len(heads) == len(groups) * n_layers * n_heads
        assert len(layers) == len(groups) * n_layers * len(PATTERNS)
        for column in ("observed", "mean"):
            assert shares.groupby(KEY)[column].sum().to_numpy() == pytest.approx(1, abs=1e-5)
        assert heads[list(PATTERNS)].sum(axis=1).to_numpy() == pytest.approx(1)
        assert layers.groupby([*KEY, "layer"])["mean"].sum().to_numpy() == pytest.approx(1, abs=1e-5)

    def test_intervals_are_shares_in_order(self, patterns_page):
        table = patterns_page.run.table("pattern_shares")
        for low, high in (("low", "high"), ("sampling_low", "sampling_high")):
            assert (table[low] <= table[high]).all()
            assert table[[low, high]].stack().between(0, 1).all()

    @pytest.mark.glue
    def test_intervals_have_the_classifiers_error_in_them(self, real_patterns):
        table = real_patterns.run.table("pattern_shares")
        widths = (table["high"] - table["low"]).mean(), (table["sampling_high"] - table["sampling_low"]).mean()
        assert widths[0] > 1.2 * widths[1]

    def test_heads_and_layers_average_to_the_observed_shares(self, patterns_page):
        observed = patterns_page.run.table("pattern_shares").set_index([*KEY, "pattern"])["observed"].to_dict()
        heads = patterns_page.run.table("pattern_heads").groupby(KEY)[list(PATTERNS)].mean().stack()
        layers = patterns_page.run.table("pattern_layers").groupby([*KEY, "pattern"])["mean"].mean()
        assert heads.to_dict() == pytest.approx(observed)
        assert layers.to_dict() == pytest.approx(observed)

    def test_gaps_are_those_between_the_shares(self, patterns_page, size):
        tuned = patterns_page.run.table("pattern_shares").query("checkpoint == @AFTER")
        shares = tuned.set_index(["task", "pattern"])["mean"]
        gaps = patterns_page.run.table("pattern_gaps")
        assert len(gaps) == 2 * len(TASKS[size])
        for row in gaps.itertuples():
            left_out = ["Vertical"] if row.claim == patterns.COMMON else ["Vertical", "Heterogeneous"]
            of_task = shares[row.task]
            assert row.mean == pytest.approx(of_task["Vertical"] - of_task.drop(left_out).max(), abs=1e-5)


class TestStore:
    def test_every_map_of_every_example_was_classified_once(self, patterns_page, shared_setup, size, notebooks):
        before = classified_maps(notebooks.parent / "_runs")
        own = [table for made_from, _, table in before if made_from["checkpoint"] == shared_setup.load().fingerprint]
        n_layers, n_heads = SIZES[size]
        n_examples = shared_setup.max_examples
        assert len(own) == 2 * len(TASKS[size])
        for table in own:
            assert table["example"].nunique() == n_examples
            assert len(table) == len(table.drop_duplicates(["example", "layer", "head"]))
            assert len(table) == n_examples * n_layers * n_heads
        found = patterns.classified(shared_setup)
        assert len(found) == sum(map(len, own))
        assert [at for _, at, _ in classified_maps(notebooks.parent / "_runs")] == [at for _, at, _ in before]

    def test_models_are_those_of_the_chapter_on_fine_tuning(
        self, patterns_page, shared_setup, size, request, notebooks
    ):
        request.getfixturevalue(f"{size}_finetuning")
        records = (json.loads(path.read_text()) for path in notebooks.parent.glob("_runs/finetuned/*/result.json"))
        made_from = [record["ingredients"] for record in records]
        fingerprint = shared_setup.load().fingerprint
        own = [one for one in made_from if one["checkpoint"] == fingerprint and one["seed"] == 0]
        assert sorted(one["task"] for one in own) == sorted(TASKS[size])

    def test_saved_shares_are_the_counts_of_the_classified_maps(self, patterns_page, shared_setup):
        found = patterns.classified(shared_setup)
        counted = found.groupby(KEY, observed=True)["pattern"].value_counts(normalize=True)
        observed = patterns_page.run.table("pattern_shares").set_index([*KEY, "pattern"])["observed"]
        assert observed.to_dict() == pytest.approx(counted.reindex(observed.index, fill_value=0).to_dict())
        of_head = found.groupby([*KEY, "layer", "head"], observed=True)["pattern"]
        purity = of_head.agg(lambda seen: seen.value_counts(normalize=True).max())
        heads = patterns_page.run.table("pattern_heads").set_index([*KEY, "layer", "head"])
        assert heads["purity"].to_dict() == pytest.approx(purity.to_dict())
        for row in heads.reset_index().to_dict("records"):
            assert row[row["main"]] == row["purity"]
