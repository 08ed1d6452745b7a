"""The tables that the chapter on token-to-token attention saves: averages of what the store holds, measured once."""

import json
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from darksecrets.models import attended
from darksecrets.models.attended import RELATIONS
from darksecrets.sections import links
from darksecrets.sections.links import POCKET_FAR, LinkTables
from tests.notebooks.conftest import N_LINKED, SIZES, TASKS
from tests.notebooks.executed import results

SAVED = sorted(["link_released", *(f"link_{field.name}" for field in fields(LinkTables))])
CASE = ["task", "checkpoint"]
HEAD = ["layer", "head"]
LINK = ["relation", "direction"]


@pytest.fixture(scope="module")
def mine(links_page):
    """The tables that the page saved."""
    return LinkTables.find(links_page.run)


def by_link(table):
    """Weights in both directions as one column, for each link that a row is of."""
    return table.rename_axis(columns="direction").stack()


class TestTables:
    def test_all_are_saved_with_what_they_were_made_from(self, links_page, shared_setup):
        assert links_page.run.tables() == SAVED == sorted(links_page.run.provenance["tables"])
        expected = json.loads(json.dumps(shared_setup.described()))
        for record in links_page.run.provenance["tables"].values():
            assert record["made_from"].items() >= expected.items()

    def test_they_are_those_of_the_library(self, mine, found, far_apart):
        expected = links.summarize(found.links, found.diagonal, far_apart)
        for field in fields(LinkTables):
            computed = getattr(expected, field.name).reset_index(drop=True)
            pd.testing.assert_frame_equal(getattr(mine, field.name), computed, check_dtype=False, atol=1.1e-5)

    def test_heads_have_the_mean_over_examples_of_the_mean_over_their_links(self, mine, found, size):
        key = [*CASE, "relation", *HEAD]
        of_example = found.links.groupby([*key, "example"], observed=True)[["to_dependent", "to_head"]].mean()
        means = by_link(of_example.groupby(key, observed=True).mean())
        saved = mine.heads.set_index([*key, "direction"])
        assert saved["mean"].to_dict() == pytest.approx(means.to_dict(), abs=1.1e-5)
        n_examples = found.links.groupby([*CASE, "relation"], observed=True)["example"].nunique()
        assert saved["n"].groupby([*CASE, "relation"]).first().to_dict() == n_examples.to_dict()
        assert len(saved) == 2 * len(n_examples) * int(np.prod(SIZES[size]))

    def test_candidates_are_the_first_heads_with_their_diagonal(self, mine, diagonal):
        key = [*CASE, *LINK, *HEAD]
        highest = mine.heads.loc[mine.heads.groupby([*CASE, *LINK], observed=True)["mean"].idxmax()]
        first = mine.candidates.drop_duplicates([*CASE, *LINK])
        assert set(first[key].itertuples(index=False)) == set(highest[key].itertuples(index=False))
        saved = mine.scores.set_index([*CASE, *HEAD])["diagonal"]
        assert saved.to_dict() == pytest.approx(diagonal.to_dict(), abs=1.1e-5)
        for row in mine.candidates.itertuples():
            own = diagonal[row.task, row.checkpoint, row.layer, row.head]
            assert row.diagonal == pytest.approx(own, abs=1.1e-5)
            assert row.rank == 1 + (diagonal[row.task, row.checkpoint] > own).sum()

    def test_what_a_head_follows_rests_on_every_distance_alike(self, mine, far_apart, size):
        sizes = far_apart.groupby(["relation", "distance"], observed=True)["example"].nunique()
        assert set(sizes.index) == {(relation, distance) for relation in RELATIONS for distance in range(1, 9)}
        assert set(sizes) == {N_LINKED}
        nulls = [name for name in far_apart if name.endswith(("_null", "_others"))]
        assert len(nulls) == 4
        chosen = far_apart[far_apart["distance"].between(*POCKET_FAR)].dropna(subset=nulls)
        key = ["relation", *HEAD]
        means = chosen.groupby([*key, "distance"], observed=True)[["to_dependent", "to_head"]].mean()
        means = by_link(means.groupby(key, observed=True).mean())
        saved = mine.follows.set_index([*key, "direction"])["mean"]
        assert saved.to_dict() == pytest.approx(means.to_dict(), abs=1.1e-5)
        assert len(saved) == 2 * len(RELATIONS) * int(np.prod(SIZES[size]))

    def test_a_head_follows_a_link_only_if_it_beats_both_nulls(self, mine):
        for tests in (mine.follows, mine.matched):
            beats = tests[tests["specific"]]
            assert (beats["difference"] > 0).all()
            assert (beats["others_difference"] > 0).all()
            assert (beats["p_corrected"] < 0.05).all()
        follows = mine.follows["verdict"].isin(["follows the link", "both"])
        assert follows.tolist() == mine.follows["specific"].tolist()


class TestStore:
    def test_after_the_chapter_on_features_no_model_reads_the_examples_again(
        self, features_page, links_page, shared_setup, size, notebooks
    ):
        store = notebooks.parent / "_runs"
        before = results(store, attended.KIND)
        fingerprint = shared_setup.load().fingerprint
        own = [made_from for made_from, _, _ in before if made_from["checkpoint"] == fingerprint]
        assert len(own) == 2 * len(TASKS[size])
        assert sum(made_from["training"] is None for made_from in own) == len(TASKS[size])
        attended.measured(shared_setup)
        assert results(store, attended.KIND) == before

    def test_each_task_is_trained_once(self, features_page, links_page, shared_setup, size, notebooks):
        made_from = [made_from for made_from, _, _ in results(notebooks.parent / "_runs", "finetuned")]
        fingerprint = shared_setup.load().fingerprint
        own = [one["task"] for one in made_from if one["checkpoint"] == fingerprint and one["seed"] == 0]
        assert sorted(own) == sorted(TASKS[size])
