"""Pictures of a video at any times, through one container that stays open."""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self, final

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from framevote.video.clock import Picture, timed
from framevote.video.decoding import Video, prepared
from framevote.video.index import Index
from framevote.video.probing import open_container, picture_stream

_STEPS_BACK = (0, 1, 3)  # keyframes: where a seek leads past the time, one further back finds it


@final
class Seeker:
    """Decodes stretches of a video, each from the keyframe before it; goes on where it stands if no keyframe lies nearer.

    For stretches in the order of time nothing is decoded twice, however long the video goes without a keyframe.
    """

    def __init__(self, video: Video, index: Index) -> None:
        self._video, self._index = video, index
        self._stack = ExitStack()
        self._opened: tuple[InputContainer, VideoStream] | None = None
        self._run: Iterator[Picture] = iter(())
        self._held: Picture | None = None  # the last that came
        self._before = math.inf  # seconds where the one before it begins, -inf if there is none; inf where that is not known

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._run = iter(())
        self._stack.close()

    def within(self, start: float, end: float) -> Iterator[Picture]:
        """Yield the pictures that begin within [start, end) seconds."""
        for picture in self._from(start):
            if picture is not self._held and self._held is not None:
                self._before = self._held.time
            self._held = picture
            if picture.time >= end - 1e-9:
                return
            if picture.time >= start - 1e-9:
                yield picture

    def shown(self, time: float) -> Picture | None:
        """Return the picture shown at `time`: the first if none is as early, the last beyond the end; None if none can be decoded."""
        held, place = self._held, self._index.before(time)
        near = held is not None and held.time <= time and self._index.before(held.time) >= place
        last = None
        for picture in self.within(held.time if held and near else float(self._index.times[place]), math.inf):
            if last is not None and picture.time > time:
                return last
            last = picture
            if picture.time + picture.duration > time:
                return picture
        return last

    def _from(self, start: float) -> Iterator[Picture]:
        held, place = self._held, self._index.before(start)
        near = held is not None and self._index.before(held.time) >= place
        if held is not None and near and (held.time <= start + 1e-9 or self._before < start - 1e-9):
            yield held
        else:
            self._held = None
            first = self._sought(start, place)
            if first is not None:
                yield first
        while (picture := next(self._run, None)) is not None:  # not `yield from`: who leaves off in the middle must not end the run
            yield picture

    def _sought(self, start: float, place: int) -> Picture | None:
        """Return the first picture of a run that begins at or before `start`, and let the run go on from it."""
        for back in _STEPS_BACK if self._index.timed else ():
            self._run, self._before = self._begun(int(self._index.seeks[max(place - back, 0)])), math.inf
            first = next(self._run, None)
            if first is not None and first.time <= start + 1e-9:
                return first
        self._run, self._before = self._video.pictures(), -math.inf
        return next(self._run, None)

    def _begun(self, pts: int) -> Iterator[Picture]:
        container, stream = self._open()
        try:
            container.seek(pts, stream=stream, backward=True)
        except av.FFmpegError:
            return iter(())
        return timed(self._video.decoded_frames(container, stream), stream, self._video.skip)

    def _open(self) -> tuple[InputContainer, VideoStream]:
        if self._opened is None:
            container = self._stack.enter_context(open_container(self._video.path))
            self._opened = container, prepared(picture_stream(self._video.path, container), None, self._video.threads)
        return self._opened
