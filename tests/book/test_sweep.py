"""Grids, the units that they ask for, and their execution: by the command on this machine, and by Snakemake."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
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
from tests.conftest import ROOT

GRID = "profile: toy\nparameters:\n  layers: [1, 2]\n  labels: [[a, b], [c]]\nchapters: [01-toy]\n"
SAVE = """\
import pandas
from darksecrets.runs import Store
frame = pandas.DataFrame({"layer": range(layers), "label": labels[-1]})
Store(store).run(run).save("toy", frame)"""
SMALL = GRID.replace(", [c]", "")
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


WRONG = {
    "unknown key": ("checkpoint: [a]", "grid.yml: unknown name 'checkpoint'; did you mean 'checkpoints'? accepted"),
    "not a list": ("parameters: {layers: 3}", "grid.yml: layers is 3; write a list with at least one value, as in "),
    "empty": ("parameters: {layers: []}", "grid.yml: layers is []; write a list with at least one value"),
    "nothing": ("profile: toy", "grid.yml names no values; give at least one of checkpoints, corpora, tasks, seeds"),
    "a list": ("[1, 2]", "grid.yml holds a list; write one `name: value` a line"),
    "no YAML": ("a: [", "grid.yml is not YAML that can be read"),
    "twice": ("parameters: {layers: [1, 2, 1]}", "grid.yml: layers has 1 more than once; give each once"),
    "type": ("parameters: {layers: [many]}", 'grid.yml: layers is "many", but it takes a whole number'),
    "unknown parameter": ("parameters: {layer: [1]}", "grid.yml: parameters: unknown name 'layer'; did you mean "),
    "the store": ("parameters: {store: [a]}", "grid.yml: parameters: unknown name 'store';"),
    "axis of no notebook": ("seeds: [1]", "grid.yml: seeds is given, but no notebook has a parameter seeds"),
    "parameters": ("parameters: [layers]", "grid.yml: parameters is ['layers']; write a list of values for each"),
    "chapter": ("chapters: [02-toy]\nparameters: {layers: [1]}", "grid.yml: chapters: unknown name '02-toy'; did you"),
    "no chapters": ("chapters: []\nparameters: {layers: [1]}", "grid.yml: chapters is []; write a list such as"),
    "a chapter twice": ("chapters: [01-toy, 01-toy]\nparameters: {layers: [1]}", "grid.yml: chapters has 01-toy more"),
    "profile": ("profile: tiny\nparameters: {layers: [1]}", "profile: unknown name 'tiny'"),
    "profile of two": ("profile: [toy]\nparameters: {layers: [1]}", "grid.yml: profile is ['toy']; give the name"),
    "empty value": ("parameters: {labels: [[]]}", "grid.yml, cell 'grid': labels is empty; give at least one"),
}


@pytest.mark.parametrize(("content", "line"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_grid_is_one_line_and_exit_code_2(type_in, tmp_path, content, line):
    given = content if "profile" in content or content[0] in "[a" else f"profile: toy\n{content}"
    write(tmp_path, grid=given + "\n")
    result = type_in("grid.yml")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {line}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "_runs").exists()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("checkpoints: [nowhere/at-all.bin, ./missing]", "cell"),
        ("corpora: [./missing]", "is not a directory: give 'pocket', 'hub' or"),
        ("tasks: [RTE, COLA]", "COLA"),
        ("seeds: [-1]", "seeds is [-1]"),
    ],
)
def test_cells_of_the_real_book_are_checked_profiles(tmp_path, line, complaint, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "grid.yml").write_text(line)
    with pytest.raises(InputError, match=re.escape(complaint)):
        sweep.plan(ROOT, tmp_path / "grid.yml")


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


def test_a_killed_sweep_leaves_nothing_half_and_goes_on(tmp_path):
    write(tmp_path, SAVE + "\nimport time\ntime.sleep(1)")
    command = [sys.executable, "-m", "darksecrets", "sweep", "grid.yml", "--jobs", "2"]
    started = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True)
    runs = tmp_path / "_runs/runs"
    while not any(runs.glob("*/.*.ipynb")):
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert not list(runs.glob("*/01-toy.ipynb"))
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "[2/2]" in ended.stdout
    assert len(list(runs.glob("*/01-toy.ipynb"))) == 2
    latest = time.monotonic() + 60  # a unit is a process of its own, and outlives a killed sweep until it is done
    while any(runs.glob("*/.*.ipynb")) and time.monotonic() < latest:
        time.sleep(0.1)
    assert not list(runs.glob("*/.*.ipynb"))


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
    subprocess.run([sys.executable, "-m", "darksecrets", "sweep", "grid.yml"], cwd=tmp_path, check=True)
    assert _outside_of_the_store(tmp_path) == before
    changed = ["git", "status", "--porcelain", "--untracked-files=all"]
    said = subprocess.run(changed, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert [line for line in said.splitlines() if not line.startswith("A  ")] == []


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_what_killed_units_leave_is_gone_after_a_rerun(tmp_path, kill):
    write(tmp_path, SAVE + "\nimport time\ntime.sleep(2)")
    before = _outside_of_the_store(tmp_path)
    command = [sys.executable, "-m", "darksecrets", "sweep", "grid.yml", "--jobs", "2"]
    started = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(_hidden_notebooks(tmp_path)) < 2:
        time.sleep(0.05)
    units_at_work = psutil.Process(started.pid).children(recursive=True)
    started.send_signal(kill)
    started.wait()
    for process in units_at_work if kill == signal.SIGKILL else []:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    assert len(_hidden_notebooks(tmp_path)) == (2 if kill == signal.SIGKILL else 0)
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert _hidden_notebooks(tmp_path) == []
    assert _outside_of_the_store(tmp_path) == before


def test_two_clones_on_one_store_do_a_unit_one_after_the_other(tmp_path):
    log = "from pathlib import Path\nlog = Path(store, 'log').open('a', buffering=1)\n"
    code = log + "import time\nlog.write('begins\\n')\ntime.sleep(1)\nlog.write('ends\\n')"
    command = [sys.executable, "-m", "darksecrets", "sweep", "grid.yml"]
    started = []
    for clone in ("one", "other"):
        write(tmp_path / clone, code, "profile: toy\nparameters: {layers: [1]}\nchapters: [01-toy]\n")
        (tmp_path / clone / "notebooks/profiles/toy.yml").write_text("store: ../../shared\n")
        started.append(subprocess.Popen(command, cwd=tmp_path / clone, stdout=subprocess.DEVNULL))
    assert [process.wait() for process in started] == [0, 0]
    assert (tmp_path / "shared/log").read_text().split() in (["begins", "ends"] * 2, ["begins", "ends"])


def test_a_unit_ends_well_after_its_sweep_was_killed(tmp_path):
    """It has somewhere to write to, whatever becomes of the process that reads that."""
    write(tmp_path, SAVE + "\nimport time\ntime.sleep(1)")
    command = [sys.executable, "-m", "darksecrets", "sweep", "grid.yml", "--jobs", "2"]
    started = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True)
    runs = tmp_path / "_runs/runs"
    while len(list(runs.glob("*/.*.ipynb"))) < 2:
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    latest = time.monotonic() + 60
    while any(runs.glob("*/.*.ipynb")) and time.monotonic() < latest:
        time.sleep(0.1)
    assert len(list(runs.glob("*/01-toy.ipynb"))) == 2
    assert all(cell[0].is_done() for cell in plan(tmp_path))


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
