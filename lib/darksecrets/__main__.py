"""The command line: `python -m darksecrets COMMAND`."""

import csv
import os
from pathlib import Path
from typing import Any

import click

from darksecrets.errors import DiskFullError, FailedError, InputError, one_line

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
POCKET_EXAMPLES = """
\b
Examples:
  python -m darksecrets pocket mine
  python -m darksecrets pocket mine --train 2000 --dev 500 --seed 1
  python -m darksecrets book corpus=mine
"""
FRAMENET_EXAMPLES = """
\b
Examples:
  python -m darksecrets framenet released.csv
  python -m darksecrets framenet --reading paper --source ../framenet_v17 paper.csv
"""
REPORT_EXAMPLES = """
\b
Examples:
  python -m darksecrets report --checkpoint my-model --data reviews.csv
  python -m darksecrets report --checkpoint my-model --data pairs.tsv --text question --second answer --label relevant
  python -m darksecrets report --checkpoint user/model --data user/data-set --split test --max-examples 1000
  python -m darksecrets report --checkpoint my-model --data stars.csv --classes 1,2,3,4,5 --format separator=semicolon
"""
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
DEFAULT_PROFILE = "pocket"
UPKEEP = ("reference", "check-reference", "shortcuts", "dry-run", "learning-rate", "draw-maps")
MOVED = {"audit": "tests.audit", **{name: f"darksecrets_upkeep {name}" for name in UPKEEP}}


class Group(click.Group):
    """A group that turns what a person gave wrong into one line and exit code 2, and what failed otherwise, such as a
    notebook or a full disk, into its message and exit code 1.
    """

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
        except FailedError as error:
            click.echo(str(error), err=True)
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


def _checked(context: click.Context, parameter: click.Parameter, output: Path) -> Path:
    if not os.path.isdir(output.parent):  # noqa: PTH112 (no name is too long)
        raise InputError(f"{click.format_filename(output.parent)} is not a directory: make it, or name another file")
    return output


def _listed(context: click.Context, parameter: click.Parameter, text: str) -> list[str]:
    """Split text at commas; a name that has one stands in quotation marks."""
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]


profile_option = click.option(
    "--profile", default=DEFAULT_PROFILE, show_default=True, metavar="NAME", help="A profile's name, or a YAML file."
)
overrides_argument = click.argument("overrides", nargs=-1, metavar="[NAME=VALUE]...")
output_argument = click.argument("output", type=click.Path(path_type=Path, dir_okay=False), callback=_checked)


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
    from darksecrets.book import build, contents, profiles

    build.make(profiles.load(contents.book_root(), profile, overrides))


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


@main.command(epilog=POCKET_EXAMPLES)
@click.option("--train", default=600, show_default=True, help="Training examples per task.")
@click.option("--dev", default=200, show_default=True, help="Validation examples per task.")
@click.option("--seed", default=0, show_default=True, help="Another seed, another corpus.")
@click.argument("directory", type=click.Path(path_type=Path))
def pocket(directory: Path, train: int, dev: int, seed: int) -> None:
    """Write the pocket corpus into DIRECTORY in the layout of the GLUE download, with its annotation.

    Each task has train.tsv and dev.tsv (MNLI: dev_matched.tsv) with the columns that the book reads, and beside them
    train.annotations.jsonl and dev.annotations.jsonl, an example a line: its index and its sentences, each with

    \b
      words   text, first character, character after the last, part of speech
      roles   subject, object, negation: the words that are one
      links   verb-subject, verb-object, pronoun-antecedent: two words
      frames  a FrameNet frame, its target word, its elements: first word, word after the last

    Words are counted from 0. Nothing is overwritten: DIRECTORY must be empty or not exist. The book takes such files
    for the annotation of any corpus that has them, in place of a parser.
    """
    from darksecrets.corpora import generated

    files = generated.export(directory, train, dev, seed)
    click.echo(f"{len(files)} files in {click.format_filename(directory)}")


@main.command()
@click.option("--repeats", default=3, show_default=True, help="Divisions into folds that are cross-validated.")
def patterns(repeats: int) -> None:
    """Train the pattern classifier on the annotated maps, and cross-validate it.

    Writes the weights and the predictions of the cross-validation into the library, where the chapters find them. The
    printed scores are those of maps whose head and input were not trained on.
    """
    import torch

    from darksecrets.corpora import annotated_maps
    from darksecrets.models import pattern_training
    from darksecrets.runs import write_table
    from darksecrets.sections import map_labels

    if repeats < 1:
        raise InputError(f"repeats is {repeats}; it must be at least 1")
    torch.set_num_threads(1)  # the weights depend on the number of threads
    labels = annotated_maps.load()
    predictions = map_labels.cross_validated(labels, repeats)
    pattern_training.save(pattern_training.fit(annotated_maps.attention_maps(labels), labels["pattern"]))
    write_table(map_labels.PUBLISHED, predictions)
    as_they_are = predictions[predictions["rescaled_to"] == 0]
    click.echo(map_labels.scores(as_they_are, labels).round(3).to_string(index=False))


@main.command(epilog=FRAMENET_EXAMPLES)
@click.option("--reading", default="released", show_default=True, help="released, or paper.")
@click.option("--source", default="", metavar="DIRECTORY", help="FrameNet 1.7's files. [default: NLTK's data path]")
@click.option("--store", default="_runs", show_default=True, help="Directory that keeps the examples.")
@output_argument
def framenet(reading: str, source: str, store: str, output: Path) -> None:
    """List the FrameNet examples of Section 4.2 in OUTPUT, a CSV file, and count what two readings select.

    Reading released is what the released notebook selects, paper what the paper's text says. There is a line per
    linked element: FrameNet's ids of the sentence and of the lexical unit, the frame, its target and the element, with
    their places among the words, from 0, and the sentence.
    """
    from darksecrets.corpora import framenet as examples
    from darksecrets.runs import Store, write_csv

    found = examples.links(reading, Store(store), source)
    write_csv(output, found)
    click.echo(examples.counts(Store(store), source).to_string(index=False))
    click.echo(f"{len(found)} links of reading {reading} in {click.format_filename(output)}")


@main.command(epilog=REPORT_EXAMPLES)
@click.option("--checkpoint", required=True, metavar="MODEL", help="A fine-tuned classifier: a directory or a Hub id.")
@click.option(
    "--data",
    required=True,
    metavar="DATA",
    help="A .csv, .tsv, .txt, .json, .jsonl or .parquet file, a data set's name, or the directory of a saved one.",
)
@click.option("--output", default="report", show_default=True, metavar="DIRECTORY", help="Where the report goes.")
@click.option("--text", default="", metavar="COLUMN", help="The column of text. [default: guessed]")
@click.option("--second", default="", metavar="COLUMN", help="That of a second text, or none. [default: guessed]")
@click.option("--label", default="", metavar="COLUMN", help="That of the label, or score. [default: guessed]")
@click.option(
    "--classes",
    default="",
    metavar="NAMES",
    callback=_listed,
    help="What labels of class 0, 1, ... are called, with commas. [default: the model's names, or 0,1,...]",
)
@click.option(
    "--format",
    default="",
    metavar="FORMAT",
    help="How a text file is written, such as separator=semicolon encoding=cp1252 quotes=no header=no. "
    "[default: guessed]",
)
@click.option("--split", default="", metavar="NAME", help="Split of a data set. [default: validation, or else test]")
@click.option("--max-examples", default=500, show_default=True, help="Examples to use, drawn at random; 0 = all.")
@click.option("--max-length", default=128, show_default=True, help="Tokens to read of an example; longer ones are cut.")
@click.option("--tolerated", default=1.0, show_default=True, help="Points of the score that disabled heads may cost.")
@click.option("--words", default="guess", show_default=True, help="Look for kinds of English words: guess, yes or no.")
@click.option("--precision", default="float32", show_default=True, help="float32, bfloat16 or auto (the faster one).")
@click.option("--store", default="_runs", show_default=True, help="Directory that keeps what was computed.")
def report(checkpoint: str, data: str, output: str, **options: Any) -> None:
    """Report on a fine-tuned classifier of your own: what its heads do, and which of them can go.

    Reads labelled texts, guesses how the file is written and which columns to read, and says what it guessed. Labels
    are the names of the model's classes or their numbers from 0, of two or more classes, or numbers for a model that
    gives a score. Where both would fit and differ, nothing is guessed: --classes chooses. Rows without a label are left
    out, such as those with an empty field, NaN, - or -1. Text files may be packed by gzip. Only data is read: no
    pickle, and no code of a model or data set.

    \b
    DIRECTORY gets
      index.html  the report, which needs no network
      heads.json  the numbers of all heads, and which to disable, to be applied with three lines of Python
      tables/     all tables as Parquet files, and run.json

    The time grows with the model, the examples and their length. An interrupted report continues.
    """
    from darksecrets.apps import own_report
    from darksecrets.figures.lone_page import check_output

    check_output(Path(output), own_report.HEADS)
    later = {name: options.pop(name) for name in ("store", "tolerated", "words")}
    subject = own_report.open_subject(checkpoint, data, **options)
    for what, value in own_report.facts(subject).items():
        click.echo(one_line(f"{what}: {value}"))
    made = own_report.report(subject, **later)
    for warning in own_report.warnings(made):
        click.echo(one_line(f"careful: {warning}"), err=True)
    click.echo(own_report.recommendation(made))
    click.echo(f"The report is in {click.format_filename(own_report.write(made, output))}")


@main.command(epilog=SWEEP_EXAMPLES)
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
    from darksecrets.book import contents
    from darksecrets.book import sweep as units
    from darksecrets.models.cores import available_cores

    plan = units.plan(contents.book_root(), grid)
    work = units.Sweep(plan, jobs or available_cores())
    click.echo("\n".join(units.summary(plan)))
    if not dry_run:
        work.run()


@main.command(epilog=COMPARE_EXAMPLES)
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


if __name__ == "__main__":
    main(prog_name="python -m darksecrets")
