"""Compare two built clones: `python -m tests.faults.reproducible CLONE CLONE`.

Tables must be byte-identical, pages identical but for moments and drawn identifiers; what is not is listed, and the
exit code is then 1.
"""

import sys
from pathlib import Path

import click

from tests.faults import clones


@click.command()
@click.argument("one", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("other", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(one: Path, other: Path) -> None:
    """Compare two built clones of the repository."""
    lines, is_same = report(one, other)
    click.echo("\n".join(lines))
    sys.exit(not is_same)


def report(one: Path, other: Path) -> tuple[list[str], bool]:
    """Return the lines of the comparison, and whether everything that must be the same is."""
    counted = clones.count_tables(one), clones.count_tables(other)
    tables, pages = clones.different_tables(one, other), clones.different_pages(one, other)
    files = clones.different_files(one, other)
    lines = [f"tables: {counted[0]} and {counted[1]}, different: {len(tables)}", *(f"  {name}" for name in tables)]
    n_pages = len(clones.pages(one))
    lines.append(f"pages: {n_pages}, different but for moments and drawn identifiers: {len(pages)}")
    for name, difference in pages.items():
        lines += [f"  {name}", *(f"    {line}" for line in difference)]
    lines += [f"other files that differ: {len(files)}", *(f"  {name}" for name in files)]
    return lines, counted[0] > 0 and n_pages > 0 and not (tables or pages)


if __name__ == "__main__":
    main(prog_name="python -m tests.faults.reproducible")
