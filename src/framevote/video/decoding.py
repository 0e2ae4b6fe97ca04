"""Decoding packet by packet, so that a damaged stretch costs only itself."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import dropwhile
from pathlib import Path
from types import TracebackType
from typing import Self, final

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framevote.errors import InputError, UsageError
from framevote.records import Frame, VideoInfo, View
from framevote.video.clock import CLOCK_SET_BACK, Picture, timed
from framevote.video.motion import Motion, export_vectors, motion_of
from framevote.video.probing import describe, open_container, picture_stream
from framevote.video.scaling import Scaler

__all__ = ["CLOCK_SET_BACK", "Picture", "Video", "open_video", "reopen"]

_STEPS_BACK = (0.0, 2.0, 10.0)  # seconds


@final
class Video:
    """An open video: iterate it for Frames, each with its own time.

    Every iteration begins at the first frame. `skipped` counts what could not be read in the last one, `decoded` the frames that were
    decoded in all of them; `notes` says in sentences where a slower way had to be taken.
    """

    def __init__(self, path: str | Path, view: View | None = None, threads: int | None = None) -> None:
        self.path = Path(path)
        self.view = view
        self.threads = threads
        self.skipped = self.decoded = 0
        self.notes: tuple[str, ...] = ()
        with open_container(self.path) as container:
            self.info: VideoInfo = describe(self.path, container)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing stays open between iterations; `with` marks how long the video is used."""

    def __repr__(self) -> str:
        return f"Video({self.path.name!r}, {self.info.width}×{self.info.height}, {self.info.duration:.2f} s)"

    def __iter__(self) -> Iterator[Frame]:
        motion = self._motion()
        scaler = Scaler(self.info, self.view)
        for picture in self.pictures(motion):
            yield _frame(picture, scaler, motion)

    def between(self, start: float, end: float | None = None) -> Iterator[Frame]:
        """Yield all frames that are shown within [start, end) seconds, seeking to the first; None is the video's end.

        The first one's motion is zeros where decoding began with it.

        Raises:
            UsageError: a start below 0, or an end that is not above it.
        """
        if not 0 <= start < math.inf or (end is not None and not end > start):
            raise UsageError(f"between takes a start of at least 0 s and an end above it. Received: {start!r}, {end!r}")
        motion = self._motion()
        scaler, before = Scaler(self.info, self.view), None
        for picture in self._from(start, motion):
            if end is not None and picture.time >= end:
                return
            if picture.time + picture.duration <= start:  # what comes before tells how the first one has moved
                if motion is not None and motion.exports:
                    _frame(picture, scaler, motion)
                before = picture
                continue
            if before is not None and motion is not None and not motion.exports:  # of flow, one picture tells it
                _frame(before, scaler, motion)
            before = None
            frame = _frame(picture, scaler, motion)
            yield frame if start == 0 else replace(frame, index=-1)

    def every(self, seconds: float) -> Iterator[Frame]:
        """Yield the first frame of every stretch of `seconds`; each stands for all that are shown until the next one.

        Raises:
            UsageError: seconds that are not above 0.
        """
        if not seconds > 0:
            raise UsageError(f"every takes seconds above 0. Received: {seconds!r}")
        self.refuse_motion("every")
        scaler = Scaler(self.info, self.view)
        held: Frame | None = None
        due, passed, end = 0.0, 0, 0.0
        for picture in self.pictures():
            if held is None or picture.time >= due:
                if held is not None:
                    yield replace(held, duration=picture.time - held.time, frames=passed)
                held, passed = Frame(scaler(picture.frame), picture.time, picture.index), 0
                # Counted from 0, so that rounding never adds up; the hair's breadth is for times such as 0.1 × 3.
                due = (math.floor(picture.time / seconds + 1e-6) + 1) * seconds - 1e-9
            passed += 1
            end = picture.time + picture.duration
        if held is not None:
            yield replace(held, duration=end - held.time, frames=passed)

    def note(self, sentence: str) -> None:
        """Remember that a slower way had to be taken, once."""
        if sentence not in self.notes:
            self.notes = (*self.notes, sentence)

    def pictures(self, motion: Motion | None = None) -> Iterator[Picture]:
        """Yield every picture as the decoder gives it; `motion` has it give out vectors too, and hears of the packets.

        Raises:
            InputError: no picture at all could be decoded.
        """
        self.skipped = 0
        with open_container(self.path) as container:
            stream = prepared(picture_stream(self.path, container), motion, self.threads)
            last = None
            for last in timed(self.decoded_frames(container, stream, motion), stream, self.skip):
                yield last
        if last is None:
            raise InputError(f"{self.path}: none of its pictures could be decoded. Expected a whole, undamaged video.")

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """Yield the frame shown at each of the times (seconds, increasing); beyond the end, the last one."""
        self.refuse_motion("at")
        scaler = Scaler(self.info, self.view)
        for time in times:
            picture = self._shown_at(time)
            yield Frame(scaler(picture.frame), picture.time, -1, picture.duration)

    def shown(self, times: Sequence[float]) -> Iterator[Frame]:
        """Yield the frames shown at the times (seconds, increasing), each once, in one pass from the first time on.

        Beyond the end it is the last frame. For times that lie far apart, `at` decodes less.
        """
        self.refuse_motion("shown")
        scaler = Scaler(self.info, self.view)
        due, held = deque(times), None
        for picture in self._from(times[0]) if times else ():
            held = picture
            if not due or picture.time + picture.duration <= due[0]:
                continue
            yield Frame(scaler(picture.frame), picture.time, -1, picture.duration)
            held = None
            while due and due[0] < picture.time + picture.duration:
                due.popleft()
            if not due:
                return
        if held is not None:
            yield Frame(scaler(held.frame), held.time, -1, held.duration)

    def _shown_at(self, time: float) -> Picture:
        return _last_until(self._from(time), time)

    def _motion(self) -> Motion | None:
        return motion_of(self.info, self.view) if self.view is not None and self.view.motion else None

    def refuse_motion(self, way: str) -> None:
        """Refuse to give frames that do not follow one another where the view asks for motion."""
        if self.view is not None and self.view.motion:
            raise UsageError(
                f"Video.{way} gives frames that do not follow one another, and so have no motion. Expected a view without motion,"
                f" or all frames of a stretch: Video.between(start, end). Received: motion={self.view.motion!r}"
            )

    def _from(self, time: float, motion: Motion | None = None) -> Iterator[Picture]:
        """Yield the pictures from one that is shown at `time` or earlier on."""
        # Where a container seeks to a picture that needs earlier ones, or past the time, a seek further back finds it; else the
        # way from the start is the sure one.
        for earlier in _STEPS_BACK if time > 0 else ():
            pictures = self._sought(max(time - earlier, 0.0), motion)
            first = next(pictures, None)
            if first is not None and first.time <= time:
                yield first
                yield from pictures
                return
        yield from self.pictures(motion)

    def _sought(self, time: float, motion: Motion | None) -> Iterator[Picture]:
        """Yield the pictures from where the container's index leads for `time`; none where it cannot seek."""
        with open_container(self.path) as container, suppress(av.FFmpegError):
            stream = prepared(picture_stream(self.path, container), motion, self.threads)
            container.seek(int((time + self.info.start) / (stream.time_base or 1)), stream=stream, backward=True)
            yield from timed(self.decoded_frames(container, stream, motion), stream, self.skip)

    def decoded_frames(self, container: InputContainer, stream: VideoStream, motion: Motion | None = None) -> Iterator[VideoFrame]:
        """Yield frames in the order of showing; count what cannot be read, and go on behind it."""
        shown: int | None = None
        packets = container.demux(stream)
        while (packet := self._next(packets)) is not None:
            refuse_encrypted(self.path, packet)
            if motion is not None:
                motion.packet(packet.pts)
            try:
                for frame in packet.decode():
                    shown = frame.pts
                    self.decoded += 1
                    yield frame
            except av.FFmpegError:
                self.skip()
                if packet.size == 0 and shown is not None and stream.thread_count != 1:
                    # Damage found while several threads gave their last frames: these are lost, save to a single thread.
                    yield from self._tail(shown)

    def _next(self, packets: "Iterator[Packet[VideoStream]]") -> "Packet[VideoStream] | None":
        try:
            return next(packets, None)
        except av.FFmpegError:  # the container itself is damaged from here on
            self.skip()
            return None

    def _tail(self, shown: int) -> Iterator[VideoFrame]:
        """Yield what one thread decodes behind the frame that was shown last; it meets all damage again, which is counted anew."""
        self.skipped = 0
        with open_container(self.path) as container:
            stream = picture_stream(self.path, container)
            stream.thread_count = 1
            frames = iter(self.decoded_frames(container, stream))
            yield from (frame for frame in dropwhile(lambda frame: frame.pts != shown, frames) if frame.pts != shown)

    def skip(self) -> None:
        """Count a packet or frame that could not be read."""
        self.skipped += 1


def reopen(info: VideoInfo) -> Video:
    """Open a video that was looked at before.

    Raises:
        InputError: it has gone, or another file stands in its place.
    """
    video = Video(info.path)
    if info.size and video.info.size != info.size:
        raise InputError(
            f"{info.path} is not the video that was labelled: it had {info.size} bytes. Received: {video.info.size}. Label it again."
        )
    return video


def open_video(path: str | Path, view: View | None = None, threads: int | None = None) -> Video:
    """Open a video for reading; with a view, its frames come at the view's size. `threads` decode; None is one for each core.

    Raises:
        InputError: the file is missing, no video, or cannot be decoded.
    """
    return Video(path, view, threads)


def refuse_encrypted(path: Path, packet: "Packet[VideoStream]") -> None:
    """Raise InputError where a packet is encrypted."""
    if packet.has_sidedata("encryption_info"):
        raise InputError(f"{path} is encrypted. Expected a video that is not; export it without copy protection.")


def prepared(stream: VideoStream, motion: Motion | None, threads: int | None) -> VideoStream:
    """Return a stream that is set to decode with so many threads, and to give out motion vectors where `motion` wants them."""
    # One thread a core, by frames and slices: decoding must keep up with the network beside it.
    stream.thread_type = ThreadType.AUTO
    stream.thread_count = threads or 0
    if motion is not None and motion.exports:
        export_vectors(stream)
    return stream


def _frame(picture: Picture, scaler: Scaler, motion: Motion | None) -> Frame:
    pts = picture.frame.pts  # the scaler takes it away
    image = scaler(picture.frame)
    field = None if motion is None else motion(picture.frame, pts, image)
    return Frame(image, picture.time, picture.index, picture.duration, motion=field)


def _last_until(pictures: Iterator[Picture], time: float) -> Picture:
    """Return the picture shown at `time`: the last that begins by then, or the first of all."""
    found = next(pictures)
    while found.time + found.duration <= time:
        try:
            found = next(pictures)
        except StopIteration:
            break
    return found
