"""A value is the same whoever gives it: a profile, a grid, the command line, or papermill by hand."""

import re
from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from darksecrets.book import parameters, plain_yaml, profiles, sweep
from darksecrets.errors import InputError
from tests.book import by_hand

# Kind, what is given, what it stands for.
TAKEN = [
    ("bool", "false", False),
    ("bool", " True ", True),
    ("int", 7, 7),
    ("int", 7.0, 7),
    ("int", "7", 7),
    ("int", " 7.0", 7),
    ("int", 1e3, 1000),
    ("int", "1e3", 1000),
    ("int", "1_000", 1000),
    ("float", 3, 3.0),
    ("float", "3", 3.0),
    ("float", "1e-4", 1e-4),
    ("str", "1e-4", "1e-4"),
    ("str", "[x, y]", "[x, y]"),
    ("str", "", ""),
    ("list[int]", 0, [0]),
    ("list[int]", 1.0, [1]),
    ("list[int]", "0, 1,2", [0, 1, 2]),
    ("list[int]", "[0, 1]", [0, 1]),
    ("list[int]", ["0", 1.0], [0, 1]),
    ("list[int]", (0, 1), [0, 1]),
    ("list[int]", "", []),
    ("list[str]", "RTE", ["RTE"]),
    ("list[str]", "RTE, SST-2", ["RTE", "SST-2"]),
    ("list[str]", '["RTE", "SST-2"]', ["RTE", "SST-2"]),
    ("list[str]", "['RTE', 'SST-2']", ["RTE", "SST-2"]),
    ("list[str]", " [RTE, SST-2] ", ["RTE", "SST-2"]),
    ("list[str]", '["a, b"]', ["a, b"]),
    ("list[str]", "a=b", ["a=b"]),
]
REFUSED = [
    ("bool", "maybe"),
    ("bool", 1),
    ("bool", None),
    ("int", 8.5),
    ("int", "8.5"),
    ("int", True),
    ("int", None),
    ("int", ""),
    ("int", "many"),
    ("int", "0-3"),
    ("int", "1.5e0"),
    ("int", "0x1f"),
    ("int", [8]),
    ("int", float("inf")),
    ("int", 10.0**30),
    ("int", "9" * 5000),
    ("float", True),
    ("float", "nan"),
    ("float", float("inf")),
    ("float", "0,5"),
    ("float", "0-5"),
    ("str", 7),
    ("str", None),
    ("str", ["a"]),
    ("str", "a\0b"),
    ("str", "\udce9"),
    ("list[int]", "0,a"),
    ("list[int]", "0-3"),
    ("list[int]", "0 1"),
    ("list[int]", ["00-1"]),
    ("list[int]", "0,"),
    ("list[int]", "0.5"),
    ("list[int]", True),
    ("list[int]", [True]),
    ("list[int]", [[0]]),
    ("list[int]", {"0": 1}),
    ("list[int]", {date(2020, 1, 1): 1}),
    ("str", date(2020, 1, 1)),
    ("list[int]", None),
    ("list[str]", 5),
    ("list[str]", ["RTE", 1]),
    ("list[str]", ["RTE", False]),
    ("list[str]", "[RTE"),
    ("list[str]", "[[RTE]]"),
    ("list[str]", "[&a RTE, *a]"),
    ("list[str]", "[" * 5000),
    ("list[str]", "[RTE], [SST-2]"),
]


def _parameter(kind):
    return parameters.Parameter("it", kind, None, "", "toy")


@pytest.mark.parametrize(("kind", "value", "expected"), TAKEN)
def test_a_value_becomes_one_of_the_declared_type(kind, value, expected):
    found = _parameter(kind).converted(value, "here")
    assert found == expected
    assert type(found) is type(expected)
    assert _parameter(kind).converted(found, "here") == found


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_what_is_none_is_refused_in_one_line(kind, value):
    with pytest.raises(InputError) as caught:
        _parameter(kind).converted(value, "here")
    accepted = re.escape(parameters.KINDS[kind].accepted)
    assert re.fullmatch(rf"here: it is .*, but it takes {accepted} .*", str(caught.value))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", parameters.KINDS)
@given(data=st.data())
def test_whatever_a_type_accepts_as_text_it_accepts_as_yaml(kind, data):
    drawn = {
        "str": st.text("abc-/.", min_size=1),
        "int": st.integers(),
        "float": st.floats(allow_nan=False, allow_infinity=False),
        "bool": st.booleans(),
        "list[str]": st.lists(st.text("abc-/", min_size=1), min_size=1),
        "list[int]": st.lists(st.integers(), min_size=1),
    }
    value = data.draw(drawn[kind])
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    assert _parameter(kind).converted(text, "here") == value
    assert _parameter(kind).converted(plain_yaml.parse(yaml.safe_dump(value)), "here") == value


def _profile(root, name, value):
    (root / "mine.yml").write_text(yaml.safe_dump({name: value}))
    return profiles.load(root, str(root / "mine.yml")).values


def _grid(root, name, value):
    is_axis = name in sweep.AXES
    content = {name: [value]} if is_axis else {"parameters": {name: [value]}}
    (root / "grid.yml").write_text(yaml.safe_dump({"profile": "toy", "chapters": ["01-toy"], **content}))
    return sweep.plan(root, root / "grid.yml")[0][0].cell.values


def _command_line(root, name, value):
    return profiles.load(root, "toy", [f"{name}={value}"]).values


def _papermill(root, name, value):
    return by_hand.run(*by_hand.prepared(root / "notebooks/01-toy.ipynb", "-p", name, str(value)))


def _papermill_raw(root, name, value):
    return by_hand.run(*by_hand.prepared(root / "notebooks/01-toy.ipynb", "-r", name, str(value)))


def _papermill_yaml(root, name, value):
    return by_hand.run(*by_hand.prepared(root / "notebooks/01-toy.ipynb", "-y", yaml.safe_dump({name: value})))


def _papermill_file(root, name, value):
    (root / "mine.yml").write_text(yaml.safe_dump({name: value}))
    return by_hand.run(*by_hand.prepared(root / "notebooks/01-toy.ipynb", "-f", str(root / "mine.yml")))


def _typed_into_the_cell(root, name, value):
    cell = re.sub(
        rf"^({name}: [^=]+=) .*", lambda found: f"{found[1]} {value!r}", by_hand.PARAMETERS, flags=re.MULTILINE
    )
    return by_hand.run(cell, by_hand.BEGIN)


WAYS = [
    _profile,
    _grid,
    _command_line,
    _papermill,
    _papermill_raw,
    _papermill_yaml,
    _papermill_file,
    _typed_into_the_cell,
]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return by_hand.book(tmp_path_factory.mktemp("by-hand")).parents[1]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("seeds", 0, [0]),
        ("seeds", "0,1", [0, 1]),
        ("tasks", "RTE", ["RTE"]),
        ("tasks", "RTE,SST-2", ["RTE", "SST-2"]),
        ("tasks", '["RTE"]', ["RTE"]),
        ("tasks", ["RTE", "SST-2"], ["RTE", "SST-2"]),
        ("max_examples", 8.0, 8),
        ("learning_rate", "1e-4", 0.0001),
        ("learning_rate", 1, 1.0),
        ("shuffle", "false", False),
    ],
)
def test_every_way_to_give_a_value_takes_it(book, monkeypatch, way, name, value, expected):
    monkeypatch.chdir(book)
    found = way(book, name, value)[name]
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("seeds", "0,a", 'seeds is "0,a", but it takes a list such as [0, 1, 2] (command line: 0,1,2) (list[int])'),
        ("seeds", "0-3", 'seeds is "0-3", but it takes a list such as'),
        ("seeds", -1, "seeds is [-1]; it must be at least 0"),
        ("seeds", "1,1", "seeds has 1 more than once; give each once"),
        ("seeds", 2**32, f"seeds is [{2**32}]; whole numbers are at most {2**32 - 1}"),
        ("tasks", "RTE,SST2", "unknown task 'SST2': did you mean SST-2?"),
        ("tasks", "[]", "tasks is empty; give at least one"),
        ("max_examples", 8.5, ", but it takes a whole number such as 1000 (int)"),
        ("max_examples", -1, "max_examples is -1; it must be at least 0"),
        ("max_examples", True, ", but it takes a whole number such as 1000 (int)"),
        ("learning_rate", "fast", 'learning_rate is "fast", but it takes a number such as 0.0001 (float)'),
        ("shuffle", "maybe", 'shuffle is "maybe", but it takes true or false (bool)'),
    ],
)
def test_every_way_to_give_a_wrong_value_ends_in_the_same_line(book, monkeypatch, way, name, value, complaint):
    monkeypatch.chdir(book)
    with pytest.raises(InputError) as caught:
        way(book, name, value)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
