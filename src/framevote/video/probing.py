"""Opening a container and reading what it says of its picture, without decoding it."""

import stat
import threading
from fractions import Fraction
from pathlib import Path

import av
import av.logging
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from framevote.errors import InputError
from framevote.records import VideoInfo

# What a folder is searched for; a file that is named outright is tried whatever it is called.
_SUFFIXES = """
    3g2 3gp asf avi divx dv f4v flv gif m1v m2ts m2v m4v mj2 mkv mov mp4 mpeg mpg mts mxf ogm ogv qt rm rmvb ts vob webm wmv y4m
"""
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())

# FFmpeg tells the tracks' side data only in its log, and its log level is global.
_log_level = threading.Lock()

_UNDECODABLE = "Expected a video that FFmpeg can decode; convert it with `ffmpeg -i IN out.mp4`, or check that the file is whole."


def probe(path: str | Path) -> VideoInfo:
    """Return what the container says of its picture.

    Only a file whose head holds a display matrix has its first frame decoded, since the matrix itself is told there.

    Raises:
        InputError: the file is missing, no video, or cannot be decoded.
    """
    with open_container(Path(path)) as container:
        return describe(Path(path), container)


def open_container(path: Path) -> InputContainer:
    """Return an open container; the name is always that of a file, never of a protocol."""
    _check_file(path)
    try:
        return av.open(f"file:{path}", mode="r", metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"{path} is no video that can be read ({_reason(error)}). {_UNDECODABLE}") from error


def picture_stream(path: Path, container: InputContainer) -> VideoStream:
    """Return the first stream that shows moving pictures; cover art is none."""
    streams = [s for s in container.streams.video if Disposition.attached_pic not in s.disposition]
    if not streams:
        held = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        held = "sound and a cover picture" if container.streams.video else held
        raise InputError(f"{path} has no video stream (it holds {held}). Expected a file with pictures.")
    stream = streams[0]
    if not hasattr(stream.codec_context, "width") or stream.width <= 0 or stream.height <= 0:
        raise InputError(f"{path} does not say how large its picture is, or its codec is unknown. {_UNDECODABLE}")
    return stream


def describe(path: Path, container: InputContainer) -> VideoInfo:
    """Return the VideoInfo of an open container; its position may have moved afterwards."""
    stream = picture_stream(path, container)
    mirrored, rotation = _orientation(container, stream) if _has_matrix(container) else (False, 0)
    width, height = (stream.height, stream.width) if rotation in (90, 270) else (stream.width, stream.height)
    base = stream.time_base or Fraction(1, 1)
    start = (stream.start_time or 0) * base
    began = Fraction(container.start_time or 0, av.time_base)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        frame_rate=stream.average_rate or stream.guessed_rate or Fraction(0),
        duration=_duration(container, stream, start - began),
        has_audio=bool(container.streams.audio),
        rotation=rotation,
        mirrored=mirrored,
        pixel_aspect=1 / aspect if rotation in (90, 270) else aspect,
        start=float(start),
        delay=float(max(start - began, Fraction(0))),
        time_base=base,
        codec=stream.codec_context.name,
        pixel_format=stream.pix_fmt or "",
        container=container.format.name,
        frames=stream.frames,
        size=path.stat().st_size,
    )


def orientation(matrix: NDArray[np.int32]) -> tuple[bool, int]:
    """Return (mirrored, clockwise degrees) of a display matrix: mirror left to right first, then turn.

    `matrix` is FFmpeg's: nine int32, where (x, y) goes to (m[0] x + m[3] y, m[1] x + m[4] y), y downwards.
    """
    a, b, c, d = (int(np.sign(matrix[i])) for i in (0, 1, 3, 4))
    if abs(int(matrix[0])) >= abs(int(matrix[1])):  # a multiple of a half turn
        return {(1, 1): (False, 0), (-1, -1): (False, 180), (-1, 1): (True, 0), (1, -1): (True, 180)}.get((a, d), (False, 0))
    return {(1, -1): (False, 90), (-1, 1): (False, 270), (1, 1): (True, 270), (-1, -1): (True, 90)}.get((b, c), (False, 0))


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}. Expected the name of a video file.") from None
    except ValueError:
        raise InputError(f"{str(path)!r} is no file name. Expected the name of a video file.") from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path} is a folder. Expected a video file.")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is a device or a pipe. Expected a video file on disk, since it is read more than once.")
    if status.st_size == 0:
        raise InputError(f"{path} is empty (0 bytes). Expected a video file; copy or download it again.")


def _has_matrix(container: InputContainer) -> bool:
    with _log_level:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)
        try:
            return "display matrix" in container.dumps_format().lower()  # type: ignore[attr-defined]
        finally:
            av.logging.set_level(level)


def _orientation(container: InputContainer, stream: VideoStream) -> tuple[bool, int]:
    # frame.rotation says -180 for a picture that is only mirrored, so the matrix itself is read.
    try:
        frame = next(container.decode(stream))
    except (av.FFmpegError, StopIteration):
        return False, 0
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)  # type: ignore[call-overload]
    return orientation(np.frombuffer(bytes(matrix), np.int32)) if matrix is not None else (False, 0)


def _duration(container: InputContainer, stream: VideoStream, offset: Fraction) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    whole = Fraction(container.duration or 0, av.time_base)
    if "matroska" in container.format.name:  # counts its length from 0, wherever its first time stamp lies
        whole -= Fraction(container.start_time or 0, av.time_base)
    return max(float(whole - offset), 0.0)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
