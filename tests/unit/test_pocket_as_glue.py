"""The pocket corpus read like GLUE, and written out as a GLUE directory: the same examples either way."""

import json

import pytest

from darksecrets.corpora import glue, pocket
from darksecrets.corpora.pocket.export import annotations_file, export
from darksecrets.errors import InputError
from darksecrets.runs import Store


class TestLoad:
    @pytest.mark.parametrize("name", glue.TASKS)
    def test_rows_are_those_of_the_grammar(self, name):
        for split, size in {"train": 50, "dev": 30}.items():
            found = glue.load(name, split, "pocket:50/30/3")
            assert (len(found.examples), found.n_available) == (size, size)
            items = pocket.items(name, split, size, 3)
            for number, (example, item) in enumerate(zip(found.examples, items, strict=True)):
                assert (example.id, example.first, example.label) == (str(number), item.first.text, item.label)
                assert example.second == (item.second.text if found.task.is_pair else None)

    def test_a_store_keeps_what_was_written_until_the_grammar_changes(self, tmp_path, monkeypatch):
        store, written = Store(tmp_path), []
        items = pocket.items
        monkeypatch.setattr(pocket, "items", lambda *what: written.append(what) or items(*what))
        for name in ("STS-B", "SST-2"):
            plain, kept, again = (
                glue.load(name, "dev", "pocket:40/30/2", 20, store=one) for one in (None, store, store)
            )
            assert plain == kept == again
            assert [type(one.label) for one in plain.examples] == [type(one.label) for one in again.examples]
        assert written == [("STS-B", "dev", 30, 2)] * 2 + [("SST-2", "dev", 30, 2)] * 2
        monkeypatch.setattr(pocket, "fingerprint", lambda: "another grammar")
        assert glue.load("STS-B", "dev", "pocket:40/30/2", 20, store=store).n_available == 30
        assert len(written) == 5

    def test_the_name_alone_means_the_usual_sizes_and_seed(self):
        by_name = {split: glue.load("QNLI", split, "pocket") for split in glue.SPLITS}
        assert {split: found.n_available for split, found in by_name.items()} == pocket.SIZES
        assert by_name["dev"] == glue.load("QNLI", "dev", "pocket:600/200/0")

    def test_the_seed_of_the_corpus_changes_the_text_and_that_of_the_choice_the_rows(self):
        first, second = (glue.load("QQP", "dev", f"pocket:40/30/{seed}") for seed in (0, 1))
        assert not {example.first for example in first.examples} & {example.first for example in second.examples}
        chosen = [glue.load("QQP", "dev", "pocket:40/30", 10, seed).examples for seed in (0, 1)]
        assert chosen[0] != chosen[1]
        assert set(chosen[0]) | set(chosen[1]) <= set(first.examples)

    def test_a_choice_keeps_the_order_and_knows_how_many_there_were(self):
        whole, ten, five = (glue.load("QQP", "train", "pocket:40/30", size) for size in (0, 10, 5))
        assert [found.n_available for found in (whole, ten, five)] == [40, 40, 40]
        assert [len(found.examples) for found in (whole, ten, five)] == [40, 10, 5]
        assert set(five.examples) < set(ten.examples) < set(whole.examples)
        assert list(ten.examples) == sorted(ten.examples, key=lambda example: int(example.id))
        assert len({found.fingerprint for found in (whole, ten, five)}) == 3

    def test_more_rows_leave_the_first_ones_as_they_are(self):
        smaller, larger = (glue.load("QQP", "train", f"pocket:{size}/30").examples for size in (20, 40))
        assert larger[:20] == smaller

    def test_it_is_never_official_and_says_so(self):
        found = glue.load("QQP", "dev", "pocket:40/30")
        assert found.is_pocket
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

    def test_more_rows_than_there_are_is_one_line(self, monkeypatch):
        monkeypatch.setattr(pocket, "MOST_TRIES", 0)
        with pytest.raises(
            InputError, match="pocket RTE dev: no new example after 0; ask for fewer, or extend lexicon"
        ):
            glue.load("RTE", "dev", "pocket:7/7/7")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A directory with the corpus pocket:40/30/2."""
    root = tmp_path_factory.mktemp("export") / "mine"
    export(root, train=40, dev=30, seed=2)
    return root


class TestExport:
    @pytest.mark.parametrize("split", glue.SPLITS)
    @pytest.mark.parametrize("name", glue.TASKS)
    def test_reading_it_gives_the_corpus(self, directory, name, split):
        written, made = glue.load(name, split, str(directory)), glue.load(name, split, "pocket:40/30/2")
        assert written.examples == made.examples
        assert written.fingerprint == made.fingerprint

    @pytest.mark.parametrize("name", glue.TASKS)
    def test_the_annotation_is_that_of_the_same_rows(self, directory, name):
        lines = (directory / annotations_file(name, "dev")).read_text(encoding="utf-8").splitlines()
        for number, (line, item) in enumerate(zip(lines, pocket.items(name, "dev", 30, 2), strict=True)):
            read = json.loads(line)
            assert read["index"] == number
            for found, gold in zip(read["sentences"], filter(None, (item.first, item.second)), strict=True):
                assert [found["text"][word["start"] : word["end"]] for word in found["words"]] == [
                    word.text for word in gold.words
                ]
                assert [word["pos"] for word in found["words"]] == [word.pos for word in gold.words]
                assert found["roles"] == {role: list(places) for role, places in gold.roles.items()}
                links = [(link["relation"], link["head"], link["dependent"]) for link in found["links"]]
                assert links == [(link.relation, link.head, link.dependent) for link in gold.links]
                frames = [(frame["name"], frame["target"], frame["elements"]) for frame in found["frames"]]
                assert frames == [
                    (frame.name, frame.target, {key: list(span) for key, span in frame.elements.items()})
                    for frame in gold.frames
                ]

    def test_nothing_is_overwritten(self, directory, tmp_path):
        (tmp_path / "file").write_text("mine")
        for taken in (directory, tmp_path, tmp_path / "file"):
            before = sorted(tmp_path.rglob("*"))
            with pytest.raises(
                InputError, match=r"is not an empty directory: name another one|is a file; give a directory"
            ):
                export(taken, 2, 2)
            assert sorted(tmp_path.rglob("*")) == before

    def test_an_empty_directory_will_do(self, tmp_path):
        assert len(export(tmp_path, 2, 1)) == 4 * len(glue.TASKS)
        assert len(glue.load("MNLI", "dev", str(tmp_path)).examples) == 1

    @pytest.mark.parametrize(
        ("sizes", "complaint"), [((0, 5), "train is 0"), ((5, -1), "dev is -1"), ((5, 5, -1), "seed is -1")]
    )
    def test_wrong_sizes_write_nothing(self, tmp_path, sizes, complaint):
        with pytest.raises(InputError, match=f"{complaint}; it must be at least"):
            export(tmp_path / "new", *sizes)
        assert not (tmp_path / "new").exists()

    def test_a_place_that_cannot_be_written_is_one_line(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match=r"cannot be made, since .file. is a file; give a directory"):
            export(tmp_path / "file" / "new", 2, 2)
