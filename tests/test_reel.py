"""Which keyframes an encoder has stored out of their turn."""

import numpy as np
import pytest

from framevote.strategies.reel import Blocks
from framevote.video import Index


def index_of_groups(frames: list[int]) -> Index:
    """The index of a video of 25 frames a second whose keyframes are so many frames apart."""
    counts = np.array(frames)
    pts = np.cumsum(counts) - counts
    return Index(pts / 25, pts, pts, counts, float(counts.sum()) / 25, listed=True, timed=True)


@pytest.mark.parametrize(
    ("frames", "fresh"),
    [
        ([50] * 8, []),
        ([100, 37, 100, 63, 100], [2, 4]),
        ([100, 100, 30], []),  # what the last one's distance would have been is not known
        ([50] * 9 + [52] + [50] * 9, []),  # one that came late makes no scenes of all the others
        ([50] * 10 + [20] + [50] * 10 + [200] * 10, [11]),  # joined from two encoders
        ([60, 59, 61, 60, 59, 60, 61, 25, 60], [8]),  # kept by time, not by frames
        ([40], []),
    ],
)
def test_a_keyframe_out_of_its_turn_follows_sooner_than_usual(frames: list[int], fresh: list[int]) -> None:
    index = index_of_groups(frames)
    blocks = Blocks(index, 10.0, np.arange(len(index)))
    assert np.flatnonzero(blocks.begins_fresh(index.times)).tolist() == fresh
