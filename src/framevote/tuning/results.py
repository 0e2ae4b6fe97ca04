"""What tuning found: the votes that were tried, the one that was chosen, and what it is worth on videos that were held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framevote.datasets import Problem
from framevote.model_file import Vote


@dataclass(frozen=True)
class Tried:
    """A vote, and what it does on some videos.

    Attributes:
        vote: the vote.
        f1: segment F1 at an overlap of 50 per cent, 0 to 1, counts pooled over the videos.
        delay: the median, in seconds, from the begin of a true segment until a viewer of live material sees its label; infinite
            where none is ever seen.
        changes: label changes a minute.
    """

    vote: Vote
    f1: float
    delay: float
    changes: float


@dataclass(frozen=True)
class Fold:
    """Videos that were held out: the default vote on them, and the one that all the other videos choose."""

    videos: int
    default: Tried
    chosen: Tried


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over folds; of one fold there is no deviation."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of one value or more."""
        return cls(_mean(values), _sd(values) if len(values) > 1 else None)


@dataclass(frozen=True)
class HeldOut:
    """Figures of the default vote and of the tuned one on the same held-out videos, and what the one gains over the other."""

    default_f1: Spread
    f1: Spread
    gain: Spread
    default_delay: Spread
    delay: Spread
    default_changes: Spread
    changes: Spread

    @classmethod
    def of(cls, folds: Sequence[Fold]) -> "HeldOut":
        """Return the figures over folds, of which there is at least one."""

        def both(name: str) -> tuple[Spread, Spread]:
            return tuple(Spread.of([getattr(getattr(fold, side), name) for fold in folds]) for side in ("default", "chosen"))  # type: ignore[return-value]

        (default_f1, f1), (default_delay, delay), (default_changes, changes) = map(both, ("f1", "delay", "changes"))
        gain = Spread.of([fold.chosen.f1 - fold.default.f1 for fold in folds])
        return cls(default_f1, f1, gain, default_delay, delay, default_changes, changes)


@dataclass(frozen=True)
class Tuned:
    """What tuning found.

    Attributes:
        model, fingerprint: whose vote it is.
        data: where the videos came from; empty for a data set that was passed.
        videos, groups, seconds: how many could be used, in how many groups, and how long they last together.
        max_delay: the delay in seconds that was allowed; None where any was.
        default: the vote where nobody tunes, over all videos.
        chosen: the vote that was chosen on all videos, over the same videos: better than it will be elsewhere.
        tried: every vote over all videos, the default first.
        folds: what was held out; empty with one group of videos.
        stored: whether the model's file has the vote now.
        problems: what could not be used, and why.
    """

    model: str
    fingerprint: str
    data: str
    videos: int
    groups: int
    seconds: float
    max_delay: float | None
    default: Tried
    chosen: Tried
    tried: tuple[Tried, ...]
    folds: tuple[Fold, ...]
    stored: bool = False
    problems: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        return f"Tuned({self.model!r}, {self.chosen.vote}, F1@50 {self.chosen.f1:.4f}, {len(self.tried)} votes, {self.videos} videos)"

    @property
    def held_out(self) -> HeldOut | None:
        """What the default vote and the tuned one do on videos that were held out; None where none could be."""
        return HeldOut.of(self.folds) if self.folds else None

    @property
    def front(self) -> tuple[Tried, ...]:
        """The votes that no other one beats in both delay and F1, the quickest first: the trade-off curve."""
        return front(self.tried)


def front(tried: Sequence[Tried]) -> tuple[Tried, ...]:
    """Return the votes that no other one equals or beats in both delay and F1, the quickest first."""
    kept: list[Tried] = []
    for each in sorted(tried, key=lambda t: (t.delay, -t.f1)):  # stable: of equals the one that was tried first
        if not kept or each.f1 > kept[-1].f1:
            kept.append(each)
    return tuple(kept)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _sd(values: Sequence[float]) -> float:
    """Return the standard deviation; NaN where a value is no number: a fold in which no label is ever shown has no delay."""
    with np.errstate(invalid="ignore"):
        return float(np.std(values, ddof=1))
