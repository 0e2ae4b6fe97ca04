"""The files that an archive is made of: listed, and given to whoever reads them as they were listed."""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from framevote.archive.entries import Source
from framevote.archive.objects import SCHEME, copied, find_objects, look_up
from framevote.errors import InputError
from framevote.labeling import find_videos

_OTHER_SCHEME = re.compile(r"(?!s3:)[A-Za-z][A-Za-z0-9+.-]+://")


def list_sources(paths: Iterable[str | Path], fail: Callable[[InputError], object]) -> Iterator[Source]:
    """Yield every video of files, folders (searched to the bottom) and addresses such as s3://bucket/videos, each once.

    Args:
        paths: what to look through, in order; a file or an object that is named itself is taken whatever its suffix.
        fail: told what cannot be listed; the rest goes on.

    Raises:
        MissingExtra: an address in a bucket, and pyarrow is absent.
    """
    listed: set[str] = set()
    for path in map(str, paths):
        try:
            for source in _found(path, fail):
                if source.path not in listed:
                    listed.add(source.path)
                    yield source
        except InputError as error:
            fail(error)


def straight(path: str) -> str:
    """Return a path without "..", so that a file has one name wherever it was called from; as it is, where a link makes that another."""
    if ".." in Path(path).parts:
        whole = os.path.normpath(Path(path).absolute())
        with suppress(OSError, ValueError):  # it is not there, or no name at all: whoever looks at it says so
            if Path(whole).samefile(path):
                return whole
    return path


@contextmanager
def fetched(source: Source) -> Iterator[Path]:
    """Give a local path of a video: itself, or a temporary copy of an object, which is removed afterwards.

    Raises:
        InputError: the video is not, or did not stay, as it was listed; it cannot be read; the disk has no room for a copy.
        MissingExtra: an object, and pyarrow is absent.
    """
    _check_unchanged(source)
    if source.path.startswith(SCHEME):
        with copied(source) as copy:
            _check_unchanged(source)  # it is read in several requests
            yield copy
    else:
        yield Path(source.path)
        _check_unchanged(source)


def _found(path: str, fail: Callable[[InputError], object]) -> Iterator[Source]:
    if path.startswith(SCHEME):
        yield from find_objects(path)
        return
    if _OTHER_SCHEME.match(path):
        raise InputError(f"{path} cannot be read. Expected a file, a folder, or an address such as s3://bucket/videos.")
    for file, _ in find_videos([straight(path)]):
        try:
            yield _local(str(file.absolute()))
        except InputError as error:
            fail(error)


def _local(path: str) -> Source:
    try:
        told = Path(path).stat()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist. Expected a video file, or a folder of videos.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path!r} cannot be looked at: {getattr(error, 'strerror', None) or error}.") from error
    if not stat.S_ISREG(told.st_mode):
        raise InputError(f"{path} is no file. Expected a video file, or a folder of videos.")
    return Source(path, told.st_size, told.st_mtime)


def _check_unchanged(source: Source) -> None:
    now = look_up(source.path) if source.path.startswith(SCHEME) else _local(source.path) if os.path.lexists(source.path) else None
    if now is None:
        raise InputError(
            f"{source.path} was deleted since it was listed. If it comes back, add it again with --retry (in Python: retry=True)."
        )
    if now != source:
        raise InputError(
            f"{source.path} changed since it was listed ({source.size} bytes then, {now.size} now, or another time). "
            "Add it again once whatever writes it has finished."
        )
