"""How far a run over many files is."""

from dataclasses import dataclass, fields, replace
from typing import Self

from framevote.archive.entries import Entry
from framevote.archive.store import Seen


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        files, of: how many files are through, and how many there were to do.
        read, size: their bytes.
        done, failed, same: files that were labelled, that could not be, and whose content was there already (moved, or copies).
        known: files that the archive had before.
        known_failed: those among `known` and `same` whose content could not be labelled before, and was not tried again.
        missing: what was named and could not be listed.
        video: seconds of video that were looked at.
        wall: seconds that the work has taken.
        processor: processor seconds of the workers.
    """

    files: int = 0
    of: int = 0
    read: int = 0
    size: int = 0
    done: int = 0
    failed: int = 0
    same: int = 0
    known: int = 0
    known_failed: int = 0
    missing: int = 0
    video: float = 0.0
    wall: float = 0.0
    processor: float = 0.0

    def after(self, result: Entry | Seen) -> "Standing":
        """Return how far it is with one more file."""
        through = replace(self, files=self.files + 1, read=self.read + result.source.size)
        if isinstance(result, Seen):
            return replace(through, same=self.same + 1)
        through = replace(through, processor=self.processor + result.seconds)
        if result.state == "failed":
            return replace(through, failed=self.failed + 1)
        return replace(through, done=self.done + 1, video=self.video + float(result.probe.get("duration") or 0.0))

    def __add__(self, other: Self) -> "Standing":
        return Standing(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    @property
    def rate(self) -> float:
        """Seconds of video a second; a sixtieth of it is hours a minute."""
        return self.video / self.wall if self.wall > 0 else 0.0

    @property
    def left(self) -> float:
        """Seconds that the rest will take, by the bytes that are through; infinite before the first."""
        return self.wall * (self.size - self.read) / self.read if self.read else float("inf")
