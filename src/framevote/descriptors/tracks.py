"""Local motion along short dense tracks: which way a place and its neighbourhood moved, and how the motion differs within it.

Histograms of flow (HOF) and of motion boundaries (MBH) of Dalal, Triggs and Schmid, "Human detection using oriented histograms of flow
and appearance", ECCV 2006, along the dense tracks of Wang, Kläser, Schmid and Liu, "Dense trajectories and motion boundary descriptors
for action recognition", IJCV 2013.

Tracks are followed backwards, from a grid of places in the frame where they end: a field lies on the picture that the motion leads to,
so that this is the way it can be read; the places are evenly spread then, and no track has to be kept up while frames pass by.

Sets of tracks may overlap: of clips of 1 to 6 s at 6 frames/s, tracks of two frames that end at every frame told 1 or 2 in 100 more
apart than tracks one after another.
"""

import abc
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.descriptors.base import Descriptors, LocalFeatures
from framevote.errors import PartError, UsageError
from framevote.parts import Part
from framevote.records import Frame
from framevote.records.checking import frozen

Floats = NDArray[np.float32]

DIRECTIONS = 8
CHANNELS = 3 * DIRECTIONS + 1
"""Numbers of a cell at a moment: directions of the flow, whether there is none, and directions of the boundaries of x and of y."""

_MOST_STILL = 1000

_PARTS = (slice(0, DIRECTIONS + 1), slice(DIRECTIONS + 1, 2 * DIRECTIONS + 1), slice(2 * DIRECTIONS + 1, CHANNELS))


@dataclass(frozen=True)
class Tracks:
    """How places are followed, and what is gathered around them. Sizes are pixels of the view.

    Attributes:
        length: frames that a track is followed through.
        step: frames from the end of one set of tracks to the end of the next.
        spacing: between the places.
        block: side of the blocks in which the field is summed up.
        cell: side of a cell, in blocks.
        cells: to a side around each place.
        moments: stretches of a track that are gathered apart.
        least: pixels a frame below which nothing counts as moving.
        still: pixels a frame that a track must move by, on average, to be kept.
    """

    length: int
    step: int
    spacing: int
    block: int
    cell: int
    cells: int
    moments: int
    least: float
    still: float

    @property
    def numbers(self) -> int:
        """Of a descriptor."""
        return self.cells**2 * self.moments * CHANNELS

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Descriptors]:
        """Yield, for each frame of one video, the descriptors of the tracks that end at it.

        A video that ends before the first tracks are of full length has shorter ones end with it; a single frame has none.

        Raises:
            UsageError: a frame that brings no motion.
        """
        moments: deque[_Moment] = deque(maxlen=self.length)
        for number, (frame, last) in enumerate(_with_last(frames)):
            field = _field(frame)
            if number > 0:  # the first frame's motion leads from nowhere
                moments.append(_Moment(field, self.block, self.cell, self.least))
            full = number >= self.length and (number - self.length) % self.step == 0
            short = last and 0 < number < self.length
            yield self._ending(list(moments), field) if full or short else self._none()

    def _ending(self, moments: "list[_Moment]", field: Floats) -> Descriptors:
        height, width = field.shape[:2]
        paths = followed([moment.field for moment in moments], grid(height, width, self.spacing))
        size = np.array([width, height], np.float32)
        moved = np.linalg.norm(np.diff(paths, axis=0), axis=2).mean(axis=0)
        kept = ((paths >= 0) & (paths < size)).all(axis=(0, 2)) & (moved >= self.still)
        paths = paths[:, kept]
        if not paths.shape[1]:
            return self._none()
        return Descriptors(self._gathered(moments, paths), paths[len(paths) // 2] / size)

    def _gathered(self, moments: "list[_Moment]", paths: Floats) -> Floats:
        """Return what lies around the paths, (N, numbers)."""
        sums = [moment.around(path, self.cells) for moment, path in zip(moments, paths[1:], strict=True)]
        bounds = [(m * len(sums) // self.moments, -(-(m + 1) * len(sums) // self.moments)) for m in range(self.moments)]
        stretches = [np.sum(sums[first:end], axis=0) for first, end in bounds]
        found = np.stack(stretches, axis=1).reshape(paths.shape[1], -1, CHANNELS)
        return np.concatenate([_rooted(found[..., part].reshape(len(found), -1)) for part in _PARTS], axis=1)

    def _none(self) -> Descriptors:
        return Descriptors(np.zeros((0, self.numbers), np.float32), np.zeros((0, 2), np.float32))


class TrackFeatures(LocalFeatures, abc.ABC):
    """Local features that describe motion along tracks."""

    moving = True

    @property
    @abc.abstractmethod
    def tracks(self) -> Tracks:
        """How its places are followed and described."""

    @property
    def lead(self) -> int:
        """Of a track."""
        return self.tracks.length

    @property
    def numbers(self) -> int:
        """Of a descriptor: cells² × moments × 25."""
        return self.tracks.numbers

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Descriptors]:
        """Yield for each frame the descriptors of the tracks that end at it."""
        return self.tracks(frames)


def check_numbers(part: Part, **bounds: tuple[int, int]) -> None:
    """Check a part's arguments for its tracks: whole numbers in their bounds, and `still`.

    Raises:
        PartError: one that does not fit.
    """
    name = type(part).__name__
    for key, (least, most) in bounds.items():
        value = getattr(part, key)
        if type(value) is not int or not least <= value <= most:
            raise PartError(f"{name} takes {key}: a whole number from {least} to {most}. Received: {key}={value!r}")
    still = part.still  # type: ignore[attr-defined]
    if type(still) not in (int, float) or not 0 <= still <= _MOST_STILL:
        raise PartError(f"{name} takes still: a number from 0 to {_MOST_STILL}. Received: still={still!r}")


def grid(height: int, width: int, spacing: int) -> Floats:
    """Return places (N, 2), x and y, `spacing` apart, in the middle of a picture."""
    ways = [np.arange((side - 1) % spacing / 2 + 0.5, side, spacing, dtype=np.float32) for side in (width, height)]
    return np.stack(np.meshgrid(*ways), axis=2).reshape(-1, 2)


def followed(fields: list[Floats], ends: Floats) -> Floats:
    """Return the paths (T + 1, N, 2) that end at the places `ends` (N, 2), backwards through T fields (height, width, 2)."""
    paths = [ends]
    for field in reversed(fields):
        height, width = field.shape[:2]
        column, row = (np.clip(paths[-1][:, axis].astype(np.intp), 0, side - 1) for axis, side in ((0, width), (1, height)))
        paths.append(paths[-1] - field[row, column])
    return np.stack(paths[::-1])


class _Moment:
    """A field, and the sums of its histograms over a cell that begins at any block, also before the first one."""

    def __init__(self, field: Floats, block: int, cell: int, least: float) -> None:
        self.field = field
        self._block, self._cell = block, cell
        found = histograms(field, block, least)
        rows, columns = found.shape[:2]
        down = _windows(rows, cell) @ found.reshape(rows, -1)
        self._sums = _windows(columns, cell) @ down.reshape(-1, columns, CHANNELS)

    def around(self, places: Floats, cells: int) -> Floats:
        """Return the sums in the cells around the places: (N, cells, cells, CHANNELS); what lies outside counts nothing."""
        high, wide = self._sums.shape[:2]
        # The first window begins a cell's width before the first block.
        first = np.rint(places / self._block - self._cell * cells / 2).astype(np.intp) + self._cell
        steps = np.arange(cells) * self._cell
        x, y = (np.clip(first[:, axis, None] + steps, 0, side - 1) for axis, side in ((0, wide), (1, high)))
        return np.asarray(self._sums[y[:, :, None], x[:, None, :]])


@lru_cache(maxsize=16)
def _windows(blocks: int, cell: int) -> Floats:
    """Return which blocks lie in the window that begins `cell` blocks before the first one, and in each one further: 0 or 1."""
    begins = np.arange(-cell, blocks + 1)[:, None]
    windows: Floats = frozen((np.arange(blocks) >= begins) & (np.arange(blocks) < begins + cell), np.float32)
    return windows


def histograms(field: Floats, block: int, least: float) -> Floats:
    """Return HOF, MBHx and MBHy of each block of block × block pixels: (rows, columns, CHANNELS)."""
    height, width = field.shape[:2]
    place, rows, columns = _blocks(height, width, block)
    moving = np.flatnonzero(np.hypot(field[..., 0], field[..., 1]) >= least)
    slopes = [[_gradient(field[..., of], along).ravel() for of in (0, 1)] for along in (1, 0)]
    x = np.concatenate([field[..., 0].ravel()[moving], *slopes[0]])
    y = np.concatenate([field[..., 1].ravel()[moving], *slopes[1]])
    total = rows * columns
    found = np.zeros((total, CHANNELS), np.float32)
    counts = _directions(x, y, np.concatenate([place[moving], place + total, place + 2 * total]), 3 * total)
    found[:, :DIRECTIONS], found[:, _PARTS[1]], found[:, _PARTS[2]] = counts.reshape(3, total, DIRECTIONS)
    found[:, DIRECTIONS] = np.bincount(place, minlength=total) - np.bincount(place[moving], minlength=total)
    return found.reshape(rows, columns, CHANNELS)


@lru_cache(maxsize=16)
def _blocks(height: int, width: int, block: int) -> tuple[NDArray[np.intp], int, int]:
    """Return the number of each pixel's block, and how many rows and columns of blocks there are."""
    rows, columns = -(-height // block), -(-width // block)
    place = np.arange(height)[:, None] // block * columns + np.arange(width) // block
    return frozen(place.ravel(), np.intp), rows, columns


def _directions(x: Floats, y: Floats, place: NDArray[np.intp], places: int) -> NDArray[Any]:
    """Return the lengths of vectors by their places and directions, each shared by the two directions that are nearest."""
    length = np.sqrt(x * x + y * y)
    angle = np.arctan2(y, x) * np.float32(DIRECTIONS / (2 * np.pi))
    below = np.floor(angle)
    share = (angle - below) * length
    number = below.astype(np.intp)
    first = place * DIRECTIONS
    total = places * DIRECTIONS
    counted = np.bincount(first + (number & (DIRECTIONS - 1)), length - share, total)
    counted += np.bincount(first + ((number + 1) & (DIRECTIONS - 1)), share, total)
    return counted.reshape(places, DIRECTIONS)


def _gradient(values: Floats, axis: int) -> Floats:
    """Return half the difference of the neighbours along an axis, 0 at the edges, as Dalal's [-1, 0, 1] finds it."""
    found = np.zeros_like(values)
    if axis == 0:
        found[1:-1] = (values[2:] - values[:-2]) / 2
    else:
        found[:, 1:-1] = (values[:, 2:] - values[:, :-2]) / 2
    return found


def _rooted(values: Floats) -> Floats:
    """Return rows whose squares add up to 1: shares, then their square roots (Arandjelović and Zisserman, RootSIFT, CVPR 2012)."""
    total = values.sum(axis=1, keepdims=True)
    return np.asarray(np.sqrt(values / np.maximum(total, 1e-6)), np.float32)


def _field(frame: Frame) -> Floats:
    if frame.motion is None:
        raise UsageError("Tracks need frames with motion. Expected those of a video whose view asks for it. Received: a frame without.")
    return frame.motion


def _with_last(frames: Iterable[Frame]) -> Iterator[tuple[Frame, bool]]:
    """Yield each frame, and whether it is the last."""
    pulled = iter(frames)
    held = next(pulled, None)
    while held is not None:
        following = next(pulled, None)
        yield held, following is None
        held = following
