"""Where embeddings are remembered: a folder that several processes may use at once."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW

_MOST_BYTES = 8 << 30  # on disk; the oldest embeddings make room


class PlainDisk(diskcache.Disk):  # type: ignore[misc]
    """Keeps bytes as they are, and never unpickles what somebody has put into the folder."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        """Return what was kept, in the index or (what is larger: a clip's rows) in a file of its own; nothing where it is not plain."""
        return super().fetch(mode, filename, value, read) if mode in (MODE_RAW, MODE_BINARY) else None


class Store:
    """Bytes by key; whatever SQLite and the disk raise costs only what would have been remembered."""

    def __init__(self, folder: Path) -> None:
        self._cache: Any = None
        with suppress(Exception):  # a closed folder, a full disk, an index that is damaged: whatever SQLite raises
            self._cache = diskcache.Cache(folder, size_limit=_MOST_BYTES, disk=PlainDisk)

    def get(self, key: str) -> bytes | None:
        """Return what was kept under a key, or None."""
        found = None
        if self._cache is not None:
            with suppress(Exception):
                found = self._cache.get(key)
        return found if isinstance(found, bytes) else None

    def set(self, key: str, value: bytes) -> None:
        """Keep bytes under a key, where they can be kept."""
        if self._cache is not None:
            with suppress(Exception):
                self._cache.set(key, value)

    def close(self) -> None:
        """Close the folder."""
        if self._cache is not None:
            with suppress(Exception):
                self._cache.close()
