"""An archive is opened, asked what it knows, and written to, beside other processes that do the same."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, final

from framevote.archive.entries import Entry, Settings, latest_of
from framevote.archive.known import Failure, Known, Seen, source_of
from framevote.archive.schema import (
    FILES,
    SEGMENTS,
    VIDEOS,
    by_length,
    file_rows,
    files_schema,
    restored,
    segment_rows,
    segments_schema,
    settings_of,
    stored,
    video_rows,
    videos_schema,
)
from framevote.archive.status import Status, groups_of, pieces_of, size_on_disk
from framevote.archive.tables import (
    Table,
    check_format,
    connect,
    each,
    giving_way,
    is_remote,
    make_table,
    merge,
    names,
    one_of,
    open_table,
    retried,
    scan,
    told,
)
from framevote.errors import InputError, UsageError

__all__ = ["KEPT", "Archive", "Failure", "Known", "Seen", "Status", "open_archive"]

KEPT = timedelta(minutes=10)
"""How long `compact` leaves what was replaced: whoever began to read before may read on so long."""

# A video that was done stays done, though another process fails on the same content a little later.
_STAYS = "target.state = 'done' AND source.state = 'failed'"


@final
class Archive:
    """An archive: `open_archive` gives one.

    Every method reads what is there at that moment, whoever wrote it.

    Attributes:
        where: its folder, or its address on object storage.
    """

    def __init__(self, where: str, connection: Any) -> None:
        self.where = where
        self._connection = connection
        self._open: dict[str, Table] = {}

    def table(self, name: str) -> Table:
        """Return one of LanceDB's tables: videos, files, or segments_N with N the length of the embeddings.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self._open:
            table = open_table(self._connection, self.where, name)
            if table is None:
                raise InputError(f"The archive {self.where} has no table {name}. It has: {', '.join(self._names())}.")
            self._open[name] = table
        return self._open[name]

    def segment_tables(self) -> list[Table]:
        """Return the tables of segments, one for each length of embeddings."""
        found = sorted(name for name in self._names() if name.startswith(SEGMENTS))
        return [table for name in found if (table := self._open.get(name) or open_table(self._connection, self.where, name))]

    def known(self, settings: Settings) -> Known:
        """Return what is known under some settings, as of now."""
        with told(self.where, "read"):
            columns = ("path", "size", "modified", "content")
            videos = each(self.table(VIDEOS), (*columns, "state"), one_of("settings", [settings.fingerprint]))
            return Known.of(each(self.table(FILES), columns), videos)

    def write(self, entries: Sequence[Entry], seen: Sequence[Seen] = ()) -> None:
        """Put a batch into the archive: the segments first, and the rows of the videos, which say that all is there, last.

        What is done already stays as it is, and what failed gives way to what comes now. Killed in between, the archive does not show
        the videos of the batch; the same batch written again leaves nothing twice.

        Raises:
            OutputError: it cannot be written; the videos of the batch are then not in the archive.
        """
        latest = latest_of(entries)
        before = self._done(list(latest))
        new = [entry for key, entry in latest.items() if key not in before]
        copies = [Seen(entry.source, entry.content) for key, entry in latest.items() if key in before and entry.content]
        self._write_segments([entry for entry in new if entry.state == "done"])
        merge(self.where, self.table(VIDEOS), video_rows(new), "key", unless=_STAYS)
        self._follow([*copies, *seen])
        places = {entry.source.path: (entry.source, entry.content) for entry in latest.values()}
        places |= {one.source.path: (one.source, one.content) for one in seen}
        merge(self.where, self.table(FILES), file_rows(list(places.values())), "path")

    def failed(self) -> list[Failure]:
        """Return what failed, in the order of the paths; a file that has other content since, or was done since, is not among it."""
        rows = self._failing()
        failures = (Failure(source_of(row), settings_of(row["settings_json"]), restored(row["error"])) for row in rows)
        return sorted(failures, key=lambda failure: (failure.source.path, failure.settings.fingerprint))

    def status(self) -> Status:
        """Return what was done and what failed under each settings, and how the archive lies on the disk."""
        videos, files, segments = self.table(VIDEOS), self.table(FILES), self.segment_tables()
        failing = self._failing()
        with told(self.where, "read"):
            groups, paths = groups_of(videos, failing), files.count_rows()
        pieces, scattered = pieces_of(self.where, [videos, files, *segments])
        count, size = (None, None) if is_remote(self.where) else size_on_disk(Path(self.where))
        return Status(self.where, groups, paths, pieces, scattered, count, size)

    def compact(self, keep: timedelta = KEPT) -> None:
        """Join small files into large ones, and remove what was replaced longer ago than `keep`.

        Others may write meanwhile; where one of them is in the way again and again, the next call does it. Who has been reading the
        same table for longer than `keep` has to begin anew.

        Raises:
            OutputError: the archive cannot be written.
        """
        for table in (self.table(VIDEOS), self.table(FILES), *self.segment_tables()):
            with giving_way(self.where):
                table.optimize(cleanup_older_than=keep)

    def _failing(self) -> list[dict[str, Any]]:
        """Return the rows of what failed and is still there as it was then."""
        columns = ("path", "size", "modified", "content", "settings", "settings_json", "error")
        with told(self.where, "read"):
            rows = scan(self.table(VIDEOS), columns, "state = 'failed'").to_pylist()
            files = scan(self.table(FILES), ("path", "content")).to_pydict() if rows else {"path": [], "content": []}
        now = dict(zip(files["path"], files["content"], strict=True))
        return [row for row in rows if now.get(row["path"], row["content"]) == row["content"]]

    def _names(self) -> list[str]:
        with told(self.where, "read"):
            return names(self._connection)

    def _done(self, keys: Sequence[str]) -> set[str]:
        """Return which of some videos are done."""
        if not keys:
            return set()
        with told(self.where, "read"):
            return set(scan(self.table(VIDEOS), ("key",), f"state = 'done' AND {one_of('key', keys)}")["key"].to_pylist())

    def _write_segments(self, entries: Sequence[Entry]) -> None:
        """Write all segments, one commit for each length; what an attempt that was cut off has left beyond them is removed."""
        for length, group in by_length(entries).items():
            name = f"{SEGMENTS}{length}"
            if name not in self._open:
                self._open[name] = make_table(self._connection, self.where, name, segments_schema(length))
            rows = segment_rows(group, length)
            merge(self.where, self._open[name], rows, "key")
            self._remove_others(self._open[name], group, set(rows["key"].to_pylist()))
        bare = [entry for entry in entries if not entry.pieces]
        for table in self.segment_tables() if bare else ():
            self._remove_others(table, bare, set())

    def _remove_others(self, table: Table, entries: Sequence[Entry], kept: set[str]) -> None:
        with told(self.where, "read"):
            there = scan(table, ("key",), one_of("video", [entry.key for entry in entries]))["key"].to_pylist()
        others = sorted(set(there) - kept)
        if others:
            retried(self.where, lambda: table.delete(one_of("key", others)))

    def _follow(self, seen: Sequence[Seen]) -> None:
        """Give the videos whose content was seen at another path that path: their segments first, as everywhere."""
        now = {one.content: one.source for one in seen}
        if not now:
            return
        videos = self.table(VIDEOS)
        with told(self.where, "read"):
            rows = scan(videos, ("key", "content", "path", "error"), one_of("content", list(now))).to_pylist()
        rows = [row for row in rows if row["path"] != stored(now[row["content"]].path)]
        if not rows:
            return
        moved = {row["key"]: now[row["content"]] for row in rows}
        for table in self.segment_tables():
            with told(self.where, "read"):
                segments = scan(table, ("key", "video"), one_of("video", list(moved)))
            paths = [stored(moved[key].path) for key in segments["video"].to_pylist()]
            merge(self.where, table, _columns(table, key=segments["key"].to_pylist(), path=paths), "key", insert=False)
        columns: dict[str, list[Any]] = {
            "path": [stored(of.path) for of in moved.values()],
            "size": [of.size for of in moved.values()],
            "modified": [of.modified for of in moved.values()],
            "error": [row["error"].replace(row["path"], stored(moved[row["key"]].path)) for row in rows],
        }
        merge(self.where, videos, _columns(videos, key=list(moved), **columns), "key", insert=False)


def open_archive(where: str | Path, create: bool = False) -> Archive:
    """Return the archive in a folder, or at an address such as s3://bucket/library.

    Args:
        where: the folder or address.
        create: make it where there is none; the folder may be there, if it is empty.

    Raises:
        UsageError: the name is empty.
        InputError: there is none, or one that a newer framevote made, or it cannot be read.
        OutputError: it cannot be made.
        MissingExtra: LanceDB is not installed.
    """
    place = str(where)
    if not place:
        raise UsageError("Received an empty text as the name of an archive. Expected a folder, or an address such as s3://bucket/library.")
    if not is_remote(place):
        _check_folder(Path(place), create)
    connection = connect(place)
    videos = open_table(connection, place, VIDEOS)
    if videos is None and not create:
        raise _absent(place)
    if videos is None:
        make_table(connection, place, FILES, files_schema())
        videos = make_table(connection, place, VIDEOS, videos_schema())  # last: where it is, all is
    check_format(place, videos)
    return Archive(place, connection)


def _check_folder(folder: Path, create: bool) -> None:
    """Refuse a folder that is not there, or is full of other things."""
    if not create and not folder.is_dir():
        raise _absent(str(folder))
    if folder.is_dir():
        held = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
        others = [name for name in held if not name.endswith(".lance")]
        if others and len(others) == len(held):
            raise InputError(f"{folder} is no archive: it holds other things, such as {others[0]}. Name a folder of its own.")


def _absent(where: str) -> InputError:
    return InputError(f"There is no archive at {where}. Make one with: framevote archive add VIDEOS --into {where}")


def _columns(table: Table, **columns: list[Any]) -> Any:
    """Return rows with some of a table's columns."""
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    return pa.table(columns, schema=pa.schema([table.schema.field(name) for name in columns]))
