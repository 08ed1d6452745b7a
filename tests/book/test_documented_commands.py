"""Every command that the README and the pages show exists, with its options (see `documented`)."""

import re

import pytest

from darksecrets.__main__ import main
from tests.book import documented
from tests.conftest import ROOT

COMMANDS = documented.commands(ROOT)
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
SETTABLE = {"PROFILE", "PYTHON", *re.search(r"^SETTABLE := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)[1].split()}


def test_there_are_commands_of_both_kinds():
    words = [command.split()[0] for _, command in COMMANDS]
    assert words.count("make") > 10
    assert sum(word.endswith("python") for word in words) > 5


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_that_is_shown_exists(page, command):
    first, *words = command.split()
    if first == "make":
        targets = [word for word in words if "=" not in word]
        assert {word.split("=")[0] for word in words if "=" in word} <= SETTABLE, command
        assert {word for word in targets if not word.isupper()} <= TARGETS, command
    elif words[:2] == ["-m", "darksecrets"]:
        name = words[2] if len(words) > 2 else "--help"
        if name.startswith("-"):
            assert name == "--help"
            return
        assert name in main.commands, command
        known = {option for parameter in main.commands[name].params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, command
    elif words[:1] == ["-m"] and words[1].startswith("tests."):
        assert (ROOT / (words[1].replace(".", "/") + ".py")).is_file(), command
