"""The votes that are tried: every smoother over a grid of windows, trailing and centred, and what the cut adds to each."""

from collections.abc import Iterator
from dataclasses import dataclass

from framevote.model_file import Vote
from framevote.parts import DEFAULT_SMOOTHER, build
from framevote.smoothing import Exponential, RollingMean, RollingMedian, Smoother, Viterbi

WINDOWS = (0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Seconds of the windows of means and medians; a centred one looks half of it ahead."""

FADINGS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5)
"""Seconds: time constants of the exponential mean."""

KEEPINGS = (1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 1e2, 1e3, 1e5, 1e8, 1e12, 1e17, 1e23, 1e30)
"""Seconds over which the most likely path keeps its label with probability 0.9999.

They are no lengths of scenes. Frames of one scene resemble each other and err alike, where the model of a hidden chain takes each
for a witness of its own; a price of a change that is far too high makes up for it.
"""

HYSTERESES = (0.0, 0.1, 0.25)
SHORTEST = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0)

DEFAULT = Vote(DEFAULT_SMOOTHER)
"""The vote where nobody tuned: the smoother that is taken by default, and the cut as it is."""


@dataclass(frozen=True)
class Line:
    """A smoother, and what is tried of the cut with it: every hysteresis with every shortest segment."""

    smoother: Smoother
    hystereses: tuple[float, ...] = HYSTERESES
    shortest: tuple[float, ...] = SHORTEST

    def votes(self) -> Iterator[Vote]:
        """Yield the line's votes, those with the same hysteresis one after another."""
        for hysteresis in self.hystereses:
            for shortest in self.shortest:
                yield Vote(repr(self.smoother), hysteresis, shortest)


def lines(row: float) -> tuple[Line, ...]:
    """Return what is tried on videos of which a row lasts `row` seconds, the default vote first of all.

    Windows that hold no more than a row are left out, but for one: no smoothing at all. The values of the most likely path tell
    its label and nothing more, so that no hysteresis is tried with it.
    """
    default: Smoother = build("smoother", DEFAULT_SMOOTHER)
    paths = [Viterbi(seconds=seconds) for seconds in KEEPINGS]
    windows = [seconds for seconds in WINDOWS if seconds > 1.5 * row]
    means: list[Smoother] = [RollingMean(frames=1)]
    for centred in (False, True):
        for seconds in windows:
            means += [RollingMean(seconds=seconds, centred=centred), RollingMedian(seconds=seconds, centred=centred)]
    means += [Exponential(seconds=seconds) for seconds in FADINGS if seconds > row]
    return (Line(default, (0.0,)), *(Line(path, (0.0,)) for path in paths if path != default), *map(Line, means))
