"""Weighted medians of many windows over the same rows, by a wavelet matrix.

The matrix sorts the rows by the bits of their rank, the highest first, and keeps for each bit how much weight came before each
place. A window is an interval of places; weighing its two halves at every bit leads to the median in log N steps, however long the
window is. Claude, Navarro and Ordóñez, "The wavelet matrix" (2015); for median filters: Moroto and Umetani, "Constant time median
filter using 2D wavelet matrix" (2022). Here the rows have weights, and the first and the last row of a window count in part.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Flags = NDArray[np.bool_]

TIE = 1e-9
"""Share of a window's weight by which its two halves may differ and still count as equal, so that rounding breaks no tie."""

FEW = 4
"""Windows that are cheaper to weigh one by one than by a wavelet matrix."""

CELLS = 1 << 15
"""Numbers (rows × classes) that are worked on at once, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Windows:
    """Stretches over rows: each takes the rows [first, last], less `before` of the first one's weight and `after` of the last's."""

    first: Places
    last: Places
    before: Floats
    after: Floats
    weight: Floats

    @classmethod
    def between(cls, edges: Floats, starts: Floats, ends: Floats) -> "Windows":
        """Return the windows from `starts` to `ends` (n,), where row j reaches from edges[j] to edges[j + 1]."""
        first = np.clip(np.searchsorted(edges, starts, side="right") - 1, 0, len(edges) - 2)
        last = np.clip(np.searchsorted(edges, ends, side="left") - 1, first, len(edges) - 2)
        return cls(first, last, starts - edges[first], edges[last + 1] - ends, ends - starts)

    def __len__(self) -> int:
        return len(self.first)


def window_medians(values: NDArray[np.float32], edges: Floats, windows: Windows) -> NDArray[np.float32]:
    """Return the weighted median (n, C) of every class over every window.

    Args:
        values: (kept, C).
        edges: (kept + 1,), between which the rows lie; the weight of a row is its length.
        windows: n of them.
    """
    low, high = int(windows.first.min()), int(windows.last.max()) + 1
    weights = np.diff(edges[low : high + 1])
    windows = Windows(windows.first - low, windows.last - low, windows.before, windows.after, windows.weight)
    medians = np.empty((len(windows), values.shape[1]), np.float32)
    find = _weighed if len(windows) <= FEW else _descended
    step = max(CELLS // (high - low), 1)
    for at in range(0, values.shape[1], step):
        columns = np.ascontiguousarray(values[low:high, at : at + step].T)
        order = np.argsort(columns, axis=1)
        ranks = find(order, weights, windows)
        found = np.take_along_axis(columns, np.take_along_axis(order, ranks, axis=1), axis=1)
        medians[:, at : at + step] = ((found[:, : len(windows)] + found[:, len(windows) :]) / 2).T
    return medians


def _weighed(order: Places, weights: Floats, windows: Windows) -> Places:
    """Return the ranks (c, 2n) of the lower and of the upper median of each window, by adding up weights in sorted order."""
    ranks = np.empty((len(order), 2, len(windows)), np.intp)
    for n in range(len(windows)):
        inside = np.zeros_like(weights)
        first, last = windows.first[n], windows.last[n]
        inside[first : last + 1] = weights[first : last + 1]
        inside[first] -= windows.before[n]
        inside[last] -= windows.after[n]
        below = np.cumsum(inside[order], axis=1)
        for side, half in enumerate((1 - TIE, 1 + TIE)):
            ranks[:, side, n] = np.count_nonzero(below < windows.weight[n] * half / 2, axis=1)
    return np.minimum(ranks.reshape(len(order), -1), len(weights) - 1)


def _descended(order: Places, weights: Floats, windows: Windows) -> Places:
    """Return the ranks (c, 2n) of the lower and of the upper median of each window, bit by bit."""
    matrix, search = _Matrix(order, weights), _Search(order.shape[0], windows)
    for bit in reversed(range((order.shape[1] - 1).bit_length())):
        matrix.open(bit)
        search.step(matrix, bit)
        matrix.sort()
    return search.found


class _Matrix:
    """One level of the wavelet matrix at a time: ranks and weights (c, N) in the level's order, and prefix sums of its zeros."""

    def __init__(self, order: Places, weights: Floats) -> None:
        classes, rows = order.shape
        self._ranks = np.empty((classes, rows), np.int32)
        np.put_along_axis(self._ranks, order, np.arange(rows, dtype=np.int32)[None], axis=1)
        self.by_row = self._ranks
        self._weights = np.broadcast_to(weights, order.shape)
        self.lines = np.arange(classes)[:, None] * (rows + 1)

    def open(self, bit: int) -> None:
        """Count and weigh the rows whose rank has a zero at `bit`, before each place."""
        self._zero = (self._ranks >> bit) & 1 == 0
        classes, rows = self._zero.shape
        self.counts = np.zeros((classes, rows + 1), np.int32)
        np.cumsum(self._zero, axis=1, out=self.counts[:, 1:])
        self.masses = np.zeros((classes, rows + 1))
        np.cumsum(self._weights * self._zero, axis=1, out=self.masses[:, 1:])

    def sort(self) -> None:
        """Go to the next level: zeros first, else in the same order."""
        places = np.argsort(~self._zero, axis=1, kind="stable")
        self._ranks = np.take_along_axis(self._ranks, places, axis=1)
        self._weights = np.take_along_axis(self._weights, places, axis=1)


class _Search:
    """Where each window's interval [low, high) lies at a level, and what is still to be weighed: all (c, 2n)."""

    def __init__(self, classes: int, windows: Windows) -> None:
        shape = (classes, 2 * len(windows))
        self._first, self._last = np.tile(windows.first, 2), np.tile(windows.last, 2)
        self._before, self._after = np.tile(windows.before, 2), np.tile(windows.after, 2)
        self._low, self._high = np.broadcast_to(self._first, shape), np.broadcast_to(self._last + 1, shape)
        half = windows.weight / 2
        self._need: Any = np.broadcast_to(np.concatenate([half * (1 - TIE), half * (1 + TIE)]), shape)
        self._has_first: Flags = np.ones(shape, np.bool_)
        self._has_last: Flags = np.ones(shape, np.bool_)
        self.found: Places = np.zeros(shape, np.intp)

    def step(self, matrix: _Matrix, bit: int) -> None:
        """Choose for each window the half that holds its median: ranks with a zero at `bit`, or with a one."""
        low, high = matrix.counts.take(self._low + matrix.lines), matrix.counts.take(self._high + matrix.lines)
        mass = matrix.masses.take(self._high + matrix.lines) - matrix.masses.take(self._low + matrix.lines)
        ones = (matrix.by_row >> bit) & 1 == 1
        first, last = ones[:, self._first], ones[:, self._last]
        mass -= self._before * (self._has_first & ~first)
        mass -= self._after * (self._has_last & ~last)
        # An empty half is never chosen, whatever rounding says of its weight.
        up: Flags = ((self._need > mass) | (low == high)) & (self._high - self._low > high - low)
        self._has_first &= first == up
        self._has_last &= last == up
        self._need = self._need - mass * up
        zeros = matrix.counts[:, -1:]
        self._low = np.where(up, zeros + self._low - low, low)
        self._high = np.where(up, zeros + self._high - high, high)
        self.found += up.astype(np.intp) << bit
