"""How a text file of one's own is written, where that is not to be guessed: `separator=semicolon header=no`."""

import re
from dataclasses import dataclass

from darksecrets.errors import InputError

GUESS, YES, NO = "guess", "yes", "no"
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
NAMES = {character: name for name, character in SEPARATORS.items()}
ACCEPTED = (
    "accepted are separator=comma (or semicolon, tab, bar, or the character), encoding=cp1252 (or another), "
    "quotes=yes (or no) and header=yes (or no), with blanks between"
)


@dataclass(frozen=True)
class Format:
    """What is known of a text file; an empty text is guessed, and so is `GUESS`.

    `quotes` says whether fields may stand in quotation marks, `header` whether the first line names the columns.
    """

    separator: str = ""
    encoding: str = ""
    quotes: str = GUESS
    header: str = GUESS


ITEM = re.compile(r"\s*(\w+)=(\S+?)(?=[,\s]+\w+=|[,\s]*\Z)[,\s]*")


def parse(text: str) -> Format:
    """Read a format as a person writes it, `name=value` with blanks or commas between; an empty text guesses all.

    Raises InputError for another name, and for a value that a name cannot have.
    """
    given: dict[str, str] = {}
    place = 0
    while place < len(text.rstrip()):
        found = ITEM.match(text, place)
        if not found or found[1] not in Format.__dataclass_fields__ or found[1] in given:
            raise InputError(f"format {text!r} cannot be read at {text[place:].strip()!r}; {ACCEPTED}")
        given[found[1]] = _value(*found.groups())
        place = found.end()
    return Format(**given)


def separator_name(separator: str) -> str:
    """Return what `parse` takes for a separator."""
    return NAMES.get(separator, separator)


def _value(name: str, value: str) -> str:
    if name == "encoding":
        return _known_encoding(value)
    if name == "separator":
        value = SEPARATORS.get(value, "\t" if value == "\\t" else value)
        if len(value) != 1 or value.isalnum() or value == '"':
            raise InputError(f"format has separator={value}, which separates nothing; {ACCEPTED}")
    elif value not in (GUESS, YES, NO):
        raise InputError(f"format has {name}={value}; accepted are {name}={GUESS}, {name}={YES} and {name}={NO}")
    return value


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        raise InputError(
            f"format has encoding={name}, which is unknown; write one such as utf-8, cp1252 or utf-16"
        ) from None
    return name
