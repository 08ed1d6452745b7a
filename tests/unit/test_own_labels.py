"""Labels of one's own data: each way of writing them is read as the right classes, or refused with the way out."""

import json

import pandas as pd
import pytest

from darksecrets.corpora.own import examples
from darksecrets.corpora.own.table import Table
from darksecrets.errors import InputError
from tests.own_data import load

NAMELESS = ("LABEL_0", "LABEL_1")
FIVE = tuple("12345")
STARS = ("1 star", *(f"{number} stars" for number in range(2, 6)))
NLI = ("entailment", "neutral", "contradiction")
NUMBERED = tuple(f"LABEL_{number}" for number in range(5))
N_ROWS = 60
# model's names, labels as written, what each is (None: missing), what is said of them
READ = {
    "floats that are names": (FIVE, [1.0, 5.0, None], [0, 4, None], "read as the model's names: 1.0 as 1, 5.0 as 5."),
    "text of floats that are names": (FIVE, ["2.0", "5.0"], [1, 4], "2.0 as 2"),
    "integers that are names": (FIVE, [1, 2, 3, 4, 5], [0, 1, 2, 3, 4], ""),
    "numbers within names": (STARS, [1, 4, 5], [0, 3, 4], "1 as 1 star, 4 as 4 stars, 5 as 5 stars."),
    "numbers, though names are numerals": (FIVE, [0, 1, 2], [0, 1, 2], ""),
    "numerals in the model's order": (("0", "1"), [0, 1], [0, 1], ""),
    "floats from 0": (NAMELESS, [0.0, 1.0, None], [0, 1, None], ""),
    "other case, blanks, hyphens": (
        ("entailment", "not_entailment"),
        ["Not Entailment", " ENTAILMENT ", "not-entailment"],
        [1, 0, 1],
        "Not Entailment as not_entailment",
    ),
    "letters that differ in case alone": (("pos", "POS"), ["POS", "pos"], [1, 0], ""),
    "SNLI": (NLI, ["neutral", "entailment", "-"], [1, 0, None], "'-' stands for no label; 20 rows have none."),
    "SNLI from the Hub": (NLI, [0, 1, 2, -1], [0, 1, 2, None], "'-1' stands for no label; 15 rows have none."),
    "words for missing": (
        NLI,
        ["neutral", "entailment", "NaN", "None", "NA", "<NA>"],
        [1, 0, *[None] * 4],
        "'NaN', 'N",
    ),
    "a class that is called None": (("None", "some"), ["None", "some"], [0, 1], ""),
    "a class that is called none, in other case": (("none", "some"), ["None", "some"], [0, 1], ""),
    "what databases write for missing": (NLI, ["neutral", "entailment", "\\N"], [1, 0, None], "stands for no label"),
    "a class that is called -": (("-", "+"), ["+", "-"], [1, 0], ""),
    "signs": (NAMELESS, [-1, 1], [0, 1], ""),
    "signs of classes 0 and 1": (("0", "1"), [-1, 1.0], [0, 1], ""),
    "signs of poles": (("positive", "negative"), [-1, 1], [1, 0], ""),
    "signs that are names": (("1", "-1"), [-1, 1], [1, 0], ""),
    "steps that are names": (("-1", "0", "1"), [-1, 0, 1], [0, 1, 2], ""),
    "no label of two": (NAMELESS, [-1, 0, 1], [None, 0, 1], "'-1' stands for no label"),
    "yes and no": (NAMELESS, ["Yes", "No"], [1, 0], ""),
    "y and n": (("0", "1"), ["y", "n"], [1, 0], ""),
    "booleans": (NAMELESS, [True, False], [1, 0], ""),
    "booleans of named classes": (("false", "true"), [True, False], [1, 0], ""),
    "booleans of classes named the other way": (("yes", "no"), [True, False], [0, 1], ""),
    "booleans of poles": (("positive", "negative"), [True, False], [0, 1], ""),
    "class 0 never occurs": (
        NUMBERED,
        [1, 2, 3, 4],
        [1, 2, 3, 4],
        "class 0 (LABEL_0) never occurs. If the labels count",
    ),
    "classes from 1": (("LABEL_1", "LABEL_2"), [1, 2], [0, 1], ""),
    "scores": (None, [0.5, -1, 3], [0.5, -1, 3], ""),
    "scores, some missing": (None, ["0.5", "-", "3"], [0.5, None, 3], "'-' stands for no label"),
}
REFUSED = {
    "numerals from 1, the last missing": (
        FIVE,
        [1, 2, 3, 4],
        "set classes to 1,2,3,4,5 for the first, or to 0,1,2,3,4",
    ),
    "such as floats": (FIVE, [1.0, 2.0, None], "set classes to 1,2,3,4,5 for the first, or to 0,1,2,3,4 for"),
    "numerals the other way": (
        ("1", "0"),
        [0, 1],
        "can mean class 1 (0), by the model's names, or class 0 (1), by the",
    ),
    "stars, the last missing": (
        STARS,
        [1, 2],
        "set classes to 1,2,3,4,5 for the first, or to 0,1,2,3,4 for the second",
    ),
    "steps or no label": (NLI, [-1, 0, 1], "set classes to -1,0,1 for the first, or to 0,1,2 for the second"),
    "0 and 1 for true and false": (("True", "False"), [0, 1], "set classes to 0,1 for the first, or to 1,0 for the"),
    "from 1 to n": (NUMBERED, [1, 2, 3, 4, 5], "if the labels count from 1, set classes to 1,2,3,4,5"),
    "1 and 2 of two": (("a", "b"), [1, 2], "if the labels count from 1, set classes to 1,2"),
    "names alike": (
        ("a", "a"),
        ["a", "b"],
        "accepted are numbers from 0 to 1, as some of the classes are called alike",
    ),
    "words for poles": (
        ("negative", "positive"),
        ["yes", "no"],
        "or set classes to your names of these, in this order",
    ),
    "names and numbers": (NLI, ["neutral", 0, 1], "others are of the model's names; write all alike"),
    "none at all": (NLI, ["-", -1], "has no label in column 'label' of its 60 rows with text"),
    "half a class": (NAMELESS, [0, 1, 0.5], "label '0.5' of column 'label' is none of the model's 2 classes"),
    "an underscore in a number": (NUMBERED, ["0", "1_0"], "label '1_0' of column 'label' is none of"),
}
CHOSEN = {
    "names for classes without": (NAMELESS, ["pos", "neg"], ["neg", "pos"], [1, 0]),
    "over the model's names": (("negative", "positive"), ["positive", "negative"], ["positive", "negative"], [0, 1]),
    "numbers the other way": (("a", "b"), [0, 1], ["1", "0"], [1, 0]),
    "numbers from 1": (NUMBERED, [1, 2, 5], list(FIVE), [0, 1, 4]),
    "floats from 1": (FIVE, [1.0, 2.0, None], list(FIVE), [0, 1, None]),
    "numbers from 0 of numerals": (FIVE, [1, 2, 3, 4], list("01234"), [1, 2, 3, 4]),
    "steps": (NLI, [-1, 0, 1], ["-1", "0", "1"], [0, 1, 2]),
    "no steps": (NLI, [-1, 0, 1], ["0", "1", "2"], [None, 0, 1]),
    "a class that is missing elsewhere": (NAMELESS, ["-", "+"], ["-", "+"], [0, 1]),
}
WRONG = {
    "too few": (["a"], r"^classes has 1 names, but the model has 2 classes \(LABEL_0, LABEL_1\); give what the data's"),
    "twice": (["a", "a"], r"^classes has a more than once; give each once$"),
    "not all": (["a", "c"], r"label 'b' of column 'label' is not among classes \(a, c\); give all, or mend the label$"),
}
WRITERS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "parquet": lambda frame, path: frame.to_parquet(path),
}


def loaded(tmp_path, labels, values, ending, **given):
    frame = pd.DataFrame(
        {"text": [f"some words, {row}" for row in range(N_ROWS)], "label": values * (N_ROWS // len(values))}
    )
    path = tmp_path / f"data.{ending}"
    if ending == "parquet" and len(set(map(type, values))) > 1 and str in map(type, values):
        frame["label"] = frame["label"].astype(str)  # a column of Parquet has one type
    WRITERS[ending](frame, path)
    return load(str(path), labels, **given)


def classes_of(data):
    found = [None] * N_ROWS
    for example in data.split.examples:
        found[int(example.id)] = example.label
    return found


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize(("labels", "values", "classes", "said"), READ.values(), ids=READ)
def test_labels_are_read_as_the_right_classes(tmp_path, labels, values, classes, said, ending):
    data = loaded(tmp_path, labels, values, ending)
    assert classes_of(data) == classes * (N_ROWS // len(values))
    assert said in " ".join(data.notes)
    assert data.n_without_label == classes.count(None) * (N_ROWS // len(values))


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize(("labels", "values", "line"), REFUSED.values(), ids=REFUSED)
def test_labels_of_two_readings_or_none_are_refused_with_the_way_out(tmp_path, labels, values, line, ending):
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, labels, values, ending)
    assert line.replace("'0.5'", "0.5") in str(caught.value).replace("'0.5'", "0.5")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize(("labels", "values", "classes", "right"), CHOSEN.values(), ids=CHOSEN)
def test_classes_overrules_every_guess(tmp_path, labels, values, classes, right, ending):
    data = loaded(tmp_path, labels, values, ending, classes=classes)
    assert classes_of(data) == right * (N_ROWS // len(values))
    assert data.read_as.startswith(f"what classes says ({classes[0]} is {labels[0]}, ")


@pytest.mark.parametrize(("classes", "line"), WRONG.values(), ids=WRONG)
def test_wrong_classes_are_refused(tmp_path, classes, line):
    with pytest.raises(InputError, match=line):
        loaded(tmp_path, NAMELESS, ["a", "b"], "csv", classes=classes)


def test_a_score_has_no_classes(tmp_path):
    with pytest.raises(InputError, match=r"^classes is given, but this model has no classes, it gives a score; leave"):
        loaded(tmp_path, None, [0.5, 1], "csv", classes=["a", "b"])


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize(
    ("values", "column"), [([0, 1], "label_text"), ([-1, 1], "label_text"), (["negative", "positive"], "label_text")]
)
def test_a_column_of_names_wins_over_one_of_numbers(tmp_path, values, column, ending):
    frame = pd.DataFrame({"text": "some words", "label": values * 6, "label_text": ["positive", "negative"] * 6})
    WRITERS[ending](frame, tmp_path / f"data.{ending}")
    data = load(str(tmp_path / f"data.{ending}"), ("negative", "positive"))
    assert data.columns.label == column
    assert [example.label for example in data.split.examples] == [1, 0] * 6
    said = "Labels were read from column 'label_text', which has the model's names, and not from 'label'."
    assert (said in data.notes) == (values[1] == 1)


def test_a_column_of_predictions_is_no_label(tmp_path):
    frame = pd.DataFrame({"text": "some words", "label": [0, 1] * 6, "prediction": ["positive", "negative"] * 6})
    WRITERS["csv"](frame, tmp_path / "data.csv")
    assert load(str(tmp_path / "data.csv"), ("negative", "positive")).columns.label == "label"


def test_names_of_a_data_set_that_are_not_the_model_s_are_said():
    rows = [("some words", row % 2) for row in range(12)]
    table = Table("set", ("text", "label"), rows, str, {"label": ("pos", "neg")})
    data = examples.of_table(table, ("bad", "good"))
    assert (
        "The data calls its labels pos, neg, and the model its classes bad, good: they were matched by" in data.notes[0]
    )
    assert [one.label for one in examples.of_table(table, ("bad", "good"), classes=["neg", "pos"]).split.examples] == [
        1,
        0,
    ] * 6


def test_no_label_of_a_data_set_counts_as_missing():
    rows = [("some words", row % 3 - 1) for row in range(30)]
    table = Table("set", ("text", "label"), rows, str, {"label": ("negative", "positive")})
    for labels in (("positive", "negative"), NAMELESS):
        assert examples.of_table(table, labels).n_without_label == 10


def test_a_label_that_is_a_list_is_refused(tmp_path):
    rows = [{"text": "some words", "label": [row % 2]} for row in range(12)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match=r"line 1: label \[0\] of column 'label' is none of the model's 2 classes"):
        load(str(tmp_path / "data.jsonl"), NAMELESS)
