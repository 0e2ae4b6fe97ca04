"""`framevote archive`: what an archive of labelled videos holds, asked for and exported."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from framevote.cli.archive_add import add, retry_all

if TYPE_CHECKING:
    from framevote.archive.querying import Kind
    from framevote.archive.status import Group, Status

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Many videos: what was found in them, kept in a folder or on object storage, to be asked and exported.",
)
app.command()(add)

_SHOWN = 100

Place = Annotated[str, typer.Argument(metavar="ARCHIVE", help="A folder, or an address such as s3://bucket/library.", show_default=False)]
Videos = Annotated[bool, typer.Option("--videos", help="Videos as wholes, not their segments.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what was asked for, and errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")]


@app.command()
def status(
    archive: Place,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Tell how many videos are done and failed under each settings, and how the archive lies on the disk."""
    from framevote.archive.store import open_archive  # noqa: PLC0415 (brings numpy)
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)

    tell = Tellings(debug, quiet)
    now = open_archive(archive).status()
    if as_json:
        tell.result(_json(_status_dict(now)))
    elif not quiet:
        tell.result("\n".join(_status_lines(now)))
    raise typer.Exit(1 if tell.failed else 0)


@app.command()
def failed(
    archive: Place,
    retry: Annotated[bool, typer.Option("--retry", help="Try them again, each under the settings under which it failed.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --retry: how many processes look at videos.", show_default="one for each core")
    ] = None,
    longest: Annotated[float | None, typer.Option(help="With --retry: seconds that a file may take.", show_default="3600")] = None,
    memory: Annotated[
        float | None,
        typer.Option(help="With --retry: GB that each process may have.", show_default="its share of four fifths of the machine's"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line for each; with --retry how it went.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the videos that failed, with the sentence that says why."""
    from framevote.archive.store import open_archive  # noqa: PLC0415 (brings numpy)
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)

    tell = Tellings(debug, quiet)
    if retry:
        retry_all(archive, tell, workers, longest, memory, as_json)
        return
    failures = open_archive(archive).failed()
    for failure in failures if as_json or not quiet else []:
        path, under = failure.source.path, failure.settings
        told = {"path": path, "error": failure.error, "settings": under.fingerprint, "model": under.model}
        tell.result(_json(told) if as_json else _plain(failure.error if path in failure.error else f"{path}: {failure.error}"))
    if not (failures or as_json or quiet):
        tell.result("Nothing failed.")
    raise typer.Exit(1 if tell.failed else 0)


@app.command()
def query(
    archive: Place,
    condition: Annotated[
        str | None, typer.Argument(help="SQL, such as \"label = 'tennis' and score > 0.8\".", show_default="every row")
    ] = None,
    videos: Videos = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many rows.", show_default=f"{_SHOWN}; with --json all of them")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line for each row.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print the segments for which a condition over their columns holds, each with its video; or whole videos."""
    from framevote.archive.querying import query as ask  # noqa: PLC0415 (brings numpy)
    from framevote.archive.querying import rows  # noqa: PLC0415
    from framevote.archive.store import open_archive  # noqa: PLC0415
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)

    tell, opened = Tellings(debug, quiet), open_archive(archive)
    kind: Kind = "videos" if videos else "segments"
    if as_json:
        for block in rows(opened, condition, kind) if limit is None else ask(opened, condition, kind, limit).to_batches():
            if tell.heard and block.num_rows:
                tell.result("\n".join(_json(_row_dict(row)) for row in block.to_pylist()))
        raise typer.Exit(1 if tell.failed else 0)
    most = limit or _SHOWN
    found = ask(opened, condition, kind, most + 1).to_pylist()
    if not quiet:
        tell.result("\n".join(map(_video_line if videos else _segment_line, found[:most])) or f"No {kind} like that.")
    if len(found) > most:
        tell.note(f"There are more; --limit shows more than {most}, and `framevote archive export` writes all of them to a file.")
    raise typer.Exit(1 if tell.failed else 0)


@app.command()
def export(
    archive: Place,
    output: Annotated[Path, typer.Argument(help="The file to write (.parquet .csv).", show_default=False)],
    where: Annotated[
        str | None, typer.Option(help="Only rows for which this holds, such as \"label = 'tennis'\".", show_default="every row")
    ] = None,
    videos: Videos = False,
    embeddings: Annotated[bool, typer.Option("--embeddings", help="With each row's embedding (.parquet).")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the segments of an archive, or its videos, to one file for other programs."""
    from framevote.archive.exporting import export as run  # noqa: PLC0415 (brings numpy)
    from framevote.archive.store import open_archive  # noqa: PLC0415
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)

    tell = Tellings(debug, quiet)
    kind: Kind = "videos" if videos else "segments"
    count = run(open_archive(archive), output, where, kind, embeddings=embeddings, overwrite=overwrite)
    if as_json:
        tell.result(_json({"path": str(output), "kind": kind, "rows": count}))
    elif not quiet:
        tell.result(f"{_plain(str(output))}: {count:,} {kind}.")
    raise typer.Exit(1 if tell.failed else 0)


@app.command()
def compact(archive: Place, quiet: Quiet = False, debug: Debug = False) -> None:
    """Join an archive's small files into large ones; `add` does it too, now and then and at its end."""
    from framevote.archive.store import open_archive  # noqa: PLC0415 (brings numpy)
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)

    tell, opened = Tellings(debug, quiet), open_archive(archive)
    opened.compact()
    if not quiet:
        tell.result("\n".join(_disk_lines(opened.status())))
    raise typer.Exit(1 if tell.failed else 0)


def _status_lines(now: "Status") -> Iterator[str]:
    failing = f", {now.failed:,} failed: framevote archive failed {_plain(now.where)}" if now.failed else ""
    yield f"{_plain(now.where)}: {now.done:,} videos done, {now.hours:,.1f} hours{failing}."
    for group in now.groups:
        counts = f"{group.done:,} done, {group.failed:,} failed, {group.segments:,} segments"
        yield f"  {group.fingerprint}  {counts}: {_plain(_settings(group))}"
    yield from _disk_lines(now)


def _settings(group: "Group") -> str:
    """Return the settings of a group in words: what is not as it comes."""
    from dataclasses import fields  # noqa: PLC0415

    told = group.settings
    changed = {field.name: getattr(told, field.name) for field in fields(told)[3:] if getattr(told, field.name) != field.default}
    return ", ".join([f"{told.model} ({told.model_fingerprint})", told.strategy, *(f"{name} {value}" for name, value in changed.items())])


def _disk_lines(now: "Status") -> Iterator[str]:
    lying = "" if now.bytes is None else f"{now.files:,} files, {now.bytes / 1e6:,.1f} MB; "
    hint = f"; fewer make it quicker: framevote archive compact {_plain(now.where)}" if now.scattered else ""
    yield f"{lying}its tables lie in {now.pieces:,} pieces{hint}."


def _status_dict(now: "Status") -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415

    return {**asdict(now), "done": now.done, "failed": now.failed, "hours": now.hours}


def _segment_line(row: dict[str, Any]) -> str:
    from framevote.writers.sheet import clock  # noqa: PLC0415 (brings numpy)

    score = f"{round(100 * row['score'])} %"
    return _plain(f"{clock(row['start'], 2):>10}  {clock(row['end'], 2):>10}  {score:>5}  {row['label']}  {row['path']}")


def _video_line(row: dict[str, Any]) -> str:
    from framevote.writers.sheet import clock  # noqa: PLC0415 (brings numpy)

    score = f"{round(100 * row['score'])} %"
    return _plain(f"{clock(row['duration'] or 0.0, 2):>10}  {score:>5}  {row['label']}  {row['path']}  ({row['settings']})")


def _row_dict(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON takes it: paths and labels as they are, and times as text."""
    from framevote.archive.schema import restored  # noqa: PLC0415 (brings numpy)

    texts = {name: restored(value) for name, value in row.items() if isinstance(value, str) and not name.endswith("_json")}
    times = {name: value.isoformat() for name, value in row.items() if isinstance(value, datetime)}
    scores = {name: round(value, 4) for name, value in row.items() if name == "score"}
    return row | texts | times | scores


def _json(told: dict[str, Any]) -> str:
    from framevote.cli.streams import printable_json  # noqa: PLC0415
    from framevote.writers.text import json_line  # noqa: PLC0415 (brings numpy)

    return printable_json(json_line(told))


def _plain(text: str) -> str:
    """Return a text whose signs a terminal takes as no command: whoever named the files wrote it."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
