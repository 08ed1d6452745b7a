"""Files of real life, in the shapes that people bring: each is read rightly, or refused in a line that says what to do.

`pytest -s` shows the table.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from darksecrets.errors import InputError
from tests.own_data import load

N_ROWS = 12
NAMES = ("negative", "positive")
HAM = ("ham", "spam")
NLI = ("entailment", "neutral", "contradiction")
TEXTS = [f"Some words, number {row}, and no more" for row in range(N_ROWS)]
ACCENTS = [f"C\u2019est très bon, numéro {row} à 5 €" for row in range(N_ROWS)]
REVIEWS = [f'It said "fine", {row} times.\n\nThen, after a week,\nit broke.' for row in range(N_ROWS)]
FRAME = pd.DataFrame({"text": TEXTS, "label": [0, 1] * 6})
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0a1b2c\nsize 123456\n"


@dataclass(frozen=True)
class Shape:
    """A file as somebody has it, and what is right: texts and classes, and what is said; or how its refusal begins."""

    name: str
    content: bytes | str = b""
    labels: tuple[str, ...] = NAMES
    texts: list[str] | None = None
    classes: tuple[int, ...] = (0, 1)
    said: str = ""
    n_lines: int | None = N_ROWS
    refused: str = ""


def lines(header, row, separator=",", ends="\n"):
    """A file of rows that a function makes of their number."""
    rows = [header, *(separator.join(row(number)) for number in range(N_ROWS))]
    return ends.join(line for line in rows if line) + ends


def snli(number):
    return json.dumps(
        {
            "gold_label": (*NLI, "-")[number % 4],
            "sentence1": TEXTS[number],
            "sentence2": "Something else.",
            "annotator_labels": [NLI[number % 3]],
        }
    )


SHAPES = {
    "Kaggle's SMS spam": Shape(
        "spam.csv",
        lines("v1,v2,,,", lambda row: [HAM[row % 2], f'"Win £{row}, now!"', "", "", "b" * (row == 3)]).encode("cp1252"),
        HAM,
        [f"Win £{row}, now!" for row in range(N_ROWS)],
        said="spam.csv is not UTF-8 and was read as cp1252.",
    ),
    "SNLI": Shape(
        "snli.jsonl",
        "\n".join(snli(row % N_ROWS) for row in range(2 * N_ROWS)),
        NLI,
        [TEXTS[row % N_ROWS] for row in range(2 * N_ROWS) if row % 4 < 3],
        (0, 1, 2),
        "'-' stands for no label; 6 rows have none.",
        2 * N_ROWS,
    ),
    "pandas with its index": Shape("frame.csv", FRAME.to_csv()),
    "pandas with an index that was read and written again": Shape(
        "frame.csv", FRAME.reset_index(names="Unnamed: 0").to_csv(index=False)
    ),
    "Excel's CSV where a comma is decimal": Shape(
        "excel.csv",
        b"\xef\xbb\xbf" + lines("text;label", lambda row: [f'"{TEXTS[row]}"', str(row % 2)], ";", "\r\n").encode(),
        said="excel.csv was read with semicolon as separator; if it is another, set format to separator=comma.",
    ),
    "Excel's CSV with empty columns and rows below": Shape(
        "excel.csv",
        lines("text,label,,", lambda row: [f'"{TEXTS[row]}"', str(row % 2), "", ""]) + ",,,\n" * 3,
        n_lines=N_ROWS + 3,
    ),
    "Excel's Unicode text": Shape(
        "excel.txt",
        lines("text\tlabel", lambda row: [ACCENTS[row], str(row % 2)], "\t", "\r\n").encode("utf-16"),
        texts=ACCENTS,
        said="excel.txt was read as UTF-16, by its mark.",
    ),
    "Excel's CSV that names its separator": Shape(
        "excel.csv", "sep=;\r\n" + lines("text;label", lambda row: [TEXTS[row], str(row % 2)], ";", "\r\n")
    ),
    "a separator and nothing else": Shape("rows.csv", "sep=;\n", refused="data 'rows.csv' has no rows; it needs"),
    "Windows' encoding": Shape(
        "french.csv",
        lines("text;label", lambda row: [ACCENTS[row], str(row % 2)], ";").encode("cp1252"),
        texts=ACCENTS,
        said="french.csv is not UTF-8 and was read as cp1252.",
    ),
    "Cyrillic of Windows": Shape(
        "russian.csv",
        lines("text,label", lambda row: [f"Это был очень хороший фильм {row}", str(row % 2)]).encode("cp1251"),
        texts=[f"Это был очень хороший фильм {row}" for row in range(N_ROWS)],
        said="russian.csv is not UTF-8 and was read as cp1251.",
    ),
    "an old Macintosh's line ends": Shape(
        "old.csv", lines("text,label", lambda row: [f'"{TEXTS[row]}"', "01"[row % 2]], ends="\r")
    ),
    "a list of objects": Shape("rows.json", FRAME.to_json(orient="records"), n_lines=None),
    "a list of objects, indented": Shape("rows.json", FRAME.to_json(orient="records", indent=2), n_lines=None),
    "pandas' own JSON": Shape("frame.json", FRAME.to_json(), n_lines=None),
    "pandas' JSON, split": Shape("frame.json", FRAME.to_json(orient="split"), n_lines=None),
    "pandas' JSON, by row": Shape("frame.json", FRAME.to_json(orient="index"), n_lines=None),
    "JSON by names of rows": Shape(
        "frame.json", FRAME.rename(lambda row: f"row-{row}").to_json(orient="index"), n_lines=None
    ),
    "pandas' JSON with names of rows": Shape(
        "frame.json", FRAME.rename(lambda row: f"row-{row}").to_json(), n_lines=None
    ),
    "pandas' JSON with a schema": Shape("frame.json", FRAME.to_json(orient="table"), n_lines=None),
    "a list under data": Shape("set.json", json.dumps({"version": 2, "data": FRAME.to_dict("records")}), n_lines=None),
    "JSON lines under .json": Shape("rows.json", FRAME.to_json(orient="records", lines=True)),
    "booleans": Shape(
        "rows.jsonl",
        FRAME.assign(label=FRAME["label"] == 1).to_json(orient="records", lines=True),
        ("LABEL_0", "LABEL_1"),
    ),
    "packed JSON lines": Shape("rows.jsonl.gz", gzip.compress(FRAME.to_json(orient="records", lines=True).encode())),
    "packed CSV": Shape("rows.csv.gz", gzip.compress(FRAME.to_csv(index=False).encode())),
    "packed TSV": Shape("rows.tsv.gz", gzip.compress(FRAME.to_csv(index=False, sep="\t").encode())),
    "packed, and not named so": Shape("rows.csv", gzip.compress(FRAME.to_csv(index=False).encode())),
    "no header": Shape(
        "tweets.csv",
        lines("", lambda row: [f'"{TEXTS[row]}"', NAMES[row % 2]]),
        said="The first line of tweets.csv reads like data, so its columns are called column 1, column 2 and so on",
    ),
    "no header, numbers first": Shape(
        "tweets.tsv",
        lines("", lambda row: [str(row % 2), TEXTS[row]], "\t"),
        said="The first line of tweets.tsv reads like data",
    ),
    "backslashes before marks": Shape(
        "export.csv",
        lines("text,label", lambda row: [rf'"She said \"no\", {row} times"', str(row % 2)]),
        texts=[f'She said "no", {row} times' for row in range(N_ROWS)],
        said="Backslashes in export.csv were read as escapes of the character behind them.",
    ),
    "backslashes before marks, and tabs": Shape(
        "export.tsv",
        lines("text\tlabel", lambda row: [rf"She said \"no\", {row} times", str(row % 2)], "\t"),
        texts=[f'She said "no", {row} times' for row in range(N_ROWS)],
        said="Backslashes in export.tsv were read as escapes of the character behind them.",
    ),
    "marks within texts": Shape(
        "shop.csv",
        lines("text,label", lambda row: [f'a 5" screen; 2" deep {row}', str(row % 2)]),
        texts=[f'a 5" screen; 2" deep {row}' for row in range(N_ROWS)],
    ),
    "texts of several lines": Shape(
        "reviews.csv",
        pd.DataFrame({"text": REVIEWS, "label": [0, 1] * 6}).to_csv(index=False),
        texts=REVIEWS,
        said="reviews.csv has 36 lines below its header and 12 rows: 12 rows span lines in quotation marks.",
        n_lines=36,
    ),
    "bars": Shape(
        "table.txt",
        lines("text|label", lambda row: [TEXTS[row], str(row % 2)], "|"),
        said="table.txt was read with bar as separator",
    ),
    "tabs under .csv": Shape(
        "table.csv",
        lines("text\tlabel", lambda row: [TEXTS[row], str(row % 2)], "\t"),
        said="table.csv was read with tab as separator",
    ),
    "blank lines between": Shape(
        "rows.csv", lines("text,label", lambda row: [f'"{TEXTS[row]}"', "01"[row % 2]], ends="\n\n")
    ),
    "stars with one missing": Shape(
        "stars.csv",
        pd.DataFrame({"text": [*TEXTS, "no stars"], "stars": [1, 5, 3] * 4 + [None]}).to_csv(index=False),
        tuple("12345"),
        classes=(0, 4, 2),
        said="Labels were read as the model's names: 1.0 as 1, 5.0 as 5, 3.0 as 3.",
        n_lines=N_ROWS + 1,
    ),
    "a spreadsheet": Shape(
        "book.xlsx", b"PK\x03\x04", refused="data 'book.xlsx': the ending '.xlsx' is unknown; save the"
    ),
    "a spreadsheet named .csv": Shape("book.csv", b"PK\x03\x04..", refused="book.csv is a ZIP archive, or a workbook"),
    "a pickle": Shape(
        "rows.pkl", b"\x80\x04N.", refused="data 'rows.pkl': the ending '.pkl' is unknown; such files can run"
    ),
    "git-LFS pointer": Shape(
        "rows.csv", POINTER, refused="rows.csv is a git-LFS pointer and not the file itself; fetch"
    ),
    "git-LFS pointer to Parquet": Shape("rows.parquet", POINTER, refused="rows.parquet is a git-LFS pointer"),
    "a page instead of the file": Shape(
        "rows.csv", "<!DOCTYPE html>\n<html>", refused="rows.csv is a web page and not"
    ),
    "a NUL": Shape(
        "rows.csv", FRAME.to_csv() + "1,a\0b,1\n", refused="rows.csv, line 14: a NUL, a character that no text"
    ),
    "UTF-16 without its mark": Shape(
        "rows.csv", FRAME.to_csv().encode("utf-16-le"), refused="rows.csv is binary, or text in UTF-16 without a byte"
    ),
    "two encodings": Shape(
        "rows.csv",
        lines("text,label", lambda row: [f"café {row}", "1"]).encode() + b"caf\xe9,1\n",
        refused="rows.csv, line 14: byte 0xe9 is not UTF-8 as the rest is; mend this line",
    ),
}


def happened(path, labels):
    try:
        return load(path, labels), ""
    except InputError as error:
        return None, str(error)


@pytest.mark.parametrize(("what", "shape"), SHAPES.items(), ids=SHAPES)
def test_a_shape_of_file_is_read_rightly_or_refused_in_one_line(tmp_path, monkeypatch, what, shape):
    monkeypatch.chdir(tmp_path)
    content = shape.content if isinstance(shape.content, bytes) else shape.content.encode()
    Path(shape.name).write_bytes(content)
    data, line = happened(shape.name, shape.labels)
    show(what, shape.name, data, line)
    if shape.refused:
        assert line.startswith(shape.refused)
        assert "\n" not in line
        return
    examples = data.split.examples if data else pytest.fail(line)
    assert [one.first for one in examples] == (shape.texts or TEXTS)
    assert tuple(one.label for one in examples) == shape.classes * (len(examples) // len(shape.classes))
    assert data.n_lines == shape.n_lines
    assert shape.said in " ".join(data.notes)
    assert bool(shape.said) == bool(data.notes)


@pytest.mark.parametrize("splits", [(), ("train", "test")], ids=["one split", "several splits"])
def test_a_data_set_that_was_saved_to_disk_is_read(tmp_path, splits):
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)})
    one = datasets.Dataset.from_dict({"text": [*TEXTS, "more"], "label": [0, 1] * 6 + [-1]}, features)
    saved = datasets.DatasetDict(dict.fromkeys(splits, one)) if splits else one
    saved.save_to_disk(tmp_path / "saved")
    data = load(str(tmp_path / "saved"), NAMES[::-1])
    show("save_to_disk" + (" with splits" if splits else ""), "saved/", data, "")
    assert [example.label for example in data.split.examples] == [1, 0] * 6
    assert (data.source_split, data.n_without_label, data.n_lines) == ("test" if splits else "", 1, None)
    if not splits:
        with pytest.raises(InputError, match=r"^split is 'train', but data .* is one saved split; leave split out$"):
            load(str(tmp_path / "saved"), NAMES, split="train")


def test_parquet_of_a_data_set_keeps_the_names_of_its_labels(tmp_path):
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)})
    datasets.Dataset.from_dict(FRAME.to_dict("list"), features).to_parquet(tmp_path / "rows.parquet")
    data = load(str(tmp_path / "rows.parquet"), NAMES[::-1])
    show("Parquet of a data set", "rows.parquet", data, "")
    assert [example.label for example in data.split.examples] == [1, 0] * 6


CARD = """---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': positive
          '1': negative
---
"""
WORDS = [*TEXTS[:9], "None", "NA", "null"]
DIRECTORIES = {  # files, what is given, the model's names, texts and classes
    "a mark that swallows none": (
        {
            "dev.tsv": lines(
                "text\tlabel", lambda row: ['"' * (row == 2) + TEXTS[row] + '"' * (row == 8), "01"[row % 2]], "\t"
            )
        },
        {},
        NAMES,
        ['"' * (row == 2) + TEXTS[row] + '"' * (row == 8) for row in range(N_ROWS)],
        (0, 1),
    ),
    "words that pandas takes for nothing": (
        {"dev.csv": pd.DataFrame({"text": WORDS, "label": ["NA", "DE"] * 6}).to_csv(index=False)},
        {},
        ("NA", "DE"),
        WORDS,
        (0, 1),
    ),
    "several files of a split": (
        {"a.csv": FRAME[:5].to_csv(index=False), "b.csv": FRAME[5:].to_csv(index=False)},
        {},
        NAMES,
        TEXTS,
        (0, 1),
    ),
    "splits of other columns": (
        {"train.csv": FRAME.to_csv(index=False), "test.csv": "id,text\n1,hidden\n"},
        {"split": "train"},
        NAMES,
        TEXTS,
        (0, 1),
    ),
    "a format": ({"dev.csv": FRAME.to_csv(index=False, sep="^")}, {"format": "separator=^"}, NAMES, TEXTS, (0, 1)),
    "names of labels in its card": (
        {
            "dev.csv": FRAME.to_csv(index=False),
            "README.md": CARD,
        },
        {},
        NAMES,
        TEXTS,
        (1, 0),
    ),
}


@pytest.fixture
def cache_aside(tmp_path_factory, monkeypatch):
    """Keep what `datasets` writes beside a directory that it looks at out of the user's cache."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.mark.usefixtures("cache_aside")
@pytest.mark.parametrize(("files", "given", "labels", "texts", "classes"), DIRECTORIES.values(), ids=DIRECTORIES)
def test_separated_text_in_a_directory_is_read_as_a_file_is(tmp_path, files, given, labels, texts, classes):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    data = load(str(tmp_path), labels, **given)
    assert [one.first for one in data.split.examples] == texts
    assert tuple(one.label for one in data.split.examples) == classes * (N_ROWS // 2)
    assert data.n_lines == N_ROWS


@pytest.mark.usefixtures("cache_aside")
@pytest.mark.parametrize(
    ("second", "line"),
    [
        ("id,words\n1,a b\n", r"^b.csv has other columns than a.csv \(id, words; text, label\); write them alike"),
        ("text,label\na b,1\na,b,1\n", r"^b.csv, line 3: expected 2 fields as in the header, found 3"),
    ],
)
def test_a_file_of_a_directory_that_does_not_fit_is_named(tmp_path, second, line):
    (tmp_path / "a.csv").write_text(FRAME.to_csv(index=False))
    (tmp_path / "b.csv").write_text(second)
    with pytest.raises(InputError, match=line):
        load(str(tmp_path), NAMES)


def test_a_directory_of_pointers_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.parquet").write_bytes(POINTER)
    with pytest.raises(InputError, match=r"^train.parquet is a git-LFS pointer and not the file itself; fetch it with"):
        load(str(tmp_path), NAMES)


@pytest.mark.parametrize(
    ("name", "format", "line"),
    [
        ("rows.parquet", "separator=tab", r"^format has separator, but 'rows.parquet' is not separated text; leave"),
        ("rows.json", "header=no", r"^format has header, but 'rows.json' is not separated text; leave header out of"),
        ("rows.csv", "encoding=ascii", r"^rows.csv, line 2: byte 0xc3 is not ascii, which format names; name another"),
    ],
)
def test_a_format_that_does_not_hold_is_refused(tmp_path, name, format, line):
    frame = FRAME.assign(text="é")
    {"rows.parquet": frame.to_parquet, "rows.json": frame.to_json, "rows.csv": frame.to_csv}[name](tmp_path / name)
    with pytest.raises(InputError, match=line):
        load(str(tmp_path / name), NAMES, format=format)


def test_an_encoding_that_is_named_is_not_guessed(tmp_path):
    (tmp_path / "polish.csv").write_bytes(lines("text,label", lambda row: ["źle", "01"[row % 2]]).encode("cp1250"))
    data = load(str(tmp_path / "polish.csv"), NAMES, format="encoding=cp1250")
    assert data.split.examples[0].first == "źle"
    assert data.notes == ()


def show(what, name, data, line):
    """Print a row of the table: shape | file | rows of lines | columns | labels read as | notes, or the refusal."""
    if data:
        columns = ", ".join(filter(None, (data.columns.text, data.columns.second, data.columns.label)))
        counts = f"{len(data.split.examples)} of {data.split.n_available} rows, {data.n_lines} lines"
        line = f"{counts} | {columns} | {data.read_as} | {' '.join(data.notes) or 'nothing was guessed'}"
    print(f"\n{what} | {name} | {line}", end="")
