"""How many cores a process may use."""

import os

CORES = "DARKSECRETS_CORES"  # environment variable: how many; without it, all that the system gives this process


def available_cores() -> int:
    """Return how many cores this process may use."""
    given = os.environ.get(CORES, "")
    if given.isdigit() and int(given):
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
