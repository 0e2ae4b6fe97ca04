"""How far what is seen has moved since the frame before: from the codec's own vectors, or from optical flow.

The vectors cost nearly nothing, since the decoder has them anyway: Kantorov and Laptev, "Efficient feature extraction, encoding and
classification for action recognition", CVPR 2014. The flow is OpenCV's: Kroeger et al., "Fast optical flow using dense inverse search",
ECCV 2016.
"""

import abc
from collections import deque
from dataclasses import replace
from typing import Any, final

import numpy as np
from av.codec.context import Flags2, ThreadType
from av.sidedata.sidedata import Type as SideData
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from framevote.errors import missing_extra
from framevote.records import Image, VideoInfo, View
from framevote.video.placing import placement
from framevote.video.scaling import Scaler

Field = NDArray[np.float32]
"""float32 (height, width, 2): the motion to the right and down, in pixels."""

# FFmpeg's decoders that were seen to tell their vectors (each tried on a film of its own encoder); the others give none.
_TELL_VECTORS = frozenset(
    ["flv", "h261", "h263", "h263p", "h264", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v2", "snow", "wmv1", "wmv2"]
)

# FFmpeg tells the direct blocks of this one's B frames, which are most of them, as if they stood still.
_WRONG_BETWEEN = "mpeg4"

_BLOCK = 4  # pixels: the smallest block of any of them, and the grid that all blocks lie on

_ROUNDED = 1e-9  # pixels: what sums that cancel out may leave behind

# How many packets and frames back are remembered: more than any codec keeps references.
_REMEMBERED = 64

# Where flow stands in for vectors, it is computed on a picture this many times as wide and high as the view, and averaged.
_FINER = 8

# DIS looks for patches of 8 × 8 on ever smaller pictures; a side below this is stretched first.
_LEAST_SIDE = 16


def has_vectors(info: VideoInfo) -> bool:
    """Return whether the video's codec tells its motion vectors; where not, `View.motion = "vectors"` brings the flow instead."""
    return info.codec in _TELL_VECTORS


class Motion(abc.ABC):
    """What gives each frame of a video its motion; it is shown all frames in their order.

    Attributes:
        exports: whether the decoder has to give out its vectors (`export_vectors`).
    """

    exports = False

    @abc.abstractmethod
    def __call__(self, frame: VideoFrame, pts: int | None, image: Image) -> Field:
        """Return the motion up to a frame that its packet says is shown at `pts`; `image` is its picture in the view."""

    def packet(self, pts: int | None) -> None:  # noqa: B027 - flow has no use for it
        """Hear that the decoder was given the packet of the frame that is shown at `pts`."""


def motion_of(info: VideoInfo, view: View) -> Motion:
    """Return what gives the frames of a video the motion that the view asks for.

    Raises:
        MissingExtra: it is the flow, and OpenCV is not installed.
    """
    return Vectors(info, view) if view.motion == "vectors" and has_vectors(info) else Flow(info, view)


def export_vectors(stream: VideoStream) -> None:
    """Tell the stream's decoder, before it begins, to give out its motion vectors.

    It may share out slices among threads, but not frames: FFmpeg collects a frame's vectors when the frame's turn to be shown comes,
    and another thread may be decoding it still. Then some are missing, others each time (seen with FFmpeg 8 on H.264).
    """
    stream.thread_type = ThreadType.SLICE
    stream.codec_context.flags2 |= Flags2.export_mvs


@final
class Vectors(Motion):
    """The codec's own motion vectors: each says for a block where it lay in another frame.

    A cell of the view gets the mean of what covers it, by area; what is stored anew, without a vector, counts as still. A frame
    that is stored whole repeats the motion of the frame before it, since a pulse of stillness would be none of the film's; so does any
    other of which the decoder tells nothing (of a film that stands still it tells vectors of no length).
    """

    exports = True

    def __init__(self, info: VideoInfo, view: View) -> None:
        self._info, self._view = info, view
        self._references = References()
        self._last: Field = np.zeros((view.height, view.width, 2), np.float32)
        self._size = (0, 0)
        self._grid: _Grid | None = None

    def packet(self, pts: int | None) -> None:
        """Remember the order of decoding."""
        self._references.packet(pts)

    def __call__(self, frame: VideoFrame, pts: int | None, image: Image) -> Field:
        """Return the field of the frame's vectors, in pixels of the view a frame."""
        del image
        between = frame.pict_type == PictureType.B
        earlier, later = self._references(pts, between)
        told: Any = frame.side_data.get(SideData.MOTION_VECTORS)  # type: ignore[call-overload]
        if told is not None and not (between and self._info.codec == _WRONG_BETWEEN):
            vectors = told.to_ndarray()
            # What came from the left has moved to the right; what is found on the right in a later frame will have.
            frames = np.where(vectors["source"] < 0, -earlier, later) * np.maximum(vectors["motion_scale"], 1)
            self._last = self._grid_for(frame)(vectors, vectors["motion_x"] / frames, vectors["motion_y"] / frames)
        return self._last

    def _grid_for(self, frame: VideoFrame) -> "_Grid":
        if self._grid is None or (frame.width, frame.height) != self._size:
            self._size = frame.width, frame.height
            self._grid = _Grid(frame.width, frame.height, self._info, self._view)
        return self._grid


class References:
    """How many frames off the pictures lie that a frame's vectors point to.

    FFmpeg says of a reference only whether it is an earlier or a later frame. Taken is the nearest that the codec can have used: of the
    earlier ones the last that is no B frame, or that was decoded before a frame shown sooner (so that one needed it); of the later ones
    the first that had been decoded by then. It is an approximation: where an encoder reaches back further, the motion comes out too
    large, and where a B frame that no other needed to be decoded first was a reference all the same, too small.
    """

    def __init__(self) -> None:
        self._number = 0
        self._decoded: dict[int, int] = {}  # when a frame is shown: its number in the order of decoding
        self._past: deque[tuple[int, bool]] = deque(maxlen=_REMEMBERED)  # when a frame was shown, and whether it may be referred to

    def packet(self, pts: int | None) -> None:
        """Remember a frame's place in the order of decoding."""
        if pts is not None:
            self._decoded[pts] = self._number
            self._number += 1
            if len(self._decoded) > _REMEMBERED:
                del self._decoded[next(iter(self._decoded))]

    def __call__(self, pts: int | None, between: bool) -> tuple[int, int]:
        """Return how many frames back and how many frames on the references of the next frame lie; 1 where nothing tells.

        Args:
            pts: when it is shown.
            between: whether it is a B frame.
        """
        own = self._decoded.get(pts, self._number) if pts is not None else self._number
        seen = [(self._decoded.get(shown, -1), refers) for shown, refers in self._past]
        back = next((n for n, (number, refers) in enumerate(reversed(seen), 1) if refers and number < own), 1)
        later = [shown for shown, number in self._decoded.items() if shown > pts and number < own] if pts is not None else []
        on = 1
        if later and pts is not None and self._past:
            on = max(round((min(later) - pts) / max(pts - self._past[-1][0], 1)), 1)
        needed = any(number > own for number, _ in seen)
        self._past.append((pts or 0, not between or needed))
        return back, on


class _Grid:
    """Brings a picture's vectors to the cells of the view, by area.

    Each block is written to its four corners only, on a grid of 4 × 4 stored pixels; sums from the top left would fill it (Crow,
    "Summed-area tables for texture mapping", 1984, the other way round). The sums and the shares that the cells have in the grid are
    one matrix for each axis.
    """

    def __init__(self, width: int, height: int, info: VideoInfo, view: View) -> None:
        place = placement(width, height, info, view)
        cells = (view.height, view.width) if place.sideways else (view.width, view.height)
        self._blocks = -(-width // _BLOCK), -(-height // _BLOCK)
        shares = [place.shares(axis, self._blocks[axis], _BLOCK, cells[axis]) for axis in (0, 1)]
        # A mark counts in every block from its own on: a block's share goes to all marks up to it.
        self._across, self._down = (np.pad(np.cumsum(share[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1))) for share in shares)
        self._across = np.ascontiguousarray(self._across.T)
        self._scale, self._sideways = place.scale, place.sideways

    def __call__(self, vectors: NDArray[np.void], x: NDArray[np.float64], y: NDArray[np.float64]) -> Field:
        """Return the field of vectors that say, in stored pixels a frame, how far their blocks have moved."""
        corners = self._corners(vectors)
        covered = np.maximum(self._filled(corners, np.ones(len(vectors))), 1)
        moved = [self._filled(corners, values * scale) / covered for values, scale in zip((x, y), self._scale, strict=True)]
        field = np.stack([part.T for part in reversed(moved)] if self._sideways else moved, axis=2)
        field[np.abs(field) < _ROUNDED] = 0
        return np.ascontiguousarray(field, np.float32)

    def _corners(self, vectors: NDArray[np.void]) -> NDArray[np.int64]:
        """Return where the blocks' top left, top right, bottom left and bottom right corners lie on the grid's corners: (4, N)."""
        edges: list[NDArray[np.int64]] = []
        for place, length, most in (("dst_x", "w", self._blocks[0]), ("dst_y", "h", self._blocks[1])):
            size = vectors[length].astype(np.int64)
            first = (vectors[place].astype(np.int64) - size // 2) // _BLOCK
            edges += [np.clip(first, 0, most), np.clip(first - (-size // _BLOCK), 0, most)]
        left, right, top, bottom = edges
        wide = self._blocks[0] + 1
        return np.stack([top * wide + left, top * wide + right, bottom * wide + left, bottom * wide + right])

    def _filled(self, corners: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of the blocks' values over each cell of the view, by the share of the cell that they cover."""
        marks = np.bincount(corners.ravel(), np.concatenate([values, -values, -values, values]), len(self._across) * self._down.shape[1])
        return self._down @ marks.reshape(-1, len(self._across)) @ self._across


@final
class Flow(Motion):
    """Optical flow by dense inverse search, from each frame back to the one before it.

    For a view that asks for vectors it is computed on a larger picture and averaged.
    """

    def __init__(self, info: VideoInfo, view: View) -> None:
        self._cv2 = load_opencv("Optical flow")
        self._search = self._cv2.DISOpticalFlow.create(self._cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._view = view
        self._finer = max(min(_FINER, max(info.width // view.width, info.height // view.height)), 1) if view.motion == "vectors" else 1
        larger = replace(view, width=view.width * self._finer, height=view.height * self._finer)
        self._scaler = Scaler(info, larger) if self._finer > 1 else None
        self._before: NDArray[np.uint8] | None = None

    def __call__(self, frame: VideoFrame, pts: int | None, image: Image) -> Field:
        """Return the flow up to the frame; zeros for the first one."""
        del pts
        before, self._before = self._before, self._grey(image if self._scaler is None else self._scaler(frame))
        height, width = self._view.height, self._view.width
        if before is None:
            return np.zeros((height, width, 2), np.float32)
        # Searched from this frame to the one before, so that the field lies on this frame's picture, as the vectors do.
        flow: Field = -self._search.calc(self._before, before, None)
        flow[~np.isfinite(flow)] = 0  # DIS divides by nothing where the sides differ very much
        blocks = flow.reshape(height, flow.shape[0] // height, width, flow.shape[1] // width, 2)
        scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
        return flow if flow.shape[:2] == (height, width) else np.asarray(blocks.mean(axis=(1, 3)) * scale, np.float32)

    def _grey(self, image: Image) -> NDArray[np.uint8]:
        """Return the grey picture, its short sides stretched by whole numbers until the search can work on it."""
        grey = np.asarray(self._cv2.cvtColor(image, self._cv2.COLOR_RGB2GRAY), np.uint8)
        for axis in (0, 1):
            grey = grey.repeat(-(-_LEAST_SIDE // grey.shape[axis]), axis=axis) if grey.shape[axis] < _LEAST_SIDE else grey
        return grey


def load_opencv(purpose: str) -> Any:
    """Return the module `cv2`; raise MissingExtra with its purpose where OpenCV is not installed."""
    try:
        import cv2  # noqa: PLC0415 - heavy
    except ImportError:
        raise missing_extra("opencv-python-headless", "encoders", purpose) from None
    return cv2
