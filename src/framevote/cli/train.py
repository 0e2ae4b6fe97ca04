"""`framevote train`: photos or clips in, a calibrated model file out."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from framevote.errors import UsageError
from framevote.parts import parse

if TYPE_CHECKING:
    from framevote.cli.batch import Tellings
    from framevote.training import Choose, FineTuning, Trained

_NO_WEIGHTS, _AUTO = "none", "auto"
_TUNING = ("epochs", "rate", "batch", "patience", "smoothing", "augment", "class-weights", "mixed", "run")


def train(
    data: Annotated[
        Path, typer.Argument(help="Class folders of photos or clips, or a manifest (.csv .jsonl .parquet).", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write (.fvm).", show_default=False)],
    backbone: Annotated[
        str | None,
        typer.Option(help="The network below. `framevote models` lists what there is.", show_default="efficientnet_lite0"),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="The backbone's weights: a file, or none for random ones.", show_default="its ImageNet weights")
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="What learns the classes; auto asks `framevote doctor`. `framevote parts head` lists what there is.",
            show_default="Average(); of encodings LinearSVM()",
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="Encodings: the local features. `framevote parts features` lists what there is.", show_default="Grid()"),
    ] = None,
    projection: Annotated[
        str | None, typer.Option(help="Encodings: what features go through first.", show_default="what the encoder is made for")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Encodings: how features become a vector. `framevote parts encoder` lists what there is.", show_default="FisherVector()"
        ),
    ] = None,
    layout: Annotated[str, typer.Option(help="What the data lie in; auto looks for itself.")] = "auto",
    group_by: Annotated[
        str | None,
        typer.Option(help="A column, or a regular expression on the path: what shares its match is never split.", show_default="the file"),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="How many frames of a clip, or of a window, to look at, spread evenly.")] = 16,
    window: Annotated[
        float | None,
        typer.Option(
            help="Heads that see order, and encodings of clips: the seconds that they look at.",
            show_default="the clips' median, 4 at most",
        ),
    ] = None,
    fine_tune: Annotated[int, typer.Option(min=0, help="Let the last N layers of the backbone learn too.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Fine-tuning: at most so many rounds.", show_default="8")] = None,
    rate: Annotated[float | None, typer.Option(help="Fine-tuning: the highest learning rate.", show_default="0.0003")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Fine-tuning: pictures a step.", show_default="32")] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Fine-tuning: stop after so many rounds without a gain.", show_default="3")
    ] = None,
    smoothing: Annotated[float | None, typer.Option(min=0, max=0.99, help="Fine-tuning: label smoothing.", show_default="0.1")] = None,
    augment: Annotated[
        bool | None, typer.Option(help="Fine-tuning: show the pictures a little differently each time.", show_default="augment")
    ] = None,
    class_weights: Annotated[
        bool | None,
        typer.Option(help="Fine-tuning: let every class count the same, however many items it has.", show_default="class-weights"),
    ] = None,
    mixed: Annotated[
        Literal["auto", "on", "off"] | None,
        typer.Option(help="Fine-tuning: compute in bf16; auto does what is quicker here.", show_default="auto"),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Fine-tuning: the folder of logs and checkpoint.", show_default="beside the model: NAME.run")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn: the same seed gives the same model.")] = 0,
    precision: Annotated[
        Literal["auto", "f32", "bf16"], typer.Option(help="What embeddings are computed in; auto is bf16 where the processor has it.")
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model file that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the model's card as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what was asked for, and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Train a classifier on photos or clips, and tell what it is worth on items that were held out.

    Items of one group (--group-by) and items that look the same stay on one side of every split. Killed while it fine-tunes, the same
    command goes on where it was.
    """
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)
    from framevote.cli.watching import watched  # noqa: PLC0415
    from framevote.training import train as run_training  # noqa: PLC0415

    tell = Tellings(debug, quiet)
    options = (epochs, rate, batch, patience, smoothing, augment, class_weights, mixed)
    if not fine_tune:
        _check_unasked((*options, run))
    tuning = _tuning(fine_tune, *options, seed) if fine_tune else None
    with watched(tell) as watch:
        done = run_training(
            data,
            output,
            backbone=_weighted(backbone, weights),
            head=_auto() if head == _AUTO else head,
            features=features,
            projection=projection,
            encoder=encoder,
            fine_tuning=tuning,
            layout=layout,
            group_by=group_by,
            frames=frames,
            window=window,
            seed=seed,
            precision=precision,
            run=run,
            overwrite=overwrite,
            watch=watch,
        )
    _print(done, tell, as_json)


def _auto() -> "Choose":
    from framevote.doctor import auto  # noqa: PLC0415 (brings numpy)

    return auto


def _tuning(
    layers: int,
    epochs: int | None,
    rate: float | None,
    batch: int | None,
    patience: int | None,
    smoothing: float | None,
    augment: bool | None,
    class_weights: bool | None,
    mixed: str | None,
    seed: int,
) -> "FineTuning":
    """Return the settings; what is None is the library's default."""
    from framevote.training import FineTuning  # noqa: PLC0415 (brings numpy)

    told: dict[str, Any] = {
        "epochs": epochs,
        "rate": rate,
        "batch": batch,
        "patience": patience,
        "smoothing": smoothing,
        "augment": augment,
        "class_weights": class_weights,
        "mixed": {"on": True, "off": False}.get(mixed or "", mixed),
    }
    return FineTuning(layers, seed=seed, **{name: value for name, value in told.items() if value is not None})


def _check_unasked(values: Iterable[object]) -> None:
    """Refuse options of fine-tuning where nobody asks for it: they would change nothing."""
    for name, value in zip(_TUNING, values, strict=True):
        if value is not None:
            told = f"--no-{name}" if value is False else f"--{name}"
            raise UsageError(f"{told} is an option of fine-tuning, which is not asked for. Add --fine-tune N, or leave {told} out.")


def _weighted(backbone: str | None, weights: str | None) -> str | None:
    """Return a backbone's text with its weights."""
    if weights is None:
        return backbone
    backbone = backbone or "efficientnet_lite0"
    if ":" in backbone.partition("(")[0]:
        raise UsageError(
            f"A KerasHub preset brings its own weights. Received: --backbone {backbone} --weights {weights}; leave --weights out."
        )
    name, positional, named = parse(backbone)
    if "weights" in named:
        raise UsageError(f"The weights are told twice: {backbone} and --weights {weights}. Leave one of them out.")
    named["weights"] = None if weights == _NO_WEIGHTS else weights
    told = [*map(repr, positional), *(f"{key}={value!r}" for key, value in named.items())]
    return f"{name}({', '.join(told)})"


def _print(done: "Trained", tell: "Tellings", as_json: bool) -> None:
    from framevote.cli.inspect import card_json, worth  # noqa: PLC0415 (brings numpy)
    from framevote.cli.streams import printable_json  # noqa: PLC0415

    tell.left_out(done.problems)
    if as_json:
        tell.result(printable_json(card_json(done.card)))
    elif not tell.quiet:
        tell.result("\n".join([str(done.path), *worth(done.card), f"Trained in {done.seconds:.0f} s."]))
    if tell.failed:
        raise typer.Exit(1)
