"""Labelled text of one's own: files of every shape, their rows, columns and labels are read rightly, or refused in one
line that says what to do.
"""

import csv
import gzip
import json
import random
from pathlib import Path

import datasets
import pandas as pd
import pytest

from darksecrets.corpora.own import examples, files, language
from darksecrets.corpora.own.columns import Columns
from darksecrets.corpora.own.format import Format, parse
from darksecrets.corpora.own.labels import BY_NAME, BY_NUMBER, BY_TRUTH, SCORES
from darksecrets.corpora.own.table import Table
from darksecrets.errors import InputError
from darksecrets.runs import Store
from tests.conftest import GLUE
from tests.own_data import load

NAMES, NLI, NAMELESS = ("negative", "positive"), ("entailment", "neutral", "contradiction"), ("LABEL_0", "LABEL_1")
N_ROWS = 12
TEXTS = [f"Some words, number {row}, and no more" for row in range(N_ROWS)]
FRAME = pd.DataFrame({"text": TEXTS, "label": [0, 1] * 6})
# A comma, a quotation mark, a line break and a letter beyond ASCII: each breaks a careless reader.
HARD = ["good, really", 'she said "bad"', "two\nlines", "naïve café", *(f"text number {row} here" for row in range(8))]
PAIRS = pd.DataFrame(
    {"sentence1": HARD, "sentence2": [f"and {row} more words" for row in range(12)], "label": NAMES * 6}
)
WRITERS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True, force_ascii=False),
    "parquet": lambda frame, path: frame.to_parquet(path),
}
each_writer = pytest.mark.parametrize("ending", WRITERS)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in an empty directory, and keep what `datasets` writes out of the user's cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / ".cache")


def saved(values, ending="csv"):
    """Write a table under its usual name, and return the name."""
    frame = values if isinstance(values, pd.DataFrame) else pd.DataFrame(values)
    WRITERS[ending](frame, Path(f"data.{ending}"))
    return f"data.{ending}"


def put(name, content):
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def shown(data):
    return [(example.first, example.second, example.label) for example in data.split.examples]


def classes(data):
    return [example.label for example in data.split.examples]


def refusal(call, *arguments, **given):
    with pytest.raises(InputError) as caught:
        call(*arguments, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def lines(header, row, separator=",", ends="\n"):
    """A file of rows that a function makes of their number."""
    rows = [header, *(separator.join(row(number)) for number in range(N_ROWS))]
    return ends.join(line for line in rows if line) + ends


def plain(row):
    return [TEXTS[row], "01"[row % 2]]


def quoted(row):
    return [f'"{TEXTS[row]}"', "01"[row % 2]]


class TestKinds:
    @each_writer
    def test_every_kind_of_file_gives_the_same_examples(self, ending):
        data = load(saved(PAIRS, ending), NAMES)
        assert shown(data) == [(one, two, NAMES.index(label)) for one, two, label in PAIRS.itertuples(index=False)]
        assert (data.columns, data.guessed) == (Columns("sentence1", "sentence2", "label"), ("text", "second", "label"))
        assert (data.split.n_available, data.split.note) == (len(PAIRS), "")

    def test_the_fingerprint_is_of_the_examples_and_not_of_the_file(self):
        one, other = (load(saved(PAIRS, ending), NAMES).split.fingerprint for ending in ("csv", "parquet"))
        changed = PAIRS.assign(sentence2=PAIRS["sentence2"].where(PAIRS.index > 0, "changed"))
        assert one == other
        assert load(saved(changed), NAMES).split.fingerprint != one
        assert load(saved(PAIRS), (*NAMES, "neither")).split.fingerprint != one

    @each_writer
    def test_rows_without_text_or_label_are_left_out_and_counted(self, ending):
        frame = PAIRS.copy()
        frame.loc[0, "sentence1"], frame.loc[1, "sentence2"] = "  ", None
        frame.loc[[1, 4], "label"] = None
        data = load(saved(pd.concat([frame, PAIRS.assign(sentence1="again")], ignore_index=True), ending), NAMES)
        assert (data.n_without_text, data.n_without_label, data.n_dropped) == (2, 1, 3)
        assert len(data.split.examples) == 2 * len(PAIRS) - 3
        assert [example.id for example in data.split.examples][:3] == ["2", "3", "5"]

    def test_a_choice_of_examples_is_seeded_and_keeps_their_order(self):
        whole, some, again = (shown(load(saved(PAIRS), NAMES, max_examples=size)) for size in (0, 10, 10))
        assert some == again == [one for one in whole if one in some]
        assert len(some) == 10

    def test_a_text_of_any_length_is_read(self):
        frame = PAIRS.assign(sentence1=PAIRS["sentence1"].where(PAIRS.index > 0, "word " * 40_000))
        assert len(shown(load(saved(frame), NAMES))[0][0]) == 200_000

    def test_json_lines_may_lack_a_key(self):
        rows = [{"text": f"words {row}", "label": NAMES[row % 2]} for row in range(12)]
        del rows[3]["label"]
        assert load(put("data.jsonl", "\n".join(map(json.dumps, rows))), NAMES).n_without_label == 1


ACCENTS = [f"C\u2019est très bon, numéro {row} à 5 €" for row in range(N_ROWS)]
CYRILLIC = [f"Это был очень хороший фильм {row}" for row in range(N_ROWS)]
REVIEWS = [f'It said "fine", {row} times.\n\nThen, after a week,\nit broke.' for row in range(N_ROWS)]
SPAM = [f"Win £{row}, now!" for row in range(N_ROWS)]
SAID_NO = [f'She said "no", {row} times' for row in range(N_ROWS)]
SCREENS = [f'a 5" screen; 2" deep {row}' for row in range(N_ROWS)]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0a1b2c\nsize 123456\n"
ROWS_NAMED = FRAME.rename(lambda row: f"row-{row}")
RECORDS = FRAME.to_json(orient="records", lines=True)
STARS = pd.DataFrame({"text": [*TEXTS, "no stars"], "stars": [1, 5, 3] * 4 + [None]}).to_csv(index=False)
SNLI = [
    json.dumps({"gold_label": (*NLI, "-")[row % 4], "sentence1": TEXTS[row % 12], "sentence2": "Something else.",
                "annotator_labels": [NLI[row % 3]]})
    for row in range(24)
]  # fmt: skip
# fmt: off
SHAPES = {  # file, content, what is said; and texts, model's names, classes, lines where they are others than FRAME's
    "pandas with its index": ("f.csv", FRAME.to_csv(), ""),
    "pandas with its index twice": ("f.csv", FRAME.reset_index(names="Unnamed: 0").to_csv(index=False), ""),
    "Kaggle's SMS spam": ("spam.csv", lines("v1,v2,,,", lambda row: [("ham", "spam")[row % 2], f'"{SPAM[row]}"', "", "",
                          "b" * (row == 3)]).encode("cp1252"), "spam.csv is not UTF-8 and was read as cp1252.", SPAM,
                          ("ham", "spam")),
    "SNLI": ("s.jsonl", "\n".join(SNLI), "'-' stands for no label; 6 rows have none.",
             [TEXTS[row % 12] for row in range(24) if row % 4 < 3], NLI, (0, 1, 2), 24),
    "Excel where a comma is decimal": ("e.csv", "\ufeff" + lines("text;label", quoted, ";", "\r\n"),
        "e.csv was read with "
                                       "semicolon as separator; if it is another, set format to separator=comma."),
    "Excel with empty columns and rows": ("e.csv", lines("text,label,,", lambda row: [*quoted(row), "",
        ""]) + ",,,\n" * 3,
                                          "", TEXTS, NAMES, (0, 1), N_ROWS + 3),
    "Excel's Unicode text": ("e.txt", lines("text\tlabel", lambda row: [ACCENTS[row], str(row % 2)], "\t", "\r\n")
                             .encode("utf-16"), "e.txt was read as UTF-16, by its mark.", ACCENTS),
    "Excel that names its separator": ("e.csv", "sep=;\r\n" + lines("text;label", plain, ";", "\r\n"), ""),
    "Windows' encoding": ("w.csv", lines("text;label", lambda row: [ACCENTS[row], str(row % 2)], ";").encode("cp1252"),
                          "w.csv is not UTF-8 and was read as cp1252.", ACCENTS),
    "Cyrillic of Windows": ("c.csv", lines("text,label", lambda row: [CYRILLIC[row], str(row % 2)]).encode("cp1251"),
                            "c.csv is not UTF-8 and was read as cp1251.", CYRILLIC),
    "an old Macintosh's line ends": ("o.csv", lines("text,label", quoted, ends="\r"), ""),
    **{f"JSON {name}": ("r.json", content, "", TEXTS, NAMES, (0, 1), None) for name, content in {
        "list": FRAME.to_json(orient="records"), "indented": FRAME.to_json(orient="records", indent=2),
        "columns": FRAME.to_json(), "split": FRAME.to_json(orient="split"), "by row": FRAME.to_json(orient="index"),
        "by names of rows": ROWS_NAMED.to_json(orient="index"), "columns with names of rows": ROWS_NAMED.to_json(),
        "with a schema": FRAME.to_json(orient="table"),
        "list under data": json.dumps({"version": 2, "data": FRAME.to_dict("records")})}.items()},
    "JSON lines under .json": ("r.json", RECORDS, ""),
    "booleans": ("r.jsonl", FRAME.assign(label=FRAME["label"] == 1).to_json(orient="records", lines=True), "", TEXTS,
                 NAMELESS),
    "packed JSON lines": ("r.jsonl.gz", gzip.compress(RECORDS.encode()), ""),
    "packed TSV": ("r.tsv.gz", gzip.compress(FRAME.to_csv(index=False, sep="\t").encode()), ""),
    "packed, and not named so": ("r.csv", gzip.compress(FRAME.to_csv(index=False).encode()), ""),
    "no header": ("t.csv", lines("", lambda row: [f'"{TEXTS[row]}"', NAMES[row % 2]]),
        "The first line of t.csv reads like "
                  "data, so its columns are called column 1, column 2 and so on"),
    "no header, numbers first": ("t.tsv", lines("", lambda row: plain(row)[::-1], "\t"),
        "The first line of t.tsv reads"),
    "backslashes before marks": ("b.csv", lines("text,label", lambda row: [rf'"She said \"no\", {row} times"',
        "01"[row % 2]]),
                                 "Backslashes in b.csv were read as escapes of the character behind them.", SAID_NO),
    "backslashes, and tabs": ("b.tsv", lines("text\tlabel", lambda row: [rf"She said \"no\", {row} times",
        "01"[row % 2]],
                              "\t"), "Backslashes in b.tsv were read as escapes of the character behind them.",
                                  SAID_NO),
    "marks within texts": ("m.csv", lines("text,label", lambda row: [SCREENS[row], str(row % 2)]), "", SCREENS),
    "texts of several lines": ("v.csv", pd.DataFrame({"text": REVIEWS, "label": [0, 1] * 6}).to_csv(index=False),
        "v.csv has "
                               "36 lines below its header and 12 rows: 12 rows span lines in quotation marks.", REVIEWS,
                               NAMES, (0, 1), 36),
    "bars": ("t.txt", lines("text|label", plain, "|"), "t.txt was read with bar as separator"),
    "tabs under .csv": ("t.csv", lines("text\tlabel", plain, "\t"), "t.csv was read with tab as separator"),
    "blank lines between": ("l.csv", lines("text,label", quoted, ends="\n\n"), ""),
    "stars with one missing": ("s.csv", STARS, "Labels were read as the model's names: 1.0 as 1, 5.0 as 5, 3.0 as 3.",
                               TEXTS, tuple("12345"), (0, 4, 2), N_ROWS + 1),
}
REFUSED_FILES = {  # content, how the refusal begins
    "data.csv": (b"", "data 'data.csv' is empty; it needs a header and labelled rows"),
    "blank.csv": (b"\n \n", "blank.csv: the file is empty; it needs a header"),
    "header.csv": (b"text,label\n", "data 'header.csv' has no rows; it needs labelled examples"),
    "sep.csv": ("sep=;\n", "data 'sep.csv' has no rows; it needs"),
    "data.docx": (b"text\n",
        "data 'data.docx': the ending '.docx' is unknown; accepted are files that end in .csv, .tsv"),
    "book.xlsx": (b"PK\x03\x04",
        "data 'book.xlsx': the ending '.xlsx' is unknown; save the sheet as CSV; accepted are"),
    "book.csv": (b"PK\x03\x04..", "book.csv is a ZIP archive, or a workbook"),
    "data": (b"text\n", "data 'data': the ending 'none' is unknown"),
    "rows.pkl": (b"\x80\x04N.", "data 'rows.pkl': the ending '.pkl' is unknown; such files can run"),
    "pointer.csv": (POINTER, "pointer.csv is a git-LFS pointer and not the file itself; fetch"),
    "pointer.parquet": (POINTER, "pointer.parquet is a git-LFS pointer"),
    "page.csv": ("<!DOCTYPE html>\n<html>", "page.csv is a web page and not"),
    "nul.csv": (FRAME.to_csv() + "1,a\0b,1\n", "nul.csv, line 14: a NUL, a character that no text"),
    "utf16.csv": (FRAME.to_csv().encode("utf-16-le"), "utf16.csv is binary, or text in UTF-16 without a byte"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n\x00\x00", "picture.csv is binary, or text in UTF-16 without a byte"),
    "mixed.csv": ("text,label\ncafé,1\nthé,1\n".encode() + b"\xe9,1\n",
        "mixed.csv, line 4: byte 0xe9 is not UTF-8 as the "
                  "rest is; mend this line, or name an encoding in format"),
    "ragged.csv": (b"text,label\na,b,1\n", "ragged.csv, line 2: expected 2 fields as in the header, found 3; mend or"),
    "twice.csv": (b"text,text,label\na,b,1\na,b,0\n", "twice.csv has the column 'text' more than once; name each"),
    "values.json": (b"[[1, 2],\n[3, 4]]", "values.json is JSON, but no rows of named columns; write one object a line"),
    "split.json": (b'{"columns": ["a"], "data": [[1, 2]]}', "split.json: its columns are not names, or its data not"),
    "packed.csv.gz": (b"\x1f\x8b123", "packed.csv.gz cannot be unpacked ("),
    "broken.jsonl": (b'{"text": "a"}\n{"text"\n', "broken.jsonl, line 2: no JSON ("),
    "list.jsonl": (b'["a", 1]\n', "list.jsonl, line 1: a list; write one object a line"),
    "broken.parquet": (b"PAR1 and no more", "broken.parquet is no Parquet file that can be read"),
    "data/train.parquet": (POINTER, ""),
}
# fmt: on


class TestShapes:
    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    def test_a_file_of_real_life_is_read_rightly_and_what_was_guessed_is_said(self, shape):
        name, content, said, *others = shape
        texts, labels, right, n_lines = (*others, *(TEXTS, NAMES, (0, 1), N_ROWS)[len(others) :])
        data = load(put(name, content), labels)
        assert [example.first for example in data.split.examples] == texts
        assert classes(data) == [*right] * (len(texts) // len(right))
        assert data.n_lines == n_lines
        assert said in " ".join(data.notes)
        assert bool(said) == bool(data.notes)

    @pytest.mark.parametrize("name", REFUSED_FILES)
    def test_a_file_that_cannot_be_read_is_refused(self, name):
        content, line = REFUSED_FILES[name]
        put(name, content)
        if "/" in name:  # a directory of pointers
            name, line = ".", "train.parquet is a git-LFS pointer and not the file itself; fetch it with"
        assert refusal(load, name, NAMES).startswith(line)

    def test_a_missing_file_is_named(self):
        assert "nowhere.csv': there is no such file; accepted are" in refusal(load, "nowhere.csv", NAMES)


CARD = """---
dataset_info:
  features:
  - {name: text, dtype: string}
  - {name: label, dtype: {class_label: {names: {'0': positive, '1': negative}}}}
---
"""
WORDS = [*TEXTS[:9], "None", "NA", "null"]
OPEN = ['"' * (row == 2) + TEXTS[row] + '"' * (row == 8) for row in range(N_ROWS)]
FEATURES = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)}
# fmt: off
DIRECTORIES = {  # files; what is given, the model's names, texts and classes
    "a mark that swallows none": ({"dev.tsv": lines("text\tlabel", lambda row: [OPEN[row], "01"[row % 2]], "\t")}, {},
        NAMES,
                                  OPEN, [0, 1]),
    "words that pandas takes for nothing": ({"dev.csv": pd.DataFrame({"text": WORDS, "label": ["NA", "DE"] * 6})
                                             .to_csv(index=False)}, {}, ("NA", "DE"), WORDS, [0, 1]),
    "several files of a split": ({"a.csv": FRAME[:5].to_csv(index=False), "b.csv": FRAME[5:].to_csv(index=False)}, {},
        NAMES,
                                 TEXTS, [0, 1]),
    "splits of other columns": ({"train.csv": FRAME.to_csv(index=False), "test.csv": "id,text\n1,hidden\n"},
                                {"split": "train"}, NAMES, TEXTS, [0, 1]),
    "a format": ({"dev.csv": FRAME.to_csv(index=False, sep="^")}, {"format": "separator=^"}, NAMES, TEXTS, [0, 1]),
    "names of labels in its card": ({"dev.csv": FRAME.to_csv(index=False), "README.md": CARD}, {}, NAMES, TEXTS, [1,
        0]),
}
# fmt: on


class TestDataSets:
    @pytest.mark.parametrize(("written", "given", "labels", "texts", "right"), DIRECTORIES.values(), ids=DIRECTORIES)
    def test_separated_text_in_a_directory_is_read_as_a_file_is(self, written, given, labels, texts, right):
        for name, content in written.items():
            put(f"mine/{name}", content)
        data = load("mine", labels, **given)
        assert [one.first for one in data.split.examples] == texts
        assert classes(data) == right * (N_ROWS // 2)
        assert data.n_lines == N_ROWS

    @pytest.mark.parametrize(
        ("second", "line"),
        [
            ("id,words\n1,a b\n", "b.csv has other columns than a.csv (id, words; text, label); write them alike"),
            ("text,label\na b,1\na,b,1\n", "b.csv, line 3: expected 2 fields as in the header, found 3"),
        ],
    )
    def test_a_file_of_a_directory_that_does_not_fit_is_named(self, second, line):
        put("mine/a.csv", FRAME.to_csv(index=False))
        put("mine/b.csv", second)
        assert refusal(load, "mine", NAMES).startswith(line)

    def test_a_directory_of_data_files_is_read_with_its_splits(self):
        for split, part in {"train": PAIRS, "test": PAIRS[::-1]}.items():
            put(f"mine/{split}.jsonl", part.to_json(orient="records", lines=True))
        tested, trained = load("mine", NAMES), load("mine", NAMES, split="train")
        assert tested.source_split == "test"
        assert shown(tested) == shown(trained)[::-1]
        assert "has no split 'dev'; it has: t" in refusal(load, "mine", NAMES, split="dev")

    @pytest.mark.parametrize("splits", [(), ("train", "test")], ids=["one split", "several splits"])
    def test_a_data_set_that_was_saved_to_disk_is_read(self, splits):
        values = {"text": [*TEXTS, "more"], "label": [0, 1] * 6 + [-1]}
        one = datasets.Dataset.from_dict(values, datasets.Features(FEATURES))
        (datasets.DatasetDict(dict.fromkeys(splits, one)) if splits else one).save_to_disk("saved")
        data = load("saved", NAMES[::-1])
        assert classes(data) == [1, 0] * 6
        assert (data.source_split, data.n_without_label, data.n_lines) == ("test" if splits else "", 1, None)
        if not splits:
            line = "split is 'train', but data 'saved' is one saved split; leave split out"
            assert refusal(load, "saved", NAMES, split="train") == line

    def test_parquet_of_a_data_set_keeps_the_names_of_its_labels(self):
        datasets.Dataset.from_dict(FRAME.to_dict("list"), datasets.Features(FEATURES)).to_parquet("rows.parquet")
        assert classes(load("rows.parquet", NAMES[::-1])) == [1, 0] * 6


FORMATS = {
    "": {},
    "separator=;,encoding=cp1252,header=no": {"separator": ";", "encoding": "cp1252", "header": "no"},
    "separator=semicolon quotes=yes": {"separator": ";", "quotes": "yes"},
    "separator=, header=no": {"separator": ",", "header": "no"},
    "separator=,": {"separator": ","},
    " separator=\\t,  header=yes ": {"separator": "\t", "header": "yes"},
    "separator=bar": {"separator": "|"},
}
WRONG_FORMATS = {
    "semicolon": "format 'semicolon' cannot be read at 'semicolon'; accepted are separator=comma",
    "header=no seperator=tab": "format 'header=no seperator=tab' cannot be read at 'seperator=tab'; accepted are",
    "header=no header=yes": "format 'header=no header=yes' cannot be read at 'header=yes'",
    "header=maybe": "format has header=maybe; accepted are header=guess, header=yes and header=no",
    "separator=xy": "format has separator=xy, which separates nothing; accepted are",
    "encoding=latin-99": "format has encoding=latin-99, which is unknown; write one such as utf-8, cp1252 or",
    "encoding=hex": "format has encoding=hex, which is unknown",
}
UNFIT_FORMATS = {
    "rows.parquet": ("separator=tab", "format has separator, but 'rows.parquet' is not separated text; leave"),
    "rows.json": ("header=no", "format has header, but 'rows.json' is not separated text; leave header out of"),
    "rows.csv": ("encoding=ascii", "rows.csv, line 2: byte 0xc3 is not ascii, which format names; name another"),
}


class TestFormat:
    @pytest.mark.parametrize("format", FORMATS)
    def test_it_is_read_as_it_is_typed(self, format):
        assert parse(format) == Format(**FORMATS[format])

    @pytest.mark.parametrize("format", WRONG_FORMATS)
    def test_a_wrong_one_is_one_line(self, format):
        assert refusal(parse, format).startswith(WRONG_FORMATS[format])

    @pytest.mark.parametrize("name", UNFIT_FORMATS)
    def test_one_that_does_not_hold_is_refused(self, name):
        format, line = UNFIT_FORMATS[name]
        frame = FRAME.assign(text="é")
        {"rows.parquet": frame.to_parquet, "rows.json": frame.to_json, "rows.csv": frame.to_csv}[name](name)
        assert refusal(load, name, NAMES, format=format).startswith(line)

    def test_an_encoding_that_is_named_is_not_guessed(self):
        put("polish.csv", lines("text,label", lambda row: ["źle", "01"[row % 2]]).encode("cp1250"))
        data = load("polish.csv", NAMES, format="encoding=cp1250")
        assert (data.split.examples[0].first, data.notes) == ("źle", ())


def read(content, name="data.csv", format=""):
    Path(name).write_text(content, encoding="utf-8", newline="")
    return files.read(name, format=format)


def present(rows):
    return [tuple(value if value.strip() else None for value in row) for row in rows]


EVERY, SIZE = 37, 100  # pieces of so many rows begin at each 37th row besides each 100th


@pytest.mark.glue
@pytest.mark.parametrize("file", sorted(GLUE.glob("*/*.tsv")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_piece_of_glue_has_as_many_rows_as_lines(glue, file):
    """QQP is the one file that a writer of CSV has quoted: its marks are doubled throughout, and taken off."""
    header, *content = file.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    text = present(line.split("\t") for line in content)
    unquoted = present(csv.reader(content, delimiter="\t", strict=True)) if file.parent.name == "QQP" else []
    for start in sorted({*range(0, len(content), SIZE), *range(0, len(content), EVERY)}):
        end = start + SIZE
        found = read("\n".join([header, *content[start:end]]) + "\n", "data.tsv")
        assert len(found.rows) == found.n_lines == len(content[start:end]), start
        assert found.rows in (text[start:end], unquoted[start:end]), start
        assert found.columns == tuple(header.split("\t")), start


@pytest.mark.glue
@pytest.mark.parametrize(("task", "start"), [("MNLI/dev_matched", 2600), ("QNLI/train", 5700)])
def test_pieces_that_lost_rows_are_whole_and_what_was_decided_is_said(glue, task, start):
    header, *content = (GLUE / f"{task}.tsv").read_text(encoding="utf-8-sig").split("\n")
    found = read("\n".join([header, *content[start : start + SIZE]]), "data.tsv")
    assert found.rows == present(line.split("\t") for line in content[start : start + SIZE])
    assert "lie between two quotation marks and were read as" in found.notes[0]


def marked(row):
    """Row 20 begins with a mark, and row 29 ends with one."""
    return '"' * (row == 20) + f"text number {row} is here" + '"' * (row == 29)


WRITTEN = {
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
CARELESS = {  # as it is written, as it is meant
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
PARTS = ['"', ",", "\n", "\t", ";", "|", "\\", "word", "1", '5" x', '"q"', "\n\n", "\r\n", "more text"]
QUOTINGS = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]
SEPARATORS = {  # file, separator, what is said
    "semicolons in csv": ("data.csv", ";", "separator=comma"),
    "tabs in csv": ("data.csv", "\t", "separator=comma"),
    "bars in csv": ("data.csv", "|", "separator=comma"),
    "commas in tsv": ("data.tsv", ",", "separator=tab"),
    "commas in txt": ("data.txt", ",", "separator=tab"),
    "tabs in txt": ("data.txt", "\t", ""),
    "commas in csv": ("data.csv", ",", ""),
}
HEADERS = {  # content, columns, lines above the rows
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


class TestRows:
    @pytest.mark.parametrize("separator", ["\t", ",", ";", "|"])
    @pytest.mark.parametrize("columns", [("text", "label"), ("label", "text"), ("id", "text", "label")])
    @pytest.mark.parametrize("labels", [NAMES, ("0.25", "1.75")])
    def test_marks_of_two_rows_swallow_none_between(self, separator, columns, labels):
        rows = [{"text": marked(row), "label": labels[row % 2], "id": str(row)} for row in range(1, 101)]
        content = "\n".join(map(separator.join, [columns, *([row[name] for name in columns] for row in rows)])) + "\n"
        name = "data.tsv" if separator == "\t" else "data.csv"
        found = read(content, name)
        assert found.values("text") == [row["text"] for row in rows]
        assert found.n_lines == 100
        said = (
            f"Lines 21 to 30 of {name} lie between two quotation marks and were read as 10 rows; set format to quotes="
        )
        assert any(note.startswith(f"{said}yes") for note in found.notes)
        if columns[-1] == "label":
            assert len(read(content, name, "quotes=yes").rows) == 91
        assert len(read(content, name, "quotes=no").rows) == 100

    @pytest.mark.parametrize("ending", ["csv", "tsv"])
    @pytest.mark.parametrize("quoting", QUOTINGS, ids=["few", "all", "words"])
    @pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
    def test_what_pandas_writes_is_read_again(self, ending, quoting, text):
        for order in (["text", "label"], ["label", "text"]):
            for share in (1, 3):
                rows = [(f"{text if row % share == 0 else 'plain words'} {row}", row % 2) for row in range(30)]
                frame = pd.DataFrame(rows, columns=["text", "label"])[order]
                separator = "\t" if ending == "tsv" else ","
                content = frame.to_csv(index=False, quoting=quoting, sep=separator, lineterminator="\n")
                found = read(content, f"data.{ending}")
                assert found.values("text") == [text for text, _ in rows]
                n_lines = sum(bool(line.strip()) for line in content.split("\n")) - 1
                assert found.n_lines == n_lines
                said = f"has {n_lines:,} lines below its header and 30 rows"
                assert (n_lines != 30) == any(said in note for note in found.notes)

    def test_texts_of_marks_separators_and_lines_are_read_as_they_were_written(self):
        for seed in range(200):
            chance = random.Random(seed)
            parts = chance.sample(PARTS, 6)
            texts = [" ".join(["a", *chance.choices(parts, k=5), "b"]) for _ in range(30)]
            frame = pd.DataFrame({"text": texts, "label": chance.choices(["pos", "neg"], k=30)})
            separator, quoting = chance.choice(",;|\t"), chance.choice(QUOTINGS)
            frame = frame[["label", "text"]] if chance.random() < 0.5 else frame
            assert read(frame.to_csv(index=False, sep=separator, quoting=quoting)).values("text") == texts, seed

    @pytest.mark.parametrize("share", [1, 2], ids=["each row", "each second"])
    @pytest.mark.parametrize(("written", "text"), CARELESS.values(), ids=CARELESS)
    def test_marks_and_backslashes_of_careless_writers(self, written, text, share):
        content = [f"{written if row % share == 0 else 'plain words'},{row % 2}" for row in range(20)]
        found = read("\n".join(["text,label", *content]))
        assert found.values("text") == [text if row % share == 0 else "plain words" for row in range(20)]

    def test_a_mark_that_never_closes_is_text(self):
        found = read('text,label\n"open,1\n' + "more words,0\n" * 20)
        assert (len(found.rows), found.rows[0]) == (21, ('"open', "1"))
        assert "data.csv has 1 field with a quotation mark that opens and never closes, read as text." in found.notes

    def test_a_row_with_too_many_fields_among_swallowed_lines_is_named(self):
        content = [f"{marked(row)},{row % 2}" for row in range(1, 101)]
        content[24] = "broken, as it is,1"
        line = "data.csv, line 26: expected 2 fields as in the header, found 3; mend or"
        assert refusal(read, "\n".join(["text,label", *content])).startswith(line)

    @pytest.mark.parametrize(("name", "separator", "said"), SEPARATORS.values(), ids=SEPARATORS)
    def test_separators_are_told_by_many_lines(self, name, separator, said):
        texts = [f"one{'; two' * (row % 3)}{' | three' * (row % 2)}{', four' * (row % 4)}" for row in range(20)]
        found = read(pd.DataFrame({"text": texts, "label": [0, 1] * 10}).to_csv(index=False, sep=separator), name)
        assert found.values("text") == texts
        assert said in "".join(found.notes)
        assert bool(said) == bool(found.notes)

    @pytest.mark.parametrize(("content", "n_columns", "n_above"), HEADERS.values(), ids=HEADERS)
    def test_a_header_that_is_missing_is_noticed(self, content, n_columns, n_above):
        content += (content.partition("\n")[2] if n_above else content) * 10
        n_lines = content.count("\n")
        found = read(content)
        assert len(found.columns) == n_columns
        assert len(found.rows) == found.n_lines == n_lines - n_above
        assert (found.columns[1] == "column 2") == (not n_above)
        assert any("reads like data" in note for note in found.notes) == (not n_above)
        for header, above in (("yes", 1), ("no", 0)):
            given = read(content, format=f"header={header}")
            assert len(given.rows) == given.n_lines == n_lines - above
            assert given.notes == ()

    def test_a_header_that_comes_again_is_still_a_header(self):
        found = read("utterance_raw,verdict\n" + "some words,yes\nothers,no\n" * 5 + "utterance_raw,verdict\n")
        assert found.columns == ("utterance_raw", "verdict")


TEN = [f"some words, {row}" for row in range(12)]
BITS = [0, 1] * 6
# fmt: off
GUESSES = {  # the model's names, columns, the guess
    "names of columns": (NAMES, {"id": range(12), "Review": TEN, "Sentiment": BITS}, ("Review", "", "Sentiment")),
    "a pair": (NAMES, {"premise": TEN, "hypothesis": TEN, "gold_label": BITS}, ("premise", "hypothesis", "gold_label")),
    "a pair turned": (NAMES, {"hypothesis": TEN, "premise": TEN, "gold_label": BITS}, ("premise", "hypothesis",
        "gold_label")),
    "a question": (NAMES, {"question": TEN, "passage": TEN, "answer": BITS}, ("question", "passage", "answer")),
    "two texts": (NAMES, {"one": TEN, "other": TEN, "verdict": BITS}, ("one", "other", "verdict")),
    "one text": (NAMES, {"verdict": BITS, "wording": TEN}, ("wording", "", "verdict")),
    "the longest": (NAMES, {"a": ["short one"] * 12, "b": ["much longer than that"] * 12, "c": ["in between it"] * 12,
                            "label": BITS}, ("b", "", "label")),
    "hashes": (NAMES, {"key": [f"{row:02}997932d777bf" for row in range(12)], "comment_text": TEN, "toxic": BITS},
               ("comment_text", "", "toxic")),
    "addresses": (NAMES, {"link": [f"https://a.org/{row}" for row in range(12)], "headline": TEN, "sarcastic": BITS},
                  ("headline", "", "sarcastic")),
    "dates": (NAMES, {"created": [f"2015-02-24 11:35:{row:02}" for row in range(12)], "words": TEN, "polarity": BITS},
              ("words", "", "polarity")),
    "single words that name rows": (NAMES, {"id": [f"row-{row}" for row in range(12)], "words": ["wort"] * 12,
                                            "polarity": BITS}, ("words", "", "polarity")),
    "SICK": (None, {"pair_ID": range(1, 13), "sentence_A": TEN, "sentence_B": TEN[::-1], "relatedness_score": [4.5, 3,
        1] * 4,
                    "entailment_judgment": ["NEUTRAL", "ENTAILMENT"] * 6}, ("sentence_A", "sentence_B",
                        "relatedness_score")),
    "a label that does not fit": (NAMES, {"text": TEN, "score": 0.25, "sentiment": NAMES * 6}, ("text", "",
        "sentiment")),
    "predictions": (NAMES, {"text": TEN, "label": BITS, "prediction": NAMES[::-1] * 6}, ("text", "", "label")),
}
UNUSABLE = {  # columns, what is given, the refusal
    "no label column": ({"text": TEN, "when": ["noon"] * 12}, {},
        "has no column that is clearly the label, one of negative, "
                        "positive: none is; name it, or set classes to what it calls these; it has: 'text'"),
    "no score": ({"number_of": range(12), "tweet": TEN}, {"labels": None}, "the label, a score: none is; name it;"),
    "several label columns": ({"text": TEN, "a": BITS, "b": BITS[::-1]}, {}, "several could be (a, b)"),
    "one class only": ({"text": TEN, "label": [1] * 12}, {}, "all 12 examples have the label 'positive', so that"),
    "labels of another model": ({"text": TEN, "label": ["pos", "neg"] * 6}, {},
        "line 2: label 'pos' of column 'label' is none "
                                "of the model's 2 classes; accepted are negative, positive, or their"),
    "a label too high": ({"text": TEN, "label": [0, 1, 2] * 4}, {}, "line 4: label '2' of column 'label' is none"),
    "names and numbers": ({"text": TEN, "label": ["positive", 0] * 6}, {},
        "line 3: label '0' of column 'label' is of the "
                          "numbers of the model's classes, others are of the model's names; write all alike"),
    "labels withheld": ({"text": TEN, "label": [-1] * 12}, {}, "data.csv has no label in column 'label' of its 12"),
    "words for scores": ({"text": TEN, "score": ["high"] * 12}, {"labels": None},
        "line 2: label 'high' is no number such as "
                         "2.5, and this model gives a score"),
    "a column that is not there": ({"text": TEN, "label": BITS}, {"text": "texts"},
        "text is 'texts', but data.csv has no such "
                                   "column; did you mean 'text'? it has: 'text', 'label'"),
    "one column for two": ({"text": TEN, "label": BITS}, {"text": "label", "label": "label"}, "must be another"),
    "no text": ({"n": range(12), "label": BITS}, {}, "data.csv has no column of text besides the label"),
    "too few": ({"text": TEN[:4], "label": BITS[:4]}, {}, "data.csv has 4 examples with text and label; at"),
    "all texts missing": ({"text": [None] * 12, "label": BITS}, {"text": "text"}, "has no text in column 'text"),
    "a split of a file": ({"text": TEN, "label": BITS}, {"split": "test"}, "is a file and has no splits"),
    "a negative number": ({"text": TEN, "label": BITS}, {"max_examples": -1}, "max_examples is -1; give 0"),
}
# fmt: on


class TestColumns:
    @pytest.mark.parametrize(("labels", "columns", "guess"), GUESSES.values(), ids=GUESSES)
    def test_they_are_told_by_their_names_or_by_what_is_in_them(self, labels, columns, guess):
        assert load(saved(columns), labels).columns == Columns(*guess)

    def test_what_is_given_is_not_guessed(self):
        path = saved(PAIRS.assign(other=PAIRS["label"].iloc[::-1].to_numpy()))
        data = load(path, NAMES, text="sentence2", second="none", label="other")
        assert (data.columns, data.guessed) == (Columns("sentence2", "", "other"), ())
        assert load(path, NAMES, text="sentence1").columns.second == "sentence2"
        assert load(path, NAMES, second="none").columns == Columns("sentence1", "", "label")

    @pytest.mark.parametrize("values", [[0, 1], [-1, 1], ["negative", "positive"]])
    def test_one_of_names_wins_over_one_of_numbers(self, values):
        data = load(saved({"text": "some words", "label": values * 6, "label_text": NAMES[::-1] * 6}), NAMES)
        assert (data.columns.label, classes(data)) == ("label_text", [1, 0] * 6)
        said = "Labels were read from column 'label_text', which has the model's names, and not from 'label'."
        assert (said in data.notes) == (values[1] == 1)

    @pytest.mark.parametrize(("values", "given", "line"), UNUSABLE.values(), ids=UNUSABLE)
    def test_data_that_cannot_be_used_is_refused(self, values, given, line):
        assert line in refusal(load, saved(values), **{"labels": NAMES, **given})

    def test_a_column_of_numbers_is_no_text(self):
        path = saved({"text": range(12), "label": BITS}, "jsonl")
        line = "data.jsonl, line 1: column 'text' has int and not text; name a column of text"
        assert refusal(load, path, NAMES, text="text", label="label") == line


FIVE, NUMBERED = tuple("12345"), tuple(f"LABEL_{number}" for number in range(5))
STAR_NAMES = ("1 star", *(f"{number} stars" for number in range(2, 6)))
POLES = ("positive", "negative")
# fmt: off
LABELS = {  # the model's names, labels as written, what each is (None: missing), what is said of them
    "names in other case, with blanks": (NAMES, ["Positive", "NEGATIVE "], [1, 0], ""),
    "floats that are names": (FIVE, [1.0, 5.0, None], [0, 4, None], "read as the model's names: 1.0 as 1, 5.0 as 5."),
    "text of floats that are names": (FIVE, ["2.0", "5.0"], [1, 4], "2.0 as 2"),
    "integers that are names": (FIVE, [1, 2, 3, 4, 5], [0, 1, 2, 3, 4], ""),
    "numbers within names": (STAR_NAMES, [1, 4, 5], [0, 3, 4], "1 as 1 star, 4 as 4 stars, 5 as 5 stars."),
    "numbers, though names are numerals": (FIVE, [0, 1, 2], [0, 1, 2], ""),
    "numerals in the model's order": (("0", "1"), [0, 1], [0, 1], ""),
    "floats from 0": (NAMELESS, [0.0, 1.0, None], [0, 1, None], ""),
    "names that say nothing": (NAMELESS, ["LABEL_1", "LABEL_0"], [1, 0], ""),
    "other case, blanks, hyphens": (("entailment", "not_entailment"), ["Not Entailment", " ENTAILMENT ",
        "not-entailment"],
                                    [1, 0, 1], "Not Entailment as not_entailment"),
    "letters that differ in case alone": (("pos", "POS"), ["POS", "pos"], [1, 0], ""),
    "SNLI": (NLI, ["neutral", "entailment", "-"], [1, 0, None], "'-' stands for no label; 20 rows have none."),
    "SNLI from the Hub": (NLI, [0, 1, 2, -1], [0, 1, 2, None], "'-1' stands for no label; 15 rows have none."),
    "words for missing": (NLI, ["neutral", "entailment", "NaN", "None", "NA", "<NA>"], [1, 0, *[None] * 4],
        "'NaN', 'N"),
    "a class that is called None": (("None", "some"), ["None", "some"], [0, 1], ""),
    "a class that is called none, in other case": (("none", "some"), ["None", "some"], [0, 1], ""),
    "what databases write for missing": (NLI, ["neutral", "entailment", "\\N"], [1, 0, None], "stands for no label"),
    "a class that is called -": (("-", "+"), ["+", "-"], [1, 0], ""),
    "signs": (NAMELESS, [-1, 1], [0, 1], ""),
    "signs of classes 0 and 1": (("0", "1"), [-1, 1.0], [0, 1], ""),
    "signs of poles": (POLES, [-1, 1], [1, 0], ""),
    "signs that are names": (("1", "-1"), [-1, 1], [1, 0], ""),
    "steps that are names": (("-1", "0", "1"), [-1, 0, 1], [0, 1, 2], ""),
    "no label of two": (NAMELESS, [-1, 0, 1], [None, 0, 1], "'-1' stands for no label"),
    "yes and no": (NAMELESS, ["Yes", "No"], [1, 0], ""),
    "y and n": (("0", "1"), ["y", "n"], [1, 0], ""),
    "booleans": (NAMELESS, [True, False], [1, 0], ""),
    "booleans of named classes": (("false", "true"), [True, False], [1, 0], ""),
    "booleans of classes named the other way": (("yes", "no"), [True, False], [0, 1], ""),
    "booleans of poles": (POLES, [True, False], [0, 1], ""),
    "class 0 never occurs": (NUMBERED, [1, 2, 3, 4], [1, 2, 3, 4],
        "class 0 (LABEL_0) never occurs. If the labels count"),
    "classes from 1": (("LABEL_1", "LABEL_2"), [1, 2], [0, 1], ""),
    "scores": (None, [0.5, -1, 3], [0.5, -1, 3], ""),
    "scores, some missing": (None, ["0.5", "-", "3"], [0.5, None, 3], "'-' stands for no label"),
}
AMBIGUOUS = {  # the model's names, labels as written, the refusal
    "numerals from 1, the last missing": (FIVE, [1, 2, 3, 4],
        "set classes to 1,2,3,4,5 for the first, or to 0,1,2,3,4"),
    "such as floats": (FIVE, [1.0, 2.0, None], "set classes to 1,2,3,4,5 for the first, or to 0,1,2,3,4 for"),
    "numerals the other way": (("1", "0"), [0, 1],
        "can mean class 1 (0), by the model's names, or class 0 (1), by the"),
    "stars, the last missing": (STAR_NAMES, [1, 2],
        "set classes to 1,2,3,4,5 for the first, or to 0,1,2,3,4 for the second"),
    "steps or no label": (NLI, [-1, 0, 1], "set classes to -1,0,1 for the first, or to 0,1,2 for the second"),
    "0 and 1 for true and false": (("True", "False"), [0, 1], "set classes to 0,1 for the first, or to 1,0 for the"),
    "from 1 to n": (NUMBERED, [1, 2, 3, 4, 5], "if the labels count from 1, set classes to 1,2,3,4,5"),
    "1 and 2 of two": (("a", "b"), [1, 2], "if the labels count from 1, set classes to 1,2"),
    "names alike": (("a", "a"), ["a", "b"],
        "accepted are numbers from 0 to 1, as some of the classes are called alike"),
    "words for poles": (NAMES, ["yes", "no"], "or set classes to your names of these, in this order"),
    "names and numbers": (NLI, ["neutral", 0, 1], "others are of the model's names; write all alike"),
    "none at all": (NLI, ["-", -1], "has no label in column 'label' of its 60 rows with text"),
    "half a class": (NAMELESS, [0, 1, 0.5], "0.5"),
    "an underscore in a number": (NUMBERED, ["0", "1_0"], "label '1_0' of column 'label' is none of"),
}
CHOSEN = {  # the model's names, labels as written, the parameter `classes`, what each is
    "names for classes without": (NAMELESS, ["pos", "neg"], ["neg", "pos"], [1, 0]),
    "over the model's names": (NAMES, ["positive", "negative"], ["positive", "negative"], [0, 1]),
    "numbers the other way": (("a", "b"), [0, 1], ["1", "0"], [1, 0]),
    "numbers from 1": (NUMBERED, [1, 2, 5], list(FIVE), [0, 1, 4]),
    "floats from 1": (FIVE, [1.0, 2.0, None], list(FIVE), [0, 1, None]),
    "numbers from 0 of numerals": (FIVE, [1, 2, 3, 4], list("01234"), [1, 2, 3, 4]),
    "steps": (NLI, [-1, 0, 1], ["-1", "0", "1"], [0, 1, 2]),
    "no steps": (NLI, [-1, 0, 1], ["0", "1", "2"], [None, 0, 1]),
    "a class that is missing elsewhere": (NAMELESS, ["-", "+"], ["-", "+"], [0, 1]),
}
WRONG_CLASSES = {
    ("a",): "classes has 1 names, but the model has 2 classes (LABEL_0, LABEL_1); give what the data's",
    ("a", "a"): "classes has a more than once; give each once",
    ("a", "c"): "data.csv, line 3: label 'b' of column 'label' is not among classes (a, c); give all, or mend the",
}
READ_AS = {
    "names": (NAMES, ["Positive", "negative"], BY_NAME),
    "numbers": (NAMES, [0.0, 1.0], f"{BY_NUMBER} (0 is negative, 1 is positive)"),
    "truth": (NAMES, [False, True], f"{BY_TRUTH} (False is negative, True is positive)"),
    "nameless": (NAMELESS, [1, 0], BY_NUMBER),
    "numerals": (("1", "2"), [1, 2], BY_NAME),
    "scores": (None, [0.5, -3], SCORES),
}
# fmt: on
each_kind = pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
N_LABELLED = 60


def labelled(labels, values, ending="csv", **given):
    frame = pd.DataFrame({"text": [f"some words, {row}" for row in range(N_LABELLED)]})
    frame["label"] = values * (N_LABELLED // len(values))
    if ending == "parquet" and len(set(map(type, values))) > 1 and str in map(type, values):
        frame["label"] = frame["label"].astype(str)  # a column of Parquet has one type
    return load(saved(frame, ending), labels, **given)


def meaning(data):
    found = [None] * N_LABELLED
    for example in data.split.examples:
        found[int(example.id)] = example.label
    return found


class TestLabels:
    @each_kind
    @pytest.mark.parametrize(("labels", "values", "right", "said"), LABELS.values(), ids=LABELS)
    def test_they_are_read_as_the_right_classes(self, labels, values, right, said, ending):
        data = labelled(labels, values, ending)
        n_each = N_LABELLED // len(values)
        assert meaning(data) == right * n_each
        assert said in " ".join(data.notes)
        assert data.n_without_label == right.count(None) * n_each
        assert data.split.task.headline == ("pearson" if labels is None else "accuracy")

    @each_kind
    @pytest.mark.parametrize(("labels", "values", "line"), AMBIGUOUS.values(), ids=AMBIGUOUS)
    def test_those_of_two_readings_or_none_are_refused_with_the_way_out(self, labels, values, line, ending):
        assert line in refusal(labelled, labels, values, ending)

    @each_kind
    @pytest.mark.parametrize(("labels", "values", "given", "right"), CHOSEN.values(), ids=CHOSEN)
    def test_classes_overrules_every_guess(self, labels, values, given, right, ending):
        data = labelled(labels, values, ending, classes=given)
        assert meaning(data) == right * (N_LABELLED // len(values))
        assert data.read_as.startswith(f"what classes says ({given[0]} is {labels[0]}, ")

    @pytest.mark.parametrize("given", WRONG_CLASSES)
    def test_wrong_classes_are_refused(self, given):
        assert refusal(labelled, NAMELESS, ["a", "b"], classes=given).startswith(WRONG_CLASSES[given])

    def test_a_score_has_no_classes(self):
        line = "classes is given, but this model has no classes, it gives a score; leave"
        assert refusal(labelled, None, [0.5, 1], classes=["a", "b"]).startswith(line)

    @pytest.mark.parametrize(("labels", "values", "how"), READ_AS.values(), ids=READ_AS)
    def test_what_they_were_taken_for_is_said(self, labels, values, how):
        assert labelled(labels, values).read_as == how

    def test_a_hundred_classes_are_classes(self):
        names = [f"intent {number}" for number in range(100)]
        data = load(saved({"text": [f"words {name}" for name in names], "intent": names}), names)
        assert classes(data) == list(range(100))
        assert data.split.task.n_outputs == 100

    def test_names_that_a_data_set_gives_its_numbers_count_before_the_numbers(self):
        rows = [("some words", row % 2) for row in range(12)]
        turned, other = (
            Table("set", ("text", "label"), rows, str, {"label": names}) for names in (POLES, ("pos", "neg"))
        )
        data = examples.of_table(turned, NAMES)
        assert (classes(data), data.read_as) == ([1, 0] * 6, BY_NAME)
        said = "The data calls its labels pos, neg, and the model its classes bad, good: they were matched by"
        assert said in examples.of_table(other, ("bad", "good")).notes[0]
        assert classes(examples.of_table(other, ("bad", "good"), classes=["neg", "pos"])) == [1, 0] * 6

    def test_no_label_of_a_data_set_counts_as_missing(self):
        rows = [("some words", row % 3 - 1) for row in range(30)]
        found = Table("set", ("text", "label"), rows, str, {"label": NAMES})
        assert {examples.of_table(found, labels).n_without_label for labels in (POLES, NAMELESS)} == {10}

    def test_one_that_is_a_list_is_refused(self):
        rows = [json.dumps({"text": "some words", "label": [row % 2]}) for row in range(12)]
        line = "data.jsonl, line 1: label [0] of column 'label' is none of the model's 2 classes"
        assert refusal(load, put("data.jsonl", "\n".join(rows)), NAMELESS).startswith(line)


ENGLISH = ("The play was not what they had hoped for, and it is over.", "Would you play some of the new songs?")
FOREIGN = (
    "Das Stück war nicht, was sie sich erhofft hatten, und nun ist es vorbei.",
    "A peça não foi o que eles esperavam, e o fim veio a seguir sem mais.",
    "Het stuk was niet wat ze ervan hadden verwacht, en nu is het voorbij.",
    "La obra no fue lo que esperaban y ya se ha acabado para siempre.",
    "Stykket var ikke det de hadde håpet på, og nå er det slutt for godt.",
)


class TestLanguage:
    def test_english_is_told_from_other_languages(self):
        assert all(language.share_of_english([text]) > 2 * language.LEAST for text in ENGLISH)
        assert all(language.share_of_english([text]) < language.LEAST / 1.25 for text in FOREIGN)
        assert language.share_of_english(["", "12 + 3"]) == 0

    @pytest.mark.parametrize(
        ("words", "text", "reason"),
        [
            ("no", ENGLISH[0], "so it was asked."),
            ("guess", FOREIGN[0], "0% of the words are common English ones"),
            ("guess", ENGLISH[0], ""),
            ("yes", FOREIGN[0], ""),
        ],
    )
    def test_words_are_looked_for_where_they_can_be_found(self, words, text, reason):
        split = load(saved({"text": [text] * 12, "label": BITS}), NAMES).split
        sentences, why_not = language.annotated(split, Store("store"), words)
        assert len(sentences) == 12
        assert reason in why_not
        assert bool(reason) == bool(why_not) == (not sentences[0][0].words)
        assert [one.text for one in sentences[0]] == [text]

    def test_another_choice_is_refused(self):
        line = "words is 'maybe'; accepted are guess (if the texts read as English)"
        assert refusal(language.check, "maybe").startswith(line)
