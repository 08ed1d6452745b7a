"""The text of a file of one's own, in whichever encoding it is; files that hold no text are refused by what they are.

UTF-8 is the rule. Byte order marks tell UTF-16 and UTF-32, and what is no UTF-8 is guessed; a guess is said.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import charset_normalizer
from charset_normalizer import CharsetMatch

from darksecrets.errors import InputError
from darksecrets.files import LFS_POINTER

MARKS = {  # UTF-32 before UTF-16, whose mark begins alike
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WESTERN = "cp1252"
# What files are in that are no Unicode; among all encodings that there are, short texts are taken for exotic ones.
GUESSED = (
    *(WESTERN, "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
MOST_SEEN = 100_000  # bytes, from which an encoding is guessed
SIGNATURES = {
    LFS_POINTER: "a git-LFS pointer and not the file itself; fetch it with `git lfs pull`",
    b"PK\x03\x04": "a ZIP archive, or a workbook of a spreadsheet; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook of an old spreadsheet; save the sheet as CSV",
    b"PAR1": "a Parquet file; give its name the ending .parquet",
    b"SQLite format 3": "a database; export the table as CSV",
    b"%PDF": "a PDF; give the table as CSV",
    b"<!doctype html": "a web page and not the file itself; download the file as it is (on GitHub: Raw)",
    b"<html": "a web page and not the file itself; download the file as it is (on GitHub: Raw)",
}

BINARY = "binary, or text in UTF-16 without a byte order mark; save it as UTF-8, or name its encoding in format"


def read(path: Path, encoding: str = "") -> tuple[str, tuple[str, ...]]:
    """Read a file as text, unpacked where it is packed by gzip; return it with sentences on what was guessed.

    An `encoding` is not guessed. Raises InputError for what is no text.
    """
    data = _unpacked(path)
    check_signature(path.name, data)
    text, notes = _decoded(path.name, data, encoding)
    text = text.removeprefix("\ufeff")
    if text.count("\0") > len(text) / 10:
        raise InputError(f"{path.name} is {BINARY}")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        advice = "a NUL, a character that no text has; remove it, or write the file again"
        raise InputError(f"{path.name}, line {line}: {advice}")
    if not text.strip():
        raise InputError(f"{path.name}: the file is empty; it needs a header and at least one row")
    return text, notes


def check_signature(name: str, data: bytes, signatures: Iterable[bytes] = SIGNATURES) -> None:
    """Raise InputError where the first bytes of a file are those of something that holds no rows."""
    start = data[:40].lstrip().lower()
    for signature in signatures:
        if start.startswith(signature.lower()):
            raise InputError(f"{name} is {SIGNATURES[signature]}")


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path.name} cannot be unpacked ({error}); pack it again") from None


def _decoded(name: str, data: bytes, encoding: str) -> tuple[str, tuple[str, ...]]:
    if encoding:
        return _decode(name, data, encoding, f"{encoding}, which format names; name another encoding"), ()
    mark = next((mark for mark in MARKS if data.startswith(mark)), b"")
    if mark:
        text = _decode(name, data, MARKS[mark], f"{MARKS[mark]}, as its byte order mark says; save it as UTF-8")
        return text, () if mark == codecs.BOM_UTF8 else (f"{name} was read as {MARKS[mark].upper()}, by its mark.",)
    try:
        return data.decode(), ()
    except UnicodeDecodeError:
        guess = _guessed(name, data)
    advice = "If letters look wrong, name the encoding in format, such as encoding=utf-8."
    return data.decode(guess), (f"{name} is not UTF-8 and was read as {guess}. {advice}",)


def _decode(name: str, data: bytes, encoding: str, what: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:  # some encodings do not say where
        start = getattr(error, "start", 0)
        line = data[:start].count(b"\n") + 1
        raise InputError(f"{name}, line {line}: byte 0x{data[start]:02x} is not {what}") from None


def _guessed(name: str, data: bytes) -> str:
    """Return a likely encoding of what is no UTF-8: the Western one wherever no other is more plausible."""
    if b"\0" in data:
        raise InputError(f"{name} is {BINARY}")
    lines = [line for line in data.split(b"\n") if not line.isascii()]
    _check_mixed(name, data, lines)
    seen = data if len(data) <= MOST_SEEN else b"\n".join(lines)[:MOST_SEEN]
    matches = list(charset_normalizer.from_bytes(seen, cp_isolation=list(GUESSED)))
    if not matches:
        raise InputError(f"{name} is in an encoding that cannot be told; save it as UTF-8, or name it in format")
    best = min(matches, key=_oddness)
    likely = [found for one in matches if _oddness(one) == _oddness(best) for found in one.could_be_from_charset]
    for guess in (WESTERN, best.encoding) if WESTERN in likely else (best.encoding,):
        if _can_decode(data, guess):
            return guess
    raise InputError(f"{name} is in more than one encoding; save it as UTF-8, or name one in format")


def _oddness(match: CharsetMatch) -> tuple[int, float]:
    """Return how odd a text looks that was decoded: its capitals within words, by which two Cyrillic encodings differ,
    and what the detector finds unlikely.
    """
    text = str(match)
    return sum(before.islower() and after.isupper() for before, after in pairwise(text)), match.chaos


def _check_mixed(name: str, data: bytes, lines: list[bytes]) -> None:
    """Raise InputError where most of the lines beyond ASCII are UTF-8: then the others are broken."""
    if sum(_can_decode(line, "utf-8") for line in lines) > len(lines) / 2:
        _decode(name, data, "utf-8", "UTF-8 as the rest is; mend this line, or name an encoding in format")


def _can_decode(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
