"""What is published beside the pages: workflows, licences, citation, versions, buttons, the archive."""

import hashlib
import re
import shutil
import tomllib
import zipfile

import pytest
import yaml
from bs4 import BeautifulSoup
from click.testing import CliRunner

import darksecrets
from darksecrets.__main__ import main
from darksecrets.book import build, contents, publication
from darksecrets.book.build import CONFIG
from darksecrets.errors import InputError
from tests import audit
from tests.book import toy
from tests.conftest import ROOT

WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
OURS = "https://github.com/someone/some-book"
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
PLACE_OF = {"tests": [".ci/run"], "pages": ["make book", "make archive"]}


def steps(workflow):
    return [step for job in WORKFLOWS[workflow]["jobs"].values() for step in job["steps"]]


def commands(workflow):
    return [line.strip() for step in steps(workflow) for line in step.get("run", "").splitlines()]


@pytest.mark.parametrize("workflow", PLACE_OF)
def test_a_workflow_runs_what_one_runs_at_home(workflow):
    assert [line for line in commands(workflow) if line.startswith(("make", ".ci"))] == PLACE_OF[workflow]


def test_what_is_run_is_there():
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o100
    called = re.findall(r"\bmake (?:-\S+ )*([a-z][a-z-]*)", script.read_text() + "\n".join(map(str, PLACE_OF.values())))
    assert set(called) == {"book", "test", "archive"} <= TARGETS


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_workflow_may_little_and_ends(workflow):
    content = WORKFLOWS[workflow]
    assert content["permissions"] == {"contents": "read"}
    assert content["concurrency"]["group"]
    assert all(5 <= job["timeout-minutes"] <= 90 for job in content["jobs"].values())
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps(workflow) if "uses" in step)
    rights = {name: set(job["permissions"]) for name, job in content["jobs"].items() if "permissions" in job}
    assert rights == ({"deploy": {"pages", "id-token"}, "release": {"contents"}} if workflow == "pages" else {})


def test_the_version_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    latest = re.search(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {project["version"], str(CITATION["version"]), latest[1]} == {darksecrets.__version__}
    assert project["license"] == "MIT AND CC-BY-4.0" == " AND ".join(CITATION["license"])
    assert all((ROOT / name).is_file() for name in (*project["license-files"], *publication.ENCLOSED))


def test_the_citation_is_what_its_format_asks_for():
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["type"] == "software"
    assert CITATION["authors"] == [{"name": yaml.safe_load((ROOT / CONFIG).read_text())["author"]}]
    assert CITATION["title"] == yaml.safe_load((ROOT / CONFIG).read_text())["title"]
    (paper,) = CITATION["references"]
    assert {"type", "title", "authors"} <= set(paper)
    bibliography = (ROOT / "notebooks/references.bib").read_text()
    assert all(author["family-names"] in bibliography for author in paper["authors"])
    assert paper["doi"] in bibliography


def published(root, url):
    """The toy book's repository with one setting changed."""
    toy.write(root)
    config = (root / CONFIG).read_text()
    assert config.count('url: ""') == 1
    (root / CONFIG).write_text(config.replace('url: ""', f'url: "{url}"'))
    return root


@pytest.fixture(scope="module")
def ours(tmp_path_factory, toy_root):
    """The toy book built for a repository, with what was executed already."""
    root = tmp_path_factory.mktemp("ours") / "toy"
    shutil.copytree(toy_root, root, ignore=shutil.ignore_patterns("_build"))
    build.make(toy.load(published(root, OURS)))
    return root


def addresses(root, page):
    tree = BeautifulSoup((root / f"_build/html/notebooks/{page}.html").read_text(), "html.parser")
    return {link["href"] for link in tree.select(".article-header-buttons a[href^=http]")}


def test_without_the_setting_there_are_no_buttons(toy_root):
    assert addresses(toy_root, "01-toy") == addresses(toy_root, "00-introduction") == set()


def test_with_it_buttons_lead_to_the_page_in_the_repository(ours):
    links = addresses(ours, "01-toy")
    assert {
        OURS,
        f"{OURS}/edit/main/notebooks/01-toy.ipynb",
        "https://mybinder.org/v2/gh/someone/some-book/main?urlpath=lab/tree/notebooks/01-toy.ipynb",
        "https://colab.research.google.com/github/someone/some-book/blob/main/notebooks/01-toy.ipynb",
    } <= links
    assert [link for link in links if link.startswith(f"{OURS}/issues/new")]
    text_page = addresses(ours, "00-introduction")
    assert f"{OURS}/edit/main/notebooks/00-introduction.md" in text_page
    assert not [link for link in text_page if "mybinder" in link or "colab" in link]


def test_buttons_are_links_and_load_nothing(ours):
    html = ours / "_build/html"
    assert audit.of_book(ours) == []
    page = html / "notebooks/01-toy.html"
    broken = page.read_text().replace("</body>", f'<img src="{OURS}/logo.svg" alt="logo"></body>')
    copy = shutil.copytree(html, ours / "broken")
    (copy / "notebooks/01-toy.html").write_text(broken)
    assert [finding.rule for finding in audit.audit(copy)] == ["loads from another host"]


@pytest.mark.parametrize("url", ["github.com/someone/some-book", "https://github.com/someone", "javascript:alert(1)"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InputError, match=r"write https://github\.com/OWNER/NAME, or leave it empty"):
        publication.settings({"repository": {"url": url}})


def test_the_footer_names_version_and_licences(toy_root):
    tree = BeautifulSoup((toy_root / "_build/html/notebooks/01-toy.html").read_text(), "html.parser")
    footer = tree.select_one("footer.bd-footer-content").get_text(" ", strip=True)
    for words in (f"Version {darksecrets.__version__}", "CC BY 4.0", "MIT", "The darksecrets authors"):
        assert words in footer


@pytest.fixture
def built(tmp_path, toy_root, monkeypatch):
    """A copy of the built toy book, and its directory as the current one."""
    root = shutil.copytree(toy_root, tmp_path / "built", ignore=shutil.ignore_patterns("_runs", "source", "archive"))
    for name in publication.ENCLOSED:
        shutil.copy(ROOT / name, root)
    monkeypatch.chdir(root)
    return root


def pack():
    return CliRunner().invoke(main, ["archive"], catch_exceptions=False)


def test_the_archive_is_the_book_and_the_same_each_time(built, tmp_path):
    assert pack().exit_code == 0
    name = f"darksecrets-book-{darksecrets.__version__}"
    archive = built / f"_build/archive/{name}.zip"
    first = archive.read_bytes()
    for path in built.rglob("*.html"):
        path.touch()
    assert pack().exit_code == 0
    assert archive.read_bytes() == first
    assert archive.with_suffix(".zip.sha256").read_text() == f"{hashlib.sha256(first).hexdigest()}  {name}.zip\n"
    assert sorted(path.name for path in archive.parent.iterdir()) == [f"{name}.zip", f"{name}.zip.sha256"]
    with zipfile.ZipFile(archive) as packed:
        assert packed.testzip() is None
        assert packed.namelist() == sorted(packed.namelist())
        packed.extractall(tmp_path / "unpacked")
    html = tmp_path / "unpacked" / name
    start = BeautifulSoup((html / "index.html").read_text(), "html.parser").select_one("meta[http-equiv]")
    assert (html / start["content"].split("url=")[1]).is_file()
    assert {*publication.ENCLOSED} <= {path.name for path in html.iterdir()}
    assert audit.audit(html, contents.names(built), hidden=(str(built),)) == []


def test_make_packs_no_book_with_a_fault():
    rules = dict(re.findall(r"^([a-z-]+):(.*)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert rules["archive"].split()[0] == "audit"


def test_where_there_is_no_book_nothing_is_packed(built):
    shutil.rmtree(built / "_build")
    result = pack()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: there is no book in _build/html; build it with `make book`\n"
    assert not (built / "_build").exists()
