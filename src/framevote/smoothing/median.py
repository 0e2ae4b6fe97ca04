"""The rolling median: a vote that a few wild frames cannot move."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.records import FloatArray
from framevote.smoothing.base import Run
from framevote.smoothing.buffers import Tape
from framevote.smoothing.wavelet import Windows, window_medians
from framevote.smoothing.window import Floats, Statistic, Windowed, WindowRun


@final
@dataclass(frozen=True, repr=False)
class RollingMedian(Windowed):
    """Each label's weighted median over a window of the stream, all of them then divided by their sum.

    The window is that of `RollingMean`: it counts the stream, and rows at its ends count in part. The median is the value that
    has half of the window's weight at or below it and half at or above it; where a stretch of values has (an even number of equal
    rows), the middle of the lowest and the highest, as `numpy.median`. Tukey, "Exploratory data analysis" (1977); weighted:
    Edgeworth (1888). Medians of labels do not sum to 1, hence the division; a row whose medians are all zero (no label has half of
    the window) stays as it is, and so does a row whose window covers nothing.

    Costs O(T·C·log W) for W rows in the window: rows are answered in batches of about a window from a wavelet matrix. A window
    (and a batch) of rows is held. Live, row by row, every row costs one sort of its window, O(C·W·log W).

    Args:
        frames: length in frames of the video, a whole number of at least 1.
        seconds: length in seconds, above 0; exactly one of the two.
        centred: whether the window's centre is the row's middle, clipped at both ends of the video; else it ends at the row's end.

    Raises:
        PartError: an argument that does not fit.
    """

    def begin(self, live: bool) -> Run:
        """Start a pass; one that is not live gathers rows, as many at once cost hardly more than one."""
        return WindowRun(self.span, _Median(), patient=not live)


@final
class _Median(Statistic):
    """Keeps the values of the rows: (kept, C)."""

    def __init__(self) -> None:
        self._values = Tape(np.float32)

    def add(self, values: NDArray[np.float32], measures: Floats) -> None:
        self._values.grow(*values.shape)[:] = values

    def over(self, edges: Floats, starts: Floats, ends: Floats, rows: NDArray[np.float32]) -> FloatArray:
        medians = window_medians(self._values.rows, edges, Windows.between(edges, starts, ends))
        totals = medians.sum(axis=1, dtype=np.float64)
        own = (totals <= 0) | (ends <= starts)
        medians /= np.where(own, 1.0, totals).astype(np.float32)[:, None]
        medians[own] = rows[own]
        return medians

    def drop(self, count: int) -> None:
        self._values.drop(count)

    def rebase(self) -> None:
        """Values have no sum to begin anew."""
