"""Embeddings of the frames of items, as one table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framevote.records import FloatArray
from framevote.records.checking import check, frozen


@dataclass(frozen=True, eq=False)
class Rows:
    """Embeddings of the frames of items.

    Attributes:
        values: float32 (R, D).
        owners: (R,), the item that each row belongs to; in order, each item has at least one.
        items: how many items there are.
    """

    values: NDArray[np.float32]
    owners: NDArray[np.intp]
    items: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen(self.values, np.float32))
        object.__setattr__(self, "owners", frozen(self.owners, np.intp))
        check(self.values.ndim == 2 and len(self.values) == len(self.owners), "Rows", "values (R, D) and owners (R,)", self.values.shape)
        held = np.bincount(self.owners, minlength=self.items)
        check(len(held) == self.items and bool(held.all()), "Rows", f"rows for each of {self.items} items", len(held))
        check(bool(np.all(np.diff(self.owners) >= 0)), "Rows", "owners in order", self.owners)

    def __repr__(self) -> str:
        return f"Rows({len(self.values)} of {self.items} items × {self.values.shape[1]} numbers)"

    @property
    def weights(self) -> NDArray[np.float64]:
        """How much each row (R,) counts, so that all items count alike."""
        return 1.0 / np.bincount(self.owners, minlength=self.items)[self.owners]

    def of(self, items: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows of some items."""
        return np.flatnonzero(np.isin(self.owners, items))

    def means(self, values: FloatArray) -> NDArray[np.float64]:
        """Return the mean (N, …) over each item's rows of values (R, …)."""
        starts = np.searchsorted(self.owners, np.arange(self.items))
        counts = np.bincount(self.owners, minlength=self.items).reshape(-1, *[1] * (values.ndim - 1))
        return np.asarray(np.add.reduceat(values.astype(np.float64), starts, axis=0) / counts)
