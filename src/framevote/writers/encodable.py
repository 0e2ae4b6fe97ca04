"""Pictures as an encoder takes them: upright, 4:2:0, of even size, and safe to draw on."""

from typing import final

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from framevote.overlay import planes_of
from framevote.records import VideoInfo
from framevote.video import Scaler
from framevote.video.scaling import graph_of, has_alpha, upright


@final
class Encodable:
    """Brings every picture to the size and format of the first.

    Pictures in 4:2:0 of even size keep every value. A picture of odd width or height grows by one pixel that repeats its
    neighbour; one that is transparent is laid on white; one that changes its size on the way is scaled back. Full range is
    told by the tag alone: FFmpeg's second name for it, yuvj420p, is one that not every encoder takes.
    """

    def __init__(self, info: VideoInfo, first: VideoFrame) -> None:
        self._info = info
        self._opaque = Scaler(info) if has_alpha(first) else None
        self._format = _format_for(first)
        self._size = _turned(first, info)
        self._made_for: tuple[object, ...] = ()
        self._graph: Graph | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """Return the picture, which may be written to."""
        if self._opaque is not None:
            frame = VideoFrame.from_ndarray(self._opaque(frame), format="rgb24")
        frame = self._filtered(frame)
        if frame.width % 2 or frame.height % 2 or frame.format.name.startswith("yuvj"):
            return _copied(frame)
        frame.make_writable()  # the decoder may still predict from this picture
        return frame

    def _filtered(self, frame: VideoFrame) -> VideoFrame:
        properties = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        if properties != self._made_for:
            self._made_for = properties
            chain = self._chain(frame)
            self._graph = graph_of(frame, chain) if chain else None
        if self._graph is None:
            return frame
        frame.pts = None  # the graph needs no clock
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _chain(self, frame: VideoFrame) -> list[str]:
        turn = [] if self._opaque else upright(self._info)
        size = (frame.width, frame.height) if self._opaque else _turned(frame, self._info)
        if frame.format.name == self._format and size == self._size:
            return turn
        matrix = "" if _is_yuv(frame) else ":out_color_matrix=bt709:out_range=tv"
        return [*turn, f"scale={self._size[0]}:{self._size[1]}:flags=bilinear{matrix}", f"format={self._format}"]


def _format_for(frame: VideoFrame) -> str:
    """Return the 4:2:0 format nearest to the picture's own: what players show."""
    if frame.format.components[0].bits > 8:
        return "yuv420p10le"
    return "yuvj420p" if frame.format.name.startswith("yuvj") else "yuv420p"


def _turned(frame: VideoFrame, info: VideoInfo) -> tuple[int, int]:
    return (frame.height, frame.width) if info.rotation in (90, 270) else (frame.width, frame.height)


def _is_yuv(frame: VideoFrame) -> bool:
    return not frame.format.is_rgb and len(frame.format.components) > 1


def _copied(frame: VideoFrame) -> VideoFrame:
    """Return a copy of even width and height, its last column and row repeated where it grows; full range becomes a tag.

    FFmpeg's own pad would drop the odd column first: it counts in pairs, as the colour planes do.
    """
    full = frame.format.name.startswith("yuvj")
    even = VideoFrame(frame.width + frame.width % 2, frame.height + frame.height % 2, "yuv420p" if full else frame.format.name)
    for target, source in zip(planes_of(even), planes_of(frame), strict=True):
        more = [(0, wide - narrow) for wide, narrow in zip(target.shape, source.shape, strict=True)]
        target[...] = np.pad(source, more, mode="edge") if any(extra for _, extra in more) else source
    for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
        setattr(even, name, getattr(frame, name))
    if full:
        even.color_range = ColorRange.JPEG
    return even
