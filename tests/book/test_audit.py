"""The audit finds each fault that is planted, and none in a clean book or in the one that `make book` built."""

import os
import shutil

import pytest

from darksecrets.book.build import HTML
from tests import audit
from tests.conftest import ROOT

FIGURE = '<figure id="fig-a"><img src="a.svg" alt="A map"/><figcaption><p>A map of heads.</p></figcaption></figure>'
CLEAN = f"""<html><head><link rel="stylesheet" href="style.css"/><script src="code.js"></script></head>
<body><h1 id="top">Page</h1><a href="https://example.org/paper">a paper</a>
<a href="other.html#part">there</a><a href="#top">up</a>
{FIGURE}<script>const space = "http://www.w3.org/2000/svg";</script>
<iframe title="A view" srcdoc="&lt;svg&gt;&lt;/svg&gt;"></iframe>
<script type="application/json">{{"$schema": "https://vega.github.io/schema/vega-lite/v6.json"}}</script></body></html>"""


@pytest.fixture
def book(tmp_path):
    """A directory with two clean pages."""
    files = {
        "page.html": CLEAN,
        "other.html": '<html><body><h2 id="part">Part</h2></body></html>',
        "style.css": "body { background: url(a.svg); }",
        "code.js": "// see https://example.org\nconst a = 1;",
        "a.svg": "<svg></svg>",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def _audit(book):
    return audit.audit(book, ["page", "other"], hidden=("/home/someone/book",))


def test_a_clean_book_has_no_faults(book):
    assert _audit(book) == []


FOREIGN = "loads from another host"
# (rule, what the finding says, what stands in the page's body)
FAULTS = {
    "script": (FOREIGN, "script https://cdn.example.org/a.js", '<script src="https://cdn.example.org/a.js"></script>'),
    "script without a scheme": (FOREIGN, "script //cdn.example.org", '<script src="//cdn.example.org/a.js"></script>'),
    "style sheet": (FOREIGN, "link https://", '<link rel="stylesheet" href="https://example.org/a.css"/>'),
    "preload": (FOREIGN, "link https://", '<link rel="preload" as="script" href="https://example.org/a.js"/>'),
    "icon": (FOREIGN, "link https://", '<link rel="shortcut icon" href="https://example.org/a.ico"/>'),
    "image": (FOREIGN, "img http://", '<img src="http://example.org/a.png" alt="A"/>'),
    "image set": (
        FOREIGN,
        "img https://",
        '<img src="a.svg" srcset="a.svg 1x, https://example.org/a.png 2x" alt="A"/>',
    ),
    "frame": (FOREIGN, "iframe https://", '<iframe title="A" src="https://example.org"></iframe>'),
    "inside a frame": (
        FOREIGN,
        "(in a frame)",
        '<iframe title="A" srcdoc="&lt;script src=&quot;https://example.org/a.js&quot;&gt;&lt;/script&gt;"></iframe>',
    ),
    "import of a style": (FOREIGN, "style https://", "<style>@import 'https://example.org/a.css';</style>"),
    "font": (FOREIGN, "style https://", "<style>@font-face { src: url(https://example.org/a.woff2); }</style>"),
    "style attribute": (FOREIGN, "style //example.org", '<p style="background: url(//example.org/a.png)">A</p>'),
    "module": (FOREIGN, "names https://", '<script type="module">import a from "https://example.org/a.js";</script>'),
    "library by name": (
        FOREIGN,
        "names https://",
        "<script>const url = 'https://unpkg.com/thebe@0.8.2/lib/index.js';</script>",
    ),
    "require": (
        FOREIGN,
        "names //cdnjs",
        '<script>require.config({paths: {d3: "//cdnjs.cloudflare.com/d3"}});</script>',
    ),
    "data of a chart": (
        FOREIGN,
        "chart https://",
        '<script type="application/json">{"layer": [{"data": {"url": "https://example.org/a.csv"}}]}</script>',
    ),
    "refresh": (FOREIGN, "meta refresh", '<meta http-equiv="Refresh" content="0; url=https://example.org"/>'),
    "dead page": ("dead link", "gone.html leads to no file", '<a href="gone.html">gone</a>'),
    "dead picture": ("dead link", "gone.png leads to no file", '<img src="gone.png" alt="A"/>'),
    "dead anchor": ("dead link", "other.html#gone leads to no anchor", '<a href="other.html#gone">gone</a>'),
    "dead anchor here": ("dead link", "#gone leads to no anchor", '<a href="#gone">gone</a>'),
    "no alt text": (
        "figure",
        "fig-b has no alt text",
        FIGURE.replace('alt="A map"', 'alt=""').replace("fig-a", "fig-b"),
    ),
    "address as alt text": (
        "figure",
        "no alt text",
        FIGURE.replace('alt="A map"', 'alt="a.svg"').replace("fig-a", "fig-b"),
    ),
    "no caption": ("figure", "fig-b has no caption", '<figure id="fig-b"><img src="a.svg" alt="A"/></figure>'),
    "empty caption": (
        "figure",
        "has no caption",
        '<figure><img src="a.svg" alt="A"/><figcaption><p> </p></figcaption></figure>',
    ),
    "view without a title": (
        "figure",
        "without a title",
        FIGURE.replace("<figcaption>", "<iframe srcdoc=''></iframe><figcaption>"),
    ),
    "bare table": (
        "unnumbered",
        "show it with figures.publish: layer 1",
        '<div class="cell_output"><div class="output text_html"><table><tr><td>layer 1</td></tr></table></div></div>',
    ),
    "bare picture": ("unnumbered", "A", '<div class="cell_output"><img src="a.svg" alt="A"/></div>'),
    "reference left": ("placeholder", "{numref}`fig-x`", "<p>See {numref}`fig-x`.</p>"),
    "number left": ("placeholder", "{glue:text}`best`", "<p>It is {glue:text}`best`.</p>"),
    "unresolved": ("placeholder", "fig-x", '<code class="xref std std-numref">fig-x</code>'),
    "problem": ("placeholder", "oops", '<span class="problematic">oops</span>'),
    "path": ("path of this machine", "/home/someone/book", "<pre>/home/someone/book/notebooks</pre>"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(book, fault):
    rule, what, markup = FAULTS[fault]
    page = book / "page.html"
    page.write_text(CLEAN.replace("</body>", f"{markup}</body>"))
    findings = _audit(book)
    assert [(finding.page, finding.rule) for finding in findings] == [("page.html", rule)]
    assert what in findings[0].what


def test_a_missing_page_and_all_other_faults_come_at_once(book):
    (book / "other.html").unlink()
    rules = [(finding.page, finding.rule) for finding in _audit(book)]
    assert rules == [("other.html", "missing page"), ("page.html", "dead link")]


def test_a_large_page_is_found(book):
    (book / "page.html").write_text(CLEAN + " " * 3_000_001)
    assert [finding.rule for finding in _audit(book)] == ["too large"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("style.css", '@import url("https://example.org/a.css");'),
        ("code.js", "import('https://example.org/a.js')"),
        ("code.js", "importScripts('https://example.org/a.js')"),
        ("code.js", "tag.src = 'https://example.org/a.js'"),
    ],
)
def test_a_fault_in_a_loaded_file_is_found(book, file, text):
    (book / file).write_text(text)
    (finding,) = _audit(book)
    assert finding.rule == FOREIGN
    assert f"(in {file})" in finding.what


@pytest.mark.parametrize("address", ["page.html", "/a/b", "data:image/png;base64,//8=", "mailto:a@example.org", "#a"])
def test_addresses_of_this_book_are_not_foreign(address):
    assert not audit.FOREIGN.match(address)


def test_the_book_of_make_book_has_no_fault():
    if not (ROOT / HTML).is_dir():
        reason = "the book is not built: make book"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    assert audit.of_book(ROOT) == []


def test_the_command_lists_faults_with_exit_code_1(toy_root, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(audit, "ROOT", toy_root)
    assert audit.main([]) == 0
    assert capsys.readouterr().out == "3 pages, no faults\n"
    html = shutil.copytree(toy_root / HTML, tmp_path / "html")
    (html / "notebooks/01-toy.html").unlink()
    assert audit.main([str(html)]) == 1
    said = capsys.readouterr()
    assert "notebooks/01-toy.html: missing page: listed in the contents\n" in said.err
    assert said.out.startswith("2 pages, faults: ")
    assert (
        audit.main(["nowhere"])
        == "error: there is no book in nowhere; build it with `make book`, or name its directory"
    )
