"""FrameNet's examples in two readings: on a tiny FrameNet written by us, which NLTK reads, and on the real one."""

import shutil
import tarfile

import nltk
import pandas as pd
import pytest
from click.testing import CliRunner

from darksecrets.__main__ import main
from darksecrets.corpora import framenet
from darksecrets.errors import InputError
from darksecrets.runs import Store, fingerprint
from tests.conftest import ROOT
from tests.tiny_framenet import NAPS, TALES, corpus, marked, sentence, write

# Of the ids of the 473 sentences and their lexical units, once they were seen to be those that the notebook prints.
RELEASED = "52f4d63d114722d066b17218b7c2912f417c011b00f750c51e45140d730c279b"
SHARED = ROOT.parent / "shared" / "framenet" / "framenet_v17.tar.xz"


@pytest.fixture
def tiny(tmp_path):
    return write(tmp_path / "tiny", corpus())


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.mark.parametrize("reading", ["paper", "released"])
def test_a_reading_keeps_the_sentences_that_were_chosen_by_hand(tiny, store, reading):
    expected = [marked(text)[0] for text, readings in {**NAPS, **TALES}.items() if reading in readings.split()]
    assert [one.text for one in framenet.examples(reading, store, str(tiny))] == expected


def test_an_example_has_words_on_their_characters_and_the_linked_elements_only(tiny, store):
    found = {one.text: one for one in framenet.examples("paper", store, str(tiny))}
    one = found["She has at last told now ."]
    assert [word.text for word in one.words] == ["She", "has", "at", "last", "told", "now", "."]
    assert all(one.text[word.start : word.end] == word.text and word.pos == "" for word in one.words)
    assert (one.roles, one.links) == ({}, ())
    (frame,) = one.frames
    assert (frame.name, frame.target, frame.elements) == ("Telling", 4, {"Speaker": (0, 1)})
    split = found["She did n't say untold things ."]
    assert split.words[split.frames[0].target].text == "untold"


def test_an_element_that_stands_twice_makes_a_second_frame(tiny, store):
    found = {one.text: one for one in framenet.examples("released", store, str(tiny))}["Ann , who has not yet told ."]
    assert [(frame.name, frame.target, frame.elements) for frame in found.frames] == [
        ("Telling", 6, {"Speaker": (0, 1)}),
        ("Telling", 6, {"Speaker": (2, 3)}),
    ]
    assert [span for _, _, span in framenet.pairs(found)] == [(0, 1), (2, 3)]


def test_of_several_annotations_the_paper_takes_none_and_the_notebook_the_last(tmp_path, store):
    twice = sentence(1, "[Speaker:She] had never *told* .", "[Speaker:She] had [Time:never] told .")
    both = sentence(2, "[Speaker:Bo] said so and ran .", "[Speaker:Bo] said so and *ran* .")
    different = sentence(3, "[Speaker:Bo] *said* so and ran .", "[Speaker:Bo] said so and *ran* .")
    root = write(tmp_path / "tiny", {31: [twice, both, different]})
    read = {reading: framenet.examples(reading, store, str(root)) for reading in ("paper", "released")}
    assert [one.text for one in read["paper"]] == ["She had never told .", "Bo said so and ran ."]
    assert [(one.text, one.frames[0].target) for one in read["released"]] == [
        ("She had never told .", 3),
        ("Bo said so and ran .", 4),
        ("Bo said so and ran .", 4),
    ]


def test_the_same_annotation_of_the_same_text_counts_once_for_the_paper(tmp_path, store):
    told, other = "[Speaker:She] did not quite *tell* .", "She did [Speaker:not] quite , ever *tell* ."
    root = write(tmp_path / "tiny", {31: [sentence(number, text) for number, text in enumerate((told, other, told))]})
    assert len(framenet.examples("paper", store, str(root))) == 2
    assert len(framenet.examples("released", store, str(root))) == 3
    counted = framenet.counts(store, str(root)).set_index("reading")
    assert counted.loc["paper"].tolist() == [2, 2, 2]
    assert counted.loc["released"].tolist() == [3, 2, 2]
    assert counted.loc["both"].tolist() == [3, 2, 2]


def test_counts_say_what_two_readings_share(tiny, store):
    counted = framenet.counts(store, str(tiny)).set_index("reading")
    assert counted["examples"].to_dict() == {"paper": 9, "released": 4, "both": 3}
    assert counted["sentences"].to_dict() == {"paper": 9, "released": 4, "both": 3}
    assert counted["links"].to_dict() == {"paper": 9, "released": 4, "both": 3}  # Ann and who are one link of that name


def agrees_with_nltk(root, unit_ids):
    """Compare what we cut out of the files with NLTK's objects; return how many annotated sentences were compared."""
    ours, theirs = {}, {}
    with framenet._reader(root) as reader:
        for unit in unit_ids:
            for one in framenet._short_examples_of(reader, unit):
                last = one.annotations[-1]
                elements = [(start, end, name) for name, (start, end) in last.elements]
                ours[unit, one.id] = (one.text, list(last.target), elements)
            for one in reader.lu(unit).exemplars:
                if "Target" in one and len(framenet.words(one.text)) <= framenet.LONGEST_SENTENCE:
                    theirs[unit, one.ID] = (one.text.rstrip(), one.Target, one.FE[0])
    assert ours == theirs
    return len(ours)


def test_annotations_are_those_that_nltk_finds(tiny):
    assert agrees_with_nltk(tiny, [7, 31]) == len(NAPS) + len(TALES) - 3  # two are long, one is not annotated


def test_the_second_time_nothing_is_read_and_other_files_are_read_anew(tiny, tmp_path, store, capsys, monkeypatch):
    monkeypatch.setattr(framenet, "SECONDS_BETWEEN_LINES", 0.0)
    before = list(nltk.data.path)
    first = framenet.examples("paper", store, str(tiny))
    assert "FrameNet: read 1 of 2 lexical units" in capsys.readouterr().err
    assert nltk.data.path == before
    shutil.rmtree(tiny / "lu")
    assert framenet.examples("paper", Store(store.root), str(tiny)) == first
    assert len(framenet.examples("released", store, str(tiny))) == 4
    assert capsys.readouterr().err == ""
    other = write(tmp_path / "other", corpus(naps={}, tales=["[Speaker:She] did not quite *tell* ."]))
    (other / "luIndex.xml").write_text((other / "luIndex.xml").read_text() + "<!-- other -->\n")
    assert len(framenet.examples("paper", store, str(other))) == 1


def test_framenet_is_found_on_nltks_data_path_or_in_a_directory(tmp_path, store, monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    assert not framenet.available()
    assert not framenet.available(str(tmp_path))
    root = write(tmp_path / "corpora" / "framenet_v17", corpus())
    assert framenet.available()
    assert framenet.available(str(root))
    assert framenet.examples("paper", store) == framenet.examples("paper", store, str(root))


def test_a_chapter_takes_framenet_where_it_is_and_else_pocket_frames_and_says_so(tmp_path, store, monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    without = framenet.load("auto", "released", store)
    assert (without.source, len(without.sentences)) == ("the pocket corpus", 473)
    assert (without.are_framenet, without.directory) == (False, "")
    assert without.note.startswith("FrameNet 1.7 is not here (run `python -m nltk.downloader framenet_v17`")
    asked = framenet.load("pocket", "paper", store)
    assert (asked.source, asked.sentences, asked.are_framenet) == (without.source, without.sentences, False)
    assert asked.note == "These are gold frames of the pocket corpus, in sentences that a grammar wrote."
    assert without.note.endswith(f" {asked.note}")
    with pytest.raises(InputError, match="not on NLTK's data path"):
        framenet.load("framenet", "paper", store)
    root = write(tmp_path / "corpora" / "framenet_v17", corpus())
    for frames, directory in (("auto", ""), ("framenet", ""), (str(root), str(root))):
        found = framenet.load(frames, "released", store)
        assert (found.source, len(found.sentences), found.note) == ("FrameNet 1.7", 4, "This run has FrameNet 1.7.")
        assert (found.are_framenet, found.directory) == (True, directory)
        assert framenet.counts(store, found.directory)["examples"].tolist() == [9, 4, 3]
        assert framenet.others(found, "released", store) == {"paper": framenet.load(frames, "paper", store)}
    assert not framenet.load("pocket", "paper", store).are_framenet
    assert framenet.others(asked, "paper", store) == {}, "the pocket corpus has one reading"


@pytest.mark.parametrize(
    ("frames", "reading", "line"), [("framnet", "paper", "give auto"), ("auto", "both", "unknown")]
)
def test_what_a_chapter_cannot_ask_for_is_one_line(store, frames, reading, line):
    with pytest.raises(InputError, match=line) as caught:
        framenet.load(frames, reading, store)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content"),
    [("lu/lu31.xml", None), ("lu/lu31.xml", "<sentence <text>a</text> </sentence>"), ("frame/Telling.xml", None)],
)
def test_files_that_cannot_be_read_are_one_line_and_nothing_is_kept(tiny, store, file, content):
    if content is None:
        (tiny / file).unlink()
    else:
        (tiny / file).write_text(content)
    with pytest.raises(InputError, match="cannot be read") as caught:
        framenet.examples("paper", store, str(tiny))
    assert "\n" not in str(caught.value)
    write(tiny, corpus())
    assert len(framenet.examples("paper", store, str(tiny))) == 9


def test_the_command_lists_each_link_and_counts_both_readings(tiny, tmp_path):
    output = tmp_path / "list.csv"
    options = ["--source", str(tiny), "--store", str(tmp_path / "store")]
    result = CliRunner().invoke(main, ["framenet", *options, str(output)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "released         4          4      4" in result.stdout
    assert "5 links of reading released" in result.stdout
    table = pd.read_csv(output)
    assert table["example"].tolist() == [0, 1, 2, 2, 3]
    assert table["element_text"].tolist() == ["She", "Ann", "Ann", "who", "she"]
    first = table.iloc[0]
    assert (first["sentence_id"], first["lexical_unit_id"], first["lexical_unit"]) == (200, 31, "tell.v")
    assert (first["frame"], first["element"], first["target_text"]) == ("Telling", "Speaker", "tell")
    assert (first["target"], first["first"], first["after"]) == (4, 0, 1)
    assert first["text"] == "She did not quite tell ."


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def pocket_frames(shared_store):
    return framenet.pocket_examples(shared_store)


class TestPocket:
    def test_there_are_as_many_different_sentences_as_the_paper_has(self, pocket_frames, shared_store):
        assert len({one.text for one in pocket_frames}) == len(pocket_frames) == 473
        assert framenet.pocket_examples(shared_store, 20) == pocket_frames[:20]
        assert framenet.pocket_examples(shared_store, 20, seed=1) != pocket_frames[:20]

    def test_every_one_passes_the_papers_filter_element_by_element(self, pocket_frames):
        for one in pocket_frames:
            assert len(one.words) <= 12
            (frame,) = one.frames
            assert frame.elements
            for first, after in frame.elements.values():
                assert 1 <= after - first <= 3
                assert all(abs(place - frame.target) >= 2 for place in range(first, after))

    def test_more_of_each_task_is_read_where_little_does_not_suffice(self, monkeypatch, shared_store):
        monkeypatch.setattr(framenet, "N_ROWS", 5)
        assert len(framenet.pocket_examples(shared_store, 60)) == 60

    def test_their_number_must_be_one(self, shared_store):
        with pytest.raises(InputError, match="n is 0"):
            framenet.pocket_examples(shared_store, 0)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """FrameNet on NLTK's data path, or unpacked apart from the project and removed again, or a loud skip."""
    if framenet.available():
        yield framenet._find("")
        return
    if not SHARED.is_file():
        pytest.skip(f"FrameNet 1.7 is neither on NLTK's data path nor at {SHARED.relative_to(ROOT.parent)}")
    directory = tmp_path_factory.mktemp("framenet_v17")
    with tarfile.open(SHARED) as archive:
        archive.extractall(directory, filter="data")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.mark.framenet
class TestRealFrameNet:
    def test_the_released_reading_gives_the_473_of_the_notebook(self, real, kept):
        found = framenet.examples("released", kept, str(real))
        assert len(found) == framenet.N_PAPER == 473
        listed = framenet.links("released", kept, str(real)).drop_duplicates("example")
        ids = listed[["sentence_id", "lexical_unit_id"]].to_numpy().tolist()
        assert fingerprint(ids) == RELEASED
        (example,) = (one for one in found if one.text == "He was becoming agitated .")  # the paper's Figure 3
        assert [(name, span) for _, name, span in framenet.pairs(example)] == [("Experiencer", (0, 1))]
        assert example.frames[0].name == "Emotion_directed"

    def test_counts_of_both_readings(self, real, kept):
        counted = framenet.counts(kept, str(real)).set_index("reading")
        assert counted["examples"].to_dict() == {"paper": 3085, "released": 473, "both": 466}
        assert counted["sentences"].to_dict() == {"paper": 3056, "released": 470, "both": 464}
        assert counted["links"].to_dict() == {"paper": 3250, "released": 478, "both": 469}

    def test_what_only_the_notebook_selects_has_its_target_word_twice_and_a_link_too_near(self, real, kept):
        tables = [framenet.links(reading, kept, str(real)) for reading in ("released", "paper")]
        released, paper = (dict(list(table.groupby("text"))) for table in tables)
        alone = {text: rows for text, rows in released.items() if text not in paper}
        assert len(alone) == 6  # one of them is there twice
        for text, rows in alone.items():
            assert text.split().count(rows["target_text"].iloc[0]) == 2
            spans = zip(rows["target"], zip(rows["first"], rows["after"], strict=True), strict=True)
            assert min(framenet.distance(target, span) for target, span in spans) <= framenet.WINDOW

    def test_annotations_are_those_that_nltk_finds(self, real):
        assert agrees_with_nltk(real, [10, 86, 87, 9733, 9735]) > 20
