"""The book's parameters are those that its notebooks declare; nothing else is accepted, and no other type.

A notebook declares them in the one cell tagged `parameters`, a line each: `name: type = literal  # help`.
"""

import ast
import io
import json
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from darksecrets.book import plain_yaml, sources
from darksecrets.book.contents import Page
from darksecrets.errors import InputError, nearest

LONGEST_SHOWN = 100  # characters of a refused value


@dataclass(frozen=True)
class Kind:
    """A type that a parameter can have: what makes a value, or text that stands for one, of that type; and in words
    what is accepted.
    """

    adapter: TypeAdapter[Any]
    accepted: str


def _number(value: Any) -> Any:
    """Read text as Python reads a number: pydantic alone takes 0-3 for -3."""
    if isinstance(value, bool):
        raise ValueError("True is no number")
    if not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        return float(value)


def _boolean(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else value


def _plain(text: str) -> str:
    """Refuse what no file name and no notebook can hold: a NUL, half a surrogate pair."""
    if "\0" in text.encode().decode():
        raise ValueError("a NUL")
    return text


def _items(value: Any) -> Any:
    """Read a list as people write it: one value alone, values between commas, or a list of YAML, JSON or Python."""
    if not isinstance(value, str):
        return [value] if isinstance(value, int | float) else value
    if value.strip().startswith("["):
        return plain_yaml.parse(value)
    return [item.strip() for item in value.split(",")] if value.strip() else []


Text = Annotated[str, Field(strict=True), AfterValidator(_plain)]
Whole = Annotated[int, BeforeValidator(_number)]  # 8, 8.0, "8", "8.0" and "8e0", and nothing that is not whole
Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_number)]
Boolean = Annotated[bool, Field(strict=True), BeforeValidator(_boolean)]
KINDS = {
    "str": Kind(TypeAdapter(Text), "text"),
    "int": Kind(TypeAdapter(Whole), "a whole number such as 1000"),
    "float": Kind(TypeAdapter(Number), "a number such as 0.0001"),
    "bool": Kind(TypeAdapter(Boolean), "true or false"),
    "list[str]": Kind(
        TypeAdapter(Annotated[list[Text], BeforeValidator(_items)]),
        "a list such as [RTE, STS-B] (command line: RTE,STS-B)",
    ),
    "list[int]": Kind(
        TypeAdapter(Annotated[list[Whole], BeforeValidator(_items)]),
        "a list such as [0, 1, 2] (command line: 0,1,2)",
    ),
}


@dataclass(frozen=True)
class Parameter:
    """A parameter as a notebook declares it; `kind` is a key of `KINDS`.

    Where notebooks disagree on its default, `disagreement` says how; a value must then be given.
    """

    name: str
    kind: str
    default: Any
    help: str
    notebook: str
    disagreement: str = ""

    def converted(self, value: Any, where: str) -> Any:
        """Return `value`, or what it stands for as text, in this parameter's type: the same for whoever gives it.

        Nothing is lost on the way: 8.0 is a whole number and 8.5 is not, a number is no text, and true is no number.
        Raises `InputError` naming `where`.
        """
        kind = KINDS[self.kind]
        try:
            return kind.adapter.validate_python(value)
        except ValidationError:
            given = json.dumps(value, default=str, ensure_ascii=False, skipkeys=True)
            given = given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}..."
            raise InputError(f"{where}: {self.name} is {given}, but it takes {kind.accepted} ({self.kind})") from None


def declared(notebooks: Iterable[Page]) -> dict[str, Parameter]:
    """Return all parameters of the notebooks by name; `InputError` where two notebooks disagree on a type."""
    found: dict[str, Parameter] = {}
    for page in notebooks:
        for parameter in of_notebook(page.source):
            first = found.setdefault(parameter.name, parameter)
            if (first.kind, first.default) == (parameter.kind, parameter.default):
                continue
            disagreement = (
                f"parameter {parameter.name} is declared as {first.kind} = {first.default!r} in {first.notebook} "
                f"and as {parameter.kind} = {parameter.default!r} in {parameter.notebook}; make them equal"
            )
            if first.kind != parameter.kind:
                raise InputError(disagreement)
            found[parameter.name] = replace(first, disagreement=disagreement)
    return found


def of_notebook(path: Path) -> list[Parameter]:
    """Return the parameters of one notebook in their order; `InputError` where a line cannot be read as one."""
    source = parameters_source(path)
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise InputError(f"{path.name}: the parameters cell is not Python: {error.msg}, line {error.lineno}") from None
    comments = _comments(source)
    return [
        _parameter(path, node, comments.get(node.end_lineno, ""))
        for node in statements
        if isinstance(node, ast.Assign | ast.AnnAssign)
    ]


def parameters_source(path: Path) -> str:
    """Return the source of the cell tagged `parameters`, an empty string where there is none."""
    tagged = [cell.source for cell in sources.read(path).cells if "parameters" in cell.metadata.get("tags", [])]
    return tagged[0] if tagged else ""


def unknown(name: str, known: Iterable[str], where: str) -> InputError:
    """Return the error of a name that nobody declares, with the nearest that somebody does."""
    names = sorted(known)
    name = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..."
    near = nearest(name, names)
    guess = f"did you mean {near!r}? " if near else ""
    return InputError(f"{where}: unknown name {name!r}; {guess}accepted are {', '.join(names)}")


def _comments(source: str) -> dict[int, str]:
    """Map each line that ends in a comment to its text."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {one.start[0]: one.string.lstrip("# ") for one in tokens if one.type == tokenize.COMMENT}


def _parameter(path: Path, node: ast.Assign | ast.AnnAssign, help: str) -> Parameter:
    name = ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])
    where = f"{path.name}: parameter {name}"
    kind = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else None
    if kind not in KINDS:
        raise InputError(f"{where} has type {kind}; accepted are {', '.join(KINDS)}")
    if node.value is None:
        raise InputError(f"{where} has no default; write `name: type = literal  # help`")
    try:
        value = ast.literal_eval(node.value)
    except (ValueError, TypeError):
        raise InputError(f"{where} has default {ast.unparse(node.value)}, which is no literal") from None
    parameter = Parameter(name, kind, value, help, path.name)
    return replace(parameter, default=parameter.converted(value, path.name))
