"""A job that dies, dawdles or gorges at a file's name: what `framevote.archive.workers` must bear. Workers load it by its name."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from framevote.archive.entries import Entry, Settings, Source
from framevote.archive.store import Seen
from framevote.errors import ModelError, UsageError

SETTINGS = Settings("made", "0" * 12)
PLACE = str(Path(__file__).parent)
held: list[bytes] = []


def source(name: str) -> Source:
    return Source(f"/videos/{name}", 10, 0.0)


def prepare(settings: Settings, threads: int | None = None) -> None:
    assert threads == 1
    if settings.model == "gone":
        raise ModelError("The model gone cannot be read.")
    if settings.model == "stillborn":
        os.kill(os.getpid(), signal.SIGBUS)


def describe_unless(
    source: Source, settings: Settings, known: Callable[[str], bool], threads: int | None = None, content: str = ""
) -> Entry | Seen:
    name = Path(source.path).name
    if known(content or f"content of {name}"):
        return Seen(source, content or f"content of {name}")
    if name in DEEDS:
        DEEDS[name]()
    told = {"pid": os.getpid(), "threads": os.environ["OPENBLAS_NUM_THREADS"]}
    told["oom"] = Path("/proc/self/oom_score_adj").read_text(encoding="ascii").strip()
    return Entry(source, f"content of {name}", settings, "done", probe=told)


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _leave() -> None:
    os._exit(3)


def _break() -> None:
    raise ValueError("a fault of ours")


def _refuse() -> None:
    raise UsageError("The settings are wrong.")


def _gorge() -> None:
    while True:
        held.append(b"x" * (20 << 20))
        time.sleep(0.005)


def _hoard() -> None:
    held.append(b"x" * (160 << 20))
    time.sleep(0.3)


def _dawdle() -> None:
    time.sleep(600)


def _wait() -> None:
    time.sleep(0.2)


DEEDS: dict[str, Callable[[], None]] = {
    "crash": _crash,
    "killed": _killed,
    "leave": _leave,
    "break": _break,
    "refuse": _refuse,
    "gorge": _gorge,
    "hoard": _hoard,
    "dawdle": _dawdle,
    **{f"wait{n}": _wait for n in range(10)},
}
