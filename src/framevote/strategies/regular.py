"""Strategies that look at even distances, whatever the video shows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from framevote.errors import PartError
from framevote.records import Scores
from framevote.smoothing import Smoother
from framevote.strategies.base import Score, Strategy, check_count, check_number
from framevote.strategies.shares import looked_at
from framevote.video import Video, index_of, keyframes


@final
@dataclass(frozen=True, repr=False)
class EveryFrame(Strategy):
    """Looks at every frame."""

    def __call__(self, video: Video, score: Score, smoother: Smoother) -> Iterator[Scores]:
        """Yield a row for every frame of the video."""
        return score(video)


@final
@dataclass(frozen=True, repr=False)
class Every(Strategy):
    """Looks at one frame of every stretch of `seconds`: the first that is shown in it.

    Everything is decoded, since frames are stored as changes of the ones before; what is saved is the network's work.
    """

    seconds: float = 1.0

    def __post_init__(self) -> None:
        number = isinstance(self.seconds, int | float) and not isinstance(self.seconds, bool)
        if not number or not math.isfinite(self.seconds) or self.seconds <= 0:
            raise PartError(f"Every expects seconds above 0, such as Every(seconds=0.5). Received: {self.seconds!r}")

    @property
    def spacing(self) -> float:
        """The stretch."""
        return float(self.seconds)

    def __call__(self, video: Video, score: Score, smoother: Smoother) -> Iterator[Scores]:
        """Yield a row for every stretch."""
        return score(video.every(self.seconds))


@final
@dataclass(frozen=True, repr=False)
class Keyframes(Strategy):
    """Looks at the frames that the codec stores whole, and decodes no other.

    Encoders store one every 1–10 seconds, and most also where a new scene begins; what comes between is not seen. Where the container
    lists its packets (MP4, MOV, AVI) the others are not even read; of others (MKV, WebM, TS) the whole file is read, and that is said.

    Args:
        step: seconds; keyframes are left out as long as one still comes every `step` seconds, give or take a fiftieth. 0 looks at all of
            them.
    """

    step: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "step", "seconds, 0 or more", 0)

    @property
    def spacing(self) -> float:
        """Unbounded: a codec may store no frame whole for long."""
        return math.inf

    def __call__(self, video: Video, score: Score, smoother: Smoother) -> Iterator[Scores]:
        """Yield a row for every keyframe that is looked at."""
        return score(keyframes(video, self.step))


@final
@dataclass(frozen=True, repr=False)
class Uniform(Strategy):
    """Looks at so many frames in all, however long the video is: those in the middles of equal shares of its time.

    Only what leads to these is decoded, from the keyframe before each. Wang et al., "Temporal Segment Networks" (ECCV 2016), take one
    frame of each of several equal segments.

    Args:
        frames: how many, at least 1; of a video that has fewer, as many as it has.
    """

    frames: int = 16

    def __post_init__(self) -> None:
        check_count(self, "frames")

    @property
    def spacing(self) -> float:
        """Unbounded: it grows with the video."""
        return math.inf

    def __call__(self, video: Video, score: Score, smoother: Smoother) -> Iterator[Scores]:
        """Yield a row for every share."""
        index = index_of(video)
        edges = np.linspace(0, index.end, min(self.frames, max(index.total, 1)) + 1)
        return score(looked_at(video, index, edges, (edges[:-1] + edges[1:]) / 2))
