"""Strategies that look where the picture changes: everything is decoded, and the network spared."""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.records import Frame, Scores, View
from framevote.smoothing import Smoother
from framevote.strategies.base import Score, Strategy, check_count, check_number
from framevote.strategies.shares import looked_at
from framevote.video import Picture, Scaler, Video, index_of

_SMALL = View(32, 18, "squash")
"""What change is measured on: the shapes of a scene are there, noise and small motion are not."""

_MEMORY = 24
"""Frames: by how much the picture changes of late."""

_SUDDEN, _CLEAR = 4.0, 0.04
"""A shot begins where the picture changes so many times as much as of late, and by so much of the range from black to white at least."""

_SHORTEST = 0.25
"""Seconds: what is shorter than this is a flash, and no shot."""


@final
@dataclass(frozen=True, repr=False)
class ShotChanges(Strategy):
    """Looks at one frame of every shot, near its middle.

    A shot begins where a frame differs from the one before far more than frames did of late; fades and dissolves are no such places,
    but a shot is looked at anew every `longest` seconds. Of comparing frames by their difference: Zhang, Kankanhalli, Smoliar,
    "Automatic partitioning of full-motion video" (1993).

    Args:
        longest: seconds; shots that last longer are looked at once in each stretch of that length.
    """

    longest: float = 10.0

    def __post_init__(self) -> None:
        check_number(self, "longest", "seconds, 0.5 or more", 0.5)

    @property
    def spacing(self) -> float:
        """The longest stretch that is looked at once."""
        return float(self.longest)

    def __call__(self, video: Video, score: Score, smoother: Smoother) -> Iterator[Scores]:
        """Yield a row for every shot."""
        return score(self._frames(video))

    def _frames(self, video: Video) -> Iterator[Frame]:
        shot: _Shot | None = None
        scaler, begun = Scaler(video.info, video.view), 0.0
        for picture, change, usual in _changes(video):
            cut = change > max(_CLEAR, _SUDDEN * usual) and picture.time - begun >= _SHORTEST
            begun = picture.time if cut else begun
            if shot is None or cut or picture.time - shot.start >= self.longest - 1e-6:
                if shot is not None:
                    yield shot.frame(picture.time)
                shot = _Shot(picture.time)
            shot.show(picture, scaler)
        if shot is not None:
            yield shot.frame(shot.end)


class _Shot:
    """A shot as it goes by: it keeps few stills, of which one is near its middle wherever it ends."""

    def __init__(self, start: float) -> None:
        self.start = self.end = start
        self._stills: list[Frame] = []
        self._due, self._shown = start, 0

    def show(self, picture: Picture, scaler: Scaler) -> None:
        """Take the next picture."""
        self._shown += 1
        self.end = picture.time + picture.duration
        if picture.time >= self._due:
            self._stills.append(Frame(scaler(picture.frame), picture.time, -1))
            # Each half as far behind the start again: the middle of any shot is within a fifth of its length of some still.
            self._due = self.start + max((picture.time - self.start) * 1.5, 0.2)

    def frame(self, end: float) -> Frame:
        """Return the still next to the middle, standing for the shot."""
        middle = (self.start + end) / 2
        still = min(self._stills, key=lambda still: abs(still.time - middle))
        return replace(still, time=self.start, duration=end - self.start, frames=self._shown)


@final
@dataclass(frozen=True, repr=False)
class MotionUniform(Strategy):
    """Looks at so many frames in all, at equal shares of change: where much happens, more often.

    The change from frame to frame is added up along the video, its square root in place of itself so that a cut does not outweigh
    minutes of motion, and the sum is cut into equal shares. Zhi et al., "MGSampler: An Explainable Sampling Strategy for Video Action
    Recognition" (ICCV 2021). The video is decoded once to measure, and what leads to the chosen frames again.

    Args:
        frames: how many, at least 1; of a video that has fewer, all.
    """

    frames: int = 16

    def __post_init__(self) -> None:
        check_count(self, "frames")

    @property
    def spacing(self) -> float:
        """Unbounded: where nothing moves, nothing is looked at."""
        return math.inf

    def __call__(self, video: Video, score: Score, smoother: Smoother) -> Iterator[Scores]:
        """Yield a row for every share."""
        index = index_of(video)
        times, changes, end = _measured(video)
        shares = min(self.frames, len(times))
        edges, looks = _equal_shares(times, changes, end, shares)
        return score(looked_at(video, index, edges, looks))


def _measured(video: Video) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return when each frame is shown (T,), the square root of how much it changes (T,), and when the last ends."""
    times, changes, end = array("d"), array("d"), 0.0  # 8 bytes a frame: lists take four times as much, for hours of video
    for picture, change, _ in _changes(video):
        times.append(picture.time)
        changes.append(math.sqrt(change))
        end = picture.time + picture.duration
    return np.array(times), np.array(changes), end


def _equal_shares(
    times: NDArray[np.float64], changes: NDArray[np.float64], end: float, shares: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the edges (N + 1,) of shares of equal change, and the time (N,) of the middle of the change in each."""
    if shares == len(times):
        return np.concatenate([[0.0], times[1:], [end]]), times
    # A trace of time in it keeps the sum growing where nothing moves at all.
    done = np.concatenate([[0.0], np.cumsum(changes[1:] + 1e-3 * max(float(changes.mean()), 1e-9)), [0.0]])
    done[-1] = done[-2] + (done[-2] - done[-3] if len(times) > 1 else 1.0)
    clock = np.append(times, end)
    marks = np.interp(np.linspace(0, done[-1], 2 * shares + 1), done, clock)
    edges, looks = marks[::2].copy(), marks[1::2]
    edges[0], edges[-1] = 0.0, end
    kept = np.diff(edges) > 0
    return np.append(edges[:-1][kept], end), looks[kept]


def _changes(video: Video) -> Iterator[tuple[Picture, float, float]]:
    """Yield each picture, how much it differs from the one before (0 to 1), and how much pictures did of late (their median)."""
    small = Scaler(video.info, _SMALL)
    late = np.zeros(_MEMORY)
    before: NDArray[np.float32] | None = None
    for number, picture in enumerate(video.pictures()):
        pts = picture.frame.pts
        image = small(picture.frame).astype(np.float32)
        picture.frame.pts = pts  # the scaler takes it away
        change = 0.0 if before is None else float(np.abs(image - before).mean()) / 255
        yield picture, change, float(np.median(late[: max(min(number, _MEMORY), 1)]))
        late[number % _MEMORY] = change
        before = image
