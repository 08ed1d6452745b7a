"""Every page of a built book in a real browser that cannot reach any other host: laptop and phone, light and dark."""

import json

import pytest

from tests.audit import html_pages
from tests.browser.accessibility import violations
from tests.browser.reader import THEMES, WIDTHS, reading, served

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CHARTS = """() => [...document.querySelectorAll('script.vega-spec')].map(script => {
    const figure = script.closest('figure'), image = figure.querySelector('img');
    const card = figure.querySelector('.vega-chart');
    const marks = '.mark-rect path, .mark-line path, .mark-symbol path, .mark-area path, .mark-rule line';
    return {
        name: figure.id,
        marks: card ? card.querySelectorAll(marks).length : 0,
        error: (card && card.querySelector('.error') || {}).textContent || '',
        replaced: image.hidden,
    };
})"""


@pytest.fixture(params=WIDTHS)
def width(request):
    return WIDTHS[request.param]


@pytest.fixture(params=THEMES)
def theme(request):
    return request.param


def read(html):
    """The pages to look at: of those that list functions, which are alike and long, the shortest."""
    return [name for name in html_pages(html) if "/api/" not in name or name.endswith("/others.html")]


def _over_pages(browser, address, html, width, theme, look):
    """Open every page and gather what `look` finds wrong with it."""
    problems = {}
    for name in read(html):
        with reading(browser, address, width, theme) as reader:
            reader.open(name)
            found = look(reader)
            if found:
                problems[name] = found
    assert read(html)
    return problems


def test_pages_are_drawn_quiet_local_and_accessible(browser, address, html, width, theme):
    def look(reader):
        page = reader.page
        charts = page.evaluate(CHARTS)
        views = page.locator("iframe.html-view").all()
        lines = [view.content_frame.locator("svg line, svg path, svg rect").count() for view in views]
        return (
            [f"asked for {url}" for url in reader.foreign]
            + [f"console: {text}" for text in reader.errors]
            + [
                f"chart not drawn: {chart}"
                for chart in charts
                if not chart["marks"] or chart["error"] or not chart["replaced"]
            ]
            + [f"view {place} not drawn" for place, count in enumerate(lines) if not count]
            + ([f"{page.evaluate(OVERFLOW)} px too wide"] if page.evaluate(OVERFLOW) > 0 else [])
            + ([] if page.evaluate("document.documentElement.dataset.theme") == theme else ["wrong theme"])
            + violations(page)
        )

    problems = _over_pages(browser, address, html, width, theme, look)
    assert not problems, json.dumps(problems, indent=2)


def test_without_javascript_pictures_and_tables_remain(browser, address, html):
    def look(reader):
        page = reader.page
        hidden = page.locator("figure.chart > img:not(:visible), figure.view > img:not(:visible)").count()
        tables = page.locator("figure.chart details.chart-data table").count()
        charts = page.locator("script.vega-spec").count()
        return [f"{hidden} pictures hidden"] * bool(hidden) + [f"{tables} tables for {charts} charts"] * (
            tables < charts
        )

    problems = {}
    for name in read(html):
        with reading(browser, address, 1400, "light", javascript=False) as reader:
            reader.page.goto(f"{address}/{name}")
            if found := look(reader):
                problems[name] = found
    assert problems == {}


def test_charts_are_drawn_from_a_file(browser, html):
    for name in read(html):
        with reading(browser, html.resolve().as_uri(), 1400, "light") as reader:
            reader.open(name)
            assert reader.errors == []
            assert [chart for chart in reader.page.evaluate(CHARTS) if not chart["marks"]] == []


def test_a_chart_answers_its_selector(browser, address, html):
    with reading(browser, address, 1400, "light") as reader:
        for name in read(html):
            reader.open(name)
            selectors = reader.page.locator(".vega-bindings select")
            if selectors.count():
                chart = reader.page.locator(".vega-chart:has(.vega-bindings select)").first
                before = chart.inner_html()
                selectors.first.select_option(index=1)
                reader.page.wait_for_function(
                    "([card, before]) => card.innerHTML !== before", arg=[chart.element_handle(), before]
                )
                return
    pytest.skip("no chart of this book has a selector")


@pytest.mark.parametrize("html", ["real"], indirect=True)
def test_a_line_of_text_stays_above_its_plot(browser, address, html):
    (name,) = (name for name in html_pages(html) if name.endswith("07-disabling-heads.html"))
    with reading(browser, address, 1400, "light") as reader:
        reader.open(name)
        chart = reader.page.locator(".vega-chart", has_text="nothing disabled: ").first
        line = chart.get_by_text("nothing disabled: ").first.bounding_box()
        axis = chart.get_by_text("head", exact=True).first.bounding_box()
        assert line["y"] < axis["y"]
        assert line["x"] < axis["x"] < line["x"] + 252, "the plot stands beside its own title"


def test_a_request_to_another_host_is_noticed(browser, tmp_path):
    (tmp_path / "page.html").write_text('<img src="https://example.org/a.png" alt="A"><script>missing()</script>')
    with served(tmp_path) as where, reading(browser, where, 1400, "light") as reader:
        reader.open("page.html")
        assert reader.foreign == ["https://example.org/a.png"]
        assert any("missing is not defined" in error for error in reader.errors)


def test_what_breaks_a_rule_is_noticed(browser, tmp_path):
    rows = "".join(f"<tr><td style='color: #bbb'>row {number}</td></tr>" for number in range(8))
    table = f"<table class='chart-data'><tbody>{rows}</tbody></table>"
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><html><title>A page</title>{table}<img src='data:,'></html>")
    with served(tmp_path) as where, reading(browser, where, 1400, "light") as reader:
        reader.open("page.html")
        found = {line.partition(":")[0]: line for line in violations(reader.page)}
        assert found.keys() == {"color-contrast", "html-has-lang", "image-alt"}
        assert found["color-contrast"].count("<td") == 3  # the first of them are shown
        assert reader.page.locator("td").all_text_contents() == [f"row {number}" for number in range(5)]
