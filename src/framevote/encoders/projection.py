"""Projections: what descriptors go through before they are encoded."""

import abc
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.errors import InputError, PartError
from framevote.parts import Part

Floats = NDArray[np.float32]

_LEAST = 1e-6  # of the largest variance: a direction that varies less is noise, and is not blown up


@dataclass(frozen=True, eq=False)
class Projected:
    """A fitted projection.

    Attributes:
        middle: float32 (D,), what is taken off; empty where descriptors stay as they are.
        axes: float32 (D, P), what they are multiplied by.
        spread: of a number that comes out, over the sample: the unit of positions.
    """

    middle: Floats
    axes: Floats
    spread: float

    def __call__(self, values: Floats) -> Floats:
        """Return descriptors (N, D) as (N, P)."""
        return np.asarray((values - self.middle) @ self.axes, np.float32) if len(self.middle) else values


class Projection(Part, abc.ABC):
    """What descriptors go through before they are encoded."""

    @abc.abstractmethod
    def fit(self, sample: Floats) -> Projected:
        """Return the projection fitted to a sample of descriptors (M, D)."""


@final
@dataclass(frozen=True, repr=False)
class Plain(Projection):
    """Leaves descriptors as they are."""

    def fit(self, sample: Floats) -> Projected:
        """Return what changes nothing."""
        return Projected(np.empty(0, np.float32), np.empty((0, 0), np.float32), _spread(sample))


@final
@dataclass(frozen=True, repr=False)
class PCA(Projection):
    """Principal components: the directions in which descriptors vary most, uncorrelated, as a diagonal mixture wants them.

    Pearson, "On lines and planes of closest fit", 1901; for local descriptors Jégou et al., CVPR 2010.

    Args:
        components: how many are kept, at least 1; no more than descriptors have numbers.
        whiten: whether each is divided by its spread, so that all weigh the same.
    """

    components: int = 64
    whiten: bool = False

    def __post_init__(self) -> None:
        if type(self.components) is not int or self.components < 1:
            raise PartError(f"PCA takes components: a whole number from 1 on. Received: components={self.components!r}")
        if not isinstance(self.whiten, bool):
            raise PartError(f"PCA takes whiten: True or False. Received: whiten={self.whiten!r}")

    def fit(self, sample: Floats) -> Projected:
        """Return the projection fitted to (M, D), M at least 2.

        Raises:
            InputError: fewer than two descriptors.
        """
        if len(sample) < 2:
            raise InputError(f"{self} needs at least 2 descriptors to learn from. Received: {len(sample)}. Give more photos or videos.")
        middle = sample.mean(axis=0, dtype=np.float64)
        apart = (sample - middle).astype(np.float64)
        variances, axes = np.linalg.eigh(apart.T @ apart / len(sample))
        order = np.argsort(variances)[::-1][: self.components]
        kept, axes = np.maximum(variances[order], 0), axes[:, order]
        if self.whiten:
            axes = axes / np.sqrt(np.maximum(kept, _LEAST * max(float(kept[0]), 1e-30)))
        projected = Projected(middle.astype(np.float32), axes.astype(np.float32), 0.0)
        return Projected(projected.middle, projected.axes, _spread(projected(sample)))


def _spread(values: Floats) -> float:
    return float(np.sqrt(values.var(axis=0, dtype=np.float64).mean())) or 1.0
