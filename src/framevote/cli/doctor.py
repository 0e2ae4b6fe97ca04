"""`framevote doctor`: whether averaging frames is enough for a data set, or whether order matters."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from framevote.errors import beforehand

if TYPE_CHECKING:
    from framevote.cli.batch import Tellings
    from framevote.doctor import Diagnosis, Look


def doctor(
    data: Annotated[Path, typer.Argument(help="Class folders of clips, or a manifest (.csv .jsonl .parquet).", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A picture to write (.png .svg .pdf).", show_default="only print")
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(help="The network below. `framevote models` lists what there is.", show_default="efficientnet_lite0"),
    ] = None,
    layout: Annotated[str, typer.Option(help="What the data lie in; auto looks for itself.")] = "auto",
    group_by: Annotated[
        str | None,
        typer.Option(help="A column, or a regular expression on the path: what shares its match is never split.", show_default="the file"),
    ] = None,
    frames: Annotated[int, typer.Option(min=2, help="How many frames of a window to look at, spread evenly.")] = 16,
    window: Annotated[
        float | None, typer.Option(help="The seconds that are looked at at once.", show_default="the clips' median, 4 at most")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn: the same seed finds the same.")] = 0,
    precision: Annotated[
        Literal["auto", "f32", "bf16"], typer.Option(help="What embeddings are computed in; auto is bf16 where the processor has it.")
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a picture that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the diagnosis as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what was asked for, and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Tell whether averaging frames is enough for clips, or whether order matters, and which head to train.

    The heads are tried on clips whose groups (--group-by) were not trained on; the one that sees order is shown the same frames
    shuffled and reversed too. `framevote train --head auto` acts on it.
    """
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)
    from framevote.cli.watching import watched  # noqa: PLC0415
    from framevote.doctor import examine  # noqa: PLC0415

    tell = Tellings(debug, quiet)
    if output:
        _check_picture(output, overwrite)
    with watched(tell) as watch:
        found = examine(
            data,
            layout=layout,
            group_by=group_by,
            frames=frames,
            window=window,
            backbone=backbone,
            seed=seed,
            precision=precision,
            watch=watch,
        )
    if output:
        from framevote.doctor.picture import write_picture  # noqa: PLC0415 (brings matplotlib)

        tell.note(f"wrote {write_picture(found, output, overwrite)}")
    _print(found, tell, as_json)


def _check_picture(path: Path, overwrite: bool) -> None:
    """Tell before any work is done that a picture cannot be written."""
    from framevote.doctor.picture import check_picture  # noqa: PLC0415 (brings matplotlib)

    with beforehand():
        check_picture(path, overwrite)


def _print(found: "Diagnosis", tell: "Tellings", as_json: bool) -> None:
    from framevote.cli.streams import printable_json  # noqa: PLC0415
    from framevote.doctor import diagnosis_json  # noqa: PLC0415

    tell.left_out(found.problems)
    if as_json:
        tell.result(printable_json(diagnosis_json(found)))
    elif not tell.quiet:
        tell.result(lambda: _told(found, tell))
    if tell.failed:
        raise typer.Exit(1)


def _told(found: "Diagnosis", tell: "Tellings") -> str:
    """Return the sentence, and the figures as a table."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("looked at", no_wrap=True)
    for name in ("right", "95 % interval", "fit, s", "answer, ms", "numbers"):
        table.add_column(name, justify="right", no_wrap=True)
    for look in found.looks:
        table.add_row(*map(Text, _row(look)))
    with tell.out.capture() as caught:
        tell.out.print(Text(found.sentence, style="bold"), soft_wrap=True)
        if found.looks:
            tell.out.print(table)
            told = f"{found.items} held-out clips of {found.groups} groups in {found.split}; right: share ± deviation over the folds."
            tell.out.print(Text(told, style="dim"), soft_wrap=True)
    return caught.get().rstrip("\n")


def _row(look: "Look") -> tuple[str, ...]:
    low, high = look.accuracy.low, look.accuracy.high
    interval = f"{100 * low:.0f}–{100 * high:.0f} %" if math.isfinite(low) else "–"
    cost = look.cost
    costs = (f"{cost.fit:.1f}", f"{cost.step:.2g}", f"{cost.parameters}") if cost else ("", "", "")
    return (look.title, str(look), interval, *costs)
