"""The run store: computed once, whole or not at all, by any number of processes, whatever dies meanwhile."""

import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darksecrets.errors import InputError
from darksecrets.files import HALF
from darksecrets.runs import Store, fingerprint, kept_tables
from tests.conftest import wait_for

TABLE = pd.DataFrame({"layer": [0, 0], "head": [0, 1], "value": [0.25, 0.5]})


def count_calls(store, ingredients, content="text"):
    calls = []

    def compute(directory):
        calls.append(directory)
        (directory / "file.txt").write_text(content)

    return store.result("kind", ingredients, compute), len(calls)


def test_a_result_is_computed_once_and_found_by_another_store(tmp_path):
    path, calls = count_calls(Store(tmp_path), {"seed": 1})
    assert calls == 1
    assert (path / "file.txt").read_text() == "text"
    assert count_calls(Store(tmp_path), {"seed": 1}) == (path, 0)
    assert count_calls(Store(tmp_path), {"seed": 2})[1] == 1


def test_the_record_says_what_where_and_when(tmp_path):
    path, _ = count_calls(Store(tmp_path), {"seed": 1})
    record = json.loads((path / "result.json").read_text())
    assert record["ingredients"] == {"seed": 1}
    assert record["machine"]["packages"]["torch"].startswith("2.")
    assert set(record["files"]) == {"file.txt"}
    assert record["seconds"] >= 0


def test_a_store_says_what_it_has(tmp_path):
    assert not Store(tmp_path).has("kind", {"seed": 1})
    path, _ = count_calls(Store(tmp_path), {"seed": 1})
    assert Store(tmp_path).has("kind", {"seed": 1})
    assert not Store(tmp_path).has("kind", {"seed": 2})
    assert not Store(tmp_path).has("other", {"seed": 1})
    (path / "file.txt").write_text("changed")
    assert not Store(tmp_path).has("kind", {"seed": 1})


@pytest.mark.parametrize("damage", ["truncate", "delete", "garble record", "delete record"])
def test_a_damaged_result_is_named_and_computed_again(tmp_path, capsys, damage):
    path, _ = count_calls(Store(tmp_path), {})
    victim = path / ("result.json" if "record" in damage else "file.txt")
    victim.unlink() if "delete" in damage else victim.write_text("{te")
    again, calls = count_calls(Store(tmp_path), {})
    assert (again, calls) == (path, 1)
    assert (path / "file.txt").read_text() == "text"
    assert capsys.readouterr().err.count(path.name) == 1


def test_a_failed_computation_leaves_no_result_and_keeps_its_partial_files(tmp_path):
    store = Store(tmp_path)

    def fail(directory):
        (directory / "half").write_text("half")
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        store.result("kind", {}, fail)
    path = store.result("kind", {}, lambda directory: (directory / "half").rename(directory / "whole"))
    assert [file.name for file in sorted(path.iterdir())] == ["result.json", "whole"]


WORKER = """
import sys, time
from pathlib import Path
from darksecrets.runs import Store

def compute(directory):
    with (Path(sys.argv[1]) / "calls").open("a") as calls:
        calls.write("x")
    (directory / "part").write_text("1")
    time.sleep(float(sys.argv[2]))
    (directory / "file.txt").write_text("done")

print(Store(sys.argv[1]).result("kind", {}, compute))
"""


def start(root, seconds):
    return subprocess.Popen([sys.executable, "-c", WORKER, str(root), str(seconds)], stdout=subprocess.PIPE, text=True)


def test_two_processes_compute_a_result_once(tmp_path):
    workers = [start(tmp_path, 1.0) for _ in range(2)]
    paths = {worker.communicate(timeout=60)[0] for worker in workers}
    assert len(paths) == 1
    assert (tmp_path / "calls").read_text() == "x"


def test_a_killed_process_leaves_no_lock_and_no_half_result(tmp_path):
    worker = start(tmp_path, 60)
    wait_for(lambda: list(tmp_path.glob("kind/*.partial/part")))
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert not [path for path in tmp_path.glob("kind/*") if not path.suffix]
    path, calls = count_calls(Store(tmp_path), {})
    assert calls == 1
    assert (path / "file.txt").read_text() == "text"


def test_a_result_that_lacked_its_name_alone_is_not_computed_again(tmp_path):
    path, _ = count_calls(Store(tmp_path), {})
    path.rename(path.with_suffix(".partial"))
    again, calls = count_calls(Store(tmp_path), {})
    assert (again, calls) == (path, 0)


def test_half_written_files_are_no_part_of_a_result(tmp_path):
    path, _ = count_calls(Store(tmp_path), {})
    path.rename(path.with_suffix(".partial"))
    (path.with_suffix(".partial") / "result.json").unlink()
    (path.with_suffix(".partial") / f".file.txt.1{HALF}").write_text("ha")
    again, calls = count_calls(Store(tmp_path), {})
    assert calls == 1
    assert sorted(file.name for file in again.iterdir()) == ["file.txt", "result.json"]


def test_what_was_abandoned_long_ago_is_removed(tmp_path):
    old, new = tmp_path / "kind" / "old.partial", tmp_path / "kind" / "new.partial"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    count_calls(Store(tmp_path), {})
    assert not old.exists()
    assert new.exists()


def test_records_that_are_damaged_are_named_and_left_out(tmp_path, capsys):
    for seed in (0, 1):
        path, _ = count_calls(Store(tmp_path), {"seed": seed})
    record = path / "result.json"
    record.write_text(record.read_text().replace('"seed": 1', '"seed": 2'))
    assert [found["ingredients"] for found in Store(tmp_path).records("kind")] == [{"seed": 0}]
    assert f"{path.name} is left out (result.json has changed)" in capsys.readouterr().err


def test_tables_come_back_as_they_were(tmp_path):
    made = Store(tmp_path).table("table", {"a": 1}, lambda: TABLE)
    read = Store(tmp_path).table("table", {"a": 1}, lambda: pytest.fail("computed again"))
    pd.testing.assert_frame_equal(made, TABLE)
    pd.testing.assert_frame_equal(read, TABLE)


def test_a_run_gathers_tables_with_their_provenance(tmp_path):
    run = Store(tmp_path).run("glue-1")
    assert run.tables() == [] and run.provenance == {}
    run.save("scores", TABLE, checkpoint="minilm", seeds=[0])
    run.save("changes", TABLE.head(1))
    assert run.tables() == ["changes", "scores"]
    pd.testing.assert_frame_equal(Store(tmp_path).run("glue-1").table("scores"), TABLE)
    assert run.provenance["tables"]["scores"]["made_from"] == {"checkpoint": "minilm", "seeds": [0]}
    assert run.provenance["tables"]["changes"]["rows"] == 1


def test_the_same_table_has_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        Store(tmp_path).run(name).save("scores", TABLE)
    first, second = (Store(tmp_path).run(name).provenance["tables"]["scores"]["sha256"] for name in ("one", "two"))
    assert first == second


def test_a_missing_table_names_those_there_are(tmp_path):
    run = Store(tmp_path).run("mine")
    run.save("scores", TABLE)
    with pytest.raises(InputError, match=r"no table 'score'; it has: scores"):
        run.table("score")


def test_a_run_knows_what_a_table_was_made_from(tmp_path):
    run = Store(tmp_path).run("mine")
    assert run.made_from("scores") == {}
    run.save("scores", TABLE, seeds=[0, 1])
    assert run.made_from("scores") == {"seeds": [0, 1]}
    assert run.made_from("others") == {}


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_run_cannot_leave_the_store(tmp_path, name):
    with pytest.raises(InputError, match="run name"):
        Store(tmp_path).run(name)


def test_a_store_must_be_a_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        Store(tmp_path / "file")


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_a_fingerprint_does_not_depend_on_order(ingredients):
    assert fingerprint(ingredients) == fingerprint(dict(reversed(ingredients.items())))
    assert fingerprint(ingredients) != fingerprint({**ingredients, "one more": 1})


def test_tables_that_were_saved_since_are_kept_and_brought_back(tmp_path):
    run = Store(tmp_path).run("mine")
    run.save("earlier", TABLE)
    before = run.written()
    run.save("scores", TABLE, seeds=[0])
    run.save("again", TABLE.head(1))
    records = run.keep(before, tmp_path / "kept")
    assert records == kept_tables(tmp_path / "kept") == {n: run.provenance["tables"][n] for n in ("again", "scores")}
    assert run.restore(tmp_path / "kept") == []
    (run.directory / "scores.parquet").unlink()
    run.save("again", TABLE)
    assert run.restore(tmp_path / "kept") == ["again", "scores"]
    pd.testing.assert_frame_equal(run.table("scores"), TABLE)
    assert run.made_from("scores") == {"seeds": [0]}


def test_a_table_that_was_saved_once_more_with_the_same_bytes_is_kept(tmp_path):
    run = Store(tmp_path).run("mine")
    run.save("scores", TABLE)
    before = run.written()
    run.save("scores", TABLE)
    assert list(run.keep(before, tmp_path / "kept")) == ["scores"]
