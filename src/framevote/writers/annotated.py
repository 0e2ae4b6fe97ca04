"""The annotated video: the same pictures at the same times with the label drawn in, and the original sound."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import ClassVar, final

import av
from av.codec.context import ThreadType
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from framevote.errors import OutputError, PartError
from framevote.overlay import Overlay
from framevote.parts import Part
from framevote.records import Progress, Timeline, VideoInfo
from framevote.video import Picture, Video, reopen
from framevote.video.probing import open_container, picture_stream
from framevote.writers.encodable import Encodable
from framevote.writers.naming import name_file, name_track
from framevote.writers.scheduling import ordinary_scheduling
from framevote.writers.sound import check_sound, sound_for

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".webm": "webm"}
_LARGEST_CRF = {".mp4": 51, ".mkv": 51, ".webm": 63}

# What is given on where nobody asks: each encoder's own default.
_DEFAULT_CRF = {"libx264": 23, "libx265": 28, "libvpx-vp9": 32, "libsvtav1": 35}


@final
@dataclass(frozen=True, repr=False)
class AnnotatedVideo(Part):
    """Writes the video again with label, score and a strip of the timeline drawn in, sound and times as they were.

    8-bit video becomes H.264, deeper video 10-bit HEVC (in .webm: VP9, and AV1), in 4:2:0; a picture of odd width or height grows
    by one pixel, as 4:2:0 wants. Rotated video is turned upright. The pictures keep their own time stamps.

    Args:
        preset: how long the encoder thinks: `ultrafast` (the encoder takes as long as the network even so) … `veryslow`.
        crf: quality, smaller is better and larger; None is the encoder's default (H.264 23, HEVC 28, VP9 32, AV1 35).
        audio: `copy` (packets untouched), `opus` or `aac` (encoded anew), `none`.
    """

    preset: str = "ultrafast"
    crf: int | None = None
    audio: str = "copy"

    suffixes: ClassVar[tuple[str, ...]] = tuple(_FORMATS)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise PartError(f"preset is one of {', '.join(PRESETS)}. Received: {self.preset!r}")
        if self.crf is not None and not (isinstance(self.crf, int) and 0 <= self.crf <= 63):
            raise PartError(f"crf is a whole number from 0 (best) to 51, for .webm to 63. Received: {self.crf!r}")
        if self.audio not in ("copy", "opus", "aac", "none"):
            raise PartError(f"audio is copy, opus, aac or none. Received: {self.audio!r}")

    def __call__(self, timeline: Timeline, path: Path, progress: Progress | None = None) -> None:
        """Write the annotated video to `path`, which may exist and is then replaced.

        Args:
            timeline: what to draw, and which video to draw it on.
            path: where; its suffix decides the container.
            progress: told the seconds and the frames of video written so far.

        Raises:
            InputError: the source has gone or cannot be decoded.
            OutputError: the container cannot hold the sound, or the encoder refuses the picture.
        """
        self.check(timeline.video, path)
        with _refusals(path), reopen(timeline.video) as video, _opened(path, path.suffix.lower()) as out:
            self._encode(timeline, video, out, progress or (lambda _seconds, _frames: None))

    def check(self, info: VideoInfo, path: Path) -> None:
        """Refuse, before any work is done, what cannot be written to `path`; reads only the head of the video.

        Raises:
            InputError: the source has gone or cannot be read.
            OutputError: the container cannot hold the sound.
            PartError: crf is beyond the range of the container's encoders.
        """
        suffix = path.suffix.lower()
        if self.crf is not None and self.crf > _LARGEST_CRF[suffix]:
            raise PartError(f"crf for {suffix} goes from 0 to {_LARGEST_CRF[suffix]}. Received: {self.crf}")
        with _refusals(path), av.open(BytesIO(), "w", format=_FORMATS[suffix]) as nowhere:
            check_sound(info, nowhere, self.audio)

    def _encode(self, timeline: Timeline, video: Video, out: OutputContainer, progress: Progress) -> None:
        pictures = video.pictures()
        first = next(pictures)
        prepared = Encodable(video.info, first.frame)
        model = prepared(first.frame)
        stream = self._stream(out, model, video.info)  # before the sound: many players take the first track for the picture
        with open_container(video.path) as source:
            name_file(source, out)
            name_track(picture_stream(video.path, source), stream)
        overlay = Overlay(timeline, model, timeline.duration or video.info.duration)
        with sound_for(video.info, out, self.audio) as sound:
            for picture in _again(first, pictures):
                frame = model if picture is first else prepared(picture.frame)
                overlay.draw(frame, picture.time)
                out.mux(list(sound.until(picture.time + video.info.start)))
                out.mux(stream.encode(_stamped(frame, picture, video.info.time_base)))
                progress(picture.time, picture.index + 1)
            out.mux(stream.encode(None))
            out.mux(list(sound.until(None)))

    def _stream(self, out: OutputContainer, like: VideoFrame, info: VideoInfo) -> VideoStream:
        codec = _codec(out.format.name, like)
        stream = out.add_stream(codec, rate=info.frame_rate or Fraction(25), options=self._options(codec))
        if not isinstance(stream, VideoStream):
            raise TypeError(f"{codec} made no video stream: {stream!r}")
        context = stream.codec_context
        stream.width, stream.height, stream.pix_fmt = like.width, like.height, like.format.name
        # The source's own clock, so that no time stamp is rounded.
        stream.time_base = context.time_base = info.time_base
        context.sample_aspect_ratio = info.pixel_aspect
        context.thread_count, context.thread_type = 0, ThreadType.FRAME  # a thread a core; PyAV gives an encoder one
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(context, name, int(getattr(like, name)))
        if codec == "libx265" and out.format.name == "mp4":
            context.codec_tag = "hvc1"  # what Apple's players ask for
        with ordinary_scheduling():
            context.open()
        return stream

    def _options(self, codec: str) -> dict[str, str]:
        crf = str(_DEFAULT_CRF[codec] if self.crf is None else self.crf)
        if codec == "libvpx-vp9":
            speed = len(PRESETS) - 1 - PRESETS.index(self.preset)
            return {"crf": crf, "b": "0", "deadline": "realtime" if speed > 4 else "good", "cpu-used": str(speed), "row-mt": "1"}
        if codec == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # errors only: its log goes straight to stderr
            return {"crf": crf, "preset": str(10 - PRESETS.index(self.preset))}
        quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        return {"preset": self.preset, "crf": crf, **quiet}


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Word what FFmpeg refuses to write; a full disk and its like are worded where the file is made."""
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        other = ".mp4" if path.suffix.lower() == ".mkv" else ".mkv"
        raise OutputError(
            f"{path}: FFmpeg cannot encode this video so ({error.strerror}). Try another container, for example {other}."
        ) from error


def _codec(container: str, like: VideoFrame) -> str:
    deep = like.format.components[0].bits > 8
    if container == "webm":
        return "libsvtav1" if deep else "libvpx-vp9"
    return "libx265" if deep else "libx264"


def _opened(path: Path, suffix: str) -> OutputContainer:
    # A movie's clock usually ticks in milliseconds, and what begins late would be rounded to them.
    options = {"movflags": "+faststart", "movie_timescale": "90000"} if suffix == ".mp4" else {}
    return av.open(f"file:{path}", "w", format=_FORMATS[suffix], options=options)


def _stamped(frame: VideoFrame, picture: Picture, base: Fraction) -> VideoFrame:
    # The encoder's clock is the source's; the stream's own changes when the container writes its head.
    frame.pts, frame.time_base = picture.pts, base
    frame.duration = round(picture.duration / base)
    frame.pict_type = PictureType.NONE  # else the encoder repeats the source's choice of keyframes
    return frame


def _again(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from rest
