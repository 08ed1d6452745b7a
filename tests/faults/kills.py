"""Kill a book's processes at random moments, and compare what comes of it with an undisturbed run.

`python -m tests.faults.kills --kills 20` builds the pocket book twice, once undisturbed (`--undisturbed CLONE` takes
one that is built already, with the `--seconds` that it took), and writes a report. The tables must be byte-identical.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import psutil

from tests.conftest import ROOT
from tests.faults import clones

POLL = 0.1  # seconds
ORPHANS = 20.0  # seconds in which processes must end whose book has died
# Who is killed: the book and all that it started at once; the book alone, whose kernel must notice; or, of what it
# started, one process, which the book must notice.
VICTIMS = ("all", "book", "one")


@dataclass
class Life:
    """One start of the book: how long it lived, who was killed (or nobody), and what was unfinished then."""

    seconds: float
    victim: str
    exit_code: int | None
    piece: str = ""
    lost: float = 0.0  # seconds since the unfinished piece began or was last saved, at most


class Watch:
    """Follows a store from outside, so as to say at a kill how old the unfinished work is."""

    def __init__(self, root: Path) -> None:
        self.store, self.begun, self._since = root / "_runs", time.time(), {}

    def look(self) -> None:
        """Note when each computation under way began in this life."""
        for path in self.store.glob("*/*.partial"):
            if path not in self._since and _time(path) >= self.begun:
                self._since[path] = _time(path)

    def unfinished(self) -> tuple[str, float]:
        """Return the piece under way that loses most, and its seconds; of a chapter, those since its last result."""
        now = time.time()
        found = [("start", now - max(self.begun, self._last_result()))]
        for path, since in self._since.items():
            if path.is_dir():
                saved = [_time(one) for one in path.glob("checkpoint-*/result.json")]
                if path.parent.name == "notebook":
                    saved.append(self._last_result())
                found.append((path.parent.name, now - max([since, *saved])))
        return max(found[1:] or found, key=lambda one: one[1])

    def _last_result(self) -> float:
        return max((_time(path) for path in self.store.glob("*/*/result.json")), default=0.0)


def disturb(root: Path, arguments: list[str], moments: list[float], draw: random.Random, say: Callable) -> list[Life]:
    """Build the book of a clone, killing it after each of `moments` (seconds of life); return the lives, the last of
    which reached the end by itself.
    """
    lives: list[Life] = []
    for number, moment in enumerate([*moments, None], start=1):
        life = _live(root, arguments, moment, draw)
        lives.append(life)
        if moment is None or (life.victim == "nobody" and life.exit_code == 0):
            return lives
        what = f"{life.piece}, at most {life.lost:.0f} s lost" if life.victim != "nobody" else "ended by itself"
        say(f"life {number} of {len(moments) + 1}: {life.seconds:.0f} s, killed {life.victim}; unfinished: {what}")
    return lives


def _live(root: Path, arguments: list[str], moment: float | None, draw: random.Random) -> Life:
    watch, started = Watch(root), time.monotonic()
    process = clones.start(root, arguments, root / "book.log")
    while process.poll() is None and (moment is None or time.monotonic() - started < moment):
        watch.look()
        time.sleep(POLL)
    if process.poll() is not None:
        return Life(time.monotonic() - started, "nobody", process.returncode)
    piece, lost = watch.unfinished()
    victim = _kill(process, draw)
    return Life(time.monotonic() - started, victim, process.returncode, piece, lost)


def _kill(process: subprocess.Popen, draw: random.Random) -> str:
    """Kill some of a book's processes by signal 9, and wait until all are gone."""
    book = psutil.Process(process.pid)
    started = book.children(recursive=True)
    victim = draw.choice(VICTIMS) if started else "book"
    chosen = {"all": [book, *started], "book": [book], "one": [draw.choice(started)] if started else []}[victim]
    for one in chosen:
        _signal(one)
    if victim == "one":
        name = " ".join(chosen[0].name().split()) if chosen[0].is_running() else "a process"
        _, alive = psutil.wait_procs([book], timeout=ORPHANS)
        if alive:  # it could do without, as between two chapters
            _signal(book)
        victim = f"one ({name})"
    process.wait()
    _, alive = psutil.wait_procs(started, timeout=ORPHANS)
    if alive:
        for one in alive:
            _signal(one)
        raise AssertionError(f"{len(alive)} processes outlived their book by {ORPHANS:.0f} s")
    return victim


def _signal(process: psutil.Process) -> None:
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def moments_of(seconds: float, kills: int, draw: random.Random) -> list[float]:
    """Draw moments over a run of `seconds`; return the seconds from one to the next: as much as each life lasts."""
    drawn = sorted(draw.uniform(0, seconds) for _ in range(kills))
    return [one - before for before, one in zip([0.0, *drawn], drawn, strict=False)]


def report(disturbed: Path, undisturbed: Path, lives: list[Life], seconds: float) -> Iterator[str]:
    """Yield the lines of the report; `failed` in one of them where something is lost or different."""
    killed = [life for life in lives if life.victim != "nobody"]
    yield f"{len(killed)} kills in {sum(life.seconds for life in lives):.0f} s; undisturbed {seconds:.0f} s"
    yield f"{'life':>4} {'seconds':>8} {'killed':<24} {'unfinished':<14} {'lost at most':>12}"
    for number, life in enumerate(lives, start=1):
        lost = f"{life.lost:.1f} s" if life.piece else ""
        yield f"{number:>4} {life.seconds:>8.1f} {life.victim:<24} {life.piece:<14} {lost:>12}"
    if killed:
        losses = sorted(life.lost for life in killed)
        extra = (sum(life.seconds for life in lives) - seconds) / len(killed)
        yield (
            f"lost per kill, at most: median {losses[len(losses) // 2]:.1f} s, largest {losses[-1]:.1f} s; with "
            f"starting again, {extra:.1f} s more per kill than undisturbed"
        )
    yield f"tables: {clones.count_tables(disturbed)}, undisturbed {clones.count_tables(undisturbed)}"
    for what, found in (
        ("different tables", clones.different_tables(disturbed, undisturbed)),
        ("tables that are not as run.json says", clones.unlisted_tables(disturbed)),
        ("different pages", list(clones.different_pages(disturbed, undisturbed))),
        ("leftovers", clones.leftovers(disturbed)),
    ):
        yield f"{what}: {len(found)}{' failed' if found else ''}"
        yield from (f"  {name}" for name in found[:20])


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Another seed, other moments and victims.")
@click.option("--work", type=click.Path(path_type=Path), help="An empty directory for the copies. [default: temporary]")
@click.option("--undisturbed", type=click.Path(path_type=Path, exists=True), help="A clone that is built already.")
@click.option("--seconds", default=0.0, help="How long building it took; with --undisturbed.")
@click.option("--output", default="_build/kills.txt", show_default=True, type=click.Path(path_type=Path))
@click.option("--source", default=ROOT, type=click.Path(path_type=Path), help="The book to copy. [default: this one]")
@click.argument("arguments", nargs=-1)
def main(
    kills: int,
    seed: int,
    work: Path | None,
    undisturbed: Path | None,
    seconds: float,
    output: Path,
    source: Path,
    arguments: tuple[str, ...],
) -> None:
    """Build the book under kills; ARGUMENTS (after --) are those of `python -m darksecrets book`."""
    if undisturbed and not seconds:
        raise click.UsageError("with --undisturbed, say how many --seconds it took, so that kills fall all over it")
    work = work or Path(tempfile.mkdtemp(prefix="kills-"))
    command = ["book", *arguments]
    if not undisturbed:
        undisturbed = clones.copy_book(work / "undisturbed", source)
        click.echo(f"building undisturbed in {undisturbed}; see book.log there")
        (life,) = disturb(undisturbed, command, [], random.Random(seed), click.echo)
        if life.exit_code:
            raise click.ClickException((undisturbed / "book.log").read_text()[-2000:])
        seconds = life.seconds
        click.echo(f"undisturbed: {seconds:.0f} s")
    draw = random.Random(seed)
    disturbed = clones.copy_book(work / "disturbed", source)
    click.echo(f"building in {disturbed} with {kills} kills; see book.log there")
    lives = disturb(disturbed, command, moments_of(seconds, kills, draw), draw, click.echo)
    lines = list(report(disturbed, undisturbed, lives, seconds))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("\n".join(lines) + "\n")
    click.echo("\n".join(lines))
    sys.exit(any(line.endswith("failed") for line in lines) or lives[-1].exit_code != 0)


if __name__ == "__main__":
    main(prog_name="python -m tests.faults.kills")
