"""Which pictures of a video are stored whole, told by its packets alone: nothing is decoded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, final

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from framevote.records import VideoInfo
from framevote.video.clock import CLOCK_SET_BACK
from framevote.video.decoding import Video
from framevote.video.probing import open_container, picture_stream

_MOST_LEADING = 32
"""Pictures that are stored behind a keyframe and shown before it: codecs hold back no more than 16."""


SLACK = 0.02
"""Of a step, by which two keyframes may be further apart than it."""


@final
@dataclass(frozen=True, eq=False)
class Index:
    """The keyframes of a video: pictures that are stored whole, which need no other to be decoded.

    Attributes:
        times: float64 (K,), seconds when each is shown, strictly increasing. A video that begins with another picture has that one
            first, with the keyframe that it needs where there is one: there begins what can be looked at.
        pts: int64 (K,), the same on the stream's own clock.
        seeks: int64 (K,), where on that clock a seek finds each.
        frames: int64 (K,), how many pictures are shown from each until the next.
        end: seconds when the last picture ends.
        listed: whether the container's own list told it; else every packet was read.
        timed: whether every packet says when it is shown; where one does not, keyframes cannot be found by time.
    """

    times: NDArray[np.float64]
    pts: NDArray[np.int64]
    seeks: NDArray[np.int64]
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
        return float(np.interp(time, *self._passed))

    @cached_property
    def _passed(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The times of the keyframes and of the end, and how many pictures are shown before each."""
        return np.append(self.times, self.end), np.concatenate([[0], np.cumsum(self.frames)])

    def spaced(self, step: float) -> NDArray[np.intp]:
        """Return the places of the first keyframe and of as few others as leave no more than `step` seconds between two, up to the end.

        A fiftieth more is let pass: keyframes that are meant to come every 2 s come every 2.002 s at 29.97 frames a second.
        """
        kept = [0]
        for place, following in enumerate(np.append(self.times[1:], self.end).tolist()):
            if place and following - self.times[kept[-1]] > step * (1 + SLACK):
                kept.append(place)
        return np.array(kept, np.intp)

    def before(self, time: float) -> int:
        """Return the place of the last keyframe that is shown by `time`; the first where there is none."""
        return max(int(np.searchsorted(self.times, time + 1e-6, side="right")) - 1, 0)


class _Stored(NamedTuple):
    """A keyframe: when it is shown, where a seek finds it, and how many pictures are shown from it until the next."""

    pts: int | None
    seek: int
    frames: int


def index_of(video: Video) -> Index:
    """Return which pictures of a video are stored whole."""
    with open_container(video.path) as container:
        stream = picture_stream(video.path, container)
        listed = _listed(container, stream)
    keys, end, in_order = (listed, video.info.duration, True) if listed else _read(video)
    timed = bool(keys) and in_order and all(key.pts is not None for key in keys)
    keys = _from_beginning(keys, video) if timed else [_Stored(0, 0, sum(key.frames for key in keys))]
    pts, seeks, counts = (np.array(column, np.int64) for column in zip(*keys, strict=True))
    times = np.array([max(seconds_of(key.pts or 0, video.info), 0.0) for key in keys]) if timed else np.zeros(1)
    return Index(times, pts, seeks, counts, max(end or video.info.duration, float(times[-1])), bool(listed), timed)


def seconds_of(pts: int, info: VideoInfo) -> float:
    """Return when a player shows what stands at `pts` on the stream's own clock."""
    return float(pts * info.time_base) - info.start


def key_packets(container: InputContainer, stream: VideoStream, index: Index, places: Sequence[int]) -> Iterator["Packet[VideoStream]"]:
    """Yield the packets of some keyframes of the index, in order; where the container lists its packets, no others are read."""
    if index.listed:
        for place in places:
            if (packet := _packet_at(container, stream, int(index.seeks[place]))) is not None:
                yield packet
        return
    wanted = set(index.pts[np.asarray(places, np.intp)].tolist())
    yield from (packet for packet in _whole(container, stream) if packet.is_keyframe and packet.pts in wanted)


def _listed(container: InputContainer, stream: VideoStream) -> list[_Stored] | None:
    """Return the keyframes by the container's own list, of which only they are read; None where it does not list all packets.

    The list says when packets are decoded; when they are shown stands in the packets. (What FFmpeg 8 gives while it discards all
    other packets of an MP4 shows at wrong times: it does not count the offsets of those that it leaves out.)
    """
    entries = stream.index_entries
    stamps = np.fromiter((entry.timestamp for entry in entries), np.int64, len(entries))
    places = [place for place, entry in enumerate(entries) if entry.is_keyframe]
    if not places or not _lists_all(stamps, stream):
        return None
    if len(places) == len(entries) and stream.frames != len(entries):
        return None  # Matroska lists keyframes only: there, that none is anything else says nothing
    pts: list[int] = []
    seeks: list[int] = []
    for place, following in pairwise([*places, len(entries)]):
        # Seeks go by when frames are shown: the middle on the way to the next keyframe lies behind that, and before the next.
        seek = int(stamps[place] + stamps[following - 1]) // 2 + 1
        packet = _packet_at(container, stream, seek)
        if packet is None or packet.pts is None or packet.dts != stamps[place] or not packet.is_keyframe:
            return None
        pts.append(packet.pts)
        seeks.append(seek)
    counts = _counted(stamps, np.fromiter((entry.is_discard for entry in entries), np.bool_, len(entries)), places, pts)
    return [_Stored(*told) for told in zip(pts, seeks, counts, strict=True)]


def _lists_all(stamps: NDArray[np.int64], stream: VideoStream) -> bool:
    """Return whether a list (N,) of packets has all that the stream has: a file in fragments lists those that were met so far."""
    if len(stamps) < 2 or len(stamps) < stream.frames:
        return False
    usual = int(np.median(np.diff(stamps)))
    return len(stamps) == stream.frames or int(stamps[-1] - stamps[0]) + 2 * usual >= (stream.duration or 0)


def _counted(stamps: NDArray[np.int64], discarded: NDArray[np.bool_], places: list[int], pts: list[int]) -> list[int]:
    """Return how many pictures are shown from each keyframe until the next.

    In open groups of pictures some are stored behind a keyframe and shown before it. Pictures are decoded at times when others are
    shown, so the place of a keyframe's time among the stamps (N,) tells how many those are; where it leads far away, the clock of
    decoding is another one, and the order of storing is taken. What leads the first keyframe cannot be decoded and is discarded.
    """
    stored = np.array(places) - places[0]
    shown = np.searchsorted(stamps, pts)
    shown -= shown[0]
    before = np.where(np.abs(shown - stored) <= _MOST_LEADING, shown, stored)
    dropped = np.concatenate([[0], np.cumsum(discarded)])
    first = places[0] if discarded[places[0]] else [*places, len(stamps)][1]
    before -= np.maximum(dropped[places] - dropped[first], 0)
    total = len(stamps) - places[0] - (dropped[-1] - dropped[places[0]])
    counts: list[int] = np.diff(np.clip(np.append(np.maximum.accumulate(before), total), 0, total)).tolist()
    return counts


def _packet_at(container: InputContainer, stream: VideoStream, time: int) -> "Packet[VideoStream] | None":
    try:
        container.seek(time, stream=stream, backward=True)
        return next(_whole(container, stream), None)
    except av.FFmpegError:
        return None


def _read(video: Video) -> tuple[list[_Stored], float, bool]:
    """Return the keyframes by reading every packet, when the last picture ends in seconds, and whether the clock is never set back."""
    keys: list[_Stored] = []
    end, usual, in_order = video.info.start, float(1 / (video.info.frame_rate or 25)), True
    with open_container(video.path) as container:
        for packet in _whole(container, picture_stream(video.path, container)):
            if packet.is_keyframe:
                keys.append(_Stored(packet.pts, packet.pts or 0, 0))
            leads = bool(keys) and packet.pts is not None and packet.pts < (keys[-1].pts or 0)  # in open groups of pictures
            if not packet.is_discard and len(keys) > leads:  # what leads the first keyframe cannot be decoded
                keys[-1 - leads] = keys[-1 - leads]._replace(frames=keys[-1 - leads].frames + 1)
            if packet.pts is not None:
                time = float(packet.pts * video.info.time_base)
                in_order = in_order and (len(keys) == 0 or end - time <= CLOCK_SET_BACK + usual)
                end = max(end, time + (_lasts(packet) or usual))
    return keys, end - video.info.start, in_order


def _lasts(packet: "Packet[VideoStream]") -> float:
    """Return how many seconds a packet says that it is shown; 0 where it does not."""
    return float((packet.duration or 0) * packet.time_base)


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


def _from_beginning(keys: list[_Stored], video: Video) -> list[_Stored]:
    """Return the keyframes in the order of showing, from the last by which the video has begun; the pictures of others count for these."""
    kept: list[_Stored] = []
    for key in keys:
        if kept and (key.pts or 0) <= (kept[-1].pts or 0):
            kept[-1] = kept[-1]._replace(frames=kept[-1].frames + key.frames)
        elif kept and seconds_of(key.pts or 0, video.info) <= 0:
            kept[-1] = key._replace(frames=kept[-1].frames + key.frames)
        else:
            kept.append(key)
    late = seconds_of(kept[0].pts or 0, video.info)
    if late > 0 and (first := next(video.pictures())).pts < (kept[0].pts or 0):  # some decoders begin without a keyframe
        kept.insert(0, _Stored(first.pts, first.pts, max(round((late - first.time) * video.info.frame_rate), 1)))
    return kept
