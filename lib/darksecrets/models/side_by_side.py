"""Fine-tuning several models side by side: on a processor, two trainings with one thread each take less time than one
after the other with two threads.

Processes train the models into the store, where `Setup.finetuned` then finds them. They are started with `python -m`,
so that it does not matter whether a notebook, a script or a test asks, and they end when the process that started them
ends, however it ends.
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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice

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


Finished = Callable[[Job, float], None]  # told a job and the seconds it took


def finetune(setup: Setup, jobs: Sequence[Job], n_models: int = 0) -> None:
    """Fine-tune all `jobs` that the store does not have yet, in as many processes as `shares` says.

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
    n_workers, n_threads = shares(n_models or len(jobs))
    report = _Report(setup.load().name, len(missing))
    if n_workers == 1:
        _in_this_process(setup, missing, report)
    else:
        _in_workers(setup, missing, min(n_workers, len(missing)), n_threads, report)


def shares(n_models: int) -> tuple[int, int]:
    """Return the number of processes, and of threads in each, that train `n_models` models on this machine.

    A single model is trained in the process that asks for it, and so is each model in turn on a GPU.
    """
    n_cores = available_cores()
    n_workers = min(n_cores, n_models) if checkpoints.DEVICE == "cpu" else 1
    return n_workers, n_cores // n_workers


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
            what = f"{job.initialization} {self.checkpoint} on {job.task}, seed {job.seed}, {seconds:.0f} s"
            print(f"fine-tuned {self.n_finished} of {self.n_jobs}: {what}", file=sys.stderr, flush=True)


def _in_this_process(setup: Setup, jobs: Sequence[Job], finished: Finished) -> None:
    for job in jobs:
        finished(job, _train(setup, job))


def _train(setup: Setup, job: Job) -> float:
    started = time.perf_counter()
    setup.finetuned(job.task, job.seed, job.initialization)
    return time.perf_counter() - started


def _in_workers(setup: Setup, jobs: Sequence[Job], n_workers: int, n_threads: int, finished: Finished) -> None:
    heard: queue.SimpleQueue[tuple[_Worker, str | None]] = queue.SimpleQueue()
    left = iter(jobs)
    with contextlib.ExitStack() as running:
        for job in list(islice(left, n_workers)):
            worker = running.enter_context(_Worker(setup, n_threads, heard))
            worker.give(job)
        n_answers = 0
        while n_answers < len(jobs):
            worker, line = heard.get()
            if line is None:
                raise RuntimeError(worker.obituary())
            if line.startswith(ANSWER):
                finished(worker.job, _seconds(worker.job, json.loads(line.removeprefix(ANSWER))))
                n_answers += 1
                if (job := next(left, None)) is not None:
                    worker.give(job)
            elif line:
                print(line, file=sys.stderr, flush=True)


def _seconds(job: Job, answer: dict[str, object]) -> float:
    """Read a worker's answer: the seconds that a training took, or the error that it ended with."""
    for told in (InputError, DiskFullError):
        if answer.get("error") == told.__name__:
            raise told(answer["message"])
    if "error" in answer:
        what = f"{job.initialization} weights on {job.task}, seed {job.seed}"
        raise RuntimeError(f"fine-tuning {what} failed: {answer['error']}: {answer['message']}")
    return answer["seconds"]


class _Worker:
    """A process that fine-tunes one job after the other; what it writes is put into `heard`, then None at its end."""

    def __init__(self, setup: Setup, n_threads: int, heard: queue.SimpleQueue) -> None:
        self.heard = heard
        self.job: Job | None = None
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
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        self._send({"setup": _parameters(setup), "n_threads": n_threads})

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # between jobs there is nothing to lose, and within one the last save stays
        self.listener.join()
        with contextlib.suppress(BrokenPipeError), self.process:
            pass  # closes the pipes, and waits

    def give(self, job: Job) -> None:
        """Let the process begin with `job`."""
        self.job = job
        self._send(asdict(job))

    def obituary(self) -> str:
        """Say how the process ended."""
        code = self.process.wait()
        how = f"was killed by signal {-code}; was there enough memory?" if code < 0 else f"ended with exit code {code}."
        what = f"{self.job.task}, seed {self.job.seed}"
        return f"the process that fine-tuned on {what}, {how} What is finished is kept: run this again to continue"

    def _send(self, content: dict[str, object]) -> None:
        with contextlib.suppress(BrokenPipeError):  # a process that died is noticed by the end of its output
            print(json.dumps(content), file=self.process.stdin, flush=True)

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.heard.put((self, line.rstrip("\n")))
        self.heard.put((self, None))


def _parameters(setup: Setup) -> dict[str, object]:
    values = {field.name: getattr(setup, field.name) for field in fields(setup) if field.init}
    return values | {"learning_rate": setup.recipe.learning_rate, "store": str(setup.store)}


def _serve() -> None:
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
        except (InputError, DiskFullError) as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        except Exception as error:  # whatever it is, the process that asked raises it
            traceback.print_exc()
            answer = {"error": type(error).__name__, "message": str(error)}
        print(f"\n{ANSWER}{json.dumps(answer)}", flush=True)


def _receive(orders: queue.SimpleQueue) -> None:
    """Pass orders on while there is somebody to give them; then end this process, whatever it is doing."""
    for line in sys.stdin:
        orders.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    _serve()
