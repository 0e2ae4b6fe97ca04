"""From steady scores to segments: who wins each row, where a label begins and ends, and what is too short to be told."""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from framevote.errors import PartError
from framevote.parts import Part
from framevote.records import UNKNOWN, Guess, Scores, Segment, Track

CLOCK = 1e-6
"""Seconds: durations are compared in whole units of this, so that no rounding of the clock decides."""

GRAIN = 256
"""Rows that are looked at together."""


@final
@dataclass(frozen=True, repr=False)
class Cut(Part):
    """Cuts steady scores into segments.

    Each row is won by its best label; `hysteresis` and `unknown` bend that row by row, then `shortest` removes what is too short.
    A segment reaches from its first row's time to the next segment's start. Where rows are missing between two labels (a corrupt
    stretch longer than the row before it) the segment ends with its last row, and nothing is told of the gap; within one label a
    gap is bridged.

    Args:
        hysteresis: a challenger takes over only when its score exceeds that of the label shown by more than this; 0 to 1.
            After an unknown row the best label starts afresh.
        shortest: seconds; a segment that is shorter goes to its longer neighbour (of equals, the earlier), the shortest first,
            until none is left that is shorter. A video that is shorter as a whole keeps one segment.
        unknown: a row whose best score is below this is `unknown`; 0 to 1.

    Raises:
        PartError: an argument that does not fit.
    """

    hysteresis: float = 0.0
    shortest: float = 0.0
    unknown: float = 0.0

    def __post_init__(self) -> None:
        _settle(self, "hysteresis", "a difference of scores from 0 to 1", 1.0)
        _settle(self, "shortest", "seconds, 0 or more", 1e300)
        _settle(self, "unknown", "a score from 0 to 1", 1.0)

    def __call__(self, blocks: Iterable[Scores]) -> tuple[tuple[Segment, ...], Track]:
        """Return the segments of consecutive blocks, and what the timeline shows in every row.

        Holds 24 bytes a row. A segment's score is the mean of its label's steady score, each row weighted by its duration (for
        unknown: of the best score); rows that it took over from a shorter segment show that mean.
        """
        rows = self._rows(blocks)
        runs = _runs(rows)
        return _told(rows, _without_short(runs, self.shortest) if self.shortest > 0 else runs)

    def _rows(self, blocks: Iterable[Scores]) -> "_Rows":
        labels: tuple[str, ...] = ()
        held = -1
        kept: list[tuple[NDArray[Any], ...]] = []
        for block in blocks:
            labels = labels or block.labels
            for at in range(0, len(block), GRAIN):
                rows = slice(at, at + GRAIN)
                winners, scores = self._winners(block.values[rows], held)
                held = int(winners[-1])
                kept.append((block.times[rows], block.durations[rows], winners, scores))
        if not kept:
            return _Rows(np.empty(0), np.empty(0), np.empty(0, np.int32), np.empty(0, np.float32), labels)
        columns = [list(column) for column in zip(*kept, strict=True)]
        del kept
        times, durations, winners, scores = (np.concatenate(columns.pop(0)) for _ in range(4))  # one at a time: no two copies of all
        return _Rows(times, durations, winners, scores, labels)

    def _winners(self, values: NDArray[np.float32], held: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the label shown in each row (-1: unknown) and its score (unknown: the best), with `held` shown before."""
        places = np.arange(len(values))
        best = values.argmax(axis=1)
        peak = values[places, best]
        known = peak >= self.unknown
        winners = np.full(len(values), -1, np.int32)
        row = 0
        while row < len(values):
            if known[row]:
                held = self._heir(values[row], int(best[row]), held)
                stop = self._reign(values[row:, held], peak[row:], known[row:]) + row
                winners[row:stop] = held
            else:
                held, stop = -1, row + 1
            row = stop
        return winners, np.where(winners >= 0, values[places, winners], peak)

    def _heir(self, values: NDArray[np.float32], best: int, held: int) -> int:
        return best if held < 0 or float(values[best]) - float(values[held]) > self.hysteresis else held

    def _reign(self, own: NDArray[np.float32], peak: NDArray[np.float32], known: NDArray[np.bool_]) -> int:
        """Return for how many rows, at least one, a label with scores `own` is shown."""
        over = (peak.astype(np.float64) - own > self.hysteresis) | ~known
        over[0] = False
        return int(over.argmax()) if over.any() else len(over)


def _settle(cut: Cut, name: str, expected: str, high: float) -> None:
    """Check a field and keep it as a plain number, so that the part's text can be read back."""
    value: Any = getattr(cut, name)
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
        raise PartError(f"Cut takes {name} as {expected}. Received: {name}={value!r}")
    object.__setattr__(cut, name, value)


class _Rows(NamedTuple):
    """What is kept of the scores: four arrays (T,), and the class names."""

    times: NDArray[np.float64]
    durations: NDArray[np.float64]
    winners: NDArray[np.int32]
    scores: NDArray[np.float32]
    labels: tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Run:
    """Rows of one label from `first` on, between its neighbours."""

    first: int
    start: float
    end: float
    label: int
    before: "_Run | None" = field(default=None, repr=False)
    after: "_Run | None" = field(default=None, repr=False)
    gone: bool = False

    @property
    def length(self) -> int:
        return round((self.end - self.start) / CLOCK)


def _runs(rows: _Rows) -> list[_Run]:
    """Return the stretches of equal winners; each ends where the next begins, or with its last row where a gap follows."""
    if not len(rows.times):
        return []
    firsts = np.concatenate([[0], np.flatnonzero(np.diff(rows.winners)) + 1])
    lasts = np.concatenate([firsts[1:], [len(rows.times)]]) - 1
    starts, ends = rows.times[firsts], rows.times[lasts] + rows.durations[lasts]
    gaps = starts[1:] - ends[:-1]
    ends[:-1] = np.where(gaps <= np.maximum(rows.durations[lasts[:-1]], CLOCK), starts[1:], ends[:-1])
    return [_Run(*run) for run in zip(firsts.tolist(), starts.tolist(), ends.tolist(), rows.winners[firsts].tolist(), strict=True)]


def _without_short(runs: list[_Run], shortest: float) -> list[_Run]:
    """Give the runs that are shorter than `shortest` to their longer neighbours, the shortest first; O(n log n)."""
    for one, other in itertools.pairwise(runs):
        one.after, other.before = other, one
    least, ticket = round(shortest / CLOCK), itertools.count()
    short = [(run.length, run.first, next(ticket), run) for run in runs if run.length < least]
    heapq.heapify(short)
    while short:
        length, _, _, run = heapq.heappop(short)
        if run.gone or run.length != length or not (run.before or run.after):
            continue
        taker = _absorb(run)
        if taker.length < least:
            heapq.heappush(short, (taker.length, taker.first, next(ticket), taker))
    return [run for run in runs if not run.gone]


def _absorb(run: _Run) -> _Run:
    """Give `run` to its longer neighbour and join this with the one beyond where they show the same; return what came of it."""
    before, after = run.before, run.after
    taker = before if before and (not after or before.length >= after.length) else after
    assert taker is not None
    _join(taker, run)
    for beyond in (taker.before, taker.after):
        if beyond and beyond.label == taker.label:
            _join(taker, beyond)
    return taker


def _join(taker: _Run, run: _Run) -> None:
    """Stretch `taker` over its neighbour `run`, which is gone."""
    taker.first, taker.start, taker.end = min(taker.first, run.first), min(taker.start, run.start), max(taker.end, run.end)
    if taker.before is run:
        taker.before = run.before
        if run.before:
            run.before.after = taker
    else:
        taker.after = run.after
        if run.after:
            run.after.before = taker
    run.gone = True


def _told(rows: _Rows, runs: list[_Run]) -> tuple[tuple[Segment, ...], Track]:
    """Return the segments that the runs make, with their scores, and the track that agrees with them."""
    if not runs:
        return (), Track(rows.times, rows.winners, rows.scores, rows.labels)
    firsts = np.array([run.first for run in runs])
    shown = np.array([run.label for run in runs], np.int32)
    lengths = np.diff(firsts, append=len(rows.times))
    told = np.repeat(shown, lengths)
    own = rows.winners == told
    means = _means(rows.scores, np.where(own, rows.durations, 0.0), own, firsts)
    track = Track(rows.times, told, np.where(own, rows.scores, np.repeat(means.astype(np.float32), lengths)), rows.labels)
    names = [rows.labels[run.label] if run.label >= 0 else UNKNOWN for run in runs]
    segments = zip(runs, names, means.tolist(), strict=True)
    return tuple(Segment(run.start, run.end, name, mean) for run, name, mean in segments), track


def _means(
    scores: NDArray[np.float32], durations: NDArray[np.float64], own: NDArray[np.bool_], firsts: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the mean score of each segment's own rows by duration; where they last no time, each row counts alike."""
    weights = durations
    if not np.all(np.add.reduceat(durations, firsts) > 0):
        lasting = np.repeat(np.add.reduceat(durations, firsts) > 0, np.diff(firsts, append=len(scores)))
        weights = np.where(lasting, durations, own)
    total = np.add.reduceat(weights, firsts)
    weights *= scores  # in place: of a long video these are large
    means: NDArray[np.float64] = np.add.reduceat(weights, firsts) / total
    return means


@final
class Tally:
    """Counts what flows by: rows, seconds, label changes, and the mean probabilities of the whole video."""

    def __init__(self) -> None:
        self.rows = 0
        self.changes = 0
        self.seconds = 0.0
        self._labels: tuple[str, ...] = ()
        self._last = -1
        self._sum: NDArray[np.float64] | float = 0.0

    def watch(self, blocks: Iterable[Scores]) -> Iterator[Scores]:
        """Yield consecutive blocks unchanged, each counted before it goes on."""
        for block in blocks:
            self._labels = self._labels or block.labels
            if len(block):
                self._count(block)
            yield block

    @property
    def changes_per_minute(self) -> float:
        """How often a minute the best label changes from one row to the next; 0.0 where no time went by."""
        return self.changes * 60.0 / self.seconds if self.seconds > 0 else 0.0

    def overall(self, top: int = 5) -> tuple[Guess, ...]:
        """Return the `top` best labels of the whole video, best first: the mean of all rows, each weighted by its duration."""
        if not self.rows:
            return ()
        mean = np.asarray(self._sum) / (self.seconds if self.seconds > 0 else self.rows)
        best = np.argsort(-mean, kind="stable")[:top]
        return tuple(Guess(self._labels[place], float(mean[place])) for place in best)

    def _count(self, block: Scores) -> None:
        winners = block.values.argmax(axis=1)
        self.changes += int(np.count_nonzero(np.diff(winners))) + int(self._last >= 0 and winners[0] != self._last)
        self._last = int(winners[-1])
        seconds = float(block.durations.sum())
        # Rows that last no time count only as long as there are no others (a video of one frame).
        if seconds > 0 and self.seconds == 0:
            self._sum = 0.0
        if seconds > 0 or self.seconds == 0:
            weights = block.durations if seconds > 0 else np.ones(len(block))
            self._sum = self._sum + weights @ block.values
        self.seconds += seconds
        self.rows += len(block)
