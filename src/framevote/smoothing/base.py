"""What a smoother is, and the one way in which rows are fed to it."""

import abc
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from framevote.errors import PartError, UsageError
from framevote.parts import Part
from framevote.records import Scores

GRAIN = 256
"""Rows: blocks are cut at every multiple, so that no result depends on how the caller cut them, and no block is large."""


class Run(abc.ABC):
    """One pass over one video: rows go in, in order; those that are decided come out, in order."""

    @abc.abstractmethod
    def push(self, rows: Scores) -> Iterable[Scores]:
        """Take the next rows (1 to GRAIN of them, none across a multiple of GRAIN) and give those that are ready."""

    @abc.abstractmethod
    def finish(self) -> Iterable[Scores]:
        """Give the rows that were still held back: there will be no others."""


class Smoother(Part, abc.ABC):
    """Turns the scores of single rows into steady ones: the same rows, other values.

    A new one gives `causal` and `begin`; the rest stands here.
    """

    @property
    @abc.abstractmethod
    def causal(self) -> bool:
        """Whether no row needs a later one, so that the smoother can run live."""

    @abc.abstractmethod
    def begin(self, live: bool) -> Run:
        """Start a pass; where it is live (asked only of a causal smoother), every push answers all its rows at once."""

    def fineness(self, frame_rate: float) -> float:
        """Return how many seconds a row may last, so that the vote changes about where it would on every frame; inf: any number.

        Asked by strategies that look seldom: their rows are told in pieces that are no longer. `frame_rate` is the video's.
        """
        del frame_rate
        return 0.25

    def __call__(self, scores: Scores) -> Scores:
        """Return the steady scores of a whole video.

        Raises:
            ValueError: a value is not finite; the message names the row's time.
        """
        return Scores.join(self.stream([scores]), scores.labels)

    def stream(self, blocks: Iterable[Scores]) -> Iterator[Scores]:
        """Yield the steady scores of consecutive blocks: the same rows in the same order, in blocks of other sizes.

        Raises:
            ValueError: a value is not finite, or a block does not follow the one before.
        """
        run, feed = self.begin(live=False), _Feed(str(self))
        for block in blocks:
            for rows in feed(block):
                yield from run.push(rows)
        yield from run.finish()

    def online(self) -> Callable[[Scores], Scores]:
        """Return a function that takes the next rows (one or many) and returns exactly these, steady.

        Raises:
            UsageError: the smoother looks ahead.
        """
        if not self.causal:
            raise UsageError(
                f"{self} looks at later frames, so it cannot run live. Expected a smoother that looks back only, such as "
                "RollingMean(seconds=4) without centred=True, or Exponential(seconds=2)."
            )
        run, feed = self.begin(live=True), _Feed(str(self))

        def step(scores: Scores) -> Scores:
            return Scores.join(chain.from_iterable(map(run.push, feed(scores))), scores.labels)

        return step


class _Feed:
    """Checks each block against the one before and cuts it at every multiple of GRAIN rows since the start."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._seen = 0
        self._time = -math.inf
        self._labels: tuple[str, ...] | None = None

    def __call__(self, scores: Scores) -> Iterator[Scores]:
        if not len(scores):
            return
        self._check(scores)
        at = 0
        while at < len(scores):
            size = min(GRAIN - self._seen % GRAIN, len(scores) - at)
            self._seen += size
            yield scores if size == len(scores) else scores[at : at + size]
            at += size

    def _check(self, scores: Scores) -> None:
        _check_finite(self._owner, scores)
        if self._labels is not None and self._labels != scores.labels:
            raise ValueError(f"{self._owner} expects blocks with the same labels. Received: other ones at {scores.times[0]:.3f} s")
        if scores.times[0] <= self._time:
            raise ValueError(
                f"{self._owner} expects each block to begin after the one before. "
                f"Received: {scores.times[0]:.3f} s after {self._time:.3f} s. Begin anew for another video."
            )
        self._labels, self._time = scores.labels, float(scores.times[-1])


def _check_finite(owner: str, scores: Scores) -> None:
    with np.errstate(invalid="ignore", over="ignore"):
        total = scores.values.sum()  # one fast pass: anything that is not finite shows in the sum
    if math.isfinite(total):
        return
    rows, columns = np.nonzero(~np.isfinite(scores.values))
    if len(rows):
        raise ValueError(
            f"{owner} expects finite probabilities. Received: {scores.values[rows[0], columns[0]]} in the row at "
            f"{scores.times[rows[0]]:.3f} s. Look at what the model gave there, or leave the row out."
        )


def make_plain(part: Part) -> None:
    """Turn NumPy's numbers among a part's fields into Python's, so that its repr can be read back."""
    for name, value in vars(part).items():
        if isinstance(value, np.generic):
            object.__setattr__(part, name, value.item())


def whole(owner: object, name: str, value: Any) -> int:
    """Return `value`, an int of at least 1; raise PartError where it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 2**53:
        raise refusal(owner, f"{name} as a whole number of at least 1", f"{name}={value!r}")
    return value


def positive(owner: object, name: str, value: Any, expected: str, below: float = 1e300) -> float:
    """Return `value`, a number above 0 and below `below`; raise PartError where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < below:
        raise refusal(owner, f"{name} as {expected}", f"{name}={value!r}")
    return value


def refusal(owner: object, expected: str, received: str) -> PartError:
    """Return the error for an argument of a part."""
    return PartError(f"{type(owner).__name__} takes {expected}. Received: {received}")
