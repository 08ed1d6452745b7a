"""Papermill with its traps closed: what fails is named and never looks finished."""

import contextlib
import io
import time

import nbformat
import pytest

from darksecrets.book import execute
from darksecrets.book.progress import CellProgress
from darksecrets.errors import InputError
from darksecrets.models import checkpoints
from tests.book import toy


def _run(root, *code, overrides=()):
    return execute.execute(toy.load(toy.write(root, *code), overrides))


def _finished(root):
    return list((root / "_runs").rglob("notebook.ipynb"))


@pytest.mark.parametrize(
    ("code", "cell", "complaint"),
    [
        ("1 / 0", 4, "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit()", 4, "sys.exit"),
        ("import os; os._exit(1)", 3, "the kernel died"),
    ],
    ids=["exception", "exit", "death"],
)
def test_a_failure_names_notebook_cell_and_cause(tmp_path, code, cell, complaint):
    with pytest.raises(execute.ExecutionError) as caught:
        _run(tmp_path, "a = 1" if cell == 4 else code, code, "a = 2")
    assert complaint in str(caught.value)
    assert "notebook 01-toy failed in cell" in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert (tmp_path / "_build/failed/01-toy.failed.ipynb").is_file()
    assert not _finished(tmp_path)


def test_the_failing_cell_is_counted_as_in_the_source(tmp_path):
    with pytest.raises(execute.ExecutionError, match="failed in cell 4:"):
        _run(tmp_path, "a = 1", "1 / 0")


def test_bad_input_found_by_a_kernel_is_one_line(tmp_path):
    with pytest.raises(InputError) as caught:
        _run(
            tmp_path, "from darksecrets.errors import InputError", "raise InputError('no such task; accepted are a, b')"
        )
    assert str(caught.value) == "01-toy: no such task; accepted are a, b"


def test_after_mending_the_notebook_runs_and_then_no_more(tmp_path, capsys):
    with pytest.raises(execute.ExecutionError):
        _run(tmp_path, "1 / 0")
    for _ in range(2):
        _run(tmp_path, "print(1 / 1)")
    output = capsys.readouterr().out
    assert output.count("[2/2] 01-toy ... unchanged") == 1
    assert not (tmp_path / "_build/failed").exists()
    assert len(_finished(tmp_path)) == 1


def test_a_file_of_labels_that_changed_makes_a_page_run_again_and_none_is_no_file(tmp_path, capsys):
    toy.write(tmp_path, "own_labels", parameters='own_labels: str = ""  # labels', profile="")
    labels = tmp_path / "notebooks" / "mine.csv"
    for content in ("id,label\n", "id,label\n0,Block\n"):
        labels.write_text(content)
        for overrides in ((), (f"own_labels={labels}",)):
            execute.execute(toy.load(tmp_path, overrides))
    said = [line.rsplit("... ", 1)[1] for line in capsys.readouterr().out.splitlines() if "01-toy ... " in line]
    assert ["unchanged" in line for line in said] == [False, False, True, False]


def test_pages_that_are_asked_for_run_alone_whatever_reference_run_there_is(tmp_path, capsys):
    profile = toy.load(toy.write(tmp_path, "print('tables are saved')"))
    reference = profile.folder / "reference" / "run.json"
    for only, content in (
        (["notebooks/01-toy"], "1"),
        (["notebooks/01-toy"], "2"),
        ([], "3"),
        (None, "3"),
        (None, "4"),
    ):
        reference.parent.mkdir(exist_ok=True)
        reference.write_text(content)
        assert list(execute.execute(profile, only)) == ([] if only == [] else ["notebooks/01-toy"])
    said = [line for line in capsys.readouterr().out.splitlines() if "]" in line and not line.endswith("...")]
    assert ["text" in line for line in said] == [False, False, True, False, True, False]
    assert ["unchanged" in line for line in said if "01-toy" in line] == [False, True, False, False]


SAVE = """import pandas
from darksecrets.runs import Store
Store(store).run(run).save("first", pandas.DataFrame({"layer": [1]}))"""


def _two_pages(root, first, second):
    """Execute a toy book of two notebooks; return which of them were executed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        execute.execute(toy.load(toy.write_two(root, first, second)))
    lines = said.getvalue().splitlines()
    return [name for name in ("01-toy", "02-toy") if not any(f"{name} ... unchanged" in line for line in lines)]


def test_a_page_is_executed_again_when_tables_before_it_change_and_not_when_only_their_page_does(tmp_path):
    second = "from darksecrets.runs import Store\nprint(Store(store).run(run).table('first')['layer'][0])"
    assert _two_pages(tmp_path, SAVE, second) == ["01-toy", "02-toy"]
    assert _two_pages(tmp_path, SAVE, second) == []
    assert _two_pages(tmp_path, f"{SAVE}  # the same table", second) == ["01-toy"]
    assert _two_pages(tmp_path, SAVE.replace("[1]", "[2]"), second) == ["01-toy", "02-toy"]


def test_kernels_are_headless_and_in_the_notebooks_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "import os, pathlib", "print(os.environ['DARKSECRETS_HEADLESS'], pathlib.Path.cwd().name, store)"
    cells = _run(tmp_path, *code, overrides=["store=results"])["notebooks/01-toy"].cells
    assert cells[-1].outputs[0].text == "1 notebooks ../results\n"
    assert (tmp_path / "results").is_dir()


def test_what_a_kernel_says_is_forwarded_but_errors_stay_out_of_the_page(tmp_path, capsys):
    code = "import sys", "print('step 1')\nprint('warned', file=sys.stderr)"
    cells = _run(tmp_path, *code)["notebooks/01-toy"].cells
    output = capsys.readouterr().out
    assert "      step 1\n" in output
    assert "      warned\n" in output
    assert [item.text for item in cells[-1].outputs] == ["step 1\n"]


def test_nothing_of_this_machine_or_hour_is_kept(tmp_path):
    notebook = _run(tmp_path, "a = 1")["notebooks/01-toy"]
    text = nbformat.writes(notebook)
    assert str(tmp_path) not in text
    assert "start_time" not in text
    assert "papermill" not in text


def test_a_long_cell_shows_that_it_lives(capsys):
    with CellProgress(n_cells=7, heartbeat=0.05) as progress:
        progress.cell_started(cell=None, cell_index=2)
        progress.write("10%\r20%\r30%\nhalf a li")
        progress.write("ne\n")
        time.sleep(0.3)
    output = capsys.readouterr().out
    assert "      30%\n      half a line\n" in output
    assert "... cell 3 of 7" in output


def test_a_checkpoint_that_the_hub_has_in_another_version_is_another_one(tmp_path, monkeypatch):
    cache = tmp_path / "cache" / "models--me--model"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache.parent))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def files(commit):
        (cache / "snapshots" / commit).mkdir(parents=True, exist_ok=True)
        (cache / "snapshots" / commit / "config.json").write_text(f'{{"made": "{commit[0] * int(commit[0])}"}}')
        (cache / "refs").mkdir(exist_ok=True)
        (cache / "refs" / "main").write_text(commit)
        checkpoints.hub_directory.cache_clear()  # as in another process
        values = {"checkpoint": "me/model"}
        return execute.ingredients("a-page", nbformat.v4.new_notebook(), values, tmp_path, "")["files"]

    first, second = files(40 * "1"), files(40 * "2")
    assert first["checkpoint"]
    assert first != second
