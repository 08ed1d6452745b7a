"""The explorer driven by code: widgets are set and buttons clicked, and what they show is read back."""

import html
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image

from darksecrets.apps import explorer
from darksecrets.apps.exploration import Exploration
from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.figures import drawing_sizes
from darksecrets.models.ablation import all_heads, disabled
from darksecrets.models.sweep import sweep
from tests.explored import FIRST, SECOND, explored_setup  # noqa: F401 (a fixture)


@pytest.fixture
def panel(explored_setup, tmp_path):  # noqa: F811
    made = explorer.Explorer(Exploration(explored_setup))
    made.folder = tmp_path / "saved"
    return made


def shown(panel):
    """What the view in front holds."""
    return panel.tabs.children[panel.tabs.selected_index].value


def numbers(panel):
    """The answer as a reader sees it: per label, undisturbed, with heads disabled, and the change."""
    rows = re.findall(r"<tr><th scope='row'.*?</tr>", panel.answers.value)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]
    return {name: [float(re.findall(r"[-+]?\d+\.\d{4}", cell)[-1]) for cell in others] for name, *others in cells}


def drawn_tokens(panel):
    return [html.unescape(token) for token in re.findall(r"<span[^>]*>(.*?)</span>", panel.tokens.value)]


def largest(panel):
    """The head of largest effect, with the label whose probability it moves and by how much, by the sweep's table."""
    row = panel.exploration.effects().iloc[0]
    return (int(row["layer"]), int(row["head"])), row


class TestDisabling:
    def test_the_head_of_largest_effect_changes_the_answer_as_the_sweep_says(self, panel):
        exploration = panel.exploration
        model, tokenizer = exploration.setup.finetuned("RTE", 0), exploration.setup.load().tokenizer
        sets = [[], *([head] for head in all_heads(model))]
        answers = sweep(model, tokenizer, [exploration.encoded], sets).logits[:, exploration.encoded.row]
        probabilities = torch.from_numpy(answers).softmax(-1).numpy()
        place = probabilities[0].argmax()
        best = np.abs(probabilities[1:, place] - probabilities[0, place]).argmax()
        head = all_heads(model)[best]
        assert head == largest(panel)[0]
        panel.heads[head].value = True
        table = panel.exploration.answers()
        assert table["undisturbed"].tolist() == pytest.approx(probabilities[0].tolist(), abs=1e-5)
        assert table["disabled"].tolist() == pytest.approx(probabilities[1 + best].tolist(), abs=1e-5)
        with disabled(model, [head]), torch.inference_mode():
            texts = (exploration.first, exploration.second)
            plain = model(**tokenizer(*texts, return_tensors="pt")).logits[0].softmax(-1)
        assert table["disabled"].tolist() == pytest.approx(plain.tolist(), abs=1e-5)
        assert table["disabled"][place] - table["undisturbed"][place] == pytest.approx(
            largest(panel)[1]["change"], abs=1e-5
        )

    def test_the_table_shows_it_beside_the_undisturbed_answer(self, panel):
        before = numbers(panel)
        assert {len(cells) for cells in before.values()} == {1}
        head, row = largest(panel)
        panel.heads[head].value = True
        after = numbers(panel)
        assert {name: cells[:1] for name, cells in after.items()} == before
        assert after[row["answer"]] == pytest.approx([row["undisturbed"], row["disabled"], row["change"]], abs=5.1e-5)
        assert "1 head disabled" in panel.answers.value

    def test_several_heads_are_disabled_together_and_enabled_again(self, panel):
        first = panel.answers.value
        for head in ((0, 1), (2, 3)):
            panel.heads[head].value = True
        assert panel.exploration.disabled == {(0, 1), (2, 3)}
        assert "2 heads disabled" in panel.answers.value
        assert shown(panel).count('stroke="#000000"') == 2  # both are crossed out
        panel.heads[0, 1].value = False
        assert panel.exploration.disabled == {(2, 3)}
        panel.enables.click()
        assert panel.exploration.disabled == frozenset() and panel.answers.value == first
        assert not any(button.value for button in panel.heads.values())

    def test_the_head_that_was_clicked_is_the_one_drawn_large(self, panel):
        assert panel.chosen == (0, 0)
        panel.tabs.selected_index = list(explorer.SHOWN).index("One map")
        panel.heads[2, 1].value = True
        assert panel.chosen == (2, 1) and "Layer 3 head 2, fine-tuned" in shown(panel)
        panel.heads[2, 1].value = False
        assert panel.chosen == (2, 1) and panel.exploration.disabled == frozenset()
        again = explorer.Explorer(panel.exploration)
        assert again.chosen == (0, 0)
        panel.exploration.look(disabled=[(1, 3)])
        assert explorer.Explorer(panel.exploration).chosen == (1, 3)

    def test_a_click_draws_once(self, panel, monkeypatch):
        drawn = []
        monkeypatch.setitem(explorer.SHOWN, "All maps", lambda *_: drawn.append(1) or "drawn")
        panel.heads[2, 1].value = True
        assert len(drawn) == 1
        panel.task.value = "SST-2"
        assert len(drawn) == 2

    def test_maps_of_layers_above_change_and_those_below_do_not(self, panel):
        before = panel.exploration.reading.maps
        panel.heads[1, 0].value = True
        after = panel.exploration.reading.maps
        assert (after[0] == before[0]).all() and (after[1, 1:] == pytest.approx(before[1, 1:], abs=1e-6))
        assert np.abs(after[2] - before[2]).max() > 1e-3

    def test_the_heads_that_matter_are_named_on_request(self, panel):
        assert panel.effects.value == ""
        panel.ranks.click()
        named = re.findall(r"layer \d head \d", panel.effects.value)
        expected = panel.exploration.effects().head(explorer.N_EFFECTS)
        assert named == [f"layer {layer + 1} head {head + 1}" for layer, head in expected[["layer", "head"]].to_numpy()]
        panel.first.value = FIRST
        assert panel.effects.value == ""  # they were those of another text


class TestTexts:
    def test_a_typed_sentence_updates_tokens_maps_and_answer(self, panel):
        before = shown(panel), panel.answers.value
        panel.first.value = FIRST
        panel.second.value = SECOND
        assert drawn_tokens(panel) == panel.exploration.tokens
        assert panel.exploration.tokens[1:3] == ["nobody", "saw"] and "seen" in panel.exploration.tokens
        assert shown(panel) != before[0] and panel.answers.value != before[1]
        assert panel.example.label == explorer.OWN_TEXT

    def test_the_button_reads_what_stands_in_the_fields(self, panel):
        with panel.first.hold_trait_notifications():
            panel.first.value = FIRST
            panel.reads.click()
            assert panel.exploration.first == FIRST

    def test_an_example_of_the_task_fills_the_fields(self, panel):
        example = panel.exploration.setup.split("RTE", "dev").examples[3]
        panel.example.value = (example.first, example.second)
        assert (panel.first.value, panel.second.value) == (example.first, example.second)
        assert panel.exploration.first == example.first

    def test_an_example_makes_way_for_one_of_the_new_task_and_a_typed_text_does_not(self, panel):
        panel.task.value = "SST-2"
        example = panel.exploration.setup.split("SST-2", "dev").examples[0]
        assert (panel.first.value, panel.second.value) == (example.first, "")
        assert set(numbers(panel)) == {"negative", "positive"}
        panel.first.value = FIRST
        panel.task.value = "STS-B"
        assert panel.first.value == panel.exploration.first == FIRST
        assert len(numbers(panel)) == 1

    def test_a_text_is_shown_letter_by_letter(self, panel):
        panel.first.value = "<script>alert(1)</script> & more"
        for number in range(len(explorer.SHOWN)):
            panel.tabs.selected_index = number
            assert "<script>alert" not in panel.tokens.value + shown(panel) + panel.message.value

    def test_the_pre_trained_models_maps_can_be_chosen(self, panel):
        before = shown(panel), panel.answers.value
        panel.checkpoint.value = BEFORE
        assert shown(panel) != before[0] and panel.answers.value == before[1]
        assert panel.exploration.checkpoint == BEFORE and "pre-trained" in panel.message.value
        panel.checkpoint.value = AFTER
        assert (shown(panel), panel.message.value) == (before[0], "")


class TestBadInput:
    @pytest.mark.parametrize(
        ("text", "message"), [("  ", "the first sentence is empty"), ("\u200b", "finds no word in the first sentence")]
    )
    def test_it_is_said_and_the_view_stays(self, panel, text, message):
        before = shown(panel), panel.answers.value, panel.tokens.value
        panel.first.value = text
        assert message in panel.message.value and "cannot be done" in panel.message.value
        assert (shown(panel), panel.answers.value, panel.tokens.value) == before
        panel.first.value = FIRST
        assert panel.message.value == ""

    def test_a_text_of_over_512_tokens_is_cut_and_drawn_in_part(self, panel):
        panel.first.value = "word " * 600
        assert "The model reads at most 512" in panel.message.value
        assert "Only the first 64 of 512 tokens are drawn" in panel.message.value
        for number, name in enumerate(explorer.SHOWN):
            panel.tabs.selected_index = number
            assert shown(panel) and "cannot" not in panel.message.value, name

    def test_a_model_whose_heads_cannot_be_disabled_is_said(self, panel, monkeypatch):
        def refuse(*_, **__):
            raise explorer.InputError("none of its heads can be disabled")

        monkeypatch.setattr(panel.exploration, "read", refuse)
        panel.heads[0, 0].value = True
        assert "none of its heads can be disabled" in panel.message.value


OWN = list(explorer.SAVED)


class TestViews:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("view", OWN)
    def test_own_views_are_saved_as_vectors_and_as_a_picture(self, panel, view, theme):
        panel.tabs.selected_index = list(explorer.SHOWN).index(view)
        panel.theme.value, panel.layer.value, panel.head.value = theme, 2, 3
        paths = {}
        for kind, button in panel.saves.items():
            button.click()
            paths[kind] = Path(html.unescape(re.search("<code>(.*)</code>", panel.saved.value).group(1)))
            assert paths[kind].suffix == f".{kind}" and theme in paths[kind].name
        root = ElementTree.fromstring(paths["svg"].read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and "<image" not in paths["svg"].read_text()
        picture = Image.open(io.BytesIO(paths["png"].read_bytes()))
        assert picture.format == "PNG" and picture.size[0] == 2 * round(float(root.get("width")))
        assert paths["svg"].read_text() in shown(panel)  # what is saved is what is seen
        assert len(list(panel.folder.iterdir())) == 2

    @pytest.mark.parametrize("view", [name for name in explorer.SHOWN if name not in OWN])
    def test_bertviz_is_a_frame_that_loads_nothing_and_is_saved_by_buttons_of_its_own(self, panel, view):
        panel.tabs.selected_index = list(explorer.SHOWN).index(view)
        panel.layer.value, panel.head.value = 2, 3
        page = html.unescape(re.search('srcdoc="(.*)"></iframe>', shown(panel), re.DOTALL).group(1))
        assert not re.search(r"\b(?:src|href)\s*=\s*[\"']?https?:", page)
        panel.saves["svg"].click()
        assert "by the two buttons above its drawing" in panel.message.value
        assert re.findall(r'data-save="(\w+)"', page) == list(panel.saves)
        assert not panel.folder.exists()

    def test_the_chosen_head_is_drawn_with_its_pattern_and_its_features(self, panel):
        panel.tabs.selected_index = list(explorer.SHOWN).index("One map")
        panel.layer.value, panel.head.value = 3, 4
        pattern = panel.exploration.patterns().set_index(["layer", "head"]).loc[(2, 3), "pattern"]
        assert f"Pattern: <strong>{pattern}</strong>" in shown(panel)
        features = panel.exploration.features(2, 3)
        for row in features.itertuples():
            assert re.search(rf"{re.escape(row.feature)}</th>.*?{row.attention:.1%}", shown(panel))
        weight = panel.exploration.reading.maps[2, 3, 0, 1]
        assert f"[CLS] → {html.escape(panel.exploration.tokens[1])}: {weight:.3f}" in shown(panel)

    def test_before_and_after_has_a_number_for_each_head_and_both_maps(self, panel):
        panel.heads[0, 0].value = True  # the comparison is of undisturbed maps
        panel.tabs.selected_index = list(explorer.SHOWN).index("Before and after")
        similarities = re.findall(r">(\d\.\d\d)</text>", shown(panel).split("</svg>")[0])
        assert similarities == [f"{value:.2f}" for value in panel.exploration.similarity().ravel()]
        assert "Layer 1 head 1, pre-trained" in shown(panel) and "Layer 1 head 1, fine-tuned" in shown(panel)

    def test_bertviz_shows_the_layers_that_fit_the_chosen_one_first(self, panel, monkeypatch):
        n_tokens = len(panel.exploration.tokens)
        two_layers_of_two_sentences = 2 * 2 * 4 * n_tokens**2
        monkeypatch.setattr(drawing_sizes, "MAX_WEIGHTS", two_layers_of_two_sentences)
        panel.tabs.selected_index = list(explorer.SHOWN).index("BertViz: heads")
        panel.layer.value, panel.head.value = 3, 2
        page = html.unescape(shown(panel))
        assert '"include_layers":[2,3]' in page and '"layer":3' in page and '"heads":[1]' in page

    def test_only_the_view_in_front_is_drawn(self, panel):
        assert [bool(child.value) for child in panel.tabs.children] == [True, False, False, False, False]


def test_everything_has_a_place_and_heads_stand_in_rows_of_layers(panel):
    def below(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from below(child)

    there = list(below(panel.panel))
    for widget in (panel.task, panel.checkpoint, panel.example, panel.first, panel.second, panel.message, panel.tabs):
        assert widget in there
    assert all(button in there for button in (*panel.heads.values(), *panel.saves.values()))
    (grid,) = (widget for widget in there if isinstance(widget, ipywidgets.GridBox))
    texts = [getattr(cell, "description", "") or cell.value for cell in grid.children]
    assert texts == [text for layer in (1, 2, 3) for text in (f"layer {layer}", "1", "2", "3", "4")]


class TestHeadless:
    def test_nothing_is_shown(self, explored_setup, monkeypatch):  # noqa: F811
        monkeypatch.setenv("DARKSECRETS_HEADLESS", "1")
        monkeypatch.setattr(explorer, "display", lambda *_: pytest.fail("shown"))
        explorer.explore(Exploration(explored_setup))

    def test_in_jupyterlab_the_panel_is(self, explored_setup, monkeypatch):  # noqa: F811
        monkeypatch.delenv("DARKSECRETS_HEADLESS", raising=False)
        displayed = []
        monkeypatch.setattr(explorer, "display", displayed.append)
        explorer.explore(Exploration(explored_setup))
        assert isinstance(displayed[0], ipywidgets.VBox)
