"""Papermill's engine for the units of a sweep, `papermill --engine darksecrets`; an entry point names it in
pyproject.toml.

It starts kernels as the book does, lets one process at a time execute a unit, and refuses a notebook that did not reach
its end, which papermill takes for finished.
"""

import os
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock
from nbformat import NotebookNode

from darksecrets.book import executed, kernels, sources
from darksecrets.models.cores import CORES

THREADS = "OMP_NUM_THREADS"  # environment variable; whoever shares out the cores sets it, as Snakemake does
UNIT = "DARKSECRETS_UNIT"  # environment variable: the fingerprint of what the unit is made from


class Engine:
    """What papermill asks of an engine."""

    # Papermill's own engine is imported where it is needed: papermill loads all engines while it is being imported.

    @classmethod
    def nb_kernel_name(cls, *arguments: Any) -> str:
        """Return the name of this environment's own kernel, whichever one the notebook was saved with."""
        return sources.KERNEL

    @classmethod
    def nb_language(cls, *arguments: Any) -> str:
        """Return the language that this kernel speaks."""
        return sources.LANGUAGE

    @classmethod
    def execute_notebook(cls, notebook: NotebookNode, kernel_name: str, **options: Any) -> NotebookNode:
        """Execute a notebook as papermill's own engine does, and note in it what it was made from.

        Holds a lock until the process ends, and removes what an interrupted one left under a temporary name.
        """
        from papermill.engines import NBClientEngine

        os.environ.update(kernels.ENVIRONMENT)
        if os.environ.get(THREADS, "").isdigit():
            os.environ[CORES] = os.environ[THREADS]
        output = _started_in() / options["output_path"]
        cls.lock = FileLock(output.with_name(f"{_unit(output)}.lock"))
        cls.lock.acquire()
        for left in output.parent.glob(f"{_unit(output)}.*{output.suffix}"):
            if left != output and not _is_at_work(left):
                left.unlink(missing_ok=True)
        with kernels.transport() as config:
            done = NBClientEngine.execute_notebook(
                notebook, kernel_name, config=config, extra_arguments=kernels.ARGUMENTS, **options
            )
        position, failure = executed.unfinished(done), executed.failure(done)
        if position is not None and (failure is None or failure[1].ename == "SystemExit"):
            raise RuntimeError(executed.ENDED.format(f"cell {position + 1}"))
        done.metadata[UNIT] = os.environ.get(UNIT, "")
        return done


def _started_in() -> Path:
    """Return the directory that papermill was started in, where a relative output goes: by now it is in another one."""
    from papermill.iorw import papermill_io

    files = papermill_io.get_handler("local")
    directory = files.cwd(None)  # there is no other way to read it than to set it
    files.cwd(directory)
    return Path(directory)


def _unit(output: Path) -> str:
    """Return what all temporary names of a unit's notebook begin with: `.02-attention-patterns`."""
    return output.stem.rpartition(".")[0] or output.stem


def _is_at_work(output: Path) -> bool:
    """Return whether the shell whose number a temporary name holds still runs: it gives the notebook its final name."""
    number = output.stem.rpartition(".")[2]
    return number.isdecimal() and psutil.pid_exists(int(number))
