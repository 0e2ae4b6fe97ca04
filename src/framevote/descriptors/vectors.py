"""Motion features from the codec's own vectors."""

from dataclasses import dataclass
from typing import final

from framevote.descriptors.tracks import TrackFeatures, Tracks, check_numbers
from framevote.records import View

# Shares of the grid's side a frame below which nothing counts as moving.
_LEAST = 0.005


@final
@dataclass(frozen=True, repr=False)
class MotionVectors(TrackFeatures):
    """Histograms of motion and of its boundaries along short dense tracks, from the motion vectors that a codec stores anyway.

    Kantorov and Laptev, "Efficient feature extraction, encoding and classification for action recognition", CVPR 2014. A video whose codec
    has no vectors (`framevote.video.motion.has_vectors`) gets flow, averaged to the same grid.

    Args:
        size: cells of a side of the letterboxed grid that the vectors are brought to.
        spacing: cells from one place to the next.
        length: frames that a place is followed through.
        step: frames from the end of one set of tracks to the end of the next.
        cells: to a side, around each place.
        cell: side of such a cell, in cells of the grid.
        moments: stretches of a track that are counted apart.
        still: cells of the grid a frame that a track must move by, on average, to be described; 0 keeps all.

    Raises:
        PartError: an argument that does not fit.
    """

    size: int = 32
    spacing: int = 1
    length: int = 5
    step: int = 2
    cells: int = 2
    cell: int = 3
    moments: int = 2
    still: float = 0.02

    def __post_init__(self) -> None:
        check_numbers(self, size=(4, 512), spacing=(1, 512), length=(1, 64), step=(1, 64), cells=(1, 8), cell=(1, 64), moments=(1, 64))

    @property
    def view(self) -> View:
        """A small square picture, and the vectors on it."""
        return View(self.size, self.size, "letterbox", motion="vectors")

    @property
    def tracks(self) -> Tracks:
        """How its places are followed and described."""
        return Tracks(self.length, self.step, self.spacing, 1, self.cell, self.cells, self.moments, _LEAST * self.size, self.still)
