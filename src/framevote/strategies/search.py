"""The search of `CoarseToFine` and `Budget`: chapter by chapter, with what was seen before and what is known ahead."""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.records import Frame, Scores
from framevote.smoothing import Smoother
from framevote.strategies.base import Looking, Score, Stretch
from framevote.strategies.openness import Looks, Verdict, judge
from framevote.strategies.pacing import Clock, Peek, in_blocks, merged, with_next
from framevote.strategies.reel import Blocks, Reel
from framevote.video import Index, Seeker, Video, keyframes

_LONGEST = 10.0
"""Seconds: where keyframes lie further apart, what lies between is decoded in pieces of that length."""

_ROOM = 64 * 2**20
"""Bytes of stills that a chapter may need, about; two of them and the overlap are held at once."""

_CHAPTER = (5.0, 60.0)
"""Seconds that a chapter lasts, at least and at most."""

_MEMORY = 60.0
"""Seconds before a chapter whose looks are kept for the windows that reach back."""

_OVERLAP = 15.0
"""Seconds at the end of a chapter that are decided with the next one, when more of what follows is known."""

_FINER = 4
"""Times as short as while they are searched are the rows when they are told: the vote changes within them."""

_TRIED = 4
"""Keyframes by which the cost of a look is measured."""


@dataclass(frozen=True, eq=False)
class _Chapter:
    """Blocks that are searched together, [first, last), with their first looks."""

    first: int
    last: int
    looks: Looks


@final
class Search:
    """One search through one video."""

    def __init__(
        self,
        video: Video,
        index: Index,
        score: Score,
        smoother: Smoother,
        confidence: float,
        finest: float,
        seconds: float | None = None,
    ) -> None:
        """Take what to search, how sure and how fine, and how many seconds it may take; None: as many as it needs."""
        self._video, self._index, self._score, self._smoother = video, index, score, smoother
        self._confidence, self._finest, self._seconds = confidence, finest, seconds
        self._clock = Clock(None if seconds is None else time.monotonic() + seconds)
        self._longest = smoother.fineness(float(video.info.frame_rate) or 25.0)

    def run(self) -> Looking:
        """Yield rows as the vote is decided on them; return the stretches where it was left open."""
        chosen = self._chosen()
        blocks = Blocks(self._index, _LONGEST, chosen)
        doubtful: list[Stretch] = []
        with Seeker(self._video, self._index) as seeker:
            reel = Reel(self._video, blocks, seeker, self._finest)
            before = pending = None
            for chapter, ahead in with_next(self._chapters(blocks, reel, chosen)):
                looks, verdict = self._searched(before, pending, chapter, ahead, reel, blocks)
                settled = looks if ahead is None else looks.split(_settled(looks))[0]
                pending = looks.split(len(settled))[1] if len(settled) < len(looks) else None
                doubtful.extend(_doubtful(settled, verdict))
                yield from in_blocks(settled.told(self._longest / _FINER)[0])
                before = _latest(settled if before is None else before.joined(settled))
                reel.drop(blocks.at(before.end))
        return tuple(merged(doubtful))

    def _chosen(self) -> NDArray[np.intp]:
        """Return the keyframes (places in the index) to begin with: all, or as many as half of the time allows."""
        if self._seconds is None:
            return np.arange(len(self._index))
        began = time.monotonic()
        tried = sum(map(len, self._score(islice(keyframes(self._video, index=self._index), _TRIED))))
        self._clock.took(time.monotonic() - began, tried)
        many = max(0.5 * self._seconds / self._clock.cost, 1.0)
        return np.arange(len(self._index)) if many >= len(self._index) else self._index.spaced(self._index.end / many)

    def _chapters(self, blocks: Blocks, reel: Reel, chosen: NDArray[np.intp]) -> Iterator[_Chapter]:
        """Yield chapters with their first looks; one in which nothing can be decoded is left out."""
        alone = chosen[np.isin(self._index.times[chosen], blocks.edges[:-1][blocks.keys])]
        stream = Peek(keyframes(self._video, index=self._index, places=alone.tolist()) if len(alone) else iter(()))
        for first, last in _cut(blocks, self._chapter_seconds()):
            looks = self._looked(self._firsts(first, last, blocks, reel, stream), reel, float(blocks.edges[last]))
            if looks is not None:
                yield _Chapter(first, last, replace(looks, fresh=blocks.begins_fresh(looks.times)))

    def _chapter_seconds(self) -> float:
        view, rate = self._video.view, float(self._video.info.frame_rate) or 25.0
        size = view.width * view.height * 3 if view else self._video.info.width * self._video.info.height * 3
        stills = min(1 / self._finest, rate) if self._finest > 0 else rate
        return float(np.clip(_ROOM / size / stills, *_CHAPTER))

    def _firsts(self, first: int, last: int, blocks: Blocks, reel: Reel, stream: Peek) -> Iterator[Frame]:
        """Yield the first frame of each block, and the last still of the video: what lies between two looks can be bisected."""
        latest = -math.inf
        for block in range(first, last):
            for frame in self._first(block, blocks, reel, stream):
                latest = frame.time
                yield frame
        if last == len(blocks) and self._in_time():
            yield from (still for still in reel.stills(last - 1)[-1:] if still.time > latest + 1e-6)

    def _first(self, block: int, blocks: Blocks, reel: Reel, stream: Peek) -> Iterator[Frame]:
        """Yield the first frame of a block: its keyframe, or its first still."""
        end = float(blocks.edges[block + 1])
        if not blocks.keys[block]:
            yield from reel.stills(block)[:1] if block == 0 or self._in_time() else ()
            return
        while (frame := stream.peek()) is not None and (frame.time < end - 1e-6 or block == len(blocks) - 1):
            yield stream.take()

    def _in_time(self) -> bool:
        return self._clock.end is None or self._clock.affordable(self._clock.end) > 0

    def _searched(
        self, before: Looks | None, pending: Looks | None, chapter: _Chapter, ahead: _Chapter | None, reel: Reel, blocks: Blocks
    ) -> tuple[Looks, Verdict]:
        """Look closer until the vote is decided or the time is up; return all looks that are not settled yet, and the last verdict."""
        looks, spent = chapter.looks if pending is None else pending.joined(chapter.looks), set[float]()
        span, left = blocks.edges[[chapter.first, chapter.last]], blocks.edges[-1] - blocks.edges[chapter.first]
        moment = self._clock.until(float((span[1] - span[0]) / left) if left > 0 else 1.0)
        random = np.random.default_rng(round(float(looks.times[0]) * 1e6))
        while True:
            end = float(ahead.looks.times[0]) if ahead else reel.end(len(blocks) - 1)
            looks = _placed(looks, reel, end)
            verdict = self._verdict(before, looks, ahead, random)
            stills = self._next_stills(looks, verdict, reel, blocks, spent, moment)
            found = self._looked(stills, reel, end) if stills else None
            if found is None:
                return looks, verdict
            looks = looks.joined(found)

    def _verdict(self, before: Looks | None, looks: Looks, ahead: _Chapter | None, random: np.random.Generator) -> Verdict:
        """Return the verdict on the chapter's looks, with those before and ahead in the windows."""
        around = looks if before is None else before.joined(looks)
        around = around if ahead is None else around.joined(ahead.looks)
        own = slice(0 if before is None else len(before), (0 if before is None else len(before)) + len(looks))
        verdict = judge(around, self._smoother, self._longest, self._confidence, random, self._finest)
        return Verdict(verdict.boundary[own], verdict.doubtful[own])

    def _next_stills(self, looks: Looks, verdict: Verdict, reel: Reel, blocks: Blocks, spent: set[float], moment: float) -> list[Frame]:
        """Return the next still of each open gap, in the order of time; gaps that hold none are remembered as `spent`.

        Where time is short the longest gaps come first, and no more than can be scored by `moment`.
        """
        durations = looks.durations
        rows = [row for row in np.flatnonzero(verdict.boundary | verdict.doubtful) if float(looks.times[row]) not in spent]
        chosen: list[Frame] = []
        for row in rows if self._seconds is None else sorted(rows, key=lambda row: -durations[row]):
            if self._clock.affordable(moment) < len(chosen) + 1:
                break
            start, end = float(looks.times[row]), float(looks.times[row] + durations[row])
            still = _next_still(start, end, bool(verdict.boundary[row]), reel, blocks)
            if still is None:
                spent.add(start)
            else:
                chosen.append(still)
        return sorted(chosen, key=lambda still: still.time)

    def _looked(self, frames: Iterable[Frame], reel: Reel, end: float) -> Looks | None:
        """Score frames; None where there are none."""
        blocks = list(self._score(frames))
        if not sum(map(len, blocks)):
            return None
        scores = Scores.join(blocks)
        fresh = np.zeros(len(scores), np.bool_)
        return _placed(Looks(scores.values, scores.times, scores.times, fresh, end, 0.0, scores.labels), reel, end)


def _cut(blocks: Blocks, seconds: float) -> Iterator[tuple[int, int]]:
    """Yield [first, last) of chapters that last about so many seconds, whole blocks each."""
    first = 0
    for block in range(1, len(blocks) + 1):
        if block == len(blocks) or blocks.edges[block + 1] - blocks.edges[first] > seconds:
            yield first, block
            first = block


def _next_still(start: float, end: float, boundary: bool, reel: Reel, blocks: Blocks) -> Frame | None:
    """Return which still between two looks to look at next; None where there is none."""
    stills = [still for still in _stills(start, end, reel, blocks) if start + 1e-6 < still.time < end - 1e-6]
    if not stills:
        return None
    if boundary and np.abs(blocks.edges - end).min() < 1e-6:
        # Encoders begin a scene with a keyframe: if the last still before it shows what was before, the boundary is found.
        return stills[-1]
    return min(stills, key=lambda still: abs(still.time - (start + end) / 2))


def _stills(start: float, end: float, reel: Reel, blocks: Blocks) -> Iterator[Frame]:
    """Yield the stills of every block that shows something of [start, end)."""
    return chain.from_iterable(reel.stills(block) for block in range(blocks.at(start), blocks.at(end - 2e-6) + 1))


def _placed(looks: Looks, reel: Reel, end: float) -> Looks:
    """Return looks with how many pictures are shown before each, as far as is known by now."""
    places = np.array([reel.passed(moment) for moment in looks.times.tolist()])
    return replace(looks, places=places, end=end, total=reel.passed(end))


def _settled(looks: Looks) -> int:
    """Return how many looks are told now; those of the last seconds wait until what follows them has been searched too."""
    return max(int(np.searchsorted(looks.times, looks.end - _OVERLAP)), 0)


def _doubtful(looks: Looks, verdict: Verdict) -> list[Stretch]:
    """Return the stretches on which the verdict is doubtful; where all has been seen, none is."""
    ends = np.append(looks.times[1:], looks.end)
    rows = np.flatnonzero(verdict.doubtful[: len(looks)] & (looks.frames > 1.5))
    return [(float(looks.times[row]), float(ends[row])) for row in rows]


def _latest(looks: Looks) -> Looks:
    """Return the looks of the last minute, and a few more where these are seldom."""
    return looks.split(min(int(np.searchsorted(looks.times, looks.end - _MEMORY)), max(len(looks) - 8, 0)))[1]
