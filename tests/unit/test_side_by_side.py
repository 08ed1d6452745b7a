"""Several models trained side by side: the same bytes as one after the other, and no process outlives its parent."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from darksecrets.errors import InputError
from darksecrets.models import checkpoints, side_by_side
from darksecrets.models.setup import Setup
from darksecrets.models.side_by_side import Job
from tests.conftest import ROOT, wait_for, write_task

TASKS = ("RTE", "SST-2")
JOBS = [Job(initialization, task, 0) for task in TASKS for initialization in ("random", "pretrained")]


@pytest.fixture(scope="module")
def two_cores():
    """Let the machine seem to have two cores, whatever it has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
        yield


@pytest.fixture(scope="module")
def make(two_cores, tiny_bert, tmp_path_factory):
    """Make setups with the same parameters: each on its own copy of the corpus, with an empty store."""

    def setup():
        root = tmp_path_factory.mktemp("setup")
        for task in TASKS:
            write_task(root / "glue", task, n_rows=60)
        options = {"max_train": 48, "epochs": 20, "batch_size": 8, "learning_rate": 1e-3, "store": root / "store"}
        return Setup(tiny_bert, str(root / "glue"), list(TASKS), **options)

    return setup


@pytest.fixture(scope="module")
def apart(make):
    """All models, trained side by side and not interrupted."""
    setup = make()
    side_by_side.finetune(setup, [*JOBS, *JOBS])
    return setup


def finished(setup):
    """The directories of models that are finished: one that is not has another name, whatever it holds."""
    found = Path(setup.store).glob("finetuned/*/result.json")
    return [path.parent for path in found if not path.parent.suffix]


def trained(setup):
    """The bytes of all finished models in a setup's store, by directory."""
    return {directory.name: (directory / "model.safetensors").read_bytes() for directory in finished(setup)}


def processes():
    """Processes that train, of this user: number and parent's number."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if b"darksecrets.models.side_by_side" in (directory / "cmdline").read_bytes().split(b"\0"):
                state, parent = (directory / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    found[int(directory.name)] = int(parent)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def children(parent):
    return [number for number, owner in processes().items() if owner == parent]


@pytest.mark.parametrize(("n_cores", "n_models", "expected"), [(2, 1, 1), (2, 28, 2), (8, 3, 3), (1, 9, 1)])
def test_cores_are_shared_out(n_cores, n_models, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(n_cores)), raising=False)
    assert side_by_side.n_workers(n_models) == expected
    monkeypatch.setattr(checkpoints, "DEVICE", "cuda")
    assert side_by_side.n_workers(n_models) == 1


def test_models_are_those_of_a_training_in_this_process_with_as_many_threads(apart, make):
    here, n_threads = make(), torch.get_num_threads()
    torch.set_num_threads(2 // side_by_side.n_workers(len(JOBS)))
    try:
        for job in JOBS:
            here.finetuned(job.task, job.seed, job.initialization)
    finally:
        torch.set_num_threads(n_threads)
    assert len(trained(apart)) == len(JOBS)
    assert trained(apart) == trained(here)
    assert not children(os.getpid())


def test_what_is_there_starts_no_process_and_what_is_not_keeps_its_threads(make, monkeypatch):
    setup = make()
    side_by_side.finetune(setup, JOBS[:1])
    assert len(trained(setup)) == 1
    started = []
    run = subprocess.Popen

    def noted(*arguments, **options):
        started.append(arguments)
        return run(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", noted)
    side_by_side.finetune(setup, JOBS[:1], n_models=9)
    side_by_side.finetune(setup, [])
    assert not started
    side_by_side.finetune(setup, JOBS[:2])
    assert len(started) == 1, "one of two is left to do, with the threads that it would have had beside the other"
    assert len(trained(setup)) == 2


def test_a_worker_finds_what_cannot_be_used(make, capsys):
    setup = make()
    for task in TASKS:
        setup.split(task, "train")  # read in this process before it is spoilt
        (Path(setup.corpus) / task / "train.tsv").write_text("nothing\nof use\n")
    with pytest.raises(InputError, match=r"train\.tsv"):
        side_by_side.finetune(setup, JOBS)
    assert capsys.readouterr().err == ""
    assert not children(os.getpid())


def test_a_training_that_fails_is_named_with_its_reason(make, capsys):
    with pytest.raises(RuntimeError, match=r"pretrained weights on RTE, seed \d+ failed: ValueError: Seed must be"):
        side_by_side.finetune(make(), [Job("pretrained", "RTE", 2**40), Job("pretrained", "RTE", 2**40 + 1)])
    assert "Traceback" in capsys.readouterr().err
    assert not children(os.getpid())


def test_a_killed_worker_is_an_error_and_the_next_call_goes_on(apart, make, monkeypatch, capsys):
    killed = make()

    def kill():
        wait_for(lambda: finished(killed))
        for number in children(os.getpid()):
            os.kill(number, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RuntimeError, match=r"killed by signal 9.*run this again to continue"):
        side_by_side.finetune(killed, JOBS)
    killer.join()
    kept = trained(killed)
    assert 1 <= len(kept) < len(JOBS)
    monkeypatch.setattr(side_by_side, "SECONDS_BETWEEN_REPORTS", 0)
    capsys.readouterr()  # what the killed call may have reported
    side_by_side.finetune(killed, JOBS)
    assert trained(killed) == trained(apart)
    lines = capsys.readouterr().err.splitlines()
    n_left = len(JOBS) - len(kept)
    assert [line.split(": ")[0] for line in lines] == [f"fine-tuned {n + 1} of {n_left}" for n in range(n_left)]
    assert all(re.search(r"(random|pretrained) \S+ on (RTE|SST-2), seed 0, \d+ s$", line) for line in lines)


# No guard around the call: a worker must not run its parent's script again.
SCRIPT = """
import sys
from darksecrets.models import side_by_side
from darksecrets.models.setup import Setup

setup = Setup(sys.argv[1], sys.argv[2], ["RTE"], epochs=10000, learning_rate=1e-3, store=sys.argv[3])
side_by_side.os.sched_getaffinity = lambda _: {0, 1}
side_by_side.finetune(setup, [side_by_side.Job("pretrained", "RTE", seed) for seed in (0, 1)])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_the_process_that_started_it(number, tiny_bert, tmp_path):
    corpus = write_task(tmp_path / "glue", "RTE")
    script, store = tmp_path / "script.py", tmp_path / "store"
    script.write_text(SCRIPT)
    parent = subprocess.Popen(
        [sys.executable, str(script), tiny_bert, corpus, str(store)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    wait_for(lambda: len(list(store.glob("finetuned/*.partial"))) == 2)
    workers = children(parent.pid)
    assert len(workers) == 2
    os.killpg(parent.pid, number)  # as a terminal does with Ctrl-C, and a scheduler with a job that it ends
    _, said = parent.communicate(timeout=60)
    wait_for(lambda: not set(workers) & set(processes()), seconds=20)
    assert parent.returncode != 0
    if number == signal.SIGINT:
        assert said.count("Traceback") == 1 and said.rstrip().endswith("KeyboardInterrupt")
    else:
        assert said == ""
