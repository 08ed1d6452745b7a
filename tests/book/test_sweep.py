"""Grids, the units that they ask for, and their execution: by the command on this machine, and by Snakemake."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest
from click.testing import CliRunner

from darksecrets.__main__ import main
from darksecrets.book import sweep
from darksecrets.errors import InputError
from tests.book import toy
from tests.conftest import ROOT, wait_for

GRID = "profile: toy\nparameters:\n  layers: [1, 2]\n  labels: [[a, b], [c]]\nchapters: [01-toy]\n"
SAVE = """\
import pandas
from darksecrets.runs import Store
frame = pandas.DataFrame({"layer": range(layers), "label": labels[-1]})
Store(store).run(run).save("toy", frame)"""
SMALL = GRID.replace(", [c]", "")
SLOW = SAVE + "\nimport time\ntime.sleep(2)"
SWEEP = [sys.executable, "-m", "darksecrets", "sweep", "grid.yml", "--jobs", "2"]
FAILS = SAVE + "\nif layers == 2:\n    raise ValueError('two is too many')"


def write(root: Path, code: str = SAVE, grid: str = SMALL) -> Path:
    """Write the toy book with a grid and the project's Snakefile; return the grid."""
    toy.write(root, code)
    shutil.copy(ROOT / "Snakefile", root / "Snakefile")
    (root / "grid.yml").write_text(grid)
    return root / "grid.yml"


def plan(root: Path) -> list[list[sweep.Unit]]:
    return sweep.plan(root, root / "grid.yml")


def notebooks(root: Path) -> dict[Path, int]:
    """All executed notebooks of the store, by when they were written."""
    return {path: path.stat().st_mtime_ns for path in (root / "_runs").rglob("*.ipynb")}


@pytest.fixture
def type_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, ["sweep", *words], catch_exceptions=False)


def test_every_combination_is_a_run_with_a_name_that_can_be_read(tmp_path):
    write(tmp_path, grid=GRID)
    names = [cell[0].cell.run for cell in plan(tmp_path)]
    assert [name.rpartition("-")[0] for name in names] == [
        "layers-1-labels-a-b",
        "layers-1-labels-c",
        "layers-2-labels-a-b",
        "layers-2-labels-c",
    ]
    assert len(set(names)) == 4
    assert plan(tmp_path)[0][0].values == {
        "layers": 1,
        "labels": ["a", "b"],
        "shuffle": False,
        "scale": 0.5,
        "store": "../_runs",
        "run": names[0],
    }


def test_a_chapter_declares_its_notebook_and_the_tables_of_its_claims():
    cell = sweep.plan(ROOT, ROOT / "notebooks/grids/pocket.yml")[0]
    for unit in cell:
        saved = {path.stem for path in unit.outputs[1:]}
        assert saved == set(sweep.tables(unit.chapter))
        assert saved <= {path.stem for path in (ROOT / "notebooks/reference").glob("*.parquet")}
        assert unit.notebook.name == f"{unit.chapter}.ipynb"
    assert cell[1].before == cell[0].fingerprint


def test_a_grid_over_what_no_notebook_declares_is_refused(tmp_path):
    write(tmp_path, grid="profile: toy\nseeds: [1]\n")
    with pytest.raises(InputError, match=r"grid.yml: seeds is given, but no notebook has a parameter seeds"):
        plan(tmp_path)


def test_a_dry_run_shows_the_plan_and_executes_nothing(type_in, tmp_path):
    write(tmp_path)
    result = type_in("grid.yml", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith("2 runs, 2 units: 0 done, 2 to do\n  layers-1-")
    assert not (tmp_path / "_runs").exists()


def test_a_failing_run_is_named_and_stops_no_other_and_after_mending_the_rest_is_done(type_in, tmp_path):
    write(tmp_path, FAILS)
    result = type_in("grid.yml", "--jobs", "2")
    assert result.exit_code == 1
    assert re.search(r"layers-2-\w{8} 01-toy failed in cell 3:\n", result.stderr)
    assert "    ValueError: two is too many" in result.stderr
    assert result.stderr.endswith("1 of 2 runs failed\n")
    assert [path.parent.name.rpartition("-")[0] for path in notebooks(tmp_path)] == ["layers-1"]
    assert len(list((tmp_path / "_build/failed").iterdir())) == 1
    toy.write(tmp_path, FAILS.replace("layers == 2", "layers == 3"))
    assert type_in("grid.yml", "--dry-run").stdout.startswith("2 runs, 2 units: 0 done")  # the code has changed
    assert type_in("grid.yml").exit_code == 0
    assert type_in("grid.yml").stdout.count("done before") == 2


def test_a_killed_sweep_leaves_nothing_half_and_its_units_end_well(tmp_path):
    """A unit is a process of its own: it has somewhere to write to, whatever becomes of the sweep."""
    write(tmp_path, SLOW)
    started = subprocess.Popen(SWEEP, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: len(_hidden_notebooks(tmp_path)) == 2)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert notebooks(tmp_path).keys() == {*_hidden_notebooks(tmp_path)}
    wait_for(lambda: not _hidden_notebooks(tmp_path))
    made = notebooks(tmp_path)
    assert all(cell[0].is_done() for cell in plan(tmp_path))
    ended = subprocess.run(SWEEP, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.count("done before") == len(made) == 2
    assert notebooks(tmp_path) == made


def _outside_of_the_store(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if "_runs" not in path.relative_to(root).parts[:1]}


def _hidden_notebooks(root: Path) -> list[Path]:
    return list(root.rglob(".*.ipynb"))


def test_a_sweep_leaves_nothing_behind_outside_of_its_store(tmp_path):
    write(tmp_path)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for words in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    before = _outside_of_the_store(tmp_path)
    subprocess.run(SWEEP, cwd=tmp_path, check=True)
    assert _outside_of_the_store(tmp_path) == before
    changed = ["git", "status", "--porcelain", "--untracked-files=all"]
    said = subprocess.run(changed, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert [line for line in said.splitlines() if not line.startswith("A  ")] == []


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_what_killed_units_leave_is_gone_after_a_rerun(tmp_path, kill):
    write(tmp_path, SLOW)
    before = _outside_of_the_store(tmp_path)
    started = subprocess.Popen(SWEEP, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(_hidden_notebooks(tmp_path)) == 2)
    units_at_work = psutil.Process(started.pid).children(recursive=True)
    started.send_signal(kill)
    started.wait()
    for process in units_at_work if kill == signal.SIGKILL else []:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    assert len(_hidden_notebooks(tmp_path)) == (2 if kill == signal.SIGKILL else 0)
    subprocess.run(SWEEP, cwd=tmp_path, capture_output=True, check=True)
    assert _hidden_notebooks(tmp_path) == []
    assert _outside_of_the_store(tmp_path) == before


def test_two_clones_on_one_store_do_a_unit_one_after_the_other(tmp_path):
    log = "from pathlib import Path\nlog = Path(store, 'log').open('a', buffering=1)\n"
    code = log + "import time\nlog.write('begins\\n')\ntime.sleep(1)\nlog.write('ends\\n')"
    started = []
    for clone in ("one", "other"):
        write(tmp_path / clone, code, "profile: toy\nparameters: {layers: [1]}\nchapters: [01-toy]\n")
        (tmp_path / clone / "notebooks/profiles/toy.yml").write_text("store: ../../shared\n")
        started.append(subprocess.Popen(SWEEP, cwd=tmp_path / clone, stdout=subprocess.DEVNULL))
    assert [process.wait() for process in started] == [0, 0]
    assert (tmp_path / "shared/log").read_text().split() in (["begins", "ends"] * 2, ["begins", "ends"])


def snakemake(root: Path, *words: str) -> str:
    """Run Snakemake on the toy grid; return what it said."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", "--config", "grid=grid.yml", *words]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


def test_snakemake_does_each_unit_once_and_only_what_is_missing(tmp_path):
    write(tmp_path)
    assert re.search(r"01-toy +2\n", snakemake(tmp_path))
    made = notebooks(tmp_path)
    assert {path.name for path in made} == {"01-toy.ipynb"}
    assert "Nothing to be done" in snakemake(tmp_path)
    missing = next(iter(made))
    missing.unlink()
    assert re.search(r"01-toy +1\n", snakemake(tmp_path))
    assert [path for path, when in notebooks(tmp_path).items() if when != made[path]] == [missing]
    assert all(cell[0].is_done() for cell in plan(tmp_path))  # to the command as well
    tables = [pd.read_parquet(path) for path in sorted((tmp_path / "_runs").rglob("toy.parquet"))]
    assert sorted((len(table), table["label"][0]) for table in tables) == [(1, "b"), (2, "b")]


def test_the_slurm_profile_is_read_by_snakemake(tmp_path):
    write(tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    said = snakemake(tmp_path, "threads=2", "--profile", "profiles/slurm", "--dry-run")
    assert re.search(r"01-toy +2\n", said)
    assert "threads: 2" in said
    assert "slurm_partition=my-partition" in said
