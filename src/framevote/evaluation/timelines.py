"""How well found timelines agree with true ones, by the measures of the field.

Everywhere here: a stretch that is `unknown` has no label, just as a gap; times are seconds; segments last some time (those of no
length are left out); a video is a pair of what was found and what is true.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framevote.evaluation.detection import mean_average_precision
from framevote.records import UNKNOWN, Segment

OVERLAPS = (10, 25, 50)
"""Per cent of overlap (intersection over union) at which the segment F1 is told."""

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""The temporal overlaps of ActivityNet: 0.5, 0.55 … 0.95."""

Segments = Sequence[Segment]
Pair = tuple[Segments, Segments]
"""What was found in a video, and what is true of it."""


@dataclass(frozen=True)
class Delay:
    """Seconds until a label is first shown after it truly begins; NaN where none is ever shown.

    Attributes:
        median, late: the 50th and the 95th percentile over the true segments whose label is shown within them.
        never: the share of true segments whose label is never shown within them.
    """

    median: float
    late: float
    never: float


@dataclass(frozen=True)
class TimelineFigures:
    """How well timelines agree with the truth; shares are 0 to 1, 1 is perfect.

    Attributes:
        videos: how many were compared.
        seconds: of video that have a true label.
        frame_accuracy: share of these on which the true label is shown.
        f1: segment F1 by per cent of overlap: 10, 25, 50.
        edit: edit score.
        map_50: mean average precision of segments at a temporal overlap of 0.5; `map`: its mean over 0.5, 0.55 … 0.95.
        changes: label changes a minute of what was found; `true_changes`: of the truth.
        delay: how long labels take to appear.
    """

    videos: int
    seconds: float
    frame_accuracy: float
    f1: dict[int, float]
    edit: float
    map_50: float
    map: float
    changes: float
    true_changes: float
    delay: Delay


def compare_timelines(pairs: Iterable[Pair]) -> TimelineFigures:
    """Return how well found timelines agree with the true ones of the same videos."""
    videos = [(labelled(found), labelled(truth)) for found, truth in pairs]
    joined = [(joined_segments(found), joined_segments(truth)) for found, truth in videos]
    shown = [shown_seconds(pair) for pair in videos]
    right, seconds = (sum(column) for column in zip(*shown, strict=True)) if shown else (0.0, 0.0)
    maps = [mean_average_precision(videos, threshold) for threshold in THRESHOLDS]
    found_changes, true_changes = changes_a_minute(joined)
    return TimelineFigures(
        videos=len(videos),
        seconds=seconds,
        frame_accuracy=right / seconds if seconds else float("nan"),
        f1={percent: segment_f1(joined, percent / 100) for percent in OVERLAPS},
        edit=float(np.mean([edit_score(found, truth) for found, truth in joined])) if joined else float("nan"),
        map_50=maps[0],
        map=float(np.mean(maps)),
        changes=found_changes,
        true_changes=true_changes,
        delay=label_delay(joined),
    )


def labelled(segments: Segments) -> list[Segment]:
    """Return the segments that have a label and last some time, in order."""
    return sorted((s for s in segments if s.label != UNKNOWN and s.duration > 0), key=lambda s: (s.start, s.end))


def joined_segments(segments: Segments) -> list[Segment]:
    """Return labelled segments with those joined that have one label and touch or overlap: as a frame-wise truth would show them."""
    last: dict[str, Segment] = {}
    done: list[Segment] = []
    for segment in labelled(segments):
        before = last.get(segment.label)
        if before and segment.start <= before.end:
            score = np.average([before.score, segment.score], weights=[before.duration, segment.duration])
            segment = Segment(before.start, max(before.end, segment.end), segment.label, float(score))  # noqa: PLW2901
        elif before:
            done.append(before)
        last[segment.label] = segment
    return labelled([*done, *last.values()])


def shown_seconds(pair: Pair) -> tuple[float, float]:
    """Return the seconds that show a true label, and those that have one: frame accuracy is their ratio.

    Time without a true label does not count. Where several are true at once, any of them is right.
    """
    found, truth = pair
    if not truth:
        return 0.0, 0.0
    edges = _edges([*found, *truth])
    truly, right = np.zeros(len(edges) - 1, np.bool_), np.zeros(len(edges) - 1, np.bool_)
    for label in {segment.label for segment in truth}:
        here = _covered(edges, [s for s in truth if s.label == label])
        truly |= here
        right |= here & _covered(edges, [s for s in found if s.label == label])
    widths = np.diff(edges)
    return float(widths[right].sum()), float(widths[truly].sum())


def segment_f1(pairs: Iterable[Pair], overlap: float) -> float:
    """Return the segmental F1 (Lea et al., "Temporal Convolutional Networks for Action Segmentation and Detection", CVPR 2017).

    In order of time, each found segment goes to the true one of its label that it overlaps most (intersection over union). It is
    right where that overlap is at least `overlap` and no earlier one was right there; else it is wrong, also in a gap of the
    truth. True segments that got none are missed. The counts are pooled over all videos; where there is neither a found nor a
    true segment, F1 is 1.
    """
    right = found_count = true_count = 0
    for found, truth in pairs:
        right += _matches(found, truth, overlap)
        found_count, true_count = found_count + len(found), true_count + len(truth)
    return 2 * right / (found_count + true_count) if found_count + true_count else 1.0


def _matches(found: Segments, truth: Segments, overlap: float) -> int:
    taken: set[int] = set()
    for segment in found:
        overlaps = [segment_overlap(segment, other) if segment.label == other.label else 0.0 for other in truth]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] > 0 and overlaps[best] >= overlap:
            taken.add(best)  # a second one changes nothing: it is no further match
    return len(taken)


def segment_overlap(one: Segment, other: Segment) -> float:
    """Return the intersection of two segments over their union, 0 to 1."""
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared / (one.duration + other.duration - shared) if shared > 0 else 0.0


def edit_score(found: Segments, truth: Segments) -> float:
    """Return 1 - Levenshtein distance of the two sequences of labels / length of the longer; 1 where both are empty.

    From Lea et al., "Segmental Spatiotemporal CNNs for Fine-grained Action Segmentation", ECCV 2016: how right the order is,
    whenever things happen. The mean over videos is told.
    """
    one, other = [s.label for s in found], [s.label for s in truth]
    longest = max(len(one), len(other))
    return 1 - _levenshtein(one, other) / longest if longest else 1.0


def _levenshtein(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many labels must be put in, left out or exchanged to make one sequence of the other; a row at a time."""
    codes = {label: code for code, label in enumerate({*one, *other})}
    targets = np.array([codes[label] for label in other], np.int64)
    places = np.arange(len(other) + 1)
    row = places
    for count, label in enumerate(one, 1):
        changed = np.minimum(row[1:] + 1, row[:-1] + (targets != codes[label]))
        # What is put in costs one for each place from the best start before it: a running minimum of cost less place.
        row = np.minimum.accumulate(np.concatenate([[count], changed]) - places) + places
    return int(row[-1])


def changes_a_minute(pairs: Iterable[Pair]) -> tuple[float, float]:
    """Return label changes a minute of what was found and of the truth, over the seconds that have a true label, put together.

    A change is a time at which what is shown (no label, one, or more) is something else than just before.
    """
    changes, seconds = np.zeros(2), 0.0
    for found, truth in pairs:
        if truth:
            edges = _edges([*found, *truth])
            truly = _shown(edges, truth)
            counted = truly.any(axis=0)
            seconds += float(np.diff(edges)[counted].sum())
            changes += [np.diff(shown[:, counted], axis=1).any(axis=0).sum() for shown in (_shown(edges, found), truly)]
    found_rate, true_rate = changes * 60 / seconds if seconds else changes
    return float(found_rate), float(true_rate)


def _shown(edges: NDArray[np.float64], segments: Segments) -> NDArray[np.bool_]:
    """Return (labels, E - 1): which label is shown in which of the stretches between edges."""
    labels = sorted({segment.label for segment in segments})
    return np.array([_covered(edges, [s for s in segments if s.label == label]) for label in labels]).reshape(-1, len(edges) - 1)


def label_delay(pairs: Iterable[Pair]) -> Delay:
    """Return how long after each true segment's start its label is first shown within it."""
    delays, missed = [], 0
    for found, truth in pairs:
        for segment in truth:
            shown = [f.start for f in found if f.label == segment.label and segment_overlap(f, segment) > 0]
            if shown:
                delays.append(max(min(shown) - segment.start, 0.0))
            else:
                missed += 1
    count = len(delays) + missed
    median, late = np.percentile(delays, [50, 95]) if delays else (float("nan"), float("nan"))
    return Delay(float(median), float(late), missed / count if count else float("nan"))


def _edges(segments: Segments) -> NDArray[np.float64]:
    return np.unique([edge for s in segments for edge in (s.start, s.end)]).astype(np.float64)


def _covered(edges: NDArray[np.float64], segments: Segments) -> NDArray[np.bool_]:
    """Return (E - 1,) which of the stretches between edges lie within a segment."""
    covered = np.zeros(len(edges) - 1, np.bool_)
    for segment in segments:
        covered[np.searchsorted(edges, segment.start) : np.searchsorted(edges, segment.end)] = True
    return covered
