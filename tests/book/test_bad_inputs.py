"""Whatever a careless or malicious person hands over: one line says what is wrong, exit code 2, nothing is written."""

import shlex

import huggingface_hub.constants
import pytest
from click.testing import CliRunner

from darksecrets.__main__ import main
from darksecrets_upkeep.__main__ import main as upkeep
from tests.book import bad_inputs, bad_world

COMMANDS = [
    (before.format(case) if "{}" in before else f"{before} {case}", line)
    for before, cases in bad_inputs.CASES.items()
    for case, line in cases
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return bad_world.make(tmp_path_factory.mktemp("bad") / "world")


def _tree(root):
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in root.rglob("*")}


@pytest.mark.parametrize(("command", "line"), COMMANDS, ids=[command[:100] for command, _ in COMMANDS])
def test_bad_input(world, monkeypatch, command, line):
    monkeypatch.chdir(world)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    before = _tree(world)
    words = shlex.split(command)
    group = upkeep if words[0] in upkeep.commands else main
    result = CliRunner().invoke(group, words, catch_exceptions=False)
    assert result.exit_code == 2
    *usage, last = result.stderr.splitlines()  # click shows the usage of a command before what is wrong with a word
    assert last.removeprefix("error: ").removeprefix("Error: ").startswith(line)
    assert last.isprintable()
    assert not usage or usage[0].startswith("Usage: ")
    assert "Traceback" not in result.output
    assert _tree(world) == before


def test_no_code_of_a_checkpoint_or_data_set_was_run(world):
    assert not (world / "ran.txt").exists()


def test_every_command_is_tried():
    assert {command.split()[0] for command, _ in COMMANDS} - {"nonsense"} == {*main.commands, *upkeep.commands}
