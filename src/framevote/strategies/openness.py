"""Whether the vote is still open: what the smoother would say if the frames that nobody has seen were others."""

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.records import Scores
from framevote.smoothing import Smoother

_NEIGHBOURS = (-1, 0, 1, 2)
"""Looks from which a stretch that nobody has seen may be drawn: those at its two ends, and the next ones beyond."""

_SOLID = 2
"""Looks in a row with one label that make a scene of their own, which is drawn from itself alone; a sure one does so by itself."""

_LABELS = 3
"""Best labels of each look that are drawn for; all others never lead."""

_MOST_DRAWS = 50


@final
@dataclass(frozen=True, eq=False)
class Looks:
    """Frames that were looked at, in the order of time.

    Attributes:
        values: float32 (N, C), their probabilities.
        times: float64 (N,), seconds.
        places: float64 (N,), how many pictures are shown before each.
        fresh: bool (N,), whether each is a keyframe that the encoder stored out of its turn, as it does where a scene begins.
        end: seconds where the last one's stretch ends.
        total: how many pictures are shown before that.
        labels: the C class names.
    """

    values: NDArray[np.float32]
    times: NDArray[np.float64]
    places: NDArray[np.float64]
    fresh: NDArray[np.bool_]
    end: float
    total: float
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.times)

    def joined(self, other: "Looks") -> "Looks":
        """Return both, in the order of time; the end is the later one's."""
        order = np.argsort(np.concatenate([self.times, other.times]), kind="stable")
        columns = ("values", "times", "places", "fresh")
        values, times, places, fresh = (np.concatenate([getattr(self, name), getattr(other, name)])[order] for name in columns)
        last = self if self.end >= other.end else other
        return Looks(values, times, places, fresh, last.end, last.total, self.labels)

    def split(self, place: int) -> tuple["Looks", "Looks"]:
        """Return those before a place, up to it, and the rest."""
        end, total = (self.end, self.total) if place == len(self) else (float(self.times[place]), float(self.places[place]))
        before, after = slice(place), slice(place, None)
        return (
            Looks(self.values[before], self.times[before], self.places[before], self.fresh[before], end, total, self.labels),
            Looks(self.values[after], self.times[after], self.places[after], self.fresh[after], self.end, self.total, self.labels),
        )

    @property
    def durations(self) -> NDArray[np.float64]:
        """(N,) seconds from each look to the next."""
        return np.diff(self.times, append=self.end)

    @property
    def frames(self) -> NDArray[np.float64]:
        """(N,) pictures from each look to the next."""
        return np.maximum(np.diff(self.places, append=self.total), 1e-6)

    def told(self, longest: float) -> tuple[Scores, NDArray[np.intp]]:
        """Return rows that last no more than `longest` seconds, and the first row (N,) of each look; a look is told as often as it takes.

        A vote whose window is shorter than a stretch changes within it: only short rows can show where.
        """
        durations, frames = self.durations, self.frames
        shares = np.ones(len(self), np.intp)
        if math.isfinite(longest):
            shares = np.maximum(np.minimum(np.ceil(durations / longest - 1e-9), np.ceil(frames - 1e-6)), 1).astype(np.intp)
        which, firsts = np.repeat(np.arange(len(self)), shares), np.cumsum(shares) - shares
        part = np.arange(len(which)) - firsts[which]
        times = self.times[which] + durations[which] * part / shares[which]
        rows = Scores(self.values[which], times, (durations / shares)[which], (frames / shares)[which], self.labels)
        return rows, firsts


@final
@dataclass(frozen=True, eq=False)
class Verdict:
    """What the vote says of each look's stretch, from it to the next.

    Attributes:
        boundary: bool (N,), whether another label is shown at its end than at its look, or at the next one.
        doubtful: bool (N,), whether it might be shown otherwise if what nobody has seen were other.
    """

    boundary: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]


def judge(looks: Looks, smoother: Smoother, longest: float, confidence: float, random: np.random.Generator, finest: float = 0.0) -> Verdict:
    """Return where the vote is still open.

    What lies between two looks has been seen by nobody. It is drawn from the looks around it, as hot-deck imputation does (Andridge and
    Little, "A Review of Hot Deck Imputation for Survey Non-response", 2010), independently for every stretch, and the smoother is
    asked again. Where in at least 1 - `confidence` of the draws it gives another label, the vote is open. So steady scenes are settled
    by few looks, whatever the smoother, and the label's lead counts against all that its window holds unseen.

    A look is sure if its best probability is at least `confidence`. A scene of a single sure look stands for itself; where two such meet
    at a keyframe that was stored out of its turn, the boundary is taken to be there. Sure looks in a row that give one label are drawn
    from themselves alone; where two such rows meet, there is a boundary even if the vote, which may lag, shows none. What lasts less
    than two times `finest` seconds has been seen.
    """
    shown, firsts = _shown(looks, smoother, longest)
    lasts = np.append(firsts[1:], len(shown)) - 1
    boundary = np.zeros(len(looks), np.bool_)
    boundary[:-1] = shown[lasts[:-1]] != shown[firsts[1:]]
    if math.isfinite(longest):
        boundary |= shown[firsts] != shown[lasts]
    seen = (looks.frames < 1.5) | (looks.durations < 2 * finest - 1e-9)
    if confidence >= 1:
        return Verdict(boundary, ~seen)
    narrow = _narrowed(looks)
    usual, _ = _shown(narrow, smoother, longest)
    draws = min(max(math.ceil(1 / (1 - confidence) - 1e-9), 4), _MOST_DRAWS)
    sure = looks.values.max(axis=1) >= confidence
    low, high = _bounds(shown[lasts], sure)
    rows = _Rows(np.where(sure, looks.values.argmax(axis=1), -1))
    low, high = rows.narrowed(low, high, looks.fresh)
    low, high = (np.where(seen, np.arange(len(looks)), bound) for bound in (low, high))
    others = np.zeros(len(looks))
    for _ in range(draws):
        drawn = np.clip(np.arange(len(looks)) + random.choice(_NEIGHBOURS, len(looks)), low, high)
        given, _ = _shown(replace(narrow, values=narrow.values[drawn]), smoother, longest)
        others += np.maximum.reduceat(given != usual, firsts)
    doubtful = others / draws >= 1 - confidence - 1e-9
    doubtful |= (low == high) & ~sure & ~seen  # a single look: there is no other that unseen frames could be like
    boundary[:-1] |= rows.meet
    boundary[:-1] &= ~(looks.fresh[1:] & sure[1:] & sure[:-1]) | doubtful[:-1]
    return Verdict(boundary, doubtful)


def _shown(looks: Looks, smoother: Smoother, longest: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the best label of each row after the vote, and the first row of each look."""
    rows, firsts = looks.told(longest)
    return smoother(rows).values.argmax(axis=1), firsts


def _narrowed(looks: Looks) -> Looks:
    """Return the looks with those labels only that are among the best of some."""
    if len(looks.labels) <= 4 * _LABELS:
        return looks
    best = np.unique(np.argpartition(-looks.values, _LABELS, axis=1)[:, :_LABELS])
    return replace(looks, values=looks.values[:, best], labels=tuple(looks.labels[place] for place in best))


def _bounds(shown: NDArray[np.intp], sure: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and last look that each may be drawn from: its own scene, and beyond where either is too thin to be one."""
    changes = np.flatnonzero(np.diff(shown)) + 1
    starts = np.concatenate([[0], changes])
    lengths = np.diff(np.append(starts, len(shown)))
    thin = (lengths < _SOLID) & ~np.logical_or.reduceat(sure, starts)
    scene = np.repeat(np.arange(len(starts)), lengths)
    open_before = thin | np.append(False, thin[:-1])
    open_after = thin | np.append(thin[1:], False)
    low = np.where(open_before[scene], 0, starts[scene])
    high = np.where(open_after[scene], len(shown) - 1, (starts + lengths - 1)[scene])
    return low, high


@final
class _Rows:
    """Sure looks in a row that give one label; `labels` (N,) has that of each look, and -1 for those that are not sure."""

    def __init__(self, labels: NDArray[np.intp]) -> None:
        starts = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1])
        lengths = np.diff(np.append(starts, len(labels)))
        row = np.repeat(np.arange(len(starts)), lengths)
        self._solid = (labels >= 0) & (lengths >= _SOLID)[row]
        self._first, self._last = starts[row], (starts + lengths - 1)[row]
        self.meet: NDArray[np.bool_] = self._solid[:-1] & self._solid[1:] & (labels[:-1] != labels[1:])

    def narrowed(
        self, low: NDArray[np.intp], high: NDArray[np.intp], fresh: NDArray[np.bool_]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return bounds within the rows; a row's last look may be followed by what the next look shows, unless a fresh one begins it."""
        places = np.arange(len(low))
        opens = (places == self._last) & ~np.append(fresh[1:], True)
        low = np.where(self._solid, np.maximum(low, self._first), low)
        return low, np.where(self._solid, np.where(opens, places + 1, np.minimum(high, self._last)), high)
