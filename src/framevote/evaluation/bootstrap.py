"""How sure a figure is: the bootstrap, which draws whole groups anew and looks how much the figure moves."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 1000
"""How often the groups are drawn anew."""

_SURE = 95.0  # per cent of the rounds that lie within the interval
_MOST_WEIGHTS = 16_000_000  # numbers that are held at once

Weights = NDArray[np.float32]
"""(R, N): how often each of N items was drawn in each of R rounds."""

Statistics = Callable[[Weights], dict[str, NDArray[np.float64]]]
"""Figures (R,) by name, of items that count as often as the weights say; NaN where a round has nothing to say."""


@dataclass(frozen=True)
class Figure:
    """A figure with the interval that holds it in 95 of 100 draws; `low` and `high` are NaN where there is but one group."""

    value: float
    low: float = math.nan
    high: float = math.nan


def figures(statistics: Statistics, groups: Any, seed: int = 0, rounds: int = ROUNDS) -> dict[str, Figure]:
    """Return each statistic of all items, with its 95 % percentile interval over resampled groups.

    The groups are drawn with replacement, as many as there are, each with all its items: items of one group (takes of one person,
    pictures of one film) resemble each other, so that drawing single items would promise too much (Efron, "Bootstrap Methods:
    Another Look at the Jackknife", 1979; Davison & Hinkley, "Bootstrap Methods and their Application", 1997, on clusters).

    Args:
        statistics: what to compute from weighted items.
        groups: (N,) the group of each item, of any kind that can be told apart.
        seed: of the draw.
        rounds: how many draws.
    """
    names, membership = np.unique(np.asarray(groups), return_inverse=True)
    values = {name: float(value[0]) for name, value in statistics(np.ones((1, len(membership)), np.float32)).items()}
    if len(names) < 2:
        return {name: Figure(value) for name, value in values.items()}
    drawn = [statistics(weights) for weights in draws(membership, len(names), seed, rounds)]
    return {name: _figure(value, np.concatenate([block[name] for block in drawn])) for name, value in values.items()}


def draws(membership: NDArray[np.intp], groups: int, seed: int, rounds: int) -> Iterator[Weights]:
    """Yield the weights of `rounds` draws in blocks that fit in memory; `membership` (N,) are indices below `groups`."""
    random = np.random.default_rng(seed)
    most = max(1, _MOST_WEIGHTS // max(len(membership), 1))
    for first in range(0, rounds, most):
        count = min(most, rounds - first)
        chosen = random.integers(0, groups, (count, groups)) + np.arange(count)[:, None] * groups
        often = np.bincount(chosen.ravel(), minlength=count * groups).reshape(count, groups)
        yield often.astype(np.float32)[:, membership]


def _figure(value: float, drawn: NDArray[np.float64]) -> Figure:
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return Figure(value)
    low, high = np.percentile(known, [(100 - _SURE) / 2, (100 + _SURE) / 2])
    return Figure(value, float(low), float(high))
