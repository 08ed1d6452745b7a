"""Photograph every page of a built book: `python -m tests.browser.screenshots HTML_DIR OUT_DIR`."""

import sys
from pathlib import Path

from tests.audit import html_pages
from tests.browser.reader import THEMES, WIDTHS, chromium, reading, served


def photograph(html: Path, out: Path) -> None:
    """Write one full-page PNG for each page, width and theme to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, served(html) as address:
        for page in html_pages(html):
            for device, width in WIDTHS.items():
                for theme in THEMES:
                    with reading(browser, address, width, theme) as reader:
                        reader.open(page)
                        path = out / f"{Path(page).stem}-{device}-{theme}.png"
                        reader.page.screenshot(path=path, full_page=True)
                        print(path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    photograph(Path(sys.argv[1]), Path(sys.argv[2]))
