"""A headless reader: chromium, a server on 127.0.0.1 for one directory, and no way out to any other host."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

WIDTHS = {"laptop": 1400, "phone": 400}
THEMES = ("light", "dark")


class Reader:
    """A page of the book in one width and theme, with what it complained of and what it asked other hosts for."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.route("**/*", self._only_local)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")

    def _only_local(self, route: Route) -> None:
        url = route.request.url
        if url.startswith((self.address, "data:", "blob:", "about:")):
            route.continue_()
        else:
            self.foreign.append(url)
            route.abort()

    def open(self, path: str) -> None:
        """Open a page, let everything lazy on it load, and wait until its charts are drawn or have failed."""
        self.page.goto(f"{self.address}/{path}", wait_until="load")
        for frame in self.page.locator("iframe").all():
            frame.scroll_into_view_if_needed()
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate(
            """async () => {
                const charts = [...document.querySelectorAll('.vega-chart')];
                const drawn = () => charts.every(card => card.querySelector('svg, canvas'));
                for (let i = 0; i < 100 && !drawn(); i++) await new Promise(done => setTimeout(done, 100));
                scrollTo(0, 0);
            }"""
        )


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a directory on a free port of 127.0.0.1 and give its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=directory)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the machine's chromium, without a sandbox because CI runs as root."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def reading(browser: Browser, address: str, width: int, theme: str, javascript: bool = True) -> Iterator[Reader]:
    """Open a fresh browser window of a width and theme on the book at `address`."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        reduced_motion="reduce",
        java_script_enabled=javascript,
        service_workers="block",
    )
    # What the theme's own switch stores: the page then opens in that theme.
    context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}');")
    try:
        yield Reader(context.new_page(), address)
    finally:
        context.close()
