"""The command line: `framevote label`, `train`, `doctor`, `compare`, `evaluate`, `export`, `archive`, and what tells of things.

Results go to stdout, all else to stderr. Exit codes: 0 all done, 1 some inputs failed, 2 wrong usage.
Nothing heavy is imported here before a command runs, so that --help answers at once.
"""

import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from framevote.cli.archive import app as archive
from framevote.cli.compare import compare
from framevote.cli.doctor import doctor
from framevote.cli.evaluate import evaluate
from framevote.cli.export import export
from framevote.cli.frames import frames
from framevote.cli.inspect import inspect
from framevote.cli.memory import give_back
from framevote.cli.models import models
from framevote.cli.streams import complain, say, stoppable, take_any_text
from framevote.cli.train import train
from framevote.cli.tune import tune
from framevote.errors import Error, UsageError
from framevote.parts import DEFAULT_SMOOTHER, DEFAULT_STRATEGY, KINDS, makers

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_INTERRUPTED = 130  # as shells count: 128 + SIGINT
_INTERRUPTION = "Interrupted. What was finished is kept, nothing is half-written."


class PrecisionChoice(StrEnum):
    """What the network computes in."""

    auto = "auto"
    f32 = "f32"
    bf16 = "bf16"


class DeviceChoice(StrEnum):
    """Where the network runs."""

    cpu = "cpu"
    gpu = "gpu"


class RuntimeChoice(StrEnum):
    """What runs the network."""

    openvino = "openvino"
    keras = "keras"


def main() -> None:
    """Run the command line; every error that is ours is one sentence on stderr."""
    take_any_text()
    give_back()
    with stoppable() as came:
        code = _run([_as_file(argument) for argument in sys.argv[1:]])
    if code == _INTERRUPTED:
        complain(_INTERRUPTION)
        code = 128 + came[-1] if came else code
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """Return the exit code."""
    try:
        app(args=arguments, prog_name="framevote")
    except SystemExit as left:  # typer always ends so, after Ctrl-C too
        return left.code if isinstance(left.code, int) else 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Error as error:
        if "--debug" in arguments:
            traceback.print_exc()
        complain(str(error))
        return 2 if isinstance(error, UsageError) else 1
    return 0


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    """Videos into steady timelines: what is on screen, from when to when, how sure."""
    if version:
        from importlib.metadata import version as version_of  # noqa: PLC0415 (costs a tenth of --help's time)

        say(version_of("framevote"))
        raise typer.Exit


@app.command()
def label(
    inputs: Annotated[list[str], typer.Argument(help="Videos, and folders of videos.", show_default=False)],
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output", "-o", help="A file to write (.json .csv .vtt .srt .png .mp4 .mkv .webm), more than once if wished; or a folder."
        ),
    ] = None,
    formats: Annotated[
        str | None, typer.Option("--format", help="What to write in a folder, or beside the video: such as json,mp4.", show_default="json")
    ] = None,
    model: Annotated[str, typer.Option(help="imagenet, or a model file (.fvm).")] = "imagenet",
    smoother: Annotated[
        str | None,
        typer.Option(help="The vote. `framevote parts` lists what there is.", show_default=f"the model's, else {DEFAULT_SMOOTHER}"),
    ] = None,
    strategy: Annotated[str, typer.Option(help="Which frames to look at.")] = DEFAULT_STRATEGY,
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
    only: Annotated[
        list[str] | None,
        typer.Option(help="A label to choose from, more than once; all of the model's if not given. Unknown stays out unless named."),
    ] = None,
    precision: Annotated[
        PrecisionChoice, typer.Option(help="What the network computes in; auto is bf16 where the processor has it.")
    ] = PrecisionChoice.auto,
    device: Annotated[DeviceChoice, typer.Option(help="gpu runs the Keras model on the installed Keras backend.")] = DeviceChoice.cpu,
    runtime: Annotated[
        RuntimeChoice | None, typer.Option(help="openvino, or keras with the backend that KERAS_BACKEND names.", show_default="openvino")
    ] = None,
    preset: Annotated[str, typer.Option(help="Annotated video: how long the encoder thinks, ultrafast … veryslow.")] = "ultrafast",
    crf: Annotated[
        int | None, typer.Option(help="Annotated video: quality, smaller is better and larger.", show_default="the encoder's")
    ] = None,
    audio: Annotated[str, typer.Option(help="Annotated video: copy, opus, aac or none.")] = "copy",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the timeline as JSON (several: a line each), and write no file unless asked.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but results that were asked for, and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Label videos: print the timeline, write it to files.

    Without --output, match.mp4 gives match.json beside it. One bad file never stops the rest.
    """
    from framevote.cli.batch import Request, run  # noqa: PLC0415 (brings numpy and the decoder)

    request = Request(
        inputs=tuple(inputs),
        outputs=tuple(output or ()),
        formats=formats,
        model=model,
        options={
            "smoother": smoother,
            "strategy": strategy,
            "hysteresis": hysteresis,
            "shortest": shortest,
            "unknown": unknown,
            "only": tuple(only or ()),
        },
        model_options={
            "precision": str(precision),
            "device": str(device),
            "runtime": str(runtime) if runtime else None,
            "known_only": known_only,
        },
        video_options={"preset": preset, "crf": crf, "audio": audio},
        overwrite=overwrite,
        as_json=as_json,
        quiet=quiet,
        debug=debug,
    )
    raise typer.Exit(run(request))


@app.command()
def parts(
    kind: Annotated[str | None, typer.Argument(help="Only this kind: smoother, strategy, writer …", show_default="every kind")] = None,
) -> None:
    """List every part that can be named, with one line of help each."""
    for each in (kind,) if kind else KINDS:
        found = [(name, (make.__doc__ or "").strip().partition("\n")[0]) for name, make in makers(each)]
        if found:
            width = max(len(name) for name, _ in found)
            say("\n".join([f"{each}:", *(f"  {name:<{width}}  {line}" for name, line in found)]))


@app.command()
def probe(
    files: Annotated[list[Path], typer.Argument(help="Video files.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line for each file.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Tell what files say of their pictures, without decoding them."""
    from framevote.cli.batch import probe_all  # noqa: PLC0415 (brings numpy and the decoder)

    raise typer.Exit(probe_all(files, as_json, debug))


for command in (train, doctor, compare, evaluate, tune, frames, export, models, inspect):
    app.command()(command)
app.add_typer(archive, name="archive")


def _as_file(argument: str) -> str:
    """Return an argument such as -clip-.mp4, where such a file is, as a file's name and no option."""
    return f"./{argument}" if argument.startswith("-") and "." in argument and Path(argument).is_file() else argument


if __name__ == "__main__":
    main()
