"""`framevote export`: a model file for other programs' runtimes."""

from typing import Annotated, Literal

import typer

from framevote.errors import beforehand


def export(
    model: Annotated[str, typer.Argument(help="A model file (.fvm), or imagenet.", show_default=False)],
    target: Annotated[
        Literal["onnx", "openvino", "litert", "saved_model", "keras"],
        typer.Option("--to", help="The runtime; litert is TensorFlow Lite, saved_model is TensorFlow.", show_default=False),
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="A file with the target's suffix, or a folder.", show_default="beside the model")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Write a model for another program's runtime, with its labels beside it; print the files, and how far its answers are from Keras's.

    What is written is run in that runtime and compared with Keras before it has its name. See docs/export.md.
    """
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)
    from framevote.targets import prepared  # noqa: PLC0415

    tell = Tellings(debug, quiet)
    with beforehand():
        export_of = prepared(model, target, output, overwrite, tell.note)
    tell.note(f"exporting to {target}; this takes some ten seconds")
    done = export_of()
    if not quiet:
        tell.result("\n".join([*map(str, done.paths), f"{done.runtime} and Keras differ by at most {done.difference:.1e}."]))
