"""What a strategy promises."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from framevote.records import Frame, Scores
from framevote.smoothing import RollingMean
from framevote.strategies import Looking, Strategy
from framevote.strategies.base import Stretch
from framevote.testing.made import LABELS, made_video
from framevote.testing.promises import check_text, expect, same
from framevote.video import Video, open_video

_MADE = (
    ("made.mkv", [40] * 60, 0),
    ("made.mkv", [40, 80, 20, 200, 40] * 12, 0),
    ("made.mkv", [40], 0),
    ("made.mp4", [40] * 60, 2),
    ("made.mp4", [40, 80, 20, 200, 40] * 12 + [40] * 4, 2),  # what an MP4 says of the last one is that of the one stored last
)
"""Videos: their name, how many milliseconds each frame lasts, and how many frames in a row are stored out of their order."""


def check_strategy(part: Strategy) -> None:
    """Check a strategy: its rows follow one another from the first frame on and stand for the whole video and every frame of it, on even
    and uneven clocks, whether the container lists its keyframes or not, and in whatever order the frames are stored.

    If it returns anything, these are stretches of the video where it left the vote undecided: in order, and apart.
    """
    check_text("strategy", part)
    for name, ticks, swapped in _MADE:
        with TemporaryDirectory() as folder:
            video = open_video(made_video(Path(folder) / name, ticks, swapped))
            (looked, doubtful), (again, _) = (_looked(part, video) for _ in range(2))
        expect(len(looked) > 0, f"{part} promises at least one row", looked)
        expect(looked.times[0] == 0, f"{part} promises a first row at the first frame", looked.times[0])
        ends, end = looked.times + looked.durations, sum(ticks) / 1000
        same(ends[:-1], looked.times[1:], f"{part} promises rows that each last until the next")
        same(ends[-1:], np.array([end]), f"{part} promises rows up to the end of the video", within=0.002)
        same(looked.frames.sum(), np.array(len(ticks)), f"{part} promises rows that together stand for every frame", within=1e-3)
        same(again.values, looked.values, f"{part} promises the same rows for the same video")
        _check_doubtful(part, doubtful, end)


def _looked(part: Strategy, video: Video) -> tuple[Scores, tuple[Stretch, ...]]:
    """Return all rows that a strategy yields, and the stretches that it returns."""
    doubtful: tuple[Stretch, ...] = ()

    def kept() -> Looking:
        nonlocal doubtful
        doubtful = (yield from cast(Looking, part(video, _scored, RollingMean(frames=1)))) or ()
        return doubtful

    return Scores.join(list(kept()), LABELS), doubtful


def _check_doubtful(part: Strategy, doubtful: tuple[Stretch, ...], end: float) -> None:
    edges = np.array(doubtful, np.float64).reshape(-1)
    ordered = bool(np.all(np.diff(edges) > 0)) and bool(np.all((edges >= 0) & (edges <= end + 0.002)))
    expect(ordered, f"{part} promises to return undecided stretches (start, end) of the video, in order and apart", doubtful)


def _scored(frames: Iterable[Frame]) -> Iterator[Scores]:
    """Stand for a model: each frame's share of red, green and blue, in blocks of four rows."""
    rows: list[Frame] = []
    for frame in frames:
        rows.append(frame)
        if len(rows) == 4:
            yield _shares(rows)
            rows = []
    if rows:
        yield _shares(rows)


def _shares(frames: list[Frame]) -> Scores:
    means = np.array([frame.image.mean(axis=(0, 1)) + 1 for frame in frames])
    fields = ([getattr(frame, name) for frame in frames] for name in ("time", "duration", "frames"))
    times, durations, counts = (np.array(field, np.float64) for field in fields)
    return Scores((means / means.sum(axis=1, keepdims=True)).astype(np.float32), times, durations, counts, LABELS)
