"""One frame for each of several shares of a video."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from framevote.records import Frame
from framevote.video import Index, Scaler, Seeker, Video


def looked_at(video: Video, index: Index, edges: NDArray[np.float64], looks: NDArray[np.float64]) -> Iterator[Frame]:
    """Yield a frame for each share of a video: the one shown at its look, standing for all of the share.

    Args:
        video: the video.
        index: its keyframes.
        edges: (N + 1,) seconds, increasing, from 0 to the video's end.
        looks: (N,) seconds, one in each share.
    """
    scaler, video.skipped = Scaler(video.info, video.view), 0
    image = None
    with Seeker(video, index) as seeker:
        for (start, end), look in zip(pairwise(edges.tolist()), looks.tolist(), strict=True):
            shown = seeker.shown(look)
            if shown is not None:
                image = scaler(shown.frame)
            if image is None:  # nothing can be decoded so early
                image = scaler(next(video.pictures()).frame)
            yield Frame(image, start, -1, end - start, max(index.passed(end) - index.passed(start), 1e-9))
