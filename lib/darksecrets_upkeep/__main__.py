"""The command line of what made what is published: `python -m darksecrets_upkeep COMMAND`."""

import sys
from pathlib import Path
from typing import Any

import click

from darksecrets.__main__ import Group, ParameterCommand, output_argument, overrides_argument
from darksecrets.errors import InputError

# Commands import what they need when they run: `--help` answers at once.


def _examples(*lines: str) -> str:
    """Return the end of a command's help."""
    return "\n".join(["\b", "Examples:", *(f"  python -m darksecrets_upkeep {line}" for line in lines)])


@click.group(cls=Group, no_args_is_help=False, invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Repeat and check what 'Revealing the Dark Secrets of BERT, recomputed' publishes beside its chapters."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@main.command(
    cls=ParameterCommand,
    epilog=_examples(
        "reference corpus=../shared/glue",
        "reference corpus=../shared/glue seeds=0 gold=../shared/ud/en_ewt-ud-dev.conllu",
    ),
)
@overrides_argument
def reference(overrides: tuple[str, ...]) -> None:
    """Repeat the reference run with profile `reference`, and publish its tables in notebooks/reference.

    An interrupted run continues. A run of fewer seeds or tasks can be published as well: run.json says what it holds.
    """
    from darksecrets.book import contents, profiles
    from darksecrets_upkeep import reference

    checked = profiles.load(contents.book_root(), reference.PROFILE, overrides)
    reference.make(checked)


@main.command(
    "check-reference",
    epilog=_examples(
        "check-reference",
        "check-reference corpus=../shared/glue",
        "check-reference corpus=hub frames=../framenet_v17 store=../check",
    ),
)
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
    from darksecrets.book import contents
    from darksecrets_upkeep import check, comparison

    compared = check.check(contents.book_root(), check.given_places(places))
    click.echo(comparison.report(compared))
    sys.exit(comparison.failed(compared))


@main.command(cls=ParameterCommand, epilog=_examples("shortcuts corpus=../shared/glue"))
@overrides_argument
def shortcuts(overrides: tuple[str, ...]) -> None:
    """Hold the reference run against what saves time, or would, and write the scores into notebooks/reference.

    A large task is fine-tuned on fewer training examples, or, where the run cuts it, on all; small tasks in float32.
    Give the same values as for the run. What is in the store is not computed again.
    """
    from darksecrets.book import contents, profiles
    from darksecrets_upkeep import reference, shortcuts

    checked = profiles.load(contents.book_root(), reference.PROFILE, overrides)
    click.echo(shortcuts.measure(checked).to_string(index=False))


@main.command(
    "dry-run",
    cls=ParameterCommand,
    epilog=_examples("dry-run corpus=../shared/glue", "dry-run corpus=pocket tasks=RTE,STS-B"),
)
@overrides_argument
def dry_run(overrides: tuple[str, ...]) -> None:
    """Prove profile `paper` without its model: the whole book on an untrained BERT-base and a few examples per task.

    Its numbers mean nothing but that every chapter runs on 12 layers of 12 heads. The book is in _build/html. What each
    chapter took, and what the real profile would take on this machine, is written into notebooks/reference.
    """
    from darksecrets.book import contents
    from darksecrets_upkeep import dry_run

    chapters = dry_run.make(contents.book_root(), overrides)
    click.echo(chapters.to_string(index=False))
    click.echo(dry_run.costs(contents.book_root(), overrides).to_string(index=False))


@main.command(
    "learning-rate",
    epilog=_examples(
        "learning-rate --corpus ../shared/glue rates.csv",
        "learning-rate --corpus pocket:1000/200 --batch-size 8 rates.csv",
        "learning-rate --checkpoint distilbert/distilbert-base-uncased --seeds 0,1,2 rates.csv",
    ),
)
@click.option("--checkpoint", default="minilm", show_default=True, help="minilm, a Hub id, or a directory.")
@click.option("--corpus", default="hub", show_default=True, help="hub, pocket, or a directory like the GLUE download.")
@click.option("--tasks", default="RTE,STS-B,SST-2", show_default=True, help="Tasks to average over.")
@click.option("--rates", default="2e-5,5e-5,1e-4,2e-4", show_default=True, help="Learning rates to try.")
@click.option("--seeds", default="0,1", show_default=True, help="Seeds of the fine-tunings.")
@click.option("--max-train", default=2000, show_default=True, help="Training examples per task, held-out ones aside.")
@click.option("--epochs", default=3, show_default=True, help="Passes over the training examples.")
@click.option("--batch-size", default=32, show_default=True, help="Examples per training step.")
@click.option("--precision", default="float32", show_default=True, help="float32, bfloat16 or auto (the faster one).")
@click.option("--store", default="_runs", show_default=True, help="Directory that keeps what was computed.")
@output_argument
def learning_rate(
    checkpoint: str, corpus: str, tasks: str, rates: str, seeds: str, store: str, output: Path, **recipe: Any
) -> None:
    """Search the learning rate of a checkpoint on held-out training examples; write the evidence to OUTPUT, a CSV file.

    Validation examples are not read. An interrupted search continues.
    """
    from darksecrets.corpora import glue
    from darksecrets.models import checkpoints, finetuning
    from darksecrets.runs import Store, write_csv
    from darksecrets_upkeep import learning_rates

    names = tasks.split(",")
    glue.check_corpus(corpus, names, ["train"])
    tried = [_number(float, rate, "--rates") for rate in rates.split(",")]
    drawn = [_number(int, seed, "--seeds") for seed in seeds.split(",")]
    opened = checkpoints.load(checkpoint)
    evidence = learning_rates.search(opened, corpus, names, drawn, Store(store), tried, **recipe)
    write_csv(output, evidence)
    best = finetuning.best_learning_rate(evidence)
    click.echo(f"best on average: {best:g} (evidence in {click.format_filename(output)})")


@main.command("draw-maps", epilog=_examples("draw-maps --corpus ../shared/glue maps.parquet"))
@click.option("--corpus", default="hub", show_default=True, help="hub, or a directory like the GLUE download.")
@click.option("--store", default="_runs", show_default=True, help="Directory that keeps the fine-tuned models.")
@output_argument
def draw_maps(corpus: str, store: str, output: Path) -> None:
    """Draw the attention maps that were annotated, anew: MiniLM on seven tasks of GLUE, into OUTPUT, a Parquet file.

    Fine-tunes the seven models first, in bfloat16 on 2500 examples each, as was done for the maps of the book.
    """
    from darksecrets.models import side_by_side
    from darksecrets.models.setup import Setup
    from darksecrets.models.side_by_side import Job
    from darksecrets.runs import write_table
    from darksecrets_upkeep import map_draw

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
    main(prog_name="python -m darksecrets_upkeep")
