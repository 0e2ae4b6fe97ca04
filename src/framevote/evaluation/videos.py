"""Videos of which pieces are labelled: the whole is labelled too, and the timelines are compared."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from framevote.classifier import Classifier
from framevote.datasets import Item, Problem
from framevote.errors import InputError
from framevote.evaluation.results import ComparedVideo
from framevote.evaluation.timelines import TimelineFigures, compare_timelines, labelled, shown_seconds
from framevote.labeling import label
from framevote.records import Progress, Segment, Timeline
from framevote.smoothing import Smoother
from framevote.timelines import Cut


@dataclass(frozen=True, eq=False)
class ComparedVideos:
    """How well the timelines agree (None: there are none), the worst first, and what could not be labelled."""

    figures: TimelineFigures | None
    compared: tuple[ComparedVideo, ...]
    problems: tuple[Problem, ...]


def compare_videos(
    items: Sequence[Item], classifier: Classifier, smoother: Smoother, cut: Cut, progress: Progress | None
) -> ComparedVideos:
    """Label every video of which the items are pieces, and compare with them.

    A video is left aside where an item is the whole of it. Pieces of classes that the model does not know are no items here:
    their time is a gap in the truth.
    """
    compared, problems = [], []
    for path, pieces in pieces_by_video(items):
        try:
            timeline = label(path, classifier, smoother=smoother, **vars(cut), progress=progress)
        except InputError as error:
            problems.append(Problem.of(path, error))
            continue
        compared.append(_compared(timeline, pieces))
    figures = compare_timelines((video.found, video.truth) for video in compared) if compared else None
    return ComparedVideos(figures, tuple(sorted(compared, key=lambda video: video.frame_accuracy)), tuple(problems))


def pieces_by_video(items: Iterable[Item]) -> Iterator[tuple[Path, list[Item]]]:
    """Yield each video of which the items are pieces, some of them with a label, and these."""
    ordered = sorted((item for item in items if item.kind == "video"), key=lambda item: str(item.path))
    for path, same in groupby(ordered, lambda item: item.path):
        pieces = list(same)
        if all(map(_is_piece, pieces)) and any(item.labels for item in pieces):
            yield path, pieces


def truth_of(pieces: Iterable[Item], end: float) -> tuple[Segment, ...]:
    """Return what pieces say is true of their video, in order; `end` seconds is where a piece ends that has no end of its own."""
    spans = ((item.start, end if item.end is None else item.end, name) for item in pieces for name in item.labels)
    return tuple(sorted((Segment(start, max(start, stop), name, 1.0) for start, stop, name in spans), key=lambda s: s.start))


def _is_piece(item: Item) -> bool:
    return item.start > 0 or item.end is not None


def _compared(timeline: Timeline, pieces: Sequence[Item]) -> ComparedVideo:
    end = timeline.duration or timeline.video.duration
    truth = truth_of(pieces, end)
    right, seconds = shown_seconds((labelled(timeline.segments), labelled(truth)))
    return ComparedVideo(pieces[0].path, timeline.segments, truth, right / seconds if seconds else 0.0)
