"""A notebook runs here as it is, whichever editor saved it, on whichever kernel."""

import json
import warnings

import nbformat
import pytest
from click.testing import CliRunner

from darksecrets.__main__ import main
from darksecrets.book import execute, parameters, sources
from darksecrets.errors import InputError
from tests.book import by_hand, toy

PYTHON_3_13 = {"name": "python", "version": "3.13.1", "codemirror_mode": {"name": "ipython", "version": 3}}
OUTPUT = {"output_type": "stream", "name": "stdout", "text": ["as it was\n"]}


def _metadata(**metadata):
    return lambda notebook: notebook.update(metadata=metadata)


def _code_cells(**entries):
    def change(notebook):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(entries)

    return change


def _cell_metadata(**metadata):
    def change(notebook):
        for cell in notebook["cells"]:
            cell["metadata"].update(metadata)

    return change


def _before_4_5(notebook):
    notebook["nbformat_minor"] = 4
    for cell in notebook["cells"]:
        cell.pop("id", None)


def _source_in_one_string(notebook):
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])


def _written_by_papermill(notebook):
    injected = nbformat.v4.new_code_cell("seeds = [3]", metadata={"tags": [sources.INJECTED]})
    mark = nbformat.v4.new_markdown_cell("An Exception", metadata={"tags": [sources.MARKER]})
    notebook["cells"][2:2] = [injected, mark]


EDITORS = {
    "conda": _metadata(kernelspec={"name": "conda-env-nlp-py", "display_name": "Python [nlp]", "language": "python"}),
    "VS Code": _metadata(kernelspec={"name": "gone", "display_name": ".venv"}, language_info=PYTHON_3_13, vscode={}),
    "Colab": _metadata(colab={"provenance": []}, accelerator="GPU", kernelspec={"name": "gone", "display_name": "x"}),
    "no kernel": _metadata(),
    "an empty kernel": _metadata(kernelspec=None, language_info={}),
    "outputs": _code_cells(outputs=[OUTPUT], execution_count=7),
    "metadata": _cell_metadata(editable=True, slideshow={"slide_type": ""}, id="fK2", collapsed=False),
    "one id for all": _code_cells(id="same"),
    "before 4.5": _before_4_5,
    "one string": _source_in_one_string,
    "papermill": _written_by_papermill,
}


def _saved(path, *changes):
    notebook = json.loads(path.read_text())
    for change in changes:
        change(notebook)
    path.write_text(json.dumps(notebook))
    return path


@pytest.fixture
def source(tmp_path):
    return by_hand.book(tmp_path)


def _made_from(source):
    return execute.ingredients("01-toy", sources.read(source), {}, source.parent, "")


@pytest.mark.parametrize("change", EDITORS.values(), ids=EDITORS)
def test_an_editor_that_saves_a_notebook_makes_nothing_run_again_and_says_nothing(source, change, capfd):
    made_from, declared = _made_from(source), parameters.of_notebook(source)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sources.read(_saved(source, change))
    assert found.metadata.kernelspec == sources.METADATA["kernelspec"]
    assert found.metadata.language_info == sources.METADATA["language_info"]
    assert all(not cell.outputs and cell.execution_count is None for cell in found.cells if cell.cell_type == "code")
    nbformat.validate(found)
    assert (_made_from(source), parameters.of_notebook(source)) == (made_from, declared)
    assert capfd.readouterr() == ("", "")


def test_it_is_executed_built_and_swept_by_this_environments_kernel(source, monkeypatch):
    foreign = [EDITORS[name] for name in ("VS Code", "outputs", "metadata", "before 4.5", "one string", "papermill")]
    root = source.parents[1]
    monkeypatch.chdir(root)
    clean = execute.execute(toy.load(root))["notebooks/01-toy"]
    _saved(source, *foreign)
    assert execute.execute(toy.load(root, ["max_examples=8"]))["notebooks/01-toy"].metadata == clean.metadata
    (root / "grid.yml").write_text("profile: toy\nseeds: [1]\nchapters: [01-toy]\n")
    said = CliRunner().invoke(main, ["sweep", "grid.yml"], catch_exceptions=False)
    assert said.exit_code == 0, said.output


@pytest.mark.parametrize("language", ["R", "julia"])
@pytest.mark.parametrize("entry", ["kernelspec", "language_info"])
def test_another_language_is_one_line(source, language, entry):
    named = {"name": language, "display_name": language, "language": language}
    _saved(source, _metadata(**{entry: named}))
    with pytest.raises(InputError) as caught:
        toy.load(source.parents[1])
    assert str(caught.value).startswith(f"01-toy.ipynb is written in {language}, accepted is Python;")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"nbformat": 4}', '{"nbformat": 5, "cells": []}', "\ufeff{", "\0"]
)
def test_what_is_no_notebook_is_one_line(source, content):
    source.write_text(content)
    with pytest.raises(InputError, match=r"^01-toy.ipynb is not a notebook that can be read: [^\n]*$"):
        toy.load(source.parents[1])
