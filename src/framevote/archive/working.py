"""A worker process: one file after another, in a process that may die of any of them (`framevote.archive.workers` starts it).

What goes through the pipe, as pickles between two processes of one program: the job's module and its settings at first, then `Task`s
in, each answered by a `Told`, after a question or none.
"""

import importlib
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from framevote.archive.entries import Entry, Settings, Source
from framevote.archive.store import Seen
from framevote.errors import Error

ENVIRONMENT = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")}
"""Of a worker: there is one on every core, so that products of matrices take no second. It must be there before NumPy is loaded."""

_THREADS = 1
_LOOK_UP = 0.5
"""Seconds between two looks whether the parent is still there."""


class Task(NamedTuple):
    """A file to look at, and its content where that is known."""

    source: Source
    content: str = ""


class Told(NamedTuple):
    """What a worker says: one of these.

    Attributes:
        ready: the model is loaded.
        content: of the present file; it waits for a bool, whether that is known already.
        result: what came of the file.
        error: what would meet every other file as well; the worker ends.
    """

    ready: bool = False
    content: str = ""
    result: Entry | Seen | None = None
    error: Error | None = None


class Job(Protocol):
    """A module with these two functions, such as `framevote.archive.describing`."""

    def prepare(self, settings: Settings, threads: int | None = None) -> object:
        """Load what every file needs."""

    def describe_unless(
        self, source: Source, settings: Settings, known: Callable[[str], bool], threads: int | None = None, content: str = ""
    ) -> Entry | Seen:
        """Look at a file."""


def main() -> None:
    """Work until the pipe is closed, or the parent is no more."""
    pipe, parent = int(sys.argv[1]), int(sys.argv[2])
    _give_way()
    threading.Thread(target=_outlive_nobody, args=(parent,), daemon=True).start()
    work(Connection(pipe))
    os._exit(0)  # nothing is left to be tidied up, and libraries take their time for it


def work(connection: Connection) -> None:
    """Answer tasks until there are no others."""

    def known(content: str) -> bool:
        connection.send(Told(content=content))
        return bool(connection.recv())

    with suppress(EOFError, ConnectionError):
        module, settings = connection.recv()
        job = cast(Job, importlib.import_module(module))
        try:
            job.prepare(settings, _THREADS)
            connection.send(Told(ready=True))
            while True:
                task: Task = connection.recv()
                connection.send(Told(result=job.describe_unless(task.source, settings, known, _THREADS, task.content)))
        except Error as error:
            connection.send(Told(error=error))


def _give_way() -> None:
    """Be the one that is taken where memory runs out; leave no image of its memory where it crashes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # Linux alone has it
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _outlive_nobody(parent: int) -> None:
    """End this process when its parent has gone, even while it decodes: a parent that is killed closes nothing in order."""
    while os.getppid() == parent:
        time.sleep(_LOOK_UP)
    os._exit(1)
