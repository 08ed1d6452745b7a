"""From a tiny run to published tables, and from these to the check that computes them anew: no changed number, row or
column goes unnoticed.
"""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from darksecrets.book import contents
from darksecrets.book.profiles import Profile
from darksecrets.corpora import annotated_maps
from darksecrets.errors import InputError
from darksecrets.models import attended
from darksecrets.overview.reference_run import CHECKS, TUNED_CHECKS
from darksecrets.runs import Run, file_fingerprint, write_json
from darksecrets.sections import feature_claims, features, fine_tuning, map_labels, patterns
from darksecrets.sections.fine_tuning import FineTuningTables
from darksecrets.statistics import interval_of_mean
from darksecrets_upkeep import check, comparison, published, reference
from darksecrets_upkeep.comparison import FAILED, OK, SKIPPED, Comparison, compared, skipped
from tests.conftest import ROOT, write_task

TASKS = ["RTE", "SST-2"]
SIZES = {"max_train": 40, "max_examples": 12, "epochs": 1, "batch_size": 8, "learning_rate": 1e-3}
OTHERS = {"precision": "float32", "seeds": [0, 1], "n_random": 1, "max_scored": 0, "max_released": 3, "max_compared": 4}
RECOMPUTED = ("pattern_shares", "pattern_layers", "pattern_heads", "feature_heads", "feature_layers", "feature_special")
RECOMPUTED += ("feature_gaps", "feature_readings")
KEY = ["task", "layer"]


def table(**changes):
    columns = {"task": ["RTE", "RTE", "MNLI"], "layer": [0, 1, 0], "mean": [0.1, 0.2, 0.3], "n": [10, 10, 20]}
    columns |= {"low": [0.05, np.nan, 0.25], "verdict": ["yes", "no", "yes"], "specific": [True, False, True]}
    return pd.DataFrame({**columns, **changes})


class TestComparison:
    def test_equal_tables_are_equal_to_the_last_digit_whatever_their_order_and_types(self):
        anew = table().iloc[::-1].astype({"task": "category", "layer": "int16"})
        assert compared("means", table(), anew, KEY, 0.0) == Comparison(
            "means", 3, 0.0, 0.0, OK, "equal to the last digit"
        )

    def test_a_table_that_is_kept_in_single_precision_is_compared_in_it(self):
        exact = table(mean=[1 / 3, 2 / 3, 1 / 7])
        kept = exact.astype({"mean": "float32"})
        assert compared("means", kept, exact, KEY, 0.0).largest == 0
        assert compared("means", exact, kept, KEY, 0.0).verdict == FAILED

    @pytest.mark.parametrize(
        ("changes", "largest", "verdict", "note"),
        [
            ({"mean": [0.1, 0.2009, 0.3]}, 0.0009, OK, "mean of task RTE, layer 1"),
            ({"mean": [0.1, 0.2011, 0.3]}, 0.0011, FAILED, "mean of task RTE, layer 1"),
            ({"mean": [0.1, -0.3, 0.3]}, 0.5, FAILED, "mean of task RTE, layer 1"),
            ({"n": [10, 10, 20.7]}, 0.7, FAILED, "n of task MNLI, layer 0"),
            ({"low": [np.nan, np.nan, 0.25]}, np.inf, FAILED, "low of task RTE, layer 0"),  # in one table only
            ({"low": [0.05, 0.1, 0.25]}, np.inf, FAILED, "low of task RTE, layer 1"),
        ],
    )
    def test_a_changed_number_is_found_and_named_with_its_place(self, changes, largest, verdict, note):
        found = compared("means", table(), table(**changes), KEY, 0.001)
        assert (found.verdict, found.note) == (verdict, note)
        assert found.largest == pytest.approx(largest)

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            (table(), table().iloc[:2], "1 rows are in one table only: task MNLI, layer 0 is published only"),
            (table().iloc[:2], table(), "task MNLI, layer 0 is only there when computed anew"),
            (table(), table().drop(columns="low"), "computed anew, it has no column low"),
            (table().iloc[:0], table(), "there is no row to compare"),
        ],
        ids=["lost row", "new row", "lost column", "nothing"],
    )
    def test_rows_and_columns_that_are_missing_are_named(self, old, new, words):
        found = compared("means", old, new, KEY, 1.0)
        assert found.verdict == FAILED
        assert words in found.note

    def test_a_key_with_two_rows_is_a_mistake_of_ours(self):
        with pytest.raises(ValueError, match="one-to-one"):
            compared("means", table(), pd.concat([table(), table()]), KEY, 1.0)

    @pytest.mark.parametrize(
        ("means", "largest", "verdict"),
        [([0.41, 0.79], 0, OK), ([0.61, 0.7], 0.01, OK), ([0.5, 0.5], 0.1, FAILED), ([0.9, 0.7], 0.3, FAILED)],
    )
    def test_of_one_seed_only_what_is_outside_the_interval_over_several_counts(self, means, largest, verdict):
        published = pd.DataFrame({"layer": [0, 1], "mean": [0.5, 0.7], "low": [0.4, 0.6], "high": [0.6, 0.8]})
        anew = pd.DataFrame({"layer": [0, 1], "mean": means, "low": 0.0, "high": 1.0})
        found = comparison.compared_with_interval("change", published, anew, ["layer"], 0.02)
        assert found.verdict == verdict
        assert found.largest == pytest.approx(largest)
        lost = comparison.compared_with_interval("change", published, anew[:1], ["layer"], 0.02)
        assert "layer 1 is published only" in lost.note

    @pytest.mark.parametrize("seeds", [(0.0, 0.0, 1.0), (0.1, 0.5, 0.9), (0.3, 0.3, 0.31)])
    def test_each_of_three_seeds_is_within_their_interval(self, seeds):
        _, low, high = interval_of_mean(seeds)
        assert all(low <= seed <= high for seed in seeds)

    def test_the_report_has_a_line_for_each_counts_verdicts_and_says_aloud_what_was_not_checked(self):
        good, bad = (compared(name, table(), table(n=n), KEY, 0.01) for name, n in (("good", [10, 10, 20]), ("bad", 1)))
        away = skipped("away", "no corpus")
        lines = comparison.report([good, bad, away]).splitlines()
        assert [line.split()[0] for line in lines[2:5]] == ["good", "bad", "away"]
        assert "19" in lines[3]
        assert "n of task MNLI, layer 0" in lines[3]
        assert "ok: 1, NOT OK: 1, NOT CHECKED: 1" in lines
        assert lines[-2:] == ["!! NOT CHECKED, so that what is ok above says nothing of it:", "  away: no corpus"]
        assert "!!" not in comparison.report([good, bad])
        assert comparison.failed([good, bad, away])
        assert not comparison.failed([good, away])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus") / "glue"
    for task in TASKS:
        write_task(root, task, n_rows=60)
    return root


@pytest.fixture(scope="module")
def profile(tmp_path_factory, corpus, tiny_bert):
    root = tmp_path_factory.mktemp("repository")
    shutil.copy(ROOT / "_toc.yml", root)
    not_copied = shutil.ignore_patterns("reference", ".*", "kernel-ipc-*")
    shutil.copytree(ROOT / "notebooks", root / "notebooks", ignore=not_copied)
    places = {"corpus": str(corpus), "checkpoint": tiny_bert, "store": "../_runs", "frames": "auto", "gold": ""}
    return Profile("reference", root, {}, {"tasks": TASKS, **SIZES, **OTHERS, **places})


@pytest.fixture(scope="module")
def setup(profile):
    return reference.setup(profile)


@pytest.fixture(scope="module")
def target(profile, setup):
    """The published run, made with the library as the chapters make it."""
    run = setup.results.run(profile.run)
    classified, labels = patterns.classified(setup), annotated_maps.load()  # fine-tunes, as the first of the chapters
    predictions = fine_tuning.predictions(setup, n_random=1)
    changes = pd.concat([fine_tuning.similarities(setup), fine_tuning.similarities(setup, "released", 3)])
    more = {"n_random": 1, "max_scored": 0, "max_released": 3}
    FineTuningTables.of(predictions, changes).save(run, **setup.described(), **more)
    as_they_are = map_labels.published().query("rescaled_to == 0")
    patterns.PatternTables.of(classified, as_they_are, labels).save(run, **setup.described())
    run.save("pattern_layers", patterns.by_layer(classified), **setup.described())
    blocks = features.feature_weights(attended.measured(setup).features)
    feature_claims.feature_tables(blocks).save(run, **setup.described())
    run.save("scores", pd.DataFrame({"sentence": ["Not to be published."]}))
    target = profile.root / published.DIRECTORY
    Run(target).save("parser_agreement", pd.DataFrame({"kept": ["all"], "mean": [0.9]}), treebank="gold.conllu")
    Run(target).save("link_heads", pd.DataFrame({"mean": [0.9]}), of="an older run")
    return reference.publish(profile, target)


@pytest.fixture(scope="module")
def places(corpus, tiny_bert, tmp_path_factory):
    return {"corpus": str(corpus), "checkpoint": tiny_bert, "store": str(tmp_path_factory.mktemp("check"))}


@pytest.fixture(scope="module")
def found(profile, target, places):
    return {one.what: one for one in check.check(profile.root, places)}


@pytest.fixture
def copied(profile, target, tmp_path):
    """A repository with a copy of the published run, and a function that changes a table there, leaving no trace."""
    shutil.copytree(target, tmp_path / published.DIRECTORY)
    run = Run(tmp_path / published.DIRECTORY)

    def change(name, row, column, by):
        table = run.table(name)
        table.loc[row, column] += by
        path = run.directory / f"{name}.parquet"
        table.to_parquet(path, index=False)
        content = run.provenance
        content["tables"][name]["sha256"] = file_fingerprint(path)
        write_json(run.directory / "run.json", content)

    return tmp_path, change


class TestPublished:
    def test_the_runs_tables_are_there_and_no_others_with_what_they_were_made_from_once(self, target, setup):
        assert published.faults(target) == []
        run = Run(target)
        assert {name.split("_")[0] for name in run.tables()} == {"tuning", "pattern", "feature", "parser"}
        assert sorted(run.provenance["tables"]) == run.tables()
        assert len(run.provenance["setups"]) == 3
        described = json.loads(json.dumps(setup.described()))
        assert run.made_from("pattern_shares") == described
        assert run.made_from("tuning_scores") == described | {"n_random": 1, "max_scored": 0, "max_released": 3}
        assert run.made_from("parser_agreement") == {"treebank": "gold.conllu"}

    def test_every_piece_has_its_duration(self, target):
        pieces = pd.DataFrame(Run(target).provenance["durations"])
        n_tuned, n_tasks = len(TASKS) * 2, len(TASKS)
        counts = {"fine-tuning": n_tuned + n_tasks, "predictions": 2 * n_tuned + n_tasks, "similarity": 2 * n_tuned}
        counts |= dict.fromkeys(("patterns", "attended"), n_tuned + n_tasks)
        assert pieces.groupby("what").size().to_dict() == counts
        assert (pieces["seconds"] >= 0).all()
        assert set(pieces["task"]) == set(TASKS)

    def test_parameters_examples_and_time_are_told_without_places(self, target, corpus):
        told = Run(target).provenance
        assert told["parameters"]["corpus"] == corpus.name
        assert not {"store", "run", "annotator"} & set(told["parameters"])
        assert told["examples"]["RTE"] == {"train": 40, "train_available": 60, "dev": 60, "compared": 12}
        assert 0 < told["busy_seconds"] < 600
        assert told["started"] <= told["finished"]
        assert str(corpus.parent) not in json.dumps(told)

    def test_no_tables_or_text_are_refused_and_nothing_replaced(self, profile, tmp_path):
        other = Profile("reference", profile.root, {}, profile.values | {"epochs": 7})
        with pytest.raises(InputError, match="has no tables to publish"):
            reference.publish(other, tmp_path / "target")
        run = Run(profile.store / "runs" / other.run)
        run.save("link_heads", pd.DataFrame({"sentence": ["A sentence."]}))
        with pytest.raises(InputError, match="cannot be published: link_heads: column sentence holds words"):
            reference.publish(other, tmp_path / "target")
        assert not (tmp_path / "target").exists()

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"corpus": "pocket"}, "corpus is pocket, but the reference run is of GLUE"),
            ({"frames": "pocket"}, "frames is 'pocket', but the reference run takes FrameNet 1.7: run `python -m nltk"),
        ],
    )
    def test_a_run_of_the_pocket_corpus_is_no_reference(self, profile, values, words):
        with pytest.raises(InputError, match=words):
            reference.check(Profile("reference", profile.root, {}, profile.values | values))

    def test_the_chapters_that_measure_are_executed(self):
        numbers = [name.split("/")[1][:2] for name in contents.measuring(ROOT)]
        assert numbers[:6] == ["02", "03", "04", "05", "06", "07"]


class TestChecked:
    def test_on_the_same_machine_all_is_equal_to_the_last_digit_a_fine_tuning_as_well(self, found):
        tuned = {what: one for what, one in found.items() if what.startswith("fine-tuning ")}
        assert len(tuned) == len(TUNED_CHECKS)
        assert all("RTE, seed 0" in what for what in tuned)
        checked = [*tuned.values(), *(found[CHECKS[name].what] for name in RECOMPUTED)]
        assert {(one.verdict, one.largest) for one in checked} == {(OK, 0.0)}

    def test_what_the_run_does_not_have_is_not_checked(self, found):
        assert found[CHECKS["link_heads"].what].verdict == SKIPPED
        assert found[CHECKS["frame_heads"].what].note == "the run has no table frame_heads"
        assert "treebank is not here" in found[CHECKS["parser_agreement"].what].note

    def test_changed_numbers_are_found_though_their_checksums_are_right(self, copied, places):
        root, change = copied
        run = Run(root / published.DIRECTORY)
        changes = {"feature_layers": ("mean", 0.01), "pattern_heads": ("purity", -0.1)}
        changes |= {"pattern_shares": ("observed", 0.02)}
        for name, (column, by) in changes.items():
            change(name, run.table(name).query("checkpoint == 'pre-trained'").index[3], column, by)
        tuned = "task == 'RTE' and seed == 0 and initialization == 'pretrained' and finetuned"
        change("tuning_scores", run.table("tuning_scores").query(tuned).index[0], "mean", 0.05)
        failed = {one.what: one for one in check.check(root, places) if one.verdict == FAILED}
        assert failed.keys() == {"fine-tuning RTE, seed 0: the score", *(CHECKS[name].what for name in changes)}
        for name, (column, by) in changes.items():
            one = failed[CHECKS[name].what]
            assert one.largest == pytest.approx(abs(by), rel=1e-3)
            assert one.note.startswith(column)

    def test_changed_files_end_the_check(self, copied, places):
        root, _ = copied
        (root / published.DIRECTORY / "feature_gaps.parquet").unlink()
        (only,) = check.check(root, places)
        assert (only.verdict, only.note) == (FAILED, "feature_gaps is listed in run.json, but not there")

    def test_without_a_corpus_all_else_is_named(self, copied, places):
        found = check.check(copied[0], places | {"corpus": ""})
        assert [one.what for one in found if one.verdict == OK] == ["files: SHA-256, size, names only"]
        assert sum("no corpus" in one.note for one in found) == len(RECOMPUTED) + len(TUNED_CHECKS)
        assert not comparison.failed(found)

    def test_tasks_with_other_examples_are_left_out_by_name(self, copied, places, corpus, tmp_path):
        other = shutil.copytree(corpus, tmp_path / "other")
        write_task(other, "RTE", n_rows=61)
        found = {one.what: one for one in check.check(copied[0], places | {"corpus": str(other)})}
        assert found["pattern: RTE"].verdict == SKIPPED
        assert found[CHECKS["pattern_heads"].what].verdict == OK
        assert found[CHECKS["pattern_shares"].what].note == "it depends on the tasks that are left out"
        assert [what for what in found if what.startswith("fine-tuning SST-2")] != []

    def test_another_checkpoint_is_refused(self, copied, places):
        with pytest.raises(InputError, match=r"checkpoint 'minilm' is .*, but the run's is"):
            check.check(copied[0], places | {"checkpoint": "minilm"})


def test_places_have_names():
    for word in ("corpus", "task=RTE"):
        with pytest.raises(InputError, match=r"is not a place; accepted are corpus=\.\.\., frames=\.\.\., "):
            check.given_places([word])
    assert check.given_places(["corpus=a=b", "store=c"]) == {"corpus": "a=b", "store": "c"}
