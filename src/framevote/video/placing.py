"""Where a chain of filters puts what it is given: the pixels of a stored picture in the view."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framevote.records import VideoInfo, View
from framevote.video.scaling import fitted, upright


@dataclass(frozen=True)
class Placement:
    """Along each of the stored picture's two axes: `view = scale · stored + shift`, and the part of the view that the picture fills.

    Attributes:
        scale: of the stored x and the stored y; negative where the axis runs the other way in the view.
        shift: pixels of the view.
        low, high: pixels of the view between which the picture lies.
        sideways: whether the stored x is the view's y.
    """

    scale: tuple[float, float]
    shift: tuple[float, float]
    low: tuple[float, float]
    high: tuple[float, float]
    sideways: bool

    def shares(self, axis: int, blocks: int, side: int, cells: int) -> NDArray[np.float64]:
        """Return what share of each of the view's cells each block takes, along one axis of the stored picture: (cells, blocks).

        A row adds up to 1, or to 0 where the cell holds nothing of the picture.
        """
        edges = self.scale[axis] * np.arange(blocks + 1) * side + self.shift[axis]
        first, last = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
        left = np.maximum(np.arange(cells), self.low[axis])[:, None]
        right = np.minimum(np.arange(1, cells + 1), self.high[axis])[:, None]
        common = np.clip(np.minimum(right, last) - np.maximum(left, first), 0, None)
        whole = common.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(common, whole, out=np.zeros_like(common), where=whole > 0))


def placement(width: int, height: int, info: VideoInfo, view: View) -> Placement:
    """Return where stored pictures of width × height lie in the view, upright; read off the very filters that the pictures go through."""
    sizes, scale, shift = [float(width), float(height)], [1.0, 1.0], [0.0, 0.0]
    low, high = [0.0, 0.0], [float(width), float(height)]
    for name, numbers in _steps(fitted(width, height, info, view)):
        for axis in (0, 1):
            factor = numbers[axis] / sizes[axis] if name == "scale" else 1.0
            moved = 0.0 if name == "scale" else (numbers[axis] - sizes[axis]) / 2
            scale[axis] *= factor
            shift[axis] = shift[axis] * factor + moved
            low[axis] = max(low[axis] * factor + moved, 0.0)
            high[axis] = min(high[axis] * factor + moved, numbers[axis])
            sizes[axis] = numbers[axis]
    for axis in _reversed(info):
        scale[axis], shift[axis] = -scale[axis], sizes[axis] - shift[axis]
        low[axis], high[axis] = sizes[axis] - high[axis], sizes[axis] - low[axis]
    return Placement(_pair(scale), _pair(shift), _pair(low), _pair(high), info.rotation in (90, 270))


def _steps(chain: list[str]) -> Iterator[tuple[str, list[float]]]:
    """Yield each filter's name, and the width and the height that it gives."""
    for step in chain:
        name, _, arguments = step.partition("=")
        yield name, [float(number) for number in arguments.split(":")[:2]]


def _reversed(info: VideoInfo) -> set[int]:
    """Return which of the stored axes (0 is x, 1 is y) run the other way in the upright picture."""
    found: set[int] = set()
    axes = [0, 1]  # the stored axes that lie level and upright by now
    for step in upright(info):
        if step.startswith("transpose"):
            axes.reverse()
        # Clockwise, what was at the bottom comes to the left: the axis that lies level by now runs the other way.
        found ^= {axes[0] if step in ("hflip", "transpose=clock") else axes[1]}
    return found


def _pair(values: list[float]) -> tuple[float, float]:
    return values[0], values[1]
