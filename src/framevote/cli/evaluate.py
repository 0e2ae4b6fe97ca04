"""`framevote evaluate`: how good a model is on data whose labels are known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from framevote.errors import beforehand
from framevote.parts import DEFAULT_SMOOTHER

if TYPE_CHECKING:
    from framevote.cli.batch import Tellings
    from framevote.evaluation import Evaluation


def evaluate(
    model: Annotated[str, typer.Argument(help="A model file (.fvm), or imagenet.", show_default=False)],
    data: Annotated[Path, typer.Argument(help="Data with known labels: a folder of class folders, a manifest …", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder for index.html and metrics.json.", show_default="only print")
    ] = None,
    layout: Annotated[str, typer.Option(help="What the data lie in; auto looks for itself.")] = "auto",
    group_by: Annotated[
        str | None,
        typer.Option(help="A column, or a regular expression on the path: what it captures is the group.", show_default="the data's"),
    ] = None,
    side: Annotated[
        Literal["auto", "all", "train", "validation", "test"],
        typer.Option(help="Which part of the data; auto is what they mark as test, or all where nothing is marked."),
    ] = "auto",
    frames: Annotated[
        int | None, typer.Option(min=1, help="How many frames of a clip to look at, at most.", show_default="as in training, else 16")
    ] = None,
    smoother: Annotated[
        str | None,
        typer.Option(
            help="The vote of the timelines. `framevote parts` lists what there is.",
            show_default=f"the model's, else {DEFAULT_SMOOTHER}",
        ),
    ] = None,
    unknown: Annotated[
        float, typer.Option(min=0, max=1, help="Answers below this probability are called unknown, beside those the model calls so.")
    ] = 0.0,
    precision: Annotated[
        Literal["auto", "f32", "bf16"], typer.Option(help="What the network computes in; auto is bf16 where the processor has it.")
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals: the same seed gives the same ones.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a report that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, as metrics.json holds them.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what was asked for, and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Tell how good a model is on data whose labels are known: print the figures, write a report.

    Photos and clips are answered one by one. Of videos whose pieces are labelled, the timelines are compared too.
    """
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)
    from framevote.cli.terminal import progress_bar  # noqa: PLC0415
    from framevote.evaluation import check_report, write_report  # noqa: PLC0415
    from framevote.evaluation import evaluate as run  # noqa: PLC0415

    tell = Tellings(debug, quiet)
    if output:
        with beforehand():
            check_report(output, overwrite)
    with progress_bar(tell.err, "evaluating", 0, not quiet) as progress:
        done = run(
            model,
            data,
            layout=layout,
            group_by=group_by,
            side=side,
            frames=frames,
            smoother=smoother,
            unknown=unknown,
            precision=precision,
            seed=seed,
            progress=progress,
            notify=tell.note,
        )
    if output:
        tell.note(f"wrote {write_report(done, output, overwrite)}")
    _print(done, tell, as_json)


def _print(done: "Evaluation", tell: "Tellings", as_json: bool) -> None:
    from framevote.cli.streams import printable_json  # noqa: PLC0415
    from framevote.evaluation import metrics_json  # noqa: PLC0415

    tell.left_out(done.problems)
    if as_json:
        tell.result(printable_json(metrics_json(done).rstrip()))
    elif not tell.quiet:
        tell.result(lambda: _table(done, tell))
    if tell.failed:
        raise typer.Exit(1)


def _table(done: "Evaluation", tell: "Tellings") -> str:
    """Return the headline figures as a table, with what is most often mistaken."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from framevote.evaluation.wording import headline, summary_rows  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("figure")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    for row in summary_rows(done):
        table.add_row(*map(Text, row))
    labels = done.answers.labels
    confused = [f"{labels[truth]} → {labels[answer]} ({count})" for truth, answer, count in done.classification.confused(3)]
    with tell.out.capture() as caught:
        tell.out.print(Text(headline(done), style="bold"), soft_wrap=True)
        tell.out.print(table)
        if confused:
            tell.out.print(Text(f"Most often mistaken: {', '.join(confused)}.", style="dim"), soft_wrap=True)
    return caught.get().rstrip("\n")
