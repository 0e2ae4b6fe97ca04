"""Adding videos to an archive: what it lacks is looked at by worker processes and written in batches.

A run keeps no state beside the archive. Stopped or killed at any moment, the same call goes on where it was; what was finished but
not yet written, a few seconds' work, is done again. Several runs may add to one archive at once: each takes the files in an order of
its own, and looks up after every batch what the others have done meanwhile.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Protocol, Unpack, final

from framevote.archive.batches import Batches
from framevote.archive.entries import Entry, Settings, Source
from framevote.archive.listing import list_sources
from framevote.archive.settling import Looking, check_model, settle
from framevote.archive.sharding import check_shard, in_shard
from framevote.archive.standing import Standing
from framevote.archive.store import Archive, Seen, open_archive
from framevote.archive.workers import Workers
from framevote.archive.working import Task
from framevote.errors import Error, InputError, ModelError, UsageError

Progress = Callable[[Standing], object]
Fail = Callable[[Error], object]


class Engine(Protocol):
    """What looks at files: `Workers` on this machine, or a cluster."""

    def run(self, tasks: Iterable[Task], known: Callable[[str], bool]) -> Iterator[list[Entry | Seen]]:
        """Yield what came of the files as it comes, every moment, then perhaps nothing."""


StartEngine = Callable[[Settings], AbstractContextManager[Engine]]


def add(
    paths: Iterable[str | Path],
    into: str | Path,
    *,
    shard: tuple[int, int] | None = None,
    workers: int | None = None,
    longest: float | None = None,
    memory: float | None = None,
    retry: bool = False,
    engine: StartEngine | None = None,
    progress: Progress | None = None,
    fail: Fail | None = None,
    notify: Callable[[str], None] | None = None,
    **looking: Unpack[Looking],
) -> Standing:
    """Add videos to an archive; those that it has under these settings are passed over.

    Args:
        paths: videos, folders of videos, and addresses such as s3://bucket/videos.
        into: the archive: a folder, or an address; made where there is none.
        shard: (3, 8) takes the third of eight shares, which are settled by the files' names alone.
        workers: how many processes look at videos; None is one for each core.
        longest: seconds that a file may take; None is an hour.
        memory: GB that a worker may have; None is its share of four fifths of the machine's, at least 1.
        retry: whether files that failed before are tried again.
        engine: starts what looks at the files, in place of workers here.
        progress: told several times a second how far the run is.
        fail: told why a file failed.
        notify: told in a sentence when something takes long.
        looking: see `Looking`.

    Returns:
        How it went.

    Raises:
        UsageError: an argument is wrong.
        ModelError: the model cannot be had, or changes meanwhile.
        OutputError: the archive cannot be written; what was finished is kept as far as that goes, and the same call goes on later.
        MissingExtra: an optional package is absent.
    """
    start = engine or _local(workers, longest, memory)
    check_shard(shard)
    settings = settle(**looking, notify=notify)
    told: list[Error] = []
    given = list(map(str, paths))
    sources = list(list_sources(given, partial(_tell, told, fail)))
    if told and not sources:  # a mistyped path makes no archive
        return Standing(missing=len(told))
    archive = open_archive(str(into), create=True)
    mine = [source for source in sources if in_shard(source, given, shard)]
    run = _Run(archive, settings, retry, progress, fail)
    done = run.over(mine, start)
    return replace(done, missing=len(told))


def retry_failed(
    into: str | Path,
    *,
    workers: int | None = None,
    longest: float | None = None,
    memory: float | None = None,
    engine: StartEngine | None = None,
    progress: Progress | None = None,
    fail: Fail | None = None,
) -> Standing:
    """Try every file of an archive that failed again, under the settings under which it did.

    What was looked at by a model that is no longer the same is told to `fail`; the rest goes on. The arguments, and what is raised, are
    those of `add`.
    """
    archive = open_archive(str(into))
    start = engine or _local(workers, longest, memory)
    total = Standing()
    failures = sorted(archive.failed(), key=lambda failure: failure.settings.fingerprint)
    for _, group in groupby(failures, key=lambda failure: failure.settings.fingerprint):
        same = list(group)
        told: list[Error] = []
        try:
            check_model(same[0].settings)
        except ModelError as error:
            _tell(told, fail, error)
            total += Standing(missing=len(same))
            continue
        sources = list(list_sources([failure.source.path for failure in same], partial(_tell, told, fail)))
        total += replace(_Run(archive, same[0].settings, True, progress, fail).over(sources, start), missing=len(told))
    return total


@final
class _Run:
    """One run over a list of files under one set of settings."""

    def __init__(self, archive: Archive, settings: Settings, retry: bool, progress: Progress | None, fail: Fail | None) -> None:
        self._archive, self._settings, self._retry = archive, settings, retry
        self._progress, self._fail = progress, fail
        self._claimed: set[str] = set()  # contents that a worker of this run has been given
        self._failed: set[str] = set()  # contents that failed before, and are not tried again
        self._standing = Standing()

    def over(self, sources: Sequence[Source], start: StartEngine) -> Standing:
        """Look at what the archive lacks, and write it."""
        began = time.monotonic()
        with Batches(self._archive, self._settings) as batches:
            lacking = [source for source in sources if self._task(source, batches)]
            self._standing = replace(self._standing, of=len(lacking), size=sum(source.size for source in lacking))
            if not lacking:
                return self._standing
            random.SystemRandom().shuffle(lacking)  # in another order than that of a run beside this one, so that both do little twice
            with start(self._settings) as engine:
                for results in engine.run(self._tasks(lacking, batches), partial(self._known, batches)):
                    batches.take(results)
                    self._tell(results, time.monotonic() - began)
        return replace(self._standing, wall=time.monotonic() - began)

    def _tell(self, results: Iterable[Entry | Seen], wall: float) -> None:
        for result in results:
            self._standing = self._standing.after(result)
            if isinstance(result, Seen) and result.content in self._failed:
                self._standing += Standing(known_failed=1)
            if isinstance(result, Entry) and result.state == "failed" and self._fail:
                self._fail(InputError(result.error))
        self._standing = replace(self._standing, wall=wall)
        if self._progress:
            self._progress(self._standing)

    def _tasks(self, lacking: Iterable[Source], batches: Batches) -> Iterator[Task]:
        """Yield what is still lacking when its turn comes."""
        for source in lacking:
            if task := self._task(source, batches):
                yield task
            else:
                self._standing += Standing(files=1, read=source.size)

    def _task(self, source: Source, batches: Batches) -> Task | None:
        """Return the task that a file is; None where the archive has it, which is counted.

        What could not even be read is tried again each time: that may have been the disk's fault, or the network's.
        """
        content = batches.known.content_of(source)
        state = batches.known.state_of(content) if content else None
        if state is None or (state == "failed" and self._retry):
            return Task(source, content or "")
        self._standing += Standing(known=1, known_failed=int(state == "failed"))
        return None

    def _known(self, batches: Batches, content: str) -> bool:
        """Return whether a content needs no work: the archive has it, or another file of this run brings it."""
        state = batches.known.state_of(content)
        if content in self._claimed or state == "done":
            return True
        if state == "failed" and not self._retry:
            self._failed.add(content)
            return True
        self._claimed.add(content)
        return False


def _local(workers: int | None, longest: float | None, memory: float | None) -> StartEngine:
    """Return what starts workers on this machine."""
    for name, value in (("workers", workers), ("longest", longest), ("memory", memory)):
        if value is not None and not value > 0:
            raise UsageError(f"{name} takes a number above 0. Received: {value!r}")
    return lambda settings: Workers(settings, workers, longest, None if memory is None else memory * 1e9)


def _tell(told: list[Error], fail: Fail | None, error: Error) -> None:
    told.append(error)
    if fail:
        fail(error)
