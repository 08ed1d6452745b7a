"""How the kernels of notebooks are started, by the book and by the units of a sweep alike."""

import ast
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbformat import NotebookNode
from traitlets.config import Config

from darksecrets.book import executed, sources

# No bars (they are widgets, whose state drags foreign scripts into the page), and this environment's own kernel.
ENVIRONMENT = {
    "DARKSECRETS_HEADLESS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "PYTHONHASHSEED": "0",
}
# Without the kernel's remarks on its own start and end, and without a history on disk.
ARGUMENTS = ["--log-level=CRITICAL", "--HistoryManager.hist_file=:memory:"]
IMPORTS = (ast.Import, ast.ImportFrom)


@contextmanager
def transport() -> Iterator[Config]:
    """Give a kernel sockets in the file system, in a directory of its own: over TCP kernels race for ports, and side by
    side in one directory for names.
    """
    if os.name != "posix":
        yield Config()
        return
    with tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True) as directory:
        yield Config({"KernelManager": {"transport": "ipc", "connection_file": f"{directory}/kernel.json"}})


@dataclass(frozen=True)
class KernelSpec:
    """What a kernel is started for: a notebook, in a directory."""

    source: NotebookNode
    folder: Path

    @property
    def imports(self) -> str:
        """The import statements of the notebook's cells, which are most of what a page waits for at its start."""
        found: list[str] = []
        for cell in executed.code_cells(self.source):
            with suppress(SyntaxError):  # the cell itself will say so
                found += [ast.unparse(node) for node in ast.parse(cell.source).body if isinstance(node, IMPORTS)]
        return "\n".join(found)


class Kernels:
    """One kernel for each notebook, the next one started while the one before is at work.

    It makes its notebook's imports then, in a namespace that is thrown away, so that every page finds them done.
    """

    def __init__(self) -> None:
        self._ahead: _Kernel | None = None

    def __enter__(self) -> "Kernels":
        return self

    def __exit__(self, *_: object) -> None:
        self._end_ahead()

    @contextmanager
    def acquire(self, spec: KernelSpec, following: KernelSpec | None = None) -> Iterator[AsyncKernelManager]:
        """Give the kernel of a notebook, and end it after use; meanwhile start the one of the `following` notebook."""
        if self._ahead is None or self._ahead.spec != spec or not self._ahead.is_alive():
            self._end_ahead()
            self._ahead = _Kernel(spec)
        kernel, self._ahead = self._ahead, None
        try:
            self._ahead = _Kernel(following) if following else None
            yield kernel.manager
        finally:
            kernel.end()

    def _end_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.end()
        self._ahead = None


class _Kernel:
    def __init__(self, spec: KernelSpec) -> None:
        self.spec = spec
        ready = f"--IPKernelApp.exec_lines=exec({spec.imports!r}, {{}})"
        with ExitStack() as stack:
            self.manager = _Manager(kernel_name=sources.KERNEL, config=stack.enter_context(transport()))
            run_sync(self.manager.start_kernel)(
                cwd=str(spec.folder), env=dict(os.environ), extra_arguments=[*ARGUMENTS, ready]
            )
            self._stack = stack.pop_all()

    def is_alive(self) -> bool:
        return run_sync(self.manager.is_alive)()

    def end(self) -> None:
        """End the kernel: at once where nobody has connected to it, since one that is interrupted as it starts says so
        with a traceback.
        """
        with self._stack:
            if self.is_alive():
                run_sync(self.manager.shutdown_kernel)(now=self.manager.connected is None)
            if self.manager.connected is not None:
                self.manager.connected.stop_channels()


class _Manager(AsyncKernelManager):
    """Remembers who is connected: a client closes its sockets by itself only where it has started the kernel."""

    connected: AsyncKernelClient | None = None

    def client(self, **options: Any) -> AsyncKernelClient:
        self.connected = super().client(**options)
        return self.connected
