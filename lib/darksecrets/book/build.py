"""From executed notebooks to the book: stage, build strictly, and only then replace the book that is there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata, resources
from pathlib import Path

import nbformat
import vl_convert
import yaml
from nbformat import NotebookNode

from darksecrets.book import contents, library, publication
from darksecrets.book.execute import BUILD, execute
from darksecrets.book.profiles import FOLDER, Profile
from darksecrets.book.progress import alone, stage
from darksecrets.errors import FailedError, InputError
from darksecrets.files import full, says_full

HTML = BUILD / "html"
CONFIG = "_config.yml"
COPIED = ("*.md", "*.bib", "grids/*.yml")  # of the notebooks' folder, besides the executed notebooks
BIBLIOGRAPHY_ROLE = ('role="doc-biblioentry"', 'role="listitem"')  # docutils writes one that WAI-ARIA has withdrawn
MATHJAX = "sphinx-mathjax-offline"  # the package that carries MathJax 3; its folder is no Python name


class BuildError(FailedError):
    """The book could not be built; the message says why."""


def make(profile: Profile) -> Path:
    """Execute and build the whole book; return the directory of its pages.

    The book that was there stays until all has succeeded. Two builds in one directory take turns.
    """
    print(f"Book of run {profile.run}")
    with alone(profile.root / BUILD):
        _recover(profile.root / HTML)
        with stage("Execute the notebooks"):
            notebooks = execute(profile)
        return publish(profile.root, notebooks)


def publish(root: Path, notebooks: Mapping[str, NotebookNode]) -> Path:
    """Build the book under `root` from executed notebooks by page name; return the directory of its pages.

    Raises `BuildError` with the builder's warnings.
    """
    with stage("Stage the sources"):
        source = stage_sources(root, notebooks)
    with stage("Build the pages"):
        html = build_pages(source, root / BUILD / "fresh")
    final = root / HTML
    _exchange(html, final)
    print(f"The book is in {final.relative_to(root)}: open {final.relative_to(root) / 'index.html'}")
    return final


def built(root: Path) -> Path:
    """Return the directory of the built pages; raises `InputError` where there is no book."""
    if not (root / HTML).is_dir():
        raise InputError(f"there is no book in {os.path.relpath(root / HTML)}; build it with `make book`")
    return root / HTML


def stage_sources(root: Path, notebooks: Mapping[str, NotebookNode]) -> Path:
    """Put everything that the pages are made of into `_build/source` and return it."""
    source = root / BUILD / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    shutil.copy(root / contents.CONTENTS, source / contents.CONTENTS)
    config = yaml.safe_load((root / CONFIG).read_text(encoding="utf-8"))
    (source / CONFIG).write_text(yaml.safe_dump(publication.settings(config)), encoding="utf-8")
    for pattern in COPIED:
        for path in sorted((root / FOLDER).rglob(pattern)):
            _copy(path, source / path.relative_to(root))
    library.write(source / FOLDER / "api", contents.titles(root))
    for name, notebook in notebooks.items():
        target = source / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(_for_book(notebook), target)
    stage_assets(source / "assets")
    return source


def stage_assets(folder: Path) -> None:
    """Write the scripts and styles that the pages load: our own, Vega once for all charts, MathJax."""
    shutil.copytree(Path(str(resources.files("darksecrets.figures") / "assets")), folder)
    # In a function of its own: the bundle is written as a module, which browsers refuse in a book opened as a file.
    (folder / "vega.js").write_text(f"(() => {{{vl_convert.javascript_bundle()}}})();\n", encoding="utf-8")
    script = next(path for path in metadata.files(MATHJAX) or [] if path.name == "tex-svg.js")
    _copy(Path(script.locate()), folder / "mathjax" / "tex-svg.js")


def build_pages(source: Path, output: Path) -> Path:
    """Run Jupyter Book over staged sources, every warning an error; return the directory of pages, which all exist."""
    shutil.rmtree(output, ignore_errors=True)  # stale doctrees hide warnings
    jupyter_book = "from jupyter_book.cli.main import main; main()"  # this environment's, whatever PATH says
    command = [sys.executable, "-c", jupyter_book, "build", str(source), "--path-output", str(output)]
    command += ["--all", "-W", "-n", "--keep-going", "-q"]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"}, check=False)
    html = output / "_build" / "html"
    (source.parent / "build.log").write_text(run.stdout + run.stderr, encoding="utf-8")
    if run.returncode and says_full(run.stderr):
        raise full("the book", output)
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if line.strip() and not line.startswith("=====")]
        raise BuildError("Jupyter Book refused the sources:\n" + "\n".join(lines))
    missing = [name for name in contents.names(source) if not (html / f"{name}.html").is_file()]
    if missing:
        raise BuildError(f"Jupyter Book reported success, but did not build {', '.join(missing)}; see _build/build.log")
    for path in html.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(*BIBLIOGRAPHY_ROLE), encoding="utf-8")
    return html


def _exchange(new: Path, place: Path) -> None:
    old = _old(place)
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.replace(old)
    new.replace(place)
    shutil.rmtree(old, ignore_errors=True)


def _recover(place: Path) -> None:
    """Put the book back that an exchange had set aside when its process died."""
    if _old(place).exists() and not place.exists():
        _old(place).replace(place)


def _old(place: Path) -> Path:
    return place.with_name(f"{place.name}.old")


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _for_book(notebook: NotebookNode) -> NotebookNode:
    """Leave one form of each output: a directive, where there is one, is what the book shows."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                output["data"] = {"text/markdown": output["data"]["text/markdown"]}
    return notebook
