"""`framevote tune`: which vote suits a model and its films, and what it costs in delay."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from framevote.errors import UsageError, beforehand

if TYPE_CHECKING:
    from framevote.cli.batch import Tellings
    from framevote.tuning import Tuned

_LENGTH = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*(ms|s|sec|seconds?|min|minutes?|)", re.IGNORECASE)
_UNITS = {"ms": 0.001, "m": 60.0, "s": 1.0, "": 1.0}


def tune(
    model: Annotated[str, typer.Argument(help="A model file (.fvm); with --dry-run also imagenet.", show_default=False)],
    data: Annotated[
        Path, typer.Argument(help="Videos whose pieces are labelled: a list with path, label, start and end.", show_default=False)
    ],
    max_delay: Annotated[
        str | None,
        typer.Option(
            help="How late a viewer of live material may see a label after it truly begins: 1s, 0.5, 500ms, or default: as late as by "
            "the default vote. Counted are the seconds until the label is shown (median), and how far the vote must look ahead for it.",
            show_default="any: recorded films",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A picture of F1@50 against delay (.png, .svg).", show_default="only print")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Leave the model's file as it is.")] = False,
    layout: Annotated[str, typer.Option(help="What the data lie in; auto looks for itself.")] = "auto",
    group_by: Annotated[
        str | None,
        typer.Option(
            help="A column, or a regular expression on the path: what it captures is the group. Groups are held out whole.",
            show_default="the data's",
        ),
    ] = None,
    side: Annotated[
        Literal["auto", "all", "train", "validation", "test"],
        typer.Option(help="Which part of the data; auto is all that they do not mark as train."),
    ] = "auto",
    precision: Annotated[
        Literal["auto", "f32", "bf16"], typer.Option(help="What the network computes in; auto is bf16 where the processor has it.")
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a picture that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what was asked for, and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Find the vote that suits a model and its films, and store it in the model's file.

    Every vote of a grid is tried on the same scores. What the best one is worth is measured on videos that were held out.
    """
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)
    from framevote.cli.terminal import progress_bar  # noqa: PLC0415
    from framevote.tuning import tune as run  # noqa: PLC0415
    from framevote.tuning import write_curve  # noqa: PLC0415

    tell = Tellings(debug, quiet)
    longest = _delay(max_delay)
    _check_picture(output, overwrite)
    with progress_bar(tell.err, "looking", 0, not quiet) as progress:
        found = run(
            model,
            data,
            max_delay=longest,
            store=not dry_run,
            layout=layout,
            group_by=group_by,
            side=side,
            precision=precision,
            progress=progress,
            notify=tell.note,
        )
    if output:
        with tell.failing():
            tell.note(f"wrote {write_curve(found, output, overwrite)}")
    _print(found, model, tell, as_json)


def _delay(text: str | None) -> float | Literal["default"] | None:
    """Return the seconds that a text such as 1s, 0.5 or 500ms means; how many are allowed is the job's to say."""
    if text is None:
        return None
    if text.strip().lower() == "default":
        return "default"
    found = _LENGTH.fullmatch(text.strip())
    if not found:
        raise UsageError(f"--max-delay is a length of time such as 1s, 0.5 or 500ms, or default. Received: {text!r}")
    unit = found[2].lower()
    return float(found[1]) * _UNITS["ms" if unit == "ms" else unit[:1]]


def _check_picture(output: Path | None, overwrite: bool) -> None:
    from framevote.files import check_free  # noqa: PLC0415
    from framevote.tuning import check_curve  # noqa: PLC0415

    if output:
        check_curve(output)
        with beforehand():
            check_free(output, overwrite)


def _print(found: "Tuned", model: str, tell: "Tellings", as_json: bool) -> None:
    from framevote.cli.streams import printable_json  # noqa: PLC0415
    from framevote.tuning import tuned_json  # noqa: PLC0415

    tell.left_out(found.problems)
    if as_json:
        tell.result(printable_json(tuned_json(found)))
    elif not tell.quiet:
        tell.result(lambda: _table(found, model, tell))
    if tell.failed:
        raise typer.Exit(1)


def _table(found: "Tuned", model: str, tell: "Tellings") -> str:
    """Return the sentences, and the votes in a table."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from framevote.tuning.wording import rows, sentences  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("vote", overflow="fold")
    for name in ("F1@50", "delay", "changes a minute"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows(found):
        table.add_row(*map(Text, row))
    kept = f"Stored in {model}." if found.stored else f"{model} is left as it is."
    with tell.out.capture() as caught:
        tell.out.print(table)
        for sentence in sentences(found):
            tell.out.print(Text(sentence), soft_wrap=True)
        tell.out.print(
            Text(f"{len(found.tried)} votes tried on {found.videos} video{'' if found.videos == 1 else 's'}. {kept}", style="dim"),
            soft_wrap=True,
        )
    return caught.get().rstrip("\n")
