"""The nearest words of descriptors, by one product of matrices."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
"""Descriptors at a time: their likeness to a thousand words is 4 MB."""

_FEW = 24  # from so many on, sorting beats taking the largest again and again


def blocks(count: int, size: int = BLOCK) -> Iterator[slice]:
    """Yield the slices into which so many rows are cut, so that memory is bounded by one of them."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def nearest(values: NDArray[np.float32], words: NDArray[np.float32], count: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the nearest words of a block of descriptors, nearest first, and the squares of their distances: (N, count) each.

    Args:
        values: (N, D).
        words: (K, D), K at least `count`.
        count: how many.
    """
    middle = words.mean(axis=0)  # far from 0, products in single precision would keep no digit of what differs
    values, words = values - middle, words - middle
    likeness = values @ words.T
    likeness -= np.einsum("kd,kd->k", words, words) / 2
    places = largest(likeness, count)
    rows = np.arange(len(values))[:, None]
    # From the differences themselves: of near things, the squares' sums would keep no digit.
    found = np.einsum("nkd->nk", np.square(values[:, None] - words[places])) if count <= _FEW else None
    if found is None:
        squares = np.einsum("nd,nd->n", values, values)
        found = np.maximum(squares[:, None] - 2 * likeness[rows, places], 0)
    return places, found


def largest(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Return where the `count` largest of each row lie, (N, count), in falling order; `values` (N, K) is used up."""
    rows = np.arange(len(values))
    if count == 1:
        return np.asarray(values.argmax(axis=1)[:, None])
    if count > _FEW:
        places = np.argpartition(values, values.shape[1] - count, axis=1)[:, -count:] if count < values.shape[1] else None
        places = np.broadcast_to(np.arange(values.shape[1]), values.shape) if places is None else places
        order = np.argsort(-np.take_along_axis(values, places, axis=1), axis=1, kind="stable")
        return np.take_along_axis(places, order, axis=1)
    places = np.empty((len(values), count), np.intp)
    kept = np.empty((len(values), count), values.dtype)
    for number in range(count):
        places[:, number] = found = values.argmax(axis=1)
        kept[:, number] = values[rows, found]
        values[rows, found] = -np.inf
    np.put_along_axis(values, places, kept, axis=1)
    return places
