"""Commands on many runs: a sweep over a grid, and a page that compares runs."""

import sys
from pathlib import Path

import click

# Commands import what they need when they run: `--help` answers at once.
SWEEP_EXAMPLES = """
\b
Examples:
  python -m darksecrets sweep notebooks/grids/pocket.yml --dry-run
  python -m darksecrets sweep notebooks/grids/pocket.yml --jobs 2
"""
COMPARE_EXAMPLES = """
\b
Examples:
  python -m darksecrets compare reference pocket-0a1b2c3d
  python -m darksecrets compare _runs/runs/minilm-* --output seeds
"""


@click.command(epilog=SWEEP_EXAMPLES)
@click.option("--jobs", default=0, metavar="N", help="Runs at once; cores are shared out. [default: one per core]")
@click.option("--dry-run", is_flag=True, help="Show the runs, and what is done of each; execute nothing.")
@click.argument("grid", type=click.Path(path_type=Path))
def sweep(grid: Path, jobs: int, dry_run: bool) -> None:
    """Execute chapters for every combination of the values in GRID, a YAML file.

    Each combination is a run of its own in the store, with its tables and executed notebooks. What is done is not done
    again, and a run that fails does not stop the others; the exit code is then 1.

    \b
    GRID holds lists:
      checkpoints, corpora, tasks, seeds   a run for each combination; an item of tasks or seeds may be a list
      parameters                           the same for any parameter of the chapters, a list for each
      chapters                             which to execute [default: 02 to 08, those that measure]
      profile                              a name: the values of everything else [default: pocket]
    """
    from darksecrets.book import contents, grids, units
    from darksecrets.book.execute import ExecutionError
    from darksecrets.book.sweep import Sweep
    from darksecrets.models.cores import available_cores

    plan = units.plan(grids.read(contents.book_root(), grid))
    work = Sweep(plan, jobs or available_cores())
    click.echo("\n".join(units.described(plan)))
    if dry_run:
        return
    try:
        work.run()
    except ExecutionError as error:
        click.echo(f"\n{error}", err=True)
        sys.exit(1)


@click.command(epilog=COMPARE_EXAMPLES)
@click.option("--output", default="comparison", show_default=True, metavar="DIRECTORY", help="Where the page goes.")
@click.option("--store", default="", metavar="DIRECTORY", help="The store that has the runs. [default: the book's]")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
def compare(runs: tuple[str, ...], output: str, store: str) -> None:
    """Show which findings of the paper hold in which RUN: a run's name in the store, a directory, or `reference`.

    A claim that a run cannot answer says which chapter's tables are missing.

    \b
    DIRECTORY gets
      index.html          a matrix of claims and runs, which needs no network
      comparison.csv      a row for each claim and run: verdict, evidence, rule
      comparison.parquet  the same
    """
    from darksecrets.book import compare as page

    found = page.find(runs, store)
    click.echo(f"The comparison is in {click.format_filename(page.write(found, output))}")


COMMANDS = (sweep, compare)
