"""Shares of a list of files that several machines agree on without speaking to one another."""

import zlib
from collections.abc import Sequence
from pathlib import Path

from framevote.archive.entries import Source
from framevote.archive.listing import straight
from framevote.errors import UsageError


def check_shard(shard: tuple[int, int] | None) -> None:
    """Refuse a share that there is not.

    Raises:
        UsageError: it is so.
    """
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise UsageError(f"A shard is one of several, such as 3/8: the third of eight. Received: {shard[0]}/{shard[1]}")


def in_shard(source: Source, given: Sequence[str], shard: tuple[int, int] | None) -> bool:
    """Return whether a file is in a share (3, 8) of the files that were found in `given`.

    What counts is the name within the folder that was given, since machines may see a shared folder at different places.
    """
    if shard is None:
        return True
    number, count = shard
    roots = [root for each in given if source.path.startswith(root := _root(each))]
    name = source.path.removeprefix(max(roots, key=len, default=""))
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % count == number - 1


def _root(given: str) -> str:
    """Return what the paths of the files in a folder begin with; of a single file, its folder."""
    whole = given if "://" in given else str(Path(straight(given)).absolute())
    return whole.rstrip("/") + "/" if "://" in given or Path(given).is_dir() else str(Path(whole).parent).rstrip("/") + "/"
