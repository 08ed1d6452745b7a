"""The errors that a person can mend, each one line: a bad input, and a full disk; and the guess that goes into them."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something a person gave us cannot be used.

    The message is one line: what was wrong, what is accepted, what to do. The command line prints it and exits with 2;
    in a notebook it is an ordinary exception.
    """


class DiskFullError(OSError):
    """A disk has no room left: the message says what could not be written, and where. The command line exits with 1.

    Nothing half-written has its final name then, and the same command continues once there is room.
    """


LONGEST = 1000  # characters of a message


def one_line(text: object) -> str:
    """Write a message so that a terminal shows it on one line and obeys none of it: control characters escaped."""
    shown = " ".join(str(text).split())
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in shown)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."


def nearest(name: str, accepted: Iterable[str]) -> str | None:
    """Return the accepted name that `name` most likely stands for, letter case aside; None where none is close."""
    known = {candidate.casefold(): candidate for candidate in accepted}
    close = difflib.get_close_matches(name[:100].casefold(), known, n=1)
    return known[close[0]] if close else None
