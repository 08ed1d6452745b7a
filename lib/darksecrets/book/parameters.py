"""The book's parameters are those that its notebooks declare; nothing else is accepted, and no other type.

A notebook declares them in the one cell tagged `parameters`, a line each: `name: type = literal  # help`.
"""

import ast
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import nbformat
import papermill
from pydantic import Field, TypeAdapter, ValidationError

from darksecrets.book.contents import Page
from darksecrets.errors import InputError, nearest


@dataclass(frozen=True)
class Kind:
    """A type that a parameter can have: how a value is checked, how text becomes one, what a person should write."""

    adapter: TypeAdapter[Any]
    convert: Callable[[str], Any]
    accepted: str


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _items(convert: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    return lambda text: [convert(item.strip()) for item in text.split(",")] if text.strip() else []


LONGEST_SHOWN = 100  # characters of a refused value
KINDS = {
    "str": Kind(TypeAdapter(str), str, "text"),
    "int": Kind(TypeAdapter(int), int, "a whole number such as 1000"),
    "float": Kind(TypeAdapter(Annotated[float, Field(allow_inf_nan=False)]), float, "a number such as 0.0001"),
    "bool": Kind(TypeAdapter(bool), _boolean, "true or false"),
    "list[str]": Kind(TypeAdapter(list[str]), _items(str), "a list such as [RTE, STS-B] (command line: RTE,STS-B)"),
    "list[int]": Kind(TypeAdapter(list[int]), _items(int), "a list such as [0, 1, 2] (command line: 0,1,2)"),
}


@dataclass(frozen=True)
class Parameter:
    """A parameter as a notebook declares it; `kind` is a key of `KINDS`."""

    name: str
    kind: str
    default: Any
    help: str
    notebook: str

    def checked(self, value: Any, where: str) -> Any:
        """Return `value` if it has this parameter's type, strictly; otherwise raise `InputError` naming `where`."""
        kind = KINDS[self.kind]
        try:
            checked = kind.adapter.validate_python(value, strict=True)
            for text in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
                _check_text(text)
            return checked
        except (ValidationError, ValueError):
            raise self._refusal(value, where) from None

    def from_text(self, text: str, where: str) -> Any:
        """Convert text from the command line to this parameter's type, or raise `InputError`."""
        try:
            value = KINDS[self.kind].convert(text)
        except (ValueError, KeyError):
            raise self._refusal(text, where) from None
        return self.checked(value, where)

    def _refusal(self, value: Any, where: str) -> InputError:
        given = json.dumps(value, default=str, ensure_ascii=False)
        given = given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}..."
        return InputError(f"{where}: {self.name} is {given}, but it takes {KINDS[self.kind].accepted} ({self.kind})")


def declared(notebooks: Iterable[Page]) -> dict[str, Parameter]:
    """Return all parameters of the notebooks by name; `InputError` where two notebooks disagree on one of them."""
    found: dict[str, Parameter] = {}
    for page in notebooks:
        for parameter in of_notebook(page.source):
            first = found.setdefault(parameter.name, parameter)
            if (first.kind, first.default) != (parameter.kind, parameter.default):
                raise InputError(
                    f"parameter {parameter.name} is declared as {first.kind} = {first.default!r} in {first.notebook} "
                    f"and as {parameter.kind} = {parameter.default!r} in {parameter.notebook}; make them equal"
                )
    return found


def of_notebook(path: Path) -> list[Parameter]:
    """Return the parameters of one notebook in their order; `InputError` where a line cannot be read as one."""
    source = parameters_source(path)
    # papermill only logs the lines that it cannot read; below they are an error.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    inspected = papermill.inspect_notebook(path)
    for name in _assigned(source, path):
        if name not in inspected:
            raise InputError(
                f"{path.name}: papermill cannot read parameter {name}; write `{name}: type = literal  # help`, "
                "without a second '=' on the line"
            )
    return [_parameter(path, **description) for description in inspected.values()]


def parameters_source(path: Path) -> str:
    """Return the source of the cell tagged `parameters`, an empty string where there is none."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise InputError(
            f"{path.name} is not a notebook that can be read: {' '.join(str(error).split())[:200]}"
        ) from None
    tagged = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return tagged[0] if tagged else ""


def unknown(name: str, known: Iterable[str], where: str) -> InputError:
    """Describe a name that nobody declares, with the nearest that somebody does."""
    names = sorted(known)
    name = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..."
    near = nearest(name, names)
    guess = f"did you mean {near!r}? " if near else ""
    return InputError(f"{where}: unknown name {name!r}; {guess}accepted are {', '.join(names)}")


def _assigned(source: str, path: Path) -> list[str]:
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise InputError(f"{path.name}: the parameters cell is not Python: {error.msg}, line {error.lineno}") from None
    targets = [
        node.target if isinstance(node, ast.AnnAssign) else node.targets[0] for node in statements if _assigns(node)
    ]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _assigns(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign | ast.AnnAssign)


def _check_text(text: Any) -> None:
    """Raise ValueError for what no file name and no notebook can hold: a NUL, half a surrogate pair."""
    if isinstance(text, str) and "\0" in text.encode().decode():
        raise ValueError("a NUL")


def _parameter(path: Path, name: str, inferred_type_name: str, default: str, help: str) -> Parameter:
    where = f"{path.name}: parameter {name}"
    if inferred_type_name not in KINDS:
        raise InputError(f"{where} has type {inferred_type_name}; accepted are {', '.join(KINDS)}")
    try:
        value = ast.literal_eval(default)
    except (ValueError, SyntaxError):
        raise InputError(f"{where} has default {default}, which is no literal") from None
    parameter = Parameter(name, inferred_type_name, value, help, path.name)
    parameter.checked(value, path.name)
    return parameter
