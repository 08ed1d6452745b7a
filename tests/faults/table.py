"""The fault table: `python -m tests.faults.table` breaks things one at a time in a small book and a tiny model.

Each row says what was broken, what was said, what was computed again, and whether everything is whole afterwards. The
exit code is 1 where something is not.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from tests.conftest import save_encoder
from tests.faults import cases, small_book
from tests.faults.cases import DAMAGES, Outcome

# Files of a built book's store.
FILES = {
    "result of an analysis, Parquet": "piece/*/table.parquet",
    "record of a result, JSON": "piece/*/result.json",
    "executed notebook": "notebook/*/notebook.ipynb",
    "kept copy of a run's table": "notebook/*/tables/table_1.parquet",
    "table of a run, Parquet": "runs/*/table_1.parquet",
    "run.json": "runs/*/run.json",
}


def rows(work: Path) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """Yield each fault's name and what breaks and mends it, in `work`, an empty directory."""
    root = small_book.write(work / "clone")
    cases.execute_again(root)
    for what, pattern in FILES.items():
        for name, damage in DAMAGES.items():
            yield f"{what}: {name}", lambda pattern=pattern, damage=damage: cases.garbled_in_book(root, pattern, damage)
    yield "two books at once in one clone", lambda: cases.two_books(root)
    yield "death between an exchange's renames", lambda: cases.dead_between_renames(root)
    save_encoder(work / "tiny", "bert")
    for name in ("truncated", "one bit flipped"):
        yield f"fine-tuned model, safetensors: {name}", lambda name=name: cases.garbled_model(work, DAMAGES[name])
    yield "two fine-tunings of one model at once", lambda: cases.two_finetunings(work)
    yield from full_disks(work)


def full_disks(work: Path) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """Yield what a full disk does to a result, a fine-tuning, and a book at four points of its way."""

    def on(size: str, case: Callable[[Path], Outcome]) -> Callable[[], Outcome]:
        def run() -> Outcome:
            with (
                tempfile.TemporaryDirectory(dir=work) as directory,
                cases.small_disk(Path(directory, "disk"), size) as disk,
            ):
                return case(disk)

        return run

    yield "disk full: result", on("10m", cases.full_store)
    yield "disk full: fine-tuning", on("200m", lambda disk: cases.full_finetuning(work, disk))
    for left in (0, 20_000, 300_000, 8_000_000):
        yield f"disk full: book, {left:,} bytes left", on("60m", lambda disk, left=left: cases.full_book(disk, left))


@click.command()
@click.option("--only", default="", help="Part of the names of the faults to try. [default: all]")
def main(only: str) -> None:
    """Try the faults and print a table of them."""
    n_tried = n_whole = 0
    with tempfile.TemporaryDirectory(prefix="faults-") as directory:
        for name, case in rows(Path(directory)):
            if only not in name:
                continue
            outcome = case()
            n_tried, n_whole = n_tried + 1, n_whole + outcome.is_whole
            click.echo(f"{'whole' if outcome.is_whole else 'FAILED':<7} {name}")
            click.echo(f"        said: {outcome.said or 'nothing'}")
            click.echo(f"        computed again: {outcome.again}")
    click.echo(f"{n_tried} faults tried, {n_whole} whole afterwards")
    sys.exit(n_tried != n_whole)


if __name__ == "__main__":
    main(prog_name="python -m tests.faults.table")
