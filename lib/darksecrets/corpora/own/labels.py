"""Labels of one's own data as a model's classes: by the classes' names, or by their numbers from 0, or as scores.

A label has often more than one reading, and the wrong one turns every number of a report around. So all readings that
fit are listed: one is taken, and of two that differ none, until a person says what the labels of each class are called.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from darksecrets.errors import InputError, check_once

BY_NAME, BY_NUMBER, SCORES = "the model's names", "the numbers of the model's classes", "scores"
BY_CLASSES, BY_SIGN, BY_TRUTH = "what classes says", "-1 and 1 for the two classes", "no and yes"
TRUTHS = {"false": 0, "f": 0, "no": 0, "n": 0, "true": 1, "t": 1, "yes": 1, "y": 1}
POLES = TRUTHS | {"negative": 0, "neg": 0, "positive": 1, "pos": 1}
# What tables write where a value is missing (those of pandas), and what SNLI and databases write.
MISSING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A"),
        *("NA", "NULL", "NaN", "None", "n/a", "nan", "null", "-", "\\N"),
    )
)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NAMELESS = re.compile(r"(label|class)?[\s_-]*\d+", re.IGNORECASE)
MOST_SHOWN = 8

Meaning = Mapping[str, int | float | None]


@dataclass(frozen=True)
class Reading:
    """What labels are taken for: the class or score of each, None where it is missing.

    `how` says it in words. `classes` is what a person would give to choose this reading, and `notes` are sentences.
    """

    meaning: Meaning
    how: str
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Labels that stand for none."""
        return [written for written, number in self.meaning.items() if number is None]

    @property
    def drops_minus_one(self) -> bool:
        """Whether -1 stands for no label."""
        return any(whole(label) == -1 for label in self.missing)

    def is_part_of(self, other: "Reading") -> bool:
        """Whether another reading has the same classes, and perhaps some where this one has none."""
        return all(number in (None, other.meaning[label]) for label, number in self.meaning.items())

    def called(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return what the data calls each of a model's classes; its own name where no label stands for it."""
        found = dict(enumerate(self.classes or labels)) | {number: one for one, number in self.meaning.items()}
        return tuple(found[number] for number in range(len(labels)))

    def of(self, values: Iterable[Any]) -> list[int | float | None]:
        """Return the class or score of each label."""
        return [None if value is None else self.meaning[written(value)] for value in values]


def readings(
    values: Iterable[Any], names: Sequence[str], labels: Sequence[str] | None, classes: Sequence[str] = ()
) -> list[Reading]:
    """Return all readings of labels that fit and differ, none where a label has no reading.

    `labels` are the names of the model's classes, None for a model that gives a score; `names` are those that the data
    gives its numbers; `classes` is what the labels of each class are called, where a person says so.
    """
    distinct = list(dict.fromkeys(written(value) for value in values if value is not None))
    if labels is None:
        found = [_as_scores(distinct)]
    elif classes:
        found = [_by_classes(distinct, names, labels, classes)]
    else:
        found = [_by_name(distinct, names, labels)]
        if not (names and found[0]):  # numbers that the data itself names are names
            found += [*_by_number(distinct, names, labels), _by_truth(distinct, labels)]
    return _different([reading for reading in found if reading and len(reading.missing) < len(reading.meaning)])


def check_classes(classes: Sequence[str], labels: Sequence[str] | None) -> None:
    """Raise InputError unless `classes` has one name for each of a model's classes, or is empty."""
    if not classes:
        return
    if labels is None:
        raise InputError("classes is given, but this model has no classes, it gives a score; leave classes out")
    if len(classes) != len(labels):
        raise InputError(
            f"classes has {len(classes)} names, but the model has {len(labels)} classes ({listed(labels)}); give what "
            "the data's labels of each are called, in this order"
        )
    check_once("classes", [one.strip() for one in classes])


def typed(classes: Iterable[str]) -> str:
    """Return names of classes as a person types them, one that has a comma in quotation marks."""
    return ",".join(f'"{name}"' if "," in name else name for name in classes)


def written(value: Any) -> str:
    """Return a label as text, without blanks around it."""
    return str(value).strip()


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, or text that spells one."""
    text = written(value)
    return NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def says_nothing(labels: Sequence[str]) -> bool:
    """Whether classes have no names of their own, as `LABEL_0`."""
    return all(NAMELESS.fullmatch(label.strip()) for label in labels)


def listed(names: Iterable[str], most: int = MOST_SHOWN) -> str:
    """Return names with commas between; of many the first ones, and how many there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")


def _different(fitting: Sequence[Reading]) -> list[Reading]:
    """Leave out readings that another one makes needless: the same, the same but for labels that it drops, and where
    names have a class for -1, all that have none or take it for a sign.
    """
    by_name = next((one for one in fitting if one.how == BY_NAME and not one.drops_minus_one), None)
    if by_name is not None:
        from_zero = (one for one in fitting if one.how.startswith(BY_NUMBER) and not one.drops_minus_one)
        fitting = [by_name, *from_zero]
    kept: list[Reading] = []
    for one in sorted(fitting, key=lambda reading: len(reading.missing)):
        if not any(one.is_part_of(other) for other in kept):
            kept.append(one)
    return kept


def _as_scores(distinct: Sequence[str]) -> Reading | None:
    meaning = {one: None if one in MISSING else float(one) for one in distinct if one in MISSING or is_number(one)}
    return Reading(meaning, SCORES) if len(meaning) == len(distinct) else None


def _by_name(distinct: Sequence[str], names: Sequence[str], labels: Sequence[str]) -> Reading | None:
    shown = _shown(distinct, names)
    for called in (labels, _numbers_within(labels)):
        meaning = _matched(shown, called) if called else None
        if meaning is not None:
            return Reading(meaning, BY_NAME, tuple(called), _spelling_notes(shown, meaning, labels))
    return None


def _by_classes(
    distinct: Sequence[str], names: Sequence[str], labels: Sequence[str], classes: Sequence[str]
) -> Reading | None:
    for called in (_shown(distinct, names), _shown(distinct, ())):
        meaning = _matched(called, classes)
        if meaning is not None:
            return Reading(meaning, f"{BY_CLASSES} ({_pairs(zip(classes, labels, strict=True))})", tuple(classes))
    return None


def _by_number(distinct: Sequence[str], names: Sequence[str], labels: Sequence[str]) -> Iterator[Reading]:
    """Yield the readings of whole numbers: from 0, and where there are -1 also as signs, or as steps around 0."""
    known = [one for one in distinct if one not in MISSING]
    numbers = {one: whole(one) for one in known}
    if not known or any(number is None or not -1 <= number < len(labels) for number in numbers.values()):
        return
    none, found = _missing(distinct), set(numbers.values())
    if len(labels) == 2 and found == {-1, 1}:
        places = _places(labels, POLES) or {0: 0, 1: 1}
        meaning = none | {one: places[int(number > 0)] for one, number in numbers.items()}
        order = ("-1", "1") if places[0] == 0 else ("1", "-1")
        yield Reading(meaning, f"{BY_SIGN} ({_pairs(zip(order, labels, strict=True))})", order)
        return
    if len(labels) == 3 and {-1} < found <= {-1, 0, 1} and not names:
        yield Reading(none | {one: number + 1 for one, number in numbers.items()}, "steps around 0", ("-1", "0", "1"))
    classes = tuple(map(str, range(len(labels))))
    meaning = none | {one: None if number == -1 else number for one, number in numbers.items()}
    how = BY_NUMBER + ("" if says_nothing(labels) else f" ({_pairs(zip(classes, labels, strict=True))})")
    yield Reading(meaning, how, classes, _number_notes(found, names, labels))
    places = _places(labels, TRUTHS) if len(labels) == 2 else None
    if places and found <= {0, 1}:
        order = tuple(map(str, sorted(places, key=places.get)))
        yield Reading(none | {one: places[number] for one, number in numbers.items()}, BY_TRUTH, order)


def _by_truth(distinct: Sequence[str], labels: Sequence[str]) -> Reading | None:
    """Read no and yes, or false and true, of two classes that are such themselves or have no names."""
    known = [one for one in distinct if one not in MISSING]
    truths = {one: TRUTHS.get(one.casefold()) for one in known}
    if len(labels) != 2 or not known or None in truths.values():
        return None
    is_boolean = all(one.casefold() in ("false", "true") for one in known)
    of_truths = _places(labels, TRUTHS)
    if of_truths is None and not (says_nothing(labels) or is_boolean):
        return None
    places = of_truths or _places(labels, POLES) or {0: 0, 1: 1}
    meaning = _missing(distinct) | {one: places[truth] for one, truth in truths.items()}
    pairs = sorted((number, one) for one, number in meaning.items() if number is not None)
    return Reading(meaning, f"{BY_TRUTH} ({_pairs((one, labels[number]) for number, one in pairs)})")


def _missing(distinct: Sequence[str]) -> dict[str, None]:
    return dict.fromkeys(one for one in distinct if one in MISSING)


def _places(labels: Sequence[str], words: Mapping[str, int]) -> dict[int, int] | None:
    """Return which of two classes says no (0) and which yes (1) by these words; None where their names do not tell."""
    found = {words.get(_loose(label)): place for place, label in enumerate(labels)}
    return found if set(found) == {0, 1} else None


def _matched(shown: Mapping[str, str], labels: Sequence[str]) -> Meaning | None:
    """Return the class of each label by its name: as written, or in other case, or with other marks between words.

    Labels that stand for none have None; the result is None where any other label is no name. A name in other case,
    such as None of a class none, is rather a name than no label.
    """
    found = []
    for form in (str, _folded, _loose):
        places = {form(label.strip()): place for place, label in enumerate(labels)}
        known = all(form(name) in places or one in MISSING or whole(one) == -1 for one, name in shown.items())
        if known and len(places) == len(labels):
            found.append({one: places.get(form(name)) for one, name in shown.items()})
    return min(found, key=lambda meaning: list(meaning.values()).count(None), default=None)


def _numbers_within(labels: Sequence[str]) -> list[str]:
    """Return the one number in each class's name, such as 4 of `4 stars`; nothing where they are those from 0."""
    inside = [re.findall(r"\d+", label) for label in labels]
    if any(len(numbers) != 1 for numbers in inside) or any(map(is_number, labels)):
        return []
    numbers = [str(int(number)) for (number,) in inside]
    return numbers if numbers != list(map(str, range(len(labels)))) else []


def _shown(distinct: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return for each label the name that the source gives for its number, or the label itself."""
    called = {str(number): name for number, name in enumerate(names)}
    return {one: called.get(one, one) for one in distinct}


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _loose(text: str) -> str:
    """Return a name without case and without what stands between its words; a whole number without its point."""
    number = whole(text)
    return str(number) if number is not None else re.sub(r"(?<=[^\W_])[\s_-]+(?=[^\W_])", "", _folded(text))


def whole(label: str) -> int | None:
    """Return the whole number that a label spells; None where it spells none."""
    return int(float(label)) if is_number(label) and float(label).is_integer() else None


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return listed(f"{one} is {label}" for one, label in pairs)


def _spelling_notes(shown: Mapping[str, str], meaning: Meaning, labels: Sequence[str]) -> tuple[str, ...]:
    """Say which labels are not spelled as the names that they were taken for, case aside."""
    other = [
        f"{one} as {labels[place]}"
        for one, place in meaning.items()
        if place is not None and _folded(shown[one]) != _folded(labels[place].strip())
    ]
    return (f"Labels were read as the model's names: {listed(other)}.",) if other else ()


def _number_notes(found: set[int], names: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if 0 not in found:
        from_one = ",".join(str(number) for number in range(1, len(labels) + 1))
        notes.append(
            f"No label is 0, so class 0 ({labels[0]}) never occurs. If the labels count from 1, set classes to "
            f"{from_one}."
        )
    if names and not says_nothing(labels) and not says_nothing(names):
        notes.append(
            f"The data calls its labels {listed(names)}, and the model its classes {listed(labels)}: they were matched "
            "by number. If that is wrong, set classes to the data's names in the order of the model's classes."
        )
    return tuple(notes)
