"""The errors that a person can mend, each one line: a bad input, and a full disk; and the guess that goes into them."""

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path


class InputError(ValueError):
    """Something a person gave us cannot be used.

    The message is one line: what was wrong, what is accepted, what to do. The command line prints it and exits with 2;
    a notebook shows it without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows below the cell that raised this; the name is IPython's."""
        return [f"{type(self).__name__}: {one_line(self)}"]


class DiskFullError(OSError):
    """A disk has no room left: the message says what could not be written, and where. The command line exits with 1.

    Nothing half-written has its final name then, and the same command continues once there is room.
    """


class FailedError(RuntimeError):
    """Something that was asked for did not reach its end: the message is the block to show. The command line exits with
    1.
    """


def check_directory(place: str | Path, what: str) -> None:
    """Raise `InputError` unless `place` is a directory that can be written to, or can become one; `what` names it."""
    advice = "give a directory (it is made when missing)"
    if not str(place):
        raise InputError(f"{what} is empty; {advice}")
    path = Path(place).absolute()
    try:
        there = next(one for one in (path, *path.parents) if _is_there(one))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{what} {str(place)[:100]!r} cannot be a directory ({reason}); {advice}") from None
    if not there.is_dir():
        kind = "a link that leads nowhere" if there.is_symlink() else "a file"
        which = "is" if there == path else f"cannot be made, since {there.name!r} is"
        raise InputError(f"{what} {str(place)!r} {which} {kind}; {advice}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{what} {str(place)!r} cannot be written to; {advice}")


def check_once(where: str, values: Sequence[object]) -> None:
    """Raise `InputError` for the first of `values` that stands there more than once; `where` says which list it is."""
    repeated = [value for value in values if values.count(value) > 1]
    if repeated:
        raise InputError(f"{where} has {repeated[0]} more than once; give each once")


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


# What has no picture of its own and changes how other characters are read: control characters, halves of surrogate
# pairs, zero widths, and the marks that turn the direction of writing. Joiners stay, which some scripts need.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def visible(text: object) -> str:
    """Return a text with unseen characters as their code, such as \\u202e, so that a reader sees them."""
    return UNSEEN.sub(lambda found: found.group().encode("unicode_escape").decode(), str(text))


LONGEST = 1000  # characters of a message


def one_line(text: object) -> str:
    """Return a message as a terminal shows it on one line and obeys none of it: control characters escaped."""
    shown = " ".join(str(text).split())
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in visible(shown))
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."


def nearest(name: str, accepted: Iterable[str]) -> str | None:
    """Return the accepted name that `name` most likely stands for, letter case aside; None where none is close."""
    known = {candidate.casefold(): candidate for candidate in accepted}
    close = difflib.get_close_matches(name[:100].casefold(), known, n=1)
    return known[close[0]] if close else None
