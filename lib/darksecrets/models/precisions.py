"""Which numbers a model computes with: float32, bfloat16, or whichever of the two this processor is faster with."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from darksecrets.errors import InputError

FLOAT32, BFLOAT16, AUTO = "float32", "bfloat16", "auto"
PRECISIONS = (FLOAT32, BFLOAT16)
PROCESSOR = Path("/proc/cpuinfo")


def check(precision: str, accepted: Sequence[str] = PRECISIONS) -> None:
    """Raise `InputError` unless `precision` is one of those that are accepted."""
    if precision not in accepted:
        *others, last = accepted
        raise InputError(f"precision {precision!r} is unknown; accepted are {', '.join(others)} and {last}")


def chosen(precision: str) -> str:
    """Return the precision that was asked for; for "auto", the faster one here. Raises `InputError` for others."""
    check(precision, (*PRECISIONS, AUTO))
    if precision != AUTO:
        return precision
    return of_processor(PROCESSOR.read_text() if PROCESSOR.exists() else "")


@cache
def of_processor(described: str) -> str:
    """Return the precision that a processor multiplies matrices faster in, from Linux' description of it.

    Processors with matrix units (AMX) and AMD's with bfloat16 instructions are about twice as fast in bfloat16 or more;
    Intel's have such instructions too, but without AMX they are slower than float32. The rule reads what a processor
    is and measures nothing, so that the same machine always gives the same answer.
    """
    words = set(described.split())
    is_amd = "AuthenticAMD" in words and "avx512_bf16" in words
    return BFLOAT16 if is_amd or "amx_bf16" in words else FLOAT32
