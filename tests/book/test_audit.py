"""The audit finds each fault that is planted, and none in a clean book or in the one that `make book` built."""

import os
import shutil

import pytest

from darksecrets.book.build import HTML
from tests import audit
from tests.conftest import ROOT

FIGURE = '<figure id="fig-a"><img src="a.svg" alt="A map"/><figcaption><p>A map of heads.</p></figcaption></figure>'
FIGURE_B = FIGURE.replace("fig-a", "fig-b")
CLEAN = f"""<html><head><link rel="stylesheet" href="style.css"/><script src="code.js"></script></head>
<body><h1 id="top">Page</h1><a href="https://example.org/paper">a paper</a>
<a href="other.html#part">there</a><a href="#top">up</a><a href="mailto:a@example.org">we</a>
{FIGURE}<script>const space = "http://www.w3.org/2000/svg";</script>
<iframe title="A view" srcdoc="&lt;svg&gt;&lt;/svg&gt;"></iframe><img src="data:image/png;base64,//8=" alt="A">
<script type="application/json">{{"$schema": "https://vega.github.io/schema/vega-lite/v6.json"}}</script></body></html>"""
FOREIGN = "loads from another host"


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


def found(book):
    return audit.audit(book, ["page", "other"], hidden=("/home/someone/book",))


def test_a_clean_book_has_no_faults(book):
    assert found(book) == []


FAULTS = {  # by rule: what the finding says, and what stands in the page's body
    FOREIGN: [
        ("script https://cdn.example.org/a.js", '<script src="https://cdn.example.org/a.js"></script>'),
        ("script //cdn.example.org", '<script src="//cdn.example.org/a.js"></script>'),
        ("link https://example.org/a.css", '<link rel="stylesheet" href="https://example.org/a.css"/>'),
        ("link https://example.org/a.js", '<link rel="preload" as="script" href="https://example.org/a.js"/>'),
        ("link https://example.org/a.ico", '<link rel="shortcut icon" href="https://example.org/a.ico"/>'),
        ("img http://", '<img src="http://example.org/a.png" alt="A"/>'),
        ("img https://", '<img src="a.svg" srcset="a.svg 1x, https://example.org/a.png 2x" alt="A"/>'),
        ("iframe https://", '<iframe title="A" src="https://example.org"></iframe>'),
        (
            "(in a frame)",
            "<iframe srcdoc='&lt;script src=\"//example.org/a.js\"&gt;&lt;/script&gt;'></iframe>",
        ),
        ("style https://example.org/b", "<style>@import 'https://example.org/b.css';</style>"),
        ("style https://example.org/c", "<style>@font-face { src: url(https://example.org/c.woff2); }</style>"),
        ("style //example.org", '<p style="background: url(//example.org/a.png)">A</p>'),
        ("names https://example.org", '<script type="module">import a from "https://example.org/a.js";</script>'),
        ("names https://unpkg.com", "<script>const url = 'https://unpkg.com/thebe@0.8.2/lib/index.js';</script>"),
        ("names //cdnjs", '<script>require.config({paths: {d3: "//cdnjs.cloudflare.com/d3"}});</script>'),
        ("chart https://", '<script type="text/json">{"a": [{"data": {"url": "https://example.org/a.csv"}}]}</script>'),
        ("JSON that cannot be read", '<script type="application/json">{"a": </script>'),
        ("meta refresh", '<meta http-equiv="Refresh" content="0; url=https://example.org"/>'),
    ],
    "dead link": [
        ("gone.html leads to no file", '<a href="gone.html">gone</a>'),
        ("gone.png leads to no file", '<img src="gone.png" alt="A"/>'),
        ("other.html#gone leads to no anchor", '<a href="other.html#gone">gone</a>'),
        ("#gone leads to no anchor", '<a href="#gone">gone</a>'),
    ],
    "figure": [
        ("fig-b has no alt text", FIGURE_B.replace('alt="A map"', 'alt=""')),
        ("fig-b has no alt text", FIGURE_B.replace('alt="A map"', 'alt="a.svg"')),  # Sphinx repeats the address
        ("fig-b has no caption", '<figure id="fig-b"><img src="a.svg" alt="A"/></figure>'),
        ("without a name has no caption", "<figure><figcaption><p> </p></figcaption></figure>"),
        ("without a title", FIGURE_B.replace("<figcaption>", "<iframe srcdoc=''></iframe><figcaption>")),
    ],
    "unnumbered": [
        ("figures.publish: layer 1", '<div class="cell_output"><div class="text_html"><p>layer 1</p></div></div>'),
        ("A", '<div class="cell_output"><img src="a.svg" alt="A"/></div>'),
    ],
    "placeholder": [
        ("{numref}`fig-x`", "<p>See {numref}`fig-x`.</p>"),
        ("{glue:text}`best`", "<p>It is {glue:text}`best`.</p>"),
        ("fig-x", '<code class="xref std std-numref">fig-x</code>'),
        ("oops", '<span class="problematic">oops</span>'),
    ],
    "path of this machine": [("/home/someone/book", "<pre>/home/someone/book/notebooks</pre>")],
    "too large": [("3.0 MB, at most 3 MB", " " * 3_000_001)],
}


CASES = [(rule, *case) for rule, cases in FAULTS.items() for case in cases]


@pytest.mark.parametrize(("rule", "what", "markup"), CASES, ids=[what for _, what, _ in CASES])
def test_a_planted_fault_is_found(book, rule, what, markup):
    (book / "page.html").write_text(CLEAN.replace("</body>", f"{markup}</body>"))
    (finding,) = found(book)
    assert (finding.page, finding.rule) == ("page.html", rule)
    assert what in finding.what


def test_a_missing_page_and_all_other_faults_come_at_once(book):
    (book / "other.html").unlink()
    assert [finding[:2] for finding in found(book)] == [("other.html", "missing page"), ("page.html", "dead link")]


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
    (finding,) = found(book)
    assert finding.rule == FOREIGN
    assert f"(in {file})" in finding.what


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
    assert str(audit.main(["nowhere"])).startswith("error: there is no book in nowhere; build it with `make book`")
