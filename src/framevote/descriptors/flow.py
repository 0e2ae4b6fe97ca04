"""Motion features from optical flow."""

from dataclasses import dataclass
from typing import final

from framevote.descriptors.tracks import TrackFeatures, Tracks, check_numbers
from framevote.records import View

# Blocks of the flow that its histograms are summed up in: so fine that places a spacing apart see different ones.
_BLOCK = 4

# Shares of the picture's side a frame below which nothing counts as moving.
_LEAST = 0.005


@final
@dataclass(frozen=True, repr=False)
class DISFlow(TrackFeatures):
    """Histograms of flow and of motion boundaries along short dense tracks, from optical flow by OpenCV.

    Wang et al., "Dense trajectories and motion boundary descriptors for action recognition", IJCV 2013 (`framevote.descriptors.tracks`);
    the flow is Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016.

    Args:
        size: pixels of a side of the letterboxed picture whose flow is computed.
        spacing: pixels from one place to the next.
        length: frames that a place is followed through.
        step: frames from the end of one set of tracks to the end of the next.
        cells: to a side, around each place.
        cell: side of a cell, in blocks of 4 pixels.
        moments: stretches of a track that are counted apart.
        still: pixels a frame that a track must move by, on average, to be described; 0 keeps all.

    Raises:
        PartError: an argument that does not fit.
    """

    size: int = 160
    spacing: int = 8
    length: int = 5
    step: int = 1
    cells: int = 2
    cell: int = 4
    moments: int = 3
    still: float = 0.1

    def __post_init__(self) -> None:
        check_numbers(self, size=(16, 2048), spacing=(1, 512), length=(1, 64), step=(1, 64), cells=(1, 8), cell=(1, 64), moments=(1, 64))

    @property
    def view(self) -> View:
        """A square picture, and its flow."""
        return View(self.size, self.size, "letterbox", motion="flow")

    @property
    def tracks(self) -> Tracks:
        """How its places are followed and described."""
        return Tracks(self.length, self.step, self.spacing, _BLOCK, self.cell, self.cells, self.moments, _LEAST * self.size, self.still)
