"""The recipes of `notebooks/contributing.md`, applied to a copy of the repository: what comes out is looked at."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.book import contract, toy
from tests.conftest import ROOT, save_encoder

BLOCK = re.compile(r"^```\{code-block\} (\w+)\n:caption: (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONTRIBUTING = ROOT / "notebooks/contributing.md"
RECIPES = BLOCK.findall(CONTRIBUTING.read_text(encoding="utf-8"))
CHANGED = {"lib/darksecrets/corpora/tasks.py", "lib/darksecrets/models/finetuning.py", "_toc.yml"}
NEW = {"lib/darksecrets/sections/distances.py", "tests/unit/test_distances.py", "new_chapter.py"}

FIRST_THREE = """
import sys

import pytest
from darksecrets.models import finetuning
from darksecrets.models.setup import Setup

setup = Setup("tiny", "glue", ["WNLI"], max_train=32, epochs=1, store="_runs")
model = setup.finetuned("WNLI", 0)
print(model.config.num_labels, len(setup.split("WNLI", "dev").examples), setup.notes()[0][:4])
print(finetuning.learning_rate("name/of-yours"), finetuning.learning_rate("tiny"), flush=True)
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/unit/test_distances.py"]))
"""


def apply(root: Path, language: str, file: str, text: str) -> None:
    """Write a new file, or change one: the lines before the change stand there exactly once."""
    path = root / file
    if language != "diff":
        assert not path.exists(), f"{file} exists already"
        path.write_text(text)
        return
    lines = text.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    content = path.read_text()
    assert content.count(before) == 1, f"{file} has no lines, or several, that read\n{before}"
    path.write_text(content.replace(before, after))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of library, tests and contents with all recipes applied, beside a tiny checkpoint and a tiny GLUE."""
    root = tmp_path_factory.mktemp("recipes")
    for name in ("lib/darksecrets", "notebooks/reference"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tests/unit", "notebooks/profiles"):
        (root / name).mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, root)
    for recipe in RECIPES:
        apply(root, *recipe)
    save_encoder(root / "tiny", "bert")
    (root / "glue/WNLI").mkdir(parents=True)
    rows = [f"{row}\tNumber {row} is {'odd' if row % 2 else 'even'}.\tIt is odd.\t{row % 2}" for row in range(48)]
    for split in ("train", "dev"):
        (root / f"glue/WNLI/{split}.tsv").write_text("\n".join(["index\tsentence1\tsentence2\tlabel", *rows]) + "\n")
    return root


def run(root: Path, *words: str) -> str:
    """Run Python in the copy, with the copy's library; return what it prints."""
    environment = os.environ | {"PYTHONPATH": f"{root / 'lib'}{os.pathsep}{ROOT}", "DARKSECRETS_HEADLESS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_recipe_changes_or_writes_the_file_that_it_names():
    assert {file for language, file, _ in RECIPES if language == "diff"} == CHANGED
    assert {file for language, file, _ in RECIPES if language != "diff"} == NEW


def test_a_recipe_that_no_longer_fits_is_noticed(tmp_path):
    (tmp_path / "file.py").write_text("a = 1\n")
    apply(tmp_path, "diff", "file.py", " a = 1\n+b = 2\n")
    assert (tmp_path / "file.py").read_text() == "a = 1\nb = 2\n"
    with pytest.raises(AssertionError, match="no lines, or several"):
        apply(tmp_path, "diff", "file.py", "-c = 1\n+c = 2\n")


def test_a_task_a_checkpoint_and_an_analysis_are_added(copy):
    fine_tuned, rates, *tests = run(copy, "-c", FIRST_THREE).splitlines()  # one process: torch is slow to import
    assert fine_tuned == "2 48 WNLI"
    assert rates == "5e-05 2e-05"
    assert "3 passed" in tests[-1]


def test_a_chapter_is_added_keeps_the_contract_and_stands_in_the_book(copy):
    run(copy, "new_chapter.py")
    chapter = copy / "notebooks/12-distances.ipynb"
    assert contract.violations(chapter) == []
    toc = yaml.safe_load((copy / "_toc.yml").read_text())
    assert {"file": "notebooks/12-distances"} in [page for part in toc["parts"] for page in part["chapters"]]
    toy.write(copy, profile="checkpoint: ../tiny\ncorpus: ../glue\ntasks: [WNLI]\nmax_examples: 8\n")
    (copy / "notebooks/00-introduction.md").write_text("# A toy book\n")
    (copy / "_toc.yml").write_text(toy.CONTENTS.replace("01-toy", "12-distances"))
    run(copy, "-m", "darksecrets", "book", "--profile", "toy")
    page = (copy / "_build/html/notebooks/12-distances.html").read_text()
    assert 'id="figure-far"' in page
    (table,) = (copy / "_runs/distances").glob("*/table.parquet")
    distances = pd.read_parquet(table)
    assert len(distances) == 3 * 4
    assert distances["mean_distance"].between(0, 20).all()
    farthest = f'<span class="pasted-text">{distances["mean_distance"].max():.1f}</span>'
    assert farthest in page


def test_names_and_files_in_the_prose_are_there():
    prose = re.sub(r"^```.*?^```", "", CONTRIBUTING.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    library = ROOT / "lib" / "darksecrets"
    modules = {path.relative_to(library).with_suffix("").as_posix(): path for path in library.rglob("*.py")}
    for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)*\.(?!py\b|ipynb\b|json\b|safetensors\b|tsv\b|yml\b)\w+)`", prose):
        *place, what = name.split(".")
        found = [path for module, path in modules.items() if f"/{module}".endswith(f"/{'/'.join(place)}")]
        assert any(
            re.search(rf"^(def|class) {what}\b|^{what}\b.* = ", path.read_text(), re.MULTILINE) for path in found
        ), name
    for file in re.findall(r"`([\w/-]+\.(?:py|ipynb))`", prose):
        assert any(
            (folder / file).is_file()
            for folder in (ROOT, library, library.with_name("pocketgrammar"), ROOT / "notebooks")
        ), file
