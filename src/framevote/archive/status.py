"""How an archive stands: what was done and what failed under each settings, and how it lies on the disk."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framevote.archive.entries import Settings
from framevote.archive.schema import settings_of
from framevote.archive.tables import Table, scan, told

_SCATTERED = 32
"""Small pieces of a table from which on it is worth joining them."""


@dataclass(frozen=True)
class Group:
    """What was done under one set of settings.

    Attributes:
        fingerprint: that of the settings.
        settings: the settings.
        done, failed: how many videos.
        hours: how long those that are done last together.
        segments: how many they have together.
    """

    fingerprint: str
    settings: Settings
    done: int
    failed: int
    hours: float
    segments: int


@dataclass(frozen=True)
class Status:
    """How an archive stands.

    Attributes:
        where: its folder or address.
        groups: one for each set of settings, the one with the most videos first.
        paths: how many paths were looked at.
        pieces: how many pieces the tables lie in.
        scattered: whether these are so many that `Archive.compact` would make it quicker.
        files, bytes: on the disk, with what was replaced lately; None on object storage.
    """

    where: str
    groups: tuple[Group, ...]
    paths: int
    pieces: int
    scattered: bool
    files: int | None
    bytes: int | None

    @property
    def done(self) -> int:
        """How many videos are done, each counted once for each settings."""
        return sum(group.done for group in self.groups)

    @property
    def failed(self) -> int:
        """How many videos failed, each counted once for each settings."""
        return sum(group.failed for group in self.groups)

    @property
    def hours(self) -> float:
        """How many hours those that are done last together."""
        return sum(group.hours for group in self.groups)


def groups_of(videos: Table, failing: Iterable[Mapping[str, Any]]) -> tuple[Group, ...]:
    """Return what was done under each settings, by the table of videos and the rows of those that failed."""
    done = scan(videos, ("settings", "settings_json", "duration", "segments"), "state = 'done'")
    sums = done.group_by("settings").aggregate(
        [("settings", "count"), ("settings_json", "min"), ("duration", "sum"), ("segments", "sum")],
    )
    found = {row["settings"]: row for row in sums.to_pylist()}
    failed = Counter(row["settings"] for row in failing)
    texts = {row["settings"]: row["settings_json"] for row in failing} | {name: row["settings_json_min"] for name, row in found.items()}
    groups = [_group(name, text, found.get(name, {}), failed[name]) for name, text in texts.items()]
    return tuple(sorted(groups, key=lambda group: (-group.done - group.failed, group.fingerprint)))


def pieces_of(where: str, tables: Sequence[Table]) -> tuple[int, bool]:
    """Return in how many pieces tables lie, and whether one of them lies in so many small ones that it should be compacted."""
    with told(where, "read"):
        counts = [table.stats()["fragment_stats"] for table in tables]
    return sum(count["num_fragments"] for count in counts), any(count["num_small_fragments"] >= _SCATTERED for count in counts)


def size_on_disk(folder: Path) -> tuple[int, int]:
    """Return how many files a folder holds, and their bytes; others may remove some meanwhile."""
    files = size = 0
    for path in folder.rglob("*"):
        try:
            told_of = path.stat()
        except OSError:
            continue
        if path.is_file():
            files, size = files + 1, size + told_of.st_size
    return files, size


def _group(fingerprint: str, text: str, sums: Mapping[str, Any], failed: int) -> Group:
    hours, segments = (sums.get("duration_sum") or 0.0) / 3600, sums.get("segments_sum") or 0
    return Group(fingerprint, settings_of(text), sums.get("settings_count", 0), failed, hours, segments)
