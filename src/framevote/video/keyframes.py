"""Frames that the codec stores whole: decoded alone, at a hundredth of the work."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import av
from av.codec.context import ThreadType

from framevote.errors import UsageError
from framevote.records import Frame
from framevote.video.clock import Picture
from framevote.video.decoding import Video, prepared, refuse_encrypted
from framevote.video.index import SLACK, Index, index_of, key_packets, seconds_of
from framevote.video.probing import open_container, picture_stream
from framevote.video.scaling import Scaler


def keyframes(video: Video, step: float = 0.0, index: Index | None = None, places: Sequence[int] | None = None) -> Iterator[Frame]:
    """Yield the frames that are stored whole, and decode no other; each stands for all that are shown until the next one.

    Where the video begins with another frame, that one is the first. Where packets do not say when they are shown, all frames are
    decoded to find the keyframes among them, and the video notes so.

    Args:
        video: the video; without motion in its view.
        step: seconds; keyframes are left out as long as one still comes every `step` seconds, give or take a fiftieth. 0 takes all.
        index: that of the video, where it has been read already.
        places: those of the index that are wanted, increasing; None is all that the step leaves.

    Raises:
        UsageError: a step below 0, or a view that asks for motion.
        InputError: no frame could be decoded.
    """
    if not 0 <= step < float("inf"):
        raise UsageError(f"keyframes takes a step of at least 0 s. Received: {step!r}")
    video.refuse_motion("keyframes")
    index = index or index_of(video)
    if not index.timed:
        video.note("its packets do not say in order when they are shown, so every frame is decoded to find the keyframes")
        return _among_all(video, step)
    if not index.listed:
        video.note("its container lists no keyframes, so the whole file is read to find them")
    return _lasting(_alone(video, index, index.spaced(step).tolist() if places is None else places), index)


def _spaced(frames: Iterable[Frame], step: float, end: Callable[[], float]) -> Iterator[Frame]:
    """Yield the first frame, and of the others as few as leave no more than `step` seconds between two, up to the end."""
    last: Frame | None = None
    held: Frame | None = None
    for frame in frames:
        if last is not None and held is not None and frame.time - last.time > step * (1 + SLACK):
            yield held
            last = held
        held = frame
        if last is None:
            yield frame
            last, held = frame, None
    if last is not None and held is not None and end() - last.time > step * (1 + SLACK):
        yield held


def _lasting(frames: Iterable[Frame], index: Index) -> Iterator[Frame]:
    """Let each frame stand for the time until the next, and for the pictures shown meanwhile."""
    held: Frame | None = None
    for frame in frames:
        if held is not None:
            yield _until(held, frame.time, index)
        held = frame
    if held is not None:
        yield _until(held, max(index.end, held.time + held.duration), index)


def _until(frame: Frame, end: float, index: Index) -> Frame:
    return replace(frame, duration=end - frame.time, frames=max(index.passed(end) - index.passed(frame.time), 1e-6))


def _alone(video: Video, index: Index, places: Sequence[int]) -> Iterator[Frame]:
    """Yield the keyframes at some places of the index."""
    scaler = Scaler(video.info, video.view)
    video.skipped = 0
    begun = bool(len(places)) and places[0] != 0  # then the first picture is not asked for
    for picture in _decoded(video, index, places):
        if not begun and (picture.pts != index.pts[0] or picture.time < 0):  # else it is itself the first that is shown
            first = next(video.pictures())
            if first.time < picture.time or picture.time < 0:
                yield _frame(first, scaler)
        begun = True
        if picture.time >= 0:
            yield _frame(picture, scaler)
    if not begun:
        yield _frame(next(video.pictures()), scaler)


def _decoded(video: Video, index: Index, places: Sequence[int]) -> Iterator[Picture]:
    """Yield the keyframes at some places of the index, each decoded by itself; what cannot be read is counted."""
    with open_container(video.path) as container:
        stream = prepared(picture_stream(video.path, container), None, video.threads)
        stream.thread_type = ThreadType.SLICE  # those of frames have nothing to do here, and take time to begin
        for packet in key_packets(container, stream, index, places):
            refuse_encrypted(video.path, packet)
            try:
                frames = [*stream.codec_context.decode(packet), *stream.codec_context.decode(None)]
                stream.codec_context.flush_buffers()
            except av.FFmpegError:
                frames = []
            if not frames or packet.pts is None:
                video.skip()
                continue
            video.decoded += 1
            yield Picture(frames[0], packet.pts, seconds_of(packet.pts, video.info), 0.0, -1)


def _among_all(video: Video, step: float) -> Iterator[Frame]:
    """Yield the keyframes among all frames, each with what is shown until the next."""
    scaler = Scaler(video.info, video.view)
    held, end, passed = None, 0.0, 0

    def keys() -> Iterator[Frame]:
        nonlocal end, passed
        for picture in video.pictures():
            if picture.frame.key_frame or not passed:
                yield _frame(picture, scaler, passed)
            passed += 1
            end = picture.time + picture.duration

    def ended() -> float:
        return end

    for frame in _spaced(keys(), step, ended):
        if held is not None:
            yield replace(held, duration=frame.time - held.time, frames=frame.index - held.index)
        held = frame
    if held is not None:
        yield replace(held, duration=end - held.time, frames=passed - held.index)


def _frame(picture: Picture, scaler: Scaler, index: int = -1) -> Frame:
    return Frame(scaler(picture.frame), picture.time, index, picture.duration)
