"""The window that slides over the stream: which stretch of it each row's vote counts.

Rows are stretches of a measure (seconds, or frames of the video) laid end to end. A window is a stretch of the same measure, so
it takes rows in part, and a row cut in two halves counts as before.
"""

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from framevote.records import FloatArray, Scores
from framevote.smoothing.base import GRAIN, Run, Smoother, make_plain, positive, refusal, whole
from framevote.smoothing.buffers import Queue, Tape

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """A window's length in a measure, and where it lies: it ends at the row's end, or its centre is the row's middle."""

    length: float
    measure: Literal["frames", "durations"]
    centred: bool


def checked_span(owner: object, frames: object, seconds: object, centred: object) -> Span:
    """Return the span that a part's arguments ask for.

    Raises:
        PartError: not exactly one of `frames` and `seconds`, or one that is no length.
    """
    if not isinstance(centred, bool):
        raise refusal(owner, "centred as True or False", f"centred={centred!r}")
    if (frames is None) == (seconds is None):
        received = "neither" if frames is None else f"frames={frames!r} and seconds={seconds!r}"
        raise refusal(owner, "exactly one of frames (a whole number) and seconds, as in seconds=4", received)
    if frames is not None:
        return Span(float(whole(owner, "frames", frames)), "frames", centred)
    return Span(float(positive(owner, "seconds", seconds, "a length above 0")), "durations", centred)


@dataclass(frozen=True, repr=False)
class Windowed(Smoother):
    """What the smoothers over a window have in common: how long it is, and where it lies."""

    frames: int | None = None
    seconds: float | None = None
    centred: bool = False

    def __post_init__(self) -> None:
        make_plain(self)
        checked_span(self, self.frames, self.seconds, self.centred)

    @property
    def causal(self) -> bool:
        """Whether the window ends with the row."""
        return not self.centred

    @property
    def span(self) -> Span:
        """The window."""
        return checked_span(self, self.frames, self.seconds, self.centred)

    def fineness(self, frame_rate: float) -> float:
        """Return a sixteenth of the window."""
        return (self.seconds or (self.frames or 1) / frame_rate) / 16


class Statistic(abc.ABC):
    """What is taken over a window. It keeps its own history of the rows, each of them a stretch between two edges."""

    @abc.abstractmethod
    def add(self, values: NDArray[np.float32], measures: Floats) -> None:
        """Append rows: values (k, C) and the length (k,) of each row's stretch."""

    @abc.abstractmethod
    def over(self, edges: Floats, starts: Floats, ends: Floats, rows: NDArray[np.float32]) -> FloatArray:
        """Return the statistic (n, C) over n windows [start, end], both of them never decreasing.

        Args:
            edges: (kept + 1,), the row j that is kept reaches from edges[j] to edges[j + 1].
            starts: (n,), at least edges[0].
            ends: (n,), at most edges[-1].
            rows: (n, C), the rows that ask: the answer where the window covers nothing.
        """

    @abc.abstractmethod
    def drop(self, count: int) -> None:
        """Forget the first `count` rows: no window will reach back to them."""

    @abc.abstractmethod
    def rebase(self) -> None:
        """Let the numbers begin anew at the first row that is kept, so that rounding does not pile up."""


@final
class WindowRun(Run):
    """Feeds a statistic and asks it for every row whose window is complete.

    A patient run answers once the rows to answer are half of those it keeps: for a statistic that must sort them all each time.
    """

    def __init__(self, span: Span, statistic: Statistic, patient: bool = False) -> None:
        self._span, self._statistic, self._patient = span, statistic, patient
        self._waiting = Queue()
        self._edges = Tape(np.float64)
        self._edges.grow(1)[:] = 0.0
        self._seen = self._rebased = 0

    def push(self, rows: Scores) -> Iterator[Scores]:
        """Take rows; give those whose window ends before the last of them does."""
        self._add(rows)
        ready = self._ready()
        if not self._patient or 2 * ready >= self._kept:
            yield from self._answer(ready)
            self._drop()
        # Once for every row that is kept, at rows that do not depend on how the caller cut the blocks.
        if self._seen % GRAIN == 0 and self._seen - self._rebased >= self._kept:
            self._rebase()

    def finish(self) -> Iterator[Scores]:
        """Give the rest: windows end where the video does."""
        yield from self._answer(len(self._waiting))

    @property
    def _kept(self) -> int:
        return len(self._edges) - 1

    def _add(self, rows: Scores) -> None:
        measures: Floats = getattr(rows, self._span.measure)
        self._statistic.add(rows.values, measures)
        self._waiting.append(rows)
        self._edges.grow(len(rows))[:] = measures
        tail = self._edges.rows[-len(rows) - 1 :]
        np.add.accumulate(tail, out=tail)
        self._seen += len(rows)

    def _ready(self) -> int:
        if not self._span.centred:
            return len(self._waiting)
        ends = self._edges.rows[self._kept - len(self._waiting) + 1 :]
        return int(np.searchsorted(ends, ends[-1] - self._span.length / 2, side="right"))

    def _windows(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Return where the windows of rows [low, high] start and end, not yet clipped to what exists."""
        if self._span.centred:
            middle = (low + high) / 2
            return middle - self._span.length / 2, middle + self._span.length / 2
        return high - self._span.length, high

    def _answer(self, count: int) -> Iterator[Scores]:
        if count:
            edges, first = self._edges.rows, self._kept - len(self._waiting)
            starts, ends = self._windows(edges[first : first + count], edges[first + 1 : first + count + 1])
            rows = self._waiting.take(count)
            starts, ends = np.maximum(starts, edges[0]), np.minimum(ends, edges[-1])
            yield rows.replace(self._statistic.over(edges, starts, ends, rows.values))

    def _drop(self) -> None:
        """Forget the rows that end before the window of the next row begins; a row to come lies at or after the last edge."""
        edges, first = self._edges.rows, self._kept - len(self._waiting)
        starts, _ = self._windows(edges[first : first + 1], edges[first + 1 : first + 2] if len(self._waiting) else edges[-1:])
        old = min(max(int(np.searchsorted(edges, starts[0], side="right")) - 1, 0), first)
        self._statistic.drop(old)
        self._edges.drop(old)

    def _rebase(self) -> None:
        edges = self._edges.rows
        edges -= edges[0]
        self._statistic.rebase()
        self._rebased = self._seen
