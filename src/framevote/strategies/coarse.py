"""Strategies that look closer only where the vote is still open."""

import math
import time
from dataclasses import dataclass
from typing import final

from framevote.smoothing import Smoother
from framevote.strategies.base import Looking, Score, Strategy, check_number
from framevote.strategies.search import Search
from framevote.video import Video, index_of


@final
@dataclass(frozen=True, repr=False)
class CoarseToFine(Strategy):
    """Looks at the keyframes first, and then closer only where the vote is still open.

    Between two looks at which the vote shows different labels, the boundary is sought by bisection, first at the keyframe where
    encoders put one for a new scene. Elsewhere the vote is open where it might show another label if the frames that nobody has seen
    were like other ones near by (`strategies.openness`). Only what leads to the frames that are looked at is decoded.

    Args:
        confidence: 0.5 to 1: how sure it is that unseen frames change no label; 1 looks at every still.
        finest: seconds between stills, within which no boundary is sought; 0 takes every frame. CoarseToFine(confidence=1, finest=0)
            is EveryFrame().
    """

    confidence: float = 0.9
    finest: float = 0.05

    def __post_init__(self) -> None:
        check_number(self, "confidence", "a share from 0.5 to 1", 0.5, 1.0)
        check_number(self, "finest", "seconds from 0 to 60", 0, 60)

    @property
    def spacing(self) -> float:
        """Unbounded: where the vote is decided, nothing more is looked at."""
        return math.inf

    def __call__(self, video: Video, score: Score, smoother: Smoother) -> Looking:
        """Yield rows as the vote is decided on them; return the stretches where it is not, though all stills have been seen."""
        index = index_of(video)
        if not index.timed:
            return (yield from _everything(video, score))
        return (yield from Search(video, index, score, smoother, self.confidence, self.finest).run())


@final
@dataclass(frozen=True, repr=False)
class Budget(Strategy):
    """Looks as closely as `seconds` of work allow, first where the vote is most open.

    As `CoarseToFine`, but with fewer keyframes where all would take more than half of the time, and it leaves off when the time is up:
    each part of the video has its share, and what one does not need goes to those behind it. The same video may come out
    otherwise on another day, since it depends on how fast the machine is.

    Args:
        seconds: how long the looking may take, without loading the model. It ends with the piece of video under way then, of ten
            seconds at most, and looks at one frame whatever the time.
    """

    seconds: float = 10.0

    def __post_init__(self) -> None:
        check_number(self, "seconds", "seconds above 0", 1e-6)

    @property
    def spacing(self) -> float:
        """Unbounded: it depends on the time."""
        return math.inf

    def __call__(self, video: Video, score: Score, smoother: Smoother) -> Looking:
        """Yield rows; return the stretches where the vote was left open."""
        began = time.monotonic()
        index = index_of(video)
        if not index.timed:
            return (yield from _everything(video, score))
        left = max(self.seconds - (time.monotonic() - began), 0.0)  # where no list tells the keyframes, finding them takes long
        search = Search(video, index, score, smoother, CoarseToFine.confidence, CoarseToFine.finest, left)
        return (yield from search.run())


def _everything(video: Video, score: Score) -> Looking:
    video.note("its packets do not say in order when they are shown, so every frame is looked at")
    yield from score(video)
    return ()
