"""How the kernels of notebooks are started, by the book and by the units of a sweep alike."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from traitlets.config import Config

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
ARGUMENTS = ["--log-level=CRITICAL"]  # without the kernel's remarks on its own start and end


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
