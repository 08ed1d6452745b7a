"""From a tiny run to published tables, and from these to the check that computes them anew: what changes is found."""

import json
import shutil

import pandas as pd
import pytest

from darksecrets.book import contents
from darksecrets.book.profiles import Profile
from darksecrets.corpora import annotated_maps
from darksecrets.errors import InputError
from darksecrets.models import attended
from darksecrets.models.setup import Setup
from darksecrets.overview import reference_run
from darksecrets.runs import Run, file_fingerprint, write_json
from darksecrets.sections import feature_claims, features, fine_tuning, map_labels, patterns
from darksecrets.sections.fine_tuning import FineTuningTables
from darksecrets_upkeep import check as check_reference
from darksecrets_upkeep import comparison, published, reference
from darksecrets_upkeep.comparison import FAILED, OK, SKIPPED
from tests.conftest import ROOT, write_task

TASKS = ["RTE", "SST-2"]
SIZES = {"max_train": 40, "max_examples": 12, "epochs": 1, "batch_size": 8, "learning_rate": 1e-3}
OTHERS = {"precision": "float32", "seeds": [0, 1], "n_random": 1, "max_scored": 0, "max_released": 3, "max_compared": 4}
OF_ATTENTION = ("feature_heads", "feature_layers", "feature_special", "feature_gaps", "feature_readings")
OF_PATTERNS = ("pattern_shares", "pattern_layers", "pattern_heads")


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
    values = profile.from_here()
    names = ("checkpoint", "corpus", "tasks", "seeds", "precision", "store", *SIZES)
    return Setup(**{name: values[name] for name in names})


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
    return {one.what: one for one in check_reference.check(profile.root, places)}


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
    def test_the_runs_tables_are_there_and_no_others(self, target):
        assert published.faults(target) == []
        names = Run(target).tables()
        assert {name.split("_")[0] for name in names} == {"tuning", "pattern", "feature", "parser"}
        assert sorted(Run(target).provenance["tables"]) == names

    def test_what_they_were_made_from_is_kept_once(self, target, setup):
        run = Run(target)
        assert len(run.provenance["setups"]) == 3
        described = json.loads(json.dumps(setup.described()))
        assert run.made_from("pattern_shares") == described
        assert run.made_from("tuning_scores") == described | {"n_random": 1, "max_scored": 0, "max_released": 3}
        assert run.made_from("parser_agreement") == {"treebank": "gold.conllu"}

    def test_every_piece_has_its_duration(self, target):
        pieces = pd.DataFrame(Run(target).provenance["durations"])
        counts = pieces.groupby("what").size().to_dict()
        n_tuned = len(TASKS) * 2
        assert counts == {
            "fine-tuning": n_tuned + len(TASKS),
            "predictions": 2 * n_tuned + len(TASKS),
            "similarity": 2 * n_tuned,
            "patterns": n_tuned + len(TASKS),
            "attended": n_tuned + len(TASKS),
        }
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

    def test_a_run_without_tables_cannot_be_published(self, profile, tmp_path):
        other = Profile("reference", profile.root, {}, profile.values | {"epochs": 7})
        with pytest.raises(InputError, match="has no tables to publish"):
            reference.publish(other, tmp_path / "target")

    def test_text_is_refused_and_nothing_replaced(self, profile, tmp_path):
        other = Profile("reference", profile.root, {}, profile.values | {"epochs": 8})
        run = Run(profile.store / "runs" / other.run)
        run.save("link_heads", pd.DataFrame({"sentence": ["A sentence."]}))
        with pytest.raises(InputError, match="cannot be published: link_heads: column sentence holds words"):
            reference.publish(other, tmp_path / "target")
        assert not (tmp_path / "target").exists()


class TestChecked:
    def test_what_was_computed_on_the_same_machine_is_equal_to_the_last_digit(self, found):
        names = (*OF_PATTERNS, *OF_ATTENTION)
        checked = [found[reference_run.CHECKS[name].what] for name in names]
        assert [(one.verdict, one.largest) for one in checked] == [(OK, 0.0)] * len(names)

    def test_a_fine_tuning_is_repeated(self, found):
        tuned = {what: one for what, one in found.items() if what.startswith("fine-tuning ")}
        assert len(tuned) == len(reference_run.TUNED_CHECKS)
        assert {one.verdict for one in tuned.values()} == {OK}
        assert {one.largest for one in tuned.values()} == {0.0}
        assert all("RTE, seed 0" in what for what in tuned)

    def test_what_the_run_does_not_have_is_not_checked(self, found):
        assert found[reference_run.CHECKS["link_heads"].what].verdict == SKIPPED
        assert found[reference_run.CHECKS["frame_heads"].what].note == "the run has no table frame_heads"
        assert "treebank is not here" in found[reference_run.CHECKS["parser_agreement"].what].note

    @pytest.mark.parametrize(
        ("name", "column", "by"),
        [("feature_layers", "mean", 0.01), ("pattern_heads", "purity", -0.1), ("pattern_shares", "observed", 0.02)],
    )
    def test_a_changed_number_is_found_though_its_checksum_is_right(self, copied, places, name, column, by):
        root, change = copied
        rows = Run(root / published.DIRECTORY).table(name).query("checkpoint == 'pre-trained'").index
        change(name, rows[3], column, by)
        found = {one.what: one for one in check_reference.check(root, places)}
        one = found[reference_run.CHECKS[name].what]
        assert one.verdict == FAILED
        assert one.largest == pytest.approx(abs(by), rel=1e-3)
        assert one.note.startswith(column)
        assert sum(other.verdict == FAILED for other in found.values()) == 1

    def test_a_changed_score_is_found(self, copied, places):
        root, change = copied
        table = Run(root / published.DIRECTORY).table("tuning_scores")
        row = table.query("task == 'RTE' and seed == 0 and initialization == 'pretrained' and finetuned").index[0]
        change("tuning_scores", row, "mean", 0.05)
        failed = [one.what for one in check_reference.check(root, places) if one.verdict == FAILED]
        assert failed == ["fine-tuning RTE, seed 0: the score"]

    def test_changed_files_end_the_check(self, copied, places):
        root, _ = copied
        (root / published.DIRECTORY / "feature_gaps.parquet").unlink()
        (only,) = check_reference.check(root, places)
        assert only.verdict == FAILED
        assert only.note == "feature_gaps is listed in run.json, but not there"

    def test_without_a_corpus_all_else_is_named(self, copied, places):
        root, _ = copied
        found = check_reference.check(root, places | {"corpus": ""})
        assert [one.what for one in found if one.verdict == OK] == ["files: SHA-256, size, names only"]
        assert sum("no corpus" in one.note for one in found) == len(OF_PATTERNS) + len(OF_ATTENTION) + 3
        assert not comparison.failed(found)

    def test_tasks_with_other_examples_are_left_out_by_name(self, copied, places, corpus, tmp_path):
        root, _ = copied
        other = shutil.copytree(corpus, tmp_path / "other")
        write_task(other, "RTE", n_rows=61)
        found = {one.what: one for one in check_reference.check(root, places | {"corpus": str(other)})}
        assert found["pattern: RTE"].verdict == SKIPPED
        assert found[reference_run.CHECKS["pattern_heads"].what].verdict == OK
        assert found[reference_run.CHECKS["pattern_shares"].what].note == "it depends on the tasks that are left out"
        assert [one.what for one in found.values() if one.what.startswith("fine-tuning SST-2")] != []

    def test_another_checkpoint_is_refused(self, copied, places):
        root, _ = copied
        with pytest.raises(InputError, match=r"checkpoint 'minilm' is .*, but the run's is"):
            check_reference.check(root, places | {"checkpoint": "minilm"})


@pytest.mark.parametrize("word", ["corpus", "task=RTE"])
def test_places_have_names(word):
    with pytest.raises(InputError, match=r"is not a place; accepted are corpus=\.\.\., frames=\.\.\., "):
        check_reference.given_places([word])
    assert check_reference.given_places(["corpus=a=b", "store=c"]) == {"corpus": "a=b", "store": "c"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"corpus": "pocket"}, "corpus is pocket, but the reference run is of GLUE"),
        ({"frames": "pocket"}, "frames is 'pocket', but the reference run takes FrameNet 1.7: run `python -m nltk"),
    ],
)
def test_a_run_of_the_pocket_corpus_is_no_reference(profile, values, words):
    with pytest.raises(InputError, match=words):
        reference.check(Profile("reference", profile.root, {}, profile.values | values))


def test_the_chapters_that_measure_are_executed():
    assert [name.split("/")[1][:2] for name in contents.measuring(ROOT)][:6] == ["02", "03", "04", "05", "06", "07"]
