"""The kernel of the next page starts while a page is at work, and none of them stays behind."""

import psutil
import pytest

from darksecrets.book import execute, kernels
from tests.book import toy

SAVE = """\
import pandas
from darksecrets.runs import Store
Store(store).run(run).save('first', pandas.DataFrame({"layer": [1]}))"""


def _spec(folder, *code):
    return kernels.KernelSpec(toy.notebook(*code), folder)


def _processes():
    return {process for process in psutil.Process().children(recursive=True) if process.is_running()}


def _process(manager):
    return psutil.Process(manager.provisioner.pid)


def _started_ahead(started, first, second):
    """Use the kernel of the first notebook; return its process, and that of the kernel started for the second."""
    before = _processes()
    with started.acquire(first, second) as manager:
        one = _process(manager)
        (ahead,) = {process for process in _processes() - before - {one} if process.ppid() == one.ppid()}
    return one, ahead


def test_the_imports_of_cells_are_found_and_nothing_else(tmp_path):
    code = (
        "import os, sys as system\nx = 1",
        "%matplotlib inline\nimport json",
        "if x:\n    import re",
        "from a.b import c",
    )
    assert _spec(tmp_path, *code).imports == "import os, sys as system\nfrom a.b import c"


def test_the_next_kernel_starts_meanwhile(tmp_path):
    first, second = _spec(tmp_path, "a = 1"), _spec(tmp_path, "b = 1")
    with kernels.Kernels() as started:
        one, ahead = _started_ahead(started, first, second)
        with started.acquire(second) as manager:
            assert _process(manager) == ahead
    assert not one.is_running()
    assert not ahead.is_running()


def test_a_kernel_that_is_not_used_after_all_ends_without_a_word(tmp_path, capfd):
    with kernels.Kernels() as started, started.acquire(_spec(tmp_path, "import pandas")) as manager:
        used = _process(manager)
    assert not used.is_running()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("change", ["another", "dead"])
def test_a_kernel_that_is_of_no_use_is_replaced(tmp_path, change):
    first, second, other = (_spec(tmp_path, f"{page} = 1") for page in ("first", "second", "other"))
    before = _processes()
    with kernels.Kernels() as started:
        _, ahead = _started_ahead(started, first, second)
        if change == "dead":
            ahead.kill()
            ahead.wait()
        with started.acquire(second if change == "dead" else other) as manager:
            assert _process(manager) != ahead
    assert _processes() <= before


def test_a_page_finds_its_imports_made_and_its_names_free(tmp_path):
    look = "import sys\n'colorsys' in sys.modules, 'colorsys' in globals()"
    pages = execute.execute(toy.load(toy.write(tmp_path, look, "import colorsys")))
    assert pages["notebooks/01-toy"].cells[-2].outputs[0].data["text/plain"] == "(True, False)"


def test_none_stays_after_a_page_that_fails(tmp_path):
    toy.write_two(tmp_path, "1 / 0", "1 / 0")
    before = _processes()
    with pytest.raises(execute.ExecutionError):
        execute.execute(toy.load(tmp_path))
    assert _processes() <= before


def test_a_kernel_that_dies_of_its_imports_is_named(tmp_path):
    toy.write(tmp_path, "import deadly")
    (tmp_path / "notebooks/deadly.py").write_text("import os\nos._exit(1)\n")
    with pytest.raises(execute.ExecutionError, match=r"(?s)notebook 01-toy failed in cell 1:.*the kernel died"):
        execute.execute(toy.load(tmp_path))


def test_each_page_keeps_copies_of_its_own_tables(tmp_path):
    execute.execute(toy.load(toy.write_two(tmp_path, SAVE, SAVE.replace("'first'", "'second'"))))
    copies = sorted((tmp_path / "_runs/notebook").glob("*/tables/*.parquet"))
    assert sorted(path.name for path in copies) == ["first.parquet", "second.parquet"]
    assert len({path.parents[1] for path in copies}) == 2
