"""How a search goes along: what time there is, and what comes next."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from framevote.records import Frame, Scores
from framevote.smoothing.base import GRAIN
from framevote.strategies.base import Stretch

T = TypeVar("T")


@dataclass
class Clock:
    """What time there is, and what a look costs; without an end there is all the time.

    Attributes:
        end: the moment (of `time.monotonic`) when the work shall be done, or None.
        cost: seconds that a look takes.
    """

    end: float | None = None
    cost: float = 0.0

    def until(self, share: float) -> float:
        """Return the moment by which a `share` of what is left must be done."""
        now = time.monotonic()
        return np.inf if self.end is None else now + max(self.end - now, 0.0) * share

    def affordable(self, moment: float) -> float:
        """Return how many looks there is time for until a moment."""
        left = moment - time.monotonic()
        return np.inf if self.end is None else max(left, 0.0) / max(self.cost, 1e-4)

    def took(self, seconds: float, looks: int) -> None:
        """Learn what looks have cost."""
        cost = seconds / max(looks, 1)
        self.cost = cost if self.cost == 0 else (self.cost + cost) / 2


@dataclass
class Peek:
    """An iterator of frames whose next one can be looked at before it is taken."""

    frames: Iterator[Frame]
    _next: Frame | None = field(default=None)

    def peek(self) -> Frame | None:
        """Return the next frame, or None at the end."""
        if self._next is None:
            self._next = next(self.frames, None)
        return self._next

    def take(self) -> Frame:
        """Return the next frame and go on."""
        frame = self.peek()
        assert frame is not None
        self._next = None
        return frame


def with_next(items: Iterable[T]) -> Iterator[tuple[T, T | None]]:
    """Yield each with the one that follows it, the last with None."""
    held: T | None = None
    for item in items:
        if held is not None:
            yield held, item
        held = item
    if held is not None:
        yield held, None


def merged(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Join stretches that follow one another."""
    held: Stretch | None = None
    for stretch in stretches:
        if held is not None and stretch[0] <= held[1] + 1e-6:
            held = held[0], stretch[1]
            continue
        if held is not None:
            yield held
        held = stretch
    if held is not None:
        yield held


def in_blocks(rows: Scores) -> Iterator[Scores]:
    """Yield rows in blocks of the size that smoothers take."""
    yield from (rows[start : start + GRAIN] for start in range(0, len(rows), GRAIN))
