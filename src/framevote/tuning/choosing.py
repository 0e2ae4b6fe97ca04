"""Which vote is best, and what choosing so is worth on videos that did not choose."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from framevote.errors import UsageError
from framevote.tuning.results import Fold, Tried
from framevote.tuning.trying import Trials

FOLDS = 5
"""How many folds there are, where there are as many groups of videos."""

MOST_DELAY = 3600.0
"""Seconds: a delay that is longer is none that anyone waits for."""

SAME = 1e-6  # seconds by which a delay may be above what is allowed, as clocks are rounded

Ids = NDArray[np.intp]
MaxDelay = float | Literal["default"] | None


def check_delay(most: MaxDelay) -> None:
    """Refuse what is no delay.

    Raises:
        UsageError: it is below 0, above an hour, or no number.
    """
    if most in (None, "default"):
        return
    if isinstance(most, bool) or not isinstance(most, int | float) or not 0 <= most <= MOST_DELAY:
        raise UsageError(
            f"The longest delay is a number of seconds from 0 to {MOST_DELAY:g}, or default: what the default vote has. "
            f"Received: {most!r}. Leave it out where nobody watches live: then only accuracy counts."
        )


def allowed(trials: Trials, films: Ids, most: MaxDelay) -> float:
    """Return the seconds of delay that are allowed on some videos; without end where any is."""
    if most == "default":
        return float(trials.delay(films)[0])
    return np.inf if most is None else most


def choose(trials: Trials, films: Ids, most: MaxDelay) -> int:
    """Return the number of the vote with the best F1 on some videos, of those that are seen within `most` seconds there.

    Of equally good ones the quickest, then the one tried first. Where none is as quick, the quickest there is.
    """
    f1, delay = trials.f1(films), trials.delay(films)
    able = delay <= allowed(trials, films, most) + SAME
    if not able.any():
        return int(delay.argmin())
    order = np.lexsort((delay, -np.where(able, f1, -1.0)))
    return int(order[0])


def check_reached(trials: Trials, most: MaxDelay) -> None:
    """Refuse a delay that no vote meets on all videos together.

    Raises:
        UsageError: with the smallest delay that is reached, and by which vote.
    """
    every = np.arange(len(trials.true))
    delay, bound = trials.delay(every), allowed(trials, every, most)
    quickest = int(delay.argmin())
    if not np.isfinite(delay[quickest]):
        raise UsageError("No vote ever shows a true label of these videos, whatever the delay. Is it the right model for them?")
    if delay[quickest] > bound + SAME:
        vote, least = trials.votes[quickest], np.ceil((delay[quickest] - SAME) * 100) / 100
        raise UsageError(
            f"No vote shows labels within {bound:g} s of their begin. The smallest delay reached is {least:.2f} s, "
            f"by {', '.join(map(repr, vote.parts()))}. Allow at least that, or train a model that is surer."
        )


def held_out(trials: Trials, groups: NDArray[np.intp], most: MaxDelay) -> tuple[Fold, ...]:
    """Return the folds: what the default and the vote that the other videos choose do on videos that are held out.

    Groups stay whole. None where all the videos are of one group.
    """
    return tuple(_fold(trials, rest, held, most) for rest, held in _folds(groups, trials.seconds))


def _folds(groups: NDArray[np.intp], seconds: NDArray[np.float64]) -> Iterator[tuple[Ids, Ids]]:
    """Yield (others, held out): groups are dealt out from the longest to the shortest, each to the fold that is shortest so far."""
    lengths = np.bincount(groups, weights=seconds)
    count = min(FOLDS, len(lengths))
    if count < 2:
        return
    filled, folds = np.zeros(count), np.zeros(len(lengths), np.intp)
    for group in np.argsort(-lengths, kind="stable"):
        folds[group] = filled.argmin()
        filled[folds[group]] += lengths[group]
    for fold in range(count):
        held = folds[groups] == fold
        yield np.flatnonzero(~held), np.flatnonzero(held)


def _fold(trials: Trials, rest: Ids, held: Ids, most: MaxDelay) -> Fold:
    tried = tried_on(trials, held)
    return Fold(len(held), tried[0], tried[choose(trials, rest, most)])


def tried_on(trials: Trials, films: Ids) -> tuple[Tried, ...]:
    """Return every vote with its figures on some videos."""
    columns = (trials.f1(films).tolist(), trials.delay(films).tolist(), trials.changes_a_minute(films).tolist())
    return tuple(Tried(*row) for row in zip(trials.votes, *columns, strict=True))
