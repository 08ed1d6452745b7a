"""A sweep on this machine: the units of a grid in processes side by side, each done once.

There is no scheduler here: for many machines, the Snakefile hands the same units to Snakemake.
"""

import os
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from darksecrets.book import engine, execute, executed
from darksecrets.book.units import Unit
from darksecrets.errors import InputError
from darksecrets.models.cores import available_cores

LAST_LINES = 12  # of what papermill said, where no cell failed


class Sweep:
    """Executes the units of a plan."""

    def __init__(self, plan: list[list[Unit]], jobs: int) -> None:
        if jobs < 1:
            raise InputError(f"jobs is {jobs}; it must be at least 1")
        self.plan, self.jobs = plan, jobs
        self.n_units = sum(map(len, plan))
        self.n_ended = 0
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen] = set()
        self._stopped = False

    def run(self) -> None:
        """Do what is not done yet, as many runs at once as there are jobs.

        Raises `ExecutionError` at the end with a block for each run that failed.
        """
        with ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(self._cell, cell) for cell in self.plan]
            try:
                for future in futures:
                    future.result()
            except BaseException:  # Ctrl-C, for one: no unit may go on by itself
                self._stop()
                pool.shutdown(cancel_futures=True)
                raise
        if self.failures:
            n_failed = f"{len(self.failures)} of {len(self.plan)} runs failed"
            raise execute.ExecutionError("\n\n".join([*self.failures, n_failed]))

    def _cell(self, units: list[Unit]) -> None:
        for position, unit in enumerate(units):
            if self._stopped:
                return
            if unit.is_done():
                self._ended(unit, "done before")
            elif failure := self._unit(unit):
                left = [other.chapter for other in units[position + 1 :]]
                after = f"\nNot executed after it: {', '.join(left)}" if left else ""
                with self._lock:
                    self.failures.append(f"{failure}{after}")
                self._ended(unit, "failed", 1 + len(left))
                return

    def _unit(self, unit: Unit) -> str:
        """Execute a unit; return what went wrong, an empty string if nothing did."""
        unit.directory.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        # A file, not a pipe: a unit outlives a killed sweep, and must not need a reader for what it says.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            process = self._started(unit, output)
            if process is None:
                return "stopped"
            process.wait()
            output.seek(0)
            said = output.read()
        with self._lock:
            self._running.discard(process)
        if process.returncode == 0:
            self._ended(unit, f"{time.perf_counter() - started:.0f} s")
            return ""
        if self._stopped:
            _partial(unit, process).unlink(missing_ok=True)
            return "stopped"
        return _failure(unit, process, said)

    def _started(self, unit: Unit, output: IO[str]) -> subprocess.Popen | None:
        threads = str(max(1, available_cores() // self.jobs))
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                unit.command,
                shell=True,
                cwd=unit.cell.root,
                env=os.environ | {engine.THREADS: threads},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then ends its units
            )
            self._running.add(process)
            return process

    def _ended(self, unit: Unit, how: str, n_units: int = 1) -> None:
        with self._lock:
            self.n_ended += n_units
            print(f"[{self.n_ended}/{self.n_units}] {unit.name} ... {how}", flush=True)

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)


def _partial(unit: Unit, process: subprocess.Popen) -> Path:
    return unit.directory / f".{unit.chapter}.{process.pid}.ipynb"


def _failure(unit: Unit, process: subprocess.Popen, said: str) -> str:
    """Say which cell of the notebook failed and how, and keep the notebook as far as it came."""
    partial = _partial(unit, process)
    found = executed.failure(executed.read(partial)) if partial.is_file() else None
    if found is None:
        how = f"exit code {process.returncode}"
        what = "\n".join(said.strip().splitlines()[-LAST_LINES:])
        partial.unlink(missing_ok=True)
        return f"{unit.name} failed ({how}):\n{execute.indented(what)}"
    number, error = found
    kept = Path(execute.FAILED) / f"{unit.cell.run}-{unit.chapter}.failed.ipynb"
    (unit.cell.root / kept).parent.mkdir(parents=True, exist_ok=True)
    partial.replace(unit.cell.root / kept)
    what = error.evalue if error.ename == InputError.__name__ else execute.described(error)
    return f"{unit.name} failed in cell {number}:\n{execute.indented(what)}\nThe notebook as far as it came: {kept}"
