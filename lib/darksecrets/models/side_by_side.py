"""Fine-tuning several models side by side: on a processor, two trainings with one thread each take less time than one
after the other with two threads.

Processes train the models into the store, where `Setup.finetuned` then finds them. They are started with `python -m`,
so that it does not matter whether a notebook, a script or a test asks. A pool of a library would not do: these end when
the process that started them ends, however it ends, and the job of one that dies is named.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields

import torch

from darksecrets.errors import DiskFullError, InputError
from darksecrets.models import checkpoints
from darksecrets.models.cores import available_cores
from darksecrets.models.setup import Setup

SECONDS_BETWEEN_REPORTS = 5.0
# glibc hands large blocks back and clears them anew in each step, a twentieth of the time, unless told to keep them.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
ANSWER = "\x1e"  # begins a line of a worker's output that is meant for the program; all others are for people


@dataclass(frozen=True)
class Job:
    """One model to fine-tune."""

    initialization: str
    task: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task}, seed {self.seed}"


def finetune(setup: Setup, jobs: Sequence[Job], n_models: int = 0) -> None:
    """Fine-tune all `jobs` that the store does not have yet, in as many processes as `n_workers` says.

    `n_models` is how many models there would be with an empty store (0: as many as `jobs`). The number of threads
    depends on it and on the machine, and not on what is left to do: an interrupted run that is continued computes what
    an uninterrupted one would have.

    At its peak a process holds 1.1 GB for MiniLM on the pocket corpus (batches of 8, bfloat16), and 2.4 GB on GLUE's
    RTE (batches of 32, float32); where memory is short, let the program use fewer cores (`taskset`). Raises
    `InputError` where a training does, and `RuntimeError` where one fails or its process dies; what is finished is
    kept then, and the next call continues.
    """
    missing = [job for job in dict.fromkeys(jobs) if not setup.is_finetuned(job.task, job.seed, job.initialization)]
    missing.sort(key=lambda job: _size(setup, job), reverse=True)  # so that no process is left with a long one
    if not missing:
        return
    n_processes = n_workers(n_models or len(jobs))
    report = _Report(setup.load().name, len(missing))
    if n_processes == 1:
        for job in missing:
            report(job, _train(setup, job))
    else:
        n_threads = available_cores() // n_processes
        _in_workers(setup, missing, min(n_processes, len(missing)), n_threads, report)


def n_workers(n_models: int) -> int:
    """Return the number of processes that train `n_models` models on this machine; its cores are shared out among them.

    A single model is trained in the process that asks for it, and so is each model in turn on a GPU.
    """
    return min(available_cores(), n_models) if checkpoints.DEVICE == "cpu" else 1


def _size(setup: Setup, job: Job) -> int:
    """Return how long a training is, in characters of its examples."""
    examples = setup.split(job.task, "train").examples
    return sum(len(example.first) + len(example.second or "") for example in examples)


class _Report:
    """Tells on standard error which models are finished, a line every few seconds at most."""

    def __init__(self, checkpoint: str, n_jobs: int) -> None:
        self.checkpoint, self.n_jobs, self.n_finished, self.spoke = checkpoint, n_jobs, 0, time.monotonic()

    def __call__(self, job: Job, seconds: float) -> None:
        """Count a finished job."""
        self.n_finished += 1
        if time.monotonic() - self.spoke >= SECONDS_BETWEEN_REPORTS:
            self.spoke = time.monotonic()
            what = f"{job.initialization} {self.checkpoint} on {job}, {seconds:.0f} s"
            print(f"fine-tuned {self.n_finished} of {self.n_jobs}: {what}", file=sys.stderr, flush=True)


def _train(setup: Setup, job: Job) -> float:
    """Return the seconds that a training took."""
    started = time.perf_counter()
    setup.finetuned(job.task, job.seed, job.initialization)
    return time.perf_counter() - started


def _in_workers(setup: Setup, jobs: Sequence[Job], n_processes: int, n_threads: int, report: _Report) -> None:
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()

    def train(job: Job) -> float:
        worker = idle.get()
        try:
            return worker.train(job)
        finally:
            idle.put(worker)

    with contextlib.ExitStack() as running:  # whatever happens, it ends the processes first, then the threads
        pool = ThreadPoolExecutor(n_processes)
        running.callback(pool.shutdown, cancel_futures=True)
        for _ in range(n_processes):
            idle.put(running.enter_context(_Worker(setup, n_threads)))
        futures = {pool.submit(train, job): job for job in jobs}
        for future in as_completed(futures):
            report(futures[future], future.result())


class _Worker:
    """A process that fine-tunes one job after the other."""

    def __init__(self, setup: Setup, n_threads: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=os.environ | KEEP_MEMORY,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends its workers
        )
        self._send({"setup": _parameters(setup), "n_threads": n_threads})

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # between jobs there is nothing to lose, and within one the last save stays
        self.process.wait()

    def train(self, job: Job) -> float:
        """Return the seconds that a job took, and pass on what the process says meanwhile; raise what it ended with."""
        self._send(asdict(job))
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                return _seconds(job, json.loads(line.removeprefix(ANSWER)))
            if line.strip():
                print(line.rstrip("\n"), file=sys.stderr, flush=True)
        raise RuntimeError(exit_message(job, self.process.wait()))

    def _send(self, content: dict[str, object]) -> None:
        with contextlib.suppress(BrokenPipeError):  # a process that died is noticed by the end of its output
            print(json.dumps(content), file=self.process.stdin, flush=True)


def exit_message(job: Job, code: int) -> str:
    """Return how a process ended that ought to have gone on."""
    how = f"was killed by signal {-code}; was there enough memory?" if code < 0 else f"ended with exit code {code}."
    return f"the process that fine-tuned on {job}, {how} What is finished is kept: run this again to continue"


def _seconds(job: Job, answer: dict[str, object]) -> float:
    """Read a worker's answer: the seconds that a training took, or the error that it ended with."""
    for told in (InputError, DiskFullError):
        if answer.get("error") == told.__name__:
            raise told(answer["message"])
    if "error" in answer:
        what = f"{job.initialization} weights on {job}"
        raise RuntimeError(f"fine-tuning {what} failed: {answer['error']}: {answer['message']}")
    return answer["seconds"]


def _parameters(setup: Setup) -> dict[str, object]:
    values = {field.name: getattr(setup, field.name) for field in fields(setup) if field.init}
    return values | {"learning_rate": setup.recipe.learning_rate, "store": str(setup.store)}


def _worker_loop() -> None:
    """Be a worker: standard input names a setup, then jobs, a JSON object a line."""
    orders: queue.SimpleQueue[dict] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(orders,), daemon=True).start()
    first = orders.get()
    torch.set_num_threads(first["n_threads"])
    setup = None
    while True:
        job = Job(**orders.get())
        try:
            setup = setup or Setup(**first["setup"])
            answer = {"seconds": _train(setup, job)}
        except Exception as error:  # whatever it is, the process that asked raises it
            if not isinstance(error, InputError | DiskFullError):
                traceback.print_exc()
            answer = {"error": type(error).__name__, "message": str(error)}
        print(f"\n{ANSWER}{json.dumps(answer)}", flush=True)


def _receive(orders: queue.SimpleQueue) -> None:
    """Pass orders on while there is somebody to give them; then end this process, whatever it is doing."""
    for line in sys.stdin:
        orders.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    _worker_loop()
