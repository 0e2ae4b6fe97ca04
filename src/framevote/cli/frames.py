"""`framevote frames`: which frames of a video are worth looking at, and what that costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from framevote.errors import beforehand

if TYPE_CHECKING:
    from framevote.cli.batch import Tellings
    from framevote.economy import Economy

_LEAST_WIDTH, _WIDEST = 100, 200  # of the table: in a narrow terminal it loses no figure, and in a file it is as wide as it likes


def frames(
    video: Annotated[Path, typer.Argument(help="A video that is like those that shall be labelled.", show_default=False)],
    model: Annotated[str, typer.Argument(help="imagenet, or a model file (.fvm).", show_default=False)],
    strategies: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            help="A strategy to try, more than once if wished; `framevote parts strategy` lists them.",
            show_default="all, with budgets that suit the video",
        ),
    ] = None,
    least: Annotated[float, typer.Option(min=0, max=1, help="The share of the time axis that shall be labelled as by every frame.")] = 0.98,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A picture of agreement against seconds (.png, .svg).", show_default="only print")
    ] = None,
    smoother: Annotated[
        str | None, typer.Option(help="The vote. `framevote parts smoother` lists what there is.", show_default="as label takes it")
    ] = None,
    hysteresis: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="A label takes over only if its score is larger by more than this.", show_default="the vote's"),
    ] = None,
    shortest: Annotated[
        float | None, typer.Option(min=0, help="Merge segments shorter than so many seconds.", show_default="the vote's")
    ] = None,
    unknown: Annotated[
        float | None, typer.Option(min=0, max=1, help="Below this score a stretch is called unknown.", show_default="the vote's")
    ] = None,
    known_only: Annotated[
        bool, typer.Option("--known-only", help="Never say unknown of the model's own accord, but always the best of its labels.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option(help="A label to choose from, more than once; all of the model's if not given.")] = None,
    precision: Annotated[
        Literal["auto", "f32", "bf16"], typer.Option(help="What the network computes in; auto is bf16 where the processor has it.")
    ] = "auto",
    device: Annotated[Literal["cpu", "gpu"], typer.Option(help="gpu runs the Keras model on the installed Keras backend.")] = "cpu",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a picture that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what was asked for, and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Tell how little of a video need be looked at: each way of looking against every frame, and what it costs.

    Every strategy labels the video once, with the same model and vote. The last line is an option to copy.
    """
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)
    from framevote.cli.terminal import progress_bar  # noqa: PLC0415
    from framevote.economy import weigh, write_curve  # noqa: PLC0415
    from framevote.video import probe  # noqa: PLC0415

    tell = Tellings(debug, quiet)
    _check_picture(output, overwrite)
    seconds = probe(video).duration
    found = weigh(
        video,
        model,
        strategies=strategies or (),
        least=least,
        smoother=smoother,
        hysteresis=hysteresis,
        shortest=shortest,
        unknown=unknown,
        only=only or (),
        precision=precision,
        device=device,
        known_only=known_only,
        watch=lambda name: progress_bar(tell.err, name, seconds, not quiet),
    )
    if output:
        with tell.failing():
            tell.note(f"wrote {write_curve(found, output, overwrite)}")
    _print(found, tell, as_json)


def _check_picture(output: Path | None, overwrite: bool) -> None:
    """Tell before any work is done that a picture cannot be written."""
    from framevote.economy import check_curve  # noqa: PLC0415

    if output:
        with beforehand():
            check_curve(output, overwrite)


def _print(found: "Economy", tell: "Tellings", as_json: bool) -> None:
    from framevote.cli.streams import complain, printable_json  # noqa: PLC0415
    from framevote.economy import economy_json  # noqa: PLC0415
    from framevote.economy.wording import sentences_of  # noqa: PLC0415

    for sentence, named in sentences_of(found.left_out):
        tell.failed += named  # what nobody asked for by name is no failure
        complain(sentence)
    if as_json:
        tell.result(printable_json(economy_json(found)))
    elif not tell.quiet:
        tell.result(lambda: _told(found, tell))
    if tell.failed:
        raise typer.Exit(1)


def _told(found: "Economy", tell: "Tellings") -> str:
    """Return the table, what its columns say, and which strategy to take."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from framevote.economy.wording import COLUMNS, explanation, recommendation, row  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(COLUMNS[0], overflow="fold")
    for name in COLUMNS[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for trial in (found.reference, *found.trials):
        table.add_row(*map(Text, row(trial)), style="bold" if trial == found.recommended else "")
    tell.out.width = max(tell.out.width, _LEAST_WIDTH if tell.out.is_terminal else _WIDEST)
    with tell.out.capture() as caught:
        tell.out.print(table)
        tell.out.print(Text(explanation(found), style="dim"), soft_wrap=True)
        for note in dict.fromkeys(note for trial in found.trials for note in trial.notes):
            tell.out.print(Text(f"Note: {note}.", style="dim"), soft_wrap=True)
        tell.out.print(Text(recommendation(found), style="bold"), soft_wrap=True)
    return caught.get().rstrip("\n")
