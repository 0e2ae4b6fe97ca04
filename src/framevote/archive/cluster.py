"""Adding videos with the help of Ray: on this machine, or on many.

Ray Data hands the files to a pool of actors, and each has the very same job done that a worker does here (`workers`), in a child process
of its own: a file that kills its process becomes a failed entry, and Ray never hears of it. What is Ray's: where actors live, what goes
where and when, to hold back where results are not taken, and to go on without a machine that fails. What is ours: how often a file may
lose its machine until it counts as failed, and the writing, in the process that called, so that an archive has one writer and rows come
in batches here as there. Nothing is lost: a file is through when its result has come. Nothing comes twice: a second result of a file is
dropped, and rows are written by their key. A run that is killed is begun anew with the same call, and goes on where it was.

Ray itself is loaded in a process beside (`cluster_driver`): what it prints, sets and starts stays there, and LanceDB stays here.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack, final

from framevote.archive.adding import Fail, Progress, StartEngine, add
from framevote.archive.cluster_actors import Ended, Fault, Order, Question, Told
from framevote.archive.dying import ending, last_line
from framevote.archive.entries import Entry, Settings
from framevote.archive.settling import Looking
from framevote.archive.standing import Standing
from framevote.archive.store import Seen
from framevote.archive.workers import JOB
from framevote.archive.working import Task
from framevote.errors import Error, UsageError, missing_extra

_PROGRAM = "from framevote.archive.cluster_driver import main; main()"

_BARREN = 3
"""Where Ray ends before it has answered for every file, the rest is begun anew; this often in a row without a single file through."""

_LETTERS = 30

_TICK = 0.25
_LEAVE = 60.0
"""Seconds that Ray is given to end in order."""


def add_on(
    on: str,
    paths: Iterable[str | Path],
    into: str | Path,
    *,
    shard: tuple[int, int] | None = None,
    workers: int | None = None,
    longest: float | None = None,
    memory: float | None = None,
    retry: bool = False,
    progress: Progress | None = None,
    fail: Fail | None = None,
    notify: Callable[[str], None] | None = None,
    **looking: Unpack[Looking],
) -> Standing:
    """Add videos to an archive as `framevote.archive.adding.add` does, with the help of Ray.

    Every machine must reach the videos, and the model by the same name; the archive is written by this process alone.

    Args:
        on: where; see `engine_on`.
        paths: videos, folders of videos, and addresses such as s3://bucket/videos.
        into: the archive: a folder, or an address; made where there is none.
        shard: as `add` takes it; here it is seldom of use.
        workers: see `engine_on`.
        longest: see `engine_on`.
        memory: see `engine_on`.
        retry: whether files that failed before are tried again.
        progress: told several times a second how far the run is.
        fail: told why a file failed.
        notify: told in a sentence when something takes long.
        looking: how to look, as `add` takes it.

    Raises:
        Error: there is no such cluster, or it went away.
        UsageError, ModelError, OutputError, MissingExtra: as `add`.
    """
    return add(
        paths,
        into,
        shard=shard,
        retry=retry,
        engine=engine_on(on, workers, longest, memory),
        progress=progress,
        fail=fail,
        notify=notify,
        **looking,
    )


def engine_on(on: str, workers: int | None = None, longest: float | None = None, memory: float | None = None) -> StartEngine:
    """Return what has files looked at by Ray, as `add` and `retry_failed` take it.

    Args:
        on: `local` starts Ray here and stops it afterwards; `auto` takes the cluster that this machine belongs to; ray://host:10001
            is a cluster elsewhere.
        workers: how many look at files; None is one for each core of the cluster.
        longest: seconds that a file may take; None is an hour.
        memory: GB that a worker may have; None is its share of four fifths of its machine's.

    Raises:
        UsageError: an argument is wrong.
        MissingExtra: Ray is absent.
    """
    if on not in ("local", "auto") and not (on.startswith("ray://") and on.removeprefix("ray://")):
        raise UsageError(f"Received the cluster {on!r}. Expected local, auto, or an address such as ray://head:10001.")
    for name, value in (("workers", workers), ("longest", longest), ("memory", memory)):
        if value is not None and not value > 0:
            raise UsageError(f"{name} takes a number above 0. Received: {value!r}")
    if not importlib.util.find_spec("ray"):
        raise missing_extra("ray", "ray", f"Work on the cluster {on}")
    return partial(Cluster, on=on, workers=workers, longest=longest, memory=None if memory is None else memory * 1e9)


@final
class Cluster:
    """Ray, as an engine of `add`; `with` ends what was started for it, and lets a cluster of others be."""

    def __init__(
        self,
        settings: Settings,
        on: str = "local",
        workers: int | None = None,
        longest: float | None = None,
        memory: float | None = None,
        job: str = JOB,
    ) -> None:
        """Take how to look; see `engine_on` (`memory` in bytes here) and `Workers`."""
        self._order = Order(settings, on, workers, longest, memory, job)
        self._driver: _Driver | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._driver:
            self._driver.stop()
            self._driver = None

    def run(self, tasks: Iterable[Task], known: Callable[[str], bool]) -> Iterator[list[Entry | Seen]]:
        """Yield what came of the files as it comes, every moment, then perhaps nothing; see `Workers.run`.

        Raises:
            Error: there is no such cluster, it went away, or what would meet every file: the model cannot be had or has changed.
        """
        waiting = {task.source.path: task for task in tasks}
        answers: dict[Question, bool] = {}

        def answer(question: Question) -> bool:
            # A file whose machine is lost asks once more: what it was told to bring, it must bring still.
            if question not in answers:
                answers[question] = known(question.content)
            return answers[question]

        barren = 0
        while waiting:
            before = len(waiting)
            why = yield from self._round(waiting, answer)
            barren = barren + 1 if len(waiting) == before else 0
            if barren == _BARREN:
                raise Error(
                    f"Ray ended {_BARREN} times in a row before any of {before} files was through{f' ({why})' if why else ''}. What was "
                    "finished is in the archive; the same call goes on."
                )

    def _round(self, waiting: dict[str, Task], answer: Callable[[Question], bool]) -> Generator[list[Entry | Seen], None, str]:
        """Have the files that wait looked at, and take out of them those that are through; return why Ray ended early, if it did."""
        self._driver = self._driver or _Driver(self._order)
        self._driver.send(tuple(waiting.values()))
        while True:
            through: list[Entry | Seen] = []
            for told in self._driver.heard():
                match told:
                    case Question():
                        self._driver.send((told, answer(told)))
                    case Fault():
                        raise told.error
                    case Ended():
                        yield through
                        return told.why
                    case Entry() | Seen() if waiting.pop(told.source.path, None):
                        through.append(told)
            yield through


@final
class _Driver:
    """The process in which Ray is loaded."""

    def __init__(self, order: Order) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="framevote-ray-", dir=_folder(), ignore_cleanup_errors=True)
        self._connection, other = Pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (it goes with the process)
        with other:
            self._process = subprocess.Popen(
                # -P: what lies in the working directory must not be imported.
                [sys.executable, "-P", "-c", _PROGRAM, str(other.fileno()), self._folder.name],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                process_group=0,  # what a terminal sends to the run's group, as Ctrl-C, is for the parent alone
            )
        self.send(order)

    def send(self, message: object) -> None:
        """Say something; one that has died is heard of next."""
        try:
            self._connection.send(message)
        except OSError:
            return

    def heard(self) -> list[Told]:
        """Return what it tells within a moment.

        Raises:
            Error: it has died.
        """
        try:
            return self._connection.recv() if self._connection.poll(_TICK) else []
        except (EOFError, OSError) as error:
            code = self._process.wait()
            said = last_line(self._log) if code > 0 else ""
            raise Error(
                f"The process that speaks with Ray {ending(code)}{f' and said: {said}' if said else ''}. What was finished is in the "
                "archive; the same call goes on."
            ) from error

    def stop(self) -> None:
        """End it and what it has started; whatever is being looked at is dropped."""
        with self._folder, self._log, self._process as process:
            self._connection.close()
            try:
                process.wait(_LEAVE)
            except subprocess.TimeoutExpired:
                process.kill()
            if process.wait():
                with suppress(OSError):  # most of what it has started is of its group; the rest leaves when it misses it
                    os.killpg(process.pid, signal.SIGKILL)


def _folder() -> str | None:
    """Return where Ray puts its logs and sockets, whose names may have 107 letters in all; None is the usual place."""
    return "/tmp" if len(tempfile.gettempdir()) > _LETTERS and Path("/tmp").is_dir() else None
