"""Worker processes: several files at once on one machine, each in a process that may die of it.

Processes, and not threads, for three reasons. A file that crashes the decoder takes one process and so one file, not the run; only a
process can be stopped when a file takes too long or too much memory. Nothing waits for Python's one lock. And each worker needs just
one thread for decoding and one for the network: a decoder with many threads waits at every keyframe, and its threads stand in the
network's way. Measured on two cores, 360p, one frame every 4 s by `Every(seconds=4)`: one process with every thread looks at 49
seconds of video a second and uses 1.0 cores, two workers look at 97 and use 1.7, for a sixth less processor time a frame.

Workers are started as programs of their own and not by `multiprocessing`, whose spawned processes run the caller's main module anew
and load NumPy before its threads can be bounded. Nothing is ever forked, which LanceDB does not survive; workers do not load it.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, final

from framevote.archive.dying import ending, how, last_line
from framevote.archive.entries import Entry, Settings
from framevote.archive.store import Seen
from framevote.archive.working import ENVIRONMENT, Task, Told
from framevote.errors import Error, missing_extra

JOB = "framevote.archive.describing"
LONGEST = 3600.0
"""Seconds that a file may take where nobody says otherwise."""

# Imported and not run with -m: what it sends is pickled by the module's name.
_PROGRAM = "from framevote.archive.working import main; main()"

_TICK = 0.2
"""Seconds between two looks at clocks and memory, where no worker has anything to tell."""

_START = 300.0
"""Seconds until a worker must have its model loaded."""

_LEAVE = 5.0
"""Seconds that a worker without work has to end."""

_STILLBORN = 3
"""Workers in a row that end before they are ready: the fourth would do no better."""

_SHARE, _LEAST = 0.8, 1e9
"""The share of the machine's memory that all workers may have together, and the bytes that each may have in any case."""


@dataclass(eq=False)
class _Worker:
    """A process, and what it is at."""

    process: "subprocess.Popen[bytes]"
    connection: Connection
    log: IO[bytes]
    memory: Any  # psutil's view of the process
    deadline: float
    loaded: int = 0  # bytes of memory, with the model and no file
    ready: bool = False
    task: Task | None = None
    content: str = ""

    def used(self) -> int:
        """Return bytes of memory; 0 where the process has gone."""
        try:
            return int(self.memory.memory_info().rss)
        except Exception:  # psutil's NoSuchProcess and its relatives: whoever reads the pipe hears of it
            return 0


@final
class Workers:
    """A pool of worker processes for one set of settings; `with` ends them all."""

    def __init__(
        self,
        settings: Settings,
        count: int | None = None,
        longest: float | None = None,
        memory: float | None = None,
        job: str = JOB,
    ) -> None:
        """Take how to look; the processes are started when there are files.

        Args:
            settings: how to look at the files.
            count: how many processes at most; None is one for each core.
            longest: seconds that a file may take; None is LONGEST.
            memory: bytes that a worker may have; None is its share of four fifths of the machine's, at least 1 GB.
            job: the module that does the work (see `working.Job`).

        Raises:
            MissingExtra: psutil is absent.
        """
        self.count = count or len(os.sched_getaffinity(0))
        self.longest = LONGEST if longest is None else longest
        self.memory = max(_SHARE * _machines_memory() / self.count, _LEAST) if memory is None else memory
        self._settings, self._job = settings, job
        self._workers: list[_Worker] = []
        self._stillborn = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """End every process; whatever one has in its hands is dropped."""
        for worker in list(self._workers):
            self._end(worker, busy=worker.task is not None or not worker.ready)

    def run(self, tasks: Iterable[Task], known: Callable[[str], bool]) -> Iterator[list[Entry | Seen]]:
        """Yield what came of the files, as it comes; at least every quarter of a second, then perhaps nothing.

        A file whose worker dies, or takes too long or too much memory, becomes a failed entry, and the worker is replaced.

        Args:
            tasks: the files; they are pulled as workers become free.
            known: is asked whether a content is done already; such a file becomes a `Seen`.

        Raises:
            Error: what would meet every file: the model cannot be had or has changed, the workers cannot start.
        """
        source, waiting = iter(tasks), deque[Task]()
        while True:
            while len(waiting) < self.count and (task := next(source, None)) is not None:
                waiting.append(task)
            self._hand_out(waiting)
            if not waiting and not any(worker.task for worker in self._workers):
                return
            yield [*self._heard(known), *self._checked()]

    def _hand_out(self, waiting: "deque[Task]") -> None:
        """Give files to the workers that are free; start as many as there are files for."""
        for worker in self._workers:
            if waiting and worker.ready and worker.task is None:
                worker.task, worker.content, worker.deadline = waiting[0], waiting[0].content, time.monotonic() + self.longest
                try:
                    worker.connection.send(waiting[0])
                    waiting.popleft()
                except OSError:  # it has died idle, which `_heard` will hear
                    worker.task = None
        starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(len(waiting) - starting, self.count - len(self._workers))):
            try:
                self._workers.append(_started(self._job, self._settings))
            except OSError as error:  # no memory, no room for processes or files
                raise Error(f"The worker processes cannot start: {error.strerror}. Take fewer workers, or end other programs.") from error

    def _heard(self, known: Callable[[str], bool]) -> Iterator[Entry | Seen]:
        """Yield what workers tell within a moment."""
        workers = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(workers), _TICK):
            worker = workers[connection]  # type: ignore[index]
            try:
                told: Told = worker.connection.recv()
                if told.content:
                    worker.content = told.content
                    worker.connection.send(known(told.content))
            except (EOFError, OSError):
                yield from self._died(worker)
                continue
            if told.error:
                raise told.error
            if told.ready:
                worker.ready, worker.loaded, self._stillborn = True, worker.used(), 0
            if told.result:
                worker.task = None
                yield told.result
                if worker.used() > (self.memory + worker.loaded) / 2:
                    self._end(worker, busy=False)  # so that the next file does not answer for what this one left

    def _died(self, worker: _Worker) -> Iterator[Entry]:
        """Yield the entry of the file that a worker died of."""
        code, last = self._end(worker, busy=False)
        if worker.task is not None:
            yield self._failed(worker, how(code, last))
        elif not worker.ready:
            self._missed(f"it {ending(code)}{f' and said: {last}' if last else ''}")

    def _checked(self) -> Iterator[Entry]:
        """Yield the entries of files that take too long or too much memory; their workers are ended."""
        for worker in list(self._workers):
            if worker.ready and worker.task is None:
                continue
            used, late = worker.used(), time.monotonic() > worker.deadline
            if not late and used <= self.memory:
                continue
            self._end(worker)
            if worker.task is None:
                self._missed(f"it was not ready within {_START:g} s" if late else f"it took {used / 1e9:.1f} GB of memory to start")
            elif late:
                yield self._failed(
                    worker, f"took longer than {self.longest:g} s and was stopped. Allow more with --longest (in Python: longest=)."
                )
            else:
                yield self._failed(
                    worker,
                    f"took {used / 1e9:.1f} GB of memory, where {self.memory / 1e9:.1f} GB are allowed, and was stopped. Allow more with "
                    "--memory (in Python: memory=), or take fewer workers.",
                )

    def _failed(self, worker: _Worker, how: str) -> Entry:
        assert worker.task is not None
        source = worker.task.source
        return Entry(source, worker.content, self._settings, "failed", f"{source.path} {how}", finished=time.time())

    def _missed(self, why: str) -> None:
        """Count a worker that never was ready; raise where that has become the rule."""
        self._stillborn += 1
        if self._stillborn >= _STILLBORN:
            raise Error(f"The worker processes cannot start: {why}. Free some memory, take fewer workers, or mend the installation.")

    def _end(self, worker: _Worker, busy: bool = True) -> tuple[int, str]:
        """End a process; return its exit code and the last line that it wrote. One that is not busy ends of itself."""
        self._workers.remove(worker)
        worker.connection.close()
        with worker.log as log, worker.process as process:
            if busy:
                process.kill()
            try:
                process.wait(_LEAVE)
            except subprocess.TimeoutExpired:
                process.kill()
            return process.wait(), last_line(log)


def _started(job: str, settings: Settings) -> _Worker:
    """Start a worker; what it is to do goes ahead into its pipe."""
    with ExitStack() as undo:
        connection, other = Pipe()
        undo.enter_context(connection)
        log = undo.enter_context(tempfile.TemporaryFile())
        with other:
            process = subprocess.Popen(
                # -P: what lies in the working directory must not be imported.
                [sys.executable, "-P", "-c", _PROGRAM, str(other.fileno()), str(os.getpid())],
                env={**os.environ, **ENVIRONMENT},
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                process_group=0,  # what a terminal sends to the run's group, as Ctrl-C, is for the parent alone
            )
        with suppress(OSError):  # one that has died already is heard of
            connection.send((job, settings))
        undo.pop_all()
    return _Worker(process, connection, log, _psutil().Process(process.pid), time.monotonic() + _START)


def _machines_memory() -> float:
    """Return bytes of memory of the machine, or of the container that bounds it."""
    told = Path("/sys/fs/cgroup/memory.max")
    bound = told.read_text(encoding="ascii").strip() if told.is_file() else "max"
    return min(float(bound) if bound.isdigit() else float("inf"), float(_psutil().virtual_memory().total))


def _psutil() -> Any:
    try:
        import psutil  # noqa: PLC0415 - of an extra
    except ImportError as error:
        raise missing_extra("psutil", "archive", "Work on many files") from error
    return psutil
