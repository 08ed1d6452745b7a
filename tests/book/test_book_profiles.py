"""The book's own profiles: each is accepted, `pocket` is what a bare `make book` takes, and it needs no network."""

import os
import shutil
import socket
import subprocess

import pytest
import yaml

import pocketgrammar
from darksecrets.__main__ import DEFAULT_PROFILE
from darksecrets.book import contents, parameters, profiles
from darksecrets.corpora import glue
from darksecrets.errors import InputError
from darksecrets.models import checkpoints
from tests.conftest import ROOT

# The paper's checkpoint is fetched from the Hub as soon as it is checked; all else of its profile is checked here.
OVERRIDES = {"glue": [], "paper": ["checkpoint=minilm"], "pocket": [], "reference": []}


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise OSError("somebody asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_these_are_all():
    assert profiles.available(ROOT) == sorted(OVERRIDES)


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_profile_is_accepted_without_network_and_its_values_are_taken(name, no_network):
    profile = profiles.load(ROOT, name, OVERRIDES[name])
    written = yaml.safe_load((ROOT / profiles.PROFILES / f"{name}.yml").read_text())
    assert profile.values.items() >= (written | dict(word.split("=") for word in OVERRIDES[name])).items()
    assert profile.values["tasks"] == list(glue.TASKS)


def test_all_that_pocket_reads_comes_with_the_book(no_network):
    with pytest.raises(OSError, match="asked for the network"):
        socket.create_connection(("127.0.0.1", 9))
    values = profiles.load(ROOT, "pocket").values
    assert checkpoints.load(values["checkpoint"]).n_layers == 6
    for task in values["tasks"]:
        assert glue.load(task, "dev", values["corpus"]).n_available == pocketgrammar.SIZES["dev"]


def test_a_notebook_opened_by_hand_asks_for_what_the_default_book_computed():
    declared = parameters.declared(contents.notebooks(ROOT))
    written = yaml.safe_load((ROOT / profiles.PROFILES / "pocket.yml").read_text())
    assert set(declared["tasks"].default) < set(written.pop("tasks"))  # fewer, for whoever has built no book
    assert {name: declared[name].default for name in written} == written


def test_examples_that_cannot_be_halved_are_refused_before_any_kernel_starts():
    with pytest.raises(InputError, match="max_compared is 1; give 0 for all examples, or at least 2"):
        profiles.load(ROOT, "pocket", ["max_compared=1"])


@pytest.mark.parametrize(("words", "expected"), [([], "pocket"), (["PROFILE=glue"], "glue")])
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_takes_pocket_unless_told_otherwise(words, expected):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PROFILE", "MAKE"))}
    command = ["make", "--no-print-directory", "-n", "check", *words]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert f"check --profile '{expected}'" in said
    assert DEFAULT_PROFILE == "pocket"
