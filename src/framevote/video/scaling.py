"""From the decoder's picture to a network's input, in FFmpeg's own filters: one pass, no full-size RGB in between."""

from fractions import Fraction
from typing import cast

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

from framevote.records import Image, VideoInfo, View

# Bilinear in FFmpeg widens its filter when it makes a picture smaller, so nothing aliases. Bicubic costs up to a quarter more, and
# colour at the full instead of half the width (full_chroma_int) as well; on 200 ImageNet photos all find the same .865.
_FLAGS = "bilinear"

# Where the codec's motion is what is looked at, the picture beside it is only to be had quickly.
_ANY = "neighbor"

_TURN = {0: [], 90: ["transpose=clock"], 180: ["hflip", "vflip"], 270: ["transpose=cclock"]}


class Scaler:
    """Turns decoded pictures upright and into RGB, at the view's size where there is one.

    The chain of filters is built anew where the decoder changes the picture's size, format or colours on the way.
    """

    def __init__(self, info: VideoInfo, view: View | None = None) -> None:
        self._info = info
        self._view = view
        self._made_for: tuple[object, ...] = ()
        self._graph: Graph | None = None

    def __call__(self, picture: VideoFrame) -> Image:
        """Return uint8 RGB (height, width, 3); what is transparent shows white, as on a page."""
        graph = self._graph_for(picture)
        picture.pts = None  # the graph needs no clock, and times are kept outside
        graph.vpush(picture)
        image = cast(Image, graph.vpull().to_ndarray())
        return _on_white(image) if image.shape[2] == 4 else image

    def _graph_for(self, picture: VideoFrame) -> Graph:
        properties = (picture.width, picture.height, picture.format.name, picture.colorspace, picture.color_range)
        if self._graph is None or properties != self._made_for:
            self._made_for = properties
            self._graph = graph_of(picture, self._chain(picture))
        return self._graph

    def _chain(self, picture: VideoFrame) -> list[str]:
        turn = upright(self._info)
        sized = [] if self._view is None else fitted(picture.width, picture.height, self._info, self._view)
        # Scaled first and turned afterwards: there are fewer pixels to turn then.
        rgb = f"format={'rgba' if has_alpha(picture) else 'rgb24'}"
        return [*sized, rgb, *turn] if sized else [*turn, rgb]


def has_alpha(picture: VideoFrame) -> bool:
    """Return whether a picture can be transparent."""
    return picture.format.name == "pal8" or any(component.is_alpha for component in picture.format.components)


def upright(info: VideoInfo) -> list[str]:
    """Return the filters that show a stored picture as a player does."""
    return [*(["hflip"] if info.mirrored else []), *_TURN[info.rotation]]


def fitted(width: int, height: int, info: VideoInfo, view: View) -> list[str]:
    """Return the filters that bring a stored picture of width × height to the view, before it is turned upright."""
    sideways = info.rotation in (90, 270)
    out_width, out_height = (view.height, view.width) if sideways else (view.width, view.height)
    aspect = 1 / info.pixel_aspect if sideways else info.pixel_aspect
    flags = _ANY if view.motion == "vectors" else _FLAGS
    scale = f"scale={out_width}:{out_height}:flags={flags}"
    if view.fit == "squash":
        return [scale]
    shape = Fraction(out_width, out_height) / aspect  # of the view, in stored pixels
    if view.fit == "centre":
        cut_width = min(Fraction(width), height * shape) * Fraction(view.crop)
        cut_height = min(Fraction(height), width / shape) * Fraction(view.crop)
        return [f"crop={max(round(cut_width), 1)}:{max(round(cut_height), 1)}", scale]
    inner_width = min(max(round(min(Fraction(out_width), out_height * aspect * width / height)), 1), out_width)
    inner_height = min(max(round(min(Fraction(out_height), out_width * height / (aspect * width))), 1), out_height)
    return [f"scale={inner_width}:{inner_height}:flags={flags}", f"pad={out_width}:{out_height}:-1:-1:black"]


def graph_of(picture: VideoFrame, chain: list[str]) -> Graph:
    """Return a configured filter graph for pictures such as this one; `chain` holds `name=arguments` each."""
    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        f"video_size={picture.width}x{picture.height}:pix_fmt={picture.format.name}:time_base=1/1"
        f":colorspace={int(picture.colorspace)}:range={int(picture.color_range)}",
    )
    steps = [step.partition("=") for step in chain]
    nodes = [graph.add(name, arguments) if arguments else graph.add(name) for name, _, arguments in steps]
    graph.link_nodes(source, *nodes, graph.add("buffersink")).configure()
    return graph


def _on_white(rgba: Image) -> Image:
    alpha = rgba[..., 3:].astype(np.uint16)
    mixed = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)
