"""The command line: `python -m darksecrets COMMAND`."""

import sys
from pathlib import Path
from typing import Any

import click

from darksecrets.errors import InputError

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
RATE_EXAMPLES = """
\b
Examples:
  python -m darksecrets learning-rate --corpus ../shared/glue rates.csv
  python -m darksecrets learning-rate --corpus pocket:1000/200 --batch-size 8 rates.csv
  python -m darksecrets learning-rate --checkpoint distilbert/distilbert-base-uncased --seeds 0,1,2 rates.csv
"""
POCKET_EXAMPLES = """
\b
Examples:
  python -m darksecrets pocket mine
  python -m darksecrets pocket mine --train 2000 --dev 500 --seed 1
  python -m darksecrets book corpus=mine
"""
DRAW_EXAMPLES = """
\b
Examples:
  python -m darksecrets draw-maps --corpus ../shared/glue maps.parquet
"""
DEFAULT_PROFILE = "pocket"


class Group(click.Group):
    """A group that turns what a person gave wrong into one line and exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except InputError as error:
            click.echo(f"error: {error}", err=True)
            context.exit(2)


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


@main.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False)
def audit(directory: Path | None) -> None:
    """Check a built book: nothing loaded from another host, links, figures, page sizes.

    \b
    Examples:
      python -m darksecrets audit
      python -m darksecrets audit _build/html
    """
    from darksecrets.book import audit as rules
    from darksecrets.book import contents

    root = contents.book_root()
    html = directory or root / "_build" / "html"
    if not html.is_dir():
        raise InputError(
            f"there is no book in {click.format_filename(html)}; build it with `make book`, or name its directory"
        )
    findings = rules.audit(html, contents.names(root), hidden=(str(root), sys.prefix))
    if findings:
        click.echo(rules.report(findings), err=True)
        sys.exit(1)
    click.echo(f"{len(contents.html_pages(html))} pages, no faults")


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

    Words are counted from 0. Nothing is overwritten: DIRECTORY must be empty or not exist.
    """
    from darksecrets.corpora.pocket.export import export

    files = export(directory, train, dev, seed)
    click.echo(f"{len(files)} files in {click.format_filename(directory)}")


@main.command("learning-rate", epilog=RATE_EXAMPLES)
@click.option("--checkpoint", default="minilm", show_default=True, help="minilm, a Hub id, or a directory.")
@click.option("--corpus", default="hub", show_default=True, help="hub, pocket, or a directory like the GLUE download.")
@click.option("--tasks", default="RTE,STS-B,SST-2", show_default=True, help="Tasks to average over.")
@click.option("--rates", default="2e-5,5e-5,1e-4,2e-4", show_default=True, help="Learning rates to try.")
@click.option("--seeds", default="0,1", show_default=True, help="Seeds of the fine-tunings.")
@click.option("--max-train", default=2000, show_default=True, help="Training examples per task, held-out ones aside.")
@click.option("--epochs", default=3, show_default=True, help="Passes over the training examples.")
@click.option("--batch-size", default=32, show_default=True, help="Examples per training step.")
@click.option("--precision", default="float32", show_default=True, help="float32 or bfloat16.")
@click.option("--store", default="_runs", show_default=True, help="Directory that keeps what was computed.")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
def learning_rate(
    checkpoint: str,
    corpus: str,
    tasks: str,
    rates: str,
    seeds: str,
    max_train: int,
    epochs: int,
    batch_size: int,
    precision: str,
    store: str,
    output: Path,
) -> None:
    """Search the learning rate of a checkpoint on held-out training examples; write the evidence to OUTPUT, a CSV file.

    Validation examples are not read. An interrupted search continues.
    """
    from darksecrets.corpora import glue
    from darksecrets.models import checkpoints, learning_rates
    from darksecrets.runs import Store

    names = tasks.split(",")
    glue.check_corpus(corpus, names, ["train"])
    evidence = learning_rates.search(
        checkpoints.load(checkpoint),
        corpus,
        names,
        [_number(int, seed, "--seeds") for seed in seeds.split(",")],
        Store(store),
        rates=[_number(float, rate, "--rates") for rate in rates.split(",")],
        max_train=max_train,
        epochs=epochs,
        batch_size=batch_size,
        precision=precision,
    )
    evidence.to_csv(output, index=False)
    click.echo(f"best on average: {learning_rates.best(evidence):g} (evidence in {click.format_filename(output)})")


@main.command()
@click.option("--repeats", default=3, show_default=True, help="Divisions into folds that are cross-validated.")
def patterns(repeats: int) -> None:
    """Train the pattern classifier on the annotated maps, and cross-validate it.

    Writes the weights and the predictions of the cross-validation into the library, where the chapters find them. The
    printed scores are those of maps whose head and input were not trained on.
    """
    import torch

    from darksecrets.analyses import pattern_validation
    from darksecrets.corpora import annotated_maps
    from darksecrets.evidence import pattern_agreement
    from darksecrets.models import pattern_training
    from darksecrets.runs import write_table

    torch.set_num_threads(1)  # the weights depend on the number of threads
    labels = annotated_maps.load()
    predictions = pattern_validation.cross_validated(labels, repeats)
    pattern_training.save(pattern_training.fit(annotated_maps.attention_maps(labels), labels["pattern"]))
    write_table(pattern_validation.PUBLISHED, predictions)
    as_they_are = predictions[predictions["rescaled_to"] == 0]
    click.echo(pattern_agreement.scores(as_they_are, labels).round(3).to_string(index=False))


@main.command("draw-maps", epilog=DRAW_EXAMPLES)
@click.option("--corpus", default="hub", show_default=True, help="hub, or a directory like the GLUE download.")
@click.option("--store", default="_runs", show_default=True, help="Directory that keeps the fine-tuned models.")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
def draw_maps(corpus: str, store: str, output: Path) -> None:
    """Draw the attention maps that were annotated, anew: MiniLM on seven tasks of GLUE, into OUTPUT, a Parquet file.

    Fine-tunes the seven models first, in bfloat16 on 2500 examples each, as was done for the maps of the book.
    """
    from darksecrets.analyses import map_draw
    from darksecrets.models import side_by_side
    from darksecrets.models.setup import Setup
    from darksecrets.models.side_by_side import Job
    from darksecrets.runs import write_table

    setup = Setup(corpus=corpus, max_train=2500, precision="bfloat16", store=store)
    side_by_side.finetune(setup, [Job("pretrained", task, 0) for task in setup.tasks])
    maps = map_draw.draw(setup)
    write_table(output, maps)
    click.echo(f"{len(maps)} maps in {click.format_filename(output)}")


def _number(kind: type, text: str, option: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"{option}: {text!r} is not a number; write a list such as 0,1 or 5e-5,1e-4") from None


if __name__ == "__main__":
    main(prog_name="python -m darksecrets")
