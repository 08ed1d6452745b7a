"""The commands as a person types them: one line for what is wrong, exit code 2, and help that knows the parameters."""

import pytest
from click.testing import CliRunner

from darksecrets.__main__ import MOVED, main
from darksecrets_upkeep.__main__ import main as upkeep
from tests.book import toy


@pytest.fixture
def type_in(tmp_path, monkeypatch):
    """Give a function that runs a command inside a toy repository."""
    monkeypatch.chdir(toy.write(tmp_path))
    return lambda *words, of=main: CliRunner().invoke(of, words, catch_exceptions=False)


def test_without_a_command_there_is_help(type_in):
    result = type_in()
    assert result.exit_code == 0
    assert "book" in result.stdout
    assert "archive" in result.stdout


@pytest.mark.parametrize("command", ["book", "check"])
def test_help_lists_parameters_of_the_notebooks_profiles_and_examples(type_in, command):
    text = type_in(command, "--help").stdout
    assert "layers: int" in text
    assert "how many layers [3]" in text
    assert "Profiles: toy" in text
    assert "python -m darksecrets" in text
    assert "run: str" not in text


def test_check_shows_the_values_and_runs_nothing(type_in, tmp_path):
    result = type_in("check", "--profile", "toy", "labels=x,y", "shuffle=true")
    assert result.exit_code == 0
    assert "['x', 'y']" in result.stdout
    assert not (tmp_path / "_runs").exists()


def test_the_pocket_corpus_is_written_out_for_corpus_to_name(type_in, tmp_path):
    result = type_in("pocket", "mine", "--train", "4", "--dev", "3", "--seed", "1")
    assert (result.exit_code, result.stdout) == (0, "28 files in mine\n")
    assert len((tmp_path / "mine/MNLI/dev_matched.tsv").read_text().splitlines()) == 1 + 3
    assert "annotations.jsonl" in type_in("pocket", "--help").stdout


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("patterns", ["--repeats INTEGER", "weights and the predictions", "[default: 3]"]),
        ("draw-maps", ["--corpus TEXT", "--store TEXT", "OUTPUT", "python -m darksecrets_upkeep draw-maps --corpus"]),
        ("framenet", ["--reading TEXT", "--source DIRECTORY", "OUTPUT", "released notebook", "darksecrets framenet"]),
    ],
)
def test_help_says_what_a_command_reads_and_writes(type_in, command, words):
    of = upkeep if command in upkeep.commands else main
    result = type_in(command, "--help", of=of)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert [word for word in words if word not in text] == []
    assert command in type_in(of=of).stdout


def test_a_failing_notebook_is_a_block_and_exit_code_1(type_in, tmp_path):
    toy.write(tmp_path, "1 / 0")
    result = type_in("book", "--profile", "toy")
    assert result.exit_code == 1
    assert "notebook 01-toy failed in cell 3" in result.stderr


def test_without_a_published_run_the_check_of_it_fails_with_exit_code_1(type_in):
    result = type_in("check-reference", of=upkeep)
    assert result.exit_code == 1
    assert "NOT OK  there is no run.json" in result.stdout


@pytest.mark.parametrize(("name", "place"), MOVED.items())
def test_a_command_that_has_moved_says_where_it_is(type_in, name, place):
    result = type_in(name, "--help")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {name} is another package's command: python -m {place}\n"
    assert name in upkeep.commands or place == "tests.audit"
