"""A file of one's own, or a data set of the `datasets` library, as a table of columns; what cannot be read is refused.

Values are text as they stand in CSV and TSV, and what JSON, Parquet or `datasets` make of them elsewhere. A missing
value is None; in CSV and TSV, which cannot tell, an empty field. Only data is read: no pickle, no code of a data set.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darksecrets.corpora.own import json_rows, separated, text
from darksecrets.corpora.own.format import GUESS, Format, parse
from darksecrets.corpora.own.table import Table, present
from darksecrets.errors import InputError
from darksecrets.files import LFS_POINTER

if TYPE_CHECKING:
    import datasets

SPLITS = ("validation", "dev", "validation_matched", "test", "train")  # which is taken of several, in this order
ACCEPTED = (
    "accepted are files that end in .csv, .tsv, .txt, .json, .jsonl (these also with .gz) or .parquet, a directory "
    "that save_to_disk wrote, and the name of a data set on the Hub"
)
ADVICE = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods", ".numbers"), "save the sheet as CSV"),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".npy", ".npz"), "such files can run code; save the table as Parquet"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst"), "unpack it"),
    **dict.fromkeys((".feather", ".orc", ".h5", ".db", ".sqlite"), "save the table as Parquet"),
    ".arrow": "name the directory that save_to_disk wrote, or save the table as Parquet",
}
LONGEST_POINTER = 1000  # bytes, of a file that git-LFS has left in another's place
JSON = (".json", ".jsonl", ".ndjson")
ClassNames = dict[str, tuple[str, ...]]  # of the numbers in a column of labels
SAVED, SAVED_SPLITS = "state.json", "dataset_dict.json"  # what `save_to_disk` writes beside the rows


def read(source: str, split: str = "", format: str = "") -> Table:
    """Read a file by its ending, or a data set by its name (`NAME` or `NAME:CONFIGURATION`) or directory.

    `split` chooses one split of a data set; a file has none. `format` says how a text file is written, where that is
    not to be guessed (`format.parse`). Raises InputError.
    """
    given = parse(format)
    path = Path(os.path.expanduser(source))  # noqa: PTH111 (whoever is named)
    ending = _ending(path)
    if os.path.isfile(path):  # noqa: PTH113 (no name is too long)
        if ending not in READERS:
            advice = f"{ADVICE[ending]}; " if ending in ADVICE else ""
            raise InputError(f"data {source!r}: the ending {ending or 'none'!r} is unknown; {advice}{ACCEPTED}")
        if split:
            raise InputError(f"split is {split!r}, but {path.name!r} is a file and has no splits; leave split out")
        if not path.stat().st_size:
            raise InputError(f"data {source!r} is empty; it needs a header and labelled rows")
        table = READERS[ending](path, given)
    elif ending in READERS and not os.path.isdir(path):  # noqa: PTH112
        raise InputError(f"data {source!r}: there is no such file; {ACCEPTED}")
    else:
        table = _data_set(source, split, given)
    if not table.rows:
        raise InputError(f"data {source!r} has no rows; it needs labelled examples")
    return table


def _ending(path: Path) -> str:
    """Return the ending that says what is in a file, that of gzip aside."""
    return Path(path.stem if path.suffix.lower() == ".gz" else path).suffix.lower()


def _refuse_format(name: str, given: Format, *parts: str) -> None:
    """Raise InputError where a format says something of a file that it cannot be said of."""
    for part in parts:
        if getattr(given, part) not in ("", GUESS):
            raise InputError(f"format has {part}, but {name!r} is not separated text; leave {part} out of format")


def _text(path: Path, given: Format) -> Table:
    """Read separated text or JSON."""
    is_json = _ending(path) in JSON
    if is_json:
        _refuse_format(path.name, given, "separator", "quotes", "header")
    content, notes = text.read(path, given.encoding)
    ending = _ending(path)
    table = json_rows.read(path.name, content) if is_json else separated.read(path.name, content, ending, given)
    return replace(table, notes=(*notes, *table.notes))


def _parquet(path: Path, given: Format) -> Table:
    import datasets
    import pyarrow
    from pyarrow import parquet

    _refuse_format(path.name, given, *Format.__dataclass_fields__)
    with path.open("rb") as file:
        start = file.read(100)
    if not start.startswith(b"PAR1"):
        text.check_signature(path.name, start)
    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{path.name} is no Parquet file that can be read ({_one_line(error)}); write it again"
        ) from None
    # `datasets` writes the names of classes beside the numbers of columns.
    is_data_set = b"huggingface" in (table.schema.metadata or {})
    classes = _class_names(datasets.Features.from_arrow_schema(table.schema)) if is_data_set else {}
    return _of_columns(path.name, table.column_names, [column.to_pylist() for column in table.columns], classes)


def _class_names(features: "datasets.Features") -> ClassNames:
    import datasets

    return {name: tuple(kind.names) for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)}


def _data_set(source: str, split: str, given: Format) -> Table:
    """Read a split of a data set with `datasets`, from the Hub, from a directory of data files, or as it was saved."""
    import datasets  # slow to import, and a file does not need it

    name, _, configuration = source.partition(":")
    name = os.path.expanduser(name)  # noqa: PTH111
    is_directory, place = os.path.isdir(name), Path(name)  # noqa: PTH112
    if is_directory:
        _check_pointers(place)
    is_saved = is_directory and any((place / file).is_file() for file in (SAVED, SAVED_SPLITS))
    files = {} if not is_directory or is_saved else _separated_files(source, name, configuration)
    if files:
        return _of_files(place.resolve().name, *_split_of(files, source, split), given)
    _refuse_format(source, given, *Format.__dataclass_fields__)
    load = (
        partial(datasets.load_from_disk, name)
        if is_saved
        else partial(datasets.load_dataset, name, configuration or None)
    )
    found, chosen = _split_of(_loaded(source, load), source, split)
    columns, classes = found.column_names, _class_names(found.features)
    shown = place.resolve().name if is_directory else source
    return replace(_of_columns(shown, columns, [found[name][:] for name in columns], classes), split=chosen)


def _loaded(source: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # the errors of the Hub's client, of HTTP and of the file system have no common parent
        raise InputError(
            f"data {source!r} is no file, and no data set that can be loaded ({_one_line(error)}); {ACCEPTED}"
        ) from None


def _split_of(found: Any, source: str, split: str) -> tuple[Any, str]:
    """Return one split of what `datasets` has found, and its name; a single data set that was saved has none."""
    import datasets

    if isinstance(found, datasets.Dataset):
        if split:
            raise InputError(f"split is {split!r}, but data {source!r} is one saved split; leave split out")
        return found, ""
    chosen = split or next((known for known in SPLITS if known in found), next(iter(found)))
    if chosen not in found:
        raise InputError(f"data {source!r} has no split {split!r}; it has: {', '.join(found)}")
    return found[chosen], chosen


def _separated_files(source: str, directory: str, configuration: str) -> dict[str, tuple[list[Path], ClassNames]]:
    """Return the files of each split of a directory of separated text, and the names that its card gives to numbers;
    nothing where it holds other data.

    `datasets` says which they are. It reads them with marks that always quote, and takes NA or None for missing values.
    """
    import datasets

    builder = _loaded(source, lambda: datasets.load_dataset_builder(directory, configuration or None))
    classes = _class_names(builder.info.features or {})
    files = {str(split): (list(map(Path, of)), classes) for split, of in (builder.config.data_files or {}).items()}
    paths = [path for of, _ in files.values() for path in of]
    return files if all(path.is_file() and _ending(path) in (".csv", ".tsv") for path in paths) else {}


def _of_files(name: str, files: tuple[list[Path], ClassNames], split: str, given: Format) -> Table:
    """Read the files of a split of separated text as one table. Raises InputError where their columns differ."""
    paths, classes = files
    first, *others = tables = [_text(path, given) for path in paths]
    for table in others:
        if table.columns != first.columns:
            raise InputError(
                f"{table.name} has other columns than {first.name} ({', '.join(table.columns)}; "
                f"{', '.join(first.columns)}); write them alike, or name one file"
            )
    places = [(table, row) for table in tables for row in range(len(table.rows))]
    return Table(
        name,
        first.columns,
        [table.rows[row] for table, row in places],
        lambda row: places[row][0].place(places[row][1]),
        classes,
        split,
        sum(table.n_lines for table in tables),
        tuple(note for table in tables for note in table.notes),
    )


def _check_pointers(directory: Path) -> None:
    """Raise InputError for the first file of a directory that only points to where git-LFS keeps it."""
    for path in sorted((*directory.glob("*"), *directory.glob("data/*"))):
        if path.is_file() and path.stat().st_size < LONGEST_POINTER and path.suffix not in (".py", ".md"):
            text.check_signature(path.name, path.read_bytes(), (LFS_POINTER,))


def _of_columns(name: str, columns: list[str], values: list[list[Any]], classes: ClassNames) -> Table:
    rows = [tuple(map(present, row)) for row in zip(*values, strict=True)]
    return Table(name, tuple(columns), rows, lambda row: f"{name}, row {row + 1}", classes)


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:160]


READERS: dict[str, Callable[[Path, Format], Table]] = {
    **dict.fromkeys((*separated.ORDINARY, *JSON), _text),
    ".parquet": _parquet,
}
