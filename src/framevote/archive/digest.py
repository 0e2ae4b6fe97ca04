"""What is remembered of the rows that a model looked at: mean embeddings of any stretch, and the best scores of each row.

Memory is bounded by bins of time, not by the video's length. Rows may come in any order of time: some strategies look coarsely first.
"""

import math
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.archive.entries import FrameScores
from framevote.records import Features, Scores

BINS = 4096
"""Of time, at most: 21 MB of embeddings with 1280 numbers. Up to so many rows, no two share a bin unless they are closer than GRAIN."""

GRAIN = 2**-10
"""Seconds of a bin at first: finer than any frame rate."""

BEST = 5
"""Scores that are kept of a row."""


@final
class Digest:
    """Watches what a model says of a video, and tells afterwards what a stretch of it looks like (a `framevote.classifier.Watch`).

    Embeddings are summed in bins of time, and bins are merged in pairs whenever they run out. A bin stands for the time from its first
    row to the first row of the next one, so that a stretch that was looked at closely weighs no more than its seconds.

    Attributes:
        labels: the model's labels, once a block has come.
        rows: how many rows have come.
    """

    def __init__(self, scores: bool = False, bins: int = BINS) -> None:
        """Begin; `scores` keeps the five best scores of each row too, 34 bytes a row."""
        self.labels: tuple[str, ...] = ()
        self.rows = 0
        self._keeps, self._room, self._width = scores, bins, GRAIN
        self._places: dict[int, int] = {}  # of a bin, by the number of its stretch of time
        self._sums = np.empty((0, 0), np.float32)
        self._counts = np.zeros(bins, np.int64)
        self._firsts = np.full(bins, math.inf)
        self._end = 0.0
        self._best: list[tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float16]]] = []

    def __call__(self, scores: Scores, features: Features) -> None:
        """Take a block of rows with their embeddings (T, D)."""
        if not len(scores):
            return
        self.labels, self.rows = scores.labels, self.rows + len(scores)
        self._end = max(self._end, float((scores.times + scores.durations).max()))
        if not self._sums.size:
            # Rows that are never written take no memory.
            self._sums = np.empty((self._room, features.values.shape[1]), np.float32)
        for time, embedding in zip(scores.times.tolist(), features.values, strict=True):
            self._add(time, embedding)
        if self._keeps:
            self._best.append(_best(scores))

    def _add(self, time: float, embedding: NDArray[np.float32]) -> None:
        place = self._places.get(math.floor(time / self._width))
        if place is None:
            while len(self._places) == self._room:
                self._merge()
            place = self._places.get(math.floor(time / self._width))
        if place is None:
            place = self._places[math.floor(time / self._width)] = len(self._places)
            self._sums[place] = 0
        self._sums[place] += embedding
        self._counts[place] += 1
        self._firsts[place] = min(self._firsts[place], time)

    def _merge(self) -> None:
        """Make bins twice as wide; those that fall into one are summed, and the rest move up."""
        self._width *= 2
        places: dict[int, int] = {}
        # In the order of their places, so that a bin only ever moves to a place that is free by then.
        for number, old in sorted(self._places.items(), key=lambda item: item[1]):
            new = places.get(number // 2)
            if new is None:
                new = places[number // 2] = len(places)
                self._sums[new], self._counts[new], self._firsts[new] = self._sums[old], self._counts[old], self._firsts[old]
            else:
                self._sums[new] += self._sums[old]
                self._counts[new] += self._counts[old]
                self._firsts[new] = min(self._firsts[new], self._firsts[old])
        self._places = places
        self._counts[len(places) :] = 0
        self._firsts[len(places) :] = math.inf

    def embedding(self, start: float = 0.0, end: float = math.inf) -> NDArray[np.float32] | None:
        """Return the mean embedding (D,) of what is shown within [start, end) seconds; None where nothing was looked at.

        A stretch that begins or ends within a bin takes the bin's share. One that lasts no time has what is shown at its start.
        """
        used = len(self._places)
        if not used:
            return None
        order = np.argsort(self._firsts[:used], kind="stable")
        begins = self._firsts[:used][order]
        ends = np.append(begins[1:], max(self._end, float(begins[-1])))
        weights = np.clip(np.minimum(ends, end) - np.maximum(begins, start), 0.0, None)
        if not weights.any():
            weights[max(int(np.searchsorted(begins, start, side="right")) - 1, 0)] = 1.0
        chosen = order[weights > 0]
        weights = weights[weights > 0] / weights.sum() / self._counts[chosen]
        mean: NDArray[np.float32] = weights.astype(np.float32) @ self._sums[chosen]
        return mean

    def frame_scores(self) -> FrameScores | None:
        """Return the best scores of each row in the order of time, where they are kept; of a moment that came twice, the last."""
        if not self._best:
            return None
        times, labels, values = (np.concatenate(column) for column in zip(*self._best, strict=True))
        order = np.argsort(times, kind="stable")
        kept = order[np.append(np.diff(times[order]) > 0, True)]
        return FrameScores(times[kept], labels[kept], values[kept])


def _best(scores: Scores) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float16]]:
    """Return times (T,), places of the best labels (T, K), best first, and their values (T, K)."""
    count = min(BEST, len(scores.labels))
    some = np.argpartition(-scores.values, count - 1, axis=1)[:, :count]
    values = np.take_along_axis(scores.values, some, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    labels = np.take_along_axis(some, order, axis=1).astype(np.int32)
    return scores.times.astype(np.float32), labels, np.take_along_axis(values, order, axis=1).astype(np.float16)
