"""Rows of separated text, CSV and its kin: which character separates, whether quotation marks quote, what is a row.

A quotation mark at the beginning of a field has two readings. It opens a field that ends at the next mark, perhaps
lines below, with marks doubled in between (RFC 4180), or it is a character as any other, and each line is a row. A file
does not say which of them holds, and a reader that always takes the first one swallows rows without a word. Here both
are tried, place by place, and what the rest of the file looks like decides. What was decided is said.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

from darksecrets.corpora.own.columns import KNOWN
from darksecrets.corpora.own.format import GUESS, NO, YES, Format, separator_name
from darksecrets.corpora.own.labels import is_number
from darksecrets.corpora.own.table import Table, present
from darksecrets.errors import InputError

MARK = '"'
CANDIDATES = ("\t", "|", ";", ",")  # of several that fit, the one that is rarest in sentences
DECLARED = re.compile(r'"?sep=(.)"?(?=[\r\n])')  # what Excel reads and leaves out; the line stays, blank, to be counted
N_SEEN = 200  # lines, from which the separator is guessed
ORDINARY = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}  # what an ending promises


def read(name: str, text: str, ending: str, given: Format) -> Table:
    """Read separated text; `ending` says which separator is no surprise, and `given` what is not to be guessed.

    Raises InputError for a row that has not as many fields as the first one.
    """
    declared = DECLARED.match(text)
    if declared and text[declared.end() :].strip():
        text, given = text[declared.end() :], replace(given, separator=given.separator or declared[1])
    separator = given.separator or _separator(text, ORDINARY[ending], given.quotes)
    rows = _rows(text, separator, given.quotes)
    names, lines = rows.fields[0], rows.lines
    for fields, line in zip(rows.fields, lines, strict=True):
        if len(fields) != len(names):
            counts = f"expected {len(names)} fields as in the header, found {len(fields)}"
            raise InputError(f"{name}, line {line}: {counts}; mend or remove this line, or quote its text")
    has_header = given.header == YES or (given.header == GUESS and _has_header(rows.fields))
    n_above = int(has_header)
    if not has_header:
        names = tuple(f"column {number}" for number in range(1, len(names) + 1))
    n_lines = sum(line >= rows.stops[0] * n_above for line in rows.text.filled)
    notes = _format_notes(name, separator, has_header, ORDINARY[ending], given)
    return Table(
        name,
        tuple(one.strip() for one in names),
        [tuple(map(present, fields)) for fields in rows.fields[n_above:]],
        lambda row: f"{name}, line {lines[row + n_above]}",
        n_lines=n_lines,
        notes=(*notes, *_quoting_notes(name, rows, n_lines, n_above)),
    )


@dataclass(frozen=True)
class Record:
    """The fields of a row, and where in the text it ends.

    Of the fields that begin with a mark, `n_quoted` end with one, and `n_stray` do not. `n_needed` of the former hold
    what only a quoted field can, of which `has_doubled` says whether there are marks among it, and `n_odd` fields hold
    marks that no rule explains.
    """

    fields: tuple[str, ...]
    stop: int
    n_quoted: int = 0
    n_needed: int = 0
    n_stray: int = 0
    n_odd: int = 0
    has_doubled: bool = False


class Text:
    """A text and its lines, counted from 0; `filled` are those that are not blank."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.filled = [number for number, line in enumerate(self.lines) if line.strip(" \r")]

    def line_at(self, place: int) -> int:
        """Return which line a place of the text is in."""
        return bisect_right(self.starts, place) - 1


@dataclass(frozen=True)
class Quoting:
    """How fields are written: in marks that are doubled within them, or that follow a backslash if `is_escaped`."""

    separator: str
    is_escaped: bool = False

    @cached_property
    def _quoted(self) -> re.Pattern[str]:
        inside = r'[^"\\]++|""|\\.' if self.is_escaped else r'[^"]++|""'
        blanks = "" if self.separator in "\t " else " *"
        end = rf"(?={re.escape(self.separator)}|\r?\n|\r?\Z)"
        return re.compile(rf'{blanks}"((?:{inside})*+)"{blanks}{end}', re.DOTALL)

    @cached_property
    def _bare(self) -> re.Pattern[str]:
        separator = re.escape(self.separator)
        return re.compile(rf"(?:[^{separator}\\\n]|\\[^\n]?)*+" if self.is_escaped else rf"[^{separator}\n]*+")

    def line(self, text: Text, number: int) -> Record:
        """Read a line as a row of its own."""
        line, start = text.lines[number], text.starts[number]
        if MARK in line or self.is_escaped:
            return self.record(text, number, start + len(line))
        return Record(tuple(line.removesuffix("\r").split(self.separator)), start + len(line))

    def record(self, text: Text, number: int, end: int | None = None) -> Record:
        """Read the row that begins with a line; marks may close what they open up to `end`, or in any line below."""
        whole, place = text.text, text.starts[number]
        end = len(whole) if end is None else end
        fields, n_quoted, n_needed, n_stray, n_odd, has_doubled = [], 0, 0, 0, 0, False
        while True:
            found = self._quoted.match(whole, place, end)
            if found:
                value = self._unescaped(found[1].replace(MARK * 2, MARK))
                n_quoted += 1
                has_doubled = has_doubled or value != found[1]
                n_needed += value != found[1] or self.separator in value or "\n" in value
            else:
                found = self._bare.match(whole, place, end)
                value = self._unescaped(found[0].removesuffix("\r"))
                n_stray += found[0].lstrip(" ").startswith(MARK)
                n_odd += MARK in (found[0].replace(f"\\{MARK}", "") if self.is_escaped else value)
            fields.append(value)
            place = found.end()
            if place >= end or whole[place] != self.separator:
                return Record(tuple(fields), place, n_quoted, n_needed, n_stray, n_odd, has_doubled)
            place += 1

    def _unescaped(self, value: str) -> str:
        if not self.is_escaped or "\\" not in value:
            return value
        return re.sub(rf'\\(["\\]|{re.escape(self.separator)})', r"\1", value)


@dataclass
class Rows:
    """Rows of a text, the header among them: their fields, and the lines from 1 where each begins and after which it
    stops.

    `spanning` are the rows that have several lines. `doubtful` are (first, last) lines that were read as rows and could
    be one, or as one row and could be several. `n_as_text` fields stand in marks that were read as text, and marks that
    were not are `is_surprising` where tabs separate.
    """

    text: Text
    fields: list[tuple[str, ...]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    spanning: list[tuple[int, int]] = field(default_factory=list)
    doubtful: list[tuple[int, int]] = field(default_factory=list)
    is_escaped: bool = False
    is_surprising: bool = False
    n_as_text: int = 0

    def add(self, record: Record, first: int, last: int) -> None:
        """Append a row that has the lines from `first` to `last`."""
        n_columns = len(self.fields[0]) if self.fields else len(record.fields)
        self.fields.append(_trimmed(record.fields, n_columns))
        self.lines.append(first + 1)
        self.stops.append(last + 1)
        self.records.append(record)
        if last > first:
            self.spanning.append((first + 1, last + 1))

    @property
    def n_faults(self) -> int:
        """How many rows have not as many fields as the first."""
        return sum(len(fields) != len(self.fields[0]) for fields in self.fields)

    def total(self, what: str) -> int:
        """Return the sum of one of the counts of a `Record` over all rows."""
        return sum(getattr(record, what) for record in self.records)


def _rows(text: str, separator: str, quotes: str) -> Rows:
    """Read rows in the way that explains the text: with marks that quote, with backslashes, or with marks as text."""
    # A file of an old Macintosh has no other line ends.
    lines = Text(text if "\n" in text else text.replace("\r", "\n"))
    as_text = _lines_as_rows(lines, separator)
    if quotes == NO:
        return as_text
    quoted = _quoted_rows(lines, Quoting(separator), quotes)
    if f"\\{MARK}" in text or f"\\{separator}" in text:
        escaped = _quoted_rows(lines, Quoting(separator, is_escaped=True), quotes)
        quoted = min(quoted, escaped, key=lambda rows: (rows.n_faults, rows.total("n_odd")))
    if separator == "\t" and quotes == GUESS and not _is_quoted(quoted, as_text):
        as_text.n_as_text = quoted.total("n_quoted")
        as_text.doubtful = [*quoted.doubtful, *quoted.spanning]
        return as_text
    quoted.is_surprising = separator == "\t" and quotes == GUESS
    return quoted


def _is_quoted(quoted: Rows, as_text: Rows) -> bool:
    """Whether text that tabs separate is evidently quoted: in such text a mark is mostly a character."""
    if as_text.n_faults:
        return quoted.n_faults < as_text.n_faults
    if quoted.total("n_stray") or quoted.spanning:
        return False
    if quoted.is_escaped and not quoted.total("n_odd"):  # no mark is without its backslash
        return True
    columns = zip(*as_text.fields[1:], strict=True)
    return quoted.total("n_needed") > 0 or any(
        all(len(value) > 1 and value[0] == value[-1] == MARK for value in column) for column in columns
    )


def _lines_as_rows(text: Text, separator: str) -> Rows:
    rows = Rows(text)
    for number in text.filled:
        line = text.lines[number]
        rows.add(Record(tuple(line.removesuffix("\r").split(separator)), 0), number, number)
    return rows


def _quoted_rows(text: Text, quoting: Quoting, quotes: str) -> Rows:
    """Read rows with marks that quote. Where a mark opens a field that only a line below closes, the lines are one row,
    unless they look like rows; and they are one in any case where the header or other rows are evidently quoted, and
    all marks close.
    """
    alone = {number: quoting.line(text, number) for number in text.filled}
    rows = _joined_rows(text, quoting, alone, always=quotes == YES)
    is_evident = rows.records[0].n_quoted or set(rows.spanning) - set(rows.doubtful)
    if quotes == GUESS and is_evident and (rows.doubtful or rows.n_faults):
        joined = _joined_rows(text, quoting, alone, always=True)
        if not (joined.n_faults or joined.total("n_stray")):
            return joined
    return rows


def _joined_rows(text: Text, quoting: Quoting, alone: Mapping[int, Record], always: bool) -> Rows:
    """Read lines as rows, and several as one where marks hold them together: all such, or those that are no rows."""
    rows, look, stop = Rows(text, is_escaped=quoting.is_escaped), None, 0
    for number, record in alone.items():
        if number < stop:
            continue
        last = number
        spanning = quoting.record(text, number) if record.n_stray else record
        end = text.line_at(spanning.stop)
        n_columns = len(rows.fields[0]) if rows.fields else len(spanning.fields)
        if end > number and len(_trimmed(spanning.fields, n_columns)) == n_columns:
            look = look or _look(list(alone.values()), n_columns, quoting.separator)
            inner = [alone[line] for line in range(number, end + 1) if line in alone]
            if always or spanning.has_doubled or not _are_rows([look(one) for one in inner]):
                record, last = spanning, end
            if all(len(one.fields) == n_columns for one in inner):
                rows.doubtful.append((number + 1, end + 1))
        rows.add(record, number, last)
        stop = last + 1
    return rows


def _are_rows(look_like_rows: Sequence[bool]) -> bool:
    """Whether lines that a pair of marks holds are rows: those at the ends, of which one at most would be like a
    row by chance, and most of the others.
    """
    return look_like_rows[0] and look_like_rows[-1] and sum(look_like_rows) > len(look_like_rows) / 2


def _look(alone: Sequence[Record], n_columns: int, separator: str) -> Callable[[Record], bool]:
    """Return what tells whether a line looks like the rows of which there is no doubt: it has their number of fields,
    numbers where they have numbers, and labels where they have labels.
    """
    plain = [record.fields for record in alone[1:] if not record.n_stray and len(record.fields) == n_columns]
    checks = {place: check for place, column in enumerate(zip(*plain, strict=True)) if (check := _check(column))}

    def look(record: Record) -> bool:
        if len(record.fields) != n_columns or not (checks or separator == "\t"):
            return False
        return all(check(record.fields[place].strip()) for place, check in checks.items())

    return look


def _check(values: Sequence[str]) -> Callable[[str], bool] | None:
    """Return what is true of the values of a column of numbers, or of few values; None for a column of text."""
    counts = Counter(value.strip() for value in values)
    known = [value for value in counts if value]
    if known and all(map(is_number, known)):
        return lambda value: value in counts or is_number(value)
    n_repeated = sum(counts[value] for value in known if counts[value] > 1)
    return counts.__contains__ if n_repeated > sum(counts[value] for value in known) / 2 else None


def _trimmed(fields: tuple[str, ...], n_columns: int) -> tuple[str, ...]:
    """Leave out empty fields behind the last column, which spreadsheets write."""
    while len(fields) > n_columns and not fields[-1].strip():
        fields = fields[:-1]
    return fields


def _separator(text: str, ordinary: str, quotes: str) -> str:
    """Guess the separator: that which gives most of the first lines as many fields as the first one, two at least."""
    seen = "\n".join(islice(text.split("\n"), N_SEEN))
    shares = {}
    for candidate in CANDIDATES:
        rows = _rows(seen, candidate, quotes)
        shares[candidate] = 1 - rows.n_faults / len(rows.fields) if len(rows.fields[0]) > 1 else 0
    best = max(CANDIDATES, key=shares.get)
    return best if shares[best] > 0.5 else ordinary


def _has_header(rows: Sequence[tuple[str, ...]]) -> bool:
    """Whether the first row names columns: not where it has a number above numbers, or a label that comes again."""
    first, *others = ([value.strip() for value in row] for row in rows)
    columns = list(zip(*others, strict=True))
    # A header may come again where files were joined.
    without_first = list(zip(*(row for row in others if row != first), strict=True))
    if not without_first:
        return True
    filled = [name for name in first if name]
    if filled == list(map(str, range(len(filled)))):  # as pandas names columns that have no names
        return True
    repeated = [bool(name) and name in column for name, column in zip(first, without_first, strict=True)]
    if any(name.casefold() in KNOWN and not again for name, again in zip(first, repeated, strict=True)):
        return True
    numbers = [any(column) and all(is_number(value) for value in column if value) for column in columns]
    named = [name for name, of_numbers in zip(first, numbers, strict=True) if of_numbers and name]
    if named and not all(map(is_number, named)):
        return True
    return not (named or any(repeated))


def _format_notes(name: str, separator: str, has_header: bool, ordinary: str, given: Format) -> list[str]:
    notes = []
    if separator != ordinary and not given.separator:
        shown, other = separator_name(separator), separator_name(ordinary)
        notes.append(f"{name} was read with {shown} as separator; if it is another, set format to separator={other}.")
    if not has_header and given.header == GUESS:
        notes.append(
            f"The first line of {name} reads like data, so its columns are called column 1, column 2 and so on; if it "
            "is a header, set format to header=yes."
        )
    return notes


def _quoting_notes(name: str, rows: Rows, n_lines: int, n_above: int) -> list[str]:
    notes = []
    n_rows = len(rows.fields) - n_above
    if n_lines != n_rows:
        n_spanning = len(rows.spanning)
        texts = "1 row spans" if n_spanning == 1 else f"{n_spanning:,} rows span"
        lines = f"{n_lines:,} lines{' below its header' if n_above else ''}"
        notes.append(f"{name} has {lines} and {n_rows:,} rows: {texts} lines in quotation marks.")
    for first, last in rows.doubtful[:1]:
        more = f" (and {len(rows.doubtful) - 1:,} more such places)" if len(rows.doubtful) > 1 else ""
        what, other = ("1 row", NO) if (first, last) in rows.spanning else (f"{last - first + 1} rows", YES)
        notes.append(
            f"Lines {first} to {last} of {name} lie between two quotation marks and were read as {what}{more}; set "
            f"format to quotes={other} for the other reading."
        )
    n_quoted, n_stray = rows.total("n_quoted"), rows.total("n_stray")
    if rows.n_as_text:
        notes.append(
            f"{name} has {_counted(rows.n_as_text)} in quotation marks, which were read as text; set format to "
            f"quotes={YES} if they are none."
        )
    if n_quoted and rows.is_surprising:
        notes.append(
            f"{name} has {_counted(n_quoted)} in quotation marks, which were taken off; set format to quotes={NO} if "
            "they are text."
        )
    if n_stray and not rows.doubtful:
        notes.append(f"{name} has {_counted(n_stray)} with a quotation mark that opens and never closes, read as text.")
    if rows.is_escaped:
        notes.append(f"Backslashes in {name} were read as escapes of the character behind them.")
    return notes


def _counted(n_fields: int) -> str:
    return f"{n_fields:,} field{'s' * (n_fields != 1)}"
