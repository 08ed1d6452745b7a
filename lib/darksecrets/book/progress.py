"""Plain progress lines on standard output: what runs, what it says, that it still lives, how long it took."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from darksecrets.files import nearest_directory, saying_full

HEARTBEAT = 30.0  # seconds of silence after which a running cell is said to run


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Print a stage's title when it starts and its duration when it is done."""
    print(f"== {title}", flush=True)
    started = time.perf_counter()
    yield
    print(f"== {title}: {time.perf_counter() - started:.1f} s", flush=True)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Let one process at a time work in `directory`, which is made; another waits, and says so.

    The lock is the operating system's, and gone with the process that holds it, however that ends.
    """
    with saying_full("a lock", nearest_directory(directory)):
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"Another build is running in {directory.parent.name}; waiting until it is done", flush=True)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


class CellProgress:
    """Forwards what a kernel prints, line by line, and reports silence; to papermill it is a file."""

    def __init__(self, n_cells: int, heartbeat: float = HEARTBEAT) -> None:
        self.n_cells = n_cells
        self.heartbeat = heartbeat
        self.position = 0
        self._line = ""
        self._started = self._spoke = time.monotonic()
        self._done = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "CellProgress":
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.write("\n")

    def cell_started(self, cell: Any, cell_index: int) -> None:
        """Note which cell runs (called by nbclient; both arguments are named by it)."""
        self.position = cell_index + 1

    def write(self, text: str) -> None:
        """Print the lines that are complete; of one redrawn by carriage returns, only the last state."""
        with self._lock:
            *lines, self._line = (self._line + text).split("\n")
            for line in lines:
                self._print(line.rstrip("\r").rpartition("\r")[2])

    def flush(self) -> None:
        """Do nothing: lines are printed when they are complete."""

    def _print(self, line: str) -> None:
        if line.strip():
            print(f"      {line.rstrip()}", flush=True)
            self._spoke = time.monotonic()

    def _beat(self) -> None:
        while not self._done.wait(min(1.0, self.heartbeat / 2)):
            now = time.monotonic()
            if now - self._spoke >= self.heartbeat:
                with self._lock:
                    self._print(f"... cell {self.position} of {self.n_cells}, {now - self._started:.0f} s")
