"""How the system shares the processor out among threads, kept as it was."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextmanager
def ordinary_scheduling() -> Iterator[None]:
    """Put back what is taken inside: threads that were there keep their policy, and new ones get the caller's.

    Run by root, SVT-AV1 makes its threads, and the one that opens it, real-time ones of the highest priority, for good: whatever that
    thread starts later is one too, and on a few cores nothing else moves. Only Linux lets a process see the policies of its threads.
    """
    if sys.platform != "linux":
        yield
        return
    try:
        before, own = _policies(), (os.sched_getscheduler(0), os.sched_getparam(0))
    except OSError:  # no /proc, or a C library that does not tell
        yield
        return
    try:
        yield
    finally:
        for task, found in _policies().items():
            if found != (policy := before.get(task, own)):
                with suppress(ProcessLookupError, PermissionError):
                    os.sched_setscheduler(task, *policy)


def _policies() -> dict[int, tuple[int, os.sched_param]]:
    """Return the policy and the priority of every thread of this process."""
    found = {}
    for task in (int(path.name) for path in _TASKS.iterdir()):
        with suppress(ProcessLookupError):  # it has ended
            found[task] = os.sched_getscheduler(task), os.sched_getparam(task)
    return found
