"""LanceDB's tables: opened in a folder or a bucket, read and written beside other processes, with errors as sentences.

LanceDB runs threads of its own and does not survive a fork: whoever works beside it in processes starts them anew (spawn).
"""

import errno
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from framevote.archive.schema import FORMAT, FORMAT_KEY, VIDEOS
from framevote.errors import InputError, OutputError, missing_extra

if TYPE_CHECKING:
    import pyarrow as pa

_T = TypeVar("_T")
Table = Any
"""A table of LanceDB, whose package has no types."""

_TRIES = 20
_TIDIED = r"(not ?found|no such file)\b.*\.(lance|manifest)"
_CONFLICT = re.compile(rf"commit conflict|concurrent writers|concurrent transaction|already exists|{_TIDIED}", re.IGNORECASE)

# So that a bucket that cannot be reached is said within a quarter of a minute, and one that only stutters is waited for.
_PATIENCE = {"connect_timeout": "3s", "timeout": "60s", "client_max_retries": "3", "client_retry_timeout": "15"}

_ON_DISK = {
    errno.ENOSPC: "the disk is full. What was committed before is whole; free some room, and the same command goes on",
    errno.EDQUOT: "your disk quota is used up. What was committed before is whole; free some of it, and the same command goes on",
    errno.EFBIG: "a file would grow beyond what is allowed here. Raise the limit (`ulimit -f`), and the same command goes on",
    errno.EROFS: "the disk can only be read. Name an archive on another one",
    errno.EACCES: "its folder is not open to you. Change its permissions, or name another archive",
    errno.EPERM: "its folder is not open to you. Change its permissions, or name another archive",
    errno.EEXIST: "a file has that name. Name a folder",
    errno.ENOTDIR: "a file has the name of one of its folders. Name another folder",
}
_ELSEWHERE = {
    r"connect error|dns error|ConnectionRefused|timed out|error sending request": (
        "the object storage does not answer. Expected it at the address that AWS_ENDPOINT_URL or the region AWS_REGION names"
    ),
    r"resolve region": "nobody says in which region the bucket lies. Set AWS_REGION, and AWS_ENDPOINT_URL where it is not Amazon's",
    rf"(?i:{_TIDIED})": "another process has tidied up meanwhile what was being read. Do it again",
    r"No object store provider": "there is no such storage. Expected a folder, or an address such as s3://bucket/library",
    r"NoSuchBucket": "there is no such bucket. Make it first, or name another",
    r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|status: 40[13]|Forbidden|credential": (
        "the object storage takes no such keys. Expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of an account that may do so"
    ),
}


def connect(where: str) -> Any:
    """Return LanceDB's connection to a folder, which is made if need be, or to a place on object storage.

    A bucket's address, keys and region come from AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION.

    Raises:
        OutputError: the folder cannot be made.
        MissingExtra: LanceDB is not installed.
    """
    os.environ.setdefault("LANCE_LOG", "error")  # it writes warnings to stderr of its own, where nothing is wrong
    try:
        import lancedb  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise missing_extra("lancedb", "archive", "An archive") from error
    options = dict(_PATIENCE) if is_remote(where) else None
    if options and os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        options["allow_http"] = "true"
    with told(where, "written"):
        return lancedb.connect(where, storage_options=options, read_consistency_interval=timedelta(0))


def is_remote(where: str) -> bool:
    """Whether a place is an address on object storage, and no folder."""
    return "://" in where


def names(connection: Any) -> list[str]:
    """Return the names of the tables that are there."""
    found: list[str] = []
    page = connection.list_tables()
    while page.tables:
        found += page.tables
        if not page.page_token:
            break
        page = connection.list_tables(page_token=page.page_token)
    return found


def open_table(connection: Any, where: str, name: str) -> Table | None:
    """Return a table, None where it is not there; one that was killed while it was made is not there either."""
    try:
        with told(where, "read"):
            return connection.open_table(name)
    except InputError as error:
        if "was not found" in str(error.__cause__):
            return None
        raise


def make_table(connection: Any, where: str, name: str, schema: "pa.Schema") -> Table:
    """Return a table, which is made if need be; other processes may do the same at the same time."""
    return retried(where, lambda: connection.create_table(name, schema=schema, exist_ok=True))


def check_format(where: str, table: Table) -> None:
    """Refuse tables that a newer framevote made, or no framevote.

    Raises:
        InputError: it is so.
    """
    made = (table.schema.metadata or {}).get(FORMAT_KEY, b"").decode(errors="replace")
    if not made.isdecimal():
        raise InputError(f"{where} is no archive of framevote: its table {VIDEOS} has no format. Name another folder.")
    if int(made) > FORMAT:
        raise InputError(f"{where} was made by a newer framevote (format {made}; this one knows up to {FORMAT}). Update framevote.")


def merge(where: str, table: Table, rows: "pa.Table", key: str, insert: bool = True, unless: str | None = None) -> None:
    """Put rows into a table, in one commit: a key that is there is replaced, and stays where the condition `unless` holds.

    Without `insert`, what is not there is left out; the rows may then have some of the columns only.
    """
    if not rows.num_rows:
        return

    def commit() -> None:
        merging = table.merge_insert(key).when_matched_update_all(where=f"NOT ({unless})" if unless else None)
        (merging.when_not_matched_insert_all() if insert else merging).execute(rows)

    retried(where, commit)


def scan(table: Table, columns: Sequence[str], where: str | None = None) -> "pa.Table":
    """Return some columns of the rows for which an SQL condition holds."""
    return _blocks(table, columns, where).read_all()


def each(table: Table, columns: Sequence[str], where: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of `scan` as they are read: dictionaries of a million rows take a gigabyte."""
    for block in _blocks(table, columns, where):
        yield from block.to_pylist()


def one_of(column: str, values: Sequence[str]) -> str:
    """Return the SQL condition that a column's text is one of some."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({quoted})"


def retried(where: str, commit: Callable[[], _T]) -> _T:
    """Return what a commit gives; while other processes come in between it is tried again, with waits that grow.

    Raises:
        OutputError: the archive cannot be written.
    """
    with told(where, "written"):
        for attempt in range(_TRIES):
            try:
                return commit()
            except (RuntimeError, ValueError, OSError) as error:
                if not _in_the_way(error) or attempt == _TRIES - 1:
                    raise
                time.sleep(random.uniform(0, min(2.0, 0.05 * 2**attempt)))
    raise AssertionError("unreachable")


@contextmanager
def giving_way(where: str) -> Iterator[None]:
    """Leave undone, without a word, what is done within, where other processes come in between.

    Raises:
        OutputError: the archive cannot be written.
    """
    with told(where, "written"):
        try:
            yield
        except (RuntimeError, ValueError, OSError) as error:
            if not _in_the_way(error):
                raise


@contextmanager
def told(where: str, done: Literal["read", "written"]) -> Iterator[None]:
    """Turn what LanceDB raises within into a sentence.

    Raises:
        InputError: the archive cannot be read.
        OutputError: it cannot be written.
    """
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        kind = OutputError if done == "written" else InputError
        raise kind(f"The archive {where} cannot be {done}: {well_known(error) or plain(str(error))}.") from error


def well_known(error: Exception) -> str | None:
    """Return, in words, what of disks, buckets or other processes is behind an error; None where it is something else."""
    text = str(error)
    number = re.search(r"os error (\d+)", text)
    code = int(number[1]) if number else getattr(error, "errno", None) or 0
    return _ON_DISK.get(code) or next((reason for sign, reason in _ELSEWHERE.items() if re.search(sign, text)), None)


def plain(text: str) -> str:
    """Return an error of LanceDB without the lines of its own source that it names."""
    return re.sub(r",? ?(location: Location \{|/\S*\.rs:\d+).*", "", text, flags=re.DOTALL).removeprefix("lance error: ").rstrip(" .,")


def _blocks(table: Table, columns: Sequence[str], where: str | None) -> "pa.RecordBatchReader":
    search = table.search().select(list(columns))
    return (search.where(where) if where else search).to_batches()


def _in_the_way(error: Exception) -> bool:
    return bool(_CONFLICT.search(str(error)))
