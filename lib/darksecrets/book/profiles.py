"""A profile is one YAML file of parameter values and describes one run of the whole book.

Everything that can be known to be wrong is said here, before any kernel starts: a name that no notebook declares, a
value of another type, a task that does not exist, a corpus that is not there.
"""

import importlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darksecrets.book import contents, plain_yaml
from darksecrets.book.parameters import Parameter, declared, unknown
from darksecrets.errors import InputError, check_once
from darksecrets.runs import fingerprint

FOLDER = Path("notebooks")
PROFILES = FOLDER / "profiles"
RUN = "run"  # set by the machinery, derived from all the others
STORE = "store"
OPTIONAL_FILES = ("own_labels", "gold")  # empty: none
OPTIONAL_LISTS = ("own_classes",)  # empty: guessed
# Parameters that may name a file or directory.
PLACES = ("corpus", "checkpoint", "frames", "own_model", "own_data", *OPTIONAL_FILES, STORE)
AT_LEAST = {
    "batch_size": 1,
    "epochs": 1,
    "head": 1,
    "layer": 1,
    "learning_rate": 0,
    "max_examples": 0,
    "max_length": 8,
    "max_released": 1,
    "max_scored": 0,
    "max_train": 0,
    "n_linked": 1,
    "n_parsed": 1,
    "n_random": 0,
    "pocket_batch": 1,
    "pocket_dev": 1,
    "pocket_epochs": 1,
    "pocket_rate": 0,
    "pocket_seed": 0,
    "pocket_seeds": 0,
    "pocket_train": 1,
    "seeds": 0,
    "tolerated": 0,
}
AT_MOST = 2**32 - 1  # the largest seed
SETUP = "checkpoint corpus tasks seeds max_train max_examples epochs batch_size learning_rate precision store"
# Checks that need the library: (parameters handed over, module, function).
CHECKS = (
    ("tasks", "darksecrets.corpora.glue", "check_tasks"),
    ("corpus tasks", "darksecrets.corpora.glue", "check_corpus"),
    ("checkpoint", "darksecrets.models.checkpoints", "check"),
    (SETUP, "darksecrets.models.setup", "Setup"),
    ("max_compared", "darksecrets.models.disabling", "check_compared"),
    ("frames reading", "darksecrets.corpora.framenet", "check"),
    ("max_own", "darksecrets.corpora.own.examples", "check_size"),
    ("words", "darksecrets.corpora.own.language", "check"),
    ("own_format", "darksecrets.corpora.own.format", "parse"),
    ("own_labels", "darksecrets.apps.annotator", "check"),
    ("n_random seeds", "darksecrets.sections.fine_tuning", "check_random"),
    ("own_model own_data", "darksecrets.apps.own_report", "check_given"),
)


@dataclass(frozen=True)
class Profile:
    """The values of all parameters for one run; relative paths start at the notebooks' folder, where kernels run."""

    name: str
    root: Path
    parameters: dict[str, Parameter]
    values: dict[str, Any]

    @property
    def run(self) -> str:
        """The run's name: the profile's, and what distinguishes these values from any others."""
        decisive = {name: value for name, value in self.values.items() if name not in (RUN, STORE)}
        return f"{re.sub('[^A-Za-z0-9]+', '-', self.name).strip('-')}-{fingerprint(decisive)[:8]}"

    @property
    def folder(self) -> Path:
        """The notebooks' folder."""
        return self.root / FOLDER

    @property
    def store(self) -> Path:
        """The run store, as a path that holds from any directory."""
        return Path(os.path.normpath(self.folder / self.values.get(STORE, "../_runs")))

    def from_here(self) -> dict[str, Any]:
        """Return all values, with paths that start at the current directory, for functions of the library."""
        return {name: moved(name, value, self.folder, Path.cwd()) for name, value in self.values.items()}

    def for_notebook(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the values of the parameters in `names`, with the run's name filled in."""
        values = self.values | {RUN: self.run}
        return {name: values[name] for name in names}


def load(root: Path, name: str, overrides: Sequence[str] = ()) -> Profile:
    """Read profile `name` (of notebooks/profiles, or the path of a YAML file), apply `overrides`, and check everything.

    `overrides` are `name=value` as typed; paths in them start at the current directory and are handed on relative to
    the notebooks' folder, so that no page shows a path of this machine. Raises `InputError`.
    """
    here = Path.cwd()
    known = declared(contents.notebooks(root))
    path = _path(root, name)
    given = _converted(plain_yaml.read(path), known, path.name)
    typed = _converted(_typed(overrides), known, "command line")
    for parameter in known.values():
        if parameter.disagreement and parameter.name not in {*given, *typed, RUN}:
            raise InputError(parameter.disagreement)
    # Functions of the library see a path from here, kernels see it from the notebooks' folder.
    folder = root / FOLDER
    base = {parameter.name: parameter.default for parameter in known.values()} | given
    check_values({key: moved(key, value, folder, here) for key, value in base.items()} | typed)
    values = {key: moved(key, value, folder, folder) for key, value in base.items()}
    values |= {key: moved(key, value, here, folder) for key, value in typed.items()}
    return Profile(path.stem, root, known, values)


def changed(profile: Profile, name: str, values: dict[str, Any]) -> Profile:
    """Return a profile with some other values, which have the right types, named `name` and checked as a whole.

    Relative paths start at the notebooks' folder. Raises `InputError`.
    """
    folder, here = profile.folder, Path.cwd()
    merged = profile.values | {key: moved(key, value, folder, folder) for key, value in values.items()}
    check_values({key: moved(key, value, folder, here) for key, value in merged.items()})
    return Profile(name, profile.root, profile.parameters, merged)


def available(root: Path) -> list[str]:
    """Return the names of the profiles in notebooks/profiles."""
    return sorted(path.stem for path in (root / PROFILES).glob("*.yml"))


def check_values(values: dict[str, Any]) -> None:
    """Raise `InputError` for values that have the right type and yet cannot be used."""
    for name, value in values.items():
        each = value if isinstance(value, list) else [value]
        if not each and name not in OPTIONAL_LISTS:
            raise InputError(f"{name} is empty; give at least one")
        check_once(name, each)
        if max((one for one in each if isinstance(one, int)), default=0) > AT_MOST:
            raise InputError(f"{name} is {str(value)[:100]}; whole numbers are at most {AT_MOST}")
        if name in AT_LEAST and min(each) < AT_LEAST[name]:
            raise InputError(f"{name} is {value}; it must be at least {AT_LEAST[name]}")
    for names, module, function in CHECKS:
        if all(name in values for name in names.split()):
            getattr(importlib.import_module(module), function)(*(values[name] for name in names.split()))


def _path(root: Path, name: str) -> Path:
    path = Path(name)
    if path.suffix in (".yml", ".yaml"):
        if not path.is_file():
            raise InputError(f"profile {name}: there is no such file")
        return path
    names = available(root)
    if name not in names:
        raise unknown(name, names, "profile")
    return root / PROFILES / f"{name}.yml"


def _typed(overrides: Sequence[str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise InputError(f"{override!r} is not of the form name=value, such as tasks=RTE,STS-B")
        if name in texts:
            raise InputError(f"command line: {name} is given twice; give it once")
        texts[name] = text
    return texts


def _converted(given: Mapping[Any, Any], known: dict[str, Parameter], where: str) -> dict[str, Any]:
    settable = set(known) - {RUN}
    for name in given:
        if name not in settable:
            raise unknown(str(name), settable, where)
    return {name: known[name].converted(value, where) for name, value in given.items()}


def moved(name: str, value: Any, start: Path, target: Path) -> Any:
    """Make a path that is relative to `start` relative to `target`; leave names such as `hub` alone."""
    if name not in PLACES or not value:
        return value
    path = Path(start, os.path.expanduser(value))  # noqa: PTH111 (whoever is named)
    is_path = name in (*OPTIONAL_FILES, STORE) or value.startswith((".", "/", "~")) or os.path.exists(path)  # noqa: PTH110 (no name is too long)
    return os.path.relpath(path, target) if is_path else value
