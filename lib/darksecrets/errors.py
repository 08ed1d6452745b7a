"""The one kind of error that is the caller's to mend."""


class InputError(ValueError):
    """Something a person gave us cannot be used.

    The message is one line: what was wrong, what is accepted, what to do. The command line prints it and exits with 2;
    in a notebook it is an ordinary exception.
    """
