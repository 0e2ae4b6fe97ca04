"""Clips as a head that sees order takes them: the same number of frames of each, and long ones in pieces."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from framevote.datasets.items import Item
from framevote.datasets.looking import frames_of, piece_end
from framevote.errors import InputError
from framevote.records import Frame, View
from framevote.video import open_video, probe

_USUAL_RATE = 25  # frames a second, of a video that does not say

MOST_PIECES = 8
"""Windows of one clip that are learned from, spread evenly over it."""

STRIDE = 0.5
"""From the start of a window to that of the next, in windows: overlapping, they show more of what happens whole."""


def length_of(item: Item) -> float:
    """Return how many seconds a clip lasts; 0 where the file does not say.

    Raises:
        InputError: it cannot be opened.
    """
    if item.end is not None:
        return item.end - item.start
    return max(probe(item.path).duration - item.start, 0.0)


def pieces_of(item: Item, seconds: float, length: float) -> list[Item]:
    """Return the windows of a clip that are looked at: the whole of one in which no second fits, else several of `seconds` each."""
    count = min(1 + int((length / seconds - 1) / STRIDE + 1e-9), MOST_PIECES)
    if count < 2:
        return [item]
    starts = item.start + np.linspace(0, length - seconds, count)
    return [replace(item, start=float(start), end=float(start) + seconds) for start in starts]


def spread(held: int, frames: int) -> NDArray[np.intp]:
    """Return which of `held` frames are shown at `frames` even moments: a clip of few frames shows some for longer."""
    return np.asarray((np.arange(frames) + 0.5) * held / frames, np.intp)


def clips_of(item: Item, seconds: float, frames: int, view: View) -> Iterator[Sequence[Frame]]:
    """Yield the windows of a clip, each as so many frames.

    Raises:
        InputError: it is a photo, cannot be read, or shows a single frame: there is no order to see.
    """
    if item.kind == "photo":
        raise InputError(f"{item.path} is a photo. Expected a video: the model looks at how {frames} frames follow one another.")
    for piece in pieces_of(item, seconds, length_of(item)):
        held = list(frames_of(piece, view, frames))
        if len(held) < 2:
            raise InputError(f"{item.path} shows {len(held)} frame where the model looks at {frames}. Expected at least two.")
        yield [held[place] for place in spread(len(held), frames)]


def moving_clips_of(item: Item, seconds: float, view: View, lead: int) -> Iterator[Sequence[Frame]]:
    """Yield the windows of a clip as `moving_frames` does.

    Raises:
        InputError: it is a photo, cannot be read, or shows a single frame: nothing moves in it.
    """
    for piece in pieces_of(item, seconds, 0.0 if item.kind == "photo" else length_of(item)):
        yield moving_frames(piece, view, lead)


def moving_frames(item: Item, view: View, lead: int) -> list[Frame]:
    """Return all frames of a piece with their motion, and before them up to `lead` that lead in, whose `frames` are 0.

    Raises:
        InputError: it is a photo, cannot be read, does not lie within the video, or shows a single frame: nothing moves in it.
    """
    if item.kind == "photo":
        raise InputError(f"{item.path} is a photo, in which nothing moves. Expected a video: the features look at how things move.")
    video = open_video(item.path, view)
    end = piece_end(item, video) if item.start or item.end is not None else None
    before = lead / float(video.info.frame_rate or _USUAL_RATE)
    frames = list(video.between(max(item.start - before, 0.0), end))
    held = [frame if frame.time + frame.duration > item.start else replace(frame, frames=0, duration=0.0) for frame in frames]
    if (count := sum(frame.frames for frame in held)) < 2:
        raise InputError(f"{item.path} shows {count or 'no'} frame: nothing moves in it. Expected a video of at least two.")
    return held
