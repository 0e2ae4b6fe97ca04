"""Asking an archive: the segments, or the videos, for which an SQL condition holds."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from framevote.archive.schema import VIDEOS, segments_schema, videos_schema
from framevote.archive.store import Archive
from framevote.archive.tables import Table, plain, scan, told, well_known
from framevote.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["segments", "videos"]

_KINDS = ("segments", "videos")
_EXAMPLE = "label = 'tennis' and score > 0.8"
_BLOCK, _BLOCK_OF_EMBEDDINGS, _LEAST = 65536, 4096, 1024
_LONGEST_REASON = 200

# Lists of a row that are many times larger than the rest of it.
_LISTS = ("embedding", "frame_times", "frame_labels", "frame_scores", "frame_names")

# A text in quotes. Outside of these a semicolon would end the condition, and LanceDB leaves out in silence what comes after it.
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`")


def query(archive: Archive, where: str | None = None, kind: Kind = "segments", limit: int | None = None) -> "pa.Table":
    """Return the rows for which a condition holds, in the order of paths and times; only of videos that are done.

    Args:
        archive: the archive.
        where: an SQL condition over the columns, such as "label = 'tennis' and score > 0.8"; None: every row.
        kind: `segments`, each with the path of its video, or `videos`.
        limit: at most so many rows, of those that came into the archive first.

    Returns:
        A table of Arrow's, without embeddings and scores of frames: `.to_pandas()`, `.to_pylist()`, or DuckDB by its variable's name.

    Raises:
        UsageError: the condition cannot be understood, or names columns that are not there; the kind or limit is wrong.
        InputError: the archive cannot be read.
    """
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    if limit is not None and limit < 1:
        raise UsageError(f"limit is a number of rows, at least 1. Received: {limit}")
    found: list[pa.RecordBatch] = []
    for block in _rows(archive, where, kind, False, _BLOCK if limit is None else min(_BLOCK, max(_LEAST, limit))):
        found.append(block if limit is None else block.slice(0, limit - sum(batch.num_rows for batch in found)))
        if limit is not None and sum(batch.num_rows for batch in found) == limit:
            break
    order = ("path", "settings", "number") if kind == "segments" else ("path", "settings")
    return pa.Table.from_batches(found, columns_of(kind)).sort_by([(name, "ascending") for name in order])


def rows(archive: Archive, where: str | None = None, kind: Kind = "segments", embeddings: bool = False) -> Iterator["pa.RecordBatch"]:
    """Yield the rows of `query` in blocks, in the order in which they came into the archive, with the columns of `columns_of`.

    Raises:
        UsageError: the condition cannot be understood, or names columns that are not there; the kind is wrong.
        InputError: the archive cannot be read.
    """
    return _rows(archive, where, kind, embeddings, _BLOCK_OF_EMBEDDINGS if embeddings else _BLOCK)


def _rows(archive: Archive, where: str | None, kind: Kind, embeddings: bool, size: int) -> Iterator["pa.RecordBatch"]:
    _check(where, kind)
    videos = archive.table(VIDEOS)
    # First which videos are done, then their segments: these were all there before the video was.
    with told(archive.where, "read"):
        done = frozenset(scan(videos, ("key",), "state = 'done'")["key"].to_pylist())
    for table in [videos] if kind == "videos" else archive.segment_tables():
        yield from _done_rows(archive, table, where, done, columns_of(kind, embeddings), size)


def columns_of(kind: Kind, embeddings: bool = False) -> "pa.Schema":
    """Return the columns of `rows`; an embedding is a list of any length, since models differ."""
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    schema = segments_schema(0) if kind == "segments" else videos_schema()
    kept = [pa.field(field.name, field.type) for field in schema if field.name not in _LISTS]
    return pa.schema([*kept, pa.field("embedding", pa.list_(pa.float32()))] if embeddings else kept)


def _done_rows(
    archive: Archive, table: Table, where: str | None, done: frozenset[str], schema: "pa.Schema", size: int
) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    search = table.search().select([name for name in schema.names if name in table.schema.names])
    key = "video" if "video" in schema.names else "key"
    with told(archive.where, "read"):
        try:
            for block in (search.where(where) if where else search).to_batches(size):
                # Arrow's own is_in would read all of `done` anew for every block.
                shown = block.filter(pa.array([video in done for video in block[key].to_pylist()], pa.bool_()))
                yield pa.RecordBatch.from_arrays([_column(shown, field) for field in schema], schema=schema)
        except (RuntimeError, ValueError, OSError, pa.ArrowException) as error:
            if where is None or well_known(error):
                raise
            raise _misunderstood(where, plain(str(error)), table) from error


def _column(block: "pa.RecordBatch", field: "pa.Field") -> "pa.Array":
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    return block[field.name].cast(field.type) if field.name in block.schema.names else pa.nulls(block.num_rows, field.type)


def _check(where: str | None, kind: str) -> None:
    if kind not in _KINDS:
        raise UsageError(f"kind is segments or videos. Received: {kind!r}")
    if where is not None and not where.strip():
        raise UsageError(f"Received an empty condition. Expected SQL such as {_EXAMPLE}, or none for every row.")
    if where is not None and ";" in _QUOTED.sub("", where):
        raise UsageError(f"A condition is one expression of SQL, without a semicolon. Expected such as {_EXAMPLE}. Received: {where}")


def _misunderstood(where: str, reason: str, table: Table) -> UsageError:
    names = ", ".join(table.schema.names)
    reason = reason.partition(" Valid fields are")[0].removeprefix("Invalid input, ").rstrip(".")
    reason = reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}…"
    return UsageError(f"The condition cannot be understood: {reason}. Expected SQL such as {_EXAMPLE} over: {names}. Received: {where}")
