"""What every encoder is: a part that learns a codebook from a sample of descriptors, and what comes of it."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from framevote.encoders.pooling import NORMALISATIONS, POOLINGS, pyramid_of
from framevote.errors import InputError, PartError
from framevote.parts import Part

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]

MOST_WORDS = 65_536


class Coder(abc.ABC):
    """A fitted encoder: from the descriptors of some cells to a row of numbers for each cell.

    Attributes:
        words: how many words its codebook has.
        block: how many numbers of a cell belong to one word, side by side; 1 where a word is counted by a single number.
    """

    words: int
    block: int = 1

    @abc.abstractmethod
    def pooled(self, values: Floats, starts: NDArray[np.intp], pooling: str) -> Floats:
        """Return what the descriptors of each cell give: (S, L) float32.

        Rows of one cell can be joined with those of the same cell at another moment: by their sum, or for `max` their maximum.

        Args:
            values: (N, D), cell by cell.
            starts: (S + 1,), where each cell's descriptors begin, and the end.
            pooling: one of POOLINGS; `average` gives the sum, which is divided by the count when all moments are joined.
        """

    def pooled_each(self, values: Floats, starts: NDArray[np.intp], poolings: Sequence[str]) -> list[Floats]:
        """Return what `pooled` does for each of several poolings; codes that they share are computed once."""
        return [self.pooled(values, starts, pooling) for pooling in poolings]

    def finish(self, pooled: Floats, counts: NDArray[np.float64], pooling: str) -> Floats:
        """Return what stands for each cell (S, L) when all its moments are joined, of so many descriptors (S,)."""
        return np.asarray(pooled / np.maximum(counts, 1.0)[:, None], np.float32) if pooling == "average" else pooled

    @abc.abstractmethod
    def arrays(self) -> Arrays:
        """Return all that was learned, by name; no name holds a dot."""


@dataclass(frozen=True, repr=False)
class Encoder(Part, abc.ABC):
    """How descriptors become one vector: a codebook, a code for each descriptor, pooled over cells of the picture and normalised.

    Args:
        words: of the codebook.
        pooling: `sum`, `average` or `max` over the descriptors of a cell.
        normalisation: steps joined by +, in their order: `power` (signed square root), `intra` (each word's numbers, or where a word
            has one, each cell's, to length 1), `l1`, `l2`; or `none`.
        pyramid: the cells that are pooled apart, levels joined by +: `1x1+2x2+4x4` are the whole picture, its quarters and their
            quarters; a third number parts the window's time: `1x1x1+1x1x2`.
        position: how much it counts where in the picture a descriptor lies: x and y are appended to it, in units of its spread; 0 leaves
            them out.
        moment: the same for the time in the window.

    Raises:
        PartError: an argument that does not fit.
    """

    words: int = 1024
    pooling: str = "sum"
    normalisation: str = "l2"
    pyramid: str = "1x1"
    position: float = 0.0
    moment: float = 0.0

    poolings: ClassVar[tuple[str, ...]] = POOLINGS
    projection: ClassVar[str] = "Plain()"
    """What descriptors go through first, unless told otherwise."""

    per_word: ClassVar[int] = 100
    """Descriptors that are sampled for each word."""

    def __post_init__(self) -> None:
        name = type(self).__name__
        if type(self.words) is not int or not 1 <= self.words <= MOST_WORDS:
            raise PartError(f"{name} takes words: a whole number from 1 to {MOST_WORDS}. Received: words={self.words!r}")
        if self.pooling not in self.poolings:
            raise PartError(f"{name} takes pooling: {', '.join(self.poolings)}. Received: pooling={self.pooling!r}")
        steps = self.normalisation.split("+") if isinstance(self.normalisation, str) else [""]
        if steps != ["none"] and (any(step not in NORMALISATIONS for step in steps) or len(set(steps)) < len(steps)):
            told = ", ".join(NORMALISATIONS)
            raise PartError(
                f"{name} takes normalisation: steps out of {told}, joined by +, or none. Received: normalisation={self.normalisation!r}"
            )
        pyramid_of(self.pyramid, name)
        self._check_number("position", least=0.0)
        self._check_number("moment", least=0.0)

    def _check_number(self, field: str, least: float, above: bool = False) -> None:
        value = getattr(self, field)
        fits = (
            isinstance(value, int | float) and not isinstance(value, bool) and least <= value < math.inf and not (above and value == least)
        )
        if not fits:
            told = f"above {least:g}" if above else f"of at least {least:g}"
            raise PartError(f"{type(self).__name__} takes {field}: a number {told}. Received: {field}={value!r}")

    def fit(self, sample: Floats, seed: int = 0) -> Coder:
        """Return the encoder fitted to a sample of descriptors (M, D).

        Raises:
            InputError: there are fewer descriptors than words, none of them differ, or some are not finite.
        """
        self.check(sample)
        return self._fit(sample, seed)

    def check(self, sample: Floats) -> None:
        """Raise InputError where nothing can be learned from a sample: see `fit`."""
        if len(sample) < self.words:
            raise InputError(
                f"{self} needs at least {self.words} descriptors to learn {self.words} words from. Received: {len(sample)}. "
                "Give it fewer words, or more photos or videos."
            )
        if unfit := int((~np.isfinite(sample)).any(axis=1).sum()):
            raise InputError(f"{self} takes finite numbers, but {unfit} of the {len(sample)} descriptors have others: NaN, or without end.")
        if not np.ptp(sample, axis=0).any():
            raise InputError(
                f"All {len(sample)} descriptors are the same: nothing is seen in these pictures, or nothing moves. Expected some that "
                "differ."
            )

    @abc.abstractmethod
    def _fit(self, sample: Floats, seed: int) -> Coder:
        """Return the encoder fitted to a sample that was checked."""

    @abc.abstractmethod
    def coder(self, arrays: Arrays) -> Coder:
        """Return the coder of what `Coder.arrays` gave."""
