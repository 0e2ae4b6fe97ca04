"""What a strategy promises."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from framevote.records import Frame, Scores
from framevote.smoothing import RollingMean
from framevote.strategies import Strategy
from framevote.testing.made import LABELS, made_video
from framevote.testing.promises import check_text, expect, same
from framevote.video import open_video


def check_strategy(part: Strategy) -> None:
    """Check a strategy: its rows follow one another and stand for the whole video, on even and uneven clocks."""
    check_text("strategy", part)
    for ticks in ([40] * 60, [40, 80, 20, 200, 40] * 12, [40]):
        with TemporaryDirectory() as folder:
            video = open_video(made_video(Path(folder) / "made.mkv", ticks))
            looked, again = (Scores.join(part(video, _scored, RollingMean(frames=1)), LABELS) for _ in range(2))
        expect(len(looked) > 0, f"{part} promises at least one row", looked)
        expect(looked.times[0] == 0, f"{part} promises a first row at the first frame", looked.times[0])
        ends = looked.times + looked.durations
        same(ends[:-1], looked.times[1:], f"{part} promises rows that each last until the next")
        same(ends[-1:], np.array([sum(ticks) / 1000]), f"{part} promises rows up to the end of the video", within=0.002)
        same(looked.frames.sum(), np.array(len(ticks)), f"{part} promises rows that together stand for every frame")
        same(again.values, looked.values, f"{part} promises the same rows for the same video")


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
