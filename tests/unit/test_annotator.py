"""The annotator: a blind order, labels that survive, one line about a file that is wrong, and buttons that work."""

import io

import ipywidgets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from darksecrets.apps import annotator
from darksecrets.corpora.annotated_maps import PATTERNS
from darksecrets.errors import InputError
from darksecrets.figures.map_pictures import picture


def some_maps(n_maps=12):
    random = np.random.default_rng(0)
    rows = [
        (one, 6, [2, 5], random.dirichlet(np.ones(6), 6).astype(np.float16).ravel(), PATTERNS[one % 5])
        for one in range(n_maps)
    ]
    return pd.DataFrame(rows, columns=["id", "n_tokens", "sep_positions", "map", "pattern"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine" / "labels.csv"


def written(path):
    return dict(pd.read_csv(path).itertuples(index=False))


class TestSession:
    def test_the_order_depends_on_the_annotators_name_alone(self, path):
        table = some_maps()
        orders = [
            annotator.Session(*of).order
            for of in ((table, path, "a"), (table.iloc[::-1], path.with_name("b"), "a"), (table, path, "b"))
        ]
        assert orders[0] == orders[1] != orders[2]
        assert sorted(orders[0]) == sorted(orders[2]) == list(range(12)) != orders[0]

    def test_the_current_map_is_that_of_its_id(self, path):
        table = some_maps()
        session = annotator.Session(table, path)
        expected = table.set_index("id").loc[session.current, "map"].reshape(6, 6)
        np.testing.assert_array_equal(session.current_map.weights, expected)
        assert session.current_map.sep_positions == (2, 5)

    def test_every_label_is_written_at_once_and_nothing_else_is_left(self, path):
        session = annotator.Session(some_maps(), path)
        assert not path.exists()
        given = {}
        for pattern in PATTERNS:
            given[session.current] = pattern
            session.label(pattern)
            assert written(path) == given
        assert path.read_text().startswith("id,label\n")
        assert [one.name for one in path.parent.iterdir()] == ["labels.csv"]

    def test_a_write_that_fails_leaves_the_old_labels(self, path, monkeypatch):
        session = annotator.Session(some_maps(), path)
        session.label("Block")
        before = path.read_bytes()

        def full(*_, **__):
            raise OSError("disk is full")

        monkeypatch.setattr(pd.DataFrame, "to_csv", full)
        with pytest.raises(OSError, match="disk is full"):
            session.label("Vertical")
        assert path.read_bytes() == before
        assert [one.name for one in path.parent.iterdir()] == ["labels.csv"]

    def test_work_resumes_where_it_stopped(self, path):
        first = annotator.Session(some_maps(), path)
        for _ in range(3):
            first.label("Vertical")
        again = annotator.Session(some_maps(), path)
        assert again.current == first.current == first.order[3]
        assert again.labels == first.labels

    def test_going_back_changes_a_label_and_returns_to_the_first_map_without_one(self, path):
        session = annotator.Session(some_maps(), path)
        for _ in range(3):
            session.label("Vertical")
        session.back()
        session.back()
        assert session.current == session.order[1]
        session.label("Block")
        assert session.current == session.order[3]
        assert written(path) == dict(zip(session.order[:3], ["Vertical", "Block", "Vertical"], strict=True))

    def test_the_first_map_has_none_before_it(self, path):
        session = annotator.Session(some_maps(), path)
        session.back()
        assert session.position == 0

    def test_after_the_last_map_there_is_none_but_one_can_go_back(self, path):
        session = annotator.Session(some_maps(2), path)
        session.label("Block")
        session.label("Block")
        assert session.current is None
        with pytest.raises(InputError, match="all maps are labelled"):
            session.label("Block")
        session.back()
        assert session.current == session.order[1]

    def test_an_unknown_label_is_refused_and_not_written(self, path):
        session = annotator.Session(some_maps(), path)
        with pytest.raises(InputError, match="label 'Diagonally' is unknown"):
            session.label("Diagonally")
        assert not path.exists()


WRONG = {
    "label": ("id,label\n0,Vertical\n1,Vertcal\n", "label 'Vertcal' is unknown; accepted are Vertical, Diagonal"),
    "no label": ("id,label\n0,\n", "is unknown; accepted are"),
    "id": ("id,label\n99,Block\n", "map 99, which is not among the 12 maps"),
    "text for id": ("id,label\n0,Block\nx,Block\n", "map x, which is not among"),
    "twice": ("id,label\n3,Block\n3,Vertical\n", "map 3 more than once"),
    "columns": ("id,pattern\n0,Block\n", "columns id, pattern; accepted are id, label"),
    "empty": ("", "cannot be read as CSV"),
    "ragged": ("id,label\n0,Block,1,2\n1,Block\n2,Block,1,2,3\n", "cannot be read as CSV"),
    "not text": (b"\xff\xfe\x00\x81", "cannot be read as CSV"),
}


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("use", [annotator.Session, annotator.annotate, lambda t, p: annotator.own_agreement(p, t)])
def test_a_wrong_file_is_refused_in_one_line_and_kept(tmp_path, content, message, use):
    path = tmp_path / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes()
    with pytest.raises(InputError, match=message) as error:
        use(some_maps(), path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    assert path.read_bytes() == before


def test_a_directory_is_no_file_of_labels(tmp_path):
    with pytest.raises(InputError, match="cannot be read as CSV"):
        annotator.Session(some_maps(), tmp_path)


class TestAgreement:
    def test_it_is_none_before_there_are_labels(self, path):
        assert annotator.own_agreement(path, some_maps()) is None
        path.parent.mkdir()
        path.write_text("id,label\n")
        assert annotator.own_agreement(path, some_maps()) is None

    def test_it_is_one_for_the_agreed_labels_whatever_their_order(self, path):
        table, session = some_maps(), annotator.Session(some_maps(), path)
        while session.current is not None:
            session.label(table.set_index("id")["pattern"][session.current])
        assert annotator.own_agreement(path, table.iloc[::-1]) == 1

    def test_it_is_cohens_kappa_of_what_is_labelled(self, path):
        path.parent.mkdir()
        pairs = [("Vertical", "Vertical")] * 20 + [("Vertical", "Block")] * 5
        pairs += [("Block", "Vertical")] * 10 + [("Block", "Block")] * 15  # the textbook's example: kappa is 0.4
        table = some_maps(60).assign(pattern=[agreed for agreed, _ in pairs] + ["Diagonal"] * 10)
        pd.DataFrame({"id": range(50), "label": [mine for _, mine in pairs]}).to_csv(path, index=False)
        assert annotator.own_agreement(path, table) == pytest.approx(0.4)


class TestWidgets:
    @pytest.fixture
    def panel(self, path, monkeypatch):
        shown = []
        monkeypatch.delenv("DARKSECRETS_HEADLESS", raising=False)
        monkeypatch.setattr(annotator, "display", shown.append)
        annotator.annotate(some_maps(3), path, "a")
        (panel,) = shown
        return panel

    def find(self, widget, kind):
        inside = [one for child in getattr(widget, "children", ()) for one in self.find(child, kind)]
        return [widget, *inside] if isinstance(widget, kind) else inside

    def button(self, panel, words):
        (found,) = (one for one in self.find(panel, ipywidgets.Button) if words in one.description.split())
        return found

    def words(self, panel):
        return self.find(panel, ipywidgets.Label)[0].value

    def test_buttons_label_maps_in_order_and_write_them_down(self, panel, path):
        session = annotator.Session(some_maps(3), path.with_name("other"), "a")
        assert [one.description for one in self.find(panel, ipywidgets.Button)] == [
            "1 Vertical",
            "2 Diagonal",
            "3 Vertical+Diagonal",
            "4 Block",
            "5 Heterogeneous",
            "0 Back",
        ]
        for place, pattern in enumerate(["Block", "Vertical+Diagonal", "Heterogeneous"]):
            assert self.words(panel) == f"{place} of 3 maps labelled"
            shown = Image.open(io.BytesIO(self.find(panel, ipywidgets.Image)[0].value))
            expected = picture(session.current_map.weights, session.current_map.sep_positions)
            assert shown.convert("RGB").tobytes() == expected.tobytes()
            session.label(pattern)
            self.button(panel, pattern).click()
            assert written(path) == session.labels
        assert self.words(panel) == "3 of 3 maps labelled"
        assert self.find(panel, ipywidgets.IntProgress)[0].value == 3
        assert self.find(panel, ipywidgets.Image)[0].layout.display == "none"
        assert self.button(panel, "Block").disabled
        assert not self.button(panel, "Back").disabled

    def test_back_says_what_the_map_was_called_and_lets_it_be_changed(self, panel, path):
        self.button(panel, "Diagonal").click()
        self.button(panel, "Back").click()
        assert self.words(panel) == "1 of 3 maps labelled; you called this one Diagonal"
        self.button(panel, "Block").click()
        assert list(written(path).values()) == ["Block"]

    def test_one_can_go_back_from_the_end(self, panel, path):
        for _ in range(3):
            self.button(panel, "Block").click()
        self.button(panel, "Back").click()
        assert self.find(panel, ipywidgets.Image)[0].layout.display is None
        self.button(panel, "Vertical").click()
        assert sorted(written(path).values()) == ["Block", "Block", "Vertical"]

    def test_typing_a_number_does_what_its_button_does(self, panel, path):
        (field,) = self.find(panel, ipywidgets.Text)
        for typed in ("4", "7", "x", "0", "2", "5"):
            field.value = typed
            assert field.value == ""
        assert list(written(path).values()).count("Diagonal") == 1
        assert sorted(written(path).values()) == ["Diagonal", "Heterogeneous"]
        for typed in ("1", "1"):  # the second finds all maps labelled
            field.value = typed
        assert len(written(path)) == 3

    def test_a_picture_says_nothing_but_weights_and_marks(self, panel):
        assert self.find(panel, ipywidgets.HTML) == []
        assert self.find(panel, ipywidgets.Image)[0].format == "png"

    def test_without_a_reader_nothing_is_shown(self, path, monkeypatch):
        monkeypatch.setenv("DARKSECRETS_HEADLESS", "1")
        shown = []
        monkeypatch.setattr(annotator, "display", shown.append)
        assert annotator.annotate(some_maps(), path) is None
        assert shown == []
        assert not path.exists()
