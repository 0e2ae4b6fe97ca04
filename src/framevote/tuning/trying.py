"""Every vote is tried on every video, and what it finds is counted once, so that the figures of any videos are sums."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framevote.evaluation.timelines import joined_segments
from framevote.model_file import Vote
from framevote.records import Scores, Segment, Track
from framevote.smoothing import Smoother, Viterbi
from framevote.smoothing.window import Windowed
from framevote.timelines import CLOCK, Cut
from framevote.tuning.films import Film
from framevote.tuning.votes import Line

OVERLAP = 0.5
"""Of a found and a true segment, from which on it is right: the segment F1@50."""

Floats = NDArray[np.float64]
Ids = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Trials:
    """What V votes find on F videos with S true segments in all.

    Attributes:
        votes: V of them.
        right, found: int (V, F), how many segments are right, and how many there are.
        changes: int (V, F), how often the label changes.
        true: int (F,), how many true segments there are.
        seconds: float (F,), how long the videos last.
        delays: float32 (V, S), seconds from the begin of a true segment until a viewer of live material sees its label; NaN: never.
        owners: int (S,), whose each true segment is.
    """

    votes: tuple[Vote, ...]
    right: NDArray[np.int64]
    found: NDArray[np.int64]
    changes: NDArray[np.int64]
    true: NDArray[np.int64]
    seconds: Floats
    delays: NDArray[np.float32]
    owners: Ids

    def f1(self, films: Ids) -> Floats:
        """Return the segment F1@50 (V,) over some videos, counts pooled."""
        counted = self.found[:, films].sum(axis=1) + self.true[films].sum()
        return np.asarray(2 * self.right[:, films].sum(axis=1) / np.maximum(counted, 1))

    def delay(self, films: Ids) -> Floats:
        """Return the median delay (V,) over some videos; infinite where no label is ever seen."""
        own = np.sort(self.delays[:, np.isin(self.owners, films)], axis=1)  # NaN come last
        seen = np.isfinite(own).sum(axis=1)
        rows, last = np.arange(len(own)), np.maximum(seen - 1, 0)
        middle = (own[rows, last // 2].astype(np.float64) + own[rows, last - last // 2]) / 2
        return np.where(seen > 0, middle, np.inf)

    def changes_a_minute(self, films: Ids) -> Floats:
        """Return label changes a minute (V,) over some videos."""
        return np.asarray(self.changes[:, films].sum(axis=1) * 60 / max(float(self.seconds[films].sum()), 1e-9))


def try_votes(films: Sequence[Film], lines: Sequence[Line], progress: Callable[[int], None] | None = None) -> Trials:
    """Return what every vote of the lines finds on the videos; `progress` is told how many lines are done."""
    votes = tuple(vote for line in lines for vote in line.votes())
    counts = np.zeros((len(votes), len(films), 3), np.int64)
    true = [len(film.truth) for film in films]
    edges = np.concatenate([[0], np.cumsum(true)])
    delays = np.full((len(votes), edges[-1]), np.nan, np.float32)
    first = 0
    for done, line in enumerate(lines, 1):
        count = len(line.hystereses) * len(line.shortest)
        for column, film in enumerate(films):
            for row, (told, late) in enumerate(_tried(film, line), first):
                counts[row, column] = told
                delays[row, edges[column] : edges[column + 1]] = late
        first += count
        if progress:
            progress(done)
    right, found, changes = np.moveaxis(counts, 2, 0)
    owners = np.repeat(np.arange(len(films)), true)
    return Trials(votes, right, found, changes, np.array(true), np.array([film.seconds for film in films]), delays, owners)


def waits(smoother: Smoother, scores: Scores) -> Floats:
    """Return how far a vote must look ahead before it can tell a row, were the material live: (T,) seconds.

    Nothing for one that looks back only; half of a centred window; of the most likely path how long the paths to all labels take
    to agree on the row.
    """
    if smoother.causal:
        return np.zeros(len(scores))
    if isinstance(smoother, Viterbi):
        return smoother.waits(scores)
    if isinstance(smoother, Windowed):
        span = smoother.span
        unit = 1.0 if span.measure == "durations" else float(scores.durations.sum() / scores.frames.sum())
        return np.full(len(scores), span.length / 2 * unit)
    return _measured_waits(smoother, scores)


def _measured_waits(smoother: Smoother, scores: Scores) -> Floats:
    """Return the same of any smoother, by what it gives when rows come one by one."""
    run, given = smoother.begin(live=False), np.full(len(scores), scores.times[-1] if len(scores) else 0.0)
    done = 0
    for row in range(len(scores)):
        for block in run.push(scores[row : row + 1]):
            given[done : done + len(block)] = scores.times[row]
            done += len(block)
    return np.asarray(given - scores.times)


def _tried(film: Film, line: Line) -> Iterator[tuple[tuple[int, int, int], Floats]]:
    """Yield for each vote of the line its counts (right, found, changes) and how late each true segment is seen."""
    steady = line.smoother(film.scores)
    ahead = waits(line.smoother, film.scores) + film.ahead
    truth = Columns.of(film.truth)
    for hysteresis in line.hystereses:
        runs, track = Cut(hysteresis=hysteresis)([steady])
        ends, own = _ends(steady, track), Columns.of(runs)
        least = min(run.duration for run in runs)
        for shortest in line.shortest:
            segments = Cut(shortest=shortest)([ends])[0] if least < shortest else runs
            found = Columns.of(joined_segments(segments))
            begun = truth.begun(found, own, shortest)
            yield (truth.matches(found), len(found.starts), len(segments) - 1), _late(truth, begun, shortest, film.scores.times, ahead)


def _late(truth: "Columns", begun: Floats, shortest: float, times: Floats, ahead: Floats) -> Floats:
    """Return how long after its begin each true segment is seen (NaN: never): once all rows that it takes are told.

    These are the row with which it begins, and those of the `shortest` seconds after.
    """
    at = np.nan_to_num(begun)
    first = np.searchsorted(times, at + CLOCK, side="right") - 1
    last = np.searchsorted(times, at + shortest - CLOCK, side="left") - 1
    return np.asarray(begun + shortest + ahead[np.maximum(np.maximum(first, last), 0)] - truth.starts)


def _ends(steady: Scores, track: Track) -> Scores:
    """Return the first and the last row of every stretch of one label, certain of it: all that the shortest-segment rule asks for.

    So the rule is tried again and again without the rows between.
    """
    changes = np.flatnonzero(np.diff(track.winners))
    rows = np.unique(np.concatenate([[0], changes, changes + 1, [len(track) - 1]]))
    values = np.zeros((len(rows), len(steady.labels)), np.float32)
    values[np.arange(len(rows)), track.winners[rows]] = 1.0
    return Scores(values, steady.times[rows], steady.durations[rows], steady.frames[rows], steady.labels)


@dataclass(frozen=True, eq=False)
class Columns:
    """Segments of a video, as columns."""

    labels: NDArray[np.str_]
    starts: Floats
    ends: Floats

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> "Columns":
        """Return the columns of segments."""
        labels = np.array([s.label for s in segments], np.str_)
        return cls(labels, np.array([s.start for s in segments], np.float64), np.array([s.end for s in segments], np.float64))

    def matches(self, found: "Columns") -> int:
        """Return how many found segments are right, as `segment_f1` counts them, these being the true ones."""
        if not len(found.starts):
            return 0
        shared = self._shared(found)
        overlap = shared / ((found.ends - found.starts)[:, None] + (self.ends - self.starts) - shared)
        best = overlap.argmax(axis=1)
        return len(np.unique(best[overlap[np.arange(len(best)), best] >= OVERLAP]))

    def begun(self, found: "Columns", runs: "Columns", shortest: float) -> Floats:
        """Return from when on each true label's wait for `shortest` counts, not before the label truly begins; NaN: it is never shown.

        A found segment may reach back over shorter ones that it swallowed, while who watches live could not know that it would: it
        counts from the first of its label's own `runs` that lasts long enough. A segment that is made of shorter ones is known at
        its end.
        """
        first = np.where(self._shared(found) > 0, found.starts[:, None], np.inf).min(axis=0, initial=np.inf)
        lasting = runs.ends - runs.starts >= shortest - CLOCK
        own = (runs.labels[:, None] == self.labels) & lasting[:, None] & (runs.starts[:, None] >= first - CLOCK)
        begun = np.where(own, runs.starts[:, None], np.inf).min(axis=0, initial=np.inf)
        until = np.where(self._shared(found) > 0, found.ends[:, None], np.inf).min(axis=0, initial=np.inf)
        begun = np.where(begun < until, begun, until)
        return np.where(np.isfinite(first), np.maximum(begun, self.starts), np.nan)

    def _shared(self, found: "Columns") -> Floats:
        """Return (found, true) the seconds that segments of one label share."""
        shared = np.minimum(found.ends[:, None], self.ends) - np.maximum(found.starts[:, None], self.starts)
        return np.where(found.labels[:, None] == self.labels, np.maximum(shared, 0.0), 0.0)
