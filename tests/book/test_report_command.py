"""`python -m darksecrets report` as a person types it: what it says, what it writes, and one line for what is wrong."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from darksecrets.__main__ import main
from tests import own_models


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A model and a CSV file of 3 columns."""
    return own_models.bert_with_csv(tmp_path_factory.mktemp("report"))


@pytest.fixture
def type_in(tmp_path, monkeypatch):
    """Give a function that runs the command in an empty directory, far from the book's repository."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, ["report", *words], catch_exceptions=False)


def test_it_says_what_it_guessed_and_writes_the_report(type_in, given, tmp_path):
    model, data = given
    result = type_in("--checkpoint", model, "--data", data, "--max-examples", "30")
    assert result.exit_code == 0
    for line in (
        "text: column 'sentence1' (guessed)",
        "second text: column 'sentence2' (guessed)",
        "label: column 'label' (guessed), read as the numbers of the model's classes",
        "examples: 30 of 40 rows, from 40 lines",
        "The report is in report/index.html",
    ):
        assert line in result.stdout.splitlines()
    assert "careful: Costs were measured on 15 examples" in result.stderr
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"index.html", "heads.json", "tables"}
    assert json.loads((tmp_path / "report/heads.json").read_text())["data"]["n_examples"] == 30


def test_columns_can_be_named(type_in, given, tmp_path):
    model, data = given
    frame = pd.read_csv(data).rename(columns={"sentence1": "a", "sentence2": "b", "label": "c"}).assign(d=0)
    frame.to_csv(tmp_path / "mine.csv", index=False)
    columns = ("--text", "b", "--second", "none", "--label", "c", "--words", "no", "--output", "there")
    result = type_in("--checkpoint", model, "--data", "mine.csv", *columns)
    assert result.exit_code == 0
    assert "text: column 'b'\nsecond text: none\nlabel: column 'c', read as" in result.stdout
    assert (tmp_path / "there/index.html").is_file()


CSV = "text,label\n" + "\n".join(f"some words {row},{row % 2}" for row in range(12))
TIMES = CSV.replace("label", "when").replace(",0", ",noon").replace(",1", ",noon")
WRONG = {
    "no label column": (
        TIMES,
        (),
        "mine.csv has no column that is clearly the label, one of LABEL_0, LABEL_1: none is;",
    ),
    "one class": (CSV.replace(",0", ",1"), (), "all 12 examples have the label 'LABEL_1', so that nothing can be"),
    "empty": ("", (), "data 'mine.csv' is empty; it needs a header and labelled rows\n"),
    "binary": ("\x89PNG\0", (), "mine.csv is binary, or text in UTF-16 without a byte order mark; save it as UTF-8, "),
    "other labels": (CSV.replace(",1", ",good"), (), "mine.csv, line 3: label 'good' of column 'label' is none of the"),
    "no such column": (CSV, ("--text", "body"), "text is 'body', but mine.csv has no such column; it has: 'text', "),
    "a file for output": (CSV, ("--output", "mine.csv"), "output 'mine.csv' is a file; give a directory"),
    "a precision": (
        CSV,
        ("--precision", "half"),
        "precision 'half' is unknown; accepted are float32, bfloat16 and auto\n",
    ),
}


@pytest.mark.parametrize(("content", "options", "line"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_line_and_exit_code_2(type_in, given, tmp_path, content, options, line):
    (tmp_path / "mine.csv").write_text(content)
    result = type_in("--checkpoint", given[0], "--data", "mine.csv", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {line}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("model", "data", "line"),
    [
        ("minilm", "", "error: checkpoint 'minilm' is an encoder without a trained output layer (BertModel in"),
        (
            "",
            "nowhere.csv",
            "error: data 'nowhere.csv': there is no such file; accepted are files that end in .csv, .tsv,",
        ),
        (
            "",
            "notes.docx",
            "error: data 'notes.docx': the ending '.docx' is unknown; accepted are files that end in .csv, ",
        ),
    ],
)
def test_models_and_files_that_cannot_be_read_are_one_line(type_in, given, tmp_path, model, data, line):
    (tmp_path / "notes.docx").write_text("words")
    result = type_in("--checkpoint", model or given[0], "--data", data or given[1])
    assert result.exit_code == 2
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


def test_labels_and_format_can_be_named(type_in, given, tmp_path):
    """What a file does not say can be typed: its labels are swapped, and its header is data to a careless eye."""
    model, data = given
    frame = pd.read_csv(data)
    frame.assign(label=frame["label"].map({0: "no", 1: "yes"})).to_csv(tmp_path / "mine.csv", sep=";", index=False)
    options = ("--classes", "yes,no", "--format", "separator=semicolon header=yes", "--words", "no")
    result = type_in("--checkpoint", model, "--data", "mine.csv", *options)
    assert result.exit_code == 0
    assert "read as what classes says (yes is LABEL_0, no is LABEL_1)" in result.stdout


def test_help_says_what_is_read_and_written(type_in):
    text = " ".join(type_in("--help").stdout.split())
    for words in ("--checkpoint MODEL", "--data DATA", "index.html", "heads.json", "no pickle", "[default: 500]"):
        assert words in text
