"""Seconds on the wall, seconds of the processors, peak memory; workers that keep a model loaded; pairs and their median."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "out"


@dataclass(frozen=True)
class Usage:
    """What a piece of work took.

    Attributes:
        wall: seconds that went by.
        processor: user and system seconds of every thread, and of children that have ended.
        frames: how many frames were worked on.
        peak: bytes of memory at the highest, of a whole process; 0 where it was not asked.
    """

    wall: float
    processor: float
    frames: int = 0
    peak: int = 0

    @property
    def rate(self) -> float:
        """Frames a second on the wall."""
        return self.frames / self.wall

    @property
    def cost(self) -> float:
        """Processor seconds a frame."""
        return self.processor / self.frames

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.wall + other.wall, self.processor + other.processor, self.frames + other.frames, max(self.peak, other.peak))


def used(work: Callable[[], int]) -> Usage:
    """Return what a call took inside this process; the call returns its number of frames."""
    processor, wall = _processor(), time.perf_counter()
    frames = work()
    return Usage(time.perf_counter() - wall, _processor() - processor, frames)


def command(arguments: Sequence[str | Path], quiet: bool = True) -> Usage:
    """Run a command to its end and return what it took, its start and peak memory included.

    Linux lets a child's peak begin at its parent's size, so whoever calls this must have stayed small.
    """
    sink = subprocess.DEVNULL if quiet else None
    wall = time.perf_counter()
    process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.PIPE, cwd=ROOT)
    told = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - wall
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{Path(arguments[0]).name} ended with {process.returncode}: {told.decode(errors='replace')[-2000:]}")
    return Usage(wall, usage.ru_utime + usage.ru_stime, peak=usage.ru_maxrss * 1024)


class Worker:
    """A process of its own that keeps its model loaded and does one job after another (`benchmarks.jobs`)."""

    def __init__(self) -> None:
        OUT.mkdir(parents=True, exist_ok=True)
        self._log = (OUT / "workers.log").open("ab")
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_minloglevel": "3"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.jobs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=ROOT,
            env={**os.environ, **quiet},
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        self._log.close()

    def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
        """Have a job done and return what it tells."""
        assert self._process.stdin
        assert self._process.stdout
        texts = {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}
        self._process.stdin.write(json.dumps({"job": job, "arguments": texts}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the worker has ended; see benchmarks/out/workers.log"}
        if "error" in answer:
            raise RuntimeError(f"{job}: {answer['error']}")
        return answer

    def time(self, job: str, **arguments: Any) -> Usage:
        """Have a job done and return what it took."""
        return Usage(**self.ask(job, **arguments)["usage"])


def told(usage: Usage) -> dict[str, Any]:
    """Return a usage as plain values."""
    return asdict(usage)


@dataclass(frozen=True)
class Spread:
    """A figure that was measured several times: its median, smallest and largest."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of some values."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 2, unit: str = "×") -> str:
        """Return the median, and the range in brackets where there is one."""
        middle, low, high = (f"{value:.{digits}f}" for value in (self.median, self.least, self.most))
        return f"{middle} {unit}" if low == high else f"{middle} {unit} ({low}–{high})"


def alternated(rounds: int, *works: Callable[[], Usage]) -> list[tuple[Usage, ...]]:
    """Do several works in turn, A B A B …, and return each round's usages, so that a change of the machine's mood meets all."""
    return [tuple(work() for work in works) for _ in range(rounds)]


def middle(usages: Sequence[Usage]) -> Usage:
    """Return the usage of the middle wall time."""
    return sorted(usages, key=lambda usage: usage.wall)[len(usages) // 2]


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


class OthersWork:
    """What else the machine had to do meanwhile: above a few hundredths of a core, figures are rough."""

    def __init__(self) -> None:
        self._busy, self._own, self._wall = _busy(), _processor(), time.perf_counter()

    def cores(self) -> float:
        """Return how many cores others kept busy, on average, since the beginning; what the hypervisor took away is theirs."""
        return max((_busy() - self._busy) - (_processor() - self._own), 0.0) / (time.perf_counter() - self._wall)


def _busy() -> float:
    told = Path("/proc/stat")
    if not told.exists():
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq, steal = (int(n) for n in told.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _processor() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
