"""What of a video may be looked at: stills of its blocks, decoded when they are asked for."""

from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from framevote.records import Frame
from framevote.video import Index, Scaler, Seeker, Video

_SEVERAL, _MANY = 4, 0.2
"""How many keyframes, and what share of all, come at about one distance where it is the encoder's own and no scene's.

Taking too much for its own costs one look at a boundary; taking too little puts boundaries at keyframes where none is.
"""


@final
class Blocks:
    """A video in blocks: from each keyframe to the next, and where these lie far apart, in pieces.

    Attributes:
        edges: float64 (B + 1,), seconds where the blocks begin, and where the last ends.
        passed: float64 (B + 1,), how many pictures are shown before each edge; exact at keyframes, and where all before it in its
            piece of the video has been counted.
        keys: bool (B,), whether a block begins with a keyframe that is looked at alone; else it is decoded from its beginning.
        fresh: bool (B,), whether its keyframe was stored before the encoder's usual distance was reached.
    """

    def __init__(self, index: Index, longest: float, chosen: NDArray[np.intp]) -> None:
        """Cut at the keyframes `chosen` (places in the index), and into pieces of at most `longest` seconds."""
        starts = np.append(index.times[chosen], index.end)
        edges: list[float] = []
        keys: list[bool] = []
        early = _early(index) if len(chosen) == len(index) else np.zeros(len(chosen), np.bool_)
        fresh: list[bool] = []
        inside: list[bool] = []
        for key, (start, end) in enumerate(pairwise(starts.tolist())):
            pieces = max(int(np.ceil((end - start) / longest - 1e-6)), 1)
            edges.extend(np.linspace(start, end, pieces, endpoint=False).tolist())
            keys.extend([pieces == 1] * pieces)
            fresh.extend([bool(early[key]), *([False] * (pieces - 1))])
            inside.extend([False, *([True] * (pieces - 1))])
        self.edges = np.array([*edges, index.end])
        self.passed = np.array([index.passed(edge) for edge in self.edges])
        self.keys, self.fresh = np.array(keys, np.bool_), np.array(fresh, np.bool_)
        self._inside = [*inside, False]

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, time: float) -> int:
        """Return which block shows `time`."""
        return min(max(int(np.searchsorted(self.edges, time + 1e-6, side="right")) - 1, 0), len(self) - 1)

    def counted(self, block: int, pictures: int) -> None:
        """Learn how many pictures a block shows."""
        if self._inside[block + 1]:  # no keyframe is there, whose place the index knows
            self.passed[block + 1] = self.passed[block] + pictures

    def begins_fresh(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether there is a fresh keyframe at each of the times (N,)."""
        places = np.clip(np.searchsorted(self.edges, times + 1e-6, side="right") - 1, 0, len(self) - 1)
        return self.fresh[places] & (np.abs(self.edges[places] - times) < 1e-6)


def _early(index: Index) -> NDArray[np.bool_]:
    """Return which keyframes follow the one before sooner than the encoder's usual distance.

    That is the longest, and any about which many are that follow one another: joined films and live ones have several, and hardly one
    is kept to the frame; scenes may be of one length too, but not in a row.
    """
    distances = index.frames[:-1]
    again = np.abs(np.diff(distances)) <= 0.05 * distances[1:]
    ordered = np.sort(distances[np.append(again, False) | np.append(False, again)] if len(distances) > 1 else distances)
    alike = np.searchsorted(ordered, 1.05 * distances, side="right") - np.searchsorted(ordered, 0.95 * distances)
    usual = (alike >= _SEVERAL) & (alike >= _MANY * len(distances))
    return np.append(False, (distances < distances.max(initial=0) - 1) & ~usual)


@final
class Reel:
    """The stills of some blocks: at every `finest` seconds one, and the last picture before the next block.

    A block is decoded when its stills are asked for, and kept until it is dropped.
    """

    def __init__(self, video: Video, blocks: Blocks, seeker: Seeker, finest: float) -> None:
        self._blocks, self._seeker, self._finest = blocks, seeker, finest
        self._scaler = Scaler(video.info, video.view)
        self._stills: dict[int, list[Frame]] = {}
        self._times: dict[int, NDArray[np.float64]] = {}
        self._ends: dict[int, float] = {}

    def stills(self, block: int) -> list[Frame]:
        """Return the stills of a block, in order; none where nothing of it can be decoded."""
        if block not in self._stills:
            self._decode(block)
        return self._stills[block]

    def passed(self, time: float) -> float:
        """Return how many pictures are shown before `time`: exact in blocks that are decoded, from keyframe to keyframe in others."""
        block = self._blocks.at(time)
        start, end = self._blocks.edges[block : block + 2]
        low, high = self._blocks.passed[block : block + 2]
        if block in self._times and len(self._times[block]):
            share = float(np.searchsorted(self._times[block], time - 1e-6)) / len(self._times[block])
        else:
            share = (time - start) / (end - start) if end > start else 0.0
        return float(low + min(share, 1.0) * (high - low))

    def end(self, block: int) -> float:
        """Return when a block ends: the last one with its last picture, where that is decoded."""
        whole = float(self._blocks.edges[block + 1])
        return self._ends.get(block, whole) if block == len(self._blocks) - 1 else whole

    def drop(self, before: int) -> None:
        """Forget the blocks that come before one."""
        held: dict[int, Any]
        for held in (self._stills, self._times, self._ends):
            for block in [block for block in held if block < before]:
                del held[block]

    def _decode(self, block: int) -> None:
        start, end = self._blocks.edges[block : block + 2].tolist()
        stills: list[Frame] = []
        times: list[float] = []
        due, last = start, None
        for picture in self._seeker.within(start, end if block < len(self._blocks) - 1 else end + 1.0):
            times.append(picture.time)
            self._ends[block] = picture.time + picture.duration
            last = picture
            if picture.time >= due - 1e-6:
                stills.append(Frame(self._scaler(picture.frame), picture.time, -1))
                due, last = picture.time + self._finest, None
        if last is not None:
            stills.append(Frame(self._scaler(last.frame), last.time, -1))
        self._stills[block], self._times[block] = stills, np.array(times)
        self._blocks.counted(block, len(times))
