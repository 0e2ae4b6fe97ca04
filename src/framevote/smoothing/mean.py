"""The rolling mean: the vote of the source paper, and the same in seconds."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.records import FloatArray
from framevote.smoothing.base import Run
from framevote.smoothing.buffers import Tape, run_up
from framevote.smoothing.window import Floats, Statistic, Windowed, WindowRun

LEAST = 1e-9
"""Share of the stretch behind the sums below which a window is too short to be told from rounding: it counts as nothing."""


@final
@dataclass(frozen=True, repr=False)
class RollingMean(Windowed):
    """The mean probabilities over a window of the stream: of the last `frames` frames, or of `seconds`.

    The window counts the stream, not the rows: each row stands for a stretch of it (`Scores.frames` frames, or
    `Scores.durations` seconds), and the result is the integral of the probabilities over the window, divided by what the window
    covers of the stream; rows at its ends count in part. With frames=K on every frame that is the mean of the last K
    predictions, or of all so far while there are fewer: the rolling prediction average of the paper that this work began with.
    A row where the window covers nothing (no duration yet) stays as it is.

    Costs O(T·C) whatever the window, by differences of prefix sums (Crow, "Summed-area tables for texture mapping", 1984), in
    float64 and rebased so that rounding does not pile up; holds one window of float64 rows.

    Args:
        frames: length in frames of the video, a whole number of at least 1.
        seconds: length in seconds, above 0; exactly one of the two.
        centred: whether the window's centre is the row's middle, clipped at both ends of the video; else it ends at the row's end.

    Raises:
        PartError: an argument that does not fit.
    """

    def begin(self, live: bool) -> Run:
        """Start a pass, the same whether live or not."""
        del live
        return WindowRun(self.span, _Mean())


@final
class _Mean(Statistic):
    """Keeps the integral of the probabilities up to every edge: sums (kept + 1, C)."""

    def __init__(self) -> None:
        self._sums = Tape(np.float64)

    def add(self, values: NDArray[np.float32], measures: Floats) -> None:
        if not len(self._sums):
            self._sums.grow(1, values.shape[1])[:] = 0.0
        np.multiply(values, measures[:, None], out=self._sums.grow(*values.shape))
        run_up(self._sums.rows[-len(values) - 1 :])

    def over(self, edges: Floats, starts: Floats, ends: Floats, rows: NDArray[np.float32]) -> FloatArray:
        covered = ends - starts
        nothing = covered <= LEAST * edges[-1]
        integral = self._integral(edges, ends)
        integral -= self._integral(edges, starts)
        means = np.empty(rows.shape, np.float32)
        np.divide(integral, np.where(nothing, 1.0, covered)[:, None], out=means, casting="same_kind")
        if nothing.any():
            means[nothing] = rows[nothing]
        return means

    def drop(self, count: int) -> None:
        self._sums.drop(count)

    def rebase(self) -> None:
        sums = self._sums.rows
        sums -= sums[0].copy()

    def _integral(self, edges: Floats, ends: Floats) -> Floats:
        """Return the integral (n, C) from the first edge to each of `ends`, linear between two edges."""
        sums: Floats = self._sums.rows
        row = np.clip(np.searchsorted(edges, ends, side="right") - 1, 0, len(edges) - 2)
        width = edges[row + 1] - edges[row]
        share = np.divide(ends - edges[row], width, out=np.zeros(len(ends)), where=width > 0)
        below = sums[row]
        if share.any():
            part = sums[row + 1]
            part -= below
            part *= share[:, None]
            below += part
        return below
