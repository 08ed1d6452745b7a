"""Figures and tables as MIME bundles: what is in them, that nothing in them runs by accident, that they repeat."""

import base64
import io
import json
import re

import altair
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from PIL import Image

from darksecrets.errors import InputError
from darksecrets.figures import publish

NASTY = "</script><script>alert(1)</script> ```\n:::{raw} html\n<b>|*x* [a](javascript:b) $y$ {glue}`z`"


@pytest.fixture
def shown(monkeypatch):
    """The MIME bundles that were displayed."""
    bundles = []
    monkeypatch.setattr(publish, "display", lambda bundle, raw: bundles.append(bundle))
    return bundles


def _chart(words="a"):
    frame = pd.DataFrame({"mean_value": [0.123456, None], "label": [words, "b"]})
    return altair.Chart(frame).mark_bar().encode(x=altair.X("mean_value:Q", title="mean value"), y="label:N")


def _html(markdown):
    """The raw HTML inside a figure directive."""
    return BeautifulSoup(re.search(r"```\{raw\} html\n(.*?)\n```\n", markdown, re.DOTALL).group(1), "html.parser")


def test_a_figure_holds_picture_specification_and_data(shown):
    publish.figure(_chart(), "figure-a", "The first is smaller.", alt="Two bars.")
    (bundle,) = shown
    lines = bundle["text/markdown"].splitlines()
    picture = base64.b64decode(lines[0].removeprefix("````{figure} data:image/svg+xml;base64,")).decode()
    assert picture.startswith("<svg")
    assert lines[1:4] == [":name: figure-a", ':alt: "Two bars."', ":figclass: chart"]
    assert "The first is smaller." in lines
    page = _html(bundle["text/markdown"])
    assert json.loads(page.select_one("script.vega-spec").text)["description"] == "Two bars."
    rows = [[cell.text for cell in row.find_all(["th", "td"])] for row in page.select("details tr")]
    assert rows == [["mean value", "label"], ["0.1235", "a"], [publish.MISSING, "b"]]
    assert bundle[publish.LAB_MIME_TYPE]["$schema"].endswith("v5.json")


def test_a_picture_is_a_numbered_figure_on_a_light_card(shown):
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    publish.picture(image, "figure-a", "Sixteen fields.", alt="A square.")
    (bundle,) = shown
    lines = bundle["text/markdown"].splitlines()
    source = lines[0].removeprefix("````{figure} data:image/png;base64,")
    assert source == bundle["image/png"]
    assert Image.open(io.BytesIO(base64.b64decode(source))).tobytes() == image.tobytes()
    assert lines[1:] == [":name: figure-a", ':alt: "A square."', ":figclass: view", "", "Sixteen fields.", "````"]
    assert bundle["text/plain"] == "A square."
    with pytest.raises(InputError, match="has no alt text"):
        publish.picture(image, "figure-a", "Sixteen fields.", alt="")


def test_a_picture_may_be_vectors(shown):
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><text>\u2192</text></svg>'
    publish.picture(svg, "figure-a", "An arrow.", alt="An arrow.")
    (bundle,) = shown
    source = bundle["text/markdown"].splitlines()[0].removeprefix("````{figure} data:image/svg+xml;base64,")
    assert base64.b64decode(source).decode() == bundle["image/svg+xml"] == svg


def test_a_figure_is_the_same_each_time(shown):
    chart = _chart()
    for _ in range(2):
        publish.figure(chart, "figure-a", "One.", alt="One.")
    assert shown[0] == shown[1]


def test_nothing_that_a_person_typed_ends_the_script_or_the_directive(shown):
    publish.figure(_chart(NASTY), "figure-a", "One.", alt=NASTY)
    markdown = shown[0]["text/markdown"]
    page = _html(markdown)
    assert len(page.find_all("script")) == 1
    assert json.loads(page.script.text)["description"] == NASTY
    assert NASTY in [cell.text for cell in page.find_all("td")]
    assert markdown.count("```\n````\n") == 1
    assert [line for line in markdown.splitlines() if line.startswith("`")] == [
        markdown.splitlines()[0],
        "```{raw} html",
        "```",
        "````",
    ]


def test_a_view_is_a_frame_with_a_picture_beneath(shown):
    content = '<p title="a">&amp;</p>\n\n<script>1 < 2 && "`"</script>'
    publish.html_figure(content, "figure-v", "One.", alt='A "view".', height=99, fallback="<svg></svg>")
    (bundle,) = shown
    frame = _html(bundle["text/markdown"]).iframe
    assert frame["srcdoc"] == content
    assert frame["title"] == 'A "view".'
    assert frame["height"] == "99"
    assert frame.has_attr("hidden")
    assert not BeautifulSoup(bundle["text/html"], "html.parser").iframe.has_attr("hidden")


def test_a_table_prints_numbers_and_takes_text_literally(shown):
    frame = pd.DataFrame({"a|b": [1, 2], "mean": [0.12345, np.nan], "text": ["<b>*x*|", None]})
    publish.table(frame, "table-a", "Two rows.", decimals=2)
    markdown = shown[0]["text/markdown"].splitlines()
    assert markdown[0] == "````{table} Two rows."
    assert markdown[3:6] == ["| a\\|b | mean | text |", "| --: | --: | :-- |", "| 1 | 0\\.12 | \\<b\\>\\*x\\*\\| |"]
    assert markdown[6] == f"| 2 | {publish.MISSING} | {publish.MISSING} |"
    assert "&lt;b&gt;*x*|" in shown[0]["text/html"]


def test_a_table_refuses_a_caption_that_would_not_be_one():
    with pytest.raises(InputError, match="has a backtick"):
        publish.table(pd.DataFrame({"a": [1]}), "table-a", "What `make` does.")


def test_cells_that_name_figures_become_links(shown):
    frame = pd.DataFrame({"see": ["figure-a table-b", None], "text": ["figure-a", "x"]})
    publish.table(frame, "table-links", "Two rows.", references=["see"])
    rows = shown[0]["text/markdown"].splitlines()[5:7]
    assert rows[0] == "| {numref}`figure-a`, {numref}`table-b` | figure\\-a |"
    assert rows[1] == f"| {publish.MISSING} | x |"
    with pytest.raises(InputError, match="cannot be referred to"):
        publish.table(pd.DataFrame({"see": ["Figure 1`"]}), "table-links", "One row.", references=["see"])


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
def test_quoted_text_is_shown_letter_by_letter(text):
    parser = create_md_parser(MdParserConfig(enable_extensions={"dollarmath", "amsmath", "substitution"}), RendererHTML)
    rendered = parser.render(f"x{publish.quote(text)}x")
    assert BeautifulSoup(rendered, "html.parser").get_text().strip() == f"x{text}x"


@pytest.mark.parametrize("name", ["", "Figure", "a b", "a_b", "a--b", "figure-é", "1a"])
def test_a_name_that_cannot_be_referred_to_is_refused(name):
    with pytest.raises(InputError, match="cannot be referred to"):
        publish.figure(_chart(), name, "One.", alt="One.")


@pytest.mark.parametrize("caption", ["", "  ", "```{raw} html", "# One", "<script>", ":::{raw} html", "- one", "> one"])
def test_a_caption_that_would_start_a_block_is_refused(caption):
    with pytest.raises(InputError, match="does not begin with a word"):
        publish.figure(_chart(), "figure-a", caption, alt="One.")


def test_html_in_a_caption_is_shown_not_run(shown):
    publish.figure(_chart(), "figure-a", "One <script>x</script>, $p < 0.05$.", alt="One.")
    assert "One \\<script>x\\</script>, $p < 0.05$." in shown[0]["text/markdown"]


def test_a_figure_needs_alt_text():
    with pytest.raises(InputError, match="has no alt text"):
        publish.figure(_chart(), "figure-a", "One.", alt=" ")


def test_a_long_data_table_says_where_it_stops(shown):
    frame = pd.DataFrame({"x": range(publish.MOST_ROWS + 1)})
    publish.figure(altair.Chart(frame).mark_point().encode(x="x"), "figure-a", "Many.", alt="Many.")
    page = _html(shown[0]["text/markdown"])
    assert page.caption.text == "The first 1000 of 1001 rows."
    assert len(page.select("tbody tr")) == 1000


def test_numbers_are_kept_as_plain_numbers(monkeypatch):
    import myst_nb

    kept = {}
    monkeypatch.setattr(
        myst_nb, "glue", lambda name, value, display: kept.update({name: (value, type(value), display)})
    )
    for name, value in (("a", np.float64(0.5)), ("b", np.int64(3)), ("c", "0.5 ± 0.1"), ("d", 2)):
        publish.number(name, value)
    assert kept == {
        "a": (0.5, float, False),
        "b": (3, int, False),
        "c": ("0.5 ± 0.1", str, False),
        "d": (2, int, False),
    }
    with pytest.raises(InputError, match="'e' is a ndarray"):
        publish.number("e", np.zeros(3))
