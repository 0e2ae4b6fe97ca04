"""Strategies: which frames of a video to look at.

A strategy is called `strategy(video, score, smoother)` and yields Scores in blocks, in the order of time. `score` turns frames
into Scores; the smoother is given because a strategy may ask whether its vote is still open. Most do not.
"""

from framevote.strategies.base import Looking, Score, Strategy
from framevote.strategies.coarse import Budget, CoarseToFine
from framevote.strategies.regular import Every, EveryFrame, Keyframes, Uniform
from framevote.strategies.scenes import MotionUniform, ShotChanges

__all__ = [
    "Budget",
    "CoarseToFine",
    "Every",
    "EveryFrame",
    "Keyframes",
    "Looking",
    "MotionUniform",
    "Score",
    "ShotChanges",
    "Strategy",
    "Uniform",
]
