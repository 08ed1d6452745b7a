"""Whatever text a person gives, the HTML that we produce has the elements and attributes that plain text gives it."""

import shlex

import altair
import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from darksecrets.apps import explorer
from darksecrets.book import contents, profiles, sweep
from darksecrets.corpora.annotation import FEATURES
from darksecrets.errors import InputError, one_line, visible
from darksecrets.figures import publish, views
from darksecrets.files import write_text
from darksecrets.runs import Run, Store
from tests.book import toy
from tests.hostile import HALF, HOSTILE, MARK

PLAIN = "plain words"


def _table(text):
    return publish.table_html(pd.DataFrame({text: [text, "b"]}), "table-a", text)


def _figure(text):
    frame = pd.DataFrame({"value": [1, 2], "label": [text, "b"]})
    chart = altair.Chart(frame, title=text).mark_bar()
    chart = chart.encode(x="value:Q", y="label:N", tooltip="label:N")
    return publish.figure_html(chart, "figure-a", text, text)


def _quoted(text):
    parser = create_md_parser(MdParserConfig(enable_extensions={"dollarmath", "colon_fence"}), RendererHTML)
    return parser.render(f"| a |\n|---|\n| {publish.quote(text)} |\n")


def _bertviz(text):
    return views.bertviz_head_view(np.full((1, 1, 2, 2), 0.5), [text, "b"])


def _frame(text):
    return explorer.frame(text, text, 100)


def _panels(text):
    answers = pd.DataFrame({"answer": [text, "b"], "undisturbed": [0.6, 0.4], "disabled": [0.5, 0.5]})
    features = pd.DataFrame({"feature": [FEATURES[0]], "found": [text], "attention": [0.1]})
    parts = [explorer.answers_html(answers, 1), explorer.features_html(features, 0, 0)]
    return "".join([*parts, explorer.tokens_html([text, "b"], 1), explorer.message_html("error", [text])])


def _elements(html):
    """Every element with the names of its attributes, and those values that can run: addresses, handlers, scripts."""
    found = []
    for tag in BeautifulSoup(html, "html.parser").find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")]
        assert not [value for name, value in tag.attrs.items() if name in ("href", "src") and "javascript:" in value]
        is_code = tag.name == "script" and tag.get("type") != "application/json"
        found.append((tag.name, sorted(tag.attrs), is_code))
    return found


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("make", [_table, _figure, _quoted, _bertviz, _frame, _panels])
def test_hostile_text_adds_no_element_and_no_attribute(make, text):
    html = make(text)
    assert _elements(html) == _elements(make(PLAIN))
    assert f"<script>{MARK}" not in html


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_no_text_adds_an_element(text):
    text = f"a{text}"  # an empty caption is none
    assert _elements(_table(text)) == _elements(_table(PLAIN))
    assert [name for name, *_ in _elements(_quoted(text))] == [name for name, *_ in _elements(_quoted(PLAIN))]
    assert _table(text).encode()


@pytest.mark.parametrize("text", ["a\u202eb", "a\u200bb", "a\ufeffb", "a\x1b[31mb", "a\x00b", "a\ud800b", "a\u2028b"])
def test_unseen_characters_are_shown_by_their_codes(text):
    code = text[1].encode("unicode_escape").decode()
    for shown in (visible(text), publish.escaped(text), one_line(text).replace(" ", "\\u2028")):
        assert code in shown
        assert text[1] not in shown


def test_joiners_and_other_scripts_stay():
    for text in ("👩\u200d🔬", "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "עברית", "日本語", "e\u0301"):
        assert visible(text) == text


def test_a_message_is_one_printable_line_of_bounded_length():
    assert one_line(f"a\nb\r\tc {HALF}").isprintable()
    assert len(one_line("x" * 5000)) < 1100


@pytest.mark.parametrize("name", ["../out", "/out", "a/b", "..", "C:\\out", "a\\b", "", ".hidden", "a\0b", "a\nb", "~"])
class TestNamesStayInTheirDirectory:
    def test_of_runs(self, tmp_path, name):
        with pytest.raises(InputError, match="cannot be used"):
            Store(tmp_path).run(name)

    def test_of_figures_and_tables(self, name):
        with pytest.raises(InputError, match="cannot be referred to"):
            publish.table_html(pd.DataFrame({"a": [1]}), name, "One.")

    def test_of_tables_of_a_run(self, tmp_path, name):
        with pytest.raises(InputError, match="cannot be used"):
            Run(tmp_path / "run").save(name, pd.DataFrame({"a": [1]}))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../outside", "notebooks/../../outside", "/outside", "C:/outside", "..\\outside"])
def test_pages_stay_in_the_book(tmp_path, name):
    root = toy.write(tmp_path / "book", "layers")
    (tmp_path / "outside.md").write_text("# Outside\n")
    (root / "_toc.yml").write_text(f"{toy.CONTENTS}  - file: {name}\n")
    with pytest.raises(InputError, match=r"outside of the book|there is no"):
        contents.pages(root)


@pytest.mark.parametrize("value", ["$(touch ran)", "`touch ran`", "'; touch ran; '", '" && touch ran "', *HOSTILE[:4]])
def test_every_word_of_a_units_line_is_quoted(tmp_path, value):
    root = toy.write(tmp_path / "book", "layers")
    grid = tmp_path / "grid.yml"
    grid.write_text(yaml.safe_dump({"profile": "toy", "chapters": ["01-toy"], "parameters": {"labels": [[value]]}}))
    ((unit,),) = sweep.plan(root, grid)
    words = shlex.split(unit.command)
    assert yaml.safe_load(words[words.index("-y") + 1])["labels"] == [value]
    assert [word for word in words if "touch" in word or MARK in word] == [words[words.index("-y") + 1]]


def test_a_link_in_the_output_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "page").symlink_to("precious")
    write_text(tmp_path / "page", "new")
    assert (tmp_path / "precious").read_text() == "kept"
    assert (tmp_path / "page").read_text() == "new"
    assert not (tmp_path / "page").is_symlink()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return toy.write(tmp_path_factory.mktemp("typed"), "layers")


class TestWhateverIsTyped:
    """Parsers of profiles and of words: a value, or an `InputError`; never another exception."""

    @settings(max_examples=40)
    @given(st.text(max_size=80) | st.from_regex(r"(layers|labels|scale|shuffle|store)=.{0,20}", fullmatch=True))
    def test_a_word(self, root, word):
        _try(lambda: profiles.load(root, "toy", [word]))

    @given(
        st.binary(max_size=80)
        | st.text("layers:[]{}&*!|>-'\"#%@,? \n\t0123456789.eE+~<=é", max_size=80).map(str.encode)
        | st.text("[]{}&*!|>-'\",: \n01.eE~", max_size=40).map(lambda text: f"labels: {text}".encode())
    )
    def test_a_profile(self, root, content):
        path = root / "typed.yml"
        path.write_bytes(content)
        _try(lambda: profiles.load(root, str(path)))

    @given(st.text(max_size=20))
    def test_the_name_of_a_profile(self, root, name):
        _try(lambda: profiles.load(root, name))


def _try(load):
    try:
        assert load().values
    except InputError as error:
        assert one_line(error).isprintable()
