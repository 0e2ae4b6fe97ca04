"""Videos in buckets (s3://bucket/key): found, looked up, and copied to where a decoder can seek in them."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from framevote.archive.entries import Source
from framevote.errors import InputError, missing_extra
from framevote.video import VIDEO_SUFFIXES

try:
    import fcntl
except ImportError:  # Windows, where nothing locks so, and nothing is swept
    fcntl = None  # type: ignore[assignment]

SCHEME = "s3://"

_CONNECTING, _WAITING, _ATTEMPTS = 3, 10, 3
"""Seconds until nobody answers, seconds without a byte, and how often each is borne: an unreachable bucket is told in 10 s."""

_CHUNK = 4 << 20
_PREFIX = "framevote-object-"
_ABANDONED = 60.0
"""Seconds after which a copy that nobody holds locked is left over from a process that was killed; a copy is locked within far less."""

_REFUSED = re.compile("ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE|TOKEN|CREDENTIALS|NOT_INITIALIZED|AUTHENTICATION|HTTP status 40[13]")


def find_objects(address: str) -> Iterator[Source]:
    """Yield the videos below an address, in order of their names; an address of one object is that object, whatever its suffix.

    Raises:
        InputError: there is no such bucket or object, no video below it, it may not be read, or nobody answers.
        MissingExtra: pyarrow is absent.
    """
    place = _place(address)
    with _told(address):
        system = _connection(address)
        found = system.get_file_info(place)
        if found.is_file:
            yield _source(found)
            return
        inside = _below(system, place)
        bucket = place.partition("/")[0]
        if not inside and system.get_file_info(bucket).type.name == "NotFound":
            raise InputError(_no_bucket(address, bucket))
    if not inside:
        raise InputError(
            f"{address} holds no video, or does not exist. Expected an object, or a prefix above objects such as .mp4, .mkv, .mov or .avi."
        )
    yield from sorted(inside, key=lambda source: source.path)


def look_up(address: str) -> Source | None:
    """Return an object as it is now; None: there is none.

    Raises:
        InputError: it may not be read, or nobody answers.
    """
    with _told(address):
        found = _connection(address).get_file_info(_place(address))
        return _source(found) if found.is_file else None


@contextmanager
def copied(source: Source) -> Iterator[Path]:
    """Give a temporary copy of an object, in the folder that TMPDIR names; it is removed afterwards.

    What processes left that were killed with a copy in their hands is removed too.

    Raises:
        InputError: it cannot be read, or the disk has no room for it.
    """
    folder = Path(tempfile.gettempdir())
    _sweep(folder)
    if shutil.disk_usage(folder).free < source.size:
        raise InputError(_full(source, folder))
    with tempfile.NamedTemporaryFile(prefix=_PREFIX, suffix=PurePosixPath(source.path).suffix) as target:
        if fcntl:
            fcntl.flock(target, fcntl.LOCK_EX)
        with _told(source.path), _connection(source.path).open_input_stream(_place(source.path)) as stream:
            while chunk := stream.read(_CHUNK):
                _write(chunk, target, source, folder)
        yield Path(target.name)


def _write(chunk: bytes, target: Any, source: Source, folder: Path) -> None:
    try:
        target.write(chunk)
        target.flush()
    except OSError as error:
        target.truncate(0)  # so that closing it finds room
        raise InputError(_full(source, folder)) from error


def _full(source: Source, folder: Path) -> str:
    return (
        f"{source.path} cannot be copied here to be read: {folder} has no room for its {source.size / 2**20:.0f} MiB. "
        "Free some, or name another folder with TMPDIR."
    )


def _sweep(folder: Path) -> None:
    """Remove the copies of processes that are no more: what one of them holds, it holds locked."""
    for left in folder.glob(f"{_PREFIX}*") if fcntl else ():
        with suppress(OSError), left.open("rb") as held:  # another's, or held
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(held.fileno()).st_mtime > _ABANDONED:
                left.unlink()


def _below(system: Any, place: str) -> list[Source]:
    from pyarrow.fs import FileSelector  # noqa: PLC0415 - heavy, and of an extra

    found = system.get_file_info(FileSelector(place, recursive=True, allow_not_found=True))
    return [_source(object_) for object_ in found if object_.is_file and _is_video(PurePosixPath(object_.path))]


def _is_video(key: PurePosixPath) -> bool:
    return key.suffix.lower() in VIDEO_SUFFIXES and not key.name.startswith(".")


def _source(found: Any) -> Source:
    # A listing may tell milliseconds where a look at one object tells whole seconds.
    return Source(SCHEME + found.path, found.size, float(int(found.mtime.timestamp())))


def _place(address: str) -> str:
    """Return an address as Arrow names it, bucket/key."""
    place = address.removeprefix(SCHEME).strip("/")
    if not place:
        raise InputError(f"{address} names no bucket. Expected an address such as s3://bucket/videos.")
    return place


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _connection(address: str) -> Any:
    endpoint = _endpoint()
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ("us-east-1" if endpoint else "")
    bucket = "" if region else _place(address).partition("/")[0]
    return _connected(endpoint, region, bucket, os.environ.get("AWS_ACCESS_KEY_ID", ""))


@cache
def _connected(endpoint: str, region: str, bucket: str, _key: str) -> Any:
    """Return a file system that keeps its connections; of a bucket whose region nobody names, S3 itself tells it."""
    try:
        from pyarrow import fs  # noqa: PLC0415 - heavy, and of an extra
    except ImportError as error:
        raise missing_extra("pyarrow", "archive", "Reading videos from s3://") from error
    return fs.S3FileSystem(
        endpoint_override=endpoint or None,
        region=region or fs.resolve_s3_region(bucket),
        connect_timeout=_CONNECTING,
        request_timeout=_WAITING,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn what Arrow and S3 say into a sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{address} was deleted since it was listed. List again.") from error
    except (OSError, ValueError) as error:  # Arrow's own "invalid" is a ValueError
        raise InputError(_sentence(address, str(error))) from error


def _sentence(address: str, said: str) -> str:
    bucket = _place(address).partition("/")[0]
    endpoint = _endpoint() or "Amazon S3"
    if "NO_SUCH_BUCKET" in said or "not found" in said:
        return _no_bucket(address, bucket)
    if _REFUSED.search(said):
        key = "those of AWS_ACCESS_KEY_ID" if os.environ.get("AWS_ACCESS_KEY_ID") else "none in AWS_ACCESS_KEY_ID"
        return (
            f"{address} cannot be read: {endpoint} refuses it. Received credentials: {key}. Expected some that may list and read the "
            "bucket: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile of ~/.aws, or the machine's role."
        )
    if "NETWORK_CONNECTION" in said:
        why = said.rpartition("Details: ")[2].rstrip(".")
        return f"{address} cannot be read: no answer from {endpoint} ({why}). Check the network and AWS_ENDPOINT_URL."
    return f"{address} cannot be read: {said.rstrip('.')}."


def _no_bucket(address: str, bucket: str) -> str:
    return f"{address} cannot be read: {_endpoint() or 'Amazon S3'} has no bucket {bucket}. Check the name."
