"""The one kind of error that is the caller's to mend, and the guess that goes into its message."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something a person gave us cannot be used.

    The message is one line: what was wrong, what is accepted, what to do. The command line prints it and exits with 2;
    in a notebook it is an ordinary exception.
    """


def nearest(name: str, accepted: Iterable[str]) -> str | None:
    """Return the accepted name that `name` most likely stands for, letter case aside; None where none is close."""
    known = {candidate.casefold(): candidate for candidate in accepted}
    close = difflib.get_close_matches(name.casefold(), known, n=1)
    return known[close[0]] if close else None
