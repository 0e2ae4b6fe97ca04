"""What an archive knows: which files were looked at, and what came of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, final

from framevote.archive.entries import Settings, Source, State
from framevote.archive.schema import restored

_Place = tuple[str, int, float]


@dataclass(frozen=True)
class Seen:
    """A file whose content the archive has already: it was moved, or is a copy."""

    source: Source
    content: str


@dataclass(frozen=True)
class Failure:
    """A file that failed under some settings, and the sentence that says why."""

    source: Source
    settings: Settings
    error: str


@final
@dataclass(frozen=True)
class Known:
    """What an archive knew under one set of settings when it was asked."""

    _contents: Mapping[_Place, str]
    _states: Mapping[str, State]

    @classmethod
    def of(cls, files: Iterable[Mapping[str, Any]], videos: Iterable[Mapping[str, Any]]) -> Self:
        """Return what the rows of the two tables say."""
        states: dict[str, State] = {row["content"]: row["state"] for row in videos if row["content"]}
        return cls({_place(source_of(row)): row["content"] for row in files if row["content"]}, states)

    def content_of(self, source: Source) -> str | None:
        """Return the content of a file that was looked at before, under any settings, and has the same path, size and time since."""
        return self._contents.get(_place(source))

    def state_of(self, content: str) -> State | None:
        """Return what came of a content under these settings; None: nothing yet."""
        return self._states.get(content)


def source_of(row: Mapping[str, Any]) -> Source:
    """Return the file that a row of `videos` or `files` tells of."""
    return Source(restored(row["path"]), row["size"], row["modified"])


def _place(source: Source) -> _Place:
    return source.path, source.size, source.modified
