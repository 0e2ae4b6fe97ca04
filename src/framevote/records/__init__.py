"""The values that flow: Frame, Scores, Segment, Timeline. Frozen, checked once, printed by shape."""

from collections.abc import Callable

from framevote.records.pictures import Frame, Image, VideoInfo, View
from framevote.records.sampling import Sampling
from framevote.records.scores import Features, FloatArray, Scores
from framevote.records.timeline import UNKNOWN, Effort, Flicker, Guess, Recipe, Segment, Timeline, Track

# Told the seconds of video and the frames that are done.
Progress = Callable[[float, int], None]

__all__ = [
    "UNKNOWN",
    "Effort",
    "Features",
    "Flicker",
    "FloatArray",
    "Frame",
    "Guess",
    "Image",
    "Progress",
    "Recipe",
    "Sampling",
    "Scores",
    "Segment",
    "Timeline",
    "Track",
    "VideoInfo",
    "View",
]
