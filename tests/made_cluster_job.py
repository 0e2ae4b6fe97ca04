"""The job itself, but with time to kill something half-way, and dying at a file's name. Actors and workers load it by its name."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from framevote.archive import describing
from framevote.archive.describing import prepare

__all__ = ["describe_unless", "prepare"]


def describe_unless(source: Any, *arguments: Any, **named: Any) -> Any:
    name = Path(source.path).name
    if name.startswith("crashing"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("worse"):
        os.kill(os.getppid(), signal.SIGKILL)  # the actor itself: as if its machine ran out of memory whenever this file comes
        time.sleep(10)
    time.sleep(0.1)
    return describing.describe_unless(source, *arguments, **named)
