"""Which pictures of a video are stored whole, told by its packets alone: nothing is decoded."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, final

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream
from numpy.typing import NDArray

from framevote.records import VideoInfo
from framevote.video.clock import CLOCK_SET_BACK
from framevote.video.decoding import Video
from framevote.video.probing import open_container, picture_stream


@final
@dataclass(frozen=True, eq=False)
class Index:
    """The keyframes of a video: pictures that are stored whole, which need no other to be decoded.

    Attributes:
        times: float64 (K,), seconds when each is shown, strictly increasing; of a video that begins with another picture, the first
            is 0 all the same, since there begins what can be looked at.
        pts: int64 (K,), the same on the stream's own clock, to seek by.
        frames: int64 (K,), how many pictures are shown from each until the next.
        end: seconds when the last picture ends.
        listed: whether the container's own list told it; else every packet was read.
        timed: whether every packet says when it is shown; where one does not, keyframes cannot be found by time.
    """

    times: NDArray[np.float64]
    pts: NDArray[np.int64]
    frames: NDArray[np.int64]
    end: float
    listed: bool
    timed: bool

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        return f"Index({len(self)} keyframes of {self.total} frames, {self.end:.2f} s)"

    @property
    def total(self) -> int:
        """How many pictures there are."""
        return int(self.frames.sum())

    def passed(self, time: float) -> float:
        """Return how many pictures are shown before `time`; between keyframes they are taken to be spread evenly."""
        return float(np.interp(time, np.append(self.times, self.end), np.concatenate([[0], np.cumsum(self.frames)])))

    def spaced(self, step: float) -> NDArray[np.intp]:
        """Return the places of the first keyframe and of as few others as leave no more than `step` seconds between two, up to the end."""
        kept = [0]
        for place, following in enumerate(np.append(self.times[1:], self.end).tolist()):
            if place and following - self.times[kept[-1]] > step:
                kept.append(place)
        return np.array(kept, np.intp)

    def before(self, time: float) -> int:
        """Return the place of the last keyframe that is shown by `time`; the first where there is none."""
        return max(int(np.searchsorted(self.times, time + 1e-6, side="right")) - 1, 0)


class Key(NamedTuple):
    """A keyframe's packet, and how many pictures are stored from it until the next."""

    packet: "Packet[VideoStream]"
    frames: int


def index_of(video: Video) -> Index:
    """Return which pictures of a video are stored whole."""
    lasts = [0.0]
    with open_container(video.path) as container:
        stream = picture_stream(video.path, container)
        listed = _counts(stream) is not None
        keys = [_Stored(key.packet.pts, key.frames) for key in key_packets(container, stream, lasts)]
    timed = bool(keys) and _in_order(keys, video.info)
    keys = _from_beginning(keys, video.info) if timed else [_Stored(0, sum(key.frames for key in keys))]
    pts, counts = (np.array(column, np.int64) for column in zip(*keys, strict=True))
    times = np.array([0.0, *(seconds_of(key.pts or 0, video.info) for key in keys[1:])])
    end = max(video.info.duration, lasts[-1] - video.info.start, float(times[-1]))
    return Index(times, pts, counts, end, listed, timed)


class _Stored(NamedTuple):
    pts: int | None
    frames: int


def _in_order(keys: list[_Stored], info: VideoInfo) -> bool:
    """Return whether every keyframe says when it is shown, on a clock that is never set back."""
    shown = [key.pts * info.time_base for key in keys if key.pts is not None]
    return len(shown) == len(keys) and all(later - earlier > -CLOCK_SET_BACK for earlier, later in pairwise(shown))


def _from_beginning(keys: list[_Stored], info: VideoInfo) -> list[_Stored]:
    """Return the keyframes in the order of showing, from the last by which the video has begun; the pictures of others count for these."""
    kept: list[_Stored] = []
    for key in keys:
        if kept and (key.pts or 0) <= (kept[-1].pts or 0):
            kept[-1] = _Stored(kept[-1].pts, kept[-1].frames + key.frames)
        elif kept and seconds_of(key.pts or 0, info) <= 0:
            kept[-1] = _Stored(key.pts, kept[-1].frames + key.frames)
        else:
            kept.append(key)
    return kept


def seconds_of(pts: int, info: VideoInfo) -> float:
    """Return when a player shows what stands at `pts` on the stream's own clock."""
    return float(pts * info.time_base) - info.start


def key_packets(container: InputContainer, stream: VideoStream, lasts: list[float] | None = None) -> Iterator[Key]:
    """Yield the keyframes' packets; where the container lists its packets, the others are not even read.

    `lasts` is told when the last packet ends, in seconds of the stream's own clock, where all are read.
    """
    listed = _counts(stream)
    if listed is None:
        yield from _counted(container, stream, lasts)
        return
    stream.discard = Discard.nonkey
    left = deque(listed)
    for packet in _whole(container, stream):
        if packet.is_keyframe:
            yield Key(packet, left.popleft() if left else 1)


def _counted(container: InputContainer, stream: VideoStream, lasts: list[float] | None) -> Iterator[Key]:
    held: Packet[VideoStream] | None = None
    count, end, base = 0, None, float(stream.time_base or 1)
    for packet in _whole(container, stream):
        if packet.is_keyframe:
            if held is not None:
                yield Key(held, count)
            held, count = packet, 0
        count += held is not None and not packet.is_discard
        if packet.pts is not None:
            end = max(end or 0, packet.pts + (packet.duration or 0))
    if lasts is not None and end is not None:
        lasts.append(end * base)
    if held is not None:
        yield Key(held, count)


def _whole(container: InputContainer, stream: VideoStream) -> Iterator["Packet[VideoStream]"]:
    """Yield packets up to the end, or to where the container is damaged."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return
        if packet is None or packet.size == 0:
            return
        yield packet


def _counts(stream: VideoStream) -> list[int] | None:
    """Return how many pictures follow each keyframe by the container's own list; None where it does not list them all."""
    entries = stream.index_entries
    if len(entries) < 2 or (stream.frames and len(entries) < stream.frames):
        return None
    counts: list[int] = []
    others = 0
    for entry in entries:
        if entry.is_keyframe:
            counts.append(0)
        if counts:
            counts[-1] += not entry.is_discard
        others += not entry.is_keyframe
    # Matroska lists keyframes only: there, that none is anything else says nothing.
    return counts if counts and (others or stream.frames == len(entries)) else None
