"""Nothing that the library reads can run code: no pickle, no unsafe YAML, no code of a checkpoint or data set."""

import ast

import pytest

from tests.conftest import ROOT

LIBRARY = sorted((ROOT / "lib").rglob("*.py"))
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "pty", "code"}
CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "joblib.load"),
    *("pandas.read_pickle", "pd.read_pickle", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"),
}
LOADERS = {"_Loader", "yaml.SafeLoader"}  # the first is derived from the second
# A unit's line is the same here and in the Snakefile; every word of it is quoted, as the test of units shows.
ALLOWED = {"book/sweep.py": ["shell=True"]}
METHODS = {"to_pickle", "read_pickle"}


def _faults(source):
    """Yield what in a module's source could run what it reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (f"line {node.lineno}: import {name}" for name in names if name.split(".")[0] in MODULES)
        if not isinstance(node, ast.Call):
            continue
        name, options = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        if name in CALLS or name.rpartition(".")[2] in METHODS:
            yield f"line {node.lineno}: {name}"
        if name == "yaml.load" and options.get("Loader") not in LOADERS:
            yield f"line {node.lineno}: yaml.load without a safe loader"
        for option, accepted in (("allow_pickle", "False"), ("trust_remote_code", "False"), ("shell", "False")):
            if options.get(option, accepted) != accepted:
                yield f"line {node.lineno}: {option}={options[option]}"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_can_run_what_it_reads(path):
    found = [fault.partition(": ")[2] for fault in _faults(path.read_text(encoding="utf-8"))]
    assert found == ALLOWED.get(f"{path.parent.name}/{path.name}", [])


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import numpy.core, dill.settings",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "joblib.load(path)",
        "np.load(path, allow_pickle=True)",
        "frame.to_pickle(path)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "load_dataset(name, trust_remote_code=asked)",
        "subprocess.run(words, shell=True)",
    ],
)
def test_what_could_is_found(source):
    assert len(list(_faults(source))) == 1


def test_every_loader_of_transformers_is_told_not_to_run_code():
    """Without the word, transformers asks at the terminal whether it may."""
    lacking = [
        f"{path.name}, line {node.lineno}"
        for path in LIBRARY
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith(".from_pretrained")
        and "**LOCAL" not in ast.unparse(node)
        and "trust_remote_code=False" not in ast.unparse(node)
    ]
    assert lacking == []
