"""Dense SIFT: gradients around every point of a grid, in several sizes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.descriptors.base import Descriptors, LocalFeatures
from framevote.errors import PartError
from framevote.records import Frame, View
from framevote.video import load_opencv

_NUMBERS = 128
_CELLS = 4  # a descriptor is 4 × 4 cells
_CELL_OF_SIZE = 1.5  # OpenCV's cells are 1.5 times a keypoint's size
_FLAT = 1e-6


@final
@dataclass(frozen=True, repr=False)
class DenseSIFT(LocalFeatures):
    """SIFT on a grid, upright, by OpenCV: 128 numbers, of length 1.

    Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004; on a grid Bosch, Zisserman and Muñoz, ICCV 2007;
    with `root` the square root of each share (Arandjelović and Zisserman, "Three things everyone should know", CVPR 2012).

    Args:
        size: pixels of a side of the picture that is looked at. OpenCV blurs it by 1.6 pixels before all, so that cells of 8 pixels see
            more of it than cells of 4 do of half the size (on 15 scenes, words alone: 2 points more).
        step: pixels from one point to the next.
        cells: pixels of a side of a descriptor's cells, one for each size of descriptor, joined by +.
        root: whether the Hellinger kernel is meant, and square roots are taken.
        fit: `squash`, `centre` or `letterbox`.
    """

    size: int = 512
    step: int = 16
    cells: str = "8+12+16"
    root: bool = True
    fit: str = "squash"

    moving = False
    numbers = _NUMBERS

    def __post_init__(self) -> None:
        for name, least, most in (("size", 32, 2048), ("step", 1, 512)):
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise PartError(f"DenseSIFT takes {name}: whole pixels from {least} to {most}. Received: {name}={value!r}")
        parts = self.cells.split("+") if isinstance(self.cells, str) else [""]
        if not all(re.fullmatch("[1-9][0-9]?", part) and int(part) <= 64 for part in parts) or len(set(parts)) < len(parts):
            raise PartError(f"DenseSIFT takes cells: whole pixels from 1 to 64, joined by +, such as '4+8'. Received: cells={self.cells!r}")
        if self.fit not in ("centre", "squash", "letterbox"):
            raise PartError(f"DenseSIFT takes fit='squash', 'centre' or 'letterbox'. Received: fit={self.fit!r}")
        if not isinstance(self.root, bool):
            raise PartError(f"DenseSIFT takes root: True or False. Received: root={self.root!r}")
        if self.size < _CELLS * max(map(int, parts)):
            raise PartError(f"DenseSIFT takes a picture of at least four cells: {_CELLS * max(map(int, parts))} pixels. Received: {self!r}")

    @property
    def view(self) -> View:
        """A square picture."""
        return View(self.size, self.size, self.fit)  # type: ignore[arg-type]

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Descriptors]:
        """Yield the descriptors of each frame."""
        cv2 = load_opencv("Dense SIFT")
        sift, points = cv2.SIFT_create(), self._grid()
        places = np.array([(x + 0.5, y + 0.5) for x, y, _ in points], np.float32) / np.float32(self.size)
        keypoints = [cv2.KeyPoint(x, y, size, 0.0) for x, y, size in points]
        for frame in frames:
            _, values = sift.compute(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), keypoints)
            yield Descriptors(of_length_one(values, self.root), places)

    def _grid(self) -> list[tuple[float, float, float]]:
        """Return the pixel x and y and OpenCV's size of each descriptor; all of it lies in the picture, but for half a pixel."""
        points = []
        for cell in map(int, self.cells.split("+")):
            room = self.size - _CELLS * cell
            first = _CELLS * cell // 2 + (room % self.step - 1) // 2  # a pixel's middle is half a pixel from its edge
            along = [float(first + self.step * number) for number in range(room // self.step + 1)]
            points += [(x, y, cell / _CELL_OF_SIZE) for y in along for x in along]
        return points


def of_length_one(values: NDArray[np.float32], root: bool) -> NDArray[np.float32]:
    """Return descriptors (N, 128) of length 1, or with `root` the square roots of their shares; where nothing is seen, zeros."""
    sums = values.sum(axis=1, keepdims=True) if root else np.linalg.norm(values, axis=1, keepdims=True)
    shares = values / np.maximum(sums, _FLAT)
    return np.asarray(np.sqrt(shares) if root else shares, np.float32)
