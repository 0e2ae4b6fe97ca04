"""What a pass keeps of the rows behind it: a tape of arrays, a queue of scores."""

from collections import deque
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from framevote.records import Scores


def run_up(rows: NDArray[np.float64]) -> None:
    """Add to each row (n, C) all those before it, in place and in order."""
    if rows.shape[1] < 64:
        np.add.accumulate(rows, axis=0, out=rows)
        return
    for before, row in pairwise(rows):  # accumulate walks down the columns, which for wide rows misses the cache: 5 × slower
        np.add(before, row, out=row)


@final
class Tape:
    """An array that grows at its end and is dropped from its front; every row is moved a constant number of times on average."""

    def __init__(self, dtype: Any) -> None:
        self._store: NDArray[Any] = np.empty(0, dtype)
        self._low = self._high = 0

    def __len__(self) -> int:
        return self._high - self._low

    @property
    def rows(self) -> NDArray[Any]:
        """The rows that are kept, as a view that holds until the next change."""
        return self._store[self._low : self._high]

    def grow(self, count: int, *shape: int) -> NDArray[Any]:
        """Add `count` rows, each of `shape` (always the same), and return them, yet to be filled."""
        if self._high + count > len(self._store):
            self._make_room(count, shape)
        self._high += count
        return self._store[self._high - count : self._high]

    def drop(self, count: int) -> None:
        """Forget the first `count` rows."""
        self._low += count

    def _make_room(self, count: int, shape: tuple[int, ...]) -> None:
        kept, old = len(self), self.rows
        if 2 * (kept + count) > len(self._store):
            self._store = np.empty((2 * (kept + count), *shape), old.dtype)
        if kept:
            self._store[:kept] = old
        self._low, self._high = 0, kept


@final
class Queue:
    """Scores that wait for their answer, first in, first out."""

    def __init__(self) -> None:
        self._blocks: deque[Scores] = deque()
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, scores: Scores) -> None:
        """Let rows wait."""
        self._blocks.append(scores)
        self._rows += len(scores)

    def take(self, count: int) -> Scores:
        """Return the first `count` rows (at least one), which wait no longer."""
        self._rows -= count
        taken: list[Scores] = []
        while count > 0:
            block = self._blocks.popleft()
            if len(block) > count:
                self._blocks.appendleft(block[count:])
                block = block[:count]
            taken.append(block)
            count -= len(block)
        return taken[0] if len(taken) == 1 else Scores.join(taken)
