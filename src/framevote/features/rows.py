"""Embeddings of the frames of items, as one table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framevote.records import FloatArray
from framevote.records.checking import check, frozen


@dataclass(frozen=True, eq=False)
class Rows:
    """Embeddings of the frames of items, or of windows of frames.

    Attributes:
        values: float32 (R, D), or (R, T, D) where a row is a window of T frames.
        owners: (R,), the item that each row belongs to; in order, each item has at least one.
        items: how many items there are.
    """

    values: NDArray[np.float32]
    owners: NDArray[np.intp]
    items: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen(self.values, np.float32))
        object.__setattr__(self, "owners", frozen(self.owners, np.intp))
        check(
            self.values.ndim in (2, 3) and len(self.values) == len(self.owners),
            "Rows",
            "values (R, D) or (R, T, D) and owners (R,)",
            self.values.shape,
        )
        held = np.bincount(self.owners, minlength=self.items)
        check(len(held) == self.items and bool(held.all()), "Rows", f"rows for each of {self.items} items", len(held))
        check(bool(np.all(np.diff(self.owners) >= 0)), "Rows", "owners in order", self.owners)

    def __repr__(self) -> str:
        return f"Rows({len(self.values)} of {self.items} items × {self.values.shape[-1]} numbers)"

    @property
    def frames(self) -> "Rows":
        """The frames, one by one; of windows, each window's in turn."""
        if self.values.ndim == 2:
            return self
        _, length, size = self.values.shape
        return Rows(self.values.reshape(-1, size), np.repeat(self.owners, length), self.items)

    @property
    def described(self) -> NDArray[np.float32]:
        """One embedding (R, D) of each row: of a window, the mean of its frames'."""
        return self.values if self.values.ndim == 2 else self.values.mean(axis=1)

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
