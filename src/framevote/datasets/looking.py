"""What a model is shown of an item: a photo as it is, of a video a number of frames, spread evenly over its piece."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from framevote.datasets.items import Item
from framevote.errors import InputError, UsageError
from framevote.photos import read_photo
from framevote.records import Frame, View
from framevote.video import Video, open_video

FRAMES = 16
"""How many frames of a video are looked at unless told otherwise."""

# Times that lie further apart than so many seconds are sought one by one; nearer ones are passed on the way.
_FAR = 10.0

_OVERSHOOT = 1.0
"""Seconds by which a piece may end behind its video: annotations round."""


def frames_of(item: Item, view: View | None = None, most: int = FRAMES) -> Iterator[Frame]:
    """Yield a photo, or at most `most` frames of a video: those shown in the middle of as many equal stretches of its piece.

    A frame that is shown in several of these middles is yielded once.

    Raises:
        InputError: the file cannot be read, or the piece does not lie within the video.
        UsageError: `most` is below 1.
    """
    if most < 1:
        raise UsageError(f"A video is looked at in at least 1 frame. Received: {most!r}")
    if item.kind == "photo":
        yield read_photo(item.path, view)
        return
    video = open_video(item.path, view)
    end = piece_end(item, video)
    step = (end - item.start) / most
    times = [item.start + (number + 0.5) * step for number in range(most)]
    yield from _once(video.at(times)) if step > _FAR else video.shown(times)


def piece_end(item: Item, video: Video) -> float:
    """Return when a piece ends; raise InputError where it does not lie within its video."""
    length = video.info.duration or _length(video)
    end = length if item.end is None else min(item.end, length)
    if end <= item.start or (item.end or 0.0) > length + _OVERSHOOT:
        told = f"from {item.start:g} s" + (f" to {item.end:g} s" if item.end else "")
        raise InputError(f"{item.path}: the piece {told} lies beyond the video's end. Expected times within its {length:.2f} s.")
    return end


def _length(video: Video) -> float:
    """Return when the last picture ends, where the container does not say."""
    return max(picture.time + picture.duration for picture in video.pictures())


def _once(frames: Iterable[Frame]) -> Iterator[Frame]:
    for _, same in groupby(frames, lambda frame: frame.time):
        yield next(same)
