"""Strategies: which frames of a video to look at.

A strategy is called `strategy(video, score, smoother)` and yields Scores in blocks, in the order of time. `score` turns frames
into Scores; the smoother is given because a strategy may ask how far its window reaches. Most do not.
"""

import abc
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import final

from framevote.errors import PartError
from framevote.parts import Part
from framevote.records import Frame, Scores
from framevote.smoothing import Smoother
from framevote.video import Video

Score = Callable[[Iterable[Frame]], Iterator[Scores]]


class Strategy(Part, abc.ABC):
    """Decides which frames to look at, and drives the looking."""

    @property
    def spacing(self) -> float:
        """Seconds between the frames that are looked at, at most; 0 where every frame is."""
        return 0.0

    @abc.abstractmethod
    def __call__(self, video: Video, score: Score, smoother: Smoother) -> Iterator[Scores]:
        """Yield the scores of the frames that were looked at; together their rows stand for the whole video."""


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
