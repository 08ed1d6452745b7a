"""YAML as people write it into profiles, grids and command lines, with its traps closed."""

import re
from pathlib import Path
from typing import Any

import yaml

from darksecrets.errors import InputError, one_line


class _Loader(yaml.SafeLoader):
    """YAML with three traps closed: 1e-4 is a number (YAML 1.1 reads text), a key given twice is an error, and so is a
    reference to another value, with which a few lines can stand for billions.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"'*{self.peek_event().anchor}' refers to another value; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        repeated = [key for key in keys if keys.count(key) > 1]
        if repeated:
            raise yaml.YAMLError(f"{repeated[0]!r} is given twice")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse(text: str) -> Any:
    """Return what a text of YAML says; `ValueError` where it cannot be read."""
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise ValueError("its lists are nested too deeply") from None
    # A value that is not what its tag or its looks say is none of YAML's own errors.
    except (yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(one_line(error)) from None


def read(path: Path) -> dict[str, Any]:
    """Read a YAML file of `name: value`; `InputError` where it is none, or has a name twice."""
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} is not YAML that can be read: {one_line(error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path.name} holds a {type(content).__name__}; write one `name: value` a line")
    return content
