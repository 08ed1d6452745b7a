"""The pocket corpus read like GLUE, written into the store or as a directory: the same examples, by the same keys."""

import json
import subprocess
import sys

import pytest

import pocketgrammar
from darksecrets.corpora import generated, glue, linguistics
from darksecrets.errors import InputError
from darksecrets.runs import Store, fingerprint
from pocketgrammar import corpus as grammar
from tests import pocket

# Results in people's stores have these in their keys. Where a change of the grammar is meant to change what it writes,
# raise its VERSION; where it is not, it has changed it all the same.
FINGERPRINTS = {
    ("MRPC", "train"): "361427313a8e4535",
    ("MRPC", "dev"): "265c651290b5c33d",
    ("STS-B", "train"): "9c2a9e70ee14aa76",
    ("STS-B", "dev"): "7ed1981a6f2ddafc",
    ("SST-2", "train"): "660b65b705646df9",
    ("SST-2", "dev"): "5b8bcedcb4fb8f52",
    ("QQP", "train"): "3f20514bd5e34c51",
    ("QQP", "dev"): "84271dff4b63abca",
    ("RTE", "train"): "216302432b30ce91",
    ("RTE", "dev"): "60c5202c0c12fea9",
    ("QNLI", "train"): "9dd2543a15919577",
    ("QNLI", "dev"): "991aeb3e9be467bb",
    ("MNLI", "train"): "96fa488df145a60d",
    ("MNLI", "dev"): "fdbb264632e0e343",
}
ANNOTATION = {"version": 2, "grammar": "fa5c4f507ff339c901b571850473ffeb8213d19512c8c851cf9db11f187a3519"}
# Of all sentences with their annotation and labels, and of linked sentences.
WRITTEN = "64077a29b6d95e70ce18c6ad3eaf4f4f348a44bbd944e7dc1c0c5d103e05ce72"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


class TestKeysStayAsTheyAre:
    @pytest.mark.parametrize(("task", "split"), FINGERPRINTS)
    def test_of_the_usual_splits(self, store, task, split):
        assert glue.load(task, split, "pocket", store=store).fingerprint[:16] == FINGERPRINTS[task, split]

    def test_of_annotation_as_long_as_the_grammar_writes_the_same(self):
        assert linguistics.described("pocket") == ANNOTATION
        items = [
            [task, split, item.label, [pocketgrammar.to_dict(one) for one in item.sentences]]
            for task in pocketgrammar.TASKS
            for split in pocketgrammar.SIZES
            for item in pocketgrammar.items(task, split)
        ]
        linked = [
            pocketgrammar.to_dict(one)
            for relation in ("verb-subject", "pronoun-antecedent")
            for distance in range(1, 9)
            for one in pocketgrammar.linked(relation, distance)
        ]
        assert fingerprint([items, linked]) == WRITTEN

    def test_another_version_lexicon_or_numpy_is_another_grammar(self, monkeypatch):
        grammar.fingerprint.cache_clear()
        found = [grammar.fingerprint()]
        for name, value in ((grammar, "VERSION"), (grammar.np, "__version__")):
            with monkeypatch.context() as patch:
                patch.setattr(name, value, "another")
                grammar.fingerprint.cache_clear()
                found.append(grammar.fingerprint())
        grammar.fingerprint.cache_clear()
        assert len(set(found)) == 3


class TestLoad:
    @pytest.mark.parametrize("name", glue.TASKS)
    def test_rows_are_those_of_the_grammar(self, store, name):
        for split, size in {"train": 50, "dev": 30}.items():
            found = glue.load(name, split, "pocket:50/30/3", store=store)
            assert (len(found.examples), found.n_available) == (size, size)
            items = pocket.items(name, split, size, 3)
            for number, (example, item) in enumerate(zip(found.examples, items, strict=True)):
                assert (example.id, example.first, example.label) == (str(number), item.first.text, item.label)
                assert example.second == (item.second.text if found.task.is_pair else None)

    def test_a_store_keeps_what_was_written_until_the_grammar_changes(self, tmp_path, monkeypatch):
        store, written = Store(tmp_path), []
        write = pocketgrammar.write
        monkeypatch.setattr(
            pocketgrammar, "write", lambda *what, **made_from: written.append(made_from) or write(*what, **made_from)
        )
        for name in ("STS-B", "SST-2"):
            plain, kept, again = (
                glue.load(name, "dev", "pocket:40/30/9", 20, store=one) for one in (None, store, store)
            )
            assert plain == kept == again
        assert written == [
            {"task": name, "split": "dev", "n_examples": 30, "seed": 9} for name in ("STS-B", "STS-B", "SST-2", "SST-2")
        ]
        monkeypatch.setattr(pocketgrammar, "fingerprint", lambda: "another grammar")
        assert glue.load("STS-B", "dev", "pocket:40/30/9", 20, store=store).n_available == 30
        assert len(written) == 5

    def test_without_a_store_nothing_is_left_behind(self):
        command = "from darksecrets.corpora import generated; print(generated.directory('pocket:3/2', 'RTE', 'dev'))"
        done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
        directory = generated.Path(done.stdout.strip())
        assert generated.KIND in directory.parts
        assert not directory.parents[1].exists()

    def test_the_name_alone_means_the_usual_sizes_and_seed(self, store):
        by_name = {split: glue.load("QNLI", split, "pocket", store=store) for split in glue.SPLITS}
        assert {split: found.n_available for split, found in by_name.items()} == pocketgrammar.SIZES
        assert by_name["dev"] == glue.load("QNLI", "dev", "pocket:600/200/0", store=store)

    def test_the_seed_of_the_corpus_changes_the_text_and_that_of_the_choice_the_rows(self, store):
        first, second = (glue.load("QQP", "dev", f"pocket:40/30/{seed}", store=store) for seed in (0, 1))
        assert not {example.first for example in first.examples} & {example.first for example in second.examples}
        chosen = [glue.load("QQP", "dev", "pocket:40/30", 10, seed, store).examples for seed in (0, 1)]
        assert chosen[0] != chosen[1]
        assert set(chosen[0]) | set(chosen[1]) <= set(first.examples)

    def test_more_rows_leave_the_first_ones_as_they_are(self, store):
        smaller, larger = (glue.load("QQP", "train", f"pocket:{size}/30", store=store).examples for size in (20, 40))
        assert larger[:20] == smaller

    def test_it_is_never_official_and_says_so(self, store, monkeypatch):
        monkeypatch.setattr(glue.Task, "official_rows", lambda *_: 30)
        found = glue.load("QQP", "dev", "pocket:40/30", store=store)
        assert not found.is_official
        assert found.note == ("Texts of the pocket corpus, written by a grammar; scores on them are not scores on GLUE")

    @pytest.mark.parametrize("corpus", ["pocket", "pocket:1/1", "pocket:2000/500/17"])
    def test_a_name_with_sizes_is_checked_without_files(self, corpus):
        glue.check_corpus(corpus, list(glue.TASKS))

    @pytest.mark.parametrize(
        "corpus", ["pocket:", "pocket:0/5", "pocket:5", "pocket:5/0", "pocket:5/5/", "pocket:-5/5", "pocket:5/5/x"]
    )
    def test_other_names_are_one_line_that_shows_how(self, corpus):
        for call in (lambda: glue.check_corpus(corpus, ["RTE"]), lambda: glue.load("RTE", "dev", corpus)):
            with pytest.raises(InputError, match="write pocket, or its sizes and a seed") as caught:
                call()
            assert f"{corpus!r}" in str(caught.value)
            assert "\n" not in str(caught.value)

    def test_more_rows_than_there_are_is_one_line(self, monkeypatch, store):
        monkeypatch.setattr(grammar, "MOST_TRIES", 0)
        with pytest.raises(
            InputError, match="pocket RTE dev: no new example after 0; ask for fewer, or extend lexicon"
        ):
            glue.load("RTE", "dev", "pocket:7/7/7", store=store)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A directory with the corpus pocket:40/30/2."""
    root = tmp_path_factory.mktemp("export") / "mine"
    generated.export(root, 40, 30, 2)
    return root


class TestExport:
    @pytest.mark.parametrize("split", glue.SPLITS)
    @pytest.mark.parametrize("name", glue.TASKS)
    def test_reading_it_gives_the_corpus(self, directory, store, name, split):
        written, made = (glue.load(name, split, corpus, store=store) for corpus in (str(directory), "pocket:40/30/2"))
        assert written.examples == made.examples
        assert written.fingerprint == made.fingerprint

    @pytest.mark.parametrize("name", glue.TASKS)
    def test_the_annotation_is_that_of_the_same_rows(self, directory, name):
        lines = (directory / f"{name}/dev.annotations.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["index"] for line in lines] == list(range(30))
        split = glue.load(name, "dev", str(directory))
        assert linguistics.annotated(split, str(directory), Store(directory.parent)) == [
            item.sentences for item in pocket.items(name, "dev", 30, 2)
        ]

    def test_nothing_is_overwritten(self, directory, tmp_path):
        (tmp_path / "file").write_text("mine")
        for taken in (directory, tmp_path, tmp_path / "file"):
            before = sorted(tmp_path.rglob("*"))
            with pytest.raises(
                InputError, match=r"is not an empty directory: name another one|is a file; give a directory"
            ):
                generated.export(taken, 2, 2, 0)
            assert sorted(tmp_path.rglob("*")) == before

    def test_an_empty_directory_will_do(self, tmp_path):
        assert len(generated.export(tmp_path, 2, 1, 0)) == 4 * len(glue.TASKS)
        assert len(glue.load("MNLI", "dev", str(tmp_path)).examples) == 1

    @pytest.mark.parametrize(
        ("sizes", "complaint"), [((0, 5, 0), "train is 0"), ((5, -1, 0), "dev is -1"), ((5, 5, -1), "seed is -1")]
    )
    def test_wrong_sizes_write_nothing(self, tmp_path, sizes, complaint):
        with pytest.raises(InputError, match=f"{complaint}; it must be at least"):
            generated.export(tmp_path / "new", *sizes)
        assert not (tmp_path / "new").exists()

    def test_a_place_that_cannot_be_written_is_one_line(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match=r"cannot be made, since .file. is a file; give a directory"):
            generated.export(tmp_path / "file" / "new", 2, 2, 0)
