"""Labels of one's own data as a model's classes: by the classes' names, or by their numbers from 0, or as scores."""

import math
from collections.abc import Sequence
from typing import Any

TRUTHS = {"false": 0, "true": 1}  # as labels of two classes are often written
BY_NAME, BY_NUMBER, SCORES = "the model's names", "the numbers of the model's classes", "scores"


def read_as(values: Sequence[Any], names: Sequence[str], labels: Sequence[str] | None) -> tuple[list[Any] | None, str]:
    """Turn labels into classes, or scores, and say by what; None where one of them is none."""
    if labels is None:
        return ([float(value) for value in values], SCORES) if all(map(is_number, values)) else (None, "")
    known = {name.casefold(): number for number, name in enumerate(labels)}
    written = [_written(value, names).casefold() for value in values]
    if len(known) == len(labels) and all(value in known for value in written):
        return [known[value] for value in written], BY_NAME
    numbers = [_whole(value) for value in values]
    if all(number is not None and 0 <= number < len(labels) for number in numbers):
        return numbers, BY_NUMBER
    return None, ""


def is_number(value: Any) -> bool:
    """Say whether a value is a finite number, or text that spells one."""
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _written(value: Any, names: Sequence[str]) -> str:
    """Return a label as its name: that which the source gives for its number, or the label itself."""
    number = _whole(value)
    return names[number] if number is not None and 0 <= number < len(names) else str(value).strip()


def _whole(value: Any) -> int | None:
    if str(value).casefold() in TRUTHS:
        return TRUTHS[str(value).casefold()]
    return int(float(value)) if is_number(value) and float(value).is_integer() else None
