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
DEFAULT_PROFILE = "pocket"
UPKEEP = ("reference", "check-reference", "shortcuts", "dry-run", "learning-rate", "draw-maps")
MOVED = {"audit": "tests.audit", **{name: f"darksecrets_upkeep {name}" for name in UPKEEP}}


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

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        """Return the command that is typed; of one that has moved, say where it is."""
        if args[0] in MOVED and args[0] not in self.commands:
            raise InputError(f"{args[0]} is another package's command: python -m {MOVED[args[0]]}")
        return super().resolve_command(context, args)


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
    """Recompute the experiments of 'Revealing the Dark Secrets of BERT' and read them as a book.

    What made the published reference run, and checks it, is `python -m darksecrets_upkeep`.
    """
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
