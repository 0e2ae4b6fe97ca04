"""The exponential mean: recent frames count most, older ones fade."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.records import FloatArray, Scores
from framevote.smoothing.base import Run, Smoother, make_plain, positive
from framevote.smoothing.buffers import run_up

FADED = 300.0
"""Time constants after which nothing is left in float64: exp(-300) is 1e-130."""


@final
@dataclass(frozen=True, repr=False)
class Exponential(Smoother):
    """The mean of all rows so far, each weighted by exp(-age / seconds): causal, and holds one row.

    A row that lasts d seconds enters with the share alpha = 1 - exp(-d / seconds) and the rows before fade by exp(-d / seconds):
    the integral of the probabilities under an exponential that ends at the row's end. Weights are divided by their sum, so the
    first rows are a proper mean and nothing is drawn to zero. Exponential smoothing: Brown, "Exponential smoothing for predicting
    demand" (1956); for rows at irregular times: Wright, "Forecasting data published at irregular time intervals" (1986).
    Rows that last no time leave the mean as it is; before any time has passed a row stays as it is.

    Args:
        seconds: the time constant, above 0: what was seen so long ago counts 37 % (1/e) of what is seen now.

    Raises:
        PartError: `seconds` is not above 0.
    """

    seconds: float

    def __post_init__(self) -> None:
        make_plain(self)
        positive(self, "seconds", self.seconds, "a time constant above 0, in seconds")

    @property
    def causal(self) -> bool:
        """True: it looks back only."""
        return True

    def fineness(self, frame_rate: float) -> float:
        """Return a sixteenth of the time constant."""
        return self.seconds / 16

    def begin(self, live: bool) -> Run:
        """Start a pass, the same whether live or not."""
        del live
        return _Fading(float(self.seconds))


@final
class _Fading(Run):
    """Keeps the weighted sum of the rows so far and the sum of their weights, both as seen from the last row's end."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sum: NDArray[np.float64] | float = 0.0
        self._weight = 0.0

    def push(self, rows: Scores) -> Iterator[Scores]:
        ages = np.minimum(rows.durations, FADED * self._seconds) / self._seconds
        means = np.empty(rows.values.shape, np.float32)
        # Weights grow by exp(ages) along the rows: cut where they would leave float64.
        cuts = np.flatnonzero(np.diff(np.cumsum(ages) // FADED)) + 1
        for low, high in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            means[low:high] = self._means(rows.values[low:high], ages[low:high])
        yield rows.replace(means)

    def finish(self) -> Iterator[Scores]:
        return iter(())

    def _means(self, values: NDArray[np.float32], ages: NDArray[np.float64]) -> FloatArray:
        """Return the means after each row, with all weights as seen from the first row's start; then move on to the last's end."""
        ends = np.cumsum(ages)
        gains = np.exp(ends) * -np.expm1(-ages)
        sums: NDArray[np.float64] = values * gains[:, None]
        sums[0] += self._sum
        run_up(sums)
        weights = np.cumsum(gains) + self._weight
        faded = float(np.exp(-ends[-1]))
        self._sum, self._weight = sums[-1] * faded, float(weights[-1]) * faded
        nothing = weights <= 0
        sums /= np.where(nothing, 1.0, weights)[:, None]
        sums[nothing] = values[nothing]
        return sums
