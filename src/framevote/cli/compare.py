"""`framevote compare`: which encoding of local features is best on a data set, and what each costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from framevote.cli.batch import Tellings
    from framevote.comparison import Comparison, Row

_MOST_ROWS = 12
_LEAST_WIDTH = 18  # of an encoder's column, where the terminal is narrow


def compare(
    data: Annotated[
        Path, typer.Argument(help="Class folders of photos or clips, or a manifest (.csv .jsonl .parquet).", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The study's folder: page, table and record.", show_default=False)],
    features: Annotated[str, typer.Option(help="The local features. `framevote parts features` lists what there is.")] = "Grid()",
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="An encoder to try, more than once if wished; `framevote parts encoder` lists them.", show_default="all"),
    ] = None,
    normalisation: Annotated[
        list[str] | None,
        typer.Option(help="A normalisation to try with each, more than once if wished.", show_default="l1, l2, power+l2, intra+l2"),
    ] = None,
    pyramid: Annotated[
        str | None, typer.Option(help="The cells that all encoders pool apart, such as 1x1+2x2.", show_default="each encoder's own")
    ] = None,
    projection: Annotated[
        str | None, typer.Option(help="What features go through first.", show_default="what each encoder is made for")
    ] = None,
    head: Annotated[str, typer.Option(help="What judges the vectors, its strength settled.")] = "LinearSVM(strength=1.0)",
    backbone: Annotated[str | None, typer.Option(help="The network whose grid is taken.", show_default="efficientnet_lite0")] = None,
    layout: Annotated[str, typer.Option(help="What the data lie in; auto looks for itself.")] = "auto",
    group_by: Annotated[
        str | None,
        typer.Option(help="A column, or a regular expression on the path: what shares its match is never split.", show_default="the file"),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="How many frames of a clip, or of a window, to look at, spread evenly.")] = 16,
    window: Annotated[
        float | None, typer.Option(help="Clips: the seconds that are encoded at once.", show_default="the clips' median, 4 at most")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn: the same seed finds the same.")] = 0,
    precision: Annotated[
        Literal["auto", "f32", "bf16"], typer.Option(help="What the network computes in; auto is bf16 where the processor has it.")
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin a study that is in the folder anew.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the settings as JSON, a line for each.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what was asked for, and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Compare encodings: every encoder with every pooling and normalisation, on items that nothing was learned from.

    Features, codebooks and codes are computed once and shared. Stopped, the same command goes on where it was.
    """
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)
    from framevote.cli.watching import watched  # noqa: PLC0415
    from framevote.comparison import compare as run_comparison  # noqa: PLC0415
    from framevote.comparison.grid import NORMALISATIONS  # noqa: PLC0415
    from framevote.comparison.page import write_study  # noqa: PLC0415 (brings Jinja)

    tell = Tellings(debug, quiet)
    with watched(tell) as watch:
        found = run_comparison(
            data,
            output,
            features=features,
            projection=projection,
            encoders=encoder or (),
            normalisations=normalisation or NORMALISATIONS,
            pyramid=pyramid,
            head=head,
            backbone=backbone,
            layout=layout,
            group_by=group_by,
            frames=frames,
            window=window,
            seed=seed,
            precision=precision,
            overwrite=overwrite,
            watch=watch,
        )
    page, table = write_study(found, output)
    tell.note(f"wrote {page} and {table}")
    _print(found, tell, as_json)


def _print(found: "Comparison", tell: "Tellings", as_json: bool) -> None:
    from framevote.cli.streams import printable_json  # noqa: PLC0415

    tell.left_out(found.problems)
    if as_json:
        tell.result("\n".join(printable_json(line) for line in _json_lines(found)))
    elif not tell.quiet:
        tell.result(lambda: _told(found, tell))
    if tell.failed:
        raise typer.Exit(1)


def _json_lines(found: "Comparison") -> list[str]:
    import json  # noqa: PLC0415
    import math  # noqa: PLC0415
    from dataclasses import asdict  # noqa: PLC0415

    lines = []
    for row in found.rows:
        told = {**asdict(row), "encoder": repr(row.encoder), "level": row.is_level}
        for name in ("accuracy", "behind"):
            told[name] = {key: value if math.isfinite(value) else None for key, value in told[name].items()}
        lines.append(json.dumps(told, allow_nan=False))
    return lines


def _short(row: "Row") -> str:
    figure = row.accuracy
    return f"{100 * figure.value:.1f} ({100 * figure.low:.0f}–{100 * figure.high:.0f})"


def _told(found: "Comparison", tell: "Tellings") -> str:
    """Return the sentence, and the best settings as a table."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("encoder", overflow="fold", min_width=_LEAST_WIDTH)
    for name in ("pooling", "normalisation"):
        table.add_column(name, no_wrap=True)
    for name in ("right, %", "numbers", "encode, ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.rows[:_MOST_ROWS]:
        costs = (f"{row.length}", f"{1000 * row.encoding:.2g}")
        table.add_row(*map(Text, (row.family, row.encoder.pooling, row.encoder.normalisation, _short(row), *costs)))
    with tell.out.capture() as caught:
        tell.out.print(Text(found.sentence, style="bold"), soft_wrap=True)
        tell.out.print(table)
        if len(found.rows) > _MOST_ROWS:
            tell.out.print(Text(f"{_MOST_ROWS} of {len(found.rows)} settings; the page and the table have all.", style="dim"))
    return caught.get().rstrip("\n")
