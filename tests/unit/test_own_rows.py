"""Rows of one's own data: a quotation mark swallows none, and real quoted texts stay whole, whatever their lines."""

import csv
import random

import pandas as pd
import pytest

from darksecrets.corpora.own import files
from darksecrets.corpora.own.format import Format, parse
from darksecrets.errors import InputError
from tests.conftest import GLUE

EVERY, SIZE = 37, 100  # pieces of so many rows begin at each 37th row besides each 100th


def read(tmp_path, content, name="data.csv", format=""):
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    return files.read(str(tmp_path / name), format=format)


def by_tabs(lines):
    return [tuple(value if value.strip() else None for value in line.split("\t")) for line in lines]


def by_quotes(lines):
    rows = csv.reader(lines, delimiter="\t", strict=True)
    return [tuple(value if value.strip() else None for value in row) for row in rows]


@pytest.mark.glue
@pytest.mark.parametrize("file", sorted(GLUE.glob("*/*.tsv")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_piece_of_glue_has_as_many_rows_as_lines(glue, tmp_path, file):
    """QQP is the one file that a writer of CSV has quoted: its marks are doubled throughout, and taken off."""
    header, *lines = file.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    text, quoted = by_tabs(lines), by_quotes(lines) if file.parent.name == "QQP" else []
    for start in sorted({*range(0, len(lines), SIZE), *range(0, len(lines), EVERY)}):
        end = start + SIZE
        table = read(tmp_path, "\n".join([header, *lines[start:end]]) + "\n", "data.tsv")
        assert len(table.rows) == table.n_lines == len(lines[start:end]), start
        assert table.rows in (text[start:end], quoted[start:end]), start
        assert table.columns == tuple(header.split("\t")), start


@pytest.mark.glue
@pytest.mark.parametrize(("task", "start"), [("MNLI/dev_matched", 2600), ("QNLI/train", 5700)])
def test_pieces_that_lost_rows_are_whole_and_what_was_decided_is_said(glue, tmp_path, task, start):
    header, *lines = (GLUE / f"{task}.tsv").read_text(encoding="utf-8-sig").split("\n")
    table = read(tmp_path, "\n".join([header, *lines[start : start + SIZE]]), "data.tsv")
    assert table.rows == by_tabs(lines[start : start + SIZE])
    assert "lie between two quotation marks and were read as" in table.notes[0]


MARK = '"'


def marked(row):
    """Row 20 begins with a mark, and row 29 ends with one."""
    return f"{MARK * (row == 20)}text number {row} is here{MARK * (row == 29)}"


@pytest.mark.parametrize("separator", ["\t", ",", ";", "|"])
@pytest.mark.parametrize("columns", [("text", "label"), ("label", "text"), ("id", "text", "label")])
@pytest.mark.parametrize("labels", [("0", "1"), ("negative", "positive"), ("0.25", "1.75")])
def test_marks_of_two_rows_swallow_none_between(tmp_path, separator, columns, labels):
    rows = [{"text": marked(row), "label": labels[row % 2], "id": str(row)} for row in range(1, 101)]
    lines = [columns, *([row[name] for name in columns] for row in rows)]
    content = "\n".join(map(separator.join, lines)) + "\n"
    name = "data.tsv" if separator == "\t" else "data.csv"
    table = read(tmp_path, content, name)
    assert table.values("text") == [row["text"] for row in rows]
    assert table.n_lines == 100
    said = (
        f"Lines 21 to 30 of {name} lie between two quotation marks and were read as 10 rows; set format to quotes=yes"
    )
    assert any(note.startswith(said) for note in table.notes)
    if columns[-1] == "label":
        assert len(read(tmp_path, content, name, "quotes=yes").rows) == 91
    assert len(read(tmp_path, content, name, "quotes=no").rows) == 100


TEXTS = {
    "lines": "first line\nsecond line",
    "an empty line": "first\n\nthird",
    "separators in lines": "first, of all\nsecond, 1\nthird",
    "marks": 'she said "no" to me',
    "marks at the ends": '"quoted" and "quoted"',
    "a mark alone": '5" screen',
    "a label in a line": "first\nis it positive,1\nor not",
    "line ends of Windows": "first\r\nsecond",
    "a backslash": "C:\\new\\table",
    "a backslash at the end": "C:\\new\\",
}


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize(
    "quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC], ids=["few", "all", "words"]
)
@pytest.mark.parametrize("order", [["text", "label"], ["label", "text"]], ids=["text first", "label first"])
@pytest.mark.parametrize("share", [1, 3], ids=["each row", "a third"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_pandas_writes_is_read_again(tmp_path, ending, quoting, order, share, text):
    rows = [(f"{text} {row}" if row % share == 0 else f"plain words {row}", row % 2) for row in range(30)]
    frame = pd.DataFrame(rows, columns=["text", "label"])[order]
    content = frame.to_csv(index=False, quoting=quoting, sep="\t" if ending == "tsv" else ",", lineterminator="\n")
    table = read(tmp_path, content, f"data.{ending}")
    assert table.values("text") == [text for text, _ in rows]
    n_lines = sum(bool(line.strip()) for line in content.split("\n")) - 1
    assert table.n_lines == n_lines
    assert (n_lines != 30) == any(f"has {n_lines:,} lines below its header and 30 rows" in one for one in table.notes)


PARTS = ['"', ",", "\n", "\t", ";", "|", "\\", "word", "1", '5" x', '"q"', "\n\n", "\r\n", "more text"]


@pytest.mark.parametrize("seed", range(200))
def test_texts_of_marks_separators_and_lines_are_read_as_they_were_written(tmp_path, seed):
    chance = random.Random(seed)
    parts = chance.sample(PARTS, 6)
    texts = [" ".join(["a", *chance.choices(parts, k=5), "b"]) for _ in range(30)]
    frame = pd.DataFrame({"text": texts, "label": chance.choices(["pos", "neg"], k=30)})
    separator, quoting = chance.choice(",;|\t"), chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    frame = frame[["label", "text"]] if chance.random() < 0.5 else frame
    table = read(tmp_path, frame.to_csv(index=False, sep=separator, quoting=quoting))
    assert table.values("text") == texts


LITERAL = {
    "a mark within": ('a 5" screen', 'a 5" screen'),
    "a quoted word first": ('"Titanic" is good', '"Titanic" is good'),
    "two quoted words": ('"Titanic" or "Avatar" then', '"Titanic" or "Avatar" then'),
    "quoted without need": ('"plain"', "plain"),
    "blanks around": (' "plain, or not" ', "plain, or not"),
    "escaped": (r'"she said \"no\" to me"', 'she said "no" to me'),
    "escaped at the end": (r'"she said \"no\""', 'she said "no"'),
    "escaped before a comma": (r'"she said \"no\", really"', 'she said "no", really'),
    "escaped without quotes": (r"first\, second \"third\"", 'first, second "third"'),
    "an escaped backslash": (r'"C:\\new \"file\""', r'C:\new "file"'),
}


@pytest.mark.parametrize("share", [1, 2], ids=["each row", "each second"])
@pytest.mark.parametrize(("written", "text"), LITERAL.values(), ids=LITERAL)
def test_marks_and_backslashes_of_careless_writers(tmp_path, written, text, share):
    lines = [f"{written if row % share == 0 else 'plain words'},{row % 2}" for row in range(20)]
    table = read(tmp_path, "\n".join(["text,label", *lines]))
    assert table.values("text") == [text if row % share == 0 else "plain words" for row in range(20)]


def test_a_mark_that_never_closes_is_text(tmp_path):
    table = read(tmp_path, 'text,label\n"open,1\n' + "more words,0\n" * 20)
    assert len(table.rows) == 21
    assert table.rows[0] == ('"open', "1")
    assert "data.csv has 1 field with a quotation mark that opens and never closes, read as text." in table.notes


def test_a_row_with_too_many_fields_among_swallowed_lines_is_named(tmp_path):
    lines = [f"{marked(row)},{row % 2}" for row in range(1, 101)]
    lines[24] = "broken, as it is,1"
    with pytest.raises(InputError, match=r"^data.csv, line 26: expected 2 fields as in the header, found 3; mend or"):
        read(tmp_path, "\n".join(["text,label", *lines]))


SEPARATORS = {
    "semicolons in csv": ("data.csv", ";", "separator=comma"),
    "tabs in csv": ("data.csv", "\t", "separator=comma"),
    "bars in csv": ("data.csv", "|", "separator=comma"),
    "commas in tsv": ("data.tsv", ",", "separator=tab"),
    "commas in txt": ("data.txt", ",", "separator=tab"),
    "tabs in txt": ("data.txt", "\t", ""),
    "commas in csv": ("data.csv", ",", ""),
}


@pytest.mark.parametrize(("name", "separator", "said"), SEPARATORS.values(), ids=SEPARATORS)
def test_separators_are_told_by_many_lines(tmp_path, name, separator, said):
    texts = [f"one{'; two' * (row % 3)}{' | three' * (row % 2)}{', four' * (row % 4)}" for row in range(20)]
    frame = pd.DataFrame({"text": texts, "label": [0, 1] * 10})
    table = read(tmp_path, frame.to_csv(index=False, sep=separator), name)
    assert table.values("text") == texts
    assert said in "".join(table.notes)
    assert bool(said) == bool(table.notes)


HEADERS = {
    "labels that come again": ("some words,positive\nothers,negative\nmore,positive\n", 2, 0),
    "numbers": ("some words,1\nothers,0\n", 2, 0),
    "numbers first": ("1,some words\n0,others\n", 2, 0),
    "scores": ("some words,0.25\nothers,1.5\n", 2, 0),
    "names": ("text,label\nsome words,positive\n", 2, 1),
    "names of no list": ("utterance_raw,verdict\nsome words,positive\n", 2, 1),
    "a name that is a value": ("text,positive\nsome words,positive\nothers,negative\n", 2, 1),
    "numbers that pandas writes for no names": ("0,1\nsome words,positive\nothers,negative\n", 2, 1),
    "such numbers beside an index": (",0,1\n0,some words,1\n1,others,0\n", 3, 1),
    "questions of a form": ("How did you like it?,Which class is it?\nsome words,positive\n", 2, 1),
}


@pytest.mark.parametrize(("lines", "n_columns", "n_above"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_is_missing_is_noticed(tmp_path, lines, n_columns, n_above):
    body = lines.partition("\n")[2] if n_above else lines
    content = lines + body * 10
    n_lines = content.count("\n")
    table = read(tmp_path, content)
    assert len(table.columns) == n_columns
    assert len(table.rows) == table.n_lines == n_lines - n_above
    assert (table.columns[1] == "column 2") == (not n_above)
    assert any("reads like data" in note for note in table.notes) == (not n_above)
    for header, above in (("yes", 1), ("no", 0)):
        given = read(tmp_path, content, format=f"header={header}")
        assert len(given.rows) == given.n_lines == n_lines - above
        assert given.notes == ()


def test_a_header_that_comes_again_is_still_a_header(tmp_path):
    table = read(tmp_path, "utterance_raw,verdict\n" + "some words,yes\nothers,no\n" * 5 + "utterance_raw,verdict\n")
    assert table.columns == ("utterance_raw", "verdict")


@pytest.mark.parametrize(
    ("format", "given"),
    [
        ("", {}),
        ("separator=;,encoding=cp1252,header=no", {"separator": ";", "encoding": "cp1252", "header": "no"}),
        ("separator=semicolon quotes=yes", {"separator": ";", "quotes": "yes"}),
        ("separator=, header=no", {"separator": ",", "header": "no"}),
        ("separator=,", {"separator": ","}),
        (" separator=\\t,  header=yes ", {"separator": "\t", "header": "yes"}),
        ("separator=bar", {"separator": "|"}),
    ],
)
def test_a_format_is_read_as_it_is_typed(format, given):
    assert parse(format) == Format(**given)


@pytest.mark.parametrize(
    ("format", "line"),
    [
        ("semicolon", r"^format 'semicolon' cannot be read at 'semicolon'; accepted are separator=comma"),
        ("header=no seperator=tab", r"cannot be read at 'seperator=tab'; accepted are"),
        ("header=no header=yes", r"cannot be read at 'header=yes'"),
        ("header=maybe", r"^format has header=maybe; accepted are header=guess, header=yes and header=no$"),
        ("separator=xy", r"^format has separator=xy, which separates nothing; accepted are"),
        ("encoding=latin-99", r"^format has encoding=latin-99, which is unknown; write one such as utf-8, cp1252 or"),
        ("encoding=hex", r"^format has encoding=hex, which is unknown"),
    ],
)
def test_a_wrong_format_is_one_line(format, line):
    with pytest.raises(InputError, match=line):
        parse(format)
