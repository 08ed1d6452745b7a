"""The atlas in a real browser without network: mouse, keyboard, menus and addresses choose one head for every panel."""

import re

import pytest

from tests.audit import html_pages
from tests.browser.accessibility import violations
from tests.browser.reader import THEMES, WIDTHS, reading
from tests.browser.test_pages import OVERFLOW

PANELS = ("", "-patterns", "-features", "-links", "-tasks", "-map", "-distances")
TITLES = """names => names.map(name => [...document.querySelectorAll(`#${name} .vega-chart .role-title-text text`)]
    .map(text => text.textContent).find(text => text.startsWith('Layer')) || '')"""
PICTURES = "names => names.map(name => document.querySelector(`#${name} .vega-chart svg`).innerHTML)"
NAMES = [f"figure-atlas{panel}" for panel in PANELS]
HASH = "location.hash"


pytestmark = pytest.mark.parametrize("html", ["real"], indirect=True, scope="session")  # the toy book has no atlas


@pytest.fixture(scope="module")
def name(html):
    """The atlas among the pages of a book."""
    (found,) = (page for page in html_pages(html) if page.endswith("09-head-atlas.html"))
    return found


@pytest.fixture(params=WIDTHS)
def atlas(request, browser, address, name):
    """The page opened, wide and narrow."""
    with reading(browser, address, WIDTHS[request.param], "light") as reader:
        reader.open(name)
        yield reader
        assert reader.errors == []
        assert reader.foreign == []


def shows(reader, layer, head):
    """Wait until every panel, the sentence and the menus show a head."""
    words = f"Layer {layer} head {head}"
    reader.page.wait_for_function(
        f"(names) => ({TITLES})(names).every(title => title.startsWith('{words},'))", arg=NAMES
    )
    assert reader.page.locator(".chosen-head").text_content().startswith(f"{words}:")
    for number, column in ((layer, "layer"), (head, "head")):
        menus = reader.page.locator(f'.vega-bind select[name="chosen_{column}"]').all()
        assert [menu.evaluate("menu => menu.selectedOptions[0].textContent") for menu in menus] == [str(number)] * len(
            NAMES
        )


def click(reader, layer, head):
    """Click the middle of a cell, by its place: the lowest marks of the grid are all heads, row by row."""
    cells = reader.page.locator("#figure-atlas .vega-chart svg .concat_0_layer_0_marks path")
    n_heads = reader.page.locator('#figure-atlas select[name="chosen_head"] option').count()
    cell = cells.nth((layer - 1) * n_heads + head - 1)
    cell.scroll_into_view_if_needed()
    box = cell.bounding_box()
    reader.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def opened_at_first(reader):
    return tuple(int(number) for number in re.findall(r"\d+", reader.page.locator(".chosen-head").text_content())[:2])


def test_a_click_opens_a_head_in_every_panel(atlas):
    before = atlas.page.evaluate(PICTURES, NAMES)
    for layer, head in ((1, 2), (2, 1)):
        click(atlas, layer, head)
        shows(atlas, layer, head)
        assert atlas.page.evaluate(HASH) == f"#layer-{layer}-head-{head}"
    after = atlas.page.evaluate(PICTURES, NAMES)
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_arrow_keys_move_through_the_grid_and_stop_at_its_edges(atlas):
    click(atlas, 1, 1)
    card = atlas.page.locator("#figure-atlas .vega-chart")
    card.focus()
    assert card.evaluate("card => document.activeElement === card")
    for key, layer, head in (
        ("ArrowLeft", 1, 1),
        ("ArrowUp", 1, 1),
        ("ArrowRight", 1, 2),
        ("ArrowDown", 2, 2),
        ("Home", 2, 1),
    ):
        atlas.page.keyboard.press(key)
        shows(atlas, layer, head)
    atlas.page.keyboard.press("End")
    atlas.page.wait_for_function("() => !location.hash.endsWith('-head-1')")
    last = int(atlas.page.evaluate(HASH).rpartition("-")[2])
    atlas.page.keyboard.press("ArrowRight")
    shows(atlas, 2, last)


def test_the_grid_is_reached_by_the_tabulator_key(atlas):
    atlas.page.locator("#figure-atlas select").first.focus()
    for _ in range(3):
        atlas.page.keyboard.press("Shift+Tab")
        if atlas.page.evaluate("document.activeElement.matches('#figure-atlas .vega-chart')"):
            return
    pytest.fail("the tabulator key does not lead to the grid")


def test_any_menu_changes_every_panel_and_leaves_other_keys_alone(atlas):
    menu = atlas.page.locator('#figure-atlas-tasks select[name="chosen_layer"]')
    menu.select_option(label="2")
    layer, head = 2, opened_at_first(atlas)[1]
    shows(atlas, layer, head)
    run = atlas.page.locator('#figure-atlas-links select[name="chosen_run"]')
    run.select_option(label="reference run")
    atlas.page.wait_for_function(f"names => ({TITLES})(names)[0].includes('reference run')", arg=NAMES)
    grid = atlas.page.locator('#figure-atlas select[name="chosen_run"]')
    assert grid.evaluate("menu => menu.selectedOptions[0].textContent") == "reference run"


def test_an_address_opens_its_head_and_a_wrong_one_is_ignored(browser, address, name):
    with reading(browser, address, WIDTHS["phone"], "dark") as reader:
        reader.open(f"{name}#layer-2-head-4")
        shows(reader, 2, 4)
        reader.page.evaluate("location.hash = '#layer-1-head-3'")
        shows(reader, 1, 3)
    with reading(browser, address, WIDTHS["phone"], "dark") as reader:
        reader.page.goto(f"{address}/{name}#layer-2-head-4")
        reader.page.wait_for_function(
            "() => document.querySelector('.chosen-head')?.textContent.startsWith('Layer 2 head 4')"
        )
        reader.page.wait_for_function("() => scrollY > 100")
    with reading(browser, address, WIDTHS["laptop"], "light") as reader:
        reader.open(f"{name}#layer-99-head-1")
        assert opened_at_first(reader)[0] != 99
        assert reader.errors == []


def test_every_quantity_colours_the_grid(atlas):
    menu = atlas.page.locator('#figure-atlas select[name="chosen_quantity"]')
    seen = set()
    for label in menu.locator("option").all_text_contents():
        menu.select_option(label=label)
        strip = atlas.page.locator("#figure-atlas .vega-chart .role-title-text", has_text=label)
        strip.wait_for()
        seen.add(atlas.page.evaluate(PICTURES, NAMES[:1])[0])
    assert len(seen) == menu.locator("option").count()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("device", WIDTHS)
def test_it_fits_and_is_accessible_after_a_choice(browser, address, name, device, theme):
    with reading(browser, address, WIDTHS[device], theme) as reader:
        reader.open(name)
        click(reader, 2, 3)
        shows(reader, 2, 3)
        assert reader.page.evaluate(OVERFLOW) <= 0
        status = reader.page.locator(".chosen-head")
        assert status.get_attribute("role") == "status"
        assert violations(reader.page) == []


def test_without_scripts_the_picture_and_all_sentences_remain(browser, address, name):
    with reading(browser, address, WIDTHS["phone"], "light", javascript=False) as reader:
        reader.page.goto(f"{address}/{name}")
        for panel in NAMES:
            assert reader.page.locator(f"#{panel} img").is_visible()
            assert reader.page.locator(f"#{panel} details tbody tr").count() > 1
        assert reader.page.locator("#figure-atlas details tbody tr").count() >= 72
