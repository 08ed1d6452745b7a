"""BertViz's views in a real browser without network: each is saved as SVG and as PNG, as it stands."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from darksecrets.apps import explorer
from darksecrets.figures import views
from tests.browser.reader import WIDTHS, reading, served

TOKENS = ["[CLS]", "no", "film", "<b>", "&", "[SEP]", "it", "was", "seen", "[SEP]"]
SVG = "{http://www.w3.org/2000/svg}"
VIEWS = {"heads": (views.bertviz_head_view, "line"), "model": (views.bertviz_model_view, "rect")}


@pytest.fixture(params=VIEWS)
def frame(request, browser, tmp_path):
    """A view in a frame of a page, as the explorer and the book show it; and what the view is drawn with."""
    maps = np.random.default_rng(0).dirichlet(np.ones(len(TOKENS)), size=(2, 3, len(TOKENS)))
    draw, mark = VIEWS[request.param]
    framed = explorer.frame(draw(maps, TOKENS), "a view", 600)
    (tmp_path / "index.html").write_text(f"<!DOCTYPE html><title>a page</title>{framed}", encoding="utf-8")
    with served(tmp_path) as address, reading(browser, address, WIDTHS["phone"], "dark") as reader:
        reader.open("index.html")
        yield reader.page.locator("iframe").content_frame, mark
        assert reader.errors == []
        assert reader.foreign == []


def saved(frame, kind, folder):
    """Click a button, and return the path of the file that the browser received."""
    with frame.owner.page.expect_download() as download:
        frame.get_by_role("button", name=f"Save {kind.upper()}").click()
    assert re.fullmatch(rf"[a-z-]+\.{kind}", download.value.suggested_filename)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_view_is_saved_as_vectors_and_as_a_picture(frame, tmp_path):
    view, mark = frame
    root = ElementTree.parse(saved(view, "svg", tmp_path)).getroot()
    assert root.tag == f"{SVG}svg"
    texts = {"".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")}
    assert texts == {text.strip() for text in view.locator("#vis svg text").all_text_contents()}
    assert len(list(root.iter(f"{SVG}{mark}"))) == view.locator(f"#vis svg {mark}").count() + (mark == "rect")
    picture = Image.open(saved(view, "png", tmp_path)).convert("RGB")
    width, height = (float(root.get(side)) for side in ("width", "height"))
    assert picture.size == (2 * width, 2 * height)
    assert picture.getpixel((0, 0)) == (255, 255, 255) and len(picture.getcolors(1 << 24)) > 20


def test_what_is_saved_is_what_was_chosen(frame, tmp_path):
    view, mark = frame
    before = saved(view, "svg", tmp_path).read_text()
    if mark == "line":
        view.locator("select").select_option(index=1)
    else:
        view.locator(".attn_background").nth(1).click(force=True)  # a rectangle without colour lies above it
    assert saved(view, "svg", tmp_path).read_text() != before
