"""A backbone's last grid of activations as descriptors: what is seen in each cell, from the pass that finds the whole anyway."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.descriptors.base import Descriptors, LocalFeatures
from framevote.errors import PartError
from framevote.records import Frame, View
from framevote.runtime import Runtime


@final
@dataclass(frozen=True, repr=False)
class Grid(LocalFeatures):
    """The backbone's last grid, a descriptor for each cell; a backbone of larger pictures has a finer one.

    Cimpoi, Maji and Vedaldi, "Deep filter banks for texture recognition and segmentation", CVPR 2015.

    Args:
        cells: of a side of the grid: 7 where a network that halves its picture five times sees 224 pixels, 14 of 448.
        length: whether each descriptor is brought to length 1, so that what is faint counts as much.
    """

    cells: int = 7
    length: bool = False

    def __post_init__(self) -> None:
        if type(self.cells) is not int or not 1 <= self.cells <= 64:
            raise PartError(f"Grid takes cells: a whole number from 1 to 64. Received: cells={self.cells!r}")
        if not isinstance(self.length, bool):
            raise PartError(f"Grid takes length: True or False. Received: length={self.length!r}")

    def on(self, runtime: Runtime, view: View) -> "GridExtractor":
        """Return what describes frames by a backbone that gives its grid of so many cells (`Backbone.by_region`)."""
        return GridExtractor(self, runtime, view)

    @property
    def places(self) -> NDArray[np.float32]:
        """Where the cells' middles are, row by row: (cells², 2)."""
        along = (np.arange(self.cells, dtype=np.float32) + 0.5) / self.cells
        return np.asarray(np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2), np.float32)


@dataclass(frozen=True, eq=False)
class GridExtractor:
    """A grid, ready to run.

    Attributes:
        features: the part.
        runtime: the backbone.
        view: of its pictures.
    """

    features: Grid
    runtime: Runtime
    view: View

    @property
    def lead(self) -> int:
        """It looks at single frames."""
        return 0

    @property
    def moving(self) -> bool:
        """It looks at single frames."""
        return False

    @property
    def numbers(self) -> int:
        """The channels of the grid."""
        return self.runtime.embedding // self.features.cells**2

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Descriptors]:
        """Yield the descriptors of each frame; several are under way at once."""
        places = self.features.places
        for answer in self.runtime.infer(frame.image for frame in frames):
            for row in answer.embedding:
                values = row.reshape(len(places), -1)
                if self.features.length:
                    values = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
                yield Descriptors(values, places)
