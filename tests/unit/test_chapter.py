"""What a notebook does first: names that nobody declares, places, and errors as Jupyter shows them."""

import shutil
from pathlib import Path

import nbformat
import pytest

from darksecrets.book import chapter
from darksecrets.errors import InputError
from tests.book import by_hand, toy
from tests.conftest import ROOT

INJECTED = "# Parameters\nseedz = 0"


@pytest.fixture
def source(tmp_path, monkeypatch):
    path = by_hand.book(tmp_path / "book")
    monkeypatch.chdir(path.parents[1])
    return path


def test_a_misspelt_name_that_papermill_only_warns_of_is_one_line_with_the_nearest(source):
    with pytest.raises(InputError) as caught:
        by_hand.run(*by_hand.prepared(source, "-p", "sedes", "0", "-p", "tasks", "RTE"))
    assert str(caught.value).startswith("parameters: unknown name 'sedes'; did you mean 'seeds'? accepted are first, ")


def test_a_name_of_another_chapter_does_not_matter(source):
    root = source.parents[1]
    nbformat.write(toy.notebook("layers"), source.with_name("02-other.ipynb"))
    (root / "_toc.yml").write_text(toy.CONTENTS + "  - file: notebooks/02-other\n")
    assert by_hand.run(*by_hand.prepared(source, "-p", "layers", "5", "-p", "seeds", "1"))["seeds"] == [1]


@pytest.mark.parametrize(
    "cells",
    [
        (by_hand.PARAMETERS, "mine = 3", by_hand.BEGIN),
        (by_hand.PARAMETERS, INJECTED, by_hand.PARAMETERS, by_hand.BEGIN),
        (by_hand.PARAMETERS, by_hand.BEGIN, "table = [1]\nseedz: int = 0", by_hand.BEGIN),
        (by_hand.PARAMETERS, "1 +", by_hand.BEGIN),
    ],
    ids=["own names", "mended since", "run again", "a cell with a mistake"],
)
def test_what_a_person_types_in_jupyterlab_is_no_parameter(source, cells):
    shell = by_hand.shell()
    for cell in cells[:-1]:
        shell.run_cell(cell, store_history=True)
    shell.run_cell(cells[-1], store_history=True).raise_error()
    assert shell.user_ns["seeds"] == [0]


def test_a_chapter_works_in_the_notebooks_folder_wherever_it_is_started(source, monkeypatch):
    for start in (source.parents[1], source.parent, source.parent / "profiles"):
        monkeypatch.chdir(start)
        assert by_hand.run(*by_hand.prepared(source))["store"] == "../_runs"
        assert Path.cwd() == source.parent


def test_a_copy_of_the_notebooks_folder_alone_is_one(source, tmp_path, monkeypatch):
    folder = tmp_path / "copied"
    shutil.copytree(source.parent, folder)
    monkeypatch.chdir(folder)
    assert chapter.notebooks_folder() == folder
    with pytest.raises(InputError, match="unknown name 'sedes'; did you mean 'seeds'"):
        by_hand.run(*by_hand.prepared(folder / source.name, "-p", "sedes", "1"))


def test_in_the_repository_it_is_the_folder_of_its_notebooks(monkeypatch):
    for start in (ROOT, ROOT / "profiles/slurm", ROOT / "notebooks/reference"):
        monkeypatch.chdir(start)
        assert chapter.notebooks_folder() == ROOT / "notebooks"


def test_outside_of_any_book_it_is_the_one_that_the_library_belongs_to(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\n")  # somebody else's book
    monkeypatch.chdir(tmp_path)
    assert chapter.notebooks_folder() == ROOT / "notebooks"


@pytest.mark.parametrize("name", ["corpus", "own_labels", "store"])
def test_a_path_that_starts_elsewhere_is_one_line_with_the_right_one(source, name):
    Path("mine").mkdir()
    cell = f'{name}: str = "mine"  # a place'
    with pytest.raises(InputError, match=f"{name} is 'mine', but paths start at the notebooks' folder; give '../mine'"):
        by_hand.run(cell, by_hand.BEGIN)
    assert Path.cwd() == source.parents[1]
    (source.parents[1] / "pocket").mkdir()
    assert by_hand.run('corpus: str = "pocket"  # a name', by_hand.BEGIN)["corpus"] == "pocket"


def test_paths_are_those_of_a_profile(source, monkeypatch):
    monkeypatch.setenv("HOME", str(source.parents[1]))
    assert by_hand.run('store: str = "~/cache"', by_hand.BEGIN)["store"] == "../cache"
    assert by_hand.run('own_labels: str = ""', by_hand.BEGIN)["own_labels"] == ""
    with pytest.raises(InputError, match="corpus 'nowhere' is not a directory"):
        by_hand.run('corpus: str = "nowhere"\ntasks: list[str] = ["RTE"]', by_hand.BEGIN)


def test_jupyter_shows_the_line_and_no_traceback(source, capsys):
    shell = by_hand.shell()
    shell.run_cell("from darksecrets.errors import InputError\nraise InputError('no such task;\\naccepted are a, b')")
    said = capsys.readouterr()
    assert (said.out + said.err).strip() == "InputError: no such task; accepted are a, b"
