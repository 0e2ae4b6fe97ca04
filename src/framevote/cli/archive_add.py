"""`framevote archive add`: many videos into an archive; stopped at any moment, the same command goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from framevote.cli.streams import complain
from framevote.errors import UsageError
from framevote.parts import DEFAULT_SMOOTHER, DEFAULT_STRATEGY

if TYPE_CHECKING:
    from framevote.archive.adding import StartEngine
    from framevote.archive.standing import Standing
    from framevote.cli.batch import Tellings

_LOGGED = 60.0
"""Seconds between two lines where stderr is no terminal."""


def add(
    paths: Annotated[
        list[str], typer.Argument(help="Videos, folders of videos, and addresses such as s3://bucket/videos.", show_default=False)
    ],
    into: Annotated[
        str, typer.Option("--into", help="The archive: a folder, or an address such as s3://bucket/library.", show_default=False)
    ],
    model: Annotated[str, typer.Option(help="imagenet, or a model file (.fvm).")] = "imagenet",
    strategy: Annotated[str, typer.Option(help="Which frames to look at.")] = DEFAULT_STRATEGY,
    smoother: Annotated[
        str | None,
        typer.Option(help="The vote. `framevote parts` lists what there is.", show_default=f"the model's, else {DEFAULT_SMOOTHER}"),
    ] = None,
    hysteresis: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="A label takes over only if its score is larger by more than this.", show_default="with --smoother 0"
        ),
    ] = None,
    shortest: Annotated[
        float | None, typer.Option(min=0, help="Merge segments shorter than so many seconds.", show_default="with --smoother 0")
    ] = None,
    unknown: Annotated[
        float | None, typer.Option(min=0, max=1, help="Below this score a stretch is called unknown.", show_default="with --smoother 0")
    ] = None,
    known_only: Annotated[
        bool, typer.Option("--known-only", help="Never say unknown of the model's own accord, but always the best of its labels.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option(help="A label to choose from, more than once; all of the model's if not given.")] = None,
    precision: Annotated[
        Literal["auto", "f32", "bf16"], typer.Option(help="What the network computes in; auto is bf16 where the processor has it.")
    ] = "auto",
    scores: Annotated[bool, typer.Option("--scores", help="Keep the five best scores of each frame that is looked at.")] = False,
    shard: Annotated[
        str | None, typer.Option(help="Take one share of the files, such as 3/8: the third of eight.", show_default="all")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(help="Work with the help of Ray: local, auto, or a cluster such as ray://head:10001.", show_default="without"),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many processes look at videos.", show_default="one for each core")] = None,
    longest: Annotated[float | None, typer.Option(help="Seconds that a file may take.", show_default="3600")] = None,
    memory: Annotated[
        float | None, typer.Option(help="GB that each process may have.", show_default="its share of four fifths of the machine's")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try files again that failed before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print how it went as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what was asked for, and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Add videos to an archive, all cores busy; what it has already under these settings is passed over.

    Stopped, or killed, the same command goes on where it was. Several may add to one archive at once, from this machine or others. A
    file that cannot be labelled is kept with the sentence that says why, and the rest go on.
    """
    from framevote.archive.adding import add as run  # noqa: PLC0415 (brings numpy)
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)
    from framevote.cli.jobs import refuse_empty  # noqa: PLC0415

    refuse_empty(paths, "the name of a video")
    tell = Tellings(debug, quiet)
    with progress_line(tell) as progress:
        done = run(
            paths,
            into,
            shard=_shard(shard),
            workers=workers,
            longest=longest,
            memory=memory,
            retry=retry,
            engine=_engine(on, workers, longest, memory),
            progress=progress,
            fail=tell.fail,
            notify=tell.note,
            model=model if model == "imagenet" else Path(model),
            strategy=strategy,
            smoother=smoother,
            hysteresis=hysteresis,
            shortest=shortest,
            unknown=unknown,
            only=tuple(only or ()),
            known_only=known_only,
            precision=precision,
            scores=scores,
        )
    finish(done, into, tell, as_json)


def retry_all(
    into: str,
    tell: "Tellings",
    workers: int | None = None,
    longest: float | None = None,
    memory: float | None = None,
    as_json: bool = False,
) -> None:
    """Try everything in an archive that failed again (`framevote archive failed --retry`); tell how it went, and leave."""
    from framevote.archive.adding import retry_failed  # noqa: PLC0415 (brings numpy)

    with progress_line(tell) as progress:
        done = retry_failed(into, workers=workers, longest=longest, memory=memory, progress=progress, fail=tell.fail)
    finish(done, into, tell, as_json)


def finish(done: "Standing", into: str, tell: "Tellings", as_json: bool) -> None:
    """Print how a run went; leave with 1 where a file of those that were named is not labelled."""
    from framevote.cli.streams import printable_json  # noqa: PLC0415
    from framevote.writers.text import json_line  # noqa: PLC0415 (brings numpy)

    if as_json:
        tell.result(printable_json(json_line(asdict(done) | {"hours_a_minute": round(done.rate / 60, 3)})))
    elif not tell.quiet:
        tell.result("\n".join(summary(done, into)))
    if done.failed or done.missing or done.known_failed:
        raise typer.Exit(1)


def summary(done: "Standing", into: str) -> Iterator[str]:
    """Yield how a run went, in a sentence or two."""
    counts = {
        "labelled": done.done,
        "failed": done.failed,
        "copies or moved": done.same,
        "there before": done.known,
        "left out": done.missing,
    }
    told = [f"{count:,} {what}" for what, count in counts.items() if count]
    yield f"{into}: {', '.join(told) or 'nothing to do'}."
    if done.done and done.wall:
        yield f"{done.video / 3600:,.2f} h of video in {_span(done.wall)}: {done.rate / 60:.1f} h a minute."
    if done.failed or done.known_failed:
        yield f"What failed, and why: framevote archive failed {into}"


@contextmanager
def progress_line(tell: "Tellings") -> Iterator["Callable[[Standing], Any] | None"]:
    """Tell how far a run is: files, hours of video a minute, and the time left; outside a terminal a line now and then, for a log."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

    if tell.quiet:
        yield None
        return
    if not tell.err.is_terminal:
        yield _logged()
        return
    with Progress(SpinnerColumn(), BarColumn(), TextColumn("{task.description}", markup=False), console=tell.err, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(now: "Standing") -> None:
            bar.update(task, total=now.size or None, completed=now.read, description=line(now))

        yield show


def _logged() -> "Callable[[Standing], None]":
    """Return what writes a line to stderr every few moments."""
    last = time.monotonic()

    def show(now: "Standing") -> None:
        nonlocal last
        if time.monotonic() - last >= _LOGGED:
            last = time.monotonic()
            complain(line(now))

    return show


def line(now: "Standing") -> str:
    """Return how far a run is, on one line."""
    parts = [f"{now.files:,} of {now.of:,} files"]
    if now.failed:
        parts.append(f"{now.failed:,} failed")
    if now.video:
        parts.append(f"{now.rate / 60:.1f} h of video a minute")
    if now.read and now.files < now.of:
        parts.append(f"{_span(now.left)} left")
    return " · ".join(parts)


def _span(seconds: float) -> str:
    """Return a length of time in the two largest of its units."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min {rest} s"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"


def _engine(on: str | None, workers: int | None, longest: float | None, memory: float | None) -> "StartEngine | None":
    """Return what has files looked at by Ray; None: workers of this machine do."""
    if on is None:
        return None
    from framevote.archive.cluster import engine_on  # noqa: PLC0415 (brings numpy)

    return engine_on(on, workers, longest, memory)


def _shard(text: str | None) -> tuple[int, int] | None:
    """Read 3/8."""
    if text is None:
        return None
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal()):
        raise UsageError(f"--shard takes one share of several, such as 3/8: the third of eight. Received: {text!r}")
    return int(number), int(count)
