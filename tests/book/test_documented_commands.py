"""Every command that the README and the pages show exists, with its options (see `documented`)."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from darksecrets.__main__ import main
from darksecrets_upkeep.__main__ import main as upkeep
from tests.book import documented
from tests.conftest import NOT_SOURCE, ROOT

COMMANDS = documented.commands(ROOT)
MAKEFILE = (ROOT / "Makefile").read_text()
GROUPS = {"darksecrets": main, "darksecrets_upkeep": upkeep}
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
    elif words[:1] == ["-m"] and words[1] in GROUPS:
        known_commands = GROUPS[words[1]].commands
        name = words[2] if len(words) > 2 else "--help"
        if name.startswith("-"):
            assert name == "--help"
            return
        assert name in known_commands, command
        known = {option for parameter in known_commands[name].params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, command
    elif words[:1] == ["-m"] and words[1].startswith("tests."):
        assert (ROOT / (words[1].replace(".", "/") + ".py")).is_file(), command


PAPERMILL = [command for _, command in COMMANDS if command.startswith("python -m papermill")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """What a chapter needs of the repository, with a place for what it writes."""
    root = tmp_path_factory.mktemp("papermill")
    shutil.copytree(ROOT / "notebooks", root / "notebooks", ignore=NOT_SOURCE)
    shutil.copy(ROOT / "_toc.yml", root)
    (root / "_runs").mkdir()
    return root


def test_papermill_is_shown_with_every_way_to_give_values():
    options = " ".join(PAPERMILL).split()
    assert {"-p", "-r", "-y", "-f", "--cwd"} <= set(options)


@pytest.mark.parametrize("command", PAPERMILL)
def test_a_command_line_of_papermill_that_is_shown_runs(copy, command):
    before = set(copy.rglob("*"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        command, shell=True, cwd=copy, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert {path.relative_to(copy).parts[0] for path in set(copy.rglob("*")) - before} <= {"_runs"}
