"""Segments as detections: average precision at a temporal overlap, as ActivityNet computes it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from framevote.records import Segment

_Videos = Sequence[tuple[Sequence[Segment], Sequence[Segment]]]


def mean_average_precision(videos: _Videos, overlap: float) -> float:
    """Return the mean over the true labels of the interpolated average precision at a temporal overlap (intersection over union).

    As in the evaluation of Caba Heilbron et al., "ActivityNet: A Large-Scale Video Benchmark", CVPR 2015: the found segments of a
    label, of all videos, stand in order of their scores (of equals, as they come); each takes the true segment of its video that
    it overlaps most among those that are free and overlap it by at least `overlap`, and is right if there is one. Segments are
    taken as they are: two that touch are two. NaN where nothing is true.

    Args:
        videos: of each, what was found (segments with scores) and what is true.
        overlap: 0 to 1.
    """
    labels = sorted({segment.label for _, truth in videos for segment in truth})
    return float(np.mean([_label_precision(videos, label, overlap) for label in labels])) if labels else float("nan")


def _label_precision(videos: _Videos, label: str, overlap: float) -> float:
    spans = [np.array([(s.start, s.end) for s in truth if s.label == label]).reshape(-1, 2) for _, truth in videos]
    free = [np.ones(len(span), np.bool_) for span in spans]
    found = [(s, video) for video, (segments, _) in enumerate(videos) for s in segments if s.label == label]
    right = np.zeros(len(found), np.bool_)
    for place, (segment, video) in enumerate(sorted(found, key=lambda one: -one[0].score)):
        overlaps = np.where(free[video], _overlaps(segment, spans[video]), -1.0)
        if len(overlaps) and overlaps.max() >= overlap:
            free[video][overlaps.argmax()] = False
            right[place] = True
    return _interpolated(right, sum(map(len, spans)))


def _overlaps(segment: Segment, spans: NDArray[np.float64]) -> NDArray[np.float64]:
    shared = np.maximum(np.minimum(spans[:, 1], segment.end) - np.maximum(spans[:, 0], segment.start), 0)
    return np.asarray(shared / (spans[:, 1] - spans[:, 0] + segment.duration - shared))


def _interpolated(right: NDArray[np.bool_], positives: int) -> float:
    """Return the area under the precision-recall curve, where each precision counts as the best at that recall or a higher one."""
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[right].sum() / positives)
