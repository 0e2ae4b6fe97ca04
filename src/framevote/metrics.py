"""How steady a timeline is, how well two of them agree, and how well probabilities keep what they promise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.records import Segment

Floats = NDArray[np.float64]


def label_changes(winners: Sequence[int] | NDArray[np.integer[Any]]) -> int:
    """Return how often the label changes from one row to the next; `winners` (T,) are class indices."""
    return int(np.count_nonzero(np.diff(np.asarray(winners))))


def changes_per_minute(winners: Sequence[int] | NDArray[np.integer[Any]], seconds: float) -> float:
    """Return label changes a minute of a video that lasts `seconds`; 0.0 where no time went by."""
    return label_changes(winners) * 60.0 / seconds if seconds > 0 else 0.0


def agreement(a: Sequence[Segment], b: Sequence[Segment]) -> float:
    """Return the share (0 to 1) of the time axis on which both timelines show the same label.

    The axis is what either of them covers: where only one says something, they differ. Two that cover no time agree fully.
    """
    edges = np.unique([edge for s in (*a, *b) for edge in (s.start, s.end)])
    widths, middles = np.diff(edges), (edges[:-1] + edges[1:]) / 2
    names = {label: place for place, label in enumerate(sorted({s.label for s in (*a, *b)}))}
    one, other = (_shown(segments, names, middles) for segments in (a, b))
    covered = float(widths[(one >= 0) | (other >= 0)].sum())
    same = float(widths[(one >= 0) & (one == other)].sum())
    return same / covered if covered > 0 else 1.0


def expected_calibration_error(confidence: Any, correct: Any, bins: int = 15) -> float:
    """Return how far probabilities are from what comes true, on average: 0 is perfectly calibrated, 1 the worst.

    Answers are put into `bins` of equal width by their confidence, (0, 1/bins] first; of each bin the share that is right is
    compared with the mean confidence, and the differences are averaged by the number of answers (Naeini et al., "Obtaining Well
    Calibrated Probabilities Using Bayesian Binning", AAAI 2015; Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).

    Args:
        confidence: (N,) probabilities of the answers, 0 to 1; none at all give 0.0.
        correct: (N,) whether each answer is right.
        bins: how many bins there are.
    """
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    gaps = np.bincount(calibration_bins(sure, bins), weights=sure - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(sure)) if len(sure) else 0.0


def calibration_bins(confidence: Any, bins: int = 15) -> NDArray[np.intp]:
    """Return which of `bins` equal-width bins each confidence lies in: 0 for (0, 1/bins] and for 0 itself."""
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    return np.searchsorted(edges, np.asarray(confidence, np.float64), side="left")


def _shown(segments: Sequence[Segment], names: dict[str, int], times: Floats) -> NDArray[np.int64]:
    """Return the index (n,) of the label at each of `times`, -1 where there is none; segments in order, without overlap."""
    lasting = [s for s in segments if s.duration > 0]
    if not lasting:
        return np.full(len(times), -1)
    place = np.searchsorted([s.start for s in lasting], times, side="right") - 1
    inside = (place >= 0) & (times < np.array([s.end for s in lasting])[place])
    return np.where(inside, np.array([names[s.label] for s in lasting])[place], -1)
