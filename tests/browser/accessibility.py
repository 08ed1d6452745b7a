"""What axe finds wrong with a page that is open: the rules of WCAG 2.1, levels A and AA."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# axe would fetch style sheets a second time, from addresses that it takes as relative to the page. And it would write
# down every node that is as it should be, which takes longer than to check it.
WCAG_AA = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    "resultTypes": ["violations"],
    "preload": False,
}
# The rows of a figure's data are written by one function in one style. A page has thousands of them, folded away, and
# axe would spend most of its time on their colours: the first of each table stand for the rest.
ALIKE = "() => document.querySelectorAll('.chart-data tbody tr:nth-child(n + 6)').forEach(row => row.remove())"


def violations(page: Page) -> list[str]:
    """Return what breaks a rule, with the first nodes that do; takes rows of data tables from the page."""
    page.evaluate(ALIKE)
    found = Axe().run(page, options=WCAG_AA).response["violations"]
    return [f"{item['id']}: {[node['html'][:150] for node in item['nodes']][:3]}" for item in found]
