"""What is gathered of heads against plain look-ups in the reference run's tables, and sentences word by word."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from darksecrets.apps import atlas
from darksecrets.apps.atlas import COLUMNS, DISTANCES, FRAME_LINKS, Atlas, Opened
from darksecrets.corpora.annotated_maps import AFTER, BEFORE, PATTERNS
from darksecrets.overview.discussion import RunTables
from darksecrets.runs import Run
from darksecrets.sections.repeated_words import RepeatedTables
from darksecrets.statistics import holm, interval_of_mean, p_of_interval
from tests.conftest import ROOT
from tests.disabling_tables import tables as disabling_tables

NOTHING = RunTables(*[None] * len(fields(RunTables)))
SOME_HEADS = [(0, 2), (1, 1), (3, 7), (5, 11)]
FEATURES = {"to_CLS": "[CLS]", "to_SEP": "[SEP]", "to_SEP_sum": "[SEP] sum", "to_noun": "noun"}


@pytest.fixture(scope="module")
def run():
    return Run(ROOT / "notebooks" / "reference")


@pytest.fixture(scope="module")
def reference(run):
    return Atlas.of(RunTables.find(run))


@pytest.fixture(scope="module")
def cells(reference):
    return atlas.by_task(reference).set_index(["task", "layer", "head"])


def mean_of(table, layer, head, **where):
    """The mean over seeds of one cell, by hand."""
    for name, value in {"layer": layer, "head": head, **where}.items():
        table = table[table[name] == value]
    return table["mean"].mean()


def with_rows(**tables):
    """An atlas of a run that has these tables only."""
    empty = Atlas.of(NOTHING)
    return Atlas(**{field.name: tables.get(field.name, getattr(empty, field.name)) for field in fields(Atlas)})


class TestGathered:
    def test_there_is_a_row_for_every_head_and_task(self, reference, cells):
        assert reference.shape == (6, 12)
        assert len(cells) == len(reference.tasks) * 72
        assert not cells.index.duplicated().any()

    @pytest.mark.parametrize("head", SOME_HEADS)
    def test_a_cell_is_what_the_tables_say(self, run, cells, head):
        changes = run.table("disabling_heads").query("instead == 'uniform'")
        patterns = run.table("pattern_heads").query("checkpoint == @AFTER")
        features = run.table("feature_heads").query("checkpoint == @AFTER")
        for task in ("RTE", "QNLI"):
            cell = cells.loc[(task, *head)]
            assert cell["change"] == pytest.approx(100 * mean_of(changes, *head, task=task))
            assert cell["similarity"] == pytest.approx(mean_of(run.table("tuning_by_head"), *head, task=task))
            for quantity, feature in FEATURES.items():
                assert cell[quantity] == pytest.approx(mean_of(features, *head, task=task, feature=feature))
            own = patterns.query("task == @task and layer == @head[0] and head == @head[1]")
            assert cell["pattern"] == max(PATTERNS, key=lambda name: own[name].mean())

    @pytest.mark.parametrize("head", SOME_HEADS)
    def test_links_are_beyond_the_closer_null_in_the_better_direction(self, run, cells, reference, head):
        tests = run.table("frame_specific").query("layer == @head[0] and head == @head[1]")
        excess = {row.direction: min(row.difference, row.others_difference) for row in tests.itertuples()}
        assert cells.loc[("MNLI", *head), "frame"] == pytest.approx(max(excess.values()))
        for row in tests.itertuples():
            ends = (row.low, row.high) if row.difference <= row.others_difference else (row.others_low, row.others_high)
            own = reference.links[reference.links["kind"] == FRAME_LINKS[row.direction]]
            own = own.query("layer == @head[0] and head == @head[1]").iloc[0]
            assert (own["excess"], own["low"], own["high"]) == pytest.approx((excess[row.direction], *ends))
            assert own["beats"] == row.specific

    def test_the_same_word_counts_where_it_is_significant_among_all_heads(self, run, reference):
        heads = run.table("repeated_heads").query("checkpoint == @AFTER and task == 'RTE'")
        p = {
            seed: holm(p_of_interval(group["mean"], group["low"], group["high"], group["n"]))
            for seed, group in heads.groupby("seed")
        }
        positive = {seed: (group["mean"] > 0).to_numpy() for seed, group in heads.groupby("seed")}
        expected = np.all([(p[seed] < 0.05) & positive[seed] for seed in p], axis=0)
        found = reference.links[reference.links["kind"] == "same word in RTE"].sort_values(["layer", "head"])
        assert found["beats"].tolist() == expected.tolist()
        assert 0 < expected.sum() < len(expected)

    def test_several_seeds_are_averaged_and_all_must_be_clear(self):
        tables = disabling_tables(("RTE",), (0, 1), hurts={(0, 1): 0.2})
        heads = tables.heads.copy()
        one = (heads["seed"] == 0) & (heads["layer"] == 0) & (heads["head"] == 1) & (heads["instead"] == "uniform")
        both = Atlas.of(RunTables(*[None] * 5, tables, None)).disabling.set_index(["layer", "head"])
        values = heads.query("layer == 0 and head == 1 and instead == 'uniform'")["mean"].to_numpy()
        row = both.loc[(0, 1)]
        assert row["mean"] == pytest.approx(100 * values.mean())
        assert (row["low"], row["high"]) == pytest.approx(tuple(100 * np.array(interval_of_mean(values)[1:])))
        assert row["clear"]
        heads.loc[one, "holm"] = 0.5
        changed = type(tables)(**{**vars(tables), "heads": heads})
        assert not Atlas.of(RunTables(*[None] * 5, changed, None)).disabling.set_index(["layer", "head"])["clear"].any()

    def test_distances_are_means_over_examples(self):
        values = np.array([[0.1, 0.3], [0.3, np.nan]])
        table = pd.DataFrame(0.0, index=range(2), columns=list(map(str, DISTANCES)))
        table[["-1", "2"]] = values
        table = table.assign(task="RTE", checkpoint=BEFORE, seed=0, example=[0, 1], layer=1, head=2)
        found = atlas.distances(Opened("", (), {}, table)).set_index("distance")
        assert found.loc[-1, ["mean", "low", "high"]].tolist() == pytest.approx(interval_of_mean(values[:, 0]))
        assert found.loc[2, "mean"] == 0.3
        assert np.isnan(found.loc[2, "low"])


class TestPartialRuns:
    def test_a_run_without_tables_has_no_heads(self):
        empty = Atlas.of(NOTHING)
        assert (empty.shape, empty.tasks) == ((0, 0), [])
        assert len(atlas.by_task(empty)) == len(atlas.described(empty)) == 0
        assert atlas.most_important(empty) == (0, 0)
        assert "measured nothing" in atlas.sentence(empty, 0, 0)

    @pytest.mark.parametrize(
        "chapter", ["patterns", "relations", "tuning", "features", "links", "disabling", "repeated"]
    )
    def test_each_chapter_alone_is_enough(self, run, reference, chapter):
        found = RunTables.find(run)
        alone = Atlas.of(RunTables(**{**vars(NOTHING), chapter: getattr(found, chapter)}))
        assert alone.shape == (6, 12)
        said = atlas.sentence(alone, 1, 1)
        whole = atlas.sentence(reference, 1, 1)
        if chapter not in ("relations", "links", "repeated"):
            assert said.removeprefix("Layer 2 head 2: ").removesuffix(".") in whole
        assert said.startswith("Layer 2 head 2: ")
        assert said.count(";") == 0

    def test_a_run_without_repeated_words_has_the_other_links(self, run):
        found = RunTables.find(run)
        empty = RepeatedTables(found.repeated.heads.iloc[:0])
        some = Atlas.of(RunTables(**{**vars(NOTHING), "relations": found.relations, "repeated": empty}))
        assert set(some.links["kind"]) == set(FRAME_LINKS.values())

    def test_runs_are_stacked_whatever_they_have(self, reference):
        runs = {"this run": Atlas.of(NOTHING), "reference run": reference}
        stacked = atlas.joined(runs, lambda one: one.shares)
        assert set(stacked["run"]) == {"reference run"}
        nothing = atlas.joined({"this run": Atlas.of(NOTHING)}, lambda one: one.shares)
        assert list(nothing) == [*COLUMNS["shares"], "run"]
        assert len(nothing) == 0

    def test_counts_are_empty_where_nothing_was_measured(self, reference):
        table = atlas.counted({"this run": Atlas.of(NOTHING), "reference run": reference})
        assert table["this run"].isna().all()
        assert table["reference run"].notna().all()
        specific = Run(ROOT / "notebooks" / "reference").table("frame_specific")
        n_specific = specific[specific["specific"]].drop_duplicates(["layer", "head"]).shape[0]
        assert f"{n_specific} of 72" in table["reference run"].tolist()


class TestSentences:
    HEAD = {"layer": [2], "head": [4]}

    def disabling(self, *rows):
        table = pd.DataFrame(rows, columns=["task", "mean", "low", "high", "clear"])
        return table.assign(layer=2, head=4)

    def test_every_part_is_said(self):
        shares = dict.fromkeys(PATTERNS, 0.0) | {"Vertical": 0.9, "Block": 0.1}
        features = pd.DataFrame(
            {"feature": ["[CLS]", "[SEP]", "[SEP] sum", "object", "verb"], "mean": [0.1, 0.62, 0.9, 0.08, 0.03]}
        ).assign(task="RTE", checkpoint=AFTER, layer=2, head=4)
        links = pd.DataFrame(
            {"kind": ["verb to subject", "subject to verb"], "excess": [0.1, 0.2], "beats": [True, False]}
        ).assign(layer=2, head=4)
        similarity = pd.DataFrame({"task": ["RTE", "QNLI"], "mean": [0.95, 0.71]}).assign(layer=2, head=4)
        found = with_rows(
            shares=pd.DataFrame([shares]).assign(task="RTE", checkpoint=AFTER, **self.HEAD),
            features=features,
            links=links,
            similarity=similarity,
            disabling=self.disabling(("RTE", -1.23, -2.0, -0.4, True), ("QNLI", -3.0, -7.0, 1.0, False)),
        )
        assert atlas.sentence(found, 2, 4) == (
            "Layer 3 head 5: 90 % of its maps are Vertical, 10 % Block; of its attention, [SEP] gets 0.62 and an "
            "object gets 0.08; fine-tuning changes it most on QNLI (similarity 0.71); it follows links beyond their "
            "nulls (verb to subject); without it RTE loses 1.2 points [0.4, 2.0]."
        )

    def test_gains_losses_and_neither(self):
        gain = with_rows(disabling=self.disabling(("RTE", 2.0, 0.5, 3.5, True), ("QNLI", -1.0, -1.5, -0.5, True)))
        assert "without it RTE gains 2.0 points [0.5, 3.5], and 1 other task changes clearly" in (
            atlas.sentence(gain, 2, 4)
        )
        none = with_rows(disabling=self.disabling(("RTE", 2.0, -0.5, 3.5, False)))
        assert "without it no score changes clearly (1 task)" in atlas.sentence(none, 2, 4)

    def test_a_head_that_nothing_changes_is_said_to_be_so(self):
        same = with_rows(similarity=pd.DataFrame({"task": ["RTE"], "mean": [0.995]}).assign(layer=2, head=4))
        assert atlas.sentence(same, 2, 4) == (
            "Layer 3 head 5: fine-tuning hardly changes it (similarity 0.99 or more)."
        )

    def test_clear_losses_open_first(self):
        rows = pd.DataFrame(
            {"task": "RTE", "layer": 0, "head": [0, 1, 2], "mean": [-9.0, -2.0, -1.0], "clear": [False, True, True]}
        )
        assert atlas.most_important(with_rows(disabling=rows)) == (0, 1)
        links = pd.DataFrame({"kind": "x", "layer": [0, 3], "head": [1, 2], "excess": [0.1, 0.3]})
        assert atlas.most_important(with_rows(links=links)) == (3, 2)

    def test_every_head_of_the_reference_run_is_described(self, reference):
        described = atlas.described(reference)
        assert len(described) == 72
        assert described["in_words"].str.fullmatch(r"Layer \d+ head \d+: .{100,500}\.").all()
        assert not described["in_words"].str.contains("nan").any()


def test_the_reference_run_shares_only_the_models_that_it_started_from(run):
    setups = [run.made_from(name).get("checkpoint_fingerprint") for name in run.tables()]
    fingerprint = next(found for found in setups if found)
    for own, expected in ((fingerprint, [BEFORE]), ("another", [])):
        opened = Opened(own, (), {BEFORE: None, "RTE": None}, pd.DataFrame())
        assert atlas.models_of(opened, run) == {"this run": [BEFORE, "RTE"], "reference run": expected}
