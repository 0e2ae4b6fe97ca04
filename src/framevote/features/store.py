"""Where embeddings are remembered: a folder that several processes may use at once."""

from pathlib import Path
from typing import Any

import diskcache
from diskcache.core import MODE_PICKLE

_MOST_BYTES = 8 << 30  # on disk; the oldest embeddings make room


class PlainDisk(diskcache.Disk):  # type: ignore[misc]
    """Keeps bytes as they are, and never unpickles what somebody has put into the folder."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        """Return what was kept; nothing where it is no plain value."""
        return None if mode == MODE_PICKLE else super().fetch(mode, filename, value, read)


def opened(folder: Path) -> Any:
    """Return the cache in a folder; None where there can be none: embeddings can always be computed anew."""
    try:
        return diskcache.Cache(folder, size_limit=_MOST_BYTES, disk=PlainDisk)
    except Exception:  # a closed folder, a full disk, an index that is damaged: whatever SQLite raises
        return None
