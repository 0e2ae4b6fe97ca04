"""Writing to an archive while others work: a batch at a time, on a thread beside."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, final

from framevote.archive.entries import Entry, Settings
from framevote.archive.store import Archive, Known, Seen

FILES, SECONDS = 64, 10.0
"""A batch is written when it has so many files, or its first has waited so long; the first ones of a run sooner, from a second on, so
that a run that does not live long leaves something too."""

_BEHIND = 8
"""Batches that may wait while one is written; whoever brings more waits too, so that memory stays bounded."""

_COMPACTED = 50
"""Batches after which small files are made into large ones."""

_SPARED = 20
"""Asking what others have done takes longer the more there is; it takes at most one part in so many of the time."""


@final
class Batches:
    """What came of files, on its way into an archive; `with` writes the rest at the end, whatever ends it.

    One commit a file would leave thousands of small files, and become slower with each.

    Attributes:
        known: what the archive has under these settings: looked up anew after a batch, as others may add too.
    """

    def __init__(self, archive: Archive, settings: Settings) -> None:
        self._archive, self._settings = archive, settings
        self._asked = self._took = 0.0
        self.known: Known = self._ask()
        self._waiting: list[Entry | Seen] = []
        self._started = self._since = time.monotonic()
        self._written = 0
        self._beside = ThreadPoolExecutor(1, "archive")
        self._under_way: Future[Known] | None = None
        self._broken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """Write what is there, unless writing is what failed."""
        try:
            if not self._broken:
                self._settle()
                if self._waiting:
                    self._begin()
                    self._settle()
                if self._written and kind is None:
                    self._archive.compact()
        finally:
            self._beside.shutdown()

    def take(self, results: list[Entry | Seen]) -> None:
        """Take what came, perhaps nothing; call it often, since it looks at the clock.

        Raises:
            OutputError: the archive cannot be written.
        """
        if results and not self._waiting:
            self._since = time.monotonic()
        self._waiting.extend(results)
        if self._under_way and (self._under_way.done() or len(self._waiting) >= _BEHIND * FILES):
            self._settle()
        if self._waiting and not self._under_way and self._due():
            self._begin()

    def _due(self) -> bool:
        now = time.monotonic()
        return len(self._waiting) >= FILES or now - self._since >= min(SECONDS, max(1.0, (now - self._started) / 4))

    def _begin(self) -> None:
        entries = [result for result in self._waiting if isinstance(result, Entry)]
        seen = [result for result in self._waiting if isinstance(result, Seen)]
        self._waiting = []
        self._under_way = self._beside.submit(self._write, entries, seen)

    def _write(self, entries: list[Entry], seen: list[Seen]) -> Known:
        self._archive.write(entries, seen)
        self._written += 1
        if self._written % _COMPACTED == 0:
            self._archive.compact()
        return self._ask() if time.monotonic() - self._asked > _SPARED * self._took else self.known

    def _ask(self) -> Known:
        began = time.monotonic()
        known = self._archive.known(self._settings)
        self._asked = time.monotonic()
        self._took = self._asked - began
        return known

    def _settle(self) -> None:
        """Wait for the batch that is being written."""
        if self._under_way:
            try:
                self.known = self._under_way.result()
            except Exception:
                self._broken = True
                raise
            self._under_way = None
