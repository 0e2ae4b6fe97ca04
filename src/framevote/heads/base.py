"""What every head is: a part that is fitted to embeddings, and what comes of it."""

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from framevote.parts import Part
from framevote.records import FloatArray


class Fitted(Protocol):
    """A head that was fitted: what stands on the embeddings in a model file."""

    def probabilities(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Return the probabilities (N, C) of embeddings (N, D), or of windows of them (N, T, D)."""

    def familiarity(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Return how like the training data each is, (N,); NaN where nobody says."""

    def with_prototypes(self, prototypes: FloatArray) -> Self:
        """Return the same with prototypes (D, K), by which familiarity is measured."""

    def save(self, path: Path) -> None:
        """Write it down for the export."""


class Head(Part, abc.ABC):
    """What learns the classes on embeddings.

    Attributes:
        temporal: whether it takes windows of consecutive frames (N, T, D), in their order; else single frames (N, D).
        regions: cells of a side that the backbone's grid is pooled to before the head sees it; 0 is the backbone's own embedding.
        causal: whether the windows of a temporal head end with the row that they are for, or have it in their middle.
        strengths: values of its regulariser to choose from by held-out likelihood; one where there is nothing to choose.
    """

    temporal: bool = False
    regions: int = 0
    causal: bool = False

    @property
    @abc.abstractmethod
    def strengths(self) -> Sequence[float]:
        """What to choose from."""

    @abc.abstractmethod
    def at(self, strength: float) -> "Head":
        """Return the same head with its strength settled."""

    @abc.abstractmethod
    def __call__(
        self, values: FloatArray, targets: NDArray[np.bool_], weights: FloatArray, several: bool, strength: float, seed: int = 0
    ) -> Fitted:
        """Return the head fitted to rows.

        Args:
            values: float32 embeddings (R, D), or windows of them (R, T, D) for a temporal head.
            targets: which labels each row has, (R, C).
            weights: (R,), how much each row counts.
            several: whether a row may have more than one label, or none.
            strength: one of `strengths`.
            seed: of everything that is drawn.
        """
