"""The command line: `python -m darksecrets COMMAND`."""

import sys
from pathlib import Path
from typing import Any

import click

from darksecrets import research, sweeping
from darksecrets.errors import DiskFullError, InputError, one_line

# Commands import what they need when they run: `--help` answers at once.
BOOK_EXAMPLES = """
\b
Examples:
  python -m darksecrets book
  python -m darksecrets book tasks=RTE,STS-B seeds=0,1,2
  python -m darksecrets book --profile glue corpus=../shared/glue max_train=500
  python -m darksecrets book --profile paper seeds=0,1
"""
CHECK_EXAMPLES = """
\b
Examples:
  python -m darksecrets check
  python -m darksecrets check --profile paper
  python -m darksecrets check --profile my-run.yml seeds=0,1,2
"""
REFERENCE_EXAMPLES = """
\b
Examples:
  python -m darksecrets reference corpus=../shared/glue
  python -m darksecrets reference corpus=../shared/glue seeds=0 gold=../shared/ud/en_ewt-ud-dev.conllu
"""
CHECK_REFERENCE_EXAMPLES = """
\b
Examples:
  python -m darksecrets check-reference
  python -m darksecrets check-reference corpus=../shared/glue
  python -m darksecrets check-reference corpus=hub frames=../framenet_v17 store=../check
"""
SHORTCUTS_EXAMPLES = """
\b
Examples:
  python -m darksecrets shortcuts corpus=../shared/glue
"""
DRY_RUN_EXAMPLES = """
\b
Examples:
  python -m darksecrets dry-run corpus=../shared/glue
  python -m darksecrets dry-run corpus=pocket tasks=RTE,STS-B
"""
DEFAULT_PROFILE = "pocket"


class Group(click.Group):
    """A group that turns what a person gave wrong into one line and exit code 2, and a full disk into exit code 1."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        from darksecrets.files import saying_full

        try:
            with saying_full("a file", Path.cwd()):
                return super().invoke(context)
        except InputError as error:
            click.echo(f"error: {one_line(error)}", err=True)
            context.exit(2)
        except DiskFullError as error:
            click.echo(f"error: {error}", err=True)
            context.exit(1)


class ParameterCommand(click.Command):
    """A command that takes `name=value` for the notebooks' parameters, and lists them in its help."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the parameters as the notebooks declare them, then the examples."""
        from darksecrets.book import contents, parameters, profiles

        try:
            root = contents.book_root()
            known = parameters.declared(contents.notebooks(root))
            names = profiles.available(root)
        except InputError as error:
            formatter.write(f"\nParameters cannot be listed: {error}\n")
        else:
            with formatter.section("Parameters (from the notebooks; a profile or name=value changes the default)"):
                formatter.write_dl(
                    [
                        (f"{item.name}: {item.kind}", f"{item.help} [{item.default!r}]")
                        for item in known.values()
                        if item.name != profiles.RUN
                    ]
                )
            formatter.write(f"\nProfiles: {', '.join(names)}\n")
        super().format_epilog(context, formatter)


profile_option = click.option(
    "--profile", default=DEFAULT_PROFILE, show_default=True, metavar="NAME", help="A profile's name, or a YAML file."
)
overrides_argument = click.argument("overrides", nargs=-1, metavar="[NAME=VALUE]...")


@click.group(cls=Group, no_args_is_help=False, invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Recompute the experiments of 'Revealing the Dark Secrets of BERT' and read them as a book."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@main.command(cls=ParameterCommand, epilog=BOOK_EXAMPLES)
@profile_option
@overrides_argument
def book(profile: str, overrides: tuple[str, ...]) -> None:
    """Execute the notebooks with a profile's values and build the book into _build/html.

    What was executed before with the same code, values and versions is not executed again.
    Paths start at the current directory.
    """
    from darksecrets.book import build, contents, execute, profiles

    checked = profiles.load(contents.book_root(), profile, overrides)
    try:
        build.make(checked)
    except (execute.ExecutionError, build.BuildError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)


@main.command(cls=ParameterCommand, epilog=CHECK_EXAMPLES)
@profile_option
@overrides_argument
def check(profile: str, overrides: tuple[str, ...]) -> None:
    """Check a profile and show the values that a run of the book would use; nothing is executed."""
    from darksecrets.book import contents, profiles

    checked = profiles.load(contents.book_root(), profile, overrides)
    width = max(map(len, checked.values), default=0)
    click.echo(f"run {checked.run}")
    for name, value in checked.for_notebook(list(checked.values)).items():
        click.echo(f"  {name:<{width}}  {value!r}")


@main.command(cls=ParameterCommand, epilog=REFERENCE_EXAMPLES)
@overrides_argument
def reference(overrides: tuple[str, ...]) -> None:
    """Repeat the reference run with profile `reference`, and publish its tables in notebooks/reference.

    An interrupted run continues. A run of fewer seeds or tasks can be published as well: run.json says what it holds.
    """
    from darksecrets.book import contents, execute, profiles
    from darksecrets.book import reference as run

    checked = profiles.load(contents.book_root(), run.PROFILE, overrides)
    try:
        run.make(checked)
    except execute.ExecutionError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


@main.command("check-reference", epilog=CHECK_REFERENCE_EXAMPLES)
@click.argument("places", nargs=-1, metavar="[NAME=PLACE]...")
def check_reference(places: tuple[str, ...]) -> None:
    """Check the published reference run: its files, and whatever can be computed anew from the data that is there.

    Without GLUE, this is the files and what needs no task: links in pocket sentences, and FrameNet where it is. With
    GLUE, the pre-trained model's attention on all tasks is measured again, and the smallest task is fine-tuned once.
    Each table is compared with the published one, and the largest difference is shown beside what is tolerated. The
    exit code is 1 if anything is not ok, and what was not checked is said.

    \b
    Data is looked for in ../shared beside the repository, unless PLACES say where it is:
      corpus      hub, or a directory in the layout of the GLUE download
      frames      a directory with FrameNet 1.7, or its .tar.xz archive
      gold        the CoNLL-U file that the parser was held against
      checkpoint  the checkpoint's directory, where the run's was one
      store       a directory for what is computed, apart from the run's own [_runs/check]
    """
    from darksecrets.book import check_reference as checks
    from darksecrets.book import contents
    from darksecrets.overview import comparison

    found = checks.check(contents.book_root(), checks.given_places(places))
    click.echo(comparison.report(found))
    sys.exit(comparison.failed(found))


@main.command(cls=ParameterCommand, epilog=SHORTCUTS_EXAMPLES)
@overrides_argument
def shortcuts(overrides: tuple[str, ...]) -> None:
    """Hold the reference run against what saves time, or would, and write the scores into notebooks/reference.

    A large task is fine-tuned on fewer training examples, or, where the run cuts it, on all; small tasks in float32.
    Give the same values as for the run. What is in the store is not computed again.
    """
    from darksecrets.book import contents, profiles, reference
    from darksecrets.book import shortcuts as comparison

    checked = profiles.load(contents.book_root(), reference.PROFILE, overrides)
    click.echo(comparison.measure(checked).to_string(index=False))


@main.command("dry-run", cls=ParameterCommand, epilog=DRY_RUN_EXAMPLES)
@overrides_argument
def dry_run(overrides: tuple[str, ...]) -> None:
    """Prove profile `paper` without its model: the whole book on an untrained BERT-base and a few examples per task.

    Its numbers mean nothing but that every chapter runs on 12 layers of 12 heads. The book is in _build/html. What each
    chapter took, and what the real profile would take on this machine, is written into notebooks/reference.
    """
    from darksecrets.book import build, contents, dry_run, execute

    try:
        chapters = dry_run.make(contents.book_root(), overrides)
    except (execute.ExecutionError, build.BuildError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(chapters.to_string(index=False))
    click.echo(dry_run.costs(contents.book_root(), overrides).to_string(index=False))


@main.command()
def archive() -> None:
    """Pack the built book into one file to read offline: _build/archive/darksecrets-book-VERSION.zip.

    Licences and citation go with it, and its SHA-256 stands beside it.
    """
    from darksecrets.book import build, contents, publication

    root = contents.book_root()
    packed = publication.archive(root, build.built(root))
    click.echo(f"{packed.relative_to(root)}: {packed.stat().st_size / 1e6:.1f} MB; open index.html in it")


for command in (*research.COMMANDS, *sweeping.COMMANDS):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m darksecrets")
